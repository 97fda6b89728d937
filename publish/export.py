"""Copy the notebooks' cells tagged `export` into the modules of cs231n_utils/from_notebooks/.

python publish/export.py            write the modules
python publish/export.py --check    write nothing; exit with 1 when a module is out of date
"""

import argparse
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
MODULES = ROOT / "cs231n_utils" / "from_notebooks"


def modules() -> dict[Path, str]:
    """Every module's path and the text it should have."""
    texts = {}
    for notebook in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        cells = [
            cell.source
            for cell in nbformat.read(notebook, as_version=4).cells
            if "export" in cell.metadata.get("tags", [])
        ]
        if cells:
            name = notebook.stem.split("_", 1)[1]  # 06_two_layer_net -> two_layer_net
            header = (
                f'"""Taught in notebooks/{notebook.name}: edit it there, then `make export`."""'
            )
            texts[MODULES / f"{name}.py"] = (
                "\n\n\n".join([f"{header}\n\n{cells[0]}", *cells[1:]]) + "\n"
            )
    return texts


def main() -> int:
    """Write or check the modules; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, report differences")
    check = parser.parse_args().check
    texts = modules()
    existing = set(MODULES.glob("*.py")) - {MODULES / "__init__.py"}
    stale = [
        path
        for path in sorted(texts.keys() | existing)
        if path not in texts or not path.exists() or path.read_text(encoding="utf-8") != texts[path]
    ]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} differs from its notebook: run 'make export'")
        elif path in texts:
            path.write_text(texts[path], encoding="utf-8", newline="\n")
            print(f"wrote {path.relative_to(ROOT)}")
        else:
            path.unlink()
            print(f"removed {path.relative_to(ROOT)}: no notebook exports it")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
