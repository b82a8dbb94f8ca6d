"""What a job's documents are made into: views, and their text at 80 and 160 columns."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.job_specs import a_job
from tests.unit.tool.cluster.documents import (
    NOW,
    RUN,
    documents,
    exited,
    job_spec,
    lifecycle_pod,
    pod,
    time,
    unschedulable,
)
from tfconfig.cluster import job_text
from tfconfig.cluster.job_json import job_document
from tfconfig.cluster.job_objects import JobObjects
from tfconfig.cluster.job_text import last_lines, outcome
from tfconfig.cluster.job_view import view
from tfconfig.cluster.lifecycle_health import lifecycle_failed
from tfconfig.tensorflow_job.lifecycle.known_failures import advice
from tfconfig.tensorflow_job.lifecycle.state import FAILED, PENDING, RUNNING, SUCCEEDED, SUSPENDED, State
from tfconfig.tensorflow_job.task.contracts import StatusProgress
from tfconfig.tensorflow_job.task.job_spec import Task

RUNS = State(
    run_id="0123456789", phase=RUNNING, message="all 4 tasks run or are done", started=NOW - 723, all_ran=NOW - 700
)
LESS_MEMORY = advice("", 137, "OOMKilled")
GPUS = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu"
TASKS = ["chief-0", "worker-0", "worker-1", "ps-0"]


def text(objects: JobObjects, columns: int = 80) -> list[str]:
    return job_text.job(view(objects, NOW), NOW, columns)


def test_a_job_that_runs_as_it_should() -> None:
    assert text(documents(RUNS, [pod(task) for task in TASKS])) == [
        "job       digits in namespace team",
        "phase     Running",
        "message   all 4 tasks run or are done",
        "run       0123456789, for 12 min 3 s",
        "failures  0 (6 allowed), 0 restarts",
        "",
        "TASK      STATE    NODE   RESTARTS",
        "chief-0   Running  node1  0",
        "worker-0  Running  node1  0",
        "worker-1  Running  node1  0",
        "ps-0      Running  node1  0",
    ]


def test_tasks_that_are_not_as_usual_say_why() -> None:
    log = "Traceback (most recent call last):\n" + "  File train.py\n" * 60 + "ValueError: bad shape (3, 4)\n"
    pods = [
        pod("chief-0", deleted=NOW - 40),
        pod("worker-0", restarts=2, last=exited(1, message=log)),
        pod("worker-1", **unschedulable(GPUS)),
    ]
    state = replace(
        RUNS, phase="Restarting", reason="WaitingForTasks", message="ps-0: no pod yet", failures=1, restarts=2
    )
    assert text(documents(state, pods), 100) == [
        "job       digits in namespace team",
        "phase     Restarting (WaitingForTasks)",
        "message   ps-0: no pod yet",
        "run       0123456789, for 12 min 3 s",
        "failures  1 (6 allowed), 2 restarts",
        "",
        "TASK      STATE    NODE   RESTARTS  MESSAGE",
        "chief-0   Lost     node1  0         node node1 does not answer",
        "worker-0  Running  node1  2         exited 1: the program failed. Last line: ValueError: bad shape",
        "                                    (3, 4)",
        "worker-1  Waiting         0         Unschedulable: 0/3 nodes are available: 3 Insufficient",
        "                                    nvidia.com/gpu",
        "ps-0      NoPod           0         no pod yet",
    ]


def test_a_task_without_a_pod_says_what_keeps_it_out() -> None:
    """The status names a few tasks; what refuses one of a role's pods refuses them all."""
    message = "worker-1: forbidden: exceeded quota: gpus; used: 4; ps-0: no pod yet; ps-1: starts (and 3 more of 9)"
    state = replace(RUNS, phase="Pending", reason="WaitingForTasks", message=message)
    job = job_spec(chief=1, worker=4, ps=2)
    lines = text(documents(state, [pod("chief-0"), pod("worker-0"), pod("ps-1")], job=job), 120)[7:]
    assert lines == [
        "chief-0   Running  node1  0",
        "worker-0  Running  node1  0",
        *(f"worker-{index}  NoPod           0         forbidden: exceeded quota: gpus; used: 4" for index in (1, 2, 3)),
        "ps-0      NoPod           0         no pod yet",
        "ps-1      Running  node1  0",
    ]


def test_what_was_freed_while_the_evaluator_finishes_is_not_waited_for() -> None:
    state = replace(RUNS, reason="WaitingForEvaluator", message="training has succeeded; the evaluator finishes")
    state = replace(state, succeeded=frozenset([Task("chief", 0)]))
    lines = text(documents(state, [], job=job_spec(chief=1, ps=1, evaluator=1)), 100)[-3:]
    assert [" ".join(line.split()[:2]) for line in lines] == ["chief-0 Succeeded", "ps-0 Freed", "evaluator-0 NoPod"]


def test_a_task_that_failed_says_what_to_do_where_that_is_known() -> None:
    log = "Traceback (most recent call last):\n  File x\nModuleNotFoundError: No module named 'pandas'\n"
    (task,) = view(documents(RUNS, [pod("worker-0", last=exited(1, message=log))], job=job_spec(worker=1)), NOW).tasks
    assert task.last_line == "ModuleNotFoundError: No module named 'pandas'"
    assert task.hint.startswith("this Python lacks the module")


def test_tasks_that_failed_alike_are_one_line_that_says_what_to_do() -> None:
    pods = [pod(f"worker-{index}", restarts=1, last=exited(137, "OOMKilled")) for index in range(4)]
    last = text(documents(RUNS, pods, job=job_spec(worker=4)), 240)[-1]
    assert last == f"worker (4)  Running  node1  4         exited 137 (OOMKilled): out of memory. Hint: {LESS_MEMORY}"


def test_a_task_is_lost_as_soon_as_its_node_is_not_ready_unless_it_is_done() -> None:
    conditions = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
    pods = [pod(task, conditions=conditions) for task in ("worker-0", "ps-0")]
    done = replace(RUNS, succeeded=frozenset([Task("worker", 0)]))
    lines = text(documents(done, pods, job=job_spec(worker=1, ps=1)))
    assert lines[-2].startswith("worker-0  Succeeded  node1")
    assert lines[-1].endswith("node node1 does not answer")


def test_a_thousand_tasks_take_a_few_lines() -> None:
    job = job_spec(chief=1, worker=1000, ps=2)
    pods = [pod("chief-0"), pod("ps-0"), pod("ps-1")]
    pods += [pod(f"worker-{index}", node=f"node{index % 9}") for index in range(990)]
    pods[3 + 7] = pod("worker-7", restarts=1, last=exited(137, "OOMKilled"))
    pods += [pod(f"worker-{index}", **unschedulable(GPUS)) for index in range(990, 1000)]
    assert text(documents(RUNS, pods, job=job), 240)[6:] == [
        "TASK          STATE    NODE     RESTARTS  MESSAGE",
        "chief-0       Running  node1    0",
        "worker (989)  Running  9 nodes  0",
        f"worker (10)   Waiting           0         Unschedulable: {GPUS}",
        f"worker-7      Running  node1    1         exited 137 (OOMKilled): out of memory. Hint: {LESS_MEMORY}",
        "ps-0          Running  node1    0",
        "ps-1          Running  node1    0",
    ]


def test_of_many_tasks_with_a_message_of_their_own_the_first_ones_are_shown() -> None:
    # Every second one ended in its own way; statuses from 44 to 99 all mean that the program failed.
    pods = [pod(f"worker-{n}", restarts=n % 2, last=exited(44 + n) if n % 2 else {}) for n in range(100)]
    lines = text(documents(RUNS, pods, job=job_spec(worker=100)), 120)[7:]
    assert lines[0] == "worker (50)  Running   node1  0"
    assert [line.partition(" ")[0] for line in lines[1:-1]] == [f"worker-{n}" for n in range(1, 40, 2)]
    assert lines[-1] == "worker (30)  and more  node1  30"


def test_of_too_many_tasks_those_with_a_message_are_shown_before_the_usual_ones() -> None:
    # Three usual ones, few enough for a line each, and then 22 that each ended in their own way.
    pods = [pod(f"worker-{n}", restarts=int(n > 2), last=exited(44 + n) if n > 2 else {}) for n in range(25)]
    lines = text(documents(RUNS, pods, job=job_spec(worker=25)), 120)[7:]
    assert [line.partition(" ")[0] for line in lines[:-1]] == [f"worker-{n}" for n in range(3, 23)]
    assert lines[-1] == "worker (5)  and more  node1  2"


@pytest.mark.parametrize("columns", [80, 160])
@given(data=st.data())
def test_every_view_fits_the_terminal(columns: int, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(TASKS), unique=True))
    message = data.draw(st.text(max_size=200))
    pods = [
        pod(
            name,
            node=data.draw(st.text(max_size=50)),
            restarts=1,
            last=exited(data.draw(st.integers(0, 255)), message=message),
        )
        for name in names
    ]
    state = replace(
        RUNS, phase=data.draw(st.sampled_from([PENDING, RUNNING, SUCCEEDED, FAILED, SUSPENDED])), message=message
    )
    assert [line for line in text(documents(state, pods), columns) if len(line) > columns] == []


def test_progress_of_a_real_status_is_shown_with_the_time_that_is_left() -> None:
    progress = {"step": 1200, "total": 5000, "loss": 0.31214, "rate": 41.24, "task": "chief-0", "time": time(NOW - 2)}
    objects = documents(RUNS, [pod(task) for task in TASKS], {"progress": progress})
    assert "progress  step 1200 of 5000 (24 %), loss 0.3121, 41.2 steps/s, 1 min 32 s left" in text(objects)
    assert job_document(view(objects, NOW))["progress"] == progress


def reported(
    step: int,
    total: int | None = None,
    loss: float | None = None,
    rate: float | None = None,
    seconds_ago: float = 0,
) -> StatusProgress:
    """The progress in status.json."""
    when = time(NOW - seconds_ago)
    return {"step": step, "total": total, "loss": loss, "rate": rate, "task": "chief-0", "time": when}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (reported(1200), "step 1200"),
        (reported(0, total=10, loss=2.0, rate=0.0), "step 0 of 10 (0 %), loss 2"),
        (reported(5, total=10, rate=0.5), "step 5 of 10 (50 %), 0.5 steps/s, 10 s left"),
        (reported(5, total=10, rate=0.5, seconds_ago=300), "step 5 of 10 (50 %), reported 5 min ago"),
        (None, ""),
    ],
)
def test_progress_shows_what_there_is(status: StatusProgress | None, text: str) -> None:
    assert job_text.progress(status, NOW) == text


def test_after_the_end_the_outcome_is_shown_without_any_pod() -> None:
    state = replace(
        RUNS, phase=FAILED, reason="BackoffLimitExceeded", finished=NOW - 60, deciding_task=Task("worker", 1),
        exit_code=137,
        message="worker-1 exited 137 (OOMKilled); 7 failures, restart.backoffLimit is 6",
        failures=7, restarts=8, freed=True,
    )  # fmt: skip
    objects = documents(state)
    assert text(objects) == [
        "job         digits in namespace team",
        "phase       Failed (BackoffLimitExceeded)",
        "message     worker-1 exited 137 (OOMKilled); 7 failures, restart.backoffLimit is",
        "            6",
        "run         0123456789, took 11 min 3 s, ended 1 min ago",
        "failures    7 (6 allowed), 8 restarts",
        "decided by  worker-1, exited 137 (OOMKilled): out of memory",
        "pods        none left, everything is freed",
    ]
    assert outcome(view(objects, NOW)).startswith(
        "digits: Failed after 11 min 3 s (BackoffLimitExceeded): worker-1 exited 137"
    )


def failed_at_once(**options: Any) -> State:
    """Where restart.policy is Never."""
    return replace(
        RUNS, phase=FAILED, reason="TaskFailed", finished=NOW - 4, deciding_task=Task("worker", 0), exit_code=3,
        message="worker-0 exited 3; restart.policy Never does not restart it", failures=0, restarts=0, **options,
    )  # fmt: skip


def test_no_failure_is_allowed_where_nothing_is_restarted() -> None:
    never = a_job(run_id=RUN, chief=1, worker=2, ps=1, policy="Never")
    assert "failures    0 (0 allowed), 0 restarts" in text(documents(failed_at_once(), job=never))


@pytest.mark.parametrize("state", [{"running": {}}, exited(3, message="worker-0 is done: its program exited 3")])
def test_a_container_that_is_parked_is_no_restart_and_hides_no_line(state: dict[str, Any]) -> None:
    pods = [pod("worker-0", restarts=1, last=exited(3, message="ValueError: bad shape"), state=state)]
    (line,) = [line for line in text(documents(failed_at_once(), pods), 160) if line.startswith("worker-0")]
    assert re.fullmatch(r"worker-0  (Running|Ended)  +node1  0  .*Last line: ValueError: bad shape", line), line


def test_a_job_that_is_suspended_before_it_has_started_says_so() -> None:
    objects = documents(None)
    objects.status["metadata"]["annotations"]["tensorflow-job/suspend"] = "true"
    assert view(objects, NOW).phase == SUSPENDED


def test_the_outcome_of_another_run_is_not_that_of_the_current_one() -> None:
    over = replace(RUNS, phase=SUCCEEDED, finished=NOW - 60, freed=True)
    shown = view(documents(over, run_id="ffffffffff"), NOW)
    assert (shown.phase, shown.reason, shown.over) == (PENDING, "NewRun", False)
    assert shown.message == "the lifecycle has not started run ffffffffff yet (before: run 0123456789, Succeeded)"


def test_why_a_lifecycle_does_not_start() -> None:
    objects = documents(None)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}}
    shown = view(replace(objects, pods=[lifecycle_pod(waiting)]), NOW)
    assert (shown.phase, shown.reason) == (PENDING, "LifecycleStarting")
    assert shown.lifecycle_message == 'its pod is waiting: ImagePullBackOff: Back-off pulling image "x"'
    assert view(replace(objects, lifecycle_jobs=[]), NOW).lifecycle_message.endswith(
        "does not exist; create it again with helm upgrade"
    )
    assert view(replace(objects, pods=[]), NOW).lifecycle_message.endswith(
        "has no pod yet; see why: kubectl describe job/digits-lifecycle-abcdef01"
    )
    assert view(objects, NOW).lifecycle_message == ""


@pytest.mark.parametrize(
    ("code", "reason", "text"),
    [
        (137, "OOMKilled", "exited 137 (OOMKilled): out of memory; raise lifecycle.resources.limits.memory"),
        (1, "Error", "exited 1: the program failed"),
    ],
)
def test_how_a_pod_of_the_lifecycle_ended(code: int, reason: str, text: str) -> None:
    pods = [lifecycle_pod(exited(code, reason))]
    assert view(replace(documents(None), pods=pods), NOW).lifecycle_message == f"its pod ended: {text}"


def test_of_several_pods_of_the_lifecycle_the_newest_counts() -> None:
    lost = lifecycle_pod({"terminated": {"exitCode": 137, "reason": "Error"}})
    lost["metadata"] |= {"uid": "lost", "creationTimestamp": time(NOW - 900)}
    for pods in ([lost, lifecycle_pod()], [lifecycle_pod(), lost]):
        assert view(replace(documents(None), pods=pods), NOW).lifecycle_message == ""


def test_a_lifecycle_job_that_has_failed_writes_no_outcome() -> None:
    objects = documents(RUNS)
    assert not lifecycle_failed(objects)
    condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too many"}
    job = {**(objects.lifecycle_jobs or [])[0], "status": {"conditions": [condition]}}
    assert lifecycle_failed(replace(objects, lifecycle_jobs=[job]))
    assert (
        "has failed (BackoffLimitExceeded): too many"
        in view(replace(objects, lifecycle_jobs=[job]), NOW).lifecycle_message
    )


def test_finished_tasks_that_are_parked_have_succeeded() -> None:
    state = replace(RUNS, succeeded=frozenset([Task("worker", 0)]))
    objects = documents(state, [pod("worker-0", restarts=1, last=exited(0, "Completed"))], job=job_spec(worker=1))
    (task,) = view(objects, NOW).tasks
    assert (task.state, task.restarts, task.usual) == ("Succeeded", 0, True)


def test_pods_of_another_run_are_shown_as_such() -> None:
    (task,) = view(documents(RUNS, [pod("worker-0", run_id="old")], job=job_spec(worker=1)), NOW).tasks
    assert (task.state, task.message) == ("OldRun", "belongs to run old")


def test_jobs_are_listed_one_line_each() -> None:
    progress = {"step": 1200, "total": 5000, "loss": None, "rate": None, "task": "chief-0", "time": time(NOW)}
    runs = view(documents(RUNS, [pod(task) for task in TASKS], {"progress": progress}), NOW)
    over = view(documents(replace(RUNS, phase=SUCCEEDED, finished=NOW - 20, message="chief-0 exited 0")), NOW)
    failed = replace(over, name="lost", phase=FAILED, deciding_task="worker-1", last_line="KeyError: 'x'")
    suspended = replace(runs, name="held", phase=SUSPENDED, message="no pod is left", progress=None)
    views = [replace(shown, created=NOW - 7200) for shown in (runs, replace(over, name="mnist"), failed, suspended)]
    assert job_text.jobs(views, NOW, 90, False) == [
        "NAME    PHASE      TASKS  PROGRESS  AGE  DURATION     MESSAGE",
        "digits  Running    4/4    24 %      2 h  12 min 3 s   all 4 tasks run or are done",
        "mnist   Succeeded  4                2 h  11 min 43 s  chief-0 exited 0",
        "lost    Failed     4                2 h  11 min 43 s  worker-1: KeyError: 'x'",
        "held    Suspended  4/4              2 h               no pod is left",
    ]
    assert job_text.jobs([replace(over, namespace="other")], NOW, 80, True) == [
        "NAMESPACE  NAME    PHASE      TASKS  AGE         DURATION     MESSAGE",
        "other      digits  Succeeded  4      12 min 3 s  11 min 43 s  chief-0 exited 0",
    ]


def test_a_suspended_job_has_no_time_left() -> None:
    progress = {"step": 10, "total": 20, "loss": None, "rate": 5.0, "task": "chief-0", "time": time(NOW)}
    objects = documents(replace(RUNS, phase=SUSPENDED), [], {"progress": progress})
    assert "progress  step 10 of 20 (50 %)" in text(objects)


def test_a_failed_job_shows_the_line_it_failed_with_and_what_to_do() -> None:
    why = "worker-1 exited 1; 1 failure, restart.backoffLimit is 0"
    state = replace(
        RUNS, phase=FAILED, reason="BackoffLimitExceeded", finished=NOW - 60, deciding_task=Task("worker", 1),
        exit_code=1, message=f"{why}: KeyError: 'x'", last_line="KeyError: 'x'", hint="ask", freed=True,
    )  # fmt: skip
    shown = text(documents(state))
    assert f"message     {why}" in shown
    assert "last line   KeyError: 'x'" in shown
    assert "hint        ask" in shown
    assert "decided by  worker-1, exited 1: the program failed" in shown


def test_the_document_for_programs_is_json_and_has_every_task() -> None:
    made = json.loads(
        json.dumps(job_document(view(documents(RUNS, [pod("worker-1", last=exited(42), restarts=1)]), NOW)))
    )
    assert made["version"] == 1
    assert [one["task"] for one in made["tasks"]] == TASKS
    assert made["tasks"][2]["lastExit"]["meaning"] == "requested a restart (TensorFlow's preemption exit)"
    assert made["startTime"] == "2027-01-15T07:47:57Z"


def test_the_last_lines_are_those_at_the_end_of_the_lifecycles_log() -> None:
    log = "…\n\nFailed (TaskFailed): worker-0 exited 3\nlast lines of worker-0:\n  first\n    indented\n  last\n"
    assert last_lines(log) == ("worker-0", ["first", "  indented", "last"])
    assert last_lines("2026-11-23T15:17:31Z lifecycle of job digits\n") == ("", [])
