"""Names of the types that the signatures of the series speak of."""

from collections.abc import Callable

import numpy as np

Params = dict[str, np.ndarray]  # parameters or gradients by name
History = dict[str, list[float]]  # losses and accuracies on the way
Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # changes a batch of inputs
