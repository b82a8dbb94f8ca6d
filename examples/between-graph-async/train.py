"""Handwritten digits the TF1 way: between-graph replication, asynchronously on parameter servers.

The chief (or worker 0, if there is none) and the workers run this file: each builds the same graph, computes gradients
at its own pace and applies them to the variables on the parameter servers. These run a TensorFlow server, which the
chart (or `tfconfig run`) starts. After a restart the program resumes from the checkpoint in CHECKPOINT_DIR.
"""

import argparse
import os
import sys
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
        # Concatenated here, because the value of a partitioned variable itself ignores control dependencies.
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

    def __init__(self, cluster: tf.train.ClusterSpec, device: str, steps: int) -> None:
        with v1.device(v1.train.replica_device_setter(cluster=cluster, worker_device=device)):
            self.step = v1.train.get_or_create_global_step()
            self.images = v1.placeholder(tf.float32, (None, 64))
            self.labels = v1.placeholder(tf.int64, (None,))
            # The step at which the variables are read ...
            self.read_at = self.step.read_value()
            with tf.control_dependencies([self.read_at]):
                logits = network(self.images, cluster.num_tasks("ps"))
            self.loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, logits))
            self.accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=1), self.labels), tf.float32))
            variables = v1.trainable_variables()
            gradients = v1.gradients(self.loss, variables)
            # ... and the step at which the gradients are applied: counted over all workers, and never beyond the last.
            with tf.control_dependencies(gradients), v1.device(self.step.device):
                self.applied_at = tf.raw_ops.ResourceCountUpTo(resource=self.step.handle, limit=steps, T=tf.int64)
            with tf.control_dependencies([self.applied_at]):
                gradients = [tf.identity(gradient) for gradient in gradients]
            self.train = v1.train.AdamOptimizer(1e-3).apply_gradients(zip(gradients, variables, strict=True))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000, help="updates in all, over all workers and restarts")
    parser.add_argument("--batch", type=int, default=32, help="images per update")
    parser.add_argument("--round", type=int, default=200, help="steps between two reports of the loss")
    parser.add_argument("--save-every", type=int, default=400, help="steps between two checkpoints")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    (images, labels), test = load()

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    cluster, role, index = resolver.cluster_spec(), resolver.task_type, resolver.task_id
    leader = role == "chief" or ("chief" not in cluster.jobs and index == 0)
    server = tf.distribute.Server(cluster, job_name=role, task_index=index)
    graph = Graph(cluster, f"/job:{role}/task:{index}", options.steps)

    folder = os.environ.get("CHECKPOINT_DIR")
    # A session waits for every task in its device filters; without filters, for all. This one needs no other worker.
    config = v1.ConfigProto(device_filters=["/job:ps", f"/job:{role}/task:{index}"])
    if leader:
        opened = v1.train.MonitoredTrainingSession(
            server.target,
            checkpoint_dir=folder,
            scaffold=v1.train.Scaffold(saver=LoggingSaver(sharded=True)),
            save_checkpoint_steps=options.save_every,
            config=config,
        )
    else:
        opened = v1.train.MonitoredSession(Join(server.target, config))

    batches = np.random.default_rng((SEED, index, leader))
    staleness = []
    with opened as session:
        step = first = session.run(graph.step)
        began, reported = time.monotonic(), first
        if not leader:
            print(f"joined at step {step}", flush=True)
        while step < options.steps:
            chosen = batches.integers(len(images), size=options.batch)
            feed = {graph.images: images[chosen], graph.labels: labels[chosen]}
            try:
                read, applied, loss, _ = session.run([graph.read_at, graph.applied_at, graph.loss, graph.train], feed)
            except tf.errors.OutOfRangeError:  # other workers have made the last step
                break
            step = int(applied) + 1
            staleness.append(applied - read)
            if step < reported:  # a parameter server was lost: back to the checkpoint
                began, first, reported = time.monotonic(), step, step
            if leader and step // options.round > reported // options.round:
                rate = (step - first) / (time.monotonic() - began)
                print(f"step {step} of {options.steps}: loss {loss:.4f}, {rate:.0f} steps/s", flush=True)
                reported = step
        step = session.run(graph.step)
        if leader:
            quality = session.run(graph.accuracy, {graph.images: test[0], graph.labels: test[1]})
    # Some errors end the session without an exception.
    if step < options.steps:
        sys.exit(f"ended at step {step} of {options.steps}; after a restart it resumes from the last checkpoint")
    if staleness:
        mean, most = np.mean(staleness), np.max(staleness)
        print(f"staleness: mean {mean:.1f}, max {most} steps in {len(staleness)} updates of this task", flush=True)
    if leader:
        print(f"done: step {step}, test accuracy {quality:.4f} on {len(test[1])} images", flush=True)


if __name__ == "__main__":
    main()
