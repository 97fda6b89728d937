"""What a student's notebook says of its checks, cell by cell, and what a terminal says of it."""

import sys

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_notebook, new_output

from cs231n_utils import progress
from publish.notebook import Notebook
from publish.student import edition

SOLVED = edition.solved(Notebook.series("04")[0])


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that runs a cell, and returns what it printed."""
    monkeypatch.setattr(progress, "_seen", progress.Seen())
    shell = InteractiveShell.instance()

    def run(source):
        shell.run_cell(source)
        return capsys.readouterr().out

    yield run
    InteractiveShell.clear_instance()


def test_a_report_is_right_whatever_ran_before(run):
    """Checks that have not run, that fail, that pass, and that fail again."""
    assert run(edition.REPORT).startswith("Run this notebook's first code cell")
    for _ in range(2):  # a first cell may run again
        run(edition.FOLLOW)
    check = ["# Check 1 of 2: f\nassert f() == 2, 'f() must be 2'", "# Check 2 of 2: g, C.h\ng()"]
    first = "0 of 2 checks pass. Next, check 1"
    second = "1 of 2 checks pass. Next, check 2"
    third = "0 of 1 checks pass, 1 not run yet. Next, check 1"
    stub = "def f():\n    raise NotImplementedError('Write f: see equation (1.2)')"
    for cells, told in [
        ([], "Run this notebook's first code cell"),
        ([check[1]], f"{third}\n    This check has not run yet."),
        ([stub, check[0]], f"{first}: f\n    {progress.STILL}f: see equation (1.2)\n"),
        (["f = lambda: 1", check[0]], f"{first}: f\n    AssertionError: f() must be 2\n"),
        ([stub, "def f(:\n    return 2", check[0]], f"{first}: f\n    SyntaxError: invalid syntax"),
        (["f = lambda: 2", check[0]], f"{second}: g, C.h\n    NameError: name 'g' is not"),
        (["class C:\n  def h(self):\n a", check[1]], f"{second}: g, C.h\n    IndentationError: "),
        (["g = f", check[1]], "All 2 checks pass.\n"),
        ([f"{check[1]} +"], f"{second}: g, C.h\n    IndentationError: "),
    ]:
        for cell in cells:
            run(cell)
        assert run("progress.report()").startswith(told)


def test_what_is_still_to_write_is_said_in_a_line(run):
    run(edition.FOLLOW)
    run("def f():\n    raise NotImplementedError('Write f: see equation (1.2)')")
    assert run("# Check 1 of 1: f\nf()") == "✎ Still to write: f: see equation (1.2)\n"


def test_a_failed_check_shows_its_line_and_a_students_error_its_traceback(run):
    run(edition.FOLLOW)
    check = "# Check 1 of 1: f\nfor x in [1, 2]:\n    assert f(x) == 1, 'f must be 1'"
    run("def f(x):\n    return x")
    told = ["Check 1, line 3: assert f(x) == 1, 'f must be 1'", "AssertionError: f must be 1"]
    assert run(check).splitlines() == told
    assert progress.summary(progress._seen).endswith(told[1]), "the cell has failed"
    for mine in ["assert x > 1, 'mine'", "return y"]:
        run(f"def f(x):\n    {mine}")
        assert len(run(check).splitlines()) > 4
    for cell in ["assert 0, 'no check'", "print(1)\nprint(y)"]:
        assert len(run(cell).splitlines()) > 4


def test_a_check_of_what_was_not_defined_sends_to_the_cell_above(run):
    run(edition.FOLLOW)
    run("def f(:\n    return 2")
    assert run("# Check 1 of 1: f\nassert f() == 2").splitlines() == [
        "Check 1, line 2: assert f() == 2",
        "NameError: name 'f' is not defined: run the cell above, or look at its error",
    ]
    assert "SyntaxError" in progress.summary(progress._seen)


def test_a_forgotten_return_is_named_where_a_check_uses_the_value(run):
    run(edition.FOLLOW)
    for body, check, told in [
        ("y = x", "a, b = f(1)", "f returns None: is `return` missing?"),
        ("y = x", "assert f(1) == 1, f'1, not {f(1)}'", "f returns None: is `return` missing?"),
        ("y = x", "assert f(1), 'return one of None'", "AssertionError: return one of None"),
        ("x + None", "f(1)", "TypeError: unsupported operand"),  # it may work in place
        ("return x + None", "y = f(1)", "TypeError: unsupported operand"),
    ]:
        run(f"def f(x):\n    {body}")
        shown = run(f"# Check 1 of 1: f\n{check}").splitlines()
        assert len(shown) == 2 or "x + None" in body, "of a check its line, without a traceback"
        assert run("progress.report()").splitlines()[1].strip().startswith(told)


def test_a_failed_gradient_check_is_told_with_its_diagnosis():
    message = "dS is wrong: 4 of 6. Worst entries:\n  [0, 0]\nDiagnosis: 5 times.\nDiagnosis: no."
    assert progress.gist(message) == "dS is wrong: 4 of 6. Diagnosis: 5 times."
    assert [*map(progress.gist, ["x is 1\nnot 2", ""])] == ["x is 1", ""]


STUB = "def f():"
CHECK = "# Check 1 of 1: f\nf()"


def test_a_terminal_says_of_each_notebook_how_its_checks_last_ran(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["progress", str(tmp_path)])
    nbformat.write(edition.unsolved(SOLVED).content, tmp_path / "0 stubs.ipynb")
    progress.main()
    assert capsys.readouterr().out == "nothing written yet: begin with 0 stubs\n"
    solution = {"metadata": {"nbgrader": {"solution": True}}}
    failed = {"ename": "SyntaxError", "evalue": "invalid syntax", "traceback": []}
    ran = [new_output("error", **failed)]
    for name, sources, count, outputs in [
        ("1 notes", ["x = 1"], None, []),
        ("2 begun", [STUB, CHECK], None, []),
        ("3 failed", [STUB, CHECK], 7, ran),
        ("4 passed", [STUB, CHECK], 7, []),
        (
            "5 unwritten",
            [STUB, CHECK],
            7,
            [new_output("stream", text=f"so far\n{progress.STILL}f: see (1)\n")],
        ),
    ]:
        cells = [new_code_cell(source, **solution) for source in sources]
        cells[-1] |= {"execution_count": count, "outputs": outputs}
        nbformat.write(new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    monkeypatch.chdir(tmp_path)
    progress.record("05", "right", 0.967)
    assert "records.txt" in capsys.readouterr().out
    progress.main()
    lines = [line.split(maxsplit=2)[-1].strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == ["nothing written yet", "not a notebook of the student edition"]
    assert lines[2:4] == [progress.UNRUN, "0 of 1 checks pass. Next, check 1: f"]
    assert lines[4:6] == ["syntax", "All 1 checks pass."]
    assert lines[6:8] == ["0 of 1 checks pass. Next, check 1: f", "to write: f: see (1)"]
    assert lines[8:] == ["records:", "0.967"]
    stub = new_code_cell(STUB, execution_count=1, **solution)
    checks = [new_code_cell(f"# Check {number} of 3: f") for number in (1, 2, 3)]
    for count, told in enumerate(["No check has run yet", "1 of 1 checks pass, 2 not run"]):
        checks[0].execution_count = count
        nbformat.write(new_notebook(cells=[stub, *checks]), tmp_path / "6 in part.ipynb")
        assert progress.progress(tmp_path / "6 in part.ipynb").startswith(told)


def test_a_check_tests_what_the_student_wrote_last(run):
    """Neither the package's function, which stands in below, nor what a broken cell was before."""
    run(edition.FOLLOW)
    given = "from cs231n_utils.taught.losses import softmax"
    check = "# Check 1 of 1: softmax\nassert softmax([[0.0]]) == 1"
    for own, told in [
        ("# gone", "NameError: name 'softmax' is not defined"),
        ("def softmax(S):\n    return 2", "AssertionError"),
        ("def softmax(S:\n    return 1", "NameError: name 'softmax' is not defined"),
        ("def softmax(S):\n    return 1", ""),
    ]:
        run(given)
        run(own)
        assert told in run(check), own
        run(f"{given}\nprint(softmax.__module__)")
    assert run("softmax.__module__") != "", "it stands in again"
    run("# Check 1 of 1: softmax\nsoftmax")
    assert "losses" in run("print(softmax.__module__)"), "also where no other cell follows"
