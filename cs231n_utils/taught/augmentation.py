"""Exported from notebooks: edit them, then `make export`.

- notebooks/08_training.ipynb
- notebooks/12_cifar10.ipynb
"""

import numpy as np

from cs231n_utils.types import Augment


def random_flips(image_shape: tuple[int, ...]) -> Augment:
    """Return a function of inputs X (N, D) and a Generator that mirrors about half of the rows.

    The function changes X and returns it; every row is mirrored with probability 1/2.

    Parameters
    ----------
    image_shape
        Shape of a row as an image, (rows, columns) or (rows, columns, colours).
    """
    def flip(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        images = X.reshape(-1, *image_shape)
        mirrored = rng.random(len(X)) < 0.5
        images[mirrored] = images[mirrored, :, ::-1]  # the columns in reverse order
        return images.reshape(X.shape)

    return flip


def random_shifts(image_shape: tuple[int, ...], most: int) -> Augment:
    """Return a function of inputs X (N, D) and a Generator that moves rows by up to `most` pixels.

    Up or down and left or right; all whole numbers from -most to most are equally likely.
    """
    rows, columns = image_shape[:2]

    def shift(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        images = X.reshape(-1, *image_shape)
        widths = [(0, 0), (most, most), (most, most), *[(0, 0)] * (images.ndim - 3)]
        starts = rng.integers(0, 2 * most + 1, (len(X), 2))
        moved = [image[i : i + rows, j : j + columns]
                 for image, (i, j) in zip(np.pad(images, widths), starts, strict=True)]
        return np.stack(moved).reshape(X.shape)

    return shift


def in_turn(*augments: Augment) -> Augment:
    """Return a function of inputs X (N, D) and a Generator that applies all, one by one."""
    def apply(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        for augment in augments:
            X = augment(X, rng)
        return X

    return apply
