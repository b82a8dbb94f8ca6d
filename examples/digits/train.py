"""Handwritten digits with ParameterServerStrategy: a chief that coordinates workers and parameter servers.

Only the chief runs this file. Workers and parameter servers run a TensorFlow server, which the chart (or `tfconfig
run`) starts. After a restart the program resumes from the last checkpoint in CHECKPOINT_DIR.
"""

import argparse
import json
import os
import pathlib
import time

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

SEED = 7


def load() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """scikit-learn's 1,797 real 8x8 digits as ((train images, labels), (test images, labels)); pixels in 0..1."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(images))
    images = (images[order] / 16).astype("float32").reshape(-1, 8, 8, 1)
    labels = labels[order].astype("int64")
    cut = len(images) * 4 // 5
    return (images[:cut], labels[:cut]), (images[cut:], labels[cut:])


def report_progress(**progress: float | None) -> None:
    """Report the progress of the training to the job's status; does nothing without the chart or `tfconfig run`."""
    path = os.environ.get("TASK_PROGRESS_FILE")
    if path:
        new = pathlib.Path(f"{path}.new")
        new.write_text(json.dumps(progress))
        new.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500, help="training steps in all, over all workers and restarts")
    parser.add_argument("--batch", type=int, default=32, help="images per step")
    parser.add_argument("--round", type=int, default=100, help="steps between two reports of the loss")
    parser.add_argument("--save-every", type=int, default=200, help="steps between two checkpoints")
    options = parser.parse_args()
    train, test = load()

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)

    with strategy.scope():
        model = tf.keras.Sequential(
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
        optimizer = tf.keras.optimizers.Adam(1e-3)
        optimizer.build(model.trainable_variables)
        # Counted by the chief: a step that a lost worker had begun is run again, and must not count twice.
        step = tf.Variable(0, dtype=tf.int64, trainable=False)

    def dataset() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(train).shuffle(len(train[0])).repeat().batch(options.batch)

    @tf.function
    def train_step(batches: tf.data.Iterator) -> tf.Tensor:
        def replica_step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                logits = model(images, training=True)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        return strategy.run(replica_step, args=next(batches))

    folder = os.environ.get("CHECKPOINT_DIR", "")
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=step)
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=3) if folder else None
    if manager and manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint)
        print(f"resumed from {manager.latest_checkpoint} at step {int(step)}", flush=True)

    batches = iter(coordinator.create_per_worker_dataset(dataset))
    done, saved = int(step), int(step)
    began, first = time.monotonic(), done
    while done < options.steps:
        count = min(options.round, options.steps - done)
        losses = [coordinator.schedule(train_step, args=(batches,)) for _ in range(count)]
        coordinator.join()
        done += count
        step.assign(done)
        rate = (done - first) / (time.monotonic() - began)
        loss = np.mean(coordinator.fetch(losses))
        report_progress(step=done, total=options.steps, loss=float(loss), rate=rate)
        print(f"step {done} of {options.steps}: loss {loss:.4f}, {rate:.0f} steps/s", flush=True)
        if manager and (done - saved >= options.save_every or done == options.steps):
            manager.save(checkpoint_number=done)
            saved = done

    images, labels = test
    accuracy = np.mean(np.argmax(model(images), axis=1) == labels)
    print(f"done: step {int(step)}, test accuracy {accuracy:.4f} on {len(labels)} images", flush=True)


if __name__ == "__main__":
    main()
