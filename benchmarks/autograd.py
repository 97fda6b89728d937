"""What the engine of notebook 19 costs beside the passes that were written by hand.

    python -m benchmarks.autograd

A unit of work is the loss of one batch with the gradients of all parameters, without the update: of
the two-layer network with a batch of 200, and of a small convolutional network with a batch of 32,
each in two sizes, in float64 and float32. The reference is the series' own code. The engine records
the same mathematics, the convolution in two ways: all windows of an image taken by one index, and a
product for each place in the filter. Where PyTorch is installed, its eager autograd runs beside
them. All work on one thread, as in the series.

Seconds are compared within a round. Megabytes are the peak of the arrays that one step makes, as
tracemalloc counts them; it does not see PyTorch's. Before the clock starts, `check_same` asserts
that all give the same loss and the same gradients.
"""

import importlib.util
import tracemalloc
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from benchmarks.side_by_side import (
    interleaved,
    print_conditions,
    print_table,
    ratios,
    save,
    seconds,
)
from cs231n_utils.plots import COLORS, MARKERS, subplots
from cs231n_utils.taught.autograd import Tensor
from cs231n_utils.taught.convolution import Conv2D, MaxPool2D
from cs231n_utils.taught.layers import Affine, Flatten, ReLU, Sequential
from cs231n_utils.taught.models import TwoLayerNet

HAS_TORCH = importlib.util.find_spec("torch") is not None
HIDDEN, C, REG = 100, 10, 1e-2
FILTERS = (16, 32)  # of a convolution of 3x3 and one of 2x2, each with ReLU and a pool of 2x2
POOL = 2
ROUNDS, CALLS = 21, 3
IMAGES_IN_TORCH = (0, 3, 1, 2)  # (N, C, rows, columns)
FILTERS_IN_TORCH, FILTERS_FROM_TORCH = (3, 2, 0, 1), (2, 3, 1, 0)  # (F, C, U, V)
MEGABYTE = 1e6
BY_HAND, PYTORCH = "by hand", "PyTorch"
DTYPES = {"float64": np.float64, "float32": np.float32}


@dataclass(frozen=True)
class Case:
    """A network with its batch: a step of each contender is a function without arguments."""

    name: str
    X: np.ndarray
    y: np.ndarray
    model: TwoLayerNet | Sequential
    engines: dict = field(repr=False)  # name -> scores of a dict of Tensors and of the inputs
    torch_scores: object = field(repr=False)

    def contenders(self):
        """Name -> a step: the loss, and the gradients by the parameter's name."""
        steps = {BY_HAND: partial(self.model.loss, self.X, self.y, REG)}
        for name, scores in self.engines.items():
            steps[name] = partial(recorded, scores, self.model.params, self.X, self.y)
        if HAS_TORCH:
            steps[PYTORCH] = in_torch(self.torch_scores, self.model.params, self.X, self.y)
        return steps


def two_layer(D, dtype):
    """The two-layer network D-100-10 with a batch of 200."""
    X, y = batch((200, D), dtype)
    model = TwoLayerNet(D, HIDDEN, C, std=0.05, rng=0, dtype=dtype)
    name = f"two layers, {D}-{HIDDEN}-{C}"
    return Case(name, X, y, model, {"engine": two_layer_scores}, two_layer_in_torch)


def small_convnet(rows, channels, dtype):
    """Two convolutions and an affine map, with a batch of 32 images."""
    X, y = batch((32, rows, rows, channels), dtype)
    rng, (few, many) = np.random.default_rng(0), FILTERS
    left = ((rows - 2) // POOL - 1) // POOL  # rows that the second pool leaves
    layers = [Conv2D(channels, few, 3, rng=rng, dtype=dtype), ReLU(), MaxPool2D(POOL)]
    layers += [Conv2D(few, many, 2, rng=rng, dtype=dtype), ReLU(), MaxPool2D(POOL)]
    layers += [Flatten(), Affine(left**2 * many, C, rng=rng, dtype=dtype)]
    engines = {
        f"engine, {name}": partial(convnet_scores, convolve)
        for name, convolve in {"windows": by_windows, "products": by_products}.items()
    }
    name = f"convolutional, {rows}x{rows}x{channels}"
    return Case(name, X, y, Sequential(layers), engines, convnet_in_torch)


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


# --- By the engine ------------------------------------------------------------------------------


def graph_of(scores, params, X, y):
    """The loss of one batch as a Tensor, and the Tensors of the parameters."""
    leaves = {key: Tensor(value) for key, value in params.items()}
    S = scores(leaves, Tensor(X, constant=True))
    S = S - S.data.max(axis=1, keepdims=True)
    losses = S.exp().sum(axis=1).log() - S[np.arange(len(y)), y]
    return losses.mean() + REG / 2 * sum((W**2).sum() for W in weights(leaves)), leaves


def recorded(scores, params, X, y):
    """The loss and the gradients, recorded and then traced back."""
    loss, leaves = graph_of(scores, params, X, y)
    loss.backward()
    return float(loss.data), {key: leaf.grad for key, leaf in leaves.items()}


def weights(params):
    """The parameters that the penalty counts."""
    return [value for key, value in params.items() if "W" in key]


def two_layer_scores(params, X):
    """Scores as in notebook 07."""
    return (X @ params["W1"] + params["b1"]).relu() @ params["W2"] + params["b2"]


def convnet_scores(convolve, params, X):
    """Scores of the small convolutional network."""
    A = pooled(convolve(X, params["0.W"], params["0.b"]).relu())
    A = pooled(convolve(A, params["3.W"], params["3.b"]).relu())
    return A.reshape(len(A.data), -1) @ params["7.W"] + params["7.b"]


def by_windows(X, W, b):
    """The convolution as one product of all windows, which an index takes."""
    (N, rows, columns, _), (U, V, _, F) = X.data.shape, W.data.shape
    P, Q = rows - U + 1, columns - V + 1
    at_rows = np.arange(P).reshape(P, 1, 1, 1) + np.arange(U).reshape(1, 1, U, 1)
    at_columns = np.arange(Q).reshape(1, Q, 1, 1) + np.arange(V).reshape(1, 1, 1, V)
    places = X[:, at_rows, at_columns].reshape(N * P * Q, -1)
    return (places @ W.reshape(-1, F) + b).reshape(N, P, Q, F)


def by_products(X, W, b):
    """The convolution as a sum of products, one for each place in the filter."""
    (N, rows, columns, channels), (U, V, _, F) = X.data.shape, W.data.shape
    P, Q = rows - U + 1, columns - V + 1
    Z = b
    for u, v in np.ndindex(U, V):
        Z = Z + X[:, u : u + P, v : v + Q].reshape(-1, channels) @ W[u, v]
    return Z.reshape(N, P, Q, F)


def pooled(A):
    """The largest number of every window of 2x2."""
    N, rows, columns, F = A.data.shape
    return A.reshape(N, rows // POOL, POOL, columns // POOL, POOL, F).max(axis=(2, 4))


# --- By PyTorch ---------------------------------------------------------------------------------


def in_torch(scores, params, X, y):
    """A step by PyTorch's eager autograd, with arrays in its own order."""
    import torch

    arrays = {key: reordered(value, FILTERS_IN_TORCH) for key, value in params.items()}
    leaves = {key: torch.tensor(value, requires_grad=True) for key, value in arrays.items()}
    X, y = torch.tensor(reordered(X, IMAGES_IN_TORCH)), torch.tensor(y)

    def step():
        loss = torch.nn.functional.cross_entropy(scores(leaves, X), y)
        loss = loss + REG / 2 * sum((W**2).sum() for W in weights(leaves))
        grads = torch.autograd.grad(loss, list(leaves.values()))
        return loss.item(), dict(zip(leaves, grads, strict=True))

    return step


def reordered(value, axes):
    """Images or filters with their axes in this order; other arrays as they are."""
    return np.ascontiguousarray(value.transpose(axes)) if value.ndim == 4 else value


def two_layer_in_torch(params, X):
    """Scores of the two-layer network."""
    return (X @ params["W1"] + params["b1"]).relu() @ params["W2"] + params["b2"]


def convnet_in_torch(params, X):
    """Scores of the small convolutional network."""
    from torch.nn.functional import conv2d, max_pool2d

    A = max_pool2d(conv2d(X, params["0.W"], params["0.b"]).relu(), POOL)
    A = max_pool2d(conv2d(A, params["3.W"], params["3.b"]).relu(), POOL)
    return A.permute(0, 2, 3, 1).reshape(len(A), -1) @ params["7.W"] + params["7.b"]


# --- Measured -----------------------------------------------------------------------------------


def check_same(case, tolerance):
    """Assert that every contender gives the loss and the gradients of the first."""
    (loss, expected), *others = [step() for step in case.contenders().values()]
    for other, found in others:
        assert abs(other - loss) <= tolerance * loss, (case.name, loss, other)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            gradient = np.asarray(found[key])
            if gradient.shape != value.shape:
                gradient = reordered(gradient, FILTERS_FROM_TORCH)
            worst = np.abs(gradient - value).max() / np.abs(value).max()
            assert worst <= tolerance, (case.name, key, worst)


def peak(step):
    """The most bytes that arrays of one step take at once."""
    tracemalloc.start()
    step()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def median_call(step):
    """Median seconds of a few steps."""
    return float(np.median([seconds(step) for _ in range(CALLS)]))


def measure(case, dtype):
    """Print a case's tables; name of a contender -> its ratios to the passes by hand.

    The ratios are the quartiles in seconds (3,), and one in bytes, nan for PyTorch.
    """
    steps = case.contenders()
    measured = interleaved(
        {name: partial(median_call, step) for name, step in steps.items()}, ROUNDS
    )
    print_table(f"{case.name}, batch {len(case.y)}, {dtype}", measured, BY_HAND)
    memory = {name: peak(step) for name, step in steps.items() if name != PYTORCH}
    for name, size in memory.items():
        nodes = ""
        if name in case.engines:
            loss, _ = graph_of(case.engines[name], case.model.params, case.X, case.y)
            nodes = f"; {len(loss.order())} arrays on the way back"
        times = size / memory[BY_HAND]
        print(f"  {name:34}{size / MEGABYTE:>7.2f} MB at most, {times:.2f} times{nodes}")
    return {
        name: (quartiles, memory.get(name, np.nan) / memory[BY_HAND])
        for name, quartiles in ratios(measured, BY_HAND).items()
    }


def draw(results):
    """Draw the ratios to the passes by hand, of seconds with quartiles and of bytes."""
    fig, axes = subplots(1, 2, figsize=(11, 4.5))
    names = list(dict.fromkeys(name for found in results.values() for name in found))
    for style, name in enumerate(name for name in names if name != BY_HAND):
        for filled, dtype in zip(("full", "none"), DTYPES, strict=True):
            places = [place for place, case in enumerate(CASES) if name in results[case, dtype]]
            found = [results[list(CASES)[place], dtype][name] for place in places]
            low, middle, high = np.transpose([quartiles for quartiles, _ in found])
            look = {"color": COLORS[style], "marker": MARKERS[style], "fillstyle": filled}
            shifted = np.array(places) + 0.12 * (style - 1.5) + 0.05 * (filled == "none")
            axes[0].errorbar(
                shifted, middle, [middle - low, high - middle], linestyle="", capsize=3, **look,
                label=f"{name}, {dtype}",
            )  # fmt: skip
            axes[1].plot(shifted, [size for _, size in found], linestyle="", **look)
    for ax, what in zip(axes, ("seconds", "peak memory"), strict=True):
        ax.set(xticks=range(len(CASES)), title=what, ylabel="multiples of the passes by hand")
        ax.set_xticklabels(CASES, rotation=15)
        ax.axhline(1, color=COLORS[7], linestyle="--")
        ax.set_ylim(bottom=0)
    axes[0].legend(fontsize=8)
    save(fig, "autograd")


def main():
    """Check, measure and print."""
    print_conditions("numpy", *["torch"] * HAS_TORCH)
    if HAS_TORCH:
        import torch

        torch.set_num_threads(1)
    for make in CASES.values():
        check_same(make(np.float64), tolerance=1e-10)
        check_same(make(np.float32), tolerance=1e-3)
    print("the contenders compute the same")
    draw(
        {
            (name, dtype): measure(make(DTYPES[dtype]), dtype)
            for name, make in CASES.items()
            for dtype in DTYPES
        }
    )


if __name__ == "__main__":
    main()
