"""Whether every page fits, wide and on a phone: apart, because it visits them all."""

import pytest
from test_browser_axe import KINDS, visit

# Elements that make the page scroll sideways; none when it does not.
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll('main *')]
    .filter(element => element.getBoundingClientRect().right > innerWidth)
    .slice(0, 5).map(element => element.outerHTML.slice(0, 200))"""

# Formulas that begin left of their box, and boxes that scroll although the formula fits.
CUT_OFF = """() => [...document.querySelectorAll('main .math')].filter(box => {
    const formula = box.querySelector('mjx-math').getBoundingClientRect()
    return formula.left < box.getBoundingClientRect().left - 1 ||
      (box.scrollWidth > box.clientWidth + 1 && formula.width <= box.clientWidth + 1)
  }).map(box => box.textContent.slice(0, 80))"""


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
