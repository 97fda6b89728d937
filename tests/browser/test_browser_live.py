"""Figures that move without a kernel, each on a page of its own that comes from a file."""

import pytest

from publish.live import build as live
from publish.notebook import Notebook

DRAWN = Notebook.series("01", "02", "06", "11")  # soon, and with every kind of control
WIDGETS = [(each, cell) for each in DRAWN for cell in each.tagged("widget")]
PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A figure</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>A figure</h1>{}</main></body></html>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the pictures lie; they are drawn if they are not stored yet."""
    folder = tmp_path_factory.mktemp("pages")
    live.store(DRAWN)
    live.copy(folder / "live")
    return folder


def open_figure(page, folder, notebook, cell):
    """Open a page with one figure; its sliders."""
    path = folder / f"{notebook.name}.html"
    figure = live.figure(notebook.name, cell.id, "live")
    path.write_text(PAGE.format(figure), encoding="utf-8")
    page.goto(path.as_uri())
    page.locator(".live.ready").wait_for()
    return page.get_by_role("slider").all()


def changed(page, before):
    """The picture, as soon as it is not the one before any more."""
    for _ in range(100):
        if (now := page.locator("canvas").screenshot()) != before:
            return now
        page.wait_for_timeout(50)
    raise AssertionError("the picture stays")


@pytest.mark.parametrize("widget", WIDGETS, ids=[notebook.name for notebook, _ in WIDGETS])
def test_keys_move_the_picture(folder, new_page, widget):
    page = new_page(360, 740)
    sliders = open_figure(page, folder, *widget)
    first = picture = page.locator("canvas").screenshot()
    for slider in sliders:
        at_end = slider.input_value() == slider.get_attribute("max")
        slider.press("ArrowLeft" if at_end else "ArrowRight")
        picture = changed(page, picture)
        spoken = page.get_by_role("status").text_content()
        assert page.get_by_role("img").get_attribute("aria-label") in spoken
    page.get_by_role("button", name="Reset").press("Enter")
    assert changed(page, picture) == first
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.violations() == []
    assert page.problems == []


def test_what_is_not_stored_is_not_claimed(folder, page):
    """Two moves away from every stop: the other slider moves to one, and the page says so."""
    angle, offset = open_figure(page, folder, *WIDGETS[0])
    angle.press("ArrowRight")
    offset.press("ArrowRight")
    assert angle.get_attribute("aria-valuetext") == "0"
    page.get_by_role("status").filter(has_text="Moved as well: Angle of Δw.").wait_for()
    assert "angle 0°, offset 0.1: " in page.get_by_role("img").get_attribute("aria-label")


def test_without_scripts_the_first_picture_stands_there(folder, new_page):
    open_figure(new_page(), folder, *WIDGETS[0])
    page = new_page(java_script_enabled=False)
    page.goto((folder / f"{WIDGETS[0][0].name}.html").as_uri())
    assert page.locator("img").is_visible()
