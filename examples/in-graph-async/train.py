"""Handwritten digits the TF1 way: in-graph replication, asynchronously.

Only the chief runs this file. It builds one graph that has a part for every worker, and drives each part with a thread
of its own: a worker computes gradients at its own pace and applies them to the variables on the parameter servers.
Workers and parameter servers run a TensorFlow server, which the chart (or `tfconfig run`) starts. After a restart the
program resumes from the checkpoint in CHECKPOINT_DIR.
"""

import argparse
import os
import threading
import time
from collections.abc import Callable

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
        # Concatenated here, because the value of a partitioned variable itself ignores control dependencies.
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


class Worker:
    """The part of the graph that is on one worker."""

    def __init__(self, cluster: tf.train.ClusterSpec, index: int, steps: int, optimizer: v1.train.Optimizer) -> None:
        device = f"/job:worker/task:{index}"
        with v1.device(v1.train.replica_device_setter(cluster=cluster, worker_device=device)):
            step = v1.train.get_or_create_global_step()
            self.images = v1.placeholder(tf.float32, (None, 64))
            self.labels = v1.placeholder(tf.int64, (None,))
            # The step at which the variables are read ...
            self.read_at = step.read_value()
            with tf.control_dependencies([self.read_at]):
                logits = network(self.images, cluster.num_tasks("ps"))
            self.loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, logits))
            self.accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=1), self.labels), tf.float32))
            variables = v1.trainable_variables()
            gradients = v1.gradients(self.loss, variables)
            # ... and the step at which the gradients are applied: counted over all workers, and never beyond the last.
            with tf.control_dependencies(gradients), v1.device(step.device):
                self.applied_at = tf.raw_ops.ResourceCountUpTo(resource=step.handle, limit=steps, T=tf.int64)
            with tf.control_dependencies([self.applied_at]):
                gradients = [tf.identity(gradient) for gradient in gradients]
            self.train = optimizer.apply_gradients(zip(gradients, variables, strict=True))


class Progress:
    """What the threads measure: the staleness of every update, and the losses since the last report."""

    def __init__(self) -> None:
        self.staleness: list[int] = []
        self.losses: list[float] = []


def drive(
    worker: Worker,
    session: v1.Session,
    coordinator: v1.train.Coordinator,
    batch: Callable[[], tuple[np.ndarray, np.ndarray]],
    progress: Progress,
) -> None:
    """Train with one worker until the last step is made (OutOfRangeError, a clean stop), or a task is lost."""
    with coordinator.stop_on_exception():
        while not coordinator.should_stop():
            images, labels = batch()
            read, applied, loss, _ = session.run(
                [worker.read_at, worker.applied_at, worker.loss, worker.train],
                {worker.images: images, worker.labels: labels},
            )
            progress.staleness.append(applied - read)
            progress.losses.append(loss)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000, help="updates in all, over all workers and restarts")
    parser.add_argument("--batch", type=int, default=32, help="images per update")
    parser.add_argument("--round", type=int, default=200, help="steps between two reports of the loss")
    parser.add_argument("--save-every", type=int, default=400, help="steps between two checkpoints")
    return parser.parse_args()


def train(
    session: v1.train.SingularMonitoredSession,
    workers: list[Worker],
    progress: Progress,
    options: argparse.Namespace,
    data: tuple[np.ndarray, np.ndarray],
) -> None:
    """Run a thread per worker until the last step; this thread reads the step, with which the session's hooks save."""
    images, labels = data

    def batches(index: int) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
        random = np.random.default_rng((SEED, index))

        def batch() -> tuple[np.ndarray, np.ndarray]:
            chosen = random.integers(len(images), size=options.batch)
            return images[chosen], labels[chosen]

        return batch

    coordinator = v1.train.Coordinator()
    # The hooks are not thread-safe, so the workers' threads use the session without them.
    threads = [
        threading.Thread(
            target=drive, args=(worker, session.raw_session(), coordinator, batches(index), progress), daemon=True
        )
        for index, worker in enumerate(workers)
    ]
    reported = first = session.run(v1.train.get_global_step())
    began = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        stopped = False
        while not stopped:
            stopped = coordinator.wait_for_stop(0.1)
            step = session.run(v1.train.get_global_step())
            if step // options.round > reported // options.round:
                rate = (step - first) / (time.monotonic() - began)
                loss, reported = np.mean(progress.losses), step
                progress.losses.clear()
                print(f"step {step} of {options.steps}: loss {loss:.4f}, {rate:.0f} steps/s", flush=True)
    except tf.errors.OpError as error:
        coordinator.request_stop(error)
    coordinator.join(threads)


def main() -> None:
    options = arguments()
    data, test = load()

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    cluster = resolver.cluster_spec()
    server = tf.distribute.Server(cluster, job_name=resolver.task_type, task_index=resolver.task_id)
    optimizer = v1.train.AdamOptimizer(1e-3)
    workers = [Worker(cluster, index, options.steps, optimizer) for index in range(cluster.num_tasks("worker"))]

    folder = os.environ.get("CHECKPOINT_DIR")
    scaffold = v1.train.Scaffold(saver=LoggingSaver(sharded=True))
    hooks = []
    if folder:
        hooks.append(v1.train.CheckpointSaverHook(folder, save_steps=options.save_every, scaffold=scaffold))
    progress, step = Progress(), 0
    while step < options.steps:
        try:
            # The session waits for every task of the cluster, at the start and after the loss of one.
            with v1.train.SingularMonitoredSession(hooks, scaffold, server.target, checkpoint_dir=folder) as session:
                train(session, workers, progress, options, data)
                step = session.run(v1.train.get_global_step())
                quality = session.run(workers[0].accuracy, {workers[0].images: test[0], workers[0].labels: test[1]})
        except (tf.errors.UnavailableError, tf.errors.AbortedError):
            print("a task was lost; the training resumes from the last checkpoint once it is back", flush=True)
    if progress.staleness:
        mean, most, updates = np.mean(progress.staleness), np.max(progress.staleness), len(progress.staleness)
        print(
            f"staleness: mean {mean:.1f}, max {most} steps in {updates} updates of {len(workers)} workers", flush=True
        )
    print(f"done: step {step}, test accuracy {quality:.4f} on {len(test[1])} images", flush=True)


if __name__ == "__main__":
    main()
