"""Upgrades, rollbacks and reinstalls: the same run is never repeated, and tasks of two runs never mix."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from tests.chart import next_chart as made_up

from .conftest import HELMS, Jobs, SideBySide
from .jobs import Helm, Job, helm_program
from .programs import CHART, Values, shell

Tool = Literal["helm3", "helm4", "apply"]
TOOLS: tuple[Tool, ...] = ("helm3", "helm4", "apply")

# Counts its steps in the checkpoint folder, and goes on from there, until it is told to end. (A file written in place
# is empty for a moment, and stays so where the program is killed then.)
TRAINS = """
step=`cat "$CHECKPOINT_DIR/step" 2>/dev/null`
echo "starts at step ${step:-0}"
while ! test -e "$HOME/end"; do
    step=$((step + 1)); echo $step > "$CHECKPOINT_DIR/new"; mv "$CHECKPOINT_DIR/new" "$CHECKPOINT_DIR/step"; sleep 0.3
done
"""

# Each task writes down when it works, twice a second. Worker 1 goes on until it is killed.
BEATS = """
test $TASK_INDEX = 1 && trap "" TERM
while ! test -e "$HOME/end"; do
    date "+$WORD $TASK_TYPE-$TASK_INDEX %s.%N" >> "$CHECKPOINT_DIR/beats"; sleep 0.5
done
"""


# The later chart serves metrics by default, which nobody asks for here.
UNSEEN = {"lastScrapeSeconds": 0}


class Release:
    """A job that is installed and upgraded by Helm, or as Argo CD does it: rendered, applied, what is left pruned."""

    def __init__(self, job: Job, tool: Tool, prune: bool = True) -> None:
        self.job, self._tool, self._prune = job, tool, prune

    def install(self, values: Values, chart: str = str(CHART)) -> None:
        """Install it, or upgrade it to other values, or another chart."""
        if self._tool == "apply":
            self._apply(values, chart)
        elif self.job.namespace.list("secrets", labelSelector=f"owner=helm,name={self.job.release}"):
            self.job.upgrade(values=values, chart=chart)
        else:
            self.job.install(values, chart=chart)

    def upgrade_chart(self, values: Values, chart: str) -> None:
        """Upgrade it to another chart as docs/upgrading.md says: without its values files, where Helm has them."""
        if self._tool == "apply":
            self._apply(values, chart)
        else:
            keep = "--reuse-values" if self._tool == "helm3" else "--reset-then-reuse-values"
            self.job.upgrade(keep, chart=chart)

    def _apply(self, values: Values, chart: str) -> None:
        rendered = self.job.template(values, "--kube-version", "1.28", chart=chart)
        (self.job.apply_and_prune if self._prune else self.job.apply)(rendered)


@pytest.fixture(scope="module")
def next_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A later version of the chart, with every kind of change."""
    return made_up.next_chart(tmp_path_factory.mktemp("next"), *made_up.KINDS)


def uids(job: Job) -> dict[str, str]:
    """The UID of each task's pod."""
    return {task: pod["metadata"]["uid"] for task, pod in job.pods.items()}


def pods_ever(job: Job) -> set[str]:
    """The UIDs of all training pods that there have been."""
    return {
        seen.object["metadata"]["uid"]
        for seen in job.namespace.pods.history
        if seen.object["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "training"
    }


def end(job: Job, *others: str) -> None:
    """Tell worker 0, and others, to end."""
    for task in (*others, "worker-0"):
        job.tell(task, "end")


def wait_for_takeover(job: Job, old: str, seconds: float = 60) -> None:
    """Another controller than this one is in charge and has written the status."""

    def taken() -> bool:
        data = job.namespace.configmaps.objects[f"{job.name}-status"].get("data", {})
        return job.controller != old and str(data.get("holder", "")).startswith(job.controller)

    job.wait_until("the new Job takes the run over", taken, seconds)


def times_erased(job: Job) -> int:
    """How often the status lost its data."""
    history = [seen.object for seen in job.namespace.configmaps.history]
    full = [bool(one.get("data")) for one in history if one["metadata"]["name"] == f"{job.name}-status"]
    return sum(before and not after for before, after in itertools.pairwise(full))


def wait_for_run(job: Job, is_it: Callable[[str], bool], seconds: float = 90) -> str:
    """The id of the run, once it is the wanted one and all its tasks run."""

    def found() -> str | None:
        status = job.status
        return status["runId"] if status.get("phase") == "Running" and is_it(status["runId"]) else None

    return job.wait_until("the wanted run", found, seconds)


def test_the_same_values_again_change_nothing_during_a_run_and_after_it(side_by_side: SideBySide) -> None:
    side_by_side(_same_values_again, TOOLS)


def _same_values_again(jobs: Jobs, tool: Tool) -> None:
    job = jobs.new(helm="helm3" if tool == "helm3" else "helm4")
    release = Release(job, tool)
    values = shell("wait_for end", worker={"replicas": 2})
    release.install(values)
    job.wait_running()
    before, controller, lifecycle = uids(job), job.controller, job.lifecycle_pods[0]["metadata"]["uid"]
    release.install(values)
    end_of_pods = time.monotonic() + 3
    job.wait_until("a while", lambda: time.monotonic() > end_of_pods)
    assert (uids(job), job.controller) == (before, controller)
    assert [pod["metadata"]["uid"] for pod in job.lifecycle_pods] == [lifecycle]
    assert job.restarts("worker-0") == 0

    job.tell("worker-0", "end")
    ended = job.wait_ended("Succeeded")
    release.install(values)
    end_of_pods = time.monotonic() + 3
    job.wait_until("a while", lambda: time.monotonic() > end_of_pods)
    assert (job.status, job.controller) == (ended, controller)
    assert pods_ever(job) == set(before.values())
    assert set(job.sets().values()) == {0}


def test_without_pruning_a_superseded_controller_waits_and_goes_on_when_it_is_named_again(jobs: Jobs) -> None:
    job = jobs.new()
    release = Release(job, "apply", prune=False)
    values = shell("wait_for end")
    release.install(values)
    job.wait_running()
    first = job.controller
    release.install({**values, "restart": {"backoffLimit": 3}})
    wait_for_takeover(job, first)
    second, uid = job.controller, uids(job)
    job.wait_until("both have a pod", lambda: len(job.lifecycle_pods) == 2)
    assert "waiting until this controller is named again" in job.log_of(job.lifecycle_pods[0]["metadata"]["name"], {})
    release.install(values)
    wait_for_takeover(job, second)
    assert (job.controller, uids(job)) == (first, uid)
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded", disturbed=True)
    job.wait_until("the other Job is complete, too", lambda: _succeeded(job, second))
    assert [pod["status"]["phase"] for pod in job.lifecycle_pods] == ["Succeeded", "Succeeded"]


def _succeeded(job: Job, name: str) -> bool:
    return bool(job.namespace.jobs.objects[name]["status"].get("succeeded"))


def test_a_changed_program_is_a_new_run_that_never_works_beside_the_old_one(side_by_side: SideBySide) -> None:
    side_by_side(_changed_program, TOOLS)


def _changed_program(jobs: Jobs, tool: Tool) -> None:
    job = jobs.new(helm="helm3" if tool == "helm3" else "helm4")
    release = Release(job, tool)
    values = shell(BEATS, worker={"replicas": 3}, checkpoint={"enabled": True})
    release.install({**values, "env": {"WORD": "old"}})
    first = job.wait_running()["runId"]
    before = uids(job)
    job.wait_until("all beat", lambda: len(_workers(_beats(job))) == 3)
    release.install({**values, "env": {"WORD": "new"}})
    wait_for_run(job, lambda run: run != first)
    assert not set(uids(job).values()) & set(before.values())
    job.wait_until("all beat", lambda: len(_workers(_beats(job), "new")) == 3)
    assert job.status["failures"] == 0
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded", disturbed=True)
    beats = [line.split() for line in job.in_volume(f"cat /checkpoints/{job.name}/beats").splitlines()]
    old = [float(when) for word, _, when in beats if word == "old"]
    new = [float(when) for word, _, when in beats if word == "new"]
    assert max(old) < min(new)


def test_a_run_that_is_over_is_repeated_when_run_is_raised_and_not_when_it_is_rolled_back_to(
    side_by_side: SideBySide,
) -> None:
    side_by_side(_repeated, HELMS)


def _repeated(jobs: Jobs, helm: Helm) -> None:
    job = jobs.install(shell("wait_for end; echo $WORD", env={"WORD": "a"}), helm=helm)
    first = job.wait_running()["runId"]
    end(job)
    outcome = job.wait_ended("Succeeded")

    job.upgrade("--reuse-values", "--set", "run=2")
    second = wait_for_run(job, lambda run: run != first)
    job.tell("worker-0", "end")
    assert job.wait_ended("Succeeded")["runId"] == second

    existed = pods_ever(job)
    _rollback(job, 1)
    job.wait_until("the first run's outcome stands again", lambda: job.status["runId"] == first)
    again = job.wait_ended("Succeeded", disturbed=True)
    assert (again["message"], again["completionTime"]) == (outcome["message"], outcome["completionTime"])
    assert pods_ever(job) == existed


def test_a_rollback_to_a_run_that_did_not_end_goes_on_from_its_checkpoint(side_by_side: SideBySide) -> None:
    side_by_side(_rolled_back, HELMS)


def _rolled_back(jobs: Jobs, helm: Helm) -> None:
    job = jobs.install(shell(TRAINS, env={"WORD": "a"}, checkpoint={"enabled": True}), helm=helm)
    first = job.wait_running()["runId"]
    job.wait_until("ten steps", lambda: _steps(job) >= 10)
    job.upgrade("--reuse-values", "--set", "env.WORD=b")
    wait_for_run(job, lambda run: run != first)
    _rollback(job, 1)
    wait_for_run(job, lambda run: run == first)
    assert int(job.wait_for_log("worker-0", r"^starts at step (\d+)")[1]) >= 10
    end(job)
    ended = job.wait_ended("Succeeded")
    assert ended["runId"] == first
    assert [past["phase"] for past in ended["history"]] == ["Replaced", "Replaced"]
    assert ended["history"][0]["runId"] == first, "the run is in the history as it was before the rollback"


def test_a_pod_deleted_between_an_upgrade_and_the_takeover_waits_for_the_old_ones(jobs: Jobs) -> None:
    values = shell(BEATS, worker={"replicas": 3}, checkpoint={"enabled": True})
    job = jobs.install({**values, "env": {"WORD": "old"}})
    first = job.wait_running()["runId"]
    # The new controller cannot start for a while; the old one leaves.
    nothing = {"image": {"repository": "there-is-no-such-image", "tag": "1", "pullPolicy": "Never"}}
    job.upgrade(values={**values, "env": {"WORD": "new"}, "lifecycle": nothing})
    job.wait_until("the old controller is gone", lambda: len(job.lifecycle_pods) == 1)
    old = job.delete_pod("worker-0")
    job.wait_for_new_pod("worker-0", old)
    job.wait_for_log("worker-0", f"worker-0 of run .* waits until run {first} is gone")
    assert "new" not in _beats(job, "worker-2")

    job.upgrade(values={**values, "env": {"WORD": "new"}})
    wait_for_run(job, lambda run: run != first)
    job.wait_until("all beat", lambda: len(_workers(_beats(job), "new")) == 3)
    beats = [line.split() for line in _beats(job).splitlines()]
    assert max(float(when) for word, _, when in beats if word == "old") < min(
        float(when) for word, _, when in beats if word == "new"
    )
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded", disturbed=True)


def test_a_new_version_of_the_chart_takes_over_without_disturbing_the_training(
    side_by_side: SideBySide, next_chart: Path
) -> None:
    side_by_side(functools.partial(_new_version, next_chart), TOOLS)


def _new_version(next_chart: Path, jobs: Jobs, tool: Tool) -> None:
    job = jobs.new(helm="helm3" if tool == "helm3" else "helm4")
    release = Release(job, tool)
    values = shell(TRAINS, ps={"replicas": 1}, checkpoint={"enabled": True}, metrics=UNSEEN)
    release.install(values)
    run = job.wait_running()["runId"]
    before, controller = uids(job), job.controller
    release.upgrade_chart(values, str(next_chart))
    wait_for_takeover(job, controller)
    job.wait_until("the old Job is gone", lambda: list(job.namespace.jobs.objects) == [job.controller])
    assert (job.status["runId"], job.status["phase"], job.status["restarts"]) == (run, "Running", 0)
    assert uids(job) == before
    assert {job.restarts(task) for task in job.pods} == {0}
    end(job)
    job.wait_ended("Succeeded")
    assert pods_ever(job) == set(before.values())

    # The same after the end: the new Job reports the outcome.
    existed, controller = pods_ever(job), job.controller
    release.install(values)
    job.wait_until("the Job in charge is Complete", lambda: job.controller != controller and job.condition("Complete"))
    assert pods_ever(job) == existed
    assert job.status["runId"] == run


def test_an_upgrade_by_force_erases_the_state_which_is_rebuilt(side_by_side: SideBySide, next_chart: Path) -> None:
    side_by_side(functools.partial(_upgraded_by_force, next_chart), HELMS)


def _upgraded_by_force(next_chart: Path, jobs: Jobs, helm: Helm) -> None:
    # Helm fails where an object cannot be replaced (a Job of the same name, any claim) and erases the state even then.
    job = jobs.install(shell("wait_for fail; exit 1", worker={"replicas": 2}), helm=helm)
    run = job.wait_running()["runId"]
    before, controller = uids(job), job.controller
    force = ["--force"] if helm == "helm3" else ["--force-replace", "--server-side=false"]

    def goes_on(erased: int) -> None:
        job.wait_until("the state is erased and written again", lambda: job.status and times_erased(job) == erased)
        # Helm's new object has no replicas, so the second worker is deleted, until the set is next looked at.
        job.wait_until("the set is scaled again", lambda: job.sets() == {"worker": 2})
        job.wait_until("both workers run", lambda: job.phase == "Running" and len(_staying(job)) == 2)
        assert (job.status["runId"], job.status["failures"]) == (run, 0)
        assert uids(job)["worker-0"] == before["worker-0"]

    refused = job.upgrade(*force, "--reuse-values", succeeds=False)
    assert "field is immutable" in refused.stderr
    assert job.controller == controller
    goes_on(1)
    job.upgrade(*force, "--reuse-values", chart=str(next_chart))
    wait_for_takeover(job, controller)
    goes_on(2)
    job.upgrade("--reuse-values", "--set", "restart.policy=Never", chart=str(next_chart))
    job.tell("worker-0", "fail")
    assert job.wait_ended("Failed")["reason"] == "TaskFailed"


def test_uninstall_leaves_the_claim_alone_and_a_new_install_goes_on_from_it(side_by_side: SideBySide) -> None:
    side_by_side(_uninstalled_and_installed, HELMS)


def _uninstalled_and_installed(jobs: Jobs, helm: Helm) -> None:
    values = shell(TRAINS, ps={"replicas": 1}, checkpoint={"enabled": True})
    job = jobs.install(values, helm=helm)
    job.wait_running()
    job.wait_until("ten steps", lambda: _steps(job) >= 10)
    job.uninstall()
    kinds = "pods,jobs,statefulsets,services,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies"
    every = ["get", f"{kinds},endpointslices,persistentvolumeclaims", "-n", jobs.namespace.name, "-o", "name"]
    known = {"configmap/kube-root-ca.crt", "serviceaccount/default"}

    def left() -> set[str]:
        return set(jobs.target.run("kubectl", *every).stdout.split()) - known

    claim = {"persistentvolumeclaim/job-checkpoints"}
    job.wait_until("only the claim is left", lambda: left() == claim, 60)

    job.install(values)
    job.wait_running()
    assert int(job.wait_for_log("worker-0", r"^starts at step (\d+)")[1]) >= 10
    end(job)
    job.wait_ended("Succeeded")


def _staying(job: Job) -> list[str]:
    """The tasks whose pods are not being deleted."""
    return [task for task, pod in job.pods.items() if "deletionTimestamp" not in pod["metadata"]]


def _beats(job: Job, task: str = "worker-0") -> str:
    return job.exec(task, "sh", "-c", f"cat /checkpoints/{job.name}/beats 2>/dev/null; true")


def _steps(job: Job) -> int:
    return int(job.exec("worker-0", "sh", "-c", f"cat /checkpoints/{job.name}/step 2>/dev/null || echo 0"))


def _workers(beats: str, word: str = "old") -> set[str]:
    return {line.split()[1] for line in beats.splitlines() if line.startswith(f"{word} ")}


def _rollback(job: Job, revision: int) -> None:
    program = helm_program(job.target, job.helm)
    done = job.target.run(program, "rollback", job.release, str(revision), "--namespace", job.namespace.name)
    assert done.returncode == 0, done.stderr
