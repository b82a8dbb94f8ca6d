"""tfconfig doctor against a real cluster, and every command where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.target import Target

from .conftest import Jobs
from .programs import ROOT
from .tool import Tool

Doctor = Callable[..., list[dict[str, str]]]


@pytest.fixture
def doctor(jobs: Jobs, tmp_path: Path) -> Doctor:
    """Runs `tfconfig doctor` in an empty namespace, and returns its checks."""
    job = jobs.new()

    def run(code: int, overlay: Path | None = None, *options: str, **values: Any) -> list[dict[str, str]]:
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(job.complete({"program": {"command": ["sh", "-c", "exit 0"]}, **values})))
        more = ["-f", str(overlay)] if overlay else []
        tool = Tool(jobs.target, jobs.namespace.name)
        output, _ = tool("doctor", "-f", str(file), *more, *options, "--release", "job", "-o", "json", code=code)
        checks: list[dict[str, str]] = json.loads(output)["checks"]
        return checks

    jobs.all.remove(job)  # it is never installed
    return run


def of(found: list[dict[str, str]], check: str) -> list[str]:
    """The messages of the checks of this name."""
    return [one["message"] for one in found if one["check"] == check]


def test_doctor_finds_nothing_where_the_job_would_run_and_leaves_nothing_behind(jobs: Jobs, doctor: Doctor) -> None:
    found = doctor(0)
    assert {one["result"] for one in found} == {"ok"}
    assert of(found, "claim job-checkpoints")[0].startswith("storage class ")
    assert of(found, "pods") == ["chief, worker, ps, lifecycle: accepted"]
    for plural in ("pods", "statefulsets", "jobs", "persistentvolumeclaims", "roles"):
        assert jobs.namespace.list(plural) == []


def test_doctor_finds_what_the_cluster_would_refuse(doctor: Doctor) -> None:
    amount = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}}
    found = doctor(
        1,
        ROOT / "values/root.yaml",
        checkpoint={"storageClassName": "no-such-class"},
        worker={"replicas": 4, "gpus": 1},
        gpuResource="example.com/tpu",
        resources=amount,
        imagePullSecrets=[{"name": "no-such-secret"}],
        data={"images": {"mountPath": "/data", "existingClaim": "no-such-claim"}},
    )
    assert of(found, "claim job-checkpoints") == ["storage class no-such-class does not exist"]
    assert of(found, "example.com/tpu") == ["4 needed; no node has any"]
    for name in ("Secret no-such-secret", "PersistentVolumeClaim no-such-claim"):
        assert of(found, name) == ["is not in the namespace; the pods would wait for it"]
    # The namespaces of these tests are `restricted`.
    refused, *others = of(found, "pods")
    assert 'violates PodSecurity "restricted:latest": ' in refused
    assert others[-1] == "lifecycle: accepted"


def test_doctor_counts_the_whole_job_against_the_quota(jobs: Jobs, doctor: Doctor) -> None:
    # One pod fits, so that no dry run of one pod refuses it; five do not.
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "4"}},
    }
    applied = jobs.target.run("kubectl", "apply", "-n", jobs.namespace.name, "-f", "-", text=json.dumps(quota))
    assert applied.returncode == 0, applied.stderr
    found = doctor(1)
    assert of(found, "pods") == ["chief, worker, ps, lifecycle: accepted"]
    assert of(found, "quota") == ["small: pods needed 5, used 0, limit 4"]


def test_doctor_finds_out_that_nothing_enforces_policies_and_leaves_nothing_behind(jobs: Jobs, doctor: Doctor) -> None:
    if not jobs.target.own:
        pytest.skip("other clusters may enforce them")
    checks = doctor(0, None, "--probe-network")
    assert checks[-1]["result"] == "warning"
    assert checks[-1]["message"].startswith("nothing enforces NetworkPolicies here: ")
    jobs.namespace.wait_until("the pods are gone", lambda: not jobs.namespace.list("pods"))
    policies = jobs.target.run("kubectl", "get", "networkpolicies", "-n", jobs.namespace.name, "-o", "name")
    assert (policies.returncode, policies.stdout) == (0, "")


def test_doctor_without_the_namespace(cluster: Target) -> None:
    values = str(ROOT / "examples/digits/values.yaml")
    output, _ = Tool(cluster, "no-such-team")("doctor", "-f", values, code=1)
    assert "namespace   error   namespace no-such-team does not exist" in output


@pytest.mark.parametrize("words", [["status"], ["wait", "job"], ["logs", "job"], ["doctor", "-f", "VALUES"]])
def test_without_a_cluster_each_command_says_so_in_a_sentence(
    cluster: Target, tmp_path: Path, words: list[str]
) -> None:
    words = [str(ROOT / "examples/digits/values.yaml") if word == "VALUES" else word for word in words]
    context, users = {"name": "c", "context": {"cluster": "c", "user": "u"}}, [{"name": "u", "user": {"token": "t"}}]
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
        "contexts": [context],
        "users": users,
    }
    (tmp_path / "config").write_text(
        json.dumps({"kind": "Config", "apiVersion": "v1", "current-context": "c", **config})
    )
    silent = Tool(cluster, "team", tmp_path / "config")
    _, errors = silent(*words, code=2)
    assert errors == (
        "Error: the cluster does not answer (The connection to the server 127.0.0.1:9 was refused); check the network, "
        "and --context\n"
    )
    _, errors = silent(*words, "--context", "other", code=2)
    assert "other" in errors
    assert errors.endswith("; list the contexts: kubectl config get-contexts\n")


def test_a_namespace_that_is_not_there(cluster: Target) -> None:
    _, errors = Tool(cluster, "no-such-team")("status", "job", code=2)
    assert errors == "Error: namespace no-such-team does not exist; name the namespace of the job with --namespace\n"
