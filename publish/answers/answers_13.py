"""Answers to the exercises of 13_deep_networks, right and wrong."""

from functools import partial

import numpy as np

from cs231n_utils.taught.losses import softmax_loss

mean_square_factor = {
    "right_step_by_step": lambda std, width, depth: np.prod(np.full(depth, width * std**2 / 2)),
    "right_by_hes_std": lambda std, width, depth: (std / np.sqrt(2 / width)) ** (2 * depth),
    "wrong_no_relu": lambda std, width, depth: (width * std**2) ** depth,
    "wrong_root_of_it": lambda std, width, depth: (np.sqrt(width / 2) * std) ** depth,
    "wrong_one_map": lambda std, width, depth: width * std**2 / 2,
    "wrong_product_for_power": lambda std, width, depth: depth * width * std**2 / 2,
    "wrong_std_not_squared": lambda std, width, depth: (width * std / 2) ** depth,
}


def in_halves(net, X, y, *, late=False, halves=(0, 1), combine=lambda a, b: (a + b) / 2):
    """Gradients of halves of a batch, combined; `late` runs all forward passes first."""
    half = len(X) // 2
    parts = [(X[:half], y[:half]), (X[half:], y[half:])]
    found = []
    for number in halves:
        X_part, y_part = parts[number]
        _, dS = softmax_loss(net.scores(X_part), y_part)
        if late:
            net.scores(parts[1][0])
        net.backward(dS)
        found.append(net.grads)
    return {key: combine(found[0][key], found[1][key]) for key in net.params}


def gradient_in_halves__right_by_loss(net, X, y):
    half = len(X) // 2
    _, first = net.loss(X[:half], y[:half])
    _, second = net.loss(X[half:], y[half:])
    return {key: 0.5 * first[key] + 0.5 * second[key] for key in first}


def gradient_in_halves__right_forward_again(net, X, y):
    half = len(X) // 2
    parts = [(X[:half], y[:half]), (X[half:], y[half:])]
    upstream = [softmax_loss(net.scores(X_part), y_part)[1] for X_part, y_part in parts]
    total = dict.fromkeys(net.params, 0.0)
    for (X_part, _), dS in zip(parts, upstream, strict=True):
        net.scores(X_part)
        net.backward(dS)
        total = {key: total[key] + net.grads[key] / 2 for key in total}
    return total


def gradient_in_halves__right_one_softmax(net, X, y):
    half = len(X) // 2
    S = np.concatenate([net.scores(X[:half]), net.scores(X[half:])])
    _, dS = softmax_loss(S, y)
    net.backward(dS[half:])
    second = net.grads
    net.scores(X[:half])
    net.backward(dS[:half])
    return {key: net.grads[key] + second[key] for key in second}


def gradient_in_halves__wrong_steps_on_the_way(net, X, y):
    half = len(X) // 2
    _, first = net.loss(X[:half], y[:half])
    net.params["0.W"] -= 0.1 * first["0.W"]
    _, second = net.loss(X[half:], y[half:])
    return {key: (first[key] + second[key]) / 2 for key in first}


gradient_in_halves = {
    "right_reversed": partial(in_halves, halves=(1, 0)),
    "wrong_as_given": partial(in_halves, late=True),
    "wrong_first_half_twice": partial(in_halves, halves=(0, 0)),
    "wrong_sum": partial(in_halves, combine=lambda a, b: a + b),
    "wrong_last_half_only": partial(in_halves, combine=lambda a, b: b),
    "wrong_whole_batch": lambda net, X, y: net.loss(X, y)[1],
    "wrong_no_dict": lambda net, X, y: list(in_halves(net, X, y).values()),
    "wrong_weights_only": lambda net, X, y: {
        key: gradient for key, gradient in in_halves(net, X, y).items() if key.endswith("W")
    },
}

leaky_std = {
    "right_share_of_hes": lambda D, slope: np.sqrt(2 / D) / np.sqrt(1 + slope * slope),
    "right_power": lambda D, slope: float((D * (0.5 + 0.5 * slope**2)) ** -0.5),
    "wrong_he": lambda D, slope: np.sqrt(2 / D),
    "wrong_slope_not_squared": lambda D, slope: np.sqrt(2 / ((1 + slope) * D)),
    "wrong_variance": lambda D, slope: 2 / ((1 + slope**2) * D),
    "wrong_slope_subtracted": lambda D, slope: np.sqrt(2 / ((1 - slope / 2) * D)),
    "wrong_no_half": lambda D, slope: np.sqrt(1 / ((1 + slope**2) * D)),
    "wrong_nearly": lambda D, slope: 1.001 * np.sqrt(2 / ((1 + slope**2) * D)),
}


def gated_backward__right_list(dY, F, alpha, f):
    dV = dY
    dalpha = sum(float(dV_row @ F_row) for dV_row, F_row in zip(dV, F, strict=True))
    return [dV + f.backward(dV * alpha), dalpha]


def gated_backward__right_an_array(dY, F, alpha, f):
    dX = dY.copy()
    dX += f.backward(alpha * dY)
    return dX, np.array([np.vdot(dY, F)])


def gated_backward__wrong_scaled_too_late(dY, F, alpha, f):
    return dY + alpha * f.backward(dY), np.sum(dY * F)  # the gradients of f are not scaled


def gated_backward__wrong_writes_into_dY(dY, F, alpha, f):  # noqa: N802
    dalpha = np.sum(dY * F)
    dY += f.backward(alpha * dY)
    return dY, dalpha


gated_backward = {
    "wrong_no_alpha": lambda dY, F, alpha, f: (dY + f.backward(dY), np.sum(dY * F)),
    "wrong_no_direct_path": lambda dY, F, alpha, f: (f.backward(alpha * dY), np.sum(dY * F)),
    "wrong_direct_path_only": lambda dY, F, alpha, f: (dY, np.sum(dY * F)),
    "wrong_alpha_on_both": lambda dY, F, alpha, f: (
        alpha * dY + f.backward(alpha * dY),
        np.sum(dY * F),
    ),
    "wrong_dalpha_by_entry": lambda dY, F, alpha, f: (dY + f.backward(alpha * dY), dY * F),
    "wrong_dalpha_mean": lambda dY, F, alpha, f: (dY + f.backward(alpha * dY), np.mean(dY * F)),
    "wrong_dalpha_times_alpha": lambda dY, F, alpha, f: (
        dY + f.backward(alpha * dY),
        alpha * np.sum(dY * F),
    ),
    "wrong_dX_alone": lambda dY, F, alpha, f: dY + f.backward(alpha * dY),
}
