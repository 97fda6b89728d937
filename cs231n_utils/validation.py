"""What the series refuses. Messages say what was wrong, what was expected and what to do."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

ROWS = "X.reshape(len(X), -1), or a layer Flatten(), makes images rows"
HINTS = {  # by the numbers of axes that were expected and given
    (2, 1): "x[None, :] turns one example into a batch",
    (2, 3): ROWS,
    (2, 4): ROWS,
    (4, 2): "X.reshape(N, rows, columns, channels) makes rows images; Flatten() stands last",
    (4, 3): "X[..., None] gives grey images their channel, X[None] makes one image a batch",
}

_known_finite = ContextVar("_known_finite", default=False)


@contextmanager
def known_finite() -> Iterator[None]:
    """Let `check_inputs` test shapes alone, because all numbers were looked at before."""
    token = _known_finite.set(True)
    try:
        yield
    finally:
        _known_finite.reset(token)


def check_shape(what: Any, array: Any, shape: tuple[Any, ...], hint: str = "") -> np.ndarray:
    """Return an array of the shape: in ("N", ..., 3) a word is any size, and ... are any axes.

    What is checked: the array's name, or the layer that it enters.
    """
    array = np.asarray(array)
    if array.shape == shape or (shape[0] == "N" and array.shape[1:] == shape[1:]):  # fast
        return array
    wanted = shape
    if ... in shape:
        place = shape.index(...)
        wanted = shape[:place] + (array.ndim - len(shape) + 1) * ("",) + shape[place + 1 :]
    fits = [a == b or isinstance(a, str) for a, b in zip(wanted, array.shape, strict=False)]
    if len(wanted) != array.ndim or not all(fits):
        what = what if isinstance(what, str) else f"what enters {describe(what)}"
        axes = ", ".join("..." if size is ... else str(size) for size in shape)
        axes += "," * (len(shape) == 1)
        hint = hint or HINTS.get((len(shape) - (... in shape), array.ndim), "")
        raise ValueError(f"{what} must have shape ({axes}), not {array.shape}{hint and ': '}{hint}")
    return array


def check_numbers(data: Any, name: str = "data") -> np.ndarray:
    """Return data as an array of real numbers."""
    data = np.asarray(data)
    if data.dtype.kind not in "biuf":  # booleans, integers, floats
        why = "; compute with each Tensor of a list, or no gradient passes" * (data.dtype == object)
        raise TypeError(f"{name} must hold real numbers, but its dtype is {data.dtype}{why}")
    return data


def check_examples(*arrays: np.ndarray, at_least: int = 1) -> int:
    """Return the number of examples, which inputs and labels share."""
    lengths = [len(array) for array in arrays]
    if min(lengths) < at_least:
        raise ValueError(f"a batch of {min(lengths)} is too small: it needs at least {at_least}")
    if max(lengths) > min(lengths):
        raise ValueError(f"there are {lengths[0]} examples, but {lengths[1]} labels")
    return lengths[0]


def check_inputs(X: Any, num_features: int | None) -> np.ndarray:
    """Return inputs (N, D), or of any shape if D is None, as an array of finite numbers."""
    shape = ("N", num_features) if num_features else ("N", "D", ...)
    X = check_numbers(check_shape("X", X, shape), "X")
    check_examples(X)
    if not _known_finite.get() and not np.isfinite(X).all():  # argmax would call NaN class 0
        raise ValueError("X must hold finite numbers, but some are NaN or infinite")
    return X


def check_labels(y: Any, num_examples: int, num_classes: int) -> np.ndarray:
    """Return labels (N,) as an array of whole numbers from 0 to C - 1."""
    hint = "one label for each example; y.ravel() flattens a column, y.argmax(axis=1) one-hot rows"
    y = check_shape("y", y, (num_examples,), hint)
    check_examples(y)
    if y.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, not {y.dtype}: convert them with y.astype(int)")
    if y.min() < 0 or y.max() >= num_classes:  # NumPy takes -1 for the last class
        raise ValueError(f"labels must lie in 0..{num_classes - 1}, not {y.min()}..{y.max()}")
    return y


def check_split(model: Any, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (N, D) and labels (N,) as arrays that fit the model."""
    num_classes = model.loss(X[:1]).shape[1]
    X = check_inputs(X, None)
    return X, check_labels(y, len(X), num_classes)


def check_predictions(y_pred: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted and true labels, both (N,), as arrays: broadcasting would hide a column."""
    y = check_shape("y", y, ("N",))
    check_examples(y)
    return check_shape("y_pred", y_pred, y.shape, "one prediction for each label"), y


def check_scores(S: Any) -> np.ndarray:
    """Return scores (N, C) as floating-point numbers: narrow integers would overflow."""
    S = np.asarray(S, dtype=np.result_type(S, np.float32))
    return S if S.ndim == 2 else check_shape("S", S, ("N", "C"))


def check_finite_scores(S: np.ndarray) -> None:
    """Refuse scores (N, C) from which no class can be read: argmax would answer all the same."""
    if not np.isfinite(S).all():
        why = "the parameters are broken, as they are after training with too large a learning rate"
        raise ValueError(f"the scores hold NaN or infinite entries: {why}")


def check_counts(*, at_least: int = 1, **counts: int) -> None:
    """Refuse numbers, passed by name, that count nothing."""
    for name, count in counts.items():
        if not isinstance(count, int | np.integer) or count < at_least:
            raise ValueError(f"{name} must be a whole number, at least {at_least}, not {count}")


def check_positive(name: str, value: float, most: float = np.inf) -> float:
    """Return a learning rate, a step or the like, above 0 and at most so much."""
    if not 0 < value <= most or value == np.inf:
        limit = "a finite number above 0" if most == np.inf else f"above 0 and at most {most}"
        raise ValueError(f"{name} must be {limit}, not {value}")
    return value


def check_nonnegative(name: str, value: float, below: float = np.inf) -> float:
    """Return the strength of a penalty, the share that a running sum keeps, or the like."""
    if not 0 <= value < below:
        limit = "finite" if below == np.inf else f"below {below}"
        raise ValueError(f"{name} must be at least 0 and {limit}, not {value}")
    return float(value)


def check_network(sizes: tuple[int, ...], std: float, dtype: Any) -> None:
    """Refuse a network that cannot be made."""
    check_counts(**{f"sizes[{place}]": size for place, size in enumerate(sizes)})
    check_nonnegative("std", std)
    if dtype not in (np.float64, np.float32):
        raise ValueError(f"dtype must be float64 or float32, not {dtype}")


def check_optimizer(optimizer: Any) -> None:
    """Refuse what cannot make the steps of a training loop; None stands for plain steps."""
    can_step = callable(getattr(optimizer, "step", None)) and hasattr(optimizer, "learning_rate")
    if optimizer is not None and not can_step:
        wanted = "a method step(params, grads) and an attribute learning_rate, as SGD(0.1) has"
        raise TypeError(f"optimizer must have {wanted}, but {optimizer!r} was given")


def describe(layer: Any) -> str:
    """A layer as messages call it: Affine(64, 10)."""
    sizes = [getattr(layer, name, None) for name in ("input_size", "output_size", "size")]
    return f"{type(layer).__name__}({', '.join(str(n) for n in dict.fromkeys(sizes) if n)})"


def check_chain(layers: list[Any]) -> tuple[int | None, int | None]:
    """Return the sizes of what enters the first layer and leaves the last, None where any fits."""
    if not layers:
        raise ValueError("a chain needs at least one layer")
    size, before, axes = None, "", 0
    for place, layer in enumerate(layers):
        if not callable(getattr(layer, "forward", None)) or isinstance(layer, type):
            raise TypeError(f"layers[{place}] must be a layer, such as ReLU(), not {layer!r}")
        name = f"layers[{place}], {describe(layer)},"
        if any(layer is other for other in layers[:place]):
            why = "stands in the chain twice, but it remembers one pass only: make a second layer"
            raise ValueError(f"{name} {why}")
        takes, gives = (getattr(layer, name, None) for name in ("input_size", "output_size"))
        if size and takes and size != takes:
            hint = f": {ROWS}" if axes == 4 and np.ndim(layer.params.get("W")) == 2 else ""
            raise ValueError(f"{before} gives {size} numbers, but {name} takes {takes}{hint}")
        if gives is not None:  # 0 where it depends on the images
            size, before, axes = gives, name, np.ndim(layer.params.get("W"))
    weights = [layer.params["W"] for layer in layers if "W" in layer.params]
    if any(np.array_equal(a, b) and a.any() for n, a in enumerate(weights) for b in weights[:n]):
        remedy = "draw all from one Generator, rng = np.random.default_rng(0): pass rng=rng to each"
        warnings.warn(f"two layers hold equal weights: {remedy}", UserWarning, stacklevel=3)
    return getattr(layers[0], "input_size", None), size


def check_batch(X: Any, chain: Any) -> np.ndarray:
    """Return inputs as an array, if the chain's params are the arrays that its layers use."""
    check_arrays(chain)
    return check_inputs(X, None)


def check_arrays(chain: Any, before: str = "") -> None:
    """Refuse a chain whose params are not those of its layers; before is its own place, "3."."""
    for place, layer in enumerate(chain.layers):
        for key, value in layer.params.items():
            if chain.params.get(f"{place}.{key}") is not value:
                why = "was replaced by another array, which its layer does not see: write into the"
                raise ValueError(f"params['{before}{place}.{key}'] {why} old one, [...] = ...")
        if hasattr(layer, "layers"):
            check_arrays(layer, f"{before}{place}.")


def check_remembered(layer: Any, memory: Any) -> Any:
    """Return what a layer's forward pass left for the backward pass."""
    if memory is None:
        why = "backward before forward; it needs what forward remembers"
        raise RuntimeError(f"{describe(layer)}: {why}")
    return memory


def check_images(X: np.ndarray) -> np.ndarray:
    """Return images (N, rows, columns, channels) of floats, at least one."""
    X = check_shape("images", X, ("N", "rows", "columns", "channels"))
    check_examples(X)
    if X.dtype.kind != "f":
        raise ValueError(f"images must hold floats, not {X.dtype}: X.astype(np.float32)")
    return X


def check_convolution(X: Any, W: Any, stride: int, pad: int, b: Any = None, dZ: Any = None) -> None:
    """Refuse images X, filters W (rows, columns, channels, filters), b and dZ that do not fit."""
    N, rows, columns, channels = check_images(X).shape
    hint = "channels stand last in images, and third in filters"
    check_shape("filters", W, ("rows", "columns", channels, "filters"), hint)
    check_counts(stride=stride)
    check_counts(at_least=0, pad=pad)
    room = [rows + 2 * pad - W.shape[0], columns + 2 * pad - W.shape[1]]
    if min(room) < 0:
        images = f"images of {rows}x{columns}: take smaller filters, or a pad above {pad}"
        raise ValueError(f"windows of {W.shape[0]}x{W.shape[1]} do not fit into {images}")
    if b is not None:
        check_shape("b", b, W.shape[3:], "a number for each filter")
    if dZ is not None:
        positions = [space // stride + 1 for space in room]
        check_shape("the gradient of what left the layer", dZ, (N, *positions, W.shape[3]))


def check_tiles(X: np.ndarray, size: int) -> None:
    """Refuse images that windows of size x size do not tile."""
    rows, columns = check_images(X).shape[1:3]
    check_counts(size=size)
    if rows % size or columns % size:
        images = f"images of {rows}x{columns}: crop them, or choose another size"
        raise ValueError(f"windows of {size}x{size} do not tile {images}")


def check_float64(x: Any, name: str) -> None:
    """Refuse an array in which x + h would be lost to rounding, or cannot be written."""
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, not {type(x).__name__}")
    if x.dtype != np.float64 or not x.dtype.isnative:
        why = "convert it with x.astype(np.float64)"
        if x.dtype.kind in "iub":
            lost = "x + h would be cut back to a whole number, and every difference would be"
            why = f"{lost} 0 or wrong; {why}"
        elif x.dtype in (np.float32, np.float16):
            why = "a step of 1e-5 drowns in its rounding error; check the gradient in float64 "
            why += "(x.astype(np.float64)) and train in any precision"
        raise TypeError(f"{name} is an array of {x.dtype}: {why}")
    if not x.flags.writeable:
        raise ValueError(f"{name} is read-only, but its entries must be perturbed: pass a copy")


def check_number(value: Any) -> float:
    """Return the value of a function f, of which slopes are taken, as a float."""
    shape = getattr(value, "shape", None)
    if not isinstance(value, float | int) and shape != ():
        what = f"an array of shape {shape}" if shape else f"a {type(value).__name__}"
        remedy = "where it returns (loss, grads), pass a lambda that keeps the loss alone"
        raise ValueError(f"f must return one number, but it returned {what}; {remedy}")
    if not np.isfinite(value):
        raise ValueError(f"f returned {value}: it must be finite at x and within h of x")
    return float(value)


def check_answer(answer: Any) -> tuple[float, dict[str, Any]]:
    """Return what a model's loss answers, the loss and a dict of gradients."""
    pair = isinstance(answer, tuple) and len(answer) == 2 and np.ndim(answer[0]) == 0
    if not pair or not isinstance(answer[1], dict):
        raise TypeError("loss(X, y, reg) must return a pair: a number, a dict of gradients")
    return float(answer[0]), answer[1]


def has_diverged(losses: list[float], params: dict[str, np.ndarray], learning_rate: float) -> bool:
    """Whether a run blew up: the loss a hundredfold, or no finite sum of squares; if so, warn."""
    squares = [np.vdot(value, value) for value in params.values()]
    finite = np.isfinite([losses[-1], *squares]).all()
    diverged = not finite or losses[-1] > 100 * max(losses[0], 1.0)
    if diverged:
        where = f"training diverged at step {len(losses)} (loss {losses[-1]:.3g}) and stopped"
        why = f"the learning rate {learning_rate:g} is the likely cause, try {learning_rate / 10:g}"
        warnings.warn(f"{where}: {why}", RuntimeWarning, stacklevel=4)
    return bool(diverged)
