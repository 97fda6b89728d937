"""Answers to the exercises of 18_looking_inside, right and wrong."""

import numpy as np

from cs231n_utils.taught.adversarial import sign_step
from cs231n_utils.taught.losses import softmax, softmax_loss
from cs231n_utils.taught.saliency import score_gradient

longest_push = {
    "right_norm": lambda w, eps: eps * w / np.linalg.norm(w.ravel()),
    "right_cosine": lambda w, eps: w * np.sqrt(eps**2 / np.sum(w * w)),
    "wrong_signs": lambda w, eps: eps * np.sign(w),
    "wrong_signs_of_this_length": lambda w, eps: eps * np.sign(w) / np.sqrt(w.size),
    "wrong_not_divided": lambda w, eps: eps * w,
    "wrong_square": lambda w, eps: eps * w / np.sum(w**2),
    "wrong_sum_of_sizes": lambda w, eps: eps * w / np.sum(np.abs(w)),
    "wrong_downhill": lambda w, eps: -eps * w / np.sqrt(np.sum(w**2)),
    "wrong_largest_alone": lambda w, eps: eps * np.sign(w) * (np.abs(w) == np.abs(w).max()),
    "wrong_push_alone": lambda w, eps: eps * np.sqrt(np.sum(w**2)),
    "wrong_row": lambda w, eps: (eps * w / np.sqrt(np.sum(w**2))).reshape(1, -1),
}


def moved(images, gradient, eps):
    return np.clip(images + eps * np.sign(gradient), 0, 1)


def plain_gradient(model, images, y):
    return model.backward(softmax_loss(model.scores(images), y)[1])


def one_step__right_by_hand(model, images, y, eps):
    dS = softmax(model.scores(images))
    dS[np.arange(len(y)), y] -= 1
    return moved(images, model.backward(dS), eps)


def one_step__right_lead_of_the_runner_up(model, images, y, eps):
    S = model.scores(images)
    S[np.arange(len(y)), y] = -np.inf
    rival = score_gradient(model, images, S.argmax(axis=1))
    return moved(images, rival - score_gradient(model, images, y), eps)


def one_step__right_own_loss_against_the_label(model, images, y, eps):
    _, dS = model.loss_of_scores(model.scores(images), y)
    hard = np.eye(dS.shape[1])[y]
    dS = np.where(hard == 1, -np.abs(dS), np.maximum(dS, 0))
    return moved(images, model.backward(dS), eps)


def one_step__wrong_as_given(model, images, y, eps):
    _, dS = model.loss_of_scores(model.scores(images), y)
    return moved(images, model.backward(dS), eps)


def one_step__wrong_down_the_loss(model, images, y, eps):
    _, dS = model.loss_of_scores(model.scores(images), y)
    return moved(images, -model.backward(dS), eps)


def one_step__wrong_not_clipped(model, images, y, eps):
    return images + eps * np.sign(plain_gradient(model, images, y))


def one_step__wrong_twice_as_far(model, images, y, eps):
    return moved(images, plain_gradient(model, images, y), 2 * eps)


def one_step__wrong_gradient_without_sign(model, images, y, eps):
    return np.clip(images + eps * plain_gradient(model, images, y), 0, 1)


def one_step__wrong_batch_statistics(model, images, y, eps):
    kept = {key: value.copy() for key, value in model.state.items()}
    _, dS = softmax_loss(model.scores(images, training=True), y)
    for key, value in kept.items():
        model.state[key][...] = value
    return moved(images, -model.backward(dS), eps)


def one_step__wrong_rest_of_the_change(model, images, y, eps):
    return sign_step(model, images, y, eps) - images


def path_shares__right_trapezoid(model, images, classes, start, steps=50):
    ends = np.linspace(0, 1, steps + 1)
    slopes = [score_gradient(model, start + t * (images - start), classes) for t in ends]
    weights = np.full(steps + 1, 1 / steps)
    weights[[0, -1]] /= 2
    return (images - start) * np.tensordot(weights, np.array(slopes), axes=1)


def path_shares__right_loop(model, images, classes, start, steps=50):
    total = np.zeros(images.shape)
    for i in range(steps):
        here = start + (i + 0.5) / steps * (images - start)
        total += score_gradient(model, here, classes) * (images - start) / steps
    return total


def path_shares__right_one_batch(model, images, classes, start, steps=50):
    shares = []
    middles = (np.arange(steps) + 0.5) / steps
    for image, label, origin in zip(images, classes, start, strict=True):
        way = origin + middles.reshape(-1, 1, 1, 1) * (image - origin)
        slopes = score_gradient(model, way, np.full(steps, label))
        shares.append((image - origin) * slopes.mean(axis=0))
    return np.array(shares)


def path_shares__wrong_left_ends(model, images, classes, start, steps=50):
    total = np.zeros(images.shape)
    for t in np.arange(steps) / steps:
        total += score_gradient(model, start + t * (images - start), classes)
    return (images - start) * total / steps


def path_shares__wrong_right_ends(model, images, classes, start, steps=50):
    total = np.zeros(images.shape)
    for t in np.arange(1, steps + 1) / steps:
        total += score_gradient(model, start + t * (images - start), classes)
    return (images - start) * total / steps


def path_shares__wrong_gradient_at_the_end(model, images, classes, start, steps=50):
    return (images - start) * score_gradient(model, images, classes)


def path_shares__wrong_gradient_alone(model, images, classes, start, steps=50):
    middles = (np.arange(steps) + 0.5) / steps
    return np.mean(
        [score_gradient(model, start + t * (images - start), classes) for t in middles], axis=0
    )


def path_shares__wrong_not_divided(model, images, classes, start, steps=50):
    return steps * path_shares__right_loop(model, images, classes, start, steps)


def path_shares__wrong_from_zero(model, images, classes, start, steps=50):
    return path_shares__right_loop(model, images, classes, np.zeros_like(images), steps)


def path_shares__wrong_other_way(model, images, classes, start, steps=50):
    return path_shares__right_loop(model, start, classes, images, steps)


def path_shares__wrong_spread_evenly(model, images, classes, start, steps=50):
    shares = path_shares__right_loop(model, images, classes, start, steps)
    return np.broadcast_to(shares.mean(axis=(1, 2, 3), keepdims=True), images.shape)


def one_step__wrong_in_place(model, images, y, eps):
    for array in model.params.values():
        array *= 0
    return images


def score_gradient__wrong_in_place(model, images, classes):
    for array in model.params.values():
        array *= 0
    return np.zeros_like(images)


def loss_gradient__wrong_in_place(model, images, y):
    for array in model.params.values():
        array *= 0
    return np.zeros_like(images)


def occlusion__wrong_in_place(model, images, classes, size, grey=0.0):
    for array in model.params.values():
        array *= 0
    return np.zeros((len(images), images.shape[1] // size, images.shape[2] // size))


def sign_step__wrong_in_place(model, images, y, eps, low=0.0, high=1.0):
    images *= 0
    return sign_step(model, images, y, eps, low, high)
