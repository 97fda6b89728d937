"""What axe finds wrong for readers who cannot see, or not well: on pages and slides."""

import pytest

from publish.slides import build as slides

# Some pages, which stand for the others where looking takes long.
KINDS = {
    "instructors": ["index", "monday"],
    "students": ["index", "start", "search", "notebooks/04_softmax_gradient"],
}


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
        # What is still fading in has too little contrast, for three tenths of a second.
        page.evaluate("document.getAnimations().forEach(each => each.finish())")
        found += [f"{name}: {text}" for text in page.violations()]
    return found


@pytest.mark.parametrize(
    ("audience", "width", "colours"), [("instructors", 1280, "light"), ("students", 360, "dark")]
)
def test_axe_finds_nothing(sites, page, audience, width, colours):
    """Both audiences' pages, both widths and both colours."""
    found = look(page, sites / audience, KINDS[audience], width, colours)
    assert page.problems + found == []


@pytest.mark.weekly
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


@pytest.mark.weekly
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
