"""Which Events are created, and how many at a time."""

from __future__ import annotations

import io

from tfconfig.tensorflow_job.lifecycle.events import MAX_EVENTS_PER_ROUND, EventRecorder
from tfconfig.tensorflow_job.lifecycle.kubernetes import Client
from tfconfig.tensorflow_job.lifecycle.log import Log
from tfconfig.tensorflow_job.lifecycle.state import Event

from .conftest import Install


def events(cluster: object) -> list[tuple[str, str, str]]:
    objects = cluster.objects.items()  # type: ignore[attr-defined]
    return [(event["type"], event["reason"], event["message"]) for (kind, _), event in objects if kind == "events"]


def test_what_is_too_much_at_a_time_is_counted_and_nothing_else_is_left_out(install: Install) -> None:
    cluster, server = install()
    client = Client(server.url, "/nowhere", "team-a")
    recorder = EventRecorder(client, Log(io.StringIO()), "j-lifecycle-1", "uid-1", 1.0)
    same = Event("Warning", "TaskFailed", "worker-0 exited 1")
    others = [Event("Normal", "TaskDisrupted", f"worker-{index}") for index in range(MAX_EVENTS_PER_ROUND)]
    recorder.add([same, *others, Event("Normal", "Running", "all tasks run"), same])
    recorder.publish(at_once=False)
    client.close()
    made = events(cluster)
    assert made[0] == ("Warning", "TaskFailed", "worker-0 exited 1")
    assert made[-2:] == [("Warning", "MoreEvents", "and 2 more like these"), ("Normal", "Running", "all tasks run")]
    assert len(made) == MAX_EVENTS_PER_ROUND + 2
