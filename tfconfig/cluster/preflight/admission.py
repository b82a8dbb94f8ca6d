"""Whether the API server accepts the objects and pods of a job: what a dry run answers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, Check
from tfconfig.cluster.preflight.permissions import ROLE_FIX

_FIXES = (
    (r"violates PodSecurity", "remove what it names (values/root.yaml, say), or use a namespace with a lower level"),
    (r"exceeded quota", "request less, wait until other jobs have ended, or have the quota raised"),
    (r"failed quota", "set resources.requests and resources.limits for what it names"),
    (r"no PriorityClass", "correct priorityClassName; list them: kubectl get priorityclasses"),
    (r"RuntimeClass", "correct runtimeClassName; list them: kubectl get runtimeclasses"),
    (r"(maximum|minimum) .* (usage|size)|limit to request ratio", "change resources to fit the namespace's LimitRange"),
    (r"attempting to grant RBAC permissions", ROLE_FIX),
    (r"no matches for kind", "install the operator that defines this kind, or disable what uses it"),
    (r"admission webhook", "a policy of the cluster rejects it; ask its administrator"),
    (r"is invalid|field is immutable|strict decoding|unknown field", "correct the value that it names"),
)


def rejections(stderr: str) -> list[str]:
    """The errors in kubectl's output, without what is the same in each, and without warnings."""
    messages = []
    for line in stderr.splitlines():
        match = re.match(r"(?:Error from server \(\w+\)|The \S+ \S+ is invalid|error)(?=:)", line)
        if match:
            text = line if line.startswith("The ") else line[match.end() + 2 :]
            text = re.sub(r'error when (?:creating|applying patch|retrieving[^:]*) "STDIN": ', "", text)
            messages.append(re.sub(r'^pods "[^"]*" is forbidden: ', "", text))
    return list(dict.fromkeys(messages)) or ([stderr.strip()] if stderr.strip() else [])


def dry_run(name: str, stderr: str, accepted: str, permission: str) -> list[Check]:
    """The checks of a dry run; `permission` is what the user needs for it, `accepted` the message without errors."""
    checks = []
    for message in rejections(stderr):
        if re.search(r"cannot \w+ resource", message):
            checks.append(Check(name, UNKNOWN, f"not tried: no permission to {permission}"))
        else:
            fix = next((fix for pattern, fix in _FIXES if re.search(pattern, message)), "correct what it names")
            checks.append(Check(name, ERROR, message, fix))
    return list(dict.fromkeys(checks)) or [Check(name, OK, accepted)]


def merge_equal(checks: Iterable[Check]) -> list[Check]:
    """Checks of several pods with the same result in one: `chief, worker: accepted`."""
    groups: dict[Check, list[str]] = {}
    for check in checks:
        # The lifecycle has resources of its own.
        fix = re.sub(r"\bresources\b", "lifecycle.resources", check.fix) if check.check == "lifecycle" else check.fix
        groups.setdefault(Check("pods", check.result, check.message, fix), []).append(check.check)
    return [
        Check(check.check, check.result, f"{', '.join(names)}: {check.message}", check.fix)
        for check, names in groups.items()
    ]
