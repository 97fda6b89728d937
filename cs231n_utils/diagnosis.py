"""What is wrong with a gradient: the changes and patterns that mistakes leave, one after the other.

`gradient_check` measures. Of some functions only their slopes are known. Where `planting` knows
the gradient to rounding, and what it is with faults in it, the explanations are proofs.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

PROVED = 1e-9  # relative difference of two gradients that are equal to rounding
SLACK = 3  # what an explanation may leave, in units of the noise
REST = 0.1  # and as a share of the disagreement


class Slopes(NamedTuple):
    """Slopes at x, entry by entry, at the largest step from which a smaller changes nothing."""

    value: np.ndarray  # the central difference
    noise: np.ndarray  # the error that round-off may leave in it
    left: np.ndarray
    right: np.ndarray
    settled: np.ndarray  # whether there is such a step
    kink: np.ndarray  # whether left and right differ however small the step
    single: bool = False  # whether f computes in float32


class Finding(NamedTuple):
    """An explanation: a short name of each fault, a sentence, the gradient with these faults."""

    causes: tuple[str, ...]
    text: str
    gradient: np.ndarray = np.zeros(0)


NOT_DETERMINISTIC = Finding(
    ("not_deterministic",),
    "two calls of f at the same x differ: fix its batch, and the seed of anything random in it.",
)
FLOAT32 = Finding(("float32",), "f has the digits of float32 only: compute all of it in float64.")
ROUND = Finding(("round_off",), "the disagreement is within the round-off of f: use a larger h.")
CONSTANT = Finding(("constant",), "f does not change with x, L2 apart: does it read a copy of x?")
NEAR_KINK = Finding(
    ("kink",), "at a smaller h it agrees: f has a kink within h, or h is too large."
)
SHAPE = Finding(("shape",), "compare the order of its factors, or the axis of its sum.")
LARGE = Finding(("unknown",), "its entries were not measured: check a smaller model of this kind.")
UNKNOWN = Finding(
    ("unknown",),
    "none of the known forms fits (constant factor, L2 term, transpose, sum, ReLU, kink, row or "
    "column). Start from the worst entries.",
)

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


def value_of(expression: str, names: dict[str, Any]) -> Any:
    """The value of an expression of the tables."""
    return eval(expression, names)


@np.errstate(all="ignore")
def explain(
    gradient: np.ndarray,
    slopes: Slopes | None,
    x: np.ndarray,
    known: dict[str, Any] | None = None,
    planted: Sequence[Finding] = (),
) -> list[Finding]:
    """Every explanation that fits a gradient with respect to x, the surest first.

    Parameters
    ----------
    slopes
        What was measured in its place, of x's shape; None when nothing was.
    known
        The number of examples N, reg and the L2 term l2 of the gradient, where they are known.
    planted
        Gradients with faults, when the slopes are known to rounding.
    """
    if not np.isfinite(gradient).all():
        bad = np.count_nonzero(~np.isfinite(gradient))
        return [Finding(("not_finite",), f"{bad} of {gradient.size} entries are NaN or infinite.")]
    if slopes is None:
        return [LARGE if gradient.shape == x.shape else SHAPE]
    if slopes.single:
        return [FLOAT32]
    case = _Case(gradient, slopes, x, {"N": np.nan, "reg": 0.0, "l2": 0.0} | (known or {}), planted)
    if gradient.shape != x.shape:
        return case.changed() or [SHAPE]
    if not case.wrong.any():
        sharp = np.max(slopes.noise) < 1e-3 * np.abs(slopes.value).max()
        return case.kinks() or [NEAR_KINK if sharp and not planted else ROUND]
    if gradient.dtype.kind in "iub" and case.fits(np.trunc(case.n)):
        findings = [Finding(("integer",), "the decimals are cut off: compute it in float64.")]
    elif not gradient.any():
        findings = [Finding(("zero",), "every entry is 0. Was the gradient ever written to?")]
    elif not planted and (np.abs(case.n - case.known["l2"]) <= slopes.noise).all():
        findings = [CONSTANT]
    else:
        findings = case.changed() or [*case.patterns(), UNKNOWN][:1]
    return findings + case.kinks()


class _Case:
    """A gradient a, the slopes n, and the entries `fit` where the two may be compared."""

    def __init__(
        self,
        gradient: np.ndarray,
        slopes: Slopes,
        x: np.ndarray,
        known: dict[str, Any],
        planted: Sequence[Finding],
    ) -> None:
        self.a, self.n, self.x = gradient.astype(np.float64), np.asarray(slopes.value), x
        self.slopes, self.known, self.planted = slopes, known, planted
        self.fit, self.rest = np.array(True), np.inf
        if self.a.shape == x.shape:
            off = np.abs(self.a - self.n)
            self.at_kink = slopes.kink & (off > slopes.noise)  # there is no derivative
            self.wrong = ~slopes.kink & (off > slopes.noise)
            self.fit = slopes.settled & ~slopes.kink
            self.rest = REST * float(np.where(self.fit, off, 0.0).max())

    def fits(self, gradient: np.ndarray) -> bool:
        """Whether a is this gradient, within what noise becomes in it."""
        if gradient.shape != self.a.shape:
            return False
        larger = np.abs(gradient).max(initial=0.0) / (np.abs(self.n).max(initial=0.0) or np.inf)
        slack = SLACK * np.max(self.slopes.noise) * (1 + larger)
        return bool((~self.fit | (np.abs(self.a - gradient) <= min(self.rest, slack))).all())

    def changes(self, base: Finding) -> Iterator[Finding]:
        """A gradient with one change more."""
        names = {"np": np, "x": self.x, "gradient": base.gradient} | self.known
        for cause, expression, text in CHANGES:
            if cause not in base.causes:
                with suppress(ValueError, IndexError):  # of another shape
                    names["data"] = base.gradient - self.known["l2"]
                    text = f"{base.text}; and {text}" if base.text else text
                    gradient = np.asarray(value_of(expression, names))
                    yield Finding((*base.causes, cause), text, gradient)

    def changed(self) -> list[Finding]:
        """The changes or planted faults that give this gradient, one or, where proved, two."""
        single = [*self.planted, *self.changes(Finding((), "", self.n))]
        found = [fault for fault in single if self.fits(fault.gradient)]
        if not found and self.a.shape == self.x.shape:
            found = list(self.multiples())[:1]
        if not found and self.planted:
            pairs = [pair for fault in single for pair in self.changes(fault)]
            found = [pair for pair in pairs if self.fits(pair.gradient)]
        proof = " A backward pass with this gives exactly this gradient." if self.planted else ""
        findings: dict[frozenset[str], Finding] = {}
        for causes, text, _ in found:
            finding = Finding(causes, text + "." * (text[-1] not in ".?") + proof)
            findings.setdefault(frozenset(causes), finding)
        return list(findings.values())

    def multiples(self) -> Iterator[Finding]:
        """Any constant factor of the gradient or of its part without L2, and any multiple of x."""
        l2 = self.known["l2"] + 0 * self.x
        for base, part in ((0 * l2, self.n), (l2, self.n - l2), (self.n, self.x)):
            along = part[self.fit]
            factor = float((self.a - base)[self.fit] @ along / (along @ along))
            size = max(abs(factor), abs(1 / factor)) if factor else np.inf
            whole = abs(size - np.rint(size)) < 1e-4 * size
            enough = np.count_nonzero(along) > 2 or (whole and part is not self.x)
            if enough and size < 1e4 and self.fits(base + factor * part):
                ask = f". Is {size:.0f} the number of your examples?" if whole else ""
                text = f"every entry is {factor:.3g} times the right one{ask}"
                if part is self.x:
                    text = f"it is the right one + {factor:.3g} * x: look at the L2 term"
                yield Finding(("reg_factor",) if part is self.x else ("factor",), text)

    def kinks(self) -> list[Finding]:
        """Entries that disagree where f has a kink at x."""
        if not self.at_kink.any():
            return []
        index = tuple(np.argwhere(self.at_kink)[0].tolist())
        text = (
            f"f has a kink exactly at x in {self.at_kink.sum()} of {self.x.size} entries. At "
            f"{list(index)} its slope is {self.slopes.left[index]:.3g} on the left and "
            f"{self.slopes.right[index]:.3g} on the right: there is no derivative to compare with. "
            "Move x a little and check again."
        )
        return [Finding(("kink",), text)]

    def patterns(self) -> Iterator[Finding]:
        """Wrong on one side of 0, or in one entry, row or column."""
        wrong, x, noise = self.wrong, self.x, self.slopes.noise
        a_is_0, n_is_0 = np.abs(self.a) <= noise, np.abs(self.n) <= noise
        both_sides = x.size > 3 and (x > 0).any() and (x < 0).any()
        if both_sides and a_is_0[x > 0].all() and n_is_0[x < 0].all() and wrong.mean() >= 0.5:
            text = "it is 0 where x > 0, and the right one where x < 0: the mask is inverted."
            yield Finding(("relu_inverted",), text)
        if (~(a_is_0 & n_is_0) & ~wrong & self.fit).any():  # that zeros agree says nothing
            if wrong.sum() == 1:
                text = f"only entry {np.argwhere(wrong)[0].tolist()} of {x.size} is wrong."
                yield Finding(("one_entry",), text)
            for axis, line in enumerate(("row", "column") if x.ndim == 2 else ()):
                bad = wrong.any(axis=1 - axis)
                if bad.sum() == 1:
                    yield Finding((f"one_{line}",), f"only {line} {bad.argmax()} is wrong.")
            if x.ndim == 2 and (wrong.sum(axis=1) == 1).all():
                text = "one entry of each row is wrong: is it the correct class?"
                yield Finding(("one_per_row",), text)
        for cause, side, sign in (("relu_off", x < 0, "<"), ("relu_on", x > 0, ">")):
            most = side.sum() <= min(2 * wrong.sum(), x.size - 1)
            if both_sides and most and not wrong[~side].any():
                text = f"only entries with x {sign} 0 are wrong. Is x what ReLU sees? See its mask."
                yield Finding((cause,), text)


def causes_of(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Every cause once, in the order of the findings."""
    return tuple(dict.fromkeys(cause for finding in findings for cause in finding.causes))
