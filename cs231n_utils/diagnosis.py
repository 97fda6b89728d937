"""What is wrong with a gradient: explanations, the surest first.

Planting: the networks of the series have one backward pass. `PLANTS` replaces a step of it by what
a student may have written. The fault that gives the very gradient at hand is proved, not guessed.

Rules: of other functions only slopes are known. `CHANGES` and the patterns of mistakes are tried.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cs231n_utils.taught.layers import relu
from cs231n_utils.taught.losses import cross_entropy, softmax
from cs231n_utils.types import Params

NUM_STEPS = 7  # h, h/10, ..., h/1000000
ROUND_OFF = 4 * np.finfo(np.float64).eps  # of one value of f, relative to it
PROVED = 1e-9  # relative difference of two gradients that are equal to rounding
CLOSE = 1e-6  # relative difference of two losses that agree, whatever their type
EXACT = 1e-12  # and in float64
SLACK = 3  # what an explanation may leave, in units of the noise
REST = 0.1  # and as a share of the disagreement
MOST = 0.5  # the share of entries that makes a pattern
SAME = 1e-3  # relative difference of two coefficients that count as equal
SIMPLE = 1e-4  # relative difference to a whole number, or to the inverse of one
CONDITION = 1e4  # beyond it two arrays are too much alike to be told apart
TINY = 1e-140  # its square underflows


class Finding(NamedTuple):
    """An explanation: short stable names of the faults in it, and a sentence."""

    causes: tuple[str, ...]
    text: str


NOT_DETERMINISTIC = Finding(
    ("not_deterministic",),
    "f is not deterministic: two calls at the same x return different values. Fix its batch, "
    "and the seed of anything random in it, before the check.",
)
FLOAT32 = Finding(
    ("float32",),
    "the loss agrees with that of a correct network to the digits of float32, but not to those of "
    "float64: somewhere it is computed in float32.",
)
NOTHING_FITS = (
    "none of the known forms fits (constant factor, L2 term, transpose, sum, ReLU, kink, row or "
    "column). Start from the worst entries."
)


@dataclass(frozen=True)
class Slopes:
    """Central differences, each at the largest step from which a smaller one changes nothing.

    Attributes
    ----------
    value, noise
        The differences, of x's shape, and the error that round-off may leave in them.
    settled, moved
        Whether such a step was found, and whether it is smaller than the first.
    kink, left, right
        Whether the slopes from the two sides differ however small the step, and these slopes.
    single
        Whether every value of f was a float32 number.
    """

    value: np.ndarray
    noise: np.ndarray
    settled: np.ndarray
    moved: np.ndarray
    kink: np.ndarray
    left: np.ndarray
    right: np.ndarray
    single: bool = False

    @classmethod
    def known(cls, gradient: np.ndarray) -> "Slopes":
        """Slopes that are known to rounding, without measuring."""
        noise = np.full(gradient.shape, PROVED * np.abs(gradient).max(initial=0.0))
        yes, no = np.ones(gradient.shape, dtype=bool), np.zeros(gradient.shape, dtype=bool)
        return cls(gradient, noise, yes, no, no, gradient, gradient)


def measure_slopes(
    f: Callable[[np.ndarray], float], x: np.ndarray, h: float, resolution: float
) -> Slopes:
    """Central differences of f at x at steps h, h/10, ..., until they agree within `resolution`.

    No analytic gradient enters: what this returns cannot be bent towards a wrong one. x is
    changed in place and restored exactly. Costs four evaluations for each entry where f is smooth.
    """
    before = x.copy()
    floats = {key: np.zeros(x.shape) for key in ("value", "noise", "left", "right")}
    flags = {key: np.zeros(x.shape, dtype=bool) for key in ("settled", "moved", "kink")}
    try:
        f_0 = f(x)
        values = [f_0]
        for index in np.ndindex(x.shape):
            original = before[index]
            rows: list[np.ndarray] = []  # central, left and right slope, round-off
            for power in range(NUM_STEPS):
                step = h / 10**power
                if original + step == original:
                    break
                x[index] = original + step
                f_plus = f(x)
                x[index] = original - step
                f_minus = f(x)
                values.append(f_plus)
                round_off = ROUND_OFF * max(abs(f_plus), abs(f_minus), abs(f_0)) / step
                sides = (f_0 - f_minus) / step, (f_plus - f_0) / step
                rows.append(np.array([(f_plus - f_minus) / (2 * step), *sides, round_off]))
                if power and abs(rows[-1][0] - rows[-2][0]) <= resolution + round_off:
                    flags["settled"][index] = True
                    break
            x[index] = original
            coarse, fine = rows[-2:] if len(rows) > 1 else (rows[0], rows[0])
            floats["value"][index] = coarse[0]
            # One-sided slopes are off by a multiple of the step: two steps cancel it.
            floats["left"][index], floats["right"][index] = ((10 * fine - coarse) / 9)[1:3]
            change = min(abs(coarse[0] - fine[0]), fine[3])
            floats["noise"][index] = resolution + coarse[3] + change
            flags["moved"][index] = len(rows) > 2
            jumps = abs(coarse[2] - coarse[1]), abs(fine[2] - fine[1])
            flags["kink"][index] = jumps[1] > max(0.5 * jumps[0], 4 * (resolution + 2 * fine[3]))
    finally:
        x[...] = before
    with np.errstate(over="ignore"):  # a value beyond float32 is no float32
        single = len(set(values)) > 1 and all(float(np.float32(v)) == v for v in values)
    return Slopes(**floats, **flags, single=single)


# The steps of a layer in the reference pass, from the last layer down. A enters the layer and
# Z = A W + b leaves it; dA, the gradient of ReLU(Z), comes from the layer above.
STEPS = {
    "P": "softmax(Z)",  # of the last layer
    "dS": "(P - Y) / N",  # dZ of the last layer
    "dZ": "dA * (Z > 0)",  # of every other layer
    "dW": "A.T @ dZ",
    "db": "dZ.sum(axis=0)",
    "dA": "dZ @ W.T",  # for the layer below
}
PLANTS = (  # the cause, the step, what stands there instead, and that in words
    ("relu_off", "dZ", "dA", "ReLU's mask is missing"),
    ("relu_inverted", "dZ", "dA * (Z <= 0)", "ReLU's mask is the wrong way round"),
    ("relu_on", "dZ", "dA * relu(Z)", "dA is multiplied by A, not by ReLU's mask"),
    ("relu_on", "dZ", "dA * Z", "dA is multiplied by Z, not by ReLU's mask"),
    ("relu_on", "dZ", "1.0 * (Z > 0)", "the mask is there, but dA is missing"),
    ("relu_off", "dZ", "dA * (dA > 0)", "ReLU's mask is taken from dA"),
    ("relu_off", "dZ", "dA * (A > 0)", "ReLU's mask is that of another layer"),
    ("relu_off", "dZ", "np.where(Z > 0, dA, 0.01 * dA)", "where ReLU is off the slope is not 0"),
    ("relu_off", "dZ", "np.where(Z > 0, dA, 0.1 * dA)", "where ReLU is off the slope is not 0"),
    ("relu_off", "dW", "before_relu.T @ dZ", "Z stands for A: ReLU is forgotten"),
    ("relu_extra", "dS", "(P - Y) / N * (Z > 0)", "the scores have a mask, but no ReLU"),
    ("one_per_row", "dS", "P / N", "the - 1 at the correct class is missing"),
    ("one_per_row", "dS", "(P + Y) / N", "the sign of the 1 at the correct class is wrong"),
    ("mean_of_part", "dS", "P - Y / N", "1/N is missing at P"),
    ("mean_of_part", "dS", "P / N - Y", "1/N is missing at Y"),
    ("softmax_diagonal", "dS", "(P - Y) * P * (1 - P) / N", "P * (1 - P) is too much"),
    ("softmax_diagonal", "dS", "Y * (P - 1) / N", "the scores of the other classes count, too"),
    ("softmax_diagonal", "dS", "P * (1 - P) / N", "this is a slope of P, not of the loss"),
    ("softmax_missing", "dS", "-Y / P / N", "this is dP: the derivative of softmax is missing"),
    ("softmax_missing", "dS", "(Z - Y) / N", "scores stand for probabilities"),
    ("softmax_missing", "P", "np.exp(Z)", "the exponentials are not divided by their sum"),
    ("softmax_twice", "P", "softmax(softmax(Z))", "softmax is applied twice"),
    ("wrong_axis", "P", "softmax(Z.T).T", "softmax runs over the examples, not the classes"),
    ("transpose", "dW", "dZ.T @ A", "it is the transpose of the right one"),
    ("transpose", "dA", "dZ @ W", "W is not transposed"),
    ("chain", "dA", "dZ", "the factor W.T is missing"),
    ("wrong_input", "dW", "X.T @ dZ", "the inputs stand for what enters the layer"),
    ("wrong_input", "dW", "relu(Z).T @ dZ", "what leaves the layer stands for what enters it"),
    ("wrong_input", "dW", "(A - A.mean(axis=0)).T @ dZ", "only the backward pass centres"),
    ("shape", "db", "dZ.sum(axis=0, keepdims=True)", "keepdims gives it a second axis"),
    ("wrong_axis", "db", "dZ.sum(axis=1)", "the sum runs over the units, not the examples"),
    ("wrong_axis", "db", "dZ.sum()", "the sum runs over everything, not the examples alone"),
    ("missing_sum", "db", "dZ", "the sum over the examples is missing"),
    ("missing_sum", "db", "dZ.T", "the sum over the examples is missing"),
    ("factor 1/N", "db", "dZ.mean(axis=0)", "a mean stands for the sum"),
    ("example_missing", "dW", "A[:-1].T @ dZ[:-1]", "the last example is left out"),
    ("example_missing", "db", "dZ[:-1].sum(axis=0)", "the last example is left out"),
    ("one_example", "dW", "A[-1:].T @ dZ[-1:]", "only the last example counts: = for +=?"),
    ("one_example", "db", "dZ[-1]", "only the last example counts: = for +=?"),
    ("example_missing", "dW", "A[1:].T @ dZ[1:]", "the first example is left out"),
    ("example_missing", "db", "dZ[1:].sum(axis=0)", "the first example is left out"),
    ("one_example", "dW", "A[:1].T @ dZ[:1]", "only the first example counts"),
    ("one_example", "db", "dZ[0]", "only the first example counts"),
)
# Of any gradient, right or planted: data is the gradient without the L2 term l2, x the parameter.
CHANGES = (
    ("sign", "-gradient", "every entry is -1 times the right one: the sign is wrong"),
    ("sign", "-data + l2", "the sign is wrong, but for the L2 term"),
    ("factor N", "N * data + l2", "it is N times the right one: divide by the N examples"),
    ("factor N", "N * gradient", "it is N times the right one: divide by the N examples"),
    ("factor 1/N", "data / N + l2", "1/N is there twice"),
    ("factor 1/N", "gradient / N", "1/N is there twice"),
    ("factor 2", "2 * data + l2", "it is 2 times the right one: is a 1/2 missing?"),
    ("factor 2", "2 * gradient", "it is 2 times the right one: is a 1/2 missing?"),
    ("factor 1/2", "data / 2 + l2", "it is 1/2 times the right one: is a 1/2 too many?"),
    ("factor 1/2", "gradient / 2", "it is 1/2 times the right one: is a 1/2 too many?"),
    ("reg_missing", "data", "the L2 term is missing"),
    ("reg_doubled", "gradient + reg * x", "an L2 term is too many"),
    ("reg_misplaced", "data + reg * data", "dW += reg * dW stands for dW += reg * W"),
    ("reg_factor", "data + l2 / 2", "the L2 term is 1/2 times the right one"),
    ("reg_factor", "data - l2", "the sign of the L2 term is wrong"),
    ("reg_factor", "data + l2 / N", "the L2 term is divided by N"),
    ("reg_factor", "data + N * l2", "the L2 term is N times the right one"),
    ("reg_form", "data + reg * x * x", "reg * W * W is not the derivative of the penalty"),
    ("reg_form", "data + reg / 2 * x * x", "the penalty stands for its derivative"),
    ("reg_form", "data + reg * np.sum(x * x)", "the penalty stands for its derivative"),
    ("reg_form", "data + reg / 2 * np.sum(x * x)", "the penalty stands for its derivative"),
    ("reg_form", "data + reg * np.sign(x)", "the L2 term is the one of reg * sum |W|"),
    ("reg_form", "data + reg", "W is missing in the L2 term"),
    ("data_missing", "l2", "only the L2 term is there"),
    ("transpose", "gradient.T", "it is the transpose of the right one"),
    ("transpose", "data.T + l2", "it is the transpose of the right one"),
    ("wrong_axis", "gradient.sum() + 0 * x", "every entry is the sum of all: sum over one axis"),
    ("swapped", "x", "it is the parameter itself"),
    ("relu_off", "gradient * (x > 0)", "it has a mask x > 0 of its own"),
)
TOOLS = {"np": np, "relu": relu, "softmax": softmax}


class Planted(NamedTuple):
    """A gradient, the causes of the faults in it, and these in words."""

    causes: tuple[str, ...]
    texts: tuple[str, ...]
    gradient: np.ndarray


class Reference:
    """The backward pass of a network of the series: affine maps with ReLUs between, softmax.

    Parameters
    ----------
    layers
        For each layer what its steps see, by name, and the keys of its W and b.
    exact
        Whether the loss of the model is the one of these layers to the last digits of float64.
    """

    def __init__(self, layers: list[dict[str, Any]], exact: bool) -> None:
        self.layers, self.exact = layers, exact
        self.grads = self.gradients(STEPS)

    @np.errstate(all="ignore")
    def gradients(self, steps: dict[str, str], only: int | None = None) -> Params:
        """What steps give when they stand in all layers, or in one; without what NumPy refuses."""
        grads: Params = {}
        above: dict[str, Any] = {}
        for number, layer in reversed([*enumerate(self.layers)]):
            here = steps if only in (None, number) else STEPS
            names = TOOLS | layer
            try:
                if above:
                    names["dA"] = _value(above["steps"]["dA"], above)
                    names["dZ"] = _value(here["dZ"], names)
                else:
                    names["P"] = _value(here["P"], names)
                    names["dZ"] = _value(here["dS"], names)
            except ValueError:
                break
            for key, step, l2 in zip(layer["keys"], ("dW", "db"), (layer["l2"], 0.0), strict=True):
                with suppress(ValueError):
                    grads[key] = np.asarray(_value(here[step], names) + l2)
            above = names | {"steps": here}
        return grads

    @functools.cached_property
    def faults(self) -> list[tuple[str, str, Params]]:
        """For each plant, in all layers and in each alone: cause, words and gradients."""
        places = (None, *range(len(self.layers))) if len(self.layers) > 2 else (None,)
        return [
            (
                cause,
                f"{text} ({step} = {wrong}, right is {STEPS[step]})",
                self.gradients(STEPS | {step: wrong}, only=place),
            )
            for (cause, step, wrong, text), place in product(PLANTS, places)
        ]

    def planted(self, key: str) -> list[Planted]:
        """The gradients that a parameter has with each fault."""
        faulty = [
            Planted((cause,), (text,), grads[key])
            for cause, text, grads in self.faults
            if key in grads
        ]
        swapped = [
            Planted(("swapped",), (f"it is the gradient of {other}",), self.grads[other])
            for other in self.grads
            if other != key
        ]
        return faulty + swapped

    def explain(self, key: str, gradient: np.ndarray, slopes: Slopes | None) -> list[Finding]:
        """Every explanation of a parameter's gradient; slopes: what was measured, if anything."""
        layer = next(layer for layer in self.layers if key in layer["keys"])
        weight = key == layer["keys"][0]
        x, l2 = (layer["W"], layer["l2"]) if weight else (layer["b"], 0.0)
        known = {"N": layer["N"], "reg": layer["reg"] or None, "l2": l2}
        exact = Slopes.known(self.grads[key])
        if slopes is not None:
            if _close(gradient, self.grads[key], exact.noise):
                return explain(gradient, slopes, x)  # right but for kinks
            exact = replace(exact, kink=slopes.kink, left=slopes.left, right=slopes.right)
        return explain(gradient, exact, x, known, self.planted(key))


def _value(expression: str, names: dict[str, Any]) -> Any:
    return eval(_code(expression), names)


@functools.cache
def _code(expression: str) -> Any:
    return compile(expression, "a planted step", "eval")


def recognise(params: Params, X: Any, y: Any, reg: float, loss: float) -> Reference | None:
    """The reference pass of a model, or None when its loss is not that of the series' networks.

    Names do not matter: matrices are taken for weights, vectors for biases, in their order.
    """
    weights = [key for key, value in params.items() if value.ndim == 2]
    biases = [key for key, value in params.items() if value.ndim == 1]
    with suppress(TypeError, ValueError, IndexError), np.errstate(all="ignore"):
        inputs = np.asarray(X, dtype=np.float64)
        for A, loss_reg in product((inputs, inputs - inputs.mean(axis=0)), (reg, 0.0, 2 * reg)):
            layers: list[dict[str, Any]] = []
            expected = 0.0
            for keys in zip(weights, biases, strict=True):
                W, b = params[keys[0]], params[keys[1]]
                layer = {"keys": keys, "N": len(inputs), "X": inputs, "A": A, "W": W, "b": b}
                layer |= {"Z": A @ W + b, "l2": loss_reg * W, "reg": loss_reg or reg}
                layer["before_relu"] = layers[-1]["Z"] if layers else A
                layers.append(layer)
                expected += loss_reg / 2 * float(np.sum(W**2))
                A = relu(layer["Z"])
            S = layers[-1]["Z"]
            layers[-1]["Y"] = np.eye(S.shape[1])[y]
            expected += cross_entropy(S, y)
            difference = abs(loss - expected) / max(1.0, np.abs(S).max(), abs(loss))
            if difference <= CLOSE:
                return Reference(layers, exact=bool(difference <= EXACT))
    return None


def explain(
    gradient: np.ndarray,
    slopes: Slopes | None,
    x: np.ndarray,
    known: dict[str, Any] | None = None,
    planted: Sequence[Planted] = (),
) -> list[Finding]:
    """Every explanation that fits a gradient, the surest first.

    Parameters
    ----------
    gradient, x
        The gradient, and what it is taken with respect to.
    slopes
        What was measured in its place, of x's shape; None when nothing was.
    known
        The number of examples N, reg and the L2 term l2 of the gradient, where they are known.
    planted
        Gradients with faults, when the slopes are those of a reference.
    """
    if not np.isfinite(gradient).all():
        bad = np.count_nonzero(~np.isfinite(gradient))
        return [_is("not_finite", f"{bad} of {gradient.size} entries are NaN or infinite.")]
    if slopes is None:
        return []
    if slopes.single:
        return [_is("float32", "f computes in float32: every value of it is a float32 number.")]
    right, noise = slopes.value, slopes.noise
    kind = gradient.dtype
    if kind.kind in "iub" and _close(gradient, np.trunc(right), noise):
        return [_is("integer", f"it is an array of {kind}: the decimals were cut off.")]
    if kind in (np.float32, np.float16):
        rounding = 64 * float(np.finfo(kind).eps) * np.abs(right).max(initial=0.0)
        if _close(gradient, right, noise + rounding):
            return [_is("float32", f"it is an array of {kind}: compute it in float64.")]
        noise = noise + rounding
    gradient = gradient.astype(np.float64)
    if gradient.shape != x.shape:
        fit = np.ones(gradient.shape, dtype=bool)
        found = _changed(gradient, right, noise, x, fit, known, planted)
        return found or list(_shapes(gradient, right, noise))
    case = _Case(gradient, slopes, x, noise, (known or {}).get("reg"))
    kinks = list(_kinks(case))
    if not case.wrong.any():
        text = "the disagreement is within the round-off of f: use a larger h, or rescale f."
        return kinks or [_is("round_off", text)]
    if not gradient.any():
        found = [_is("zero", "every entry is 0. Was the gradient ever written to?")]
    elif case.scale == 0 and case.fit.any() and not planted:
        text = (
            "f does not change when x does, the numerical gradient is 0 everywhere. Does f read "
            "this very array, and not a copy of it?"
        )
        found = [_is("constant", text)]
    else:
        found = _changed(gradient, right, noise, x, case.fit, known, planted)
    if not found and TINY < case.scale < 1 / TINY:
        for rule in (_linear, _sums, _relu, _places):
            found += rule(case)
    return found + kinks


def _is(cause: str, text: str) -> Finding:
    return Finding((cause,), text)


def _close(
    a: np.ndarray, b: np.ndarray, noise: np.ndarray | float, fit: np.ndarray | bool = True
) -> bool:
    return a.shape == b.shape and bool(((np.abs(a - b) <= noise) | ~np.asarray(fit)).all())


@np.errstate(all="ignore")
def _changed(
    gradient: np.ndarray,
    right: np.ndarray,
    noise: np.ndarray,
    x: np.ndarray,
    fit: np.ndarray,
    known: dict[str, Any] | None,
    planted: Sequence[Planted],
) -> list[Finding]:
    """The faults that give this gradient: one, or where they are planted as few as two."""
    names = TOOLS | {"N": None, "reg": None, "l2": 0.0, "x": x} | (known or {})
    size = np.abs(right).max(initial=0.0)
    slack = SLACK * noise.max(initial=0.0)
    if planted:
        slack = max(slack, PROVED * np.abs(gradient).max(initial=0.0))
    most = np.inf
    if gradient.shape == right.shape:
        most = REST * np.abs(gradient - right)[fit].max(initial=0.0)

    def fits(fault: Planted) -> bool:
        larger = np.abs(fault.gradient).max(initial=0.0) / size if size else 0.0
        return _close(gradient, fault.gradient, min(most, slack * (1 + larger)), fit)

    def changes(base: Planted) -> Iterator[Planted]:
        values = names | {"gradient": base.gradient}
        for cause, expression, text in CHANGES:
            if cause not in base.causes:
                with suppress(TypeError, ValueError):  # what is unknown, or of another shape
                    values["data"] = base.gradient - names["l2"]
                    result = np.asarray(_value(expression, values))
                    yield Planted((*base.causes, cause), (*base.texts, text), result)

    single = [*planted, *changes(Planted((), (), right))]
    found = list(filter(fits, single))
    if planted and not found:
        found = [fault for base in single for fault in changes(base) if fits(fault)]
    proof = " A backward pass with this fault gives exactly this gradient." if planted else ""
    findings: dict[frozenset[str], Finding] = {}
    for fault in found:
        text = "; and ".join(fault.texts)
        finding = Finding(fault.causes, text + "." * (not text.endswith("?")) + proof)
        findings.setdefault(frozenset(fault.causes), finding)
    return list(findings.values())


class _Case:
    """A wrong gradient a, the numerical one n, and where the two may be compared."""

    def __init__(
        self, a: np.ndarray, slopes: Slopes, x: np.ndarray, noise: np.ndarray, reg: float | None
    ) -> None:
        self.a, self.n, self.x, self.slopes = a, slopes.value, x, slopes
        self.noise, self.reg = noise, reg
        self.fit = slopes.settled & ~slopes.kink  # elsewhere is no derivative to compare with
        low, high = np.minimum(slopes.left, slopes.right), np.maximum(slopes.left, slopes.right)
        between = (a >= low - 30 * noise) & (a <= high + 30 * noise)
        off = np.abs(a - self.n) > noise
        self.at_kink = off & slopes.kink & between
        self.wrong = off & ~self.at_kink
        self.scale = float(np.abs(self.n[self.fit]).max(initial=0.0))

    def fits(self, model: np.ndarray, coefficients: float) -> bool:
        """Whether a equals the model within the noise, and a - n is well above what is left."""
        slack = SLACK * (1 + coefficients) * self.noise
        most = REST * np.abs(self.a - self.n)[self.fit].max(initial=0.0)
        return _close(self.a, model, np.minimum(slack, most), self.fit)


def _kinks(case: _Case) -> Iterator[Finding]:
    """Entries that disagree only because f has a kink at x, or within h of it."""
    slopes, near = case.slopes, case.slopes.moved & ~case.slopes.kink
    if case.at_kink.any():
        index = _first(case.at_kink)
        text = (
            f"f has a kink exactly at x in {_of(case.at_kink)}. At {_at(index)} its slope is "
            f"{slopes.left[index]:.3g} on the left and {slopes.right[index]:.3g} on the right: "
            "there is no derivative to compare with. Move x a little and check again."
        )
        yield _is("kink", text)
    elif near.any() and not case.wrong.any():
        text = (
            f"the numerical value changes with h in {_of(near)}, and at a smaller h it agrees: f "
            "has a kink within h of x, or h is too large. Use a smaller h or another x."
        )
        yield _is("kink", text)


def _linear(case: _Case) -> Iterator[Finding]:
    """Any constant factor alpha, and any L2 term beta * x: a = alpha * n + beta * x."""
    a, n, x = (array[case.fit] for array in (case.a, case.n, case.x))
    fits = [(float(a @ n / (n @ n)), 0.0)]
    if x.size > 1 and x.any():
        fits.append((1.0, float((a - n) @ x / (x @ x))))
    if x.size > 3 and x.any() and np.linalg.cond([n / abs(n).max(), x / abs(x).max()]) < CONDITION:
        fits.append(tuple(np.linalg.lstsq(np.stack([n, x], axis=1), a, rcond=None)[0]))
    for alpha, beta in fits:
        simple = _simple(alpha)
        alpha = simple or alpha
        if abs(alpha) * case.scale <= 10 * case.noise.max() or (not simple and n.size < 3):
            continue
        larger = abs(alpha) + abs(beta) * np.abs(x).max() / case.scale
        if not case.fits(alpha * case.n + beta * case.x, larger):
            continue
        factor = f"{_number(alpha)} times the right one"
        cause = {-1.0: "sign", 2.0: "factor 2", 0.5: "factor 1/2"}.get(alpha, "factor")
        if beta == 0:
            size = round(max(abs(alpha), abs(1 / alpha)))
            ask = f" Is {size} the number of your examples?" if simple else ""
            yield _is(cause, f"every entry is {factor}.{ask}")
        elif alpha == 1 and case.reg:
            share = _number(1 + beta / case.reg)
            yield _is("reg_factor", f"the L2 term is {share} times the right one.")
        elif alpha == 1:
            evidence = f"analytic - numerical = {beta:.3g} * x in every entry: an L2 term is"
            what = "missing or too small" if beta < 0 else "there twice, too large, or not in f"
            name = "reg_missing" if beta < 0 else "reg_doubled"
            yield _is(name, f"{evidence} {what}. Is {abs(beta):.3g} your reg?")
        elif alpha > 1 and abs(beta / alpha + alpha - 1) <= SAME * (alpha - 1):
            text = "dW += reg * dW stands for dW += reg * W"
            yield _is("reg_misplaced", f"{text}, with reg = {alpha - 1:.3g}.")
        elif simple and beta / (1 - alpha) > 0:
            text = f"the L2 term is right, reg = {beta / (1 - alpha):.3g}"
            yield _is(cause, f"{text}, and the rest is {factor}.")
        return


def _simple(value: float) -> float | None:
    """The whole number or inverse of one that the value is close to."""
    inverse = 1 / round(1 / value) if SAME < abs(value) < 1 else 0.0
    for simple in (float(round(value)), inverse):
        if simple and abs(value - simple) <= SIMPLE * abs(simple):
            return simple
    return None


def _number(value: float) -> str:
    """A number in words of the reader: 5, 1/5 or 0.123."""
    simple = _simple(value)
    if simple is None:
        return f"{value:.3g}"
    return f"{simple:.0f}" if abs(simple) >= 1 else f"{np.sign(simple):.0f}/{1 / abs(simple):.0f}"


def _sums(case: _Case) -> Iterator[Finding]:
    """Sums over the wrong axis keep the shape when the batch has as many examples as entries."""
    a, n = case.a, case.n
    noise = SLACK * float(np.sum(case.noise))
    if not case.fit.all() or np.count_nonzero(np.abs(a - n) > case.noise) < 2:
        return
    if _close(np.sort(a, axis=None), np.sort(n, axis=None), noise):
        yield _is("order", "the values are right, but they stand in the wrong order.")
    elif a.ndim == 1 and abs(n.sum()) > 100 * noise and abs(a.sum() - n.sum()) <= noise:
        text = (
            "the entries are wrong, but their sum is right: was the sum taken over the wrong "
            "axis? This keeps the shape when there are as many examples as entries."
        )
        yield _is("wrong_axis", text)


def _relu(case: _Case) -> Iterator[Finding]:
    """Faults of ReLU's mask, when x holds the pre-activations."""
    wrong, on, off = case.wrong, case.x > 0, case.x < 0
    if wrong.size <= 3 or wrong.sum() <= 1 or not (on.any() and off.any()):
        return
    a_is_0, n_is_0 = np.abs(case.a) <= case.noise, np.abs(case.n) <= case.noise
    often_on, often_off = wrong[on].mean() >= MOST, wrong[off].mean() >= MOST
    if n_is_0[off].all() and a_is_0[on].all() and often_on and often_off:
        text = "it is 0 where x > 0, and the numerical one is 0 where x < 0: the mask is inverted."
        yield _is("relu_inverted", text)
    for cause, right, often, sides in (
        ("relu_off", on, often_off, "x < 0, and no entry with x > 0"),
        ("relu_on", off, often_on, "x > 0, and no entry with x < 0"),
    ):
        if often and not wrong[right].any():
            text = f"{wrong.sum()} entries with {sides} is wrong. Does x hold pre-activations?"
            yield _is(cause, f"{text} Then look at ReLU's mask.")


def _places(case: _Case) -> Iterator[Finding]:
    """Wrong in one entry, row or column only, or in one entry of each row."""
    wrong = case.wrong
    alive = np.maximum(np.abs(case.a), np.abs(case.n)) > case.noise
    if not (alive & ~wrong & case.fit).any():
        return  # the other entries are all 0: that they agree says nothing
    count = np.count_nonzero(wrong)
    if count == 1:
        yield _is("one_entry", f"only entry {_at(_first(wrong))} of {wrong.size} is wrong.")
    elif wrong.ndim == 2:
        places = [np.unique(index) for index in np.nonzero(wrong)]
        for axis, word in enumerate(("row", "column")):
            if len(places[axis]) == 1:
                place = int(places[axis][0])
                filled = np.take(case.a, place, axis=axis).any()
                zero = "" if filled else f" Every entry of this {word} is 0: was it filled?"
                yield _is(f"one_{word}", f"only {word} {place} is wrong ({count} entries).{zero}")
        if min(map(len, places)) > 1 and (wrong.sum(axis=1) == 1).all():
            text = "one entry of each row is wrong: is it the correct class? There it is (p - 1)/N."
            yield _is("one_per_row", text)


def _first(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(k) for k in np.argwhere(mask)[0])


def _at(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]"


def _of(mask: np.ndarray) -> str:
    return f"{np.count_nonzero(mask)} of {mask.size} entries"


def _shapes(gradient: np.ndarray, n: np.ndarray, noise: np.ndarray) -> Iterator[Finding]:
    """Explanations of a gradient of another shape than the right one, n."""
    slack = SLACK * float(np.sum(noise))
    if gradient.size == n.size and _close(gradient.reshape(n.shape), n, slack):
        yield _is("shape", f"its values are right: give them the shape {n.shape}.")
    elif any(_close(gradient.sum(axis), n, slack) for axis in range(gradient.ndim)):
        yield _is("missing_sum", "summed over one axis it is right: this sum is missing.")
    elif gradient.ndim < 2 and n.ndim == 1 and abs(float(gradient.sum() - n.sum())) <= slack:
        text = "its entries add up to the right total: the sum was taken over the wrong axis."
        yield _is("wrong_axis", text)
    elif gradient.shape == n.shape[::-1]:
        text = "it has the shape of the transpose, but its values are wrong too."
        yield _is("transpose", text)


def sentences(findings: Sequence[Finding]) -> list[str]:
    """The lines that a message appends."""
    if not findings:
        return [f"Diagnosis: {NOTHING_FITS}"]
    if len(findings) == 1:
        return [f"Diagnosis: {findings[0].text}"]
    lines = [f"  {number}. {finding.text}" for number, finding in enumerate(findings, 1)]
    return ["Diagnosis: several explanations fit, the most specific first:", *lines]
