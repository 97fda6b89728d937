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

NUM_STEPS = 7  # h, h/10, ..., h/1000000
ROUND_OFF = 4 * np.finfo(np.float64).eps  # of one value of f, relative to it
LOOSEST = 1e-3  # beyond this relative round-off a gradient cannot be judged
NOISY = 1e-4  # relative error of slopes that no smooth loss so near another one has
WIDER = 100  # times h: the step at which round-off hides less
LARGE = 1_000  # entries of a parameter: check_model checks a larger one along directions


class GradientCheckError(AssertionError):
    """An analytic gradient disagrees with the numerical one.

    Attributes
    ----------
    causes
        Short stable names of the explanations that fit, the surest first, or `unknown`.
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
    _require_float64(x, "x")
    if not 0 < h < np.inf:
        raise ValueError(f"the step h must be a finite number greater than 0, not {h}")
    values = np.zeros((2, *x.shape))
    with _restored(x) as (before,):
        for index in map(tuple, np.argwhere(np.broadcast_to(where, x.shape))):
            original = before[index]
            if original + h == original:
                raise ValueError(
                    f"x holds {original:g}, to which a step of {h:g} adds nothing: rescale x"
                )
            for side, step in enumerate((h, -h)):
                x[index] = original + step
                values[(side, *index)] = _number(f(x))
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
    """Central differences of f at x at steps h, h/10, ..., until they agree within `resolution`.

    No analytic gradient enters: what this returns cannot be bent towards a wrong one. Costs four
    evaluations for each entry where f is smooth.
    """
    f_0 = _number(f(x))
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
    """A gradient of f at x beside the numerical one.

    error, settled : the largest difference at step h, and at steps where the slopes have settled,
    relative to `typical`, or as in `relative_error`; inf unless they prove the gradient right.
    """

    def __init__(
        self,
        f: Function,
        x: np.ndarray,
        gradient: np.ndarray,
        name: str,
        of: str = "x",
        h: float = 1e-5,
        tolerance: float = 1e-7,
        typical: float = 0.0,
    ) -> None:
        self.gradient, self.tolerance = gradient, tolerance
        self.error = self.settled = np.inf
        self.slopes: Slopes | None = None
        self.hidden = False  # whether round-off hides all differences
        self.compared = f"all {x.size:,} entries of shape {x.shape}"
        if gradient.shape != x.shape:
            self.message = f"{name} has shape {gradient.shape}, but {of} has shape {x.shape}: "
            self.message += "a gradient has the shape of what it is taken with respect to"
            return
        self.numerical = numerical_gradient(f, x, h)
        self.error = relative_error(gradient, self.numerical)
        if typical and np.isfinite(self.error):
            with np.errstate(over="ignore"):  # the typical size may be next to nothing
                self.error = float(np.abs(gradient - self.numerical).max() / typical)
        if self.error <= tolerance:
            self.settled = self.error
            return
        resolution = tolerance * (typical or float(np.abs(self.numerical).max()))
        self.slopes = slopes = measure_slopes(f, x, h, resolution)
        at_h, off = np.abs(gradient - self.numerical), np.abs(gradient - slopes.value)
        scale = typical or float(max(np.abs(gradient).max(), np.abs(slopes.value).max()))
        right_at_h = at_h <= tolerance * scale
        sharp = (slopes.noise <= LOOSEST * scale) | (off == 0)
        right = slopes.settled & ~slopes.kink & sharp & (off <= slopes.noise)
        self.hidden = bool((off <= slopes.noise).all())
        if scale < np.inf and not slopes.single and (right | right_at_h).all():
            self.settled = float(np.where(right_at_h, at_h, off).max()) / (scale or 1.0)
        self.message = self._worst_entries(name)

    def _worst_entries(self, name: str) -> str:
        bound = f"relative error {self.error:.2g}, tolerance {self.tolerance:g}"
        lines = [f"{name} is wrong: {bound}. Worst entries:"]
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
    GradientCheckError, TypeError, ValueError
        They disagree, also in shape; as in `numerical_gradient`; x is empty.
    """
    _require_float64(x, "x")
    gradient = np.asarray(gradient)
    if gradient.shape == x.shape and x.size == 0:
        raise ValueError("x is empty: there is nothing to check")
    check = _Check(f, x, gradient, name, "x", h, tolerance)
    if check.hidden and not np.isfinite(check.settled):
        with suppress(ValueError):  # f need not be finite so far from x
            wide = _Check(f, x, gradient, name, "x", WIDER * h, tolerance)  # less round-off
            check = wide if np.isfinite(wide.settled) else check
    if check.error <= tolerance or (shrink_h and np.isfinite(check.settled)):
        return check.report(name)
    if gradient.shape != x.shape and 0 < x.size <= LARGE:
        with suppress(Exception):  # the shape is wrong, whatever else f does
            resolution = tolerance * float(np.abs(numerical_gradient(f, x, h)).max())
            check.slopes = measure_slopes(f, x, h, resolution)
    if check.slopes:
        _require_determinism(check.message, lambda: _number(f(x)), x)
    raise _error(check.message, diagnosis.explain(gradient, check.slopes, x))


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

    A wrong entry changes the right-hand side for almost every v. The difference is measured
    against the root-mean-square size that <grads, v> has over all directions, |grads| /
    sqrt(number of parameters): a single slope may vanish by chance.

    Parameters
    ----------
    f
        As in `numerical_gradient`, a function of params.
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
    GradientCheckError, TypeError, ValueError
        As in `check_gradient`; keys differ.
    """
    if not params or num_directions < 1:
        given = f"params {[*params]}, num_directions {num_directions}"
        raise ValueError(f"there is nothing to check: {given}")
    _require_keys(params, grads)
    for key, value in params.items():
        _require_float64(value, f"params[{key!r}]")
        if np.shape(grads[key]) != value.shape:
            shapes = f"the gradient of {key} has shape {np.shape(grads[key])}"
            raise GradientCheckError(f"{shapes}, but {key} has shape {value.shape}")

    options = num_directions, h, tolerance, rng
    check = _along(f, params, grads, "the gradient", "", *options)
    if np.isfinite(check.settled):
        return check.report("gradients")
    message = f"{check.message}; check {', '.join(params)} one by one with check_gradient"
    _require_determinism(message, lambda: _number(f(params)), *params.values())
    alone = {key: _along(f, params, grads, key, key, *options) for key in params}
    right = [key for key, check in alone.items() if np.isfinite(check.settled)]
    wrong = tuple(key for key in params if key not in right)
    for key in wrong:
        size = f"{alone[key].error:.2g} of its typical size"
        message += f"\nAlong directions through {key} alone the slope differs by {size}."
    if right:
        message += f"\nAlong directions through one of {', '.join(right)} it agrees."
    raise GradientCheckError(message, parameters=wrong)


def _along(
    f: Function,
    params: Params,
    grads: Params,
    name: str,
    only: str = "",
    num_directions: int = 4,
    h: float = 1e-5,
    tolerance: float = 1e-5,
    rng: np.random.Generator | int = 0,
) -> _Check:
    """The check along random directions v of length 1, or their part through one key only.

    Typical is the root mean square of <grads, v> over all such directions.
    """
    gradient = np.concatenate([np.ravel(grads[key]) for key in params])
    sizes = [value.size for value in params.values()]
    V = np.random.default_rng(rng).standard_normal((num_directions, gradient.size))
    V /= np.linalg.norm(V, axis=1, keepdims=True)
    if only:
        V *= np.repeat([key == only for key in params], sizes)
    scale = float(np.abs(gradient).max(initial=0.0)) or 1.0  # so that no square overflows
    typical = scale * float(np.linalg.norm(gradient / scale) / np.sqrt(gradient.size or 1))
    with _restored(*params.values()) as before:

        def f_at(t: np.ndarray) -> float:
            steps = np.split(t @ V, np.cumsum(sizes)[:-1])
            for value, start, step in zip(params.values(), before, steps, strict=True):
                value[...] = start + step.reshape(value.shape)
            return _number(f(params))

        t, typical = np.zeros(num_directions), typical or np.finfo(np.float64).tiny
        check = _Check(f_at, t, V @ gradient, name, "", h, tolerance, typical)
    check.slopes = None  # they are those of directions, not of entries
    check.compared = f"{num_directions} random directions through all {gradient.size:,} parameters"
    check.message = (
        f"{name} is wrong: along a random direction the slope of f differs from <grads, v> by "
        f"{check.error:.2g} of its typical size (tolerance {tolerance:g})"
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
        given: `causes` says why, `parameter` where. loss returns something else.
    """
    params, report = dict(model.params), ModelReport()
    for key, value in params.items():
        try:
            _require_float64(value, f"params[{key!r}]")
        except TypeError as error:
            kind = getattr(value, "dtype", np.dtype(object)).kind
            cause = {"f": "float32", "i": "integer", "u": "integer"}.get(kind, "type")
            raise GradientCheckError(str(error), (cause,), (key,)) from None
    failures: dict[str, tuple[str, list[Finding]]] = {}
    arrays = params | {k: v for k, v in {"X": X, "y": y}.items() if isinstance(v, np.ndarray)}

    def f(_: Any) -> float:
        return _number(model.loss(X, y, reg)[0])

    with _restored(*arrays.values()):
        grads = _gradients(model, X, y, reg, arrays)
        reference = planting.recognise(params, X, y, reg, f)
        exact = reference is not None and reference.exact
        for key, x in params.items():
            gradient = grads[key]
            if x.size > LARGE and gradient.shape == x.shape:
                check = _along(f, {key: x}, grads, f"d{key}")
                check.compared = (
                    f"4 random directions through {x.size:,} entries of shape {x.shape}"
                )
            else:
                check = _Check(f, x, gradient, f"d{key}", key)
            if np.isfinite(check.settled):
                report[key] = check.report(f"d{key}")
                continue
            if reference and exact:
                findings = reference.explain(key, gradient, check.slopes)
            elif reference and _is_noisy(check, gradient, reference.grads[key]):
                findings = [diagnosis.FLOAT32]
            else:
                known = {"N": (*np.shape(X), np.nan)[0], "reg": reg, "l2": reg * x}
                findings = diagnosis.explain(gradient, check.slopes, x, known)
            if exact and findings == [diagnosis.ROUND]:
                compared = f"{check.compared} and of a reference pass"
                report[key] = GradientReport(f"d{key}", compared, 0.0, diagnosis.PROVED)
            else:
                failures[key] = check.message, findings
    if failures:
        raise _error_of_model(failures, list(report))
    return report


def _is_noisy(check: _Check, gradient: np.ndarray, right: np.ndarray) -> bool:
    """Whether slopes do not settle, or miss the gradient of a loss that is nearly the same."""
    if gradient.shape != right.shape:
        return False
    unsettled = check.slopes is not None and not check.slopes.settled.all()
    return unsettled or relative_error(gradient, right) < NOISY < check.error


def _error(message: str, findings: list[Finding]) -> GradientCheckError:
    """The error of a failed check, with its diagnosis."""
    lines = [message, *(f"Diagnosis: {finding.text}" for finding in findings)]
    return GradientCheckError("\n".join(lines), causes_of(findings))


def _require_determinism(message: str, value: Callable[[], float], *arrays: np.ndarray) -> None:
    """Refuse a value that changes from call to call; each starts from the arrays as they are."""
    values = []
    for _ in range(5):
        with _restored(*arrays):
            values.append(value())
    if np.ptp(values) > ROUND_OFF * np.abs(values).max():
        raise _error(message, [diagnosis.NOT_DETERMINISTIC])


def _gradients(model: Any, X: Any, y: Any, reg: float, arrays: Params) -> Params:
    """The gradients, if the loss is finite, repeats itself and leaves its arguments alone."""

    def call() -> tuple[float, Params]:
        answer = model.loss(X, y, reg)
        pair = isinstance(answer, tuple) and len(answer) == 2 and np.ndim(answer[0]) == 0
        if not pair or not isinstance(answer[1], dict):
            raise TypeError("loss(X, y, reg) must return a pair: a number, a dict of gradients")
        return float(answer[0]), {k: np.array(g) for k, g in answer[1].items() if g is not None}

    before = {key: value.copy() for key, value in arrays.items()}
    loss, grads = call()
    for key, value in before.items():
        if not np.array_equal(arrays[key], value, equal_nan=True):
            text = f"loss writes into {key}: let it work on a copy"
            raise GradientCheckError(text, ("writes_into_x",), (key,))
    if not np.isfinite(loss):
        text = f"loss(X, y, reg) is {loss}: look for overflow in exp, log(0) or a division by 0"
        raise GradientCheckError(text, ("not_finite",))
    _require_keys(model.params, grads)
    _require_determinism("the gradients cannot be checked.", lambda: call()[0], *arrays.values())
    for key, again in call()[1].items():
        if not np.allclose(again, grads[key], equal_nan=True):
            text = f"d{key} changes from call to call, but not the loss: start it from zeros"
            raise GradientCheckError(text, ("accumulated",), (key,))
    return grads


def _error_of_model(
    failures: dict[str, tuple[str, list[Finding]]], right: list[str]
) -> GradientCheckError:
    """The error of a model: the cause that most of its wrong parameters share comes first."""
    votes = Counter(cause for _, found in failures.values() for cause in causes_of(found))
    last = ("kink", "round_off", "unknown")  # no fault, or none that is known
    causes = sorted(votes, key=lambda cause: (cause in last, -votes[cause]))
    suspects = [key for key, (_, found) in failures.items() if causes[0] in causes_of(found)]
    parameter = suspects[-1]  # where the backward pass begins
    message, findings = failures.pop(parameter)
    if causes[0] in ("kink", "round_off"):
        message = message.replace(" is wrong", " cannot be judged, it may be right", 1)
    findings = sorted(findings, key=lambda finding: causes.index(finding.causes[0]))
    lines = [str(_error(message, findings))]
    lines += [f"d{key} is wrong, too: {found[0].text}" for key, (_, found) in failures.items()]
    if right:
        lines.append(f"Right: {', '.join(f'd{key}' for key in right)}.")
    return GradientCheckError("\n".join(lines), tuple(causes), (parameter, *failures))


def _require_keys(params: Params, grads: Params) -> None:
    if params.keys() != grads.keys():
        missing = tuple(key for key in params if key not in grads)
        raise GradientCheckError(
            f"params has the keys {sorted(params)}, but grads has {sorted(grads)}",
            ("missing",) if missing else ("extra",),
            missing,
        )


def _require_float64(x: np.ndarray, name: str) -> None:
    """Refuse arrays in which x + h would be lost to rounding, or cannot be written."""
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, not {type(x).__name__}")
    if x.dtype != np.float64 or not x.dtype.isnative:
        why = "convert it with x.astype(np.float64)"
        if x.dtype.kind in "iub":
            lost = "x + h would be cut back to a whole number, and every difference would be"
            why = f"{lost} 0 or wrong; {why}"
        elif x.dtype in (np.float32, np.float16):
            why = "a step of 1e-5 drowns in its rounding error; check the gradient in float64 "
            why += "(x.astype(np.float64)) and train in any precision"
        raise TypeError(f"{name} is an array of {x.dtype}: {why}")
    if not x.flags.writeable:
        raise ValueError(f"{name} is read-only, but its entries must be perturbed: pass a copy")


def _number(value: float) -> float:
    """The value of f as a float; refuse arrays and non-finite numbers."""
    shape = getattr(value, "shape", None)
    if not isinstance(value, float | int) and shape != ():
        what = f"an array of shape {shape}" if shape else f"a {type(value).__name__}"
        raise ValueError(
            f"f must return one number, but it returned {what}; "
            "where it returns (loss, grads), pass a lambda that keeps the loss alone"
        )
    if not np.isfinite(value):
        raise ValueError(f"f returned {value}: it must be finite at x and within h of x")
    return float(value)
