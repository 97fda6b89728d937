"""Exported from notebooks: edit them, then `make export`.

- notebooks/17_convnet.ipynb
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from operator import mul
from typing import Any

import numpy as np

from cs231n_utils.support import own_copy
from cs231n_utils.taught import training
from cs231n_utils.taught.augmentation import in_turn, random_flips
from cs231n_utils.taught.convolution import Conv2D, MaxPool2D, windows
from cs231n_utils.taught.layers import Affine, BatchNorm, Layer, ReLU, Residual, Sequential
from cs231n_utils.taught.linear import predict_labels
from cs231n_utils.taught.losses import smoothed_loss, softmax
from cs231n_utils.taught.optimizers import SGD
from cs231n_utils.types import Augment, History
from cs231n_utils.validation import check_counts, check_examples, check_shape


class GlobalMeanPool(Layer):
    """The mean of every channel over the whole image: rows (N, C)."""

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        """The rows A: what images of any size leave."""
        self.memory = X.shape
        return X.mean(axis=(1, 2))  # (17.1)

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        """The gradient dX: every position gets an equal share."""
        N, rows, columns, C = self.remembered()
        share = dOut.reshape(N, 1, 1, C) / (rows * columns)  # (17.3)
        return np.broadcast_to(share, self.memory)


def convnet(images: np.ndarray, widths: Sequence[int], pairs: Sequence[int] = (-1,), *,
            num_classes: int = 10, smoothing: float = 0.1, rng: np.random.Generator | int = 0,
            dtype: Any = np.float32) -> Sequential:
    """A network of blocks: convolution, max pooling, batch norm, ReLU.

    Parameters
    ----------
    images
        Training images, for their mean and deviation.
    widths
        Filters of each block; each halves rows and columns.
    pairs
        The blocks that a residual pair of convolutions follows, by number; -1 is the last.
    smoothing
        Of the labels in the loss.
    """
    rng = np.random.default_rng(rng)

    def block(input_size: int, output_size: int, *pooling: Layer) -> list[Layer]:
        convolution = Conv2D(input_size, output_size, pad=1, rng=rng, dtype=dtype)
        return [convolution, *pooling, BatchNorm(output_size, dtype=dtype), ReLU()]

    layers: list[Layer] = [Pixels(images, dtype)]
    size = images.shape[3]
    followed = [range(len(widths))[number] for number in pairs]
    for number, width in enumerate(widths):
        layers += block(size, width, MaxPool2D(2))  # (17.4)
        if number in followed:
            layers += [Residual([*block(width, width), *block(width, width)])]
        size = width
    layers += [GlobalMeanPool(), Affine(size, num_classes, rng=rng, dtype=dtype)]
    model = Sequential(layers)
    model.loss_of_scores = partial(smoothed_loss, smoothing=smoothing)
    return model


def one_cycle(progress: float, peak: float = 0.2) -> float:
    """Share of the learning rate: up on a straight line until `peak` of the run, then down to 0."""
    return min(progress / peak, (1 - progress) / (1 - peak))  # (17.5)


class Pixels(Layer):
    """Images with every channel standardized, as floats; bytes may enter.

    Parameters
    ----------
    images
        Training images (N, rows, columns, channels). The first thousand give the means and
        standard deviations.
    """

    def __init__(self, images: np.ndarray, dtype: Any = np.float32) -> None:
        super().__init__()
        few = images[:1000].astype(np.float64)
        mean, deviation = few.mean(axis=(0, 1, 2)), few.std(axis=(0, 1, 2))
        is_constant = deviation <= 1e-6 * np.abs(mean)  # but for rounding: only its mean goes
        self.mean = mean.astype(dtype)
        self.scale = (1 / np.where(is_constant, 1, deviation)).astype(dtype)

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        check_shape(self, X, ("N", "rows", "columns", len(self.mean)))
        return (X - self.mean) * self.scale  # (17.6)

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        return dOut * self.scale


class Copies:
    """A model and copies that share its parameters, each with a memory and a thread of its own."""

    def __init__(self, model: Sequential, count: int = 2) -> None:
        check_counts(count=count)
        self.params, self.state = model.params, model.state
        self.models = [model, *(own_copy(model) for _ in range(count - 1))]
        self.threads = ThreadPoolExecutor(count)

    def at_once(self, task: Callable[..., Any], *arrays: np.ndarray) -> list[Any]:
        """The results of task(model, slice, ...), a slice of each array, in their order."""
        self.average_state(1)  # all start from the first one's, which may have been restored
        count = min(len(self.models), check_examples(*arrays))
        slices = zip(*(np.array_split(array, count) for array in arrays), strict=True)
        running = [
            self.threads.submit(copy_context().run, task, model, *each)
            for model, each in zip(self.models, slices, strict=False)
        ]
        return [each.result() for each in running]

    def average_state(self, count: int) -> None:
        """Give all models the mean of the running averages of the first `count`."""
        for key in self.state:
            mean = np.mean([model.state[key] for model in self.models[:count]], axis=0)
            for model in self.models:
                model.state[key][...] = mean


class Slices(Copies):
    """A model that works on a few slices of a batch at once, each on a thread of its own.

    A layer that takes statistics over the batch takes them over its slice.

    Parameters
    ----------
    model
        A Sequential; its parameters are shared by all slices.
    count
        The number of slices.
    """

    def loss(self, X: np.ndarray, y: np.ndarray | None = None, reg: float = 0.0) -> Any:
        """Scores (N, classes) when y is None; otherwise the loss and a dict of gradients."""
        if y is None:
            return self.scores(X)
        parts = self.at_once(lambda model, X, y: (len(y), *model.loss(X, y, reg)), X, y)
        self.average_state(len(parts))
        counts, losses, gradients = zip(*parts, strict=True)
        shares = [count / len(y) for count in counts]
        loss = sum(map(mul, shares, losses))  # (17.11)
        grads = {
            key: sum(share * each[key] for share, each in zip(shares, gradients, strict=True))
            for key in self.params  # (17.12)
        }
        return loss, grads

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Scores (N, classes) of inputs X, a few hundred at a time."""
        chunks = np.array_split(X, 1 + len(X) // (250 * len(self.models)))
        parts = [self.at_once(lambda model, X: model.scores(X), chunk) for chunk in chunks]
        return np.concatenate([scores for part in parts for scores in part])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (N,) of inputs X: the class with the largest score."""
        return predict_labels(self.scores(X))

    train = training.train  # the loop of 08_training, as a method


def random_crops(size: int, padding: int = 0) -> Augment:
    """Return a function of images and a Generator that cuts a square out of each, anywhere.

    The square has size x size pixels. With padding, mirrored pixels beyond the edge count, too.
    """
    widths = ((0, 0), (padding, padding), (padding, padding), (0, 0))

    def crop(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        crops = windows(np.pad(images, widths, mode="reflect"), (size, size), stride=1)
        N, P, Q = crops.shape[:3]
        return crops[np.arange(N), rng.integers(0, P, N), rng.integers(0, Q, N)]  # (17.13)

    return crop


def train_on_crops(model: Any, images: np.ndarray, y: np.ndarray, images_val: np.ndarray,
                   y_val: np.ndarray, num_epochs: float, learning_rate: float = 0.2, *,
                   small: int = 24, share: float = 0.6, padding: int = 2,
                   mirror: bool = True, schedule: Callable[[float], float] = one_cycle,
                   reg: float = 5e-4, batch_size: int = 128,
                   rng: np.random.Generator | int = 0) -> History:
    """Train on small crops for a share of the steps, then on whole images; the history."""
    rng = np.random.default_rng(rng)
    flips = [random_flips(images.shape[1:])] if mirror else []
    optimizer = SGD(learning_rate, momentum=0.9)
    num_steps = num_epochs * len(images) / batch_size
    check_counts(num_steps=round(num_steps))
    history: History = {}
    for size, start, stop in ((small, 0.0, share), (images.shape[1], share, 1.0)):
        num_iters = round(num_steps * stop) - round(num_steps * start)
        if num_iters == 0:
            continue

        def of_part(progress: float, start: float = start, stop: float = stop) -> float:
            return schedule(start + progress * (stop - start))

        part = training.train(
            model, images, y, images_val, y_val, reg=reg, batch_size=batch_size,
            num_iters=num_iters, rng=rng, optimizer=optimizer,
            learning_rate_decay=1.0, schedule=of_part,
            augment=in_turn(*flips, random_crops(size, padding)),
        )
        history = {key: history.get(key, []) + values for key, values in part.items()}
    return history


def mirrored_probabilities(model: Any, images: np.ndarray) -> np.ndarray:
    """Probabilities (N, classes), averaged over every image and its mirror image."""
    looks = [softmax(model.scores(each)) for each in (images, images[:, :, ::-1])]
    return (looks[0] + looks[1]) / 2  # (17.15)
