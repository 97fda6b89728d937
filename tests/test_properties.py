"""Properties of the whole package, tried on examples that hypothesis invents.

Where whole numbers make the arithmetic exact, results are compared exactly: a central difference
with step 1 is then the derivative itself for every function of degree 2, and the order of a sum
does not matter.
"""

import contextlib
import math
from fractions import Fraction

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st
from strategies import (
    ANY_FLOAT,
    FINITE,
    NOT_FINITE,
    SEEDS,
    SIZES,
    WHOLE,
    bits,
    close,
    for_all,
    is_refused,
    matrices,
)

from cs231n_utils.gradient_check import (
    GradientCheckError,
    check_directions,
    check_gradient,
    numerical_gradient,
    relative_error,
)

# Scores from close together to far apart; sixteenths, so that adding a whole number is exact.


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
