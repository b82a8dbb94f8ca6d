"""A first program for ParameterServer with Keras' fit: the chief runs it, the workers compute.

fit needs Keras 2 here (tf-keras in the image, TF_USE_LEGACY_KERAS=1, which the values set): Keras 3 refuses it. Replace
the data and the model; keep how it resumes.
"""

import os

import tensorflow as tf

EPOCHS, STEPS = 4, 25
FOLDER = os.environ["CHECKPOINT_DIR"]

cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
strategy = tf.distribute.ParameterServerStrategy(cluster)


def dataset(context):
    """Points, and whether the sum of their coordinates is positive; on each worker its own."""
    points = tf.random.uniform((1024, 4), -1, 1)
    labels = tf.cast(tf.reduce_sum(points, 1) > 0, tf.int64)
    return tf.data.Dataset.from_tensor_slices((points, labels)).shuffle(1024).repeat().batch(32)


with strategy.scope():  # variables are on the parameter servers
    model = tf.keras.Sequential(
        [tf.keras.layers.Input((4,)), tf.keras.layers.Dense(16, "relu"), tf.keras.layers.Dense(2)]
    )
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])

backup = tf.keras.callbacks.BackupAndRestore(os.path.join(FOLDER, "backup"))  # resumes at the last epoch
data = tf.keras.utils.experimental.DatasetCreator(dataset)
model.fit(data, epochs=EPOCHS, steps_per_epoch=STEPS, callbacks=[backup], verbose=2)
model.save_weights(os.path.join(FOLDER, "model", "weights"))
print("done: trained", flush=True)
