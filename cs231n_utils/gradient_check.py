"""Numerical gradients by central differences, and checks of analytic gradients against them.

Derived in the notebook 03_gradient_checking.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from cs231n_utils import diagnosis, planting
from cs231n_utils.diagnosis import Finding, Slopes, causes_of
from cs231n_utils.types import Params

Function = Callable[[Any], float]
Failure = tuple[str, Slopes | None]  # the message, and what was measured

LOOSEST = 1e-3  # beyond this relative round-off a gradient cannot be judged
WIDER = 100  # times h: the step at which it is then measured again
LARGE = 1_000  # entries of a parameter: check_model checks a larger one along directions
DIAGNOSED = 10_000  # entries of x: a larger one is not measured for its diagnosis


class GradientCheckError(AssertionError):
    """An analytic gradient disagrees with the numerical one.

    Attributes
    ----------
    causes
        Short stable names of the explanations that fit, the surest first; `unknown` where none
        does. `check_directions` leaves it empty, or says `not_deterministic`.
    parameters, parameter
        The keys that `check_directions` and `check_model` found at fault, and the first of them.
    """

    def __init__(
        self, message: str, causes: tuple[str, ...] = (), parameters: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.causes, self.parameters = causes, parameters
        self.parameter = parameters[0] if parameters else None


@dataclass(frozen=True)
class GradientReport:
    """A check that passed: what was compared, the error, and the largest that would have passed."""

    name: str
    compared: str
    relative_error: float
    tolerance: float

    def __repr__(self) -> str:
        # The bound, not the error: the error's digits depend on the machine.
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
    ValueError
        The shapes differ: broadcasting would hide the mistake.
    TypeError
        A number is complex.
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


def numerical_gradient(
    f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5
) -> np.ndarray:
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
        Of x's shape. Costs two evaluations of f for each entry.

    Raises
    ------
    TypeError
        x is not a float64 array.
    ValueError
        f returns anything but one finite number, or writes into x; h adds nothing to an entry.
    """
    _require_float64(x, "x")
    _require_step(h)
    before = x.copy()
    gradient = np.zeros_like(x)
    try:
        for index in np.ndindex(x.shape):
            original = before[index]
            if original + h == original:
                raise ValueError(
                    f"x holds {original:g}, to which a step of {h:g} adds nothing: rescale x"
                )
            x[index] = original + h
            f_plus = _number(f(x))
            x[index] = original - h
            f_minus = _number(f(x))
            x[index] = original
            gradient[index] = (f_plus - f_minus) / (2 * h)
        if not np.array_equal(x, before, equal_nan=True):
            raise ValueError("f writes into its argument x: let it work on a copy")
    finally:
        x[...] = before
    return gradient


def check_gradient(
    f: Callable[[np.ndarray], float],
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
    gradient
        The analytic gradient, of x's shape.
    tolerance
        The largest `relative_error` that passes.
    name
        What the report calls the gradient, for example "dW1".
    shrink_h
        Where the two disagree, measure again at h/10, h/100, ...: f may have a kink within h of x.
        An entry passes when the numerical value settles at a smaller step, whatever the gradient,
        and the gradient agrees with it. The report says a wider bound where round-off demands it.

    Returns
    -------
    report
        Prints as one line.

    Raises
    ------
    GradientCheckError
        The two disagree or their shapes differ: the worst entries, and a diagnosis.
    TypeError, ValueError
        As in `numerical_gradient`; x is empty.
    """
    _require_float64(x, "x")
    gradient = np.asarray(gradient)
    if gradient.shape == x.shape and x.size == 0:
        raise ValueError("x is empty: there is nothing to check")
    outcome = _by_entries(f, x, gradient, name, "x", h, tolerance, shrink_h)
    if isinstance(outcome, GradientReport):
        return outcome
    message, slopes = outcome
    if slopes is None:
        slopes = _slopes(f, x)
    elif not _is_deterministic(lambda: _number(f(x)), x):
        raise _error(message, [diagnosis.NOT_DETERMINISTIC])
    raise _error(message, diagnosis.explain(gradient, slopes, x))


def _by_entries(
    f: Function,
    x: np.ndarray,
    gradient: np.ndarray,
    name: str,
    of: str,
    h: float = 1e-5,
    tolerance: float = 1e-7,
    shrink_h: bool = True,
    inside: float = 0.0,
) -> GradientReport | Failure:
    """The comparison of `check_gradient`; inside: the size of the numbers that f adds up."""
    if gradient.shape != x.shape:
        message = (
            f"{name} has shape {gradient.shape}, but {of} has shape {x.shape}: "
            "a gradient has the shape of what it is taken with respect to"
        )
        return message, None
    numerical = numerical_gradient(f, x, h)
    error = relative_error(gradient, numerical)
    if not error <= tolerance:
        resolution = tolerance * float(np.abs(numerical).max())
        slopes = _measure(f, x, h, resolution, inside)
        settled = _settled_error(gradient, numerical, slopes, tolerance)
        if settled is None and (np.abs(gradient - slopes.value) <= slopes.noise).all():
            with suppress(ValueError):  # f need not be finite so far from x
                wide = _measure(f, x, WIDER * h, resolution)  # less round-off
                settled = _settled_error(gradient, numerical, wide, tolerance)
        if not shrink_h or settled is None:
            return _disagreement(name, gradient, numerical, error, tolerance), slopes
        error, tolerance = settled, _bound(settled, tolerance)
    entries = f"all {x.size:,} entries of shape {x.shape}"
    return GradientReport(name, entries, error, tolerance)


def _measure(
    f: Function, x: np.ndarray, h: float, resolution: float, inside: float = 0.0
) -> Slopes:
    return diagnosis.measure_slopes(lambda x: _number(f(x)), x, h, resolution, inside)


def _slopes(f: Function, x: np.ndarray, h: float = 1e-5) -> Slopes | None:
    """What the diagnosis may compare with; None when x is large, or f fails."""
    with suppress(Exception):  # the gradient is wrong, whatever else f does
        if 0 < x.size <= DIAGNOSED:
            return _measure(f, x, h, 1e-7 * float(np.abs(numerical_gradient(f, x, h)).max()))
    return None


def _error(message: str, findings: list[Finding]) -> GradientCheckError:
    """The error of a failed check, with its diagnosis."""
    text = "\n".join([message, *diagnosis.sentences(findings)])
    return GradientCheckError(text, causes_of(findings) or ("unknown",))


@contextmanager
def _restored(*arrays: np.ndarray) -> Iterator[None]:
    """Put back every bit of the arrays in the end."""
    before = [array.copy() for array in arrays]
    try:
        yield
    finally:
        for array, original in zip(arrays, before, strict=True):
            if array.flags.writeable:
                array[...] = original


def _is_deterministic(value: Callable[[], float], *arrays: np.ndarray) -> bool:
    """Whether five evaluations agree up to round-off; each starts from the arrays as they are."""
    values = []
    for _ in range(5):
        with _restored(*arrays):
            values.append(value())
    return bool(np.ptp(values) <= diagnosis.ROUND_OFF * np.abs(values).max())


def _settled_error(
    gradient: np.ndarray, numerical: np.ndarray, slopes: Slopes, tolerance: float, scale: float = 0
) -> float | None:
    """The relative error against slopes at settled steps, or None when an entry is wrong."""
    if not np.isfinite(gradient).all() or slopes.single.any():
        return None
    scale = scale or max(float(np.abs(gradient).max()), float(np.abs(slopes.value).max()))
    at_h = np.abs(gradient - numerical)
    settled = np.abs(gradient - slopes.value)
    sharp = (slopes.noise <= LOOSEST * scale) | (settled == 0)
    trusted = slopes.settled & ~slopes.kink & sharp
    right_at_h = at_h <= tolerance * scale
    if not (right_at_h | (trusted & (settled <= slopes.noise))).all():
        return None
    worst = float(np.where(right_at_h, at_h, settled).max())
    return worst / scale if worst else 0.0


def _bound(error: float, tolerance: float) -> float:
    """The tolerance, or the power of ten above the error where round-off makes this larger."""
    return tolerance if error <= tolerance else float(10.0 ** np.ceil(np.log10(error)))


def check_directions(
    f: Callable[[Params], float],
    params: Params,
    grads: Params,
    *,
    num_directions: int = 4,
    h: float = 1e-5,
    tolerance: float = 1e-5,
    rng: np.random.Generator | int = 0,
) -> GradientReport:
    """Check the gradients of all parameters at once, along a few random directions.

    Along a direction v of length 1 over all parameters together, the slope of f must be the inner
    product of v with the gradient:

        (f(params + h v) - f(params - h v)) / (2 h)  =  <grads, v>

    A wrong entry changes the right-hand side for almost every v. The difference is measured
    against the root-mean-square size that <grads, v> has over all directions, |grads| /
    sqrt(number of parameters): a single slope may vanish by chance.

    Parameters
    ----------
    f
        Function of params that returns one number; params is changed in place while f runs.
    params, grads
        Dicts with the same keys; float64 arrays, pairwise of one shape. params is restored exactly.
    num_directions, h, tolerance
        How many directions, two evaluations each; the step; the largest difference that passes.
    rng
        A NumPy Generator, or a seed for one.

    Returns
    -------
    report
        Prints as one line.

    Raises
    ------
    GradientCheckError
        A slope disagrees, or keys or shapes differ.
    TypeError, ValueError
        As in `numerical_gradient`; params is empty.
    """
    _require_step(h)
    if not params:
        raise ValueError("params is empty: there is nothing to check")
    if num_directions < 1:
        raise ValueError(f"num_directions must be at least 1, not {num_directions}")
    _require_keys(params, grads)
    for key, value in params.items():
        _require_float64(value, f"params[{key!r}]")
        if np.shape(grads[key]) != value.shape:
            raise GradientCheckError(
                f"the gradient of {key} has shape {np.shape(grads[key])}, "
                f"but {key} has shape {value.shape}"
            )
    rng = np.random.default_rng(rng)
    directions = []
    for _ in range(num_directions):
        directions.append({key: rng.standard_normal(v.shape) for key, v in params.items()})
    worst, settled = _worst_error(f, params, grads, directions, h, tolerance)
    if not np.isfinite(settled):
        message = (
            f"the gradient is wrong: along a random direction the slope of f differs from "
            f"<grads, v> by {worst:.2g} of its typical size (tolerance {tolerance:g}); "
            f"check {', '.join(params)} one by one with check_gradient"
        )
        if not _is_deterministic(lambda: _number(f(params)), *params.values()):
            raise _error(message, [diagnosis.NOT_DETERMINISTIC])
        raise _error_of_parameters(message, f, params, grads, h, tolerance)
    size = sum(value.size for value in params.values())
    compared = f"{num_directions} random directions through all {size:,} parameters"
    return GradientReport("gradients", compared, settled, _bound(settled, tolerance))


def _worst_error(
    f: Function,
    params: Params,
    grads: Params,
    directions: list[Params],
    h: float = 1e-5,
    tolerance: float = 1e-5,
) -> tuple[float, float]:
    errors = [_direction_error(f, params, grads, v, h, tolerance) for v in directions]
    return max(at_h for at_h, _ in errors), max(settled for _, settled in errors)


def _direction_error(
    f: Function, params: Params, grads: Params, direction: Params, h: float, tolerance: float
) -> tuple[float, float]:
    """The error along a direction at step h, and the one at a step where the slope has settled.

    Both are relative to the root mean square of <grads, v> over all directions v of length 1
    through the keys of `direction`. The second is inf when the slope proves the gradient wrong.
    """
    length = np.sqrt(sum(np.sum(np.square(v)) for v in direction.values()))
    direction = {key: v / length for key, v in direction.items()}
    largest = max(float(np.abs(grads[key]).max(initial=0.0)) for key in direction)
    scale = largest or 1.0  # entries of at most 1, so that no square overflows
    norm = scale * np.sqrt(sum(np.sum(np.square(grads[key] / scale)) for key in direction))
    expected = float(norm / np.sqrt(sum(v.size for v in direction.values())))
    expected_slope = sum(float(np.sum(grads[key] * v)) for key, v in direction.items())
    original = {key: value.copy() for key, value in params.items()}

    def f_at(t: np.ndarray) -> float:
        for key, value in params.items():  # all of them: f may have written into any
            value[...] = original[key] + (t[0] * direction[key] if key in direction else 0.0)
        return _number(f(params))

    try:
        difference = abs(expected_slope - numerical_gradient(f_at, np.zeros(1), h)[0])
        if difference == 0 or difference <= tolerance * expected:
            return (difference / expected if difference else 0.0,) * 2
        if expected == 0 or not np.isfinite(difference):
            return np.inf, np.inf
        slopes = diagnosis.measure_slopes(f_at, np.zeros(1), h, tolerance * expected)
    finally:
        for key, value in params.items():
            value[...] = original[key]
    slope, wrong_at_h = np.array([expected_slope]), np.array([np.inf])
    settled = _settled_error(slope, wrong_at_h, slopes, tolerance, expected)
    return difference / expected, np.inf if settled is None else settled


def _error_of_parameters(
    message: str, f: Function, params: Params, grads: Params, h: float, tolerance: float
) -> GradientCheckError:
    """The error of a failed directional check: two directions through each parameter alone."""
    rng = np.random.default_rng(0)
    wrong: dict[str, float] = {}
    for key, value in params.items():
        if value.size:
            directions = [{key: rng.standard_normal(value.shape)} for _ in range(2)]
            error, settled = _worst_error(f, params, grads, directions, h, tolerance)
            if not np.isfinite(settled):
                wrong[key] = error
    lines = [
        f"Along directions through {key} alone the slope differs by {error:.2g} of its typical "
        "size."
        for key, error in wrong.items()
    ]
    right = [key for key in params if key not in wrong]
    if not wrong:
        lines = ["Along directions through one parameter alone every slope agrees."]
    elif right:
        lines.append(f"Along directions through one of {', '.join(right)} it agrees.")
    return GradientCheckError("\n".join([message, *lines]), parameters=tuple(wrong))


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
    GradientCheckError
        A gradient is wrong or missing; or the loss is no finite number, is random, or changes what
        it is given. `causes` says why, `parameter` where. The parameters are as before.
    TypeError
        loss returns something else, or params holds no arrays.
    """
    params = dict(model.params)
    for key, value in params.items():
        _require_parameter(key, value)
    report = ModelReport()
    failures: dict[str, tuple[str, list[Finding]]] = {}
    arrays = params | {k: v for k, v in {"X": X, "y": y}.items() if isinstance(v, np.ndarray)}
    with _restored(*arrays.values()):
        loss, grads = _loss_and_gradients(model, X, y, reg, arrays)
        reference = planting.recognise(params, X, y, reg, loss)
        inside = reference.largest if reference else 0.0
        known = {"N": len(X) if hasattr(X, "__len__") else None, "reg": reg or None}

        def f(_: Any) -> float:
            return model.loss(X, y, reg)[0]

        for key, x in params.items():
            right = reference.grads[key] if reference else None
            if x.size > LARGE and grads[key].shape == x.shape:
                outcome = _by_directions(f, params, key, grads[key], right)
            else:
                outcome = _by_entries(f, x, grads[key], f"d{key}", key, inside=inside)
            if isinstance(outcome, GradientReport):
                report[key] = outcome
                continue
            message, slopes = outcome
            if reference and _confirms(f, params, key, reference.grads[key], slopes):
                if (
                    reference.equals(key, grads[key])
                    and slopes is not None
                    and not slopes.kink.any()
                ):
                    entries = f"all {x.size:,} entries of shape {x.shape}, within round-off,"
                    worst = float(slopes.noise.max() / np.abs(slopes.value).max())
                    report[key] = GradientReport(f"d{key}", entries, worst, _bound(worst, 1e-7))
                    continue
                findings = reference.explain(key, grads[key], slopes)
            elif reference and not reference.exact:
                findings = [diagnosis.FLOAT32]
            else:
                slopes = _slopes(f, x) if slopes is None else slopes
                findings = diagnosis.explain(grads[key], slopes, x, known | {"l2": reg * x})
            failures[key] = message, findings
    if failures:
        raise _error_of_model(failures, list(report))
    return report


def _loss_and_gradients(
    model: Any, X: Any, y: Any, reg: float, arrays: Params
) -> tuple[float, Params]:
    """What model.loss returns, if it is finite, repeats itself and leaves its arguments alone."""
    before = {key: value.copy() for key, value in arrays.items()}
    loss, grads = _call(model, X, y, reg)
    for key, value in before.items():
        if not np.array_equal(arrays[key], value, equal_nan=True):
            text = f"loss writes into {key}: let it work on a copy"
            raise GradientCheckError(text, ("writes_into_x",), (key,))
    if not np.isfinite(loss):
        text = f"loss(X, y, reg) is {loss}: look for overflow in exp, log(0) or a division by 0"
        raise GradientCheckError(text, ("not_finite",))
    _require_keys(model.params, grads)
    if not _is_deterministic(lambda: _call(model, X, y, reg)[0], *arrays.values()):
        raise _error("the gradients cannot be checked.", [diagnosis.NOT_DETERMINISTIC])
    again = _call(model, X, y, reg)[1]
    for key, gradient in grads.items():
        if not np.array_equal(np.isclose(again[key], gradient), np.isfinite(gradient)):
            text = (
                f"d{key} changes from call to call, although the loss does not: is it added to "
                "what an earlier call left? Let each call start from zeros"
            )
            raise GradientCheckError(text, ("accumulated",), (key,))
    return loss, grads


def _call(model: Any, X: Any, y: Any, reg: float) -> tuple[float, Params]:
    """The loss and a copy of the gradients."""
    answer = model.loss(X, y, reg)
    if not isinstance(answer, tuple) or len(answer) != 2 or not isinstance(answer[1], dict):
        raise TypeError("loss(X, y, reg) must return the loss and a dict of gradients")
    loss, grads = answer
    if np.ndim(loss) or np.iscomplexobj(loss):
        raise TypeError(f"the loss must be one real number, not {_description(loss)}")
    return float(loss), {key: np.array(g) for key, g in grads.items() if g is not None}


def _by_directions(
    f: Function, params: Params, key: str, gradient: np.ndarray, right: np.ndarray | None
) -> GradientReport | Failure:
    """The comparison along four random directions, and along the difference from a reference."""
    shape, rng = gradient.shape, np.random.default_rng(0)
    directions = [{key: rng.standard_normal(shape)} for _ in range(4)]
    if right is not None and diagnosis.PROVED < relative_error(gradient, right) < np.inf:
        directions.append({key: gradient - right})
    worst, settled = _worst_error(f, params, {key: gradient}, directions)
    if not np.isfinite(settled):
        text = f"d{key} is wrong: along a direction the slope differs by {worst:.2g} of its typical"
        return f"{text} size (tolerance 1e-05)", None
    compared = f"4 random directions through {gradient.size:,} entries of shape {shape}"
    return GradientReport(f"d{key}", compared, settled, _bound(settled, 1e-5))


def _confirms(
    f: Function, params: Params, key: str, right: np.ndarray, slopes: Slopes | None
) -> bool:
    """Whether the gradient of the reference is the model's own, wherever it was measured."""
    if slopes is None:
        return isinstance(_by_directions(f, params, key, right, None), GradientReport)
    fit = slopes.settled & ~slopes.kink & ~slopes.single
    off = np.abs(right - slopes.value) > diagnosis.SLACK * slopes.noise
    return bool(fit.any() and not (off & fit).any())


def _error_of_model(
    failures: dict[str, tuple[str, list[Finding]]], right: list[str]
) -> GradientCheckError:
    """The error of a model: the cause that most of its wrong parameters share comes first."""
    votes = Counter(cause for _, found in failures.values() for cause in causes_of(found))
    no_fault = ("kink", "round_off")
    causes = sorted(votes, key=lambda cause: (cause in no_fault, -votes[cause])) or ["unknown"]
    suspects = [key for key, (_, found) in failures.items() if causes[0] in causes_of(found)]
    parameter = (suspects or [*failures])[-1]  # where the backward pass begins
    message, findings = failures[parameter]
    if causes[0] in no_fault:
        message = message.replace(" is wrong", " cannot be judged, it may be right", 1)
    findings = sorted(findings, key=lambda finding: causes.index(finding.causes[0]))
    lines = [message, *diagnosis.sentences(findings)]
    others = [key for key in failures if key != parameter]
    for key in others:
        found = failures[key][1]
        same = causes[0] in causes_of(found)
        how = " in the same way." if same else f", too: {found[0].text}" if found else ", too."
        lines.append(f"d{key} is wrong{how}")
    lines += [f"Right: {', '.join(f'd{key}' for key in right)}."] if right else []
    return GradientCheckError("\n".join(lines), tuple(causes), (parameter, *others))


def _require_keys(params: Params, grads: Params) -> None:
    if params.keys() != grads.keys():
        missing = tuple(key for key in params if key not in grads)
        raise GradientCheckError(
            f"params has the keys {sorted(params)}, but grads has {sorted(grads)}",
            ("missing",) if missing else ("extra",),
            missing,
        )


def _require_parameter(key: str, x: np.ndarray) -> None:
    """Refuse a parameter that cannot be checked, with the cause where its type is at fault."""
    kind = x.dtype.kind if isinstance(x, np.ndarray) else ""
    try:
        _require_float64(x, f"params[{key!r}]")
    except TypeError as error:
        if not kind or kind not in "fiub":
            raise
        cause = "float32" if kind == "f" else "integer"
        raise GradientCheckError(str(error), (cause,), (key,)) from None


def _require_float64(x: np.ndarray, name: str) -> None:
    """Refuse arrays in which x + h would be lost to rounding, or cannot be written."""
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, not {type(x).__name__}")
    if np.issubdtype(x.dtype, np.integer) or x.dtype == bool:
        raise TypeError(
            f"{name} is an array of {x.dtype}: x + h would be cut back to a whole number, and "
            "every difference would be 0 or wrong; convert it with x.astype(np.float64)"
        )
    if x.dtype in (np.float32, np.float16):
        raise TypeError(
            f"{name} is an array of {x.dtype}: a step of 1e-5 drowns in its rounding error; check "
            "the gradient in float64 (x.astype(np.float64)) and train in any precision"
        )
    if x.dtype != np.float64 or not x.dtype.isnative:
        raise TypeError(f"{name} is an array of {x.dtype}: convert it with x.astype(np.float64)")
    if not x.flags.writeable:
        raise ValueError(f"{name} is read-only, but its entries must be perturbed: pass a copy")


def _require_step(h: float) -> None:
    if not 0 < h < np.inf:
        raise ValueError(f"the step h must be a finite number greater than 0, not {h}")


def _number(value: float) -> float:
    """The value of f as a float; refuse arrays and non-finite numbers."""
    if not isinstance(value, float | int | np.number) and getattr(value, "shape", None) != ():
        raise ValueError(
            f"f must return one number, but it returned {_description(value)}; "
            "where it returns (loss, grads), pass a lambda that keeps the loss alone"
        )
    if not np.isfinite(value):
        raise ValueError(f"f returned {value}: it must be finite at x and within h of x")
    return float(value)


def _description(value: object) -> str:
    """What a value is, for an error message."""
    shape = getattr(value, "shape", None)
    return f"an array of shape {shape}" if shape else f"a {type(value).__name__}"


def _disagreement(
    name: str, gradient: np.ndarray, numerical: np.ndarray, error: float, tolerance: float
) -> str:
    """The message of a failed check: the error and the entries that differ most."""
    gradient, numerical = np.atleast_1d(gradient), np.atleast_1d(numerical)
    difference = np.abs(gradient - numerical)
    difference[~np.isfinite(difference)] = np.inf
    lines = [
        f"{name} is wrong: relative error {error:.2g}, tolerance {tolerance:g}. Worst entries:"
    ]
    for flat in np.argsort(difference, axis=None)[::-1][:3]:
        index = np.unravel_index(flat, gradient.shape)
        lines.append(
            f"  {name}[{', '.join(map(str, index))}]: analytic {gradient[index]:.6g}, "
            f"numerical {numerical[index]:.6g}"
        )
    return "\n".join(lines)
