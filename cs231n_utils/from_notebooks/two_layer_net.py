"""Taught in notebooks/06_two_layer_net.ipynb: edit it there, then `make export`."""

from typing import Any

import numpy as np

from cs231n_utils.from_notebooks import training
from cs231n_utils.from_notebooks.backpropagation import relu
from cs231n_utils.from_notebooks.linear_scores import check_inputs, predict_labels
from cs231n_utils.from_notebooks.softmax_gradient import l2_penalty, softmax_loss

Params = dict[str, np.ndarray]


def forward(params: Params, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pre-activations Z (N, H), activations A (N, H) and scores S (N, C) of inputs X (N, D)."""
    Z = X @ params["W1"] + params["b1"]  # (6.5)
    A = relu(Z)  # (6.6)
    S = A @ params["W2"] + params["b2"]  # (6.7)
    return Z, A, S


def init_params(sizes: tuple[int, int, int], std: float, rng: Any, dtype: Any) -> Params:
    """Weights W1 (D, H), W2 (H, C) of standard deviation std, and biases b1, b2 of zero.

    sizes : (D, H, C). Raises ValueError for a size below 1, a std that is negative or not finite,
    or another dtype than float64 and float32.
    """
    if min(sizes) < 1 or not 0 <= std < np.inf or dtype not in (np.float64, np.float32):
        raise ValueError(
            f"sizes must be at least 1, std finite and at least 0, dtype float64 or float32; "
            f"got {sizes}, {std} and {dtype}"
        )
    D, H, C = sizes
    rng = np.random.default_rng(rng)
    W1, W2 = std * rng.standard_normal((D, H)), std * rng.standard_normal((H, C))  # (6.9)
    params = {"W1": W1, "b1": np.zeros(H), "W2": W2, "b2": np.zeros(C)}
    return {name: value.astype(dtype) for name, value in params.items()}


def backward(
    params: Params, X: np.ndarray, Z: np.ndarray, A: np.ndarray, dS: np.ndarray, reg: float
) -> Params:
    """Gradient of the loss for every parameter, from dS (N, C) and the arrays of `forward`."""
    W1, W2 = params["W1"], params["W2"]
    dA = dS @ W2.T  # (6.18) shape (N, H)
    dZ = dA * (Z > 0)  # (6.19) shape (N, H)
    dW1 = X.T @ dZ
    dW1 += reg * W1  # (6.20) shape (D, H)
    db1 = dZ.sum(axis=0)  # (6.21) shape (H,)
    dW2 = A.T @ dS
    dW2 += reg * W2  # (6.22) shape (H, C)
    db2 = dS.sum(axis=0)  # (6.23) shape (C,)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


class TwoLayerNet:
    """Affine, ReLU, affine, softmax. params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,).

    std : spread of the initial weights. rng : a Generator or a seed. dtype : float64 or float32.
    Raises ValueError for a size below 1, a std that is negative or not finite, or another dtype.
    """

    def __init__(self, input_size: int, hidden_size: int, output_size: int, std: float = 4e-3, *,
                 rng: np.random.Generator | int = 0, dtype: Any = np.float64) -> None:
        self.params = init_params((input_size, hidden_size, output_size), std, rng, dtype)

    def loss(self, X: np.ndarray, y: np.ndarray | None = None, reg: float = 0.0) -> Any:
        """Scores (N, C) when y is None; otherwise the loss and a dict of gradients."""
        X = check_inputs(X, len(self.params["W1"]))
        Z, A, S = forward(self.params, X)
        if y is None:
            return S
        loss, dS = softmax_loss(S, y)  # (6.17)
        loss += l2_penalty(reg, self.params["W1"], self.params["W2"])  # (6.10)
        return loss, backward(self.params, X, Z, A, dS, float(reg))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (N,) of inputs X (N, D): the class with the largest score."""
        return predict_labels(self.loss(X))
    train = training.train  # the loop of 07_training, as a method
