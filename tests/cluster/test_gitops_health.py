"""What Argo CD and Flux see in a job, by their own rules, in each of its states."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from hack.cluster.settings import PROGRAMS
from hack.cluster.target import Target

from .conftest import Jobs
from .gitops import Applied, changed, states
from .jobs import Job
from .programs import ROOT, shell

pytestmark = pytest.mark.engines("health rules of Argo CD and Flux", "argo-health", "github.com/argoproj/gitops-engine")

KINDS = (
    "configmaps,services,serviceaccounts,persistentvolumeclaims,statefulsets.apps,jobs.batch,networkpolicies.networking.k8s.io,"
    "roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io"
)
# From best to worst: Argo CD shows the worst of all objects.
ORDER = ("", "Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")

Seen = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def programs(cluster: Target) -> None:
    """They are built the first time."""
    cluster.kit("build", "argo-health", "flux-health")


def live(job: Job) -> str:
    """The objects of a job, as a List."""
    selector = ["-l", f"app.kubernetes.io/instance={job.release}"]
    return job.target.run("kubectl", "get", KINDS, "-n", job.namespace.name, *selector, "-o", "json").stdout


def seen(program: str, objects: str, *arguments: str) -> Seen:
    """What a program sees in them."""
    command = [str(PROGRAMS / program), *arguments]
    done = subprocess.run(command, input=objects, capture_output=True, text=True, check=True)
    answer: Seen = json.loads(done.stdout)
    assert len(answer) > 8, answer
    return answer


def health(objects: str) -> str:
    """Of the whole application."""
    healths = [str(one["health"]) for one in seen("argo-health", objects).values()]
    return max(healths, key=ORDER.index)


def flux_checks() -> tuple[list[dict[str, str]], str]:
    """Health checks of the Kustomization of docs/gitops.md, and the object that they are about."""
    guide = (ROOT / "docs/gitops.md").read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    (spec,) = [item["spec"] for text in blocks for item in yaml.safe_load_all(text) if item["kind"] == "Kustomization"]
    (name,) = [check["name"] for check in spec["healthChecks"] if check["kind"] == "ConfigMap"]
    return spec["healthCheckExprs"], f"configmap/{name.replace('digits', '{}')}"


def test_argo_cd_and_flux_see_how_a_job_is_and_no_drift(jobs: Jobs) -> None:
    checks, checked = flux_checks()
    healths, statuses, waits = {}, {}, {}
    failed: Applied | None = None
    for state, applied in states(jobs):
        objects = live(applied.job)
        argo = seen("argo-health", objects)
        rendered = {name for name in argo if name.partition("/")[0] != "job"} | {f"job/{applied.job.controller}"}
        assert [name for name in rendered if not argo[name]["synced"]] == [], state
        assert applied.drift() == "", state
        assert changed(applied.apply_again()) == [], state
        healths[state] = health(objects)
        statuses[state] = seen("flux-health", objects, json.dumps(checks))[checked.format(applied.job.name)]["status"]
        waits[state] = {one["status"] for one in seen("flux-health", objects).values()}
        failed = applied if state == "failed" else failed
    training = ("running", "with a superseded Job", "suspended", "at a new run")
    assert healths == {"failed": "Degraded", "succeeded": "Healthy", **dict.fromkeys(training, "Progressing")}
    assert statuses == {"failed": "Failed", "succeeded": "Current", **dict.fromkeys(training, "Current")}
    assert waits == {
        "failed": {"Failed", "Current"},
        "succeeded": {"Current"},
        **{state: {"InProgress", "Current"} for state in training},
    }

    # A Job that has failed and is not pruned: the application stays Degraded while the next run trains.
    assert failed
    failed.apply(shell("wait_for end", run=2))
    failed.job.wait_until("the second run", lambda: failed.job.phase == "Running")
    assert health(live(failed.job)) == "Degraded"
    failed.prune()
    failed.job.wait_until("only one Job is left", lambda: len(lifecycles(failed.job)) == 1)
    assert health(live(failed.job)) == "Progressing"


def lifecycles(job: Job) -> list[str]:
    """The names of its lifecycle Jobs."""
    return [name for name in job.namespace.jobs.objects if name.startswith(f"{job.name}-")]


def test_a_failure_is_seen_within_seconds(jobs: Jobs, note: Callable[[str], None]) -> None:
    job = jobs.new("fails")
    Applied(job).apply(shell("wait_for end; exit 3", restart={"policy": "Never"}))
    job.wait_running()
    job.tell("worker-0", "end")
    told = time.monotonic()
    seconds: dict[str, float] = {}

    def both_see_it() -> bool:
        objects = live(job)
        now = time.monotonic() - told
        if health(objects) == "Degraded":
            seconds.setdefault("Degraded in Argo CD", now)
        if any(one["status"] == "Failed" for one in seen("flux-health", objects).values()):
            seconds.setdefault("Failed for Flux", now)
        return len(seconds) == 2

    job.wait_until("both see it", both_see_it)
    note(f"seconds from a failure until it is seen: {seconds}")
    assert max(seconds.values()) < 10
