"""Invalid values files, each with the rules and lines that must be reported, and valid ones.

Helm is the judge of what the chart refuses: it refuses a file if and only if a rule says so that is marked as the
chart's too. What passes without an error passes the strict schemas of Kubernetes.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.chart import helm, kubernetes
from tests.unit.tool import engine
from tfconfig.checking import rules
from tfconfig.checking.findings import findings
from tfconfig.diagnostics import ERROR, Diagnostic
from tfconfig.values.load import load

from .corpus import Case, invalid, valid

INVALID, VALID = invalid(), valid()


def found_in(case: Case, folder: Path) -> list[Diagnostic]:
    file = folder / "values.yaml"
    file.write_text(case.text, "utf-8")
    return findings(load([str(file)]), case.release)


def refused_by_helm(case: Case) -> str:
    """Helm's words, or nothing."""
    try:
        rendered = helm.render(engine.read_yaml(case.text), release=case.release)
    except (helm.RefusedError, engine.RefusedError) as error:
        return str(error)
    for item in rendered.all("StatefulSet"):
        kubernetes.assert_valid(item, kubernetes.NEWEST)
    return ""


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.title)
def test_an_error_is_reported_with_its_rule_at_its_line_and_nothing_else(case: Case, tmp_path: Path) -> None:
    diagnostics = found_in(case, tmp_path)
    assert {(item.rule, item.line) for item in diagnostics} == case.expected, diagnostics
    assert all(item.fix for item in diagnostics)


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.title)
def test_valid_file_has_no_diagnostic_and_installs(case: Case, tmp_path: Path) -> None:
    assert found_in(case, tmp_path) == []
    assert refused_by_helm(case) == ""


IN_RULES = {rule for case in INVALID for rule, _ in case.expected}
# Read in one way by Helm 3 and in another by Helm 4, or in an arbitrary one.
UNCLEAR = {"TFC002", "TFC003"}
# Helm ignores what follows, and says nothing.
SILENT = "values that end early"


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.title)
def test_helm_refuses_what_the_rules_say_that_it_refuses(case: Case) -> None:
    mine = {rule for rule, _ in case.expected}
    if mine & UNCLEAR or case.title == SILENT:
        return
    if any(rules.RULES[rule].chart for rule in mine):
        with pytest.raises((helm.RefusedError, engine.RefusedError)):
            helm.render(engine.read_yaml(case.text), release=case.release)
    else:
        severities = {rules.RULES[rule].severity for rule in mine}
        rendered = helm.render(engine.read_yaml(case.text), release=case.release)
        if ERROR not in severities:
            kubernetes.assert_valid(rendered.all("StatefulSet")[0], kubernetes.NEWEST)


def test_corpus_is_as_large_as_it_should_be_and_knows_every_rule() -> None:
    assert len(INVALID) >= 150
    assert len(VALID) >= 40
    # --set-file, comments and policies have tests of their own, and so have texts of more than 100 KiB.
    assert {"TFC004", "TFC008", "TFC009", "TFC104", "TFC142", "TFC400"} == set(rules.RULES) - IN_RULES
    doubles = [
        text for text, count in Counter((case.text, case.release) for case in INVALID + VALID).items() if count > 1
    ]
    assert doubles == []
