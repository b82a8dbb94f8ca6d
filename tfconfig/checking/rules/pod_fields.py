"""What the Kubernetes API would refuse in the parts of a pod that the chart passes to it unchanged.

pod_schema.py has their fields. The relations between fields are here; they follow
https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/validation.go
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tfconfig.checking.rules import ports
from tfconfig.checking.rules.pod_schema import PLACES, schema
from tfconfig.checking.rules.pods import volumes
from tfconfig.checking.rules.registry import JobValues, Path, rule
from tfconfig.checking.schema import EXACTLY_ONE, MISSING, TYPE, UNKNOWN, VALUE, errors, explain
from tfconfig.diagnostics import Diagnostic
from tfconfig.values import job_spec
from tfconfig.values.quantity import parse
from tfconfig.values.role_settings import user_volumes

_RULES = {UNKNOWN: "TFC201", TYPE: "TFC202", VALUE: "TFC203", MISSING: "TFC204", EXACTLY_ONE: "TFC205"}


@rule("TFC201", "TFC202", "TFC203", "TFC204", "TFC205")
def _fields(job: JobValues) -> Iterator[Diagnostic]:
    keys = {*PLACES, "env", "data", "networkPolicy", "lifecycle", *job_spec.ROLES}
    given = {key: value for key, value in job.data.items() if key in keys and value and job.values.is_set((key,))}
    if any(_has_objects(value, key) for key, value in given.items()):
        for error in errors(schema(), given):
            yield from explain(error, job.values, schema(), _RULES)


def _has_objects(value: Any, key: str) -> bool:
    """Whether there is anything here that the chart's schema leaves open; most jobs have nothing of it."""
    if key in PLACES:
        return bool(value)
    return isinstance(value, dict) and any(isinstance(child, (dict, list)) and child for child in value.values())


@rule("TFC206")
def _tolerations(job: JobValues) -> Iterator[Diagnostic]:
    places = [(path, tolerations) for _, path, tolerations in job.settings("tolerations")]
    places.append((("lifecycle", "tolerations"), (job.data.get("lifecycle") or {}).get("tolerations")))
    for place, tolerations in places:
        for i, toleration in enumerate(tolerations or []):
            path: Path = (*place, i)
            operator = toleration.get("operator")
            if operator == "Exists" and toleration.get("value"):
                fix = "remove it, or use operator Equal"
                yield job.diagnostic("TFC206", (*path, "value"), "operator Exists does not accept a value", fix)
            if not toleration.get("key") and operator != "Exists":
                fix = "set the key of the taint, or operator: Exists to tolerate every taint"
                yield job.diagnostic("TFC206", path, "the key is missing", fix)
            if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
                fix = "set effect: NoExecute, or remove tolerationSeconds"
                yield job.diagnostic("TFC206", (*path, "tolerationSeconds"), "only valid with effect NoExecute", fix)


@rule("TFC207")
def _selectors(job: JobValues) -> Iterator[Diagnostic]:
    for key in ("affinity", "topologySpreadConstraints"):
        for _, place, value in job.settings(key):
            for path, requirement in _maps(value, place):
                operator, values = requirement.get("operator"), requirement.get("values")
                if operator in ("In", "NotIn") and not values:
                    yield job.diagnostic(
                        "TFC207", path, f"operator {operator} requires values", "add values: [one, two]"
                    )
                if operator in ("Exists", "DoesNotExist") and values:
                    message = f"operator {operator} does not accept values"
                    yield job.diagnostic("TFC207", (*path, "values"), message, "remove them, or use operator In")
                if operator in ("Gt", "Lt") and not (
                    isinstance(values, list) and len(values) == 1 and _is_integer(values[0])
                ):
                    message = f"operator {operator} requires one integer"
                    yield job.diagnostic("TFC207", path, message, 'write values: ["4"]')


def _is_integer(text: Any) -> bool:
    return bool(re.fullmatch(r"-?[0-9]+", str(text)))


def _maps(value: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every map in a value, with its path."""
    if isinstance(value, dict):
        yield path, value
    for name, child in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from _maps(child, (*path, name))


_STANDARD = re.compile(r"cpu|memory|ephemeral-storage|hugepages-.+")
_UNIT = 10**9  # quantities are held in billionths
_SMALLEST = (1 << 20) * _UNIT


def _amount(quantity: Any) -> int:
    return parse(quantity).nanos


@rule("TFC208", "TFC209")
def _resources(job: JobValues) -> Iterator[Diagnostic]:
    places: dict[Path, Any] = {path: resources for _, path, resources in job.settings("resources")}
    places["lifecycle", "resources"] = (job.data.get("lifecycle") or {}).get("resources")
    places.update(((*place, "resources"), item.get("resources")) for place, item in job.containers().items())
    for role in job.roles:
        for path, whole in job.layers(role, "podSpec", "resources"):
            places[path] = whole
            for part in ("limits", "requests"):
                for name in whole.get(part) or {}:
                    if name not in ("cpu", "memory") and not name.startswith("hugepages-"):
                        message, fix = "not a resource of the pod as a whole", "set it in resources"
                        yield job.diagnostic("TFC208", (*path, part, name), message, fix, key=True)
    for path, resources in places.items():
        limits, requests = ((resources or {}).get(part) or {} for part in ("limits", "requests"))
        yield from _amounts(job, (*path, "limits"), limits)
        yield from _amounts(job, (*path, "requests"), requests)
        for name, quantity in requests.items():
            place, limit = (*path, "requests", name), (*path, "limits", name)
            if name in limits and _amount(quantity) > _amount(limits[name]):
                message = f"{quantity} is more than the limit of {limits[name]}"
                yield job.diagnostic("TFC208", place, message, "request at most the limit", (limit,))
            elif "/" in name and "kubernetes.io/" not in name and _amount(limits.get(name, -1)) != _amount(quantity):
                message = f"{quantity}, but the limit is {limits.get(name, 'missing')}"
                fix = "request exactly the limit, because this resource cannot be overcommitted"
                yield job.diagnostic("TFC208", place, message, fix, (limit,))
    sizes: list[tuple[Path, Any]] = [(path, size) for _, path, size in job.settings("shmSize")]
    if job.data["checkpoint"]["enabled"] and not job.data["checkpoint"].get("existingClaim"):
        sizes.append((("checkpoint", "size"), job.data["checkpoint"]["size"]))
    for path, size in sizes:
        if size and _amount(size) < _SMALLEST:
            yield _without_unit(job, path, size)


def _amounts(job: JobValues, path: Path, amounts: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Check limits or requests by themselves."""
    for name, quantity in amounts.items():
        place = (*path, name)
        standard = _STANDARD.fullmatch(name)
        if not standard and "/" not in name:
            fix = "use cpu, memory or ephemeral-storage, or a name with a domain such as nvidia.com/gpu"
            yield job.diagnostic("TFC208", place, "unknown resource", fix, key=True)
        elif not standard and _amount(quantity) % _UNIT:
            message = f"{quantity}, but this resource comes in whole units only"
            yield job.diagnostic("TFC208", place, message, "use an integer")
        elif name in ("memory", "ephemeral-storage") and 0 < _amount(quantity) < _SMALLEST:
            yield _without_unit(job, place, quantity)


def _without_unit(job: JobValues, path: Path, quantity: Any) -> Diagnostic:
    meant = f"{str(quantity).rstrip('m')}Gi" if _amount(quantity) else "10Gi"
    return job.diagnostic("TFC209", path, f"{quantity} means bytes", f"did you mean {meant}?")


@rule("TFC210")
def _security_contexts(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        pod_path = job.place(role, "podSecurityContext")
        pod, pod_places = _security_context(job, role, "podSecurityContext", "podSpec")
        path = job.place(role, "securityContext")
        contexts = [(path, *_security_context(job, role, "securityContext", "container"))]
        for key in ("initContainers", "extraContainers"):
            for place, container in job.entries(role, key):
                path = (*place, "securityContext")
                own = container.get("securityContext") or {}
                contexts.append((path, own, dict.fromkeys(own, path)))
        for path, own, places in contexts:
            effective = {**pod, **{key: value for key, value in own.items() if value is not None}}
            if effective.get("runAsNonRoot") and effective.get("runAsUser") == 0:
                where = {**pod_places, **places}
                place, related = (*where["runAsUser"], "runAsUser"), (*where["runAsNonRoot"], "runAsNonRoot")
                fix = "set another user, or runAsNonRoot: false"
                yield job.diagnostic("TFC210", place, "0 is root, but runAsNonRoot is true", fix, (related,))
            added = ((own.get("capabilities") or {}).get("add")) or []
            if own.get("allowPrivilegeEscalation") is False and (
                own.get("privileged") or {"SYS_ADMIN", "CAP_SYS_ADMIN"} & set(added)
            ):
                related = (*path, "capabilities", "add") if added else (*path, "allowPrivilegeEscalation")
                message = "privileged, but allowPrivilegeEscalation is false"
                fix = "remove it, or set allowPrivilegeEscalation: true"
                place = (*places.get("privileged", path), "privileged")
                yield job.diagnostic("TFC210", place, message, fix, (related,))
        for path, context in [(pod_path, pod), *((path, own) for path, own, _ in contexts)]:
            for place, profile in _maps(context, path):
                if "type" in profile and (profile["type"] == "Localhost") != bool(profile.get("localhostProfile")):
                    message = "type Localhost and localhostProfile require each other"
                    yield job.diagnostic("TFC210", place, message, "set both, or only type: RuntimeDefault")


def _security_context(job: JobValues, role: str, key: str, part: str) -> tuple[dict[str, Any], dict[str, Path]]:
    """A security context with what podSpec or container sets in it, and where each of its keys is set."""
    context: dict[str, Any] = {}
    places: dict[str, Path] = {}
    layers = [(job.place(role, key), job.setting(role, key) or {}), *job.layers(role, part, "securityContext")]
    for path, values in layers:
        for name, value in values.items():
            if value is not None:
                context[name], places[name] = value, path
    return context, places


@rule("TFC211")
def _mounts_and_ports(job: JobValues) -> Iterator[Diagnostic]:
    yield from ports.twice(job)
    for role in job.roles:
        known = volumes(job, role) | {volume["name"] for volume in user_volumes(job.data, role)}
        for key in ("initContainers", "extraContainers"):
            for path, container in job.entries(role, key):
                yield from _mounted_twice(job, path, container)
                for j, mount in enumerate(container.get("volumeMounts") or []):
                    if mount["name"] not in known:
                        message, fix = f"there is no volume {mount['name']}", "add it to extraVolumes"
                        yield job.diagnostic("TFC211", (*path, "volumeMounts", j, "name"), message, fix)


def _mounted_twice(job: JobValues, path: Path, container: Mapping[str, Any]) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for i, mount in enumerate(container.get("volumeMounts") or []):
        value = mount["mountPath"]
        if value in seen:
            place = (*path, "volumeMounts", i, "mountPath")
            yield job.diagnostic("TFC211", place, f"{value} is used twice", "change one of them")
        seen.add(value)


@rule("TFC212")
def _exclusive_fields(job: JobValues) -> Iterator[Diagnostic]:
    for place, container in job.containers().items():
        for j, variable in enumerate(container.get("env") or []):
            if variable.get("value") and variable.get("valueFrom"):
                path: Path = (*place, "env", j, "valueFrom")
                yield job.diagnostic("TFC212", path, "set together with value", "keep one of them", key=True)
        for name in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"):
            if "initContainers" in place and container.get(name) and container.get("restartPolicy") != "Always":
                message = "not allowed in an init container"
                fix = "remove it, or make the container a sidecar with restartPolicy: Always"
                yield job.diagnostic("TFC212", (*place, name), message, fix, key=True)
    for _, place, constraints in job.settings("topologySpreadConstraints"):
        seen: set[tuple[str, str]] = set()
        for i, constraint in enumerate(constraints or []):
            topology = constraint["topologyKey"], constraint["whenUnsatisfiable"]
            if constraint.get("minDomains") and constraint["whenUnsatisfiable"] != "DoNotSchedule":
                message = "only valid with whenUnsatisfiable DoNotSchedule"
                yield job.diagnostic("TFC212", (*place, i, "minDomains"), message, "remove it")
            if topology in seen:
                message = f"duplicate constraint for {constraint['topologyKey']}"
                yield job.diagnostic("TFC212", (*place, i, "topologyKey"), message, "remove one of them")
            seen.add(topology)
    for section, key in (("networkPolicy", "extraPeers"), ("tensorboard", "from"), ("metrics", "from")):
        for i, peer in enumerate(job.data[section].get(key) or []):
            if peer.get("ipBlock") and len(peer) > 1:
                message = "ipBlock cannot be combined with selectors in one peer"
                yield job.diagnostic("TFC212", (section, key, i), message, "write two peers")


@rule("TFC213")
def _extra_objects(job: JobValues) -> Iterator[Diagnostic]:
    for name, item in (job.data.get("extraObjects") or {}).items():
        if not item or not isinstance(item, dict):
            continue
        missing = [key for key in ("apiVersion", "kind") if not item.get(key)]
        metadata = item.get("metadata")
        if not (isinstance(metadata, dict) and metadata.get("name")) and item.get("kind") != "List":
            missing.append("metadata.name")
        if missing:
            message = f"{' and '.join(missing)} missing"
            yield job.diagnostic(
                "TFC213", ("extraObjects", name), message, "write a complete Kubernetes object", key=True
            )
