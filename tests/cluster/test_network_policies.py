"""A network that enforces policies: neighbours are kept out of a job's ports, and the job trains all the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from hack.cluster.proxy import Object
from hack.cluster.target import Target

from .conftest import Jobs
from .engines import switched_on
from .jobs import Job
from .namespaces import Namespace
from .programs import Values, digits, shell
from .tool import Tool

pytestmark = pytest.mark.engines("kube-network-policies", "network-policies", "sigs.k8s.io/kube-network-policies")

TENSORFLOW, PROGRESS, TENSORBOARD, METRICS, WEB = 2222, 2223, 6006, 8080, 8000
# Prints those of the addresses that it can connect to; a packet that is dropped is sent again after 1 s and 3 s.
PROBE = """
import concurrent.futures, json, socket, sys
def opens(address):
    try:
        socket.create_connection(address, 5).close()
    except OSError:
        return False
    return True
addresses = [tuple(one) for one in json.loads(sys.argv[1])]
with concurrent.futures.ThreadPoolExecutor(len(addresses)) as pool:
    print(json.dumps(list(pool.map(opens, addresses))))
"""
SERVE = ["python3", "-m", "http.server", str(WEB)]
LISTENS = f"cd /tmp; {' '.join(SERVE)} & wait_for end"
Address = tuple[str, int]


@pytest.fixture
def enforced(cluster: Target) -> Iterator[Callable[[str], None]]:
    """Policies count; the function turns it `off` and `on`."""
    with switched_on(cluster, "network-policies") as switch:
        yield switch


def neighbour(jobs: Jobs, name: str, **labels: str) -> None:
    """A pod that is none of a job's, and serves."""
    container = {
        "name": "c",
        "image": jobs.target.python_image,
        "command": ["sh", "-c", f"cd /tmp; exec {' '.join(SERVE)}"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    user = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "securityContext": user, "terminationGracePeriodSeconds": 0}
    jobs.namespace.create("pods", {"metadata": {"name": name, "labels": labels}, "spec": spec})


def opened(namespace: Namespace, pod: str, target: Target, addresses: list[Address]) -> list[int]:
    """The ports of those addresses that the pod can connect to."""
    words = ["kubectl", "exec", pod, "-n", namespace.name, "--", "python3", "-c", PROBE, json.dumps(addresses)]
    done = target.run(*words)
    assert done.returncode == 0, done.stderr
    return [port for (_, port), is_open in zip(addresses, json.loads(done.stdout), strict=True) if is_open]


def address(pod: Object, port: int) -> Address:
    return str(pod["status"]["podIP"]), port


def ready(jobs: Jobs, *names: str) -> None:
    """Wait until pods run."""

    def run() -> bool:
        pods = [jobs.namespace.pods.objects.get(name, {"status": {}}) for name in names]
        return all(pod["status"].get("phase") == "Running" and "podIP" in pod["status"] for pod in pods)

    jobs.namespace.wait_until(f"{', '.join(names)} run", run)


def board(jobs: Jobs, job: Job) -> Object:
    """TensorBoard's pod, once it is ready."""

    def found() -> Object | None:
        for name, pod in jobs.namespace.pods.objects.items():
            conditions = pod["status"].get("conditions", ())
            if name.startswith(f"{job.name}-tensorboard-") and ("Ready", "True") in {
                (one["type"], one["status"]) for one in conditions
            }:
                return pod
        return None

    return jobs.namespace.wait_until("TensorBoard is ready", found, 150)


def trains(jobs: Jobs) -> Values:
    """A real training whose chief waits at its end; Prometheus may ask for the metrics."""
    repository, _, tag = jobs.target.tensorflow_image.rpartition(":")
    values = digits(100, tensorboard={"enabled": True, "image": {"repository": repository, "tag": tag}})
    values["program"]["command"][2] += "; wait_for end"
    values["tensorboard"]["resources"] = {"requests": {"cpu": "50m"}}
    values["metrics"] = {
        "enabled": True,
        "lastScrapeSeconds": 0,
        "from": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
    }
    return values


def test_neighbours_reach_no_port_of_a_job_that_trains(
    jobs: Jobs, new_jobs: Callable[[str], Jobs], enforced: Callable[[str], None]
) -> None:
    elsewhere = new_jobs("neighbours-elsewhere")
    try:
        job = jobs.install(trains(jobs))
        other = jobs.install(shell(LISTENS), "other")
        neighbour(jobs, "neighbour")
        neighbour(jobs, "prometheus", app="prometheus")
        neighbour(elsewhere, "neighbour", app="prometheus")
        ready(jobs, "neighbour", "prometheus", "other-worker-0")
        ready(elsewhere, "neighbour")
        job.wait_for_log("chief-0", "^done: .*accuracy", 200)
        job.wait_until("its lifecycle knows the progress", lambda: job.status.get("progress", {}).get("step") == 100)
        tasks = [address(job.pods[task], TENSORFLOW) for task in ("worker-0", "worker-1", "ps-0", "ps-1")]
        progress = address(job.pods["chief-0"], PROGRESS)
        shown, metrics = address(board(jobs, job), TENSORBOARD), address(job.lifecycle_pods[0], METRICS)
        everything = [*tasks, progress, shown, metrics]

        def seen(namespace: Namespace, pod: str) -> list[int]:
            return opened(namespace, pod, jobs.target, everything)

        strangers = [
            (jobs.namespace, "neighbour"),
            (elsewhere.namespace, "neighbour"),
            (jobs.namespace, "other-worker-0"),
        ]
        for namespace, pod in strangers:
            assert seen(namespace, pod) == []
        assert seen(jobs.namespace, "prometheus") == [METRICS]
        assert seen(jobs.namespace, "job-chief-0") == [*[TENSORFLOW] * 4, PROGRESS]
        assert seen(jobs.namespace, job.lifecycle_pods[0]["metadata"]["name"]) == [PROGRESS, METRICS]
        assert seen(jobs.namespace, board(jobs, job)["metadata"]["name"]) == [TENSORBOARD]
        # All this was the policies' doing.
        enforced("off")
        assert seen(*strangers[0]) == [port for _, port in everything]
        enforced("on")
        job.tell("chief-0", "end")
        other.tell("worker-0", "end")
        job.wait_ended("Succeeded", disturbed=True)
        other.wait_ended("Succeeded", disturbed=True)
    finally:
        elsewhere.close()


@pytest.mark.usefixtures("enforced")
def test_a_program_with_egress_rules_reaches_its_job_and_what_is_named(jobs: Jobs) -> None:
    named = [{"to": [{"podSelector": {"matchLabels": {"app": "store"}}}], "ports": [{"port": WEB}]}]
    open_job = jobs.install(shell(LISTENS), "open")
    job = jobs.install(shell(LISTENS, worker={"replicas": 2}, networkPolicy={"egress": named}))
    neighbour(jobs, "neighbour")
    neighbour(jobs, "store", app="store")
    ready(jobs, "neighbour", "store", "open-worker-0", "job-worker-0", "job-worker-1")
    pods = jobs.namespace.pods.objects
    peer, stranger, store = (address(pods[name], WEB) for name in ("job-worker-1", "neighbour", "store"))
    api_server: Address = ("kubernetes.default.svc.cluster.local", 443)  # its name is known: DNS answers

    def reached(pod: str) -> dict[Address, bool]:
        addresses = [peer, stranger, store, api_server]
        ports = [opened(jobs.namespace, pod, jobs.target, [one]) for one in addresses]
        return {one: bool(found) for one, found in zip(addresses, ports, strict=True)}

    jobs.namespace.wait_until(
        "the pods serve", lambda: reached("job-worker-0")[peer] and reached("job-worker-0")[store]
    )
    assert reached("job-worker-0") == {peer: True, stranger: False, store: True, api_server: False}
    assert reached("open-worker-0") == {peer: False, stranger: True, store: True, api_server: True}
    resolve = "import socket; print(socket.gethostbyname('kubernetes.default.svc.cluster.local'))"
    assert job.exec("worker-0", "python3", "-c", resolve).strip()
    for one, tasks in ((job, ("worker-0", "worker-1")), (open_job, ("worker-0",))):
        for task in tasks:
            one.tell(task, "end")
        one.wait_ended("Succeeded", disturbed=True)


@pytest.mark.usefixtures("enforced")
def test_doctor_finds_out_that_policies_are_enforced(jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.new()
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(job.complete(shell("exit 0"))))
    jobs.all.remove(job)  # it is never installed
    words = ("doctor", "-f", str(tmp_path / "values.yaml"), "--probe-network", "-o", "json")
    checks = json.loads(Tool(jobs.target, jobs.namespace.name)(*words)[0])["checks"]
    assert checks[-1]["message"] == "enforced: a connection that a policy forbids failed"
