"""An Estimator, of TensorFlow 2.15, the last that has them: train_and_evaluate reads TF_CONFIG by itself."""

import os
import time

import tensorflow as tf

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.INFO)  # the losses
STEPS = 600
SILENT_SECONDS = float(os.environ["SILENT_SECONDS"])


def examples():
    points = tf.random.stateless_uniform((1024, 4), (1, 2), -1, 1)
    labels = tf.cast(tf.reduce_sum(points, 1) > 0, tf.int32)
    return tf.data.Dataset.from_tensor_slices(({"x": points}, labels)).shuffle(1024).repeat().batch(32)


class SilentOnce(tf.compat.v1.train.SessionRunHook):
    """The chief calls nobody for a while, in the middle of the training."""

    silent = False

    def before_run(self, run_context):
        return tf.compat.v1.train.SessionRunArgs(tf.compat.v1.train.get_global_step())

    def after_run(self, run_context, run_values):
        if run_values.results >= STEPS // 2 and not self.silent:
            self.silent = True
            print(f"silent for {SILENT_SECONDS:.0f} s", flush=True)
            time.sleep(SILENT_SECONDS)


config = tf.estimator.RunConfig(
    model_dir=os.environ["CHECKPOINT_DIR"], save_checkpoints_steps=200, log_step_count_steps=100
)
# The optimizers of Keras 3 and of tf.keras from 2.11 on are none that an Estimator takes.
estimator = tf.estimator.DNNClassifier(
    [16], [tf.feature_column.numeric_column("x", (4,))], n_classes=2, config=config,
    optimizer=lambda: tf.keras.optimizers.legacy.Adam(0.01),
)  # fmt: skip
hooks = [SilentOnce()] if config.is_chief else []
tf.estimator.train_and_evaluate(
    estimator,
    tf.estimator.TrainSpec(examples, max_steps=STEPS, hooks=hooks),
    tf.estimator.EvalSpec(examples, steps=10, start_delay_secs=0, throttle_secs=1),
)
print(f"done: {config.task_type}", flush=True)
