"""The student edition: what is left to write, what tests it, and the folder that students get."""

import ast
import re
import subprocess
import sys
import zipfile
from functools import cache

import nbformat
import numpy as np
import pytest

from cs231n_utils.datasets import load_digits
from cs231n_utils.taught.cifar10 import network
from cs231n_utils.taught.linear import linear_scores
from cs231n_utils.taught.losses import cross_entropy
from publish.notebook import Notebook, computed, exported_to, has_solution, tags
from publish.student import edition
from tools.contract import lines_of_code_fit, links_lead_somewhere
from tools.contract_run import execute, outcome

READABLE = re.compile(r"Write [\w. ]+: see (equations? \(\d+\.\d+\)|Exercise \d)")
NAMED = re.compile(r"### BEGIN SOLUTION Write (?:part of )?([\w.]+): see equation")
SERIES = Notebook.series()


@cache  # in the worker that asks for it
def solved(number):
    """A notebook with all solutions, by its number."""
    [notebook] = Notebook.series(number)
    return edition.solved(notebook)


@pytest.fixture(scope="module", params=SERIES, ids=lambda notebook: notebook.name)
def full(request):
    """The notebook with all solutions."""
    return solved(request.param.number)


@pytest.fixture(scope="module")
def stubs(full):
    """The notebook as a student gets it."""
    return edition.unsolved(full)


def by_id(notebook):
    return {cell.id: cell for cell in notebook.cells}


@pytest.mark.slow
def test_checks_of_12_fail_until_their_cells_are_filled_and_then_pass():
    """Of the other notebooks test_fairness.py tries them; the data do not allow to run this one."""
    full, names = solved("12"), {"__name__": "__main__"}
    unsolved = by_id(edition.unsolved(full))
    for solution, check in without_training(full, names):
        error = outcome(unsolved[solution.id].source, None, check.source, names)
        assert isinstance(error, NotImplementedError), check.id
        for cell in (solution, check):
            execute(compile(cell.source, f"<{cell.id}>", "exec"), names)


def without_training(notebook, names):
    """The exercises of notebook 12; for them an untrained network, and images that are noise."""
    nodes = [node for cell in notebook.code for node in ast.parse(cell.source).body]
    imports = [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    execute("\n".join(imports), names)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((1000, 32, 32, 3))
    X = (images + images[:, :, ::-1]).reshape(1000, 3072).astype(np.float32)  # mirror images
    y, net = rng.integers(10, size=1000), network(20)
    names |= {"net": net, "X_val": X, "y_val": y, "y_test": y, "S_test": net.loss(X)}
    return [(exercise.solution, exercise.check) for exercise in notebook.exercises]


def test_a_check_of_02_tells_a_sum_from_a_mean():
    digits, check = load_digits(), by_id(solved("02"))["c02-067"].source
    names = {"np": np, "rng": np.random.default_rng(0), "linear_scores": linear_scores}
    names |= {"digits": digits, "X_train": digits.X_train}
    for factor, told in [(1204, "is the sum over 1204 images"), (2, "which scores enter where?")]:
        wrong = {"cross_entropy": lambda S, y, factor=factor: factor * cross_entropy(S, y)}
        assert told in str(outcome("", wrong, check, dict(names)))


def test_what_a_notebook_derives_is_left_to_write(full, stubs):
    """Of exported lines with a number, only those around a step of the training loop are given."""
    exported = "\n".join(cell.source for cell in stubs.code if exported_to(cell))
    assert computed(exported) == (["8.3", "8.8"] if full.number == "08" else [])


def test_what_is_left_to_write_is_said_and_checked(full, stubs):
    checks = {cell.id: {solution.id for solution in found} for cell, found in full.checks}
    assert all(checks.values())
    assert set().union(*checks.values()) == {cell.id for cell in full.solutions}
    for exercise in full.exercises:
        assert checks[exercise.check.id] == {exercise.solution.id}, exercise.title
    above, _, told = stubs.contract.partition("**You write** ")
    assert "\n## " not in above
    assert "the exercises" in told
    for cell in full.solutions:
        stub = by_id(stubs)[cell.id].source
        assert signatures(stub) == signatures(cell.source), cell.id
        assert "### " not in stub
        assert stub.startswith(f"{edition.YOURS}: "), "the sign"
        assert stub.count("raise ValueError(") == cell.source.count("raise ValueError("), cell.id
        assert READABLE.search(stub), cell.id
        assert all(f"`{name}`" in told for name in NAMED.findall(cell.source)), cell.id
        for node in ast.parse(cell.source).body:  # a check in it could be changed
            assert isinstance(node, ast.FunctionDef | ast.ClassDef), cell.id


def signatures(source):
    """Name, arguments and docstring of each function outside functions."""
    return [
        (name, ast.unparse(node.args), ast.get_docstring(node))
        for name, node in edition.functions(ast.parse(source))
    ]


def test_a_function_stays_the_students_own_until_one_short_cell_takes_over(full):
    """No cell above its last check imports what the student has written."""
    own, above = set(), set()
    for cell in full.code:
        tree = ast.parse(cell.source)
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names = {alias.asname or alias.name for node in imports for alias in node.names}
        if "given" in tags(cell):
            own -= names
            assert all(len(line) <= 88 for line in cell.source.splitlines()), "Lab cuts it off"
            assert "given" not in above, "one is enough"
        assert not own & names, cell.id
        if has_solution(cell):
            own |= {name for name, _ in edition.functions(tree)}
        above = tags(cell)


def test_text_and_checks_are_locked_and_the_rest_is_free(stubs):
    nbformat.validate(stubs.content)
    assert not list(lines_of_code_fit(stubs))
    for cell in stubs.cells:
        check = "check" in tags(cell)
        locked = cell.cell_type != "code" or check or "given" in tags(cell)
        assert cell.metadata.get("editable", True) != locked
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
            assert ("points" in cell.metadata.get("nbgrader", {})) == check, cell.id


@pytest.mark.slow
def test_the_folder_leads_nowhere_else_and_its_archive_works_alone(tmp_path):
    edition.build(tmp_path / "build")
    with zipfile.ZipFile(tmp_path / "build" / "student.zip") as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "student"
    assert (folder / "AGENTS.md").exists()
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "$X, y, Y$" in readme, "the notation table"
    assert "its solution" not in readme
    for target in re.findall(r"\]\(([^)\s:#]+)[)#]", readme):
        assert (folder / target).exists(), target
    for notebook in SERIES:
        copy = folder / "notebooks" / notebook.path.name
        assert f"(notebooks/{copy.name})" in readme, "the series"
        assert not list(links_lead_somewhere(Notebook.read(copy)))
    code = "import cs231n_utils.datasets as data; print(data.load_digits(), data.__file__)"
    command = [sys.executable, "-E", "-c", code]  # without PYTHONPATH
    assert str(folder) in subprocess.check_output(command, cwd=folder, text=True)


def test_a_second_build_keeps_the_work_of_an_instructor(tmp_path, monkeypatch):
    monkeypatch.setattr(Notebook, "series", lambda: [])  # quicker, and enough
    kept = [tmp_path / "nbgrader" / name for name in ("submitted/ann/04/04.ipynb", "grades")]
    stale = tmp_path / "nbgrader" / "source" / "99_gone" / "99_gone.ipynb"
    for file in [*kept, stale]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("work")
    edition.build(tmp_path)
    assert all(file.exists() for file in kept)
    assert not stale.exists()
