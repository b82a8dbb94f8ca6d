"""The cluster's storage: a folder, as a hostPath volume, for each claim of the default storage class.

All nodes of the cluster see the same folders, so volumes can be shared by pods (ReadWriteMany) on all of them.
"""

from __future__ import annotations

import http.client
import shutil
import time
from typing import Any

from .api import Api, ApiError
from .settings import STORAGE_CLASS, VOLUMES
from .shell import say

_NAME = "tensorflow-job.test/volumes"
_MARK = "pv.kubernetes.io/provisioned-by"
# Where the nodes see the folder VOLUMES.
_NODE_FOLDER = "/var/volumes"


def create_storage_class(api: Api) -> None:
    """Create the default storage class."""
    api.create(
        "/apis/storage.k8s.io/v1/storageclasses",
        {
            "metadata": {
                "name": STORAGE_CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": _NAME,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        },
    )


def serve() -> None:
    """Provide and remove volumes, until killed."""
    api = Api()
    while True:
        try:
            _turn(api)
        except (OSError, http.client.HTTPException, ApiError) as error:
            say(f"{type(error).__name__}: {error}")
        time.sleep(0.5)


def _turn(api: Api) -> None:
    """Look once at all claims and volumes, and do what is due."""
    # Version 0: what the API server has in memory is new enough.
    volumes = api.call("GET", "/api/v1/persistentvolumes?resourceVersion=0")["items"]
    claims = api.call("GET", "/api/v1/persistentvolumeclaims?resourceVersion=0")["items"]
    known = {volume["metadata"]["name"] for volume in volumes}
    for claim in claims:
        name = f"pvc-{claim['metadata']['uid']}"
        pending = claim["status"].get("phase") == "Pending" and not claim["spec"].get("volumeName")
        if pending and claim["spec"].get("storageClassName") == STORAGE_CLASS and name not in known:
            _provide(api, name, claim)
    for volume in volumes:
        marked = volume["metadata"].get("annotations", {}).get(_MARK) == _NAME
        if marked and volume["status"].get("phase") == "Released" and not volume["metadata"].get("deletionTimestamp"):
            _remove(api, volume["metadata"]["name"])


def _provide(api: Api, name: str, claim: dict[str, Any]) -> None:
    """Make a folder and a volume for a claim."""
    folder = VOLUMES / name
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    metadata = claim["metadata"]
    api.create(
        "/api/v1/persistentvolumes",
        {
            "metadata": {"name": name, "annotations": {_MARK: _NAME}},
            "spec": {
                "accessModes": claim["spec"]["accessModes"],
                "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": metadata["namespace"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                },
                "hostPath": {"path": f"{_NODE_FOLDER}/{name}"},
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": STORAGE_CLASS,
            },
        },
    )
    say(f"provided {name} for {metadata['namespace']}/{metadata['name']}")


def _remove(api: Api, name: str) -> None:
    """Remove a volume whose claim is gone, and its folder."""
    shutil.rmtree(VOLUMES / name, ignore_errors=True)
    api.text("DELETE", f"/api/v1/persistentvolumes/{name}")
    say(f"removed {name}")
