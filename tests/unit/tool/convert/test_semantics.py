"""A converted job behaves as the TFJob did, or as docs/from-tfjob.md says: decided by the lifecycle's own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.lifecycle.story import Story
from tests.unit.tool.convert.cases import call
from tfconfig.tensorflow_job.lifecycle.state import FAILED, RUNNING, SUCCEEDED
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.job_spec import Task, tasks, tf_config
from tfconfig.values.job_spec import job
from tfconfig.values.load import load

_TEMPLATE = "template: {spec: {containers: [{name: tensorflow, image: 'a/b:1', command: [run]}]}}"
WORKER, PS, CHIEF = Task("worker", 0), Task("ps", 0), Task("chief", 0)


@pytest.fixture
def converted(tmp_path: Path) -> Any:
    """job.json of a TFJob with these roles (name -> replicas, restart policy) and the rest of its spec."""

    def make(roles: dict[str, tuple[int, str]], spec: str = "", api: str = "kubeflow.org/v1") -> JobSpec:
        lines = [f"apiVersion: {api}", "kind: TFJob", "metadata: {name: j}", "spec:", f"  {spec}" if spec else ""]
        lines.append("  tfReplicaSpecs:")
        for name, (count, policy) in roles.items():
            lines.append(f"    {name}: {{replicas: {count}, restartPolicy: {policy}, {_TEMPLATE}}}")
        file = tmp_path / "values.yaml"
        file.write_text(call("\n".join(lines) + "\n").stdout, "utf-8")
        values = load([str(file)])
        return job(values.data, "j", values.chart.strategies)

    return make


@pytest.mark.parametrize(
    ("policy", "code", "phase", "restarts"),
    [  # what training-operator's own tests expect of a worker beside a second one
        ("Never", 1, FAILED, 0),
        ("Never", 130, FAILED, 0),
        ("OnFailure", 1, RUNNING, 1),
        ("OnFailure", 0, RUNNING, 0),
        ("Always", 1, RUNNING, 1),
        ("ExitCode", 1, FAILED, 0),
        ("ExitCode", 127, FAILED, 0),
        ("ExitCode", 128, RUNNING, 1),
        ("ExitCode", 130, RUNNING, 1),
        ("ExitCode", 139, RUNNING, 1),
    ],
)
def test_restart_policies(converted: Any, policy: str, code: int, phase: str, restarts: int) -> None:
    state = Story.running(converted({"Worker": (2, policy)})).exits(Task("worker", 1), code)
    assert (state.phase, state.restarts) == (phase, restarts)


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("policy", ["Never", "OnFailure", "ExitCode"])
def test_always_of_parameter_servers_alone(converted: Any, policy: str, code: int) -> None:
    story = Story.running(converted({"Worker": (1, policy), "PS": (1, "Always")}))
    story.exits(PS, code)
    assert (story.state.phase, story.state.restarts) == (RUNNING, 1)
    assert PS not in story.state.succeeded
    assert story.exits(WORKER, 0).phase == SUCCEEDED


def test_a_role_without_a_restart_policy_is_reported() -> None:
    roles = f"{{Worker: {{restartPolicy: OnFailure, {_TEMPLATE}}}, PS: {{{_TEMPLATE}}}}}"
    spec = f"{{tfReplicaSpecs: {roles}}}"
    done = call(f"apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata: {{name: j}}\nspec: {spec}\n")
    assert "ps has no restartPolicy, and the default of TFJob is Never; here it is OnFailure" in done.stderr
    assert "worker has no restartPolicy" not in done.stderr


@pytest.mark.parametrize(("code", "phase"), [(1, FAILED), (128, FAILED), (130, RUNNING), (138, RUNNING), (139, FAILED)])
def test_exit_codes_before_training_operator_1_8(converted: Any, code: int, phase: str) -> None:
    spec = converted({"Worker": (1, "ExitCode")}, api="kubeflow.org/v1beta2")
    assert Story.running(spec).exits(WORKER, code).phase == phase


@pytest.mark.parametrize(("limit", "failures"), [(0, 1), (1, 1), (2, 2), (5, 5)])
def test_backoff_limit_fails_the_job_at_the_same_failure(converted: Any, limit: int, failures: int) -> None:
    story = Story.running(converted({"Worker": (1, "OnFailure")}, f"runPolicy: {{backoffLimit: {limit}}}"))
    for _ in range(failures - 1):
        assert story.exits(WORKER, 1).phase == RUNNING
    assert story.exits(WORKER, 1).phase == FAILED


@pytest.mark.parametrize(
    ("roles", "spec", "exits", "phase"),
    [
        ({"Worker": (2, "Never")}, "", [WORKER], SUCCEEDED),
        ({"Worker": (2, "Never")}, "", [Task("worker", 1)], RUNNING),
        ({"Worker": (2, "Never")}, "successPolicy: AllWorkers", [WORKER], RUNNING),
        ({"Worker": (2, "Never")}, "successPolicy: AllWorkers", [WORKER, Task("worker", 1)], SUCCEEDED),
        ({"Chief": (1, "Never"), "Worker": (1, "Never")}, "", [WORKER], RUNNING),
        ({"Chief": (1, "Never"), "Worker": (1, "Never")}, "", [CHIEF], SUCCEEDED),
        ({"Master": (1, "Never"), "PS": (1, "Never")}, "", [CHIEF], SUCCEEDED),
        ({"Chief": (1, "Never"), "Worker": (1, "Never")}, "successPolicy: AllWorkers", [CHIEF], SUCCEEDED),
        ({"Worker": (1, "Never"), "PS": (1, "Never")}, "", [PS], RUNNING),
    ],
)
def test_success(converted: Any, roles: dict[str, Any], spec: str, exits: list[Task], phase: str) -> None:
    story = Story.running(converted(roles, spec))
    for task in exits:
        story.exits(task, 0)
    assert story.state.phase == phase


@pytest.mark.parametrize("failing", [PS, WORKER, CHIEF])
def test_any_failing_role_fails_the_job(converted: Any, failing: Task) -> None:
    roles = {"Chief": (1, "Never"), "Worker": (1, "Never"), "PS": (1, "Never")}
    assert Story.running(converted(roles)).exits(failing, 3).phase == FAILED


def test_a_deadline_fails_the_job(converted: Any) -> None:
    story = Story.running(converted({"Worker": (1, "Never")}, "runPolicy: {activeDeadlineSeconds: 600}"))
    assert story.look(after=500).phase == RUNNING
    assert story.look(after=200).phase == FAILED


def operator_tf_config(roles: dict[str, int], task: Task) -> dict[str, Any]:
    """TF_CONFIG as training-operator makes it."""
    hosts = {role: [f"j-{role}-{i}.ns.svc:2222" for i in range(count)] for role, count in sorted(roles.items())}
    return {"cluster": hosts, "task": {"type": task.role, "index": task.index}, "environment": "cloud"}


def test_tf_config_but_for_what_the_page_says(converted: Any) -> None:
    counts = {"chief": 1, "evaluator": 1, "ps": 2, "worker": 3}
    names = {"chief": "Chief", "evaluator": "Evaluator", "ps": "PS", "worker": "Worker"}
    spec = converted({names[role]: (count, "Never") for role, count in counts.items()})
    assert len(tasks(spec)) == sum(counts.values())
    for task in tasks(spec):
        theirs = operator_tf_config(counts, task)
        del theirs["environment"]
        for role in list(theirs["cluster"]):
            if (role == "evaluator") != (task.role == "evaluator") and role == "evaluator":
                del theirs["cluster"][role]
        ours = tf_config(spec, task)
        hosts = {role: [host.replace(".j:", ".ns.svc:") for host in of] for role, of in ours["cluster"].items()}
        assert ours["task"] == theirs["task"]
        if task.role == "evaluator":
            assert hosts["evaluator"] == theirs["cluster"]["evaluator"]
        else:
            assert hosts == theirs["cluster"]
