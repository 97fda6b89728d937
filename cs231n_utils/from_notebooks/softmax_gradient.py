"""Taught in notebooks/04_softmax_gradient.ipynb: edit it there, then `make export`."""

from typing import Any

import numpy as np

from cs231n_utils.from_notebooks.linear_scores import (
    check_inputs,
    linear_scores,
    predict_labels,
    sum_of_squares,
)
from cs231n_utils.from_notebooks.softmax_cross_entropy import cross_entropy, softmax


def softmax_loss(S: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean cross-entropy of scores S (N, C) for labels y (N,), and its gradient dS (N, C)."""
    loss = cross_entropy(S, y)
    dS = softmax(S)  # a new array: P, about to become P - Y
    dS[np.arange(len(y)), y] -= 1
    return loss, dS / len(y)  # (4.5)


def l2_penalty(reg: float, *weights: np.ndarray) -> float:
    """Half of reg times the sum of all squared weights; its gradient is reg * W for each W.

    Raises ValueError when reg is negative or not finite.
    """
    if not 0 <= reg < np.inf:
        raise ValueError(f"reg must be a finite number, at least 0, not {reg}")
    return 0.5 * reg * sum(sum_of_squares(W) for W in weights)  # (4.10)


class SoftmaxClassifier:
    """A linear classifier trained on the softmax cross-entropy loss.

    params : W (D, C) and b (C,), all zero at the start, of the given dtype.
    """

    def __init__(self, input_size: int, output_size: int, *, dtype: Any = np.float64) -> None:
        W, b = np.zeros((input_size, output_size), dtype), np.zeros(output_size, dtype)
        self.params = {"W": W, "b": b}

    def loss(self, X: np.ndarray, y: np.ndarray | None = None, reg: float = 0.0) -> Any:
        """Scores (N, C) when y is None; otherwise the loss and a dict of gradients."""
        X = check_inputs(X, len(self.params["W"]))
        S = linear_scores(X, **self.params)  # W=..., b=...
        if y is None:
            return S
        loss, dS = softmax_loss(S, y)
        grads = {"W": X.T @ dS + float(reg) * self.params["W"], "b": dS.sum(axis=0)}  # (4.12)
        return loss + l2_penalty(reg, self.params["W"]), grads  # (4.11)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (N,) of inputs X (N, D): the class with the largest score."""
        return predict_labels(self.loss(X))
