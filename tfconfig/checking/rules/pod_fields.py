"""What the Kubernetes API would refuse in the parts of a pod that the chart passes on as they are.

fields.py has their fields. Relations between fields are here; they follow
https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/validation.go
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tfconfig.checking.rules.pod_schema import PLACES, schema
from tfconfig.checking.rules.pods import volumes
from tfconfig.checking.rules.registry import Found, Job, Path, rule
from tfconfig.checking.schema import complaints
from tfconfig.values import job_spec
from tfconfig.values.quantity import parse

_RULES = {"unknown": "TFC201", "type": "TFC202", "value": "TFC203", "missing": "TFC204", "exactlyOne": "TFC205"}


@rule("TFC201", "TFC202", "TFC203", "TFC204", "TFC205")
def _fields(job: Job) -> Iterator[Found]:
    """The fields of everything that the user passes on."""
    keys = {*PLACES, "env", "data", "networkPolicy", "lifecycle", *job_spec.ROLES}
    given = {key: value for key, value in job.data.items() if key in keys and value and job.values.is_set((key,))}
    if any(_has_objects(value, key) for key, value in given.items()):
        for one in complaints(schema(), given, job.values):
            yield Found(one.path, one.found, one.fix, key=one.key, rule=_RULES[one.kind])


def _has_objects(value: Any, key: str) -> bool:
    """Whether there is anything here that the chart's schema leaves open; most jobs have nothing of it."""
    if key in PLACES:
        return bool(value)
    return isinstance(value, dict) and any(isinstance(child, (dict, list)) and child for child in value.values())


@rule("TFC206")
def _tolerations(job: Job) -> Iterator[Found]:
    places = [(path, one) for _, path, one in job.settings("tolerations")]
    places.append((("lifecycle", "tolerations"), (job.data.get("lifecycle") or {}).get("tolerations")))
    for place, tolerations in places:
        for i, one in enumerate(tolerations or []):
            path: Path = (*place, i)
            if one.get("operator") == "Exists" and one.get("value"):
                yield Found(
                    (*path, "value"), "a value, but operator Exists takes none", "remove it, or use operator Equal"
                )
            if not one.get("key") and one.get("operator") != "Exists":
                fix = "name the taint's key, or set operator: Exists to tolerate every taint"
                yield Found(path, "no key", fix)
            if one.get("tolerationSeconds") is not None and one.get("effect") != "NoExecute":
                fix = "set effect: NoExecute, or remove tolerationSeconds"
                yield Found((*path, "tolerationSeconds"), "only for effect NoExecute", fix)


@rule("TFC207")
def _selectors(job: Job) -> Iterator[Found]:
    for key in ("affinity", "topologySpreadConstraints"):
        for _, place, value in job.settings(key):
            for path, one in _maps(value, place):
                operator, values = one.get("operator"), one.get("values")
                if operator in ("In", "NotIn") and not values:
                    yield Found(path, f"operator {operator} without values", "add values: [one, two]")
                if operator in ("Exists", "DoesNotExist") and values:
                    yield Found(
                        (*path, "values"), f"operator {operator} takes no values", "remove them, or use operator In"
                    )
                if operator in ("Gt", "Lt") and not (
                    isinstance(values, list) and len(values) == 1 and _whole(values[0])
                ):
                    yield Found(path, f"operator {operator} needs one whole number", 'write values: ["4"]')


def _whole(text: Any) -> bool:
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
_ONE = 10**9  # in the billionths that quantities are held in
_SMALLEST = (1 << 20) * _ONE


def _amount(quantity: Any) -> int:
    return parse(quantity).nanos


@rule("TFC208", "TFC209")
def _resources(job: Job) -> Iterator[Found]:
    places: dict[Path, Any] = {path: one for _, path, one in job.settings("resources")}
    places["lifecycle", "resources"] = (job.data.get("lifecycle") or {}).get("resources")
    for key in ("initContainers", "extraContainers"):
        for _, place, containers in job.settings(key):
            places.update(((*place, i, "resources"), one.get("resources")) for i, one in enumerate(containers or []))
    for path, resources in places.items():
        limits, requests = ((resources or {}).get(part) or {} for part in ("limits", "requests"))
        for part, amounts in (("limits", limits), ("requests", requests)):
            for name, quantity in amounts.items():
                place = (*path, part, name)
                standard = _STANDARD.fullmatch(name)
                if not standard and "/" not in name:
                    fix = "write cpu, memory or ephemeral-storage; others have a domain, such as nvidia.com/gpu"
                    yield Found(place, "no resource of Kubernetes", fix, key=True)
                elif not standard and _amount(quantity) % _ONE:
                    yield Found(place, f"{quantity}, but it comes in whole pieces", "give a whole number")
                elif name in ("memory", "ephemeral-storage") and 0 < _amount(quantity) < _SMALLEST:
                    yield Found(place, f"{quantity} are bytes", f"write {_bytes(quantity)}", rule="TFC209")
        for name, quantity in requests.items():
            other = (*path, "limits", name)
            if name in limits and _amount(quantity) > _amount(limits[name]):
                found = f"{quantity}, more than the limit of {limits[name]}"
                yield Found((*path, "requests", name), found, "ask for at most the limit", (other,))
            elif "/" in name and "kubernetes.io/" not in name and _amount(limits.get(name, -1)) != _amount(quantity):
                found = f"{quantity}, but the limit is {limits.get(name, 'missing')}"
                yield Found(
                    (*path, "requests", name), found, "ask for exactly the limit; it cannot be overcommitted", (other,)
                )
    sizes: list[tuple[Path, Any]] = [(path, size) for _, path, size in job.settings("shmSize")]
    if job.data["checkpoint"]["enabled"] and not job.data["checkpoint"].get("existingClaim"):
        sizes.append((("checkpoint", "size"), job.data["checkpoint"]["size"]))
    for path, size in sizes:
        if size and _amount(size) < _SMALLEST:
            yield Found(path, f"{size} are bytes", f"write {_bytes(size)}", rule="TFC209")


def _bytes(quantity: Any) -> str:
    """What somebody meant who forgot the unit."""
    return f"{str(quantity).rstrip('m')}Gi" if _amount(quantity) else "10Gi"


@rule("TFC210")
def _contexts(job: Job) -> Iterator[Found]:
    for role in job.roles:
        pod = job.setting(role, "podSecurityContext") or {}
        contexts = [(job.place(role, "securityContext"), job.setting(role, "securityContext") or {})]
        for key in ("initContainers", "extraContainers"):
            for i, container in enumerate(job.setting(role, key) or []):
                contexts.append(((*job.place(role, key), i, "securityContext"), container.get("securityContext") or {}))
        for path, own in contexts:
            both = {**pod, **{key: value for key, value in own.items() if value is not None}}
            if both.get("runAsNonRoot") and both.get("runAsUser") == 0:
                place = (
                    (*path, "runAsUser")
                    if "runAsUser" in own
                    else (*job.place(role, "podSecurityContext"), "runAsUser")
                )
                other = (*path, "runAsNonRoot") if "runAsNonRoot" in own else (*place[:-1], "runAsNonRoot")
                yield Found(
                    place, "0 is root, but runAsNonRoot is true", "set another user, or runAsNonRoot: false", (other,)
                )
            powers = ((own.get("capabilities") or {}).get("add")) or []
            if own.get("allowPrivilegeEscalation") is False and (
                own.get("privileged") or {"SYS_ADMIN", "CAP_SYS_ADMIN"} & set(powers)
            ):
                other = (*path, "capabilities", "add") if powers else (*path, "allowPrivilegeEscalation")
                found = "privileged, but allowPrivilegeEscalation is false"
                fix = "remove it; a container that needs it sets allowPrivilegeEscalation: true"
                yield Found((*path, "privileged"), found, fix, (other,))
        for path, context in [(job.place(role, "podSecurityContext"), pod), *contexts]:
            for place, one in _maps(context, path):
                if "type" in one and (one["type"] == "Localhost") != bool(one.get("localhostProfile")):
                    fix = "give both, or type: RuntimeDefault alone"
                    yield Found(place, "type Localhost and localhostProfile belong together", fix)


@rule("TFC211", "TFC212")
def _containers(job: Job) -> Iterator[Found]:
    for role in job.roles:
        known = volumes(job, role) | {one["name"] for one in job.setting(role, "extraVolumes") or []}
        for key in ("initContainers", "extraContainers"):
            for i, container in enumerate(job.setting(role, key) or []):
                path: Path = (*job.place(role, key), i)
                yield from _twice(path, container, "volumeMounts", "mountPath")
                yield from _twice(path, container, "ports", "name")
                for j, mount in enumerate(container.get("volumeMounts") or []):
                    if mount["name"] not in known:
                        found = f"there is no volume {mount['name']}"
                        yield Found((*path, "volumeMounts", j, "name"), found, "add it to extraVolumes")
                for j, one in enumerate(container.get("env") or []):
                    if one.get("value") and one.get("valueFrom"):
                        yield Found(
                            (*path, "env", j, "valueFrom"),
                            "value and valueFrom",
                            "keep one of them",
                            key=True,
                            rule="TFC212",
                        )
                for name in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"):
                    if key == "initContainers" and container.get(name) and container.get("restartPolicy") != "Always":
                        fix = "remove it; with restartPolicy: Always it is a sidecar, which may have one"
                        yield Found((*path, name), "not for an init container", fix, key=True, rule="TFC212")
    for _, place, constraints in job.settings("topologySpreadConstraints"):
        for i, one in enumerate(constraints or []):
            if one.get("minDomains") and one["whenUnsatisfiable"] != "DoNotSchedule":
                yield Found(
                    (*place, i, "minDomains"), "only with whenUnsatisfiable DoNotSchedule", "remove it", rule="TFC212"
                )
            if any(
                (one["topologyKey"], one["whenUnsatisfiable"]) == (o["topologyKey"], o["whenUnsatisfiable"])
                for o in constraints[:i]
            ):
                found = f"a second constraint for {one['topologyKey']}"
                yield Found((*place, i, "topologyKey"), found, "remove one of them", rule="TFC212")
    for i, peer in enumerate(job.data["networkPolicy"].get("extraPeers") or []):
        if peer.get("ipBlock") and len(peer) > 1:
            found, fix = "ipBlock stands alone in a peer", "write two peers"
            yield Found(("networkPolicy", "extraPeers", i), found, fix, rule="TFC212")


def _twice(path: Path, container: Mapping[str, Any], key: str, name: str) -> Iterator[Found]:
    seen: set[str] = set()
    for i, one in enumerate(container.get(key) or []):
        if one.get(name) in seen:
            yield Found((*path, key, i, name), f"{one[name]} stands twice", "give each its own")
        if one.get(name):
            seen.add(one[name])


@rule("TFC213")
def _extra_objects(job: Job) -> Iterator[Found]:
    for name, one in (job.data.get("extraObjects") or {}).items():
        if not one or not isinstance(one, dict):
            continue
        missing = [key for key in ("apiVersion", "kind") if not one.get(key)]
        if not (one.get("metadata") or {}).get("name") and one.get("kind") != "List":
            missing.append("metadata.name")
        if missing:
            yield Found(
                ("extraObjects", name), f"no {' and no '.join(missing)}", "write a whole Kubernetes object", key=True
            )
