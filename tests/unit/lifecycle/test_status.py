"""What is stored of a run can be read again, by a new controller, by tasks and by people; and nothing else can."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.known_failures import KNOWN
from tfconfig.tensorflow_job.lifecycle.state import (
    FAILED,
    PENDING,
    RESTARTING,
    RUNNING,
    SUCCEEDED,
    SUSPENDED,
    Change,
    Container,
    HandledExits,
    Moment,
    Outcome,
    Pod,
    Point,
    Progress,
    Record,
    Repeated,
    State,
    Usage,
    Wave,
)
from tfconfig.tensorflow_job.task.contracts import EndPhase, Reason
from tfconfig.tensorflow_job.task.job_spec import ROLES, Task, tasks
from tfconfig.tensorflow_job.task.ranges import parse_ranges

JOB = a_job("Custom", chief=1, worker=3, ps=2)
END_PHASES = st.sampled_from(get_args(EndPhase))
PHASES = st.sampled_from([PENDING, RUNNING, RESTARTING, SUSPENDED, SUCCEEDED, FAILED])
VERSIONS = st.sampled_from(["2.16.1", "2.12.0+nv23.6"])
REASONS = st.sampled_from(get_args(Reason))
TIMES = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
TASKS = st.builds(Task, st.sampled_from(ROLES), st.integers(0, 5000))
UIDS = st.uuids().map(str)
COUNTS = st.integers(0, 1000)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
AMOUNTS = st.floats(0, 1e9)
RECORDS = st.none() | st.builds(
    Record,
    TIMES,
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    st.lists(st.builds(Moment, TIMES, st.text(max_size=9), st.text(max_size=9)), max_size=2).map(tuple),
    st.lists(
        st.builds(Point, TIMES, COUNTS, st.none() | NUMBERS, st.dictionaries(st.sampled_from("abcd"), NUMBERS)),
        max_size=2,
    ).map(tuple),
    COUNTS,
    st.text(max_size=9),
    st.dictionaries(TASKS, st.builds(Usage, AMOUNTS), max_size=2),
    st.dictionaries(
        st.sampled_from(["worker", "ps-0"]), st.lists(st.builds(Change, TIMES, COUNTS, COUNTS), max_size=2).map(tuple)
    ),
    st.lists(VERSIONS, max_size=2).map(tuple),
)
STATES = st.builds(
    State,
    run_id=st.text(max_size=10),
    phase=PHASES,
    reason=REASONS,
    message=st.text(max_size=40),
    first_started=TIMES,
    started=TIMES,
    all_ran=st.none() | TIMES,
    training_succeeded=st.none() | TIMES,
    evaluator_failed=st.booleans(),
    finished=st.none() | TIMES,
    freed=st.booleans(),
    deciding_task=st.none() | TASKS,
    exit_code=st.none() | st.integers(0, 255),
    last_line=st.text(max_size=40),
    hint=st.text(max_size=40),
    failures=COUNTS,
    restarts=COUNTS,
    succeeded=st.frozensets(TASKS, max_size=20),
    handled=st.dictionaries(TASKS, st.builds(HandledExits, UIDS, COUNTS), max_size=5),
    wave=st.none() | st.builds(Wave, TIMES, TASKS, st.booleans(), st.dictionaries(TASKS, COUNTS, max_size=5)),
    repeated=st.dictionaries(TASKS, st.builds(Repeated, st.integers(1, 255), COUNTS), max_size=5),
    doubts=st.lists(st.text(min_size=1, max_size=20), max_size=2).map(tuple),
    worked=st.booleans(),
    unstartable=st.dictionaries(TASKS, TIMES, max_size=5),
    progress=st.none()
    | st.builds(Progress, TASKS, COUNTS, st.none() | COUNTS, st.none() | NUMBERS, st.none() | NUMBERS, TIMES),
    usage=st.dictionaries(
        TASKS,
        st.builds(Usage, AMOUNTS, st.none() | AMOUNTS, memory_peak=COUNTS, tensorflow=st.none() | VERSIONS),
        max_size=3,
    ),
    slow=st.lists(TASKS, max_size=3, unique=True).map(tuple),
    progress_container=st.none() | st.builds(Container, UIDS, COUNTS),
    all_running_since=st.none() | TIMES,
    hung_before=st.none() | TIMES,
    history=st.lists(
        st.builds(Outcome, st.text(max_size=10), END_PHASES, REASONS, st.text(max_size=10), TIMES, RECORDS), max_size=3
    ).map(tuple),
    record=RECORDS,
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(STATES)
def test_every_state_can_be_read_again(state: State) -> None:
    assert status.load(status.dump(JOB, state, {})) == state


@given(st.floats(0, 4e9, allow_nan=False))
def test_a_time_is_kept_to_the_millisecond_and_then_stays(moment: float) -> None:
    once = status.load(status.dump(JOB, State(run_id="a", started=moment), {}))
    assert abs(once.started - moment) <= 0.001
    assert status.load(status.dump(JOB, once, {})) == once


def test_no_text_is_no_run() -> None:
    assert status.load("") == State()


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "{}",
        "[]",
        "null",
        "1",
        '"text"',
        "{",
        '{"version": 1}',
        '{"version": 2, "runId": "a", "phase": "Running"}',
        "[" * 100_000,
        "phase: Running",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"status\.json is not a state of version 1"):
        status.load(text)


@given(st.text() | JSON.map(json.dumps))
def test_any_text_is_read_or_refused(text: str) -> None:
    refused_or_read(text)


@given(STATES, st.data())
def test_a_spoilt_state_is_read_or_refused(state: State, data: st.DataObject) -> None:
    lines = status.dump(JOB, state, {}).splitlines()
    line = data.draw(st.integers(0, len(lines) - 1))
    document = json.loads(lines[line])
    key = data.draw(st.sampled_from(sorted(document)))
    for spoilt in ({**document, key: data.draw(JSON)}, {other: document[other] for other in document if other != key}):
        refused_or_read("\n".join([*lines[:line], json.dumps(spoilt), *lines[line + 1 :]]))


def refused_or_read(text: str) -> None:
    try:
        status.load(text)
    except ValueError:
        return


def test_people_and_tasks_find_what_they_look_for() -> None:
    state = State(
        run_id="a1b2c3d4e5",
        phase=RUNNING,
        message="all 6 tasks run or are done",
        started=1_700_000_000.0,
        succeeded=frozenset([Task("worker", 0), Task("worker", 1)]),
    )
    pods = {task: Pod(task, f"uid-{task}", state.run_id, 0.0, status="Running", restarts=2) for task in tasks(JOB)}
    document = json.loads(status.dump({**JOB, "runId": state.run_id}, state, pods))
    assert {key: document[key] for key in ("runId", "phase", "freed", "startTime", "backoffLimit")} == {
        "runId": "a1b2c3d4e5",
        "phase": "Running",
        "freed": False,
        "startTime": "2023-11-14T22:13:20.000Z",
        "backoffLimit": 6,
    }
    assert parse_ranges(document["succeeded"]["worker"]) == [0, 1]
    assert document["roles"]["worker"] == {"replicas": 3, "running": 1, "succeeded": 2, "restarts": 6}


def test_progress_has_the_same_keys_whatever_the_program_reported() -> None:
    state = State(run_id="a", progress=Progress(Task("chief", 0), 1200, 5000, 0.13, None, 1_700_000_000.0))
    assert json.loads(status.dump(JOB, state, {}))["progress"] == {
        "step": 1200,
        "total": 5000,
        "loss": 0.13,
        "rate": None,
        "task": "chief-0",
        "time": "2023-11-14T22:13:20.000Z",
    }


def test_a_run_is_always_named() -> None:
    """task.py reads it to know whom to wait for."""
    assert json.loads(status.dump(JOB, State(), {}))["runId"] == ""


def test_a_config_map_holds_the_state_of_five_thousand_failing_tasks_and_their_pods_see_little_of_it() -> None:
    job = a_job("Custom", worker=5000)
    uid = "01234567-89ab-cdef-0123-456789abcdef"
    state = State(
        run_id="a",
        handled=dict.fromkeys(tasks(job), HandledExits(uid, 100)),
        unstartable=dict.fromkeys(tasks(job), 1_700_000_000.0),
        wave=Wave(0.0, Task("worker", 0), True, dict.fromkeys(tasks(job), 2)),
        last_line="x" * 400,
        hint=max((known.advice for known in KNOWN), key=len),
    )
    text = status.dump(job, state, {})
    assert len(text.encode()) < 900_000
    assert len(text.partition("\n")[0].encode()) < 32 * 1024


def test_thousands_of_finished_tasks_are_a_few_bytes() -> None:
    job = a_job("Custom", worker=5000)
    assert len(status.dump(job, State(run_id="a", succeeded=frozenset(tasks(job))), {})) < 500
