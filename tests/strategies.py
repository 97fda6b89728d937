"""What properties are tried on: examples that hypothesis invents, and random models.

The examples are the same in every run: another seed must not decide whether a test passes.
"""

import math
import tempfile
import warnings
from functools import wraps
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from cs231n_utils import TwoLayerNet

set_hypothesis_home_dir(Path(tempfile.gettempdir(), "hypothesis"))  # its cache: not in here

PROFILE = settings(
    max_examples=75,
    derandomize=True,  # the same examples in every run
    database=None,
    deadline=None,  # nothing is timed
    suppress_health_check=[HealthCheck.too_slow],
)


def for_all(max_examples=PROFILE.max_examples, **strategies):
    """Hypothesis's `given` with this profile; a warning fails the test."""

    def decorate(test):
        @wraps(test)
        def strict(**arguments):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                test(**arguments)

        return settings(PROFILE, max_examples=max_examples)(given(**strategies)(strict))

    return decorate


SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 5)
SHAPES = st.tuples(SIZES, SIZES, SIZES, SIZES)  # N, D, H, C
REGS = st.sampled_from([0.0, 0.01, 0.5, 3.0])
NOT_FINITE = st.sampled_from([math.nan, math.inf, -math.inf])
EDGES = NOT_FINITE | st.sampled_from([-0.0, -1e-9, 5e-324, 1e300])
ANY_FLOAT = st.floats(-2, 2) | EDGES | st.floats()  # the last: every bit pattern
FINITE = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-9, 9).map(float)


def matrices(elements, rows=SIZES, columns=SIZES):
    """Float64 arrays (N, C)."""
    return hnp.arrays(np.float64, st.tuples(rows, columns), elements=elements)


def one_wrong(**options):
    """A dict with one of the options, or an empty one."""
    wrong = [st.fixed_dictionaries({name: values}) for name, values in options.items()]
    return st.just({}) | st.one_of(wrong)


def is_refused(function, *arguments, **options):
    """True for ValueError and TypeError; any other exception fails the test."""
    try:
        function(*arguments, **options)
    except (ValueError, TypeError):
        return True
    return False


def problem(shape, seed, kind=TwoLayerNet, dtype=np.float64):
    """A model with random parameters, inputs and labels."""
    (N, D, H, C), rng = shape, np.random.default_rng(seed)
    sizes = (D, H, C) if kind is TwoLayerNet else (D, C)
    model, X = kind(*sizes, dtype=dtype), rng.standard_normal((N, D)).astype(dtype)
    for value in model.params.values():
        value[...] = 0.7 * rng.standard_normal(value.shape)
    return model, X, rng.integers(0, C, N)


def bits(*arrays):
    """What must be equal when arrays are to be equal bit for bit."""
    return [(array.dtype, array.shape, array.tobytes()) for array in map(np.asarray, arrays)]


def close(a, b, tolerance=1e-12):
    """Equal within the tolerance, absolute below 1 and relative above."""
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
