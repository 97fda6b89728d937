"""Exported from notebooks: edit them, then `make export`.

- notebooks/21_sequences.ipynb
- notebooks/24_transformer.ipynb
"""

from typing import Any

import numpy as np

from cs231n_utils.taught.layers import Chain, Layer, Sequential
from cs231n_utils.taught.losses import softmax_loss
from cs231n_utils.validation import check_counts


class Embedding(Layer):
    """Row W[i] of a table W (count, size) for each integer i: ids (N, T) become (N, T, size)."""

    def __init__(self, count: int, size: int, rng: np.random.Generator | int = 0, *,
                 std: float = 1.0, dtype: Any = np.float64) -> None:
        check_counts(count=count, size=size)
        W = std * np.random.default_rng(rng).standard_normal((count, size))
        super().__init__(W=W.astype(dtype))

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        self.memory = X
        return self.params["W"][X]  # (21.3)

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        ids = self.remembered()
        dW = np.zeros_like(self.params["W"])
        np.add.at(dW, ids, dOut)  # (21.4)
        self.grads = {"W": dW}
        return np.zeros(ids.shape)  # whole numbers have no slope


def sequence_loss(S: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean cross-entropy of scores S (N, T, C) for targets y (N, T), and dS; -1 does not count."""
    counts = y >= 0  # the mask
    loss, dS_counted = softmax_loss(S[counts], y[counts])  # (21.5)
    dS = np.zeros_like(S)
    dS[counts] = dS_counted  # (21.6)
    return loss, dS


def draw_windows(
    ids: np.ndarray, length: int, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `count` windows of a text: inputs (count, length), and targets one character further."""
    starts = rng.integers(len(ids) - length, size=count)
    drawn = ids[starts[:, np.newaxis] + np.arange(length + 1)]  # (count, length + 1)
    return drawn[:, :-1], drawn[:, 1:]


class PerPosition(Chain):
    """Layers that see every position of X (N, T, D) as a row of its own."""

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        rows = super().forward(X.reshape(-1, X.shape[-1]), training)
        return rows.reshape(*X.shape[:-1], -1)

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        rows = super().backward(dOut.reshape(-1, dOut.shape[-1]))
        return rows.reshape(*dOut.shape[:-1], -1)


class SequenceModel(Sequential):
    """Layers whose last one gives scores (N, T, C): a model whose examples are positions."""

    loss_of_scores = staticmethod(sequence_loss)


SLOPE = (2 / np.pi) ** 0.5  # a Python number: float32 arrays stay float32
BEND = 0.044715


def gelu_gate(Z: np.ndarray) -> np.ndarray:
    """How far GELU's gate is open at Z, from 0 to 1, entry by entry."""
    return 0.5 + 0.5 * np.tanh(Z * (SLOPE + SLOPE * BEND * (Z * Z)))  # (24.7)


def gelu_slope(Z: np.ndarray, G: np.ndarray) -> np.ndarray:
    """The slope of Z times its gate G = gelu_gate(Z), entry by entry."""
    return G * (1 + Z * (2 * SLOPE + 6 * SLOPE * BEND * (Z * Z)) * (1 - G))  # (24.8)


def gelu(Z: np.ndarray) -> np.ndarray:
    """Z times a gate that opens gradually, entry by entry: the tanh form of GELU."""
    return Z * gelu_gate(Z)


def gelu_backward(dA: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Gradient dZ of A = gelu(Z), from dA; arrays of one shape."""
    return dA * gelu_slope(Z, gelu_gate(Z))
