"""An unsolved function costs its own checks and no other; nothing earns a point for nothing."""

import pytest

from publish.notebook import Notebook
from tools.fairness import LONG, NOTHING, rows

NOTEBOOKS = [notebook for notebook in Notebook.series() if notebook.number not in LONG]


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.number)
def test_points_are_fair(notebook):
    if notebook.missing_package:
        pytest.skip(notebook.missing_package)
    found = list(rows(notebook))
    unfair = [
        f"{row.missing}: {c}: {row.errors.get(c, 'passes')}" for row in found for c in row.unfair
    ]
    assert not unfair, "\n".join(unfair)
    told = {row.errors[check] for row in found if row.missing not in NOTHING for check in row.lost}
    assert told == {"NotImplementedError: Write this"}, "a check hides what a stub says"
