"""The package's copies of the notebooks' code are up to date."""

from publish import export


def test_exports_are_in_sync(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["export", "--check"])
    assert export.main() == 0, capsys.readouterr().out
