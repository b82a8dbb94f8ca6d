"""Multi-worker training with a loop of its own, as TensorFlow's guide has it: resumes in the middle of an epoch."""

import os
import time

import tensorflow as tf

EPOCHS, STEPS = 6, 10
SILENT_SECONDS = float(os.environ["SILENT_SECONDS"])
FOLDER = os.environ["CHECKPOINT_DIR"]

strategy = tf.distribute.MultiWorkerMirroredStrategy()
cluster = strategy.cluster_resolver
chief = cluster.task_type in (None, "chief") or (cluster.task_type == "worker" and cluster.task_id == 0)


def dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
    points = tf.random.stateless_uniform((1024, 4), (1, 2), -1, 1)
    labels = tf.cast(tf.reduce_sum(points, 1) > 0, tf.int64)
    data = tf.data.Dataset.from_tensor_slices((points, labels)).shard(
        context.num_input_pipelines, context.input_pipeline_id
    )
    return data.shuffle(1024).repeat().batch(context.get_per_replica_batch_size(64))


with strategy.scope():
    model = tf.keras.Sequential(
        [tf.keras.layers.Input((4,)), tf.keras.layers.Dense(16, "relu"), tf.keras.layers.Dense(2)]
    )
    optimizer = tf.keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    batches = iter(strategy.distribute_datasets_from_function(dataset))
    epoch = tf.Variable(0, dtype=tf.int64, name="epoch")
    step_in_epoch = tf.Variable(0, dtype=tf.int64, name="step_in_epoch")


@tf.function
def train_step(iterator: tf.data.Iterator) -> tf.Tensor:
    def replica(points: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(points, training=True))
            loss = tf.nn.compute_average_loss(losses, global_batch_size=64)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(replica, args=next(iterator)), axis=None)


folder = FOLDER if chief else os.path.join(FOLDER, f"worker-{cluster.task_id}")
checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, epoch=epoch, step_in_epoch=step_in_epoch)
manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=1)
latest = tf.train.latest_checkpoint(FOLDER)
if latest:
    checkpoint.restore(latest)

while epoch.numpy() < EPOCHS:
    total = 0.0
    while step_in_epoch.numpy() < STEPS:
        total += float(train_step(batches))
        step_in_epoch.assign_add(1)
    print(f"epoch {epoch.numpy() + 1} of {EPOCHS}: loss {total / STEPS:.4f}", flush=True)
    epoch.assign_add(1)
    step_in_epoch.assign(0)
    manager.save()
    if epoch.numpy() == EPOCHS // 2 and chief:
        print(f"silent for {SILENT_SECONDS:.0f} s", flush=True)
        time.sleep(SILENT_SECONDS)
print("done: trained", flush=True)
