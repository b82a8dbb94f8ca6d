"""The Helm programs render and refuse as the engine does that the tests of the chart use."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from hack.cluster.target import Target
from tests.chart import errors
from tests.chart.helm import CHART, PROGRAM, Object, RefusedError, Rendered, ci_values, merged, render

from .jobs import helm_program

CI_VALUES = ci_values()


@pytest.fixture(params=["helm3", "helm4"])
def program(cluster: Target, request: pytest.FixtureRequest) -> str:
    return helm_program(cluster, request.param)


@pytest.mark.parametrize("name", CI_VALUES)
def test_every_helm_renders_the_same(program: str, name: str) -> None:
    assert _by_name(render(CI_VALUES[name], engine=program)) == _by_name(_by_engine(name))


def test_every_helm_refuses_the_same(program: str) -> None:
    for case in [*errors.RULES[::8], *errors.SCHEMA[::16]]:
        with pytest.raises(RefusedError) as refused:
            render(merged(PROGRAM, case.values), engine=program)
        assert case.message in str(refused.value)


def test_no_helm_needs_a_flag_for_the_version_of_kubernetes(program: str) -> None:
    words = [program, "template", "job", str(CHART), "-f", "-"]
    result = subprocess.run(words, input=json.dumps(PROGRAM), check=True, capture_output=True, text=True)
    assert "kind: StatefulSet" in result.stdout


def test_the_platform_example_finds_the_chart_it_depends_on(program: str, tmp_path: Path) -> None:
    example = tmp_path / "examples" / "platform"
    shutil.copytree(CHART.parent / "examples" / "platform", example)
    shutil.copytree(CHART, tmp_path / "chart")
    subprocess.run([program, "dependency", "build", str(example)], check=True, capture_output=True)
    values = yaml.safe_load((example / "job.yaml").read_text("utf-8"))
    assert render(values, chart=example, engine=program).job_spec()["name"] == "digits-training"


@functools.cache
def _by_engine(name: str) -> Rendered:
    return render(CI_VALUES[name])


def _by_name(rendered: Rendered) -> dict[str, Object]:
    return {f"{found['kind']}/{found['metadata']['name']}": found for found in rendered.objects}
