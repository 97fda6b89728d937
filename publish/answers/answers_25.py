"""Answers to the exercises of 25_speedrun, right and wrong."""

import math

import numpy as np

from cs231n_utils.taught.optimizers import orthogonalized

# --- rounds_needed -------------------------------------------------------------------------------


def rounds_needed__right_by_counting(smallest, wanted, slope):
    """Round by round."""
    count = 0
    while smallest * slope**count < wanted:
        count += 1
    return count


def rounds_needed__right_by_another_base(smallest, wanted, slope):
    """Logarithms to the base of the slope."""
    return max(0, math.ceil(math.log(wanted / smallest, slope)))


rounds_needed = {
    "wrong_rounded_down": lambda s, w, a: max(0, math.floor(math.log(w / s, a))),
    "wrong_rounded": lambda s, w, a: max(0, round(math.log(w / s, a))),
    "wrong_one_more": lambda s, w, a: max(0, math.floor(math.log(w / s, a)) + 2),
    "wrong_not_whole": lambda s, w, a: math.log(w / s) / math.log(a),
    "wrong_negative": lambda s, w, a: math.ceil(math.log(w / s, a)),
    "wrong_upside_down": lambda s, w, a: max(0, math.ceil(math.log(s / w, a))),
    "wrong_quotient": lambda s, w, a: max(0, math.ceil(w / s / a)),
    "wrong_to_one": lambda s, w, a: max(0, math.ceil(-math.log(s, a))),
}

# --- filter_step ---------------------------------------------------------------------------------


def filter_step__right_by_decomposition(G):
    """The exact one has singular values of 1."""
    u, _, v = np.linalg.svd(G.reshape(-1, G.shape[3]), full_matrices=False)
    return (u @ v).reshape(G.shape)


def filter_step__right_transposed(G):
    """A row for each filter, and back."""
    matrix = np.moveaxis(G, 3, 0).reshape(G.shape[3], -1)
    return np.moveaxis(orthogonalized(matrix, 5).reshape(-1, *G.shape[:3]), 0, 3)


def shaped(matrix, steps=5):
    """An answer that orthogonalizes another matrix of the same numbers."""
    return lambda G: orthogonalized(matrix(G), steps).reshape(G.shape)


filter_step = {
    "right_reshaped": shaped(lambda G: G.reshape(-1, G.shape[-1])),
    "wrong_as_found": shaped(lambda G: G.reshape(len(G), -1)),
    "wrong_filters_in_front": shaped(lambda G: G.reshape(G.shape[-1], -1)),
    "wrong_transposed_numbers": shaped(lambda G: G.reshape(G.shape[-1], -1).T),
    "wrong_channels_too": shaped(lambda G: G.reshape(G.shape[0] * G.shape[1], -1)),
    "wrong_no_rounds": shaped(lambda G: G.reshape(-1, G.shape[-1]), steps=0),
    "wrong_flat": lambda G: orthogonalized(G.reshape(-1, G.shape[-1]), 5),
    "wrong_each_place": lambda G: np.stack(
        [[orthogonalized(each, 5) for each in row] for row in G]
    ),
    "wrong_gradient": lambda G: G / np.linalg.norm(G),
}

# --- column_step ---------------------------------------------------------------------------------


def column_step__right_by_columns(G):
    """Column by column."""
    D = np.zeros_like(G)
    for f, column in enumerate(G.T):
        if np.any(column):
            D[:, f] = -column / np.sqrt(column @ column)
    return D


def column_step__wrong_not_a_number(G):
    with np.errstate(invalid="ignore"):
        return -G / np.linalg.norm(G, axis=0)


def column_step__wrong_rows(G):
    lengths = np.linalg.norm(G, axis=1, keepdims=True)
    return -G / np.where(lengths == 0, 1, lengths)


def column_step__wrong_squares(G):
    squares = np.sum(G**2, axis=0)
    return -G / np.where(squares == 0, 1, squares)


column_step = {
    "wrong_uphill": lambda G: -column_step__right_by_columns(G),
    "wrong_gradient": lambda G: -G / np.linalg.norm(G),
    "wrong_longest": lambda G: -G / np.linalg.norm(G, axis=0).max(),
    "wrong_signs": lambda G: -np.sign(G),
    "wrong_signs_scaled": lambda G: -np.sign(G) / np.sqrt(len(G)),
    "wrong_spectral": lambda G: -orthogonalized(G, 9),
    "wrong_with_epsilon": lambda G: -G / (np.linalg.norm(G, axis=0) + 0.01),
}
