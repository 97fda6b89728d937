"""Convolutions and a training step of a convolutional network, beside PyTorch, in one run.

    python -m benchmarks.convolution          both tables
    python -m benchmarks.convolution layers   one of them

layers   each convolution of the network of notebook 17, forward and backward, beside the matrix
         products alone, whose columns were copied before the clock started, and beside PyTorch.
step     a step of `train` on batches of bytes beside PyTorch's modules, eager.

PyTorch runs in both memory layouts: `channels_last` is that of our images, NCHW is its default.
Two threads are for us two threads of Python, each with a slice of the batch and products on one
thread, as `Slices` has it; for PyTorch they are its own. float32; a pause before each measurement
lets the threads of another library come to rest. Before the clock starts, all are asserted to
compute the same in float64.
"""

import copy
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch.nn.functional import conv2d, cross_entropy

from benchmarks.side_by_side import (
    interleaved,
    median_step,
    print_conditions,
    print_table,
    quartiles,
    seconds,
)
from cs231n_utils.taught.convnet import GlobalMeanPool, Pixels, Slices, convnet
from cs231n_utils.taught.convolution import Conv2D, MaxPool2D, padded, windows
from cs231n_utils.taught.layers import Affine, BatchNorm, ReLU, Residual
from cs231n_utils.taught.optimizers import SGD

BATCH_SIZE, WIDTHS, SMOOTHING, MOMENTUM, REG = 128, (32, 64, 128), 0.1, 0.9, 5e-4
COLOURS = 3  # channels of the first layer, which is spared its dX
THREADS = (1, 2)
REST = 0.06  # seconds, in which the threads of another library stop spinning
LAYOUTS = {
    "PyTorch, channels_last": torch.channels_last,
    "PyTorch, NCHW": torch.contiguous_format,
}
OURS, PRODUCTS = "ours", "products alone"
LAYERS = {  # rows and columns, channels, filters; all 3x3 with a border of one zero
    "32x32, 3 to 32": (32, 3, 32),
    "16x16, 32 to 64": (16, 32, 64),
    "16x16, 64 to 64": (16, 64, 64),
    "8x8, 64 to 128": (8, 64, 128),
    "8x8, 128 to 128": (8, 128, 128),
    "4x4, 128 to 128": (4, 128, 128),
}
LAYER_ROUNDS, CALLS = 11, 3
STEP_ROUNDS, STEPS = 7, 15  # the first few steps of a round are not counted
EXAMPLES = 5_000
TO_TORCH, FROM_TORCH = (0, 3, 1, 2), (0, 2, 3, 1)  # axes of images
FILTERS_TO_TORCH, FILTERS_FROM_TORCH = (3, 2, 0, 1), (2, 3, 1, 0)
NAMES = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}  # PyTorch's
NAMES |= {"mean": "running_mean", "variance": "running_var"}


# Layers: a contender is a pair of functions, for Z, and for db, dW and, unless it is spared, dX


def random_case(rows, C, F, dtype=np.float32, N=BATCH_SIZE):
    """Images X, filters W, b, and the gradient dZ of what leaves them."""
    rng = np.random.default_rng(0)
    shapes = [(N, rows, rows, C), (3, 3, C, F), (F,), (N, rows, rows, F)]
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def our_layer(threads, X, W, b, dZ):
    """`Conv2D`, a slice of the batch on each thread; Z and dX in slices."""
    layer = Conv2D(*W.shape[2:], pad=1)
    layer.params, layer.needs_dX = {"W": W, "b": b}, W.shape[2] > COLOURS
    layers = [copy.copy(layer) for _ in range(threads)]
    pool = ThreadPoolExecutor(threads)
    inputs, gradients = np.array_split(X, threads), np.array_split(dZ, threads)

    def forward():
        return list(pool.map(Conv2D.forward, layers, inputs))

    def backward():
        dX = list(pool.map(Conv2D.backward, layers, gradients))
        db, dW = (sum(layer.grads[key] for layer in layers) for key in "bW")
        return [db, dW, dX] if layer.needs_dX else [db, dW]

    return forward, backward


def products(threads, X, W, b, dZ):
    """The matrix products of a layer alone."""
    (_, _, C, F), pool = W.shape, ThreadPoolExecutor(threads)
    columns, spread = (
        windows(padded(images, 1), (3, 3), 1).reshape(-1, 9 * channels)
        for images, channels in ((X, C), (dZ, F))
    )
    columns, spread, rows = (
        np.array_split(array, threads) for array in (columns, spread, dZ.reshape(-1, F))
    )
    filters, turned = W.reshape(-1, F), W[::-1, ::-1].swapaxes(2, 3).reshape(-1, C)

    def forward():
        return list(pool.map(lambda part: part @ filters, columns))

    def backward():
        dW = sum(pool.map(lambda part, dZ: part.T @ dZ, columns, rows))
        return dW, list(pool.map(lambda part: part @ turned, spread)) if C > COLOURS else None

    return forward, backward


def torch_layer(layout, X, W, b, dZ):
    """PyTorch's convolution; what it returns are views with our order of axes."""
    images = [torch.tensor(array).permute(TO_TORCH) for array in (X, dZ)]
    filters = torch.tensor(W).permute(FILTERS_TO_TORCH)
    X, dZ, W = (array.contiguous(memory_format=layout) for array in (*images, filters))
    b, Z = torch.tensor(b), []
    wanted = [b, W] if W.shape[1] == COLOURS else [b, W, X]
    for array in wanted:
        array.requires_grad_()

    def forward():
        Z[:] = [conv2d(X, W, b, padding=1)]
        return Z[0].permute(FROM_TORCH)

    def backward():
        db, dW, *dX = torch.autograd.grad(Z[0], wanted, dZ, retain_graph=True)
        return [db, dW.permute(FILTERS_FROM_TORCH), *(each.permute(FROM_TORCH) for each in dX)]

    return forward, backward


def check_same_layers():
    """Assert that our layers give what PyTorch's give."""
    for (rows, C, F), threads in zip(LAYERS.values(), THREADS * 3, strict=True):
        case = random_case(rows, C, F, np.float64, N=3)
        forward, backward = our_layer(threads, *case)
        ours = [np.concatenate(forward()), *backward()]
        ours[3:] = [np.concatenate(dX) for dX in ours[3:]]
        for layout in LAYOUTS.values():
            forward, backward = torch_layer(layout, *case)
            theirs = [value.detach().numpy() for value in (forward(), *backward())]
            for our, their in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(our, their, rtol=0, atol=1e-10)


def forward_and_backward(forward, backward):
    """Median seconds (2,) of a few calls, after a rest and one call that is not counted."""
    time.sleep(REST)
    forward(), backward()
    return [statistics.median(seconds(task) for _ in range(CALLS)) for task in (forward, backward)]


def layers():
    """Every layer beside its products, which have share 1, and beside PyTorch."""
    check_same_layers()
    for threads in THREADS:
        torch.set_num_threads(threads)
        head = f"{'forward ms':>13}{'share':>20}{'backward ms':>13}{'share':>20}"
        head += "".join(f"{'both / ' + name[9:]:>22}" for name in LAYOUTS)
        print(f"\nbatch {BATCH_SIZE}, threads: {threads}\n  {'':16}{head}")
        for name, shape in LAYERS.items():
            case = random_case(*shape)
            pairs = {OURS: our_layer(threads, *case), PRODUCTS: products(threads, *case)}
            pairs |= {way: torch_layer(layout, *case) for way, layout in LAYOUTS.items()}
            contenders = {way: partial(forward_and_backward, *pair) for way, pair in pairs.items()}
            measured = interleaved(contenders, LAYER_ROUNDS)  # name -> (rounds, 2)
            times, shares = measured[OURS], measured[PRODUCTS] / measured[OURS]
            line = "".join(
                f"{1e3 * np.median(times[:, k]):>13.2f}{quartiles(shares[:, k]):>20}"
                for k in range(2)
            )
            for way in LAYOUTS:
                line += f"{quartiles(times.sum(axis=1) / measured[way].sum(axis=1)):>22}"
            print(f"  {name:16}{line}", flush=True)


# A step of the whole network


class Pair(torch.nn.Sequential):
    """X + f(X)."""

    def forward(self, X):
        """What leaves."""
        return X + super().forward(X)


class Standardized(torch.nn.Module):
    """Images of bytes in a memory layout, every colour standardized."""

    def __init__(self, layer, layout):
        super().__init__()
        self.layout = layout
        self.mean, self.scale = (
            torch.tensor(value)[:, None, None] for value in (layer.mean, layer.scale)
        )

    def forward(self, X):
        """What leaves."""
        images = X.permute(TO_TORCH).to(self.mean.dtype, memory_format=self.layout)
        return images.sub_(self.mean).mul_(self.scale)


class MeanPool(torch.nn.Module):
    """The mean of every channel."""

    def forward(self, X):
        """What leaves."""
        return X.mean(dim=(2, 3))


def as_module(layer, layout):
    """PyTorch's module for a layer, with copies of its arrays."""
    sizes = (layer.input_size, layer.output_size) if layer.params else ()
    make = {
        Pixels: lambda: Standardized(layer, layout),
        Conv2D: lambda: torch.nn.Conv2d(*sizes, 3, padding=1),
        MaxPool2D: lambda: torch.nn.MaxPool2d(layer.size),
        BatchNorm: lambda: torch.nn.BatchNorm2d(layer.input_size),
        ReLU: torch.nn.ReLU,
        Residual: lambda: Pair(*(as_module(inner, layout) for inner in layer.layers)),
        GlobalMeanPool: MeanPool,
        Affine: lambda: torch.nn.Linear(*sizes),
    }
    module = make[type(layer)]()
    if not isinstance(layer, Residual):
        for key, value in (layer.params | layer.state).items():
            axes = FILTERS_TO_TORCH if value.ndim == 4 else None
            getattr(module, NAMES[key]).data = torch.tensor(value.transpose(axes))
    return module


def network(dtype):
    """The network, with the same first weights at every call."""
    images = np.random.default_rng(1).integers(0, 256, (1000, 32, 32, 3), np.uint8)
    return convnet(images, WIDTHS, smoothing=SMOOTHING, dtype=dtype)


def ours(X, y, threads, dtype=np.float32, steps=STEPS):
    """`train` as it is; `schedule` is called once a step and takes the time stamp."""
    model, stamps = network(dtype), []

    def stamp(_):
        stamps.append(time.perf_counter())
        return 1.0

    Slices(model, threads).train(
        X, y, X[:10], y[:10], learning_rate_decay=1.0, reg=REG, num_iters=steps,
        batch_size=BATCH_SIZE, optimizer=SGD(0.01, MOMENTUM), schedule=stamp,
    )  # fmt: skip
    return stamps, model.params | model.state


def modules(X, y, layout, dtype=np.float32, steps=STEPS):
    """PyTorch as most use it: `nn.Sequential` and `torch.optim.SGD`."""
    net = network(dtype)
    model = torch.nn.Sequential(*(as_module(layer, layout) for layer in net.layers))
    model = model.to(memory_format=layout)
    groups = [
        {"params": [value for value in model.parameters() if value.ndim > 1]},
        {"params": [value for value in model.parameters() if value.ndim == 1], "weight_decay": 0},
    ]
    optimizer = torch.optim.SGD(groups, 0.01, MOMENTUM, weight_decay=REG)
    X, y, stamps, losses = torch.from_numpy(X), torch.from_numpy(y), [], []
    order = torch.arange(steps * BATCH_SIZE) % len(X)
    for batch in order.split(BATCH_SIZE):
        stamps.append(time.perf_counter())
        optimizer.zero_grad()
        loss = cross_entropy(model(X[batch]), y[batch], label_smoothing=SMOOTHING)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    state, trained = model.state_dict(), {}
    for key in net.params | net.state:
        place, name = key.rsplit(".", 1)
        value = state[f"{place}.{NAMES[name]}"].numpy()
        trained[key] = value.transpose(FILTERS_FROM_TORCH if value.ndim == 4 else None)
    return stamps, trained


def check_same_step(X, y):
    """Assert that `train` and PyTorch agree in every array after three steps.

    A data set of one batch gives both loops the same batches, up to their order of rows.
    """
    X, y = X[:BATCH_SIZE], y[:BATCH_SIZE]
    _, expected = ours(X, y, 1, np.float64, steps=3)
    for layout in LAYOUTS.values():
        _, found = modules(X, y, layout, np.float64, steps=3)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-10, err_msg=key)


def rested(train):
    """Median seconds of a step, after a rest."""
    time.sleep(REST)
    return median_step(train)


def step():
    """A step of the network beside PyTorch."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (EXAMPLES, 32, 32, 3), np.uint8)
    y = rng.integers(0, 10, EXAMPLES)
    check_same_step(X, y)
    for threads in THREADS:
        torch.set_num_threads(threads)
        ways = {OURS: partial(ours, X, y, threads)}
        ways |= {name: partial(modules, X, y, layout) for name, layout in LAYOUTS.items()}
        contenders = {name: partial(rested, train) for name, train in ways.items()}
        title = f"a step, batch {BATCH_SIZE}, threads: {threads}"
        print_table(title, interleaved(contenders, STEP_ROUNDS), *LAYOUTS)


def main():
    """Run the tables that are asked for."""
    print_conditions("numpy", "torch")
    for name in sys.argv[1:] or ("layers", "step"):
        {"layers": layers, "step": step}[name]()


if __name__ == "__main__":
    main()
