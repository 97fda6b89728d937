"""Data sets of the series: handwritten digits (bundled), interleaved spirals (generated) and
CIFAR-10 (downloaded: `python -m cs231n_utils.datasets` does it).
"""

import contextlib
import gzip
import hashlib
import io
import os
import pickle
import shutil
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

DATA_DIR = Path(__file__).resolve().parent.parent / "data"
DIGITS_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"

CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR10_URLS = (
    f"https://www.cs.toronto.edu/~kriz/{CIFAR10_ARCHIVE}",
    f"https://cave.cs.toronto.edu/kriz/{CIFAR10_ARCHIVE}",
)
CIFAR10_BYTES = 170_052_171
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"

BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")
BATCH_ROWS = 10_000
PIXELS = 32 * 32  # of one colour
FEATURES = 3 * PIXELS
NOTES_BYTES = 1_000  # no text that goes with the batches is longer
TIMEOUT = (10, 30)  # seconds: for a connection, and for the next bytes
RETRY_WAITS = (1, 2, 4)  # seconds before a second, third and fourth attempt


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and labels in three splits.

    X_train, X_val, X_test : floating-point arrays of shape (N, D), one example per row.
    y_train, y_val, y_test : integer arrays of shape (N,), labels 0..C-1.
    class_names : C names; class_names[c] is the name of label c.
    image_shape : shape of one row as an image, for example (8, 8); None where rows are no images.
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
        splits = ", ".join(
            f"{name} {len(X):,}"
            for name, X in [
                ("train", self.X_train),
                ("validation", self.X_val),
                ("test", self.X_test),
            ]
        )
        return (
            f"Dataset: {splits} examples; {self.X_train.shape[1]} features, "
            f"{len(self.class_names)} classes, image shape {self.image_shape}"
        )


def load_digits(path: str | Path = DATA_DIR / "digits.csv.gz") -> Dataset:
    """Load the 1,797 handwritten 8x8 digits in a fixed, stratified split.

    Pixels are the amount of ink, from 0 (none) to 1 (full); the file counts it in sixteenths.
    Rows are images in reading order: X[n].reshape(8, 8) is upright.
    The file's SHA-256 is verified at every load.

    Raises FileNotFoundError when the file is missing and ValueError when its bytes are not the
    published ones.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998 (its test set, as distributed with scikit-learn).
    """
    text = gzip.decompress(_verified_bytes(Path(path), DIGITS_SHA256)).decode("ascii")
    table = np.loadtxt(io.StringIO(text), delimiter=",")  # (1797, 65)
    return _split(
        X=table[:, :-1] / 16,
        y=table[:, -1].astype(np.int64),
        class_names=tuple("0123456789"),
        image_shape=(8, 8),
    )


def make_spirals(
    num_classes: int = 3,
    points_per_class: int = 300,
    noise: float = 0.2,
    rng: np.random.Generator | int = 0,
) -> Dataset:
    """Make interleaved spirals in the plane, one arm for each class.

    Every arm turns almost once around the origin while its radius grows from 0.1 to 1: a point of
    arm c at radius r stands at the angle 2 pi (r + c / num_classes), plus Gaussian noise.

    num_classes : number of arms C, at least 2.
    points_per_class : points of each arm, at least 6 so that every split receives some.
    noise : standard deviation of the angle, in radians, from 0 to 2 pi.
    rng : a NumPy Generator, or a seed for one.

    Raises ValueError for a value outside these ranges.
    """
    if num_classes < 2:
        raise ValueError(f"num_classes must be at least 2, not {num_classes}")
    if points_per_class < 6:
        raise ValueError(f"points_per_class must be at least 6, not {points_per_class}")
    if not 0 <= noise <= 2 * np.pi:
        raise ValueError(f"noise must lie between 0 and 2 pi, not {noise}")
    rng = np.random.default_rng(rng)
    y = np.repeat(np.arange(num_classes), points_per_class)  # (C * points_per_class,)
    radius = rng.uniform(0.1, 1, size=y.shape)
    angle = 2 * np.pi * (radius + y / num_classes) + noise * rng.standard_normal(y.shape)
    X = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return _split(X, y, class_names=tuple(f"arm {c}" for c in range(num_classes)))


def load_cifar10(
    num_train: int = 49_000,
    num_val: int = 1_000,
    num_test: int = 10_000,
    dtype: npt.DTypeLike = np.float32,
    *,
    folder: str | Path | None = None,
) -> Dataset:
    """Load CIFAR-10: 60,000 colour photographs of 32x32 pixels in ten classes.

    Pixels run from 0 to 1. Rows are images in reading order, red, green and blue together:
    X[n].reshape(32, 32, 3) is upright. The files keep each colour's 1,024 pixels apart.

    num_train, num_val : the first num_train of the 50,000 training images, in the order of the
        files, and the num_val after them.
    num_test : the first num_test of the 10,000 test images.
    dtype : float32 or float64.
    folder : where `cifar-10-batches-bin` or `cifar-10-batches-py` stands, or one of these
        themselves. None means the folder that the variable CS231N_DATA names, else data/.

    The pixels are not centred. The mean to subtract is that of the training rows alone: see
    `centre` of notebook 01, in `cs231n_utils.taught.linear`.

    Raises ValueError for a size or dtype outside these ranges, FileNotFoundError when the data or
    one of the files are missing, and ValueError when a file is not what the format says. A pickle
    that holds anything but a batch is refused, and nothing of it runs.

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    rows = (len(BATCHES) - 1) * BATCH_ROWS
    for name, size in [("num_train", num_train), ("num_val", num_val), ("num_test", num_test)]:
        if size < 1:
            raise ValueError(f"{name} must be at least 1, not {size}")
    if num_train + num_val > rows:
        raise ValueError(
            f"num_train + num_val must be at most {rows:,}, "
            f"not {num_train:,} + {num_val:,} = {num_train + num_val:,}"
        )
    if num_test > BATCH_ROWS:
        raise ValueError(f"num_test must be at most {BATCH_ROWS:,}, not {num_test:,}")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, not {np.dtype(dtype)}")

    folder = _cifar10_folder(folder)
    found = _find_cifar10(folder)
    if found is None:
        raise FileNotFoundError(
            f"CIFAR-10 is not in {folder}.\n"
            "To download it once (170 MB), run `make data` or download_cifar10() of "
            "cs231n_utils.datasets.\n"
            "If you have its files, name the folder that holds cifar-10-batches-bin or "
            "cifar-10-batches-py in the variable CS231N_DATA."
        )
    layout, batches = found
    _check_class_names(layout, batches)
    X, y = _read_rows(layout, batches, BATCHES[:-1], num_train + num_val, dtype)
    X_test, y_test = _read_rows(layout, batches, BATCHES[-1:], num_test, dtype)
    return Dataset(
        *(X[:num_train], y[:num_train]),
        *(X[num_train:], y[num_train:]),
        *(X_test, y_test),
        class_names=CIFAR10_CLASSES,
        image_shape=(32, 32, 3),
    )


def download_cifar10(folder: str | Path | None = None) -> Path:
    """Download CIFAR-10 (170 MB, 190 MB unpacked) unless it is there; the folder of its batches.

    folder : where it goes. None means the folder that the variable CS231N_DATA names, else data/.

    A run that was stopped is continued by the next one. Only the official archive is unpacked: its
    SHA-256 is verified. The data appear all at once, so that no half of them can be loaded. A
    second process that asks for them meanwhile waits for the first.

    Raises ConnectionError when no address gives the official archive, OSError when it cannot be
    stored, and what `load_cifar10` raises when damaged files are there already.
    """
    folder = _cifar10_folder(folder)
    found = _find_cifar10(folder)
    if found is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _lock(folder / "cifar-10-download.lock"):
                if _find_cifar10(folder) is None:  # another process may have been faster
                    _download(folder)
        except ConnectionError:
            raise
        except OSError as error:
            raise OSError(
                error.errno,
                f"CIFAR-10 could not be stored in {folder} ({error.strerror or error}): it needs "
                "360 MB there and the right to write. Make room, or name another folder in the "
                "variable CS231N_DATA. Then run this again",
            ) from error
        found = _find_cifar10(folder)
        assert found is not None
    layout, batches = found
    for name in BATCHES:
        layout.read_batch(batches / f"{name}{layout.suffix}")  # raises when one is damaged
    return batches


def _verified_bytes(path: Path, sha256: str) -> bytes:
    """Read a bundled file; refuse it when its SHA-256 is not the expected one."""
    restore = f"restore it with 'git checkout -- data/{path.name}' or from a fresh copy"
    if not path.is_file():
        raise FileNotFoundError(f"the data file {path} is missing: {restore}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"the data file {path} is damaged: its SHA-256 is {found}, "
            f"but {sha256} was expected: {restore}"
        )
    return content


def _split(
    X: np.ndarray,
    y: np.ndarray,
    class_names: tuple[str, ...],
    image_shape: tuple[int, ...] | None = None,
) -> Dataset:
    """Split 4:1:1, class by class: of every six examples of a class, in order, the first four go
    to training, the fifth to validation and the sixth to the test set.
    """
    turn = np.empty_like(y)  # position of each example within its class, modulo 6
    for label in range(len(class_names)):
        members = np.flatnonzero(y == label)
        turn[members] = np.arange(len(members)) % 6

    train, val, test = turn < 4, turn == 4, turn == 5
    return Dataset(X[train], y[train], X[val], y[val], X[test], y[test], class_names, image_shape)


@dataclass(frozen=True)
class _Layout:
    """One of the two layouts in which CIFAR-10 is distributed."""

    folder: str
    suffix: str  # of a batch's file
    names_file: str  # says which class each label means
    read_batch: Callable[[Path], tuple[np.ndarray, np.ndarray]]  # pixels (rows, 3072), labels
    read_class_names: Callable[[Path], list[str]]


def _cifar10_folder(folder: str | Path | None) -> Path:
    """The folder to look in: the one given, else that of CS231N_DATA, else data/."""
    return Path(folder or os.environ.get("CS231N_DATA") or DATA_DIR).expanduser().absolute()


def _find_cifar10(folder: Path) -> tuple[_Layout, Path] | None:
    """The layout that is there and the folder of its batches; None when there is none."""
    for layout in (BINARY, PYTHON):
        for place in (folder / layout.folder, folder):
            if any((place / f"{name}{layout.suffix}").exists() for name in BATCHES):
                return layout, place
    return None


def _read_rows(
    layout: _Layout, folder: Path, names: tuple[str, ...], num_rows: int, dtype: npt.DTypeLike
) -> tuple[np.ndarray, np.ndarray]:
    """The first num_rows rows of these batches. A file that holds none of them is not read.

    The arrays are filled file by file: beside them, memory holds the bytes of one file.
    """
    X = np.empty((num_rows, FEATURES), dtype)
    y = np.empty(num_rows, np.int64)
    starts = range(0, num_rows, BATCH_ROWS)
    for start, name in zip(starts, names, strict=False):
        rows = slice(start, start + BATCH_ROWS)
        _fill(X[rows], y[rows], *layout.read_batch(folder / f"{name}{layout.suffix}"))
    return X, y


def _fill(X: np.ndarray, y: np.ndarray, pixels: np.ndarray, labels: np.ndarray) -> None:
    """Write the first images of a batch into X (N, 3072) in reading order, from 0 to 1."""
    N = len(y)
    y[:] = labels[:N]
    colours = pixels[:N].reshape(N, 3, PIXELS)
    images = X.reshape(N, PIXELS, 3)  # a view
    for c in range(3):
        np.divide(colours[:, c], 255, out=images[:, :, c], dtype=X.dtype)


def _damaged(path: Path, found: str, expected: str) -> ValueError:
    """The error for a file that is not what the format says."""
    return ValueError(
        f"{path} is damaged: it holds {found[:200]}, but {expected} was expected. {_restore(path)}"
    )


def _restore(path: Path) -> str:
    """What to do about a damaged or missing file."""
    return (
        f"Delete the folder {path.parent} and run `make data` or download_cifar10(), "
        "or copy the folder again from where you have it"
    )


def _check_size(path: Path, least: int, most: int) -> None:
    """Refuse what is no file, or too small or too large for one, before it is read."""
    if not path.is_file():
        fault = "no file" if path.exists() else "missing"
        raise FileNotFoundError(f"{path} is {fault}, but CIFAR-10 needs it. {_restore(path)}")
    size = path.stat().st_size
    if not least <= size <= most:
        expected = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        raise _damaged(path, f"{size:,} bytes", expected)


def _check_labels(path: Path, labels: np.ndarray) -> None:
    """Refuse labels that name no class."""
    wrong = np.flatnonzero((labels < 0) | (labels >= len(CIFAR10_CLASSES)))
    if wrong.size:
        raise _damaged(path, f"the label {labels[wrong[0]]} in row {wrong[0]:,}", "0 to 9")


def _check_class_names(layout: _Layout, folder: Path) -> None:
    """Refuse other classes than those of CIFAR-10, or another order. The file may be missing."""
    path = folder / layout.names_file
    if path.exists():
        _check_size(path, 1, NOTES_BYTES)
        names = layout.read_class_names(path)
        if names != list(CIFAR10_CLASSES):
            raise _damaged(path, f"the classes {names}", f"{list(CIFAR10_CLASSES)}")


def _read_binary_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (BATCH_ROWS, 3072) and labels (BATCH_ROWS,) of a batch in the binary layout."""
    size = BATCH_ROWS * (1 + FEATURES)
    _check_size(path, size, size)
    rows = np.fromfile(path, np.uint8).reshape(BATCH_ROWS, 1 + FEATURES)
    _check_labels(path, rows[:, 0])
    return rows[:, 1:], rows[:, 0]


def _read_binary_class_names(path: Path) -> list[str]:
    """The names in `batches.meta.txt`, one a line."""
    return path.read_text(encoding="latin-1").split()


def _read_python_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (BATCH_ROWS, 3072) and labels (BATCH_ROWS,) of a batch in the python layout."""
    size = BATCH_ROWS * FEATURES
    _check_size(path, size, size + BATCH_ROWS * 100)  # pixels, labels and names
    batch = _read_pickle(path)

    labels = batch.get(b"labels")
    if not isinstance(labels, list) or any(type(label) is not int for label in labels):
        raise _damaged(path, "no list of integers as 'labels'", "one")
    if len(labels) != BATCH_ROWS:
        raise _damaged(path, f"{len(labels):,} labels", f"{BATCH_ROWS:,}")
    _check_labels(path, np.array(labels))

    match batch.get(b"data"):
        case _StandIn(state=(1, shape, _StandIn(arguments=(dtype, *_)), False, bytes(content))):
            pass
        case _:
            raise _damaged(path, "no array as 'data'", "one")
    if (shape, dtype) != ((BATCH_ROWS, FEATURES), b"u1"):
        expected = f"one of shape {(BATCH_ROWS, FEATURES)} and type 'u1'"
        raise _damaged(path, f"an array of shape {shape} and type {dtype!r}", expected)
    if len(content) != size:
        raise _damaged(path, f"{len(content):,} bytes of pixels", f"{size:,}")
    return np.frombuffer(content, np.uint8).reshape(BATCH_ROWS, FEATURES), np.array(labels)


def _read_python_class_names(path: Path) -> list[str]:
    """The names in `batches.meta`."""
    names = _read_pickle(path).get(b"label_names")
    if not isinstance(names, list) or any(type(name) is not bytes for name in names):
        raise _damaged(path, "no list of strings as 'label_names'", "one")
    return [name.decode("latin-1") for name in names]


class _StandIn:
    """Takes the place of NumPy's array and dtype in a pickle: keeps what it is given, runs nothing.

    arguments : those of the call that would make the array or dtype.
    state : what would fill it.
    """

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _BatchUnpickler(pickle.Unpickler):
    """Reads the pickles of CIFAR-10: a dictionary of strings, numbers, lists and an array.

    An unpickler calls whatever a pickle names. The official files name three things of NumPy. Each
    is answered with a stand-in, and every other name is refused: nothing is imported or called.
    """

    names = (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    )

    def find_class(self, module: str, name: str) -> type[_StandIn]:
        """The stand-in, for a name that the official files contain."""
        if (module, name) not in self.names:
            raise pickle.UnpicklingError(f"the name {module}.{name}")
        return _StandIn


def _read_pickle(path: Path) -> dict[object, object]:
    """The dictionary in a pickle of CIFAR-10; every other pickle is refused, and none runs."""
    expected = "a pickled dictionary as in the official archive"
    with path.open("rb") as file:
        try:
            batch = _BatchUnpickler(file, encoding="bytes").load()
        except Exception as error:  # a damaged pickle can raise anything
            raise _damaged(path, f"no such pickle ({error})", expected) from None
    if not isinstance(batch, dict):
        raise _damaged(path, f"a pickled {type(batch).__name__}", expected)
    return batch


BINARY = _Layout(
    folder="cifar-10-batches-bin",
    suffix=".bin",
    names_file="batches.meta.txt",
    read_batch=_read_binary_batch,
    read_class_names=_read_binary_class_names,
)
PYTHON = _Layout(
    folder="cifar-10-batches-py",
    suffix="",
    names_file="batches.meta",
    read_batch=_read_python_batch,
    read_class_names=_read_python_class_names,
)


def _lock(path: Path) -> contextlib.AbstractContextManager[object]:
    """Hold a lock that one process at a time can hold; says so when it has to wait for another."""
    import filelock

    lock = filelock.FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"Another process is downloading CIFAR-10 into {path.parent}: waiting for it.")
        return lock.acquire()


def _download(folder: Path) -> None:
    """Download and unpack the archive in a folder of its own, then move the batches out of it.

    What a stopped download leaves is in that folder, where nothing looks for data.
    """
    workshop = folder / "cifar-10-download"
    batches = workshop / BINARY.folder
    archive = _fetch_archive(workshop)
    shutil.rmtree(batches, ignore_errors=True)
    _unpack(archive, batches)
    batches.rename(folder / BINARY.folder)
    shutil.rmtree(workshop)


def _fetch_archive(folder: Path) -> Path:
    """Download the archive into a folder, from the first address that gives the official one."""
    import pooch  # type: ignore[import-untyped]  # here and below: slow to import, seldom needed
    import requests

    failures = []
    for url in CIFAR10_URLS:
        for wait in (*RETRY_WAITS, None):
            try:
                path = pooch.retrieve(
                    url, f"sha256:{CIFAR10_SHA256}", CIFAR10_ARCHIVE, folder, downloader=_resume
                )
                return Path(path)
            except requests.RequestException as error:
                status = error.response.status_code if error.response is not None else None
                failure = f"status {status}" if status else type(error).__name__
                passing = status is None or status in (408, 429) or status >= 500
            except ValueError:
                failure, passing = "the file there is not the official archive", False
            if wait is None or not passing:
                break
            time.sleep(wait)
        failures.append(f"  {url}: {failure}\n")

    with contextlib.suppress(OSError):
        folder.rmdir()  # when it is empty
    raise ConnectionError(
        f"CIFAR-10 could not be downloaded:\n{''.join(failures)}"
        "Check the network and run this again: it goes on where it stopped. If you have the files "
        "of CIFAR-10, name their folder in the variable CS231N_DATA."
    )


def _resume(url: str, output_file: str, _pooch: object) -> None:
    """A downloader for pooch that goes on where an earlier one stopped, if the server can.

    Raises requests.RequestException for a fault that may pass, and ValueError for another file.
    """
    import requests
    import urllib3
    from tqdm.auto import tqdm

    part = Path(output_file).with_name(f"{CIFAR10_ARCHIVE}.part")
    start = part.stat().st_size if part.exists() else 0
    if start < CIFAR10_BYTES:
        headers = {"Accept-Encoding": "identity"}  # the file's own bytes
        if start:
            headers["Range"] = f"bytes={start}-"
        with requests.get(url, headers=headers, timeout=TIMEOUT, stream=True) as response:
            response.raise_for_status()
            if response.status_code != 206:  # the server sends the file from its beginning
                start = 0
            length = int(response.headers.get("Content-Length", CIFAR10_BYTES - start))
            if start + length != CIFAR10_BYTES:
                raise ValueError(f"{url} has {start + length:,} bytes, not {CIFAR10_BYTES:,}")
            with (
                part.open("ab" if start else "wb") as file,
                tqdm(total=CIFAR10_BYTES, initial=start, unit="B", unit_scale=True) as bar,
            ):
                try:
                    for block in response.raw.stream(1 << 16, decode_content=False):
                        file.write(block)
                        bar.update(len(block))
                        if file.tell() > CIFAR10_BYTES:
                            break  # another file: its SHA-256 will show it
                except urllib3.exceptions.HTTPError as error:
                    raise requests.ConnectionError("the connection was cut") from error
                if file.tell() < CIFAR10_BYTES:
                    raise requests.ConnectionError("the connection was cut")
    part.replace(output_file)


def _unpack(archive: Path, folder: Path) -> None:
    """Write the batches of the binary archive, and its list of class names, into a new folder.

    Every entry must be a file with an expected name and size. Otherwise ValueError is raised
    before anything is written.
    """
    size = BATCH_ROWS * (1 + FEATURES)
    batches = {f"{BINARY.folder}/{name}{BINARY.suffix}": range(size, size + 1) for name in BATCHES}
    notes = [f"{BINARY.folder}/{name}" for name in (BINARY.names_file, "readme.html")]
    awaited = batches | dict.fromkeys(notes, range(NOTES_BYTES + 1))  # name -> admissible sizes
    files = []
    with tarfile.open(archive, "r:gz") as tar:
        for entry in tar:
            if entry.isdir() and entry.name == BINARY.folder:
                continue
            if not entry.isreg() or entry.size not in awaited.pop(entry.name, ()):
                raise ValueError(
                    f"{archive} is not the official archive: it holds {entry.name[:200]!r} with "
                    f"type {entry.type!r} and {entry.size:,} bytes. Nothing of it was unpacked"
                )
            files.append(entry)
        if missing := sorted(awaited.keys() & batches.keys()):
            raise ValueError(
                f"{archive} is not the official archive: it lacks {', '.join(missing)}. "
                "Nothing of it was unpacked"
            )
        folder.mkdir()
        for entry in files:
            source = tar.extractfile(entry)
            assert source is not None  # a regular file
            with source, (folder / Path(entry.name).name).open("wb") as target:
                shutil.copyfileobj(source, target)


if __name__ == "__main__":
    try:
        print(f"CIFAR-10 is in {download_cifar10()}")
    except (OSError, ValueError) as error:
        sys.exit(str(error))
