"""Answers to the exercises of 08_debugging, right and wrong."""

# ruff: noqa: D101, D102

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
        training.train(self, X, y, X_val, y_val, 1.0, 1.0, 1e-3, num_iters, 43)


class PenaltyLeftOut(Whole):
    def loss(self, X, y=None, reg=0.0):
        if y is None:
            return super().loss(X)
        return super().loss(X, y, reg)[0], super().loss(X, y)[1]


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


repaired = {
    "right_other_class": lambda D, H, C: Whole(D, H, C),
    "wrong_penalty": lambda D, H, C: PenaltyLeftOut(D, H, C),
    "wrong_no_mean": lambda D, H, C: Doubled(D, H, C),
    "wrong_alias": lambda D, H, C: AliasLeft(D, H, C),
    "wrong_relu": lambda D, H, C: ReluLeft(D, H, C),
}


def network_and_inputs(make):
    return make(4, 6, 3), np.random.default_rng(3).standard_normal((5, 4))


def check_company__right_first_half(make):
    net, X = network_and_inputs(make)
    assert np.allclose(net.loss(X[:3]), net.loss(X)[:3])


def check_company__right_other_companions(make):
    net, X = network_and_inputs(make)
    other = np.concatenate([X[:1], X[1:] + 1])
    assert np.allclose(net.loss(X)[0], net.loss(2 * other / 2)[0])


def check_company__wrong_order_only(make):
    net, X = network_and_inputs(make)
    assert np.allclose(net.loss(X[::-1]), net.loss(X)[::-1])


def check_company__wrong_same_batch(make):
    net, X = network_and_inputs(make)
    assert np.allclose(net.loss(X), net.loss(X.copy()))


def check_company__wrong_labels_only(make):
    net, X = network_and_inputs(make)
    assert all(net.predict(X[n : n + 1]) == net.predict(X)[n] for n in range(len(X)))


def check_company__wrong_losses_only(make):
    net, X = network_and_inputs(make)
    y = np.array([0, 1, 2, 2, 0])
    one_by_one = [net.loss(X[[n]], y[[n]])[0] for n in range(len(X))]
    assert np.isclose(np.mean(one_by_one), net.loss(X, y)[0])


def check_company__wrong_no_rounding(make):
    net, X = network_and_inputs(make)
    assert np.array_equal(np.concatenate([net.loss(x[None]) for x in X]), net.loss(X))


def check_company__wrong_always_objects(make):
    raise AssertionError


settings_for_the_sum = {
    "right_array": lambda learning_rate, reg, N: np.array([learning_rate, N * N * reg]) / N,
    "wrong_unchanged": lambda learning_rate, reg, N: (learning_rate, reg),
    "wrong_rate_alone": lambda learning_rate, reg, N: (learning_rate / N, reg),
    "wrong_both_divided": lambda learning_rate, reg, N: (learning_rate / N, reg / N),
    "wrong_inverted": lambda learning_rate, reg, N: (learning_rate * N, reg / N),
}
