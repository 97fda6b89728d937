"""Every slide of every deck, as a browser shows it from the file, with no network."""

import re

import pytest

from publish.notebook import Notebook
from publish.slides import build as slides

SERIES = Notebook.series()

OUTSIDE = """slide => {
  const WIDE = "figure, .live-frame, .long :is(.code, .output)";
  const frame = slide.getBoundingClientRect();
  const outside = (box, side) => box.width && box.height && (
    box.left < frame.left + side || box.right > frame.right - side ||
    box.top < frame.top + 8 || box.bottom > frame.bottom - 52);  // the foot stands below
  return [...slide.querySelectorAll("*")]
    .filter((element) => !element.closest(".notes, mjx-assistive-mml, figure svg *"))
    .filter((e) => outside(e.getBoundingClientRect(), e.closest(WIDE) ? 15 : 55))
    .map((element) => `${element.tagName} ${element.textContent.trim().slice(0, 40)}`);
}"""


@pytest.fixture(scope="module", autouse=True)
def built():
    """The slides, built anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slides, "OUTPUT", slides.OUTPUT.with_name("slides-anew"))
        patch.setattr("sys.argv", ["slides"])
        assert slides.main() == 0
        yield


def open_deck(page, notebook, view=""):
    """Open a deck from its file and wait until its equations are set; its slides."""
    page.goto((slides.OUTPUT / f"{notebook.name}.html").as_uri() + view)
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    if "print-pdf" in view:
        page.wait_for_selector(".pdf-page", state="attached")
    return page.query_selector_all(".slides > section")


SIZES = """slide => Object.entries({
  text: ":is(p:not(.part), li, td, th)",
  code: ":is(pre, pre *, p code, li code, td code)",
  equations: ":is(p, li, td, .equation) mjx-container",
  titles: "h2",
  captions: ".live :is(label, p)",
}).flatMap(([kind, selector]) => [...slide.querySelectorAll(selector)]
  .filter((element) => !element.closest(kind === "captions" ? ".notes" : ".notes, .live"))
  .map((element) => [element.currentCSSZoom, parseFloat(getComputedStyle(element).fontSize)])
  .map(([zoom, size]) => `${kind} ${Math.round(zoom * size)}`))"""

BROKEN = """slide => [...slide.querySelectorAll("pre .line")]
  .filter((line) => line.scrollWidth > line.clientWidth ||
    line.clientHeight > 1.5 * parseFloat(getComputedStyle(line).lineHeight))
  .map((line) => line.textContent)"""


SMALL = """slide => [...slide.querySelectorAll("figure")].filter((figure) => {
  const { width, height } = figure.firstElementChild.getBoundingClientRect();
  const [across, down] = ["--width", "--height"].map((name) => figure.style.getPropertyValue(name));
  return width && Math.min(width / across, height / down) < 0.7;
}).length"""

PICTURES = """slide => [...slide.querySelectorAll("figure > *")]
  .map((picture) => Math.round(picture.getBoundingClientRect().width))"""

# Figures that move are drawn with 80 dots an inch: letters of 15 points are then 16.7 pixels high.
FAINT = """slide => [...slide.querySelectorAll(".live canvas")].filter((canvas) => {
  const { width, height } = canvas.getBoundingClientRect();
  return Math.min(width / canvas.width, height / canvas.height) < 1.245;
}).length"""


@pytest.mark.parametrize("notebook", SERIES, ids=lambda notebook: notebook.name)
def test_a_deck_reads_well(page, notebook):
    sections = open_deck(page, notebook)
    failed = page.locator("mjx-merror, [data-mjx-error]").all_inner_texts()
    assert not failed, f"MathJax: {failed}"
    shown = []
    sizes = {"text 30", "titles 36", "captions 22", "code 25", "equations 30"}  # in every deck
    sizes |= {"code 30", "code 35", "equations 36", "equations 42"}  # where there is room
    sizes |= {f"code {size}" for size in range(19, 25)}  # where a line is long
    for index, section in enumerate(sections):
        page.evaluate(f"Reveal.slide({index}, 0, 99)")  # with everything shown
        shown += section.evaluate(PICTURES)
        assert not section.evaluate(SMALL), f"slide {index + 1}: labels too small to read"
        if live := section.query_selector(".live"):
            page.wait_for_function("figure => figure.matches('.ready')", arg=live)
            page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        assert not section.evaluate(FAINT), f"slide {index + 1}: letters that move are too small"
        outside = section.evaluate(OUTSIDE)
        assert not outside, f"slide {index + 1} is too full: {outside}"
        others = set(section.evaluate(SIZES)) - sizes
        assert not others, f"slide {index + 1} has another size: {others}"
        broken = section.evaluate(BROKEN)
        assert not broken, f"slide {index + 1} has a line that is broken or cut: {broken}"
    assert len(sections) == page.evaluate("Reveal.getTotalSlides()")
    equations = page.locator(".equation").count()
    assert page.locator('.equation mjx-container[display="true"]').count() == equations > 0
    assert "$" not in page.evaluate(
        "[...document.querySelectorAll('.slides p, .slides li, .slides td, .slides h2')]"
        ".filter((e) => !e.querySelector('code')).map((e) => e.innerText).join()"
    )
    for image in page.query_selector_all("img"):
        assert image.evaluate("image => image.naturalWidth") > 0
    page.evaluate("Reveal.slide(0)")
    page.keyboard.press("ArrowRight")
    assert page.locator(".slide-number").inner_text().split() == ["2", "/", str(len(sections))]
    for link in page.query_selector_all("a[href$='.ipynb']"):
        assert (slides.OUTPUT / link.get_attribute("href")).resolve() == notebook.path
    assert page.violations() == []
    open_deck(page, notebook, "?print-pdf")  # every slide on a page of its own
    on_paper = [w for slide in page.query_selector_all("section") for w in slide.evaluate(PICTURES)]
    moving = [width == 0 for width in shown]  # a widget's figure stands still on paper alone
    same = [m or width == w for m, width, w in zip(moving, shown, on_paper, strict=True)]
    assert all(same), "a figure has another size on paper"
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == len(sections), "a blank page"
    assert page.locator("rect.fragment:visible").count() == 0, "a figure is covered on paper"
    assert page.problems == []


def test_a_derivation_appears_line_by_line(page):
    open_deck(page, SERIES[1])
    page.evaluate(
        "Reveal.slide([...document.querySelectorAll('.slides > section')]"
        ".findIndex((slide) => slide.querySelector('mjx-mtr.fragment')), 0, -1)"
    )
    visible = "line.checkVisibility({visibilityProperty: true})"
    seen = f"lines => lines.filter((line) => {visible}).length"
    lines = page.locator(".slides > section.present mjx-mtr")
    assert lines.evaluate_all(seen) == 1
    page.keyboard.press("ArrowRight")
    assert lines.evaluate_all(seen) == 2


def test_decks_for_students_have_no_notes(page, tmp_path):
    slides.build(tmp_path, names=("02",), students=True, address="../notebooks/{}.html")
    page.goto((tmp_path / "02_softmax_cross_entropy.html").as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    assert page.locator(".notes").count() == 0, "the notes answer the questions"
    assert page.problems == []


def test_a_figure_moves_inside_a_slide_and_the_next_key_goes_on(page):
    open_deck(page, SERIES[1])
    index = page.evaluate(
        "[...document.querySelectorAll('.slides > section')]"
        ".findIndex((slide) => slide.querySelector('.live'))"
    )
    page.evaluate(f"Reveal.slide({index})")
    temperature = page.get_by_role("slider", name="Temperature")
    before = page.locator(".present canvas").screenshot()
    temperature.press("ArrowRight")
    page.wait_for_timeout(500)
    assert page.locator(".present canvas").screenshot() != before
    assert page.evaluate("Reveal.getIndices().h") == index
    for key in ("PageDown", " "):
        page.evaluate(f"Reveal.slide({index})")
        temperature.press(key)
        assert page.evaluate("Reveal.getIndices().h") == index + 1
    page.evaluate(f"Reveal.slide({index})")
    temperature.click()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.getIndices().h") == index + 1
    assert page.problems == []
