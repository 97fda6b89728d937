"""The student edition: what is left to write, what tests it, and what survives a new release."""

import ast
import functools
import os
import re
import shutil
import subprocess
import sys
import zipfile
from copy import deepcopy

import nbformat
import numpy as np
import pytest
from contract import ROOT, Notebook, anchors, tags
from contract_run import execute, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.preprocessors import CheckCellMetadata

sys.path.insert(0, str(ROOT / "publish"))
import student  # which puts the folder of update.py on the path
import update
from release import UnmarkCopies

PATHS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
READABLE = re.compile(r"Write [\w. ]+: see (equations? \(\d+\.\d+\)|Exercise \d)")


@functools.cache
def solved(path):
    return student.solved(nbformat.read(path, as_version=4))


@functools.cache
def unsolved(path):
    return student.unsolved(solved(path))


@pytest.fixture(scope="module", params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


def by_id(notebook):
    return {cell.id: cell for cell in notebook.cells}


# --- What is left to write, and what tests it ---------------------------------------------------


def test_each_check_fails_until_its_cells_are_filled_and_then_passes(path):
    stubs, checks = by_id(unsolved(path)), student.checks_of(solved(path))
    checks = {check.cell: check.solutions for check in checks}
    names = {"__name__": "__main__"}
    cells = [cell for cell in solved(path).cells if cell.cell_type == "code"]
    if path.stem.startswith("10"):
        cells = without_training(cells, names)
    tried = set()
    for cell in cells:
        for solution in checks.get(cell.id, ()):
            error = outcome(stubs[solution].source, None, cell.source, names)
            assert is_readable(error), f"{cell.id} without {solution}: {error!r}"
            tried |= {cell.id, solution}
        execute(compile(cell.source, f"<{cell.id}>", "exec"), names)
    to_write = {cell.id for cell in cells if student.is_solution(cell)}
    assert tried == {*checks, *to_write}, "a solution or a check that was never tried"


def is_readable(error):
    """Whether an error says what is missing; notebook 08 asks in the words of its own checks."""
    if isinstance(error, NotImplementedError):
        return READABLE.match(str(error))
    return isinstance(error, AssertionError) and len(str(error)) > 20


def without_training(cells, names):
    """The exercises of notebook 10, with an untrained network and images that are noise."""
    imports = [
        ast.unparse(node)
        for cell in cells
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    execute("\n".join(imports), names)
    [network] = [cell.source for cell in cells if "def network(" in cell.source]
    execute(network, names)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((1000, 32, 32, 3))
    X = (images + images[:, :, ::-1]).reshape(1000, 3072).astype(np.float32)  # mirror images
    y, net = rng.integers(10, size=1000), names["network"](20)
    names |= {"net": net, "X_val": X, "y_val": y, "y_test": y, "S_test": net.loss(X)}
    first = next(i for i, cell in enumerate(cells) if student.is_solution(cell))
    return [cell for cell in cells[first:] if "headline" not in tags(cell)]


def test_the_functions_that_are_named_in_student_py_exist():
    cells = [cell for path in PATHS for cell in filter(code, nbformat.read(path, 4).cells)]
    names = [name for cell in cells for name, _ in student.functions(ast.parse(cell.source))]
    for name in student.DERIVED | student.PARTS.keys():
        assert names.count(name) == 1, name
    for name, lines in student.PARTS.items():
        [source] = [cell.source for cell in cells if f"\ndef {name}(" in cell.source]
        for start in lines:
            assert re.search(rf"^ *{re.escape(start)}", source, re.M), f"{name}: {start}"


def test_what_a_notebook_derives_is_left_to_write():
    written = {
        name
        for path in PATHS
        for cell in solved(path).cells
        for name in re.findall(r"### BEGIN SOLUTION Write (?:this part of )?([\w.]+):", cell.source)
    }
    core = "softmax cross_entropy softmax_loss affine_backward relu_backward forward backward"
    assert set(core.split()) <= written
    assert {"TwoLayerNet.loss", "sgd_step", "train", "gradient_by_loop"} <= written
    assert not {"check_inputs", "check_labels", "search"} & written, "plumbing is given"


def test_a_stub_keeps_names_arguments_and_docstrings(path):
    stubs = by_id(unsolved(path))
    for cell in solved(path).cells:
        if student.is_solution(cell):
            assert signatures(stubs[cell.id].source) == signatures(cell.source), cell.id
            assert "### " not in stubs[cell.id].source
            for node in ast.parse(cell.source).body:  # a check in it could be changed
                assert isinstance(node, ast.FunctionDef | ast.ClassDef), cell.id
            guards = [
                text.count("raise ValueError(") for text in (stubs[cell.id].source, cell.source)
            ]
            assert guards[0] == guards[1], f"{cell.id}: tests of arguments are not left to write"
            assert READABLE.search(stubs[cell.id].source), cell.id


def signatures(source):
    """Name, arguments and docstring of each function outside functions."""
    found = []
    for name, node in student.functions(ast.parse(source)):
        found.append((name, ast.unparse(node.args), ast.get_docstring(node)))
    return found


def test_solutions_run_as_in_the_notebook(path):
    """Only markers were added, and cells split: joined, the code is that of the notebook."""
    original = [cell for cell in nbformat.read(path, as_version=4).cells if code(cell)]
    expected = [ast.dump(node) for cell in original for node in ast.parse(cell.source).body]
    found = [
        ast.dump(node) for c in solved(path).cells if code(c) for node in ast.parse(c.source).body
    ]
    assert found == expected


def code(cell):
    return cell.cell_type == "code"


def test_a_function_stays_the_students_own(path):
    """No later cell imports what the student has written."""
    own = set()
    for cell in filter(code, solved(path).cells):
        tree = ast.parse(cell.source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert not own & {alias.asname or alias.name for alias in node.names}, cell.id
        if student.is_solution(cell):
            own |= {name for name, _ in student.functions(tree)}


def test_text_and_checks_are_locked_and_the_rest_is_free(path):
    notebook = unsolved(path)
    nbformat.validate(notebook)
    checks = {check.cell for check in student.checks_of(solved(path))}
    for cell in notebook.cells:
        locked = not code(cell) or cell.id in checks
        assert cell.metadata.get("editable", True) == (not locked), cell.id
        if code(cell):
            assert (cell.outputs, cell.execution_count) == ([], None)
            assert cell.metadata.get("nbgrader", {}).get("points", 0) == (cell.id in checks)


def test_the_first_cell_says_what_to_write(path):
    first = unsolved(path).cells[0]
    assert first.cell_type == "markdown"
    _, begin, told = first.source.partition("**You write** ")
    assert begin
    for cell in solved(path).cells:
        for name in re.findall(r"SOLUTION Write (?:this part of )?([\w.]+): see equ", cell.source):
            assert f"`{name}`" in told
    assert "the exercises" in told


# --- The folder and the archive -----------------------------------------------------------------


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    """A folder like build/ with everything in it."""
    folder = tmp_path_factory.mktemp("build")
    student.build(folder)
    return folder


def test_links_lead_somewhere_in_the_folder(edition):
    readme = edition / "student" / "README.md"
    texts = {readme: [readme.read_text(encoding="utf-8")]}
    assert "$X, y, Y$" in texts[readme][0], "the notation table"
    assert all(f"(notebooks/{path.name})" in texts[readme][0] for path in PATHS), "the series"
    assert "their solutions" not in texts[readme][0]
    for path in (edition / "student" / "notebooks").glob("*.ipynb"):
        texts[path] = Notebook.read(path).text
    assert len(texts) == len(PATHS) + 1
    for path, text in texts.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", "\n".join(text)):
            file, _, anchor = target.partition("#")
            if file.startswith(("http://", "https://")):
                continue
            assert (path.parent / file).exists(), f"{path.name}: {target}"
            if anchor:
                there = Notebook.read(path.parent / file).text if file else text
                assert anchor in anchors(there), f"{path.name}: {target}"


def test_the_archive_holds_the_folder_and_is_the_same_every_time(edition, tmp_path):
    names = zipfile.ZipFile(edition / "student.zip").namelist()
    files = [path for path in (edition / "student").rglob("*") if path.is_file()]
    assert sorted(names) == sorted(
        f"student/{path.relative_to(edition / 'student').as_posix()}" for path in files
    )
    os.utime(files[0], (10**9, 10**9))  # another time, as after another checkout
    student.write_zip(edition / "student", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (edition / "student.zip").read_bytes()


def test_a_second_build_keeps_the_work_of_an_instructor(tmp_path, monkeypatch):
    monkeypatch.setattr(student, "solved", lambda notebook: notebook)  # quicker, and enough
    monkeypatch.setattr(student, "unsolved", lambda notebook: notebook)
    kept = [tmp_path / "nbgrader" / name for name in ("submitted/ann/series/04.ipynb", "grades")]
    for file in kept:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("work")
    stale = tmp_path / "nbgrader" / "source" / "series" / "99_gone.ipynb"
    stale.parent.mkdir(parents=True)
    stale.write_text("an older release")
    student.build(tmp_path)
    assert all(file.exists() for file in kept)
    assert not stale.exists()


def test_the_package_in_the_archive_works_alone(edition, tmp_path):
    zipfile.ZipFile(edition / "student.zip").extractall(tmp_path)
    run = (
        "import cs231n_utils.datasets as data; print(data.load_digits()); print(data.__file__); "
        "from cs231n_utils.taught import cifar10, search, training"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-c", run],
        cwd=tmp_path / "student",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert str(tmp_path) in result.stdout


# --- nbgrader -----------------------------------------------------------------------------------


def test_nbgrader_gives_the_solved_notebook_all_points_and_the_untouched_none(edition):
    """The whole series takes minutes: `python publish/student.py --prove` shows it."""
    [path] = [path for path in PATHS if path.stem.startswith("05")]
    points, released = student.grade(edition, "05*")
    assert points["solved"] == points["possible"] == len(student.checks_of(solved(path))) > 0
    assert points["untouched"] == 0
    [path] = released.glob("*.ipynb")
    assert path.read_bytes() == (edition / "student" / "notebooks" / path.name).read_bytes()


def test_nbgrader_grades_a_notebook_with_copied_and_split_cells():
    """JupyterLab copies a cell's marks when it copies or splits the cell."""
    notebook = deepcopy(unsolved(PATHS[3]))
    first, *_ = solution_ids(notebook)
    check = next(c.id for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade"))
    for name in (first, check):
        twin = deepcopy(by_id(notebook)[name])
        twin.id = f"twin-of-{name}"
        notebook.cells.insert([cell.id for cell in notebook.cells].index(name), twin)
    for step in (UnmarkCopies(), CheckCellMetadata()):
        notebook, _ = step.preprocess(notebook, {})
    assert "nbgrader" in by_id(notebook)[first].metadata
    assert "nbgrader" not in by_id(notebook)[f"twin-of-{first}"].metadata
    settings = (student.TEMPLATES / "nbgrader" / "nbgrader_config.py").read_text(encoding="utf-8")
    assert "UnmarkCopies," in settings


# --- A newer release ----------------------------------------------------------------------------


@pytest.fixture
def old():
    """Notebook 04 as it was released once."""
    return deepcopy(unsolved(PATHS[3]))


@pytest.fixture
def new():
    """The same notebook, released again."""
    return deepcopy(unsolved(PATHS[3]))


def changed(notebook, cell_id, source):
    """Release a cell with another text."""
    cell = by_id(notebook)[cell_id]
    cell.source = source
    cell.metadata.released.digest = update.digest(source)


def texts(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def solution_ids(notebook):
    return [c.id for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution")]


def test_update_of_an_untouched_notebook_changes_nothing(old, new):
    expected = deepcopy(new)
    assert update.merge(old, new) == ["carried over: answers 0, cells of your own 0"]
    assert new == expected


def test_update_carries_answers_and_own_cells_to_their_places(old, new):
    first, *_ = solution_ids(old)
    by_id(old)[first].source = "def softmax_loss(S, y):\n    return 'mine'"
    position = [cell.id for cell in old.cells].index(first)
    old.cells.insert(position + 1, new_code_cell("print('my test')", outputs=[]))
    old.cells.insert(0, new_markdown_cell("my note"))
    changed(new, new.cells[0].id, "# 04 A better title")
    told = update.merge(old, new)
    assert told == ["carried over: answers 1, cells of your own 2"]
    assert by_id(new)[first].source.endswith("'mine'")
    assert new.cells[0].source == "my note"
    assert new.cells[1].source == "# 04 A better title"
    following = new.cells[[cell.id for cell in new.cells].index(first) + 1]
    assert following.source == "print('my test')"
    nbformat.validate(new)


def test_update_says_when_a_task_has_changed_and_keeps_both(old, new):
    first, *_ = solution_ids(old)
    by_id(old)[first].source = "def softmax_loss(S, y):\n    return 'mine'"
    changed(new, first, "def softmax_loss(S, y, T):\n    raise NotImplementedError('Write it')")
    told = update.merge(old, new)
    assert "the task has changed" in told[1]
    assert by_id(new)[first].source.endswith("'mine'")
    assert "def softmax_loss(S, y, T):" in texts(new)


def test_update_keeps_an_answer_whose_cell_is_gone(old, new):
    first, *_ = solution_ids(old)
    by_id(old)[first].source = "def softmax_loss(S, y):\n    return 'mine'"
    new.cells = [cell for cell in new.cells if cell.id != first]
    told = update.merge(old, new)
    assert "no longer part of the release" in told[1]
    assert "return 'mine'" in texts(new)
    nbformat.validate(new)


def test_update_keeps_a_change_to_given_code(old, new):
    free = next(c.id for c in old.cells if code(c) and "nbgrader" not in c.metadata)
    by_id(old)[free].source += "\nmine = 1"
    both = deepcopy(new)
    assert "your change to the given code is kept" in update.merge(old, new)[1]
    assert by_id(new)[free].source.endswith("mine = 1")
    changed(both, free, "theirs = 1")
    assert "yours is in a note" in update.merge(old, both)[1]
    assert by_id(both)[free].source == "theirs = 1"
    assert "mine = 1" in texts(both)


def test_update_restores_texts_and_checks_and_keeps_what_was_there(old, new):
    expected = {cell.id: cell.source for cell in new.cells}
    check = next(c for c in old.cells if c.metadata.get("nbgrader", {}).get("grade"))
    check.source, old.cells[0].source = "pass  # no check", "# My title"
    told = update.merge(old, new)
    assert len([line for line in told if "the release's version stands" in line]) == 2
    assert all(by_id(new)[name].source == source for name, source in expected.items())
    assert "pass  # no check" in texts(new)
    assert "# My title" in texts(new)


def test_update_takes_a_copied_cell_for_a_cell_of_ones_own(old, new):
    first, *_ = solution_ids(old)
    copy = deepcopy(by_id(old)[first])  # JupyterLab copies the metadata, too
    copy.id, copy.source = "another", "attempt = 1"
    old.cells.insert(0, copy)
    by_id(old)[first].source = "attempt = 2"
    update.merge(old, new)
    assert by_id(new)[first].source == "attempt = 2"
    assert new.cells[0].source == "attempt = 1"
    assert not new.cells[0].metadata.keys() & {"released", "nbgrader", "deletable"}


def test_update_finds_an_answer_whose_cell_lost_its_marks(old, new):
    """JupyterLab drops them when the cell is merged into one of the student's own."""
    first, *_ = solution_ids(old)
    answer = "helper = 1\n\ndef softmax_loss(S, y):\n    return 'mine'"
    position = [cell.id for cell in old.cells].index(first)
    old.cells[position] = new_code_cell(answer)
    old.cells.insert(0, new_code_cell("softmax_loss = None  # uses the name, defines nothing"))
    told = update.merge(old, new)
    assert told == ["carried over: answers 1, cells of your own 1"]
    assert by_id(new)[first].source == answer
    assert texts(new).count("return 'mine'") == 1


def test_update_does_not_take_a_cell_of_ones_own_for_an_answer_that_is_there(old, new):
    first, *_ = solution_ids(old)
    by_id(old)[first].source = "def softmax_loss(S, y):\n    return 'final'"
    old.cells.insert(0, new_code_cell("def softmax_loss(S, y):\n    return 'first try'"))
    assert update.merge(old, new) == ["carried over: answers 1, cells of your own 1"]
    assert by_id(new)[first].source.endswith("'final'")
    assert new.cells[0].source.endswith("'first try'")


def test_line_ends_of_windows_are_no_change(old, new):
    for cell in old.cells:
        cell.source = cell.source.replace("\n", "\r\n")
    assert update.merge(old, new) == ["carried over: answers 0, cells of your own 0"]


edits = st.lists(
    st.tuples(
        st.sampled_from(["change", "add", "delete", "copy", "move", "strip", "remove", "revise"]),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(edits)
def test_update_loses_nothing_whatever_was_done(edits):
    """Whatever a student does to the old release, and whatever the new one changes."""
    old, new = (deepcopy(unsolved(PATHS[3])) for _ in range(2))
    written = []
    for number, (kind, a, b) in enumerate(edits):
        cells = new.cells if kind in ("remove", "revise") else old.cells
        cell, text = cells[a % len(cells)], f"edit {number}"
        if kind == "change":
            cell.source += f"\n{text}"
        elif kind == "add":
            cells.insert(b % len(cells), new_code_cell(text))
        elif kind == "copy":
            twin = deepcopy(cell)
            twin.id, twin.source = f"twin-{number}", text
            cells.insert(b % len(cells), twin)
        elif kind in ("delete", "remove"):
            cells.remove(cell)
        elif kind == "strip":  # some programs remove metadata
            cell.source, cell.metadata = text, NotebookNode()
        elif kind == "move":
            cells.remove(cell)
            cells.insert(b % len(cells), cell)
        else:
            changed(new, cell.id, text)
        if kind in ("change", "add", "copy", "strip"):
            written.append(text)
    lines = {line for cell in old.cells for line in cell.source.splitlines()}
    released = [cell.id for cell in new.cells]
    update.merge(old, new)
    nbformat.validate(new)
    assert len({cell.id for cell in new.cells}) == len(new.cells)
    assert lines & set(written) <= set(texts(new).splitlines())
    assert [cell.id for cell in new.cells if cell.id in set(released)] == released


@pytest.fixture
def copies(edition, tmp_path):
    """Two unpacked copies of the edition: an older and a newer one."""
    for name in ("older", "newer"):
        shutil.copytree(edition / "student", tmp_path / name)
    return tmp_path / "older", tmp_path / "newer"


@pytest.fixture
def run_update(monkeypatch, capsys):
    """A function of the newer copy and arguments: what update.py says, and its exit status."""

    def run(newer, *arguments):
        monkeypatch.setattr(update, "HERE", newer)
        monkeypatch.setattr(sys, "argv", ["update.py", *map(str, arguments)])
        try:
            status = update.main()
        except SystemExit as error:
            status = error.code
        return "".join(capsys.readouterr()), status

    return run


def answer(path, text):
    """Write an answer into the first solution of a notebook's file."""
    notebook = nbformat.read(path, as_version=4)
    by_id(notebook)[solution_ids(notebook)[0]].source = text
    nbformat.write(notebook, path)


def test_update_from_the_command_line_keeps_copies(copies, run_update):
    older, newer = copies
    path = older / "notebooks" / "04_softmax_gradient.ipynb"
    answer(path, "mine = 1")
    before = path.read_bytes()
    (older / "notebooks" / "my_own.ipynb").write_bytes(before)
    nbformat.write(new_notebook(), older / "notebooks" / "notes.ipynb")
    command = [sys.executable, "update.py", "../older"]
    output = subprocess.run(command, cwd=newer, capture_output=True, text=True, check=True).stdout
    assert "04_softmax_gradient.ipynb: carried over: answers 1, cells of your own 0" in output
    assert "my_own.ipynb: copied as it is" in output
    assert output.count("If you renamed it") == 1, "notes.ipynb has no marks"
    assert "mine = 1" in texts(nbformat.read(newer / "notebooks" / path.name, as_version=4))
    assert path.read_bytes() == before
    assert (newer / "before_update" / path.name).read_bytes() == before
    assert (newer / "notebooks" / "my_own.ipynb").exists()

    answer(path, "mine = 2")  # again, with other work: nothing is overwritten
    output, status = run_update(newer, path)
    assert status == 1
    assert "you have worked in the new notebook already" in output
    assert "mine = 1" in texts(nbformat.read(newer / "notebooks" / path.name, as_version=4))
    kept = [p.read_bytes() for p in (newer / "before_update").glob("04*")]
    assert sorted(kept) == sorted([before, path.read_bytes()])


def test_update_says_what_is_wrong_with_its_argument(copies, tmp_path, run_update):
    older, newer = copies
    for argument, sentence in [
        (tmp_path, "there are no notebooks in"),
        (newer, "this is the new copy itself"),
        (older / "no.ipynb", "there are no notebooks in"),
    ]:
        output, status = run_update(newer, argument)
        assert status == 2
        assert sentence in output


def test_update_refuses_a_notebook_without_marks(copies, run_update):
    older, newer = copies
    path = older / "notebooks" / "04_softmax_gradient.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata.clear()
    nbformat.write(notebook, path)
    output, status = run_update(newer, path)
    assert status == 1
    assert "have lost the marks of their release" in output
