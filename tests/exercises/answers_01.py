"""Answers to the exercises of 01_linear_scores, right and wrong."""

import numpy as np


def mirror__right_as_images(X):
    return X.reshape(-1, 8, 8)[:, :, ::-1].reshape(len(X), 64)


def mirror__right_one_column_at_a_time(X):
    return np.stack([X[:, d + 7 - 2 * (d % 8)] for d in range(64)], axis=1)


def mirror__right_lists(X):
    return [[x[8 * (d // 8) + 7 - d % 8] for d in range(64)] for x in X]


def mirror__wrong_whole_numbers(X):
    M = np.zeros(X.shape, dtype=int)
    M[:] = mirror__right_as_images(X)
    return M


def mirror__wrong_half_turn(X):
    return X[:, ::-1]


def mirror__wrong_upside_down(X):
    return X.reshape(-1, 8, 8)[:, ::-1].reshape(len(X), 64)


def mirror__wrong_transposed(X):
    return X.reshape(-1, 8, 8).swapaxes(1, 2).reshape(len(X), 64)


def mirror__wrong_off_by_one(X):
    d = np.arange(64)
    return X[:, 8 * (d // 8) + (8 - d % 8) % 8]


def mirror__wrong_in_place(X):
    X[:] = X.reshape(-1, 8, 8)[:, :, ::-1].reshape(len(X), 64)
    return X


def mirror__wrong_other_examples(X):
    return X[::-1]


def absorb_bias__right_bias_first(X, W, b):
    return [np.c_[np.ones(len(X)), X], np.concatenate([b[None], W])]


def absorb_bias__right_feature_of_two(X, W, b):
    return np.c_[X, np.full(len(X), 2.0)], np.vstack([W, b / 2])


def absorb_bias__right_lists(X, W, b):
    return [[*x, 1.0] for x in X], [*W, b]


def absorb_bias__wrong_only_for_five_examples(X, W, b):
    return np.c_[X, np.ones(len(W) + 1)], np.vstack([W, b])


def absorb_bias__wrong_three_arrays(X, W, b):
    return np.c_[X, np.ones(len(X))], np.vstack([W, b]), X @ W + b


def absorb_bias__wrong_feature_of_zero(X, W, b):
    return np.c_[X, np.zeros(len(X))], np.vstack([W, b])


def absorb_bias__wrong_order(X, W, b):
    return np.c_[X, np.ones(len(X))], np.vstack([b, W])


def absorb_bias__wrong_added_to_weights(X, W, b):
    return X, W + b


def absorb_bias__wrong_inputs_hold_the_scores(X, W, b):
    return np.c_[X @ W + b, np.zeros((len(X), 2))], np.eye(5, 3)


def absorb_bias__wrong_weights_fitted_to_inputs(X, W, b):
    X_long = np.c_[X, np.ones(len(X))]
    return X_long, np.linalg.lstsq(X_long, X @ W + b, rcond=None)[0]


def bias_for_raw_inputs__right_sum_over_features(W, b, v):
    return b - np.sum(v[:, None] * W, axis=0)


def bias_for_raw_inputs__right_transposed(W, b, v):
    return b - W.T @ v


def bias_for_raw_inputs__wrong_sign(W, b, v):
    return b + v @ W


def bias_for_raw_inputs__wrong_unchanged(W, b, v):
    return b


def bias_for_raw_inputs__wrong_without_bias(W, b, v):
    return -v @ W


def bias_for_raw_inputs__wrong_shape(W, b, v):
    return (b - v @ W)[:, None]


def bias_for_raw_inputs__wrong_without_weights(W, b, v):
    return b - v.sum()


def bias_for_raw_inputs__wrong_in_place(W, b, v):
    b -= v @ W
    return b
