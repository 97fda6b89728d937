"""Answers to the exercises of 04_softmax_gradient, right and wrong."""

from functools import partial

import numpy as np

from cs231n_utils.gradient_check import numerical_gradient
from cs231n_utils.taught.losses import cross_entropy, softmax, softmax_loss


def soft_loss(S, Y):
    return -np.sum(Y * np.log(softmax(S))) / len(S)


def soft_target_loss__right_one_example_at_a_time(S, Y):
    loss, dS = 0.0, np.zeros(S.shape)
    for n in range(len(S)):
        q = np.exp(S[n]).sum()
        loss += (np.log(q) - Y[n] @ S[n]) / len(S)
        dS[n] = (np.exp(S[n]) / q - Y[n]) / len(S)
    return loss, dS


def soft_target_loss__right_in_place(S, Y):
    P = softmax(S)
    loss = -(Y * np.log(P)).sum(axis=1).mean()
    P -= Y
    P /= len(S)
    return loss, P


soft_target_loss = {
    "wrong_without_mean": lambda S, Y: (soft_loss(S, Y), softmax(S) - Y),
    "wrong_without_mean_in_both": lambda S, Y: (soft_loss(S, Y) * len(S), softmax(S) - Y),
    "wrong_sign": lambda S, Y: (soft_loss(S, Y), (Y - softmax(S)) / len(S)),
    "wrong_terms_kept_apart": lambda S, Y: (soft_loss(S, Y), Y * (softmax(S) - 1) / len(S)),
    "wrong_mean_of_entries": lambda S, Y: (soft_loss(S, Y) / S.shape[1], (softmax(S) - Y) / len(S)),
    "wrong_three_things": lambda S, Y: (*soft_target_loss__right_in_place(S, Y), softmax(S)),
}


def soft_target_loss__wrong_one_hot_only(S, Y):
    return soft_loss(S, Y), (softmax(S) - np.eye(S.shape[1])[Y.argmax(axis=1)]) / len(S)


def soft_target_loss__wrong_loss_not_averaged(S, Y):
    return -np.sum(Y * np.log(softmax(S)), axis=1), (softmax(S) - Y) / len(S)


def soft_target_loss__wrong_in_place(S, Y):
    Y *= 0
    return 0.0, np.zeros_like(S)


def soft_target_loss__wrong_measured(S, Y):
    return soft_loss(S, Y), numerical_gradient(lambda S: soft_loss(S, Y), S)


def loss_and_difference(S, y, rows, divisor):
    """The loss, and the probabilities minus 1 at the labels of these rows."""
    P = softmax(S)
    P[rows, y] -= 1
    return cross_entropy(S, y), P / divisor


def arrows__right_as_a_sum_of_lengths(S, y):
    return len(y) * np.abs(softmax_loss(S, y)[1]).sum(axis=1)


def arrows__right_as_a_list(S, y):
    return [2 - 2 * P_n[k] for P_n, k in zip(softmax(S), y, strict=True)]


def arrows__right_one_example_at_a_time(S, y):
    found = np.zeros(len(y))
    for n in range(len(y)):
        found[n] = np.abs(softmax_loss(S[[n]], y[[n]])[1]).sum()
    return found


def lacking(S, y):
    """The probability (N,) that each label lacks."""
    return 1 - softmax(S)[np.arange(len(y)), y]


arrows = {
    "wrong_up_alone": lacking,
    "wrong_with_the_mean_left_in": lambda S, y: np.abs(softmax_loss(S, y)[1]).sum(axis=1),
    "wrong_signs_kept": lambda S, y: len(y) * softmax_loss(S, y)[1].sum(axis=1),
    "wrong_one_for_the_batch": lambda S, y: 2 * lacking(S, y).sum(),
    "wrong_one_for_each_class": lambda S, y: np.abs(softmax_loss(S, y)[1]).sum(axis=0),
    "wrong_squares": lambda S, y: (len(y) ** 2 * softmax_loss(S, y)[1] ** 2).sum(axis=1),
    "wrong_label_forgotten": lambda S, y: softmax(S).sum(axis=1),
    "wrong_longest_arrow_twice": lambda S, y: 2 * softmax(S).max(axis=1),
}


def hinge_loss__right_with_one_hot_labels(S, y):
    Y = np.eye(S.shape[1])[y]
    missing = S - (S * Y).sum(axis=1, keepdims=True) + 1
    above = (missing > 0) * (1 - Y)
    return (missing * above).sum() / len(y), (above - Y * above.sum(axis=1)[:, None]) / len(y)


def hinge_loss__right_by_loops(S, y):
    loss, dS = 0.0, np.zeros(S.shape)
    for n, i in np.ndindex(S.shape):
        missing = S[n, i] - S[n, y[n]] + 1
        if i != y[n] and missing > 0:
            loss += missing
            dS[n, i] += 1
            dS[n, y[n]] -= 1
    return loss / len(y), dS / len(y)


def mean_of_sums(terms):
    return terms.sum() / len(terms)


def hinge(S, y, *, loss=mean_of_sums, correct=lambda above: -above.sum(axis=1), mean=True):
    """The hinge loss, with its sum, what the correct class gets and the mean of dS to choose."""
    rows = np.arange(len(y))
    terms = S - S[rows, y][:, None] + 1
    terms[rows, y] = 0
    dS = (terms > 0).astype(float)
    dS[rows, y] = correct(dS)
    return loss(np.maximum(0, terms)), dS / len(y) if mean else dS


def hinge_loss__wrong_measured(S, y):
    return hinge(S, y)[0], numerical_gradient(lambda S: hinge(S, y)[0], S)


hinge_loss = {
    "wrong_minus_one_only": partial(hinge, correct=lambda above: -1),
    "wrong_correct_class_left_out": partial(hinge, correct=lambda above: 0),
    "wrong_correct_class_counted": partial(hinge, loss=lambda terms: mean_of_sums(terms) + 1),
    "wrong_without_mean": partial(hinge, mean=False),
    "wrong_largest_term_only": partial(hinge, loss=lambda terms: terms.max(axis=1).mean()),
    "wrong_loss_not_averaged": partial(hinge, loss=lambda terms: terms.sum(axis=1)),
}


def repaired_loss__right_with_one_hot_labels(S, y):
    return cross_entropy(S, y), (softmax(S) - np.eye(S.shape[1])[y]) / S.shape[0]


def repaired_loss__right_one_row_at_a_time(S, y):
    dS = softmax(S)
    for n, k in enumerate(y):
        dS[n, k] -= 1
    return cross_entropy(S, y), dS / len(S)


repaired_loss = {
    "wrong_as_it_was": lambda S, y: loss_and_difference(S, y, slice(None), S.shape[1]),
    "wrong_columns_left": lambda S, y: loss_and_difference(S, y, slice(None), len(y)),
    "wrong_factor_left": lambda S, y: loss_and_difference(S, y, np.arange(len(y)), S.shape[1]),
}
