"""Faulty gradients with the name of their fault, and correct networks, for the diagnosis.

A label is set by how the fault was made, never from what the checker answers.
`python tests/faulty_gradients.py` prints the table of faults against causes and the figures.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cs231n_utils.gradient_check import (
    GradientCheckError,
    GradientReport,
    check_directions,
    check_gradient,
)
from cs231n_utils.taught.losses import cross_entropy, softmax, softmax_loss
from cs231n_utils.taught.models import TwoLayerNet, forward

PASSED, REFUSED = "passed", "refused"


@dataclass(frozen=True)
class Fault:
    """A faulty gradient of f at x. hints: what the caller tells the check."""

    label: str
    what: str
    f: Callable[[np.ndarray], float]
    x: np.ndarray
    gradient: np.ndarray
    hints: dict[str, Any] = field(default_factory=dict)

    def check(self, **options: Any) -> GradientReport:
        """What check_gradient says of it."""
        return check_gradient(self.f, self.x, self.gradient, **self.hints, **options)

    def causes(self) -> tuple[str, ...]:
        """The causes that the check names; what it says when it does not reach a diagnosis."""
        try:
            self.check()
        except GradientCheckError as error:
            return error.causes
        except TypeError as error:
            for kind in ("float32", "int64"):
                if kind in str(error):
                    return ("float32" if kind == "float32" else "integer",)
            return (REFUSED,)
        except ValueError as error:
            return ("writes_into_x" if "writes into" in str(error) else REFUSED,)
        return (PASSED,)


class Network:
    """A two-layer network on random data, with the arrays of its backward pass by name."""

    def __init__(
        self, seed: int, N: int, D: int, H: int, C: int, reg: float = 0.0, std: float = 0.7
    ) -> None:
        rng = np.random.default_rng(seed)
        self.net = TwoLayerNet(D, H, C, std=std, rng=rng)
        for bias in ("b1", "b2"):
            self.params[bias][:] = std * rng.standard_normal(self.params[bias].shape)
        self.X, self.y = rng.standard_normal((N, D)), rng.integers(0, C, N)
        self.N, self.reg, self.calls = N, reg, 0
        self.update()

    @property
    def params(self) -> dict[str, np.ndarray]:
        """W1, b1, W2 and b2, as the network holds them."""
        return self.net.params

    def update(self) -> None:
        """The arrays of one pass, from the parameters as they are."""
        self.Z, self.A, self.S = forward(self.params, self.X)
        self.dS = softmax_loss(self.S, self.y)[1]
        self.dA = self.dS @ self.params["W2"].T
        self.dZ = self.dA * (self.Z > 0)
        self.grads = self.net.loss(self.X, self.y, self.reg)[1]

    def loss(self, _: Any = None) -> float:
        """The loss at the network's parameters."""
        self.calls += 1
        return self.net.loss(self.X, self.y, self.reg)[0]

    def mixed(self) -> "Network":
        """Unit 0 on for every example, unit 1 off for every one, the others mixed."""
        self.params["b1"][0], self.params["b1"][1] = 20.0, -20.0
        self.params["W2"][0] *= 0.02  # so that unit 0 does not saturate the softmax
        self.update()
        return self

    def fault(self, label: str, what: str, key: str, gradient: np.ndarray, **hints: Any) -> Fault:
        """A faulty gradient of the loss with respect to params[key]."""
        return Fault(label, f"d{key}: {what}", self.loss, self.params[key], gradient, hints)

    def data(self, key: str) -> np.ndarray:
        """The gradient without its L2 term."""
        return self.grads[key] - self.reg * self.params[key] * key.startswith("W")


def factors() -> Iterator[Fault]:
    for seed, shape in enumerate([(5, 4, 6, 3), (3, 4, 4, 4), (1, 5, 3, 2)]):
        net = Network(seed, *shape)
        for key in ("W1", "b1", "W2", "b2"):
            yield net.fault("sign", f"sign, shapes {shape}", key, -net.grads[key])
    net = Network(10, 5, 4, 6, 3)
    for key in ("W1", "b1", "W2", "b2"):
        g = net.grads[key]
        yield net.fault("factor N", "sum for mean", key, 5 * g, batch_size=5)
        yield net.fault("factor 1/N", "1/N twice", key, g / 5, batch_size=5)
        yield net.fault("factor", "sum for mean, N not told", key, 5 * g)
    for key in ("W1", "b2"):
        yield net.fault("factor 2", "doubled", key, 2 * net.grads[key], batch_size=5)
        yield net.fault("factor 1/2", "halved", key, net.grads[key] / 2, batch_size=5)
        yield net.fault("factor", "times 1.37", key, 1.37 * net.grads[key])
    net = Network(11, 2, 3, 4, 3)
    yield net.fault("factor N", "sum for mean, N = 2", "W1", 2 * net.grads["W1"], batch_size=2)
    net = Network(12, 6, 4, 5, 3, reg=0.3)
    for key in ("W1", "W2"):
        right, data = 0.3 * net.params[key], net.data(key)
        hints = {"batch_size": 6, "reg": 0.3}
        yield net.fault("factor N", "sum for mean, L2 right", key, 6 * data + right, **hints)
        yield net.fault("sign", "sign of the data, L2 right", key, right - data)
    X = np.random.default_rng(13).standard_normal((3, 4))
    yield Fault("factor 1/2", "cubic: 3/2 x^2", lambda x: np.sum(x**3), X, 1.5 * X**2)
    x = np.array(1.7)
    yield Fault("factor 2", "one number", lambda x: float(np.sin(x)), x, 2 * np.cos(x))
    small = Network(14, 5, 4, 6, 3, std=4e-3)  # close to many kinks
    yield small.fault("factor N", "sum, std 0.004", "W1", 5 * small.grads["W1"], batch_size=5)
    yield small.fault("sign", "sign, std 0.004", "b1", -small.grads["b1"])


def scores() -> Iterator[Fault]:
    for seed, (N, C) in enumerate([(6, 4), (4, 4), (1, 5)]):
        rng = np.random.default_rng(20 + seed)
        S, y = rng.standard_normal((N, C)), rng.integers(0, C, N)
        dS = softmax_loss(S, y)[1]

        def f(S: np.ndarray, y: np.ndarray = y) -> float:
            return cross_entropy(S, y)

        if N > 1:
            yield Fault("factor N", f"dS {S.shape}: P - Y", f, S, N * dS, {"batch_size": N})
            yield Fault("one_per_row", f"dS {S.shape}: P / N", f, S, softmax(S) / N)
        yield Fault("sign", f"dS {S.shape}: Y - P", f, S, -dS)
    S, y = np.random.default_rng(24).standard_normal((5, 5)), np.array([0, 3, 1, 4, 2])

    def g(S: np.ndarray) -> float:
        return cross_entropy(S, y)

    yield Fault("transpose", "dS, N == C", g, S, softmax_loss(S, y)[1].T)
    wrong_column = softmax_loss(S, y)[1]
    wrong_column[:, 4] = 0
    yield Fault("one_column", "dS: the last class left out", g, S, wrong_column)
    copied = S.copy()
    yield Fault("constant", "dS: f reads a copy", lambda _: g(copied), S, softmax(S))


def regularization() -> Iterator[Fault]:
    for seed, (shape, reg) in enumerate(
        [((7, 4, 6, 3), 0.5), ((4, 4, 4, 4), 1.0), ((1, 3, 5, 2), 0.05), ((6, 5, 4, 3), 1e-3)]
    ):
        net = Network(30 + seed, *shape, reg=reg)
        for key in ("W1", "W2"):
            W, data = net.params[key], net.data(key)
            told = {"reg": reg} if key == "W1" else {}
            what = f"reg {reg:g}, {'told' if told else 'not told'}"
            yield net.fault("reg_missing", f"no L2 term, {what}", key, data, **told)
            yield net.fault("reg_doubled", f"2 reg W, {what}", key, data + 2 * reg * W, **told)
            misplaced = data + reg * data
            yield net.fault("reg_misplaced", f"dW += reg * dW, {what}", key, misplaced, **told)
    net = Network(34, 7, 4, 6, 3, reg=0.4)
    W, data = net.params["W1"], net.data("W1")
    yield net.fault("reg_factor", "reg / 2", "W1", data + 0.2 * W, reg=0.4)
    yield net.fault("reg_factor", "reg / N", "W1", data + 0.4 / 7 * W, reg=0.4)
    extra = net.grads["b1"] + 0.4 * net.params["b1"]
    yield net.fault("reg_doubled", "reg b1, which the loss lacks", "b1", extra, reg=0.4)


def transposes() -> Iterator[Fault]:
    wide = Network(40, 5, 4, 6, 3)
    yield wide.fault("transpose", "dZ.T @ X", "W1", wide.grads["W1"].T)
    yield wide.fault("transpose", "dS.T @ A", "W2", wide.grads["W2"].T)
    square = Network(41, 5, 4, 4, 4)
    yield square.fault("transpose", "dZ.T @ X, square", "W1", square.grads["W1"].T)
    yield square.fault("transpose", "dS.T @ A, square", "W2", square.grads["W2"].T)
    net = Network(42, 5, 4, 4, 4, reg=0.2)
    with_l2 = net.data("W1").T + 0.2 * net.params["W1"]
    yield net.fault("transpose", "dZ.T @ X + reg W, square", "W1", with_l2)
    yield net.fault("transpose", "all transposed, reg 0.2", "W2", net.grads["W2"].T)
    Q = np.random.default_rng(43).standard_normal((3, 3))
    yield Fault("transpose", "tr(A Q)", lambda A: float(np.trace(A @ Q)), np.ones((3, 3)), Q)


def sums() -> Iterator[Fault]:
    net = Network(50, 5, 4, 6, 3)
    yield net.fault("missing_sum", "dZ", "b1", net.dZ)
    yield net.fault("missing_sum", "dS", "b2", net.dS)
    yield net.fault("missing_sum", "dZ.T", "b1", net.dZ.T)
    yield net.fault("wrong_axis", "dZ.sum(axis=1)", "b1", net.dZ.sum(axis=1))
    yield net.fault("wrong_axis", "dS.sum(axis=1)", "b2", net.dS.sum(axis=1), batch_size=5)
    yield net.fault("wrong_axis", "dZ.sum()", "b1", net.dZ.sum())
    yield net.fault("shape", "keepdims", "b1", net.dZ.sum(axis=0, keepdims=True))
    one = Network(51, 1, 4, 6, 3)
    yield one.fault("wrong_axis", "N = 1: dZ.sum(axis=1)", "b1", one.dZ.sum(axis=1))
    yield one.fault("shape", "N = 1: dZ", "b1", one.dZ)
    for seed in (52, 53):
        same = Network(seed, 6, 4, 6, 6)  # N == H == C
        yield same.fault("wrong_axis", "dZ.sum(axis=1), N == H", "b1", same.dZ.sum(axis=1))
        yield same.fault("wrong_axis", "dS.sum(axis=1), N == C", "b2", same.dS.sum(axis=1))
        yield same.fault("missing_sum", "dZ, N == H", "b1", same.dZ)
        everything = np.full(6, same.dZ.sum())
        yield same.fault("wrong_axis", "db += dZ.sum()", "b1", everything)
    yield net.fault("factor 1/N", "mean for sum", "b1", net.dZ.mean(axis=0), batch_size=5)
    yield net.fault("order", "the order reversed", "b1", net.grads["b1"][::-1])
    yield net.fault("order", "read in columns", "W1", net.grads["W1"].T.reshape(4, 6))


def relus() -> Iterator[Fault]:
    for seed, shape in [(60, (5, 6)), (61, (4, 4))]:
        rng = np.random.default_rng(seed)
        Z, dA = rng.standard_normal(shape), rng.standard_normal(shape)

        def f(Z: np.ndarray, dA: np.ndarray = dA) -> float:
            return float(np.sum(dA * np.maximum(Z, 0)))

        yield Fault("relu_off", f"dZ {shape}: no mask", f, Z, dA)
        leaky = np.where(Z > 0, dA, 0.1 * dA)
        yield Fault("relu_off", f"dZ {shape}: slope 0.1 where it is off", f, Z, leaky)
        yield Fault("relu_inverted", f"dZ {shape}: Z < 0", f, Z, dA * (Z < 0))
        yield Fault("relu_on", f"dZ {shape}: dA * A", f, Z, dA * np.maximum(Z, 0))
    for seed, sizes, reg in [
        (62, (5, 4, 6, 3), 0.0),
        (63, (6, 6, 6, 4), 0.3),
        (64, (3, 5, 8, 2), 0),
    ]:
        net = Network(seed, *sizes, reg=reg).mixed()
        hints = {"pre_activations": net.Z, "reg": reg}
        l2 = reg * net.params["W1"]
        unmasked, on = net.X.T @ net.dA, net.dA * net.A
        inverted = net.dA * (net.Z <= 0)
        where = f"shapes {sizes}"
        yield net.fault("relu_off", f"no mask, {where}", "W1", unmasked + l2, **hints)
        yield net.fault("relu_off", f"no mask, {where}", "b1", net.dA.sum(axis=0), **hints)
        yield net.fault("relu_on", f"dA * A, {where}", "W1", net.X.T @ on + l2, **hints)
        yield net.fault("relu_on", f"dA * A, {where}", "b1", on.sum(axis=0), **hints)
        yield net.fault("relu_inverted", f"Z <= 0, {where}", "W1", net.X.T @ inverted + l2, **hints)
        Z_for_A = net.Z.T @ net.dS + reg * net.params["W2"]
        yield net.fault("relu_off", f"Z for A, {where}", "W2", Z_for_A, **hints)


def kinks() -> Iterator[Fault]:
    """Points at which no gradient can pass, and a step that is not allowed to shrink."""
    Z = np.random.default_rng(70).standard_normal((4, 5))
    Z[1, 2] = Z[3, 3] = 0.0

    def sum_relu(Z: np.ndarray) -> float:
        return float(np.sum(np.maximum(Z, 0)))

    yield Fault("kink", "dZ: two entries are 0", sum_relu, Z, (Z > 0).astype(float))
    yield Fault("kink", "dZ: the other convention", sum_relu, Z, (Z >= 0).astype(float))
    near = Z + 3e-6
    yield Fault("kink", "dZ: h kept", sum_relu, near, (near > 0).astype(float), {"shrink_h": False})
    x = np.array([0.3, 0.0, -1.0])
    yield Fault("kink", "|x|", lambda x: float(np.sum(np.abs(x))), x, np.where(x >= 0, 1.0, -1.0))
    net = Network(71, 5, 4, 6, 3)
    net.X[2], net.params["b1"][:] = 0.0, 0.0  # an image of zeros
    net.update()
    yield net.fault("kink", "a row of X is 0", "b1", net.grads["b1"])


def places() -> Iterator[Fault]:
    for seed, shape in [(80, (5, 4, 6, 3)), (81, (4, 5, 5, 5)), (82, (1, 3, 4, 6))]:
        net = Network(seed, *shape)
        net.params["b1"][:] += 3.0  # most units on, so that every row and column counts
        net.update()
        for key, row in (("W1", 0), ("W2", -1)):
            g = net.grads[key].copy()
            g[row] = 0
            yield net.fault("one_row", f"row {row} is 0, shapes {shape}", key, g)
            g = net.grads[key].copy()
            g[:, 1] += np.arange(1.0, 1 + len(g))
            yield net.fault("one_column", f"column 1, shapes {shape}", key, g)
        for key in ("b1", "b2"):
            g = net.grads[key].copy()
            g[-1] = 0
            yield net.fault("one_entry", f"the last is 0, shapes {shape}", key, g)
    net = Network(83, 5, 4, 6, 3)
    g = net.grads["W1"].copy()
    g[2, 3] += 0.1
    yield net.fault("one_entry", "[2, 3]", "W1", g)


def types_and_functions() -> Iterator[Fault]:
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

    yield Fault("not_deterministic", "a new minibatch in each call", minibatch, x, gradient)
    yield Fault("not_deterministic", "dropout", dropout, x, gradient)
    yield Fault("writes_into_x", "centres x in place", writes, x, gradient)
    yield Fault("float32", "f in float32", single, x, gradient)
    yield Fault("float32", "x in float32", loss, x.astype(np.float32), gradient)
    yield Fault("float32", "gradient in float16", loss, x, gradient.astype(np.float16))
    yield Fault("integer", "x of integers", loss, np.array([1, 2, 3]), gradient)
    yield Fault("integer", "gradient cut to integers", loss, x * 9, (9 * gradient).astype(int))
    yield Fault("zero", "never filled", loss, x, np.zeros(3))
    yield Fault("not_finite", "NaN", loss, x, gradient * np.array([1, np.nan, 1]))
    net = Network(92, 5, 4, 6, 3)
    yield net.fault("zero", "np.zeros_like(W1)", "W1", np.zeros((4, 6)))
    copied = {key: value.copy() for key, value in net.params.items()}

    def reads_copy(_: np.ndarray) -> float:
        return cross_entropy(forward(copied, net.X)[2], net.y)

    yield Fault("constant", "dW1: f reads copies", reads_copy, net.params["W1"], net.grads["W1"])


def unknown() -> Iterator[Fault]:
    """Faults of no known form: the check must say so, and name no cause."""
    net = Network(100, 5, 4, 6, 3, reg=0.1)
    rng = np.random.default_rng(101)
    for key in ("W1", "W2"):
        noise = rng.standard_normal(net.grads[key].shape)
        yield net.fault("unknown", "noise", key, net.grads[key] + 0.1 * noise, reg=0.1)
    squares = net.grads["W1"] ** 2
    yield net.fault("unknown", "squared", "W1", squares)
    outer = net.dS * net.dS  # the derivative of the softmax taken entry by entry
    yield net.fault("unknown", "dS squared", "W2", net.A.T @ outer)
    yield net.fault("unknown", "the last example is left out", "W2", net.A[:-1].T @ net.dS[:-1])


GROUPS = (
    factors,
    scores,
    regularization,
    transposes,
    sums,
    relus,
    kinks,
    places,
    types_and_functions,
    unknown,
)


def faults() -> list[Fault]:
    """The whole labelled set."""
    return [fault for group in GROUPS for fault in group()]


def correct_networks(count: int = 200) -> Iterator[Network]:
    """Networks of random shapes, spreads and reg; every fourth close to kinks on purpose."""
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
        yield net


def accusations(networks: Iterator[Network]) -> tuple[list[str], int]:
    """What the checks say against correct gradients, and how often a smaller step was needed."""
    said, shrunk = [], 0
    for number, net in enumerate(networks):
        for key, value in net.params.items():
            calls = net.calls
            try:
                check_gradient(net.loss, value, net.grads[key], name=f"{number}: d{key}")
            except GradientCheckError as error:
                said.append(str(error))
            shrunk += net.calls - calls > 2 * value.size
        try:
            check_directions(net.loss, net.params, net.grads)
        except GradientCheckError as error:
            said.append(f"{number}: {error}")
    return said, shrunk


def confusion(answers: list[tuple[str, tuple[str, ...]]]) -> str:
    """A row for each label: how often each cause was named first."""
    counts = Counter((label, causes[0]) for label, causes in answers)
    lines = []
    for label in dict.fromkeys(label for label, _ in answers):
        total = sum(count for (made, _), count in counts.items() if made == label)
        named = ", ".join(f"{cause} {n}" for (made, cause), n in counts.items() if made == label)
        lines.append(f"{label:18} {total:4}   {named}")
    return "\n".join(lines)


def main() -> None:
    """Print the table of faults against causes and the figures."""
    labelled = faults()
    answers = [(fault.label, fault.causes()) for fault in labelled]
    print("fault             made   named first")
    print(confusion(answers))
    for fault, (_, causes) in zip(labelled, answers, strict=True):
        if causes[0] != fault.label:
            print(f"  missed: {fault.label}, {fault.what}: {', '.join(causes)}")
    first = sum(causes[0] == label for label, causes in answers)
    among = sum(label in causes for label, causes in answers)
    said, shrunk = accusations(correct_networks())
    print(f"right cause first in {first} of {len(answers)}, among those named in {among}")
    print(f"faulty gradients that passed: {sum(causes == (PASSED,) for _, causes in answers)}")
    print(f"accusations of 200 correct networks: {len(said)}")
    print(f"gradients among them that need a smaller step than h: {shrunk} of 800")
    print("\n".join(said))


if __name__ == "__main__":
    main()
