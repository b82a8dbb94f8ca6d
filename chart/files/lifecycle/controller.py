"""The lifecycle Job: the loop around job.decide in a cluster.

It observes the job, decides, stores the new state in the status ConfigMap, and only then acts. Whatever it does may
happen again after it was killed at any point: the next pod of the Job goes on from the stored state.

Who may act is fenced. The ConfigMap's annotations, which Helm writes, name the run and the Job; the key `holder` of its
data names the pod that writes: the one that came last. Each write is conditional on the version read before, so
a controller that another one replaced is refused with 409, reads who is named, and leaves with 143.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, NoReturn

from ..task.job_spec import JobSpec, Task, name, runs_server, tasks
from ..task.progress import words
from . import metrics, observe, status
from .decide import TAKING_OVER, announcement, decide, reporter, stall_begins
from .kubernetes import ApiError, Client, Deleter
from .state import (
    PHASES,
    RUNNING,
    SUSPENDED,
    Action,
    Delete,
    Event,
    Finish,
    Observation,
    Pod,
    Progress,
    Scale,
    Set,
    State,
)

LEFT = 143  # exit status of a controller that is stopped or not the one named; never 1, which means "training failed"
CRASHED = 70

DECIDE_SECONDS = 0.25  # between decisions ...
DECIDE_SHARE = 25.0  # ... and at least this many times what the last one took: 4 % of a core
WRITE_SECONDS = 1.0  # between writes that nothing waits for
TASKS_PER_WRITE_SECOND = 500  # writes of counts alone are rarer in large jobs: each node's kubelet fetches each one
STEP_SECONDS = 10.0  # between writes of the program's progress alone ...
TASKS_PER_STEP_SECOND = 100  # ... which go on as long as the training does
STEADY_SECONDS, BUSY_SECONDS, RETRY_SECONDS = 10.0, 2.0, 0.5
AGAIN_SECONDS = 30.0  # between equal lines in the log
PROGRESS_SECONDS = 10.0  # between lines of progress in the log
STALE_SECONDS = 300.0  # for the kubelet to bring our job.json
FIRST, FIRST_SECONDS = 16, 0.25  # pods deleted before the sets are scaled
LOG_LINES = 20
TOLD = 12  # Events at a time, apart from those of phases; then as many seconds without


class NotNamedError(Exception):
    """Another controller or run is wanted."""


class OutdatedError(Exception):
    """Another controller has written since the state was read: go on from what it wrote."""


class Lifecycle:
    """One controller of one run, with its metrics at a port, if one is given.

    `pace` is for tests: all waits of the loop times this.
    """

    def __init__(
        self,
        client: Client,
        config: str,
        job_name: str,
        run_id: str,
        holder: str,
        out: Any = None,
        pace: float = 1.0,
        metrics_port: int = 0,
    ) -> None:
        self._metrics_port = metrics_port
        self._client, self._path = client, os.path.join(config, "job.json")
        self._job_name, self._run_id = job_name, run_id
        self._holder, self._out, self._pace = holder, out or sys.stdout, pace
        self._bell = observe.Bell()
        self._deleter = Deleter(client, self._say_once, self._spawn)
        self._said: dict[str, float] = {}
        self._events: list[Event] = []
        self._last: list[Event] = []  # of the last decision
        self._later: list[Event] = []  # to be told when `_quiet_until` has come
        self._quiet_until = 0.0
        self._sets: dict[str, Set] = {}
        self._state, self._bare, self._text, self._version, self._held = State(), State(), "", "", False
        self._stored_progress: Progress | None = None
        self._wrote = self._poll_at = self._annotated = 0.0
        self._dirty = False
        self._job_uid = self._progress = ""
        self._tail: str | None = None
        self._annotations: tuple[object, ...] = ()

    def run(self) -> int:
        """The Job's exit status."""
        try:
            self._start()
            urgent = False
            while True:
                begun = time.thread_time()
                try:
                    code = self._step(urgent)
                    if code is not None:
                        return code
                except OutdatedError:
                    continue
                gap = max(DECIDE_SECONDS, (time.thread_time() - begun) * DECIDE_SHARE) * self._pace
                now = time.monotonic()
                urgent = self._bell.wait(now + gap, now + gap / 8, now + self._next_look())
        except NotNamedError as reason:
            self._say(f"leaving: {reason}")
            return LEFT
        except ApiError as error:
            self._say(f"leaving: the API server refuses: {error}")
            return LEFT
        except Exception:
            self._say(traceback.format_exc())
            return CRASHED
        finally:
            self._client.close()
            self._deleter.stop()

    # --- start ---

    def _start(self) -> None:
        self._job = self._read_job()
        self._status_name = f"{self._job['name']}-status"
        self._say(f"lifecycle of job {self._job['name']}, run {self._run_id}, {len(tasks(self._job))} tasks")
        self._load(self._fence())
        # Not rendered, since it changes again (_finish): losses of the controller's pod do not fail the Job.
        limit = {"spec": {"backoffLimit": 1000}}
        self._job_uid = self._insist(partial(self._client.patch, "jobs", self._job_name, limit))["metadata"]["uid"]
        self._pods = observe.Pods(self._job["name"], self._bell, self._say_once)
        self._wanted = observe.Wanted(self._bell)
        self._explainer = observe.Explainer(self._client, self._job, self._bell, 5.0 * self._pace)
        self._asker = observe.Asker(self._bell, self._client.closed, self._pace)
        labels = f"{observe.JOB_LABEL}={self._job['name']},{observe.ROLE_LABEL}"
        self._spawn(lambda: self._client.follow("pods", self._pods, labelSelector=labels))
        fields = f"metadata.name={self._status_name}"
        self._spawn(lambda: self._client.follow("configmaps", self._wanted, fieldSelector=fields))
        self._spawn(self._explainer.work)
        self._spawn(self._asker.work)
        self._bell.wait(0.0, 0.0, 0.0)
        if self._metrics_port:
            self._serve_metrics()

    def _serve_metrics(self) -> None:
        try:
            metrics.Server(
                self._metrics_port, lambda: metrics.render(self._job, self._state, self._pods.snapshot())
            ).start()
        except OSError as error:  # the job is more important
            self._say(f"no metrics are served: port {self._metrics_port}: {error.strerror}")

    def _spawn(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                if not self._client.closed.is_set():
                    self._bell.fail(error)
            finally:
                self._client.leave()

        threading.Thread(target=guarded, daemon=True).start()

    def _read_job(self) -> JobSpec:
        """job.json of our run: the kubelet may bring that of the run before, for a minute."""
        deadline = time.monotonic() + STALE_SECONDS * self._pace
        while True:
            job, self._stamp = self._job_file()
            if job["runId"] == self._run_id:
                return job
            if time.monotonic() > deadline:
                raise NotNamedError(f"job.json is still that of run {job['runId']}, not {self._run_id}")
            self._say_once(f"job.json is that of run {job['runId']}; waiting for that of run {self._run_id}")
            self._client.closed.wait(1.0 * self._pace)

    def _job_file(self) -> tuple[JobSpec, int]:
        with open(self._path, encoding="utf-8") as file:
            return json.load(file), os.fstat(file.fileno()).st_mtime_ns

    def _load(self, stored: observe.Status) -> None:
        self._text = stored.text
        try:
            self._state = status.load(stored.text)
        except ValueError as error:
            self._say(f"the stored state cannot be read, starting from the pods: {error}")
            self._state = State()
        self._bare, self._stored_progress = _bare(self._state), self._state.progress
        if stored.text:
            self._say(f"going on from: run {self._state.run_id}, {self._state.phase}, {self._state.message}")
        if self._state.ended and not self._state.freed:
            self._events.append(announcement(self._state))  # the one before may have been lost before it told

    # --- one round ---

    def _step(self, urgent: bool) -> int | None:
        self._look_at_wanted()
        if not urgent or not self._sets:
            self._look_at_sets()
            self._look_at_job()
        told = self._pods.snapshot()
        pods = self._explainer.explain(told)
        suspend = self._wanted.status is not None and self._wanted.status.suspend
        reading = self._asker.reading
        seen = Observation(time.time(), pods, dict(self._sets), suspend, self._explainer.missing(), reading)
        state, actions = decide(self._job, self._state, seen)
        events = [action for action in actions if isinstance(action, Event)]
        self._events += [event for event in events if event not in self._last]  # said again until its action shows
        self._last = events
        written = self._store(state, pods, any(_destroys(action) for action in actions))
        self._tell_progress(state)
        if state.decider and self._tail is None:
            self._tail = self._log_tail(state, pods)
        self._free(state, [action for action in actions if isinstance(action, (Scale, Delete))])
        if written:
            self._tell()
        self._explainer.since = state.started
        self._explainer.ask(self._absent(told), told, seen.now)
        teller = None if state.ended or suspend or state.reason == TAKING_OVER else reporter(self._job, state)
        self._asker.ask(self._job, told.get(teller) if teller else None)
        finish = next((action for action in actions if isinstance(action, Finish)), None)
        return self._finish(finish.success) if finish else None

    def _absent(self, pods: dict[Task, Pod]) -> list[Task]:
        """The first few tasks that do not run: those that status tells."""
        if self._state.ended or self._state.phase in (RUNNING, SUSPENDED) or self._state.reason == TAKING_OVER:
            return []
        waiting = (
            task
            for task in tasks(self._job)
            if task not in self._state.succeeded and (task not in pods or pods[task].status != "Running")
        )
        return list(islice(waiting, 3))

    def _look_at_wanted(self) -> None:
        """Leave when others are named; the watch may be late, so ask before believing it."""
        wanted = self._wanted.status
        if wanted is None or not self._named(wanted):
            self._fence()
        elif (wanted.run_id, wanted.controller, wanted.suspend) != self._annotations:
            # Helm changes the sets next: look at them for a while.
            self._annotations = wanted.run_id, wanted.controller, wanted.suspend
            self._annotated, self._poll_at = time.monotonic(), 0.0

    def _look_at_job(self) -> None:
        """Take in a job.json that the kubelet brings late: the same run, but other limits, say."""
        if os.stat(self._path).st_mtime_ns != self._stamp:
            job, self._stamp = self._job_file()
            if job["runId"] == self._run_id:
                self._job = self._explainer.job = job

    def _look_at_sets(self) -> None:
        """Sizes of the StatefulSets, asked one by one: the Role allows only that."""
        now, pods = time.monotonic(), self._pods.snapshot()
        freeing = self._state.ended or self._state.reason == TAKING_OVER
        if now < self._poll_at and not (freeing and not pods):
            return
        for role in self._job["replicas"]:
            try:
                self._sets[role] = observe.size(self._client.get("statefulsets", f"{self._job['name']}-{role}"))
            except ApiError as error:
                self._refused(f"reading StatefulSet {self._job['name']}-{role}", error)
                if error.status == 404:
                    self._sets.pop(role, None)
                else:
                    self._sets.setdefault(role, Set(0, 0, False))
        if freeing and not pods:
            gap = 0.5
        elif now < self._annotated + STEADY_SECONDS * self._pace:
            gap = 1.0
        elif freeing:
            gap = 2.0
        elif len(pods) != sum(one.desired for one in self._sets.values()):
            gap = 5.0
        else:
            gap = 30.0
        self._poll_at = now + gap * self._pace

    def _next_look(self) -> float:
        """Seconds until time alone may change the decision."""
        state, now, limits = self._state, time.time(), self._job["deadlines"]
        steady = (state.phase == RUNNING and not state.reason) or state.phase == SUSPENDED
        gaps = [(STEADY_SECONDS if steady else BUSY_SECONDS) * self._pace, self._poll_at - time.monotonic()]
        if self._dirty or self._events:
            gaps.append(self._wrote + self._write_gap(self._state) - time.monotonic())
        if self._later:
            gaps.append(self._quiet_until - time.monotonic())
        for since, limit in (
            (state.started, limits["activeSeconds"]),
            (state.started, limits["startSeconds"]),
            (state.stuck and state.stuck[1], limits["unstartableSeconds"]),
            (state.decided, self._job["completion"]["evaluatorGraceSeconds"]),
            (stall_begins(self._job, state), limits.get("stallSeconds")),
        ):
            if since and limit is not None and since + limit > now:
                gaps.append(since + limit - now + 0.01)
        return max(min(gaps), 0.05 * self._pace)

    # --- the stored state ---

    def _named(self, found: observe.Status) -> bool:
        mine = (found.run_id, found.controller) == (self._run_id, self._job_name)
        return mine and not (self._held and found.holder not in ("", self._holder))

    def _fence(self) -> observe.Status:
        """Read the ConfigMap itself, and leave unless it names us."""
        found = observe.Status.read(self._insist(partial(self._client.get, "configmaps", self._status_name)))
        if not self._named(found):
            raise NotNamedError(
                f"named are run {found.run_id}, Job {found.controller}, pod {found.holder or 'none'}; "
                f"this is run {self._run_id}, Job {self._job_name}, pod {self._holder}"
            )
        self._version = found.version
        return found

    def _write_gap(self, state: State) -> float:
        size = len(tasks(self._job))
        if _bare(state) != self._bare:
            gap = WRITE_SECONDS
        elif state.progress == self._stored_progress:
            gap = max(WRITE_SECONDS, size / TASKS_PER_WRITE_SECOND)
        else:
            gap = max(STEP_SECONDS, size / TASKS_PER_STEP_SECOND)
        return gap * self._pace

    def _store(self, state: State, pods: dict[Task, Pod], destructive: bool) -> bool:
        """Store the state now, or later if nothing depends on it; whether it is stored."""
        bare = _bare(state)
        erased = self._wanted.status is not None and not self._wanted.status.text
        urgent = not self._held or erased or _headline(bare) != _headline(self._bare)
        urgent = urgent or (destructive and bare != self._bare)
        if not urgent and time.monotonic() < self._wrote + self._write_gap(state):
            self._state, self._dirty = state, True
            return False
        text = status.dump(self._job, state, pods)
        if text != self._text or not self._held or erased:
            self._write(text)
        self._state, self._bare, self._text, self._dirty = state, bare, text, False
        self._stored_progress = state.progress
        return True

    def _write(self, text: str) -> None:
        told, _, handled = text.partition("\n")
        data = {observe.STATUS_KEY: told, observe.HANDLED_KEY: handled or None, observe.HOLDER_KEY: self._holder}
        while True:
            body = {"metadata": {"resourceVersion": self._version}, "data": data}
            try:
                document = self._insist(partial(self._client.patch, "configmaps", self._status_name, body))
                self._version = document["metadata"]["resourceVersion"]
                break
            except ApiError as error:
                if error.status != 409:
                    raise
                found = self._fence()
                if not self._held and found.text != self._text:
                    self._load(found)
                    self._events, self._last, self._later = [], [], []
                    raise OutdatedError from error
        self._held, self._wrote = True, time.monotonic()

    # --- actions ---

    def _free(self, state: State, actions: list[Scale | Delete]) -> None:
        """Scales and deletes.

        The pods of tasks that ended are deleted before the sets are scaled, with a grace of a second: their containers
        are just being started again, to park. One that is stopped before its Python runs never sees SIGTERM (PID 1
        ignores what it does not handle), so the set's own deletion, with the pod's grace, would take all of that.
        """
        ended = state.succeeded | ({state.decider} if state.decider and state.exit_code is not None else set())
        deletes = [action for action in actions if isinstance(action, Delete)]
        scales = [action for action in actions if isinstance(action, Scale)]
        if scales:
            first = [action for action in deletes if action.task in ended and not action.force]
            for action in first[:FIRST]:
                self._delete(action, 1)
            self._deleter.flush(FIRST_SECONDS)
        for scale in scales:
            self._scale(scale)
        for action in deletes:
            # Servers have nothing to save, and parameter servers are servers whoever starts them.
            serves = action.task.role == "ps" or runs_server(self._job, action.task.role)
            self._delete(action, 0 if action.force else 1 if serves or action.task in ended else None)

    def _delete(self, action: Delete, grace: int | None) -> None:
        def needed() -> bool:  # the StatefulSet's controller deletes pods too, with their own grace
            pod = self._pods.get(action.task)
            return pod is not None and pod.uid == action.uid and (grace is not None or pod.deleted is None)

        self._deleter.ask("{}-{}-{}".format(self._job["name"], *action.task), action.uid, grace, needed)

    def _scale(self, action: Scale) -> None:
        set_name = f"{self._job['name']}-{action.role}"
        try:
            answer = self._client.patch("statefulsets", set_name, {"spec": {"replicas": action.replicas}}, "scale")
        except ApiError as error:
            self._refused(f"scaling StatefulSet {set_name} to {action.replicas}", error)
            return
        self._sets[action.role] = Set(action.replicas, answer.get("status", {}).get("replicas", 0), False)
        self._poll_at = min(self._poll_at, time.monotonic() + RETRY_SECONDS * self._pace)

    def _refused(self, what: str, error: ApiError) -> None:
        """Not done: because another one is named? Otherwise it is tried again soon."""
        self._say_once(f"{what}: {error}")
        if error.status in (401, 403, 409):
            self._fence()
        self._poll_at = min(self._poll_at, time.monotonic() + RETRY_SECONDS * self._pace)

    def _tell(self) -> None:
        """Events for `kubectl describe` and the log. They stand on the Job: its end is what people wait for, it
        outlives the pods, and one place holds the whole story."""
        self._events, self._later = self._later + self._events, []
        others = [event for event in self._events if event.reason not in PHASES]
        if time.monotonic() < self._quiet_until and not self._state.ended:
            self._events, self._later = [event for event in self._events if event.reason in PHASES], others
        elif others:
            self._quiet_until = time.monotonic() + min(len(others), TOLD) * self._pace
            if len(others) > TOLD:
                more = Event("Normal", "MoreEvents", f"and {len(others) - TOLD} more like these")
                self._events = [event for event in self._events if event not in others[TOLD:]] + [more]
        while self._events:
            event = self._events[0]
            try:
                self._client.create("events", self._event(event))
            except ApiError as error:
                if error.temporary:
                    return
                self._say_once(f"an Event was refused: {error}")
            self._say(f"{'WARNING' if event.kind == 'Warning' else event.kind} {event.reason}: {event.message}")
            self._events.pop(0)

    def _event(self, event: Event) -> dict[str, Any]:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        involved = {"apiVersion": "batch/v1", "kind": "Job", "name": self._job_name, "uid": self._job_uid}
        return {
            "metadata": {"name": f"{self._job_name}.{time.time_ns():x}", "namespace": self._client.namespace},
            "involvedObject": {**involved, "namespace": self._client.namespace},
            "type": event.kind,
            "reason": event.reason,
            "message": event.message[:1024],
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "source": {"component": "tensorflow-job"},
        }

    def _log_tail(self, state: State, pods: dict[Task, Pod]) -> str:
        """The last lines of the program whose exit decided the run, while its pod is there."""
        pod = pods.get(state.decider) if state.decider else None
        if pod is None:
            return ""
        if state.exit_code is None:  # it hangs, or never started
            container = pod.restarts if pod.status == "Running" else -1
        elif pod.current and pod.current.code == state.exit_code:
            container = pod.restarts
        elif pod.last and pod.last.code == state.exit_code:
            container = pod.restarts - 1
        else:
            container = -1
        if container < 0:
            return ""
        pod_name = "{}-{}-{}".format(self._job["name"], *pod.task)
        try:
            now = observe.pod(self._job["name"], self._client.get("pods", pod_name), 0.0)
            again = now is not None and now.restarts > container  # it has been started again since
            text = self._client.log_tail(pod_name, observe.CONTAINER, LOG_LINES, previous=again)
            if not again and text.startswith(f"tensorflow-job: {name(pod.task)} is done: "):
                # The kubelet has started it again, to park (task.py), and not told the API yet.
                text = self._client.log_tail(pod_name, observe.CONTAINER, LOG_LINES, previous=True)
            return text
        except ApiError as error:
            return f"(not to be had: {error})"

    def _finish(self, success: bool) -> int:
        self._summary()
        if success:
            return 0
        # The Job fails as soon as this pod has ended with 1: one failure more than it may have. (With a limit below the
        # failures so far, those of controllers that were lost, this pod would be deleted, and its log with it.)
        seen = self._insist(partial(self._client.get, "jobs", self._job_name)).get("status", {})
        failed = seen.get("failed", 0) + len(seen.get("uncountedTerminatedPods", {}).get("failed", ()))
        self._insist(partial(self._client.patch, "jobs", self._job_name, {"spec": {"backoffLimit": failed}}))
        return 1

    def _insist(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return self._client.insist(call, self._say_once)

    # --- the log ---

    def _say(self, text: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._out.write(f"{now} {text}\n")
        self._out.flush()

    def _fresh(self, line: str, seconds: float = AGAIN_SECONDS) -> bool:
        now = time.monotonic()
        if now < self._said.get(line, 0.0):
            return False
        self._said = {old: until for old, until in self._said.items() if until > now}
        self._said[line] = now + seconds
        return True

    def _say_once(self, text: str) -> None:
        if self._fresh(text):
            self._say(text)

    def _tell_progress(self, state: State) -> None:
        """What is waited for, when that has changed, now and then."""
        line = f"{state.phase}: {state.message}"
        if self._events:  # which say it
            self._progress = line
            self._fresh("progress", PROGRESS_SECONDS)
        elif not state.ended and line != self._progress and self._fresh("progress", PROGRESS_SECONDS):
            self._progress = line
            self._say(line)

    def _summary(self) -> None:
        state, job = self._state, self._job
        lines = ["", f"{state.phase} ({state.reason}): {state.message}"]
        if state.progress:
            lines.append(f"progress:    {words(vars(state.progress))}")
        if state.decider:
            code = "" if state.exit_code is None else f", exit status {state.exit_code}"
            lines.append(f"decided by:  {name(state.decider)}{code}")
        lines.append(f"took:        {(state.finished or state.started) - state.started:.1f} s")
        lines.append(f"failures:    {state.failures} of {job['restart']['backoffLimit']}; restarts: {state.restarts}")
        lines.append(f"checkpoints: {job['checkpointDir'] or 'none'}")
        if self._tail and state.decider:
            lines.append(f"last lines of {name(state.decider)}:")
            lines += [f"  {line}" for line in self._tail.splitlines()]
        self._out.write("\n".join(lines) + "\n")
        self._out.flush()


def _bare(state: State) -> State:
    """What must not wait to be stored."""
    return replace(state, message="", progress=None)


def _headline(state: State) -> tuple[object, ...]:
    return state.run_id, state.phase, state.reason, state.freed


def _destroys(action: Action) -> bool:
    """Whether it takes away what the decision was based on."""
    return isinstance(action, Delete) or (isinstance(action, Scale) and action.replicas == 0)


def main(arguments: Sequence[str]) -> int:
    """`lifecycle --config=DIR --job=NAME --run-id=ID [--metrics=PORT]`; exits as the training ended, or with 143."""
    parser = argparse.ArgumentParser(prog="lifecycle")
    parser.add_argument("--config", required=True)
    parser.add_argument("--job", required=True)
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--metrics", type=int, default=0)
    options = parser.parse_args(arguments)

    def leave(*_: object) -> NoReturn:
        os.write(1, b"stopped; the next pod of this Job goes on from here\n")
        os._exit(LEFT)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    names = options.config, options.job, options.run_id, socket.gethostname()
    return Lifecycle(Client(), *names, metrics_port=options.metrics).run()
