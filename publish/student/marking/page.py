"""The page of feedback: one file without scripts, which names first what was lost, and why."""

import hashlib
import html
import re
from functools import cache
from pathlib import Path
from typing import Any

import mistune
from docutils.utils.math.latex2mathml import tex2mathml
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import GetGrades
from nbgrader.utils import is_grade, is_locked, is_solution
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from cs231n_utils.progress import CHECK, STILL, Seen, is_as_released, told_in_a_line

from .submission import STOPPED

COLOUR = re.compile(r"\x1b\[[\d;]*m")
WIDE = re.compile(r'<(pre|table|math(?= [^>]*display="block"))')  # they scroll: also by keys
ELSEWHERE = re.compile(r'<a href="(?!https?:|mailto:)[^"]*"[^>]*>(.*?)</a>', re.S)
MATHEMATICS = re.compile(r"`[^`]*`|\$\$(?P<display>.+?)\$\$|(?<!\\)\$(?P<inline>[^$]+?)\$", re.S)
# What docutils' converter does not know, in its own words.
TEX = {
    r"\\tag\{([^}]*)\}": r"\\qquad(\1)",
    r"\\[dt]?frac(\d)(\d)": r"\\frac{\1}{\2}",
    r"\\dots\b": r"\\ldots",
    r"\\(?:[bB]igg?[lr]?|textstyle)(?![a-zA-Z])": "",
}
MARKDOWN = {ord(sign): f"&#{ord(sign)};" for sign in "|*_\\`~["}
STATES = ["lost", "left", "passed"]  # the order of checks: failed, still to write, passed
to_html = mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])


class NamedGrades(GetGrades):
    """Writes into a graded notebook what its student got, and who it is."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Read the gradebook."""
        nb, resources = super().preprocess(nb, resources)
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as book:
            student = book.find_student(about["student"])
            names = [name for name in (student.first_name, student.last_name) if name]
            about["marks"] = marks(book, about["assignment"], about["student"])
            [graded] = book.find_submission(about["assignment"], about["student"]).notebooks
            by_hand = {each.name for each in graded.grades if is_by_hand(each)}
        for cell in filter(is_grade, nb.cells):
            cell.metadata.nbgrader["by_hand"] = cell.metadata.nbgrader.grade_id in by_hand
        about["name"] = " ".join(names) or about["student"]
        return nb, resources


def is_by_hand(grade: Any) -> bool:
    """Whether a person has given, or added, a check's points."""
    return grade.manual_score is not None or bool(grade.extra_credit)


def marks(book: Gradebook, assignment: str, student: str) -> str:
    """A fingerprint of what the gradebook says of a hand-in: a page with another one is stale."""
    [notebook] = book.find_submission(assignment, student).notebooks
    said = [(each.name, each.score, each.max_score) for each in notebook.grades]
    said += [(each.name, each.comment, 0) for each in notebook.comments]
    return hashlib.sha256(repr(sorted(said)).encode()).hexdigest()


class Page(Exporter):
    """Writes a graded notebook as a page."""

    file_extension = ".html"
    output_mimetype = "text/html"

    def from_notebook_node(
        self, nb: NotebookNode, resources: Any = None, **options: Any
    ) -> tuple[Any, dict[str, Any]]:
        """The page, and what else is known."""
        nb, resources = super().from_notebook_node(nb, resources, **options)
        title, _, below = nb.cells[0].source.removeprefix("# ").partition("\n")
        nb.cells[0].source = below
        seen = Seen()
        cells = [shown(cell, seen) for cell in nb.cells]
        checks = [cell for cell in cells if cell["kind"] == "check"]
        checks.sort(key=lambda check: STATES.index(check["state"]))
        answer, reason = dict[str, Any](), ""
        for cell, view in zip(nb.cells, cells, strict=True):
            if is_solution(cell):
                answer, reason = view, view["comment"]
            elif view.get("by_hand"):  # marking.points wrote to the answer why
                view["reason"], answer["comment"] = reason, ""
                if view["state"] == "left":  # the points are not for what is still to write
                    view["told"] = []
        styles = {
            name: HtmlFormatter(style=f"a11y-high-contrast-{name}").get_style_defs("pre")
            for name in ("light", "dark")
        }
        about = resources["nbgrader"]
        unseen = nb.metadata.get("unseen", [])
        return template().render(
            about=about, title=title, cells=cells, checks=checks, styles=styles, unseen=unseen
        ), resources


@cache
def template() -> Any:
    """The page without a notebook."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True)
    return environment.get_template("page.html.j2")


def shown(cell: NotebookNode, seen: Seen) -> dict[str, Any]:
    """What the page says of a cell, below those that were seen."""
    if cell.cell_type != "code":
        said = text(cell.source, given=is_locked(cell))
        return {"kind": "text", "html": said, "comment": comment(cell)}
    given = is_locked(cell) or is_as_released(cell)
    kind = "check" if is_grade(cell) else "yours" if is_solution(cell) or not given else "given"
    outputs = [output(each) for each in cell.outputs if not (is_grade(cell) and is_left(each))]
    view = {"kind": kind, "id": cell.id, "code": code(cell.source), "outputs": outputs}
    view |= {"first": cell.source.strip().partition("\n")[0], "comment": comment(cell)}
    errors = [each for each in cell.outputs if each.output_type == "error"]
    told = [
        each.evalue if each.ename in STOPPED else told_in_a_line(each.ename, each.evalue)
        for each in errors
    ]
    seen.note(cell.source, "".join(told[:1]))
    if kind == "check":
        mark = cell.metadata.nbgrader
        found = CHECK.match(cell.source)
        view |= {"score": mark.score, "points": mark.points, "id": mark.grade_id}
        view["by_hand"] = mark.get("by_hand", False)
        view["name"] = f"Check {found[1]}: {found[3]}" if found else mark.grade_id
        view["told"] = [seen.errors[int(found[1])]] if told and found else told
        passed, left = mark.score >= mark.points, "".join(view["told"]).startswith(STILL)
        view["state"] = "passed" if passed else "left" if left else "lost"
    return view


def comment(cell: NotebookNode) -> str:
    """What a grader has written to a cell."""
    said = cell.metadata.get("nbgrader", {}).get("comment") or ""
    return "" if said == "No response." else said


def is_left(output: NotebookNode) -> bool:
    """Whether an output says that something is still to write."""
    return output.get("ename") == "NotImplementedError"


def output(output: NotebookNode) -> dict[str, str]:
    """What a cell has printed or shown, as plain text or as an image."""
    if output.output_type == "stream":
        return {"text": COLOUR.sub("", output.text)}
    if output.output_type == "error":
        if is_left(output):
            return {"text": told_in_a_line(output.ename, output.evalue)}
        return {"error": COLOUR.sub("", "\n".join(output.traceback))}
    image = output.data.get("image/png", "")
    return {"image": image} if image else {"text": str(output.data.get("text/plain", ""))}


@cache
def code(source: str) -> Markup:
    """Python in colours."""
    return Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))


@cache
def text(source: str, given: bool) -> Markup:
    """A text as HTML: equations as MathML; what a student wrote without tags of its own."""
    source = MATHEMATICS.sub(mathml, source if given else html.escape(source, quote=False))
    page = ELSEWHERE.sub(r"\1", str(to_html(source)))
    return Markup(WIDE.sub(r'<\1 tabindex="0"', page))


def mathml(found: re.Match[str]) -> str:
    """An equation as MathML; as it stands if it is code, or if the converter does not know it."""
    tex = found["display"] or found["inline"]
    if not tex:
        return found[0]
    for pattern, replacement in TEX.items():
        tex = re.sub(pattern, replacement, tex)
    try:
        text = tex2mathml(html.unescape(tex).strip(), as_block=bool(found["display"]))
    except Exception:  # the converter's errors have no common class; the TeX is readable, too
        return f"<code>{html.escape(html.unescape(found[0])).translate(MARKDOWN)}</code>"
    return " ".join(text.translate(MARKDOWN).split())
