"""Answers to the exercises of 07_training, right and wrong."""

import copy

import numpy as np


def momentum_step__right_in_place(params, grads, velocity, learning_rate, beta=0.9):
    for name, v in velocity.items():
        v *= beta
        v += grads[name]
        params[name] -= learning_rate * v


def momentum_step__right_rate_in_the_velocity(params, grads, velocity, learning_rate, beta=0.9):
    for name in params:
        velocity[name] = beta * velocity[name] - learning_rate * grads[name]
        params[name] = params[name] + velocity[name]


def momentum_step__wrong_velocity_forgotten(params, grads, velocity, learning_rate, beta=0.9):
    for name in params:
        params[name] -= learning_rate * (beta * velocity[name] + grads[name])


def momentum_step__wrong_average(params, grads, velocity, learning_rate, beta=0.9):
    for name in params:
        velocity[name] = beta * velocity[name] + (1 - beta) * grads[name]
        params[name] -= learning_rate * velocity[name]


def momentum_step__wrong_old_velocity(params, grads, velocity, learning_rate, beta=0.9):
    for name in params:
        params[name] -= learning_rate * velocity[name]
        velocity[name] = beta * velocity[name] + grads[name]


def momentum_step__wrong_nesterov(params, grads, velocity, learning_rate, beta=0.9):
    for name in params:
        velocity[name] = beta * velocity[name] + grads[name]
        params[name] -= learning_rate * (beta * velocity[name] + grads[name])


def momentum_step__wrong_sign(params, grads, velocity, learning_rate, beta=0.9):
    for name in params:
        velocity[name] = beta * velocity[name] + grads[name]
        params[name] += learning_rate * velocity[name]


def flat_gradient(model, X, y):
    grads = model.loss(X, y)[1]
    return np.concatenate([grads[name].ravel() for name in sorted(grads)])


def noise(model, X, y, batches, measure):
    """Mean over the batches of a measure of the gradient's error."""
    full = flat_gradient(model, X, y)
    return np.mean([measure(flat_gradient(model, X[b], y[b]) - full) for b in batches])


def squared_length(v):
    return v @ v


def gradient_noise__right_choice(model, X, y, batch_size, num_batches, rng):
    batches = [rng.choice(len(X), batch_size, replace=False) for _ in range(num_batches)]
    return noise(model, X, y, batches, squared_length)


def gradient_noise__wrong_with_replacement(model, X, y, batch_size, num_batches, rng):
    batches = rng.integers(0, len(X), (num_batches, batch_size))
    return noise(model, X, y, batches, squared_length)


def gradient_noise__wrong_length_not_squared(model, X, y, batch_size, num_batches, rng):
    batches = [rng.permutation(len(X))[:batch_size] for _ in range(num_batches)]
    return noise(model, X, y, batches, np.linalg.norm)


def gradient_noise__wrong_mean_over_entries(model, X, y, batch_size, num_batches, rng):
    batches = [rng.permutation(len(X))[:batch_size] for _ in range(num_batches)]
    return noise(model, X, y, batches, lambda v: np.mean(v**2))


def gradient_noise__wrong_first_rows(model, X, y, batch_size, num_batches, rng):
    return noise(model, X, y, [np.arange(batch_size)], squared_length)


def keep_best__right_deepcopy(best, val_accuracy, params):
    if best is None or val_accuracy > best[0]:
        best = (val_accuracy, copy.deepcopy(params))
    return best


def keep_best__right_list(best, val_accuracy, params):
    if best is None or val_accuracy > best[0]:
        best = [val_accuracy, {name: np.array(value) for name, value in params.items()}]
    return best


def keep_best__wrong_alias(best, val_accuracy, params):
    return (val_accuracy, params) if best is None or val_accuracy > best[0] else best


def keep_best__wrong_shallow_copy(best, val_accuracy, params):
    return (val_accuracy, dict(params)) if best is None or val_accuracy > best[0] else best


def keep_best__wrong_later_at_a_tie(best, val_accuracy, params):
    better = best is None or val_accuracy >= best[0]
    return (val_accuracy, copy.deepcopy(params)) if better else best


def keep_best__wrong_last(best, val_accuracy, params):
    return val_accuracy, copy.deepcopy(params)


def keep_best__wrong_one_parameter(best, val_accuracy, params):
    if best is None or val_accuracy > best[0]:
        best = (val_accuracy, {"W1": params["W1"].copy()})
    return best


def cosine_rate__right_squared_cosine(step, num_steps, learning_rate):
    return learning_rate * np.cos(np.pi * step / (2 * num_steps)) ** 2


def cosine_rate__right_from_the_end(step, num_steps, learning_rate):
    return learning_rate * (1 - np.cos(np.pi * (num_steps - step) / num_steps)) / 2


def cosine_rate__wrong_linear(step, num_steps, learning_rate):
    return learning_rate * (1 - step / num_steps)


def cosine_rate__wrong_without_half(step, num_steps, learning_rate):
    return learning_rate * (1 + np.cos(np.pi * step / num_steps))


def cosine_rate__wrong_whole_wave(step, num_steps, learning_rate):
    return learning_rate / 2 * (1 + np.cos(2 * np.pi * step / num_steps))


def cosine_rate__wrong_quarter_wave(step, num_steps, learning_rate):
    return learning_rate * np.cos(np.pi * step / (2 * num_steps))
