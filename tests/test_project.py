"""The frame of the final project: where it stops, what passes, and what it refuses."""

import pytest

from publish.answers import project_rms_norm as example
from publish.notebook import ROOT, Notebook, tags
from tools.contract_run import execute

FOLDER = ROOT / "publish" / "student" / "project"
FRAME = Notebook.read(FOLDER / "new_layer.ipynb")
WRITTEN = ("NewLayer", "backward_loops", "cases", "network", "FaultyLayer")
FILLED = {name: getattr(example, name) for name in WRITTEN}


def run(**written):
    """Run the cells, with what is written in place of the frame's; the error and its cell's id."""
    names = {"__name__": "__main__"}
    for cell in FRAME.code:
        try:
            execute(cell.source, names)
        except (AssertionError, NotImplementedError) as error:
            return error, cell.id
        names |= {name: value for name, value in written.items() if name in names}
    return None, ""


def test_it_stops_at_the_first_missing_answer_and_passes_when_filled():
    for missing, told in [(WRITTEN, "cases"), (WRITTEN[1:2], "backward_loops")]:
        error, cell = run(**{name: FILLED[name] for name in FILLED if name not in missing})
        assert isinstance(error, NotImplementedError), missing
        assert f"Write {told}" in str(error)
        assert "check" in tags(next(each for each in FRAME.code if each.id == cell))
    assert run(**FILLED) == (None, "")


def wrong_loops(layer, dOut, X, training):
    return {"X": 2 * dOut, "gamma": dOut.sum(axis=0)}


def one_shape(rng):
    return 3 * example.cases(rng)[:1]


@pytest.mark.parametrize(
    ("changed", "cell"),
    [
        ({"backward_loops": wrong_loops}, "witnesses"),
        ({"cases": one_shape}, "witnesses"),
        ({"network": lambda kind, rng: example.network(example.FaultyLayer, rng)}, "model"),
        ({"network": lambda kind, rng: example.network(example.NewLayer, rng)}, "faulty-check"),
        ({"FaultyLayer": example.NewLayer}, "faulty-check"),
    ],
)
def test_it_refuses(changed, cell):
    error, stopped = run(**FILLED | changed)
    assert isinstance(error, AssertionError)
    assert stopped == cell
