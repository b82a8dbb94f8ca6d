"""Handwritten digits with MultiWorkerMirroredStrategy: each worker has all variables, each step averages all gradients.

Every worker runs this file. If one gets SIGTERM (its node is drained), all of them save the same step and exit 42,
which the job restarts without counting a failure. After any other loss they resume from the last checkpoint.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

SEED = 7
EXIT_PREEMPTED = 42  # restart.uncountedExitCodes


def load() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """scikit-learn's 1,797 real 8x8 digits as ((train images, labels), (test images, labels)); pixels in 0..1."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(images))
    images = (images[order] / 16).astype("float32").reshape(-1, 8, 8, 1)
    labels = labels[order].astype("int64")
    cut = len(images) * 4 // 5
    return (images[:cut], labels[:cut]), (images[cut:], labels[cut:])


def options_given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600, help="training steps in all, over all restarts")
    parser.add_argument("--batch", type=int, default=32, help="images per worker and step")
    parser.add_argument("--round", type=int, default=50, help="steps between two reports of the loss")
    parser.add_argument("--save-every", type=int, default=100, help="steps between two checkpoints")
    return parser.parse_args()


def build_model() -> tf.keras.Model:
    return tf.keras.Sequential(
        [
            tf.keras.layers.Input((8, 8, 1)),
            tf.keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            tf.keras.layers.Conv2D(32, 3, activation="relu"),
            tf.keras.layers.MaxPooling2D(),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(64, activation="relu"),
            tf.keras.layers.Dense(10),
        ]
    )


def step_function(
    strategy: tf.distribute.Strategy,
    model: tf.keras.Model,
    optimizer: tf.keras.optimizers.Optimizer,
    batch: int,
) -> Callable[[tf.data.Iterator, tf.Variable, tf.Variable], tf.Tensor]:
    """One step of all workers together: counts it and the gradients that went into it, and gives the loss of all."""
    whole = batch * strategy.num_replicas_in_sync

    def replica_step(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.nn.compute_average_loss(losses, global_batch_size=whole)
        mine = tape.gradient(loss, model.trainable_variables)
        # The optimizer adds up the gradients of all workers before it applies them.
        optimizer.apply_gradients(zip(mine, model.trainable_variables, strict=True))
        return loss, tf.constant(1, tf.int64)

    @tf.function
    def train_step(batches: tf.data.Iterator, step: tf.Variable, gradients: tf.Variable) -> tf.Tensor:
        losses, ones = strategy.run(replica_step, args=next(batches))
        step.assign_add(1)
        gradients.assign_add(strategy.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    return train_step


def main() -> None:
    options = options_given()
    train, test = load()

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    workers = strategy.num_replicas_in_sync
    leads = resolver.task_type == "chief" or ("chief" not in resolver.cluster_spec().jobs and resolver.task_id == 0)

    with strategy.scope():
        model = build_model()
        optimizer = tf.keras.optimizers.Adam(1e-3)
        optimizer.build(model.trainable_variables)
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        step = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=first)
        gradients = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=first)  # that all workers gave, in all

    def dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
        data = tf.data.Dataset.from_tensor_slices(train)
        data = data.shard(context.num_input_pipelines, context.input_pipeline_id)
        return data.shuffle(len(train[0])).repeat().batch(options.batch)

    # All workers read the leader's checkpoints, and all save, because a save may need values of every worker. Only the
    # leader's files are kept: two workers that write to one folder delete each other's files.
    shared = os.environ["CHECKPOINT_DIR"]
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=step, gradients=gradients)
    latest = tf.train.latest_checkpoint(shared)
    if latest:
        checkpoint.restore(latest)
        print(f"resumed from {latest} at step {int(step.numpy())}", flush=True)
    manager = tf.train.CheckpointManager(checkpoint, shared if leads else tempfile.mkdtemp(), max_to_keep=3)

    def save() -> None:
        manager.save(checkpoint_number=int(step.numpy()))

    def leave() -> None:
        print(f"preempted: saved step {int(step.numpy())}", flush=True)
        sys.exit(EXIT_PREEMPTED)

    preemption = tf.distribute.experimental.PreemptionCheckpointHandler(
        resolver, manager, termination_config=tf.distribute.experimental.TerminationConfig(exit_fn=leave, save_fn=save)
    )

    train_step = step_function(strategy, model, optimizer, options.batch)
    batches = iter(strategy.distribute_datasets_from_function(dataset))
    began, start = time.monotonic(), int(step.numpy())
    while int(step.numpy()) < options.steps:
        loss = preemption.run(train_step, batches, step, gradients)
        done = int(step.numpy())
        if leads and (done % options.round == 0 or done == options.steps):
            rate = (done - start) / (time.monotonic() - began)
            print(f"step {done} of {options.steps}: loss {float(loss):.4f}, {rate:.0f} steps/s", flush=True)
        if done % options.save_every == 0 or done == options.steps:
            save()

    if leads:
        images, labels = test
        accuracy = np.mean(np.argmax(model(images), axis=1) == labels)
        print(
            f"updates: {int(step.numpy())} global steps from {int(gradients.numpy())} gradients of {workers} workers",
            flush=True,
        )
        print(f"done: step {int(step.numpy())}, test accuracy {accuracy:.4f} on {len(labels)} images", flush=True)


if __name__ == "__main__":
    main()
