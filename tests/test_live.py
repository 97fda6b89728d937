"""Stored pictures of widgets are those that `explore` draws, and no others are shown."""

import base64
import io
import re

import ipywidgets
import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

import publish.notebook
from publish.live import build as live
from publish.live.record import ROWS, steps
from publish.needed import needed
from publish.notebook import Notebook

IMPORTS = """import ipywidgets
from cs231n_utils import plots
from cs231n_utils.widgets import explore"""
WIDGET = """def draw(height, name):
    fig, ax = plots.subplots(figsize=(2, 2))
    ax.plot([0, min(height, 10**7)])
    ax.set_title(f"{name} {min(height, 10**7):.3g}")
    return fig.described(f"A line that rises by {height:.3g}, </script> {name}.")
explore(
    draw,
    height=ipywidgets.FloatLogSlider(4.0, min=0, max=9, step=1, description="Height"),
    name=ipywidgets.SelectionSlider(options=[("a", "a"), ("b", "b"), ("7", 7)],
                                     description="Name"))"""


def small():
    """A notebook with one widget."""
    widget = new_code_cell(WIDGET, id="move", metadata={"tags": ["widget"]})
    widget.metadata["live"] = {"name": ["b"], "height": [1000]}
    rest = new_code_cell("raise SystemExit", id="rest")
    return new_notebook(cells=[new_code_cell(IMPORTS, id="imports"), widget, rest])


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """It alone is the series; its pictures are stored."""
    folder = tmp_path_factory.mktemp("notebooks")
    nbformat.write(small(), folder / "99_small.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish.notebook, "NOTEBOOKS", folder)
        patch.setattr(live, "STORE", tmp_path_factory.mktemp("store"))
        [notebook] = Notebook.series()
        live.store([notebook])
        yield notebook


def test_a_slider_takes_the_values_that_jupyterlab_offers():
    assert steps(ipywidgets.IntSlider(3, min=1, max=7, step=2)) == [1, 3, 5, 7]
    assert steps(ipywidgets.FloatSlider(0, min=-0.3, max=0.3, step=0.1))[:2] == [-0.3, -0.2]
    log = steps(ipywidgets.FloatLogSlider(25, min=0, max=2, step=0.5))
    assert np.allclose(log, [1, 10**0.5, 10, 25, 100]), "the start, in place of 31.6"
    assert steps(ipywidgets.SelectionSlider(options=["x", 7])) == ["x", 7]
    assert steps(ipywidgets.SelectionSlider(options=[("an x", "x"), ("seven", 7)])) == ["x", 7]


def test_cells_run_that_bind_or_change_what_a_widget_uses_and_no_others():
    codes = ["table = [0]", "other = 1 / 0", "for k in [2, 3]:\n    table[0] = k"]
    codes += ["table.append(1)", "print(table)", "def height(x):\n    return scaled(table, x)"]
    codes += ["def scaled(table, x):\n    return table[0] * x", "explore(height)"]
    found = needed(list(map(new_code_cell, codes)), lambda cell: "explore" in cell.source)
    assert [codes.index(cell.source) for cell in found] == [0, 2, 3, 5, 6, 7]


def test_the_pictures_are_those_that_explore_draws(notebook):
    names = {}
    exec(IMPORTS, names)
    exec(WIDGET.replace("explore(", "box = explore("), names)
    height, name, _, picture = names["box"].children
    folder = live.stored(notebook, notebook.tagged("widget")[0])
    shown = live._index(folder)["shown"]
    width, tall = shown["size"]
    assert len(shown["pictures"]) == 2 * 10 + 3 * 2 - 2 * 2
    for key, (number, alt) in shown["pictures"].items():
        values = [
            control["values"][int(at)]
            for control, at in zip(shown["controls"], key.split(","), strict=True)
        ]
        height.value, name.label = values  # an option is shown by its label, a text
        expected = Image.open(io.BytesIO(base64.b64decode(re.search('64,(.*)"', picture.value)[1])))
        sheet, top = Image.open(folder / f"{number // ROWS}.webp"), number % ROWS * tall
        stored = sheet.crop((0, top, width, top + tall)).convert("RGB")
        assert np.array_equal(np.asarray(stored), np.asarray(expected.convert("RGB"))), values
        assert alt == f"A line that rises by {values[0]:.3g}, </script> {values[1]}."


def test_a_page_gets_the_pictures_that_its_code_draws(notebook, tmp_path, monkeypatch):
    monkeypatch.delattr(live, "execute")
    live.store([notebook])  # runs nothing again
    text = live.figure("99_small", "move", "live")
    live.copy(tmp_path / "live")
    for link in re.findall(r'(?:href|src|data-folder)="([^"]*)"', text):
        assert (tmp_path / link).exists(), link
    assert (tmp_path / "live" / "99_small.move" / "0.webp").exists()
    assert 'alt="A line that rises by 4, &lt;/script&gt; a."' in text
    assert text.count("</script>") == 2, "a text alternative must not end the script"
    for cell, shown in [(0, False), (1, False), (2, True)]:  # below the widget nothing counts
        other = small()
        other.cells[cell].source += "\n"
        nbformat.write(other, notebook.path)
        assert bool(live.figure("99_small", "move", "live")) == shown, cell
