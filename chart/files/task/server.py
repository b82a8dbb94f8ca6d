"""The built-in TensorFlow server of roles that only serve: users write no code for them. Python 3.6."""

import importlib
import json
import os
import sys
from typing import List

from .log import log


def main(arguments: List[str]) -> int:
    """`serve READY MODULE…`: import the modules (custom ops) and serve until killed; the file READY appears once up.

    Needs TF_CONFIG and the user's tensorflow, 1.15 or later.
    """
    ready, modules = arguments[0], arguments[1:]
    config = json.loads(os.environ["TF_CONFIG"])
    sys.path.insert(0, os.getcwd())
    for module in modules:
        importlib.import_module(module)
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        log(
            "cannot serve: %s has no TensorFlow; use an image that has it, or set `python` to the Python that has it "
            "(tfconfig run: --python)" % sys.executable
        )
        return 1

    task = config["task"]
    server = tf.distribute.Server(
        tf.train.ClusterSpec(config["cluster"]), job_name=task["type"], task_index=task["index"], protocol="grpc"
    )
    with open(ready, "w"):
        pass
    where = config["cluster"][task["type"]][task["index"]]
    log("%s-%d serves at %s" % (task["type"], task["index"], where))
    server.join()
    return 0
