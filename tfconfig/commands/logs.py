"""`tfconfig logs`: what the tasks of a job print, all in one stream."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TextIO

import click

from tfconfig.checking import reporters
from tfconfig.cluster import jobs
from tfconfig.cluster.job_view import JobView, component, outcome, view
from tfconfig.cluster.kubectl import ClusterError, ForbiddenError, Kubectl, Object, explained, options
from tfconfig.commands.wait import duration_option
from tfconfig.tensorflow_job.lifecycle import observe
from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.job_spec import Task

MOST = 50  # tasks at a time: each is a kubectl and a connection
RECONNECT_SECONDS = 1.0
# For streams to end after the job: pods that are freed end theirs at once, those that are kept (cleanup Keep) never do.
FREED_SECONDS, KEPT_SECONDS = 30.0, 3.0
LIFECYCLE = "lifecycle"
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[-+]\d\d:\d\d)")
_COLOURS = ("36", "32", "35", "33", "34", "96", "92", "95", "93", "94")


@click.command("logs", short_help="Follow what the tasks of a job print.")
@click.argument("release", metavar="RELEASE")
@options
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends, through restarts and new pods.")
@click.option("--task", "only", multiple=True, metavar="TASK", help="Of this task or role alone: worker-3, ps.")
@click.option("--since", callback=duration_option, metavar="DURATION", help="Nothing older than 90s, 10m, 1h30m.")
@click.option("--tail", type=click.IntRange(0), metavar="LINES", help="Begin with the last lines of each task.")
@click.option("--previous", is_flag=True, help="Of the containers before the last restart.")
def command(
    release: str,
    namespace: str | None,
    context: str | None,
    follow: bool,
    only: tuple[str, ...],
    since: float | None,
    tail: int | None,
    previous: bool,
) -> None:
    """Print what the tasks of a job print, each line with its task's name, in colour on a terminal.

    Once the job has ended and its pods are gone, prints the log of its lifecycle, which closes with the outcome and the
    last lines of the deciding task. Needs the right to get logs (pods/log), besides those of `tfconfig status`.
    """
    if follow and previous:
        raise click.UsageError("--previous is for containers that have ended; leave --follow out")
    kubectl = Kubectl(namespace, context)
    job = jobs.one(kubectl, release)
    documents = jobs.snapshot(kubectl, job)
    told = view(documents, time.time())
    tasks = chosen(job_spec.tasks(documents.layout), only)
    if len(tasks) > MOST:
        raise click.UsageError(f"job {job} has {len(tasks)} tasks; choose at most {MOST} of them: --task worker-0")
    query = _query(since, tail)
    printer = Printer([job_spec.name(task) for task in tasks])
    pods = {task: pod for task, pod in _pods(job, documents.pods).items() if task in tasks}
    if follow and not told.over:
        _follow(kubectl, job, tasks, query, printer)
    elif pods:
        _print(kubectl, tasks, pods, {**query, "previous": "true"} if previous else query, printer)
    elif told.over:
        for line in jobs.lifecycle_log(kubectl, documents).splitlines():
            printer.line(LIFECYCLE, line)
        _tell_end(told)
    else:
        click.echo(f"no pod of {job} yet: {told.message}; --follow waits for them", err=True)
    if printer.broken:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still has to write at its end


def chosen(tasks: Sequence[Task], only: Iterable[str]) -> list[Task]:
    """The tasks that --task names, by role or one by one; all without. Raises click.UsageError for others."""
    wanted = set(only)
    known = {job_spec.name(task) for task in tasks} | {task.role for task in tasks}
    unknown = sorted(wanted - known)
    if unknown:
        roles = [(role, sum(task.role == role for task in tasks)) for role in job_spec.ROLES]
        there = ", ".join(
            f"{role}-0" + (f" to {role}-{count - 1}" if count > 1 else "") for role, count in roles if count
        )
        raise click.UsageError(f"--task {unknown[0]}: no such task; this job has {there}")
    return [task for task in tasks if not wanted or task.role in wanted or job_spec.name(task) in wanted]


def _query(since: float | None, tail: int | None) -> dict[str, str]:
    query = {"container": observe.CONTAINER, "timestamps": "true"}
    if since is not None:
        query["sinceSeconds"] = str(max(int(since), 1))
    if tail is not None:
        query["tailLines"] = str(tail)
    return query


def _pods(job: str, pods: Iterable[Object]) -> dict[Task, Object]:
    found = {}
    for pod in component(pods, "training"):
        metadata = pod["metadata"]
        task = observe.task_of(job, metadata["name"], metadata["labels"].get(observe.ROLE_LABEL, ""))
        if task:
            found[task] = pod
    return found


class Printer:
    """Lines with the name of who printed them; threads may share it."""

    def __init__(self, names: Sequence[str], stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._width = max(len(name) for name in [LIFECYCLE, *names])
        self._lock = threading.Lock()
        self.broken = False  # nobody reads any more: `| head` has enough
        colours = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}
        self._colours = colours if reporters.colour_wanted(self._stream.isatty()) else {}

    def line(self, who: str, text: str) -> None:
        """One line of a task."""
        prefix = f"{who:<{self._width}} |"
        if who in self._colours:
            prefix = f"\033[{self._colours[who]}m{prefix}\033[0m"
        with self._lock:
            try:
                self._stream.write(f"{prefix} {text}\n")
                self._stream.flush()
            except BrokenPipeError:
                self.broken = True


def split(line: str) -> tuple[str, str]:
    """The time that a node puts before a line, in UTC so that times compare as texts, and the line itself."""
    when, _, text = line.partition(" ")
    match = _TIME.fullmatch(when)
    if not match:
        return "", line
    whole, fraction, zone = match.groups()
    if zone != "Z":
        whole = datetime.fromisoformat(whole + zone).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{fraction or '':0<9}Z", text


def merged(logs: Mapping[str, str]) -> list[tuple[str, str]]:
    """(task, line) of several logs in the order of their times; a task's own lines keep their order."""
    stamped: list[tuple[str, str, str]] = []
    for who, text in logs.items():
        latest = ""
        for line in text.removesuffix("\n").split("\n") if text else ():
            when, words = split(line)
            latest = max(latest, when)
            stamped.append((latest, who, words))
    return [(who, words) for _, who, words in sorted(stamped, key=lambda one: one[0])]


def _print(
    kubectl: Kubectl, tasks: Sequence[Task], pods: Mapping[Task, Object], query: Mapping[str, str], printer: Printer
) -> None:
    def read(task: Task) -> str:
        try:
            return kubectl.text(kubectl.path("pods", pods[task]["metadata"]["name"], "log"), **query)
        except ForbiddenError:
            raise
        except ClusterError as error:
            click.echo(f"{job_spec.name(task)}: {error.message}", err=True)
            return ""

    there = [task for task in tasks if task in pods]
    with ThreadPoolExecutor(8) as pool:
        texts = dict(zip(map(job_spec.name, there), pool.map(read, there), strict=True))
    for who, line in merged(texts):
        printer.line(who, line)
        if printer.broken:
            return


def _tell_end(told: JobView) -> None:
    click.echo(outcome(told), err=True)
    if where := persisted(told):
        click.echo(where, err=True)


def persisted(told: JobView) -> str:
    """Where the whole logs are kept (logs.persist); empty where they are not."""
    if not told.layout.get("logs"):
        return ""
    folder, claim = f"{told.layout['checkpointDir']}/logs/{told.run_id}", told.layout["checkpointClaim"]
    return f"the whole logs are {folder}/TASK.log on claim {claim}; any pod that mounts the claim can read them"


# --- follow -------------------------------------------------------------------------------------------------------


@dataclass
class _Stream:
    """One task's log, across containers and pods. Lines up to `latest` of the pod `uid` are printed."""

    name: str
    pod: str = ""
    uid: str = ""
    container: int = -1  # the restart count that is being, or was, followed
    latest: str = ""
    first: bool = True  # --since and --tail are for what there was at the beginning
    thread: threading.Thread | None = None
    process: subprocess.Popen[bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed: bool = False
    error: ClusterError | None = None

    @property
    def busy(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def close(self) -> None:
        with self.lock:
            self.closed = True
            if self.process:
                self.process.kill()


def _follow(kubectl: Kubectl, job: str, tasks: Sequence[Task], query: Mapping[str, str], printer: Printer) -> None:
    streams = {task: _Stream(job_spec.name(task)) for task in tasks}
    until = None
    with jobs.watching(kubectl, job) as live:
        try:
            while True:
                told = live.view()
                if printer.broken:
                    return
                pods = _pods(job, live.pods.objects.values())
                for task, stream in streams.items():
                    if task in pods:
                        _attach(kubectl, stream, pods[task], query, printer)
                    if isinstance(stream.error, ForbiddenError):
                        raise stream.error
                if told.over:
                    kept = told.layout["cleanup"]["onSuccess" if told.phase == "Succeeded" else "onFailure"] == "Keep"
                    until = until or time.monotonic() + (KEPT_SECONDS if kept else FREED_SECONDS)
                    if time.monotonic() > until or not (pods or any(stream.busy for stream in streams.values())):
                        break
                live.news.wait(RECONNECT_SECONDS)
        finally:
            for stream in streams.values():
                stream.close()
            for stream in streams.values():
                if stream.thread:
                    stream.thread.join()
        _tell_end(told)


def _attach(kubectl: Kubectl, stream: _Stream, pod: Object, query: Mapping[str, str], printer: Printer) -> None:
    """Follow the pod's container, unless that is being done, or was done to its end."""
    if stream.busy:
        return
    metadata = pod["metadata"]
    status: Object = next(
        (one for one in pod["status"].get("containerStatuses") or () if one["name"] == observe.CONTAINER), {}
    )
    state, count = status.get("state", {}), status.get("restartCount", 0)
    if not ("running" in state or "terminated" in state or status.get("lastState")):
        return
    again = stream.uid == metadata["uid"]
    if again and stream.container == count and "running" not in state:
        return
    # Of a container that ended before, lines may be missing: those between two looks, or after a broken connection.
    gap = again and count > stream.container
    if not again:
        stream.pod, stream.uid, stream.latest = metadata["name"], metadata["uid"], ""
    stream.container = count
    stream.thread = threading.Thread(target=_read, args=(kubectl, stream, dict(query), gap, printer), daemon=True)
    stream.thread.start()


def _read(kubectl: Kubectl, stream: _Stream, query: dict[str, str], gap: bool, printer: Printer) -> None:
    if not stream.first:
        query = {key: value for key, value in query.items() if key not in ("sinceSeconds", "tailLines")}
    stream.first = False
    if stream.latest:
        query["sinceTime"] = stream.latest
        query.pop("sinceSeconds", None)
    path = kubectl.path("pods", stream.pod, "log")
    for extra in ([{"previous": "true"}] if gap else []) + [{"follow": "true"}]:
        with stream.lock:
            if stream.closed:
                return
            stream.process = kubectl.stream(path, **query, **extra)
        before = stream.latest
        with stream.process as process:
            assert process.stdout
            assert process.stderr
            for data in process.stdout:
                when, text = split(data.decode("utf-8", "replace").rstrip("\r\n"))
                if when > before:
                    stream.latest = max(stream.latest, when)
                    printer.line(stream.name, text)
            said = process.stderr.read().decode("utf-8", "replace")
        # One that is gone, or not there yet, is looked for again when its pod changes.
        stream.error = explained(said, kubectl.namespace) if said and not stream.closed else None
