"""Settings of a role's pods, on their way from the manifest to the values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tfconfig.convert.fields import Field, Path


@dataclass
class Setting:
    """The value of a key, and the field that each part of it comes from."""

    value: Any
    parts: list[tuple[Field, Path]] = field(default_factory=list)


@dataclass
class Settings:
    """The settings of one role, by their key in the values."""

    of: dict[str, Setting] = field(default_factory=dict)

    def put(self, key: str, value: Any, source: Field | None, at: Path = ()) -> None:
        """Set a key, or a part of it. Without a source, it is nothing that the manifest says."""
        if not at:
            self.of[key] = Setting(value, [(source, ())] if source else [])
            return
        setting = self.of.setdefault(key, Setting({}))
        place = setting.value
        for name in at[:-1]:
            place = place.setdefault(name, {})
        place[at[-1]] = value
        if source:
            setting.parts.append((source, at))

    def append(self, key: str, value: Any, source: Field, at: Path = ()) -> None:
        """Add an item to a list."""
        setting = self.of.setdefault(key, Setting({} if at else []))
        items = setting.value
        for i, name in enumerate(at):
            items = items.setdefault(name, [] if i == len(at) - 1 else {})
        items.append(value)
        setting.parts.append((source, (*at, len(items) - 1)))
