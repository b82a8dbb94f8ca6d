"""The forms of output: each read back as the program that it is made for reads it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfconfig.checking.reporters import FORMATS, github, junit, sarif, summary, text
from tfconfig.diagnostics import ERROR, WARNING, Diagnostic, Origin, ordered

SOURCES = {"jobs/a b.yaml": "worker:\n  replica: 3\nx: 1\n", "good.yaml": ""}
AT = Origin("jobs/a b.yaml", 2, 3, 2, 10)
WRONG = Diagnostic.at(AT, "TFC010", "worker.replica: unknown key", "did you mean replicas?", "worker.replica")
DOUBT = Diagnostic.at(Origin("jobs/a b.yaml", 3, 1, 4, 1), "TFC009", "100%, really: a\nb", "", severity=WARNING)
OF_SET = Diagnostic.at(Origin("--set a=b"), "TFC011", "a: expected a number", "give one", "a")
ALL = [WRONG, DOUBT, OF_SET]

PLACES = st.integers(0, 6)
FILES = st.sampled_from(["v.yaml", "/w.yaml", "-", "--set x\ud800"])
RULES = st.sampled_from(["TFC001", "TFC010", "own"])
TEXTS = st.text(max_size=9)
DIAGNOSTICS = st.lists(
    st.builds(Diagnostic, RULES, st.sampled_from([ERROR, WARNING]), TEXTS, TEXTS, FILES, *[PLACES] * 4), max_size=4
).map(ordered)


def read_sarif(diagnostics: list[Diagnostic], sources: dict[str, str] | None = None) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(sarif(diagnostics, SOURCES if sources is None else sources))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    run: dict[str, Any] = log["runs"][0]
    return run


class TestText:
    def test_colours_stand_around_the_same_words(self) -> None:
        coloured = text(ALL, SOURCES, colour=True)
        assert "\033[31merror TFC010\033[0m" in coloured
        assert "\033[33mwarning TFC009\033[0m" in coloured
        assert re.sub(r"\033\[\d+m", "", coloured) == text(ALL, SOURCES)


class TestSarif:
    def test_results_name_rule_level_and_a_relative_place(self) -> None:
        wrong, doubt, of_set = read_sarif(ALL)["results"]
        assert (wrong["ruleId"], wrong["level"]) == ("TFC010", "error")
        assert wrong["message"] == {"text": "worker.replica: unknown key; did you mean replicas?"}
        assert wrong["locations"] == [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "jobs/a%20b.yaml"},
                    "region": {"startLine": 2, "startColumn": 3, "endLine": 2, "endColumn": 10},
                },
                "logicalLocations": [{"fullyQualifiedName": "worker.replica"}],
            }
        ]
        assert doubt["level"] == "warning"
        assert of_set["locations"] == [{"logicalLocations": [{"fullyQualifiedName": "a"}]}]

    def test_rules_are_described_and_each_result_points_at_its_own(self) -> None:
        run = read_sarif(ALL)
        described = run["tool"]["driver"]["rules"]
        assert [described[item["ruleIndex"]]["id"] for item in run["results"]] == [item.rule for item in ALL]
        assert described[1]["shortDescription"] == {"text": "Unknown key"}
        assert "tfconfig explain TFC010" in described[1]["help"]["text"]

    def test_file_outside_of_the_folder_has_a_whole_uri(self, tmp_path: Path) -> None:
        file = str(tmp_path / "v.yaml")
        (result,) = read_sarif([Diagnostic.at(Origin(file, 1, 1, 1, 2), "TFC010", "m", "f")])["results"]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri == (tmp_path / "v.yaml").as_uri()

    def test_fingerprint_survives_lines_above_and_tells_equal_diagnostics_apart(self) -> None:
        def prints(lines_above: int, count: int = 1) -> list[str]:
            source = {"v.yaml": "\n" * lines_above + "  a: 1\n" * count}
            places = [Origin("v.yaml", lines_above + n, 3, lines_above + n, 4) for n in range(1, count + 1)]
            results = read_sarif([Diagnostic.at(at, "TFC010", "m", "f", "a") for at in places], source)["results"]
            return [item["partialFingerprints"]["tfconfig/v1"] for item in results]

        assert prints(0) == prints(7)
        assert len(set(prints(0, 2))) == 2

    @given(DIAGNOSTICS)
    def test_what_the_standard_asks_of_a_log_holds_for_any_diagnostics(self, diagnostics: list[Diagnostic]) -> None:
        run = read_sarif(diagnostics, {"v.yaml": "a\nb"})
        assert len(run["results"]) == len(diagnostics)
        for result in run["results"]:
            assert result["level"] in ("error", "warning")
            for location in result["locations"]:
                assert location
                region = location.get("physicalLocation", {}).get("region", {"startLine": 1, "startColumn": 1})
                start = region["startLine"], region["startColumn"]
                assert start >= (1, 1)
                assert (region.get("endLine", start[0]), region.get("endColumn", start[1])) >= start


class TestJunit:
    def test_errors_fail_warnings_do_not_and_clean_files_pass(self) -> None:
        root = ET.fromstring(junit(ALL, SOURCES))
        (suite,) = root
        assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
        clean, wrong, doubt, of_set = suite
        assert (clean.get("classname"), list(clean)) == ("good.yaml", [])
        assert (wrong.get("classname"), wrong.get("name")) == ("jobs/a b.yaml", "TFC010 jobs/a b.yaml:2:3")
        failure = wrong[0]
        assert (failure.tag, failure.get("type")) == ("failure", "TFC010")
        assert failure.get("message") == "worker.replica: unknown key; did you mean replicas?"
        assert "^^^^^^^" in (failure.text or "")
        assert [item.tag for item in doubt] == ["system-out"]
        assert [item.tag for item in of_set] == ["failure"]

    @given(DIAGNOSTICS, st.text(max_size=40))
    def test_it_is_xml_whatever_the_diagnostics_say(self, diagnostics: list[Diagnostic], source: str) -> None:
        out = junit(diagnostics, {"v.yaml": source})
        root = ET.fromstring(out.encode("utf-8"))
        assert len(root.findall(".//failure")) == sum(item.severity == ERROR for item in diagnostics)

    def test_it_has_only_what_the_schema_of_jenkins_xunit_plugin_knows(self) -> None:
        """junit-10.xsd: attributes, those that must be there, and what may be inside."""
        count = {"tests", "failures", "errors"}
        schema: dict[str, tuple[set[str], set[str], set[str]]] = {
            "testsuites": ({"name", "time", *count}, set(), {"testsuite"}),
            "testsuite": ({"name", "time", "file", *count}, {"name", *count}, {"testcase", "system-out"}),
            "testcase": ({"name", "classname", "time", "group"}, {"name"}, {"failure", "system-out"}),
            "failure": ({"type", "message"}, set(), set()),
            "system-out": (set(), set(), set()),
        }
        for element in ET.fromstring(junit(ALL, SOURCES)).iter():
            known, required, inside = schema[element.tag]
            assert required <= set(element.attrib) <= known, element.tag
            assert {child.tag for child in element} <= inside


class TestGithub:
    def test_annotation_stands_at_its_line(self) -> None:
        assert github([WRONG], SOURCES) == (
            "::error file=jobs/a b.yaml,line=2,endLine=2,col=3,endColumn=10,title=TFC010::"
            "jobs/a b.yaml:2:3: worker.replica: unknown key%0Afix: did you mean replicas?\n"
        )

    def test_special_characters_are_escaped_and_columns_are_for_one_line(self) -> None:
        odd = Diagnostic.at(Origin("a,b:c%.yaml", 3, 1, 4, 1), "TFC010", "100%, really: a\nb", "")
        assert github([odd], {}) == (
            "::error file=a%2Cb%3Ac%25.yaml,line=3,endLine=4,title=TFC010::a,b:c%25.yaml:3:1: 100%25, really: a%0Ab\n"
        )

    def test_many_annotations_are_announced_as_cut(self) -> None:
        assert "GitHub shows 10" not in github([WRONG] * 10, SOURCES)
        assert "GitHub shows 10" in github([WRONG] * 11, SOURCES)

    @given(DIAGNOSTICS.filter(lambda diagnostics: len(diagnostics) <= 10))
    def test_a_diagnostic_is_one_line(self, diagnostics: list[Diagnostic]) -> None:
        assert len(github(diagnostics, {}).splitlines()) == len(diagnostics)


@pytest.mark.parametrize(
    ("diagnostics", "jobs", "line"),
    [
        ([], 1, "1 job checked: no errors"),
        ([WRONG], 1, "1 job checked: 1 error"),
        ([WRONG, OF_SET, DOUBT], 2, "2 jobs checked: 2 errors, 1 warning"),
        ([DOUBT, DOUBT], 2, "2 jobs checked: 2 warnings"),
    ],
)
def test_summary_counts_jobs_errors_and_warnings(diagnostics: list[Diagnostic], jobs: int, line: str) -> None:
    assert summary(diagnostics, jobs) == line


@given(DIAGNOSTICS, st.text(max_size=40))
def test_every_format_shows_every_diagnostic(diagnostics: list[Diagnostic], source: str) -> None:
    sources = {"v.yaml": source}
    assert len(json.loads(FORMATS["json"](diagnostics, sources))["diagnostics"]) == len(diagnostics)
    assert FORMATS["text"](diagnostics, sources).count(": error ") >= sum(
        item.severity == ERROR for item in diagnostics
    )
    for form in FORMATS:
        FORMATS[form](diagnostics, sources).encode("utf-8")  # nothing that a pipe cannot take
