"""tfconfig status, wait and logs against a real cluster, as their users call them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Jobs
from .jobs import Job, helm_program
from .programs import CHART, ROOT, shell
from .tool import LOOKS, Tool, as_account, ended

# Every task counts its starts, prints some lines, and then does what the test says.
PROGRAM = """
echo start of $TASK_TYPE-$TASK_INDEX
for n in 1 2 3; do echo "line $n of $TASK_TYPE-$TASK_INDEX"; done
while ! test -e "$HOME/end"; do
  if test -e "$HOME/fall"; then rm "$HOME/fall"; echo falls >&2; exit 3; fi
  sleep 0.1
done
"""


@pytest.fixture(scope="module")
def job(shared_jobs: Jobs) -> Callable[[str], Job]:
    """Jobs side by side, each in another state; `both` is one release with two of them."""
    jobs = shared_jobs
    jobs.install(shell(PROGRAM, worker={"replicas": 2}, ps={"replicas": 1}), "running")
    jobs.install(shell("echo last words; exit 3", restart={"policy": "Never"}), "failing")
    jobs.install(shell("exit 0", worker={"replicas": 2, "gpus": 99}), "waiting")
    jobs.install(shell("exit 0", suspend=True), "suspended")
    jobs.install(shell("sleep 600"), "removed")
    return {one.name: one for one in jobs.all}.__getitem__


@pytest.fixture(scope="module")
def tool(shared_jobs: Jobs) -> Tool:
    return Tool(shared_jobs.target, shared_jobs.namespace.name)


# --- status -------------------------------------------------------------------------------------------------------


def test_a_job_that_runs(job: Callable[[str], Job], tool: Tool) -> None:
    run = job("running").wait_running()["runId"]
    output, _ = tool("status", "running")
    head, _, table = output.partition("\n\n")
    assert re.search(r"^phase +Running\nmessage +all 3 tasks run or are done\n", head, re.MULTILINE)
    assert re.search(rf"^run +{run}, for \d+ s$", head, re.MULTILINE)
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [
        [task, "Running"] for task in ("worker-0", "worker-1", "ps-0")
    ]
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        status: dict[str, Any] = read(tool("status", "running", "-o", form)[0])
        assert (status["phase"], status["runId"], status["lifecycleMessage"]) == ("Running", run, "")
        nodes = {task: pod["spec"]["nodeName"] for task, pod in job("running").pods.items()}
        assert {item["task"]: item["node"] for item in status["tasks"]} == nodes


def test_a_job_that_waits_says_for_what(job: Callable[[str], Job], tool: Tool) -> None:
    job("waiting").wait_for_message("Insufficient nvidia.com/gpu")
    output, _ = tool("status", "waiting")
    assert re.search(r"^phase +Pending \(WaitingForTasks\)$", output, re.MULTILINE)
    assert re.search(r"^worker-1 +Waiting +0 +Unschedulable: 0/\d+ nodes", output, re.MULTILINE)
    assert max(map(len, output.splitlines())) <= 80


def test_all_jobs_of_a_namespace_are_listed(job: Callable[[str], Job], tool: Tool) -> None:
    job("suspended").wait_for_phase("Suspended")
    job("removed").wait_running()
    output, _ = tool("status")
    found = [line.split()[:2] for line in output.splitlines()[1:] if not line.startswith(" ")]
    assert [name for name, _ in found] == ["failing", "removed", "running", "suspended", "waiting"]
    assert ["suspended", "Suspended"] in found
    everywhere, _ = tool("status", "-A", "-o", "json")
    named = {(one["namespace"], one["name"]) for one in json.loads(everywhere)["jobs"]}
    assert {(tool.namespace, name) for name, _ in found} <= named


def test_on_a_terminal_the_view_is_redrawn_and_fits(job: Callable[[str], Job], tool: Tool) -> None:
    job("failing").wait_ended("Failed", disturbed=True)
    for columns in (80, 160):
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environ = {name: text for name, text in tool.environ.items() if name not in ("COLUMNS", "LINES")}
        words = [sys.executable, "-m", "tfconfig", "status", "failing", "--watch", "-n", tool.namespace]
        with subprocess.Popen(
            words, cwd=ROOT, env=environ, stdin=follower, stdout=follower, stderr=follower
        ) as process:
            os.close(follower)
            drawn = b""
            while data := _read(leader):
                drawn += data
        os.close(leader)
        assert process.returncode == 0
        lines = drawn.decode().replace("\r", "").rpartition("\033[H\033[J")[2].splitlines()
        assert "decided by  worker-0, exited 3: the program failed" in lines
        assert "pods        none left, everything is freed" in lines
        assert max(map(len, lines)) <= columns


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 4096)
    except OSError:  # nobody has the other end open any more
        return b""


def test_the_progress_in_the_status_is_shown_also_after_the_end(job: Callable[[str], Job], tool: Tool) -> None:
    failing = job("failing")
    failing.wait_ended("Failed", disturbed=True)
    progress = {
        "step": 1200,
        "total": 5000,
        "loss": 0.25,
        "rate": 40.0,
        "task": "worker-0",
        "time": "2026-01-01T00:00:00Z",
    }
    text = json.dumps({**failing.status, "progress": progress})
    failing.namespace.api.patch("configmaps", tool.namespace, "failing-status", {"data": {"status.json": text}})
    assert re.search(r"^progress +step 1200 of 5000 \(24 %\), loss 0.25$", tool("status", "failing")[0], re.MULTILINE)
    assert re.search(r"^failing +Failed +1 +24 % ", tool("status")[0], re.MULTILINE)


# --- wait ---------------------------------------------------------------------------------------------------------


def test_wait_ends_with_1_after_a_failure_and_tells_the_last_lines(job: Callable[[str], Job], tool: Tool) -> None:
    job("failing").wait_for_phase("Failed")
    output, _ = tool("wait", "failing", code=1)
    first, second, third, *rest = output.splitlines()
    assert re.fullmatch(
        r"failing: Failed after \d+ s \(TaskFailed\): worker-0 exited 3; restart.policy Never does not restart it",
        first,
    )
    assert second == "decided by worker-0, exited 3: the program failed"
    assert third == f"last line: {job('failing').status['lastLine']}"
    # Those that the lifecycle has found: test_endings.py tells whether they are the right ones.
    assert rest == ["last lines of worker-0:", *(f"  {line}" for line in job("failing").tail().splitlines())]


def test_wait_ends_with_3_when_its_time_is_over(job: Callable[[str], Job], tool: Tool) -> None:
    job("suspended").wait_for_phase("Suspended")
    began = time.monotonic()
    output, errors = tool("wait", "suspended", "--timeout", "2s", code=3)
    assert time.monotonic() - began >= 2
    assert output == ""
    assert "suspended: Suspended: no pod is left; waiting until it is resumed" in errors
    assert errors.splitlines()[-1].endswith("timed out after 2 s")


def test_wait_and_logs_end_with_2_when_the_job_is_uninstalled(job: Callable[[str], Job], tool: Tool) -> None:
    removed = job("removed")
    removed.wait_running()
    wait, logs = tool.start("wait", "removed"), tool.start("logs", "removed", "-f")
    assert wait.stderr
    assert wait.stderr.readline() == "removed: Running: the task runs or is done\n"
    removed.uninstall()
    for process in (wait, logs):
        _, errors = ended(process, 2)
        assert errors.splitlines()[-1] == "Error: job removed does not exist any more: it was uninstalled"


@pytest.mark.parametrize("command", ["status", "wait", "logs"])
def test_a_job_that_is_not_there(job: Callable[[str], Job], tool: Tool, command: str) -> None:
    job("running").wait_running()
    _, errors = tool(command, "runing", code=2)
    assert errors == (
        f"Error: no job runing in namespace {tool.namespace}: not installed yet, or uninstalled. "
        "The namespace has running\n"
    )


# --- logs ---------------------------------------------------------------------------------------------------------


def test_logs_follow_through_restarts_and_new_pods_until_the_end_and_wait_ends_with_0(
    shared_jobs: Jobs, job: Callable[[str], Job], tool: Tool, tmp_path: Path
) -> None:
    running = job("running")
    running.wait_running()
    # Where watching is not allowed, it asks every ten seconds.
    only_reads = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb != "watch"]} for rule in LOOKS]
    poller = as_account(shared_jobs, "poller", only_reads, tmp_path)
    shared_jobs.namespace.wait_until("the binding counts", lambda: poller.works("status"))
    follow, wait = tool.start("logs", "running", "--follow"), poller.start("wait", "running")
    assert follow.stdout
    seen: list[str] = []
    while len([line for line in seen if "line 3 of" in line]) < 3:
        seen.append(follow.stdout.readline())
    running.tell("worker-1", "fall")
    running.wait_until("worker-1 is started again", lambda: running.restarts("worker-1") and running.runs("worker-1"))
    uid = running.delete_pod("ps-0")
    running.wait_for_new_pod("ps-0", uid)
    # The new ones have printed, so that nothing is left to come but the end.
    while len([line for line in seen if "line 3 of" in line]) < 5:
        seen.append(follow.stdout.readline())
    status, _ = tool("status", "running")
    assert re.search(r"^worker-1 +Running +\S+ +1 +exited 3: the program failed\. Last line:", status, re.MULTILINE)
    previous, _ = tool("logs", "running", "--previous", "--task", "worker-1", "--tail", "2")
    assert [line.split(" | ")[1].split()[0] for line in previous.splitlines()] == ["falls", "ended"]
    one, _ = tool("logs", "running", "--task", "worker-0", "--task", "ps")
    assert {line.split()[0] for line in one.splitlines()} == {"worker-0", "ps-0"}
    running.tell("worker-0", "end")
    rest, outcome = ended(follow)
    lines = [*seen, *rest.splitlines(keepends=True)]
    starts = [match[1] for line in lines if (match := re.fullmatch(r"\S+ +\| start of (\S+)\n", line))]
    assert sorted(starts) == ["ps-0", "ps-0", "worker-0", "worker-1", "worker-1"]
    assert sorted(line for line in lines if "line 2 of worker-1" in line) == ["worker-1  | line 2 of worker-1\n"] * 2
    assert [line for line in lines if line.endswith("| falls\n")] == ["worker-1  | falls\n"]
    assert re.match(r"running: Succeeded after \d+ s \(Completed\): worker-0 exited 0\n", outcome)
    output, errors = ended(wait)
    assert output == outcome
    assert "running: Running: all 3 tasks run or are done\n" in errors


def test_after_the_end_the_lifecycles_log_is_printed(job: Callable[[str], Job], tool: Tool) -> None:
    job("failing").wait_ended("Failed", disturbed=True)
    for arguments in ((), ("--follow",)):
        output, errors = tool("logs", "failing", *arguments)
        log = job("failing").lifecycle_log()
        assert output == "".join(f"lifecycle | {line}\n" for line in log.splitlines())
        assert errors.startswith("failing: Failed after")


def test_a_task_that_is_not_there_is_refused(job: Callable[[str], Job], tool: Tool) -> None:
    job("waiting").wait_for_message("Insufficient")
    _, errors = tool("logs", "waiting", "--task", "worker-2", code=2)
    assert "--task worker-2: no such task; this job has worker-0 to worker-1" in errors


# --- several jobs in one release ----------------------------------------------------------------------------------


def test_a_release_with_two_jobs(shared_jobs: Jobs, tool: Tool, tmp_path: Path) -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    dependencies = [{"name": "tensorflow-job", "alias": alias, "version": version} for alias in ("train", "tune")]
    (tmp_path / "Chart.yaml").write_text(
        yaml.safe_dump({"apiVersion": "v2", "name": "team", "version": "1.0.0", "dependencies": dependencies})
    )
    (tmp_path / "charts").mkdir()
    release = shared_jobs.new("both")
    helm = helm_program(shared_jobs.target, release.helm)
    packed = shared_jobs.target.run(helm, "package", str(CHART), "--destination", str(tmp_path / "charts"))
    assert packed.returncode == 0, packed.stderr
    train = release.complete(shell("sleep 600", suspend=True))
    release.install({"train": train, "tune": release.complete(shell("exit 0"))}, chart=str(tmp_path))
    output, _ = tool("wait", "both-tune")
    assert output.startswith("both-tune: Succeeded after")
    listed, _ = tool("status", "both")
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["both-train", "both-tune"]
    alone, _ = tool("status", "both-train")
    assert re.match(rf"job +both-train in namespace {tool.namespace}, release both\n", alone)
    _, errors = tool("wait", "both", code=2)
    assert errors == "Error: release both has several jobs; name one of them: both-train, both-tune\n"
    shared_jobs.all.remove(release)


# --- permissions --------------------------------------------------------------------------------------------------


def _first_words(text: str) -> list[str]:
    """Of lines that go on with nothing: an age that got longer in between wraps the cells of a table anew."""
    return [line.split()[0] for line in text.splitlines() if line[:1].strip()]


def test_the_permissions_to_read_are_enough_and_each_one_that_is_missing_is_named(
    shared_jobs: Jobs, job: Callable[[str], Job], tool: Tool, tmp_path: Path
) -> None:
    job("failing").wait_ended("Failed", disturbed=True)
    looker, nobody = as_account(shared_jobs, "looker", LOOKS, tmp_path), as_account(shared_jobs, "nobody", [], tmp_path)
    shared_jobs.namespace.wait_until("the binding counts", lambda: looker.works("status"))
    for words, code in (
        (["status", "failing"], 0),
        (["status"], 0),
        (["wait", "failing"], 1),
        (["logs", "failing"], 0),
    ):
        mine, own = looker(*words, code=code), tool(*words, code=code)
        assert _first_words(mine[0]) == _first_words(own[0])
        _, errors = nobody(*words, code=2)
        error = rf"Error: no permission to (get|list) configmaps in namespace {tool.namespace}; ask the .*\n"
        assert re.fullmatch(error, errors)
    _, errors = looker("status", "-A", code=2)
    assert errors.startswith("Error: no permission to list configmaps in the whole cluster; ask")
    output, _ = looker("doctor", "-f", str(ROOT / "examples/digits/values.yaml"), code=1)
    refused = r"^permissions to install +error +no permission to create, patch,\s+update,\s+delete"
    assert re.search(refused, output, re.MULTILINE), output
    assert re.search(r"^permissions to view +ok ", output, re.MULTILINE)
    assert re.search(r"^quota +unknown ", output, re.MULTILINE)
    assert max(map(len, output.splitlines())) <= 80
