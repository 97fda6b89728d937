"""The whole scripts of notebook 20: its table shows two of them, and each runs alone."""

import re
from importlib.util import find_spec

import numpy as np
import pytest

from publish.notebook import Notebook

pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is an extra")

[NOTEBOOK] = Notebook.series("20")
CELLS = {cell.id: cell.source for cell in NOTEBOOK.cells}


def column(number):
    """The code in a column of the table, line by line."""
    rows = [line for line in CELLS["script-text"].splitlines() if line.startswith("| ")]
    found = [re.findall("`([^`]*)`", row.split("|")[number]) for row in rows[1:]]
    return [line.replace("\N{NO-BREAK SPACE}", " ") for lines in found for line in lines]


def test_the_table_shows_lines_of_both_scripts():
    """In their order; lines that are the same in both may be left out."""
    for number, name in [(1, "script-ours"), (2, "script")]:
        program = iter(CELLS[name].splitlines())
        assert column(number)
        assert all(line in program for line in column(number)), name


@pytest.mark.parametrize("name", ["script-ours", "script", "grown"])
def test_a_script_needs_nothing_but_itself(name):
    names = {}
    exec(CELLS[name], names)
    labels = getattr(names["digits"], "y_val" if name == "grown" else "y_test")
    assert np.mean(np.asarray(names["answers"].tolist()) == labels) > 0.93
