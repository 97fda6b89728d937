"""Answers to the exercises of 24_transformer, right and wrong."""

import numpy as np

from cs231n_utils.taught.transformer import GPT

# --- gpt_size ------------------------------------------------------------------------------------


def gpt_size__right_by_counting(characters, length, width, blocks):
    """A network of that size, counted."""
    net = GPT(characters, length, width, blocks, heads=1)
    return sum(array.size for array in net.params.values())


def sized(each_block, rest):
    """An answer from the numbers of a block and of everything else."""

    def answer(characters, length, width, blocks):
        return blocks * each_block(width) + rest(characters, length, width)

    return answer


def right_block(width):
    return 12 * width**2 + 13 * width


def right_rest(characters, length, width):
    return (characters + length + 2) * width


gpt_size = {
    "right_in_two_parts": sized(right_block, right_rest),
    "wrong_untied": sized(right_block, lambda C, T, D: (2 * C + T + 2) * D),
    "wrong_no_positions": sized(right_block, lambda C, T, D: (C + 2) * D),
    "wrong_no_last_norm": sized(right_block, lambda C, T, D: (C + T) * D),
    "wrong_norm_of_one": sized(right_block, lambda C, T, D: (C + T + 1) * D),
    "wrong_no_biases": sized(lambda D: 12 * D**2 + 4 * D, right_rest),
    "wrong_no_norms": sized(lambda D: 12 * D**2 + 9 * D, right_rest),
    "wrong_one_norm": sized(lambda D: 12 * D**2 + 11 * D, right_rest),
    "wrong_no_joining_map": sized(lambda D: 11 * D**2 + 12 * D, right_rest),
    "wrong_not_widened": sized(lambda D: 6 * D**2 + 10 * D, right_rest),
    "wrong_one_block": lambda C, T, D, blocks: right_block(D) + right_rest(C, T, D),
}

# --- heated --------------------------------------------------------------------------------------


def heated__right_by_logarithms(P, temperature):
    """The softmax of the logarithms, shifted by the largest."""
    with np.errstate(divide="ignore"):
        S = np.log(P) / temperature
    E = np.exp(S - S.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def powered(power, axis=1, scaled=True):
    """An answer with another power, sum, or without the largest entry as 1."""

    def answer(P, temperature):
        if scaled:
            P = P / P.max(axis=1, keepdims=True)
        with np.errstate(all="ignore"):
            E = P ** power(temperature)
            return E / E.sum(axis=axis, keepdims=True)

    return answer


heated = {
    "right_power": powered(lambda heat: 1 / heat),
    "wrong_power_of_temperature": powered(lambda heat: heat),
    "wrong_sum_of_all": powered(lambda heat: 1 / heat, axis=None),
    "wrong_sum_of_columns": powered(lambda heat: 1 / heat, axis=0),
    "wrong_vanishes": powered(lambda heat: 1 / heat, scaled=False),
    "wrong_as_found": lambda P, temperature: P / temperature / (P / temperature).sum(),
    "wrong_row_sum_alone": lambda P, temperature: P / P.sum(axis=1, keepdims=True),
    "wrong_not_divided": lambda P, temperature: P ** (1 / temperature),
}


def heated__wrong_softmax_of_probabilities(P, temperature):
    E = np.exp(P / temperature)
    return E / E.sum(axis=1, keepdims=True)


# --- merged --------------------------------------------------------------------------------------


def merged__right_list(ids, pair, new):
    """A stack: what was copied last may be the first half of a pair."""
    found, free = [], False
    for number in ids:
        if free and found[-1] == pair[0] and number == pair[1]:
            found[-1], free = new, False
        else:
            found.append(int(number))
            free = True
    return found


def merged__wrong_overlapping(ids, pair, new):
    hits = [tuple(ids[n : n + 2]) == tuple(pair) for n in range(len(ids))]
    return [
        new if hit else int(i)
        for n, (i, hit) in enumerate(zip(ids, hits, strict=True))
        if hit or not (n and hits[n - 1])
    ]


def merged__wrong_from_the_right(ids, pair, new):
    back = merged__right_list(list(ids)[::-1], pair[::-1], new)
    return back[::-1]


def merged__wrong_second_stays(ids, pair, new):
    return [new if tuple(ids[n : n + 2]) == tuple(pair) else int(i) for n, i in enumerate(ids)]


def merged__wrong_either_order(ids, pair, new):
    once = merged__right_list(ids, pair, new)
    return merged__right_list(once, pair[::-1], new)


def merged__wrong_last_lost(ids, pair, new):
    found, place = [], 0
    while place < len(ids) - 1:
        is_pair = tuple(ids[place : place + 2]) == tuple(pair)
        found.append(new if is_pair else int(ids[place]))
        place += 1 + is_pair
    return found


def merged__wrong_first_only(ids, pair, new):
    ids = [int(i) for i in ids]
    for n in range(len(ids) - 1):
        if tuple(ids[n : n + 2]) == tuple(pair):
            return [*ids[:n], new, *ids[n + 2 :]]
    return ids


# --- turned_backward -----------------------------------------------------------------------------


def turn(X, theta, sign=1, mixed=1):
    angles = np.arange(X.shape[-2])[:, np.newaxis] * theta
    cos, sin = np.cos(angles), sign * np.sin(angles)
    left, right = X[..., ::2], X[..., 1::2]
    Y = np.empty_like(X)
    Y[..., ::2] = left * cos - right * sin
    Y[..., 1::2] = mixed * left * sin + right * cos
    return Y


turned_backward = {
    "right_negative_sine": lambda dY, theta: turn(dY, theta, sign=-1),
    "wrong_turned_on": lambda dY, theta: turn(dY, theta),
    "wrong_as_it_came": lambda dY, theta: dY.copy(),
    "wrong_one_sign": lambda dY, theta: turn(dY, theta, mixed=-1),
    "wrong_other_sign": lambda dY, theta: turn(dY, theta, sign=-1, mixed=-1),
    "wrong_places_reversed": lambda dY, theta: turn(dY[..., ::-1, :], theta, sign=-1)[..., ::-1, :],
    "wrong_twice": lambda dY, theta: turn(dY, -2 * theta),
}


def turned_backward__right_by_factors(dY, theta):
    """The sums of the derivation."""
    angles = np.arange(dY.shape[-2])[:, np.newaxis] * theta
    dX = np.zeros_like(dY)
    dX[..., ::2] = dY[..., ::2] * np.cos(angles) + dY[..., 1::2] * np.sin(angles)
    dX[..., 1::2] = dY[..., 1::2] * np.cos(angles) - dY[..., ::2] * np.sin(angles)
    return dX
