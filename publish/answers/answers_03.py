"""Answers to the exercises of 03_gradient_checking, right and wrong."""

import numpy as np

from cs231n_utils.gradient_check import (
    GradientCheckError,
    check_directions,
    check_gradient,
    numerical_gradient,
    relative_error,
)


def forward(f, x, h):
    return (f(x + h) - f(x)) / h


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


backward_difference = {
    "right_forward_with_minus_h": lambda f, x, h: forward(f, x, -h),
    "right_from_the_mean": lambda f, x, h: 2 * central(f, x, h) - forward(f, x, h),
    "right_forward_further_left": lambda f, x, h: forward(f, x - h, h),
    "wrong_forward": forward,
    "wrong_central": central,
    "wrong_sign": lambda f, x, h: (f(x - h) - f(x)) / h,
    "wrong_not_divided": lambda f, x, h: f(x) - f(x - h),
    "wrong_2h": lambda f, x, h: (f(x) - f(x - h)) / (2 * h),
    "wrong_two_steps": lambda f, x, h: (f(x) - f(x - 2 * h)) / (2 * h),
}


def agrees_repaired__right_entry_by_entry(f, x, gradient):
    return relative_error(gradient, numerical_gradient(f, x)) <= 1e-6


def agrees_repaired__right_asks_check_gradient(f, x, gradient):
    try:
        check_gradient(f, x, gradient, tolerance=1e-6)
    except GradientCheckError:
        return False
    return True


def agrees_repaired__right_asks_check_directions(f, x, gradient):
    try:
        check_directions(lambda params: f(params["x"]), {"x": x}, {"x": gradient})
    except GradientCheckError:
        return False
    return True


def along(v, f, x, gradient):
    """Whether the slope of f along v is that of the gradient."""
    v = v / np.linalg.norm(v)
    slope = central(lambda t: f(x + t * v), 0.0, 1e-5)
    typical = np.linalg.norm(gradient) / np.sqrt(x.size)
    return bool(abs(slope - np.sum(gradient * v)) <= 1e-6 * typical)


def agrees_repaired__right_one_random_direction(f, x, gradient):
    return along(np.random.default_rng(5).standard_normal(x.shape), f, x, gradient)


def agrees_repaired__right_along_the_axes(f, x, gradient):
    axes = np.eye(x.size).reshape(-1, *x.shape)
    return all(along(axis, f, x, gradient) for axis in axes)


def agrees_repaired__wrong_as_it_was(f, x, gradient):
    return along(np.ones(x.shape), f, x, gradient)


def agrees_repaired__wrong_another_sign(f, x, gradient):
    return along(-np.ones(x.shape), f, x, gradient)


def agrees_repaired__wrong_alternating(f, x, gradient):
    return along((-1.0) ** np.arange(x.size).reshape(x.shape), f, x, gradient)


def agrees_repaired__wrong_first_entry(f, x, gradient):
    return along(np.eye(1, x.size).reshape(x.shape), f, x, gradient)


def agrees_repaired__wrong_two_entries(f, x, gradient):
    v = np.zeros(x.size)
    v[:2] = 1, 2
    return along(v.reshape(x.shape), f, x, gradient)


def agrees_repaired__wrong_along_x(f, x, gradient):
    return along(x, f, x, gradient)


def agrees_repaired__wrong_any_of_two(f, x, gradient):
    rng = np.random.default_rng(0)
    return any(along(v, f, x, gradient) for v in (np.ones(x.shape), rng.standard_normal(x.shape)))


def agrees_repaired__wrong_along_the_gradient(f, x, gradient):
    return along(gradient, f, x, gradient) or along(np.ones(x.shape), f, x, gradient)


def agrees_repaired__wrong_length_alone(f, x, gradient):
    numerical = numerical_gradient(f, x)
    return bool(np.isclose(np.linalg.norm(gradient), np.linalg.norm(numerical)))


def agrees_repaired__wrong_leaves_x_moved(f, x, gradient):
    agrees = agrees_repaired__right_entry_by_entry(f, x, gradient)
    x += 1e-5
    return agrees


def fixed(pattern):
    """A check along one direction whose entries are a function of 1, 2, ..., whatever f and x."""

    def agrees(f, x, gradient):
        return along(pattern(np.arange(1.0, x.size + 1)).reshape(x.shape), f, x, gradient)

    return agrees


agrees_repaired = {
    "wrong_accepts_all": lambda f, x, gradient: True,
    "wrong_refuses_all": lambda f, x, gradient: False,
    "wrong_counting": fixed(lambda count: count),
    "wrong_downwards": fixed(lambda count: count[::-1]),
    "wrong_halves": fixed(lambda count: 0.5**count),
    "wrong_roots": fixed(np.sqrt),
    "wrong_sines": fixed(np.sin),
}


complex_step_derivative = {
    "right_imaginary_part": lambda f, x: np.imag(f(complex(x, 1e-30))) / 1e-30,
    "wrong_step_too_large": lambda f, x: np.imag(f(x + 1e-5j)) / 1e-5,
    "wrong_real_part": lambda f, x: np.real(f(x + 1e-30j)) / 1e-30,
    "wrong_not_divided": lambda f, x: np.imag(f(x + 1e-30j)),
    "wrong_complex": lambda f, x: f(x + 1e-30j) / 1e-30,
    "wrong_quotient": lambda f, x: np.real((f(x + 1e-8j) - f(x)) / 1e-8j),
    "wrong_central": lambda f, x: central(f, x, 1e-5),
}


def bowl_gradient__wrong_in_place(x, Q):
    Q *= 0
    return np.zeros_like(x)


def bowl_gradient_loops__wrong_in_place(x):
    x *= 0
    return np.zeros_like(x)
