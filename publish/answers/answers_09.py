"""Answers to the exercises of 09_optimizers, right and wrong."""

import numpy as np

from cs231n_utils.taught.optimizers import Adam

plain_rate = {
    "right_series": lambda eta, beta: eta * sum(beta**j for j in range(2000)),
    "wrong_same_rate": lambda eta, beta: eta,
    "wrong_average": lambda eta, beta: eta * (1 - beta),
    "wrong_damped": lambda eta, beta: eta / (1 + beta),
    "wrong_noise": lambda eta, beta: eta / (1 - beta**2),
}


def adam_step_with(count):
    """An answer that counts steps in a way of its own: count(state, name) is t."""

    def answer(params, grads, state, learning_rate, beta1=0.9, beta2=0.999, eps=1e-8):
        for name in params:
            t = count(state, name)
            u = beta1 * state["u"].get(name, 0.0) + (1 - beta1) * grads[name]
            q = beta2 * state["q"].get(name, 0.0) + (1 - beta2) * grads[name] ** 2
            state["u"][name], state["q"][name] = u, q
            u_hat, q_hat = u / (1 - beta1**t), q / (1 - beta2**t)
            params[name] -= learning_rate * u_hat / (np.sqrt(q_hat) + eps)

    return answer


def count_arrays(state, name):
    state["t"] += 1
    return state["t"]


def count_by_name(state, name):
    state[name] = state.get(name, 0) + 1
    return state[name]


adam_step = {
    "right_a_count_for_each_array": adam_step_with(count_by_name),
    "wrong_as_given": adam_step_with(count_arrays),
    "wrong_never_counts": adam_step_with(lambda state, name: 1),
    "wrong_no_correction": adam_step_with(lambda state, name: 10**6),
}


def adam_step__right_class(params, grads, state, learning_rate, beta1=0.9, beta2=0.999, eps=1e-8):
    if state["t"] == 0:
        state["adam"] = Adam(learning_rate, beta1, beta2, eps)
    state["t"] += 1
    state["adam"].step(params, grads)


def adam_step__wrong_new_arrays(params, grads, state, learning_rate, beta1=0.9, beta2=0.999):
    moved = {name: value.copy() for name, value in params.items()}
    adam_step__right_class(moved, grads, state, learning_rate, beta1, beta2)
    params.update(moved)


def adam_step__wrong_first_array_only(params, grads, state, learning_rate, beta1=0.9, beta2=0.999):
    name = next(iter(params))
    adam_step__right_class({name: params[name]}, grads, state, learning_rate, beta1, beta2)


best_momentum = {
    "right_ratio": lambda c1, c2: (
        (2 / (c1**0.5 + c2**0.5)) ** 2,
        (1 - 2 / (1 + (c2 / c1) ** 0.5)) ** 2,
    ),
    "right_list": lambda c1, c2: [
        4 / (c1 + c2 + 2 * (c1 * c2) ** 0.5),
        ((c2**0.5 - c1**0.5) ** 2 / (c2 - c1)) ** 2,
    ],
    "wrong_plain": lambda c1, c2: (2 / (c1 + c2), 0.0),
    "wrong_usual": lambda c1, c2: (1 / c2, 0.9),
    "wrong_root_not_squared": lambda c1, c2: (
        4 / (c1**0.5 + c2**0.5) ** 2,
        1 - 2 / (1 + (c2 / c1) ** 0.5),
    ),
    "wrong_without_roots": lambda c1, c2: (4 / (c1 + c2) ** 2, ((c2 - c1) / (c2 + c1)) ** 2),
    "wrong_order": lambda c1, c2: best_momentum["right_ratio"](c1, c2)[::-1],
}


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
