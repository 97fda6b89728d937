"""Exported from notebooks: edit them, then `make export`.

- notebooks/18_looking_inside.ipynb
"""

from typing import Any

import numpy as np

from cs231n_utils.taught import training
from cs231n_utils.taught.losses import softmax_loss


def loss_gradient(model: Any, images: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gradient of every image's own cross-entropy, as images of the same shape."""
    _, dS = softmax_loss(model.scores(images), y)  # whatever loss the model was trained with
    return len(images) * model.backward(dS)  # (18.5) of its own loss, not of the mean


def sign_step(model: Any, images: np.ndarray, y: np.ndarray, eps: float, low: float = 0.0,
              high: float = 1.0) -> np.ndarray:
    """Images moved by eps, each number in the direction that raises the loss, within a range."""
    moved = images + eps * np.sign(loss_gradient(model, images, y))  # (18.6)
    return np.clip(moved, low, high)


def sign_steps(model: Any, images: np.ndarray, y: np.ndarray, eps: float, count: int = 10,
               low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Images moved by several smaller sign steps, no number by more than eps."""
    moved = images
    for _ in range(count):
        moved = sign_step(model, moved, y, 2.5 * eps / count, low, high)
        moved = np.clip(moved, images - eps, images + eps)  # (18.7)
    return moved


class Hardened:
    """A model that is trained on images that a sign step has moved against it.

    Parameters
    ----------
    model
        A Sequential.
    eps
        How far each number moves.
    low, high
        The range of the numbers.
    """

    def __init__(self, model: Any, eps: float, low: float = 0.0, high: float = 1.0) -> None:
        self.model, self.eps, self.low, self.high = model, eps, low, high
        self.params, self.state = model.params, model.state
        self.predict = model.predict

    def loss(self, X: np.ndarray, y: np.ndarray | None = None, reg: float = 0.0) -> Any:
        """Scores (N, C) when y is None; otherwise the loss at moved images, and its gradients."""
        if y is not None:
            X = sign_step(self.model, X, y, self.eps, self.low, self.high)
        return self.model.loss(X, y, reg)  # (18.8)

    train = training.train  # the loop of 08_training, as a method
