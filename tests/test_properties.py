"""Properties of the whole package, tried on examples that hypothesis invents.

Where whole numbers make the arithmetic exact, results are compared exactly: a central difference
with step 1 is then the derivative itself for every function of degree 2, and the order of a sum
does not matter. `python tests/test_properties.py` also prints how many examples were tried.
"""

import contextlib
import dataclasses
import functools
import gzip
import hashlib
import io
import math
import tempfile
import warnings
from collections import Counter
from fractions import Fraction
from itertools import islice
from pathlib import Path
from unittest import mock

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from test_network import complex_step_gradient

from cs231n_utils import datasets, plots
from cs231n_utils.gradient_check import (
    GradientCheckError,
    check_directions,
    check_gradient,
    numerical_gradient,
    relative_error,
)
from cs231n_utils.taught import training
from cs231n_utils.taught.augmentation import random_flips, random_shifts
from cs231n_utils.taught.layers import affine_backward, relu, relu_backward
from cs231n_utils.taught.linear import accuracy, centre, linear_scores, predict_labels
from cs231n_utils.taught.losses import cross_entropy, l2_penalty, softmax, softmax_loss
from cs231n_utils.taught.models import SoftmaxClassifier, TwoLayerNet, forward
from cs231n_utils.taught.optimizers import momentum_step, sgd_step
from cs231n_utils.taught.training import minibatches, train
from cs231n_utils.validation import (
    check_counts,
    check_inputs,
    check_labels,
    check_rates,
    has_diverged,
)

set_hypothesis_home_dir(Path(tempfile.gettempdir(), "hypothesis"))  # its cache: not in here
PROFILE = settings(
    max_examples=75,
    derandomize=True,  # the same examples in every run
    database=None,
    deadline=None,  # nothing is timed
    suppress_health_check=[HealthCheck.too_slow],
)
tried: Counter[str] = Counter()  # property's name -> examples that it held for


def for_all(max_examples=PROFILE.max_examples, **strategies):
    """Hypothesis's `given` with this module's profile; it counts the examples."""

    def decorate(test):
        @functools.wraps(test)
        def counted(**arguments):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                test(**arguments)
            tried[test.__name__] += 1

        return settings(PROFILE, max_examples=max_examples)(given(**strategies)(counted))

    return decorate


# What the examples are made of.

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 5)
SHAPES = st.tuples(SIZES, SIZES, SIZES, SIZES)  # N, D, H, C
REGS = st.sampled_from([0.0, 0.01, 0.5, 3.0])
NOT_FINITE = st.sampled_from([math.nan, math.inf, -math.inf])
EDGES = NOT_FINITE | st.sampled_from([-0.0, -1e-9, 5e-324, 1e300])
ANY_FLOAT = st.floats(-2, 2) | EDGES | st.floats()  # the last: every bit pattern
FINITE = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-9, 9).map(float)
REAL_TYPES = {np.bool_, np.float16, np.float32, np.float64, np.longdouble}
TYPES = ["i8", "f8", "?", "c16", "m8[s]", "M8[s]", "O", "U3"]
INTEGER_TYPES = {np.dtype(code).type for code in "bBhHiIlLqQ"}


def matrices(elements, rows=SIZES, columns=SIZES):
    """Float64 arrays (N, C)."""
    return hnp.arrays(np.float64, st.tuples(rows, columns), elements=elements)


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


@st.composite
def nearly_valid(draw, *columns):
    """Inputs or labels (N, *columns), most of them from 0 to 3, right or with one fault."""
    shape = (draw(st.sampled_from([0, 1, 2, 3, 3])), *columns)
    array = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 3)))
    fault = draw(st.sampled_from(["", "type", "type", "entry", "axis", "flat"]))
    kinds = TYPES if fault == "type" else ["f8", "f4", "?"] if columns else ["i8", "u1", "i2"]
    array = array.astype(draw(st.sampled_from(kinds)))
    if fault == "entry" and array.size and array.dtype.kind in "fi":
        entries = NOT_FINITE if array.dtype.kind == "f" else st.sampled_from([-1, 4])
        array.flat[draw(st.integers(0, array.size - 1))] = draw(entries)
    return {"axis": array[..., None], "flat": array.ravel()}.get(fault, array)


ARRAYS = hnp.arrays(
    hnp.scalar_dtypes() | st.sampled_from([np.dtype("O"), np.dtype("f8, i4")]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
LISTS = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_FLOAT | st.text(max_size=3) | st.binary(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)
ANYTHING = ARRAYS | LISTS | st.dictionaries(st.text(max_size=2), st.integers())
INPUTS = nearly_valid(2) | nearly_valid(2) | nearly_valid(2) | ANYTHING
LABELS = nearly_valid() | nearly_valid() | nearly_valid() | ANYTHING


def one_wrong(**options):
    """A dict with one of the options, or an empty one."""
    wrong = [st.fixed_dictionaries({name: values}) for name, values in options.items()]
    return st.just({}) | st.one_of(wrong)


def as_array(value):
    """The value as an array, or None when NumPy itself refuses it."""
    try:
        return np.asarray(value)
    except ValueError:
        return None


def is_refused(function, *arguments, **options):
    """True for ValueError and TypeError; any other exception fails the test."""
    try:
        function(*arguments, **options)
    except (ValueError, TypeError):
        return True
    return False


def problem(shape, seed, whole=False, dtype=np.float64):
    """A network with biases, inputs and labels; with `whole`, small whole numbers throughout."""
    N, D, H, C = shape
    rng = np.random.default_rng(seed)
    net = TwoLayerNet(D, H, C, dtype=dtype)

    def draw(shape):
        numbers = rng.integers(-4, 5, shape) if whole else 0.7 * rng.standard_normal(shape)
        return numbers.astype(dtype)

    net.params = {name: draw(value.shape) for name, value in net.params.items()}
    return net, draw((N, D)), rng.integers(0, C, N)


def classifier(shape, seed):
    """A softmax classifier, inputs and labels."""
    (N, D, _, C), rng = shape, np.random.default_rng(seed)
    model = SoftmaxClassifier(D, C)
    model.params = {"W": rng.standard_normal((D, C)), "b": rng.standard_normal(C)}
    return model, rng.standard_normal((N, D)), rng.integers(0, C, N)


def bits(*arrays):
    """What must be equal when arrays are to be equal bit for bit."""
    return [(array.dtype, array.shape, array.tobytes()) for array in map(np.asarray, arrays)]


def close(a, b, tolerance=1e-12):
    """Equal within the tolerance, absolute below 1 and relative above."""
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# Softmax and cross-entropy.


@for_all(S=SCORES)
def test_softmax_gives_probabilities(S):
    before = bits(S)
    P = softmax(S)
    assert bits(S) == before
    assert P.shape == S.shape
    assert (P >= 0).all()
    close(P.sum(axis=1), 1)


@for_all(S=SIXTEENTHS, seed=SEEDS)
def test_softmax_ignores_a_shift_of_each_row(S, seed):
    shift = np.random.default_rng(seed).integers(-(10**4), 10**4, (len(S), 1))
    close(softmax(S + shift), softmax(S))


@for_all(S=SCORES)
def test_softmax_keeps_the_order_of_the_scores(S):
    P = softmax(S)
    for s, p in zip(S, P, strict=True):
        ordered = p[np.argsort(s, kind="stable")]
        assert (np.diff(ordered) >= -1e-15).all()
        assert p[np.argmax(s)] == p.max()


@for_all(S=SCORES)
def test_ratios_of_probabilities_are_exponentials_of_score_differences(S):
    """With unit temperature: log p_i - log p_j = s_i - s_j."""
    P = softmax(S)
    for s, p in zip(S, P, strict=True):
        seen = p > 1e-300  # smaller ones have lost digits
        close(np.log(p[seen]) - np.log(p.max()), s[seen] - s.max())


@for_all(S=SCORES, seed=SEEDS)
def test_softmax_treats_rows_and_columns_alike(S, seed):
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(S.shape[0]), rng.permutation(S.shape[1])
    close(softmax(S[rows][:, columns]), softmax(S)[rows][:, columns])
    close(softmax(S), np.concatenate([softmax(S[n : n + 1]) for n in range(len(S))]))


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


@for_all(batch=BATCHES, seed=SEEDS, copies=st.integers(1, 4))
def test_cross_entropy_of_a_batch_in_another_order_or_repeated_is_the_same(batch, seed, copies):
    S, y = batch
    order = np.random.default_rng(seed).permutation(np.tile(np.arange(len(y)), copies))
    close(cross_entropy(S[order], y[order]), cross_entropy(S, y))


@for_all(batch=BATCHES, seed=SEEDS)
def test_cross_entropy_ignores_a_shift_of_each_row(batch, seed):
    S, y = batch
    shift = np.random.default_rng(seed).integers(-(10**4), 10**4, (len(S), 1))
    close(cross_entropy(S + shift, y), cross_entropy(S, y))


@for_all(N=SIZES, C=st.integers(1, 50), score=st.floats(-1e4, 1e4), seed=SEEDS)
def test_equal_scores_cost_log_c(N, C, score, seed):
    y = np.random.default_rng(seed).integers(0, C, N)
    close(cross_entropy(np.full((N, C), score), y), math.log(C))


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


# Layers. Whole numbers, so that every product and difference is exact.


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


# The network and the classifier.


@for_all(shape=SHAPES, seed=SEEDS, reg=REGS, max_examples=40)
def test_network_gradients_equal_complex_steps(shape, seed, reg):
    net, X, y = problem(shape, seed)
    before = bits(X, y, *net.params.values())
    _, grads = net.loss(X, y, reg)
    assert bits(X, y, *net.params.values()) == before
    assert grads.keys() == net.params.keys()
    for name, gradient in grads.items():
        close(gradient, complex_step_gradient(net.params, name, X, y, reg), 1e-11)


@for_all(shape=SHAPES, seed=SEEDS, reg=REGS)
def test_network_in_float32_is_close_to_float64(shape, seed, reg):
    """Within 1e-4: a thousand roundings of float32, which has 7 digits."""
    net, X, y = problem(shape, seed, dtype=np.float32)
    twin = TwoLayerNet(*shape[1:])
    twin.params = {name: value.astype(np.float64) for name, value in net.params.items()}
    assume(np.abs(forward(twin.params, X.astype(np.float64))[0]).min() > 1e-5)  # off the kinks
    loss, grads = net.loss(X, y, reg)
    twin_loss, twin_grads = twin.loss(X.astype(np.float64), y, reg)
    close(loss, twin_loss, 1e-4)
    for name, gradient in grads.items():
        assert gradient.dtype == np.float32
        close(gradient, twin_grads[name], 1e-4)


@for_all(shape=SHAPES, seed=SEEDS, reg=REGS, max_examples=30)
def test_classifier_gradients_equal_central_differences(shape, seed, reg):
    model, X, y = classifier(shape, seed)
    _, grads = model.loss(X, y, reg)
    for name, gradient in grads.items():
        slopes = numerical_gradient(lambda _: model.loss(X, y, reg)[0], model.params[name])
        close(gradient, slopes, 1e-8)


@for_all(shape=SHAPES, seed=SEEDS, reg=REGS, make=st.sampled_from([problem, classifier]))
def test_regularization_adds_its_penalty_and_spares_the_biases(shape, seed, reg, make):
    model, X, y = make(shape, seed)
    weights = {name: value for name, value in model.params.items() if name.startswith("W")}
    (loss, grads), (plain_loss, plain_grads) = model.loss(X, y, reg), model.loss(X, y)
    close(loss - plain_loss, l2_penalty(reg, *weights.values()))
    for name in grads:
        close(grads[name] - plain_grads[name], reg * weights.get(name, 0 * grads[name]))


@for_all(shape=SHAPES, seed=SEEDS, reg=REGS, make=st.sampled_from([problem, classifier]))
def test_loss_and_gradients_of_a_batch_are_means_over_its_examples(shape, seed, reg, make):
    model, X, y = make(shape, seed)
    loss, grads = model.loss(X, y, reg)
    alone = [model.loss(X[n : n + 1], y[n : n + 1], reg) for n in range(len(y))]
    close(loss, np.mean([loss for loss, _ in alone]))
    for name in grads:
        close(grads[name], np.mean([grads[name] for _, grads in alone], axis=0))


@for_all(shape=SHAPES, seed=SEEDS, reg=REGS)
def test_hidden_units_may_change_places(shape, seed, reg):
    net, X, y = problem(shape, seed)
    loss, grads = net.loss(X, y, reg)
    order = np.random.default_rng(seed).permutation(shape[2])
    place = {"W1": np.s_[:, order], "b1": order, "W2": order, "b2": np.s_[:]}
    net.params = {name: value[place[name]] for name, value in net.params.items()}
    moved_loss, moved_grads = net.loss(X, y, reg)
    close(moved_loss, loss)
    for name in grads:
        close(moved_grads[name], grads[name][place[name]])


@for_all(shape=SHAPES, seed=SEEDS, power=st.integers(-8, 8))
def test_relu_lets_a_factor_through(shape, seed, power):
    """Twice the first layer and half the second: the same scores, exactly."""
    net, X, _ = problem(shape, seed, whole=True)
    scores = net.loss(X)
    for name in ("W1", "b1"):
        net.params[name] *= 2.0**power
    net.params["W2"] /= 2.0**power
    assert np.array_equal(net.loss(X), scores)


@for_all(shape=SHAPES, seed=SEEDS)
def test_predictions_are_the_largest_scores_whatever_the_batch(shape, seed):
    net, X, _ = problem(shape, seed, whole=True)
    scores, labels = net.loss(X), net.predict(X)
    assert [scores[n, label] for n, label in enumerate(labels)] == scores.max(axis=1).tolist()
    alone = [net.predict(X[n : n + 1])[0] for n in range(len(X))]
    assert labels.tolist() == alone


@for_all(S=matrices(ANY_FLOAT))
def test_labels_are_predicted_from_finite_scores_alone(S):
    finite = bool(np.isfinite(S).all())
    assert is_refused(predict_labels, S) == (not finite)
    if finite:
        assert predict_labels(S).tolist() == [row.index(max(row)) for row in S.tolist()]


@for_all(
    sizes=st.tuples(SIZES, SIZES, SIZES),
    options=st.fixed_dictionaries(
        {"std": st.floats(0, 5), "dtype": st.sampled_from([np.float64, np.float32])}
    ),
    seed=SEEDS,
    wrong=one_wrong(
        input_size=st.sampled_from([0, 0, -1]),
        hidden_size=st.sampled_from([0, 0, -1]),
        output_size=st.sampled_from([0, 0, -1]),
        std=NOT_FINITE | st.floats(max_value=-1e-300),
        dtype=st.sampled_from([np.float16, int, bool, complex]),
    ),
    max_examples=200,
)
def test_networks_are_made_exactly_when_their_options_are_valid(sizes, options, seed, wrong):
    named = dict(zip(["input_size", "hidden_size", "output_size"], sizes, strict=True))
    assert is_refused(TwoLayerNet, **(named | options | wrong)) == bool(wrong)
    D, H, C = sizes
    params = TwoLayerNet(*sizes, **options, rng=seed).params
    shapes = {name: value.shape for name, value in params.items()}
    assert shapes == {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    assert {value.dtype for value in params.values()} == {np.dtype(options["dtype"])}
    same = TwoLayerNet(*sizes, **options, rng=np.random.default_rng(seed)).params
    assert bits(*params.values()) == bits(*same.values())


# What is refused.


@for_all(X=INPUTS, D=st.sampled_from([2, 2, 2, 2, 1, 3]), max_examples=300)
def test_inputs_are_accepted_exactly_when_valid(X, D):
    array = as_array(X)
    valid = (
        array is not None
        and array.shape == (max(array.size // D, 1), D)
        and array.dtype.type in REAL_TYPES | INTEGER_TYPES
        and all(math.isfinite(value) for value in array.ravel())
    )
    assert is_refused(check_inputs, X, D) == (not valid)
    if valid:
        assert bits(check_inputs(X, D)) == bits(array)


@for_all(y=LABELS, N=st.integers(0, 3), C=st.sampled_from([4, 4, 4, 3, 0]), max_examples=300)
def test_labels_are_accepted_exactly_when_valid(y, N, C):
    array = as_array(y)
    if array is not None and array.ndim == 1 and len(array):
        N = len(array) if N else 0  # mostly the right number
    valid = (
        array is not None
        and N > 0
        and array.shape == (N,)
        and array.dtype.type in INTEGER_TYPES
        and set(array.tolist()) <= set(range(C))
    )
    assert is_refused(check_labels, y, N, C) == (not valid)
    if valid:
        assert bits(check_labels(y, N, C)) == bits(array)


@for_all(X=INPUTS, y=LABELS, max_examples=200)
def test_models_refuse_bad_batches_with_value_and_type_errors_alone(X, y):
    array = as_array(X)
    if array is not None and array.dtype.type in REAL_TYPES | INTEGER_TYPES:
        assume(not any(1e30 < abs(value) < math.inf for value in map(float, array.ravel())))
    for model in (TwoLayerNet(2, 3, 4), SoftmaxClassifier(2, 4)):
        before = bits(*model.params.values())
        good_X = not is_refused(check_inputs, X, 2)
        if good_X and isinstance(y, np.ndarray) and y.ndim == 1 and len(y):
            y = np.resize(y, len(X))  # mostly the right number
        assert is_refused(model.predict, X) == (not good_X)
        good = good_X and not is_refused(check_labels, y, len(X), 4)
        assert is_refused(model.loss, X, () if y is None else y) == (not good)
        assert bits(*model.params.values()) == before


@for_all(rate=ANY_FLOAT | st.none() | st.text(), count=st.integers() | ANY_FLOAT | st.none())
def test_options_are_accepted_exactly_when_valid(rate, count):
    good_rate = isinstance(rate, float) and 0 < rate < math.inf
    good_count = isinstance(count, int) and count >= 1
    assert is_refused(check_rates, rate=rate) == (not good_rate)
    assert is_refused(check_counts, count=count) == (not good_count)


# Centring, accuracy.


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


# The gradient checker.

EXTREMES = st.sampled_from([0.0, 1.7e308, -1.7e308, 5e-324])
PAIRS = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.float64, shape, elements=EXTREMES | FINITE)] * 2)
)


@for_all(pair=PAIRS)
def test_relative_error_is_its_definition(pair):
    """The reference computes with fractions, which neither round nor overflow."""
    a, b = pair
    error = relative_error(a, b)
    assert isinstance(error, float)
    assert error == relative_error(b, a)
    assert 0 <= error <= 2
    pairs = list(zip(map(Fraction, a.ravel()), map(Fraction, b.ravel()), strict=True))
    scale = max((max(abs(u), abs(v)) for u, v in pairs), default=0)
    difference = max((abs(u - v) for u, v in pairs), default=0)
    close(error, float(difference / scale) if scale else 0.0, 1e-15)
    assert relative_error(a, a) == 0


@for_all(
    seed=SEEDS,
    factor=st.floats(-1e100, 1e100).filter(lambda factor: abs(factor) > 1e-100),
    size=SIZES,
)
def test_relative_error_ignores_a_common_factor(seed, factor, size):
    a, b = np.random.default_rng(seed).standard_normal((2, size))
    close(relative_error(factor * a, factor * b), relative_error(a, b), 1e-14)


@for_all(pair=PAIRS, bad=NOT_FINITE, seed=SEEDS)
def test_a_nan_or_an_infinity_never_passes(pair, bad, seed):
    a, b = pair
    assume(a.size)
    place = np.random.default_rng(seed).integers(a.size)
    a.flat[place] = bad
    assert relative_error(a, b) == relative_error(b, a) == relative_error(a, a) == math.inf


@for_all(
    a=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    b=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
def test_relative_error_refuses_two_shapes(a, b):
    assert is_refused(relative_error, np.ones(a), np.ones(b)) == (a != b)


LAYOUTS = [lambda x: x, lambda x: x.T, lambda x: x[::-1], lambda x: x[::2, 1:], lambda x: x[0, 0:1]]


class PlantedError(Exception):
    """Raised by an f."""


PLANTED = {
    "x": matrices(ANY_FLOAT | FINITE | st.floats(-3, 3)),
    "layout": st.sampled_from(LAYOUTS),
    "bad_call": st.integers(1, 60),
    "how": st.sampled_from(["raise", "write", "write and raise", "nan", "array", "exit"]),
    "h": st.sampled_from([1e-5, 0.5]),
}
# What the planted faults raise; the warning: huge numbers overflow.
OUTCOMES = (ValueError, PlantedError, KeyboardInterrupt, GradientCheckError, RuntimeWarning)


def misbehaving(view, bad_call, how):
    """An f that is 0, but at one of its calls does what it should not."""
    calls = []

    def f(value):
        assert value is view
        calls.append(1)
        if len(calls) != bad_call:
            return 0.0
        if "write" in how:
            value[...] = 7.0
        if "raise" in how:
            raise PlantedError
        if how == "exit":
            raise KeyboardInterrupt
        return {"nan": math.nan, "array": np.ones(2)}.get(how, 0.0)

    return f


@for_all(**PLANTED, max_examples=150)
def test_numerical_gradient_restores_x_bit_for_bit_whatever_f_does(x, layout, bad_call, how, h):
    view, before = layout(x), bits(x)
    with contextlib.suppress(*OUTCOMES):
        numerical_gradient(misbehaving(view, bad_call, how), view, h)
    assert bits(x) == before


@for_all(**PLANTED, max_examples=150)
def test_both_checks_restore_x_bit_for_bit_whatever_f_does(x, layout, bad_call, how, h):
    view, before = layout(x), bits(x)
    f = misbehaving(view, bad_call, how)
    with contextlib.suppress(*OUTCOMES):
        check_gradient(f, view, view.copy(), h=h)
    assert bits(x) == before
    f = misbehaving(view, bad_call, how)
    params = {"a": view, "b": view.copy()}
    with contextlib.suppress(*OUTCOMES):
        check_directions(lambda params: f(params["a"]), params, params, h=h)
    assert bits(x) == before


@for_all(x=matrices(WHOLE), layout=st.sampled_from(LAYOUTS), seed=SEEDS)
def test_numerical_gradient_visits_both_neighbours_of_x_and_is_exact_for_squares(x, layout, seed):
    x = layout(x)
    before, visited = x.copy(), []
    square, slope = np.random.default_rng(seed).integers(-9, 10, (2, *x.shape))

    def f(x):
        visited.append(x - before)
        return float(np.sum(square * x * x + slope * x))

    assert np.array_equal(numerical_gradient(f, x, h=1.0), 2 * square * before + slope)
    units = np.eye(x.size).reshape(x.size, *x.shape)
    steps = [sign * unit for unit in units for sign in (1, -1)]
    assert all(map(np.array_equal, visited, steps))
    assert len(visited) == len(steps)


def quadratic(shape, seed):
    """A quadratic function of an array, a point and its gradient there."""
    rng = np.random.default_rng(seed)
    size = math.prod(shape)
    M, x = rng.standard_normal((size, size)), rng.standard_normal(shape)
    return (
        lambda x: float(x.ravel() @ M @ x.ravel()) / 2,
        x,
        ((M + M.T) @ x.ravel() / 2).reshape(shape),
    )


@for_all(
    shape=hnp.array_shapes(max_dims=3, max_side=3),
    seed=SEEDS,
    error=st.sampled_from([1e-5, -1e-4, 1e-3, -0.1]),
    max_examples=40,
)
def test_both_checks_pass_the_right_gradient_and_see_one_wrong_entry(shape, seed, error):
    f, x, gradient = quadratic(shape, seed)
    check_gradient(f, x, gradient)
    check_directions(lambda params: f(params["x"]), {"x": x}, {"x": gradient})
    fault = np.zeros_like(x)
    fault.flat[seed % x.size] = error * np.abs(gradient).max()
    with pytest.raises(GradientCheckError):
        check_gradient(f, x, gradient + fault)
    fault *= 1_000  # by chance all directions may be almost at right angles to a smaller one
    with pytest.raises(GradientCheckError):
        check_directions(lambda params: f(params["x"]), {"x": x}, {"x": gradient + fault})


@for_all(
    shape=hnp.array_shapes(max_dims=2, max_side=3),
    seed=SEEDS,
    power=st.integers(-300, 300),
    max_examples=40,
)
def test_both_checks_judge_tiny_and_huge_functions_alike(shape, seed, power):
    f, x, gradient = quadratic(shape, seed)
    factor = 10.0**power

    def scaled(x):
        return factor * f(x)

    check_gradient(scaled, x, factor * gradient)
    check_directions(lambda params: scaled(params["x"]), {"x": x}, {"x": factor * gradient})
    with pytest.raises(GradientCheckError):
        check_gradient(scaled, x, -factor * gradient)
    with pytest.raises(GradientCheckError):
        check_directions(lambda params: scaled(params["x"]), {"x": x}, {"x": -factor * gradient})


# Training.


def splits(shape, seed):
    """Training and validation inputs and labels; read-only, so that a write raises."""
    (N, D, num_val, C), rng = shape, np.random.default_rng(seed)
    N, num_val = 4 * N, 3 * num_val
    arrays = [
        rng.standard_normal((N, D)),
        rng.integers(0, C, N),
        rng.standard_normal((num_val, D)),
        rng.integers(0, C, num_val),
    ]
    for array in arrays:
        array.flags.writeable = False
    return arrays


MODELS = st.sampled_from(
    [
        lambda D, C, seed: TwoLayerNet(D, 6, C, std=0.5, rng=seed),
        lambda D, C, seed: TwoLayerNet(D, 6, C, std=0.5, rng=seed, dtype=np.float32),
        lambda D, C, seed: SoftmaxClassifier(D, C),
    ]
)
OPTIONS = st.fixed_dictionaries(
    {
        "learning_rate": st.floats(1e-3, 0.5),
        "learning_rate_decay": st.floats(0.5, 1),
        "reg": REGS,
        "num_iters": st.integers(1, 12),
        "batch_size": st.integers(1, 30),
    }
)


@for_all(shape=SHAPES, seed=SEEDS, make=MODELS, options=OPTIONS, max_examples=40)
def test_training_repeats_bit_for_bit_and_changes_the_parameters_alone(shape, seed, make, options):
    D, C = shape[1], shape[3]
    arrays = splits(shape, seed)
    before, state = bits(*arrays), bits(np.random.get_state()[1])
    first, second = make(D, C, seed), make(D, C, seed)
    types = [value.dtype for value in first.params.values()]
    history = train(first, *arrays, **options, rng=seed)
    assert train(second, *arrays, **options, rng=np.random.default_rng(seed)) == history
    assert bits(*first.params.values()) == bits(*second.params.values())
    assert [value.dtype for value in first.params.values()] == types
    assert bits(*arrays) == before
    assert bits(np.random.get_state()[1]) == state
    num_iters, steps_per_epoch = options["num_iters"], -(-len(arrays[1]) // options["batch_size"])
    assert len(history["loss_history"]) == num_iters
    for name in ("train_acc_history", "val_acc_history"):
        assert len(history[name]) == -(-num_iters // steps_per_epoch)
        assert all(0 <= share <= 1 for share in history[name])
    assert history["val_acc_history"][-1] == accuracy(first.predict(arrays[2]), arrays[3])


@for_all(shape=SHAPES, seed=SEEDS, make=MODELS, options=OPTIONS, max_examples=25)
def test_a_saved_and_reloaded_model_predicts_the_same(shape, seed, make, options):
    D, C = shape[1], shape[3]
    X, y, X_val, y_val = splits(shape, seed)
    model, reloaded = make(D, C, seed), make(D, C, seed + 1)
    train(model, X, y, X_val, y_val, **options)
    file = io.BytesIO()
    np.savez(file, **model.params)
    file.seek(0)
    with np.load(file) as params:
        reloaded.params = dict(params)
    assert bits(*reloaded.params.values()) == bits(*model.params.values())
    assert bits(reloaded.loss(X_val)) == bits(model.loss(X_val))
    assert bits(reloaded.predict(X_val)) == bits(model.predict(X_val))


@for_all(shape=SHAPES, seed=SEEDS, make=MODELS, options=OPTIONS, extra=st.integers(1, 10**6))
def test_a_batch_larger_than_the_data_is_the_data(shape, seed, make, options, extra):
    D, C = shape[1], shape[3]
    arrays = splits(shape, seed)
    results = []
    for batch_size in (len(arrays[1]), len(arrays[1]) + extra):
        model = make(D, C, seed)
        history = train(model, *arrays, **(options | {"batch_size": batch_size}))
        results.append((history, bits(*model.params.values())))
    assert results[0] == results[1]


@for_all(shape=SHAPES, seed=SEEDS, options=OPTIONS, max_examples=30)
def test_training_is_gradient_descent_with_a_decaying_rate(shape, seed, options):
    """By hand, on the whole set: then every step is an epoch, and the rate decays at each."""
    D, C = shape[1], shape[3]
    arrays = splits(shape, seed)
    net, by_hand = (TwoLayerNet(D, 4, C, std=0.5, rng=seed) for _ in range(2))
    options = options | {"batch_size": len(arrays[1])}
    history = net.train(*arrays, **options)
    for step, recorded in enumerate(history["loss_history"]):
        loss, grads = by_hand.loss(arrays[0], arrays[1], options["reg"])
        close(recorded, loss, 1e-9)
        rate = options["learning_rate"] * options["learning_rate_decay"] ** step
        for name in grads:
            by_hand.params[name] = by_hand.params[name] - rate * grads[name]
    for name in by_hand.params:
        close(net.params[name], by_hand.params[name], 1e-9)


@for_all(shape=SHAPES, seed=SEEDS, options=OPTIONS, max_examples=40)
def test_learning_rate_decays_after_each_epoch_and_only_then(shape, seed, options):
    arrays = splits(shape, seed)
    steps_per_epoch = -(-len(arrays[1]) // options["batch_size"])
    with mock.patch.object(training, "sgd_step", wraps=sgd_step) as steps:
        train(SoftmaxClassifier(shape[1], shape[3]), *arrays, **options)
    assert steps.call_count == options["num_iters"]
    for step, call in enumerate(steps.call_args_list):
        decays = step // steps_per_epoch
        rate = options["learning_rate"] * options["learning_rate_decay"] ** decays
        close(call.args[2], rate)


@for_all(N=st.integers(1, 60), batch_size=st.integers(1, 80), seed=SEEDS)
def test_minibatches_use_every_example_once_an_epoch(N, batch_size, seed):
    batches = minibatches(N, batch_size, np.random.default_rng(seed))
    for _ in range(3):
        epoch = list(islice(batches, -(-N // batch_size)))
        assert all(len(batch) == batch_size for batch in epoch[:-1])
        assert 1 <= len(epoch[-1]) <= batch_size
        assert sorted(np.concatenate(epoch).tolist()) == list(range(N))


@for_all(N=st.integers(20, 60), batch_size=st.integers(1, 80), seed=SEEDS)
def test_every_epoch_has_an_order_of_its_own(N, batch_size, seed):
    batches = minibatches(N, batch_size, np.random.default_rng(seed))
    orders = [np.concatenate(list(islice(batches, -(-N // batch_size)))).tolist() for _ in "ab"]
    assert orders[0] != orders[1]
    assert list(range(N)) not in orders


@for_all(shape=SHAPES, seed=SEEDS, reg=REGS, batch_size=SIZES)
def test_minibatch_gradients_average_to_the_whole_gradient(shape, seed, reg, batch_size):
    net, X, y = problem((batch_size * shape[0], *shape[1:]), seed)
    _, whole = net.loss(X, y, reg)
    batches = minibatches(len(y), batch_size, np.random.default_rng(seed))
    parts = [net.loss(X[batch], y[batch], reg)[1] for batch in islice(batches, shape[0])]
    for name in whole:
        close(np.mean([part[name] for part in parts], axis=0), whole[name])


@for_all(values=matrices(st.floats(-1e3, 1e3)), seed=SEEDS, rate=st.floats(0, 10))
def test_a_step_moves_every_parameter_down_its_gradient_in_place(values, seed, rate):
    slopes = np.random.default_rng(seed).standard_normal(values.shape)
    params = {"W": values, "b": values[0].copy()}
    grads = {"W": slopes, "b": slopes[0].copy()}
    arrays, expected = list(params.values()), [values - rate * slopes, values[0] - rate * slopes[0]]
    before = bits(*grads.values())
    sgd_step(params, grads, rate)
    assert bits(*arrays) == bits(*expected)
    assert bits(*grads.values()) == before
    assert list(map(id, params.values())) == list(map(id, arrays))


@for_all(
    values=matrices(st.floats(-1e3, 1e3)),
    seed=SEEDS,
    rate=st.floats(0, 10),
    momentum=st.floats(0, 0.99),
)
def test_a_momentum_step_fades_the_velocity_adds_the_gradient_and_moves(
    values, seed, rate, momentum
):
    rng = np.random.default_rng(seed)
    slopes, start = rng.standard_normal((2, *values.shape))
    velocity, params = {"W": start.copy()}, {"W": values.copy()}
    array = params["W"]
    momentum_step(params, {"W": slopes}, velocity, rate, momentum)
    expected = momentum * start + slopes
    assert bits(velocity["W"], array) == bits(expected, values - rate * expected)
    assert array is params["W"]


IMAGES = st.tuples(SIZES, SIZES, SIZES) | st.tuples(SIZES, SIZES)  # rows, columns, colours


@for_all(image_shape=IMAGES, seed=SEEDS)
def test_a_flip_mirrors_some_images_left_to_right_and_leaves_the_others(image_shape, seed):
    images = np.random.default_rng(seed).standard_normal((40, *image_shape))
    X = images.reshape(40, -1).copy()
    flipped = random_flips(image_shape)(X, np.random.default_rng(seed)).reshape(images.shape)
    mirrored = np.array([not np.array_equal(a, b) for a, b in zip(images, flipped, strict=True)])
    assert np.array_equal(flipped[mirrored], images[mirrored][:, :, ::-1])
    assert 5 <= mirrored.sum() <= 35 or image_shape[1] == 1  # a chance of 1e-6 for each seed


@for_all(image_shape=IMAGES, seed=SEEDS, most=st.integers(0, 3))
def test_a_shift_moves_every_image_whole_and_fills_with_zeros(image_shape, seed, most):
    images = 1 + np.random.default_rng(seed).random((20, *image_shape))  # no pixel is 0
    X = images.reshape(20, -1)
    before = bits(X)
    moved = random_shifts(image_shape, most)(X, np.random.default_rng(seed)).reshape(images.shape)
    assert bits(X) == before
    steps = range(-most, most + 1)
    for image, result in zip(images, moved, strict=True):
        assert any(np.array_equal(result, moved_by(image, i, j)) for i in steps for j in steps)


def moved_by(image, down, right):
    """The image moved, pixel by pixel; 0 where nothing comes from."""
    result = np.zeros_like(image)
    for i, j in np.ndindex(image.shape[:2]):
        if 0 <= i + down < image.shape[0] and 0 <= j + right < image.shape[1]:
            result[i + down, j + right] = image[i, j]
    return result


@for_all(
    first=st.floats(0, 1e3),
    times=st.floats(0, 300) | NOT_FINITE,
    values=matrices(st.floats(-1e100, 1e100)),
    spoilt=st.just(0.0) | NOT_FINITE,
    rate=st.floats(1e-5, 1e3),
)
def test_divergence_is_a_hundredfold_loss_or_a_number_that_is_not_finite(
    first, times, values, spoilt, rate
):
    losses = [first, 0.0, times * max(first, 1)]
    values[-1, -1] += spoilt
    expected = not (math.isfinite(times) and math.isfinite(spoilt)) or times > 100
    assume(abs(times - 100) > 1e-9)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert has_diverged(losses, {"W": values}, rate) == expected
    assert len(caught) == expected
    assert all(f"learning rate {rate:g}" in str(warning.message) for warning in caught)


# Data.

DIGITS = (datasets.DATA_DIR / "digits.csv.gz").read_bytes()


def reading(content):
    """Let every file seem to hold these bytes."""
    return mock.patch.object(Path, "read_bytes", return_value=content)


def in_splits(dataset):
    """The three (X, y) pairs of a data set."""
    return [
        (dataset.X_train, dataset.y_train),
        (dataset.X_val, dataset.y_val),
        (dataset.X_test, dataset.y_test),
    ]


def test_a_wrong_byte_at_any_position_of_the_digits_is_noticed():
    """All 57,523 positions, each with one of the 255 wrong values."""
    content = bytearray(DIGITS)
    with reading(content):
        datasets.load_digits()
        for position in range(len(content)):
            content[position] ^= 1 + position % 255
            assert is_refused(
                datasets._verified_bytes,
                datasets.DATA_DIR / "digits.csv.gz",
                datasets.DIGITS_SHA256,
            ), position
            content[position] ^= 1 + position % 255
        assert content == DIGITS


@for_all(
    position=st.integers(0, len(DIGITS) - 1),
    wrong=st.integers(1, 255),
    how=st.sampled_from(["change", "drop", "insert", "cut", "append"]),
    max_examples=100,
)
def test_damaged_digits_are_refused(position, wrong, how):
    content = bytearray(DIGITS)
    if how == "change":
        content[position] ^= wrong
    elif how == "drop":
        del content[position]
    elif how == "insert":
        content.insert(position, wrong)
    elif how == "cut":
        del content[position:]
    else:
        content += bytes([wrong]) * (1 + position)
    with reading(content), pytest.raises(ValueError, match="is damaged"):
        datasets.load_digits()


@for_all(N=st.integers(2, 40), seed=SEEDS, max_examples=40)
def test_a_table_of_digits_survives_the_round_trip(N, seed):
    """Written as the bundled file is, read back, and put together again class by class."""
    rng = np.random.default_rng(seed)
    table = np.column_stack([rng.integers(0, 17, (N, 64)), rng.integers(0, 10, N)])
    text = "".join(",".join(map(str, row)) + "\n" for row in table)
    content = gzip.compress(text.encode("ascii"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "digits.csv.gz")
        path.write_bytes(content)
        with mock.patch.object(datasets, "DIGITS_SHA256", hashlib.sha256(content).hexdigest()):
            loaded = datasets.load_digits(path)
    assert loaded.image_shape == (8, 8)
    for label in range(10):
        rows = table[table[:, -1] == label, :-1]
        turn = np.arange(len(rows)) % 6
        parts = [rows[turn < 4], rows[turn == 4], rows[turn == 5]]
        for (X, y), expected in zip(in_splits(loaded), parts, strict=True):
            assert X.dtype == np.float64
            assert np.array_equal(X[y == label] * 16, expected)


@for_all(
    y=hnp.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 4)),
    num_classes=st.integers(5, 7),
)
def test_a_split_gives_every_example_to_one_part_and_each_class_its_share(y, num_classes):
    X = np.arange(len(y), dtype=float)[:, None]  # each row names its example
    names = tuple(map(str, range(num_classes)))
    dataset = datasets._split(X, y, names)
    assert dataset.class_names == names
    examples = np.concatenate([part for part, _ in in_splits(dataset)]).ravel()
    assert sorted(examples) == X.ravel().tolist()
    for X_part, y_part in in_splits(dataset):
        assert np.array_equal(y[X_part.ravel().astype(int)], y_part)
        assert (np.diff(X_part.ravel()) > 0).all()
    for label in range(num_classes):
        sixths, rest = divmod(np.sum(y == label), 6)
        counts = [int(np.sum(y_part == label)) for _, y_part in in_splits(dataset)]
        assert counts == [4 * sixths + min(rest, 4), sixths + (rest == 5), sixths]


SPIRALS = st.fixed_dictionaries(
    {
        "num_classes": st.integers(2, 12),
        "points_per_class": st.integers(6, 40),
        "noise": st.just(0.0) | st.floats(0, 3),
        "rng": SEEDS,
    }
)


@for_all(options=SPIRALS)
def test_spirals_hold_every_class_in_every_split_between_their_radii(options):
    dataset = datasets.make_spirals(**options)
    C, points = options["num_classes"], options["points_per_class"]
    assert len(dataset.class_names) == len(set(dataset.class_names)) == C
    sixths, rest = divmod(points, 6)
    shares = [4 * sixths + min(rest, 4), sixths + (rest == 5), sixths]
    for (X, y), share in zip(in_splits(dataset), shares, strict=True):
        assert X.shape == (C * share, 2)
        assert np.bincount(y, minlength=C).tolist() == [share] * C
        radius = np.hypot(X[:, 0], X[:, 1])
        assert (radius >= 0.1 - 1e-12).all()
        assert (radius <= 1 + 1e-12).all()
        if options["noise"] == 0:
            angle = 2 * np.pi * (radius + y / C)
            close(X, np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))


@for_all(options=SPIRALS)
def test_spirals_are_the_same_for_a_seed_and_others_for_another(options):
    def drawn(rng):
        dataset = datasets.make_spirals(**(options | {"rng": rng}))
        return bits(*(array for part in in_splits(dataset) for array in part))

    seed, state = options["rng"], bits(np.random.get_state()[1])
    assert drawn(seed) == drawn(np.random.default_rng(seed))
    assert drawn(seed) != drawn(seed + 1)
    assert bits(np.random.get_state()[1]) == state


@for_all(
    options=SPIRALS,
    wrong=one_wrong(
        num_classes=st.sampled_from([1, 1, 0, -1]),
        points_per_class=st.sampled_from([5, 5, 0, -1]),
        noise=NOT_FINITE | st.floats(max_value=-1e-300),
    ),
    max_examples=150,
)
def test_spirals_refuse_exactly_the_bad_options(options, wrong):
    assert is_refused(datasets.make_spirals, **(options | wrong)) == bool(wrong)


@for_all(options=SPIRALS)
def test_a_data_set_says_what_it_holds_and_cannot_be_reassigned(options):
    dataset = datasets.make_spirals(**options)
    counts = [f"{len(y):,}" for _, y in in_splits(dataset)]
    assert repr(dataset) == (
        f"Dataset: train {counts[0]}, validation {counts[1]}, test {counts[2]} examples; "
        f"2 features, {options['num_classes']} classes, image shape None"
    )
    for field in dataclasses.fields(dataset):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(dataset, field.name, None)


# Figures: what their text alternatives say. None is drawn as pixels here.


@for_all(N=SIZES, C=st.integers(1, 6), seed=SEEDS, max_examples=15)
def test_confusion_matrix_counts_every_example_once_in_its_cell(N, C, seed):
    y, y_pred = np.random.default_rng(seed).integers(0, C, (2, 5 * N))
    fig = plots.confusion_matrix(y, y_pred, [f"class {c}" for c in range(C)])
    right = int(np.sum(y == y_pred))
    assert f"of {C} classes: {right} of {5 * N} examples on the diagonal" in fig.alt
    assert f"{5 * N - right} off it" in fig.alt
    image = fig.axes[0].images[0].get_array()
    pairs = Counter(zip(y.tolist(), y_pred.tolist(), strict=True))
    assert {cell: count for cell, count in np.ndenumerate(image) if count} == pairs
    texts = {text.get_position(): int(text.get_text()) for text in fig.axes[0].texts}
    assert texts == {(j, i): pairs[i, j] for i in range(C) for j in range(C)}


@for_all(
    N=SIZES,
    shape=st.tuples(SIZES, SIZES),
    columns=st.integers(1, 4),
    wrong=st.sampled_from([0, 0, 1]),
    seed=SEEDS,
    max_examples=15,
)
def test_image_grid_shows_every_row_as_it_is(N, shape, columns, wrong, seed):
    X = np.random.default_rng(seed).uniform(size=(N, math.prod(shape) + wrong))
    assert is_refused(plots.image_grid, X, shape, columns=columns) == bool(wrong)
    if not wrong:
        fig = plots.image_grid(X, shape, columns=columns)
        assert fig.alt.startswith(f"{N} images of {shape[0]}x{shape[1]} pixels")
        shown = [ax.images[0].get_array() for ax in fig.axes if ax.images]
        assert np.array_equal(shown, X.reshape(N, *shape))


@for_all(
    M=SIZES,
    shape=st.tuples(SIZES, SIZES),
    wrong=st.sampled_from([0, 0, 1]),
    seed=SEEDS,
    max_examples=10,
)
def test_weight_templates_share_a_scale_around_0(M, shape, wrong, seed):
    W = np.random.default_rng(seed).standard_normal((math.prod(shape) + wrong, M))
    assert is_refused(plots.weight_templates, W, shape) == bool(wrong)
    if not wrong:
        fig = plots.weight_templates(W, shape)
        images = [ax.images[0] for ax in fig.axes[:M]]
        assert np.array_equal([image.get_array() for image in images], W.T.reshape(M, *shape))
        assert {image.get_clim() for image in images} == {(-np.abs(W).max(), np.abs(W).max())}


@for_all(
    losses=st.lists(st.floats(0, 1e3), min_size=1, max_size=9),
    accuracies=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=9),
    max_examples=10,
)
def test_training_history_draws_and_tells_every_number(losses, accuracies):
    train_acc, val_acc = map(list, zip(*accuracies, strict=True))
    history = {
        "loss_history": losses,
        "train_acc_history": train_acc,
        "val_acc_history": val_acc,
    }
    fig = plots.training_history(history)
    assert f"{len(losses)} iterations, from {losses[0]:.1f} to {losses[-1]:.1f}" in fig.alt
    assert f"{train_acc[-1]:.0%} on training and {val_acc[-1]:.0%} on validation" in fig.alt
    drawn = [line.get_ydata().tolist() for ax in fig.axes for line in ax.lines]
    assert drawn == [losses, train_acc, val_acc]


@for_all(losses=st.lists(ANY_FLOAT, min_size=1, max_size=9), max_examples=10)
def test_a_run_that_diverged_in_its_first_epoch_can_be_drawn(losses):
    history = {"loss_history": losses, "train_acc_history": [], "val_acc_history": []}
    fig = plots.training_history(history)
    assert f"{len(losses)} iterations" in fig.alt


@for_all(N=st.integers(1, 20), C=st.integers(2, 8), seed=SEEDS, max_examples=10)
def test_decision_regions_tell_the_share_in_their_own_region(N, C, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((N, 2)), rng.integers(0, C, N)
    names = [f"class {c}" for c in range(C)]
    fig = plots.decision_regions({"first": lambda X: np.zeros(len(X), int)}, X, y, names)
    assert f"{C} classes with {N} points. first: {np.mean(y == 0):.0%} of the points" in fig.alt
    drawn = np.concatenate([points.get_offsets() for points in fig.axes[0].collections])
    assert np.array_equal(drawn, X[np.argsort(y, kind="stable")])


if __name__ == "__main__":
    import sys

    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    code = pytest.main([__file__, "-n0", "-q", "-p", "no:cacheprovider", *quiet])
    tried = sys.modules["test_properties"].tried  # pytest has imported this file once more
    for name, count in sorted(tried.items(), key=lambda item: -item[1]):
        print(f"{count:6,}  {name}")
    print(f"{sum(tried.values()):6,}  examples tried, for {len(tried)} properties")
    sys.exit(code)
