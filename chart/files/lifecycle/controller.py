"""The lifecycle Job: the loop around decide.decide in a cluster.

It observes the job, decides, stores the new state in the status ConfigMap, and only then acts. Whatever it does may
happen again after it was killed at any point: the next pod of the Job continues from the stored state.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from ..task.job_spec import Task, tasks
from ..task.names import JOB_LABEL, ROLE_LABEL, pod_name, status_name
from .decide import announcement, decide
from .deleter import Deleter
from .endings import with_last_words
from .events import EventRecorder
from .explain import Explainer
from .informer import DesiredState, PodCache, Wakeup
from .job_file import JobFile
from .kubernetes import ApiError, Client
from .log import Log
from .metrics import render
from .progress_client import ProgressClient
from .queues import clock_start
from .sets import StatefulSets
from .silence_client import SilenceClient
from .stalls import stall_begins
from .state import RUNNING, SUSPENDED, TAKING_OVER, Action, Delete, Event, Finish, Observation, Pod, Scale, State
from .status_store import OutdatedError, StatusStore
from .summary import read_freed_tails, read_log_tail, summary
from .text import MAX_NAMES
from .threads import Threads
from .training import is_running, reporter, training_pods
from .usage_client import UsageClient

if TYPE_CHECKING:
    from ..task.contracts import JobSpec

DECIDE_SECONDS = 0.25  # between decisions ...
DECIDE_SHARE = 25.0  # ... and at least this many times what the last one took: 4 % of a core
STEADY_SECONDS, BUSY_SECONDS = 10.0, 2.0  # the longest without a look at the time
FLUSH_SECONDS = 0.25  # for the deletions that come before scaling
PROGRESS_SECONDS = 10.0  # between lines of progress in the log


class Controller:
    """One controller of one run (lifecycle.run). `pace` is for tests: all waits of the loop times this."""

    def __init__(
        self,
        client: Client,
        log: Log,
        job_file: JobFile,
        job: JobSpec,
        store: StatusStore,
        recorder: EventRecorder,
        pace: float,
    ) -> None:
        self.job = job
        self._client, self._log, self._job_file, self._store, self._recorder = client, log, job_file, store, recorder
        self._pace = pace
        self._wakeup = Wakeup()
        self._threads = Threads(client, self._wakeup)
        self._pods = PodCache(job["name"], self._wakeup, log.write_once, client.clock.now)
        self._desired = DesiredState(self._wakeup)
        self._sets = StatefulSets(client, job["name"], self._refused, pace)
        self._explainer = Explainer(client, job, self._wakeup, log, pace)
        self._progress = ProgressClient(self._wakeup, client.closed, pace, client.clock.now)
        self._silence = SilenceClient(self._wakeup, client.closed, pace)
        self._usage = UsageClient(client.closed, pace)
        self._deleter = Deleter(client, log.write_once, self._threads.start)
        self._annotations: tuple[object, ...] = ()
        self._log_tail: str | None = None  # of the deciding program, once that is known
        self._freed_tails: dict[Task, str] = {}
        self._summarized = False
        self._logged_progress = ""

    def start(self) -> None:
        """Begin to watch. Returns once the pods and the desired state are known."""
        pods, status = f"{JOB_LABEL}={self.job['name']},{ROLE_LABEL}", status_name(self.job["name"])
        self._threads.start(lambda: self._client.follow("pods", self._pods, labelSelector=pods))
        self._threads.start(
            lambda: self._client.follow("configmaps", self._desired, fieldSelector=f"metadata.name={status}")
        )
        self._threads.start(self._explainer.work)
        self._threads.start(self._progress.work)
        self._threads.start(self._silence.work)
        self._threads.start(self._usage.work)
        self._wakeup.wait(0.0, 0.0, 0.0)

    def loop(self) -> bool:
        """Decide and act until the run is over and everything is freed; whether the training succeeded.

        Raises SupersededError, and ApiError where the API server goes on refusing.
        """
        urgent = False
        while True:
            begun = time.thread_time()
            try:
                finish = self._step(urgent)
                if finish:
                    return finish.success
            except OutdatedError:
                self._recorder.clear()
                continue
            gap = max(DECIDE_SECONDS, (time.thread_time() - begun) * DECIDE_SHARE) * self._pace
            now = time.monotonic()
            urgent = self._wakeup.wait(now + gap, now + gap / 8, now + self._next_look())

    def stop(self) -> None:
        """End the threads that do not end with the client."""
        self._deleter.stop()

    def metrics(self) -> str:
        """The job in the text format of Prometheus."""
        return render(self.job, self._store.state, self._pods.snapshot())

    def _step(self, urgent: bool) -> Finish | None:
        """One round: observe, decide, store, act."""
        self._look_at_desired()
        if not urgent or not self._sets.sizes:
            self._look_at_sets()
            self._look_at_job()
        seen = self._pods.snapshot()
        observation = self._observe(seen)
        state, actions = self._with_last_words(*decide(self.job, self._store.state, observation), observation)
        self._recorder.add(action for action in actions if isinstance(action, Event))
        destructive = any(_destroys(action) for action in actions)
        written = self._store.store(self.job, state, observation.pods, self._desired, destructive)
        self._log_waiting(state)
        self._act([action for action in actions if isinstance(action, (Scale, Delete))])
        if written:
            self._recorder.publish(at_once=state.ended)
        if written and state.ended and not self._summarized:
            self._summarized = True
            self._log.write_block(summary(self.job, state, self._log_tail or "", self._freed_tails))
        self._ask(state, seen, observation)
        return next((action for action in actions if isinstance(action, Finish)), None)

    def _with_last_words(
        self, state: State, actions: list[Action], observation: Observation
    ) -> tuple[State, list[Action]]:
        """The decision with what the deciding task printed last: read before it is stored, while the pod is there."""
        if state.deciding_task and self._log_tail is None:
            self._log_tail = read_log_tail(self._client, self._log, self.job, state, observation.pods)
        if not state.ended or self._store.state.ended:
            return state, actions
        self._freed_tails = read_freed_tails(self._client, self._log, self.job, state, observation.pods)
        state = with_last_words(state, self._log_tail or "")
        event = announcement(state)
        return state, [
            event if isinstance(action, Event) and action.reason == event.reason else action for action in actions
        ]

    # --- what is observed ---

    def _observe(self, pods: Mapping[Task, Pod]) -> Observation:
        return Observation(
            now=self._client.clock.now(),
            pods=self._explainer.explain(pods),
            sets=dict(self._sets.sizes),
            suspend=self._desired.status is not None and self._desired.status.suspend,
            chart=self._desired.status.chart if self._desired.status else "",
            missing=self._explainer.missing(),
            sample=self._progress.sample,
            usage=self._usage.usage,
            slow=self._usage.slow,
            silent=self._silence.silent,
        )

    def _look_at_desired(self) -> None:
        """Exit when another is named; the watch may be late, so ask before believing it."""
        desired = self._desired.status
        if desired is None or not self._store.is_named(desired):
            self._store.fence()
        elif (desired.run_id, desired.controller, desired.suspend) != self._annotations:
            self._annotations = desired.run_id, desired.controller, desired.suspend
            self._sets.expect_changes()  # by Helm

    def _look_at_job(self) -> None:
        job = self._job_file.changed()
        if job:
            self.job = self._explainer.job = job

    def _look_at_sets(self) -> None:
        state = self._store.state
        freeing = state.ended or state.reason == TAKING_OVER
        self._sets.poll(self.job, len(self._pods.snapshot()), freeing)

    def _ask(self, state: State, seen: Mapping[Task, Pod], observation: Observation) -> None:
        """What is to be found out until the next round."""
        self._explainer.since = state.started
        self._explainer.ask(self._absent(state, seen), seen, observation.now)
        idle = state.ended or observation.suspend or state.reason == TAKING_OVER
        asked = None if idle else reporter(self.job, state)
        self._progress.ask(self.job, seen.get(asked) if asked else None)
        pods = {task: pod for task, pod in seen.items() if pod.run_id == self.job["runId"]}
        programs = partial(training_pods, self.job, state, {} if idle else pods)
        self._silence.ask(self.job["runId"], programs, pods.values())
        self._usage.ask(self.job["runId"], () if idle else pods.values())

    def _absent(self, state: State, pods: Mapping[Task, Pod]) -> list[Task]:
        """The first few tasks that do not run: those that the status names."""
        if state.ended or state.phase in (RUNNING, SUSPENDED) or state.reason == TAKING_OVER:
            return []
        waiting = (
            task
            for task in tasks(self.job)
            if task not in state.succeeded and (task not in pods or not is_running(pods[task]))
        )
        return list(islice(waiting, MAX_NAMES))

    def _next_look(self) -> float:
        """Seconds until time alone may change the decision."""
        state, limits = self._store.state, self.job["deadlines"]
        now, wall = time.monotonic(), self._client.clock.now()
        steady = (state.phase == RUNNING and not state.reason) or state.phase == SUSPENDED
        gaps = [(STEADY_SECONDS if steady else BUSY_SECONDS) * self._pace, self._sets.next_poll - now]
        if self._store.has_unwritten or self._recorder.is_pending:
            gaps.append(self._store.next_write(len(tasks(self.job))) - now)
        if self._recorder.next_postponed is not None:
            gaps.append(self._recorder.next_postponed - now)
        for since, limit in (
            (clock_start(state), limits["activeSeconds"]),
            (clock_start(state), limits["startSeconds"]),
            (min(state.unstartable.values(), default=None), limits["unstartableSeconds"]),
            (state.training_succeeded, self.job["completion"]["evaluatorGraceSeconds"]),
            (stall_begins(self.job, state), limits["stallSeconds"]),
        ):
            if since and limit is not None and since + limit > wall:
                gaps.append(since + limit - wall + 0.01)
        return max(min(gaps), 0.05 * self._pace)

    # --- what is done ---

    def _refused(self, what: str, error: ApiError) -> None:
        """Because another controller is named? Otherwise it is tried again soon."""
        self._log.write_once(f"{what}: {error}")
        if error.status in (401, 403, 409):
            self._store.fence()

    def _act(self, actions: Sequence[Scale | Delete]) -> None:
        """In the order of the actions; what is deleted before the first scaling gets a moment."""
        flushed = False
        for action in actions:
            if isinstance(action, Delete):
                self._delete(action)
            else:
                if not flushed:
                    self._deleter.flush(FLUSH_SECONDS)
                flushed = True
                self._sets.scale(action)

    def _delete(self, action: Delete) -> None:
        grace = 0 if action.force else action.grace
        needed = partial(self._is_needed, action, grace)
        self._deleter.delete(pod_name(self.job["name"], action.task), action.uid, grace, needed)

    def _is_needed(self, action: Delete, grace: int | None) -> bool:
        """Whether that pod is still there; the StatefulSet's controller deletes pods too, with their own grace."""
        pod = self._pods.get(action.task)
        return pod is not None and pod.uid == action.uid and (grace is not None or pod.deleted is None)

    def _log_waiting(self, state: State) -> None:
        """What is waited for, when that has changed, now and then."""
        line = f"{state.phase}: {state.message}"
        if self._recorder.is_pending:  # its Events say it
            self._logged_progress = line
            self._log.is_due("progress", PROGRESS_SECONDS)
        elif not state.ended and line != self._logged_progress and self._log.is_due("progress", PROGRESS_SECONDS):
            self._logged_progress = line
            self._log.write(line)


def _destroys(action: Action) -> bool:
    """Whether it takes away what the decision was based on."""
    return isinstance(action, Delete) or (isinstance(action, Scale) and action.replicas == 0)
