"""Why a gradient is wrong, where a plain relation to the right one tells.

A relation says what the gradient is, never what it should be.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Any, NamedTuple

import numpy as np

from cs231n_utils.types import Params

SLACK = 3  # what a relation may leave, in units of the noise
REST = 0.1  # and as a share of the disagreement
Faulty = tuple[str, str, np.ndarray]  # a cause, words, the gradient that it gives
Finding = tuple[str, str]  # a cause and a sentence
QUESTIONS = {  # of a constant factor
    "sign": "look at the order of a difference",
    "factor N": "where is the mean over the examples?",
    "factor 1/N": "is a mean taken twice, or of what is one already?",
    "factor 2": "what becomes of the 2, or the 1/2, of a square?",
    "factor 1/2": "what becomes of the 2, or the 1/2, of a square?",
}
MASKS: tuple[tuple[str, Callable[..., np.ndarray]], ...] = (  # what may stand for a ReLU's dZ
    ("relu_off", lambda dA, Z: dA * (dA > 0)),
    ("relu_on", lambda dA, Z: dA * Z * (Z > 0)),
    ("relu_on", lambda dA, Z: dA * Z),
    ("relu_on", lambda dA, Z: 1.0 * (Z > 0)),
)
SCORES: tuple[tuple[str, Callable[..., np.ndarray]], ...] = (  # for N dS, of Y, P and the scores S
    ("softmax_diagonal", lambda Y, P, S: (P - Y) * P * (1 - P)),
    ("softmax_diagonal", lambda Y, P, S: Y * (P - 1)),
    ("softmax_missing", lambda Y, P, S: -Y / P),
    ("softmax_missing", lambda Y, P, S: S - Y),
)
WORDS = {
    "relu_off": "something gets through where a ReLU is off: see its mask",
    "relu_on": "what comes from above is not multiplied by a ReLU's mask, but by another array",
    "relu_inverted": "the mask of a ReLU is the wrong way round",
    "softmax_diagonal": "a slope of the softmax is too much, or counts for some of the scores only",
    "softmax_missing": "the way back does not pass through the softmax",
    "one_per_row": "in each row the entry of the correct class is wrong",
    "mean_of_part": "two terms have different factors: do both need the mean?",
}


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
    right: np.ndarray | None = None  # if it is known to the last digits
    most: float = 0.0  # the size of what it sums up
    parts: list[tuple[str, np.ndarray, np.ndarray]] = field(default_factory=list)  # sums of two
    faulty: list[Faulty] = field(default_factory=list)

    @np.errstate(all="ignore")
    def explain(self) -> list[Finding]:
        """What fits, the surest first."""
        a, slopes, same_shape = self.gradient, self.slopes, self.gradient.shape == self.x.shape
        if not np.isfinite(a).all():
            return [
                ("not_finite", f"{np.sum(~np.isfinite(a))} of {a.size} entries are NaN or inf.")
            ]
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
            hidden = "round_off", "the disagreement is within the round-off of f: use a larger h."
            if (
                not kinks
                and self.right is not None
                and np.allclose(a, self.right, 1e-9, 1e-12 * self.most)
            ):
                return []  # it is right, though round-off hides its slopes
            text = "at a smaller h it agrees: f has a kink within h, or h is too large."
            return kinks or [("kink", text) if (slopes.noise < 1e-3 * self.size).all() else hidden]
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
            found = next(self.related(), None) or next(self.patterns(), unknown)
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
        l2 = [self.l2] if np.any(self.l2) else []
        if same_shape:
            yield from self.factors_of_parts(data, l2)
        for base in (self.n, data):
            for cause, text, gradient in self.rearranged(base):
                is_alike = gradient.shape == self.x.shape
                if self.fits(gradient + (self.n - base) if is_alike else gradient):
                    yield cause, f"{text}."
        for cause, text, gradient in chain(self.summed_otherwise(), self.faulty):
            for times in (1, 0, 2) if l2 and gradient.shape == self.x.shape else (1,):
                if self.fits(
                    gradient + times * self.l2 if gradient.shape == self.x.shape else gradient
                ):
                    yield with_penalty(cause, text, times)

    def factors_of_parts(self, data: np.ndarray, l2: list[np.ndarray]) -> Iterator[Finding]:
        """The gradient as a sum of the parts of the right one with constant factors."""
        if (c := self.factors(self.n)) and c[0]:
            yield self.factor(c[0])
        if l2 and (c := self.factors(data, *l2)):
            if c[1] == 0 and np.isclose(c[0], 1 + self.reg):
                yield "reg_misplaced", "the penalty's part has the factor reg: of which array?"
            elif c[0] == 1 or c[1] in (0, 1, 2):
                yield with_penalty(*(("", "") if c[0] == 1 else self.factor(c[0])), c[1])
        elif not l2 and (c := self.factors(self.n, self.x)) and c[0] == 1:
            yield with_penalty("", "", 2 if c[1] == self.reg else c[1])
        for kind, first, second in self.parts:
            if c := self.factors(first, second, *l2):
                cause = "one_per_row" if c[0] == 1 and c[1] in (0, -1) else "mean_of_part"
                if kind == "relu":
                    cause = "relu_off" if c[0] else "relu_inverted"
                yield with_penalty(cause, WORDS[cause], *c[2:])

    def factors(self, *parts: np.ndarray) -> tuple[float, ...] | None:
        """By which factors the parts sum up to the gradient, if they do so: not by chance."""
        known = self.fit & np.isfinite(sum(parts))
        M = np.stack([part[known] for part in parts], axis=1)
        size = np.linalg.norm(M, axis=0)
        if not size.all() or np.linalg.matrix_rank(M / size, 1e-6) < len(parts):
            return None
        c = np.linalg.lstsq(M / size, self.gradient[known])[0] / size
        plain = np.outer([1, -1], [0, 1, 2, 0.5, self.N, 1 / self.N, self.reg]).ravel()
        near = [next((k for k in plain if np.isclose(k, each, 1e-5, 1e-7)), each) for each in c]
        is_chance = known.sum() <= len(parts) + 1 and not {*near} <= {*plain}
        is_sum = self.fits(sum(k * part for k, part in zip(near, parts, strict=True)))
        return tuple(map(float, near)) if is_sum and not is_chance else None

    def factor(self, c: float) -> Finding:
        """A constant factor, by its name, and where it may come from."""
        names = {2: "factor 2", 0.5: "factor 1/2", self.N: "factor N", 1 / self.N: "factor 1/N"}
        cause, size = (names | {-1: "sign"}).get(c, "factor"), max(abs(c), abs(1 / (c or 1)))
        ask = "which constant is too many, or missing?"
        if np.isclose(size, np.rint(size)):
            ask = f"is {size:.0f} the number of your examples?"
        return cause, f"every entry is {c:.3g} times the right one: {QUESTIONS.get(cause, ask)}"

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
        """Sums over other examples, or positions in an image, or over other axes."""
        shares = self.shares if self.shares is not None else np.zeros(self.x.shape)
        lead = tuple(range(shares.ndim - self.x.ndim))
        most = range(shares.ndim) if self.x.ndim == 1 else lead
        for axes in (each for k in range(len(most) + 1) for each in combinations(most, k)):
            if {*axes} <= {*lead} and axes:
                what = "example" if axes == (0,) else "place"
                for number in range(len(shares)) if what == "example" else (0, -1):
                    one, others = shares, shares
                    for axis in axes:
                        one, others = one.take([number], axis), np.delete(others, number, axis)
                    text = f"only one {what} counts: is a sum overwritten on the way?"
                    yield f"one_{what}", text, one.sum(axis=lead)
                    text = f"one {what} is left out: where does the sum begin, and end?"
                    yield f"{what}_missing", text, others.sum(axis=lead)
            cause = "missing_sum" if {*axes} < {*lead} else "wrong_axis"
            for total in (shares.sum(axis=axes), shares.sum(axis=axes).T) if axes != lead else ():
                yield cause, f"its sum runs over other axes: {axes or 'none'}", total

    def patterns(self) -> Iterator[Finding]:
        """Wrong on one side of 0, or where the right one is 0, or in one entry, row or column."""
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
            yield "relu_inverted", WORDS["relu_inverted"]
        for cause, side in (("relu_off", x < 0), ("relu_on", x > 0)):
            most = side.sum() <= min(2 * wrong.sum(), x.size - 1)
            if is_mixed and most and not wrong[~side].any():
                yield cause, f"only entries with x on one side of 0 are wrong: {WORDS[cause]}"
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

    def know_network(self, params: Params, X: Any, y: Any, key: str) -> None:
        """Add what faults give in a network of affine maps and ReLUs, where the model is one."""
        with suppress(Exception), np.errstate(all="ignore"):  # whatever the model is
            maps, Z = list[Any](), np.asarray(X, dtype=np.float64)
            keys = [[k for k, v in params.items() if v.ndim == ndim] for ndim in (2, 1)]
            for W, b in zip(*keys, strict=True):
                A = np.maximum(Z, 0) if maps else Z
                maps.append((W, b, params[W], A, Z))
                Z = A @ params[W] + params[b]
            self.know_scores(Z, y, lambda *change: passed_back(maps, *change)[key], len(maps))

    def know_scores(self, S: np.ndarray, y: Any, back: Any, depth: int = 0) -> None:
        """Add what faults give, if back makes each example's share of x's gradient of dS."""
        P, Y, N = np.exp(S - S.max(axis=1, keepdims=True)), np.eye(S.shape[1])[y], len(S)
        P = P / P.sum(axis=1, keepdims=True)

        def total(dS: np.ndarray, *change: Any) -> np.ndarray:
            return back(dS / N, *change).sum(axis=0)

        right, slopes = total(P - Y), self.slopes
        off = np.abs(right + self.l2 - slopes.value)[slopes.settled & ~slopes.kink]  # type: ignore
        if (off > 1e-5 * np.abs(right).max() + 10 * slopes.noise.max()).any():  # type: ignore
            return
        self.shares, self.right = back((P - Y) / N) if depth else None, right + self.l2
        self.most = np.abs(back((P - Y) / N)).max()
        self.parts += [("scores", total(P), total(-Y))]
        self.faulty += [(cause, WORDS[cause], total(dS(Y, P, S))) for cause, dS in SCORES]
        for at in range(1, depth):
            self.parts += [("relu", right, total(P - Y, at, lambda dA, Z: dA * (Z <= 0)))]
            self.faulty += [(cause, WORDS[cause], total(P - Y, at, mask)) for cause, mask in MASKS]
            self.faulty += [("relu_off", WORDS["relu_off"], total(P - Y, at, "before"))]

    def know_above(self, dY: np.ndarray, is_chain: bool) -> None:
        """Add what a layer's dX may be of dY, which comes from above."""
        if self.slopes and self.gradient.shape == dY.shape:
            n, cause, text = self.slopes.value, "chain", "a factor"
            if is_chain:
                cause, text = "residual_overwritten", "one of two paths"
                self.faulty += [(cause, f"{text} is missing, or overwritten", n - dY)]
            elif np.allclose(n, dY * (self.x > 0), atol=1e-6):
                cause, text = "relu_off", "the mask of the ReLU"
                self.parts += [("relu", n, dY - n)]
                self.faulty += [(name, WORDS[name], mask(dY, self.x)) for name, mask in MASKS]
            elif (np.abs(n) < 1e-6 * np.abs(dY).max()).any():
                cause, text = "mask_missing", "a mask"
            factor = np.sum(self.gradient * dY) / np.sum(dY * dY)
            text = f"it is what comes from above, {text} is missing"
            self.faulty += [(cause, text, factor * dY)]


def passed_back(maps: list[Any], dZ: np.ndarray, at: int = 0, change: Any = None) -> Params:
    """Each example's share of the gradients of affine maps, with a change below maps[at]."""
    shares: Params = {}
    for number in reversed(range(len(maps))):
        W, b, weights, A, Z = maps[number]
        other = change if number == at else None
        shares |= {W: (Z if other == "before" else A)[:, :, None] * dZ[:, None, :], b: dZ}
        dA = dZ @ weights.T
        dZ = other(dA, Z) if callable(other) else dA * (Z > 0)
    return shares


def with_penalty(cause: str, text: str, times: float = 1) -> Finding:
    """A finding, and what is wrong with the penalty's part, which counts so many times."""
    words = {
        0.0: ("reg_missing", "is missing"),
        2.0: ("reg_doubled", "counts twice, or is not in f"),
    }
    other = "reg_factor", f"has a wrong size, by {times:.3g}: look at its 1/2, its sign"
    extra, said = words.get(times, other) if times != 1 else ("", "")
    lines = [text] * bool(cause) + [f"the penalty's part {said}"] * bool(extra)
    return cause or extra, f"{'; '.join(lines)}."
