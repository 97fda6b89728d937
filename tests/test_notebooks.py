"""The real notebooks keep the contract of the series. See CONTRIBUTING.md and contract.py."""

import functools
import os
import re
import subprocess
import sys

import pytest
from contract import ROOT, RULES, Notebook, references_lead_somewhere
from contract_run import load_answers, run

from conftest import missing_data

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
read = functools.cache(Notebook.read)


@pytest.fixture(scope="module", params=PATHS, ids=lambda path: path.stem)
def notebook(request):
    return read(request.param)


@pytest.fixture(scope="module")
def violations(notebook):
    """What running the notebook tells."""
    if reason := missing_data(notebook.folder / f"{notebook.name}.ipynb"):
        pytest.skip(reason)
    return run(notebook, load_answers(notebook.number))


def assert_none(violations):
    assert not violations, "\n" + "\n".join(violations)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_form(notebook, rule):
    assert_none(rule(notebook))


def test_references_lead_somewhere():
    assert_none(references_lead_somewhere([read(path) for path in PATHS]))


def test_runs(violations):
    assert_none(violations["runs"])


def test_symbols_have_the_shapes_of_the_table(violations):
    assert_none(violations["symbols"])


def test_every_gradient_has_its_witnesses(violations):
    assert_none(violations["witnesses"])


def test_exercises_are_checked_and_accept_every_right_answer(violations):
    assert_none(violations["exercises"])


def test_without_cifar10_its_notebook_is_skipped_with_what_to_do(tmp_path):
    command = [sys.executable, "-m", "pytest", "-n0", "-rs", "notebooks/10_cifar10.ipynb"]
    environment = os.environ | {"CS231N_DATA": str(tmp_path)}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "`make data`" in result.stdout
    counts = re.search(r"=+ (.*) in .*=+$", result.stdout.strip())[1]
    cells = len(read(ROOT / "notebooks" / "10_cifar10.ipynb").code)
    assert counts.split(", ")[0] == f"{cells + 1} skipped"  # the cells and the budget


def test_widgets_answer_at_every_setting_and_leave_nothing_behind(violations):
    assert_none(violations["widgets"])
