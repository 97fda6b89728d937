"""Pytest and the notebooks: what is tried between their cells, what is skipped, what comes first.

nbval makes a test of every code cell. Here each function with kept answers and each widget gets one
more, in the same kernel. See tools/contract_run.py.
"""

import os
import re

import pytest
from nbval.plugin import IPyNbFile

from cs231n_utils.datasets import load_cifar10
from publish.answers import load_answers
from publish.notebook import ROOT, Notebook, missing_package, tags
from tools.contract import left_unsolved

# Two workers share the cores: with more threads each, small products wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # PyTorch's
os.environ.setdefault("CS231N_DRAFT", "1")  # no output's pixels are compared: draw figures once

TRY = f"""
import sys
sys.path.append({str(ROOT)!r})
from tools import contract_run
sys.path.pop()
contract_run.{{call}}
"""


class Trial(pytest.Item):
    """A call of tools/contract_run.py in a notebook's kernel, in no cell and without a trace."""

    def __init__(self, *, call, **options):
        super().__init__(**options)
        self.code = TRY.format(call=call)

    def runtest(self):
        """Let the kernel do it."""
        reply = self.parent.kernel.kc.execute_interactive(
            f"exec({self.code!r}, {{}})", silent=True, output_hook=lambda _: None, timeout=600
        )["content"]
        if reply["status"] != "ok":
            pytest.fail(f"{reply['ename']}: {reply['evalue']}", pytrace=False)

    def reportinfo(self):
        """Where pytest says that this test stands."""
        return self.path, 0, f"{self.path.name}: {self.name}"


def missing_data():
    """Why cells that need CIFAR-10 cannot run here, or "": it is not part of the project."""
    try:
        load_cifar10(1, 1, 1)
    except FileNotFoundError as error:
        return " ".join(str(error).splitlines()[:2])
    return ""


def lacking_data(cells):
    """Of a notebook's cells those that need CIFAR-10: the ones tagged `cifar10`.

    All of them, where a cell without the tag loads it, because later cells then need it, too.
    """
    tagged = [item for item in cells if "cifar10" in tags(item.cell)]
    loading = [item for item in cells if "load_cifar10(" in item.cell.source]
    return cells if any(item not in tagged for item in loading) else tagged


def training_long(cells):
    """Of a notebook's cells those that train for minutes, unless CS231N_LONG asks for them."""
    return [] if os.environ.get("CS231N_LONG") else [i for i in cells if "long" in tags(i.cell)]


def with_trials(cells):
    """A notebook's cells, with answers before the check that meets them, moves behind widgets."""
    file = cells[0].parent
    notebook = Notebook.read(file.path)
    answers = answers_by_check(notebook)
    for item in cells:
        source, tests = item.cell.source, [item]
        for name, call in reversed(answers.get(source, [])):
            tests.insert(0, Trial.from_parent(file, name=f"answers, {name}", call=call))
        if "widget" in tags(item.cell):
            call = f"try_widget({source!r})"
            tests.append(Trial.from_parent(file, name=f"moves, {item.name}", call=call))
        for test in tests:
            test.own_markers = item.own_markers
            yield test


def answers_by_check(notebook):
    """The code of a check -> the functions whose answers meet it, and the calls that try them."""
    found, kept = {}, load_answers(notebook.number)
    exercises = {exercise.solution.id for exercise in notebook.exercises}
    for cell in notebook.solutions:
        check = next(check for check, tested in notebook.checks if cell in tested)
        unsolved = left_unsolved(cell.source) if cell.id in exercises else []
        for name in re.findall(r"^def (\w+)", cell.source, re.M):
            if name in kept:
                tried = notebook.number, name, unsolved, cell.source, check.source
                found.setdefault(check.source, []).append((name, f"try_exercise{tried!r}"))
    return found


def stated_seconds(cells):
    """The seconds that a notebook states; 0 if all of it is skipped."""
    skipped = all(any(item.iter_markers("skip")) for item in cells)
    return 0 if skipped else Notebook.read(cells[0].path).times.seconds


def pytest_collection_modifyitems(items):
    """Begin with what runs longest: notebooks as they state, then the files with the most tests."""
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    notebooks = [tests for tests in files.values() if isinstance(tests[0].parent, IPyNbFile)]
    others = [tests for tests in files.values() if tests not in notebooks]
    no_data = missing_data() if notebooks else ""
    for cells in notebooks:
        reason = missing_package(item.cell.source for item in cells)
        for item in cells if reason else lacking_data(cells) if no_data else []:
            item.add_marker(pytest.mark.skip(reason=reason or no_data))
        for item in training_long(cells):
            item.add_marker(pytest.mark.skip(reason="it trains for minutes: set CS231N_LONG=1"))
    notebooks.sort(key=lambda cells: (stated_seconds(cells), len(cells)), reverse=True)
    others.sort(key=len, reverse=True)
    items[:] = [test for cells in notebooks for test in with_trials(cells)]
    items += [test for tests in others for test in tests]
