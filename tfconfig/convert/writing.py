"""Values -> the text of a values file, with the comments of the manifest and our own."""

from __future__ import annotations

import shlex
from typing import Any

from tfconfig.checking.ignores import is_ignore
from tfconfig.convert.comments import Moved
from tfconfig.convert.convert import Conversion
from tfconfig.convert.fields import Path
from tfconfig.convert.report import LOST, MISSING
from tfconfig.convert.scalars import literal, scalar
from tfconfig.terminal import escaped_line
from tfconfig.values.job_spec import ROLES

# In the order of `tfconfig init`, then of the chart's values.
_ORDER = (
    "strategy", "image", "imagePullSecrets", "program", "env", "envFrom", "python", "pythonFrom", "gpuResource",
    "chief", "worker", "ps", "evaluator", "resources", "checkpoint", "tensorboard", "data", "completion", "restart",
    "deadlines", "cleanup", "suspend", "nodeSelector", "tolerations", "affinity", "topologySpreadConstraints",
    "priorityClassName", "runtimeClassName", "schedulerName", "podGroup", "podLabels", "podAnnotations",
    "podSecurityContext", "securityContext", "initContainers", "extraContainers", "extraVolumes", "extraVolumeMounts",
    "shmSize", "terminationGracePeriodSeconds", "podSpec", "container",
)  # fmt: skip
_IN_ROLES = ("replicas", "gpus", "image", "program")
_IN_MAPS = {
    "image": ("repository", "tag", "digest", "pullPolicy"),
    "program": ("command", "args", "workingDir"),
    "resources": ("requests", "limits", "claims"),
}
_WIDTH = 100
_HEAD = """\
# {title}, converted by `tfconfig convert`. What is different here: docs/from-tfjob.md
#
#   tfconfig validate values.yaml   check this file, without a cluster
#   tfconfig run values.yaml        run the job on this machine
#   helm install {name} "$(tfconfig chart)" {namespace}-f values.yaml && tfconfig wait {name}{wait_namespace}
"""


def write(conversion: Conversion, moved: Moved) -> str:
    """The text of the values file."""
    form = conversion.form
    name, namespace = (_line(shlex.quote(text)) if text else "" for text in (form.name, form.namespace))
    head = _HEAD.format(
        title=_line(form.title),
        name=name or "NAME",
        namespace=f"-n {namespace} " if namespace else "",
        wait_namespace=f" -n {namespace}" if namespace else "",
    )
    parts = [head, *([_comment(moved.head, "")] if moved.head else []), *_missing(conversion)]
    return "\n".join([*parts, _Writer(conversion, moved).text(), *_lost(conversion, moved)])


def _line(text: str) -> str:
    """A text for a comment: what a manifest has in it must neither end the comment nor ignore diagnostics."""
    line = escaped_line(" ".join(text.splitlines()))
    return line.replace("tfconfig:", "tfconfig :") if is_ignore(f"# {line}") else line


def _comment(texts: list[str], indent: str) -> str:
    return "".join(f"{indent}# {_line(text)}".rstrip() + "\n" for text in texts)


def _missing(conversion: Conversion) -> list[str]:
    """What the values do not work without."""
    items = conversion.report.of(MISSING)
    return (
        [_comment([f"TODO {item.target or item.source}: {item.message}; {item.fix}" for item in items], "")]
        if items
        else []
    )


def _lost(conversion: Conversion, moved: Moved) -> list[str]:
    """What was not carried over, with its comments."""
    texts = []
    for item in conversion.report.of(LOST):
        texts.append(f"  {item.source}: {'; '.join(filter(None, (item.message, item.fix)))}")
        texts += [f"    # {text}" for text in moved.of_lost.get(item.line, [])]
        moved.of_lost.pop(item.line, None)
    return [_comment(["Not carried over:", *texts], "")] if texts else []


class _Writer:
    def __init__(self, conversion: Conversion, moved: Moved) -> None:
        self.values = conversion.draft.values
        self.notes = conversion.draft.beside
        self.above, self.beside = moved.above, moved.beside
        self.commented = {path[:i] for path in (*moved.above, *moved.beside, *self.notes) for i in range(len(path))}

    def text(self) -> str:
        """All values: a blank line around what takes more than one."""
        blocks = [self._entry((key,), self.values[key], "") for key in self._sorted((), self.values)]
        lines: list[str] = []
        for i, block in enumerate(blocks):
            if i and (len(block) > 1 or len(blocks[i - 1]) > 1):
                lines.append("")
            lines += block
        return "\n".join(lines) + "\n"

    def _sorted(self, path: Path, value: dict[str, Any]) -> list[str]:
        order: tuple[str, ...] = _IN_MAPS.get(str(path[-1]), ()) if path else _ORDER
        if len(path) == 1 and path[0] in ROLES:
            order = (*_IN_ROLES, *_ORDER)
        return sorted(value, key=lambda key: order.index(key) if key in order else len(order))

    def _remark(self, path: Path) -> str:
        texts = [text for text in (self.notes.get(path, ""), self.beside.get(path, "")) if text]
        return f"  # {_line('; '.join(texts))}" if texts else ""

    def _entry(self, path: Path, value: Any, indent: str) -> list[str]:
        """A key and its value."""
        above = _comment(self.above.get(path, []), indent).splitlines()
        key, remark = f"{indent}{scalar(path[-1])}:", self._remark(path)
        if isinstance(value, (dict, list)) and value:
            flow = self._flow(path, value) if len(path) > 1 or isinstance(value, list) else None
            if flow is not None and len(key) + len(flow) < _WIDTH:
                return [*above, f"{key} {flow}{remark}"]
            return [*above, f"{key}{remark}", *self._block(path, value, indent)]
        if block := literal(value, indent + "  "):
            return [*above, f"{key} {block[0]}{remark}", *block[1:]]
        return [*above, f"{key} {self._flow(path, value)}{remark}"]

    def _block(self, path: Path, value: Any, indent: str) -> list[str]:
        if isinstance(value, dict):
            keys = self._sorted(path, value)
            return [line for key in keys for line in self._entry((*path, key), value[key], indent + "  ")]
        return [line for i, item in enumerate(value) for line in self._item((*path, i), item, indent + "  ")]

    def _item(self, path: Path, value: Any, indent: str) -> list[str]:
        """An item of a list."""
        above = _comment(self.above.get(path, []), indent).splitlines()
        remark = self._remark(path)
        flow = self._flow(path, value)
        if block := literal(value, indent + "  "):
            return [*above, f"{indent}- {block[0]}{remark}", *block[1:]]
        if not isinstance(value, (dict, list)) or not value or (flow is not None and len(flow) + len(indent) < _WIDTH):
            return [*above, f"{indent}- {flow}{remark}"]
        if isinstance(value, list):
            return [*above, f"{indent}-{remark}", *self._block(path, value, indent)]
        lines = self._block(path, value, indent)
        comments = 0
        while lines[comments].lstrip().startswith("#"):
            comments += 1
        first = lines[comments]
        if remark and not first.endswith("|"):
            above, remark = [*above, f"{indent}#{remark[3:]}"], ""
        start = f"{indent}- {first[len(indent) + 2 :]}"
        return [*above, *(line[2:] for line in lines[:comments]), start, *lines[comments + 1 :]]

    def _flow(self, path: Path, value: Any, depth: int = 0) -> str | None:
        """A value on one line; None where it should not be."""
        if not isinstance(value, (dict, list)):
            return None if depth and isinstance(value, str) and "\n" in value.rstrip("\n") else scalar(value)
        if not value:
            return "{}" if isinstance(value, dict) else "[]"
        if path in self.commented or depth > 1:
            return None
        keys: list[Any] = self._sorted(path, value) if isinstance(value, dict) else list(range(len(value)))
        texts = [self._flow((*path, key), value[key], depth + 1) for key in keys]
        if None in texts:
            return None
        if isinstance(value, dict):
            return "{" + ", ".join(f"{scalar(key)}: {text}" for key, text in zip(keys, texts, strict=True)) + "}"
        return f"[{', '.join(str(text) for text in texts)}]"
