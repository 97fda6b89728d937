"""Exported from notebooks: edit them, then `make export`.

- notebooks/25_speedrun.ipynb
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cs231n_utils.taught import training
from cs231n_utils.taught.augmentation import in_turn
from cs231n_utils.taught.convnet import Pixels, random_crops
from cs231n_utils.taught.convolution import (
    Conv2D,
    MaxPool2D,
    bias_gradient,
    conv2d,
    filters_gradient,
    images_gradient,
    random_filters,
    windows,
)
from cs231n_utils.taught.layers import (
    Affine,
    BatchNorm,
    Layer,
    Sequential,
    mean_over,
    standardize_backward,
)
from cs231n_utils.taught.losses import smoothed_loss
from cs231n_utils.taught.optimizers import SGD, Muon, Together, linear_decay
from cs231n_utils.taught.transformer import GELU
from cs231n_utils.types import Augment, History, Optimizer


def whitening_filters(images: np.ndarray, size: int = 2, eps: float = 5e-4) -> np.ndarray:
    """Filters (size, size, C, F) whose scores are white on these images, and their negatives."""
    patches = windows(images, (size, size), stride=1).reshape(-1, size * size * images.shape[3])
    moments = patches.T @ patches / len(patches)  # (25.1)
    variances, directions = np.linalg.eigh(moments)  # a direction each column
    filters = directions / np.sqrt(variances + eps)  # (25.2)
    both = np.concatenate([filters, -filters], axis=1)
    return both.reshape(size, size, images.shape[3], -1)


class Whitening(Layer):
    """Images through fixed filters (U, V, C, F): a layer without params."""

    def __init__(self, filters: np.ndarray) -> None:
        super().__init__()
        self.filters = filters
        self.input_size, self.output_size = filters.shape[2:]

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        self.memory = X.shape[1:3]
        return conv2d(X, self.filters, np.zeros(self.output_size, X.dtype))

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        return images_gradient(dOut, self.filters, self.remembered(), stride=1, pad=0)


def muon_and_sgd(params: dict[str, np.ndarray], rate: float = 0.12, momentum: float = 0.6, *,
                 bias_rate: float = 3.0, head_rate: float = 0.02,
                 head_momentum: float = 0.85) -> Together:
    """Muon for the filters of a model's params; SGD for its biases and its head."""
    names = {count: [name for name in params if params[name].ndim == count] for count in (4, 2, 1)}
    return Together(
        (Muon(rate, momentum), names[4]),
        (SGD(head_rate, head_momentum), names[2]),
        (SGD(bias_rate, head_momentum), names[1]),
    )


class CornerConv2D(Conv2D):
    """3 x 3 filters with zeros above and on the left: n x n images become (n - 1) x (n - 1)."""

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        corner = np.pad(X, ((0, 0), (1, 0), (1, 0), (0, 0)))
        self.memory = corner, X.shape[1:3]
        return conv2d(corner, self.params["W"], self.params["b"])

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        (corner, size), W = self.remembered(), self.params["W"]
        dW = filters_gradient(dOut, corner, W.shape[:2], stride=1, pad=0)
        self.grads = {"W": dW, "b": bias_gradient(dOut)}
        # A border all around would give one row and one column more, of which nothing hangs.
        return images_gradient(dOut, W, size, stride=1, pad=1) if self.needs_dX else dOut


class GlobalMaxPool(Layer):
    """The maximum of every channel over the whole image: rows (N, C)."""

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        A = X.max(axis=(1, 2))
        self.memory = X, A
        return A

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        X, A = self.remembered()
        return dOut[:, None, None] * (A[:, None, None] == X)


class ShiftNorm(BatchNorm):
    """Batch norm without gamma: every column standardized, plus beta (D,) of 0."""

    def __init__(self, size: int, *, decay: float = 0.6, dtype: Any = np.float64) -> None:
        super().__init__(size, decay=decay, dtype=dtype)
        del self.params["gamma"]

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        rows = X.reshape(-1, self.input_size)
        mean, variance = self.state["mean"], self.state["variance"]
        if training:
            mean = mean_over(rows, axis=0)[0]
        X_hat = rows - mean
        if training:
            variance = mean_over(X_hat**2, axis=0)[0]
            for key, value in {"mean": mean, "variance": variance}.items():
                self.state[key] += (1 - self.decay) * (value - self.state[key])
        scale = 1 / np.sqrt(variance + self.eps)
        X_hat *= scale
        self.memory = X_hat, scale, training
        return (X_hat + self.params["beta"]).reshape(X.shape)

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        X_hat, scale, training = self.remembered()
        rows = dOut.reshape(X_hat.shape)
        self.grads = {"beta": len(rows) * mean_over(rows, axis=0)[0]}
        dX = standardize_backward(rows, X_hat, scale, axis=0) if training else rows * scale
        return dX.reshape(dOut.shape)


def identity_filters(input_size: int, output_size: int, rng: np.random.Generator) -> np.ndarray:
    """Random filters (3, 3, C, F) of norm 1; the first pass on a channel each, almost."""
    shape = (3, 3, input_size, output_size)
    W = random_filters(shape, float((9 * input_size) ** -0.5), rng, np.float64)
    first = range(min(input_size, output_size))
    W[..., first] *= 0.1
    W[1, 1, first, first] += 1
    return W


def speed_net(images: np.ndarray, widths: Sequence[int] = (64, 128, 128), *,
              num_classes: int = 10, smoothing: float = 0.2, activation: type[Layer] = GELU,
              rng: np.random.Generator | int = 0, dtype: Any = np.float32) -> Sequential:
    """A whitened first layer, then a group of two convolutions for each width, and a small head.

    Parameters
    ----------
    images
        Training images (N, 32, 32, C), for means, deviations and whitening filters.
    widths
        Filters of each group; each halves rows and columns.
    smoothing
        Of the labels in the loss.
    """
    rng = np.random.default_rng(rng)
    pixels = Pixels(images, dtype)
    filters = whitening_filters(pixels.forward(images[:2000])).astype(dtype)
    layers: list[Layer] = [pixels, Whitening(filters), activation()]

    def filtered(layer: Conv2D) -> list[Layer]:
        layer.params["W"][...] = identity_filters(layer.input_size, layer.output_size, rng)
        return [layer]

    size = filters.shape[3]
    for width in widths:
        layers += [*filtered(CornerConv2D(size, width, dtype=dtype)), MaxPool2D(2)]
        layers += [ShiftNorm(width, dtype=dtype), activation()]
        layers += filtered(Conv2D(width, width, pad=1, dtype=dtype))
        layers += [ShiftNorm(width, dtype=dtype), activation()]
        size = width
    head = Affine(size, num_classes, std=1 / size, rng=rng, dtype=dtype)
    model = Sequential([*layers, GlobalMaxPool(), head])
    model.loss_of_scores = partial(smoothed_loss, smoothing=smoothing)
    return model


def six_looks(model: Any, images: np.ndarray) -> np.ndarray:
    """Scores (N, classes), averaged over six looks at each image; those not moved count twice."""
    bordered = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    looks = [images, bordered[:, :-2, :-2], bordered[:, 2:, 2:]]
    still, *moved = (model.scores(each) + model.scores(each[:, :, ::-1]) for each in looks)
    return still / 4 + sum(moved) / 8  # (25.7)


def in_mirror(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All images, seen in a mirror: a view."""
    return images[:, :, ::-1]


def train_in_turn(model: Any, images: np.ndarray, y: np.ndarray, images_val: np.ndarray,
                  y_val: np.ndarray, num_epochs: int, optimizer: Optimizer, *,
                  batch_size: int = 500, padding: int = 2, mirror: bool = True,
                  augments: Sequence[Augment] = (), small: int = 24, small_epochs: int = 0,
                  schedule: Callable[[float], float] = linear_decay,
                  rng: np.random.Generator | int = 0) -> History:
    """Train on images that are moved, and mirrored in turn; the history.

    Half of the images, drawn at random, are mirrored in even epochs, the others in odd ones.
    """
    rng = np.random.default_rng(rng)
    steps_per_epoch = -(-len(images) // batch_size)
    if mirror:
        half = rng.random(len(images)) < 0.5
        images = np.where(half[:, None, None, None], in_mirror(images, rng), images)
    history: History = {}
    for epoch in range(num_epochs):
        def of_run(progress: float, epoch: int = epoch) -> float:
            return schedule((epoch + progress) / num_epochs)

        turn = [in_mirror] if mirror and epoch % 2 else []
        crops = random_crops(small if epoch < small_epochs else images.shape[1], padding)
        part = training.train(
            model, images, y, images_val, y_val, reg=0.0, batch_size=batch_size,
            num_iters=steps_per_epoch, rng=rng, optimizer=optimizer, learning_rate_decay=1.0,
            schedule=of_run, augment=in_turn(*turn, *augments, crops),
        )
        history = {key: history.get(key, []) + values for key, values in part.items()}
    return history
