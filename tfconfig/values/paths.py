"""Paths from outside, which may be such as no file can have."""

from __future__ import annotations

import os
from pathlib import Path


def exists(path: Path) -> bool:
    """Whether there is such a file or folder. False for a path too long to be one, where `Path.exists` raises."""
    return os.path.exists(path)  # noqa: PTH110


def is_folder(path: Path) -> bool:
    """Whether there is such a folder. False for a path too long to be one, where `Path.is_dir` raises."""
    return os.path.isdir(path)  # noqa: PTH112
