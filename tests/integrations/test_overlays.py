"""Every overlay in values/ under every job in examples/: no error, and Helm renders it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.chart import helm
from tfconfig.checking.findings import findings
from tfconfig.diagnostics import ERROR
from tfconfig.values.load import load

ROOT = helm.CHART.parent
OVERLAYS = sorted((ROOT / "values").glob("*.yaml"))


def jobs() -> dict[str, list[Path]]:
    """The jobs of the examples by name: a values file with a program, or one that lies over its folder's values.yaml.

    A folder with a Chart.yaml is a chart of its own (test_platform.py).
    """
    jobs_by_name: dict[str, list[Path]] = {}
    for file in sorted((ROOT / "examples").glob("*/*.yaml")):
        if (file.parent / "Chart.yaml").exists():
            continue
        own = "program" in (yaml.safe_load(file.read_text("utf-8")) or {})
        jobs_by_name[f"{file.parent.name}/{file.stem}"] = [file] if own else [file.parent / "values.yaml", file]
    return jobs_by_name


JOBS = jobs()


def test_there_are_jobs_and_overlays() -> None:
    assert "digits/values" in JOBS
    assert "gpu" in {file.stem for file in OVERLAYS}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda file: file.stem)
@pytest.mark.parametrize("job", JOBS)
def test_overlay_goes_under_the_example(job: str, overlay: Path) -> None:
    files = [overlay, *JOBS[job]]
    diagnostics = findings(load([str(file) for file in files]), "digits")
    assert [str(item) for item in diagnostics if item.severity == ERROR] == []
    layers = [yaml.safe_load(file.read_text("utf-8")) for file in files]
    assert helm.render(helm.merged(*layers)).all("StatefulSet")
