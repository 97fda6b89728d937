"""What is refused: with an error that says why, and never with another one."""

import math
import warnings

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st
from strategies import ANY_FLOAT, NOT_FINITE, bits, for_all, is_refused, matrices

from cs231n_utils import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.taught.autograd import Tensor
from cs231n_utils.taught.training import train
from cs231n_utils.validation import (
    check_counts,
    check_inputs,
    check_labels,
    check_positive,
    has_diverged,
    known_finite,
)

REAL_TYPES = {np.bool_, np.float16, np.float32, np.float64, np.longdouble}
TYPES = ["i8", "f8", "?", "c16", "m8[s]", "M8[s]", "O", "U3"]
INTEGER_TYPES = {np.dtype(code).type for code in "bBhHiIlLqQ"}


@st.composite
def nearly_valid(draw, *columns):
    """Inputs or labels (N, *columns), most of them from 0 to 3, right or with one fault."""
    shape = (draw(st.sampled_from([0, 1, 2, 3, 3])), *columns)
    array = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 3)))
    fault = draw(st.sampled_from(["", "type", "type", "entry", "axis", "flat"]))
    kinds = TYPES if fault == "type" else ["f8", "f4", "?"] if columns else ["i8", "u1", "i2"]
    array = array.astype(draw(st.sampled_from(kinds)))
    if fault == "entry" and array.size and array.dtype.kind in "fi":
        entries = NOT_FINITE if array.dtype.kind == "f" else st.sampled_from([-1, 4])
        array.flat[draw(st.integers(0, array.size - 1))] = draw(entries)
    return {"axis": array[..., None], "flat": array.ravel()}.get(fault, array)


ARRAYS = hnp.arrays(
    hnp.scalar_dtypes() | st.sampled_from([np.dtype("O"), np.dtype("f8, i4")]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
LISTS = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_FLOAT | st.text(max_size=3) | st.binary(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)
ANYTHING = ARRAYS | LISTS | st.dictionaries(st.text(max_size=2), st.integers())
INPUTS = nearly_valid(2) | nearly_valid(2) | nearly_valid(2) | ANYTHING
LABELS = nearly_valid() | nearly_valid() | nearly_valid() | ANYTHING


def as_array(value):
    """The value as an array, or None when NumPy itself refuses it."""
    try:
        return np.asarray(value)
    except ValueError:
        return None


@for_all(X=INPUTS, D=st.sampled_from([2, 2, 2, 2, 1, 3]), max_examples=300)
def test_inputs_are_accepted_exactly_when_valid(X, D):
    array = as_array(X)
    valid = (
        array is not None
        and array.shape == (max(array.size // D, 1), D)
        and array.dtype.type in REAL_TYPES | INTEGER_TYPES
        and all(math.isfinite(value) for value in array.ravel())
    )
    assert is_refused(check_inputs, X, D) == (not valid)
    if valid:
        assert bits(check_inputs(X, D)) == bits(array)


@for_all(y=LABELS, N=st.integers(0, 3), C=st.sampled_from([4, 4, 4, 3, 0]), max_examples=300)
def test_labels_are_accepted_exactly_when_valid(y, N, C):
    array = as_array(y)
    if array is not None and array.ndim == 1 and len(array):
        N = len(array) if N else 0  # mostly the right number
    valid = (
        array is not None
        and N > 0
        and array.shape == (N,)
        and array.dtype.type in INTEGER_TYPES
        and set(array.tolist()) <= set(range(C))
    )
    assert is_refused(check_labels, y, N, C) == (not valid)
    if valid:
        assert bits(check_labels(y, N, C)) == bits(array)


@for_all(X=INPUTS, y=LABELS, max_examples=200)
def test_models_refuse_bad_batches_with_value_and_type_errors_alone(X, y):
    array = as_array(X)
    if array is not None and array.dtype.type in REAL_TYPES | INTEGER_TYPES:
        assume(not any(1e30 < abs(value) < math.inf for value in map(float, array.ravel())))
    for model in (TwoLayerNet(2, 3, 4), SoftmaxClassifier(2, 4)):
        before = bits(*model.params.values())
        good_X = not is_refused(check_inputs, X, 2)
        if good_X and isinstance(y, np.ndarray) and y.ndim == 1 and len(y):
            y = np.resize(y, len(X))  # mostly the right number
        assert is_refused(model.predict, X) == (not good_X)
        good = good_X and not is_refused(check_labels, y, len(X), 4)
        assert is_refused(model.loss, X, () if y is None else y) == (not good)
        assert bits(*model.params.values()) == before


@for_all(rate=ANY_FLOAT | st.none() | st.text(), count=st.integers() | ANY_FLOAT | st.none())
def test_options_are_accepted_exactly_when_valid(rate, count):
    good_rate = isinstance(rate, float) and 0 < rate < math.inf
    good_count = isinstance(count, int) and count >= 1
    assert is_refused(check_positive, "rate", rate) == (not good_rate)
    assert is_refused(check_counts, count=count) == (not good_count)


X5, Y5 = np.ones((5, 6)), np.array([0, 1, 2, 3, 0])
BAD_BATCHES = {
    "one example without its row": (X5[0], Y5[:1], "shape"),
    "images that are no rows": (np.ones((5, 2, 3)), Y5, "shape"),
    "wrong number of features": (np.ones((5, 7)), Y5, r"\(N, 6\)"),
    "empty batch": (X5[:0], Y5[:0], "no examples"),
    "NaN": (np.full((5, 6), np.nan), Y5, "NaN"),
    "infinity": (X5 * np.inf, Y5, "infinite"),
    "label too large": (X5, Y5 + 1, r"0\.\.3"),
    "negative label": (X5, Y5 - 1, r"0\.\.3"),
    "one label too few": (X5, Y5[:4], "one label for each"),
    "labels as a column": (X5, Y5[:, None], "one label for each"),
    "one-hot labels": (X5, np.eye(4)[Y5], "one label for each"),
    "labels that are no integers": (X5, Y5.astype(float), "integers"),
    "labels that are truth values": (X5, Y5 > 1, "integers"),
}


@pytest.mark.parametrize(("X", "y", "message"), BAD_BATCHES.values(), ids=BAD_BATCHES.keys())
@pytest.mark.parametrize("model", [TwoLayerNet(6, 5, 4), SoftmaxClassifier(6, 4)])
def test_bad_batches_are_refused(model, X, y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        model.loss(X, y)
    with pytest.raises((ValueError, TypeError), match=message):
        train(model, X, y, X5, Y5)


def test_inputs_known_to_be_finite_are_not_looked_at_again():
    broken = np.full((2, 3), np.nan)
    with known_finite():
        assert check_inputs(broken, 3) is broken
        with pytest.raises(ValueError, match="shape"):
            check_inputs(broken, 4)
    with pytest.raises(ValueError, match="NaN"):
        check_inputs(broken, 3)


@for_all(
    first=st.floats(0, 1e3),
    times=st.floats(0, 300) | NOT_FINITE,
    values=matrices(st.floats(-1e100, 1e100)),
    spoilt=st.just(0.0) | NOT_FINITE,
    rate=st.floats(1e-5, 1e3),
)
def test_divergence_is_a_hundredfold_loss_or_no_finite_number(first, times, values, spoilt, rate):
    losses = [first, 0.0, times * max(first, 1)]
    values[-1, -1] += spoilt
    expected = not (math.isfinite(times) and math.isfinite(spoilt)) or times > 100
    assume(abs(times - 100) > 1e-9)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert has_diverged(losses, {"W": values}, rate) == expected
    assert len(caught) == expected
    assert all(f"learning rate {rate:g}" in str(warning.message) for warning in caught)


def test_no_tensor_is_made_of_tensors():
    part = Tensor([1.0, 2.0])
    for data in (part, [part, part], "1.0", 1j):
        with pytest.raises(TypeError, match="data must hold real numbers"):
            Tensor(data)
