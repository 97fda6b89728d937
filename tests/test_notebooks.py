"""The real notebooks keep the contract of the series. See CONTRIBUTING.md and tools/contract.py.

What can only be seen while they run is tested with their cells: see conftest.py.
"""

import os
import re
import subprocess
import sys

import pytest
from contract import ROOT, RULES, Notebook, references_lead_somewhere

SERIES = Notebook.series()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("notebook", SERIES, ids=lambda notebook: notebook.name)
def test_form(notebook, rule):
    violations = list(rule(notebook))
    assert not violations, "\n".join(violations)


def test_references_lead_somewhere():
    violations = list(references_lead_somewhere(SERIES))
    assert not violations, "\n".join(violations)


def test_without_cifar10_its_notebook_is_skipped_with_what_to_do(tmp_path):
    command = [sys.executable, "-m", "pytest", "-n0", "-rs", "notebooks/10_cifar10.ipynb"]
    environment = os.environ | {"CS231N_DATA": str(tmp_path)}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "`make data`" in result.stdout
    counts = re.search(r"=+ (.*) in .*=+$", result.stdout.strip())[1]
    [notebook] = Notebook.series("10")
    assert counts.split(", ")[0] == f"{len(notebook.code) + 1} skipped"  # cells and contract
