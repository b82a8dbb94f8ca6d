"""The admission policy of the example platform refuses what goes past `validate` and past its chart."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from hack.cluster.proxy import Object
from tests.attacks.platform import EVIL, JOB
from tests.chart import helm

from .conftest import Jobs

ADMISSION = helm.CHART.parent / "examples" / "platform" / "admission.yaml"
OURS: helm.Values = {
    "image": {"registry": "registry.example.com"},
    "lifecycle": {"image": {"registry": "registry.example.com"}},
    "tensorboard": {"image": {"registry": "registry.example.com"}},
    "serviceAccount": {"create": False, "name": "tensorflow-job"},
}
# What a network policy, a label or a template does is not for admission of pods.
ELSEWHERE = {
    "no cost centre",
    "open servers",
    "servers open to an address",
    "TensorBoard for all addresses",
    "metrics for all namespaces",
    "a lookup",
}


@pytest.fixture
def platform(jobs: Jobs) -> Iterator[Jobs]:
    """A namespace of the platform with its admission policy in force, and a user who may do anything there."""
    namespace = jobs.namespace.name
    binding = f"deployer-{namespace}"
    try:
        kubectl(jobs, "apply", "-f", str(ADMISSION))
        kubectl(jobs, "create", "clusterrolebinding", binding, "--clusterrole=cluster-admin", "--user=deployer")
        for account in ("tensorflow-job", "admin"):
            kubectl(jobs, "create", "serviceaccount", account, "-n", namespace)
        labels = ("team=vision", "pod-security.kubernetes.io/enforce=restricted")
        kubectl(jobs, "label", "namespace", namespace, "--overwrite", *labels)
        evil = pods({"image": {"registry": "evil.example"}})
        jobs.namespace.wait_until("the policy counts", lambda: "our registry" in refusals(jobs, evil))
        yield jobs
    finally:
        kubectl(jobs, "delete", "clusterrolebinding", binding)
        kubectl(jobs, "delete", "-f", str(ADMISSION))


def kubectl(jobs: Jobs, *words: str) -> None:
    done = jobs.target.run("kubectl", *words)
    assert done.returncode == 0, done.stderr


def pods(evil: helm.Values) -> list[Object]:
    """A pod of each kind that a job has, and its extra objects."""
    rendered = helm.render(helm.merged(JOB, OURS, evil)).objects
    extra = [item for item in rendered if item["kind"] in ("Role", "RoleBinding", "ServiceAccount")]
    templates = [item for item in rendered if item["kind"] in ("StatefulSet", "Job", "Deployment")]
    return [
        *extra,
        *(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {**item["spec"]["template"]["metadata"], "name": f"x{number}"},
                "spec": {**item["spec"]["template"]["spec"], "restartPolicy": "Never"},
            }
            for number, item in enumerate(templates)
        ),
    ]


def refusals(jobs: Jobs, objects: list[Object]) -> str:
    """What the API server says to a dry run of their creation, by a user who may create anything."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    user = ("--as=deployer", "--as-group=system:authenticated", "--as-group=deployers")
    done = jobs.target.run(
        "kubectl", "create", "--dry-run=server", "-n", jobs.namespace.name, *user, "-f", "-", text=text
    )
    return done.stderr


def test_admission_policy_of_the_platform_refuses_every_attack(platform: Jobs) -> None:
    assert refusals(platform, pods({})) == ""
    accepted = {title for title, evil in EVIL.items() if not refusals(platform, pods(evil))}
    assert accepted == ELSEWHERE
