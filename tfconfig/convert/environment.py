"""The list of a container's variables -> env, a map in which the order makes no difference."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tfconfig.convert.fields import Field, text_at
from tfconfig.convert.forms import Form, Role
from tfconfig.convert.settings import Settings
from tfconfig.values.role_settings import MADE_VARIABLES

_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")
# What the operators' labels of a pod say: the last part of the label -> what says it here.
_LABELS = {
    "replica-index": "$(TASK_INDEX)", "tf-replica-index": "$(TASK_INDEX)", "task-index": "$(TASK_INDEX)",
    "replica-type": "$(TASK_TYPE)", "tf-replica-type": "$(TASK_TYPE)", "task-spec": "$(TASK_TYPE)",
    "job-name": "", "tf-job-name": "",
}  # fmt: skip


def environment(form: Form, role: Role, made: Settings, variables: Field) -> None:
    """Carry the variables over."""
    report = form.report
    entries = variables.a_list()
    last = {text_at(entry.a_map(), "name"): i for i, entry in enumerate(entries)}
    before: dict[str, str] = {}  # what later entries of the list change afterwards
    for i, entry in enumerate(entries):
        name = text_at(entry, "name")
        source = entry.child("valueFrom")
        if not name:
            report.missing(entry, (role.name, "env"), "the variable has no name", "give it one, or remove it")
        elif i != last[name]:
            report.ignored(entry, f"a later entry of the list sets {name} again")
        elif name in MADE_VARIABLES:
            _made(form, role, entry, name)
        elif source:
            label = _label(source)
            if label is None:
                made.put("env", {"valueFrom": source.value}, entry, (name,))
            else:
                made.put("env", label or form.name, entry, (name,))
                message = "the pods have no labels of the operator; the same comes from the task itself"
                report.different(entry, (role.name, "env", name), message)
        else:
            made.put("env", _as_in_order(text_at(entry, "value"), i, before, last), entry, (name,))
        if i != last[name] and not source:
            before[name] = _as_in_order(text_at(entry, "value"), i, before, last)


def _made(form: Form, role: Role, entry: Field, name: str) -> None:
    """A variable that the chart makes itself, so that nobody else may set it."""
    if name == "TF_CONFIG":
        form.report.lost(entry, "the chart makes it for every task, as the operator did")
        return
    given = text_at(entry, "value")
    fix = f"rename the program's variable, or set it in the command: [env, {name}={given}, python3, …]"
    form.report.lost(entry, f"the chart makes {name} for every task, so that {role.name} cannot have its own", fix)


def _label(source: Field) -> str | None:
    """What says here what a label of the operator said; None where it is another source."""
    path = re.fullmatch(r"metadata\.labels\['(?:.*/)?([^/']+)'\]", text_at(source, "fieldRef", "fieldPath"))
    full = text_at(source, "fieldRef", "fieldPath")
    if not path or path[1] not in _LABELS or not re.search(r"kubeflow|kubedl|volcano|'[a-z-]+'", full):
        return None
    return _LABELS[path[1]]


def _as_in_order(text: str, at: int, before: Mapping[str, str], last: Mapping[str, int]) -> str:
    """A text in which references mean what they mean at this place of a list.

    Those to later variables stay as they are written; an earlier one that changes afterwards has the value before.
    """

    def in_order(match: re.Match[str]) -> str:
        name = match[1]
        if name is None or last.get(name, -1) < at:
            return match[0]
        return before.get(name, f"${match[0]}")

    return _REFERENCE.sub(in_order, text)
