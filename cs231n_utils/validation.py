"""What the series refuses, and why: bad inputs, labels and options, and runs that have diverged.

Every message says what was wrong, what was expected and what to do.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

_known_finite = ContextVar("_known_finite", default=False)


@contextmanager
def known_finite() -> Iterator[None]:
    """Look for NaN and infinity no more, because all inputs were looked at before.

    A training loop checks its data once. Inside this context `check_inputs` tests the shape of
    each minibatch, and not every number of it again.
    """
    token = _known_finite.set(True)
    try:
        yield
    finally:
        _known_finite.reset(token)


def check_numbers(data: Any) -> np.ndarray:
    """Return data as an array of real numbers.

    Raises
    ------
    TypeError
        When an entry is none: gradients would not pass through a list of Tensors, for example.
    """
    data = np.asarray(data)
    if data.dtype.kind not in "biuf":  # booleans, integers, floats
        raise TypeError(
            f"data must hold real numbers, but its dtype is {data.dtype}; no gradient would pass "
            "through a list of Tensors: compute with each of them"
        )
    return data


def check_inputs(X: np.ndarray, num_features: int | None) -> np.ndarray:
    """Return inputs as an array of finite numbers, one example per row.

    Parameters
    ----------
    X
        Inputs, shape (N, D), with at least one row.
    num_features
        The number D of features; None where examples may have any shape.

    Raises
    ------
    ValueError
        When the shape is another one, or an entry is no finite real number. A single NaN would
        make all scores of its row NaN, and argmax would answer 0 all the same.
    """
    X = np.asarray(X)
    if (X.ndim != 2 or X.shape[1] != num_features) if num_features else X.ndim < 2:
        raise ValueError(
            f"X must have shape (N, {num_features or '...'}), one example per row, not {X.shape}; "
            "X.reshape(N, -1) turns images into rows, x[None, :] turns one example into a batch"
        )
    if len(X) == 0:
        raise ValueError("X holds no examples: a batch needs at least one row")
    if X.dtype.kind not in "biuf":  # booleans, integers, floats
        raise ValueError(f"X must hold real numbers, but its dtype is {X.dtype}")
    if not _known_finite.get() and not np.isfinite(X).all():
        raise ValueError("X must hold finite numbers, but some are NaN or infinite")
    return X


def check_examples(*arrays: np.ndarray) -> int:
    """Return the number of examples of a batch, with as many labels if there are any.

    Raises
    ------
    ValueError
        When an array is empty, or two have different lengths.
    """
    lengths = [len(array) for array in arrays]
    if min(lengths) == 0:
        raise ValueError("X holds no examples: a batch needs at least one")
    if len(set(lengths)) > 1:
        raise ValueError(f"X holds {lengths[0]} examples, but y {lengths[1]} labels")
    return lengths[0]


def check_labels(y: np.ndarray, num_examples: int, num_classes: int) -> np.ndarray:
    """Return labels as an array of whole numbers from 0 to C - 1.

    Parameters
    ----------
    y
        Labels, shape (N,).
    num_examples
        The number N of examples.
    num_classes
        The number C of classes.

    Raises
    ------
    ValueError
        When the shape is another one, or a label names no class. NumPy would accept -1, the last
        class, and would broadcast a column (N, 1) to (N, N).
    TypeError
        When the labels are no integers.
    """
    y = np.asarray(y)
    if y.shape != (num_examples,) or num_examples == 0:
        raise ValueError(
            f"y must hold one label for each of {num_examples} examples (at least one), "
            f"but its shape is {y.shape}"
        )
    if y.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, not {y.dtype}: convert them with y.astype(int)")
    if y.min() < 0 or y.max() >= num_classes:
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1}, but y runs from {y.min()} to {y.max()}"
        )
    return y


def check_scores(S: np.ndarray) -> np.ndarray:
    """Return scores (N, C) as floating-point numbers: narrow integers would overflow.

    Raises
    ------
    ValueError
        When they do not form a table.
    """
    S = np.asarray(S, dtype=np.result_type(S, np.float32))
    if S.ndim != 2:
        raise ValueError(f"S must have shape (N, C), not {S.shape}")
    return S


def check_finite_scores(S: np.ndarray) -> None:
    """Refuse scores (N, C) from which no class can be read.

    Raises
    ------
    ValueError
        When a score is NaN or infinite, because argmax would answer all the same.
    """
    if not np.isfinite(S).all():
        raise ValueError(
            "the scores hold NaN or infinite entries: the parameters are broken, "
            "as they are after training with too large a learning rate"
        )


def check_predictions(y_pred: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted and true labels, both (N,), as arrays.

    Raises
    ------
    ValueError
        When the shapes differ, because broadcasting would hide it, or N is 0.
    """
    y_pred, y = np.asarray(y_pred), np.asarray(y)
    if y_pred.shape != y.shape or y.size == 0:
        raise ValueError(
            "y_pred and y must have one shape (N,), with at least one label, "
            f"not {y_pred.shape} and {y.shape}"
        )
    return y_pred, y


def check_reg(reg: float) -> float:
    """Return the strength of an L2 penalty as a float.

    Raises
    ------
    ValueError
        When it is negative or not finite.
    """
    if not 0 <= reg < np.inf:
        raise ValueError(f"reg must be a finite number, at least 0, not {reg}")
    return float(reg)


def check_network(sizes: tuple[int, ...], std: float, dtype: Any) -> None:
    """Refuse a network that cannot be made.

    Raises
    ------
    ValueError
        For a size below 1, a std that is negative or not finite, or another dtype than float64
        and float32.
    """
    if min(sizes) < 1 or not 0 <= std < np.inf or dtype not in (np.float64, np.float32):
        raise ValueError(
            f"sizes must be at least 1, std finite and at least 0, dtype float64 or float32; "
            f"got {sizes}, {std} and {dtype}"
        )


def check_split(model: Any, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (N, D) and labels (N,) as arrays that fit the model.

    Raises
    ------
    ValueError, TypeError
        As `check_inputs` and `check_labels` do.
    """
    num_classes = model.loss(X[:1]).shape[1]
    X = check_inputs(X, None)
    return X, check_labels(y, len(X), num_classes)


def check_positive(name: str, value: float) -> float:
    """Return a learning rate, a decay or a step that can be used.

    Raises
    ------
    ValueError
        Unless it is finite and above 0.
    """
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be a finite number above 0, not {value}")
    return value


def check_counts(**counts: int) -> None:
    """Refuse numbers of examples, steps or settings, passed by name, that count nothing.

    Raises
    ------
    ValueError
        Unless each is a whole number, at least 1.
    """
    for name, count in counts.items():
        if not isinstance(count, int | np.integer) or count < 1:
            raise ValueError(f"{name} must be a whole number, at least 1, not {count}")


def check_share(name: str, value: float) -> float:
    """Return the share that a running sum or average keeps at each step.

    Raises
    ------
    ValueError
        Unless it is at least 0 and below 1: with 1 the sum would grow without end.
    """
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, not {value}")
    return value


def check_keep(keep: float) -> float:
    """Return the share of numbers that dropout keeps.

    Raises
    ------
    ValueError
        Unless it is above 0 and at most 1: what is kept is divided by it.
    """
    if not 0 < keep <= 1:
        raise ValueError(
            f"keep must be above 0 and at most 1, not {keep}: it is the share of numbers that stay"
        )
    return float(keep)


def describe(layer: Any) -> str:
    """A layer as messages call it: Affine(64, 10)."""
    sizes = [getattr(layer, name, None) for name in ("input_size", "output_size")]
    sizes = sizes[:1] if sizes[0] == sizes[1] else sizes
    sizes = sizes if any(sizes) else [getattr(layer, "size", None)]  # of a window
    return f"{type(layer).__name__}({', '.join(str(size) for size in sizes if size)})"


def check_chain(layers: list[Any]) -> tuple[int | None, int | None]:
    """Return the sizes of what enters the first layer and leaves the last, None where any fits.

    Raises
    ------
    ValueError
        When there is no layer, one stands there twice, or two do not fit.
    TypeError
        When a layer lacks forward or backward.
    """
    if not layers:
        raise ValueError("a chain needs at least one layer")
    size, before = None, 0
    for place, layer in enumerate(layers):
        if not callable(getattr(layer, "forward", None)) or isinstance(layer, type):
            raise TypeError(f"layers[{place}] must be a layer, such as ReLU(), not {layer!r}")
        if any(layer is other for other in layers[:place]):
            raise ValueError(
                f"layers[{place}], {describe(layer)}, stands in the chain twice, but it "
                "remembers one pass only: make a second layer"
            )
        takes, gives = (getattr(layer, name, None) for name in ("input_size", "output_size"))
        axes = [np.ndim(each.params.get("W", 0)) for each in (layers[before], layer)]
        if size and takes and size != takes:
            what, hint = ("channels" if axes[0] == 4 else "numbers"), ""
            if axes == [4, 2]:
                hint = (
                    ": Flatten() between them makes every image a row of rows * columns * channels"
                )
            raise ValueError(
                f"layers[{before}], {describe(layers[before])}, gives {size} {what}, but "
                f"layers[{place}], {describe(layer)}, takes {takes}{hint}"
            )
        if axes[1] == 4 and place and getattr(layers[place - 1], "output_size", None) == 0:
            raise ValueError(
                f"layers[{place}], {describe(layer)}, takes images, but "
                f"layers[{place - 1}], {describe(layers[place - 1])}, makes them rows: "
                "it belongs behind the last layer that takes images"
            )
        if gives is not None:
            size, before = gives, place
    warn_of_equal_weights(layers)
    return getattr(layers[0], "input_size", None), size


def warn_of_equal_weights(layers: list[Any]) -> None:
    """Warn when two layers start from one seed, as they do where each is given the same number."""
    weights = [layer.params["W"] for layer in layers if "W" in layer.params]
    for number, W in enumerate(weights):
        if W.any() and any(np.array_equal(W, other) for other in weights[:number]):
            warnings.warn(
                "two layers hold equal weights: draw all from one Generator, "
                "rng = np.random.default_rng(0), and pass rng=rng to each",
                UserWarning,
                stacklevel=4,
            )
            return


def check_residual(chain: Any) -> None:
    """Refuse a chain whose output cannot be added to its input.

    Raises
    ------
    ValueError
        When their sizes differ.
    """
    takes, gives = chain.input_size, chain.output_size
    if takes and gives and takes != gives:
        raise ValueError(
            f"a residual layer adds its input to its output, but takes {takes} numbers "
            f"and gives {gives}"
        )


def check_added(chain: Any, X: np.ndarray, out: np.ndarray) -> None:
    """Refuse what a residual layer cannot add to its input X.

    Raises
    ------
    ValueError
        When it has another shape: NumPy would repeat an image of one pixel.
    """
    if np.shape(out) != np.shape(X):
        raise ValueError(
            f"{describe(chain)} adds what enters, {np.shape(X)}, to what leaves its layers, "
            f"{np.shape(out)}: the shapes must be equal; pad=1 keeps the size of images under "
            "windows of 3x3"
        )


def check_rows(layer: Any, X: np.ndarray) -> np.ndarray:
    """Return rows X of as many numbers as the layer takes.

    Raises
    ------
    ValueError
        When the shape is another one.
    """
    if np.ndim(X) != 2 or np.shape(X)[1] != layer.input_size:
        raise ValueError(
            f"{describe(layer)} takes rows of {layer.input_size} numbers, shape "
            f"(N, {layer.input_size}), but was given {np.shape(X)}; Flatten() makes images rows"
        )
    return X


def as_rows(layer: Any, X: np.ndarray) -> np.ndarray:
    """Return rows (N, D), or every pixel of images (N, rows, columns, D) as a row.

    Raises
    ------
    ValueError
        When the last axis is of another size than the layer takes.
    """
    if np.ndim(X) not in (2, 4) or np.shape(X)[-1] != layer.input_size:
        raise ValueError(
            f"{describe(layer)} takes rows (N, {layer.input_size}) or images "
            f"(N, rows, columns, {layer.input_size}), but was given {np.shape(X)}"
        )
    return X.reshape(-1, layer.input_size)


def check_images(X: np.ndarray) -> np.ndarray:
    """Return images of floats, (N, rows, columns, channels), at least one.

    Raises
    ------
    ValueError
        When the shape is another one, there is no image, or the pixels are whole numbers.
    """
    if np.ndim(X) != 4:
        remedies = {
            2: "X.reshape(N, rows, columns, channels) makes rows images; Flatten() stands last",
            3: "X[..., None] gives grey images their channel, X[None] makes one image a batch",
        }
        remedy = remedies.get(np.ndim(X), "four axes, in this order")
        raise ValueError(
            f"images must have shape (N, rows, columns, channels), not {np.shape(X)}: {remedy}"
        )
    if 0 in X.shape:
        raise ValueError(
            f"images of shape {X.shape} hold no pixels: a batch needs at least one image"
        )
    if X.dtype.kind != "f":
        raise ValueError(
            f"images must hold floats, but their dtype is {X.dtype}, in which sums overflow: "
            "X.astype(np.float32)"
        )
    return X


def check_channels(X: np.ndarray, channels: int) -> None:
    """Refuse images of another number of channels; bytes may enter.

    Raises
    ------
    ValueError
        Unless the shape is (N, rows, columns, channels).
    """
    if np.ndim(X) != 4 or np.shape(X)[3] != channels:
        raise ValueError(
            f"images must have shape (N, rows, columns, {channels}), like those that the layer "
            f"was made with, not {np.shape(X)}"
        )


def check_convolution(
    X: np.ndarray,
    W: np.ndarray,
    stride: int,
    pad: int,
    b: np.ndarray | None = None,
    dZ: np.ndarray | None = None,
) -> None:
    """Refuse images X, filters W (rows, columns, channels, filters), b and dZ that do not fit.

    Raises
    ------
    ValueError
        When a shape, the stride or the margin does not fit.
    """
    check_images(X)
    if np.ndim(W) != 4:
        raise ValueError(
            f"filters must have shape (rows, columns, channels, filters), not {np.shape(W)}"
        )
    if X.shape[3] != W.shape[2]:
        raise ValueError(
            f"images {X.shape} have {X.shape[3]} channels, but filters {W.shape} take "
            f"{W.shape[2]}: channels stand last in images, and third in filters"
        )
    if b is not None and np.shape(b) != W.shape[3:]:
        raise ValueError(
            f"b must hold a number for each of the {W.shape[3]} filters {W.shape}, "
            f"shape ({W.shape[3]},), not {np.shape(b)}"
        )
    check_counts(stride=stride)
    check_pad(pad)
    rows, columns = (size + 2 * pad for size in X.shape[1:3])
    if W.shape[0] > rows or W.shape[1] > columns:
        raise ValueError(
            f"windows of {W.shape[0]}x{W.shape[1]} do not fit into images of {rows}x{columns}, "
            f"a margin of {pad} included: take smaller filters, or a larger pad"
        )
    if dZ is not None:
        places = [
            (size - window) // stride + 1
            for size, window in zip((rows, columns), W.shape[:2], strict=True)
        ]
        check_upstream(dZ, (len(X), *places, W.shape[3]))


def check_pad(pad: int) -> int:
    """Return the width of a margin, in pixels.

    Raises
    ------
    ValueError
        Unless it is a whole number, at least 0.
    """
    if isinstance(pad, bool) or not isinstance(pad, int | np.integer) or pad < 0:
        raise ValueError(f"pad must be a whole number, at least 0, not {pad!r}")
    return pad


def check_upstream(dZ: np.ndarray, shape: tuple[int, ...]) -> None:
    """Refuse a gradient dZ of another shape than what it is the gradient of.

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    if np.shape(dZ) != shape:
        raise ValueError(
            f"the gradient must have the shape of what left the layer, {shape}, not {np.shape(dZ)}"
        )


def check_tiles(X: np.ndarray, size: int) -> None:
    """Refuse images that windows of size x size do not tile.

    Raises
    ------
    ValueError
        When rows or columns are no multiples of the size.
    """
    check_images(X)
    check_counts(size=size)
    rows, columns = X.shape[1:3]
    if rows % size or columns % size:
        whole = [length - length % size for length in (rows, columns)]
        crop = f"crop them, X[:, :{whole[0]}, :{whole[1]}], or " if all(whole) else ""
        raise ValueError(
            f"windows of {size}x{size} do not tile images of {rows}x{columns}: "
            f"{crop}choose another size"
        )


def check_batch(X: np.ndarray, chain: Any) -> np.ndarray:
    """Return inputs as an array that the first layer of a chain takes.

    Raises
    ------
    ValueError
        As `check_inputs` does; when an array in params is not the one that its layer uses.
    """
    check_arrays(chain)
    return check_inputs(X, None)


def check_arrays(chain: Any, before: str = "") -> None:
    """Refuse a chain whose params are not those of its layers; before is its own place, "3."."""
    for place, layer in enumerate(chain.layers):
        for key, value in layer.params.items():
            if chain.params.get(f"{place}.{key}") is not value:
                name = f"params['{before}{place}.{key}']"
                raise ValueError(
                    f"{name} was replaced by another array, which its layer does not see: "
                    f"write into the old one, {name}[...] = ..."
                )
        if hasattr(layer, "layers"):
            check_arrays(layer, f"{before}{place}.")


def check_several(layer: Any, X: np.ndarray) -> None:
    """Refuse a batch of one for a layer that takes statistics over the batch.

    Raises
    ------
    ValueError
        When X has one row: its variance is 0, and what leaves the layer does not depend on it.
    """
    if len(X) == 1:
        raise ValueError(
            f"{describe(layer)} was given a batch of one in training: it would subtract the example"
            " from itself. Use batches of at least two (does the last one of an epoch hold one?)"
        )


def check_remembered(layer: Any, memory: Any) -> Any:
    """Return what a layer's forward pass left for the backward pass.

    Raises
    ------
    RuntimeError
        When there was no forward pass.
    """
    if memory is None:
        raise RuntimeError(
            f"{describe(layer)}: backward before forward; it needs what forward remembers"
        )
    return memory


def check_optimizer(optimizer: Any) -> None:
    """Refuse what cannot make the steps of a training loop; None stands for plain steps.

    Raises
    ------
    TypeError
        When step(params, grads) or a learning_rate is missing.
    """
    if optimizer is None:
        return
    if not callable(getattr(optimizer, "step", None)) or not hasattr(optimizer, "learning_rate"):
        given = (
            f"the class {optimizer.__name__}" if isinstance(optimizer, type) else repr(optimizer)
        )
        raise TypeError(
            "optimizer must have a method step(params, grads) and an attribute learning_rate, "
            f"as SGD(0.1) has, but {given} was given"
        )


def check_log_range(low: float, high: float) -> None:
    """Refuse the ends of a range that has no logarithmic scale.

    Raises
    ------
    ValueError
        Unless 0 < low < high and both are finite.
    """
    if not 0 < low < high < np.inf:
        raise ValueError(
            f"a log scale needs 0 < low < high, both finite, not {low} and {high}: "
            "draw what may be 0 or negative in another way"
        )


def check_float64(x: np.ndarray, name: str) -> None:
    """Refuse an array in which x + h would be lost to rounding, or cannot be written.

    Raises
    ------
    TypeError
        When x is no NumPy array, or its numbers are no float64 of this machine.
    ValueError
        When it is read-only.
    """
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


def check_number(value: float) -> float:
    """Return the value of a function f, of which slopes are taken, as a float.

    Raises
    ------
    ValueError
        When it is an array, a pair, or not finite.
    """
    shape = getattr(value, "shape", None)
    if not isinstance(value, float | int) and shape != ():
        what = f"an array of shape {shape}" if shape else f"a {type(value).__name__}"
        raise ValueError(
            f"f must return one number, but it returned {what}; "
            "where it returns (loss, grads), pass a lambda that keeps the loss alone"
        )
    if not np.isfinite(value):
        raise ValueError(f"f returned {value}: it must be finite at x and within h of x")
    return float(value)


def check_answer(answer: Any) -> tuple[float, dict[str, Any]]:
    """Return what a model's loss answers, the loss and a dict of gradients.

    Raises
    ------
    TypeError
        When it is another thing.
    """
    pair = isinstance(answer, tuple) and len(answer) == 2 and np.ndim(answer[0]) == 0
    if not pair or not isinstance(answer[1], dict):
        raise TypeError("loss(X, y, reg) must return a pair: a number, a dict of gradients")
    return float(answer[0]), answer[1]


def has_diverged(losses: list[float], params: dict[str, np.ndarray], learning_rate: float) -> bool:
    """Whether a run blew up; if so, warn and name the likely cause.

    Parameters
    ----------
    losses
        The losses of all steps so far.
    params
        Parameters whose squares must have a finite sum; a dict of none skips this test.
    learning_rate
        What the warning names.

    Returns
    -------
    bool
        True when the last loss is more than a hundred times the first one (or 1, if that is
        larger), or a number is not finite.
    """
    squares = [np.sum(np.square(value)) for value in params.values()]
    finite = np.isfinite([losses[-1], *squares]).all()
    diverged = not finite or losses[-1] > 100 * max(losses[0], 1.0)
    if diverged:
        warnings.warn(
            f"training diverged at step {len(losses)} (loss {losses[-1]:.3g}) and stopped: the "
            f"learning rate {learning_rate:g} is the likely cause, try {learning_rate / 10:g}",
            RuntimeWarning,
            stacklevel=4,
        )
    return bool(diverged)
