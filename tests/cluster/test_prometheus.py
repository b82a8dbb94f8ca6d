"""A real Prometheus scrapes real jobs: the alerts that the chart ships fire for the right ones, the dashboard has data.

It finds the pods as the chart's PodMonitor tells the Prometheus Operator to, which is not run here.
"""

from __future__ import annotations

import copy
import json
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.settings import KUBECONFIG, PROGRAMS
from hack.cluster.target import Target
from tests.chart import helm

from .conftest import Jobs
from .jobs import Job
from .programs import Values, shell

pytestmark = pytest.mark.engines("Prometheus", "prometheus", "github.com/prometheus/prometheus")

METRICS: Values = {"metrics": {"enabled": True}}
HANGS = """echo '{"step": 7, "total": 100, "loss": 0.5, "auc": 0.75}' >$TASK_PROGRESS_FILE.new
mv $TASK_PROGRESS_FILE.new $TASK_PROGRESS_FILE; wait_for end"""
# A test does not wait for half an hour: what takes 30 minutes by the chart's rules takes seconds here. That the rules
# fire after the times they name is tested with promtool below.
SOONER = {"> 1800": "> 3", "30m": "2s", "15m": "2s"}


def rules(namespace: str, name: str) -> dict[str, Any]:
    """The `spec` of the PrometheusRule that the chart makes for this job, as a file of rules."""
    values = {"program": {"command": ["true"]}, "metrics": {"enabled": True, "prometheusRule": {"enabled": True}}}
    spec = helm.render(values, release=name, namespace=namespace).one("PrometheusRule")["spec"]
    return dict(copy.deepcopy(spec))


def sooner(spec: dict[str, Any]) -> dict[str, Any]:
    for rule in spec["groups"][0]["rules"]:
        for old, new in SOONER.items():
            rule["expr"] = rule["expr"].replace(old, new)
            if rule.get("for") == old:
                rule["for"] = new
    return spec


@dataclass
class Prometheus:
    """The server's API."""

    url: str

    def answers(self) -> bool:
        """Whether it has started."""
        try:
            return bool(self.get("status/buildinfo"))
        except OSError:
            return False

    def get(self, path: str, **query: str) -> Any:
        """The `data` of the answer."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def firing(self) -> set[tuple[str, str]]:
        """(alert, job) of all that fire."""
        alerts = self.get("alerts")["alerts"]
        return {
            (one["labels"]["alertname"], one["labels"]["tensorflow_job"]) for one in alerts if one["state"] == "firing"
        }

    def fired(self, alert: str, job: str) -> bool:
        """Whether the alert fires, or did: the series of a job end with its lifecycle's pod."""
        fired = f'ALERTS{{alertname="{alert}",tensorflow_job="{job}",alertstate="firing"}}'
        return bool(self.query(f"max_over_time({fired}[10m])"))

    def query(self, expression: str) -> list[Any]:
        """The samples."""
        return list(self.get("query", query=expression)["result"])


@pytest.fixture
def prometheus(cluster: Target, jobs: Jobs, tmp_path: Path) -> Iterator[Prometheus]:
    """Prometheus with the alerts of the jobs that the tests install."""
    if not cluster.own:
        pytest.skip("only on the kit's cluster")
    cluster.kit("build", "prometheus")
    namespace = jobs.namespace.name
    files = []
    for name in ("hangs", "fails", "waits", "ends"):
        files.append(str(tmp_path / f"{name}.yaml"))
        Path(files[-1]).write_text(yaml.safe_dump(sooner(rules(namespace, name))), "utf-8")
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config(namespace, files)), "utf-8")
    subprocess.run([PROGRAMS / "promtool", "check", "config", tmp_path / "prometheus.yaml"], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = [f"--config.file={tmp_path}/prometheus.yaml", f"--storage.tsdb.path={tmp_path}/data"]
    server = subprocess.Popen(
        [PROGRAMS / "prometheus", *options, f"--web.listen-address={address}", "--log.level=warn"]
    )
    api = Prometheus(f"http://{address}")
    try:
        jobs.namespace.wait_until("Prometheus answers", api.answers)
        yield api
    finally:
        server.terminate()
        server.wait()


def config(namespace: str, files: list[str]) -> dict[str, Any]:
    """Prometheus' configuration: the pods by the PodMonitor's selector."""
    monitor = {"metrics": {"enabled": True, "podMonitor": {"enabled": True}, "from": [{"podSelector": {}}]}}
    spec = helm.render({"program": {"command": ["true"]}, **monitor}, release="some-job").one("PodMonitor")["spec"]
    labels = {key: text for key, text in spec["selector"]["matchLabels"].items() if text != "some-job"}
    (endpoint,) = spec["podMetricsEndpoints"]
    keep = [
        {
            "source_labels": [f"__meta_kubernetes_pod_label_{key.replace('/', '_').replace('.', '_')}"],
            "regex": text,
            "action": "keep",
        }
        for key, text in labels.items()
    ]
    keep += [
        {"source_labels": ["__meta_kubernetes_pod_container_port_name"], "regex": endpoint["port"], "action": "keep"}
    ]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": files,
        "scrape_configs": [
            {
                "job_name": "tensorflow-jobs",
                "kubernetes_sd_configs": [
                    {"role": "pod", "kubeconfig_file": str(KUBECONFIG), "namespaces": {"names": [namespace]}}
                ],
                "relabel_configs": [
                    *keep,
                    {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                ],
            }
        ],
    }


def dashboard(job: Job) -> dict[str, list[str]]:
    """The panels of the dashboard, and what they ask Prometheus about this job."""
    panels = json.loads((helm.CHART / "files/dashboard.json").read_text("utf-8"))["panels"]
    shown = {"$namespace": job.namespace.name, "$tensorflow_job": job.name}
    asked: dict[str, list[str]] = {}
    for panel in panels:
        for target in panel["targets"]:
            expression = target["expr"]
            for variable, text in shown.items():
                expression = expression.replace(variable, text)
            asked.setdefault(panel["title"], []).append(expression)
    return asked


def test_alerts_fire_for_jobs_that_stall_fail_or_wait_and_the_dashboard_has_data(
    jobs: Jobs, prometheus: Prometheus
) -> None:
    nowhere = {"nodeSelector": {"no-such": "node"}}
    hangs = jobs.install(shell(HANGS, **METRICS), "hangs")
    jobs.install(shell("true", **METRICS, **nowhere), "waits")
    ends = jobs.install(shell("wait_for end", **METRICS), "ends")
    fails = jobs.install(shell("wait_for end; exit 3", **METRICS, restart={"policy": "Never"}), "fails")
    expected = {("TensorFlowJobStalled", "hangs"), ("TensorFlowJobWaiting", "waits")}
    hangs.wait_until("both alerts fire", lambda: prometheus.firing() == expected, 90)

    for title, expressions in dashboard(hangs).items():
        for expression in expressions:
            samples = prometheus.query(expression)
            assert samples or title in ("Time left", "Steps per second"), f"{title}: a program at one step has no speed"

    for job in (ends, fails):
        job.wait_running()
        job.tell("worker-0", "end")
    fails.wait_until("the failed job is noticed", lambda: prometheus.fired("TensorFlowJobFailed", "fails"))
    ends.wait_ended("Succeeded", disturbed=True)
    assert prometheus.firing() >= expected
    assert not [
        rule["alert"] for rule in rules("", "ends")["groups"][0]["rules"] if prometheus.fired(rule["alert"], "ends")
    ]


RUNNING = 'tensorflow_job_phase{namespace="team",tensorflow_job="digits",phase="Running"}'
RESTARTING = RUNNING.replace("Running", "Restarting")
TASKS = 'tensorflow_job_tasks{namespace="team",tensorflow_job="digits",role="worker",state="waiting"}'
LAST = 'tensorflow_job_last_progress_timestamp_seconds{namespace="team",tensorflow_job="digits"}'
OTHER = 'tensorflow_job_phase{namespace="team",tensorflow_job="other",phase="Failed"}'
CLAIMED = 'kube_job_failed{namespace="team",job_name="digits-lifecycle-0a1b2c3d",condition="true"}'
CASES: dict[str, tuple[dict[str, str], str, set[str]]] = {
    "a step 29 minutes ago": ({RUNNING: "1x40", LAST: "60x40"}, "30m", set()),
    "a step 31 minutes ago": ({RUNNING: "1x40", LAST: "60x40"}, "32m", {"TensorFlowJobStalled"}),
    "resumed 28 minutes ago": ({RUNNING: "1x5 0x90 1x40", LAST: "60x140"}, "125m", set()),
    "resumed 31 minutes ago": ({RUNNING: "1x5 0x90 1x40", LAST: "60x140"}, "128m", {"TensorFlowJobStalled"}),
    "resumed 28 minutes ago by another lifecycle's pod": (
        {f'{RUNNING[:-1]},pod="old"}}': "1x5 0x90", f'{RUNNING[:-1]},pod="new"}}': "_x97 1x40", LAST: "60x140"},
        "125m",
        set(),
    ),
    "a task missing for 14 minutes": ({RUNNING: "1x40", TASKS: "1x40"}, "14m", set()),
    "a task missing for 16 minutes": ({RUNNING: "1x40", TASKS: "1x40"}, "16m", {"TensorFlowJobTasksMissing"}),
    "preempted 29 minutes ago": ({RUNNING: "0x40", RESTARTING: "1x40"}, "29m", set()),
    "preempted 31 minutes ago": ({RUNNING: "0x40", RESTARTING: "1x40"}, "31m", {"TensorFlowJobWaiting"}),
    "another job fails": ({OTHER: "1x40"}, "30m", set()),
    "the lifecycle is gone, its Job has failed": ({CLAIMED: "1x40"}, "5m", {"TensorFlowJobFailed"}),
}


def test_alerts_fire_after_the_times_that_they_name(cluster: Target, tmp_path: Path) -> None:
    cluster.kit("build", "prometheus")
    spec = rules("team", "digits")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec), "utf-8")
    names = [rule["alert"] for rule in spec["groups"][0]["rules"]]
    tests = []
    for title, (series, at, firing) in CASES.items():
        told = {(rule["alert"]): rule for rule in spec["groups"][0]["rules"]}
        checks = []
        for name in names:
            alerts = []
            if name in firing:
                labels = {"namespace": "team", **told[name]["labels"], "tensorflow_job": "digits"}
                alerts = [{"exp_labels": labels, "exp_annotations": told[name]["annotations"]}]
            checks.append({"eval_time": at, "alertname": name, "exp_alerts": alerts})
        values = [{"series": name, "values": value} for name, value in series.items()]
        tests.append({"name": title, "interval": "1m", "input_series": values, "alert_rule_test": checks})
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}), "utf-8")
    subprocess.run([PROGRAMS / "promtool", "test", "rules", tmp_path / "tests.yaml"], check=True)
