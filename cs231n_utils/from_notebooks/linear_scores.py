"""Taught in notebooks/01_linear_scores.ipynb: edit it there, then `make export`."""

import numpy as np


def centre(X_train: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """X_train and the other arrays (N, D), each minus the mean of the training rows alone."""
    mean = X_train.mean(axis=0)  # (1.4) shape (D,)
    return [X - mean for X in (X_train, *others)]  # (1.5)


def linear_scores(X: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scores S (N, C) of inputs X (N, D) for weights W (D, C) and biases b (C,)."""
    return X @ W + b  # (1.8)


def predict_labels(S: np.ndarray) -> np.ndarray:
    """Labels (N,): the class with the largest score in each row of S (N, C).

    Raises ValueError when a score is NaN or infinite, because argmax would answer all the same.
    """
    if not np.isfinite(S).all():
        raise ValueError(
            "the scores hold NaN or infinite entries: the parameters are broken, "
            "as they are after training with too large a learning rate"
        )
    return np.argmax(S, axis=1)  # (1.9)


def accuracy(y_pred: np.ndarray, y: np.ndarray) -> float:
    """Share of predicted labels y_pred (N,) that equal the true labels y (N,), from 0 to 1.

    Raises ValueError when the shapes differ, because broadcasting would hide it, or N is 0.
    """
    y_pred, y = np.asarray(y_pred), np.asarray(y)
    if y_pred.shape != y.shape or y.size == 0:
        raise ValueError(
            "y_pred and y must have one shape (N,), with at least one label, "
            f"not {y_pred.shape} and {y.shape}"
        )
    return float(np.mean(y_pred == y))  # (1.10)


def sum_of_squares(V: np.ndarray) -> float:
    """Sum of the squares of all entries of V, floats in an array of any shape."""
    V = np.require(V, requirements=["ALIGNED"])
    return float(np.vdot(V, V))


def check_inputs(X: np.ndarray, num_features: int) -> np.ndarray:
    """Return X as an array (N, D) of finite numbers with D = num_features, or raise ValueError."""
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] != num_features:
        raise ValueError(
            f"X must have shape (N, {num_features}), one example per row, not {X.shape}; "
            "X.reshape(N, -1) turns images into rows, x[None, :] turns one example into a batch"
        )
    if len(X) == 0:
        raise ValueError("X holds no examples: a batch needs at least one row")
    if X.dtype.kind not in "biuf":  # booleans, integers, floats
        raise ValueError(f"X must hold real numbers, but its dtype is {X.dtype}")
    if not np.isfinite(sum_of_squares(X)) and not np.isfinite(X).all():
        raise ValueError("X must hold finite numbers, but some are NaN or infinite")
    return X
