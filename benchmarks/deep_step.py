"""Milliseconds of one training step of a deep network, side by side in one run.

    python -m benchmarks.deep_step

The network is 3072-100-100-100-100-10, plain, with batch norm and with layer norm before each ReLU.
Conditions are those of `training_step`: minibatch SGD with weight decay in the contender's own
loop, float32, batches of 200 gathered from 20,000 examples, a time stamp at each step.

The limit is the 14 matrix products that no implementation can avoid, alone: X @ W and X.T @ dY of
each of the five affine maps, and dY @ W.T of all but the first. Two ways to write it in PyTorch
compete. Before the clock starts, `check_same_mathematics` asserts that all compute the same.
"""

import time
from functools import partial
from itertools import chain, count, islice, pairwise

import numpy as np
import torch
from torch.nn.functional import batch_norm, cross_entropy, layer_norm

from benchmarks.side_by_side import (
    WARM_UP,
    interleaved,
    median_step,
    one_thread_and_all,
    print_conditions,
    print_table,
    ratios,
)
from cs231n_utils.taught.layers import Affine, BatchNorm, LayerNorm, ReLU, deep_net
from cs231n_utils.threads import use_all_threads

N, D, C = 20_000, 3072, 10
SIZES = (D, 100, 100, 100, 100, C)
BATCH_SIZE = 200
LEARNING_RATE = 1e-2
REG = 1e-2
STEPS = 45  # in each round
ROUNDS = 20
NORMS = {"plain": None, "batch norm": BatchNorm, "layer norm": LayerNorm}
NAMES = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}  # PyTorch's
NAMES |= {"mean": "running_mean", "variance": "running_var"}
LIMIT = "14 products alone (limit)"


def make_net(norm, dtype=np.float32):
    """The network, with the same first weights at every call."""
    make_norm = partial(norm, dtype=dtype) if norm else None
    return deep_net(SIZES, norm=make_norm, dtype=dtype)


def ours(X, y, norm, steps=STEPS):
    """`Sequential.train` as it is; `schedule` is called once a step and takes the time stamp."""
    net, stamps = make_net(norm, X.dtype), []

    def stamp(_):
        stamps.append(time.perf_counter())
        return 1.0

    net.train(X, y, X[:10], y[:10], LEARNING_RATE, 1.0, REG, steps, BATCH_SIZE, schedule=stamp)
    return stamps, net.params | net.state


def modules(X, y, norm, steps=STEPS):
    """PyTorch as most use it: `nn.Sequential` and `torch.optim.SGD`, no slower than fused."""
    layers = make_net(norm, X.dtype).layers
    model = torch.nn.Sequential(*map(as_module, layers))
    weights = [value for value in model.parameters() if value.ndim == 2]
    others = [value for value in model.parameters() if value.ndim == 1]
    groups = [{"params": weights, "weight_decay": REG}, {"params": others}]
    optimizer = torch.optim.SGD(groups, LEARNING_RATE)
    X, y, stamps, losses = torch.from_numpy(X), torch.from_numpy(y), [], []  # no copies
    for batch in torch_batches(len(X), steps):
        stamps.append(time.perf_counter())
        optimizer.zero_grad()
        loss = cross_entropy(model(X[batch]), y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    trained = {
        f"{place}.{key}": getattr(model[place], NAMES[key]).detach().numpy().T
        for place, layer in enumerate(layers)
        for key in layer.params | layer.state
    }
    return stamps, trained


def as_module(layer):
    """PyTorch's module for a layer, with copies of its arrays."""
    make = {
        Affine: lambda: torch.nn.Linear(layer.input_size, layer.output_size),
        ReLU: torch.nn.ReLU,
        BatchNorm: lambda: torch.nn.BatchNorm1d(layer.input_size),
        LayerNorm: lambda: torch.nn.LayerNorm(layer.input_size),
    }
    module = make[type(layer)]()
    for key, value in (layer.params | layer.state).items():
        getattr(module, NAMES[key]).data = torch.tensor(value.T)
    return module


def tensors(X, y, norm, steps=STEPS):
    """PyTorch with the least between the tensors: functions, autograd and updates in place."""
    net = make_net(norm, X.dtype)
    X, y, stamps, losses = torch.from_numpy(X), torch.from_numpy(y), [], []  # no copies
    params = {key: torch.tensor(value, requires_grad=True) for key, value in net.params.items()}
    state = {key: torch.tensor(value) for key, value in net.state.items()}
    every = params | state
    calls = [
        (FUNCTIONS[type(layer)], [every[f"{place}.{key}"] for key in layer.params | layer.state])
        for place, layer in enumerate(net.layers)
    ]
    for batch in torch_batches(len(X), steps):
        stamps.append(time.perf_counter())
        A = X[batch]
        for function, arrays in calls:
            A = function(A, *arrays)
        loss = cross_entropy(A, y[batch])
        grads = torch.autograd.grad(loss, list(params.values()))
        with torch.no_grad():
            for value, gradient in zip(params.values(), grads, strict=True):
                if value.ndim == 2:
                    value.mul_(1 - LEARNING_RATE * REG)
                value.sub_(gradient, alpha=LEARNING_RATE)
        losses.append(loss.item())
    return stamps, {key: value.detach().numpy() for key, value in every.items()}


FUNCTIONS = {
    Affine: lambda X, W, b: torch.addmm(b, X, W),
    ReLU: torch.relu,
    BatchNorm: lambda X, gamma, beta, mean, variance: batch_norm(
        X, mean, variance, gamma, beta, training=True
    ),
    LayerNorm: lambda X, gamma, beta: layer_norm(X, gamma.shape, gamma, beta),
}


def torch_batches(num_examples, steps):
    """The indices of so many minibatches, shuffled by PyTorch."""
    epochs = (torch.randperm(num_examples).split(BATCH_SIZE) for _ in count())
    return islice(chain.from_iterable(epochs), steps)


def limit(X):
    """Median seconds of the 14 products; the gathering of the batch is not counted."""
    rng, times = np.random.default_rng(0), []
    shapes = list(pairwise(SIZES))
    weights = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
    inputs = [rng.standard_normal((BATCH_SIZE, size), dtype=np.float32) for size in SIZES]
    for _ in range(STEPS):
        inputs[0] = X[rng.permutation(len(X))[:BATCH_SIZE]]
        start = time.perf_counter()
        for place, W in enumerate(weights):
            _ = inputs[place] @ W
        for place in reversed(range(len(weights))):
            dY = inputs[place + 1]  # of its shape
            _ = inputs[place].T @ dY
            if place:
                _ = dY @ weights[place].T
        times.append(time.perf_counter() - start)
    return float(np.median(times[WARM_UP:]))


WAYS = {"Sequential.train": ours, "PyTorch's modules": modules, "PyTorch's tensors": tensors}


def check_same_mathematics(X, y):
    """Assert that the three agree, in float64, in every array after three steps.

    A data set of one batch gives all loops the same batches, up to their order of rows.
    """
    X, y = X[:BATCH_SIZE].astype(np.float64), y[:BATCH_SIZE]
    for name, norm in NORMS.items():
        (_, expected), *others = [train(X, y, norm, steps=3) for train in WAYS.values()]
        for _, found in others:
            assert found.keys() == expected.keys()
            for key, value in expected.items():
                np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-12, err_msg=key)
        print(f"{name}: the contenders compute the same")


def compare(threads, X, y):
    """Measure all contenders with so many threads, and print the table."""
    contenders = {LIMIT: partial(limit, X)}
    for name, norm in NORMS.items():
        for way, train in WAYS.items():
            contenders[f"{way}, {name}"] = partial(median_step, partial(train, X, y, norm))
    measured = interleaved(contenders, ROUNDS)
    sizes = "-".join(map(str, SIZES))
    title = f"{sizes}, batch {BATCH_SIZE}, a step, {threads} thread{'s' * (threads > 1)}"
    print_table(title, measured, LIMIT)
    own, *others = WAYS
    for name in NORMS:
        fastest = min(
            (f"{way}, {name}" for way in others), key=lambda key: np.median(measured[key])
        )
        low, median, high = ratios(measured, fastest)[f"{own}, {name}"]
        print(f"  {own} beside {fastest}: {median:.2f} ({low:.2f} - {high:.2f})")


def main():
    """Check, measure and print, with one thread and with all."""
    use_all_threads()
    print_conditions("numpy", "torch")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D), dtype=np.float32)
    y = rng.integers(0, C, N)
    check_same_mathematics(X, y)
    for threads in one_thread_and_all():
        torch.set_num_threads(threads)
        compare(threads, X, y)


if __name__ == "__main__":
    main()
