"""What the user's own objects in `extraObjects` are. They are templates, so some of it is only known to Helm."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Of the text of a template, which is YAML only once Helm has rendered it: rather too many than too few.
_KIND = re.compile(r"\bkind[\"']?[ \t]*:[ \t]*([^\n]*)")
_NAMESPACE = re.compile(r"\bnamespace[\"']?[ \t]*:[ \t]*([^\n]*)")
_LOOKUP = re.compile(r"\blookup\b")
_OWN_NAMESPACE = re.compile(r"[\"'\s]*\{\{-?\s*(\.|\$\.)Release\.Namespace\s*(\|\s*quote\s*)?-?\}\}[\"'\s]*")
_RBAC = frozenset(("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"))
_CLUSTER_SCOPED = re.compile(
    r"Cluster\w+|Namespace|Node|PersistentVolume|StorageClass|CustomResourceDefinition|APIService|CSI(Driver|Node)|"
    r"\w*(Webhook|Admission|PriorityLevel)\w*|FlowSchema|(Priority|Runtime|Ingress|Gateway|Device|VolumeAttributes|"
    r"VolumeSnapshot)Class|VolumeAttachment|CertificateSigningRequest|ResourceSlice|IPAddress|ServiceCIDR"
)


@dataclass(frozen=True)
class ExtraObject:
    """An entry of `extraObjects`, a map or the text of a template."""

    name: str
    given: Any

    @property
    def kinds(self) -> list[str]:
        """The kinds of the objects in it; with {{ where a template makes the kind."""
        if isinstance(self.given, str):
            return [_scalar(kind) for kind in _KIND.findall(self.given)]
        return [str(item.get("kind")) for item in _objects(self.given) if item.get("kind")]

    @property
    def objects(self) -> list[Mapping[str, Any]]:
        """The objects in it; none of the text of a template."""
        return list(_objects(self.given))

    @property
    def beyond_the_job(self) -> list[str]:
        """Those of its kinds that give permissions, or are of the whole cluster, or are only known to Helm."""
        return [kind for kind in self.kinds if kind in _RBAC or _CLUSTER_SCOPED.fullmatch(kind) or "{{" in kind]

    @property
    def namespaces(self) -> list[str]:
        """The namespaces that its objects name, but for that of the release."""
        if isinstance(self.given, str):
            namespaces = [_scalar(text) for text in _NAMESPACE.findall(self.given)]
        else:
            metadata = [item.get("metadata") for item in _objects(self.given)]
            namespaces = [
                str(part["namespace"]) for part in metadata if isinstance(part, Mapping) and part.get("namespace")
            ]
        return [namespace for namespace in namespaces if not _OWN_NAMESPACE.fullmatch(namespace)]

    @property
    def looks_up(self) -> bool:
        """Whether it reads objects of the cluster, with the permissions of whoever installs it."""
        actions = (part.partition("}}")[0] for text in _texts(self.given) for part in text.split("{{")[1:])
        return any(_LOOKUP.search(action) for action in actions)


def extra_objects(data: Mapping[str, Any]) -> list[ExtraObject]:
    """The entries of `extraObjects` that no overlay removed."""
    given = data.get("extraObjects")
    return [ExtraObject(name, item) for name, item in (given if isinstance(given, dict) else {}).items() if item]


def _objects(item: Any) -> Iterator[Mapping[str, Any]]:
    """An object, and those in it when it is a list of them."""
    if isinstance(item, Mapping):
        yield item
        for entry in item["items"] if isinstance(item.get("items"), list) else ():
            yield from _objects(entry)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield str(key)
            yield from _texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child)
    elif isinstance(value, str):
        yield value


def _scalar(text: str) -> str:
    """A YAML scalar at the start of a line's rest; all of it where a template makes it."""
    head = re.split(r"[#,}]", text)[0]
    return text.strip() if "{{" in head else head.strip().strip("\"'")
