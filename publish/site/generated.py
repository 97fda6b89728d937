"""What the site generates from the notebooks for its pages: tables, the map, pictures."""

import base64
import html
import json
import re
from textwrap import indent

from nbformat import NotebookNode

from publish.course import Course
from publish.live import build as live
from publish.notebook import ROOT, Notebook, alt_text, size
from publish.site import dark, roads

TITLE = "From raw pixels to a trained network"
HANDOUT = ROOT / "publish" / "student" / "handout" / "README.md"
PART = re.compile(r"^\| \*\*(Part .*)\*\*|^\| \[(\d\d_\w+)\]\(\S*\) \| (.*?) \| (.*?) \|", re.M)
SCALE = 0.73  # of a figure: its titles, which are its largest letters, are then as large as text
WIDEST = 2.2  # of a figure that stands on a card: its width in heights

SENTENCE = """\
These notebooks derive the mathematics of neural networks step by step, from a linear classifier \
to a small transformer, turn each equation into a line of NumPy, and prove that the two agree.
"""
HOME = """
```{{container}} lead
{sentence}
```

```{{raw}} html
<div class="stage {look}">
{figure}
<p>{caption}</p>
</div>
```
"""
PICTURE = """\
Three interleaved spirals. A linear classifier cuts the plane with straight lines. The two-layer \
network that you derive, code and train bends its regions around the arms.\
"""
MOVING = """\
Move a control: the two-layer network that you derive, code and train is trained anew on three \
interleaved spirals.\
"""

ZIP = """\
<a href="downloads/student.zip" download>Download everything</a>: the notebooks to fill in, the \
package, and what sets both up.

"""


def readme() -> str:
    """The text of README.md."""
    return (ROOT / "README.md").read_text(encoding="utf-8")


def home() -> str:
    """What the series is, and notebook 08's figure that moves, or where it is not, its picture."""
    [notebook] = Notebook.series("08")
    figure = live.figure(notebook.name, notebook.tagged("widget")[0].id, "_static/live")
    caption = MOVING if figure else PICTURE
    if not figure:
        output, _ = shown(notebook)
        data, alt = output.data["image/png"].replace("\n", ""), html.escape(alt_text(output))
        figure = f'<img src="data:image/png;base64,{data}" alt="{alt}">'
    given = {"figure": figure.strip(), "caption": caption, "look": dark.INVERTED}
    return HOME.format(sentence=SENTENCE.strip(), **given)


def start() -> str:
    """How a student starts: what the README of the student edition says, below its title."""
    archive = ROOT / "build" / "student.zip"
    return ZIP * archive.exists() + HANDOUT.read_text(encoding="utf-8").partition("\n")[2]


# --- The map ------------------------------------------------------------------------------------


def parts() -> dict[str, list[tuple[str, str, str]]]:
    """The parts in README.md: for each notebook its name, what it derives, its end."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for title, *row in PART.findall(readme()):
        if title:
            found[part := title] = []
        else:
            found[part].append(tuple(row))
    return found


def series_map(notebooks: list[Notebook]) -> str:
    """The roads through the series."""
    numbers = {part: [name[:2] for name, *_ in rows] for part, rows in parts().items()}
    return roads.picture(notebooks, numbers)


def cards(notebooks: list[Notebook]) -> str:
    """A card for each notebook, by parts: a picture, a link, what it derives, how long it takes."""
    by_name = {notebook.name: notebook for notebook in notebooks}
    shown = {
        part: "".join(card(by_name[name], *texts) for name, *texts in rows)
        for part, rows in parts().items()
    }
    return "\n".join(
        f"## {part}\n\n````{{container}} map\n{items}````\n" for part, items in shown.items()
    )


def card(notebook: Notebook, derives: str, ends: str) -> str:
    """One notebook: an item of a list."""
    output, cell = shown(notebook)
    words = ". ".join(alt_text(output).split(". ")[:2])  # a card has no room for more
    look = dark.look(notebook, cell, alt_text(output), dark.drawing_images(notebook))
    options = f":alt: {json.dumps(words, ensure_ascii=False)}\n:class: {look}"
    image = f"```{{image}} pictures/{notebook.name}.png\n{options}\n```"
    minutes, with_writing, *_ = notebook.times
    times = f"{minutes} min to read, {with_writing} with all that you write"
    texts = [image, f"**{link(notebook)}**", derives[0].upper() + derives[1:] + "."]
    texts += [f"Ends with {ends}.", f"*{times}*"]
    return "- " + indent("\n\n".join(texts), "  ")[2:] + "\n"


def picture(notebook: Notebook) -> bytes:
    """The PNG that stands for a notebook."""
    return base64.b64decode(shown(notebook)[0].data["image/png"])


def shown(notebook: Notebook) -> tuple[NotebookNode, NotebookNode]:
    """The figure that stands for a notebook, and its cell.

    It is that of the cell tagged `readme`, or one that a card has room for, or the first.
    """
    cells = [*notebook.tagged("readme"), *notebook.code]
    figures = [
        (o, cell) for cell in cells for o in cell.outputs if "image/png" in o.get("data", {})
    ]
    if notebook.tagged("readme"):
        return figures[0]
    fitting = [(o, cell) for o, cell in figures if size(o)[0] < WIDEST * size(o)[1]]
    return [*fitting, *figures][0]


# --- Tables -------------------------------------------------------------------------------------


def times(notebooks: list[Notebook], *, talks: bool) -> str:
    """How long each notebook takes, when it is due, and where its talk and its file are."""
    course = Course.read()
    head = ["notebook", "to read", "with writing", *["due"] * bool(course.due), "get"]
    rows: list[list[object]] = []
    for n in notebooks:
        minutes, with_writing, *_ = n.times
        due = course.due.get(n.number)
        gets = [f'<a href="slides/{n.name}.html">slides</a>'] * talks
        gets += [f'<a href="downloads/{n.path.name}" download>notebook</a>']
        if course.launch:
            address = html.escape(course.opens(f"notebooks/{n.path.name}"))
            gets += [f'<a href="{address}">open on {course.host}</a>']
        dates = [f"{due:%Y-%m-%d, %H:%M} ({due.tzname()})" if due else ""] * bool(course.due)
        rows.append(
            [
                link(n),
                f"{minutes}\N{NO-BREAK SPACE}min",
                f"{with_writing}\N{NO-BREAK SPACE}min",
                *dates,
                ", ".join(gets),
            ]
        )
    return table(head, rows)


def counts(notebooks: list[Notebook]) -> str:
    """What each notebook holds: the columns that a test run prints, and the exercises."""
    head = ["notebook", "code cells", "compared", "equations", "exercises"]
    rows = [
        [link(n), len(n.code), f"{n.compared:.0%}", len(n.equations), len(n.exercises)]
        for n in notebooks
    ]
    return table(head, rows)


def needs(notebooks: list[Notebook]) -> str:
    """What each notebook says that it needs and takes."""
    head = ["notebook", "needs", "to read", "with writing", "Further", "to run, at most"]
    rows: list[list[object]] = []
    for n in notebooks:
        *minutes, seconds = n.times
        times = [f"{number} min" if number else "" for number in minutes] + [f"{seconds} s"]
        rows.append([link(n), n.needs.replace("](", "](notebooks/"), *times])
    return table(head, rows)


def link(notebook: Notebook) -> str:
    """A link to a notebook, whose text Sphinx fills in."""
    return f"[](notebooks/{notebook.path.name})"


def table(head: list[str], rows: list[list[object]]) -> str:
    """A table in Markdown."""
    lines: list[list[object]] = [[*head], ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
