"""The worst relative error of each gradient of the two-layer network, entry by entry.

    python -m benchmarks.gradient_check

Five networks without kinks nearby, with and without a penalty, against central differences.
"""

import numpy as np

from benchmarks.side_by_side import print_conditions
from cs231n_utils.gradient_check import check_gradient
from cs231n_utils.taught.models import TwoLayerNet

SEEDS, REGS = range(5), (0.0, 0.1)


def errors(seed, reg):
    """Relative error of every parameter of one network."""
    rng = np.random.default_rng(seed)
    net = TwoLayerNet(12, 9, 5, std=0.5, rng=rng)
    X, y = rng.standard_normal((8, 12)), rng.integers(0, 5, 8)
    _, grads = net.loss(X, y, reg)

    def f(_):
        return net.loss(X, y, reg)[0]  # sees every change, which is made in place

    return {
        name: check_gradient(f, net.params[name], gradient, name=name).relative_error
        for name, gradient in grads.items()
    }


def main():
    """Print the table."""
    print_conditions("numpy")
    found = [errors(seed, reg) for seed in SEEDS for reg in REGS]
    for name in found[0]:
        print(f"  d{name}  {max(each[name] for each in found):.1e}")


if __name__ == "__main__":
    main()
