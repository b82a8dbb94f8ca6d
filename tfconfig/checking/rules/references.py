"""Rules about $(NAME) in env and in the program's command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tfconfig.checking.rules.registry import SHELL, STOCK_IMAGE, JobValues, Path, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.tensorflow_job.task import job_spec as task_job_spec
from tfconfig.tensorflow_job.task.references import circular, names
from tfconfig.values import job_spec
from tfconfig.values.role_settings import MADE_VARIABLES, deferred_texts

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec

# Other texts in brackets, such as $(date +%s), are for a shell.
_NAME = re.compile(r"[A-Za-z_.-][\w.-]*")
# What the chart's template defaultEnv, Kubernetes, the runtime and TensorFlow's own images set.
_ALWAYS_SET = re.compile(
    "HOME|TMPDIR|USER|LOGNAME|PATH|HOSTNAME|LANG|DEBIAN_FRONTEND|LD_LIBRARY_PATH|LIBRARY_PATH|"
    "(KUBERNETES|CUDA|NVIDIA|NV|TF|OMP|MKL)_.+"
)


@rule("TFC143", "TFC325")
def _unknown_names(job: JobValues) -> Iterator[Diagnostic]:
    seen: set[tuple[Path, str]] = set()
    maybe: set[str] = set()  # a variable that is not set is one cause, wherever it is referred to
    spec = job_spec.job(job.data, job.name, job.strategies)
    known = {role: _known(job, spec, role) for role in job.roles}
    for role, place, text in _texts(job):
        for name in sorted(names(text) - known[role]):
            path = _written(job, place, name)
            if not _NAME.fullmatch(name) or _ALWAYS_SET.fullmatch(name) or (path, name) in seen:
                continue
            seen.add((path, name))
            fix = f"correct the name, or write $$({name}) where the program is to find $({name}) itself"
            if path[-2] == "env" and path[-1] != name and not _brought_from_elsewhere(job, role):
                yield job.diagnostic("TFC143", path, f"$({name}) is a variable that nothing sets", fix)
            elif name not in maybe and not job.setting(role, "envFrom"):  # which is there to bring such names
                maybe.add(name)
                message = f"$({name}) stays as it is, unless the image has this variable"
                yield job.diagnostic("TFC325", path, message, fix)


def _texts(job: JobValues) -> Iterator[tuple[str, Path, str]]:
    """The texts in which references are replaced: (role, path, text)."""
    for role in job.roles:
        for name, text in sorted(deferred_texts(job.data, role).items()):
            yield role, job.place(role, "env", name), text
    for line in job.command_lines:
        if line.parts and not SHELL.search(line.parts[0][1]):
            for role in line.roles:
                yield from ((role, path, word) for path, word in line.parts)


def _written(job: JobValues, place: Path, name: str) -> Path:
    """Where a reference in a text of env is written: a role's own text may have put in the one at the top."""
    role, key = str(place[0]), place[1]  # a variable of all roles may itself be called `env`
    if role in job.roles and key == "env" and name not in names(str(job.values.data[role]["env"][place[2]])):
        return place[1:]
    return place


def _known(job: JobValues, spec: JobSpec, role: str) -> set[str]:
    alone: JobSpec = {**spec, "replicas": {role: 1}}  # the names are the same, and TF_CONFIG is short
    made = set(task_job_spec.environment(alone, task_job_spec.Task(role, 0))) | set(MADE_VARIABLES)
    if not spec["checkpointDir"]:
        made.discard("CHECKPOINT_DIR")
    volumes = {volume["env"] for volume in job.volumes.values() if volume.get("env")}
    return made | volumes | set(job.setting(role, "env"))


def _brought_from_elsewhere(job: JobValues, role: str) -> bool:
    """Whether a variable may come from what cannot be seen here: envFrom, the team's own image, a wrapper of Python."""
    own_image = not STOCK_IMAGE.search(job.setting(role, "image").get("repository") or "")
    return own_image or bool(job.setting(role, "envFrom")) or len(job.setting(role, "python")) > 1


@rule("TFC144")
def _circles(job: JobValues) -> Iterator[Diagnostic]:
    seen: set[Path] = set()
    for role in job.roles:
        circle = circular(deferred_texts(job.data, role))
        if circle and (path := job.place(role, "env", circle[0])) not in seen:
            seen.add(path)
            message = f"{', '.join(circle)} refer to each other in a circle"
            yield job.diagnostic("TFC144", path, message, "write one of them without $(…)")
