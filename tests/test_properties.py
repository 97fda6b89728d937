"""Properties of the whole package, tried on examples that hypothesis invents.

Where whole numbers make the arithmetic exact, results are compared exactly: a central difference
with step 1 is then the derivative itself for every function of degree 2, and the order of a sum
does not matter.
"""

import dataclasses
import gzip
import hashlib
import tempfile
from pathlib import Path
from unittest import mock

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import (
    NOT_FINITE,
    SEEDS,
    bits,
    close,
    for_all,
    is_refused,
    one_wrong,
)

from cs231n_utils import datasets

# Scores from close together to far apart; sixteenths, so that adding a whole number is exact.


# Data.

DIGITS = (datasets.DATA_DIR / "digits.csv.gz").read_bytes()


def reading(content):
    """Let every file seem to hold these bytes."""
    return mock.patch.object(Path, "read_bytes", return_value=content)


def in_splits(dataset):
    """The three (X, y) pairs of a data set."""
    return [
        (dataset.X_train, dataset.y_train),
        (dataset.X_val, dataset.y_val),
        (dataset.X_test, dataset.y_test),
    ]


def test_a_wrong_byte_at_any_position_of_the_digits_is_noticed():
    """All 57,523 positions, each with one of the 255 wrong values."""
    content = bytearray(DIGITS)
    with reading(content):
        datasets.load_digits()
        for position in range(len(content)):
            content[position] ^= 1 + position % 255
            assert is_refused(
                datasets._verified_bytes,
                datasets.DATA_DIR / "digits.csv.gz",
                datasets.DIGITS_SHA256,
            ), position
            content[position] ^= 1 + position % 255
        assert content == DIGITS


@for_all(
    position=st.integers(0, len(DIGITS) - 1),
    wrong=st.integers(1, 255),
    how=st.sampled_from(["change", "drop", "insert", "cut", "append"]),
    max_examples=100,
)
def test_damaged_digits_are_refused(position, wrong, how):
    content = bytearray(DIGITS)
    if how == "change":
        content[position] ^= wrong
    elif how == "drop":
        del content[position]
    elif how == "insert":
        content.insert(position, wrong)
    elif how == "cut":
        del content[position:]
    else:
        content += bytes([wrong]) * (1 + position)
    with reading(content), pytest.raises(ValueError, match="is damaged"):
        datasets.load_digits()


@for_all(N=st.integers(2, 40), seed=SEEDS, max_examples=40)
def test_a_table_of_digits_survives_the_round_trip(N, seed):
    """Written as the bundled file is, read back, and put together again class by class."""
    rng = np.random.default_rng(seed)
    table = np.column_stack([rng.integers(0, 17, (N, 64)), rng.integers(0, 10, N)])
    text = "".join(",".join(map(str, row)) + "\n" for row in table)
    content = gzip.compress(text.encode("ascii"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "digits.csv.gz")
        path.write_bytes(content)
        with mock.patch.object(datasets, "DIGITS_SHA256", hashlib.sha256(content).hexdigest()):
            loaded = datasets.load_digits(path)
    assert loaded.image_shape == (8, 8)
    for label in range(10):
        rows = table[table[:, -1] == label, :-1]
        turn = np.arange(len(rows)) % 6
        parts = [rows[turn < 4], rows[turn == 4], rows[turn == 5]]
        for (X, y), expected in zip(in_splits(loaded), parts, strict=True):
            assert X.dtype == np.float64
            assert np.array_equal(X[y == label] * 16, expected)


@for_all(
    y=hnp.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 4)),
    num_classes=st.integers(5, 7),
)
def test_a_split_gives_every_example_to_one_part_and_each_class_its_share(y, num_classes):
    X = np.arange(len(y), dtype=float)[:, None]  # each row names its example
    names = tuple(map(str, range(num_classes)))
    dataset = datasets._split(X, y, names)
    assert dataset.class_names == names
    examples = np.concatenate([part for part, _ in in_splits(dataset)]).ravel()
    assert sorted(examples) == X.ravel().tolist()
    for X_part, y_part in in_splits(dataset):
        assert np.array_equal(y[X_part.ravel().astype(int)], y_part)
        assert (np.diff(X_part.ravel()) > 0).all()
    for label in range(num_classes):
        sixths, rest = divmod(np.sum(y == label), 6)
        counts = [int(np.sum(y_part == label)) for _, y_part in in_splits(dataset)]
        assert counts == [4 * sixths + min(rest, 4), sixths + (rest == 5), sixths]


SPIRALS = st.fixed_dictionaries(
    {
        "num_classes": st.integers(2, 12),
        "points_per_class": st.integers(6, 40),
        "noise": st.just(0.0) | st.floats(0, 3),
        "rng": SEEDS,
    }
)


@for_all(options=SPIRALS)
def test_spirals_hold_every_class_in_every_split_between_their_radii(options):
    dataset = datasets.make_spirals(**options)
    C, points = options["num_classes"], options["points_per_class"]
    assert len(dataset.class_names) == len(set(dataset.class_names)) == C
    sixths, rest = divmod(points, 6)
    shares = [4 * sixths + min(rest, 4), sixths + (rest == 5), sixths]
    for (X, y), share in zip(in_splits(dataset), shares, strict=True):
        assert X.shape == (C * share, 2)
        assert np.bincount(y, minlength=C).tolist() == [share] * C
        radius = np.hypot(X[:, 0], X[:, 1])
        assert (radius >= 0.1 - 1e-12).all()
        assert (radius <= 1 + 1e-12).all()
        if options["noise"] == 0:
            angle = 2 * np.pi * (radius + y / C)
            close(X, np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))


@for_all(options=SPIRALS)
def test_spirals_are_the_same_for_a_seed_and_others_for_another(options):
    def drawn(rng):
        dataset = datasets.make_spirals(**(options | {"rng": rng}))
        return bits(*(array for part in in_splits(dataset) for array in part))

    seed, state = options["rng"], bits(np.random.get_state()[1])
    assert drawn(seed) == drawn(np.random.default_rng(seed))
    assert drawn(seed) != drawn(seed + 1)
    assert bits(np.random.get_state()[1]) == state


@for_all(
    options=SPIRALS,
    wrong=one_wrong(
        num_classes=st.sampled_from([1, 1, 0, -1]),
        points_per_class=st.sampled_from([5, 5, 0, -1]),
        noise=NOT_FINITE | st.floats(max_value=-1e-300),
    ),
    max_examples=150,
)
def test_spirals_refuse_exactly_the_bad_options(options, wrong):
    assert is_refused(datasets.make_spirals, **(options | wrong)) == bool(wrong)


@for_all(options=SPIRALS)
def test_a_data_set_says_what_it_holds_and_cannot_be_reassigned(options):
    dataset = datasets.make_spirals(**options)
    counts = [f"{len(y):,}" for _, y in in_splits(dataset)]
    assert repr(dataset) == (
        f"Dataset: train {counts[0]}, validation {counts[1]}, test {counts[2]} examples; "
        f"2 features, {options['num_classes']} classes, image shape None"
    )
    for field in dataclasses.fields(dataset):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(dataset, field.name, None)
