"""Answers to the exercises of 06_backpropagation, right and wrong."""

import numpy as np

from cs231n_utils.taught.layers import affine_backward


def leaky_relu_backward__right_on_a_copy(dA, Z, slope):
    dZ = np.array(dA, dtype=float)
    dZ[Z <= 0] *= slope
    return dZ


leaky_relu_backward = {
    "right_two_masks": lambda dA, Z, slope: dA * (Z > 0) + slope * dA * (Z <= 0),
    "wrong_relu": lambda dA, Z, slope: dA * (Z > 0),
    "wrong_mask_on_the_gradient": lambda dA, Z, slope: np.where(dA > 0, dA, slope * dA),
    "wrong_exchanged": lambda dA, Z, slope: np.where(Z > 0, slope * dA, dA),
    "wrong_fixed_slope": lambda dA, Z, slope: dA * np.where(Z > 0, 1, 0.1),
    "wrong_at_the_kink": lambda dA, Z, slope: dA * np.where(Z >= 0, 1, slope),
    "wrong_like_the_maximum": lambda dA, Z, slope: np.maximum(slope * dA, dA * (Z > 0)),
    "wrong_mask_on_the_product": lambda dA, Z, slope: np.where(dA * Z > 0, dA, slope * dA),
}


def leaky_relu_backward__wrong_in_place(dA, Z, slope):
    dA[Z <= 0] *= slope
    return dA


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


scale_backward = {
    "right_einsum": lambda dV, X, g: [g * dV, np.einsum("nd,nd->d", dV, X)],
    "right_diagonals": lambda dV, X, g: (dV @ np.diag(g), np.diag(X.T @ dV)),
    "wrong_axis": lambda dV, X, g: (dV * g, (dV * X).sum(axis=1)),
    "wrong_not_summed": lambda dV, X, g: (dV * g, dV * X),
    "wrong_input_forgotten": lambda dV, X, g: (dV * g, dV.sum(axis=0)),
    "wrong_mean": lambda dV, X, g: (dV * g, (dV * X).mean(axis=0)),
    "wrong_one_gradient": lambda dV, X, g: dV * g,
    "wrong_order": lambda dV, X, g: ((dV * X).sum(axis=0), dV * g),
}


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
