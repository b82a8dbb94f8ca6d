"""What a rule is, and how the functions that check rules are found. The texts of the rules are in catalogue.yaml."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as File
from typing import Any

import yaml

from tfconfig.diagnostics import ERROR, Diagnostic, Origin
from tfconfig.values import job_spec
from tfconfig.values.libyaml import loader
from tfconfig.values.load import Values
from tfconfig.values.role_settings import MERGED, data_volumes, own_program, setting

RELEASE = "release name"

Path = tuple[str | int, ...]

# Lists of training pods, and where podSpec or container appends to them.
_APPENDED = {
    "extraVolumes": ("podSpec", "volumes"),
    "extraVolumeMounts": ("container", "volumeMounts"),
    "initContainers": ("podSpec", "initContainers"),
}

SHELL = re.compile(r"(^|/)(ba|da|a|z|k)?sh$")  # the first word of a command that a shell reads
SUBSTITUTION = re.compile(r"(?<!\$)\$\([^()\s]+\s[^()]*\)")  # a shell's $(date +%s): no variable has such a name
STOCK_IMAGE = re.compile(r"(^|/)tensorflow/tensorflow$")  # a repository with TensorFlow's own images, mirrors included


@dataclass(frozen=True)
class Rule:
    """One kind of error or warning."""

    id: str
    title: str
    why: str
    fix: str
    bad: str = ""  # a values file that breaks the rule, in the line that ends with "# <--"
    good: str = ""  # the same file, corrected
    severity: str = ERROR
    chart: bool = False  # `helm install` refuses it too, before the cluster sees anything


def _catalogue() -> dict[str, Rule]:
    text = (File(__file__).parent / "catalogue.yaml").read_text(encoding="utf-8")
    entries: dict[str, dict[str, Any]] = yaml.load(text, Loader=loader())
    return {id: Rule(id, **entry) for id, entry in sorted(entries.items())}


RULES = _catalogue()  # by id


@dataclass(frozen=True)
class CommandLine:
    """What some roles run: their common program, or one of their own."""

    roles: list[str]
    command: list[tuple[Path, str]]  # each word with its place in the values
    parts: list[tuple[Path, str]]  # command and args


class JobValues:
    """The values of a job with what the rules ask about them."""

    def __init__(self, values: Values, release: str) -> None:
        self.values = values
        self.release = release
        self.data: dict[str, Any] = values.data
        self.name = job_spec.fullname(self.data, values.job_release(release))
        self.strategies = values.chart.strategies

    def diagnostic(
        self,
        rule: str,
        path: Path,
        message: str,
        fix: str,
        related: tuple[Path, ...] = (),
        *,
        key: bool = False,
        label: str = "",
    ) -> Diagnostic:
        """A diagnostic `path: message; fix` at the place that set the value at `path`.

        If the user did not set that value, the diagnostic is at the first of the `related` ones that they did set.
        `key`: at the key rather than at its value. `label`: stands for the path in the message; with RELEASE the
        diagnostic is about the name of the release rather than about a value.
        """
        severity = RULES[rule].severity
        if label == RELEASE:
            origin = Origin(f"--release {self.release}")
            return Diagnostic.at(origin, rule, f"{label}: {message}", fix, severity=severity)
        places = [place for place in (path, *related) if self.values.is_set(place)]
        own = [place for place in places if self.values.origin(place).file != self.values.umbrella_file]
        origin = self.values.origin(next(iter(own or places), path), key)
        shown = self.values.shown(path)
        return Diagnostic.at(origin, rule, f"{label or shown}: {message}", fix, shown, severity)

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

    @cached_property
    def command_lines(self) -> list[CommandLine]:
        """What the roles that run a program run, each command line once."""
        lines: dict[tuple[Path, ...], CommandLine] = {}
        for role in filter(self.runs_program, self.roles):
            own = (self.data.get(role) or {}).get("program") or {}
            parts: dict[str, list[tuple[Path, str]]] = {}
            for key in ("command", "args"):
                is_own = key in own_program(own)
                path: Path = (role, "program", key) if is_own else ("program", key)
                arguments = (own if is_own else self.data["program"]).get(key) or []
                parts[key] = [((*path, i), word) for i, word in enumerate(arguments)]
            every = [*parts["command"], *parts["args"]]
            line = lines.setdefault(tuple(path for path, _ in every), CommandLine([], parts["command"], every))
            line.roles.append(role)
        return list(lines.values())

    def working_dir(self, role: str) -> str:
        """Where the program of a role starts; empty where the values do not say."""
        own = (self.data.get(role) or {}).get("program") or {}
        return str(own.get("workingDir") or self.data["program"].get("workingDir") or "")

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
        """The path of a role's effective setting, or of the entry `name` of a setting that merges key by key."""
        own = self.data.get(role) or {}
        if name:
            return (role, key, name) if key not in MERGED or name in (own.get(key) or {}) else (key, name)
        return (role, key) if key in own else (key,)

    def entries(self, role: str, key: str) -> Iterator[tuple[Path, Any]]:
        """The entries of a setting that is a list, with their places; then those that podSpec or container appends."""
        for i, entry in enumerate(self.setting(role, key) or []):
            yield (*self.place(role, key), i), entry
        if key in _APPENDED:
            for place, value in self.layers(role, *_APPENDED[key]):
                yield from (((*place, i), entry) for i, entry in enumerate(value))

    def containers(self) -> dict[Path, Any]:
        """The init containers and additional containers of all roles, each once, by its place."""
        keys = ("initContainers", "extraContainers")
        return {place: item for key in keys for role in self.roles for place, item in self.entries(role, key)}

    def layers(self, role: str, part: str, field: str) -> Iterator[tuple[Path, Any]]:
        """A field of podSpec or container, at the top and of the role, where it is set."""
        for where, values in (((), self.data), ((role,), self.data.get(role) or {})):
            value = (values.get(part) or {}).get(field)
            if value is not None:
                yield (*where, part, field), value

    def settings(self, key: str) -> Iterator[tuple[str, Path, Any]]:
        """A setting of each role that has tasks: (role, path, value); a setting that roles share comes once."""
        seen: set[Path] = set()
        for role in self.roles:
            path = self.place(role, key)
            if path not in seen:
                seen.add(path)
                yield role, path, self.setting(role, key)


Check = Callable[[JobValues], Iterator[Diagnostic]]

CHECKS: list[tuple[tuple[str, ...], Check]] = []  # each with the ids of the rules that it checks


def rule(*ids: str) -> Callable[[Check], Check]:
    """Register a function as the check of a rule, or of several."""

    def register(check: Check) -> Check:
        CHECKS.append((ids, check))
        return check

    return register
