"""Jobs of 10 to 5,000 tasks on fake nodes: a release with its real lifecycle, beside a bare StatefulSet."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import yaml

from tfconfig.values.libyaml import loader

from . import jobs, requests, usage
from .lab import CHART, Lab, LateError, control_plane, in_parallel, say, settle, wait
from .measure import Results, Row
from .requests import OURS, Requests
from .watch import Watch

NAME = "j"  # a job of 5,000 tasks needs a short one: TF_CONFIG has a limit
IDLE_SECONDS = 20.0
CLIENTS = 8
BURST = 30  # requests that the controller manager sends at once, before its limit of 20 a second
FAILING_SECONDS = 60.0
FAILING_SHARE = 0.01  # of the tasks, a minute
NONE_COMES_BACK_SECONDS = 20.0


@contextmanager
def control_plane_cpu() -> Iterator[dict[str, float]]:
    """CPU seconds of each process of the control plane, known at the end."""
    spent: dict[str, float] = {}
    before = {name: usage.read(pid).cpu for name, pid in control_plane().items()}
    yield spent
    spent |= {name: usage.read(pid).cpu - before[name] for name, pid in control_plane().items()}


def limit(tasks: int) -> float:
    """Seconds that creating so many pods may take here: 20 a second is the controller manager's limit."""
    return 120 + tasks / 4


def bare_set(lab: Lab, results: Results, tasks: int) -> None:
    """One StatefulSet of this size: what Kubernetes itself needs to make the pods, and to take them away."""
    say(f"a bare StatefulSet of {tasks}")
    objects = jobs.bare_set(lab, NAME, tasks)
    with (
        lab.namespace(f"set-{tasks}") as namespace,
        Watch(lab.api, namespace) as seen,
        Requests(namespace) as asked,
        control_plane_cpu() as cpu,
    ):
        began = time.time()
        jobs.apply(lab, namespace, objects)
        wait("all pods run", lambda: seen.count("running") == tasks, limit(tasks))
        figures: Row = {
            "scaled": seen.scaled[f"{NAME}-worker", tasks] - began,
            "created": seen.last("created") - began,
            "rate": seen.rate(BURST),
            "running": seen.last("running") - began,
            "writes": requests.writes(asked.counts()),
        }
        if tasks <= 1000:  # 5,000 would only take five times as long
            settle()
            scaled = time.time()
            lab.run("kubectl", "scale", "statefulset", f"{NAME}-worker", "--replicas=0", "-n", namespace)
            wait("all pods are gone", lambda: seen.count("gone") == tasks, limit(tasks))
            figures["gone"] = seen.last("gone") - scaled
    results.add("bare set", tasks=tasks, **figures, control_plane_cpu=sum(cpu.values()))


def release(lab: Lab, results: Results, tasks: int) -> None:
    """One release of this size from `helm install` to its end, with failures on the way where it is large."""
    say(f"a release of {tasks} tasks")
    values = jobs.fake_values(lab, tasks, restart={"backoffLimit": 1000000})
    with (
        lab.namespace(f"release-{tasks}") as namespace,
        Watch(lab.api, namespace) as seen,
        Requests(namespace) as asked,
        usage.Sampler(seen.lifecycle_pods) as used,
    ):
        with control_plane_cpu() as cpu:
            began = time.time()
            _install(lab, namespace, NAME, values)
            installed = time.time() - began
            wait("all pods run", lambda: seen.count("running") == tasks, limit(tasks))
            wait("the job is reported running", lambda: seen.phase(NAME, "Running"), 60)
        scaled = max(seen.scaled[f"{NAME}-{role}", n] for role, n in jobs.roles(tasks).items())
        start, counts = used.total(), asked.counts()
        figures: Row = {
            "installed": installed,
            "scaled": scaled - began,
            "created": seen.last("created") - began,
            "rate": seen.rate(BURST),
            "running": seen.last("running") - began,
            "reported": seen.phase(NAME, "Running") - seen.last("running"),
            "start_cpu": start.cpu,
            "start_requests": requests.of(OURS, counts),
            "writes": requests.writes(counts),
            "control_plane_cpu": sum(cpu.values()),
            **_sent(lab, namespace, NAME),
        }
        before = used.total().cpu
        time.sleep(IDLE_SECONDS)  # what is measured is that nothing happens
        figures["idle_millicores"] = 1000 * (used.total().cpu - before) / IDLE_SECONDS
        figures["idle_requests"] = requests.of(OURS, asked.counts() - counts)
        if tasks >= 1000:
            figures |= _fail_some(lab, namespace, seen, tasks)
        if tasks == 1000:
            figures |= _fall_together(lab, namespace, seen, tasks)
        figures |= _end(lab, namespace, seen, tasks)
        ended = used.total()
        figures |= {"cpu": ended.cpu, "peak": ended.peak, "status_bytes": seen.status_bytes}
        figures |= {"status_writes": seen.status_writes, "requests": requests.of(OURS, asked.counts())}
    results.add("release", tasks=tasks, **figures)


def fails_while_it_starts(lab: Lab, results: Results, tasks: int) -> None:
    """The chief fails for good when 30 % of the pods exist: all of them go, and none comes back."""
    say(f"a release of {tasks} tasks that fails while it starts")
    values = jobs.fake_values(lab, tasks, restart={"policy": "Never"})
    with lab.namespace(f"fails-{tasks}") as namespace, Watch(lab.api, namespace) as seen:
        _install(lab, namespace, NAME, values)
        wait("30 % of the pods exist", lambda: seen.count("created") >= 0.3 * tasks, limit(tasks))
        wait("the chief runs", lambda: any(pod.role == "chief" and pod.running for pod in [*seen.pods.values()]), 60)
        lab.end_program(namespace, f"{NAME}-chief-0", 1)
        wait("the job is reported failed", lambda: seen.phase(NAME, "Failed"), 60)
        wait("the job is freed", lambda: seen.phase(NAME, "Freed"), 300)
        ended = seen.ended(f"{NAME}-chief-0").ended
        gone = seen.last("gone")
        assert not any(pod.alive for pod in seen.pods.values())
        made = len(seen.pods)
        time.sleep(NONE_COMES_BACK_SECONDS)  # what is measured is that nothing happens
        later = len(seen.pods) - made
        results.add(
            "fails while it starts",
            tasks=tasks,
            made=made,
            recorded=seen.phase(NAME, "Failed") - ended,
            gone=gone - ended,
            freed=seen.phase(NAME, "Freed") - ended,
            left=sum(pod.alive for pod in seen.pods.values()),
            made_after_release=later,
        )


def many(lab: Lab, results: Results, count: int, tasks: int) -> None:
    """Many small releases at once: each has a lifecycle of its own."""
    say(f"{count} releases of {tasks} tasks at once")
    names = [f"{NAME}{number}" for number in range(count)]
    with (
        lab.namespace(f"many-{count}") as namespace,
        Watch(lab.api, namespace) as seen,
        Requests(namespace) as asked,
        usage.Sampler(seen.lifecycle_pods) as used,
    ):
        rendered = [jobs.render(lab, name, namespace, jobs.fake_values(lab, tasks)) for name in names]
        # kubectl alone makes 50 objects a second.
        parts = [
            [item for objects in rendered[start::CLIENTS] for item in objects] for start in range(min(count, CLIENTS))
        ]
        began = time.time()
        in_parallel(lambda objects: jobs.apply(lab, namespace, objects), parts)
        applied = time.time() - began
        wait("all pods run", lambda: seen.count("running") == count * tasks, limit(count * tasks))
        wait("all are reported running", lambda: all(seen.phase(name, "Running") for name in names), 120)
        figures: Row = {
            "objects": sum(map(len, rendered)),
            "applied": applied,
            "created": seen.last("created") - began,
            "running": seen.last("running") - began,
            "reported": max(seen.phase(name, "Running") for name in names) - began,
            "writes": requests.writes(asked.counts()),
            "start_cpu": used.total().cpu,
        }
        in_parallel(lambda name: lab.end_program(namespace, f"{name}-chief-0", 0), names)
        wait("all are gone", lambda: seen.count("gone") == count * tasks, 300)
        wait("all are freed", lambda: all(seen.phase(name, "Freed") for name in names), 120)
        ends = {name: seen.ended(f"{name}-chief-0").ended for name in names}
        figures |= {
            "recorded": max(seen.phase(name, "Succeeded") - ends[name] for name in names),
            "gone": seen.last("gone") - max(ends.values()),
            "cpu": used.total().cpu,
            "peak": used.total().peak,
            "largest": used.largest(),
            "requests": requests.of(OURS, asked.counts()),
        }
    results.add("many releases", jobs=count, tasks=tasks, **figures)


def _install(lab: Lab, namespace: str, name: str, values: jobs.Values) -> None:
    lab.run("helm4", "install", name, str(CHART), "-n", namespace, "-f", "-", text=yaml.safe_dump(values))


def _sent(lab: Lab, namespace: str, name: str) -> Row:
    """Objects and bytes of a release: in all; job.json, and our code, in each pod; the lifecycle's own code; the Secret
    that Helm keeps it in."""
    manifest = lab.run("helm4", "get", "manifest", name, "-n", namespace)
    objects = [item for item in yaml.load_all(manifest, Loader=loader()) if item]
    maps = {
        item["metadata"]["name"]: sum(map(len, item.get("data", {}).values()))
        for item in objects
        if item["kind"] == "ConfigMap"
    }
    secret = lab.api.get("secrets", namespace, f"sh.helm.release.v1.{name}.v1")
    return {
        "objects": len(objects),
        "bytes": len(manifest),
        "job_bytes": maps[f"{name}-job"],
        "code_bytes": maps[f"{name}-task"],
        "lifecycle_bytes": sum(size for item, size in maps.items() if item.startswith(f"{name}-lifecycle-")),
        "release_secret": len(secret["data"]["release"]),
    }


def _fail_some(lab: Lab, namespace: str, seen: Watch, tasks: int) -> Row:
    """Let programs fail one after the other, each of another worker, and wait until all are running again."""
    count = round(tasks * FAILING_SHARE * FAILING_SECONDS / 60)
    say(f"{count} programs fail within {FAILING_SECONDS:.0f} s")
    writes, began = seen.status_writes, time.time()
    for number, index in enumerate(random.sample(range(jobs.roles(tasks)["worker"]), count)):
        time.sleep(max(0.0, began + number * FAILING_SECONDS / count - time.time()))
        lab.end_program(namespace, f"{NAME}-worker-{index}", 1)

    def all_seen() -> bool:
        status = seen.status[NAME]
        return bool(status["restarts"] >= count and status["phase"] == "Running")

    try:
        wait("all failures are recorded, and all tasks run again", all_seen, 60)
    except LateError:
        say(f"{seen.status[NAME]['restarts']} of {count} failures are recorded: {seen.status[NAME]['message']}")
    status = seen.status[NAME]
    return {
        "injected": count,
        "restarts": status["restarts"],
        "failures": status["failures"],
        "failing_writes": seen.status_writes - writes,
    }


def _fall_together(lab: Lab, namespace: str, seen: Watch, tasks: int) -> Row:
    """Let the programs of all workers fail as fast as that can be brought about, as when one takes all others along."""
    workers = jobs.roles(tasks)["worker"]
    say(f"all {workers} workers fail")
    before, writes = seen.status[NAME], seen.status_writes
    in_parallel(lambda index: lab.end_program(namespace, f"{NAME}-worker-{index}", 1), list(range(workers)), 16)

    def all_seen() -> bool:
        status = seen.status[NAME]
        return bool(status["restarts"] - before["restarts"] >= workers and status["phase"] == "Running")

    wait("all of that is recorded, and all tasks run again", all_seen, 120)
    return {
        "fallen": workers,
        "fallen_restarts": seen.status[NAME]["restarts"] - before["restarts"],
        "fallen_failures": seen.status[NAME]["failures"] - before["failures"],
        "fallen_writes": seen.status_writes - writes,
    }


def _end(lab: Lab, namespace: str, seen: Watch, tasks: int) -> Row:
    """Let the chief's program end, and wait for all that follows."""
    settle()
    lab.end_program(namespace, f"{NAME}-chief-0", 0)
    wait("the outcome is recorded", lambda: seen.phase(NAME, "Succeeded"), 60)
    wait("all pods are gone", lambda: all(not pod.alive for pod in list(seen.pods.values())), limit(tasks))
    wait("the Job is complete", lambda: seen.phase(NAME, "Complete"), 120)
    end = seen.ended(f"{NAME}-chief-0").ended
    return {
        "recorded": seen.phase(NAME, "Succeeded") - end,
        "all_scaled": max(when for (_, size), when in seen.scaled.items() if size == 0) - end,
        "gone": seen.last("gone") - end,
        "complete": seen.phase(NAME, "Complete") - end,
    }
