"""Data sets of the series: handwritten digits (bundled) and interleaved spirals (generated)."""

import gzip
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATA_DIR = Path(__file__).resolve().parent.parent / "data"
DIGITS_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and labels in three splits.

    X_train, X_val, X_test : float64 arrays of shape (N, D), one example per row.
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
