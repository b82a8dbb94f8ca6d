"""The comments of a manifest, and the values that they move to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from tfconfig.checking.ignores import is_ignore
from tfconfig.convert.fields import Field, Path
from tfconfig.convert.forms import Form
from tfconfig.convert.report import LOST

LAST_LINE = 1 << 30  # of comments with nothing after them


@dataclass
class Comments:
    """Comments by the line that they are about. Without the #."""

    above: dict[int, list[str]] = field(default_factory=dict)
    beside: dict[int, str] = field(default_factory=dict)


@dataclass
class Moved:
    """Comments by the value that they are about."""

    head: list[str] = field(default_factory=list)
    above: dict[Path, list[str]] = field(default_factory=dict)
    beside: dict[Path, str] = field(default_factory=dict)
    of_lost: dict[int, list[str]] = field(default_factory=dict)  # by the line of a field that was not carried over


def find(text: str) -> Comments:
    """Find the comments of a file: what stands between two tokens of YAML and starts with #.

    Not those that ignore diagnostics: they are about the manifest, and who wrote it may not decide about the values.
    """
    result, end, waiting = Comments(), 0, list[str]()
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if token.start_mark.index > end or waiting:
                line = text.count("\n", 0, end) + 1
                for i, part in enumerate(text[end : token.start_mark.index].split("\n")):
                    mark = part.find("#")
                    if mark < 0 or is_ignore(part[mark:]):
                        continue
                    comment = part[mark + 1 :].strip()
                    before = text[text.rfind("\n", 0, end) + 1 : end] if i == 0 else ""
                    if before.strip():
                        result.beside[line + i] = comment
                    else:
                        waiting.append(comment)
            if waiting and token.start_mark.index < token.end_mark.index:
                result.above[token.start_mark.line + 1] = waiting
                waiting = []
            end = max(end, token.end_mark.index)
    except yaml.YAMLError:
        pass  # the rest has no comments that could be trusted
    if waiting:
        result.above[LAST_LINE] = waiting
    return result


def move(comments: Comments, form: Form, lines: Mapping[Path, Sequence[int]]) -> Moved:
    """Bring each comment to the value that its line became; else to the next one, or to the head of the file."""
    moved, nodes = Moved(), _nodes(form.root)
    first = min(nodes, default=0)
    targets: dict[int, Path] = {}
    for path, of in lines.items():
        for line in of:
            if line not in targets or len(path) < len(targets[line]):
                targets[line] = path
    lost = sorted((item.line for item in form.report.items if item.kind == LOST and item.line), reverse=True)
    for line in sorted({*comments.above, *comments.beside}):
        above, beside = comments.above.get(line, []), comments.beside.get(line, "")
        texts = [*above, *([beside] if beside else [])]
        gone = next((at for at in lost if at <= line and _within(nodes, at, line)), 0)
        following = min((at for at in targets if at > line), default=0)
        if not form.lines[0] <= line < form.lines[1]:
            pass  # of another document
        elif gone:
            moved.of_lost.setdefault(gone, []).extend(texts)
        elif line in targets:
            path = targets[line]
            _add(moved.above, path, above)
            if beside and moved.beside.setdefault(path, beside) != beside:
                _add(moved.above, path, [beside])
        elif line <= first or nodes.get(line, ("",))[0] in ("metadata", "status") or not following:
            moved.head.extend(texts)
        else:
            _add(moved.above, targets[following], texts)
    return moved


def _nodes(root: Field) -> dict[int, Path]:
    """The outermost field that starts on each line."""
    result: dict[int, Path] = {}
    waiting = [root]
    while waiting:
        at = waiting.pop(0)
        if at.path:
            result.setdefault(at.line, at.path)
        waiting.extend(at.children())
    return result


def _within(nodes: Mapping[int, Path], outer: int, line: int) -> bool:
    """Whether a line belongs to the field that starts on another."""
    path = nodes.get(outer)
    inner = nodes.get(line)
    return bool(path and inner and inner[: len(path)] == path)


def _add(to: dict[Path, list[str]], path: Path, texts: Sequence[str]) -> None:
    have = to.setdefault(path, [])
    have.extend(text for text in texts if text not in have)
