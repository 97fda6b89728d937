"""What the benchmarks share: contenders that take turns, the table of their times, conditions."""

import importlib.metadata
import os
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

BUILD = Path(__file__).resolve().parent.parent / "build" / "benchmarks"
QUARTILES = (25, 50, 75)
LONG = ("12", "17", "18")  # notebooks that train for minutes
WARM_UP = 5  # steps of a training run that are not counted


def seconds(task):
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def median_step(train):
    """Median seconds between time stamps, the first result of train(), less the first few."""
    stamps, _ = train()
    return float(np.median(np.diff(stamps)[WARM_UP:]))


def interleaved(contenders, rounds):
    """Measure contenders in turn, in every round anew: what slows the machine meets all of them.

    contenders : name -> function without arguments that returns the seconds of one unit of work.

    Returns name -> array of seconds, a round a row.
    """
    measured = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            measured[name].append(contender())
    return {name: np.array(values) for name, values in measured.items()}


def quartiles(values, digits=2):
    """Median with quartiles, as text."""
    low, median, high = np.percentile(values, QUARTILES)
    return f"{median:,.{digits}f} ({low:,.{digits}f} - {high:,.{digits}f})"


def print_table(title, measured, *references):
    """Print each contender's milliseconds, and its ratios to references of the same round."""
    heads = "".join(f"{f'/ {name}':>28}" for name in references)
    print(f"\n{title}\n  {'':28}{'ms':>32}{heads}")
    for name, values in measured.items():
        ratios = "".join(f"{quartiles(values / measured[each]):>28}" for each in references)
        print(f"  {name:28}{quartiles(1e3 * values):>32}{ratios}", flush=True)


def print_conditions(*packages):
    """Print versions of packages, threads of their libraries, and how busy the machine is."""
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages))
    for pool in threadpool_info():
        print(
            f"  {pool['num_threads']} threads: {pool['internal_api']} "
            f"{pool['version'] or ''} {pool.get('architecture', '')} "
            f"of {Path(pool['filepath']).parent.name}"
        )
    if hasattr(os, "getloadavg"):  # not on Windows
        print(f"  {os.getloadavg()[0]:.1f} programs running on {os.cpu_count()} processors")


def kept(path, make):
    """Arrays by name: from a file, or made now by a function and kept there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished.npz")
        np.savez(unfinished, **make())
        unfinished.rename(path)
    with np.load(path) as file:
        return dict(file)
