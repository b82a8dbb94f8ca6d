"""The Helm release of a job, changed with the user's helm: suspended, resumed, run again, cancelled."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tfconfig.cluster import helm, jobs
from tfconfig.cluster.errors import ClusterError
from tfconfig.cluster.job_objects import RELEASE_LABEL
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.diagnostics import Origin
from tfconfig.tensorflow_job.task.names import status_name
from tfconfig.terminal import escaped_line
from tfconfig.values.chart import NAME, bundled
from tfconfig.values.helm_yaml import plain
from tfconfig.values.set_flags import SetError, SetFlags, wrap

MIN_HELM = (3, 14)  # has --reset-then-reuse-values: the values that were set, over the defaults of the chart
_SET = re.compile(r"(--set(?:-string|-json|-literal)?=)([^=\[{]*).*", re.DOTALL)
_RUN = re.compile(r"[0-9]{1,9}")  # as the record of a run has it


@dataclass(frozen=True)
class Release:
    """The release that a job belongs to. `key`: the job's key in the values of an umbrella chart, "" without one."""

    name: str
    job: str
    options: Sequence[str]  # of every call of helm
    chart: str
    key: str

    def path(self, setting: str) -> str:
        """A setting of the job as --set names it."""
        return f"{self.key}.{setting}" if self.key else setting

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """The job's values, over the defaults of its chart. Raises HelmError, also where there is no job at its key."""
        values = helm.document(["get", "values", self.name, *self.options, "--all"]) or {}
        for key in self.key.split(".") if self.key else ():
            values = values.get(key) if isinstance(values, dict) else None
        if not isinstance(values, dict) or (self.key and "program" not in values):  # which every job has by default
            raise helm.HelmError(
                f"the values of release {self.name} have no job at {self.key}; name its key with --alias"
            )
        return values

    def upgrade(self, setting: str, value: str, report: Callable[[str], None], given: Sequence[str] = ()) -> None:
        """`helm upgrade` with the values that were set before, the user's arguments and this one. Raises HelmError.

        `report` gets the command, without the values that the user gives: they may be secrets.
        """
        own = f"--set={self.path(setting)}={value}"
        report(f"helm {' '.join(self._upgrade([*map(_without_value, given), own]))}")
        helm.call(self._upgrade([*given, own]))

    def line(self, setting: str, value: str) -> str:
        """The line for a shell that does the same."""
        return f"helm {shlex.join(self._upgrade([f'--set={self.path(setting)}={value}']))}"

    def _upgrade(self, arguments: Sequence[str]) -> list[str]:
        return ["upgrade", self.name, self.chart, *self.options, "--reset-then-reuse-values", *arguments]


def _without_value(argument: str) -> str:
    return _SET.sub(lambda match: f"{match[1]}{match[2]}{'=' if match[2] else ''}…", argument)


def _release_of(kubectl: Kubectl, job: str) -> str:
    labels = kubectl.item("configmaps", status_name(job))["metadata"].get("labels", {})
    return str(labels.get(RELEASE_LABEL, job))


def upgradable(kubectl: Kubectl, context: str | None, name: str, chart: str | None, key: str) -> Release:
    """The release of a job, with the chart to upgrade it with. Raises HelmError where helm is too old or it is unknown.

    `chart` is needed unless the release was installed with the version of the chart that this tool carries.
    """
    job = jobs.find_one(kubectl, name)
    release, options = _release_of(kubectl, job), helm.scope(kubectl.namespace, context)
    _require_helm()
    installed = helm.document(["get", "metadata", release, *options]) or {}
    own = installed.get("chart") == NAME
    version = bundled().metadata["version"]
    if chart is None:
        if not own or installed.get("version") != version:
            raise helm.HelmError(
                f"release {release} was installed from chart {installed.get('chart')} {installed.get('version')}, and "
                f"this tfconfig has {NAME} {version}; name the chart of the release with --chart"
            )
        chart = str(bundled().root)
    if not own and not key:
        key = job.removeprefix(f"{release}-")
        if key == job:
            raise helm.HelmError(f"job {job} is part of release {release}; name its key in the values with --alias")
    target = Release(release, job, options, chart, key)
    if key:
        _ = target.values  # helm takes any key, and a wrong one has no effect
    return target


def _require_helm() -> None:
    version = helm.version()
    if not version:
        raise helm.HelmError(helm.MISSING)
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < MIN_HELM:
        raise helm.HelmError(
            f"helm {version} has no --reset-then-reuse-values; install Helm 3.14 or newer, or use helm upgrade "
            "--reuse-values with the chart that the release was installed from"
        )


def program_files(release: Release, folder: Path) -> list[str]:
    """Arguments that take the program's files from `folder` again. Raises ClusterError where one is not there."""
    names = [name for name, text in (release.values.get("program", {}).get("files") or {}).items() if text]
    if not names:
        raise ClusterError(
            f"job {release.job} has no program.files, so there is nothing to take again; leave out --files"
        )
    arguments = []
    for name in names:
        if not (folder / name).is_file():
            raise ClusterError(f"{folder / name}: no such file; the job's program.files are {', '.join(names)}")
        key = re.sub(r"([.,\[\]=\\])", r"\\\1", name)
        path = re.sub(r"([,\\])", r"\\\1", str(folder / name))
        arguments.append(f"--set-file={release.path('program.files')}.{key}={path}")
    return arguments


def next_run(kubectl: Kubectl, release: Release) -> int:
    """The number after that of the release's run, and after those of the runs that its status knows.

    After a rollback the values name an earlier run, and a run with the settings of one that ended does not start.
    """
    status = jobs.read_status(kubectl, release.job)
    records = [item.get("record") for item in (status, *status.get("history", ()))] if status else []
    numbers = [record["settings"].get("run", "") for record in records if record]
    return max(int(release.values.get("run", 1)), *(int(text) for text in numbers if _RUN.fullmatch(text)), 0) + 1


def require_resumed(release: Release, sets: SetFlags, resume: str) -> None:
    """Raises ClusterError where the job is suspended, and these arguments do not resume it; `resume`: what does."""
    if not release.values.get("suspend"):
        return
    parts = release.path("suspend").split(".")
    value: Any = True
    for part in reversed(parts):
        value = {part: value}
    root = wrap(value, Origin("the release"))
    try:
        sets.apply(root)
    except SetError as error:
        raise ClusterError(str(error)) from None
    value = plain(root)
    for part in parts:
        value = value.get(part) if isinstance(value, dict) else None
    if value:
        raise ClusterError(
            f"job {release.job} is suspended, and a new run of it would not start; resume it first ({resume}), or add "
            f"--set {release.path('suspend')}=false"
        )


def uninstall(kubectl: Kubectl, context: str | None, name: str, report: Callable[[str], None]) -> str:
    """`helm uninstall` of a release, and what helm printed. Raises ClusterError for one job of a larger release."""
    job = jobs.find(kubectl, name)[0]
    release, options = _release_of(kubectl, job), helm.scope(kubectl.namespace, context)
    if name != release:
        raise ClusterError(
            f"job {job} is part of release {release}, which would be removed as a whole: tfconfig cancel {release}. "
            f"To stop this job alone: tfconfig suspend {job}"
        )
    arguments = ["uninstall", release, *options]
    report(f"helm {' '.join(arguments)}")
    return "\n".join(map(escaped_line, helm.call(arguments).strip().splitlines()))  # outputs of hooks may be in it
