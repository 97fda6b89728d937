"""Central differences, and checks of gradients by them: see the notebook 03_gradient_checking."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from unittest.mock import patch

import numpy as np

from cs231n_utils import validation
from cs231n_utils.diagnosis import Case, said
from cs231n_utils.types import Params

Array = np.ndarray
Function = Callable[[Any], float]

NUM_STEPS = 7  # h, h/10, ..., h/1000000
ROUND_OFF = 4 * np.finfo(np.float64).eps  # of one value of f, relative to it
LOOSEST = 1e-3  # beyond this relative round-off a gradient cannot be judged
LARGE = 1_000  # entries of a parameter: check_model checks a larger one along directions
PASSES = ("forward", "backward")
SMALL = 4  # entries of a layer's array: a larger one is checked along directions


class GradientCheckError(AssertionError):
    """An analytic gradient disagrees with the numerical one.

    causes: stable names of what fits, the surest first, or `unknown`. parameters, parameter: the
    keys at fault, the first of them. layer: where in a model's `layers`, "3.0" inside layers[3].
    """

    def __init__(self, message: str, causes: Any = (), keys: Any = (), layer: Any = None) -> None:
        super().__init__(message)
        self.causes, self.parameters, self.layer = tuple(causes), tuple(keys), layer or None
        self.parameter = self.parameters[0] if keys else None


def relative_error(a: Array | float, b: Array | float) -> float:
    """Largest difference between a and b: max|a - b| / max(max|a|, max|b|).

    0/0 counts as 0, and NaN gives inf. Raises ValueError if shapes differ, TypeError if complex.
    """
    a, b = (validation.check_numbers(each).astype(np.float64) for each in (a, b))
    if a.shape != b.shape:
        raise ValueError(f"a and b must have one shape, not {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.inf
    scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    return float(np.abs(a / scale - b / scale).max()) if scale else 0.0


def numerical_gradient(f: Function, x: Array, h: float = 1e-5) -> Array:
    """Gradient of f at x by central differences, one entry of x at a time.

        (f(x + h e) - f(x - h e)) / (2 h)        for every unit vector e

    Parameters
    ----------
    f, x, h
        A function that returns one number; a float64 array of any shape, which is changed in place
        while f runs, so that f may read it through a reference; the step.

    Raises
    ------
    TypeError, ValueError
        x is no float64 array; f returns no finite number or writes into x; h is lost in x.
    """
    f_plus, f_minus = _both_sides(f, x, h)
    return (f_plus - f_minus) / (2 * h)


def _both_sides(f: Function, x: Array, h: float, where: Any = True) -> Array:
    """f(x + h e) and f(x - h e), each of x's shape; 0 where they are not asked for."""
    validation.check_float64(x, "x")
    validation.check_positive("h", h)
    values = np.zeros((2, *x.shape))
    with _restored(x) as (before,):
        for index in map(tuple, np.argwhere(np.broadcast_to(where, x.shape))):
            original = before[index]
            if original + h == original:
                raise ValueError(f"a step of {h:g} adds nothing to {original:g} in x: rescale x")
            for side, step in enumerate((h, -h)):
                x[index] = original + step
                values[(side, *index)] = validation.check_number(f(x))
            x[index] = original
        if not np.array_equal(x, before, equal_nan=True):
            raise ValueError("f writes into its argument x: let it work on a copy")
    return values


@contextmanager
def _restored(*arrays: Array) -> Iterator[list[Array]]:
    """Copies of the arrays, from which every bit is put back in the end."""
    before = [array.copy() for array in arrays]
    try:
        yield before
    finally:
        for array, original in zip(arrays, before, strict=True):
            array[...] = original


class GradientReport:
    """A gradient of f at x beside central differences: its `relative_error` and `tolerance`.

    Entry by entry: the slope `value` at the largest step from which a smaller changes nothing, its
    `noise`, and whether there is such a step, `settled`; whether left and right slopes differ
    however small the step, `kink`. `single`: f has the digits of float32 only.
    """

    h, tolerance, shrink_h = 1e-5, 1e-7, True
    typical, asked = 0.0, True  # the gradient's size, where it is known; which entries are compared
    value: Any = None
    kink: Any = False
    passed = hidden = False  # whether it is right; whether round-off hides all the difference
    refuted = True  # whether neither round-off nor a kink may explain the difference
    error = relative_error = np.inf  # at step h; what smaller steps leave of it
    findings: list[tuple[str, str]] = []  # noqa: RUF012  why it is wrong

    def __init__(self, f: Function, x: Array, gradient: Array, name: str, **options: Any) -> None:
        vars(self).update(options)
        self.x, self.gradient, self.name = x, validation.check_numbers(gradient, name), name
        self.compared = f"all {x.size:,} entries of shape {x.shape}"
        if gradient.shape == x.shape:
            self.measure(f, gradient)
            return
        with suppress(Exception):  # the shape is wrong, whatever else f does
            if x.size <= LARGE:
                self.measure(f, np.full(x.shape, np.nan))
        self.message = f"{name} has shape {gradient.shape}, but its array has {x.shape}"

    def __repr__(self) -> str:  # the error's digits depend on the machine
        return f"{self.name}: {self.compared} agree, relative error at most {self.tolerance:g}"

    @np.errstate(all="ignore")  # of entries that are not asked for, and of values beyond float32
    def measure(self, f: Function, a: Array) -> None:
        """Compare at step h, and where that fails at h/10, ..., until two slopes agree."""
        x, asked = self.x, np.broadcast_to(self.asked, self.x.shape)
        near, settled, allowed = ~asked, np.zeros(x.shape, dtype=bool), 0.0
        coarse = fine = np.full((4, *x.shape), np.nan)  # central, left and right slope, round-off
        for power in range(NUM_STEPS):
            step = self.h / 10**power
            where = ~near & ~settled & ((x + step != x) | (power == 0))
            f_plus, f_minus = _both_sides(f, x, step, where)
            central, size = (f_plus - f_minus) / (2 * step), np.maximum(abs(f_plus), abs(f_minus))
            if power == 0:
                self.first = np.where(asked, central, a)
                sizes = np.abs([self.first, a])
                scale = self.typical or sizes[np.isfinite(sizes)].max(initial=0.0)
                allowed = self.tolerance * scale
                near |= np.abs(a - central) <= allowed
                self.single = bool(np.ptp(f_plus) > 0 and (np.float32(f_plus) == f_plus).all())
                with _restored(x):
                    f_0 = np.nan if near.all() else validation.check_number(f(x))
            sides = (f_0 - f_minus) / step, (f_plus - f_0) / step
            rows = np.array([central, *sides, ROUND_OFF * size / step])
            coarse = np.where(where, fine if power else rows, coarse)
            fine = np.where(where, rows, fine)
            if power:
                settled |= where & (np.abs(fine[0] - coarse[0]) <= 0.5 * allowed + fine[3])
        self.value, self.settled = coarse[0], asked & (near | settled)
        self.noise = allowed + coarse[3] + np.minimum(np.abs(coarse[0] - fine[0]), fine[3])
        jumps = np.abs(coarse[2] - coarse[1]), np.abs(fine[2] - fine[1])
        self.kink = ~near & (jumps[1] > np.maximum(0.5 * jumps[0], 4 * (allowed + 2 * fine[3])))
        off = np.where(asked, np.abs(a - self.value), 0)
        is_off, judged = ~near & ~(off <= self.noise), settled & ~self.kink
        seen = judged & (self.noise <= LOOSEST * scale) & self.shrink_h & (not self.single)
        self.passed = bool((near | (seen & ~is_off)).all())
        self.refuted, self.hidden = bool((judged & is_off).any()), not is_off.any()
        self.relative_error = float((off / (scale or 1.0)).max())
        error = np.nan_to_num(np.abs(a - self.first) / (scale or 1.0), nan=np.inf)
        self.error = float(error.max())
        if self.passed and self.relative_error > self.tolerance:  # the bound that round-off needs
            self.tolerance = float(10 ** np.ceil(np.log10(self.relative_error)))
        wrong = f"relative error {self.error:.2g}, tolerance {self.tolerance:g}"
        self.message = f"{self.name} is wrong: {wrong}. Worst entries:"
        for flat in np.argsort(error, axis=None)[:-4:-1]:
            index = ", ".join(map(str, np.unravel_index(flat, error.shape or (1,))))
            values = f"analytic {a.flat[flat]:.6g}, numerical {self.first.flat[flat]:.6g}"
            self.message += f"\n  {self.name.split(': ')[-1]}[{index}]: {values}"


class ModelReport(dict[str, GradientReport]):
    """The report of every parameter, by its key; prints a line for each."""

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.values()))


def check_gradient(
    f: Function,
    x: Array,
    gradient: Array,
    *,
    h: float = 1e-5,
    tolerance: float = 1e-7,
    name: str = "gradient",
    shrink_h: bool = True,
) -> GradientReport:
    """Compare an analytic gradient of f at x with `numerical_gradient`, entry by entry.

    Parameters
    ----------
    f, x, gradient, name, h
        As in `numerical_gradient`; of x's shape; what the report calls it, for example "dW1".
    tolerance
        The largest `relative_error` that passes, unless round-off needs a wider one.
    shrink_h
        Measure again at h/10, h/100, ... where the two disagree: f may have a kink within h of x.

    Raises
    ------
    GradientCheckError, TypeError, ValueError
        They disagree, also in shape; as in `numerical_gradient`.
    """
    validation.check_float64(x, "x")
    validation.check_counts(size_of_x=x.size)
    options = {"h": h, "tolerance": tolerance, "shrink_h": shrink_h}
    check = GradientReport(f, x, np.asarray(gradient), name, **options)
    if not check.passed:
        is_random = check.value is not None and not _is_steady(f, x)
        check.findings = [said("not_deterministic")] if is_random else Case(check).explain()
        raise _error([check])
    return check


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
    """As `check_gradient`, but for all parameters at once, along a few random directions.

        (f(params + h v) - f(params - h v)) / (2 h)  =  <grads, v>        for v of length 1

    Parameters
    ----------
    f, params, grads
        A function of params; dicts with the same keys, float64 arrays pairwise of one shape.
    num_directions, h, tolerance, rng
        How many, two evaluations each; the step; the largest difference that passes, relative to
        the root mean square of <grads, v> over all v; a seed.
    """
    validation.check_counts(num_directions=num_directions, num_parameters=len(params))
    _require_keys(params, grads)
    for key, value in params.items():
        validation.check_float64(value, f"params[{key!r}]")
        if (shape := np.shape(grads[key])) != value.shape:
            raise GradientCheckError(f"d{key} has shape {shape}, but {key} has {value.shape}")
    V = _directions(sum(value.size for value in params.values()), num_directions, rng)
    check = _along(V, f, params, grads, "the gradient", h=h, tolerance=tolerance)
    if not check.passed:
        is_random = not _is_steady(lambda _: f(params), *params.values())
        check.findings = [said("not_deterministic")] * is_random
        check.message += f": check {', '.join(params)} one by one with check_gradient"
        raise _error([check])
    return check


def _directions(size: int, count: int = 4, rng: np.random.Generator | int = 0) -> Array:
    """Random directions of length 1, one a row."""
    V = np.random.default_rng(rng).standard_normal((count, size))
    return V / np.linalg.norm(V, axis=1, keepdims=True)


def _along(
    V: Array, f: Function, params: Params, grads: Params, name: str, **options: Any
) -> GradientReport:
    """The check along the rows v of V. Typical is the root mean square of <grads, v> over all v."""
    gradient = np.concatenate([np.ravel(grads[key]) for key in params])
    ends = np.cumsum([value.size for value in params.values()])[:-1]
    scale = float(np.abs(gradient).max()) or 1.0  # so that no square overflows
    typical = scale * float(np.linalg.norm(gradient / scale) / np.sqrt(gradient.size)) or 3e-308
    with _restored(*params.values()) as before:

        def f_at(t: Array) -> float:
            steps = np.split(t @ V, ends)
            for value, start, step in zip(params.values(), before, steps, strict=True):
                value[...] = start + step.reshape(value.shape)
            return f(params)

        options = {"tolerance": 1e-5, "typical": typical} | options
        check = GradientReport(f_at, np.zeros(len(V)), V @ gradient, name, **options)
    check.compared = f"{len(V)} random directions through all {gradient.size:,} parameters"
    off = f"{check.error:.2g} of its typical size (tolerance {check.tolerance:g})"
    check.message = f"{name} is wrong: along a direction v the slope is off <grads, v> by {off}"
    return check


def _compare(
    f: Function, x: Array, gradient: Array, name: str, limit: int, **options: Any
) -> GradientReport:
    """Along directions if there are more entries than the limit; what disagrees then by entries."""
    if x.size <= limit or gradient.shape != x.shape:
        return GradientReport(f, x, gradient, name, **options)
    V, one = _directions(x.size), ({name: x}, {name: gradient}, name)
    check, row = _along(V, f, *one, **options), V[:1]
    if check.passed or check.hidden:
        return check
    while np.count_nonzero(row) > LARGE // 4:  # the half that disagrees most
        halves = np.array_split(np.flatnonzero(row), 2)
        rows = [row * np.isin(np.arange(x.size), half) for half in halves]
        row = max(rows, key=lambda v: _along(v, f, *one, **options).error)
    worst = GradientReport(f, x, gradient, name, asked=(row != 0).reshape(x.shape), **options)
    return check if worst.passed else worst


def check_model(model: Any, X: Any, y: Any, reg: float = 0.0) -> ModelReport:
    """Check the gradient of every parameter of a model, and name the one at fault and the cause.

    Large parameters are compared along random directions. With reg = 0 the L2 term is not tested.

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
        A gradient is wrong or missing, the loss not finite or random: `causes` says why,
        `parameter` where, and `layer` in a model with `layers`, which are then checked alone.
    """
    params, layers, N = dict(model.params), _Layers(model), (*np.shape(X), 0)[0]
    for key, value in params.items():
        validation.check_float64(value, f"params[{key!r}]")

    def answer(reg: float = reg, part: Any = ...) -> tuple[float, Params]:
        batch = (X, y) if part is ... else (X[part], y[part])
        with _restored(*layers.state):
            return validation.check_answer(model.loss(*batch, reg))

    with _restored(*params.values()):
        grads = _gradients(answer, params, layers.at)
        checks, limit = ModelReport(), SMALL if layers.all else LARGE
        for key, x in params.items():
            checks[key] = _compare(lambda _: answer()[0], x, grads[key], f"d{key}", limit)
        failed = [key for key in reversed(params) if not checks[key].passed]
        if failed and layers.all:
            layers.check(answer, [key for key in failed if not checks[key].hidden])
        largest = max((np.abs(each).max() for each in grads.values()), default=0.0)
        for key in failed:
            check, x = checks[key], params[key]
            l2 = _penalty(answer, x, reg) if check.x is x else 0.0
            answer(0.0)  # which leaves in each layer what it gave, without a penalty
            is_own = layers.gave(key, check.gradient, l2)
            is_hidden = check.hidden and check.noise.max() <= LOOSEST * largest
            if is_hidden or (is_own and (np.any(check.kink) or not check.refuted)):
                check.passed, check.compared = True, "as far as slopes tell, both"
                check.tolerance = check.relative_error = LOOSEST
            else:
                _explain(check, lambda i: answer(0.0, [i]), N, grads, key, l2=l2, reg=reg, y=y)
    if wrong := [key for key in failed if not checks[key].passed]:
        wrong.sort(key=lambda key: not checks[key].refuted)
        place = layers.at[wrong[0]] if len({layers.at[key] for key in wrong}) == 1 else None
        raise _error([checks[key] for key in wrong], wrong, params, place)
    return checks


def _penalty(answer: Callable[..., tuple[float, Params]], x: Array, reg: float) -> Any:
    """The gradient of the L2 penalty that the loss has, a multiple of x: its slope along x says."""
    if not reg or not x.any():
        return 0.0
    penalty = answer(reg)[0] - answer(0.0)[0]
    with _restored(x):
        x[...] *= 0.5
        penalty -= answer(reg)[0] - answer(0.0)[0]  # three quarters of factor / 2 * sum(x * x)
    factor = penalty / (0.375 * float(np.sum(x * x)))
    return next((k for k in (0.0, reg, 2 * reg) if abs(factor - k) < 1e-4 * reg), factor) * x


def _explain(check: Any, alone: Any, N: int, grads: Params, key: str, **known: Any) -> None:
    """Say why the gradient of key is wrong. Example i has alone(i), its loss and its gradients."""
    known |= {"others": [other for name, other in grads.items() if name != key]}
    if check.value is not None and N * check.x.size <= LARGE:
        with suppress(Exception):  # whatever the model does with one example
            shares = [numerical_gradient(lambda _: alone(i)[0], check.x) for i in range(N)]  # noqa: B023
            given = [alone(i)[1].get(key, np.nan) for i in range(N)]
            for share in (1, 1 / N):  # of a sum over the examples, of a mean
                off = np.abs(share * sum(shares) + known.get("l2", 0.0) - check.value)
                if (off <= 10 * check.noise + 1e-5 * np.abs(check.value).max()).all():
                    known |= {"shares": share * np.array(shares), "given": share * np.array(given)}
                    break
    check.findings = Case(check, N=N, **known).explain()


class _Layers:
    """The layers of a model by place, those inside others too; each can be checked alone."""

    def __init__(self, model: Any) -> None:
        self.all = dict(_places(model))
        places = {id(v): place for place, each in self.all.items() for v in each.params.values()}
        self.at = {key: places.get(id(value), "") for key, value in model.params.items()}
        self.state = [v for each in self.all.values() for v in getattr(each, "state", {}).values()]

    def check(self, answer: Callable[[], Any], wrong: list[str]) -> None:
        """Check every layer alone, from the output down, with what it got in one pass."""
        with ExitStack() as stack:
            spies = [
                [stack.enter_context(patch.object(each, n, wraps=getattr(each, n))) for n in PASSES]
                for each in self.all.values()
            ]
            answer()
        order = ["", *self.all]
        for place, (forward, backward) in [*zip(self.all, spies, strict=True)][::-1]:
            dY = backward.call_args.args[0] if backward.called else None
            inner = [key for key, at in self.at.items() if f"{at}.".startswith(f"{place}.")]
            below = [key for key, at in self.at.items() if order.index(at) < order.index(place)]
            if found := self.alone(place, forward.call_args.args[0], dY, bool(below)):
                own = [key for key in inner if key.rpartition(".")[2] in found]
                reached = [key for key in wrong if key in below + inner]
                keys = dict.fromkeys([*own[-1:], *reached] or (below + inner)[-1:])
                raise _error([*found.values()], keys, self.at, place)

    def gave(self, key: str, gradient: Array, l2: Any) -> bool:
        """Whether a gradient is what its layer gave in the last pass, and the penalty's part."""
        own = getattr(self.all.get(self.at[key]), "grads", {}).get(key.rpartition(".")[2])
        is_like = own is not None and np.shape(own) == gradient.shape
        return is_like and relative_error(own + l2, gradient) < 1e-6

    def alone(self, place: str, X: Array, dY: Any, needs_dX: bool) -> ModelReport:
        """What is wrong with a layer's gradients, for what entered it and the dY that it got."""
        layer, X = self.all[place], np.array(X)
        with _restored(*self.state):
            Y = np.array(layer.forward(X, True))
        if np.shape(dY) != Y.shape or not np.isfinite(dY).all() or not np.any(dY):
            dY = np.random.default_rng(0).standard_normal(Y.shape)
        dY = dY / np.abs(dY).max()
        size = np.abs(dY * Y).sum()  # keeps the sum from hiding its own round-off

        def passed(part: Any = ...) -> float:
            with _restored(*self.state):
                return float((dY[part] * layer.forward(X[part], True)).sum())

        passed()
        given = {"X": np.array(layer.backward(dY.copy()))} | layer.grads
        is_chain = any(other.startswith(f"{place}.") for other in self.all)
        arrays = ({} if is_chain else layer.params) | ({"X": X} if needs_dX else {})
        where = ".".join(f"layers[{number}]" for number in place.split("."))
        found = ModelReport()
        for key, x in arrays.items():
            h = 1e-5 * (min(1.0, float(np.abs(X).max())) or 1.0) if x is X else 1e-5
            name = f"{where}, {validation.describe(layer)}: d{key}"
            check = _compare(lambda _: size + passed(), x, np.array(given[key]), name, SMALL, h=h)
            if not check.passed and check.refuted:
                _explain(check, lambda i: (passed([i]), {}), len(X), given, key, above=dY)
                found[key] = check
        return found


def _places(layer: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every layer inside by its place, those inside it behind it; none of what is no chain."""
    inner, needed = getattr(layer, "layers", None), (*PASSES, "params", "grads")
    if isinstance(inner, list | tuple) and all(hasattr(e, n) for e in inner for n in needed):
        for number, each in enumerate(inner):
            yield f"{before}{number}", each
            yield from _places(each, f"{before}{number}.")


def _is_steady(f: Function, *arrays: Array) -> bool:
    """Whether f is the same in every call."""
    with _restored(*arrays):
        values = [validation.check_number(f(arrays[0])) for _ in range(5)]
    return bool(np.ptp(values) <= ROUND_OFF * np.abs(values).max())


def _gradients(answer: Any, params: Params, at: dict[str, str]) -> Params:
    """The gradients, if the loss is finite and both are the same in every call."""
    loss, grads = answer()
    grads = {key: np.array(gradient) for key, gradient in grads.items() if gradient is not None}
    if not np.isfinite(loss):
        text = f"loss(X, y, reg) is {loss}: look for overflow in exp, log(0) or a division by 0"
        raise GradientCheckError(text, ["not_finite"])
    _require_keys(params, grads)
    if not _is_steady(lambda _: answer()[0], *params.values()):
        raise GradientCheckError(said("not_deterministic")[1], ["not_deterministic"])
    for key, again in answer()[1].items():
        if not np.allclose(again, grads[key], rtol=1e-4, atol=1e-12, equal_nan=True):
            text = f"d{key} changes from call to call, but not the loss: does it start from zeros?"
            raise GradientCheckError(text, ["accumulated"], [key], at[key])
    return grads


def _error(
    checks: list[GradientReport], wrong: Any = (), keys: Any = (), place: str | None = None
) -> GradientCheckError:
    """What is wrong with the first, and why, and with others; keys are all of them."""
    unsure, (first, *others) = {"kink", "round_off"}, checks
    causes = dict.fromkeys(cause for check in checks for cause, _ in check.findings)
    lines = [first.message, *(f"Diagnosis: {text}" for _, text in first.findings)]
    if causes and causes.keys() <= unsure:
        lines[0] = lines[0].replace(" is wrong", " cannot be judged, it may be right", 1)
    lines += [f"{check.name} is wrong, too: {check.findings[0][1]}" for check in others]
    also = [f"d{key}" for key in wrong if f"d{key}" not in {check.name for check in checks}]
    right = [f"d{key}" for key in keys if key not in wrong]
    lines += [f"Wrong, too: {', '.join(also)}."] * bool(also)
    lines += [f"Right: {', '.join(right)}."] * bool(right)
    ordered = sorted(causes, key=lambda cause: cause in {*unsure, "unknown"})
    return GradientCheckError("\n".join(lines), ordered, wrong, place)


def _require_keys(params: Params, grads: Params) -> None:
    missing = [key for key in params if key not in grads]
    if params.keys() != grads.keys():
        text = f"params has the keys {sorted(params)}, but grads has {sorted(grads)}"
        raise GradientCheckError(text, ["missing" if missing else "extra"], missing)
