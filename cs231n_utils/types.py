"""Names of the types that the signatures of the series speak of."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

Params = dict[str, np.ndarray]  # parameters or gradients by name
History = dict[str, list[float]]  # losses and accuracies on the way
Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # changes a batch of inputs


class Optimizer(Protocol):
    """What makes a step of the training loop; the loop sets learning_rate before each step."""

    learning_rate: float

    def step(self, params: Params, grads: Params) -> None:
        """Change the parameters in place."""
