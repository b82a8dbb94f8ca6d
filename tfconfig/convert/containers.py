"""The training container of a role -> its settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tfconfig.checking.rules.pod_schema import fields
from tfconfig.checking.rules.pod_spec import OWN_FIELDS
from tfconfig.convert import images, security
from tfconfig.convert.environment import environment
from tfconfig.convert.fields import Field, text_at
from tfconfig.convert.forms import Form, Role
from tfconfig.convert.settings import Settings
from tfconfig.tensorflow_job.task.names import PORT, PROGRESS_PORT
from tfconfig.values.quantity import parse

KNOWN_FIELDS = fields("Container")
_WHOLE_GPUS = re.compile(r"nvidia\.com/.*|.*/gpu")
_OLD_GPU = "alpha.kubernetes.io/nvidia-gpu"
_OWN_PORTS = {"tensorflow", "progress"}
_LOST = {
    "terminationMessagePath": "the lifecycle reads how a task ended from the termination message",
    "terminationMessagePolicy": "the lifecycle reads how a task ended from the termination message",
    "restartPolicy": "restart.policy decides what is restarted",
    "restartPolicyRules": "restart.policy decides what is restarted",
}


def training(form: Form, role: Role, made: Settings, container: Field, names: Mapping[str, str]) -> None:
    """The settings of the training container. `names`: new names of volumes."""
    report = form.report
    images.image(form, role, made, container)
    dropped = _ports(form, made, container)
    for field in container.a_map().children():
        key = field.name
        if key in ("image", "imagePullPolicy", "ports"):
            pass
        elif key == "name":
            report.converted(field, "", "the training container is named tensorflow here")
        elif key in ("command", "args"):
            made.put("program", [word.text() for word in field.a_list()], field, (key,))
        elif key == "workingDir":
            made.put("program", field.text(), field, (key,))
        elif key == "env":
            environment(form, role, made, field)
        elif key == "envFrom":
            made.put("envFrom", [item.value for item in field.a_list()], field)
        elif key == "resources":
            _resources(form, made, field.a_map())
        elif key == "securityContext":
            pods = made.of.get("podSecurityContext")
            root = pods is not None and pods.value.get("runAsUser") == 0
            made.put("securityContext", security.container(field.a_map().value, root), field)
        elif key == "volumeMounts":
            for mount in field.a_list():
                if mount.path not in report.accounted:
                    made.append("extraVolumeMounts", _mount(mount.a_map().value, names), mount)
        elif key in OWN_FIELDS["container"]:
            report.lost(field, _LOST.get(key, "the chart sets it itself"))
        elif key in KNOWN_FIELDS:
            made.put("container", _without_ports(field.value, dropped), field, (key,))
    pods = made.of.get("podSecurityContext")
    if pods and pods.value.get("runAsUser") == 0 and "securityContext" not in made.of:
        made.put("securityContext", security.container({}, True), pods.parts[0][0])


def renamed(container: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Another container with the new names of volumes."""
    mounts = container.get("volumeMounts")
    if not isinstance(mounts, list) or not names:
        return dict(container)
    return {**container, "volumeMounts": [_mount(mount, names) for mount in mounts]}


def _mount(mount: Any, names: Mapping[str, str]) -> Any:
    return (
        {**mount, "name": names.get(mount["name"], mount["name"])}
        if isinstance(mount, dict) and "name" in mount
        else mount
    )


def _resources(form: Form, made: Settings, resources: Field) -> None:
    """Whole GPUs become `gpus`; everything else stays as it is."""
    for part in resources.children():
        if part.name == "claims":
            made.put("resources", part.value, part, ("claims",))
            continue
        for amount in part.a_map().children():
            name = amount.name
            current = "nvidia.com/gpu" if name == _OLD_GPU else name
            count = _whole(amount.value) if _WHOLE_GPUS.fullmatch(name) or name == _OLD_GPU else None
            resource = made.of.get("gpuResource")
            if count is None or (resource and resource.value not in (name, current)):
                made.put("resources", amount.value, amount, (part.name, name))
                continue
            if name == _OLD_GPU:
                form.report.different(amount, "gpus", "the old name of nvidia.com/gpu")
            if count:
                made.put("gpus", count, amount)
                made.put("gpuResource", current, amount)
            else:
                form.report.converted(amount, "gpus", "0")
            form.report.accounted.add(amount.path)


def _whole(amount: Any) -> int | None:
    try:
        nanos = parse(amount).nanos
    except (ValueError, TypeError, AttributeError):
        return None
    return nanos // 10**9 if nanos % 10**9 == 0 else None


def _ports(form: Form, made: Settings, container: Field) -> dict[str, int]:
    """Carry the ports over; the names of those that the chart has itself."""
    dropped: dict[str, int] = {}
    ports = container.child("ports")
    for port in ports.a_list() if ports else []:
        value = dict(port.a_map().value)
        name, number = text_at(port, "name"), value.get("containerPort")
        if name == "tfjob-port" or number == PORT:
            dropped[name] = PORT
            other = "" if number == PORT else f"; not {number}, and TF_CONFIG says so"
            form.report.converted(port, "", f"the chart has it: port 2222, named tensorflow{other}")
            continue
        if name in _OWN_PORTS:
            value["name"] = f"user-{name}"
            form.report.different(
                port, "container.ports", f"the chart has a port {name} itself; this one is user-{name}"
            )
        if number == PROGRESS_PORT:
            message = f"{number} is the port that a task reports its progress on here"
            form.report.missing(port, "container.ports", message, "let the program listen on another port")
        made.append("container", value, port, ("ports",))
        if form.system and not value.get("hostPort"):
            form.report.different(
                port, "container.ports", "the network policy lets only the job's own tasks connect",
                "allow others with networkPolicy.extraPeers, or use kubectl port-forward",
            )  # fmt: skip
    return {name: number for name, number in dropped.items() if name}


def _without_ports(value: Any, dropped: Mapping[str, int]) -> Any:
    """Probes and hooks with the numbers of the ports whose names are gone."""
    if isinstance(value, dict):
        return {
            key: dropped[child]
            if key == "port" and isinstance(child, str) and child in dropped
            else _without_ports(child, dropped)
            for key, child in value.items()
        }
    return [_without_ports(child, dropped) for child in value] if isinstance(value, list) else value
