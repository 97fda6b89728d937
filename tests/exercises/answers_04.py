"""Answers to the exercises of 04_softmax_gradient, right and wrong."""

import numpy as np

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


def temperature_loss__right_written_out(S, y, T):
    P = softmax(S / T)
    P[np.arange(len(y)), y] -= 1
    return cross_entropy(S / T, y), P / (T * len(y))


def temperature_loss__right_in_place(S, y, T):
    S /= T
    loss, dU = softmax_loss(S, y)
    return loss, dU / T


def temperature_loss__wrong_without_the_chain_rule(S, y, T):
    return softmax_loss(S / T, y)


def temperature_loss__wrong_multiplied(S, y, T):
    loss, dU = softmax_loss(S / T, y)
    return loss, dU * T


def temperature_loss__wrong_scores_not_divided(S, y, T):
    return cross_entropy(S / T, y), softmax_loss(S, y)[1] / T


def temperature_loss__wrong_loss_divided(S, y, T):
    loss, dS = softmax_loss(S, y)
    return loss / T, dS / T


def margins(S, y):
    """Arguments of the maximum (N, C), the rows' indices, and 1 where a term is above 0."""
    rows = np.arange(len(y))
    missing = S - S[rows, y][:, None] + 1
    missing[rows, y] = 0
    return np.maximum(0, missing), rows, (missing > 0).astype(float)


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


def hinge_loss__wrong_minus_one_only(S, y):
    missing, rows, dS = margins(S, y)
    dS[rows, y] = -1
    return missing.sum() / len(y), dS / len(y)


def hinge_loss__wrong_correct_class_left_out(S, y):
    missing, _, dS = margins(S, y)
    return missing.sum() / len(y), dS / len(y)


def hinge_loss__wrong_correct_class_counted(S, y):
    missing, rows, dS = margins(S, y)
    dS[rows, y] = -dS.sum(axis=1)
    return missing.sum() / len(y) + 1, dS / len(y)


def hinge_loss__wrong_without_mean(S, y):
    missing, rows, dS = margins(S, y)
    dS[rows, y] = -dS.sum(axis=1)
    return missing.sum() / len(y), dS


def hinge_loss__wrong_largest_term_only(S, y):
    missing, rows, dS = margins(S, y)
    dS[rows, y] = -dS.sum(axis=1)
    return missing.max(axis=1).mean(), dS / len(y)


def hinge_loss__wrong_loss_not_averaged(S, y):
    missing, rows, dS = margins(S, y)
    dS[rows, y] = -dS.sum(axis=1)
    return missing.sum(axis=1), dS / len(y)


def repaired_loss__right_with_one_hot_labels(S, y):
    return cross_entropy(S, y), (softmax(S) - np.eye(S.shape[1])[y]) / S.shape[0]


def repaired_loss__right_one_row_at_a_time(S, y):
    dS = softmax(S)
    for n, k in enumerate(y):
        dS[n, k] -= 1
    return cross_entropy(S, y), dS / len(S)


def repaired_loss__wrong_as_it_was(S, y):
    P = softmax(S)
    P[:, y] -= 1
    return cross_entropy(S, y), P / S.shape[1]


def repaired_loss__wrong_columns_left(S, y):
    P = softmax(S)
    P[:, y] -= 1
    return cross_entropy(S, y), P / len(y)


def repaired_loss__wrong_factor_left(S, y):
    P = softmax(S)
    P[np.arange(len(y)), y] -= 1
    return cross_entropy(S, y), P / S.shape[1]
