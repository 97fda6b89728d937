"""Answers to the exercises of 10_debugging, right and wrong."""

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


repaired = {
    "right_other_class": lambda D, H, C: Whole(D, H, C),
    "wrong_penalty": lambda D, H, C: PenaltyLeftOut(D, H, C),
    "wrong_no_mean": lambda D, H, C: Doubled(D, H, C),
    "wrong_alias": lambda D, H, C: AliasLeft(D, H, C),
    "wrong_relu": lambda D, H, C: ReluLeft(D, H, C),
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


settings_for_the_sum = {
    "right_array": lambda learning_rate, reg, N: np.array([learning_rate, N * N * reg]) / N,
    "wrong_unchanged": lambda learning_rate, reg, N: (learning_rate, reg),
    "wrong_rate_alone": lambda learning_rate, reg, N: (learning_rate / N, reg),
    "wrong_both_divided": lambda learning_rate, reg, N: (learning_rate / N, reg / N),
    "wrong_inverted": lambda learning_rate, reg, N: (learning_rate * N, reg / N),
}
