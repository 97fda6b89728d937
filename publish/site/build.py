"""Build the site from the notebooks, README.md and the package's docstrings.

    python -m publish.site            writes build/site/
    python -m publish.site FOLDER     writes FOLDER
    python -m publish.site --quick    draws no figures that move: minutes less, the first time

Every warning of Sphinx is an error. course.toml says where links open a notebook.
"""

import argparse
import os
import pkgutil
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import nbformat
from sphinx.cmd.build import main as sphinx

import cs231n_utils
from publish.live import build as live
from publish.notebook import ROOT, Notebook

HERE = Path(__file__).parent
COPIED = ["*.md", "data/*.md", "publish/site/pages/*.md", "notebooks/[0-9]*.ipynb"]
COPIED += ["publish/images/*", "publish/screenshots/*"]

REFERENCE = """# `{title}`

```{{eval-rst}}
.. automodule:: {module}
```
"""


def main() -> int:
    """Build the site; Sphinx's exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--quick", action="store_true", help="draw no figures that move")
    options = parser.parse_args()
    if not options.quick:
        live.store(Notebook.series())
    return build(options.folder)


def build(site: Path, executed: Iterable[Notebook] = ()) -> int:
    """Write the site into a folder, and say where.

    Parameters
    ----------
    site : Path
        The folder, which is emptied first.
    executed : iterable of Notebook
        Notebooks to show in place of the files of their names.

    Returns
    -------
    int
        Sphinx's exit status.
    """
    shutil.rmtree(site, ignore_errors=True)
    strict = ["--nitpicky", "--fail-on-warning", "--keep-going", "--quiet"]
    with tempfile.TemporaryDirectory() as work:
        source, cache = Path(work, "source"), Path(work, "cache")
        gather(source)
        for notebook in executed:
            nbformat.write(notebook.content, source / "notebooks" / notebook.path.name)
        status = sphinx([*strict, "-d", str(cache), "-c", str(HERE), str(source), str(site)])
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
            name = path.name if path.parent == HERE / "pages" else path.relative_to(ROOT)
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
    head = ["notebook", "code cells", "compared", "equations", "exercises"]
    rows = [
        [link(n), len(n.code), f"{n.compared:.0%}", len(n.equations), len(n.exercises)]
        for n in Notebook.series()
    ]
    return table(head, rows)


def needs() -> str:
    """What each notebook says that it needs and takes."""
    head = ["notebook", "needs", "to read", "with exercises", "to run, at most"]
    rows: list[list[object]] = []
    for n in Notebook.series():
        minutes, with_exercises, seconds = n.times
        times = [f"{minutes} min", f"{with_exercises} min", f"{seconds} s"]
        rows.append([link(n), n.needs.replace("](", "](notebooks/"), *times])
    return table(head, rows)


def link(notebook: Notebook) -> str:
    """A link to a notebook, whose text Sphinx fills in."""
    return f"[](notebooks/{notebook.path.name})"


def table(head: list[str], rows: list[list[object]]) -> str:
    """A table in Markdown."""
    lines: list[list[object]] = [[*head], ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
