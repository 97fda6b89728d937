"""The decks take what they show from the notebooks, and are talks. No browser is needed here."""

import html
import re

import pytest

from publish.notebook import Notebook
from publish.slides import build as slides

SERIES = Notebook.series()


@pytest.fixture(scope="module")
def material():
    return slides.Material(SERIES[0])


@pytest.mark.parametrize("notebook", SERIES, ids=lambda notebook: notebook.name)
def test_a_notebook_has_its_talk(notebook):
    """Reading a deck fails when a reference leads nowhere."""
    path = slides.DECKS / f"{notebook.name}.md"
    deck, text = slides.read_deck(path), path.read_text(encoding="utf-8")
    assert len(list(slides.DECKS.glob("*.md"))) == len(SERIES)
    assert 15 <= len(deck.slides) <= 26
    titles = [slide.title for slide in deck.slides]
    assert len(set(titles)) == len(titles), "each slide makes a point of its own"
    bodies = []
    for number, slide in enumerate(deck.slides, 1):
        steps = [step for column in slide.columns for step in column]
        bodies.append("".join(step.body for step in steps))
        assert bodies[-1], f"slide {number} is empty"
        assert any(step.note for step in steps), f"slide {number} has no note"
    images = re.findall(r"<(?:img|svg) [^>]*>", "".join(bodies))
    assert images, "a talk without a figure"
    assert all(re.search(r' (?:alt|aria-label)="[^"]{20,}"', image) for image in images), (
        "no alt text"
    )
    [target] = re.findall(r'href="([^"]*)"', bodies[-1])
    assert (slides.OUTPUT / target).resolve() == notebook.path
    for mark in ("$$", "\\tag", "\\begin", "```", "!["):
        assert mark not in text, f"{mark}: take it from the notebook"
    notes = " ".join(step.note for slide in deck.slides for c in slide.columns for step in c)
    spoken = len(re.sub("<.*?>", "", notes).split()) / 110  # words a minute
    assert spoken + notes.count("Ask") < deck.minutes, "too much to say, with a minute a question"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ equation 1.99 }}", "no display equation 1.99"),
        ("{{ equation class-means-text 9 }}", "no display equation class-means-text 9"),
        ("{{ code nowhere }}", "no code cell with the id nowhere"),
        ("{{ code splits-text }}", "no code cell with the id splits-text"),  # it is Markdown
        ("{{ code class-means nothing }}", "defines no nothing"),
        ("{{ output linear-scores }}", "linear-scores printed nothing"),
        ("{{ figure sixteenths }}", "sixteenths shows no image"),
        ("{{ picture first-digits }}", "no kind 'picture'"),
        ("{{ figure }}", "figure"),
        ("See {{ equation 1.1 }}.", "alone on its line"),
        ("{{ output bias-column 9 99 }}", r"lines 1 to 11, not \[9, 99\]"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(material, text, complaint):
    reference = re.escape(re.search("{{.*}}", text)[0])
    with pytest.raises(ValueError, match=rf"(?s){reference}.*{complaint}|{complaint}.*{reference}"):
        slides.read_slide(f"## A title\n{text}", material, "##")


def test_a_slide_without_a_title_is_refused(material):
    with pytest.raises(ValueError, match="must begin with '## '"):
        slides.read_slide("Some text", material, "##")


def test_columns_steps_and_notes(material):
    text = "## A title\nleft\n+++\nnext\nNote: say *this*\n|||\nright"
    left, right = slides.read_slide(text, material, "##").columns
    assert [re.sub("<.*?>", "", step.body).strip() for step in left] == ["left", "next"]
    assert [bool(step.note) for step in left] == [False, True]
    assert "<em>this</em>" in left[1].note
    assert len(right) == 1


def test_an_equation_keeps_its_number_and_loses_the_full_stop(material):
    assert re.search(r"b_i\s+\\tag\{1\.6\}", material.show("equation", "1.6"))


def plain(shown):
    """The text of HTML."""
    return html.unescape(re.sub("<.*?>", "", shown))


def test_code_is_the_cell_without_docstrings(material):
    def text(*reference):
        return plain(material.show("code", *reference))

    whole, one = text("look-up"), text("look-up", "look_up")
    assert text("centre").strip().endswith("# (1.5)"), "the marks of a solution are not shown"
    assert "(1.3)" in one
    assert "for each row of X, the label" not in whole
    assert "points" in whole
    assert "points" not in one


def test_some_lines_are_shown_in_groups(material):
    shown = material.show("output", "bias-column", "2", "3", "7")
    groups = [plain(group).splitlines() for group in shown.split('<span class="fragment">')]
    assert [len(group) for group in groups] == [2, 4]
    assert plain(material.show("output", "bias-column", "2", "3")).splitlines() == [
        "N = 1: no error, shape (3, 3)",
        "N = 3: no error, shape (3, 3)",
    ]
    assert plain(material.show("code", "centre", "3", "3")).startswith("return")


def test_type_hints_are_not_shown():
    source = """\
class Net:
    size: int
    def loss(
        self, X: np.ndarray, y: list[int] | None = None, *rest: int, reg: float = 0.0
    ) -> tuple["Loss", dict[str, int]]:  # (7.1)
        é: float = {"a": 1}["a"]; ö: int = é  # bytes are no letters
        return é, f"{X:.3f}"

def f(x) -> int:
    return lambda y: {x: y}
"""
    expected = """\
class Net:
    size: int
    def loss(self, X, y=None, *rest, reg=0.0):  # (7.1)
        é = {"a": 1}["a"]; ö = é  # bytes are no letters
        return é, f"{X:.3f}"

def f(x):
    return lambda y: {x: y}
"""
    assert slides.without_hints(source) == expected


def test_no_slide_shows_a_hint_or_a_word_to_the_linter():
    for notebook in SERIES:
        deck = slides.read_deck(slides.DECKS / f"{notebook.name}.md")
        steps = [step for slide in deck.slides for column in slide.columns for step in column]
        text = plain("".join(step.body for step in steps))
        assert "noqa" not in text
        assert not re.search(r"^ *def .*(->|\w: \w)", text, re.M), notebook.name


def test_a_figure_appears_from_the_top_down(material):
    shown = material.show("figure", "first-digits", "0.5", "0.2", "0.6")
    assert 'aria-label="' in shown
    height = int(re.search(r'<image [^>]*height="(\d+)"', shown)[1])
    bands = re.findall(r'<rect class="fragment fade-out" y="(\d+)".*?height="(\d+)"', shown)
    assert [round((int(y) + int(h)) / height, 2) for y, h in bands] == [0.6, 1.0]


def test_students_see_stubs_of_what_they_write():
    """Nothing between the marks of a solution reaches a deck for students."""
    for notebook in SERIES:
        for_students = slides.Material(notebook, students=True)
        for cell in notebook.solutions:
            shown = plain(for_students.show("code", cell.id))
            for solution in re.findall(r"### BEGIN SOLUTION\n(.*?)### END", cell.source, re.S):
                assert solution not in shown
            assert "# Write " in shown
            assert "NotImplementedError" not in shown
    text = plain(slides.Material(SERIES[1], students=True).show("code", "c02-022"))
    assert "    # Write softmax: see equations (2.4) and (2.5)" in text
    deck = slides.read_deck(slides.DECKS / "02_softmax_cross_entropy.md", students=True)
    assert "np.exp" not in "".join(
        s.body for slide in deck.slides for c in slide.columns for s in c
    )


def test_without_npm_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(slides, "NPM", tmp_path)
    monkeypatch.setattr(slides.shutil, "which", lambda _: None)
    with pytest.raises(SystemExit, match=r"Install Node\.js"):
        slides.copy_libraries(tmp_path)


def test_the_configured_address_is_linked(material, monkeypatch, tmp_path):
    course = tmp_path / "course.toml"
    course.write_text("launch = 'https://example.org/lab?tree={path}'", encoding="utf-8")
    monkeypatch.setenv("CS231N_COURSE", str(course))
    expected = "https://example.org/lab?tree=notebooks/01_linear_scores.ipynb"
    assert f'href="{expected}"' in material.show("notebook")


def test_the_index_lists_the_talks_that_are_there(tmp_path, monkeypatch):
    """After some decks are built alone, no link leads nowhere."""
    monkeypatch.setattr(slides, "copy_libraries", lambda folder: None)
    for names in (("02",), ("07",)):
        slides.build(tmp_path, names)
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(\d\d_\w+\.html)"', index)
    assert links == ["02_softmax_cross_entropy.html", "07_two_layer_net.html"]
