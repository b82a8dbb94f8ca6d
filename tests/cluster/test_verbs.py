"""tfconfig suspend, resume, rerun and cancel with the user's own helm, on one job."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tfconfig import __version__

from .conftest import Jobs
from .programs import shell
from .tool import Tool

SCRIPT = 'sh program.sh; wait_for "end"'


def test_a_job_is_suspended_resumed_run_again_with_an_edited_program_and_cancelled(jobs: Jobs, tmp_path: Path) -> None:
    values = shell(SCRIPT)
    values["program"]["files"] = {"program.sh": "echo first\n"}
    job, tool = jobs.install(values, "verbs"), Tool(jobs.target, jobs.namespace.name)
    first = job.wait_running()["runId"]
    job.wait_for_log("worker-0", "^first$")
    assert "--reset-then-reuse-values --set=suspend=true" in tool("suspend", "verbs")[1]
    job.wait_for_phase("Suspended")
    tool("resume", "verbs")
    assert job.wait_running()["runId"] == first
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded", disturbed=True)
    (tmp_path / "program.sh").write_text("echo second\n", "utf-8")
    assert tool("rerun", "verbs", "--files", str(tmp_path))[0].startswith("verbs: run 2 begins.")
    job.wait_until("another run", lambda: job.status.get("runId") not in ("", first) and job.phase == "Running", 90)
    job.wait_for_log("worker-0", "^second$")
    _look_at_both_runs(tool, first)
    assert 'release "verbs" uninstalled' in tool("cancel", "verbs")[0]
    jobs.all.remove(job)


def _look_at_both_runs(tool: Tool, first: str) -> None:
    """What the status keeps of them, as a table, for programs, and as a page."""
    head, one, two = tool("runs", "verbs")[0].splitlines()
    assert head.split()[:3] == ["RUN", "RESULT", "DURATION"]
    assert one.split()[:2] == [first, "Succeeded"]
    assert "program.files.program.sh changed" in two
    old, new = json.loads(tool("runs", "verbs", "-o", "json")[0])["runs"]
    assert (old["phase"], new["phase"]) == ("Succeeded", "Running")
    assert old["settings"]["image"] == new["settings"]["image"]
    assert new["changed"]["run"] == {"before": "1", "after": "2"}
    assert new["settings"]["chart"] == __version__
    page = tool("report", "verbs", "--file", "-")[0]
    assert f"<td>{first}</td><td>Succeeded: Completed</td>" in page
    assert re.search(r"<tr><th>worker-0</th><td><svg", page), page
    assert "<title>1 run, 0 done of 1" in page
    assert "second" not in page, "no text of the program's files is kept"
