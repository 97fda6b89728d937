"""Exported from notebooks: edit them, then `make export`.

- notebooks/02_softmax_cross_entropy.ipynb
- notebooks/04_softmax_gradient.ipynb
- notebooks/05_gradient_descent.ipynb
- notebooks/15_regularization.ipynb
"""

import numpy as np

from cs231n_utils.validation import check_labels, check_nonnegative, check_scores


def softmax(S: np.ndarray) -> np.ndarray:
    """Probabilities P (N, C) of scores S (N, C), each row on its own."""
    S = check_scores(S)
    E = np.exp(S - S.max(axis=1, keepdims=True))  # (2.4) the largest exponent in a row is 0
    return E / E.sum(axis=1, keepdims=True)  # (2.5)


def cross_entropy(S: np.ndarray, y: np.ndarray) -> float:
    """Mean cross-entropy of scores S (N, C) for labels y (N,), in nats."""
    S = check_scores(S)
    y = check_labels(y, *S.shape)
    shifted = S - S.max(axis=1, keepdims=True)  # S - M, shape (N, C)
    log_sum = np.log(np.exp(shifted).sum(axis=1))  # shape (N,)
    return float(np.mean(log_sum - shifted[np.arange(len(y)), y]))  # (2.9)


def softmax_loss(S: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean cross-entropy of scores S (N, C) for labels y (N,), and its gradient dS (N, C)."""
    loss = cross_entropy(S, y)
    dS = softmax(S)  # a new array: P, about to become P - Y
    dS[np.arange(len(y)), y] -= 1
    return loss, dS / len(y)  # (4.2)


def l2_penalty(reg: float, *weights: np.ndarray) -> float:
    """Half of reg times the sum of all squared weights; its gradient is reg * W for each W."""
    reg = check_nonnegative("reg", reg)
    return 0.5 * reg * sum(float(np.vdot(W, W)) for W in weights)  # (5.5)


def smoothed_loss(S: np.ndarray, y: np.ndarray, smoothing: float) -> tuple[float, np.ndarray]:
    """Mean cross-entropy of scores S (N, C) for smoothed labels y (N,), and its gradient dS (N, C).

    A share `smoothing` of each target is spread evenly over all classes, the rest is the label's.
    """
    S = check_scores(S)
    y = check_labels(y, *S.shape)
    check_nonnegative("smoothing", smoothing, below=1)
    C = S.shape[1]
    Q = (1 - smoothing) * np.eye(C, dtype=S.dtype)[y] + smoothing / C
    shifted = S - S.max(axis=1, keepdims=True)  # as in notebook 02
    log_P = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -float(np.mean(np.sum(Q * log_P, axis=1)))  # (15.10)
    dS = (np.exp(log_P) - Q) / len(y)  # (15.11)
    return loss, dS
