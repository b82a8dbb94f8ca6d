"""A role's pod template -> its settings."""

from __future__ import annotations

import re
from typing import Any

from tfconfig.checking.rules.pod_schema import fields
from tfconfig.checking.rules.pod_spec import OWN_FIELDS
from tfconfig.convert import containers, security
from tfconfig.convert.fields import Field, UnconvertibleError, children_at, text_at
from tfconfig.convert.forms import Form, Role
from tfconfig.convert.settings import Settings

_SAME = (
    "nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName", "runtimeClassName",
    "schedulerName", "terminationGracePeriodSeconds",
)  # fmt: skip
OWN_LABEL = re.compile(r"(tensorflow-job/.*|app\.kubernetes\.io/(name|instance|component))")
OWN_VOLUME = re.compile(r"task|lifecycle-status|state|program|checkpoints|shm|data-.*")
KNOWN_FIELDS = fields("PodSpec")
_LOST = {
    "activeDeadlineSeconds": ("pods are started again here, so they have no deadline", "set deadlines.activeSeconds"),
    "automountServiceAccountToken": ("training pods get no token for the Kubernetes API", "ask it outside of the job"),
    "enableServiceLinks": ("variables of Services would take the room of TF_CONFIG", "use their DNS names"),
    "hostIPC": ("the node's shared memory is not supported", "for a larger /dev/shm set shmSize"),
    "hostNetwork": ("no network policy protects servers on a node's network", "for fast networks see values/rdma.yaml"),
    "hostPID": ("the node's processes are not supported", ""),
    "hostname": ("tasks are found by the name of their pod", ""),
    "hostnameOverride": ("tasks are found by the name of their pod", ""),
    "setHostnameAsFQDN": ("tasks are found by the name of their pod", ""),
    "subdomain": ("tasks are found by the name of their pod, below the job's own Service", ""),
    "shareProcessNamespace": ("the chart's own process must be the first of its container", ""),
    "ephemeralContainers": ("Kubernetes accepts none in a template", "set extraContainers"),
}  # fmt: skip


def settings(form: Form, role: Role, template: Field) -> Settings:
    """The settings of a role's pods; what has none is reported."""
    made, report = Settings(), form.report
    _metadata(form, made, template.a_map())
    spec = template.child("spec")
    if spec is None:
        raise UnconvertibleError(template, "spec is missing", "add the pod's spec")
    training = training_container(form, role, template)
    names = _volumes(form, made, spec, training)
    for field in spec.children():
        key = field.name
        if key == "priority" and spec.child("priorityClassName"):
            report.ignored(field, "Kubernetes takes it from the priority class")
        elif key in _SAME:
            made.put(key, _checked(field), field)
        elif key in ("containers", "volumes", "restartPolicy"):
            pass  # below; reading
        elif key == "securityContext":
            made.put("podSecurityContext", security.pod(field.a_map().value), field)
        elif key == "initContainers":
            inits = [containers.renamed(container.a_map().value, names) for container in field.a_list()]
            made.put("initContainers", inits, field)
        elif key == "imagePullSecrets":
            for secret in field.a_list():
                made.append("imagePullSecrets", secret.value, secret)
        elif key in ("serviceAccount", "serviceAccountName"):
            made.put("podSpec", field.text(), field, ("serviceAccountName",))
            message = "the pods have the account, as what the cloud knows them by, but no token for the Kubernetes API"
            report.different(field, "podSpec.serviceAccountName", message)
        elif key == "resourceClaims":
            for claim in field.a_list():
                value, source = claim.a_map().value, claim.child("source") or claim
                flat = {**{name: v for name, v in value.items() if name != "source"}, **source.a_map().value}
                made.append("podSpec", flat, claim, ("resourceClaims",))
        elif key in OWN_FIELDS["podSpec"]:
            _own(form, field)
        elif key in KNOWN_FIELDS:
            made.put("podSpec", field.value, field, (key,))
    for container in children_at(spec, "containers"):
        if container.path == training.path:
            containers.training(form, role, made, container, names)
        else:
            made.append("extraContainers", containers.renamed(container.a_map().value, names), container)
            message = "started again whenever it ends, and deleted with its pod when the program has ended"
            report.different(container, "extraContainers", message)
    return made


def _checked(field: Field) -> Any:
    """The value of a setting, which must be of the type that Kubernetes has there."""
    if field.name in ("nodeSelector", "affinity"):
        return field.a_map().value
    if field.name in ("tolerations", "topologySpreadConstraints"):
        return [item.a_map().value for item in field.a_list()]
    return field.number() if field.name == "terminationGracePeriodSeconds" else field.text()


def _metadata(form: Form, made: Settings, template: Field) -> None:
    report = form.report
    for key, target in (("labels", "podLabels"), ("annotations", "podAnnotations")):
        for entry in children_at(template, "metadata", key):
            if key == "labels" and OWN_LABEL.fullmatch(entry.name):
                report.lost(entry, "the chart has this label itself", "select pods by another one")
            else:
                made.put(target, entry.text(), entry, (entry.name,))
    for entry in children_at(template, "metadata"):
        if entry.name == "finalizers":
            report.lost(entry, "a finalizer would keep pods, and their GPUs, from being deleted")
        elif entry.name not in ("labels", "annotations"):
            report.ignored(entry, "pods get their names and namespace from the job")


def training_container(form: Form, role: Role, template: Field) -> Field:
    """The container that runs the program."""
    every = children_at(template, "spec", "containers")
    if not every:
        raise UnconvertibleError(template, "containers are missing", "add the container tensorflow")
    named = [field for field in every if text_at(field, "name") == "tensorflow"]
    if not named and form.system != "Volcano" and (len(every) > 1 or text_at(every[0], "name")):
        message = (
            f"no container is named tensorflow, as TFJob requires; {text_at(every[0], 'name') or 'the first'} is taken"
        )
        form.report.different(every[0], role.name, message, whole=False)
    return (named or every)[0]


def _own(form: Form, field: Field) -> None:
    """A field of the pod that the chart sets itself."""
    message, fix = _LOST.get(field.name, ("the chart sets it itself", ""))
    if field.value is False:
        form.report.ignored(field, "never here")
    else:
        form.report.lost(field, message, fix)


def _volumes(form: Form, made: Settings, spec: Field, training: Field) -> dict[str, str]:
    """Carry the volumes over; the new names of those that are named like the chart's own."""
    names: dict[str, str] = {}
    taken = {text_at(volume, "name") for volume in children_at(spec, "volumes")}
    for volume in children_at(spec, "volumes"):
        name = text_at(volume, "name")
        if shm := _shared_memory(spec, training, volume, name):
            made.put("shmSize", shm, volume)
            for mount in children_at(training, "volumeMounts"):
                if text_at(mount, "name") == name:
                    form.report.converted(mount, "shmSize")
            continue
        value: dict[str, Any] = volume.a_map().value
        if OWN_VOLUME.fullmatch(name):
            names[name] = f"user-{name}" if f"user-{name}" not in taken else f"user-{name}-2"
            value = {**value, "name": names[name]}
            message = f"the chart has a volume {name} itself, so this one is {names[name]}"
            form.report.different(volume, "extraVolumes", message)
        sources = {key: source for key, source in value.items() if key != "name" and source is not None}
        if not sources:
            value = {**value, "emptyDir": {}}  # as Kubernetes takes it
        made.append("extraVolumes", value, volume)
    return names


def _shared_memory(spec: Field, training: Field, volume: Field, name: str) -> str:
    """The size of /dev/shm, if that is all that the volume is for."""
    source = volume.child("emptyDir")
    mounts = [
        (container.path, mount)
        for kind in ("containers", "initContainers")
        for container in children_at(spec, kind)
        for mount in children_at(container, "volumeMounts")
        if text_at(mount, "name") == name
    ]
    if len(mounts) != 1 or mounts[0][0] != training.path or mounts[0][1].value.keys() != {"name", "mountPath"}:
        return ""
    if text_at(source, "medium") != "Memory" or text_at(mounts[0][1], "mountPath").rstrip("/") != "/dev/shm":
        return ""
    return text_at(source, "sizeLimit")
