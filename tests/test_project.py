"""The frame of the final project, and its example: where it stops, what passes, what it refuses."""

import pytest

from publish.notebook import ROOT, Notebook, tags
from tools.contract_run import execute

FOLDER = ROOT / "publish" / "student" / "project"
FRAME = Notebook.read(FOLDER / "new_layer.ipynb")
EXAMPLE = Notebook.read(FOLDER / "example.ipynb")
WRITTEN = {"NewLayer": "layer", "backward_loops": "loops", "cases": "cases"}
WRITTEN |= {"network": "network", "FaultyLayer": "faulty"}


def filled():
    """What the example's cells define in place of the frame's."""
    names = {"__name__": "__main__"}
    for cell in EXAMPLE.code:
        if cell.id in ("imports", *WRITTEN.values()):
            execute(cell.source, names)
    return {name: names[name] for name in WRITTEN}


FILLED = filled()


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


def test_the_example_passes_the_frame_s_checks():
    checks = {cell.id: cell.source for cell in FRAME.tagged("check")}
    assert checks == {cell.id: cell.source for cell in EXAMPLE.tagged("check")}
    names = {"__name__": "__main__"}
    for cell in EXAMPLE.code:
        execute(cell.source, names)


@pytest.mark.parametrize(
    ("missing", "told"), [([*WRITTEN], "cases"), (["backward_loops"], "backward_loops")]
)
def test_it_stops_at_the_first_missing_answer(missing, told):
    error, cell = run(**{name: FILLED[name] for name in FILLED if name not in missing})
    assert isinstance(error, NotImplementedError)
    assert f"Write {told}" in str(error)
    assert "check" in tags(next(each for each in FRAME.code if each.id == cell))


def wrong_loops(layer, dOut, X, training):
    return {"X": 2 * dOut, "gamma": dOut.sum(axis=0)}


def one_shape(rng):
    return 3 * FILLED["cases"](rng)[:1]


@pytest.mark.parametrize(
    ("changed", "cell"),
    [
        ({"backward_loops": wrong_loops}, "witnesses"),
        ({"cases": one_shape}, "witnesses"),
        ({"network": lambda kind, rng: FILLED["network"](FILLED["FaultyLayer"], rng)}, "model"),
        ({"network": lambda kind, rng: FILLED["network"](FILLED["NewLayer"], rng)}, "faulty-check"),
        ({"FaultyLayer": FILLED["NewLayer"]}, "faulty-check"),
    ],
)
def test_it_refuses(changed, cell):
    error, stopped = run(**FILLED | changed)
    assert isinstance(error, AssertionError)
    assert stopped == cell
