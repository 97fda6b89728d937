"""Mutants of the notebooks: single faults, each of which a check of the notebook must see.

    python -m tools.mutants        the figures, by notebook, and what survives
    python -m tools.mutants 03 12  those of two notebooks; 12 runs only if it is named

`operators` plants faults in every line that computes an equation with a number or is exported.
`mutants/NN.diff` adds some that no operator makes: `- ` what stands once in notebook NN, `+ ` what
a fault makes of it. NN.txt lists those that no check need see, NN.missed those that one should.

A mutant runs as a student runs the notebook, from the top. Killed means that a check stopped it:
an assert, a function of gradient_check, or np.errstate(...="raise"). Any other error, as of a
shape or an endless loop, is counted apart. Printed output is not compared. Exercises that are not
exported, drawing, and cells that need CIFAR-10, train long, or compare with the package's copy of
the code do not run.
"""

import ast
import contextlib
import copy
import functools
import io
import itertools
import os
import sys
import traceback
import types
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the tests

from matplotlib.artist import Artist
from nbformat import NotebookNode

from cs231n_utils import gradient_check
from publish.notebook import Notebook, computed, exported_to, tags
from tools.operators import faults

FOLDER = Path(__file__).with_suffix("")
LONG = {"12"}  # trains for minutes, on CIFAR-10: run only if it is named
ROUNDS = 1_000_000  # of `while` loops in one cell, all together: what loops on is stopped


@functools.cache
def code(number: str) -> list[NotebookNode]:
    """The cells of a notebook that run."""
    [notebook] = Notebook.series(number)
    asked = [each for each in notebook.exercises if not exported_to(each.solution)]
    left_out = [cell.id for each in asked for cell in (each.solution, each.check)]
    for cell in notebook.code:
        draws = cell.source.startswith("fig, ") and "assert" not in cell.source
        left = {"widget", "cifar10", "long"} & tags(cell)
        if draws or left or "TwoLayerNet.train" in cell.source:
            left_out.append(cell.id)
    return [cell for cell in notebook.code if cell.id not in left_out]


def mutants(number: str) -> list[tuple[str, str, str]]:
    """Of each fault in a notebook the cell, a line (where: what it is changed to), the source."""
    found = [
        (cell.id, f"{where}: {change}", source)
        for cell in code(number)
        for where, change, source in faults(cell.source, everywhere=bool(exported_to(cell)))
    ]
    old = ""
    for sign, group in itertools.groupby(lines(f"{number}.diff"), key=lambda line: line[0]):
        text = "\n".join(line[2:] for line in group)
        if sign == "+":
            [cell] = [each for each in code(number) for _ in range(each.source.count(old))]
            line = f"{' '.join(computed(old)) or 'by hand'}: {text}"
            found.append((cell.id, line, cell.source.replace(old, text)))
        old = text
    return found


def lines(name: str) -> list[str]:
    """The lines of a file of the folder but comments; none where it does not exist."""
    path = FOLDER / name
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [line for line in text.splitlines() if not line.startswith("# ")]


def verdicts(number: str, step: int = 1) -> Iterator[tuple[str, str]]:
    """What becomes of each mutant; with a step, of every third and so on that is not listed."""
    listed = dict.fromkeys(lines(f"{number}.txt"), "equivalent")
    listed |= dict.fromkeys(lines(f"{number}.missed"), "missed")
    left = [each for each in mutants(number) if step == 1 or each[1] not in listed][::step]
    names: dict[str, object] = {"__name__": "__main__"}
    for place, cell in enumerate(code(number)):
        behind = [each.source for each in code(number)[place + 1 :]]
        for line, source in ((line, source) for id, line, source in left if id == cell.id):
            found = verdict([source, *behind], names)
            yield line, listed.get(line, found) if found == "surviving" else found
        left = [each for each in left if each[0] != cell.id]
        if not left:
            return
        execute(cell.source, names)


def verdict(sources: list[str], names: dict[str, object]) -> str:
    """Whether a check sees the mutant in these cells, another error stops it, or it survives."""
    # In the same dict, because there the functions of earlier cells look names up.
    with mock.patch.dict(names, copied(names), clear=True):
        try:
            for source in sources:
                execute(source, names)
        except Exception as error:
            innermost = traceback.extract_tb(error.__traceback__)[-1].filename
            is_check = isinstance(error, AssertionError | FloatingPointError)
            is_check |= innermost == gradient_check.__file__
            return "killed" if is_check else "stopped by an error"
    return "surviving"


def execute(source: str, names: dict[str, object]) -> None:
    """Run a cell; more than ROUNDS rounds of `while` are an error."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.While):
            again = ast.parse("next(rounds_left)", mode="eval").body
            node.test = ast.BoolOp(ast.And(), [again, node.test])
    names["rounds_left"] = iter(range(1, ROUNDS))
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        exec(compile(ast.fix_missing_locations(tree), "cell", "exec"), names)


def copied(names: dict[str, object]) -> dict[str, object]:
    """Deep copies, but of pictures; without what has none, so that a use of it is an error."""
    copies: dict[str, object] = {}
    memo = {id(value): value for value in names.values() if isinstance(value, types.ModuleType)}
    with mock.patch.object(Artist, "__deepcopy__", lambda artist, _: artist, create=True):
        for name, value in names.items():
            with contextlib.suppress(TypeError, RuntimeError):
                copies[name] = copy.deepcopy(value, memo)
    return copies


def main() -> int:
    """Print the figures; the exit status is 1 when a mutant survives."""
    total: Counter[str] = Counter()
    for notebook in Notebook.series(*sys.argv[1:]):
        if notebook.missing_package or (notebook.number in LONG and not sys.argv[1:]):
            print(f"notebook {notebook.number}: left out. {notebook.missing_package}")
            continue
        figures: Counter[str] = Counter()
        for line, found in verdicts(notebook.number):
            figures.update(["planted", found])
            if found == "surviving":
                print(f"survives: {notebook.number}, {line}")
        print(f"notebook {notebook.number}: {dict(figures)}", flush=True)
        total += figures
    print(f"all: {dict(total)}")
    return int("surviving" in total)


if __name__ == "__main__":
    sys.exit(main())
