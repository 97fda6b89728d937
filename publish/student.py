"""Build what students fill in, and the same for instructors who grade with nbgrader.

    python publish/student.py            build/student/, build/student.zip and build/nbgrader/
    python publish/student.py --prove    and let nbgrader grade a solved and an untouched edition

A solution is what stands between `### BEGIN SOLUTION` and `### END SOLUTION` in an exercise. The
functions that a notebook derives become solutions as well: those of cells tagged `export` that
compute a numbered equation, and those of DERIVED. Guards at their start stay, for example tests of
the arguments. Every solution has a check, the cell that fails without it.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import ComputeChecksums, LockCells

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
TEMPLATES = ROOT / "publish" / "templates"
sys.path[:0] = [str(TEMPLATES / "nbgrader"), str(TEMPLATES / "student")]
from release import MarkCells, NamedStubs  # noqa: E402  it stands with nbgrader's settings

# Notebook 03 exports nothing, since the package's checker is its loop with guards around it.
DERIVED = {
    "forward_difference",
    "central_difference",
    "best_forward_step",
    "best_central_step",
    "gradient_by_loop",
    "gradient_loops",
    "gradient_vectorized",
}
# Of a long function the student writes a part: from one line to another, named by their starts.
PARTS = {"train": ("X_batch = ", "sgd_step(")}
ASKED = re.compile(r"### BEGIN SOLUTION Write (this part of )?([\w.]+): see equation")
NUMBERED = re.compile(r"# \((\d+)\.(\d+)\)")
# What a student needs besides the notebooks and the files of templates/student/.
FILES = (
    "LICENSE",
    "pyproject.toml",
    "constraints.txt",
    "environment.yml",
    "data/README.md",
)


@dataclass(frozen=True)
class Check:
    """A cell that tests solutions, by the ids of both."""

    cell: str
    solutions: tuple[str, ...]


def main() -> int:
    """Build everything, and prove it if asked to; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prove", action="store_true", help="grade 01 to 09 with nbgrader, too")
    prove = parser.parse_args().prove
    build(BUILD)
    for path in ("student", "student.zip", "nbgrader"):
        print((BUILD / path).relative_to(ROOT))
    if not prove:
        return 0
    points, _ = grade(BUILD, "0*")
    for name in ("solved", "untouched"):
        print(f"{name}: {points[name]} of {points['possible']} points")
    return int(points["untouched"] > 0 or points["solved"] < points["possible"])


def build(folder: Path) -> None:
    """Write student/, student.zip and nbgrader/ into a folder, and print what is in them."""
    for path in (folder / "student", folder / "nbgrader" / "source"):
        shutil.rmtree(path, ignore_errors=True)  # what else is in nbgrader/ is an instructor's
    students, series = folder / "student" / "notebooks", folder / "nbgrader" / "source" / "series"
    for path in (students, series):
        path.mkdir(parents=True)
    print(f"{'notebook':28}{'to write':>9}{'checks':>8}{'locked':>8}")
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        notebook = solved(nbformat.read(path, as_version=4))
        nbformat.write(notebook, series / path.name)
        nbformat.write(unsolved(notebook), students / path.name)
        marks = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
        counts = [
            sum(m.get(kind, False) for m in marks) for kind in ("solution", "grade", "locked")
        ]
        print(f"{path.stem:28}{counts[0]:>9}{counts[1]:>8}{counts[2]:>8}")
    copy_files(folder)
    write_zip(folder / "student", folder / "student.zip")


# --- From a notebook of the series to a solved one with nbgrader's marks ------------------------


def solved(notebook: NotebookNode) -> NotebookNode:
    """The notebook with all solutions between markers, and with nbgrader's metadata."""
    notebook = deepcopy(notebook)
    notebook.cells = [part for cell in notebook.cells for part in with_solutions(cell)]
    title = ""
    for cell in notebook.cells:
        heading = re.match(r"### (Exercise \d+)", cell.source)
        title = heading[1] if heading else title
        if cell.cell_type == "code":
            name_exercise(cell, title)
    notebook.cells[0].source += f"\n\n{what_to_write(notebook)}"
    checks = {check.cell for check in checks_of(notebook)}
    for cell in notebook.cells:
        mark(cell, points=int(cell.id in checks))
    return notebook


def with_solutions(cell: NotebookNode) -> list[NotebookNode]:
    """The cell with markers around what students write; what follows it in a cell of its own."""
    if cell.cell_type != "code":
        return [cell]
    lines, edits = cell.source.split("\n"), []
    for name, function in functions(ast.parse(cell.source)):
        if name in DERIVED or ("export" in tags(cell) and numbers(lines, function)):
            edits.append((*region(lines, name, function), name))
    if not edits:
        return [cell]
    tree = ast.parse(cell.source)
    definitions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    end = max(node.end_lineno or 0 for node in definitions)
    rest = "\n".join(lines[end:]).strip("\n")
    lines = lines[:end]
    for first, last, name in sorted(edits, reverse=True):
        indent = " " * (len(lines[first]) - len(lines[first].lstrip()))
        equations = named(numbered(lines[first : last + 1]))
        part = f"this part of {name}" if name in PARTS else name
        lines.insert(last + 1, f"{indent}### END SOLUTION")
        lines.insert(first, f"{indent}### BEGIN SOLUTION Write {part}: see {equations}")
    cell.source = "\n".join(lines)
    if not rest:
        return [cell]
    other = deepcopy(cell)
    other.id, other.source = f"{cell.id}-rest", rest
    return [cell, other]


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Names and nodes of the functions and methods of a cell, for example TwoLayerNet.loss."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{node.name}.")


def numbers(lines: list[str], node: ast.stmt) -> list[tuple[int, int]]:
    """The numbers of the equations that a statement computes."""
    return numbered(lines[node.lineno - 1 : node.end_lineno])


def numbered(lines: list[str]) -> list[tuple[int, int]]:
    """The numbers of the equations on these lines, in order."""
    return sorted((int(a), int(b)) for a, b in NUMBERED.findall("\n".join(lines)))


def named(equations: list[tuple[int, int]]) -> str:
    """Equations in words, for example "equations (2.4) and (2.5)" or "(6.18) to (6.23)"."""
    texts = [f"({chapter}.{number})" for chapter, number in equations]
    if len(texts) == 1:
        return f"equation {texts[0]}"
    if len(texts) > 2 and equations[-1][1] - equations[0][1] == len(texts) - 1:
        return f"equations {texts[0]} to {texts[-1]}"
    return f"equations {', '.join(texts[:-1])} and {texts[-1]}"


def region(lines: list[str], name: str, function: ast.FunctionDef) -> tuple[int, int]:
    """The first and the last line of a function that a student writes, counted from 0."""
    if name in PARTS:
        starts = [next(i for i, line in enumerate(lines) if line.lstrip().startswith(text))
                  for text in PARTS[name]]  # fmt: skip
        return starts[0], starts[1]
    own = [statement for statement in function.body if not is_guard(lines, statement)]
    return own[0].lineno - 1, (own[-1].end_lineno or 0) - 1


def is_guard(lines: list[str], statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, refuses arguments or only prepares them."""
    if numbers(lines, statement):
        return False
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return True
    if isinstance(statement, ast.If):
        return all(isinstance(inner, ast.Raise) for inner in statement.body)
    if not isinstance(statement, ast.Assign):
        return False
    value = statement.value
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    return all(
        isinstance(call, ast.Call) and re.match(r"np\.asarray$|check_", ast.unparse(call.func))
        for call in values
    )


def name_exercise(cell: NotebookNode, title: str) -> None:
    """Say behind the marker of an exercise's solution what the stub is to say."""
    before, marker, after = cell.source.partition("### BEGIN SOLUTION\n")
    if marker:
        function = re.findall(r"^def (\w+)", before, re.M)[-1]
        cell.source = f"{before}### BEGIN SOLUTION Write {function}: see {title} above\n{after}"


def what_to_write(notebook: NotebookNode) -> str:
    """What the first cell tells a student."""
    solutions = [cell.source for cell in notebook.cells if is_solution(cell)]
    asked = [match for source in solutions for match in ASKED.findall(source)]
    names = [f"{'a part of ' * bool(part)}`{name}`" for part, name in asked]
    listed = f"{', '.join(names)} and " if names else ""
    return (
        f"**You write** {listed}the functions of the exercises. A line `raise "
        "NotImplementedError(...)` marks each place and says what is missing: replace it by your "
        "code. The next cells check what you wrote. Texts and checks are locked."
    )


def checks_of(notebook: NotebookNode) -> list[Check]:
    """The cells that test solutions, in order.

    A solution is tested by the cells of its section, down to the next solution, that use it and
    assert something, or, where there is none, by the first such cell below. To call a function
    that uses it is to use it.
    """
    found: dict[str, list[str]] = {}
    for position, solution in enumerate(notebook.cells):
        if is_solution(solution):
            for check in checks_below(notebook.cells[position:]):
                found.setdefault(check, []).append(solution.id)
    return [Check(cell.id, tuple(found[cell.id])) for cell in notebook.cells if cell.id in found]


def checks_below(cells: list[NotebookNode]) -> list[str]:
    """The ids of the cells that test the solution in the first one."""
    names, checks, ended = defined_with(cells[0], set()), list[str](), False
    for cell in cells[1:]:
        ended = ended or is_solution(cell) or cell.source.startswith("## ")
        if ended and checks:
            break
        if cell.cell_type == "code":
            names |= defined_with(cell, names)
            if not is_solution(cell) and asserts_with(cell, names):
                checks.append(cell.id)
    return checks


def is_solution(cell: NotebookNode) -> bool:
    """Whether a student writes a part of this cell."""
    return cell.cell_type == "code" and "### BEGIN SOLUTION" in cell.source


def defined_with(cell: NotebookNode, names: set[str]) -> set[str]:
    """The functions and classes of a cell that use one of the names; all of a solution's."""
    return {
        node.name
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and (not names or names & {n.id for n in ast.walk(node) if isinstance(n, ast.Name)})
    }


def asserts_with(cell: NotebookNode, names: set[str]) -> bool:
    """Whether a cell asserts something and, when it runs, uses one of the names."""
    tree = ast.parse(cell.source)
    asserts = any(
        isinstance(node, ast.Assert)
        or (isinstance(node, ast.Name) and node.id in ("check_gradient", "check_directions"))
        for node in ast.walk(tree)
    )
    return asserts and any(isinstance(n, ast.Name) and n.id in names for n in executed(tree))


def executed(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a cell outside the functions and classes that it defines."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            yield node
            yield from executed(node)


def mark(cell: NotebookNode, points: int) -> None:
    """Write nbgrader's metadata: solutions, checks with points, locked text, and free code."""
    solution = is_solution(cell)
    locked = cell.cell_type != "code" or points > 0
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    if solution or locked:
        cell.metadata["nbgrader"] = {
            "grade": points > 0,
            "grade_id": cell.id,
            "locked": locked,
            "schema_version": 3,
            "solution": solution,
            "task": False,
            "cell_type": cell.cell_type,
        } | ({"points": points} if points else {})


def tags(cell: NotebookNode) -> set[str]:
    """The cell's tags."""
    return set(cell.metadata.get("tags", []))


# --- From a solved notebook to a student's ------------------------------------------------------


def unsolved(notebook: NotebookNode) -> NotebookNode:
    """The notebook as `nbgrader generate_assignment` releases it, without a database."""
    notebook, resources = deepcopy(notebook), dict[str, Any]()
    for step in (LockCells(), NamedStubs(), ComputeChecksums(), MarkCells()):
        notebook, resources = step.preprocess(notebook, resources)
    return notebook


# --- The folders --------------------------------------------------------------------------------


def copy_files(folder: Path) -> None:
    """Put beside the notebooks what they need, and into nbgrader's folder its settings."""
    student, nbgrader = folder / "student", folder / "nbgrader"
    for name in FILES:
        (student / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, student / name)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "cs231n_utils", student / "cs231n_utils", ignore=ignored)
    shutil.copytree(TEMPLATES / "student", student, dirs_exist_ok=True, ignore=ignored)
    shutil.copytree(TEMPLATES / "nbgrader", nbgrader, dirs_exist_ok=True, ignore=ignored)
    shutil.copy2(TEMPLATES / "student" / "update.py", nbgrader / "update.py")
    shutil.copy2(ROOT / "publish" / "patient.py", nbgrader / "patient.py")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    series = section(readme, "The series").rpartition("\n\n")[0]  # less a line on solutions
    with (student / "README.md").open("a", encoding="utf-8") as file:
        file.write(f"\n{series}\n\n{section(readme, 'Notation')}\n")


def section(text: str, title: str) -> str:
    """A section of a page, with its heading."""
    _, heading, rest = text.partition(f"## {title}\n")
    return heading + rest.partition("\n## ")[0].rstrip()


def write_zip(folder: Path, archive: Path) -> None:
    """Pack a folder; the same files make the same bytes on any day."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            file.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


# --- The proof ----------------------------------------------------------------------------------


def grade(folder: Path, notebooks: str) -> tuple[dict[str, float], Path]:
    """Let nbgrader release, grade and return two editions: the points, and what it released.

    notebooks : which ones, for example "05*". The student `solved` hands in the source, the
    student `untouched` what was released.
    """
    course = folder / "proof"
    shutil.rmtree(course, ignore_errors=True)
    shutil.copytree(folder / "nbgrader", course)
    released = course / "release" / "series"
    nbgrader(course, "generate_assignment", notebooks)
    for name, origin in {"solved": course / "source" / "series", "untouched": released}.items():
        submitted = course / "submitted" / name / "series"
        submitted.mkdir(parents=True)
        for path in origin.glob(f"{notebooks}.ipynb"):
            shutil.copy2(path, submitted)
    for command in ("autograde", "generate_feedback"):
        nbgrader(course, command, notebooks)
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        submissions = book.assignment_submissions("series")
        points = {submission.student.id: submission.score for submission in submissions}
        points["possible"] = book.find_assignment("series").max_score
    for name in ("solved", "untouched"):
        pages = list((course / "feedback" / name / "series").glob("*.html"))
        if len(pages) != len(list(released.glob("*.ipynb"))):
            raise RuntimeError(f"{name}: nbgrader wrote feedback for {len(pages)} notebooks only")
    return points, released


def nbgrader(course: Path, command: str, notebooks: str) -> None:
    """Run one of nbgrader's commands on the series; its output when it fails."""
    arguments = [command, "series", f"--notebook={notebooks}"]
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course,
        env=os.environ | {"PATH": programs},  # nbgrader looks for alembic there
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"nbgrader {' '.join(arguments)}:\n{result.stderr}")


if __name__ == "__main__":
    sys.exit(main())
