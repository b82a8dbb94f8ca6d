"""Exit statuses mean the same in every command: 0 no errors, 1 errors found, 2 usage error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.tool.commands.test_commands import BAD, GOOD, run
from tfconfig.cli import COMMANDS, EXIT_STATUS, EXIT_STATUS_WITHOUT_VALUES

WARNING = GOOD + "evaluator: {env: {A: b}}"
NEED_VALID_VALUES = ["plan", "generate", "run", "doctor"]
HAVE_MORE_TO_SAY = {
    *("convert", "run", "doctor", "status", "logs", "wait"),
    *("suspend", "resume", "rerun", "cancel", "prune", "tensorboard", "runs", "report"),
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text(BAD, "utf-8")


@pytest.mark.parametrize("command", ["validate", *NEED_VALID_VALUES])
class TestCommandsThatReadValues:
    def test_errors_in_the_values_are_1(self, command: str) -> None:
        result = run(command, "-f", "bad.yaml")
        assert result.exit_code == 1
        assert "bad.yaml:3:13: error TFC011" in result.output

    @pytest.mark.parametrize("arguments", [[], ["-f", "none.yaml"], ["--set", "a"], ["--no-such-option"]])
    def test_usage_errors_are_2(self, command: str, arguments: list[str]) -> None:
        result = run(command, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "Error: " in result.stderr
        if not arguments:
            assert f"no values given; name a values file: tfconfig {command} " in result.stderr


@pytest.mark.parametrize("command", NEED_VALID_VALUES)
def test_command_that_needs_valid_values_stops_at_errors(command: str) -> None:
    assert run(command, "-f", "bad.yaml").stderr.endswith("Error: the values have errors; fix them first\n")


@pytest.mark.parametrize("command", ["plan", "generate"])
def test_warnings_are_shown_unless_ignored_and_stop_nothing(command: str) -> None:
    Path("v.yaml").write_text(WARNING + "\n", "utf-8")
    result = run(command, "-f", "v.yaml")
    assert result.exit_code == 0
    assert result.stderr.startswith("v.yaml:2:13: warning TFC310")
    Path("v.yaml").write_text(WARNING + "  # tfconfig: ignore[TFC310] for later\n", "utf-8")
    assert run(command, "-f", "v.yaml").stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_the_exit_status_means(command: str) -> None:
    shown = " ".join(run(command, "--help").stdout.split())
    assert shown.count("Exit status: 0 ") == 1
    if command not in HAVE_MORE_TO_SAY:
        assert shown.endswith(
            EXIT_STATUS if command in ("validate", "plan", "generate") else EXIT_STATUS_WITHOUT_VALUES
        )


def test_every_command_has_one_short_help() -> None:
    shown = " ".join(run("--help").stdout.split())
    for name, text in COMMANDS.items():
        assert f"{name} {text}" in shown
