"""Secrets in messages: no value of the user's environment is in anything that tasks or the tool compose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.task.conftest import Container, job, shell
from tfconfig.checking.reporters import FORMATS
from tfconfig.cli import main

CANARY = "S3CRET-canary,x"
MARK = "S3CRET"


# --- tasks ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    pod = Container(tmp_path / "pod")
    yield pod
    assert all(process.poll() is not None for process in pod.processes)


@pytest.mark.parametrize(
    "program",
    [
        {"command": ["true"], "args": ["--token=$(TOKEN)", "$(OTHER)"]},
        {"command": ["false", "$(TOKEN)"], "args": []},
        {"command": ["$(TOKEN)"], "args": []},
        {"command": ["/bin/$(TOKEN)"], "args": []},
        {"command": ["true", "$(TOKEN)", "$(NUL)"], "args": []},
        shell("exit 3"),
    ],
)
def test_a_task_prints_its_command_as_it_was_written(
    container: Container, tmp_path: Path, program: dict[str, list[str]]
) -> None:
    kept = tmp_path / "checkpoints"
    spec = job(
        program=program,
        checkpointDir=str(kept),
        logs={"maxBytes": 100000, "files": 2},
        env={"worker": {"OTHER": "$(TOKEN)"}},
    )
    container.write(spec)
    container.run(TOKEN=CANARY)
    printed = [container.output, container.message, *(file.read_text() for file in kept.rglob("*.log"))]
    assert f"worker-0 runs {' '.join([*program['command'], *program['args']])}" in "".join(printed)
    assert not any(MARK in text for text in printed)


# --- the tool ---------------------------------------------------------------------------------------------------------

JOB = "image: {repository: r, tag: '1'}\nprogram: {command: [python3, -m, train]}\nworker: {replicas: 2}\n"
WRONG = {
    "a plain text": "env:\n  API_TOKEN: {0}\n",
    "an error of its type": "env:\n  API_TOKEN: [{0}]\n",
    "a map that Kubernetes does not know": "env:\n  API_TOKEN: {{value: {0}}}\n",
    "not a map": "env: {0}\n",
    "a list of pairs": "env:\n- name: API_TOKEN\n  value: {0}\n",
    "a name that cannot be one": "env:\n  'API TOKEN': {0}\n",
    "of a role": "chief: {{replicas: 1, env: {{TOKEN: [{0}]}}}}\n",
    "of another container": (
        "extraContainers:\n- name: x\n  image: x:1\n  env:\n  - name: API_TOKEN\n    value: [{0}]\n    more: 1\n"
    ),
    "of an init container": "initContainers: [{{name: x, image: 'x:1', env: [{{name: A, value: {0}, z: 1}}]}}]\n",
    "beside an error": "env: {{API_TOKEN: {0}, OTHER: [1]}}\nworkers: 3\n",
    "of a number": "env:\n  API_TOKEN: !!int {0}\n",
    "of a tag": "env:\n  API_TOKEN: !{0} x\n",
    "an alias": "env:\n  API_TOKEN: *{0}\n",
    "no end of the quotes": 'env:\n  API_TOKEN: "{0}\n',
    "an escape that YAML does not know": 'env:\n  API_TOKEN: "{0}\\q"\n',
    "a tab": "env:\n\tAPI_TOKEN: {0}\n",
    "two lines": "env:\n  API_TOKEN: |\n    {0}: 1\n  OTHER: [2]\n",
    "less indented than its key": 'env:\n  API_TOKEN: ["a\n{0}"]\n',
    "a colon": "env:\n  API_TOKEN: {0}: {0}\n",
    "twice the same key": "env:\n  API_TOKEN: {0}\n  API_TOKEN: {0}\n",
    "as an argument": "program: {{command: [python3, train.py, --token={0}]}}\n",
    "as an argument, with its rule ignored": (
        "program:  # tfconfig: ignore[TFC307]\n  command: [python3, x.py, '--token={0}', '&&', '']\n"
    ),
    "in a list of arguments": "program: {{command: [python3], args: ['--api-key={0}', 3]}}\n",
    "by an anchor": "x: &secret [{0}]\nenv: {{API_TOKEN: *secret}}\n",
}


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output + done.stderr


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_no_diagnostic_quotes_the_environment(tmp_path: Path, form: str, text: str) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(JOB + text.format(CANARY.replace(",x", "")))
    shown = printed("validate", "-o", form, str(file))
    assert str(file) in shown or "TFC" in shown, "something is reported"
    assert MARK not in shown


@pytest.mark.parametrize("command", ["plan", "generate", "run"])
@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_no_other_command_does_so(tmp_path: Path, command: str, text: str) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(JOB + "python: [no-such-python]\n" + text.format(MARK))
    assert MARK not in printed(command, "-f", str(file))


@pytest.mark.parametrize(
    ("option", "argument"),
    [
        ("--set", f"env.API_TOKEN={MARK}"),
        ("--set", f"env.API_TOKEN=a\\,{MARK},workers=3"),
        ("--set", f"env.API_TOKEN=a,{MARK}"),
        ("--set", f"env.API_TOKEN[0]={MARK}"),
        ("--set", f"env.API_TOKEN[{MARK}]=3"),
        ("--set", f"env.API_TOKEN={{{MARK}"),
        ("--set", f"worker.env.API_TOKEN={{{MARK}}}"),
        ("--set-string", f"env={MARK}"),
        ("--set-literal", f"env.API_TOKEN.x={MARK}"),
        ("--set-json", f'env.API_TOKEN=["{MARK}"]'),
        ("--set-json", f"env.API_TOKEN={MARK}"),
        ("--set-json", f'{{"env": {{"API_TOKEN": ["{MARK}"]}}}}'),
        ("--set", f"program.args[0]=--token={MARK},workers=3"),
    ],
)
@pytest.mark.parametrize("form", FORMATS)
def test_no_argument_of_set_is_repeated(tmp_path: Path, option: str, argument: str, form: str) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(JOB)
    assert MARK not in printed("validate", "-o", form, option, argument, str(file))


def test_what_is_no_secret_is_quoted_as_before(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(JOB + "env:\n  A: [1]\nworkers: 3\n")
    shown = printed("validate", "--set", "workerz.replicas=3", str(file))
    assert "6 | workers: 3" in shown
    assert "--set workerz.replicas=3" in shown
