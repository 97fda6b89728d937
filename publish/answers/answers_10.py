"""Answers to the exercises of 10_debugging, right and wrong."""

import copy

import numpy as np

from cs231n_utils.taught import layers


def parts(**exchanged):
    """An answer to exercise 3: the four right parts, some of them exchanged."""
    right = {
        "relu": lambda Z: Z * (Z > 0),
        "shift": lambda S: (S.T - S.max(axis=1)).T,
        "score_gradient": lambda P, y: (P - np.eye(P.shape[1])[y]) / len(P),
        "weight_gradient": lambda W, G, reg: np.add(G, np.multiply(reg, W)),
    }
    return lambda: right | exchanged


def relu_left(Z):
    return Z


def alias_left(P, y):
    P[np.arange(len(P)), y] -= 1
    return P / len(P)


def no_mean(P, y):
    return P - np.eye(P.shape[1])[y]


def relu_of_centred(Z):
    return np.maximum(Z - Z.mean(axis=0), 0)


repaired = {
    "right_other_functions": parts(),
    "wrong_penalty_left_out": parts(weight_gradient=lambda W, G, reg: G),
    "wrong_penalty_of_gradient": parts(weight_gradient=lambda W, G, reg: G + reg * G),
    "wrong_no_mean": parts(score_gradient=no_mean),
    "wrong_alias": parts(score_gradient=alias_left),
    "wrong_relu": parts(relu=relu_left),
    "wrong_centred_by_batch": parts(relu=relu_of_centred),
    "wrong_shift": parts(shift=lambda S: S - S.max()),
    "wrong_a_part_missing": lambda: {"relu": lambda Z: np.maximum(Z, 0)},
    "wrong_taken_from_the_notebook": parts(relu=layers.relu),
    "wrong_no_dictionary": lambda: None,
}


def asserts(holds):
    """A check that asserts what holds of a network and its inputs."""

    def check(make):
        assert holds(make(4, 6, 3), np.random.default_rng(3).standard_normal((5, 4)))

    return check


def other_companions(net, X):
    other = np.concatenate([X[:1], X[1:] + 1])
    return np.allclose(net.loss(X)[0], net.loss(2 * other / 2)[0])


def label_by_label(net, X):
    return all(net.predict(X[n : n + 1]) == net.predict(X)[n] for n in range(len(X)))


def loss_by_loss(net, X):
    y = np.array([0, 1, 2, 2, 0])
    one_by_one = [net.loss(X[[n]], y[[n]])[0] for n in range(len(X))]
    return np.isclose(np.mean(one_by_one), net.loss(X, y)[0])


def bit_by_bit(net, X):
    one_by_one = np.concatenate([net.loss(x[None]) for x in X])
    return np.array_equal(np.log(np.exp(one_by_one)), net.loss(X))  # rounded on every machine


check_company = {
    "right_first_half": asserts(lambda net, X: np.allclose(net.loss(X[:3]), net.loss(X)[:3])),
    "right_other_companions": asserts(other_companions),
    "wrong_order_only": asserts(lambda net, X: np.allclose(net.loss(X[::-1]), net.loss(X)[::-1])),
    "wrong_same_batch": asserts(lambda net, X: np.allclose(net.loss(X), net.loss(X.copy()))),
    "wrong_labels_only": asserts(label_by_label),
    "wrong_losses_only": asserts(loss_by_loss),
    "wrong_no_rounding": asserts(bit_by_bit),
    "wrong_always_objects": asserts(lambda net, X: False),
}


def keeps(copied, wanted=("W1", "b1", "W2", "b2")):
    """A check that compares parameters with what `copied` made of them before."""

    def check(make):
        net = make(4, 6, 3)
        for V in net.params.values():
            V[...] = 1.5
        X, y = np.random.default_rng(3).standard_normal((5, 4)), np.array([0, 1, 2, 2, 0])
        before = copied(net.params)
        net.loss(X, y, 0.7)
        assert all(np.array_equal(net.params[name], before[name]) for name in wanted)

    return check


def kept_fresh_network(make):
    net, fresh = make(4, 6, 3), make(4, 6, 3)
    for each in (net, fresh):
        for V in each.params.values():
            V += 1
    net.loss(np.ones((2, 4)), np.array([0, 1]))
    assert all(np.array_equal(net.params[name], V) for name, V in fresh.params.items())


def kept_in_sum(make):
    net = make(4, 6, 3)
    for V in net.params.values():
        V[...] = np.arange(V.size).reshape(V.shape) - (V.size - 1) / 2  # of sum 0
    sums = {name: V.sum() for name, V in net.params.items()}
    net.loss(np.ones((2, 4)), np.array([0, 1]))
    assert all(np.isclose(V.sum(), sums[name]) for name, V in net.params.items())


def kept_in_bytes(make):
    net = make(4, 6, 3)
    for V in net.params.values():
        V += 1
    before = {name: V.tobytes() for name, V in net.params.items()}
    net.loss(np.ones((2, 4)), np.array([0, 1]))
    assert all(V.tobytes() == before[name] for name, V in net.params.items())


check_kept_repaired = {
    "right_deep_copy": keeps(copy.deepcopy),
    "right_by_arithmetic": keeps(lambda params: {name: V + 0 for name, V in params.items()}),
    "right_fresh_network": kept_fresh_network,
    "right_bytes": kept_in_bytes,
    "wrong_dict": keeps(dict),
    "wrong_shallow_copy": keeps(copy.copy),
    "wrong_dictionary_of_names": keeps(lambda params: {name: V for name, V in params.items()}),  # noqa: C416
    "wrong_views": keeps(lambda params: {name: V[:] for name, V in params.items()}),
    "wrong_asarray": keeps(lambda params: {name: np.asarray(V) for name, V in params.items()}),
    "wrong_weights_alone": keeps(copy.deepcopy, wanted=("W1", "W2")),
    "wrong_first_layer_alone": keeps(copy.deepcopy, wanted=("W1", "b1")),
    "wrong_sums": kept_in_sum,
    "wrong_always_objects": asserts(lambda net, X: False),
}


settings_for_the_sum = {
    "right_array": lambda learning_rate, reg, N: np.array([learning_rate, N * N * reg]) / N,
    "wrong_unchanged": lambda learning_rate, reg, N: (learning_rate, reg),
    "wrong_rate_alone": lambda learning_rate, reg, N: (learning_rate / N, reg),
    "wrong_both_divided": lambda learning_rate, reg, N: (learning_rate / N, reg / N),
    "wrong_inverted": lambda learning_rate, reg, N: (learning_rate * N, reg / N),
}
