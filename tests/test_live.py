"""Stored pictures of widgets are those that `explore` draws, and no others are shown."""

import base64
import io
import re
import runpy

import ipywidgets
import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

import publish.notebook
from publish.live import build as live
from publish.live.record import ROWS, combinations, steps
from publish.notebook import WIDGET as WIDGET_VIEW
from publish.notebook import Notebook
from publish.site.build import HERE as SITE
from publish.slides.build import Material

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
    name=ipywidgets.SelectionSlider(options=["a", "b", 7], description="Name"))"""

PIXEL = (  # an image of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def small():
    """A notebook with one widget."""
    widget = new_code_cell(WIDGET, id="move", metadata={"tags": ["widget"]})
    widget.metadata["live"] = {"name": ["b"], "height": [1000]}
    image = {"data": {"image/png": PIXEL}, "metadata": {"image/png": {"alt": "A static line."}}}
    output = nbformat.v4.new_output("display_data", **image)
    rest = new_code_cell("raise SystemExit", id="static", outputs=[output])
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


@pytest.fixture
def widget(notebook):
    return notebook.tagged("widget")[0]


def test_a_slider_takes_the_values_that_jupyterlab_offers():
    assert steps(ipywidgets.IntSlider(3, min=1, max=7, step=2)) == [1, 3, 5, 7]
    assert steps(ipywidgets.FloatSlider(0, min=-0.3, max=0.3, step=0.1))[:2] == [-0.3, -0.2]
    log = steps(ipywidgets.FloatLogSlider(25, min=0, max=2, step=0.5))
    assert np.allclose(log, [1, 10**0.5, 10, 25, 100]), "the start, in place of 31.6"
    assert steps(ipywidgets.SelectionSlider(options=["x", "y"])) == ["x", "y"]


def test_each_control_moves_through_all_its_values_at_every_stop():
    values = {"a": [0, 1, 2, 3, 4], "b": [0, 10, 20], "c": ["x", "y"]}
    found = list(combinations(values, {"a": 1, "b": 0, "c": 0}, {"a": [3], "b": [19]}))
    along_a = {(a, b, 0) for a in range(5) for b in (0, 2)}
    along_b = {(a, b, 0) for a in (1, 3) for b in range(3)}
    along_c = {(a, b, c) for a in (1, 3) for b in (0, 2) for c in range(2)}
    assert {*found} == along_a | along_b | along_c
    assert len({*found}) == len(found)
    with pytest.raises(ValueError, match="stops for d, but the controls are a, b"):
        list(combinations(values, {"a": 1, "b": 0, "c": 0}, {"d": [1]}))


def test_the_pictures_are_those_that_explore_draws(notebook, widget):
    names = {}
    exec(IMPORTS, names)
    exec(WIDGET.replace("explore(", "box = explore("), names)
    height, name, _, picture = names["box"].children
    place = live.stored(notebook, widget)
    shown = live._index(place)["shown"]
    width, tall = shown["size"]
    assert len(shown["pictures"]) == 2 * 10 + 3 * 2 - 2 * 2
    for key, (number, alt) in shown["pictures"].items():
        values = [
            control["values"][int(at)]
            for control, at in zip(shown["controls"], key.split(","), strict=True)
        ]
        height.value, name.label = values  # an option is shown by its label, a text
        expected = Image.open(io.BytesIO(base64.b64decode(re.search('64,(.*)"', picture.value)[1])))
        sheet, top = Image.open(place / f"{number // ROWS}.webp"), number % ROWS * tall
        stored = sheet.crop((0, top, width, top + tall)).convert("RGB")
        assert np.array_equal(np.asarray(stored), np.asarray(expected.convert("RGB"))), values
        assert alt == f"A line that rises by {values[0]:.3g}, </script> {values[1]}."
    numbers = {number for number, _ in shown["pictures"].values()}
    assert numbers == set(range(len(shown["pictures"]) - 2 * 2)), "equal pictures, once"


def test_pictures_are_drawn_once_and_those_of_other_code_are_not_shown(
    notebook, widget, monkeypatch
):
    def refuse(*_):
        raise AssertionError("it runs again")

    monkeypatch.setattr(live, "execute", refuse)
    live.store([notebook])
    assert live.figure("99_small", "move", "live")
    for cell, changed in [(0, "source"), (1, "source"), (1, "metadata")]:
        other = small()
        if changed == "source":
            other.cells[cell].source += "\n"
        else:
            other.cells[cell].metadata["live"] = {}
        nbformat.write(other, notebook.path)
        assert not live.figure("99_small", "move", "live"), (cell, changed)
    later = small()
    later.cells[2].source += "\n"
    nbformat.write(later, notebook.path)
    assert live.figure("99_small", "move", "live"), "what stands below the widget does not count"


def test_a_page_gets_the_pictures_and_what_stands_there_without_scripts(notebook, tmp_path):
    text = live.figure("99_small", "move", "live")
    live.copy(tmp_path / "live")
    for link in re.findall(r'(?:href|src|data-folder)="([^"]*)"', text):
        assert (tmp_path / link).exists(), link
    assert (tmp_path / "live" / "99_small.move" / "0.webp").exists()
    assert 'alt="A line that rises by 4, &lt;/script&gt; a."' in text
    assert text.count("</script>") == 2, "a text alternative must not end the script"


def test_the_site_shows_the_figure_in_place_of_the_widget(notebook):
    content = small()
    view = nbformat.v4.new_output("display_data", {WIDGET_VIEW: {"model_id": "1"}})
    content.cells[1].outputs = [view]
    content.cells[0].source = "# a student's edition"
    text = [nbformat.writes(content)]
    runpy.run_path(str(SITE / "conf.py"))["adapt"](None, "notebooks/99_small", text)
    [output] = nbformat.reads(text[0], as_version=4).cells[1].outputs
    assert output.data == {"text/html": live.figure("99_small", "move", "../_static/live")}


def test_a_slide_shows_the_static_figure_where_no_pictures_are_stored(notebook, monkeypatch):
    material = Material(notebook)
    moving, still = material.show("live", "move", "static"), material.show("figure", "static")
    assert still in moving
    assert 'class="live"' in moving
    with pytest.raises(ValueError, match="cell imports has no widget"):
        material.show("live", "imports", "static")
    monkeypatch.setattr(live, "STORE", live.STORE / "empty")
    assert material.show("live", "move", "static") == still
