"""Parameter server training with a loop of its own, as TensorFlow's guide has it: lookup layers, fixed shards."""

import os
import time

import tensorflow as tf

ROUNDS, STEPS = 6, 20
SILENT_SECONDS = float(os.environ["SILENT_SECONDS"])
WORDS = ["avenger", "ironman", "batman", "hulk", "spiderman", "kingkong", "wonder_woman"]

cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
if cluster.task_type in ("worker", "ps"):
    tf.distribute.Server(cluster.cluster_spec(), cluster.task_type, cluster.task_id, protocol="grpc").join()

partitioner = tf.distribute.experimental.partitioners.FixedShardsPartitioner(2)
strategy = tf.distribute.ParameterServerStrategy(cluster, variable_partitioner=partitioner)
coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)

with strategy.scope():
    # The table of a lookup layer is made on every worker.
    words = tf.keras.layers.StringLookup(vocabulary=WORDS, num_oov_indices=0, mask_token=None)
    answers = tf.keras.layers.StringLookup(vocabulary=["no", "yes"], num_oov_indices=0, mask_token=None)
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Input((3,), dtype="int64"),
            tf.keras.layers.Embedding(len(WORDS), 20),
            tf.keras.layers.GlobalAveragePooling1D(),
            tf.keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = tf.keras.optimizers.RMSprop(0.1)
    optimizer.build(model.trainable_variables)


def dataset() -> tf.data.Dataset:
    def example(_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = tf.random.shuffle(WORDS)[:3]
        return words(chosen), answers(tf.where(tf.reduce_any(chosen == "avenger"), "yes", "no"))

    return tf.data.Dataset.range(1).repeat().map(example).batch(32)


@tf.function
def step(batches: tf.data.Iterator) -> tf.Tensor:
    def replica(features: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.keras.losses.binary_crossentropy(labels[:, None], model(features, training=True)))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return strategy.run(replica, args=next(batches))


manager = tf.train.CheckpointManager(
    tf.train.Checkpoint(model=model, optimizer=optimizer), os.environ["CHECKPOINT_DIR"], max_to_keep=2
)
batches = iter(coordinator.create_per_worker_dataset(dataset))
for number in range(1, ROUNDS + 1):
    losses = [coordinator.schedule(step, args=(batches,)) for _ in range(STEPS)]
    coordinator.join()
    manager.save(checkpoint_number=number)
    print(f"round {number} of {ROUNDS}: loss {sum(coordinator.fetch(losses)) / STEPS:.4f}", flush=True)
    if number == ROUNDS // 2:
        print(f"silent for {SILENT_SECONDS:.0f} s", flush=True)
        time.sleep(SILENT_SECONDS)
print("done: trained", flush=True)
