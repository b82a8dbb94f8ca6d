"""What runs in the user's image keeps to Python 3.6 (images of TensorFlow 1.15 have it) and to the standard library."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.interpreters import oldest
from tests.unit.task.conftest import TASK

FILES = sorted(file for file in TASK.glob("*.py") if file.stem != "contracts")  # which nothing imports in a pod


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_parses_as_python_3_6(file: Path) -> None:
    ast.parse(file.read_text(), feature_version=(3, 6))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_uses_only_what_the_library_of_python_3_6_has(file: Path) -> None:
    # vermin knows in which version each function, argument and module of the standard library came.
    command = [sys.executable, "-c", "import vermin; vermin.main()", "--no-tips", "-t=3.6-", "--violations", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "file", [*FILES, *sorted((TASK.parent / "lifecycle").glob("*.py"))], ids=lambda file: file.stem
)
def test_it_imports_nothing_but_the_standard_library(file: Path) -> None:
    tree = ast.parse(file.read_text())
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imports |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    foreign = {name.partition(".")[0] for name in imports} - set(sys.stdlib_module_names)
    assert foreign <= ({"tensorflow"} if file.stem == "server" else set())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_needs_nothing_of_the_lifecycle(file: Path) -> None:
    # Training pods have the folder task alone.
    tree = ast.parse(file.read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level > 1]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_contracts_are_imported_for_the_type_checker_alone(file: Path) -> None:
    module = ast.parse(file.read_text())
    checked = [node for node in module.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    for_types = {id(node) for block in checked for node in ast.walk(block)}
    imports = [node for node in ast.walk(module) if isinstance(node, ast.ImportFrom) and node.module == "contracts"]
    assert all(id(node) in for_types for node in imports)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_imported_by_the_oldest_python_here(file: Path) -> None:
    code = f"import sys, importlib; sys.path.insert(0, {str(TASK.parents[1])!r}); sys.dont_write_bytecode = True; "
    code += f"importlib.import_module('{TASK.parent.name}.task.{file.stem}')"
    done = subprocess.run([oldest((3, 6)), "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
