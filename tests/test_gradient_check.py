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
from faulty_gradients import Network
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
    measure_slopes,
    numerical_gradient,
    relative_error,
)


def failure(call):
    """The error of a check that fails."""
    with pytest.raises(GradientCheckError) as caught:
        call()
    return caught.value


def cubic(x):
    return float(np.sum(x**3))


def squares(params):
    return sum(float(np.sum(value**2)) for value in params.values())


def sum_relu(z):
    return float(np.sum(np.maximum(z, 0)))


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((3, 4))


# The relative error.

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


# Numerical gradients.


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (2, 3, 4), (0,)])
def test_numerical_gradient_of_a_cubic(shape):
    x = np.asarray(np.random.default_rng(0).standard_normal(shape))
    assert relative_error(numerical_gradient(cubic, x), 3 * x**2) < 1e-8


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


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (int, "cut back to a whole number"),
        (np.uint8, "cut back to a whole number"),
        (bool, "cut back to a whole number"),
        (np.float32, "drowns in its rounding error"),
        (np.float16, "drowns in its rounding error"),
    ],
)
def test_unsuitable_types_are_refused_with_the_reason(dtype, message):
    x = np.ones(3, dtype=dtype)
    with pytest.raises(TypeError, match=message):
        numerical_gradient(cubic, x)
    with pytest.raises(TypeError, match=message):
        check_gradient(cubic, x, x)
    with pytest.raises(TypeError, match=message):
        check_directions(lambda params: 0.0, {"x": x}, {"x": x})


def test_lists_and_read_only_arrays_are_refused(x):
    with pytest.raises(TypeError, match="must be a NumPy array, not list"):
        numerical_gradient(cubic, [1.0, 2.0])
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        numerical_gradient(cubic, x)


def test_other_types_are_refused_too(x):
    for other in [x.astype(complex), x.astype(">f8"), x.astype(np.longdouble)]:
        with pytest.raises(TypeError, match=r"convert it with x\.astype"):
            numerical_gradient(cubic, other)
    with pytest.raises(TypeError, match="must be real"):
        check_gradient(cubic, x, 3 * x**2 + 1j)


def test_a_step_that_adds_nothing_is_refused():
    with pytest.raises(ValueError, match="a step of 1e-05 adds nothing"):
        check_gradient(lambda x: float(x.sum()), np.array([1.0, 1e12]), np.zeros(2))


def test_an_f_that_writes_into_x_is_refused(x):
    def centring(x):
        x -= x.max()
        return cubic(x)

    with pytest.raises(ValueError, match="f writes into its argument"):
        numerical_gradient(centring, x)


def test_nothing_to_check_is_refused():
    with pytest.raises(ValueError, match="nothing to check"):
        check_gradient(cubic, np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="nothing to check"):
        check_directions(squares, {}, {})


@pytest.mark.parametrize("h", [0, -1e-5, np.nan, np.inf])
def test_bad_steps_are_refused(x, h):
    with pytest.raises(ValueError, match="the step h must be"):
        numerical_gradient(cubic, x, h)


def test_f_must_return_one_finite_number(x):
    with pytest.raises(ValueError, match="f must return one number"):
        numerical_gradient(lambda x: x**2, x)
    with pytest.raises(ValueError, match="f must return one number"):
        numerical_gradient(lambda x: (cubic(x), 3 * x**2), x)
    with pytest.raises(ValueError, match="f returned inf"):
        numerical_gradient(lambda x: np.inf, x)


# Both checks.


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


def test_check_gradient_passes_the_right_gradient(x):
    report = check_gradient(cubic, x, 3 * x**2, name="dx")
    assert report.relative_error <= 1e-7
    assert repr(report) == (
        "dx: all 12 entries of shape (3, 4) agree, relative error at most 1e-07"
    )


@pytest.mark.parametrize(
    "fault",
    [
        lambda g: -g,
        lambda g: 2 * g,
        lambda g: g * (1 + 1e-6),
        lambda g: np.where(np.arange(g.size).reshape(g.shape) == 7, 0, g),
        lambda g: np.full_like(g, np.nan),
        lambda g: np.full_like(g, np.inf),
        lambda g: g.T,
        lambda g: g.ravel(),
    ],
)
def test_check_gradient_fails_wrong_gradients(x, fault):
    with pytest.raises(GradientCheckError):
        check_gradient(cubic, x, fault(3 * x**2))


def test_check_gradient_of_one_number():
    x = np.array(2.0)
    check_gradient(cubic, x, np.array(12.0))
    with pytest.raises(GradientCheckError, match=r"analytic 11, numerical 12"):
        check_gradient(cubic, x, np.array(11.0))


def test_failure_names_the_worst_entries(x):
    gradient = 3 * x**2
    gradient[2, 1] += 5
    with pytest.raises(GradientCheckError, match=r"dx is wrong: .*\n  dx\[2, 1\]: analytic"):
        check_gradient(cubic, x, gradient, name="dx")


def test_the_wrong_side_of_a_kink_fails():
    z = np.array([2e-6, -2e-6, 1.0])
    report = check_gradient(sum_relu, z, np.array([1.0, 0.0, 1.0]))
    assert report.relative_error <= 1e-7
    assert repr(report).endswith("relative error at most 1e-07")
    for wrong in ([0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.5, 0.5, 1.0]):
        failure(lambda wrong=wrong: check_gradient(sum_relu, z, np.array(wrong)))
    error = failure(lambda: check_gradient(sum_relu, z, np.array([1.0, 0.0, 1.0]), shrink_h=False))
    assert error.causes == ("kink",)


def test_the_report_admits_round_off():
    """Where f is a million times its gradient, the report says the bound that was reached."""
    x = np.random.default_rng(0).standard_normal(4)
    report = check_gradient(lambda x: 1e6 + float(np.sum(x**2)), x, 2 * x)
    assert 1e-7 < report.relative_error <= report.tolerance <= 1e-3
    failure(lambda: check_gradient(lambda x: 1e6 + float(np.sum(x**2)), x, 2.01 * x))
    # A gradient so small that round-off hides it at h is measured at a larger step.
    report = check_gradient(lambda x: 10 + 1e-7 * float(np.sum(x**2)), x, 2e-7 * x, h=1e-3)
    assert 1e-7 < report.tolerance <= 1e-3
    failure(lambda: check_gradient(lambda x: 10 + 1e-7 * float(np.sum(x**2)), x, 2.01e-7 * x))
    error = failure(lambda: check_gradient(lambda x: 1e6 + 1e-5 * float(np.sum(x**2)), x, 2e-5 * x))
    assert error.causes == ("round_off",)


def test_the_lines_that_notebooks_print_come_first():
    x = np.random.default_rng(0).standard_normal((2, 2))
    error = failure(lambda: check_gradient(lambda x: float(np.sum(x**3)), x, -3 * x**2, name="dx"))
    lines = str(error).splitlines()
    assert lines[0] == "dx is wrong: relative error 2, tolerance 1e-07. Worst entries:"
    assert all(re.fullmatch(r"  dx\[\d, \d\]: analytic \S+, numerical \S+", s) for s in lines[1:4])
    assert lines[4:] == ["Diagnosis: every entry is -1 times the right one: the sign is wrong."]


def test_a_wrong_shape_keeps_its_first_line_even_when_f_fails():
    x = np.zeros((2, 3))
    error = failure(lambda: check_gradient(lambda x: 1 / 0, x, np.zeros((3, 3)), name="dx"))
    assert str(error).splitlines()[0] == (
        "dx has shape (3, 3), but x has shape (2, 3): "
        "a gradient has the shape of what it is taken with respect to"
    )
    assert error.causes == ("shape",)


def test_slopes_restore_x_when_f_raises():
    x = np.random.default_rng(0).standard_normal(3)
    before, calls = x.tobytes(), []

    def f(x):
        calls.append(1)
        if len(calls) > 4:
            raise ZeroDivisionError
        return float(np.sum(x))

    with pytest.raises(ZeroDivisionError):
        measure_slopes(f, x, 1e-5, 0.0)
    assert x.tobytes() == before


# Directions.


@pytest.fixture
def large():
    rng = np.random.default_rng(1)
    shapes = {"W1": (3072, 50), "b1": (50,), "W2": (50, 10), "b2": (10,)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return params, {name: 2 * value for name, value in params.items()}


def test_directions_check_every_parameter_with_few_evaluations(large):
    params, grads = large
    before = {name: value.copy() for name, value in params.items()}
    calls = []

    def f(params):
        calls.append(1)
        return squares(params)

    report = check_directions(f, params, grads)
    assert len(calls) == 8
    assert "4 random directions through all 154,160 parameters agree" in repr(report)
    assert all(np.array_equal(params[name], before[name]) for name in params)


@pytest.mark.parametrize(
    ("name", "index"), [("W1", (3071, 49)), ("b1", (0,)), ("W2", (7, 3)), ("b2", (9,))]
)
def test_directions_see_one_wrong_entry_of_154160(large, name, index):
    params, grads = large
    grads[name][index] += 0.1
    with pytest.raises(GradientCheckError, match="the gradient is wrong"):
        check_directions(squares, params, grads)


def test_directions_refuse_what_does_not_match(large):
    params, grads = large
    with pytest.raises(GradientCheckError, match="keys"):
        check_directions(squares, params, {"W1": grads["W1"]})
    with pytest.raises(GradientCheckError, match="the gradient of b1 has shape"):
        check_directions(squares, params, grads | {"b1": np.zeros((50, 1))})
    with pytest.raises(GradientCheckError, match="inf"):
        check_directions(squares, params, grads | {"b1": np.full(50, np.nan)})
    with pytest.raises(ValueError, match="num_directions"):
        check_directions(squares, params, grads, num_directions=0)


def test_directions_pass_a_vanishing_gradient():
    zeros = {"x": np.zeros(3)}
    assert check_directions(lambda params: 1.0, zeros, {"x": np.zeros(3)}).relative_error == 0
    with pytest.raises(GradientCheckError):
        check_directions(lambda params: float(params["x"].sum()), zeros, {"x": np.zeros(3)})


@pytest.mark.parametrize("written", ["x", "z"])
def test_directions_restore_every_parameter_when_f_writes_into_one(written):
    params = {"x": np.array([1.0, 2.0, 4.0]), "z": np.array([3.0, 5.0])}
    before = {name: value.copy() for name, value in params.items()}

    def writing(params):
        params[written] -= params[written].mean()
        return squares(params)

    with pytest.raises(GradientCheckError):
        check_directions(writing, params, {name: np.ones_like(v) for name, v in before.items()})
    assert all(np.array_equal(params[name], before[name]) for name in params)


def test_directions_measure_huge_gradients():
    """The sum of squares of these gradients overflows."""
    big = np.array([1e200, -3e199])
    x = {"x": np.array([0.25, 0.5])}
    check_directions(lambda params: float(params["x"] @ big), x, {"x": big})
    with pytest.raises(GradientCheckError):
        check_directions(lambda params: float(params["x"].sum()), x, {"x": big})


@pytest.mark.parametrize("key", ["W1", "b1", "W2", "b2"])
@pytest.mark.parametrize("fault", [lambda g: -g, lambda g: 1.01 * g, lambda g: 0 * g])
def test_directions_name_the_parameter_at_fault(key, fault):
    net = Network(3, 6, 5, 7, 4, reg=0.1)
    grads = net.grads | {key: fault(net.grads[key])}
    error = failure(lambda: check_directions(net.loss, net.params, grads))
    assert error.parameters == (key,)
    others = ", ".join(name for name in net.params if name != key)
    assert f"Along directions through {key} alone the slope differs" in str(error)
    assert f"Along directions through one of {others} it agrees." in str(error)


def test_directions_name_several_parameters_and_a_restless_f():
    net = Network(4, 6, 5, 7, 4)
    before = {key: value.tobytes() for key, value in net.params.items()}
    grads = net.grads | {"W1": -net.grads["W1"], "b2": 2 * net.grads["b2"]}
    error = failure(lambda: check_directions(net.loss, net.params, grads))
    assert error.parameters == ("W1", "b2")
    noise = np.random.default_rng(0)
    error = failure(
        lambda: check_directions(lambda _: net.loss(_) + noise.random(), net.params, net.grads)
    )
    assert error.causes == ("not_deterministic",)
    assert before == {key: value.tobytes() for key, value in net.params.items()}
