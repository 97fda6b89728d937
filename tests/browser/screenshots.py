"""The README's pictures of a widget, a slide and a page: publish/screenshots/*.png.

After `make slides site`: .venv/bin/python -m pytest -n0 tests/browser/screenshots.py
"""

from test_browser_lab import run_all, widgets_of
from test_browser_site import visit

from publish.notebook import ROOT

IMAGES = ROOT / "publish" / "screenshots"


def test_pictures_are_taken(new_page, lab):
    page = new_page(1280, 800)
    run_all(page, lab.format("08_training"))
    next(widgets_of(page)).screenshot(path=IMAGES / "widget.png")
    for name, place, mark in [
        ("slide", "slides/06_backpropagation.html", "#/8"),
        ("site", "site/instructors/notebooks/04_softmax_gradient.html", "#both-cases-in-one-line"),
    ]:
        page = new_page()
        visit(page, ROOT / "build" / place, mark)
        page.wait_for_timeout(1000)  # the slide moves in
        page.screenshot(path=IMAGES / f"{name}.png")
