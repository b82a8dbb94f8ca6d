"""A TF1 program from before TF_CONFIG: flags give each task its role and the addresses of the others.

Worker 0 and the other workers train, asynchronously. Parameter servers never exit; the job stops them after the
training. After a restart the program resumes from the checkpoint in CHECKPOINT_DIR.
"""

import argparse

import tensorflow as tf
from training import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job_name", choices=["worker", "ps"], required=True)
    parser.add_argument("--task_index", type=int, required=True)
    parser.add_argument("--ps_hosts", required=True, help="host:port of every parameter server, comma-separated")
    parser.add_argument("--worker_hosts", required=True, help="host:port of every worker, comma-separated")
    parser.add_argument("--steps", type=int, default=2000, help="updates to make by all workers, over all restarts")
    flags = parser.parse_args()

    cluster = tf.train.ClusterSpec({"ps": flags.ps_hosts.split(","), "worker": flags.worker_hosts.split(",")})
    server = tf.distribute.Server(cluster, job_name=flags.job_name, task_index=flags.task_index)
    if flags.job_name == "ps":
        server.join()
    train(server, cluster, f"/job:worker/task:{flags.task_index}", flags.task_index == 0, flags.steps)


if __name__ == "__main__":
    main()
