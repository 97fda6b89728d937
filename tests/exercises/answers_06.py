"""Answers to the exercises of 06_two_layer_net, right and wrong."""

import numpy as np

from cs231n_utils.taught.layers import affine_backward, relu, relu_backward
from cs231n_utils.taught.losses import softmax_loss

RIGHT = {
    "no mask": {"W1", "b1"},
    "no mean": {"W1", "b1", "W2", "b2"},
    "Z for A": {"W2"},
    "penalty twice": {"W1", "W2"},
}


wrong_gradients = {
    "right_lists": lambda: {fault: sorted(names) for fault, names in RIGHT.items()},
    "wrong_reaches_back": lambda: RIGHT | {"Z for A": {"W1", "W2"}},
    "wrong_biases_penalised": lambda: RIGHT | {"penalty twice": {"W1", "b1", "W2", "b2"}},
    "wrong_bias_forgotten": lambda: RIGHT | {"no mask": {"W1"}},
    "wrong_last_layer_only": lambda: RIGHT | {"no mean": {"W2", "b2"}},
}


def wrong_gradients__wrong_one_fault_missing():
    return {fault: RIGHT[fault] for fault in ("no mask", "no mean", "Z for A")}


def leaky(params, X, y, reg, *, forward, backward, penalty=1.0, decay=1.0):
    """The leaky network with its parts to choose: A from Z, dZ from dA and Z, two factors."""
    Z = X @ params["W1"] + params["b1"]
    A = forward(Z)
    loss, dS = softmax_loss(A @ params["W2"] + params["b2"], y)
    dZ = backward(dS @ params["W2"].T, Z)
    squares = np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2)
    return loss + penalty * 0.5 * reg * squares, {
        "b2": dS.sum(axis=0),
        "W2": A.T @ dS + decay * reg * params["W2"],
        "b1": dZ.sum(axis=0),
        "W1": X.T @ dZ + decay * reg * params["W1"],
    }


def leaky_loss__right_two_relus(params, X, y, reg, slope):
    return leaky(
        params, X, y, reg,
        forward=lambda Z: relu(Z) - slope * relu(-Z),
        backward=lambda dA, Z: relu_backward(dA, Z) + slope * relu_backward(dA, -Z),
    )  # fmt: skip


def leaky_loss__right_maximum(params, X, y, reg, slope):
    return leaky(
        params, X, y, reg,
        forward=lambda Z: np.maximum(Z, slope * Z),
        backward=lambda dA, Z: np.where(Z > 0, dA, slope * dA),
    )  # fmt: skip


def leaky_loss__wrong_relu_backward(params, X, y, reg, slope):
    return leaky(
        params, X, y, reg,
        forward=lambda Z: np.maximum(Z, slope * Z),
        backward=relu_backward,
    )  # fmt: skip


def leaky_loss__wrong_relu_forward(params, X, y, reg, slope):
    return leaky(
        params, X, y, reg,
        forward=relu,
        backward=lambda dA, Z: np.where(Z > 0, dA, slope * dA),
    )  # fmt: skip


def leaky_loss__wrong_relu_in_both(params, X, y, reg, slope):
    return leaky(params, X, y, reg, forward=relu, backward=relu_backward)


def leaky_loss__wrong_no_penalty(params, X, y, reg, slope):
    return leaky_loss__right_maximum(params, X, y, 0.0, slope)


def leaky_loss__wrong_penalty_without_half(params, X, y, reg, slope):
    return leaky_loss__right_maximum(params, X, y, 2 * reg, slope)


def leaky_loss__wrong_no_decay(params, X, y, reg, slope):
    return leaky(
        params, X, y, reg,
        forward=lambda Z: np.maximum(Z, slope * Z),
        backward=lambda dA, Z: np.where(Z > 0, dA, slope * dA),
        decay=0.0,
    )  # fmt: skip


def leaky_loss__wrong_no_dictionary(params, X, y, reg, slope):
    loss, grads = leaky_loss__right_maximum(params, X, y, reg, slope)
    return loss, *grads.values()


def deep(params, X, y, reg, *, first=relu, second=relu):
    """Three layers, with the functions between them to choose: relu, or none."""
    Z1 = X @ params["W1"] + params["b1"]
    A1 = first(Z1)
    Z2 = A1 @ params["W2"] + params["b2"]
    A2 = second(Z2)
    loss, dS = softmax_loss(A2 @ params["W3"] + params["b3"], y)
    dA2, dW3, db3 = affine_backward(dS, A2, params["W3"])
    dZ2 = relu_backward(dA2, Z2) if second is relu else dA2
    dA1, dW2, db2 = affine_backward(dZ2, A1, params["W2"])
    dZ1 = relu_backward(dA1, Z1) if first is relu else dA1
    _, dW1, db1 = affine_backward(dZ1, X, params["W1"])
    grads = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "W3": dW3, "b3": db3}
    for name in ("W1", "W2", "W3"):
        loss += 0.5 * reg * np.sum(params[name] ** 2)
        grads[name] = grads[name] + reg * params[name]
    return loss, grads


three_layer_loss = {
    "right_affine_backward": lambda params, X, y, reg: deep(params, X, y, reg),
    "wrong_one_relu": lambda params, X, y, reg: deep(params, X, y, reg, second=lambda Z: Z),
    "wrong_no_penalty": lambda params, X, y, reg: deep(params, X, y, 0.0),
    "wrong_penalty_without_half": lambda params, X, y, reg: deep(params, X, y, 2 * reg),
}


def three_layer_loss__right_masks_of_activations(params, X, y, reg):
    A = [X]
    for layer in "12":
        A.append(np.maximum(A[-1] @ params["W" + layer] + params["b" + layer], 0))
    loss, upstream = softmax_loss(A[2] @ params["W3"] + params["b3"], y)
    grads = {}
    for layer, inputs in zip("321", reversed(A), strict=True):
        W = params["W" + layer]
        grads["W" + layer] = inputs.T @ upstream + reg * W
        grads["b" + layer] = upstream.sum(axis=0)
        upstream = upstream @ W.T * (inputs > 0)
        loss += reg / 2 * (W**2).sum()
    return loss, grads


def three_layer_loss__wrong_linear(params, X, y, reg):
    return deep(params, X, y, reg, first=lambda Z: Z, second=lambda Z: Z)


def three_layer_loss__wrong_last_layer_not_penalised(params, X, y, reg):
    loss, grads = deep(params, X, y, reg)
    return loss, grads | {"W3": grads["W3"] - reg * params["W3"]}


def three_layer_loss__wrong_mean_for_sum(params, X, y, reg):
    loss, grads = deep(params, X, y, reg)
    return loss, grads | {"b1": grads["b1"] / len(X)}


def three_layer_loss__wrong_no_dictionary(params, X, y, reg):
    loss, grads = deep(params, X, y, reg)
    return loss, tuple(grads.values())


def three_layer_loss__wrong_biases_penalised(params, X, y, reg):
    loss, grads = deep(params, X, y, reg)
    for name in ("b1", "b2", "b3"):
        loss += 0.5 * reg * np.sum(params[name] ** 2)
        grads[name] = grads[name] + reg * params[name]
    return loss, grads
