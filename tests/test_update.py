"""What survives a new release: in the zip, and in my_notebooks/."""

import os
import re
import sys
from copy import deepcopy

import nbformat
import pytest
from hypothesis import strategies as st
from jupyter_client.manager import KernelManager
from jupyter_core.application import JupyterApp
from jupyterlab import labapp
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from strategies import for_all

from cs231n_utils.progress import digest
from publish.notebook import Notebook
from publish.student import edition, lab, start

NAME = "04_softmax_gradient.ipynb"
SOLVED = edition.solved(Notebook.series("04")[0])
RELEASED = edition.unsolved(SOLVED).content
FIRST = SOLVED.solutions[0].id  # softmax_loss
CHECK = SOLVED.tagged("check")[0].id
TITLE = RELEASED.cells[0]
BEFORE = RELEASED.cells[[c.id for c in RELEASED.cells].index(FIRST) - 1].id
FREE = next(c.id for c in SOLVED.code[1:] if "nbgrader" not in c.metadata)
MINE = "def softmax_loss(S, y):\n    return 'mine'"


def release():
    """Notebook 04 as it is released."""
    return deepcopy(RELEASED)


old, new = pytest.fixture(release, name="old"), pytest.fixture(release, name="new")


def cell(notebook, name):
    return next(cell for cell in notebook.cells if cell.id == name)


def place(notebook, name):
    return [cell.id for cell in notebook.cells].index(name)


def release_again(notebook, name, source):
    """Release a cell with another text."""
    cell(notebook, name).source = source
    cell(notebook, name).metadata.released.digest = digest(source)


def text(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["untouched", "windows"])
def test_what_is_no_change_changes_nothing(old, new, line_end):
    for part in old.cells:
        part.source = part.source.replace("\n", line_end)
    assert start.merge(old, new) == []
    assert new == RELEASED


def test_answers_and_own_cells_come_to_their_places(old, new):
    cell(old, FIRST).source = MINE
    old.cells.insert(place(old, FIRST) + 1, new_code_cell("print('my test')"))
    old.cells.insert(0, new_markdown_cell("my note"))
    release_again(new, new.cells[0].id, "# 04 A better title")
    assert start.merge(old, new) == ["carried over: answers 1, cells of your own 2"]
    assert [part.source for part in new.cells[:2]] == ["my note", "# 04 A better title"]
    assert cell(new, FIRST).source == MINE
    assert new.cells[place(new, FIRST) + 1].source == "print('my test')"
    nbformat.validate(new)


@pytest.mark.parametrize(
    ("name", "released", "sentence", "stands"),
    [
        (FIRST, "def softmax_loss(S, y, T):", "the task has changed", MINE),
        (FIRST, None, "no longer part of the release", None),
        (FREE, "", "your change to the given code is kept", MINE),
        (FREE, "theirs = 1", "yours is in a note", "theirs = 1"),
        (CHECK, "", "the release's version stands", SOLVED.tagged("check")[0].source),
        (TITLE.id, "", "the release's version stands", TITLE.source),
    ],
)
def test_what_changed_is_said_and_kept(old, new, name, released, sentence, stands):
    """In the new release the cell that a student changed has another text, the same, or is gone."""
    cell(old, name).source = MINE
    if released is None:
        new.cells.remove(cell(new, name))
    elif released:
        release_again(new, name, released)
    assert sentence in start.merge(old, new)[1]
    assert MINE in text(new)
    assert released is None or cell(new, name).source == stands
    assert (released or "") in text(new)
    assert all(cell(new, part.id) == part for part in RELEASED.cells if part.id != name)
    nbformat.validate(new)


def test_an_answer_is_found_whose_cell_lost_its_marks(old, new):
    """JupyterLab drops them when the cell is merged into one of the student's own."""
    old.cells[place(old, FIRST)] = new_code_cell(f"helper = 1\n\n{MINE}")
    old.cells.insert(0, new_code_cell("softmax_loss = None  # uses the name, defines nothing"))
    assert start.merge(old, new) == ["carried over: answers 1, cells of your own 1"]
    assert cell(new, FIRST).source == f"helper = 1\n\n{MINE}"
    assert text(new).count("return 'mine'") == 1


OLD_EDITS = ["change", "add", "delete", "copy", "move", "strip"]
NEW_EDITS = ["remove", "revise"]
NUMBER = st.integers(0, 10**6)


@for_all(
    edits=st.lists(st.tuples(st.sampled_from(OLD_EDITS + NEW_EDITS), NUMBER, NUMBER), max_size=12),
    max_examples=30,
)
def test_nothing_is_lost_whatever_was_done(edits):
    """Whatever a student does to the old release, and whatever the new one changes."""
    old, new = release(), release()
    for number, (kind, a, b) in enumerate(edits):
        cells = new.cells if kind in NEW_EDITS else old.cells
        part, line = cells[a % len(cells)], f"edit {number}"
        twin = NotebookNode(deepcopy(part), id=f"twin-{number}", source=line)
        inserted = {"add": new_code_cell(line), "copy": twin, "move": part}
        if kind in ("delete", "remove", "move"):
            cells.remove(part)
        if kind in inserted:
            cells.insert(b % len(cells), inserted[kind])
        if kind == "change":
            part.source += f"\n{line}"
        if kind == "strip":  # some programs remove metadata
            part.source, part.metadata = line, NotebookNode()
        if kind == "revise":
            release_again(new, part.id, line)
    written = {line for line in text(old).splitlines() if line.startswith("edit ")}
    released = [part.id for part in new.cells]
    start.merge(old, new)
    nbformat.validate(new)
    assert len({part.id for part in new.cells}) == len(new.cells)
    assert written <= set(text(new).splitlines())
    assert [part.id for part in new.cells if part.id in set(released)] == released


@pytest.fixture
def copies(tmp_path, monkeypatch):
    """The folders of an older and a newer copy of the edition."""
    folders = tmp_path / "older" / "notebooks", tmp_path / "newer" / "notebooks"
    for folder in folders:
        folder.mkdir(parents=True)
        nbformat.write(RELEASED, folder / NAME)
    monkeypatch.setattr(start, "HERE", folders[1].parent)
    monkeypatch.setattr(start, "open_lab", lambda *_: None)
    return folders


def test_kernels_start_without_a_warning_of_eavesdroppers(tmp_path, monkeypatch, capfd):
    given, application = [], JupyterApp()
    monkeypatch.setattr(labapp, "main", given.extend)
    start.open_lab(tmp_path, NAME, port=0)
    application.parse_command_line([each for each in given if "KernelManager" in each])
    manager = KernelManager(config=application.config)
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready()
    client.stop_channels()
    manager.shutdown_kernel()
    assert "eavesdrop" not in capfd.readouterr().err


def test_copies_are_kept(copies, monkeypatch, capsys):
    older, newer = copies
    for folder in copies:
        nbformat.write(RELEASED, folder / "01_untouched.ipynb")
        nbformat.write(RELEASED, folder / "02_untouched.ipynb")
    monkeypatch.setattr(sys, "argv", ["start.py", str(older.parent), "--port=0"])
    for number in (1, 2):
        notebook = nbformat.read(older / NAME, as_version=4)
        cell(notebook, FIRST).source = f"mine = {number}"
        nbformat.write(notebook, older / NAME)
        before = (older / NAME).read_bytes()
        if number == 1:
            start.main()
            told = f"{NAME}: carried over: answers 1, cells of your own 0\n2 notebooks updated in"
        else:  # with other work: nothing is overwritten
            with pytest.raises(SystemExit, match="start without the name"):
                start.main()
            told = "you have worked in the new notebook already"
        assert told in capsys.readouterr().out
        assert "mine = 1" in text(nbformat.read(newer / NAME, as_version=4))
        assert (older / NAME).read_bytes() == before
        kept = [path.read_bytes() for path in (newer.parent / "before_update").glob("04*")]
        assert len(kept) == number
        assert before in kept
    bare = new_notebook(cells=[new_code_cell(part.source) for part in RELEASED.cells])
    nbformat.write(bare, older / NAME)
    nbformat.write(RELEASED, newer / NAME)
    with pytest.raises(SystemExit):
        start.main()
    assert "have lost the marks of their release" in capsys.readouterr().out


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A learner's folder with notebook 04."""
    monkeypatch.setattr(Notebook, "series", lambda: [Notebook.read(SOLVED.path)])
    lab.refresh(tmp_path / "mine")
    return tmp_path / "mine"


def test_a_link_to_a_solved_cell_opens_a_copy_that_each_start_renews(mine, monkeypatch):
    """JupyterLab writes into a notebook that it opens: one of the checkout would stop git pull."""
    copy = mine / "solved" / f"solved_{NAME}"
    [made, solved] = [nbformat.read(path, as_version=4) for path in (copy, SOLVED.path)]
    [made_code, code] = [
        [part for part in each.cells if part.cell_type == "code"] for each in (made, solved)
    ]
    assert made_code == code
    assert "language_info" in made.metadata, "JupyterLab would write it, and ask to save"
    before = copy.read_bytes()
    copy.write_text("half a note")
    lab.refresh(mine)
    assert copy.read_bytes() == before
    with_link = SOLVED.path.with_name("20_pytorch.ipynb")
    monkeypatch.setattr(Notebook, "series", lambda: [Notebook.read(with_link)])
    lab.refresh(mine)
    text = (copy.parent / f"solved_{with_link.name}").read_text(encoding="utf-8")
    [link] = re.findall(r"\]\((\.\.[^)#]*)", text)
    assert (lab.MINE / "solved" / link).resolve().exists()
    others = set(re.findall(r"\]\(([^):#]*\.ipynb)", text))
    assert others, "it links notebooks before it"
    assert all((lab.ROOT / "notebooks" / name.removeprefix("solved_")).exists() for name in others)
    assert all(name.startswith("solved_") for name in others)


def test_lab_opens_the_notebook_that_was_changed_last(mine):
    """Not one that a start has made."""
    assert start.worked_in_last(mine) == "mine/01_linear_scores.ipynb"
    cell(notebook := release(), FIRST).source = MINE
    nbformat.write(notebook, mine / "05_written.ipynb")
    cell(ran := release(), FIRST).execution_count = 1
    nbformat.write(ran, mine / "06_ran.ipynb")
    os.utime(mine / "06_ran.ipynb", (2e8, 2e8))
    for time, last in [(1e8, "06_ran.ipynb"), (3e8, "05_written.ipynb")]:
        os.utime(mine / "05_written.ipynb", (time, time))
        start.name_python(mine)  # writes them, and is no change
        assert start.worked_in_last(mine) == f"mine/{last}"


def test_a_learners_notebook_is_made_once_and_updated_by_a_release(mine, monkeypatch, capsys):
    """A start without a new release leaves it as it is, even with a cell deleted."""
    made = nbformat.read(mine / NAME, as_version=4)
    assert f"(solved/solved_{NAME}#cell-id={FIRST})" in cell(made, BEFORE).source
    assert (mine / "AGENTS.md").exists()
    cell(made, FIRST).source = MINE
    made.cells.remove(made.cells[-1])
    nbformat.write(made, mine / NAME)
    before, changed = (mine / NAME).read_bytes(), 1e9
    os.utime(mine / NAME, (changed, changed))
    lab.refresh(mine)
    assert (mine / NAME).read_bytes() == before
    revised = Notebook.read(SOLVED.path)
    cell(revised.content, FREE).source += "\n# revised"
    monkeypatch.setattr(Notebook, "series", lambda: [revised])
    lab.refresh(mine)
    assert capsys.readouterr().out == f"{NAME}: carried over: answers 1, cells of your own 0\n"
    updated = nbformat.read(mine / NAME, as_version=4)
    assert cell(updated, FIRST).source == MINE
    assert cell(updated, FREE).source.endswith("# revised")
    assert (mine / "before_update" / NAME).read_bytes() == before
    assert (mine / NAME).stat().st_mtime == changed
    (mine / NAME).write_text("half a note")
    lab.refresh(mine)
    assert capsys.readouterr().out.startswith(f"{NAME} is damaged. Rename it")
    assert (mine / NAME).read_text() == "half a note"
