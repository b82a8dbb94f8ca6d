"""What a rule is, and how checks become rules: their texts are in catalogue.yaml."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as File
from typing import Any

import yaml

from tfconfig.diagnostics import ERROR
from tfconfig.values import job_spec
from tfconfig.values.load import Values
from tfconfig.values.role_settings import MERGED, data_volumes, setting

RELEASE = "release name"

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Found:
    """One mistake: `path: found; fix`. `other`: values that may have been changed instead, if the user set those."""

    path: Path
    found: str
    fix: str
    other: tuple[Path, ...] = ()
    key: bool = False  # the key is the mistake rather than its value
    label: str = ""  # how the message calls it, when not by its path
    rule: str = ""  # of a check with several rules: which


Check = Callable[["Job"], Iterator[Found]]


@dataclass(frozen=True)
class Rule:
    """One kind of mistake."""

    id: str
    title: str
    why: str
    fix: str
    bad: str = ""  # a values file with the mistake; its line ends with "# <--"
    good: str = ""  # the same put right
    severity: str = ERROR
    chart: bool = False  # `helm install` refuses it too, before the cluster sees anything


class Job:
    """Values as the rules look at them."""

    def __init__(self, values: Values, release: str) -> None:
        self.values = values
        self.release = release
        self.data: dict[str, Any] = values.data
        self.name = job_spec.fullname(self.data, values.job_release(release))
        self.strategies = values.chart.strategies

    @property
    def strategy(self) -> str:
        strategy: str = self.data["strategy"]
        return strategy

    @cached_property
    def replicas(self) -> dict[str, int]:
        return job_spec.replicas(self.data, self.strategies)

    @cached_property
    def roles(self) -> list[str]:
        """The roles that have tasks."""
        return [role for role, count in self.replicas.items() if count > 0]

    def runs_program(self, role: str) -> bool:
        return role in self.strategies[self.strategy]["program"]

    @property
    def volumes(self) -> dict[str, Any]:
        return data_volumes(self.data)

    @property
    def files(self) -> dict[str, str]:
        files = self.data["program"].get("files") or {}
        return {name: text for name, text in files.items() if text is not None}

    def setting(self, role: str, key: str) -> Any:
        return setting(self.data, role, key)

    def place(self, role: str, key: str, name: str = "") -> Path:
        """Where a role's effective setting stands, or the entry `name` of one that merges key by key."""
        own = self.data.get(role) or {}
        if name:
            return (role, key, name) if key not in MERGED or name in (own.get(key) or {}) else (key, name)
        return (role, key) if key in own else (key,)

    def settings(self, key: str) -> Iterator[tuple[str, Path, Any]]:
        """A setting of each role that has tasks: (role, its place, the value); one that roles share comes once."""
        seen: set[Path] = set()
        for role in self.roles:
            path = self.place(role, key)
            if path not in seen:
                seen.add(path)
                yield role, path, self.setting(role, key)


CHECKS: list[tuple[tuple[str, ...], Check]] = []  # each with its rules: findings that name none are of the first


def rule(*ids: str) -> Callable[[Check], Check]:
    """Make a function the check of a rule, or of several."""

    def register(check: Check) -> Check:
        CHECKS.append((ids, check))
        return check

    return register


def catalogue() -> dict[str, Rule]:
    """All rules by id."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (File(__file__).parent / "catalogue.yaml").read_text(encoding="utf-8")
    entries: dict[str, dict[str, Any]] = yaml.load(text, Loader=loader)
    return {id: Rule(id, **entry) for id, entry in sorted(entries.items())}
