"""A final project, filled in: what a pair writes in publish/student/project/new_layer.ipynb.

The layer divides every row by its root mean square, and scales the columns. With g = gamma dY and
r = sqrt(mean of squares + eps), x_d / r depends on x_e directly where d = e, and through r always:
dx_e = g_e / r - x_e / (D r^3) sum_d g_d x_d.
"""

import numpy as np

from cs231n_utils.taught.layers import Affine, Flatten, Layer, ReLU, Sequential


class NewLayer(Layer):
    """Every row divided by its root mean square, every column times gamma."""

    def __init__(self, size, *, eps=1e-5, dtype=np.float64):
        super().__init__(gamma=np.ones(size, dtype))
        self.input_size = self.output_size = size
        self.eps = eps

    def forward(self, X, training=False):
        """What leaves the layer when X enters it."""
        scale = 1 / np.sqrt(np.mean(X**2, axis=1, keepdims=True) + self.eps)
        self.memory = X * scale, scale
        return self.params["gamma"] * X * scale

    def backward(self, dOut):
        """The gradient dX; renews that of gamma."""
        X_hat, scale = self.remembered()
        self.grads = {"gamma": np.sum(dOut * X_hat, axis=0)}
        dX_hat = dOut * self.params["gamma"]
        return scale * (dX_hat - X_hat * np.mean(dX_hat * X_hat, axis=1, keepdims=True))


def backward_loops(layer, dOut, X, training):
    """The gradients one entry at a time."""
    gamma = layer.params["gamma"]
    dX, dgamma = np.zeros(X.shape), np.zeros(gamma.shape)
    for n, row in enumerate(X):
        r = np.sqrt(sum(x * x for x in row) / len(row) + layer.eps)
        for e in range(len(row)):
            dgamma[e] += dOut[n, e] * row[e] / r
            for d in range(len(row)):
                through_r = -row[d] * row[e] / (len(row) * r**3)
                dX[n, e] += gamma[d] * dOut[n, d] * ((d == e) / r + through_r)
    return {"X": dX, "gamma": dgamma}


def cases(rng):
    """A list of pairs: a layer, and inputs X for it."""
    given = []
    for N, D in [(4, 3), (2, 5), (1, 6)]:
        layer = NewLayer(D)
        layer.params["gamma"][...] = rng.standard_normal(D)
        given.append((layer, rng.standard_normal((N, D))))
    return given


def network(kind, rng):
    """A Sequential for images (N, 8, 8, 1), with a layer of this kind, or without one for None."""
    norm = [kind(24)] if kind else []
    first, last = Affine(64, 24, rng=rng), Affine(24, 10, rng=rng)
    return Sequential([Flatten(), first, *norm, ReLU(), last])


class FaultyLayer(NewLayer):
    """The layer with one fault."""

    def backward(self, dOut):
        """It forgets that r depends on X."""
        super().backward(dOut)
        _, scale = self.remembered()
        return scale * dOut * self.params["gamma"]
