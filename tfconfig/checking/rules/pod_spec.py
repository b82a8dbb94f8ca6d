"""Rules about podSpec and container, which the chart merges into the training pods, and about their rights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tfconfig.checking.rules.registry import JobValues, Path, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.values import job_spec

_REMOVE = "remove it"
_SAME = "set the value of that name"
# What the chart's promises need, and what to do instead. chart/templates/_pod_spec.tpl has the same.
OWN_FIELDS = {
    "podSpec": {
        "activeDeadlineSeconds": "set deadlines.activeSeconds",
        "automountServiceAccountToken": "remove it: training pods get no token for the Kubernetes API",
        "containers": "set container for the training container, and extraContainers for others",
        "enableServiceLinks": _REMOVE,
        "ephemeralContainers": "set extraContainers",
        "hostIPC": _REMOVE,
        "hostNetwork": _REMOVE,
        "hostPID": _REMOVE,
        "hostname": _REMOVE,
        "hostnameOverride": _REMOVE,
        "restartPolicy": "set restart.policy",
        "setHostnameAsFQDN": _REMOVE,
        "shareProcessNamespace": _REMOVE,
        "subdomain": _REMOVE,
        "terminationGracePeriodSeconds": _SAME,
    },
    "container": {
        "args": "set program.args",
        "command": "set program.command, or python",
        "env": _SAME,
        "envFrom": _SAME,
        "image": _SAME,
        "name": _REMOVE,
        "resources": _SAME,
        "restartPolicy": "set restart.policy",
        "restartPolicyRules": "set restart.policy",
        "terminationMessagePath": _REMOVE,
        "terminationMessagePolicy": _REMOVE,
        "workingDir": "set program.workingDir",
    },
}
_API_AUDIENCE = re.compile(r"^$|^(https://)?kubernetes\.default|^api$")


@rule("TFC185")
def _own_fields(job: JobValues) -> Iterator[Diagnostic]:
    for where in ((), *((role,) for role in job_spec.ROLES)):
        values = job.data.get(where[0]) or {} if where else job.data
        for part, fields in OWN_FIELDS.items():
            for field, value in (values.get(part) or {}).items():
                if field in fields and value is not None:
                    yield job.diagnostic("TFC185", (*where, part, field), "not supported", fields[field], key=True)


@rule("TFC186")
def _tokens(job: JobValues) -> Iterator[Diagnostic]:
    seen: set[Path] = set()
    for path, name, volume in _volumes(job):
        for i, source in enumerate((volume.get("projected") or {}).get("sources") or []):
            token = source.get("serviceAccountToken")
            place = (*path, "projected", "sources", i, "serviceAccountToken")
            if isinstance(token, Mapping) and _API_AUDIENCE.search(str(token.get("audience") or "")):
                if place not in seen:
                    message = "a serviceAccountToken for the Kubernetes API, which training pods never get"
                    fix = "name the audience of the service that it is for, or remove it"
                    yield job.diagnostic("TFC186", place, message, fix, key=True, label=f"volume {name}")
                seen.add(place)


def _volumes(job: JobValues) -> Iterator[tuple[Path, str, Mapping[str, Any]]]:
    """The volumes that the user adds: path, name, volume."""
    for _, place, given in job.settings("extraVolumes"):
        yield from (((*place, i), volume["name"], volume) for i, volume in enumerate(given or []))
    for where in ((), *((role,) for role in job.roles)):
        values = job.data.get(where[0]) or {} if where else job.data
        for i, volume in enumerate((values.get("podSpec") or {}).get("volumes") or []):
            yield (*where, "podSpec", "volumes", i), volume["name"], volume
    for name, data in job.volumes.items():
        yield ("data", name, "volume"), f"data-{name}", data.get("volume") or {}
