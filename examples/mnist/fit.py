"""MNIST with ParameterServerStrategy and Keras' fit: the same network as train.py, without a custom training loop.

Needs tf-keras and TF_USE_LEGACY_KERAS=1: fit of Keras 3 does not support parameter servers. Only the chief runs this
file. After a restart the program resumes after the last epoch that was saved to CHECKPOINT_DIR.
"""

import argparse
import os
import time

import tensorflow as tf
from train import accuracy, load, network


class Progress(tf.keras.callbacks.Callback):
    """Prints a line for each epoch, and the step at which training resumed."""

    def __init__(self, folder: str, epochs: int) -> None:
        super().__init__()
        self.folder, self.epochs = folder, epochs
        self.first = -1

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:  # noqa: ARG002 Keras names them
        if self.first < 0:
            self.first, self.began = epoch, time.monotonic()
            if epoch > 0:
                saved = tf.train.latest_checkpoint(f"{self.folder}/chief")
                print(f"resumed from {saved} at step {epoch * self.params['steps']}", flush=True)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        steps = self.params["steps"]
        rate = (epoch + 1 - self.first) * steps / (time.monotonic() - self.began)
        done, total = (epoch + 1) * steps, self.epochs * steps
        print(f"step {done} of {total}: loss {logs['loss']:.4f}, {rate:.0f} steps/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=4, help="epochs in all, over all restarts")
    parser.add_argument("--steps-per-epoch", type=int, default=100, help="steps of an epoch, over all workers")
    parser.add_argument("--batch", type=int, default=32, help="images per step")
    options = parser.parse_args()
    train, test = load()

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    with strategy.scope():
        model = network()
        model.compile(
            optimizer=tf.keras.optimizers.Adam(1e-3),
            loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=10,  # in one call from the chief to a worker
        )

    dataset = tf.data.Dataset.from_tensor_slices(train).shuffle(len(train[0])).repeat().batch(options.batch)
    folder = os.environ["CHECKPOINT_DIR"]
    model.fit(
        dataset,
        epochs=options.epochs,
        steps_per_epoch=options.steps_per_epoch,
        callbacks=[
            # Kept at the end: a restart after the last epoch has nothing to do, and more epochs continue from here.
            tf.keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False),
            Progress(folder, options.epochs),  # after it: a step that is printed has been saved
        ],
        verbose=0,
    )

    right = accuracy(model, *test)
    print(f"updates: {int(model.optimizer.iterations)} counted by the optimizer", flush=True)
    step = options.epochs * options.steps_per_epoch
    print(f"done: step {step}, test accuracy {right:.4f} on {len(test[0])} images", flush=True)


if __name__ == "__main__":
    main()
