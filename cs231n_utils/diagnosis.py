"""What is wrong with a gradient: the forms that real mistakes take, tried one after the other.

`gradient_check` measures, and calls `explain` and `explain_shape` when a check fails. Each finding
is a pair: a short stable name of the cause, and a sentence with the evidence.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

Finding = tuple[str, str]

NUM_STEPS = 7  # h, h/10, ..., h/1000000
ROUND_OFF = 4 * np.finfo(np.float64).eps  # of one value of f, relative to it
NOTHING_FITS = (
    "none of the known forms fits (constant factor, L2 term, transpose, sum, ReLU, kink, row or "
    "column). Start from the worst entries."
)
NOT_DETERMINISTIC = (
    "not_deterministic",
    "f is not deterministic: two calls at the same x return different values. Fix its batch, "
    "and the seed of anything random in it, before the check.",
)


@dataclass(frozen=True)
class Slopes:
    """Central differences, each at the largest step from which a smaller one changes nothing.

    All arrays have the shape of x.

    value : the central difference at the step that was chosen.
    noise : the error that round-off may leave in it.
    settled : whether such a step was found.
    moved : whether the step is smaller than the first one, h: the value at h was misleading.
    kink : whether the slopes from the left and from the right differ however small the step.
    left, right : these slopes.
    single : whether every value of f was a float32 number.
    """

    value: np.ndarray
    noise: np.ndarray
    settled: np.ndarray
    moved: np.ndarray
    kink: np.ndarray
    left: np.ndarray
    right: np.ndarray
    single: bool


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


@dataclass(frozen=True)
class Hints:
    """What the caller knows about the gradient; None where nothing.

    batch_size : the number of examples.
    reg : the strength of the L2 term.
    pre_activations : the array Z (N, H) that ReLU is applied to.
    """

    batch_size: int | None = None
    reg: float | None = None
    pre_activations: np.ndarray | None = None


def explain(gradient: np.ndarray, slopes: Slopes, x: np.ndarray, hints: Hints) -> list[Finding]:
    """Every explanation that fits a gradient of x's shape, the most specific first."""
    if not np.isfinite(gradient).all():
        bad = np.count_nonzero(~np.isfinite(gradient))
        return [("not_finite", f"{bad} of {gradient.size} entries are NaN or infinite.")]
    if slopes.single:
        return [("float32", "f computes in float32: every value of it is a float32 number.")]
    if gradient.dtype.kind in "iub" and _close(gradient, np.trunc(slopes.value), slopes.noise):
        return [("integer", f"it is an array of {gradient.dtype}: the decimals were cut off.")]
    case = _Case(gradient.astype(np.float64), slopes, x, hints)
    if gradient.dtype in (np.float32, np.float16):
        rounding = 64 * float(np.finfo(gradient.dtype).eps) * case.scale
        if _close(case.a, slopes.value, slopes.noise + rounding):
            return [("float32", f"it is an array of {gradient.dtype}: compute it in float64.")]
    kinks = list(_kinks(case))
    if not case.wrong.any():
        small = "the disagreement is within the round-off of f: use a larger h, or rescale f."
        return kinks or [("round_off", small)]
    if case.scale and not 1e-140 < case.scale < 1e140:  # the forms compute with squares
        return kinks
    findings: list[Finding] = []
    for form in (_zeros, _factor, _regularization, _transpose, _sums, _relu, _places):
        findings += form(case)
    if not findings:
        findings += _relu_on(case)
    return [*dict(findings).items(), *kinks]  # one sentence for each cause


class _Case:
    """A wrong gradient a, the numerical one n, and where the two may be compared."""

    def __init__(self, a: np.ndarray, slopes: Slopes, x: np.ndarray, hints: Hints) -> None:
        self.a, self.n, self.x, self.hints, self.slopes = a, slopes.value, x, hints, slopes
        self.noise = slopes.noise
        low, high = np.minimum(slopes.left, slopes.right), np.maximum(slopes.left, slopes.right)
        between = (a >= low - 30 * self.noise) & (a <= high + 30 * self.noise)
        self.blind = slopes.kink | ~slopes.settled  # no derivative there to compare with
        off = np.abs(a - self.n) > self.noise
        self.at_kink = off & slopes.kink & between
        self.wrong = off & ~self.at_kink
        self.fit = ~self.blind
        self.difference = np.where(self.fit, a - self.n, 0.0)
        self.worst = float(np.abs(self.difference).max(initial=0.0))
        self.scale = float(np.abs(self.n[self.fit]).max(initial=0.0))

    def fits(self, model: np.ndarray, *coefficients: float) -> bool:
        """Whether a equals the model within the noise, and a - n is well above what is left."""
        slack = 3 * self.noise * (1 + sum(abs(c) for c in coefficients))
        left = np.abs(self.a - model)[self.fit]
        small = (left <= slack[self.fit]).all()
        return bool(small and left.max(initial=0.0) <= 0.1 * self.worst)

    @property
    def count(self) -> int:
        return int(np.count_nonzero(self.fit & (np.maximum(abs(self.n), abs(self.a)) > self.noise)))


def _close(a: np.ndarray, b: np.ndarray, noise: np.ndarray | float) -> bool:
    return a.shape == b.shape and bool((np.abs(a - b) <= noise).all())


def _number(value: float) -> str:
    """A number in words of the reader: 5, 1/5 or 0.123."""
    for text, candidate in ((f"{round(value)}", round(value)), *_inverse(value)):
        if candidate and abs(value - candidate) <= 1e-4 * abs(candidate):
            return text
    return f"{value:.3g}"


def _inverse(value: float) -> Iterator[tuple[str, float]]:
    if 1e-4 < abs(value) < 1:
        whole = round(1 / value)
        yield f"{'-' if whole < 0 else ''}1/{abs(whole)}", 1 / whole


def _simple(value: float) -> float | None:
    """The whole number or inverse of one that the value is close to."""
    text = _number(value)
    if not 1e-4 < abs(value) < 1e6 or not ("/" in text or text.lstrip("-").isdigit()):
        return None
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)


def _kinks(case: _Case) -> Iterator[Finding]:
    """Entries that disagree only because f has a kink at x, or within h of it."""
    slopes = case.slopes
    if case.at_kink.any():
        index = _first(case.at_kink)
        yield (
            "kink",
            f"f has a kink exactly at x in {_of(case.at_kink)}. At {_at(index)} its slope is "
            f"{slopes.left[index]:.3g} on the left and {slopes.right[index]:.3g} on the right: "
            "there is no derivative to compare with. Move x a little and check again.",
        )
    near = slopes.moved & ~slopes.kink & ~case.wrong
    if near.any() and not case.wrong.any():
        yield (
            "kink",
            f"the numerical value changes with h in {_of(near)}, and at a smaller h it agrees: f "
            "has a kink within h of x, or h is too large. Use a smaller h or another x.",
        )


def _zeros(case: _Case) -> Iterator[Finding]:
    if case.fit.any() and case.scale == 0:
        yield (
            "constant",
            "f does not change when x does, the numerical gradient is 0 everywhere. Does f read "
            "this very array, and not a copy of it?",
        )
    elif not case.a.any() and case.count > 1:
        yield "zero", "every entry is 0. Was the gradient ever written to?"


def _factor(case: _Case) -> Iterator[Finding]:
    square = float(np.sum(case.n[case.fit] ** 2))
    if square == 0 or not case.count:
        return
    factor = float(np.sum((case.a * case.n)[case.fit])) / square
    if abs(factor) * case.scale <= 10 * case.noise.max():
        return  # analytic values of 0
    exact = _simple(factor)
    if exact is not None and exact != 1 and case.fits(exact * case.n, exact):
        yield from _named_factor(exact, case.hints, "every entry is")
    elif (
        case.count > 2 and f"{factor:.3g}" not in ("0", "1") and case.fits(factor * case.n, factor)
    ):
        yield "factor", f"every entry is {factor:.3g} times the right one."


def _named_factor(factor: float, hints: Hints, subject: str) -> Iterator[Finding]:
    start = f"{subject} {_number(factor)} times the right one"
    batch, size = hints.batch_size, max(abs(factor), 1 / abs(factor))
    if factor == -1:
        yield "sign", f"{start}: the sign is wrong."
        return
    if batch is not None and batch > 1 and round(size) == batch and factor > 0:
        if factor > 1:
            yield "factor N", f"{start}, and {batch} is the batch size: divide by N."
        else:
            yield "factor 1/N", f"{start}, and {batch} is the batch size: 1/N is there twice."
    question = "" if batch is not None else f" Is {round(size)} the number of your examples?"
    if factor == 2:
        yield "factor 2", f"{start}: is a 1/2 missing, or a term counted twice?{question}"
    elif factor == 0.5:
        yield "factor 1/2", f"{start}: is a 1/2 too many, or a term left out?{question}"
    elif batch is None or round(size) != batch or factor < 0:
        yield "factor", f"{start}.{question}"


def _regularization(case: _Case) -> Iterator[Finding]:
    """Faults of the L2 term: a = n + beta x, or a = alpha n + beta x."""
    a, n, x, reg = case.a, case.n, case.x, case.hints.reg
    n_fit, x_fit = n[case.fit], x[case.fit]
    square = float(np.sum(x_fit**2))
    if square == 0 or x_fit.size < 2:
        return
    beta = float(np.sum(case.difference * x)) / square
    size_x = float(np.abs(x_fit).max())
    if case.fits(n + beta * x, beta * size_x / max(case.scale, 1e-300)):
        yield from _l2_term(beta, reg)
        return
    columns = np.stack([n_fit, x_fit], axis=1)
    lengths = np.sqrt(np.sum(columns**2, axis=0))
    if x_fit.size < 4 or not lengths.all() or np.linalg.cond(columns / lengths) > 1e4:
        return
    alpha, beta = np.linalg.lstsq(columns / lengths, a[case.fit], rcond=None)[0] / lengths
    slack = alpha, beta * size_x / case.scale
    if not case.fits(alpha * n + beta * x, *slack) or abs(beta) * size_x <= case.noise.min() * 10:
        return
    misplaced = alpha > 1 and _same(beta, -alpha * (alpha - 1))
    if misplaced and (reg is None or _same(alpha - 1, reg)):
        yield (
            "reg_misplaced",
            f"it is {alpha:.3g} times the gradient without its L2 term. This is what dW += "
            f"reg * dW gives with reg = {alpha - 1:.3g}; write dW += reg * W.",
        )
    exact = _simple(alpha)
    if exact is None or exact == 1:
        return
    implied = beta / (1 - exact)
    if implied > 0 and (reg is None or _same(implied, reg)):
        subject = f"the L2 term is right (reg = {implied:.3g}), and the rest is"
        yield from _named_factor(exact, case.hints, subject)
    elif reg and _same(beta, -exact * reg):
        yield from _named_factor(exact, case.hints, "the L2 term is missing, and the rest is")
        yield "reg_missing", "the L2 term is missing too."


def _same(value: float, expected: float) -> bool:
    return abs(value - expected) <= 1e-3 * abs(expected)


def _l2_term(beta: float, reg: float | None) -> Iterator[Finding]:
    """The name of analytic - numerical = beta * x."""
    evidence = f"analytic - numerical = {beta:.3g} * x in every entry"
    if reg is not None and reg > 0:
        share = 1 + beta / reg
        if abs(share) < 1e-3:
            yield "reg_missing", f"{evidence}: the L2 term reg * x is missing, reg = {reg:.3g}."
        elif _same(share, 2):
            yield "reg_doubled", f"{evidence}: the L2 term is there twice, reg = {reg:.3g}."
        else:
            yield (
                "reg_factor",
                f"{evidence}: the L2 term is {_number(share)} times the right one, "
                f"reg = {reg:.3g}.",
            )
    elif beta < 0:
        yield (
            "reg_missing",
            f"{evidence}: an L2 term is missing or too small. Is {-beta:.3g} your reg?",
        )
    else:
        yield (
            "reg_doubled",
            f"{evidence}: an L2 term is there twice, is too large, or has none in the loss. "
            f"Is {beta:.3g} your reg?",
        )


def _transpose(case: _Case) -> Iterator[Finding]:
    a, n, x = case.a, case.n, case.x
    if a.ndim != 2 or a.shape[0] != a.shape[1] or a.size == 1:
        return
    case_t = case.fit & case.fit.T
    twist = x - x.T  # what the transpose of the whole changes in an L2 term that is right
    square = float(np.sum(twist[case_t] ** 2))
    reg = float(np.sum(((a - n.T) * twist)[case_t])) / square if square else 0.0
    noise = 3 * (case.noise + case.noise.T)

    def fits(model: np.ndarray) -> bool:
        left = np.abs(a - model)[case_t]
        return bool((left <= noise[case_t]).all() and left.max(initial=0.0) <= 0.1 * case.worst)

    if fits(n.T):
        yield "transpose", "it is the transpose of the right one."
    elif a.shape[0] > 2 and reg > 0 and fits(n.T + reg * twist):
        yield "transpose", f"all but the L2 term (reg = {reg:.3g}) is transposed."


def _sums(case: _Case) -> Iterator[Finding]:
    """Sums over the wrong axis keep the shape when the batch has as many examples as entries."""
    a, n, fit = case.a, case.n, case.fit
    noise = 3 * float(np.sum(case.noise))
    if not fit.all() or a.size < 2:
        return
    total, found = float(n.sum()), float(a.sum())
    scattered = bool((np.abs(a - n) > case.noise).sum() > 1)
    tiny = float(np.abs(a).max()) <= 1e-12 * case.scale
    if a.ndim == 1 and abs(total) <= noise and tiny:
        yield (
            "wrong_axis",
            "every entry is 0 up to rounding, and the right entries add up to 0 as well: was the "
            "sum taken over the wrong axis?",
        )
    elif a.ndim == 1 and _close(a, np.full(a.shape, total), noise):
        yield "wrong_axis", "every entry is the sum of all entries: sum over one axis only."
    elif scattered and _close(np.sort(a, axis=None), np.sort(n, axis=None), noise):
        if a.ndim == 1 or not _close(a, n.T, noise):
            yield "order", "the values are right, but they stand in the wrong order."
    elif a.ndim == 1 and scattered and abs(total) > 100 * noise and abs(found - total) <= noise:
        yield (
            "wrong_axis",
            "the entries are wrong, but their sum is right: was the sum taken over the wrong "
            "axis? This keeps the shape when there are as many examples as entries.",
        )


def _relu(case: _Case) -> Iterator[Finding]:
    """Faults that follow ReLU's mask: by the sign of x, or by the pre-activations of its units."""
    wrong, x = case.wrong, case.x
    a, n, noise = case.a, case.n, case.noise
    on, off = x > 0, x < 0
    if on.any() and off.any() and wrong.size > 3:
        inverted = (np.abs(n) <= noise)[off].all() and (np.abs(a) <= noise)[on].all()
        if inverted and wrong[on].mean() >= 0.5 and wrong[off].mean() >= 0.5:
            yield (
                "relu_inverted",
                "it is 0 where x > 0, and the numerical one is 0 where x < 0: the mask is "
                "the wrong way round.",
            )
        elif not wrong[on].any() and wrong[off].mean() >= 0.5 and wrong.sum() > 1:
            yield (
                "relu_off",
                f"every wrong entry ({wrong.sum()}) lies where x < 0, every entry with x > 0 is "
                "right. If x holds pre-activations, ReLU's mask is missing or on the wrong array.",
            )
    for units, is_on in _units(case):
        always, bad = is_on.all(axis=0), _by_unit(wrong, units)
        if not always.any() or always.all():
            continue
        if not bad[always].any() and bad[~always].mean() >= 0.5:
            yield (
                "relu_off",
                f"units that are on for every example ({always.sum()}) are right, "
                f"{bad.sum()} of the other {(~always).sum()} are wrong: ReLU's mask is missing or "
                "on the wrong array.",
            )
        reg_x = (case.hints.reg or 0.0) * x
        dark = _by_unit(np.abs(a - reg_x) > noise, units)
        live = _by_unit(np.abs(n - reg_x) > noise, units)
        if not dark[always].any() and live[always].all() and dark[~always].any():
            yield (
                "relu_inverted",
                f"units that are on for every example ({always.sum()}) get no gradient: "
                "the mask is the wrong way round.",
            )


def _relu_on(case: _Case) -> Iterator[Finding]:
    """Wrong where a ReLU is on: true of many faults, so said only when nothing else fits."""
    wrong, x = case.wrong, case.x
    on, off = x > 0, x < 0
    both = on.any() and off.any() and wrong.size > 3
    if both and not wrong[off].any() and wrong[on].mean() >= 0.5 and wrong.sum() > 1:
        yield (
            "relu_on",
            f"every wrong entry ({wrong.sum()}) lies where x > 0, every entry with x < 0 is "
            "right. If x holds pre-activations, look at what ReLU's gradient is where it is on.",
        )
    for units, is_on in _units(case):
        never, bad = ~is_on.any(axis=0), _by_unit(wrong, units)
        if never.any() and not never.all() and not bad[never].any() and bad[~never].mean() >= 0.5:
            yield (
                "relu_on",
                f"units that are off for every example ({never.sum()}) are right, {bad.sum()} of "
                f"the other {(~never).sum()} are wrong: look at what ReLU's gradient is where it "
                "is on.",
            )


def _units(case: _Case) -> Iterator[tuple[int, np.ndarray]]:
    """Axes of x that may run over the hidden units, and Z > 0 (N, H).

    The last axis for W1 (D, H) and b1 (H,), the first for W2 (H, C).
    """
    Z, shape = case.hints.pre_activations, case.x.shape
    if Z is not None and Z.ndim == 2 and shape:
        for axis in dict.fromkeys((len(shape) - 1, 0)):
            if shape[axis] == Z.shape[1]:
                yield axis, np.asarray(Z > 0)


def _by_unit(mask: np.ndarray, axis: int) -> np.ndarray:
    """Whether any entry of each unit is True."""
    return np.asarray(mask.any(axis=tuple(k for k in range(mask.ndim) if k != axis)))


def _places(case: _Case) -> Iterator[Finding]:
    """Wrong in one entry, row or column only, or in one entry of each row."""
    wrong, a, d = case.wrong, case.a, case.difference
    alive = np.maximum(np.abs(a), np.abs(case.n)) > case.noise
    if not (alive & ~wrong & case.fit).any():
        return  # the other entries are all 0: that they agree says nothing
    where = np.argwhere(wrong)
    if len(where) == 1:
        index = _first(wrong)
        yield (
            "one_entry",
            f"only entry {_at(index)} of {wrong.size} is wrong.",
        )
        return
    if wrong.ndim != 2:
        return
    for axis, word in ((0, "row"), (1, "column")):
        places = set(where[:, axis].tolist())
        if len(places) == 1 and wrong.shape[axis] > 1:
            place = places.pop()
            line = np.take(a, place, axis=axis)
            zero = "" if line.any() else f" Every entry of this {word} is 0: was it filled?"
            yield f"one_{word}", f"only {word} {place} is wrong ({len(where)} entries).{zero}"
    if (
        min(len(set(where[:, axis].tolist())) for axis in (0, 1)) > 1
        and (wrong.sum(axis=1) == 1).all()
    ):
        by = d[wrong]
        same = by.max() - by.min() <= 6 * case.noise.max()
        amount = f", by the same amount {by.mean():.3g}" if same else ""
        yield (
            "one_per_row",
            f"one entry of each row is wrong{amount}: is it the correct class? There the gradient "
            "is (p - 1)/N.",
        )


def _first(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(k) for k in np.argwhere(mask)[0])


def _at(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]"


def _of(mask: np.ndarray) -> str:
    return f"{np.count_nonzero(mask)} of {mask.size} entries"


def explain_shape(gradient: np.ndarray, slopes: Slopes | None, hints: Hints) -> list[Finding]:
    """Every explanation that fits a gradient of another shape than x; slopes has x's shape."""
    if slopes is None or not np.isfinite(gradient).all() or gradient.dtype.kind not in "fiub":
        return []
    n, noise = slopes.value, 3 * float(np.sum(slopes.noise))
    transposed = gradient.shape == n.shape[::-1]
    if transposed and _close(gradient.T, n, noise):
        return [("transpose", "its transpose is right.")]
    if gradient.size == n.size and _close(gradient.reshape(n.shape), n, noise):
        return [("shape", f"its values are right: give them the shape {n.shape}.")]
    for axis in range(gradient.ndim):
        for word, reduced in (("sum", gradient.sum(axis)), ("mean", gradient.mean(axis))):
            if _close(reduced, n, noise):
                text = f"its {word} over axis {axis} is right: the {word} over the examples"
                return [("missing_sum", f"{text} is missing.")]
    total = float(n.sum())
    if gradient.ndim < 2 and n.ndim == 1:
        if abs(float(gradient.sum()) - total) <= noise:
            text = "its entries add up to the right total"
            return [("wrong_axis", f"{text}: the sum was taken over the wrong axis.")]
        if gradient.size == hints.batch_size:
            text = "it has one entry an example"
            return [("wrong_axis", f"{text}: the sum was taken over the wrong axis.")]
    if transposed:
        return [("transpose", "it has the shape of the transpose, but its values are wrong too.")]
    return []


def sentences(findings: list[Finding]) -> list[str]:
    """The lines that a message appends."""
    if not findings:
        return [f"Diagnosis: {NOTHING_FITS}"]
    if len(findings) == 1:
        return [f"Diagnosis: {findings[0][1]}"]
    lines = [f"  {number}. {text}" for number, (_, text) in enumerate(findings, 1)]
    return ["Diagnosis: several explanations fit, the most specific first:", *lines]
