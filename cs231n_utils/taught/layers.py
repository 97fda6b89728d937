"""Exported from notebooks: edit them, then `make export`.

- notebooks/06_backpropagation.ipynb
- notebooks/13_deep_networks.ipynb
- notebooks/14_normalization.ipynb
- notebooks/15_regularization.ipynb
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from cs231n_utils.support import put_back, with_own_generators
from cs231n_utils.taught import training
from cs231n_utils.taught.linear import predict_labels
from cs231n_utils.taught.losses import l2_penalty, softmax_loss
from cs231n_utils.types import Params
from cs231n_utils.validation import (
    check_batch,
    check_chain,
    check_counts,
    check_examples,
    check_network,
    check_nonnegative,
    check_positive,
    check_remembered,
    check_shape,
)


def affine_backward(
    dZ: np.ndarray, X: np.ndarray, W: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients dX (N, D), dW (D, H) and db (H,) of Z = X W + b, from dZ (N, H)."""
    dX = dZ @ W.T  # (6.7)
    dW = X.T @ dZ  # (6.8)
    db = dZ.sum(axis=0)  # (6.9)
    return dX, dW, db


def relu(Z: np.ndarray) -> np.ndarray:
    """max(Z, 0), entry by entry."""
    return np.maximum(Z, 0)  # (6.10)


def relu_backward(dA: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Gradient dZ of A = relu(Z), from dA; arrays of one shape. At the kink, Z = 0, it is 0."""
    return dA * (Z > 0)  # (6.11)


class Layer:
    """A step of a network: it computes, remembers what its gradient needs, and passes back.

    Attributes
    ----------
    params, grads
        Parameters, and their gradients after `backward`, under the same names.
    state
        Arrays that training renews without a gradient.
    needs_dX
        Whether `backward` must return dX. For a model's first layer with parameters nobody uses it.
    """

    needs_dX = True  # noqa: N815

    def __init__(self, **params: np.ndarray) -> None:
        self.params: Params = params
        self.grads: Params = {}
        self.state: Params = {}
        self.memory: Any = None

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        """What leaves the layer when X enters it."""
        raise NotImplementedError

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        """The gradient dX, from that of what left the layer; renews grads."""
        raise NotImplementedError

    def remembered(self) -> Any:
        """What the last `forward` left for `backward`."""
        return check_remembered(self, self.memory)


class Flatten(Layer):
    """Every example as one row."""

    output_size = 0  # it depends on the images

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        self.memory = X.shape
        X = X.reshape(len(X), -1)
        return X

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        return dOut.reshape(self.remembered())


def gathered(layers: Sequence[Layer], name: str) -> Params:
    """The params, grads or state of all layers, with keys like "2.W" for layers[2].params["W"]."""
    return {f"{place}.{key}": value for place, layer in enumerate(layers)
            for key, value in getattr(layer, name).items()}


class ReLU(Layer):
    """max(X, 0), entry by entry."""

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        self.memory = X
        return relu(X)

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        return relu_backward(dOut, self.remembered())


class Affine(Layer):
    """X W + b. Weights W (D, H) of standard deviation std, else by He's rule, and b (H,) of 0."""

    def __init__(self, input_size: int, output_size: int, std: float | None = None, *,
                 rng: np.random.Generator | int = 0, dtype: Any = np.float64) -> None:
        if std is None:
            std = float(np.sqrt(2 / input_size))  # He's rule
        check_network((input_size, output_size), std, dtype)
        W = std * np.random.default_rng(rng).standard_normal((input_size, output_size))
        super().__init__(W=W.astype(dtype), b=np.zeros(output_size, dtype))
        self.input_size, self.output_size = input_size, output_size

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        self.memory = check_shape(self, X, ("N", self.input_size))
        return X @ self.params["W"] + self.params["b"]

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        X = self.remembered()
        self.grads = {"W": X.T @ dOut, "b": dOut.sum(axis=0)}  # (13.4)
        return dOut @ self.params["W"].T if self.needs_dX else dOut  # images need no dX


class Chain(Layer):
    """Layers one after another, as one layer."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = with_own_generators(layers)  # for notebook 15
        self.input_size, self.output_size = check_chain(self.layers)  # do they fit?
        self.params = gathered(self.layers, "params")  # "2.W" is the W of layers[2]
        self.state = gathered(self.layers, "state")  # for notebook 14

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        for layer in self.layers:
            X = layer.forward(X, training)
        return X

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        for layer in reversed(self.layers):
            dOut = layer.backward(dOut)  # (13.10)
            if not layer.needs_dX:  # the first one with weights: done
                break
        self.grads = gathered(self.layers, "grads")
        return dOut


def add_l2_penalty(reg: float, params: Params, grads: Params) -> float:
    """Penalty of all weights "W"; adds its gradient, reg * W, to theirs in place."""
    weights = {key: value for key, value in params.items() if key.split(".")[-1] == "W"}
    for key, W in weights.items():
        grads[key] += float(reg) * W
    return l2_penalty(reg, *weights.values())


class Sequential(Chain):
    """Layers whose last one gives scores, with the softmax cross-entropy as loss: a model.

    Attributes
    ----------
    params
        The parameters of all layers: params["2.W"] is layers[2].params["W"], the same array.
    """

    loss_of_scores = staticmethod(softmax_loss)  # of scores and labels: the mean loss and dS

    def loss(self, X: np.ndarray, y: np.ndarray | None = None, reg: float = 0.0) -> Any:
        """Scores (N, C) when y is None; otherwise the loss and a dict of gradients."""
        S = self.scores(X, training=y is not None)
        if y is None:
            return S
        loss, dS = self.loss_of_scores(S, y)
        first = next((layer for layer in self.layers if layer.params), self.layers[0])
        with put_back(first, "needs_dX"):
            first.needs_dX = False
            self.backward(dS)
        loss += add_l2_penalty(reg, self.params, self.grads)
        return loss, self.grads

    def scores(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        """Scores (N, C) of inputs X, one example a row."""
        return self.forward(check_batch(X, self), training)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (N,) of inputs X: the class with the largest score."""
        return predict_labels(self.scores(X))

    train = training.train  # the loop of 08_training, as a method


def deep_net(sizes: Sequence[int], std: float | None = None, *,
             norm: Callable[[int], Layer] | None = None, rng: np.random.Generator | int = 0,
             dtype: Any = np.float64) -> Sequential:
    """Affine maps of these sizes with a ReLU between any two, and norm(size) before each ReLU."""
    rng = np.random.default_rng(rng)
    layers: list[Layer] = []
    for input_size, output_size in pairwise(sizes):
        if layers:
            layers += [norm(input_size)] if norm else []
            layers += [ReLU()]
        layers += [Affine(input_size, output_size, std, rng=rng, dtype=dtype)]
    return Sequential(layers)


class Residual(Chain):
    """X + f(X), where f is a chain of layers."""

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        out = super().forward(X, training)
        check_shape("what a Residual adds to its input", out, X.shape,
                    "its layers must keep the shape, as windows of 3x3 do with pad=1")
        return X + out  # (13.5)

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        return dOut + super().backward(dOut)  # (13.6)


def mean_over(X: np.ndarray, axis: int) -> np.ndarray:
    """Mean over axis 0, (1, D), or axis 1, (N, 1): a product with ones, faster than X.mean."""
    ones = np.ones(X.shape[axis], X.dtype)
    total = ones @ X if axis == 0 else X @ ones
    return np.expand_dims(total / len(ones), axis)


def standardize(X: np.ndarray, axis: int, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """X with mean 0 and variance 1 along an axis, and 1 / sqrt(variance + eps)."""
    centred = X - mean_over(X, axis=axis)  # (14.1)
    variance = mean_over(centred**2, axis=axis)
    scale = 1 / np.sqrt(variance + eps)  # (14.2)
    return scale * centred, scale


def batch_norm(X: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """Every column of X (N, D) standardized, then times gamma and plus beta, both (D,)."""
    X_hat, _ = standardize(X, axis=0, eps=eps)
    return gamma * X_hat + beta  # (14.3)


def renew_averages(state: Params, X: np.ndarray, decay: float) -> None:
    """Move a running mean and variance towards those of a batch; the variance is unbiased."""
    mean = mean_over(X, axis=0)[0]
    unbiased = mean_over((X - mean) ** 2, axis=0)[0] * len(X) / (len(X) - 1)  # (14.10)
    for key, value in {"mean": mean, "variance": unbiased}.items():
        state[key] *= decay
        state[key] += (1 - decay) * value  # (14.4)


def standardize_backward(
    dX_hat: np.ndarray, X_hat: np.ndarray, scale: np.ndarray, axis: int
) -> np.ndarray:
    """Gradient dX of X_hat, scale = standardize(X, axis, eps), from dX_hat."""
    average = mean_over(dX_hat, axis=axis)
    along = mean_over(dX_hat * X_hat, axis=axis)
    return scale * (dX_hat - average - X_hat * along)  # (14.7)


def batch_norm_backward(
    dY: np.ndarray, X: np.ndarray, gamma: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients dX (N, D), dgamma (D,) and dbeta (D,) of batch_norm, from dY of X's shape."""
    X_hat, scale = standardize(X, axis=0, eps=eps)
    dX = standardize_backward(gamma * dY, X_hat, scale, axis=0)
    dgamma = (dY * X_hat).sum(axis=0)  # (14.12)
    dbeta = dY.sum(axis=0)  # (14.11)
    return dX, dgamma, dbeta


class Norm(Layer):
    """What batch and layer norm share: gamma (D,) of 1, beta (D,) of 0, and the backward pass."""

    axis: int  # of the mean and the variance

    def __init__(self, size: int, *, eps: float = 1e-5, dtype: Any = np.float64) -> None:
        check_counts(size=size)
        super().__init__(gamma=np.ones(size, dtype), beta=np.zeros(size, dtype))
        self.input_size = self.output_size = size
        self.eps = check_positive("eps", eps)

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        X_hat, scale, constant = self.remembered()  # constant: a mean and variance from before
        dY = dOut.reshape(X_hat.shape)
        ones = np.ones(len(dY), dY.dtype)
        self.grads = {"gamma": ones @ (dY * X_hat), "beta": ones @ dY}
        dX_hat = dY * self.params["gamma"]
        if constant:
            dX = dX_hat * scale
        else:
            dX = standardize_backward(dX_hat, X_hat, scale, axis=self.axis)
        return dX.reshape(dOut.shape)


class BatchNorm(Norm):
    """Standardizes every column by its batch in training, by running averages in prediction.

    Attributes
    ----------
    decay
        Share of the running averages that a batch leaves; PyTorch's momentum is 1 - decay.
    state
        Running mean and variance, (D,) each.
    """

    axis = 0

    def __init__(self, size: int, *, decay: float = 0.9, eps: float = 1e-5,
                 dtype: Any = np.float64) -> None:
        super().__init__(size, eps=eps, dtype=dtype)
        self.decay = check_nonnegative("decay", decay, below=1)
        self.state = {"mean": np.zeros(size, dtype), "variance": np.ones(size, dtype)}

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        # Of images every pixel counts as an example.
        rows = check_shape(self, X, ("N", ..., self.input_size)).reshape(-1, self.input_size)
        if training:
            check_examples(rows, at_least=2)  # one would be subtracted from itself
            X_hat, scale = standardize(rows, axis=0, eps=self.eps)
            renew_averages(self.state, rows, self.decay)
        else:
            scale = 1 / np.sqrt(self.state["variance"] + self.eps)
            X_hat = (rows - self.state["mean"]) * scale
        self.memory = X_hat, scale, not training
        return (self.params["gamma"] * X_hat + self.params["beta"]).reshape(X.shape)


def layer_norm(X: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """Every row of X (N, D) with mean 0 and variance 1, then scaled and shifted by column."""
    X_hat, _ = standardize(X, axis=1, eps=eps)
    return gamma * X_hat + beta  # (14.8)


def layer_norm_backward(
    dY: np.ndarray, X: np.ndarray, gamma: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients dX (N, D), dgamma (D,) and dbeta (D,) of layer_norm, from dY of X's shape."""
    X_hat, scale = standardize(X, axis=1, eps=eps)
    dX = standardize_backward(gamma * dY, X_hat, scale, axis=1)  # (14.31)
    return dX, (dY * X_hat).sum(axis=0), dY.sum(axis=0)


class LayerNorm(Norm):
    """Standardizes every row, in training as in prediction."""

    axis = 1

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        X = check_shape(self, X, ("N", self.input_size))
        X_hat, scale = standardize(X, axis=1, eps=self.eps)
        self.memory = X_hat, scale, False
        return self.params["gamma"] * X_hat + self.params["beta"]


def batch_norm_backward_graph(
    dY: np.ndarray, X: np.ndarray, gamma: np.ndarray, eps: float = 1e-5
) -> Params:
    """Gradients of batch_norm, node by node, as a dict with the keys X_hat, r, v, U, mu, X."""
    N = len(X)
    U = X - X.mean(axis=0)
    r = 1 / np.sqrt(np.mean(U**2, axis=0) + eps)
    dX_hat = gamma * dY  # (14.13)
    dr = np.sum(dX_hat * U, axis=0)  # (14.14)
    dU_product = dX_hat * r  # (14.15)
    dv = -0.5 * r**3 * dr  # (14.16)
    dU_variance = 2 / N * U * dv  # (14.17)
    dU = dU_product + dU_variance  # (14.18)
    dmu = -dU.sum(axis=0)  # (14.19)
    dX = dU + dmu / N  # (14.20)
    return {"X_hat": dX_hat, "r": dr, "v": dv, "U": dU, "mu": dmu, "X": dX}


class Dropout(Layer):
    """Zeroes each number with probability 1 - keep_prob in training, divides the rest by keep_prob.

    Attributes
    ----------
    redraw
        Whether every forward pass draws a new mask. A gradient check needs False.
    """

    def __init__(self, keep_prob: float, *, rng: np.random.Generator | int = 0) -> None:
        super().__init__()
        self.keep_prob = check_positive("keep_prob", keep_prob, most=1)
        self.rng = np.random.default_rng(rng)
        self.redraw = True
        self.mask = np.zeros(0)

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        """X times a mask in training, X itself in prediction."""
        if training and (self.redraw or self.mask.shape != X.shape):
            kept = self.rng.random(X.shape) < self.keep_prob
            mask = kept / self.keep_prob  # (15.1)
            self.mask = mask.astype(np.result_type(X, np.float32))
        self.memory = self.mask if training else 1.0
        return X * self.memory  # (15.3)

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        """The gradient dX: the same mask again."""
        return dOut * self.remembered()  # (15.4)
