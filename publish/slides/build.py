"""Build the slides: build/slides/ with a deck for each notebook, readable without a network.

    python -m publish.slides           every deck, and an index
    python -m publish.slides 02 05     two decks, and the index
    python -m publish.slides --quick   draws no figures that move: minutes less, the first time

A deck is a talk, written in decks/<notebook>.md. Equations, code, printed output and figures are
taken from the notebook. docs/talks.md describes the format. reveal.js comes from npm, once, into
build/npm/; MathJax is the site's. course.toml says where a link opens the notebook.
"""

import argparse
import ast
import base64
import html
import importlib.metadata
import io
import math
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise, product
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from filelock import FileLock
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from publish import fonts
from publish.course import Course
from publish.live import build as live
from publish.notebook import (
    NOTEBOOKS,
    ROOT,
    Notebook,
    alt_text,
    display_equations,
    printed,
    size,
    tags,
)
from publish.student import edition

HERE = Path(__file__).parent
DECKS = HERE / "decks"
LAYOUTS = HERE / "layouts"
NPM = ROOT / "build" / "npm"
OUTPUT = ROOT / "build" / "slides"
IN_CHECKOUT = "../../notebooks/{}.ipynb"  # a notebook, as seen from this folder

REVEAL = "reveal.js@4.6.1"
REVEAL_PARTS = ["dist", "plugin/notes"]
MATHJAX_PARTS = ["tex-chtml.js", "input/tex/extensions", "output/chtml/fonts"]
DEFINITION = ast.FunctionDef | ast.ClassDef
MINUTES_A_SLIDE, MINUTES_A_STEP, MINUTES_A_QUESTION = 1.5, 0.5, 2  # of a talk
COLUMNS = 76  # letters in a line of code of the usual size
SIGNATURE = re.compile(r"^( *def \w+\()\n *([^()\n]{1,50}?),?\n *\):", re.M)  # fits in a line
ALIGNED = re.compile(r"^( *def \w+\([^()\n]{1,50},)\n +([^()\n]{1,20}\):)$", re.M)  # so does this
REMARK = re.compile(r"( *)(?=\S)(.+?)  # (\(\d+\.\d+\))?[,:]? ?(.*)")  # behind code
BLACK, LINE = 70, 0.08  # darker is black; the shortest line of a frame, as a share of its image
PAPER, NEAR = 250, 0.02  # lighter is blank; how far a cut may move, in heights of its image
ASKED = re.compile(r"<p>(Vote|Pencil|Neighbour): ")  # a question, and how the class answers it
FORMULA = re.compile(r"(?<!\$)\$[^$\n]+\$[,.;:?!)]+")  # with the signs behind it
STUB = re.compile(r'raise NotImplementedError\("(.*)"\)')


@dataclass
class Step:
    """What appears at one key press: HTML, and what the speaker says, as HTML."""

    body: str
    note: str


@dataclass
class Slide:
    """One slide: its title as Markdown, and its steps in one column or two."""

    title: str
    columns: list[list[Step]]


@dataclass
class Deck:
    """A talk: the slides of one notebook."""

    name: str
    part: str
    slides: list[Slide] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The number and the title, for example "02 Softmax and cross-entropy"."""
        return f"{self.name[:2]} {self.slides[0].title}"

    @property
    def road(self) -> list[Slide]:
        """The slides without Further."""
        return [slide for slide in self.slides if not slide.title.startswith("Further")]

    @property
    def asked(self) -> int:
        """How many questions the class is asked without Further."""
        columns = [column for slide in self.road for column in slide.columns]
        return sum(step.body.count('class="asked"') for column in columns for step in column)

    @property
    def minutes(self) -> int:
        """How long the talk takes without Further, up to the next five minutes.

        Slides count, key presses, and questions that the class is asked.
        """
        presses = sum(len(column) - 1 for slide in self.road for column in slide.columns)
        minutes = MINUTES_A_SLIDE * len(self.road) + MINUTES_A_STEP * presses
        return 5 * math.ceil((minutes + MINUTES_A_QUESTION * self.asked) / 5)


class Material:
    """The parts of a notebook that a deck may show; for students, stubs of what they write."""

    def __init__(
        self, notebook: Notebook, students: bool = False, address: str = IN_CHECKOUT
    ) -> None:
        self.source, self.address = notebook, address
        self.cells = {cell.id: cell for cell in notebook.cells}
        self.stubs: dict[str, str] = {}
        if students:
            asked = {cell.id for cell in notebook.solutions}
            released = edition.unsolved(edition.solved(notebook)).cells
            self.stubs = {cell.id: cell.source for cell in released if cell.id in asked}

    def show(self, kind: str, *arguments: str) -> str:
        """The HTML for one reference, for example `{{ equation 2.4 }}`; ValueError if it fails."""
        kinds: dict[str, Callable[..., str]] = {
            "equation": self.equation,
            "code": self.code,
            "output": self.output,
            "figure": self.figure,
            "across": self.across,
            "axes": self.axes,
            "film": self.film,
            "panel": self.panel,
            "live": self.live,
            "notebook": self.notebook,
        }
        if kind not in kinds:
            raise ValueError(f"there is no kind {kind!r}; there are {', '.join(kinds)}")
        return kinds[kind](*arguments)

    def equation(self, reference: str, place: str = "1") -> str:
        """The display equation with that number, or the one at a place of a Markdown cell."""
        if reference in self.cells:
            found = display_equations(self.cells[reference])[int(place) - 1 :]
        else:
            tag = rf"\tag{{{reference}}}"
            every = [e for cell in self.cells.values() for e in display_equations(cell)]
            found = [equation for equation in every if tag in equation]
        if not found:
            raise ValueError(f"the notebook has no display equation {reference} {place}")
        end_of_sentence = r"\s*(?<!\\)[.,](\}?)\s*(?=\\tag|\\end\{aligned\}|$)"
        tex = re.sub(end_of_sentence, r"\1 ", found[0])
        kind = "equation derivation" if r"\begin{aligned}" in tex else "equation"
        return f'<div class="{kind}">\n$${html.escape(tex, quote=False)}$$\n</div>'

    def code(self, cell_id: str, *part: str) -> str:
        """The highlighted source of a cell, or of one function, class or method of it.

        Numbers at the end choose lines: `3 6 9` are lines 3 to 6, and at a key press up to 9.

        Docstrings and type hints are left out: the speaker says what they say. A long remark
        stands above its line. Students see a comment in place of what they write.
        """
        cell = self.cell(cell_id, "code")
        source = self.stubs.get(cell_id) or self.source.shown(cell)
        source = without_docstrings(without_hints(source))
        definition = [name for name in part if not name.isdigit()]
        if definition:
            source = definition_in(source, *definition)
        numbers = [] if cell_id in self.stubs else [int(n) for n in part if n.isdigit()]
        source = STUB.sub(comment, narrow(source))
        lines = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)).splitlines()
        return listing("code", source.splitlines(), lines, numbers)

    def output(self, cell_id: str, *numbers: str) -> str:
        """What a cell printed, or the text of its result if it printed nothing.

        Numbers choose lines, as they do for code.
        """
        cell = self.cell(cell_id, "code")
        results = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
        text = (printed(cell) or "".join(results)).rstrip()
        if not text:
            raise ValueError(f"cell {cell_id} printed nothing")
        lines = text.splitlines()
        escaped = [html.escape(line) for line in lines]
        return listing("output", lines, escaped, [int(number) for number in numbers])

    def figure(self, cell_id: str, *shares: str) -> str:
        """A cell's image with its alt text.

        With shares, for example 0.8, 0.3 and 0.6, its left 80 % appears from the top down: the
        upper 30 %, then 60 %, then all of it, a key press each.
        """
        return figure(self.image(cell_id), [float(share) for share in shares])

    def across(self, cell_id: str, *ends: str) -> str:
        """A cell's image with its alt text, from left to right.

        With ends, for example 0.3 and 0.6, its left 30 % appear, then 60 %, then all of it.
        """
        return across(self.image(cell_id), [float(end) for end in ends])

    def film(self, cell_id: str, *ends: str) -> str:
        """A cell's image in strips, one below the other: the next one takes the place of the last.

        With ends, for example 0.4 and 1, a strip reaches down to 40 % of the height, and the next
        one, after a key press, from there to the bottom.
        """
        name = f"{cell_id}-{len(ends)}"  # a first slide shows one strip, a later one both
        return film(self.image(cell_id), name, [float(end) for end in ends])

    def panel(
        self, cell_id: str, left: str, right: str, top: str = "0", bottom: str = "1", *ends: str
    ) -> str:
        """A part of a cell's image, larger, as shares of its width and of its height.

        With ends, shares of the image's width, it appears from left to right, up to each of them.
        """
        box = float(left), float(right), float(top), float(bottom)
        return panel(self.image(cell_id), box, [float(end) for end in ends])

    def axes(self, cell_id: str) -> str:
        """A cell's image with its alt text: first its axes, and at a key press what they hold."""
        return axes(self.image(cell_id))

    def image(self, cell_id: str) -> NotebookNode:
        """The output of a cell that holds its image."""
        for output in self.cell(cell_id, "code").outputs:
            if "image/png" in output.get("data", {}):
                return output
        raise ValueError(f"cell {cell_id} shows no image")

    def live(self, cell_id: str, static: str) -> str:
        """A widget's figure that moves; on paper, or where it is not stored, a cell's image."""
        if "widget" not in tags(self.cell(cell_id, "code")):
            raise ValueError(f"cell {cell_id} has no widget")
        image = self.figure(static)
        return live.figure(self.source.name, cell_id, "live", image) or image

    def notebook(self) -> str:
        """Links to the notebook, and to where it opens without an installation."""
        path = f"notebooks/{self.source.path.name}"
        links = [link(self.address.format(self.source.name), path)]
        if address := Course.read().opens(path):
            links.append(link(address, "Open it without installing"))
        return "<p>" + "<br>".join(links) + "</p>"

    def cell(self, cell_id: str, kind: str) -> NotebookNode:
        """The cell with that id."""
        if cell_id not in self.cells or self.cells[cell_id].cell_type != kind:
            raise ValueError(f"the notebook has no {kind} cell with the id {cell_id}")
        return self.cells[cell_id]


def link(address: str, text: str) -> str:
    """A link, in HTML."""
    return f'<a href="{html.escape(address)}">{html.escape(text)}</a>'


def listing(kind: str, texts: list[str], lines: list[str], numbers: list[int]) -> str:
    """Lines of code or output, given as texts and as HTML.

    Numbers choose lines: the first one, and then the last one of each group, which appear one
    after another.
    """
    first, *ends = numbers or [1, len(texts)]
    if [*ends] != sorted({*ends}) or not 1 <= first <= ends[0] <= ends[-1] <= len(texts):
        raise ValueError(f"there are lines 1 to {len(texts)}, not {numbers}")
    written = [text for text in texts[first - 1 : ends[-1]] if text]
    least = min((len(text) - len(text.lstrip()) for text in written), default=0)
    lines = [line.removeprefix(" " * least) for line in lines]
    shown = [f'<span class="line">{line}\n</span>' for line in lines]
    groups = ["".join(shown[start:end]) for start, end in pairwise([first - 1, *ends])]
    body = groups[0] + "".join(f'<span class="fragment">{group}</span>' for group in groups[1:])
    return f'<div class="{kind}"><pre>{body}</pre></div>'


def figure(output: NotebookNode, shares: list[float]) -> str:
    """An output's image with its alt text; with shares, more of its left part at each press."""
    width, height = size(output)
    data, alt = source(output), alt_text(output)
    if not shares:
        style = f'style="--width: {width}; --height: {height}"'
        return f'<figure {style}><img src="{data}" alt="{html.escape(alt)}"></figure>'
    left, *ends = *shares, 1.0
    rows = [round(height * end) for end in clear(output, ends)]
    hidden = covers([(0, top, round(width * left), end - top) for top, end in pairwise(rows)])
    image = f'<image href="{data}" width="{width}" height="{height}" />{hidden}'
    return drawing(image, width, height, alt)


def across(output: NotebookNode, ends: list[float]) -> str:
    """An output's image with its alt text; more of it at each press, from left to right."""
    width, height = size(output)
    columns = [round(width * end) for end in [*clear(output, ends, "columns"), 1.0]]
    hidden = covers([(left, 0, right - left, height) for left, right in pairwise(columns)])
    image = f'<image href="{source(output)}" width="{width}" height="{height}" />{hidden}'
    return drawing(image, width, height, alt_text(output))


def covers(boxes: list[tuple[int, int, int, int]]) -> str:
    """What hides parts of an image, each up to a key press: left, top, width and height."""
    return "".join(
        f'<rect class="fragment fade-out" x="{x}" y="{y}" width="{width}" height="{height}" />'
        for x, y, width, height in boxes
    )


def axes(output: NotebookNode) -> str:
    """An output's image with its alt text; at a key press what stands inside its axes."""
    width, height = size(output)
    if not (insides := frames(output)):
        raise ValueError("this image draws no axes with a frame")
    covers = "".join(
        f'<rect x="{left * width:.1f}" y="{top * height:.1f}" '
        f'width="{(right - left) * width:.1f}" height="{(bottom - top) * height:.1f}" '
        'stroke="black" stroke-width="2" />'  # a frame of its own: of curves along it nothing shows
        for left, top, right, bottom in insides
    )
    image = f'<image href="{source(output)}" width="{width}" height="{height}" />'
    covered = f'{image}<g class="fragment fade-out">{covers}</g>'
    return drawing(covered, width, height, alt_text(output))


def frames(output: NotebookNode) -> list[tuple[float, float, float, float]]:
    """What lies inside the frames of an image: left, top, right and bottom, as shares of it.

    A frame is two black lines of one length, one above the other, and black lines at their ends.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).convert("L")
    black = np.asarray(picture) < BLACK
    rows, columns = black.shape
    shortest, half, tick = LINE * columns, 1, 20  # pixels: half a line's, and a mark's beside it
    lines = list[tuple[int, int, int]]()  # row, first and last column
    for row, ink in enumerate(black):
        ends = np.flatnonzero(np.diff(ink, prepend=False, append=False)).tolist()
        pairs = zip(ends[::2], ends[1::2], strict=True)
        lines += [(row, first, last) for first, last in pairs if last - first > shortest]

    def sides(left: int, right: int, top: int, bottom: int) -> list[int]:  # marks may stick out
        full = left + np.flatnonzero(black[top:bottom, left:right].all(axis=0))
        return [x for x in full.tolist() if x < left + tick or x > right - tick]

    found = list[tuple[int, int, int, int]]()
    for (top, *upper), (bottom, *lower) in product(lines, reversed(lines)):
        alike = abs(upper[0] - lower[0]) < tick and abs(upper[1] - lower[1]) < tick
        if bottom - top <= shortest / 4 or not alike:
            continue
        left, right = max(upper[0], lower[0]), min(upper[1], lower[1])
        if not any(
            a <= left + tick and right - tick <= c and b <= top <= d for a, b, c, d in found
        ):
            edges = sides(left, right, top, bottom)
            if edges and edges[-1] - edges[0] > shortest / 2:
                found.append((edges[0], top, edges[-1], bottom))
    inner, whole = np.array([half, half, -half, -half]), np.array([columns, rows] * 2)
    return [tuple((np.array(each) + inner) / whole) for each in found]


def film(output: NotebookNode, name: str, ends: list[float]) -> str:
    """Strips of an output's image, each of which appears in the place of the last."""
    width, height = size(output)
    cuts = pairwise([0.0, *clear(output, ends)])
    strips = [(round(height * top), round(height * end)) for top, end in cuts]
    image = f'<image id="{name}" href="{source(output)}" width="{width}" height="{height}" />'
    shown = f"<defs>{image}</defs>" + "".join(
        f'<g{" class=fragment" * (top > 0)}><rect width="{width}" height="{height}" />'
        f'<svg viewBox="0 {top} {width} {end - top}" width="{width}" height="{end - top}">'
        f'<use href="#{name}" /></svg></g>'
        for top, end in strips
    )
    return drawing(shown, width, max(end - top for top, end in strips), alt_text(output))


def panel(output: NotebookNode, box: tuple[float, float, float, float], ends: list[float]) -> str:
    """The part of an output's image between shares of its width and of its height."""
    width, height = size(output)
    left, right, top, bottom = box
    across = clear(output, [left, *ends, right], "columns", (top, bottom))
    x, *cuts = (round(width * end) for end in across)
    y, lowest = (round(height * end) for end in clear(output, [top, bottom], "rows", (left, right)))
    image = f'<image href="{source(output)}" width="{width}" height="{height}" />'
    shown = image + covers([(one, y, other - one, lowest - y) for one, other in pairwise(cuts)])
    content = f'<svg viewBox="{x} {y} {cuts[-1] - x} {lowest - y}">{shown}</svg>'
    return drawing(content, cuts[-1] - x, lowest - y, alt_text(output))


def clear(
    output: NotebookNode,
    ends: list[float],
    lines: str = "rows",
    part: tuple[float, float] = (0.0, 1.0),
) -> list[float]:
    """Ends of an image's parts, each moved to a row near by of paper alone: no letter is cut.

    With columns for lines, from left to right, to a column. What counts is a part of each row, or
    column, between two shares of it.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).convert("L")
    numbers = np.asarray(picture) if lines == "rows" else np.asarray(picture).T
    first, last = (round(share * numbers.shape[1]) for share in part)
    blank = numbers[:, first:last].min(axis=1) > PAPER
    length = len(blank)
    inside = [line for line in range(1, length - 1) if blank[line - 1 : line + 2].all()]

    def moved(end: float) -> float:
        line = min(inside, key=lambda line: abs(line - end * length), default=0)
        return line / length if abs(line - end * length) <= NEAR * length else end

    return [end if end in {0, 1} else moved(end) for end in ends]


def drawing(content: str, width: int, height: int, alt: str) -> str:
    """A figure whose content is SVG, with its alt text."""
    style, box = f'style="--width: {width}; --height: {height}"', f'viewBox="0 0 {width} {height}"'
    label = f'role="img" aria-label="{html.escape(alt)}"'
    return f"<figure {style}><svg {box} {label}>{content}</svg></figure>"


def source(output: NotebookNode) -> str:
    """An output's image as an address that holds it."""
    return "data:image/png;base64," + output.data["image/png"].replace("\n", "")


def without_hints(source: str) -> str:
    """The code without the type hints of its functions and variables; fields keep theirs."""
    text = source.encode()  # ast counts bytes
    starts = [0, *accumulate(len(line) for line in text.splitlines(keepends=True))]

    def place(line: int | None, column: int | None) -> int:
        return starts[(line or 1) - 1] + (column or 0)

    cuts = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.returns:
            last = place(node.returns.end_lineno, node.returns.end_col_offset)
            before = text[: place(node.returns.lineno, node.returns.col_offset)]
            cuts.append((len(before[: before.rindex(b"->")].rstrip()), last, b""))
        elif isinstance(node, ast.arg) and node.annotation:
            first = place(node.lineno, node.col_offset) + len(node.arg.encode())
            last = place(node.annotation.end_lineno, node.annotation.end_col_offset)
            default = text[last : last + 3] == b" = "
            cuts.append((first, last + 3 * default, b"=" * default))
        elif isinstance(node, ast.AnnAssign) and node.value:
            first = place(node.target.end_lineno, node.target.end_col_offset)
            last = place(node.annotation.end_lineno, node.annotation.end_col_offset)
            cuts.append((first, last, b""))
    for first, last, instead in sorted(cuts, reverse=True):
        text = text[:first] + instead + text[last:]
    return ALIGNED.sub(r"\1 \2", SIGNATURE.sub(r"\1\2):", text.decode()))


def narrow(source: str) -> str:
    """The code with long remarks above their lines, so that it need not be set smaller."""
    lines = []
    for line in source.splitlines():
        if len(line) > COLUMNS and (parts := REMARK.fullmatch(line)) and (parts[3] or parts[4]):
            indent, code, number, remark = parts.groups()
            behind = f"  # {number}" * bool(number)
            if len(indent + code + behind) > COLUMNS:
                behind, remark = "", f"{number or ''} {remark}".strip()
            lines += [f"{indent}# {remark}"] * bool(remark) + [f"{indent}{code}{behind}"]
        else:
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def comment(stub: re.Match[str]) -> str:
    """What a stub says, as a comment of short lines."""
    indent = stub.start() - stub.string.rfind("\n", 0, stub.start()) - 1
    words = textwrap.wrap(stub[1], COLUMNS - 2 - indent)
    return ("\n" + " " * indent).join(f"# {line}" for line in words)


def without_docstrings(source: str) -> str:
    """The code without the docstrings of its functions and classes."""
    lines: list[str | None] = list(source.splitlines())
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DEFINITION) and ast.get_docstring(node):
            docstring = node.body[0]
            last = docstring.end_lineno or 0
            last += last < len(lines) and not lines[last]  # a blank line below belongs to it
            for number in range(docstring.lineno, last + 1):
                lines[number - 1] = None
    return "\n".join(line for line in lines if line is not None)


def definition_in(source: str, name: str) -> str:
    """The lines of source that define a function, a class, or a method such as `Net.loss`."""
    body = ast.parse(source).body
    for part in name.split("."):
        found = [node for node in body if isinstance(node, DEFINITION) and node.name == part]
        if not found:
            raise ValueError(f"the cell defines no {name}")
        node, body = found[0], found[0].body
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return textwrap.dedent("\n".join(source.splitlines()[first - 1 : node.end_lineno]))


def read_deck(path: Path, students: bool = False, address: str = IN_CHECKOUT) -> Deck:
    """Read a deck and put in what it takes from its notebook; ValueError names a wrong slide."""
    notebook = Notebook.read(NOTEBOOKS / f"{path.stem}.ipynb")
    material = Material(notebook, students, address)
    deck = Deck(path.stem, notebook.part)
    for text in split(path.read_text(encoding="utf-8"), "---"):
        number = len(deck.slides) + 1
        try:
            deck.slides.append(read_slide(text, material, "#" if number == 1 else "##"))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path.name}, slide {number}: {error}") from error
    return deck


def read_slide(text: str, material: Material, mark: str) -> Slide:
    """Read one slide, which begins with its title after the mark."""
    heading, _, rest = text.strip().partition("\n")
    if not heading.startswith(f"{mark} "):
        raise ValueError(f"it must begin with '{mark} ' and its title, not with {heading!r}")
    columns = [
        [read_step(step, material) for step in split(column, r"\+\+\+")]
        for column in split(rest, r"\|\|\|")
    ]
    return Slide(heading.removeprefix(mark).strip(), columns)


def read_step(text: str, material: Material) -> Step:
    """Read the text of one step, and the note that ends it."""
    body, _, note = text.partition("\nNote:")
    if found := re.search(r"{{.*?}}", note):
        raise ValueError(f"{found[0]}: a note shows nothing, a reference stands above it")

    def shown(match: re.Match[str]) -> str:
        try:
            return material.show(*match[1].split())
        except (ValueError, TypeError) as error:
            raise ValueError(f"{match[0]}: {error}") from error

    parts = []
    for piece in re.split(r"^(\{\{.*\}\})\s*$", body, flags=re.MULTILINE):
        if reference := re.fullmatch(r"\{\{(.*)\}\}", piece):
            parts.append(shown(reference))
        elif "{{" in piece:
            raise ValueError(f"a reference stands alone on its line, not in {piece.strip()!r}")
        elif piece.strip():
            written = ASKED.sub(r'<p class="asked"><b>\1</b> ', markdown2html(piece))
            written = re.sub(r"(?<=\d) %", "\u00a0%", written)  # a line ends behind it
            parts.append(FORMULA.sub(r'<span class="whole">\g<0></span>', written))
    return Step("\n".join(parts), markdown2html(note.strip()) if note.strip() else "")


def split(text: str, mark: str) -> list[str]:
    """The parts of a text between the lines that hold nothing but the mark."""
    return re.split(rf"^{mark}\s*$", text, flags=re.MULTILINE)


def build(
    folder: Path,
    names: tuple[str, ...] = (),
    students: bool = False,
    address: str = IN_CHECKOUT,
) -> list[Deck]:
    """Write decks and their index into a folder; the decks.

    Parameters
    ----------
    folder
        Where they go, with what they need to work from there.
    names
        How the names of the decks begin, for example "05"; without any, all are written.
    students
        Whether to leave out the code that students write, and what the speaker says: it answers
        the questions.
    address
        Where a notebook is, as seen from the folder, with {} for its name: "../notebooks/{}.html"
        leads to its page on the site.
    """
    decks = [read_deck(path, students, address) for path in sorted(DECKS.glob("[0-9]*.md"))]
    copy_libraries(folder)
    given = {"decks": decks, "students": students, "address": address}
    for deck in decks:
        if deck.name.startswith(names or ""):
            write(folder / f"{deck.name}.html", "deck.html.j2", deck=deck, **given)
    there = [deck for deck in decks if (folder / f"{deck.name}.html").exists()]
    write(folder / "index.html", "index.html.j2", **given | {"decks": there})
    return [deck for deck in decks if deck.name.startswith(names or "")]


def write(path: Path, template: str, **given: Any) -> None:
    """Fill in a template and write the page."""
    path.write_text(environment().get_template(template).render(given), encoding="utf-8")


def environment() -> jinja2.Environment:
    """Where the templates come from, and their filters."""
    loader = jinja2.FileSystemLoader(LAYOUTS)
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    templates.filters["inline"] = lambda text: re.sub(
        r"^<p>|</p>$", "", markdown2html(text).strip()
    )
    return templates


def copy_libraries(folder: Path) -> None:
    """Copy reveal.js, MathJax and the style into a folder; fetch the first one if absent."""
    reveal = NPM / "node_modules" / "reveal.js"
    NPM.mkdir(parents=True, exist_ok=True)
    with FileLock(NPM / "lock"):  # two builds may ask for it at once
        if not reveal.exists():
            fetch_reveal()
    package = importlib.metadata.distribution("sphinx-mathjax-offline")
    mathjax = Path(str(package.locate_file("sphinx-mathjax-offline/static/mathjax")))
    for part in REVEAL_PARTS:
        copy(reveal / part, folder / "reveal" / part)
    for part in MATHJAX_PARTS:
        copy(mathjax / part, folder / "mathjax" / part)
    live.copy(folder / "live")
    fonts.write(folder / "fonts")
    style = HtmlFormatter(cssclass="code").get_style_defs()
    css = (LAYOUTS / "slides.css").read_text(encoding="utf-8")
    (folder / "slides.css").write_text(f"{style}\n{css}", encoding="utf-8")


def fetch_reveal() -> None:
    """Let npm put reveal.js into build/npm/; SystemExit says what is missing."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit(
            "The slides need reveal.js, and there is no npm here to fetch it. "
            "Install Node.js, which brings npm (on Debian and Ubuntu: sudo apt install npm)."
        )
    options = ["--prefix", str(NPM), "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run([npm, "install", *options, REVEAL], check=False).returncode:
        sys.exit("npm could not fetch reveal.js: see its message above.")


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def main() -> int:
    """Build the decks named on the command line, or all; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="decks, for example 05; all by default")
    parser.add_argument("--quick", action="store_true", help="draw no figures that move")
    options = parser.parse_args()
    if missing := [name for name in options.names if not [*DECKS.glob(f"{name}*.md")]]:
        parser.error(f"there is no deck {missing[0]}: name one of 01 to 25")
    if not options.quick:
        live.store(Notebook.series(*options.names))
    for deck in build(OUTPUT, tuple(options.names)):
        print(f"{deck.name:28}{len(deck.slides):>4} slides{deck.minutes:>4} minutes")
    print("slides:", (OUTPUT / "index.html").relative_to(ROOT))
    return 0
