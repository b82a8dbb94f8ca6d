"""`tfconfig runs`: each run with how it went and what changed, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from tests.unit.tool.cluster.kube import LOST, RUNS, Kube
from tests.unit.tool.cluster.schemas import validator
from tfconfig.cli import main
from tfconfig.tensorflow_job.lifecycle.state import TAKING_OVER, Moment, Outcome, Point, Record, Usage
from tfconfig.tensorflow_job.task.job_spec import Task

BEGAN = RUNS.started
OLDEST = Outcome("r0", "Succeeded", "Completed", "", BEGAN - 900)
FIRST = Record(
    BEGAN - 600, {"--lr": "0.1", "worker.replicas": "2", "--seed": "1", "env.A": "#aa", "program": "sh #22"},
    (Moment(BEGAN - 300, "Failed", "x"),),
    (Point(BEGAN - 400, 70, 2.5, {"auc": 0.75}), Point(BEGAN - 390, 70, 2.5)), 3, "ValueError: \x1b[31mbad",
    {Task("worker", 0): Usage(90.0, 45.0)},
)  # fmt: skip
PAST = Outcome("r1", "Failed", "TaskFailed", "worker-0 exited 3", BEGAN - 300, FIRST)
CHANGED = {"--lr": "0.2", "worker.replicas": "2", "--\x1b[1m": "5", "env.A": "#1f", "program": "sh #33", "--new": "#00"}
NOW = Record(BEGAN, CHANGED, (), (Point(BEGAN + 5, 9, None),))
STATE = replace(RUNS, history=(OLDEST, PAST), record=NOW, restarts=1)


def runs(*words: str) -> Result:
    return CliRunner().invoke(main, ["runs", "digits", *words])


def test_the_table_says_how_each_run_went_and_what_changed(kube: Kube) -> None:
    kube.write(STATE)
    result = runs()
    assert result.exit_code == 0, result.output
    head, oldest, past, now = result.stdout.splitlines()
    assert head.split() == ["RUN", "RESULT", "DURATION", "RESTARTS", "STEP", "LOSS", "CHANGED"]
    assert oldest.split() == ["r0", "Succeeded", "first", "known", "run"]
    assert past.split()[:2] == ["r1", "Failed"]
    assert past.split()[-5:] == ["3", "70", "2.5", "not", "recorded"]
    assert "--lr 0.1 -> 0.2" in now
    assert "--seed 1 removed" in now
    assert {"env.A changed", "program changed", "--new added"} < set(now.split(", "))
    assert "worker.replicas" not in now
    assert "\x1b" not in result.stdout


def test_the_document_is_as_its_schema_says(kube: Kube) -> None:
    for state in (STATE, LOST):
        kube.write(state)
        document = json.loads(runs("-o", "json").stdout)
        assert [error.message for error in validator("runs").iter_errors(document)] == []
    kube.write(STATE)
    shown = json.loads(runs("-o", "json").stdout)["runs"]
    assert [run["runId"] for run in shown] == ["r0", "r1", RUNS.run_id]
    assert shown[2]["changed"]["--lr"] == {"before": "0.1", "after": "0.2"}
    assert (shown[1]["step"], shown[1]["loss"], shown[1]["restarts"]) == (70, 2.5, 3)
    assert (shown[1]["metrics"], shown[1]["usage"]["worker-0"]["cpuSeconds"]) == ({"auc": 0.75}, 45.0)


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        (("2.20.0",), ("2.21.0",), ["tensorflow 2.20.0 -> 2.21.0"]),
        (("2.20.0",), ("2.20.0", "2.21.0"), ["tensorflow 2.20.0 -> 2.20.0, 2.21.0"]),
        (("2.21.0",), ("2.21.0",), []),
        ((), ("2.21.0",), []),  # it was not known
        (("2.21.0",), (), []),  # it is not loaded yet
    ],
)
def test_another_tensorflow_is_a_change_where_it_is_known_of_both(
    kube: Kube, before: tuple[str, ...], now: tuple[str, ...], changed: list[str]
) -> None:
    past = replace(PAST, record=replace(FIRST, settings={"--lr": "0.1"}, tensorflow=before))
    kube.write(replace(STATE, history=(past,), record=replace(NOW, settings={"--lr": "0.2"}, tensorflow=now)))
    expected = ", ".join(["--lr 0.1 -> 0.2", *changed])
    assert runs().stdout.splitlines()[-1].endswith(f"  {expected}")
    document = json.loads(runs("-o", "json").stdout)
    assert [error.message for error in validator("runs").iter_errors(document)] == []
    assert [run["tensorflow"] for run in document["runs"]] == [list(before), list(now)]


def test_while_a_run_is_taken_down_it_is_shown_once(kube: Kube) -> None:
    kube.write(replace(STATE, run_id="r1", reason=TAKING_OVER, record=None))
    assert [run["runId"] for run in json.loads(runs("-o", "json").stdout)["runs"]] == ["r0", "r1"]


def test_a_run_that_was_replaced_stays_when_it_begins_again(kube: Kube) -> None:
    replaced = replace(PAST, run_id=RUNS.run_id, phase="Replaced", reason="")
    kube.write(replace(STATE, history=(OLDEST, replaced)))
    rows = [line.split()[:2] for line in runs().stdout.splitlines()[1:]]
    assert rows == [["r0", "Succeeded"], [RUNS.run_id, "Replaced"], [RUNS.run_id, "Running"]]


def test_before_the_first_run(kube: Kube) -> None:
    assert kube
    result = runs()
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no run yet" in result.stderr
