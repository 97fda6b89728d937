"""Models with a fault in their gradient, labelled, and correct models, for the diagnosis.

    python tools/faulty_gradients.py [SEED]      the table of faults against causes, the figures

A label is set by how the fault was made, never from what the checker answers. Two sets: `tuned`,
which the rules were made with, has one faulty parameter each; `fresh` is drawn from the lines that
students write, on shapes of many kinds, anew for every seed.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cs231n_utils.gradient_check import GradientCheckError, check_directions, check_model
from cs231n_utils.taught.losses import cross_entropy, softmax, softmax_loss
from cs231n_utils.taught.models import SoftmaxClassifier, TwoLayerNet, forward

PASSED = "passed"
Arrays = dict[str, np.ndarray]


@dataclass
class Faulty:
    """A model whose loss has a faulty gradient, and what to check it with.

    label, what : the fault, as a cause and in words. answer : what `loss` returns, from X, y, reg.
    """

    label: str
    what: str
    params: Arrays
    answer: Callable[..., tuple[float, Arrays]]
    X: Any = None
    y: Any = None
    reg: float = 0.0
    message: str = ""

    def loss(self, X: Any, y: Any, reg: float) -> tuple[float, Arrays]:
        """What check_model asks for."""
        return self.answer(X, y, reg)

    def causes(self) -> tuple[str, ...]:
        """The causes that check_model names; `message` keeps what it says."""
        try:
            check_model(self, self.X, self.y, self.reg)
        except GradientCheckError as error:
            self.message = str(error)
            return error.causes
        return (PASSED,)


def plain(label: str, what: str, f: Callable, x: np.ndarray, gradient: Any, N: int = 1) -> Faulty:
    """A function of one parameter x, about which nothing is known but the number of examples."""
    return Faulty(label, what, {"x": x}, lambda *_: (f(x), {"x": gradient}), np.zeros((N, 1)))


class Network:
    """A two-layer network on random data, with the arrays of its backward pass by name."""

    def __init__(
        self, seed: int, N: int, D: int, H: int, C: int, reg: float = 0.0, std: float = 0.7
    ) -> None:
        rng = np.random.default_rng(seed)
        self.net = TwoLayerNet(D, H, C, std=std, rng=rng)
        for bias in ("b1", "b2"):
            self.params[bias][:] = std * rng.standard_normal(self.params[bias].shape)
        self.X, self.y, self.reg = rng.standard_normal((N, D)), rng.integers(0, C, N), reg
        self.update()

    @property
    def params(self) -> Arrays:
        """The parameters, as the network holds them."""
        return self.net.params

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

    def mix(self) -> None:
        """Unit 0 on for every example, unit 1 off for every one, the others mixed."""
        self.params["b1"][0], self.params["b1"][1] = 20.0, -20.0
        self.params["W2"][0] *= 0.02  # so that unit 0 does not saturate the softmax
        self.update()

    def lift(self) -> None:
        """Most units on, so that every row and column counts."""
        self.params["b1"][:] += 3.0
        self.update()

    def fault(self, label: str, key: str, expression: str) -> Faulty:
        """The network with one faulty gradient: an expression in the arrays of its pass.

        g is the right gradient of the parameter x, the sum of data and its L2 term l2.
        """
        x, g = self.params[key], self.grads[key]
        l2 = self.reg * x * key.startswith("W")
        gradient = eval(
            expression, {"np": np, "x": x, "g": g, "l2": l2, "data": g - l2, **vars(self)}
        )

        def answer(X: np.ndarray, y: np.ndarray, reg: float) -> tuple[float, Arrays]:
            loss, grads = self.net.loss(X, y, reg)
            return loss, grads | {key: gradient}

        what = f"d{key} = {expression}, {self.Z.shape}, reg {self.reg:g}"
        return Faulty(label, what, self.params, answer, self.X, self.y, self.reg)


ALL = "W1 b1 W2 b2"
L2 = [
    ("reg_missing", "W1 W2", "data"),
    ("reg_doubled", "W1 W2", "data + 2 * l2"),
    ("reg_misplaced", "W1 W2", "data + reg * data"),
]
N_IS_H = [
    ("wrong_axis", "b1", "dZ.sum(axis=1)"),
    ("wrong_axis", "b2", "dS.sum(axis=1)"),
    ("missing_sum", "b1", "dZ"),
    ("wrong_axis", "b1", "0 * x + dZ.sum()"),
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
TUNED: list[tuple[tuple, list[tuple[str, str, str]]]] = [  # arguments of Network, faults
    ((0, 5, 4, 6, 3), [("sign", ALL, "-g")]),
    ((1, 3, 4, 4, 4), [("sign", ALL, "-g")]),
    ((2, 1, 5, 3, 2), [("sign", ALL, "-g")]),
    ((10, 5, 4, 6, 3), [("factor N", ALL, "5 * g"), ("factor 1/N", ALL, "g / 5")]),
    ((10, 5, 4, 6, 3), [("factor 2", "W1 b2", "2 * g"), ("factor 1/2", "W1 b2", "g / 2")]),
    ((10, 5, 4, 6, 3), [("factor", "W1 b2", "1.37 * g")]),
    ((11, 2, 3, 4, 3), [("factor N", "W1", "2 * g")]),
    ((12, 6, 4, 5, 3, 0.3), [("factor N", "W1 W2", "6 * data + l2")]),
    ((12, 6, 4, 5, 3, 0.3), [("sign", "W1 W2", "l2 - data")]),
    ((14, 5, 4, 6, 3, 0.0, 4e-3), [("factor N", "W1", "5 * g"), ("sign", "b1", "-g")]),
    ((30, 7, 4, 6, 3, 0.5), L2),
    ((31, 4, 4, 4, 4, 1.0), L2),
    ((32, 1, 3, 5, 2, 0.05), L2),
    ((33, 6, 5, 4, 3, 1e-3), L2),
    ((34, 7, 4, 6, 3, 0.4), [("reg_factor", "W1", "data + l2 / 2")]),
    ((34, 7, 4, 6, 3, 0.4), [("reg_factor", "W1", "data + l2 / 7")]),
    ((34, 7, 4, 6, 3, 0.4), [("reg_doubled", "b1", "g + reg * x")]),
    ((40, 5, 4, 6, 3), [("transpose", "W1 W2", "g.T")]),
    ((41, 5, 4, 4, 4), [("transpose", "W1 W2", "g.T")]),
    ((42, 5, 4, 4, 4, 0.2), [("transpose", "W1", "data.T + l2"), ("transpose", "W2", "g.T")]),
    ((50, 5, 4, 6, 3), [("missing_sum", "b1", "dZ"), ("missing_sum", "b2", "dS")]),
    ((50, 5, 4, 6, 3), [("missing_sum", "b1", "dZ.T"), ("wrong_axis", "b1", "dZ.sum()")]),
    ((50, 5, 4, 6, 3), [("wrong_axis", "b1", "dZ.sum(axis=1)")]),
    ((50, 5, 4, 6, 3), [("wrong_axis", "b2", "dS.sum(axis=1)")]),
    ((50, 5, 4, 6, 3), [("shape", "b1", "dZ.sum(axis=0, keepdims=True)")]),
    ((50, 5, 4, 6, 3), [("factor 1/N", "b1", "dZ.mean(axis=0)"), ("order", "b1", "g[::-1]")]),
    ((50, 5, 4, 6, 3), [("order", "W1", "g.T.reshape(4, 6)")]),
    ((51, 1, 4, 6, 3), [("wrong_axis", "b1", "dZ.sum(axis=1)"), ("shape", "b1", "dZ")]),
    ((52, 6, 4, 6, 6), N_IS_H),
    ((53, 6, 4, 6, 6), N_IS_H),
    ((62, 5, 4, 6, 3), MIXED),
    ((63, 6, 6, 6, 4, 0.3), MIXED),
    ((64, 3, 5, 8, 2), MIXED),
    ((80, 5, 4, 6, 3), PLACES),
    ((81, 4, 5, 5, 5), PLACES),
    ((82, 1, 3, 4, 6), PLACES),
    ((83, 5, 4, 6, 3), [("one_entry", "W1", "g + 0.1 * (np.arange(24).reshape(4, 6) == 15)")]),
    ((92, 5, 4, 6, 3), [("zero", "W1", "np.zeros((4, 6))")]),
    ((100, 5, 4, 6, 3, 0.1), [("unknown", "W1 W2", "g + 0.1 * np.sin(np.exp(3 + 9 * x))")]),
    ((100, 5, 4, 6, 3, 0.1), [("unknown", "W1", "g**2"), ("unknown", "W2", "A.T @ (dS * dS)")]),
    ((100, 5, 4, 6, 3, 0.1), [("example_missing", "W2", "A[:-1].T @ dS[:-1]")]),
]


def tuned() -> list[Faulty]:
    """The labelled set that the rules were made with."""
    faults = []
    for arguments, rows in TUNED:
        net = Network(*arguments)
        if rows is MIXED:
            net.mix()
        if rows is PLACES:
            net.lift()
        faults += [
            net.fault(label, key, made) for label, keys, made in rows for key in keys.split()
        ]
    return [*faults, *functions(), *scores(), *relus(), *kinks(), *types_and_functions()]


def functions() -> Iterator[Faulty]:
    """Functions about which nothing is known."""
    net = Network(10, 5, 4, 6, 3)
    for key, x in net.params.items():
        yield plain("factor", f"d{key}, N not told", net.loss, x, 5 * net.grads[key])
    X, Q = (
        np.random.default_rng(13).standard_normal((3, 4)),
        np.random.default_rng(43).random((3, 3)),
    )
    yield plain("factor 1/2", "cubic: 3/2 x^2", lambda x: np.sum(x**3), X, 1.5 * X**2)
    x = np.array(1.7)
    yield plain("factor 2", "one number", lambda x: float(np.sin(x)), x, 2 * np.cos(x))
    yield plain("transpose", "tr(A Q)", lambda A: float(np.trace(A @ Q)), np.ones((3, 3)), Q)


def scores() -> Iterator[Faulty]:
    """The gradient of the cross-entropy for scores."""
    for seed, (N, C) in enumerate([(6, 4), (4, 4), (1, 5)]):
        rng = np.random.default_rng(20 + seed)
        S, y = rng.standard_normal((N, C)), rng.integers(0, C, N)
        dS = softmax_loss(S, y)[1]

        def f(S: np.ndarray, y: np.ndarray = y) -> float:
            return cross_entropy(S, y)

        if N > 1:
            yield plain("factor N", f"dS {S.shape}: P - Y", f, S, N * dS, N)
            yield plain("one_per_row", f"dS {S.shape}: P / N", f, S, softmax(S) / N)
        yield plain("sign", f"dS {S.shape}: Y - P", f, S, -dS)
    S, y = np.random.default_rng(24).standard_normal((5, 5)), np.array([0, 3, 1, 4, 2])

    def g(S: np.ndarray) -> float:
        return cross_entropy(S, y)

    yield plain("transpose", "dS, N == C", g, S, softmax_loss(S, y)[1].T)
    wrong_column = softmax_loss(S, y)[1]
    wrong_column[:, 4] = 0
    yield plain("one_column", "dS: the last class left out", g, S, wrong_column)
    copied = S.copy()
    yield plain("constant", "dS: f reads a copy", lambda _: g(copied), S, softmax(S))


def relus() -> Iterator[Faulty]:
    """The gradient of ReLU for pre-activations."""
    for seed, shape in [(60, (5, 6)), (61, (4, 4))]:
        rng = np.random.default_rng(seed)
        Z, dA = rng.standard_normal(shape), rng.standard_normal(shape)

        def f(Z: np.ndarray, dA: np.ndarray = dA) -> float:
            return float(np.sum(dA * np.maximum(Z, 0)))

        yield plain("relu_off", f"dZ {shape}: no mask", f, Z, dA)
        leaky = np.where(Z > 0, dA, 0.1 * dA)
        yield plain("relu_off", f"dZ {shape}: slope 0.1 where it is off", f, Z, leaky)
        yield plain("relu_inverted", f"dZ {shape}: Z < 0", f, Z, dA * (Z < 0))
        yield plain("relu_on", f"dZ {shape}: dA * A", f, Z, dA * np.maximum(Z, 0))


def kinks() -> Iterator[Faulty]:
    """Points at which no gradient can pass, and a step that is not allowed to shrink."""
    Z = np.random.default_rng(70).standard_normal((4, 5))
    Z[1, 2] = Z[3, 3] = 0.0

    def sum_relu(Z: np.ndarray) -> float:
        return float(np.sum(np.maximum(Z, 0)))

    yield plain("kink", "dZ: two entries are 0", sum_relu, Z, (Z > 0).astype(float))
    yield plain("kink", "dZ: the other convention", sum_relu, Z, (Z >= 0).astype(float))
    yield plain("kink", "the largest of equals", lambda x: float(x.max()), np.ones(3), np.eye(3)[0])
    x = np.array([0.3, 0.0, -1.0])
    yield plain("kink", "|x|", lambda x: float(np.sum(np.abs(x))), x, np.where(x >= 0, 1.0, -1.0))
    net = Network(71, 5, 4, 6, 3)
    net.X[2], net.params["b1"][:] = 0.0, 0.0  # an image of zeros
    net.update()
    yield net.fault("kink", "b1", "g")


def types_and_functions() -> Iterator[Faulty]:
    """Arrays of another type, and losses that are no functions of their parameters."""
    rng = np.random.default_rng(90)
    X, x = rng.standard_normal((20, 3)), rng.standard_normal(3)

    def loss(x: np.ndarray) -> float:
        return float(np.mean((X @ x) ** 2))

    gradient = 2 * X.T @ (X @ x) / len(X)
    noise = np.random.default_rng(91)

    def minibatch(x: np.ndarray) -> float:
        return float(np.mean((X[noise.integers(20, size=5)] @ x) ** 2))

    def dropout(x: np.ndarray) -> float:
        return float(np.mean((X @ (x * (noise.random(3) < 0.5))) ** 2))

    def writes(x: np.ndarray) -> float:
        x -= x.mean()
        return loss(x)

    def single(x: np.ndarray) -> float:
        return float(np.mean((X.astype(np.float32) @ x.astype(np.float32)) ** 2))

    yield plain("not_deterministic", "a new minibatch in each call", minibatch, x, gradient)
    yield plain("not_deterministic", "dropout", dropout, x, gradient)
    yield plain("writes_into_x", "centres x in place", writes, x, gradient)
    yield plain("float32", "f in float32", single, x, gradient)
    yield plain("float32", "x in float32", loss, x.astype(np.float32), gradient)
    yield plain("float32", "gradient in float16", loss, x, gradient.astype(np.float16))
    yield plain("integer", "x of integers", loss, np.array([1, 2, 3]), gradient)
    yield plain("integer", "gradient cut to integers", loss, x * 9, (9 * gradient).astype(int))
    yield plain("zero", "never filled", loss, x, np.zeros(3))
    yield plain("not_finite", "NaN", loss, x, gradient * np.array([1, np.nan, 1]))
    net = Network(92, 5, 4, 6, 3)
    copied = {key: value.copy() for key, value in net.params.items()}

    def reads_copy(_: np.ndarray) -> float:
        return cross_entropy(forward(copied, net.X)[2], net.y)

    yield plain("constant", "dW1: f reads copies", reads_copy, net.params["W1"], net.grads["W1"])


# A student's pass, complete. A fault replaces one piece of it; the names are the student's.
NETWORK = """
N = len(X)
Z = X @ W1 + b1
A = np.maximum(Z, 0)
S = A @ W2 + b2
shifted = S - S.max(axis=1, keepdims=True)
P = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
Y = np.eye(S.shape[1])[y]
loss = np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(N), y])
loss += 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
dS = (P - Y) / N
dA = dS @ W2.T
dZ = dA * (Z > 0)
grads = {"W1": X.T @ dZ + reg * W1, "b1": dZ.sum(axis=0)}
grads |= {"W2": A.T @ dS + reg * W2, "b2": dS.sum(axis=0)}
"""
CLASSIFIER = """
N = len(X)
S = X @ W2 + b2
shifted = S - S.max(axis=1, keepdims=True)
P = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
Y = np.eye(S.shape[1])[y]
loss = np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(N), y])
loss += 0.5 * reg * (np.sum(W2 * W2))
dS = (P - Y) / N
grads = {"W2": X.T @ dS + reg * W2, "b2": dS.sum(axis=0)}
"""
LINES = (  # label, what stands in the pass, what the student wrote
    ("relu_off", "dA * (Z > 0)", "dA"),
    ("relu_off", "dA * (Z > 0)", "dA * (dA > 0)"),
    ("relu_off", "dA * (Z > 0)", "np.where(Z > 0, dA, 0.01 * dA)"),
    ("relu_off", "A.T @ dS", "Z.T @ dS"),
    ("relu_inverted", "dA * (Z > 0)", "dA * (Z < 0)"),
    ("relu_inverted", "dA * (Z > 0)", "dA * (Z <= 0)"),
    ("relu_on", "dA * (Z > 0)", "dA * A"),
    ("one_per_row", "(P - Y) / N", "P / N"),
    ("one_per_row", "(P - Y) / N", "(P + Y) / N"),
    ("factor N", "(P - Y) / N", "P - Y"),
    ("factor 1/N", "(P - Y) / N", "(P - Y) / N / N"),
    ("sign", "(P - Y) / N", "(Y - P) / N"),
    ("factor 2", "(P - Y) / N", "2 * (P - Y) / N"),
    ("factor", "(P - Y) / N", "(P - Y) / S.shape[1]"),
    ("factor", "A.T @ dS + reg * W2", "0.3 * (A.T @ dS + reg * W2)"),
    ("mean_of_part", "(P - Y) / N", "P - Y / N"),
    ("mean_of_part", "(P - Y) / N", "P / N - Y"),
    ("softmax_diagonal", "(P - Y) / N", "(P - Y) * P * (1 - P) / N"),
    ("softmax_diagonal", "(P - Y) / N", "-Y * (1 - P) / N"),
    ("softmax_missing", "(P - Y) / N", "-Y / P / N"),
    ("softmax_missing", "(P - Y) / N", "(S - Y) / N"),
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
    ("reg_factor", "+ reg * W2", "+ 0.5 * reg * W2"),
    ("reg_factor", "+ reg * W2", "- reg * W2"),
    ("reg_factor", "+ reg * W2", "+ reg * W2 / N"),
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


KINDS = ("any", "any", "one example", "square", "all equal", "N is H", "N is C", "large")


def sizes(kind: str, rng: np.random.Generator) -> tuple[int, ...]:
    """N, D, H, C of a kind of shape."""
    N, D, H, C = (int(k) for k in rng.integers([3, 2, 2, 2], [10, 9, 9, 7]))
    same = int(rng.integers(3, 8))
    return {
        "any": (N, D, H, C),
        "one example": (1, D, H, C),
        "square": (N, same, same, same),
        "all equal": (same, same, same, same),
        "N is H": (same, D, same, C),
        "N is C": (same, D, H, same),
        "large": (12, 50, 40, 5),
    }[kind]


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
    shape = N, D, H, C = sizes(kind, rng)
    source, shapes = NETWORK, {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    if rng.random() < 0.3:
        source, shapes = CLASSIFIER, {"W2": (D, C), "b2": (C,)}
    reg = float(rng.choice([0.0, 1e-3, 0.1, 0.7]))
    if any("reg" in old and "A.T" not in old for old, _ in changes) or "reg" in label:
        reg = reg or 0.05
    std = 10 ** rng.uniform(-1, 0.2) / (3 if kind == "large" else 1)
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
    return Faulty(label, f"{changes}, {kind} {shape}, reg {reg}", params, answer, X, y, reg)


def same(answer: tuple[float, Arrays], right: tuple[float, Arrays]) -> bool:
    """Whether no check can tell the two answers apart."""
    (loss, grads), (right_loss, right_grads) = answer, right
    return loss == right_loss and all(
        np.shape(grads.get(key)) == gradient.shape
        and np.abs(grads[key] - gradient).max() <= 1e-6 * np.abs(gradient).max()
        for key, gradient in right_grads.items()
    )


def fresh(seed: int) -> Iterator[Faulty]:
    """Every line and pair on every kind of shape, where it applies and changes something."""
    rng = np.random.default_rng(seed)
    cases = [(label, [(old, new)]) for label, old, new in LINES]
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
            net.params["W"][...] = std * rng.standard_normal((D, C))
        yield net


def accusations(networks: Iterator[Network]) -> list[str]:
    """What the checks say against correct models."""
    said = []
    for number, net in enumerate(networks):
        try:
            check_model(net.net, net.X, net.y, net.reg)
            check_directions(net.loss, net.params, net.net.loss(net.X, net.y, net.reg)[1])
        except GradientCheckError as error:
            said.append(f"{number}: {error}")
    return said


def confusion(answers: list[tuple[Faulty, tuple[str, ...]]]) -> str:
    """A row for each label: how often each cause was named first."""
    counts = Counter((fault.label, causes[0]) for fault, causes in answers)
    lines = []
    for label in dict.fromkeys(fault.label for fault, _ in answers):
        row = {cause: n for (made, cause), n in counts.items() if made == label}
        named = ", ".join(f"{cause} {n}" for cause, n in row.items())
        lines.append(f"{label:18} {sum(row.values()):4}   {named}")
    return "\n".join(lines)


def main() -> None:
    """Print the table of faults against causes and the figures."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    for name, faults in {"tuned": tuned(), f"fresh, seed {seed}": list(fresh(seed))}.items():
        start = time.perf_counter()
        answers = [(fault, fault.causes()) for fault in faults]
        print(f"{name:18} made   named first")
        print(confusion(answers))
        for fault, causes in answers:
            if causes[0] != fault.label:
                print(f"  missed: {fault.label}, {fault.what}: {', '.join(causes)}")
        first = sum(causes[0] == fault.label for fault, causes in answers)
        among = sum(fault.label in causes for fault, causes in answers)
        passed = sum(causes == (PASSED,) for _, causes in answers)
        print(f"right cause first in {first} of {len(answers)} ({first / len(answers):.1%}), among")
        print(f"those named in {among}; {passed} passed; {time.perf_counter() - start:.0f} s\n")
    said = accusations(correct(1000))
    print(f"accusations of 1,000 correct models: {len(said)}")
    print("\n".join(said))


if __name__ == "__main__":
    main()
