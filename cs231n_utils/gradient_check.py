"""Numerical gradients by central differences, and checks of analytic gradients against them.

Derived in the notebook 03_gradient_checking.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cs231n_utils import diagnosis
from cs231n_utils.diagnosis import Hints

Params = dict[str, np.ndarray]

LOOSEST = 1e-3  # beyond this relative round-off a gradient cannot be judged
WIDER = 100  # times h: the step at which it is then measured again
SHAPE_DIAGNOSIS_LIMIT = 10_000  # entries of x, beyond which a wrong shape is not examined


class GradientCheckError(AssertionError):
    """An analytic gradient disagrees with the numerical one.

    causes : short stable names of the explanations that fit, the most specific first; `unknown`
        when none does. `check_directions` leaves it empty, or says `not_deterministic`.
    parameters : the keys that `check_directions` found at fault.
    """

    def __init__(
        self, message: str, causes: tuple[str, ...] = (), parameters: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.causes = causes
        self.parameters = parameters


@dataclass(frozen=True)
class GradientReport:
    """The outcome of a check that passed.

    name : what was checked.
    compared : what was compared, in words.
    relative_error : the error that was found.
    tolerance : the largest error that would have passed.
    """

    name: str
    compared: str
    relative_error: float
    tolerance: float

    def __repr__(self) -> str:
        # The bound, not the error: the error's digits depend on the machine.
        return f"{self.name}: {self.compared} agree, relative error at most {self.tolerance:g}"


def relative_error(a: np.ndarray | float, b: np.ndarray | float) -> float:
    """Largest difference between a and b, relative to the largest entry of either.

        max|a - b| / max(max|a|, max|b|)

    0/0 counts as 0. A NaN or an infinity anywhere gives inf, so that it never passes a check.
    Raises ValueError when the shapes differ, because broadcasting would hide the mistake, and
    TypeError for complex numbers.
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

    f : function of x that returns one number. x is changed in place while f runs, so f may also
        ignore its argument and read x through a reference, for example a network's parameter.
    x : float64 array of any shape. Every entry is restored exactly, also when f raises.
    h : step, greater than 0. 1e-5 is close to the best for values of order 1.

    Returns an array of x's shape. Costs two evaluations of f for each entry.

    Raises TypeError when x is not a float64 array. Raises ValueError when f returns anything but
    one finite number or writes into x, and when an entry of x is so large that x + h equals x.
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
    batch_size: int | None = None,
    reg: float | None = None,
    pre_activations: np.ndarray | None = None,
) -> GradientReport:
    """Compare an analytic gradient of f at x with `numerical_gradient`, entry by entry.

    gradient : the analytic gradient, an array of x's shape.
    tolerance : the largest `relative_error` that passes.
    name : what the report calls the gradient, for example "dW1".
    shrink_h : where the two disagree, measure again at h/10, h/100, ... before calling the
        gradient wrong, because f may have a kink within h of x. An entry passes when the numerical
        value settles at a smaller step, whatever the gradient, and the gradient agrees with it.
        Where round-off hides more than `tolerance`, the report says the wider bound.
    batch_size, reg, pre_activations : what you know about f, for the diagnosis: the number of
        examples, the strength of the L2 term reg/2 * sum x^2, the hidden pre-activations Z (N, H).

    Returns a report that prints as one line. Raises GradientCheckError with the worst entries and
    a diagnosis when the two disagree or their shapes differ; x and h as in `numerical_gradient`.
    """
    Z = None if pre_activations is None else np.asarray(pre_activations)
    hints = Hints(batch_size, reg, Z)
    _require_float64(x, "x")
    gradient = np.asarray(gradient)
    if gradient.shape != x.shape:
        message = (
            f"{name} has shape {gradient.shape}, but x has shape {x.shape}: "
            "a gradient has the shape of what it is taken with respect to"
        )
        raise _wrong_shape(message, f, x, gradient, h, hints)
    if x.size == 0:
        raise ValueError("x is empty: there is nothing to check")
    numerical = numerical_gradient(f, x, h)
    error = relative_error(gradient, numerical)
    if not error <= tolerance:
        message = _disagreement(name, gradient, numerical, error, tolerance)
        if not _is_deterministic(lambda: _number(f(x)), x):
            raise _error(message, [diagnosis.NOT_DETERMINISTIC])
        resolution = tolerance * float(np.abs(numerical).max())
        slopes = diagnosis.measure_slopes(lambda x: _number(f(x)), x, h, resolution)
        settled_error = _settled_error(gradient, numerical, slopes, tolerance)
        if settled_error is None and (np.abs(gradient - slopes.value) <= slopes.noise).all():
            with contextlib.suppress(ValueError):  # f need not be finite so far from x
                wide = diagnosis.measure_slopes(
                    lambda x: _number(f(x)), x, WIDER * h, resolution
                )  # less round-off: a gradient that is tiny beside f
                settled_error = _settled_error(gradient, numerical, wide, tolerance)
        if not shrink_h or settled_error is None:
            raise _error(message, diagnosis.explain(gradient, slopes, x, hints))
        error, tolerance = settled_error, _bound(settled_error, tolerance)
    entries = f"all {x.size:,} entries of shape {x.shape}"
    return GradientReport(name, entries, error, tolerance)


def _error(message: str, findings: list[diagnosis.Finding]) -> GradientCheckError:
    """The error of a failed check, with its diagnosis."""
    causes = tuple(cause for cause, _ in findings) or ("unknown",)
    return GradientCheckError("\n".join([message, *diagnosis.sentences(findings)]), causes)


def _wrong_shape(
    message: str,
    f: Callable[[np.ndarray], float],
    x: np.ndarray,
    gradient: np.ndarray,
    h: float,
    hints: Hints,
) -> GradientCheckError:
    """The error for a gradient of another shape than x, with the diagnosis when one fits."""
    findings = []
    with contextlib.suppress(Exception):  # the shape is wrong, whatever else f does
        if 0 < x.size <= SHAPE_DIAGNOSIS_LIMIT:
            resolution = 1e-7 * float(np.abs(numerical_gradient(f, x, h)).max())
            slopes = diagnosis.measure_slopes(lambda x: _number(f(x)), x, h, resolution)
            findings = diagnosis.explain_shape(gradient, slopes, hints)
    return _error(message, findings) if findings else GradientCheckError(message, ("shape",))


def _is_deterministic(value: Callable[[], float], *arrays: np.ndarray) -> bool:
    """Whether five evaluations agree up to round-off; each starts from the arrays as they are."""
    before = [array.copy() for array in arrays]
    values = []
    for _ in range(5):
        try:
            values.append(value())
        finally:
            for array, original in zip(arrays, before, strict=True):
                array[...] = original
    return bool(np.ptp(values) <= diagnosis.ROUND_OFF * np.abs(values).max())


def _settled_error(
    gradient: np.ndarray, numerical: np.ndarray, slopes: diagnosis.Slopes, tolerance: float
) -> float | None:
    """The relative error against slopes at settled steps, or None when an entry is wrong."""
    if not np.isfinite(gradient).all() or slopes.single:
        return None
    scale = max(float(np.abs(gradient).max()), float(np.abs(slopes.value).max()))
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

    A wrong entry changes the right-hand side for almost every v, so a handful of directions tests
    every parameter with two evaluations of f each. The difference is measured against the
    root-mean-square size that <grads, v> has over all directions, |grads| / sqrt(number of
    parameters): a single slope may vanish by chance.

    f : function of params that returns one number; params is changed in place while f runs.
    params, grads : dicts with the same keys; float64 arrays, pairwise of one shape.
    num_directions, h, tolerance : all greater than 0.
    rng : a NumPy Generator, or a seed for one.

    Returns a report that prints as one line. Raises GradientCheckError when a slope disagrees, or
    keys or shapes differ; every parameter is restored exactly.
    """
    _require_step(h)
    if not params:
        raise ValueError("params is empty: there is nothing to check")
    if num_directions < 1:
        raise ValueError(f"num_directions must be at least 1, not {num_directions}")
    if params.keys() != grads.keys():
        raise GradientCheckError(
            f"params has the keys {sorted(params)}, but grads has {sorted(grads)}"
        )
    for key, value in params.items():
        _require_float64(value, f"params[{key!r}]")
        if np.shape(grads[key]) != value.shape:
            raise GradientCheckError(
                f"the gradient of {key} has shape {np.shape(grads[key])}, "
                f"but {key} has shape {value.shape}"
            )
    rng = np.random.default_rng(rng)
    size = sum(value.size for value in params.values())
    worst = worst_settled = 0.0
    for _ in range(num_directions):
        direction = {key: rng.standard_normal(value.shape) for key, value in params.items()}
        error, settled_error = _direction_error(f, params, grads, direction, h, tolerance)
        worst, worst_settled = max(worst, error), max(worst_settled, settled_error)
    if not np.isfinite(worst_settled):
        message = (
            f"the gradient is wrong: along a random direction the slope of f differs from "
            f"<grads, v> by {worst:.2g} of its typical size (tolerance {tolerance:g}); "
            f"check {', '.join(params)} one by one with check_gradient"
        )
        if not _is_deterministic(lambda: _number(f(params)), *params.values()):
            raise _error(message, [diagnosis.NOT_DETERMINISTIC])
        raise _error_of_parameters(message, f, params, grads, h, tolerance)
    compared = f"{num_directions} random directions through all {size:,} parameters"
    return GradientReport("gradients", compared, worst_settled, _bound(worst_settled, tolerance))


def _direction_error(
    f: Callable[[Params], float],
    params: Params,
    grads: Params,
    direction: Params,
    h: float,
    tolerance: float,
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
    settled = abs(expected_slope - slopes.value[0])
    trusted = slopes.settled[0] and not slopes.kink[0] and slopes.noise[0] <= LOOSEST * expected
    right = trusted and not slopes.single and settled <= slopes.noise[0]
    return difference / expected, settled / expected if right else np.inf


def _error_of_parameters(
    message: str,
    f: Callable[[Params], float],
    params: Params,
    grads: Params,
    h: float,
    tolerance: float,
) -> GradientCheckError:
    """The error of a failed directional check: two directions through each parameter alone."""
    rng = np.random.default_rng(0)
    wrong: dict[str, float] = {}
    for key, value in params.items():
        for _ in range(2 if value.size else 0):
            direction = {key: rng.standard_normal(value.shape)}
            error, settled = _direction_error(f, params, grads, direction, h, tolerance)
            if not np.isfinite(settled):
                wrong[key] = max(wrong.get(key, 0.0), error)
    lines = [
        f"Along directions through {key} alone the slope differs by {error:.2g} of its typical size"
        for key, error in wrong.items()
    ]
    right = [key for key in params if key not in wrong]
    if right:
        lines.append(f"Along directions through one of {', '.join(right)} it agrees")
    if not wrong:
        lines = ["Along directions through one parameter alone every slope agrees"]
    text = "\n".join([message, *(f"{line}." for line in lines)])
    return GradientCheckError(text, parameters=tuple(wrong))


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
    worst = np.argsort(difference, axis=None)[::-1][:3]
    rows = [
        f"  {name}[{', '.join(map(str, index))}]: analytic {gradient[index]:.6g}, "
        f"numerical {numerical[index]:.6g}"
        for index in (tuple(map(int, np.unravel_index(flat, gradient.shape))) for flat in worst)
    ]
    return "\n".join(
        [
            f"{name} is wrong: relative error {error:.2g}, tolerance {tolerance:g}. Worst entries:",
            *rows,
        ]
    )
