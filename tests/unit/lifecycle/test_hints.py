"""Failures that are recognised, in the words of TensorFlow 2.20 to 2.22 and Keras 3, and told at the end."""

from __future__ import annotations

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.hints import hint
from tfconfig.tensorflow_job.lifecycle.state import State
from tfconfig.tensorflow_job.lifecycle.summary import summary
from tfconfig.tensorflow_job.task.job_spec import Task

PARAMETER_SERVERS = (
    "ValueError: To use this dataset, you need to pass this dataset to ClusterCoordinator.create_per_worker_dataset."
)
KNOWN = {
    PARAMETER_SERVERS: "model.fit of Keras 3 does not work with parameter servers",
    "ValueError: Attempt to convert a value (PerReplica:{\n  0: <tf.Tensor>\n}) with an unsupported type (<class "
    "'tensorflow.python.distribute.values.PerReplica'>) to a Tensor.": "model.fit of Keras 3 does not work on several",
    # What is left of it at the end of a log when the value has many lines.
    "        0.3331 , 0.0811]], dtype=float32)>\n}) with an unsupported type (<class "
    "'tensorflow.python.distribute.values.PerReplica'>) to a Tensor.": "model.fit of Keras 3 does not work on several",
    "AttributeError: 'ShardedVariable' object has no attribute 'handle'": "Keras 3 does not know partitioned variables",
    "ImportError: Keras cannot be imported. Check that it is installed.": "pip install --no-deps tf-keras~=",
    "AttributeError: module 'keras.utils' has no attribute 'SidecarEvaluator'": "Keras 3 lacks this part of Keras 2",
    "AttributeError: module 'keras.utils' has no attribute 'experimental'": "Keras 3 lacks this part of Keras 2",
    "AttributeError: module 'tensorflow' has no attribute 'estimator'": "2.15 is the last version with Estimators",
    "AttributeError: module 'tensorflow' has no attribute 'Session'": "written for TensorFlow 1",
    "ModuleNotFoundError: No module named 'tensorflow.contrib'": "written for TensorFlow 1",
}


@pytest.mark.parametrize("text", KNOWN)
def test_a_known_failure_is_explained_with_what_to_do(text: str) -> None:
    advice = hint(["Traceback (most recent call last):", *text.splitlines(), "I0000 noise at the end"])
    assert KNOWN[text] in advice
    assert "docs/keras.md" in advice


@pytest.mark.parametrize(
    "text",
    [
        "OSError: [Errno 28] No space left on device: '/checkpoints/j/ckpt-7.data'",
        "tensorflow.python.framework.errors_impl.ResourceExhaustedError: /checkpoints/j/a; No space left on device",
        "OSError: [Errno 122] Disk quota exceeded",
    ],
)
def test_a_full_volume_is_told_with_what_to_do(text: str) -> None:
    assert "raise checkpoint.size" in hint([text])
    assert "keras" not in hint([text])


@pytest.mark.parametrize(
    "text",
    [
        "run.sh: line 2: $'\\r': command not found",
        "python3: can't open file '/app/train.py\\r': [Errno 2] No such file or directory",
    ],
)
def test_a_script_with_windows_line_endings_is_recognised(text: str) -> None:
    """In the words of bash 5, and of Python started by such a script."""
    assert hint([text]) == "a script's lines end as on Windows: save it with Unix line endings (LF)"


@pytest.mark.parametrize("text", ["", "ValueError: x must be a tensor", "KeyError: 'experimental'", "step 3: loss 0.1"])
def test_others_are_left_alone(text: str) -> None:
    assert hint([text]) == ""


def test_the_hint_is_the_last_line_of_the_summary_of_a_failed_run() -> None:
    job = a_job(chief=1, worker=1, ps=1)
    failed = State(run_id="a", phase="Failed", reason="TaskFailed", deciding_task=Task("chief", 0), exit_code=1)
    assert summary(job, failed, PARAMETER_SERVERS)[-1].startswith("hint: model.fit of Keras 3")
    assert "hint" not in "\n".join(summary(job, failed, "OSError: disk full"))


def test_a_program_that_only_prints_such_words_gets_no_hint() -> None:
    done = State(run_id="a", phase="Succeeded", reason="Completed", deciding_task=Task("chief", 0), exit_code=0)
    assert "hint" not in "\n".join(summary(a_job(chief=1), done, PARAMETER_SERVERS))
