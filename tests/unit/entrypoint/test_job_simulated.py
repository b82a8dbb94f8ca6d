"""The rules of a job in random stories: whatever the cluster does and however the controller dies, these hold.

TFCONFIG_DEEP=1 tries many more, and other ones each time.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tfconfig.entrypoint import status
from tfconfig.entrypoint.cluster import Job, runs_server
from tfconfig.entrypoint.job import TAKING_OVER, WAVE_SECONDS, decide, deciding_tasks
from tfconfig.entrypoint.state import FAILED, SUCCEEDED, SUSPENDED, Action, Delete, Finish, Observation, Scale, State

from .jobs import a_job
from .world import NODES, Controller, CrashError, SimulatedPod, World, exits_shown, working

DEEP = bool(os.environ.get("TFCONFIG_DEEP"))
SHAPES: list[dict[str, Any]] = [
    {"strategy": "ParameterServer", "chief": 1, "worker": 1, "ps": 1},
    {"strategy": "ParameterServer", "chief": 1, "worker": 1, "ps": 1, "evaluator": 1, "grace": 60},
    {"strategy": "MultiWorkerMirrored", "worker": 2},
    {"strategy": "MultiWorkerMirrored", "worker": 3, "success_policy": "AllWorkers"},
    {"strategy": "BetweenGraph", "worker": 2, "ps": 1, "evaluator": 1, "grace": 0},
    {"strategy": "Custom", "chief": 1, "worker": 1, "ps": 1, "success_policy": "AllWorkers"},
]
RULES = st.fixed_dictionaries(
    {
        "policy": st.sampled_from(["OnFailure", "Never", "ExitCode"]),
        "backoff_limit": st.integers(0, 3),
        "node_loss": st.sampled_from(["Wait", "Replace"]),
        "on_success": st.sampled_from(["Release", "Keep"]),
        "on_failure": st.sampled_from(["Release", "Keep"]),
        "active": st.sampled_from([None, None, 400]),
        "start": st.sampled_from([None, 200]),
        "unstartable": st.sampled_from([None, 100]),
    }
)
RUNS = [f"run-{number}" for number in range(6)]
PICKS = st.integers(0, 11)
CODES = st.sampled_from([0, 1, 137, 42])
CRASHES = st.sampled_from(["", "", "before storing", "after storing", "while acting"])
# What follows an event: does the world react, does the controller look, and does it survive that?
THEN = st.tuples(st.sampled_from(["", "world", "look", "both", "both", "both twice", "both twice"]), CRASHES)
Then = tuple[str, str]


class Story(RuleBasedStateMachine):
    """A cluster, and a controller that sees all decisions checked."""

    world: World
    controller: Controller | None

    def begin(self, jobs: dict[str, dict[str, Any]]) -> None:
        self.world = World(jobs, RUNS[0])
        self.controller = Controller(self.world, self.check)
        self.ended: dict[str, tuple[object, ...]] = {}  # the stored outcome of each run

    # --- what holds always ---

    def check(self, job: Job, before: State, seen: Observation, after: State, actions: list[Action]) -> None:
        """Look at one decision."""
        assert status.load(status.dump(job, after, seen.pods)) == after
        again, more = decide(job, after, seen)
        assert again == after, "the same observation again changes nothing"
        assert [action for action in more if isinstance(action, Finish)] == [
            action for action in actions if isinstance(action, Finish)
        ]
        run = job["run"]
        if after.run != run or after.reason == TAKING_OVER:
            assert not after.ended
            return
        failures = [failure for failure in self.world.failures if failure.run == run]
        known = self.world.known | exits_shown(seen)
        # An exit that nobody saw is taken for one like the next that was seen.
        mistaken = sum(of == run and (uid, number) not in known for of, uid, number in self.world.excused)
        assert after.failures <= len(failures) + mistaken, "each failure counts at most once"
        assert after.failures <= job["restart"]["backoffLimit"] + 1
        exited_0 = {task for of, task in self.world.successes if of == run}
        assert after.succeeded <= exited_0
        if after.phase == SUCCEEDED:
            assert set(deciding_tasks(job)) <= exited_0
        if after.phase == FAILED and after.decider and after.exit_code is not None:
            assert after.decider in {failure.task for failure in failures}
        outcome = (after.phase, after.reason, after.message, after.finished)
        if run in self.ended:
            assert outcome == self.ended[run], "an end never changes"
        for action in actions:
            if isinstance(action, Finish):
                self.check_finish(job, seen, after, action)
        if before.ended and before.run == run and keeps(job, before):
            assert not [action for action in actions if isinstance(action, Scale | Delete)]

    def check_finish(self, job: Job, seen: Observation, after: State, action: Finish) -> None:
        assert after.ended
        assert action.success == (after.phase == SUCCEEDED)
        if not keeps(job, after):
            assert after.released == (not seen.pods)
            assert all(pod.deleted is not None for pod in seen.pods.values()), "only lost pods may be left"
            assert not any(one.desired for one in seen.sets.values())

    @invariant()
    def tasks_of_two_runs_never_run_at_once(self) -> None:
        assert not self.world.mixed, self.world.mixed

    # --- steps ---

    def decide(self, crash: str = "", times: int = 1) -> None:
        if self.controller is None:
            return
        try:
            self.controller.decide(crash, times)
        except CrashError:
            self.note_outcome()
            self.controller = Controller(self.world, self.check)
            return
        self.note_outcome()
        if self.controller.finished is not None:
            self.controller = None

    def note_outcome(self) -> None:
        """What is stored is known to everybody."""
        stored = status.load(self.world.stored)
        if stored.ended:
            outcome = (stored.phase, stored.reason, stored.message, stored.finished)
            assert self.ended.setdefault(stored.run, outcome) == outcome

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

    def pick(self, number: int, pods: list[SimulatedPod]) -> SimulatedPod | None:
        return pods[number % len(pods)] if pods else None

    def some_pod(self, number: int) -> SimulatedPod | None:
        return self.pick(number, [self.world.pods[task] for task in sorted(self.world.pods)])

    def some_worker(self, number: int) -> SimulatedPod | None:
        return self.pick(number, working(self.world.pods.values()))


class AnyStory(Story):
    """Anything may happen at any time."""

    may_erase = False

    @initialize(shape=st.sampled_from(SHAPES), rules=RULES, growth=st.integers(0, 1), may_erase=st.booleans())
    def install(self, shape: dict[str, Any], rules: dict[str, Any], growth: int, may_erase: bool) -> None:
        self.may_erase = may_erase and growth == 0
        other = {**shape, "worker": shape["worker"] + growth, "evaluator": 0}
        self.begin({run: a_job(**(other if run == RUNS[1] else shape), **rules, run=run) for run in RUNS})

    @rule(after=st.sampled_from([0.25, 10.0, 31.0, 100.0]), then=THEN)
    def time_passes(self, after: float, then: Then) -> None:
        self.world.now += after
        self.follow(then)

    @rule(number=PICKS, fresh=st.booleans(), then=THEN)
    def a_set_works(self, number: int, fresh: bool, then: Then) -> None:
        roles = sorted(self.world.sets)
        self.world.sync(roles[number % len(roles)], fresh)
        self.follow(then)

    @rule(number=PICKS, then=THEN)
    def a_kubelet_works(self, number: int, then: Then) -> None:
        if pod := self.some_pod(number):
            self.world.kubelet(pod)
        self.follow(then)

    @rule(number=PICKS, code=CODES, whole=st.booleans(), then=THEN)
    def a_program_exits(self, number: int, code: int, whole: bool, then: Then) -> None:
        if pod := self.some_worker(number):
            self.world.exit(pod, 137 if whole else code, whole)
        self.follow(then)

    @rule(then=THEN)
    def training_is_done(self, then: Then) -> None:
        for pod in working(self.world.pods.values()):
            if pod.task in deciding_tasks(self.world.jobs[pod.run]):
                self.world.exit(pod, 0)
        self.follow(then)

    @rule(code=CODES, whole=st.booleans(), then=THEN)
    def all_programs_exit(self, code: int, whole: bool, then: Then) -> None:
        for pod in working(self.world.pods.values()):
            self.world.exit(pod, 137 if whole else code, whole)
            self.world.now += 0.25
        self.follow(then)

    @rule(number=PICKS, seconds=st.sampled_from([12.0, 25.0]), then=THEN)
    def a_kubelet_backs_off(self, number: int, seconds: float, then: Then) -> None:
        if pod := self.some_worker(number):
            self.world.exit(pod, 1)
            self.world.back_off(pod, seconds)
        self.follow(then)

    @rule(number=PICKS, code=CODES, killed=st.booleans(), then=THEN)
    def a_pod_is_deleted(self, number: int, code: int, killed: bool, then: Then) -> None:
        if pod := self.some_pod(number):
            self.world.delete(pod)
            self.world.stop(pod, code, killed)
        self.follow(then)

    @rule(number=PICKS, code=CODES, then=THEN)
    def a_program_ends_while_its_pod_is_asked_to_go(self, number: int, code: int, then: Then) -> None:
        if pod := self.some_worker(number):
            self.world.delete(pod)
            self.world.exit(pod, code)
        self.follow(then)

    @rule(number=PICKS, code=CODES, killed=st.booleans(), then=THEN)
    def a_pod_is_evicted(self, number: int, code: int, killed: bool, then: Then) -> None:
        if pod := self.some_pod(number):
            self.world.evict(pod, code, killed)
        self.follow(then)

    @rule(code=CODES, then=THEN)
    def all_pods_are_evicted(self, code: int, then: Then) -> None:
        for pod in list(self.world.pods.values()):
            self.world.evict(pod, code)
        self.follow(then)

    @rule(number=PICKS, then=THEN)
    def an_image_cannot_be_pulled(self, number: int, then: Then) -> None:
        pod = self.some_pod(number)
        if pod and pod.state == "waiting":
            pod.cannot_start = "" if pod.cannot_start else "ErrImagePull"
        self.follow(then)

    @rule(node=st.integers(0, NODES - 1), then=THEN)
    def a_node_is_lost(self, node: int, then: Then) -> None:
        self.world.lose(node)
        self.follow(then)

    @rule(then=THEN)
    def pods_of_lost_nodes_are_given_up(self, then: Then) -> None:
        self.world.abandon()
        self.follow(then)

    @rule(then=THEN)
    def all_nodes_answer(self, then: Then) -> None:
        self.world.down.clear()
        self.follow(then)

    @rule(crash=CRASHES, then=THEN)
    def the_controller_decides_late(self, crash: str, then: Then) -> None:
        self.go_on_after_an_end()
        assert self.controller is not None
        self.controller.observe()
        self.follow((then[0].replace("look", "world").replace("both", "world"), ""))
        self.decide(crash, 2)

    @rule(then=THEN, wait=st.sampled_from([0.0, 0.0, 1.0, 1000.0]), resume=st.booleans())
    def the_user_suspends_the_job(self, then: Then, wait: float, resume: bool) -> None:
        self.world.set_suspend(True)
        self.follow(then)
        self.world.now += wait
        if wait > 1:
            self.check_that_nothing_is_held()
        if resume:
            self.world.set_suspend(False)
            self.follow(then)

    @rule(then=THEN)
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
        if not (state.ended and keeps(self.world.jobs[self.world.run], state)):
            assert not self.world.pods

    def go_on_after_an_end(self) -> None:
        if self.controller is None:
            self.world.upgrade(RUNS[(RUNS.index(self.world.run) + 1) % len(RUNS)])
            self.controller = Controller(self.world, self.check)

    @rule(run=st.sampled_from(RUNS), then=THEN)
    def the_user_upgrades_or_rolls_back(self, run: str, then: Then) -> None:
        """Also to the same run, as a new version of the chart does: a new Job takes over."""
        self.world.upgrade(run)
        self.controller = Controller(self.world, self.check)
        self.follow(then)

    @rule(then=THEN)
    def helm_erases_the_state(self, then: Then) -> None:
        """`helm upgrade --force`; what nobody but the state knows is lost then, so these stories leave it out."""
        only_there = any(pod.told_to_park for pod in self.world.pods.values())
        if self.may_erase and not only_there and not status.load(self.world.stored).ended:
            self.world.stored = ""
            self.ended.clear()
            self.world.known.clear()
            self.controller = Controller(self.world, self.check)
        self.follow(then)

    @rule(fate=st.sampled_from([0, 0, 1, 137]), step=st.sampled_from([4.0, 41.0]), crash=CRASHES, nodes=st.booleans())
    def then_the_world_goes_on_quietly(self, fate: int, step: float, crash: str, nodes: bool) -> None:
        """Programs all succeed, or all keep failing: the job ends and frees everything, whatever was before."""
        self.go_on_after_an_end()
        world = self.world
        state = status.load(world.stored)
        if not (nodes and state.ended and state.run == world.run):
            world.down.clear()
        world.abandon()
        if self.controller is not None and world.suspend:
            world.set_suspend(False)
        for pod in world.pods.values():
            pod.cannot_start = ""
        rounds = 0
        while self.controller is not None:
            rounds += 1
            assert rounds < 60, f"still {self.controller.state}"
            world.settle()
            self.look(crash if rounds % 2 else "")
            world.settle()
            for pod in working(world.pods.values()):
                server = runs_server(world.jobs[pod.run], pod.task.role)
                if fate != 0 or not server:
                    pod.ready = pod.ready and fate == 0
                    world.exit(pod, fate)
            world.now += step
        self.check_end()

    def check_end(self) -> None:
        state = status.load(self.world.stored)
        job = self.world.jobs[self.world.run]
        assert state.run == job["run"]
        assert state.ended
        left = [pod for pod in self.world.pods.values() if pod not in self.world.lost()]
        if not keeps(job, state):
            assert not left
            assert not any(one.replicas for one in self.world.sets.values())


def keeps(job: Job, state: State) -> bool:
    return bool(job["cleanup"]["onSuccess" if state.phase == SUCCEEDED else "onFailure"] == "Keep")


class FarApart(Story):
    """Failures more than WAVE_SECONDS apart, of pods that are not taken away before anybody looked: all count."""

    @initialize(shape=st.sampled_from(SHAPES))
    def install(self, shape: dict[str, Any]) -> None:
        self.begin({RUNS[0]: a_job(**shape, backoff_limit=1000, run=RUNS[0])})
        self.follow(("both twice", ""))

    def after(self, then: Then) -> None:
        self.follow(then)
        if then[0]:
            self.look()
            assert self.controller is not None
            assert self.controller.state.failures == len(self.world.failures), "each failure counts exactly once"

    @rule(after=st.sampled_from([0.25, 3.0, 29.0]), then=THEN)
    def time_passes(self, after: float, then: Then) -> None:
        self.world.now += after
        self.after(then)

    @rule(
        number=PICKS,
        code=st.sampled_from([1, 137]),
        whole=st.booleans(),
        more=st.sampled_from([0.25, 5.0, 50.0]),
        backoff=st.sampled_from([0.0, 0.0, 12.0, 25.0]),
        then=THEN,
    )
    def a_program_fails(self, number: int, code: int, whole: bool, more: float, backoff: float, then: Then) -> None:
        self.world.now += WAVE_SECONDS + more
        if pod := self.some_worker(number):
            pod.ready = pod.ready and not whole
            self.world.exit(pod, 137 if whole else code, whole)
            if backoff:
                self.world.back_off(pod, backoff)
        self.after(then)

    @rule(number=PICKS, then=THEN)
    def a_program_is_preempted(self, number: int, then: Then) -> None:
        if pod := self.some_worker(number):
            self.world.exit(pod, 42)
        self.after(then)

    @rule(number=PICKS, evicted=st.booleans(), killed=st.booleans(), then=THEN)
    def a_pod_goes(self, number: int, evicted: bool, killed: bool, then: Then) -> None:
        self.look()
        if pod := self.some_pod(number):
            if evicted:
                self.world.evict(pod, 143, killed)
            else:
                self.world.delete(pod)
                self.world.stop(pod, 143, killed)
        self.after(then)

    @rule(crash=CRASHES, times=st.integers(1, 2), then=THEN)
    def the_controller_decides_late(self, crash: str, times: int, then: Then) -> None:
        assert self.controller is not None
        self.controller.observe()
        self.world.settle()
        self.decide(crash, times)
        self.after(then)


def effort(examples: int, deep: int) -> settings:
    """The same stories in each run, so that a test that passed does not fail elsewhere; deep: new ones each time."""
    return settings(
        max_examples=deep if DEEP else examples,
        stateful_step_count=50,
        deadline=None,
        derandomize=not DEEP,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


AnyStory.TestCase.settings = effort(150, 5000)
FarApart.TestCase.settings = effort(60, 3000)

TestAnyStory = pytest.mark.timeout(0 if DEEP else 300)(AnyStory.TestCase)
TestFarApart = pytest.mark.timeout(0 if DEEP else 300)(FarApart.TestCase)
