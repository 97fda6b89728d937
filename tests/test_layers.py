"""Layers and what surrounds them: scores, labels, centring, accuracy, from notebooks 01 and 06.

Whole numbers, so that every product and difference is exact.
"""

from fractions import Fraction

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st
from strategies import ANY_FLOAT, FINITE, SEEDS, SHAPES, WHOLE, bits, for_all, is_refused, matrices

from cs231n_utils.gradient_check import numerical_gradient
from cs231n_utils.taught.layers import affine_backward, relu, relu_backward
from cs231n_utils.taught.linear import accuracy, centre, linear_scores, predict_labels


@for_all(shape=SHAPES, seed=SEEDS)
def test_linear_scores_are_exact_for_whole_numbers(shape, seed):
    (N, D, _, C), rng = shape, np.random.default_rng(seed)
    X, W, b = (rng.integers(-99, 100, size) for size in [(N, D), (D, C), C])
    expected = [
        [sum(X[n, d] * W[d, c] for d in range(D)) + b[c] for c in range(C)] for n in range(N)
    ]
    scores = linear_scores(X.astype(float), W.astype(float), b.astype(float))
    assert np.array_equal(scores, expected)


@for_all(shape=SHAPES, seed=SEEDS)
def test_affine_backward_equals_central_differences(shape, seed):
    (N, D, H, _), rng = shape, np.random.default_rng(seed)
    X, W, b, dZ = (rng.integers(-9, 10, size) * 1.0 for size in [(N, D), (D, H), H, (N, H)])
    gradients = affine_backward(dZ, X, W)
    for value, gradient in zip([X, W, b], gradients, strict=True):
        slopes = numerical_gradient(
            lambda _: float(np.sum(dZ * linear_scores(X, W, b))), value, h=1.0
        )
        assert np.array_equal(gradient, slopes)


@for_all(Z=matrices(FINITE))
def test_relu_cuts_off_the_negative(Z):
    A = relu(Z)
    assert np.array_equal(A, np.where(Z > 0, Z, 0))
    assert np.array_equal(A - relu(-Z), Z)
    assert np.array_equal(relu(A), A)


@for_all(Z=matrices(WHOLE), seed=SEEDS)
def test_relu_backward_equals_central_differences_and_is_0_at_the_kink(Z, seed):
    dA = np.random.default_rng(seed).integers(-9, 10, Z.shape) * 1.0
    before = bits(dA, Z)
    dZ = relu_backward(dA, Z)
    assert bits(dA, Z) == before
    slopes = numerical_gradient(lambda Z: float(np.sum(dA * relu(Z))), Z, h=0.5)
    assert np.array_equal(dZ, np.where(Z == 0, 0, slopes))


@for_all(S=matrices(ANY_FLOAT))
def test_labels_are_predicted_from_finite_scores_alone(S):
    finite = bool(np.isfinite(S).all())
    assert is_refused(predict_labels, S) == (not finite)
    if finite:
        assert predict_labels(S).tolist() == [row.index(max(row)) for row in S.tolist()]


@for_all(
    shape=SHAPES,
    seed=SEEDS,
    dtype=st.sampled_from([np.uint8, np.int64, np.float64, np.float32]),
    power=st.integers(0, 3),
)
def test_centring_subtracts_the_training_mean_from_all(shape, seed, dtype, power):
    """With 1, 2, 4 or 8 training rows of whole numbers the mean is exact."""
    (N, D, others, _), rng = shape, np.random.default_rng(seed)
    X_train = rng.integers(0, 256, (2**power, D)).astype(dtype)
    rest = [rng.integers(0, 256, (N, D)).astype(dtype) for _ in range(others)]
    before = bits(X_train, *rest)
    centred = centre(X_train, *rest)
    assert bits(X_train, *rest) == before
    assert not centred[0].sum(axis=0).any()
    mean = np.array([Fraction(sum(map(int, column)), 2**power) for column in X_train.T])
    for X, X_centred in zip([X_train, *rest], centred, strict=True):
        assert np.array_equal(X_centred, X - mean.astype(float))


@for_all(
    y=hnp.arrays(int, st.integers(0, 30), elements=st.integers(0, 3)),
    y_pred=hnp.arrays(int, st.integers(0, 30), elements=st.integers(0, 3)),
    seed=SEEDS,
)
def test_accuracy_is_the_share_of_equal_labels(y, y_pred, seed):
    assert is_refused(accuracy, y_pred, y) == (len(y) != len(y_pred) or len(y) == 0)
    N = min(len(y), len(y_pred))
    if N:
        y, y_pred = y[:N], y_pred[:N]
        right = sum(a == b for a, b in zip(y.tolist(), y_pred.tolist(), strict=True))
        order = np.random.default_rng(seed).permutation(N)
        assert accuracy(y_pred, y) == accuracy(y, y_pred) == right / N
        assert accuracy(y_pred[order], y[order]) == right / N
        assert is_refused(accuracy, y_pred[:, None], y)
