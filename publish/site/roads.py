"""The series as a picture: what depends on what, and which notebooks a course takes."""

import html
import re
import textwrap

from publish.notebook import Notebook

# Courses by their weeks, and the notebooks that each takes: with each, what it needs.
COURSES = {
    "4": {f"{number:02}" for number in range(1, 9)},
    "8": {f"{number:02}" for number in range(1, 18)} - {"10"},
    "14": {f"{number:02}" for number in range(1, 21)},
    "+4": {"21", "22", "23", "24"},  # four weeks more
}
NEEDED = re.compile(r"\]\((\d\d)_\w+\.ipynb")
WIDTH, HEIGHT, ROW = 278, 46, 62  # of a box, and from one to the next below it
COLUMN, GUTTER = WIDTH + 34, 22  # from one column to the next, and what stands left of the first
DOT = 23  # the width of a course's discs
LINE, LETTERS = 18, 21  # the height of a line in a box, and how much of a title stands in one
SENTENCE = """\
Arrows lead from what a notebook needs. Discs say what courses of 4, 8 and 14 weeks take, and what \
four weeks more on sequences add.

"""


def needed(notebooks: list[Notebook]) -> dict[str, set[str]]:
    """The numbers of the notebooks that each links under "You need"."""
    return {n.number: set(NEEDED.findall(n.needs)) - {n.number} for n in notebooks}


def direct(needs: dict[str, set[str]]) -> dict[str, list[str]]:
    """What each needs that nothing else it needs does need: the arrows of the picture."""
    behind: dict[str, set[str]] = {}
    for number in sorted(needs):
        behind[number] = needs[number].union(*(behind[other] for other in needs[number]))
    return {
        number: sorted(given - set().union(*(behind[other] for other in given)))
        for number, given in needs.items()
    }


def picture(notebooks: list[Notebook], parts: dict[str, list[str]]) -> str:
    """The picture as Markdown with two SVGs: the parts side by side, and for phones in one column.

    Parameters
    ----------
    notebooks
        The series.
    parts
        The title of each part, and the numbers of its notebooks.
    """
    pictures = svg("wide", notebooks, parts) + svg("tall", notebooks, parts)
    return f'{SENTENCE}```{{raw}} html\n<div class="roads">{pictures}</div>\n```\n'


def svg(name: str, notebooks: list[Notebook], parts: dict[str, list[str]]) -> str:
    """The picture with the parts side by side ("wide") or one below the other ("tall")."""
    corner: dict[str, tuple[int, int]] = {}  # of the space for each title, and of each box
    x = y = 0
    for title, numbers in parts.items():
        corner |= {each: (x, y + row * ROW) for row, each in enumerate([title, *numbers])}
        x, y = (x + COLUMN, 0) if name == "wide" else (0, y + (len(numbers) + 1) * ROW)
    arrows = direct(needed(notebooks))
    width = max(x for x, _ in corner.values()) + WIDTH + 2
    height = max(y for _, y in corner.values()) + HEIGHT + 2
    lines = "".join(
        f'<path d="{arrow(corner[other], corner[number])}" marker-end="url(#head-{name})"/>'
        for number, others in arrows.items()
        for other in others
    )
    described = "; ".join(f"{n} needs {', '.join(o)}" for n, o in arrows.items() if o)
    return (
        f'<svg class="{name}" viewBox="{-GUTTER} {LINE} {GUTTER + width} {height - LINE}" '
        f'role="group" aria-label="What depends on what: {described}.">\n'
        f'<marker id="head-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z"/></marker>\n'
        + "".join(head(title, *corner[title]) for title in parts)
        + f'<g class="arrows">{lines}</g>\n'
        + "\n".join(box(notebook, *corner[notebook.number]) for notebook in notebooks)
        + "\n</svg>\n"
    )


def arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """The path from one box to another: down, around the boxes between, or to the next column."""
    (x, y), (to_x, to_y) = start, end
    if x != to_x:
        x, y, to_y, bend = x + WIDTH, y + HEIGHT // 2, to_y + HEIGHT // 2, (COLUMN - WIDTH) // 2
        return f"M{x} {y} C{x + bend} {y} {to_x - bend} {to_y} {to_x} {to_y}"
    if to_y - y == ROW:
        return f"M{x + 21} {y + HEIGHT} V{to_y}"
    y, to_y, left = y + HEIGHT // 2 + 8, to_y + HEIGHT // 2 - 8, x - GUTTER
    return f"M{x} {y} C{left} {y} {left} {to_y} {x} {to_y}"


def head(title: str, x: int, y: int) -> str:
    """The title of a part, and the courses' weeks above their discs."""
    weeks = "".join(
        f'<text class="weeks" x="{x + centre}" y="{y + ROW - 12}">{number}</text>'
        for number, centre in zip(COURSES, centres(), strict=True)
    )
    return f'<text class="part" x="{x}" y="{y + ROW - 30}">{html.escape(title)}</text>{weeks}\n'


def centres() -> list[float]:
    """Where the courses' discs stand in a box."""
    return [WIDTH - 6 - (len(COURSES) - i - 0.5) * DOT for i in range(len(COURSES))]


def lines(notebook: Notebook) -> list[str]:
    """A notebook's number and title, in as many lines as they need beside the discs."""
    return textwrap.wrap(f"{notebook.number} {notebook.title}", LETTERS, break_on_hyphens=False)


def box(notebook: Notebook, x: int, y: int) -> str:
    """A notebook: its number and title, and a disc for each course that takes it."""
    said = lines(notebook)
    first = y + HEIGHT / 2 + 5 - LINE / 2 * (len(said) - 1)
    title = "".join(
        f'<text x="{x + 12}" y="{first + LINE * row}">{html.escape(line)}</text>'
        for row, line in enumerate(said)
    )
    discs = "".join(
        f'<circle class="{"taken" if notebook.number in taken else "left"}" '
        f'cx="{x + centre}" cy="{y + HEIGHT / 2}" r="6"/>'
        for taken, centre in zip(COURSES.values(), centres(), strict=True)
    )
    return (
        f'<a href="notebooks/{notebook.name}.html">'
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
        f"{title}{discs}</a>"
    )
