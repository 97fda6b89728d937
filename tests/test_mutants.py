"""Every mutant of a notebook is caught by the notebook's own checks. See tools/mutants.py."""

import mutants
import numpy as np
import pytest
from mutants import occurrences, run

MUTANTS = [mutant for path in mutants.FILES for mutant in mutants.read(path)]
NUMBERS = ["02", "03", "04", "05", "06", "07"]


def in_short(mutant):
    return f"{mutant.number} {mutant.new.strip()[:60]}"


def numbers(run):
    """The numbers and arrays of numbers that a run left behind, by name."""
    arrays = {
        name: np.asarray(value)
        for name, value in run.namespace.items()
        if isinstance(value, int | float | np.number | np.ndarray)
    }
    return {name: array for name, array in arrays.items() if array.dtype.kind in "biuf"}


@pytest.mark.parametrize("number", NUMBERS)
def test_unmutated_notebook_passes(number):
    """The control: without a fault no check complains."""
    result = run(number)
    assert result.error is None, f"cell {result.cell}: {result.error!r}"


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if not m.equivalent], ids=in_short)
def test_mutant_is_caught(mutant):
    """One fault, and a check of the notebook stops the run."""
    assert occurrences(mutant) == 1, f"the text must occur once: {mutant.old}"
    result = run(mutant.number, mutant)
    assert result.caught, f"{mutant.fault}: no check stops it, but {result.error!r}"


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.equivalent], ids=in_short)
def test_equivalent_mutant_gives_the_same_numbers(mutant):
    """No check complains, and every number is the same bit for bit."""
    assert occurrences(mutant) == 1, f"the text must occur once: {mutant.old}"
    result = run(mutant.number, mutant)
    assert result.error is None, f"cell {result.cell}: {result.error!r}"
    expected, found = numbers(run(mutant.number)), numbers(result)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert np.array_equal(value, found[name], equal_nan=value.dtype.kind == "f"), name


def test_there_are_mutants_of_every_notebook():
    assert {mutant.number for mutant in MUTANTS} == set(NUMBERS)
    assert len(set(MUTANTS)) == len(MUTANTS)
