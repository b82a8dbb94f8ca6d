"""What is fuzzed: each target takes bytes and must not raise. corpus/ has inputs to start from, a folder a target."""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from click.testing import CliRunner

from tfconfig.checking import reporters
from tfconfig.cli import main
from tfconfig.cluster import errors, helm, job_json, job_text, log_lines, network_probe
from tfconfig.cluster.job_objects import JobObjects
from tfconfig.cluster.job_view import view
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.cluster.shapes import item, job_spec
from tfconfig.tensorflow_job.lifecycle import error_lines, known_failures, last_lines, status
from tfconfig.tensorflow_job.lifecycle.reports import reported
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError, parse_json
from tfconfig.tensorflow_job.lifecycle.text import progress_text
from tfconfig.tensorflow_job.task import progress
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.printed import Printed
from tfconfig.terminal import escaped_line

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
NOW = 1_800_000_000.0
VALUES = "program: {command: [python3, -m, train]}\n"
STATUSES = (0, 1, 2)


def _tfconfig(*arguments: str) -> None:
    """A command in this process; whatever it raises, it raises here."""
    result = CliRunner().invoke(main, [*arguments])
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
        for command in commands:
            _tfconfig(*(word.format(**paths) for word in command))


def values(data: bytes) -> None:
    """A values file, for each command that reads one."""
    formats = [("validate", "-o", form, "{values}") for form in reporters.FORMATS]
    _with_files(*formats, ("plan", "-f", "{values}"), ("generate", "-f", "{values}"), values=data)


def set_flags(data: bytes) -> None:
    """Arguments of the --set family, one a line: `--set-json a=[1]`."""
    arguments = []
    for line in data.decode("utf-8", "replace").replace("\0", "").splitlines():
        option, _, text = line.partition(" ")
        if option in ("--set", "--set-string", "--set-json", "--set-literal"):
            arguments += [option, text]
    _with_files(
        ("validate", "-f", "{values}", *(word.replace("{", "{{").replace("}", "}}") for word in arguments)),
        values=VALUES.encode(),
    )


def policy(data: bytes) -> None:
    """A policy, on a job that has something of everything."""
    example = str(ROOT / "chart/ci/everything-values.yaml")
    _with_files(("validate", "--policy", "{policy}", example), policy=data)


def documents(data: bytes) -> None:
    """The objects of a job, and its status.json and job.json: {status, job, pods, jobs}."""
    try:
        document = json.loads(data)  # with NaN, as the texts in a ConfigMap may have it
        part = document.get if isinstance(document, dict) else {}.get
        configmap = item("configmaps", parse_json(json.dumps(part("configmap"))))
        spec = job_spec(json.dumps(part("job"))) if part("job") is not None else None
        pods = [item("pods", pod) for pod in part("pods") or []]
        jobs = [item("jobs", job) for job in part("jobs") or []]
    except (ValueError, RecursionError, TypeError):
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
        for command in (["status"], ["status", "-A", "-o", "json"], ["status", "digits"], ["logs", "digits"]):
            _tfconfig(*command)
    errors.from_stderr(err.decode("utf-8", "replace"))


def doctor(data: bytes) -> None:
    """What the API server answers to `tfconfig doctor`: a map from the last words of a path to an answer."""
    try:
        answers = parse_json(data)
    except ShapeError:
        answers = None
    answers = answers if isinstance(answers, dict) else {"": answers}

    def answer(self: Kubectl, arguments: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:  # noqa: ARG001
        wanted = arguments[1].partition("?")[0].rpartition("/")[2] if arguments[0] == "get" else ""
        if not wanted:
            kinds = {entry["kind"] for entry in json.loads(stdin)["items"]}
            wanted = (
                "reviews"
                if "SelfSubjectAccessReview" in kinds
                else "dry-run"
                if "--dry-run=server" in arguments
                else ""
            )
        reply = answers.get(wanted, answers.get("", {}))
        if wanted == "reviews" and isinstance(reply, dict) and "each" in reply:
            reply = {"kind": "List", "items": [reply["each"]] * len(json.loads(stdin)["items"])}
        out = json.dumps(reply) if reply is not None else ""
        return subprocess.CompletedProcess(
            arguments, 0 if out else 1, out, "" if out else "Error from server (NotFound): x"
        )

    minutes = itertools.count(0.0, 60.0).__next__  # nothing waits for real time
    objects = json.loads((CORPUS.parent / "release.json").read_text())
    with (
        mock.patch.object(Kubectl, "_run", answer),
        mock.patch.object(helm, "version", return_value="v4.0.1"),
        mock.patch.object(helm, "template", side_effect=lambda *_: copy.deepcopy(objects)),
        mock.patch.object(network_probe, "time", SimpleNamespace(monotonic=minutes, sleep=lambda _: None)),
    ):
        _with_files(
            ("doctor", "-f", "{values}", "-n", "team", "--probe-network"),
            values=VALUES.encode(),
        )


def printed(data: bytes) -> None:
    """What a program prints, and reports as its progress."""
    text = data.decode("utf-8", "replace")
    last_lines.tail(text, 20)
    error_lines.last_line(text)
    known_failures.advice(text, 1)
    log_lines.merged({"worker-0": text})
    job_text.last_lines(text)
    "\n".join(map(escaped_line, text.splitlines())).encode()
    Printed(r"(?P<step>\S+) (?P<total>\S+)").feed(data)
    document = progress.parse(data)
    json.dumps(document, allow_nan=False)
    if document:
        progress_text(reported(Task("worker", 0), document, 1e9))
    seen = Printed()
    seen.feed(data)
    json.dumps(seen.document, allow_nan=False)


TARGETS: dict[str, Callable[[bytes], Any]] = {
    "values": values,
    "set_flags": set_flags,
    "policy": policy,
    "documents": documents,
    "stored_status": stored_status,
    "kubectl": kubectl,
    "doctor": doctor,
    "printed": printed,
}


def corpus(target: str) -> list[bytes]:
    """The inputs of a target to start from, those that were errors once included."""
    more = {"values": ROOT.glob("chart/ci/*.yaml"), "policy": ROOT.glob("examples/platform/policy.json")}
    files = [*(CORPUS / target).iterdir(), *more.get(target, ())]
    return [file.read_bytes() for file in sorted(files)]
