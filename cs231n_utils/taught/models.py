"""Exported from notebooks: edit them, then `make export`.

- notebooks/05_gradient_descent.ipynb
- notebooks/07_two_layer_net.ipynb
"""

from typing import Any

import numpy as np

from cs231n_utils.taught import training
from cs231n_utils.taught.layers import relu
from cs231n_utils.taught.linear import linear_scores, predict_labels
from cs231n_utils.taught.losses import l2_penalty, softmax_loss
from cs231n_utils.types import Params
from cs231n_utils.validation import check_inputs, check_network


class SoftmaxClassifier:
    """A linear classifier trained on the softmax cross-entropy loss.

    Attributes
    ----------
    params
        W (D, C) and b (C,), all zero at the start, of the given dtype.
    """

    def __init__(self, input_size: int, output_size: int, *, dtype: Any = np.float64) -> None:
        W = np.zeros((input_size, output_size), dtype)
        b = np.zeros(output_size, dtype)
        self.params = {"W": W, "b": b}

    def loss(self, X: np.ndarray, y: np.ndarray | None = None, reg: float = 0.0) -> Any:
        """Scores (N, C) when y is None; otherwise the loss and a dict of gradients."""
        X = check_inputs(X, len(self.params["W"]))
        S = linear_scores(X, **self.params)  # W=..., b=...
        if y is None:
            return S
        loss, dS = softmax_loss(S, y)
        loss += l2_penalty(reg, self.params["W"])
        dW = X.T @ dS + float(reg) * self.params["W"]  # (5.6)
        return loss, {"W": dW, "b": dS.sum(axis=0)}

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (N,) of inputs X (N, D): the class with the largest score."""
        return predict_labels(self.loss(X))


def forward(params: Params, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pre-activations Z (N, H), activations A (N, H) and scores S (N, C) of inputs X (N, D)."""
    Z = X @ params["W1"] + params["b1"]  # (7.2)
    A = relu(Z)  # (7.3)
    S = A @ params["W2"] + params["b2"]  # (7.4)
    return Z, A, S


def backward(
    params: Params, X: np.ndarray, Z: np.ndarray, A: np.ndarray, dS: np.ndarray, reg: float
) -> Params:
    """Gradient of the loss for every parameter, from dS (N, C) and the arrays of `forward`."""
    W1, W2 = params["W1"], params["W2"]
    dA = dS @ W2.T  # (7.6) shape (N, H)
    dZ = dA * (Z > 0)  # (7.7) shape (N, H)
    dW1 = X.T @ dZ + reg * W1  # (7.8) shape (D, H)
    db1 = dZ.sum(axis=0)  # (7.9) shape (H,)
    dW2 = A.T @ dS + reg * W2  # (7.10) shape (H, C)
    db2 = dS.sum(axis=0)  # (7.11) shape (C,)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


def init_params(sizes: tuple[int, int, int], std: float, rng: Any, dtype: Any) -> Params:
    """Weights W1 (D, H), W2 (H, C) of standard deviation std, and biases b1 (H,), b2 (C,) of 0.

    sizes holds D, H and C.
    """
    check_network(sizes, std, dtype)
    D, H, C = sizes
    rng = np.random.default_rng(rng)
    W1 = std * rng.standard_normal((D, H))
    W2 = std * rng.standard_normal((H, C))
    params = {"W1": W1, "b1": np.zeros(H), "W2": W2, "b2": np.zeros(C)}
    return {name: value.astype(dtype) for name, value in params.items()}


class TwoLayerNet:
    """Affine, ReLU, affine, softmax.

    Parameters
    ----------
    input_size, hidden_size, output_size
        D, H and C, each at least 1.
    std
        Standard deviation of the initial weights, finite and at least 0.
    rng
        A Generator, or a seed for one.
    dtype
        float64, or float32 for speed.

    Attributes
    ----------
    params
        W1 (D, H), b1 (H,), W2 (H, C), b2 (C,).
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
        loss, dS = softmax_loss(S, y)
        loss += l2_penalty(reg, self.params["W1"], self.params["W2"])  # (7.5)
        return loss, backward(self.params, X, Z, A, dS, float(reg))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (N,) of inputs X (N, D): the class with the largest score."""
        return predict_labels(self.loss(X))

    train = training.train  # the loop of 08_training, as a method
