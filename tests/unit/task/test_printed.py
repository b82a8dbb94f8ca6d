"""Progress that is read from what programs print: Keras (the bars are its own), loops, Estimators, tqdm."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfconfig.tensorflow_job.task.printed import Printed, check

BARS = Path(__file__).parent / "printed"


def found(text: str | bytes, pattern: str = "") -> dict[str, Any] | None:
    printed = Printed(pattern)
    printed.feed(text if isinstance(text, bytes) else f"{text}\n".encode())
    return printed.document


@pytest.mark.parametrize("file", ["keras2-verbose1", "keras3-verbose1", "keras2-unknown", "keras3-unknown"])
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_the_bars_of_keras_are_steps_of_all_epochs(file: str, size: int) -> None:
    """However they are cut on their way, and where the first epoch does not know its size. Evaluations do not count."""
    data, printed = (BARS / f"{file}.txt").read_bytes(), Printed()
    steps: list[int] = []
    for start in range(0, len(data), size):
        if printed.feed(data[start : start + size]) and printed.document:
            steps.append(printed.document["step"])  # type: ignore[arg-type]
    assert steps == sorted(steps)
    if size < 4096:
        assert set(steps) == set(range(1, 13))
    last = printed.document
    assert last
    assert (last["step"], last["total"], last["source"]) == (12, 12, "output")
    loss = 0.0937 if "keras2" in file else 0.0833  # Keras 3 shows the last one at the end, Keras 2 a mean
    assert last["loss"] == loss
    assert last["metrics"] == {"accuracy": pytest.approx(1 - loss), "val_loss": 0.5}


@pytest.mark.parametrize("file", ["keras2-verbose2", "keras3-verbose2"])
def test_a_line_for_each_epoch_tells_of_epochs(file: str) -> None:
    last = found((BARS / f"{file}.txt").read_bytes())
    assert last
    assert (last["step"], last["total"], last["source"]) == (3, 3, "epochs")
    assert last["loss"] == (0.0937 if "keras2" in file else 0.0833)


@pytest.mark.parametrize("keras", ["keras2", "keras3"])
def test_a_second_fit_is_shown_by_itself_without_a_share_of_all(keras: str) -> None:
    """Nobody knows whether it is the last one: neither a percentage nor a time left would be true."""
    bars, lines = (BARS / f"{keras}-verbose1.txt").read_bytes(), (BARS / f"{keras}-verbose2.txt").read_bytes()
    printed = Printed()
    printed.feed(bars)
    printed.feed(b"".join(bars.splitlines(keepends=True)[:3]))
    second = printed.document
    assert second
    assert second["total"] is None
    assert 0 < second["step"] < 12  # type: ignore[operator]
    metrics: Any = second["metrics"]
    assert (metrics["fit"], metrics["epoch"], "val_loss" in metrics) == (2, 1, False)
    last = found(lines + lines)
    assert last
    assert (last["step"], last["total"], last["source"], last["metrics"]["fit"]) == (3, None, "epochs", 2)


def test_the_first_step_of_a_fit_tells_no_speed_since_it_is_compiled_in_it() -> None:
    bars = "Epoch 1/10\n   1/2250 \u2501 28:07 750ms/step - loss: 0.69\n"
    first, second = found(bars), found(bars + "   9/2250 \u2501 4s 2ms/step - loss: 0.69")
    assert first
    assert second
    assert (first["step"], first["rate"], second["rate"]) == (1, None, 500)


def test_the_first_step_of_a_later_epoch_tells_the_speed_before_it_since_the_evaluation_is_in_it() -> None:
    bars = "Epoch 1/2\n9/9 \u2501 4s 2ms/step - loss: 0.69\nEpoch 2/2\n1/9 \u2501 8s 999ms/step - loss: 0.69\n"
    later, another_fit = found(bars), found(bars + bars.split("9/9", maxsplit=1)[0] + "1/9 \u2501 8s 9ms/step\n")
    assert later
    assert another_fit
    assert (later["step"], later["rate"]) == (10, 500)
    assert (another_fit["step"], another_fit["rate"]) == (1, None)


def test_a_fit_that_goes_on_with_a_later_epoch_is_no_second_one() -> None:
    bar = "10/10 [=====] - 0s - loss: 0.5"
    last = found(f"Epoch 1/2\n{bar}\nEpoch 2/2\n{bar}\nEpoch 3/4\n 1/10 [=>...] - ETA: 0s - loss: 0.5")
    assert last
    assert (last["step"], last["total"]) == (21, 40)


@pytest.mark.parametrize(
    ("lines", "step", "total"),
    [
        ("step 1 of 9: loss 1\nstep 9 of 9: loss 1\nstep 1 of 9: loss 1", 1, None),
        ("step 10 of 90: loss 1\nstep 40 of 90: loss 1\nstep 30 of 90: loss 1", 30, 90),
        ("Epoch 1: 0%| | 0/9 [00:00<?]\nEpoch 1: 9%| | 9/9 [00:05<00:00]\nEpoch 2: 0%| | 2/9 [00:01<00:03]", 2, None),
    ],
)  # fmt: skip
def test_steps_that_begin_anew_are_no_share_of_all(lines: str, step: int, total: int | None) -> None:
    last = found(lines)
    assert last
    assert (last["step"], last["total"], last["metrics"].get("pass")) == (step, total, None if total else 2)


@pytest.mark.parametrize(
    "other",
    [
        "2026-11-28 16:00:00.123456: W tensorflow/core/framework/op_kernel.cc:1] INVALID_ARGUMENT: Label values: 0 1",
        "W0000 00:00:1795910437.047515   31570 op.cc:1] values: 0",
        "Traceback (most recent call last):",
    ],
)
def test_what_stands_behind_a_bar_in_its_line_is_no_metric_of_it(other: str) -> None:
    last = found(f"Epoch 1/2\n 3/10 \u2501 3s 9ms/step - auc: 0.5 - loss: 0.2500{other}")
    assert last
    assert (last["step"], last["loss"], last["metrics"]) == (3, 0.25, {"auc": 0.5})


def test_a_bar_before_any_epoch_is_that_of_an_evaluation() -> None:
    assert found("10/10 - 0s - loss: 9.0000 - 2us/step") is None


@pytest.mark.parametrize(
    ("line", "step", "total", "loss", "rate", "metrics"),
    [
        ("step 100 of 5000: loss 0.3121, 41 steps/s", 100, 5000, 0.3121, 41, {}),
        ("Step: 1,200/5,000 | Loss: 0.13 | AUC: 0.91", 1200, 5000, 0.13, None, {"AUC": 0.91}),
        ("step=1200 loss=0.13 accuracy=0.9", 1200, None, 0.13, None, {"accuracy": 0.9}),
        ("[iter 300] loss: 1e-3 lr: 0.01", 300, None, 0.001, None, {"lr": 0.01}),
        ("iteration 7, loss -2.5", 7, None, -2.5, None, {}),
        ("INFO:tensorflow:loss = 0.3, step = 100", 100, None, 0.3, None, {}),
        ("INFO:tensorflow:loss = 0.25, step = 200 (2.113 sec)", 200, None, 0.25, None, {}),
        ("I0101 00:00:00.1 140 logging.py:61] global_step=40 loss=2.5", 40, None, 2.5, None, {}),
        ("Training loss (for one batch) at step 200: 0.9794", 200, None, 0.9794, None, {}),
        ("step 7 of 9: train loss: 0.4, val loss: 0.5", 7, 9, 0.4, None, {"val_loss": 0.5}),
        ("step 2000: train loss 1.75, val loss 1.875", 2000, None, 1.75, None, {"val_loss": 1.875}),
        ("step 7 learning rate: 0.1 loss: 1,234.5", 7, None, 1234.5, None, {"learning_rate": 0.1}),
        ('{"ts": 1764500000.5, "step": 7, "loss": 0.5, "auc": 0.9}', 7, None, 0.5, None, {"auc": 0.9}),
        ("1445.2: Worker 0: training step 100 done (global step: 200)", 200, None, None, None, {}),
        ("10\timages/sec: 95.9 +/- 0.5 (jitter = 1.1)\t7.609", 10, None, 7.609, None, {}),
        ("I0101 00:00:00.1 140 model_lib_v2.py:705] Step 100 per-step time 0.5s", 100, None, None, 2, {}),
        ("INFO:tensorflow:global step 100: loss = 2.5 (0.250 sec/step)", 100, None, 2.5, 4, {}),
        ("step 100, loss = 4.5 (1024.0 examples/sec; 0.125  sec/batch)", 100, None, 4.5, 8, {}),
        ("Epoch 1/3:  37%|███▋      | 37/100 [01:05<02:09,  2.00s/it]", 37, 100, None, 0.5, {}),
        ("train | step:   1000 | steps/sec:    3.5 | output: {'f1': 0.5}", 1000, None, None, 3.5, {"f1": 0.5}),
        ("Epoch 3: step 40/100 loss=0.5", 40, 100, 0.5, None, {}),
        (" 37%|███▋      | 37/100 [00:05<00:09,  6.9it/s, loss=0.48]", 37, 100, 0.48, 6.9, {}),
        ("Epoch 2/3:  37%|███▋      | 37/100 [00:05<00:09,  6.9it/s]", 37, 100, None, 6.9, {}),
    ],
)  # fmt: skip
def test_lines_of_loops_estimators_and_tqdm(
    line: str, step: int, total: int | None, loss: float | None, rate: float | None, metrics: dict[str, float]
) -> None:
    assert found(line) == {
        "step": step, "total": total, "loss": loss, "rate": rate, "metrics": metrics, "source": "output",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "epoch", "total", "loss"),
    [
        ("Epoch 1, Loss: 0.13, Accuracy: 96.1, Test Loss: 0.06", 1, None, 0.13),
        ("epoch 2 of 6: loss 0.4123", 2, 6, 0.4123),
        ("Epoch: 3, accuracy: 0.875000, train_loss: 0.25.", 3, None, None),
        ("[Epoch 4/90] loss: 0.5", 4, 90, 0.5),
    ],
)
def test_lines_of_epochs(line: str, epoch: int, total: int | None, loss: float | None) -> None:
    last = found(line)
    assert last
    assert (last["step"], last["total"], last["loss"], last["source"]) == (epoch, total, loss, "epochs")


@pytest.mark.parametrize(
    "line",
    [
        "Step 1: downloading the data",
        "resumed from /checkpoints/ckpt-7 at step 1200",
        "Total steps: 5000, loss: none",
        "warmup_step: 100, lr: 0.1",
        "2026-11-28 10:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] AVX2 AVX512F",
        "INFO:tensorflow:Saving checkpoints for 0 into /checkpoints/model.ckpt.",
        "Dl Size...:  37%|███▋      | 37/100 [00:05<00:09,  6.9 MiB/s]",
        "worker-3 serves at host:2222",
        "3/4 files done",
        "Epoch 00003: val_loss improved from 0.3 to 0.2, saving model to x",
        "step 12 of 10: loss 1",
        "step 12 loss 1e999",
        "http://step:80/2",
        "x" * 5000 + " step 1 loss 2",
    ],
)
def test_lines_that_tell_of_no_step(line: str) -> None:
    assert found(line) is None


def test_the_speed_that_estimators_print_apart_is_that_of_their_steps() -> None:
    last = found("INFO:tensorflow:global_step/sec: 47.3\nINFO:tensorflow:loss = 0.2, step = 300 (2.1 sec)\n"
                 "INFO:tensorflow:global_step/sec: 48.5")  # fmt: skip
    assert last
    assert (last["step"], last["rate"]) == (300, 48.5)


@pytest.mark.parametrize(
    "lines",
    [
        "train | step: 10 | steps/sec: 2 | output: {'loss': 0.5}\n eval | step: 10 | output: {'loss': 9.5}",
        "I0101 x.py:1] step: 10 loss: 0.5\nI0101 x.py:1]  eval | step: 10 | output: {'loss': 9.5}",
        "INFO:tensorflow:loss = 0.5, step = 10\n"
        "INFO:tensorflow:Saving dict for global step 10: global_step = 10, loss = 9.5",
        "step 10/90 loss 0.5\nTest step 1/5 loss 9.5",
        "step 10/90 loss 0.5\nvalidation: step 10, loss 9.5",
        "Epoch 10/90 | train | loss: 0.5\nEpoch 10/90 | val | loss: 9.5",
        "[Train] step 10/90 loss 0.5\n[Val] step 1/5 loss 9.5",
        "Epoch 1: 11%|█ | 10/90 [00:01<00:08, loss=0.5]\nValidation: 20%|█ | 1/5 [00:01<00:04, loss=9.5]",
    ],
)
def test_an_evaluation_changes_neither_step_nor_loss(lines: str) -> None:
    last = found(lines)
    assert last
    assert (last["step"], last["loss"]) == (10, 0.5)
    assert last["metrics"] == ({} if "%|" in lines else {"val_loss": 9.5})


@pytest.mark.parametrize(
    "line",
    [
        "Epoch 3/10 | train: loss 0.5 | val: loss 0.6",
        "Epoch 3/10 | loss: 0.5 | eval: 0.6",
        "[epoch 3/10] train_loss=0.5 | test: acc=0.6",
        "test-run | epoch 3/10 loss 0.5",
    ],
)
def test_the_line_of_an_epoch_may_tell_of_its_evaluation_too(line: str) -> None:
    last = found(line)
    assert last
    assert (last["step"], last["total"], last["loss"]) == (3, 10, 0.5)


def test_a_logger_that_has_the_name_of_an_evaluation_logs_of_a_training() -> None:
    last = found("INFO:test:step 10/90 loss 0.5")
    assert last
    assert (last["step"], last["loss"]) == (10, 0.5)


@pytest.mark.parametrize(
    "lines",
    [
        "step 1 of 9: loss 0.5, auc: 0.5\nstep 2 of 9: loss nan, auc: inf",
        "step=1 loss=0.5 auc=0.5\nstep=2 loss=NaN auc=-inf",
        "Epoch 1/3\n 1/10 [=>..] - ETA: 3s - loss: 0.5 - auc: 0.5\r 2/10 [==>.] - ETA: 3s - loss: nan - auc: nan",
    ],
)
def test_a_number_that_is_none_any_more_does_not_stay_what_it_was(lines: str) -> None:
    last = found(lines)
    assert last
    assert (last["step"], last["loss"], last["metrics"]) == (2, None, {})
    again = found("it 1 err=0.5 f1=0.5\nit 2 err=nan f1=nan", r"it (?P<step>\d+) err=(?P<loss>\S+) f1=(?P<f1>\S+)")
    assert again
    assert (again["loss"], again["metrics"]) == (None, {})


def test_what_a_step_returned_may_take_several_lines() -> None:
    last = found(
        "train | step:  10 | steps/sec: 2.0 | output: \n    {'learning_rate': 0.1,\n     'training_loss': 0.5}"
    )
    assert last
    assert (last["loss"], last["metrics"]) == (0.5, {"learning_rate": 0.1})
    last = found(
        "I0101 x.py:705] Step 10 per-step time 0.5s\nI0101 x.py:8] {'Loss/total_loss': 0.6,\n 'learning_rate': 0.1}"
    )
    assert last
    assert last["metrics"] == {"Loss/total_loss": 0.6, "learning_rate": 0.1}


@pytest.mark.parametrize(
    "bar", ["10/10 - 3s - loss: 0.5 - 3s/epoch - 300ms/step", "10/10 - 3s - 300ms/step - loss: 0.5"]
)
def test_a_speed_in_steps_is_none_of_epochs(bar: str) -> None:
    """Of which the time left is reckoned: the lifecycle measures how long an epoch takes."""
    last = found(f"Epoch 1/30\n{bar}")
    assert last
    assert (last["step"], last["total"], last["rate"], last["source"]) == (1, 30, None, "epochs")


def test_what_tells_most_exactly_counts() -> None:
    last = found("Epoch 1: loss 0.5\nstep 10 of 100: loss 0.4\nstep 11 loss=3\nEpoch 2: loss 0.1")
    assert last
    assert (last["step"], last["total"], last["loss"]) == (10, 100, 0.4)


def test_a_metric_that_a_line_leaves_out_stays() -> None:
    last = found("step 10 of 100: loss 0.4, auc: 0.7\nstep 20 of 100")
    assert last
    assert (last["step"], last["loss"], last["metrics"]) == (20, 0.4, {"auc": 0.7})


def test_a_pattern_of_the_users_own_replaces_the_others() -> None:
    pattern = r"it (?P<step>\d+)/(?P<total>\d+) err=(?P<loss>[\d.]+)(?: f1=(?P<f1>[\d.]+))?"
    last = found("it 7/70 err=0.5 f1=0.25\nstep 9 of 9: loss 1", pattern)
    assert last
    assert (last["step"], last["total"], last["loss"], last["metrics"]) == (7, 70, 0.5, {"f1": 0.25})


def test_a_number_that_is_none_is_left_out() -> None:
    pattern = r"it (?P<step>\S+) err=(?P<loss>\S+)"
    assert found("it 1e999 err=0.5\nit nan err=1\nit x err=1", pattern) is None
    last = found("it 7 err=inf", pattern)
    assert last
    assert (last["step"], last["loss"]) == (7, None)


def test_what_a_pattern_may_be() -> None:
    assert check(r"step (?P<step>\d+)") == ""
    assert "not a regular expression" in check("(")
    assert "no group" in check(r"step (\d+)")


@given(
    st.lists(st.binary(max_size=80) | st.sampled_from([b"Epoch 1/3\n", b"4/4 [=", b"\r", b"step 3 of 9 loss nan\n"]))
)
def test_any_output_is_looked_at_without_harm(pieces: list[bytes]) -> None:
    printed = Printed()
    for piece in pieces:
        printed.feed(piece)


@pytest.mark.parametrize(
    "piece", [b"a=1 " * 150, b"loss" * 150, b"1" * 590, b"step 1 " * 80, b"_" * 590 + b"=", b"1/1 [", b"123," * 140]
)
def test_no_line_takes_long_to_read(piece: bytes) -> None:
    """Work grows with the length of a line, not with its square: 1,000 lines are read in a moment."""
    printed, begun = Printed(), time.process_time()
    for _ in range(1000):
        printed.feed(piece + b"\n")
    assert time.process_time() - begun < 5.0


def test_what_the_task_itself_logs_is_no_progress() -> None:
    """Its command stands there: `--step=300` in it is no step that was reached, nor is `n=0` in a shell's a metric."""
    assert found("tensorflow-job: worker-0 runs python3 train.py --step=300 --loss=0.5") is None
    assert found("tensorflow-job: worker-0 runs sh -c echo step 1 loss 0.5; n=0") is None
    own = r"step (?P<step>\d+)"
    assert found("tensorflow-job: worker-0 runs sh -c echo step 1", own) is None
