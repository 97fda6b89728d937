"""Print notebooks, talks and questions, in the form that students get: build/handouts/*.pdf.

    python -m publish.handouts            every notebook, every talk, and the questions
    python -m publish.handouts 02 05      of two notebooks

Chromium prints the pages of the students' site; CHROMIUM names another program than
/usr/bin/chromium. On paper a hint is open, and folded code is left out.
"""

import argparse
import html
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from publish.notebook import ROOT, Notebook
from publish.site.build import build as build_site

OUTPUT = ROOT / "build" / "handouts"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PAPER: dict[str, Any] = {
    "format": "A4",
    "scale": 0.8,
    "margin": {"top": "20mm", "bottom": "18mm", "left": "18mm", "right": "18mm"},
    "display_header_footer": True,
    "print_background": True,
    "tagged": True,
    "outline": True,
}
LINE = '<p style="width: 100%; margin: 0 18mm; font: 8pt sans-serif; text-align: {}">{}</p>'
NUMBER = LINE.format("right", '<span class="pageNumber"></span> / <span class="totalPages"></span>')

# What is folded opens, but for derivations of exercises, links to other pages of this machine are
# texts, and every equation is set.
PREPARE = """async () => {
  await window.MathJax?.startup?.promise
  document.querySelectorAll("main details").forEach(fold => {
    fold.open = !fold.querySelector("summary").textContent.startsWith("The derivation")
  })
  document.querySelectorAll("a[href]").forEach(link => {
    if (link.protocol === "file:" && !link.getAttribute("href").startsWith("#")) {
      link.removeAttribute("href")
    }
  })
}"""


def main() -> int:
    """Print the notebooks named on the command line, or all; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="notebooks, for example 05; all by default")
    return build(OUTPUT, tuple(parser.parse_args().names))


def build(folder: Path, names: tuple[str, ...] = ()) -> int:
    """Write a PDF for each notebook and talk, and for the questions, and say how long they are.

    Parameters
    ----------
    folder : Path
        Where they go.
    names : tuple of str
        How the names of the notebooks begin; without any, all are printed.

    Returns
    -------
    int
        The exit status: that of the site, whose pages are printed.
    """
    if not Path(CHROMIUM).exists():
        sys.exit(
            f"The handouts need Chromium, and there is none at {CHROMIUM}. Install it (on Debian "
            "and Ubuntu: sudo apt install chromium), or let CHROMIUM name the program."
        )
    if not importlib.util.find_spec("playwright"):
        sys.exit("The handouts need Playwright: python -m pip install -e '.[publish,browser]'")
    with tempfile.TemporaryDirectory() as work:
        site = Path(work, "site")
        status = build_site(site, students=True)
        if status == 0:
            print_pages(site, folder, names)
    return status


class Sheets(NamedTuple):
    """What becomes a file: its name, the page that it shows, and a header, which talks lack."""

    name: str
    page: Path
    header: str = ""


def print_pages(site: Path, folder: Path, names: tuple[str, ...] = ()) -> None:
    """Print pages and talks of a site, with a browser for each of two cores."""
    folder.mkdir(parents=True, exist_ok=True)
    every = list(to_print(site, names))
    waiting = iter(enumerate(every, start=1))

    def work(_: int) -> None:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            options = ["--no-sandbox", "--disable-gpu"]
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
            page = browser.new_page(color_scheme="light")
            page.set_default_timeout(600_000)  # milliseconds: a busy machine sets equations slowly
            for number, sheets in waiting:
                pdf, path = printed(page, sheets), folder / f"{sheets.name}.pdf"
                path.write_bytes(pdf)
                count = len(re.findall(rb"/Type\s*/Page\b", pdf))
                where = f"{number:>2} of {len(every)}: {os.path.relpath(path)}"
                print(f"{where:60}{count:>4} pages", flush=True)
            browser.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))


def to_print(site: Path, names: tuple[str, ...]) -> Iterator[Sheets]:
    """The notebooks, the questions if no notebook is named, and the talks that are there."""
    notebooks = Notebook.series(*names)
    for notebook in notebooks:
        page = site / "notebooks" / f"{notebook.name}.html"
        yield Sheets(notebook.name, page, f"{notebook.number} {notebook.title}")
    if not names:
        yield Sheets("quiz", site / "quiz.html", "Questions")
    for notebook in notebooks:
        deck = site / "slides" / f"{notebook.name}.html"
        if deck.exists():
            yield Sheets(f"{notebook.name}_slides", deck)


def printed(page: Any, sheets: Sheets) -> bytes:
    """The PDF that a page of Playwright makes of a page of the site."""
    page.goto(sheets.page.as_uri() + "?print-pdf" * (not sheets.header))
    if not sheets.header:
        page.wait_for_selector(".pdf-page", state="attached")
    page.evaluate(PREPARE)
    if not sheets.header:
        return bytes(page.pdf(prefer_css_page_size=True, print_background=True, tagged=True))
    above = LINE.format("left", html.escape(sheets.header))
    return bytes(page.pdf(header_template=above, footer_template=NUMBER, **PAPER))


if __name__ == "__main__":
    sys.exit(main())
