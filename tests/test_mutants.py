"""Every mutant of a notebook is caught by the notebook's own checks. See mutants.py."""

import numpy as np
import pytest
from mutants import EQUIVALENT, MUTANTS, NUMBERS, numbers, occurrences, run


def in_short(mutant):
    return mutant.new.strip()[:60]


def pytest_generate_tests(metafunc):
    """Give each class the mutants of its notebook."""
    if metafunc.cls is not None and "mutant" in metafunc.fixturenames:
        mine = [mutant for mutant in MUTANTS if mutant.number == metafunc.cls.number]
        metafunc.parametrize("mutant", mine, ids=in_short)


class Mutants:
    """The tests of one notebook; a class each, so that two workers can share them."""

    number = ""

    def test_unmutated_notebook_passes(self):
        """The control: without a fault no check complains."""
        result = run(self.number)
        assert result.error is None, f"cell {result.cell}: {result.error!r}"

    def test_mutant_is_caught(self, mutant):
        """One fault, and a check of the notebook stops the run."""
        assert occurrences(mutant) == 1, f"the text must occur once: {mutant.old}"
        result = run(self.number, mutant)
        assert result.caught, f"{mutant.fault}: no check stops it, but {result.error!r}"


class Test02(Mutants):
    """Softmax and cross-entropy."""

    number = "02"


class Test03(Mutants):
    """Gradient checking, with mutants of the package's checker."""

    number = "03"


class Test04(Mutants):
    """The softmax gradient."""

    number = "04"


class Test05(Mutants):
    """Backpropagation."""

    number = "05"


class Test06(Mutants):
    """The two-layer network."""

    number = "06"


class Test07(Mutants):
    """Training."""

    number = "07"


@pytest.mark.parametrize("mutant", EQUIVALENT, ids=in_short)
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
    assert len(set(MUTANTS)) == len(MUTANTS) >= 40
