"""Copy what the notebooks provide to others.

Cells tagged `export` go into the modules of cs231n_utils/from_notebooks/, and the figure of the
cell tagged `readme` into publish/images/.

    python publish/export.py            write the files
    python publish/export.py --check    write nothing; exit with 1 when a file is out of date
"""

import argparse
import base64
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
MODULES = ROOT / "cs231n_utils" / "from_notebooks"
IMAGES = ROOT / "publish" / "images"


def derived_files() -> dict[Path, bytes]:
    """Every derived file's path and the content it should have."""
    files = {}
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        exported = [cell.source for cell in cells if "export" in tags(cell)]
        if exported:
            name = path.stem.split("_", 1)[1]  # 06_two_layer_net -> two_layer_net
            files[MODULES / f"{name}.py"] = module(path.name, exported).encode()
        for cell in cells:
            if "readme" in tags(cell):
                png = cell.outputs[0].data["image/png"]
                files[IMAGES / f"{path.stem}.png"] = base64.b64decode(png)
    return files


def tags(cell: nbformat.NotebookNode) -> set[str]:
    """The cell's tags."""
    return set(cell.metadata.get("tags", []))


def module(notebook: str, cells: list[str]) -> str:
    """The text of a module made of a notebook's exported cells, its imports first."""
    header = f'"""Taught in notebooks/{notebook}: edit it there, then `make export`."""'
    return "\n\n\n".join([f"{header}\n\n{cells[0]}", *cells[1:]]) + "\n"


def main() -> int:
    """Write or check the derived files; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, report differences")
    check = parser.parse_args().check
    files = derived_files()
    existing = {*MODULES.glob("*.py"), *IMAGES.glob("*.png")} - {MODULES / "__init__.py"}
    stale = [
        path
        for path in sorted(files.keys() | existing)
        if path not in files or not path.exists() or path.read_bytes() != files[path]
    ]
    for path in stale:
        name = path.relative_to(ROOT)
        if check:
            print(f"{name} differs from its notebook: run 'make export'")
        elif path in files:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(files[path])
            print(f"wrote {name}")
        else:
            path.unlink()
            print(f"removed {name}: no notebook provides it")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
