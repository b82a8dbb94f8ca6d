"""`tfconfig prune` as docs/from-tfjob.md runs it on a cluster, with the permissions of its CronJob."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from .conftest import Jobs
from .programs import ROOT, shell
from .tool import Tool, logged_in

ACCOUNT = "prune-jobs"


def recipe() -> list[Any]:
    """The objects of the page."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/from-tfjob.md").read_text(), re.DOTALL)
    (block,) = (block for block in blocks if "CronJob" in block)
    return list(yaml.safe_load_all(block))


def test_the_cron_job_of_the_page_removes_what_ended_and_nothing_else(jobs: Jobs, tmp_path: Path) -> None:
    namespace = jobs.namespace
    objects = recipe()
    (container,) = objects[-1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    program, *words = container["command"]
    container |= {"image": jobs.target.python_image, "command": ["true"]}  # no image here has the tool
    kubectl = ["kubectl", "-n", namespace.name]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    assert jobs.target.run(*kubectl, "apply", "-f", "-", text=text).returncode == 0
    assert jobs.target.run(*kubectl, "create", "job", "now", f"--from=cronjob/{ACCOUNT}").returncode == 0

    ended, goes_on = jobs.install(shell("true"), "ended"), jobs.install(shell("wait_for end"), "goes-on")
    ended.wait_ended("Succeeded")
    goes_on.wait_running()
    tool = logged_in(jobs, ACCOUNT, tmp_path)
    assert program == "tfconfig"
    assert tool(*words) == ("", "no release whose jobs ended that long ago\n")
    text, _ = tool(*("0" if word == "24h" else word for word in words))
    assert re.match(rf"{namespace.name}/ended uninstalled \(ended Succeeded, .*\)\n$", text)
    jobs.all.remove(ended)
    kinds = "pods,statefulsets,jobs,configmaps,secrets,services,serviceaccounts,roles,rolebindings,networkpolicies"
    selector = "app.kubernetes.io/instance=ended"
    left = jobs.target.run(*kubectl, "get", kinds, "-l", selector, "-o", "name", "--ignore-not-found")
    assert (left.returncode, left.stdout) == (0, "")

    # With every namespace in view, a selector chooses.
    goes_on.tell("worker-0", "end")
    goes_on.wait_ended("Succeeded", disturbed=True)
    here = f"app.kubernetes.io/instance=goes-on,tensorflow-job/job={goes_on.name}"
    everywhere = Tool(jobs.target, "")
    text, _ = everywhere("prune", "-A", "--older-than", "0", "-l", here, "--dry-run")
    assert f"{namespace.name}/goes-on would be uninstalled" in text
    pod = namespace.wait_until("a pod of the CronJob ends", lambda: _pod_of(jobs, "now"))
    assert pod["status"]["phase"] == "Succeeded"


def _pod_of(jobs: Jobs, name: str) -> Any:
    pods = jobs.namespace.pods.objects.values()
    ended = [pod for pod in pods if pod["status"].get("phase") in ("Succeeded", "Failed")]
    return next((pod for pod in ended if pod["metadata"].get("labels", {}).get("job-name") == name), None)
