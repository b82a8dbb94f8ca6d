"""`tfconfig wait` ends as the job does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from tests.unit.lifecycle.fake import NAMESPACE
from tests.unit.tool.cluster.documents import CONTROLLER, RUN, exited, pod
from tests.unit.tool.cluster.kube import JOB, LOG, LOST, PATIENCE, RUNS, WON, Kube, Program
from tfconfig.cli import main
from tfconfig.cluster import job_wait, job_watch, jobs
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.tensorflow_job.lifecycle.state import SUCCEEDED, SUSPENDED

Start = Callable[..., Program]
WON_LINE = "digits: Succeeded after 1 min (Completed): worker-0 exited 0\n"
LOST_LINE = (
    "digits: Failed after 1 min (TaskFailed): worker-0 exited 3; restart.policy Never does not restart it\n"
    "decided by worker-0, exited 3: the program failed\n"
    "last line: ValueError: bad shape\n"
    "hint: reshape it\n"
    "last lines of worker-0:\n  Traceback\n  ValueError: bad shape\n"
)


def test_it_waits_for_the_end_and_exits_0_after_success(kube: Kube, start: Start) -> None:
    wait = start("wait", "digits")
    wait.until(lambda: "digits: Pending (LifecycleStarting)" in wait.err)
    kube.write(RUNS)
    wait.until(lambda: "digits: Running: all 2 tasks run or are done\n" in wait.err)
    assert wait.out == ""
    kube.write(WON)
    assert wait.ends() == 0
    assert wait.out == WON_LINE


def test_after_a_failure_it_exits_1_and_prints_why(kube: Kube, start: Start) -> None:
    kube.write(RUNS)
    wait = start("wait", "digits")
    wait.until(lambda: "Running" in wait.err)
    kube.say("lifecycle", *LOG.splitlines())
    kube.write(LOST)
    assert wait.ends() == 1
    assert wait.out == LOST_LINE


def test_what_a_program_leaves_behind_controls_neither_terminal_nor_ci(kube: Kube, start: Start) -> None:
    kube.say(
        "lifecycle", "Failed", "last lines of worker-0:", "  ::set-output name=a::b\033]8;;http://x\a ##[add-mask]c"
    )
    kube.write(LOST, message="worker-0 exited 3: \033[2J")
    wait = start("wait", "digits")
    assert wait.ends() == 1
    assert wait.out.splitlines()[0].endswith("worker-0 exited 3: \\x1b[2J")
    assert wait.out.splitlines()[-1] == "  \\x3a:set-output name=a::b\\x1b]8;;http://x\\x07 \\x23#[add-mask]c"


def test_a_job_that_has_ended_before_is_not_waited_for(kube: Kube, start: Start) -> None:
    kube.write(WON)
    wait = start("wait", "digits")
    assert (wait.ends(), wait.out, wait.err) == (0, WON_LINE, "")


def test_the_end_of_the_run_before_is_not_the_end_of_this_one(kube: Kube, start: Start) -> None:
    kube.write(replace(WON, run_id="before"))
    wait = start("wait", "digits")
    wait.until(lambda: f"digits: Pending (NewRun): the lifecycle has not started run {RUN} yet" in wait.err)
    kube.say("lifecycle", *LOG.splitlines())
    kube.write(LOST, message="as this run ended")
    assert wait.ends() == 1
    assert "as this run ended" in wait.out


def test_it_exits_3_when_it_timed_out(kube: Kube, start: Start) -> None:
    kube.write(replace(RUNS, phase=SUSPENDED, message="no pod is left"))
    wait = start("wait", "digits", "--timeout", "1s")
    assert (wait.ends(), wait.out) == (3, "")
    lines = wait.err.splitlines()
    assert lines[0].endswith("no pod is left; waiting until it is resumed")
    assert lines[-1].endswith("timed out after 1 s")


def test_it_exits_2_when_the_job_is_uninstalled(kube: Kube, start: Start) -> None:
    kube.write(RUNS)
    wait = start("wait", "digits")
    wait.until(lambda: "Running" in wait.err)
    kube.uninstall()
    assert wait.ends() == 2
    assert wait.err.splitlines()[-1] == "Error: job digits does not exist any more: it was uninstalled"


def test_it_outlives_a_cluster_that_does_not_answer_and_says_so_meanwhile(kube: Kube, start: Start) -> None:
    kube.write(RUNS)
    wait = start("wait", "digits")
    wait.until(lambda: "Running" in wait.err)
    with kube.outage():
        wait.until(lambda: "the cluster does not answer" in wait.err)
        kube.write(WON)
    assert wait.ends() == 0
    assert wait.out == WON_LINE


def test_ctrl_c_exits_130_which_is_no_outcome_of_a_job(kube: Kube, start: Start) -> None:
    kube.write(RUNS)
    wait = start("wait", "digits")
    wait.until(lambda: "Running" in wait.err)
    wait.interrupt()
    assert wait.ends() == 130


@pytest.mark.parametrize("verb", ["get", "list", "watch"])
def test_without_permission_it_exits_2_but_does_without_watching(kube: Kube, start: Start, verb: str) -> None:
    kube.write(WON)
    kube.forbid(f"{verb} configmaps")
    assert start("wait", "digits").ends() == (0 if verb == "watch" else 2)


FAILED_JOB = {
    "status": {
        "conditions": [
            {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too many"},
        ]
    }
}


def test_after_the_lifecycle_job_has_failed_its_last_status_may_still_come(
    kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_wait, "ABANDONED_SECONDS", PATIENCE)
    kube.write(RUNS)
    kube.change("jobs", CONTROLLER, FAILED_JOB)
    lines = []

    def report(line: str) -> None:
        lines.append(line)
        kube.write(WON)

    with job_watch.watch(Kubectl(NAMESPACE), JOB) as job:
        view = job_wait.wait_until_over(job, None, report)
    assert view
    assert view.phase == SUCCEEDED
    assert len(lines) == 1
    assert "has failed (BackoffLimitExceeded): too many" in lines[0]


def test_a_job_whose_lifecycle_has_failed_is_given_up_with_1(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_wait, "ABANDONED_SECONDS", 0.0)
    kube.write(RUNS)
    kube.change("jobs", CONTROLLER, FAILED_JOB)
    result = CliRunner().invoke(main, ["wait", "digits"])
    line = (
        "digits: Running: all 2 tasks run or are done; "
        f"lifecycle: Job {CONTROLLER} has failed (BackoffLimitExceeded): too many\n"
    )
    assert (result.exit_code, result.stdout) == (1, line)


def test_the_last_lines_are_waited_for_until_the_lifecycles_log_has_them(
    kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube.write(LOST)
    monkeypatch.setattr(job_wait, "LOG_SECONDS", PATIENCE)
    logs = iter(["", "lifecycle of job digits\n", f"lifecycle of job digits\n{LOG}"])
    monkeypatch.setattr(jobs, "lifecycle_log", lambda *_: next(logs))
    with job_watch.watch(Kubectl(NAMESPACE), JOB) as job:
        lines = list(job_wait.failure_lines(job, job.view()))
    assert lines == LOST_LINE.splitlines()[1:]


def test_why_it_failed_is_printed_before_any_log_is_there(kube: Kube, start: Start) -> None:
    kube.write(LOST)
    wait = start("wait", "digits")
    wait.until(lambda: "hint: reshape it\n" in wait.out)
    kube.say("lifecycle", *LOG.splitlines())
    assert wait.ends() == 1
    assert wait.out == LOST_LINE


def test_a_lifecycle_that_was_replaced_in_time_starts_the_patience_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by `helm upgrade`: seconds of an earlier failure do not count."""
    failing = {0: True, 8: False, 9: True, 15: True, 16: True}
    times = iter(failing)
    clock = [next(times)]

    def wait(_: float) -> None:
        clock[0] = next(times)

    job: Any = SimpleNamespace(error=None, wakeup=SimpleNamespace(wait=wait), objects=lambda: None)
    job.view = lambda: SimpleNamespace(over=clock[0] == 16, phase="Running")
    monkeypatch.setattr(job_wait, "time", SimpleNamespace(monotonic=lambda: float(clock[0])))
    monkeypatch.setattr(job_wait, "lifecycle_failed", lambda _: failing[clock[0]])
    monkeypatch.setattr("tfconfig.cluster.job_text.line", lambda _: "")
    ended = job_wait.wait_until_over(job, None, lambda _: None)
    assert ended
    assert ended.over


def test_as_json_it_prints_the_document_of_the_job_at_its_end(kube: Kube, start: Start) -> None:
    kube.write(LOST)
    kube.pod(pod("worker-0", state=exited(3)))  # kept by cleanup
    wait = start("wait", "digits", "-o", "json")
    assert wait.ends() == 1
    shown = CliRunner().invoke(main, ["status", "digits", "-o", "json"]).stdout
    ended, now = json.loads(wait.out), json.loads(shown)
    assert (ended["phase"], ended["exitCode"]) == ("Failed", 3)
    assert ended == now
    assert ended["tasks"][0]["lastExit"]["exitCode"] == 3


def test_what_stands_in_the_status_does_not_control_the_terminal(kube: Kube, start: Start) -> None:
    kube.write(LOST, decidingTask="\x1b[31m", lastLine="\x1b[31m", hint="\x1b[31m", message="\x1b[31m")
    kube.say("lifecycle", *LOG.splitlines())
    wait = start("wait", "digits")
    assert wait.ends() == 1
    assert "decided by \\x1b[31m, exited 3" in wait.out
    assert "\x1b" not in wait.out + wait.err
