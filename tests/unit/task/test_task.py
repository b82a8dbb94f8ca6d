"""One task: whether it runs at all, what its program finds, how it parks, and what its end tells the lifecycle."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.task.conftest import PATIENCE_SECONDS, RUN, Container, job, shell
from tfconfig.tensorflow_job.task import process, task
from tfconfig.tensorflow_job.task.messages import STOPPED, WORKED

PARKED = "Nothing runs here; waiting to be freed"


def test_a_finished_task_parks_when_its_container_comes_again(container: Container) -> None:
    container.write(job(program=shell("echo trained")))
    assert container.run() == 0
    assert container.message == "", "success needs no words"
    process = container.start()
    container.wait_for(PARKED)
    assert "trained" not in container.output
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize(
    ("policy", "code", "parks"),
    [
        ("Never", 1, True),
        ("Never", 42, False),
        ("OnFailure", 1, False),
        ("ExitCode", 1, True),
        ("ExitCode", 137, False),
    ],
)
def test_a_failed_task_parks_when_nothing_restarts_it(
    container: Container, policy: str, code: int, parks: bool
) -> None:
    container.write(job(program=shell(f"echo tried; exit {code}"), restart={"policy": policy}))
    assert container.run() == code
    assert container.message == "", "the kubelet takes the last lines of the log"
    process = container.start()
    container.wait_for(PARKED if parks else "tried")
    if parks:
        process.terminate()
    assert process.wait(PATIENCE_SECONDS) == code, "a parked container leaves with the task's own status"


def test_a_program_of_a_role_that_restarts_always_runs_again_after_a_success(container: Container) -> None:
    restart = {"policy": "Never", "alwaysRoles": ["evaluator"]}
    container.write(job(program=shell("echo served"), replicas={"worker": 1, "evaluator": 1}, restart=restart))
    for _ in range(2):
        assert container.run("evaluator") == 0
        assert "served" in container.output
        assert container.message == ""


def test_a_recreated_pod_of_a_finished_task_parks(container: Container) -> None:
    status = {"runId": RUN, "phase": "Running", "freed": False, "succeeded": {"worker": "0-4,7"}}
    container.write(job(program=shell("echo trained again")), status)
    process = container.start()
    container.wait_for(PARKED)
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0
    assert "again" not in container.output


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_made_after_the_end_of_its_run_parks(container: Container, phase: str) -> None:
    container.write(job(program=shell("echo trained")), {"runId": RUN, "phase": phase, "freed": True})
    container.start()
    container.wait_for(f"the job has {phase.lower()}")


def test_a_task_waits_until_the_run_before_is_freed(container: Container) -> None:
    container.write(job(program=shell("echo trained")), {"runId": "r0", "phase": "Running", "freed": False})
    process = container.start()
    container.wait_for(f"worker-0 of run {RUN} waits until run r0 is gone")
    assert "trained" not in container.output
    container.write(job(program=shell("echo trained")), {"runId": "r0", "phase": "Succeeded", "freed": True})
    assert process.wait(PATIENCE_SECONDS) == 0
    assert "trained" in container.output


def test_a_task_waits_until_the_lifecycle_has_resumed_a_suspended_job(container: Container) -> None:
    """Helm's resume lets each set make a pod; a lifecycle that a quota refuses could not end what that trains."""
    container.write(job(program=shell("echo trained")), {"runId": RUN, "phase": "Suspended", "freed": False})
    process = container.start()
    container.wait_for(f"worker-0 of run {RUN} waits until the lifecycle has resumed the job")
    assert "trained" not in container.output
    container.write(job(program=shell("echo trained")), {"runId": RUN, "phase": "Pending", "freed": False})
    assert process.wait(PATIENCE_SECONDS) == 0
    assert "trained" in container.output


def test_a_task_of_an_old_run_does_not_start_with_the_layout_of_a_new_one(container: Container) -> None:
    container.write(job(runId="r2", program=shell("echo trained")))
    process = container.start()
    container.wait_for("waits until run r2 is gone")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 143
    assert "trained" not in container.output


def test_an_end_by_sigterm_is_reported_as_such_even_with_status_0(container: Container) -> None:
    container.write(job(program=shell('trap "exit 0" TERM; echo ready; sleep 60 & wait')))
    process = container.start()
    container.wait_for("\nready")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0
    assert container.message.startswith(STOPPED)
    process = container.start()
    container.wait_for("\nready")  # not done: it runs again
    process.terminate()
    process.wait(PATIENCE_SECONDS)


def test_the_program_finds_its_environment(container: Container, tmp_path: Path) -> None:
    names = "TF_CONFIG TASK_TYPE TASK_INDEX PS_HOSTS WORKER_HOSTS GRPC_FAIL_FAST CHECKPOINT_DIR CUDA_VISIBLE_DEVICES"
    script = f'for n in {names}; do eval "echo $n=\\$$n"; done'
    document = job(program=shell(script), replicas={"worker": 2, "ps": 1}, checkpointDir=str(tmp_path / "checkpoint"))
    container.write(document)
    assert container.run(GRPC_FAIL_FAST="mine") == 0
    found = dict(
        line.split("=", 1) for line in container.output.splitlines() if "=" in line and line.split("=")[0].isupper()
    )
    assert json.loads(found["TF_CONFIG"]) == {
        "cluster": {"ps": ["j-ps-0.j:2222"], "worker": ["j-worker-0.j:2222", "j-worker-1.j:2222"]},
        "task": {"type": "worker", "index": 0},
    }
    assert (found["TASK_TYPE"], found["TASK_INDEX"]) == ("worker", "0")
    assert found["PS_HOSTS"] == "j-ps-0.j:2222"
    assert found["GRPC_FAIL_FAST"] == "mine", "what the user set stays"
    assert found["CUDA_VISIBLE_DEVICES"] == "-1"
    assert Path(found["CHECKPOINT_DIR"]).is_dir()


def test_a_checkpoint_folder_that_cannot_be_made_is_reported_with_the_way_out(container: Container) -> None:
    container.write(job(program=shell("echo trained"), checkpointDir="/proc/nothing/here"))
    assert container.run() == 1
    assert "cannot make the checkpoint folder /proc/nothing/here" in container.output
    assert "fsGroup" in container.output
    assert "trained" not in container.output


@pytest.mark.parametrize(
    ("script", "worked"),
    [
        ("exit 1", False),
        ('touch "$CHECKPOINT_DIR/model-1"; exit 1', True),
        ('mkdir -p "$CHECKPOINT_DIR/a/b"; echo x > "$CHECKPOINT_DIR/a/b/model"; exit 1', True),
        ('echo longer > "$CHECKPOINT_DIR/model-0"; exit 1', True),
        ('rm "$CHECKPOINT_DIR/model-0"; exit 1', True),
        ('mkdir -p "$CHECKPOINT_DIR/.tensorflow-job"; touch "$CHECKPOINT_DIR/.tensorflow-job/done"; exit 1', False),
        ("""echo '{"step": 1}' > "$TASK_PROGRESS_FILE"; exit 1""", True),
    ],
)
def test_a_failure_soon_after_the_start_tells_whether_anything_came_of_the_program(
    container: Container, tmp_path: Path, script: str, worked: bool
) -> None:
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "model-0").write_text("of the job before")
    container.write(job(program=shell(script), checkpointDir=str(checkpoints)))
    assert container.run() == 1
    assert container.output.rstrip().endswith(f"worker-0 exited 1; {WORKED}") is worked
    assert container.message == "", "the kubelet takes the last lines of the log"


@pytest.mark.parametrize(
    ("script", "empty"),
    [
        ("true", True),
        ("mkdir $CHECKPOINT_DIR/a", True),
        ("touch $CHECKPOINT_DIR/model", False),
        ("mkdir $CHECKPOINT_DIR/a; touch $CHECKPOINT_DIR/a/model", False),
    ],
)
def test_a_success_tells_whether_the_checkpoint_folder_is_empty(
    container: Container, tmp_path: Path, script: str, empty: bool
) -> None:
    container.write(job(program=shell(script), checkpointDir=str(tmp_path / "volume")), RUNNING)
    assert container.run() == 0
    assert container.message == ('reached: {"checkpointEmpty":true}' if empty else "")


RUNNING = {"runId": RUN, "phase": "Running", "freed": False, "incarnation": "2026-11-28T16:00:00.000Z"}


def test_a_new_pod_of_a_task_that_ended_well_unseen_ends_as_its_program_did(
    container: Container, tmp_path: Path
) -> None:
    """Its pod went while no lifecycle looked; status.json does not know it."""
    document = job(program=shell("echo trained; touch $CHECKPOINT_DIR/model"), checkpointDir=str(tmp_path / "volume"))
    container.write(document, RUNNING)
    assert container.run() == 0
    second = Container(tmp_path / "second")
    second.write(document, RUNNING)
    assert second.run() == 0
    assert "its program exited 0 in an earlier pod" in second.output
    assert "trained" not in second.output
    process = second.start()
    second.wait_for(PARKED)
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("echo trained", {**RUNNING, "incarnation": "2026-11-29T16:00:00.000Z"}),
        ("echo trained", {key: RUNNING[key] for key in ("runId", "phase", "freed")}),
        ("echo trained; exit 1", RUNNING),
        ("echo trained; kill -s TERM $PPID; sleep 60", RUNNING),
    ],
    ids=["installed anew", "incarnation unknown", "failed", "asked to end"],
)
def test_a_marker_counts_for_its_incarnation_and_for_success_alone(
    container: Container, tmp_path: Path, script: str, status: dict[str, Any]
) -> None:
    document = job(program=shell(script), checkpointDir=str(tmp_path / "volume"))
    container.write(document, RUNNING)
    container.run()
    second = Container(tmp_path / "second")
    second.write(document, status)
    second.run()
    assert "trained" in second.output


def test_a_marker_that_cannot_be_written_is_done_without(container: Container, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / ".tensorflow-job").write_text("in the way")
    container.write(job(program=shell("echo trained"), checkpointDir=str(volume)), RUNNING)
    assert container.run() == 0


@pytest.mark.parametrize(
    ("status", "again"),
    [
        ({"phase": "Running"}, True),
        ({"phase": "Restarting", "succeeded": {"worker": "1-3"}}, True),
        ({"phase": "Running", "succeeded": {"worker": "0"}}, False),
        ({"phase": "Succeeded"}, False),
        ({"phase": "Suspended"}, False),
        ({"phase": "Running", "runId": "r2"}, False),
    ],
)
def test_a_parked_task_that_the_status_does_not_know_ends_once_more(
    container: Container, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any], again: bool
) -> None:
    """As after an outage of the API server, before which it ended: Kubernetes then shows a restart without an exit."""
    asked_to_end = iter([False, True])
    monkeypatch.setattr(process, "pause", lambda *_: next(asked_to_end))
    container.write(job(), {"runId": RUN, "freed": False, **status})
    options = container.task()[4:]
    assert task._park(task._pod(options), {"code": 0, "why": "its program exited 0"}) == 0
    assert next(asked_to_end, None) is (True if again else None)
    assert container.message.startswith("worker-0 is done")


def characters_read(pid: int) -> int:
    """What a process has read so far, by the kernel's account."""
    return int(re.findall(r"rchar: (\d+)", Path(f"/proc/{pid}/io").read_text())[0])


def test_reading_status_while_it_is_replaced_is_safe(container: Container) -> None:
    # The kubelet swaps a symlink, the local runner renames: the file is always there, and whole.
    target = container.config / "status.json"
    waiting = json.dumps({"runId": "r0", "phase": "Running", "freed": False})
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            part = container.config / "part"
            part.write_text(waiting)
            part.replace(target)

    container.write(job(program=shell("echo trained")), json.loads(waiting))
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        process = container.start()
        container.wait_for("waits until run r0")
        read, length = characters_read(process.pid), len(waiting)
        while characters_read(process.pid) < read + 3 * length and process.poll() is None:
            time.sleep(0.05)
        assert process.poll() is None, container.output
    finally:
        stop.set()
        thread.join()
