"""The training of both programs: handwritten digits, asynchronously, with Supervisor."""

import os
import time

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

v1 = tf.compat.v1
v1.disable_eager_execution()
v1.logging.set_verbosity(v1.logging.ERROR)  # deprecation warnings

SEED = 7
BATCH = 32  # images per update
ROUND = 200  # steps between two reports of the loss, and between two checkpoints


def load() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """scikit-learn's 1,797 real 8x8 digits as ((train images, labels), (test images, labels)); pixels in 0..1."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(images))
    images = (images[order] / 16).astype("float32")
    labels = labels[order].astype("int64")
    cut = len(images) * 4 // 5
    return (images[:cut], labels[:cut]), (images[cut:], labels[cut:])


class Graph:
    """The graph, which every worker builds alike: its own part on `device`, the variables on the parameter servers."""

    def __init__(self, cluster: tf.train.ClusterSpec, device: str) -> None:
        with v1.device(v1.train.replica_device_setter(cluster=cluster, worker_device=device)):
            self.step = v1.train.get_or_create_global_step()
            self.images = v1.placeholder(tf.float32, (None, 64))
            self.labels = v1.placeholder(tf.int64, (None,))
            self.read_at = self.step.read_value()
            with tf.control_dependencies([self.read_at]):
                weights = v1.get_variable("weights", (64, 10), initializer=v1.zeros_initializer())
                bias = v1.get_variable("bias", (10,), initializer=v1.zeros_initializer())
                logits = self.images @ weights + bias
            self.loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, logits))
            self.accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=1), self.labels), tf.float32))
            self.train = v1.train.AdamOptimizer(1e-2).minimize(self.loss, self.step)
            with tf.control_dependencies([self.train]):
                self.made = self.step.read_value()


def train(server: tf.distribute.Server, cluster: tf.train.ClusterSpec, device: str, leader: bool, steps: int) -> None:
    """Train until `steps` updates are made by all workers together; the leader saves and reports."""
    (images, labels), (test_images, test_labels) = load()
    graph = Graph(cluster, device)
    folder = os.environ.get("CHECKPOINT_DIR")
    saved = v1.train.latest_checkpoint(folder) if folder else None
    # The leader initializes or restores the variables; the others check every second whether it has.
    supervisor = v1.train.Supervisor(
        is_chief=leader, logdir=folder, global_step=graph.step, save_model_secs=0, summary_op=None, recovery_wait_secs=1
    )
    # A session waits for every task in its device filters; without filters, for all. This one needs no other worker.
    config = v1.ConfigProto(device_filters=["/job:ps", device])
    batches = np.random.default_rng()
    staleness = []
    with supervisor.managed_session(server.target, config) as session:
        step = first = reported = session.run(graph.step)
        if not leader:
            print(f"joined at step {step}", flush=True)
        elif saved:
            print(f"resumed from {saved} at step {saved.rpartition('-')[2]}", flush=True)
        began = time.monotonic()
        while step < steps:
            chosen = batches.integers(len(images), size=BATCH)
            feed = {graph.images: images[chosen], graph.labels: labels[chosen]}
            step, read, loss, _ = session.run([graph.made, graph.read_at, graph.loss, graph.train], feed)
            staleness.append(step - 1 - read)
            if leader and step // ROUND > reported // ROUND:
                rate = (step - first) / (time.monotonic() - began)
                print(f"step {step} of {steps}: loss {loss:.4f}, {rate:.0f} steps/s", flush=True)
                reported = step
                if folder:
                    supervisor.saver.save(session, supervisor.save_path, step)
        if leader:
            quality = session.run(graph.accuracy, {graph.images: test_images, graph.labels: test_labels})
    if staleness:
        mean, most = np.mean(staleness), np.max(staleness)
        print(f"staleness: mean {mean:.1f}, max {most} steps in {len(staleness)} updates of this task", flush=True)
    if leader:
        print(f"done: step {step}, test accuracy {quality:.4f} on {len(test_labels)} images", flush=True)
