"""How long a move of a figure without a kernel takes, and how large its pictures are.

    python -m benchmarks.live

Chromium opens each figure from a file, on a page of its own, and moves every control through all
its values. A move counts from the control's event to the frame that shows the picture; the first
ones also read and decode a sheet of pictures. CHROMIUM names another program than
/usr/bin/chromium.
"""

import os
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.side_by_side import print_conditions
from publish.live import build as live
from publish.notebook import Notebook

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
MOVE = """async () => {
  const taken = []
  for (const slider of document.querySelectorAll("input")) {
    for (let place = 0; place <= slider.max; place++) {
      const shown = new Promise((done) => new MutationObserver(() => requestAnimationFrame(done))
        .observe(document.querySelector(".live-spoken"), { childList: true }))
      const start = performance.now()
      slider.value = place
      slider.dispatchEvent(new Event("input"))
      await shown
      taken.push(performance.now() - start)
    }
  }
  return taken
}"""


def main() -> None:
    """Print a row for each figure."""
    print_conditions()
    notebooks = [notebook for notebook in Notebook.series() if notebook.tagged("widget")]
    live.store(notebooks)
    print(f"{'notebook':28}{'MB':>6}{'moves':>7}{'median ms':>11}{'95 %':>7}{'worst':>7}")
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        folder = Path(work)
        live.copy(folder / "live")
        options = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        for notebook in notebooks:
            [cell] = notebook.tagged("widget")
            figure = live.figure(notebook.name, cell.id, "live")
            path = folder / f"{notebook.name}.html"
            path.write_text(f"<!DOCTYPE html><meta charset='utf-8'>{figure}", encoding="utf-8")
            page = browser.new_page()
            page.goto(path.as_uri())
            page.locator(".live.ready").wait_for()
            taken = sorted(page.evaluate(MOVE))
            page.close()
            pictures = (folder / "live" / f"{notebook.name}.{cell.id}").glob("*.webp")
            size = len(figure.encode()) + sum(each.stat().st_size for each in pictures)
            print(
                f"{notebook.name:28}{size / 1e6:>6.2f}{len(taken):>7}"
                f"{statistics.median(taken):>11.0f}{taken[int(0.95 * len(taken))]:>7.0f}"
                f"{taken[-1]:>7.0f}"
            )
        browser.close()


if __name__ == "__main__":
    main()
