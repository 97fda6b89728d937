"""Faults: what mistakes make of a gradient, and of the backward pass of the series' networks.

`CHANGES` are made to the gradient of any function. `PLANTS` replaces a step of the reference pass
by what a student may have written. A new layer adds its steps and its plants.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cs231n_utils.taught.layers import relu
from cs231n_utils.taught.losses import cross_entropy, softmax
from cs231n_utils.types import Params

CLOSE = 1e-6  # relative difference of two losses that agree, whatever their type
EXACT = 1e-12  # and in float64
TOOLS = {"np": np, "relu": relu, "softmax": softmax}


class Finding(NamedTuple):
    """An explanation: a short name of each fault, a sentence, the gradient with these faults."""

    causes: tuple[str, ...]
    text: str
    gradient: np.ndarray = np.zeros(0)


def causes_of(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Every cause once, in the order of the findings."""
    return tuple(dict.fromkeys(cause for finding in findings for cause in finding.causes))


# Of any gradient, right or planted: data is the gradient without the L2 term l2, x the parameter.
CHANGES = (
    ("sign", "-gradient", "every entry is -1 times the right one: the sign is wrong"),
    ("sign", "-data + l2", "the sign is wrong, but for the L2 term"),
    ("factor N", "N * data + l2", "it is N times the right one: divide by the N examples"),
    ("factor N", "N * gradient", "it is N times the right one: divide by the N examples"),
    ("factor 1/N", "data / N + l2", "1/N is there twice"),
    ("factor 2", "2 * data + l2", "it is 2 times the right one: is a 1/2 missing?"),
    ("factor 1/2", "data / 2 + l2", "it is 1/2 times the right one: is a 1/2 too many?"),
    ("reg_missing", "data", "the L2 term is missing"),
    ("reg_doubled", "gradient + reg * x", "an L2 term is too many"),
    ("reg_misplaced", "data + reg * data", "dW += reg * dW stands for dW += reg * W"),
    ("reg_form", "data + reg * x * x", "reg * W * W is not the derivative of the penalty"),
    ("transpose", "gradient.T", "it is the transpose of the right one"),
    ("transpose", "data.T + l2", "it is the transpose of the right one"),
    ("order", "gradient[::-1]", "the order is reversed"),
    ("order", "gradient.T.reshape(x.shape)", "the values are right, but read in another order"),
    ("shape", "gradient[None]", "the values are right, but not the shape"),
    ("wrong_axis", "gradient.sum() + 0 * x", "every entry is the sum of all: sum over one axis"),
    ("float32", "np.float16(gradient)", "it is rounded to float16: compute it in float64"),
)

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
    ("example_missing", "dW", "A[:-1].T @ dZ[:-1]", "the last example is left out"),
    ("example_missing", "db", "dZ[:-1].sum(axis=0)", "the last example is left out"),
    ("one_example", "dW", "A[-1:].T @ dZ[-1:]", "only the last example counts: = for +=?"),
    ("one_example", "db", "dZ[-1]", "only the last example counts: = for +=?"),
    ("example_missing", "dW", "A[1:].T @ dZ[1:]", "the first example is left out"),
    ("example_missing", "db", "dZ[1:].sum(axis=0)", "the first example is left out"),
    ("one_example", "dW", "A[:1].T @ dZ[:1]", "only the first example counts"),
    ("one_example", "db", "dZ[0]", "only the first example counts"),
)


@np.errstate(all="ignore")
def changed(base: Finding, names: dict[str, Any]) -> Iterator[Finding]:
    """A gradient with one change more, from the names that `CHANGES` uses."""
    names = {"np": np, **names, "gradient": base.gradient}
    for cause, expression, text in CHANGES:
        if cause not in base.causes:
            with suppress(ValueError, IndexError):  # of another shape
                names["data"] = base.gradient - names["l2"]
                text = f"{base.text}; and {text}" if base.text else text
                yield Finding((*base.causes, cause), text, np.asarray(eval(expression, names)))


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
                    names["dA"] = eval(above["steps"]["dA"], above)
                    names["dZ"] = eval(here["dZ"], names)
                else:
                    names["P"] = eval(here["P"], names)
                    names["dZ"] = eval(here["dS"], names)
            except ValueError:
                break
            for key, step, l2 in zip(layer["keys"], ("dW", "db"), (layer["l2"], 0.0), strict=True):
                with suppress(ValueError):
                    grads[key] = np.asarray(eval(here[step], names) + l2)
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

    def planted(self, key: str) -> list[Finding]:
        """The gradients that a parameter has with each fault."""
        faults = [Finding((c,), text, grads[key]) for c, text, grads in self.faults if key in grads]
        for other in [other for other in self.grads if other != key]:
            text = f"it is the gradient of {other}"
            faults.append(Finding(("swapped",), text, self.grads[other]))
        return faults

    def known(self, key: str) -> dict[str, Any]:
        """What `CHANGES` needs for a parameter: the number of examples, reg and the L2 term."""
        layer = next(layer for layer in self.layers if key in layer["keys"])
        l2 = layer["l2"] if key == layer["keys"][0] else 0.0
        return {"N": layer["N"], "reg": layer["reg"], "l2": l2}


def recognise(
    params: Params, X: Any, y: Any, reg: float, loss: Callable[[Any], float]
) -> Reference | None:
    """The reference pass of a model, or None when its loss is not that of the series' networks.

    Names do not matter: matrices are taken for weights, vectors for biases, in their order. The
    loss may centre its inputs, leave out the L2 term, or leave out its 1/2. It is compared at
    params, and at others close to them, which it might ignore.
    """
    reference = _recognise(params, X, y, reg, loss(X))
    before = {key: value.copy() for key, value in params.items()}
    for value in params.values():
        value += 0.01 * np.random.default_rng(0).standard_normal(value.shape)
    elsewhere = _recognise(params, X, y, reg, loss(X))
    for key, value in params.items():
        value[...] = before[key]
    return reference if elsewhere else None


def _recognise(params: Params, X: Any, y: Any, reg: float, loss: float) -> Reference | None:
    best, reference = CLOSE, None
    with suppress(TypeError, ValueError, IndexError), np.errstate(all="ignore"):
        inputs = np.asarray(X, dtype=np.float64)
        for A, loss_reg in product((inputs, inputs - inputs.mean(axis=0)), (reg, 0.0, 2 * reg)):
            layers = _forward(params, A, reg, loss_reg)
            layers = [layer | {"X": inputs} for layer in layers]
            layers[-1]["Y"] = np.eye(layers[-1]["Z"].shape[1])[y]
            expected = cross_entropy(layers[-1]["Z"], y)
            expected += sum(float(np.sum(v["l2"] * v["W"])) / 2 for v in layers)
            difference = abs(loss - expected) / max(1.0, abs(loss), np.abs(layers[-1]["Z"]).max())
            if difference < best:
                reference = Reference(layers, exact=bool(difference <= EXACT))
                best = difference
    return reference


def _forward(params: Params, A: np.ndarray, reg: float, loss_reg: float) -> list[dict[str, Any]]:
    """What the steps of every layer see, but for Y."""
    weights = [key for key, value in params.items() if value.ndim == 2]
    biases = [key for key, value in params.items() if value.ndim == 1]
    layers: list[dict[str, Any]] = []
    before_relu = A
    for keys in zip(weights, biases, strict=True):
        W, b = params[keys[0]], params[keys[1]]
        Z = A @ W + b
        layer = {"keys": keys, "N": len(A), "A": A, "before_relu": before_relu, "W": W, "b": b}
        layers.append(layer | {"Z": Z, "l2": loss_reg * W, "reg": loss_reg or reg})
        A, before_relu = relu(Z), Z
    return layers
