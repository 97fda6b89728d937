"""Digits, spirals, plays, a cat, and CIFAR-10, downloaded by `python -m cs231n_utils.datasets`."""

import bz2
import hashlib
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import filelock
import numpy as np
import numpy.typing as npt
import platformdirs
from tqdm.auto import tqdm

PACKAGE = Path(__file__).resolve().parent
DIGITS_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
PLAYS_SHA256 = "37cc922ff14f00f5c765407c882ed9bafe6d14d36d41f1df730c22248c2c9242"
CAT_SHA256 = "98d4b45ccea86c98508f971e7936bda4215e09a752971d45c516c904f14f6902"
CIFAR10_NAMES = "airplane automobile bird cat deer dog frog horse ship truck"
CIFAR10_CLASSES = tuple(CIFAR10_NAMES.split())
CIFAR10_URLS = (
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
)
CIFAR10_BYTES = 170_052_171
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
FOLDER = "cifar-10-batches-bin"
BATCHES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
ROWS = 10_000  # of a batch
PIXELS = 32 * 32  # of one colour
TIMEOUT = (10, 30)  # seconds: for a connection, and for the next bytes
RETRY_WAITS = (0, 1, 2, 4)  # seconds before an attempt
ADVICE = "run `make data` or `python -m cs231n_utils.datasets`, or let CS231N_DATA name where it is"
MISSING = """\
To download it (170 MB), run `make data`, or in a cell: %run -m cs231n_utils.datasets
If you have it already, name its folder in a cell: %env CS231N_DATA=FOLDER
It must hold the six files data_batch_1.bin to test_batch.bin of the binary version."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and labels in three splits.

    Attributes
    ----------
    X_train, X_val, X_test : ndarray of shape (N, D)
        Numbers, one example per row.
    y_train, y_val, y_test : ndarray of shape (N,)
        Integer labels 0..C-1.
    class_names, image_shape : tuple
        The names of the C classes; the shape of a row as an image, or None if it is none.
    """

    X_train: np.ndarray
    y_train: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    image_shape: tuple[int, ...] | None = None

    def __repr__(self) -> str:
        return (
            f"Dataset: train {len(self.y_train):,}, validation {len(self.y_val):,}, "
            f"test {len(self.y_test):,} examples; {self.X_train.shape[1]} features, "
            f"{len(self.class_names)} classes, image shape {self.image_shape}"
        )


@dataclass(frozen=True, eq=False)
class Plays:
    """Plays as integers, one for each character; no play stands in two splits.

    Attributes
    ----------
    alphabet : str
        The characters: number i stands for `alphabet[i]`.
    train, val, test : dict of str to ndarray of shape (length,)
        The characters of each play, by its title.
    """

    alphabet: str
    train: dict[str, np.ndarray]
    val: dict[str, np.ndarray]
    test: dict[str, np.ndarray]

    def encode(self, text: str) -> np.ndarray:
        """The integers of a text; ValueError names a character that the alphabet lacks."""
        if missing := sorted(set(text) - set(self.alphabet)):
            raise ValueError(f"the alphabet {self.alphabet!r} lacks {''.join(missing)!r}")
        return np.array([self.alphabet.index(character) for character in text], dtype=np.int64)

    def decode(self, ids: npt.ArrayLike) -> str:
        """The text of integers."""
        return "".join(self.alphabet[i] for i in np.ravel(ids))

    def __repr__(self) -> str:
        splits = {"train": self.train, "validation": self.val, "test": self.test}
        sizes = [
            f"{name} {len(plays)} with {sum(map(len, plays.values())):,} characters"
            for name, plays in splits.items()
        ]
        return f"Plays: {', '.join(sizes)}; an alphabet of {len(self.alphabet)}"


def load_digits(path: str | Path = PACKAGE / "digits.csv.gz") -> Dataset:
    """Load the 1,797 handwritten digits of UCI's optical recognition test set.

    Parameters
    ----------
    path : str or Path
        The file. Its SHA-256 is verified at every load.

    Returns
    -------
    Dataset
        Pixels from 0 (no ink) to 1, in float64; `X[n].reshape(8, 8)` is an upright image.
    """
    _bundled(Path(path), DIGITS_SHA256)
    table = np.loadtxt(path, delimiter=",")  # (1797, 65): ink in sixteenths, label
    labels = table[:, -1].astype(np.int64)
    return _split(table[:, :-1] / 16, labels, tuple("0123456789"), image_shape=(8, 8))


def load_plays(path: str | Path = PACKAGE / "plays.txt.bz2") -> Plays:
    """Load nine plays by William Shakespeare: seven to train, one to validate, one to test.

    Parameters
    ----------
    path : str or Path
        The file. Its SHA-256 is verified at every load.

    Returns
    -------
    Plays
        1.1 million characters, of 64 kinds, in int64.
    """
    content = bz2.decompress(_bundled(Path(path), PLAYS_SHA256)).decode("ascii")
    texts = [play.partition("\n") for play in content.split("\f")]
    alphabet = "".join(sorted(set().union(*(text for _, _, text in texts))))
    number = np.zeros(128, np.int64)  # of a character, by its ASCII code
    number[[ord(character) for character in alphabet]] = np.arange(len(alphabet))
    plays = {title: number[[*text.encode("ascii")]] for title, _, text in texts}
    splits = [dict(list(plays.items())[part]) for part in (slice(7), slice(7, 8), slice(8, 9))]
    return Plays(alphabet, *splits)


def load_cat() -> npt.NDArray[np.float64]:
    """Load a photograph of a cat, of the size of CIFAR-10's: (3072,) from 0 to 1, as in a row."""
    return np.frombuffer(_bundled(PACKAGE / "cat.rgb", CAT_SHA256), np.uint8) / 255


def make_spirals(
    num_classes: int = 3,
    points_per_class: int = 300,
    noise: float = 0.2,
    rng: np.random.Generator | int = 0,
) -> Dataset:
    """Make interleaved spirals in the plane, one arm for each class.

    Parameters
    ----------
    num_classes, points_per_class : int
        At least 2 arms, and at least 6 points of each so that every split receives some.
    noise : float
        Standard deviation of what is added to a point's angle, in radians, from 0 to 2 pi.
    rng : Generator or int
        A NumPy Generator, or a seed for one.

    Returns
    -------
    Dataset
        Two features, in float64. The radius of a point runs from 0.1 to 1.
    """
    if num_classes < 2 or points_per_class < 6:
        raise ValueError(f"at least 2 classes of 6 points, not {num_classes} of {points_per_class}")
    if not 0 <= noise <= 2 * np.pi:
        raise ValueError(f"noise must lie between 0 and 2 pi, not {noise}")
    rng = np.random.default_rng(rng)
    y = np.repeat(np.arange(num_classes), points_per_class)
    radius = rng.uniform(0.1, 1, size=y.shape)
    angle = 2 * np.pi * (radius + y / num_classes) + noise * rng.standard_normal(y.shape)
    X = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return _split(X, y, tuple(f"arm {c}" for c in range(num_classes)))


def _split(
    X: np.ndarray, y: np.ndarray, names: tuple[str, ...], image_shape: tuple[int, ...] | None = None
) -> Dataset:
    """Of every six examples of a class, in order, four train, one validates and one tests."""
    turn = np.empty_like(y)  # position of each example within its class, modulo 6
    for label in range(len(names)):
        turn[y == label] = np.arange(np.sum(y == label)) % 6
    train, val, test = turn < 4, turn == 4, turn == 5
    return Dataset(X[train], y[train], X[val], y[val], X[test], y[test], names, image_shape)


def load_cifar10(
    num_train: int = 49_000,
    num_val: int = 1_000,
    num_test: int = 10_000,
    dtype: npt.DTypeLike = np.float32,
    *,
    folder: str | Path | None = None,
) -> Dataset:
    """Load CIFAR-10 (A. Krizhevsky, 2009): colour photographs of 32x32 pixels in ten classes.

    Parameters
    ----------
    num_train, num_val, num_test : int
        How many of the first of the 50,000 training images, of those after them, and of the first
        of the 10,000 test images.
    dtype : dtype
        float32 or float64; or uint8, which takes a quarter of float32's memory.
    folder : str, Path or None
        What holds `cifar-10-batches-bin`, or that folder itself. None: the folder in the variable
        CS231N_DATA, then a checkout's data/, then the user's cache folder.

    Returns
    -------
    Dataset
        Pixels from 0 to 1, or with uint8 from 0 to 255 as they are stored, not centred;
        `X[n].reshape(32, 32, 3)` is an upright image.
    """
    limits = {"num_val": 5 * ROWS - 1, "num_train": 5 * ROWS - num_val, "num_test": ROWS}
    for name, size in [("num_val", num_val), ("num_train", num_train), ("num_test", num_test)]:
        if not 1 <= size <= limits[name]:
            raise ValueError(f"{name} must be from 1 to {limits[name]:,}, not {size:,}")
    if np.dtype(dtype) not in (np.float32, np.float64, np.uint8):
        raise ValueError(f"dtype must be float32, float64 or uint8, not {np.dtype(dtype)}")
    folders = _folders(folder)
    if not (files := _find(folders)):
        places = " or ".join(map(str, folders))
        raise FileNotFoundError(f"CIFAR-10 is not in {places}.\n{MISSING}")
    X, y = _read_rows(files[:-1], num_train + num_val, dtype)
    X_test, y_test = _read_rows(files[-1:], num_test, dtype)
    splits = (X[:num_train], y[:num_train], X[num_train:], y[num_train:], X_test, y_test)
    return Dataset(*splits, CIFAR10_CLASSES, image_shape=(32, 32, 3))


def download_cifar10(folder: str | Path | None = None) -> Path:
    """Download CIFAR-10 (170 MB, 190 MB unpacked) unless it is there.

    A run that was stopped is continued by the next. The data appear all at once, verified.

    Parameters
    ----------
    folder : str, Path or None
        Where it goes. None: the first of the folders of `load_cifar10`.

    Returns
    -------
    Path
        The folder of the batches.

    Raises
    ------
    OSError, ValueError
        The archive cannot be had or stored; a file that is there is damaged.
    """
    folders = _folders(folder)
    try:
        files = _find(folders) or _download(folders[0])
    except OSError as error:
        advice = "Run this again to go on, or let CS231N_DATA name a folder with 360 MB or the data"
        raise type(error)(f"CIFAR-10 cannot be put in {folders[0]}: {error}\n{advice}") from error
    for path in files:
        _read_batch(path)
    return files[0].parent


def _folders(folder: str | Path | None) -> list[Path]:
    """Where CIFAR-10 is looked for, in this order. A download goes into the first."""
    data = PACKAGE.parent / "data"
    is_checkout = (data / "README.md").is_file() and (PACKAGE.parent / "notebooks").is_dir()
    cache = platformdirs.user_cache_path("cs231n_utils", appauthor=False)
    usual = (os.environ.get("CS231N_DATA"), is_checkout and data, cache)
    return [Path(f).expanduser().absolute() for f in ([folder] if folder else usual) if f]


def _find(folders: list[Path]) -> list[Path]:
    """The six files of the first folder that has some of them; [] if there is none."""
    for place in (place for folder in folders for place in (folder / FOLDER, folder)):
        files = [place / name for name in BATCHES]
        if any(path.exists() for path in files):
            return files
    return []


@contextmanager
def _reading(path: Path, advice: str = f"Delete its folder and {ADVICE}") -> Iterator[bytes]:
    """Read a file. An error from then on says which file it is and what to do."""
    try:
        yield path.read_bytes()
    except (OSError, ValueError) as error:
        kind = FileNotFoundError if isinstance(error, OSError) else ValueError
        raise kind(f"{path} is missing or damaged: {error}. {advice}") from error


def _bundled(path: Path, sha256: str) -> bytes:
    """Read a file of the package, unless it is not what it was."""
    with _reading(path, advice="Reinstall the package cs231n-utils") as content:
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError(f"its SHA-256 is not {sha256}")
        return content


def _read_rows(files: list[Path], num_rows: int, dtype: npt.DTypeLike) -> list[np.ndarray]:
    """X and y of the first rows of these batches. A file that holds none of them is not read."""
    X = np.empty((num_rows, PIXELS, 3), dtype)
    y = np.empty(num_rows, np.int64)
    for start, path in zip(range(0, num_rows, ROWS), files, strict=False):
        images, labels = _read_batch(path)
        y[start : start + ROWS] = labels[: num_rows - start]
        rows = X[start : start + ROWS]
        if X.dtype == np.uint8:
            rows[...] = images[: num_rows - start]
        else:
            np.divide(images[: num_rows - start], 255, out=rows, dtype=X.dtype)
        del images, labels  # before the next file is read
    return [X.reshape(num_rows, 3 * PIXELS), y]


def _read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (ROWS, PIXELS, 3) and labels (ROWS,) of a batch: views of the bytes of its file."""
    with _reading(path) as content:
        rows = np.frombuffer(content, np.uint8).reshape(ROWS, 1 + 3 * PIXELS)
        labels, pixels = rows[:, 0], rows[:, 1:]
        if labels.max() > 9:
            raise ValueError("a label is larger than 9")
        return pixels.reshape(ROWS, 3, PIXELS).transpose(0, 2, 1), labels


def _download(folder: Path) -> list[Path]:
    """Download and unpack where nothing looks for data; then move the whole data set from there."""
    workshop = folder / "cifar-10-download"
    folder.mkdir(parents=True, exist_ok=True)
    print(f"CIFAR-10 goes into {folder}. If another process downloads it there, this one waits.")
    with filelock.FileLock(folder / "cifar-10-download.lock"):
        if not _find([folder]):  # else the other process has finished
            workshop.mkdir(exist_ok=True)
            _fetch(workshop / "archive")
            with tarfile.open(workshop / "archive") as tar:
                tar.extraction_filter = getattr(tarfile, "data_filter", None)  # since Python 3.11.4
                tar.extractall(workshop)
            (workshop / FOLDER).rename(folder / FOLDER)
            shutil.rmtree(workshop)
    return _find([folder])


def _fetch(archive: Path) -> None:
    """Download the official archive from either address."""
    import requests  # these two cost every notebook a tenth of a second, and few download
    import urllib3

    failures = {}
    for wait, url in product(RETRY_WAITS, CIFAR10_URLS):
        time.sleep(wait)
        try:
            return _fetch_from(url, archive)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failures[url] = error
    raise ConnectionError("".join(f"\n  {url}: {error}" for url, error in failures.items()))


def _fetch_from(url: str, archive: Path) -> None:
    """Go on with the download where the file ends, and verify it."""
    import requests

    start = archive.stat().st_size if archive.exists() else 0
    if start < CIFAR10_BYTES:
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-"}
        with requests.get(url, headers=headers, timeout=TIMEOUT, stream=True) as response:
            response.raise_for_status()
            start = start if response.status_code == 206 else 0  # else it sends the whole file
            rest = response.headers.get("Content-Length", CIFAR10_BYTES - start)
            if start + int(rest) != CIFAR10_BYTES:
                raise requests.RequestException(f"no file of {CIFAR10_BYTES:,} bytes is there")
            bar = tqdm(total=CIFAR10_BYTES, initial=start, unit="B", unit_scale=True)
            with bar, archive.open("ab" if start else "wb") as file:
                while block := response.raw.read(min(1 << 16, CIFAR10_BYTES - file.tell())):
                    bar.update(file.write(block))
    if archive.stat().st_size < CIFAR10_BYTES:
        raise requests.ConnectionError("the connection was cut")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != CIFAR10_SHA256:
        archive.unlink()
        raise requests.RequestException("the file there is not the official archive")


if __name__ == "__main__":
    try:
        print(f"CIFAR-10 is in {download_cifar10()}")
    except (OSError, ValueError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "Stopped. The next run goes on from here.")
