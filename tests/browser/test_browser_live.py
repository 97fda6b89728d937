"""Every figure that moves without a kernel, on a page of its own that comes from a file."""

import pytest

from publish.live import build as live
from publish.notebook import Notebook

DRAWN = [notebook for notebook in Notebook.series() if not notebook.missing_package]
WIDGETS = [(each, cell) for each in DRAWN for cell in each.tagged("widget")]
PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A figure</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>A figure</h1>{}</main></body></html>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the pictures of all widgets lie; they are drawn if they are not stored yet."""
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
def test_keys_and_fingers_move_the_picture(folder, new_page, widget):
    page = new_page(360, 740, has_touch=True)
    sliders = open_figure(page, folder, *widget)
    first = picture = page.locator("canvas").screenshot()
    spoken = page.get_by_role("status")
    for slider in sliders:
        before = slider.get_attribute("aria-valuetext")
        at_end = slider.input_value() == slider.get_attribute("max")
        slider.press("ArrowLeft" if at_end else "ArrowRight")
        picture = changed(page, picture)
        assert slider.get_attribute("aria-valuetext") != before
        assert page.get_by_role("img").get_attribute("aria-label") in spoken.text_content()
    page.get_by_role("button", name="Reset").tap()
    assert changed(page, picture) == first
    for slider in sliders:
        before, box = slider.input_value(), slider.bounding_box()
        to_the_left = float(before) > float(slider.get_attribute("max")) / 2
        x = box["x"] + box["width"] * (0.1 if to_the_left else 0.9)
        page.touchscreen.tap(x, box["y"] + box["height"] / 2)
        assert slider.input_value() != before
    changed(page, first)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.violations() == []
    assert page.problems == []


def test_what_is_not_stored_is_not_claimed(folder, page):
    """Two moves away from every stop: the other slider moves to one, and the page says so."""
    angle, offset = open_figure(page, folder, *WIDGETS[0])
    angle.press("ArrowRight")
    offset.press("ArrowRight")
    assert angle.get_attribute("aria-valuetext") == "0"
    assert offset.get_attribute("aria-valuetext") == "0.10"
    spoken = page.get_by_role("status").filter(has_text="Moved as well: Angle of Δw.")
    spoken.wait_for()
    assert "angle 0°, offset 0.1: " in spoken.text_content()
    assert "angle 0°, offset 0.1: " in page.get_by_role("img").get_attribute("aria-label")


def test_without_scripts_and_on_paper_the_first_picture_stands_there(folder, new_page):
    page = new_page()
    open_figure(page, folder, *WIDGETS[0])
    page.add_style_tag(content="canvas, img { width: auto !important }")  # pixel for pixel
    moving = page.locator("canvas").screenshot()
    page.emulate_media(media="print")
    assert page.get_by_role("slider").count() == 0
    assert page.locator("img").screenshot() == moving, "the same picture, out of a sheet"
    page = new_page(java_script_enabled=False)
    page.goto((folder / f"{WIDGETS[0][0].name}.html").as_uri())
    assert page.locator("img").is_visible()
