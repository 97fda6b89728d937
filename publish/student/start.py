"""Open JupyterLab where you worked last; bring your work along from an older copy of this course.

    python start.py                                     open JupyterLab
    python start.py ../older-copy                       with the work of that copy's notebooks
    python start.py ../older-copy/notebooks/04_x.ipynb  with the work of one notebook

Answers, cells of your own and changes to the code come along; texts and checks are those of this
release. The older copy stays as it is, and what it held is kept in before_update/ as well.
"""

# ruff: noqa: E402  the environment is looked at before anything is taken from it
import argparse
import importlib
import os
import re
import shutil
import socket
import sys
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
AGAIN = """{}
If you typed the lines of README.md whole, the environment is damaged. This sets it up again:
    "{}" -W ignore -m pip install --force-reinstall -r requirements.txt"""

OTHER = """{}
{} is not the Python of this folder. Its own is beside start.py:
    "{}" start.py"""

if __name__ == "__main__":
    # The package counts as a notebook finds it, not as it lies beside this file.
    sys.path = [path for path in sys.path if Path(path).resolve() != HERE]
    try:
        package = importlib.import_module("cs231n_utils")
        if Path(package.__path__[0]).resolve().parent != HERE:
            raise ImportError(f"It was made for another folder: {package.__path__[0]}")
        for name in ("matplotlib.pyplot", "ipywidgets", "jupyterlab.labapp"):
            importlib.import_module(name)
    except Exception as error:  # a file that was cut off may raise anything
        own = HERE / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if own.exists() and Path(sys.prefix).resolve() != (HERE / ".venv").resolve():
            sys.exit(OTHER.format(error, sys.executable, own))
        sys.exit(AGAIN.format(error, sys.executable))

import nbformat
import zmq
from ipykernel.ipkernel import IPythonKernel
from nbformat import NotebookNode
from nbformat.v4 import new_raw_cell

from cs231n_utils.progress import is_as_released

GRADERS = [f"nbgrader.server_extensions.{name}" for name in ("formgrader", "validate_assignment")]
DEFINITION = re.compile(r"^(?:def|class) (\w+)", re.M)


def main() -> None:
    """Bring work along if an older copy is named, then open JupyterLab beside this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "old", type=Path, nargs="?", help="the folder of an older copy, or one notebook"
    )
    parser.add_argument("--port", type=int, default=8888, help="where JupyterLab listens")
    given = parser.parse_args()
    check_port(given.port)
    if given.old:
        paths = [given.old] if given.old.is_file() else sorted(notebooks_of(given.old))
        if not paths:
            parser.error(f"there are no notebooks in {given.old}: name what holds notebooks/")
        if HERE / "notebooks" in {path.resolve().parent for path in paths}:
            parser.error("this is the new copy itself: name the older one")
        brought = [bring(path, HERE / "notebooks") for path in paths]
        tell_untouched(brought)
        if None in brought:
            sys.exit("When that is done, start without the name of the older copy.")
    open_lab(HERE, worked_in_last(HERE / "notebooks"), given.port)


def notebooks_of(folder: Path) -> list[Path]:
    """The notebooks of a copy of this course, or of the folder that holds them."""
    return [*(folder / "notebooks").glob("*.ipynb")] or [*folder.glob("*.ipynb")]


def worked_in_last(folder: Path) -> str:
    """The notebook of a folder that was changed last, as FOLDER/NAME; the first if none was."""
    for path in sorted(folder.glob("*.ipynb"), key=os.path.getmtime, reverse=True):
        with suppress(nbformat.reader.NotJSONError):
            cells = nbformat.read(path, as_version=4).cells
            if any(cell.get("execution_count") or not is_as_released(cell) for cell in cells):
                return f"{folder.name}/{path.name}"
    return f"{folder.name}/01_linear_scores.ipynb"


def check_port(port: int) -> None:
    """Stop with a sentence if JupyterLab cannot listen there: one may have the notebooks open."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        sys.exit(
            f"Port {port} is busy: close the JupyterLab that uses it, or choose another port with "
            "--port=8899 (make lab PORT=8899)."
        )


def open_lab(root: Path, notebook: str, port: int) -> None:
    """Open JupyterLab on a notebook of a folder."""
    name_python((root / notebook).parent)
    print(f"Opening {notebook} in JupyterLab ...", flush=True)
    from jupyterlab.labapp import main as lab

    if hasattr(os, "geteuid") and os.geteuid() == 0:
        print("You are root here: what a notebook runs may change anything on this machine.")
    lab(
        [
            f"--port={port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.answer_yes=True",  # Ctrl-C asks nothing
            "--ServerApp.allow_root=True",
            "--Application.log_level=WARN",  # what was said above stays in sight
            # Formgrader is for a course's folder, and complains in any other.
            f"--ServerApp.jpserver_extensions={dict.fromkeys(GRADERS, False)}",
            f"--KernelManager.transport_encryption={'auto' if zmq.has('curve') else 'disabled'}",
            f"--ServerApp.root_dir={root}",
            f"--LabApp.app_settings_dir={root / '.lab'}",
            f"--LabApp.default_url=/lab/tree/{notebook}",
        ]
    )


def name_python(folder: Path) -> None:
    """Write into notebooks which Python runs them.

    JupyterLab does it when it opens one, and then shows the notebook as changed.
    """
    for path in folder.glob("*.ipynb"):
        try:
            notebook = nbformat.read(path, as_version=4)
        except nbformat.reader.NotJSONError:
            continue
        if notebook.metadata.get("language_info") != IPythonKernel.language_info:
            notebook.metadata["language_info"] = IPythonKernel.language_info
            write(notebook, path, continues=path)


def bring(path: Path, folder: Path) -> list[str] | None:
    """Bring a notebook's work into the folder of a new release, and say so; as `carry`, what."""
    new_path = folder / path.name
    if not new_path.exists():
        keep(path, folder.parent / "before_update")
        shutil.copy2(path, new_path)
        print(f"{path.name}: copied as it is, for this release has no notebook of that name")
        if any("released" in cell.metadata for cell in nbformat.read(path, as_version=4).cells):
            print("    If you renamed it, give it the name that it had, and run this again with it")
        return ["copied"]
    new = nbformat.read(new_path, as_version=4)
    if all(map(is_as_released, new.cells)):
        return carry(path, new, new_path, kept=folder.parent / "before_update")
    keep(path, folder.parent / "before_update")
    print(
        f"{path.name}: nothing carried over, because you have worked in the new notebook "
        "already. Put a fresh one in its place and run this again, or copy by hand"
    )
    return None


def carry(old_path: Path, new: NotebookNode, new_path: Path, kept: Path) -> list[str] | None:
    """Write a new release with an older one's work, and keep that; what came along, if it could."""
    keep(old_path, kept)
    old = nbformat.read(old_path, as_version=4)
    if not any("released" in cell.metadata for cell in old.cells):
        print(
            f"{old_path.name}: nothing carried over. Its cells have lost the marks of their "
            "release, as some programs remove them: copy your answers by hand"
        )
        return None
    told = merge(old, new)
    write(new, new_path, continues=old_path)
    if told:
        print("\n    ".join([f"{new_path.name}: {told[0]}", *told[1:]]))
    return told


def tell_untouched(brought: list[list[str] | None]) -> None:
    """Say in one line how many notebooks had no work to carry."""
    if count := brought.count([]):
        print(f"{count} notebook{'s' * (count > 1)} updated in which you had written nothing")


def write(notebook: NotebookNode, path: Path, continues: Path | None = None) -> None:
    """Write a notebook in one step; the time stays at which its student changed it, if one did."""
    part = path.with_suffix(".part")
    nbformat.write(notebook, part)
    if continues:
        os.utime(part, (continues.stat().st_atime, continues.stat().st_mtime))
    os.replace(part, path)  # what was there is whole until now


def keep(path: Path, folder: Path) -> None:
    """Copy a file into a folder, beside earlier files of its name."""
    folder.mkdir(exist_ok=True)
    target, number = folder / path.name, 1
    while target.exists() and target.read_bytes() != path.read_bytes():
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    shutil.copy2(path, target)


def merge(old: NotebookNode, new: NotebookNode) -> list[str]:
    """Put a student's work of the notebook old into new, in place; what came along, in lines."""
    targets = {cell.metadata.released.id: cell for cell in new.cells}
    behind: dict[str, list[NotebookNode]] = {name: [] for name in ["", *targets]}
    ids, place, answers, own, told = set(targets), "", 0, 0, []
    unmarked = solutions_without_a_cell(old, new)
    for cell in old.cells:
        name = released_as(cell, old)
        if name is None and place in unmarked and defines(cell, unmarked[place]):
            name = unmarked.pop(place).metadata.released.id
        if name is None:
            behind[place].append(as_own(cell, ids))
            own += 1
            continue
        target = targets.get(name)
        place = place if target is None else name
        if is_as_released(cell):
            continue
        first = next((line for line in cell.source.splitlines() if line.strip()), "(empty)")
        if target is None:
            behind[place].append(as_own(cell, ids))
            told.append(f"no longer part of the release, kept as a cell of your own: {first}")
            continue
        released = cell.metadata.get("released", target.metadata.released)
        released_again = target.metadata.released.digest == released.digest
        if target.metadata.get("nbgrader", {}).get("solution"):
            answers += 1
            if not released_again:
                behind[name].append(note("What this release asks for here", target, ids))
                told.append(f"the task has changed, look whether your answer still fits: {first}")
            target.source = cell.source
        elif released_again and "nbgrader" not in target.metadata:
            target.source = cell.source
            told.append(f"your change to the given code is kept: {first}")
        else:
            behind[name].append(note("What you had in the cell above", cell, ids))
            told.append(f"the release's version stands, yours is in a note below it: {first}")
    new.cells = behind[""] + [c for name in targets for c in (targets[name], *behind[name])]
    if not (answers or own or told):
        return []
    return [f"carried over: answers {answers}, cells of your own {own}", *told]


def released_as(cell: NotebookNode, notebook: NotebookNode) -> str | None:
    """The name of the released cell that this one is; None for a student's own, or a copy."""
    name = cell.metadata.get("released", {}).get("id")
    twins = [c for c in notebook.cells if c.metadata.get("released", {}).get("id") == name]
    original = next((c for c in twins if c.get("id") == name), twins[0])
    return name if cell is original else None


def solutions_without_a_cell(old: NotebookNode, new: NotebookNode) -> dict[str, NotebookNode]:
    """The solutions of new that no cell of old is marked as, by the last such cell above them.

    JupyterLab drops the marks of a solution that is merged into a cell of the student's own.
    """
    marked = {cell.metadata.get("released", {}).get("id") for cell in old.cells}
    found, place = dict[str, NotebookNode](), ""
    for cell in new.cells:
        if cell.metadata.released.id in marked:
            place = cell.metadata.released.id
        elif cell.metadata.get("nbgrader", {}).get("solution"):
            found.setdefault(place, cell)
    return found


def defines(cell: NotebookNode, stub: NotebookNode) -> bool:
    """Whether a cell defines what a stub does."""
    wanted, found = (set(DEFINITION.findall(c.source)) for c in (stub, cell))
    return cell.cell_type == "code" and wanted <= found


def as_own(cell: NotebookNode, ids: set[str]) -> NotebookNode:
    """The cell without the marks of a release and without outputs, under a free id."""
    cell = NotebookNode(cell, id=free(cell.get("id", "own"), ids))
    marks = {"released", "nbgrader", "deletable", "editable"}
    cell.metadata = NotebookNode({k: v for k, v in cell.metadata.items() if k not in marks})
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def note(title: str, cell: NotebookNode, ids: set[str]) -> NotebookNode:
    """A cell that shows another cell's text and runs nothing."""
    return new_raw_cell(f"{title}:\n\n{cell.source}", id=free(f"{cell.id}-note", ids))


def free(name: str, ids: set[str]) -> str:
    """The name, or the first free one that starts with it; it is taken from now on."""
    number, wanted = 1, name[:50]
    while name in ids:
        number += 1
        name = f"{wanted}-{number}"
    ids.add(name)
    return name


if __name__ == "__main__":
    main()
