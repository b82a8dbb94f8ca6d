"""The examples with ParameterServerStrategy, each to its end."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.examples.conftest import EXAMPLES, RunExample
from tests.running import Running, Start

# Five TensorFlow processes at once need minutes to start on a busy machine of 2 cores.
SECONDS = 280

pytestmark = pytest.mark.timeout(600)


def ended_well(run: Running, step: int) -> list[float]:
    """Exit 0, nothing left, the last step right; returns the losses in the order printed."""
    assert run.end(SECONDS) == 0
    run.wait_until_gone(3)
    assert f"done: step {step}," in run.output
    return [float(loss) for loss in re.findall(r"step \d+ of \d+: loss (\d+\.\d+)", run.output)]


def accuracy(run: Running) -> tuple[float, int]:
    """The accuracy that the program told at its end, and on how many images."""
    found = run.wait_for(r"test accuracy (\d\.\d+) on (\d+) images", 0)
    return float(found[1]), int(found[2])


def staleness(run: Running) -> tuple[float, int]:
    """The updates of other workers between reading the variables and applying the gradients: mean, most."""
    found = run.wait_for(r"staleness: mean (\d+\.\d+), max (\d+) steps", 0)
    return float(found[1]), int(found[2])


def test_vector_add_places_vectors_on_parameter_servers_and_sums_on_workers(start: Start) -> None:
    run = start(EXAMPLES / "vector-add/values.yaml", "--python", sys.executable)  # it has no checkpoint folder
    assert run.end(SECONDS) == 0
    run.wait_until_gone(3)
    placed = re.findall(r"pair (\d): a on (\S+), b on (\S+), a \+ b on (\S+)", run.output)
    assert placed == [(str(pair), "ps-0", "ps-1", f"worker-{pair % 2}") for pair in range(4)]
    # 4 pairs: 1,000 times 0, 1, 2, 3, and 4 times 0 + 1 + … + 999.
    assert "done: the sum of 8 vectors of 1000 numbers is 2004000" in run.output


def test_mnist_learns_with_stale_gradients_and_resumes(example: RunExample) -> None:
    run = example("mnist")
    losses = ended_well(run, 400)
    assert losses[-1] < losses[0] / 3
    right, images = accuracy(run)
    assert right > 0.9
    assert images == 1000
    assert "updates: 400 applied for 400 steps" in run.output
    mean, most = staleness(run)
    assert most >= 1, "with 2 workers, gradients do come in between"
    assert 0 < mean < most

    # Of a single worker, gradients are never stale: that shows that staleness is measured.
    again = example("mnist", ["--steps=450"], "--set", "worker.replicas=1")
    assert len(ended_well(again, 450)) == 1
    assert re.search(r"resumed from \S+/ckpt-400 at step 400", again.output)
    assert staleness(again) == (0.0, 0)


def test_mnist_reads_the_file_of_a_data_volume(example: RunExample, tmp_path: Path) -> None:
    labels = np.arange(600) % 10
    images = np.zeros((600, 28, 28), "uint8")
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 4] = 255  # a bar whose height tells the label
    folder = tmp_path / "images"
    folder.mkdir()
    np.savez(
        folder / "mnist.npz",
        x_train=images[:480],
        y_train=labels[:480].astype("uint8"),
        x_test=images[480:],
        y_test=labels[480:].astype("uint8"),
    )
    full = EXAMPLES / "mnist/full.yaml"
    run = example("mnist", ["--steps=100"], "-f", str(full), "--data", f"mnist={folder}")
    ended_well(run, 100)
    right, count = accuracy(run)
    assert right > 0.9
    assert count == 120


def test_fit_of_tf_keras_learns_and_resumes_after_the_last_epoch(example: RunExample) -> None:
    run = example("mnist", file="fit.yaml")
    losses = ended_well(run, 400)
    assert len(losses) == 4
    assert losses[-1] < losses[0] / 3
    assert accuracy(run)[0] > 0.9
    assert "updates: 400 counted by the optimizer" in run.output

    again = example("mnist", ["--epochs=5"], file="fit.yaml")
    assert len(ended_well(again, 500)) == 1
    assert re.search(r"resumed from \S+/chief/ckpt-4 at step 400", again.output)


def test_wide_and_deep_shards_its_tables_and_moves_only_the_rows_of_a_batch(example: RunExample) -> None:
    run = example("wide-and-deep")
    losses = ended_well(run, 600)
    assert losses[-1] < 0.9 * losses[0]
    shards = re.findall(r"ps-(\d): (\d+) rows of users, (\d+) rows of items, (\d+) rows of wide", run.output)
    assert shards == [(str(server), "100000", "20000", "120120") for server in range(2)]
    # A user, an item, and 3 wide weights for each of 512 views.
    assert "sparse: a step moves 2560 of 480240 rows" in run.output
    assert "updates: 600 applied for 600 steps" in run.output
    staleness(run)
    # Guessing has 0.5, the truth without the hidden tastes 0.65, all of it 0.90: the embeddings found the tastes.
    assert float(run.wait_for(r"test AUC (\d\.\d+)", 0)[1]) > 0.7

    # A checkpoint holds whole tables: another number of parameter servers takes them up.
    again = example("wide-and-deep", ["--steps=650"], "--set", "ps.replicas=3")
    (loss,) = ended_well(again, 650)
    assert loss < 0.9 * losses[0]
    assert re.search(r"resumed from \S+/ckpt-600 at step 600", again.output)
    assert "ps-2: 66666 rows of users, 13333 rows of items, 80080 rows of wide" in again.output
