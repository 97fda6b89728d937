"""Seconds that a gradient check of a 3072-50-10 network takes, two ways, side by side in one run.

    python benchmarks/gradient_check.py

Along random directions, `check_directions` covers all 154,160 parameters. Entry by entry,
`numerical_gradient` is timed on 200 entries of W1 and scaled up to all of them. Medians of five
interleaved rounds. Also prints the worst relative error of every parameter of the exported
network, entry by entry, on a smaller network without kinks nearby.
"""

import statistics
import time

import numpy as np

from cs231n_utils.from_notebooks.two_layer_net import TwoLayerNet
from cs231n_utils.gradient_check import check_directions, check_gradient, numerical_gradient

ROUNDS = 5
SAMPLED_ENTRIES = 200


def seconds(task):
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def compare_speed():
    """Print the two costs and their ratio."""
    net = TwoLayerNet(3072, 50, 10, std=1e-2)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 3072)), rng.integers(0, 10, 50)
    _, grads = net.loss(X, y, 0.1)
    size = sum(value.size for value in net.params.values())
    entries = net.params["W1"].reshape(-1)[:SAMPLED_ENTRIES]  # a view: f sees every change

    def f(_):
        return net.loss(X, y, 0.1)[0]

    directions, elementwise = [], []
    for _ in range(ROUNDS):
        directions.append(seconds(lambda: check_directions(f, net.params, grads)))
        sampled = seconds(lambda: numerical_gradient(f, entries))
        elementwise.append(sampled * size / SAMPLED_ENTRIES)
    fast, slow = statistics.median(directions), statistics.median(elementwise)
    print(f"{size:,} parameters, {len(X)} examples")
    print(f"  4 random directions   {fast:10.3f} s")
    print(f"  entry by entry        {slow:10.0f} s   (scaled up from {SAMPLED_ENTRIES} entries)")
    print(f"  ratio                 {slow / fast:10,.0f}")


def worst_errors():
    """Print the worst relative error of every parameter over several networks."""
    worst = {}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        net = TwoLayerNet(12, 9, 5, std=0.5, rng=rng)
        X, y = rng.standard_normal((8, 12)), rng.integers(0, 5, 8)
        for reg in (0.0, 0.1):
            _, grads = net.loss(X, y, reg)
            for name, gradient in grads.items():
                report = check_gradient(
                    lambda _, net=net, X=X, y=y, reg=reg: net.loss(X, y, reg)[0],
                    net.params[name],
                    gradient,
                    name=name,
                )
                worst[name] = max(worst.get(name, 0.0), report.relative_error)
    print("worst relative error, 5 networks, reg 0 and 0.1")
    for name, error in worst.items():
        print(f"  d{name}  {error:.1e}")


if __name__ == "__main__":
    compare_speed()
    worst_errors()
