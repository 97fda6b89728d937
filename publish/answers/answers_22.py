"""Answers to the exercises of 22_recurrence, right and wrong."""

import numpy as np

from cs231n_utils.taught.recurrence import affine_gradients, back_through_time, gates, sigmoid

# --- bias_to_keep --------------------------------------------------------------------------------

bias_to_keep = {
    "right_one_logarithm": lambda share, steps: -np.log(share ** (-1 / steps) - 1),
    "right_by_expm1": lambda share, steps: -np.log(np.expm1(-np.log(share) / steps)),
    "wrong_share_of_a_step": lambda share, steps: np.log(share / (1 - share)),
    "wrong_log_steps": lambda share, steps: np.log(max(steps - 1, 1)),
    "wrong_sign": lambda share, steps: -np.log(share ** (1 / steps) / (1 - share ** (1 / steps))),
    "wrong_divided": lambda share, steps: np.log(share / steps / (1 - share / steps)),
    "wrong_power": lambda share, steps: np.log(share**steps / (1 - share**steps)),
    "wrong_gate_itself": lambda share, steps: share ** (1 / steps),
    "wrong_logarithm_alone": lambda share, steps: np.log(share) / steps,
    "wrong_inverse_of_tanh": lambda share, steps: np.arctanh(share ** (1 / steps)),
    "wrong_one_step_less": lambda share, steps: (
        -np.log(share ** (-1 / max(steps - 1, 1)) - 1) if steps > 1 else 0.0
    ),
}

# --- recurrent_gradient --------------------------------------------------------------------------


def collected(before, back):
    """An answer with a state before step t, and a way back through U."""

    def answer(dA, A, U):
        dU, later = np.zeros_like(U), np.zeros_like(A[:, 0])
        for t in reversed(range(A.shape[1])):
            dz = (dA[:, t] + later) * (1 - A[:, t] ** 2)
            dU += before(A, t).T @ dz
            later = back(dz, U)
        return dU

    return answer


def right_before(A, t):
    return A[:, t - 1] if t else np.zeros_like(A[:, 0])


def right_back(dz, U):
    return dz @ U.T


def recurrent_gradient__right_by_the_package(dA, A, U):
    """The inputs are a part of z that U does not touch: any will do."""

    def step_backward(dh, x, h, new):
        return affine_gradients(dh * (1 - new**2), x, h, np.zeros((1, len(U))), U)

    before = np.concatenate([np.zeros_like(A[:, :1]), A[:, :-1]], axis=1)
    total, later = np.zeros_like(U), np.zeros_like(A[:, 0])
    for t in reversed(range(A.shape[1])):
        x = np.zeros((len(A), 1))
        _, later, _, dU, _ = step_backward(dA[:, t] + later, x, before[:, t], A[:, t])
        total += dU
    return total


recurrent_gradient = {
    "right_padded": collected(
        lambda A, t: np.pad(A, ((0, 0), (1, 0), (0, 0)))[:, t], lambda dz, U: (U @ dz.T).T
    ),
    "wrong_as_it_was": collected(lambda A, t: A[:, t - 1], lambda dz, U: dz @ U),
    "wrong_first_state": collected(lambda A, t: A[:, t - 1], right_back),
    "wrong_not_transposed": collected(right_before, lambda dz, U: dz @ U),
    "wrong_state_after": collected(lambda A, t: A[:, t], right_back),
    "wrong_clamped_index": collected(lambda A, t: A[:, max(t - 1, 0)], right_back),
    "wrong_one_step_back": collected(right_before, lambda dz, U: 0 * dz),
    "wrong_transposed": lambda dA, A, U: collected(right_before, right_back)(dA, A, U).T,
    "wrong_a_mean": lambda dA, A, U: (
        collected(right_before, right_back)(dA, A, U) / A.shape[1] * (A.shape[1] > 1)
    ),
}


def recurrent_gradient__wrong_only_the_end(dA, A, U):
    """As if the loss looked at the last state alone."""
    last = np.zeros_like(dA)
    last[:, -1] = dA[:, -1]
    return collected(right_before, right_back)(last, A, U)


def recurrent_gradient__wrong_no_slope(dA, A, U):
    dU, later = np.zeros_like(U), np.zeros_like(A[:, 0])
    for t in reversed(range(A.shape[1])):
        dz = dA[:, t] + later
        dU += right_before(A, t).T @ dz
        later = dz @ U.T
    return dU


def recurrent_gradient__wrong_overwritten(dA, A, U):
    dU, later = np.zeros_like(U), np.zeros_like(A[:, 0])
    for t in reversed(range(A.shape[1])):
        dz = (dA[:, t] + later) * (1 - A[:, t] ** 2)
        dU = right_before(A, t).T @ dz
        later = dz @ U.T
    return dU


# --- lstm_step_backward --------------------------------------------------------------------------


def cell_back(road, keep, arriving, slopes):
    """An answer from the gradient on the road, the old cell's, and those of the four curves."""

    def answer(dh_new, dc_new, x, h, c, W, U, b):
        i, f, g, o = gates(x, h, W, U, b)
        shown = np.tanh(f * c + i * g)
        dc_all = road(dh_new, dc_new, o, shown)
        rates = arriving(dc_all, dh_new, c, shown, i, g)
        dz = [rate * slope for rate, slope in zip(rates, slopes(i, f, g, o), strict=True)]
        dx, dh, dW, dU, db = affine_gradients(np.hstack(dz), x, h, W, U)
        return dx, dh, keep(dc_all, f), dW, dU, db

    return answer


def right_road(dh_new, dc_new, o, shown):
    return dc_new + dh_new * o * (1 - shown**2)


def right_keep(dc_all, f):
    return dc_all * f


def right_arriving(dc_all, dh_new, c, shown, i, g):
    return dc_all * g, dc_all * c, dc_all * i, dh_new * shown


def right_slopes(i, f, g, o):
    return i * (1 - i), f * (1 - f), 1 - g**2, o * (1 - o)


RIGHT_CELL = (right_road, right_keep, right_arriving, right_slopes)


def cell_but(place, part):
    """The right answer, with one of its four parts exchanged."""
    parts = list(RIGHT_CELL)
    parts[place] = part
    return cell_back(*parts)


lstm_step_backward = {
    "right_list": lambda *given: list(cell_back(*RIGHT_CELL)(*given)),
    "wrong_next_step_alone": cell_but(0, lambda dh, dc, o, shown: dc),
    "wrong_shown_alone": cell_but(0, lambda dh, dc, o, shown: dh * o * (1 - shown**2)),
    "wrong_without_output_gate": cell_but(0, lambda dh, dc, o, shown: dc + dh * (1 - shown**2)),
    "wrong_without_slope_of_tanh": cell_but(0, lambda dh, dc, o, shown: dc + dh * o),
    "wrong_cell_kept_whole": cell_but(1, lambda dc, f: dc),
    "wrong_cell_by_what_is_lost": cell_but(1, lambda dc, f: dc * (1 - f)),
    "wrong_own_factors": cell_but(
        2, lambda dc, dh, c, shown, i, g: (dc * i, dc * c, dc * g, dh * shown)
    ),
    "wrong_output_on_the_road": cell_but(
        2, lambda dc, dh, c, shown, i, g: (dc * g, dc * c, dc * i, dc * shown)
    ),
    "wrong_sigmoid_everywhere": cell_but(
        3, lambda i, f, g, o: (i * (1 - i), f * (1 - f), g * (1 - g), o * (1 - o))
    ),
    "wrong_tanh_everywhere": cell_but(
        3, lambda i, f, g, o: (1 - i**2, 1 - f**2, 1 - g**2, 1 - o**2)
    ),
    "wrong_five_alone": lambda *given: cell_back(*RIGHT_CELL)(*given)[:5],
    "wrong_order": lambda *given: cell_back(*RIGHT_CELL)(*given)[::-1],
}

# --- gated_step_backward -------------------------------------------------------------------------


def gated(dr, dg, direct):
    """An answer from the gradients of gate and candidate, and what goes past both."""

    def answer(dh_new, x, h, W, U, b):
        gate, candidate = np.split(x @ W + h @ U + b, 2, axis=1)
        r, g = sigmoid(gate), np.tanh(candidate)
        parts = dr(dh_new, h, r, g) * r * (1 - r), dg(dh_new, r) * (1 - g**2)
        dx, dh, dW, dU, db = affine_gradients(np.hstack(parts), x, h, W, U)
        return dx, dh + direct(dh_new, r), dW, dU, db

    return answer


def gate_rate(dh, h, r, g):
    return dh * (g - h)


def candidate_rate(dh, r):
    return dh * r


def past(dh, r):
    return dh * (1 - r)


gated_step_backward = {
    "right_list": lambda *given: list(gated(gate_rate, candidate_rate, past)(*given)),
    "wrong_no_road": gated(gate_rate, candidate_rate, lambda dh, r: 0 * dh),
    "wrong_road_of_the_gate": gated(gate_rate, candidate_rate, lambda dh, r: dh * r),
    "wrong_road_without_gate": gated(gate_rate, candidate_rate, lambda dh, r: dh),
    "wrong_gate_lets_in_only": gated(lambda dh, h, r, g: dh * g, candidate_rate, past),
    "wrong_gate_keeps_only": gated(lambda dh, h, r, g: -dh * h, candidate_rate, past),
    "wrong_sign_of_the_gate": gated(lambda dh, h, r, g: dh * (h - g), candidate_rate, past),
    "wrong_candidate_past_the_gate": gated(gate_rate, lambda dh, r: dh, past),
    "wrong_candidate_by_what_is_kept": gated(gate_rate, lambda dh, r: dh * (1 - r), past),
    "wrong_four_alone": lambda *given: gated(gate_rate, candidate_rate, past)(*given)[:4],
    "wrong_order": lambda *given: gated(gate_rate, candidate_rate, past)(*given)[::-1],
}


def gated_step_backward__wrong_blocks_swapped(dh_new, x, h, W, U, b):
    gate, candidate = np.split(x @ W + h @ U + b, 2, axis=1)
    r, g = sigmoid(gate), np.tanh(candidate)
    parts = dh_new * r * (1 - g**2), dh_new * (g - h) * r * (1 - r)
    dx, dh, dW, dU, db = affine_gradients(np.hstack(parts), x, h, W, U)
    return dx, dh + dh_new * (1 - r), dW, dU, db


def gated_step_backward__wrong_in_place(dh_new, x, h, W, U, b):
    answer = gated(gate_rate, candidate_rate, past)(dh_new, x, h, W, U, b)
    h += answer[1]
    return answer


# --- core functions: names of wrong answers that are not exercises -------------------------------


def back_through_time__right_package(step_backward, dA, entered):
    return back_through_time(step_backward, dA, entered)


def back_through_time__wrong_overwritten(step_backward, dA, entered):
    """The gradients of the first step alone."""
    dX, later = np.zeros((*dA.shape[:2], entered[0][0].shape[1])), np.zeros_like(dA[:, 0])
    for t in reversed(range(len(entered))):
        dX[:, t], later, *gradients = step_backward(dA[:, t] + later, *entered[t])
    return dX, *gradients


def back_through_time__wrong_outside_forgotten(step_backward, dA, entered):
    """Only the last state's gradient comes from outside."""
    last = np.zeros_like(dA)
    last[:, -1] = dA[:, -1]
    return back_through_time(step_backward, last, entered)


def back_through_time__wrong_one_step(step_backward, dA, entered):
    """Nothing is handed on to the step before."""
    parts = [step_backward(dA[:, t], *each) for t, each in enumerate(entered)]
    dX = np.stack([part[0] for part in parts], axis=1)
    return dX, *(sum(part[k] for part in parts) for k in (2, 3, 4))
