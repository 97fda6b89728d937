"""Exported from notebooks: edit them, then `make export`.

- notebooks/08_training.ipynb
"""

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from tqdm import tqdm

from cs231n_utils.support import put_back
from cs231n_utils.taught.linear import accuracy
from cs231n_utils.taught.optimizers import sgd_step
from cs231n_utils.types import Augment, History, Optimizer, Params
from cs231n_utils.validation import (
    check_counts,
    check_optimizer,
    check_positive,
    check_split,
    has_diverged,
    known_finite,
)


def minibatches(N: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the indices of one minibatch after another, without end.

    Every epoch shuffles the N examples anew and uses each of them once.
    """
    check_counts(N=N, batch_size=batch_size)
    while True:
        order = rng.permutation(N)
        for start in range(0, N, batch_size):
            yield order[start : start + batch_size]


@np.errstate(over="ignore", invalid="ignore")  # divergence gets one warning of its own
def train(model: Any, X_train: np.ndarray, y_train: np.ndarray, X_val: np.ndarray,
          y_val: np.ndarray, learning_rate: float = 1e-4, learning_rate_decay: float = 0.95,
          reg: float = 5e-6, num_iters: int = 10000, batch_size: int = 200,
          verbose: bool = False, *, rng: np.random.Generator | int = 0,
          optimizer: Optimizer | None = None,
          schedule: Callable[[float], float] | None = None, augment: Augment | None = None,
          keep_best: bool = False) -> History:
    """Minimise model.loss by minibatch steps, in place; return losses and accuracies on the way.

    Every epoch, and at the end, accuracies are recorded and the learning rate is multiplied by
    learning_rate_decay. Divergence stops the run with a warning.

    Parameters
    ----------
    X_train, y_train, X_val, y_val
        Inputs (N, D) and labels (N,).
    learning_rate
        Of the first plain step; an optimizer brings its own.
    batch_size
        Examples of a step; it may exceed N.
    verbose
        Show a progress bar with the last loss and validation accuracy.
    rng
        A Generator, or a seed for one.
    optimizer
        Makes the steps: it has step(params, grads) and an attribute learning_rate, which is set
        before each step and put back in the end, also after Ctrl-C. By default steps are plain.
    schedule
        Function of the share of the run that is done, from 0 to below 1; each step's rate is
        multiplied by its value. For example linear_decay.
    augment
        Function of a batch's inputs and the Generator, for example random_flips(image_shape).
    keep_best
        Leave the parameters of the highest recorded validation accuracy in the model.

    Raises
    ------
    ValueError, TypeError
        For bad input, before the first step.
    """
    check_positive("learning_rate", learning_rate)
    check_positive("learning_rate_decay", learning_rate_decay)
    check_counts(num_iters=num_iters, batch_size=batch_size)
    check_optimizer(optimizer)
    X, y = check_split(model, X_train, y_train)
    X_val, y_val = check_split(model, X_val, y_val)
    rng = np.random.default_rng(rng)
    N = len(X)
    sample = rng.permutation(N)[: len(y_val)]  # for the training accuracy
    history: History = {"loss_history": [], "train_acc_history": [], "val_acc_history": []}
    best: Params = {}
    state = getattr(model, "state", {})  # what else a model's steps renew
    if optimizer is not None:
        learning_rate = optimizer.learning_rate
    steps_per_epoch = -(-N // batch_size)  # (8.3), as // rounds down
    batches = islice(minibatches(N, batch_size, rng), num_iters)
    bar = tqdm(batches, total=num_iters, disable=not verbose, unit="step", file=sys.stdout)
    with put_back(optimizer, "learning_rate"):
        for step, batch in enumerate(bar, start=1):
            X_batch = X.take(batch, axis=0)  # the rows X[batch], somewhat faster
            if augment:
                X_batch = augment(X_batch, rng)
            with known_finite():  # all of X was looked at before the first step
                loss, grads = model.loss(X_batch, y[batch], reg)
            rate = learning_rate * (schedule((step - 1) / num_iters) if schedule else 1)  # (8.9)
            if optimizer is None:
                sgd_step(model.params, grads, rate)
            else:
                optimizer.learning_rate = rate
                optimizer.step(model.params, grads)
            history["loss_history"].append(loss)
            epoch_ends = step % steps_per_epoch == 0 or step == num_iters
            if has_diverged(history["loss_history"], model.params if epoch_ends else {}, rate):
                break
            if epoch_ends:
                history["train_acc_history"].append(accuracy(model.predict(X[sample]), y[sample]))
                history["val_acc_history"].append(accuracy(model.predict(X_val), y_val))
                bar.set_postfix(loss=loss, val_acc=history["val_acc_history"][-1])
                learning_rate *= learning_rate_decay  # (8.8)
                *earlier, latest = history["val_acc_history"]
                if keep_best and latest > max(earlier, default=-1):  # higher than ever
                    best = {name: value.copy() for name, value in (model.params | state).items()}
    for name, value in best.items():
        (model.params | state)[name][...] = value
    return history
