"""Print notebooks, talks and questions, in the form that students get: build/handouts/*.pdf.

    python -m publish.handouts            every notebook, every talk, and the questions
    python -m publish.handouts 02 05      of two notebooks

Chromium prints the pages of the students' site; CHROMIUM names another program than
/usr/bin/chromium. On paper a hint is open, and folded code is left out.
"""

import argparse
import html
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

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

# Hints open, links to other pages of this machine are texts, and every equation is set.
PREPARE = """async () => {
  await window.MathJax?.startup?.promise
  document.querySelectorAll("main details").forEach(hint => hint.open = true)
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
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        sys.exit("The handouts need Playwright: python -m pip install -e '.[publish,browser]'")
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        site = Path(work, "site")
        status = build_site(site, students=True)
        if status == 0:
            options = ["--no-sandbox", "--disable-gpu"]
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
            print_pages(browser, site, folder, names)
            browser.close()
    return status


def print_pages(browser: Any, site: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Print pages and talks of a site with a browser of Playwright."""
    folder.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(color_scheme="light")
    notebooks = Notebook.series(*names)
    titles = {f"notebooks/{n.name}": f"{n.number} {n.title}" for n in notebooks}
    if not names:
        titles["quiz"] = "Questions"
    for name, title in titles.items():
        page.goto((site / f"{name}.html").as_uri())
        page.evaluate(PREPARE)
        header = LINE.format("left", html.escape(title))
        pdf = page.pdf(header_template=header, footer_template=NUMBER, **PAPER)
        write(folder / f"{Path(name).name}.pdf", pdf)
    for notebook in notebooks:
        deck = site / "slides" / f"{notebook.name}.html"
        if deck.exists():
            page.goto(deck.as_uri() + "?print-pdf")
            page.wait_for_selector(".pdf-page", state="attached")
            page.evaluate(PREPARE)
            pdf = page.pdf(prefer_css_page_size=True, print_background=True, tagged=True)
            write(folder / f"{notebook.name}_slides.pdf", pdf)


def write(path: Path, pdf: bytes) -> None:
    """Write a file, and print its name and its number of pages."""
    path.write_bytes(pdf)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    print(f"{os.path.relpath(path):60}{pages:>4} pages")


if __name__ == "__main__":
    sys.exit(main())
