"""Every mutant of a notebook is caught by the notebook's own checks. See tools/mutants.py."""

import numpy as np
import pytest

from publish.notebook import Notebook
from tools import mutants
from tools.mutants import run

MISSING = {each.number for each in Notebook.series() if each.missing_package}
WITHOUT = {"10", *mutants.LONG, *MISSING}
FILES = [path for path in mutants.FILES if path.stem not in WITHOUT]
MUTANTS = [mutant for path in FILES for mutant in mutants.read(path)]
pytestmark = pytest.mark.slow
NUMBERS = [each.number for each in Notebook.series() if each.number not in WITHOUT]


def numbers(run):
    """The numbers and arrays of numbers that a run left behind, by name."""
    kinds = int | float | np.number | np.ndarray
    arrays = {k: np.asarray(value) for k, value in run.names.items() if isinstance(value, kinds)}
    return {name: array for name, array in arrays.items() if array.dtype.kind in "biuf"}


def test_there_are_mutants_of_every_notebook():
    assert {mutant.number for mutant in MUTANTS} == set(NUMBERS)
    assert len(set(MUTANTS)) == len(MUTANTS)


@pytest.mark.parametrize("number", NUMBERS)
def test_unmutated_notebook_passes(number):
    """The control: without a fault no check complains."""
    result = run(number)
    assert result.error is None, f"cell {result.cell}: {result.error!r}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.number} {m.new.strip()[:60]}")
def test_mutant_is_caught(mutant):
    """A check of the notebook stops the run; or every number is the same bit for bit."""
    result = run(mutant.number, mutant)
    assert result.caught != mutant.equivalent, f"{mutant.fault}: {result.error!r}"
    if mutant.equivalent:
        assert result.error is None, f"cell {result.cell}: {result.error!r}"
        expected, found = numbers(run(mutant.number)), numbers(result)
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            assert np.array_equal(value, found[name], equal_nan=value.dtype.kind == "f"), name
