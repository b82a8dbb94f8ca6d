"""Every values file of chart/ci makes objects that Kubernetes accepts, that fit together and need few permissions."""

from __future__ import annotations

import json

import pytest
import yaml

from . import helm, kubernetes
from .helm import CHART, PROGRAM, Rendered, merged, render, rendered_ci
from .kubernetes import config_maps

ROLES = ("chief", "worker", "ps", "evaluator")
LIBRARY = "/tensorflow-job/lib/tensorflow_job"
CI_VALUES = helm.ci_values()


@pytest.mark.parametrize("version", [kubernetes.OLDEST, kubernetes.NEWEST])
def test_every_object_follows_the_kubernetes_schema_strictly(rendered: Rendered, version: str) -> None:
    for item in rendered.objects:
        kubernetes.assert_valid(item, version)


def test_the_kubernetes_schema_check_is_strict() -> None:
    service = render(PROGRAM).one("Service")
    with pytest.raises(AssertionError, match="publishNotReady"):
        kubernetes.assert_valid({**service, "spec": {**service["spec"], "publishNotReady": True}}, kubernetes.NEWEST)


def test_chart_declares_the_oldest_kubernetes_that_is_tested() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == f">={kubernetes.OLDEST}.0-0"


def test_no_two_objects_have_the_same_kind_and_name(rendered: Rendered) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in rendered.objects]
    assert len(names) == len(set(names))


def test_only_namespaced_kinds_are_made_and_nothing_names_a_namespace(rendered: Rendered) -> None:
    kinds = {
        "ConfigMap",
        "Deployment",
        "Ingress",
        "Job",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "PodGroup",
        "PodMonitor",
        "PrometheusRule",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    }
    assert {item["kind"] for item in rendered.objects} <= kinds
    assert not [item for item in rendered.objects if "namespace" in item["metadata"]]


def test_everything_a_pod_refers_to_is_installed_or_named_in_the_values(rendered: Rendered) -> None:
    installed = {(item["kind"], item["metadata"]["name"]) for item in rendered.objects}
    theirs = {
        ("PersistentVolumeClaim", "shared"),
        ("PersistentVolumeClaim", "datasets"),
        ("PersistentVolumeClaim", "cache"),
        ("ConfigMap", "my-program"),
        ("ServiceAccount", "tensorflow-jobs"),
        ("ServiceAccount", "trainer-identity"),
    }
    for owner, template in kubernetes.pod_templates(rendered):
        missing = set(kubernetes.references(template["spec"])) - installed - theirs
        assert not missing, owner


def test_mounts_name_volumes_and_use_a_path_once(rendered: Rendered) -> None:
    for owner, template in kubernetes.pod_templates(rendered):
        volumes = [volume["name"] for volume in template["spec"]["volumes"]]
        assert len(volumes) == len(set(volumes)), owner
        for container in kubernetes.containers(template["spec"]):
            mounts = container.get("volumeMounts", [])
            assert {mount["name"] for mount in mounts} <= set(volumes), owner
            assert len({mount["mountPath"] for mount in mounts}) == len(mounts), owner


def test_sets_select_their_own_pods_and_no_others(rendered: Rendered) -> None:
    sets = rendered.all("StatefulSet")
    for item in sets:
        selector = item["spec"]["selector"]["matchLabels"]
        for other, template in kubernetes.pod_templates(rendered):
            is_own = other == item["metadata"]["name"]
            assert kubernetes.selects(selector, template["metadata"]["labels"]) == is_own


def test_selectors_hold_nothing_that_a_new_version_changes(rendered: Rendered) -> None:
    for item in rendered.all("StatefulSet"):
        assert set(item["spec"]["selector"]["matchLabels"]) == {"tensorflow-job/job", "tensorflow-job/role"}


def test_services_and_network_policies_select_the_pods_of_their_own_component_only(rendered: Rendered) -> None:
    component = "app.kubernetes.io/component"
    selectors = [service["spec"]["selector"] for service in rendered.all("Service")]
    selectors += [policy["spec"]["podSelector"]["matchLabels"] for policy in rendered.all("NetworkPolicy")]
    for selector in selectors:
        for owner, template in kubernetes.pod_templates(rendered):
            labels = template["metadata"]["labels"]
            assert kubernetes.selects(selector, labels) == (labels[component] == selector[component]), owner
    training = rendered.one("Service", rendered.job_spec()["service"])["spec"]["selector"]
    assert training[component] == "training"


def test_the_service_gives_unready_pods_of_every_set_a_name_at_the_port_of_their_container(rendered: Rendered) -> None:
    service = rendered.one("Service", rendered.job_spec()["service"])
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    [port] = service["spec"]["ports"]
    assert (port["port"], port["name"], port["appProtocol"]) == (2222, "tensorflow", "tcp")
    for item in rendered.all("StatefulSet"):
        assert item["spec"]["serviceName"] == service["metadata"]["name"]
        ports = [
            port for container in item["spec"]["template"]["spec"]["containers"] for port in container.get("ports", [])
        ]
        assert {"name": port["targetPort"], "containerPort": 2222} in ports


def test_sets_start_together_are_never_rolled_and_leave_scaling_to_the_lifecycle(rendered: Rendered) -> None:
    suspended = rendered.status()["metadata"]["annotations"]["tensorflow-job/suspend"]
    for item in rendered.all("StatefulSet"):
        assert item["spec"]["podManagementPolicy"] == "Parallel"
        assert item["spec"]["updateStrategy"] == {"type": "OnDelete"}
        assert item["spec"].get("replicas") == (0 if suspended == "true" else None)
        assert item["spec"]["revisionHistoryLimit"] == 2


def test_every_object_has_the_labels_that_kubernetes_and_helm_recommend(rendered: Rendered) -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    expected = {
        "app.kubernetes.io/name": "tensorflow-job",
        "app.kubernetes.io/instance": "digits",
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/version": about["appVersion"],
        "helm.sh/chart": f"tensorflow-job-{about['version']}",
        "tensorflow-job/job": rendered.job_spec()["name"],
    }
    for item in rendered.objects:
        if not item["metadata"]["name"].endswith(("-note", "-text")):  # extraObjects of everything-values.yaml
            assert expected.items() <= item["metadata"]["labels"].items(), item["metadata"]["name"]


def test_a_failed_task_or_lifecycle_leaves_the_end_of_its_log_as_its_termination_message(rendered: Rendered) -> None:
    containers = [rendered.container_of(role) for role in rendered.job_spec()["replicas"]]
    for container in [*containers, *rendered.lifecycle()["containers"]]:
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_no_pod_gets_service_variables(rendered: Rendered) -> None:
    for owner, template in kubernetes.pod_templates(rendered):
        assert template["spec"]["enableServiceLinks"] is False, owner


def test_training_pods_get_no_token_for_the_api_and_no_service_links(rendered: Rendered) -> None:
    for item in rendered.all("StatefulSet"):
        spec = item["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        sources = [source for volume in spec["volumes"] for source in volume.get("projected", {}).get("sources", ())]
        tokens = [source["serviceAccountToken"] for source in sources if "serviceAccountToken" in source]
        assert [token["audience"] for token in tokens] in ([], ["sts.example.com"])


def test_no_pod_uses_the_host(rendered: Rendered) -> None:
    for _, template in kubernetes.pod_templates(rendered):
        assert "hostPath" not in str(template)
        assert "hostNetwork" not in template["spec"]


@pytest.mark.parametrize("name", [name for name in CI_VALUES if name != "suspended"])
def test_every_container_fits_the_restricted_pod_security_standard(name: str) -> None:
    for owner, template in kubernetes.pod_templates(rendered_ci(name)):
        assert not kubernetes.restricted_violations(template["spec"]), owner


def test_the_pod_security_check_finds_what_it_looks_for() -> None:
    rendered = render(merged(PROGRAM, {"podSecurityContext": None, "securityContext": None}))
    assert kubernetes.restricted_violations(rendered.pod_of("chief")) == [
        "tensorflow: allowPrivilegeEscalation",
        "tensorflow: capabilities.drop",
        "tensorflow: runAsNonRoot",
        "tensorflow: seccompProfile",
    ]


def test_a_claim_is_kept_on_uninstall_by_default() -> None:
    kept = render(PROGRAM).one("PersistentVolumeClaim")
    assert kept["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    gone = render(merged(PROGRAM, {"checkpoint": {"keep": False}})).one("PersistentVolumeClaim")
    assert "annotations" not in gone["metadata"]


@pytest.mark.parametrize(("given", "expected"), [("", None), ("-", ""), ("fast", "fast")])
def test_the_storage_class_of_the_claim(given: str, expected: str | None) -> None:
    claim = render(merged(PROGRAM, {"checkpoint": {"storageClassName": given}})).one("PersistentVolumeClaim")
    assert claim["spec"].get("storageClassName") == expected


def test_no_claim_is_made_where_one_exists_or_none_is_wanted() -> None:
    for checkpoint in ({"existingClaim": "shared"}, {"enabled": False}):
        assert not render(merged(PROGRAM, {"checkpoint": checkpoint})).all("PersistentVolumeClaim")


def test_only_the_jobs_own_pods_and_extra_peers_reach_the_training_pods() -> None:
    peer = {"podSelector": {"matchLabels": {"app": "prometheus"}}}
    policy = render(merged(PROGRAM, {"networkPolicy": {"extraPeers": [peer]}})).one("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    lifecycle = {"tensorflow-job/job": "digits", "app.kubernetes.io/component": "lifecycle"}
    assert policy["ingress"] == [
        {"from": [{"podSelector": policy["podSelector"]}, peer]},
        {"from": [{"podSelector": {"matchLabels": lifecycle}}], "ports": [{"port": "progress", "protocol": "TCP"}]},
    ]


def test_without_options_there_are_these_objects_and_no_others() -> None:
    rendered = render(merged(PROGRAM, {"strategy": "MultiWorkerMirrored"}), release="mnist")
    made = sorted((item["kind"], item["metadata"]["name"]) for item in rendered.objects)
    lifecycle = rendered.one("Job")["metadata"]["name"]
    assert made == [
        ("ConfigMap", "mnist-job"),
        ("ConfigMap", lifecycle),
        ("ConfigMap", f"{lifecycle}-2"),
        ("ConfigMap", "mnist-status"),
        ("ConfigMap", "mnist-task"),
        ("Job", lifecycle),
        ("NetworkPolicy", "mnist"),
        ("PersistentVolumeClaim", "mnist-checkpoints"),
        ("Role", "mnist-lifecycle"),
        ("RoleBinding", "mnist-lifecycle"),
        ("Service", "mnist"),
        ("ServiceAccount", "mnist-lifecycle"),
        ("StatefulSet", "mnist-worker"),
    ]


def test_extra_objects_are_rendered_as_templates() -> None:
    rendered = rendered_ci("everything")
    assert rendered.one("ConfigMap", "everything-note")["data"] == {"release": "digits"}
    assert rendered.one("ConfigMap", "digits-text")


def test_every_program_is_mounted_whole_where_it_imports_the_other_from() -> None:
    rendered = render(PROGRAM)
    for pod, programs in ((rendered.pod_of("worker"), ["task"]), (rendered.lifecycle(), ["task", "lifecycle"])):
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert [path for path in mounts if path.startswith(LIBRARY)] == [f"{LIBRARY}/{program}" for program in programs]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for program in programs:
            data: dict[str, str] = {}
            for name in config_maps(volumes[mounts[f"{LIBRARY}/{program}"]]):
                data |= rendered.one("ConfigMap", name)["data"]
            files = (CHART / "files" / program).glob("*.py")
            assert data == {file.name: file.read_text("utf-8") for file in files}


def test_every_object_can_be_applied() -> None:
    """`kubectl apply` keeps the object in an annotation, and those of an object may have no more than 262,144 bytes."""
    for item in render(PROGRAM).objects:
        assert len(json.dumps(item, ensure_ascii=False).encode()) < 200_000, (item["kind"], item["metadata"]["name"])
