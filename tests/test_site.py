"""What the sites make of notebooks, figures and courses; tests/browser looks at whole sites."""

import runpy

import nbformat
import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from publish.notebook import WIDGET, Notebook
from publish.site import build as sites
from publish.site import dark, roads

SERIES = Notebook.series()


def test_a_control_becomes_a_sentence_and_its_state_is_left_out():
    view = new_output("display_data", {WIDGET: {"model_id": "1"}, "text/plain": "VBox()"})
    notebook = new_notebook(cells=[new_code_cell("explore()", outputs=[view])])
    notebook.metadata["widgets"] = {"state": {}}
    text = [nbformat.writes(notebook)]
    runpy.run_path(str(sites.HERE / "conf.py"))["adapt"](None, "notebooks/01", text)
    adapted = nbformat.reads(text[0], as_version=4)
    assert "widgets" not in adapted.metadata
    assert list(adapted.cells[0].outputs[0].data) == ["text/markdown"]


@pytest.mark.parametrize(
    ("code", "caption", "look"),
    [
        ("ax.plot(losses)", "The loss falls.", dark.INVERTED),
        ("ax.plot(losses)", "Grey: the mean.", dark.DIMMED),
        ("draw(template)", "The template.", dark.DIMMED),
    ],
)
def test_a_dark_page_turns_no_figure_whose_words_would_be_false(code, caption, look):
    draws = "def draw(template):\n    ax.imshow(template)"
    cells = [new_code_cell(draws), new_code_cell(code), new_markdown_cell(caption)]
    notebook = Notebook("01", sites.HERE, new_notebook(cells=cells))
    drawing = dark.drawing_images(notebook)
    assert dark.look(notebook, cells[1], "A figure.", drawing) == look


def test_a_title_ends_before_the_discs_of_the_map():
    for notebook in SERIES:
        text = f"{notebook.number} {notebook.title}"
        width = TextPath((0, 0), text, 15.5, prop=FontProperties("DejaVu Sans")).get_extents().x1
        assert 12 + width < roads.centres()[0] - 10, text


def test_a_course_takes_what_its_notebooks_need():
    needs = roads.needed(SERIES)
    for weeks, taken in roads.COURSES.items():
        known = roads.COURSES["14"] if weeks == "+4" else set()
        assert taken <= set(needs), f"{weeks} weeks: a notebook that there is not"
        assert set().union(*(needs[number] for number in taken)) <= taken | known, f"{weeks} weeks"
