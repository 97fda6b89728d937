"""The series as a picture: what depends on what, and which notebooks a course takes."""

import html
import re
from collections import defaultdict

from publish.notebook import Notebook

# Courses by their weeks, and the notebooks that each takes: with each, what it needs.
COURSES = {
    "4": {f"{number:02}" for number in range(1, 9)},
    "8": {f"{number:02}" for number in range(1, 18)} - {"10"},
    "14": {f"{number:02}" for number in range(1, 21)},
}
NEEDED = re.compile(r"\]\((\d\d)_\w+\.ipynb")
WIDTH, HEIGHT, GAP, DOT = 408, 36, 24, 24  # of a box, between two, and of a course's column
NAMES = 24  # the height of the courses' names
SENTENCE = """\
A line leads down from what a notebook needs. The discs say which notebooks a course of 4, 8 or \
14 weeks takes, at two a week, two a week, and three in two weeks.

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


def rows(arrows: dict[str, list[str]]) -> list[list[str]]:
    """The notebooks from top to bottom, each in the first row below all that it needs."""
    depth: dict[str, int] = {}
    found: dict[int, list[str]] = defaultdict(list)
    for number in sorted(arrows):
        depth[number] = max((depth[other] + 1 for other in arrows[number]), default=0)
        found[depth[number]].append(number)
    return [found[key] for key in sorted(found)]


def picture(notebooks: list[Notebook]) -> str:
    """The picture as Markdown with an SVG, whose boxes are links."""
    arrows = direct(needed(notebooks))
    by_number = {notebook.number: notebook for notebook in notebooks}
    corner = {
        number: (column * (WIDTH + GAP), row * (HEIGHT + GAP) + NAMES)
        for row, numbers in enumerate(rows(arrows))
        for column, number in enumerate(numbers)
    }
    width = max(x for x, _ in corner.values()) + WIDTH
    height = max(y for _, y in corner.values()) + HEIGHT
    lines = "".join(
        f'<path d="M{corner[other][0] + WIDTH // 4} {corner[other][1] + HEIGHT}'
        f' L{corner[number][0] + WIDTH // 4} {corner[number][1]}"/>'
        for number, others in arrows.items()
        for other in others
    )
    boxes = "\n".join(box(by_number[number], x, y) for number, (x, y) in corner.items())
    names = "".join(
        f'<text x="{x}" y="{NAMES - 8}">{weeks}</text>'
        for weeks, x in zip(COURSES, centres(), strict=True)
    )
    described = "; ".join(f"{n} needs {', '.join(o)}" for n, o in arrows.items() if o)
    return (
        f"{SENTENCE}```{{raw}} html\n"
        f'<div class="roads"><svg viewBox="-2 0 {width + 4} {height + 2}" role="group" '
        f'aria-label="What depends on what: {described}.">\n'
        f'<g class="weeks">{names}</g>{lines}\n{boxes}\n</svg></div>\n```\n'
    )


def centres() -> list[float]:
    """Where the courses' discs stand in a box."""
    return [WIDTH - (len(COURSES) - i - 0.5) * DOT for i in range(len(COURSES))]


def box(notebook: Notebook, x: int, y: int) -> str:
    """A notebook: its number and title, and a disc for each course that takes it."""
    title = html.escape(f"{notebook.number} {notebook.title}")
    discs = "".join(
        f'<circle class="{"taken" if notebook.number in taken else "left"}" '
        f'cx="{x + centre}" cy="{y + HEIGHT / 2}" r="6"/>'
        for taken, centre in zip(COURSES.values(), centres(), strict=True)
    )
    return (
        f'<a href="notebooks/{notebook.name}.html">'
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
        f'<text x="{x + 12}" y="{y + HEIGHT / 2 + 5}">{title}</text>{discs}</a>'
    )
