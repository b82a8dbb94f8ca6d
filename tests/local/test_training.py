"""Real training with TensorFlow as local processes: it ends, it resumes, and it survives the loss of any task."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.running import DIGITS, Running, Start

SERVERS = r"entrypoint server .*/(worker|ps)-"
VALUES = DIGITS / "values.yaml"
PYTHON = ("--python", sys.executable)


def losses(run: Running) -> list[float]:
    """The loss of each round, in the order printed."""
    return [float(found) for found in re.findall(r"loss (\d+\.\d+)", run.output)]


def final(run: Running) -> tuple[int, float]:
    """The last step and the test accuracy that the program told at its end."""
    found = run.wait_for(r"done: step (\d+), test accuracy (\d\.\d+)")
    return int(found[1]), float(found[2])


def resumed(run: Running) -> list[int]:
    """The steps at which the program took up its work again."""
    return [int(step) for step in re.findall(r"resumed from \S+ at step (\d+)", run.output)]


@pytest.mark.timeout(300)
def test_digits_train_end_free_everything_and_resume(start: Start, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    run = start(VALUES, "--checkpoint", str(checkpoint), *PYTHON)
    run.wait_for("step 100 of 1500")
    assert len(run.pids(SERVERS)) == 4, "2 workers and 2 parameter servers, with no code of the program's"
    run.wait_for("done: step")
    # The chief's own way out takes TensorFlow from 1 to 20 s on a busy machine: it removes its functions from all
    # servers, one call each, while Python ends.
    while run.pids("python3 train.py"):
        time.sleep(0.02)
    exited = time.monotonic()
    run.wait_until_gone(3)
    assert run.end(3) == 0
    assert time.monotonic() - exited < 3
    told = losses(run)
    assert told[-1] < told[0] / 10
    step, accuracy = final(run)
    assert step == 1500
    assert accuracy > 0.95
    assert re.search(r"deciding task  chief-0, exit status 0", run.output)
    assert (checkpoint / "checkpoint").exists()

    again = start(VALUES, "--checkpoint", str(checkpoint), *PYTHON, "--set", "program.args={--steps=1600}")
    assert again.end(120) == 0
    assert resumed(again) == [1500]
    assert final(again)[0] == 1600
    assert "step 100 of" not in again.output


@pytest.mark.timeout(300)
def test_a_killed_parameter_server_restarts_the_chief_which_resumes(start: Start, tmp_path: Path) -> None:
    run = start(VALUES, "--checkpoint", str(tmp_path / "c"), *PYTHON)
    run.wait_for("step 500 of 1500")
    run.kill("entrypoint server .*/ps-1")
    assert run.end() == 0
    assert resumed(run), run.output
    assert resumed(run)[0] >= 400
    assert final(run)[0] == 1500
    assert "ps-1 exited 137, killed by signal 9; not counted" in run.output
    assert re.search(r"restarts       \d \(1 failures counted\)", run.output), "one lost server is one wave"
    assert run.pids() == []


@pytest.mark.timeout(300)
def test_a_killed_worker_does_not_stop_the_training(start: Start, tmp_path: Path) -> None:
    run = start(VALUES, "--checkpoint", str(tmp_path / "c"), *PYTHON)
    run.wait_for("step 300 of 1500")
    run.kill("entrypoint server .*/worker-0")
    assert run.end() == 0
    assert resumed(run) == []
    assert final(run)[0] == 1500
    assert "worker-0 exited 137, killed by signal 9; not counted" in run.output


@pytest.mark.timeout(300)
def test_a_killed_chief_resumes_from_the_checkpoint(start: Start, tmp_path: Path) -> None:
    run = start(VALUES, "--checkpoint", str(tmp_path / "c"), *PYTHON)
    run.wait_for("step 500 of 1500")
    run.kill("python3 train.py")
    assert run.end() == 0
    assert resumed(run) == [400]
    assert final(run)[0] == 1500
    assert "chief-0 exited 137, killed by signal 9; failure 1 of 6 allowed" in run.output


TF1 = """
import argparse
import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()
parser = argparse.ArgumentParser()
for flag in ("--job_name", "--ps_hosts", "--worker_hosts"):
    parser.add_argument(flag)
parser.add_argument("--task_index", type=int)
flags = parser.parse_args()
cluster = tf.train.ClusterSpec({"ps": flags.ps_hosts.split(","), "worker": flags.worker_hosts.split(",")})
server = tf.distribute.Server(cluster, job_name=flags.job_name, task_index=flags.task_index)
if flags.job_name == "ps":
    server.join()
with v1.device(v1.train.replica_device_setter(cluster=cluster)):
    total = v1.get_variable("total", initializer=0)
    step = v1.train.get_or_create_global_step()
    add = tf.group(v1.assign_add(total, 2), v1.assign_add(step, 1))
chief = flags.task_index == 0
hooks = [v1.train.StopAtStepHook(last_step=50)]
with v1.train.MonitoredTrainingSession(master=server.target, is_chief=chief, hooks=hooks) as session:
    while not session.should_stop():
        value = session.run(total)
        session.run(add)
print("total", value + 2, flush=True)
"""


@pytest.mark.timeout(180)
def test_a_tf1_program_with_flags_and_servers_of_its_own_runs_unchanged(start: Start) -> None:
    flags = [
        "job_name=$(TASK_TYPE)",
        "task_index=$(TASK_INDEX)",
        "ps_hosts=$(PS_HOSTS)",
        "worker_hosts=$(WORKER_HOSTS)",
    ]
    values: dict[str, Any] = {
        "strategy": "Custom",
        "program": {
            "command": ["python3", "main.py"],
            "args": [f"--{flag}" for flag in flags],
            "files": {"main.py": TF1},
        },
        "worker": {"replicas": 1},
        "ps": {"replicas": 1},
        "checkpoint": {"enabled": False},
        "env": {"TF_CPP_MIN_LOG_LEVEL": "2"},
    }
    run = start(values, *PYTHON)
    assert run.end(150) == 0
    assert "worker-0 | total 100" in run.output
    assert run.pids() == [], "the program's own parameter server blocks for ever; the lifecycle ends it"
