"""Milliseconds of one training step of a 3072-H-10 network, batch 200, side by side in one run.

    python -m benchmarks.training_step       three hidden sizes
    python -m benchmarks.training_step 100   one of them

The contenders train the same network by the same minibatch SGD with weight decay, in their own
loops, on 20,000 random examples: more than a cache holds, so that every batch is gathered from
memory. Every contender takes a time stamp at each step, so set-up and evaluation do not count.

The limit is the two large matrix products that no implementation can avoid, X @ W1 and X.T @ dZ,
alone, on a batch that was just gathered. `bare` is the arithmetic of `TwoLayerNet.train` without
one check: what `train` adds to it is the price of safety. Everything is measured with one thread
and with all. Before the clock starts, `check_same_mathematics` asserts that all compute the same.
"""

import sys
import time
from functools import partial
from itertools import count, islice

import numpy as np
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from torch.nn.functional import cross_entropy

from benchmarks.side_by_side import (
    WARM_UP,
    interleaved,
    median_step,
    print_conditions,
    print_table,
)
from cs231n_utils.taught.models import TwoLayerNet
from cs231n_utils.threads import use_all_threads

N, D, C = 20_000, 3072, 10
HIDDEN_SIZES = (50, 100, 500)
BATCH_SIZE = 200
LEARNING_RATE = 1e-2
REG = 1e-2
STEPS = 45  # in each round
ROUNDS = 20
LIMIT, BARE = "two products alone", "bare arithmetic"


def ours(X, y, params, steps=STEPS):
    """`TwoLayerNet.train` as it is; `schedule` is called once a step and takes the time stamp."""
    net, stamps = TwoLayerNet(D, len(params["b1"]), C, dtype=np.float32), []
    net.params = {name: value.copy() for name, value in params.items()}

    def stamp(_):
        stamps.append(time.perf_counter())
        return 1.0

    net.train(
        X, y, X[:10], y[:10], learning_rate=LEARNING_RATE, learning_rate_decay=1.0, reg=REG,
        num_iters=steps, batch_size=BATCH_SIZE, schedule=stamp,
    )  # fmt: skip
    return stamps, net.params


def bare(X, y, params, steps=STEPS):
    """The arithmetic of `TwoLayerNet.train`, statement by statement, and nothing else."""
    params = {name: value.copy() for name, value in params.items()}
    rng, rows, stamps, losses = np.random.default_rng(0), np.arange(BATCH_SIZE), [], []
    batches = (
        batch for _ in count() for batch in np.split(rng.permutation(len(X)), len(X) // BATCH_SIZE)
    )
    for batch in islice(batches, steps):
        stamps.append(time.perf_counter())
        X_batch, y_batch = X.take(batch, axis=0), y[batch]
        W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
        Z = X_batch @ W1 + b1
        A = np.maximum(Z, 0)
        S = A @ W2 + b2
        shifted = S - S.max(axis=1, keepdims=True)
        loss = np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, y_batch])
        E = np.exp(S - S.max(axis=1, keepdims=True))
        dS = E / E.sum(axis=1, keepdims=True)
        dS[rows, y_batch] -= 1
        dS /= BATCH_SIZE
        losses.append(float(loss) + 0.5 * REG * float(np.sum(W1**2) + np.sum(W2**2)))
        dZ = dS @ W2.T * (Z > 0)
        grads = {
            "W1": X_batch.T @ dZ + REG * W1,
            "b1": dZ.sum(axis=0),
            "W2": A.T @ dS + REG * W2,
            "b2": dS.sum(axis=0),
        }
        for name in params:
            params[name] -= LEARNING_RATE * grads[name]
    return stamps, params


def pytorch(X, y, params, steps=STEPS):
    """The fastest of the usual ways in PyTorch: tensors, autograd and updates in place.

    `nn.Sequential` with `torch.optim.SGD`, plain or fused, takes longer.
    """
    X, y, stamps, losses = torch.from_numpy(X), torch.from_numpy(y), [], []  # no copies
    params = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    W1, b1, W2, b2 = params.values()
    batches = (batch for _ in count() for batch in torch.randperm(len(X)).split(BATCH_SIZE))
    for batch in islice(batches, steps):
        stamps.append(time.perf_counter())
        A = torch.relu(torch.addmm(b1, X[batch], W1))
        loss = cross_entropy(torch.addmm(b2, A, W2), y[batch])
        grads = torch.autograd.grad(loss, list(params.values()))
        with torch.no_grad():
            for name, gradient in zip(params, grads, strict=True):
                if name in ("W1", "W2"):
                    params[name].mul_(1 - LEARNING_RATE * REG)
                params[name].sub_(gradient, alpha=LEARNING_RATE)
        losses.append(loss.item())
    return stamps, {name: value.detach().numpy() for name, value in params.items()}


def limit(X, params):
    """Median seconds of the two large products; the gathering of the batch is not counted."""
    W1, times = params["W1"], []
    rng = np.random.default_rng(0)
    dZ = rng.standard_normal((BATCH_SIZE, W1.shape[1]), dtype=np.float32)
    for _ in range(STEPS):
        X_batch = X[rng.permutation(len(X))[:BATCH_SIZE]]
        start = time.perf_counter()
        _ = X_batch @ W1
        _ = X_batch.T @ dZ
        times.append(time.perf_counter() - start)
    return float(np.median(times[WARM_UP:]))


def check_same_mathematics(X, y, params):
    """Assert that the contenders have the same parameters after three steps.

    A data set of one batch gives every shuffled loop the same batches, up to their order of rows.
    The float32 parameters may differ by 16 roundings of the largest one.
    """
    X, y = X[:BATCH_SIZE], y[:BATCH_SIZE]
    _, expected = ours(X, y, params, steps=3)
    for contender in (bare, pytorch):
        _, trained = contender(X, y, params, steps=3)
        for name, value in expected.items():
            tolerance = 16 * np.finfo(np.float32).eps * np.abs(value).max()
            np.testing.assert_allclose(trained[name], value, rtol=0, atol=tolerance, err_msg=name)


def compare(H, threads, X, y):
    """Measure all contenders with so many hidden units and threads, and print the table."""
    params = TwoLayerNet(D, H, C, dtype=np.float32).params
    check_same_mathematics(X, y, params)
    ways = {BARE: bare, "TwoLayerNet.train": ours, "PyTorch": pytorch}
    contenders = {LIMIT: partial(limit, X, params)}
    contenders |= {
        name: partial(median_step, partial(train, X, y, params)) for name, train in ways.items()
    }
    title = f"{D}-{H}-{C}, batch {BATCH_SIZE}, a step, threads: {threads}"
    print_table(title, interleaved(contenders, ROUNDS), LIMIT, BARE, "PyTorch")


def main():
    """Check, measure and print, with one thread and with all."""
    use_all_threads()
    print_conditions("numpy", "torch")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D), dtype=np.float32)
    y = rng.integers(0, C, N)
    available = max(pool["num_threads"] for pool in threadpool_info())
    for threads in sorted({1, available}):
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            for H in map(int, sys.argv[1:] or HIDDEN_SIZES):
                compare(H, threads, X, y)


if __name__ == "__main__":
    main()
