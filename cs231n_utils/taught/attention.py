"""Exported from notebooks: edit them, then `make export`.

- notebooks/23_attention.ipynb
"""

from math import sqrt
from typing import Any

import numpy as np

from cs231n_utils.taught.layers import Layer
from cs231n_utils.taught.sequences import Embedding
from cs231n_utils.validation import check_counts, check_shape


def weighted_backward(
    dA: np.ndarray, P: np.ndarray, Q: np.ndarray, K: np.ndarray, V: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients dQ, dK, dV (..., T, D) of A = P V from dA, with the shares P that are kept."""
    scale = 1 / sqrt(Q.shape[-1])
    dV = np.swapaxes(P, -1, -2) @ dA  # (23.3)
    dP = dA @ np.swapaxes(V, -1, -2)  # (23.4)
    mean = (P * dP).sum(axis=-1, keepdims=True)  # one number for each row
    dS = P * (dP - mean)  # (23.5)
    dQ = scale * (dS @ K)  # (23.6)
    dK = scale * (np.swapaxes(dS, -1, -2) @ Q)  # (23.7)
    return dQ, dK, dV


def attention_weights(Q: np.ndarray, K: np.ndarray, causal: bool = False) -> np.ndarray:
    """Shares P (..., T, T) that each query takes of each position: rows that add up to 1."""
    T, D = Q.shape[-2:]
    S = (Q / sqrt(D)) @ np.swapaxes(K, -1, -2)
    if causal:
        allowed = np.tri(T, dtype=bool)
        S = np.where(allowed, S, -np.inf)  # (23.8)
    E = np.exp(S - S.max(axis=-1, keepdims=True))  # as in notebook 02: nothing overflows
    return E / E.sum(axis=-1, keepdims=True)


def attention(Q: np.ndarray, K: np.ndarray, V: np.ndarray, causal: bool = False) -> np.ndarray:
    """Answers A (..., T, D): each query's mixture of the values V."""
    return attention_weights(Q, K, causal) @ V


def attention_backward(
    dA: np.ndarray, Q: np.ndarray, K: np.ndarray, V: np.ndarray, causal: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients dQ, dK, dV (..., T, D) of A = attention(Q, K, V, causal), from dA."""
    return weighted_backward(dA, attention_weights(Q, K, causal), Q, K, V)


class Positions(Embedding):
    """Adds row t of a matrix W (count, size) to position t of X (N, T, size)."""

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        self.memory = T = X.shape[1]
        return X + self.params["W"][:T]

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        dW = np.zeros_like(self.params["W"])
        dW[: self.remembered()] = dOut.sum(axis=0)
        self.grads = {"W": dW}
        return dOut


def split_heads(X: np.ndarray, heads: int) -> np.ndarray:
    """Rows X (N, T, size) cut into heads: (N, heads, T, size / heads)."""
    N, T, size = X.shape
    columns_cut = X.reshape(N, T, heads, size // heads)
    return columns_cut.swapaxes(1, 2)


def join_heads(X: np.ndarray) -> np.ndarray:
    """What split_heads cut apart, X (N, heads, T, D), side by side again: (N, T, size)."""
    N, heads, T, D = X.shape
    return X.swapaxes(1, 2).reshape(N, T, heads * D)


def as_rows(X: np.ndarray) -> np.ndarray:
    """Every position as a row of its own."""
    return X.reshape(-1, X.shape[-1])


def rows_times(X: np.ndarray, W: np.ndarray) -> np.ndarray:
    """X W for X (N, T, D), in one product: X @ W is one for each of the N."""
    return (as_rows(X) @ W).reshape(*X.shape[:2], -1)


class MultiHeadAttention(Layer):
    """Every position of X (N, T, size) looks at the others, with several heads."""

    def __init__(self, size: int, heads: int, causal: bool = True,
                 rng: np.random.Generator | int = 0, *, dtype: Any = np.float64) -> None:
        check_counts(size=size, heads=heads)
        rng = np.random.default_rng(rng)
        if size % heads:
            raise ValueError(f"{heads} heads cannot share {size} columns evenly")
        W, W_out = (rng.standard_normal((size, n)) / sqrt(size) for n in (3 * size, size))
        super().__init__(W=W.astype(dtype), b=np.zeros(3 * size, dtype),
                         W_out=W_out.astype(dtype), b_out=np.zeros(size, dtype))
        self.input_size = self.output_size = size
        self.heads, self.causal = heads, causal

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        X = check_shape(self, X, ("N", "T", self.input_size))
        parts = np.split(rows_times(X, self.params["W"]) + self.params["b"], 3, axis=2)
        Q, K, V = (split_heads(part, self.heads) for part in parts)
        P = attention_weights(Q, K, self.causal)
        joined = join_heads(P @ V)
        self.memory = X, P, Q, K, V, joined
        return rows_times(joined, self.params["W_out"]) + self.params["b_out"]

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        X, P, Q, K, V, joined = self.remembered()
        dA = split_heads(rows_times(dOut, self.params["W_out"].T), self.heads)
        gradients = weighted_backward(dA, P, Q, K, V)
        dZ = np.concatenate([join_heads(each) for each in gradients], axis=2)
        self.grads = {"W": as_rows(X).T @ as_rows(dZ), "b": as_rows(dZ).sum(axis=0),
                      "W_out": as_rows(joined).T @ as_rows(dOut),
                      "b_out": as_rows(dOut).sum(axis=0)}
        return rows_times(dZ, self.params["W"].T)
