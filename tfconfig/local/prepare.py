"""What `tfconfig run` needs of this machine: addresses, folders, environments. All checked before anything starts."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfconfig.local.runner import Launch
from tfconfig.tensorflow_job.task.job_spec import ROLES, JobSpec, Task, name, tasks
from tfconfig.values import job_spec, role_settings
from tfconfig.values.load import Values

LOCAL_PORTS = range(10_000, 32_768)


class CannotRunError(Exception):
    """The job cannot run on this machine as asked. Says what is missing and what to do."""


@dataclass(frozen=True)
class Options:
    """What the command line says besides the values."""

    release: str
    checkpoint: Path | None = None
    data: Mapping[str, Path] | None = None
    python: str | None = None
    port: int | None = None


def local_job(values: Values, options: Options) -> tuple[JobSpec, dict[str, Launch]]:
    """The job with addresses and folders of this machine, and how the tasks of each role start.

    The values must be valid. Raises CannotRunError, and leaves nothing behind but the checkpoint folder.
    """
    data = values.data
    job = job_spec.job(data, options.release, values.chart.strategies)
    paths = {key: str(path.resolve()) for key, path in (options.data or {}).items()}
    _check_data(data, paths)
    launches = {role: _launch(data, role, options, paths) for role in job["replicas"]}
    addresses = _addresses(job, options.port)
    checkpoint = _checkpoint(job, options)
    moved = {
        volume["mountPath"]: paths[key] for key, volume in role_settings.data_volumes(data).items() if key in paths
    }
    if checkpoint:
        moved[data["checkpoint"]["mountPath"]] = str(checkpoint)
    program = {key: [_moved(word, moved) for word in words] for key, words in job["program"].items()}
    return {**job, "program": program, "checkpointDir": str(checkpoint or ""), "addresses": addresses}, launches


def _checkpoint(job: JobSpec, options: Options) -> Path | None:
    """The folder that stands in for the checkpoint volume's; made here, so that a bad path is told at once."""
    if not job["checkpointDir"]:
        if options.checkpoint:
            raise CannotRunError("--checkpoint is given but checkpoint.enabled is false; leave out one of them")
        return None
    folder = (options.checkpoint or Path("checkpoints", Path(job["checkpointDir"]).name)).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRunError(f"--checkpoint {folder}: {error.strerror}; give a folder that can be written") from error
    return folder


def _check_data(data: Mapping[str, Any], paths: Mapping[str, str]) -> None:
    volumes = role_settings.data_volumes(data)
    for key, path in paths.items():
        if key not in volumes:
            known = ", ".join(volumes) or "none"
            raise CannotRunError(f"--data {key}: the values have no data volume of that name; they have: {known}")
        if not Path(path).is_dir():
            raise CannotRunError(f"--data {key}={path}: no such folder")
    for key, volume in volumes.items():
        if key not in paths and not Path(volume["mountPath"]).is_dir():
            raise CannotRunError(
                f"data.{key}: this machine has no {volume['mountPath']}; give the folder to use with --data {key}=DIR"
            )


def _moved(word: str, moved: Mapping[str, str]) -> str:
    """An argument that starts with a mount path, with the local folder in its place."""
    for mount, path in moved.items():
        if word == mount or word.startswith(mount.rstrip("/") + "/"):
            return path + word[len(mount.rstrip("/")) :]
    return word


def _addresses(job: JobSpec, port: int | None) -> dict[str, list[str]]:
    """An address on this machine for each task: consecutive ports from `port`, else free ones."""
    todo = tasks(job)
    ports = iter(_free_ports(len(todo)) if port is None else range(port, port + len(todo)))
    table: dict[str, list[str]] = {role: [] for role in ROLES if job["replicas"].get(role)}
    for task in todo:
        number = next(ports)
        if port is not None:
            _check_port(number, task)
        table[task.role].append(f"127.0.0.1:{number}")
    return table


def _free_ports(count: int) -> list[int]:
    """Ports nobody uses, below those that systems hand out by themselves (32768 on Linux, 49152 elsewhere).

    A task may take its port long after it was chosen: until then a connection of any other process may be given one of
    the system's own. Random ones, so that two runs that start together hardly meet.
    """
    free = []
    for number in random.sample(LOCAL_PORTS, len(LOCAL_PORTS)):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", number))
            except OSError:
                continue
        free.append(number)
        if len(free) == count:
            return free
    raise CannotRunError(
        f"{count} tasks need a port each; {len(free)} of {LOCAL_PORTS.start} to {LOCAL_PORTS.stop - 1} are free"
    )


def _check_port(number: int, task: Task) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", number))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CannotRunError(
                f"127.0.0.1:{number}, for {name(task)}: {reason.lower()}; give another --port, or none for free ones"
            ) from error


def _launch(data: Mapping[str, Any], role: str, options: Options, paths: Mapping[str, str]) -> Launch:
    made, missing = role_settings.environment(data, role, os.environ, paths)
    if missing:
        raise CannotRunError(
            f"{role}: env {', '.join(missing)} comes from a Secret or another source in the cluster; "
            "set these variables in this shell to give them here"
        )
    # What the caller's own shell has under the names made for each task is about something else.
    inherited = {key: value for key, value in os.environ.items() if key not in role_settings.MADE_VARIABLES}
    if not (data[role].get("gpus") or 0):
        inherited.pop("CUDA_VISIBLE_DEVICES", None)
    python = [options.python] if options.python else list(role_settings.setting(data, role, "python"))
    found = shutil.which(python[0])
    if not found:
        raise CannotRunError(f"{python[0]}: no such Python on PATH; name the one that has TensorFlow with --python")
    if options.python:
        # So that `python3` in program.command is this one as well.
        folder = str(Path(found).absolute().parent)
        inherited["PATH"] = folder + os.pathsep + inherited.get("PATH", os.defpath)
    grace = float(role_settings.setting(data, role, "terminationGracePeriodSeconds"))
    return Launch([str(Path(found).absolute()), *python[1:], "-S"], {**inherited, **made}, grace)


def left_out(data: Mapping[str, Any], job: JobSpec) -> str:
    """What the values give the tasks on a cluster alone, in words; empty when that is nothing."""
    parts: dict[str, None] = {}  # in order, each once
    for role in job["replicas"]:
        for key, one, words in (
            ("initContainers", "name", "init container"),
            ("extraContainers", "name", "container"),
            ("extraVolumeMounts", "mountPath", "mount"),
        ):
            parts.update((f"{words} {item[one]}", None) for item in role_settings.setting(data, role, key) or [])
        if role_settings.setting(data, role, "envFrom"):
            parts["envFrom (set its variables in this shell)"] = None
    if data["program"].get("workingDir"):
        parts[f"working folder {data['program']['workingDir']}"] = None
    return ", ".join(parts)


def program_folder(values: Values, folder: Path) -> Path:
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
