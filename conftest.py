"""Pytest's part of the notebooks: a budget test for each of them, and a table at the end of a run.

nbval makes a test of every code cell. Here each notebook gets one more, which fails when its cells
together took longer than its opening cell allows.
"""

import os
import re
from collections import defaultdict

import nbformat
import pytest
from nbval.plugin import IPyNbFile

from cs231n_utils.datasets import load_cifar10

# Two workers share the cores: with more threads each, small products wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

seconds = defaultdict(float)  # notebook's node id -> seconds its cells have taken


class OverBudgetError(Exception):
    """A notebook took longer than its opening cell says."""


class BudgetItem(pytest.Item):
    """Compares the seconds of a notebook's cells with the budget that it states."""

    def runtest(self):
        """Fail when the cells took longer than the notebook says."""
        notebook = nbformat.read(self.path, as_version=4)
        stated = re.search(r"at most (\d+) seconds to run", notebook.cells[0].source)
        if stated is None:
            raise OverBudgetError("the opening cell must say 'at most N seconds to run'")
        taken = seconds[self.parent.nodeid]
        if taken > int(stated[1]):
            raise OverBudgetError(f"took {taken:.1f} s, but the opening cell allows {stated[1]} s")

    def repr_failure(self, excinfo):
        """The sentence alone: a traceback through pytest would tell nothing."""
        return f"{self.path.name}: {excinfo.value}"

    def reportinfo(self):
        """Where pytest says that this test stands."""
        return self.path, 0, f"{self.path.name}: budget"


def missing_data(path):
    """Why a notebook cannot run here, or "": CIFAR-10 is not part of the project."""
    notebook = nbformat.read(path, as_version=4)
    if any("load_cifar10(" in c.source for c in notebook.cells if c.cell_type == "code"):
        try:
            load_cifar10(1, 1, 1)
        except FileNotFoundError as error:
            return " ".join(str(error).splitlines()[:2])
    return ""


def pytest_collection_modifyitems(items):
    """Put each notebook's budget test behind its last cell; skip what lacks its data."""
    last = {
        item.parent: index for index, item in enumerate(items) if isinstance(item.parent, IPyNbFile)
    }
    for notebook, index in sorted(last.items(), key=lambda pair: -pair[1]):
        items.insert(index + 1, BudgetItem.from_parent(notebook, name="budget"))
        if reason := missing_data(notebook.path):
            for item in [item for item in items if item.parent is notebook]:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_logreport(report):
    """Add up the seconds of a notebook's cells, its kernel's start included."""
    notebook, _, _ = report.nodeid.partition("::")
    if notebook.endswith(".ipynb"):
        seconds[notebook] += report.duration


def pytest_terminal_summary(terminalreporter, config):
    """Print what each notebook holds and took: the figures that CONTRIBUTING.md explains."""
    if not seconds:
        return
    terminalreporter.section("notebooks")
    terminalreporter.line(
        f"{'notebook':40}{'cells':>6}{'compared':>10}{'equations':>11}{'seconds':>9}"
    )
    for name, taken in sorted(seconds.items()):
        cells = nbformat.read(config.rootpath / name, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        ignored = sum("nbval-ignore-output" in cell.metadata.get("tags", []) for cell in code)
        compared = 1 - ignored / len(code)
        equations = sum(len(re.findall(r"\\tag\{", cell.source)) for cell in cells)
        terminalreporter.line(
            f"{name:40}{len(code):>6}{compared:>10.0%}{equations:>11}{taken:>9.1f}"
        )
