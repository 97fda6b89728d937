"""Exported from notebooks: edit them, then `make export`.

- notebooks/03_gradient_checking.ipynb
"""

from collections.abc import Callable
from typing import Any

import numpy as np


def forward_difference(f: Callable[[Any], Any], x: Any, h: float) -> Any:
    """Slope of f between x and x + h."""
    return (f(x + h) - f(x)) / h  # (3.2)


def central_difference(f: Callable[[Any], Any], x: Any, h: float) -> Any:
    """Slope of f between x - h and x + h."""
    return (f(x + h) - f(x - h)) / (2 * h)  # (3.3)


def gradient_by_loop(f: Callable[[Any], float], x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Central differences of f for every entry of x."""
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):  # every index of x, whatever its shape
        original = x[i]
        x[i] = original + h
        f_plus = f(x)
        x[i] = original - h
        f_minus = f(x)
        gradient[i] = (f_plus - f_minus) / (2 * h)  # (3.4)
        x[i] = original
    return gradient


def bowl_gradient(x: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """Gradient at x of the function (3.1)."""
    return 0.5 * (Q + Q.T) @ x  # (3.6)


def best_forward_step(F: float, f2: float, eps: float = 2.0**-52) -> float:
    """Where the two errors of the forward difference are smallest together."""
    return 2 * np.sqrt(eps * F / abs(f2))  # (3.9)


def best_central_step(F: float, f3: float, eps: float = 2.0**-52) -> float:
    """Where the two errors of the central difference are smallest together."""
    return np.cbrt(3 * eps * F / abs(f3))  # (3.10)
