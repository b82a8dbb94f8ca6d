"""One form for the jobs of all API versions: what readers (tfjob.py, volcano.py) make and mapping reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tfconfig.convert.fields import Field, UnconvertibleError, text_at
from tfconfig.convert.report import Report
from tfconfig.values.job_spec import ROLES

# The restart policies of roles, the most tolerant first.
RESTARTS = ("Always", "OnFailure", "ExitCode", "Never")


@dataclass
class Role:
    """The tasks of one role."""

    name: str  # as here: worker
    field: Field  # as in the manifest
    replicas: int
    template: Field | None  # None: a parameter server of TFJob v1alpha1, which brings its own server
    restart: str
    restart_field: Field | None = None


@dataclass
class Form:
    """A job."""

    title: str  # TFJob mnist (kubeflow.org/v1)
    system: str  # TFJob, KubeDL or Volcano
    root: Field
    name: str = ""
    namespace: str = ""
    roles: dict[str, Role] = field(default_factory=dict)  # in the order of the values: chief, worker, ps, evaluator
    unknown: list[str] = field(default_factory=list)  # roles of the manifest that do not exist here
    policies: dict[str, Field] = field(default_factory=dict)  # cleanPodPolicy, backoffLimit, … wherever they stand
    old_exit_codes: bool = False  # restart policy ExitCode as before training-operator 1.8
    success: str | None = None  # a value of completion.successPolicy
    tensorboard: Field | None = None
    scheduler: Field | None = None  # schedulerName of all pods
    extra: list[tuple[str, Any, Field]] = field(default_factory=list)  # settings of all pods: key, value, field
    lines: tuple[int, int] = (0, (1 << 30) + 1)  # of its document in the file: first, and first of the next
    report: Report = field(default_factory=Report)

    @classmethod
    def of(cls, root: Field, kind: str, system: str) -> Form:
        """A job as its object names it, without roles."""
        name = text_at(root, "metadata", "name") or text_at(root, "metadata", "generateName").rstrip("-")
        title = f"{kind} {name} ({text_at(root, 'apiVersion')})"
        form = cls(title, system, root, name, text_at(root, "metadata", "namespace"))
        for key in ("apiVersion", "kind"):
            if child := root.child(key):
                form.report.ignored(child, "names what was converted")
        return form

    def add(self, role: Role) -> None:
        """Add a role. Raises UnconvertibleError where it is there already."""
        if first := self.roles.get(role.name):
            message = (
                f"a second {role.name}: {first.field.shown} in line {first.field.line} is the {role.name} here, too"
            )
            raise UnconvertibleError(role.field, message, "remove one of them")
        self.roles[role.name] = role

    def sort_roles(self) -> None:
        """Bring the roles into the order of the values."""
        self.roles = {role: self.roles[role] for role in ROLES if role in self.roles}
