"""Seconds and peak memory that loading CIFAR-10 takes, side by side in one run.

    python -m benchmarks.loading

`load_cifar10`, in float32, runs beside the loader of CS231n's first assignment, in float64: that
one unpickles a batch, transposes and converts it, joins the batches, picks the splits by lists of
indices and subtracts the mean image. Its pickles are made before the clock starts, from the images
that `load_cifar10` finds. Both keep 49,000 images to train, 1,000 to validate and 10,000 to test.
Each load runs in a process of its own. Medians of three interleaved rounds, after one that fills
the disk cache. Needs the data: `make data`.
"""

import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.side_by_side import print_conditions
from cs231n_utils.datasets import load_cifar10

ROUNDS = 3
OURS, CS231N = "load_cifar10", "CS231n's loader"
TRAIN = [f"data_batch_{k}" for k in range(1, 6)]


def write_pickles(folder):
    """Write the batches that CS231n's loader reads: a dict of pixels, colour by colour, and labels.

    The validation images are the last of the five training batches.
    """
    cifar = load_cifar10(dtype=np.uint8)
    X = np.concatenate([cifar.X_train, cifar.X_val, cifar.X_test])
    y = np.concatenate([cifar.y_train, cifar.y_val, cifar.y_test])
    for k, name in enumerate([*TRAIN, "test_batch"]):
        rows = slice(10_000 * k, 10_000 * (k + 1))
        pixels = X[rows].reshape(-1, 1024, 3).transpose(0, 2, 1).reshape(-1, 3072)
        batch = {"data": pixels, "labels": y[rows].tolist()}
        (folder / name).write_bytes(pickle.dumps(batch))


def read_batch(path):
    """One batch as CS231n reads it: images (10000, 32, 32, 3) in float64 and labels."""
    with open(path, "rb") as file:
        batch = pickle.load(file, encoding="latin1")
    X = batch["data"].reshape(10_000, 3, 32, 32).transpose(0, 2, 3, 1).astype("float")
    return X, np.array(batch["labels"])


def read_batches(folder):
    """All batches as CS231n reads them: the training images and labels, and the test ones."""
    xs, ys = zip(*[read_batch(folder / name) for name in TRAIN], strict=True)
    X_train, y_train = np.concatenate(xs), np.concatenate(ys)
    del xs, ys
    return X_train, y_train, *read_batch(folder / "test_batch")


def load_as_cs231n(folder, num_train=49_000, num_val=1_000, num_test=10_000):
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
    splits = (X_train, y_train, X_val, y_val, X_test, y_test)
    return [each.reshape(len(each), -1) if each.ndim > 1 else each for each in splits]


def measure(name, folder):
    """Load once, and print the seconds and the peak memory of this process in GiB."""
    import resource  # not on Windows

    start = time.perf_counter()
    data = load_cifar10() if name == OURS else load_as_cs231n(folder)
    seconds = time.perf_counter() - start
    del data
    unit = 1 if sys.platform == "darwin" else 1024  # bytes in which ru_maxrss counts
    print(seconds, unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30)


def main():
    """Measure both in turn; print the medians, and their ratios to CS231n's."""
    measured = {OURS: [], CS231N: []}
    with tempfile.TemporaryDirectory() as folder:
        try:
            write_pickles(Path(folder))
        except FileNotFoundError as error:
            print(f"skipped: {error}")
            return
        print_conditions("numpy")
        for round_ in range(ROUNDS + 1):
            for name, results in measured.items():
                command = [sys.executable, "-m", "benchmarks.loading", name, folder]
                result = subprocess.run(command, capture_output=True, text=True, check=True)
                if round_ > 0:
                    results.append([float(figure) for figure in result.stdout.split()])
    print(f"\n{'60,000 images':18}{'seconds':>9}{'ratio':>7}{'GiB':>9}{'ratio':>7}")
    for name, results in measured.items():
        seconds, peak = np.median(results, axis=0)
        ratios = np.median(np.divide(results, measured[CS231N]), axis=0)
        print(f"{name:18}{seconds:9.2f}{ratios[0]:7.2f}{peak:9.2f}{ratios[1]:7.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
