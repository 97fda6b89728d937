"""Deep models with a fault in one layer, labelled with its place, and correct deep models.

A label is set by how the fault was made: a piece of what a student writes in a layer's backward is
replaced, in one layer of a chain that is drawn anew for every seed.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

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
WRITTEN: dict[type, str] = {
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
    BatchNorm: f"""
def forward(self, X, training=False):
    return BatchNorm.forward(self, X, training)
{NORM}""",
    LayerNorm: NORM,
    Dropout: """
def backward(self, dOut):
    mask, keep = self.memory, self.keep
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


def written(kind: type, replaced: str, new: str) -> type:
    """The class of a layer, or of a model, as a student writes it, with one piece replaced."""
    if replaced not in WRITTEN[kind]:
        raise ValueError(f"{replaced} does not stand in {kind.__name__}")
    names: dict[str, Any] = {}
    code = compile(WRITTEN[kind].replace(replaced, new), "a student's layer", "exec")
    exec(code, {"np": np, "BatchNorm": BatchNorm, "gathered": gathered}, names)
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


def every(layer: Any) -> Iterator[Layer]:
    """The layer and all inside it, in the order of the forward pass."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from every(inner)


def affine_maps(layers: list[Layer]) -> int:
    return sum(isinstance(inner, Affine) for layer in layers for inner in every(layer))


def correct(count: int) -> Iterator[Drawn]:
    """Models of depth 2 to 20."""
    for seed in range(count):
        yield Drawn(seed, depth=2 + seed % 19)


def places(net: Sequential) -> list[tuple[str, Any]]:
    """The place of every layer, from the input on; the model itself has none."""

    def inside(chain: Any, before: str) -> Iterator[tuple[str, Any]]:
        for number, layer in enumerate(chain.layers):
            yield f"{before}{number}", layer
            if isinstance(layer, Chain):
                yield from inside(layer, f"{before}{number}.")

    return [("", net), *inside(net, "")]


def attempt(lines: tuple[Any, ...], seed: int, deepest: int = 20) -> Faulty | None:
    """A deep model with faults, or None where one has no place in it, or changes no gradient."""
    rng = np.random.default_rng(seed)
    made = Drawn(seed, depth=int(rng.integers(2, deepest + 1)))
    net, end = made.net, None
    if lines[0][1].startswith(AMBIGUOUS) and len(made.X) < 3:
        return None
    made.reg = made.reg or 0.1 * any("reg" in label for _, label, *_ in lines)
    right = net.loss(made.X, made.y, made.reg)
    changes = []
    for kinds, _, old, new in lines:
        found = [each for each in places(net)[:end] if type(each[1]) in kinds]
        if not found:
            return None
        place, layer = found[rng.integers(len(found))]
        end = [each for _, each in places(net)].index(layer)
        changes += [(place, layer, written(type(layer), old, new))]
    for _, layer, kind in changes:
        before, layer.__class__ = layer.__class__, kind
        try:
            alone = net.loss(made.X, made.y, made.reg)
            data = net.loss(made.X, made.y, 0.0)[1]
        except (ValueError, KeyError):  # NumPy refuses it: the student sees this at once
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
    depth = sum(isinstance(layer, Affine) for layer in every(made.net))
    return f"depth {depth}, X {made.X.shape}, width {made.width}, reg {made.reg:g}"


def fresh(seed: int, tries: int = 3, deepest: int = 20) -> Iterator[Faulty]:
    """Every line and every pair in as many models as tries, where they change a gradient."""
    cases = [
        ((kinds, label, old, new),) for kinds, label, old, *all_new in LINES for new in all_new
    ]
    for number, lines in enumerate([*cases, *PAIRS]):
        found = (attempt(lines, 10**6 * seed + 1000 * number + k, deepest) for k in range(60))
        yield from islice((fault for fault in found if fault), tries)
