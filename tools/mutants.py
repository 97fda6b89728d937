"""Mutants of the notebooks: single faults, each of which a check of the notebook must see.

    python tools/mutants.py    the figures, by notebook, and the equivalent mutants

`mutants/NN.diff` holds those of notebook NN. A heading `== notebook`, or `== ` and the name of a
module of the package, says where the faults below it are planted: `- ` what stands there once,
`# ` a fault in words, `+ ` what the fault makes of it. Headings that end in `, equivalent` are of
mutants that change no number, each with the argument.

A mutant runs as a student runs the notebook: cell by cell from the top, in a fresh namespace. It is
caught when a check stops the run: an assert, a function of gradient_check, or
np.errstate(...="raise"). Any other error does not count, and printed output is not compared.

Three kinds of cells do not run. Exercises with their checks, because a student may not have solved
them. Comparisons with the package's copy of the notebook's code, because `make export` would carry
the fault there as well. Widgets, because they only draw.
"""

import contextlib
import functools
import importlib
import io
import itertools
import os
import sys
import traceback
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the tests

from cs231n_utils import gradient_check
from publish.notebook import Notebook

FILES = sorted(Path(__file__).with_suffix("").glob("*.diff"))
COMPARE_WITH_THE_COPY = ["cell-85"]  # of notebook 07: its train against TwoLayerNet.train


@dataclass(frozen=True)
class Mutant:
    """One fault in a notebook's code, or in a module of the package while its notebook runs."""

    number: str  # of the notebook
    where: str  # "notebook", or the module's name
    old: str  # occurs once
    new: str
    fault: str  # in words; for an equivalent mutant the argument
    equivalent: bool


@dataclass(frozen=True)
class Run:
    """How a run ended: the error that stopped it, if any, and what the cells defined."""

    cell: str = ""  # id of the cell that raised
    error: Exception | None = None
    namespace: dict[str, object] | None = None

    @property
    def caught(self) -> bool:
        """Whether a check stopped the run, and no accident."""
        if self.error is None:
            return False
        innermost = traceback.extract_tb(self.error.__traceback__)[-1].filename
        return isinstance(self.error, AssertionError | FloatingPointError) or (
            innermost == gradient_check.__file__
        )


def read(path: Path) -> list[Mutant]:
    """The mutants of one notebook."""
    return [
        Mutant(path.stem, where, old, new, fault, equivalent=kind == "equivalent")
        for where, kind, old, fault, new in faults(path)
    ]


def faults(path: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """What a file plants: the two parts of the heading, the old text, the fault, the new text."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for sign, group in itertools.groupby(lines, key=lambda line: line[0]):
        text = "\n".join(line[2:] for line in group)
        if sign == "=":
            where, _, kind = text.strip().partition(", ")
            old = ""
        elif sign == "-":
            old = text
        elif sign == "#":
            fault = text
        else:
            yield where, kind, old, fault, text


@functools.cache
def code_cells(number: str) -> dict[str, str]:
    """The cells that run: id -> source."""
    [notebook] = Notebook.series(number)
    exercises = [cell for e in notebook.exercises for cell in (e.solution, e.check)]
    left_out = [cell.id for cell in [*exercises, *notebook.tagged("widget")]]
    left_out += COMPARE_WITH_THE_COPY
    return {cell.id: cell.source for cell in notebook.code if cell.id not in left_out}


def source_of(mutant: Mutant) -> dict[str, str]:
    """The code that holds a mutant's place: id of a cell, or the module's name -> source."""
    if mutant.where == "notebook":
        return code_cells(mutant.number)
    file = importlib.import_module(mutant.where).__file__
    return {mutant.where: Path(file).read_text(encoding="utf-8")}


def occurrences(mutant: Mutant) -> int:
    """How often the text to be replaced stands where the mutant replaces it."""
    return sum(source.count(mutant.old) for source in source_of(mutant).values())


def run(number: str, mutant: Mutant | None = None) -> Run:
    """Run a notebook's cells, mutated or as they are, up to the first that raises."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    cells = code_cells(number)
    if mutant is not None and mutant.where == "notebook":
        cells = {cell: source.replace(mutant.old, mutant.new) for cell, source in cells.items()}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), planted(mutant):
        warnings.simplefilter("ignore")  # a warning stops no student, whatever pytest makes of it
        for cell, source in cells.items():
            try:
                exec(compile(source, cell, "exec"), namespace)
            except Exception as error:
                return Run(cell, error)
    return Run(namespace=namespace)


@contextlib.contextmanager
def planted(mutant: Mutant | None) -> Iterator[None]:
    """For as long as a notebook runs, put a mutated module in the place of the real one."""
    if mutant is None or mutant.where == "notebook":
        yield
        return
    file = importlib.import_module(mutant.where).__file__
    module = types.ModuleType(mutant.where)
    source = source_of(mutant)[mutant.where].replace(mutant.old, mutant.new)
    with mock.patch.dict(sys.modules, {mutant.where: module}):
        exec(compile(source, file, "exec"), vars(module))
        yield


def main() -> int:
    """Print the figures; the exit status is 1 when a mutant survives."""
    mutants = [mutant for path in FILES for mutant in read(path)]
    faulty = [mutant for mutant in mutants if not mutant.equivalent]
    survivors = []
    for number, group in itertools.groupby(faulty, key=lambda mutant: mutant.number):
        found = {mutant: run(number, mutant) for mutant in group}
        missed = [m for m, result in found.items() if not result.caught or occurrences(m) != 1]
        survivors += missed
        print(f"notebook {number}: {len(found) - len(missed)} of {len(found)} caught", flush=True)
    print(f"all: {len(faulty) - len(survivors)} of {len(faulty)} caught")
    for mutant in survivors:
        print(f"survives: {mutant.number}, {mutant.fault}: {mutant.new}")
    for mutant in mutants:
        if mutant.equivalent:
            print(f"equivalent: {mutant.number}, {mutant.new.strip()}\n{mutant.fault}")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
