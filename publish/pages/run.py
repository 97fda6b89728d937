"""Execute the series without a browser.

    python -m publish.pages               pages under build/pages/; the notebooks stay as they are
    python -m publish.pages --in-place    write the outputs into the notebooks, normalised

Prints one line a notebook: code cells, seconds, the budget that the notebook states, and the
headline result, which is the output of the cell tagged `headline`. A notebook whose data or package
are not here is left as it is, and its line says so. The pages are those of the instructors' site.
"""

import argparse
import base64
import io
import subprocess
import sys
from collections.abc import Iterator

import nbformat
import numpy as np
from nbclient.exceptions import CellExecutionError
from PIL import Image, ImageChops
from tqdm import tqdm

from publish.execute import execute
from publish.notebook import ROOT, WIDGET, Notebook, tags
from publish.site.build import build

BUILD = ROOT / "build" / "pages"
LEVELS, SHARE = 4, 0.05  # of 256 by which colours may be off; of the pixels that may be off by more


def main() -> int:
    """Execute the notebooks named on the command line, or all; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--in-place", action="store_true", help="update the notebooks themselves")
    parser.add_argument("names", nargs="*", help="notebooks, for example 05; all by default")
    options = parser.parse_args()
    executed = run(Notebook.series(*options.names))
    if options.in_place:
        for notebook in executed:
            write_normalised(notebook)
        return 0
    return build(BUILD, list(executed), talks=False)


def run(notebooks: list[Notebook]) -> Iterator[Notebook]:
    """Execute notebooks and print the table; those that could be executed, one after another."""
    print(f"{'notebook':28}{'cells':>6}{'seconds':>9}{'budget':>8}  headline")
    total = sum(len(notebook.code) for notebook in notebooks)
    with tqdm(total=total, unit="cell", leave=False, disable=None) as progress:  # none in a log
        for notebook in notebooks:
            progress.set_description(notebook.name)
            if missing := notebook.missing_package:
                progress.write(f"{notebook.name:28}not executed: {missing}")
                continue
            try:
                seconds = execute(notebook.content, on_cell_executed=lambda **_: progress.update())
            except CellExecutionError as error:
                if error.ename != "FileNotFoundError" or "make data" not in error.evalue:
                    raise
                progress.write(f"{notebook.name:28}not executed: {error.evalue.splitlines()[0]}")
                continue
            progress.write(
                f"{notebook.name:28}{len(notebook.code):>6}{seconds:>9.1f}{notebook.times.seconds:>8}"
                f"  {notebook.headline}"
            )
            yield notebook


def write_normalised(notebook: Notebook) -> None:
    """Write a notebook without what depends on the machine or on chance.

    Photographs that belong to others go, too. Outputs, counts, ids and tags stay.
    """
    for place, cell in enumerate(notebook.code, start=1):
        cell.execution_count = place  # as in a whole run, where `long` cells were skipped, too
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = place
            if view := output.get("data", {}).get(WIDGET):
                view["model_id"] = cell.id  # in place of a random number
            if "photographs" in tags(cell):
                output.data.pop("image/png", None)
                output.metadata.pop("image/png", None)
            if png := output.get("data", {}).get("image/png"):
                output.data["image/png"] = compact(png)
    nbformat.write(notebook.content, notebook.path)
    noise = "metadata.language_info metadata.widgets cell.metadata.execution"
    keep = ["--keep-output", "--keep-count", "--keep-id", "--extra-keys", noise]
    command = [sys.executable, "-m", "nbstripout", *keep, str(notebook.path)]
    subprocess.run(command, check=True, cwd=ROOT)


def compact(png: str) -> str:
    """A PNG in base64 with a palette of 256 colours, half as large, where nobody sees it."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    paletted = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    off = np.asarray(ImageChops.difference(picture, paletted.convert("RGB"))).max(axis=2)
    chosen, smaller = paletted if np.mean(off > LEVELS) <= SHARE else picture, io.BytesIO()
    chosen.save(smaller, format="PNG", optimize=True)
    return base64.b64encode(smaller.getvalue()).decode("ascii")
