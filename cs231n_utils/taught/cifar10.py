"""Exported from notebooks: edit them, then `make export`.

- notebooks/12_cifar10.ipynb
"""

from typing import Any

import numpy as np

from cs231n_utils.datasets import Dataset
from cs231n_utils.taught.augmentation import random_flips
from cs231n_utils.taught.models import TwoLayerNet
from cs231n_utils.taught.optimizers import SGD, linear_decay
from cs231n_utils.taught.training import train
from cs231n_utils.types import History


def centre_in_place(data: Dataset) -> np.ndarray:
    """Subtract the mean of the training inputs from all splits, in place; return it (D,)."""
    mean = data.X_train.mean(axis=0, dtype=np.float64).astype(data.X_train.dtype)
    for X in (data.X_train, data.X_val, data.X_test):
        X -= mean
    return mean


def train_by_recipe(model: Any, data: Dataset, num_epochs: int, learning_rate: float = 0.1,
                    momentum: float = 0.9, **changes: Any) -> History:
    """Train a model on images by one recipe, with changes; the history."""
    recipe: dict[str, Any] = {
        "learning_rate_decay": 1.0, "reg": 1e-3, "batch_size": 200,
        "num_iters": num_epochs * len(data.y_train) // 200,
        "optimizer": SGD(learning_rate, momentum), "schedule": linear_decay,
        "augment": random_flips(data.image_shape or ()),
    }
    return train(model, data.X_train, data.y_train, data.X_val, data.y_val, **(recipe | changes))


def network(hidden_size: int, seed: int = 0, dtype: Any = np.float32) -> TwoLayerNet:
    """A network for 32x32 colour images in ten classes."""
    return TwoLayerNet(3072, hidden_size, 10, std=0.05, rng=seed, dtype=dtype)
