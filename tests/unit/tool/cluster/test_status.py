"""`tfconfig status` against a cluster: one job, all jobs, and a job that is watched."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.unit.lifecycle.fake import NAMESPACE
from tests.unit.tool.cluster import documents
from tests.unit.tool.cluster.documents import RUN
from tests.unit.tool.cluster.kube import LOST, ROOT, RUNS, WON, Kube, Program
from tfconfig.cli import main

Start = Callable[..., Program]
SAD = documents.unschedulable("0/3 nodes are available: 3 Insufficient nvidia.com/gpu")


def status(*words: str) -> Result:
    return CliRunner().invoke(main, ["status", *words])


def test_a_job_is_shown_with_its_tasks(kube: Kube) -> None:
    kube.write(RUNS)
    kube.start("worker-0")
    kube.pod(documents.pod("worker-1", **SAD))
    result = status("digits")
    assert result.exit_code == 0
    assert "job       digits in namespace team-a\nphase     Running\n" in result.stdout
    rows = [line.split()[:2] for line in result.stdout.splitlines()]
    assert ["worker-0", "Running"] in rows
    assert ["worker-1", "Waiting"] in rows


def test_all_jobs_of_the_namespace_are_listed_by_name(kube: Kube) -> None:
    kube.write(RUNS)
    kube.install("another")
    lines = status().stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["NAME", "PHASE"],
        ["another", "Pending"],
        ["digits", "Running"],
    ]
    assert status("-A").stdout.splitlines()[2].split()[:3] == [NAMESPACE, "digits", "Running"]


def test_a_release_with_several_jobs_is_a_list_of_them(kube: Kube) -> None:
    kube.install("both-tune", release="both")
    kube.install("both-train", release="both")
    assert [line.split()[0] for line in status("both").stdout.splitlines()] == ["NAME", "both-train", "both-tune"]
    assert f" both-tune in namespace {NAMESPACE}, release both\n" in status("both-tune").stdout
    result = CliRunner().invoke(main, ["wait", "both"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: release both has several jobs; name one of them: both-train, both-tune\n"


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_for_programs_there_are_json_and_yaml(kube: Kube, form: str, read: Callable[[str], Any]) -> None:
    kube.write(RUNS)
    kube.start("worker-0")
    document = read(status("digits", "-o", form).stdout)
    assert (document["version"], document["name"], document["phase"], document["runId"]) == (
        1,
        "digits",
        "Running",
        RUN,
    )
    listed = read(status("-o", form).stdout)
    assert [job["name"] for job in listed["jobs"]] == ["digits"]


@pytest.mark.parametrize("command", ["status", "wait", "logs"])
def test_a_job_that_is_not_there(kube: Kube, command: str) -> None:
    assert kube
    result = CliRunner().invoke(main, [command, "digit"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"Error: no job digit in namespace {NAMESPACE}: not installed yet, or uninstalled. The namespace has digits\n"
    )


def test_a_namespace_with_many_other_jobs_says_how_many_more(kube: Kube) -> None:
    for number in range(6):
        kube.install(f"x{number}")
    error = CliRunner().invoke(main, ["status", "mnist"]).stderr
    assert error.endswith("The namespace has digits, x0, x1, x2, x3 and 2 more, see tfconfig status\n")


def test_a_namespace_without_jobs(kube: Kube) -> None:
    kube.uninstall()
    result = status()
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"no jobs in namespace {NAMESPACE}\n"
    assert f"no job digits in namespace {NAMESPACE}, nor any other" in status("digits").stderr


def test_a_namespace_that_is_not_there(kube: Kube) -> None:
    assert kube
    assert status("digits", "-n", "no-such-team").stderr == (
        "Error: namespace no-such-team does not exist; name the namespace of the job with --namespace\n"
    )


def test_watched_every_change_is_a_line_until_everything_is_freed(kube: Kube, start: Start) -> None:
    watch = start("status", "digits", "--watch")
    watch.until(lambda: "digits: Pending (LifecycleStarting)" in watch.out)
    kube.write(RUNS)
    watch.until(lambda: "digits: Running: all 2 tasks run or are done\n" in watch.out)
    kube.write(LOST)
    watch.until(lambda: "digits: Failed (TaskFailed): worker-0 exited 3" in watch.out)
    kube.write(replace(LOST, freed=True))
    assert watch.ends() == 0
    assert watch.out.count("\n") == 3


def test_watched_on_a_terminal_the_view_is_redrawn_with_what_is_out_of_date(kube: Kube) -> None:
    kube.write(RUNS)
    leader, follower = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "LINES": "30"}
    words = [sys.executable, "-m", "tfconfig", "status", "digits", "--watch"]
    with subprocess.Popen(words, env=environ, stdin=follower, stdout=follower, stderr=follower) as process:
        os.close(follower)
        shown = ""

        def until(text: str) -> None:
            nonlocal shown
            shown = shown[-1:]
            while text not in shown:
                shown += os.read(leader, 4096).decode(errors="replace")

        until("phase     Running")
        kube.start("worker-0")
        until("worker-0  Running")
        kube.remove("pods", "digits-worker-0")
        until("worker-0  NoPod")
        with kube.outage():
            until("out of date: the cluster does not answer")
        kube.write(replace(WON, freed=True))
        until("everything is freed")
    os.close(leader)
    assert process.returncode == 0
    assert "phase       Succeeded (Completed)" in shown


def test_jobs_by_their_labels_by_name_alone_and_with_more_columns(kube: Kube) -> None:
    kube.install("both-tune", "both")
    assert status("-o", "name").stdout == "both-tune\ndigits\n"
    assert status("-l", "app.kubernetes.io/instance=both", "-o", "name").stdout == "both-tune\n"
    wide = [line.split() for line in status("-o", "wide").stdout.splitlines()]
    assert wide[0][-4:] == ["RELEASE", "RUN", "RESTARTS", "MESSAGE"]
    assert "both" in wide[1]
    assert (status("digits", "-o", "name").stdout, status("digits", "-l", "a=b").exit_code) == ("digits\n", 2)
