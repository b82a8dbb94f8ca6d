"""The rules of a job in random stories: whatever the cluster does and however the controller dies, these hold.

TFCONFIG_DEEP=1 tells many more, and other ones each time.
"""

from __future__ import annotations

import os
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.decide import TAKING_OVER, WAVE_SECONDS, decide
from tfconfig.tensorflow_job.lifecycle.state import (
    FAILED,
    SUCCEEDED,
    SUSPENDED,
    Action,
    Delete,
    Finish,
    Observation,
    Scale,
    State,
)
from tfconfig.tensorflow_job.task.job_spec import JobSpec, Task, runs_server

from .jobs import a_job
from .stories import step, tell
from .world import NODES, Controller, CrashError, SimulatedPod, World, exits_shown, working

DEEP = bool(os.environ.get("TFCONFIG_DEEP"))
LENGTH = 60

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

    def begin(self, jobs: dict[str, dict[str, Any]]) -> None:
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
        if not ends and after.stalled in (before.stalled, None):
            return
        assert seen.reading
        pod = seen.pods[seen.reading.progress.task]
        assert (pod.uid, pod.restarts) == (seen.reading.uid, seen.reading.restarts)
        assert seen.now - seen.reading.progress.time >= job["deadlines"]["stallSeconds"]
        assert not seen.suspend
        assert after.decided is None
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
        if after.phase == FAILED and after.decider and after.exit_code is not None:
            assert after.decider in {failure.task for failure in self.world.failures if failure.run_id == after.run_id}
        if after.run_id in self.ended:
            assert outcome(after) == self.ended[after.run_id], "an end never changes"

    def check_finish(self, job: JobSpec, seen: Observation, after: State, action: Finish) -> None:
        assert after.ended
        assert action.success == (after.phase == SUCCEEDED)
        if not keeps(job, after):
            assert after.freed == (not seen.pods)
            assert all(pod.deleted is not None for pod in seen.pods.values()), "only lost pods may be left"
            assert all(one.desired == 0 and one.observed for one in seen.sets.values())

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


class AnyStory(Story):
    """Anything may happen at any time."""

    @step(
        shape=SHAPES,
        growth=[0, 1],
        may_erase=[True, False, False, False],
        policy=["OnFailure", "Never", "ExitCode"],
        backoff_limit=range(4),
        node_loss=["Wait", "Replace"],
        keep=["", "", "on_success", "on_failure"],
        active=[None, None, 400],
        start=[None, 200],
        unstartable=[None, 100],
        stall=[None, 90],
    )
    def install(self, shape: dict[str, Any], growth: int, may_erase: bool, keep: str, **rules: Any) -> None:
        self.may_erase = may_erase
        if keep:
            rules[keep] = "Keep"
        other = {**shape, "worker": shape["worker"] + growth, "evaluator": 0}
        self.begin({run: a_job(**(other if run == RUNS[1] else shape), **rules, run_id=run) for run in RUNS})

    def go_on_after_an_end(self) -> None:
        if self.controller is None:
            self.world.upgrade(RUNS[(RUNS.index(self.world.run_id) + 1) % len(RUNS)])
            self.controller = Controller(self.world, self.check)

    @step(after=[0.25, 10.0, 31.0, 100.0], then=THEN)
    def time_passes(self, after: float, then: Then) -> None:
        self.world.now += after
        self.follow(then)

    @step(steps=[0, 1, 1, 100], after=[1.0, 30.0, 95.0], then=THEN)
    def programs_go_on(self, steps: int, after: float, then: Then) -> None:
        for pod in working(self.world.pods.values()):
            self.world.work(pod, steps)
        self.follow(then)
        self.world.now += after
        self.look()

    @step(number=NUMBERS, fresh=YES_OR_NO, then=THEN)
    def a_set_works(self, number: int, fresh: bool, then: Then) -> None:
        roles = sorted(self.world.sets)
        self.world.sync(roles[number % len(roles)], fresh)
        self.follow(then)

    @step(number=NUMBERS, then=THEN)
    def a_kubelet_works(self, number: int, then: Then) -> None:
        if pod := self.some_pod(number):
            self.world.kubelet(pod)
        self.follow(then)

    @step(number=NUMBERS, code=CODES, whole=YES_OR_NO, then=THEN)
    def a_program_exits(self, number: int, code: int, whole: bool, then: Then) -> None:
        if pod := self.some_worker(number):
            self.world.exit(pod, 137 if whole else code, whole)
        self.follow(then)

    @step(code=CODES, whole=YES_OR_NO, then=THEN)
    def all_programs_exit(self, code: int, whole: bool, then: Then) -> None:
        for pod in working(self.world.pods.values()):
            self.world.exit(pod, 137 if whole else code, whole)
            self.world.now += 0.25
        self.follow(then)

    @step(then=THEN)
    def training_is_done(self, then: Then) -> None:
        for pod in working(self.world.pods.values()):
            if pod.task in deciding(self.world.jobs[pod.run_id]):
                self.world.exit(pod, 0)
        self.follow(then)

    @step(number=NUMBERS, code=CODES, then=THEN)
    def a_program_is_asked_to_end_where_it_is(self, number: int, code: int, then: Then) -> None:
        if pod := self.some_worker(number):
            self.world.interrupt(pod, code)
        self.follow(then)

    @step(number=NUMBERS, seconds=[12.0, 25.0], then=THEN)
    def a_kubelet_backs_off(self, number: int, seconds: float, then: Then) -> None:
        if pod := self.some_worker(number):
            self.world.exit(pod, 1)
            self.world.back_off(pod, seconds)
        self.follow(then)

    @step(number=NUMBERS, code=CODES, killed=YES_OR_NO, then=THEN)
    def a_pod_is_deleted(self, number: int, code: int, killed: bool, then: Then) -> None:
        if pod := self.some_pod(number):
            self.world.delete(pod)
            self.world.stop(pod, code, killed)
        self.follow(then)

    @step(number=NUMBERS, code=CODES, then=THEN)
    def a_program_ends_when_its_pod_was_just_deleted(self, number: int, code: int, then: Then) -> None:
        if pod := self.some_worker(number):
            self.world.delete(pod)
            self.world.exit(pod, code)
        self.follow(then)

    @step(number=NUMBERS, code=CODES, killed=YES_OR_NO, then=THEN)
    def a_pod_is_evicted(self, number: int, code: int, killed: bool, then: Then) -> None:
        if pod := self.some_pod(number):
            self.world.evict(pod, code, killed)
        self.follow(then)

    @step(code=CODES, then=THEN)
    def all_pods_are_evicted(self, code: int, then: Then) -> None:
        for pod in list(self.world.pods.values()):
            self.world.evict(pod, code)
        self.follow(then)

    @step(number=NUMBERS, then=THEN)
    def an_image_cannot_be_pulled(self, number: int, then: Then) -> None:
        pod = self.some_pod(number)
        if pod and pod.state == "waiting":
            pod.cannot_start = "" if pod.cannot_start else "ErrImagePull"
        self.follow(then)

    @step(node=range(NODES), then=THEN)
    def a_node_is_lost(self, node: int, then: Then) -> None:
        self.world.lose(node)
        self.follow(then)

    @step(then=THEN)
    def pods_of_lost_nodes_are_given_up(self, then: Then) -> None:
        self.world.abandon()
        self.follow(then)

    @step(then=THEN)
    def all_nodes_answer(self, then: Then) -> None:
        self.world.down.clear()
        self.follow(then)

    @step(crash=CRASHES, unseen=[0, 1, 2])
    def the_controller_decides_late(self, crash: str, unseen: int) -> None:
        self.go_on_after_an_end()
        assert self.controller is not None
        self.controller.observe()
        for _ in range(unseen):
            self.world.settle()
        self.decide(crash, 2)

    @step(then=THEN, wait=[0.0, 0.0, 1.0, 1000.0], resume=YES_OR_NO)
    def the_user_suspends_the_job(self, then: Then, wait: float, resume: bool) -> None:
        self.world.set_suspend(True)
        self.follow(then)
        self.world.now += wait
        if wait > 1:
            self.check_that_nothing_is_held()
        if resume:
            self.world.set_suspend(False)
            self.follow(then)

    @step(then=THEN)
    def the_user_resumes_the_job(self, then: Then) -> None:
        if self.world.suspend:
            self.world.set_suspend(False)
        self.follow(then)

    def check_that_nothing_is_held(self) -> None:
        self.world.down.clear()
        for _ in range(4):
            self.world.settle()
            self.look()
        state = status.load(self.world.stored)
        assert state.phase == SUSPENDED or state.ended
        if not (state.ended and keeps(self.world.jobs[self.world.run_id], state)):
            assert not self.world.pods

    @step(run_id=RUNS, then=THEN)
    def the_user_upgrades_or_rolls_back(self, run: str, then: Then) -> None:
        """Also to the same run, as a new version of the chart does: a new Job takes over."""
        self.world.upgrade(run)
        self.controller = Controller(self.world, self.check)
        self.follow(then)

    @step(then=THEN)
    def helm_erases_the_state(self, then: Then) -> None:
        """`helm upgrade --force`; what nobody but the state knows is lost then, so these stories leave it out."""
        only_there = any(pod.told_to_park for pod in self.world.pods.values())
        if self.may_erase and not only_there and not status.load(self.world.stored).ended:
            self.world.stored = ""
            self.ended.clear()
            self.world.known.clear()
            self.controller = Controller(self.world, self.check)
        self.follow(then)

    @step(fate=[0, 0, 1, 137], seconds=[4.0, 41.0], crash=CRASHES, nodes=YES_OR_NO, slow=YES_OR_NO)
    def then_the_world_goes_on_quietly(self, fate: int, seconds: float, crash: str, nodes: bool, slow: bool) -> None:
        """Programs all succeed, or all keep failing: the job ends and frees everything, whatever was before.

        Evaluators that nobody ends run for ever.
        """
        self.go_on_after_an_end()
        world = self.world
        state = status.load(world.stored)
        if not (nodes and state.ended and state.run_id == world.run_id):
            world.down.clear()
        world.abandon()
        if self.controller is not None and world.suspend:
            world.set_suspend(False)
        for pod in world.pods.values():
            pod.cannot_start = ""
        rounds = 0
        while self.controller is not None:
            rounds += 1
            assert rounds < 100, f"still {self.controller.state}"
            world.settle(fresh=not slow or rounds % 3 == 0)
            self.look(crash if rounds % 2 else "")
            if self.controller is not None and not slow:
                world.settle()
            for pod in working(world.pods.values()):
                if fate != 0:
                    pod.ready = False
                    world.exit(pod, fate)
                elif not runs_server(world.jobs[pod.run_id], pod.task.role) and pod.task.role != "evaluator":
                    world.exit(pod, 0)
            world.now += seconds
        state, job = status.load(world.stored), world.jobs[world.run_id]
        assert state.run_id == job["runId"]
        assert state.ended
        if not keeps(job, state):
            assert all(pod.node in world.down for pod in world.pods.values())
            assert not any(one.replicas for one in world.sets.values())


class FarApart(Story):
    """Failures more than WAVE_SECONDS apart, of pods that are not taken away before anybody looked: all count."""

    @step(shape=SHAPES)
    def install(self, shape: dict[str, Any]) -> None:
        self.begin({RUNS[0]: a_job(**shape, backoff_limit=1000, run_id=RUNS[0])})
        self.follow(("both twice", ""))

    def after(self, then: Then) -> None:
        self.follow(then)
        if then[0]:
            self.look()
            assert self.controller is not None
            assert self.controller.state.failures == len(self.world.failures), "each failure counts exactly once"

    @step(seconds=[0.25, 3.0, 29.0], then=THEN)
    def time_passes(self, seconds: float, then: Then) -> None:
        self.world.now += seconds
        self.after(then)

    @step(
        number=NUMBERS,
        code=[1, 137],
        whole=YES_OR_NO,
        later=[0.25, 5.0, 50.0],
        backoff=[0.0, 0.0, 12.0, 25.0],
        then=THEN,
    )
    def a_program_fails(self, number: int, code: int, whole: bool, later: float, backoff: float, then: Then) -> None:
        for gone in [pod for pod in self.world.pods.values() if pod.deleted is not None]:
            self.world.kubelet(gone)
        self.world.now += WAVE_SECONDS + later
        if pod := self.some_worker(number):
            self.world.exit(pod, 137 if whole else code, whole)
            if backoff:
                self.world.back_off(pod, backoff)
        self.after(then)

    @step(number=NUMBERS, code=[42, 143], then=THEN)
    def a_program_is_preempted(self, number: int, code: int, then: Then) -> None:
        if pod := self.some_worker(number):
            if code == 42:
                self.look()  # what was missed before is taken for the same
                self.world.exit(pod, code)
            else:
                self.look()
                self.world.interrupt(pod, code)
            self.look()
        self.after(then)

    @step(number=NUMBERS, evicted=YES_OR_NO, killed=YES_OR_NO, then=THEN)
    def a_pod_goes(self, number: int, evicted: bool, killed: bool, then: Then) -> None:
        self.look()
        if pod := self.some_pod(number):
            if evicted:
                self.world.evict(pod, 143, killed)
            else:
                self.world.delete(pod)
                self.world.stop(pod, 143, killed)
        self.after(then)

    @step(crash=CRASHES, times=[1, 2], then=THEN)
    def the_controller_decides_late(self, crash: str, times: int, then: Then) -> None:
        assert self.controller is not None
        self.controller.observe()
        self.world.settle()
        self.decide(crash, times)
        self.after(then)


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


def effort(stories: int, deep: int) -> settings:
    """The same stories in each run, so that what passed does not fail elsewhere; deep: new ones each time."""
    return settings(
        max_examples=deep if DEEP else stories,
        deadline=None,
        derandomize=not DEEP,
        database=None,
        phases=[Phase.generate],  # stories are shortened by themselves
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


DICE = st.randoms(use_true_random=True)


@pytest.mark.timeout(0 if DEEP else 300)
@effort(200, 20_000)
@given(DICE)
def test_every_job_ends_as_it_should_and_frees_everything_whatever_happens(dice: Random) -> None:
    tell(AnyStory, "install", dice, LENGTH)


@pytest.mark.timeout(0 if DEEP else 300)
@effort(60, 5_000)
@given(DICE)
def test_failures_far_apart_are_counted_exactly_once_whatever_happens(dice: Random) -> None:
    tell(FarApart, "install", dice, LENGTH)
