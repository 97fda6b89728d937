"""Answers to the exercises of 10_debugging, right and wrong."""

# ruff: noqa: D101, D102

import copy

import numpy as np

from cs231n_utils.taught import models, training
from cs231n_utils.taught.linear import centre
from cs231n_utils.taught.losses import softmax


class Whole(models.TwoLayerNet):
    """Another way to write the network, with the interface of the notebook's."""

    def __init__(self, D, H, C):
        super().__init__(D, H, C, std=0.1)

    def forward(self, X):
        return models.forward(self.params, X)

    def loss(self, X, y=None, reg=0.0):
        if y is not None:
            self.P = softmax(self.forward(X)[2])
        return super().loss(X, y, reg)

    def prepare(self, data):
        X_train, X_val = centre(data.X_train, data.X_val)
        return X_train, data.y_train, X_val, data.y_val

    def train(self, X, y, X_val, y_val, num_iters):
        settings = {"learning_rate": 1.0, "learning_rate_decay": 1.0, "reg": 1e-3}
        training.train(self, X, y, X_val, y_val, num_iters=num_iters, batch_size=43, **settings)


class PenaltyLeftOut(Whole):
    def loss(self, X, y=None, reg=0.0):
        result = super().loss(X, y, reg)
        return result if y is None else (result[0], super().loss(X, y)[1])


class Doubled(Whole):
    def loss(self, X, y=None, reg=0.0):
        if y is None:
            return super().loss(X)
        loss, grads = super().loss(X, y, reg)
        return loss, {name: len(X) * V for name, V in grads.items()}


class AliasLeft(Whole):
    def loss(self, X, y=None, reg=0.0):
        result = super().loss(X, y, reg)
        if y is not None:
            self.P[np.arange(len(y)), y] -= 1
        return result


class ReluLeft(Whole):
    def forward(self, X):
        W1, b1, W2, b2 = self.params.values()
        Z = X @ W1 + b1
        return Z, Z, Z @ W2 + b2


class ShiftLeft(Whole):
    """The maximum of the whole matrix is subtracted before softmax."""

    def loss(self, X, y=None, reg=0.0):
        result = super().loss(X, y, reg)
        S = super().loss(X)
        with np.errstate(divide="ignore"):
            wrong = np.log(np.exp(S - S.max()).sum(axis=1)).mean()
        return result if y is None or np.isfinite(wrong) else (np.inf, result[1])


repaired = {
    "right_other_class": lambda D, H, C: Whole(D, H, C),
    "wrong_penalty": lambda D, H, C: PenaltyLeftOut(D, H, C),
    "wrong_no_mean": lambda D, H, C: Doubled(D, H, C),
    "wrong_alias": lambda D, H, C: AliasLeft(D, H, C),
    "wrong_relu": lambda D, H, C: ReluLeft(D, H, C),
    "wrong_shift": lambda D, H, C: ShiftLeft(D, H, C),
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
    return np.array_equal(np.concatenate([net.loss(x[None]) for x in X]), net.loss(X))


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
