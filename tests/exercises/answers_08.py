"""Answers to the exercises of 08_training, right and wrong."""

from itertools import islice

import numpy as np

from cs231n_utils.taught.training import minibatches


def parabola_path__right_recursion(w0, eta, c, beta, num_steps):
    path = [w0, (1 - eta * c) * w0]
    while len(path) <= num_steps:
        path.append((1 + beta - eta * c) * path[-1] - beta * path[-2])
    return path


def parabola_path__right_matrix_powers(w0, eta, c, beta, num_steps):
    step = np.array([[1 - eta * c, -eta * beta], [c, beta]])  # of (w, v)
    return [np.linalg.matrix_power(step, t)[0, 0] * w0 for t in range(num_steps + 1)]


def parabola_path__wrong_without_momentum(w0, eta, c, beta, num_steps):
    return w0 * (1 - eta * c) ** np.arange(num_steps + 1)


def parabola_path__wrong_average(w0, eta, c, beta, num_steps):
    path, w, v = [w0], w0, 0.0
    for _ in range(num_steps):
        v = beta * v + (1 - beta) * c * w
        w = w - eta * v
        path.append(w)
    return path


def parabola_path__wrong_nesterov(w0, eta, c, beta, num_steps):
    path, w, v = [w0], w0, 0.0
    for _ in range(num_steps):
        v = beta * v + c * w
        w = w - eta * (beta * v + c * w)
        path.append(w)
    return path


def parabola_path__wrong_length(w0, eta, c, beta, num_steps):
    return parabola_path__right_recursion(w0, eta, c, beta, num_steps)[1:]


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


def should_stop__right_loop(val_acc_history, patience):
    best, waited = -1.0, 0
    for value in val_acc_history:
        best, waited = (value, 0) if value > best else (best, waited + 1)
    return waited >= patience


def should_stop__right_maxima(val_acc_history, patience):
    earlier = val_acc_history[: len(val_acc_history) - patience]
    return len(earlier) > 0 and max(val_acc_history[-patience:]) <= max(earlier)


def should_stop__wrong_in_place(val_acc_history, patience):
    stop = should_stop__right_loop(val_acc_history, patience)
    val_acc_history.sort()
    return stop


should_stop = {
    "wrong_at_one_record_only": lambda accs, patience: len(accs) - 1 - np.argmax(accs) == patience,
    "wrong_any_fall": lambda accs, patience: len(accs) > 1 and accs[-1] < accs[-2],
    "wrong_later_at_a_tie": lambda accs, patience: accs[::-1].index(max(accs)) >= patience,
    "wrong_one_too_patient": lambda accs, patience: len(accs) - 1 - np.argmax(accs) > patience,
    "wrong_never": lambda accs, patience: False,
}


def should_stop__wrong_best_is_the_record_before(val_acc_history, patience):
    last = val_acc_history[-patience - 1 :]
    return len(last) > patience and max(last) == last[0]


def should_stop__wrong_falls_in_a_row(val_acc_history, patience):
    falls = np.diff(val_acc_history)[-patience:] <= 0
    return len(val_acc_history) > patience and bool(falls.all())


cosine_rate = {
    "right_squared_cosine": lambda t, T, eta: eta * np.cos(np.pi * t / (2 * T)) ** 2,
    "right_from_the_end": lambda t, T, eta: eta * (1 - np.cos(np.pi * (T - t) / T)) / 2,
    "wrong_a_hundred_steps": lambda t, T, eta: eta / 2 * (1 + np.cos(np.pi * t / 100)),
    "wrong_rate_of_the_example": lambda t, T, eta: 0.2 * (1 + np.cos(np.pi * t / T)),
    "wrong_linear": lambda t, T, eta: eta * (1 - t / T),
    "wrong_without_half": lambda t, T, eta: eta * (1 + np.cos(np.pi * t / T)),
    "wrong_whole_wave": lambda t, T, eta: eta / 2 * (1 + np.cos(2 * np.pi * t / T)),
    "wrong_quarter_wave": lambda t, T, eta: eta * np.cos(np.pi * t / (2 * T)),
}
