"""Carry your work from an older copy of this course into this one.

    python update.py ../older-copy                       every notebook of that copy
    python update.py ../older-copy/notebooks/04_x.ipynb  one notebook

Answers, cells of your own and changes to the code come along; texts and checks are those of this
release. The older copy stays as it is, and what it held is kept in before_update/ as well.
"""

import argparse
import hashlib
import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_raw_cell

HERE = Path(__file__).resolve().parent
DEFINITION = re.compile(r"^(?:def|class) (\w+)", re.M)


def main() -> int:
    """Update the notebooks beside this file; the exit status is 1 when one must wait."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path, help="the folder of the older copy, or one notebook")
    old = parser.parse_args().old
    paths = [old] if old.suffix == ".ipynb" else sorted((old / "notebooks").glob("*.ipynb"))
    if not paths or not all(path.is_file() for path in paths):
        parser.error(f"there are no notebooks in {old}: name the folder that holds notebooks/")
    if HERE / "notebooks" in {path.resolve().parent for path in paths}:
        parser.error("this is the new copy itself: name the older one")
    return max(carry(path, HERE / "notebooks" / path.name) for path in paths)


def carry(old_path: Path, new_path: Path) -> int:
    """Bring one notebook's work along and say so; 1 when the new notebook is in use already."""
    keep(old_path, HERE / "before_update")
    old = nbformat.read(old_path, as_version=4)
    marked = any("released" in cell.metadata for cell in old.cells)
    if not new_path.exists():
        shutil.copy2(old_path, new_path)
        print(f"{old_path.name}: copied as it is, for this release has no notebook of that name")
        if marked:
            print("    If you renamed it, give it the name that it had, and run this again with it")
        return 0
    new = nbformat.read(new_path, as_version=4)
    if not marked:
        print(
            f"{old_path.name}: nothing carried over. Its cells have lost the marks of their "
            "release, as some programs remove them: copy your answers by hand"
        )
        return 1
    if not all(is_as_released(cell) for cell in new.cells):
        print(
            f"{new_path.name}: nothing carried over, because you have worked in the new notebook "
            "already. Put a fresh one in its place and run this again, or copy by hand"
        )
        return 1
    told = merge(old, new)
    nbformat.write(new, new_path)
    print("\n    ".join([f"{new_path.name}: {told[0]}", *told[1:]]))
    return 0


def keep(path: Path, folder: Path) -> None:
    """Copy a file into a folder, beside earlier files of its name."""
    folder.mkdir(exist_ok=True)
    target, number = folder / path.name, 1
    while target.exists() and target.read_bytes() != path.read_bytes():
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    shutil.copy2(path, target)


def digest(source: str) -> str:
    """A short fingerprint of a cell's text."""
    return hashlib.sha256(source.replace("\r\n", "\n").encode()).hexdigest()[:16]


def is_as_released(cell: NotebookNode) -> bool:
    """Whether the cell is one of the release, unchanged."""
    return cell.metadata.get("released", {}).get("digest") == digest(cell.source)


def merge(old: NotebookNode, new: NotebookNode) -> list[str]:
    """Put a student's work of the notebook old into new, in place; what to tell the student."""
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
    sys.exit(main())
