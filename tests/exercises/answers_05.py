"""Answers to the exercises of 05_backpropagation, right and wrong."""

import numpy as np

from cs231n_utils.taught.layers import affine_backward


def leaky_relu_backward__right_on_a_copy(dA, Z, slope):
    dZ = np.array(dA, dtype=float)
    dZ[Z <= 0] *= slope
    return dZ


def leaky_relu_backward__right_two_masks(dA, Z, slope):
    return dA * (Z > 0) + slope * dA * (Z <= 0)


def leaky_relu_backward__wrong_relu(dA, Z, slope):
    return dA * (Z > 0)


def leaky_relu_backward__wrong_in_place(dA, Z, slope):
    dA[Z <= 0] *= slope
    return dA


def leaky_relu_backward__wrong_mask_on_the_gradient(dA, Z, slope):
    return np.where(dA > 0, dA, slope * dA)


def leaky_relu_backward__wrong_exchanged(dA, Z, slope):
    return np.where(Z > 0, slope * dA, dA)


def leaky_relu_backward__wrong_fixed_slope(dA, Z, slope):
    return dA * np.where(Z > 0, 1, 0.1)


def leaky_relu_backward__wrong_at_the_kink(dA, Z, slope):
    return dA * np.where(Z >= 0, 1, slope)


def leaky_relu_backward__wrong_like_the_maximum(dA, Z, slope):
    return np.maximum(slope * dA, dA * (Z > 0))


def leaky_relu_backward__wrong_mask_on_the_product(dA, Z, slope):
    return np.where(dA * Z > 0, dA, slope * dA)


def centre_backward__right_by_the_jacobian(dV):
    N = len(dV)
    return (np.eye(N) - np.ones((N, N)) / N) @ dV


def centre_backward__right_one_column_at_a_time(dV):
    return np.stack([column - column.sum() / len(dV) for column in dV.T], axis=1)


def centre_backward__right_lists(dV):
    return [list(row - dV.mean(axis=0)) for row in dV]


def centre_backward__wrong_fork_forgotten(dV):
    return dV.copy()


def centre_backward__wrong_axis(dV):
    return dV - dV.mean(axis=1, keepdims=True)


def centre_backward__wrong_mean_of_all(dV):
    return dV - dV.mean()


def centre_backward__wrong_sum(dV):
    return dV - dV.sum(axis=0)


def centre_backward__wrong_in_place(dV):
    dV -= dV.mean(axis=0)
    return dV


def scale_backward__right_einsum(dV, X, g):
    return [g * dV, np.einsum("nd,nd->d", dV, X)]


def scale_backward__right_diagonals(dV, X, g):
    return dV @ np.diag(g), np.diag(X.T @ dV)


def scale_backward__wrong_axis(dV, X, g):
    return dV * g, (dV * X).sum(axis=1)


def scale_backward__wrong_not_summed(dV, X, g):
    return dV * g, dV * X


def scale_backward__wrong_input_forgotten(dV, X, g):
    return dV * g, dV.sum(axis=0)


def scale_backward__wrong_mean(dV, X, g):
    return dV * g, (dV * X).mean(axis=0)


def scale_backward__wrong_one_gradient(dV, X, g):
    return dV * g


def scale_backward__wrong_order(dV, X, g):
    return (dV * X).sum(axis=0), dV * g


def columns_backward__right_through_rows(dZ_cols, X_cols, W_cols):
    dX, dW, db = affine_backward(dZ_cols.T, X_cols.T, W_cols.T)
    return dX.T, dW.T, db


def columns_backward__right_einsum(dZ_cols, X_cols, W_cols):
    return (
        np.einsum("md,mn->dn", W_cols, dZ_cols),
        np.einsum("mn,dn->md", dZ_cols, X_cols),
        np.einsum("mn->m", dZ_cols),
    )


def columns_backward__wrong_without_transpose(dZ_cols, X_cols, W_cols):
    return W_cols @ dZ_cols, dZ_cols @ X_cols.T, dZ_cols.sum(axis=1)


def columns_backward__wrong_axis(dZ_cols, X_cols, W_cols):
    return W_cols.T @ dZ_cols, dZ_cols @ X_cols.T, dZ_cols.sum(axis=0)


def columns_backward__wrong_transposed(dZ_cols, X_cols, W_cols):
    return W_cols.T @ dZ_cols, X_cols @ dZ_cols.T, dZ_cols.sum(axis=1)


def columns_backward__wrong_two_gradients(dZ_cols, X_cols, W_cols):
    return W_cols.T @ dZ_cols, dZ_cols @ X_cols.T
