"""Both sites are built without a warning, their links lead somewhere, and answers stay hidden."""

import html
import re
import runpy
import warnings
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from publish.live import build as live
from publish.notebook import BEGIN, END, WIDGET, Notebook, alt_text, exported_to, printed
from publish.site import build as sites
from publish.site import dark, roads
from publish.slides import build as slides
from publish.student.edition import solved, unsolved

SERIES = Notebook.series()
BINDER = "https://mybinder.org/v2/gh/someone/series/main?urlpath=lab/tree/{path}"
COURSE = f"launch = '{BINDER}'\n[due]\n01 = 2027-01-15T23:59:00+01:00\n"


def values(page, attribute, tags=r"\w+"):
    """The values of an attribute in a page's text; of some tags alone, "link|img"."""
    found = re.findall(rf'<(?:{tags})\b[^>]*? {attribute}="([^"]*)"', page)
    return [html.unescape(value) for value in found]


AUDIENCES = [pytest.param(name, marks=pytest.mark.slow) for name in ("instructors", "students")]


@pytest.fixture(scope="module", params=AUDIENCES)
def site(request, tmp_path_factory):
    """The folder of a site with a launch address, a date, and talks without reveal.js."""
    folder = tmp_path_factory.mktemp("sites") / request.param
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        course, npm = (tmp_path_factory.mktemp(name) for name in ("course", "npm"))
        (course / "course.toml").write_text(COURSE, encoding="utf-8")
        patch.setenv("CS231N_COURSE", str(course / "course.toml"))
        for part in slides.REVEAL_PARTS:
            (npm / "node_modules" / "reveal.js" / part).mkdir(parents=True)
        patch.setattr(slides, "NPM", npm)
        patch.setattr(live, "STORE", npm)  # whatever was drawn here before
        assert sites.build(folder, students=folder.name == "students") == 0
    return folder


@pytest.fixture(scope="module")
def pages(site):
    """The text of every page of the site but the talks, by its name."""
    texts = {
        path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")
    }
    return {name: text for name, text in texts.items() if name[:7] not in ("_static", "slides/")}


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(site, pages):
    ids, wrong = {name: values(page, "id") for name, page in pages.items()}, []
    for name, page in pages.items():
        loaded = values(page, "src", "script|img|iframe") + values(page, "href", "link")
        wrong += [f"{name}: {link}" for link in loaded if urlsplit(link).netloc]
        for link in values(page, "href", "a") + loaded:
            parts = urlsplit(link)
            if not parts.scheme:
                path = (site / name).parent / unquote(parts.path) if parts.path else site / name
                target = path.resolve().relative_to(site).as_posix()
                fragment = unquote(parts.fragment)
                if not path.is_file() or (fragment and fragment not in ids.get(target, [])):
                    wrong.append(f"{name}: {link}")
    assert wrong == []


def test_each_notebook_has_its_page_its_file_and_its_talk(site, pages):
    for notebook in SERIES:
        page, file = pages[f"notebooks/{notebook.name}.html"], notebook.path.name
        outputs = [output for cell in notebook.code for output in cell.outputs]
        alts = [alt_text(output) for output in outputs if "image/png" in output.get("data", {})]
        assert values(page, "alt", "img") == alts != [], notebook.name
        links = {*values(page, "href", "a")}
        assert {f"../downloads/{file}", f"../slides/{notebook.name}.html"} <= links
        assert BINDER.format(path=f"notebooks/{file}") in links
        talk = (site / "slides" / f"{notebook.name}.html").read_text(encoding="utf-8")
        assert f"../notebooks/{notebook.name}.html" in values(talk, "href", "a")
        for module in filter(None, map(exported_to, notebook.code)):
            links = values(pages[f"reference/taught/{module}.html"], "href", "a")
            assert f"../../notebooks/{notebook.name}.html" in links
        solutions = len(notebook.exercises) if site.name == "instructors" else 0
        for mark, count in [("BEGIN SOLUTION", 1), ("Show a solution", 1), ("# noqa", 0)]:
            assert page.count(mark) == count * solutions, mark
        for overview in ("index", "series"):
            assert f'href="notebooks/{notebook.name}.html"' in pages[f"{overview}.html"]
        assert re.search(rf"\b{notebook.times.minutes}\smin", pages["series.html"])
    assert "2027-01-15, 23:59 (UTC+01:00)" in pages["series.html"]


def test_only_instructors_have_the_answers(site, pages):
    own = {f"{name}.html" for name in ("monday", "instructors", "marking", "oral", "CONTRIBUTING")}
    assert own & pages.keys() == (own if site.name == "instructors" else set())
    lines = secrets()
    assert {name for _, name in lines} == {notebook.name for notebook in SERIES}
    assert len(lines) > 200
    texts = {path.relative_to(site).as_posix(): words(text) for path, text in readable(site)}
    found = [(name, line) for line, _ in lines for name, text in texts.items() if line in text]
    if site.name == "students":
        assert found == []
    else:  # the search sees them where they are
        assert {line for _, line in found} == {line for line, _ in lines}


def secrets():
    """Each line of a solution that no student's notebook shows or prints, with its notebook."""
    cells = [cell for notebook in SERIES for cell in unsolved(solved(notebook)).cells]
    cells += [type(cell)(source=printed(cell)) for notebook in SERIES for cell in notebook.code]
    known = "\n".join(words(cell.source) for cell in cells)
    return {
        (line, notebook.name)
        for notebook in SERIES
        for cell in notebook.solutions
        for solution in re.findall(f"{BEGIN}\n(.*?){END}", cell.source, re.DOTALL)
        for line in map(words, re.sub(r"#.*", "", solution).splitlines())
        if len(line) > 8 and line not in known
    }


def readable(site):
    """The files of a site that a reader or a search may read, with their texts."""
    for path in site.rglob("*"):
        if path.suffix in {".html", ".js", ".txt", ".md", ".ipynb"}:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".ipynb":
                text = "\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells)
            yield path, html.unescape(re.sub(r"<[^>]*>", "", text))


def words(text):
    """A text with single spaces."""
    return " ".join(text.split())


def test_a_control_becomes_a_sentence_and_its_state_is_left_out():
    view = new_output("display_data", {WIDGET: {"model_id": "1"}, "text/plain": "VBox()"})
    notebook = new_notebook(cells=[new_code_cell("explore()", outputs=[view])])
    notebook.metadata["widgets"] = {"state": {}}
    text = [nbformat.writes(notebook)]
    runpy.run_path(str(sites.HERE / "conf.py"))["adapt"](None, "notebooks/01", text)
    adapted = nbformat.reads(text[0], as_version=4)
    assert "widgets" not in adapted.metadata
    assert list(adapted.cells[0].outputs[0].data) == ["text/markdown"]


@pytest.mark.parametrize(
    ("code", "caption", "look"),
    [
        ("ax.plot(losses)", "The loss falls.", dark.INVERTED),
        ("ax.plot(losses)", "Grey: the mean.", dark.DIMMED),
        ("draw(template)", "The template.", dark.DIMMED),
    ],
)
def test_a_dark_page_turns_no_figure_whose_words_would_be_false(code, caption, look):
    draws = "def draw(template):\n    ax.imshow(template)"
    cells = [new_code_cell(draws), new_code_cell(code), new_markdown_cell(caption)]
    notebook = Notebook("01", sites.HERE, new_notebook(cells=cells))
    drawing = dark.drawing_images(notebook)
    assert dark.look(notebook, cells[1], "A figure.", drawing) == look


def test_a_course_takes_what_its_notebooks_need():
    needs = roads.needed(SERIES)
    for weeks, taken in roads.COURSES.items():
        assert taken <= set(needs), f"{weeks} weeks: a notebook that there is not"
        assert set().union(*(needs[number] for number in taken)) <= taken, f"{weeks} weeks"
