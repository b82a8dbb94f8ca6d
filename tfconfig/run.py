"""`tfconfig run`: the job of a values file on this machine, from free ports to a summary."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfconfig import layout, roles, strays
from tfconfig.console import Console
from tfconfig.entrypoint import cluster
from tfconfig.entrypoint.cluster import ROLES, Job, Task, name
from tfconfig.entrypoint.state import SUCCEEDED, State
from tfconfig.local import Launch, Local
from tfconfig.values import Values

INTERRUPTED = 130

# Made for each task; what the caller's own shell has under these names is about something else.
_MADE = frozenset(("TF_CONFIG", "TASK_TYPE", "TASK_INDEX", "PS_HOSTS", "WORKER_HOSTS", "CHECKPOINT_DIR"))


class CannotRun(Exception):  # noqa: N818 - it reads as what happened
    """The job cannot run on this machine as asked. Says what is missing and what to do."""


@dataclass(frozen=True)
class Options:
    """What the command line says besides the values."""

    release: str
    checkpoint: Path | None = None
    data: Mapping[str, Path] | None = None
    python: str | None = None
    logs: Path | None = None
    port: int | None = None


def default_release(files: tuple[str, ...]) -> str:
    """The name of a job on this machine: that of the folder its values are in."""
    folder = Path(files[-1]).resolve().parent.name if files and files[-1] != "-" else ""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-0123456789") or "job"


def run(values: Values, options: Options) -> int:
    """Run the job of valid values to its end; the exit status is 0 for Succeeded, 1 for Failed, 130 when interrupted.

    Raises CannotRun before anything was started.
    """
    data = values.data
    job = layout.job(data, options.release, values.chart.strategies)
    paths = {key: str(path.resolve()) for key, path in (options.data or {}).items()}
    _check_data(data, paths)
    checkpoint = _checkpoint(job, options)
    moved = {volume["mountPath"]: paths[key] for key, volume in roles.data_volumes(data).items() if key in paths}
    if checkpoint:
        moved[data["checkpoint"]["mountPath"]] = str(checkpoint)
    job = {
        **job,
        "program": {key: [_moved(word, moved) for word in words] for key, words in job["program"].items()},
        "checkpointDir": str(checkpoint or ""),
        "addresses": _addresses(job, options.port),
    }
    launches = {role: _launch(data, role, options, paths) for role in job["replicas"]}
    with tempfile.TemporaryDirectory(prefix="tfconfig-") as folder:
        return _run(job, launches, Path(folder), _program_folder(values, Path(folder)), options)


def _run(job: Job, launches: Mapping[str, Launch], folder: Path, cwd: Path, options: Options) -> int:
    console = Console(cluster.tasks(job), options.logs)
    strays.adopt()
    began = time.time()
    state, interrupted = asyncio.run(_supervise(Local(job, launches, folder, cwd, console)))
    if not state.ended:
        console.say("interrupted; every process of the job is gone")
    _summarize(console, job, state, began)
    return INTERRUPTED if interrupted and not state.ended else 0 if state.phase == SUCCEEDED else 1


async def _supervise(local: Local) -> tuple[State, bool]:
    """Run with Ctrl-C and SIGTERM caught: once asks every task to end, twice kills them."""
    interrupted = asyncio.Event()
    was = False

    def interrupt() -> None:
        nonlocal was
        was = True
        interrupted.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    return await local.run(interrupted), was


def _summarize(console: Console, job: Job, state: State, began: float) -> None:
    if state.decider and state.exit_code:
        console.say(f"last lines of {name(state.decider)}:")
        for line in console.tail(state.decider):
            console.say(f"    {line}")
    ended = state.finished or time.time()
    console.say(f"{state.phase if state.ended else 'Interrupted'} after {ended - began:.1f} s: {state.message}")
    if state.decider:
        console.say(f"  deciding task  {name(state.decider)}, exit status {state.exit_code}")
    console.say(f"  restarts       {state.restarts} ({state.failures} failures counted)")
    if state.ended:
        console.say(f"  freed          {time.time() - ended:.1f} s after the end")
    console.say(f"  checkpoint     {job['checkpointDir'] or 'none (checkpoint.enabled is false)'}")


def _checkpoint(job: Job, options: Options) -> Path | None:
    """The folder that stands in for the checkpoint volume's; made here, so that a bad path is told at once."""
    if not job["checkpointDir"]:
        if options.checkpoint:
            raise CannotRun("--checkpoint is given but checkpoint.enabled is false; leave out one of them")
        return None
    folder = (options.checkpoint or Path("checkpoints", Path(job["checkpointDir"]).name)).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(f"--checkpoint {folder}: {error.strerror}; give a folder that can be written") from error
    return folder


def _check_data(data: Mapping[str, Any], paths: Mapping[str, str]) -> None:
    volumes = roles.data_volumes(data)
    for key, path in paths.items():
        if key not in volumes:
            known = ", ".join(volumes) or "none"
            raise CannotRun(f"--data {key}: the values have no data volume of that name; they have: {known}")
        if not Path(path).is_dir():
            raise CannotRun(f"--data {key}={path}: no such folder")
    for key, volume in volumes.items():
        if key not in paths and not Path(volume["mountPath"]).is_dir():
            raise CannotRun(
                f"data.{key}: this machine has no {volume['mountPath']}; give the folder to use with --data {key}=DIR"
            )


def _moved(word: str, moved: Mapping[str, str]) -> str:
    """An argument that starts with a mount path, with the local folder in its place."""
    for mount, path in moved.items():
        if word == mount or word.startswith(mount.rstrip("/") + "/"):
            return path + word[len(mount.rstrip("/")) :]
    return word


def _addresses(job: Job, port: int | None) -> dict[str, list[str]]:
    """An address on this machine for each task: consecutive ports from `port`, else free ones."""
    tasks = cluster.tasks(job)
    ports = iter(_free_ports(len(tasks)) if port is None else range(port, port + len(tasks)))
    table: dict[str, list[str]] = {role: [] for role in ROLES if job["replicas"].get(role)}
    for task in tasks:
        number = next(ports)
        if port is not None:
            _check_port(number, task)
        table[task.role].append(f"127.0.0.1:{number}")
    return table


def _free_ports(count: int) -> list[int]:
    """Ports nobody uses, held together until all are found so that none comes twice."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def _check_port(number: int, task: Task) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", number))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CannotRun(
                f"127.0.0.1:{number}, for {name(task)}: {reason.lower()}; give another --port, or none for free ones"
            ) from error


def _launch(data: Mapping[str, Any], role: str, options: Options, paths: Mapping[str, str]) -> Launch:
    made, missing = roles.environment(data, role, os.environ, paths)
    if missing:
        raise CannotRun(
            f"{role}: env {', '.join(missing)} comes from a Secret or another source in the cluster; "
            "set these variables in this shell to give them here"
        )
    inherited = {key: value for key, value in os.environ.items() if key not in _MADE}
    if not (data[role].get("gpus") or 0):
        inherited.pop("CUDA_VISIBLE_DEVICES", None)
    python = [options.python] if options.python else list(roles.setting(data, role, "python"))
    found = shutil.which(python[0])
    if not found:
        raise CannotRun(f"{python[0]}: no such Python on PATH; name the one that has TensorFlow with --python")
    if options.python:
        # So that `python3` in program.command is this one as well.
        folder = str(Path(found).absolute().parent)
        inherited["PATH"] = folder + os.pathsep + inherited.get("PATH", os.defpath)
    grace = float(roles.setting(data, role, "terminationGracePeriodSeconds"))
    return Launch([str(Path(found).absolute()), *python[1:], "-S"], {**inherited, **made}, grace)


def _program_folder(values: Values, folder: Path) -> Path:
    """Where the program starts: with program.files a folder of just these, else that of the last values file."""
    files = {key: text for key, text in (values.data["program"].get("files") or {}).items() if text is not None}
    if not files:
        last = values.files[-1] if values.files else "-"
        return Path.cwd() if last == "-" else Path(last).resolve().parent
    app = folder / "app"
    app.mkdir()
    for key, text in files.items():
        (app / key).write_text(text)
        (app / key).chmod(0o555)
    return app
