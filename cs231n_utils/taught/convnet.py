"""Exported from notebooks: edit them, then `make export`.

- notebooks/17_convnet.ipynb
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from copy import deepcopy
from typing import Any

import numpy as np

from cs231n_utils.taught import training
from cs231n_utils.taught.layers import Layer, Sequential
from cs231n_utils.taught.linear import predict_labels
from cs231n_utils.validation import check_counts


class Pixels(Layer):
    """Rows of pixels as images (N, rows, columns, channels), every channel standardized.

    Rows may hold bytes: what leaves is of the dtype of the mean.

    Parameters
    ----------
    image_shape
        (rows, columns, channels).
    mean, deviation
        Of every channel in the training images, (channels,) each.
    """

    def __init__(self, image_shape: tuple[int, int, int], mean: np.ndarray, deviation: np.ndarray,
                 dtype: Any = np.float32) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.mean = np.asarray(mean, dtype)
        self.scale = (1 / np.asarray(deviation)).astype(dtype)

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        self.memory = X.shape
        images = X.reshape(-1, *self.image_shape).astype(self.mean.dtype)  # a copy
        images -= self.mean
        images *= self.scale
        return images

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        return (dOut * self.scale).reshape(self.remembered())


class Slices:
    """A model that works on a few slices of a batch at once, each on a thread of its own.

    A layer that takes statistics over the batch takes them over its slice.

    Parameters
    ----------
    model
        A Sequential; its parameters are shared by all slices.
    count
        The number of slices.
    """

    def __init__(self, model: Sequential, count: int = 2) -> None:
        check_counts(count=count)
        self.params, self.state = model.params, model.state
        shared = {id(array): array for array in model.params.values()}  # deepcopy keeps these
        others = [deepcopy(model, dict(shared)) for _ in range(count - 1)]
        self.models = [model, *others]
        self.threads = ThreadPoolExecutor(count)

    def at_once(self, task: Callable[..., Any], *arrays: np.ndarray) -> list[Any]:
        """The results of task(model, *slices of arrays), in their order."""
        count = min(len(self.models), len(arrays[0]))
        slices = zip(*(np.array_split(array, count) for array in arrays), strict=True)
        running = [
            self.threads.submit(copy_context().run, task, model, *each)
            for model, each in zip(self.models, slices, strict=False)
        ]
        return [each.result() for each in running]

    def loss(self, X: np.ndarray, y: np.ndarray | None = None, reg: float = 0.0) -> Any:
        """Scores (N, C) when y is None; otherwise the loss and a dict of gradients."""
        if y is None:
            return self.scores(X)
        parts = self.at_once(lambda model, X, y: (len(y), *model.loss(X, y, reg)), X, y)
        shares = [count / len(y) for count, _, _ in parts]
        loss = sum(share * loss for share, (_, loss, _) in zip(shares, parts, strict=True))
        grads = {
            key: sum(share * grads[key] for share, (_, _, grads) in zip(shares, parts, strict=True))
            for key in self.params
        }
        for key in self.state:
            mean = np.mean([model.state[key] for model in self.models[: len(parts)]], axis=0)
            for model in self.models:
                model.state[key][...] = mean
        return loss, grads

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Scores (N, C) of inputs X, a few hundred at a time."""
        starts = range(0, len(X), 250 * len(self.models))
        chunks = [X[start : start + 250 * len(self.models)] for start in starts]
        parts = [self.at_once(lambda model, X: model.scores(X), chunk) for chunk in chunks]
        return np.concatenate([scores for part in parts for scores in part])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (N,) of inputs X: the class with the largest score."""
        return predict_labels(self.scores(X))

    train = training.train  # the loop of 08_training, as a method
