"""Mutants of the notebooks: single faults, each of which a check of the notebook must see.

    python -m tools.mutants        the figures, by notebook, and the equivalent mutants
    python -m tools.mutants 03 12  those of two notebooks; 12 runs only if it is named

`mutants/NN.diff` holds those of notebook NN. A heading `== notebook`, or `== ` and the name of a
module of the package, says where the faults below it are planted: `- ` what stands there once,
`# ` a fault in words, `+ ` what the fault makes of it. Headings that end in `, equivalent` are of
mutants that change no number, each with the argument.

A mutant runs as a student runs the notebook, cell by cell from the top; what runs before the fault
is shared. A check must stop the run: an assert, a function of gradient_check, or
np.errstate(...="raise"). Any other error does not count, and printed output is not compared.

Three kinds of cells do not run: exercises with their checks, because a student may not have solved
them; comparisons with the package's copy of the code, because `make export` would carry the fault
there as well; and widgets, because they only draw.
"""

import contextlib
import copy
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

from matplotlib.artist import Artist

from cs231n_utils import gradient_check
from publish.notebook import Notebook

FILES = sorted(Path(__file__).with_suffix("").glob("*.diff"))
LONG = {"12"}  # trains for minutes, on CIFAR-10: run only if it is named
COMPARE_WITH_THE_COPY = ["method"]  # of notebook 08: its train against TwoLayerNet.train


@dataclass(frozen=True)
class Mutant:
    """One fault in a notebook's code, or in a module of the package while its notebook runs."""

    number: str  # of the notebook
    where: str  # "notebook", or the module's name
    old: str  # occurs once
    new: str
    fault: str  # in words; for an equivalent mutant the argument
    equivalent: bool

    @property
    def sources(self) -> dict[str, str]:
        """The code that holds its place: id of a cell, or the module's name -> source."""
        if self.where == "notebook":
            return code_cells(self.number)
        file = importlib.import_module(self.where).__file__
        return {self.where: Path(file).read_text(encoding="utf-8")}

    @property
    def place(self) -> int:
        """The place of the cell that it changes, 0 in a module; ValueError unless there is one."""
        sources = enumerate(self.sources.values())
        places = [place for place, text in sources for _ in range(text.count(self.old))]
        if len(places) != 1:
            raise ValueError(f"{self.number}: {len(places)} times in place of once: {self.old}")
        return places[0]


@dataclass(frozen=True)
class Run:
    """How a run ended: the error that stopped it, if any, and what the cells defined."""

    names: dict[str, object]
    cell: str = ""  # id of the cell that raised
    error: Exception | None = None

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
    """The mutants of one notebook, in the order of its cells."""
    mutants = [
        Mutant(path.stem, where, old, new, fault, equivalent=kind == "equivalent")
        for where, kind, old, fault, new in faults(path)
    ]
    return sorted(mutants, key=lambda mutant: mutant.place)


def faults(path: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """What a file plants: the two parts of the heading, the old text, the fault, the new text."""
    text = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    for sign, group in itertools.groupby(lines, key=lambda line: line[0]):
        text[sign] = "\n".join(line[2:] for line in group)
        if sign == "=":
            text["-"] = ""
        if sign == "+":
            where, _, kind = text["="].strip().partition(", ")
            yield where, kind, text["-"], text["#"], text["+"]


@functools.cache
def code_cells(number: str) -> dict[str, str]:
    """The cells that run: id -> source."""
    [notebook] = Notebook.series(number)
    exercises = [cell for e in notebook.exercises for cell in (e.solution, e.check)]
    long_or_silent = [*notebook.tagged("widget"), *notebook.tagged("cifar10")]
    left_out = [cell.id for cell in [*exercises, *long_or_silent]]
    left_out += COMPARE_WITH_THE_COPY
    return {cell.id: cell.source for cell in notebook.code if cell.id not in left_out}


def run(number: str, mutant: Mutant | None = None) -> Run:
    """Run a notebook's cells, mutated or as they are, up to the first that raises."""
    place = mutant.place if mutant else 0
    cells = list(code_cells(number).items())
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), planted(mutant):
        warnings.simplefilter("ignore")  # a warning stops no student, whatever pytest makes of it
        names = names_before(number, place)
        # In the same dict, because there the functions of earlier cells look names up.
        with mock.patch.dict(names, copied(names), clear=True):
            for cell, source in cells[place:]:
                if mutant is not None and mutant.where == "notebook":
                    source = source.replace(mutant.old, mutant.new)
                try:
                    exec(compile(source, cell, "exec"), names)
                except Exception as error:
                    return Run(dict(names), cell, error)
            return Run(dict(names))


@functools.lru_cache(maxsize=1)
def begun(number: str) -> tuple[dict[str, object], list[str]]:
    """What a notebook without a fault has defined so far, and the cells that have run."""
    return {"__name__": "__main__"}, []


def names_before(number: str, place: int) -> dict[str, object]:
    """What the cells before a place define: they run once for all mutants of later places."""
    if len(begun(number)[1]) > place:
        begun.cache_clear()
    names, done = begun(number)
    for cell, source in list(code_cells(number).items())[len(done) : place]:
        exec(compile(source, cell, "exec"), names)
        done.append(cell)
    return names


def copied(names: dict[str, object]) -> dict[str, object]:
    """Deep copies, but of pictures; without what has none, so that a use of it is an error."""
    copies: dict[str, object] = {}
    memo = {id(value): value for value in names.values() if isinstance(value, types.ModuleType)}
    with mock.patch.object(Artist, "__deepcopy__", lambda artist, _: artist, create=True):
        for name, value in names.items():
            with contextlib.suppress(TypeError, RuntimeError):
                copies[name] = copy.deepcopy(value, memo)
    return copies


@contextlib.contextmanager
def planted(mutant: Mutant | None) -> Iterator[None]:
    """For as long as a notebook runs, put a mutated module in the place of the real one."""
    if mutant is None or mutant.where == "notebook":
        yield
        return
    [source] = mutant.sources.values()
    original, module = sys.modules[mutant.where], types.ModuleType(mutant.where)
    sys.modules[mutant.where] = module
    try:
        code = compile(source.replace(mutant.old, mutant.new), original.__file__, "exec")
        exec(code, vars(module))
        yield
    finally:
        sys.modules[mutant.where] = original


def main() -> int:
    """Print the figures; the exit status is 1 when a mutant survives."""
    named = sys.argv[1:] or [path.stem for path in FILES if path.stem not in LONG]
    missing = {notebook.number: notebook.missing_package for notebook in Notebook.series(*named)}
    for number, reason in missing.items():
        if reason:
            print(f"notebook {number}: left out: {reason}")
    kept = [path for path in FILES if path.stem in named and not missing[path.stem]]
    mutants = [mutant for path in kept for mutant in read(path)]
    survivors: list[Mutant] = []
    faulty = [mutant for mutant in mutants if not mutant.equivalent]
    for number, group in itertools.groupby(faulty, key=lambda mutant: mutant.number):
        caught = {mutant: run(number, mutant).caught for mutant in group}
        survivors += [mutant for mutant in caught if not caught[mutant]]
        print(f"notebook {number}: {sum(caught.values())} of {len(caught)} caught", flush=True)
    print(f"all: {len(faulty) - len(survivors)} of {len(faulty)} caught")
    for mutant in survivors:
        print(f"survives: {mutant.number}, {mutant.fault}: {mutant.new}")
    for mutant in mutants:
        if mutant.equivalent:
            print(f"equivalent: {mutant.number}, {mutant.new.strip()}\n{mutant.fault}")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
