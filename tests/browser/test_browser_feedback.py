"""The page of feedback that a student gets, from its file: as a phone shows it, in the dark."""

import pytest
from nbformat.v4 import new_output
from test_browser_fits import TOO_WIDE

from publish.notebook import Notebook
from publish.student import edition
from publish.student.marking.page import Page


@pytest.fixture(scope="module")
def feedback(tmp_path_factory):
    """The page for 06, of whose checks every second one failed."""
    [notebook] = Notebook.series("06")
    content = edition.unsolved(edition.solved(notebook)).content
    checks = [cell for cell in content.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    for number, check in enumerate(checks):
        check.metadata.nbgrader["score"] = check.metadata.nbgrader.points * (number % 2)
        told = "AssertionError: it has another shape"
        error = new_output("error", ename=told[:14], evalue=told[16:], traceback=[told])
        check.outputs = [] if number % 2 else [error]
    about = {"name": "Ann Lee", "score": 7, "max_score": 13, "late_penalty": 0}
    text, _ = Page().from_notebook_node(content, {"nbgrader": about})
    path = tmp_path_factory.mktemp("feedback") / "06.html"
    path.write_text(text, encoding="utf-8")
    return path


def test_axe_finds_nothing_and_nothing_is_cut_off(feedback, new_page):
    """Also what is folded; the first link leads to the first check that was lost."""
    page = new_page(360, color_scheme="dark")
    page.goto(feedback.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.problems + page.violations() + page.evaluate(TOO_WIDE) == []
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    lost = page.locator(":target.lost")
    assert lost.locator(".told").inner_text() == "AssertionError: it has another shape"
