"""Parameter server training with fit, as TensorFlow's guide has it: a coordinator, and an evaluator beside it.

Written as for a cluster without a chart: the role comes from TF_CONFIG.
"""

import os
import time

import tensorflow as tf

EPOCHS, STEPS = 6, 20
SILENT_SECONDS = float(os.environ["SILENT_SECONDS"])
FOLDER = os.environ["CHECKPOINT_DIR"]


def dataset(context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
    """Points, and whether they are above a line."""
    points = tf.random.stateless_uniform((1024, 4), (1, context.input_pipeline_id if context else 0), -1, 1)
    labels = tf.cast(tf.reduce_sum(points, 1) > 0, tf.int64)
    return tf.data.Dataset.from_tensor_slices((points, labels)).shuffle(1024).repeat().batch(32)


def build() -> tf.keras.Model:
    model = tf.keras.Sequential(
        [tf.keras.layers.Input((4,)), tf.keras.layers.Dense(16, "relu"), tf.keras.layers.Dense(2)]
    )
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    return model


class SilentOnce(tf.keras.callbacks.Callback):
    """No call to any task for a while, in the middle of the training."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {(logs or {})['loss']:.4f}", flush=True)
        if epoch + 1 == EPOCHS // 2:
            print(f"silent for {SILENT_SECONDS:.0f} s", flush=True)
            time.sleep(SILENT_SECONDS)


def train(cluster: tf.distribute.cluster_resolver.TFConfigClusterResolver) -> None:
    partitioner = tf.distribute.experimental.partitioners.MinSizePartitioner(64, max_shards=2)
    strategy = tf.distribute.ParameterServerStrategy(cluster, variable_partitioner=partitioner)
    with strategy.scope():
        model = build()
    callbacks = [
        SilentOnce(),
        tf.keras.callbacks.BackupAndRestore(os.path.join(FOLDER, "backup")),
        tf.keras.callbacks.ModelCheckpoint(os.path.join(FOLDER, "evaluated", "ckpt-{epoch}"), save_weights_only=True),
    ]
    creator = tf.keras.utils.experimental.DatasetCreator(dataset)
    model.fit(creator, epochs=EPOCHS, steps_per_epoch=STEPS, callbacks=callbacks, verbose=0)
    print("done: trained", flush=True)


def evaluate() -> None:
    tf.keras.utils.SidecarEvaluator(
        build(), dataset(), os.path.join(FOLDER, "evaluated"), steps=10, max_evaluations=EPOCHS
    ).start()
    print("done: evaluated", flush=True)


cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
if cluster.task_type == "evaluator":
    evaluate()
elif cluster.task_type == "chief":
    train(cluster)
else:
    tf.distribute.Server(cluster.cluster_spec(), cluster.task_type, cluster.task_id, protocol="grpc").join()
