"""Taught in notebooks/10_cifar10.ipynb: edit it there, then `make export`."""

from typing import Any

import numpy as np

from cs231n_utils.data import Dataset
from cs231n_utils.from_notebooks.training import (
    Augment,
    History,
    linear_decay,
    random_flips,
    train,
)
from cs231n_utils.from_notebooks.two_layer_net import TwoLayerNet


def centre_in_place(data: Dataset) -> np.ndarray:
    """Subtract the mean of the training inputs from all splits, in place; return it (D,)."""
    mean = data.X_train.mean(axis=0, dtype=np.float64).astype(data.X_train.dtype)
    for X in (data.X_train, data.X_val, data.X_test):
        X -= mean
    return mean


def train_by_recipe(model: Any, data: Dataset, num_epochs: int, **changes: Any) -> History:
    """Train a model on images by one recipe, with changes; the history."""
    recipe: dict[str, Any] = {
        "learning_rate": 0.1, "learning_rate_decay": 1.0, "reg": 1e-3, "batch_size": 200,
        "num_iters": num_epochs * len(data.y_train) // 200,
        "momentum": 0.9, "schedule": linear_decay, "augment": random_flips(data.image_shape or ()),
    }
    return train(model, data.X_train, data.y_train, data.X_val, data.y_val, **(recipe | changes))


def network(hidden_size: int, seed: int = 0) -> TwoLayerNet:
    """A network for 32x32 colour images in ten classes, in float32."""
    return TwoLayerNet(3072, hidden_size, 10, std=0.05, rng=seed, dtype=np.float32)


def random_shifts(image_shape: tuple[int, ...], most: int) -> Augment:
    """A function of inputs X (N, D) and a Generator that moves every row by up to `most` pixels.

    Up or down and left or right; all whole numbers from -most to most are equally likely.
    """
    rows, columns = image_shape[:2]

    def shift(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        images = X.reshape(-1, *image_shape)
        margins = [(0, 0), (most, most), (most, most), *[(0, 0)] * (images.ndim - 3)]
        starts = rng.integers(0, 2 * most + 1, (len(X), 2))
        moved = [image[i : i + rows, j : j + columns]
                 for image, (i, j) in zip(np.pad(images, margins), starts, strict=True)]
        return np.stack(moved).reshape(X.shape)

    return shift
