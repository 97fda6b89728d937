"""The network of notebook 25: its convolutions beside OpenBLAS, a step beside PyTorch, in one run.

    python -m benchmarks.speedrun_step

Layers: each shape of 3 x 3 convolution, forward and backward, beside the matrix products alone. The
step of batch 500 is that of two slices on two threads, with the optimizer; PyTorch's, eager, has
two threads of its own and no optimizer. float32; contenders take turns.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks.convolution import (
    FILTERS_FROM_TORCH,
    FILTERS_TO_TORCH,
    NAMES,
    REST,
    as_module,
    forward_and_backward,
    our_layer,
    products,
    random_case,
)
from benchmarks.side_by_side import interleaved, print_conditions, print_table, quartiles, seconds
from cs231n_utils.taught.convnet import Slices
from cs231n_utils.taught.convolution import Conv2D
from cs231n_utils.taught.layers import Layer, ReLU, Sequential
from cs231n_utils.taught.speedrun import (
    GlobalMaxPool,
    ShiftNorm,
    Whitening,
    muon_and_sgd,
    speed_net,
)
from cs231n_utils.taught.transformer import GELU

BATCH, ROUNDS, THREADS = 500, 9, 2
SHAPES = [(31, 24, 64), (15, 64, 64), (15, 64, 128), (15, 64, 256), (7, 128, 128), (7, 256, 256)]


def layers() -> None:
    """Print every shape's milliseconds, and the products' share of them."""
    print(
        f"\n{f'batch {BATCH}, two threads':24}{'forward ms':>12}{'share':>20}{'backward ms':>14}"
        f"{'share':>20}"
    )
    for rows, C, F in SHAPES:
        case = random_case(rows, C, F, N=BATCH)
        contenders = {
            task.__name__: partial(forward_and_backward, *task(THREADS, *case))
            for task in (our_layer, products)
        }
        ours, bare = interleaved(contenders, ROUNDS).values()
        line = "".join(
            f"{1e3 * np.median(ours[:, k]):>12.1f}{quartiles((bare / ours)[:, k]):>22}"
            for k in range(2)
        )
        print(f"{f'{rows}x{rows}, {C} to {F}':24}{line}", flush=True)


def twin(model: Sequential, layout: torch.memory_format) -> torch.nn.Sequential:
    """PyTorch's modules with the arrays of a model."""

    def module_of(layer: Layer) -> torch.nn.Module:
        arrays = layer.params | ({"W": layer.filters} if isinstance(layer, Whitening) else {})
        if isinstance(layer, ShiftNorm):
            module = torch.nn.BatchNorm2d(layer.input_size, momentum=1 - layer.decay)
        elif isinstance(layer, Conv2D | Whitening):
            sizes = arrays["W"].shape[2:]
            module = (
                torch.nn.Conv2d(*sizes, 3, padding=1)
                if layer.params
                else torch.nn.Conv2d(*sizes, 2, bias=False)
            )
        elif isinstance(layer, GELU):
            return torch.nn.GELU("tanh")
        elif isinstance(layer, GlobalMaxPool):
            return torch.nn.Sequential(torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten())
        else:
            return as_module(layer, layout)
        for key, value in arrays.items():
            axes = FILTERS_TO_TORCH if value.ndim == 4 else None
            getattr(module, NAMES[key]).data = torch.tensor(value.transpose(axes))
            getattr(module, NAMES[key]).requires_grad_(key in layer.params)
        return module

    dtype = torch.from_numpy(model.layers[1].filters).dtype
    return torch.nn.Sequential(*map(module_of, model.layers)).to(dtype, memory_format=layout)


def eager(net: torch.nn.Sequential, X: np.ndarray, y: np.ndarray) -> tuple[float, dict[str, Any]]:
    """The loss of PyTorch's modules, and the gradients of filters, norms and head."""
    net.zero_grad()
    loss = cross_entropy(net(torch.from_numpy(X)), torch.from_numpy(y), label_smoothing=0.2)
    loss.backward()
    return loss.item(), {
        key: value.grad.numpy() for key, value in net.named_parameters() if value.grad is not None
    }


def check_twin(images: np.ndarray, y: np.ndarray) -> None:
    """Assert that both compute one loss and one gradient in float64."""
    model = speed_net(images, (4, 5, 6), dtype=np.float64)
    loss, grads = model.loss(images[:20], y[:20])
    found, slopes = eager(twin(model, torch.channels_last), images[:20], y[:20])
    np.testing.assert_allclose(found, loss, rtol=1e-10)
    np.testing.assert_allclose(
        slopes["3.weight"].transpose(FILTERS_FROM_TORCH), grads["3.W"], rtol=0, atol=1e-10
    )


def rested(task: Callable[[], Any]) -> float:
    """Seconds of a call, after a rest in which the threads of another library stop spinning."""
    time.sleep(REST)
    return seconds(task)


def step() -> None:
    """Print a step with each activation, and what its parts cost, beside PyTorch."""
    rng = np.random.default_rng(0)
    images, y = rng.integers(0, 256, (2000, 32, 32, 3), np.uint8), rng.integers(0, 10, 2000)
    check_twin(images, y)
    models = {kind.__name__: speed_net(images, activation=kind) for kind in (GELU, ReLU)}
    X, y = images[:BATCH], y[:BATCH]
    tasks: dict[str, Callable[[], Any]] = {}
    for name, model in models.items():
        slices, steps = Slices(model, THREADS), muon_and_sgd(model.params)
        tasks[name] = lambda slices=slices, steps=steps: steps.step(
            slices.params, slices.loss(X, y)[1]
        )
    _, grads = models["GELU"].loss(X[:50], y[:50])
    steps = muon_and_sgd(models["GELU"].params)
    tasks["the optimizer alone"] = lambda: steps.step(models["GELU"].params, grads)
    net = twin(speed_net(images), torch.channels_last)
    tasks["PyTorch, no optimizer"] = lambda: eager(net, X, y)
    torch.set_num_threads(THREADS)
    contenders = {name: partial(rested, task) for name, task in tasks.items()}
    print_table("a step", interleaved(contenders, ROUNDS), "PyTorch, no optimizer", "ReLU")


if __name__ == "__main__":
    print_conditions("numpy", "torch")
    layers()
    step()
