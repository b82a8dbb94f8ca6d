"""PID 1: exit statuses, signals, orphans. Real processes; `setsid` and shells stand in for what programs do."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.task.conftest import PATIENCE_SECONDS, Container, job, shell, wait_until
from tfconfig.tensorflow_job.task import pipelines
from tfconfig.tensorflow_job.task.messages import STOPPED
from tfconfig.tensorflow_job.task.task import KILL_MARGIN_SECONDS


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("kill -9 $$", 137),
        ("kill -SEGV $$", 139),
        ("kill -PIPE $$; exit 0", 141),
    ],
)
def test_the_programs_status_is_the_containers(container: Container, script: str, code: int) -> None:
    container.write(job(program=shell(script)))
    assert container.run() == code


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("no-such-program", 127, "cannot run 'no-such-program': No such file or directory"),
        ("/etc/passwd", 126, "cannot run '/etc/passwd': Permission denied"),
        ("/etc", 126, "cannot run '/etc'"),
    ],
)
def test_what_cannot_be_executed_is_named(container: Container, command: str, code: int, words: str) -> None:
    container.write(job(program={"command": [command], "args": []}))
    assert container.run() == code
    assert words in container.output


def test_what_goes_wrong_before_the_program_is_reported(container: Container) -> None:
    """By the process that would have become it."""
    container.write(job(program={"command": ["true"]}))
    assert container.run() == 126
    assert "KeyError: 'args'" in container.output


def test_orphans_are_reaped_and_never_taken_for_the_program(tmp_path: Path) -> None:
    # As in a container the process adopts orphans; a hundred of them end with 0 around the program's own end with 3.
    container = Container(tmp_path / "pod")
    script = "for i in $(seq 100); do (setsid sh -c 'sleep 0.3' &) ; done; sleep 0.3; exit 3"
    container.write(job(program=shell(script)))
    adopt = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", adopt, *container.task()]
    assert subprocess.run(command, check=False, timeout=30).returncode == 3


def test_signals_go_to_the_programs_whole_process_group(container: Container) -> None:
    child = "trap 'echo child; exit' USR1; echo ready; while :; do sleep 0.1; done"
    script = f'trap "echo parent; exit 7" USR1; sh -c "{child}" & wait; wait'
    container.write(job(program=shell(script)))
    process = container.start()
    container.wait_for("^ready|\nready")
    process.send_signal(signal.SIGUSR1)
    assert process.wait(PATIENCE_SECONDS) == 7
    container.wait_for("child")
    assert "parent" in container.output


def test_sigterm_is_passed_on_and_the_program_may_save(container: Container) -> None:
    container.write(job(program=shell('trap "sleep 0.3; echo saved; exit 0" TERM; echo ready; sleep 60 & wait')))
    process = container.start()
    container.wait_for("\nready")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0
    assert "\nsaved" in container.output


SAVES = 'trap "sleep 0.5; echo saved; exit 0" TERM; echo ready; while :; do sleep 0.1; done'


@pytest.mark.parametrize("wrapper", ["echo prepares; sh -c '{}'; echo done", "sh -c '{}' & wait"])
def test_a_program_started_by_a_shell_may_save(container: Container, wrapper: str) -> None:
    """The shell has no trap: it ends at once."""
    container.write(job(program=shell(wrapper.format(SAVES))))
    process = container.start()
    container.wait_for("\nready")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) in (0, 143)
    assert "\nsaved" in container.output
    assert container.message.startswith(STOPPED)


@pytest.mark.parametrize("logs", [None, {"maxBytes": 1000, "files": 2}])
def test_a_program_in_a_process_group_of_its_own_may_save(
    container: Container, tmp_path: Path, logs: dict[str, int] | None
) -> None:
    """`timeout` makes one; the shell ends at once, and its own group with it."""
    checkpoints = {"checkpointDir": str(tmp_path / "checkpoints"), "logs": logs}
    container.write(job(program=shell(f"timeout 60 sh -c '{SAVES}'; true"), **(checkpoints if logs else {})))
    process = container.start(grace=600)
    container.wait_for("\nready")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) in (0, 143), "what copies the output is not waited for"
    assert "\nsaved" in container.output
    assert container.message.startswith(STOPPED)


PRINTS_WHILE_IT_SAVES = 'trap "echo saves; sleep 0.5; echo saved; exit 0" TERM; echo ready; while :; do sleep 0.1; done'


@pytest.mark.parametrize("pipe", ["sh -c '{}' | cat", "sh -c '{}' 2>&1 | cat | cat", "timeout 60 sh -c '{}' | cat"])
def test_the_reader_of_what_a_program_prints_is_there_until_it_has_saved(container: Container, pipe: str) -> None:
    container.write(job(program=shell(pipe.format(PRINTS_WHILE_IT_SAVES))))
    process = container.start(grace=600)
    container.wait_for("\nready")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) in (0, 143)
    assert "\nsaved" in container.output
    assert container.message.startswith(STOPPED)


def test_a_program_that_reads_a_pipe_is_asked_to_end_once_its_writer_has_ended(container: Container) -> None:
    """It does not look at the end of its input."""
    container.write(job(program=shell(f"sleep 600 | sh -c '{SAVES}'")))
    process = container.start(grace=600)
    container.wait_for("\nready")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) in (0, 143)
    assert "\nsaved" in container.output


def test_what_ignores_sigterm_is_killed_after_the_grace_though_its_shell_has_ended(container: Container) -> None:
    script = "sh -c 'trap \"\" TERM; echo ready; while :; do sleep 0.1; done'; true"
    container.write(job(program=shell(script)))
    process = container.start(grace=4)
    container.wait_for("\nready")
    begun = time.monotonic()
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 143
    assert time.monotonic() - begun >= 4 - KILL_MARGIN_SECONDS
    assert container.message.startswith(STOPPED)


def test_a_server_that_a_shell_started_has_no_grace(container: Container) -> None:
    container.write(job(replicas={"ps": 1}, program=shell(f"sh -c '{SAVES}'; true")))
    process = container.start(role="ps", grace=60)
    container.wait_for("\nready")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) in (137, 143)
    assert "\nsaved" not in container.output


def test_a_program_that_ignores_sigterm_is_killed_before_the_kubelet_would(container: Container) -> None:
    """The program counts tenths of a second itself: on a busy machine it comes less far, and never too far."""
    script = 'trap "echo asked" TERM; echo ready; while :; do sleep 0.1; echo tick; done'
    container.write(job(program=shell(script)))
    process = container.start(grace=4)
    container.wait_for("\nready")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 137
    assert container.message.startswith(STOPPED), "the kubelet's SIGKILL would have left no message"
    ticks = container.output.partition("asked")[2].count("tick")
    assert 1 <= ticks <= 10 * (4 - KILL_MARGIN_SECONDS) + 1


def test_nothing_of_the_process_group_is_left(container: Container) -> None:
    container.write(job(program=shell("sleep 600 & echo pid $!; exit 0")))
    assert container.run() == 0
    pid = int(container.output.split()[-1])
    wait_until(lambda: pid not in {living for living, _, _ in pipelines.living()})


def test_the_program_starts_with_default_signals(container: Container) -> None:
    # Python ignores SIGPIPE; inherited, that would make `yes | head` run for ever.
    container.write(job(program=shell("cat /proc/self/status")))
    assert container.run() == 0
    masks = dict(
        line.split(":\t") for line in container.output.splitlines() if line.startswith(("SigBlk", "SigIgn", "SigCgt"))
    )
    assert {int(mask, 16) & ((1 << 31) - 1) for mask in masks.values()} == {0}


def test_output_passes_untouched(container: Container, tmp_path: Path) -> None:
    blob = bytes(range(256)) * 4096
    (tmp_path / "blob").write_bytes(blob)
    container.write(job(program={"command": ["cat", str(tmp_path / "blob")], "args": []}))
    assert container.run() == 0
    assert container.output_file.read_bytes().endswith(blob)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ('trap "echo saved; exit 5" TERM; (setsid sleep 0.1 &); echo ready; sleep 60 & wait', 5),
        (f"sh -c '{SAVES}'; true", 143),  # its orphan is adopted, and has the grace
    ],
)
def test_as_pid_1_it_takes_signals_and_reaps(tmp_path: Path, script: str, code: int) -> None:
    # The real thing: a process namespace of its own, where the kernel gives PID 1 no default signal actions.
    if os.getuid() != 0 or ctypes.CDLL(None).unshare(0) != 0:
        pytest.skip("a process namespace needs root; the cluster tests show the same in a pod")
    container = Container(tmp_path / "pod")
    container.write(job(program=shell(script)))
    with container.output_file.open("wb") as output:
        outer = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", *container.task()],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    container.wait_for("\nready")
    inner = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()[0])
    os.kill(inner, signal.SIGTERM)
    assert outer.wait(10) == code
    assert "\nsaved" in container.output
