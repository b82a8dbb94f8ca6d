"""The first process of a training container: signals, orphans, memory, and much output."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from hack.cluster.proxy import Api
from hack.cluster.settings import PAUSE_IMAGE

from .conftest import Jobs
from .jobs import Job
from .programs import Values, shell

IGNORES = 'trap "" TERM INT HUP; while :; do sleep 1; done'
SAVES = 'trap "sleep 2; echo saved > $CHECKPOINT_DIR/saved; exit" TERM; while :; do sleep 0.1; done'
_ENDS_ONCE = """
trap exit TERM; while ! test -e /asked/once || test -e /asked/done; do sleep 0.1; done; touch /asked/done; exit 42
"""
ONE, TWO = {"replicas": 1}, {"replicas": 2}
GRACE = 60


def values_of_jobs(image: str) -> dict[str, Values]:
    """A job for each test."""
    memory = {"requests": {"memory": "100Mi"}, "limits": {"memory": "100Mi"}}
    beside = {
        "image": image,
        "command": ["sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "ps-ignores": shell(
            f"test $TASK_TYPE = ps && {{ {IGNORES}; }}; wait_for end", ps=TWO, terminationGracePeriodSeconds=GRACE
        ),
        "ignores": shell(
            f"test $TASK_TYPE = worker && {{ {IGNORES}; }}; wait_for end", chief=ONE, terminationGracePeriodSeconds=6
        ),
        "saves": shell(
            f"test $TASK_TYPE = chief && {{ wait_for end; exit; }}; {SAVES}",
            chief=ONE,
            checkpoint={"enabled": True},
            terminationGracePeriodSeconds=30,
        ),
        # Orphans that end at once, and one of the program's own group that would stay.
        "forks": shell(
            'for i in 1 2 3 4 5; do (sh -c "sleep 0.1 & exec true" &); done; (sleep 600 &); wait_for end; exit 1',
            restart={"backoffLimit": 1},
        ),
        "memory": shell(
            "exec python3 -c 'x = []\nwhile True: x.append(bytearray(10_000_000))'",
            resources=memory,
            restart={"policy": "ExitCode", "backoffLimit": 1},
        ),
        # As a service mesh adds them: a sidecar that starts first and outlives the program, and one of the old kind.
        "sidecars": shell(
            "test -e $HOME/again || { touch $HOME/again; exit 1; }; wait_for end",
            initContainers=[{"name": "mesh", "restartPolicy": "Always", **beside}],
            extraContainers=[{"name": "logs", **beside}],
        ),
        # One beside it has all containers restarted (from Kubernetes 1.36 on), when the program asks for it.
        "restarted-beside": shell(
            "touch /asked/once; echo runs; wait_for end",
            restart={"policy": "Never"},
            initContainers=[
                {
                    "name": "beside",
                    **beside,
                    "command": ["sh", "-c", _ENDS_ONCE],
                    "restartPolicy": "Always",
                    "restartPolicyRules": [
                        {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
                    ],
                    "volumeMounts": [{"name": "asked", "mountPath": "/asked"}],
                }
            ],
            extraVolumes=[{"name": "asked", "emptyDir": {}}],
            extraVolumeMounts=[{"name": "asked", "mountPath": "/asked"}],
        ),
        "environment": shell(
            "echo intraop=$TF_NUM_INTRAOP_THREADS address=$ADDRESS/; echo path=$PATH",
            env={
                "ADDRESS": "$(POD_IP):9/$(TASK_TYPE)",
                "POD_IP": {"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                "PATH": "/x:$(PATH)",
            },
            resources={"requests": {"cpu": "10m"}, "limits": {"cpu": "500m"}},
        ),
        # 2 million lines of 50 bytes.
        "prints": shell(
            "yes 'a line of a program that prints more than it needs' | head -n 2000000; echo the last words"
        ),
    }


@pytest.fixture(scope="module")
def installed(shared_jobs: Jobs, api: Api) -> Callable[[str], Job]:
    """All of them that the cluster takes, side by side."""
    values = values_of_jobs(shared_jobs.target.python_image)
    if not _can_restart_all_containers(api):
        del values["restarted-beside"]
    return shared_jobs.ahead(values)


def _can_restart_all_containers(api: Api) -> bool:
    return int(json.loads(api.text("GET", "/version"))["minor"].rstrip("+")) >= 36


def test_parameter_servers_that_ignore_sigterm_do_not_delay_the_end(installed: Callable[[str], Job]) -> None:
    job = installed("ps-ignores")
    _end_when_all_run(job, "worker-0")
    job.wait_ended("Succeeded")
    assert job.measured
    assert job.measured.ps_gone
    assert job.measured.ps_gone < GRACE / 2


def test_another_program_that_ignores_sigterm_is_killed_when_its_grace_is_over(installed: Callable[[str], Job]) -> None:
    job = installed("ignores")
    _end_when_all_run(job, "chief-0")
    job.wait_ended("Succeeded", disturbed=True)
    name = f"{job.name}-worker-0"
    history = [seen for seen in job.namespace.pods.history if seen.object["metadata"]["name"] == name]
    asked = next(seen.time for seen in history if "deletionTimestamp" in seen.object["metadata"])
    assert history[-1].time - asked > 2
    ends = [
        status["state"]["terminated"]
        for seen in history
        for status in seen.object["status"].get("containerStatuses", ())
        if "terminated" in status["state"]
    ]
    # Killed by ours, a little before the kubelet does: the words are from the task itself.
    assert ends
    assert ends[-1]["exitCode"] == 137
    stopped, used = ends[-1]["message"].splitlines()
    assert (stopped, used.partition(" ")[0]) == ("stopped: asked to end; worker-0 exited 137", "used:")


def test_a_program_that_asks_for_time_to_save_gets_it(installed: Callable[[str], Job]) -> None:
    job = installed("saves")
    _end_when_all_run(job, "chief-0")
    job.wait_ended("Succeeded", disturbed=True)
    assert job.in_volume(f"cat /checkpoints/{job.name}/saved") == "saved\n"


def test_a_program_that_forks_leaves_no_zombie_and_no_process_behind(installed: Callable[[str], Job]) -> None:
    job = installed("forks")
    job.wait_running()
    job.wait_for_log("worker-0", "worker-0 runs")
    look = "cat /proc/[0-9]*/stat 2>/dev/null; true"  # processes come and go
    job.wait_until(
        "only the program and what it runs is left",
        lambda: "sleep" in (stats := job.exec("worker-0", "sh", "-c", look)) and ") Z " not in stats,
        15,
    )
    assert "600" in job.exec("worker-0", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    job.tell("worker-0", "end")
    job.wait_until("the program runs again", lambda: job.restarts("worker-0") == 1 and job.runs("worker-0"))
    job.tell("worker-0", "end")
    status = job.wait_ended("Failed")
    assert status["exitCode"] == 1


def test_a_program_that_takes_too_much_memory_is_reported_as_oom_killed(installed: Callable[[str], Job]) -> None:
    job = installed("memory")
    status = job.wait_ended("Failed", disturbed=True)
    words = "worker-0 exited 137 (OOMKilled)"
    assert status["reason"] == "BackoffLimitExceeded"
    assert status["message"] == f"{words}; 2 failures, restart.backoffLimit is 1"
    assert f"{words}; failure 1 of 1 allowed" in [message for _, reason, message in job.events()]


def test_containers_beside_the_task_are_no_part_of_how_it_ends(installed: Callable[[str], Job]) -> None:
    job = installed("sidecars")
    job.wait_until("the program runs again", lambda: job.restarts("worker-0") == 1 and job.runs("worker-0"))
    job.tell("worker-0", "end")
    status = job.wait_ended("Succeeded", disturbed=True)
    assert (status["decidingTask"], status["exitCode"], status["failures"]) == ("worker-0", 0, 1)


def test_a_restart_of_all_containers_that_one_beside_it_asked_for_is_no_failure_of_the_program(
    installed: Callable[[str], Job], api: Api
) -> None:
    if not _can_restart_all_containers(api):
        pytest.skip("Kubernetes 1.36 was the first that can restart all containers of a pod")
    job = installed("restarted-beside")
    job.wait_until("the program runs again", lambda: job.restarts("worker-0") == 1 and job.runs("worker-0"))
    job.tell("worker-0", "end")
    assert job.wait_ended("Succeeded", disturbed=True)["failures"] == 0


def test_a_program_finds_threads_for_its_limit_and_references_with_what_only_a_pod_knows(
    installed: Callable[[str], Job],
) -> None:
    job = installed("environment")
    job.wait_ended("Succeeded")
    assert re.search(r"intraop=1 address=\d+\.\d+\.\d+\.\d+:9/worker/\npath=/x:/\S+:/\S+\n", job.tail())


def test_a_program_that_prints_100_megabytes_ends_as_fast_and_its_last_lines_are_kept(
    installed: Callable[[str], Job],
) -> None:
    job = installed("prints")
    job.wait_ended("Succeeded")
    assert re.search(r"more than it needs\nthe last words\nended at \S+$", job.tail())
    assert len(json.dumps(job.status)) < 2000


def _end_when_all_run(job: Job, decider: str) -> None:
    job.wait_running()
    for task in job.pods:
        job.wait_for_log(task, f"{task} runs")
    job.tell(decider, "end")


def test_an_image_without_python_and_without_anything_else_runs_under_the_lifecycles(jobs: Jobs) -> None:
    """Of one static program; the second worker looks up the name of the first before it starts."""
    if not jobs.target.own:
        pytest.skip("only the kit's own cluster is known to have such an image")
    repository, _, tag = PAUSE_IMAGE.rpartition(":")
    values = shell("", worker=TWO, completion={"successPolicy": "AllWorkers"}, cleanup={"onSuccess": "Keep"})
    values["image"] = {"repository": repository, "tag": tag, "pullPolicy": "Never"}
    values["program"] = {"command": ["/bin/busybox", "env"]}
    job = jobs.install(
        {**values, "pythonFrom": "LifecycleImage", "env": {"LD_LIBRARY_PATH": "/old", "PYTHONHOME": "/old"}}
    )
    job.wait_for_phase("Succeeded")
    for variable in ("LD_LIBRARY_PATH", "PYTHONHOME"):  # the kubelet gives them in any order
        job.wait_for_log("worker-1", f"^{variable}=/old$")
    job.wait_until("its next container waits", lambda: job.restarts("worker-1") == 1 and job.runs("worker-1"))
    python = "/tensorflow-job/python"
    start = [f"{python}/ld.so", "--library-path", f"{python}/lib", f"{python}/bin/python3", "-I", "-B", "-c"]
    peer = f"{job.name}-worker-0.{job.name}"
    look = f"import socket; print(socket.getaddrinfo('{peer}', 1)[0][4][0]); open('{python}/x', 'w')"
    where = [f"{job.name}-worker-1", "-n", jobs.namespace.name, "-c", "tensorflow"]
    done = jobs.target.run("kubectl", "exec", *where, "--", *start, look)
    assert re.match(r"\d+\.\d+\.\d+\.\d+\n$", done.stdout)
    assert "Read-only file system" in done.stderr
