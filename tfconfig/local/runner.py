"""The job's tasks as local processes, kept as a kubelet and a StatefulSet keep pods; the rules are those of a cluster.

`Local` is the adapter around decide.decide that the lifecycle Job is on Kubernetes: it brings observations, and
carries out what the state machine decides. A "pod" here is a folder and a process that is started again when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfconfig.local import orphans
from tfconfig.local.console import Console
from tfconfig.tensorflow_job.lifecycle import observe, status
from tfconfig.tensorflow_job.lifecycle.decide import decide, reporter
from tfconfig.tensorflow_job.lifecycle.state import (
    Delete,
    Event,
    Exit,
    Finish,
    Observation,
    Pod,
    Reading,
    Scale,
    Set,
    State,
)
from tfconfig.tensorflow_job.task import progress
from tfconfig.tensorflow_job.task.job_spec import JobSpec, Task, name

PROGRAM = Path(progress.__file__).parent

# The kubelet's delays: the first restart at once, then 10 s, doubled each time up to 5 minutes
# (kubernetes/pkg/kubelet/kubelet.go, backOffPeriod and MaxContainerBackOff).
BACKOFF_SECONDS = 10.0
LONGEST_BACKOFF_SECONDS = 300.0
# How long the state machine may go without a look at the time.
TICK_SECONDS = 1.0
# After the grace and this margin a task that does not answer is killed, as the kubelet would.
KILL_MARGIN_SECONDS = 1.0
# How long output may still come once a task has ended: for ever, where something of it holds on to the pipe.
OUTPUT_SECONDS = 5.0


@dataclass(frozen=True)
class Launch:
    """How tasks of one role start: the Python that runs the entrypoint, the environment, the grace in seconds."""

    python: list[str]
    environ: Mapping[str, str]
    grace: float


@dataclass
class _LocalPod:
    task: Task
    uid: str
    folder: Path
    created: float = field(default_factory=time.time)
    restarts: int = 0
    process: asyncio.subprocess.Process | None = None
    last: Exit | None = None
    backoff: float = 0.0
    deleted: float | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def observed(self, run_id: str) -> Pod:
        waits = self.process is None
        return Pod(
            task=self.task,
            uid=self.uid,
            run_id=run_id,
            created=self.created,
            status="Waiting" if waits else "Running",
            reason="CrashLoopBackOff" if waits and self.backoff else "",
            restarts=self.restarts,
            last=self.last,
            backoff=self.backoff if waits else 0.0,
            deleted=self.deleted,
        )


class Local:
    """A job as local processes in `folder`, which it fills with job.json, status.json and a folder per task."""

    def __init__(self, job: JobSpec, launches: Mapping[str, Launch], folder: Path, cwd: Path, console: Console) -> None:
        self._job, self._launches, self._folder, self._cwd, self._console = job, launches, folder, cwd, console
        self._pods: dict[Task, _LocalPod] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._desired = {role: 0 for role, replicas in job["replicas"].items() if replicas}
        self._changed = asyncio.Event()
        self._made = 0
        # No process may start while strays are looked for: it would look like one.
        self._starting = asyncio.Lock()

    async def run(self, interrupted: asyncio.Event) -> State:
        """Run the job to its end, or until interrupted; no process of it is left in either case."""
        (self._folder / "job.json").write_text(json.dumps(self._job))
        state, stored = State(), ""
        try:
            while not interrupted.is_set():
                self._changed.clear()
                seen = self._observe(state)
                state, actions = decide(self._job, state, seen)
                text = status.dump(self._job, state, seen.pods)
                if text != stored:
                    _replace(self._folder / "status.json", text.partition("\n")[0])
                    stored = text
                self._console.progress(state.progress)
                for action in actions:
                    if isinstance(action, Finish):
                        return state
                    self._act(action)
                await self._wait(interrupted)
        finally:
            await self._free(interrupted)
        return state

    async def _wait(self, interrupted: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self._changed, interrupted)]
        await asyncio.wait(waits, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _observe(self, state: State) -> Observation:
        pods = {task: pod.observed(self._job["runId"]) for task, pod in self._pods.items()}
        current = {role: sum(task.role == role for task in pods) for role in self._desired}
        sets = {role: Set(desired, current[role]) for role, desired in self._desired.items()}
        return Observation(now=time.time(), pods=pods, sets=sets, reading=self._read(reporter(self._job, state)))

    def _read(self, task: Task | None) -> Reading | None:
        """What a task's program says of its progress; here its file is at hand."""
        pod = self._pods.get(task) if task else None
        if pod is None or pod.process is None:
            return None
        now, said = time.time(), progress.read(str(pod.folder / progress.FILE))
        return observe.reading(pod.observed(self._job["runId"]), said, now) if said else None

    def _act(self, action: Scale | Delete | Event) -> None:
        if isinstance(action, Event):
            self._console.say(f"{action.reason}: {action.message}")
        elif isinstance(action, Delete):
            pod = self._pods.get(action.task)
            if pod and pod.uid == action.uid:
                self._delete(pod)
        else:
            self._desired[action.role] = action.replicas
            for index in range(action.replicas):
                self._start(Task(action.role, index))
            for task, pod in self._pods.items():
                if task.role == action.role and task.index >= action.replicas:
                    self._delete(pod)

    def _start(self, task: Task) -> None:
        if task in self._pods:
            return
        self._made += 1
        folder = self._folder / f"{name(task)}.{self._made}"
        folder.mkdir()
        pod = self._pods[task] = _LocalPod(task, str(self._made), folder)
        life = asyncio.create_task(self._live(pod))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)

    def _delete(self, pod: _LocalPod) -> None:
        if pod.deleted is not None:
            return
        grace = self._launches[pod.task.role].grace
        pod.deleted = time.time() + grace
        pod.stop.set()
        _signal(pod, signal.SIGTERM)
        asyncio.get_running_loop().call_later(grace + KILL_MARGIN_SECONDS, _signal, pod, signal.SIGKILL)
        self._changed.set()

    async def _live(self, pod: _LocalPod) -> None:
        """Start the task's process, and again each time it has ended, until the pod is deleted."""
        delay = 0.0
        while not pod.stop.is_set():
            code = await self._process(pod)
            message = _read(pod.folder / "message")
            pod.last = Exit(code, "Completed" if code == 0 else "Error", message, time.time())
            pod.process, pod.restarts, pod.backoff = None, pod.restarts + 1, delay
            self._changed.set()
            if delay:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(pod.stop.wait(), delay)
            delay = min(LONGEST_BACKOFF_SECONDS, delay * 2 or BACKOFF_SECONDS)
        del self._pods[pod.task]
        if pod.task.index < self._desired[pod.task.role]:
            self._start(pod.task)
        self._changed.set()

    async def _process(self, pod: _LocalPod) -> int:
        launch = self._launches[pod.task.role]
        options = {
            "role": pod.task.role,
            "index": pod.task.index,
            "run-id": self._job["runId"],
            "grace": f"{launch.grace:g}",
            "config": self._folder,
            "state": pod.folder,
            "message": pod.folder / "message",
            "parent": os.getpid(),
        }
        (pod.folder / "message").write_text("")
        (pod.folder / progress.FILE).unlink(missing_ok=True)  # a task that is done parks, and leaves what it finds
        arguments = [str(PROGRAM), "run", *(f"--{key}={value}" for key, value in options.items())]
        output = _Output(self._console, pod.task)
        async with self._starting:
            pod.process = process = await asyncio.create_subprocess_exec(
                *launch.python,
                *arguments,
                cwd=self._cwd,
                env=launch.environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output.end,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        output.read()
        self._changed.set()
        if pod.stop.is_set():
            _signal(pod, signal.SIGTERM)
        code = await process.wait()
        # What the task leaves behind would hold its port and its output; a pod's end takes it along, too.
        async with self._starting:
            orphans.kill(other.process.pid for other in self._pods.values() if other.process)
        await output.close()
        return code if code >= 0 else 128 - code

    async def _free(self, interrupted: asyncio.Event) -> None:
        """End every process: asked first, killed after the grace; at once when interrupted a second time."""
        interrupted.clear()
        self._desired = dict.fromkeys(self._desired, 0)
        for pod in self._pods.values():
            self._delete(pod)
        while self._lives:
            again = asyncio.ensure_future(interrupted.wait())
            await asyncio.wait([*self._lives, again], return_when=asyncio.FIRST_COMPLETED)
            if again.done():
                interrupted.clear()
                for pod in self._pods.values():
                    _signal(pod, signal.SIGKILL)
            again.cancel()
        orphans.kill([])


class _Output:
    """The pipe for what one process prints; `end` is the process's side. (asyncio's own pipes delay Process.wait
    until the last holder of the pipe is gone: python/cpython#119710.)"""

    def __init__(self, console: Console, task: Task) -> None:
        self._console, self._task = console, task
        self._pipe, self.end = os.pipe()
        self._over = asyncio.Event()

    def read(self) -> None:
        """From now on, pass on what comes."""
        os.close(self.end)
        os.set_blocking(self._pipe, False)
        asyncio.get_running_loop().add_reader(self._pipe, self._ready)

    def _ready(self) -> None:
        data = os.read(self._pipe, 64 * 1024)
        self._console.feed(self._task, data)
        if not data:
            asyncio.get_running_loop().remove_reader(self._pipe)
            self._over.set()

    async def close(self) -> None:
        """Wait for the rest, within OUTPUT_SECONDS."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._over.wait(), OUTPUT_SECONDS)
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)


def _signal(pod: _LocalPod, number: int) -> None:
    if pod.process and pod.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            pod.process.send_signal(number)


def _replace(path: Path, text: str) -> None:
    """Tasks read the file at any time: it is there whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""
