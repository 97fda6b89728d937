"""Exported from notebooks: edit them, then `make export`.

- notebooks/16_convolution.ipynb
"""

from functools import reduce
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cs231n_utils.taught.layers import Layer
from cs231n_utils.validation import (
    check_convolution,
    check_counts,
    check_network,
    check_shape,
    check_tiles,
)


def padded(X: np.ndarray, pad: int) -> np.ndarray:
    """Images X padded with `pad` zeros on every side."""
    return np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0))) if pad else X


def windows(X: np.ndarray, size: tuple[int, int], stride: int) -> np.ndarray:
    """The window of every position, (N, P, Q, U, V, C): a view of images X that copies nothing."""
    view = sliding_window_view(X, size, axis=(1, 2))[:, ::stride, ::stride]
    return np.moveaxis(view, 3, 5)  # the channels last


BLOCK = 2**18  # numbers in the table of a few images: 1 MB of float32


def blocks(patches: np.ndarray) -> list[slice]:
    """Slices of a few images each, at least one: small tables stay in a processor's cache."""
    few = max(1, BLOCK // prod(patches.shape[1:]))
    return [slice(start, start + few) for start in range(0, len(patches), few)]


def conv2d(
    X: np.ndarray, W: np.ndarray, b: np.ndarray, stride: int = 1, pad: int = 0
) -> np.ndarray:
    """Scores Z (N, P, Q, F) of filters W (U, V, C, F) with b (F,) at every position of images X."""
    check_convolution(X, W, stride, pad, b)
    patches = windows(padded(X, pad), W.shape[:2], stride)  # (N, P, Q, U, V, C)
    filters = W.reshape(-1, W.shape[3])  # (U V C, F)
    Z = np.empty((*patches.shape[:3], W.shape[3]), np.result_type(X, W))
    for few in blocks(patches):
        table = patches[few].reshape(-1, len(filters))  # a copy, a row for each position
        Z[few] = (table @ filters + b).reshape(Z[few].shape)  # (16.3)
    return Z


def filters_gradient(
    dZ: np.ndarray, X: np.ndarray, size: tuple[int, int], stride: int, pad: int
) -> np.ndarray:
    """Gradient dW (U, V, C, F) of filters of a size (U, V), from dZ (N, P, Q, F)."""
    patches = windows(padded(X, pad), size, stride)
    C, F = X.shape[3], dZ.shape[3]
    dW = np.zeros((prod(size) * C, F), dZ.dtype)
    for few in blocks(patches):
        table = patches[few].reshape(-1, len(dW))
        dW += table.T @ dZ[few].reshape(-1, F)  # (16.5)
    return dW.reshape(*size, C, F)


def bias_gradient(dZ: np.ndarray) -> np.ndarray:
    """Gradient db (F,) from dZ (N, P, Q, F): a sum over all positions, as a product with ones."""
    rows = dZ.reshape(-1, dZ.shape[3])
    return np.ones(len(rows), rows.dtype) @ rows


def images_gradient(
    dZ: np.ndarray, W: np.ndarray, size: tuple[int, int], stride: int, pad: int
) -> np.ndarray:
    """Gradient dX (N, rows, columns, C) of images of a size (rows, columns), from dZ."""
    (rows, cols), (U, V, C, F), (N, P, Q, _) = size, W.shape, dZ.shape
    high, wide = rows + 2 * pad + U - 1, cols + 2 * pad + V - 1  # those of E bar
    spread = np.zeros((N, high, wide, F), dZ.dtype)  # all zeros at first
    spread[:, U - 1 :: stride, V - 1 :: stride][:, :P, :Q] = dZ  # (16.11)
    used = spread[:, pad : pad + rows + U - 1, pad : pad + cols + V - 1]  # cut the padding
    turned = W[::-1, ::-1].swapaxes(2, 3)  # (16.8)
    return conv2d(used, turned, np.zeros(C, dZ.dtype))  # (16.9)


def conv2d_backward(
    dZ: np.ndarray, X: np.ndarray, W: np.ndarray, stride: int = 1, pad: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients dX, dW and db of Z = conv2d(X, W, b, stride, pad), from dZ (N, P, Q, F)."""
    check_convolution(X, W, stride, pad, dZ=dZ)
    dX = images_gradient(dZ, W, X.shape[1:3], stride, pad)
    dW = filters_gradient(dZ, X, W.shape[:2], stride, pad)
    return dX, dW, bias_gradient(dZ)


def phases(X: np.ndarray, size: int) -> list[np.ndarray]:
    """Views (N, P, Q, C) of images: one entry of every window of size x size."""
    return [X[:, u::size, v::size] for u, v in product(range(size), repeat=2)]


def max_pool(X: np.ndarray, size: int) -> np.ndarray:
    """The largest number of every window of size x size, channel by channel: A (N, P, Q, C)."""
    check_tiles(X, size)
    return reduce(np.maximum, phases(X, size))  # (16.6)


def max_pool_backward(
    dA: np.ndarray, X: np.ndarray, size: int, A: np.ndarray | None = None
) -> np.ndarray:
    """Gradient dX of A = max_pool(X, size), from dA: all of it to the first of the largest."""
    A = max_pool(X, size) if A is None else A  # it may be at hand
    check_shape("dA", dA, A.shape)
    dX = np.empty_like(X)
    for few in blocks(X):
        rest = dA[few]  # what no entry has taken yet
        for entry, dentry in zip(phases(X[few], size), phases(dX[few], size), strict=True):
            np.multiply(rest, entry == A[few], out=dentry)  # (16.14)
            rest = rest - dentry
    return dX


def random_filters(
    shape: tuple[int, int, int, int], std: float | None, rng: np.random.Generator | int, dtype: Any
) -> np.ndarray:
    """Random filters of a shape (U, V, C, F), with std or, by default, He's."""
    fan_in = prod(shape[:3])
    if std is None:
        std = float(np.sqrt(2 / fan_in))  # He's rule
    check_network((fan_in, shape[3]), std, dtype)
    W = std * np.random.default_rng(rng).standard_normal(shape)
    return W.astype(dtype)


class Conv2D(Layer):
    """size x size filters W (size, size, C, F) with std, by default He's, and b (F,) of 0.

    Images (N, rows, columns, C) enter, and (N, P, Q, F) leave, where P is
    (rows + 2 pad - size) // stride + 1.
    """

    def __init__(self, input_size: int, output_size: int, size: int = 3, stride: int = 1,
                 pad: int = 0, std: float | None = None, *,
                 rng: np.random.Generator | int = 0, dtype: Any = np.float64) -> None:
        check_counts(input_size=input_size, output_size=output_size, size=size, stride=stride)
        super().__init__(W=random_filters((size, size, input_size, output_size), std, rng, dtype),
                         b=np.zeros(output_size, dtype))
        self.input_size, self.output_size = input_size, output_size
        self.stride, self.pad = stride, pad

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        self.memory = X
        return conv2d(X, self.params["W"], self.params["b"], self.stride, self.pad)

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        X, W, how = self.remembered(), self.params["W"], (self.stride, self.pad)
        check_convolution(X, W, *how, dZ=dOut)
        self.grads = {"W": filters_gradient(dOut, X, W.shape[:2], *how), "b": bias_gradient(dOut)}
        return images_gradient(dOut, W, X.shape[1:3], *how) if self.needs_dX else dOut


class MaxPool2D(Layer):
    """The largest number of every window of size x size, channel by channel."""

    def __init__(self, size: int = 2) -> None:
        check_counts(size=size)
        super().__init__()
        self.size = size

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        A = max_pool(X, self.size)
        self.memory = X, A
        return A

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        X, A = self.remembered()
        return max_pool_backward(dOut, X, self.size, A)
