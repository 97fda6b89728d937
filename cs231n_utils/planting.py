"""Faults: what mistakes make of a gradient, and of the backward pass of the series' networks.

`CHANGES` are made to the gradient of any function. `PLANTS` replaces a step of the reference pass
by what a student may have written. A new layer adds its gradients to `LAYERS`, and what students
write instead to `LAYER_PLANTS`.
"""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cs231n_utils.taught.convolution import max_pool, phases, windows
from cs231n_utils.taught.layers import relu, standardize
from cs231n_utils.taught.losses import cross_entropy, softmax
from cs231n_utils.types import Params

CLOSE = 1e-6  # relative difference of two losses that agree, whatever their type
EXACT = 1e-12  # and in float64
TOOLS = {"np": np, "relu": relu, "softmax": softmax, "windows": windows, "max_pool": max_pool}


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

# Layers one by one: X enters, Y leaves, dY comes from above. mean(A) runs along a norm's axis, and
# other(A) along the other one; dcentred(sum) is the gradient of X - mean(X) on the graph; images
# are rows of pixels there, and images(A) are images again. f is the chain inside a layer, and
# df(dY) passes dY back through it. patches are the windows of X_padded, inside(A) cuts its margin
# off; spread(dY) has zeros between, for the stride, and around it; turned are the filters turned,
# channels swapped. over(A) repeats A over its windows, and first is 1 where the largest entry is.
LAYERS = {
    "Conv2D": {
        "Y": "correlate(X_padded, W, stride) + b",
        "dX": "inside(correlate(spread(dY), turned))",
        "dW": "sum_over_places(patches, dY)",
        "db": "dY.sum(axis=(0, 1, 2))",
    },
    "MaxPool2D": {"Y": "max_pool(X, size)", "dX": "over(dY) * first"},
    "Affine": {"Y": "X @ W + b", "dX": "dY @ W.T", "dW": "X.T @ dY", "db": "dY.sum(axis=0)"},
    "ReLU": {"Y": "relu(X)", "dX": "dY * (X > 0)"},
    "Flatten": {"Y": "X.reshape(N, -1)", "dX": "dY.reshape(X.shape)"},
    "Norm": {
        "Y": "gamma * X_hat + beta",
        "dX": "scale * (dX_hat - mean(dX_hat) - X_hat * mean(dX_hat * X_hat))",
        "dgamma": "(dY * X_hat).sum(axis=0)",
        "dbeta": "dY.sum(axis=0)",
    },
    "Dropout": {"Y": "X * mask", "dX": "dY * mask"},
    "Residual": {"Y": "X + f(X)", "dX": "dY + df(dY)"},
    "Chain": {"Y": "f(X)", "dX": "df(dY)"},
}
RENAMED = {  # the names of PLANTS, as these layers call them
    "Affine": {"dA": "dX", "dZ": "dY", "A": "X", "Z": "Y", "X": "inputs"},
    "ReLU": {"dZ": "dX", "dA": "dY", "Z": "X", "A": "Y"},
    "Norm": {"db": "dbeta", "dZ": "dY"},
}
FULL = "correlate(spread(dY), turned)"  # with the margin
SOME = {  # parts of images and places
    "one_example": ("-1:", ":1"),
    "example_missing": (":-1", "1:"),
    "one_place": (":, -1:, -1:", ":, :1, :1", "-1:, -1:, -1:", ":, -1:", ":, :, -1:"),
    "place_missing": (":, :-1, :-1", ":, 1:, 1:", ":, :-1", ":, :, :-1"),
}
MASKED = (  # where mask stands for first or largest
    ("mask_inverted", "over(dY) * (1 - mask)"),
    ("rows_columns", "over(dY.swapaxes(1, 2)) * mask"),
    ("wrong_window", "np.tile(dY, (1, size, size, 1)) * mask"),
    ("dA_missing", "1.0 * mask"),
    ("dA_missing", "X * mask"),
)
PIXELS = ("", ".sum(axis=0)", ".sum(axis=(1, 2))")
LAYER_PLANTS = {  # the cause, the gradient, what may stand there, or which names for others
    "Conv2D": (
        ("not_turned", "dX", "turned -> swapped"),
        ("not_turned", "dX", "turned -> swapped[::-1]", "turned -> swapped[:, ::-1]"),
        ("channels", "dX", "turned -> W[::-1, ::-1]"),
        ("rows_columns", "dX", "turned -> turned.swapaxes(0, 1)", f"inside({FULL}).swapaxes(1, 2)"),
        ("padding", "dX", "dY -> dY, first=(0, 0)"),
        ("padding", "dX", FULL, f"{FULL}[:, :rows, :columns]", f"{FULL}[:, pad:-pad, pad:-pad]"),
        ("padding", "dX", f"{FULL}[:, 2 * pad :, 2 * pad :]"),
        ("stride", "dX", "dY -> dY, step=1", "dY -> repeated, step=1"),
        ("stride", "dX", "dY -> dY, first=(U + stride - 2, V + stride - 2)"),
        ("overwritten", "dX", "inside(overwritten(by_place=True))"),
        ("overwritten", "dX", "inside(overwritten(by_place=False))"),
        ("overwritten", "dX", "dY -> dY * (np.arange(F) == F - 1)"),
        *(("place_missing", "dX", f"dY -> dY[{part}]") for part in SOME["place_missing"][::2]),
        ("turned", "dW", "sum_over_places(patches, dY)[::-1, ::-1]"),
        ("turned", "dW", "sum_over_places(patches, dY)[::-1]"),
        ("turned", "dW", "sum_over_places(patches, dY)[:, ::-1]"),
        ("channels", "dW", "sum_over_places(patches, dY).swapaxes(2, 3)"),
        ("rows_columns", "dW", "sum_over_places(patches, dY).swapaxes(0, 1)"),
        ("rows_columns", "dW", "dY -> dY.swapaxes(1, 2)"),
        ("stride", "dW", "patches -> windows(X_padded, size, 1)"),
        ("padding", "dW", "patches -> windows(X, size, stride)"),
        ("padding", "dW", "patches -> windows(X, size, stride); dY -> dY[:, pad:, pad:]"),
        ("padding", "dW", "patches -> windows(X_before_margin, size, stride)"),
        ("padding", "dW", "patches -> windows(np.pad(X, margin, 'edge'), size, stride)"),
        ("padding", "dW", "patches -> windows(np.pad(X, margin, 'wrap'), size, stride)"),
        ("mean_for_sum", "dW", "sum_over_places(patches, dY) / (N * P * Q)"),
        ("mean_for_sum", "dW", "sum_over_places(patches, dY) / (P * Q)"),
        ("mean_for_sum", "db", "dY.mean(axis=(0, 1, 2))", "dY.mean(axis=(1, 2)).sum(axis=0)"),
        ("missing_sum", "dW", "np.stack([sum_over_places(*each) for each in one_by_one])"),
        ("missing_sum", "db", "dY", "dY.sum(axis=0)", "dY.sum(axis=1)", "dY.sum(axis=2)"),
        ("missing_sum", "db", *(f"dY.sum(axis={each})" for each in ((0, 1), (0, 2), (1, 2)))),
        ("wrong_axis", "db", "dY.sum()", "dY.sum(axis=3)", "dY.sum(axis=(1, 2, 3))"),
        ("wrong_axis", "db", *(f"dY.sum(axis={each})" for each in ((0, 3), (0, 1, 3), (0, 2, 3)))),
        ("shape", "db", "dY.sum(axis=(0, 1, 2), keepdims=True)"),
        *((c, "dW", *(f"sum_over_places(patches[{k}], dY[{k}])" for k in SOME[c])) for c in SOME),
        *((c, "db", *(f"dY[{k}].sum(axis=(0, 1, 2))" for k in SOME[c])) for c in SOME),
    ),
    "MaxPool2D": (
        ("ties", "dX", "first -> largest"),
        ("wrong_entry", "dX", "first -> smallest", "first -> top_left", "first -> bottom_right"),
        ("wrong_entry", "dX", "first -> largest_of_channels"),
        ("average_pooling", "dX", "over(dY) / size**2"),
        ("mask_missing", "dX", "over(dY)"),
        ("rows_columns", "dX", "first -> transposed"),
        ("wrong_window", "dX", "added_at(p + u, q + v)"),
        *((c, "dX", wrong.replace("mask", m)) for c, wrong in MASKED for m in ("first", "largest")),
    ),
    "Norm": (
        ("mean_term", "dX", "scale * (dX_hat - X_hat * mean(dX_hat * X_hat))"),
        ("variance_term", "dX", "scale * (dX_hat - mean(dX_hat))"),
        ("constant_statistics", "dX", "scale * dX_hat"),
        ("running_averages", "dX", "running_scale * dX_hat", "scale -> running_scale"),
        ("running_averages", "dX", "scale -> running_scale; X_hat -> running_X_hat"),
        ("running_averages", "dX", "X_hat -> running_X_hat"),
        ("running_averages", "dX", "scale -> running_scale; X_hat -> (centred * running_scale)"),
        ("running_averages", "dgamma", "X_hat -> running_X_hat"),
        ("wrong_axis", "dX", "mean -> other", "mean -> np.mean"),
        ("wrong_axis", "dX", "mean -> of_each_pixel", "mean -> of_each_image"),
        ("wrong_axis", "dX", "mean -> other; X_hat -> other_X_hat; scale -> other_scale"),
        ("wrong_axis", "dX", "dcentred(sum) - other_sum(dcentred(sum)) / count"),
        ("wrong_axis", "dX", "dcentred(other_sum) - other_sum(dcentred(other_sum)) / count"),
        ("wrong_axis", "dX", "dcentred(other_sum) - mean(dcentred(other_sum))"),
        ("wrong_axis", "dX", "dcentred(np.sum) - mean(dcentred(np.sum))"),
        *(
            ("wrong_axis", "dX", f"scale * (dX_hat - {a}(dX_hat) - X_hat * {b}(dX_hat * X_hat))")
            for wrong in ("other", "of_each_pixel", "of_each_image")
            for a, b in ((wrong, "mean"), ("mean", wrong))
        ),
        ("wrong_axis", "dgamma", "X_hat -> other_X_hat"),
        ("wrong_axis", "dgamma", "(dY * X_hat).sum(axis=1)", "(dY * X_hat).sum()"),
        ("eps_missing", "dX", "scale -> bare_scale", "scale -> bare_scale; X_hat -> bare_X_hat"),
        ("eps_missing", "dgamma", "X_hat -> bare_X_hat"),
        ("gamma_missing", "dX", "dX_hat -> dY"),
        ("scale_missing", "dX", "dX_hat - mean(dX_hat) - X_hat * mean(dX_hat * X_hat)"),
        ("scale_missing", "dX", "scale -> 1 / scale"),
        ("x_hat_missing", "dX", "scale * (dX_hat - mean(dX_hat) - mean(dX_hat * X_hat))"),
        ("x_hat_missing", "dX", "scale * (dX_hat - mean(dX_hat) - X_hat * mean(dX_hat))"),
        ("x_hat_missing", "dgamma", "dY.sum(axis=0)"),
        ("wrong_input", "dX", "X_hat -> X"),
        ("wrong_input", "dgamma", "X_hat -> X", "X_hat -> Y", "X_hat -> (X - mean(X))"),
        ("gamma_extra", "dgamma", "(dX_hat * X_hat).sum(axis=0)"),
        ("gamma_extra", "dbeta", "dX_hat.sum(axis=0)"),
        ("sign", "dX", "scale * (dX_hat + mean(dX_hat) - X_hat * mean(dX_hat * X_hat))"),
        ("sign", "dX", "scale * (dX_hat - mean(dX_hat) + X_hat * mean(dX_hat * X_hat))"),
        ("missing_sum", "dgamma", "dY * X_hat", *(f"images(dY * X_hat){k}" for k in PIXELS)),
        ("missing_sum", "dbeta", *(f"images(dY){k}" for k in PIXELS)),
        ("factor N", "dX", "mean -> count * mean"),
        ("count", "dX", "mean -> count / N * mean"),
        ("count", "dX", "scale * (dX_hat - sum(dX_hat) / N - X_hat * mean(dX_hat * X_hat))"),
        ("count", "dX", "scale * (dX_hat - mean(dX_hat) - X_hat * sum(dX_hat * X_hat) / N)"),
    ),
    "Dropout": (
        ("mask_missing", "dX", "dY", "dY / keep"),
        ("keep_missing", "dX", "dY * (mask > 0)"),
        ("keep_twice", "dX", "dY * mask / keep"),
        ("mask_inverted", "dX", "dY * (mask == 0)", "dY * (mask == 0) / keep"),
        ("mask_redrawn", "dX", "dY * other_mask / keep", "dY * other_mask"),
    ),
    "Residual": (
        ("residual_overwritten", "dX", "df(dY)", "dY", "dY * df(dY)"),
        ("chain_order", "dX", "df -> df_in_order", "df_in_order(dY)"),
    ),
    "Chain": (("chain_order", "dX", "df -> df_in_order"),),
    "Flatten": (("order", "dX", "dY.reshape(X.shape, order='F')"),),
}
WORDS = {  # of a cause, for a layer
    "mean_term": "the mean is taken for a constant, its term is missing",
    "variance_term": "the variance is taken for a constant, its term is missing",
    "constant_statistics": "mean and variance are taken for constants, both terms are missing",
    "running_averages": "the running averages stand for the mean and variance of the batch",
    "wrong_axis": "it sums, or takes the statistics, along the wrong axis",
    "eps_missing": "eps is forgotten",
    "gamma_missing": "gamma is forgotten",
    "gamma_extra": "gamma is a factor too many",
    "scale_missing": "1 / sqrt(variance + eps) is not the factor",
    "x_hat_missing": "X_hat is forgotten",
    "wrong_input": "another array stands for X_hat",
    "count": "N stands for the number of pixels in the batch, which are the examples here",
    "sign": "the sign of one term is wrong",
    "missing_sum": "a sum is missing: over the examples, or over the places",
    "factor N": "sums stand for means",
    "mask_missing": "the mask is missing",
    "keep_missing": "the scale 1 / keep is forgotten",
    "keep_twice": "the scale 1 / keep is there twice",
    "mask_inverted": "the mask is the wrong way round",
    "mask_redrawn": "backward draws another mask than forward, which must keep it",
    "residual_overwritten": "of the two paths one overwrites the other: add their gradients",
    "order": "the values are right, but read in another order",
    "not_turned": "the filters must be turned by rows and by columns",
    "turned": "the filters' gradient is turned: leave it as it is",
    "channels": "the filters' channels, the third axis, and the filters, the fourth, are exchanged",
    "rows_columns": "rows and columns are exchanged",
    "stride": "the stride is forgotten, or put at the wrong place",
    "padding": "the margin is forgotten, kept, or cut on the wrong side",
    "overwritten": "a later window, or filter, overwrites what an earlier one gave: = for +=?",
    "mean_for_sum": "a mean stands for a sum",
    "shape": "keepdims gives it more axes",
    "one_example": "only one image counts: = for +=?",
    "example_missing": "an image is left out",
    "one_place": "only some of the places count: = for +=?",
    "place_missing": "a row or a column of places is left out",
    "wrong_entry": "the mask is 1 at another entry than the largest of each window and channel",
    "ties": "where several entries are the largest each takes the whole gradient: one must",
    "average_pooling": "the gradient is shared by all entries of a window, as of average pooling",
    "wrong_window": "the gradient of another window arrives: repeat each one over its own",
    "dA_missing": "the mask is there, but the gradient from above is missing",
    "chain_order": "the layers pass back from the first to the last: begin with the last one",
}


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

    def proves(self, key: str, gradient: np.ndarray) -> bool:
        """Whether a gradient is right, whatever its slopes: see `ModelReference`."""
        return False

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
    return _at_two_places(params, lambda: _recognise(params, X, y, reg, loss(X)))


def _at_two_places(params: Params, find: Callable[[], Reference | None]) -> Reference | None:
    """What is found at params, if something is found close to them, too."""
    reference = find()
    before = {key: value.copy() for key, value in params.items()}
    for value in params.values():
        value += 0.01 * np.random.default_rng(0).standard_normal(value.shape)
    elsewhere = find()
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


def renamed(expression: str, names: dict[str, str]) -> str:
    """An expression, or a sentence, with other names, all replaced at once."""
    return re.sub(r"[A-Za-z_]\w*", lambda name: names.get(name[0], name[0]), expression)


def plants_of(kind: str) -> Iterator[tuple[str, str, str, str]]:
    """What students write in a layer of a kind: the cause, the gradient, the code, the words."""
    for cause, step, *several in LAYER_PLANTS.get(kind, ()):
        for wrong in several:
            if " -> " in wrong:
                names = dict(pair.split(" -> ") for pair in wrong.split("; "))
                wrong = renamed(LAYERS[kind][step], names)
            yield cause, step, wrong, WORDS[cause]
    for cause, *rest in PLANTS:
        step, wrong, text = (renamed(each, RENAMED.get(kind, {})) for each in rest)
        if kind in RENAMED and step in LAYERS[kind]:
            yield cause, step, wrong, text


def forward_through(layers: Sequence[Any], X: np.ndarray) -> np.ndarray:
    """What leaves the last of the layers in training, when X enters the first."""
    for layer in layers:
        X = layer.forward(X, True)
    return X


def back_through(layers: Sequence[Any], dY: np.ndarray) -> np.ndarray:
    """The gradient that layers pass back, called in the order given."""
    for layer in layers:
        dY = layer.backward(dY)
    return dY


def inner_layers(layer: Any) -> list[Any]:
    """The layers that a layer, or a model, holds in a list `layers`."""
    layers = getattr(layer, "layers", None)
    methods = ("forward", "backward")
    of_layers = isinstance(layers, list | tuple) and all(
        callable(getattr(inner, method, None)) for inner in layers for method in methods
    )
    return [*layers] if of_layers and layers else []


class LayerReference:
    """The gradients of one layer, right and with each fault, for an upstream dY.

    Parameters
    ----------
    kind
        A key of `LAYERS`.
    names
        What its expressions see.
    inner
        The layers inside it.
    """

    def __init__(self, kind: str, names: dict[str, Any], inner: Sequence[Any]) -> None:
        self.kind, self.names, self.inner = kind, names, inner
        steps = [step for step in LAYERS[kind] if step != "Y"]
        self.grads: Params = {}
        for step in steps:
            self.grads |= self.gradients(step, LAYERS[kind][step])

    def gradients(self, step: str, expression: str) -> Params:
        """The gradient that an expression gives, and those of the layers inside."""
        gradient = np.asarray(eval(expression, TOOLS | self.names))
        if self.kind == "Norm" and step == "dX":  # rows of pixels
            gradient = gradient.reshape(self.names["entering"].shape)
        grads = {
            f"d{place}.{key}": np.array(value)
            for place, layer in enumerate(self.inner)
            for key, value in layer.grads.items()
        }
        return {step: gradient} | grads

    def allows(self, name: str, given: np.ndarray) -> bool:
        """Whether dX of max pooling differs only in how equal entries share a gradient."""
        if self.kind != "MaxPool2D" or given.shape != self.grads[name].shape:
            return False
        over, dY = self.names["over"], self.names["dY"]
        share = given / over(dY)
        inside = (share >= 0) & (self.names["largest"] | (share == 0))
        whole = np.add.reduce(phases(share, self.names["size"]))
        return bool(inside.all() and np.allclose(whole, 1))

    @np.errstate(all="ignore")
    def planted(self, name: str, given: np.ndarray) -> list[Finding]:
        """What a gradient is with each fault; given is what the layer's own backward gives."""
        self.names["other_mask"], found = given != 0, []
        for cause, step, wrong, text in plants_of(self.kind):
            if step == name or self.inner:
                with suppress(NameError, ValueError, IndexError):
                    gradient = self.gradients(step, wrong)[name]
                    text = f"{text} ({step} = {wrong}, right is {LAYERS[self.kind][step]})"
                    found.append(Finding((cause,), text, gradient))
        return found


@np.errstate(all="ignore")
def recognise_layer(
    layer: Any, X: np.ndarray, dY: np.ndarray, state: Params
) -> LayerReference | None:
    """The reference of a layer that X enters, or None when its kind is not in `LAYERS`.

    The names of its class and its bases come first, then what else gives the same Y. It is compared
    at X, and at another point: at X a layer may look like another one.
    """
    inner = inner_layers(layer)
    bases = [base.__name__.replace("BatchNorm", "Norm") for base in type(layer).__mro__]
    keys = set() if inner else {f"d{key}" for key in layer.params}
    fitting = [kind for kind, steps in LAYERS.items() if keys == steps.keys() - {"Y", "dX"}]
    elsewhere = X + np.random.default_rng(1).standard_normal(X.shape)
    for kind in sorted(fitting, key=lambda kind: kind not in bases):
        for way in ways(kind, layer):
            with suppress(Exception):  # another kind's expressions, on whatever the layer is
                if fits(kind, layer, names_of(kind, layer, elsewhere, dY, way, state)):
                    names = names_of(kind, layer, X, dY, way, state)
                    if fits(kind, layer, names):
                        return LayerReference(kind, names, inner)
    return None


def ways(kind: str, layer: Any) -> list[Any]:
    """What a layer of a kind may do: a norm's axis, the stride and margin of a convolution."""
    said = getattr(layer, "stride", 1), getattr(layer, "pad", 0)
    tried: dict[str, list[Any]] = {
        "Norm": [0, 1],
        "Conv2D": [said, *product(range(1, 4), range(4))],
    }
    return tried.get(kind, [None])


def fits(kind: str, layer: Any, names: dict[str, Any]) -> bool:
    """Whether a layer gives the Y of this kind."""
    Y, expected = names["Y"], eval(LAYERS[kind]["Y"], TOOLS | names)
    layer.forward(names["entering"], True)  # so that it remembers this pass
    same_shape = expected.shape == Y.shape
    return same_shape and bool(np.abs(expected - Y).max() <= 100 * EXACT * np.abs(Y).max())


def names_of(
    kind: str, layer: Any, X: np.ndarray, dY: np.ndarray, way: Any, state: Params
) -> dict[str, Any]:
    """What the expressions of a kind see."""
    names = {"entering": X, "X": X, "dY": dY, "N": len(X), **layer.params}
    names["Y"] = np.array(layer.forward(X, True))
    if kind == "Norm":
        names |= {key: names[key].reshape(-1, X.shape[-1]) for key in ("X", "dY", "Y")}
        names |= names_of_norm(names, way, getattr(layer, "eps", 1e-5), state)
    if kind == "Conv2D":
        names |= names_of_convolution(X, dY, names["W"], *way)
    if kind == "MaxPool2D":
        names |= names_of_pooling(X, dY, names["Y"])
    if kind == "Dropout":
        names["mask"] = mask = layer.forward(np.ones_like(X), True)
        names["keep"] = getattr(layer, "keep_prob", 1 / mask.max())
    if inner := inner_layers(layer):
        names["f"] = functools.partial(forward_through, inner)
        names["df"] = functools.partial(back_through, inner[::-1])
        names["df_in_order"] = functools.partial(back_through, inner)
    return names


def names_of_norm(known: dict[str, Any], axis: int, eps: float, state: Params) -> dict[str, Any]:
    """What the expressions of a norm see."""
    X, dX_hat, count = known["X"], known["dY"] * known["gamma"], known["X"].shape[axis]
    names = {"dX_hat": dX_hat, "count": count}
    for prefix, each in {"": axis, "other_": 1 - axis}.items():
        names[f"{prefix}sum"] = functools.partial(np.sum, axis=each, keepdims=True)
        names[f"{prefix}X_hat"], names[f"{prefix}scale"] = standardize(X, each, eps)
    names["mean"] = functools.partial(np.mean, axis=axis, keepdims=True)
    names["other"] = functools.partial(np.mean, axis=1 - axis, keepdims=True)
    names["bare_X_hat"], names["bare_scale"] = standardize(X, axis, eps=0.0)
    centred, scale = X - names["mean"](X), names["scale"]
    names["centred"] = centred
    shape = known["entering"].shape
    names["images"] = lambda rows: rows.reshape(shape)
    for name, axes in {"of_each_pixel": 0, "of_each_image": (1, 2)}.items():
        names[name] = functools.partial(mean_of_images, shape=shape, axes=axes)
    names["dcentred"] = lambda total: (
        dX_hat * scale - centred * scale**3 * total(dX_hat * centred) / count
    )
    if {"mean", "variance"} <= state.keys():
        names["running_scale"] = 1 / np.sqrt(state["variance"] + eps)
        names["running_X_hat"] = (X - state["mean"]) * names["running_scale"]
    return names


def mean_of_images(rows: np.ndarray, shape: tuple[int, ...], axes: Any) -> np.ndarray:
    """The mean along axes of images of a shape, whose pixels stand in rows, as rows."""
    mean = rows.reshape(shape).mean(axis=axes, keepdims=True)
    return np.broadcast_to(mean, shape).reshape(rows.shape)


def names_of_convolution(
    X: np.ndarray, dY: np.ndarray, W: np.ndarray, stride: int, pad: int
) -> dict[str, Any]:
    """What the expressions of a convolution see."""
    (N, rows, columns, _), (_, P, Q, F), (U, V) = X.shape, dY.shape, W.shape[:2]
    margin = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    X_padded = np.pad(X, margin)
    swapped, patches = W.swapaxes(2, 3), windows(X_padded, (U, V), stride)

    def spread(A: np.ndarray, step: int = stride, first: Any = (U - 1, V - 1)) -> np.ndarray:
        size = rows + 2 * pad + U - 1, columns + 2 * pad + V - 1
        wide = np.zeros((N, *size, F))
        places = wide[:, first[0] :: step, first[1] :: step][:, : A.shape[1], : A.shape[2]]
        places[...] = A[:, : places.shape[1], : places.shape[2]]
        return wide

    def overwritten(by_place: bool) -> np.ndarray:
        dpatches, full = np.tensordot(dY, W, axes=(3, 3)), np.zeros_like(X_padded)
        order = sorted(np.ndindex(P, Q, U, V), key=lambda each: each[2 * (not by_place) :])
        for p, q, u, v in order:
            full[:, p * stride + u, q * stride + v] = dpatches[:, p, q, u, v]
        return full

    def correlate(A: np.ndarray, W: np.ndarray, stride: int = 1) -> np.ndarray:
        return np.tensordot(windows(A, W.shape[:2], stride), W, axes=3)

    def sum_over_places(patches: np.ndarray, dY: np.ndarray) -> np.ndarray:
        P, Q = np.minimum(patches.shape[1:3], dY.shape[1:3])
        return np.tensordot(patches[:, :P, :Q], dY[:, :P, :Q], axes=((0, 1, 2), (0, 1, 2)))

    return {
        **{"P": P, "Q": Q, "U": U, "V": V, "F": F, "rows": rows, "columns": columns},
        **{"stride": stride, "pad": pad, "size": (U, V), "margin": margin, "X_padded": X_padded},
        "X_before_margin": np.pad(X, ((0, 0), (0, 2 * pad), (0, 2 * pad), (0, 0))),
        "one_by_one": [(patches[[n]], dY[[n]]) for n in range(N)],
        "repeated": dY.repeat(stride, axis=1).repeat(stride, axis=2),
        "inside": lambda full: full[:, pad : pad + rows, pad : pad + columns],
        **{"swapped": swapped, "turned": swapped[::-1, ::-1], "patches": patches},
        **{"spread": spread, "overwritten": overwritten, "correlate": correlate},
        "sum_over_places": sum_over_places,
    }


def names_of_pooling(X: np.ndarray, dY: np.ndarray, Y: np.ndarray) -> dict[str, Any]:
    """What the expressions of max pooling see: masks of one entry of every window."""
    size = X.shape[1] // Y.shape[1]
    rows, columns = (np.arange(length) % size for length in X.shape[1:3])
    number = np.add.outer(size * rows, columns)[..., None]  # of each pixel, in its window
    in_windows = np.stack(phases(X, size))  # (size * size, N, P, Q, C)

    def over(A: np.ndarray) -> np.ndarray:
        return A.repeat(size, axis=1).repeat(size, axis=2)

    def added_at(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        dX = np.zeros_like(X)
        np.add.at(dX, (n, rows, columns, c), dY)
        return dX

    largest = in_windows.argmax(axis=0)
    n, p, q, c = np.indices(Y.shape)
    return {
        **{"size": size, "over": over, "first": over(largest) == number},
        **{"largest": over(Y) == X, "added_at": added_at, "p": p, "q": q},
        **{"u": largest // size, "v": largest % size},
        "smallest": over(in_windows.argmin(axis=0)) == number,
        "transposed": over(largest % size * size + largest // size) == number,
        "largest_of_channels": over(Y.max(axis=3, keepdims=True)) == X,
        **{"top_left": number == 0, "bottom_right": number == size**2 - 1},
    }


class ModelReference(Reference):
    """The backward pass of a model whose layers are right: their chain, the L2 term, the loss.

    Parameters
    ----------
    params, chain
        The parameters of the model by its own keys, and its layers in their order.
    X, y, reg, loss_reg
        A batch, the reg that the loss was given, and the one that its L2 term has.
    dS
        The gradient of the scores where the loss is not the cross-entropy.
    """

    exact = True

    def __init__(
        self,
        params: Params,
        chain: list[Any],
        X: np.ndarray,
        y: np.ndarray,
        reg: float,
        loss_reg: float,
        dS: np.ndarray | None,
    ) -> None:
        self.params, self.chain, self.X, self.reg = params, chain, X, loss_reg or reg
        self.l2 = {k: loss_reg * W * (k.split(".")[-1] == "W") for k, W in params.items()}
        Z = forward_through(chain, X)
        self.names = TOOLS | {"Z": Z, "N": len(X), "P": softmax(Z)}
        if dS is None:
            self.names["Y"] = np.eye(Z.shape[1])[y]
            dS = eval(STEPS["dS"], self.names)
        self.dS, self.terms = dS, dict[str, float]()
        self.grads = self.passed_back(dS, chain[::-1])

    def passed_back(self, dY: np.ndarray, order: list[Any]) -> Params:
        """The gradients by the keys of the model, when backward is called in this order."""
        forward_through(self.chain, self.X)
        keys = {id(value): key for key, value in self.params.items()}
        grads: Params = {}
        for layer in order:
            dX = layer.backward(dY)
            found = {keys[id(v)]: np.array(layer.grads[k]) for k, v in layer.params.items()}
            sizes = [dY[..., 0].size * np.abs(dY).max()]
            sizes += [np.abs(gradient).max() for gradient in found.values()]
            for key, gradient in found.items():
                grads[key] = gradient + self.l2[key]
                self.terms.setdefault(key, float(max(sizes)))  # what may cancel in it
            dY = dX
        return grads

    def proves(self, key: str, gradient: np.ndarray) -> bool:
        """Whether a gradient is right but for rounding, also where all that it adds up cancels."""
        noise = CLOSE / 1000 * np.abs(self.grads[key]).max() + EXACT * self.terms[key]
        same_shape = gradient.shape == self.grads[key].shape
        return same_shape and bool((np.abs(gradient - self.grads[key]) <= noise).all())

    @functools.cached_property
    @np.errstate(all="ignore")
    def faults(self) -> list[tuple[str, str, Params]]:
        """For each fault of the loss or of the order: cause, words and gradients."""
        faults = []
        for cause, step, wrong, text in PLANTS:
            with suppress(ValueError, NameError):
                if step in ("P", "dS"):
                    names = self.names | ({"P": eval(wrong, self.names)} if step == "P" else {})
                    dS = eval(STEPS["dS"] if step == "P" else wrong, names)
                    text = f"{text} ({step} = {wrong}, right is {STEPS[step]})"
                    faults.append((cause, text, self.passed_back(dS, self.chain[::-1])))
        orders = {WORDS["chain_order"]: self.chain}
        for place, layer in enumerate(self.chain):
            rest = [other for other in self.chain[::-1] if other is not layer]
            orders[f"the backward pass leaves out layers[{place}]"] = rest
        for text, order in orders.items():
            with suppress(ValueError, IndexError):
                faults.append(("chain_order", text, self.passed_back(self.dS, order)))
        return faults

    def known(self, key: str) -> dict[str, Any]:
        """What `CHANGES` needs for a parameter: the number of examples, reg and the L2 term."""
        return {"N": len(self.X), "reg": self.reg, "l2": self.l2[key]}


def recognise_model(
    model: Any, X: np.ndarray, y: Any, reg: float, loss: Callable[[Any], float]
) -> Any:
    """The reference pass of a model with layers, or None when its loss is not that of their chain.

    As in `recognise`, the loss is compared at params and close to them, and may lack the L2 term.
    """
    return _at_two_places(model.params, lambda: _recognise_model(model, X, y, reg, loss(X)))


def _recognise_model(
    model: Any, X: np.ndarray, y: Any, reg: float, loss: float
) -> Reference | None:
    chain, params = inner_layers(model), dict(model.params)
    weights = [value for key, value in params.items() if key.split(".")[-1] == "W"]
    penalty = sum(float(np.sum(W**2)) for W in weights) / 2
    with suppress(Exception), np.errstate(all="ignore"):  # whatever the layers are
        S = forward_through(chain, X)
        losses = [(cross_entropy(S, y), None)]
        if hasattr(model, "loss_of_scores"):
            losses.append(model.loss_of_scores(S, y))
        for (value, dS), loss_reg in product(losses, (reg, 0.0, 2 * reg)):
            size = max(1.0, abs(loss), np.abs(S).max())
            if abs(loss - value - loss_reg * penalty) <= 10 * EXACT * size:
                reference = ModelReference(params, chain, X, y, reg, loss_reg, dS)
                return reference if reference.grads.keys() == params.keys() else None
    return None


AVERAGES = Finding(
    ("running_averages",), "forward takes the running averages, in training it is the batch's turn."
)


def takes_averages(layer: Any, X: np.ndarray, Y: np.ndarray, *states: Params) -> bool:
    """Whether a norm's forward pass takes one of these running averages for those of the batch."""
    for state in states:
        with suppress(KeyError, ValueError):
            X_hat = (X - state["mean"]) / np.sqrt(state["variance"] + getattr(layer, "eps", 1e-5))
            if np.allclose(Y, layer.params["gamma"] * X_hat + layer.params["beta"]):
                return True
    return False
