"""A random story: a cluster, and a controller whose every decision is checked."""

from __future__ import annotations

from itertools import product
from typing import Any

from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.decide import decide
from tfconfig.tensorflow_job.lifecycle.state import (
    FAILED,
    SUCCEEDED,
    SUSPENDED,
    TAKING_OVER,
    Action,
    Delete,
    Finish,
    Observation,
    Scale,
    State,
)
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.job_spec import Task

from .world import SimulatedPod, World, exits_shown, working
from .world_controller import Controller, CrashError

SHAPES: list[dict[str, Any]] = [
    {"strategy": "ParameterServer", "chief": 1, "worker": 1, "ps": 1},
    {"strategy": "ParameterServer", "chief": 1, "worker": 1, "ps": 1, "evaluator": 1, "grace": 60},
    {"strategy": "MultiWorkerMirrored", "worker": 2},
    {"strategy": "MultiWorkerMirrored", "worker": 3, "success_policy": "AllWorkers"},
    {"strategy": "BetweenGraph", "worker": 2, "ps": 1, "evaluator": 1, "grace": 0},
    {"strategy": "Custom", "chief": 1, "worker": 1, "ps": 1, "success_policy": "AllWorkers"},
]
RUNS = [f"run-{number}" for number in range(6)]
YES_OR_NO = [True, False]
NUMBERS = range(12)
CODES = [0, 1, 137, 42]
CRASHES = ["", "", "before storing", "after storing", "while acting"]
# What follows an event: does the world react, does the controller look, and does it survive that?
THEN = list(product(["", "world", "look", "both", "both", "both twice", "both twice"], CRASHES))
Then = tuple[str, str]


class Story:
    """A cluster, and a controller whose every decision is checked."""

    def begin(self, jobs: dict[str, JobSpec]) -> None:
        self.world = World(jobs, RUNS[0])
        self.controller: Controller | None = Controller(self.world, self.check)
        self.ended: dict[str, tuple[object, ...]] = {}  # the stored outcome of each run
        self.stalls: set[tuple[str, str, int]] = set()  # run, uid and restarts of containers whose program hung

    # --- what holds always ---

    def check(self, job: JobSpec, before: State, seen: Observation, after: State, actions: list[Action]) -> None:
        """Look at one decision."""
        assert not self.world.mixed, f"tasks of two runs at once: {self.world.mixed}"
        assert status.load(status.dump(job, after, seen.pods)) == after
        again, _ = decide(job, after, seen)
        assert again == after, "the same observation again changes nothing"
        if after.run_id != job["runId"] or after.reason == TAKING_OVER:
            assert not after.ended
            return
        self.check_stall(job, before, seen, after)
        self.check_counts(job, before, seen, after)
        self.check_end(job, after)
        for action in actions:
            if isinstance(action, Finish):
                self.check_finish(job, seen, after, action)
        if before.ended and before.run_id == after.run_id and keeps(job, before):
            assert not [action for action in actions if isinstance(action, Scale | Delete)]

    def check_stall(self, job: JobSpec, before: State, seen: Observation, after: State) -> None:
        """Whoever is found to hang has not come further for that long, while everybody ran."""
        ends = after.finished == seen.now and not before.ended and "no progress" in after.message
        if not ends and after.hung_before in (before.hung_before, None):
            return
        assert seen.sample
        pod = seen.pods[seen.sample.progress.task]
        assert pod.container == seen.sample.container
        limit = job["deadlines"]["stallSeconds"]
        assert limit is not None
        assert seen.now - seen.sample.progress.time >= limit
        assert not seen.suspend
        assert after.training_succeeded is None
        assert all(other.status == "Running" for task, other in seen.pods.items() if task not in after.succeeded)
        self.stalls.add((after.run_id, pod.uid, pod.restarts))

    def check_counts(self, job: JobSpec, before: State, seen: Observation, after: State) -> None:
        failures = [failure for failure in self.world.failures if failure.run_id == after.run_id]
        known = self.world.known | exits_shown(seen)
        # An exit that nobody saw is taken for one like the next that was seen.
        mistaken = sum(of == after.run_id and (uid, number) not in known for of, uid, number in self.world.excused)
        stalls = sum(run == after.run_id for run, _, _ in self.stalls)
        assert after.failures <= len(failures) + mistaken + stalls, "each failure counts at most once"
        assert after.failures <= job["restart"]["backoffLimit"] + 1
        if seen.suspend and before.run_id == after.run_id and not before.ended and before.reason != TAKING_OVER:
            assert after.failures == before.failures, "failures on the way into suspension do not count"
            assert after.phase != FAILED

        if before.phase == SUSPENDED and before.run_id == after.run_id and not seen.suspend:
            assert "Deadline" not in after.reason, "deadlines start anew with a resumption"

    def check_end(self, job: JobSpec, after: State) -> None:
        exited_0 = {task for run, task in self.world.successes if run == after.run_id}
        assert after.succeeded <= exited_0
        if after.phase == SUCCEEDED:
            assert deciding(job) <= exited_0
        if after.phase == FAILED and after.deciding_task and after.exit_code is not None:
            assert after.deciding_task in {
                failure.task for failure in self.world.failures if failure.run_id == after.run_id
            }
        if after.run_id in self.ended:
            assert outcome(after) == self.ended[after.run_id], "an end never changes"

    def check_finish(self, job: JobSpec, seen: Observation, after: State, action: Finish) -> None:
        assert after.ended
        assert action.success == (after.phase == SUCCEEDED)
        if not keeps(job, after):
            assert after.freed == (not seen.pods)
            assert all(pod.deleted is not None for pod in seen.pods.values()), "only lost pods may be left"
            assert all(size.desired == 0 and size.observed for size in seen.sets.values())

    # --- how a story goes on ---

    def decide(self, crash: str = "", times: int = 1) -> None:
        if self.controller is None:
            return
        try:
            self.controller.decide(crash, times)
        except CrashError:
            self.controller = Controller(self.world, self.check)
        stored = status.load(self.world.stored)
        if stored.ended:
            assert self.ended.setdefault(stored.run_id, outcome(stored)) == outcome(stored)
        if self.controller.finished is not None:
            self.controller = None

    def look(self, crash: str = "", times: int = 1) -> None:
        if self.controller is not None:
            self.controller.observe()
            self.decide(crash, times)

    def go_on_after_an_end(self) -> None:
        """The story is over? Then another one begins: with the next run, or one that was there before."""

    def follow(self, then: Then) -> None:
        self.go_on_after_an_end()
        what, crash = then
        for _ in range(2 if what == "both twice" else 1):
            if what not in ("", "look"):
                self.world.settle()
                self.world.now += 1.0
            if what not in ("", "world"):
                self.look(crash)

    def some_pod(self, number: int) -> SimulatedPod | None:
        return pick(number, [self.world.pods[task] for task in sorted(self.world.pods)])

    def some_worker(self, number: int) -> SimulatedPod | None:
        return pick(number, working(self.world.pods.values()))


def pick(number: int, pods: list[SimulatedPod]) -> SimulatedPod | None:
    return pods[number % len(pods)] if pods else None


def deciding(job: JobSpec) -> set[Task]:
    """The tasks whose success is the job's."""
    if job["completion"]["successPolicy"] == "AllWorkers":
        return {Task(role, index) for role in ("chief", "worker") for index in range(job["replicas"].get(role, 0))}
    return {Task("chief" if job["completion"]["successPolicy"] == "Chief" else "worker", 0)}


def keeps(job: JobSpec, state: State) -> bool:
    return bool(job["cleanup"]["onSuccess" if state.phase == SUCCEEDED else "onFailure"] == "Keep")


def outcome(state: State) -> tuple[object, ...]:
    return state.phase, state.reason, state.message, state.finished
