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
MAX_NAMESERVERS = 3
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


@rule("TFC214")
def _needed(job: JobValues) -> Iterator[Diagnostic]:
    """What the API server wants beside a field."""
    for role in job.roles:
        spec = job.setting(role, "podSpec")
        servers = (spec.get("dnsConfig") or {}).get("nameservers") or []
        if spec.get("dnsPolicy") == "None" and not servers:
            message, fix = "None needs at least one of dnsConfig.nameservers", "add it, or remove dnsPolicy"
            yield job.diagnostic("TFC214", _last(job, role, "dnsPolicy"), message, fix)
        if len(servers) > MAX_NAMESERVERS:
            message = f"{len(servers)} nameservers, but Kubernetes takes {MAX_NAMESERVERS}"
            yield job.diagnostic("TFC214", (*_last(job, role, "dnsConfig"), "nameservers"), message, "remove some")
        if spec.get("overhead") and not (job.setting(role, "runtimeClassName") or spec.get("runtimeClassName")):
            message, fix = "needs a runtimeClassName whose RuntimeClass has the same", "set it, or remove overhead"
            yield job.diagnostic("TFC214", _last(job, role, "overhead"), message, fix, key=True)


@rule("TFC329")
def _node_dns(job: JobValues) -> Iterator[Diagnostic]:
    if sum(job.replicas.values()) < 2:
        return
    for role in job.roles:
        spec = job.setting(role, "podSpec")
        if spec.get("dnsPolicy") == "Default" and not spec.get("dnsConfig") and not spec.get("hostAliases"):
            message = "Default: pods ask the DNS of their node, which does not know the other tasks"
            yield job.diagnostic("TFC329", _last(job, role, "dnsPolicy"), message, "remove it")


def _last(job: JobValues, role: str, field: str) -> Path:
    """Where a field of podSpec is set; the role's own place before that of all roles."""
    return [place for place, _ in job.layers(role, "podSpec", field)][-1]


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
