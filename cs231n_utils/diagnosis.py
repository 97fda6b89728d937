"""Why a gradient is wrong, where a plain relation says what it is: never what it should be."""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

TEXT = {  # what is said of each cause
    "not_deterministic": "two calls at one x differ: fix the batch, the seed, or the mask.",
    "not_finite": "some entries are NaN or infinite.",
    "float32": "there are the digits of float32 only: compute all of it in float64.",
    "integer": "the decimals are cut off: compute it in float64.",
    "kink": "at a smaller h it agrees: f has a kink within h, or h is too large.",
    "round_off": "the disagreement is within the round-off of f: use a larger h.",
    "zero": "every entry is 0. Was the gradient ever written to?",
    "sign": "look at the order of a difference.",
    "factor N": "where is the mean over the examples?",
    "factor 1/N": "is a mean taken twice, or of what is one already?",
    "factor 2": "what becomes of the 2, or the 1/2, of a square?",
    "factor 1/2": "what becomes of the 2, or the 1/2, of a square?",
    "factor": "which constant is too many, or missing?",
    "reg_missing": "the penalty's part is missing.",
    "reg_doubled": "the penalty's part counts twice, or is not in f.",
    "reg_misplaced": "the penalty's part has the factor reg: of which array?",
    "reg_factor": "the penalty's part has a wrong size: look at its 1/2, its sign.",
    "swapped": "it is the gradient of another parameter.",
    "transpose": "two of its axes are exchanged.",
    "shape": "compare the order of its factors, or the axis of its sum.",
    "order": "its entries are right, but in another order.",
    "wrong_axis": "its sum runs over the wrong axis, or over all.",
    "missing_sum": "its sum over the examples is not taken.",
    "one_example": "only one example counts: is a sum overwritten on the way?",
    "example_missing": "one example is left out: where does the sum begin, and end?",
    "chain": "it is what comes from above, a factor is missing.",
    "residual_overwritten": "one of two paths is missing, or overwritten.",
    "other_mask": "what comes from above is multiplied by another array than a mask.",
    "mask_missing": "something gets through where it should be 0: see the mask.",
    "mask_misplaced": "it is 0, or not, at the wrong places: what does a mask compare with 0?",
    "mask_inverted": "it is 0 where it should not be: is a mask the wrong way round?",
    "mean_of_part": "for one example alone it is right: what does the mean belong to?",
    "one_per_row": "in each row the entry of the correct class is wrong.",
    "softmax_diagonal": "a slope of the softmax is too much, or only some scores count.",
    "softmax_missing": "the way back does not pass through the softmax.",
    "unknown": "no plain relation fits. Start from the worst entries.",
}
FACTORS = ("sign", "factor N", "factor 1/N", "factor 2", "factor 1/2", "factor")
REG = ("reg_missing", "reg_doubled", "reg_misplaced", "reg_factor")
SCORES: tuple[tuple[str, Callable[..., np.ndarray]], ...] = (  # what may stand for P - Y
    ("one_per_row", lambda Y, P: P),
    ("one_per_row", lambda Y, P: P + Y),
    ("softmax_diagonal", lambda Y, P: (P - Y) * P * (1 - P)),
    ("softmax_diagonal", lambda Y, P: Y * (P - 1)),
    ("softmax_missing", lambda Y, P: -Y / P),
    ("softmax_missing", lambda Y, P: np.log(P) - Y),  # scores, but for a number in each row
)


def said(cause: str, text: str = "") -> tuple[str, str]:
    """A cause and its sentence."""
    return cause, text + TEXT[cause]


class Case:
    """The failed check of a gradient a of x, and what is known of the right one, n.

    N is the number of examples, reg and l2 the penalty's strength and its part of n, y the labels,
    above the dY of a layer, shares (N, ...) the gradients of each example alone, given what is said
    to be those, and others the gradients of other parameters.
    """

    N, reg, l2 = np.nan, 0.0, 0.0
    y: Any = None
    above = shares = given = y
    others: Any = ()

    def __init__(self, check: Any, **known: Any) -> None:
        vars(self).update(known)
        self.check, self.x, self.a, self.n = check, check.x, check.gradient, check.value

    @np.errstate(all="ignore")
    def explain(self) -> list[tuple[str, str]]:
        """The causes that fit, each with its sentence."""
        a, n, check = self.a, self.n, self.check
        if not np.isfinite(a).all():
            return [said("not_finite")]
        if n is None or check.single:
            return [said("shape" if n is None else "float32")]
        self.fit = check.settled & ~check.kink  # where both are compared
        self.size = float(np.abs(n[self.fit]).max(initial=0.0))
        self.noise, self.rest = float(check.noise[self.fit].max(initial=0.0)), np.inf
        if a.shape != n.shape:
            return [next(self.relations(), said("shape"))]
        off = np.abs(a - n)
        self.wrong = self.fit & (off > check.noise)
        at_kink = np.sum(check.kink & (off > check.noise))
        text = f"f has a kink exactly at x in {at_kink} of {a.size} entries: move x a little."
        kinks = [("kink", text)] * bool(at_kink)
        if not self.wrong.any():
            return kinks or [said("kink" if check.noise.max() < 1e-3 * self.size else "round_off")]
        self.rest = 0.1 * float(off[self.fit].max())  # what a relation may leave
        return [next(self.relations(), None) or said(next(self.alone(), "unknown")), *kinks]

    def fits(self, gradient: Any) -> bool:
        """Whether a is this gradient, within what noise becomes in it."""
        if np.shape(gradient) != self.a.shape:
            return False
        known = np.isfinite(gradient) & (self.fit if self.a.shape == self.x.shape else True)
        larger = np.abs(gradient[known]).max(initial=0.0) / (self.size or np.inf)
        slack = min(self.rest, 3 * self.noise * (1 + larger))
        return bool(known.any() and (np.abs(self.a - gradient)[known] <= slack).all())

    def relations(self) -> Iterator[tuple[str, str]]:
        """Relations to the right gradient, or to its data's part with the penalty's or without."""
        a, n, reg, x, l2 = self.a, self.n, self.reg, self.x, self.l2
        data, is_whole, close = n - l2, a.dtype.kind in "iub", self.rest < 1e-4 * self.size
        if close and (a == np.float32(a)).all() and (n != np.float32(n)).any():
            yield said("float32")
        if self.fits(np.trunc(n) * is_whole):
            yield said("integer" if is_whole else "zero")
        if reg and a.shape == x.shape:
            twice = data + (2 * l2 if np.any(l2) else reg * x)
            other = data + self.part(a - data, x) * x
            for cause, gradient in zip(REG, (data, twice, (1 + reg) * data, other), strict=True):
                if self.fits(gradient):
                    yield said(cause)
        for part, rest in ((n, 0.0), (data, l2), (data, 0.0)):
            for cause, gradient, *text in self.like(part):
                if self.fits(gradient + rest if np.shape(gradient) == n.shape else gradient):
                    yield said(cause, *text)

    def like(self, n: np.ndarray) -> Iterator[tuple[Any, ...]]:
        """What may stand for n, each with its cause."""
        a, x, N, above, shares = self.a, self.x, self.N, self.above, self.shares
        if a.shape == n.shape:
            for cause, c in zip(FACTORS, (-1, N, 1 / N, 2, 0.5, self.part(a, n)), strict=True):
                yield cause, c * n, f"every entry is {c:.3g} times the right one: "
        yield from [("swapped", other) for other in self.others] + [("wrong_axis", n.sum() + 0 * n)]
        for axes in combinations(range(n.ndim), 2):
            yield "transpose", n.swapaxes(*axes)
        if n.size == a.size:
            yield "shape", n.reshape(a.shape)
            order = np.empty(n.size)
            order[np.argsort(a, axis=None)] = np.sort(n, axis=None)
            yield "order", order.reshape(a.shape)
        extra = tuple(range(a.ndim - n.ndim))
        if extra and np.allclose(a.sum(axis=extra), n, atol=1e-7):
            yield "missing_sum", a
        if shares is not None:
            for i in (0, -1):
                yield "one_example", shares[i]
                yield "example_missing", np.delete(shares, i, axis=0).sum(axis=0)
            yield "wrong_axis", shares.sum(axis=tuple(range(1, shares.ndim)))
            yield "wrong_axis", shares.sum(axis=-1)
        if above is not None and above.shape == x.shape:
            is_masked = np.any((np.abs(n) <= self.noise) & (above != 0))
            yield "mask_missing" if is_masked else "chain", self.part(a, above) * above
            yield "residual_overwritten", n - above
            yield "other_mask", above * x
            yield "other_mask", 1.0 * (x > 0)

    def part(self, a: np.ndarray, n: np.ndarray) -> float:
        """How much of n is in a; NaN where few entries would fit by chance."""
        known = self.fit & np.isfinite(n)
        return float(np.sum((a * n)[known]) / np.sum((n * n)[known])) if known.sum() > 2 else np.nan

    def alone(self) -> Iterator[str]:
        """Where the right gradient n is 0 or not, that of x or those of each example alone."""
        a, n, wrong, y = self.a[self.fit], self.n[self.fit], self.wrong[self.fit], self.y
        if self.shares is not None and np.shape(self.given) == self.shares.shape:
            a, n, N, size = self.given, self.shares, len(self.shares), np.abs(self.shares).max()
            wrong = np.abs(a - n) > 1e-6 * max(size, np.abs(a).max())
            n = np.where(np.abs(n) > 1e-7 * size, n, 0)
            if not wrong.any():
                yield "mean_of_part"
            is_label = isinstance(y, np.ndarray) and y.dtype.kind in "iu" and y.shape == (N,)
            if n.ndim == 2 and is_label and y.max() < n.shape[1]:
                P = N * n + np.eye(n.shape[1])[y]  # for the scores' gradient (P - Y) / N
                for cause, dS in SCORES if (P > 0).all() and np.allclose(P.sum(axis=1), 1) else ():
                    rest = dS(np.eye(n.shape[1])[y], P) - N * a
                    if np.allclose(rest, rest.mean(axis=1, keepdims=True), atol=1e-6):
                        yield cause
        a_is_0, zeros = np.abs(a) <= self.noise, np.abs(n) <= self.noise
        if wrong[zeros].any() and not zeros.all():
            if a_is_0[~zeros].all():
                yield "mask_inverted"
            if (a_is_0 | ~wrong)[~zeros].all():
                yield "mask_misplaced" if wrong[~zeros].any() else "mask_missing"
