"""Exported from notebooks: edit them, then `make export`.

- notebooks/11_hyperparameter_search.ipynb
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import joblib
import numpy as np
import threadpoolctl
from numpy.random import SeedSequence
from tqdm import tqdm

from cs231n_utils.taught.models import TwoLayerNet
from cs231n_utils.taught.optimizers import SGD, linear_decay
from cs231n_utils.types import History
from cs231n_utils.validation import check_counts, check_positive


Setting = dict[str, Any]
Result = dict[str, Any]

DEFAULTS: Setting = {"hidden_size": 100, "std": 0.1, "num_iters": 100, "batch_size": 50,
                     "learning_rate": 1e-4, "learning_rate_decay": 1.0, "momentum": 0.9,
                     "schedule": linear_decay}


def train_setting(setting: Setting, seed: Any, splits: Any) -> tuple[TwoLayerNet, History]:
    """Train a TwoLayerNet; return it and its history.

    Parameters
    ----------
    setting
        hidden_size, std, learning_rate, momentum and options of `train`, by name; DEFAULTS fill in
        the others.
    seed
        Whatever default_rng takes.
    splits
        X_train (N, D), y_train (N,), X_val, y_val.
    """
    options = DEFAULTS | setting
    rng = np.random.default_rng(seed)
    net = TwoLayerNet(input_size=splits[0].shape[1], hidden_size=options.pop("hidden_size"),
                      output_size=int(np.max(splits[1])) + 1, std=options.pop("std"),
                      rng=rng, dtype=splits[0].dtype)
    optimizer = SGD(options.pop("learning_rate"), momentum=options.pop("momentum"))
    history = net.train(*splits, **options, optimizer=optimizer, rng=rng)
    return net, history


def try_setting(setting: Setting, seed: Any, splits: Any) -> Result:
    """Train as `train_setting` does; return the last loss, the validation accuracy, and "right".

    "right" is a list: is the network right on validation image n? A run that diverges gets the
    loss infinity and the accuracy 0.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # the warning of a run that diverges
            net, history = train_setting(setting, seed, splits)
    except RuntimeWarning:
        return {"loss": np.inf, "val_accuracy": 0.0, "right": [False] * len(splits[3])}
    right = net.predict(splits[2]) == splits[3]  # (N,)
    return {"loss": float(history["loss_history"][-1]), "val_accuracy": float(right.mean()),
            "right": right.tolist()}


Evaluate = Callable[[Setting, SeedSequence], Result]


def on_one_thread(evaluate: Evaluate, setting: Setting, seed: SeedSequence) -> Result:
    """What evaluate returns, computed with one thread for matrix products."""
    with threadpoolctl.threadpool_limits(1):
        return evaluate(setting, seed)


def search(settings: Sequence[Setting], evaluate: Evaluate, seed: Any = 0,
           verbose: bool = False) -> Iterator[Result]:
    """Yield evaluate(setting, its seed) for every setting, in the order of the settings.

    Setting number i gets child i of SeedSequence(seed). joblib.parallel_config chooses where the
    calls run; the results do not depend on it. With verbose=True a progress bar counts them.
    """
    seeds = SeedSequence(seed).spawn(len(settings))
    task = joblib.delayed(partial(on_one_thread, evaluate))
    tasks = [task(*pair) for pair in zip(settings, seeds, strict=True)]
    results = joblib.Parallel(return_as="generator")(tasks)
    return iter(tqdm(results, total=len(tasks), disable=not verbose, file=sys.stdout))


def log_uniform(low: float, high: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `size` numbers from low to high such that equal factors are equally likely.

    low and high are finite, 0 < low <= high.
    """
    check_positive("low", low, most=check_positive("high", high))
    u = rng.random(size)
    return low * (high / low) ** u  # (11.1)


Ranges = dict[str, tuple[float, float]]


def sample_settings(ranges: Ranges, num_settings: int, rng: np.random.Generator) -> list[Setting]:
    """Draw settings: a log-uniform value for each name in ranges, name -> (low, high)."""
    columns = [log_uniform(low, high, num_settings, rng) for low, high in ranges.values()]
    rows = np.stack(columns, axis=1).tolist()  # (num_settings, number of names)
    return [dict(zip(ranges, row, strict=True)) for row in rows]


def narrowed(setting: Setting, ranges: Ranges, factor: float) -> Ranges:
    """Ranges from value / factor to value * factor around the setting's values."""
    return {name: (setting[name] / factor, setting[name] * factor) for name in ranges}


def halving_plan(num_settings: int, num_iters: int) -> list[tuple[int, int]]:
    """(settings, steps of each) in every round: half as many, twice as long, down to one."""
    check_counts(num_settings=num_settings, num_iters=num_iters)
    plan = []
    while num_settings > 0:
        plan.append((num_settings, num_iters))
        num_settings //= 2
        num_iters *= 2
    return plan


def successive_halving(settings: Sequence[Setting], evaluate: Evaluate, num_iters: int,
                       seed: int = 0) -> list[list[tuple[Setting, Result]]]:
    """The rounds of successive halving: pairs (setting, result), the best first.

    The first round trains every setting for num_iters steps; the first pair of the last round is
    the winner. At a tie the setting that stood higher before is kept.
    """
    rounds: list[list[tuple[Setting, Result]]] = []
    for keep, steps in halving_plan(len(settings), num_iters):
        settings = [setting | {"num_iters": steps} for setting in settings[:keep]]
        results = search(settings, evaluate, [seed, len(rounds)])
        pairs = zip(settings, results, strict=True)
        rounds.append(sorted(pairs, key=lambda pair: -pair[1]["val_accuracy"]))
        settings = [setting for setting, _ in rounds[-1]]
    return rounds
