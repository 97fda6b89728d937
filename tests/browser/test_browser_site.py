"""Every page of the site in a browser, from its file: wide and as a phone, light and dark."""

import warnings

import pytest

from publish.site.build import build

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
def site(tmp_path_factory):
    """The folder of the site, built now."""
    folder = tmp_path_factory.mktemp("site")
    with warnings.catch_warnings(action="ignore"):  # of Sphinx's parts about one another
        assert build(folder) == 0
    return folder


def visit(page, path, query=""):
    """Open a page and wait until its equations are set."""
    page.goto(path.as_uri() + query, timeout=120_000)  # a busy machine sets equations slowly
    page.evaluate("async () => { await window.MathJax?.startup?.promise }")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 720), (390, 844)], ids=["wide", "phone"])
def test_every_page_reads_well(site, new_page, size, colours):
    page, found = new_page(*size, color_scheme=colours), []
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.parts:
            visit(page, path)
            assert page.locator("html").get_attribute("data-theme") == colours
            seen = page.locator("mjx-merror").all_inner_texts()
            seen += page.evaluate(CUT_OFF) + page.evaluate(TOO_WIDE) + page.violations()
            found += [f"{path.relative_to(site)}: {text}" for text in seen]
    assert page.problems + found == []


def test_figures_lie_on_white_in_the_dark(site, new_page):
    page = new_page(color_scheme="dark")
    visit(page, site / "notebooks" / "08_training.html")
    style = page.locator("main img").first.evaluate(
        "image => [getComputedStyle(image).backgroundColor, getComputedStyle(image).filter]"
    )
    assert style == ["rgb(255, 255, 255)", "none"]


def test_search_finds_softmax(site, page):
    visit(page, site / "search.html", "?q=softmax")
    results = page.locator("#search-results li a")
    results.first.wait_for()
    assert any("Softmax and cross-entropy" in text for text in results.all_inner_texts())
    # A page that comes from a file may not read the others for excerpts, which is an error here.
    assert [text for text in page.problems if text.startswith("request:")] == []


def test_a_hint_opens_and_code_is_copied(site, new_page):
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    visit(page, site / "notebooks" / "10_debugging.html")
    hint = page.locator("main details:not(.hide)").first  # the others hide solutions
    assert not hint.locator("p").first.is_visible()
    hint.locator("summary").press("Enter")
    assert hint.locator("p").first.is_visible()
    code = page.locator("main .highlight:visible").first  # the imports are folded
    code.hover()
    code.locator("xpath=..").locator("button.copybtn").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == code.locator("pre").inner_text().strip()
