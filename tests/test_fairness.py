"""An unsolved function costs its own checks alone; nothing earns a point for nothing."""

import ast

import pytest

from cs231n_utils.progress import STILL
from publish.execute import execute
from publish.needed import names_of
from publish.notebook import Notebook, printed, tags
from publish.student.edition import asked_for, solved, unsolved
from publish.student.marking.stubs import stubbed
from tools.fairness import LONG, NOTHING, rows

SERIES = Notebook.series()
NOTEBOOKS = [notebook for notebook in SERIES if notebook.number not in LONG]


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


@pytest.mark.parametrize("notebook", SERIES, ids=lambda notebook: notebook.number)
def test_no_cell_needs_what_only_a_check_or_a_stub_gives(notebook):
    there, lost, wrong = set(), set(), []
    for cell in solved(notebook).code:
        failed = False  # a check stops at the first statement that needs what is not there
        for statement in ast.parse(stubbed(cell.source)).body:
            bound, used = names_of(compile(ast.Module([statement], []), cell.id, "exec"))
            failed |= bool(used & lost)
            there, lost = (there, lost | bound - there) if failed else (there | bound, lost - bound)
        if failed and "check" not in tags(cell):
            wrong.append(cell.id)
        lost |= {name for name in asked_for(cell) if "." not in name}  # a class may serve in part
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("notebook", Notebook.series("07", "19"), ids=lambda each: each.number)
def test_of_an_unsolved_notebook_only_checks_say_what_is_missing(notebook):
    stubs = unsolved(solved(notebook))
    execute(stubs.content)  # as Run All does: a cell that may fail stops nothing
    errors = {cell.id: out.evalue for cell in stubs.code for out in cell.outputs if "evalue" in out}
    assert not errors
    *cells, _ = stubs.code  # the last one reports
    asking = [cell.id for cell in cells if STILL in printed(cell)]
    assert asking == [check.id for check in stubs.tagged("check")]
