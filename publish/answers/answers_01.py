"""Answers to the exercises of 01_linear_scores, right and wrong."""

import numpy as np


def mirrored(X):
    return X.reshape(-1, 8, 8)[:, :, ::-1].reshape(len(X), 64)


mirror = {
    "right_as_images": mirrored,
    "right_one_column_at_a_time": lambda X: np.transpose(
        [X[:, d + 7 - 2 * (d % 8)] for d in range(64)]
    ),
    "right_lists": lambda X: [[x[8 * (d // 8) + 7 - d % 8] for d in range(64)] for x in X],
    "wrong_half_turn": lambda X: X[:, ::-1],
    "wrong_upside_down": lambda X: X.reshape(-1, 8, 8)[:, ::-1].reshape(len(X), 64),
    "wrong_transposed": lambda X: X.reshape(-1, 8, 8).swapaxes(1, 2).reshape(len(X), 64),
    "wrong_other_examples": lambda X: X[::-1],
    "wrong_whole_numbers": lambda X: mirrored(X).astype(int),
    "wrong_off_by_one": lambda X: X[:, [8 * (d // 8) + (8 - d % 8) % 8 for d in range(64)]],
}


def mirror__wrong_in_place(X):
    X[:] = mirrored(X)
    return X


absorb_bias = {
    "right_bias_first": lambda X, W, b: [np.c_[np.ones(len(X)), X], np.concatenate([b[None], W])],
    "right_feature_of_two": lambda X, W, b: (np.c_[X, np.full(len(X), 2.0)], np.vstack([W, b / 2])),
    "right_lists": lambda X, W, b: ([[*x, 1.0] for x in X], [*W, b]),
    "wrong_three_arrays": lambda X, W, b: (np.c_[X, np.ones(len(X))], np.vstack([W, b]), X @ W + b),
    "wrong_feature_of_zero": lambda X, W, b: (np.c_[X, np.zeros(len(X))], np.vstack([W, b])),
    "wrong_order": lambda X, W, b: (np.c_[X, np.ones(len(X))], np.vstack([b, W])),
    "wrong_only_for_five_examples": lambda X, W, b: (np.c_[X, np.ones(5)], np.vstack([W, b])),
    "wrong_added_to_weights": lambda X, W, b: (X, W + b),
}


def absorb_bias__wrong_inputs_hold_the_scores(X, W, b):
    return np.c_[X @ W + b, np.zeros((len(X), 2))], np.eye(5, 3)


def absorb_bias__wrong_weights_fitted_to_inputs(X, W, b):
    X_long = np.c_[X, np.ones(len(X))]
    return X_long, np.linalg.lstsq(X_long, X @ W + b, rcond=None)[0]


def absorb_bias__wrong_in_place(X, W, b):
    for array in (X, W, b):
        array *= 0
    return np.zeros((len(X), len(W) + 1)), np.zeros((len(W) + 1, len(b)))


bias_for_raw_inputs = {
    "right_sum_over_features": lambda W, b, v: b - np.sum(v[:, None] * W, axis=0),
    "right_transposed": lambda W, b, v: b - W.T @ v,
    "wrong_sign": lambda W, b, v: b + v @ W,
    "wrong_unchanged": lambda W, b, v: b,
    "wrong_without_bias": lambda W, b, v: -v @ W,
    "wrong_shape": lambda W, b, v: (b - v @ W)[:, None],
    "wrong_without_weights": lambda W, b, v: b - v.sum(),
}


def bias_for_raw_inputs__wrong_in_place(W, b, v):
    b -= v @ W
    return b


centre_splits = {
    "right_tuple": lambda train, val: (train - train.mean(axis=0), val - train.mean(axis=0)),
    "right_one_row_at_a_time": lambda train, val: [
        np.array([row - train.mean(axis=0) for row in split]) for split in (train, val)
    ],
    "right_sum_divided": lambda train, val: [
        split - train.sum(axis=0) / len(train) for split in (train, val)
    ],
    "wrong_as_printed": lambda train, val: [split - split.mean(axis=0) for split in (train, val)],
    "wrong_mean_of_both": lambda train, val: [
        split - np.concatenate([train, val]).mean(axis=0) for split in (train, val)
    ],
    "wrong_validation_mean": lambda train, val: [
        split - val.mean(axis=0) for split in (train, val)
    ],
    "wrong_mean_of_each_image": lambda train, val: [
        split - split.mean(axis=1, keepdims=True) for split in (train, val)
    ],
    "wrong_one_number": lambda train, val: [split - train.mean() for split in (train, val)],
    "wrong_validation_raw": lambda train, val: [train - train.mean(axis=0), val],
    "wrong_exchanged": lambda train, val: [val - train.mean(axis=0), train - train.mean(axis=0)],
    "wrong_training_only": lambda train, val: train - train.mean(axis=0),
}


def centre_splits__wrong_in_place(train, val):
    val -= train.mean(axis=0)
    train -= train.mean(axis=0)
    return train, val
