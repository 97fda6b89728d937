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


def weighted(f, x, h, weights):
    return sum(w * f(x + i * h) for w, i in zip(weights, (-2, -1, 1, 2), strict=True)) / (12 * h)


five_point_difference = {
    "right_written_out": lambda f, x, h: weighted(f, x, h, (1, -8, 8, -1)),
    "wrong_sign": lambda f, x, h: weighted(f, x, h, (-1, -8, 8, 1)),
    "right_half_a_step": lambda f, x, h: (4 * central(f, x, h / 2) - central(f, x, h)) / 3,
    "wrong_central": lambda f, x, h: central(f, x, h),
    "wrong_weights": lambda f, x, h: 2 * central(f, x, h) - central(f, x, 2 * h),
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


def wrong_gradients__right_asks_the_checker(f, x, candidates):
    found = set()
    for name, gradient in candidates.items():
        try:
            check_gradient(f, x, gradient)
        except GradientCheckError:
            found.add(name)
    return found


def chosen(is_wrong):
    """An answer that asks `is_wrong` about each candidate and the numerical gradient."""

    def answer(f, x, candidates):
        numerical = numerical_gradient(f, x)
        return [name for name, gradient in candidates.items() if is_wrong(gradient, numerical)]

    return answer


def worse_than(tolerance, error=relative_error):
    """An answer that chooses another shape and a larger error than the tolerance."""
    return chosen(lambda a, b: a.shape != b.shape or not error(a, b) <= tolerance)


wrong_gradients = {
    "wrong_finds_none": lambda f, x, candidates: [],
    "wrong_finds_all": lambda f, x, candidates: list(candidates),
    "wrong_tolerance_too_large": worse_than(1e-6),
    "wrong_tolerance_too_small": worse_than(1e-8),
    "wrong_absolute_error": worse_than(1e-7, lambda a, b: np.abs(a - b).max()),
    "wrong_error_of_the_mean": worse_than(1e-5, lambda a, b: abs(np.mean(a - b))),
    "wrong_misses_nan": chosen(
        lambda a, b: a.shape != b.shape or np.abs(a - b).max() / np.abs(b).max() > 1e-7
    ),
    "wrong_ignores_shapes": chosen(
        lambda a, b: a.shape == b.shape and not relative_error(a, b) <= 1e-7
    ),
}
