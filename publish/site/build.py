"""Build two sites from one source: one for instructors, and one for students without the answers.

    python -m publish.site            writes build/site/instructors/ and build/site/students/
    python -m publish.site FOLDER     writes both into FOLDER
    python -m publish.site --quick    draws no figures that move: minutes less, the first time

A student's page shows stubs in place of what a student writes, with the outputs of the finished
notebook. Every warning of Sphinx is an error. course.toml says where links open a notebook.
"""

import argparse
import os
import pkgutil
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from pathlib import Path

import nbformat
from sphinx.cmd.build import main as sphinx

import cs231n_utils
from publish import quiz
from publish.live import build as live
from publish.notebook import ROOT, Notebook, hides_output
from publish.site import dark, generated
from publish.slides import build as slides
from publish.student.edition import solved, unsolved
from publish.student.standalone import standalone

HERE = Path(__file__).parent
COPIED = ["docs/notation.md", "data/*.md", "publish/images/*", "publish/student/project/*"]
FOR_INSTRUCTORS = ["*.md", "docs/*.md"]
WEEKLY = ROOT / "publish" / "student" / "course" / "weekly.md"

REFERENCE = """# `{title}`

```{{eval-rst}}
.. automodule:: {module}
```
"""


def main() -> int:
    """Build both sites; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--quick", action="store_true", help="draw no figures that move")
    options = parser.parse_args()
    if not options.quick:
        live.store(Notebook.series())
    with ProcessPoolExecutor(2) as pool:  # one is built on each of two cores
        both = [
            pool.submit(build, options.folder / "instructors"),
            pool.submit(build, options.folder / "students", students=True),
        ]
        return max(site.result() for site in both)


def build(
    site: Path, executed: Iterable[Notebook] = (), *, students: bool = False, talks: bool = True
) -> int:
    """Write one site into a folder, and say where.

    Parameters
    ----------
    site : Path
        The folder. What stands there stays until the new pages are complete.
    executed : iterable of Notebook
        Notebooks to show in place of the files of their names.
    students : bool
        Whether to leave out what students write, and what is for instructors alone.
    talks : bool
        Whether to put the slides beside the pages.

    Returns
    -------
    int
        Sphinx's exit status.
    """
    final, site = site, site.with_name(f"{site.name}-new")
    shutil.rmtree(site, ignore_errors=True)
    talks = talks and add_slides(site / "slides", students)
    add_downloads(site / "downloads", students)
    audience = "students" if students else "instructors"
    title = generated.TITLE if students else f"{generated.TITLE} (for instructors)"
    settings = ["-D", f"html_title={title}", "-A", f"audience={audience}"]
    if talks:
        settings += ["-A", "talks=1"]
    strict = ["--nitpicky", "--fail-on-warning", "--keep-going", "--quiet"]
    notebooks = {notebook.name: notebook for notebook in [*Notebook.series(), *executed]}
    with tempfile.TemporaryDirectory() as work:
        source, pages, cache = (Path(work, name) for name in ("source", "pages", "cache"))
        gather(source, list(notebooks.values()), students=students, talks=talks)
        options = [*strict, *settings, "-d", str(cache), "-c", str(HERE)]
        status = sphinx([*options, str(source), str(pages)])
        shutil.copytree(pages, site, dirs_exist_ok=True)  # myst-nb leaves more beside its pages
    if status == 0:
        shutil.rmtree(final, ignore_errors=True)
        site = site.rename(final)
        print("pages:", os.path.relpath(site / "index.html"))
        texts = [page.read_text("utf-8") for page in site.glob("notebooks/*.html")]
        for look in (dark.INVERTED, dark.DIMMED):
            count = sum(text.count(f'class="{look}"') for text in texts)
            print(f"figures {look} on dark pages: {count}")
    return status


# --- Beside the pages ---------------------------------------------------------------------------


def add_slides(folder: Path, students: bool) -> bool:
    """Put the talks into a folder, if reveal.js is here or npm can fetch it; whether they are."""
    try:
        slides.build(folder, students=students, address="../notebooks/{}.html")
    except SystemExit as missing:
        print(f"The site has no slides. {missing}")
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def add_downloads(folder: Path, students: bool) -> None:
    """Put each notebook into a folder as it runs anywhere, and student.zip if it is built."""
    folder.mkdir(parents=True)
    for notebook in Notebook.series():
        given = unsolved(solved(notebook)) if students else notebook
        nbformat.write(standalone(given).content, folder / notebook.path.name)
    archive = ROOT / "build" / "student.zip"
    if archive.exists():
        shutil.copy2(archive, folder)


# --- What Sphinx reads --------------------------------------------------------------------------


def gather(folder: Path, notebooks: list[Notebook], *, students: bool, talks: bool) -> None:
    """Put everything that Sphinx reads into one folder, laid out like the project.

    So links between notebooks, and from README.md, mean the same on the site.
    """
    own = HERE / "pages" / ("students" if students else "instructors")
    patterns = COPIED if students else COPIED + FOR_INSTRUCTORS
    sources = [path for pattern in patterns for path in ROOT.glob(pattern)]
    for path in [*sources, *HERE.glob("pages/*.md"), *own.glob("*.md")]:
        # The site's own pages stand at the top; everything else where it stands here.
        name = path.name if HERE in path.parents else path.relative_to(ROOT)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / name)
    written = {
        "home.txt": generated.home(),
        "map.txt": generated.series_map(notebooks),
        "cards.txt": generated.cards(notebooks),
        "times.txt": generated.times(notebooks, talks=talks),
        "quiz.md": quiz.page(answers=not students),
        **{f"pictures/{n.name}.png": generated.picture(n) for n in notebooks},
        **reference(),
    }
    if students:
        written |= {"start.txt": generated.start()}
        notebooks = [without_answers(notebook) for notebook in notebooks]
    else:
        written |= {
            "counts.txt": generated.counts(notebooks),
            "needs.txt": generated.needs(notebooks),
            "marking.md": quiz.marking(),
            "oral.md": quiz.oral_page(),
            "weekly.txt": WEEKLY.read_text("utf-8"),
        }
    for notebook in notebooks:
        written[f"notebooks/{notebook.path.name}"] = nbformat.writes(notebook.content)
    for name, content in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def without_answers(notebook: Notebook) -> Notebook:
    """The student's form of a notebook, with the outputs of the finished one."""
    finished = {cell.id: cell for cell in notebook.cells}
    student = unsolved(solved(notebook))
    ids = {cell.id for cell in student.cells}
    # A cell may have been split into a solution and its check, which then has the outputs. Cells
    # that only a running notebook needs stay away.
    kept = [cell for cell in student.cells if cell.id.removesuffix("-rest") in finished]
    for cell in kept:
        if cell.cell_type == "code" and f"{cell.id}-rest" not in ids:
            source = finished[cell.id.removesuffix("-rest")]
            cell.outputs = deepcopy(source.outputs)
            if hides_output(source):
                cell.metadata.setdefault("jupyter", {})["outputs_hidden"] = True
    student.content.cells = kept
    return student


def reference() -> dict[str, str]:
    """A page for each module of the package, by file name."""
    pages = {}
    for info in pkgutil.walk_packages(cs231n_utils.__path__, "cs231n_utils."):
        if not info.ispkg:
            name = info.name.removeprefix("cs231n_utils.").replace(".", "/")
            title = name.split("/")[-1]
            pages[f"reference/{name}.md"] = REFERENCE.format(title=title, module=info.name)
    return pages
