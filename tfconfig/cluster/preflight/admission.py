"""Whether the API server accepts the objects and pods of a job: what a dry run answers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, Check
from tfconfig.cluster.preflight.gang import GATE_FIX
from tfconfig.cluster.preflight.permissions import ROLE_FIX

_FIXES = (
    (r"violates PodSecurity", "remove what it names (values/root.yaml, say), or use a namespace with a lower level"),
    (r"security context constraint", "use values/openshift.yaml: OpenShift gives users and groups itself"),
    (r"exceeded quota", "lower resources, wait until other jobs have ended, or have the quota raised"),
    (r"failed quota", "set resources.requests and resources.limits for what it names"),
    (r"no PriorityClass", "correct priorityClassName; list them: kubectl get priorityclasses"),
    (r"RuntimeClass", "correct runtimeClassName; list them: kubectl get runtimeclasses"),
    (r"(maximum|minimum) .* (usage|size)|limit to request ratio", "change resources to fit the namespace's LimitRange"),
    (r"attempting to grant RBAC permissions", ROLE_FIX),
    (r'no matches for kind "PodGroup" in version "scheduling\.k8s\.io/', GATE_FIX),
    (r'no matches for kind "PodGroup"', "install the scheduler that defines it, or remove podGroup.scheduler"),
    (r"no matches for kind", "install the operator that defines this kind, or disable what uses it"),
    (r"admission webhook", "a policy of the cluster rejects it; ask its administrator"),
    (r"is invalid|field is immutable|strict decoding|unknown field", "correct the value that it names"),
)

_START = re.compile(r"(?:Error from server \(\w+\)|The \S+ \S+ is invalid|error)(?=:)|unable to recognize(?= )")


def rejections(stderr: str) -> list[str]:
    """The errors in kubectl's output, without what is the same in each, and without warnings."""
    messages = []
    for error in _errors(stderr):
        message = error if error.startswith("The ") else _START.sub("", error, count=1).removeprefix(": ").strip()
        # With the object that it asked for or wanted to change, on several lines; or without.
        message = re.sub(r'^error when [\w ]+:.* "STDIN": ', "", message)
        message = re.sub(r'^error when [\w ]+ "STDIN": ', "", message)
        message = re.sub(r"^resource mapping not found for .*?(?=no matches for kind)", "", message)
        messages.append(re.sub(r'^pods "[^"]*" is forbidden: ', "", message))
    return list(dict.fromkeys(messages)) or ([stderr.strip()] if stderr.strip() else [])


def _errors(stderr: str) -> list[str]:
    """Each error of kubectl on one line: some go on over several."""
    errors: list[str] = []
    for line in stderr.splitlines():
        if _START.match(line):
            errors.append(line)
        elif errors and not line.startswith("Warning:"):
            errors[-1] += f" {line.strip()}"
    return errors


def dry_run(name: str, stderr: str, accepted: str, permission: str) -> list[Check]:
    """The checks of a dry run; `permission` is what the user needs for it, `accepted` the message without errors."""
    checks = []
    for message in rejections(stderr):
        denied = re.search(r'cannot (\w+) resource "([^"]+)"', message)
        if denied:
            lacking = permission if denied[2] in permission else f"{denied[1]} {denied[2]}"
            checks.append(Check(name, UNKNOWN, f"not tried: no permission to {lacking}"))
        else:
            fix = next((fix for pattern, fix in _FIXES if re.search(pattern, message)), "correct what it names")
            checks.append(Check(name, ERROR, message, fix))
    return list(dict.fromkeys(checks)) or [Check(name, OK, accepted)]


def merge_equal(checks: Iterable[Check]) -> list[Check]:
    """Checks of several pods with the same result in one: `chief, worker: accepted`."""
    groups: dict[Check, list[str]] = {}
    for check in checks:
        own = check.check in ("lifecycle", "tensorboard")  # they have resources of their own
        fix = re.sub(r"\bresources\b", f"{check.check}.resources", check.fix) if own else check.fix
        groups.setdefault(Check("pods", check.result, check.message, fix), []).append(check.check)
    return [
        Check(check.check, check.result, f"{', '.join(names)}: {check.message}", check.fix)
        for check, names in groups.items()
    ]
