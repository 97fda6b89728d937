"""Test accuracy on the digits of networks that are 2, 5 and 20 affine maps deep.

    python -m benchmarks.depth

All have 50 hidden units a layer and are trained alike: 600 steps of SGD with momentum 0.9 on
batches of 172, seven an epoch and all full, the rate falling in a straight line to 0, no penalty.
Three seeds draw weights and batches. Each kind and depth has the one of five first rates that gives
the highest mean accuracy on the validation digits; its three networks read the test digits once.

Weights start with a standard deviation of 0.05, or with He's. A norm stands before each ReLU. A
residual network is an affine map with its ReLU, at depth 5 two of them, then blocks of two maps,
X + Affine(ReLU(Affine(X))), of which the second starts at 0, then the last map. At depth 2 there is
no block. With a norm, that stands before each ReLU, too. Guessing would give 10 %.
"""

import warnings
from functools import partial

import numpy as np

from cs231n_utils.datasets import load_digits
from cs231n_utils.taught.layers import (
    Affine,
    BatchNorm,
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
    deep_net,
)
from cs231n_utils.taught.linear import accuracy, centre
from cs231n_utils.taught.optimizers import SGD, linear_decay

DEPTHS = (2, 5, 20)
SEEDS = range(3)
D, H, C = 64, 50, 10
SMALL = 0.05
STEPS = 600
RATES = (0.0004, 0.002, 0.01, 0.05, 0.25)


def plain(depth, rng, std=None, norm=None):
    """So many affine maps, with a ReLU between any two, and a norm before it."""
    return deep_net([D, *[H] * (depth - 1), C], std, norm=norm, rng=rng)


def residual(depth, rng, norm=None):
    """So many affine maps with He's weights, two in each block."""
    sizes = [D, H, H] if depth % 2 else [D, H]
    norms = [norm] if norm else []
    layers = [*deep_net(sizes, norm=norm, rng=rng).layers, *[make(H) for make in norms], ReLU()]
    for _ in range((depth - len(sizes)) // 2):
        first, second = Affine(H, H, rng=rng), Affine(H, H, std=0, rng=rng)
        layers.append(Residual([first, *[make(H) for make in norms], ReLU(), second]))
    return Sequential([*layers, Affine(H, C, rng=rng)])


NETWORKS = {
    "std 0.05": partial(plain, std=SMALL),
    "std 0.05, batch norm": partial(plain, std=SMALL, norm=BatchNorm),
    "std 0.05, layer norm": partial(plain, std=SMALL, norm=LayerNorm),
    "He": plain,
    "He, batch norm": partial(plain, norm=BatchNorm),
    "He, layer norm": partial(plain, norm=LayerNorm),
    "He, residual": residual,
    "He, residual, batch norm": partial(residual, norm=BatchNorm),
}


def trained(make, depth, seed, rate, splits):
    """A network of that depth, trained, and its validation accuracy: 0 of one that diverged."""
    rng = np.random.default_rng(seed)
    net = make(depth, rng)
    assert sum(name.endswith("W") for name in net.params) == depth
    history = net.train(
        *splits, learning_rate_decay=1.0, reg=0.0, num_iters=STEPS, batch_size=172, rng=rng,
        optimizer=SGD(rate, momentum=0.9), schedule=linear_decay,
    )  # fmt: skip
    finished = len(history["loss_history"]) == STEPS
    return net, history["val_acc_history"][-1] if finished else 0.0


def best(make, depth, splits):
    """The best rate by validation accuracy, and the networks that it trained."""
    runs = {r: [trained(make, depth, seed, r, splits) for seed in SEEDS] for r in RATES}
    rate = max(RATES, key=lambda rate: np.mean([value for _, value in runs[rate]]))
    return rate, [net for net, _ in runs[rate]]


@np.errstate(over="ignore", invalid="ignore")  # of runs that diverge
def main():
    """Train all, and print the table."""
    warnings.filterwarnings("ignore", "training diverged")
    digits = load_digits()
    X_train, X_val, X_test = centre(digits.X_train, digits.X_val, digits.X_test)
    splits = (X_train, digits.y_train, X_val, digits.y_val)
    print(f"test accuracy: mean and standard deviation over {len(SEEDS)} seeds, and the rate")
    print(f"{'':26}" + "".join(f"{f'depth {depth}':^26}" for depth in DEPTHS))
    for name, make in NETWORKS.items():
        print(f"{name:26}", end="")
        for depth in DEPTHS:
            rate, nets = best(make, depth, splits)
            values = [accuracy(net.predict(X_test), digits.y_test) for net in nets]
            spread = f"{np.mean(values):.1%} +- {np.std(values, ddof=1):.1%}"
            print(f"{spread:>17}{rate:>7}  ", end="", flush=True)
        print()


if __name__ == "__main__":
    main()
