"""The commands validate, generate and chart as their users call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tfconfig
from tfconfig.cli import COMMANDS, main
from tfconfig.values.chart import bundled

GOOD = "program: {command: [python3, -m, train]}\n"
BAD = GOOD + 'worker:\n  replicas: "3"\n'


# For the tool in a process of its own: this checkout's, installed or not.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[4])}


def run(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    result = CliRunner().invoke(main, [str(item) for item in arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD, "utf-8")
    (tmp_path / "bad.yaml").write_text(BAD, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
class TestValidate:
    def test_valid_file_exits_0_and_says_so(self) -> None:
        result = run("validate", "good.yaml")
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "1 job checked: no errors\n"

    def test_invalid_file_exits_1_and_shows_the_line(self) -> None:
        result = run("validate", "bad.yaml")
        assert result.exit_code == 1
        assert result.stdout == (
            'bad.yaml:3:13: error TFC011: worker.replicas: expected an integer, found the string "3"\n'
            '  3 |   replicas: "3"\n'
            "    |             ^^^\n"
            "  fix: remove the quotes\n"
        )
        assert result.stderr == "1 job checked: 1 error\n"

    def test_json_has_the_fields_of_version_1(self) -> None:
        result = run("validate", "bad.yaml", "-o", "json")
        assert result.exit_code == 1
        assert json.loads(result.stdout) == {
            "version": 1,
            "diagnostics": [
                {
                    "rule": "TFC011",
                    "severity": "error",
                    "message": 'worker.replicas: expected an integer, found the string "3"',
                    "fix": "remove the quotes",
                    "file": "bad.yaml",
                    "line": 3,
                    "column": 13,
                    "endLine": 3,
                    "endColumn": 16,
                    "path": "worker.replicas",
                }
            ],
        }

    def test_json_of_a_right_file_is_an_empty_list(self) -> None:
        result = run("validate", "good.yaml", "-o", "json")
        assert (result.exit_code, json.loads(result.stdout)) == (0, {"version": 1, "diagnostics": []})

    def test_each_file_is_a_job_of_its_own(self) -> None:
        result = run("validate", "good.yaml", "bad.yaml")
        assert result.exit_code == 1
        assert result.stderr == "2 jobs checked: 1 error\n"

    def test_overlays_go_under_each_file(self, folder: Path) -> None:
        (folder / "team.yaml").write_text("program: {command: [x]}\nimage: {tags: x}\n", "utf-8")
        (folder / "job.yaml").write_text("worker: {replicas: 4}\n", "utf-8")
        result = run("validate", "-f", "team.yaml", "job.yaml", "good.yaml")
        assert result.stdout.count("team.yaml:2:9: error TFC010") == 1
        assert result.stderr == "2 jobs checked: 1 error\n"

    def test_files_of_f_alone_are_one_job(self) -> None:
        result = run("validate", "-f", "bad.yaml", "-f", "good.yaml", "--set", "worker.replicas=3")
        assert (result.exit_code, result.stderr) == (0, "1 job checked: no errors\n")

    def test_error_in_a_set_argument_names_the_argument(self) -> None:
        result = run("validate", "good.yaml", "--set", "worker.replicas=many")
        assert result.stdout.startswith(
            "--set worker.replicas=many: error TFC011: worker.replicas: expected an integer"
        )

    def test_dash_is_standard_input(self) -> None:
        result = run("validate", "-", stdin=BAD)
        assert result.stdout.startswith("-:3:13: error TFC011")

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ((), "name a values file"),
            (("no.yaml",), "no.yaml: No such file or directory; give the path of a values file"),
            (("good.yaml", "--set", "a"), "--set a: the key 'a' has no value; write a=VALUE"),
            (("good.yaml", "-o", "xml"), "'xml' is not one of"),
            (("http://x/v.yaml",), "download the file"),
            (("-f", "-", "good.yaml", "bad.yaml"), "standard input can be read only once"),
            (("-", "-"), "standard input can be read only once"),
        ],
    )
    def test_usage_error_exits_2(self, arguments: tuple[str, ...], says: str) -> None:
        result = run("validate", *arguments)
        assert result.exit_code == 2
        assert says in result.stderr

    def test_file_that_is_not_yaml_is_a_finding_and_nothing_else_is_said_of_it(self, folder: Path) -> None:
        (folder / "broken.yaml").write_text("a: [\n", "utf-8")
        result = run("validate", "broken.yaml")
        assert result.exit_code == 1
        assert [line for line in result.stdout.splitlines() if "error" in line] == [
            "broken.yaml:1:4: error TFC001: not YAML: did not find expected node content"
        ]

    def test_control_characters_of_a_file_do_not_reach_the_terminal(self, folder: Path) -> None:
        (folder / "evil.yaml").write_text(GOOD + '"\\e[31m": 1\n', "utf-8")
        assert "\x1b" not in run("validate", "evil.yaml").stdout

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.binary(max_size=60), st.text(max_size=30).map(lambda text: f"{GOOD}{text}".encode())))
    def test_no_file_crashes_it(self, folder: Path, data: bytes) -> None:
        (folder / "any.yaml").write_bytes(data)
        assert run("validate", "any.yaml").exit_code in (0, 1)


@pytest.mark.usefixtures("folder")
class TestGenerate:
    def test_every_task_is_a_line(self) -> None:
        result = run("generate", "-f", "good.yaml", "--release", "r", "-n", "team")
        lines = dict(line.split(" ", 1) for line in result.stdout.splitlines())
        assert list(lines) == ["chief-0", "worker-0", "worker-1", "ps-0"]
        assert json.loads(lines["worker-1"]) == {
            "cluster": {
                "chief": ["r-chief-0.r:2222"],
                "worker": ["r-worker-0.r:2222", "r-worker-1.r:2222"],
                "ps": ["r-ps-0.r:2222"],
            },
            "task": {"type": "worker", "index": 1},
        }

    def test_one_task_is_the_bare_value(self) -> None:
        everything = run("generate", "-f", "good.yaml").stdout
        assert f"worker-1 {run('generate', '-f', 'good.yaml', '--task', 'worker-1').stdout}" in everything

    def test_env_is_a_line_that_a_shell_understands(self) -> None:
        line = run("generate", "-f", "good.yaml", "--task", "ps-0", "-o", "env").stdout
        shown = subprocess.run(
            ["sh", "-c", f'{line}printf %s "$TF_CONFIG"'], capture_output=True, text=True, check=True
        )
        assert json.loads(shown.stdout)["task"] == {"type": "ps", "index": 0}

    def test_json_is_one_object(self) -> None:
        result = json.loads(run("generate", "-f", "good.yaml", "-o", "json").stdout)
        assert result["ps-0"]["task"] == {"type": "ps", "index": 0}
        assert list(result) == ["chief-0", "worker-0", "worker-1", "ps-0"]

    def test_values_with_errors_are_refused_with_the_diagnostics(self) -> None:
        result = run("generate", "-f", "bad.yaml")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "bad.yaml:3:13: error TFC011" in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("--task", "worker-9"), "no such task; this job has chief-0, worker-0, worker-1, ps-0"),
            (("-o", "env"), "choose it with --task"),
        ],
    )
    def test_usage_error_exits_2(self, arguments: tuple[str, ...], says: str) -> None:
        result = run("generate", "-f", "good.yaml", *arguments)
        assert result.exit_code == 2
        assert says in result.stderr


class TestChart:
    def test_prints_where_the_chart_is(self) -> None:
        assert (Path(run("chart").stdout.strip()) / "Chart.yaml").is_file()

    def test_export_copies_the_whole_chart(self, tmp_path: Path) -> None:
        assert run("chart", "--export", tmp_path / "new").exit_code == 0
        copied = {file.relative_to(tmp_path / "new") for file in (tmp_path / "new").rglob("*") if file.is_file()}
        root = bundled().root
        sources = {file.relative_to(root) for file in root.rglob("*") if file.is_file()}
        assert copied == {file for file in sources if "__pycache__" not in file.parts}

    def test_export_into_a_folder_with_something_in_it_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "mine").touch()
        result = run("chart", "--export", tmp_path)
        assert result.exit_code == 2
        assert "is not empty; use a new directory" in result.stderr

    def test_export_to_where_nothing_can_be_written_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        result = run("chart", "--export", tmp_path / "file" / "below")
        assert result.exit_code == 2


class TestStart:
    @pytest.mark.parametrize(("word", "meant"), [("valdate", "validate"), ("delete", "cancel"), ("lst", "status")])
    def test_a_wrong_command_gets_a_suggestion(self, word: str, meant: str) -> None:
        result = run(word, "x.yaml")
        assert result.exit_code == 2
        assert result.stderr.endswith(f"Error: no command {word}; did you mean {meant}?\n")
        assert "did you mean" not in run("xyzzy").stderr

    @pytest.mark.parametrize("command", ["plan", "generate", "validate"])
    def test_a_file_is_an_argument_or_that_of_f_and_the_argument_comes_last(self, folder: Path, command: str) -> None:
        (folder / "more.yaml").write_text("worker: {replicas: 3}\n", "utf-8")
        assert run(command, "good.yaml").stdout == run(command, "-f", "good.yaml").stdout
        assert (
            run(command, "-f", "good.yaml", "more.yaml").stdout
            == run(command, "-f", "good.yaml", "-f", "more.yaml").stdout
        )
        if command != "validate":
            result = run(command, "good.yaml", "more.yaml")
            assert (result.exit_code, "-f good.yaml -f more.yaml" in result.stderr) == (2, True)

    def test_every_command_names_its_format_alike(self) -> None:
        for name in COMMANDS:
            command = main.get_command(click.Context(main), name)
            assert command
            options = {option for parameter in command.params for option in parameter.opts}
            assert "--format" not in options
            assert ("-o" in options) == ("--output" in options)

    def test_version_is_printed(self) -> None:
        assert run("--version").stdout == f"tfconfig {tfconfig.__version__}\n"

    def test_help_lists_the_commands(self) -> None:
        shown = run("-h").stdout
        assert all(name in shown for name in ("validate", "generate", "chart"))

    @pytest.mark.parametrize(
        ("arguments", "without"),
        [
            (["-h"], {"yaml", "jsonschema", "tfconfig.diagnostics"}),
            (["--version"], {"yaml", "jsonschema", "tfconfig.diagnostics"}),
            (["chart"], {"jsonschema", "tfconfig.checking", "tfconfig.cluster"}),
            (["init", "Custom", "-f", "-"], {"jsonschema", "tfconfig.checking", "tfconfig.cluster"}),
            (["validate", "good.yaml"], {"tfconfig.cluster", "tfconfig.local", "xml.etree.ElementTree"}),
            (["generate", "-f", "good.yaml"], {"tfconfig.cluster", "tfconfig.local"}),
            (["plan", "-f", "good.yaml"], {"tfconfig.local", "subprocess", "tfconfig.tensorflow_job.lifecycle"}),
        ],
        ids=lambda value: value[0] if isinstance(value, list) else "",
    )
    def test_a_command_loads_only_what_it_needs(self, folder: Path, arguments: list[str], without: set[str]) -> None:
        """What makes a command slow to start is what it imports."""
        code = "import sys; from tfconfig.cli import main; main({!r}, standalone_mode=False); print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments)],
            check=True,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            cwd=folder,
        )
        modules = done.stdout.split()
        assert "tfconfig.cli" in modules
        network = {"asyncio", "http.client", "ssl"}
        assert not (without | network) & set(modules)


def test_a_dry_run_prints_what_would_start_and_leaves_nothing_behind(folder: Path) -> None:
    (folder / "job.yaml").write_text("program: {command: [sh, -c, 'exit 3']}\n", "utf-8")
    before = set(folder.rglob("*"))
    result = run("run", "job.yaml", "--dry-run", "--python", sys.executable)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["chief-0", "worker-0", "worker-1", "ps-0", "checkpoints:"]
    assert lines[0].endswith(": sh -c 'exit 3'")
    assert lines[1].endswith(": a TensorFlow server")
    assert set(folder.rglob("*")) == before
    (folder / "job.yaml").write_text("program: {command: [python3, none.py]}\n", "utf-8")
    assert run("run", "job.yaml", "--dry-run").exit_code == 2


@pytest.mark.parametrize("role", ["chief", "ps"])
def test_a_role_of_null_runs_with_the_defaults_that_the_plan_shows(folder: Path, role: str) -> None:
    (folder / "job.yaml").write_text(f"program: {{command: [sh, -c, 'exit 3']}}\n{role}:\n", "utf-8")
    result = run("run", "job.yaml", "--dry-run", "--python", sys.executable)
    assert result.exit_code == 0, result.output
    assert [line.split(" ")[0] for line in result.stdout.splitlines()[:4]] == [
        "chief-0",
        "worker-0",
        "worker-1",
        "ps-0",
    ]


@pytest.mark.parametrize(
    "script", ["#!/bin/sh\n", "#!/bin/sh\necho unrecognized option >&2; exit 2\n", "#!/bin/none\n"]
)
def test_what_is_no_python_starts_nothing(folder: Path, script: str) -> None:
    (folder / "job.yaml").write_text("{strategy: Custom, program: {command: ['true']}}\n", "utf-8")
    other = folder / "other"
    other.write_text(script, "utf-8")
    other.chmod(0o755)
    result = run("run", "job.yaml", "--python", str(other))
    assert result.exit_code == 2
    assert f"{other} does not run as Python 3.6 or newer; name the one that has TensorFlow with" in result.stderr


def test_a_dry_run_needs_tensorflow_where_a_run_does(folder: Path) -> None:
    (folder / "job.yaml").write_text("program: {command: ['true']}\n", "utf-8")
    without = folder / "python3"
    without.write_text(f'#!/bin/sh\n[ "$1" = -S ] || exit 1\nexec {sys.executable} "$@"\n', "utf-8")
    without.chmod(0o755)
    for more in ([], ["--dry-run"]):
        result = run("run", "job.yaml", "--python", str(without), *more)
        assert result.exit_code == 2
        assert f"{without} has no TensorFlow, which a server needs" in result.stderr


@pytest.mark.parametrize(("encoding", "shown"), [("latin-1", r"grün\U0001f600"), ("utf-8", "grün\U0001f600")])
def test_what_the_encoding_of_the_output_lacks_is_escaped(encoding: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "v.yaml").write_text("program: {command: [a], grün\U0001f600: 1}\n", "utf-8")
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "tfconfig", "validate", str(tmp_path / "v.yaml")]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == 1
    assert f"program.'{shown}': unknown key" in done.stdout.decode(encoding)
