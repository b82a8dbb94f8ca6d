"""The evaluator: top-1 and top-5 of each new checkpoint on the images of val/, printed and for TensorBoard."""

import argparse
import os
from pathlib import Path

import inception
import tensorflow as tf

# What tf.summary.scalar writes; that function itself is in the tensorboard package, which no training image needs.
SCALAR = tf.compat.v1.SummaryMetadata(plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"))


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate checkpoints up to the last step's. One that appears during an evaluation may be skipped."""
    folder = os.environ["CHECKPOINT_DIR"]
    next(tf.train.checkpoints_iterator(folder))  # from here on the images exist, too
    classes = inception.class_names(options.data)
    dataset = inception.images(options.data, "val", classes, options.image_size).batch(options.batch)
    model = inception.build_model(options.image_size, len(classes), options.norm_decay)
    predict = tf.function(lambda images: model(images, training=False))
    step = tf.Variable(0, dtype=tf.int64)
    writer = tf.summary.create_file_writer(os.fspath(Path(folder, "eval")))
    for path in tf.train.checkpoints_iterator(folder):
        restored = tf.train.Checkpoint(model=model, step=step).restore(path)
        restored.assert_existing_objects_matched().expect_partial()  # the optimizer's variables are left out
        figures = measure(predict, dataset)
        with writer.as_default():
            for name, value in figures.items():
                tf.summary.write(name, tf.constant(value, tf.float32), int(step), SCALAR)
        writer.flush()
        text = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        print(f"evaluated step {int(step)}: {text}", flush=True)
        if int(step) >= options.steps:
            break
    print(f"done: evaluated step {int(step)} of {options.steps}", flush=True)


def measure(predict: tf.types.experimental.GenericFunction, dataset: tf.data.Dataset) -> dict[str, float]:
    """Loss, top-1 and top-5 (0..1) over all images."""
    losses, first, fifth = tf.keras.metrics.Mean(), tf.keras.metrics.Mean(), tf.keras.metrics.Mean()
    for images, labels in dataset:
        logits = predict(images)
        losses.update_state(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        first.update_state(tf.math.in_top_k(labels, logits, 1))
        fifth.update_state(tf.math.in_top_k(labels, logits, 5))
    return {"loss": float(losses.result()), "top-1": float(first.result()), "top-5": float(fifth.result())}
