"""Numerical gradients by central differences, and checks of analytic gradients against them.

Derived in the notebook 03_gradient_checking.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Params = dict[str, np.ndarray]


class GradientCheckError(AssertionError):
    """An analytic gradient disagrees with the numerical one."""


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
) -> GradientReport:
    """Compare an analytic gradient of f at x with `numerical_gradient`, entry by entry.

    gradient : the analytic gradient, an array of x's shape.
    tolerance : the largest `relative_error` that passes.
    name : what the report calls the gradient, for example "dW1".

    Returns a report that prints as one line. Raises GradientCheckError with the worst entries when
    the two disagree or their shapes differ; x and h as in `numerical_gradient`.
    """
    _require_float64(x, "x")
    gradient = np.asarray(gradient)
    if gradient.shape != x.shape:
        raise GradientCheckError(
            f"{name} has shape {gradient.shape}, but x has shape {x.shape}: "
            "a gradient has the shape of what it is taken with respect to"
        )
    if x.size == 0:
        raise ValueError("x is empty: there is nothing to check")
    numerical = numerical_gradient(f, x, h)
    error = relative_error(gradient, numerical)
    if not error <= tolerance:
        raise GradientCheckError(_disagreement(name, gradient, numerical, error, tolerance))
    entries = f"all {x.size:,} entries of shape {x.shape}"
    return GradientReport(name, entries, error, tolerance)


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
    norm = np.sqrt(sum(np.sum(np.square(grads[key])) for key in params))
    expected = norm / np.sqrt(size)  # root mean square of <grads, v>
    worst = 0.0
    for _ in range(num_directions):
        direction = {key: rng.standard_normal(value.shape) for key, value in params.items()}
        length = np.sqrt(sum(np.sum(np.square(v)) for v in direction.values()))
        direction = {key: v / length for key, v in direction.items()}
        slope = sum(float(np.sum(grads[key] * v)) for key, v in direction.items())
        difference = abs(slope - _slope(f, params, direction, h))
        error = 0.0 if difference == 0 else np.inf if expected == 0 else difference / expected
        worst = max(worst, error if np.isfinite(error) else np.inf)
    if not worst <= tolerance:
        raise GradientCheckError(
            f"the gradient is wrong: along a random direction the slope of f differs from "
            f"<grads, v> by {worst:.2g} of its typical size (tolerance {tolerance:g}); "
            f"check {', '.join(params)} one by one with check_gradient"
        )
    compared = f"{num_directions} random directions through all {size:,} parameters"
    return GradientReport("gradients", compared, worst, tolerance)


def _slope(f: Callable[[Params], float], params: Params, direction: Params, h: float) -> float:
    """Central difference of f along a direction; params is restored exactly."""
    original = {key: value.copy() for key, value in params.items()}

    def f_at(step: float) -> float:
        for key, value in params.items():
            value[...] = original[key] + step * direction[key]
        return _number(f(params))

    try:
        return (f_at(h) - f_at(-h)) / (2 * h)
    finally:
        for key, value in params.items():
            value[...] = original[key]


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
