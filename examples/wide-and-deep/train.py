"""Will this user click on that item? A wide and deep model whose tables are sharded over the parameter servers.

Only the chief runs this file. Workers and parameter servers are plain TensorFlow servers. Stopped at any time and started
again, it goes on from the last checkpoint in CHECKPOINT_DIR.
"""

import argparse
import os
import time
from collections import defaultdict

import numpy as np
import tensorflow as tf

USERS, ITEMS, PLACES, HOURS = 200_000, 40_000, 10, 24
WIDE = USERS + ITEMS + PLACES * HOURS  # one weight for each user, each item, and each place in each hour
FACTORS = 16
RATE = 0.2  # of learning, for the tables
SEED = 7


def truth() -> dict[str, tf.Tensor]:
    """What the clicks are generated from: how ready each user is to click, how good each item is, and hidden tastes."""
    chance = np.random.default_rng(SEED)
    return {
        "user": tf.constant(chance.normal(0, 0.7, USERS), tf.float32),
        "item": tf.constant(chance.normal(0, 0.7, ITEMS), tf.float32),
        "place": tf.constant(chance.normal(0, 0.7, (PLACES, HOURS)), tf.float32),
        "taste": tf.constant(chance.integers(0, 4, USERS)),  # no feature: the embeddings have to find these two
        "genre": tf.constant(chance.integers(0, 4, ITEMS)),
        "affinity": tf.constant(4 * np.eye(4) - 2, tf.float32),
    }


def views(count: int, seed: tf.Tensor, known: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
    """(users, items, places, hours, clicked) of so many views. Few users and items make up most of them, as on real sites."""
    chance = tf.random.stateless_uniform([5, count], tf.stack([seed, SEED]))
    # The factor spreads the most seen over all ids, and so over all shards.
    users = tf.cast(USERS * chance[0] ** 10, tf.int64) * 7919 % USERS
    items = tf.cast(ITEMS * chance[1] ** 10, tf.int64) * 7919 % ITEMS
    places = tf.cast(PLACES * chance[2], tf.int64)
    hours = tf.cast(HOURS * chance[3], tf.int64)
    liking = tf.gather_nd(
        known["affinity"], tf.stack([tf.gather(known["taste"], users), tf.gather(known["genre"], items)], 1)
    )
    logit = tf.gather(known["user"], users) + tf.gather(known["item"], items) + liking - 1
    logit += tf.gather_nd(known["place"], tf.stack([places, hours], 1))
    return users, items, places, hours, tf.cast(chance[4] < tf.sigmoid(logit), tf.float32)


def auc(clicked: np.ndarray, scores: np.ndarray) -> float:
    """The probability that a view with a click has a higher score than one without."""
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores)] = np.arange(1, len(scores) + 1)
    yes = clicked > 0
    return float((ranks[yes].mean() - (yes.sum() + 1) / 2) / (~yes).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600, help="training steps in all, over all workers and restarts")
    parser.add_argument("--batch", type=int, default=512, help="views per step")
    parser.add_argument("--round", type=int, default=50, help="steps between two looks at the loss")
    parser.add_argument("--save-every", type=int, default=200, help="steps between two checkpoints")
    options = parser.parse_args()

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    servers = resolver.cluster_spec().num_tasks("ps")
    strategy = tf.distribute.ParameterServerStrategy(
        resolver,  # tables get a shard on each parameter server, variables below 64 KiB stay whole
        tf.distribute.experimental.partitioners.MinSizePartitioner(min_shard_bytes=64 << 10, max_shards=servers),
    )
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)

    def table(rows: int, width: int, deviation: float) -> tf.Variable:
        return tf.Variable(tf.random.stateless_normal([rows, width], [SEED, rows], stddev=deviation))

    with strategy.scope():
        tables = {"users": table(USERS, FACTORS, 0.3), "items": table(ITEMS, FACTORS, 0.3), "wide": table(WIDE, 1, 0.0)}
        # Adagrad's sums of squares: a row that is seen often learns more slowly.
        squares = {name: tf.Variable(tf.fill(values.shape, 0.1)) for name, values in tables.items()}
        deep = tf.keras.Sequential(
            [
                tf.keras.layers.Input((2 * FACTORS,)),
                tf.keras.layers.Dense(32, activation="relu"),
                tf.keras.layers.Dense(1),
            ]
        )
        optimizer = tf.keras.optimizers.Adam(2e-3)
        optimizer.build(deep.trainable_variables)
        # Counted by the chief: a step that a lost worker had begun is run again, and must not count twice.
        step = tf.Variable(0, dtype=tf.int64, trainable=False)
        # Counted by whoever applies gradients, on a parameter server: by it a worker sees what the others did meanwhile.
        updates = tf.Variable(0, dtype=tf.int64, trainable=False)

    shards = defaultdict(list)
    for name, values in tables.items():
        for shard in getattr(values, "variables", [values]):
            shards[tf.DeviceSpec.from_string(shard.device).task].append(f"{shard.shape[0]} rows of {name}")
    for server, rows in sorted(shards.items()):
        print(f"ps-{server}: {', '.join(rows)}", flush=True)

    def logits(users: tf.Tensor, items: tf.Tensor, places: tf.Tensor, hours: tf.Tensor) -> tf.Tensor:
        """The rows are looked up by the parameter servers that hold them: only these rows travel."""
        factors = [tf.nn.embedding_lookup(tables["users"], users), tf.nn.embedding_lookup(tables["items"], items)]
        ids = tf.stack([users, USERS + items, USERS + ITEMS + places * HOURS + hours], 1)
        wide = tf.reduce_sum(tf.nn.embedding_lookup(tables["wide"], ids), 1)
        return tf.squeeze(wide + deep(tf.concat(factors, 1)), 1)

    known = truth()

    def dataset() -> tf.data.Dataset:
        return tf.data.Dataset.random().map(lambda seed: views(options.batch, seed, known)).prefetch(2)

    def replica_step(*batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        *features, clicked = batch
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(clicked, logits(*features)))
        sources = {name: list(values.variables) for name, values in tables.items()}
        gradients, dense = tape.gradient(loss, (sources, deep.trainable_variables))
        moved = tf.constant(0)
        for name, slices in gradients.items():
            # IndexedSlices: the rows of this batch and their gradients, one for each shard.
            for values, sums, rows in zip(sources[name], squares[name].variables, slices, strict=True):
                gradient = rows.values * options.batch
                sums.scatter_add(tf.IndexedSlices(gradient**2, rows.indices))
                rate = RATE * tf.math.rsqrt(sums.sparse_read(rows.indices))
                values.scatter_sub(tf.IndexedSlices(rate * gradient, rows.indices))
                moved += tf.size(rows.indices)
        optimizer.apply_gradients(zip(dense, deep.trainable_variables, strict=True))
        return loss, moved

    # A function of its own: as a whole it comes after one look at `updates` and before the other.
    @tf.function
    def learn(batch: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        return strategy.run(replica_step, args=batch)

    @tf.function
    def train_step(batches: tf.data.Iterator) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        batch = next(batches)
        before = updates.read_value()
        with tf.control_dependencies([before]):
            loss, moved = learn(batch)
        with tf.control_dependencies([loss]):
            after = updates.assign_add(1, read_value=True)
        return loss, moved, after - 1 - before

    folder = os.environ.get("CHECKPOINT_DIR", "")
    checkpoint = tf.train.Checkpoint(tables=tables, squares=squares, deep=deep, optimizer=optimizer, step=step)
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=3) if folder else None
    if manager and manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint)
        print(f"resumed from {manager.latest_checkpoint} at step {int(step)}", flush=True)

    batches = iter(coordinator.create_per_worker_dataset(dataset))
    done, saved = int(step), int(step)
    began, first = time.monotonic(), done
    stale: list[int] = []
    while done < options.steps:
        count = min(options.round, options.steps - done)
        results = [coordinator.schedule(train_step, args=(batches,)) for _ in range(count)]
        coordinator.join()
        losses, moved, missed = zip(*coordinator.fetch(results), strict=True)
        stale.extend(missed)
        done += count
        step.assign(done)
        rate = (done - first) / (time.monotonic() - began)
        print(f"step {done} of {options.steps}: loss {np.mean(losses):.4f}, {rate:.0f} steps/s", flush=True)
        if manager and (done - saved >= options.save_every or done == options.steps):
            manager.save(checkpoint_number=done)
            saved = done

    if stale:
        print(f"staleness: mean {np.mean(stale):.2f}, max {max(stale)} steps", flush=True)
        print(f"sparse: a step moves {np.mean(moved):.0f} of {USERS + ITEMS + WIDE} rows", flush=True)
    *features, clicked = views(20_000, tf.constant(1, tf.int64), known)
    quality = auc(clicked.numpy(), logits(*features).numpy())
    print(f"done: step {int(step)}, test AUC {quality:.4f} on {len(clicked)} views", flush=True)


if __name__ == "__main__":
    main()
