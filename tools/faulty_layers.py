"""Deep models with a fault in one layer, labelled with its place, and correct deep models.

A label is set by how the fault was made: a piece of what a student writes in a layer's backward is
replaced, in one layer of a chain that is drawn anew for every seed.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from cs231n_utils.taught.convnet import Pixels
from cs231n_utils.taught.convolution import Conv2D, MaxPool2D, max_pool, windows
from cs231n_utils.taught.layers import (
    Affine,
    BatchNorm,
    Chain,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
    gathered,
)
from tools.faulty_gradients import Faulty, same


class Tanh(Layer):
    """A layer of a kind that the series does not have."""

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        """tanh(X), entry by entry."""
        self.memory = np.tanh(X)
        return self.memory

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        """The gradient dX."""
        return dOut * (1 - self.memory**2)


class Scale(Layer):
    """Another one, with a parameter: X * s."""

    def __init__(self, size: int) -> None:
        super().__init__(s=np.ones(size))

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        """Every column times its own number."""
        self.memory = X
        return X * self.params["s"]

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        """The gradient dX."""
        self.grads = {"s": np.sum(dOut * self.memory, axis=0)}
        return dOut * self.params["s"]


# What a student writes in a layer: its backward pass.
NORM = """
def backward(self, dOut):
    X_hat, scale, _ = self.memory
    eps, mean, variance = self.eps, self.state.get("mean"), self.state.get("variance")
    N = X_hat.shape[self.axis]
    centred = X_hat / scale
    self.grads = {"gamma": np.sum(dOut * X_hat, axis=0), "beta": np.sum(dOut, axis=0)}
    dX_hat = dOut * self.params["gamma"]
    dcentred = dX_hat * scale
    dscale = np.sum(dX_hat * centred, axis=self.axis, keepdims=True)
    dvariance = -0.5 * dscale * scale**3
    dcentred = dcentred + 2 * centred / N * dvariance
    dmean = -np.sum(dcentred, axis=self.axis, keepdims=True)
    return dcentred + dmean / N
"""
BACK = """
def backward(self, dOut):
    dX = dOut
    for layer in reversed(self.layers):
        dX = layer.backward(dX)
    self.grads = gathered(self.layers, "grads")
"""
GIVEN = """
def backward(self, dOut):
    X, W, b, s, pad = self.memory, self.params["W"], self.params["b"], self.stride, self.pad
    (N, R, K, C), (U, V, C, F), (N, P, Q, F) = X.shape, W.shape, dOut.shape
    X_padded = np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    dX_padded, dW = np.zeros_like(X_padded), np.zeros_like(W)
"""
CONVOLUTIONS = (  # a loop over places, one over the entries of a window, and no loop
    f"""{GIVEN}
    for p in range(P):
        for q in range(Q):
            dW += np.tensordot(X_padded[:, p*s : p*s + U, q*s : q*s + V], dOut[:, p, q], (0, 0))
            dwindow = np.tensordot(dOut[:, p, q], W, (1, 3))
            dX_padded[:, p*s : p*s + U, q*s : q*s + V] += dwindow
    self.grads = {{"W": dW, "b": np.sum(dOut, axis=(0, 1, 2))}}
    return dX_padded[:, pad : pad + R, pad : pad + K]
""",
    f"""{GIVEN}
    for u, v in np.ndindex(U, V):
        seen = X_padded[:, u : u + s * P : s, v : v + s * Q : s]
        dW[u, v] = np.tensordot(seen, dOut, ((0, 1, 2), (0, 1, 2)))
        dX_padded[:, u : u + s * P : s, v : v + s * Q : s] += dOut @ W[u, v].T
    self.grads = {{"W": dW, "b": np.sum(dOut, axis=(0, 1, 2))}}
    return dX_padded[:, pad : R + pad, pad : K + pad]
""",
    f"""{GIVEN}
    spread = np.zeros((N, R + 2 * pad + U - 1, K + 2 * pad + V - 1, F))
    spread[:, U - 1 : U - 1 + s * P : s, V - 1 : V - 1 + s * Q : s] = dOut
    used = spread[:, pad : pad + R + U - 1, pad : pad + K + V - 1]
    turned = W[::-1, ::-1].swapaxes(2, 3)
    dW = np.tensordot(windows(X_padded, (U, V), s), dOut, ((0, 1, 2), (0, 1, 2)))
    self.grads = {{"W": dW, "b": np.sum(dOut, axis=(0, 1, 2))}}
    return np.einsum("npquvf,uvfc->npqc", windows(used, (U, V), 1), turned)
""",
)
POOLS = (
    """
def backward(self, dOut):
    (X, _), size = self.memory, self.size
    dX = np.zeros_like(X)
    for n, p, q, c in np.ndindex(dOut.shape):
        window = X[n, p * size : (p + 1) * size, q * size : (q + 1) * size, c]
        u, v = np.unravel_index(np.argmax(window), window.shape)
        dX[n, p * size + u, q * size + v, c] += dOut[n, p, q, c]
    return dX
""",
    """
def backward(self, dOut):
    (X, _), size = self.memory, self.size
    over = lambda A: A.repeat(size, axis=1).repeat(size, axis=2)
    return over(dOut) * (X == over(max_pool(X, size)))
""",
)
NORM_OF_IMAGES = """
def backward(self, dOut):
    X_hat, scale, _ = self.memory
    gamma, X_hat, N, M = self.params["gamma"], X_hat.reshape(dOut.shape), len(dOut), len(X_hat)
    dgamma, dbeta = np.sum(dOut * X_hat, axis=(0, 1, 2)), np.sum(dOut, axis=(0, 1, 2))
    self.grads = {"gamma": dgamma, "beta": dbeta}
    dX_hat, axes = dOut * gamma, (0, 1, 2)
    average = np.mean(dX_hat, axis=axes, keepdims=True)
    along = np.mean(dX_hat * X_hat, axis=axes, keepdims=True)
    return scale * (dX_hat - average - X_hat * along)
"""
WRITTEN: dict[type, str | tuple[str, ...]] = {
    Affine: """
def backward(self, dOut):
    X, W, b = self.memory, self.params["W"], self.params["b"]
    self.grads = {"W": X.T @ dOut, "b": np.sum(dOut, axis=0)}
    return dOut @ W.T
""",
    ReLU: """
def backward(self, dOut):
    X = self.memory
    return dOut * (X > 0)
""",
    BatchNorm: (
        f"""
def forward(self, X, training=False):
    return BatchNorm.forward(self, X, training)
{NORM}""",
        NORM_OF_IMAGES,
    ),
    Conv2D: CONVOLUTIONS,
    MaxPool2D: POOLS,
    Flatten: """
def backward(self, dOut):
    return dOut.reshape(self.memory)
""",
    LayerNorm: NORM,
    Dropout: """
def backward(self, dOut):
    mask, keep = self.memory, self.keep_prob
    return dOut * mask
""",
    Chain: f"{BACK}    return dX",
    Residual: f"{BACK}    return dOut + dX",
    Tanh: """
def backward(self, dOut):
    A = self.memory
    return dOut * (1 - A**2)
""",
    Scale: """
def backward(self, dOut):
    X, s = self.memory, self.params["s"]
    self.grads = {"s": np.sum(dOut * X, axis=0)}
    return dOut * s
""",
    Sequential: """
def loss(self, X, y=None, reg=0.0):
    S = self.scores(X, training=y is not None)
    N = len(X)
    shifted = S - S.max(axis=1, keepdims=True)
    P = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    Y = np.eye(S.shape[1])[y]
    loss = np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(N), y])
    dX = (P - Y) / N
    for layer in reversed(self.layers):
        dX = layer.backward(dX)
    grads = {key: 1 * gradient for key, gradient in gathered(self.layers, "grads").items()}
    for key, value in self.params.items():
        if key.endswith("W"):
            loss += 0.5 * reg * np.sum(value**2)
            grads[key] += reg * value
    return loss, grads
""",
}
TWO_TERMS = "dcentred + dmean / N"
VARIANCE = "dcentred + 2 * centred / N * dvariance"
NORMS, BATCH, PARTS = (BatchNorm, LayerNorm), (BatchNorm,), (Chain, Residual)
LINES: tuple[tuple[Any, ...], ...] = (  # layers, label, what stands there, what students write
    ((Affine,), "transpose", "dOut @ W.T", "dOut @ W"),
    ((Affine,), "chain", "dOut @ W.T", "dOut"),
    ((Affine,), "sign", "dOut @ W.T", "-dOut @ W.T"),
    ((Affine,), "factor N", "dOut @ W.T", "len(X) * dOut @ W.T"),
    ((Affine,), "transpose", "X.T @ dOut", "dOut.T @ X"),
    ((Affine,), "factor 1/N", "X.T @ dOut", "X.T @ dOut / len(X)"),
    ((Affine,), "sign", "X.T @ dOut", "-X.T @ dOut"),
    ((Affine,), "factor", "X.T @ dOut", "0.3 * X.T @ dOut"),
    ((Affine,), "zero", "X.T @ dOut", "np.zeros_like(W)"),
    ((Affine,), "one_row", "X.T @ dOut", "X.T @ dOut * (np.arange(len(W)) > 0)[:, None]"),
    ((Affine,), "example_missing", "X.T @ dOut", "X[:-1].T @ dOut[:-1]", "X[1:].T @ dOut[1:]"),
    ((Affine,), "wrong_input", "X.T @ dOut", "(X - X.mean(axis=0)).T @ dOut"),
    ((Affine,), "accumulated", "X.T @ dOut", "self.grads.get('W', 0) + X.T @ dOut"),
    ((Affine,), "wrong_axis", "np.sum(dOut, axis=0)", "np.sum(dOut, axis=1)", "0 * b + dOut.sum()"),
    ((Affine,), "missing_sum", "np.sum(dOut, axis=0)", "dOut"),
    ((Affine,), "factor 1/N", "np.sum(dOut, axis=0)", "np.mean(dOut, axis=0)"),
    ((Affine,), "shape", "np.sum(dOut, axis=0)", "np.sum(dOut, axis=0, keepdims=True)"),
    ((Affine,), "one_example", "np.sum(dOut, axis=0)", "dOut[-1]", "dOut[0]"),
    ((ReLU,), "relu_off", "dOut * (X > 0)", "dOut", "dOut * (dOut > 0)"),
    ((ReLU,), "relu_off", "dOut * (X > 0)", "np.where(X > 0, dOut, 0.01 * dOut)"),
    ((ReLU,), "relu_inverted", "dOut * (X > 0)", "dOut * (X < 0)"),
    ((ReLU,), "relu_on", "dOut * (X > 0)", "dOut * X", "dOut * np.maximum(X, 0)", "1.0 * (X > 0)"),
    (NORMS, "mean_term", TWO_TERMS, "dcentred"),
    (NORMS, "variance_term", VARIANCE, "dcentred"),
    (NORMS, "constant_statistics", f"return {TWO_TERMS}", "return dX_hat * scale"),
    (NORMS, "wrong_axis", "axis=self.axis", "axis=1 - self.axis"),
    (NORMS, "wrong_axis", "np.sum(dX_hat * centred, axis=self.axis", "np.sum(dX_hat * centred"),
    (NORMS, "wrong_axis", "-np.sum(dcentred, axis=self.axis", "-np.sum(dcentred, axis=1-self.axis"),
    (NORMS, "wrong_axis", "np.sum(dOut * X_hat, axis=0)", "np.sum(dOut * X_hat, axis=1)"),
    (NORMS, "wrong_axis", "np.sum(dOut, axis=0)", "np.sum(dOut, axis=1)"),
    (NORMS, "missing_sum", "np.sum(dOut * X_hat, axis=0)", "dOut * X_hat"),
    (NORMS, "missing_sum", "np.sum(dOut, axis=0)", "dOut"),
    (NORMS, "x_hat_missing", "np.sum(dOut * X_hat, axis=0)", "np.sum(dOut, axis=0)"),
    (NORMS, "wrong_input", "np.sum(dOut * X_hat, axis=0)", "np.sum(dOut * centred, axis=0)"),
    (NORMS, "gamma_missing", 'dOut * self.params["gamma"]', "dOut"),
    (NORMS, "factor 1/N", "np.sum(dOut * X_hat, axis=0)", "np.mean(dOut * X_hat, axis=0)"),
    (NORMS, "sign", "return dcentred + dmean / N", "return -dcentred - dmean / N"),
    (NORMS, "sign", "dmean = -np.sum", "dmean = np.sum"),
    (NORMS, "sign", "-0.5 * dscale", "0.5 * dscale"),
    (
        NORMS,
        "eps_missing",
        "X_hat, scale, _ = self.memory",
        "X_hat, scale, _ = self.memory; scale = 1 / np.sqrt(1 / scale**2 - self.eps)",
    ),
    (NORMS, "scale_missing", f"return {TWO_TERMS}", f"return ({TWO_TERMS}) / scale"),
    (
        BATCH,
        "running_averages",
        "centred = X_hat / scale",
        "centred = X_hat / scale; scale = 1 / np.sqrt(variance + eps)",
    ),
    (BATCH, "running_averages", f"return {TWO_TERMS}", "return dX_hat / np.sqrt(variance + eps)"),
    (BATCH, "running_averages", "self, X, training)", "self, X, False)"),
    ((Dropout,), "mask_missing", "dOut * mask", "dOut", "dOut / keep"),
    ((Dropout,), "keep_missing", "dOut * mask", "dOut * (mask > 0)"),
    ((Dropout,), "mask_inverted", "dOut * mask", "dOut * (mask == 0)"),
    (
        (Dropout,),
        "mask_redrawn",
        "dOut * mask",
        "dOut * (self.rng.random(dOut.shape) < keep) / keep",
    ),
    (
        (Dropout,),
        "mask_redrawn",
        "dOut * mask",
        "dOut * (np.random.default_rng(7).random(dOut.shape) < keep) / keep",
    ),
    ((Residual,), "residual_overwritten", "dOut + dX", "dX", "dOut"),
    (PARTS, "chain_order", "reversed(self.layers)", "self.layers"),
    ((Residual,), "sign", "dOut + dX", "-dOut - dX"),
    ((Tanh,), "sign", "dOut * (1 - A**2)", "-dOut * (1 - A**2)"),
    ((Tanh,), "factor 2", "dOut * (1 - A**2)", "2 * dOut * (1 - A**2)"),
    ((Tanh,), "unknown", "dOut * (1 - A**2)", "dOut * (1 - A)", "dOut * A"),
    ((Scale,), "sign", "dOut * s", "-dOut * s"),
    ((Scale,), "factor N", "np.sum(dOut * X, axis=0)", "len(X) * np.sum(dOut * X, axis=0)"),
    ((Scale,), "unknown", "np.sum(dOut * X, axis=0)", "np.sum(dOut, axis=0)"),
    ((Sequential,), "chain_order", "reversed(self.layers)", "self.layers"),
    ((Sequential,), "reg_missing", "grads[key] += reg * value", "pass"),
    ((Sequential,), "reg_doubled", "grads[key] += reg * value", "grads[key] += 2 * reg * value"),
    ((Sequential,), "factor N", "(P - Y) / N", "P - Y"),
    ((Sequential,), "sign", "(P - Y) / N", "(Y - P) / N"),
    ((Sequential,), "one_per_row", "(P - Y) / N", "P / N"),
    ((Sequential,), "softmax_missing", "(P - Y) / N", "-Y / P / N"),
)
CONV, POOL = (Conv2D,), (MaxPool2D,)
SUM, ENTRY = "np.sum(dOut, axis=(0, 1, 2))", "np.unravel_index(np.argmax(window), window.shape)"
PRODUCT = "np.tensordot(windows(X_padded, (U, V), s), dOut, ((0, 1, 2), (0, 1, 2)))"
PER_IMAGE = 'np.einsum("npquvc,npqf->nuvcf", windows(X_padded, (U, V), s), dOut)'
MARGIN, CUT = (
    "((0, 0), (pad, pad), (pad, pad), (0, 0))",
    "dX_padded[:, pad : pad + R, pad : pad + K]",
)
PLACES = "spread[:, U - 1 : U - 1 + s * P : s, V - 1 : V - 1 + s * Q : s]"
TURN, MASK = "W[::-1, ::-1].swapaxes(2, 3)", "(X == over(max_pool(X, size)))"
AVERAGE, ALL_AXES = "np.mean(dX_hat, axis=axes, keepdims=True)", "dOut * gamma, (0, 1, 2)"
LINES_OF_IMAGES: tuple[tuple[Any, ...], ...] = (  # the same, in models of images
    (
        CONV,
        "not_turned",
        TURN,
        *(f"W{part}.swapaxes(2, 3)" for part in ("", "[::-1]", "[:, ::-1]")),
    ),
    (CONV, "not_turned", "dOut @ W[u, v].T", "dOut @ W[U - 1 - u, V - 1 - v].T"),
    (CONV, "channels", TURN, "W[::-1, ::-1]"),
    (CONV, "channels", "dOut @ W[u, v].T", "dOut @ W[u, v]"),
    (CONV, "channels", "W, (1, 3))", "W, (1, 2))"),
    (CONV, "channels", PRODUCT, f"{PRODUCT}.swapaxes(2, 3)"),
    (CONV, "rows_columns", "W, (1, 3))", "W.swapaxes(0, 1), (1, 3))"),
    (CONV, "rows_columns", "dOut @ W[u, v].T", "dOut @ W[v, u].T"),
    (CONV, "rows_columns", "dW[u, v] =", "dW[v, u] ="),
    (CONV, "rows_columns", "(seen, dOut,", "(seen, dOut.swapaxes(1, 2),"),
    (CONV, "turned", "dW[u, v] =", "dW[U - 1 - u, V - 1 - v] =", "dW[U - 1 - u, v] ="),
    (CONV, "stride", "dX_padded[:, p*s : p*s + U, q*s : q*s + V]", "dX_padded[:, p:p+U, q:q+V]"),
    (CONV, "stride", "(X_padded[:, p*s : p*s + U, q*s : q*s + V]", "(X_padded[:, p:p+U, q:q+V]"),
    (CONV, "stride", "windows(X_padded, (U, V), s)", "windows(X_padded, (U, V), 1)[:, :P, :Q]"),
    (CONV, "stride", PLACES, "spread[:, U - 1 : U - 1 + P, V - 1 : V - 1 + Q]"),
    (CONV, "padding", PLACES, "spread[:, : s * P : s, : s * Q : s]"),
    (CONV, "padding", CUT, "dX_padded[:, :R, :K]", "dX_padded[:, 2 * pad :, 2 * pad :]"),
    (
        CONV,
        "padding",
        "used = spread[:, pad : pad + R + U - 1, pad : pad + K + V - 1]",
        "used = spread[:, : R + U - 1, : K + V - 1]",
    ),
    (CONV, "padding", MARGIN, "((0, 0), (0, 2 * pad), (0, 2 * pad), (0, 0))", f"{MARGIN}, 'edge'"),
    (CONV, "padding", MARGIN, f"{MARGIN}, 'wrap'"),
    (
        CONV,
        "padding",
        PRODUCT,
        PRODUCT.replace("X_padded", "X").replace("dOut", "dOut[:, : P - 2 * pad, : Q - 2 * pad]"),
    ),
    (
        CONV,
        "padding",
        PRODUCT,
        PRODUCT.replace("X_padded", "X").replace("dOut", "dOut[:, pad : P - pad, pad : Q - pad]"),
    ),
    (CONV, "overwritten", "+= dwindow", "= dwindow"),
    (CONV, "overwritten", "+= dOut @", "= dOut @"),
    (
        CONV,
        "overwritten",
        "np.tensordot(dOut[:, p, q], W, (1, 3))",
        "np.tensordot(dOut[:, p, q, -1:], W[..., -1:], (1, 3))",
    ),
    (CONV, "one_place", "dW += np.", "dW = np."),
    (CONV, "one_place", SUM, "np.sum(dOut[:, -1, -1], axis=0)", "np.sum(dOut[:, 0, 0], axis=0)"),
    (CONV, "place_missing", "range(P)", "range(P - 1)"),
    (CONV, "place_missing", SUM, "np.sum(dOut[:, :-1, :-1], axis=(0, 1, 2))"),
    (CONV, "one_example", SUM, "np.sum(dOut[-1], axis=(0, 1))"),
    (CONV, "one_example", "(seen, dOut,", "(seen[-1:], dOut[-1:],"),
    (CONV, "example_missing", "(seen, dOut,", "(seen[1:], dOut[1:],"),
    (CONV, "missing_sum", SUM, "dOut", *(f"np.sum(dOut, axis={a})" for a in (0, (1, 2), (0, 1)))),
    (CONV, "missing_sum", PRODUCT, PER_IMAGE),
    (CONV, "wrong_axis", SUM, "0 * b + np.sum(dOut)", "np.sum(dOut, axis=(1, 2, 3))"),
    (CONV, "wrong_axis", SUM, "np.sum(dOut, axis=3)", "np.sum(dOut, axis=(0, 1, 3))"),
    (CONV, "mean_for_sum", SUM, "np.mean(dOut, axis=(0, 1, 2))"),
    (CONV, "mean_for_sum", PRODUCT, f"{PRODUCT} / (P * Q)"),
    (CONV, "factor 1/N", SUM, f"{SUM} / N"),
    (CONV, "factor 1/N", PRODUCT, f"{PRODUCT} / N"),
    (CONV, "shape", SUM, "np.sum(dOut, axis=(0, 1, 2), keepdims=True)"),
    (CONV, "sign", f"return {CUT}", f"return -{CUT}"),
    (CONV, "sign", PRODUCT, f"-{PRODUCT}"),
    (CONV, "zero", PRODUCT, "np.zeros_like(W)"),
    (CONV, "factor 2", "+= dwindow", "+= 2 * dwindow"),
    (CONV, "accumulated", PRODUCT, f"self.grads.get('W', 0) + {PRODUCT}"),
    (POOL, "wrong_entry", ENTRY, "0, 0", "size - 1, size - 1", ENTRY.replace("max", "min")),
    (POOL, "wrong_entry", MASK, "(X == over(max_pool(X, size).max(axis=3, keepdims=True)))"),
    (POOL, "rows_columns", "u, v =", "v, u ="),
    (POOL, "rows_columns", "dOut[n, p, q, c]", "dOut[n, q, p, c]"),
    (POOL, "ties", f"over(dOut) * {MASK}", f"{MASK} * over(dOut)"),
    (POOL, "average_pooling", MASK, "1 / size**2"),
    (POOL, "mask_missing", f"over(dOut) * {MASK}", "over(dOut)"),
    (POOL, "mask_inverted", MASK, MASK.replace("==", "!=")),
    (POOL, "wrong_window", "over(dOut) *", "np.tile(dOut, (1, size, size, 1)) *"),
    (POOL, "wrong_window", "p * size + u, q * size + v", "p + u, q + v"),
    (POOL, "dA_missing", "over(dOut) *", "1.0 *", "X *"),
    (POOL, "sign", "return dX", "return -dX"),
    (POOL, "factor 2", "+= dOut", "+= 2 * dOut"),
    (
        BATCH,
        "missing_sum",
        "np.sum(dOut * X_hat, axis=(0, 1, 2))",
        *(f"np.sum(dOut * X_hat, axis={axes})" for axes in (0, (1, 2))),
    ),
    (BATCH, "missing_sum", SUM, "np.sum(dOut, axis=0)", "dOut"),
    (BATCH, "wrong_axis", ALL_AXES, "dOut * gamma, 0", "dOut * gamma, (1, 2)", "dOut * gamma, 3"),
    (BATCH, "wrong_axis", AVERAGE, *(AVERAGE.replace("axes", axes) for axes in ("0", "(1, 2)"))),
    (
        BATCH,
        "count",
        "scale * (dX_hat - average - X_hat * along)",
        "scale * (dX_hat - M / N * (average + X_hat * along))",
    ),
    (BATCH, "count", AVERAGE, "np.sum(dX_hat, axis=axes, keepdims=True) / N"),
    (BATCH, "mean_term", "dX_hat - average", "dX_hat"),
    (BATCH, "variance_term", "average - X_hat * along", "average"),
    (BATCH, "gamma_missing", ALL_AXES, "dOut, (0, 1, 2)"),
    ((Flatten,), "order", "self.memory)", "self.memory, order='F')"),
)
PAIRS = (  # two faults at once: the first, nearer to the output, is the label
    (
        ((ReLU,), "relu_off", "dOut * (X > 0)", "dOut"),
        ((Affine,), "sign", "X.T @ dOut", "-X.T @ dOut"),
    ),
    (
        ((Affine,), "transpose", "dOut @ W.T", "dOut @ W"),
        ((ReLU,), "relu_on", "dOut * (X > 0)", "dOut * X"),
    ),
    ((NORMS, "mean_term", TWO_TERMS, "dcentred"), ((ReLU,), "relu_off", "dOut * (X > 0)", "dOut")),
    (
        ((Residual,), "residual_overwritten", "dOut + dX", "dX"),
        (NORMS, "variance_term", VARIANCE, "dcentred"),
    ),
)


AMBIGUOUS = ("example", "one_example", "factor", "missing_sum")  # with one example, or two
AMBIGUOUS_PLACES = ("one_place", "place", "mean", "missing_sum", "wrong_axis", "factor", "one_")


def written(kind: type, replaced: str, new: str) -> type:
    """The class of a layer, or of a model, as a student writes it, with one piece replaced."""
    sources = WRITTEN[kind] if isinstance(WRITTEN[kind], tuple) else (WRITTEN[kind],)
    found = [source for source in sources if replaced in source]
    if not found:
        raise ValueError(f"{replaced} does not stand in {kind.__name__}")
    names: dict[str, Any] = {}
    code = compile(found[0].replace(replaced, new), "a student's layer", "exec")
    used = {"np": np, "BatchNorm": BatchNorm, "windows": windows, "max_pool": max_pool}
    exec(code, used | {"gathered": gathered}, names)
    return type(kind.__name__, (kind,), names)


class Drawn:
    """A model of two affine maps or more with X, y and reg: random layers, sizes and spreads."""

    def __init__(self, seed: int, depth: int) -> None:
        rng = self.rng = np.random.default_rng(seed)
        self.width, C = int(rng.integers(1, 8)), int(rng.integers(2, 6))
        self.norm = [None, BatchNorm, LayerNorm][rng.integers(3)]
        self.std = float(10 ** rng.uniform(-0.3, 0.3))
        layers: list[Layer] = []
        shape = (int(rng.integers(2, 7)),)
        if rng.random() < 0.2:
            layers, shape = [Flatten()], (2, 2, int(rng.integers(1, 4)))
        layers += [Affine(int(np.prod(shape)), self.width, rng=rng), ReLU()]
        while (left := depth - 1 - affine_maps(layers)) > 0:
            layers += self.block(min(left, int(rng.integers(1, 4))))
        self.net = Sequential([*layers, Affine(self.width, C, rng=rng)])
        for key, value in self.net.params.items():
            if not key.endswith("W"):
                value += 0.3 * rng.standard_normal(value.shape)
        N = int(rng.integers(1 if BatchNorm not in map(type, every(self.net)) else 2, 9))
        self.X, self.y = rng.standard_normal((N, *shape)), rng.integers(0, C, N)
        self.reg = float(rng.choice([0.0, 1e-3, 0.1, 1.0]))

    def block(self, count: int) -> list[Layer]:
        """Layers with this many affine maps, at times as a residual layer, or as a chain."""
        rng, layers = self.rng, list[Layer]()
        for _ in range(count):
            layers += [Affine(self.width, self.width, self.std / np.sqrt(self.width), rng=rng)]
            layers += [self.norm(self.width)] if self.norm else []
            layers += [self.make([ReLU, ReLU, Tanh][rng.integers(3)])]
            if rng.random() < 0.2:
                layers += [self.make([Dropout, Scale][rng.integers(2)])]
        if rng.random() < 0.4:
            layers = [[Residual, Residual, Chain][rng.integers(3)](layers)]
            if rng.random() < 0.2:
                layers = [Residual(layers)]
        return layers

    def make(self, kind: type) -> Layer:
        """A layer of this kind that fits between the others."""
        if kind is Dropout:
            layer = Dropout(float(self.rng.uniform(0.4, 0.9)), rng=self.rng)
            layer.redraw = False
            return layer
        return kind(self.width) if kind in (BatchNorm, LayerNorm, Scale) else kind()


class Images(Drawn):
    """The same for images: convolutions of any window, stride and margin, max pooling, norms."""

    def __init__(self, seed: int, depth: int) -> None:
        rng = self.rng = np.random.default_rng(seed)
        rows, columns, C = rng.integers([4, 4, 1], [10, 10, 4])
        columns = rows if rng.random() < 0.5 else columns
        N = int(rng.integers(2, 7))
        self.X = rng.standard_normal((N, rows, columns, C))
        if rng.random() < 0.3:
            self.X[:, :, columns // 2 :] = 0.5  # a background of one colour
        self.y, self.reg = rng.integers(0, 3, N), float(rng.choice([0.0, 1e-3, 0.1, 1.0]))
        self.out, layers = self.X, list[Layer]()
        for _ in range(1 + depth % 3):
            layers += self.convolution()
        rows = [Flatten(), Affine(self.out[0].size, 3, rng=rng)]
        self.net = Sequential([*layers, *rows])
        for key, value in self.net.params.items():
            if not key.endswith("W"):
                value += 0.3 * rng.standard_normal(value.shape)
        if rng.random() < 0.2:
            self.net = Sequential([Pixels(self.X, np.float64), *self.net.layers])

    def convolution(self) -> list[Layer]:
        """A convolution with what follows it, at times a residual layer as well."""
        rng, C = self.rng, self.out.shape[3]
        size, stride, pad = rng.integers(1, 4, 2), int(rng.integers(1, 4)), int(rng.integers(3))
        size[1] = size[rng.integers(2)]  # square or not
        stride = stride if min(self.out.shape[1:3]) > 4 else 1
        size = np.minimum(size, self.out.shape[1:3])
        layers: list[Layer] = [self.filters(C, int(rng.integers(1, 5)), size, stride, pad)]
        self.out = layers[0].forward(self.out)
        C = self.out.shape[3]
        fitting = [k for k in (2, 3) if not any(length % k for length in self.out.shape[1:3])]
        parts = [BatchNorm(C)] if self.out[..., 0].size > 1 and rng.random() < 0.4 else []
        parts += [MaxPool2D(fitting[0])] if fitting and rng.random() < 0.7 else []
        rng.shuffle(parts)
        layers += [*parts, [ReLU, ReLU, Tanh][rng.integers(3)]()]
        if rng.random() < 0.4:
            layers += [Residual([self.filters(C, C, (3, 3), 1, 1), ReLU()])]
        for layer in layers[1:]:
            self.out = layer.forward(self.out, True)
        return layers

    def filters(self, C: int, F: int, size: Any, stride: int, pad: int) -> Conv2D:
        """A convolution, also with windows that are not square."""
        layer = Conv2D(C, F, 1, stride, pad, rng=self.rng)
        std = np.sqrt(2 / (C * np.prod(size)))
        layer.params["W"] = std * self.rng.standard_normal((*size, C, F))
        return layer


def every(layer: Any) -> Iterator[Layer]:
    """The layer and all inside it, in the order of the forward pass."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from every(inner)


def affine_maps(layers: list[Layer]) -> int:
    return sum(isinstance(inner, Affine) for layer in layers for inner in every(layer))


def correct(count: int, kind: type[Drawn] = Drawn) -> Iterator[Drawn]:
    """Models of depth 2 to 20, those of images with 1 to 3 convolutions and residual layers."""
    for seed in range(count):
        yield kind(seed, depth=2 + seed % 19)


def places(net: Sequential) -> list[tuple[str, Any]]:
    """The place of every layer, from the input on; the model itself has none."""

    def inside(chain: Any, before: str) -> Iterator[tuple[str, Any]]:
        for number, layer in enumerate(chain.layers):
            yield f"{before}{number}", layer
            if isinstance(layer, Chain):
                yield from inside(layer, f"{before}{number}.")

    return [("", net), *inside(net, "")]


def is_clear(label: str, layer: Any, N: int) -> bool:
    """Whether a label is the only right one: not so with one example or place, or two."""
    if label.startswith(AMBIGUOUS_PLACES) and isinstance(layer, Conv2D):
        shape = np.array(layer.memory.shape[1:3]) + 2 * layer.pad - layer.params["W"].shape[:2]
        if (shape // layer.stride < 2).any():
            return False
    return N > 2 or not label.startswith(AMBIGUOUS)


def attempt(
    lines: tuple[Any, ...], seed: int, deepest: int = 20, draw: type[Drawn] = Drawn
) -> Faulty | None:
    """A deep model with faults, or None where one has no place in it, or changes no gradient."""
    rng = np.random.default_rng(seed)
    made = draw(seed, depth=int(rng.integers(2, deepest + 1)))
    net, end = made.net, None
    made.reg = made.reg or 0.1 * any("reg" in label for _, label, *_ in lines)
    right = net.loss(made.X, made.y, made.reg)
    changes = []
    for kinds, _, old, new in lines:
        found = [each for each in places(net)[:end] if type(each[1]) in kinds]
        if not found:
            return None
        place, layer = found[rng.integers(len(found))]
        if not is_clear(lines[0][1], layer, len(made.X)):
            return None
        end = [each for _, each in places(net)].index(layer)
        changes += [(place, layer, written(type(layer), old, new))]
    for _, layer, kind in changes:
        before, layer.__class__ = layer.__class__, kind
        try:
            alone = net.loss(made.X, made.y, made.reg)
            data = net.loss(made.X, made.y, 0.0)[1]
        except (
            ValueError,
            KeyError,
            IndexError,
        ):  # NumPy refuses it: the student sees this at once
            return None
        layer.__class__ = before
        empty = any(right[1][key].any() and not g.any() for key, g in data.items())
        if same(alone, right) or (empty and lines[0][1] != "zero"):
            return None
    for _, layer, kind in changes:
        layer.__class__ = kind
        layer.grads = {}
    what = "; ".join(f"{place} {kind.__name__}" for place, _, kind in changes)
    what = f"{lines[0][3]} for {lines[0][2]} in {what}; {describe(made)}"
    fault = Faulty(lines[0][1], what, net.params, net.loss, made.X, made.y, made.reg)
    fault.model, fault.layer = net, changes[0][0] or None
    return fault


def describe(made: Drawn) -> str:
    kinds = ", ".join(type(layer).__name__ for layer in made.net.layers)
    return f"{kinds}, X {made.X.shape}, reg {made.reg:g}"


def cases_of(lines: tuple[tuple[Any, ...], ...]) -> list[tuple[Any, ...]]:
    return [((kinds, label, old, new),) for kinds, label, old, *all_new in lines for new in all_new]


def fresh(seed: int, tries: int = 3, deepest: int = 20) -> Iterator[Faulty]:
    """Every line and every pair in as many models as tries, where they change a gradient."""
    for number, lines in enumerate([*cases_of(LINES), *PAIRS]):
        found = (attempt(lines, 10**6 * seed + 1000 * number + k, deepest) for k in range(60))
        yield from islice((fault for fault in found if fault), tries)


def fresh_images(seed: int, tries: int = 3) -> Iterator[Faulty]:
    """The same for models of images; of the other layers' lines those that have a place there."""
    others = tuple(line for line in LINES if not {BatchNorm, Dropout, Scale} & {*line[0]})
    for number, lines in enumerate([*cases_of(LINES_OF_IMAGES), *cases_of(others)]):
        first = 10**6 * seed + 1000 * number
        found = (attempt(lines, first + k, draw=Images) for k in range(200))
        yield from islice((fault for fault in found if fault), tries)
