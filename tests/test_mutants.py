"""Every mutant of a notebook is seen by the notebook's own checks. See tools/mutants.py."""

from functools import cache

import pytest

from publish.notebook import Notebook, computed
from tools import mutants
from tools.operators import faults

SERIES = Notebook.series()
NUMBERS = [each.number for each in SERIES]
HERE = [each.number for each in SERIES if not each.missing_package]
SLOW = {"11", "13", "15", "17", "18", "20", "22", "24"}  # a run of these takes longest


@cache
def planted(number):
    """A line for each mutant of a notebook."""
    return {line for _, line, _ in mutants.mutants(number)}


def test_an_operator_changes_one_statement():
    source = "for x in X.T:  # not (4.3)\n    y += 2 * x.sum(axis=0)  # (4.4)\n"
    changes = [change for where, change, _ in faults(source, everywhere=False) if where == "4.4"]
    assert changes == [
        "pass  # y += 2 * x.sum(axis=0)",
        "y = 2 * x.sum(axis=0)",
        "y -= 2 * x.sum(axis=0)",
        "y += 2 / x.sum(axis=0)",
        "y += 2",
        "y += x.sum(axis=0)",
        "y += 3 * x.sum(axis=0)",
        "y += 2 * x.mean(axis=0)",
        "y += 2 * x.sum(axis=1)",
    ]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_equation_has_mutants(number):
    equations = {each for cell in mutants.code(number) for each in computed(cell.source)}
    hit = {each for line in planted(number) for each in line.partition(":")[0].split()}
    assert equations <= hit


@pytest.mark.parametrize("number", NUMBERS)
def test_listed_mutants_are_planted(number):
    listed = mutants.lines(f"{number}.txt") + mutants.lines(f"{number}.missed")
    assert set(listed) <= planted(number)


@pytest.mark.weekly
@pytest.mark.parametrize("number", [number for number in HERE if number not in mutants.LONG])
def test_mutants_are_seen(number):
    """An evenly spread part of the faults is seen; the tool runs all of them."""
    found = mutants.verdicts(number, step=90 if number in SLOW else 20)
    assert [line for line, verdict in found if verdict == "surviving"] == []
