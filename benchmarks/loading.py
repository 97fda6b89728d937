"""Seconds and peak memory that loading CIFAR-10 takes, side by side in one run.

    CS231N_DATA=folder python -m benchmarks.loading

The folder holds both `cifar-10-batches-bin` and `cifar-10-batches-py`. Compared are `load_cifar10`
from either, in float32, and the loader of CS231n's first assignment from the second, in float64:
it unpickles a batch, transposes and converts it, joins the batches, picks the splits by lists of
indices and subtracts the mean image. It keeps 49,000, 1,000 and 1,000 images; the second table
has all 10,000 test images. Each load runs in a process of its own. Medians of three interleaved
rounds, after one that fills the disk cache.
"""

import os
import pickle
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from cs231n_utils.datasets import load_cifar10

ROUNDS = 3
BINARY = "ours, binary files"
PYTHON = "ours, python files"
CS231N = "CS231n's, python files"


def read_batch(path):
    """One batch as CS231n reads it: images (10000, 32, 32, 3) in float64 and labels."""
    with open(path, "rb") as file:
        batch = pickle.load(file, encoding="latin1")
    X = batch["data"].reshape(10_000, 3, 32, 32).transpose(0, 2, 3, 1).astype("float")
    return X, np.array(batch["labels"])


def read_batches(folder):
    """All batches as CS231n reads them: the training images and labels, and the test ones."""
    xs, ys = [], []
    for k in range(1, 6):
        X, y = read_batch(folder / f"data_batch_{k}")
        xs.append(X)
        ys.append(y)
    X_train, y_train = np.concatenate(xs), np.concatenate(ys)
    del X, y
    return X_train, y_train, *read_batch(folder / "test_batch")


def load_as_cs231n(folder, num_test, num_train=49_000, num_val=1_000):
    """The splits as CS231n makes them, centred, one image a row."""
    X_train, y_train, X_test, y_test = read_batches(folder)
    mask = list(range(num_train, num_train + num_val))
    X_val, y_val = X_train[mask], y_train[mask]
    mask = list(range(num_train))
    X_train, y_train = X_train[mask], y_train[mask]
    mask = list(range(num_test))
    X_test, y_test = X_test[mask], y_test[mask]
    mean_image = np.mean(X_train, axis=0)
    X_train -= mean_image
    X_val -= mean_image
    X_test -= mean_image
    return (
        *(X_train.reshape(num_train, -1), y_train),
        *(X_val.reshape(num_val, -1), y_val),
        *(X_test.reshape(num_test, -1), y_test),
    )


def measure(name, num_test):
    """Load once, and print the seconds and the peak memory of this process in GiB."""
    folder = Path(os.environ["CS231N_DATA"])
    load = {
        BINARY: lambda: load_cifar10(num_test=num_test, folder=folder / "cifar-10-batches-bin"),
        PYTHON: lambda: load_cifar10(num_test=num_test, folder=folder / "cifar-10-batches-py"),
        CS231N: lambda: load_as_cs231n(folder / "cifar-10-batches-py", num_test),
    }[name]
    start = time.perf_counter()
    data = load()
    seconds = time.perf_counter() - start
    del data
    unit = 1 if sys.platform == "darwin" else 1024  # bytes in which ru_maxrss counts
    print(seconds, unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30)


def compare(num_test):
    """Print the medians, and their ratios to CS231n's."""
    measured = {BINARY: [], PYTHON: [], CS231N: []}
    for round_ in range(ROUNDS + 1):
        for name, results in measured.items():
            command = [sys.executable, __file__, name, str(num_test)]
            result = subprocess.run(command, capture_output=True, text=True, check=True)
            if round_ > 0:
                results.append([float(figure) for figure in result.stdout.split()])
    medians = {name: np.median(results, axis=0) for name, results in measured.items()}
    print(f"{f'{50_000 + num_test:,} images':25}{'seconds':>9}{'ratio':>7}{'GiB':>9}{'ratio':>7}")
    for name, median in medians.items():
        seconds, peak = median
        ratios = median / medians[CS231N]
        print(f"{name:25}{seconds:9.2f}{ratios[0]:7.2f}{peak:9.2f}{ratios[1]:7.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], int(sys.argv[2]))
    elif not all(
        Path(os.environ.get("CS231N_DATA", ""), f"cifar-10-batches-{layout}").is_dir()
        for layout in ("bin", "py")
    ):
        print("skipped: the folder that CS231N_DATA names must hold both layouts of CIFAR-10")
    else:
        for num_test in (1_000, 10_000):
            compare(num_test)
