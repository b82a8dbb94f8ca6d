"""What `tfconfig doctor` concludes from what a cluster says. Pure: documents in, checks out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfconfig.cluster.resources import Amounts, pod_amounts
from tfconfig.values.quantity import Quantity, parse

Object = Mapping[str, Any]
OK, WARNING, PROBLEM, UNKNOWN = "ok", "warning", "problem", "unknown"

# Provisioners whose volumes one node at a time can mount, as their documentation says.
ONE_NODE = {
    "kubernetes.io/aws-ebs", "ebs.csi.aws.com", "kubernetes.io/gce-pd", "pd.csi.storage.gke.io",
    "kubernetes.io/azure-disk", "disk.csi.azure.com", "kubernetes.io/cinder", "cinder.csi.openstack.org",
    "dobs.csi.digitalocean.com", "csi.hetzner.cloud", "linodebs.csi.linode.com", "rbd.csi.ceph.com",
    "rancher.io/local-path", "topolvm.io", "local.csi.openebs.io",
}  # fmt: skip
BY_HAND = "kubernetes.io/no-provisioner"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

GROUPS = {
    "ConfigMap": ("", "configmaps"),
    "Secret": ("", "secrets"),
    "Service": ("", "services"),
    "ServiceAccount": ("", "serviceaccounts"),
    "PersistentVolumeClaim": ("", "persistentvolumeclaims"),
    "StatefulSet": ("apps", "statefulsets"),
    "Deployment": ("apps", "deployments"),
    "Pod": ("", "pods"),
    "Job": ("batch", "jobs"),
    "Ingress": ("networking.k8s.io", "ingresses"),
    "PodMonitor": ("monitoring.coreos.com", "podmonitors"),
    "NetworkPolicy": ("networking.k8s.io", "networkpolicies"),
    "Role": ("rbac.authorization.k8s.io", "roles"),
    "RoleBinding": ("rbac.authorization.k8s.io", "rolebindings"),
}
_GRANTING = {"roles", "rolebindings"}
_LOOK = ("get", "list", "watch")
ROLE_FIX = (
    "an administrator runs `tfconfig role -n NAMESPACE | kubectl apply -f -` once; then install with "
    "--set serviceAccount.create=false --set serviceAccount.name=tensorflow-job"
)


@dataclass(frozen=True)
class Check:
    """One line of the table."""

    check: str
    result: str
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Right:
    """Something the user has to be allowed."""

    verb: str
    group: str
    resource: str
    sub: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'/' + self.sub if self.sub else ''}"


# --- versions -----------------------------------------------------------------------------------------------------


def numbers(version: str) -> tuple[int, int]:
    """Major and minor of `v1.30.1-gke.100` or `>=1.28.0-0`; (0, 0) for no version."""
    match = re.search(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def kubernetes_version(found: str, wanted: str) -> Check:
    """The cluster's version against the chart's kubeVersion."""
    if numbers(found) >= numbers(wanted):
        return Check("Kubernetes", OK, found)
    return Check("Kubernetes", PROBLEM, f"{found}; the chart needs {wanted}", "use a newer cluster")


def helm_version(found: str) -> Check:
    """Helm 3 and 4 are known to work."""
    fix = "install Helm 3 or 4: https://helm.sh/docs/intro/install/"
    if not found:
        return Check("Helm", PROBLEM, "there is no helm on PATH", fix)
    if numbers(found)[0] in (3, 4):
        return Check("Helm", OK, found)
    return Check("Helm", PROBLEM, f"{found}; the chart is for Helm 3 and 4", fix)


# --- rights -------------------------------------------------------------------------------------------------------


def rights_wanted(objects: Iterable[Object], verbs: Sequence[str]) -> list[Right]:
    """What Helm does with each kind of the objects, and with its own record of the release, a Secret."""
    kinds = sorted({one["kind"] for one in objects} & set(GROUPS) | {"Secret"})
    return [Right(verb, *GROUPS[kind]) for kind in kinds for verb in verbs]


def rights_to_look() -> list[Right]:
    """What tfconfig status, wait and logs need."""
    lists = [Right(verb, *GROUPS[kind]) for kind in ("Pod", "ConfigMap", "Job") for verb in _LOOK]
    return [*lists, Right("get", "", "pods", "log")]


def installing(allowed: Mapping[Right, bool], needed: Sequence[Right]) -> Check:
    """Whether the user may install."""
    missing = [right for right in needed if not allowed[right]]
    if not missing:
        return Check("rights to install", OK, f"all {len(needed)} that Helm needs")
    fix = ROLE_FIX if {right.resource for right in missing} <= _GRANTING else "ask for them, or use another namespace"
    return Check("rights to install", PROBLEM, f"you may not {_verbs(missing)}", fix)


def looking(allowed: Mapping[Right, bool], needed: Sequence[Right]) -> Check:
    """Whether the user may see what becomes of the job."""
    missing = [right for right in needed if not allowed[right]]
    if not missing:
        return Check("rights to look", OK, "all that status, wait and logs need")
    return Check(
        "rights to look", WARNING, f"you may not {_verbs(missing)}", "without them tfconfig status, wait or logs fail"
    )


def _verbs(rights: Iterable[Right]) -> str:
    verbs: dict[str, list[str]] = {}
    for right in rights:
        verbs.setdefault(str(right).partition(" ")[2], []).append(right.verb)
    return "; ".join(f"{', '.join(some)} {what}" for what, some in verbs.items())


# --- what the API server would refuse -----------------------------------------------------------------------------

_REFUSALS = (
    (r"violates PodSecurity", "leave out what it names (values/root.yaml, say), or use a namespace of a lower level"),
    (r"exceeded quota", "ask for less, wait until others have ended, or have the quota raised"),
    (r"failed quota", "set resources.requests and resources.limits for what it names"),
    (r"no PriorityClass", "correct priorityClassName; `kubectl get priorityclasses` lists them"),
    (r"RuntimeClass", "correct runtimeClassName; `kubectl get runtimeclasses` lists them"),
    (r"(maximum|minimum) .* (usage|size)|limit to request ratio", "change resources to fit the namespace's LimitRange"),
    (r"attempting to grant RBAC permissions", ROLE_FIX),
    (r"no matches for kind", "install the operator that knows this kind, or turn off what asks for it"),
    (r"admission webhook", "a policy of the cluster refuses it; ask who administers the policy"),
    (r"is invalid|field is immutable|strict decoding|unknown field", "correct the value that it names"),
)


def refusals(stderr: str) -> list[str]:
    """The errors that kubectl told, without what is the same in each; warnings left out."""
    found = []
    for line in stderr.splitlines():
        match = re.match(r"(?:Error from server \(\w+\)|The \S+ \S+ is invalid|error)(?=:)", line)
        if match:
            text = line if line.startswith("The ") else line[match.end() + 2 :]
            text = re.sub(r'error when (?:creating|applying patch|retrieving[^:]*) "STDIN": ', "", text)
            found.append(re.sub(r'^pods "[^"]*" is forbidden: ', "", text))
    return list(dict.fromkeys(found)) or ([stderr.strip()] if stderr.strip() else [])


def dry_run(check: str, stderr: str, accepted: str, may_not: str) -> list[Check]:
    """What became of objects that were offered; `may_not`: the right without which nothing is known."""
    checks = []
    for refusal in refusals(stderr):
        if re.search(r"cannot \w+ resource", refusal):
            checks.append(Check(check, UNKNOWN, f"not tried: you may not {may_not}"))
        else:
            fix = next((fix for pattern, fix in _REFUSALS if re.search(pattern, refusal)), "")
            checks.append(Check(check, PROBLEM, refusal, fix or "correct what it names"))
    return list(dict.fromkeys(checks)) or [Check(check, OK, accepted)]


def alike(found: Iterable[Check]) -> list[Check]:
    """What was found for several pods alike, told once: `chief, worker: would be taken`."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in found:
        groups.setdefault((one.result, one.found, one.fix), []).append(one.check)
    return [Check("pods", result, f"{', '.join(names)}: {told}", fix) for (result, told, fix), names in groups.items()]


# --- quota --------------------------------------------------------------------------------------------------------


def needs(pods: Iterable[tuple[Object, int]], claims: Iterable[Object]) -> Amounts:
    """What all pods (each with how many there will be) and claims count for, under the names that quotas use."""
    total: dict[str, Quantity] = {}

    def add(name: str, amount: Quantity) -> None:
        total[name] = total.get(name, Quantity()) + amount

    for pod, count in pods:
        spec = pod["spec"]
        for kind in ("requests", "limits"):
            amounts = pod_amounts(spec["containers"], spec.get("initContainers") or [], kind)
            for name, amount in amounts.items():
                add(f"{kind}.{name}", amount * count)
                if kind == "requests" and name in ("cpu", "memory"):
                    add(name, amount * count)
        for name in ("pods", "count/pods"):
            add(name, parse(count))
    for claim in claims:
        for name in ("persistentvolumeclaims", "count/persistentvolumeclaims"):
            add(name, parse(1))
        add("requests.storage", parse(claim["spec"]["resources"]["requests"]["storage"]))
    return total


def quotas(found: Sequence[Object], needed: Amounts) -> list[Check]:
    """Whether the whole job fits into what the quotas leave; scoped ones are left to the cluster."""
    checks = []
    for quota in found:
        name, spec, status = quota["metadata"]["name"], quota.get("spec", {}), quota.get("status", {})
        if spec.get("scopes") or spec.get("scopeSelector"):
            checks.append(Check("quota", UNKNOWN, f"{name} is for some pods only; not judged"))
            continue
        used = status.get("used") or {}
        for what, hard in (spec.get("hard") or {}).items():
            if what not in needed:
                continue
            limit, taken = parse(hard), parse(used.get(what, 0))
            if (taken + needed[what]).nanos > limit.nanos:
                wait = needed[what].nanos <= limit.nanos
                fix = "wait until others have ended, or have it raised" if wait else "ask for less, or have it raised"
                told = f"{name}: {what} needed {needed[what]}, used {taken}, limit {limit}"
                checks.append(Check("quota", WARNING if wait else PROBLEM, told, fix))
    if checks:
        return checks
    return [
        Check("quota", OK, f"the job fits into {', '.join(q['metadata']['name'] for q in found)}" if found else "none")
    ]


# --- storage ------------------------------------------------------------------------------------------------------


def storage(claim: Object, classes: Sequence[Object] | None, existing: Object | None) -> Check:
    """Whether a claim of the chart can be bound, as far as that can be told; `classes` None: may not be listed."""
    name, spec = claim["metadata"]["name"], claim["spec"]
    check = f"claim {name}"
    if existing is not None:
        return _taken_up(check, existing, spec["accessModes"])
    if spec.get("storageClassName") == "":
        return Check(check, UNKNOWN, "no storage class: needs a volume that is there already", "see kubectl get pv")
    if classes is None:
        return Check(check, UNKNOWN, "you may not list storage classes", "ask which one has ReadWriteMany volumes")
    wanted = spec.get("storageClassName")
    chosen = next((one for one in classes if (one["metadata"]["name"] == wanted if wanted else _is_default(one))), None)
    there = ", ".join(one["metadata"]["name"] for one in classes) or "none"
    if chosen is None:
        what = f"there is no storage class {wanted}" if wanted else "there is no default storage class"
        return Check(check, PROBLEM, what, f"set checkpoint.storageClassName; there are: {there}")
    found, provisioner = chosen["metadata"]["name"], chosen["provisioner"]
    many = {"ReadWriteMany", "ReadOnlyMany"} & set(spec["accessModes"])
    if provisioner == BY_HAND:
        return Check(check, UNKNOWN, f"storage class {found} makes no volumes by itself", "see kubectl get pv")
    if provisioner in ONE_NODE and many:
        return Check(
            check,
            WARNING,
            f"storage class {found} ({provisioner}) has volumes for one node only, and {', '.join(many)} is asked for",
            "set checkpoint.storageClassName to one for shared files (NFS, CephFS, EFS, Filestore, Azure Files)",
        )
    return Check(check, OK, f"storage class {found} ({provisioner}), {', '.join(spec['accessModes'])}")


def _taken_up(check: str, existing: Object, modes: Sequence[str]) -> Check:
    phase = existing.get("status", {}).get("phase", "Pending")
    if existing["metadata"].get("deletionTimestamp"):
        return Check(check, PROBLEM, "is being deleted", "wait until it is gone: kubectl get pvc")
    there = existing["spec"].get("accessModes", [])
    if not set(modes) <= set(there):
        told = f"is there already, with {', '.join(there)}, not {', '.join(modes)}"
        return Check(check, PROBLEM, told, "set checkpoint.accessModes to it, or delete the claim with its checkpoints")
    return Check(check, OK, f"is there already ({phase}) and is taken up, with its checkpoints")


def _is_default(storage_class: Object) -> bool:
    return (storage_class["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"


# --- GPUs ---------------------------------------------------------------------------------------------------------


def gpus(
    pods: Sequence[tuple[Object, int]], nodes: Sequence[Object] | None, running: Sequence[Object] | None
) -> list[Check]:
    """Whether nodes have the extended resources that the pods ask for, and enough of them free now.

    `nodes` or `running` None: may not be listed.
    """
    names = sorted({name for pod, _ in pods for name in _extended(pod)})
    return [_gpus(name, pods, nodes, running) for name in names]


def _gpus(
    name: str, pods: Sequence[tuple[Object, int]], nodes: Sequence[Object] | None, running: Sequence[Object] | None
) -> Check:
    wanted = [(pod, _extended(pod)[name]) for pod, count in pods if name in _extended(pod) for _ in range(count)]
    total = sum(amount for _, amount in wanted)
    if nodes is None:
        return Check(name, UNKNOWN, f"{total} needed; you may not list nodes", "ask whether the cluster has them")
    sizes = {node["metadata"]["name"]: int(node["status"].get("allocatable", {}).get(name, 0)) for node in nodes}
    having = [node for node in nodes if sizes[node["metadata"]["name"]]]
    if not having:
        fix = f"correct gpuResource; nodes have: {_offered(nodes)}. With an autoscaler, they may come with the job"
        return Check(name, PROBLEM, f"{total} needed; no node has any", fix)
    if not _placed(wanted, having, sizes):
        fitting = sum(sizes[node["metadata"]["name"]] for node in having if any(fits(pod, node) for pod, _ in wanted))
        told = f"{total} needed, {fitting} on nodes that the pods may use; they do not all fit"
        return Check(name, PROBLEM, told, "ask for fewer, or correct nodeSelector and tolerations")
    if running is None:
        told = f"{total} needed, {sum(sizes.values())} in the cluster; you may not see how many are free"
        return Check(name, UNKNOWN, told, "if they are taken, the job waits")
    free = dict(sizes)
    for pod in running:
        node = pod["spec"].get("nodeName", "")
        if node in free and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            free[node] -= _extended(pod).get(name, 0)
    left = sum(max(amount, 0) for amount in free.values())
    if not _placed(wanted, having, free):
        return Check(
            name, WARNING, f"{total} needed, {left} of {sum(sizes.values())} free now", "the job will wait for them"
        )
    return Check(name, OK, f"{total} needed, {left} of {sum(sizes.values())} free")


def _extended(pod: Object) -> dict[str, int]:
    spec = pod["spec"]
    amounts = pod_amounts(spec["containers"], spec.get("initContainers") or [], "limits")
    return {name: amount.nanos // 10**9 for name, amount in amounts.items() if "/" in name and amount.nanos}


def _placed(wanted: Sequence[tuple[Object, int]], nodes: Sequence[Object], free: Mapping[str, int]) -> bool:
    """Whether all pods find a node, the largest ones first."""
    left = dict(free)
    for pod, amount in sorted(wanted, key=lambda one: -one[1]):
        for node in nodes:
            name = node["metadata"]["name"]
            if left[name] >= amount and fits(pod, node):
                left[name] -= amount
                break
        else:
            return False
    return True


def fits(pod: Object, node: Object) -> bool:
    """Whether a pod may go to a node, by its selector, the node's taints, and whether the node takes pods at all."""
    labels, spec = node["metadata"].get("labels") or {}, node.get("spec") or {}
    if spec.get("unschedulable"):
        return False
    if any(labels.get(key) != value for key, value in (pod["spec"].get("nodeSelector") or {}).items()):
        return False
    taints = [one for one in spec.get("taints") or () if one["effect"] in ("NoSchedule", "NoExecute")]
    return all(any(_tolerates(one, taint) for one in pod["spec"].get("tolerations") or ()) for taint in taints)


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")


def _offered(nodes: Iterable[Object]) -> str:
    names = {name for node in nodes for name in node["status"].get("allocatable", {}) if "/" in name}
    return ", ".join(sorted(names)) or "no such resource"


# --- what the values name -----------------------------------------------------------------------------------------


def references(pods: Iterable[Object], objects: Iterable[Object]) -> list[tuple[str, str]]:
    """(kind, name) of what pods need and the release does not make: Secrets, ConfigMaps, claims, service accounts."""
    found: list[tuple[str, str]] = []

    def add(kind: str, source: Mapping[str, Any] | None, key: str = "name") -> None:
        if source and source.get(key) and not source.get("optional"):
            found.append((kind, source[key]))

    for pod in pods:
        spec = pod["spec"]
        add("ServiceAccount", spec, "serviceAccountName")
        for secret in spec.get("imagePullSecrets") or ():
            add("Secret", secret)
        for volume in spec.get("volumes") or ():
            for source in [volume, *(volume.get("projected", {}).get("sources") or ())]:
                add("ConfigMap", source.get("configMap"))
                secret = source.get("secret")
                add("Secret", secret, "secretName" if secret and "secretName" in secret else "name")
            add("PersistentVolumeClaim", volume.get("persistentVolumeClaim"), "claimName")
        for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
            sources = [entry.get("valueFrom") or {} for entry in container.get("env") or ()]
            for source in [*sources, *(container.get("envFrom") or ())]:
                add("ConfigMap", source.get("configMapKeyRef") or source.get("configMapRef"))
                add("Secret", source.get("secretKeyRef") or source.get("secretRef"))
    made = {(one["kind"], one["metadata"]["name"]) for one in objects}
    return [one for one in dict.fromkeys(found) if one not in made]


def reference(kind: str, name: str, there: bool | None) -> Check:
    """Whether something that the values name is there; None: may not be looked at."""
    check = f"{kind} {name}"
    if there is None:
        return Check(
            check, UNKNOWN, "you may not look at it", f"make sure that it is there: kubectl get {kind.lower()}"
        )
    if there:
        return Check(check, OK, "is there")
    return Check(
        check, PROBLEM, "is not in the namespace; the pods would wait for it", "create it, or correct the values"
    )
