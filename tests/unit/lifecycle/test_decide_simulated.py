"""The rules of a job in random stories: whatever the cluster does and however the controller dies, these hold.

TFCONFIG_DEEP=1 tells many more, and other ones each time.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.state import (
    SUSPENDED,
)
from tfconfig.tensorflow_job.lifecycle.waves import WAVE_SECONDS
from tfconfig.tensorflow_job.task.job_spec import runs_server

from .simulated_story import CODES, CRASHES, NUMBERS, RUNS, SHAPES, THEN, YES_OR_NO, Story, Then, deciding, keeps
from .stories import step, tell
from .world import NODES, working
from .world_controller import Controller

DEEP = bool(os.environ.get("TFCONFIG_DEEP"))
LENGTH = 60


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

    @step(run=RUNS, then=THEN)
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
            assert not any(set_.replicas for set_ in world.sets.values())


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

    @step(number=NUMBERS, then=THEN)
    def a_program_is_preempted(self, number: int, then: Then) -> None:
        if pod := self.some_worker(number):
            self.look()  # what was missed before is taken for the same
            self.world.exit(pod, 42)
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
