"""Rules about the training pods: variables, GPUs, volumes, containers, labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tfconfig.checking.rules.registry import JobValues, Path, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.values import job_spec
from tfconfig.values.job_spec import checkpoint_claim, checkpoint_directory
from tfconfig.values.role_settings import MADE_VARIABLES, user_volumes

MAX_ARGUMENT = 128 * 1024  # Linux' MAX_ARG_STRLEN: one variable or argument with its closing NUL
RESERVED_PATHS = ("/", "/dev", "/proc", "/sys", "/tensorflow-job", "/tensorflow-job-state")

_GPU = re.compile(r"^nvidia\.com/|/gpu$")
_OWN_LABEL = re.compile(r"^(tensorflow-job/.*|app\.kubernetes\.io/(name|instance|component))$")
_UNPRINTABLE = re.compile("[\x7f-\x9f\ufeff\ufffe\uffff]")  # others are escaped on the way


@rule("TFC140")
def _reserved_variables(job: JobValues) -> Iterator[Diagnostic]:
    for where in ((), *((role,) for role in job_spec.ROLES)):
        values = job.data.get(where[0]) or {} if where else job.data
        for name, value in (values.get("env") or {}).items():
            if name in MADE_VARIABLES and value is not None:
                fix = "remove it, or rename the program's variable"
                yield job.diagnostic("TFC140", (*where, "env", name), "set by the chart for every task", fix, key=True)


@rule("TFC141")
def _data_variables(job: JobValues) -> Iterator[Diagnostic]:
    seen: dict[str, str] = {}
    for volume, settings in sorted(job.volumes.items()):
        name = settings.get("env")
        if not name:
            continue
        path: Path = ("data", volume, "env")
        if name in MADE_VARIABLES:
            yield job.diagnostic("TFC141", path, f"{name} is set by the chart for every task", "choose another name")
        elif name in (job.data.get("env") or {}):
            yield job.diagnostic("TFC141", path, f"{name} is also in env", "remove one of them")
        elif name in seen:
            yield job.diagnostic(
                "TFC141", path, f"{name} is also the variable of data.{seen[name]}", "choose another name"
            )
        seen[name] = volume


@rule("TFC142")
def _impossible_text(job: JobValues) -> Iterator[Diagnostic]:
    texts: dict[Path, tuple[str, int]] = {}
    for role in job.roles:
        for name, value in job.setting(role, "env").items():
            if isinstance(value, str):
                texts[job.place(role, "env", name)] = (value, len(name) + 1)
    texts.update((path, (text, 0)) for line in job.command_lines for path, text in line.parts)
    for path, (text, more) in texts.items():
        size = len(text.encode("utf-8", errors="replace")) + more
        if size >= MAX_ARGUMENT:
            message = f"{size} bytes, but Linux limits a variable or argument to less than {MAX_ARGUMENT}"
            yield job.diagnostic("TFC142", path, message, "put the text into a file of program.files")
        if "\0" in text:
            message = f"a NUL at character {text.index(chr(0)) + 1}, where Linux ends a variable or argument"
            yield job.diagnostic("TFC142", path, message, "remove it")


@rule("TFC150")
def _gpus(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        gpus, resource = job_spec.gpus(job.data, role), job.setting(role, "gpuResource")
        for part in ("limits", "requests"):
            for name, amount in sorted(((job.setting(role, "resources") or {}).get(part) or {}).items()):
                message = f"{gpus}, but its resources.{part} have {name}: {_as_go(amount)}"
                related = ((*job.place(role, "resources"), part, name),)
                if name == resource:
                    if _as_go(amount) != str(gpus):
                        yield job.diagnostic("TFC150", (role, "gpus"), message, f"set only {role}.gpus", related)
                elif not gpus and _GPU.search(name):
                    fix = f"set gpuResource: {name} and {role}.gpus: {_as_go(amount)} instead"
                    yield job.diagnostic("TFC150", (role, "gpus"), message, fix, related)


def _as_go(value: Any) -> str:
    """A value as a Go template prints it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


@rule("TFC170")
def _data_sources(job: JobValues) -> Iterator[Diagnostic]:
    for name, data in job.volumes.items():
        if data.get("existingClaim") and data.get("volume"):
            yield job.diagnostic(
                "TFC170", ("data", name), "has both existingClaim and volume", "keep one of them", key=True
            )
        elif not (data.get("existingClaim") or data.get("volume")):
            fix = "set existingClaim, or a Kubernetes volume source such as volume: {nfs: {server: …, path: …}}"
            yield job.diagnostic("TFC170", ("data", name), "has neither existingClaim nor volume", fix, key=True)


@dataclass(frozen=True)
class Mount:
    """A mount of a training container."""

    path: str  # without a slash at its end
    volume: str
    place: Path  # the value that adds it; empty: the chart itself
    read_only: bool = False


def mounts(job: JobValues, role: str) -> Iterator[Mount]:
    """The mounts of a training container, in the chart's order."""
    yield Mount("/tensorflow-job/lib/tensorflow_job/task", "task", ())
    yield Mount("/tensorflow-job/config", "lifecycle-status", ())
    yield Mount("/tensorflow-job-state", "state", ())
    if job.setting(role, "pythonFrom"):
        yield Mount("/tensorflow-job/python", "lifecycle-python", (), True)
    if job.data["program"].get("existingConfigMap"):
        yield Mount("/app", "program", ("program", "existingConfigMap"), True)
    elif job.files:
        yield Mount("/app", "program", ("program", "files"), True)
    if job.data["checkpoint"].get("enabled"):
        # Of a claim that others may use as well, only the job's own folder.
        shared = job.data["checkpoint"].get("existingClaim")
        path = checkpoint_directory(job.data, job.name) if shared else _path(job.data["checkpoint"])
        yield Mount(path, "checkpoints", ("checkpoint", "mountPath"))
    claim = checkpoint_claim(job.data, job.name)
    for name, data in sorted(job.volumes.items()):
        volume = "checkpoints" if claim and data.get("existingClaim") == claim else f"data-{name}"
        yield Mount(_path(data), volume, ("data", name, "mountPath"), data.get("readOnly", True))
    if job.setting(role, "shmSize"):
        yield Mount("/dev/shm", "shm", job.place(role, "shmSize"))
    for place, mount in job.entries(role, "extraVolumeMounts"):
        yield Mount(_path(mount), mount["name"], (*place, "mountPath"), bool(mount.get("readOnly")))


def _path(mount: Any) -> str:
    path: str = mount["mountPath"]
    return path.removesuffix("/")


def volumes(job: JobValues, role: str) -> set[str]:
    """The names of the volumes that the chart makes for a role."""
    return {mount.volume for mount in mounts(job, role) if not {"extraVolumeMounts", "volumeMounts"} & {*mount.place}}


def _label(place: Path) -> str:
    """The list that an entry of `place` is in, without the role: several may share it."""
    return ".".join(str(part) for part in place if isinstance(part, str) and part not in job_spec.ROLES)


@rule("TFC171")
def _mount_paths(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        used: dict[str, str] = {}
        for mount in mounts(job, role):
            if mount.path in used:
                message = f"{mount.path} is used by two volumes, {used[mount.path]} and {mount.volume}"
                yield job.diagnostic(
                    "TFC171", mount.place, message, "change the path of one of them", label="mountPath"
                )
            used[mount.path] = mount.volume


@rule("TFC172")
def _volume_names(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        seen = volumes(job, role)
        for place, volume in job.entries(role, "extraVolumes"):
            if volume["name"] in seen:
                message = f"two volumes are named {volume['name']}"
                yield job.diagnostic("TFC172", (*place, "name"), message, "rename yours", label=_label(place))
            seen.add(volume["name"])


@rule("TFC173")
def _mounts_without_volume(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        known = volumes(job, role) | {volume["name"] for volume in user_volumes(job.data, role)}
        paths = {mount.path: mount for mount in mounts(job, role)}  # two at one path: TFC171
        for mount in paths.values():
            if mount.volume not in known:
                message = f"there is no volume {mount.volume} to mount at {mount.path}"
                label = _label(mount.place[:-1])
                yield job.diagnostic("TFC173", mount.place, message, "add it to extraVolumes", label=label)


@rule("TFC174", "TFC175")
def _container_names(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        seen: set[str] = set()
        for key in ("initContainers", "extraContainers"):
            for place, container in job.entries(role, key):
                path = (*place, "name")
                if container["name"] == "tensorflow":
                    message = '"tensorflow" is the name of the training container'
                    yield job.diagnostic("TFC174", path, message, "rename yours", label=_label(place))
                elif container["name"] in ("checkpoint-folder", "lifecycle-python"):
                    message = f'"{container["name"]}" is the name of a container of the chart'
                    yield job.diagnostic("TFC174", path, message, "rename yours", label=_label(place))
                elif container["name"] in seen:
                    message = f"two containers of a pod are named {container['name']}"
                    yield job.diagnostic("TFC175", path, message, "rename one of them")
                seen.add(container["name"])


@rule("TFC177", "TFC178")
def _mount_places(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        all_mounts = list(mounts(job, role))
        for mount in all_mounts:
            if not mount.place or mount.volume == "shm":
                continue
            path = mount.path or "/"
            if path in RESERVED_PATHS or path.startswith("/tensorflow-job/"):
                message = f"{path} is needed by the container itself"
                yield job.diagnostic("TFC177", mount.place, message, "mount the volume elsewhere, for example at /data")
            for outer in all_mounts:
                if outer.read_only and outer.path and path.startswith(f"{outer.path}/"):
                    message = f"{path} is inside {outer.path}, where volume {outer.volume} is mounted read-only"
                    fix = f"mount it outside of {outer.path}, because no folder can be created there"
                    yield job.diagnostic("TFC177" if outer.volume == "program" else "TFC178", mount.place, message, fix)


@rule("TFC180")
def _labels(job: JobValues) -> Iterator[Diagnostic]:
    for where in ((), *((part,) for part in (*job_spec.ROLES, "lifecycle"))):
        values = job.data.get(where[0]) or {} if where else job.data
        for key in ("podLabels", *(("labels",) if where == ("lifecycle",) else ())):
            for name in values.get(key) or {}:
                if _OWN_LABEL.search(name):
                    message = f"{name} is set by the chart to select its pods"
                    label = ".".join((*where, key))
                    yield job.diagnostic("TFC180", (*where, key, name), message, "remove it", key=True, label=label)


@rule("TFC181")
def _characters(job: JobValues) -> Iterator[Diagnostic]:
    """The chart encodes the program's files; everything else goes through toYaml."""
    for key, value in job.data.items():
        if key not in ("program", "global"):
            for path, is_key in _unprintable(value, (key,)):
                message = "contains a control character or a byte order mark, which Helm cannot write as YAML"
                yield job.diagnostic("TFC181", path, message, "remove it", key=is_key, label=key)


def _unprintable(value: Any, path: Path) -> Iterator[tuple[Path, bool]]:
    if isinstance(value, str) and _UNPRINTABLE.search(value):
        yield path, False
    for name, child in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        if isinstance(name, str) and _UNPRINTABLE.search(name):
            yield (*path, name), True
        yield from _unprintable(child, (*path, name))
