"""Somebody has the token of the account that all jobs of a namespace share, the one that `tfconfig role` prints."""

from __future__ import annotations

import json

import pytest

from hack.cluster.proxy import Object

from .conftest import Jobs
from .jobs import Job
from .programs import shell
from .test_rights import ACCOUNT, prepare_account

STRANGER: Object = {"metadata": {"name": "stranger"}}
CONTAINER: Object = {
    "name": "c",
    "image": "none.invalid/none",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}
POD: Object = {
    "containers": [CONTAINER],
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "restartPolicy": "Never",
}


@pytest.fixture
def job(jobs: Jobs) -> Job:
    """A job with the shared account, beside objects that are none of a job's."""
    prepare_account(jobs)
    policy = f"{ACCOUNT}.{jobs.namespace.name}"
    if jobs.target.run("kubectl", "get", "validatingadmissionpolicy", policy).returncode:
        pytest.skip("the cluster has no ValidatingAdmissionPolicy")
    labels = {"app": "stranger"}
    template = {"metadata": {"labels": labels}, "spec": {**POD, "restartPolicy": "Always"}}
    stateful = {"serviceName": "none", "replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    jobs.namespace.create("statefulsets", {**STRANGER, "spec": stateful})
    jobs.namespace.create("pods", {**STRANGER, "spec": POD})
    jobs.namespace.create("configmaps", {**STRANGER, "data": {"a": "b"}})
    jobs.namespace.create("jobs", {**STRANGER, "spec": {"suspend": True, "template": {"spec": POD}}})
    return jobs.install(shell("wait_for end", serviceAccount={"create": False, "name": ACCOUNT}))


def attempt(job: Job, *words: str) -> str:
    """What the API server says to the account; empty where it would do it."""
    namespace = job.namespace.name
    account = f"--as=system:serviceaccount:{namespace}:{ACCOUNT}"
    done = job.target.run("kubectl", *words, "-n", namespace, account, "--dry-run=server")
    return done.stderr if done.returncode else ""


def patch(job: Job, kind: str, name: str, change: Object, *words: str) -> str:
    return attempt(job, "patch", kind, name, "--type=merge", "-p", json.dumps(change), *words)


def test_the_shared_account_is_held_to_the_status_and_the_objects_of_jobs(job: Job) -> None:
    code: Object = {"data": {"task.py": "import evil"}}
    job.wait_until("the policy counts", lambda: patch(job, "configmap", "stranger", code))
    job.wait_running()
    mine, replicas = job.controller, {"spec": {"replicas": 0}}
    annotated: Object = {"metadata": {"annotations": {"tensorflow-job/controller": "evil"}}}
    refused = {
        "only the -status ConfigMaps of jobs may be changed": [
            patch(job, "configmap", name, code) for name in ("job-task", "job-job", "kube-root-ca.crt", "stranger")
        ],
        "field is immutable": [patch(job, "configmap", mine, code)],  # before any policy is asked
        "only the data of a status may be changed": [
            patch(job, "configmap", "job-status", annotated),
            patch(job, "configmap", "job-status", {"metadata": {"labels": {"tensorflow-job/job": "other"}}}),
        ],
        "only training pods of jobs may be deleted": [
            attempt(job, "delete", "pod", "stranger"),
            attempt(job, "delete", "pod", job.lifecycle_pods[0]["metadata"]["name"]),
        ],
        "only StatefulSets of jobs may be scaled": [
            patch(job, "statefulset", "stranger", {"spec": {"replicas": 9}}, "--subresource=scale")
        ],
        "only the lifecycle Jobs of jobs may be changed": [
            patch(job, "job", "stranger", {"spec": {"backoffLimit": 1}})
        ],
        "only the backoffLimit of a lifecycle Job may be changed": [
            patch(job, "job", mine, {"spec": {"suspend": True}}),
            patch(job, "job", mine, annotated),
        ],
    }
    assert {text: [said for said in answers if text not in said] for text, answers in refused.items()} == {
        text: [] for text in refused
    }
    assert patch(job, "configmap", "job-status", {"data": {"status.json": "{}"}}) == ""
    assert attempt(job, "delete", "pod", "job-worker-0") == ""
    assert patch(job, "statefulset", "job-worker", replicas, "--subresource=scale") == ""
    assert patch(job, "job", mine, {"spec": {"backoffLimit": 1}}) == ""
    # And the lifecycle does all that it has to.
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded", disturbed=True)
    assert not [line for line in job.lifecycle_log().splitlines() if "forbidden" in line.lower() or "denied" in line]
