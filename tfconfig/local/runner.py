"""A job's tasks as local processes, kept as a kubelet and a StatefulSet keep pods; the rules are those of a cluster.

LocalRunner is to decide.decide what the lifecycle Job is on Kubernetes: it brings observations, and carries out what
the state machine decides.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tfconfig.local import orphans
from tfconfig.local.console import Console
from tfconfig.local.folders import not_written
from tfconfig.local.isolation import WARNING, exposed
from tfconfig.local.launch import Launch
from tfconfig.local.pod import LocalPod
from tfconfig.local.ports import ports
from tfconfig.local.process_output import ProcessOutput
from tfconfig.tensorflow_job.lifecycle import progress_client, status
from tfconfig.tensorflow_job.lifecycle.decide import decide
from tfconfig.tensorflow_job.lifecycle.endings import with_last_words
from tfconfig.tensorflow_job.lifecycle.stalls import take_in_progress
from tfconfig.tensorflow_job.lifecycle.state import (
    FAILED,
    SUCCEEDED,
    Delete,
    Event,
    Finish,
    Observation,
    ProgressSample,
    Scale,
    Set,
    State,
)
from tfconfig.tensorflow_job.lifecycle.text import names
from tfconfig.tensorflow_job.lifecycle.training import reporter
from tfconfig.tensorflow_job.lifecycle.usage import take_in_usage
from tfconfig.tensorflow_job.task import progress
from tfconfig.tensorflow_job.task.job_spec import Task, name
from tfconfig.tensorflow_job.task.usage import PROCESSES_FILE

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec

# The kubelet's delays: the first restart at once, then 10 s, doubled each time up to 5 minutes
# (kubernetes/pkg/kubelet/kubelet.go, backOffPeriod and MaxContainerBackOff).
BACKOFF_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 300.0
# How long the state machine may go without a look at the time.
TICK_SECONDS = 1.0
# After the grace and this margin a task that does not answer is killed, as the kubelet would.
KILL_MARGIN_SECONDS = 1.0


class LocalRunner:
    """A job as local processes in `folder`, which it fills with job.json, status.json and a folder per task."""

    def __init__(
        self,
        job: JobSpec,
        launches: Mapping[str, Launch],
        folder: Path,
        cwd: Path,
        console: Console,
        isolated: bool = False,
    ) -> None:
        self._job, self._launches, self._console = job, launches, console
        self._folder, self._cwd = folder, cwd
        self._watched = set() if isolated else ports(job)  # for servers that others can reach, until there is one
        self._pods: dict[Task, LocalPod] = {}
        self._loops: set[asyncio.Task[None]] = set()  # one for each pod
        self._desired = {role: 0 for role, replicas in job["replicas"].items() if replicas}
        self._state = State()
        self.last_output = ""  # of the process that decided, until then
        self._changed = asyncio.Event()
        self._decided = asyncio.Event()  # by the next look; a new one for each
        self._failure: BaseException | None = None  # of one of them
        self._created = 0
        # No process may start while orphans are looked for: it would look like one.
        self._starting = asyncio.Lock()

    async def run(self, interrupted: asyncio.Event) -> State:
        """Run the job to its end, or until interrupted; no process of it is left in any case.

        Raises CannotRunError where it cannot go on: where its folder is full.
        """
        try:
            return await self._run(interrupted)
        except OSError as error:
            raise not_written(Path(error.filename or self._folder), error) from error

    async def _run(self, interrupted: asyncio.Event) -> State:
        stored = ""
        (self._folder / "job.json").write_text(json.dumps(self._job))
        try:
            while not (interrupted.is_set() or self._console.broken):
                self._changed.clear()
                observation = self._observe()
                ended = self._state.ended
                self._state, actions = decide(self._job, self._state, observation)
                if self._state.deciding_task and not ended:
                    running = self._state.exit_code is None  # and decided by not going on
                    self.last_output = self._console.output(self._state.deciding_task, ended=not running)
                    self._state = with_last_words(self._state, self.last_output)
                text = status.dump(self._job, self._state, observation.pods)
                if text != stored:
                    _replace(self._folder / "status.json", text.partition("\n")[0])
                    stored = text
                self._console.progress(self._state.progress)
                for action in actions:
                    if isinstance(action, Finish):
                        return self._state
                    self._act(action)
                self._warn_of_exposure()
                decided, self._decided = self._decided, asyncio.Event()
                decided.set()
                await _first_of(self._changed, interrupted, timeout=TICK_SECONDS)
                if self._failure:
                    raise self._failure
        finally:
            await self._delete_all(interrupted)
        return self._state

    def _warn_of_exposure(self) -> None:
        if self._watched and exposed(self._watched) is not False:
            self._watched = set()
            self._console.say(WARNING)

    def _observe(self) -> Observation:
        pods = {task: pod.observed(self._job["runId"]) for task, pod in self._pods.items()}
        current = {role: sum(task.role == role for task in pods) for role in self._desired}
        sets = {role: Set(desired, current[role]) for role, desired in self._desired.items()}
        return Observation(now=time.time(), pods=pods, sets=sets, sample=self._sample(reporter(self._job, self._state)))

    def _sample(self, task: Task | None) -> ProgressSample | None:
        pod = self._pods.get(task) if task else None
        return None if pod is None or pod.process is None else self._report(pod)

    def _report(self, pod: LocalPod) -> ProgressSample | None:
        """What its program reports of its progress; here its files are at hand."""
        now, report = time.time(), progress.latest(str(pod.folder))
        return progress_client.sample(pod.observed(self._job["runId"]), report, now) if report else None

    def _act(self, action: Scale | Delete | Event) -> None:
        if isinstance(action, Event):
            if action.reason not in (SUCCEEDED, FAILED):  # the summary says so
                self._console.say(f"{action.reason}: {action.message}")
        elif isinstance(action, Delete):
            pod = self._pods.get(action.task)
            if pod and pod.uid == action.uid:
                self._delete(pod)
        else:
            self._desired[action.role] = action.replicas
            for index in range(action.replicas):
                self._create(Task(action.role, index))
            for task, pod in self._pods.items():
                if task.role == action.role and task.index >= action.replicas:
                    self._delete(pod)

    def _create(self, task: Task) -> None:
        if task in self._pods:
            return
        self._created += 1
        folder = self._folder / f"{name(task)}.{self._created}"
        folder.mkdir()
        pod = self._pods[task] = LocalPod(task, str(self._created), folder)
        loop = asyncio.create_task(self._keep_running(pod))
        self._loops.add(loop)
        loop.add_done_callback(self._over)

    def _over(self, loop: asyncio.Task[None]) -> None:
        self._loops.discard(loop)
        self._failure = loop.exception() or self._failure
        self._changed.set()

    def _delete(self, pod: LocalPod) -> None:
        if pod.deleted is not None:
            return
        grace = self._launches[pod.task.role].grace
        pod.deleted = time.time() + grace
        pod.stop.set()
        pod.signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(grace + KILL_MARGIN_SECONDS, pod.signal, signal.SIGKILL)
        self._changed.set()

    async def _keep_running(self, pod: LocalPod) -> None:
        """Start the pod's process, and again each time it has ended, until the pod is deleted."""
        delay = 0.0
        while not pod.stop.is_set():
            code = await self._run_process(pod)
            seen = {pod.task: pod.observed(self._job["runId"])}  # it may have ended before anybody asked it
            self._state = take_in_progress(self._job, self._state, self._report(pod), seen)
            if used := pod.usage():
                self._state = take_in_usage(self._job, self._state, {pod.task: used}, {})
            pod.ended(code, delay)
            self._changed.set()
            await _first_of(self._decided, pod.stop)  # the program would run once more after its last failure
            if delay:
                await _first_of(pod.stop, timeout=delay)
            delay = min(MAX_BACKOFF_SECONDS, delay * 2 or BACKOFF_SECONDS)
        del self._pods[pod.task]
        if pod.task.index < self._desired[pod.task.role]:
            self._create(pod.task)
        self._changed.set()

    async def _run_process(self, pod: LocalPod) -> int:
        """The exit status as a container has it: 128 and the number of the signal that killed it."""
        launch = self._launches[pod.task.role]
        pod.message_file.write_text("")
        progress.forget(str(pod.folder))  # a task that is done parks, and leaves what it finds
        (pod.folder / PROCESSES_FILE).unlink(missing_ok=True)
        output = ProcessOutput(self._console, pod.task)
        async with self._starting:
            pod.process = process = await asyncio.create_subprocess_exec(
                *pod.command(launch, self._job["runId"], self._folder),
                cwd=self._cwd,
                env=launch.environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output.write_end,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        output.start()
        pod.started = time.time()
        self._changed.set()
        if pod.stop.is_set():
            pod.signal(signal.SIGTERM)
        code = await process.wait()
        # What the task leaves behind would hold its port and its output; on a cluster it ends with the container.
        async with self._starting:
            orphans.kill(other.process.pid for other in self._pods.values() if other.process)
        await output.close()
        return code if code >= 0 else 128 - code

    async def _delete_all(self, interrupted: asyncio.Event) -> None:
        """End every process: asked first, killed after the grace; at once when interrupted a second time."""
        if interrupted.is_set() and self._pods:
            seconds = max(self._launches[task.role].grace for task in self._pods)
            self._console.say(
                f"stopping {names(sorted(self._pods))}: {seconds:g} s at most to save; Ctrl-C again kills them"
            )
        interrupted.clear()
        self._desired = dict.fromkeys(self._desired, 0)
        for pod in self._pods.values():
            self._delete(pod)
        while self._loops:
            again = asyncio.ensure_future(interrupted.wait())
            await asyncio.wait([*self._loops, again], return_when=asyncio.FIRST_COMPLETED)
            if again.done():
                interrupted.clear()
                for pod in self._pods.values():
                    pod.signal(signal.SIGKILL)
            again.cancel()
        orphans.kill([])


async def _first_of(*events: asyncio.Event, timeout: float | None = None) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def run_to_end(runner: LocalRunner) -> tuple[State, bool]:
    """The state at the end, and whether it was interrupted: Ctrl-C and SIGTERM end every task, twice kill them.

    A reader that closes the pipe interrupts it, too.
    """
    orphans.adopt()
    return asyncio.run(_interruptible(runner))


async def _interruptible(runner: LocalRunner) -> tuple[State, bool]:
    event = asyncio.Event()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        event.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    return await runner.run(event), interrupted


def _replace(path: Path, text: str) -> None:
    """Tasks read the file at any time: it is there whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
