"""Exported from notebooks: edit them, then `make export`.

- notebooks/01_linear_scores.ipynb
"""

import numpy as np

from cs231n_utils.validation import check_finite_scores, check_predictions


def linear_scores(X: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scores S (N, C) of inputs X (N, D) for weights W (D, C) and biases b (C,)."""
    return X @ W + b  # (1.2)


def predict_labels(S: np.ndarray) -> np.ndarray:
    """Labels (N,): the class with the largest score in each row of S (N, C).

    Raises ValueError when a score is NaN or infinite, because argmax would answer all the same.
    """
    check_finite_scores(S)
    return np.argmax(S, axis=1)  # (1.3)


def accuracy(y_pred: np.ndarray, y: np.ndarray) -> float:
    """Share of predicted labels y_pred (N,) that equal the true labels y (N,), from 0 to 1.

    Raises ValueError when the shapes differ, because broadcasting would hide it, or N is 0.
    """
    y_pred, y = check_predictions(y_pred, y)
    return float(np.mean(y_pred == y))  # (1.4)


def class_mean_classifier(
    X: np.ndarray, y: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights W (D, C) and biases b (C,) whose scores choose the nearest class mean."""
    means = [X[y == i].mean(axis=0) for i in range(num_classes)]  # (1.6) C arrays (D,)
    W = np.stack(means, axis=1)  # (D, C): column i is the mean of class i
    b = -0.5 * np.sum(W * W, axis=0)  # (1.7) shape (C,)
    return W, b


def centre(X_train: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """X_train and the other arrays (N, D), each minus the mean of the training rows alone."""
    mean = X_train.mean(axis=0)  # (1.11) shape (D,)
    return [X - mean for X in (X_train, *others)]  # (1.12)
