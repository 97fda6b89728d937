"""The checks must pass what is right, fail what is wrong, and leave their arguments alone."""

import math
import re
from contextlib import suppress
from fractions import Fraction
from itertools import count, product

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import example
from hypothesis import strategies as st
from strategies import ANY_FLOAT, FINITE, NOT_FINITE, SEEDS, WHOLE, bits, close, for_all, matrices

from cs231n_utils.gradient_check import (
    GradientCheckError,
    check_directions,
    check_gradient,
    numerical_gradient,
    relative_error,
)

X = np.random.default_rng(0).standard_normal((3, 4))
SLOPE = 3 * X**2  # of cubic
CALLS = count()
# What the checks raise where f misbehaves; the warning: huge numbers overflow.
OUTCOMES = (ValueError, ZeroDivisionError, KeyboardInterrupt, GradientCheckError, RuntimeWarning)


def cubic(x):
    return float(np.sum(x**3))


def failure(check, *arguments, **options):
    """The error of a check that fails."""
    with pytest.raises(GradientCheckError) as caught:
        check(*arguments, **options)
    return caught.value


LAYOUTS = st.sampled_from([np.asarray, np.transpose, lambda x: x[::2, 1:], lambda x: x[0, 0, ...]])
EXTREMES = st.sampled_from([0.0, 1.7e308, -1.7e308, 5e-324])
PAIRS = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.float64, shape, elements=EXTREMES | FINITE)] * 2)
)


@for_all(pair=PAIRS, bad=NOT_FINITE, seed=SEEDS)
def test_relative_error_is_its_definition_and_lets_no_nan_pass(pair, bad, seed):
    """The reference computes with fractions, which neither round nor overflow."""
    a, b = pair
    pairs = list(zip(map(Fraction, a.ravel()), map(Fraction, b.ravel()), strict=True))
    scale = max((max(abs(u), abs(v)) for u, v in pairs), default=0)
    difference = max((abs(u - v) for u, v in pairs), default=0)
    close(relative_error(a, b), float(difference / scale) if scale else 0.0, 1e-15)
    assert relative_error(a, b) == relative_error(b, a)
    assert relative_error(a, a) == 0
    with pytest.raises(ValueError, match="one shape"):
        relative_error(a[None], b)
    if a.size:
        a.flat[seed % a.size] = bad
        assert relative_error(a, b) == relative_error(b, a) == relative_error(a, a) == math.inf


@for_all(x=matrices(WHOLE), layout=LAYOUTS, seed=SEEDS)
def test_numerical_gradient_visits_both_neighbours_of_x_and_is_exact_for_squares(x, layout, seed):
    """With step 1/2 a central difference is exact for functions of degree 2 of whole numbers."""
    x = layout(x)
    before, visited = x.copy(), []
    square, slope = np.random.default_rng(seed).integers(-9, 10, (2, *x.shape))

    def f(argument):
        assert argument is x
        visited.append(x - before)
        return float(np.sum(square * x * x + slope * x))

    assert np.array_equal(numerical_gradient(f, x, h=0.5), 2 * square * before + slope)
    steps = np.kron(np.eye(x.size), [[0.5], [-0.5]])
    assert np.array_equal(np.reshape(visited, steps.shape), steps)


def misbehaving(written, bad_call, answer):
    """An f that is 0, but at one of its calls writes into an array, and raises or returns this."""
    calls = count(1)

    def f(_):
        if next(calls) != bad_call:
            return 0.0
        written[...] = 7.0
        if isinstance(answer, type):
            raise answer
        return answer

    return f


@for_all(
    x=matrices(ANY_FLOAT | FINITE | st.floats(-3, 3)),
    layout=LAYOUTS,
    bad_call=st.integers(1, 60),
    answer=st.sampled_from([0.0, math.nan, np.ones(2), ZeroDivisionError, KeyboardInterrupt]),
    h=st.sampled_from([1e-5, 0.5]),
    max_examples=150,
)
@example(x=X.copy(), layout=np.transpose, bad_call=25, answer=0.0, h=1e-5)
def test_every_check_restores_x_bit_for_bit(x, layout, bad_call, answer, h):
    view, other, before = layout(x), x.copy(), bits(x)
    params, grads = {"a": view, "b": other}, {"a": view.copy(), "b": x.copy()}
    with suppress(*OUTCOMES):
        check_directions(misbehaving(other, bad_call, answer), params, grads, h=h)
    assert bits(x) == bits(other) == before
    for check, gradient in [(check_gradient, [view.copy()]), (numerical_gradient, [])]:
        with suppress(*OUTCOMES):
            check(misbehaving(view, bad_call, answer), view, *gradient, h=h)
        assert bits(x) == before


@pytest.mark.parametrize("kind", [int, bool, np.float32, np.float16, complex, ">f8", np.longdouble])
def test_only_float64_is_checked(kind):
    x = np.ones(3, dtype=kind)
    arguments = {check_directions: ({"x": x}, {"x": x}), numerical_gradient: (x,)}
    for check in (numerical_gradient, check_gradient, check_directions):
        with pytest.raises(TypeError, match=r"x\.astype\(np\.float64\)"):
            check(cubic, *arguments.get(check, (x, x)))


REFUSED = [
    ("real numbers", lambda: check_gradient(cubic, X.copy(), SLOPE + 1j)),
    ("must be a NumPy array", lambda: numerical_gradient(cubic, [1.0, 2.0])),
    ("read-only", lambda: numerical_gradient(cubic, np.broadcast_to(1.0, 3))),
    ("f writes into its", lambda: numerical_gradient(lambda x: x.put(0, 7.0) or 0.0, X.copy())),
    ("f must return one number", lambda: numerical_gradient(lambda x: (0.0, x), X.copy())),
    ("f returned inf", lambda: numerical_gradient(lambda x: np.inf, X.copy())),
    ("a step of 1e-05 adds nothing", lambda: check_gradient(cubic, np.array([1e12]), np.ones(1))),
    ("size_of_x", lambda: check_gradient(cubic, np.zeros((0, 3)), np.zeros((0, 3)))),
    ("num_parameters", lambda: check_directions(len, {}, {})),
    ("num_directions", lambda: check_directions(len, {"x": X}, {"x": X}, num_directions=0)),
    ("h must be", lambda: numerical_gradient(cubic, X.copy(), h=0)),
    ("h must be", lambda: numerical_gradient(cubic, X.copy(), h=math.nan)),
]


@pytest.mark.parametrize(("message", "call"), REFUSED)
def test_what_cannot_be_measured_is_refused_with_the_reason(message, call):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


@for_all(
    shape=hnp.array_shapes(min_dims=0, max_dims=3, max_side=3),
    seed=SEEDS,
    power=st.just(0) | st.integers(-300, 300),
    error=st.sampled_from([1e-5, -1e-4, 1e-3, -0.1]),
)
def test_both_checks_pass_the_right_gradient_and_see_one_wrong_entry(shape, seed, power, error):
    """Of a quadratic function, of any size."""
    rng, size = np.random.default_rng(seed), math.prod(shape)
    M, x = 10.0**power * rng.standard_normal((size, size)), np.array(rng.standard_normal(shape))
    gradient = ((M + M.T) @ x.ravel() / 2).reshape(shape)

    def f(_):
        return float(x.ravel() @ M @ x.ravel()) / 2

    check_gradient(f, x, gradient)
    check_directions(f, {"x": x}, {"x": gradient})
    fault = np.zeros_like(x)
    fault.flat[seed % x.size] = error * np.abs(gradient).max()
    failure(check_gradient, f, x, gradient + fault)
    fault *= 1_000  # by chance all directions may be almost at right angles to a smaller one
    failure(check_directions, f, {"x": x}, {"x": gradient + fault})


CAUSES = [  # a function, what is said to be its gradient at X, and why it is not
    (cubic, -SLOPE, "sign"),
    (cubic, 2 * SLOPE, "factor 2"),
    (cubic, 0 * SLOPE, "zero"),
    (cubic, SLOPE + 5 * (np.arange(12).reshape(3, 4) == 7), "unknown"),
    (cubic, SLOPE.astype(int), "integer"),
    (cubic, (SLOPE * (1 + 1e-6 * np.sin(X))).astype(np.float32), "float32"),
    (cubic, np.full_like(X, np.nan), "not_finite"),
    (cubic, SLOPE.T, "transpose"),
    (cubic, SLOPE.ravel(), "shape"),
    (lambda x: 1 / 0, SLOPE.T, "shape"),
    (lambda x: 1.0, SLOPE, "unknown"),
    (lambda x: 1e12 + cubic(x), SLOPE, "round_off"),
    (lambda x: float(np.abs(x - X).sum()), SLOPE, "kink"),
    (lambda x: float(next(CALLS)), SLOPE, "not_deterministic"),
]


@pytest.mark.parametrize(("f", "gradient", "cause"), CAUSES)
def test_check_gradient_says_where_before_it_says_why(f, gradient, cause):
    report = check_gradient(cubic, X.copy(), SLOPE, name="dx")
    assert repr(report) == "dx: all 12 entries of shape (3, 4) agree, relative error at most 1e-07"
    error = failure(check_gradient, f, X.copy(), gradient, name="dx")
    assert error.causes == (cause,)
    unsure = cause in ("round_off", "kink")
    where = "dx cannot be judged, it may be right" if unsure else "dx is wrong"
    where += r": relative error \S+, tolerance 1e-07\. Worst entries:"
    where += 3 * r"\n  dx\[\d, \d\]: analytic \S+, numerical \S+"
    if gradient.shape != X.shape:
        where = re.escape(f"dx has shape {gradient.shape}, but its array has (3, 4)")
    assert re.fullmatch(where + r"\nDiagnosis: .+", str(error))
    assert cause != "unknown" or f is not cubic or "Worst entries:\n  dx[1, 3]: " in str(error)


HARD = [  # a function, x, its gradient, and whether round-off needs a wider bound
    (lambda x: float(np.abs(x).sum()), np.array([2e-6, -2e-6, 1]), np.array([1.0, -1, 1]), False),
    (lambda x: 1e6 + float(np.sum(x**2)), X.copy(), 2 * X, True),  # f is much larger
    (lambda x: 10 + 1e-5 * float(np.sum(x**2)), X.copy(), 2e-5 * X, True),
]


@pytest.mark.parametrize(("f", "x", "right", "is_wider"), HARD)
def test_near_kinks_and_in_round_off_right_is_still_told_from_wrong(f, x, right, is_wider):
    report = check_gradient(f, x, right)
    assert report.relative_error <= report.tolerance <= 1e-3
    assert (report.relative_error > 1e-7) == (report.tolerance > 1e-7) == is_wider
    for share, fault in product((0.01, -1.0, -2.0), np.eye(x.size)):
        failure(check_gradient, f, x, right + share * fault.reshape(x.shape) * right)


UNFIT = [({}, "keys"), ({"x": np.zeros((3, 1))}, "dx has shape"), ({"x": X[0] * np.nan}, "inf")]


@pytest.mark.parametrize(("grads", "message"), UNFIT)
def test_directions_say_what_does_not_fit(grads, message):
    assert message in str(failure(check_directions, len, {"x": X[0].copy()}, grads))


def test_directions_pass_a_vanishing_gradient_and_name_a_restless_f():
    zeros = {"x": np.zeros(3)}
    assert check_directions(lambda params: 1.0, zeros, {"x": np.zeros(3)}).relative_error == 0
    error = failure(check_directions, lambda params: float(next(CALLS)), zeros, zeros)
    assert error.causes == ("not_deterministic",)
