"""The checks must pass what is right, fail what is wrong, and leave their arguments alone."""

import numpy as np
import pytest

from cs231n_utils.gradient_check import (
    GradientCheckError,
    check_directions,
    check_gradient,
    numerical_gradient,
    relative_error,
)


def cubic(x):
    return float(np.sum(x**3))


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((3, 4))


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (2, 3, 4), (0,)])
def test_numerical_gradient_of_a_cubic(shape):
    x = np.asarray(np.random.default_rng(0).standard_normal(shape))
    assert relative_error(numerical_gradient(cubic, x), 3 * x**2) < 1e-8


def test_views_and_other_layouts_work(x):
    for view in [x.T, x[::2, ::-1], np.asfortranarray(x)]:
        assert relative_error(numerical_gradient(cubic, view), 3 * view**2) < 1e-9


def test_x_is_restored_exactly(x):
    x[0, 0], x[0, 1] = 1e-30, 1e9
    before = x.tobytes()
    numerical_gradient(lambda x: float(np.sum(np.tanh(x))), x)
    assert x.tobytes() == before


def test_x_is_restored_when_f_raises(x):
    before = x.tobytes()
    with pytest.raises(ZeroDivisionError):
        numerical_gradient(lambda x: 1 / 0, x)
    with pytest.raises(ValueError, match="f returned nan"):
        check_directions(lambda params: np.nan, {"x": x}, {"x": x})
    assert x.tobytes() == before


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
    before = x.copy()

    def centring(x):
        x -= x.max()
        return cubic(x)

    with pytest.raises(ValueError, match="f writes into its argument"):
        numerical_gradient(centring, x)
    assert np.array_equal(x, before)

    def failing(x):
        x[...] = 7.0
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        numerical_gradient(failing, x)
    assert np.array_equal(x, before)


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


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (0.0, 0.0, 0.0),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
        ([], [], 0.0),
        (1.0, 1.0, 0.0),
        (1.0, 0.0, 1.0),
        (1.0, -1.0, 2.0),
        ([1.0, 100.0], [2.0, 100.0], 0.01),
        (5e-324, 0.0, 1.0),
        (1e308, -1e308, 2.0),
        (np.nan, np.nan, np.inf),
        ([1.0, np.nan], [1.0, 1.0], np.inf),
        (np.inf, np.inf, np.inf),
    ],
)
def test_relative_error(a, b, expected):
    assert relative_error(a, b) == pytest.approx(expected, abs=0)


def test_relative_error_refuses_broadcasting():
    with pytest.raises(ValueError, match="one shape"):
        relative_error(np.ones((3, 1)), np.ones(3))


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


def squares(params):
    return sum(float(np.sum(value**2)) for value in params.values())


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
