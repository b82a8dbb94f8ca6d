"""Failures that belong together count once (a wave). Pure but for the counter itself, which lives for one decision.

A task that fails brings its peers down, and a chief may fail again while it reconnects. A wave opens with a failure or
disruption of one task and takes in what the others do for WAVE_SECONDS, at most MAX_ABSORBED failures of each. It
counts one failure as soon as one of its failures is a program's. The task that opened the wave is not excused by it, so
a program that keeps failing ends its job.
"""

from __future__ import annotations

from dataclasses import replace

from ..task.job_spec import Task
from .state import State, Wave

WAVE_SECONDS = 30.0
MAX_ABSORBED = 2


class FailureCounter:
    """The failures and the wave of a state while one observation is judged: thousands may fail at once."""

    def __init__(self, state: State) -> None:
        wave = state.wave
        self.failures = state.failures
        self._wave = wave
        self._absorbed = dict(wave.absorbed) if wave else {}

    def fail(self, task: Task, when: float) -> bool:
        """Count a failure, unless the wave it belongs to has counted; whether it counted."""
        wave, absorbed = self._wave, self._absorbed.get(task, 0)
        if wave is None or self._over(when) or task == wave.origin or absorbed >= MAX_ABSORBED:
            self._open(Wave(when, task, counted=True))
            self.failures += 1
            return True
        self._absorbed[task] = absorbed + 1
        if wave.counted:
            return False
        self._wave = replace(wave, start=min(wave.start, when), counted=True)
        self.failures += 1
        return True

    def disrupt(self, task: Task, when: float) -> None:
        """Open a wave with this task, or name it as the cause of the wave that a failure opened."""
        wave = self._wave
        if wave is None or self._over(when):
            self._open(Wave(when, task, counted=False))
        elif wave.origin != task and wave.counted:
            self._absorbed[wave.origin] = self._absorbed.get(wave.origin, 0) + 1
            self._wave = replace(wave, origin=task)

    def text(self, counted: bool, limit: int) -> str:
        """What a failure did to the limit."""
        return f"failure {self.failures} of {limit} allowed" if counted else "part of the same wave, not counted again"

    def stored(self, state: State) -> State:
        """The state with what was counted."""
        wave = replace(self._wave, absorbed=self._absorbed) if self._wave else None
        return replace(state, failures=self.failures, wave=wave)

    def _open(self, wave: Wave) -> None:
        self._wave, self._absorbed = wave, {}

    def _over(self, when: float) -> bool:
        return self._wave is None or abs(when - self._wave.start) > WAVE_SECONDS
