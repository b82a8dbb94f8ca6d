"""Read a file of Kubernetes objects: its documents, and the jobs in them in one form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import yaml

from tfconfig.convert import tfjob, volcano
from tfconfig.convert.comments import LAST_LINE
from tfconfig.convert.fields import Field, UnconvertibleError, text_at
from tfconfig.convert.forms import Form
from tfconfig.diagnostics import Diagnostic
from tfconfig.values.helm_yaml import read
from tfconfig.values.libyaml import loader

_UNSUPPORTED = {
    "JobSet": "a JobSet does not say which of its Jobs is which role of TensorFlow",
    "Job": "a Kubernetes Job has no roles of TensorFlow",
    "MPIJob": "MPI has a launcher that starts the workers over SSH, and there is no such role here",
    "PyTorchJob": "its program uses PyTorch",
    "TrainJob": "it names a runtime, which has the roles and pods",
    "XGBoostJob": "its program uses XGBoost",
    "PaddleJob": "its program uses Paddle",
    "MXJob": "its program uses MXNet",
    "JAXJob": "its program uses JAX",
    "RayJob": "its program uses Ray",
}
_TEMPLATE = re.compile(r"\{\{.*\}\}")


@dataclass
class Manifest:
    """What is in a file."""

    file: str
    text: str
    jobs: list[Form] = field(default_factory=list)
    others: list[tuple[str, int]] = field(default_factory=list)  # other objects: what, line
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True)
class Failure:
    """Why a document cannot be converted."""

    line: int
    path: str
    message: str
    fix: str


def manifest(data: bytes, file: str) -> Manifest:
    """Read all documents of a file. Never raises: what cannot be read is in `failures`."""
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    result = Manifest(file, text)
    parts = _parts(text)
    for i, (start, part) in enumerate(parts):
        document = read(("\n" * start + part).encode("utf-8", errors="replace"), file)
        fatal = [diagnostic for diagnostic in document.diagnostics if diagnostic.rule == "TFC001"]
        if fatal:
            result.failures.append(_unreadable(fatal[0], part))
            continue
        end = parts[i + 1][0] + 1 if i + 1 < len(parts) else LAST_LINE + 1
        objects = list(_objects(Field(document.root)))
        for j, root in enumerate(objects):
            first = start + 1 if j == 0 else root.line
            last = objects[j + 1].line if j + 1 < len(objects) else end
            _add(result, root, (first if i or j else 0, last), document.diagnostics)
    if not result.jobs and not result.failures:
        kinds = ", ".join(what for what, _ in result.others)
        message = f"found no TFJob, only {kinds}" if kinds else "found no Kubernetes object"
        result.failures.append(Failure(1, "", message, "give the manifest of a TFJob, or a Volcano Job"))
    return result


def _parts(text: str) -> list[tuple[int, str]]:
    """The documents of a file: the line where each starts, from 0, and its text."""
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines) if i and re.match(r"---(\s|$)", line)]
    try:
        events: Any = yaml.parse(text, Loader=loader())
        marks: list[Any] = [event.start_mark for event in events if isinstance(event, yaml.DocumentStartEvent)]
        starts = [mark.line for mark in marks if mark.line]
    except yaml.YAMLError:
        pass  # one broken document is no reason not to read the others
    bounds = [0, *dict.fromkeys(starts), len(lines)]
    return [(a, "\n".join(lines[a:b])) for a, b in pairwise(bounds)]


def _unreadable(diagnostic: Diagnostic, text: str) -> Failure:
    if _TEMPLATE.search(text):
        return Failure(
            diagnostic.line, "", "a template, not YAML", "render it first: helm template, or kustomize build"
        )
    return Failure(diagnostic.line, "", diagnostic.message, diagnostic.fix)


def _objects(root: Field) -> Iterator[Field]:
    """The object of a document, or those of a list."""
    items = root.child("items")
    if items and text_at(root, "kind").endswith("List"):
        yield from items.a_list()
    elif root.node.value:
        yield root


def _add(result: Manifest, document: Field, lines: tuple[int, int], diagnostics: list[Diagnostic]) -> None:
    try:
        root = Field(document.a_map().node)  # paths of the report start at the object
        kind, api = text_at(root, "kind"), text_at(root, "apiVersion")
        if kind.lower() == "tfjob":
            form = tfjob.form(root)
        elif kind == "Job" and api.startswith("batch.volcano.sh/"):
            form = volcano.form(root)
        elif kind in _UNSUPPORTED:
            fix = "tfconfig init writes values to start from"
            raise UnconvertibleError(root, f"a {kind} cannot be converted: {_UNSUPPORTED[kind]}", fix)
        else:
            name = text_at(root, "metadata", "name")
            result.others.append((" ".join(filter(None, (kind or "an object without kind", name))), document.line))
            return
        for diagnostic in diagnostics:
            message = f"line {diagnostic.line}: {diagnostic.message.replace('Helm', 'Kubernetes')}"
            form.report.different(None, "", message, diagnostic.fix)
        form.lines = lines
        result.jobs.append(form)
    except UnconvertibleError as e:
        result.failures.append(Failure(e.field.line, e.field.shown, e.message, e.fix))
