"""What Prometheus finds at /metrics."""

from __future__ import annotations

import re
import socket
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle import metrics
from tfconfig.tensorflow_job.lifecycle.state import PHASES, RUNNING, Pod, Progress, State
from tfconfig.tensorflow_job.task.contracts import Phase, Source
from tfconfig.tensorflow_job.task.job_spec import Task, tasks
from tfconfig.tensorflow_job.task.progress import SOURCES

JOB = a_job("Custom", chief=1, worker=3, ps=2)
EVALUATED = a_job(chief=1, worker=2, ps=2, evaluator=1)
STATE = State(
    run_id="a",
    phase=RUNNING,
    started=1000.0,
    all_ran=1012.5,
    failures=1,
    restarts=2,
    succeeded=frozenset([Task("worker", 0)]),
    progress=Progress(Task("chief", 0), 1200, 5000, 0.13, 250.0, 1100.0),
)
NAME, LABEL, VALUE = r"[a-z][a-z0-9_]*", r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"', r"-?[0-9.]+(?:e[-+]?[0-9]+)?"


def parsed(text: str) -> dict[str, float]:
    """`name{labels}` -> value, by the grammar of the text format; every metric has help and type, once, before it."""
    assert text.endswith("\n")
    samples: dict[str, float] = {}
    about: list[str] = []
    for line in text.splitlines():
        if note := re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line):
            about.append(f"{note[1]} {note[2]}")
            continue
        sample = re.fullmatch(rf"({NAME})(\{{{LABEL}(?:,{LABEL})*\}}) ({VALUE})", line)
        assert sample, line
        assert about[-2:] == [f"HELP {sample[1]}", f"TYPE {sample[1]}"]
        assert sample[1] + sample[2] not in samples
        samples[sample[1] + sample[2]] = float(sample[3])
    assert len(about) == len(set(about))
    own = 'tensorflow_job="digits"'
    return {key.replace(f"{own},", "").replace(f"{{{own}}}", ""): samples[key] for key in samples}


def test_a_running_job_in_metrics() -> None:
    pods = {task: Pod(task, f"uid-{task}", "a", 0.0, status="Running") for task in tasks(JOB)[:4]}
    assert parsed(metrics.render(JOB, STATE, pods)) == {
        'tensorflow_job_info{run_id="a",strategy="Custom"}': 1,
        **{
            f'tensorflow_job_phase{{phase="{phase}"}}': float(phase == "Running")
            for phase in ("Pending", "Running", "Restarting", "Suspended", "Succeeded", "Failed")
        },
        "tensorflow_job_failures_total": 1,
        "tensorflow_job_restarts_total": 2,
        "tensorflow_job_backoff_limit": 6,
        'tensorflow_job_tasks{role="chief",state="running"}': 1,
        'tensorflow_job_tasks{role="chief",state="succeeded"}': 0,
        'tensorflow_job_tasks{role="chief",state="waiting"}': 0,
        'tensorflow_job_tasks{role="worker",state="running"}': 2,
        'tensorflow_job_tasks{role="worker",state="succeeded"}': 1,
        'tensorflow_job_tasks{role="worker",state="waiting"}': 0,
        'tensorflow_job_tasks{role="ps",state="running"}': 0,
        'tensorflow_job_tasks{role="ps",state="succeeded"}': 0,
        'tensorflow_job_tasks{role="ps",state="waiting"}': 2,
        "tensorflow_job_start_timestamp_seconds": 1000,
        "tensorflow_job_start_duration_seconds": 12.5,
        "tensorflow_job_last_progress_timestamp_seconds": 1100,
        "tensorflow_job_step": 1200,
        "tensorflow_job_planned_steps": 5000,
        "tensorflow_job_steps_per_second": 250,
        "tensorflow_job_loss": 0.13,
    }


def test_once_the_training_has_succeeded_nothing_but_the_evaluator_is_waited_for() -> None:
    """The pods of all others are freed by then, and no step is to come."""
    state = replace(STATE, succeeded=frozenset([Task("chief", 0)]))
    before, after = (
        parsed(metrics.render(EVALUATED, replace(state, training_succeeded=since), {})) for since in (None, 1100.0)
    )
    waiting = {role: f'tensorflow_job_tasks{{role="{role}",state="waiting"}}' for role in EVALUATED["replicas"]}
    assert {role: before[name] for role, name in waiting.items()} == {"chief": 0, "worker": 2, "ps": 2, "evaluator": 1}
    assert {role: after[name] for role, name in waiting.items()} == {"chief": 0, "worker": 0, "ps": 0, "evaluator": 1}
    assert before.keys() - after.keys() == {"tensorflow_job_last_progress_timestamp_seconds"}


def test_what_is_not_known_is_left_out() -> None:
    samples = parsed(metrics.render(JOB, State(), {}))
    assert not [name for name in samples if re.search("step|progress|loss|start_", name)]
    samples = parsed(metrics.render(JOB, State(progress=Progress(Task("chief", 0), 3)), {}))
    assert samples["tensorflow_job_step"] == 3
    assert "tensorflow_job_loss" not in samples


@pytest.mark.parametrize("source", SOURCES)
def test_when_the_last_step_was_is_told_where_single_steps_are_known(source: Source) -> None:
    """Of a program that is known by its hourly checkpoints, nobody can say that it has stalled."""
    progress = Progress(Task("chief", 0), 3, time=1100.0, source=source)
    samples = parsed(metrics.render(JOB, replace(STATE, progress=progress), {}))
    assert samples["tensorflow_job_step"] == 3
    assert ("tensorflow_job_last_progress_timestamp_seconds" in samples) == (source in ("program", "output"))


@pytest.mark.parametrize("phase", sorted({*PHASES} - {RUNNING}))
def test_a_job_that_does_not_run_has_no_speed(phase: Phase) -> None:
    samples = parsed(metrics.render(JOB, replace(STATE, phase=phase), {}))
    assert samples["tensorflow_job_step"] == 1200
    assert "tensorflow_job_steps_per_second" not in samples


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb"])
def test_labels_are_escaped(text: str) -> None:
    parsed(metrics.render({**JOB, "strategy": text}, STATE, {}))


@pytest.fixture
def served() -> Any:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = metrics.Server(port, lambda: metrics.render(JOB, STATE, {}))
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.shutdown()
    server.server_close()


def test_they_are_served(served: str) -> None:
    with urllib.request.urlopen(f"{served}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert parsed(answer.read().decode())["tensorflow_job_step"] == 1200


@pytest.mark.parametrize(("path", "method", "code"), [("/", "GET", 404), ("/metrics", "POST", 501)])
def test_nothing_else_is_served(served: str, path: str, method: str, code: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(served + path, method=method), timeout=10)
    with refused.value:
        assert refused.value.code == code


def test_who_connects_and_stays_silent_is_let_go(served: str) -> None:
    host, port = served.removeprefix("http://").split(":")
    with (
        socket.create_connection((host, int(port))),
        socket.create_connection((host, int(port))),
        urllib.request.urlopen(f"{served}/metrics", timeout=20) as answer,
    ):
        assert answer.status == 200


def test_a_port_that_is_taken_is_an_error(served: str) -> None:
    with pytest.raises(OSError, match="in use"):
        metrics.Server(int(served.rpartition(":")[2]), lambda: "")


def scraped_at_the_end(server: metrics.Server, *clients: str) -> list[bool]:
    """What a wait for the last scrape returns while these clients scrape again and again."""
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(server.wait_for_scrape(0.3)))
    thread.start()
    while thread.is_alive():
        for client in clients:
            server.answered(client)
        thread.join(0.01)
    return ended


def test_at_the_end_all_who_have_scraped_are_waited_for_and_not_for_ever() -> None:
    server = metrics.Server(0, lambda: "")
    try:
        assert scraped_at_the_end(server) == [False]
        assert scraped_at_the_end(server, "10.0.0.1") == [True]
        server.answered("10.0.0.2")
        assert scraped_at_the_end(server, "10.0.0.1") == [False]
        assert scraped_at_the_end(server, "10.0.0.1", "10.0.0.2") == [True]
    finally:
        server.server_close()
