"""Answers to the exercises of 12_cifar10, right and wrong."""

import math

import numpy as np

from cs231n_utils.taught.augmentation import random_flips
from cs231n_utils.taught.training import train

images_needed = {
    "right_floor": lambda q, most: -math.floor(1e-9 - q * (1 - q) / (most / 2) ** 2),
    "right_float": lambda q, most: np.ceil(np.round(q * (1 - q) * (2 / most) ** 2, 6)),
    "wrong_rounding_goes_up": lambda q, most: math.ceil(4 * q * (1 - q) / most**2),
    "wrong_integer_part": lambda q, most: math.floor(q * (1 - q) / (most / 2) ** 2) + 1,
    "wrong_one_standard_error": lambda q, most: math.ceil(q * (1 - q) / most**2),
    "wrong_no_root": lambda q, most: math.ceil(2 * q * (1 - q) / most),
    "wrong_rounded_down": lambda q, most: max(1, int(4 * q * (1 - q) / most**2)),
    "wrong_worst_case": lambda q, most: math.ceil(1 / most**2),
    "wrong_fraction": lambda q, most: 4 * q * (1 - q) / most**2,
}


def images_needed__right_search(q, most):
    count = 1
    while 2 * math.sqrt(q * (1 - q) / count) > most * (1 + 1e-12):
        count += 1
    return count


def loss_at(S, y, T):
    S = S / T
    return np.mean(np.logaddexp.reduce(S, axis=1) - S[np.arange(len(y)), y])


def best_temperature__right_golden_section(S, y):
    low, high = np.log(0.1), np.log(10)
    for _ in range(60):
        third = (high - low) / 3
        if loss_at(S, y, np.exp(low + third)) < loss_at(S, y, np.exp(high - third)):
            high -= third
        else:
            low += third
    return np.exp(low)


def best_temperature__right_newton(S, y):
    u = 1.0  # 1 / T
    for _ in range(50):
        P = np.exp(u * S - np.logaddexp.reduce(u * S, axis=1)[:, None])
        mean = (P * S).sum(axis=1)
        slope = np.mean(mean - S[np.arange(len(y)), y])
        u = np.clip(u - slope / np.mean((P * S**2).sum(axis=1) - mean**2), 0.1, 10)
    return 1 / u


def best_of(temperatures, S, y):
    return min(temperatures, key=lambda T: loss_at(S, y, T))


best_temperature = {
    "wrong_inverse": lambda S, y: 1 / best_temperature__right_golden_section(S, y),
    "wrong_always_one": lambda S, y: 1.0,
    "wrong_coarse": lambda S, y: best_of([0.1, 0.2, 0.7, 2.0, 5.0, 10.0], S, y),
    "wrong_narrow_range": lambda S, y: best_of(np.geomspace(0.4, 4, 200), S, y),
}


def best_temperature__wrong_by_accuracy(S, y):
    temperatures = np.geomspace(0.1, 10, 50)
    return temperatures[np.argmax([np.mean((S / T).argmax(axis=1) == y) for T in temperatures])]


def probabilities(S):
    return np.exp(S - np.logaddexp.reduce(S, axis=1)[:, None])


def mirror(X, image_shape, axis=2):
    return np.flip(X.reshape(-1, *image_shape), axis).reshape(len(X), -1)


def classes(combine, model, X, turned):
    """The classes that are most probable when the images and the turned ones are combined."""
    both = [probabilities(model.loss(images)) for images in (X, turned)]
    return combine(both, axis=0).argmax(axis=1)


predict_twice = {
    "right_means": lambda model, X, shape: classes(np.mean, model, X, mirror(X, shape)),
    "wrong_more_confident_of_the_two": lambda model, X, shape: classes(
        np.max, model, X, mirror(X, shape)
    ),
    "wrong_mean_image": lambda model, X, shape: model.predict((X + mirror(X, shape)) / 2),
    "wrong_only_once": lambda model, X, shape: model.predict(X),
    "wrong_upside_down": lambda model, X, shape: classes(np.sum, model, X, mirror(X, shape, 1)),
    "wrong_colours_reversed": lambda model, X, shape: classes(np.sum, model, X, X[:, ::-1]),
}


def predict_twice__right_one_batch(model, X, image_shape):
    P = probabilities(model.loss(np.concatenate([X, mirror(X, image_shape)])))
    return (P[: len(X)] + P[len(X) :]).argmax(axis=1)


def predict_twice__right_four_axes(model, X, image_shape):
    mirrored = X.reshape(-1, *image_shape)[:, :, ::-1, :].reshape(len(X), -1)
    return list(classes(np.sum, model, X, mirrored))


def predict_twice__wrong_scores(model, X, image_shape):
    return (model.loss(X) + model.loss(mirror(X, image_shape))).argmax(axis=1)


def predict_twice__wrong_as_given(model, X, image_shape):
    P = probabilities(model.loss(X))
    images = X.reshape(-1, *image_shape)
    images[:] = images[:, :, ::-1].copy()
    return (P + probabilities(model.loss(X))).argmax(axis=1)


def predict_twice__wrong_mirrored_twice_back(model, X, image_shape):
    mirrored = mirror(mirror(X, image_shape), image_shape)
    return classes(np.mean, model, X, mirrored)


def predict_twice__right_puts_back(model, X, image_shape):
    P = probabilities(model.loss(X))
    images = X.reshape(-1, *image_shape)
    images[:] = images[:, :, ::-1].copy()
    P = P + probabilities(model.loss(X))
    images[:] = images[:, :, ::-1].copy()
    return P.argmax(axis=1)


def flips_between(before, after, image_shape):
    """Mirror what `before` puts in order, then put it in the order `after`."""
    flip = random_flips(image_shape)
    return lambda X, rng: flip(X[:, before], rng)[:, after]


def in_the_dark(model, X, y, order, augment, options):
    shuffled = X[:, order]
    return train(model, shuffled, y, shuffled, y, augment=augment, **options)


def train_in_the_dark__right_inverse_by_hand(model, X, y, image_shape, order, **options):
    undo = np.empty_like(order)
    undo[order] = np.arange(len(order))
    model.params["W1"] = model.params["W1"].take(order, axis=0)
    return in_the_dark(model, X, y, order, flips_between(undo, order, image_shape), options)


def train_in_the_dark__right_matrix(model, X, y, image_shape, order, **options):
    flip = random_flips(image_shape)

    def augment(batch, rng):
        photographs = np.empty_like(batch)
        photographs[:, order] = batch
        return flip(photographs, rng)[:, order]

    model.params["W1"][:] = model.params["W1"][order]
    return in_the_dark(model, X, y, order, augment, options)


def train_in_the_dark__wrong_mirrors_noise(model, X, y, image_shape, order, **options):
    model.params["W1"] = model.params["W1"][order]
    return in_the_dark(model, X, y, order, random_flips(image_shape), options)


def train_in_the_dark__wrong_first_weights(model, X, y, image_shape, order, **options):
    augment = flips_between(np.argsort(order), order, image_shape)
    return in_the_dark(model, X, y, order, augment, options)


def train_in_the_dark__wrong_way_back(model, X, y, image_shape, order, **options):
    model.params["W1"] = model.params["W1"][np.argsort(order)]
    augment = flips_between(np.argsort(order), order, image_shape)
    return in_the_dark(model, X, y, order, augment, options)


def train_in_the_dark__wrong_not_shuffled_again(model, X, y, image_shape, order, **options):
    model.params["W1"] = model.params["W1"][order]
    augment = flips_between(np.argsort(order), np.arange(len(order)), image_shape)
    return in_the_dark(model, X, y, order, augment, options)


def train_in_the_dark__wrong_no_mirroring(model, X, y, image_shape, order, **options):
    model.params["W1"] = model.params["W1"][order]
    return in_the_dark(model, X, y, order, None, options)


def train_in_the_dark__wrong_photographs(model, X, y, image_shape, order, **options):
    return train(model, X, y, X, y, augment=random_flips(image_shape), **options)


def train_in_the_dark__wrong_permutes_afterwards(model, X, y, image_shape, order, **options):
    history = train(model, X, y, X, y, augment=random_flips(image_shape), **options)
    model.params["W1"] = model.params["W1"][order]
    return history


def train_in_the_dark__wrong_changes_images(model, X, y, image_shape, order, **options):
    model.params["W1"] = model.params["W1"][order]
    X[:] = X[:, order]
    augment = flips_between(np.argsort(order), order, image_shape)
    return train(model, X, y, X, y, augment=augment, **options)
