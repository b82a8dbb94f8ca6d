"""`tensorflow_job.progress`: what programs import to report their progress, without installing anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.task.conftest import Container, job
from tfconfig.tensorflow_job.task import progress, report
from tfconfig.tensorflow_job.task.messages import REACHED


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / progress.FILE
    monkeypatch.setenv(progress.VARIABLE, str(path))
    monkeypatch.setattr(report, "_written_at", float("-inf"))
    monkeypatch.setattr(report, "_left_out", None)
    monkeypatch.setattr(report.KerasCallback, "_fit", 1)
    monkeypatch.setattr(report.KerasCallback, "_last_epoch", -1)
    return path


class Tensor:
    """What `float` takes, as tensors and NumPy scalars."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value


def test_a_report_is_what_the_task_reads(file: Path) -> None:
    report.report(Tensor(12.0), 50, loss=Tensor(0.5), accuracy=0.25, unknown=object(), diverged=float("nan"))
    said = progress.latest(str(file.parent))
    assert said
    assert (said["step"], said["total"], said["loss"], said["metrics"]) == (12, 50, 0.5, {"accuracy": 0.25})
    assert list(file.parent.iterdir()) == [file]


def test_of_many_reports_a_few_are_written_and_the_last_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    written = []
    for step in range(1, 101):
        now += 0.1
        report.report(step, 100)
        written.append(json.loads(file.read_text())["step"])
    assert len(set(written)) <= 12
    assert written[-1] == 100


@pytest.mark.parametrize(("loss", "last"), [("0.5", 3), ("object()", 1)])
def test_the_last_report_is_written_when_python_ends(loss: str, last: int, file: Path) -> None:
    """Unless a server would have to be asked for its numbers."""
    code = f"from {report.__name__} import report\nfor n in 1, 2, 3: report(n, loss={loss})\nraise KeyError"
    subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.DEVNULL)
    assert json.loads(file.read_text())["step"] == last


def test_outside_a_job_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    report.report(1, 2)
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "no/such/folder/file"))
    report.report(2, 2)
    report.flush()


def test_the_callback_of_keras_counts_the_steps_of_all_epochs(file: Path) -> None:
    """Also where the first epoch does not know how many it has."""
    callback, steps = report.KerasCallback(), []
    callback.set_params({"epochs": 2, "steps": None, "verbose": 1})
    callback.set_model(None)
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        for batch in range(3):
            callback.on_train_batch_begin(batch)
            callback.on_train_batch_end(batch, {"loss": 0.5})
        callback.on_test_begin()
        callback.on_epoch_end(epoch, {"loss": 0.25, "val_auc": 0.75})
        steps.append(json.loads(file.read_text()))
    callback.on_train_end()
    assert [said["step"] for said in steps] == [3, 6]
    assert steps[-1]["val_auc"] == 0.75
    with pytest.raises(AttributeError):
        callback.anything_else()


def test_a_program_imports_it_and_nothing_else_changes(container: Container, tmp_path: Path) -> None:
    """Its own modules count first, and so does its own PYTHONPATH."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own/mine.py").write_text("name = 'mine'")
    program = "import sys, mine; from tensorflow_job import progress; progress.report(7, 9, auc=0.5); "
    program += "print('path', [p for p in sys.path if p in sys.argv[1:]])"
    own, ours = str(tmp_path / "own"), str(container.state / "python")
    container.write(job(program={"command": [sys.executable, "-c", program, own, ours], "args": []}))
    for _ in range(2):  # the second container finds what the first has left
        (container.state / "done.json").unlink(missing_ok=True)
        assert container.run(PYTHONPATH=own) == 0, container.output
        assert f"path {[own, ours]}" in container.output
        said: dict[str, Any] = json.loads(container.message[len(REACHED) :])
        assert (said["step"], said["total"], said["metrics"]) == (7, 9, {"auc": 0.5})


def test_without_a_path_of_its_own_the_working_folder_does_not_become_one(container: Container) -> None:
    script = "import os; print('path', repr(os.environ['PYTHONPATH']))"
    container.write(job(program={"command": [sys.executable, "-c", script], "args": []}))
    assert container.run(PYTHONPATH="") == 0
    assert f"path {str(container.state / 'python')!r}" in container.output


def test_a_second_fit_reports_no_share_of_all(file: Path) -> None:
    """Nobody knows whether it is the last one. One that goes on with a later epoch is none."""
    said = []
    for epochs, begin in ((1, 0), (2, 1), (1, 0)):
        callback = report.KerasCallback()
        callback.set_params({"epochs": epochs, "steps": 10})
        callback.on_epoch_begin(begin)
        callback.on_train_batch_end(9, {"loss": 0.5})
        callback.on_epoch_end(begin, {"loss": 0.5})
        callback.on_train_end()
        said.append(json.loads(file.read_text()))
    assert [(one["step"], one.get("total"), one.get("fit")) for one in said] == [
        (10, 10, None),
        (20, 20, None),
        (10, None, 2),
    ]
    assert said[-1]["epoch"] == 1
