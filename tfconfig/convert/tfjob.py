"""TFJobs of all API versions, those of KubeDL and Arena too, in the form of forms.py.

https://github.com/kubeflow/trainer/blob/v1.8.1/pkg/apis/kubeflow.org/v1/tensorflow_types.go has the newest fields;
v1alpha1, and mlkube.io before it, had a list of replicas, KubeDL has the run policy beside them.
"""

from __future__ import annotations

import re

from tfconfig.convert.fields import Field, UnconvertibleError, text_at
from tfconfig.convert.forms import RESTARTS, Form, Role

ROLE_NAMES = {
    "chief": "chief",
    "master": "chief",
    "worker": "worker",
    "ps": "ps",
    "evaluator": "evaluator",
    "eval": "evaluator",
}
_POLICIES = (
    "cleanPodPolicy", "ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit", "schedulingPolicy", "suspend",
    "managedBy", "cleanPodDelay", "cronPolicy",
)  # fmt: skip
_OLD = ("v1alpha1", "v1alpha2", "v1beta1", "v1beta2")


def form(root: Field) -> Form:
    """Read a TFJob of any version."""
    api = text_at(root, "apiVersion")
    group, _, version = api.rpartition("/")
    spec = root.child("spec")
    if spec is None:
        raise UnconvertibleError(root, "spec is missing", "give the manifest of a TFJob")
    spec.a_map()
    kubedl = group.endswith("kubedl.io") or any(
        spec.child(key) for key in ("cacheBackend", "modelVersion", "cronPolicy")
    )
    system = "KubeDL" if kubedl else "TFJob"
    result = Form.of(root, "TFJob", system)
    replicas = spec.child("replicaSpecs") or spec.child("replica_specs")
    roles = replicas.a_list() if replicas else []
    if named := spec.child("tfReplicaSpecs"):
        roles = named.a_map().children()
    result.old_exit_codes = system == "KubeDL" or version in _OLD or bool(replicas)
    if not roles:
        raise _without_roles(spec, named or replicas)
    for field in roles:
        if role := _role(field, result, "" if named else "list", kubedl, version):
            result.add(role)
    result.sort_roles()
    _policies(result, spec, system)
    _version_1(result, spec)
    return result


def _without_roles(spec: Field, empty: Field | None) -> UnconvertibleError:
    if empty:
        return UnconvertibleError(empty, f"{empty.name} is empty, so there are no tasks", "add a role: Worker")
    near = [field.name for field in spec.children() if re.search("replica", field.name, re.IGNORECASE)]
    found = f"; found {', '.join(near)}" if near else ""
    fix = "write it as tfReplicaSpecs" if near else "add a role: Worker"
    return UnconvertibleError(spec, f"tfReplicaSpecs is missing, so there are no tasks{found}", fix)


def _role(field: Field, form: Form, shape: str, kubedl: bool, version: str) -> Role | None:
    field.a_map()
    report = form.report
    kind = field.child("tfReplicaType") or field.child("tf_replica_type")
    given = kind.text() if kind else "MASTER" if shape else field.name
    name = ROLE_NAMES.get(given.lower())
    if name is None:
        report.missing(
            kind or field, "", f"there is no role {given} here", "decide which of chief, worker, ps, evaluator it is"
        )
        report.accounted.add(field.path)
        form.unknown.append(given)
        return None
    count = field.child("replicas")
    if kind:
        report.converted(kind, name)
    if given.lower() == "master":
        report.different(
            kind or field, name, "the Master is the chief here, in TF_CONFIG and in the name of its pod", whole=False
        )
    for key in ("tfPort", "tf_port"):
        if port := field.child(key):
            report.converted(port, "", "tasks find each other in TF_CONFIG; the port here is 2222")
    for key in ("IsDefaultPS", "isDefaultPS"):
        if marker := field.child(key):
            report.ignored(marker, "set by the operator")
    if spot := field.child("spotReplicaSpec"):
        fix = "give a role its own priorityClassName, nodeSelector and podLabels, which count for all its tasks"
        report.lost(spot, "tasks of one role are all alike here", fix)
    for key in ("dependOn", "dependsOn"):
        if order := field.child(key):
            report.lost(order, "all tasks start together; a program waits until its peers can be reached")
    template = field.child("template")
    restart = field.child("restartPolicy")
    pods = field.child("template", "spec", "restartPolicy")
    default = "ExitCode" if kubedl else "Always" if version == "v1alpha2" else "Never"
    if shape:  # v1alpha1 has that of the pods only
        restart, pods, default = pods, None, "OnFailure"
    if pods:
        report.ignored(pods, "TFJob replaces it with the restart policy of the role")
    policy = restart.text() if restart else default
    if policy not in RESTARTS:
        message = f"{policy} is no restart policy; TFJob takes it for one that never restarts"
        report.different(restart, "restart.policy", message)
        policy = "Never"
    if template is None and not (shape and name == "ps"):
        raise UnconvertibleError(field, "the template is missing", "add the pod template of the role")
    replicas = 1 if count is None else count.number()
    if count:
        report.converted(count, (name, "replicas"))
    return Role(name, field, replicas, template, policy, restart)


def _policies(result: Form, spec: Field, system: str) -> None:
    report, inner = result.report, spec.child("runPolicy")
    for key in _POLICIES:
        outside, inside = spec.child(key), inner.child(key) if inner else None
        if outside and inside:
            report.ignored(outside, "runPolicy has it too, and that counts")
        elif outside and system == "TFJob" and text_at(result.root, "apiVersion") == "kubeflow.org/v1":
            message = "outside of runPolicy, where training-operator ignores it; taken as meant"
            report.different(outside, "", message)
        if field := inside or outside:
            result.policies[key] = field
    chief = "chief" in result.roles and result.roles["chief"].replicas > 0
    success = spec.child("successPolicy")
    policy = success.text() if success else ""
    result.success = "Chief" if chief else "Worker0"
    if policy == "AllWorkers" and chief and system == "TFJob":
        message = "TFJob ignores AllWorkers where there is a chief; so the chief decides"
        report.different(success, "completion.successPolicy", message, "set AllWorkers if all workers shall decide")
    elif policy == "AllWorkers":
        result.success = "AllWorkers"
    elif policy not in ("", "ChiefWorker"):
        report.different(success, "completion.successPolicy", f"{policy} is no policy of TFJob, which ignores it")
    if success:
        report.converted(success, "completion.successPolicy")
    for key in ("enableDynamicWorker", "sparseCluster"):
        dynamic = spec.child(key)
        if dynamic and dynamic.value is True:
            message = "TF_CONFIG always lists all tasks, and a failed worker counts as a failure"
            report.different(dynamic, "", message, "use strategy ParameterServer, whose chief tolerates lost workers")
        elif dynamic:
            report.converted(dynamic, "", "never here")
    hints = {
        "modelVersion": "push the model from the program, or in a step after the job",
        "cacheBackend": "mount the cache as a claim: extraVolumes, or data",
        "gitSyncConfig": "clone in an init container: initContainers",
    }
    for key, fix in hints.items():
        if feature := spec.child(key):
            report.lost(feature, "a feature of KubeDL", fix)


def _version_1(result: Form, spec: Field) -> None:
    """What only v1alpha1 has."""
    report = result.report
    result.tensorboard = spec.child("tensorboard") or spec.child("tensorBoard")
    result.scheduler = spec.child("schedulerName")
    for key in ("RuntimeId", "runtimeId", "runtime_id"):
        if field := spec.child(key):
            report.ignored(field, "written by the operator")
    if cleanup := spec.child("cleanupPodPolicy"):
        result.policies["cleanPodPolicy"] = cleanup
    if image := spec.child("tfImage"):
        report.different(image, "ps", "parameter servers run the server of the job's own image here")
    if policy := spec.child("terminationPolicy"):
        who = text_at(policy, "chief", "replicaName").lower()
        if ROLE_NAMES.get(who) == "worker":
            result.success = "Worker0"
        report.converted(policy, "completion.successPolicy")
