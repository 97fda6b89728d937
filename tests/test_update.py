"""What survives a new release of the student edition: update.py, as it lies in the zip."""

import shutil
import subprocess
import sys
from copy import deepcopy

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from publish.notebook import Notebook
from publish.student import edition
from publish.student.marking import update

NAME = "04_softmax_gradient.ipynb"
SOLVED = edition.solved(Notebook.series("04")[0])
RELEASED = edition.unsolved(SOLVED).content
FIRST = SOLVED.solutions[0].id  # softmax_loss
CHECK = SOLVED.tagged("check")[0].id
FREE = next(c.id for c in SOLVED.code if "nbgrader" not in c.metadata)
MINE = "def softmax_loss(S, y):\n    return 'mine'"
NOTHING = ["carried over: answers 0, cells of your own 0"]


@pytest.fixture
def old():
    """Notebook 04 as it was released once."""
    return deepcopy(RELEASED)


@pytest.fixture
def new():
    """The same notebook, released again."""
    return deepcopy(RELEASED)


def cell(notebook, name):
    return next(cell for cell in notebook.cells if cell.id == name)


def place(notebook, name):
    return [cell.id for cell in notebook.cells].index(name)


def release_again(notebook, name, source):
    """Release a cell with another text."""
    cell(notebook, name).source = source
    cell(notebook, name).metadata.released.digest = update.digest(source)


def text(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def test_an_untouched_notebook_changes_nothing(old, new):
    assert update.merge(old, new) == NOTHING
    assert new == RELEASED


def test_line_ends_of_windows_are_no_change(old, new):
    for part in old.cells:
        part.source = part.source.replace("\n", "\r\n")
    assert update.merge(old, new) == NOTHING


def test_answers_and_own_cells_come_to_their_places(old, new):
    cell(old, FIRST).source = MINE
    old.cells.insert(place(old, FIRST) + 1, new_code_cell("print('my test')"))
    old.cells.insert(0, new_markdown_cell("my note"))
    release_again(new, new.cells[0].id, "# 04 A better title")
    assert update.merge(old, new) == ["carried over: answers 1, cells of your own 2"]
    assert [part.source for part in new.cells[:2]] == ["my note", "# 04 A better title"]
    assert cell(new, FIRST).source == MINE
    assert new.cells[place(new, FIRST) + 1].source == "print('my test')"
    nbformat.validate(new)


def test_a_changed_task_is_said_and_both_are_kept(old, new):
    cell(old, FIRST).source = MINE
    release_again(new, FIRST, "def softmax_loss(S, y, T):\n    raise NotImplementedError('Write')")
    assert "the task has changed" in update.merge(old, new)[1]
    assert cell(new, FIRST).source == MINE
    assert "def softmax_loss(S, y, T):" in text(new)


def test_an_answer_whose_cell_is_gone_is_kept(old, new):
    cell(old, FIRST).source = MINE
    new.cells.remove(cell(new, FIRST))
    assert "no longer part of the release" in update.merge(old, new)[1]
    assert MINE in text(new)
    nbformat.validate(new)


def test_a_change_to_given_code_is_kept(old, new):
    cell(old, FREE).source += "\nmine = 1"
    changed = deepcopy(new)
    assert "your change to the given code is kept" in update.merge(old, new)[1]
    assert cell(new, FREE).source.endswith("mine = 1")
    release_again(changed, FREE, "theirs = 1")
    assert "yours is in a note" in update.merge(old, changed)[1]
    assert cell(changed, FREE).source == "theirs = 1"
    assert "mine = 1" in text(changed)


def test_texts_and_checks_are_the_releases_and_what_was_there_is_kept(old, new):
    cell(old, CHECK).source, old.cells[0].source = "pass  # no check", "# My title"
    told = update.merge(old, new)
    assert len([line for line in told if "the release's version stands" in line]) == 2
    assert all(cell(new, part.id).source == part.source for part in RELEASED.cells)
    assert "pass  # no check" in text(new)
    assert "# My title" in text(new)


def test_a_copied_cell_is_ones_own(old, new):
    copy = deepcopy(cell(old, FIRST))  # JupyterLab copies the metadata, too
    copy.id, copy.source = "another", "attempt = 1"
    old.cells.insert(0, copy)
    cell(old, FIRST).source = "attempt = 2"
    update.merge(old, new)
    assert cell(new, FIRST).source == "attempt = 2"
    assert new.cells[0].source == "attempt = 1"
    assert not new.cells[0].metadata.keys() & {"released", "nbgrader", "deletable"}


def test_an_answer_is_found_whose_cell_lost_its_marks(old, new):
    """JupyterLab drops them when the cell is merged into one of the student's own."""
    old.cells[place(old, FIRST)] = new_code_cell(f"helper = 1\n\n{MINE}")
    old.cells.insert(0, new_code_cell("softmax_loss = None  # uses the name, defines nothing"))
    assert update.merge(old, new) == ["carried over: answers 1, cells of your own 1"]
    assert cell(new, FIRST).source == f"helper = 1\n\n{MINE}"
    assert text(new).count("return 'mine'") == 1


def test_a_cell_of_ones_own_is_not_taken_for_an_answer_that_is_there(old, new):
    cell(old, FIRST).source = MINE
    old.cells.insert(0, new_code_cell(MINE.replace("mine", "first try")))
    assert update.merge(old, new) == ["carried over: answers 1, cells of your own 1"]
    assert cell(new, FIRST).source == MINE
    assert new.cells[0].source.endswith("'first try'")


OLD_EDITS = ["change", "add", "delete", "copy", "move", "strip"]
NEW_EDITS = ["remove", "revise"]
NUMBER = st.integers(0, 10**6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(OLD_EDITS + NEW_EDITS), NUMBER, NUMBER), max_size=12))
def test_nothing_is_lost_whatever_was_done(edits):
    """Whatever a student does to the old release, and whatever the new one changes."""
    old, new, written = deepcopy(RELEASED), deepcopy(RELEASED), set()
    for number, (kind, a, b) in enumerate(edits):
        cells = new.cells if kind in NEW_EDITS else old.cells
        part, line = cells[a % len(cells)], f"edit {number}"
        if kind == "change":
            part.source += f"\n{line}"
        elif kind == "add":
            cells.insert(b % len(cells), new_code_cell(line))
        elif kind == "copy":
            twin = deepcopy(part)
            twin.id, twin.source = f"twin-{number}", line
            cells.insert(b % len(cells), twin)
        elif kind in ("delete", "remove"):
            cells.remove(part)
        elif kind == "strip":  # some programs remove metadata
            part.source, part.metadata = line, NotebookNode()
        elif kind == "move":
            cells.remove(part)
            cells.insert(b % len(cells), part)
        else:
            release_again(new, part.id, line)
        if kind in ("change", "add", "copy", "strip"):
            written.add(line)
    still_there = written & set(text(old).splitlines())
    released = [part.id for part in new.cells]
    update.merge(old, new)
    nbformat.validate(new)
    assert len({part.id for part in new.cells}) == len(new.cells)
    assert still_there <= set(text(new).splitlines())
    assert [part.id for part in new.cells if part.id in set(released)] == released


# --- From the command line ----------------------------------------------------------------------


@pytest.fixture
def copies(tmp_path):
    """An older and a newer copy of the edition, as far as update.py looks at them."""
    folders = tmp_path / "older", tmp_path / "newer"
    for folder in folders:
        (folder / "notebooks").mkdir(parents=True)
        nbformat.write(RELEASED, folder / "notebooks" / NAME)
        shutil.copy(update.__file__, folder)
    return folders


@pytest.fixture
def run(copies, monkeypatch, capsys):
    """A function of arguments: what update.py of the newer copy says, and its exit status."""

    def run(argument):
        monkeypatch.setattr(update, "HERE", copies[1])
        monkeypatch.setattr(sys, "argv", ["update.py", str(argument)])
        try:
            status = update.main()
        except SystemExit as error:
            status = error.code
        return "".join(capsys.readouterr()), status

    return run


def answer(path, source):
    """Write an answer into the first solution of a notebook's file."""
    notebook = nbformat.read(path, as_version=4)
    cell(notebook, FIRST).source = source
    nbformat.write(notebook, path)


def test_copies_are_kept(copies, run):
    older, newer = copies
    path, updated = older / "notebooks" / NAME, newer / "notebooks" / NAME
    answer(path, "mine = 1")
    before = path.read_bytes()
    (older / "notebooks" / "my_own.ipynb").write_bytes(before)
    nbformat.write(new_notebook(), older / "notebooks" / "notes.ipynb")
    command = [sys.executable, "update.py", "../older"]
    output = subprocess.check_output(command, cwd=newer, text=True)
    assert f"{NAME}: carried over: answers 1, cells of your own 0" in output
    assert "my_own.ipynb: copied as it is" in output
    assert output.count("If you renamed it") == 1, "notes.ipynb has no marks"
    assert "mine = 1" in text(nbformat.read(updated, as_version=4))
    assert path.read_bytes() == before
    assert (newer / "before_update" / NAME).read_bytes() == before
    assert (newer / "notebooks" / "my_own.ipynb").exists()

    answer(path, "mine = 2")  # again, with other work: nothing is overwritten
    output, status = run(path)
    assert status == 1
    assert "you have worked in the new notebook already" in output
    assert "mine = 1" in text(nbformat.read(updated, as_version=4))
    kept = [p.read_bytes() for p in (newer / "before_update").glob("04*")]
    assert sorted(kept) == sorted([before, path.read_bytes()])


def test_what_is_wrong_with_an_argument_is_said(copies, run):
    older, newer = copies
    for argument, sentence in {
        older.parent: "there are no notebooks in",
        newer: "this is the new copy itself",
        older / "no.ipynb": "there are no notebooks in",
    }.items():
        output, status = run(argument)
        assert status == 2
        assert sentence in output


def test_a_notebook_without_marks_is_refused(copies, run):
    path = copies[0] / "notebooks" / NAME
    notebook = nbformat.read(path, as_version=4)
    for part in notebook.cells:
        part.metadata.clear()
    nbformat.write(notebook, path)
    output, status = run(path)
    assert status == 1
    assert "have lost the marks of their release" in output
