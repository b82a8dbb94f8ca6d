"""Handwritten digits the TF1 way: between-graph replication, synchronously, with backup workers.

The chief (or worker 0, if there is none) and the workers run this file: each builds the same graph and sends its
gradients to the parameter servers. These run a TensorFlow server, which the chart (or `tfconfig run`) starts. A step
takes the first gradients to arrive, as many as there are workers without the backup workers; it does not wait for the
others. After a restart the program resumes from the checkpoint in CHECKPOINT_DIR.
"""

import argparse
import os
import sys
import threading
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
    with v1.variable_scope("model", partitioner=v1.fixed_size_partitioner(parts)):
        hidden = tf.nn.relu(images @ variable("hidden", (64, 128), scatter) + variable("hidden_bias", (128,), zeros))
        return hidden @ variable("logits", (128, 10), scatter) + variable("logits_bias", (10,), zeros)


class Join(v1.train.SessionCreator):
    """Wait for the leader to prepare the variables. WorkerSessionCreator does the same, but checks only every 30 s."""

    def __init__(self, master: str, config: v1.ConfigProto) -> None:
        self._master, self._config, self._scaffold = master, config, v1.train.Scaffold()

    def create_session(self) -> v1.Session:
        scaffold = self._scaffold.finalize()
        manager = v1.train.SessionManager(
            local_init_op=scaffold.local_init_op,
            ready_op=scaffold.ready_op,
            ready_for_local_init_op=scaffold.ready_for_local_init_op,
            recovery_wait_secs=1,
        )
        return manager.wait_for_session(self._master, self._config)


class LoggingSaver(v1.train.Saver):
    """Logs when a session resumes: in a new process, and in the same one after a lost parameter server is back."""

    def restore(self, session: v1.Session, path: str) -> None:
        super().restore(session, path)
        print(f"resumed from {path} at step {path.rpartition('-')[2]}", flush=True)


class Graph:
    """The graph, which every worker builds alike: its own part on `device`, the variables on the parameter servers."""

    def __init__(self, cluster: tf.train.ClusterSpec, device: str, needed: int, replicas: int) -> None:
        with v1.device(v1.train.replica_device_setter(cluster=cluster, worker_device=device)):
            self.step = v1.train.get_or_create_global_step()
            self.images = v1.placeholder(tf.float32, (None, 64))
            self.labels = v1.placeholder(tf.int64, (None,))
            logits = network(self.images, cluster.num_tasks("ps"))
            self.loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, logits))
            self.accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=1), self.labels), tf.float32))
            variables = v1.trainable_variables()
            gradients = v1.gradients(self.loss, variables)
            # Counts every gradient that is sent, whether a step uses it or it is late.
            self.sent = v1.get_variable("gradients_sent", (), tf.int64, v1.zeros_initializer(), trainable=False)
            with tf.control_dependencies(gradients):
                counted = self.sent.assign_add(1, read_value=False)
            with tf.control_dependencies([counted]):
                gradients = [tf.identity(gradient) for gradient in gradients]
            self.optimizer = v1.train.SyncReplicasOptimizer(v1.train.AdamOptimizer(1e-3), needed, replicas)
            self.train = self.optimizer.apply_gradients(zip(gradients, variables, strict=True), self.step)
            with tf.control_dependencies([self.train]):  # after the step
                self.made = self.step.read_value()
        self.closed = self.optimizer.get_chief_queue_runner().queue.is_closed()


def reopen(server: tf.distribute.Server, config: v1.ConfigProto, graph: Graph) -> None:
    """Reset the parameter servers if the failed session of a leader closed the queue on them.

    It would stay closed for all later sessions. The leader's next session restores the variables from the checkpoint.
    """
    with v1.Session(server.target, config=config) as session:
        closed = session.run(graph.closed)
    if closed:
        v1.Session.reset(server.target, config=config)


def hide_cancelled(failed: threading.ExceptHookArgs) -> None:
    """Do not print that closing the session cancels the leader's thread, which waits for gradients."""
    if not issubclass(failed.exc_type, tf.errors.CancelledError):
        threading.__excepthook__(failed)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400, help="training steps in all, over all restarts")
    parser.add_argument("--batch", type=int, default=32, help="images per gradient")
    parser.add_argument("--backup-workers", type=int, default=1, help="gradients that a step does not wait for")
    parser.add_argument("--round", type=int, default=40, help="steps between two reports of the loss")
    parser.add_argument("--save-every", type=int, default=100, help="steps between two checkpoints")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    (images, labels), test = load()

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    cluster, role, index = resolver.cluster_spec(), resolver.task_type, resolver.task_id
    leader = role == "chief" or ("chief" not in cluster.jobs and index == 0)
    replicas = cluster.num_tasks("worker") + ("chief" in cluster.jobs)
    needed = replicas - options.backup_workers
    server = tf.distribute.Server(cluster, job_name=role, task_index=index)
    graph = Graph(cluster, f"/job:{role}/task:{index}", needed, replicas)

    folder = os.environ.get("CHECKPOINT_DIR")
    # Without tokens ahead of the first step, no worker sends a second gradient for the same step.
    hooks = [graph.optimizer.make_session_run_hook(leader, num_tokens=0)]
    # A session waits for every task in its device filters; without filters, for all. This one needs no other worker.
    config = v1.ConfigProto(device_filters=["/job:ps", f"/job:{role}/task:{index}"])
    if leader:
        reopen(server, config, graph)
        opened = v1.train.MonitoredTrainingSession(
            server.target,
            checkpoint_dir=folder,
            scaffold=v1.train.Scaffold(saver=LoggingSaver(sharded=True)),
            save_checkpoint_steps=options.save_every,
            hooks=hooks,
            config=config,
            stop_grace_period_secs=2,  # the default is to wait two minutes for the thread that makes the steps
        )
    else:
        opened = v1.train.MonitoredSession(Join(server.target, config), hooks, stop_grace_period_secs=2)

    threading.excepthook = hide_cancelled
    batches = np.random.default_rng((SEED, index, leader))
    with opened as session:
        step = first = session.run(graph.step)
        began, reported = time.monotonic(), first
        if not leader:
            print(f"joined at step {step}", flush=True)
        while step < options.steps:
            chosen = batches.integers(len(images), size=options.batch)
            feed = {graph.images: images[chosen], graph.labels: labels[chosen]}
            step, loss, _ = session.run([graph.made, graph.loss, graph.train], feed)
            if step < reported:  # a parameter server was lost: back to the checkpoint
                began, first, reported = time.monotonic(), step, step
            if leader and step // options.round > reported // options.round:
                rate = (step - first) / (time.monotonic() - began)
                print(f"step {step} of {options.steps}: loss {loss:.4f}, {rate:.0f} steps/s", flush=True)
                reported = step
        if leader:
            gradients_sent = session.run(graph.sent)
            quality = session.run(graph.accuracy, {graph.images: test[0], graph.labels: test[1]})
    # A closed queue ends the session without an exception, also when a parameter server or the leader has failed.
    if step < options.steps:
        sys.exit(f"ended at step {step} of {options.steps}; after a restart it resumes from the last checkpoint")
    if leader:
        print(f"updates: {step} global steps from {gradients_sent} gradients of {replicas} workers", flush=True)
        late = gradients_sent - step * needed
        print(f"each step took the first {needed} gradients; {late} came later and were not waited for", flush=True)
        print(f"done: step {step}, test accuracy {quality:.4f} on {len(test[1])} images", flush=True)


if __name__ == "__main__":
    main()
