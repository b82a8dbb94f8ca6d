"""Comments that silence findings, and the options that choose among them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.tool.commands.test_commands import GOOD, run
from tests.unit.tool.counting import steps

WRONG = 'worker: {replicas: "3"}'
PARTS = st.sampled_from(["# tfconfig: ignore[TFC011]", WRONG, "\n", "  ", "|", "'", "a:"])


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ids(text: str, *arguments: str) -> list[str]:
    """The rules and lines that validate reports for a file of this text."""
    Path("v.yaml").write_text(GOOD + text, "utf-8")
    out = run("validate", "v.yaml", *arguments).stdout
    return [f"{line.split()[2][:-1]}@{line.split(':')[1]}" for line in out.splitlines() if line.startswith("v.yaml:")]


@pytest.mark.parametrize(
    "text",
    [
        f"{WRONG}  # tfconfig: ignore[TFC011] a reason\n",
        f"{WRONG} #tfconfig:ignore[TFC01]\n",
        f"# tfconfig: ignore[tfc011, TFC01]\n{WRONG}\n",
        f"# tfconfig: ignore[TFC011] why\n# more of why\n\n{WRONG}\n",
        f"# tfconfig: ignore[TFC011] above a line without its end\n{WRONG}",
        f"# tfconfig: ignore[TFC011]\r\n{WRONG}\r\n",
    ],
)
def test_comment_on_the_line_or_above_it_silences(text: str) -> None:
    assert ids(text) == []


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        (f"{WRONG}  # tfconfig: ignore[TFC012] other rule\n", ["TFC011@2", "TFC009@2"]),
        (f"# tfconfig: ignore[TFC011]\nps: {{}}\n{WRONG}\n", ["TFC009@2", "TFC011@4"]),
        (f"{WRONG}  # tfconfig: ignore[TFC011,TFC130] half of it has a use\n", ["TFC009@2"]),
        ("# tfconfig: ignore[TFC011] at the end", ["TFC009@2"]),
        ("ps: {}  # tfconfig: ignore\n", ["TFC009@2"]),
        ("ps: {}  # tfconfig: ignore[]\n", ["TFC009@2"]),
    ],
)
def test_comment_without_use_is_a_warning(text: str, reported: list[str]) -> None:
    assert sorted(ids(text)) == sorted(reported)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ps: {}  # tfconfig: ignore\n", "1:9: warning TFC009: this comment names no rule"),
        (
            "ps: {}  # tfconfig: ignore[TFC011]\n",
            "1:9: warning TFC009: ignore[TFC011] has no effect: line 1 has no such",
        ),
    ],
)
def test_comment_without_effect_is_shown_at_its_place_with_the_reason(text: str, says: str) -> None:
    Path("v.yaml").write_text(text + GOOD, "utf-8")
    assert f"v.yaml:{says}" in run("validate", "v.yaml").stdout
    (diagnostic,) = json.loads(run("validate", "v.yaml", "-o", "json").stdout)["diagnostics"]
    assert (diagnostic["endLine"], diagnostic["endColumn"]) == (1, len(text))


def test_comment_before_and_string_at_the_very_start_of_a_file() -> None:
    Path("v.yaml").write_text(f"# tfconfig: ignore[TFC011]\n{WRONG}\n{GOOD}", "utf-8")
    assert run("validate", "v.yaml").stdout == ""
    Path("v.yaml").write_text(f"'a # tfconfig: ignore[TFC011]': 1\n{GOOD}", "utf-8")
    assert "TFC009" not in run("validate", "v.yaml").stdout


@pytest.mark.parametrize(
    "text",
    [
        "env: {A: 'x # tfconfig: ignore[TFC011]'}\n",
        "env:\n  A: |\n    # tfconfig: ignore[TFC011]\n    x\n",
        "env:\n  A: >-\n    x\n\n    # tfconfig: ignore[TFC011]\nps: {}\n",
        'env: {A: "b\n  # tfconfig: ignore[TFC011]\n  c"}\n',
    ],
)
def test_text_that_looks_like_a_comment_is_none(text: str) -> None:
    assert ids(text) == []


def test_comment_after_a_text_of_several_lines_is_one() -> None:
    assert ids(f"env:\n  A: |\n    x\n# tfconfig: ignore[TFC011]\n{WRONG}\n") == []


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PARTS | st.text(max_size=4)))
def test_no_comment_crashes_it(parts: list[str]) -> None:
    Path("v.yaml").write_bytes((GOOD + "".join(parts)).encode("utf-8"))
    for form in ("text", "sarif", "junit", "github"):
        assert run("validate", "v.yaml", "-o", form).exit_code in (0, 1)


def test_twice_as_many_errors_and_comments_are_twice_the_work() -> None:
    def work(count: int) -> int:
        lines = [f"  a b{n}: 1  # tfconfig: ignore[TFC012, TFC999]\n# tfconfig: ignore[TFC999]\n" for n in range(count)]
        Path("v.yaml").write_text(GOOD + "env:\n" + "".join(lines), "utf-8")

        def check() -> None:
            result = run("validate", "v.yaml", "-o", "sarif")
            assert result.stdout.count('"ruleId": "TFC009"') == 2 * count

        return steps(check)

    work(1)  # loads what is loaded once
    start, once, twice = work(1), work(100), work(200)
    assert twice - start < 2.2 * (once - start)


def test_comment_in_an_overlay_counts_when_one_of_its_jobs_needs_it() -> None:
    Path("team.yaml").write_text("ps: {replicas: 0}  # tfconfig: ignore[TFC110]\n", "utf-8")
    Path("a.yaml").write_text(GOOD, "utf-8")
    Path("b.yaml").write_text(GOOD + "strategy: MultiWorkerMirrored\n", "utf-8")
    result = run("validate", "-f", "team.yaml", "a.yaml", "b.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "TFC009" in run("validate", "-f", "team.yaml", "b.yaml").stdout


def test_file_that_cannot_be_read_is_reported_whatever_is_ignored() -> None:
    Path("v.yaml").write_text("a: [  # tfconfig: ignore[TFC001]\n", "utf-8")
    assert "error TFC001" in run("validate", "v.yaml", "--ignore", "TFC").stdout


def test_select_and_ignore_take_beginnings_of_ids() -> None:
    text = f"{WRONG}\nenv: {{TF_CONFIG: x}}\nimag: x\n"
    assert ids(text) == ["TFC011@2", "TFC140@3", "TFC010@4"]
    assert ids(text, "--select", "TFC1") == ["TFC140@3"]
    assert ids(text, "--select", "tfc01,TFC14", "--ignore", "TFC011") == ["TFC140@3", "TFC010@4"]
    assert ids(text, "--ignore", "TFC0", "--ignore", "TFC1") == []


def test_comment_has_its_use_even_when_its_rule_is_not_selected() -> None:
    assert ids(f"{WRONG}  # tfconfig: ignore[TFC011]\n", "--select", "TFC009") == []


def test_id_that_no_rule_has_is_a_usage_error() -> None:
    result = run("validate", "--set", "a=b", "--select", "TFC999")
    assert result.exit_code == 2
    assert "TFC999: no such rule; `tfconfig explain` lists all rules" in result.stderr


def test_warnings_exit_0_unless_strict() -> None:
    Path("v.yaml").write_text(GOOD + "ps: {}  # tfconfig: ignore[TFC011]\n", "utf-8")
    result = run("validate", "v.yaml")
    assert (result.exit_code, result.stderr) == (0, "1 job checked: 1 warning\n")
    assert "warning TFC009" in result.stdout
    result = run("validate", "v.yaml", "--strict")
    assert (result.exit_code, result.stderr) == (1, "1 job checked: 1 error\n")
    assert "error TFC009" in result.stdout


def test_exit_zero_is_for_those_who_read_the_output() -> None:
    Path("v.yaml").write_text(GOOD + WRONG, "utf-8")
    result = run("validate", "v.yaml", "--exit-zero", "-o", "sarif")
    assert result.exit_code == 0
    assert '"ruleId": "TFC011"' in result.stdout


def test_error_that_is_silenced_still_stops_what_would_trip_over_it() -> None:
    Path("v.yaml").write_text(GOOD + WRONG + "  # tfconfig: ignore[TFC011]\n", "utf-8")
    result = run("generate", "-f", "v.yaml")
    assert result.exit_code == 1
    assert "error TFC011" in result.stderr
