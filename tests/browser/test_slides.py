"""Every slide of every deck, as a browser shows it from the file, with no network."""

import subprocess
import sys

import pytest
from axe_playwright_python.sync_playwright import Axe
from headless import ROOT

DECKS = sorted(path.stem for path in (ROOT / "publish" / "slides").glob("*.md"))
BUILT = ROOT / "build" / "slides"

OUTSIDE = """slide => {
  const frame = slide.getBoundingClientRect();
  const space = { left: frame.left + 63, right: frame.right - 63,
                  top: frame.top + 8, bottom: frame.bottom - 52 };  // the foot stands below
  const outside = (box) => box.width && box.height && (
    box.left < space.left || box.right > space.right ||
    box.top < space.top || box.bottom > space.bottom);
  return [...slide.querySelectorAll("*")]
    .filter((element) => !element.closest(".notes, mjx-assistive-mml"))
    .filter((element) => outside(element.getBoundingClientRect()))
    .map((element) => `${element.tagName} ${element.textContent.trim().slice(0, 40)}`);
}"""


@pytest.fixture(scope="module", autouse=True)
def built():
    """The slides, built anew."""
    subprocess.run([sys.executable, "publish/slides.py"], cwd=ROOT, check=True)


def open_deck(page, name, view=""):
    """Open a deck from its file and wait until its equations are set; its slides."""
    page.on(
        "request", lambda r: r.url.startswith(("file:", "data:")) or page.problems.append(r.url)
    )
    page.goto((BUILT / f"{name}.html").as_uri() + view)
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    if "print-pdf" in view:
        page.wait_for_selector(".pdf-page", state="attached")
    return page.query_selector_all(".slides > section")


@pytest.mark.parametrize("name", DECKS)
def test_no_slide_overflows_and_no_equation_fails(page, name):
    slides = open_deck(page, name)
    failed = page.locator("mjx-merror, [data-mjx-error]").all_inner_texts()
    assert not failed, f"MathJax: {failed}"
    for index, slide in enumerate(slides):
        page.evaluate(f"Reveal.slide({index}, 0, 99)")  # with everything shown
        outside = slide.evaluate(OUTSIDE)
        assert not outside, f"slide {index + 1} is too full: {outside}"
    assert len(slides) == page.evaluate("Reveal.getTotalSlides()")
    equations = page.locator(".equation").count()
    assert page.locator('.equation mjx-container[display="true"]').count() == equations > 0
    assert "$" not in page.evaluate(
        "[...document.querySelectorAll('.slides p, .slides li, .slides td, .slides h2')]"
        ".filter((e) => !e.querySelector('code')).map((e) => e.innerText).join()"
    )
    assert page.problems == []


@pytest.mark.parametrize("name", DECKS)
def test_axe_finds_nothing(page, name):
    for view in ("", "?print-pdf"):  # as projected, and every slide on a page of its own
        open_deck(page, name, view)
        found = Axe().run(page).response["violations"]
        assert not found, f"{found[0]['help']}: {found[0]['nodes'][0]['html']}"


@pytest.mark.parametrize("name", DECKS)
def test_every_image_is_there_and_described(page, name):
    open_deck(page, name)
    for image in page.query_selector_all("img"):
        assert image.evaluate("image => image.naturalWidth") > 0
        assert len(image.get_attribute("alt")) > 20


@pytest.mark.parametrize("name", DECKS)
def test_the_foot_shows_the_page_and_leads_to_the_notebook(page, name):
    slides = open_deck(page, name)
    page.keyboard.press("ArrowRight")
    number = page.locator(".slide-number")
    assert number.inner_text().split() == ["2", "/", str(len(slides))]
    for link in page.query_selector_all("a[href$='.ipynb']"):
        assert (
            BUILT / link.get_attribute("href")
        ).resolve() == ROOT / "notebooks" / f"{name}.ipynb"


def test_a_derivation_appears_line_by_line(page):
    open_deck(page, "02_softmax_cross_entropy")
    index = page.evaluate(
        "[...document.querySelectorAll('.slides > section')]"
        ".findIndex((slide) => slide.querySelector('mjx-mtr.fragment'))"
    )
    lines = page.locator(".derivation:has(mjx-mtr.fragment)").count()
    assert lines == page.locator(".derivation").count()
    page.evaluate(f"Reveal.slide({index}, 0, -1)")
    lines = page.locator(".slides > section.present mjx-mtr")
    seen = (
        "lines => lines.filter((line) => line.checkVisibility({visibilityProperty: true})).length"
    )
    assert lines.evaluate_all(seen) == 1
    page.keyboard.press("ArrowRight")
    assert lines.evaluate_all(seen) == 2


def test_the_speaker_sees_the_notes(page):
    slides = open_deck(page, DECKS[0])
    expected = slides[0].query_selector(".notes").text_content().strip()
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    view = opened.value
    view.wait_for_function("document.querySelector('.speaker-controls-notes .value').innerText")
    assert view.locator(".speaker-controls-notes .value").inner_text().strip() == expected
    frames = [frame for frame in view.frames if "01_" in frame.url]
    assert len(frames) == 2  # the slide and the one after it
    assert page.problems == []


def test_the_index_leads_to_every_deck(page):
    page.goto((BUILT / "index.html").as_uri())
    links = [link.get_attribute("href") for link in page.query_selector_all("li a")]
    assert links == [f"{name}.html" for name in DECKS]
    assert page.problems == []
    assert Axe().run(page).response["violations"] == []
