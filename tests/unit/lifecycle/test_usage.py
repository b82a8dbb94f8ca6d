"""What the tasks used: what is believed, what is kept, and what is worth telling."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle import status, usage, usage_client
from tfconfig.tensorflow_job.lifecycle.informer import DesiredState, Wakeup
from tfconfig.tensorflow_job.lifecycle.log import Log
from tfconfig.tensorflow_job.lifecycle.state import Pod, State, Usage
from tfconfig.tensorflow_job.lifecycle.status_store import Identity, StatusStore
from tfconfig.tensorflow_job.lifecycle.summary import summary
from tfconfig.tensorflow_job.lifecycle.usage_client import UsageClient
from tfconfig.tensorflow_job.task.job_spec import Task, name, tasks
from tfconfig.tensorflow_job.task.messages import REACHED, STOPPED
from tfconfig.tensorflow_job.task.names import CONTROLLER_ANNOTATION, RUN_ANNOTATION

from .story import OTHER, PS, WORKER, Story

GIB = 1 << 30
JOB = a_job(chief=1, worker=2, ps=1)
SOME = Usage(100.0, 40.0, 4.0, memory_peak=GIB, memory_limit=4 * GIB)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        {"cpuSeconds": 5.0},
        {"seconds": "5"},
        {"seconds": True},
        {"seconds": -1.0},
        {"seconds": 5.0, "cpuSeconds": -1.0},
        {"seconds": 5.0, "memoryPeakBytes": 1.5},
        {"seconds": 5.0, "memoryPeakBytes": 10**30},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": 1e300},
        {"seconds": 5.0, "tensorflow": 2},
        {"seconds": 5.0, "tensorflow": ""},
        {"seconds": 5.0, "tensorflow": "2.21\x1b[0m"},
        {"seconds": 5.0, "tensorflow": "2" * 41},
    ],
)
def test_what_is_no_usage_tells_nothing(document: Any) -> None:
    assert usage.parse(document) is None


def test_what_it_does_not_know_is_left_out() -> None:
    document = {"seconds": 5.0, "memoryPeakBytes": 7, "cpuSeconds": None, "text": "x" * 10**6}
    assert usage.parse(document) == Usage(5.0, memory_peak=7)
    assert usage.dump(Usage(5.0, memory_peak=7)) == {"seconds": 5.0, "memoryPeakBytes": 7}
    known = {"seconds": 5.0, "tensorflow": "2.12.0+nv23.6"}
    assert usage.parse(known) == Usage(5.0, tensorflow="2.12.0+nv23.6")


LINE = f"used: {json.dumps(usage.dump(SOME))}"


@pytest.mark.parametrize(
    ("message", "text", "used"),
    [
        (f"{REACHED} {{}}\n{LINE}\n", f"{REACHED} {{}}", SOME),
        (LINE, "", SOME),
        (f"{STOPPED} asked to end\nused: nonsense", f"{STOPPED} asked to end", None),
        (f"{LINE}\nmore", f"{LINE}\nmore", None),
        ("words\n", "words\n", None),
        ("", "", None),
    ],
)
def test_the_last_line_of_a_message_tells_it(message: str, text: str, used: Usage | None) -> None:
    assert usage.split_message(message) == (text, used)


def test_every_task_that_answers_or_ends_is_in_the_state() -> None:
    story = Story.running(JOB)
    story.used = {WORKER: SOME, PS: replace(SOME, memory_peak=3 * GIB)}
    assert story.look().usage == story.used
    story.change(OTHER, last=None)
    story.used = {WORKER: replace(SOME, seconds=200.0, memory_peak=5)}
    state = story.look()
    assert state.usage[WORKER] == replace(SOME, seconds=200.0)  # the higher peak of both
    assert state.usage[PS].memory_peak == 3 * GIB


def test_what_a_task_said_when_it_ended_counts() -> None:
    story = Story.running(JOB)
    story.used = {WORKER: replace(SOME, tensorflow="2.21.0")}
    story.look()
    longer = replace(SOME, seconds=300.0, cpu_seconds=250.0)
    story.exits(WORKER, 1)
    last = story.pods[WORKER].last
    assert last is not None
    story.change(WORKER, last=replace(last, usage=longer))
    story.used = {WORKER: replace(SOME, seconds=2.0)}  # the container after that
    assert story.look().usage[WORKER] == replace(longer, tensorflow="2.21.0")


def test_tasks_that_the_job_does_not_have_are_not_kept() -> None:
    story = Story.running(JOB)
    story.used = {Task("worker", 7): SOME, Task("evaluator", 0): SOME}
    assert story.look().usage == {}


def test_of_many_tasks_those_with_the_most_and_the_least_are_kept() -> None:
    job = a_job(chief=1, worker=4899, ps=100)
    used = {
        task: Usage(100.0, 100.0 + task.index, 4.0, task.index / 5000, GIB + task.index, 4 * GIB, 0.5, GIB)
        for task in tasks(job)
    }
    kept = usage.bounded(used)
    assert {name(task) for task in kept} == {"chief-0", "worker-0", "worker-4898", "ps-0", "ps-99"}
    text = status.dump(job, State(run_id="a", usage=kept), {})
    assert len(text) < 2500
    random = {task: replace(item, throttled_share=hash(task) % 97 / 97) for task, item in used.items()}
    assert len(usage.bounded(random)) <= usage.MAX_TASKS
    story = Story.running(job)
    story.used = random
    assert story.look().usage == usage.bounded(random)


@pytest.mark.parametrize(
    ("used", "lines"),
    [
        ({}, []),
        ({WORKER: Usage(600.0, 240.0, 4.0)}, ["worker-0 used 0.4 of 4 CPUs"]),
        ({WORKER: Usage(600.0, 240.0)}, []),  # no limit
        ({WORKER: Usage(600.0, 1200.0, 4.0)}, []),
        ({WORKER: Usage(20.0, 1.0, 4.0)}, []),  # too short
        ({PS: Usage(20.0, memory_peak=4080218931, memory_limit=4 * GIB)}, ["ps-0 peaked at 3.8 of 4 GiB of memory"]),
        ({PS: Usage(600.0, memory_peak=2 * GIB, memory_limit=4 * GIB)}, []),
        (
            {PS: Usage(6.0, memory_peak=500 << 20, memory_limit=512 << 20)},
            ["ps-0 peaked at 500 of 512 MiB of memory"],
        ),
        (
            {WORKER: Usage(600.0, 590.0, 1.0, 0.62)},
            ["worker-0 was stopped by its limit of 1 CPU in 62 % of the time"],
        ),
        ({WORKER: Usage(600.0, 590.0, 1.0, gpu_share=0.07)}, ["worker-0 used 7 % of its GPUs"]),
        (
            {Task("worker", index): Usage(600.0, 240.0, 4.0) for index in range(8)},
            ["worker-0, worker-1, worker-2 and 5 more used 0.4 of 4 CPUs"],
        ),
        (
            {Task("worker", index): Usage(600.0, 60.0 * index, 90.0) for index in range(9)},
            [
                *[f"worker-{index} used {index / 10:.1f} of 90 CPUs" for index in range(6)],
                "and 3 more like these: tfconfig status -o wide",
            ],
        ),
    ],
)
def test_only_unusual_usage_is_reported_at_the_end(used: Mapping[Task, Usage], lines: list[str]) -> None:
    assert usage.usage_lines(used) == lines
    shown = summary(JOB, State(usage=used), "", {})
    assert [line for line in shown if line.startswith("usage:")] == [f"usage:       {line}" for line in lines]


@pytest.mark.parametrize(
    ("used", "texts"),
    [
        (SOME, ("0.4 of 4", "1.0 of 4 GiB", "")),
        (
            Usage(10.0, 10.0, 1.0, 0.5, 300 << 20, None, 0.62, 30 * GIB),
            ("1.0 of 1 (50 % throttled)", "300 MiB", "62 %, 30.0 GiB"),
        ),
        (Usage(10.0), ("", "", "")),
    ],
)
def test_the_columns_of_a_table(used: Usage, texts: tuple[str, str, str]) -> None:
    assert (usage.cpu_text(used), usage.memory_text(used), usage.gpu_text(used)) == texts


def test_running_tasks_are_asked_and_those_that_do_not_answer_keep_what_they_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: dict[str, Any] = {"worker-0": {"usage": usage.dump(SOME)}, "ps-0": {"usage": ["?"]}}
    asked: list[str] = []

    def read(host: str, task: str, run_id: str) -> tuple[bytes, Mapping[str, Any]]:
        asked.append(f"{run_id} {host} {task}")
        if task not in answers:
            raise OSError(f"{host} does not answer")
        return b"{}", answers[task]

    monkeypatch.setattr(usage_client, "read_answer", read)
    client = UsageClient(threading.Event(), 0.0)
    pods = [
        Pod(Task("worker", 0), "u1", "r1", 0.0, status="Running", ip="10.0.0.1"),
        Pod(Task("worker", 1), "u2", "r1", 0.0, status="Running", ip="10.0.0.2"),
        Pod(Task("worker", 2), "u3", "r1", 0.0, status="Waiting", ip="10.0.0.3"),
        Pod(Task("worker", 3), "u4", "r1", 0.0, status="Running", ip="10.0.0.4", unreachable=True),
        Pod(Task("ps", 0), "u5", "r1", 0.0, status="Running", ip="10.0.0.5"),
    ]
    client.ask("r1", pods)
    client.look()
    assert asked == ["r1 10.0.0.1 worker-0", "r1 10.0.0.2 worker-1", "r1 10.0.0.5 ps-0"]
    assert client.usage == {WORKER: SOME}
    many = [Pod(Task("worker", index), f"u{index}", "r1", 0.0, status="Running", ip="10.0.0.9") for index in range(500)]
    answers.update({name(pod.task): answers["worker-0"] for pod in many})
    client.ask("r1", many)
    client.look()
    assert set(client.usage) == {WORKER}  # those with the most and the least: all used the same
    answers.clear()
    client.ask("r2", pods)
    client.look()
    assert client.usage == {}
    answers["worker-0"] = {"usage": usage.dump(SOME)}
    client.look()
    del answers["worker-0"]
    client.look()
    assert client.usage == {WORKER: SOME}
    client.ask("r3", [])
    client.look()
    assert client.usage == {}


class _Api:
    """Where the status ConfigMap is written."""

    def __init__(self) -> None:
        self.writes: list[dict[str, Any]] = []

    def insist(self, call: Callable[[], Any], _log: object) -> Any:
        return call()

    def get(self, *_: str) -> dict[str, Any]:
        annotations = {RUN_ANNOTATION: "r", CONTROLLER_ANNOTATION: "j"}
        return {"metadata": {"resourceVersion": "1", "annotations": annotations}}

    def patch(self, _resource: str, _name: str, body: dict[str, Any]) -> dict[str, Any]:
        self.writes.append(json.loads(body["data"]["status.json"]))
        return {"metadata": {"resourceVersion": "1"}}


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, State], int]:
    """Stores a state at a time; how often has been written."""
    api, times = _Api(), [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: times[0])
    store = StatusStore(api, Log(io.StringIO()), "j-status", Identity("r", "j", "p"), 1.0)  # type: ignore[arg-type]
    store.load()
    desired = DesiredState(Wakeup())

    def put(seconds: float, state: State) -> int:
        times[0] = 1000.0 + seconds
        store.store(JOB, state, {}, desired, destructive=False)
        return len(api.writes)

    return put


def test_what_is_used_is_written_once_a_minute_and_at_the_end(stored: Callable[[float, State], int]) -> None:
    state = State(run_id="r", phase="Running")
    assert stored(0, state) == 1

    def with_usage(seconds: float) -> State:
        return replace(state, usage={WORKER: replace(SOME, seconds=seconds)})

    assert stored(9, with_usage(9)) == 1
    assert stored(20, with_usage(20)) == 2
    assert stored(30, with_usage(30)) == 2
    assert stored(70, with_usage(70)) == 2
    assert stored(81, with_usage(81)) == 3
    other = replace(state, usage={WORKER: SOME, OTHER: SOME})
    assert stored(90, other) == 3
    assert stored(92, other) == 4  # a task that reported nothing before
    assert stored(93, replace(other, phase="Succeeded")) == 5
