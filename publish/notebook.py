"""What a notebook of the series says and holds: the one place that reads its marks."""

import ast
import importlib.util
import math
import pickle
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
WIDGET = "application/vnd.jupyter.widget-view+json"  # the type of an output that is a control
TIMES = re.compile(
    r"about (\d+) minutes to read, (\d+) with all that you write"
    r"(?:, and (\d+) for what stands under Further)?; at most (\d+) seconds to run"
)
NEEDS = re.compile(r"\*\*You need\*\* (.*?)(?:\n\n|$)", re.DOTALL)
DISPLAYED = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
MARKER = re.compile(rf"^ *(?:{BEGIN}|{END})\n", re.M)
# What a student in the second year takes, fitted to what four readers needed for 01 to 15.
WORDS_A_MINUTE, LINES_A_MINUTE, MINUTES_AN_EQUATION = 90, 5, 2
MINUTES = {"warm-up": 10, "find the bug": 20, "": 40}  # for an exercise of each kind
MINUTES_A_FUNCTION = 4  # that the text derives and they write: fitted to seven, for 22, 24 and 25
TORCH = re.compile(r"^ *(?:import|from) torch\b", re.M)
NO_TORCH = "PyTorch is not here: python -m pip install torch"
LINTER = re.compile(r"  # noqa: \w+(?:, \w+)*(?:  (.*))?$", re.M)  # a remark may follow


def tags(cell: NotebookNode) -> set[str]:
    """The cell's tags."""
    return set(cell.metadata.get("tags", []))


def exported_to(cell: NotebookNode) -> str:
    """The module that a cell is exported to, or "": its tag is for example `export:layers`."""
    names = [tag.removeprefix("export:") for tag in tags(cell) if tag.startswith("export:")]
    return names[0] if names else ""


def is_collapsed(cell: NotebookNode) -> bool:
    """Whether the code of a cell is folded away: it is plumbing, or the check of an exercise."""
    return bool(cell.metadata.get("jupyter", {}).get("source_hidden"))


def hides_output(cell: NotebookNode) -> bool:
    """Whether JupyterLab shows what a cell put out only when it runs, so that one can guess."""
    return bool(cell.metadata.get("jupyter", {}).get("outputs_hidden"))


def stops(cell: NotebookNode) -> dict[str, list[Any]]:
    """Where a widget's controls may rest in stored pictures, by the control's name.

    Another control then moves through all its values. Each start is a stop without being named.
    """
    return dict(cell.metadata.get("live", {}))


def has_solution(cell: NotebookNode) -> bool:
    """Whether a student writes a part of this cell."""
    return cell.cell_type == "code" and BEGIN in cell.source


def without_markers(source: str) -> str:
    """Code without the lines that say where a solution begins and ends."""
    return MARKER.sub("", f"{source}\n")[:-1]


def display_equations(cell: NotebookNode) -> list[str]:
    """The TeX of a Markdown cell's display equations, in order."""
    found = DISPLAYED.findall(cell.source) if cell.cell_type == "markdown" else []
    return [tex.strip() for tex in found]


def computed(source: str) -> list[str]:
    """The numbers of the equations that lines of code compute, in order: `# (4.3)` gives "4.3"."""
    numbers = re.findall(r"# *\((\d+)\.(\d+)\)", source)
    return [f"{a}.{b}" for a, b in sorted((int(a), int(b)) for a, b in numbers)]


def code_lines(source: str) -> int:
    """How many lines of code there are, without comments, docstrings and empty lines."""
    lines = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and not is_docstring(node):
            lines += 1 if hasattr(node, "body") else (node.end_lineno or 0) - node.lineno + 1
    return lines


def is_docstring(node: ast.stmt) -> bool:
    """Whether a statement is a text on its own."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def printed(cell: NotebookNode) -> str:
    """What a code cell printed."""
    return "".join(out.text for out in cell.outputs if out.output_type == "stream")


def alt_text(output: NotebookNode) -> str:
    """What an output's image shows, in words; "" where it has no image or no words."""
    return str(output.get("metadata", {}).get("image/png", {}).get("alt", ""))


def size(output: NotebookNode) -> tuple[int, int]:
    """The width and height at which a page shows an output's image, which has twice the pixels."""
    shown = output.metadata["image/png"]
    return shown["width"], shown["height"]


def missing_package(sources: Iterable[str]) -> str:
    """Why code cannot run here, and what mends it, or "": PyTorch is an extra of its own."""
    imports = TORCH.search("\n".join(sources))
    return NO_TORCH if imports and importlib.util.find_spec("torch") is None else ""


class Times(NamedTuple):
    """Minutes to read, to read and write all, and for Further; seconds to run."""

    minutes: int
    with_writing: int
    further: int
    seconds: int


@dataclass(frozen=True)
class Exercise:
    """An exercise: "Exercise 1", its kind (a key of MINUTES), cells of its solution and check."""

    title: str
    kind: str
    solution: NotebookNode
    check: NotebookNode

    @property
    def points(self) -> int:
        """What it is worth: a point for each ten minutes of its kind."""
        return MINUTES.get(self.kind, 40) // 10


@cache
def parsed(path: Path, changed: int) -> bytes:
    """A file's content, pickled: read anew when it has changed, and copied by each who asks."""
    return pickle.dumps(nbformat.read(path, as_version=4))


@dataclass(frozen=True)
class Notebook:
    """A notebook's name, for example "04_softmax_gradient", its folder, and its content."""

    name: str
    folder: Path
    content: NotebookNode

    @classmethod
    def read(cls, path: Path) -> "Notebook":
        """The notebook in a file."""
        content = pickle.loads(parsed(path, path.stat().st_mtime_ns))
        return cls(path.stem, path.parent, content)

    @classmethod
    def series(cls, *names: str) -> list["Notebook"]:
        """The notebooks of the series in order; with names, those that start with one of them."""
        paths = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
        return [cls.read(path) for path in paths if path.name.startswith(names or "")]

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / f"{self.name}.ipynb"

    @property
    def number(self) -> str:
        """Its two digits in the series."""
        return self.name[:2]

    @property
    def title(self) -> str:
        """The title without the number, for example "Gradient checking"."""
        return self.opening.partition("\n")[0].removeprefix(f"# {self.number} ")

    # --- Cells ----------------------------------------------------------------------------------

    @property
    def part(self) -> str:
        """The part of the series that it belongs to, as README.md names it."""
        before = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"| [{self.name}]")[0]
        return re.findall(r"^\| \*\*(Part .*?)\*\*", before, re.M)[-1]

    @property
    def cells(self) -> list[NotebookNode]:
        """All cells, in order."""
        return list(self.content.cells)

    @property
    def code(self) -> list[NotebookNode]:
        """The code cells."""
        return [cell for cell in self.cells if cell.cell_type == "code"]

    @property
    def text(self) -> list[str]:
        """The sources of the Markdown cells."""
        return [cell.source for cell in self.cells if cell.cell_type == "markdown"]

    @property
    def opening(self) -> str:
        """The source of the first cell, which says what the notebook is about."""
        return str(self.cells[0].source)

    def tagged(self, tag: str) -> list[NotebookNode]:
        """The cells with that tag."""
        return [cell for cell in self.cells if tag in tags(cell)]

    @property
    def missing_package(self) -> str:
        """Why it cannot run here, and what mends it, or ""."""
        return missing_package(cell.source for cell in self.code)

    @property
    def open_code(self) -> list[NotebookNode]:
        """The code cells that are not collapsed."""
        return [cell for cell in self.code if not is_collapsed(cell)]

    # --- What it states -------------------------------------------------------------------------

    @property
    def contract(self) -> str:
        """The source of the cell that says what a reader needs and how long it takes."""
        return next((text for text in self.text if NEEDS.search(text)), self.opening)

    @property
    def times(self) -> Times:
        """The times that it states; ValueError if it does not."""
        match = TIMES.search(self.contract)
        if not match:
            raise ValueError(
                f"{self.name}: the contract must say 'about N minutes to read, M with all that you "
                "write, and F for what stands under Further; at most S seconds to run'"
            )
        return Times(*(int(number or 0) for number in match.groups()))

    @property
    def needs(self) -> str:
        """What a reader needs, on one line of Markdown."""
        match = NEEDS.search(self.contract)
        return " ".join(match[1].split()) if match else ""

    # --- What it holds --------------------------------------------------------------------------

    @property
    def equations(self) -> list[str]:
        """The numbers of its equations, in order, for example "4.3"."""
        return re.findall(r"\\tag\{([^}]*)\}", "\n".join(self.text))

    @property
    def words(self) -> int:
        """The words of its text."""
        return sum(len(text.split()) for text in self.text)

    @property
    def your_turn(self) -> list[NotebookNode]:
        """The cells of the section of the exercises."""
        starts = [cell.source.startswith("## Your turn") for cell in self.cells]
        if not any(starts):
            return []
        first, *rest = self.cells[starts.index(True) :]
        return [first, *takewhile(lambda cell: not cell.source.startswith("## "), rest)]

    @property
    def further(self) -> list[NotebookNode]:
        """The cells from the heading Further on, which no later notebook needs; [] without one."""
        starts = [cell.source.startswith("## Further") for cell in self.cells]
        return self.cells[starts.index(True) :] if any(starts) else []

    @property
    def road(self) -> list[NotebookNode]:
        """The cells before Further, without those of the exercises."""
        aside = [*self.your_turn, *self.further]
        return [cell for cell in self.cells if cell not in aside]

    @property
    def computed_minutes(self) -> tuple[int, int, int]:
        """The minutes to read, to read and write all, and for Further, in fives."""
        reading = _minutes(self.road)
        working = _minutes(self.your_turn) + MINUTES_A_FUNCTION * self.to_write
        working += sum(MINUTES.get(each.kind, 40) for each in self.exercises)
        return _up_to_5(reading), _up_to_5(reading + working), _up_to_5(_minutes(self.further))

    @property
    def to_write(self) -> int:
        """How many functions of the main road a student writes."""
        asked = [cell for cell in self.core if cell not in self.further]
        return sum(cell.source.count(BEGIN) for cell in asked)

    @property
    def compared(self) -> float:
        """The share of the code cells whose output the tests compare."""
        return 1 - len(self.tagged("nbval-ignore-output")) / len(self.code)

    @property
    def headline(self) -> str:
        """What the cell tagged `headline` printed, on one line."""
        return " ".join("".join(map(printed, self.tagged("headline"))).split())

    @property
    def exercises(self) -> list[Exercise]:
        """Its exercises: a heading, the cell with the solution, the cell that checks it."""
        found = []
        for heading, *cells in zip(self.cells, self.cells[1:], self.cells[2:], strict=False):
            title = re.match(r"### (Exercise \d+)(?:, (.*?))?: ", heading.source)
            if title and has_solution(cells[0]):
                found.append(Exercise(title[1], title[2] or "", *cells))
        return found

    @property
    def solutions(self) -> list[NotebookNode]:
        """The cells of which a student writes a part: core functions and exercises."""
        return [cell for cell in self.cells if has_solution(cell)]

    @property
    def core(self) -> list[NotebookNode]:
        """The cells with the functions that the notebook derives and a student writes."""
        asked = {exercise.solution.id for exercise in self.exercises}
        return [cell for cell in self.solutions if cell.id not in asked]

    def shown(self, cell: NotebookNode) -> str:
        """A code cell for readers: no marks of core functions' solutions, none for the linter."""
        asked = any(exercise.solution.id == cell.id for exercise in self.exercises)
        source = str(cell.source) if asked else without_markers(cell.source)
        return LINTER.sub(lambda mark: f"  # {mark[1]}" if mark[1] else "", source)

    @property
    def checks(self) -> list[tuple[NotebookNode, list[NotebookNode]]]:
        """The cells tagged `check`, each with the cells of the solutions that it tests."""
        tested: dict[str, list[NotebookNode]] = {cell.id: [] for cell in self.tagged("check")}
        for position, solution in enumerate(self.cells):
            if has_solution(solution):
                for check in self._checks_from(position):
                    tested[check.id].append(solution)
        return [(cell, tested[cell.id]) for cell in self.tagged("check")]

    def _checks_from(self, position: int) -> Iterator[NotebookNode]:
        """The checks of the solution at a position.

        These are the ones before the next solution or section, or where there is none the first
        one below. A cell that holds a solution and its check is tagged, too.
        """
        found = 0
        for cell in self.cells[position:]:
            if found and (has_solution(cell) or cell.source.startswith("## ")):
                break
            if "check" in tags(cell):
                found += 1
                yield cell


def _minutes(cells: list[NotebookNode]) -> float:
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    code = [cell for cell in cells if cell.cell_type == "code" and not is_collapsed(cell)]
    lines = sum(code_lines(cell.source) for cell in code)
    equations = text.count(r"\tag{")
    reading = len(text.split()) / WORDS_A_MINUTE + lines / LINES_A_MINUTE
    return reading + equations * MINUTES_AN_EQUATION


def _up_to_5(minutes: float) -> int:
    return 5 * math.ceil(minutes / 5)
