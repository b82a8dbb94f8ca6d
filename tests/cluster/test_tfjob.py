"""TFJobs under Kubeflow's training operator, and the releases that `tfconfig convert` makes of the same manifests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from hack.cluster.target import Target
from tests.unit.tool.convert import cases

from . import gate
from .conftest import Jobs
from .engines import switched_on
from .gate import PROGRAM, Gate
from .programs import Values
from .tfjobs import AGAIN, DONE, Release, Step, TFJob, manifest

pytestmark = pytest.mark.engines("training operator", "training-operator", "github.com/kubeflow/training-operator")

AT_ONCE = 5

# A manifest of the corpus, and how its tasks exit.
COURSES: dict[str, list[Step]] = {
    "chief-worker-ps-evaluator": [
        ("evaluator-0", 0, DONE),
        ("worker-0", 0, DONE),
        ("worker-3", 0, DONE),
        ("chief-0", 0, "Succeeded"),
    ],
    "success-all-workers-with-chief": [("worker-1", 0, DONE), ("chief-0", 0, "Succeeded")],
    "success-all-workers": [("worker-0", 0, DONE), ("worker-2", 0, DONE), ("worker-1", 0, "Succeeded")],
    "success-default": [("worker-2", 0, DONE), ("worker-0", 0, "Succeeded")],
    "master-is-chief": [("worker-0", 0, DONE), ("chief-0", 0, "Succeeded")],
    "restart-always-ps": [
        ("ps-0", 0, AGAIN),
        ("worker-1", 1, AGAIN),
        ("worker-1", 0, DONE),
        ("worker-0", 0, "Succeeded"),
    ],
    "restart-onfailure": [("worker-0", 1, AGAIN), ("worker-0", 0, "Succeeded")],
    "restart-exitcode": [("worker-0", 137, AGAIN), ("worker-0", 1, "Failed")],
    "restart-mixed": [("worker-0", 128, AGAIN), ("worker-0", 0, DONE), ("chief-0", 1, "Failed")],
    "restart-default": [("worker-0", 1, "Failed")],
    "backoff-limit-2": [("worker-0", 1, AGAIN), ("worker-0", 1, "Failed")],
    "backoff-limit-0": [("worker-0", 1, "Failed")],
    "clean-none": [("worker-0", 0, "Succeeded")],
    "clean-running": [("worker-0", 0, "Succeeded")],
    "clean-all": [("ps-0", 3, "Failed")],
    "dynamic-worker": [("worker-0", 0, "Succeeded")],
}

Both = tuple[TFJob, Release]


@pytest.fixture(scope="module")
def operator(cluster: Target) -> Iterator[None]:
    """The operator runs."""
    with switched_on(cluster, "training-operator"):
        yield


@pytest.fixture(scope="module")
def gates() -> Iterator[tuple[Gate, Gate]]:
    """Where the programs wait: those of TFJobs and those of releases, whose pods have the same names."""
    with gate.opened() as theirs, gate.opened() as ours:
        yield theirs, ours


@pytest.fixture(scope="module")
def tfjobs(operator: None, new_jobs: Callable[[str], Jobs]) -> Iterator[Jobs]:  # noqa: ARG001
    """A namespace for TFJobs, whose pods have no security context."""
    jobs = new_jobs("tfjobs")
    label = "pod-security.kubernetes.io/enforce"
    jobs.namespace.api.patch("namespaces", "", jobs.namespace.name, {"metadata": {"labels": {label: "baseline"}}})
    yield jobs
    jobs.close()


@pytest.fixture(scope="module")
def runs(tfjobs: Jobs, shared_jobs: Jobs, gates: tuple[Gate, Gate]) -> Iterator[Callable[[str], Both]]:
    """Gives the TFJob and the release of a manifest, at the end of their course: all of them go it, some at once."""

    def of(case: str, name: str) -> Both:
        theirs, ours = (manifest(case, name, tfjobs.target.python_image, at) for at in gates)
        return TFJob(tfjobs, gates[0], theirs), Release(shared_jobs, gates[1], ours)

    def run(case: str, both: Both) -> Both:
        for each in both:
            each.start()
        for each in both:
            each.wait_running()
        for each in both:
            each.goes(COURSES[case])
        return both

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ahead: dict[str, Future[Both]] = {case: pool.submit(run, case, of(case, case)) for case in COURSES}
        yield lambda case: ahead.pop(case).result() if case in ahead else run(case, of(case, f"{case}-again"))


@pytest.mark.parametrize("case", COURSES)
def test_a_converted_job_goes_as_its_tfjob_but_for_what_the_page_says(
    case: str,
    runs: Callable[[str], Both],
    tfjobs: Jobs,
    shared_jobs: Jobs,  # noqa: ARG001
) -> None:
    theirs, ours = runs(case)
    for task in theirs.tasks:
        role, _, index = task.rpartition("-")
        domain = f"{tfjobs.namespace.name}.svc"
        assert theirs.configs()[task] == their_config(theirs, theirs.addresses(domain), theirs.roles[role], int(index))
        assert ours.configs()[task] == our_config(ours.addresses(ours.name), role, int(index))
    policy = theirs.manifest["spec"].get("runPolicy", {}).get("cleanPodPolicy")
    tasks = set(theirs.tasks)
    over = {task for task, _, then in COURSES[case] if then != AGAIN}
    if policy:
        theirs.keeps(*{"None": (tasks, tasks - over), "Running": (over, set()), "All": (set(), set())}[policy])
    ours.keeps(*((tasks, tasks - over) if policy == "None" else (set(), set())))


def their_config(job: TFJob, cluster: dict[str, list[str]], role: str, index: int) -> dict[str, Any] | None:
    """TF_CONFIG of a task, as the page says that the operator writes it."""
    task = {"type": role.lower(), "index": index}
    if len(job.tasks) == 1:
        return None
    if not job.manifest["spec"].get("enableDynamicWorker"):
        return {"cluster": cluster, "task": task, "environment": "cloud"}
    seen = {"worker": {str(index): cluster["worker"][index]}, "ps": cluster["ps"]}
    return {"cluster": seen if role == "Worker" else {"worker": {}, "ps": [cluster["ps"][index]]}, "task": task}


def our_config(cluster: dict[str, list[str]], role: str, index: int) -> dict[str, Any]:
    """TF_CONFIG of a task, as the page says that it is here."""
    seen = {name: hosts for name, hosts in cluster.items() if name != "evaluator" or role == name}
    return {"cluster": seen, "task": {"type": role, "index": index}}


def test_a_tfjob_that_runs_goes_on_as_a_release_from_the_same_step(tfjobs: Jobs, gates: tuple[Gate, Gate]) -> None:
    """As docs/from-tfjob.md says; of a user of its own, which the claim belongs to."""
    at, namespace = gates[0], tfjobs.namespace.name
    pods = ["moved-worker-0", "moved-worker-1"]

    def kubectl(*words: str, text: str | None = None) -> str:
        done = tfjobs.target.run("kubectl", "-n", namespace, *words, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    claim = {"accessModes": [tfjobs.target.access_mode], "resources": {"requests": {"storage": "1Gi"}}}
    tfjobs.namespace.create("persistentvolumeclaims", {"metadata": {"name": "train"}, "spec": claim})
    kubectl("create", "-f", "-", text=json.dumps(saving(tfjobs.target.python_image, at)))
    first = [at.wait_for(pod) for pod in pods]
    at.wait("both have saved", lambda: all(each.saved > 5 for each in first))
    converted = cases.call(kubectl("get", "tfjob", "moved", "-o", "yaml"), "--operator-labels")
    kubectl("patch", "tfjob", "moved", "--type=merge", "-p", '{"spec": {"runPolicy": {"suspend": true}}}')
    kubectl("wait", "--for=delete", "pod", "-l", "training.kubeflow.org/job-name=moved", "--timeout=1m")
    values = yaml.safe_load(converted.stdout)
    del values["extraVolumes"], values["extraVolumeMounts"]
    values["checkpoint"] = {"existingClaim": "train", "mountPath": "/train", "directory": "."}
    job = tfjobs.install(values, "moved")
    then = [at.wait_for(pod, 2) for pod in pods]
    kubectl("delete", "tfjob", "moved")
    for before, after in zip(first, then, strict=True):
        assert before.began_at == 0
        assert after.began_at in (before.saved, before.saved + 1)  # it may be ended before it could say so
    at.wait("both go on", lambda: all(each.saved > each.began_at + 5 for each in then))
    assert all(len(at.tries(pod)) == 2 for pod in pods)
    for each in then:
        each.exits(0)
    job.wait_ended("Succeeded", disturbed=True)
    assert job.status["failures"] == 0


def saving(image: str, at: Gate) -> Values:
    """A TFJob whose two workers save their steps on a claim."""
    container = {
        "name": "tensorflow",
        "image": image,
        "command": ["python3", "-c", PROGRAM],
        "env": [
            {"name": "GATE", "value": at.address},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "STEP_FILE", "value": "/train/$(POD)"},
        ],
        "volumeMounts": [{"name": "train", "mountPath": "/train"}],
    }
    spec = {
        "securityContext": {"runAsUser": 1234, "runAsGroup": 1234, "fsGroup": 1234},
        "containers": [container],
        "volumes": [{"name": "train", "persistentVolumeClaim": {"claimName": "train"}}],
    }
    worker = {"replicas": 2, "restartPolicy": "OnFailure", "template": {"spec": spec}}
    metadata = {"name": "moved"}
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "TFJob",
        "metadata": metadata,
        "spec": {"successPolicy": "AllWorkers", "tfReplicaSpecs": {"Worker": worker}},
    }
