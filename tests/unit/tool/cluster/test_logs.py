"""`tfconfig logs` against a cluster: once, and followed through restarts, new pods and broken connections."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from tests.unit.tool.cluster.kube import LOG, LOST, RUNS, WON, Kube, Program
from tfconfig.cli import main
from tfconfig.cluster.log_follow import MAX_LINE_BYTES
from tfconfig.tensorflow_job.task.last_output import AGAIN
from tfconfig.tensorflow_job.task.log import OWN

Start = Callable[..., Program]
HOSTILE = "  ::set-output name=a::b\033]8;;http://x\a ##[add-mask]c"
SHOWN = "  \\x3a:set-output name=a::b\\x1b]8;;http://x\\x07 \\x23#[add-mask]c"


def logs(*words: str) -> Result:
    return CliRunner().invoke(main, ["logs", "digits", *words])


@pytest.fixture
def running(kube: Kube) -> Kube:
    """Both workers run, and have printed two lines in turn."""
    kube.write(RUNS)
    kube.start("worker-0", "worker-1")
    for number in (1, 2):
        for task in ("worker-0", "worker-1"):
            kube.say(task, f"line {number} of {task}")
    return kube


@pytest.mark.usefixtures("running")
def test_the_lines_of_all_tasks_come_in_the_order_of_their_times() -> None:
    assert logs().stdout == (
        "worker-0  | line 1 of worker-0\nworker-1  | line 1 of worker-1\n"
        "worker-0  | line 2 of worker-0\nworker-1  | line 2 of worker-1\n"
    )
    assert logs("--task", "worker-1", "--tail", "1").stdout == "worker-1  | line 2 of worker-1\n"


@pytest.mark.parametrize("words", [(), ("--follow",)])
def test_what_a_program_prints_controls_neither_terminal_nor_ci(
    running: Kube, start: Start, words: tuple[str, ...]
) -> None:
    running.say("worker-0", HOSTILE)
    shown, raw = start("logs", "digits", *words), start("logs", "digits", "--raw", *words)
    shown.until(lambda: f"worker-0  | {SHOWN}\n" in shown.out)
    raw.until(lambda: f"worker-0  | {HOSTILE}\n" in raw.out)
    running.write(WON)
    running.remove("pods", "digits-worker-0")
    running.remove("pods", "digits-worker-1")
    assert (shown.ends(), raw.ends()) == (0, 0)


def test_a_progress_bar_is_its_last_state_after_the_tasks_name(running: Kube) -> None:
    running.say("worker-0", "\r1/2 [=>..]" + "\b" * 20 + "\r2/2 [====]")
    assert logs("--tail", "1", "--task", "worker-0").stdout == "worker-0  | 2/2 [====]\n"
    assert "\b" in logs("--tail", "1", "--task", "worker-0", "--raw").stdout


def test_what_is_waited_for_is_reported_until_a_task_prints(kube: Kube, start: Start) -> None:
    waits = replace(RUNS, phase="Pending", reason="WaitingForTasks", message="worker-0, worker-1: no pod yet")
    kube.write(waits)
    follow = start("logs", "digits", "--follow")
    follow.until(lambda: "digits: Pending (WaitingForTasks): worker-0, worker-1: no pod yet\n" in follow.err)
    assert follow.out == ""
    kube.write(WON)
    assert follow.ends() == 0


def test_a_line_without_an_end_is_followed_in_parts(running: Kube, start: Start) -> None:
    follow = start("logs", "digits", "--follow", "--task", "worker-0")
    follow.until(lambda: "line 2" in follow.out)
    running.say("worker-0", "x" * (MAX_LINE_BYTES + 100))
    follow.until(lambda: follow.out.count("x") == MAX_LINE_BYTES + 100)
    assert max(map(len, follow.out.splitlines())) < MAX_LINE_BYTES + 100


def test_the_container_before_the_last_restart(running: Kube) -> None:
    running.restart("worker-1", 1)
    running.say("worker-1", "again")
    assert logs("--task", "worker-1").stdout == "worker-1  | again\n"
    assert logs("--task", "worker-1", "--previous").stdout == (
        "worker-1  | line 1 of worker-1\nworker-1  | line 2 of worker-1\n"
    )


def test_a_task_whose_log_cannot_be_read_does_not_hide_the_others(running: Kube) -> None:
    running.refuse = lambda _verb, resource, name: 400 if (resource, name) == ("pods/log", "digits-worker-0") else None
    result = logs("--task", "worker-1")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 2)


def test_without_permission_for_logs_it_exits_2(running: Kube) -> None:
    running.forbid("get pods/log")
    result = logs()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pods/log" in result.stderr


def test_without_a_pod_yet_it_says_what_the_job_waits_for(kube: Kube) -> None:
    kube.write(RUNS, message="worker-0: no pod yet")
    result = logs()
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "no pod of digits yet: worker-0: no pod yet; --follow waits for them\n"


@pytest.mark.parametrize("words", [(), ("--follow",)])
def test_after_the_end_it_is_the_log_of_the_lifecycle(kube: Kube, words: tuple[str, ...]) -> None:
    kube.say("lifecycle", *LOG.splitlines())
    kube.write(LOST)
    result = logs(*words)
    assert result.stdout == "".join(f"lifecycle | {line}\n" for line in LOG.splitlines())
    assert result.stderr.startswith("digits: Failed after 1 min (TaskFailed): worker-0 exited 3")


def test_what_is_asked_of_lines_holds_for_the_log_of_the_lifecycle_too(kube: Kube) -> None:
    kube.write(LOST)
    assert logs().stdout == ""  # it has printed nothing yet
    kube.say("lifecycle", *LOG.splitlines())
    assert logs("--tail", "1").stdout == "lifecycle |   ValueError: bad shape\n"
    assert logs("--timestamps").stdout.splitlines()[0].split()[2].endswith("Z")
    assert all(json.loads(line)["time"] for line in logs("-o", "json").stdout.splitlines())


def test_followed_every_line_comes_once_through_restarts_new_pods_and_broken_connections(
    running: Kube, start: Start
) -> None:
    follow = start("logs", "digits", "--follow")
    printed = {"worker-0": 2, "worker-1": 2}

    def say(task: str) -> None:
        printed[task] += 1
        running.say(task, f"line {printed[task]} of {task}")
        follow.until(lambda: f"{task}  | line {printed[task]} of {task}\n" in follow.out)

    say("worker-0")
    say("worker-1")
    running.restart("worker-0", 1)
    say("worker-0")
    running.cut()
    say("worker-1")
    say("worker-0")
    running.start("worker-1")  # another pod of this name
    say("worker-1")
    running.expire()
    say("worker-1")
    running.write(replace(WON, freed=True))
    for task in printed:
        running.remove("pods", f"digits-{task}")
    assert follow.ends() == 0
    assert follow.err == "digits: Succeeded after 1 min (Completed): worker-0 exited 0\n"
    expected = [f"{task}  | line {n + 1} of {task}" for task, count in printed.items() for n in range(count)]
    assert sorted(follow.out.splitlines()) == sorted(expected)


def test_followed_what_a_kept_pod_shows_once_more_is_not_printed_again(running: Kube, start: Start) -> None:
    follow = start("logs", "digits", "--follow", "--task", "worker-0")
    follow.until(lambda: "line 2 of worker-0" in follow.out)
    with running.lock:
        running.cut()
        running.restart("worker-0", 0)
        running.say("worker-0", "parks", OWN + AGAIN, "line 1 of worker-0", "line 2 of worker-0")
    follow.until(lambda: "parks" in follow.out)
    running.write(WON)
    running.remove("pods", "digits-worker-0")
    running.remove("pods", "digits-worker-1")
    assert follow.ends() == 0
    assert follow.out.count("line 2 of worker-0") == 1
    assert AGAIN not in follow.out


def test_followed_what_a_container_printed_between_two_looks_is_read_from_the_one_before(
    running: Kube, start: Start
) -> None:
    follow = start("logs", "digits", "--follow", "--task", "worker-0")
    follow.until(lambda: "line 2 of worker-0" in follow.out)
    with running.lock:
        running.cut()
        running.say("worker-0", "last line")
        running.restart("worker-0", 1)
        running.say("worker-0", "first line")
    follow.until(lambda: "first line" in follow.out)
    running.write(WON)
    running.remove("pods", "digits-worker-0")
    running.remove("pods", "digits-worker-1")
    assert follow.ends() == 0
    assert follow.out.splitlines() == [
        f"worker-0  | {line}" for line in ("line 1 of worker-0", "line 2 of worker-0", "last line", "first line")
    ]


def test_followed_pods_that_come_later_are_waited_for(kube: Kube, start: Start) -> None:
    kube.write(RUNS)
    follow = start("logs", "digits", "--follow", "--tail", "1")
    kube.start("worker-1")
    kube.say("worker-1", "first", "second")
    follow.until(lambda: "second" in follow.out)
    kube.write(WON)
    kube.remove("pods", "digits-worker-1")
    assert follow.ends() == 0


def test_followed_an_uninstalled_job_ends_it_with_2(running: Kube, start: Start) -> None:
    follow = start("logs", "digits", "--follow")
    follow.until(lambda: "line 2 of worker-1" in follow.out)
    running.uninstall()
    assert follow.ends() == 2
    assert follow.err.splitlines()[-1] == "Error: job digits does not exist any more: it was uninstalled"


@pytest.mark.usefixtures("running")
def test_lines_with_their_times_and_as_json() -> None:
    first = logs("--timestamps").stdout.splitlines()[0].split()
    assert (first[0], first[2][-1], first[3:]) == ("worker-0", "Z", ["line", "1", "of", "worker-0"])
    documents = [json.loads(line) for line in logs("-o", "json").stdout.splitlines()]
    assert documents[0] == {"task": "worker-0", "time": first[2], "line": "line 1 of worker-0"}
    assert [document["task"] for document in documents] == ["worker-0", "worker-1"] * 2


def test_followed_lines_have_their_times_too(running: Kube, start: Start) -> None:
    follow = start("logs", "digits", "-f", "-o", "json")
    follow.until(lambda: follow.out.count("\n") == 4)
    assert all(json.loads(line)["time"] for line in follow.out.splitlines())
    running.uninstall()
    assert follow.ends() == 2
