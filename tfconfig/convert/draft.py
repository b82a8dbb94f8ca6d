"""Values in the making: each with the lines of the manifest that it comes from, and comments of our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tfconfig.convert.fields import Field, Path


@dataclass
class Draft:
    """The values of one job."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, list[int]] = field(default_factory=dict)  # value -> lines of the manifest
    beside: dict[Path, str] = field(default_factory=dict)  # value -> our comment beside it

    def set(self, path: Path, value: Any, parts: Sequence[tuple[Field, Path]] = ()) -> None:
        """Set a value."""
        place: Any = self.values
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value
        for source, at in parts:
            self._trace((*path, *at), value, at, source)

    def _trace(self, path: Path, value: Any, at: tuple[Any, ...], source: Field) -> None:
        """Remember where a value comes from, and all that is below it in both."""
        for name in at:
            value = value[name] if isinstance(value, list) or name in value else None
        self.lines.setdefault(path, []).append(source.line)
        if isinstance(value, (dict, list)):
            for child in source.children():
                key: Any = child.path[-1]
                inside = key in value if isinstance(value, dict) else isinstance(key, int) and key < len(value)
                if inside:
                    self._trace((*path, key), value[key], (), child)

    def note(self, path: Path, text: str) -> None:
        """Say something beside a value."""
        self.beside[path] = text
