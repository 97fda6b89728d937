"""What the engine of notebook 19 costs beside the passes that were written by hand.

    python -m benchmarks.autograd

A unit of work is the loss of one batch with the gradients of all parameters, without the update: of
the two-layer network with a batch of 200, and of a small convolutional network with a batch of 32,
each in two sizes, in float64 and float32, on one thread. The engine records the same mathematics,
a convolution as one product of all windows, which an index takes. Before the clock starts,
`check_same` asserts that both give the same loss and the same gradients.
"""

from functools import partial

import numpy as np

from benchmarks.side_by_side import interleaved, print_conditions, print_table, seconds
from cs231n_utils.taught.autograd import Tensor
from cs231n_utils.taught.convolution import Conv2D, MaxPool2D
from cs231n_utils.taught.layers import Affine, Flatten, ReLU, Sequential
from cs231n_utils.taught.models import TwoLayerNet

HIDDEN, C, REG = 100, 10, 1e-2
FILTERS = (16, 32)  # of a convolution of 3x3 and one of 2x2, each with ReLU and a pool of 2x2
POOL = 2
ROUNDS, CALLS = 21, 3
TOLERANCES = {np.float64: 1e-10, np.float32: 1e-3}


def two_layer(D, dtype):
    """The two-layer network D-100-10, its scores by the engine, and a batch of 200."""
    model = TwoLayerNet(D, HIDDEN, C, std=0.05, rng=0, dtype=dtype)
    return model, two_layer_scores, *batch((200, D), dtype)


def small_convnet(rows, channels, dtype):
    """Two convolutions and an affine map, their scores by the engine, and a batch of 32 images."""
    rng, (few, many) = np.random.default_rng(0), FILTERS
    left = ((rows - 2) // POOL - 1) // POOL  # rows that the second pool leaves
    layers = [Conv2D(channels, few, 3, rng=rng, dtype=dtype), ReLU(), MaxPool2D(POOL)]
    layers += [Conv2D(few, many, 2, rng=rng, dtype=dtype), ReLU(), MaxPool2D(POOL)]
    layers += [Flatten(), Affine(left**2 * many, C, rng=rng, dtype=dtype)]
    return Sequential(layers), convnet_scores, *batch((32, rows, rows, channels), dtype)


CASES = {
    "two layers, 64": partial(two_layer, 64),
    "two layers, 3072": partial(two_layer, 3072),
    "convnet, 8x8": partial(small_convnet, 8, 1),
    "convnet, 32x32": partial(small_convnet, 32, 3),
}


def batch(shape, dtype):
    """Random inputs of a shape and labels."""
    rng = np.random.default_rng(1)
    return rng.standard_normal(shape).astype(dtype), rng.integers(0, C, shape[0])


def recorded(model, scores, X, y):
    """The loss and the gradients, recorded by the engine and then traced back."""
    leaves = {key: Tensor(value) for key, value in model.params.items()}
    S = scores(leaves, Tensor(X, constant=True))
    S = S - S.data.max(axis=1, keepdims=True)
    losses = S.exp().sum(axis=1).log() - S[np.arange(len(y)), y]
    penalty = REG / 2 * sum((leaf**2).sum() for key, leaf in leaves.items() if "W" in key)
    loss = losses.mean() + penalty
    loss.backward()
    return float(loss.data), {key: leaf.grad for key, leaf in leaves.items()}


def two_layer_scores(params, X):
    """Scores as in notebook 07."""
    return (X @ params["W1"] + params["b1"]).relu() @ params["W2"] + params["b2"]


def convnet_scores(params, X):
    """Scores of the small convolutional network."""
    A = pooled(convolved(X, params["0.W"], params["0.b"]).relu())
    A = pooled(convolved(A, params["3.W"], params["3.b"]).relu())
    return A.reshape(len(A.data), -1) @ params["7.W"] + params["7.b"]


def convolved(X, W, b):
    """The convolution as one product of all windows, which an index takes."""
    (N, rows, columns, _), (U, V, _, F) = X.data.shape, W.data.shape
    P, Q = rows - U + 1, columns - V + 1
    at_rows = np.arange(P).reshape(P, 1, 1, 1) + np.arange(U).reshape(1, 1, U, 1)
    at_columns = np.arange(Q).reshape(1, Q, 1, 1) + np.arange(V).reshape(1, 1, 1, V)
    windows = X[:, at_rows, at_columns].reshape(N * P * Q, -1)
    return (windows @ W.reshape(-1, F) + b).reshape(N, P, Q, F)


def pooled(A):
    """The largest number of every window of 2x2."""
    N, rows, columns, F = A.data.shape
    return A.reshape(N, rows // POOL, POOL, columns // POOL, POOL, F).max(axis=(2, 4))


def check_same(expected, found, tolerance):
    """Assert that two steps give the same loss and gradients."""
    (loss, grads), (other, others) = expected, found
    assert abs(other - loss) <= tolerance * loss, (loss, other)
    assert others.keys() == grads.keys()
    for key, value in grads.items():
        worst = np.abs(others[key] - value).max() / np.abs(value).max()
        assert worst <= tolerance, (key, worst)


def median_call(step):
    """Median seconds of a few steps."""
    return float(np.median([seconds(step) for _ in range(CALLS)]))


def main():
    """Check, measure and print."""
    print_conditions("numpy")
    for name, make in CASES.items():
        for dtype, tolerance in TOLERANCES.items():
            model, scores, X, y = make(dtype)
            by_hand = partial(model.loss, X, y, REG)
            by_engine = partial(recorded, model, scores, X, y)
            check_same(by_hand(), by_engine(), tolerance)
            steps = {"by hand": by_hand, "engine": by_engine}
            contenders = {way: partial(median_call, step) for way, step in steps.items()}
            title = f"{name}, batch {len(y)}, {np.dtype(dtype)}"
            print_table(title, interleaved(contenders, ROUNDS), "by hand")


if __name__ == "__main__":
    main()
