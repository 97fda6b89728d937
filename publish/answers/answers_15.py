"""Answers to the exercises of 15_regularization, right and wrong."""

import numpy as np

keep_prob_for = {
    "right_variance": lambda noise: float(np.divide(1, noise * noise + 1)),
    "right_power": lambda noise: (1 + noise**2) ** -1.0,
    "wrong_not_squared": lambda noise: 1 / (1 + noise),
    "wrong_share_that_goes": lambda noise: noise**2 / (1 + noise**2),
    "wrong_without_scale": lambda noise: 0.5 + np.sqrt(max(0.25 - noise**2, 0)),
    "wrong_difference": lambda noise: 1 - noise**2,
    "wrong_half": lambda noise: 0.5,
}


def dropout_forward__right_as_one(X, keep_prob, training, memory, rng):
    share = keep_prob if training else 1.0
    memory["mask"] = (rng.random(X.shape) < share) / share
    return X * memory["mask"]


def dropout_forward__right_number(X, keep_prob, training, memory, rng):
    if not training:
        memory["mask"] = 1.0
        return X
    memory["mask"] = rng.binomial(1, keep_prob, X.shape) / keep_prob
    return X * memory["mask"]


def dropout_forward__wrong_as_given(X, keep_prob, training, memory, rng):
    if not training:
        return X
    memory["mask"] = (rng.random(X.shape) < keep_prob) / keep_prob
    return X * memory["mask"]


def dropout_forward__wrong_prediction_scaled(X, keep_prob, training, memory, rng):
    memory["mask"] = (
        (rng.random(X.shape) < keep_prob) / keep_prob if training else np.full(X.shape, keep_prob)
    )
    return X * memory["mask"]


def dropout_forward__wrong_scale_forgotten(X, keep_prob, training, memory, rng):
    memory["mask"] = (rng.random(X.shape) < keep_prob) * 1.0 if training else np.ones(X.shape)
    return X * memory["mask"]


def dropout_forward__wrong_forgets_the_mask(X, keep_prob, training, memory, rng):
    memory["mask"] = np.ones(X.shape)
    return X * (rng.random(X.shape) < keep_prob) / keep_prob if training else X


def dropout_forward__wrong_mask_of_prediction(X, keep_prob, training, memory, rng):
    memory["mask"] = (rng.random(X.shape) < keep_prob) / keep_prob
    return X * memory["mask"] if training else X


def dropout_forward__wrong_one_mask(X, keep_prob, training, memory, rng):
    rng = np.random.default_rng(0)
    memory["mask"] = (rng.random(X.shape) < keep_prob) / keep_prob if training else np.ones(X.shape)
    return X * memory["mask"]


def dropout_forward__wrong_in_place(X, keep_prob, training, memory, rng):
    memory["mask"] = (rng.random(X.shape) < keep_prob) / keep_prob if training else np.ones(X.shape)
    X *= memory["mask"]
    return X


def limit_norms__right_loop(W, most):
    limited = W.copy()
    for column in limited.T:
        norm = np.linalg.norm(column)
        if norm > most:
            column *= most / norm
    return limited


def limit_norms__right_in_place(W, most):
    norms = np.linalg.norm(W, axis=0)
    W[:, norms > most] *= most / norms[norms > most]
    return W


def limit_norms__wrong_rows(W, most):
    return W * (most / np.maximum(np.linalg.norm(W, axis=1, keepdims=True), most))


def limit_norms__wrong_whole_matrix(W, most):
    return W * (most / max(np.linalg.norm(W), most))


def limit_norms__wrong_entries(W, most):
    return np.clip(W, -most, most)


def limit_norms__wrong_short_ones_stretched(W, most):
    return W * (most / np.maximum(np.linalg.norm(W, axis=0), 1e-300))


def limit_norms__wrong_divided_by_zero(W, most):
    norms = np.linalg.norm(W, axis=0)
    return W / norms * np.minimum(norms, most)


def limit_norms__wrong_squared_norm(W, most):
    return W * (most / np.maximum(np.sum(W**2, axis=0), most))


def limit_norms__wrong_too_short(W, most):
    return 0.9 * limit_norms__right_loop(W, most)


def limit_norms__wrong_clipped_inside(W, most):
    return np.clip(W, -most, most) / max(1.0, np.sqrt(len(W)))
