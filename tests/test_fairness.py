"""An unsolved function costs its own checks alone; nothing earns a point for nothing."""

import pytest

from cs231n_utils.progress import STILL
from publish.execute import execute
from publish.notebook import Notebook, printed, tags
from publish.student.edition import solved, unsolved
from tools.fairness import LONG, NOTHING, rows

NOTEBOOKS = [notebook for notebook in Notebook.series() if notebook.number not in LONG]


@pytest.fixture(params=NOTEBOOKS, ids=lambda notebook: notebook.number)
def notebook(request):
    """Each notebook that can run here."""
    if request.param.missing_package:
        pytest.skip(request.param.missing_package)
    return request.param


@pytest.mark.slow
def test_points_are_fair(notebook):
    found = list(rows(notebook))
    unfair = [
        f"{row.missing}: {c}: {row.errors.get(c, 'passes')}" for row in found for c in row.unfair
    ]
    assert not unfair, "\n".join(unfair)
    told = {row.errors[check] for row in found if row.missing not in NOTHING for check in row.lost}
    assert told == {"NotImplementedError: Write this"}, "a check hides what a stub says"


@pytest.mark.slow
def test_of_an_unsolved_notebook_only_checks_say_what_is_missing(notebook):
    """Every other cell runs: what it needs is not left to the student, or the package's."""
    stubs = unsolved(solved(notebook))
    stubs.content.cells = [cell for cell in stubs.cells if "cifar10" not in tags(cell)]
    execute(stubs.content, allow_errors=True)
    errors = {cell.id: out.evalue for cell in stubs.code for out in cell.outputs if "evalue" in out}
    assert not errors
    *cells, _ = stubs.code  # the last one reports
    asking = [cell.id for cell in cells if STILL in printed(cell)]
    assert asking == [check.id for check in stubs.tagged("check")]
