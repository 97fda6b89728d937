"""The pages of both sites in a browser, from their files: wide and as a phone, light and dark."""

import re

import pytest
from test_browser_axe import visit

from publish import handouts


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


@pytest.mark.parametrize("size", [(1366, 768), (1280, 720)])
def test_the_first_screen_has_all_ways_in_and_the_map_can_be_read(sites, new_page, size):
    page = new_page(*size)
    visit(page, sites / "instructors" / "index.html")
    box = page.locator(".cards").bounding_box()
    assert box["y"] + box["height"] <= size[1]
    scale = "svg => svg.getScreenCTM().a * parseFloat(getComputedStyle(svg).fontSize)"
    assert page.locator(".roads .wide").evaluate(scale) >= 14


def test_a_student_gets_from_a_page_to_its_talk(sites, page):
    visit(page, sites / "students" / "notebooks" / "06_backpropagation.html")
    page.get_by_role("link", name="Slides").click()
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    assert page.problems == []


def test_the_search_quotes_a_sentence_without_menus_headings_and_raw_formulas(sites, page):
    visit(page, sites / "students" / "search.html")
    text = r"""<div role="main"><p>And then a menu.</p><article><h1>And then</h1>
        <p>There is nothing else here. No. \(x_{i}\), then \(\frac12\)
        and \[ \sum_i x_i \] of 1.5. Here it ends.</p></article></div>"""
    quoted = page.evaluate("text => Search.makeSearchSummary(text, ['then'], '').innerText", text)
    assert quoted == "No. x_i, then … and … of 1.5."


# What must stand first, or among the first six where there is more than one.
FOUND = {
    "instructors": {
        "plagiarism": ["ask.html#plagiarism-and-cheating"],
        "cheating": ["ask.html#plagiarism-and-cheating"],
        "ChatGPT": ["ask.html#chatgpt-"],
        "regrade": ["ask.html#a-regrade-"],
        "points": ["ask.html#a-regrade-"],
        "partial credit": ["ask.html#partial-credit"],
        "Windows": ["ask.html#windows-"],
        "exam": ["ask.html#an-exam-"],
        "extra time": ["ask.html#extra-time"],
        "prerequisites": ["ask.html#prerequisites"],
        "license": ["ask.html#licence-"],
        "backup": ["ask.html#backup"],
        "late": ["ask.html#late-"],
        "group work": ["ask.html#pairs-"],
        "grade": ["grading.html"],
        "softmax gradient": ["04_softmax_gradient.html"],
    },
    "students": {
        "vanishing gradient": ["13_deep_networks.html#", "22_recurrence.html#"],
        "embedding": ["21_sequences.html#a-row-for-each-letter"],
        "batch norm": ["14_normalization.html#"],
        "dropout": ["15_regularization.html#dropout-"],
        "softmax gradient": ["04_softmax_gradient.html"],
        "learning rate": ["01_linear", "05_gradient_descent.html#against-the-gradient"],
        "check_gradient": ["gradient_check.html#cs231n_utils.gradient_check.check_g"],
        "constructor": [],  # every object of JavaScript has one
    },
}


@pytest.mark.parametrize(
    ("audience", "query"), [(site, query) for site, found in FOUND.items() for query in found]
)
def test_the_search_finds_the_sections_that_are_about_it(sites, page, audience, query):
    first = FOUND[audience][query]
    visit(page, sites / audience / "search.html", f"?q={query}")
    page.wait_for_function("Search.status?.innerText")
    found = page.locator("#search-results li a").evaluate_all("links => links.map(a => a.href)")
    at = 1 if len(first) == 1 else 6
    assert all(any(name in link for link in found[:at]) for name in first), found[:9]
    assert len(found) == len(set(found))


def test_a_hit_opens_its_section(sites, page):
    visit(page, sites / "students" / "search.html", "?q=dropout")
    page.wait_for_function("Search.status?.innerText")
    assert page.violations() == []
    page.locator("#search-results li a").first.click()
    page.wait_for_url("**/15_regularization.html#*")
    page.evaluate("async () => { await MathJax.startup.promise }")
    top = page.locator(":target h2, :target h3").first.evaluate(
        "heading => heading.getBoundingClientRect().top"
    )
    assert 0 < top < 300


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
