"""Volcano Jobs with the tensorflow plugin, in the form of forms.py.

https://github.com/volcano-sh/volcano/blob/master/pkg/controllers/job/plugins/distributed-framework/tensorflow/tensorflow.go
"""

from __future__ import annotations

from tfconfig.convert.fields import Field, UnconvertibleError, children_at, text_at
from tfconfig.convert.forms import Form, Role
from tfconfig.convert.tfjob import ROLE_NAMES
from tfconfig.values.job_spec import ROLES

_RESTARTS = ("RestartJob", "RestartTask", "RestartPod", "RestartPartition")


def form(root: Field) -> Form:
    """Read a Volcano Job."""
    result = Form.of(root, "Volcano Job", "Volcano")
    report, spec = result.report, root.child("spec")
    tasks = spec.child("tasks") if spec else None
    if spec is None or tasks is None:
        raise UnconvertibleError(spec or root, "tasks are missing", "give the manifest of a Volcano Job")
    names = _plugins(result, spec)
    restarts = [text_at(policy, "action") in _RESTARTS for policy in children_at(spec, "policies")]
    for i, policy in enumerate(children_at(spec, "policies")):
        _policy(result, policy, f"policy {i} of the job")
    completes = ""
    for task in tasks.a_list():
        given = text_at(task, "name")
        role = names.get(given) or ROLE_NAMES.get(given.lower())
        label = task.child("name") or task
        if role is None:
            report.missing(
                label, "", f"the task {given} is no role of the tensorflow plugin", "decide which role it is"
            )
            report.accounted.add(task.path)
            result.unknown.append(given)
            continue
        report.converted(label, role)
        completes = _task_policies(result, task, role) or completes
        result.add(_role(result, task, role, any(restarts)))
    result.sort_roles()
    chief = "chief" in result.roles
    result.success = {"chief": "Chief", "worker": "AllWorkers"}.get(completes, "Chief" if chief else "AllWorkers")
    if not completes:
        report.different(
            None, "completion.successPolicy",
            "a Volcano Job without a policy TaskCompleted succeeds when all pods have ended; here when the "
            f"{'chief' if chief else 'workers'} succeeded", "set completion.successPolicy",
        )  # fmt: skip
    _spec(result, spec)
    return result


def _task_policies(result: Form, task: Field, role: str) -> str:
    """Account for the policies of a task; its role, if its success is that of the job."""
    completes = ""
    for policy in children_at(task, "policies"):
        if text_at(policy, "event") == "TaskCompleted" and text_at(policy, "action") == "CompleteJob":
            completes = role
            result.report.converted(policy, "completion.successPolicy")
        else:
            _policy(result, policy, f"a policy of {text_at(task, 'name')}")
    return completes


def _role(result: Form, task: Field, role: str, restarts: bool) -> Role:
    """The role of a task. `restarts`: a policy of the whole job restarts what fails."""
    template, replicas = task.child("template"), task.child("replicas")
    if template is None:
        raise UnconvertibleError(task, "the template is missing", "add the pod template of the task")
    own = any(text_at(policy, "action") in _RESTARTS for policy in children_at(task, "policies"))
    tolerant = own or restarts or text_at(template, "spec", "restartPolicy") in ("OnFailure", "Always")
    if replicas:
        result.report.converted(replicas, (role, "replicas"))
    for key in ("minAvailable", "topologyPolicy", "partitionPolicy", "maxRetry", "dependsOn"):
        if field := task.child(key):
            result.report.lost(field, "all tasks of the job are one group here, which starts together")
    count = 1 if replicas is None else replicas.number()
    return Role(
        role,
        task,
        count,
        template,
        "OnFailure" if tolerant else "Never",
        task.child("template", "spec", "restartPolicy"),
    )


def _plugins(result: Form, spec: Field) -> dict[str, str]:
    """The names of tasks -> roles, from the arguments of the tensorflow plugin."""
    names = {role: role for role in ROLES}
    report, plugins = result.report, spec.child("plugins")
    plugin = plugins.child("tensorflow") if plugins else None
    if plugins is None or "tensorflow" not in plugins.a_map().value:
        report.missing(
            spec, "program", "without the tensorflow plugin the program finds its peers by itself, as in /etc/volcano",
            "make it read TF_CONFIG, PS_HOSTS and WORKER_HOSTS, TASK_TYPE and TASK_INDEX", whole=False,
        )  # fmt: skip
    for argument in plugin.a_list() if plugin else []:
        key, _, value = argument.text().lstrip("-").partition("=")
        if key in ROLES:
            names = {name: role for name, role in names.items() if role != key} | {value: key}
        report.converted(argument, "" if key not in ROLES else key, "the port here is 2222" if key == "port" else "")
    for name in plugins.children() if plugins else []:
        if name.name in ("svc", "env"):
            report.different(
                name, "", "tasks find each other in TF_CONFIG; VC_… variables and /etc/volcano do not exist"
            )
        elif name.name != "tensorflow":
            report.lost(name, f"there is nothing like the plugin {name.name} here")
    return names


def _policy(result: Form, policy: Field, what: str) -> None:
    """A lifecycle policy that decides between restarting and failing."""
    action = text_at(policy, "action")
    if action in _RESTARTS:
        message = f"{what}: {action} restarts what Volcano says; here the failed task, and those that fail with it"
        result.report.different(policy, "restart.policy", message)
    elif action in ("AbortJob", "TerminateJob"):
        result.report.different(policy, "restart.policy", f"{what}: a failure that is not restarted fails the job")
    else:
        result.report.lost(policy, f"{what}: there is nothing like it here")


def _spec(result: Form, spec: Field) -> None:
    report = result.report
    result.scheduler = spec.child("schedulerName")
    for key in ("ttlSecondsAfterFinished", "queue", "minAvailable", "priorityClassName", "maxRetry"):
        if field := spec.child(key):
            result.policies[key] = field
    for i, volume in enumerate(children_at(spec, "volumes")):
        claim, path = volume.child("volumeClaimName"), volume.child("mountPath")
        if claim and path:
            name = f"volume-{i}"
            source = {"name": name, "persistentVolumeClaim": {"claimName": claim.text()}}
            result.extra.append(("extraVolumes", source, volume))
            result.extra.append(("extraVolumeMounts", {"name": name, "mountPath": path.text()}, volume))
        else:
            report.lost(volume, "Volcano makes a claim for it", "make a claim, and mount it with extraVolumes or data")
    for key in ("runningEstimate", "minSuccess", "networkTopology"):
        if field := spec.child(key):
            report.lost(field, "there is nothing like it here")
