"""The pages of both sites in a browser, from their files: wide and as a phone, light and dark."""

import re
import warnings

import pytest

from publish import handouts
from publish.site.build import build

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
        assert build(folder / "instructors", talks=False) == 0
        assert build(folder / "students", students=True) == 0
    return folder


def visit(page, path, query=""):
    """Open a page and wait until its equations are set."""
    page.goto(path.as_uri() + query, timeout=120_000)  # a busy machine sets equations slowly
    page.evaluate("async () => { await window.MathJax?.startup?.promise }")


@pytest.mark.parametrize(
    ("audience", "width", "colours"), [("instructors", 1280, "light"), ("students", 360, "dark")]
)
def test_axe_finds_nothing(sites, new_page, audience, width, colours):
    """Both audiences' pages, both widths and both colours."""
    page, found = new_page(width, color_scheme=colours), []
    for kind in KINDS[audience]:
        visit(page, sites / audience / f"{kind}.html")
        assert page.locator("html").get_attribute("data-theme") == colours
        found += [f"{kind}: {text}" for text in page.violations()]
    assert page.problems + found == []


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
            for size in [(1280, 720), (360, 740)]:
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


def test_handouts_have_pages_and_lead_to_no_file(sites, browser, tmp_path):
    handouts.print_pages(browser, sites / "students", tmp_path, ("06",))
    lengths = {}
    for path in tmp_path.iterdir():
        pdf = path.read_bytes()
        assert b"file:" not in pdf, path.name
        lengths[path.stem] = len(re.findall(rb"/Type /Page\b", pdf))
    assert lengths.keys() == {"06_backpropagation", "06_backpropagation_slides"}
    assert lengths["06_backpropagation"] in range(12, 36)
    assert lengths["06_backpropagation_slides"] in range(15, 60)
