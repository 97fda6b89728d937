"""Pytest's part of the notebooks: each runs once, and is held to the contract while it does.

nbval makes a test of every code cell. Here each notebook gets one more, behind its last cell, which
tells what an observer in the same kernel has seen. See tools/contract_run.py.
"""

import ast
import os

import pytest
from nbval.plugin import IPyNbFile

from cs231n_utils.datasets import load_cifar10
from publish.notebook import ROOT, Notebook

# Two workers share the cores: with more threads each, small products wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

OBSERVE = f"""
import sys
sys.path += {[str(ROOT), str(ROOT / "tools"), str(ROOT / "tests")]}
import contract_run
contract_run.observe({{path!r}})
del sys.path[-3:]
"""


class ContractItem(pytest.Item):
    """How a notebook breaks what can only be seen while it runs."""

    def runtest(self):
        """Ask the observer."""
        answer = tell(self.parent, "", seen="__import__('contract_run').observers[0].violations()")
        found = ast.literal_eval(answer["user_expressions"]["seen"]["data"]["text/plain"])
        lines = [f"{kind}: {violation}" for kind in found for violation in found[kind]]
        if lines:
            pytest.fail("\n".join(lines), pytrace=False)

    def reportinfo(self):
        """Where pytest says that this test stands."""
        return self.path, 0, f"{self.path.name}: contract"


def tell(notebook, code, **expressions):
    """Execute code in a notebook's kernel, in no cell and without a trace; the kernel's answer."""
    reply = notebook.kernel.kc.execute_interactive(
        f"exec({code!r}, {{}})", silent=True, user_expressions=expressions, timeout=60
    )
    assert reply["content"]["status"] == "ok", "\n".join(reply["content"]["traceback"])
    return reply["content"]


def missing_data(path):
    """Why a notebook cannot run here, or "": CIFAR-10 is not part of the project."""
    if any("load_cifar10(" in cell.source for cell in Notebook.read(path).code):
        try:
            load_cifar10(1, 1, 1)
        except FileNotFoundError as error:
            return " ".join(str(error).splitlines()[:2])
    return ""


def pytest_collection_modifyitems(items):
    """Put each notebook's contract behind its last cell; skip what lacks its data."""
    last = {
        item.parent: index for index, item in enumerate(items) if isinstance(item.parent, IPyNbFile)
    }
    for notebook, index in sorted(last.items(), key=lambda pair: -pair[1]):
        items.insert(index + 1, ContractItem.from_parent(notebook, name="contract"))
        if reason := missing_data(notebook.path):
            for item in [item for item in items if item.parent is notebook]:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item):
    """Set the observer up in a notebook's kernel before its first cell."""
    notebook = item.parent
    if isinstance(notebook, IPyNbFile) and not hasattr(notebook, "observed"):
        notebook.observed = ContractItem in {
            type(i) for i in item.session.items if i.parent is notebook
        }
        if notebook.observed:
            tell(notebook, OBSERVE.format(path=str(notebook.path)))
