"""Multi-worker training with Keras' fit, as TensorFlow's guide has it: every worker saves, the chief's files count."""

import os
import time

import tensorflow as tf

EPOCHS, STEPS = 6, 10
SILENT_SECONDS = float(os.environ["SILENT_SECONDS"])
FOLDER = os.environ["CHECKPOINT_DIR"]

strategy = tf.distribute.MultiWorkerMirroredStrategy()
cluster = strategy.cluster_resolver
chief = cluster.task_type in (None, "chief") or (cluster.task_type == "worker" and cluster.task_id == 0)


class SilentOnce(tf.keras.callbacks.Callback):
    """All workers pause in the middle of the training, the first of them for much longer: the others wait for it."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {(logs or {})['loss']:.4f}", flush=True)
        if epoch + 1 == EPOCHS // 2 and chief:
            print(f"silent for {SILENT_SECONDS:.0f} s", flush=True)
            time.sleep(SILENT_SECONDS)


def dataset() -> tf.data.Dataset:
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

callbacks = [SilentOnce(), tf.keras.callbacks.BackupAndRestore(os.path.join(FOLDER, "backup"))]
model.fit(dataset(), epochs=EPOCHS, steps_per_epoch=STEPS, callbacks=callbacks, verbose=0)

# Every worker takes part in saving; what the others write is thrown away.
mine = os.path.join(FOLDER, "model") if chief else os.path.join(FOLDER, f"worker-{cluster.task_id}", "model")
model.save(mine)
if not chief:
    tf.io.gfile.rmtree(os.path.dirname(mine))
print("done: trained", flush=True)
