"""The examples with TF1 sessions, between-graph and in-graph, synchronous and asynchronous, each to its end."""

from __future__ import annotations

import re

import pytest

from tests.examples.conftest import RunExample
from tests.running import Running

# Several TensorFlow processes at once need minutes to start on a busy machine of 2 cores.
SECONDS = 280

pytestmark = pytest.mark.timeout(600)


def ended_well(run: Running, step: int) -> None:
    """Exit 0, nothing left, a loss that fell, and a model that has learnt, after exactly so many steps."""
    assert run.end(SECONDS) == 0
    run.wait_until_gone(3)
    losses = [float(loss) for loss in re.findall(r"step \d+ of \d+: loss (\d+\.\d+)", run.output)]
    assert losses[-1] < losses[0] / 2
    found = run.wait_for(r"done: step (\d+), test accuracy (\d\.\d+)", 0)
    assert int(found[1]) == step
    assert float(found[2]) > 0.9


def updates(run: Running) -> tuple[int, int, int]:
    """What a synchronous program measured: global steps, gradients, workers."""
    found = run.wait_for(r"updates: (\d+) global steps from (\d+) gradients of (\d+) workers", 0)
    return int(found[1]), int(found[2]), int(found[3])


def staleness(run: Running) -> list[tuple[float, int, int]]:
    """What asynchronous programs measured: mean, maximum, and the number of updates it was measured in."""
    found = re.findall(r"staleness: mean (\d+\.\d+), max (\d+) steps in (\d+) updates", run.output)
    return [(float(mean), int(most), int(count)) for mean, most, count in found]


@pytest.mark.parametrize("file", ["values.yaml", "with-chief.yaml"])
def test_between_graph_workers_update_the_variables_without_waiting_for_each_other(
    example: RunExample, file: str
) -> None:
    run = example("between-graph-async", file=file)
    ended_well(run, 2000)
    deciding = "chief-0" if file == "with-chief.yaml" else "worker-0"
    assert f"deciding task  {deciding}, exit status 0" in run.output
    assert re.search(r"worker-\d \| joined at step \d+", run.output)
    told = staleness(run)
    assert any(most > 0 for _, most, _ in told), "updates were applied to newer variables than they were made from"
    # The leader may be faster to end, and the job with it, than another worker is to tell its part.
    assert sum(count for _, _, count in told) == 2000 or len(told) == 1


def test_between_graph_steps_are_made_of_the_first_gradients_with_a_backup_worker(example: RunExample) -> None:
    run = example("between-graph-sync", ["--steps=200", "--round=20"])
    ended_well(run, 200)
    steps, gradients, workers = updates(run)
    late = run.wait_for(r"each step took the first 2 gradients; (\d+) came later and were not waited for", 0)
    assert (steps, workers) == (200, 3)
    assert gradients == steps * 2 + int(late[1])
    assert 0 < int(late[1]) <= steps + 2


@pytest.mark.parametrize(
    ("file", "workers"), [("values.yaml", 3), ("with-chief.yaml", 2)], ids=["worker 0 leads", "a chief leads"]
)
def test_between_graph_steps_wait_for_every_gradient_without_backup_workers(
    example: RunExample, file: str, workers: int
) -> None:
    run = example("between-graph-sync", ["--steps=200", "--round=20", "--backup-workers=0"], file=file)
    ended_well(run, 200)
    assert updates(run) == (200, 200 * workers, workers)
    assert "0 came later and were not waited for" in run.output


def test_in_graph_steps_are_the_mean_of_all_workers_and_resume(example: RunExample) -> None:
    run = example("in-graph-sync")
    ended_well(run, 400)
    assert updates(run) == (400, 800, 2)

    again = example("in-graph-sync", ["--steps=440", "--round=20"])
    assert again.end(SECONDS) == 0
    assert re.findall(r"resumed from \S+ at step (\d+)", again.output) == ["400"]
    assert "done: step 440" in again.output
    assert updates(again) == (440, 880, 2), "both counters are in the checkpoint"


def test_in_graph_threads_update_the_variables_without_waiting_for_each_other(example: RunExample) -> None:
    run = example("in-graph-async")
    ended_well(run, 2000)
    ((mean, most, count),) = staleness(run)
    assert count == 2000, "every update is one of the client's"
    assert mean > 0
    assert most > 0


def test_between_graph_steps_go_on_after_a_lost_parameter_server(example: RunExample) -> None:
    """A leader that fails closes the queue of SyncReplicasOptimizer. On the parameter server that lives on it stays
    closed, and every session that came later ended at its first step, until the leader made the servers forget it.
    """
    run = example("between-graph-sync", ["--steps=200", "--round=20", "--save-every=40"])
    run.wait_for(r"step (8|9)\d of 200", SECONDS)
    run.kill("entrypoint server .*/ps-1")
    ended_well(run, 200)
    resumed = [int(step) for step in re.findall(r"worker-0 \| resumed from \S+ at step (\d+)", run.output)]
    assert resumed
    assert resumed[0] >= 40
    assert "ps-1 exited 137, killed by signal 9; not counted" in run.output
