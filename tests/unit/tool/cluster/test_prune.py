"""tfconfig prune: which releases it uninstalls with the user's helm."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tool.cluster import documents
from tests.unit.tool.cluster.kube import JOB, Kube
from tests.unit.tool.cluster.schemas import validator
from tests.unit.tool.cluster.test_release import FakeHelm, helm, run
from tfconfig.cluster import jobs
from tfconfig.cluster.job_objects import JobObjects
from tfconfig.cluster.job_view import view
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.cluster.pruning import candidates
from tfconfig.tensorflow_job.lifecycle.state import FAILED, RUNNING, SUCCEEDED, State

__all__ = ["helm"]  # a fixture
UNINSTALL = ["uninstall", JOB, "--namespace=team-a"]


@pytest.fixture
def ended(kube: Kube, helm: FakeHelm) -> Kube:
    """The job `digits` has ended long ago, and `other` was just installed."""
    end(kube)
    kube.install("other")
    releases(helm, digits="tensorflow-job-0.1.0", other="tensorflow-job-0.1.0")
    return kube


def end(kube: Kube, **more: Any) -> None:
    """Long ago."""
    then = 1_000_000_000.0
    kube.write(State(documents.RUN, SUCCEEDED, "Completed", "chief-0 exited 0", then - 60, finished=then), **more)


def releases(helm: FakeHelm, **charts: str) -> None:
    """What `helm list` prints."""
    helm.answer("list", [{"name": name, "namespace": "team-a", "chart": chart} for name, chart in charts.items()])


def results(*words: str) -> list[tuple[str, str]]:
    """The results that it prints as JSON."""
    document = json.loads(run("prune", *words, "-o", "json").stdout)
    validator("prune").validate(document)
    return [(release["release"], release["result"]) for release in document["releases"]]


@pytest.mark.usefixtures("ended")
def test_the_releases_of_jobs_that_ended_long_ago_are_uninstalled(helm: FakeHelm) -> None:
    result = run("prune", "--older-than", "1h")
    assert (result.exit_code, helm.changes()) == (0, [UNINSTALL]), result.output
    assert result.stdout.startswith("team-a/digits uninstalled (digits Succeeded, ")
    assert result.stderr == "helm uninstall digits --namespace=team-a\n"


@pytest.mark.usefixtures("ended")
def test_releases_are_found_in_whatever_state_a_killed_helm_left_them(helm: FakeHelm) -> None:
    program = helm.folder / "helm"
    listed = "if sys.argv[1] == 'list' and '--pending' not in sys.argv: sys.exit(print('[]'))\n"
    program.write_text(program.read_text().replace("answer = ", f"{listed}answer = "))
    assert results("--older-than", "1h") == [("digits", "Removed")]


@pytest.mark.usefixtures("ended")
def test_a_dry_run_changes_nothing(helm: FakeHelm) -> None:
    assert results("--older-than", "1h", "--dry-run") == [("digits", "WouldRemove")]
    assert helm.changes() == []


@pytest.mark.usefixtures("ended")
def test_a_job_that_ended_lately_stays(helm: FakeHelm) -> None:
    result = run("prune", "--older-than", "100000d")
    assert (result.exit_code, result.stdout, helm.changes()) == (0, "", [])
    assert "no release" in result.stderr
    assert results("--older-than", "100000d") == []


@pytest.mark.usefixtures("ended")
def test_a_selector_chooses_jobs(helm: FakeHelm) -> None:
    assert results("--older-than", "0", "-l", "tensorflow-job/job=none") == []
    assert results("--older-than", "0", "-l", f"app.kubernetes.io/instance={JOB}") == [("digits", "Removed")]
    assert helm.changes() == [UNINSTALL]


@pytest.mark.parametrize(
    ("charts", "why"),
    [
        ({"digits": "platform-1.2.3"}, "a release of chart platform, which may hold more than jobs"),
        ({"digits": "tensorflow-job-extras-0.1.0"}, "a release of chart tensorflow-job-extras"),
        ({}, "helm knows no such release"),
    ],
)
def test_what_may_be_more_than_a_job_is_named_and_stays(
    ended: Kube, helm: FakeHelm, charts: dict[str, str], why: str
) -> None:
    releases(helm, **charts)
    result = run("prune", "--older-than", "0")
    assert (result.exit_code, helm.changes()) == (0, [])
    assert "team-a/digits skipped" in result.stdout
    assert why in result.stdout
    assert ended


def test_a_release_stays_while_one_of_its_jobs_runs(ended: Kube, helm: FakeHelm) -> None:
    ended.install("second", JOB)
    assert results("--older-than", "0") == []
    assert helm.changes() == []


@pytest.mark.usefixtures("ended")
def test_what_helm_refuses_is_reported_and_exits_2(helm: FakeHelm) -> None:
    program = helm.folder / "helm"
    program.write_text(program.read_text() + "if 'uninstall' in sys.argv: sys.exit('forbidden')\n")
    result = run("prune", "--older-than", "0")
    assert result.exit_code == 2
    assert "team-a/digits failed" in result.stdout
    assert "forbidden" in result.stdout
    assert results("--older-than", "0") == [("digits", "Failed")]


@pytest.mark.parametrize("program", ["helm", "kubectl"])
def test_what_was_uninstalled_is_listed_where_other_namespaces_fail(
    ended: Kube, helm: FakeHelm, tmp_path: Path, program: str
) -> None:
    data = ended.get("configmaps", f"{JOB}-status")["data"]
    for name, namespace in (("first", "a-refused"), ("last", "z-refused")):
        ended.install(name)
        ended.change("configmaps", f"{name}-status", {"metadata": {"namespace": namespace}, "data": data})
    releases(helm, digits="tensorflow-job-0.1.0", first="tensorflow-job-0.1.0", last="tensorflow-job-0.1.0")
    file = {"helm": helm.folder / "helm", "kubectl": tmp_path / "bin" / "kubectl"}[program]
    real = file.rename(file.parent / "real")
    refuse = f'case "$*" in *-refused*) echo refused by {program} >&2; exit 1;; esac'
    file.write_text(f'#!/bin/sh\n{refuse}\nexec {real} "$@"\n', "utf-8")
    file.chmod(0o755)
    result = run("prune", "-A", "--older-than", "1h", "-o", "json")
    assert result.exit_code == 2
    pruned = [(item["release"], item["result"]) for item in json.loads(result.stdout)["releases"]]
    assert pruned == [("first", "Failed"), ("digits", "Removed"), ("last", "Failed")]
    assert result.stdout.count(f"refused by {program}") == 2


def test_how_long_ago_must_be_said(helm: FakeHelm) -> None:
    result = run("prune")
    assert (result.exit_code, "--older-than" in result.stderr) == (2, True)
    result = run("prune", "-A", "-n", "team-a", "--older-than", "1h")
    assert (result.exit_code, "leave out --namespace" in result.stderr) == (2, True)
    assert helm.changes() == []


@pytest.mark.parametrize(("age", "listed"), [(99.0, True), (100.0, True), (101.0, False)])
@pytest.mark.parametrize("phase", [SUCCEEDED, FAILED])
def test_time_is_counted_from_the_end_of_the_last_job(kube: Kube, phase: Any, age: float, listed: bool) -> None:
    end(kube)
    (status,) = jobs.statuses(Kubectl())
    job = replace(view(JobObjects(status), 0.0), phase=phase, ended=900.0)
    earlier, other = replace(job, name="b", ended=1.0), replace(job, release="other")
    assert bool(candidates([job, earlier], [earlier], 1000.0, age)) is listed
    assert candidates([job, other], [other], 1000.0, 0.0) == {(job.namespace, "other"): [other]}
    assert candidates([job, replace(earlier, phase=RUNNING)], [job], 1000.0, 0.0) == {}
