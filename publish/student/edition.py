"""Make a student's notebooks from those of the series, and the folders that hold them.

A student writes what stands between `### BEGIN SOLUTION` and `### END SOLUTION`; each such cell
begins with a sign. What an exercise asks for stands above it; of a core function the stub names the
equations that its lines compute.
Cells tagged `check` test solutions. They are locked, and have a name and points in nbgrader.
"""

import ast
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from cs231n_utils.progress import SIGN, STILL
from publish import course
from publish.notebook import (
    BEGIN,
    END,
    ROOT,
    Notebook,
    computed,
    exported_to,
    has_solution,
    tags,
)
from publish.student.marking.stubs import as_released, stubbed

HERE = Path(__file__).parent
GIVEN = "# The package's stands in from here on, so nothing below depends on what you wrote"
YOURS = f"# {SIGN} Yours to write"
ASKED = re.compile(rf"{BEGIN} Write (part of )?([\w.]+): see (equation)?")
FOLLOW = """\
# What this notebook needs. The last cell reports which checks pass.
from cs231n_utils import progress

progress.follow()

"""
REPORT = """\
from cs231n_utils import progress

progress.report()  # which checks pass, and what to do next"""
# The final project, as the series' notebooks link it, and as it lies in a student's folder.
PROJECT = {"../publish/student/project/": "../project/"}
# What a student needs besides the notebooks and the files of handout/.
FILES = (
    "LICENSE",
    "pyproject.toml",
    "constraints.txt",
    "environment.yml",
    "data/README.md",
)


def build(folder: Path) -> None:
    """Write student/, student.zip and nbgrader/ into a folder, and print what is in them."""
    for path in (folder / "student", folder / "nbgrader" / "source"):
        shutil.rmtree(path, ignore_errors=True)  # what else is in nbgrader/ is an instructor's
    students = folder / "student" / "notebooks"
    students.mkdir(parents=True)
    print(f"{'notebook':28}{'to write':>9}{'checks':>8}{'locked':>8}")
    for notebook in map(solved, Notebook.series()):
        link_the_project(notebook)
        source = folder / "nbgrader" / "source" / notebook.name
        source.mkdir(parents=True)
        nbformat.write(notebook.content, source / notebook.path.name)
        nbformat.write(unsolved(notebook).content, students / notebook.path.name)
        locked = sum(cell.metadata.get("nbgrader", {}).get("locked", 0) for cell in notebook.cells)
        counts = [len(notebook.solutions), len(notebook.tagged("check")), locked]
        print(f"{notebook.name:28}{counts[0]:>9}{counts[1]:>8}{counts[2]:>8}")
    copy_files(folder)
    write_zip(folder / "student", folder / "student.zip", day=date.today())


# --- From a notebook of the series to a solved one with nbgrader's marks ------------------------


def solved(notebook: Notebook) -> Notebook:
    """The notebook with messages behind its markers, and with nbgrader's metadata."""
    notebook = deepcopy(notebook)
    titles = {exercise.solution.id: exercise.title for exercise in notebook.exercises}
    for cell in notebook.solutions:
        cell.source = with_messages(cell.source, titles.get(cell.id))
    notebook.content.cells = [part for cell in notebook.cells for part in split(cell)]
    hand_over(notebook)
    contract = next(cell for cell in notebook.cells if cell.source == notebook.contract)
    above, heading, below = contract.source.partition("\n\n## ")  # of a cell that goes on
    contract.source = f"{above}\n\n{what_to_write(notebook)}{heading}{below}"
    show_what_to_write(notebook)
    for cell in notebook.cells:
        mark(cell)
    grade_checks(notebook)
    return notebook


def with_messages(source: str, exercise: str | None) -> str:
    """Say behind each marker what the stub is to say: in an exercise, which one asks for it."""
    lines = source.split("\n")
    for name, function in functions(ast.parse(source)):
        last = function.end_lineno or 0
        for begin in range(function.lineno, last):
            if lines[begin].strip() == BEGIN:
                end = next(i for i in range(begin, len(lines)) if lines[i].strip() == END)
                part = "part of " if end < last and not exercise else ""
                where = f"{exercise} above" if exercise else equations(lines[begin:end])
                lines[begin] += f" Write {part}{name}: see {where}"
    return "\n".join(lines)


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Names and nodes of the functions and methods of a cell, for example TwoLayerNet.loss."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{node.name}.")


def equations(lines: list[str]) -> str:
    """What lines compute: "equations (2.4) and (2.5)", or "equations (7.18) to (7.23)"."""
    numbers = computed("\n".join(lines))
    texts = [f"({number})" for number in numbers]
    if len(texts) == 1:
        return f"equation {texts[0]}"
    first, last = (int(number.partition(".")[2]) for number in (numbers[0], numbers[-1]))
    if len(texts) > 2 and last - first == len(texts) - 1:
        return f"equations {texts[0]} to {texts[-1]}"
    return f"equations {', '.join(texts[:-1])} and {texts[-1]}"


def split(cell: NotebookNode) -> list[NotebookNode]:
    """The cell; if what follows its solutions is their check, then that in a cell of its own."""
    if not (has_solution(cell) and "check" in tags(cell)):
        return [cell]
    definitions, marker, rest = cell.source.rpartition(END)
    check = deepcopy(cell)
    check.id, check.source = f"{cell.id}-rest", rest.strip("\n")
    cell.source = definitions + marker
    cell.metadata.tags.remove("check")
    return [cell, check]


def hand_over(notebook: Notebook) -> None:
    """Below the last check of exported functions, put the package's in their place.

    So a function that is missing or wrong costs no point but its own.
    """
    for solution in notebook.solutions:
        module = exported_to(solution)
        last = [check for check, tested in notebook.checks if solution in tested][-1]
        position = notebook.cells.index(last) + 1
        below = "\n".join(
            cell.source for cell in notebook.cells[position:] if cell.cell_type == "code"
        )
        names = [node.name for node in ast.parse(solution.source).body]
        used = ", ".join(name for name in names if re.search(rf"\b{name}\b", below))
        if not (module and used):
            continue
        source = f"{GIVEN}\nfrom cs231n_utils.taught.{module} import "
        if (cell := notebook.cells[position]).source.startswith(source):  # of the same check
            cell.source = cell.source.replace("  #", f", {used}  #")
        else:
            source += f"{used}  # given"  # marking tells the line from a student's own
            cell = nbformat.v4.new_code_cell(source, id=f"{solution.id}-given")
            cell.metadata["tags"] = ["given"]
            notebook.content.cells.insert(position, cell)


def what_to_write(notebook: Notebook) -> str:
    """What the contract tells a student."""
    asked = [match for cell in notebook.solutions for match in ASKED.findall(cell.source)]
    names = [f"{'a part of ' * bool(part)}`{name}`" for part, name, core in asked if core]
    listed = f"{', '.join(names)} and " if names else ""
    return (
        f"**You write** {listed}the functions of the exercises, in the cells that begin with "
        f"`{YOURS}`. In each a line `raise NotImplementedError(...)` says what is missing: replace "
        f"it by your code. Until then the cells that check it print `{STILL}...`, and below them "
        "the package's function stands in. The last cell says how many checks pass. Texts and "
        "checks are locked."
    )


def show_what_to_write(notebook: Notebook) -> None:
    """Put the sign above what a student writes; number the checks, and let them be followed."""
    for cell in notebook.solutions:
        cell.source = f"{YOURS}: {listed([cell])}\n{cell.source}"
    for number, (check, solutions) in enumerate(notebook.checks, start=1):
        title = f"# Check {number} of {len(notebook.checks)}: {listed(solutions)}"
        check.source = f"{title}\n{check.source}"
    first = notebook.code[0]  # it is folded
    first.source = FOLLOW + first.source
    notebook.content.cells.append(new_code_cell(REPORT, id="progress-report"))


def listed(solutions: list[NotebookNode]) -> str:
    """The functions that a student writes in cells: "accuracy", or "Adam.step, .averages"."""
    names = dict.fromkeys(name for cell in solutions for name in asked_for(cell))
    texts, before = [], ""
    for name in names:
        owner, _, method = name.rpartition(".")
        texts.append(f".{method}" if owner and owner == before else name)
        before = owner
    return ", ".join(texts)


def asked_for(solution: NotebookNode) -> list[str]:
    """The names of the functions of which a student writes a part in a cell."""
    return [name for _, name, _ in ASKED.findall(solution.source)]


def mark(cell: NotebookNode) -> None:
    """Write nbgrader's metadata: solutions, checks, locked text; code that is free has none."""
    solution, check = has_solution(cell), "check" in tags(cell)
    locked = cell.cell_type != "code" or check or "given" in tags(cell)
    if solution or check:  # Run All goes on below what is unwritten or wrong
        cell.metadata.setdefault("tags", []).append("raises-exception")
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
        cell.metadata.get("jupyter", {}).pop("outputs_hidden", None)  # nothing left to hide
    if solution or locked:
        cell.metadata["nbgrader"] = {
            "grade": check,
            "grade_id": cell.id,
            "locked": locked,
            "schema_version": 3,
            "solution": solution,
            "task": False,
            "cell_type": cell.cell_type,
        }


def grade_checks(notebook: Notebook) -> None:
    """Name each check by what it tests, and give it its points.

    An exercise is worth a point for each ten minutes that it takes by the series' own rule, and the
    check of a core function one.
    """
    exercises = {exercise.check.id: exercise for exercise in notebook.exercises}
    used = Counter[str]()
    for check, tested in notebook.checks:
        name = "-and-".join(name for cell in tested for name in asked_for(cell))
        exercise = exercises.get(check.id)
        title = exercise.title.lower().replace(" ", "-") if exercise else "check"
        name = f"{title}-{name.replace('.', '-')}"
        used[name] += 1
        check.metadata.nbgrader["grade_id"] = name + f"-{used[name]}" * (used[name] > 1)
        check.metadata.nbgrader["points"] = exercise.points if exercise else 1


# --- From a solved notebook to a student's ------------------------------------------------------


def unsolved(notebook: Notebook) -> Notebook:
    """The notebook as `nbgrader generate_assignment` releases it, without its checksums."""
    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        cell.source = stubbed(cell.source)
        if marks := cell.metadata.get("nbgrader"):
            cell.metadata["deletable"] = False
            if marks.locked:
                cell.metadata["editable"] = False
        as_released(cell)
    return notebook


# --- The folders --------------------------------------------------------------------------------


def link_the_project(notebook: Notebook) -> None:
    """Let links to the final project lead to where it lies in a student's folder."""
    for cell in notebook.cells:
        for here, there in PROJECT.items():
            cell.source = cell.source.replace(here, there)


def copy_files(folder: Path) -> None:
    """Put beside the notebooks what they need, and into nbgrader's folder its settings."""
    student, nbgrader = folder / "student", folder / "nbgrader"
    for name in FILES:
        (student / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, student / name)
    for source, target in {
        ROOT / "cs231n_utils": student / "cs231n_utils",
        HERE / "handout": student,
        HERE / "project": student / "project",
        ROOT / ".lab": student / ".lab",
        HERE / "course": nbgrader,
        HERE / "marking": nbgrader / "marking",
    }.items():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
    shutil.copy2(course.path(), nbgrader / "course.toml")
    shutil.copy2(HERE / "start.py", student)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    series = section(readme, "The series").rpartition("\n\n")[0]  # less a line on solutions
    notation = (ROOT / "docs" / "notation.md").read_text(encoding="utf-8")
    with (student / "README.md").open("a", encoding="utf-8") as file:
        file.write(f"\n{series}\n\n#{notation}")


def section(text: str, title: str) -> str:
    """A section of a page, with its heading."""
    _, heading, rest = text.partition(f"## {title}\n")
    return heading + rest.partition("\n## ")[0].rstrip()


def write_zip(folder: Path, archive: Path, day: date) -> None:
    """Pack a folder; the same files make the same bytes on the same day."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            entry = zipfile.ZipInfo(name, (day.year, day.month, day.day, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            file.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
