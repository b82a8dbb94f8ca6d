"""`tfconfig report`: a page that needs nothing else, in which no text from outside is anything but text."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.job_specs import a_job
from tests.unit.tool.cluster.kube import LOST, Kube
from tfconfig.cli import main
from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.state import Change, Moment, Outcome, Point, Record, Usage
from tfconfig.tensorflow_job.task.job_spec import Task

ATTACK = "\"'><script>alert(1)</script><img src=x onerror=alert(2)></title></style>\ud800\x00&"
MOMENTS = tuple(Moment(LOST.started + n, reason, ATTACK) for n, reason in enumerate(["Running", ATTACK, "Failed"]))
HUGE = tuple(
    Point(LOST.started + n, n * 2**59, loss, {ATTACK: n / 3}) for n, loss in enumerate([-1.7e308, 1.7e308, 0.5, None])
)
LINES = {
    "worker": (Change(LOST.started, 1, 0), Change(LOST.started + 1, 3, 1)),
    ATTACK: (Change(LOST.started, 10**18, 0),),
    "worker-3": (Change(LOST.started, 0, 0), Change(LOST.started + 1, 1, 0)),
}
USED = {Task("worker", 0): Usage(90.0, 36.0, 4.0, memory_peak=3 << 30, memory_limit=4 << 30)}
RECORD = Record(LOST.started, {ATTACK: ATTACK, "--lr": "0.1"}, MOMENTS, HUGE, 3, ATTACK, USED, LINES, (ATTACK,))
STATE = replace(
    LOST, message=ATTACK, last_line=ATTACK, record=RECORD,
    history=(Outcome(ATTACK, "Failed", "TaskFailed", ATTACK, LOST.started - 9, RECORD),),
)  # fmt: skip


class Tags(HTMLParser):
    """What a page consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


def test_no_text_from_outside_becomes_markup(kube: Kube) -> None:
    kube.write(STATE)
    result = CliRunner().invoke(main, ["report", "digits", "--file", "-"])
    assert result.exit_code == 0, result.output
    seen = Tags()
    seen.feed(result.stdout)
    assert {"script", "img", "link", "iframe", "a"} & seen.tags == set()
    assert {"onerror", "src", "href"} & seen.attributes == set()
    assert {"svg", "rect", "polyline"} <= seen.tags
    assert "nan" not in result.stdout
    assert "http:" not in result.stdout.replace("http-equiv", "")


def test_the_page_is_written_to_a_file(kube: Kube, tmp_path: Path) -> None:
    kube.write(LOST)
    file = tmp_path / "page.html"
    result = CliRunner().invoke(main, ["report", "digits", "--file", str(file)])
    assert (result.exit_code, result.stdout) == (0, f"{file}\n")
    assert "ValueError: bad shape" in file.read_text("utf-8")
    refused = CliRunner().invoke(main, ["report", "digits", "--file", str(tmp_path / "no" / "page.html")])
    assert refused.exit_code == 2
    assert "choose a writable file" in refused.output


def test_what_the_tasks_used_is_on_the_page(kube: Kube) -> None:
    kube.write(
        replace(LOST, usage={Task("worker", 3): Usage(90.0, 36.0, 4.0, memory_peak=3 << 30, memory_limit=4 << 30)})
    )
    result = CliRunner().invoke(main, ["report", "digits", "--file", "-"])
    assert "<td>worker-3</td><td>0.4 of 4</td><td>3.0 of 4 GiB</td>" in result.stdout


def test_other_metrics_are_drawn_and_what_past_runs_used_is_in_their_row(kube: Kube) -> None:
    points = (Point(LOST.started, 1, None, {"auc": 0.5}), Point(LOST.started + 1, 2, None, {"auc": 0.75}))
    past = Outcome("r0", "Succeeded", "Completed", "", LOST.started - 9, RECORD)
    kube.write(replace(LOST, record=replace(RECORD, points=points), history=(past,)))
    result = CliRunner().invoke(main, ["report", "digits", "--file", "-"])
    assert "<figcaption>auc: from 0.5 to 0.75</figcaption>" in result.stdout
    assert "<td>worker-0: 0.4 of 4 CPUs, 3.0 of 4 GiB</td>" in result.stdout


def test_the_tasks_have_a_bar_each_and_the_roles_and_tensorflow_is_among_the_settings(kube: Kube) -> None:
    kept = replace(RECORD, settings={"worker.replicas": "4"}, tensorflow=("2.20.0", "2.21.0"))
    kube.write(replace(LOST, finished=LOST.started + 2, record=kept))
    page = CliRunner().invoke(main, ["report", "digits", "--file", "-"]).stdout
    assert "<td>tensorflow</td><td>2.20.0, 2.21.0</td>" in page
    assert "<th>worker (4)</th>" in page
    assert '<rect class="Running" x="300.0" y="0.0" width="300.0" height="10.5"><title>3 run, 1 done of 4: 1 s' in page
    assert '<rect class="Succeeded" x="300.0" y="10.5" width="300.0" height="3.5">' in page
    assert "<th>worker-3</th>" in page


def test_a_role_whose_tasks_all_have_a_bar_has_none(kube: Kube) -> None:
    lines = {key: (Change(LOST.started, 1, 0),) for key in ("ps", "ps-0", "ps-1", "worker", "worker-0")}
    record = replace(RECORD, settings={"ps.replicas": "2", "worker.replicas": "2"}, timelines=lines)
    kube.write(replace(LOST, record=record))
    page = CliRunner().invoke(main, ["report", "digits", "--file", "-"]).stdout
    assert re.findall("<tr><th>([^<]+)</th><td><svg", page) == ["job", "ps-0", "ps-1", "worker (2)", "worker-0"]


def test_what_happened_is_marked_in_the_bar_of_the_job(kube: Kube) -> None:
    moments = (
        Moment(LOST.started + 1, "Running", "all run"),
        Moment(LOST.started + 2, "TaskDisrupted", "worker-1 exited 137"),
        Moment(LOST.started + 4, "Failed", "over"),
    )
    kube.write(replace(LOST, finished=LOST.started + 4, record=replace(RECORD, moments=moments)))
    page = CliRunner().invoke(main, ["report", "digits", "--file", "-"]).stdout
    assert '<rect class="Pending" x="0.0" y="0.0" width="150.0" height="14.0"><title>Pending: 1 s</title>' in page
    assert '<rect class="Running" x="150.0" y="0.0" width="450.0" height="14.0"><title>Running: 3 s</title>' in page
    assert '<rect class="Failed" x="597.0"' in page
    assert '<rect class="Event" x="300.0" y="0.0" width="3.0" height="14.0"><title>TaskDisrupted: worker-1' in page
    assert "event, listed below" in page
    assert "restarting" not in page


def test_tables_have_no_empty_columns_and_long_cells_have_room(kube: Kube) -> None:
    used = {Task("worker", 0): Usage(90.0, 36.0, 4.0)}
    kube.write(replace(LOST, usage=used, last_line="", record=replace(RECORD, settings={"--lr": "0.1" * 20})))
    page = CliRunner().invoke(main, ["report", "digits", "--file", "-"]).stdout
    assert "<tr><th>Task</th><th>CPUs, on average</th></tr>" in page
    assert "<th>Last line</th>" not in page
    assert f'<td>--lr</td><td class="long">{"0.1" * 20}</td>' in page


def test_of_a_local_job(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(status.dump(a_job("Custom", worker=1), LOST, {}))
    shown = CliRunner().invoke(main, ["report", "--local", str(tmp_path), "--file", "-"])
    assert shown.exit_code == 0, shown.output
    assert "ValueError: bad shape" in shown.stdout


def test_a_local_job_that_was_interrupted_does_not_run_on(tmp_path: Path) -> None:
    state = replace(LOST, phase="Running", message="all run", finished=None, reason="", record=RECORD)
    (tmp_path / "status.json").write_text(status.dump(a_job("Custom", worker=1), state, {}))
    os.utime(tmp_path / "status.json", (LOST.started + 65, LOST.started + 65))
    page = CliRunner().invoke(main, ["report", "--local", str(tmp_path), "--file", "-"]).stdout
    assert ">digits: Interrupted<" in page.replace(tmp_path.name, "digits")
    assert "<p>tfconfig run was interrupted</p>" in page
    assert "1 min 5 s in all" in page


@pytest.mark.parametrize("text", [None, "[]", "{", "\x00"])
def test_a_folder_without_a_status_is_refused(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "status.json").write_text(text)
    refused = CliRunner().invoke(main, ["report", "--local", str(tmp_path)])
    assert refused.exit_code == 2
    assert f"run the job with tfconfig run --logs {tmp_path}, which writes it at its end" in refused.stderr
    assert CliRunner().invoke(main, ["report"]).exit_code == 2
