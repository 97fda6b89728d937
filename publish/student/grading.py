"""The proof that grading is fair: what nbgrader gives for right, empty and damaged notebooks."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from publish.notebook import Notebook
from publish.student.edition import solved, unsolved

STUB = re.compile(r"^( *)raise NotImplementedError\(.*\)$", re.M)
POINTS = re.compile(r"^(\w+)[:,] ([\d.]+) points", re.M)


def prove(folder: Path, numbers: list[str]) -> bool:
    """Print the points of every kind of hand-in, notebook by notebook.

    Parameters
    ----------
    folder : Path
        Where `build` has written nbgrader/.
    numbers : list of str
        The notebooks' two digits.

    Returns
    -------
    bool
        Whether right answers got all points, also in a battered notebook, and no answers none.
    """
    course, fair = copy(folder), True
    for notebook in Notebook.series(*numbers):
        if missing := notebook.missing_package:
            print(f"{notebook.name}: left out: {missing}")
            continue
        *most, (kind, loops) = hand_ins(notebook).items()
        for name, content in most:
            hand_in(course, name, notebook.name, content)
        week(course, notebook.name)
        hand_in(course, kind, notebook.name, loops)
        start = time.perf_counter()
        printed = week(course, notebook.name)
        seconds = time.perf_counter() - start
        points = {name: float(score) for name, score in POINTS.findall(printed)}
        full = points.pop(notebook.name)
        listed = ", ".join(f"{name} {score:g}" for name, score in points.items())
        print(f"{notebook.name}: {full:g} points; {listed}; loops took {seconds:.0f} s", flush=True)
        fair &= points["solved"] == points["battered"] == full
        fair &= points["untouched"] == points["none"] == points["zero"] == 0
    return fair


def hand_in(course: Path, student: str, name: str, content: NotebookNode) -> None:
    """Put a notebook where `marking.week` looks for it, under a name that a browser gives.

    The student is on the list of the class.
    """
    listed = course / "students.csv"
    known = listed.read_text(encoding="utf-8").split() if listed.exists() else ["id"]
    listed.write_text("\n".join(dict.fromkeys([*known, student])), encoding="utf-8")
    folder = course / "handed_in" / student
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(content, folder / f"{name.replace('_', ' ', 1)} (1).ipynb")


def week(course: Path, notebook: str) -> str:
    """Run the command of the week; the summary that it prints."""
    command = [sys.executable, "-m", "marking.week", notebook]
    result = subprocess.run(command, cwd=course, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command[1:])}:\n{result.stdout}{result.stderr}")
    return result.stdout


# --- Ways to hand a notebook in -----------------------------------------------------------------


def hand_ins(notebook: Notebook) -> dict[str, NotebookNode]:
    """Notebooks by the kind of student who hands them in."""
    full = solved(notebook)
    right, empty = full.content, unsolved(full).content
    first = full.solutions[0].id
    return {
        "solved": right,
        "untouched": empty,
        "none": answered(empty, lambda space: f"{space}return None"),
        "zero": answered(empty, lambda space: f"{space}return 0.0"),
        "battered": battered(full),
        "syntax": with_source(right, first, lambda source: f"{source}\n    )"),
        "killed": with_source(stub(right, empty, first), first, killed),
        "loops": answered(empty, lambda space: f"{space}while True:\n{space}    pass"),
    }


def answered(empty: NotebookNode, answer: Callable[[str], str]) -> NotebookNode:
    """The notebook with one answer everywhere."""
    content = deepcopy(empty)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.source = STUB.sub(lambda found: answer(found[1]), cell.source)
    return content


def with_source(content: NotebookNode, cell_id: str, change: Callable[[str], str]) -> NotebookNode:
    """The notebook with another source of one cell."""
    content = deepcopy(content)
    for cell in content.cells:
        if cell.id == cell_id:
            cell.source = change(cell.source)
    return content


def stub(right: NotebookNode, empty: NotebookNode, cell_id: str) -> NotebookNode:
    """The solved notebook with one cell that is not."""
    [source] = [cell.source for cell in empty.cells if cell.id == cell_id]
    return with_source(right, cell_id, lambda _: source)


def killed(source: str) -> str:
    """The stub with an answer that ends the kernel."""
    return STUB.sub(r'\1__import__("os")._exit(1)', source)


def battered(full: Notebook) -> NotebookNode:
    """All answers right, but a check copied, one changed and one deleted, and no mark on another.

    A cell of text is gone, and a solution is in a cell of the student's own.
    """
    content = deepcopy(full.content)
    ids = [check.id for check in full.tagged("check")]
    checks = [cell for cell in content.cells if cell.id in ids]
    checks[0].source = "pass"
    content.cells.remove(checks[-1])
    if len(checks) > 2:
        twin = deepcopy(checks[1])
        twin.id = f"{twin.id}-twin"
        content.cells.insert(0, twin)
        del checks[1].metadata["nbgrader"]
    [answer] = [cell for cell in content.cells if cell.id == full.solutions[-1].id]
    answer.id, answer.metadata = "own", NotebookNode()
    del content.cells[1]
    return content


def copy(folder: Path) -> Path:
    """A fresh copy of the course's folder under `folder`, for a proof."""
    course = folder / "proof"
    shutil.rmtree(course, ignore_errors=True)
    shutil.copytree(folder / "nbgrader", course)
    return course
