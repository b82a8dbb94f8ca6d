"""Whether the objects exist that the values name: Secrets, ConfigMaps, claims, service accounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, Check, Object

Reference = tuple[str, str]  # kind and name


def external_references(pods: Iterable[Object], objects: Iterable[Object]) -> list[Reference]:
    """What the pods need and the release does not contain."""
    own = {(item["kind"], item["metadata"]["name"]) for item in objects}
    needed = [reference for pod in pods for reference in _of_pod(pod["spec"])]
    return [reference for reference in dict.fromkeys(needed) if reference not in own]


def check_reference(kind: str, name: str, exists: bool | None) -> Check:
    """`exists` None: no permission to look."""
    check = f"{kind} {name}"
    if exists is None:
        return Check(check, UNKNOWN, "no permission to get it", f"make sure that it exists: kubectl get {kind.lower()}")
    if exists:
        return Check(check, OK, "exists")
    message = "is not in the namespace; the pods would wait for it"
    return Check(check, ERROR, message, "create it, or correct the values")


def _of_pod(spec: Object) -> Iterator[Reference]:
    yield from _named("ServiceAccount", spec, "serviceAccountName")
    for secret in spec.get("imagePullSecrets") or ():
        yield from _named("Secret", secret)
    for volume in spec.get("volumes") or ():
        yield from _named("Secret", volume.get("secret"), "secretName")
        yield from _named("PersistentVolumeClaim", volume.get("persistentVolumeClaim"), "claimName")
        yield from _named("ConfigMap", volume.get("configMap"))
        for source in volume.get("projected", {}).get("sources") or ():
            yield from _named("Secret", source.get("secret"))
            yield from _named("ConfigMap", source.get("configMap"))
    for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
        for entry in container.get("env") or ():
            source = entry.get("valueFrom") or {}
            yield from _named("ConfigMap", source.get("configMapKeyRef"))
            yield from _named("Secret", source.get("secretKeyRef"))
        for source in container.get("envFrom") or ():
            yield from _named("ConfigMap", source.get("configMapRef"))
            yield from _named("Secret", source.get("secretRef"))


def _named(kind: str, source: Object | None, key: str = "name") -> Iterator[Reference]:
    if source and source.get(key) and not source.get("optional"):
        yield kind, source[key]
