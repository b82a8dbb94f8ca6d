"""A running job seen from outside: its progress, a program that hangs, metrics, kept logs, TensorBoard."""

from __future__ import annotations

import json
import re
import urllib.parse

from .conftest import Jobs
from .jobs import Job
from .programs import digits, shell

# Tells a step five times a second, until the test says that it is to hang, or to come to its end.
STEPS = """
step=0
tell() { printf '{"step": %d, "total": 100000, "loss": 0.5}' $step >$TASK_PROGRESS_FILE.new
         mv $TASK_PROGRESS_FILE.new $TASK_PROGRESS_FILE; }
echo "starts"
while ! test -e "$HOME/end"; do
  step=$((step + 1)); tell
  test -e "$HOME/hang" && { echo hangs; sleep 3600; }
  sleep 0.2
done
step=100000; tell; echo ends
"""
STALL = 10


def test_progress_reaches_the_status_and_a_program_that_hangs_is_started_again(jobs: Jobs) -> None:
    values = shell(
        STEPS,
        worker={"replicas": 2},
        deadlines={"stallSeconds": STALL},
        metrics={"enabled": True, "lastScrapeSeconds": 0},
    )
    job = jobs.install(values)
    job.wait_running()
    first = job.wait_until("progress is reported", lambda: job.status.get("progress"))
    assert (first["task"], first["total"], first["loss"]) == ("worker-0", 100000, 0.5)
    later = job.wait_until("more of it", lambda: _step(job) > first["step"] and job.status["progress"])
    assert 0 < later["rate"] < 6

    series = job.wait_until("metrics", lambda: _metrics(job))
    assert series['tensorflow_job_phase{phase="Running"}'] == 1
    assert series['tensorflow_job_tasks{role="worker",state="running"}'] == 2
    assert series["tensorflow_job_step"] >= first["step"]
    assert series["tensorflow_job_failures_total"] == 0

    uids = {task: pod["metadata"]["uid"] for task, pod in job.pods.items()}
    job.tell("worker-0", "hang")
    job.wait_for_log("worker-0", "^hangs")
    job.wait_until("the stall is counted", lambda: job.status.get("failures") == 1)
    said = rf"worker-0: no progress for {STALL} s, last at step \d+; failure 1 of 6 allowed"
    stalls = job.wait_until("an Event reports it", lambda: _stalls(job))
    assert len(stalls) == 1
    assert re.fullmatch(said, stalls[0])
    for task, uid in uids.items():  # who hangs cannot be seen from outside
        job.wait_for_new_pod(task, uid)
    job.wait_until("the new program is at work", lambda: 0 < _step(job) < later["step"])
    assert job.status["failures"] == 1
    assert _metrics(job)["tensorflow_job_failures_total"] == 1
    job.tell("worker-0", "end")
    status = job.wait_ended("Succeeded")
    assert status["progress"]["step"] == 100000
    assert "progress:    step 100000 of 100000 (100 %)" in job.lifecycle_log()


def test_kept_logs_are_on_the_claim_after_the_end(jobs: Jobs) -> None:
    script = 'for i in $(seq 3000); do echo "line $i of $TASK_TYPE-$TASK_INDEX"; done; echo to stderr >&2; '
    script += 'echo "step 3 of 9: loss 0.5, auc: 0.75"; wait_for end'
    job = jobs.install(
        shell(
            script,
            worker={"replicas": 2},
            checkpoint={"enabled": True},
            logs={"persist": True, "maxBytes": 16384, "files": 9},
        )
    )
    job.wait_running()
    for task in ("worker-1", "worker-0"):
        job.wait_for_log(task, "^to stderr")
        seen = job.log(task)
        assert f"line 1 of {task}\n" in seen
        job.tell(task, "end")
    status = job.wait_ended("Succeeded")
    progress = status["progress"]
    reported = (progress["step"], progress["total"], progress["loss"], progress["metrics"], progress["source"])
    assert reported == (3, 9, 0.5, {"auc": 0.75}, "output"), "it is seen in what the program prints"
    folder = f"/checkpoints/{job.name}/logs/{status['runId']}"
    text = job.in_volume(f"cd {folder} && ls && cat $(ls -r worker-1.log*) && tail -n 2 worker-0.log")
    lines = text.splitlines()
    parts = [f"worker-{index}.log{part}" for index in (0, 1) for part in ("", ".1", ".2", ".3")]
    assert lines[: len(parts)] == parts
    assert [f"line {number} of worker-1" for number in range(1, 3001)] == [
        line for line in lines if line.startswith("line ") and line.endswith("worker-1")
    ]
    assert lines[-1].startswith("ended at ")


def test_tensorboard_serves_what_a_training_writes(jobs: Jobs) -> None:
    job = jobs.install(
        {
            **digits(100),
            "tensorboard": {"enabled": True, "image": _image(jobs), "resources": {"requests": {"cpu": "50m"}}},
        }
    )
    name = f"{job.name}-tensorboard"
    path = f"/api/v1/namespaces/{jobs.namespace.name}/services/{name}:http/proxy/data/environment"
    answer = job.wait_until("TensorBoard answers", lambda: _get(job, path), 150)
    assert json.loads(answer)["data_location"] == f"/checkpoints/{job.name}"
    job.wait_ended("Succeeded", disturbed=True)
    assert _get(job, path), "it stays after the end"
    job.uninstall()
    job.wait_until("TensorBoard goes with the release", lambda: not _board(job))


def _image(jobs: Jobs) -> dict[str, str]:
    repository, _, tag = jobs.target.tensorflow_image.rpartition(":")
    return {"repository": repository, "tag": tag}


def _board(job: Job) -> list[object]:
    selector = f"tensorflow-job/job={job.name},app.kubernetes.io/component=tensorboard"
    return list(job.namespace.list("pods", labelSelector=selector))


def _stalls(job: Job) -> list[str]:
    return [message for _, reason, message in job.events() if reason == "TaskStalled"]


def _step(job: Job) -> int:
    return int(job.status.get("progress", {}).get("step", 0))


def _get(job: Job, path: str) -> str:
    """What the API server's proxy brings; nothing while it fails."""
    done = job.target.run("kubectl", "get", "--raw", urllib.parse.quote(path, safe="/:"))
    return done.stdout if done.returncode == 0 else ""


def _metrics(job: Job) -> dict[str, float]:
    """`name{labels}` -> value, without the label that all of them have."""
    pod = job.lifecycle_pods[-1]["metadata"]["name"]
    text = _get(job, f"/api/v1/namespaces/{job.namespace.name}/pods/{pod}:8080/proxy/metrics")
    samples = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    mark = f'tensorflow_job="{job.name}"'
    return {key.replace(f"{mark},", "").replace(f"{{{mark}}}", ""): float(value) for key, _, value in samples}
