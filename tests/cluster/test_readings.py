"""Both Helms read a file alike where the tool accepts it; policies see what Helm renders."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.readings import documents, wrong
from hack.cluster.target import Target
from tests.attacks.test_two_readings import HIDDEN
from tests.chart.helm import CHART
from tests.unit.tool.commands.test_commands import run
from tfconfig.values.both_helms import read

from .jobs import Helm, helm_program

GENERATED = 1500  # of which about a hundred are accepted


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart that prints its values."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: any\nversion: 0.1.0\n", "utf-8")
    (tmp_path / "templates" / "values.yaml").write_text("values: {{ toJson .Values | quote }}\n", "utf-8")
    return tmp_path


def rendered(program: str, chart: Path, data: bytes) -> Any:
    """What a Helm reads; None: it refuses the file."""
    (chart / "file.yaml").write_bytes(data)
    command = [program, "template", "x", str(chart), "--values", str(chart / "file.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    quoted = next(line for line in done.stdout.splitlines() if line.startswith("values: ")).removeprefix("values: ")
    return json.loads(json.loads(quoted))


def test_files_that_the_tool_accepts_are_read_alike_by_both_helms(cluster: Target, chart: Path) -> None:
    programs = [helm_program(cluster, "helm3"), helm_program(cluster, "helm4")]
    accepted = [data for data in documents(GENERATED, 7) if not read(data, "values.yaml").diagnostics]
    assert len(accepted) > 50
    for data in accepted[::4]:
        helm3, helm4 = (rendered(program, chart, data) for program in programs)
        assert helm3 == helm4, data
        assert helm3 is not None, data


@pytest.mark.parametrize("text", [text for text in HIDDEN.values() if "---" in text][:3])
def test_helms_read_differently_what_the_tool_refuses(cluster: Target, chart: Path, text: str) -> None:
    readings = [rendered(helm_program(cluster, name), chart, text.encode()) for name in ("helm3", "helm4")]
    assert readings[0] != readings[1]
    assert wrong(text.encode(), *readings) == ""


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_policy_sees_what_a_template_makes(
    cluster: Target, name: Helm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "helm").symlink_to(Path(helm_program(cluster, name)).resolve())
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    kinds = "^(StatefulSet|Job|Service|ConfigMap|PersistentVolumeClaim|NetworkPolicy|ServiceAccount|Role|RoleBinding)/"
    policy = {"required": ["objects"], "properties": {"objects": {"propertyNames": {"pattern": kinds}}}}
    (tmp_path / "policy.json").write_text(json.dumps(policy), "utf-8")
    hidden = 'apiVersion: v1\n{{ print "ki" "nd" }}: {{ print "Sec" "ret" }}\nmetadata: {name: x}\n'
    for extra, status in ((None, 0), (hidden, 1)):
        job = {"program": {"command": ["python3", "-m", "train"]}, "extraObjects": {"x": extra}}
        (tmp_path / "job.yaml").write_text(json.dumps(job) + "\n", "utf-8")
        result = run(
            "validate", "--chart", CHART, "--policy", tmp_path / "policy.json", "--rendered", tmp_path / "job.yaml"
        )
        assert (result.exit_code, "Secret/x" in result.stdout) == (status, bool(status)), result.output
