"""Why a gradient is wrong, where a plain relation to the right one tells.

A relation says what the gradient is, never what it should be.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Any, NamedTuple

import numpy as np

SLACK = 3  # what a relation may leave, in units of the noise
REST = 0.1  # and as a share of the disagreement
Finding = tuple[str, str]  # a cause and a sentence
Faulty = tuple[str, str, np.ndarray]  # a cause, words, the gradient that it gives
QUESTIONS = {
    "sign": "look at the order of a difference",
    "factor N": "where is the mean over the examples?",
    "factor 1/N": "is a mean taken twice, or of what is one already?",
    "factor 2": "what becomes of the 2, or the 1/2, of a square?",
    "factor 1/2": "what becomes of the 2, or the 1/2, of a square?",
    "factor": "which constant is too many, or missing?",
}
REG = {0: ("reg_missing", "is missing"), 2: ("reg_doubled", "counts twice, or is not in f")}
RELU_OFF = "relu_off", "something gets through where a ReLU is off: see its mask"
RELU_ON = "relu_on", "what comes from above is multiplied by another array than a ReLU's mask"
INVERTED = "relu_inverted", "the mask of a ReLU is the wrong way round"
MASKS: tuple[tuple[Finding, Callable[..., np.ndarray]], ...] = (  # what may stand for a ReLU's dZ
    (RELU_OFF, lambda dA, Z: dA),
    (RELU_OFF, lambda dA, Z: dA * (dA > 0)),
    (INVERTED, lambda dA, Z: dA * (Z <= 0)),
    (RELU_ON, lambda dA, Z: dA * Z),
    (RELU_ON, lambda dA, Z: dA * Z * (Z > 0)),
    (RELU_ON, lambda dA, Z: 1.0 * (Z > 0)),
)
ONE = "one_per_row", "in each row the entry of the correct class is wrong"
MEAN = "mean_of_part", "two terms have different factors: do both need the mean?"
SLOPE = "softmax_diagonal", "a slope of the softmax is too much, or only some scores count"
PAST = "softmax_missing", "the way back does not pass through the softmax"
SCORES: tuple[tuple[Finding, Callable[..., np.ndarray]], ...] = (  # for N dS, of Y, P, the scores S
    (ONE, lambda Y, P, S: P),
    (ONE, lambda Y, P, S: P + Y),
    (MEAN, lambda Y, P, S: len(P) * P - Y),
    (MEAN, lambda Y, P, S: P - len(P) * Y),
    (SLOPE, lambda Y, P, S: (P - Y) * P * (1 - P)),
    (SLOPE, lambda Y, P, S: Y * (P - 1)),
    (PAST, lambda Y, P, S: -Y / P),
    (PAST, lambda Y, P, S: S - Y),
)


class Slopes(NamedTuple):
    """Slopes at x, entry by entry, at the largest step from which a smaller changes nothing."""

    value: np.ndarray  # the central difference
    noise: np.ndarray  # the error that round-off may leave in it
    left: np.ndarray
    right: np.ndarray
    settled: np.ndarray  # whether there is such a step
    kink: np.ndarray  # whether left and right differ however small the step
    single: bool  # whether f gives the digits of float32


@dataclass
class Case:
    """A gradient with respect to x, and what is known of the right one."""

    gradient: np.ndarray
    slopes: Slopes | None  # what was measured in its place, of x's shape
    x: np.ndarray
    N: float = np.nan  # the number of examples
    reg: float = 0.0
    l2: Any = 0.0  # the penalty's part of the right gradient; the other part is the data's
    shares: np.ndarray | None = None  # of each example, along the first axes, in the data's part
    faulty: list[Faulty] = field(default_factory=list)

    @np.errstate(all="ignore")
    def explain(self) -> list[Finding]:
        """What fits, the surest first."""
        a, slopes, same_shape = self.gradient, self.slopes, self.gradient.shape == self.x.shape
        if not np.isfinite(a).all():
            bad = np.sum(~np.isfinite(a))
            return [("not_finite", f"{bad} of {a.size} entries are NaN or infinite.")]
        shape = "shape", "compare the order of its factors, or the axis of its sum."
        if slopes is None:
            return [("unknown", "its slopes were not measured.") if same_shape else shape]
        if slopes.single:
            return [("float32", "f has the digits of float32 only: compute all of it in float64.")]
        self.n, self.fit = slopes.value, slopes.settled & ~slopes.kink  # where both are compared
        self.size = float(np.abs(self.n[self.fit]).max(initial=0.0))
        self.noise, self.rest = float(slopes.noise[self.fit].max(initial=0.0)), np.inf
        if not same_shape:
            return [next(self.related(), shape)]
        off = np.abs(a - self.n)
        self.wrong = self.fit & (off > slopes.noise)
        kinks = self.kinks(slopes.kink & (off > slopes.noise), slopes)
        if not self.wrong.any():
            kink = "kink", "at a smaller h it agrees: f has a kink within h, or h is too large."
            hidden = "round_off", "the disagreement is within the round-off of f: use a larger h."
            return kinks or [kink if (slopes.noise < 1e-3 * self.size).all() else hidden]
        self.rest = REST * float(off[self.fit].max())
        is_single = (a == np.float32(a)).all() and (self.n != np.float32(self.n)).any()
        if a.dtype.kind in "iub" and self.fits(np.trunc(self.n)):
            found = "integer", "the decimals are cut off: compute it in float64."
        elif is_single and self.rest < 1e-4 * self.size:
            found = "float32", "it has the digits of float32 only: compute it in float64."
        elif not a.any():
            found = "zero", "every entry is 0. Was the gradient ever written to?"
        elif (np.abs(self.n - self.l2) <= slopes.noise)[self.fit].all():
            found = "constant", "f does not change with x, L2 apart: does it read a copy of x?"
        else:
            unknown = "unknown", "no plain relation fits. Start from the worst entries."
            cause, text = next(chain(self.related(), self.patterns()), unknown)
            found = cause, text + "." * (text[-1] not in ".?")
        return [found, *kinks]

    def fits(self, gradient: np.ndarray) -> bool:
        """Whether a is this gradient, within what noise becomes in it."""
        if gradient.shape != self.gradient.shape:
            return False
        known = np.isfinite(gradient) & (self.fit if gradient.shape == self.x.shape else True)
        larger = np.abs(gradient[known]).max(initial=0.0) / (self.size or np.inf)
        slack = min(self.rest, SLACK * self.noise * (1 + larger))
        return bool(known.any() and (np.abs(self.gradient - gradient)[known] <= slack).all())

    def related(self) -> Iterator[Finding]:
        """Relations to the right gradient; its penalty's part may be missing, or count twice."""
        data, same_shape = self.n - self.l2, self.gradient.shape == self.x.shape
        if same_shape:
            yield from self.multiples(data)
        for cause, text, gradient in chain(
            self.rearranged(self.n), self.rearranged(data), self.summed_otherwise(), self.faulty
        ):
            for times in (0, 1, 2) if gradient.shape == self.x.shape else (0,):
                if self.fits(gradient + times * self.l2 if times else gradient):
                    yield cause, text

    def multiples(self, data: np.ndarray) -> Iterator[Finding]:
        """The gradient as a sum of the parts of the right one with constant factors."""
        if (c := self.factors(self.n)) and c[0]:
            yield self.factor(c[0])
        l2 = [self.l2] if np.any(self.l2) else []
        if l2 and (c := self.factors(data, *l2)):
            if c[1] == 0 and np.isclose(c[0], 1 + self.reg):
                yield "reg_misplaced", "the penalty's part has the factor reg: of which array?"
            elif c[0] == 1:
                yield self.penalty(c[1])
            elif c[1] in (0, 1, 2):
                yield self.factor(c[0])
        elif not l2 and (c := self.factors(self.n, self.x)) and c[0] == 1:
            yield self.penalty(2 if c[1] == self.reg else c[1])

    def factors(self, *parts: np.ndarray) -> tuple[float, ...] | None:
        """By which factors the parts sum up to the gradient, if they do so: not by chance."""
        known = self.fit & np.isfinite(sum(parts))
        M = np.stack([part[known] for part in parts], axis=1)
        size = np.linalg.norm(M, axis=0)
        if not size.all() or np.linalg.matrix_rank(M / size, 1e-6) < len(parts):
            return None
        c = np.linalg.lstsq(M / size, self.gradient[known], rcond=None)[0] / size
        plain = np.outer([1, -1], [0, 1, 2, 0.5, self.N, 1 / self.N, self.reg]).ravel()
        near = [next((k for k in plain if np.isclose(k, each, 1e-5, 1e-7)), each) for each in c]
        is_chance = known.sum() <= len(parts) + 1 and not {*near} <= {*plain}
        is_sum = self.fits(sum(k * part for k, part in zip(near, parts, strict=True)))
        return tuple(map(float, near)) if is_sum and not is_chance else None

    def factor(self, c: float) -> Finding:
        """A constant factor, by its name, and where it may come from."""
        names = {2: "factor 2", 0.5: "factor 1/2", self.N: "factor N", 1 / self.N: "factor 1/N"}
        cause = (names | {-1: "sign"}).get(c, "factor")
        whole, ask = max(abs(c), abs(1 / (c or 1))), QUESTIONS[cause]
        if cause == "factor" and np.isclose(whole, np.rint(whole)):
            ask = f"is {whole:.0f} the number of your examples?"
        return cause, f"every entry is {c:.3g} times the right one: {ask}"

    def penalty(self, times: Any) -> Finding:
        """What is wrong with the penalty's part, which counts so many times."""
        cause, text = REG.get(times, ("reg_factor", "has a wrong size: look at its 1/2, its sign"))
        return cause, f"the penalty's part {text}"

    def rearranged(self, n: np.ndarray) -> Iterator[Faulty]:
        """The same numbers in another order or shape, or all of them summed."""
        for axes in combinations(range(n.ndim), 2):
            yield "transpose", "two of its axes are exchanged", n.swapaxes(*axes)
        order = "order", "its entries are right, but in another order"
        for several in ((0,), range(n.ndim), (0, 1)[: n.ndim]) if n.ndim else ():
            yield *order, np.flip(n, tuple(several))
        if n.size == self.gradient.size:
            yield "shape", "its entries are right, not its shape", n.reshape(self.gradient.shape)
            yield *order, n.T.reshape(self.gradient.shape)
        yield "wrong_axis", "every entry is the sum of all: which axis is summed?", n.sum() + 0 * n

    def summed_otherwise(self) -> Iterator[Faulty]:
        """Sums over one example or all but one, or over other axes."""
        if self.shares is None:
            return
        shares, lead = self.shares, tuple(range(self.shares.ndim - self.x.ndim))
        for number in (0, -1):
            one, others = shares[[number]], np.delete(shares, number, axis=0)
            text = "only one example counts: is a sum overwritten on the way?"
            yield "one_example", text, one.sum(axis=lead)
            text = "one example is left out: where does the sum begin, and end?"
            yield "example_missing", text, others.sum(axis=lead)
        most = range(shares.ndim) if self.x.ndim == 1 else lead
        for axes in (each for k in range(len(most) + 1) for each in combinations(most, k)):
            cause = "missing_sum" if {*axes} < {*lead} else "wrong_axis"
            for total in (shares.sum(axis=axes), shares.sum(axis=axes).T) if axes != lead else ():
                yield cause, f"its sum runs over other axes: {axes or 'none'}", total

    def patterns(self) -> Iterator[Finding]:
        """Wrong in one entry, row or column, on one side of 0, or where the right one is 0."""
        a, n, x, wrong = self.gradient, self.n, self.x, self.wrong
        a_is_0, n_is_0 = np.abs(a) <= self.noise, np.abs(n) <= self.noise
        if (~(a_is_0 & n_is_0) & ~wrong & self.fit).any():  # that zeros agree says nothing
            if wrong.sum() == 1:
                index = np.argwhere(wrong)[0].tolist()
                yield "one_entry", f"only entry {index} of {x.size} is wrong."
            for axis, line in enumerate(("row", "column") if x.ndim == 2 else ()):
                if (bad := wrong.any(axis=1 - axis)).sum() == 1:
                    yield f"one_{line}", f"only {line} {bad.argmax()} is wrong."
            if x.ndim == 2 and (wrong.sum(axis=1) == 1).all():
                yield "one_per_row", "one entry of each row is wrong: is it the correct class?"
        is_mixed = x.size > 3 and (x > 0).any() and (x < 0).any()
        if is_mixed and a_is_0[x > 0].all() and n_is_0[x < 0].all() and wrong.mean() >= 0.5:
            yield INVERTED
        for finding, side in ((RELU_OFF, x < 0), (RELU_ON, x > 0)):
            most = side.sum() <= min(2 * wrong.sum(), x.size - 1)
            if is_mixed and most and not wrong[~side].any():
                yield finding
        zeros = n_is_0 & self.fit
        if wrong[zeros].any() and not zeros.all():
            if not wrong[~zeros].any():
                yield "mask_missing", "only entries that should be 0 are wrong: which mask?"
            if a_is_0[~zeros].all():
                yield "mask_inverted", "it is 0 where it should not be: see the mask."

    def kinks(self, at: np.ndarray, slopes: Slopes) -> list[Finding]:
        """Entries that disagree where f has a kink at x."""
        if not at.any():
            return []
        index = tuple(np.argwhere(at)[0].tolist())
        sides = f"{slopes.left[index]:.3g} on the left and {slopes.right[index]:.3g}"
        text = f"f has a kink exactly at x in {at.sum()} of {self.x.size} entries. At "
        text += f"{list(index)} its slope is {sides} on the right: move x a little."
        equal = np.argwhere((self.x == self.x[index]) & (self.x != 0)).tolist()
        if len(equal) > 1:
            text += f" Entries {equal[0]} and {equal[1]} are as large: is it a maximum?"
        return [("kink", text)]

    def know_network(self, params: dict[str, np.ndarray], X: Any, y: Any, key: str) -> None:
        """Add what faults give in a network of affine maps and ReLUs, where the model is one."""
        with suppress(Exception), np.errstate(all="ignore"):  # whatever the model is
            maps, Z = list[Any](), np.asarray(X, dtype=np.float64)
            keys = [[k for k, v in params.items() if v.ndim == ndim] for ndim in (2, 1)]
            for W, b in zip(*keys, strict=True):
                maps.append((W, b, params[W], np.maximum(Z, 0) if maps else Z, Z))
                Z = maps[-1][3] @ params[W] + params[b]
            self.know_scores(Z, y, lambda *change: passed_back(maps, *change)[key], len(maps))

    def know_scores(self, S: np.ndarray, y: Any, back: Any, depth: int = 0) -> None:
        """Add what faults give, if back makes each example's share of x's gradient of dS."""
        P, Y, N = np.exp(S - S.max(axis=1, keepdims=True)), np.eye(S.shape[1])[y], len(S)
        P = P / P.sum(axis=1, keepdims=True)

        def total(dS: np.ndarray, *change: Any) -> np.ndarray:
            return back(dS / N, *change).sum(axis=0)

        right, (value, noise, *_, settled, kink, _) = total(P - Y), self.slopes  # type: ignore
        off = np.abs(right + self.l2 - value)[settled & ~kink]
        if (off > 1e-5 * np.abs(right).max() + 10 * noise.max()).any():
            return
        self.shares = back((P - Y) / N) if depth else None
        self.faulty += [(*finding, total(dS(Y, P, S))) for finding, dS in SCORES]
        for at in range(1, depth):
            self.faulty += [(*finding, total(P - Y, at, mask)) for finding, mask in MASKS]
            self.faulty += [(*RELU_OFF, total(P - Y, at, "before"))]

    def know_above(self, dY: np.ndarray, is_chain: bool) -> None:
        """Add what a layer's dX may be of dY, which comes from above."""
        if self.slopes and self.gradient.shape == dY.shape:
            n, above = self.slopes.value, "it is what comes from above"
            factor = np.sum(self.gradient * dY) / np.sum(dY * dY)
            small = 1e-6 * np.abs(dY).max()
            zeros, seen = np.abs(n) < small, np.abs(dY) > small
            finding = "chain", f"{above}, a factor is missing"
            if zeros[seen].any():
                finding = "mask_missing", f"{above}, a mask is missing"
            if np.array_equal(zeros[seen], self.x[seen] <= 0):
                finding = RELU_OFF
                self.faulty += [(*what, mask(dY, self.x)) for what, mask in MASKS]
            if is_chain:
                finding = "residual_overwritten", "one of two paths is missing, or overwritten"
                self.faulty += [(*finding, n - dY)]
            self.faulty += [(*finding, factor * dY)]


def passed_back(maps: list[Any], dZ: np.ndarray, at: int = 0, change: Any = None) -> Any:
    """Each example's share of the gradients of affine maps, with a change below maps[at]."""
    shares: dict[str, np.ndarray] = {}
    for number in reversed(range(len(maps))):
        W, b, weights, A, Z = maps[number]
        other = change if number == at else None
        shares |= {W: (Z if other == "before" else A)[:, :, None] * dZ[:, None, :], b: dZ}
        dA = dZ @ weights.T
        dZ = other(dA, Z) if callable(other) else dA * (Z > 0)
    return shares
