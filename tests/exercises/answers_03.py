"""Answers to the exercises of 03_gradient_checking, right and wrong."""

import numpy as np

from cs231n_utils.gradient_check import (
    GradientCheckError,
    check_gradient,
    numerical_gradient,
    relative_error,
)


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


def five_point_difference__right_written_out(f, x, h):
    return (f(x - 2 * h) - 8 * f(x - h) + 8 * f(x + h) - f(x + 2 * h)) / (12 * h)


def five_point_difference__right_half_a_step(f, x, h):
    return (4 * central(f, x, h / 2) - central(f, x, h)) / 3


def five_point_difference__wrong_central(f, x, h):
    return central(f, x, h)


def five_point_difference__wrong_sign(f, x, h):
    return (f(x + 2 * h) - 8 * f(x - h) + 8 * f(x + h) - f(x - 2 * h)) / (12 * h)


def five_point_difference__wrong_weights(f, x, h):
    return 2 * central(f, x, h) - central(f, x, 2 * h)


def complex_step_derivative__right_imaginary_part(f, x):
    return np.imag(f(complex(x, 1e-30))) / 1e-30


def complex_step_derivative__wrong_step_too_large(f, x):
    return np.imag(f(x + 1e-5j)) / 1e-5


def complex_step_derivative__wrong_real_part(f, x):
    return np.real(f(x + 1e-30j)) / 1e-30


def complex_step_derivative__wrong_not_divided(f, x):
    return np.imag(f(x + 1e-30j))


def complex_step_derivative__wrong_complex(f, x):
    return f(x + 1e-30j) / 1e-30


def complex_step_derivative__wrong_quotient(f, x):
    return np.real((f(x + 1e-8j) - f(x)) / 1e-8j)


def complex_step_derivative__wrong_central(f, x):
    return central(f, x, 1e-5)


def wrong_gradients__right_asks_the_checker(f, x, candidates):
    found = set()
    for name, gradient in candidates.items():
        try:
            check_gradient(f, x, gradient)
        except GradientCheckError:
            found.add(name)
    return found


def wrong_gradients__wrong_finds_none(f, x, candidates):
    return []


def wrong_gradients__wrong_finds_all(f, x, candidates):
    return list(candidates)


def wrong_gradients__wrong_misses_nan(f, x, candidates):
    numerical = numerical_gradient(f, x)
    scale = np.abs(numerical).max()
    return [
        name
        for name, gradient in candidates.items()
        if gradient.shape != x.shape or np.abs(gradient - numerical).max() / scale > 1e-7
    ]


def wrong_gradients__wrong_ignores_shapes(f, x, candidates):
    numerical = numerical_gradient(f, x)
    return [
        name
        for name, gradient in candidates.items()
        if gradient.shape == x.shape and not relative_error(gradient, numerical) <= 1e-7
    ]


def worse_than(f, x, candidates, tolerance, error=relative_error):
    """Names of the candidates of another shape or with a larger error than the tolerance."""
    numerical = numerical_gradient(f, x)
    return [
        name
        for name, gradient in candidates.items()
        if gradient.shape != x.shape or not error(gradient, numerical) <= tolerance
    ]


def wrong_gradients__wrong_tolerance_too_large(f, x, candidates):
    return worse_than(f, x, candidates, 1e-6)


def wrong_gradients__wrong_tolerance_too_small(f, x, candidates):
    return worse_than(f, x, candidates, 1e-8)


def wrong_gradients__wrong_absolute_error(f, x, candidates):
    return worse_than(f, x, candidates, 1e-7, error=lambda a, b: np.abs(a - b).max())


def wrong_gradients__wrong_error_of_the_mean(f, x, candidates):
    return worse_than(f, x, candidates, 1e-5, error=lambda a, b: abs(np.mean(a - b)))
