"""Which package of the tool may import which: read from the import statements, those inside functions included."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import tfconfig

ROOT = Path(tfconfig.__file__).resolve().parent
POD = "tensorflow_job"  # the code that runs in the pods, a link to chart/files
SHARED = {"values", "root", POD}

# Package -> the packages that it may import besides itself. "root": the modules right under tfconfig/.
ALLOWED: dict[str, set[str]] = {
    "commands": {"checking", "cluster", "convert", "local", "records", *SHARED},
    "checking": SHARED,
    "cluster": SHARED,
    "convert": {"checking", *SHARED},  # which fields pods have, and how long names may be
    "local": SHARED,
    "records": {"root", POD},
    "values": {"root", POD},
    "root": set(),  # cli.py loads commands by name, when they are used
    POD: set(),
}
Sources = Mapping[str, str]  # name of a module -> its text


@functools.cache
def sources() -> Sources:
    """Every module of the tool, and of the code in the pods under the name by which the tool imports it."""
    files = [*ROOT.rglob("*.py"), *(ROOT / POD).rglob("*.py")]
    texts = {}
    for file in files:
        if "_chart" not in file.relative_to(ROOT).parts:
            parts = ("tfconfig", *file.relative_to(ROOT).with_suffix("").parts)
            texts[".".join(parts).removesuffix(".__init__")] = file.read_text("utf-8")
    return texts


def package(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ALLOWED else "root"


@functools.cache
def statements(text: str) -> list[ast.Import | ast.ImportFrom]:
    """The import statements of a module's text."""
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom))]


def imports(module: str, modules: Sources) -> Iterator[str]:
    """The modules and packages of the tool that a module imports."""
    known = {*modules, *(name.rpartition(".")[0] for name in modules)}
    is_package = any(other.startswith(f"{module}.") for other in modules)
    for node in statements(modules[module]):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            base = module.split(".")[: -node.level + is_package or None] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{start}.{alias.name}" for alias in node.names]
        for name in names:
            if name.split(".")[0] == "tfconfig":
                yield name if name in known else name.rpartition(".")[0]


def violations(modules: Sources) -> list[str]:
    """`importing module -> imported module` of every import that ALLOWED does not allow."""
    return [
        f"{module} -> {imported}"
        for module in modules
        for imported in imports(module, modules)
        if package(imported) not in {package(module), *ALLOWED[package(module)]}
    ]


def cycles(modules: Sources) -> list[str]:
    """The packages from which imports lead back to themselves through others."""
    edges: dict[str, set[str]] = {name: set() for name in ALLOWED}
    for module in modules:
        edges[package(module)] |= {package(imported) for imported in imports(module, modules)}
    reached = {name: others - {name} for name, others in edges.items()}
    for _ in ALLOWED:
        reached = {name: others.union(*(reached[other] for other in others)) for name, others in reached.items()}
    return [name for name, others in reached.items() if name in others]


def test_packages_import_only_what_they_may() -> None:
    modules = sources()
    assert {package(module) for module in modules} == set(ALLOWED)
    assert violations(modules) == []
    assert cycles(modules) == []


@pytest.mark.parametrize(
    ("module", "statement", "imported"),
    [
        ("tfconfig.values.load", "from tfconfig.checking.rules import RULES", "tfconfig.checking.rules"),
        ("tfconfig.checking.schema", "from tfconfig.cluster import helm", "tfconfig.cluster.helm"),
        ("tfconfig.checking.rules.job", "from tfconfig import local", "tfconfig.local"),
        ("tfconfig.checking.rules.job", "from tfconfig.local.runner import Local", "tfconfig.local.runner"),
        ("tfconfig.cluster.helm", "import tfconfig.commands.options", "tfconfig.commands.options"),
        ("tfconfig.cluster.helm", "def f():\n    from ..commands import options", "tfconfig.commands.options"),
        ("tfconfig.checking.schema", "from tfconfig.convert import reading", "tfconfig.convert.reading"),
        ("tfconfig.local.runner", "from tfconfig.cluster.jobs import find", "tfconfig.cluster.jobs"),
        ("tfconfig.terminal", "from tfconfig.values import chart", "tfconfig.values.chart"),
        ("tfconfig.tensorflow_job.task.task", "from tfconfig import terminal", "tfconfig.terminal"),
        ("tfconfig.tensorflow_job.task.task", "from tfconfig import __version__", "tfconfig"),
    ],
)
def test_a_forbidden_import_is_found(module: str, statement: str, imported: str) -> None:
    modules = {**sources(), module: f"{sources()[module]}\n{statement}\n"}
    assert violations(modules) == [f"{module} -> {imported}"]


def test_a_cycle_of_packages_is_found() -> None:
    modules = {**sources(), "tfconfig.values.load": "from tfconfig.checking import schema"}
    assert set(cycles(modules)) == {"checking", "values"}


def test_relative_imports_are_resolved() -> None:
    modules = {
        "tfconfig.a": "",
        "tfconfig.a.b": "from . import c\nfrom .c import x\nfrom .. import a",
        "tfconfig.a.c": "",
    }
    assert list(imports("tfconfig.a.b", modules)) == ["tfconfig.a.c", "tfconfig.a.c", "tfconfig.a"]
    modules["tfconfig.a"] = "from .b import x"
    assert list(imports("tfconfig.a", modules)) == ["tfconfig.a.b"]
