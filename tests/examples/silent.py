"""A program under test: one worker is silent for the seconds in its argument while another one counts.

Exits 0 if every call was made once.
"""

import sys
import time

import tensorflow as tf
from tensorflow.python.data.experimental.ops import testing

seconds = float(sys.argv[1])
strategy = tf.distribute.ParameterServerStrategy(tf.distribute.cluster_resolver.TFConfigClusterResolver())
coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
with strategy.scope():
    silent_calls, busy_calls = tf.Variable(0, dtype=tf.int64), tf.Variable(0, dtype=tf.int64)


@tf.function  # type: ignore[untyped-decorator]
def silent() -> None:
    zero = next(iter(tf.data.Dataset.range(1).apply(testing.sleep(int(seconds * 1e6)))))
    with tf.control_dependencies([zero]):
        silent_calls.assign_add(1)


@tf.function  # type: ignore[untyped-decorator]
def busy() -> None:
    busy_calls.assign_add(1)


begun = time.monotonic()
scheduled = 0
print("silence begins", flush=True)
coordinator.schedule(silent)
while time.monotonic() - begun < seconds:
    coordinator.schedule(busy)
    scheduled += 1
    time.sleep(1)
coordinator.join()
made = int(silent_calls.numpy()), int(busy_calls.numpy())
print(f"silent calls {made[0]}, busy calls {made[1]} of {scheduled}", flush=True)
sys.exit(made != (1, scheduled))
