"""Sphinx's settings for both sites. `python -m publish.site` builds them.

Its only switch stands on Sphinx's command line: templates know the `audience`, and whether the
site has `talks`. Which pages there are, and what they show, publish/site/build.py has decided.
"""

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from numpy.typing import DTypeLike
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

from publish import fonts
from publish.course import Course
from publish.live import build as live
from publish.notebook import (
    WIDGET,
    Notebook,
    alt_text,
    has_solution,
    hides_output,
    is_collapsed,
    size,
    tags,
)
from publish.site import dark
from publish.site.generated import SCALE, TITLE
from publish.site.sections import Sections

COURSE = Course.read()
CONTROL = "Here stands a control that needs a running kernel: open the notebook in JupyterLab."

project = TITLE
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
extensions += ["sphinx_copybutton", "sphinx-mathjax-offline"]
exclude_patterns = ["README.md"]

nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

highlight_language = "none"  # of what is not a notebook's cell: commands, formulas, layouts
default_role = "code"  # docstrings write `x` as Markdown does
napoleon_google_docstring = False  # numpydoc's sections alone
napoleon_use_param = False  # names that share a description stay together
napoleon_use_rtype = False
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "set"}
add_module_names = False
autodoc_preserve_defaults = True  # as written: no folder of this machine
toc_object_entries_show_parents = "hide"
# Every reference inside the project must lead somewhere. Those to other packages need the network.
nitpick_ignore_regex = [("py:.*", r"(?!cs231n_utils\.).*")]

html_theme = "pydata_sphinx_theme"
html_context = {"default_mode": "auto", "course": COURSE}
templates_path = ["templates"]
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["fonts/fonts.css", "site.css"]
html_copy_source = html_show_sourcelink = False  # downloads/ holds what readers may have
html_show_copyright = False
html_use_index = html_domain_indices = False  # the search finds every name
html_theme_options = {
    "logo": {"text": project},
    "header_links_before_dropdown": 4,
    "navigation_with_keys": False,
    "article_header_end": ["notebook-links"],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": [],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
ALONE = ["index", "start", "monday", "ask", "quiz", "marking", "cluster", "instructors", "grading"]
ALONE += ["oral", "language_models", "policy", "privacy", "other_courses"]
ALONE += ["large_classes", "accessibility", "correctness", "CONTRIBUTING", "data/README"]
ALONE += [f"docs/{page}" for page in ["setup", "class", "hub", "talks", "notation"]]
html_sidebars: dict[str, list[str]] = {page: [] for page in [*ALONE, "search"]}


def adapt(app: Sphinx, page: str, source: list[str]) -> None:
    """Say in myst-nb's words what a notebook says in the project's; the file stays as it is."""
    if not page.startswith("notebooks/") and not page.endswith("project/example"):
        return
    content = nbformat.reads(source[0], as_version=4)
    notebook = Notebook(Path(page).name, Path("notebooks"), content)
    notebook.content.metadata.pop("widgets", None)  # the page would load foreign scripts
    notebook.content.metadata["language_info"] = {"name": "python", "pygments_lexer": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = ANCHOR.sub(as_slug, cell.source)
    drawing = dark.drawing_images(notebook)
    for cell in notebook.code:
        cell.source = notebook.shown(cell)
        myst: dict[str, Any] = {}
        if cell.metadata.get("nbgrader", {}).get("solution"):  # on the students' site alone
            cell.metadata["tags"] = [*tags(cell), "yours"]
        if has_solution(cell):  # that of an exercise
            cell.metadata["tags"] = [*tags(cell), "hide-input"]
            myst |= {"code_prompt_show": "Show a solution", "code_prompt_hide": "Hide it"}
        elif is_collapsed(cell):
            cell.metadata["tags"] = [*tags(cell), "hide-input"]
            myst |= {"code_prompt_show": "Show the code", "code_prompt_hide": "Hide it"}
        if hides_output(cell):  # the prompt speaks of a source or an output
            cell.metadata["tags"] = [*tags(cell), "hide-output"]
            myst |= {"code_prompt_show": "Show the {type}", "code_prompt_hide": "Hide it"}
        for output in cell.outputs:
            if alt := alt_text(output):
                look = dark.look(notebook, cell, alt, drawing)
                width = f"{SCALE * size(output)[0]:.0f}px"
                myst["image"] = {"alt": alt, "width": width, "classes": look}
                output["metadata"].pop("image/png")  # it would say another width
            if WIDGET in output.get("data", {}):
                moving = live.figure(notebook.name, cell.id, "../_static/live")
                look = dark.look(notebook, cell, moving, drawing)  # it holds every alternative
                moving = moving and f'<div class="{look}">{moving}</div>'
                output["data"] = {"text/html": moving} if moving else {"text/markdown": CONTROL}
        cell.metadata["mystnb"] = myst
    source[0] = nbformat.writes(notebook.content)


def tell(done: str) -> Callable[..., None]:
    """A function that says which notebook is done, of how many: the other pages take no time."""

    def told(app: Sphinx, page: str, *rest: object) -> None:
        folder, _, name = page.rpartition("/")
        if folder == "notebooks":
            names = sorted(path.stem for path in Path(app.srcdir, folder).iterdir())
            site, number = app.config.html_context["audience"], names.index(name) + 1
            print(f"{site}, {number:>2} of {len(names)} {done}: {name}", flush=True)

    return told


ANCHOR = re.compile(r"(?<=\]\()([^()\s#:]*#)([^()\s]+)(?=\))")


def as_slug(link: re.Match[str]) -> str:
    """A link to a heading as JupyterLab names it, `#Why-is-it-so?`, in the words of the site."""
    return link[1] + re.sub(r"[^\w-]", "", link[2]).lower()


BAR = re.compile(r"(`+[^`]*`+)|\|")
NOTEBOOK = re.compile(r"\bnotebooks/(\d\d_\w+)\.ipynb")


def read_as_text(
    app: Sphinx, kind: str, name: str, item: object, options: object, lines: list[str]
) -> None:
    """Let a bar be a bar, where |B| would name a substitution, and a notebook's name a link."""
    for number, line in enumerate(lines):
        escaped = BAR.sub(lambda found: found[1] or r"\|", line)
        lines[number] = NOTEBOOK.sub(r":doc:`/notebooks/\1`", escaped)


def shorten(
    app: Sphinx,
    kind: str,
    name: str,
    item: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Give NumPy's DTypeLike its name again: it is a union of many types, most of them private."""
    union = stringify_annotation(DTypeLike, "smart")
    return signature and signature.replace(union, "DTypeLike"), returns


def keep_whole(app: Sphinx, doctree: nodes.document) -> None:
    """Leave a numbered equation of several lines as it is.

    Sphinx would put it into the environment `split`, in which MathJax allows no number.
    """
    for node in list(doctree.findall(nodes.math_block)):
        tex = node.astext()
        if r"\\" in tex and r"\tag" in tex:
            block = f'<div class="math notranslate nohighlight">\\[{html.escape(tex)}\\]</div>'
            node.replace_self(nodes.raw("", block, format="html"))


def keep_together(app: Sphinx, doctree: nodes.document) -> None:
    """Let no line begin with what follows a formula without a space, for example a comma."""
    for node in list(doctree.findall(nodes.math)):
        after = node.next_node(descend=False, siblings=True)
        if isinstance(after, nodes.Text) and (tail := re.match(r"\S+", after)):
            after.parent.replace(after, nodes.Text(after[tail.end() :]))
            together = nodes.inline(classes=["together"])
            node.replace_self(together)
            together += [node, nodes.Text(tail[0])]


def fold_further(app: Sphinx, doctree: nodes.document) -> None:
    """Fold what stands under the heading Further; a link into it opens it."""
    for section in list(doctree.findall(nodes.section)):
        if section[0].astext() == "Further":
            summary = "<summary>Side roads, for those who want more</summary>"
            opening = nodes.raw("", f'<details class="further">{summary}', format="html")
            section.insert(1, opening)
            section += nodes.raw("", "</details>", format="html")


FIGURE = re.compile(r"Figure \d+\.\d+")


def let_scroll(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put each figure into a box that scrolls by itself, with the number under it as its name.

    The theme's script lets the Tab key reach what is called `output`, where it does scroll.
    """
    for image in list(doctree.findall(nodes.image)):
        if "width" in image and "cell_output" in image.parent["classes"]:
            below = image.next_node(nodes.paragraph, ascend=True)
            number = FIGURE.match(below.astext()) if below else None
            box = (
                f'<div class="output figure-box" role="group" style="--width: {image["width"]}" '
                f'aria-label="{number[0] if number else "Figure"}">'
            )
            place = image.parent.index(image)
            image.parent.insert(place, nodes.raw("", box, format="html"))
            image.parent.insert(place + 2, nodes.raw("", "</div>", format="html"))


def add_files(app: Sphinx, error: Exception | None) -> None:
    """Put the fonts and the pictures of the widgets beside the other static files."""
    fonts.write(Path(app.outdir, "_static", "fonts"))
    live.copy(Path(app.outdir, "_static", "live"))


def setup(app: Sphinx) -> None:
    """Connect what the settings cannot say."""
    sections = Sections()
    app.connect("source-read", adapt)
    app.connect("source-read", tell("read"))
    app.connect("html-page-context", tell("written"))
    app.connect("doctree-read", keep_whole)
    app.connect("doctree-read", fold_further)
    app.connect("doctree-resolved", let_scroll)
    app.connect("doctree-resolved", sections.note)
    app.connect("doctree-read", keep_together, priority=400)  # before Sphinx copies the titles
    app.connect("autodoc-process-docstring", read_as_text, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", shorten)
    app.connect("build-finished", add_files)
    app.connect("build-finished", sections.write)
