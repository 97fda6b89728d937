"""Answers to the exercises of 08_training, right and wrong."""

import copy
from itertools import islice

import numpy as np

from cs231n_utils.taught import training
from cs231n_utils.taught.training import minibatches


def steps_of_epochs__right_loop(num_epochs, N, batch_size):
    return sum(1 for _ in range(num_epochs) for _ in range(0, N, batch_size))


steps_of_epochs = {
    "right_plus_batch_minus_one": lambda E, N, size: E * ((N + size - 1) // size),
    "right_ceil": lambda E, N, size: E * int(np.ceil(N / size)),
    "wrong_floor": lambda E, N, size: E * (N // size),
    "wrong_rounded_at_the_end": lambda E, N, size: -(-E * N // size),
    "wrong_one_epoch": lambda E, N, size: -(-N // size),
    "wrong_one_more": lambda E, N, size: E * (N // size + 1),
    "wrong_not_whole": lambda E, N, size: E * N / size,
}


def kept_by(copied, *, better=lambda latest, best: latest > best, put_back=True):
    """An answer that keeps a copy of the parameters, made by a function."""

    def answer(model, one_epoch, score, num_epochs):
        best, best_params = -np.inf, {}
        for _ in range(num_epochs):
            one_epoch(model)
            latest = score(model)
            if better(latest, best):
                best, best_params = latest, copied(model.params)
        if put_back:
            model.params = best_params
        return best

    return answer


keep_best = {
    "right_deepcopy": kept_by(copy.deepcopy),
    "right_arrays": kept_by(lambda params: {k: np.array(v) for k, v in params.items()}),
    "wrong_dict": kept_by(dict),
    "wrong_shallow_copy": kept_by(copy.copy),
    "wrong_the_same_dict": kept_by(lambda params: params),
    "wrong_views": kept_by(lambda params: {k: v[:] for k, v in params.items()}),
    "wrong_not_put_back": kept_by(copy.deepcopy, put_back=False),
    "wrong_later_at_a_tie": kept_by(copy.deepcopy, better=lambda latest, best: latest >= best),
}


def keep_best__right_in_place(model, one_epoch, score, num_epochs):
    scores, states = [], []
    for _ in range(num_epochs):
        one_epoch(model)
        scores.append(score(model))
        states.append({name: value.copy() for name, value in model.params.items()})
    for name, value in states[int(np.argmax(scores))].items():
        model.params[name][...] = value
    return max(scores)


def flat_gradient(model, X, y):
    grads = model.loss(X, y)[1]
    return np.concatenate([grads[name].ravel() for name in sorted(grads)])


def squared_length(v):
    return v @ v


def noise(model, X, y, batches, measure=squared_length):
    """Mean over the batches of a measure of the gradient's error."""
    full = flat_gradient(model, X, y)
    return np.mean([measure(flat_gradient(model, X[b], y[b]) - full) for b in batches])


def noise_of(draw, **measure):
    """An answer whose batches are drawn by a function of N, the batch size and rng."""

    def answer(model, X, y, batch_size, num_batches, rng):
        batches = [draw(len(X), batch_size, rng) for _ in range(num_batches)]
        return noise(model, X, y, batches, **measure)

    return answer


def choice(N, size, rng):
    return rng.choice(N, size, replace=False)


gradient_noise = {
    "right_choice": noise_of(choice),
    "right_first_of_an_epoch": noise_of(lambda N, size, rng: next(minibatches(N, size, rng))),
    "wrong_first_rows": noise_of(lambda N, size, rng: np.arange(size)),
    "wrong_with_replacement": noise_of(lambda N, size, rng: rng.integers(0, N, size)),
    "wrong_length_not_squared": noise_of(choice, measure=np.linalg.norm),
    "wrong_mean_over_entries": noise_of(choice, measure=lambda v: np.mean(v**2)),
}


def gradient_noise__wrong_short_batches(model, X, y, batch_size, num_batches, rng):
    return noise(model, X, y, islice(minibatches(len(X), batch_size, rng), num_batches))


def gradient_noise__wrong_own_generator(model, X, y, batch_size, num_batches, rng):
    rng = np.random.default_rng(0)
    return noise_of(choice)(model, X, y, batch_size, num_batches, rng)


def gradient_noise__wrong_always_a_hundred(model, X, y, batch_size, num_batches, rng):
    return noise_of(choice)(model, X, y, batch_size, 100, rng)


def gradient_noise__wrong_predicted(model, X, y, batch_size, num_batches, rng):
    N, singles = len(X), np.arange(len(X))[:, None]
    return noise(model, X, y, singles) / batch_size * (N - batch_size) / (N - 1)


def train__wrong_in_place(model, X_train, *data, **options):
    X_train *= 0
    return training.train(model, X_train, *data, **options)
