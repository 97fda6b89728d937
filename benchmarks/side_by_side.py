"""What the benchmarks share: contenders measured in turn, their table, figure and conditions."""

import contextlib
import importlib.metadata
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

BUILD = Path(__file__).resolve().parent.parent / "build" / "benchmarks"
QUARTILES = (25, 50, 75)
LONG = ("12", "17", "18")  # notebooks that train for minutes
WARM_UP = 5  # steps of a training run that are not counted


def seconds(task):
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def interleaved(contenders, rounds):
    """Measure contenders in turn, in every round anew: what slows the machine meets all of them.

    contenders : name -> function without arguments that returns the seconds of one unit of work.

    Returns name -> array (rounds,) of seconds.
    """
    measured = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            measured[name].append(contender())
    return {name: np.array(values) for name, values in measured.items()}


def median_step(train):
    """Median seconds between time stamps, the first result of train(), less the first few."""
    stamps, _ = train()
    return float(np.median(np.diff(stamps)[WARM_UP:]))


@contextlib.contextmanager
def busy_programs(count: int, loop: str) -> Iterator[None]:
    """So many processes that run a program of Python, while the context lasts.

    The program should end by itself, should this one be killed.
    """
    programs = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def one_thread_and_all():
    """Yield 1 and then the number of all threads; NumPy's products use so many meanwhile."""
    available = max(pool["num_threads"] for pool in threadpool_info())
    for threads in sorted({1, available}):
        with threadpool_limits(threads):
            yield threads


def ratios(measured, reference):
    """Name -> quartiles (3,) of a contender's seconds over the reference's of the same round."""
    return {
        name: np.percentile(values / measured[reference], QUARTILES)
        for name, values in measured.items()
    }


def print_table(title, measured, reference):
    """Print each contender's time and its ratio to the reference: medians and quartiles."""
    print(f"\n{title}\n  {'':34}{'median':>10}{'quartiles':>20}{'ratio':>9}{'quartiles':>19}")
    for name, (low, ratio, high) in ratios(measured, reference).items():
        first, median, third = np.percentile(measured[name], QUARTILES)
        factor, unit, digits = (1, "s ", 0) if median > 10 else (1e3, "ms", 2)
        times = f"{factor * first:,.{digits}f} - {factor * third:,.{digits}f}"
        decimals = 2 if ratio < 100 else 0
        spread = f"{low:,.{decimals}f} - {high:,.{decimals}f}"
        print(
            f"  {name:34}{factor * median:>7,.{digits}f} {unit}{times:>20}"
            f"{ratio:>9,.{decimals}f}{spread:>19}"
        )


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


def save(fig, name):
    """Write a figure to build/benchmarks/."""
    BUILD.mkdir(parents=True, exist_ok=True)
    fig.savefig(BUILD / f"{name}.png", dpi=100)
    print(f"\nfigure: build/benchmarks/{name}.png")
