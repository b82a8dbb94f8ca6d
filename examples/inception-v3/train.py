"""InceptionV3 with ParameterServerStrategy: images from a data volume, variables in shards on the parameter servers.

The chief and the evaluator run this file. Workers and parameter servers run a TensorFlow server, which the chart (or
`tfconfig run`) starts. After a restart the program resumes from the last checkpoint in CHECKPOINT_DIR.
"""

import argparse
import os
import time
from collections.abc import Callable

import evaluate
import inception
import make_images
import numpy as np
import tensorflow as tf


def step_function(
    strategy: tf.distribute.Strategy,
    model: tf.keras.Model,
    optimizer: tf.keras.optimizers.Optimizer,
    updates: tf.Variable,
    label_smoothing: float,
) -> Callable[[tf.data.Iterator], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """One step on a worker: loss, top-1, and the updates of others between its read and its own update."""

    def replica_step(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        before = updates.read_value()
        with tf.control_dependencies([before]), tf.GradientTape() as tape:
            logits = model(images, training=True)
            wanted = tf.one_hot(labels, logits.shape[-1])
            losses = tf.keras.losses.categorical_crossentropy(
                wanted, logits, from_logits=True, label_smoothing=label_smoothing
            )
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        with tf.control_dependencies(gradients):
            stale = updates.read_value() - before
            updates.assign_add(1)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss, tf.reduce_mean(tf.cast(tf.argmax(logits, 1) == labels, tf.float32)), stale

    return tf.function(lambda batches: strategy.run(replica_step, args=next(batches)))


def train(options: argparse.Namespace) -> None:
    if options.make_images:
        make_images.write(options.data)
    classes = inception.class_names(options.data)

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    servers = resolver.cluster_spec().num_tasks("ps")
    # Larger variables are cut along their first axis, so that each server holds, and sends, only its part of them.
    partitioner = tf.distribute.experimental.partitioners.MinSizePartitioner(256 << 10, max_shards=servers)
    strategy = tf.distribute.ParameterServerStrategy(resolver, variable_partitioner=partitioner)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)

    with strategy.scope():
        model = inception.build_model(options.image_size, len(classes), options.norm_decay)
        optimizer = tf.keras.optimizers.RMSprop(0.0, rho=0.9, epsilon=options.epsilon)
        optimizer.build(model.trainable_variables)
        # Counted by the chief: a step that a lost worker had begun is run again, and must not count twice.
        step = tf.Variable(0, dtype=tf.int64, trainable=False)
        updates = tf.Variable(0, dtype=tf.int64, trainable=False)  # of any worker: what staleness is measured with
    shards = sum("/part_" in variable.name for variable in model.variables)
    print(f"{len(model.variables)} variables, of them {shards} shards, on {servers} parameter servers", flush=True)

    def dataset() -> tf.data.Dataset:
        data = inception.images(options.data, "train", classes, options.image_size)
        return data.batch(options.batch).prefetch(tf.data.AUTOTUNE)

    folder = os.environ["CHECKPOINT_DIR"]
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=step)
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=5)
    if manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint)
        print(f"resumed from {manager.latest_checkpoint} at step {int(step)}", flush=True)

    schedule = tf.keras.optimizers.schedules.CosineDecay(
        0.0, options.steps - options.warm_up, warmup_target=options.learning_rate, warmup_steps=options.warm_up
    )
    train_step = step_function(strategy, model, optimizer, updates, options.label_smoothing)
    batches = iter(coordinator.create_per_worker_dataset(dataset))
    done, saved = int(step), int(step)
    began, first = time.monotonic(), done
    staleness: list[int] = []
    while done < options.steps:
        count = min(options.round, options.steps - done)
        # By the chief's count, too: the optimizer's own also counts what is run again.
        optimizer.learning_rate.assign(schedule(done + count // 2))
        results = [coordinator.schedule(train_step, args=(batches,)) for _ in range(count)]
        coordinator.join()
        done += count
        step.assign(done)
        losses, right, stale = zip(*coordinator.fetch(results), strict=True)
        staleness += stale
        rate = (done - first) * options.batch / (time.monotonic() - began)
        text = f"loss {np.mean(losses):.4f}, top-1 {np.mean(right):.2f}, {rate:.1f} images/s"
        print(f"step {done} of {options.steps}: {text}, learning rate {float(optimizer.learning_rate):.5f}", flush=True)
        if done - saved >= options.save_every or done == options.steps:
            manager.save(checkpoint_number=done)
            saved = done

    if staleness:
        print(f"staleness: mean {np.mean(staleness):.1f}, max {max(staleness)} steps", flush=True)
    print(f"done: step {done}, the evaluator reports the accuracy", flush=True)


if __name__ == "__main__":
    given = inception.options()
    if os.environ["TASK_TYPE"] == "evaluator":
        evaluate.evaluate(given)
    else:
        train(given)
