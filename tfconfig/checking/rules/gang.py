"""The rules of gang scheduling; the chart's templates/_gang.tpl has the same."""

from __future__ import annotations

from collections.abc import Iterator

from tfconfig.checking.rules.registry import JobValues, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.values.job_spec import gang
from tfconfig.values.role_settings import setting

EQUAL = ("priorityClassName", "schedulerName")
# How other schedulers find the pods of a group.
GROUP_KEYS = {
    "Coscheduling": ("podLabels", "scheduling.x-k8s.io/pod-group"),
    "Volcano": ("podAnnotations", "scheduling.k8s.io/group-name"),
}


@rule("TFC151")
def _equal_pods(job: JobValues) -> Iterator[Diagnostic]:
    for field in EQUAL if gang(job.data) else ():
        values = {
            role: setting(job.data, role, "podSpec").get(field) or setting(job.data, role, field) or ""
            for role in sorted(job.roles)
        }
        if len(set(values.values())) > 1:
            texts = ", ".join(f"{role} {value or 'none'}" for role, value in values.items())
            message = (
                f"Kubernetes starts the pods of a group together only with the same {field}, but there are {texts}"
            )
            related = tuple((role, field) for role in values)
            fix = f"set {field} for all roles at the top level"
            yield job.diagnostic("TFC151", ("podGroup", "scheduler"), message, fix, related)


@rule("TFC152")
def _named_group(job: JobValues) -> Iterator[Diagnostic]:
    chosen = (job.data.get("podGroup") or {}).get("scheduler")
    for scheduler, (field, key) in GROUP_KEYS.items() if chosen else ():
        named = {role: bool(setting(job.data, role, field).get(key)) for role in sorted(job.roles)}
        having, lacking = ([role for role, names in named.items() if names == wanted] for wanted in (True, False))
        if chosen == scheduler and lacking:
            message = (
                f"{scheduler} finds the pods of a group by {field}.{key}, which those of {', '.join(lacking)} have "
                "not, so they would start one by one"
            )
            fix = f'set {field}: {{"{key}": $(JOB)}} for all roles, as the overlay for {scheduler} does'
            yield job.diagnostic("TFC152", ("podGroup", "scheduler"), message, fix)
        elif chosen != scheduler and having:
            roles = ", ".join(having)
            message = f"{chosen}, but {field}.{key} of {roles} names a group of {scheduler}, which nothing creates"
            yield job.diagnostic("TFC152", ("podGroup", "scheduler"), message, "keep the overlay of one scheduler")
