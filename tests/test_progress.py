"""What a student's notebook says of its checks, cell by cell, and what a terminal says of it."""

import re
import sys

import nbformat
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_notebook

from cs231n_utils import progress
from cs231n_utils.gradient_check import GradientCheckError, check_gradient
from cs231n_utils.taught.losses import cross_entropy, softmax_loss
from publish.notebook import Notebook
from publish.student import edition

SOLVED = edition.solved(Notebook.series("04")[0])


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that runs a cell, and returns what it printed."""
    monkeypatch.setattr(progress, "_tasks", [])
    monkeypatch.setattr(progress, "_errors", {})
    shell = InteractiveShell.instance()

    def run(source):
        shell.run_cell(source)
        return capsys.readouterr().out

    yield run
    InteractiveShell.clear_instance()


def test_a_report_is_right_whatever_ran_before(run):
    """Checks that have not run, that fail, that pass, and that fail again."""
    assert run(edition.REPORT).startswith("Run this notebook's first cell")
    for _ in range(2):  # a first cell may run again
        run("progress.follow('Write f: see equation (1.2)', 'Write g: see Exercise 1 above')")
    stub = "raise NotImplementedError('Write f: see equation (1.2)')"
    check = ["# Check 1 of 2: f\nassert f() == 2, 'f() must be 2'", "# Check 2 of 2: g\ng()"]
    todo = "0 of 2 checks pass. Next, check 1: Write f: see equation (1.2)\n"
    assert run("progress.report()") == f"{todo}    This check has not run yet.\n"
    run(f"def f():\n    {stub}")
    run(check[0])
    assert run("progress.report()") == todo
    run("f = lambda: 1")
    run(check[0])
    again = todo.replace("Write", "Look again at")
    assert run("progress.report()") == f"{again}    AssertionError: f() must be 2\n"
    run("f = lambda: 2")
    run(check[0])
    todo = "1 of 2 checks pass. Next, check 2: Write g: see Exercise 1 above\n"
    assert run("progress.report()") == f"{todo}    This check has not run yet.\n"
    run("g = f")
    run(check[1])
    assert run("progress.report()") == "All 2 checks pass.\n"
    run(f"{check[1]} +")  # a syntax error
    again = todo.replace("Write", "Look again at")
    assert run("progress.report()").startswith(f"{again}    SyntaxError: ")


def test_a_failed_gradient_check_is_told_with_its_diagnosis():
    y = np.zeros(5, int)
    S = np.random.default_rng(0).standard_normal((5, 3))
    with pytest.raises(GradientCheckError) as caught:
        check_gradient(lambda S: cross_entropy(S, y), S, 5 * softmax_loss(S, y)[1], name="dS")
    told = progress.gist(str(caught.value))
    assert re.fullmatch(r"dS is wrong: .* tolerance 1e-07\. Diagnosis: every entry is 5 .*", told)
    assert progress.gist("x is 1\nnot 2") == "x is 1"
    assert progress.gist("") == ""


@pytest.fixture
def folder(tmp_path):
    """Notebook 04 as a student gets it, and with a wrong answer; an endless loop, and notes."""
    stubs, tried = edition.unsolved(SOLVED), edition.unsolved(SOLVED)
    source = {cell.id: cell.source for cell in SOLVED.cells}
    first, *others = [cell.id for cell in SOLVED.solutions]
    for cell in tried.cells:
        if cell.id in others:
            cell.source = source[cell.id]
        if cell.id == first:
            cell.source = "def softmax_loss(S, y):\n    return 0.0, S"
    tried.content.cells.append(new_code_cell("open('missing')"))
    loop = [new_code_cell("while True:\n    pass"), new_code_cell("progress.follow('f')")]
    loop[0].metadata.nbgrader = {"solution": True}
    contents = {"1 stubs": stubs.content, "2 tried": tried.content}
    contents |= {"3 loop": new_notebook(cells=loop), "4 notes": new_notebook(cells=loop[:1])}
    for name, content in contents.items():
        nbformat.write(content, tmp_path / f"{name}.ipynb")
    return tmp_path


def test_a_terminal_says_a_line_for_each_notebook(folder, monkeypatch, capsys):
    before = [path.read_bytes() for path in sorted(folder.iterdir())]
    loop = folder / "3 loop.ipynb"
    _, stopped = progress.progress(loop, limit=1).splitlines()
    assert stopped == "    Stopped after 1 seconds in the cell: while True:"
    loop.unlink()
    monkeypatch.setattr(sys, "argv", ["progress", str(folder)])
    progress.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(maxsplit=2) == ["1", "stubs", "nothing written yet"]
    todo = "4 of 6 checks pass. Next, check 1: Look again at softmax_loss: see equation (4.5)"
    assert lines[1].split(maxsplit=2) == ["2", "tried", todo]
    assert lines[2].strip().startswith("AssertionError: ")
    assert lines[3].strip() == "[Errno 2] No such file or directory: 'missing'"
    assert lines[4].split(maxsplit=2)[2] == "not a notebook of the student edition"
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == before[:2] + before[3:]
