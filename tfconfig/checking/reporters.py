"""The output formats of diagnostics: text for people, and what CI systems read. One function each."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfconfig import __url__, __version__
from tfconfig.diagnostics import ERROR, Diagnostic, lines
from tfconfig.terminal import escaped
from tfconfig.values.secrecy import is_secret_path, secret_lines

if TYPE_CHECKING:
    from tfconfig.checking.rules import Rule

LOOKS_SECRET = "TFC307"
_SNIPPET_WIDTH = 160
_MAX_ANNOTATIONS = 10  # of a kind that GitHub shows for one step; its log has all
_BOLD, _RED, _YELLOW, _CYAN, _PLAIN = (f"\033[{code}m" for code in (1, 31, 33, 36, 0))


def _line(diagnostic: Diagnostic, source: str) -> str:
    """The line of a diagnostic; empty if there is none, or if it may hold a secret."""
    if _is_secret(diagnostic, source):
        return ""
    all_lines = lines(source)
    return all_lines[diagnostic.line - 1] if 1 <= diagnostic.line <= len(all_lines) else ""


def _is_secret(diagnostic: Diagnostic, source: str) -> bool:
    secret = diagnostic.rule == LOOKS_SECRET or is_secret_path(diagnostic.path)
    return secret or diagnostic.line in secret_lines(source)


def _snippet(diagnostic: Diagnostic, source: str) -> list[tuple[str, str]]:
    """The line of a diagnostic and the carets under it, as (text before, carets); nothing if there is no line."""
    raw = _line(diagnostic, source)
    if not raw.strip():
        return []
    start = max(diagnostic.column - 1, 0)
    one_line = diagnostic.end_line == diagnostic.line
    end = diagnostic.end_column - 1 if one_line else len(raw.rstrip())
    offset = 0 if end <= _SNIPPET_WIDTH else min(start, len(raw))
    before, marked = escaped(raw[offset:start]), escaped(raw[start:end])
    line = escaped(raw[offset : offset + _SNIPPET_WIDTH])
    carets = "^" * max(min(len(marked), _SNIPPET_WIDTH - len(before)), 1)
    number = str(diagnostic.line)
    return [(f"  {number} | {line}", ""), (f"  {' ' * len(number)} | {' ' * len(before)}", carets)]


def text(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], colour: bool = False) -> str:
    """For people: place, message, the line with carets under it, and the fix."""

    def paint(code: str, part: str) -> str:
        return f"{code}{part}{_PLAIN}" if colour and part else part

    out: list[str] = []
    for d in diagnostics:
        kind = paint(_RED if d.severity == ERROR else _YELLOW, f"{d.severity} {d.rule}")
        out.append(f"{paint(_BOLD, escaped(_place(d)))}: {kind}: {escaped(d.message)}")
        out.extend(line + paint(_CYAN, carets) for line, carets in _snippet(d, sources.get(d.file, "")))
        if d.fix:
            out.append(f"  {paint(_CYAN, 'fix')}: {escaped(d.fix)}")
    return "".join(line + "\n" for line in out)


def _place(d: Diagnostic) -> str:
    return f"{d.file}:{d.line}:{d.column}" if d.line else d.file


def _message(d: Diagnostic) -> str:
    return escaped(f"{d.message}; {d.fix}" if d.fix else d.message)


def as_json(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> str:  # noqa: ARG001
    """For programs (docs/schemas/validate.schema.json). `version` is that of the fields."""
    keys = {"end_line": "endLine", "end_column": "endColumn"}
    entries = [{keys.get(k, k): v for k, v in vars(d).items()} for d in diagnostics]
    return json.dumps({"version": 1, "diagnostics": entries}, indent=2) + "\n"


def sarif(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> str:
    """SARIF 2.1.0, as GitHub's code scanning and GitLab take it."""
    from tfconfig.checking.rules import RULES  # here, because loading the rules takes time

    ids = sorted({d.rule for d in diagnostics})
    rules = [_rule(id, RULES.get(id)) for id in ids]
    seen: dict[str, int] = {}
    results: list[dict[str, Any]] = []
    for d in diagnostics:
        results.append(
            {
                "ruleId": d.rule,
                "ruleIndex": ids.index(d.rule),
                "level": d.severity,
                "message": {"text": _message(d)},
                "locations": [_location(d)],
                "partialFingerprints": {"tfconfig/v1": _fingerprint(d, sources, seen)},
            }
        )
    driver = {"name": "tfconfig", "version": __version__, "informationUri": __url__, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2) + "\n"


def _rule(id: str, rule: Rule | None) -> dict[str, Any]:
    if rule is None:
        return {"id": id}
    return {
        "id": id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.fix} (`tfconfig explain {id}`)"},
    }


def _location(d: Diagnostic) -> dict[str, Any]:
    named = [{"fullyQualifiedName": d.path}] if d.path else []
    if not d.line:  # a --set argument or an option: there is no file to point at
        return {"logicalLocations": named or [{"name": escaped(d.file)}]}
    region = {"startLine": d.line, "startColumn": max(d.column, 1)}
    if (d.end_line, d.end_column) > (d.line, max(d.column, 1)):
        region |= {"endLine": d.end_line, "endColumn": max(d.end_column, 1)}
    physical = {"artifactLocation": {"uri": _uri(d.file)}, "region": region}
    return {"physicalLocation": physical, **({"logicalLocations": named} if named else {})}


def _uri(file: str) -> str:
    """Relative to the current directory, which in a CI is the checkout; absolute outside of it."""
    from urllib.parse import quote

    path = Path(os.path.normpath(Path.cwd() / file))
    inside = path.is_relative_to(Path.cwd())
    return quote(path.relative_to(Path.cwd()).as_posix(), errors="replace") if inside else path.as_uri()


def _fingerprint(d: Diagnostic, sources: Mapping[str, str], seen: dict[str, int]) -> str:
    """Stays the same when only other lines of the file change; the n-th of equal diagnostics stays the n-th."""
    import hashlib

    line = _line(d, sources.get(d.file, "")).strip()
    key = "\n".join((d.rule, escaped(d.file), d.path, escaped(line)))
    number = seen[key] = seen.get(key, 0) + 1
    return f"{hashlib.sha256(key.encode()).hexdigest()[:32]}:{number}"


def junit(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> str:
    """JUnit XML: a test case per diagnostic, which fails for an error, and one that passes per file without any.

    With the attributes that the schema of Jenkins' xunit plugin knows (junit-10.xsd): the place is in the name.
    """
    import xml.etree.ElementTree as ET

    failures = str(sum(d.severity == ERROR for d in diagnostics))
    reported = {d.file for d in diagnostics}
    clean = [file for file in sources if file not in reported]
    count = {"tests": str(len(diagnostics) + len(clean)), "failures": failures, "errors": "0"}
    root = ET.Element("testsuites", {"name": "tfconfig", **count})
    suite = ET.SubElement(root, "testsuite", {"name": "tfconfig validate", **count})
    for file in clean:
        ET.SubElement(suite, "testcase", classname=escaped(file), name="no errors")
    for d in diagnostics:
        case = ET.SubElement(suite, "testcase", classname=escaped(d.file), name=escaped(f"{d.rule} {_place(d)}"))
        if d.severity == ERROR:
            element = ET.SubElement(case, "failure", type=d.rule, message=_message(d))
        else:
            element = ET.SubElement(case, "system-out")
        element.text = text([d], sources)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def github(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> str:  # noqa: ARG001
    """GitHub Actions' workflow commands: annotations at the lines of a pull request."""
    out: list[str] = []
    for d in diagnostics:
        where: dict[str, object] = {"file": d.file, "line": d.line, "endLine": d.end_line} if d.line else {}
        if d.line and d.line == d.end_line:  # GitHub takes columns within a line only
            where |= {"col": d.column, "endColumn": d.end_column}
        properties = ",".join(
            f"{key}={_github_value(value, ':,')}" for key, value in {**where, "title": d.rule}.items()
        )
        message = f"{_place(d)}: {d.message}" + (f"\nfix: {d.fix}" if d.fix else "")
        out.append(f"::{d.severity} {properties}::{_github_value(message)}")
    if len(diagnostics) > _MAX_ANNOTATIONS:
        out.append(
            f"GitHub shows {_MAX_ANNOTATIONS} errors and {_MAX_ANNOTATIONS} warnings per step; this log has all."
        )
    return "".join(line + "\n" for line in out)


def _github_value(value: object, more: str = "") -> str:
    """For a workflow command: https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts"""
    return escaped(re.sub(f"[%\r\n{more}]", lambda match: f"%{ord(match[0]):02X}", str(value)))


def summary(diagnostics: Sequence[Diagnostic], jobs: int) -> str:
    """One line for people: `1 job checked: 1 error, 2 warnings`."""
    errors = sum(d.severity == ERROR for d in diagnostics)
    counts = [(errors, "error"), (len(diagnostics) - errors, "warning")]
    parts = [f"{number} {noun}{'s' * (number > 1)}" for number, noun in counts if number]
    return f"{jobs} job{'s' * (jobs > 1)} checked: {', '.join(parts) or 'no errors'}"


# -o NAME; each takes the ordered diagnostics and the text of each file that they name.
FORMATS: dict[str, Callable[[Sequence[Diagnostic], Mapping[str, str]], str]] = {
    "text": text,
    "json": as_json,
    "sarif": sarif,
    "junit": junit,
    "github": github,
}
