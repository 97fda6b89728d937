"""The student edition: what is left to write, what tests it, and what survives a new release."""

import ast
import functools
import re
import sys

import nbformat
import numpy as np
import pytest
from contract import ROOT, Notebook, anchors, tags
from contract_run import execute, outcome

sys.path.insert(0, str(ROOT / "publish"))
import student

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


class TestSeries:
    """Each check fails until its cells are filled, and filled in order they pass."""

    def test_checks(self, path):
        stubs, checks = by_id(unsolved(path)), student.checks_of(solved(path))
        checks = {check.cell: check.solutions for check in checks}
        names = {"__name__": "__main__"}
        cells = [cell for cell in solved(path).cells if cell.cell_type == "code"]
        if path.stem.startswith("09"):  # the other searches take their time
            cells = needed(cells, checks)
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


def needed(cells, checks):
    """The solutions, the checks, and the cells that define what these use."""
    kept, names = [], set()
    for cell in reversed(cells):
        tree = ast.parse(cell.source)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        bound = {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        bound |= {getattr(node, "name", "") for node in ast.walk(tree)}  # functions, imports
        if cell.id in checks or student.is_solution(cell) or names & bound:
            kept.insert(0, cell)
            names |= used
    return kept


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
