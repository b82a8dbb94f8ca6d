"""A malicious program on a claim that several jobs share, of a class like NFS: no fsGroup, owned by user 1000."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.proxy import Api
from hack.cluster.settings import VOLUMES
from hack.cluster.target import Target

from .conftest import Jobs
from .programs import Values, shell

# Ends with 1 where one of these succeeds.
ATTACK = """
cd "$CHECKPOINT_DIR" && echo mine > own || exit 1
ln -s ../victim link; ln -s /checkpoints/victim other; mkdir -p logs; ln -s ../../victim logs/up
for try in /checkpoints/victim "$CHECKPOINT_DIR/../victim" link other logs/up; do
    test -e $try/model && echo "sees $try" && exit 1
    (echo poison > $try/model) 2>/dev/null && echo "writes $try" && exit 1
done
(echo poison > /checkpoints/new) 2>/dev/null && echo "writes beside" && exit 1
test "$(cat /base/model)" = weights || exit 1
(echo poison > /base/model) 2>/dev/null && echo "writes what it reads" && exit 1
(rm /base/model) 2>/dev/null && echo "removes what it reads" && exit 1
exit 0
"""


@pytest.fixture
def claim(cluster: Target, api: Api, jobs: Jobs) -> Iterator[tuple[str, Path]]:
    """The claim, and its volume on this machine."""
    if not cluster.own:
        pytest.skip("the volume is a folder of this machine")
    name = f"shared-{jobs.namespace.name}"
    folder = VOLUMES / name
    folder.mkdir()
    folder.chmod(0o755)
    os.chown(folder, 1000, 1000)
    resources = {"requests": {"storage": "1Gi"}}
    spec = {"resources": resources, "accessModes": [cluster.access_mode], "storageClassName": "", "volumeName": name}
    volume = {
        "accessModes": [cluster.access_mode],
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": f"/var/volumes/{name}"},
        "claimRef": {"namespace": jobs.namespace.name, "name": "team"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    api.create("persistentvolumes", "", {"metadata": {"name": name}, "spec": volume})
    jobs.namespace.create("persistentvolumeclaims", {"metadata": {"name": "team"}, "spec": spec})
    yield "team", folder
    api.delete("persistentvolumes", "", name)


def test_a_program_neither_sees_nor_changes_the_checkpoint_of_another_job(jobs: Jobs, claim: tuple[str, Path]) -> None:
    name, folder = claim
    shared: Values = {"checkpoint": {"existingClaim": name}, "logs": {"persist": True}}
    victim = jobs.install(shell('echo weights > "$CHECKPOINT_DIR/model"', **shared), "victim")
    victim.wait_ended("Succeeded", disturbed=True)
    made = (folder / "victim").stat()
    assert (made.st_uid, made.st_mode & 0o777) == (1000, 0o755), "by the program's user, not by the kubelet"
    base = {"base": {"mountPath": "/base", "existingClaim": name, "subPath": "victim"}}
    attack: Values = {**shared, "restart": {"policy": "Never"}, "data": base}
    attacker = jobs.install(shell(ATTACK, **attack), "attacker")
    attacker.wait_ended("Succeeded", disturbed=True)
    assert (folder / "victim/model").read_text() == "weights\n"
    assert sorted(path.name for path in folder.iterdir()) == ["attacker", "victim"]
    assert (folder / "attacker/own").read_text() == "mine\n"
    assert list((folder / "attacker/logs").rglob("worker-0.log"))
