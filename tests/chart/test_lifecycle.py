"""The lifecycle Job: its pod, its permissions, and the status that it writes."""

from __future__ import annotations

from . import kubernetes
from .helm import PROGRAM, Object, Rendered, merged, render
from .kubernetes import config_maps


def test_the_command_of_the_lifecycle() -> None:
    rendered = render(PROGRAM)
    assert rendered.lifecycle()["containers"][0]["command"] == [
        "python3",
        "-B",
        "/tensorflow-job/lib/tensorflow_job/lifecycle",
        "--config=/tensorflow-job/config",
        f"--job={rendered.one('Job')['metadata']['name']}",
        f"--run-id={rendered.job_spec()['runId']}",
    ]


def test_the_lifecycle_pod_has_its_own_settings() -> None:
    lifecycle = {
        "image": {"registry": "r.example.com", "tag": "3.12"},
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "a"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "resources": {"limits": {"memory": "256Mi"}},
    }
    rendered = render(
        merged(PROGRAM, {"lifecycle": lifecycle, "nodeSelector": {"pool": "gpu"}, "imagePullSecrets": [{"name": "s"}]})
    )
    pod = rendered.lifecycle()
    container = pod["containers"][0]
    assert container["image"] == "r.example.com/python:3.12"
    assert container["resources"]["limits"] == {"cpu": "200m", "memory": "256Mi"}
    assert pod["imagePullSecrets"] == [{"name": "s"}]
    assert {key: pod[key] for key in ("nodeSelector", "tolerations", "affinity", "priorityClassName")} == {
        key: lifecycle[key] for key in ("nodeSelector", "tolerations", "affinity", "priorityClassName")
    }
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_lifecycle_may_do_what_it_must_with_this_jobs_objects_and_no_others() -> None:
    rendered = render(merged(PROGRAM, {"worker": {"replicas": 3}, "evaluator": {"replicas": 1}}), release="mnist")
    pods = ["mnist-chief-0", "mnist-worker-0", "mnist-worker-1", "mnist-worker-2", "mnist-ps-0", "mnist-evaluator-0"]
    sets = ["mnist-chief", "mnist-worker", "mnist-ps", "mnist-evaluator"]
    job = rendered.one("Job")["metadata"]["name"]
    assert _rules(rendered.one("Role")) == {
        ("pods", ""): {"get", "list", "watch"},
        ("pods/log", ""): {"get"},
        ("persistentvolumeclaims", ""): {"get"},
        ("events", ""): {"list", "create"},
        **{("pods", name): {"delete"} for name in pods},
        **{("statefulsets.apps", name): {"get"} for name in sets},
        **{("statefulsets/scale.apps", name): {"get", "patch"} for name in sets},
        ("configmaps", "mnist-status"): {"get", "list", "watch", "patch"},
        ("jobs.batch", job): {"get", "patch"},
    }


def test_permissions_name_objects_that_exist(rendered: Rendered) -> None:
    if not rendered.all("Role"):
        return
    sets = {item["metadata"]["name"] for item in rendered.all("StatefulSet")}
    names: dict[str, set[str]] = {}
    for resource, name in _rules(rendered.one("Role")):
        if name:
            names.setdefault(resource, set()).add(name)
    assert names["statefulsets.apps"] == names["statefulsets/scale.apps"] == sets
    assert names["jobs.batch"] == {rendered.one("Job")["metadata"]["name"]}
    assert names["configmaps"] == {rendered.status()["metadata"]["name"]}
    assert {pod.rpartition("-")[0] for pod in names["pods"]} == sets


def test_the_role_is_bound_to_the_account_of_the_lifecycle(rendered: Rendered) -> None:
    account = rendered.lifecycle()["serviceAccountName"]
    assert [item["metadata"]["name"] for item in rendered.all("ServiceAccount")] in ([account], [])
    for binding in rendered.all("RoleBinding"):
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "team"}]
        role = rendered.one("Role")["metadata"]["name"]
        assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}


def test_only_the_pod_of_the_lifecycle_gets_the_token_of_its_account(rendered: Rendered) -> None:
    assert [item["automountServiceAccountToken"] for item in rendered.all("ServiceAccount")] in ([False], [])
    for owner, template in kubernetes.pod_templates(rendered):
        is_lifecycle = owner == rendered.one("Job")["metadata"]["name"]
        assert template["spec"]["automountServiceAccountToken"] is is_lifecycle, owner


def test_the_lifecycle_pod_has_code_and_job_json_and_nothing_of_the_tasks() -> None:
    rendered = render(PROGRAM, release="mnist")
    pod = rendered.lifecycle()
    volumes = {volume["name"]: config_maps(volume) for volume in pod["volumes"]}
    code = rendered.one("Job")["metadata"]["name"]
    library = "/tensorflow-job/lib/tensorflow_job"
    assert {
        (mount["mountPath"], volumes[mount["name"]], mount["readOnly"])
        for mount in pod["containers"][0]["volumeMounts"]
    } == {
        (f"{library}/task", ("mnist-task",), True),
        (f"{library}/lifecycle", (code, f"{code}-2"), True),
        ("/tensorflow-job/config", ("mnist-job",), True),
    }


def test_only_code_that_is_replaced_with_its_pod_is_immutable(rendered: Rendered) -> None:
    """A training pod outlives upgrades: after a restart of its node it mounts what kept its name, with other text."""
    immutable = [item["metadata"]["name"] for item in rendered.all("ConfigMap") if item.get("immutable")]
    code = rendered.one("Job")["metadata"]["name"]
    assert immutable == [code, f"{code}-2"]


def test_the_lifecycle_job_can_end_as_the_training_ended(rendered: Rendered) -> None:
    job = rendered.one("Job")
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    # A back-off limit is the lifecycle's to patch; with a failure policy, no pod on a lost node is ever replaced.
    assert set(job["spec"]) == {"completions", "template"}


def test_the_status_names_the_run_and_the_controller_and_has_no_data(rendered: Rendered) -> None:
    status = rendered.status()
    assert "data" not in status
    annotations = status["metadata"]["annotations"]
    assert annotations["tensorflow-job/run-id"] == rendered.job_spec()["runId"]
    assert annotations["tensorflow-job/controller"] == rendered.one("Job")["metadata"]["name"]
    for item in rendered.all("StatefulSet"):
        assert item["spec"]["template"]["metadata"]["labels"]["tensorflow-job/run-id"] == rendered.job_spec()["runId"]


def _rules(role: Object) -> dict[tuple[str, str], set[str]]:
    """(resource, name or "") -> verbs."""
    rules: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    rules.setdefault((f"{resource}.{group}".rstrip("."), name), set()).update(rule["verbs"])
    return rules
