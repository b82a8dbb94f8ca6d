"""A program made for TFJob: every task runs it, reads TF_CONFIG and starts its TensorFlow server itself.

The chief (or worker 0, if there is none) and the workers train, asynchronously. Parameter servers never exit; the job
stops them after the training. After a restart the program resumes from the checkpoint in CHECKPOINT_DIR.
"""

import argparse
import json
import os

import tensorflow as tf
from training import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000, help="updates to make by all workers, over all restarts")
    options = parser.parse_args()

    config = json.loads(os.environ["TF_CONFIG"])
    role, index = config["task"]["type"], config["task"]["index"]
    cluster = tf.train.ClusterSpec(config["cluster"])
    server = tf.distribute.Server(cluster, job_name=role, task_index=index)
    if role == "ps":
        server.join()
    leader = role == "chief" or ("chief" not in config["cluster"] and index == 0)
    train(server, cluster, f"/job:{role}/task:{index}", leader, options.steps)


if __name__ == "__main__":
    main()
