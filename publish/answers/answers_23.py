"""Answers to the exercises of 23_attention, right and wrong."""

import numpy as np

from cs231n_utils.taught.attention import attention_weights, split_heads

# --- look_up -------------------------------------------------------------------------------------


def shares_of(scores):
    """The softmax of one row of scores."""
    E = np.exp(scores - scores.max())
    return E / E.sum()


def looked_up(divisor, share=shares_of):
    """An answer with another divisor or other shares."""

    def answer(query, keys, values):
        return share(keys @ query / divisor(query, keys, values)) @ values

    return answer


def root_of_width(query, keys, values):
    return np.sqrt(len(query))


look_up = {
    "right_by_hand": looked_up(root_of_width),
    "right_in_numpy": lambda q, k, v: np.einsum(
        "u,uj->j", shares_of(np.sum(k * q, axis=1) * len(q) ** -0.5), v
    ),
    "right_package": lambda q, k, v: (
        attention_weights(np.broadcast_to(q, k.shape), np.asarray(k))[0] @ v
    ),
    "wrong_no_divisor": looked_up(lambda q, k, v: 1.0),
    "wrong_divided_by_width": looked_up(lambda q, k, v: len(q)),
    "wrong_root_of_keys": looked_up(lambda q, k, v: np.sqrt(len(k))),
    "wrong_root_of_values": looked_up(lambda q, k, v: np.sqrt(v.shape[1])),
    "wrong_multiplied": looked_up(lambda q, k, v: 1 / np.sqrt(len(q))),
    "wrong_no_softmax": looked_up(root_of_width, lambda scores: scores),
    "wrong_not_normalized": looked_up(root_of_width, np.exp),
    "wrong_hard": looked_up(root_of_width, lambda s: np.eye(len(s))[s.argmax()]),
    "wrong_mean_of_all": lambda q, k, v: v.mean(axis=0),
    "wrong_sign": looked_up(lambda q, k, v: -np.sqrt(len(q))),
    "wrong_shares_alone": lambda q, k, v: shares_of(k @ q / np.sqrt(len(q))),
}


def look_up__wrong_keys_changed(query, keys, values):
    keys /= np.sqrt(len(query))
    return shares_of(keys @ query) @ values


# --- cut -----------------------------------------------------------------------------------------


cut = {
    "right_package": split_heads,
    "right_by_blocks": lambda X, heads: np.stack(np.split(X, heads, axis=2), axis=1),
    "right_einsum": lambda X, heads: np.einsum(
        "nthd->nhtd", X.reshape(*X.shape[:2], heads, X.shape[2] // heads)
    ),
    "wrong_as_it_was": lambda X, heads: X.reshape(len(X), heads, X.shape[1], -1),
    "wrong_columns_in_turn": lambda X, heads: np.stack(
        [X[:, :, head::heads] for head in range(heads)], axis=1
    ),
    "wrong_heads_in_reverse": lambda X, heads: split_heads(X, heads)[:, ::-1],
    "wrong_positions_in_reverse": lambda X, heads: split_heads(X, heads)[:, :, ::-1],
    "wrong_not_swapped": lambda X, heads: X.reshape(len(X), X.shape[1], heads, -1),
    "wrong_first_head": lambda X, heads: np.repeat(split_heads(X, heads)[:, :1], heads, axis=1),
    "wrong_transposed": lambda X, heads: X.swapaxes(1, 2).reshape(len(X), heads, X.shape[1], -1),
}


# --- distance_gradient ---------------------------------------------------------------------------


def parts(dA, Q, K, V, B):
    """The shares, dP and dS of scores with a number for each distance."""
    T, D = Q.shape
    apart = np.arange(T)[:, np.newaxis] - np.arange(T)
    S = np.where(apart >= 0, Q @ K.T / np.sqrt(D) + B[np.abs(apart)], -np.inf)
    E = np.exp(S - S.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    dP = dA @ V.T
    return P, dP, P * (dP - np.sum(P * dP, axis=1, keepdims=True))


def along(collect, which=lambda P, dP, dS: dS):
    """An answer that collects numbers from a matrix of gradients."""
    return lambda *given: collect(which(*parts(*given)))


def diagonals(dS):
    return np.array([np.trace(dS, offset=-r) for r in range(len(dS))])


def distance_gradient__right_in_loops(dA, Q, K, V, B):
    _, _, dS = parts(dA, Q, K, V, B)
    dB = np.zeros(len(B))
    for t, u in np.ndindex(dS.shape):
        if u <= t:
            dB[t - u] += dS[t, u]
    return dB


def distance_gradient__right_add_at(dA, Q, K, V, B):
    _, _, dS = parts(dA, Q, K, V, B)
    t, u = np.tril_indices(len(B))
    dB = np.zeros(len(B))
    np.add.at(dB, t - u, dS[t, u])
    return dB


def distance_gradient__wrong_repeats_lost(dA, Q, K, V, B):
    _, _, dS = parts(dA, Q, K, V, B)
    t, u = np.tril_indices(len(B))
    dB = np.zeros(len(B))
    dB[t - u] += dS[t, u]
    return dB


distance_gradient = {
    "right_lists": lambda *given: along(diagonals)(*given).tolist(),
    "wrong_above": along(lambda dS: np.array([np.trace(dS, offset=r) for r in range(len(dS))])),
    "wrong_rows": along(lambda dS: dS.sum(axis=1)),
    "wrong_columns": along(lambda dS: dS.sum(axis=0)),
    "wrong_mean": along(lambda dS: np.array([np.diagonal(dS, -r).mean() for r in range(len(dS))])),
    "wrong_reverse": along(lambda dS: diagonals(dS)[::-1]),
    "wrong_sign": along(lambda dS: -diagonals(dS)),
    "wrong_of_shares": along(diagonals, lambda P, dP, dS: dP),
    "wrong_no_mean": along(diagonals, lambda P, dP, dS: P * dP),
    "wrong_whole_matrix": along(lambda dS: dS),
}


def distance_gradient__wrong_divided(dA, Q, K, V, B):
    return along(diagonals)(dA, Q, K, V, B) / np.sqrt(Q.shape[1] + 1)


# --- merge ---------------------------------------------------------------------------------------


def merged(weigh, largest=max):
    """An answer with other weights of the two pieces, or another largest score."""

    def answer(first, second):
        (A1, M1, L1), (A2, M2, L2) = first, second
        M = largest(M1, M2)
        w1, w2 = weigh(M1, L1, M), weigh(M2, L2, M)
        return (w1 * A1 + w2 * A2) / (w1 + w2), M, w1 + w2

    return answer


def right_weight(M1, L1, M):
    return L1 * np.exp(M1 - M)


def merge__right_one_by_one(first, second):
    if first[1] < second[1]:
        first, second = second, first
    (A1, M1, L1), (A2, M2, L2) = first, second
    L = L1 + L2 * np.exp(M2 - M1)
    return [A1 + (A2 - A1) * (L2 * np.exp(M2 - M1) / L), M1, L]


merge = {
    "right_weights": merged(right_weight),
    "wrong_no_shift": merged(lambda M1, L1, M: L1),
    "wrong_overflow": merged(lambda M1, L1, M: L1 * np.exp(M1), lambda M1, M2: max(M1, M2)),
    "wrong_shift_alone": merged(lambda M1, L1, M: np.exp(M1 - M)),
    "wrong_sign": merged(lambda M1, L1, M: L1 * np.exp(M - M1)),
    "wrong_smaller": merged(right_weight, min),
    "wrong_mean": lambda first, second: (
        (first[0] + second[0]) / 2,
        max(first[1], second[1]),
        first[2] + second[2],
    ),
    "wrong_first_alone": lambda first, second: first,
    "wrong_answer_alone": lambda first, second: merged(right_weight)(first, second)[0],
    "wrong_not_divided": lambda first, second: (
        right_weight(first[1], first[2], max(first[1], second[1])) * first[0]
        + right_weight(second[1], second[2], max(first[1], second[1])) * second[0],
        *merged(right_weight)(first, second)[1:],
    ),
    "wrong_sum_not_shifted": lambda first, second: (
        *merged(right_weight)(first, second)[:2],
        first[2] + second[2],
    ),
}
