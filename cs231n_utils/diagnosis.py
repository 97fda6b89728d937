"""What is wrong with a gradient: the changes and patterns that mistakes leave, one after the other.

`gradient_check` measures. Of some functions only their slopes are known. Where `planting` knows
the gradient to rounding, and what it is with faults in it, the explanations are proofs.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

NUM_STEPS = 7  # h, h/10, ..., h/1000000
ROUND_OFF = 4 * np.finfo(np.float64).eps  # of one value of f, relative to it
PROVED = 1e-9  # relative difference of two gradients that are equal to rounding
SLACK = 3  # what an explanation may leave, in units of the noise
REST = 0.1  # and as a share of the disagreement
MOST = 0.5  # the share of entries that makes a pattern
SIMPLE = 1e-4  # relative difference to a simple fraction
TINY = 1e-140  # its square underflows


class Finding(NamedTuple):
    """An explanation: short stable names of the faults in it, and a sentence."""

    causes: tuple[str, ...]
    text: str


class Planted(NamedTuple):
    """A gradient with faults in it, their causes, and these in words."""

    causes: tuple[str, ...]
    texts: tuple[str, ...]
    gradient: np.ndarray


def _is(cause: str, text: str) -> Finding:
    return Finding((cause,), text)


NOT_DETERMINISTIC = _is(
    "not_deterministic",
    "f is not deterministic: two calls at the same x return different values. Fix its batch, "
    "and the seed of anything random in it, before the check.",
)
FLOAT32 = _is("float32", "the loss has the digits of float32 only: compute all of it in float64.")
CONSTANT = _is(
    "constant",
    "f does not change when x does, but for an L2 term if it has one. Does f read this very array, "
    "and not a copy of it?",
)
ROUND = _is(
    "round_off",
    "the disagreement is within the round-off of f: use a larger h, or rescale f.",
)
SHAPE = _is("shape", "compare the order of its factors, or the axis of its sum, with the shapes.")
NOTHING_FITS = (
    "none of the known forms fits (constant factor, L2 term, transpose, sum, ReLU, kink, row or "
    "column). Start from the worst entries."
)

# Slopes of f at x, entry by entry, each at the largest step from which a smaller one changes
# nothing: the central difference and the error that round-off may leave in it; the slopes from
# the left and the right; whether such a step was found, whether it is smaller than the first;
# whether left and right differ however small the step; whether f computes in float32.
Slopes = np.recarray[Any, Any]
FLOATS, FLAGS = ("value", "noise", "left", "right"), ("settled", "moved", "kink", "single")
FIELDS = [*((name, np.float64) for name in FLOATS), *((name, np.bool_) for name in FLAGS)]


def known_slopes(gradient: np.ndarray) -> Slopes:
    """Slopes that are known to rounding, without measuring."""
    slopes = np.zeros(gradient.shape, dtype=FIELDS).view(np.recarray)
    for name in ("value", "left", "right"):
        slopes[name] = gradient
    slopes["noise"] = PROVED * np.abs(gradient).max(initial=0.0)
    slopes["settled"] = True
    return slopes


def measure_slopes(
    f: Callable[[np.ndarray], float],
    x: np.ndarray,
    h: float,
    resolution: float,
    inside: float = 0.0,
) -> Slopes:
    """Central differences of f at x at steps h, h/10, ..., until they agree within `resolution`.

    No analytic gradient enters: what this returns cannot be bent towards a wrong one. x is
    changed in place and restored exactly. Costs four evaluations for each entry where f is smooth.
    `inside` : the size of the numbers that f adds up, when it is larger than f: they are rounded.
    """
    before = x.copy()
    slopes = np.zeros(x.shape, dtype=FIELDS).view(np.recarray)
    try:
        f_0 = f(x)
        values = [f_0]
        for index in np.ndindex(x.shape):
            original, settled = before[index], False
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
                round_off = ROUND_OFF * max(abs(f_plus), abs(f_minus), abs(f_0), inside) / step
                sides = (f_0 - f_minus) / step, (f_plus - f_0) / step
                rows.append(np.array([(f_plus - f_minus) / (2 * step), *sides, round_off]))
                if power and abs(rows[-1][0] - rows[-2][0]) <= resolution + round_off:
                    settled = True
                    break
            x[index] = original
            coarse, fine = rows[-2:] if len(rows) > 1 else (rows[0], rows[0])
            # One-sided slopes are off by a multiple of the step: two steps cancel it.
            _, left, right, _ = (10 * fine - coarse) / 9
            noise = resolution + coarse[3] + min(abs(coarse[0] - fine[0]), fine[3])
            jumps = abs(coarse[2] - coarse[1]), abs(fine[2] - fine[1])
            kink = jumps[1] > max(0.5 * jumps[0], 4 * (resolution + 2 * fine[3]))
            moved = len(rows) > 2
            slopes[index] = (coarse[0], noise, left, right, settled, moved, kink, False)
    finally:
        x[...] = before
    with np.errstate(over="ignore"):  # a value beyond float32 is no float32
        single = len(set(values)) > 1 and all(float(np.float32(v)) == v for v in values)
    slopes["single"] = single
    return slopes


# Of any gradient, right or planted: data is the gradient without the L2 term l2, x the parameter.
CHANGES = (
    ("sign", "-gradient", "every entry is -1 times the right one: the sign is wrong"),
    ("sign", "-data + l2", "the sign is wrong, but for the L2 term"),
    ("factor N", "N * data + l2", "it is N times the right one: divide by the N examples"),
    ("factor N", "N * gradient", "it is N times the right one: divide by the N examples"),
    ("factor 1/N", "data / N + l2", "1/N is there twice"),
    ("factor 1/N", "gradient / N", "1/N is there twice"),
    ("factor 2", "2 * data + l2", "it is 2 times the right one: is a 1/2 missing?"),
    ("factor 2", "2 * gradient", "it is 2 times the right one: is a 1/2 missing?"),
    ("factor 1/2", "data / 2 + l2", "it is 1/2 times the right one: is a 1/2 too many?"),
    ("factor 1/2", "gradient / 2", "it is 1/2 times the right one: is a 1/2 too many?"),
    ("reg_missing", "data", "the L2 term is missing"),
    ("reg_doubled", "gradient + reg * x", "an L2 term is too many"),
    ("reg_misplaced", "data + reg * data", "dW += reg * dW stands for dW += reg * W"),
    ("reg_factor", "data + l2 / 2", "the L2 term is 1/2 times the right one"),
    ("reg_factor", "data - l2", "the sign of the L2 term is wrong"),
    ("reg_factor", "data + l2 / N", "the L2 term is divided by N"),
    ("reg_factor", "data + N * l2", "the L2 term is N times the right one"),
    ("reg_form", "data + reg * x * x", "reg * W * W is not the derivative of the penalty"),
    ("reg_form", "data + reg / 2 * x * x", "the penalty stands for its derivative"),
    ("reg_form", "data + reg * np.sum(x * x)", "the penalty stands for its derivative"),
    ("reg_form", "data + reg / 2 * np.sum(x * x)", "the penalty stands for its derivative"),
    ("reg_form", "data + reg * np.sign(x)", "the L2 term is the one of reg * sum |W|"),
    ("reg_form", "data + reg", "W is missing in the L2 term"),
    ("data_missing", "l2", "only the L2 term is there"),
    ("transpose", "gradient.T", "it is the transpose of the right one"),
    ("transpose", "data.T + l2", "it is the transpose of the right one"),
    ("order", "gradient[::-1]", "the order is reversed"),
    ("order", "gradient.T.reshape(x.shape)", "the values are right, but read in another order"),
    ("shape", "gradient[None]", "the values are right, but not the shape"),
    ("shape", "gradient.ravel()", "the values are right, but not the shape"),
    ("wrong_axis", "gradient.sum() + 0 * x", "every entry is the sum of all: sum over one axis"),
    ("swapped", "x", "it is the parameter itself"),
)


def explain(
    gradient: np.ndarray,
    slopes: Slopes | None,
    x: np.ndarray,
    known: dict[str, Any] | None = None,
    planted: Sequence[Planted] = (),
) -> list[Finding]:
    """Every explanation that fits a gradient, the surest first.

    Parameters
    ----------
    gradient, x
        The gradient, and what it is taken with respect to.
    slopes
        What was measured in its place, of x's shape; None when nothing was.
    known
        The number of examples N, reg and the L2 term l2 of the gradient, where they are known.
    planted
        Gradients with faults, when the slopes are known to rounding.
    """
    if not np.isfinite(gradient).all():
        bad = np.count_nonzero(~np.isfinite(gradient))
        return [_is("not_finite", f"{bad} of {gradient.size} entries are NaN or infinite.")]
    if slopes is None:
        return [SHAPE] if gradient.shape != x.shape else []
    n, noise, kind = slopes.value, slopes.noise, gradient.dtype
    if slopes.single.any():
        return [_is("float32", "f computes in float32: every value of it is a float32 number.")]
    if kind.kind in "iub" and _close(gradient, np.trunc(n), noise):
        return [_is("integer", f"it is an array of {kind}: the decimals were cut off.")]
    if kind in (np.float32, np.float16):
        noise = noise + 64 * float(np.finfo(kind).eps) * np.abs(n).max(initial=0.0)
        if _close(gradient, n, noise):
            return [_is("float32", f"it is an array of {kind}: compute it in float64.")]
    known = {"N": None, "reg": None, "l2": 0.0} | (known or {})
    case = _Case(gradient.astype(np.float64), slopes, x, noise, known, planted)
    if gradient.shape != x.shape:
        return _changed(case) or [SHAPE]
    kinks = list(_kinks(case))
    if not case.wrong.any():
        return kinks or [ROUND]
    l2_alone = (np.abs(n - known["l2"]) <= noise)[case.fit]
    if not gradient.any():
        findings = [_is("zero", "every entry is 0. Was the gradient ever written to?")]
    elif not planted and l2_alone.size and l2_alone.all():
        findings = [CONSTANT]
    else:
        findings = _changed(case) or list(_patterns(case))
    return findings + kinks


class _Case:
    """A wrong gradient a, the right one n, and where the two may be compared."""

    def __init__(
        self,
        a: np.ndarray,
        slopes: Slopes,
        x: np.ndarray,
        noise: np.ndarray,
        known: dict[str, Any],
        planted: Sequence[Planted],
    ) -> None:
        self.a, self.n, self.x, self.slopes, self.noise = a, slopes.value, x, slopes, noise
        self.known, self.planted = known, planted
        self.slack, self.most = SLACK * float(noise.max(initial=0.0)), np.inf
        if planted:
            self.slack = max(self.slack, PROVED * float(np.abs(a).max(initial=0.0)))
        self.fit = np.ones(a.shape, dtype=bool)
        if a.shape == x.shape:
            self.fit = slopes.settled & ~slopes.kink  # elsewhere is no derivative
            self.most = REST * float(np.abs(a - self.n)[self.fit].max(initial=0.0))
            low, high = np.minimum(slopes.left, slopes.right), np.maximum(slopes.left, slopes.right)
            between = (a >= low - 30 * noise) & (a <= high + 30 * noise)
            off = np.abs(a - self.n) > noise
            self.at_kink = off & slopes.kink & between
            self.wrong = off & ~self.at_kink

    def fits(self, gradient: np.ndarray) -> bool:
        """Whether a is this gradient, within what noise becomes in it."""
        size = float(np.abs(self.n).max(initial=0.0))
        larger = float(np.abs(gradient).max(initial=0.0)) / size if size else 0.0
        return _close(self.a, gradient, min(self.most, self.slack * (1 + larger)), self.fit)


def _close(
    a: np.ndarray, b: np.ndarray, noise: np.ndarray | float, fit: np.ndarray | bool = True
) -> bool:
    return a.shape == b.shape and bool((~(np.abs(a - b) > noise) | ~np.asarray(fit)).all())


@np.errstate(all="ignore")
def _changed(case: _Case) -> list[Finding]:
    """The changes or planted faults that give this gradient, one or, where proved, two of them."""

    def changes(base: Planted) -> Iterator[Planted]:
        names = {"np": np, "x": case.x, "gradient": base.gradient} | case.known
        for cause, expression, text in CHANGES:
            if cause not in base.causes:
                with suppress(TypeError, ValueError, IndexError):  # unknown, or of another shape
                    names["data"] = base.gradient - case.known["l2"]
                    gradient = np.asarray(value_of(expression, names))
                    yield Planted((*base.causes, cause), (*base.texts, text), gradient)

    single = [*case.planted, *changes(Planted((), (), case.n))]
    found = [fault for fault in single if case.fits(fault.gradient)]
    if not found and case.a.shape == case.x.shape:
        found = list(_linear(case))
    if not found and case.planted:
        found = [fault for base in single for fault in changes(base) if case.fits(fault.gradient)]
    proof = " A backward pass with this gives exactly this gradient." if case.planted else ""
    findings: dict[frozenset[str], Finding] = {}
    for causes, texts, _ in found:
        text = "; and ".join(texts)
        finding = Finding(causes, text + "." * (text[-1] not in ".?") + proof)
        findings.setdefault(frozenset(causes), finding)
    return list(findings.values())


def _linear(case: _Case) -> list[Planted]:
    """Any constant factor alpha, and any L2 term beta * x."""
    a, n, x = (array[case.fit] for array in (case.a, case.n, case.x))
    N, reg = case.known["N"], case.known["reg"]
    if not n.any() or not TINY < np.abs(n).max() < 1 / TINY:
        return []
    for l2 in (np.zeros_like(case.x), case.known["l2"] + np.zeros_like(case.x)):
        data = n - l2[case.fit]
        if not data.any():
            continue
        alpha = float((a - l2[case.fit]) @ data / (data @ data))
        enough = np.count_nonzero(data) > 2 or _number(alpha).lstrip("-").isdigit()
        if enough and abs(alpha) > SIMPLE and case.fits(alpha * (case.n - l2) + l2):
            size = _number(max(abs(alpha), 1 / abs(alpha)))
            ask = f". Is {size} the number of your examples?" if size.isdigit() and not N else ""
            text = f"every entry is {_number(alpha)} times the right one{ask}"
            return [Planted(("factor",), (text,), a)]
    if x.size > 1 and x.any():
        beta = float((a - n) @ x / (x @ x))
        if case.fits(case.n + beta * case.x):
            what = "missing or too small" if beta < 0 else "there twice, too large, or missing in f"
            cause = "reg_missing" if beta < 0 else "reg_doubled"
            text = (
                f"analytic - numerical = {beta:.3g} * x in every entry: an L2 term is {what}. "
                f"Is {abs(beta):.3g} your reg?"
            )
            if reg:
                cause = "reg_factor"
                text = f"the L2 term is {_number(1 + beta / reg)} times the right one"
            return [Planted((cause,), (text,), a)]
    return []


def _number(value: float) -> str:
    """A number in words of the reader: 5, 1/5 or 0.123."""
    simple = Fraction(value).limit_denominator(1000)
    plain = 1 in (abs(simple.numerator), simple.denominator)
    return str(simple) if plain and abs(simple - value) <= SIMPLE * abs(value) else f"{value:.3g}"


def _kinks(case: _Case) -> Iterator[Finding]:
    """Entries that disagree only because f has a kink at x, or within h of it."""
    slopes, near = case.slopes, case.slopes.moved & ~case.slopes.kink
    if case.at_kink.any():
        index = tuple(int(k) for k in np.argwhere(case.at_kink)[0])
        yield _is(
            "kink",
            f"f has a kink exactly at x in {case.at_kink.sum()} of {case.x.size} entries. At "
            f"[{', '.join(map(str, index))}] its slope is {slopes.left[index]:.3g} on the left and "
            f"{slopes.right[index]:.3g} on the right: there is no derivative to compare with. "
            "Move x a little and check again.",
        )
    elif near.any() and not case.wrong.any():
        yield _is(
            "kink",
            f"the numerical value changes with h in {near.sum()} of {near.size} entries, and at a "
            "smaller h it agrees: f has a kink within h of x, or h is too large. Use a smaller h "
            "or another x.",
        )


def _patterns(case: _Case) -> Iterator[Finding]:
    """Wrong in one entry, row or column only, in one entry of each row, or on one side of 0."""
    wrong, a, x = case.wrong, case.a, case.x
    count, where = int(wrong.sum()), np.argwhere(wrong)
    a_is_0, n_is_0 = np.abs(a) <= case.noise, np.abs(case.n) <= case.noise
    alive = ~(a_is_0 & n_is_0) & ~wrong & case.fit  # that zeros agree says nothing
    lines = ("row", "column") if wrong.ndim == 2 else ()
    if a_is_0[x > 0].all() and n_is_0[x < 0].all() and wrong.mean() >= MOST and x.size > 3:
        text = "it is 0 where x > 0, and the numerical one is 0 where x < 0: the mask is inverted."
        yield _is("relu_inverted", text)
    elif alive.any() and count == 1:
        index = ", ".join(map(str, where[0]))
        yield _is("one_entry", f"only entry [{index}] of {wrong.size} is wrong.")
    elif alive.any() and any(len(np.unique(column)) == 1 for column in where.T[: len(lines)]):
        axis = 0 if len(np.unique(where[:, 0])) == 1 else 1
        place = int(where[0, axis])
        zero = (
            "" if np.take(a, place, axis=axis).any() else " Every entry of it is 0: was it filled?"
        )
        yield _is(f"one_{lines[axis]}", f"only {lines[axis]} {place} is wrong.{zero}")
    elif alive.any() and lines and (wrong.sum(axis=1) == 1).all():
        text = "one entry of each row is wrong: is it the correct class? There it is (p - 1)/N."
        yield _is("one_per_row", text)
    else:
        for cause, side, other in (("relu_off", x < 0, "x > 0"), ("relu_on", x > 0, "x < 0")):
            pattern = side.any() and not side.all() and x.size > 3 and count > 1
            if pattern and not wrong[~side].any() and wrong[side].mean() >= MOST:
                text = f"{count} entries are wrong, and none with {other}. Does x hold"
                yield _is(cause, f"{text} pre-activations? Then look at ReLU's mask.")


def value_of(expression: str, names: dict[str, Any]) -> Any:
    """The value of an expression of the tables."""
    return eval(_code(expression), names)


@functools.cache
def _code(expression: str) -> Any:
    return compile(expression, "a row of a table", "eval")


def causes_of(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Every cause once, in the order of the findings."""
    return tuple(dict.fromkeys(cause for finding in findings for cause in finding.causes))


def sentences(findings: Sequence[Finding]) -> list[str]:
    """The lines that a message appends."""
    if not findings:
        return [f"Diagnosis: {NOTHING_FITS}"]
    if len(findings) == 1:
        return [f"Diagnosis: {findings[0].text}"]
    lines = [f"  {number}. {finding.text}" for number, finding in enumerate(findings, 1)]
    return ["Diagnosis: several explanations fit, the most specific first:", *lines]
