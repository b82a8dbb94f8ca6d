"""Exit statuses mean the same in every command: 0 no errors, 1 errors found, 2 usage error."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.tool.commands.test_commands import BAD, GOOD, run
from tfconfig.cli import COMMANDS, EXIT_STATUS, EXIT_STATUS_WITHOUT_VALUES
from tfconfig.commands import init

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


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["validate", ""], "[FILE]..."),
        (["plan", ""], "[FILE]"),
        (["run", "-f", ""], "-f"),
        (["run", "--logs="], "--logs"),
        (["run", "--checkpoint="], "--checkpoint"),
        (["run", "--python="], "--python"),
        (["validate", "--policy="], "--policy"),
        (["plan", "--chart="], "--chart"),
        (["rerun", "j", "--chart="], "--chart"),
        (["rerun", "j", "--files="], "--files"),
        (["report", "--local="], "--local"),
        (["report", "j", "--file="], "--file"),
        (["init", "Custom", "--file="], "--file"),
        (["chart", "--export="], "--export"),
        (["convert", ""], "FILE"),
        (["convert", "bad.yaml", "--directory="], "--directory"),
    ],
)
def test_a_path_that_is_empty_is_a_usage_error(arguments: list[str], option: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.search(rf"Invalid value for .*{re.escape(option)}'.*: empty; name a path", result.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--logs"],
        ["run", "--checkpoint"],
        ["rerun", "j", "--files"],
        ["report", "--local"],
        ["chart", "--export"],
        ["convert", "bad.yaml", "--directory"],
    ],
)
def test_a_file_in_place_of_a_folder_is_a_usage_error(arguments: list[str]) -> None:
    result = run(*arguments, "bad.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Invalid value for '{arguments[-1]}': bad.yaml is a file; name a folder" in result.stderr


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


@pytest.mark.parametrize("arguments", [("schema",), ("validate", "-f", "bad.yaml"), ("init", "Custom", "-f", "-")])
def test_a_full_disk_below_standard_output_is_one_message_and_2(arguments: tuple[str, ...]) -> None:
    words = [sys.executable, "-m", "tfconfig", *arguments]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    message = "Error: standard output: No space left on device; what is written is incomplete\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_an_interrupted_question_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "is_terminal", lambda: True)
    assert run("init").exit_code == 130  # there is nothing more to read, as after Ctrl-C


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("inti", "init"), ("lnit", "init"), ("list", "status"), ("lits", "status"), ("lint", "validate")],
)
def test_a_command_that_does_not_exist_leads_to_the_one_that_was_meant(typed: str, meant: str) -> None:
    assert f"no command {typed}; did you mean {meant}?" in run(typed).stderr
