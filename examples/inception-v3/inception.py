"""What training and evaluation share: the options, the images and the model."""

import argparse
import os
from pathlib import Path

import tensorflow as tf


def options() -> argparse.Namespace:
    """The options of the job. The defaults are the paper's, for 8 workers and ImageNet (arXiv:1512.00567)."""
    parser = argparse.ArgumentParser(description="InceptionV3 on parameter servers")
    parser.add_argument(
        "--steps", type=int, default=4_000_000, help="training steps in all (ImageNet: 40,000 an epoch)"
    )
    parser.add_argument("--batch", type=int, default=32, help="images per step")
    parser.add_argument("--image-size", type=int, default=299, help="height and width in pixels, at least 75")
    parser.add_argument("--learning-rate", type=float, default=0.045, help="highest learning rate")
    parser.add_argument("--epsilon", type=float, default=1.0, help="of RMSProp; small values make short runs learn")
    parser.add_argument("--warm-up", type=int, default=100_000, help="steps in which the learning rate rises")
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--norm-decay", type=float, default=0.9997, help="of batch normalization's moving averages")
    parser.add_argument("--round", type=int, default=1000, help="steps between two reports of the loss")
    parser.add_argument("--save-every", type=int, default=20_000, help="steps between two checkpoints")
    parser.add_argument("--data", default=os.environ.get("DATA_DIR"), help="folder with train/CLASS/* and val/CLASS/*")
    parser.add_argument("--make-images", action="store_true", help="fill an empty data folder with generated images")
    return parser.parse_args()


def class_names(folder: str) -> list[str]:
    """The classes, in the order of their labels: the folders of train/."""
    return sorted(entry.name for entry in Path(folder, "train").iterdir() if entry.is_dir())


def images(folder: str, part: str, classes: list[str], size: int) -> tf.data.Dataset:
    """(image, label) of each file of `train` (in random order, distorted) or `val`; pixels in -1..1."""
    training = part == "train"

    def read(path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        label = tf.argmax(tf.constant(classes) == tf.strings.split(path, os.sep)[-2])
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        # The object is somewhere in the middle 7/8: cut there, or, to train, anywhere near it.
        image = tf.image.resize(image, (size * 8 // 7, size * 8 // 7))
        if training:
            image = tf.image.random_flip_left_right(tf.image.random_crop(image, (size, size, 3)))
        else:
            image = tf.image.resize_with_crop_or_pad(image, size, size)
        return image / 127.5 - 1, label

    files = tf.data.Dataset.list_files(os.fspath(Path(folder, part, "*", "*")), shuffle=training)
    return (files.repeat() if training else files).map(read, num_parallel_calls=tf.data.AUTOTUNE)


def build_model(size: int, classes: int, norm_decay: float) -> tf.keras.Model:
    """InceptionV3 with logits as output, its variables created."""
    model = tf.keras.applications.InceptionV3(
        weights=None, input_shape=(size, size, 3), classes=classes, classifier_activation=None
    )
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.momentum = norm_decay
    return model
