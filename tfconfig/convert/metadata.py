"""What a manifest says of the object itself: its name, labels, annotations, and what the cluster wrote."""

from __future__ import annotations

import shlex

from tfconfig.checking.rules.job import MAX_NAME
from tfconfig.convert.draft import Draft
from tfconfig.convert.fields import Field, children_at
from tfconfig.convert.forms import Form

_OF_THE_CLUSTER = frozenset((
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields",
    "resourceVersion", "selfLink", "uid",
))  # fmt: skip
_KUEUE_QUEUE, _KUEUE_PRIORITY = "kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class"
_ANNOTATIONS = {
    "kubectl.kubernetes.io/last-applied-configuration": None,  # written by kubectl
    "kubedl.io/git-sync-config": "clone in an init container: initContainers",
    "kubedl.io/tensorboard-config": "set tensorboard.enabled, which shows the checkpoint volume",
}


def metadata(form: Form, draft: Draft) -> None:
    """Account for the metadata and the status of a job."""
    report = form.report
    for field in children_at(form.root, "metadata"):
        if field.name in ("name", "generateName"):
            report.converted(field, "", f"the name of the release: helm install {shlex.quote(form.name)}")
            if len(form.name) > MAX_NAME:
                fix = "choose a shorter one; fullnameOverride sets the name of the job alone"
                report.different(field, "", f"{len(form.name)} characters, but a job's name has {MAX_NAME}", fix)
        elif field.name == "namespace":
            report.converted(field, "", f"helm install -n {shlex.quote(form.namespace)}")
        elif field.name in ("labels", "annotations"):
            for entry in field.a_map().children():
                _entry(form, draft, entry, field.name)
        elif field.name in _OF_THE_CLUSTER:
            report.ignored(field, "written by the cluster")
        elif field.name == "ownerReferences":
            report.lost(field, "a release has no owner", "let the owner install and uninstall it")
        elif field.name == "finalizers":
            report.lost(field, "a release has none")
        else:
            report.ignored(field, "without effect on the job")
    if status := form.root.child("status"):
        report.ignored(status, "written by the operator")


def _entry(form: Form, draft: Draft, entry: Field, kind: str) -> None:
    report, name = form.report, entry.name
    if name == _KUEUE_QUEUE and kind == "labels":
        for label, text in ((name, entry.text()), ("kueue.x-k8s.io/managed", "true")):
            draft.set(("podLabels", label), text, [(entry, ())])
        draft.set(("podLabels", "kueue.x-k8s.io/pod-group-name"), "$(JOB)-$(RUN_ID)")
        for annotation, text in (("total-count", "$(TASKS)"), ("serving", "true")):
            draft.set(("podAnnotations", f"kueue.x-k8s.io/pod-group-{annotation}"), text)
        draft.set(("podAnnotations", "kueue.x-k8s.io/pod-suspending-parent"), "tensorflow-job")
        message = "Kueue admits the pods as one group, as values/kueue.yaml has it"
        report.different(entry, ("podLabels", name), message, "Kueue 0.18 or newer with the integration of pods")
    elif name == _KUEUE_PRIORITY and kind == "labels":
        draft.set(("podLabels", name), entry.text(), [(entry, ())])
        report.converted(entry, ("podLabels", name))
    elif name in _ANNOTATIONS and _ANNOTATIONS[name] is None:
        report.ignored(entry, "written by kubectl")
    elif name.startswith(("kubedl.io/", "arena.kubeflow.org/")):
        report.lost(entry, "a feature of KubeDL or Arena", _ANNOTATIONS.get(name) or "")
    elif name.startswith(("meta.helm.sh/", "helm.sh/", "app.kubernetes.io/managed-by")):
        report.ignored(entry, "written by Helm")
    else:
        report.lost(
            entry, f"{kind} of the TFJob itself, which does not exist here", f"for pods: pod{kind.capitalize()}"
        )
