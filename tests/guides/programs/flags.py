"""A TensorFlow 1 program that is told its place by flags, and runs on every task, parameter servers included."""

import argparse
import os
import time

import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
STEPS = 600
SILENT_SECONDS = float(os.environ["SILENT_SECONDS"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ps_hosts", required=True)
    parser.add_argument("--worker_hosts", required=True)
    parser.add_argument("--job_name", required=True)
    parser.add_argument("--task_index", type=int, required=True)
    flags = parser.parse_args()

    cluster = tf.train.ClusterSpec({"ps": flags.ps_hosts.split(","), "worker": flags.worker_hosts.split(",")})
    server = tf.train.Server(cluster, job_name=flags.job_name, task_index=flags.task_index)
    if flags.job_name == "ps":
        server.join()

    with tf.device(
        tf.train.replica_device_setter(worker_device=f"/job:worker/task:{flags.task_index}", cluster=cluster)
    ):
        points = tf.random.uniform((32, 4), -1, 1)
        weights = tf.get_variable("weights", (4, 1))
        loss = tf.reduce_mean(tf.square(tf.matmul(points, weights) - tf.reduce_sum(points, 1, keepdims=True)))
        step = tf.train.get_or_create_global_step()
        train = tf.train.GradientDescentOptimizer(0.05).minimize(loss, global_step=step)

    first = flags.task_index == 0
    silent = False
    hooks = [tf.train.StopAtStepHook(last_step=STEPS)]
    with tf.train.MonitoredTrainingSession(
        server.target, is_chief=first, checkpoint_dir=os.environ["CHECKPOINT_DIR"], hooks=hooks
    ) as session:
        while not session.should_stop():
            _, value, now = session.run([train, loss, step])
            if now % 100 == 0:
                print(f"step {now} of {STEPS}: loss {value:.4f}", flush=True)
            if first and not silent and now >= STEPS // 2:
                silent = True
                print(f"silent for {SILENT_SECONDS:.0f} s", flush=True)
                time.sleep(SILENT_SECONDS)
    print("done: trained", flush=True)


main()
