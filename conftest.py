"""Pytest's part of the notebooks: each runs once, and is held to the contract while it does.

nbval makes a test of every code cell. Here each notebook gets one more, behind its last cell, which
tells what an observer in the same kernel has seen. See tools/contract_run.py.
"""

import ast
import os

import pytest
from nbval.plugin import IPyNbFile

from cs231n_utils.datasets import load_cifar10
from publish.notebook import ROOT, missing_package, tags

# Two workers share the cores: with more threads each, small products wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

OBSERVE = f"""
import sys
sys.path.append({str(ROOT)!r})
from tools import contract_run
contract_run.observe({{path!r}})
sys.path.pop()
"""
VIOLATIONS = "__import__('tools.contract_run').contract_run.observers[0].violations()"


class ContractItem(pytest.Item):
    """How a notebook breaks what can only be seen while it runs."""

    def runtest(self):
        """Ask the observer."""
        answer = tell(
            self.parent,
            "",
            seen="__import__('tools.contract_run').contract_run.observers[0].violations()",
        )
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


def pytest_collection_modifyitems(items):
    """Put each notebook's contract behind its last cell; skip what lacks its data or a package."""
    cells = [item for item in items if isinstance(item.parent, IPyNbFile)]
    no_data = missing_data() if cells else ""
    for notebook in dict.fromkeys(item.parent for item in cells):
        own = [item for item in cells if item.parent is notebook]
        contract = ContractItem.from_parent(notebook, name="contract")
        items.insert(items.index(own[-1]) + 1, contract)
        reason = missing_package(item.cell.source for item in own)
        lacking = own if reason else lacking_data(own) if no_data else []
        for item in [*lacking, *([contract] if lacking == own else [])]:
            item.add_marker(pytest.mark.skip(reason=reason or no_data))


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item):
    """Set the observer up in a notebook's kernel before its first cell."""
    notebook = item.parent
    if isinstance(notebook, IPyNbFile) and not hasattr(notebook, "observed"):
        items = item.session.items
        notebook.observed = any(isinstance(i, ContractItem) for i in items if i.parent is notebook)
        if notebook.observed:
            tell(notebook, OBSERVE.format(path=str(notebook.path)))
