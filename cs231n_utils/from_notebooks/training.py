"""Taught in notebooks/07_training.ipynb: edit it there, then `make export`."""

import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from tqdm import tqdm

from cs231n_utils.from_notebooks.linear_scores import accuracy, check_inputs, sum_of_squares
from cs231n_utils.from_notebooks.softmax_cross_entropy import check_labels

History = dict[str, list[float]]
Params = dict[str, np.ndarray]
Split = tuple[np.ndarray, np.ndarray]
Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def sgd_step(params: Params, grads: Params, learning_rate: float) -> None:
    """Move every parameter one step down its gradient, in place; grads then hold the steps."""
    for name in params:
        grads[name] *= learning_rate
        params[name] -= grads[name]  # (7.2)


def minibatches(N: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the indices of one minibatch after another, without end.

    Every epoch shuffles the N examples anew and uses each of them once. Raises ValueError when
    there are no examples, or a batch is to hold none.
    """
    if min(N, batch_size) < 1:
        raise ValueError(f"N and batch_size must be at least 1, not {N} and {batch_size}")
    while True:
        order = rng.permutation(N)
        for start in range(0, N, batch_size):
            yield order[start : start + batch_size]


def momentum_step(params: Params, grads: Params, velocity: Params,
                  learning_rate: float, momentum: float) -> None:
    """Update every velocity, then move the parameters against it; both in place."""
    for name in params:
        velocity[name] *= momentum
        velocity[name] += grads[name]  # (7.14)
        params[name] -= learning_rate * velocity[name]  # (7.15)


def linear_decay(progress: float) -> float:
    """Share of the learning rate that is left when a share `progress` of the run is done."""
    return 1 - progress  # (7.18)


def random_flips(image_shape: tuple[int, ...]) -> Augment:
    """A function of inputs X (N, D) and a Generator that mirrors about half of the rows.

    image_shape : shape of a row as an image, (rows, columns) or (rows, columns, colours).
    The function changes X and returns it; every row is mirrored with probability 1/2.
    """
    def flip(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        images = X.reshape(-1, *image_shape)
        mirrored = rng.random(len(X)) < 0.5
        images[mirrored] = images[mirrored, :, ::-1]  # the columns in reverse order
        return images.reshape(X.shape)

    return flip


def check_split(model: Any, X: np.ndarray, y: np.ndarray) -> Split:
    """Inputs and labels as arrays; ValueError or TypeError when they do not fit the model."""
    num_classes = model.loss(X[:1]).shape[1]
    X = check_inputs(X, np.shape(X)[1])
    return X, check_labels(y, len(X), num_classes)


def check_options(rates: dict[str, float], counts: dict[str, int]) -> None:
    """Raise ValueError unless rates are finite and above 0, counts whole and at least 1."""
    for name, value in rates.items():
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be a finite number above 0, not {value}")
    for name, count in counts.items():
        if not isinstance(count, int | np.integer) or count < 1:
            raise ValueError(f"{name} must be a whole number, at least 1, not {count}")


def record_accuracies(history: History, model: Any, train: Split, val: Split,
                      verbose: bool = False) -> None:
    """Append the model's accuracy on both (X, y) pairs to the history; print it if verbose."""
    for name, (X, y) in {"train_acc_history": train, "val_acc_history": val}.items():
        history[name].append(accuracy(model.predict(X), y))
    if verbose:
        latest = ", ".join(f"{name} {values[-1]:.3f}" for name, values in history.items())
        tqdm.write(f"step {len(history['loss_history'])}: {latest}")


def stop_when_diverged(losses: list[float], params: Params, learning_rate: float) -> bool:
    """True, with a warning, when the loss has grown a hundredfold or numbers are not finite."""
    squares = [sum_of_squares(value) for value in params.values()]
    finite = np.isfinite([losses[-1], *squares]).all()
    diverged = not finite or losses[-1] > 100 * max(losses[0], 1.0)
    if diverged:
        warnings.warn(
            f"training diverged at step {len(losses)} (loss {losses[-1]:.3g}) and stopped: the "
            f"learning rate {learning_rate:g} is the likely cause, try {learning_rate / 10:g}",
            RuntimeWarning, stacklevel=4,
        )
    return diverged


@np.errstate(over="ignore", invalid="ignore")  # divergence gets one warning of its own
def train(model: Any, X_train: np.ndarray, y_train: np.ndarray, X_val: np.ndarray,
          y_val: np.ndarray, learning_rate: float = 1e-4, learning_rate_decay: float = 0.95,
          reg: float = 5e-6, num_iters: int = 10000, batch_size: int = 200,
          verbose: bool = False, *, rng: np.random.Generator | int = 0, momentum: float = 0.0,
          schedule: Callable[[float], float] | None = None, augment: Augment | None = None,
          keep_best: bool = False) -> History:
    """Minimise model.loss by minibatch SGD, in place; return losses and accuracies on the way.

    X_*, y_* : inputs (N, D), labels (N,). batch_size may exceed N. rng : a Generator or a seed.
    Every epoch, and at the end, accuracies are recorded and the learning rate is multiplied by
    learning_rate_decay. Bad input raises ValueError or TypeError; divergence stops with a warning.

    momentum : from 0 to below 1. schedule : of the share of the run that is done, from 0 to below
    1; each step's rate is multiplied by it, for example linear_decay.
    augment : function of a batch's inputs and the Generator, for example random_flips(image_shape).
    keep_best : leave the parameters of the highest recorded validation accuracy in the model.
    """
    check_options({"learning_rate": learning_rate, "learning_rate_decay": learning_rate_decay},
                  {"num_iters": num_iters, "batch_size": batch_size})
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1, not {momentum}")
    X, y = check_split(model, X_train, y_train)
    val = check_split(model, X_val, y_val)
    rng, N = np.random.default_rng(rng), len(X)
    sample = rng.permutation(N)[: len(y_val)]  # for the training accuracy
    history: History = {"loss_history": [], "train_acc_history": [], "val_acc_history": []}
    velocity = {name: np.zeros_like(value) for name, value in model.params.items()}
    best: Params = {}
    steps_per_epoch = -(-N // batch_size)  # (7.10)
    batches = islice(minibatches(N, batch_size, rng), num_iters)
    bar = tqdm(batches, total=num_iters, disable=not verbose, unit="step", file=sys.stdout)
    for step, batch in enumerate(bar, start=1):
        X_batch = X.take(batch, axis=0)  # the rows X[batch], somewhat faster
        if augment:
            X_batch = augment(X_batch, rng)
        loss, grads = model.loss(X_batch, y[batch], reg)
        rate = learning_rate * (schedule((step - 1) / num_iters) if schedule else 1)  # (7.17)
        if momentum:
            momentum_step(model.params, grads, velocity, rate, momentum)
        else:
            sgd_step(model.params, grads, rate)
        history["loss_history"].append(loss)
        epoch_ends = step % steps_per_epoch == 0 or step == num_iters
        if stop_when_diverged(history["loss_history"], model.params if epoch_ends else {}, rate):
            break
        if epoch_ends:
            record_accuracies(history, model, (X[sample], y[sample]), val, verbose)
            learning_rate *= learning_rate_decay  # (7.12)
            accuracies = history["val_acc_history"]
            if keep_best and np.argmax(accuracies) == len(accuracies) - 1:  # higher than ever
                best = {name: value.copy() for name, value in model.params.items()}
    for name in best:
        model.params[name][...] = best[name]
    return history
