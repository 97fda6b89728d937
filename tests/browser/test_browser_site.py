"""The pages of both sites in a browser, from their files: wide and as a phone, light and dark."""

import re
import warnings

import pytest

from publish import handouts
from publish.live import build as live
from publish.notebook import Notebook
from publish.site.build import build
from publish.slides import build as slides

# A page of each kind, which stands for the others where looking takes long.
KINDS = {
    "instructors": ["index", "monday", "instructors", "marking", "CONTRIBUTING"],
    "students": ["index", "series", "start", "quiz", "docs/notation", "search"],
}
KINDS["instructors"] += ["notebooks/10_debugging", "reference/gradient_check"]
KINDS["students"] += ["notebooks/06_backpropagation", "reference/taught/layers"]

# Elements that make the page scroll sideways; none when it does not.
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll('main *')]
    .filter(element => element.getBoundingClientRect().right > innerWidth)
    .slice(0, 5).map(element => element.outerHTML.slice(0, 200))"""

# Formulas that begin left of their box, and boxes that scroll although the formula fits.
CUT_OFF = """() => [...document.querySelectorAll('main .math')].filter(box => {
    const formula = box.querySelector('mjx-math').getBoundingClientRect()
    return formula.left < box.getBoundingClientRect().left - 1 ||
      (box.scrollWidth > box.clientWidth + 1 && formula.width <= box.clientWidth)
  }).map(box => box.textContent.slice(0, 80))"""


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """The folder of both sites, built now."""
    folder = tmp_path_factory.mktemp("sites")
    with warnings.catch_warnings(action="ignore"):  # of Sphinx's parts about one another
        live.store(Notebook.series())  # few, see conftest.py
        assert build(folder / "instructors", talks=False) == 0
        assert build(folder / "students", students=True) == 0
    return folder


def visit(page, path, query=""):
    """Open a page and wait until its equations are set."""
    page.goto(path.as_uri() + query, timeout=120_000)  # a busy machine sets equations slowly
    page.evaluate("async () => { await window.MathJax?.startup?.promise }")


def look(page, site, names, width, colours):
    """What axe finds on pages of a site, in one width and in one colour scheme, folds open."""
    page.set_viewport_size({"width": width, "height": 740})
    page.emulate_media(color_scheme=colours)
    found = []
    for name in names:
        visit(page, site / f"{name}.html")
        assert page.locator("html").get_attribute("data-theme") == colours
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        found += [f"{name}: {text}" for text in page.violations()]
    return found


@pytest.mark.parametrize(
    ("audience", "width", "colours"), [("instructors", 1280, "light"), ("students", 360, "dark")]
)
def test_axe_finds_nothing(sites, page, audience, width, colours):
    """Both audiences' pages, both widths and both colours."""
    found = look(page, sites / audience, KINDS[audience], width, colours)
    assert page.problems + found == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("audience", "width", "colours"), [("instructors", 360, "light"), ("students", 1280, "dark")]
)
def test_axe_finds_nothing_on_any_page(sites, page, audience, width, colours):
    """The whole site but its talks."""
    site = sites / audience
    pages = [path.relative_to(site).with_suffix("") for path in sorted(site.rglob("*.html"))]
    names = [name.as_posix() for name in pages if not {"_static", "slides"} & {*name.parts}]
    found = look(page, site, names, width, colours)
    print(f"axe: {len(names)} pages for {audience}, {width} pixels wide, {colours}")
    assert page.problems + found == []


@pytest.mark.slow
@pytest.mark.parametrize("students", [False, True])
def test_axe_finds_nothing_on_any_slide(tmp_path, page, students):
    """All slides at once, as they are printed."""
    slides.build(tmp_path, students=students)
    found, talks = [], sorted(tmp_path.glob("[0-9]*.html"))
    for talk in talks:
        page.goto(f"{talk.as_uri()}?print-pdf", timeout=120_000)
        page.wait_for_selector(".pdf-page", state="attached", timeout=120_000)
        found += [f"{talk.stem}: {text}" for text in page.violations()]
    print(f"axe: {len(talks)} talks, for students: {students}")
    assert page.problems + found == []


def test_figures_are_dark_on_a_dark_page(sites, new_page):
    page = new_page(color_scheme="dark")
    visit(page, sites / "students" / "notebooks" / "06_backpropagation.html")
    filters = "images => [...new Set(images.map(each => getComputedStyle(each).filter))]"
    for look, filter in [
        ("inverted", "invert(0.92) hue-rotate(180deg)"),
        ("dimmed", "brightness(0.82)"),
    ]:
        assert page.locator(f"main img.{look}").evaluate_all(filters) == [filter]


# What the keyboard has reached: its name, and whether a reader sees that it is there.
FOCUSED = """() => {
  const element = document.activeElement, style = getComputedStyle(element)
  const { top, bottom, left, right } = element.getBoundingClientRect()
  const shown = bottom > 0 && top < innerHeight && right > 0 && left < innerWidth && bottom > top
  const marked = parseFloat(style.outlineWidth) && style.outlineStyle !== "none"
  return [element.outerHTML.slice(0, 120), shown && (marked || style.boxShadow !== "none")]
}"""


@pytest.mark.parametrize("width", [1280, 390])
def test_the_keyboard_reaches_everything_and_is_seen(sites, new_page, width):
    """Past the menu, then through a notebook's page: folds, sliders, boxes that scroll."""
    page = new_page(width)
    visit(page, sites / "students" / "notebooks" / "02_softmax_cross_entropy.html")
    page.keyboard.press("Tab")
    assert page.get_by_role("link", name="Skip to main content").evaluate(
        "e => e === document.activeElement"
    )
    page.keyboard.press("Enter")
    reached = []
    while not reached or "prev-next" not in reached[-1][0]:
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
        assert len(reached) < 500
    assert [name for name, seen in reached if not seen] == []
    kinds = ["<summary", 'type="range"', *["figure-box"] * (width < 600)]
    assert [kind for kind in kinds if not any(kind in name for name, _ in reached)] == []


@pytest.mark.parametrize("audience", ["instructors", "students"])
def test_every_page_fits(sites, page, audience):
    """No equation fails, nothing is cut off, no page scrolls. Of pages alike: the instructors'."""
    site, found = sites / audience, []
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site)
        alike = audience == "students" and (sites / "instructors" / name).exists()
        kept = not alike or name.with_suffix("").as_posix() in KINDS[audience]
        if kept and not {"_static", "slides"} & {*path.parts}:
            visit(page, path)
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            seen = page.locator("mjx-merror").all_inner_texts()
            for size in [(1280, 720), (320, 640)]:
                page.set_viewport_size(dict(zip(["width", "height"], size, strict=True)))
                for wrong in [CUT_OFF, TOO_WIDE]:
                    seen += page.evaluate(wrong)
            found += [f"{name}: {text}" for text in seen]
    assert page.problems + found == []


def test_a_student_gets_from_a_page_to_its_talk(sites, page):
    visit(page, sites / "students" / "notebooks" / "06_backpropagation.html")
    page.get_by_role("link", name="Slides").click()
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    assert page.problems == []


def test_handouts_have_pages_and_lead_to_no_file(sites, tmp_path):
    handouts.print_pages(sites / "students", tmp_path, ("06",))
    lengths = {}
    for path in tmp_path.iterdir():
        pdf = path.read_bytes()
        assert b"file:" not in pdf, path.name
        lengths[path.stem] = len(re.findall(rb"/Type /Page\b", pdf))
    assert lengths.keys() == {"06_backpropagation", "06_backpropagation_slides"}
    assert lengths["06_backpropagation"] in range(12, 36)
    assert lengths["06_backpropagation_slides"] in range(15, 60)
