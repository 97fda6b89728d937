"""Answers to the exercises of 05_gradient_descent, right and wrong."""

import copy
import math

import numpy as np

from cs231n_utils.taught.models import SoftmaxClassifier


def steps_needed__right_walking(learning_rate, c, r):
    w, steps = 1.0, 0
    while abs(w) > 1 / r:
        w *= 1 - learning_rate * c
        steps += 1
    return steps


def steps_needed__right_natural_logarithm(learning_rate, c, r):
    return math.ceil(math.log(r) / -math.log(abs(1 - learning_rate * c)))


def steps_needed__right_with_another_base(learning_rate, c, r):
    return int(np.ceil(-np.log2(r) / np.log2(abs(1 - learning_rate * c))))


steps_needed = {
    "wrong_rounded_down": lambda rate, c, r: int(-math.log(r) / math.log(abs(1 - rate * c))),
    "wrong_floor_plus_one": lambda rate, c, r: (
        math.floor(math.log(r) / -math.log(abs(1 - rate * c))) + 1
    ),
    "wrong_not_whole": lambda rate, c, r: -math.log(r) / math.log(abs(1 - rate * c)),
    "wrong_without_absolute_value": lambda rate, c, r: np.ceil(-np.log(r) / np.log(1 - rate * c)),
    "wrong_first_order": lambda rate, c, r: math.ceil(math.log(r) / (rate * c)),
    "wrong_one_too_many": lambda rate, c, r: steps_needed__right_walking(rate, c, r) + 1,
}


def with_ones(X):
    return np.hstack([X, np.ones((len(X), 1))])


def limit_of(alpha, reg):
    return 2 / (alpha / 2 + reg)


def repaired_limit__right_eigenvalue(X, reg):
    return limit_of(np.linalg.eigvalsh(with_ones(X).T @ with_ones(X))[-1] / len(X), reg)


def repaired_limit__right_scaled_first(X, reg):
    return limit_of(np.linalg.norm(with_ones(X) / np.sqrt(len(X)), 2) ** 2, reg)


repaired_limit = {
    "wrong_as_it_was": lambda X, reg: limit_of(
        np.linalg.norm(with_ones(X), 2) / np.sqrt(len(X)), reg
    ),
    "wrong_without_ones": lambda X, reg: limit_of(np.linalg.norm(X, 2) ** 2 / len(X), reg),
    "wrong_sum_of_squares": lambda X, reg: limit_of(
        np.linalg.norm(with_ones(X)) ** 2 / len(X), reg
    ),
    "wrong_without_mean": lambda X, reg: limit_of(np.linalg.norm(with_ones(X), 2) ** 2, reg),
    "wrong_reg_forgotten": lambda X, reg: repaired_limit__right_eigenvalue(X, 0.0),
    "wrong_for_the_digits_only": lambda X, reg: limit_of(1.0, reg),
    "wrong_half_of_the_limit": lambda X, reg: repaired_limit__right_eigenvalue(X, reg) / 2,
}


def search(model, X, y, reg, rate, *, enough=lambda squares: sum(squares.values()) / 2, then=1.0):
    """The first rate that passes, of a copy; `enough` says how much a step must lower the loss."""
    loss, grads = model.loss(X, y, reg)
    squares = {name: np.sum(value**2) for name, value in grads.items()}
    while True:
        trial = copy.deepcopy(model)
        for name in grads:
            trial.params[name] -= rate * grads[name]
        if trial.loss(X, y, reg)[0] <= loss - rate * enough(squares):
            return rate * then
        rate /= 2


def backtrack__right_deep_copies(model, X, y, reg, learning_rate):
    return search(model, X, y, reg, learning_rate)


def backtrack__right_there_and_back(model, X, y, reg, learning_rate):
    loss, grads = model.loss(X, y, reg)
    fall = -math.inf
    learning_rate *= 2
    while fall < learning_rate / 2 * sum(np.sum(value**2) for value in grads.values()):
        learning_rate /= 2
        for name, value in grads.items():
            model.params[name] -= learning_rate * value
        fall = loss - model.loss(X, y, reg)[0]
        for name, value in grads.items():
            model.params[name] += learning_rate * value
    return learning_rate


def backtrack__wrong_takes_the_step(model, X, y, reg, learning_rate):
    rate = search(model, X, y, reg, learning_rate)
    for name, value in model.loss(X, y, reg)[1].items():
        model.params[name] -= rate * value
    return rate


def backtrack__wrong_same_arrays(model, X, y, reg, learning_rate):
    loss, grads = model.loss(X, y, reg)
    for _ in range(50):  # each trial starts where the last one ended
        trial = SoftmaxClassifier(64, 10)
        trial.params = dict(model.params)
        for name in grads:
            trial.params[name] -= learning_rate * grads[name]
        squares = sum(np.sum(value**2) for value in grads.values())
        if trial.loss(X, y, reg)[0] <= loss - learning_rate / 2 * squares:
            break
        learning_rate /= 2
    return learning_rate


backtrack = {
    "wrong_any_fall": lambda model, X, y, reg, rate: search(
        model, X, y, reg, rate, enough=lambda squares: 0
    ),
    "wrong_norm_not_squared": lambda model, X, y, reg, rate: search(
        model, X, y, reg, rate, enough=lambda squares: sum(squares.values()) ** 0.5 / 2
    ),
    "wrong_without_half": lambda model, X, y, reg, rate: search(
        model, X, y, reg, rate, enough=lambda squares: sum(squares.values()) * 0.999
    ),
    "wrong_halved_once_more": lambda model, X, y, reg, rate: search(
        model, X, y, reg, rate, then=0.5
    ),
    "wrong_penalty_forgotten": lambda model, X, y, reg, rate: search(model, X, y, 0.0, rate),
    "wrong_no_search": lambda model, X, y, reg, rate: rate,
}
