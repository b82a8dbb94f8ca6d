"""The fields of a manifest: values with the path and the line where they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tfconfig.diagnostics import dotted
from tfconfig.values.helm_yaml import Node, kind, plain

Path = tuple[str | int, ...]


class UnconvertibleError(Exception):
    """The manifest cannot be converted; carries the place, what is wrong and what to do."""

    def __init__(self, field: Field, message: str, fix: str) -> None:
        super().__init__(message)
        self.field, self.message, self.fix = field, message, fix


@dataclass(frozen=True)
class Field:
    """A value of the manifest. null is as good as absent, as it is to Kubernetes."""

    node: Node
    path: Path = ()

    def child(self, *names: str | int) -> Field | None:
        """The field below this one, or None."""
        field = self
        for name in names:
            value = field.node.value
            node: Node | None = None
            if isinstance(value, dict) and isinstance(name, str):
                node = value.get(name)
            elif isinstance(value, list) and isinstance(name, int) and name < len(value):
                node = value[name]
            if node is None or node.value is None:
                return None
            field = Field(node, (*field.path, name))
        return field

    def children(self) -> list[Field]:
        """The entries of a map or list that are not null."""
        value = self.node.value
        names: list[str | int] = list(value) if isinstance(value, dict) else list(range(len(self.entries())))
        return [child for name in names if (child := self.child(name))]

    def entries(self) -> list[Node]:
        """The items of a list."""
        return self.node.value if isinstance(self.node.value, list) else []

    @property
    def name(self) -> str:
        """The last part of the path."""
        return str(self.path[-1])

    @property
    def value(self) -> Any:
        """The value without places."""
        return plain(self.node)

    @property
    def line(self) -> int:
        """The line of the key, or of the item of a list."""
        return (self.node.key_origin or self.node.origin).line

    @property
    def shown(self) -> str:
        """The path as people write it."""
        return dotted(self.path)

    def a_map(self) -> Field:
        """This field, which must be a map."""
        if not isinstance(self.node.value, dict):
            raise UnconvertibleError(self, f"expected a map, found {kind(self.value)}", "correct the manifest")
        return self

    def a_list(self) -> list[Field]:
        """The items of this field, which must be a list."""
        if not isinstance(self.node.value, list):
            raise UnconvertibleError(self, f"expected a list, found {kind(self.value)}", "correct the manifest")
        return self.children()

    def text(self) -> str:
        """The value of this field, which must be a string; numbers and booleans are taken as written for one."""
        value = self.node.value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            return str(value)
        if not isinstance(value, str):
            raise UnconvertibleError(self, f"expected a string, found {kind(self.value)}", "correct the manifest")
        return value

    def number(self) -> int:
        """The value of this field, which must be an integer."""
        value = self.node.value
        if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,18}\s*", value):
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise UnconvertibleError(self, f"expected an integer, found {kind(self.value)}", "correct the manifest")
        return value


def children_at(field: Field | None, *names: str | int) -> list[Field]:
    """The entries of the map or list below a field; none where there is none."""
    child = field.child(*names) if field else None
    if child and not isinstance(child.node.value, (dict, list)):
        raise UnconvertibleError(child, f"expected a list or map, found {kind(child.value)}", "correct the manifest")
    return child.children() if child else []


def text_at(field: Field | None, *names: str | int) -> str:
    """The text below a field; empty where there is none."""
    child = field.child(*names) if field else None
    return child.text() if child else ""
