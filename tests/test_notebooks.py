"""The real notebooks keep the contract of the series. See CONTRIBUTING.md and tools/contract.py.

What can only be seen while they run is tested with their cells: see conftest.py.
"""

import pytest

from publish import export
from tools.contract import RULES, Notebook, references_lead_somewhere

SERIES = Notebook.series()


@pytest.mark.parametrize("notebook", SERIES, ids=lambda notebook: notebook.name)
def test_form(notebook):
    violations = [f"{rule.__name__}: {text}" for rule in RULES for text in rule(notebook)]
    assert not violations, "\n".join(violations)


def test_references_lead_somewhere():
    violations = list(references_lead_somewhere(SERIES))
    assert not violations, "\n".join(violations)


def test_the_packages_copies_of_their_code_are_up_to_date(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["export", "--check"])
    assert export.main() == 0, capsys.readouterr().out
