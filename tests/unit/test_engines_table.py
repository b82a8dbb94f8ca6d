"""The table of what ran beside which engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hack.engines_table import PAGE, ROOT, Row, keep, scenario_of, version_of, with_table

ROW = Row("Kueue", "0.19.2", "1.37.2", "a job waits", "passed", 12)
PAGE_TEXT = "# Engines\n\n<!-- made by make test-engines -->\nold\n<!-- end -->\n\nNot run here.\n"


def test_a_name_of_a_test_is_a_scenario() -> None:
    assert scenario_of("test_a_job_waits") == "a job waits"
    assert scenario_of("test_a_job_waits[strict]") == "a job waits (strict)"


def test_versions_are_those_that_the_kit_builds() -> None:
    assert version_of("training-operator", "github.com/kubeflow/training-operator") == "1.8.1"
    assert version_of("kueue", "github.com/kubeflow/training-operator") != "1.8.1", "Kueue needs it as a library"
    with pytest.raises(ValueError, match="does not require"):
        version_of("kueue", "sigs.k8s.io/nosuch")


def test_the_table_is_replaced_and_the_rest_of_the_page_stays() -> None:
    page = with_table(PAGE_TEXT, [ROW])
    assert "| Kueue | 0.19.2 | 1.37.2 | a job waits | passed | 12 |" in page
    assert "old" not in page
    assert page.startswith("# Engines\n")
    assert page.endswith("Not run here.\n")
    assert with_table(page, [ROW]) == page


def test_a_page_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="between which the table stands"):
        with_table("# Engines\n", [ROW])


def test_an_engine_that_runs_alone_changes_its_own_lines(tmp_path: Path) -> None:
    file = tmp_path / "engines.json"
    keep({"a": ROW, "b": ROW}, file)
    keep({"b": Row("Kueue", "0.19.2", "1.37.2", "a job waits", "failed", 3)}, file)
    text = file.read_text()
    assert text.count("passed") == text.count("failed") == 1


def test_the_page_has_a_place_for_the_table() -> None:
    assert "| a job waits | passed | 12 |" in with_table(PAGE.read_text("utf-8"), [ROW])


def test_each_engine_of_a_test_is_named_and_what_the_kit_builds_has_a_version() -> None:
    texts = [file.read_text("utf-8") for file in (ROOT / "tests/cluster").glob("test_*.py")]
    marks = [mark for text in texts for mark in re.findall(r"mark\.engines\b(?:\(([^)]*)\))?", text)]
    assert len(marks) >= 8
    for mark in marks:
        name, *built = re.findall(r'"([^"]+)"', mark)
        assert name
        assert not built or version_of(*built)
