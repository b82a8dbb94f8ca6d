"""A first program for MultiWorkerMirrored with Keras' fit: every worker runs it.

fit needs Keras 2 here (tf-keras in the image, TF_USE_LEGACY_KERAS=1, which the values set): Keras 3 refuses it. Replace
the data and the model; keep how it resumes.
"""

import os

import tensorflow as tf

EPOCHS, STEPS = 4, 25
FOLDER = os.environ["CHECKPOINT_DIR"]

strategy = tf.distribute.MultiWorkerMirroredStrategy()
task = strategy.cluster_resolver
chief = task.task_type == "chief" or (task.task_type == "worker" and task.task_id == 0)


def dataset():
    """Points, and whether the sum of their coordinates is positive."""
    points = tf.random.stateless_uniform((1024, 4), (1, 2), -1, 1)
    labels = tf.cast(tf.reduce_sum(points, 1) > 0, tf.int64)
    data = tf.data.Dataset.from_tensor_slices((points, labels)).shuffle(1024, seed=1).repeat().batch(64)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return data.with_options(options)


with strategy.scope():
    model = tf.keras.Sequential(
        [tf.keras.layers.Input((4,)), tf.keras.layers.Dense(16, "relu"), tf.keras.layers.Dense(2)]
    )
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.SGD(0.5), loss, metrics=["accuracy"])

backup = tf.keras.callbacks.BackupAndRestore(os.path.join(FOLDER, "backup"))  # resumes at the last epoch
model.fit(dataset(), epochs=EPOCHS, steps_per_epoch=STEPS, callbacks=[backup], verbose=2 if chief else 0)
# All workers take part in saving; what the others write is not used.
model.save_weights(os.path.join(FOLDER, "model" if chief else f"worker-{task.task_id}", "weights"))
print("done: trained", flush=True)
