"""What the exit status of a container means."""

from __future__ import annotations

import signal

from tfconfig.tensorflow_job.lifecycle.state import Exit
from tfconfig.tensorflow_job.task.job_spec import SERVED, STOPPED

MEANINGS = {
    0: "succeeded",
    1: "the program failed; see its log",
    2: "the program failed; often a wrong command line argument",
    42: "requested a restart (TensorFlow's preemption exit)",
    126: "the command cannot be executed; check program.command and the file's mode",
    127: "command not found in the image; check program.command",
    129: "SIGHUP",
    130: "interrupted (SIGINT)",
    132: "illegal instruction (SIGILL): the image is built for another CPU",
    134: "aborted (SIGABRT): a check inside a native library failed",
    135: "bus error (SIGBUS): often /dev/shm is too small; raise shmSize",
    136: "arithmetic error (SIGFPE)",
    137: "killed (SIGKILL): out of memory, evicted, or still running after its grace period",
    139: "segmentation fault (SIGSEGV): a native library crashed",
    141: "wrote to a closed pipe (SIGPIPE)",
    143: "terminated (SIGTERM)",
}
OUT_OF_MEMORY = "out of memory; raise resources.limits.memory"
CANNOT_START = "the container cannot be started; check program.command and python"


def meaning(code: int, reason: str = "", message: str = "") -> str:
    """The meaning of an exit status; `reason` is that of Kubernetes (OOMKilled), `message` the termination message."""
    if reason == "OOMKilled":
        return OUT_OF_MEMORY
    if reason in ("ContainerCannotRun", "StartError"):
        return CANNOT_START
    if message.startswith(STOPPED):
        return "terminated (SIGTERM)"
    if message.startswith(SERVED):
        return "a server that had been ready ended"
    if code in MEANINGS:
        return MEANINGS[code]
    if 128 < code < 160:
        try:
            return f"killed by {signal.Signals(code - 128).name}"
        except ValueError:
            return f"killed by signal {code - 128}"
    return MEANINGS[1]


def exit_text(exit_: Exit) -> str:
    """`exit 137 (OOMKilled): out of memory; …`."""
    reason = f" ({exit_.reason})" if exit_.reason not in ("", "Error", "Completed") else ""
    return f"exit {exit_.code}{reason}: {meaning(exit_.code, exit_.reason, exit_.message)}"


def last_line(message: str) -> str:
    """The last line of a termination message: the end of what a failed program printed."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else ""
