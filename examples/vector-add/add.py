"""Vectors are held by parameter servers, workers add them, the chief checks the sum: the smallest distributed program.

Only the chief runs this file. Workers and parameter servers run a TensorFlow server.
"""

import sys

import tensorflow as tf

PAIRS, SIZE = 4, 1_000


def place(tensor: tf.Tensor | tf.Variable) -> str:
    """The task that holds a tensor or a variable, such as ps-1."""
    device = tf.DeviceSpec.from_string(tensor.device)
    return f"{device.job}-{device.task}"


def main() -> None:
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    workers = resolver.cluster_spec().num_tasks("worker")
    strategy = tf.distribute.ParameterServerStrategy(resolver)  # connects to every task; waits for those not up yet

    total = 0.0
    for pair in range(PAIRS):
        with strategy.scope():  # hands variables out to the parameter servers, one after the other
            a = tf.Variable(tf.fill([SIZE], float(pair)))
            b = tf.Variable(tf.range(SIZE, dtype=tf.float32))
        with tf.device(f"/job:worker/task:{pair % workers}"):
            added = a + b
        total += float(tf.reduce_sum(added.numpy()))  # numpy() fetches the vector from the worker
        print(f"pair {pair}: a on {place(a)}, b on {place(b)}, a + b on {place(added)}", flush=True)

    expected = SIZE * sum(range(PAIRS)) + PAIRS * sum(range(SIZE))
    if total != expected:
        sys.exit(f"the sum is {total:.0f}, and should be {expected}")
    print(f"done: the sum of {2 * PAIRS} vectors of {SIZE} numbers is {total:.0f}, as expected", flush=True)


if __name__ == "__main__":
    main()
