"""Handwritten digits the TF1 way: in-graph replication, synchronously.

Only the chief runs this file. It builds one graph that has a part for every worker, and runs it step by step: each
worker computes the gradients of its share of the batch, and their mean is applied to the variables on the parameter
servers. Workers and parameter servers run a TensorFlow server, which the chart (or `tfconfig run`) starts. After a
restart the program resumes from the checkpoint in CHECKPOINT_DIR.
"""

import argparse
import os
import time

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

v1 = tf.compat.v1
v1.disable_eager_execution()
v1.logging.set_verbosity(v1.logging.ERROR)  # deprecation warnings

SEED = 7


def load() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """scikit-learn's 1,797 real 8x8 digits as ((train images, labels), (test images, labels)); pixels in 0..1."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(images))
    images = (images[order] / 16).astype("float32")
    labels = labels[order].astype("int64")
    cut = len(images) * 4 // 5
    return (images[:cut], labels[:cut]), (images[cut:], labels[cut:])


def network(images: tf.Tensor, parts: int) -> tf.Tensor:
    """Logits. Each variable is cut into `parts`, so that every parameter server holds its share of all of them."""

    def variable(name: str, shape: tuple[int, ...], initializer: object) -> tf.Tensor:
        return tf.concat(list(v1.get_variable(name, shape, initializer=initializer)), axis=0)

    scatter, zeros = v1.glorot_uniform_initializer(SEED), v1.zeros_initializer()
    with v1.variable_scope("model", partitioner=v1.fixed_size_partitioner(parts), reuse=v1.AUTO_REUSE):
        hidden = tf.nn.relu(images @ variable("hidden", (64, 128), scatter) + variable("hidden_bias", (128,), zeros))
        return hidden @ variable("logits", (128, 10), scatter) + variable("logits_bias", (10,), zeros)


class LoggingSaver(v1.train.Saver):
    """Logs when a session resumes: in a new process, and in the same one after a lost task is back."""

    def restore(self, session: v1.Session, path: str) -> None:
        super().restore(session, path)
        print(f"resumed from {path} at step {path.rpartition('-')[2]}", flush=True)


class Graph:
    """One graph for all: a part on each worker, the variables on the parameter servers."""

    def __init__(self, cluster: tf.train.ClusterSpec) -> None:
        self.workers = cluster.num_tasks("worker")
        with v1.device(v1.train.replica_device_setter(cluster=cluster, worker_device="/job:chief/task:0")):
            self.step = v1.train.get_or_create_global_step()
            self.computed = v1.get_variable("gradients_computed", (), tf.int64, v1.zeros_initializer(), trainable=False)
            self.images = v1.placeholder(tf.float32, (None, 64))
            self.labels = v1.placeholder(tf.int64, (None,))
            shares = zip(tf.split(self.images, self.workers), tf.split(self.labels, self.workers), strict=True)
        losses, right, gradients, counted = [], [], [], []
        for worker, (images, labels) in enumerate(shares):
            device = f"/job:worker/task:{worker}"
            with v1.device(v1.train.replica_device_setter(cluster=cluster, worker_device=device)):
                logits = network(images, cluster.num_tasks("ps"))
                losses.append(tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)))
                right.append(tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=1), labels), tf.float32)))
                variables = v1.trainable_variables()
                gradients.append(v1.gradients(losses[-1], variables))
                with tf.control_dependencies(gradients[-1]):
                    counted.append(self.computed.assign_add(1, read_value=False))
        self.loss, self.accuracy = tf.reduce_mean(losses), tf.reduce_mean(right)
        with tf.control_dependencies(counted):
            means = [tf.add_n(parts) / self.workers for parts in zip(*gradients, strict=True)]
        self.train = v1.train.AdamOptimizer(1e-3).apply_gradients(zip(means, variables, strict=True), self.step)
        with tf.control_dependencies([self.train]):
            self.made = self.step.read_value()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400, help="training steps in all, over all restarts")
    parser.add_argument("--batch", type=int, default=32, help="images per gradient")
    parser.add_argument("--round", type=int, default=40, help="steps between two reports of the loss")
    parser.add_argument("--save-every", type=int, default=100, help="steps between two checkpoints")
    options = parser.parse_args()
    (images, labels), test = load()

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    cluster = resolver.cluster_spec()
    server = tf.distribute.Server(cluster, job_name=resolver.task_type, task_index=resolver.task_id)
    graph = Graph(cluster)

    folder = os.environ.get("CHECKPOINT_DIR")
    batches = np.random.default_rng(SEED)
    # The session waits for every task of the cluster, at the start and after the loss of one.
    with v1.train.MonitoredTrainingSession(
        server.target,
        checkpoint_dir=folder,
        scaffold=v1.train.Scaffold(saver=LoggingSaver(sharded=True)),
        save_checkpoint_steps=options.save_every,
    ) as session:
        step = first = session.run(graph.step)
        began, reported = time.monotonic(), first
        while step < options.steps:
            chosen = batches.integers(len(images), size=options.batch * graph.workers)
            feed = {graph.images: images[chosen], graph.labels: labels[chosen]}
            step, loss, _ = session.run([graph.made, graph.loss, graph.train], feed)
            if step < reported:  # a task was lost: back to the checkpoint
                began, first, reported = time.monotonic(), step, step
            if step // options.round > reported // options.round:
                rate = (step - first) / (time.monotonic() - began)
                print(f"step {step} of {options.steps}: loss {loss:.4f}, {rate:.0f} steps/s", flush=True)
                reported = step
        computed = session.run(graph.computed)
        whole = len(test[1]) // graph.workers * graph.workers  # the same number of test images for every worker
        quality = session.run(graph.accuracy, {graph.images: test[0][:whole], graph.labels: test[1][:whole]})
    print(f"updates: {step} global steps from {computed} gradients of {graph.workers} workers", flush=True)
    print(f"done: step {step}, test accuracy {quality:.4f} on {whole} images", flush=True)


if __name__ == "__main__":
    main()
