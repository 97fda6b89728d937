"""What the site generates from the notebooks for its pages: tables, the map, pictures."""

import base64
import html
import re

from nbformat import NotebookNode

from publish.course import Course
from publish.live import build as live
from publish.notebook import ROOT, Notebook, alt_text, size
from publish.site import roads

TITLE = "From raw pixels to a trained network"
HANDOUT = ROOT / "publish" / "student" / "handout" / "README.md"
PART = re.compile(r"^\| \*\*(Part .*)\*\*|^\| \[(\d\d_\w+)\]\(\S*\) \| (.*?) \| (.*?) \|", re.M)
MARKUP = re.compile(r"([\\\[\]*_`$|<>])")
SCALE = 0.73  # of a figure: its titles, which are its largest letters, are then as large as text
WIDEST = 2.2  # of a figure that stands on a card: its width in heights

SENTENCE = """\
These notebooks derive the mathematics of neural networks step by step, from a linear classifier \
to a convolutional network, an autograd engine and PyTorch, turn each equation into a line of \
NumPy beside it, and prove that the two agree.
"""
PICTURE = """
```{{image}} publish/images/08_training.png
:alt: {alt}
:width: {width:.0f}px
```

*Three interleaved spirals. A linear classifier cuts the plane with straight lines. The two-layer \
network that you derive, code and train bends its regions around the arms.*
"""
MOVING = """
```{{raw}} html
{figure}
```

*Move a control: the two-layer network that you derive, code and train is trained anew on three \
interleaved spirals.*
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
    if figure := live.figure(notebook.name, notebook.tagged("widget")[0].id, "_static/live"):
        return SENTENCE + MOVING.format(figure=figure.strip())
    output = shown(notebook)
    return SENTENCE + PICTURE.format(alt=alt_text(output), width=SCALE * size(output)[0])


def start() -> str:
    """How a student starts: what the README of the student edition says, below its title."""
    archive = ROOT / "build" / "student.zip"
    return ZIP * archive.exists() + HANDOUT.read_text(encoding="utf-8").partition("\n")[2]


# --- The map ------------------------------------------------------------------------------------


def series_map(notebooks: list[Notebook]) -> str:
    """The roads through the series, and its parts as in README.md: pictures, links, times."""
    by_name = {notebook.name: notebook for notebook in notebooks}
    cards: dict[str, list[str]] = {}
    for title, name, derives, ends in PART.findall(readme()):
        if title:
            cards[part := title] = []
        else:
            cards[part].append(card(by_name[name], derives, ends))
    return roads.picture(notebooks) + "\n".join(
        f"### {part}\n\n```{{container}} map\n{''.join(items)}```\n"
        for part, items in cards.items()
    )


def card(notebook: Notebook, derives: str, ends: str) -> str:
    """One notebook of the map: an item of a list."""
    words = ". ".join(alt_text(shown(notebook)).split(". ")[:2])  # a card has no room for more
    alt = MARKUP.sub(r"\\\1", words)
    minutes, with_exercises, *_ = notebook.times
    times = f"{minutes} min to read, {with_exercises} with the exercises"
    texts = [f"![{alt}](pictures/{notebook.name}.png)", f"**{link(notebook)}**"]
    texts += [derives[0].upper() + derives[1:] + ".", f"Ends with {ends}.", f"*{times}*"]
    return "- " + "\n\n  ".join(texts) + "\n"


def picture(notebook: Notebook) -> bytes:
    """The PNG that stands for a notebook."""
    return base64.b64decode(shown(notebook).data["image/png"])


def shown(notebook: Notebook) -> NotebookNode:
    """The figure that stands for a notebook: that of the cell tagged `readme`, or one that a card
    has room for, or the first.
    """
    cells = [*notebook.tagged("readme"), *notebook.code]
    outputs = [out for cell in cells for out in cell.outputs if "image/png" in out.get("data", {})]
    if notebook.tagged("readme"):
        return outputs[0]
    fitting = [out for out in outputs if size(out)[0] < WIDEST * size(out)[1]]
    return [*fitting, *outputs][0]


# --- Tables -------------------------------------------------------------------------------------


def times(notebooks: list[Notebook], *, talks: bool) -> str:
    """How long each notebook takes, when it is due, and where its talk and its file are."""
    course = Course.read()
    head = ["notebook", "to read", "with exercises", *["due"] * bool(course.due), "get"]
    rows: list[list[object]] = []
    for n in notebooks:
        minutes, with_exercises, *_ = n.times
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
                f"{with_exercises}\N{NO-BREAK SPACE}min",
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
    head = ["notebook", "needs", "to read", "with exercises", "Further", "to run, at most"]
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
