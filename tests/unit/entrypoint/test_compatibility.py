"""What runs in the user's image keeps to Python 3.6 (images of TensorFlow 1.15 have it) and to the standard library."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.entrypoint.conftest import ENTRYPOINT

IN_USERS_IMAGE = ["__init__", "__main__", "cluster", "logs", "peers", "process", "progress", "server", "task"]


@pytest.mark.parametrize("name", IN_USERS_IMAGE)
def test_it_parses_as_python_3_6(name: str) -> None:
    ast.parse((ENTRYPOINT / f"{name}.py").read_text(), feature_version=(3, 6))


@pytest.mark.parametrize("name", IN_USERS_IMAGE)
def test_it_uses_only_what_the_library_of_python_3_6_has(name: str) -> None:
    # vermin knows in which version each function, argument and module of the standard library came.
    command = [
        sys.executable,
        "-c",
        "import vermin; vermin.main()",
        "--no-tips",
        "-t=3.6-",
        "--violations",
        str(ENTRYPOINT / f"{name}.py"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", sorted(ENTRYPOINT.glob("*.py")), ids=lambda path: path.stem)
def test_it_imports_nothing_but_the_standard_library(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imports |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    foreign = {name.partition(".")[0] for name in imports} - set(sys.stdlib_module_names)
    assert foreign <= ({"tensorflow"} if path.stem == "server" else set())


def test_these_are_the_files_that_training_pods_get() -> None:
    # The chart's template gives them every file but those of the lifecycle, which has an image of its own.
    template = (ENTRYPOINT.resolve().parents[1] / "templates/_lifecycle.tpl").read_text()
    own = re.search(r"\$own := list (.*?) -\}\}", template)
    assert own
    files = {path.name for path in ENTRYPOINT.glob("*.py")} - set(re.findall(r'"(.*?)"', own[1]))
    assert files == {f"{name}.py" for name in IN_USERS_IMAGE}
