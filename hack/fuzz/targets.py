"""What is fuzzed: each target takes bytes and must not raise. corpus/ has inputs to start from, a folder a target."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from click.testing import CliRunner

from tfconfig.checking import reporters
from tfconfig.cli import main
from tfconfig.cluster import errors, job_json, job_text, log_lines
from tfconfig.cluster.job_objects import JobObjects
from tfconfig.cluster.job_view import view
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.cluster.shapes import item, job_spec
from tfconfig.tensorflow_job.lifecycle import last_lines, status
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError, parse_json
from tfconfig.tensorflow_job.task import progress
from tfconfig.terminal import escaped_line

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
NOW = 1_800_000_000.0
VALUES = "program: {command: [python3, -m, train]}\n"
STATUSES = (0, 1, 2)


def _tfconfig(*words: str) -> None:
    """A command in this process; whatever it raises, it raises here."""
    result = CliRunner().invoke(main, [*words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    if result.exit_code not in STATUSES:
        raise AssertionError(f"exit status {result.exit_code}")


def _with_files(*commands: Sequence[str], **files: bytes) -> None:
    """Runs commands in which {name} stands for a file with that content."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, content in files.items():
            paths[name] = Path(folder, f"{name}.yaml")
            paths[name].write_bytes(content)
        for words in commands:
            _tfconfig(*(word.format(**paths) for word in words))


def values(data: bytes) -> None:
    """A values file, for each command that reads one."""
    formats = [("validate", "--format", form, "{values}") for form in reporters.FORMATS]
    _with_files(*formats, ("plan", "-f", "{values}"), ("generate", "-f", "{values}"), values=data)


def set_flags(data: bytes) -> None:
    """Arguments of the --set family, one a line: `--set-json a=[1]`."""
    words = []
    for line in data.decode("utf-8", "replace").replace("\0", "").splitlines():
        option, _, text = line.partition(" ")
        if option in ("--set", "--set-string", "--set-json", "--set-literal"):
            words += [option, text]
    _with_files(
        ("validate", "-f", "{values}", *(word.replace("{", "{{").replace("}", "}}") for word in words)),
        values=VALUES.encode(),
    )


def policy(data: bytes) -> None:
    """A policy, on a job that has something of everything."""
    example = str(ROOT / "chart/ci/everything-values.yaml")
    _with_files(("validate", "--policy", "{policy}", example), policy=data)


def documents(data: bytes) -> None:
    """The objects of a job, and its status.json and job.json: {status, job, pods, jobs}."""
    try:
        document = parse_json(data)
        part = document.get if isinstance(document, dict) else {}.get
        configmap = item("configmaps", part("configmap"))
        spec = job_spec(json.dumps(part("job"))) if part("job") is not None else None
        pods = [item("pods", pod) for pod in part("pods") or []]
        jobs = [item("jobs", job) for job in part("jobs") or []]
    except (ShapeError, TypeError):
        return  # refused as a whole
    if part("status") is not None:
        configmap["data"] = {"status.json": json.dumps(part("status"))}
    for objects in (JobObjects(configmap, spec, pods, jobs), JobObjects(configmap)):
        shown = view(objects, NOW)
        lines = [*job_text.job(shown, NOW, 80), *job_text.jobs([shown], NOW, 80, True)]
        lines += [
            job_text.line(shown),
            job_text.outcome(shown),
            job_text.deciding_exit(shown),
            job_text.kept_logs(shown),
        ]
        "\n".join(lines).encode()
        json.dumps([job_json.job_document(shown), job_json.job_list_document([shown])], allow_nan=False)


def stored_status(data: bytes) -> None:
    """What a new lifecycle reads: status.json, and handled.json on the next line."""
    with contextlib.suppress(ValueError):  # "the stored state cannot be read"
        status.load(data.decode("utf-8", "replace"))


def kubectl(data: bytes) -> None:
    """What kubectl prints, whatever it was asked for: a line with its exit status, its output, \\0, and its errors."""
    code, _, rest = data.partition(b"\n")
    out, _, err = rest.partition(b"\0")

    def answer(self: Kubectl, arguments: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:  # noqa: ARG001
        texts = out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
        return subprocess.CompletedProcess(arguments, int(code == b"1"), *texts)

    with mock.patch.object(Kubectl, "_run", answer):
        for words in (["status"], ["status", "-A", "-o", "json"], ["status", "digits"], ["logs", "digits"]):
            _tfconfig(*words)
    errors.from_stderr(err.decode("utf-8", "replace"))


def printed(data: bytes) -> None:
    """What a program prints, and reports as its progress."""
    text = data.decode("utf-8", "replace")
    last_lines.tail(text, 20)
    last_lines.error(text)
    log_lines.merged({"worker-0": text})
    job_text.last_lines(text)
    "\n".join(map(escaped_line, text.splitlines())).encode()
    found = progress.parse(data)
    json.dumps(found, allow_nan=False)


TARGETS: dict[str, Callable[[bytes], Any]] = {
    "values": values,
    "set_flags": set_flags,
    "policy": policy,
    "documents": documents,
    "stored_status": stored_status,
    "kubectl": kubectl,
    "printed": printed,
}


def corpus(target: str) -> list[bytes]:
    """The inputs of a target to start from, those that were errors once included."""
    more = {"values": ROOT.glob("chart/ci/*.yaml"), "policy": ROOT.glob("examples/platform/policy.json")}
    files = [*(CORPUS / target).iterdir(), *more.get(target, ())]
    return [file.read_bytes() for file in sorted(files)]
