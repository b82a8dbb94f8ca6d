"""The rule of gang scheduling by Kubernetes' own scheduler; the chart's templates/_gang.tpl has the same."""

from __future__ import annotations

from collections.abc import Iterator

from tfconfig.checking.rules.registry import JobValues, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.values.job_spec import gang
from tfconfig.values.role_settings import setting

EQUAL = ("priorityClassName", "schedulerName")


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
