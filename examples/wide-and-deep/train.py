"""Will this user click on that item? A wide and deep model whose tables are sharded over the parameter servers.

Only the chief runs this file. Workers and parameter servers run a TensorFlow server. After a restart the program
resumes from the last checkpoint in CHECKPOINT_DIR.
"""

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import tensorflow as tf

USERS, ITEMS, PLACES, HOURS = 200_000, 40_000, 10, 24
WIDE = USERS + ITEMS + PLACES * HOURS  # one weight for each user, each item, and each place in each hour
FACTORS = 16
RATE = 0.2  # learning rate of the tables
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
    """(users, items, places, hours, clicked) of so many views; as on real sites, few users and items make up most."""
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


class WideAndDeep(tf.Module):
    """Wide: a weight for each user, item, and place in an hour. Deep: factors of user and item, and a small network."""

    def __init__(self) -> None:
        super().__init__()

        def table(rows: int, width: int, deviation: float) -> tf.Variable:
            return tf.Variable(tf.random.stateless_normal([rows, width], [SEED, rows], stddev=deviation))

        self.tables = {
            "users": table(USERS, FACTORS, 0.3),
            "items": table(ITEMS, FACTORS, 0.3),
            "wide": table(WIDE, 1, 0.0),
        }
        # Adagrad's sums of squares: a row that is seen often learns more slowly.
        self.squares = {name: tf.Variable(tf.fill(values.shape, 0.1)) for name, values in self.tables.items()}
        self.deep = tf.keras.Sequential(
            [
                tf.keras.layers.Input((2 * FACTORS,)),
                tf.keras.layers.Dense(32, activation="relu"),
                tf.keras.layers.Dense(1),
            ]
        )
        self.optimizer = tf.keras.optimizers.Adam(2e-3)
        self.optimizer.build(self.deep.trainable_variables)

    def logits(self, users: tf.Tensor, items: tf.Tensor, places: tf.Tensor, hours: tf.Tensor) -> tf.Tensor:
        """The rows are looked up by the parameter servers that hold them: only these rows travel."""
        factors = [
            tf.nn.embedding_lookup(self.tables["users"], users),
            tf.nn.embedding_lookup(self.tables["items"], items),
        ]
        ids = tf.stack([users, USERS + items, USERS + ITEMS + places * HOURS + hours], 1)
        wide = tf.reduce_sum(tf.nn.embedding_lookup(self.tables["wide"], ids), 1)
        return tf.squeeze(wide + self.deep(tf.concat(factors, 1)), 1)

    def learn(self, *batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Apply the gradients of one batch; returns its loss, and how many rows of the tables it changed."""
        *features, clicked = batch
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(clicked, self.logits(*features)))
        tables = {name: shards(values) for name, values in self.tables.items()}
        sparse, dense = tape.gradient(loss, (tables, self.deep.trainable_variables))
        moved = tf.constant(0)
        for name, slices in sparse.items():
            # IndexedSlices: the rows of this batch and their gradients, one for each shard.
            for values, squares, rows in zip(tables[name], shards(self.squares[name]), slices, strict=True):
                gradient = rows.values * clicked.shape[0]  # of the sum, not the mean: a row is in few views of a batch
                squares.scatter_add(tf.IndexedSlices(gradient**2, rows.indices))
                rate = RATE * tf.math.rsqrt(squares.sparse_read(rows.indices))
                values.scatter_sub(tf.IndexedSlices(rate * gradient, rows.indices))
                moved += tf.size(rows.indices)
        self.optimizer.apply_gradients(zip(dense, self.deep.trainable_variables, strict=True))
        return loss, moved


def shards(table: tf.Variable) -> list[tf.Variable]:
    """The parts of a table on the parameter servers; with one server, or below 64 KiB, the table itself."""
    return list(getattr(table, "variables", [table]))


def step_function(strategy: tf.distribute.Strategy, model: WideAndDeep, updates: tf.Variable) -> Callable:
    """What a worker does for a step: (loss, rows changed, updates of other workers that came in between)."""

    # A separate function, so that all of it runs between the two reads of `updates`.
    @tf.function
    def learn(batch: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        return strategy.run(model.learn, args=batch)

    @tf.function
    def train_step(batches: tf.data.Iterator) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        batch = next(batches)
        before = updates.read_value()
        with tf.control_dependencies([before]):
            loss, moved = learn(batch)
        with tf.control_dependencies([loss]):
            after = updates.assign_add(1, read_value=True)
        return loss, moved, after - 1 - before

    return train_step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600, help="training steps in all, over all workers and restarts")
    parser.add_argument("--batch", type=int, default=512, help="views per step")
    parser.add_argument("--round", type=int, default=50, help="steps between two reports of the loss")
    parser.add_argument("--save-every", type=int, default=200, help="steps between two checkpoints")
    options = parser.parse_args()

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    servers = resolver.cluster_spec().num_tasks("ps")
    strategy = tf.distribute.ParameterServerStrategy(
        resolver,  # tables get a shard on each parameter server, variables below 64 KiB stay whole
        tf.distribute.experimental.partitioners.MinSizePartitioner(min_shard_bytes=64 << 10, max_shards=servers),
    )
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)

    with strategy.scope():
        model = WideAndDeep()
        # Counted by the chief: a step that a lost worker had begun is run again, and must not count twice.
        step = tf.Variable(0, dtype=tf.int64, trainable=False)
        # Counted on a parameter server, by every worker that has applied gradients.
        updates = tf.Variable(0, dtype=tf.int64, trainable=False)
    train_step = step_function(strategy, model, updates)

    held = defaultdict(list)
    for name, table in model.tables.items():
        for shard in shards(table):
            held[tf.DeviceSpec.from_string(shard.device).task].append(f"{shard.shape[0]} rows of {name}")
    for server, rows in sorted(held.items()):
        print(f"ps-{server}: {', '.join(rows)}", flush=True)

    known = truth()

    def dataset() -> tf.data.Dataset:
        return tf.data.Dataset.random().map(lambda seed: views(options.batch, seed, known)).prefetch(2)

    folder = os.environ.get("CHECKPOINT_DIR", "")
    checkpoint = tf.train.Checkpoint(model=model, step=step)
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
        print(f"updates: {int(updates)} applied for {len(stale)} steps", flush=True)
        print(f"staleness: mean {np.mean(stale):.2f}, max {max(stale)} steps", flush=True)
        print(f"sparse: a step moves {np.mean(moved):.0f} of {USERS + ITEMS + WIDE} rows", flush=True)
    *features, clicked = views(20_000, tf.constant(1, tf.int64), known)
    quality = auc(clicked.numpy(), model.logits(*features).numpy())
    print(f"done: step {int(step)}, test AUC {quality:.4f} on {len(clicked)} views", flush=True)


if __name__ == "__main__":
    main()
