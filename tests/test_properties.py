"""Properties of the whole package, tried on examples that hypothesis invents.

Where whole numbers make the arithmetic exact, results are compared exactly: a central difference
with step 1 is then the derivative itself for every function of degree 2, and the order of a sum
does not matter.
"""

import contextlib
import dataclasses
import gzip
import hashlib
import math
import tempfile
from fractions import Fraction
from pathlib import Path
from unittest import mock

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st
from strategies import (
    ANY_FLOAT,
    FINITE,
    NOT_FINITE,
    SEEDS,
    SIZES,
    WHOLE,
    bits,
    close,
    for_all,
    is_refused,
    matrices,
    one_wrong,
)

from cs231n_utils import datasets
from cs231n_utils.gradient_check import (
    GradientCheckError,
    check_directions,
    check_gradient,
    numerical_gradient,
    relative_error,
)

# Scores from close together to far apart; sixteenths, so that adding a whole number is exact.


# The gradient checker.

EXTREMES = st.sampled_from([0.0, 1.7e308, -1.7e308, 5e-324])
PAIRS = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.float64, shape, elements=EXTREMES | FINITE)] * 2)
)


@for_all(pair=PAIRS)
def test_relative_error_is_its_definition(pair):
    """The reference computes with fractions, which neither round nor overflow."""
    a, b = pair
    error = relative_error(a, b)
    assert isinstance(error, float)
    assert error == relative_error(b, a)
    assert 0 <= error <= 2
    pairs = list(zip(map(Fraction, a.ravel()), map(Fraction, b.ravel()), strict=True))
    scale = max((max(abs(u), abs(v)) for u, v in pairs), default=0)
    difference = max((abs(u - v) for u, v in pairs), default=0)
    close(error, float(difference / scale) if scale else 0.0, 1e-15)
    assert relative_error(a, a) == 0


@for_all(
    seed=SEEDS,
    factor=st.floats(-1e100, 1e100).filter(lambda factor: abs(factor) > 1e-100),
    size=SIZES,
)
def test_relative_error_ignores_a_common_factor(seed, factor, size):
    a, b = np.random.default_rng(seed).standard_normal((2, size))
    close(relative_error(factor * a, factor * b), relative_error(a, b), 1e-14)


@for_all(pair=PAIRS, bad=NOT_FINITE, seed=SEEDS)
def test_a_nan_or_an_infinity_never_passes(pair, bad, seed):
    a, b = pair
    assume(a.size)
    place = np.random.default_rng(seed).integers(a.size)
    a.flat[place] = bad
    assert relative_error(a, b) == relative_error(b, a) == relative_error(a, a) == math.inf


@for_all(
    a=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    b=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
def test_relative_error_refuses_two_shapes(a, b):
    assert is_refused(relative_error, np.ones(a), np.ones(b)) == (a != b)


LAYOUTS = [lambda x: x, lambda x: x.T, lambda x: x[::-1], lambda x: x[::2, 1:], lambda x: x[0, 0:1]]


class PlantedError(Exception):
    """Raised by an f."""


PLANTED = {
    "x": matrices(ANY_FLOAT | FINITE | st.floats(-3, 3)),
    "layout": st.sampled_from(LAYOUTS),
    "bad_call": st.integers(1, 60),
    "how": st.sampled_from(["raise", "write", "write and raise", "nan", "array", "exit"]),
    "h": st.sampled_from([1e-5, 0.5]),
}
# What the planted faults raise; the warning: huge numbers overflow.
OUTCOMES = (ValueError, PlantedError, KeyboardInterrupt, GradientCheckError, RuntimeWarning)


def misbehaving(view, bad_call, how):
    """An f that is 0, but at one of its calls does what it should not."""
    calls = []

    def f(value):
        assert value is view
        calls.append(1)
        if len(calls) != bad_call:
            return 0.0
        if "write" in how:
            value[...] = 7.0
        if "raise" in how:
            raise PlantedError
        if how == "exit":
            raise KeyboardInterrupt
        return {"nan": math.nan, "array": np.ones(2)}.get(how, 0.0)

    return f


@for_all(**PLANTED, max_examples=150)
def test_numerical_gradient_restores_x_bit_for_bit_whatever_f_does(x, layout, bad_call, how, h):
    view, before = layout(x), bits(x)
    with contextlib.suppress(*OUTCOMES):
        numerical_gradient(misbehaving(view, bad_call, how), view, h)
    assert bits(x) == before


@for_all(**PLANTED, max_examples=150)
def test_both_checks_restore_x_bit_for_bit_whatever_f_does(x, layout, bad_call, how, h):
    view, before = layout(x), bits(x)
    f = misbehaving(view, bad_call, how)
    with contextlib.suppress(*OUTCOMES):
        check_gradient(f, view, view.copy(), h=h)
    assert bits(x) == before
    f = misbehaving(view, bad_call, how)
    params = {"a": view, "b": view.copy()}
    with contextlib.suppress(*OUTCOMES):
        check_directions(lambda params: f(params["a"]), params, params, h=h)
    assert bits(x) == before


@for_all(x=matrices(WHOLE), layout=st.sampled_from(LAYOUTS), seed=SEEDS)
def test_numerical_gradient_visits_both_neighbours_of_x_and_is_exact_for_squares(x, layout, seed):
    x = layout(x)
    before, visited = x.copy(), []
    square, slope = np.random.default_rng(seed).integers(-9, 10, (2, *x.shape))

    def f(x):
        visited.append(x - before)
        return float(np.sum(square * x * x + slope * x))

    assert np.array_equal(numerical_gradient(f, x, h=1.0), 2 * square * before + slope)
    units = np.eye(x.size).reshape(x.size, *x.shape)
    steps = [sign * unit for unit in units for sign in (1, -1)]
    assert all(map(np.array_equal, visited, steps))
    assert len(visited) == len(steps)


def quadratic(shape, seed):
    """A quadratic function of an array, a point and its gradient there."""
    rng = np.random.default_rng(seed)
    size = math.prod(shape)
    M, x = rng.standard_normal((size, size)), rng.standard_normal(shape)
    return (
        lambda x: float(x.ravel() @ M @ x.ravel()) / 2,
        x,
        ((M + M.T) @ x.ravel() / 2).reshape(shape),
    )


@for_all(
    shape=hnp.array_shapes(max_dims=3, max_side=3),
    seed=SEEDS,
    error=st.sampled_from([1e-5, -1e-4, 1e-3, -0.1]),
    max_examples=40,
)
def test_both_checks_pass_the_right_gradient_and_see_one_wrong_entry(shape, seed, error):
    f, x, gradient = quadratic(shape, seed)
    check_gradient(f, x, gradient)
    check_directions(lambda params: f(params["x"]), {"x": x}, {"x": gradient})
    fault = np.zeros_like(x)
    fault.flat[seed % x.size] = error * np.abs(gradient).max()
    with pytest.raises(GradientCheckError):
        check_gradient(f, x, gradient + fault)
    fault *= 1_000  # by chance all directions may be almost at right angles to a smaller one
    with pytest.raises(GradientCheckError):
        check_directions(lambda params: f(params["x"]), {"x": x}, {"x": gradient + fault})


@for_all(
    shape=hnp.array_shapes(max_dims=2, max_side=3),
    seed=SEEDS,
    power=st.integers(-300, 300),
    max_examples=40,
)
def test_both_checks_judge_tiny_and_huge_functions_alike(shape, seed, power):
    f, x, gradient = quadratic(shape, seed)
    factor = 10.0**power

    def scaled(x):
        return factor * f(x)

    check_gradient(scaled, x, factor * gradient)
    check_directions(lambda params: scaled(params["x"]), {"x": x}, {"x": factor * gradient})
    with pytest.raises(GradientCheckError):
        check_gradient(scaled, x, -factor * gradient)
    with pytest.raises(GradientCheckError):
        check_directions(lambda params: scaled(params["x"]), {"x": x}, {"x": -factor * gradient})


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
