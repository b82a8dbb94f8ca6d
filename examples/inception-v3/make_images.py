"""Draw a small set of images in ImageNet's layout: FOLDER/train/CLASS/*.JPEG and FOLDER/val/CLASS/*.JPEG.

Each class is a shape of its own colour, anywhere and of any size, on a noisy background. For trying things out.
"""

import argparse
import os
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

SEED = 7
# Class name -> (colour, whether a point is in the shape; it is about 1 wide, its middle at 0, 0).
SHAPES = {
    "blue_ring": ((40, 60, 220), lambda x, y: (x**2 + y**2 < 1) & (x**2 + y**2 > 0.3)),
    "green_square": ((40, 180, 60), lambda x, y: (abs(x) < 0.9) & (abs(y) < 0.9)),
    "pink_cross": ((230, 60, 200), lambda x, y: (abs(x - y) < 0.4) | (abs(x + y) < 0.4)),
    "red_disc": ((220, 40, 40), lambda x, y: x**2 + y**2 < 1),
    "white_bars": ((240, 240, 240), lambda x, y: (abs(y) < 0.9) & (np.floor(x * 3) % 2 == 0)),
    "yellow_triangle": ((230, 210, 40), lambda x, y: (y < 0.9) & (y > 2 * abs(x) - 0.9)),
}


def draw(name: str, size: int, random: np.random.Generator) -> np.ndarray:
    """One image of a class: (size, size, 3) bytes."""
    colour, inside = SHAPES[name]
    radius = size * random.uniform(0.25, 0.4)
    middle = random.uniform(radius, size - radius, 2)
    y, x = ((np.mgrid[:size, :size] - middle[:, None, None]) / radius).astype("float32")
    shape = inside(x, y) & (abs(x) < 1) & (abs(y) < 1)
    image = np.where(shape[..., None], colour, random.integers(40, 160, 3)) + random.normal(0, 12, (size, size, 3))
    return image.clip(0, 255).astype("uint8")


def write(folder: str, train: int = 40, val: int = 8, size: int = 96) -> None:
    """Fill the folder with `train` and `val` images of each class; does nothing if it has a `train` already."""
    if Path(folder, "train").exists():
        return
    random = np.random.default_rng(SEED)
    # `train` is renamed last, so that an interrupted set is not mistaken for a complete one.
    for part, count, named in ("val", val, "val"), ("train.part", train, "train"):
        shutil.rmtree(Path(folder, part), ignore_errors=True)
        for name in SHAPES:
            target = Path(folder, part, name)
            target.mkdir(parents=True)
            for number in range(count):
                jpeg = tf.io.encode_jpeg(draw(name, size, random))
                tf.io.write_file(os.fspath(target / f"{number:03}.JPEG"), jpeg)
        Path(folder, part).rename(Path(folder, named))
    print(f"made {(train + val) * len(SHAPES)} images of {len(SHAPES)} classes in {folder}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    write(parser.parse_args().folder)
