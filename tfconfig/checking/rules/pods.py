"""Rules about the training pods: variables, GPUs, volumes, labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tfconfig.checking.rules.registry import Found, Job, Path, rule
from tfconfig.values import job_spec
from tfconfig.values.role_settings import MADE_VARIABLES

MAX_ARGUMENT = 128 * 1024  # Linux' MAX_ARG_STRLEN: one variable or argument with its closing NUL
RESERVED = ("/", "/dev", "/proc", "/sys", "/tensorflow-job", "/tensorflow-job-state")

_GPU = re.compile(r"^nvidia\.com/|/gpu$")
_OWN_LABEL = re.compile(r"^(tensorflow-job/.*|app\.kubernetes\.io/(name|instance|component))$")
_UNPRINTABLE = re.compile("[\x7f-\x9f\ufeff\ufffe\uffff]")  # others are escaped on the way


@rule("TFC140")
def _made_variables(job: Job) -> Iterator[Found]:
    for where in ((), *((role,) for role in job_spec.ROLES)):
        values = job.data.get(where[0]) or {} if where else job.data
        for name, value in (values.get("env") or {}).items():
            if name in MADE_VARIABLES and value is not None:
                fix = "remove it, or give the program's variable another name"
                yield Found((*where, "env", name), "made by the chart for every task", fix, key=True)


@rule("TFC141")
def _data_variables(job: Job) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for volume, settings in sorted(job.volumes.items()):
        name = settings.get("env")
        if not name:
            continue
        path: Path = ("data", volume, "env")
        if name in MADE_VARIABLES:
            yield Found(path, f"{name} is made by the chart for every task", "choose another name")
        elif name in (job.data.get("env") or {}):
            yield Found(path, f"{name} is in env too", "remove one of them")
        elif name in seen:
            yield Found(path, f"{name} is the variable of data.{seen[name]} too", "choose another name")
        seen[name] = volume


@rule("TFC142")
def _long_text(job: Job) -> Iterator[Found]:
    texts: dict[Path, tuple[str, int]] = {}
    for role in job.roles:
        for name, value in job.setting(role, "env").items():
            if isinstance(value, str):
                texts[job.place(role, "env", name)] = (value, len(name) + 1)
    for key in ("command", "args"):
        texts.update((("program", key, i), (text, 0)) for i, text in enumerate(job.data["program"].get(key) or []))
    for path, (text, more) in texts.items():
        size = len(text.encode("utf-8", errors="replace")) + more
        if size >= MAX_ARGUMENT:
            found = f"{size} bytes, and Linux starts no program with a variable or argument of {MAX_ARGUMENT} or more"
            yield Found(path, found, "put the text into program.files, and give the program the file's name")


@rule("TFC150")
def _gpus(job: Job) -> Iterator[Found]:
    for role in job.roles:
        gpus, resource = job_spec.gpus(job.data, role), job.setting(role, "gpuResource")
        for part in ("limits", "requests"):
            for name, amount in sorted(((job.setting(role, "resources") or {}).get(part) or {}).items()):
                found = f"{gpus}, but its resources.{part} have {_go(amount)} of {name}"
                other = ((*job.place(role, "resources"), part, name),)
                if name == resource:
                    if _go(amount) != str(gpus):
                        yield Found((role, "gpus"), found, f"set {role}.gpus alone", other)
                elif not gpus and _GPU.search(name):
                    fix = f"set gpuResource: {name} and {role}.gpus: {_go(amount)} instead"
                    yield Found((role, "gpus"), found, fix, other)


def _go(value: Any) -> str:
    """A value as a Go template prints it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


@rule("TFC170")
def _data_sources(job: Job) -> Iterator[Found]:
    for name, data in job.volumes.items():
        if data.get("existingClaim") and data.get("volume"):
            yield Found(("data", name), "both existingClaim and volume", "keep one of them", key=True)
        elif not (data.get("existingClaim") or data.get("volume")):
            fix = "name a claim, or give a Kubernetes volume source such as volume: {nfs: {server: …, path: …}}"
            yield Found(("data", name), "neither existingClaim nor volume", fix, key=True)


@dataclass(frozen=True)
class Mount:
    """A mount of a training container."""

    path: str  # without a slash at its end
    volume: str
    place: Path  # the value that asks for it; empty: the chart itself
    read_only: bool = False


def mounts(job: Job, role: str) -> Iterator[Mount]:
    """The mounts of a training container, in the chart's order."""
    yield Mount("/tensorflow-job/lib/tensorflow_job/task", "task", ())
    yield Mount("/tensorflow-job/config", "config", ())
    yield Mount("/tensorflow-job-state", "state", ())
    if job.data["program"].get("existingConfigMap"):
        yield Mount("/app", "program", ("program", "existingConfigMap"), True)
    elif job.files:
        yield Mount("/app", "program", ("program", "files"), True)
    if job.data["checkpoint"].get("enabled"):
        yield Mount(_path(job.data["checkpoint"]), "checkpoints", ("checkpoint", "mountPath"))
    for name, data in sorted(job.volumes.items()):
        yield Mount(_path(data), f"data-{name}", ("data", name, "mountPath"), data.get("readOnly", True))
    if job.setting(role, "shmSize"):
        yield Mount("/dev/shm", "shm", job.place(role, "shmSize"))
    for i, mount in enumerate(job.setting(role, "extraVolumeMounts") or []):
        place = (*job.place(role, "extraVolumeMounts"), i, "mountPath")
        yield Mount(_path(mount), mount["name"], place, bool(mount.get("readOnly")))


def _path(mount: Any) -> str:
    path: str = mount["mountPath"]
    return path.removesuffix("/")


def volumes(job: Job, role: str) -> set[str]:
    """The names of the volumes that the chart makes for a role."""
    return {mount.volume for mount in mounts(job, role) if "extraVolumeMounts" not in mount.place}


@rule("TFC171")
def _mount_paths(job: Job) -> Iterator[Found]:
    for role in job.roles:
        used: dict[str, str] = {}
        for mount in mounts(job, role):
            if mount.path in used:
                found = f"{mount.path} is used by two volumes, {used[mount.path]} and {mount.volume}"
                yield Found(mount.place, found, "give one of them another path", label="mountPath")
            used[mount.path] = mount.volume


@rule("TFC172")
def _volume_names(job: Job) -> Iterator[Found]:
    for role in job.roles:
        seen = volumes(job, role)
        for i, volume in enumerate(job.setting(role, "extraVolumes") or []):
            if volume["name"] in seen:
                path = (*job.place(role, "extraVolumes"), i, "name")
                found = f"two volumes are called {volume['name']}"
                yield Found(path, found, "give yours another name", label="extraVolumes")
            seen.add(volume["name"])


@rule("TFC173")
def _mounts_without_volume(job: Job) -> Iterator[Found]:
    for role in job.roles:
        known = volumes(job, role) | {volume["name"] for volume in job.setting(role, "extraVolumes") or []}
        paths = {mount.path: mount for mount in mounts(job, role)}  # two at one path: TFC171
        for mount in paths.values():
            if mount.volume not in known:
                found = f"{mount.volume} is mounted at {mount.path} but is no volume"
                yield Found(mount.place, found, "add it to extraVolumes", label="extraVolumeMounts")


@rule("TFC174", "TFC175")
def _container_names(job: Job) -> Iterator[Found]:
    for role in job.roles:
        seen: set[str] = set()
        for key in ("initContainers", "extraContainers"):
            for i, container in enumerate(job.setting(role, key) or []):
                path = (*job.place(role, key), i, "name")
                if container["name"] == "tensorflow":
                    found = '"tensorflow" is the name of the training container'
                    yield Found(path, found, "give yours another name", label="extraContainers")
                elif container["name"] in seen:
                    found = f"two containers of a pod are called {container['name']}"
                    yield Found(path, found, "give one of them another name", rule="TFC175")
                seen.add(container["name"])


@rule("TFC176")
def _ports(job: Job) -> Iterator[Found]:
    for _, place, containers in job.settings("extraContainers"):
        for i, container in enumerate(containers or []):
            for j, port in enumerate(container.get("ports") or []):
                if port.get("containerPort") == job_spec.PORT:
                    found = f"{job_spec.PORT} is the port of TensorFlow in this pod"
                    yield Found((*place, i, "ports", j, "containerPort"), found, "let the container use another port")


@rule("TFC177", "TFC178")
def _mount_places(job: Job) -> Iterator[Found]:
    for role in job.roles:
        all_mounts = list(mounts(job, role))
        for mount in all_mounts:
            if not mount.place or mount.volume == "shm":
                continue
            path = mount.path or "/"
            if path in RESERVED or path.startswith("/tensorflow-job/"):
                found = f"{path} is a folder that the container cannot do without"
                yield Found(mount.place, found, "mount the volume somewhere else, such as /data")
            for outer in all_mounts:
                if outer.read_only and outer.path and path.startswith(f"{outer.path}/"):
                    found = f"{path} is inside {outer.path}, where {outer.volume} is mounted read-only"
                    fix = f"mount it outside of {outer.path}: the folder cannot be made there"
                    yield Found(mount.place, found, fix, rule="TFC177" if outer.volume == "program" else "TFC178")


@rule("TFC180")
def _labels(job: Job) -> Iterator[Found]:
    for where in ((), *((part,) for part in (*job_spec.ROLES, "lifecycle"))):
        values = job.data.get(where[0]) or {} if where else job.data
        for name in values.get("podLabels") or {}:
            if _OWN_LABEL.search(name):
                found = f"{name} is set by the chart, which finds its pods by it"
                label = ".".join((*where, "podLabels"))
                yield Found((*where, "podLabels", name), found, "remove it", key=True, label=label)


@rule("TFC181")
def _characters(job: Job) -> Iterator[Found]:
    """The chart writes the program's texts in another way; everything else goes through toYaml."""
    for key, value in job.data.items():
        if key not in ("program", "global"):
            for path, is_key in _unprintable(value, (key,)):
                found = "has a control character or a byte order mark, which YAML cannot hold"
                yield Found(path, found, "remove it", key=is_key, label=key)


def _unprintable(value: Any, path: Path) -> Iterator[tuple[Path, bool]]:
    if isinstance(value, str) and _UNPRINTABLE.search(value):
        yield path, False
    for name, child in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        if isinstance(name, str) and _UNPRINTABLE.search(name):
            yield (*path, name), True
        yield from _unprintable(child, (*path, name))
