"""Whether points are fair: what each function that a student writes costs when it is missing.

    python -m tools.fairness        the checks of every notebook but 12
    python -m tools.fairness 03 07  those of two notebooks

A row for each function that a student writes: the checks that fail when it alone is unsolved and
all else is right. They must be its own. Three more rows leave every function without an answer, by
`return None`, `return 0.0`, and zeros in the shape of the first argument: no check may pass.

Cells run in one process as nbgrader runs them in a kernel: in order, on after an error, and with
the seeds of checks moved. What runs before a stub is shared. Widgets and cells on which no check
depends do not run.
"""

import contextlib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from unittest import mock

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the tests
os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
from nbformat import NotebookNode

from publish.needed import needed
from publish.notebook import BEGIN, END, Notebook, tags
from publish.student.edition import solved
from publish.student.marking.stubs import MOVED, with_seeds_moved
from tools.mutants import LONG, copied

SOLUTION = re.compile(rf"^( *){BEGIN} Write (?:part of )?([\w.]+): (?:.*\n)*? *{END}$", re.M)
UNSOLVED = "raise NotImplementedError('Write this')"
ZEROS = "return __import__('numpy').zeros_like(list(locals().values())[{first}])"
NOTHING = {"all return None": "return None", "all return 0.0": "return 0.0", "all zeros": ZEROS}


@dataclass(frozen=True)
class Row:
    """What one way to leave a notebook unsolved costs, in ids of cells tagged `check`."""

    missing: str  # a function's name, or a key of NOTHING
    lost: list[str]
    passed: list[str]
    unfair: list[str]  # lost, and of another function; or passed for nothing
    errors: dict[str, str]  # id of a cell -> why it failed


def rows(notebook: Notebook) -> Iterator[Row]:
    """A row for the solved notebook, for each function alone, and for each kind of nothing."""
    notebook = solved(notebook)
    code = [cell for cell in notebook.code if "widget" not in tags(cell)]
    cells = needed(code, is_tried, changes=False)
    checks = {check.id: {cell.id for cell in tested} for check, tested in notebook.checks}

    def row(missing: str, errors: dict[str, str], own: set[str]) -> Row:
        lost = [check for check in checks if check in errors]
        passed = [check for check in checks if check not in errors]
        unfair = set(passed) & own if missing in NOTHING else set(lost) ^ own
        return Row(missing, lost, passed, [c for c in checks if c in unfair], errors)

    names: dict[str, object] = {"__name__": "__main__"}
    errors: dict[str, str] = {}
    with silent():
        for place, cell in enumerate(cells):
            for name in written(cell):
                own = {check for check, tested in checks.items() if cell.id in tested}
                stubbed = [stub(cell.source, UNSOLVED, only=name), *sources(cells[place + 1 :])]
                yield row(name, run(cells[place:], stubbed, names), own)
            if not errors and written(cell) and not any(map(written, cells[:place])):
                for missing, body in NOTHING.items():
                    stubbed = [stub(source, body) for source in sources(cells[place:])]
                    yield row(missing, run(cells[place:], stubbed, names), set(checks))
            errors |= execute(cell, cell.source, names)
        yield row("none", errors, set())


def sources(cells: list[NotebookNode]) -> list[str]:
    """Their code."""
    return [str(cell.source) for cell in cells]


def is_tried(cell: NotebookNode) -> bool:
    """Whether a cell is a check or what a check tests."""
    return "check" in tags(cell) or bool(written(cell))


def written(cell: NotebookNode) -> list[str]:
    """The functions of which a student writes a part in this cell."""
    return [name for _, name in SOLUTION.findall(cell.source)]


def stub(source: str, body: str, *, only: str = "") -> str:
    """Code with a stub in place of each solution, or of one function's."""

    def replaced(match: re.Match[str]) -> str:
        indent, name = match.groups()
        first = int("." in name)  # of a method the first argument is self
        return match[0] if only and name != only else indent + body.replace("{first}", f"{first}")

    return SOLUTION.sub(replaced, source)


def run(cells: list[NotebookNode], sources: list[str], names: dict[str, object]) -> dict[str, str]:
    """The errors of cells with these sources; the names are as before."""
    errors: dict[str, str] = {}
    # In the same dict, because there the functions of earlier cells look names up.
    with mock.patch.dict(names, copied(names), clear=True):
        for cell, source in zip(cells, sources, strict=True):
            errors |= execute(cell, source, names)
    return errors


def execute(cell: NotebookNode, source: str, names: dict[str, object]) -> dict[str, str]:
    """Run a cell: nothing, or its id with the error."""
    if "check" in tags(cell):
        source = with_seeds_moved(source, MOVED)
    try:
        exec(compile(source, cell.id, "exec"), names)
    except Exception as error:
        return {cell.id: f"{type(error).__name__}: {error}".splitlines()[0]}
    return {}


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Nothing is printed, and a warning stops no cell."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(action="ignore"),
        np.errstate(all="ignore"),
    ):
        yield


def main() -> int:
    """Print the rows; the exit status is 1 when a point is lost or given unfairly."""
    names = sys.argv[1:] or [notebook.number for notebook in Notebook.series()]
    count = 0
    for notebook in Notebook.series(*(name for name in names if name not in LONG)):
        if missing := notebook.missing_package:
            print(f"{notebook.name}: left out: {missing}")
            continue
        print(f"{notebook.name}: {len(notebook.tagged('check'))} checks")
        for row in list(rows(notebook)):
            print(f"  {row.missing:28} loses {', '.join(row.lost) or 'nothing'}")
            if row.missing in NOTHING:
                print(f"  {'':28} keeps {', '.join(row.passed) or 'nothing'}")
            for check in row.unfair:
                print(f"    unfair: {check}: {row.errors.get(check, 'passes')}")
            count += len(row.unfair)
    print(f"{count} unfair")
    return bool(count)


if __name__ == "__main__":
    sys.exit(main())
