"""Answers to the exercises of 19_autograd, right and wrong."""

import numpy as np

from cs231n_utils.taught.autograd import Tensor
from cs231n_utils.taught.losses import softmax
from cs231n_utils.taught.models import TwoLayerNet

tanh = {
    "right_from_exp": lambda U: 1 - 2 / ((2 * U).exp() + 1),
    "right_of_the_input": lambda U: type(U)(
        np.tanh(U.data), (U, lambda G: G / np.cosh(U.data) ** 2)
    ),
    "wrong_constant": lambda U: type(U)(np.tanh(U.data)),
    "wrong_array": lambda U: np.tanh(U.data),
    "wrong_derivative_of_the_input": lambda U: type(U)(
        np.tanh(U.data), (U, lambda G: G * (1 - U.data**2))
    ),
    "wrong_without_upstream": lambda U: type(U)(
        np.tanh(U.data), (U, lambda G: 1 - np.tanh(U.data) ** 2)
    ),
    "wrong_not_squared": lambda U: type(U)(
        np.tanh(U.data), (U, lambda G: G * (1 - np.tanh(U.data)))
    ),
    "wrong_sigmoid": lambda U: 1 / (1 + (-U).exp()),
}


def repaired_backward__right_copies(end):
    end.grad = np.ones_like(end.data)
    for node in end.order():
        for parent, vjp in node.parents:
            if parent.grad is None:
                parent.grad = np.zeros_like(parent.data)
            parent.grad += vjp(node.grad)


def repaired_backward__right_engine(end):
    end.backward()


def repaired_backward__right_copy_of_the_first(end):
    end.grad = np.ones_like(end.data)
    for node in end.order():
        for parent, vjp in node.parents:
            share = vjp(node.grad)
            if parent.grad is None:
                parent.grad = share.copy()
            else:
                parent.grad += share


def repaired_backward__wrong_suspect(end):
    end.grad = np.ones_like(end.data)
    for node in end.order():
        for parent, vjp in node.parents:
            share = vjp(node.grad)
            if parent.grad is None:
                parent.grad = share
            else:
                parent.grad += share


def repaired_backward__wrong_overwrites(end):
    end.grad = np.ones_like(end.data)
    for node in end.order():
        for parent, vjp in node.parents:
            parent.grad = vjp(node.grad)


def repaired_backward__wrong_copies_the_later_share(end):
    end.grad = np.ones_like(end.data)
    for node in end.order():
        for parent, vjp in node.parents:
            share = vjp(node.grad).copy() if parent.grad is not None else vjp(node.grad)
            if parent.grad is None:
                parent.grad = share
            else:
                parent.grad += share


def repaired_backward__wrong_copies_after_the_vjps(end):
    repaired_backward__wrong_suspect(end)
    for node in end.order():
        node.grad = node.grad.copy()


def repaired_backward__wrong_inputs_alone(end):
    end.backward()
    for node in end.order():
        node.grad = None if node.parents else node.grad


def repaired_backward__wrong_order(end):
    end.grad = np.ones_like(end.data)
    waiting = [end]
    while waiting:
        node = waiting.pop(0)
        for parent, vjp in node.parents:
            share = vjp(node.grad)
            parent.grad = share if parent.grad is None else parent.grad + share
            waiting.append(parent)


def tangents(X, params, along):
    """What the right answer to `scores_along` goes through."""
    Z = X @ params["W1"] + params["b1"]
    Z_dot = X @ along["W1"] + along["b1"]
    return np.maximum(Z, 0), (Z > 0) * Z_dot, Z_dot


def scores_along__right_list(X, params, along):
    A, A_dot, _ = tangents(X, params, along)
    S_dot = along["b2"] + A_dot @ params["W2"] + A @ along["W2"]
    return [A @ params["W2"] + params["b2"], S_dot]


def scores_along__wrong_no_bias(X, params, along):
    A, _, _ = tangents(X, params, along)
    A_dot = (X @ params["W1"] + params["b1"] > 0) * (X @ along["W1"])
    S_dot = A_dot @ params["W2"] + A @ along["W2"] + along["b2"]
    return A @ params["W2"] + params["b2"], S_dot


def scores_along__wrong_half_a_product(X, params, along):
    A, A_dot, _ = tangents(X, params, along)
    return A @ params["W2"] + params["b2"], A_dot @ params["W2"] + along["b2"]


def scores_along__wrong_product_of_tangents(X, params, along):
    A, A_dot, _ = tangents(X, params, along)
    return A @ params["W2"] + params["b2"], A_dot @ along["W2"] + along["b2"]


def scores_along__wrong_without_mask(X, params, along):
    A, _, Z_dot = tangents(X, params, along)
    S_dot = Z_dot @ params["W2"] + A @ along["W2"] + along["b2"]
    return A @ params["W2"] + params["b2"], S_dot


def scores_along__wrong_relu_of_the_tangent(X, params, along):
    A, _, Z_dot = tangents(X, params, along)
    S_dot = np.maximum(Z_dot, 0) @ params["W2"] + A @ along["W2"] + along["b2"]
    return A @ params["W2"] + params["b2"], S_dot


def scores_along__wrong_scores_of_the_direction(X, params, along):
    A, _, _ = tangents(X, params, along)
    S_dot = np.maximum(X @ along["W1"] + along["b1"], 0) @ along["W2"] + along["b2"]
    return A @ params["W2"] + params["b2"], S_dot


def scores_along__wrong_tangent_alone(X, params, along):
    A, A_dot, _ = tangents(X, params, along)
    return A_dot @ params["W2"] + A @ along["W2"] + along["b2"]


def slope_of(X, y, params, along, *, mask=True, constant_probabilities=False, total=False):
    """The gradient of the loss's slope, with one step left out or wrong."""
    leaf = {name: Tensor(value) for name, value in params.items()}
    Z = X @ leaf["W1"] + leaf["b1"]
    A_dot = (Z.data > 0 if mask else 1.0) * (X @ along["W1"] + along["b1"])
    S = Z.relu() @ leaf["W2"] + leaf["b2"]
    S_dot = A_dot @ leaf["W2"] + Z.relu() @ along["W2"] + along["b2"]
    E = S.exp()
    P = softmax(S.data) if constant_probabilities else E / E.sum(axis=1, keepdims=True)
    slopes = (P * S_dot).sum(axis=1) - S_dot[np.arange(len(y)), y]
    (slopes.sum() if total else slopes.mean()).backward()
    zeros = {name: np.zeros_like(value) for name, value in params.items()}
    return {name: zeros[name] if leaf[name].grad is None else leaf[name].grad for name in zeros}


def hessian_vector__right_differences(X, y, params, along):
    model = TwoLayerNet(X.shape[1], len(params["b1"]), len(params["b2"]))
    grads = []
    for t in (1e-5, -1e-5):
        model.params = {name: value + t * along[name] for name, value in params.items()}
        grads.append(model.loss(X, y)[1])
    return {name: (grads[0][name] - grads[1][name]) / 2e-5 for name in params}


def hessian_vector__right_by_hand(X, y, params, along):
    """The tangent of the backward pass, all in arrays: Pearlmutter's way."""
    A, A_dot, _ = tangents(X, params, along)
    S = A @ params["W2"] + params["b2"]
    S_dot = A_dot @ params["W2"] + A @ along["W2"] + along["b2"]
    P = softmax(S)
    P_dot = P * (S_dot - np.sum(P * S_dot, axis=1, keepdims=True))
    dS, dS_dot = (P - np.eye(S.shape[1])[y]) / len(y), P_dot / len(y)
    dZ_dot = (A > 0) * (dS_dot @ params["W2"].T + dS @ along["W2"].T)
    return {
        "W1": X.T @ dZ_dot,
        "b1": dZ_dot.sum(axis=0),
        "W2": A_dot.T @ dS + A.T @ dS_dot,
        "b2": dS_dot.sum(axis=0),
    }


def hessian_vector__wrong_constant_probabilities(X, y, params, along):
    return slope_of(X, y, params, along, constant_probabilities=True)


def hessian_vector__wrong_without_mask(X, y, params, along):
    return slope_of(X, y, params, along, mask=False)


def hessian_vector__wrong_sum(X, y, params, along):
    return slope_of(X, y, params, along, total=True)


def hessian_vector__wrong_gradient(X, y, params, along):
    model = TwoLayerNet(X.shape[1], len(params["b1"]), len(params["b2"]))
    model.params = params
    return model.loss(X, y)[1]


def hessian_vector__wrong_gradient_times_v(X, y, params, along):
    gradient = hessian_vector__wrong_gradient(X, y, params, along)
    return {name: gradient[name] * along[name] for name in along}


def hessian_vector__wrong_one_number(X, y, params, along):
    gradient = hessian_vector__wrong_gradient(X, y, params, along)
    return sum(np.sum(gradient[name] * along[name]) for name in along)


def unbroadcast__wrong_in_place(G, shape):
    G *= 0
    return np.zeros(shape)


def tanh__wrong_in_place(U):
    U.data *= 0
    return Tensor(0 * U.data, (U, lambda G: 0 * G))


def scores_along__wrong_in_place(X, params, along):
    X *= 0
    return scores_along__right_list(X, params, along)


def hessian_vector__wrong_in_place(X, y, params, along):
    X *= 0
    return hessian_vector__right_by_hand(X, y, params, along)
