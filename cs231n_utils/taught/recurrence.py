"""Exported from notebooks: edit them, then `make export`.

- notebooks/22_recurrence.ipynb
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from cs231n_utils.taught.layers import Layer
from cs231n_utils.types import Params
from cs231n_utils.validation import check_counts, check_positive, check_shape


def rnn_step(
    x: np.ndarray, h: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray
) -> np.ndarray:
    """The next state (N, H) from input x (N, D) and state h (N, H); W (D, H), U (H, H), b (H,)."""
    return np.tanh(x @ W + h @ U + b)  # (22.1)


def affine_gradients(
    dz: np.ndarray, x: np.ndarray, h: np.ndarray, W: np.ndarray, U: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Gradients dx, dh, dW, dU, db of z = x W + h U + b, from dz."""
    return dz @ W.T, dz @ U.T, x.T @ dz, h.T @ dz, dz.sum(axis=0)  # (22.3)


def rnn_step_backward(
    dh_new: np.ndarray, x: np.ndarray, h: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Gradients dx, dh, dW, dU, db of h_new = rnn_step(x, h, W, U, b), from dh_new."""
    dz = dh_new * (1 - rnn_step(x, h, W, U, b) ** 2)  # (22.2)
    return affine_gradients(dz, x, h, W, U)


def through_time(
    step: Callable[..., Any], X: np.ndarray, state: np.ndarray
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """States (N, T, H) of a step repeated along X (N, T, D), and what entered each step."""
    A, entered = [], []
    for t in range(X.shape[1]):
        entered.append((X[:, t], state))
        state = step(X[:, t], state)
        A.append(state)
    return np.stack(A, axis=1), entered


def back_through_time(
    step_backward: Callable[..., Any], dA: np.ndarray, entered: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[Any, ...]:
    """Gradients dX (N, T, D), and dW, dU, db of all steps, from dA (N, T, H).

    step_backward(dh, x, h) goes back through a step; its weights are filled in.
    """
    dX = [np.zeros_like(x) for x, _ in entered]
    dW = dU = db = sent_back = 0.0
    for t in reversed(range(len(entered))):
        dh = dA[:, t] + sent_back  # (22.4)
        dX[t], sent_back, dW_t, dU_t, db_t = step_backward(dh, *entered[t])
        dW, dU, db = dW + dW_t, dU + dU_t, db + db_t  # (22.5)
    return np.stack(dX, axis=1), dW, dU, db


class Recurrent(Layer):
    """A step that is repeated along X (N, T, D), from a state of zeros: states (N, T, H).

    Attributes
    ----------
    num_states
        Arrays (N, H) that a step hands on, side by side; the first of them leaves the layer.
    num_blocks
        W is (D, num_blocks * H), and U (H, num_blocks * H).
    """

    num_states: ClassVar[int] = 1
    num_blocks: ClassVar[int] = 1

    def __init__(self, size: int, hidden: int, rng: np.random.Generator | int = 0, *,
                 dtype: Any = np.float64) -> None:
        check_counts(size=size, hidden=hidden)
        rng, width = np.random.default_rng(rng), self.num_blocks * hidden
        W, U = (rng.uniform(-1, 1, (rows, width)) / np.sqrt(hidden) for rows in (size, hidden))
        super().__init__(W=W.astype(dtype), U=U.astype(dtype), b=np.zeros(width, dtype))
        self.input_size, self.output_size = size, hidden

    def step(self, x: np.ndarray, state: np.ndarray) -> np.ndarray:
        """The next state, from an input (N, D) and the state."""
        raise NotImplementedError

    def step_backward(
        self, dstate: np.ndarray, x: np.ndarray, state: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Gradients of an input, of the state, and of W, U, b, from that of the next state."""
        raise NotImplementedError

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        X = check_shape(self, X, ("N", "T", self.input_size))
        start = np.zeros((len(X), self.num_states * self.output_size), X.dtype)
        A, self.memory = through_time(self.step, X, start)
        return A[..., : self.output_size]

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        unseen = (self.num_states - 1) * self.output_size  # nothing from outside comes to these
        dA = np.pad(dOut, [(0, 0), (0, 0), (0, unseen)])
        dX, *gradients = back_through_time(self.step_backward, dA, self.remembered())
        self.grads = dict(zip("WUb", gradients, strict=True))
        return dX


class RNN(Recurrent):
    """The plain recurrent layer: h' = tanh(x W + h U + b)."""

    def step(self, x: np.ndarray, state: np.ndarray) -> np.ndarray:
        return rnn_step(x, state, **self.params)

    def step_backward(
        self, dstate: np.ndarray, x: np.ndarray, state: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        return rnn_step_backward(dstate, x, state, **self.params)


def gates(
    x: np.ndarray, h: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Input, forget, candidate and output (N, H) each, in PyTorch's order."""
    i, f, g, o = np.split(x @ W + h @ U + b, 4, axis=1)
    return sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)  # (22.6)


def lstm_step(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The next h and c (N, H) from input x (N, D); W (D, 4H), U (H, 4H), b (4H,)."""
    i, f, g, o = gates(x, h, W, U, b)
    c_new = f * c + i * g  # (22.7)
    return o * np.tanh(c_new), c_new  # (22.8)


class LSTM(Recurrent):
    """Long short-term memory with a forget gate, whose bias starts at 1 or as it is given."""

    num_states, num_blocks = 2, 4

    def __init__(self, size: int, hidden: int, rng: np.random.Generator | int = 0, *,
                 forget_bias: float = 1.0, dtype: Any = np.float64) -> None:
        super().__init__(size, hidden, rng, dtype=dtype)
        self.params["b"][hidden : 2 * hidden] = forget_bias

    def step(self, x: np.ndarray, state: np.ndarray) -> np.ndarray:
        return np.hstack(lstm_step(x, *np.hsplit(state, 2), **self.params))

    def step_backward(
        self, dstate: np.ndarray, x: np.ndarray, state: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        given = *np.hsplit(dstate, 2), x, *np.hsplit(state, 2)
        dx, dh, dc, *gradients = lstm_step_backward(*given, **self.params)
        return dx, np.hstack([dh, dc]), *gradients


def lstm_step_backward(
    dh_new: np.ndarray, dc_new: np.ndarray, x: np.ndarray, h: np.ndarray, c: np.ndarray,
    W: np.ndarray, U: np.ndarray, b: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Gradients dx, dh, dc, dW, dU, db of lstm_step, from those of its results h and c."""
    i, f, g, o = gates(x, h, W, U, b)
    shown = np.tanh(f * c + i * g)
    dc_all = dc_new + dh_new * o * (1 - shown**2)  # the fork of the new cell
    slopes = i * (1 - i), f * (1 - f), 1 - g**2, o * (1 - o)
    arriving = dc_all * g, dc_all * c, dc_all * i, dh_new * shown
    dz = [rate * slope for rate, slope in zip(arriving, slopes, strict=True)]  # (22.11)
    dx, dh, dW, dU, db = affine_gradients(np.concatenate(dz, axis=1), x, h, W, U)
    dc = dc_all * f  # (22.9)
    return dx, dh, dc, dW, dU, db


def clip_by_norm(grads: Params, limit: float) -> float:
    """Shrink all gradients by one factor where their common norm exceeds limit; the norm before."""
    check_positive("limit", limit)
    norm = float(np.sqrt(sum(float(np.vdot(g, g)) for g in grads.values())))
    factor = min(1.0, limit / norm) if norm > 0 else 1.0
    for g in grads.values():
        g *= factor  # (22.12)
    return norm


def sigmoid(Z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-Z)), entry by entry, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * Z))  # (22.13)
