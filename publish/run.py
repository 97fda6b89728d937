"""Execute the series without a browser.

    python publish/run.py               HTML pages under build/; the notebooks stay as they are
    python publish/run.py --in-place    write the outputs into the notebooks, normalised

Prints one line a notebook: code cells, seconds, the budget that the notebook states, and the
headline result, which is the output of the cell tagged `headline`. A notebook whose data are not
here is left as it is, and its line says so.
"""

import argparse
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from patient import PatientManager
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "build"
CELL_TIMEOUT = 600  # seconds

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the tests


def main() -> int:
    """Execute the notebooks named on the command line, or all; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--in-place", action="store_true", help="update the notebooks themselves")
    parser.add_argument("names", nargs="*", help="notebooks, for example 05; all by default")
    options = parser.parse_args()
    paths = [
        path
        for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
        if not options.names or path.name.startswith(tuple(options.names))
    ]
    notebooks = {path: nbformat.read(path, as_version=4) for path in paths}
    total = sum(len(code_cells(notebook)) for notebook in notebooks.values())
    print(f"{'notebook':28}{'cells':>6}{'seconds':>9}{'budget':>8}  headline")
    with tqdm(total=total, unit="cell", leave=False) as progress:
        for path, notebook in notebooks.items():
            progress.set_description(path.stem)
            try:
                seconds = execute(notebook, on_cell_executed=lambda **_: progress.update())
            except CellExecutionError as error:
                if error.ename != "FileNotFoundError" or "make data" not in error.evalue:
                    raise
                progress.write(f"{path.stem:28}not executed: {error.evalue.splitlines()[0]}")
                if not options.in_place:  # the page shows the outputs that the notebook holds
                    write_page(nbformat.read(path, as_version=4), path.stem)
                continue
            if options.in_place:
                nbformat.write(notebook, path)
            else:
                write_page(notebook, path.stem)
            progress.write(
                f"{path.stem:28}{len(code_cells(notebook)):>6}{seconds:>9.1f}{budget(notebook):>8}"
                f"  {headline(notebook)}"
            )
    if options.in_place:
        normalise(paths)
    else:
        print("pages:", (BUILD / "index.html").relative_to(ROOT))
        write_index(paths)
    return 0


def execute(notebook: NotebookNode, **options: Any) -> float:
    """Run every cell in a fresh kernel; the seconds it took. A failing cell raises.

    options : further options of NotebookClient, for example on_cell_executed.
    """
    client = NotebookClient(
        notebook,
        km=PatientManager(kernel_name="python3"),
        timeout=CELL_TIMEOUT,
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        coalesce_streams=True,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        **options,
    )
    start = time.perf_counter()
    client.execute(cleanup_kc=True)  # ends the kernel, too
    notebook.metadata.pop("widgets", None)  # a page with widget state would load foreign scripts
    return time.perf_counter() - start


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The notebook's code cells, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def budget(notebook: NotebookNode) -> int:
    """The seconds that the notebook's opening cell allows itself."""
    match = re.search(r"at most (\d+) seconds to run", notebook.cells[0].source)
    if match is None:
        raise ValueError("the opening cell must say 'at most N seconds to run'")
    return int(match[1])


def headline(notebook: NotebookNode) -> str:
    """What the cell tagged `headline` printed, on one line."""
    printed = [
        output.text
        for cell in code_cells(notebook)
        if "headline" in cell.metadata.get("tags", [])
        for output in cell.outputs
        if output.output_type == "stream"
    ]
    return " ".join("".join(printed).split())


def normalise(paths: list[Path]) -> None:
    """Remove what depends on the machine or on chance, and photographs that belong to others.

    Outputs, counts, ids and tags stay.
    """
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        for cell in code_cells(notebook):
            for output in cell.outputs:
                if view := output.get("data", {}).get("application/vnd.jupyter.widget-view+json"):
                    view["model_id"] = cell.id  # in place of a random number
                if "photographs" in cell.metadata.get("tags", []):
                    output.data.pop("image/png", None)
                    output.metadata.pop("image/png", None)
        nbformat.write(notebook, path)
    noise = "metadata.language_info metadata.widgets cell.metadata.execution"
    keep = ["--keep-output", "--keep-count", "--keep-id", "--extra-keys", noise]
    subprocess.run(
        [sys.executable, "-m", "nbstripout", *keep, *map(str, paths)], check=True, cwd=ROOT
    )


def write_page(notebook: NotebookNode, name: str) -> None:
    """Write build/<name>.html; its equations need no network."""
    templates = Path(__file__).parent / "templates"
    exporter = HTMLExporter(template_name="page", extra_template_basedirs=[str(templates)])
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": name}})
    BUILD.mkdir(exist_ok=True)
    (BUILD / f"{name}.html").write_text(page, encoding="utf-8")


def write_index(paths: list[Path]) -> None:
    """Write build/index.html and the MathJax files that the pages load."""
    items = "\n".join(f'<li><a href="{p.stem}.html">{p.stem}</a></li>' for p in paths)
    (BUILD / "index.html").write_text(
        '<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>The series</title>\n'
        f"<h1>The series</h1>\n<ol>\n{items}\n</ol>\n</html>\n",
        encoding="utf-8",
    )
    package = importlib.metadata.distribution("sphinx-mathjax-offline")
    mathjax = package.locate_file("sphinx-mathjax-offline/static/mathjax")
    shutil.copytree(str(mathjax), BUILD / "mathjax", dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
