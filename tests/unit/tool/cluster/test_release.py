"""suspend, resume, rerun and cancel: what they ask the user's helm for, and tensorboard what it asks kubectl."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.unit.tool.cluster import documents
from tests.unit.tool.cluster.kube import RUNS, Kube
from tfconfig.cli import COMMANDS, SYNONYMS, main
from tfconfig.values.chart import bundled

VERSION = yaml.safe_load((bundled().root / "Chart.yaml").read_text("utf-8"))["version"]
# A helm that records its calls, and answers from files beside it.
SHIM = """#!{python} -IS
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
with open(folder / "calls", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
name = "-".join(word for word in sys.argv[1:3] if word in ("version", "get", "values", "metadata", "uninstall", "list"))
answer = folder / (name or "none")
if answer.exists():
    print(answer.read_text(), end="")
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


class FakeHelm:
    """The `helm` on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def answer(self, call: str, text: Any) -> None:
        """What `helm CALL` prints from now on."""
        (self.folder / call).write_text(text if isinstance(text, str) else json.dumps(text), "utf-8")

    def changes(self) -> list[list[str]]:
        """The calls that change a release."""
        calls = [json.loads(line) for line in (self.folder / "calls").read_text("utf-8").splitlines()]
        return [call for call in calls if call[0] in ("upgrade", "uninstall")]


@pytest.fixture
def helm(kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHelm:  # noqa: ARG001
    folder = tmp_path / "helm-bin"
    folder.mkdir()
    (folder / "helm").write_text(SHIM.format(python=sys.executable), "utf-8")
    (folder / "helm").chmod(0o755)
    (folder / "calls").touch()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    fake = FakeHelm(folder)
    fake.answer("version", "v3.14.0")
    fake.answer("get-metadata", {"chart": "tensorflow-job", "version": VERSION})
    fake.answer("get-values", {"run": 3, "program": {"files": {"train.py": "old", "gone.py": None}}})
    return fake


UPGRADE = ["upgrade", "digits", str(bundled().root), "--namespace=team-a", "--reset-then-reuse-values"]


@pytest.mark.parametrize(
    ("command", "setting"), [("suspend", "suspend=true"), ("resume", "suspend=false"), ("rerun", "run=4")]
)
def test_a_verb_upgrades_the_release_with_its_own_values(helm: FakeHelm, command: str, setting: str) -> None:
    result = run(command, "digits")
    assert result.exit_code == 0, result.output
    assert helm.changes() == [[*UPGRADE, f"--set={setting}"]]
    assert result.stderr == f"helm {' '.join(helm.changes()[0])}\n"
    assert result.stdout.startswith("digits: ")


@pytest.mark.parametrize(
    ("command", "after"), [("suspend", "resume digits"), ("resume", "status digits"), ("rerun", "wait digits")]
)
def test_what_a_verb_says_to_do_next_is_for_the_same_cluster_and_namespace(
    helm: FakeHelm, command: str, after: str
) -> None:
    assert (
        f": tfconfig {after} -n team-a --context 'a b'"
        in run(command, "digits", "-n", "team-a", "--context", "a b").stdout
    )
    assert "-n " not in run(command, "digits").stdout  # as it was called
    assert helm.changes()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("--set=env.API_TOKEN=hunter2", "--set=env.API_TOKEN=…"),
        ("--set=worker.replicas=2,env.API_TOKEN=hunter2\nhunter2", "--set=worker.replicas=…"),
        ("--set-string=env.API_TOKEN=hunter2", "--set-string=env.API_TOKEN=…"),
        ("--set-literal=program.args[0]=hunter2", "--set-literal=program.args=…"),
        ('--set-json={"env": {"API_TOKEN": "hunter2"}}', "--set-json=…"),
    ],
)
def test_values_that_are_given_are_not_printed(helm: FakeHelm, given: str, shown: str) -> None:
    result = run("rerun", "digits", given)
    assert helm.changes() == [[*UPGRADE, given, "--set=run=4"]]
    assert result.stderr == f"helm {' '.join([*UPGRADE, shown, '--set=run=4'])}\n"


@pytest.mark.parametrize(("key", "path"), [("", "suspend"), ("a.b", "a.b.suspend")])
def test_a_suspended_job_is_not_run_again_before_it_is_resumed(helm: FakeHelm, key: str, path: str) -> None:
    values = {"run": 3, "suspend": True, "program": {}}
    helm.answer("get-values", {"a": {"b": values}} if key else values)
    words = ["rerun", "digits", *(["--alias", key] if key else [])]
    result = run(*words, "--set", f"{path}=true,x=1", "-n", "team-a")
    assert (result.exit_code, result.stdout, helm.changes()) == (2, "", [])
    assert f"resume it first (tfconfig resume digits -n team-a), or add --set {path}=false" in result.stderr
    assert run(*words, "--set", f"x=1,{path}=false").exit_code == 0
    assert len(helm.changes()) == 1


@pytest.mark.parametrize(
    ("now", "earlier", "number"),
    [("1", ["2", "1"], 3), ("5", ["2"], 6), ("2", ["9"], 10), ("x" * 9, ["9" * 5000, "\u0663"], 2), (None, [], 2)],
)
def test_a_run_gets_a_number_that_no_run_before_it_had(
    kube: Kube, helm: FakeHelm, now: str | None, earlier: list[str], number: int
) -> None:
    """After a rollback the values have an earlier one."""
    helm.answer("get-values", {"run": 1})
    then = documents.time(documents.NOW)
    ended = {"runId": "a", "phase": "Failed", "reason": "TaskFailed", "message": "", "completionTime": then}
    history = [{**ended, "record": record(run)} for run in earlier]
    kube.write(RUNS, history=[ended, *history], **({"record": record(now)} if now else {}))
    assert run("rerun", "digits").exit_code == 0
    assert helm.changes() == [[*UPGRADE, f"--set=run={number}"]]


def record(run: str) -> dict[str, Any]:
    """Of a run with this number, in status.json."""
    start = documents.time(documents.NOW)
    return {"startTime": start, "settings": {"run": run}, "events": [], "steps": [], "restarts": 0, "lastLine": ""}


def test_rerun_takes_edited_program_files_and_values(helm: FakeHelm, tmp_path: Path) -> None:
    (tmp_path / "a,b").mkdir()
    result = run("rerun", "digits", "--files", "a,b")
    assert (result.exit_code, "no such file; the job's program.files are train.py" in result.stderr) == (2, True)
    (tmp_path / "a,b" / "train.py").write_text("new", "utf-8")
    assert run("rerun", "digits", "--files", "a,b", "-f", "v.yaml", "--set", "worker.replicas=3").exit_code == 0
    assert helm.changes() == [
        [*UPGRADE, "--values=v.yaml", "--set=worker.replicas=3",
         "--set-file=program.files.train\\.py=a\\,b/train.py", "--set=run=4"]
    ]  # fmt: skip


def test_in_an_umbrella_chart_the_chart_is_to_be_named_and_the_key_is_found(kube: Kube, helm: FakeHelm) -> None:
    kube.install("both-train", "both")
    kube.install("both-tune", "both")
    helm.answer("get-metadata", {"chart": "team", "version": "1.0.0"})
    helm.answer("get-values", {"train": {"run": 1, "program": {}}, "a": {"b": {"program": {}}}})
    result = run("suspend", "both-train")
    assert result.exit_code == 2
    assert "release both was installed from chart team 1.0.0" in result.stderr
    assert "name the chart of the release with --chart" in result.stderr
    assert run("rerun", "both-train", "--chart", "oci://registry.example.com/team").exit_code == 0
    assert run("suspend", "both-train", "--chart", "team", "--alias", "a.b").exit_code == 0
    assert [(call[2], call[-1]) for call in helm.changes()] == [
        ("oci://registry.example.com/team", "--set=train.run=2"), ("team", "--set=a.b.suspend=true")
    ]  # fmt: skip
    assert "release both has several jobs" in run("suspend", "both", "--chart", "team").stderr


@pytest.mark.parametrize("command", ["suspend", "resume", "rerun"])
@pytest.mark.parametrize("key", ["tain", "image", "image.tag", "image.tag.x", "nothing"])
def test_a_key_that_leads_to_no_job_is_refused(helm: FakeHelm, command: str, key: str) -> None:
    """Helm sets it without a word, and nothing would be suspended."""
    helm.answer("get-metadata", {"chart": "team", "version": "1.0.0"})
    helm.answer("get-values", {"train": {"program": {}}, "image": {"tag": "1"}, "nothing": None})
    result = run(command, "digits", "--chart", "team", "--alias", key)
    assert (result.exit_code, result.stdout, helm.changes()) == (2, "", [])
    assert f"the values of release digits have no job at {key}; name its key with --alias" in result.stderr


@pytest.mark.parametrize("call", ["get-metadata", "get-values"])
def test_a_helm_that_prints_no_json_is_reported(helm: FakeHelm, call: str) -> None:
    helm.answer(call, "\x1b[1mhello")
    result = run("rerun", "digits")
    assert (result.exit_code, helm.changes()) == (2, [])
    assert "helm get printed what is no JSON: \\x1b[1mhello" in result.stderr


@pytest.mark.usefixtures("kube")
def test_another_version_of_the_chart_is_to_be_named(helm: FakeHelm) -> None:
    helm.answer("get-metadata", {"chart": "tensorflow-job", "version": "9.0.0"})
    result = run("resume", "digits")
    assert (result.exit_code, "--chart" in result.stderr, helm.changes()) == (2, True, [])


@pytest.mark.parametrize("command", ["suspend", "resume", "rerun"])
def test_an_old_helm_is_refused_with_what_it_lacks(helm: FakeHelm, command: str) -> None:
    helm.answer("version", "v3.13.3+gc8b9489")
    result = run(command, "digits")
    assert result.exit_code == 2
    assert "helm v3.13.3+gc8b9489 has no --reset-then-reuse-values; install Helm 3.14 or newer" in result.stderr
    assert helm.changes() == []


def test_cancel_uninstalls_the_release_and_nothing_larger(kube: Kube, helm: FakeHelm) -> None:
    kube.install("both-train", "both")
    kube.install("both-tune", "both")
    helm.answer("version", "v3.2.0")  # any will do
    helm.answer("uninstall", 'release "digits" uninstalled\n')
    result = run("cancel", "digits")
    assert (result.exit_code, result.stdout) == (0, 'release "digits" uninstalled\n')
    result = run("cancel", "both-train")
    assert (result.exit_code, "part of release both" in result.stderr) == (2, True)
    assert run("cancel", "both").exit_code == 0
    assert helm.changes() == [
        ["uninstall", "digits", "--namespace=team-a"],
        ["uninstall", "both", "--namespace=team-a"],
    ]


@pytest.mark.usefixtures("kube")
def test_what_helm_prints_at_an_uninstall_does_not_control_the_terminal(helm: FakeHelm) -> None:
    helm.answer("uninstall", "::error::x\n\x1b]0;x\x07\n")
    assert run("cancel", "digits").stdout == "\\x3a:error::x\n\\x1b]0;x\\x07\n"


@pytest.mark.parametrize("command", ["suspend", "resume", "rerun", "cancel", "tensorboard"])
@pytest.mark.usefixtures("helm")
def test_a_job_that_is_not_there(command: str) -> None:
    result = run(command, "digts")
    assert (result.exit_code, "no job digts in namespace team-a" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    "command", ["suspend", "resume", "rerun", "cancel", "wait", "logs", "status", "runs", "report"]
)
@pytest.mark.parametrize("name", ["", "job/digits", "../digits", "digits?x=y", "-x"])
def test_what_is_no_name_is_refused(helm: FakeHelm, command: str, name: str) -> None:
    """Of an unset variable nothing remains: it must not become the only job of the namespace."""
    result = run(command, "--", name)
    assert (result.exit_code, result.stdout, helm.changes()) == (2, "", [])
    assert f"'{name}' is no name of a job; tfconfig status lists the jobs" in result.stderr


def test_what_is_suggested_for_the_words_of_other_tools_exists() -> None:
    assert set(SYNONYMS.values()) <= set(COMMANDS)
    assert not set(SYNONYMS) & set(COMMANDS)


def test_where_there_is_no_tensorboard_the_line_that_switches_it_on_is_shown(helm: FakeHelm) -> None:
    line = run("tensorboard", "digits").stderr.rpartition("to switch it on: ")[2].split()
    assert line[:3] == ["helm", "upgrade", "digits"]
    assert line[-3:] == ["--namespace=team-a", "--reset-then-reuse-values", "--set=tensorboard.enabled=true"]
    assert Path(line[3], "Chart.yaml").exists()
    helm.answer("get-metadata", {"chart": "both", "version": "1.0.0"})
    text = run("tensorboard", "digits").stderr
    assert "set tensorboard.enabled=true in an upgrade of its release (release digits was installed from" in text


def forwarding(tmp_path: Path, then: str) -> None:
    """The kubectl on PATH forwards a port; `then`: what its shell does next."""
    kubectl = tmp_path / "bin" / "kubectl"
    forward = f'case "$*" in *port-forward*) echo "Forwarding from 127.0.0.1:7777 -> 6006"; {then};; esac'
    kubectl.write_text(kubectl.read_text("utf-8").replace("\n", f"\n{forward}\n", 1), "utf-8")


def test_tensorboard_forwards_a_port_and_prints_the_address(
    kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube.create("services", "digits-tensorboard", {})
    forwarding(tmp_path, 'echo "$@" > words; exit 0')
    monkeypatch.chdir(tmp_path)
    result = run("tensorboard", "digits", "--port", "0")
    assert (result.exit_code, result.stdout) == (0, "TensorBoard of digits: http://localhost:7777 (Ctrl-C to end)\n")
    words = (tmp_path / "words").read_text("utf-8").split()
    assert words == ["port-forward", "service/digits-tensorboard", ":80", "--namespace=team-a"]


def test_tensorboard_goes_on_after_any_number_of_failed_connections(kube: Kube, tmp_path: Path) -> None:
    """Of which kubectl writes a line each; one that nobody reads it is ended by `timeout`, with another status."""
    kube.create("services", "digits-tensorboard", {})
    errors = "yes 'E1129 an error occurred forwarding' | timeout 30 head -n 9000 >&2 || exit 0"
    forwarding(tmp_path, f"{errors}; echo 'error: lost connection to pod' >&2; exit 1")
    result = run("tensorboard", "digits")
    assert (result.exit_code, result.stderr) == (2, "Error: error: lost connection to pod\n")
