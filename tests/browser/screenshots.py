"""The README's pictures of a widget, a slide and a page: publish/screenshots/*.png.

After `make slides site`: .venv/bin/python tests/browser/screenshots.py
"""

from headless import chromium, jupyterlab, new_page
from test_browser_lab import run_all, widgets_of

from publish.notebook import ROOT

IMAGES = ROOT / "publish" / "screenshots"
WIDGET = "07_training"
SLIDE = "build/slides/05_backpropagation.html#/8"
PAGE = "build/site/notebooks/04_softmax_gradient.html#both-cases-in-one-line"


def main():
    """Take the three pictures."""
    with chromium() as browser:
        with jupyterlab() as address:
            page = new_page(browser, 1280, 800)
            run_all(page, address, WIDGET)
            box = next(widgets_of(page))
            box.screenshot(path=IMAGES / "widget.png")
        for name, place in {"slide": SLIDE, "site": PAGE}.items():
            page = new_page(browser, 1280, 720)
            page.goto(f"file://{ROOT / place}")
            page.wait_for_function("window.MathJax?.startup?.promise")
            page.evaluate("MathJax.startup.promise.then(() => 0)")
            page.wait_for_timeout(1000)  # the slide moves in
            page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
