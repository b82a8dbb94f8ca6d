"""Several jobs in one release or one namespace, and names at their limit."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
import yaml

from .conftest import HELMS, Jobs, SideBySide
from .jobs import Helm, Job, helm_program
from .programs import CHART, shell

LONGEST = "a-job-whose-name-has-the-42-letters-it-may"

# Tells the address behind each name of its TF_CONFIG, then waits for the test.
LOOK_UP = """
cat > "$TMPDIR/look.py" <<'END'
import json, os, socket, time
def address(name):
    while True:
        try:
            return socket.gethostbyname(name)
        except OSError:
            time.sleep(0.2)  # that pod is still to come
cluster = json.loads(os.environ["TF_CONFIG"])["cluster"]
names = [address.rpartition(":")[0] for role in cluster.values() for address in role]
print("found", json.dumps({name: address(name) for name in names}), flush=True)
END
python3 "$TMPDIR/look.py"
wait_for end
"""


def assert_finds_only_its_own(job: Job) -> None:
    """Every name that a program of this job is given leads to a pod of this job."""
    own = {f"{job.name}-{task}.{job.name}": pod["status"]["podIP"] for task, pod in job.pods.items()}
    for task in job.pods:
        assert json.loads(job.wait_for_log(task, r"^found (.*)$", 30)[1]) == own


def test_two_aliases_of_the_chart_in_one_release_are_two_jobs(side_by_side: SideBySide, tmp_path: Path) -> None:
    side_by_side(functools.partial(_two_aliases, tmp_path), HELMS)


def _two_aliases(folder: Path, jobs: Jobs, helm: Helm) -> None:
    tmp_path = folder / helm
    tmp_path.mkdir()
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    dependencies = [{"name": "tensorflow-job", "alias": alias, "version": version} for alias in ("train", "tune")]
    about = {"apiVersion": "v2", "name": "team", "version": "1.0.0", "dependencies": dependencies}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(about))
    (tmp_path / "charts").mkdir()
    package = jobs.target.run(
        helm_program(jobs.target, helm), "package", str(CHART), "--destination", str(tmp_path / "charts")
    )
    assert package.returncode == 0, package.stderr

    train, tune = jobs.new("both", helm), jobs.new("both", helm)
    train.name, tune.name = "both-train", "both-tune"
    values = {
        "train": train.complete(shell(LOOK_UP, ps={"replicas": 1})),
        "tune": tune.complete(shell(LOOK_UP + "exit 3", restart={"policy": "Never"})),
        "global": {"team": "vision"},
    }
    train.install(values, chart=str(tmp_path))
    for job in (train, tune):
        job.wait_running()
        assert_finds_only_its_own(job)
    tune.tell("worker-0", "end")
    assert tune.wait_ended("Failed")["exitCode"] == 3
    assert train.phase == "Running"
    assert set(train.pods) == {"worker-0", "ps-0"}
    train.tell("worker-0", "end")
    assert train.wait_ended("Succeeded")["message"] == "worker-0 exited 0"


def test_two_releases_in_one_namespace_do_not_meet(jobs: Jobs) -> None:
    # The second is called as the first one's workers are.
    first = jobs.install(shell(LOOK_UP, ps={"replicas": 1}), "job")
    second = jobs.install(shell(LOOK_UP, worker={"replicas": 2}), "job-worker")
    for job in (first, second):
        job.wait_running()
        assert_finds_only_its_own(job)
    first.tell("worker-0", "end")
    first.wait_ended("Succeeded")
    assert second.phase == "Running"
    assert set(second.pods) == {"worker-0", "worker-1"}
    assert {second.restarts(task) for task in second.pods} == {0}
    second.tell("worker-0", "end")
    second.wait_ended("Succeeded")


def test_a_job_with_the_longest_name_runs_in_every_role_to_its_end(jobs: Jobs) -> None:
    assert len(LONGEST) == 42
    one = {"replicas": 1}
    script = LOOK_UP.replace("wait_for end", "test $TASK_TYPE = evaluator && exit; wait_for end")
    job = jobs.install(shell(script, chief=one, worker=one, ps=one, evaluator=one), LONGEST)
    job.wait_until("all tasks run or are done", lambda: job.status.get("phase") == "Running")
    job.wait_for_log("chief-0", "^found ")
    job.tell("chief-0", "end")
    assert job.wait_ended("Succeeded")["succeeded"]["chief"] == "0"


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_a_longer_name_is_refused(jobs: Jobs, helm: Helm) -> None:
    job = jobs.new(f"{LONGEST}s", helm)
    done = job.install(shell("true"), succeeds=False)
    assert f'"{LONGEST}s" has 43 characters' in done.stderr
    assert not jobs.namespace.list("configmaps", labelSelector="app.kubernetes.io/name=tensorflow-job")
