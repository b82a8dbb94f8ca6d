"""`tfconfig doctor`: what a cluster would refuse, found before an install. Nothing is changed there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import TypeVar

import click
import yaml

from tfconfig import terminal
from tfconfig.cluster import helm, preflight
from tfconfig.cluster.job_view import COMPONENT, STATUS_SUFFIX
from tfconfig.cluster.kubectl import ClusterError, ForbiddenError, Kubectl, NotFoundError, Object, documents, together
from tfconfig.cluster.kubectl import options as cluster_options
from tfconfig.cluster.preflight import Check, Right
from tfconfig.cluster.rights import INSTALLER_VERBS
from tfconfig.commands import options
from tfconfig.values.chart import Chart, bundled
from tfconfig.values.set_flags import SetFlags

_T = TypeVar("_T")
_REVIEW = "authorization.k8s.io/v1"


@click.command("doctor")
@options.values
@click.option("--release", default=options.DEFAULT_RELEASE, show_default=True, metavar="NAME", help="Its future name.")
@cluster_options
@options.chart
@click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(
    files: tuple[str, ...],
    sets: SetFlags,
    release: str,
    namespace: str | None,
    context: str | None,
    chart: Chart | None,
    alias: str,
    form: str,
) -> None:
    """Check a cluster against a job's values before `helm install`: versions, rights, admission, quota, storage, GPUs.

    Everything is asked with the user's own rights; what he may not look at is told as unknown. The objects and pods of
    the job are offered to the API server as a dry run, so nothing is made.

    Exit status: 0 no errors, 1 errors found, 2 usage error or no answer from the cluster.
    """
    if "-" in files:
        raise click.UsageError("helm reads the values too, so standard input cannot be used; write them to a file")
    values = options.load_valid(files, sets, release, chart, alias)
    wanted = yaml.safe_load((values.chart.file("Chart.yaml") or b"").decode())["kubeVersion"]
    kubectl = Kubectl(namespace, context)
    found = [
        preflight.kubernetes_version(kubectl.get("/version")["gitVersion"], wanted),
        preflight.helm_version(helm.version()),
    ]
    if all(one.result == preflight.OK for one in found):
        objects = helm.template(
            release, kubectl.namespace, (chart or bundled()).root, files, sets, _bare(found[0].found)
        )
        found += _examine(kubectl, values.job_release(release), objects)
    if form == "json":
        click.echo(json.dumps({"version": 1, "checks": [asdict(one) for one in found]}, indent=2))
    else:
        click.echo("\n".join(table(found, terminal.width())))
    if any(one.result == preflight.PROBLEM for one in found):
        click.get_current_context().exit(1)


def table(found: Iterable[Check], columns: int) -> list[str]:
    """A row for each check; the fix of what is not ok in a row below it."""
    rows: list[tuple[str, ...]] = []
    for one in found:
        rows.append((one.check, one.result, one.found))
        if one.fix:
            rows.append(("", "", f"→ {one.fix}"))
    return terminal.table(("CHECK", "RESULT", "FOUND"), rows, columns)


def _bare(version: str) -> str:
    major, minor = preflight.numbers(version)
    return f"{major}.{minor}.0"


def _examine(kubectl: Kubectl, job: str, objects: list[Object]) -> list[Check]:
    for one in objects:
        one["metadata"].setdefault("namespace", kubectl.namespace)
    there = _namespace(kubectl)
    if there.result == preflight.PROBLEM:
        return [there]
    rights, offered, tried, installed = together(
        lambda: _rights(kubectl, objects),
        lambda: _offer(kubectl, objects),
        lambda: _try_pods(kubectl, objects),
        lambda: _installed(kubectl, job),
    )
    pods, tries = tried
    claims = [one for one in objects if one["kind"] == "PersistentVolumeClaim"]
    names = preflight.references([_pod(kubectl, owner) for owner in _owners(objects)], objects)
    quota, gpus, *rest = together(
        lambda: _quota(kubectl, pods, claims),
        lambda: _gpus(kubectl, pods),
        *(partial(_storage, kubectl, claim) for claim in claims),
        *(partial(_reference, kubectl, kind, name) for kind, name in names),
    )
    return [there, *installed, *rights, *offered, *tries, *quota, *gpus, *(check for some in rest for check in some)]


def _allowed(call: Callable[[], _T]) -> _T | None:
    """What a call answers; None where the user may not make it."""
    try:
        return call()
    except ForbiddenError:
        return None


def _there(kubectl: Kubectl, path: str) -> bool | None:
    try:
        return _allowed(lambda: bool(kubectl.get(path)))
    except NotFoundError:
        return False


def _namespace(kubectl: Kubectl) -> Check:
    name = kubectl.namespace
    there = _there(kubectl, f"/api/v1/namespaces/{name}")
    if there is None:
        return Check("namespace", preflight.UNKNOWN, f"{name}; you may not look at it")
    if there:
        return Check("namespace", preflight.OK, name)
    fix = f"create it: kubectl create namespace {name}; or give another one with -n"
    return Check("namespace", preflight.PROBLEM, f"there is no namespace {name}", fix)


def _installed(kubectl: Kubectl, job: str) -> list[Check]:
    if not _there(kubectl, kubectl.path("configmaps", job + STATUS_SUFFIX)):
        return []
    told = f"{job} is installed already: this would be an upgrade; what it holds counts as used below"
    return [Check("release", preflight.WARNING, told, f"see tfconfig status {job}")]


def _rights(kubectl: Kubectl, objects: Sequence[Object]) -> list[Check]:
    """One call for all of them: reviews are created like other objects, and answered at once."""
    install, look = preflight.rights_wanted(objects, INSTALLER_VERBS), preflight.rights_to_look()
    wanted = list(dict.fromkeys([*install, *look]))
    done = kubectl.feed(["create", "-o", "json"], [_review(kubectl.namespace, right) for right in wanted])
    if done.returncode != 0:
        return [Check("rights", preflight.UNKNOWN, f"the cluster does not tell: {done.stderr.strip()}")]
    answers = documents(done.stdout)
    allowed = {right: bool(one["status"]["allowed"]) for right, one in zip(wanted, answers, strict=True)}
    return [preflight.installing(allowed, install), preflight.looking(allowed, look)]


def _review(namespace: str, right: Right) -> Object:
    what = {"verb": right.verb, "group": right.group, "resource": right.resource, "subresource": right.sub}
    spec = {"resourceAttributes": {**what, "namespace": namespace}}
    return {"apiVersion": _REVIEW, "kind": "SelfSubjectAccessReview", "spec": spec}


def _offer(kubectl: Kubectl, objects: Sequence[Object]) -> list[Check]:
    done = kubectl.feed(["apply", "--dry-run=server", "-o", "name"], objects)
    stderr = done.stderr if done.returncode else ""
    return preflight.dry_run("objects", stderr, f"all {len(objects)} would be taken", "create or look at all of them")


def _try_pods(kubectl: Kubectl, objects: Sequence[Object]) -> tuple[list[tuple[Object, int]], list[Check]]:
    """Every role's pod and the lifecycle's, each with its number, with the defaults of the cluster where it is taken.

    A StatefulSet is taken whatever its pods are like; Pod Security and quota refuse them later, in Events alone.
    """
    replicas = _replicas(objects)
    owners = _owners(objects)
    made = {one["metadata"]["name"] for one in objects if one["kind"] == "ServiceAccount"}
    done = together(*(partial(_try_pod, kubectl, owner, made) for owner in owners)) if owners else []
    pods = [(pod, replicas.get(owner["metadata"]["name"], 1)) for owner, (pod, _) in zip(owners, done, strict=True)]
    return pods, preflight.alike([check for _, some in done for check in some])


def _owners(objects: Iterable[Object]) -> list[Object]:
    return [one for one in objects if one["kind"] in ("StatefulSet", "Deployment", "Job")]


def _pod(kubectl: Kubectl, owner: Object) -> Object:
    template = owner["spec"]["template"]
    metadata = {
        **template["metadata"],
        "generateName": f"{owner['metadata']['name']}-",
        "namespace": kubectl.namespace,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": dict(template["spec"])}


def _replicas(objects: Iterable[Object]) -> dict[str, int]:
    """StatefulSet -> its number of pods. The chart leaves that to the lifecycle: it stands in job.json."""
    found = {}
    for one in objects:
        text = (one.get("data") or {}).get("job.json") if one["kind"] == "ConfigMap" else None
        if text:
            layout = json.loads(text)
            found.update({f"{layout['name']}-{role}": count for role, count in layout["replicas"].items()})
    return found


def _try_pod(kubectl: Kubectl, owner: Object, made: set[str]) -> tuple[Object, list[Check]]:
    pod = _pod(kubectl, owner)
    if pod["spec"].get("serviceAccountName") in made:
        del pod["spec"]["serviceAccountName"]  # it is not there yet
    done = kubectl.feed(["create", "--dry-run=server", "-o", "json"], [pod])
    labels = pod["metadata"].get("labels", {})
    which = labels.get("tensorflow-job/role") or labels.get(COMPONENT) or owner["metadata"]["name"]
    if done.returncode == 0:
        (pod,) = documents(done.stdout)
    return pod, preflight.dry_run(
        which, done.stderr if done.returncode else "", "would be taken", "create pods yourself"
    )


def _quota(kubectl: Kubectl, pods: Sequence[tuple[Object, int]], claims: Sequence[Object]) -> list[Check]:
    found = _allowed(lambda: kubectl.items("resourcequotas"))
    if found is None:
        return [
            Check("quota", preflight.UNKNOWN, "you may not list resource quotas", "see whether the dry run was taken")
        ]
    return preflight.quotas(found, preflight.needs(pods, claims))


def _gpus(kubectl: Kubectl, pods: Sequence[tuple[Object, int]]) -> list[Check]:
    if not preflight.gpus(pods, None, None):
        return []
    nodes = _allowed(lambda: kubectl.items("nodes", everywhere=True))
    running = _allowed(lambda: kubectl.items("pods", everywhere=True))
    return preflight.gpus(pods, nodes, running)


def _storage(kubectl: Kubectl, claim: Object) -> list[Check]:
    try:
        existing = _allowed(lambda: kubectl.get(kubectl.path("persistentvolumeclaims", claim["metadata"]["name"])))
    except NotFoundError:
        existing = None
    classes = _allowed(lambda: kubectl.items("storageclasses", everywhere=True))
    return [preflight.storage(claim, classes, existing)]


def _reference(kubectl: Kubectl, kind: str, name: str) -> list[Check]:
    try:
        return [preflight.reference(kind, name, _there(kubectl, kubectl.path(preflight.GROUPS[kind][1], name)))]
    except ClusterError as error:
        return [Check(f"{kind} {name}", preflight.UNKNOWN, error.message)]
