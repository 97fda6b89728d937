"""The decks take what they show from the notebooks, and are talks. No browser is needed here."""

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
    images = re.findall(r"<img [^>]*>", "".join(bodies))
    assert images, "a talk without a figure"
    assert all(re.search(r' alt="[^"]{20,}"', image) for image in images), "no alt text"
    [target] = re.findall(r'href="([^"]*)"', bodies[-1])
    assert (slides.OUTPUT / target).resolve() == notebook.path
    for mark in ("$$", "\\tag", "\\begin", "```", "!["):
        assert mark not in text, f"{mark}: take it from the notebook"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ equation 1.99 }}", "no display equation 1.99"),
        ("{{ equation cell-063 9 }}", "no display equation cell-063 9"),
        ("{{ code nowhere }}", "no code cell with the id nowhere"),
        ("{{ code cell-063 }}", "no code cell with the id cell-063"),  # it is Markdown
        ("{{ code cell-064 nothing }}", "defines no nothing"),
        ("{{ output cell-033 }}", "cell-033 printed nothing"),
        ("{{ figure cell-008 }}", "cell-008 shows no image"),
        ("{{ picture cell-006 }}", "no kind 'picture'"),
        ("{{ figure }}", "figure"),
        ("See {{ equation 1.1 }}.", "alone on its line"),
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


def test_code_is_the_cell_without_docstrings(material):
    def text(*reference):
        return re.sub("<.*?>", "", material.show("code", *reference))

    whole, one = text("cell-017"), text("cell-017", "look_up")
    assert text("cell-024").strip().endswith("# (1.5)"), "the marks of a solution are not shown"
    assert "(1.3)" in one
    assert "for each row of X, the label" not in whole
    assert "points" in whole
    assert "points" not in one


def test_without_npm_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(slides, "NPM", tmp_path)
    monkeypatch.setattr(slides.shutil, "which", lambda _: None)
    with pytest.raises(SystemExit, match=r"Install Node\.js"):
        slides.copy_libraries()


def test_the_configured_address_is_linked(material, monkeypatch, tmp_path):
    course = tmp_path / "course.toml"
    course.write_text("launch = 'https://example.org/lab?tree={path}'", encoding="utf-8")
    monkeypatch.setenv("CS231N_COURSE", str(course))
    expected = "https://example.org/lab?tree=notebooks/01_linear_scores.ipynb"
    assert f'href="{expected}"' in material.show("notebook")
