"""Failures that the last lines of a program give away, and what to do about them. Pure.

They are read at the end, after the outcome: a hint is for people, and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LEGACY = (
    'Install tf-keras of TensorFlow\'s version in the image and set env.TF_USE_LEGACY_KERAS to "1", or write a custom '
    "training loop"
)
_KERAS = [  # and TensorFlow's own changes
    (
        r"pass this dataset to ClusterCoordinator\.create_per_worker_dataset",
        "model.fit of Keras 3 does not work with parameter servers. " + _LEGACY,
    ),
    (
        # The value itself, which may have many lines, stands between the two.
        r"Attempt to convert a value \(PerReplica:|unsupported type \(<class '[\w.]+\.PerReplica'>\) to a Tensor",
        "model.fit of Keras 3 does not work on several workers. " + _LEGACY,
    ),
    (
        r"'ShardedVariable' object has no attribute",
        "Keras 3 does not know partitioned variables. Leave variable_partitioner out, or install tf-keras of "
        'TensorFlow\'s version in the image and set env.TF_USE_LEGACY_KERAS to "1"',
    ),
    (
        r"Keras cannot be imported|No module named '(tf_keras|keras)'",
        "the image lacks Keras. With TF_USE_LEGACY_KERAS=1 it needs tf-keras of TensorFlow's version, for 2.21: "
        "pip install --no-deps tf-keras~=2.21.0",
    ),
    (
        r"has no attribute '(SidecarEvaluator|DatasetCreator|experimental)'",
        "Keras 3 lacks this part of Keras 2. Install tf-keras of TensorFlow's version in the image and set "
        'env.TF_USE_LEGACY_KERAS to "1"',
    ),
    (
        r"module 'tensorflow' has no attribute 'estimator'|No module named 'tensorflow_estimator'",
        "TensorFlow 2.15 is the last version with Estimators: set image.tag to 2.15.0",
    ),
    (
        r"module 'tensorflow' has no attribute '(Session|placeholder|app|flags|ConfigProto|contrib|logging|gfile)'"
        r"|No module named 'tensorflow\.(contrib|examples)'",
        "the program is written for TensorFlow 1: use an image with TensorFlow 1.15, or import tensorflow.compat.v1 as "
        "tf (which has no tf.contrib)",
    ),
]
_OTHERS = [
    (
        r"No space left on device|Disk quota exceeded",
        "a volume is full, or the node's disk. For the checkpoint volume: delete what is not needed, or raise "
        "checkpoint.size where the storage class can expand",
    ),
    (
        r"\$'\\r': command not found|can't open file '[^'\n]*\\r'",
        "a script's lines end as on Windows: save it with Unix line endings (LF)",
    ),
]
_PAGE = ". Which TensorFlow and Keras does what: docs/keras.md"


def hint(lines: Iterable[str]) -> str:
    """What is known about the failure that these last lines of a program show; "" when nothing is."""
    text = "\n".join(lines)
    hints = [*((pattern, advice + _PAGE) for pattern, advice in _KERAS), *_OTHERS]
    return next((advice for pattern, advice in hints if re.search(pattern, text)), "")
