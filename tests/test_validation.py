"""What is refused: with an error that says why, and never with another one."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st
from strategies import ANY_FLOAT, NOT_FINITE, for_all, is_refused, matrices

from cs231n_utils import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.taught.autograd import Tensor
from cs231n_utils.taught.training import train
from cs231n_utils.validation import (
    check_counts,
    check_inputs,
    check_nonnegative,
    check_positive,
    check_shape,
    has_diverged,
    known_finite,
)

X, Y = np.ones((5, 6)), np.array([0, 1, 2, 3, 0])
BAD_BATCHES = {
    "one example without its row": (X[0], Y[:1], r"\(N, 6\), not \(\d,\): x\[None, :\] turns one"),
    "images that are no rows": (np.ones((5, 2, 3)), Y, r"X\.reshape\(len\(X\), -1\), or a layer"),
    "wrong number of features": (np.ones((5, 7)), Y, r"X must have shape \(N, 6\), not \(\d, 7\)"),
    "empty batch": (X[:0], Y[:0], "a batch of 0 is too small: it needs at least 1"),
    "infinity": (X * np.inf, Y, "NaN or infinite"),
    "complex": (X * 1j, Y, "X must hold real numbers, but its dtype is complex128"),
    "label too large": (X, Y + 1, r"0\.\.3, not 1\.\.4"),
    "negative label": (X, Y - 1, r"0\.\.3, not -1\.\.2"),
    "one label too few": (X, Y[:4], r"y must have shape \(5,\), not \(4,\): one label for each"),
    "labels as a column": (X, Y[:, None], r"y\.ravel\(\) flattens a column"),
    "one-hot labels": (X, np.eye(4)[Y], r"y\.argmax\(axis=1\) one-hot rows"),
    "labels that are no integers": (X, Y.astype(float), r"integers, .* y\.astype\(int\)"),
}


@pytest.mark.parametrize(("inputs", "y", "message"), BAD_BATCHES.values(), ids=BAD_BATCHES.keys())
@pytest.mark.parametrize("model", [TwoLayerNet(6, 5, 4), SoftmaxClassifier(6, 4)])
def test_bad_batches_are_refused(model, inputs, y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        model.loss(inputs, y)
    with pytest.raises((ValueError, TypeError), match=message):
        train(model, inputs, y, X, Y)


@pytest.mark.parametrize("kind", ["?", "u1", "i8", "f2", "f4", "f8", "g", ">f8"])
def test_any_real_numbers_may_enter_as_they_are(kind):
    inputs = X.astype(kind)
    assert check_inputs(inputs, 6) is inputs
    assert is_refused(TwoLayerNet(6, 5, 4).loss, X, Y.astype(kind)) == (kind not in ("u1", "i8"))


SHAPES = [((2, 3), True), ((2, 4), False), ((2,), False), ((2, 9, 9, 3), False), ((0, 3), True)]


@pytest.mark.parametrize(("shape", "fits"), SHAPES)
def test_shapes_fit_when_every_size_does(shape, fits):
    array = np.ones(shape)
    assert is_refused(check_shape, "X", array, ("N", 3)) == (not fits)
    assert is_refused(check_shape, "X", array, ("N", ..., 3)) == (shape[-1] != 3)
    assert is_refused(check_shape, "X", array, (2, "D", ...)) == (shape[0] != 2 or len(shape) < 2)


@for_all(number=ANY_FLOAT | st.none() | st.text(), count=st.integers() | ANY_FLOAT | st.none())
def test_options_are_accepted_exactly_when_valid(number, count):
    value = number if isinstance(number, float) else math.nan
    assert is_refused(check_positive, "rate", number) == (not 0 < value < math.inf)
    assert is_refused(check_positive, "keep_prob", number, most=1) == (not 0 < value <= 1)
    assert is_refused(check_nonnegative, "reg", number) == (not 0 <= value < math.inf)
    assert is_refused(check_nonnegative, "decay", number, below=1) == (not 0 <= value < 1)
    assert is_refused(check_counts, count=count) == (not (isinstance(count, int) and count >= 1))


def test_inputs_known_to_be_finite_are_not_looked_at_again():
    broken = np.full((2, 3), np.nan)
    with known_finite():
        assert check_inputs(broken, 3) is broken
        with pytest.raises(ValueError, match="shape"):
            check_inputs(broken, 4)
    with pytest.raises(ValueError, match="NaN"):
        check_inputs(broken, 3)
    with pytest.raises(ValueError, match=r"\(N, D, \.\.\.\), not \(3,\): x\[None, :\] turns one"):
        check_inputs(broken[0], None)


@for_all(
    first=st.floats(0, 1e3),
    times=st.floats(0, 300) | NOT_FINITE,
    values=matrices(st.floats(-1e100, 1e100)),
    spoilt=st.just(0.0) | NOT_FINITE,
)
def test_divergence_is_a_hundredfold_loss_or_no_finite_number(first, times, values, spoilt):
    values[-1, -1] += spoilt
    assume(abs(times - 100) > 1e-9)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        diverged = has_diverged([first, 0.0, times * max(first, 1)], {"W": values}, 0.5)
    assert diverged == (not (math.isfinite(times) and math.isfinite(spoilt)) or times > 100)
    assert len(caught) == diverged


def test_no_tensor_is_made_of_tensors():
    for data in (Tensor([1.0]), [Tensor([1.0]), Tensor([2.0])], "1.0", 1j):
        with pytest.raises(TypeError, match="data must hold real numbers"):
            Tensor(data)
