"""Numerical gradients by central differences, and checks of analytic gradients against them.

Derived in the notebook 03_gradient_checking.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from cs231n_utils import diagnosis, planting
from cs231n_utils.diagnosis import Case, Slopes
from cs231n_utils.planting import Finding, Reference, causes_of, inner_layers
from cs231n_utils.types import Params
from cs231n_utils.validation import (
    check_answer,
    check_counts,
    check_float64,
    check_number,
    check_positive,
    describe,
)

Function = Callable[[Any], float]
Failures = dict[str, tuple[str, list[Finding]]]  # what to say of each parameter at fault

NUM_STEPS = 7  # h, h/10, ..., h/1000000
ROUND_OFF = 4 * np.finfo(np.float64).eps  # of one value of f, relative to it
LOOSEST = 1e-3  # beyond this relative round-off a gradient cannot be judged
NEAR = 1e-4  # relative error of slopes that no smooth loss so near another one has
WIDER = 100  # times h: the step at which round-off hides less
NO_FAULT = ("kink", "round_off")  # causes of a gradient that cannot be judged
LARGE = 1_000  # entries of a parameter: check_model checks a larger one along directions
MANY = (
    400  # entries of all parameters: if the layers of a model have more, and each is right alone,
)
SMALL = 4  # those with more entries than this are checked along directions


class GradientCheckError(AssertionError):
    """An analytic gradient disagrees with the numerical one.

    Attributes
    ----------
    causes
        Short stable names of the explanations that fit, the surest first, or `unknown`.
    parameters, parameter
        The keys that are at fault, where several were checked, and the first of them.
    layer
        The place of the layer at fault in a model with `layers`, as its keys begin: "7" for
        layers[7], "3.0" for the first layer inside layers[3]. None where it is no layer.
    """

    def __init__(
        self,
        message: str,
        causes: tuple[str, ...] = (),
        parameters: tuple[str, ...] = (),
        layer: str | None = None,
    ) -> None:
        super().__init__(message)
        self.causes, self.parameters, self.layer = causes, parameters, layer
        self.parameter = parameters[0] if parameters else None


@dataclass(frozen=True)
class GradientReport:
    """A check that passed. It prints the bound, for the error's digits depend on the machine."""

    name: str
    compared: str
    relative_error: float
    tolerance: float

    def __repr__(self) -> str:
        return f"{self.name}: {self.compared} agree, relative error at most {self.tolerance:g}"


class ModelReport(dict[str, GradientReport]):
    """The report of every parameter, by its key; prints a line for each."""

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.values()))


def relative_error(a: np.ndarray | float, b: np.ndarray | float) -> float:
    """Largest difference between a and b, relative to the largest entry of either.

        max|a - b| / max(max|a|, max|b|)

    0/0 counts as 0. A NaN or an infinity anywhere gives inf, so that it never passes a check.

    Raises
    ------
    ValueError, TypeError
        The shapes differ: broadcasting would hide the mistake. A number is complex.
    """
    if np.iscomplexobj(a) or np.iscomplexobj(b):
        raise TypeError("a and b must be real: the gradient of a real loss has no imaginary part")
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have one shape, not {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.inf
    scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    if scale == 0:
        return 0.0
    return float(np.abs(a / scale - b / scale).max())


def numerical_gradient(f: Function, x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Gradient of f at x by central differences, one entry of x at a time.

        (f(x + h e) - f(x - h e)) / (2 h)        for every unit vector e

    Parameters
    ----------
    f
        Function of x that returns one number. x is changed in place while f runs, so f may also
        ignore its argument and read x through a reference, for example a network's parameter.
    x
        A float64 array of any shape. Every entry is restored exactly, also when f raises.
    h
        The step. 1e-5 is close to the best for values of order 1.

    Returns
    -------
    gradient
        Of x's shape, from two evaluations of f for each entry.

    Raises
    ------
    TypeError, ValueError
        x is no float64 array; f returns no finite number or writes into x; h is lost in x.
    """
    f_plus, f_minus = _both_sides(f, x, h)
    return (f_plus - f_minus) / (2 * h)


def _both_sides(f: Function, x: np.ndarray, h: float, where: Any = True) -> np.ndarray:
    """f(x + h e) and f(x - h e), each of x's shape; 0 where they are not asked for."""
    check_float64(x, "x")
    check_positive("h", h)
    values = np.zeros((2, *x.shape))
    with _restored(x) as (before,):
        for index in map(tuple, np.argwhere(np.broadcast_to(where, x.shape))):
            original = before[index]
            if original + h == original:
                raise ValueError(f"a step of {h:g} adds nothing to {original:g} in x: rescale x")
            for side, step in enumerate((h, -h)):
                x[index] = original + step
                values[(side, *index)] = check_number(f(x))
            x[index] = original
        if not np.array_equal(x, before, equal_nan=True):
            raise ValueError("f writes into its argument x: let it work on a copy")
    return values


@contextmanager
def _restored(*arrays: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Copies of the arrays, from which every bit is put back in the end."""
    before = [array.copy() for array in arrays]
    try:
        yield before
    finally:
        for array, original in zip(arrays, before, strict=True):
            if array.flags.writeable:
                array[...] = original


@np.errstate(all="ignore")  # of entries that are not asked for, and of values beyond float32
def measure_slopes(f: Function, x: np.ndarray, h: float, resolution: float) -> Slopes:
    """Central differences of f at x at steps h, h/10, ..., until they agree within `resolution`."""
    with _restored(x):
        f_0 = check_number(f(x))
    settled, single = np.zeros(x.shape, dtype=bool), False
    coarse = fine = np.zeros((4, *x.shape))  # central, left and right slope, round-off
    for power in range(NUM_STEPS):
        step = h / 10**power
        where = ~settled & (x + step != x)
        f_plus, f_minus = _both_sides(f, x, step, where)
        sides = (f_plus - f_minus) / (2 * step), (f_0 - f_minus) / step, (f_plus - f_0) / step
        size = np.maximum(np.maximum(np.abs(f_plus), np.abs(f_minus)), abs(f_0))
        rows = np.array([*sides, ROUND_OFF * size / step])
        coarse, fine = np.where(where, fine if power else rows, coarse), np.where(where, rows, fine)
        if power:
            settled |= where & (np.abs(fine[0] - coarse[0]) <= resolution + fine[3])
        else:
            single = bool(np.ptp(f_plus) > 0 and (f_plus.astype(np.float32) == f_plus).all())
    _, left, right, _ = (10 * fine - coarse) / 9  # one-sided slopes are off by a multiple of h
    noise = resolution + coarse[3] + np.minimum(np.abs(coarse[0] - fine[0]), fine[3])
    jumps = np.abs(coarse[2] - coarse[1]), np.abs(fine[2] - fine[1])
    kink = jumps[1] > np.maximum(0.5 * jumps[0], 4 * (resolution + 2 * fine[3]))
    return Slopes(coarse[0], noise, left, right, settled, kink, single)


class _Check:
    """A gradient of f at x beside the numerical one, relative to `typical` if it is not 0."""

    def __init__(
        self,
        f: Function,
        x: np.ndarray,
        gradient: np.ndarray,
        name: str,
        h: float = 1e-5,
        tolerance: float = 1e-7,
        typical: float = 0.0,
        settle: bool = True,
    ) -> None:
        self.gradient, self.tolerance = gradient, tolerance
        self.error = np.inf  # the largest difference at step h
        self.settled = np.inf  # and at steps where slopes settle, if that proves the gradient right
        self.slopes: Slopes | None = None
        self.hidden = False  # whether round-off hides all differences
        self.refuted = True  # whether neither round-off nor a kink may explain them
        self.message = f"{name} agrees all the same, as far as round-off lets one see"
        self.compared = f"all {x.size:,} entries of shape {x.shape}"
        if gradient.shape != x.shape:
            self.message = f"{name} has shape {gradient.shape}, but its array has {x.shape}"
            return
        self.numerical = numerical_gradient(f, x, h)
        self.error = relative_error(gradient, self.numerical)
        if typical and np.isfinite(self.error):
            with np.errstate(over="ignore"):  # the typical size may be next to nothing
                self.error = float(np.abs(gradient - self.numerical).max() / typical)
        if self.error <= tolerance:
            self.settled, self.refuted = self.error, False
            return
        self.message, off = self._worst_entries(name), np.abs(gradient - self.numerical)
        scale = typical or float(max(np.abs(gradient).max(), np.abs(self.numerical).max()))
        if not settle:
            noise = 100 * ROUND_OFF * abs(check_number(f(x))) / h
            self.refuted = bool((off > max(noise, NEAR * scale)).any() or not np.isfinite(scale))
            return
        resolution = tolerance * (typical or float(np.abs(self.numerical).max()))
        self.slopes = slopes = measure_slopes(f, x, h, resolution)
        at_h, off = np.abs(gradient - self.numerical), np.abs(gradient - slopes.value)
        scale = typical or float(max(np.abs(gradient).max(), np.abs(slopes.value).max()))
        right_at_h = at_h <= tolerance * scale
        sharp = (slopes.noise <= LOOSEST * scale) | (off == 0)
        right = slopes.settled & ~slopes.kink & sharp & (off <= slopes.noise)
        self.hidden = bool((off <= slopes.noise).all())
        sure = slopes.settled & ~slopes.kink & (off > slopes.noise + NEAR * scale)
        self.refuted = bool(sure.any() or not np.isfinite(scale))
        if scale < np.inf and not slopes.single and (right | right_at_h).all():
            self.settled = float(np.where(right_at_h, at_h, off).max()) / (scale or 1.0)

    def _worst_entries(self, name: str) -> str:
        error, tolerance = f"{self.error:.2g}", f"{self.tolerance:g}"
        lines = [f"{name} is wrong: relative error {error}, tolerance {tolerance}. Worst entries:"]
        difference = np.nan_to_num(np.abs(self.gradient - self.numerical), nan=np.inf)
        for flat in np.argsort(difference, axis=None)[:-4:-1]:
            index = ", ".join(map(str, np.unravel_index(flat, np.atleast_1d(difference).shape)))
            a, n = self.gradient.flat[flat], self.numerical.flat[flat]
            lines.append(f"  {name}[{index}]: analytic {a:.6g}, numerical {n:.6g}")
        return "\n".join(lines)

    def report(self, name: str) -> GradientReport:
        """The report, with a power of ten for the tolerance where round-off makes it larger."""
        tolerance = self.tolerance
        if self.settled > tolerance:
            tolerance = float(10.0 ** np.ceil(np.log10(self.settled)))
        return GradientReport(name, self.compared, self.settled, tolerance)


def check_gradient(
    f: Function,
    x: np.ndarray,
    gradient: np.ndarray,
    *,
    h: float = 1e-5,
    tolerance: float = 1e-7,
    name: str = "gradient",
    shrink_h: bool = True,
) -> GradientReport:
    """Compare an analytic gradient of f at x with `numerical_gradient`, entry by entry.

    Parameters
    ----------
    f, x, h
        As in `numerical_gradient`.
    gradient, name
        The analytic gradient, of x's shape, and what the report calls it, for example "dW1".
    tolerance
        The largest `relative_error` that passes. The report says a wider one that round-off needs.
    shrink_h
        Measure again at h/10, h/100, ... where the two disagree: f may have a kink within h of x.
        The gradient must agree with the value at which the slopes settle, whatever the gradient.

    Returns
    -------
    report
        Prints as one line.

    Raises
    ------
    GradientCheckError, TypeError, ValueError
        They disagree, also in shape; as in `numerical_gradient`; x is empty.
    """
    check_float64(x, "x")
    gradient = np.asarray(gradient)
    check_counts(size_of_x=x.size)
    check = _Check(f, x, gradient, name, h, tolerance)
    if check.hidden and not np.isfinite(check.settled):
        with suppress(ValueError):  # f need not be finite so far from x
            wide = _Check(f, x, gradient, name, WIDER * h, tolerance)  # less round-off
            check = wide if np.isfinite(wide.settled) else check
    if check.error <= tolerance or (shrink_h and np.isfinite(check.settled)):
        return check.report(name)
    if gradient.shape != x.shape and x.size <= LARGE:
        with suppress(Exception):  # the shape is wrong, whatever else f does
            check.slopes = _Check(f, x, np.full(x.shape, np.nan), name, h, tolerance).slopes
    if check.slopes:
        _require_determinism(check.message, lambda: check_number(f(x)), x)
    raise _error(check.message, Case(gradient, check.slopes, x).explain())


def check_directions(
    f: Function,
    params: Params,
    grads: Params,
    *,
    num_directions: int = 4,
    h: float = 1e-5,
    tolerance: float = 1e-5,
    rng: np.random.Generator | int = 0,
) -> GradientReport:
    """Check the gradients of all parameters at once, along a few random directions.

    The slope of f along a direction v of length 1 over all parameters must be <grads, v>:

        (f(params + h v) - f(params - h v)) / (2 h)  =  <grads, v>

    The difference is measured against the root-mean-square size of <grads, v> over all directions,
    |grads| / sqrt(number of parameters): a single slope may vanish by chance.

    Parameters
    ----------
    f, params, grads
        A function of params as in `numerical_gradient`; dicts with the same keys, float64 arrays
        pairwise of one shape. params is restored exactly.
    num_directions, h, tolerance, rng
        How many, two evaluations each; the step; the largest difference that passes; a seed.

    Returns
    -------
    report
        Prints as one line.

    Raises
    ------
    GradientCheckError, TypeError, ValueError
        As in `check_gradient`; keys differ.
    """
    check_counts(num_directions=num_directions, num_parameters=len(params))
    _require_keys(params, grads)
    for key, value in params.items():
        check_float64(value, f"params[{key!r}]")
        if np.shape(grads[key]) != value.shape:
            shapes = f"the gradient of {key} has shape {np.shape(grads[key])}"
            raise GradientCheckError(f"{shapes}, but {key} has shape {value.shape}")
    V = _directions(params, num_directions, rng)
    check = _along(V, f, params, grads, "the gradient", h, tolerance)
    if np.isfinite(check.settled):
        return check.report("gradients")
    message = f"{check.message}; check {', '.join(params)} one by one with check_gradient"
    _require_determinism(message, lambda: check_number(f(params)), *params.values())
    keys = np.repeat([*params], [value.size for value in params.values()])
    alone = {key: _along(V * (keys == key), f, params, grads, key, h, tolerance) for key in params}
    wrong = [key for key, check in alone.items() if not np.isfinite(check.settled)]
    for key in wrong:
        size = f"{alone[key].error:.2g} of that size"
        message += f"\nAlong directions through {key} alone the slope differs by {size}."
    right = ", ".join(key for key in params if key not in wrong)
    if right:
        message += f"\nAlong directions through one of {right} it agrees."
    raise GradientCheckError(message, parameters=tuple(wrong))


def _directions(params: Params, count: int, rng: np.random.Generator | int) -> np.ndarray:
    """Random directions of length 1 over all parameters, one a row."""
    size = sum(value.size for value in params.values())
    V = np.random.default_rng(rng).standard_normal((count, size))
    return V / np.linalg.norm(V, axis=1, keepdims=True)


def _along(
    V: np.ndarray,
    f: Function,
    params: Params,
    grads: Params,
    name: str,
    h: float,
    tolerance: float,
    settle: bool = True,
) -> _Check:
    """The check along the rows v of V. Typical is the root mean square of <grads, v> over all v."""
    gradient = np.concatenate([np.ravel(grads[key]) for key in params])
    sizes = [value.size for value in params.values()]
    scale = float(np.abs(gradient).max(initial=0.0)) or 1.0  # so that no square overflows
    typical = scale * float(np.linalg.norm(gradient / scale) / np.sqrt(gradient.size or 1))
    with _restored(*params.values()) as before:

        def f_at(t: np.ndarray) -> float:
            steps = np.split(t @ V, np.cumsum(sizes)[:-1])
            for value, start, step in zip(params.values(), before, steps, strict=True):
                value[...] = start + step.reshape(value.shape)
            return check_number(f(params))

        t, typical = np.zeros(len(V)), typical or np.finfo(np.float64).tiny
        check = _Check(f_at, t, V @ gradient, name, h, tolerance, typical, settle)
    check.slopes = None  # they are those of directions, not of entries
    check.compared = f"{len(V)} random directions through all {gradient.size:,} parameters"
    size = f"{check.error:.2g} of its typical size (tolerance {tolerance:g})"
    check.message = (
        f"{name} is wrong: along a direction v the slope differs from <grads, v> by {size}"
    )
    return check


def check_model(model: Any, X: Any, y: Any, reg: float = 0.0) -> ModelReport:
    """Check the gradient of every parameter of a model, and name the one at fault and the cause.

    Small parameters are compared entry by entry, large ones along random directions. With reg = 0
    the L2 term is not tested: check with a reg above 0 as well.

    Parameters
    ----------
    model
        Has `params`, a dict of float64 arrays, and `loss(X, y, reg)`, which returns the loss and a
        dict of gradients with the same keys. The loss must see changes that are made in params.
    X, y, reg
        What loss takes, for example inputs (N, D), labels (N,) and the strength of the L2 term.

    Returns
    -------
    report
        Prints a line for each parameter.

    Raises
    ------
    GradientCheckError, TypeError
        A gradient is wrong or missing; the loss is not finite, is random, or changes what it is
        given: `causes` says why, `parameter` where, and `layer` in a model with `layers`, each of
        which is then checked alone. loss returns something else.
    """
    params, report = dict(model.params), ModelReport()
    for key, value in params.items():
        try:
            check_float64(value, f"params[{key!r}]")
        except TypeError as error:
            kind = getattr(value, "dtype", np.dtype(object)).kind
            cause = {"f": "float32", "i": "integer", "u": "integer"}.get(kind, "type")
            raise GradientCheckError(str(error), (cause,), (key,)) from None
    failures: Failures = {}
    arrays = params | {k: v for k, v in {"X": X, "y": y}.items() if isinstance(v, np.ndarray)}
    layers = _Layers(model, X) if inner_layers(model) and np.ndim(X) else None
    kept = layers.kept if layers else nullcontext
    large = LARGE

    def answer() -> tuple[float, Params]:
        with kept():
            return check_answer(model.loss(X, y, reg))

    def f(_: Any) -> float:
        return check_number(answer()[0])

    def compare(key: str, settle: bool = True, quick: bool = False) -> _Check:
        x, gradient = params[key], grads[key]
        if x.size > (SMALL if quick else large) and gradient.shape == x.shape:
            V = _directions({key: x}, count=2 if quick else 4, rng=0)
            return _along(V, f, {key: x}, grads, f"d{key}", 1e-5, 1e-5, settle)
        return _Check(f, x, gradient, f"d{key}", settle=settle)

    with _restored(*arrays.values()), kept():
        grads = _gradients(answer, params, arrays, layers)
        reference: Reference | None
        if layers:
            reference = layers.reference(y, reg, f)
            if layers.faults:
                wrong = [key for key in params if compare(key, settle=False, quick=True).refuted]
                if wrong:
                    raise layers.error(wrong, lambda key: compare(key, settle=False).message)
            elif sum(x.size for x in params.values()) > MANY:
                large = SMALL
        else:
            reference = planting.recognise(params, X, y, reg, f)
        for key, x in params.items():
            gradient, same_shape = grads[key], grads[key].shape == x.shape
            check = compare(key, settle=not layers)
            proved = bool(layers and reference and reference.proves(key, gradient))
            if layers and not np.isfinite(check.settled) and (check.refuted or not proved):
                check = compare(key)
            if np.isfinite(check.settled):
                report[key] = check.report(f"d{key}")
                continue
            if layers and layers.faults:
                raise layers.error([key], lambda key: compare(key, settle=False).message)
            exact = reference is not None and reference.exact and not proved
            near = (
                reference and same_shape and relative_error(gradient, reference.grads[key]) < NEAR
            )
            if proved and not check.refuted:
                findings = [diagnosis.ROUND]
            elif reference and exact:
                findings = diagnosis.proofs(reference, key, x, gradient, check.slopes)
            elif near and check.error > NEAR:
                findings = [diagnosis.FLOAT32]
            else:
                known = {"N": (*np.shape(X), np.nan)[0], "reg": reg, "l2": reg * x}
                findings = Case(gradient, check.slopes, x, known).explain()
            if (exact or proved) and findings == [diagnosis.ROUND]:
                compared = f"{check.compared} and of a reference pass"
                report[key] = GradientReport(f"d{key}", compared, 0.0, diagnosis.PROVED)
            else:
                failures[key] = check.message, findings
    if failures:
        raise _error_of_model(failures, list(report), is_deep=layers is not None)
    return report


class _Layers:
    """The layers of a model with what enters them, and what is wrong with each of them alone."""

    def __init__(self, model: Any, X: Any) -> None:
        self.model, self.X = model, np.array(X, dtype=np.float64)
        self.inside = dict(_places(model))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put the state of all layers back in the end, such as running averages."""
        states = [(layer, layer.state) for layer in self.inside.values() if _state(layer)]
        before = [dict(state) for _, state in states]
        with _restored(*(value for each in before for value in each.values())):
            try:
                yield
            finally:
                for (layer, state), arrays in zip(states, before, strict=True):
                    layer.state = state
                    state.update(arrays)

    @functools.cached_property
    def faults(self) -> dict[str, dict[str, list[Finding]]]:
        """Of every layer that is wrong its gradients, from the output down, for a random dY."""
        found: dict[str, dict[str, list[Finding]]] = {}
        entering = [("", self.model, self.X, False)]
        with suppress(Exception), self.kept():  # a chain may do other things than its layers do
            entering += _entering(self.model, self.X)
        for place, layer, X, is_used in reversed(entering):
            is_inside_right = not any(inner.startswith(f"{place}.") for inner in found)
            if is_inside_right and (place or not found):
                with suppress(Exception):  # and a layer may not take every dY
                    for seed in range(1 + 20 // X.size):  # a small one may hide a fault by chance
                        faults = _faults_of_layer(layer, X, is_used, self.kept, seed)
                        if faults:
                            found[place] = faults
                            break
        return found

    def reference(self, y: Any, reg: float, loss: Function) -> Reference | None:
        """The reference pass of the model, if its loss is that of the chain of its layers.

        A function loss_of_scores that is not the cross-entropy must have the gradient that it says.
        """
        with self.kept():
            reference = planting.recognise_model(self.model, self.X, y, reg, loss)
        if reference and "Y" not in reference.names:
            S, dS, own = reference.names["Z"], reference.dS, self.model.loss_of_scores
            check = _Check(lambda S: check_number(own(S, y)[0]), S, dS, "dS")
            if not np.isfinite(check.settled):
                found = Case(dS, check.slopes, S, {"N": len(S), "reg": 0.0, "l2": 0.0}).explain()
                raise _error(f"loss_of_scores: {check.message}", found)
        return reference

    def error(self, wrong: list[str], message: Callable[[str], str]) -> GradientCheckError:
        """The first wrong layer from the output down, at the last parameter that its fault reaches.

        wrong are the parameters whose slopes prove their gradient wrong; message says it of one.
        """
        places = {id(v): at for at, layer in self.inside.items() for v in layer.params.values()}
        (first, faults), *others = self.faults.items()
        depth = len(_numbers(first))
        at = {k: _numbers(places.get(id(v), "")) for k, v in self.model.params.items()}
        before = [key for key in at if at[key][:depth] <= _numbers(first)]
        wrong = [key for key in wrong if key in before]  # a kink makes others look so
        key = [*at, *before, *wrong][-1]
        also = [other for other in wrong if other != key]
        right = [other for other in at if other not in wrong and wrong]
        lines = [
            f"{self.name(first)}: its {name} is wrong: {findings[0].text}"
            for name, findings in faults.items()
        ]
        lines.append(message(key))
        lines += [f"Wrong, too: {', '.join(f'd{other}' for other in also)}."] * bool(also)
        lines += [f"Right: {', '.join(f'd{other}' for other in right)}."] * bool(right)
        found = [*chain(*faults.values())]
        for place, each in others:
            found += chain(*each.values())
            why = ", ".join(causes_of([*chain(*each.values())]))
            lines.append(f"{self.name(place)}: its {', '.join(each)} is wrong, too: {why}.")
        causes = causes_of(sorted(found, key=lambda finding: finding.causes[0] == "unknown"))
        return GradientCheckError("\n".join(lines), causes, (key, *also), first or None)

    def random(self) -> tuple[str | None, Finding]:
        """The first layer that gives two answers to one input, and what to do."""
        for place, layer, X, _ in _entering(self.model, self.X):
            if not inner_layers(layer) and not _same(
                layer.forward(X, True), layer.forward(X, True)
            ):
                name = self.name(place)
                text = f"{name} draws anew in every pass: fix its seed."
                if hasattr(layer, "redraw"):
                    where = name.split(", ")[0]
                    text = f"{name} draws a new mask in every pass: fix its mask, "
                    text += f"{where}.redraw = False."
                return place, Finding(("not_deterministic",), text)
        return None, diagnosis.RANDOM

    def name(self, place: str) -> str:
        """A layer as messages call it: layers[3].layers[0], Affine(4, 4)."""
        where = ".".join(f"layers[{number}]" for number in _numbers(place))
        return f"{where}, {describe(self.inside[place])}" if place else describe(self.model)


def _state(layer: Any) -> Params:
    state = getattr(layer, "state", {})
    return state if isinstance(state, dict) else {}


def _numbers(place: str) -> tuple[int, ...]:
    return tuple(map(int, place.split("."))) if place else ()


def _places(layer: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every layer inside by its place, those inside it behind it."""
    for number, inner in enumerate(inner_layers(layer)):
        yield f"{before}{number}", inner
        yield from _places(inner, f"{before}{number}.")


def _entering(
    chain: Any, X: np.ndarray, before: str = "", is_used: bool = False
) -> Iterator[tuple[str, Any, np.ndarray, bool]]:
    """As `_places`, with what enters each layer, and whether a parameter before it needs its dX."""
    for number, layer in enumerate(inner_layers(chain)):
        yield f"{before}{number}", layer, X, is_used
        yield from _entering(layer, X, f"{before}{number}.", is_used)
        X, is_used = layer.forward(X, True), is_used or bool(layer.params)


def _faults_of_layer(
    layer: Any,
    X: np.ndarray,
    is_used: bool,
    kept: Callable[[], AbstractContextManager[None]],
    seed: int,
) -> dict[str, list[Finding]]:
    """The wrong gradients of a layer for what enters it and a random dY, each with its causes."""

    def gradients() -> Params:
        with kept():
            layer.forward(X, True)
            dX = layer.backward(dY.copy())
        return {"dX": np.array(dX)} | {f"d{k}": np.array(g) for k, g in layer.grads.items()}

    def f(_: Any) -> float:
        with kept():
            return check_number(np.sum(dY * layer.forward(X, True)))

    X = X.copy()
    before = {key: value.copy() for key, value in _state(layer).items()}
    with kept():
        Y = np.array(layer.forward(X, True))
        after = {key: value.copy() for key, value in _state(layer).items()}
    dY = np.random.default_rng(seed).standard_normal(Y.shape)
    given, again = gradients(), gradients()
    grown = [name for name in given if not _same(given[name], again[name])]
    if grown and "dX" not in grown:
        return {name: [diagnosis.GROWS] for name in grown}
    with kept():
        reference = planting.recognise_layer(layer, X, dY, after)
    found: dict[str, list[Finding]] = {}
    arrays = {f"d{key}": value for key, value in layer.params.items()}
    for name, x in (arrays | {"dX": X} if is_used else arrays).items():
        if reference:
            findings = diagnosis.faults_of_layer(reference, name, x, given[name])
        elif given[name].shape == x.shape and x.size > LARGE:
            V = _directions({name: x}, count=4, rng=0)
            check = _along(V, f, {name: x}, given, name, 1e-5, 1e-5)
            findings = [] if np.isfinite(check.settled) else [diagnosis.LARGE]
        else:
            check = _Check(f, x, given[name], name)
            findings = []
            if not np.isfinite(check.settled):
                known = {"N": len(X), "reg": 0.0, "l2": 0.0}
                findings = Case(given[name], check.slopes, x, known).explain()
                findings = [each for each in findings if not {*each.causes} <= {*NO_FAULT}]
        if findings == [diagnosis.UNKNOWN] and "dX" in grown:
            findings = [diagnosis.RESTLESS]
        if findings and not reference and planting.takes_averages(layer, X, Y, before, after):
            findings = [planting.AVERAGES]
        found |= {name: findings} if findings else {}
    return found


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two gradients, or answers, are equal but for rounding."""
    return a.shape == b.shape and np.allclose(a, b, rtol=NEAR, atol=1e-12, equal_nan=True)


def _error(message: str, findings: list[Finding]) -> GradientCheckError:
    """The error of a failed check, with its diagnosis."""
    lines = [message, *(f"Diagnosis: {finding.text}" for finding in findings)]
    return GradientCheckError("\n".join(lines), causes_of(findings))


def _require_determinism(
    message: str, value: Callable[[], float], *arrays: np.ndarray, layers: Any = None
) -> None:
    """Refuse a value that changes from call to call; each starts from the arrays as they are."""
    values = []
    for _ in range(5):
        with _restored(*arrays):
            values.append(value())
    if np.ptp(values) > ROUND_OFF * np.abs(values).max():
        place, finding = layers.random() if layers else (None, diagnosis.RANDOM)
        error = _error(message, [finding])
        error.layer = place
        raise error


def _gradients(
    answer: Callable[[], tuple[float, Params]], params: Params, arrays: Params, layers: Any
) -> Params:
    """The gradients, if the loss is finite, repeats itself and leaves its arguments alone."""

    def call() -> tuple[float, Params]:
        loss, grads = answer()
        return float(loss), {k: np.array(g) for k, g in grads.items() if g is not None}

    before = {key: value.copy() for key, value in arrays.items()}
    loss, grads = call()
    for key, value in before.items():
        if not np.array_equal(arrays[key], value, equal_nan=True):
            text = f"loss writes into {key}: let it work on a copy"
            raise GradientCheckError(text, ("writes_into_x",), (key,))
    if not np.isfinite(loss):
        text = f"loss(X, y, reg) is {loss}: look for overflow in exp, log(0) or a division by 0"
        raise GradientCheckError(text, ("not_finite",))
    _require_keys(params, grads)
    message = "the gradients cannot be checked."
    _require_determinism(message, lambda: call()[0], *arrays.values(), layers=layers)
    again = call()[1]
    restless = [key for key in params if not _same(again[key], grads[key])]
    text = "d{} changes from call to call, but not the loss"
    if restless and layers and layers.faults:
        raise layers.error(restless, text.format)
    for key in restless:
        text = f"{text.format(key)}: start it from zeros"
        raise GradientCheckError(text, ("accumulated",), (key,))
    return grads


def _error_of_model(
    failures: Failures, right: list[str], is_deep: bool = False
) -> GradientCheckError:
    """The cause that most share comes first, at the last of them: there backward passes begin."""
    places = {key.rpartition(".")[0] for key in failures}
    place = places.pop() if is_deep and len(places) == 1 else None
    votes = Counter(cause for _, found in failures.values() for cause in causes_of(found))
    last = (*NO_FAULT, "unknown")
    causes = sorted(votes, key=lambda cause: (cause in last, -votes[cause]))
    parameter = [key for key, (_, found) in failures.items() if causes[0] in causes_of(found)][-1]
    message, findings = failures.pop(parameter)
    if causes[0] in NO_FAULT:
        message = message.replace(" is wrong", " cannot be judged, it may be right", 1)
    findings = sorted(findings, key=lambda finding: causes.index(finding.causes[0]))
    lines = [str(_error(message, findings))]
    lines += [f"d{key} is wrong, too: {found[0].text}" for key, (_, found) in failures.items()]
    if right:
        lines.append(f"Right: {', '.join(f'd{key}' for key in right)}.")
    return GradientCheckError("\n".join(lines), tuple(causes), (parameter, *failures), place)


def _require_keys(params: Params, grads: Params) -> None:
    missing = tuple(key for key in params if key not in grads)
    if params.keys() != grads.keys():
        text = f"params has the keys {sorted(params)}, but grads has {sorted(grads)}"
        raise GradientCheckError(text, ("missing",) if missing else ("extra",), missing)
