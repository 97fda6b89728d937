"""Answers to the exercises of 14_normalization, right and wrong."""

import numpy as np

from cs231n_utils.taught.layers import renew_averages, standardize

# --- folded --------------------------------------------------------------------------------------


def folded__right_by_probing(affine, norm):
    """What the two layers make of 0 and of the unit vectors."""
    both = [
        norm.forward(affine.forward(X))
        for X in (np.zeros((1, affine.input_size)), np.eye(affine.input_size))
    ]
    return both[1] - both[0], both[0][0]


def fold(factor, shift):
    """An answer with another factor or shift."""

    def answer(affine, norm):
        gamma, beta = norm.params["gamma"], norm.params["beta"]
        mean, variance = norm.state["mean"], norm.state["variance"]
        by = factor(gamma, variance, norm.eps)
        return affine.params["W"] * by, shift(affine.params["b"], mean, by, beta)

    return answer


def right_factor(gamma, variance, eps):
    return gamma / np.sqrt(variance + eps)


def right_shift(b, mean, by, beta):
    return (b - mean) * by + beta


folded = {
    "right_list": lambda affine, norm: list(fold(right_factor, right_shift)(affine, norm)),
    "wrong_eps_outside": fold(lambda g, v, eps: g / (np.sqrt(v) + eps), right_shift),
    "wrong_no_eps": fold(lambda g, v, eps: g / np.sqrt(v), right_shift),
    "wrong_variance_not_rooted": fold(lambda g, v, eps: g / (v + eps), right_shift),
    "wrong_no_gamma": fold(lambda g, v, eps: 1 / np.sqrt(v + eps), right_shift),
    "wrong_b_left_alone": fold(right_factor, lambda b, mean, by, beta: b - mean * by + beta),
    "wrong_no_mean": fold(right_factor, lambda b, mean, by, beta: b * by + beta),
    "wrong_no_beta": fold(right_factor, lambda b, mean, by, beta: (b - mean) * by),
    "wrong_beta_scaled": fold(right_factor, lambda b, mean, by, beta: (b - mean + beta) * by),
    "wrong_weights_alone": lambda affine, norm: fold(right_factor, right_shift)(affine, norm)[0],
}


def folded__wrong_rows(affine, norm):
    """The factors multiply rows."""
    W, b = fold(right_factor, right_shift)(affine, norm)
    by = W[0] / affine.params["W"][0]
    return affine.params["W"] * np.resize(by, len(W))[:, None], b


def folded__wrong_in_place(affine, norm):
    W, b = fold(right_factor, right_shift)(affine, norm)
    affine.params["W"][...] = W
    return W, b


# --- normalize -----------------------------------------------------------------------------------


def normalize__right_by_cases(X, state, training, decay=0.9, eps=1e-5):
    mean, variance = state["mean"], state["variance"]
    if training:
        renew_averages(state, X, decay)
        mean, variance = X.mean(axis=0), X.var(axis=0)
    return (X - mean) / np.sqrt(variance + eps)


def normalize__right_new_arrays(X, state, training, decay=0.9, eps=1e-5):
    if not training:
        return (X - state["mean"]) / np.sqrt(state["variance"] + eps)
    state["mean"] = decay * state["mean"] + (1 - decay) * X.mean(axis=0)
    state["variance"] = decay * state["variance"] + (1 - decay) * X.var(axis=0, ddof=1)
    return standardize(X, axis=0, eps=eps)[0]


def normalize__wrong_as_given(X, state, training, decay=0.9, eps=1e-5):
    if training:
        X_hat, _ = standardize(X, axis=0, eps=eps)
    else:
        X_hat = (X - state["mean"]) / np.sqrt(state["variance"] + eps)
    renew_averages(state, X, decay)
    return X_hat


def normalize__wrong_large_batches_only(X, state, training, decay=0.9, eps=1e-5):
    """No nan any more, but prediction still moves the averages."""
    answer = normalize__right_by_cases(X, state, training, decay, eps)
    if len(X) > 1 and not training:
        renew_averages(state, X, decay)
    return answer


def normalize__wrong_batch_statistics(X, state, training, decay=0.9, eps=1e-5):
    if training:
        renew_averages(state, X, decay)
    return standardize(X, axis=0, eps=eps)[0]


def normalize__wrong_averages_in_training(X, state, training, decay=0.9, eps=1e-5):
    if training:
        renew_averages(state, X, decay)
    return (X - state["mean"]) / np.sqrt(state["variance"] + eps)


def normalize__wrong_never_renews(X, state, training, decay=0.9, eps=1e-5):
    if training:
        return standardize(X, axis=0, eps=eps)[0]
    return (X - state["mean"]) / np.sqrt(state["variance"] + eps)


def normalize__wrong_biased(X, state, training, decay=0.9, eps=1e-5):
    if not training:
        return (X - state["mean"]) / np.sqrt(state["variance"] + eps)
    state["mean"] = decay * state["mean"] + (1 - decay) * X.mean(axis=0)
    state["variance"] = decay * state["variance"] + (1 - decay) * X.var(axis=0)
    return standardize(X, axis=0, eps=eps)[0]


# --- rms_norm_backward ---------------------------------------------------------------------------


def rms(X, eps):
    return 1 / np.sqrt(np.mean(X**2, axis=1, keepdims=True) + eps)


def rms_with(gradient):
    """An answer whose dX comes from dX_hat, X_hat and r."""

    def answer(dY, X, gamma, eps):
        r = rms(X, eps)
        return gradient(gamma * dY, r * X, r), np.sum(dY * r * X, axis=0)

    return answer


def rms_norm_backward__right_graph(dY, X, gamma, eps):
    """Through the mean square, node by node."""
    r = rms(X, eps)
    dX_hat = gamma * dY
    dr = np.sum(dX_hat * X, axis=1, keepdims=True)
    return [dX_hat * r - r**3 * dr * X / X.shape[1], np.einsum("nd,nd->d", dY, X * r)]


def rms_norm_backward__right_jacobian(dY, X, gamma, eps):
    r, D = rms(X, eps), X.shape[1]
    J = r[:, :, None] * (np.eye(D) - (r * X)[:, :, None] * (r * X)[:, None, :] / D)
    return np.einsum("ne,ned->nd", gamma * dY, J), np.sum(dY * r * X, axis=0)


def rms_norm_backward__wrong_gamma_late(dY, X, gamma, eps):
    dX, dgamma = right_rms(dY, X, np.ones_like(gamma), eps)
    return gamma * dX, dgamma


def rms_norm_backward__wrong_in_place(dY, X, gamma, eps):
    answer = right_rms(dY, X, gamma, eps)
    dY *= gamma
    return answer


right_rms = rms_with(lambda d, X_hat, r: r * (d - X_hat * np.mean(d * X_hat, 1, keepdims=True)))
rms_norm_backward = {
    "right_means": right_rms,
    "wrong_layer_norm": rms_with(
        lambda d, X_hat, r: (
            r * (d - np.mean(d, 1, keepdims=True) - X_hat * np.mean(d * X_hat, 1, keepdims=True))
        )
    ),
    "wrong_constant_r": rms_with(lambda d, X_hat, r: r * d),
    "wrong_sum": rms_with(lambda d, X_hat, r: r * (d - X_hat * np.sum(d * X_hat, 1)[:, None])),
    "wrong_columns": rms_with(lambda d, X_hat, r: r * (d - X_hat * np.mean(d * X_hat, axis=0))),
    "wrong_no_r": rms_with(lambda d, X_hat, r: d - X_hat * np.mean(d * X_hat, 1, keepdims=True)),
    "wrong_dgamma_rows": lambda dY, X, gamma, eps: (
        right_rms(dY, X, gamma, eps)[0],
        np.sum(dY * rms(X, eps) * X, axis=1),
    ),
    "wrong_dX_alone": lambda dY, X, gamma, eps: right_rms(dY, X, gamma, eps)[0],
    "wrong_no_eps": lambda dY, X, gamma, eps: right_rms(dY, X, gamma, 0.0),
}


# --- what the notebook derives -------------------------------------------------------------------


def standardize_backward__wrong_in_place(dX_hat, X_hat, scale, axis):
    dX_hat *= 0
    return dX_hat


def batch_norm_backward__wrong_in_place(dY, X, gamma, eps=1e-5):
    dY *= 0
    return dY, np.zeros_like(gamma), np.zeros_like(gamma)


def batch_norm_backward_graph__wrong_in_place(dY, X, gamma, eps=1e-5):
    dY *= 0
    return {"X": dY}
