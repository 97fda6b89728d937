"""Answers to the exercises of 11_hyperparameter_search, right and wrong."""

import math

import numpy as np


def log_uniform_integers__right_by_probabilities(low, high, size, rng):
    numbers = np.arange(low, high + 1)
    weights = np.log1p(1 / numbers)
    return rng.choice(numbers, size, p=weights / weights.sum())


def log_uniform_integers__right_by_the_exponential(low, high, size, rng):
    return np.exp(rng.uniform(np.log(low), np.log(high + 1), size)).astype(np.int64)


def log_uniform_integers__right_list(low, high, size, rng):
    return [int(low * ((high + 1) / low) ** rng.random()) for _ in range(size)]


def log_uniform_integers__wrong_own_generator(low, high, size, rng):
    rng = np.random.default_rng(0)
    return log_uniform_integers__right_by_the_exponential(low, high, size, rng)


def whole(rounded, low, end, size, rng):
    """Integers that a function makes of numbers from low to end, uniform in their logarithm."""
    return rounded(low * (end / low) ** rng.random(size)).astype(int)


log_uniform_integers = {
    "wrong_uniform": lambda low, high, size, rng: rng.integers(low, high + 1, size),
    "wrong_not_whole": lambda low, high, size, rng: low * ((high + 1) / low) ** rng.random(size),
    "wrong_one_number": lambda low, high, size, rng: int(low * ((high + 1) / low) ** rng.random()),
    "wrong_never_high": lambda low, high, size, rng: whole(np.floor, low, high, size, rng),
    "wrong_rounded": lambda low, high, size, rng: whole(np.round, low, high, size, rng),
    "wrong_above_high": lambda low, high, size, rng: whole(np.ceil, low, high + 1, size, rng),
}


def continued_cost__right_sum_over_rounds(num_settings, num_iters):
    total = num_settings * num_iters
    while num_settings > 1:
        num_settings //= 2
        total += num_settings * num_iters
        num_iters *= 2
    return total


continued_cost = {
    "right_half_of_both": lambda K, num_iters: K * num_iters * ((math.log2(K) + 1) + 1) / 2,
    "wrong_from_new_weights": lambda K, num_iters: K * num_iters * (np.log2(K) + 1),
    "wrong_half_of_all": lambda K, num_iters: K * num_iters * (np.log2(K) + 1) / 2,
    "wrong_first_round_forgotten": lambda K, num_iters: K * num_iters * np.log2(K) / 2,
    "wrong_natural_logarithm": lambda K, num_iters: K * num_iters * (1 + np.log(K) / 2),
}


def margins(num_right, N, factor=2.0):
    q = np.array(num_right) / N
    return q, factor * np.sqrt(q * (1 - q) / N)


def may_still_win__right_in_a_loop(num_right, N):
    q, margin = margins(num_right, N)
    best = max(range(len(q)), key=lambda number: q[number])
    return [bool(q[i] + margin[i] >= q[best] - margin[best]) for i in range(len(q))]


def intervals(decide, factor=2.0):
    """An answer that decides by the fractions q, their margins and the place of the best."""

    def answer(num_right, N):
        q, margin = margins(num_right, N, factor)
        return decide(q, margin, q.argmax())

    return answer


may_still_win = {
    "right_by_what_is_rejected": intervals(lambda q, m, best: ~(q + m < (q - m)[best])),
    "wrong_above_the_bar": intervals(lambda q, m, best: q + m > (q - m)[best]),
    "wrong_margin_of_the_best_for_all": intervals(lambda q, m, best: q + 2 * m[best] >= q.max()),
    "wrong_one_standard_error": intervals(lambda q, m, best: q + m >= (q - m)[best], factor=1.0),
    "wrong_own_interval_alone": intervals(lambda q, m, best: q + m >= q.max()),
    "wrong_best_alone": intervals(lambda q, m, best: q >= q.max()),
    "wrong_numbers": intervals(lambda q, m, best: np.flatnonzero(q + m >= (q - m)[best])),
}


def may_still_win__wrong_spread_of_one_image(num_right, N):
    q = np.array(num_right) / N
    margin = 2 * np.sqrt(q * (1 - q))
    return q + margin >= (q - margin)[q.argmax()]
