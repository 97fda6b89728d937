"""Faults in gradients with the cause, the layer and the parameter that a check should name first.

    python -m tests.labelled_faults [SEED]      the four figures, and every fault that is missed

A label is set by how the fault was made. The models are drawn anew for every seed.
"""

import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from cs231n_utils.gradient_check import GradientCheckError, check_model
from cs231n_utils.taught.convolution import Conv2D, MaxPool2D, conv2d_backward
from cs231n_utils.taught.layers import (
    Affine,
    BatchNorm,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
)
from cs231n_utils.taught.models import SoftmaxClassifier, TwoLayerNet

NAMED = ("cause", "layer", "parameter")


@dataclass
class Fault:
    """A model with a fault, and what a check of it should name; causes that say the same by |."""

    cause: str
    what: str
    model: Any
    X: np.ndarray
    y: np.ndarray
    reg: float
    layer: str | None
    parameter: str | None
    error: GradientCheckError | None = None

    def check(self):
        """What is named right: the cause, the layer, the parameter."""
        try:
            check_model(self.model, self.X, self.y, self.reg)
        except GradientCheckError as error:
            self.error = error
            cause = error.causes[0] in self.cause.split("|")
            return cause, error.layer == self.layer, error.parameter == self.parameter
        return False, False, False


# Two layers, and the softmax classifier: a student's pass, of which one piece is replaced.

SOFTMAX = """
P = np.exp(S - S.max(axis=1, keepdims=True))
P = P / P.sum(axis=1, keepdims=True)
Y = np.eye(S.shape[1])[y]
loss = -np.mean(np.log(P[np.arange(N), y]))
dS = (P - Y) / N
"""
NETWORK = f"""
N = len(X)
Z = X @ W1 + b1
A = np.maximum(Z, 0)
S = A @ W2 + b2
{SOFTMAX}
loss += 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
dA = dS @ W2.T
dZ = dA * (Z > 0)
grads = {{"W1": X.T @ dZ + reg * W1, "b1": dZ.sum(axis=0)}}
grads |= {{"W2": A.T @ dS + reg * W2, "b2": dS.sum(axis=0)}}
"""
CLASSIFIER = f"""
N = len(X)
S = X @ W + b
{SOFTMAX}
loss += 0.5 * reg * np.sum(W * W)
grads = {{"W": X.T @ dS + reg * W, "b": dS.sum(axis=0)}}
"""
LINES = (  # the cause, a piece of the pass, what students write
    ("mask_misplaced", "dA * (Z > 0)", "dA * (dA > 0)"),
    ("mask_missing", "dA * (Z > 0)", "dA", "np.where(Z > 0, dA, 0.01 * dA)"),
    ("mask_missing", "A.T @ dS", "Z.T @ dS"),
    ("mask_inverted", "dA * (Z > 0)", "dA * (Z < 0)"),
    ("other_mask", "dA * (Z > 0)", "dA * A", "1.0 * (Z > 0)"),
    ("one_per_row", "(P - Y) / N", "P / N", "(P + Y) / N"),
    ("factor N", "(P - Y) / N", "P - Y"),
    ("factor 1/N", "(P - Y) / N", "(P - Y) / N / N"),
    ("sign", "(P - Y) / N", "(Y - P) / N"),
    ("factor 2", "(P - Y) / N", "2 * (P - Y) / N"),
    ("factor", "(P - Y) / N", "(P - Y) / S.shape[1]", "0.3 * (P - Y) / N"),
    ("mean_of_part", "(P - Y) / N", "P - Y / N", "P / N - Y"),
    ("softmax_diagonal", "(P - Y) / N", "(P - Y) * P * (1 - P) / N", "-Y * (1 - P) / N"),
    ("softmax_missing", "(P - Y) / N", "-Y / P / N", "(S - Y) / N"),
    ("transpose", "dS @ W2.T", "dS @ W2"),
    ("transpose", "X.T @ dZ", "dZ.T @ X"),
    ("transpose", "X.T @ dS", "dS.T @ X"),
    ("transpose", "A.T @ dS + reg * W2", "(A.T @ dS + reg * W2).T"),
    ("wrong_axis", "dZ.sum(axis=0)", "dZ.sum(axis=1)", "0 * b1 + dZ.sum()"),
    ("missing_sum", "dZ.sum(axis=0)", "dZ"),
    ("missing_sum", "dS.sum(axis=0)", "dS"),
    ("shape", "dS.sum(axis=0)", "dS.sum(axis=0, keepdims=True)"),
    ("factor 1/N", "dZ.sum(axis=0)", "dZ.mean(axis=0)"),
    ("one_example", "dS.sum(axis=0)", "dS[-1]"),
    ("example_missing", "X.T @ dZ", "X[:-1].T @ dZ[:-1]"),
    ("example_missing", "dS.sum(axis=0)", "dS[1:].sum(axis=0)"),
    ("reg_missing", "+ reg * W2", ""),
    ("reg_missing", "+ reg * W,", ","),
    ("reg_doubled", "+ reg * W1", "+ 2 * reg * W1"),
    ("reg_doubled", "dZ.sum(axis=0)", "dZ.sum(axis=0) + reg * b1"),
    ("reg_doubled", "loss += 0.5 * reg", "loss += 0 * reg"),
    ("reg_factor", "loss += 0.5 * reg", "loss += reg"),
    ("reg_factor", "+ reg * W2", "+ 0.5 * reg * W2", "- reg * W2", "+ reg * W2 / N"),
    ("reg_misplaced", "X.T @ dZ + reg * W1", "(1 + reg) * (X.T @ dZ)"),
    ("reg_misplaced", "X.T @ dS + reg * W", "(1 + reg) * (X.T @ dS)"),
    ("zero", "A.T @ dS + reg * W2", "np.zeros_like(W2)"),
    ("one_row", "reg * W1", "reg * W1 + (np.arange(len(W1)) < 1)[:, None]"),
    ("one_column", "reg * W2", "reg * W2 + (np.arange(len(b2)) < 1)"),
    ("swapped", '"b1": dZ.sum(axis=0)', '"b1": dS.sum(axis=0)'),
    ("integer", "dS.sum(axis=0)", "dS.sum(axis=0).astype(int)"),
    ("float32", "dS.sum(axis=0)", "dS.sum(axis=0).astype(np.float16)"),
    ("missing", '"b2": dS.sum(axis=0)', '"b_2": dS.sum(axis=0)'),
)


class Student:
    """A model whose loss is a pass given as text."""

    def __init__(self, source, params):
        self.params, self.code = params, compile(source, "a student's pass", "exec")

    def loss(self, X, y, reg):
        """The loss and the gradients."""
        names = {"X": X, "y": y, "reg": reg, "np": np} | self.params
        exec(self.code, names)
        return names["loss"], names["grads"]


def plain_faults(seed):
    """Every line in every network that it stands in, on three kinds of sizes."""
    rng = np.random.default_rng(seed)
    for source, (cause, old, *several), kind in product((NETWORK, CLASSIFIER), LINES, range(3)):
        k, sizes = int(rng.integers(3, 7)), rng.integers([3, 2, 2, 2], [10, 9, 9, 7])
        N, D, H, C = [sizes, (k, k, k, k), (9, 4, k, k)][kind]
        shapes = {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
        shapes = shapes if source is NETWORK else {"W": (D, C), "b": (C,)}
        params = {key: rng.standard_normal(size) / 2 for key, size in shapes.items()}
        X, y = rng.standard_normal((N, D)), rng.integers(0, C, N)
        reg = float(rng.choice([1e-3, 0.1, 0.7] if "reg" in cause else [0.0, 1e-3, 0.1, 0.7]))
        right = Student(source, params).loss(X, y, reg)
        for new in several * (old in source):
            model = Student(source.replace(old, new), params)
            with suppress(ValueError):  # NumPy refuses it: the student sees this at once
                if wrong := differing(model.loss(X, y, reg), right):
                    what = f"{new} for {old}, {(N, D, H, C)}, reg {reg:g}"
                    yield Fault(cause, what, model, X, y, reg, None, wrong[-1])


def differing(answer, right):
    """The keys of gradients that a check can tell apart; all weights if the loss is wrong."""
    (loss, grads), (right_loss, right_grads) = answer, right
    size = max(np.abs(gradient).max() for gradient in right_grads.values())
    return [
        key
        for key, gradient in right_grads.items()
        if np.shape(grads.get(key)) != gradient.shape
        or not np.allclose(grads[key], gradient, rtol=1e-6, atol=1e-12 * size)
        or (loss != right_loss and gradient.ndim > 1)
    ]


# Deep models: what the backward pass of one layer gives is replaced.


class Tanh(Layer):
    """A layer of a kind that the series does not have."""

    def forward(self, X, training=False):
        """What leaves the layer."""
        self.memory = np.tanh(X)
        return self.memory

    def backward(self, dOut):
        """The gradient dX."""
        return dOut * (1 - self.memory**2)


def rows(A):
    return A.reshape(-1, A.shape[-1])


def norm_back(dOut, m, mean=1, along=1, gamma=True, scale=True, other_axis=False):
    """The dX of a norm, of which some factors and terms may be missing."""
    X_hat, right_scale, _ = m.memory
    axis = 1 - m.axis if other_axis else m.axis
    dX_hat = rows(dOut) * (m.params["gamma"] if gamma else 1)
    terms = mean * dX_hat.mean(axis=axis, keepdims=True)
    terms = terms + along * X_hat * (dX_hat * X_hat).mean(axis=axis, keepdims=True)
    return ((right_scale if scale else 1) * (dX_hat - terms)).reshape(dOut.shape)


def summed(g, m):
    """The sum over all calls so far."""
    m.total = getattr(m, "total", 0) + g
    return m.total


def conv_back(dOut, m, X=None, W=None):
    """The gradients dX, dW and db of a convolution, with other arrays."""
    X, W = m.memory if X is None else X, m.params["W"] if W is None else W
    return conv2d_backward(dOut, X, W, m.stride, m.pad)


def swapped_back(dOut, m, *axes):
    return conv_back(dOut, m, W=m.params["W"].swapaxes(*axes))[0]


def only(dOut, *at):
    """Zeros, but at some positions what dOut holds."""
    kept = np.zeros_like(dOut)
    kept[at] = dOut[at]
    return kept


def over(A, m):
    return A.repeat(m.size, axis=1).repeat(m.size, axis=2)


LAST, MOST, ALL = slice(-1, None), slice(None, -1), slice(None)
ANY, NORMS, CONV, POOL = (Affine, Conv2D), (BatchNorm, LayerNorm), (Conv2D,), (MaxPool2D,)
# Layers, the cause, the gradient, what stands there: from the right one, g, what comes from above,
# d, and the layer m.
FAULTS = (
    ((Affine,), "transpose", "dX", lambda g, d, m: d @ m.params["W"]),
    ((Affine,), "chain", "dX", lambda g, d, m: d),
    ((*ANY, *NORMS, *POOL, Residual, Tanh), "sign", "dX", lambda g, d, m: -g),
    ((Affine, *POOL, Tanh), "factor 2", "dX", lambda g, d, m: 2 * g),
    ((Affine,), "factor N", "dX", lambda g, d, m: len(d) * g),
    ((Affine,), "transpose", "W", lambda g, d, m: g.T),
    (ANY, "factor 1/N", "W", lambda g, d, m: g / len(d)),
    (ANY, "sign", "W", lambda g, d, m: -g),
    (ANY, "factor", "W", lambda g, d, m: 0.3 * g),
    (ANY, "zero", "W", lambda g, d, m: 0 * g),
    ((Affine,), "one_row", "W", lambda g, d, m: g * (np.arange(len(g)) > 0)[:, None]),
    ((Affine,), "example_missing", "W", lambda g, d, m: m.memory[1:].T @ d[1:]),
    ((Affine,), "wrong_input", "W", lambda g, d, m: (m.memory - m.memory.mean(axis=0)).T @ d),
    (ANY, "accumulated", "W", lambda g, d, m: summed(g, m)),
    ((Affine,), "wrong_axis", "b", lambda g, d, m: d.sum(axis=1)),
    (ANY, "wrong_axis", "b", lambda g, d, m: 0 * g + d.sum()),
    (ANY, "missing_sum", "b", lambda g, d, m: d),
    (ANY, "factor 1/N", "b", lambda g, d, m: g / len(d)),
    (ANY, "shape", "b", lambda g, d, m: g[None]),
    (ANY, "one_example", "b", lambda g, d, m: only(d, LAST).reshape(-1, len(g)).sum(axis=0)),
    ((ReLU,), "mask_missing", "dX", lambda g, d, m: d),
    ((ReLU,), "mask_misplaced", "dX", lambda g, d, m: d * (d > 0)),
    ((ReLU,), "mask_missing", "dX", lambda g, d, m: np.where(m.memory > 0, d, 0.01 * d)),
    ((ReLU,), "mask_inverted", "dX", lambda g, d, m: d * (m.memory < 0)),
    ((ReLU,), "other_mask", "dX", lambda g, d, m: d * m.memory),
    ((ReLU,), "other_mask", "dX", lambda g, d, m: 1.0 * (m.memory > 0)),
    (NORMS, "mean_term", "dX", lambda g, d, m: norm_back(d, m, mean=0)),
    (NORMS, "variance_term", "dX", lambda g, d, m: norm_back(d, m, along=0)),
    (NORMS, "constant_statistics", "dX", lambda g, d, m: norm_back(d, m, mean=0, along=0)),
    (NORMS, "wrong_axis", "dX", lambda g, d, m: norm_back(d, m, other_axis=True)),
    (NORMS, "gamma_missing", "dX", lambda g, d, m: norm_back(d, m, gamma=False)),
    (NORMS, "scale_missing", "dX", lambda g, d, m: norm_back(d, m, scale=False)),
    (NORMS, "sign", "dX", lambda g, d, m: norm_back(d, m, along=-1)),
    (NORMS, "wrong_axis", "gamma", lambda g, d, m: (rows(d) * m.memory[0]).sum(axis=1)),
    (NORMS, "missing_sum", "gamma", lambda g, d, m: rows(d) * m.memory[0]),
    (NORMS, "missing_sum", "beta", lambda g, d, m: rows(d)),
    (NORMS, "factor 1/N", "gamma", lambda g, d, m: g / len(d)),
    (NORMS, "x_hat_missing|swapped", "gamma", lambda g, d, m: rows(d).sum(axis=0)),
    (NORMS, "wrong_input", "gamma", lambda g, d, m: sum(rows(d) * m.memory[0] / m.memory[1])),
    ((Dropout,), "mask_missing", "dX", lambda g, d, m: d),
    ((Dropout,), "mask_missing", "dX", lambda g, d, m: d / (m.mask.max() ** -1)),
    ((Dropout,), "keep_missing|factor", "dX", lambda g, d, m: g * (m.mask.max() ** -1)),
    ((Dropout,), "mask_inverted", "dX", lambda g, d, m: d * (m.memory == 0)),
    ((Residual,), "residual_overwritten|chain", "dX", lambda g, d, m: d),
    ((Residual,), "residual_overwritten", "dX", lambda g, d, m: g - d),
    ((Tanh,), "unknown", "dX", lambda g, d, m: d * (1 - m.memory)),
    (CONV, "not_turned", "dX", lambda g, d, m: conv_back(d, m, W=m.params["W"][::-1, ::-1])[0]),
    (CONV, "channels", "dX", lambda g, d, m: swapped_back(d, m, 2, 3)),
    (CONV, "rows_columns", "dX", lambda g, d, m: swapped_back(d, m, 0, 1)),
    (CONV, "padding|order", "dX", lambda g, d, m: np.roll(g, 1, axis=(1, 2))),
    (CONV, "overwritten", "dX", lambda g, d, m: conv_back(only(d, ..., LAST), m)[0]),
    (CONV, "channels|transpose", "W", lambda g, d, m: g.swapaxes(2, 3)),
    (CONV, "rows_columns|transpose", "W", lambda g, d, m: g.swapaxes(0, 1)),
    (CONV, "turned|order", "W", lambda g, d, m: g[::-1, ::-1]),
    (CONV, "padding", "W", lambda g, d, m: conv_back(d, m, X=np.roll(m.memory, 1, axis=(1, 2)))[1]),
    (CONV, "one_place", "W", lambda g, d, m: conv_back(only(d, ALL, LAST, LAST), m)[1]),
    (CONV, "place_missing", "W", lambda g, d, m: conv_back(only(d, ALL, MOST), m)[1]),
    (CONV, "example_missing", "W", lambda g, d, m: conv_back(only(d, MOST), m)[1]),
    (CONV, "missing_sum", "b", lambda g, d, m: d.sum(axis=0)),
    (CONV, "wrong_axis", "b", lambda g, d, m: d.sum(axis=(1, 2, 3))),
    (CONV, "mean_for_sum|factor", "b", lambda g, d, m: d.mean(axis=(0, 1, 2))),
    (POOL, "mask_missing", "dX", lambda g, d, m: over(d, m)),
    (POOL, "mask_inverted", "dX", lambda g, d, m: over(d, m) * (g == 0)),
    (POOL, "average_pooling", "dX", lambda g, d, m: over(d, m) / m.size**2),
    (POOL, "wrong_entry|order", "dX", lambda g, d, m: np.roll(g, 1, axis=2)),
    (POOL, "dA_missing", "dX", lambda g, d, m: 1.0 * (g != 0)),
    ((Flatten,), "order|transpose", "dX", lambda g, d, m: d.reshape(g.shape, order="F")),
)
LOSSES = (  # the cause, N times the gradient of the scores
    ("factor N", lambda P, Y: len(P) * (P - Y)),
    ("sign", lambda P, Y: Y - P),
    ("one_per_row", lambda P, Y: P),
    ("softmax_missing", lambda P, Y: -Y / P),
)


def deep_model(rng):
    """A network of rows with its X, y and reg: random layers, sizes and spreads."""
    width, C, depth = (int(k) for k in rng.integers([3, 2, 1], [7, 6, 8]))
    norm, layers = (
        [None, BatchNorm, LayerNorm][rng.integers(3)],
        [Affine(4, width, rng=rng), ReLU()],
    )
    for _ in range(depth):
        inside = [Affine(width, width, rng=rng), *([norm(width)] if norm else [])]
        inside += [[ReLU, ReLU, Tanh][rng.integers(3)]()]
        if rng.random() < 0.2:
            inside += [Dropout(0.7, rng=rng)]
            inside[-1].redraw = False
        layers += [Residual(inside)] if rng.random() < 0.4 else inside
    X = rng.standard_normal((int(rng.integers(3, 9)), 4))
    return finished([*layers, Affine(width, C, rng=rng)], X, C, rng)


def image_model(rng):
    """The same for images: convolutions of any size, stride and padding, max pooling, norms."""
    side, C, F = 2 * int(rng.integers(2, 5)), *map(int, rng.integers(1, 4, 2))
    X = rng.standard_normal((int(rng.integers(3, 6)), side, side, C))
    stride, pad = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    layers = [Conv2D(C, F, 3, 1, 1, rng=rng), BatchNorm(F), ReLU(), MaxPool2D(2)]
    layers += [Residual([Conv2D(F, F, 3, 1, 1, rng=rng), ReLU()])] * bool(rng.integers(2))
    layers += [Conv2D(F, F, 2, stride, pad, rng=rng), Tanh()]
    size = Sequential([*layers, Flatten()]).forward(X, True)[0].size
    return finished([*layers, Flatten(), Affine(size, 3, rng=rng)], X, 3, rng)


def finished(layers, X, C, rng):
    net = Sequential(layers)
    for value in net.params.values():
        value += 0.3 * rng.standard_normal(value.shape)
    return net, X, rng.integers(0, C, len(X)), float(rng.choice([0.0, 1e-3, 0.1, 1.0]))


def with_fault(layer, key, wrong):
    """Let a layer's backward pass give what is wrong."""

    def backward(dOut):
        dX = type(layer).backward(layer, dOut)
        if key == "dX":
            return wrong(dX, dOut, layer)
        layer.grads = layer.grads | {key: wrong(layer.grads[key], dOut, layer)}
        return dX

    layer.backward = backward


def places(chain, before=""):
    """The place of every layer, and of those inside it."""
    for number, layer in enumerate(chain.layers):
        yield f"{before}{number}", layer
        if isinstance(layer, Residual):
            yield from places(layer, f"{before}{number}.")


def deep_faults(seed, tries=3):
    """Every fault in as many models as tries, where it changes a gradient."""
    rng = np.random.default_rng(seed)
    for kinds, cause, key, wrong in FAULTS:
        found = 0
        for attempt in range(60):
            net, X, y, reg = (deep_model, image_model)[attempt % 2](rng)
            those = [each for each in places(net) if type(each[1]) in kinds]
            if not those:
                continue
            place, layer = those[rng.integers(len(those))]
            right = [net.loss(X, y, reg) for _ in range(2)][1]
            right = right[0], {k: value.copy() for k, value in right[1].items()}
            with_fault(layer, key, wrong)
            with suppress(ValueError, KeyError, IndexError):  # NumPy refuses it
                keys = differing(net.loss(X, y, reg), right)
                if keys:
                    found += 1
                    own = [f"{place}.{key}"] * (key != "dX")
                    what = f"{key} of {place}, {type(layer).__name__}, {X.shape}, reg {reg:g}"
                    yield Fault(cause, what, net, X, y, reg, place, (own or keys)[-1])
            if found == tries:
                break
    for cause, wrong in LOSSES * tries:
        net, X, y, reg = (deep_model, image_model)[rng.integers(2)](rng)
        net.loss_of_scores = other_loss(net.loss_of_scores, wrong)
        yield Fault(cause, "the loss", net, X, y, reg, None, [*net.params][-1])


def other_loss(right, wrong):
    """A loss whose gradient of the scores is wrong."""

    def loss(S, y):
        P = np.exp(S - S.max(axis=1, keepdims=True))
        P, Y = P / P.sum(axis=1, keepdims=True), np.eye(S.shape[1])[y]
        return right(S, y)[0], wrong(P, Y) / len(S)

    return loss


def correct(count):
    """Correct models with X, y and reg: of two layers, also close to kinks, linear, and deep."""
    for seed in range(count):
        rng = np.random.default_rng(1000 + seed)
        if seed % 2:
            yield (deep_model, deep_model, image_model)[rng.integers(3)](rng)
            continue
        N, D, H, C = (int(k) for k in rng.integers([1, 1, 1, 2], [9, 7, 8, 6]))
        X, y, std = rng.standard_normal((N, D)), rng.integers(0, C, N), 10 ** rng.uniform(-3, 0.3)
        net = TwoLayerNet(D, H, C, std=std, rng=rng) if seed % 10 else SoftmaxClassifier(D, C)
        for value in net.params.values():
            value += std * rng.standard_normal(value.shape)
        if seed % 8 == 2 and seed % 10:  # one pre-activation in each unit within h of 0
            net.params["b1"][:] = 1e-5 * rng.uniform(-1, 1, H) - X[0] @ net.params["W1"]
        yield net, X, y, float(rng.choice([0.0, 1e-3, 0.1, 1.0]))


def accusations(models):
    """What the checks say against correct models."""
    said = []
    for model, *batch in models:
        try:
            check_model(model, *batch)
        except GradientCheckError as error:
            said.append(f"{len(said)}: {error}")
    return said


def main():
    """Print the four figures."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    for name, faults in {"two layers, linear": plain_faults, "deep": deep_faults}.items():
        count = Counter()
        for fault in faults(seed):
            named = fault.check()
            count.update(made=1, **dict(zip(NAMED, named, strict=True)))
            if not all(named):
                said = fault.error and (fault.error.causes, fault.error.layer)
                print(f"  missed: {fault.cause} in {fault.layer}: {said}; {fault.what}")
        shares = ", ".join(f"{what} {count[what] / count['made']:.1%}" for what in NAMED)
        print(f"{name}: of {count['made']} faults right first: {shares}")
    said = accusations(correct(1_000))
    print(f"accusations of 1,000 correct models: {len(said)}", *said, sep="\n")


if __name__ == "__main__":
    main()
