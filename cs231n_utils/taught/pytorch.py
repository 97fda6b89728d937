"""Exported from notebooks: edit them, then `make export`.

- notebooks/20_pytorch.ipynb
"""

from collections.abc import Callable
from typing import Any

import numpy as np


def to_pytorch(array: np.ndarray) -> np.ndarray:
    """A parameter of the series, or its gradient, with its axes in the order of PyTorch.

    Weights have two axes, filters four, and all others one.
    """
    if array.ndim == 2:
        return array.T  # (20.1)
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)  # (20.2)
    return array


def channels_first(images: np.ndarray) -> np.ndarray:
    """Images (N, rows, columns, C) of the series as PyTorch takes them: (N, C, rows, columns)."""
    return np.moveaxis(images, 3, 1)  # (20.3)


def training_step(net: Any, optimizer: Any, loss_of_scores: Callable[..., Any], inputs: Any,
                  labels: Any) -> float:
    """One step against the gradient of a batch's loss, and of nothing else; that loss."""
    optimizer.zero_grad()  # (20.5)
    loss = loss_of_scores(net(inputs), labels)
    loss.backward()  # (20.4)
    optimizer.step()
    return loss.item()


def decay_groups(net: Any, weight_decay: float) -> list[dict[str, Any]]:
    """Groups for an optimizer: weights and filters with weight_decay, all others with 0."""
    weights = [each for each in net.parameters() if each.ndim > 1]  # (20.9)
    others = [each for each in net.parameters() if each.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0}]
