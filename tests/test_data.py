"""The data sets: their splits, and what a damaged or missing file says."""

import numpy as np
import pytest

from cs231n_utils.datasets import DATA_DIR, Dataset, load_digits, make_spirals


def splits(data):
    return [(data.X_train, data.y_train), (data.X_val, data.y_val), (data.X_test, data.y_test)]


@pytest.mark.parametrize("data", [load_digits(), make_spirals(), make_spirals(7, 30)])
def test_splits_are_consistent_and_stratified(data):
    num_classes = len(data.class_names)
    for X, y in splits(data):
        assert X.dtype == np.float64
        assert X.shape == (len(y), data.X_train.shape[1])
        counts = np.bincount(y, minlength=num_classes)
        assert len(counts) == num_classes
        assert counts.max() - counts.min() <= 0.2 * counts.max()
    rows = np.concatenate([X for X, _ in splits(data)])
    assert len(np.unique(rows, axis=0)) == len(rows), "an example stands in two splits"


def test_digits_are_the_1797_of_uci():
    data = load_digits()
    assert [len(X) for X, _ in splits(data)] == [1204, 297, 296]
    assert data.image_shape == (8, 8)
    assert data.class_names == tuple("0123456789")
    assert data.X_train.min() == 0
    assert data.X_train.max() == 1
    counts = sum(np.bincount(y) for _, y in splits(data))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_are_upright():
    """A zero is an open ring: little ink in the middle, more on either side of it."""
    data = load_digits()
    zero = data.X_train[data.y_train == 0].mean(axis=0).reshape(data.image_shape)
    assert zero[3:5, 3:5].max() < 0.3 < zero[3:5, 2].min()
    seven = data.X_train[data.y_train == 7].mean(axis=0).reshape(data.image_shape)
    assert seven[:2].sum() > seven[-2:].sum(), "a seven has its bar at the top"


def test_two_loads_share_nothing():
    first, second = load_digits(), load_digits()
    first.X_train[:] = -1
    assert second.X_train.min() == 0


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"digits\.csv\.gz is missing: restore it with"):
        load_digits(tmp_path / "digits.csv.gz")


@pytest.mark.parametrize("position", [0, 9, 1_000, -1])
def test_damaged_file_is_refused(tmp_path, position):
    content = bytearray((DATA_DIR / "digits.csv.gz").read_bytes())
    content[position] ^= 1
    damaged = tmp_path / "digits.csv.gz"
    damaged.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged: its SHA-256 is"):
        load_digits(damaged)


def test_truncated_file_is_refused(tmp_path):
    truncated = tmp_path / "digits.csv.gz"
    truncated.write_bytes((DATA_DIR / "digits.csv.gz").read_bytes()[:-100])
    with pytest.raises(ValueError, match="is damaged"):
        load_digits(truncated)


@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_spirals_are_arms_around_the_origin(num_classes):
    data = make_spirals(num_classes, points_per_class=60, noise=0.0)
    assert data.image_shape is None
    radius = np.linalg.norm(data.X_train, axis=1)
    assert radius.min() >= 0.1
    assert radius.max() <= 1
    angle = np.arctan2(data.X_train[:, 1], data.X_train[:, 0])
    expected = 2 * np.pi * (radius + data.y_train / num_classes)
    np.testing.assert_allclose(np.cos(angle - expected), 1, atol=1e-12)


def test_spirals_repeat_with_their_seed():
    assert np.array_equal(make_spirals(rng=3).X_val, make_spirals(rng=3).X_val)
    assert not np.array_equal(make_spirals(rng=3).X_val, make_spirals(rng=4).X_val)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "num_classes must be at least 2, not 1"),
        ({"points_per_class": 5}, "points_per_class must be at least 6, not 5"),
        ({"noise": -0.1}, "noise must lie between 0 and 2 pi, not -0.1"),
        ({"noise": np.nan}, "noise must lie between"),
        ({"noise": 1e308}, "noise must lie between"),
    ],
)
def test_spirals_refuse_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        make_spirals(**options)


def test_repr_says_what_it_holds():
    assert repr(load_digits()) == (
        "Dataset: train 1,204, validation 297, test 296 examples; 64 features, 10 classes, "
        "image shape (8, 8)"
    )
    assert isinstance(make_spirals(), Dataset)
