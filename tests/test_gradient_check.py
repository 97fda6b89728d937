"""The checks must pass what is right, fail what is wrong, and leave their arguments alone.

Where whole numbers make the arithmetic exact, results are compared exactly: a central difference
with step 1 is then the derivative itself for every function of degree 2.
"""

import contextlib
import math
import re
from fractions import Fraction

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import example
from hypothesis import strategies as st
from strategies import (
    ANY_FLOAT,
    FINITE,
    NOT_FINITE,
    SEEDS,
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
from cs231n_utils.taught.models import TwoLayerNet


def failure(check, *arguments, **options):
    """The error of a check that fails."""
    with pytest.raises(GradientCheckError) as caught:
        check(*arguments, **options)
    return caught.value


def cubic(x):
    return float(np.sum(x**3))


def squares(params):
    return sum(float(np.sum(value**2)) for value in params.values())


# The relative error.

EXTREMES = st.sampled_from([0.0, 1.7e308, -1.7e308, 5e-324])
ANY_SHAPE = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
PAIRS = ANY_SHAPE.flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.float64, shape, elements=EXTREMES | FINITE)] * 2)
)


@for_all(pair=PAIRS, bad=NOT_FINITE, seed=SEEDS)
def test_relative_error_is_its_definition_and_lets_no_nan_pass(pair, bad, seed):
    """The reference computes with fractions, which neither round nor overflow."""
    a, b = pair
    error = relative_error(a, b)
    assert isinstance(error, float)
    assert error == relative_error(b, a)
    pairs = list(zip(map(Fraction, a.ravel()), map(Fraction, b.ravel()), strict=True))
    scale = max((max(abs(u), abs(v)) for u, v in pairs), default=0)
    difference = max((abs(u - v) for u, v in pairs), default=0)
    close(error, float(difference / scale) if scale else 0.0, 1e-15)
    assert relative_error(a, a) == 0
    if a.size:
        a.flat[seed % a.size] = bad
        assert relative_error(a, b) == relative_error(b, a) == relative_error(a, a) == math.inf


@for_all(a=ANY_SHAPE, b=ANY_SHAPE)
def test_relative_error_refuses_two_shapes(a, b):
    assert is_refused(relative_error, np.ones(a), np.ones(b)) == (a != b)


# Numerical gradients.

LAYOUTS = st.sampled_from(
    [
        lambda x: x,
        lambda x: x.T,
        lambda x: x[::-1],
        lambda x: x[::2, 1:],
        lambda x: x[0, 0:1],
        lambda x: x[0, 0, ...],
        lambda x: x[:, None],
    ]
)


@for_all(x=matrices(WHOLE), layout=LAYOUTS, seed=SEEDS)
def test_numerical_gradient_visits_both_neighbours_of_x_and_is_exact_for_squares(x, layout, seed):
    x = layout(x)
    before, visited = x.copy(), []
    square, slope = np.random.default_rng(seed).integers(-9, 10, (2, *x.shape))

    def f(argument):
        assert argument is x
        visited.append(x - before)
        return float(np.sum(square * x * x + slope * x))

    assert np.array_equal(numerical_gradient(f, x, h=1.0), 2 * square * before + slope)
    units = np.eye(x.size).reshape(x.size, *x.shape)
    steps = [sign * unit for unit in units for sign in (1, -1)]
    assert all(map(np.array_equal, visited, steps))
    assert len(visited) == len(steps)


def misbehaving(written, bad_call, answer):
    """An f that is 0, but at one of its calls writes into an array, and raises or returns this."""
    calls = []

    def f(_):
        calls.append(1)
        if len(calls) != bad_call:
            return 0.0
        written[...] = 7.0
        if isinstance(answer, type):
            raise answer
        return answer

    return f


# What these raise; the warning: huge numbers overflow.
OUTCOMES = (ValueError, ZeroDivisionError, KeyboardInterrupt, GradientCheckError, RuntimeWarning)


@for_all(
    x=matrices(ANY_FLOAT | FINITE | st.floats(-3, 3)),
    layout=LAYOUTS,
    bad_call=st.integers(1, 60),
    answer=st.sampled_from([0.0, math.nan, np.ones(2), ZeroDivisionError, KeyboardInterrupt]),
    place=st.sampled_from(["x", "another parameter", "elsewhere"]),
    h=st.sampled_from([1e-5, 0.5]),
    max_examples=150,
)
@example(x=np.ones((1, 2)), layout=lambda x: x, bad_call=5, answer=0.0, place="x", h=1e-5)
def test_every_check_restores_x_bit_for_bit_whatever_f_does(x, layout, bad_call, answer, place, h):
    view, other, before = layout(x), x.copy(), bits(x)
    written = {"x": view, "another parameter": other, "elsewhere": np.empty(1)}[place]
    params, grads = {"a": view, "b": other}, {"a": view.copy(), "b": x.copy()}
    with contextlib.suppress(*OUTCOMES):
        check_directions(misbehaving(written, bad_call, answer), params, grads, h=h)
    assert bits(x) == bits(other) == before
    with contextlib.suppress(*OUTCOMES):
        numerical_gradient(misbehaving(written, bad_call, answer), view, h)
    assert bits(x) == before
    with contextlib.suppress(*OUTCOMES):
        check_gradient(misbehaving(written, bad_call, answer), view, view.copy(), h=h)
    assert bits(x) == before


X = np.random.default_rng(0).standard_normal((3, 4))
WRONG_TYPES = [
    *((kind, "cut back to a whole number") for kind in (int, np.uint8, bool)),
    *((kind, "drowns in its rounding error") for kind in (np.float32, np.float16)),
    *((kind, r"convert it with x\.astype") for kind in (complex, ">f8", np.longdouble)),
    (None, "must be a NumPy array, not list"),
]


@pytest.mark.parametrize(("kind", "message"), WRONG_TYPES)
def test_unsuitable_types_are_refused_with_the_reason(kind, message):
    x = np.ones(3, dtype=kind) if kind else [1.0, 2.0]
    with pytest.raises(TypeError, match=message):
        numerical_gradient(cubic, x)
    with pytest.raises(TypeError, match=message):
        check_gradient(cubic, x, x)
    with pytest.raises(TypeError, match=message):
        check_directions(lambda params: 0.0, {"x": x}, {"x": x})


REFUSED = [
    ("must be real", lambda: check_gradient(cubic, X.copy(), 3 * X**2 + 1j)),
    ("read-only", lambda: numerical_gradient(cubic, np.broadcast_to(1.0, 3))),
    ("f writes into its", lambda: numerical_gradient(lambda x: x.put(0, 7.0) or 0.0, X.copy())),
    ("f must return one number", lambda: numerical_gradient(np.square, X.copy())),
    ("f must return one number", lambda: numerical_gradient(lambda x: (0.0, x), X.copy())),
    ("f returned inf", lambda: numerical_gradient(lambda x: np.inf, X.copy())),
    ("a step of 1e-05 adds nothing", lambda: check_gradient(cubic, np.array([1e12]), np.ones(1))),
    ("size_of_x", lambda: check_gradient(cubic, np.zeros((0, 3)), np.zeros((0, 3)))),
    ("num_parameters", lambda: check_directions(squares, {}, {})),
    ("num_directions", lambda: check_directions(squares, {"x": X}, {"x": X}, num_directions=0)),
    *(
        ("h must be", lambda h=h: numerical_gradient(cubic, X.copy(), h))
        for h in (0, -1e-5, math.nan, math.inf)
    ),
]


@pytest.mark.parametrize(("message", "call"), REFUSED)
def test_what_cannot_be_measured_is_refused_with_the_reason(message, call):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


# Both checks.


@for_all(
    shape=hnp.array_shapes(max_dims=3, max_side=3),
    seed=SEEDS,
    power=st.just(0) | st.integers(-300, 300),
    error=st.sampled_from([1e-5, -1e-4, 1e-3, -0.1]),
)
def test_both_checks_pass_the_right_gradient_and_see_one_wrong_entry(shape, seed, power, error):
    """Of a quadratic function, of any size."""
    rng, size = np.random.default_rng(seed), math.prod(shape)
    M, x = 10.0**power * rng.standard_normal((size, size)), rng.standard_normal(shape)
    gradient = ((M + M.T) @ x.ravel() / 2).reshape(shape)

    def f(x):
        return float(x.ravel() @ M @ x.ravel()) / 2

    def f_of(params):
        return f(params["x"])

    check_gradient(f, x, gradient)
    check_directions(f_of, {"x": x}, {"x": gradient})
    fault = np.zeros_like(x)
    fault.flat[seed % x.size] = error * np.abs(gradient).max()
    failure(check_gradient, f, x, gradient + fault)
    fault *= 1_000  # by chance all directions may be almost at right angles to a smaller one
    failure(check_directions, f_of, {"x": x}, {"x": gradient + fault})


WRONG = [  # the gradient, the cause, the first line
    (lambda g: -g, "sign", "dx is wrong: relative error 2, tolerance 1e-07. Worst entries:"),
    (lambda g: g + 5 * (np.arange(12).reshape(3, 4) == 7), "one_entry", "dx is wrong: "),
    (lambda g: np.full_like(g, np.nan), "not_finite", "dx is wrong: relative error inf"),
    (lambda g: g.T, "transpose", "dx has shape (4, 3), but its array has (3, 4)"),
    (lambda g: g.ravel(), "shape", "dx has shape (12,), but its array has (3, 4)"),
]


@pytest.mark.parametrize(("fault", "cause", "first_line"), WRONG)
def test_check_gradient_says_what_is_wrong_before_the_diagnosis(fault, cause, first_line):
    right = 3 * X**2
    report = check_gradient(cubic, X.copy(), right, name="dx")
    assert report.relative_error <= 1e-7
    assert repr(report) == "dx: all 12 entries of shape (3, 4) agree, relative error at most 1e-07"
    error = failure(check_gradient, cubic, X.copy(), fault(right), name="dx")
    assert error.causes == (cause,)
    first, *entries, diagnosis = str(error).splitlines()
    assert first.startswith(first_line)
    assert diagnosis.startswith("Diagnosis: ")
    assert len(entries) == 3 * first.endswith("Worst entries:")
    entry = r"  dx\[\d, \d\]: analytic \S+, numerical \S+"
    assert all(re.fullmatch(entry, line) for line in entries)
    assert cause != "one_entry" or entries[0].startswith("  dx[1, 3]: ")


def test_check_gradient_of_one_number_and_when_f_fails():
    check_gradient(cubic, np.array(2.0), np.array(12.0))
    error = failure(check_gradient, cubic, np.array(2.0), np.array(11.0))
    assert "analytic 11, numerical 12" in str(error)
    error = failure(check_gradient, lambda x: 1 / 0, np.zeros((2, 3)), np.zeros((3, 3)))
    assert error.causes == ("shape",)


def test_the_wrong_side_of_a_kink_fails():
    def sum_relu(z):
        return float(np.sum(np.maximum(z, 0)))

    z, right = np.array([2e-6, -2e-6, 1.0]), np.array([1.0, 0.0, 1.0])
    report = check_gradient(sum_relu, z, right)
    assert report.relative_error <= report.tolerance == 1e-7
    for wrong in ([0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.5, 0.5, 1.0]):
        failure(check_gradient, sum_relu, z, np.array(wrong))
    assert failure(check_gradient, sum_relu, z, right, shrink_h=False).causes == ("kink",)


# Where f is a million times its gradient; and a gradient so small that round-off hides it at h.
@pytest.mark.parametrize(("offset", "factor"), [(1e6, 1.0), (10.0, 1e-7)])
def test_the_report_says_the_bound_that_round_off_allows(offset, factor):
    def f(x):
        return offset + factor * float(np.sum(x**2))

    report = check_gradient(f, X.copy(), 2 * factor * X)
    assert 1e-7 < report.relative_error <= report.tolerance <= 1e-3
    failure(check_gradient, f, X.copy(), 2.01 * factor * X)


def test_what_drowns_in_round_off_is_not_judged():
    def f(x):
        return 1e6 + 1e-5 * float(np.sum(x**2))

    assert failure(check_gradient, f, X.copy(), 2e-5 * X).causes == ("round_off",)


# Directions.


@pytest.fixture
def large():
    rng = np.random.default_rng(1)
    shapes = {"W1": (3072, 50), "b1": (50,), "W2": (50, 10), "b2": (10,)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return params, {name: 2 * value for name, value in params.items()}


def test_directions_see_one_wrong_entry_of_154160_with_few_evaluations(large):
    calls, (params, grads) = [], large
    report = check_directions(lambda params: calls.append(1) or squares(params), params, grads)
    assert len(calls) == 8
    assert "4 random directions through all 154,160 parameters agree" in repr(report)
    for gradient in grads.values():
        gradient.flat[-1] += 0.1
        assert "the gradient is wrong" in str(failure(check_directions, squares, params, grads))
        gradient.flat[-1] -= 0.1


def test_directions_refuse_what_does_not_match(large):
    params, grads = large
    for wrong, message in [
        ({"W1": grads["W1"]}, "keys"),
        (grads | {"b1": np.zeros((50, 1))}, "the gradient of b1 has shape"),
        (grads | {"b1": np.full(50, np.nan)}, "inf"),
    ]:
        assert message in str(failure(check_directions, squares, params, wrong))


def test_directions_pass_a_vanishing_gradient():
    zeros = {"x": np.zeros(3)}
    assert check_directions(lambda params: 1.0, zeros, {"x": np.zeros(3)}).relative_error == 0
    failure(check_directions, lambda params: float(params["x"].sum()), zeros, {"x": np.zeros(3)})


@pytest.mark.parametrize("keys", [["W1"], ["b1"], ["W2"], ["b2"], ["W1", "b2"]])
@pytest.mark.parametrize("factor", [-1, 1.01, 0])
def test_directions_name_the_parameters_at_fault(keys, factor):
    net, rng = TwoLayerNet(5, 7, 4, std=0.7), np.random.default_rng(3)
    batch = rng.standard_normal((6, 5)), rng.integers(0, 4, 6), 0.1
    grads = net.loss(*batch)[1]
    grads |= {key: factor * grads[key] for key in keys}
    error = failure(check_directions, lambda _: net.loss(*batch)[0], net.params, grads)
    assert error.parameters == tuple(keys)
    assert str(error).count("alone the slope differs") == len(keys)
    others = ", ".join(name for name in net.params if name not in keys)
    assert f"Along directions through one of {others} it agrees." in str(error)


def test_directions_name_a_restless_f():
    noise, zeros = np.random.default_rng(0), {"x": np.zeros(3)}
    error = failure(check_directions, lambda params: noise.random(), zeros, zeros)
    assert error.causes == ("not_deterministic",)
