"""Answers to the exercises of 02_softmax_cross_entropy, right and wrong."""

import numpy as np

from cs231n_utils.taught.losses import cross_entropy, softmax


def log_softmax(S):
    shifted = S - S.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def normalised(E):
    """Rows that sum to 1."""
    return E / E.sum(axis=1, keepdims=True)


def smoothed(S, y, alpha):
    """Targets (N, C)."""
    return (1 - alpha) * np.eye(S.shape[1])[y] + alpha / S.shape[1]


def mean_loss(targets, logs):
    return -np.mean(np.sum(targets * logs, axis=1))


softmax_at_temperature = {
    "right_by_logs": lambda S, T: np.exp(log_softmax(S / T)),
    "right_list_of_rows": lambda S, T: [softmax(s[None] / T)[0] for s in S],
    "wrong_largest_only": lambda S, T: softmax(S / T).max(axis=1),
    "wrong_multiplied": lambda S, T: softmax(S * T),
    "wrong_divided_afterwards": lambda S, T: softmax(S) / T,
    "wrong_ignored": lambda S, T: softmax(S),
    "wrong_not_stable": lambda S, T: normalised(np.exp(S / T)),
    "wrong_power_of_probabilities": lambda S, T: normalised(softmax(S) ** (1 / T)),
    "wrong_maximum_of_the_matrix": lambda S, T: normalised(np.exp((S - S.max()) / T)),
}


def softmax_at_temperature__right_row_by_row(S, T):
    rows = [np.exp((s - s.max()) / T) for s in S]
    return np.array([row / row.sum() for row in rows])


def softmax_at_temperature__wrong_in_place(S, T):
    S -= S.max(axis=1, keepdims=True)
    return normalised(np.exp(S / T))


def softmax_at_temperature__wrong_axis(S, T):
    E = np.exp((S - S.max(axis=1, keepdims=True)) / T)
    return E / E.sum(axis=0)


smoothed_cross_entropy = {
    "right_all_targets": lambda S, y, a: mean_loss(smoothed(S, y, a), log_softmax(S)),
    "wrong_exchanged": lambda S, y, a: mean_loss(smoothed(S, y, 1 - a), log_softmax(S)),
    "wrong_labels_only": lambda S, y, a: cross_entropy(S, y),
    "wrong_sum_over_the_batch": lambda S, y, a: -np.sum(smoothed(S, y, a) * log_softmax(S)),
    "wrong_not_averaged": lambda S, y, a: -np.sum(smoothed(S, y, a) * log_softmax(S), axis=1),
    "wrong_log_of_probabilities": lambda S, y, a: mean_loss(smoothed(S, y, a), np.log(softmax(S))),
}


def smoothed_cross_entropy__right_mixture_of_losses(S, y, alpha):
    N, C = S.shape
    others = [cross_entropy(S, np.full(N, i)) for i in range(C)]
    return (1 - alpha) * cross_entropy(S, y) + alpha * np.mean(others)


def smoothed_cross_entropy__wrong_ten_classes(S, y, alpha):
    targets = (1 - alpha) * np.eye(S.shape[1])[y] + alpha / 10
    return mean_loss(targets, log_softmax(S))


def smoothed_cross_entropy__wrong_one_term_not_stable(S, y, alpha):
    others = np.mean(np.log(softmax(S) + 1e-300))
    return (1 - alpha) * cross_entropy(S, y) - alpha * others


def smoothed_cross_entropy__wrong_in_place(S, y, alpha):
    S -= S.max(axis=1, keepdims=True)
    S -= np.log(np.exp(S).sum(axis=1, keepdims=True))
    return mean_loss(smoothed(S, y, alpha), S)


def smoothed_cross_entropy__wrong_log_with_a_patch(S, y, alpha):
    return mean_loss(smoothed(S, y, alpha), np.log(softmax(S) + 1e-12))


def smoothed_cross_entropy__wrong_share_of_other_classes(S, y, alpha):
    Y = np.eye(S.shape[1])[y]
    targets = (1 - alpha) * Y + alpha / (S.shape[1] - 1) * (1 - Y)
    return mean_loss(targets, log_softmax(S))


two_class_loss = {
    "right_logaddexp": lambda t, y: np.logaddexp(0, (1 - 2 * y) * t).mean(),
    "right_from_the_label": lambda t, y: np.mean(
        np.maximum(t, 0) - t * y + np.log1p(np.exp(-abs(t)))
    ),
    "wrong_not_stable": lambda t, y: np.mean(np.log(1 + np.exp((1 - 2 * y) * t))),
    "wrong_clipped": lambda t, y: np.mean(np.log(1 + np.exp(np.clip((1 - 2 * y) * t, -500, 500)))),
    "wrong_sign": lambda t, y: np.logaddexp(0, (2 * y - 1) * t).mean(),
    "wrong_sum": lambda t, y: np.logaddexp(0, (1 - 2 * y) * t).sum(),
    "wrong_ignores_labels": lambda t, y: np.logaddexp(0, -t).mean(),
    "wrong_not_averaged": lambda t, y: np.logaddexp(0, (1 - 2 * y) * t),
}


def two_class_loss__right_one_at_a_time(t, y):
    signed = np.where(y == 1, -t, t)
    return sum(max(0, v) + np.log1p(np.exp(-abs(v))) for v in signed) / len(t)


def two_class_loss__wrong_log_of_sigmoid(t, y):
    p = 1 / (1 + np.exp(-t))
    return -np.mean(np.log(np.where(y == 1, p, 1 - p)))


def two_class_loss__wrong_in_place(t, y):
    t[y == 1] *= -1
    return np.logaddexp(0, t).mean()
