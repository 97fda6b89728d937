"""What the sites make of notebooks, figures and courses; tests/browser looks at whole sites."""

import runpy

import nbformat
import pytest
from docutils.core import publish_doctree
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx.search.en import SearchEnglish

from publish.notebook import WIDGET, Notebook
from publish.site import build as sites
from publish.site import dark, roads, sections

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
    for text in (line for notebook in SERIES for line in roads.lines(notebook)):
        width = TextPath((0, 0), text, 15, prop=FontProperties("DejaVu Sans")).get_extents().x1
        assert 12 + width < roads.centres()[0] - 10, text


def test_a_course_takes_what_its_notebooks_need():
    needs = roads.needed(SERIES)
    for weeks, taken in roads.COURSES.items():
        known = roads.COURSES["14"] if weeks == "+4" else set()
        assert taken <= set(needs), f"{weeks} weeks: a notebook that there is not"
        assert set().union(*(needs[number] for number in taken)) <= taken | known, f"{weeks} weeks"


def test_the_search_takes_a_heading_for_more_than_a_name_in_bold_a_mention_and_code():
    text = """
Noise
=====

The **learning rate** is enough. **Noise has a floor.**

Learning rates
--------------

Here is momentum. ::

    import numpy
"""
    page = publish_doctree(text, settings_overrides={"doctitle_xform": False})
    parts = page.findall(sections.is_part)
    above, below = (sections.worth(part, SearchEnglish({})) for part in parts)
    assert set(above) == {"nois", "learn", "rate", "learn rate", "enough", "floor"}
    assert set(below) == {"learn", "rate", "learn rate", "momentum", "import", "numpi"}
    assert below["learn rate"] > above["learn rate"] > above["enough"] > below["numpi"] > 0
    assert above["nois"] > below["rate"], "the title of a page"
