"""How a figure looks on a dark page: light on dark, if nothing that is said of it becomes false."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from nbformat import NotebookNode

from cs231n_utils import plots
from publish.notebook import Notebook

INVERTED, DIMMED = "inverted", "dimmed"  # classes in site.css
IMAGES = {"imshow", "matshow", "pcolormesh", "contourf"}  # what draws an image
REGIONS = "draw_regions"  # they only look like one: their colours are names, of any shade
SHADES = re.compile(r"\b(?:black|white|gr[ae]y|dark|pale|light|bright|faint)", re.IGNORECASE)


def look(notebook: Notebook, cell: NotebookNode, alt: str, drawing: set[str]) -> str:
    """The class of a cell's figure, INVERTED or DIMMED.

    It stays on its paper if it shows images, or if a word of its text alternative, its caption or
    the text around speaks of light and dark. `drawing` is `drawing_images(notebook)`.
    """
    position = notebook.cells.index(cell)
    texts = [alt, nearest(notebook.cells[position::-1]), nearest(notebook.cells[position:])]
    shown = names(ast.parse(cell.source)) & drawing
    return DIMMED if shown or SHADES.search(" ".join(texts)) else INVERTED


def nearest(cells: Iterable[NotebookNode]) -> str:
    """The source of the first Markdown cell."""
    return next((cell.source for cell in cells if cell.cell_type == "markdown"), "")


def drawing_images(notebook: Notebook) -> set[str]:
    """The names of the functions that draw an image, those of `plots` and the notebook included."""
    sources = [Path(plots.__file__).read_text("utf-8"), *(cell.source for cell in notebook.code)]
    functions = [
        (node.name, names(node))
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name != REGIONS
    ]
    found = set(IMAGES)
    while more := {name for name, used in functions if used & found} - found:
        found |= more
    return found


def names(node: ast.AST) -> set[str]:
    """Every name that stands in code, after a dot as well."""
    return {
        each.id if isinstance(each, ast.Name) else each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Name | ast.Attribute)
    }
