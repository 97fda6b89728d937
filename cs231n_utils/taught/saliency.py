"""Exported from notebooks: edit them, then `make export`.

- notebooks/18_looking_inside.ipynb
"""

from typing import Any

import numpy as np


def score_gradient(model: Any, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Gradient of one score of every image, that of its class, as images of the same shape."""
    S = model.scores(images)  # as in prediction: no image depends on another
    dS = np.zeros_like(S)
    dS[np.arange(len(S)), classes] = 1  # (18.1)
    return model.backward(dS)


def occlusion(model: Any, images: np.ndarray, classes: np.ndarray, size: int,
              grey: float = 0.0) -> np.ndarray:
    """Fall (N, P, Q) of one score of every image when a patch of size x size turns grey."""
    N, rows, columns, _ = images.shape
    who = np.arange(N)
    before = model.scores(images)[who, classes]
    fall = np.empty((N, rows // size, columns // size), before.dtype)
    for p, q in np.ndindex(fall.shape[1:]):
        covered = images.copy()
        covered[:, p * size : (p + 1) * size, q * size : (q + 1) * size] = grey
        fall[:, p, q] = before - model.scores(covered)[who, classes]  # (18.2)
    return fall
