"""Exported from notebooks: edit them, then `make export`.

- notebooks/05_gradient_descent.ipynb
- notebooks/09_optimizers.ipynb
- notebooks/15_regularization.ipynb
- notebooks/24_transformer.ipynb
- notebooks/25_speedrun.ipynb
"""

from collections import defaultdict
from typing import Any

import numpy as np

from cs231n_utils.types import Optimizer, Params
from cs231n_utils.validation import check_nonnegative, check_positive


def sgd_step(params: Params, grads: Params, learning_rate: float) -> None:
    """Move every parameter one step down its gradient, in place."""
    for name in params:
        params[name] -= learning_rate * grads[name]  # (5.1)


class SGD:
    """Steps along a fading sum of the gradients; without momentum, plain steps."""

    def __init__(self, learning_rate: float, momentum: float = 0.0) -> None:
        self.learning_rate = check_positive("learning_rate", learning_rate)
        self.momentum = check_nonnegative("momentum", momentum, below=1)
        self.velocity: dict[str, Any] = defaultdict(float)  # 0.0 before the first step

    def step(self, params: Params, grads: Params) -> None:
        """Renew every velocity, then move the parameters against it, in place."""
        for name in params:
            self.velocity[name] = self.momentum * self.velocity[name] + grads[name]  # (9.1)
            params[name] -= self.learning_rate * self.velocity[name]  # (9.2)


def linear_decay(progress: float) -> float:
    """Share of the learning rate that is left when a share `progress` of the run is done."""
    return 1 - progress  # (9.3)


class RMSprop:
    """Steps along each gradient divided by its running root mean square."""

    def __init__(self, learning_rate: float, decay: float = 0.99, eps: float = 1e-8) -> None:
        self.learning_rate = check_positive("learning_rate", learning_rate)
        self.decay = check_nonnegative("decay", decay, below=1)
        self.eps = check_positive("eps", eps)
        self.squares: dict[str, Any] = defaultdict(float)

    def step(self, params: Params, grads: Params) -> None:
        """Renew the mean squares, then move the parameters, in place."""
        for name, gradient in grads.items():
            kept = self.decay * self.squares[name]
            self.squares[name] = kept + (1 - self.decay) * gradient**2  # (9.4)
            root = np.sqrt(self.squares[name])
            params[name] -= self.learning_rate * gradient / (root + self.eps)  # (9.5)


class Adam:
    """Steps along the mean gradient divided by its root mean square, with weight decay apart."""

    def __init__(self, learning_rate: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999,
                 eps: float = 1e-8, weight_decay: float = 0.0) -> None:
        self.learning_rate = check_positive("learning_rate", learning_rate)
        self.beta1 = check_nonnegative("beta1", beta1, below=1)
        self.beta2 = check_nonnegative("beta2", beta2, below=1)
        self.eps = check_positive("eps", eps)
        self.weight_decay = check_nonnegative("weight_decay", weight_decay)
        self.num_steps = 0
        self.means: dict[str, Any] = defaultdict(float)
        self.squares: dict[str, Any] = defaultdict(float)

    def step(self, params: Params, grads: Params) -> None:
        """Renew both averages, then shrink and move the parameters, in place."""
        self.num_steps += 1
        for name, gradient in grads.items():
            self.means[name] = self.beta1 * self.means[name] + (1 - self.beta1) * gradient  # (9.6)
            self.squares[name] = (self.beta2 * self.squares[name]
                                  + (1 - self.beta2) * gradient**2)  # like (9.4)
            u_hat = self.means[name] / (1 - self.beta1**self.num_steps)  # (9.7)
            q_hat = self.squares[name] / (1 - self.beta2**self.num_steps)
            params[name] -= (
                self.learning_rate * self.weight_decay * params[name]  # (9.14)
                + self.learning_rate * u_hat / (np.sqrt(q_hat) + self.eps)  # (9.8)
            )


class Averaged:
    """An optimizer's steps, and an average of the parameters along its way.

    Parameters
    ----------
    optimizer
        Makes the steps.
    decay
        Share of the sum that a step leaves; about the last 1 / (1 - decay) steps count.
    """

    def __init__(self, optimizer: Optimizer, decay: float) -> None:
        self.optimizer = optimizer
        self.decay = check_nonnegative("decay", decay, below=1)
        self.num_steps = 0
        self.sums: dict[str, Any] = defaultdict(float)

    @property
    def learning_rate(self) -> float:
        """That of the optimizer."""
        return self.optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.optimizer.learning_rate = rate

    def step(self, params: Params, grads: Params) -> None:
        """Let the optimizer move the parameters, in place; then renew the sums."""
        self.optimizer.step(params, grads)
        self.num_steps += 1
        for name, value in params.items():
            self.sums[name] = (self.decay * self.sums[name]
                               + (1 - self.decay) * value)  # (15.15)

    @property
    def averages(self) -> Params:
        """The average of every parameter, in arrays of its own."""
        weight = 1 - self.decay**self.num_steps
        return {name: value / weight for name, value in self.sums.items()}  # (15.16)


def warm_cosine(done: float, warm_up: float = 0.05, least: float = 0.1) -> float:
    """Share of the learning rate: up on a line, then down to `least` along half a cosine."""
    falling = max(done - warm_up, 0.0) / (1 - warm_up)
    wave = least + (1 - least) * 0.5 * (1 + float(np.cos(np.pi * falling)))
    return min(done / warm_up, wave)  # (24.6)


QUINTIC = (3.4445, -4.7750, 2.0315)  # of K. Jordan: steep at 0, and near 1 for the rest


def orthogonalized(G: np.ndarray, steps: int = 3) -> np.ndarray:
    """A matrix with the directions of G, and singular values near 1: by products alone."""
    if G.shape[0] < G.shape[1]:
        return orthogonalized(G.T, steps).T  # A is then the smaller one of two
    a, b, c = QUINTIC
    X = G / (np.linalg.norm(G) + 1e-7)  # no singular value above 1
    for _ in range(steps):
        A = X.T @ X
        X = a * X + X @ (b * A + c * A @ A)  # (25.4)
    return X


class Muon:
    """Steps of one spectral size for filters (U, V, C, F); their norm is first made root F."""

    def __init__(self, learning_rate: float, momentum: float = 0.6, *,
                 fixed_norm: bool = True) -> None:
        self.learning_rate = check_positive("learning_rate", learning_rate)
        self.momentum = check_nonnegative("momentum", momentum, below=1)
        self.fixed_norm = fixed_norm
        self.velocity: dict[str, Any] = defaultdict(float)

    def step(self, params: Params, grads: Params) -> None:
        """Renew every velocity, then turn the filters against its directions, in place."""
        for name, W in params.items():
            self.velocity[name] = self.momentum * self.velocity[name] + grads[name]  # like (9.1)
            # Momentum in Nesterov's form: a share of the velocity, and the gradient once more.
            ahead = grads[name] + self.momentum * self.velocity[name]
            direction = orthogonalized(ahead.reshape(-1, W.shape[-1])).reshape(W.shape)
            if self.fixed_norm:
                W *= W.shape[-1] ** 0.5 / (np.linalg.norm(W) + 1e-7)  # zeros stay zeros
            W -= self.learning_rate * direction  # (25.5)


class Together:
    """Optimizers that each move some parameters; learning_rate is a share of their own rates.

    Parameters
    ----------
    shares
        Pairs of an optimizer and the names of its parameters.
    """

    def __init__(self, *shares: tuple[Optimizer, list[str]]) -> None:
        self.learning_rate = 1.0
        self.shares = [(optimizer, optimizer.learning_rate, names) for optimizer, names in shares]

    def step(self, params: Params, grads: Params) -> None:
        """Let each optimizer move its parameters, in place."""
        for optimizer, rate, names in self.shares:
            optimizer.learning_rate = self.learning_rate * rate
            mine, slopes = ({name: each[name] for name in names} for each in (params, grads))
            optimizer.step(mine, slopes)
