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


class Eager:
    """A model whose passes are PyTorch's: its params and state are PyTorch's, seen as ours."""

    def __init__(self, model: Sequential) -> None:
        torch.set_num_threads(THREADS)
        self.net = twin(model, torch.channels_last)
        self.params = {key: self.ours(key) for key in model.params}
        self.state = {key: self.ours(key) for key in model.state}

    def ours(self, key: str, slope: bool = False) -> np.ndarray:
        """The array, or its gradient, that our model calls so: a view."""
        place, _, name = key.partition(".")
        renamed = NAMES | {"mean": "running_mean", "variance": "running_var"}
        value = getattr(self.net[int(place)], renamed[name])
        array = (value.grad if slope else value.detach()).numpy()
        return array.transpose(FILTERS_FROM_TORCH if array.ndim == 4 else None)

    def loss(self, X: np.ndarray, y: np.ndarray | None = None, reg: float = 0.0) -> Any:
        """Scores (N, classes) when y is None, else the loss and a dict of gradients; no penalty."""
        if y is None:
            return self.scores(X)
        self.net.train()
        loss, _ = eager(self.net, X, y)
        return loss, {key: self.ours(key, slope=True) for key in self.params}

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Scores (N, classes) of images, a few hundred at a time."""
        self.net.eval()
        chunks = np.array_split(X, 1 + len(X) // BATCH)
        with torch.no_grad():  # PyTorch takes no mirrored views, so each is copied
            scores = [self.net(torch.from_numpy(chunk.copy())).numpy() for chunk in chunks]
        return np.concatenate(scores)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (N,) of images: the class with the largest score."""
        return self.scores(X).argmax(axis=1)


def check_twin(images: np.ndarray, y: np.ndarray) -> None:
    """Assert that both compute one loss and one gradient in float64, and make one step."""
    model = speed_net(images, (4, 5, 6), dtype=np.float64)
    loss, grads = model.loss(images[:20], y[:20])
    found, slopes = eager(twin(model, torch.channels_last), images[:20], y[:20])
    np.testing.assert_allclose(found, loss, rtol=1e-10)
    np.testing.assert_allclose(
        slopes["3.weight"].transpose(FILTERS_FROM_TORCH), grads["3.W"], rtol=0, atol=1e-10
    )
    other = Eager(model)
    for key, slope in other.loss(images[:20], y[:20])[1].items():
        np.testing.assert_allclose(slope, grads[key], rtol=0, atol=1e-10)
    for each in (model, other):
        muon_and_sgd(each.params).step(each.params, grads)
    loss = model.loss(images[:20], y[:20])[0]  # after a step of both
    np.testing.assert_allclose(other.loss(images[:20], y[:20])[0], loss, rtol=1e-10)


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
