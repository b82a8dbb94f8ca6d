"""A job as policies see it: beside the values what the pods of each role get, the images of all, and the totals.

The values alone do not say it: a role overrides them, podSpec and container are laid over the chart's pods, null takes
a default away, and an image's registry may be part of its repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfconfig.values import device_claims, job_spec
from tfconfig.values.helm_yaml import Node, plain
from tfconfig.values.load import Values
from tfconfig.values.pod_amounts import Amounts, pod_amounts, summed, times
from tfconfig.values.role_settings import MERGED, NO_DEVICE, OVERLAID, data_volumes, own_program, program, setting

KEYS = frozenset(("roles", "totals", "images", "objects"))  # beside the keys of the values
# All keys that these have.
NAMES = {"roles": job_spec.ROLES, "totals": ("tasks", "pods", "gpus", "unknownClaims", "requests", "limits")}
_Path = tuple[str | int, ...]

# Settings of training pods, and the field of a pod that each becomes.
_POD_FIELDS = {
    **{name: name for name in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints")},
    **{name: name for name in ("priorityClassName", "runtimeClassName", "schedulerName", "initContainers")},
    "podSecurityContext": "securityContext",
}
_SETTINGS = (
    *(
        "gpuResource",
        "env",
        "envFrom",
        "python",
        "pythonFrom",
        "resources",
        "podLabels",
        "podAnnotations",
        "securityContext",
    ),
    *("extraContainers", "extraVolumes", "extraVolumeMounts", "shmSize", "terminationGracePeriodSeconds"),
    *("unreachableTolerationSeconds", "podSpec", "container", *_POD_FIELDS),
)


def effective(values: Values, objects: Mapping[str, Any] | None = None) -> Values:
    """The values with `roles`, `images` and `totals` beside them, and `objects`, those that Helm renders, where given.

    What is added has the places of the values that it follows from. Raises KeyError, TypeError, AttributeError or
    ValueError for values that the chart's schema refuses.
    """
    view = _View(values)
    added = {"roles": view.roles, "images": view.images(), "totals": view.totals()}
    if objects is not None:
        added["objects"] = view.node(dict(objects))
    root = Node({**values.root.value, **added}, values.root.origin)
    return Values(root, values.files, values.chart, alias=values.alias, umbrella_file=values.umbrella_file)


def registry(image: str) -> str:
    """The host that an image is pulled from, as container runtimes read its reference."""
    first, slash, _ = image.partition("/")
    return first if slash and (re.search(r"[.:]", first) or first == "localhost") else "docker.io"


class _View:
    """Makes Nodes of what follows from values."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.data = values.data
        self.default_tag = str(values.chart.metadata.get("appVersion") or "")
        counts = job_spec.replicas(self.data, values.chart.strategies)
        self.counts = {role: count for role, count in counts.items() if count}
        self.roles = Node({role: self._role(role) for role in self.counts}, values.root.origin)
        self.others = ["lifecycle", *(["tensorboard"] if self.data["tensorboard"].get("enabled") else [])]

    def node(self, value: Any, *places: _Path) -> Node:
        """A value, each part of it with the first of these places that the user set."""
        path = next((place for place in places if self.values.is_set(place)), places[0] if places else ())
        if isinstance(value, Mapping):
            value = {str(key): self.node(child, *((*place, key) for place in places)) for key, child in value.items()}
        elif isinstance(value, (list, tuple)):
            value = [self.node(child, *((*place, i) for place in places)) for i, child in enumerate(value)]
        return Node(value, self.values.origin(path) if path else self.values.root.origin)

    def images(self) -> Node:
        """Every image of the job: container, registry and reference."""
        nodes: list[Node] = []
        for role, node in self.roles.value.items():
            pod = node.value["pod"].value
            for container in [*pod["initContainers"].value, *pod["containers"].value]:
                image = container.value["image"]
                nodes.append(_image_node(f"{role}/{container.value['name'].value}", image))
            for volume in pod["volumes"].value:
                image = (volume.value.get("image") or Node({}, volume.origin)).value
                if reference := (image or {}).get("reference"):
                    nodes.append(_image_node(f"{role}/{volume.value['name'].value}", reference))
        for name in self.others:
            places = [(name, "image", key) for key in ("registry", "repository", "tag", "digest")]
            nodes.append(_image_node(name, self.node(self._reference(self.data[name]["image"], ""), *places)))
        return Node(nodes, self.values.root.origin)

    def totals(self) -> Node:
        """Tasks, pods, GPUs, requests and limits of all pods together, at the place of the role that asks for most."""
        amounts: dict[str, list[Amounts]] = {"requests": [], "limits": []}
        largest: tuple[int, _Path] = (-1, ())
        pods = [(plain(self.roles.value[role])["pod"], count) for role, count in self.counts.items()]
        devices, unknown = device_claims.claimed(self.data, pods)
        for kind, every in amounts.items():
            for role, count in self.counts.items():
                pod = plain(self.roles.value[role])["pod"]
                of_role = times(pod_amounts(pod, kind), count)
                every.append(of_role)
                largest = max(largest, (_gpus(of_role), (role, "gpus")))
            every += [pod_amounts({"containers": [self.data[name]]}, kind) for name in self.others]
        tasks = sum(self.counts.values())
        sums = {kind: summed(every) for kind, every in amounts.items()}
        totals = {
            "tasks": tasks,
            "pods": tasks + len(self.others),
            "gpus": _gpus(sums["limits"]) + devices,
            "unknownClaims": unknown,
            **{kind: {name: _number(amount.nanos) for name, amount in total.items()} for kind, total in sums.items()},
        }
        return self.node(totals, largest[1])

    def _role(self, role: str) -> Node:
        nodes = {key: self.node(setting(self.data, role, key), *self._places(role, key)) for key in _SETTINGS}
        image = setting(self.data, role, "image")
        nodes["image"] = self._image(role, image)
        nodes["replicas"] = self.node(self.counts[role], (role, "replicas"))
        nodes["gpus"] = self.node(job_spec.gpus(self.data, role), (role, "gpus"))
        nodes["program"] = self._program(role)
        nodes["pod"] = self._pod(role, nodes)
        return Node(nodes, self.values.origin((role,)))

    def _program(self, role: str) -> Node:
        own = own_program((self.data.get(role) or {}).get("program") or {})
        parts = {
            key: self.node(arguments, (role, "program", key) if key in own else ("program", key))
            for key, arguments in program(self.data, role).items()
        }
        return Node(parts, self.node({}, (role, "program"), ("program",)).origin)

    def _places(self, role: str, key: str) -> list[_Path]:
        """Where the user may have set a role's setting; the role's own comes first."""
        own = self.data.get(role) or {}
        if key in MERGED or key in OVERLAID:
            return [(role, key), (key,)]
        return [(role, key)] if key in own else [(key,)]

    def _image(self, role: str, image: Mapping[str, Any]) -> Node:
        reference = self._reference(image, self.default_tag)
        places = self._places(role, "image")
        parts = {
            **{key: image.get(key) or "" for key in ("repository", "tag", "digest", "pullPolicy")},
            "registry": registry(reference),
        }
        nodes: dict[str, Node] = self.node(parts, *places).value
        named = [(*place, key) for key in ("registry", "repository", "tag") for place in places]
        nodes["reference"] = self.node(reference, *named)
        nodes["registry"] = self.node(registry(reference), *named)
        return Node(nodes, self.node({}, *places).origin)

    def _reference(self, image: Mapping[str, Any], default_tag: str) -> str:
        """As the chart's template `image` makes it."""
        digest = image.get("digest")
        tag = image.get("tag") or ("" if digest else default_tag)
        host = f"{image['registry']}/" if image.get("registry") else ""
        return f"{host}{image['repository']}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")

    def _pod(self, role: str, settings: Mapping[str, Node]) -> Node:
        """The spec of a role's pods, without the parts that no value decides."""
        given: dict[str, Node] = dict(settings["podSpec"].value)
        fields = {field: settings[name] for name, field in _POD_FIELDS.items() if settings[name].value}
        fields["imagePullSecrets"] = self.node(self.data.get("imagePullSecrets") or [], ("imagePullSecrets",))
        fields["containers"] = self._containers(role, settings)
        fields["volumes"] = Node([*self._volumes(), *_items(settings["extraVolumes"])], settings["extraVolumes"].origin)
        fields.setdefault("initContainers", Node([], settings["initContainers"].origin))
        fields["serviceAccountName"] = Node("default", settings["podSpec"].origin)
        return _overlay(Node(fields, settings["podSpec"].origin), Node(given, settings["podSpec"].origin))

    def _containers(self, role: str, settings: Mapping[str, Node]) -> Node:
        first = {
            "name": Node("tensorflow", settings["image"].origin),
            "image": settings["image"].value["reference"],
            "resources": self.node(job_spec.resources(self.data, role), *self._places(role, "resources"), (role,)),
            "envFrom": settings["envFrom"],
            "volumeMounts": settings["extraVolumeMounts"],
        }
        if settings["securityContext"].value:
            first["securityContext"] = settings["securityContext"]
        training = _overlay(Node(first, settings["image"].origin), settings["container"])
        return Node([training, *_items(settings["extraContainers"])], settings["extraContainers"].origin)

    def _volumes(self) -> Iterator[Node]:
        """The volumes of the training pods that are there for data and checkpoints."""
        for name, volume in data_volumes(self.data).items():
            place: _Path = ("data", name)
            claim = {"persistentVolumeClaim": {"claimName": volume.get("existingClaim")}}
            node = self.node({"name": f"data-{name}"}, place)
            if volume.get("existingClaim"):
                node.value.update(self.node(claim, (*place, "existingClaim")).value)
            node.value.update(self.node(volume.get("volume") or {}, (*place, "volume")).value)
            yield node
        if claim_name := self.data["checkpoint"].get("enabled") and self.data["checkpoint"].get("existingClaim"):
            source = {"name": "checkpoints", "persistentVolumeClaim": {"claimName": claim_name}}
            yield self.node(source, ("checkpoint", "existingClaim"))


def _image_node(container: str, reference: Node) -> Node:
    parts = {"container": container, "registry": registry(str(reference.value)), "reference": reference.value}
    return Node({key: Node(value, reference.origin) for key, value in parts.items()}, reference.origin)


def _items(node: Node) -> Sequence[Node]:
    items: Sequence[Node] = node.value or []
    return items


def _overlay(base: Node, over: Node) -> Node:
    """As role_settings.overlay, with places."""
    result: dict[str, Node] = dict(base.value)
    for key, node in over.value.items():
        before = result.get(key)
        if before and isinstance(node.value, dict) and isinstance(before.value, dict):
            result[key] = _overlay(before, node)
        elif before and isinstance(node.value, list) and isinstance(before.value, list):
            result[key] = Node([*before.value, *node.value], node.origin)
        elif node.value is not None:
            result[key] = node
    return Node(result, base.origin)


def _gpus(amounts: Amounts) -> int:
    """The devices among resources: all with a domain but network and memory."""
    devices = [amount for name, amount in amounts.items() if "/" in name and not NO_DEVICE.search(name)]
    return int(_number(sum(amount.nanos for amount in devices)))


def _number(nanos: int) -> int | float:
    number = nanos / 10**9
    return int(number) if number.is_integer() else number
