"""The pre-commit hook, the GitHub action and the snippets of docs/ci.md, each run as its CI runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.attacks.checkout import NAMES, hostile, name_hostile, traces
from tfconfig import __version__

ROOT = Path(__file__).parents[2]
GOOD = "program: {command: [python3, -m, train]}\n"
TEAM = "checkpoint: {existingClaim: team}\n"


def shell(command: list[str], cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=200
    )


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """A repository of values files: one right, one wrong, and the team's below both."""
    folder = tmp_path / "jobs of a team"
    (folder / "jobs" / "deep").mkdir(parents=True)
    (folder / "team.yaml").write_text(TEAM, "utf-8")
    (folder / "jobs" / "good.yaml").write_text(GOOD, "utf-8")
    (folder / "jobs" / "deep" / "two words.yaml").write_text(GOOD + "worker: {replica: 3}\n", "utf-8")
    return folder


def commit(folder: Path) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "--no-verify", "-m", "all"]):
        done = shell(["git", *words], folder)
        assert done.returncode == 0, done.stderr


def hooks_of_the_guide() -> list[dict[str, Any]]:
    """The hooks of docs/ci.md."""
    (snippet,) = re.findall(r"```yaml\n(repos:.*?)```", (ROOT / "docs/ci.md").read_text("utf-8"), re.DOTALL)
    hooks: list[dict[str, Any]] = yaml.safe_load(snippet)["repos"][0]["hooks"]
    return hooks


class TestPreCommit:
    @pytest.fixture
    def hook(self, tmp_path: Path) -> Path:
        """This checkout's hook in a repository of its own."""
        pytest.importorskip("pre_commit")
        source = tmp_path / "hook"
        source.mkdir()
        for name in (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        for name in ("tfconfig", "chart"):
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        (source / "examples").mkdir()
        commit(source)
        return source

    def test_hook_installs_and_finds_the_error(self, hook: Path, jobs: Path, tmp_path: Path) -> None:
        commit(jobs)
        config = {"id": "tfconfig-validate", "files": r"^jobs/.*\.yaml$", "args": ["-f", "team.yaml"]}
        rev = shell(["git", "rev-parse", "HEAD"], hook).stdout.strip()
        shared = hooks_of_the_guide()[1]
        repos = {"repos": [{"repo": str(hook), "rev": rev, "hooks": [config, shared]}]}
        (jobs / ".pre-commit-config.yaml").write_text(yaml.safe_dump(repos), "utf-8")
        run = [str(Path(sys.executable).parent / "pre-commit"), "run", "--color=never", "--files"]
        home = {"PRE_COMMIT_HOME": str(tmp_path / "home"), "NO_COLOR": "1", "PYTHONPATH": ""}

        done = shell([*run, "jobs/good.yaml", "jobs/deep/two words.yaml", "team.yaml"], jobs, **home)
        if "No matching distribution" in done.stdout + done.stderr:
            pytest.skip("no package index here")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "jobs/deep/two words.yaml:2:10: error TFC010: worker.replica: unknown key" in done.stdout
        assert "exit code: 1" in done.stdout

        done = shell([*run, "jobs/good.yaml"], jobs, **home)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Passed" in done.stdout

        # Nothing of a hostile checkout runs, and its names are no options and no commands.
        hostile(jobs, tmp_path / "owned")
        name_hostile(jobs)
        config["files"], config["args"] = r"(^|[/-])values\.yaml$", []
        (jobs / ".pre-commit-config.yaml").write_text(yaml.safe_dump(repos), "utf-8")
        options = [name for name in NAMES if name.startswith("-")]
        others = [name for name in NAMES if name not in options]
        for names, message in ((others, "TFC010"), (options, "write ./ before it")):
            done = shell([*run, *(f"./{name}" for name in names)], jobs, **home)
            assert (done.returncode, message in done.stdout) == (1, True), done.stdout + done.stderr
        assert not traces(jobs)
        assert not (tmp_path / "owned").exists()

        # A change of the shared file alone is checked with all jobs.
        (jobs / "team.yaml").write_text("checkpoint: {existingClaims: team}\n", "utf-8")
        done = shell([*run, "team.yaml"], jobs, **home)
        assert (done.returncode, "team.yaml:1:14: error TFC010" in done.stdout) == (1, True), done.stdout + done.stderr

    def test_the_guide_checks_all_jobs_when_the_shared_file_changes(self) -> None:
        jobs, shared = hooks_of_the_guide()
        assert re.search(shared["files"], "team.yaml")
        assert not re.search(jobs["files"], "team.yaml")
        assert (shared["pass_filenames"], jobs["args"]) == (False, ["-f", "team.yaml"])

    def test_hook_takes_values_files_by_itself(self) -> None:
        (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
        taken = ["values.yaml", "a/values.yml", "jobs/digits-values.yaml"]
        left = ["chart/templates/x.yaml", "myvalues.yaml", "values.yaml.tpl"]
        assert [name for name in taken + left if re.search(hook["files"], name)] == taken


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    return document


class TestAction:
    def run(self, action: dict[str, Any], jobs: Path, temp: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
        """What the runner does with the checking step: inputs into `env`, the script to bash."""
        program = temp / "tfconfig" / "bin" / "tfconfig"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tfconfig "$@"\n', "utf-8")
        program.chmod(0o755)
        given = {name: inputs.get(name, item.get("default", "")) for name, item in action["inputs"].items()}
        step = action["runs"]["steps"][-1]
        environ = {
            name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda match: given[match[1]], text)
            for name, text in step["env"].items()
        }
        script = temp / "step.sh"
        script.write_text(step["run"], "utf-8")
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        return shell(command, jobs, RUNNER_TEMP=str(temp), PYTHONPATH=str(ROOT), **environ)

    def test_errors_are_annotations_of_the_pull_request(
        self, action: dict[str, Any], jobs: Path, tmp_path: Path
    ) -> None:
        done = self.run(action, jobs, tmp_path, files="jobs/**/*.yaml\n", values="team.yaml\n")
        assert done.returncode == 1, done.stderr
        assert done.stdout.startswith("::error file=jobs/deep/two words.yaml,line=2,endLine=2,col=10,")

    def test_right_files_pass_and_options_arrive(self, action: dict[str, Any], jobs: Path, tmp_path: Path) -> None:
        done = self.run(action, jobs, tmp_path, files="jobs/*.yaml")
        assert (done.returncode, done.stdout) == (0, "")
        done = self.run(action, jobs, tmp_path, files="jobs/*.yaml", arguments="--release 9 --strict")
        assert (done.returncode, "TFC101" in done.stdout) == (1, True)
        done = self.run(action, jobs, tmp_path, files="jobs/*.yaml", arguments='--release=9\n-f "team.yaml"\n')
        assert "TFC101" in done.stdout

    def test_output_goes_to_a_file(self, action: dict[str, Any], jobs: Path, tmp_path: Path) -> None:
        done = self.run(action, jobs, tmp_path, files="jobs/**/*.yaml", format="sarif", output="found.sarif")
        assert (done.returncode, done.stdout) == (1, "")
        assert json.loads((jobs / "found.sarif").read_text("utf-8"))["version"] == "2.1.0"

    @pytest.mark.parametrize("files", ["none/*.yaml", ""])
    def test_pattern_without_files_fails(self, action: dict[str, Any], jobs: Path, tmp_path: Path, files: str) -> None:
        done = self.run(action, jobs, tmp_path, files=files)
        assert done.returncode == 2
        assert "::error title=tfconfig::no file matches" in done.stdout

    @pytest.mark.parametrize(
        ("inputs", "message"),
        [
            ({"files": "jobs/gone.yaml"}, "called wrongly: .*jobs/gone.yaml"),
            ({"files": "jobs/*.yaml", "arguments": "--stric"}, "called wrongly: .*--stric"),
            ({"files": "jobs/*.yaml", "arguments": "--policy='a"}, "close its quotes"),
            ({"files": "jobs/*.yaml", "format": "xml", "output": "out"}, "called wrongly: .*xml"),
        ],
    )
    def test_a_wrong_call_is_an_annotation(
        self, action: dict[str, Any], jobs: Path, tmp_path: Path, inputs: dict[str, str], message: str
    ) -> None:
        done = self.run(action, jobs, tmp_path, **inputs)
        assert done.returncode == 2
        assert re.search(f"(?m)^::error title=tfconfig::.*{message}", done.stdout)

    def test_name_of_a_file_runs_no_command(self, action: dict[str, Any], jobs: Path, tmp_path: Path) -> None:
        (jobs / "jobs" / "$(touch owned)`touch owned`.yaml").write_text(GOOD, "utf-8")
        (jobs / "jobs" / "--help.yaml").write_text(GOOD, "utf-8")
        assert self.run(action, jobs / "jobs", tmp_path, files="*.yaml").returncode == 0
        assert not list(jobs.rglob("owned"))

    def test_inputs_reach_the_script_as_variables_only(self, action: dict[str, Any]) -> None:
        for step in action["runs"]["steps"]:
            assert step["shell"] == "bash"
            assert "${{" not in step["run"]


def snippets() -> list[Any]:
    """The YAML blocks of docs/ci.md."""
    text = (ROOT / "docs" / "ci.md").read_text("utf-8")
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


class TestSnippets:
    def test_gitlab_job_runs_and_leaves_its_report(self, jobs: Path, tmp_path: Path) -> None:
        (job,) = [item["validate"] for item in snippets() if "validate" in item]
        program = tmp_path / "bin" / "tfconfig"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tfconfig "$@"\n', "utf-8")
        program.chmod(0o755)
        install, check = job["script"]
        assert install == f"pip install tfconfig=={__version__}"
        path = f"{program.parent}:{os.environ['PATH']}"
        shutil.copy(jobs / "jobs" / "deep" / "two words.yaml", jobs / "jobs" / "wrong.yaml")
        done = shell(["bash", "-c", check], jobs, PATH=path, PYTHONPATH=str(ROOT))
        assert done.returncode == 1, done.stderr
        assert 'failures="1"' in (jobs / job["artifacts"]["reports"]["junit"]).read_text("utf-8")

    def test_pre_commit_and_action_are_called_as_they_are(self, action: dict[str, Any]) -> None:
        (config,) = [item for item in snippets() if "repos" in item]
        (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
        assert config["repos"][0]["hooks"][0]["id"] == hook["id"]
        (workflow,) = [item for item in snippets() if "jobs" in item]
        step = workflow["jobs"]["validate"]["steps"][-1]
        assert set(step["with"]) <= set(action["inputs"])

    @pytest.mark.parametrize(
        ("schema", "kind"),
        [
            ("github-actions", "action"),
            ("github-workflows", "jobs"),
            ("gitlab-ci", "validate"),
        ],
    )
    def test_each_has_the_form_that_its_service_takes(self, schema: str, kind: str, tmp_path: Path) -> None:
        pytest.importorskip("check_jsonschema")
        file = ROOT / "action.yml"
        if kind != "action":
            (snippet,) = [item for item in snippets() if kind in item]
            file = tmp_path / "snippet.yml"
            snippet["on"] = snippet.pop(True, None)  # YAML 1.1 takes `on` for a truth
            file.write_text(yaml.safe_dump({key: item for key, item in snippet.items() if item}), "utf-8")
        check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(file)]
        done = shell(check, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
