"""A job that is applied as Argo CD does it: rendered, applied, and compared with what is on the cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .conftest import Jobs
from .jobs import Job
from .programs import Values, shell

# How a GitOps tool compares: as Argo CD does by default, and by server-side apply, as Argo CD can and Flux does.
COMPARISONS = {
    "client-side": ["--server-side=false"],
    "server-side": ["--server-side", "--force-conflicts", "--field-manager=gitops"],
}


class Applied:
    """A job without a Helm release. Nothing is pruned unless a test says so, which is what Argo CD does by default."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.rendered = ""

    def apply(self, values: Values) -> str:
        """Render and apply; what kubectl says about each object."""
        self.rendered = self.job.template(values)
        return self.apply_again()

    def apply_again(self) -> str:
        """Apply what was applied last."""
        return self.job.apply(self.rendered)

    def prune(self) -> None:
        """Remove the lifecycle Jobs that are not rendered any more."""
        self.job.apply_and_prune(self.rendered)

    def drift(self) -> str:
        """What differs from what was applied, by each kind of comparison; empty where nothing does."""
        return "".join(differences(self.job, self.rendered, kind) for kind in COMPARISONS)


def differences(job: Job, manifest: str, kind: str) -> str:
    """The differences of the objects of this job from a manifest."""
    words = ["kubectl", "diff", "-n", job.namespace.name, "-f", "-", *COMPARISONS[kind]]
    done = job.target.run(*words, text=manifest)
    assert done.returncode in (0, 1), done.stderr  # 1: there are some
    return f"{kind}:\n{done.stdout}" if done.returncode else ""


def states(jobs: Jobs, **values: object) -> Iterator[tuple[str, Applied]]:
    """A job in each state that it can be in, one after the other, and one that fails."""
    fails = Applied(jobs.new("fails"))
    fails.apply(shell("wait_for end; exit 3", restart={"policy": "Never"}))
    ends = Applied(jobs.new("ends"))
    roles = {"worker": {"replicas": 2}, "ps": {"replicas": 1}}
    job: Values = shell("wait_for end", **roles, checkpoint={"enabled": True}, **values)
    ends.apply(job)
    fails.job.wait_running()
    first = ends.job.wait_running()["runId"]
    yield "running", ends

    fails.job.tell("worker-0", "end")
    old = ends.job.controller
    ends.apply({**job, "restart": {"backoffLimit": 3}})
    fails.job.wait_ended("Failed")
    yield "failed", fails
    ends.job.wait_until("another Job takes the run over", lambda: ends.job.controller != old and _holds(ends.job))
    yield "with a superseded Job", ends

    ends.apply({**job, "suspend": True})
    ends.job.wait_for_phase("Suspended")
    ends.job.wait_until("no pod is left", lambda: not ends.job.pods)
    yield "suspended", ends

    ends.apply({**job, "run": 2})
    ends.job.wait_until("the second run", lambda: ends.job.status["runId"] != first and ends.job.phase == "Running")
    yield "at a new run", ends

    ends.job.tell("worker-0", "end")
    ends.job.wait_ended("Succeeded", disturbed=True)
    lifecycles = ends.job.namespace.jobs
    ends.job.wait_until(
        "all its Jobs are complete",
        lambda: all(
            item["status"].get("succeeded") for name, item in lifecycles.objects.items() if name.startswith("ends-")
        ),
    )
    yield "succeeded", ends


def _holds(job: Job) -> bool:
    data = job.namespace.configmaps.objects[f"{job.name}-status"].get("data", {})
    return str(data.get("holder", "")).startswith(job.controller)


def changed(output: str) -> list[str]:
    """The objects of an output of `kubectl apply` that it changed."""
    return [line for line in output.splitlines() if not re.search(" unchanged$", line)]
