"""Build the site from the notebooks, README.md and the package's docstrings.

    python publish/site.py            writes build/site/
    python publish/site.py FOLDER     writes FOLDER

Every warning of Sphinx is an error. CS231N_LAUNCH is the address that opens a notebook where the
reader needs to install nothing; {path} stands for the notebook's path in the project. Without it
the pages have no launch links. For example, on Binder:

    CS231N_LAUNCH='https://mybinder.org/v2/gh/OWNER/NAME/main?urlpath=lab/tree/{path}'
"""

import argparse
import os
import pkgutil
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from sphinx.cmd.build import main as sphinx

import cs231n_utils

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "publish" / "site"
COPIED = ["*.md", "data/*.md", "publish/site/*.md", "notebooks/[0-9]*.ipynb"]
COPIED += ["publish/images/*", "publish/screenshots/*"]

REFERENCE = """# `{title}`

```{{eval-rst}}
.. automodule:: {module}
```
"""


def main() -> int:
    """Build the site; Sphinx's exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "site")
    site = parser.parse_args().folder
    shutil.rmtree(site, ignore_errors=True)
    strict = ["--nitpicky", "--fail-on-warning", "--keep-going", "--quiet"]
    with tempfile.TemporaryDirectory() as work:
        source, cache = Path(work, "source"), Path(work, "cache")
        gather(source)
        status = sphinx([*strict, "-d", str(cache), "-c", str(PAGES), str(source), str(site)])
    if status == 0:
        print("pages:", os.path.relpath(site / "index.html"))
    return status


def gather(folder: Path) -> None:
    """Put everything that Sphinx reads into one folder, laid out like the project.

    So links between notebooks, and from README.md, mean the same on the site.
    """
    for pattern in COPIED:
        for path in ROOT.glob(pattern):
            # The site's own pages stand at the top; everything else where it stands here.
            name = path.name if path.parent == PAGES else path.relative_to(ROOT)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / name)
    readme = folder / "README.md"
    text = re.sub(r"\[\d\d_\w+\]", "[]", readme.read_text(encoding="utf-8"))
    readme.write_text(text, encoding="utf-8")  # the notebooks' titles, not their files' names
    tables = {"counts.txt": counts(), "needs.txt": needs()}
    for name, text in {**reference(), **tables}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def reference() -> dict[str, str]:
    """A page for each module of the package, by file name."""
    pages = {}
    for info in pkgutil.walk_packages(cs231n_utils.__path__, "cs231n_utils."):
        if not info.ispkg:
            name = info.name.removeprefix("cs231n_utils.").replace(".", "/")
            title = name.split("/")[-1]
            pages[f"reference/{name}.md"] = REFERENCE.format(title=title, module=info.name)
    return pages


def counts() -> str:
    """What each notebook holds: the columns that a test run prints, and the exercises."""
    rows = []
    for link, cells in notebooks():
        code = [cell for cell in cells if cell.cell_type == "code"]
        ignored = sum("nbval-ignore-output" in cell.metadata.get("tags", []) for cell in code)
        compared = f"{1 - ignored / len(code):.0%}"
        equations = sum(cell.source.count(r"\tag{") for cell in cells)
        exercises = sum("### BEGIN SOLUTION" in cell.source for cell in code)
        rows.append([link, len(code), compared, equations, exercises])
    return table(["notebook", "code cells", "compared", "equations", "exercises"], rows)


def needs() -> str:
    """What each notebook says in its opening cell that it needs and takes."""
    rows = []
    for link, cells in notebooks():
        needed = re.search(r"\*\*You need\*\* (.*?)(?:\n\n|$)", cells[0].source, re.DOTALL)
        time = re.search(r"about (\d+) minutes to read, at most (\d+) seconds", cells[0].source)
        text = " ".join(needed[1].split()).replace("](", "](notebooks/")
        rows.append([link, text, f"{time[1]} min", f"{time[2]} s"])
    return table(["notebook", "needs", "to read", "to run, at most"], rows)


def notebooks() -> Iterator[tuple[str, list[nbformat.NotebookNode]]]:
    """A link to each notebook, and its cells."""
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        yield f"[](notebooks/{path.name})", nbformat.read(path, as_version=4).cells


def table(head: list[str], rows: list[list[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
