"""Models with a fault in their gradient, labelled, and correct models, for the diagnosis.

    python -m tools.faulty_gradients [SEED]      the table of faults against causes, the figures

A label is set by how the fault was made, never from what the checker answers. Three sets: `tuned`,
which the rules were made with, has one faulty parameter each; `fresh` is drawn from the lines that
students write, on shapes of many kinds, anew for every seed; `faulty_layers` does so for chains.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cs231n_utils.gradient_check import GradientCheckError, check_directions, check_model
from cs231n_utils.planting import EXACT
from cs231n_utils.taught.losses import cross_entropy, softmax, softmax_loss
from cs231n_utils.taught.models import SoftmaxClassifier, TwoLayerNet, forward

PASSED = "passed"
Arrays = dict[str, np.ndarray]


@dataclass
class Faulty:
    """A model with a faulty gradient: its label, that in words, and what check_model needs."""

    label: str
    what: str
    params: Arrays
    loss: Callable[..., tuple[float, Arrays]]
    X: Any
    y: Any = None
    reg: float = 0.0
    model: Any = None  # where it is not params and loss alone
    layer: str | None = None  # the place of the layer with the fault
    error: GradientCheckError | None = None

    def causes(self) -> tuple[str, ...]:
        """The causes that check_model names; `error` keeps what it says."""
        try:
            check_model(self.model or self, self.X, self.y, self.reg)
        except GradientCheckError as error:
            self.error = error
            return error.causes
        return (PASSED,)


def plain(label: str, loss: str, gradient: str, x: np.ndarray, N: int = 1, **names: Any) -> Faulty:
    """A function of an array x, about which nothing is known but the number of examples."""
    names |= {"np": np, "softmax": softmax, "cross_entropy": cross_entropy, "x": x, "N": N}
    made = eval(gradient, names)
    what = f"{gradient} for {loss}, {x.shape}"
    return Faulty(
        label, what, {"x": x}, lambda *_: (eval(loss, names), {"x": made}), np.zeros((N, 1))
    )


class Network:
    """A two-layer network on random data, with the arrays of its backward pass by name."""

    def __init__(
        self, seed: int, N: int, D: int, H: int, C: int, reg: float = 0.0, std: float = 0.7
    ) -> None:
        rng = np.random.default_rng(seed)
        self.net = TwoLayerNet(D, H, C, std=std, rng=rng)
        self.params = self.net.params
        for bias in ("b1", "b2"):
            self.params[bias][:] = std * rng.standard_normal(self.params[bias].shape)
        self.X, self.y, self.reg = rng.standard_normal((N, D)), rng.integers(0, C, N), reg
        self.update()

    def update(self) -> None:
        """The arrays of one pass, from the parameters as they are."""
        self.Z, self.A, self.S = forward(self.params, self.X)
        self.dS = softmax_loss(self.S, self.y)[1]
        self.dA = self.dS @ self.params["W2"].T
        self.dZ = self.dA * (self.Z > 0)
        self.grads = self.net.loss(self.X, self.y, self.reg)[1]

    def loss(self, _: Any) -> float:
        """The loss at the network's parameters."""
        return self.net.loss(self.X, self.y, self.reg)[0]

    def fault(self, label: str, key: str, expression: str) -> Faulty:
        """The network with one faulty gradient: an expression in the arrays of its pass.

        g is the right gradient of the parameter x, the sum of data and its L2 term l2.
        """
        x, g = self.params[key], self.grads[key]
        l2 = self.reg * x * key.startswith("W")
        names = {"np": np, "x": x, "g": g, "l2": l2, "data": g - l2}
        gradient = eval(expression, names | vars(self))

        def answer(X: np.ndarray, y: np.ndarray, reg: float) -> tuple[float, Arrays]:
            loss, grads = self.net.loss(X, y, reg)
            return loss, grads | {key: gradient}

        what = f"d{key} = {expression}, {self.Z.shape}, reg {self.reg:g}"
        return Faulty(label, what, self.params, answer, self.X, self.y, self.reg)


ALL = "W1 b1 W2 b2"
CROSS_ENTROPY, RELU = "cross_entropy(x, y)", "np.sum(dA * np.maximum(x, 0))"
SQUARE = "np.mean((X @ x) ** 2)"
L2 = [
    ("reg_missing", "W1 W2", "data"),
    ("reg_doubled", "W1 W2", "data + 2 * l2"),
    ("reg_misplaced", "W1 W2", "data + reg * data"),
]
SUMS = [
    ("missing_sum", "b1", "dZ", "dZ.T"),
    ("missing_sum", "b2", "dS"),
    ("wrong_axis", "b1", "dZ.sum()", "dZ.sum(axis=1)"),
    ("wrong_axis", "b2", "dS.sum(axis=1)"),
    ("shape", "b1", "dZ.sum(axis=0, keepdims=True)"),
    ("factor 1/N", "b1", "dZ.mean(axis=0)"),
    ("order", "b1", "g[::-1]"),
    ("order", "W1", "g.T.reshape(4, 6)"),
]
N_IS_H = [
    ("missing_sum", "b1", "dZ"),
    ("wrong_axis", "b1", "dZ.sum(axis=1)", "0 * x + dZ.sum()"),
    ("wrong_axis", "b2", "dS.sum(axis=1)"),
]
MIXED = [
    ("relu_off", "W1", "X.T @ dA + l2"),
    ("relu_off", "b1", "dA.sum(axis=0)"),
    ("relu_on", "W1", "X.T @ (dA * A) + l2"),
    ("relu_on", "b1", "(dA * A).sum(axis=0)"),
    ("relu_inverted", "W1", "X.T @ (dA * (Z <= 0)) + l2"),
    ("relu_off", "W2", "Z.T @ dS + l2"),
]
PLACES = [
    ("one_row", "W1", "g * (np.arange(len(g)) != 0)[:, None]"),
    ("one_row", "W2", "g * (np.arange(len(g)) != len(g) - 1)[:, None]"),
    ("one_column", "W1 W2", "g + np.outer(np.arange(1, 1 + len(g)), np.arange(g.shape[1]) == 1)"),
    ("one_entry", "b1 b2", "g * (np.arange(len(g)) != len(g) - 1)"),
]
TUNED: list[tuple[list[tuple], list[tuple[str, ...]]]] = [  # arguments of Networks, faults
    ([(0, 5, 4, 6, 3), (1, 3, 4, 4, 4), (2, 1, 5, 3, 2)], [("sign", ALL, "-g")]),
    ([(10, 5, 4, 6, 3)], [("factor N", ALL, "5 * g"), ("factor 1/N", ALL, "g / 5")]),
    ([(10, 5, 4, 6, 3)], [("factor 2", "W1 b2", "2 * g"), ("factor 1/2", "W1 b2", "g / 2")]),
    ([(10, 5, 4, 6, 3)], [("factor", "W1 b2", "1.37 * g")]),
    ([(11, 2, 3, 4, 3)], [("factor N", "W1", "2 * g")]),
    ([(12, 6, 4, 5, 3, 0.3)], [("factor N", "W1 W2", "6 * data + l2")]),
    ([(12, 6, 4, 5, 3, 0.3)], [("sign", "W1 W2", "l2 - data")]),
    ([(14, 5, 4, 6, 3, 0.0, 4e-3)], [("factor N", "W1", "5 * g"), ("sign", "b1", "-g")]),
    ([(30, 7, 4, 6, 3, 0.5), (31, 4, 4, 4, 4, 1.0)], L2),
    ([(32, 1, 3, 5, 2, 0.05), (33, 6, 5, 4, 3, 1e-3)], L2),
    ([(34, 7, 4, 6, 3, 0.4)], [("reg_factor", "W1", "data + l2 / 2", "data + l2 / 7")]),
    ([(34, 7, 4, 6, 3, 0.4)], [("reg_doubled", "b1", "g + reg * x")]),
    ([(40, 5, 4, 6, 3), (41, 5, 4, 4, 4)], [("transpose", "W1 W2", "g.T")]),
    ([(42, 5, 4, 4, 4, 0.2)], [("transpose", "W1", "data.T + l2"), ("transpose", "W2", "g.T")]),
    ([(50, 5, 4, 6, 3)], SUMS),
    ([(51, 1, 4, 6, 3)], [("wrong_axis", "b1", "dZ.sum(axis=1)"), ("shape", "b1", "dZ")]),
    ([(52, 6, 4, 6, 6), (53, 6, 4, 6, 6)], N_IS_H),
    ([(62, 5, 4, 6, 3), (63, 6, 6, 6, 4, 0.3), (64, 3, 5, 8, 2)], MIXED),
    ([(80, 5, 4, 6, 3), (81, 4, 5, 5, 5), (82, 1, 3, 4, 6)], PLACES),
    ([(83, 5, 4, 6, 3)], [("one_entry", "W1", "g + 0.1 * (np.arange(24).reshape(4, 6) == 15)")]),
    ([(92, 5, 4, 6, 3)], [("zero", "W1", "np.zeros((4, 6))")]),
    ([(100, 5, 4, 6, 3, 0.1)], [("unknown", "W1 W2", "g + 0.1 * np.sin(np.exp(3 + 9 * x))")]),
    ([(100, 5, 4, 6, 3, 0.1)], [("unknown", "W1", "g**2"), ("unknown", "W2", "A.T @ (dS * dS)")]),
    ([(100, 5, 4, 6, 3, 0.1)], [("example_missing", "W2", "A[:-1].T @ dS[:-1]")]),
]


def tuned() -> list[Faulty]:
    """The labelled set that the rules were made with."""
    faults = []
    for arguments, rows in [(each, rows) for networks, rows in TUNED for each in networks]:
        net = Network(*arguments)
        if rows is MIXED:  # unit 0 is on for every example, unit 1 off, the others are mixed
            net.params["b1"][:2] = 20.0, -20.0
            net.params["W2"][0] *= 0.02  # so that unit 0 does not saturate the softmax
        if rows is PLACES:  # most units are on, so that every row and column counts
            net.params["b1"][:] += 3.0
        net.update()
        for label, keys, *expressions in rows:
            faults += [net.fault(label, key, e) for key in keys.split() for e in expressions]
    return [*faults, *functions(), *types()]


def functions() -> Iterator[Faulty]:
    """Functions of any kind, the cross-entropy of scores, ReLU, and points at a kink."""
    net, rng = Network(10, 5, 4, 6, 3), np.random.default_rng
    for key, x in net.params.items():
        yield plain("factor", "net.loss(x)", f"5 * net.grads[{key!r}]", x, net=net)
    yield plain("factor 1/2", "np.sum(x**3)", "1.5 * x**2", rng(13).standard_normal((3, 4)))
    yield plain("factor 2", "np.sin(x)", "2 * np.cos(x)", np.array(1.7))
    yield plain("transpose", "np.trace(x @ Q)", "Q", np.ones((3, 3)), Q=rng(43).random((3, 3)))
    for seed, N, C in [(20, 6, 4), (21, 4, 4), (22, 1, 5)]:
        draw = rng(seed)
        S, y = draw.standard_normal((N, C)), draw.integers(0, C, N)
        names = {"y": y, "dS": softmax_loss(S, y)[1]}
        if N > 1:
            yield plain("factor N", CROSS_ENTROPY, "N * dS", S, N, **names)
            yield plain("one_per_row", CROSS_ENTROPY, "softmax(x) / len(x)", S, **names)
        yield plain("sign", CROSS_ENTROPY, "-dS", S, **names)
    S, y = rng(24).standard_normal((5, 5)), np.array([0, 3, 1, 4, 2])
    names = {"y": y, "dS": softmax_loss(S, y)[1], "copied": S.copy()}
    yield plain("transpose", CROSS_ENTROPY, "dS.T", S, **names)
    yield plain("one_column", CROSS_ENTROPY, "np.where(np.arange(5) < 4, dS, 0)", S, **names)
    yield plain("constant", "cross_entropy(copied, y)", "softmax(x)", S, **names)
    for seed, shape in [(60, (5, 6)), (61, (4, 4))]:
        Z, dA = rng(seed).standard_normal((2, *shape))
        yield plain("relu_off", RELU, "dA", Z, dA=dA)
        yield plain("relu_off", RELU, "np.where(x > 0, dA, 0.1 * dA)", Z, dA=dA)
        yield plain("relu_inverted", RELU, "dA * (x < 0)", Z, dA=dA)
        yield plain("relu_on", RELU, "dA * np.maximum(x, 0)", Z, dA=dA)
    Z, x = rng(70).standard_normal((4, 5)), np.array([0.3, 0.0, -1.0])
    Z[1, 2] = Z[3, 3] = 0.0
    yield plain("kink", RELU, "np.where(x > 0, 1.0, 0.0)", Z, dA=1.0)
    yield plain("kink", RELU, "np.where(x >= 0, 1.0, 0.0)", Z, dA=1.0)
    yield plain("kink", "x.max()", "np.eye(3)[0]", np.ones(3))
    yield plain("kink", "np.abs(x).sum()", "np.where(x >= 0, 1.0, -1.0)", x)
    net = Network(71, 5, 4, 6, 3)
    net.X[2], net.params["b1"][:] = 0.0, 0.0  # an image of zeros
    net.update()
    yield net.fault("kink", "b1", "g")


def types() -> Iterator[Faulty]:
    """Arrays of another type, and losses that are no functions of their parameters."""
    rng = np.random.default_rng(90)
    X, x = rng.standard_normal((20, 3)), rng.standard_normal(3)
    names = {"X": X, "g": 2 * X.T @ (X @ x) / 20, "rng": np.random.default_rng(91)}
    for label, f, gradient, at in [
        ("not_deterministic", "np.mean((X[rng.integers(20, size=5)] @ x) ** 2)", "g", x),
        ("not_deterministic", "np.mean((X @ (x * (rng.random(3) < 0.5))) ** 2)", "g", x),
        ("writes_into_x", "np.mean((X @ np.subtract(x, x.mean(), out=x)) ** 2)", "g", x),
        ("float32", "np.mean((X.astype(np.float32) @ x.astype(np.float32)) ** 2)", "g", x),
        ("float32", SQUARE, "g", x.astype(np.float32)),
        ("float32", SQUARE, "g.astype(np.float16)", x),
        ("integer", SQUARE, "g", np.array([1, 2, 3])),
        ("integer", SQUARE, "(9 * g).astype(int)", x * 9),
        ("zero", SQUARE, "np.zeros(3)", x),
        ("not_finite", SQUARE, "g * np.array([1, np.nan, 1])", x),
    ]:
        yield plain(label, f, gradient, at, **names)
    net, other = Network(92, 5, 4, 6, 3), Network(92, 5, 4, 6, 3)
    yield plain("constant", "f(x)", "g", net.params["W1"], f=other.loss, g=net.grads["W1"])


# A student's pass, complete. A fault replaces one piece of it; the names are the student's.
SOFTMAX = """
shifted = S - S.max(axis=1, keepdims=True)
P = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
Y = np.eye(S.shape[1])[y]
loss = np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(N), y])
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
S = X @ W2 + b2
{SOFTMAX}
loss += 0.5 * reg * np.sum(W2 * W2)
grads = {{"W2": X.T @ dS + reg * W2, "b2": dS.sum(axis=0)}}
"""
LINES = (  # label, what stands in the pass, what students write
    ("relu_off", "dA * (Z > 0)", "dA", "dA * (dA > 0)", "np.where(Z > 0, dA, 0.01 * dA)"),
    ("relu_off", "A.T @ dS", "Z.T @ dS"),
    ("relu_inverted", "dA * (Z > 0)", "dA * (Z < 0)", "dA * (Z <= 0)"),
    ("relu_on", "dA * (Z > 0)", "dA * A"),
    ("one_per_row", "(P - Y) / N", "P / N", "(P + Y) / N"),
    ("factor N", "(P - Y) / N", "P - Y"),
    ("factor 1/N", "(P - Y) / N", "(P - Y) / N / N"),
    ("sign", "(P - Y) / N", "(Y - P) / N"),
    ("factor 2", "(P - Y) / N", "2 * (P - Y) / N"),
    ("factor", "(P - Y) / N", "(P - Y) / S.shape[1]"),
    ("factor", "A.T @ dS + reg * W2", "0.3 * (A.T @ dS + reg * W2)"),
    ("mean_of_part", "(P - Y) / N", "P - Y / N", "P / N - Y"),
    ("softmax_diagonal", "(P - Y) / N", "(P - Y) * P * (1 - P) / N", "-Y * (1 - P) / N"),
    ("softmax_missing", "(P - Y) / N", "-Y / P / N", "(S - Y) / N"),
    ("transpose", "dS @ W2.T", "dS @ W2"),
    ("transpose", "X.T @ dZ", "dZ.T @ X"),
    ("transpose", "X.T @ dS", "dS.T @ X"),
    ("transpose", "A.T @ dS + reg * W2", "(A.T @ dS + reg * W2).T"),
    ("wrong_axis", "dZ.sum(axis=0)", "dZ.sum(axis=1)"),
    ("wrong_axis", "dS.sum(axis=0)", "dS.sum(axis=1)"),
    ("wrong_axis", "dZ.sum(axis=0)", "0 * b1 + dZ.sum()"),
    ("missing_sum", "dZ.sum(axis=0)", "dZ"),
    ("shape", "dS.sum(axis=0)", "dS.sum(axis=0, keepdims=True)"),
    ("factor 1/N", "dZ.sum(axis=0)", "dZ.mean(axis=0)"),
    ("one_example", "dS.sum(axis=0)", "dS[-1]"),
    ("example_missing", "X.T @ dZ", "X[:-1].T @ dZ[:-1]"),
    ("example_missing", "dS.sum(axis=0)", "dS[:-1].sum(axis=0)"),
    ("reg_missing", " + reg * W2", ""),
    ("reg_missing", " + reg * W1", ""),
    ("reg_doubled", "+ reg * W1", "+ 2 * reg * W1"),
    ("reg_doubled", "dZ.sum(axis=0)", "dZ.sum(axis=0) + reg * b1"),
    ("reg_doubled", "loss += 0.5 * reg", "loss += 0 * reg"),
    ("reg_factor", "loss += 0.5 * reg", "loss += reg"),
    ("reg_factor", "+ reg * W2", "+ 0.5 * reg * W2", "- reg * W2", "+ reg * W2 / N"),
    ("reg_misplaced", "X.T @ dZ + reg * W1", "(1 + reg) * (X.T @ dZ)"),
    ("reg_misplaced", "A.T @ dS + reg * W2", "(1 + reg) * (A.T @ dS)"),
    ("zero", "A.T @ dS + reg * W2", "np.zeros_like(W2)"),
    ("zero", "dZ.sum(axis=0)", "np.zeros_like(b1)"),
    ("one_row", "X.T @ dZ + reg * W1", "(X.T @ dZ + reg * W1) * (np.arange(len(W1)) > 0)[:, None]"),
    ("one_column", "A.T @ dS + reg * W2", "(A.T @ dS + reg * W2) * (np.arange(len(b2)) > 0)"),
    ("swapped", '"b1": dZ.sum(axis=0)', '"b1": dS.sum(axis=0)'),
    ("integer", "dS.sum(axis=0)", "dS.sum(axis=0).astype(int)"),
    ("missing", '"b2": dS.sum(axis=0)', '"b_2": dS.sum(axis=0)'),
    ("float32", "Z = X @ W1 + b1", "Z = (X @ W1 + b1).astype(np.float32)"),
    ("float32", '"b2": dS.sum(axis=0)', '"b2": dS.sum(axis=0).astype(np.float32)'),
    ("not_deterministic", "A = np.maximum(Z, 0)", "A = np.maximum(Z, 0) * rng.random(Z.shape)"),
    ("writes_into_x", "N = len(X)", "X -= X.max(); N = len(X)"),
    ("constant", "Z = X @ W1 + b1", "Z = X @ first['W1'] + b1"),
)
PAIRS = (  # two faults at once: the label is the first
    ("relu_off", ("dA * (Z > 0)", "dA"), (" + reg * W1", "")),
    ("relu_inverted", ("dA * (Z > 0)", "dA * (Z <= 0)"), ("+ reg * W1", "+ 2 * reg * W1")),
    ("factor N", ("(P - Y) / N", "P - Y"), (" + reg * W2", "")),
    ("one_per_row", ("(P - Y) / N", "P / N"), (" + reg * W2", "")),
)
# N, D, H, C of a model; k: a number that is the same in several places.
KINDS = ("N D H C", "N D H C", "1 D H C", "N k k k", "k k k k", "k D k C", "k D H k", "12 50 40 5")


def student(source: str, params: Arrays, rng: Any = None) -> Callable[..., tuple[float, Arrays]]:
    """The loss and gradients of a pass that is given as text."""
    code = compile(source, "a student's pass", "exec")
    first = {key: value.copy() for key, value in params.items()}

    def answer(X: np.ndarray, y: np.ndarray, reg: float) -> tuple[float, Arrays]:
        names = {**params, "X": X, "y": y, "reg": reg, "np": np, "rng": rng, "first": first}
        exec(code, names)
        return names["loss"], names["grads"]

    return answer


def attempt(label: str, changes: Any, kind: str, rng: np.random.Generator) -> Faulty | None:
    """A student's model with changes, or None where one does not apply or changes nothing."""
    sizes = dict(zip("NDHC", rng.integers([3, 2, 2, 2], [10, 9, 9, 7]), strict=True))
    sizes["k"] = rng.integers(3, 8)
    shape = N, D, H, C = tuple(int(sizes.get(size, size)) for size in kind.split())
    source, shapes = NETWORK, {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    if rng.random() < 0.3:
        source, shapes = CLASSIFIER, {"W2": (D, C), "b2": (C,)}
    reg = float(rng.choice([0.0, 1e-3, 0.1, 0.7]))
    if any("reg" in old and "A.T" not in old for old, _ in changes) or "reg" in label:
        reg = reg or 0.05
    std = 10 ** rng.uniform(-1, 0.2) / (3 if H == 40 else 1)
    params = {key: std * rng.standard_normal(size) for key, size in shapes.items()}
    X, y = rng.standard_normal((N, D)), rng.integers(0, C, N)
    right = student(source, params)(X, y, reg)
    for old, new in changes:
        try:
            alone = student(source.replace(old, new), params, rng)(X.copy(), y, reg)
        except ValueError:  # NumPy refuses it: the student sees this at once
            return None
        if old not in source or (label != "constant" and same(alone, right)):
            return None
    for old, new in changes:
        source = source.replace(old, new)
    answer = student(source, params, np.random.default_rng(0))
    return Faulty(label, f"{changes}, {shape}, reg {reg}", params, answer, X, y, reg)


def same(answer: tuple[float, Arrays], right: tuple[float, Arrays]) -> bool:
    """Whether no check can tell the two answers apart."""
    (loss, grads), (right_loss, right_grads) = answer, right
    noise = EXACT * max(np.abs(gradient).max() for gradient in right_grads.values())
    return loss == right_loss and all(
        np.shape(grads.get(key)) == gradient.shape
        and np.abs(grads[key] - gradient).max() <= 1e-6 * np.abs(gradient).max() + noise
        for key, gradient in right_grads.items()
    )


def fresh(seed: int) -> Iterator[Faulty]:
    """Every line and pair on every kind of shape, where it applies and changes something."""
    rng = np.random.default_rng(seed)
    cases = [(label, [(old, new)]) for label, old, *wrong in LINES for new in wrong]
    cases += [(label, list(changes)) for label, *changes in PAIRS]
    for label, changes in cases:
        for kind in KINDS:
            if made := attempt(label, changes, kind, rng):
                yield made


def correct(count: int) -> Iterator[Any]:
    """Models with X, y and reg: random shapes, spreads and reg; every fourth close to kinks."""
    for seed in range(count):
        rng = np.random.default_rng(1000 + seed)
        N, D, H, C = (int(k) for k in rng.integers([1, 1, 1, 2], [9, 7, 8, 6]))
        std = 4e-3 if seed % 5 == 0 else float(10 ** rng.uniform(-3, 0.3))
        reg = float(rng.choice([0.0, 1e-3, 0.1, 1.0]))
        net = Network(seed, N, D, H, C, reg=reg, std=std)
        if seed % 4 == 0:  # one pre-activation in each unit within h of 0
            example = int(rng.integers(N))
            net.params["b1"] -= net.Z[example] - 1e-5 * rng.uniform(-0.9, 0.9, H)
            net.update()
        if seed % 10 == 1:
            net.net = SoftmaxClassifier(D, C)
            net.params = net.net.params
            net.params["W"][...] = std * rng.standard_normal((D, C))
        yield net


def accusations(networks: Iterator[Any]) -> list[str]:
    """What the checks say against correct models."""
    said = []
    for number, net in enumerate(networks):
        try:
            check_model(net.net, net.X, net.y, net.reg)
            if isinstance(net, Network):
                check_directions(net.loss, net.params, net.net.loss(net.X, net.y, net.reg)[1])
        except GradientCheckError as error:
            said.append(f"{number}: {error}")
    return said


def confusion(answers: list[tuple[Faulty, tuple[str, ...]]]) -> str:
    """A row for each label: how often each cause was named first."""
    lines = []
    for label in dict.fromkeys(fault.label for fault, _ in answers):
        row = Counter(causes[0] for fault, causes in answers if fault.label == label)
        named = ", ".join(f"{cause} {n}" for cause, n in row.items())
        lines.append(f"{label:18} {row.total():4}   {named}")
    return "\n".join(lines)


def misses(answers: list[tuple[Faulty, tuple[str, ...]]]) -> list[str]:
    """The faults for which another cause was named first, or another layer."""
    return [
        f"{f.label}, {f.what}: {', '.join(c)}, layer {f.error and f.error.layer}"
        for f, c in answers
        if c[0] != f.label or (f.error and f.error.layer != f.layer)
    ]


def main() -> None:
    """Print the tables of faults against causes and the figures."""
    from tools import faulty_layers as deep

    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    sets = {
        "tuned": tuned(),
        f"fresh, seed {seed}": fresh(seed),
        f"deep, seed {seed}": deep.fresh(seed),
        f"images, seed {seed}": deep.fresh_images(seed),
    }
    for name, faults in sets.items():
        start = time.perf_counter()
        answers = [(fault, fault.causes()) for fault in faults]
        print(f"{name:18} made   named first")
        print(confusion(answers))
        for missed in misses(answers):
            print(f"  missed: {missed}")
        first = sum(fault.label == causes[0] for fault, causes in answers)
        among = sum(fault.label in causes for fault, causes in answers)
        passed = sum(causes == (PASSED,) for _, causes in answers)
        layers = sum(bool(fault.error) and fault.error.layer == fault.layer for fault, _ in answers)
        print(f"right cause first in {first} of {len(answers)} ({first / len(answers):.1%}), among")
        print(f"those named in {among}; right layer in {layers}; {passed} passed; ", end="")
        print(f"{time.perf_counter() - start:.0f} s\n")
    right = {
        "1,000 correct": correct(1000),
        "500 deep": deep.correct(500),
        "300 of images": deep.correct(300, deep.Images),
    }
    for name, models in right.items():
        said = accusations(models)
        print(f"accusations of {name} models: {len(said)}")
        print("\n".join(said))


if __name__ == "__main__":
    main()
