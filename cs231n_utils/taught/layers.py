"""Exported from notebooks: edit them, then `make export`.

- notebooks/06_backpropagation.ipynb
"""

import numpy as np


def affine_backward(
    dZ: np.ndarray, X: np.ndarray, W: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients dX (N, D), dW (D, H) and db (H,) of Z = X W + b, from dZ (N, H)."""
    dX = dZ @ W.T  # (6.16)
    dW = X.T @ dZ  # (6.17)
    db = dZ.sum(axis=0)  # (6.18)
    return dX, dW, db


def relu(Z: np.ndarray) -> np.ndarray:
    """max(Z, 0), entry by entry."""
    return np.maximum(Z, 0)  # (6.21)


def relu_backward(dA: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Gradient dZ of A = relu(Z), from dA; arrays of one shape. At the kink, Z = 0, it is 0."""
    return dA * (Z > 0)  # (6.23)
