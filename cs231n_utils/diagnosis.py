"""What is wrong with a gradient: which fault, of those that are known, makes it what it is.

Where `planting` knows the gradient, and what it is with faults in it, explanations are proofs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from cs231n_utils.planting import (
    EXACT,
    Finding,
    LayerReference,
    Reference,
    changed,
)

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


RANDOM = Finding(("not_deterministic",), "two calls of f at one x differ: fix its batch, its seed.")
GROWS = Finding(("accumulated",), "it changes from call to call: start it from zeros.")
RESTLESS = Finding(("not_deterministic",), "it changes from call to call, but not what leaves it.")
FLOAT32 = Finding(("float32",), "f has the digits of float32 only: compute all of it in float64.")
ROUND = Finding(("round_off",), "the disagreement is within the round-off of f: use a larger h.")
CONSTANT = Finding(("constant",), "f does not change with x, L2 apart: does it read a copy of x?")
WHERE = "a ReLU has one at 0, and a maximum, as in max pooling, where its largest entry changes."
KINK = Finding(
    ("kink",), f"at a smaller h it agrees: f has a kink within h, or h is too large; {WHERE}"
)
SHAPE = Finding(("shape",), "compare the order of its factors, or the axis of its sum.")
LARGE = Finding(("unknown",), "its entries were not measured: check a smaller model of this kind.")
UNKNOWN = Finding(("unknown",), "it is none of the known faults. Start from the worst entries.")


@dataclass
class Case:
    """A gradient with respect to x, and what is known of the right one."""

    gradient: np.ndarray
    slopes: Slopes | None  # what was measured in its place, of x's shape
    x: np.ndarray
    known: dict[str, Any] = field(default_factory=lambda: {"N": np.nan, "reg": 0.0, "l2": 0.0})
    planted: Sequence[Finding] = ()  # gradients with faults, when the slopes are known to rounding

    @np.errstate(all="ignore")
    def explain(self) -> list[Finding]:
        """Every explanation that fits, the surest first."""
        a, slopes, same_shape = self.gradient, self.slopes, self.gradient.shape == self.x.shape
        if not np.isfinite(a).all():
            bad = np.count_nonzero(~np.isfinite(a))
            return [Finding(("not_finite",), f"{bad} of {a.size} entries are NaN or infinite.")]
        if slopes is None:
            return [LARGE if same_shape else SHAPE]
        if slopes.single:
            return [FLOAT32]
        self.n, self.noise = np.asarray(slopes.value), slopes.noise
        self.fit, self.rest = np.array(True), np.inf  # where a and n may be compared
        if not same_shape:
            return self.changed() or [SHAPE]
        off = np.abs(a - self.n)
        self.at_kink = slopes.kink & (off > self.noise)  # there is no derivative
        self.wrong = ~slopes.kink & (off > self.noise)
        self.fit = slopes.settled & ~slopes.kink
        self.rest = REST * float(np.where(self.fit, off, 0.0).max())
        if not self.wrong.any():
            sharp = np.max(self.noise) < 1e-3 * np.abs(self.n).max()
            return self.kinks(slopes) or [KINK if sharp and not self.planted else ROUND]
        if a.dtype.kind in "iub" and self.fits(np.trunc(self.n)):
            findings = [Finding(("integer",), "the decimals are cut off: compute it in float64.")]
        elif not a.any():
            findings = [Finding(("zero",), "every entry is 0. Was the gradient ever written to?")]
        elif not self.planted and (np.abs(self.n - self.known["l2"]) <= self.noise).all():
            findings = [CONSTANT]
        else:
            findings = self.changed() or [*self.patterns(), UNKNOWN][:1]
        return findings + self.kinks(slopes)

    def fits(self, gradient: np.ndarray) -> bool:
        """Whether a is this gradient, within what noise becomes in it."""
        if gradient.shape != self.gradient.shape:
            return False
        larger = np.abs(gradient).max(initial=0.0) / (np.abs(self.n).max(initial=0.0) or np.inf)
        slack = SLACK * np.max(self.noise) * (1 + larger)
        return bool((~self.fit | (np.abs(self.gradient - gradient) <= min(self.rest, slack))).all())

    def changed(self) -> list[Finding]:
        """The changes or planted faults that give this gradient, one or, where proved, two."""
        names = {"x": self.x} | self.known
        single = [*self.planted, *changed(Finding((), "", self.n), names)]
        found = [fault for fault in single if self.fits(fault.gradient)]
        if not found and self.gradient.shape == self.x.shape:
            found = list(self.multiples())[:1]
        if not found and self.planted:
            pairs = [pair for fault in single for pair in changed(fault, names)]
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
            factor = float((self.gradient - base)[self.fit] @ along / (along @ along))
            size = max(abs(factor), abs(1 / factor)) if factor else np.inf
            whole = abs(size - np.rint(size)) < 1e-4 * size
            enough = np.count_nonzero(along) > 2 or (whole and part is not self.x)
            if enough and size < 1e4 and self.fits(base + factor * part):
                ask = f". Is {size:.0f} the number of your examples?" if whole else ""
                text = f"every entry is {factor:.3g} times the right one{ask}"
                if part is self.x:
                    text = f"it is the right one + {factor:.3g} * x: look at the L2 term"
                yield Finding(("reg_factor",) if part is self.x else ("factor",), text)

    def kinks(self, slopes: Slopes) -> list[Finding]:
        """Entries that disagree where f has a kink at x."""
        if not self.at_kink.any():
            return []
        index = tuple(np.argwhere(self.at_kink)[0].tolist())
        sides = f"{slopes.left[index]:.3g} on the left and {slopes.right[index]:.3g}"
        text = f"f has a kink exactly at x in {self.at_kink.sum()} of {self.x.size} entries. At "
        text += f"{list(index)} its slope is {sides} on the right: move x a little."
        equal = [each.tolist() for each in np.argwhere(self.x == self.x[index])]
        others = [each for each in equal if each != [*index] and self.x[index]]
        if others:
            text += f" Entry {others[0]} is as large: the largest of a maximum changes there."
        elif self.x.size > 1:
            text += f" {WHERE[0].upper()}{WHERE[1:]}"
        return [Finding(("kink",), text)]

    def patterns(self) -> Iterator[Finding]:
        """Wrong on one side of 0, or in one entry, row or column."""
        wrong, x, noise = self.wrong, self.x, self.noise
        a_is_0, n_is_0 = np.abs(self.gradient) <= noise, np.abs(self.n) <= noise
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


def proofs(
    reference: Reference, key: str, x: np.ndarray, gradient: np.ndarray, slopes: Slopes | None
) -> list[Finding]:
    """Every explanation of the gradient of a parameter x, whose right gradient is known."""
    right, everywhere = reference.grads[key], np.ones(x.shape, dtype=bool)
    noise = np.array(PROVED * max(np.abs(right).max(), np.abs(gradient).max()))
    exact = slopes or Slopes(right, noise, right, right, everywhere, ~everywhere)
    value = np.where(exact.kink, exact.value, right)
    exact = exact._replace(value=value, noise=noise, settled=everywhere, single=False)
    return Case(gradient, exact, x, reference.known(key), reference.planted(key)).explain()


@np.errstate(all="ignore")
def faults_of_layer(
    reference: LayerReference, name: str, x: np.ndarray, gradient: np.ndarray
) -> list[Finding]:
    """Every explanation of the gradient of x, X or a parameter of a layer; none if it is right."""
    right, noise = reference.grads[name], np.array(PROVED * np.abs(reference.grads[name]).max())
    same_shape = gradient.shape == right.shape
    if same_shape and (np.abs(gradient - right) <= noise).all():
        return []
    if reference.allows(name, gradient):
        return []
    planted = reference.planted(name, gradient)
    terms = [float(np.abs(fault.gradient).max(initial=0.0)) for fault in planted]
    noise += EXACT * max((size for size in terms if size < np.inf), default=0.0)  # they may cancel
    if same_shape and (np.abs(gradient - right) <= noise).all():
        return []
    everywhere = np.ones(x.shape, dtype=bool)
    exact = Slopes(right, noise, right, right, everywhere, ~everywhere)
    known = {"N": len(reference.names["X"]), "reg": 0.0, "l2": 0.0}
    return Case(gradient, exact, x, known, planted).explain()
