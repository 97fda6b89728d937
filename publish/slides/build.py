"""Build the slides: build/slides/ with a deck for each notebook, readable without a network.

    python -m publish.slides            every deck, and an index
    python -m publish.slides 02 05      two decks, and the index
    python -m publish.slides --quick    draws no figures that move: minutes less, the first time

A deck is a talk, written in decks/<notebook>.md. Equations, code, printed output and figures are
taken from the notebook. CONTRIBUTING.md describes the format. reveal.js comes from npm, once, into
build/npm/; MathJax is the site's. course.toml says where a link opens the notebook.
"""

import argparse
import ast
import html
import importlib.metadata
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from publish.course import Course
from publish.live import build as live
from publish.notebook import NOTEBOOKS, ROOT, Notebook, alt_text, display_equations, printed, tags

HERE = Path(__file__).parent
DECKS = HERE / "decks"
LAYOUTS = HERE / "layouts"
NPM = ROOT / "build" / "npm"
OUTPUT = ROOT / "build" / "slides"

REVEAL = "reveal.js@4.6.1"
REVEAL_PARTS = ["dist", "plugin/notes"]
MATHJAX_PARTS = ["tex-chtml.js", "input/tex/extensions", "output/chtml/fonts"]
DEFINITION = ast.FunctionDef | ast.ClassDef


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
    slides: list[Slide] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The number and the title, for example "02 Softmax and cross-entropy"."""
        return f"{self.name[:2]} {self.slides[0].title}"


class Material:
    """The parts of a notebook that a deck may show."""

    def __init__(self, notebook: Notebook) -> None:
        self.source = notebook
        self.cells = {cell.id: cell for cell in notebook.cells}

    def show(self, kind: str, *arguments: str) -> str:
        """The HTML for one reference, for example `{{ equation 2.4 }}`; ValueError if it fails."""
        kinds: dict[str, Callable[..., str]] = {
            "equation": self.equation,
            "code": self.code,
            "output": self.output,
            "figure": self.figure,
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

    def code(self, cell_id: str, definition: str = "") -> str:
        """The highlighted source of a cell, or of one function, class or method of it.

        Docstrings are left out: the slide says what they say, and the code can be larger.
        """
        source = without_docstrings(self.source.shown(self.cell(cell_id, "code")))
        if definition:
            source = definition_in(source, definition)
        columns = max(map(len, source.splitlines()))
        formatter = HtmlFormatter(cssclass="code", cssstyles=f"--columns: {columns}")
        return highlight(source, PythonLexer(), formatter)

    def output(self, cell_id: str) -> str:
        """What a cell printed, or the text of its result if it printed nothing."""
        cell = self.cell(cell_id, "code")
        results = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
        text = (printed(cell) or "".join(results)).rstrip()
        if not text:
            raise ValueError(f"cell {cell_id} printed nothing")
        columns = max(map(len, text.splitlines()))
        pre = f"<pre>{html.escape(text)}</pre>"
        return f'<div class="output" style="--columns: {columns}">{pre}</div>'

    def figure(self, cell_id: str) -> str:
        """A cell's image with its alt text."""
        for output in self.cell(cell_id, "code").outputs:
            if "image/png" in output.get("data", {}):
                alt = html.escape(alt_text(output))
                data = output.data["image/png"].replace("\n", "")
                return f'<figure><img src="data:image/png;base64,{data}" alt="{alt}"></figure>'
        raise ValueError(f"cell {cell_id} shows no image")

    def live(self, cell_id: str, static: str) -> str:
        """A widget's figure that moves; on paper, or where it is not stored, a cell's image."""
        if "widget" not in tags(self.cell(cell_id, "code")):
            raise ValueError(f"cell {cell_id} has no widget")
        image = self.figure(static)
        return live.figure(self.source.name, cell_id, "live", image) or image

    def notebook(self) -> str:
        """Links to the notebook: its file, and where CS231N_LAUNCH opens it."""
        path = f"notebooks/{self.source.path.name}"
        links = [link(f"../../{path}", path)]
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


def without_docstrings(source: str) -> str:
    """The code without the docstrings of its functions and classes."""
    lines: list[str | None] = list(source.splitlines())
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DEFINITION) and ast.get_docstring(node):
            docstring = node.body[0]
            for number in range(docstring.lineno, (docstring.end_lineno or 0) + 1):
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


def read_deck(path: Path) -> Deck:
    """Read a deck and put in what it takes from its notebook; ValueError names a wrong slide."""
    material = Material(Notebook.read(NOTEBOOKS / f"{path.stem}.ipynb"))
    deck = Deck(path.stem)
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
            parts.append(markdown2html(piece))
    return Step("\n".join(parts), markdown2html(note.strip()) if note.strip() else "")


def split(text: str, mark: str) -> list[str]:
    """The parts of a text between the lines that hold nothing but the mark."""
    return re.split(rf"^{mark}\s*$", text, flags=re.MULTILINE)


def write_deck(deck: Deck) -> None:
    """Write build/slides/<name>.html."""
    page = environment().get_template("deck.html.j2").render(deck=deck)
    (OUTPUT / f"{deck.name}.html").write_text(page, encoding="utf-8")


def environment() -> jinja2.Environment:
    """Where the templates come from, and their filters."""
    loader = jinja2.FileSystemLoader(LAYOUTS)
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    templates.filters["inline"] = lambda text: re.sub(
        r"^<p>|</p>$", "", markdown2html(text).strip()
    )
    return templates


def copy_libraries() -> None:
    """Copy reveal.js, MathJax and the style into build/slides/; fetch the first one if absent."""
    reveal = NPM / "node_modules" / "reveal.js"
    if not reveal.exists():
        fetch_reveal()
    package = importlib.metadata.distribution("sphinx-mathjax-offline")
    mathjax = Path(str(package.locate_file("sphinx-mathjax-offline/static/mathjax")))
    for part in REVEAL_PARTS:
        copy(reveal / part, OUTPUT / "reveal" / part)
    for part in MATHJAX_PARTS:
        copy(mathjax / part, OUTPUT / "mathjax" / part)
    live.copy(OUTPUT / "live")
    style = HtmlFormatter(cssclass="code").get_style_defs()
    css = (LAYOUTS / "slides.css").read_text(encoding="utf-8")
    (OUTPUT / "slides.css").write_text(f"{style}\n{css}", encoding="utf-8")


def fetch_reveal() -> None:
    """Let npm put reveal.js into build/npm/; SystemExit says what is missing."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit(
            "The slides need reveal.js, and there is no npm here to fetch it. "
            "Install Node.js, which brings npm (on Debian and Ubuntu: sudo apt install npm)."
        )
    NPM.mkdir(parents=True, exist_ok=True)
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
    names = tuple(options.names)
    if not options.quick:
        live.store(Notebook.series(*names))
    decks = [read_deck(path) for path in sorted(DECKS.glob("[0-9]*.md"))]
    copy_libraries()
    for deck in decks:
        if deck.name.startswith(names or ""):
            write_deck(deck)
            print(f"{deck.name:28}{len(deck.slides):>4} slides")
    index = environment().get_template("index.html.j2").render(decks=decks)
    (OUTPUT / "index.html").write_text(index, encoding="utf-8")
    print("slides:", (OUTPUT / "index.html").relative_to(ROOT))
    return 0
