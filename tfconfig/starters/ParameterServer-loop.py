"""A first program for ParameterServer: the chief runs it and schedules steps on the workers.

Replace the data and the model; keep how it resumes and saves. It needs TensorFlow alone.
"""

import os

import tensorflow as tf

STEPS, ROUND = 300, 50  # steps in all, over all restarts; steps between two reports and checkpoints
FOLDER = os.environ["CHECKPOINT_DIR"]

cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
strategy = tf.distribute.ParameterServerStrategy(cluster)
coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)

with strategy.scope():  # variables are on the parameter servers
    weights = tf.Variable(tf.zeros((4, 1)))
    bias = tf.Variable(tf.zeros((1,)))
done = tf.Variable(0, dtype=tf.int64)


def dataset():
    """Points, and whether the sum of their coordinates is positive."""
    points = tf.random.uniform((1024, 4), -1, 1)
    labels = tf.cast(tf.reduce_sum(points, 1, keepdims=True) > 0, tf.float32)
    return tf.data.Dataset.from_tensor_slices((points, labels)).shuffle(1024).repeat().batch(32)


@tf.function
def step(batches):
    def replica(points, labels):
        with tf.GradientTape() as tape:
            logits = points @ weights + bias
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))
        for variable, gradient in zip([weights, bias], tape.gradient(loss, [weights, bias])):
            variable.assign_sub(0.5 * gradient)
        return loss

    return strategy.run(replica, args=next(batches))


manager = tf.train.CheckpointManager(tf.train.Checkpoint(weights=weights, bias=bias, done=done), FOLDER, max_to_keep=2)
manager.restore_or_initialize()
batches = iter(coordinator.create_per_worker_dataset(dataset))
while done.numpy() < STEPS:
    losses = [coordinator.schedule(step, args=(batches,)) for _ in range(ROUND)]
    coordinator.join()
    done.assign_add(ROUND)
    manager.save(checkpoint_number=done)
    print(f"step {done.numpy()} of {STEPS}: loss {sum(coordinator.fetch(losses)) / ROUND:.4f}", flush=True)
print("done: trained", flush=True)
