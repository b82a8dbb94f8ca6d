"""Rules about hooks before a container ends, which take their time from its grace period."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tfconfig.checking.rules.registry import SHELL, JobValues, Path, rule
from tfconfig.checking.rules.warnings import SHORTEST_GRACE
from tfconfig.diagnostics import Diagnostic

_SLEEP = re.compile(r"\s*(?:/bin/)?sleep\s+([0-9]{1,9})s?\s*")


@rule("TFC215", "TFC328")
def _hooks(job: JobValues) -> Iterator[Diagnostic]:
    seen: set[Path] = set()
    for role in job.roles:
        grace = job.setting(role, "terminationGracePeriodSeconds")
        related = (job.place(role, "terminationGracePeriodSeconds"),)
        saves = job.runs_program(role) and job.data["checkpoint"]["enabled"]
        for path, hook, training in _before_the_end(job, role):
            seconds = (hook.get("sleep") or {}).get("seconds")
            if path in seen:
                continue
            if seconds is not None and seconds > grace:
                seen.add(path)
                message = f"{seconds}, but terminationGracePeriodSeconds is {grace}"
                fix = "shorten it, or raise terminationGracePeriodSeconds"
                yield job.diagnostic("TFC215", (*path, "sleep", "seconds"), message, fix, related)
                continue
            if seconds is None:
                seconds = _slept((hook.get("exec") or {}).get("command") or [])
            if training and saves and seconds and grace >= SHORTEST_GRACE > grace - seconds:
                seen.add(path)
                message = f"the hook takes {seconds} s of the {grace} s grace period before the program gets SIGTERM"
                fix = "raise terminationGracePeriodSeconds, or remove the hook"
                yield job.diagnostic("TFC328", path, message, fix, related, key=True)


def _before_the_end(job: JobValues, role: str) -> Iterator[tuple[Path, Mapping[str, Any], bool]]:
    """The preStop hooks of a role's pods, and whether each is the training container's."""
    for place, lifecycle in job.layers(role, "container", "lifecycle"):
        yield (*place, "preStop"), lifecycle.get("preStop") or {}, True
    for key in ("initContainers", "extraContainers"):
        for place, container in job.entries(role, key):
            yield (*place, "lifecycle", "preStop"), (container.get("lifecycle") or {}).get("preStop") or {}, False


def _slept(command: list[str]) -> int:
    """How long a command sleeps at least, where that is all that is known of it."""
    if len(command) == 3 and SHELL.search(command[0]) and command[1] == "-c":
        first = _SLEEP.fullmatch(re.split(r";|&&|\n", command[2])[0])
    else:
        first = _SLEEP.fullmatch(" ".join(command))
    return int(first[1]) if first else 0
