"""Time that a gradient check of a 3072-50-10 network takes, side by side in one run.

    python -m benchmarks.gradient_check

Two ways cover all 154,160 parameters along random directions: `check_directions`, and the fast
mode of `torch.autograd.gradcheck`. Two go entry by entry: `numerical_gradient`, and gradcheck's
full mode. These are timed on the 500 entries of W2, at the cost of the whole loss for each, and
scaled up to all parameters. Both losses are float64, on 50 examples, and are asserted equal.

Also prints the worst relative error of every parameter of the exported network, entry by entry,
on a smaller network without kinks nearby.
"""

import numpy as np
import torch
from torch.autograd import gradcheck
from torch.nn.functional import cross_entropy

from benchmarks.side_by_side import interleaved, print_conditions, print_table, seconds
from cs231n_utils.gradient_check import check_directions, check_gradient, numerical_gradient
from cs231n_utils.taught.models import TwoLayerNet

ROUNDS = 5
REG = 0.1
DIRECTIONS = "check_directions, 4 directions"


def compare_speed():
    """Print the costs and their ratios to `check_directions`."""
    net = TwoLayerNet(3072, 50, 10, std=1e-2)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 3072)), rng.integers(0, 10, 50)
    loss, grads = net.loss(X, y, REG)
    size = sum(value.size for value in net.params.values())
    W2 = net.params["W2"]

    def f(_):
        return net.loss(X, y, REG)[0]  # sees every change, which is made in place

    X_torch, y_torch = torch.from_numpy(X), torch.from_numpy(y)
    tensors = {name: torch.tensor(value) for name, value in net.params.items()}

    def torch_loss(W1, b1, W2, b2):
        A = torch.relu(torch.addmm(b1, X_torch, W1))
        penalty = 0.5 * REG * ((W1 * W1).sum() + (W2 * W2).sum())
        return cross_entropy(torch.addmm(b2, A, W2), y_torch) + penalty

    def torch_fast():
        gradcheck(
            torch_loss, [t.clone().requires_grad_() for t in tensors.values()], fast_mode=True
        )

    def torch_full():
        free = tensors["W2"].clone().requires_grad_()
        gradcheck(lambda W2: torch_loss(tensors["W1"], tensors["b1"], W2, tensors["b2"]), [free])

    np.testing.assert_allclose(torch_loss(*tensors.values()).item(), loss, rtol=1e-12)
    contenders = {
        DIRECTIONS: lambda: seconds(lambda: check_directions(f, net.params, grads)),
        "gradcheck of PyTorch, fast mode": lambda: seconds(torch_fast),
        "numerical_gradient, every entry": lambda: (
            seconds(lambda: numerical_gradient(f, W2)) * size / W2.size
        ),
        "gradcheck of PyTorch, full mode": lambda: seconds(torch_full) * size / W2.size,
    }
    title = f"{size:,} parameters, {len(X)} examples, a check"
    print_table(title, interleaved(contenders, ROUNDS), DIRECTIONS)


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
    print("\nworst relative error, 5 networks, reg 0 and 0.1")
    for name, error in worst.items():
        print(f"  d{name}  {error:.1e}")


def main():
    """Measure the costs, then the errors."""
    print_conditions("numpy", "torch")
    compare_speed()
    worst_errors()


if __name__ == "__main__":
    main()
