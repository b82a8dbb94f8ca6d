"""Ask a cluster what the checks need, with the user's own permissions, several requests at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tfconfig.cluster import shapes
from tfconfig.cluster.errors import ClusterError, ForbiddenError, NotFoundError, malformed
from tfconfig.cluster.job_objects import COMPONENT_LABEL
from tfconfig.cluster.kubectl import Kubectl, Object, parse_objects
from tfconfig.cluster.preflight import (
    admission,
    capacity,
    gang,
    gpus,
    injection,
    kueue,
    owners,
    permissions,
    quota,
    references,
    storage,
)
from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, WARNING, Check
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError
from tfconfig.tensorflow_job.task.names import status_name

PARALLEL_REQUESTS = 8
_NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"


class Examination:
    """The checks of one release, whose objects are those of `helm template`, against the namespace of `kubectl`."""

    def __init__(self, kubectl: Kubectl, job: str, objects: Sequence[Object], installer_verbs: Sequence[str]) -> None:
        self._kubectl, self._job, self._objects, self._verbs = kubectl, job, objects, installer_verbs
        self._owners, self._counts = owners.owners(objects), owners.pod_counts(objects)
        for item in objects:
            item["metadata"].setdefault("namespace", kubectl.namespace)

    def run(self) -> list[Check]:
        """All checks; only that of the namespace where it does not exist. Raises ClusterError."""
        namespace = self._namespace()
        if namespace.result == ERROR:
            return [namespace]
        claims = owners.claims(self._objects)
        pods = [owners.pod_of(owner, self._kubectl.namespace) for owner in self._owners]
        names = references.external_references(pods, self._objects)
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            installed = pool.submit(self._installed)
            allowed = pool.submit(self._permissions)
            accepted = pool.submit(self._dry_run)
            tried = pool.map(self._try_pod, self._owners)
            existing = list(pool.map(self._existing, claims))
            listed = pool.submit(self._list, "storageclasses", True)
            referenced = pool.map(self._reference, names)
            pod_counts, pod_checks, added, sent_and_got = [], [], [], []
            for owner, sent, (pod, checks) in zip(self._owners, pods, tried, strict=True):
                pod_counts.append((pod, self._count(owner)))
                pod_checks += checks
                if all(check.result == OK for check in checks):
                    sent_and_got.append((sent, pod))
                added.append((capacity.setting(pod)[0], injection.added_containers(sent, pod)))
            queues = pool.submit(kueue.check_kueue, self._get, self._kubectl.namespace, self._owners, pod_counts)
            quotas = pool.submit(self._list, "resourcequotas")
            pending = pool.submit(self._list, "pods", True, fieldSelector=_NOT_ENDED)
            nodes, running, classes = self._list("nodes", True), pending.result(), listed.result()
            needed = quota.needs(pod_counts, self._new(claims, existing), storage.default_class(classes))
            return [
                namespace,
                *installed.result(),
                *allowed.result(),
                *accepted.result(),
                *admission.merge_equal(pod_checks),
                *gang.check_gang(sent_and_got),
                *queues.result(),
                *quota.check_quotas(quotas.result(), needed),
                *injection.check_injection(added),
                capacity.check_capacity(pod_counts, nodes, running),
                *gpus.check_gpus(pod_counts, nodes, running),
                *(storage.check_claim(claim, classes, there) for claim, there in zip(claims, existing, strict=True)),
                *referenced,
            ]

    # --- requests: None where the user has no permission ---

    def _get(self, path: str) -> Object | None:
        """An object; empty where it does not exist."""
        try:
            return self._kubectl.get(path)
        except NotFoundError:
            return {}
        except ForbiddenError:
            return None

    def _list(self, resource: str, all_namespaces: bool = False, **query: str) -> list[Object] | None:
        try:
            return self._kubectl.items(resource, all_namespaces, **query)
        except ForbiddenError:
            return None

    # --- checks ---

    def _namespace(self) -> Check:
        name = self._kubectl.namespace
        namespace = self._get(f"/api/v1/namespaces/{name}")
        if namespace is None:
            return Check("namespace", UNKNOWN, f"{name}; no permission to get it")
        if namespace:
            return Check("namespace", OK, name)
        fix = f"create it: kubectl create namespace {name}; or choose another one with -n"
        return Check("namespace", ERROR, f"namespace {name} does not exist", fix)

    def _installed(self) -> list[Check]:
        if not self._get(self._kubectl.path("configmaps", status_name(self._job))):
            return []
        message = f"{self._job} is installed: this would be an upgrade; what it uses now counts as used below"
        return [Check("release", WARNING, message, f"see tfconfig status {self._job}")]

    def _permissions(self) -> list[Check]:
        """Reviews are created like other objects, all in one request, and answered at once."""
        install, view = permissions.to_install(self._objects, self._verbs), permissions.to_view()
        needed = list(dict.fromkeys([*install, *view]))
        reviews = [permissions.review(permission, self._kubectl.namespace) for permission in needed]
        result = self._kubectl.send(["create", "-o", "json"], reviews)
        if result.returncode != 0:
            message = f"the cluster does not answer access reviews: {result.stderr.strip()}"
            return [Check("permissions", UNKNOWN, message)]
        try:
            answers = shapes.reviews(parse_objects(result.stdout), len(needed))
        except ShapeError as error:
            raise malformed(error) from None
        allowed = dict(zip(needed, answers, strict=True))
        return [permissions.check_install(allowed, install), permissions.check_view(allowed, view)]

    def _dry_run(self) -> list[Check]:
        result = self._kubectl.send(["apply", "--dry-run=server", "-o", "name"], self._objects)
        stderr = result.stderr if result.returncode else ""
        accepted = f"all {len(self._objects)} accepted"
        return admission.dry_run("objects", stderr, accepted, "create or get all of them")

    def _try_pod(self, owner: Object) -> tuple[Object, list[Check]]:
        """A dry run of an owner's pod, and the pod, with the cluster's defaults where it is accepted.

        A StatefulSet is accepted whatever its pods are; Pod Security and quota reject those later, in Events alone.
        """
        own_accounts = {item["metadata"]["name"] for item in self._objects if item["kind"] == "ServiceAccount"}
        pod = owners.pod_of(owner, self._kubectl.namespace)
        if pod["spec"].get("serviceAccountName") in own_accounts:
            del pod["spec"]["serviceAccountName"]  # it does not exist yet
        result = self._kubectl.send(["create", "--dry-run=server", "-o", "json"], [pod])
        labels = pod["metadata"].get("labels", {})
        name = labels.get("tensorflow-job/role") or labels.get(COMPONENT_LABEL) or owner["metadata"]["name"]
        if result.returncode == 0:
            try:
                pod = {**shapes.dry_run_pod(parse_objects(result.stdout)), "metadata": pod["metadata"]}
            except ShapeError as error:
                raise malformed(error) from None
        return pod, admission.dry_run(name, result.stderr if result.returncode else "", "accepted", "create pods")

    def _existing(self, claim: Object) -> Object | None:
        try:
            return self._kubectl.item("persistentvolumeclaims", claim["metadata"]["name"])
        except (NotFoundError, ForbiddenError):
            return None

    def _new(self, claims: Sequence[Object], existing: Sequence[Object | None]) -> list[Object]:
        """The objects without the claims that an earlier release has kept: a quota has counted those."""
        kept = {id(claim) for claim, there in zip(claims, existing, strict=True) if there}
        return [item for item in self._objects if id(item) not in kept]

    def _reference(self, reference: references.Reference) -> Check:
        kind, name = reference
        try:
            document = self._get(self._kubectl.path(permissions.RESOURCES[kind][1], name))
        except ClusterError as error:
            return Check(f"{kind} {name}", UNKNOWN, error.message)
        if document and kind == "PersistentVolumeClaim":
            return storage.check_existing_claim(name, document, self._mounting(reference))
        return references.check_reference(kind, name, None if document is None else bool(document))

    def _mounting(self, claim: references.Reference) -> int:
        """The number of pods that mount a claim."""
        pods = [(owners.pod_of(owner, ""), self._count(owner)) for owner in self._owners]
        return sum(count for pod, count in pods if claim in references.external_references([pod], []))

    def _count(self, owner: Object) -> int:
        return self._counts.get(owner["metadata"]["name"], 1)
