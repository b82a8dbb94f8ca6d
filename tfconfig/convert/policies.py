"""What a job as a whole does: restarts, its end, deadlines, the group in which it is scheduled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tfconfig.convert.draft import Draft
from tfconfig.convert.fields import Field
from tfconfig.convert.forms import RESTARTS, Form, Role
from tfconfig.convert.report import Report

_OLD_RETRYABLE = [130, 137, 138, 143]  # training-operator before 1.8, KubeDL
_DEFAULT_BACKOFF, _DEFAULT_REPEATS = 6, 3  # of the chart
_ALWAYS = ("ps", "evaluator")  # roles whose programs may be restarted after exit status 0: they do not decide
_PAGE = "docs/from-tfjob.md"


def policies(form: Form, draft: Draft) -> None:
    """Put the policies of a job into the values."""
    _restart(form, draft)
    _success(form, draft)
    _cleanup(form, draft)
    _deadlines(form, draft)
    _scheduling(form, draft)


def _restart(form: Form, draft: Draft) -> None:
    report, roles = form.report, form.roles.values()
    always = [role for role in roles if role.restart == "Always" and role.name in _ALWAYS and role.template]
    trains = [role for role in roles if role.template and role not in always]
    policy = min((role.restart for role in trains), key=RESTARTS.index, default="OnFailure")
    mine = "OnFailure" if policy == "Always" else policy
    draft.set(("restart", "policy"), mine)
    if always:
        fields = [(role.restart_field, ()) for role in always if role.restart_field]
        draft.set(("restart", "alwaysRoles"), [role.name for role in always], fields)
    for role in roles:
        if role in always and role.restart_field:
            report.converted(role.restart_field, "restart.alwaysRoles")
        elif role.restart_field:
            draft.lines.setdefault(("restart", "policy"), []).append(role.restart_field.line)
            _restart_of_role(report, role, role.restart_field, policy, mine)
        elif role.template and form.system != "Volcano":
            _restart_by_default(form, role, mine, role in always)
    limit = form.policies.get("maxRetry") or form.policies.get("backoffLimit")
    if mine != "Never" or always:
        _backoff_limit(form, draft, limit)
    elif limit:
        report.ignored(limit, "no role restarts its program")
    if mine == "ExitCode" and form.old_exit_codes:
        draft.set(("restart", "retryableExitCodes"), _OLD_RETRYABLE)
        draft.note(("restart", "retryableExitCodes"), "as before training-operator 1.8")
    elif mine == "ExitCode":
        message = (
            "restarts after 128 and more, as training-operator since 1.8; before, after 130, 137, 138 and 143 alone"
        )
        report.different(None, "restart.policy", message, f"restart.retryableExitCodes: {_OLD_RETRYABLE}")


def _restart_of_role(report: Report, role: Role, field: Field, policy: str, mine: str) -> None:
    """`policy`: the most tolerant of all roles; `mine`: the one that the job has here."""
    report.converted(field, "restart.policy")
    if role.restart not in (policy, mine):
        message = (
            f"{role.restart} for {role.name} alone; the job has one policy, the most tolerant of its roles: {mine}"
        )
        report.different(field, "restart.policy", message)
    if role.restart == "Always":
        message = f"Always: a {role.name} that exits 0 is done here, and not started again"
        report.different(field, "restart.policy", message, "keep the program from exiting while others need it")


def _restart_by_default(form: Form, role: Role, mine: str, always: bool) -> None:
    """The manifest leaves the policy of a role to its system."""
    target = "restart.alwaysRoles" if always else "restart.policy"
    message = f"{role.name} has no restartPolicy, and the default of {form.system} is {role.restart}"
    if not always and role.restart != mine:
        form.report.different(None, target, f"{message}; here it is {mine}, as for all roles")
    else:
        fix = "OnFailure restarts a program that fails" if mine == "Never" and not always else ""
        form.report.note(target, message, fix)


def _backoff_limit(form: Form, draft: Draft, limit: Field | None) -> None:
    report = form.report
    if limit:
        given = limit.number()
        tolerated = given if form.system == "Volcano" else max(given - 1, 0)
        draft.set(("restart", "backoffLimit"), tolerated, [(limit, ())])
        report.converted(limit, "restart.backoffLimit")
        if form.system != "Volcano":
            draft.note(("restart", "backoffLimit"), f"{form.system}: {given}")
            if tolerated >= _DEFAULT_REPEATS:
                draft.set(("restart", "repeatLimit"), None)
                draft.note(("restart", "repeatLimit"), "so that backoffLimit alone counts")
            message = (
                f"TFJob with {given} fails at restart {max(given, 1)}, so it tolerates {tolerated}; "
                "here tasks that fail together count as one, disruptions as none, and failures of lost pods count"
            )
            report.different(limit, "restart.backoffLimit", message)
    else:
        tolerated = 3 if form.system == "Volcano" else _DEFAULT_BACKOFF
        draft.set(("restart", "backoffLimit"), tolerated)
        if form.system != "Volcano":
            draft.note(("restart", "backoffLimit"), f"{form.system} has no limit")
            fix = "raise restart.backoffLimit and restart.repeatLimit"
            report.different(
                None, "restart.backoffLimit", f"no limit there; here {tolerated} failures, then the job fails", fix
            )


def _success(form: Form, draft: Draft) -> None:
    chief = "chief" in form.roles and form.roles["chief"].replicas > 0
    default = "Chief" if chief else "Worker0"
    if form.success and form.success != default:
        draft.set(("completion", "successPolicy"), form.success)


def _cleanup(form: Form, draft: Draft) -> None:
    report, field = form.report, form.policies.get("cleanPodPolicy")
    policy = field.text() if field else ""
    gpus = any(isinstance(draft.values.get(role), dict) and draft.values[role].get("gpus") for role in form.roles)
    logs = "tfconfig logs shows what they wrote until then; logs.persist keeps it on a checkpoint volume"
    if policy == "None":
        for key in ("onSuccess", "onFailure"):
            draft.set(("cleanup", key), "Keep", [(field, ())] if field else [])
        message = "None: kept pods wait, running nothing, with what they asked for, until helm uninstall"
        fix = "set cleanup to Delete unless somebody looks at the pods"
        if gpus:
            message += "; those with GPUs are deleted all the same, with their last lines in the lifecycle's log"
            fix += ", or to KeepGPUs to keep them all"
        report.different(field, "cleanup", message, fix)
    elif policy == "Running":
        report.different(field, "cleanup", f"Running: pods that have finished are deleted too; {logs}")
    elif policy == "All" and field:
        report.converted(field, "cleanup", "the default here")
    elif policy:
        report.different(field, "cleanup", f"{policy} is no policy; all pods are deleted at the end; {logs}")
    elif form.system != "Volcano":
        kept = "running ones" if form.old_exit_codes else "none"
        message = f"{form.system} deletes {kept} by default; here all pods are deleted at the end"
        report.note("cleanup", f"{message}; {logs}")
    if delay := form.policies.get("cleanPodDelay"):
        report.lost(delay, "pods are deleted at once")
    if ttl := form.policies.get("ttlSecondsAfterFinished"):
        fix = (
            f"tfconfig prune --older-than {ttl.number()}s removes all that ended, from a CronJob say: {_PAGE}#clean-up"
        )
        report.lost(ttl, "a release cannot remove itself", fix)


def _deadlines(form: Form, draft: Draft) -> None:
    report = form.report
    if deadline := form.policies.get("activeDeadlineSeconds"):
        draft.set(("deadlines", "activeSeconds"), deadline.number(), [(deadline, ())])
        report.converted(deadline, "deadlines.activeSeconds")
    if suspend := form.policies.get("suspend"):
        if suspend.value is True:
            draft.set(("suspend",), True, [(suspend, ())])
        report.converted(suspend, "suspend")
    if manager := form.policies.get("managedBy"):
        message = "nothing but the release's own lifecycle runs the job"
        report.lost(
            manager, message, "" if "training-operator" in manager.text() else "MultiKueue cannot send it elsewhere"
        )
    if cron := form.policies.get("cronPolicy"):
        report.lost(
            cron, "a release is installed once", "install it from a CronJob or a workflow, under a new name each time"
        )


def _scheduling(form: Form, draft: Draft) -> None:
    """The group of all tasks, for Volcano or the coscheduling plugin."""
    policy = form.policies.get("schedulingPolicy")
    volcano = form.system == "Volcano"
    scheduler = _scheduler(form, draft)
    if not policy and not volcano:
        return
    kind = (
        "Coscheduling" if "plugins" in scheduler or (policy and policy.child("scheduleTimeoutSeconds")) else "Volcano"
    )
    if scheduler and "volcano" in scheduler:
        kind = "Volcano"

    def of(key: str) -> Field | None:
        return form.policies.get(key) if volcano else policy.child(key) if policy else None

    draft.set(("podGroup", "scheduler"), kind, [(policy, ())] if policy else [])
    if not scheduler:
        name = "volcano" if kind == "Volcano" else "scheduler-plugins-scheduler"
        draft.set(("schedulerName",), name)
    if kind == "Volcano":
        draft.set(("podAnnotations", "scheduling.k8s.io/group-name"), "$(JOB)")
    else:
        draft.set(("podLabels", "scheduling.x-k8s.io/pod-group"), "$(JOB)")
    _group_fields(form, draft, kind, of)
    if policy:
        message = f"a PodGroup for {kind}; TFJob makes one where the operator runs with a gang scheduler"
        form.report.different(
            None, "podGroup", message, 'set podGroup.scheduler to the one that the cluster has, or to ""'
        )


def _group_fields(form: Form, draft: Draft, kind: str, of: Callable[[str], Field | None]) -> None:
    """What the manifest says of the group. `of`: its field of a name."""
    if queue := of("queue"):
        if kind == "Volcano":
            draft.set(("podGroup", "queue"), queue.text(), [(queue, ())])
            form.report.converted(queue, "podGroup.queue")
        else:
            form.report.lost(
                queue, "the coscheduling plugin has no queues", "use values/volcano.yaml or values/kueue.yaml"
            )
    if timeout := of("scheduleTimeoutSeconds"):
        if kind == "Coscheduling":
            draft.set(("podGroup", "scheduleTimeoutSeconds"), timeout.number(), [(timeout, ())])
            form.report.converted(timeout, "podGroup.scheduleTimeoutSeconds")
        else:
            form.report.lost(timeout, "Volcano has no timeout for a group")
    if priority := of("priorityClass") or of("priorityClassName"):
        if "priorityClassName" not in draft.values:
            draft.set(("priorityClassName",), priority.text(), [(priority, ())])
        form.report.converted(priority, "priorityClassName")
    if least := of("minAvailable"):
        total = sum(role.replicas for role in form.roles.values())
        if least.number() == total:
            form.report.converted(least, "podGroup", "all tasks, as always here")
        else:
            message = f"{least.number()} of {total} tasks; here all of them start together"
            form.report.different(least, "podGroup", message)
    if resources := of("minResources"):
        form.report.different(resources, "podGroup", "the scheduler adds up what all tasks ask for")
    if value := of("priority"):
        form.report.lost(value, "a priority has a class here", "set priorityClassName")


def _scheduler(form: Form, draft: Draft) -> str:
    """The scheduler of the pods; that of the whole job counts where the pods name none."""
    named: Any = draft.values.get("schedulerName") or next(
        (own["schedulerName"] for role in form.roles if "schedulerName" in (own := draft.values.get(role) or {})), ""
    )
    if form.scheduler and not named:
        named = form.scheduler.text()
        draft.set(("schedulerName",), named, [(form.scheduler, ())])
    if form.scheduler:
        form.report.converted(form.scheduler, "schedulerName")
    return str(named)
