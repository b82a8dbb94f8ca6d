"""What a program prints, or a cluster answers, drives neither the reader's terminal nor their CI."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.tool.cluster.documents import NOW, documents, exited, pod
from tests.unit.tool.cluster.kube import LOST
from tfconfig.cluster import helm, job_text
from tfconfig.cluster.errors import from_stderr
from tfconfig.cluster.job_view import view
from tfconfig.cluster.preflight.check import Check, table
from tfconfig.cluster.rendered import rendered_objects
from tfconfig.tensorflow_job.lifecycle.log import Log

TITLE, LINK, COMMAND, LINE = (
    "\x1b]0;owned\x07",
    "\x1b]8;;http://evil\x1b\\x",
    "##[add-mask]a",
    "\n::set-output name=a::b",
)
HOSTILE = TITLE + LINK + COMMAND + LINE


def harmless(text: str) -> bool:
    """Whether a terminal shows it as it is, line by line, and a CI takes nothing of it for a command."""
    lines = text.split("\n")
    return all(line.isprintable() and "##[" not in line and not line.lstrip().startswith("::") for line in lines)


def test_status_wait_and_their_lines() -> None:
    state = replace(LOST, message=HOSTILE)
    failed = [pod("worker-0", restarts=1, last=exited(1, reason=HOSTILE, message=HOSTILE), node=HOSTILE)]
    shown = view(documents(state, failed, {"phase": HOSTILE, "reason": HOSTILE}), NOW)
    for lines in (
        job_text.job(shown, NOW, 80),
        job_text.jobs([shown], NOW, 80, True),
        [job_text.line(shown), job_text.outcome(shown)],
        job_text.last_lines(f"x\nlast lines of worker-0:\n  {HOSTILE}")[1],
    ):
        assert [line for line in lines if not harmless(line)] == []


def test_doctor_and_errors_of_kubectl() -> None:
    assert all(map(harmless, table([Check(HOSTILE, "error", HOSTILE, HOSTILE)], 80)))
    assert harmless(from_stderr(f"Error from server: {HOSTILE}").message)


@pytest.mark.parametrize("hostile", [HOSTILE.encode(), b"\t::error::x", b"\xff\n \x9b2J"], ids=["text", "tab", "bytes"])
def test_errors_of_helm(hostile: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template decides what `fail` prints."""
    (tmp_path / "said").write_bytes(b"Error: \n" + hostile)
    helm_does(f'cat "{tmp_path / "said"}" >&2; exit 1', tmp_path, monkeypatch)
    with pytest.raises(helm.HelmError) as raised:
        helm.call(["template"])
    assert harmless(raised.value.message.replace("\t", ""))
    assert raised.value.message.startswith("helm template failed: Error: ")


def test_errors_in_what_helm_renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = json.dumps(HOSTILE)
    (tmp_path / "said").write_text(f"{key}: 1\n{key}: 2\n", "utf-8")
    helm_does(f'cat "{tmp_path / "said"}"', tmp_path, monkeypatch)
    with pytest.raises(helm.HelmError, match="duplicate key") as raised:
        rendered_objects("digits", tmp_path, [])
    assert harmless(raised.value.message)


def helm_does(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The helm on PATH is this command of a shell."""
    (folder / "helm").write_text(f"#!/bin/sh\n{command}\n", "utf-8")
    (folder / "helm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("text", ["worker-0 exited 1: \nlast lines of worker-9:", f"{TITLE}{LINK}"])
def test_the_log_of_the_lifecycle_has_a_line_for_a_line(text: str) -> None:
    out = io.StringIO()
    Log(out).write(text)
    assert out.getvalue().count("\n") == 1
    assert harmless(out.getvalue().rstrip("\n"))
