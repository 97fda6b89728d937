"""Sphinx's settings for the site. `python publish/site.py` builds it."""

import html
import json
import os
import re
from urllib.parse import urlsplit

from docutils import nodes
from numpy.typing import DTypeLike
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

LAUNCH = os.environ.get("CS231N_LAUNCH", "")
if LAUNCH and "{path}" not in LAUNCH:
    raise ValueError(
        f"CS231N_LAUNCH must contain {{path}}, where a notebook's path belongs; got {LAUNCH!r}"
    )
CONTROL = "Here stands a control that needs a running kernel: open the notebook in JupyterLab."

project = html_title = "Two-layer network"
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx-mathjax-offline"]
exclude_patterns = ["README.md"]

nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

highlight_language = "none"  # of what is not a notebook's cell: commands, formulas, layouts
default_role = "code"  # docstrings write `x` as Markdown does
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "set"}
add_module_names = False
autodoc_preserve_defaults = True  # as written: no folder of this machine
toc_object_entries_show_parents = "hide"
# Every reference inside the project must lead somewhere. Those to other packages need the network.
nitpick_ignore_regex = [("py:.*", r"(?!cs231n_utils\.).*")]

html_theme = "pydata_sphinx_theme"
html_context = {"default_mode": "auto", "launch": LAUNCH, "launch_host": urlsplit(LAUNCH).hostname}
templates_path = ["templates"]
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["site.css"]
html_sourcelink_suffix = ""  # so that a notebook's source is a notebook
html_show_sourcelink = False
html_show_copyright = False
html_use_index = html_domain_indices = False  # the search finds every name
html_theme_options = {
    "navigation_with_keys": False,
    "article_header_end": ["notebook-links"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
ALONE = ["index", "notation", "instructors", "correctness", "CONTRIBUTING", "data/README"]
html_sidebars = {page: [] for page in [*ALONE, "search"]}


def adapt(app: Sphinx, page: str, source: list[str]) -> None:
    """Say in myst-nb's words what a notebook says in the project's; the file stays as it is."""
    if not page.startswith("notebooks/"):
        return
    notebook = json.loads(source[0].replace("(../README.md", "(../series.md"))
    notebook["metadata"].pop("widgets", None)  # the page would load foreign scripts
    notebook["metadata"]["language_info"] = {"name": "python", "pygments_lexer": "python"}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell["metadata"]["mystnb"] = {"image": {"alt": alt}}
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                output["data"] = {"text/markdown": CONTROL}
        if "### BEGIN SOLUTION" in "".join(cell["source"]):
            cell["metadata"].setdefault("tags", []).append("hide-input")
            prompts = {"code_prompt_show": "Show a solution", "code_prompt_hide": "Hide it"}
            cell["metadata"].setdefault("mystnb", {}).update(prompts)
    source[0] = json.dumps(notebook)


BAR = re.compile(r"(`[^`]*`)|\|")  # outside of code it would begin a substitution
NOTEBOOK = re.compile(r"(?:notebooks/)?\b(\d\d_[a-z]\w*)(?:\.ipynb)?")
ENTRY = re.compile(r"(?:^|(?<=\. ))(\w[\w*]*(?:, \w[\w*]*)*) : ")  # "X, y : " or ". rng : "


def describe(app: Sphinx, kind: str, name: str, item: object, options: object, lines: list[str]):
    """Turn the lines "x : what it is" of a docstring into a list of definitions.

    What else is indented is a formula, and names of notebooks become links to them.
    """
    linked = NOTEBOOK.sub(r":doc:`/notebooks/\1`", "\n".join(lines))
    result, inside = [], False
    for line in re.sub(r"(?<=\.) (?=Raises\b)", "\n", linked).split("\n"):
        if line.startswith(" ") and not inside:
            result += ["", "::", "", line, ""]
            continue
        before, *entries = ENTRY.split(BAR.sub(lambda bar: bar[1] or r"\|", line))
        if not line or (inside and not line.startswith(" ") and result[-1].endswith(".")):
            inside = False
            result.append("")
        if before:
            result.append(f"    {before.strip()}" if inside else before)
        for names, text in zip(entries[::2], entries[1::2], strict=True):
            result += ["", f"``{names}``", f"    {text}"]
            inside = True
    lines[:] = [*result, ""]


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


def setup(app: Sphinx) -> None:
    """Connect what the settings cannot say."""
    app.connect("source-read", adapt)
    app.connect("doctree-read", keep_whole)
    app.connect("doctree-read", keep_together, priority=400)  # before Sphinx copies the titles
    app.connect("autodoc-process-docstring", describe)
    app.connect("autodoc-process-signature", shorten)
