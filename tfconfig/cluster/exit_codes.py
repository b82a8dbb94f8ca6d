"""What the exit status of a container means. What to do about it: lifecycle/known_failures.py."""

from __future__ import annotations

from tfconfig.tensorflow_job.lifecycle.pod_status import START_ERRORS
from tfconfig.tensorflow_job.lifecycle.state import Exit
from tfconfig.tensorflow_job.lifecycle.text import exit_text
from tfconfig.tensorflow_job.task.messages import SERVED, STOPPED

TERMINATED = "asked to end by SIGTERM"
MEANINGS = {
    0: "succeeded",
    1: "the program failed",
    2: "the program failed; often a wrong command line argument",
    42: "requested a restart (TensorFlow's preemption exit)",
    126: "the command cannot be executed",
    127: "command not found in the image",
    130: "interrupted",
    132: "illegal instruction",
    134: "aborted: a check inside a native library failed",
    135: "bus error: often /dev/shm is full",
    136: "arithmetic error in a native library",
    137: "killed: out of memory, evicted, or still running after its grace period",
    139: "segmentation fault: a native library crashed",
    141: "wrote to a closed pipe",
    143: TERMINATED,
}


def meaning(code: int, reason: str = "", message: str = "") -> str:
    """The meaning of an exit status; `reason` is that of Kubernetes (OOMKilled), `message` the termination message."""
    if reason == "OOMKilled":
        return "out of memory"
    if reason in START_ERRORS:
        return "the container cannot be started"
    if message.startswith(STOPPED):  # anything in the container can write it
        return TERMINATED if code == 143 else f"by its own message {TERMINATED}"
    if message.startswith(SERVED):
        return "by its own message a server that had been ready"
    if code in MEANINGS:
        return MEANINGS[code]
    if 128 < code < 160:
        return f"killed by signal {code - 128}"
    return MEANINGS[1]


def describe(exit_: Exit) -> str:
    """`exited 137 (OOMKilled): out of memory`."""
    return f"{exit_text(exit_)}: {meaning(exit_.code, exit_.reason, exit_.message)}"
