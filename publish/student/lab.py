"""Open JupyterLab on notebooks of your own, in my_notebooks/: `make lab` calls this.

    python -m publish.student.lab [--port 8888]

They are made once. When a release has changed one of them, your work is carried into the new one,
and the old one is kept in my_notebooks/before_update/. Their links to solved cells open copies in
my_notebooks/solved/, which each start renews: JupyterLab writes into what it opens, and a changed
notebook of the checkout would stop `git pull`.
"""

import argparse
import re
import shutil
from copy import deepcopy
from pathlib import Path

import nbformat

from cs231n_utils.progress import digest
from publish.notebook import ROOT, Notebook
from publish.student import start
from publish.student.edition import HERE, listed, solved, unsolved
from publish.student.marking.stubs import as_released

MINE = ROOT / "my_notebooks"
# JupyterLab shows a notebook's top when it opens it, and goes to the cell when all is drawn.
SOLVED = """\
When you have tried, follow the link above the cell to the same cell of the solved notebook. \
JupyterLab shows the top first, and the cell after some seconds; if it stays at the top, follow \
the link once more."""


def main() -> None:
    """Make or update the notebooks, then open JupyterLab where you worked last."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8888, help="where JupyterLab listens")
    port = parser.parse_args().port
    start.check_port(port)
    print(f"Looking whether {MINE.name}/ has the notebooks of this release ...", flush=True)
    refresh(MINE)
    start.open_lab(ROOT, start.worked_in_last(MINE), port)


def refresh(folder: Path) -> None:
    """Make the notebooks that are missing in a folder, and update those of another release."""
    folder.mkdir(exist_ok=True)
    shutil.copy(HERE / "handout" / "AGENTS.md", folder)
    copy_solved(folder / "solved")
    brought = []
    for notebook in map(of_ones_own, Notebook.series()):
        path, new = folder / notebook.path.name, notebook.content
        if not path.exists():
            start.write(new, path)
            continue
        try:
            old = nbformat.read(path, as_version=4)
        except nbformat.reader.NotJSONError:
            print(f"{path.name} is damaged. Rename it, and the next start makes a fresh one.")
            continue
        if old.metadata.get("released") != new.metadata.released:
            brought.append(start.carry(path, new, path, kept=folder / "before_update"))
    start.tell_untouched(brought)


def copy_solved(folder: Path) -> None:
    """Write the solved notebooks into a folder, with links that lead where they did."""
    folder.mkdir(exist_ok=True)
    for notebook in Notebook.series():
        content = deepcopy(notebook.content)
        for cell in content.cells:
            if cell.cell_type == "markdown":
                cell.source = cell.source.replace("](../", "](../../")
                cell.source = re.sub(r"\]\((?=\d\d_\w+\.ipynb)", "](solved_", cell.source)
        start.write(content, folder / f"solved_{notebook.path.name}")  # as its tab is called
    start.name_python(folder)


def of_ones_own(notebook: Notebook) -> Notebook:
    """The student edition, with links to the solved cells, and marked as of this release."""
    full = solved(notebook)
    own = unsolved(full)
    asked = {cell.id: listed([cell]) for cell in full.solutions}
    text = next(cell for cell in own.cells if cell.source == own.contract)
    text.source += f" {SOLVED}"
    as_released(text)
    for cell in own.cells:
        text = cell if cell.cell_type == "markdown" else text
        if cell.id in asked:
            target = f"solved/solved_{notebook.path.name}#cell-id={cell.id}"
            text.source += f"\n\nSolved: [{asked[cell.id]}, in the solved notebook]({target})"
            as_released(text)
    digests = [cell.metadata.released.digest for cell in own.cells]
    own.content.metadata["released"] = digest("".join(digests))
    return own


if __name__ == "__main__":
    main()
