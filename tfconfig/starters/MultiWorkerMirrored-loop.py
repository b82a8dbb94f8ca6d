"""A first program for MultiWorkerMirrored: every worker runs it, and each step averages the gradients of all.

Replace the data and the model; keep how it resumes and saves. It needs TensorFlow alone.
"""

import os

import tensorflow as tf

STEPS, ROUND = 300, 50  # steps in all, over all restarts; steps between two reports and checkpoints
BATCH = 64  # of all workers together
FOLDER = os.environ["CHECKPOINT_DIR"]

strategy = tf.distribute.MultiWorkerMirroredStrategy()
task = strategy.cluster_resolver
chief = task.task_type == "chief" or (task.task_type == "worker" and task.task_id == 0)


def dataset(context):
    """Points, and whether the sum of their coordinates is positive; each worker has its share."""
    points = tf.random.stateless_uniform((1024, 4), (1, 2), -1, 1)
    labels = tf.cast(tf.reduce_sum(points, 1, keepdims=True) > 0, tf.float32)
    data = tf.data.Dataset.from_tensor_slices((points, labels))
    data = data.shard(context.num_input_pipelines, context.input_pipeline_id)
    return data.shuffle(1024).repeat().batch(context.get_per_replica_batch_size(BATCH))


with strategy.scope():
    weights = tf.Variable(tf.zeros((4, 1)))
    bias = tf.Variable(tf.zeros((1,)))
    done = tf.Variable(0, dtype=tf.int64)
batches = iter(strategy.distribute_datasets_from_function(dataset))


@tf.function
def step(iterator):
    def replica(points, labels):
        with tf.GradientTape() as tape:
            logits = points @ weights + bias
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses) / BATCH
        gradients = tape.gradient(loss, [weights, bias])
        gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        for variable, gradient in zip([weights, bias], gradients):
            variable.assign_sub(0.5 * gradient)
        return loss

    return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(replica, args=next(iterator)), axis=None)


checkpoint = tf.train.Checkpoint(weights=weights, bias=bias, done=done)
# All workers take part in saving; what the others write is not used.
folder = FOLDER if chief else os.path.join(FOLDER, f"worker-{task.task_id}")
manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2)
latest = tf.train.latest_checkpoint(FOLDER)
if latest:
    checkpoint.restore(latest)
while done.numpy() < STEPS:
    losses = [step(batches) for _ in range(ROUND)]
    done.assign_add(ROUND)
    manager.save(checkpoint_number=int(done.numpy()))
    if chief:
        print(f"step {done.numpy()} of {STEPS}: loss {sum(losses) / ROUND:.4f}", flush=True)
print("done: trained", flush=True)
