"""The InceptionV3 example in its small form: generated images, sharded variables, and an evaluator that follows."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from tests.examples.conftest import RunExample

# Six TensorFlow processes: a minute on an idle machine of 2 cores, several on a busy one.
SECONDS = 560


@pytest.mark.timeout(900)
def test_inception_learns_in_shards_and_is_evaluated(example: RunExample, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    run = example("inception-v3", None, "--data", f"images={images}", file="small.yaml")
    assert run.end(SECONDS) == 0
    run.wait_until_gone(3)

    assert "made 288 images of 6 classes" in run.output
    assert len(list(images.glob("train/*/*.JPEG"))) == 240
    assert len(list(images.glob("val/*/*.JPEG"))) == 48
    # 30 kernels are larger than 256 KiB and more than 1 high: each is cut in two. A kernel of height 1 cannot be.
    assert "408 variables, of them 60 shards, on 2 parameter servers" in run.output

    losses = [float(loss) for loss in re.findall(r"step \d+ of 40: loss (\d+\.\d+)", run.output)]
    assert len(losses) == 8
    assert np.mean(losses[-2:]) < 0.9 * np.mean(losses[:2])  # batches of 8: single rounds go up and down
    rates = [float(rate) for rate in re.findall(r"learning rate (\d\.\d+)", run.output)]
    assert rates[0] < max(rates) > rates[-1]
    mean, most = run.wait_for(r"staleness: mean (\d+\.\d+), max (\d+) steps", 0).groups()
    assert 0 < float(mean) <= int(most)
    assert "done: step 40, the evaluator reports the accuracy" in run.output

    figures = r"evaluated step 40: loss (\d+\.\d+), top-1 (\d\.\d+), top-5 (\d\.\d+)"
    loss, first, fifth = map(float, run.wait_for(figures, 0).groups())
    assert 1 / 6 < first <= fifth
    assert "done: evaluated step 40 of 40" in run.output
    assert written(tmp_path / "checkpoints/eval", 40) == pytest.approx(
        {"loss": loss, "top-1": first, "top-5": fifth}, abs=0.001
    )


def written(folder: Path, step: int) -> dict[str, float]:
    """The scalars of a step, as TensorBoard reads them."""
    tensorflow = importlib.import_module("tensorflow")  # seconds; not while tests are only collected
    (file,) = folder.iterdir()
    found = {}
    for event in tensorflow.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value if event.step == step else []:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found[value.tag] = float(tensorflow.make_ndarray(value.tensor))
    return found
