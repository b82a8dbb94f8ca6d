"""What the tasks used, in `status -o wide` and in the requests that `plan --measured` proposes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.tool.cluster.documents import NOW, time
from tests.unit.tool.cluster.kube import RUNS, Kube
from tfconfig.cli import main
from tfconfig.cluster.measured import proposals
from tfconfig.tensorflow_job.lifecycle.state import Outcome, Record, Usage
from tfconfig.tensorflow_job.lifecycle.usage import dump
from tfconfig.tensorflow_job.task.job_spec import Task

GIB, MIB = 1 << 30, 1 << 20
WORKER, OTHER = Task("worker", 0), Task("worker", 1)
USED = Usage(600.0, 240.0, 4.0, 0.0, 3 * GIB, 4 * GIB)


@pytest.mark.parametrize(
    ("usage", "requests"),
    [
        ({WORKER: USED}, {"cpu": "500m", "memory": "3712Mi"}),
        ({WORKER: USED, OTHER: Usage(600.0, 900.0, 4.0)}, {"cpu": "1800m", "memory": "3712Mi"}),
        ({WORKER: Usage(600.0, 0.1, memory_peak=MIB)}, {"cpu": "100m", "memory": "64Mi"}),
        ({WORKER: Usage(600.0, 300.0, 2.0, 0.5)}, {"cpu": "2000m"}),  # its limit stopped it
        ({WORKER: Usage(600.0, memory_peak=80 * MIB)}, {"memory": "128Mi"}),
        ({WORKER: Usage(20.0, 19.0, memory_peak=80 * MIB)}, None),  # too short
        ({}, None),
    ],
)
def test_the_task_that_used_most_counts_with_a_fifth_more(
    usage: dict[Task, Usage], requests: dict[str, str] | None
) -> None:
    proposed = proposals(usage)
    assert (proposed["worker"]["requests"] if requests else proposed) == (requests or {})


def values(folder: Path) -> Path:
    """Of a job like `digits`."""
    file = folder / "values.yaml"
    file.write_text(
        "strategy: Custom\nprogram: {command: [train]}\nimage: {repository: r, tag: t}\nworker: {replicas: 2}\n"
    )
    return file


def test_the_status_lists_it_and_a_plan_proposes_requests(kube: Kube, tmp_path: Path) -> None:
    kube.write(RUNS, usage={"worker-0": dump(USED)}, slow=["worker-1"])
    runner = CliRunner()
    wide = runner.invoke(main, ["status", "digits", "-o", "wide"]).stdout
    rows = [line.split() for line in wide.splitlines()]
    assert ["TASK", "CPUS", "MEMORY"] in rows
    assert ["worker-0", "0.4", "of", "4", "3.0", "of", "4", "GiB"] in rows
    assert "usage     worker-0 used 0.4 of 4 CPUs" in wide
    assert "slow      worker-1: less than half the steps of the other tasks" in wide
    assert "CPUS" not in runner.invoke(main, ["status", "digits"]).stdout
    document = json.loads(runner.invoke(main, ["status", "digits", "-o", "json"]).stdout)
    assert document["slow"] == ["worker-1"]
    assert [task["usage"] for task in document["tasks"] if task["usage"]] == [dump(USED)]

    result = runner.invoke(main, ["plan", str(values(tmp_path)), "--measured", "digits"])
    assert result.exit_code == 0, result.output
    assert (
        "  worker: {cpu: 500m, memory: 3712Mi}  (most cpu: worker-0: 0.4 of 4; memory: worker-0: 3.0 of 4 GiB)"
        in result.stdout
    )
    assert runner.invoke(main, ["plan", str(values(tmp_path)), "--measured", "none"]).exit_code == 2


def test_of_a_run_that_has_just_begun_the_one_before_is_measured(kube: Kube, tmp_path: Path) -> None:
    record = Record(NOW - 900, {}, usage={WORKER: USED})
    past = Outcome("r1", "Succeeded", "Completed", "", NOW - 60, record)
    kube.write(replace(RUNS, history=(past,)), usage={"worker-0": dump(Usage(5.0, 5.0))})
    shown = CliRunner().invoke(main, ["plan", str(values(tmp_path)), "--measured", "digits"]).stdout
    assert "  worker: {cpu: 500m, memory: 3712Mi}" in shown


@pytest.mark.parametrize("usage", [{"worker-x": {}}, {"worker-0": {"seconds": -1.0}}])
def test_a_record_with_another_usage_is_unreadable(kube: Kube, usage: object) -> None:
    ended = {"runId": "r1", "phase": "Failed", "reason": "", "message": "", "completionTime": time(NOW)}
    record = {"startTime": time(NOW), "settings": {}, "events": [], "steps": [], "restarts": 0, "lastLine": ""}
    kube.write(RUNS, history=[{**ended, "record": {**record, "usage": usage}}])
    assert "StatusUnreadable" in CliRunner().invoke(main, ["status", "digits"]).stdout


AMOUNTS = [
    {"seconds": 60.0, "cpuSeconds": 1.7e308},
    {"seconds": -1.0},
    {"memoryPeakBytes": 1 << 62},
    {"tensorflow": "\x1b"},
]


@pytest.mark.parametrize(
    "usage", [{"worker-x": {}}, {"worker-0": {"seconds": "5"}}, [], *({"worker-0": amounts} for amounts in AMOUNTS)]
)
def test_a_status_with_another_usage_is_unreadable(kube: Kube, usage: object, tmp_path: Path) -> None:
    kube.write(RUNS, usage=usage)
    assert "StatusUnreadable" in CliRunner().invoke(main, ["status", "digits"]).stdout
    result = CliRunner().invoke(main, ["plan", str(values(tmp_path)), "--measured", "digits"])
    assert (result.exit_code, "most cpu" in result.stdout) == (2, False)
    assert "status.json of job digits is unreadable" in result.stderr
