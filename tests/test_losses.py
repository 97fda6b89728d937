"""Softmax, cross-entropy and the L2 penalty of notebooks 02 and 04."""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st
from strategies import (
    ANY_FLOAT,
    SEEDS,
    SHAPES,
    SIZES,
    WHOLE,
    bits,
    close,
    for_all,
    is_refused,
    matrices,
)

from cs231n_utils.gradient_check import numerical_gradient
from cs231n_utils.taught.losses import cross_entropy, l2_penalty, softmax, softmax_loss

# Scores from close together to far apart; sixteenths, so that adding a whole number is exact.

SIXTEENTHS = st.sampled_from([8, 1_000, 160_000]).flatmap(
    lambda limit: matrices(st.integers(-limit, limit).map(lambda n: n / 16))
)
SCORES = SIXTEENTHS | matrices(st.floats(-1e4, 1e4)) | matrices(st.floats(-3, 3))
BATCHES = SIXTEENTHS.flatmap(
    lambda S: st.tuples(
        st.just(S), hnp.arrays(np.int64, len(S), elements=st.integers(0, S.shape[1] - 1))
    )
)


@for_all(S=SCORES)
def test_softmax_gives_probabilities(S):
    before = bits(S)
    P = softmax(S)
    assert bits(S) == before
    assert P.shape == S.shape
    assert (P >= 0).all()
    close(P.sum(axis=1), 1)


@for_all(S=SCORES)
def test_ratios_of_probabilities_are_exponentials_of_score_differences(S):
    """With unit temperature: log p_i - log p_j = s_i - s_j."""
    P = softmax(S)
    for s, p in zip(S, P, strict=True):
        seen = p > 1e-300  # smaller ones have lost digits
        close(np.log(p[seen]) - np.log(p.max()), s[seen] - s.max())


@for_all(S=matrices(st.floats(-80, 80, width=32)))
def test_softmax_in_float32_is_close_to_float64(S):
    P = softmax(S.astype(np.float32))
    assert P.dtype == np.float32
    close(P, softmax(S), 1e-5)


@for_all(
    S=hnp.arrays(
        st.sampled_from([np.int8, np.uint8, np.int16, np.int64]),
        st.tuples(SIZES, SIZES),
        elements=st.integers(0, 127),
    ),
    seed=SEEDS,
)
def test_whole_scores_of_any_type_count_as_numbers(S, seed):
    """Differences that leave an integer type would wrap around."""
    S = S - np.array(100, S.dtype) if S.dtype.kind == "i" else S
    y = np.random.default_rng(seed).integers(0, S.shape[1], len(S))
    close(softmax(S), softmax(S.astype(float)), 1e-6)
    close(cross_entropy(S, y), cross_entropy(S.astype(float), y), 1e-6)


@for_all(batch=BATCHES)
def test_cross_entropy_is_the_mean_negative_log_probability(batch):
    """The reference sums with Python's exact fsum, one example at a time."""
    S, y = batch
    before = bits(S, y)
    loss = cross_entropy(S, y)
    assert bits(S, y) == before
    assert isinstance(loss, float)
    assert 0 <= loss < math.inf
    losses = [
        math.log(math.fsum(math.exp(v - max(s)) for v in s)) - (s[label] - max(s))
        for s, label in zip(S.tolist(), y, strict=True)
    ]
    close(loss, math.fsum(losses) / len(losses))


@for_all(batch=BATCHES)
def test_gradient_of_the_loss_has_the_signs_and_sums_of_p_minus_y(batch):
    S, y = batch
    before = bits(S, y)
    loss, dS = softmax_loss(S, y)
    assert bits(S, y) == before
    assert loss == cross_entropy(S, y)
    assert dS.shape == S.shape
    correct = np.eye(S.shape[1], dtype=bool)[y]
    assert (dS[correct] <= 0).all()
    assert (dS[~correct] >= 0).all()
    assert np.abs(dS).max() <= 1 / len(S)
    close(dS.sum(axis=1), 0)


@for_all(shape=SHAPES, spread=st.floats(0, 5), seed=SEEDS)
def test_gradient_of_the_loss_equals_central_differences(shape, spread, seed):
    N, _, _, C = shape
    rng = np.random.default_rng(seed)
    S, y = spread * rng.standard_normal((N, C)), rng.integers(0, C, N)
    close(softmax_loss(S, y)[1], numerical_gradient(lambda S: cross_entropy(S, y), S), 1e-8)


def test_softmax_and_loss_at_extreme_scores():
    S = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e300, 1e300, -1e300]])
    P = softmax(S)
    np.testing.assert_allclose(P, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]], atol=1e-15)
    assert cross_entropy(S[:1], np.array([1])) == 2e4


@for_all(W=matrices(WHOLE), V=matrices(WHOLE), reg=st.integers(0, 9).map(float))
def test_l2_penalty_has_the_gradient_reg_times_w(W, V, reg):
    penalty = l2_penalty(reg, W, V)
    assert penalty == reg * (np.square(W).sum() + np.square(V).sum()) / 2
    for value in (W, V):
        slopes = numerical_gradient(lambda _: l2_penalty(reg, W, V), value, h=1.0)
        assert np.array_equal(slopes, reg * value)


@for_all(reg=ANY_FLOAT)
def test_l2_penalty_refuses_every_bad_reg(reg):
    assert is_refused(l2_penalty, reg, np.ones((2, 3))) == (not 0 <= reg < math.inf)
