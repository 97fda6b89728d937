"""How the cost of a loss with its gradients grows with the batch size N, and with D, H and C.

    python -m benchmarks.scaling

One size doubles while the others stay as SIZES says. The cost of a large size is linear: on
logarithmic axes the slope at the large end, which is printed, must be near 1. Towards the small
end the curve flattens, because there the work that does not depend on this size counts more.
float32, medians of interleaved rounds.
"""

import statistics
from functools import partial

import numpy as np

from benchmarks.side_by_side import interleaved, print_conditions, save, seconds
from cs231n_utils.plots import COLORS, MARKERS, subplots
from cs231n_utils.taught.models import TwoLayerNet

ROUNDS = 15
CALLS = 5  # in each round
LARGE_END = 4  # sizes, thus three doublings, that the slope is taken over
SIZES = {  # which size grows, from where, how often it doubles, and the other sizes
    "N": (50, 7, {"D": 3072, "H": 100, "C": 10}),
    "D": (96, 7, {"N": 200, "H": 100, "C": 10}),
    "H": (25, 6, {"N": 200, "D": 3072, "C": 10}),
    "C": (10, 9, {"N": 200, "D": 256, "H": 100}),
}


def loss_and_gradients(N, D, H, C):
    """A call of TwoLayerNet.loss for a batch of these sizes."""
    rng = np.random.default_rng(0)
    net = TwoLayerNet(D, H, C, dtype=np.float32)
    X, y = rng.standard_normal((N, D), dtype=np.float32), rng.integers(0, C, N)
    return partial(net.loss, X, y, 1e-3)


def median_call(task):
    """Median seconds of a few calls, after one that warms the caches up."""
    task()
    return statistics.median(seconds(task) for _ in range(CALLS))


def measure(start, doublings, name, others):
    """Values of the growing size, and the milliseconds for each."""
    values = start * 2 ** np.arange(doublings + 1)
    contenders = {
        value: partial(median_call, loss_and_gradients(**others, **{name: int(value)}))
        for value in values
    }
    measured = interleaved(contenders, ROUNDS)
    return values, 1e3 * np.array([np.median(measured[value]) for value in values])


def main():
    """Measure, print and draw."""
    print_conditions("numpy")
    fig, axes = subplots(1, len(SIZES), figsize=(14, 4), sharey=True)
    for ax, (name, (start, doublings, others)) in zip(axes, SIZES.items(), strict=True):
        values, times = measure(start, doublings, name, others)
        logs = np.log(values[-LARGE_END:]), np.log(times[-LARGE_END:])
        slope, offset = np.polyfit(*logs, 1)
        fixed = ", ".join(f"{other} = {size}" for other, size in others.items())
        print(f"\n{name} grows; {fixed}\n  {name:>6}{'ms':>10}{'slope':>8}")
        local = np.diff(np.log(times)) / np.log(2)
        for value, time, rise in zip(values, times, [np.nan, *local], strict=True):
            print(f"  {value:>6}{time:>10.2f}{'' if np.isnan(rise) else f'{rise:8.2f}'}")
        print(f"  slope of the last {LARGE_END} sizes: {slope:.2f}")
        ax.loglog(values, times, COLORS[0], marker=MARKERS[0], label="measured")
        line = np.exp(offset) * values.astype(float) ** slope
        ax.loglog(values, line, COLORS[3], linestyle="--", label=f"slope {slope:.2f}")
        ax.set(title=f"{name} grows", xlabel=name)
        ax.legend(loc="upper left")
    axes[0].set_ylabel("ms for loss and gradients")
    save(fig, "scaling")


if __name__ == "__main__":
    main()
