"""Answers to the exercises of 17_convnet, right and wrong."""

from concurrent.futures import as_completed

import numpy as np

from cs231n_utils.taught.losses import softmax

share_of_crops_for = {
    "right_difference": lambda work, small, size: (1 - work) / (1 - small**2 / size**2),
    "right_pixels": lambda work, small, size: size**2 * (1 - work) / (size**2 - small**2),
    "wrong_not_squared": lambda work, small, size: (1 - work) / (1 - small / size),
    "wrong_share_of_whole_images": lambda work, small, size: (
        1 - (1 - work) / (1 - (small / size) ** 2)
    ),
    "wrong_upside_down": lambda work, small, size: (1 - work) / ((size / small) ** 2 - 1),
    "wrong_crops_cost_nothing": lambda work, small, size: 1 - work,
    "wrong_work_alone": lambda work, small, size: work / (small / size) ** 2,
}


def in_slices__right_map(task, models, X, threads):
    return list(threads.map(task, models, np.array_split(X, len(models))))


def in_slices__right_put_back(task, models, X, threads):
    place = {}
    for number, (model, part) in enumerate(
        zip(models, np.array_split(X, len(models)), strict=True)
    ):
        place[threads.submit(task, model, part)] = number
    results = [None] * len(models)
    for each in as_completed(place):
        results[place[each]] = each.result()
    return results


def in_slices__wrong_as_given(task, models, X, threads):
    parts = np.array_split(X, len(models))
    running = [threads.submit(task, *each) for each in zip(models, parts, strict=True)]
    return [each.result() for each in as_completed(running)]


def in_slices__wrong_one_after_another(task, models, X, threads):
    parts = np.array_split(X, len(models))
    return [threads.submit(task, *each).result() for each in zip(models, parts, strict=True)]


def in_slices__wrong_without_threads(task, models, X, threads):
    return [task(*each) for each in zip(models, np.array_split(X, len(models)), strict=True)]


def in_slices__wrong_one_model(task, models, X, threads):
    parts = np.array_split(X, len(models))
    return list(threads.map(task, [models[0]] * len(models), parts))


def in_slices__wrong_models_turned_round(task, models, X, threads):
    return list(threads.map(task, models[::-1], np.array_split(X, len(models))))


def in_slices__wrong_order_turned_round(task, models, X, threads):
    return list(threads.map(task, models, np.array_split(X, len(models))))[::-1]


def in_slices__wrong_futures(task, models, X, threads):
    parts = np.array_split(X, len(models))
    return [threads.submit(task, *each) for each in zip(models, parts, strict=True)]


def folded__right_by_division(conv, norm):
    deviation = np.sqrt(norm.state["variance"] + norm.eps)
    W = conv.params["W"] * norm.params["gamma"] / deviation
    shift = norm.params["gamma"] * (conv.params["b"] - norm.state["mean"]) / deviation
    return W, shift + norm.params["beta"]


def folded__right_by_trying(conv, norm):
    count = norm.input_size
    at_zero = norm.forward(np.zeros((1, count)))[0]
    slope = norm.forward(np.ones((1, count)))[0] - at_zero
    return [conv.params["W"] * slope, norm.forward(conv.params["b"][None])[0]]


def _folded(conv, norm, eps=None, mean=1.0, beta=1.0, bias=True, root=0.5):
    variance = norm.state["variance"] + (norm.eps if eps is None else eps)
    scale = norm.params["gamma"] / variance**root
    b = (conv.params["b"] * bias - mean * norm.state["mean"]) * scale + beta * norm.params["beta"]
    return conv.params["W"] * scale, b


folded = {
    "wrong_without_eps": lambda conv, norm: _folded(conv, norm, eps=0.0),
    "wrong_variance_for_deviation": lambda conv, norm: _folded(conv, norm, root=1.0),
    "wrong_mean_added": lambda conv, norm: _folded(conv, norm, mean=-1.0),
    "wrong_mean_forgotten": lambda conv, norm: _folded(conv, norm, mean=0.0),
    "wrong_beta_forgotten": lambda conv, norm: _folded(conv, norm, beta=0.0),
    "wrong_bias_forgotten": lambda conv, norm: _folded(conv, norm, bias=False),
    "wrong_beta_scaled": lambda conv, norm: (
        _folded(conv, norm)[0],
        (conv.params["b"] - norm.state["mean"] + norm.params["beta"])
        * norm.params["gamma"]
        / np.sqrt(norm.state["variance"] + norm.eps),
    ),
    "wrong_gamma_forgotten": lambda conv, norm: (
        conv.params["W"] / np.sqrt(norm.state["variance"] + norm.eps),
        _folded(conv, norm)[1],
    ),
    "wrong_filters_alone": lambda conv, norm: (_folded(conv, norm)[0], conv.params["b"]),
}


def folded__wrong_in_place(conv, norm):
    W, b = _folded(conv, norm)
    conv.params["W"][...], conv.params["b"][...] = W, b
    return W, b


def mirrored_probabilities__wrong_in_place(model, images):
    images *= 0
    return softmax(model.scores(images))
