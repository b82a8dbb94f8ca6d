"""Documents: what they link to and name exists, contracts are complete, each symptom has a test that reproduces it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from tfconfig.cli import COMMANDS
from tfconfig.tensorflow_job.task import contracts, messages
from tfconfig.values import job_spec
from tfconfig.values.load import load

ROOT = Path(__file__).parents[2]
LEFT_OUT = {"build", "node_modules"}
DOCUMENTS = sorted(
    file
    for file in ROOT.rglob("*.md")
    if not any(part in LEFT_OUT or (part[0] == "." and part != ".github") for part in file.relative_to(ROOT).parts)
)
ARCHITECTURE = ROOT / "docs" / "architecture.md"
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
ENTRIES = re.findall(r"^### (.+)\n((?:(?!^#).*\n?)*)", TROUBLESHOOTING.read_text("utf-8"), re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)(?:\[(\w+)\])?`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# Where a path in a document may start: beside the document, or in one of these.
BASES = [ROOT, ROOT / "tfconfig", ROOT / "chart", ROOT / "chart" / "files"]
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))


def prose(file: Path) -> str:
    """A document without its code blocks."""
    return FENCE.sub("", file.read_text("utf-8"))


@cache
def anchors(file: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose(file), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {slug if number == 0 else f"{slug}-{number}" for slug, most in found.items() for number in range(most + 1)}


def code(file: Path) -> Iterator[str]:
    """What a document shows as code: spans and blocks."""
    yield from FENCE.findall(file.read_text("utf-8"))
    yield from re.findall(r"`([^`\n]+)`", prose(file))


@cache
def functions_of(file: str) -> set[str]:
    """The functions of a test file."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def table(document: Path, section: str) -> list[list[str]]:
    """The cells of the first column of each row in a section, as the code spans they hold."""
    text = document.read_text("utf-8").split(f"\n### {section}\n")[1].split("\n## ")[0].split("\n### ")[0]
    return [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in text.splitlines() if row.startswith("| `")]


@pytest.mark.parametrize(("symptom", "text"), ENTRIES, ids=[symptom for symptom, _ in ENTRIES])
def test_symptom_names_the_test_that_reproduces_it(symptom: str, text: str) -> None:
    _, lead, named = text.partition("\nTest:")
    assert lead, symptom
    assert TEST.search(named), symptom


@every_document
def test_named_tests_exist(document: Path) -> None:
    for file, name, case in TEST.findall(document.read_text("utf-8")):
        assert name in functions_of(file), f"{file}::{name}"
        if case:
            assert re.search(rf'["\']{case}["\']', (ROOT / file).read_text("utf-8")), f"{name}[{case}]"


@every_document
def test_links_lead_to_a_file_and_to_a_heading_in_it(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)", prose(document)):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        file = (document.parent / target).resolve() if target else document
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), f"{link}: the headings there are {sorted(anchors(file))}"


@every_document
def test_named_files_exist(document: Path) -> None:
    bases = [document.parent, *BASES]
    for word in (word for text in code(document) for word in text.split()):
        if not re.fullmatch(r"(\.{0,2}/)*[\w.-]+(/[\w.*-]+)+/?", word):
            continue
        first = word.split("/")[0]
        if first not in LEFT_OUT and any((base / first).is_dir() for base in bases):  # else no path of the repository
            assert any(list(base.glob(word.rstrip("/"))) for base in bases), word


@every_document
def test_named_commands_exist(document: Path) -> None:
    rules = re.findall(r"^([\w -]+):(?!=)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    for text in code(document):
        for named in re.findall(r"^ *make ((?:[a-z][\w-]* ?)+)", text, re.MULTILINE):
            assert set(named.split()) <= targets, text
        for named in re.findall(r"(?:^|[|-]) *tfconfig ([a-z]+)\b", text, re.MULTILINE):
            assert named in COMMANDS, text


def test_each_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = [name for names in re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE) for name in names.split()]
    assert len(targets) > 10
    for target in set(targets) - {"help"}:
        assert f"`make {target}`" in contributing, target
        assert f"make {target} " in shown, target


def test_each_document_is_listed_somewhere() -> None:
    listed = {
        (document.parent / link).resolve()
        for document in DOCUMENTS
        for link in re.findall(r"\]\(([^)#\s]+)", prose(document))
        if "://" not in link
    }
    lost = {file for file in DOCUMENTS if file.is_relative_to(ROOT / "docs")} - listed
    assert not lost


def test_the_table_of_job_json_has_its_keys() -> None:
    values = load([str(ROOT / "examples" / "digits" / "values.yaml")])
    made = job_spec.job(values.data, "digits", values.chart.strategies)
    rows = {tuple(row) for row in table(ARCHITECTURE, "job.json")}
    assert {key for row in rows for key in row} == made.keys() | {"addresses", "record"}
    text = ARCHITECTURE.read_text("utf-8")
    for part in (made["completion"], made["restart"], made["deadlines"], made["cleanup"], made["program"]):
        assert [key for key in part if f"`{key}`" not in text] == []


def test_the_section_of_status_json_has_its_fields_phases_and_reasons() -> None:
    text = ARCHITECTURE.read_text("utf-8").split("\n### status.json\n")[1].split("\n### ")[0]
    _, public, memory = re.split(r"\| field \| value \|\n|\nThe rest is", text)
    cells = re.findall(r"^\| (`.*?) \| (.*) \|$", public, re.MULTILINE)
    fields = {field for cell, _ in cells for field in re.findall(r"`(\w+)`", cell)}
    assert fields | set(re.findall(r"`(\w+)`", memory.split("\n\n")[0])) == set(
        get_type_hints(contracts.StatusDocument)
    )
    explained = dict(cells)
    assert re.findall(r"`(\w+)`", explained["`phase`"]) == list(get_args(contracts.Phase))
    assert ["", *re.findall(r"`(\w+)`", explained["`reason`, `message`"])] == list(get_args(contracts.Reason))
    for field, kind in (("progress", contracts.StatusProgress), ("history", contracts.StatusOutcome)):
        assert set(re.findall(r"`(\w+)`", explained[f"`{field}`"])) == set(get_type_hints(kind))


def test_the_table_of_termination_messages_has_them_all() -> None:
    rows = {key for row in table(ARCHITECTURE, "Termination messages") for key in row}
    assert rows == {text for name, text in vars(messages).items() if name.isupper() and isinstance(text, str)}


@pytest.mark.parametrize("program", ["task", "lifecycle"])
def test_the_map_has_every_module_in_the_pods(program: str) -> None:
    rows = ARCHITECTURE.read_text("utf-8").split(f"| `files/{program}` | |\n")[1].split("\n\n")[0]
    named = {name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == {file.stem for file in (ROOT / "chart" / "files" / program).glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("package", ["values", "checking", "cluster", "local", "records", "convert"])
def test_the_map_has_every_module_of_the_tool(package: str) -> None:
    rows = ARCHITECTURE.read_text("utf-8").split(f"| `tfconfig/{package}` | |\n")[1].split("\n\n")[0]
    named = {name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert {file.stem for file in (ROOT / "tfconfig" / package).glob("*.py")} - {"__init__"} - named == set()


def test_the_documents_make_a_site(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "StatefulSets" in (tmp_path / "site" / "index.html").read_text("utf-8")


def waits(file: Path) -> Iterator[tuple[str, str]]:
    """Lines of a file that wait for a job with Helm or kubectl, each with its paragraph (in a table: its row)."""
    for paragraph in re.split(r"\n\s*\n", file.read_text("utf-8")):
        for line in paragraph.splitlines():
            if not line.startswith("### ") and re.search("wait-for-jobs|condition=complete", line):  # ### is a symptom
                yield line, line if line.lstrip().startswith("|") else paragraph


def test_no_command_to_copy_hangs_after_a_failure() -> None:
    """Helm 3 reports a failed Job only at its timeout; `kubectl wait` for Complete never sees Failed."""
    shown = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    of_users = [
        ROOT / file for file in shown if not file.startswith(("tests/", "bench/", "hack/")) and file[-4:] != ".png"
    ]
    found = [(file, *wait) for file in of_users if file.is_file() for wait in waits(file)]
    assert found, "at least the notes and the troubleshooting guide name them"
    for file, line, paragraph in found:
        if "wait-for-jobs" in line:
            assert "Helm 4" in paragraph, f"{file}: {line}"
        if "condition=complete" in line:
            assert re.search(r"--timeout=[1-6]?\ds", line), f"{file}: {line}"
