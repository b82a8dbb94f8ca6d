"""What a container's exit status means, in words for people."""

from __future__ import annotations

import signal

from tfconfig.tensorflow_job.lifecycle.state import Exit
from tfconfig.tensorflow_job.task.job_spec import SERVED, STOPPED

MEANINGS = {
    0: "ended well",
    1: "the program failed; its log tells why",
    2: "the program failed; often a wrong argument of its command line",
    42: "asked to be started again (TensorFlow's preemption exit)",
    126: "the command cannot be executed; see program.command and the file's mode",
    127: "command not found in the image; see program.command",
    129: "SIGHUP",
    130: "interrupted (SIGINT)",
    132: "illegal instruction (SIGILL): the image is built for another CPU",
    134: "aborted (SIGABRT): a check inside a native library failed",
    135: "bus error (SIGBUS): often /dev/shm is too small; see shmSize",
    136: "arithmetic error (SIGFPE)",
    137: "killed (SIGKILL): out of memory, evicted, or slower to end than its grace period",
    139: "segmentation fault (SIGSEGV): a native library crashed",
    141: "wrote to a closed pipe (SIGPIPE)",
    143: "asked to end (SIGTERM)",
}
OUT_OF_MEMORY = "out of memory; raise resources.limits.memory"
CANNOT_START = "the container cannot be started; see program.command and python"


def meaning(code: int, reason: str = "", message: str = "") -> str:
    """What an exit status means; `reason` is Kubernetes' (OOMKilled), `message` the termination message."""
    if reason == "OOMKilled":
        return OUT_OF_MEMORY
    if reason in ("ContainerCannotRun", "StartError"):
        return CANNOT_START
    if message.startswith(STOPPED):
        return "asked to end (SIGTERM)"
    if message.startswith(SERVED):
        return "a server ended that had been ready"
    if code in MEANINGS:
        return MEANINGS[code]
    if 128 < code < 160:
        try:
            return f"killed by {signal.Signals(code - 128).name}"
        except ValueError:
            return f"killed by signal {code - 128}"
    return MEANINGS[1]


def told(exit_: Exit) -> str:
    """`exit 137 (OOMKilled): out of memory; …`."""
    reason = f" ({exit_.reason})" if exit_.reason not in ("", "Error", "Completed") else ""
    return f"exit {exit_.code}{reason}: {meaning(exit_.code, exit_.reason, exit_.message)}"


def last_words(message: str) -> str:
    """The last line of a termination message, which is the end of what a failed program printed."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else ""
