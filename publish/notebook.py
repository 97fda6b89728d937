"""What a notebook of the series says and holds: the one place that reads its marks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
WIDGET = "application/vnd.jupyter.widget-view+json"  # the type of an output that is a control
TIMES = re.compile(r"about (\d+) minutes to read, at most (\d+) seconds to run")
NEEDS = re.compile(r"\*\*You need\*\* (.*?)(?:\n\n|$)", re.DOTALL)
DISPLAYED = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
MARKER = re.compile(rf"^ *(?:{BEGIN}|{END})\n", re.M)
LINTER = re.compile(r"  # noqa: \w+(?:, \w+)*(?:  (.*))?$", re.M)  # a remark may follow


def tags(cell: NotebookNode) -> set[str]:
    """The cell's tags."""
    return set(cell.metadata.get("tags", []))


def exported_to(cell: NotebookNode) -> str:
    """The module that a cell is exported to, or "": its tag is for example `export:layers`."""
    names = [tag.removeprefix("export:") for tag in tags(cell) if tag.startswith("export:")]
    return names[0] if names else ""


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


def printed(cell: NotebookNode) -> str:
    """What a code cell printed."""
    return "".join(out.text for out in cell.outputs if out.output_type == "stream")


def alt_text(output: NotebookNode) -> str:
    """What an output's image shows, in words; "" where it has no image or no words."""
    return str(output.get("metadata", {}).get("image/png", {}).get("alt", ""))


@dataclass(frozen=True)
class Exercise:
    """An exercise's title, for example "Exercise 1", and the cells of its solution and check."""

    title: str
    solution: NotebookNode
    check: NotebookNode


@dataclass(frozen=True)
class Notebook:
    """A notebook's name, for example "04_softmax_gradient", its folder, and its content."""

    name: str
    folder: Path
    content: NotebookNode

    @classmethod
    def read(cls, path: Path) -> "Notebook":
        """The notebook in a file."""
        return cls(path.stem, path.parent, nbformat.read(path, as_version=4))

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

    # --- What the opening cell states -----------------------------------------------------------

    @property
    def times(self) -> tuple[int, int] | None:
        """The minutes to read and the seconds to run that it states, or None."""
        match = TIMES.search(self.opening)
        return (int(match[1]), int(match[2])) if match else None

    @property
    def minutes(self) -> int:
        """The minutes to read; ValueError if it does not state them."""
        return self._stated()[0]

    @property
    def seconds(self) -> int:
        """The seconds that its cells may take; ValueError if it does not state them."""
        return self._stated()[1]

    def _stated(self) -> tuple[int, int]:
        if self.times is None:
            raise ValueError(
                f"{self.name}: the opening cell must say "
                "'about N minutes to read, at most M seconds to run'"
            )
        return self.times

    @property
    def needs(self) -> str:
        """What a reader needs, on one line of Markdown."""
        match = NEEDS.search(self.opening)
        return " ".join(match[1].split()) if match else ""

    # --- What it holds --------------------------------------------------------------------------

    @property
    def equations(self) -> list[str]:
        """The numbers of its equations, in order, for example "4.3"."""
        return re.findall(r"\\tag\{([^}]*)\}", "\n".join(self.text))

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
            title = re.match(r"### (Exercise \d+)", heading.source)
            if title and has_solution(cells[0]):
                found.append(Exercise(title[1], *cells))
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
