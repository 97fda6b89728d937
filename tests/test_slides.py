"""The decks take what they show from the notebooks, and are talks. No browser is needed here."""

import base64
import html
import io
import re

import pytest
from matplotlib.image import imread

from publish.notebook import Notebook
from publish.slides import build as slides

SERIES = Notebook.series()
# Tables without a white row, and arrows from one to the next.
COLOURED = {"prices-figure", "table-figure", "layer-figure", "lstm-figure"}
NUMBER = re.compile(r"(?<![\w.\\])(?<!{-)\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
# Numbers on slides that are worked out there, or come from another notebook.
WORKED_OUT = {709.8, 9.3, 308_320, 308_310, 2560, 800, 4000, 524_288, 49_000, 1.5, 1.21}
WORKED_OUT |= {0.102, 0.014}  # the Jacobian of the wolf's shares
WORKED_OUT |= {2.72, 11.72, 0.23, 0.09}  # softmax of a 1 and nine 0


@pytest.fixture(scope="module")
def material():
    return slides.Material(SERIES[0])


def plain(shown):
    """The text of HTML."""
    return html.unescape(re.sub("<.*?>", "", shown))


@pytest.mark.parametrize("notebook", SERIES, ids=lambda notebook: notebook.name)
def test_a_notebook_has_its_talk(notebook):
    """Reading a deck fails when a reference leads nowhere."""
    path = slides.DECKS / f"{notebook.name}.md"
    deck, text = slides.read_deck(path), path.read_text(encoding="utf-8")
    assert 15 <= len(deck.slides) <= 26
    titles = [slide.title for slide in deck.slides]
    assert len(set(titles)) == len(titles), "each slide makes a point of its own"
    bodies = []
    for number, slide in enumerate(deck.slides, 1):
        steps = [step for column in slide.columns for step in column]
        bodies.append("".join(step.body for step in steps))
        assert bodies[-1], f"slide {number} is empty"
        assert any(step.note for step in steps), f"slide {number} has no note"
    images = re.findall(r"<img [^>]*>|<figure [^>]*><svg [^>]*>", "".join(bodies))
    assert "<figure" in bodies[0], "the first slide has no picture"
    worded = [re.search(r' (?:alt|aria-label)="[^"]{20,}"', image) for image in images]
    assert all(worded), "no alt text"
    home = len(deck.road) - 1  # what to take home; behind it, for questions, Further
    assert deck.slides[: home + 1] == deck.road
    [target] = re.findall(r'href="([^"]*)"', bodies[home])
    assert (slides.OUTPUT / target).resolve() == notebook.path
    for mark in ("$$", "\\tag", "\\begin", "```", "!["):
        assert mark not in text, f"{mark}: take it from the notebook"
    shown = plain("".join(bodies))
    assert "noqa" not in shown
    assert not re.search(r"^ *def .*(->|\w: \w)", shown, re.M), "a type hint"
    assert 3 <= deck.asked <= 8, f"the class is asked {deck.asked} questions"
    assert deck.minutes <= 60, f"{deck.minutes} minutes: more than an hour holds"
    apart = r'(?s)<p class="asked">.*?</p>|<div class="(?:code|output|equation).*?</div>'
    talk = [*bodies[1:home], *bodies[home + 1 :]]
    loose = [plain(re.sub(apart, "", body)) for body in talk]
    assert not [text.strip()[:60] for text in loose if "?" in text], "asked of nobody"
    notes = " ".join(step.note for slide in deck.slides for c in slide.columns for step in c)
    spoken = len(plain(notes).split()) / 110  # words a minute
    assert spoken + notes.count("Ask") < deck.minutes, "too much to say, with a minute a question"


@pytest.mark.parametrize("notebook", SERIES, ids=lambda notebook: notebook.name)
def test_numbers_on_slides_stand_in_their_notebook(notebook):
    """Those with a decimal, or three digits; in more digits, perhaps."""
    told = [(output.get("text"), output.get("data", {}).get("text/plain"), output.get("metadata"))
            for cell in notebook.code for output in cell.outputs]  # fmt: skip
    there = {*numbers(f"{[cell.source for cell in notebook.cells]} {told}").values()}
    rounded = [{round(each, digits) for each in there} for digits in range(13)]
    text = (slides.DECKS / f"{notebook.name}.md").read_text(encoding="utf-8")
    for slide in slides.split(text, "---"):
        typed = numbers(re.sub(r"{{.*?}}", "", slide.partition("\nNote:")[0]))
        for number, value in typed.items():
            digits = len(number.partition(".")[2])
            if digits or len(number) > 2:
                known = value in WORKED_OUT | there or value in rounded[digits]
                assert known, f"{number} in {slide.strip()[:40]}"


def numbers(text):
    """The numbers in a text, as they stand there and as values."""
    found = [number.replace(",", "") for number in NUMBER.findall(text.replace("{,}", ""))]
    return {number: float(number) for number in found if len(number) < 20}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ equation 1.99 }}", "no display equation 1.99"),
        ("{{ code class-means nothing }}", "defines no nothing"),
        ("{{ picture class-means }}", "no kind 'picture'"),
        ("See {{ equation 1.8 }}.", "alone on its line"),
        ("Text\n\nNote: See\n\n{{ equation 1.1 }}", "stands above"),
        ("{{ output bias-column 9 99 }}", r"lines 1 to 11, not \[9, 99\]"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(material, text, complaint):
    reference = re.escape(re.search("{{.*}}", text)[0])
    with pytest.raises(ValueError, match=rf"(?s){reference}.*{complaint}|{complaint}.*{reference}"):
        slides.read_slide(f"## A title\n{text}", material, "##")


def test_a_formula_keeps_the_signs_behind_it(material):
    shown = slides.read_step("With $c$, and $x$ too: $$y$$.", material)
    assert re.findall(r'<span class="whole">(.*?)</span>', shown.body) == ["$c$,"]


def test_what_a_reference_shows(material):
    assert re.search(r"b_i\s+\\tag\{1\.1\}", material.show("equation", "1.1")), "no full stop"
    whole, one = (plain(material.show("code", "foot", *name)) for name in ([], ["foot_point"]))
    assert "(1.14)" in one
    assert "closest to the origin" not in whole, "a docstring"
    assert "normal" in whole
    assert "normal" not in one
    shown = material.show("output", "bias-column", "2", "3", "7")
    groups = [plain(group).splitlines() for group in shown.split('<span class="fragment">')]
    assert [len(group) for group in groups] == [2, 4]
    assert groups[0][0] == "N = 1: no error, shape (3, 3)"
    film = material.show("film", "first-digits", "0.4", "1")
    strips = re.findall(r'<g( class=fragment)?>.*?viewBox="0 (\d+) \d+ (\d+)"', film)
    assert strips == [("", "0", "106"), (" class=fragment", "106", "160")]
    figure = material.show("figure", "first-digits", "0.5", "0.2", "0.6")
    height = int(re.search(r'<image [^>]*height="(\d+)"', figure)[1])
    bands = re.findall(r'<rect class="fragment fade-out".*? y="(\d+)".*?height="(\d+)"', figure)
    assert [round((int(y) + int(h)) / height, 2) for y, h in bands] == [0.6, 1.0]
    across = material.show("across", "first-digits", "0.3", "0.6")
    width = int(re.search(r'<image [^>]*width="(\d+)"', across)[1])
    bands = re.findall(r'<rect class="fragment fade-out" x="(\d+)".*?width="(\d+)"', across)
    assert [round(int(x) / width, 1) for x, _ in bands] == [0.3, 0.6]
    assert sum(int(w) for _, w in bands) == width - int(bands[0][0])
    panel = material.show("panel", "first-digits", "0", "0.5", "0.5", "1")
    x, y, wide, high = map(
        int, re.search(r'<svg viewBox="(\d+) (\d+) (\d+) (\d+)"><im', panel).groups()
    )
    assert (x, round((x + wide) / width, 1)) == (0, 0.5)
    assert (round(y / height, 1), y + high) == (0.5, height)
    panel = material.show("panel", "first-digits", "0", "0.5", "0.5", "1", "0.3")
    [[x, w]] = re.findall(r'<rect class="fragment fade-out" x="(\d+)".*?width="(\d+)"', panel)
    assert (round(int(x) / width, 1), int(x) + int(w)) == (0.3, wide)
    axes = material.show("axes", "guesses-figure")
    [cover] = re.findall(r'<g class="fragment fade-out"><rect (.*?) stroke="black".*?/></g>', axes)
    left, top, wide, high = map(float, re.findall(r'"([\d.]+)"', cover))
    picture = imread(
        io.BytesIO(base64.b64decode(material.image("guesses-figure").data["image/png"]))
    )
    frame = picture[round(2 * top) - 6 : round(2 * (top + high)) + 6, round(2 * (left + wide / 2))]
    assert frame[:6, 0].min() < 0.3 > frame[-6:, 0].min(), "black above and below it"
    with pytest.raises(ValueError, match="no axes with a frame"):
        material.show("axes", "reshape")


@pytest.mark.parametrize("deck", sorted(slides.DECKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_cut_through_a_figure_meets_no_letter(deck):
    """Each is in a row, or column, of paper alone, except in tables and across arrows."""
    material = slides.Material(Notebook.read(slides.NOTEBOOKS / f"{deck.stem}.ipynb"))
    for kind, name, numbers in re.findall(
        r"\{\{ (figure|film|across|panel) (\S+) (.+) \}\}", deck.read_text("utf-8")
    ):
        output = material.image(name)
        picture = imread(io.BytesIO(base64.b64decode(output.data["image/png"])))[..., :3]
        shares = [float(number) for number in numbers.split()]
        left = shares.pop(0) if kind == "figure" else 1.0
        columns = shares[: {"across": None, "panel": 2}.get(kind, 0)]
        columns += shares[4:] if kind == "panel" else []
        upright = picture.swapaxes(0, 1)  # its columns are rows
        rows = shares[2:4] if kind == "panel" else shares[len(columns) :]
        of_row = (columns[0], columns[1]) if kind == "panel" else (0, left)
        of_column = (rows[0], rows[1]) if kind == "panel" and rows else (0, 1)
        for ends, lines, paper, part in [
            (columns, "columns", upright, of_column),
            (rows, "rows", picture, of_row),
        ]:
            for end in slides.clear(output, ends, lines, part):
                line = paper[min(round(end * len(paper)), len(paper) - 1)]
                first, last = (round(share * len(line)) for share in part)
                assert line[first:last].min() > 0.97 or name in COLOURED, (name, end)


def test_a_long_remark_stands_above_its_line_which_is_never_broken():
    words = ", ".join(f"parameter_{number}={number}" for number in range(3))
    source = f"y = 2  # (1.8) short\nz = f({words})  # (1.9) a remark of some words"
    lines = ["y = 2  # (1.8) short", "# a remark of some words", f"z = f({words})  # (1.9)"]
    assert slides.narrow(source).splitlines() == lines
    for count in (16, 24):
        numbered = f"total = {'+'.join(['one'] * count)}"
        assert slides.narrow(f"{numbered}  # (1.9)").splitlines() == ["# (1.9)", numbered]
