"""Examples as they stand, on the cluster: each to its end, two of them with each kind of task lost on the way.

The digits example, that of ParameterServerStrategy, is in test_training.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from .conftest import Jobs
from .jobs import Job
from .programs import ROOT, Values

EXAMPLES = ROOT / "examples"

# A task that no node takes.
NOWHERE = {"nodeSelector": {"example.com/no-such": "node"}}
START = 20


def example(name: str, *arguments: str, file: str = "values.yaml", **values: Any) -> Values:
    """The values of an example with its programs, with other arguments if given."""
    folder = EXAMPLES / name
    found: Values = yaml.safe_load((folder / file).read_text())
    program = {**found["program"], "files": {path.name: path.read_text() for path in folder.glob("*.py")}}
    if arguments:
        program["args"] = list(arguments)
    return {**found, "program": program, **values}


def shorter(name: str, steps: int, file: str) -> Values:
    """An example as it stands, but with fewer steps: how well it learns is shown by tests/examples."""
    found = example(name, file=file)
    return example(name, *found["program"]["args"], f"--steps={steps}", file=file)


def decider(job: Job) -> str:
    """The task whose end decides."""
    return "chief-0" if "chief-0" in job.pods else "worker-0"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param(example("vector-add"), r"done: ", id="vector-add"),
        pytest.param(example("mnist"), r"done: step \d+, test accuracy 0\.[89]", id="mnist"),
        pytest.param(example("in-graph-async"), r"done: step \d+, test accuracy 0\.9", id="in-graph-async"),
        pytest.param(shorter("inception-v3", 10, file="small.yaml"), r"done: step 10,", id="inception-v3"),
    ],
)
def test_an_example_trains_to_its_end_and_frees_everything(jobs: Jobs, values: Values, says: str) -> None:
    job = jobs.install(values)
    status = job.wait_ended("Succeeded", 240)
    assert (status["failures"], status["restarts"]) == (0, 0)
    assert re.search(says, job.tail()), job.tail()


@pytest.mark.timeout(600)
def test_synchronous_workers_survive_the_loss_of_each_kind_of_task(jobs: Jobs) -> None:
    steps = 1000
    job = jobs.install(
        example("between-graph-sync", f"--steps={steps}", "--batch=128", "--save-every=50", "--round=25")
    )
    _wait_for_rounds(job)
    job.kill_program("worker-1")
    job.wait_until("the failure is counted", lambda: job.status["failures"] == 1)
    _wait_for_rounds(job)
    old = job.delete_pod("worker-2")
    job.wait_for_new_pod("worker-2", old)
    job.wait_running()
    _wait_for_rounds(job)
    assert job.status["failures"] == 1, "a deleted pod is no failure"
    # The leader closes the queue of tokens: all workers end, and none of them may pass that off as the end of training.
    before = _container(job)
    job.kill_program("ps-1")
    _wait_until_resumed(job, before)
    _wait_for_rounds(job)
    before = _container(job)
    job.kill_program("worker-0")
    _wait_until_resumed(job, before)
    status = job.wait_ended("Succeeded", 240, disturbed=True)
    assert f"done: step {steps}," in job.tail()
    assert 1 <= status["failures"] <= 4  # those of 30 s are one wave


@pytest.mark.timeout(600)
def test_mirrored_workers_survive_a_killed_one_and_save_before_they_leave_a_drained_node(jobs: Jobs) -> None:
    steps = 1500
    job = jobs.install(
        example("multi-worker-mirrored", f"--steps={steps}", "--batch=128", "--save-every=50", "--round=25")
    )
    _wait_for_rounds(job)
    before = _container(job)
    job.kill_program("worker-1")
    _wait_until_resumed(job, before)
    _wait_for_rounds(job)
    assert job.status["failures"] == 1, "all workers fall with one of them, which is one failure"
    before, reached = _container(job), _last_step(job)
    old = job.delete_pod("worker-1")
    job.wait_for_new_pod("worker-1", old)
    resumed = _wait_until_resumed(job, before)
    assert resumed >= reached, "saved on SIGTERM, not at the last regular checkpoint"
    status = job.wait_ended("Succeeded", 240, disturbed=True)
    assert f"done: step {steps}," in job.tail()
    assert status["failures"] == 1, "neither the deletion nor exit 42 counts"


def test_a_task_that_never_comes_is_named_when_the_start_deadline_ends_the_job(shared_jobs: Jobs) -> None:
    names = ("digits", "between-graph-async", "between-graph-sync", "in-graph-sync", "multi-worker-mirrored")
    for name in names:
        values = example(name, deadlines={"startSeconds": START})
        values["worker"] = {**values["worker"], **NOWHERE}
        shared_jobs.install(values, name)
    for job in shared_jobs.all:
        status = job.wait_ended("Failed", START + 60, disturbed=True)
        assert status["reason"] == "StartDeadlineExceeded"
        assert re.search(r"worker-0\b[^:]*: Unschedulable: ", status["message"]), status["message"]


def _last_step(job: Job) -> int:
    """The last step printed by the program that decides, of its container that runs now."""
    steps = re.findall(r"^step (\d+) of", job.log(decider(job)), re.MULTILINE)
    return int(steps[-1]) if steps else 0


def _wait_for_rounds(job: Job, rounds: int = 3) -> None:
    """Rounds of training printed from now on; a program that was started again may be behind."""
    job.wait_running(120)
    before = job.log(decider(job)).count("\nstep ")

    def printed() -> bool:
        return job.log(decider(job)).count("\nstep ") >= before + rounds

    job.wait_until(f"{rounds} more rounds", printed, 120)


def _container(job: Job) -> tuple[str, int]:
    """The container of the deciding task."""
    task = decider(job)
    assert task in job.pods, f"the job has ended too soon\n{job.tail()}"
    return job.pods[task]["metadata"]["uid"], job.restarts(task)


def _wait_until_resumed(job: Job, before: tuple[str, int]) -> int:
    """The step from which the deciding program goes on in another container than before."""
    task = decider(job)

    def resumed() -> re.Match[str] | None:
        if _container(job) == before:
            return None
        return re.search(r"^resumed from \S+ at step (\d+)$", job.log(task), re.MULTILINE)

    return int(job.wait_until(f"{task} resumes", resumed, 180)[1])
