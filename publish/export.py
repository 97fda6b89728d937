"""Copy what the notebooks provide to others.

A cell tagged `export:layers` goes into cs231n_utils/taught/layers.py, behind the cells of earlier
notebooks that name this module. The module imports what its cells use: as their notebook does, or
from the module to which another cell is exported. Marks of solutions stay behind.
The figure of the cell tagged `readme` goes into publish/images/.

    python -m publish.export            write the files
    python -m publish.export --check    write nothing; exit with 1 when a file is out of date
"""

import argparse
import ast
import base64
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from publish.notebook import ROOT, Notebook, exported_to, without_markers

MODULES = ROOT / "cs231n_utils" / "taught"
IMAGES = ROOT / "publish" / "images"


@dataclass
class Module:
    """What the notebooks export to one module."""

    notebooks: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)  # a statement for each name


def derived_files() -> dict[Path, bytes]:
    """Every derived file's path and the content it should have."""
    notebooks = Notebook.series()
    files = {
        IMAGES / f"{notebook.name}.png": base64.b64decode(cell.outputs[0].data["image/png"])
        for notebook in notebooks
        for cell in notebook.tagged("readme")
    }
    for name, module in modules(notebooks).items():
        files[MODULES / f"{name}.py"] = text_of(module).encode()
    return files


def modules(notebooks: list[Notebook]) -> dict[str, Module]:
    """The modules by name."""
    homes: dict[str, str] = {}  # a name that some cell defines -> its module
    for notebook in notebooks:
        for cell in notebook.code:
            if name := exported_to(cell):
                homes |= dict.fromkeys(defined(ast.parse(cell.source)), name)
    found: dict[str, Module] = {}
    for notebook in notebooks:
        imports, file = imports_of(notebook.code), notebook.path.name
        for cell in notebook.code:
            if name := exported_to(cell):
                module = found.setdefault(name, Module())
                module.notebooks += [file] if file not in module.notebooks else []
                module.sources.append(without_imports(without_markers(cell.source)))
                for used in used_names(ast.parse(module.sources[-1])):
                    if used in homes:
                        if homes[used] != name:
                            statement = f"from cs231n_utils.taught.{homes[used]} import {used}"
                            module.imports.add(statement)
                    elif used in imports:
                        module.imports.add(imports[used])
    return found


def defined(tree: ast.Module) -> set[str]:
    """The functions, classes and names that a cell defines at its top."""
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def imports_of(cells: list[NotebookNode]) -> dict[str, str]:
    """Each name that code cells import, with the statement that imports it alone."""
    found = {}
    for cell in cells:
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                source = f"from {node.module} " if isinstance(node, ast.ImportFrom) else ""
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{source}import {ast.unparse(alias)}"
    return found


def without_imports(source: str) -> str:
    """The source of a cell without the imports at its top."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for number in range(node.lineno, (node.end_lineno or 0) + 1):
                lines[number - 1] = ""
    return "\n".join(lines).strip("\n")


def used_names(tree: ast.AST) -> set[str]:
    """The names that a cell uses."""
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Load)}


def text_of(module: Module) -> str:
    """The text of a module: where it is taught, its imports in order, its cells."""
    places = "\n".join(f"- notebooks/{name}" for name in module.notebooks)
    header = f'"""Exported from notebooks: edit them, then `make export`.\n\n{places}\n"""'
    imports = "\n".join(sorted(module.imports))
    ruff = [sys.executable, "-m", "ruff", "check", "--quiet", "--select", "I", "--fix"]
    ordered = subprocess.run(
        [*ruff, "--stdin-filename", "module.py", "-"],
        input=imports, capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return "\n\n\n".join([f"{header}\n\n{ordered.stdout.strip()}", *module.sources]) + "\n"


def main() -> int:
    """Write or check the derived files; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
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
