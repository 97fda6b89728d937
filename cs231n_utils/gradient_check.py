"""Numerical gradients by central differences, and checks of analytic gradients against them.

Derived in the notebook 03_gradient_checking.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np

from cs231n_utils.diagnosis import Case, Finding, Slopes
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
Names = tuple[str, ...]
Faults = dict[str, tuple[str, list[Finding]]]  # of gradients: the numbers, and why

NUM_STEPS = 7  # h, h/10, ..., h/1000000
ROUND_OFF = 4 * np.finfo(np.float64).eps  # of one value of f, relative to it
LOOSEST = 1e-3  # beyond this relative round-off a gradient cannot be judged
WIDER = 100  # times h: the step at which round-off hides less
NO_FAULT = ("kink", "round_off")  # causes of a gradient that cannot be judged
LARGE = 1_000  # entries of a parameter: check_model checks a larger one along directions
MANY, SMALL = 400, 4  # of all layers: if there are more, directions check what is not small
RANDOM = "not_deterministic", "two calls at one x differ: fix the batch, the seed, or the mask."


class GradientCheckError(AssertionError):
    """An analytic gradient disagrees with the numerical one.

    Attributes
    ----------
    causes
        Short stable names of the explanations that fit, the surest first, or `unknown`.
    parameters, parameter
        The keys that are at fault, where several were checked, and the first of them.
    layer
        The place of the layer at fault in a model with `layers`: "7" for layers[7], "3.0" for the
        first layer inside layers[3]. None where it is no layer.
    """

    layer: str | None = None

    def __init__(self, message: str, causes: Names = (), parameters: Names = ()) -> None:
        super().__init__(message)
        self.causes, self.parameters = causes, parameters
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
    Shapes that differ raise ValueError, for broadcasting would hide it, and complex numbers
    TypeError.
    """
    if np.iscomplexobj(a) or np.iscomplexobj(b):
        raise TypeError("a and b must be real: the gradient of a real loss has no imaginary part")
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have one shape, not {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.inf
    scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    return float(np.abs(a / scale - b / scale).max()) if scale else 0.0


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
def _settled_slopes(f: Function, x: np.ndarray, h: float, resolution: float, asked: Any) -> Slopes:
    """Slopes of f at x at steps h, h/10, ..., until they agree within the resolution."""
    with _restored(x):
        f_0 = check_number(f(x))
    settled, single = np.zeros(x.shape, dtype=bool), False
    coarse = fine = np.full((4, *x.shape), np.nan)  # central, left and right slope, round-off
    for power in range(NUM_STEPS):
        step = h / 10**power
        where = ~settled & asked & ((x + step != x) | (power == 0))
        f_plus, f_minus = _both_sides(f, x, step, where)
        sides = (f_plus - f_minus) / (2 * step), (f_0 - f_minus) / step, (f_plus - f_0) / step
        size = np.maximum(np.maximum(np.abs(f_plus), np.abs(f_minus)), abs(f_0))
        rows = np.array([*sides, ROUND_OFF * size / step])
        coarse, fine = np.where(where, fine if power else rows, coarse), np.where(where, rows, fine)
        if power:
            settled |= where & (np.abs(fine[0] - coarse[0]) <= resolution + fine[3])
        else:
            single = bool(np.ptp(f_plus) > 0 and (np.float32(f_plus) == f_plus).all())
    _, left, right, _ = (10 * fine - coarse) / 9  # one-sided slopes are off by a multiple of h
    noise = resolution + coarse[3] + np.minimum(np.abs(coarse[0] - fine[0]), fine[3])
    jumps = np.abs(coarse[2] - coarse[1]), np.abs(fine[2] - fine[1])
    kink = jumps[1] > np.maximum(0.5 * jumps[0], 4 * (resolution + 2 * fine[3]))
    return Slopes(coarse[0], noise, left, right, settled, kink, single)


class _Check:
    """A gradient of f at x beside central differences; typical is its size, where that is known."""

    slopes: Slopes | None = None
    refuted = True  # whether neither round-off nor a kink may explain the difference
    hidden, noise = False, 0.0  # whether round-off hides all of it, and how large that may be
    compared = ""

    def __init__(
        self,
        f: Function,
        x: np.ndarray,
        gradient: np.ndarray,
        name: str,
        h: float = 1e-5,
        tolerance: float = 1e-7,
        typical: float = 0.0,
        asked: Any = True,
        shrink_h: bool = True,
    ) -> None:
        self.f, self.x, self.gradient, self.name = f, x, gradient, name
        self.tolerance, self.typical = tolerance, typical
        self.asked, self.shrink_h = asked, shrink_h
        self.error = self.settled = np.inf  # the first may be measured again at smaller steps
        self.message = f"{name} has shape {gradient.shape}, but its array has {x.shape}"
        if gradient.shape == x.shape:
            self.slopes = self.compare(h)
            if self.hidden and not self.passed:
                with suppress(ValueError):  # f need not be finite so far from x
                    self.compare(WIDER * h)

    @property
    def passed(self) -> bool:
        """Whether the gradient is right, as far as round-off lets one see."""
        return bool(np.isfinite(self.settled))

    def compare(self, h: float) -> Slopes | None:
        """Compare at step h, and where that fails at smaller ones: the slopes that it took."""
        a = self.gradient
        f_plus, f_minus = _both_sides(self.f, self.x, h, self.asked)
        n = np.where(self.asked, (f_plus - f_minus) / (2 * h), a)
        error = relative_error(a, n)
        if self.typical and np.isfinite(error):
            with np.errstate(over="ignore"):  # it may be next to nothing
                error = float(np.abs(a - n).max() / self.typical)
        self.error = self.error if self.slopes else error
        if error <= self.tolerance:
            self.settled, self.refuted = error, False
            return None
        self.noise = ROUND_OFF * float(max(np.abs(f_plus).max(), np.abs(f_minus).max())) / h
        if self.typical and (np.abs(a - n) <= self.noise).all():  # smaller steps hide more
            self.hidden, self.refuted = True, False
            return None
        resolution = self.tolerance * (self.typical or float(np.abs(n).max()))
        slopes = _settled_slopes(self.f, self.x, h, resolution, self.asked)
        with np.errstate(all="ignore"):
            off = np.where(self.asked, np.abs(a - slopes.value), 0.0)
            largest = max(float(np.abs(a).max()), float(np.nanmax(np.abs(slopes.value))))
            scale = self.typical or largest
            is_near = np.abs(a - n) <= self.tolerance * scale
            sharp = (slopes.noise <= LOOSEST * scale) | (off == 0)
            judged = slopes.settled & ~slopes.kink
            is_right = is_near | (judged & sharp & (off <= slopes.noise))
            if self.shrink_h and scale < np.inf and is_right.all() and not slopes.single:
                self.settled = float(np.where(is_near, np.abs(a - n), off).max()) / (scale or 1.0)
            if not self.slopes:
                self.message = self.worst_entries(error, n)
                self.refuted = bool((judged & (off > slopes.noise)).any() or not scale < np.inf)
                self.hidden, self.noise = bool((off <= slopes.noise).all()), slopes.noise.max()
        return slopes

    def worst_entries(self, error: float, n: np.ndarray) -> str:
        """What is wrong, in numbers: the three entries that differ most."""
        name, off = self.name, np.nan_to_num(np.abs(self.gradient - n), nan=np.inf)
        wrong = f"{name} is wrong: relative error {error:.2g}, tolerance {self.tolerance:g}."
        lines = [f"{wrong} Worst entries:"]
        for flat in np.argsort(off, axis=None)[:-4:-1]:
            index = ", ".join(map(str, np.unravel_index(flat, np.atleast_1d(off).shape)))
            values = f"analytic {self.gradient.flat[flat]:.6g}, numerical {n.flat[flat]:.6g}"
            lines.append(f"  {name}[{index}]: {values}")
        return "\n".join(lines)

    def is_nothing_beside(self, size: float) -> bool:
        """Whether round-off hides the difference, and would hide little of this size."""
        return self.hidden and bool(self.noise <= LOOSEST * size)

    def report(self) -> GradientReport:
        """The report, with a power of ten for the tolerance where round-off makes it larger."""
        tolerance = self.tolerance
        if self.tolerance < self.settled < np.inf:
            tolerance = float(10.0 ** np.ceil(np.log10(self.settled)))
        compared = self.compared or f"all {self.x.size:,} entries of shape {self.x.shape}"
        return GradientReport(self.name, compared, self.settled, tolerance)

    def case(self, **known: Any) -> Case:
        """The failed check, for the diagnosis; of a wrong shape the slopes are measured now."""
        if self.gradient.shape != self.x.shape and self.x.size <= LARGE:
            with suppress(Exception):  # the shape is wrong, whatever else f does
                self.slopes = _Check(self.f, self.x, np.full(self.x.shape, np.nan), "").slopes
        return Case(self.gradient, self.slopes, self.x, **known)


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

    Raises
    ------
    GradientCheckError, TypeError, ValueError
        They disagree, also in shape; as in `numerical_gradient`; x is empty.
    """
    check_float64(x, "x")
    check_counts(size_of_x=x.size)
    check = _Check(f, x, np.asarray(gradient), name, h, tolerance, shrink_h=shrink_h)
    if check.passed:
        return check.report()
    case = check.case()
    is_random = case.slopes and not _is_steady(lambda: check_number(f(x)), x)
    raise _error({name: (check.message, [RANDOM] if is_random else case.explain())})


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
    V = _directions(num_directions, sum(value.size for value in params.values()), rng)
    check = _along(V, f, params, grads, "gradients", h, tolerance)
    if check.passed:
        return check.report()
    message = f"{check.message}; check {', '.join(params)} one by one with check_gradient"
    if not _is_steady(lambda: check_number(f(params)), *params.values()):
        raise _error({"": (message, [RANDOM])})
    keys = np.repeat([*params], [value.size for value in params.values()])
    alone = {key: _along(V * (keys == key), f, params, grads, key, h, tolerance) for key in params}
    wrong = [key for key in params if not alone[key].passed]
    for key in wrong:
        size = f"{alone[key].error:.2g} of that size"
        message += f"\nAlong directions through {key} alone the slope differs by {size}."
    if right := ", ".join(key for key in params if key not in wrong):
        message += f"\nAlong directions through one of {right} it agrees."
    raise GradientCheckError(message, parameters=tuple(wrong))


def _directions(count: int, size: int, rng: np.random.Generator | int = 0) -> np.ndarray:
    """Random directions of length 1, one a row."""
    V = np.random.default_rng(rng).standard_normal((count, size))
    return V / np.linalg.norm(V, axis=1, keepdims=True)


def _along(
    V: np.ndarray,
    f: Function,
    params: Params,
    grads: Params,
    name: str,
    h: float = 1e-5,
    tolerance: float = 1e-5,
) -> _Check:
    """The check along the rows v of V. Typical is the root mean square of <grads, v> over all v."""
    gradient = np.concatenate([np.ravel(grads[key]) for key in params])
    ends = np.cumsum([value.size for value in params.values()])[:-1]
    scale = float(np.abs(gradient).max()) or 1.0  # so that no square overflows
    typical = scale * float(np.linalg.norm(gradient / scale) / np.sqrt(gradient.size))
    with _restored(*params.values()) as before:

        def f_at(t: np.ndarray) -> float:
            steps = np.split(t @ V, ends)
            for value, start, step in zip(params.values(), before, steps, strict=True):
                value[...] = start + step.reshape(value.shape)
            return check_number(f(params))

        typical = typical or float(np.finfo(np.float64).tiny)
        check = _Check(f_at, np.zeros(len(V)), V @ gradient, name, h, tolerance, typical)
    check.compared = f"{len(V)} random directions through all {gradient.size:,} parameters"
    wrong = f"{name.replace('gradients', 'the gradient')} is wrong: along a direction v the slope"
    size = f"{check.error:.2g} of its typical size (tolerance {tolerance:g})"
    check.message = f"{wrong} differs from <grads, v> by {size}"
    return check


def _compare(
    f: Function, x: np.ndarray, gradient: np.ndarray, name: str, limit: int, h: float = 1e-5
) -> _Check:
    """Along directions if there are more entries than the limit; what disagrees then by entries."""
    if x.size <= limit or gradient.shape != x.shape:
        return _Check(f, x, gradient, name, h)
    V, part = _directions(4, x.size), np.arange(x.size)
    check = _along(V, f, {name: x}, {name: gradient}, name, h)
    if check.passed or check.hidden or not np.isfinite(gradient).all():
        return check

    def off(half: np.ndarray) -> float:
        v = V[:1] * np.isin(np.arange(x.size), half)
        return _along(v, f, {name: x}, {name: gradient}, name, h, np.inf).error

    while len(part) > LARGE // 4:  # the half that disagrees most
        part = max(np.array_split(part, 2), key=off)
    asked = np.isin(np.arange(x.size), part).reshape(x.shape)
    worst = _Check(f, x, gradient, name, h, asked=asked)
    if worst.passed and x.size > LARGE:
        check.slopes = worst.slopes
        return check
    return worst


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

    Raises
    ------
    GradientCheckError, TypeError
        A gradient is wrong or missing; the loss is not finite, is random, or changes what it is
        given: `causes` says why, `parameter` where, and `layer` in a model with `layers`, each of
        which is then checked alone. loss returns something else.
    """
    params = dict(model.params)
    for key, value in params.items():
        try:
            check_float64(value, f"params[{key!r}]")
        except TypeError as error:
            kind = getattr(value, "dtype", np.dtype(object)).kind
            cause = {"f": "float32", "i": "integer", "u": "integer"}.get(kind, "type")
            raise GradientCheckError(str(error), (cause,), (key,)) from None
    arrays = params | {k: v for k, v in {"X": X, "y": y}.items() if isinstance(v, np.ndarray)}
    layers = _Layers(model)

    def answer(reg: float = reg) -> tuple[float, Params]:
        with layers.kept():
            return check_answer(model.loss(X, y, reg))

    with _restored(*arrays.values()):
        grads = _gradients(answer, params, arrays, layers)
        is_many = layers.all and sum(value.size for value in params.values()) > MANY
        limit, checks = SMALL if is_many else LARGE, dict[str, _Check]()
        for key, x in params.items():
            checks[key] = _compare(lambda _: answer()[0], x, grads[key], f"d{key}", limit)
        failed = [key for key, check in checks.items() if not check.passed]
        refuted = [key for key in failed if checks[key].refuted]
        penalties = {key: _penalty(answer, params[key], reg) for key in failed}
        if failed and layers.all:
            layers.check(answer, y, [k for k in failed if refuted and not checks[k].hidden])
            failed = [k for k in failed if not layers.prove(k, grads[k] - penalties[k])]
        else:  # a gradient of 0 among larger ones is right if all that differs is round-off
            largest = max((np.abs(each).max() for each in grads.values()), default=0.0)
            failed = [key for key in failed if not checks[key].is_nothing_beside(largest)]
        found = Faults()
        for key in sorted(failed, key=lambda key: (key not in refuted, -[*params].index(key))):
            case = checks[key].case(N=(*np.shape(X), np.nan)[0], reg=reg, l2=penalties[key])
            case.know_network(params, X, y, key)
            case.faulty += [("swapped", f"it is d{k}", g) for k, g in grads.items() if k != key]
            found[f"d{key}"] = checks[key].message, case.explain()
    if found:
        keys = [name[1:] for name in found]
        places = {layers.at[key] for key in keys}
        place = places.pop() if len(places) == 1 else None
        raise _error(found, keys, [key for key in params if key not in keys], place)
    report = ModelReport({key: check.report() for key, check in checks.items()})
    for key in [key for key, check in checks.items() if not check.passed]:  # slopes do not tell
        report[key] = GradientReport(f"d{key}", "two ways to pass back", 0.0, 1e-7)
    return report


def _penalty(answer: Callable[[float], tuple[float, Params]], x: np.ndarray, reg: float) -> Any:
    """The gradient of the L2 penalty that the loss has, a multiple of x: its slope along x says."""
    if not reg or not x.any():
        return 0.0
    sides = []
    with _restored(x) as (before,):
        for share in (1.5, 0.5):
            x[...] = share * before
            sides.append(answer(reg)[0] - answer(0.0)[0])
    factor = (sides[0] - sides[1]) / float(np.sum(x * x))
    return next((k for k in (0.0, reg, 2 * reg) if abs(factor - k) < 1e-4 * reg), factor) * x


class _Layers:
    """The layers of a model by place, those inside others too; each can be checked alone."""

    def __init__(self, model: Any) -> None:
        self.model, self.all, self.right = model, dict(_places(model)), dict[str, Any]()
        places = {id(v): place for place, each in self.all.items() for v in each.params.values()}
        self.at = {key: places.get(id(value), "") for key, value in model.params.items()}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put the state of all layers back in the end, such as running averages."""
        states = [state for each in self.all.values() if (state := getattr(each, "state", None))]
        with _restored(*(value for state in states for value in state.values())):
            yield

    def check(self, answer: Callable[[], Any], y: Any, refuted: list[str]) -> None:
        """Check the gradient of the scores, then every layer alone, from the output down."""
        notes: dict[str, dict[str, np.ndarray]] = {place: {} for place in self.all}

        def noting(call: Callable[..., Any], note: dict[str, np.ndarray], name: str) -> Any:
            def noted(A: Any, *arguments: Any, **options: Any) -> Any:
                answer = call(A, *arguments, **options)
                note[name], note[f"from {name}"] = np.array(A), np.array(answer)
                return answer

            return noted

        with ExitStack() as stack:
            for place, layer in self.all.items():
                for name in ("forward", "backward"):
                    call = noting(getattr(layer, name), notes[place], name)
                    stack.enter_context(patch.object(layer, name, call))
            answer()
        if refuted and y is not None and hasattr(self.model, "loss_of_scores"):
            self.check_scores(y, notes["0"]["forward"], refuted)
        self.refuse("", self.broken("", notes) if refuted else {}, refuted)
        for place in [*self.all][::-1]:
            found = self.faults(
                place, notes[place]["forward"], notes[place].get("backward", np.zeros(0))
            )
            self.refuse(place, (found and self.broken(place, notes)) or found, refuted)

    def broken(self, place: str, notes: Any) -> Faults:
        """Whether a layer inside does not get what the one behind it passes back."""
        inner = [each for each in self.all if each.rpartition(".")[0] == place]
        for one, behind in pairwise(inner):
            if any(self.all[each].params for each in self.up_to(one)):  # else no one needs its dX
                passed, got = notes[behind].get("from backward"), notes[one].get("backward")
                if passed is None or got is None or not _same(passed, got):
                    text = f"{one} does not get what {behind} passes back: in which order?"
                    return {"dX": ("dX is wrong", [("chain_order", f"layer {text}")])}
        return {}

    def up_to(self, place: str) -> list[str]:
        """The layers that begin before this one does, and itself."""
        return [*self.all][: [*self.all].index(place) + 1]

    def prove(self, key: str, gradient: np.ndarray) -> bool:
        """Whether it is what its layer gave when that was checked: right, whatever slopes say."""
        right, noise = self.right.get(key, (np.zeros(0), 0.0))
        return right.shape == gradient.shape and bool((np.abs(gradient - right) <= noise).all())

    def check_scores(self, y: Any, X: np.ndarray, refuted: list[str]) -> None:
        """Check the gradient of the loss with respect to the scores."""
        with self.kept():
            S = np.array(self.model.forward(X, True))
        loss = self.model.loss_of_scores
        check = _compare(lambda S: loss(S, y)[0], S, np.array(loss(S, y)[1]), "dS", LARGE)
        if not check.passed and check.refuted:
            case = check.case(N=len(S))
            with suppress(Exception):  # whatever y is
                case.know_scores(S, y, lambda dS: dS[None])
            self.refuse("", {"dS": (check.message, case.explain())}, refuted)

    def faults(self, place: str, X: np.ndarray, dY: np.ndarray) -> Faults:
        """What is wrong with a layer's gradients, for what entered it and the dY that it got."""
        layer = self.all[place]

        def outputs() -> np.ndarray:
            with self.kept():
                return np.array(layer.forward(X, True))

        Y = outputs()
        if np.shape(dY) != Y.shape or not np.isfinite(dY).all() or not np.any(dY):
            dY = np.random.default_rng(0).standard_normal(Y.shape)
        scale = np.abs(dY).max()
        dY = dY / scale
        size = np.abs(dY * Y).sum()  # keeps the sum from hiding its own round-off
        given = []
        for _ in range(2):
            outputs()
            dX = {"dX": np.array(layer.backward(dY.copy()))}
            given.append(dX | {f"d{k}": np.array(g) for k, g in layer.grads.items()})
        for name, gradient in given[0].items():
            if not _same(gradient, given[1][name]):
                finding = RANDOM if name == "dX" else ("accumulated", "does it start from zeros?")
                return {name: (f"{name} changes from call to call", [finding])}
        for key in (key for key, at in self.at.items() if at == place):
            right = scale * given[0][f"d{key.split('.')[-1]}"]
            terms = scale * np.abs(dY).sum() * max(1.0, np.abs(X).max())  # they may cancel
            self.right[key] = right, 1e-9 * np.abs(right).max() + 1e-12 * terms
        is_chain = any(other.startswith(f"{place}.") for other in self.all)
        arrays = {} if is_chain else {f"d{key}": value for key, value in layer.params.items()}
        if any(self.all[other].params for other in self.up_to(place)[:-1]):
            arrays["dX"] = X
        found = Faults()
        for name, x in arrays.items():
            h = 1e-5 * (min(1.0, float(np.abs(X).max())) or 1.0) if x is X else 1e-5
            check = _compare(
                lambda _: float(size + (dY * outputs()).sum()), x, given[0][name], name, SMALL, h
            )
            if not check.passed and check.refuted:
                case = check.case(N=len(X))
                others = [(k, g) for k, g in given[0].items() if k != name]
                case.faulty += [("swapped", f"it is {k}", g) for k, g in others]
                if x is X:
                    case.know_above(dY, is_chain)
                elif x.size * dY.size <= LARGE**2:
                    case.shares = _shares(lambda: dY * outputs(), x)
                found[name] = check.message, case.explain()
        return found

    def refuse(self, place: str, found: Faults, refuted: list[str]) -> None:
        """Raise a layer's faults, at the last of its parameters, or the last that they reach."""
        if not found:
            return
        path, name = _path(place), describe(self.model)
        if place:
            where = ".".join(f"layers[{number}]" for number in path)
            name = f"{where}, {describe(self.all[place])}"
        own = [k for k, at in self.at.items() if at == place and f"d{k.split('.')[-1]}" in found]
        below = [key for key, at in self.at.items() if _path(at)[: len(path)] <= path]
        wrong = [key for key in refuted if key in below]
        keys = [*dict.fromkeys([(own or wrong or below)[-1], *wrong[::-1]])]
        found = {f"{name}: {k}": (f"{name}: {each[0]}", each[1]) for k, each in found.items()}
        raise _error(found, keys, [key for key in self.at if key not in keys], place)


def _places(layer: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every layer inside by its place, those inside it behind it; none of what is no chain."""
    inner, needed = getattr(layer, "layers", None), ("forward", "backward", "params")
    if isinstance(inner, list | tuple) and all(hasattr(e, n) for e in inner for n in needed):
        for number, each in enumerate(inner):
            yield f"{before}{number}", each
            yield from _places(each, f"{before}{number}.")


def _path(place: str) -> tuple[int, ...]:
    return tuple(map(int, place.split("."))) if place else ()


def _shares(outputs: Callable[[], np.ndarray], x: np.ndarray) -> np.ndarray:
    """The gradient of the sum of outputs before the sum over all axes but the last is taken."""
    slopes = np.zeros((*outputs().shape[:-1], *x.shape))
    with _restored(x) as (start,):
        for index in np.ndindex(x.shape):
            for step in (1e-5, -1e-5):
                x[index] = start[index] + step
                slopes[(..., *index)] += outputs().sum(axis=-1) / (2 * step)
            x[index] = start[index]
    return slopes


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two gradients are equal but for rounding."""
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-12, equal_nan=True)


def _is_steady(value: Callable[[], float], *arrays: np.ndarray) -> bool:
    """Whether a value is the same in every call; each starts from the arrays as they are."""
    values = []
    for _ in range(5):
        with _restored(*arrays):
            values.append(value())
    return bool(np.ptp(values) <= ROUND_OFF * np.abs(values).max())


def _gradients(answer: Any, params: Params, arrays: Params, layers: _Layers) -> Params:
    """The gradients, if the loss is finite, repeats itself and leaves its arguments alone."""

    def gradients() -> Params:
        return {k: np.array(g) for k, g in answer()[1].items() if g is not None}

    before = {key: value.copy() for key, value in arrays.items()}
    loss, grads = answer()[0], gradients()
    for key, value in before.items():
        if not np.array_equal(arrays[key], value, equal_nan=True):
            text = f"loss writes into {key}: let it work on a copy"
            raise GradientCheckError(text, ("writes_into_x",), (key,))
    if not np.isfinite(loss):
        text = f"loss(X, y, reg) is {loss}: look for overflow in exp, log(0) or a division by 0"
        raise GradientCheckError(text, ("not_finite",))
    _require_keys(params, grads)
    is_steady, again = _is_steady(lambda: answer()[0], *arrays.values()), gradients()
    restless = [key for key in params if not _same(again[key], grads[key])]
    if (restless or not is_steady) and layers.all:
        layers.check(answer, None, restless)
    if not is_steady:
        raise _error({"": ("the gradients cannot be checked", [RANDOM])})
    if restless:
        text = f"d{restless[0]} changes from call to call, but not the loss: start it from zeros"
        raise GradientCheckError(text, ("accumulated",), (restless[0],))
    return grads


def _error(
    found: Faults, keys: Any = (), right: Any = (), place: str | None = None
) -> GradientCheckError:
    """What is wrong with the first, and why, and with others; the most frequent cause first."""
    votes = Counter(cause for _, findings in found.values() for cause, _ in findings)
    causes = sorted(votes, key=lambda cause: (cause in (*NO_FAULT, "unknown"), -votes[cause]))
    (_, (message, findings)), *others = found.items()
    if not votes.keys() - {*NO_FAULT}:
        message = message.replace(" is wrong", " cannot be judged, it may be right", 1)
    lines = [message, *(f"Diagnosis: {text}" for _, text in findings)]
    lines += [f"{name} is wrong, too: {why[0][1]}" for name, (_, why) in others]
    also = [f"d{key}" for key in keys[1:] if f"d{key}" not in found and right]
    lines += [f"Wrong, too: {', '.join(also)}."] * bool(also)
    lines += [f"Right: {', '.join(f'd{key}' for key in right)}."] * bool(right)
    error = GradientCheckError("\n".join(lines), tuple(causes), tuple(keys))
    error.layer = place or None
    return error


def _require_keys(params: Params, grads: Params) -> None:
    missing = tuple(key for key in params if key not in grads)
    if params.keys() != grads.keys():
        text = f"params has the keys {sorted(params)}, but grads has {sorted(grads)}"
        raise GradientCheckError(text, ("missing",) if missing else ("extra",), missing)
