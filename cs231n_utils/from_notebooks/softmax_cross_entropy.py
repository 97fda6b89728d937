"""Taught in notebooks/02_softmax_cross_entropy.ipynb: edit it there, then `make export`."""

import numpy as np


def softmax(S: np.ndarray) -> np.ndarray:
    """Probabilities P (N, C) of scores S (N, C), each row on its own."""
    S = np.asarray(S, dtype=np.result_type(S, np.float32))  # narrow integers would overflow
    E = np.exp(S - S.max(axis=1, keepdims=True))  # (2.4) the largest exponent in a row is 0
    return E / E.sum(axis=1, keepdims=True)  # (2.5)


def check_labels(y: np.ndarray, num_examples: int, num_classes: int) -> np.ndarray:
    """Return y as an array (N,) of labels 0..C-1, or raise ValueError or TypeError."""
    y = np.asarray(y)
    if y.shape != (num_examples,) or num_examples == 0:
        raise ValueError(
            f"y must hold one label for each of {num_examples} examples (at least one), "
            f"but its shape is {y.shape}"
        )
    if y.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, not {y.dtype}: convert them with y.astype(int)")
    if y.min() < 0 or y.max() >= num_classes:
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1}, but y runs from {y.min()} to {y.max()}"
        )
    return y


def cross_entropy(S: np.ndarray, y: np.ndarray) -> float:
    """Mean cross-entropy of scores S (N, C) for labels y (N,), in nats."""
    S = np.asarray(S, dtype=np.result_type(S, np.float32))  # narrow integers would overflow
    if S.ndim != 2:
        raise ValueError(f"S must have shape (N, C), not {S.shape}")
    y = check_labels(y, *S.shape)
    shifted = S - S.max(axis=1, keepdims=True)  # (2.16) shape (N, C)
    log_sum = np.log(np.exp(shifted).sum(axis=1))  # (2.17) shape (N,)
    return float(np.mean(log_sum - shifted[np.arange(len(y)), y]))  # (2.18)
