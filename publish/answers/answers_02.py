"""Answers to the exercises of 02_softmax_cross_entropy, right and wrong."""

import numpy as np

from cs231n_utils.taught.losses import softmax


def log_softmax(S):
    shifted = S - S.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def normalised(E):
    """Rows that sum to 1."""
    return E / E.sum(axis=1, keepdims=True)


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


def picked(S, y):
    return S[np.arange(len(y)), y]


def lse(S):
    """Log-sum-exp of each row, shape (N,)."""
    return S.max(axis=1) + np.log(np.exp(S - S.max(axis=1, keepdims=True)).sum(axis=1))


repaired_loss = {
    "right_maximum_added_back": lambda S, y: np.mean(lse(S) - picked(S, y)),
    "right_shifted_both": lambda S, y: -np.mean(picked(log_softmax(S), y)),
    "right_one_example_at_a_time": lambda S, y: (
        sum(
            np.log(np.exp(s - s[k]).sum()) if abs(s).max() < 300 else (s.max() - s[k])
            for s, k in zip(S, y, strict=True)
        )
        / len(y)
    ),
    "wrong_as_printed": lambda S, y: np.mean(lse(S) - S.max(axis=1) - picked(S, y)),
    "wrong_shift_added_to_the_score": lambda S, y: np.mean(
        lse(S) - S.max(axis=1) - picked(S, y) - S.max(axis=1)
    ),
    "wrong_maximum_of_the_matrix": lambda S, y: np.mean(
        np.log(np.exp(S - S.max()).sum(axis=1)) - picked(S - S.max(), y)
    ),
    "wrong_no_shift_at_all": lambda S, y: np.mean(np.log(np.exp(S).sum(axis=1)) - picked(S, y)),
    "wrong_log_of_softmax": lambda S, y: -np.mean(np.log(picked(softmax(S), y))),
    "wrong_softmax_twice": lambda S, y: np.mean(lse(softmax(S)) - picked(softmax(S), y)),
    "wrong_sum": lambda S, y: np.sum(lse(S) - picked(S, y)),
    "wrong_trap": lambda S, y: np.mean(lse(S) - S[:, y]),
    "wrong_not_averaged": lambda S, y: lse(S) - picked(S, y),
}


def repaired_loss__wrong_in_place(S, y):
    S -= S.max(axis=1, keepdims=True)
    return np.mean(lse(S) - picked(S, y))


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
