"""Answers to the exercises of 11_hyperparameter_search, right and wrong."""

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


def draw_momenta__right_by_the_exponential(size, rng):
    return 1 - np.exp(rng.uniform(np.log(0.001), np.log(0.5), size))


def draw_momenta__right_list(size, rng):
    return [1 - 0.001 * 500 ** rng.random() for _ in range(size)]


def shares(size, rng):
    """Log-uniform from 0.001 to 0.5."""
    return 0.001 * 500 ** rng.random(size)


draw_momenta = {
    "right_from_the_other_end": lambda size, rng: 1 - 0.5 / 500 ** rng.random(size),
    "wrong_the_share_itself": shares,
    "wrong_uniform": lambda size, rng: rng.uniform(0.5, 0.999, size),
    "wrong_momentum_log_uniform": lambda size, rng: 0.5 * (0.999 / 0.5) ** rng.random(size),
    "wrong_decades_of_another_range": lambda size, rng: 1 - 0.01 * 50 ** rng.random(size),
    "wrong_one_number": lambda size, rng: float(1 - shares(1, rng)[0]),
    "wrong_base": lambda size, rng: 1 - 10 ** rng.uniform(np.log(0.001), np.log(0.5), size),
    "wrong_own_generator": lambda size, rng: 1 - shares(size, np.random.default_rng(0)),
}


def log_uniform_column(low, high, size, rng):
    return (low * (high / low) ** rng.random(size)).tolist()


def draw_settings__right_by_rows(ranges, num_settings, rng):
    return [
        {name: low * (high / low) ** rng.random() for name, (low, high) in ranges.items()}
        for _ in range(num_settings)
    ]


def draw_settings__right_seed_for_each_name(ranges, num_settings, rng):
    settings = [{} for _ in range(num_settings)]
    for name, (low, high) in ranges.items():
        own_rng = np.random.default_rng(rng.integers(2**32))
        values = log_uniform_column(low, high, num_settings, own_rng)
        for setting, value in zip(settings, values, strict=True):
            setting[name] = value
    return settings


def by_generator(generator):
    """An answer that draws the values of a name with the generator it is told."""

    def answer(ranges, num_settings, rng):
        seed = int(rng.integers(2**32))
        columns = [
            log_uniform_column(low, high, num_settings, generator(seed, name, rng))
            for name, (low, high) in ranges.items()
        ]
        return [dict(zip(ranges, row, strict=True)) for row in zip(*columns, strict=True)]

    return answer


draw_settings = {
    "right_children_of_a_generator": by_generator(lambda seed, name, rng: rng.spawn(1)[0]),
    "wrong_the_bug": by_generator(lambda seed, name, rng: np.random.default_rng(seed)),
    "wrong_length_of_the_name": by_generator(
        lambda seed, name, rng: np.random.default_rng(seed + len(name))
    ),
    "wrong_no_seed": by_generator(lambda seed, name, rng: np.random.default_rng()),
    "wrong_always_the_same": by_generator(
        lambda seed, name, rng: np.random.default_rng(list(name.encode()))
    ),
}


def draw_settings__wrong_mirrored(ranges, num_settings, rng):
    u = rng.random(num_settings)
    columns = [
        low * (high / low) ** (u if place % 2 else 1 - u)
        for place, (low, high) in enumerate(ranges.values())
    ]
    return [dict(zip(ranges, row, strict=True)) for row in zip(*columns, strict=True)]


def draw_settings__wrong_uniform(ranges, num_settings, rng):
    return [
        {name: rng.uniform(low, high) for name, (low, high) in ranges.items()}
        for _ in range(num_settings)
    ]


def draw_settings__wrong_lists_by_name(ranges, num_settings, rng):
    return {
        name: log_uniform_column(low, high, num_settings, rng)
        for name, (low, high) in ranges.items()
    }


def compared(right):
    """How far each setting lies behind the highest, and its squared paired error."""
    right = np.asarray(right)
    highest = right.mean(axis=1).argmax()
    differences = right[highest] * 1.0 - right
    return differences.mean(axis=1), differences.var(axis=1) / right.shape[1]


def may_still_win__right_in_a_loop(right):
    best = max(range(len(right)), key=lambda i: right[i].sum())
    answer = []
    for row in right:
        only_best, only_row = np.mean(right[best] & ~row), np.mean(row & ~right[best])
        variance = (only_best + only_row - (only_best - only_row) ** 2) / len(row)
        answer.append(bool(only_best - only_row <= 2 * variance**0.5))
    return answer


def may_still_win__right_by_the_covariance(right):
    best = right.mean(axis=1).argmax()
    covariances = np.cov(right, bias=True)
    own = np.diag(covariances)
    variances = own + own[best] - 2 * covariances[best]
    behind = right[best].mean() - right.mean(axis=1)
    return behind**2 <= 4 * variances / right.shape[1] + 1e-12


def by_difference(decide):
    """An answer that decides by the distances to the highest and the squared errors."""
    return lambda right: decide(*compared(right))


def unpaired(right, factor):
    q = right.mean(axis=1)
    variances = q * (1 - q) / right.shape[1]
    best = q.argmax()
    return q[best] - q <= factor * np.sqrt(variances + variances[best])


may_still_win = {
    "right_by_what_is_rejected": by_difference(lambda behind, square: ~(behind > 2 * square**0.5)),
    "wrong_one_error": by_difference(lambda behind, square: behind <= square**0.5),
    "wrong_three_errors": by_difference(lambda behind, square: behind <= 3 * square**0.5),
    "wrong_the_square_of_the_error": by_difference(lambda behind, square: behind <= 2 * square),
    "wrong_best_alone": by_difference(lambda behind, square: behind == 0),
    "wrong_what_is_rejected": by_difference(lambda behind, square: behind > 2 * square**0.5),
    "wrong_numbers": by_difference(
        lambda behind, square: np.flatnonzero(behind <= 2 * square**0.5)
    ),
    "wrong_unpaired": lambda right: unpaired(right, 2),
    "wrong_unpaired_one_error": lambda right: unpaired(right, 1),
}


def may_still_win__wrong_against_the_first(right):
    differences = right[0] * 1.0 - right
    return differences.mean(axis=1) <= 2 * np.sqrt(differences.var(axis=1) / right.shape[1])


def may_still_win__wrong_spread_of_one_image(right):
    behind, square = compared(right)
    return behind <= 2 * np.sqrt(square * right.shape[1])
