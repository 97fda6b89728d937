"""Convolutions and a training step of a convolutional network, beside PyTorch, in one run.

    python -m benchmarks.convolution               all parts
    python -m benchmarks.convolution layers step   two of them

layers   each convolution of the network of `convnet`, forward and backward, beside the matrix
         products alone, whose columns were copied before the clock started, and beside PyTorch.
step     a step of `train` on batches of bytes beside PyTorch's modules, eager; and beside two
         programs that multiply matrices without end, as a ratio to the quiet step.
growth   the cost of a multiplication, forward and backward, while N, rows, C or F doubles.
memory   a training run of 1,000 steps in a process of its own: its peak, and whether it grows.

PyTorch runs in both memory layouts: `channels_last` is that of our images, NCHW is its default.
Two threads are for us two threads of Python, each with a slice of the batch and products on one
thread, as `Slices` has it; for PyTorch they are its own. float32; a pause before each measurement
lets the threads of another library come to rest. Before the clock starts, two checks assert that
all compute the same.
"""

import copy
import json
import statistics
import subprocess
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks.convnet import Recipe, as_images, network
from benchmarks.side_by_side import (
    QUARTILES,
    busy_programs,
    interleaved,
    median_step,
    print_conditions,
    print_table,
    ratios,
    save,
    seconds,
)
from cs231n_utils.datasets import load_cifar10
from cs231n_utils.plots import COLORS, MARKERS, subplots
from cs231n_utils.taught.convnet import GlobalMeanPool, Pixels, Slices
from cs231n_utils.taught.convolution import (
    Conv2D,
    MaxPool2D,
    conv2d,
    conv2d_backward,
    padded,
    windows,
)
from cs231n_utils.taught.layers import Affine, BatchNorm, ReLU, Residual
from cs231n_utils.taught.optimizers import SGD

BATCH_SIZE, MOMENTUM = 128, 0.9
COLOURS = 3  # channels of the first layer, which is spared its dX
THREADS = (1, 2)
REST = 0.06  # seconds, in which the threads of another library stop spinning
LAYOUTS = {
    "PyTorch, channels_last": torch.channels_last,
    "PyTorch, NCHW": torch.contiguous_format,
}
OWN, PRODUCT = "ours", "product alone"

LAYERS = {  # rows and columns, channels, filters; all 3x3 with a margin of 1
    "32x32, 3 to 32": (32, 3, 32),
    "16x16, 32 to 64": (16, 32, 64),
    "16x16, 64 to 64": (16, 64, 64),
    "8x8, 64 to 128": (8, 64, 128),
    "8x8, 128 to 128": (8, 128, 128),
    "4x4, 128 to 128": (4, 128, 128),
}
LAYER_ROUNDS, CALLS = 11, 3

RECIPE = Recipe()
STEPS = 15  # in each round; the first few are not counted
STEP_ROUNDS, BUSY_ROUNDS = 7, 5
EXAMPLES = 5_000
PROGRAMS, PROGRAM_SECONDS = 2, 600  # after which a busy program ends by itself
MULTIPLY = f"""import time
import numpy as np
import cs231n_utils  # one thread
A, end = np.ones((1000, 1000), np.float32), time.monotonic() + {PROGRAM_SECONDS}
while time.monotonic() < end: A @ A"""
NAMES = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}  # PyTorch's
NAMES |= {"mean": "running_mean", "variance": "running_var"}

SIZES = {"N": 32, "rows": 16, "C": 32, "F": 32}
GROWTH = {  # from where, and how often it doubles
    "N": (1, 8),
    "rows": (4, 4),
    "C": (1, 9),
    "F": (1, 9),
}
GROWTH_ROUNDS = 7

MEMORY_STEPS, SETTLED = 1_000, 400  # steps; the first epoch has ended, with its predictions


# Layers


def random_case(rows, C, F, dtype=np.float32, N=BATCH_SIZE):
    """Images X, filters W, b, and the gradient dZ of what leaves them."""
    rng = np.random.default_rng(0)
    shapes = [(N, rows, rows, C), (3, 3, C, F), (F,), (N, rows, rows, F)]
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def our_layer(threads, X, W, b, dZ):
    """Functions that compute Z and the gradients, on so many threads."""
    layer = Conv2D(*W.shape[2:], pad=1)
    layer.params, layer.needs_dX = {"W": W, "b": b}, W.shape[2] > COLOURS
    layers = [copy.copy(layer) for _ in range(threads)]
    pool = ThreadPoolExecutor(threads)
    inputs, gradients = np.array_split(X, threads), np.array_split(dZ, threads)

    def forward():
        return list(pool.map(Conv2D.forward, layers, inputs))

    def backward():
        dX = list(pool.map(Conv2D.backward, layers, gradients))
        return dX, *(sum(layer.grads[key] for layer in layers) for key in "Wb")

    return forward, backward


def products(threads, X, W, b, dZ):
    """Functions that compute the products of a layer alone, on so many threads."""
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
    """Functions that compute Z and the gradients with PyTorch."""
    images = [torch.tensor(array).permute(0, 3, 1, 2) for array in (X, dZ)]
    filters = torch.tensor(W).permute(3, 2, 0, 1)
    X, dZ, W = (array.contiguous(memory_format=layout) for array in (*images, filters))
    b, Z, first = torch.tensor(b), [], W.shape[1] == COLOURS
    wanted = [array.requires_grad_() for array in ([W, b] if first else [X, W, b])]

    def forward():
        Z[:] = [torch.nn.functional.conv2d(X, W, b, padding=1)]
        return Z[0]

    def backward():
        return torch.autograd.grad(Z[0], wanted, dZ, retain_graph=True)

    return forward, backward


def check_same_layers():
    """Assert that the two layers agree, in float64, on one thread and on two."""
    for rows, C, F in LAYERS.values():
        case = random_case(rows, C, F, np.float64, N=3)
        for threads in THREADS:
            forward, backward = our_layer(threads, *case)
            Z, (dX, dW, db) = np.concatenate(forward()), backward()
            for layout in LAYOUTS.values():
                forward, backward = torch_layer(layout, *case)
                expected, *grads = [value.detach() for value in (forward(), *backward())]
                pairs = [(Z, expected.permute(0, 2, 3, 1))]
                pairs += [(db, grads[-1]), (dW, grads[-2].permute(2, 3, 1, 0))]
                if C > COLOURS:
                    pairs.append((np.concatenate(dX), grads[0].permute(0, 2, 3, 1)))
                for ours, theirs in pairs:
                    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    print("layers: ours and PyTorch's compute the same")


def forward_and_backward(forward, backward):
    """Median seconds (2,) of a few calls, after a rest and one call that is not counted."""
    time.sleep(REST)
    forward(), backward()
    return [statistics.median(seconds(task) for _ in range(CALLS)) for task in (forward, backward)]


def quartiles(values, digits=2):
    """Median with quartiles, as text."""
    low, median, high = np.percentile(values, QUARTILES)
    return f"{median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def layers():
    """Every layer beside its products and PyTorch: tables, and a figure of the ratios."""
    check_same_layers()
    fig, axes = subplots(1, 2, figsize=(13, 4.5), sharex=True, sharey=True)
    for ax, threads in zip(axes, THREADS, strict=True):
        torch.set_num_threads(threads)
        head = f"{'forward ms':>16}{'share':>18}{'backward ms':>13}{'share':>18}"
        print(f"\nbatch {BATCH_SIZE}, {threads} thread{'s' * (threads > 1)}: {PRODUCT} has share 1")
        print(f"  {'':16}{head}" + "".join(f"{'both / ' + name[9:]:>22}" for name in LAYOUTS))
        for place, (name, shape) in enumerate(LAYERS.items()):
            case = random_case(*shape)
            tasks = {OWN: our_layer(threads, *case), PRODUCT: products(threads, *case)}
            tasks |= {way: torch_layer(layout, *case) for way, layout in LAYOUTS.items()}
            contenders = {key: partial(forward_and_backward, *pair) for key, pair in tasks.items()}
            measured = interleaved(contenders, LAYER_ROUNDS)  # name -> (rounds, 2)
            times, shares = measured[OWN], measured[PRODUCT] / measured[OWN]
            line = "".join(
                f"{1e3 * np.median(times[:, k]):>{width}.2f}{quartiles(shares[:, k]):>18}"
                for k, width in ((0, 16), (1, 13))
            )
            for style, way in enumerate(LAYOUTS):
                both = times.sum(axis=1) / measured[way].sum(axis=1)
                line += f"{quartiles(both):>22}"
                low, median, high = np.percentile(both, QUARTILES)
                ax.errorbar(
                    median, place + 0.2 * style, xerr=[[median - low], [high - median]],
                    color=COLORS[style], marker=MARKERS[style], capsize=3,
                    label=way if place == 0 else None,
                )  # fmt: skip
            print(f"  {name:16}{line}", flush=True)
        ax.axvline(1, color=COLORS[3], linestyle="--")
        title = f"{threads} thread{'s' * (threads > 1)}"
        ax.set(title=title, xlabel="our seconds over PyTorch's, both passes")
        ax.set(yticks=range(len(LAYERS)), yticklabels=LAYERS)
    axes[0].set(xlim=(0, None))
    axes[0].invert_yaxis()
    axes[0].legend(loc="upper left")
    save(fig, "convolution_layers")


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
        images = X.permute(0, 3, 1, 2).to(self.mean.dtype, memory_format=self.layout)
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
            axes = (3, 2, 0, 1) if value.ndim == 4 else None
            getattr(module, NAMES[key]).data = torch.tensor(value.transpose(axes))
    return module


def make_network(dtype):
    """The network, with the same first weights at every call."""
    images = np.random.default_rng(1).integers(0, 256, (1000, 32, 32, 3), np.uint8)
    return network(RECIPE, images, dtype=dtype)


def ours(X, y, threads, dtype=np.float32, steps=STEPS):
    """`train` as it is; `schedule` is called once a step and takes the time stamp."""
    model, stamps = make_network(dtype), []

    def stamp(_):
        stamps.append(time.perf_counter())
        return 1.0

    Slices(model, threads).train(
        X, y, X[:10], y[:10], learning_rate_decay=1.0, reg=RECIPE.reg, num_iters=steps,
        batch_size=BATCH_SIZE, optimizer=SGD(0.01, MOMENTUM), schedule=stamp,
    )  # fmt: skip
    return stamps, model.params | model.state


def modules(X, y, layout, dtype=np.float32, steps=STEPS):
    """PyTorch as most use it: `nn.Sequential` and `torch.optim.SGD`."""
    net = make_network(dtype)
    model = torch.nn.Sequential(*(as_module(layer, layout) for layer in net.layers))
    model = model.to(memory_format=layout)
    groups = [
        {"params": [value for value in model.parameters() if value.ndim > 1]},
        {"params": [value for value in model.parameters() if value.ndim == 1], "weight_decay": 0},
    ]
    optimizer = torch.optim.SGD(groups, 0.01, MOMENTUM, weight_decay=RECIPE.reg)
    X, y, stamps, losses = torch.from_numpy(X), torch.from_numpy(y), [], []
    order = torch.arange(steps * BATCH_SIZE) % len(X)
    for batch in order.split(BATCH_SIZE):
        stamps.append(time.perf_counter())
        optimizer.zero_grad()
        loss = cross_entropy(model(X[batch]), y[batch], label_smoothing=RECIPE.smoothing)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    state, trained = model.state_dict(), {}
    for key in net.params | net.state:
        place, name = key.rsplit(".", 1)
        value = state[f"{place}.{NAMES[name]}"].numpy()
        trained[key] = value.transpose((2, 3, 1, 0) if value.ndim == 4 else None)
    return stamps, trained


def check_same_step(X, y):
    """Assert that `train` and PyTorch agree, in float64, in every array after three steps.

    A data set of one batch gives both loops the same batches, up to their order of rows.
    """
    X, y = X[:BATCH_SIZE], y[:BATCH_SIZE]
    _, expected = ours(X, y, 1, np.float64, steps=3)
    for layout in LAYOUTS.values():
        _, found = modules(X, y, layout, np.float64, steps=3)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-10, err_msg=key)
    print("step: the contenders compute the same")


def rested(task):
    """A task's seconds, after a rest."""
    time.sleep(REST)
    return task()


def beside_programs(task):
    """A task's seconds beside programs that multiply matrices."""
    with busy_programs(PROGRAMS, MULTIPLY):
        time.sleep(2)  # until they have started
        return task()


def step_contenders(X, y, threads):
    """Functions that return the median seconds of a step, after a rest."""
    torch.set_num_threads(threads)
    ways = {OWN: partial(ours, X, y, threads)}
    ways |= {name: partial(modules, X, y, layout) for name, layout in LAYOUTS.items()}
    return {name: partial(rested, partial(median_step, train)) for name, train in ways.items()}


def step():
    """A step of the network beside PyTorch, quiet and beside busy programs."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (EXAMPLES, 32, 32, 3), np.uint8)
    y = rng.integers(0, 10, EXAMPLES)
    check_same_step(X, y)
    fig, axes = subplots(1, len(THREADS) + 1, figsize=(15, 4))
    for ax, threads in zip(axes, THREADS, strict=False):
        measured = interleaved(step_contenders(X, y, threads), STEP_ROUNDS)
        title = f"{threads} thread{'s' * (threads > 1)}"
        first, second = LAYOUTS
        print_table(f"a step, batch {BATCH_SIZE}, {title}", measured, first)
        low, median, high = ratios(measured, second)[OWN]
        print(f"  {OWN} beside {second}: {median:.2f} ({low:.2f} - {high:.2f})")
        draw_times(ax, measured, title)
    contenders = step_contenders(X, y, THREADS[-1])
    both = {f"{name}, quiet": task for name, task in contenders.items()}
    both |= {f"{name}, busy": partial(beside_programs, task) for name, task in contenders.items()}
    measured = interleaved(both, BUSY_ROUNDS)
    title = f"{THREADS[-1]} threads"
    print(f"\na step, {title}, beside {PROGRAMS} programs that multiply: ratio to the quiet step")
    for name in contenders:
        quiet = ratios(measured, f"{name}, quiet")[f"{name}, busy"]
        print(f"  {name:34}{quiet[1]:.2f} ({quiet[0]:.2f}-{quiet[2]:.2f})")
    beside = {name: measured[f"{name}, busy"] for name in contenders}
    draw_times(axes[-1], beside, f"{title}, beside {PROGRAMS} programs")
    save(fig, "convolution_step")


def draw_times(ax, measured, title):
    """Draw medians with quartiles of milliseconds."""
    for place, values in enumerate(measured.values()):
        low, median, high = np.percentile(1e3 * values, QUARTILES)
        ax.bar(place, median, color=COLORS[place])
        ax.errorbar(place, median, [[median - low], [high - median]], color="black", capsize=4)
    names = [name.replace(", ", ",\n") for name in measured]
    ax.set(title=title, ylabel="ms for a step", xticks=range(len(names)), xticklabels=names)


# Growth


def multiplications(N, rows, C, F):
    """How many a layer needs for Z, dX and dW, those of the margin included."""
    return 3 * N * rows**2 * 9 * C * F


def our_call(X, W, b, dZ):
    """Z and all gradients."""
    return conv2d(X, W, b, pad=1), conv2d_backward(dZ, X, W, pad=1)


def torch_call(X, W, b, dZ):
    """A function that computes Z and all gradients with PyTorch."""
    X, dZ = (torch.tensor(array).permute(0, 3, 1, 2) for array in (X, dZ))
    W = torch.tensor(W).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    arrays = [array.requires_grad_() for array in (X, W, torch.tensor(b))]

    def call():
        return torch.autograd.grad(torch.nn.functional.conv2d(*arrays, padding=1), arrays, dZ)

    return call


def median_call(task):
    """Median seconds of a few calls, after a rest and one that is not counted."""
    time.sleep(REST)
    task()
    return statistics.median(seconds(task) for _ in range(CALLS))


def growth():
    """Picoseconds of a multiplication while one size doubles, on one thread."""
    torch.set_num_threads(1)
    np.ones(
        6_000_000, np.float32
    )  # once 24 MB were freed, glibc keeps memory, as it does in training
    fig, axes = subplots(1, len(GROWTH), figsize=(15, 4), sharey=True)
    for ax, (name, (start, doublings)) in zip(axes, GROWTH.items(), strict=True):
        values = [start * 2**k for k in range(doublings + 1)]
        sizes = [SIZES | {name: value} for value in values]
        contenders = {}
        for value, size in zip(values, sizes, strict=True):
            case = random_case(size["rows"], size["C"], size["F"], N=size["N"])
            contenders[OWN, value] = partial(median_call, partial(our_call, *case))
            contenders["PyTorch", value] = partial(median_call, torch_call(*case))
        measured = interleaved(contenders, GROWTH_ROUNDS)
        work = np.array([multiplications(**size) for size in sizes])
        fixed = ", ".join(f"{key} = {size}" for key, size in SIZES.items() if key != name)
        head = f"{name:>6}{'ours ms':>10}{'ps each':>9}{'PyTorch ms':>12}{'ps each':>9}"
        print(f"\n{name} grows; {fixed}\n  {head}{'ratio':>20}")
        times = {
            way: np.array([np.median(measured[way, value]) for value in values])
            for way in (OWN, "PyTorch")
        }
        for k, value in enumerate(values):
            line = "".join(
                f"{1e3 * times[way][k]:>{width}.2f}{1e12 * times[way][k] / work[k]:>9.1f}"
                for way, width in ((OWN, 10), ("PyTorch", 12))
            )
            ratio = quartiles(measured[OWN, value] / measured["PyTorch", value])
            print(f"  {value:>6}{line}{ratio:>20}", flush=True)
        for style, (way, each) in enumerate(times.items()):
            label = way if way == OWN else "PyTorch, channels_last"
            ax.loglog(values, 1e12 * each / work, COLORS[style], marker=MARKERS[style], label=label)
        ax.set_xscale("log", base=2)
        ax.set(title=f"{name} grows", xlabel=name)
    axes[0].set_ylabel("ps for a multiplication")
    axes[0].legend()
    save(fig, "convolution_growth")


# Memory


def memory():
    """Peak and growth of a training run, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.convolution", "train"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    steps, peaks, traced = np.array(json.loads(result.stdout.splitlines()[-1])).T
    print(f"\n{len(steps):,} steps of training on 45,000 images of bytes, batch {BATCH_SIZE}")
    print(f"  peak of the process: {peaks[-1] / 2**30:.2f} GiB")
    for name, values in [("the peak", peaks), ("what Python and NumPy hold", traced)]:
        grown = (values[-1] - values[SETTLED]) / 2**20
        print(f"  growth of {name} from step {SETTLED} on: {grown:.2f} MiB")
    fig, ax = subplots(figsize=(7, 4))
    ax.plot(steps, peaks / 2**20, COLORS[0], label="peak of the process")
    ax.plot(steps, traced / 2**20, COLORS[1], linestyle="--", label="held by Python and NumPy")
    ax.set(xlabel="step", ylabel="MiB", ylim=(0, None))
    ax.legend()
    save(fig, "convolution_memory")


def train():
    """Train on bytes; print for each step: its number, the peak, and what is held, in bytes."""
    import resource  # not on Windows

    tracemalloc.start()
    try:
        cifar = load_cifar10(45_000, 5_000, dtype=np.uint8)
        X, X_val = as_images(cifar.X_train), as_images(cifar.X_val)
        y, y_val = cifar.y_train, cifar.y_val
    except FileNotFoundError:  # random images take as much
        rng = np.random.default_rng(0)
        X, y = rng.integers(0, 256, (45_000, 32, 32, 3), np.uint8), rng.integers(0, 10, 45_000)
        X_val, y_val = X[:5_000].copy(), y[:5_000]
    unit, lines = 1 if sys.platform == "darwin" else 1024, []

    def look(progress):
        peak = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        step = round(progress * MEMORY_STEPS)
        lines.append([step, peak, tracemalloc.get_traced_memory()[0]])
        return 1.0

    Slices(make_network(np.float32), THREADS[-1]).train(
        X, y, X_val, y_val, learning_rate_decay=1.0, reg=RECIPE.reg, num_iters=MEMORY_STEPS,
        batch_size=BATCH_SIZE, optimizer=SGD(0.01, MOMENTUM), schedule=look,
    )  # fmt: skip
    print(json.dumps(lines))


PARTS = {"layers": layers, "step": step, "growth": growth, "memory": memory}


def main():
    """Run the parts that are asked for."""
    print_conditions("numpy", "torch")
    for name in sys.argv[1:] or PARTS:
        print(f"\n{name}")
        PARTS[name]()


if __name__ == "__main__":
    if sys.argv[1:] == ["train"]:
        train()
    else:
        main()
