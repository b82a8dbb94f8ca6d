"""The lifecycle in the simulated world: it may crash between any two of its steps."""

from __future__ import annotations

from collections.abc import Callable

from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.decide import decide
from tfconfig.tensorflow_job.lifecycle.state import (
    Action,
    Event,
    Finish,
    Observation,
    State,
)
from tfconfig.tensorflow_job.lifecycle.training import reporter
from tfconfig.tensorflow_job.task.contracts import JobSpec

from .world import World, exits_shown


class CrashError(Exception):
    """The controller's process is gone."""


Watcher = Callable[[JobSpec, State, Observation, State, "list[Action]"], None]


class Controller:
    """One process of the lifecycle Job: observes, decides, stores, acts; goes on from what was stored."""

    def __init__(self, world: World, watcher: Watcher) -> None:
        self._world, self._watch = world, watcher
        self.job = world.jobs[world.run_id]
        self.state = status.load(world.stored)
        self.observation: Observation | None = None
        self.finished: bool | None = None

    def observe(self) -> None:
        """Take in what there is now; it may be decided on later."""
        self.observation = self._world.observe(reporter(self.job, self.state))

    def decide(self, crash: str = "", times: int = 1) -> None:
        """Decide on what was observed last. `crash`: before storing, after storing, or while acting."""
        if self.observation is None:
            self.observe()
        seen = self.observation
        assert seen is not None
        for _ in range(times):
            state, actions = decide(self.job, self.state, seen)
            self._watch(self.job, self.state, seen, state, actions)
            if crash == "before storing":
                raise CrashError
            self._world.stored = status.dump(self.job, state, seen.pods)
            self._world.known |= exits_shown(seen)
            self.state = state
            if crash == "after storing":
                raise CrashError
            doing = [action for action in actions if not isinstance(action, Event)]
            for action in doing[: len(doing) // 2] if crash == "while acting" else doing:
                if isinstance(action, Finish):
                    self.finished = action.success
                else:
                    self._world.act(action)
            if crash:
                raise CrashError
