"""TensorBoard, metrics and kept logs: what they add to a job, and that it is closed to everything else."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tfconfig.tensorflow_job.task import names

from . import helm, kubernetes
from .helm import PROGRAM, Rendered, Values, merged, render

BOARD: Values = {"tensorboard": {"enabled": True}}
METRICS: Values = {"metrics": {"enabled": True}}
FROM = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
LABELS = {"tensorflow-job/job": "digits"}


def added(values: Values) -> list[tuple[str, str]]:
    """The objects that these values add to a job; it must keep all of its own."""
    without, having = (_named(render(merged(PROGRAM, item))) for item in ({}, values))
    assert without.keys() <= having.keys()
    return sorted(having.keys() - without.keys())


def _named(rendered: Rendered) -> dict[tuple[str, str], Any]:
    """All but the lifecycle Job and its code, whose name changes."""
    job = rendered.one("Job")["metadata"]["name"]
    named = {(item["kind"], item["metadata"]["name"]): item for item in rendered.objects}
    return {key: item for key, item in named.items() if not key[1].startswith(job)}


@pytest.mark.parametrize(
    ("values", "objects"),
    [
        ({"logs": {"persist": True}}, []),
        (METRICS, [("NetworkPolicy", "digits-lifecycle")]),
        (
            merged(METRICS, {"metrics": {"podMonitor": {"enabled": True}, "from": FROM}}),
            [("NetworkPolicy", "digits-lifecycle"), ("PodMonitor", "digits")],
        ),
        (
            merged(METRICS, {"metrics": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}}),
            [("ConfigMap", "digits-dashboard"), ("NetworkPolicy", "digits-lifecycle"), ("PrometheusRule", "digits")],
        ),
        ({"metrics": {what: {"enabled": True} for what in ("podMonitor", "prometheusRule", "dashboard")}}, []),
        (
            BOARD,
            [
                ("Deployment", "digits-tensorboard"),
                ("NetworkPolicy", "digits-tensorboard"),
                ("Service", "digits-tensorboard"),
            ],
        ),
        ({"tensorboard": {"ingress": {"enabled": True, "host": "a.example.com"}}}, []),
    ],
)
def test_each_option_adds_its_own_objects(values: Values, objects: list[tuple[str, str]]) -> None:
    assert added(values) == objects


def test_without_network_policies_there_are_none_for_these_either() -> None:
    rendered = render(merged(PROGRAM, BOARD, METRICS, {"networkPolicy": {"enabled": False}}))
    assert rendered.all("NetworkPolicy") == []


def test_tensorboard_shows_the_jobs_folder_read_only_and_has_no_permissions() -> None:
    rendered = render(merged(PROGRAM, BOARD))
    pod = rendered.one("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "--logdir=/checkpoints/digits" in container["command"]
    claim = {"claimName": "digits-checkpoints", "readOnly": True}
    assert {"name": "checkpoints", "persistentVolumeClaim": claim} in pod["volumes"]
    mount = {"name": "checkpoints", "mountPath": "/checkpoints/digits", "subPath": "digits", "readOnly": True}
    assert mount in container["volumeMounts"]
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert kubernetes.restricted_violations(pod) == []
    # The newest of TensorFlow's images that has it: https://github.com/tensorflow/tensorflow/pull/110709
    assert container["image"] == "tensorflow/tensorflow:2.20.0"


def test_tensorboard_answers_at_the_port_of_its_service_and_may_write_to_tmp_only() -> None:
    rendered = render(merged(PROGRAM, BOARD, {"imagePullSecrets": [{"name": "s"}]}))
    spec = rendered.one("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == [
        "python3",
        "-m",
        "tensorboard.main",
        "--logdir=/checkpoints/digits",
        "--bind_all",
        "--port=6006",
    ]
    assert container["ports"] == [{"name": "tensorboard", "containerPort": 6006}]
    assert container["readinessProbe"]["httpGet"] == {"path": "/", "port": "tensorboard"}
    service = rendered.one("Service", "digits-tensorboard")["spec"]
    assert service["ports"] == [{"name": "http", "port": 80, "targetPort": "tensorboard"}]
    writable = [mount for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert writable == [{"name": "tmp", "mountPath": "/tmp"}]
    assert {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}} in pod["volumes"]
    env = {variable["name"]: variable["value"] for variable in container["env"]}
    assert env == {"HOME": "/tmp", "CUDA_VISIBLE_DEVICES": "-1"}
    assert pod["imagePullSecrets"] == [{"name": "s"}]


def test_the_notes_show_how_to_reach_tensorboard() -> None:
    way = "kubectl -n team port-forward service/digits-tensorboard 6006:80"
    assert way in render(merged(PROGRAM, BOARD)).notes
    assert way not in render(PROGRAM).notes


def test_tensorboard_of_another_folder_of_the_volume() -> None:
    values = merged(BOARD, {"tensorboard": {"directory": "all/digits"}, "checkpoint": {"mountPath": "/models/"}})
    (container,) = render(merged(PROGRAM, values)).one("Deployment")["spec"]["template"]["spec"]["containers"]
    assert "--logdir=/models/all/digits" in container["command"]


def test_users_reach_the_port_of_tensorboard_and_nothing_else() -> None:
    rendered = render(merged(PROGRAM, BOARD))
    labels = rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    policy = rendered.one("NetworkPolicy", "digits-tensorboard")["spec"]
    assert (policy["policyTypes"], "ingress" in policy) == (["Ingress"], False), "nobody, unless the values name them"
    named = render(merged(PROGRAM, BOARD, {"tensorboard": {"from": FROM}})).one("NetworkPolicy", "digits-tensorboard")
    assert named["spec"]["ingress"] == [{"from": FROM, "ports": [{"port": "tensorboard", "protocol": "TCP"}]}]
    assert kubernetes.selects(policy["podSelector"]["matchLabels"], labels)
    service = rendered.one("Service", "digits-tensorboard")["spec"]
    assert kubernetes.selects(service["selector"], labels)
    job = rendered.one("Service", "digits")["spec"]
    assert not kubernetes.selects(job["selector"], labels), "it is no task of the job"
    training = rendered.one("NetworkPolicy", "digits")["spec"]
    assert not any(
        kubernetes.selects(peer["podSelector"]["matchLabels"], labels)
        for rule in training["ingress"]
        for peer in rule["from"]
    ), "it cannot reach the servers"


def test_the_ingress_leads_to_tensorboard() -> None:
    ingress = render(helm.ci_values()["observed"]).one("Ingress")
    backend = {"service": {"name": "digits-tensorboard", "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    assert ingress["spec"] == {
        "ingressClassName": "nginx",
        "rules": [{"host": "digits.example.com", "http": {"paths": [path]}}],
        "tls": [{"hosts": ["digits.example.com"], "secretName": "digits-tls"}],
    }


def test_only_the_port_of_the_metrics_is_open() -> None:
    rendered = render(merged(PROGRAM, METRICS))
    policy = rendered.one("NetworkPolicy", "digits-lifecycle")["spec"]
    template = rendered.one("Job")["spec"]["template"]
    assert kubernetes.selects(policy["podSelector"]["matchLabels"], template["metadata"]["labels"])
    assert (policy["policyTypes"], "ingress" in policy) == (["Ingress"], False), "nobody, unless the values name them"
    named = render(merged(PROGRAM, METRICS, {"metrics": {"from": FROM}})).one("NetworkPolicy", "digits-lifecycle")
    assert named["spec"]["ingress"] == [{"from": FROM, "ports": [{"port": "metrics", "protocol": "TCP"}]}]
    (container,) = template["spec"]["containers"]
    (port,) = container["ports"]
    assert (port["name"], f"--metrics={port['containerPort']}" in container["command"]) == ("metrics", True)


def test_without_metrics_the_lifecycle_has_no_port() -> None:
    (container,) = render(PROGRAM).lifecycle()["containers"]
    assert "ports" not in container
    assert not [word for word in container["command"] if "metrics" in word]


def test_the_pod_monitor() -> None:
    """Checked by hand against the schema of the operator's CRD, which is larger than this chart."""
    monitor = render(helm.ci_values()["observed"]).one("PodMonitor")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    selector = {"matchLabels": {**LABELS, "app.kubernetes.io/component": "lifecycle"}}
    assert monitor["spec"] == {
        "selector": selector,
        "podMetricsEndpoints": [{"port": "metrics", "interval": "15s"}],
    }


def test_the_alerts_are_about_this_job_alone() -> None:
    """What they say of real jobs is in tests/cluster/test_prometheus.py."""
    rule = render(helm.ci_values()["observed"]).one("PrometheusRule")
    assert rule["apiVersion"] == "monitoring.coreos.com/v1"
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    (group,) = rule["spec"]["groups"]
    for alert in group["rules"]:
        assert 'namespace="team",tensorflow_job="digits"' in alert["expr"]
        assert alert["annotations"].keys() == {"summary", "description"}


def test_an_alert_tells_of_tasks_that_wait_in_any_phase() -> None:
    """A preempted job waits in phase Restarting, for as long as one that has not started."""
    (group,) = render(helm.ci_values()["observed"]).one("PrometheusRule")["spec"]["groups"]
    (waiting,) = [alert["expr"] for alert in group["rules"] if alert["alert"] == "TensorFlowJobWaiting"]
    assert 'phase=~"Pending|Restarting"' in waiting
    assert "max by (namespace, tensorflow_job)" in waiting, "whichever pod of the lifecycle says so"


def test_the_dashboard_opens_on_this_job() -> None:
    config = render(helm.ci_values()["observed"]).one("ConfigMap", "digits-dashboard")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "yes"
    dashboard = json.loads(config["data"]["digits-dashboard.json"])
    shown = {one["name"]: one["current"]["value"] for one in dashboard["templating"]["list"] if "current" in one}
    assert shown == {"namespace": "team", "tensorflow_job": "digits"}
    other = json.loads((helm.CHART / "files/dashboard.json").read_text("utf-8"))
    assert dashboard["panels"] == other["panels"]
    assert dashboard["uid"] != other["uid"], "both can be in one Grafana"


def test_every_metric_that_the_dashboard_and_the_alerts_ask_for_is_served() -> None:
    texts = [(helm.CHART / "files/dashboard.json").read_text("utf-8")]
    texts += [str(render(helm.ci_values()["observed"]).one("PrometheusRule"))]
    asked = {name for text in texts for name in re.findall(r"\btensorflow_job_[a-z_]+", text)}
    served = set(
        re.findall(r"(?:gauge|add)\(\s*\"([a-z_]+)\"", (helm.CHART / "files/lifecycle/metrics.py").read_text("utf-8"))
    )
    assert len(asked) > 10
    assert asked <= {f"tensorflow_job_{name}" for name in served}


def test_the_lifecycle_may_ask_the_tasks_at_the_port_they_answer_at() -> None:
    rendered = render(PROGRAM)
    ports = {port["name"]: port["containerPort"] for port in rendered.container_of("chief")["ports"]}
    assert ports["progress"] == names.PROGRESS_PORT
    assert f"--progress={names.PROGRESS_PORT}" in rendered.container_of("chief")["command"]


def test_logs_are_kept_as_the_values_say() -> None:
    assert render(helm.ci_values()["observed"]).job_spec()["logs"] == {"maxBytes": 1048576, "files": 2}
    assert render(PROGRAM).job_spec()["logs"] is None
