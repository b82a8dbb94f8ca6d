"""Documents: links lead somewhere, and each symptom has a test that makes it happen."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")) + sorted(ROOT.glob("[ctve]*/**/README.md"))
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
ENTRIES = re.findall(r"^### (.+)\n((?:(?!^#).*\n?)*)", TROUBLESHOOTING.read_text("utf-8"), re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)(?:\[(\w+)\])?`")


def functions_of(file: str) -> set[str]:
    """The functions of a test file."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("symptom", "text"), ENTRIES, ids=[symptom for symptom, _ in ENTRIES])
def test_symptom_names_the_test_that_makes_it_happen(symptom: str, text: str) -> None:
    _, lead, named = text.partition("\nTest:")
    assert lead, symptom
    assert TEST.search(named), symptom


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_named_tests_and_linked_files_are_there(document: Path) -> None:
    text = document.read_text("utf-8")
    for file, name, case in TEST.findall(text):
        assert name in functions_of(file), f"{file}::{name}"
        if case:
            assert re.search(rf'["\']{case}["\']', (ROOT / file).read_text("utf-8")), f"{name}[{case}]"
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), target
