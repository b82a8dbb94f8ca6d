"""Whether the checkpoint claim gets a volume."""

from __future__ import annotations

from collections.abc import Sequence

from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, WARNING, Check, Object

# Provisioners whose volumes one node at a time can mount, as their documentation says.
SINGLE_NODE_PROVISIONERS = {
    "kubernetes.io/aws-ebs", "ebs.csi.aws.com", "kubernetes.io/gce-pd", "pd.csi.storage.gke.io",
    "kubernetes.io/azure-disk", "disk.csi.azure.com", "kubernetes.io/cinder", "cinder.csi.openstack.org",
    "dobs.csi.digitalocean.com", "csi.hetzner.cloud", "linodebs.csi.linode.com", "rbd.csi.ceph.com",
    "rancher.io/local-path", "topolvm.io", "local.csi.openebs.io",
    "kubernetes.io/vsphere-volume", "diskplugin.csi.alibabacloud.com", "vpc.block.csi.ibm.io",
    "blockvolume.csi.oraclecloud.com",
}  # fmt: skip
NO_PROVISIONER = "kubernetes.io/no-provisioner"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_FILES = "one for shared files (NFS, CephFS, EFS, Filestore, Azure Files)"
_SHARED = "name a claim that is ReadWriteMany"
_SEE_VOLUMES = "see the volumes: kubectl get pv"


def check_claim(claim: Object, classes: Sequence[Object] | None, existing: Object | None) -> Check:
    """Whether a claim of the chart can be bound, as far as that is known before.

    `classes` None: no permission to list them. `existing` is the claim of the same name in the namespace.
    """
    name, spec = f"claim {claim['metadata']['name']}", claim["spec"]
    if existing is not None:
        return _existing(name, existing, spec["accessModes"])
    if spec.get("storageClassName") == "":
        return Check(name, UNKNOWN, "no storage class: it needs an existing volume", _SEE_VOLUMES)
    if classes is None:
        fix = "ask the administrator which one has ReadWriteMany volumes"
        return Check(name, UNKNOWN, "no permission to list storage classes", fix)
    wanted = spec.get("storageClassName")
    matches = (item for item in classes if (item["metadata"]["name"] == wanted if wanted else _is_default(item)))
    storage_class = next(matches, None)
    if storage_class is None:
        message = f"storage class {wanted} does not exist" if wanted else "there is no default storage class"
        names = ", ".join(item["metadata"]["name"] for item in classes) or "none"
        return Check(name, ERROR, message, f"set checkpoint.storageClassName; existing: {names}")
    return _by_class(name, spec["accessModes"], storage_class["metadata"]["name"], storage_class["provisioner"])


def check_existing_claim(name: str, claim: Object, tasks: int) -> Check:
    """Whether a claim that the values name (existingClaim) can be mounted by so many tasks."""
    check, modes = f"PersistentVolumeClaim {name}", claim["spec"].get("accessModes", [])
    if claim["metadata"].get("deletionTimestamp"):
        return Check(check, ERROR, "is being deleted", "name another claim")
    shared = {"ReadWriteMany", "ReadOnlyMany"} & set(modes)
    if tasks == 1 or shared or not modes:
        return Check(check, OK, "exists")
    if modes == ["ReadWriteOncePod"]:
        return Check(check, ERROR, f"is ReadWriteOncePod: one pod can mount it, not {tasks}", _SHARED)
    message = f"is {', '.join(modes)}: pods on other nodes than the first wait for it"
    return Check(check, WARNING, message, f"{_SHARED}, or keep all tasks on one node")


def _by_class(name: str, modes: Sequence[str], storage_class: str, provisioner: str) -> Check:
    if provisioner == NO_PROVISIONER:
        return Check(name, UNKNOWN, f"storage class {storage_class} creates no volumes", _SEE_VOLUMES)
    shared = {"ReadWriteMany", "ReadOnlyMany"} & set(modes)
    if provisioner in SINGLE_NODE_PROVISIONERS and shared:
        return Check(
            name,
            WARNING,
            f"storage class {storage_class} ({provisioner}) has volumes for one node only, not {', '.join(shared)}",
            f"set checkpoint.storageClassName to {_FILES}",
        )
    return Check(name, OK, f"storage class {storage_class} ({provisioner}), {', '.join(modes)}")


def _existing(name: str, existing: Object, modes: Sequence[str]) -> Check:
    if existing["metadata"].get("deletionTimestamp"):
        return Check(name, ERROR, "is being deleted", "wait until it is gone: kubectl get pvc")
    actual = existing.get("spec", {}).get("accessModes", [])
    if not set(modes) <= set(actual):
        message = f"exists with {', '.join(actual)}, not {', '.join(modes)}"
        return Check(name, ERROR, message, "change checkpoint.accessModes, or delete the claim with its checkpoints")
    phase = existing.get("status", {}).get("phase", "Pending")
    return Check(name, OK, f"exists ({phase}); the job uses it, with its checkpoints")


def default_class(classes: Sequence[Object] | None) -> str:
    """The name of the default storage class; empty where there is none, or it is not known."""
    return next((str(item["metadata"]["name"]) for item in classes or () if _is_default(item)), "")


def _is_default(storage_class: Object) -> bool:
    return (storage_class["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"
