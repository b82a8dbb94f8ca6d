"""The first process of a training container: signals, orphans, memory, and much output."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from .conftest import Jobs
from .jobs import Job
from .programs import Values, shell

IGNORES = 'trap "" TERM INT HUP; while :; do sleep 1; done'
SAVES = 'trap "sleep 2; echo saved > $CHECKPOINT_DIR/saved; exit" TERM; while :; do sleep 0.1; done'
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
def installed(shared_jobs: Jobs) -> Callable[[str], Job]:
    """All of them, side by side."""
    return shared_jobs.ahead(values_of_jobs(shared_jobs.target.python_image))


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
    assert (ends[-1]["exitCode"], ends[-1]["message"]) == (137, "stopped: asked to end; worker-0 exited 137\n")


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


def test_a_program_that_takes_too_much_memory_is_told_as_oom_killed(installed: Callable[[str], Job]) -> None:
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
    job.wait_ended("Succeeded", 180)
    assert re.search(r"more than it needs\nthe last words\nended at \S+$", job.tail())
    assert len(json.dumps(job.status)) < 2000


def _end_when_all_run(job: Job, decider: str) -> None:
    job.wait_running()
    for task in job.pods:
        job.wait_for_log(task, f"{task} runs")
    job.tell(decider, "end")
