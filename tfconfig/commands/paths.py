"""The types of options and arguments that are paths."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from tfconfig.terminal import visible
from tfconfig.values.paths import exists, is_folder


class _Named(click.Path):
    """A path. An empty one would be the current folder, or mean that the option is not there: `--logs "$UNSET"`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Raises BadParameter."""
        if not os.fspath(value):
            self.fail("empty; name a path", param, ctx)
        return super().convert(value, param, ctx)


class _Folder(_Named):
    """A folder, there or to be made."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Raises BadParameter."""
        path = super().convert(value, param, ctx)
        if exists(path) and not is_folder(path):
            self.fail(f"{visible(str(path))} is a file; name a folder", param, ctx)
        return path


TEXT = _Named(readable=False)  # as it is typed: who reads it says why it cannot be read
PATH = _Named(path_type=Path)
FOLDER = _Folder(path_type=Path)
