"""Answers to the exercises of 06_backpropagation, right and wrong."""

import numpy as np

from cs231n_utils.taught.layers import affine_backward

twice_used_gradients = {
    "right_list": lambda x, w: [w, x + 2 * w],
    "right_array": lambda x, w: np.array([w, w + (x + w)]),
    "wrong_overwritten": lambda x, w: (w, x + w),
    "wrong_other_path": lambda x, w: (w, w),
    "wrong_product_of_the_paths": lambda x, w: (w, w * (x + w)),
    "wrong_order": lambda x, w: (x + 2 * w, w),
    "wrong_input": lambda x, w: (x + w, x + 2 * w),
    "wrong_one_number": lambda x, w: x + 2 * w,
    "wrong_numbers_of_the_first_point": lambda x, w: (3, 8),
}


block_backward = {
    "right_factor": lambda dV, X: dV * (1 + (X > 0)),
    "right_two_cases": lambda dV, X: np.where(X > 0, 2 * dV, dV),
    "wrong_without_the_fork": lambda dV, X: dV * (X > 0),
    "wrong_without_the_mask": lambda dV, X: 2 * dV,
    "wrong_mask_on_both": lambda dV, X: 2 * dV * (X > 0),
    "wrong_mask_inverted": lambda dV, X: dV * (1 + (X < 0)),
    "wrong_mask_of_the_gradient": lambda dV, X: dV * (1 + (dV > 0)),
    "wrong_direct_path_only": lambda dV, X: dV.copy(),
}


def block_backward__right_on_a_copy(dV, X):
    dA = dV.copy()
    dA[X <= 0] = 0
    return dV + dA


def block_backward__wrong_as_it_was(dV, X):
    dA = dV
    dA[X <= 0] = 0
    return dV + dA


def block_backward__wrong_in_place(dV, X):
    dV += dV * (X > 0)
    return dV


def centre_backward__right_by_the_jacobian(dV):
    N = len(dV)
    return (np.eye(N) - np.ones((N, N)) / N) @ dV


centre_backward = {
    "right_one_column_at_a_time": lambda dV: np.transpose(
        [column - column.mean() for column in dV.T]
    ),
    "right_lists": lambda dV: [list(row - dV.mean(axis=0)) for row in dV],
    "wrong_fork_forgotten": lambda dV: dV.copy(),
    "wrong_axis": lambda dV: dV - dV.mean(axis=1, keepdims=True),
    "wrong_mean_of_all": lambda dV: dV - dV.mean(),
    "wrong_sum": lambda dV: dV - dV.sum(axis=0),
}


def centre_backward__wrong_in_place(dV):
    dV -= dV.mean(axis=0)
    return dV


def columns_backward__right_through_rows(dZ_cols, X_cols, W_cols):
    dX, dW, db = affine_backward(dZ_cols.T, X_cols.T, W_cols.T)
    return dX.T, dW.T, db


def columns_backward__right_einsum(dZ_cols, X_cols, W_cols):
    return (
        np.einsum("md,mn->dn", W_cols, dZ_cols),
        np.einsum("mn,dn->md", dZ_cols, X_cols),
        np.einsum("mn->m", dZ_cols),
    )


columns_backward = {
    "wrong_without_transpose": lambda dZ, X, W: (W @ dZ, dZ @ X.T, dZ.sum(axis=1)),
    "wrong_axis": lambda dZ, X, W: (W.T @ dZ, dZ @ X.T, dZ.sum(axis=0)),
    "wrong_transposed": lambda dZ, X, W: (W.T @ dZ, X @ dZ.T, dZ.sum(axis=1)),
    "wrong_two_gradients": lambda dZ, X, W: (W.T @ dZ, dZ @ X.T),
}


def affine_backward__wrong_in_place(dZ, X, W):
    dZ *= 0
    return X * 0, W * 0, dZ[0]


def relu__wrong_in_place(Z):
    Z *= 0
    return Z


def relu_backward__wrong_in_place(dA, Z):
    dA *= 0
    return dA


def relu_backward__wrong_mask_in_place(dA, Z):
    dA[Z <= 0] = 0
    return dA
