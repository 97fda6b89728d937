"""Store the pictures of the widgets, so that pages and slides show them without a kernel.

    python -m publish.live           of every notebook
    python -m publish.live 02 05     of two notebooks

The cells that a widget needs run in a kernel, and `explore`'s pictures go to build/live/. They stay
there until the code before the widget, or the package, changes. docs/talks.md says which values are
stored.
"""

import argparse
import hashlib
import html
import importlib.metadata
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from filelock import FileLock
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

import cs231n_utils
from publish.execute import execute
from publish.live.record import INDEX
from publish.needed import needed
from publish.notebook import ROOT, Notebook, stops, tags

HERE = Path(__file__).parent
PACKAGE = Path(cs231n_utils.__file__).parent
STORE = ROOT / "build" / "live"

# Two kernels share the cores: threads of both would wait for each other. No other figure is shown.
FIRST = """import threadpoolctl
threadpoolctl.threadpool_limits(limits=1, user_api="blas")
get_ipython().display_formatter.format = lambda *arguments, **options: ({}, {})"""
# Put before a widget's cell.
RECORD = """import sys, functools
sys.path.insert(0, {root!r})
from publish.live.record import draw_all
explore = functools.partial(draw_all, *{arguments})"""


def main() -> int:
    """Store the pictures of the notebooks named on the command line, or of all; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="notebooks, for example 05; all by default")
    store(Notebook.series(*parser.parse_args().names))
    return 0


# --- To store ------------------------------------------------------------------------------------


def store(notebooks: list[Notebook]) -> None:
    """Draw and store what is not in build/live/ yet, two notebooks at once; print a line each."""
    STORE.mkdir(parents=True, exist_ok=True)
    with FileLock(STORE / "lock"), ThreadPoolExecutor(2) as pool:
        stale = [
            notebook
            for notebook in notebooks
            if not all(is_stored(notebook, cell) for cell in notebook.tagged("widget"))
        ]
        if stale:
            print(
                f"Drawing the figures that move of {len(stale)} notebooks: minutes, once. To leave "
                "them out: python -m publish.slides --quick, or publish.site.",
                flush=True,
            )
        # Not in the threads: Python 3.11 parses code in one at a time. No cell needs a long one.
        short = [[cell for cell in each.code if "long" not in tags(cell)] for each in stale]
        cells = [needed(code, lambda cell: "widget" in tags(cell)) for code in short]
        # The last ones first: they take longest.
        drawn = [pool.submit(_store, *each) for each in zip(stale[::-1], cells[::-1], strict=True)]
        for number, each in enumerate(as_completed(drawn), start=1):
            print(f"figures that move, {number:>2} of {len(stale)}: {each.result()}", flush=True)


def _store(notebook: Notebook, run: list[NotebookNode]) -> str:
    if missing := notebook.missing_package:
        return f"{notebook.name:28}not drawn: {missing}"
    begin, widgets = time.perf_counter(), notebook.tagged("widget")
    cells = [new_code_cell(FIRST)]
    for cell in run:
        if cell in widgets:
            folder = stored(notebook, cell)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            arguments = (str(folder), stops(cell), key(notebook, cell))
            cells.append(new_code_cell(RECORD.format(root=str(ROOT), arguments=arguments)))
        cells.append(new_code_cell(cell.source))
    try:
        execute(new_notebook(cells=cells, metadata=notebook.content.metadata))
    except Exception as error:
        error.add_note(f"This happened to the figures that move of {notebook.name}.")
        raise
    pictures = sum(len(_index(stored(notebook, cell))["shown"]["pictures"]) for cell in widgets)
    return f"{notebook.name:28}{pictures:>6} pictures{time.perf_counter() - begin:>8.0f} s"


def stored(notebook: Notebook, cell: NotebookNode) -> Path:
    """The folder of a widget's pictures."""
    return STORE / f"{notebook.name}.{cell.id}"


def is_stored(notebook: Notebook, cell: NotebookNode) -> bool:
    """Whether a widget's pictures are there, and drawn by the code as it is now."""
    folder = stored(notebook, cell)
    return (folder / INDEX).exists() and _index(folder)["key"] == key(notebook, cell)


def _index(folder: Path) -> dict[str, Any]:
    index: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    return index


def key(notebook: Notebook, cell: NotebookNode) -> str:
    """A digest of what a widget's pictures depend on."""
    code = notebook.code[: notebook.code.index(cell) + 1]
    sources = [each.source for each in code] + [json.dumps(stops(cell))]
    sources += [importlib.metadata.version(name) for name in ("numpy", "matplotlib")]
    files = [HERE / "record.py", *sorted(PACKAGE.rglob("*.py")), *sorted(PACKAGE.glob("*.?z*"))]
    content = [source.encode() for source in sources] + [file.read_bytes() for file in files]
    return hashlib.sha256(b"\0".join(content)).hexdigest()


# --- To show -------------------------------------------------------------------------------------


def figure(notebook: str, cell_id: str, folder: str, static: str = "") -> str:
    """The HTML of a widget that needs no kernel; "" if its pictures are not stored.

    Parameters
    ----------
    notebook, cell_id
        The name of the notebook, and the id of its cell with the widget.
    folder
        The address of the folder that `copy` filled, relative to the page.
    static
        What stands there on paper and where scripts are off: HTML, by default the first picture.
    """
    found = [place for place in _all_stored(notebook) if place.name == f"{notebook}.{cell_id}"]
    if not found:
        return ""
    address = f"{folder}/{found[0].name}"
    shown = _index(found[0])["shown"]
    if not static:
        first = ",".join(str(control["start"]) for control in shown["controls"])
        alt = html.escape(shown["pictures"][first][1])
        width = 0.92 * shown["size"][0]  # as in live.css
        static = f'<img src="{address}/first.png" width="{width:.0f}" alt="{alt}">'
    content = json.dumps(shown, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<link rel="stylesheet" href="{folder}/live.css">'
        f'<div class="live" data-folder="{address}" data-prevent-swipe>'
        f'<div class="live-static">{static}</div>'
        f'<script type="application/json">{content}</script></div>'
        f'<script src="{folder}/live.js" defer></script>\n'
    )


def copy(folder: Path) -> None:
    """Put the script, the style and the stored pictures of all notebooks into a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("live.css", "live.js"):
        shutil.copy(HERE / name, folder)
    for place in _all_stored():
        shutil.copytree(place, folder / place.name, ignore=shutil.ignore_patterns(INDEX))


def _all_stored(*names: str) -> list[Path]:
    """The folders of the series' widgets with their pictures; of notebooks with these names."""
    return [
        stored(notebook, cell)
        for notebook in Notebook.series(*names)
        for cell in notebook.tagged("widget")
        if is_stored(notebook, cell)
    ]
