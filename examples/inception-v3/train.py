"""InceptionV3 with ParameterServerStrategy: images from a data volume, variables in shards on the parameter servers.

The chief and the evaluator run this file. Workers and parameter servers are plain TensorFlow servers that the chart (or
`tfconfig run`) starts. Stopped at any time and started again, it goes on from the last checkpoint in CHECKPOINT_DIR.
"""

import argparse
import os
import time

import evaluate
import inception
import make_images
import numpy as np
import tensorflow as tf


def train(options: argparse.Namespace) -> None:
    if options.make_images:
        make_images.write(options.data)
    classes = inception.class_names(options.data)

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    servers = len(resolver.cluster_spec().job_tasks("ps"))
    # A variable above this size is cut along its first axis, so that no server holds, and sends, more than its part.
    partitioner = tf.distribute.experimental.partitioners.MinSizePartitioner(256 << 10, max_shards=servers)
    strategy = tf.distribute.ParameterServerStrategy(resolver, variable_partitioner=partitioner)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)

    with strategy.scope():
        model = inception.build_model(options.image_size, len(classes), options.norm_decay)
        optimizer = tf.keras.optimizers.RMSprop(0.0, rho=0.9, epsilon=options.epsilon, global_clipnorm=2.0)
        optimizer.build(model.trainable_variables)
        # Counted by the chief: a step that a lost worker had begun is run again, and must not count twice.
        step = tf.Variable(0, dtype=tf.int64, trainable=False)
        updates = tf.Variable(0, dtype=tf.int64, trainable=False)  # by any worker, to measure staleness
    shards = sum("/part_" in variable.name for variable in model.variables)
    print(f"{len(model.variables)} variables, of them {shards} shards, on {servers} parameter servers", flush=True)

    def dataset() -> tf.data.Dataset:
        data = inception.images(options.data, "train", classes, options.image_size)
        return data.batch(options.batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)

    @tf.function
    def train_step(batches: tf.data.Iterator) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        def replica_step(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            before = updates.read_value()
            with tf.control_dependencies([before]), tf.GradientTape() as tape:
                logits = model(images, training=True)
                losses = tf.keras.losses.categorical_crossentropy(
                    tf.one_hot(labels, len(classes)),
                    logits,
                    from_logits=True,
                    label_smoothing=options.label_smoothing,
                )
                loss = tf.reduce_mean(losses)
            gradients = tape.gradient(loss, model.trainable_variables)
            with tf.control_dependencies(gradients):
                stale = updates.read_value() - before  # updates of others since this step read the variables
                updates.assign_add(1)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss, tf.reduce_mean(tf.cast(tf.argmax(logits, 1) == labels, tf.float32)), stale

        return strategy.run(replica_step, args=next(batches))

    folder = os.environ["CHECKPOINT_DIR"]
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=step)
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=5)
    if manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint)
        print(f"resumed from {manager.latest_checkpoint} at step {int(step)}", flush=True)

    schedule = tf.keras.optimizers.schedules.CosineDecay(
        0.0, options.steps - options.warm_up, warmup_target=options.learning_rate, warmup_steps=options.warm_up
    )
    batches = iter(coordinator.create_per_worker_dataset(dataset))
    done, saved = int(step), int(step)
    began, first = time.monotonic(), done
    staleness: list[int] = []
    while done < options.steps:
        # Set by the chief's count of steps: the optimizer's own misses some when workers add to it at the same time.
        optimizer.learning_rate.assign(schedule(done))
        count = min(options.round, options.steps - done)
        results = [coordinator.schedule(train_step, args=(batches,)) for _ in range(count)]
        coordinator.join()
        done += count
        step.assign(done)
        losses, right, stale = zip(*coordinator.fetch(results), strict=True)
        staleness += stale
        rate = (done - first) * options.batch / (time.monotonic() - began)
        print(
            f"step {done} of {options.steps}: loss {np.mean(losses):.4f}, {rate:.1f} images/s, "
            f"top-1 {np.mean(right):.3f}, learning rate {float(optimizer.learning_rate):.4f}",
            flush=True,
        )
        if done - saved >= options.save_every or done == options.steps:
            manager.save(checkpoint_number=done)
            saved = done
    if staleness:
        print(f"staleness: mean {np.mean(staleness):.1f}, max {max(staleness)} steps", flush=True)
    print(f"done: step {done}", flush=True)


if __name__ == "__main__":
    given = inception.options()
    if os.environ.get("TASK_TYPE") == "evaluator":
        evaluate.evaluate(given)
    else:
        train(given)
