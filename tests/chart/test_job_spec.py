"""job.json, the run id and the name of the lifecycle Job."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from . import helm
from .helm import CHART, PROGRAM, Values, merged, render

STRATEGIES: dict[str, Values] = json.loads((CHART / "files/strategies.json").read_text())


def run_of(values: Values) -> str:
    run: str = render(merged(PROGRAM, values)).job_spec()["runId"]
    return run


def job_of(values: Values) -> str:
    name: str = render(merged(PROGRAM, values)).one("Job")["metadata"]["name"]
    return name


def chart_and_later(folder: Path) -> tuple[Path, Path]:
    """Two copies of the chart, the second to be changed."""
    now = shutil.copytree(CHART, folder / "now")
    return now, shutil.copytree(now, folder / "later")


def test_the_whole_job_spec() -> None:
    spec = render(PROGRAM, release="mnist").job_spec()
    assert re.fullmatch("[0-9a-f]{10}", spec.pop("runId"))
    assert spec.pop("record")["images"] == dict.fromkeys(("chief", "worker", "ps"), "tensorflow/tensorflow:2.21.0")
    assert spec == {
        "name": "mnist",
        "service": "mnist",
        "port": 2222,
        "strategy": "ParameterServer",
        "replicas": {"chief": 1, "worker": 2, "ps": 1},
        "servers": ["worker", "ps"],
        "program": {"command": ["python3", "-m", "train"], "args": []},
        "devices": [],
        "env": {},
        "programs": {},
        "serverImports": [],
        "gpus": {},
        "checkpointDir": "/checkpoints/mnist",
        "checkpointClaim": "mnist-checkpoints",
        "completion": {"successPolicy": "Chief", "evaluatorGraceSeconds": 300},
        "restart": {
            "policy": "OnFailure",
            "backoffLimit": 6,
            "repeatLimit": 3,
            "retryableExitCodes": None,
            "alwaysRoles": [],
            "uncountedExitCodes": [42],
            "nodeLoss": "Wait",
            "nodeLossGraceSeconds": 60,
        },
        "deadlines": {
            "activeSeconds": None,
            "startSeconds": None,
            "countQueuedTime": False,
            "unstartableSeconds": 300,
            "stallSeconds": None,
        },
        "cleanup": {"onSuccess": "Delete", "onFailure": "Delete"},
        "progress": {"sources": ["output", "tensorboard", "checkpoints"], "pattern": ""},
        "logs": None,
        "gang": False,
    }


def test_the_job_spec_of_everything() -> None:
    spec = render(helm.ci_values()["everything"]).job_spec()
    del spec["runId"], spec["record"]
    assert spec == {
        "name": "everything",
        "service": "everything",
        "port": 2222,
        "strategy": "ParameterServer",
        "replicas": {"chief": 1, "worker": 3, "ps": 2, "evaluator": 1},
        "servers": ["worker", "ps"],
        "program": {"command": ["python3", "train.py"], "args": ["--epochs", "3", "--data=$(DIGITS)"]},
        "devices": [],
        "env": {},
        "programs": {"evaluator": {"command": ["python3", "train.py"], "args": ["--evaluate"]}},
        "serverImports": ["my_ops", "my_ops.more"],
        "gpus": {"chief": 1, "worker": 2, "ps": 1, "evaluator": 1},
        "checkpointDir": "/models/run-a",
        "checkpointClaim": "everything-checkpoints",
        "completion": {"successPolicy": "Chief", "evaluatorGraceSeconds": 0},
        "restart": {
            "policy": "ExitCode",
            "backoffLimit": 0,
            "repeatLimit": 2,
            "retryableExitCodes": [75, 130],
            "alwaysRoles": ["ps"],
            "uncountedExitCodes": [],
            "nodeLoss": "Replace",
            "nodeLossGraceSeconds": 5,
        },
        "deadlines": {
            "activeSeconds": 1000000,
            "startSeconds": 600,
            "countQueuedTime": True,
            "unstartableSeconds": 60,
            "stallSeconds": 1800,
        },
        "cleanup": {"onSuccess": "Keep", "onFailure": "Keep"},
        "progress": {"sources": ["output"], "pattern": r"it (?P<step>\d+)"},
        "logs": None,
        "gang": False,
    }


@pytest.mark.parametrize(
    ("change", "marked"),
    [
        ({"env": {"LR": "0.2"}}, {"env.LR"}),
        ({"worker": {"resources": {"limits": {"cpu": 2}}}}, {"worker.resources"}),
        ({"program": {"files": {"train.py": "print()"}}}, {"program.files.train.py"}),
        ({"checkpoint": {"directory": "other"}}, {"checkpoint.directory"}),
        ({"data": {"images": {"mountPath": "/d", "existingClaim": "c"}}, "server": {"imports": ["ops"]}},
         {"data.images", "server.imports"}),
        ({"image": {"tag": "2.20.0"}, "run": 2, "worker": {"replicas": 3, "gpus": 1}}, set()),
        ({"program": {"args": ["--lr=2"]}, "strategy": "BetweenGraph"}, set()),
    ],
)  # fmt: skip
def test_what_starts_a_new_run_is_named_by_a_mark_or_kept_by_other_means(change: Values, marked: set[str]) -> None:
    before, after = (render(merged(PROGRAM, values)).job_spec() for values in ({}, change))
    old, new = before["record"]["marks"], after["record"]["marks"]
    assert {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)} == marked
    assert before["runId"] != after["runId"]
    if not marked and not change.get("run"):
        assert [key for key in before if before[key] != after[key] and key not in ("runId", "record")]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_has_its_roles_servers_and_deciding_task(strategy: str) -> None:
    spec = render(merged(PROGRAM, {"strategy": strategy})).job_spec()
    counts = {"chief": STRATEGIES[strategy]["chief"], "worker": 2, "ps": STRATEGIES[strategy]["ps"]}
    present = {role: count for role, count in counts.items() if count}
    assert spec["replicas"] == present
    assert spec["servers"] == [role for role in present if role in STRATEGIES[strategy]["server"]]
    assert spec["completion"]["successPolicy"] == ("Chief" if counts["chief"] else "Worker0")


def test_the_strategies() -> None:
    """The table of the documentation, in numbers."""
    assert STRATEGIES == {
        "ParameterServer": {"program": ["chief", "evaluator"], "server": ["worker", "ps"], "chief": 1, "ps": 1},
        "BetweenGraph": {"program": ["chief", "worker", "evaluator"], "server": ["ps"], "chief": 0, "ps": 1},
        "InGraph": {"program": ["chief", "evaluator"], "server": ["worker", "ps"], "chief": 1, "ps": 1},
        "MultiWorkerMirrored": {"program": ["chief", "worker", "evaluator"], "server": [], "chief": 0, "ps": 0},
        "Custom": {"program": ["chief", "worker", "ps", "evaluator"], "server": [], "chief": 0, "ps": 0},
    }


def test_a_role_without_tasks_leaves_no_trace() -> None:
    rendered = render(merged(PROGRAM, {"strategy": "Custom", "ps": None, "evaluator": {"replicas": 0, "gpus": 3}}))
    assert rendered.job_spec()["replicas"] == {"worker": 2}
    assert rendered.job_spec()["gpus"] == {}
    assert len(rendered.all("StatefulSet")) == 1


@pytest.mark.parametrize(
    ("own", "command", "args"),
    [
        ({"args": ["--lead"]}, None, ["--lead"]),
        ({"command": ["eval"]}, ["eval"], []),  # as a container's command leaves the args of its image out
        ({"command": ["eval"], "args": ["--once"]}, ["eval"], ["--once"]),
        ({"args": []}, None, []),
        ({"command": [], "args": []}, None, []),
    ],
)
def test_a_role_may_have_a_program_of_its_own(own: Values, command: list[str] | None, args: list[str]) -> None:
    all_roles = {"program": {"args": ["--fast"], "workingDir": "/src"}}
    rendered = render(merged(PROGRAM, all_roles, {"chief": {"program": own}}))
    common = PROGRAM["program"]["command"]
    assert rendered.job_spec()["program"] == {"command": common, "args": ["--fast"]}
    assert rendered.job_spec()["programs"] == {"chief": {"command": command or common, "args": args}}
    assert rendered.container_of("chief")["workingDir"] == "/src"


@pytest.mark.parametrize("own", [{}, {"command": []}, {"workingDir": "/a"}])
def test_a_role_without_a_command_or_args_of_its_own_runs_the_program_of_all(own: Values) -> None:
    rendered = render(merged(PROGRAM, {"program": {"args": ["--fast"]}, "chief": {"program": own}}))
    assert rendered.job_spec()["programs"] == {}


def test_only_the_roles_may_have_a_program() -> None:
    only_roles = {"program": {"command": None}, "chief": {"program": {"command": ["a"], "workingDir": "/a"}}}
    rendered = render(merged(PROGRAM, only_roles))
    assert rendered.job_spec()["programs"]["chief"] == {"command": ["a"], "args": []}
    assert rendered.container_of("chief")["workingDir"] == "/a"


def test_without_checkpoints_there_is_no_directory() -> None:
    spec = render(merged(PROGRAM, {"checkpoint": {"enabled": False}})).job_spec()
    assert (spec["checkpointDir"], spec["checkpointClaim"]) == ("", "")


# What a change reaches while the run goes on.
POLICIES: list[Values] = [
    {"restart": {"backoffLimit": 3}},
    {"restart": {"policy": "Never", "retryableExitCodes": [1]}},
    {"completion": {"evaluatorGraceSeconds": 1}},
    {"deadlines": {"activeSeconds": 3600}},
    {"cleanup": {"onFailure": "Keep"}},
    {"deadlines": {"stallSeconds": 600}},
    {"logs": {"persist": True}},
    {"metrics": {"enabled": True}},
    {"lifecycle": {"image": {"tag": "3.12-slim"}}},
]
BESIDE: list[Values] = [
    {"serviceAccount": {"annotations": {"a": "b"}}},
    {"networkPolicy": {"enabled": False}},
    {"tensorboard": {"enabled": True}},
    {
        "metrics": {
            "podMonitor": {"interval": "5s"},
            "prometheusRule": {"enabled": True},
            "dashboard": {"enabled": True},
        }
    },
    {"extraObjects": {"a": None}},
    {"checkpoint": {"keep": False, "size": "1Ti", "storageClassName": "fast", "accessModes": ["ReadWriteOnce"]}},
    {"global": {"team": "vision"}},
    {"enabled": True},
    {"terminationGracePeriodSeconds": 31},
    {"podSecurityContext": {"runAsNonRoot": False}},
    {"podAnnotations": {"a": "b"}, "worker": {"podAnnotations": {"c": "d"}}},
]


@pytest.mark.parametrize("change", [*POLICIES, *BESIDE, {"suspend": True}])
def test_the_run_goes_on_when_a_policy_changes(change: Values) -> None:
    assert run_of(change) == run_of({})


@pytest.mark.parametrize(
    "change",
    [
        {"run": 2},
        {"run": 0},
        {"strategy": "InGraph"},
        {"program": {"args": ["--fast"]}},
        {"program": {"command": ["python3", "other.py"]}},
        {"program": {"args": [""]}},
        {"program": {"files": {"train.py": "print()"}}},
        {"env": {"A": "b"}},
        {"image": {"tag": "2.20.0"}},
        {"worker": {"replicas": 3}},
        {"worker": {"env": {"A": "b"}}},
        {"ps": {"gpus": 1}},
        {"checkpoint": {"directory": "other"}},
        {"checkpoint": {"mountPath": "/other"}},
        {"checkpoint": {"existingClaim": "other"}},
        {"checkpoint": {"enabled": False}},
        {"data": {"d": {"mountPath": "/d", "existingClaim": "d"}}},
        {"fullnameOverride": "other"},
    ],
)
def test_a_new_run_starts_when_the_job_changes(change: Values) -> None:
    assert run_of(change) != run_of({})


@pytest.mark.parametrize("empty", [None, "", {}, []])
def test_a_new_empty_default_of_a_later_chart_starts_no_new_run(tmp_path: Path, empty: Any) -> None:
    now, later = chart_and_later(tmp_path)
    (later / "values.schema.json").unlink()
    values = (later / "values.yaml").read_text("utf-8")
    new = {"newSetting": empty, "newSection": {"inner": {"setting": empty}}}
    (later / "values.yaml").write_text(f"{values}\n{json.dumps(new)[1:-1].replace(', ', chr(10))}\n", "utf-8")
    assert render(PROGRAM, chart=later).job_spec()["runId"] == render(PROGRAM, chart=now).job_spec()["runId"]


@pytest.mark.parametrize(
    ("common", "empty"),
    [
        ({"program": {"args": ["--fast"]}}, {"program": {"args": []}}),
        ({"envFrom": [{"configMapRef": {"name": "a"}}]}, {"envFrom": []}),
        ({"resources": {"limits": {"cpu": 1}}}, {"resources": {}}),
        ({"runtimeClassName": "nvidia"}, {"runtimeClassName": ""}),
    ],
)
def test_what_a_role_empties_for_itself_starts_a_new_run(common: Values, empty: Values) -> None:
    assert run_of(merged(common, {"chief": empty})) != run_of(common)


@pytest.mark.parametrize("empty", [{"env": {}}, {"podSpec": {}}, {"image": {}}, {"program": {"command": []}}])
def test_an_empty_addition_of_a_role_to_what_all_have_starts_no_new_run(empty: Values) -> None:
    assert run_of({"chief": empty}) == run_of({})


def test_an_empty_argument_is_not_an_empty_default() -> None:
    assert run_of({"program": {"args": ["a", ""]}}) != run_of({"program": {"args": ["a"]}})
    assert run_of({"env": {"A": 0}}) != run_of({"env": {"A": False}}) != run_of({})


def test_the_order_of_keys_does_not_matter() -> None:
    item: Values = {"env": {"A": "1", "B": "2"}, "run": 3}
    other: Values = {"run": 3, "env": {"B": "2", "A": "1"}}
    assert run_of(item) == run_of(other)


# A run that has ended and is suspended and resumed needs a lifecycle to take the pods away that resuming brings.
@pytest.mark.parametrize("change", [*POLICIES, {"run": 2}, {"env": {"A": "b"}}, {"suspend": True}])
def test_the_lifecycle_job_is_replaced_when_what_it_does_changes(change: Values) -> None:
    assert job_of(change) != job_of({})


@pytest.mark.parametrize("change", BESIDE)
def test_the_lifecycle_job_stays_when_what_it_does_stays(change: Values) -> None:
    assert job_of(change) == job_of({})


def test_a_new_lifecycle_program_takes_the_run_over(tmp_path: Path) -> None:
    now, later = chart_and_later(tmp_path)
    with (later / "files/lifecycle/decide.py").open("a") as file:
        file.write("# changed\n")
    old, new = render(PROGRAM, chart=now), render(PROGRAM, chart=later)
    assert new.one("Job")["metadata"]["name"] != old.one("Job")["metadata"]["name"]
    assert new.job_spec() == old.job_spec()
    assert new.all("StatefulSet") == old.all("StatefulSet")


def test_a_new_chart_version_alone_changes_no_pod(tmp_path: Path) -> None:
    now, later = chart_and_later(tmp_path)
    about = (later / "Chart.yaml").read_text()
    (later / "Chart.yaml").write_text(re.sub(r"(?m)^version: .*", "version: 9.9.9+build.1", about))
    old, new = render(PROGRAM, chart=now), render(PROGRAM, chart=later)
    assert new.one("Job")["metadata"]["name"] == old.one("Job")["metadata"]["name"]
    for role in ("chief", "worker", "ps"):
        assert new.set_of(role)["spec"] == old.set_of(role)["spec"]
        assert new.set_of(role)["metadata"]["labels"]["helm.sh/chart"] == "tensorflow-job-9.9.9_build.1"
