"""The benchmark's own parts, where that costs nothing; the measurements are `make bench`."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from . import jobs, measure, plot, report, requests


@pytest.mark.parametrize("tasks", [10, 100, 1000, 5000])
def test_a_job_has_as_many_tasks_as_its_size_says(tasks: int) -> None:
    assert sum(jobs.roles(tasks).values()) == tasks
    assert min(jobs.roles(tasks).values()) >= 1


def test_requests_are_read_from_the_log_of_the_api_server() -> None:
    line = (
        'I1123 14:57:52.229658   31860 httplog.go:134] "HTTP" verb="PATCH" '
        'URI="/apis/apps/v1/namespaces/team/statefulsets/j-worker/scale?fieldManager=tensorflow-job" latency="7.1ms" '
        'userAgent="tensorflow-job" audit-ID="d581" srcIP="10.231.0.1:47542" apf_pl="workload-low" resp=200'
    )
    assert requests.parse(line) == ("team", requests.Request("tensorflow-job", "PATCH", "statefulsets/scale"))
    assert requests.parse(line.replace("/namespaces/team", "")) is None
    assert requests.parse('I1123 14:57:52 1 controller.go:1] "synced"') is None


def test_a_chart_is_an_svg_with_every_line_and_point() -> None:
    lines = {"ours": [(10.0, 0.2), (5000.0, 250.0)], "theirs & others": [(10.0, 3.0)]}
    root = ElementTree.fromstring(plot.chart("Title", "tasks", "seconds", lines))
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Title", "tasks", "seconds", *lines} <= texts
    circles = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == 3
    # More seconds are further up, more tasks further right.
    assert float(circles[0].attrib["cx"]) < float(circles[1].attrib["cx"])
    assert float(circles[0].attrib["cy"]) > float(circles[1].attrib["cy"])


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the figures and the report go."""
    monkeypatch.setattr(report, "OUT", tmp_path)
    monkeypatch.setattr(measure, "OUT", tmp_path)
    return tmp_path


def test_the_report_has_a_line_for_each_size_and_leaves_out_what_was_not_measured(out: Path) -> None:
    results = measure.Results("cluster")
    for running in (4.2, 9.0, 4.1):  # the median is reported
        results.add(
            "bare set",
            tasks=100,
            scaled=0.1,
            created=4.1,
            rate=19.5,
            running=running,
            gone=4.0,
            writes=500,
            control_plane_cpu=2.0,
        )
    results.add(
        "release", tasks=100, installed=1.0, scaled=2.0, created=6.0, rate=19.5, running=6.1, reported=0.5,
        start_cpu=0.4, writes=600, control_plane_cpu=3.0, objects=13, bytes=80000, job_bytes=1000, code_bytes=25000,
        lifecycle_bytes=90000, release_secret=40000, idle_millicores=1.5, recorded=0.3, all_scaled=0.4, gone=1.5,
        complete=3.0, cpu=1.0, peak=22.0, status_bytes=1200, status_writes=9, requests={"PATCH configmaps": 9},
    )  # fmt: skip
    report.write()
    text = (out / "report.md").read_text()
    assert "| 100 | 4.2 | 2.0 | 6.1 | 1.00 | 6.6 | 600 |  |  |  |  |" in text
    assert "| PATCH configmaps | 9 |" in text
    assert "TFJobs |" not in text
    assert "The entrypoint" not in text
    for name in ("scale-start", "scale-end", "scale-memory"):
        ElementTree.parse(out / f"{name}.svg")
        assert f"({name}.svg)" in text
    assert json.loads((out / "cluster.json").read_text())["machine"]


def test_the_report_has_a_line_for_each_command_of_the_tool(out: Path) -> None:
    results = measure.Results("tool")
    for command, printed in (("validate", 0), ("plan", 1613)):
        results.add("tool", command=command, seconds=0.15, peak=24.0, printed=printed)
    report.write()
    text = (out / "report.md").read_text()
    assert "| `tfconfig validate` | 0.15 | 24 | 0 |\n| `tfconfig plan` | 0.15 | 24 | 1,613 |" in text
