"""The worst relative error of every layer's gradients, by shape.

    python -m tools.layer_errors      against central differences, and PyTorch where it is installed

In training and in prediction mode, dX and all parameters, for a random dY, in float64.
"""

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cs231n_utils.gradient_check import numerical_gradient, relative_error
from cs231n_utils.taught.convolution import Conv2D, MaxPool2D
from cs231n_utils.taught.layers import (
    Affine,
    BatchNorm,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    ReLU,
    Residual,
)

TORCH = importlib.util.find_spec("torch") is not None
SHAPES = ((1, 3), (2, 5), (2, 1), (5, 1), (7, 4), (3, 3), (3, 2, 3, 1))
IMAGES = ((1, 4, 4, 1), (3, 5, 7, 2), (2, 6, 6, 3), (2, 6, 9, 2))
ZERO = 1e-13  # below, both are round-off: the dX of a layer norm of one number
EPS = 0.01  # of the norms: with 1e-5 two examples would leave nothing of dX but round-off


def fixed(layer: Dropout) -> Dropout:
    layer.redraw = False
    return layer


def flat(make: Callable[[int], Layer]) -> Callable[[tuple[int, ...]], Layer | None]:
    """Of rows alone."""
    return lambda shape: make(shape[1]) if len(shape) == 2 else None


def of_images(make: Callable[[tuple[int, ...]], Layer | None]) -> Any:
    return lambda shape: make(shape) if shape in IMAGES else None


def filters(size: tuple[int, int], stride: int, pad: int) -> Callable[..., Layer | None]:
    """With windows that need not be square."""

    def make(shape: tuple[int, ...]) -> Layer:
        layer = Conv2D(shape[3], 3, stride=stride, pad=pad)
        layer.params["W"] = np.zeros((*size, shape[3], 3))
        return layer

    return of_images(make)


def tiled(size: int) -> Callable[..., Layer | None]:
    """Of images that windows tile."""
    return of_images(lambda X: None if any(each % size for each in X[1:3]) else MaxPool2D(size))


MAKE: dict[str, Callable[[tuple[int, ...]], Layer | None]] = {
    "Affine": flat(lambda size: Affine(size, 4)),
    "ReLU": lambda shape: ReLU(),
    "Flatten": lambda shape: Flatten(),
    "BatchNorm": lambda shape: BatchNorm(shape[-1], eps=EPS) if len(shape) in (2, 4) else None,
    "LayerNorm": flat(lambda size: LayerNorm(size, eps=EPS)),
    "Dropout": lambda shape: fixed(Dropout(0.6)),
    "Residual": flat(lambda size: Residual([Affine(size, 6), ReLU(), Affine(6, size, rng=1)])),
    "Conv2D 3x3": filters((3, 3), stride=1, pad=1),
    "Conv2D 3x3, stride 2": filters((3, 3), stride=2, pad=1),
    "Conv2D 2x4, stride 3": filters((2, 4), stride=3, pad=2),
    "Conv2D 3x1": filters((3, 1), stride=1, pad=0),
    "Conv2D 1x1, stride 2": filters((1, 1), stride=2, pad=0),
    "Conv2D 4x3, pad 3": filters((4, 3), stride=2, pad=3),
    "MaxPool2D 2": tiled(2),
    "MaxPool2D 3": tiled(3),
}


def cases() -> Iterator[tuple[str, tuple[int, ...], bool]]:
    """Every layer at every shape that it takes, in training and in prediction mode."""
    for name, make in MAKE.items():
        for shape in SHAPES + IMAGES:
            for training in (True, False):
                alone = name == "BatchNorm" and np.prod(shape[:-1]) == 1 and training
                if make(shape) and not alone:
                    yield name, shape, training


def setting(name: str, shape: tuple[int, ...]) -> tuple[Layer, np.ndarray]:
    """A layer with random parameters and running averages, and what enters it."""
    rng = np.random.default_rng(sum(shape))
    layer: Any = MAKE[name](shape)
    for value in (layer.params | layer.state).values():
        value[...] = rng.uniform(0.5, 1.5, value.shape)
    return layer, rng.standard_normal(shape)


def torch_forward(name: str, layer: Any, params: dict[str, Any], X: Any, training: bool) -> Any:
    """What leaves the same layer of PyTorch; params are its tensors."""
    import torch.nn.functional as F  # noqa: N812

    p = params
    if name == "Affine":
        return F.linear(X, p["W"].T, p["b"])
    if name == "ReLU":
        return F.relu(X)
    if name == "Flatten":
        return X.flatten(1)
    if name == "BatchNorm":
        mean, variance = (X.new_tensor(layer.state[key]) for key in ("mean", "variance"))
        rows = X.reshape(-1, X.shape[-1])
        Y = F.batch_norm(rows, mean, variance, p["gamma"], p["beta"], training, 0.1, EPS)
        return Y.reshape(X.shape)
    if name.startswith("Conv2D"):
        W = p["W"].permute(3, 2, 0, 1).contiguous()
        Z = F.conv2d(X.permute(0, 3, 1, 2), W, p["b"], stride=layer.stride, padding=layer.pad)
        return Z.permute(0, 2, 3, 1)
    if name.startswith("MaxPool2D"):
        return F.max_pool2d(X.permute(0, 3, 1, 2), layer.size).permute(0, 2, 3, 1)
    if name == "LayerNorm":
        return F.layer_norm(X, X.shape[1:], p["gamma"], p["beta"], EPS)
    if name == "Dropout":
        return X * X.new_tensor(layer.mask) if training else X
    hidden = F.relu(F.linear(X, p["0.W"].T, p["0.b"]))
    return X + F.linear(hidden, p["2.W"].T, p["2.b"])


def errors(name: str, shape: tuple[int, ...], training: bool) -> tuple[float, float | None]:
    """The worst relative error against central differences, and against PyTorch if it is here."""
    layer, X = setting(name, shape)
    state = {key: value.copy() for key, value in layer.state.items()}
    dY = np.random.default_rng(0).standard_normal(layer.forward(X, training).shape)

    def f(_: Any) -> float:
        for key, value in state.items():
            layer.state[key][...] = value
        return float(np.sum(dY * layer.forward(X, training)))

    f(X)
    gradients = {"X": layer.backward(dY)} | layer.grads
    arrays = {"X": X} | layer.params
    slopes = {key: numerical_gradient(f, value) for key, value in arrays.items()}
    numerical = max(relative_error(gradients[key], slopes[key]) for key in arrays)
    if not TORCH:
        return numerical, None
    import torch

    f(X)
    for key, value in state.items():
        layer.state[key][...] = value
    tensors = {key: torch.tensor(value, requires_grad=True) for key, value in arrays.items()}
    Y = torch_forward(name, layer, tensors, tensors["X"], training)
    (Y * torch.tensor(dY)).sum().backward()
    pairs = [(gradients[key], tensor.grad.numpy()) for key, tensor in tensors.items()]
    pairs += [(layer.forward(X, training), Y.detach().numpy())]
    pairs = [pair for pair in pairs if np.abs(pair).max() > ZERO]
    return numerical, max(relative_error(*pair) for pair in pairs)


def worst(name: str, shape: tuple[int, ...]) -> tuple[float, float | None]:
    """The worst errors of a layer at a shape, in training or in prediction mode."""
    found = [errors(*case) for case in cases() if case[:2] == (name, shape)]
    peers = [peer for _, peer in found if peer is not None]
    return max(numerical for numerical, _ in found), max(peers, default=None)


def main() -> None:
    """Print the table."""
    print(f"{'layer':20} {'shape of X':14} differences   PyTorch")
    for name, shape in dict.fromkeys(case[:2] for case in cases()):
        numerical, peer = worst(name, shape)
        theirs = "-" if peer is None else f"{peer:.0e}"
        print(f"{name:20} {shape!s:14} {numerical:11.0e}   {theirs:>7}")


if __name__ == "__main__":
    main()
