"""Exported from notebooks: edit them, then `make export`.

- notebooks/19_autograd.ipynb
"""

from typing import Any

import numpy as np

from cs231n_utils.validation import check_numbers


def unbroadcast(G: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Gradient of an array of a shape, from that of its broadcast form: a sum over all copies."""
    added = G.ndim - len(shape)
    stretched = [added + axis for axis, size in enumerate(shape) if size == 1]
    return G.sum(axis=(*range(added), *stretched)).reshape(shape)  # (19.2)


class Recorded:
    """An array of floats that remembers which operation made it, and from what.

    Each parent comes with its VJP. `grad` is the sum of what all passes have brought, to be read
    and not written to, or None before the first.
    """

    def __init__(self, data: Any, *parents: tuple[Any, Any], constant: bool = False) -> None:
        data = check_numbers(data)
        self.data = data.astype(np.result_type(data.dtype, np.float32), copy=False)
        self.grad: np.ndarray | None = None
        self.parents = [(parent, vjp) for parent, vjp in parents if not parent.constant]
        self.constant = constant or bool(parents and not self.parents)  # of constants alone

    def order(self) -> list[Any]:
        """Every tensor that a pass visits, this one first, each before its parents."""
        finished, seen, stack = [], set(), [(self, False)]
        while stack:
            node, parents_finished = stack.pop()
            if parents_finished:
                finished.append(node)
            elif node not in seen:
                seen.add(node)
                stack += [(node, True), *((parent, False) for parent, _ in node.parents)]
        return finished[::-1]

    def backward(self, gradient: Any = 1.0) -> None:
        """Add to each `grad` the gradient of this number, or of the sum of gradient * array."""
        arrived = {self: np.broadcast_to(gradient, self.data.shape).astype(self.data.dtype)}
        for node in self.order():
            G = arrived.pop(node)
            node.grad = G if node.grad is None else node.grad + G  # (19.17)
            for parent, vjp in node.parents:
                share = vjp(G)
                if share.shape != parent.data.shape:
                    share = unbroadcast(share, parent.data.shape)
                arrived[parent] = arrived[parent] + share if parent in arrived else share  # (19.16)


class SmallTensor(Recorded):
    """Adds sums, products, powers, entries, and what is made of them."""

    __array_ufunc__ = None  # NumPy leaves array + tensor to the tensor

    def lift(self, other: Any) -> Any:
        """Numbers as a constant of the same dtype; a Tensor as it is."""
        if isinstance(other, Recorded):
            return other
        return type(self)(np.asarray(other, self.data.dtype), constant=True)

    def __add__(self, other: Any) -> Any:
        U, V = self, self.lift(other)
        return type(self)(U.data + V.data, (U, lambda G: G), (V, lambda G: G))  # (19.5)

    def __mul__(self, other: Any) -> Any:
        other = self.lift(other)
        U, V = self.data, other.data
        return type(self)(U * V, (self, lambda G: G * V), (other, lambda G: U * G))  # (19.6)

    def __pow__(self, power: float) -> Any:
        X = self.data
        return type(self)(X**power, (self, lambda G: G * power * X ** (power - 1)))  # (19.7)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        def copies(G: np.ndarray) -> np.ndarray:
            return np.broadcast_to(G.reshape(kept.shape), self.data.shape)  # (19.12)

        kept = self.data.sum(axis=axis, keepdims=True)
        return type(self)(kept if keepdims else kept.squeeze(axis), (self, copies))

    def __getitem__(self, index: Any) -> Any:
        def scatter(G: np.ndarray) -> np.ndarray:
            taken = np.zeros_like(self.data)
            np.add.at(taken, index, G)  # (19.15)
            return taken

        return type(self)(self.data[index], (self, scatter))

    def __neg__(self) -> Any:
        return self * -1.0

    def __sub__(self, other: Any) -> Any:
        return self + -self.lift(other)

    def __rsub__(self, other: Any) -> Any:
        return self.lift(other) - self

    __radd__, __rmul__ = __add__, __mul__


class Tensor(SmallTensor):
    """An array that records operations: adds matrices' products, functions, maxima and shapes.

    Parameters
    ----------
    data
        Numbers, no Tensors; whole numbers become floats.
    parents
        Tensors that it was made from, each with its VJP: a function that takes the gradient of
        this array to the parent's share.
    constant
        Whether nobody needs the gradient: of data, for example.

    Attributes
    ----------
    grad
        The sum of the gradients that `backward` has brought so far, an array to be read and not
        written to: others may share it. None before.
    """

    def __matmul__(self, other: Any) -> "Tensor":
        other = self.lift(other)
        U, V = self.data, other.data
        if V.ndim == 1:
            return (self @ other.reshape(-1, 1)).sum(axis=-1)  # a column
        if U.ndim == 1:
            return (self.reshape(1, -1) @ other).sum(axis=-2)  # a row
        return Tensor(U @ V, (self, lambda G: G @ V.swapaxes(-1, -2)),
                      (other, lambda G: U.swapaxes(-1, -2) @ G))  # (19.11)

    def __truediv__(self, other: Any) -> "Tensor":
        return self * self.lift(other) ** -1.0

    def __rtruediv__(self, other: Any) -> "Tensor":
        return self.lift(other) / self

    def __rmatmul__(self, other: Any) -> "Tensor":
        return self.lift(other) @ self

    def exp(self) -> "Tensor":
        return Tensor(Y := np.exp(self.data), (self, lambda G: G * Y))  # (19.8)

    def log(self) -> "Tensor":
        return Tensor(np.log(self.data), (self, lambda G, X=self.data: G / X))  # (19.9)

    def relu(self) -> "Tensor":
        return Tensor(self.data.clip(0), (self, lambda G, X=self.data: G * (X > 0)))  # (19.10)

    def mean(self, axis: Any = None, keepdims: bool = False) -> "Tensor":
        total = self.sum(axis, keepdims)
        return total * (total.data.size / self.data.size)

    def max(self, axis: Any = None, keepdims: bool = False) -> "Tensor":
        kept = self.data.max(axis=axis, keepdims=True)
        at = (self.data == kept).astype(kept.dtype)  # several may be largest
        top, share = kept if keepdims else kept.squeeze(axis), at / at.sum(axis, keepdims=True)
        return Tensor(top, (self, lambda G: G.reshape(kept.shape) * share))  # (19.13)

    def reshape(self, *shape: int) -> "Tensor":
        return Tensor(self.data.reshape(*shape), (self, lambda G: G.reshape(self.data.shape)))

    def transpose(self, *axes: int) -> "Tensor":
        back = np.argsort(np.ravel(axes) % self.data.ndim) if axes else None  # (19.14)
        return Tensor(self.data.transpose(*axes), (self, lambda G: G.transpose(back)))
