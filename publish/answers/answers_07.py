"""Answers to the exercises of 07_two_layer_net, right and wrong."""

from functools import partial

import numpy as np

from cs231n_utils.taught.layers import affine_backward, relu, relu_backward
from cs231n_utils.taught.losses import softmax_loss
from cs231n_utils.taught.models import forward as by_layers

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
    "wrong_one_fault_missing": lambda: {fault: RIGHT[fault] for fault in list(RIGHT)[:3]},
}


def leaky(params, X, y, reg, slope, *, forward=None, backward=None, decay=1.0):
    """The leaky network with its parts to choose: A from Z, dZ from dA and Z, weight decay."""
    Z = X @ params["W1"] + params["b1"]
    A = forward(Z, slope) if forward else np.maximum(Z, slope * Z)
    loss, dS = softmax_loss(A @ params["W2"] + params["b2"], y)
    dA = dS @ params["W2"].T
    dZ = backward(dA, Z, slope) if backward else np.where(Z > 0, dA, slope * dA)
    squares = np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2)
    return loss + 0.5 * reg * squares, {
        "b2": dS.sum(axis=0),
        "W2": A.T @ dS + decay * reg * params["W2"],
        "b1": dZ.sum(axis=0),
        "W1": X.T @ dZ + decay * reg * params["W1"],
    }


leaky_loss = {
    "right_maximum": leaky,
    "right_two_relus": partial(
        leaky,
        forward=lambda Z, slope: relu(Z) - slope * relu(-Z),
        backward=lambda dA, Z, slope: relu_backward(dA, Z) + slope * relu_backward(dA, -Z),
    ),
    "wrong_relu_backward": partial(leaky, backward=lambda dA, Z, slope: relu_backward(dA, Z)),
    "wrong_relu_forward": partial(leaky, forward=lambda Z, slope: relu(Z)),
    "wrong_relu_in_both": lambda params, X, y, reg, slope: leaky(params, X, y, reg, 0.0),
    "wrong_no_penalty": lambda params, X, y, reg, slope: leaky(params, X, y, 0.0, slope),
    "wrong_penalty_without_half": lambda p, X, y, reg, slope: leaky(p, X, y, 2 * reg, slope),
    "wrong_no_decay": partial(leaky, decay=0.0),
}


def leaky_loss__wrong_no_dictionary(params, X, y, reg, slope):
    loss, grads = leaky(params, X, y, reg, slope)
    return loss, *grads.values()


def own(params, X, y, reg, *, behind=False, bias="dZ", decay=1.0):
    """The two-layer network, its bias before or behind ReLU, and which array db1 sums."""
    Z = X @ params["W1"] + (0 if behind else params["b1"])
    A = relu(Z) + (params["b1"] if behind else 0)
    loss, dS = softmax_loss(A @ params["W2"] + params["b2"], y)
    dA, dW2, db2 = affine_backward(dS, A, params["W2"])
    dZ = relu_backward(dA, Z)
    squares = np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2)
    return loss + 0.5 * reg * squares, {
        "W1": X.T @ dZ + decay * reg * params["W1"],
        "b1": {"dZ": dZ, "dA": dA}[bias].sum(axis=0),
        "W2": dW2 + decay * reg * params["W2"],
        "b2": db2,
    }


own_loss = {
    "right_affine_backward": own,
    "right_list": lambda params, X, y, reg: list(own(params, X, y, reg)),
    "wrong_as_it_was": partial(own, behind=True, bias="dA"),
    "wrong_half_repaired": partial(own, bias="dA"),
    "wrong_gradient_only": partial(own, behind=True),
    "wrong_no_decay": partial(own, decay=0.0),
    "wrong_decay_twice": partial(own, decay=2.0),
    "wrong_no_penalty": lambda params, X, y, reg: own(params, X, y, 0.0),
    "wrong_loss_alone": lambda params, X, y, reg: own(params, X, y, reg)[0],
}


def own_loss__wrong_without_biases(params, X, y, reg):
    loss, grads = own(params, X, y, reg)
    return loss, {"W1": grads["W1"], "W2": grads["W2"]}


WEIGHTS = ("W1", "W2", "W3")
ALL = (*WEIGHTS, "b1", "b2", "b3")


def deep(params, X, y, reg, *, first=True, second=True, penalised=WEIGHTS, decayed=WEIGHTS):
    """Three layers, with their ReLUs, the penalty and its gradient to choose."""
    Z1 = X @ params["W1"] + params["b1"]
    A1 = relu(Z1) if first else Z1
    Z2 = A1 @ params["W2"] + params["b2"]
    A2 = relu(Z2) if second else Z2
    loss, dS = softmax_loss(A2 @ params["W3"] + params["b3"], y)
    dA2, dW3, db3 = affine_backward(dS, A2, params["W3"])
    dZ2 = relu_backward(dA2, Z2) if second else dA2
    dA1, dW2, db2 = affine_backward(dZ2, A1, params["W2"])
    dZ1 = relu_backward(dA1, Z1) if first else dA1
    _, dW1, db1 = affine_backward(dZ1, X, params["W1"])
    grads = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "W3": dW3, "b3": db3}
    loss += 0.5 * reg * sum(np.sum(params[name] ** 2) for name in penalised)
    return loss, grads | {name: grads[name] + reg * params[name] for name in decayed}


three_layer_loss = {
    "right_affine_backward": deep,
    "wrong_one_relu": partial(deep, second=False),
    "wrong_linear": partial(deep, first=False, second=False),
    "wrong_no_penalty": lambda params, X, y, reg: deep(params, X, y, 0.0),
    "wrong_last_layer_not_penalised": partial(deep, decayed=("W1", "W2")),
    "wrong_biases_penalised": partial(deep, penalised=ALL, decayed=ALL),
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


def three_layer_loss__wrong_mean_for_sum(params, X, y, reg):
    loss, grads = deep(params, X, y, reg)
    return loss, grads | {"b1": grads["b1"] / len(X)}


def three_layer_loss__wrong_no_dictionary(params, X, y, reg):
    loss, grads = deep(params, X, y, reg)
    return loss, tuple(grads.values())


def forward__wrong_in_place(params, X):
    X *= 0
    return by_layers(params, X)


def own_loss__wrong_in_place(params, X, y, reg):
    X *= 0
    return own(params, X, y, reg)


def leaky_loss__wrong_in_place(params, X, y, reg, slope):
    X *= 0
    return leaky(params, X, y, reg, slope)


def three_layer_loss__wrong_in_place(params, X, y, reg):
    X *= 0
    return deep(params, X, y, reg)
