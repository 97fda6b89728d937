"""What properties are tried on: examples that hypothesis invents.

The examples are the same in every run: another seed must not decide whether a test passes.
"""

import math
import tempfile
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir(Path(tempfile.gettempdir(), "hypothesis"))  # its cache: not in here


def for_all(max_examples=75, **strategies):
    """Hypothesis's `given`; a warning fails the test."""
    chosen = settings(
        max_examples=max_examples,
        derandomize=True,  # the same examples in every run
        database=None,
        deadline=None,  # nothing is timed
        suppress_health_check=[HealthCheck.too_slow],
    )
    strict = pytest.mark.filterwarnings("error")
    return lambda test: strict(chosen(given(**strategies)(test)))


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


def is_refused(function, *arguments, **options):
    """True for ValueError and TypeError; any other exception fails the test."""
    try:
        function(*arguments, **options)
    except (ValueError, TypeError):
        return True
    return False


def bits(*arrays):
    """What must be equal when arrays are to be equal bit for bit."""
    return [(array.dtype, array.shape, array.tobytes()) for array in map(np.asarray, arrays)]


def close(a, b, tolerance=1e-12):
    """Equal within the tolerance, absolute below 1 and relative above."""
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
