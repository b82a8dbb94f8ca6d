"""Kubeflow's training operator 1.8.1 while TFJobs are measured: a process of the kit's, with every default."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from hack.cluster import processes, training_operator


@contextlib.contextmanager
def running() -> Iterator[int]:
    """The operator, ready for TFJobs; gives its process id. All of it is removed again."""
    try:
        training_operator.on()
        process = processes.process_id(training_operator.MODULE)
        if process is None:
            raise RuntimeError("the operator has ended")
        yield process
        if processes.process_id(training_operator.MODULE) != process:
            raise RuntimeError(f"the operator has ended:\n{processes.log_tail(training_operator.MODULE)}")
    finally:
        training_operator.off()
