"""A job in the form of forms.py -> values and a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tfconfig.convert import pods, roles, tensorboard
from tfconfig.convert.draft import Draft
from tfconfig.convert.fields import UnconvertibleError
from tfconfig.convert.forms import Form, Role
from tfconfig.convert.images import Programs
from tfconfig.convert.metadata import metadata
from tfconfig.convert.policies import policies
from tfconfig.convert.report import DIFFERENT, LOST, MISSING, Report
from tfconfig.convert.settings import Settings

_LABELS = "training.kubeflow.org"


@dataclass
class Conversion:
    """Values of a job, and what became of its manifest."""

    form: Form
    draft: Draft

    @property
    def report(self) -> Report:
        """What became of the manifest."""
        return self.form.report

    def status(self, strict: bool = False) -> int:
        """The exit status: 1 where something must be filled in, with `strict` also where anything is different."""
        kinds = (MISSING, DIFFERENT, LOST) if strict else (MISSING,)
        return int(any(item.kind in kinds for item in self.report.items))


def convert(form: Form, programs: Programs, operator_labels: bool = False) -> Conversion:
    """Make the values of a job. Raises UnconvertibleError."""
    draft, report = Draft(), form.report
    server = any(role.template is None for role in form.roles.values())
    draft.set(("strategy",), "BetweenGraph" if server else "Custom")
    draft.note(("strategy",), "the ps are servers" if server else "every task runs the program, as with TFJob")
    metadata(form, draft)
    settings: dict[str, Settings] = {}
    for role in form.roles.values():
        _replicas(form, draft, role)
        if role.template is None:
            report.different(
                role.field, "strategy", "a PS without a template runs a TensorFlow server, as with BetweenGraph"
            )
            continue
        made = settings[role.name] = pods.settings(form, role, role.template)
        for key, value, field in form.extra:
            made.append(key, value, field)
        programs.complete(form, role, made, pods.training_container(form, role, role.template))
        if operator_labels:
            _operator_labels(made, role)
    if not any(role.replicas for role in form.roles.values() if role.name in ("chief", "worker")):
        fix = "add a Worker or a Chief; TFJob never ends such a job as Succeeded either"
        found = [f"{role.name} (replicas: {role.replicas})" for role in form.roles.values()]
        found += [f"{name} (no role here)" for name in form.unknown]
        message = f"there is no chief and no worker, only {', '.join(found)}"
        raise UnconvertibleError(form.root.child("spec") or form.root, message, fix)
    roles.place(draft, report, settings)
    draft.values.setdefault("worker", {}).setdefault("replicas", 0)
    draft.set(("checkpoint", "enabled"), False)
    if form.tensorboard:
        tensorboard.tensorboard(form, draft, form.tensorboard)
    policies(form, draft)
    _notes(form, draft, settings, operator_labels)
    report.account_for_the_rest(form.root)
    return Conversion(form, draft)


def _replicas(form: Form, draft: Draft, role: Role) -> None:
    count = role.field.child("replicas")
    at_most = 1 if role.name in ("chief", "evaluator") else role.replicas
    if role.replicas > at_most:
        message = f"{role.replicas}, but a job has at most one {role.name} here"
        fix = (
            "decide whether the others are workers"
            if role.name == "chief"
            else "start the others as a job of their own"
        )
        form.report.missing(count, (role.name, "replicas"), message, fix)
    if role.replicas < 0:
        raise UnconvertibleError(count or role.field, "less than 0 tasks", "correct the manifest")
    draft.set((role.name, "replicas"), min(role.replicas, at_most), [(count, ())] if count else [])
    draft.lines[role.name,] = [role.field.line]


def _operator_labels(made: Settings, role: Role) -> None:
    """The labels of training-operator that others select pods by; the index is no label that a set can give."""
    labels = {"job-name": "$(JOB)", "replica-type": role.name, "operator-name": "tfjob-controller"}
    if role.name == "chief":
        labels["job-role"] = "master"
    for name, value in labels.items():
        made.put("podLabels", value, None, (f"{_LABELS}/{name}",))


def _notes(form: Form, draft: Draft, settings: dict[str, Settings], operator_labels: bool) -> None:
    """What is different for jobs of every kind."""
    report = form.report
    mounts = any("extraVolumeMounts" in made.of for made in settings.values())
    unset = [role for role, made in settings.items() if not _has_user(made)]
    if unset:
        message = "the pods run as user 1000, not as the user of the image, which is mostly root"
        fix = "if the program must write to folders of root: values/root.yaml"
        if mounts:
            report.different(None, "podSecurityContext", f"{message}; volumes must be writable for it", fix)
        else:
            report.note("podSecurityContext", message, fix)
    claims = _claims(draft.values)
    if claims and draft.values["checkpoint"].get("enabled") is False:
        message = f"off, as before; the claim {', '.join(claims)} is mounted as it was"
        fix = "if checkpoints are on it: checkpoint.existingClaim, mountPath and directory: . in place of the volume"
        report.different(None, "checkpoint", message, fix)
    elif not claims:
        report.note(
            "checkpoint", "off, as before: a restarted program starts at step 0", "docs/from-tfjob.md has how to save"
        )
    report.note("python", "tasks are started by the image's own python3, 3.6 or newer")
    report.note(
        "TF_CONFIG", "also of a single task; without environment; the evaluator stands in its own alone; "
        "addresses are <job>-<role>-<index>.<job>:2222, of one Service for all tasks",
    )  # fmt: skip
    report.note(
        "networkPolicy", "only the job's own tasks may connect to its tasks, so a TensorBoard in a worker is closed",
        "networkPolicy.extraPeers, or kubectl port-forward",
    )  # fmt: skip
    if not operator_labels:
        message = f"the pods have no labels {_LABELS}/…, which dashboards and Katib may select by"
        report.note("podLabels", message, "convert with --operator-labels")
    else:
        report.note(
            "podLabels", f"{_LABELS}/replica-index is no label of a StatefulSet: apps.kubernetes.io/pod-index has it"
        )


def _has_user(made: Settings) -> bool:
    """Whether the manifest says which user the program runs as."""
    contexts = (made.of[key] for key in ("podSecurityContext", "securityContext") if key in made.of)
    return any(source.child("runAsUser") for setting in contexts for source, _ in setting.parts)


def _claims(values: dict[str, Any]) -> list[str]:
    """The claims that tasks mount."""
    volumes = [
        volume for at in (values, *values.values()) if isinstance(at, dict) for volume in at.get("extraVolumes") or []
    ]
    sources = [volume.get("persistentVolumeClaim") for volume in volumes]
    names = [source.get("claimName") for source in sources if isinstance(source, dict)]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))
