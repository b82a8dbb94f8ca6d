"""The commands that get people going: init, schema, explain, completion."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from tests.chart import helm
from tests.unit.tool.commands.test_commands import run
from tfconfig.checking.rules import RULES
from tfconfig.cli import main
from tfconfig.commands import init
from tfconfig.values.chart import bundled
from tfconfig.values.starter import KERAS_STRATEGIES, Choices, as_argument, program, starter

STRATEGIES = list(bundled().strategies)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("strategy", STRATEGIES)
class TestInit:
    def test_file_has_no_errors_and_is_a_job(self, strategy: str) -> None:
        assert run("init", strategy.lower()).exit_code == 0
        result = run("validate", "values.yaml", "--strict", "-o", "json")
        assert [item["rule"] for item in json.loads(result.stdout)["diagnostics"]] == ["TFC339"]
        assert run("validate", "values.yaml", "--strict", "--set", "image.repository=r.example/t").exit_code == 0
        assert run("run", "values.yaml", "--dry-run", "--python", sys.executable).exit_code == 0
        assert run("doctor", "values.yaml").exit_code == 1
        rendered = helm.render(yaml.safe_load(Path("values.yaml").read_text("utf-8")))
        assert rendered.job_spec()["strategy"] == strategy

    def test_what_is_commented_out_is_right_too(self, strategy: str) -> None:
        text = starter(Choices(strategy, image="r.example:5000/t:1"))
        for comment in ("# gpus: 1", "# storageClassName: nfs"):
            text = text.replace(comment, comment[2:])
        text = (
            text.replace("# evaluator:\n#   ", "evaluator:\n  ")
            .replace("# data:", "data:")
            .replace("#   images", "  images")
        )
        assert not {"evaluator", "data"} - set(yaml.safe_load(text))
        assert run("validate", "-", stdin=text).stdout == ""


class TestInitWrites:
    def test_nothing_is_overwritten(self) -> None:
        Path("values.yaml").write_text("mine", "utf-8")
        result = run("init", "Custom")
        assert result.exit_code == 2
        assert "values.yaml exists; name another file" in result.stderr
        assert Path("values.yaml").read_text("utf-8") == "mine"

    def test_another_file_or_standard_output(self) -> None:
        assert run("init", "Custom", "-f", "job.yaml").exit_code == 0
        assert "tfconfig validate job.yaml" in Path("job.yaml").read_text("utf-8")
        assert "next: tfconfig run 'my job.yaml'" in run("init", "Custom", "-f", "my job.yaml").stderr
        assert "tfconfig validate 'my job.yaml' " in Path("my job.yaml").read_text("utf-8")
        assert as_argument("-x.yaml") == "./-x.yaml"
        assert run("init", "Custom", "-f", "-").stdout == starter(Choices("Custom"))
        assert run("init", "Custom", "-f", "no/such/folder.yaml").exit_code == 2

    @pytest.mark.parametrize("words", [["-f", "train.py"], ["-f", "./my.py", "--script", "my.py"]])
    def test_values_are_not_written_in_place_of_the_program(self, folder: Path, words: list[str]) -> None:
        result = run("init", "Custom", *words)
        assert (result.exit_code, "is the name of the program" in result.stderr) == (2, True)
        assert list(folder.iterdir()) == []

    def test_strategy_that_is_none_is_a_usage_error(self) -> None:
        for words in (
            ["Horovod"],
            [],
            ["Custom", "--keras"],
        ):
            assert run("init", *words).exit_code == 2
        assert "ParameterServer, BetweenGraph" in run("init", "--help").stdout

    @pytest.mark.parametrize(
        ("script", "wrong"),
        [
            ("a/b.py", "it has a folder"),
            ("my train.py", "it has a blank"),
            ("train", "it does not end in .py"),
            ("foo:1.py", "it needs letters, digits"),
            ("-x.py", "it needs letters, digits"),
            ("", "it needs letters, digits"),
        ],
    )
    def test_what_is_wrong_with_the_name_of_the_program_is_named(self, script: str, wrong: str) -> None:
        result = run("init", "Custom", "--script", script)
        assert result.exit_code == 2
        assert f"{script!r} is no name for the program: {wrong}" in result.stderr
        assert not Path("values.yaml").exists()

    @pytest.mark.parametrize(
        "image", ["a b", "x:", "x:1:2", ":1", "x@sha256:0", "http://x/y:1", "", "X", 'a"b', "x\ny"]
    )
    def test_image_that_is_none_is_a_usage_error(self, image: str) -> None:
        result = run("init", "Custom", "--image", image)
        assert result.exit_code == 2
        assert f"{image!r} is no image" in result.stderr
        assert not Path("values.yaml").exists()

    @pytest.mark.parametrize("image", ["1", "null:2", "1.5@sha256:" + 64 * "0", "X/y:1", "localhost:5000/y"])
    def test_image_that_is_taken_is_valid(self, image: str) -> None:
        assert run("init", "Custom", "--image", image).exit_code == 0
        assert run("validate", "values.yaml").exit_code == 0

    def test_flags_are_in_the_values(self) -> None:
        run("init", "ParameterServer", "--keras", "--gpus", "2", "--image", "r.example:5000/t", "--script", "fit.py")
        values = yaml.safe_load(Path("values.yaml").read_text("utf-8"))
        assert values["image"] == {"repository": "r.example:5000/t", "tag": "latest"}
        assert values["worker"] == {"replicas": 2, "gpus": 2}
        assert values["program"]["command"] == ["python3", "fit.py"]
        assert values["env"] == {"TF_USE_LEGACY_KERAS": "1"}
        assert Path("fit.py").read_text("utf-8") == program(Choices("ParameterServer", keras=True))

    def test_a_program_that_exists_is_left_as_it_is(self) -> None:
        Path("train.py").write_text("mine", "utf-8")
        result = run("init", "Custom")
        assert result.exit_code == 0
        assert "train.py is kept as it is" in result.stderr
        assert Path("train.py").read_text("utf-8") == "mine"

    def test_on_a_terminal_what_is_missing_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(init, "is_terminal", lambda: True)
        result = run("init", "--gpus", "1", stdin="foo\nmultiworkermirrored\ny\n\n\n")
        assert result.exit_code == 0, result.output
        values = yaml.safe_load(Path("values.yaml").read_text("utf-8"))
        assert (values["strategy"], values["worker"]["gpus"]) == ("MultiWorkerMirrored", 1)
        assert "'foo' is not one of ParameterServer, BetweenGraph" in result.stderr
        assert "GPUs" not in result.stderr.split("Image")[0].split("Keras")[1]

    def test_a_wrong_program_is_asked_for_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(init, "is_terminal", lambda: True)
        result = run("init", stdin="Custom\n\n\nfoo:1\nfit.py\n")
        assert result.exit_code == 0, result.output
        assert "'foo:1' is no name for the program" in result.stderr
        assert Path("fit.py").exists()

    def test_nothing_is_asked_where_nothing_could_be_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(init, "is_terminal", lambda: True)
        Path("values.yaml").touch()
        result = run("init", stdin="Custom\n\n\n\n")
        assert (result.exit_code, "Strategy" in result.output) == (2, False)
        assert "values.yaml exists; name another file with --file" in result.stderr

    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_each_strategy_has_its_programs(self, strategy: str) -> None:
        for keras in {False, strategy in KERAS_STRATEGIES}:
            text = program(Choices(strategy, keras))
            compile(text, strategy, "exec")
            assert strategy in text.splitlines()[0]

    def test_two_jobs_in_one_folder_share_no_checkpoint(self, folder: Path) -> None:
        shown = {}
        for file in ("values.yaml", "other.yaml"):
            run("init", "Custom", "-f", file)
            shown[file] = run("run", file, "--dry-run").stdout.splitlines()[-1].rpartition("/")[2]
        assert shown["other.yaml"].endswith("-other")
        assert shown["values.yaml"] != shown["other.yaml"]
        del folder


class TestSchema:
    def test_knows_the_chart_s_keys(self) -> None:
        schema = json.loads(run("schema").stdout)
        assert schema["properties"].keys() == bundled().schema["properties"].keys()

    @pytest.mark.parametrize("file", sorted((bundled().root / "ci").glob("*.yaml")), ids=lambda file: file.stem)
    def test_takes_files_that_leave_the_defaults_out(self, file: Path) -> None:
        checker = jsonschema.Draft7Validator(json.loads(run("schema").stdout))
        values = yaml.safe_load(file.read_text("utf-8"))
        checker.validate(values)
        assert checker.is_valid({})
        assert not checker.is_valid({**values, "image": {"tags": "x"}})
        assert not checker.is_valid({**values, "data": {"set": {"readOnly": True}}})  # mountPath has no default

    def test_of_an_umbrella_chart_checks_the_job_s_part(self) -> None:
        checker = jsonschema.Draft7Validator(json.loads(run("schema", "--alias", "training").stdout))
        right = {"training": {**helm.PROGRAM, "resources": {"limits": {"cpu": 1}}}, "other": 1}
        assert checker.is_valid(right)
        assert not checker.is_valid({"training": {"replica": 1}})
        assert not checker.is_valid({"training": {"resources": {"limits": {"cpu": "1Gx"}}}})


class TestExplain:
    @pytest.mark.parametrize("rule", RULES)
    def test_page_says_what_why_and_what_to_do(self, rule: str) -> None:
        shown = run("explain", rule.lower()).stdout
        expected = RULES[rule]
        start = f"{rule} ({expected.severity}): {expected.title}\n\n{expected.why}\n\n{expected.fix}\n"
        assert shown.startswith(start)
        assert ("\nIncorrect:\n\n    " in shown) == bool(expected.bad)

    def test_list_has_every_rule_and_a_beginning_its_group(self) -> None:
        everything = run("explain").stdout.splitlines()
        assert len(everything) == len(RULES) > 20
        assert run("explain", "tfc17").stdout.splitlines() == [line for line in everything if line.startswith("TFC17")]

    def test_id_that_no_rule_has_is_a_usage_error(self) -> None:
        result = run("explain", "TFC999")
        assert result.exit_code == 2
        assert "`tfconfig explain` lists all rules" in result.stderr


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_script_is_one_that_the_shell_takes(self, shell: str) -> None:
        script = run("completion", shell).stdout
        assert "_TFCONFIG_COMPLETE" in script
        if shutil.which(shell):
            subprocess.run([shell, "-n"], input=script, text=True, check=True)

    def test_words_of_the_line_are_completed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("_TFCONFIG_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", "tfconfig valid")
        monkeypatch.setenv("COMP_CWORD", "1")
        assert CliRunner().invoke(main, [], prog_name="tfconfig").stdout == "plain,validate\n"
