"""Exported from notebooks: edit them, then `make export`.

- notebooks/05_gradient_descent.ipynb
- notebooks/08_training.ipynb
"""

from cs231n_utils.types import Params


def sgd_step(params: Params, grads: Params, learning_rate: float) -> None:
    """Move every parameter one step down its gradient, in place."""
    for name in params:
        params[name] -= learning_rate * grads[name]  # (5.5)


def sgd_step(params: Params, grads: Params, learning_rate: float) -> None:
    """Move every parameter one step down its gradient, in place."""
    for name in params:
        params[name] -= learning_rate * grads[name]  # (8.2)


def momentum_step(params: Params, grads: Params, velocity: Params,
                  learning_rate: float, momentum: float) -> None:
    """Renew every velocity, then move the parameters against it, in place."""
    for name in params:
        velocity[name] = momentum * velocity[name] + grads[name]  # (8.14)
        params[name] -= learning_rate * velocity[name]  # (8.15)


def linear_decay(progress: float) -> float:
    """Share of the learning rate that is left when a share `progress` of the run is done."""
    return 1 - progress  # (8.18)
