"""The site is built without a warning, and its links and images lead somewhere."""

import importlib
import inspect
import pkgutil
import re
import runpy
import warnings
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

import cs231n_utils
from publish.notebook import ROOT, WIDGET, Notebook, alt_text, exported_to
from publish.site.build import HERE, build

SERIES = Notebook.series()
BINDER = "https://mybinder.org/v2/gh/someone/series/main?urlpath=lab/tree/{path}"


class Page(HTMLParser):
    """The tags of a page with their attributes, in order."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text = [], path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))

    def all(self, attribute, *tags):
        """The values of an attribute; of these tags alone, if any are named."""
        return [a[attribute] for tag, a in self.tags if attribute in a and tag in (tags or [tag])]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built with a launch address."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        patch.setenv("CS231N_LAUNCH", BINDER)
        assert build(folder) == 0
    return folder


@pytest.fixture(scope="module")
def pages(site):
    """Every page of the site, by its name."""
    paths = {path.relative_to(site).as_posix(): path for path in site.rglob("*.html")}
    return {name: Page(path) for name, path in paths.items() if not name.startswith("_static")}


def page_of(pages, notebook):
    """A notebook's page."""
    return pages[f"notebooks/{notebook.name}.html"]


def loaded(page):
    """What a page loads."""
    return page.all("src", "script", "img", "iframe") + page.all("href", "link")


def test_links_lead_somewhere(site, pages):
    ids, dead = {name: page.all("id") for name, page in pages.items()}, []
    for name, page in pages.items():
        for link in page.all("href", "a") + loaded(page):
            parts = urlsplit(link)
            if not parts.scheme:
                path = (site / name).parent / unquote(parts.path) if parts.path else site / name
                target = path.resolve().relative_to(site).as_posix()
                fragment = unquote(parts.fragment)
                if not path.is_file() or (fragment and fragment not in ids.get(target, [])):
                    dead.append(f"{name}: {link}")
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(pages):
    links = [link for page in pages.values() for link in loaded(page)]
    assert [link for link in links if urlsplit(link).netloc] == []


def test_images_say_what_they_show(pages):
    for notebook in SERIES:
        outputs = [output for cell in notebook.code for output in cell.outputs]
        alts = [alt_text(output) for output in outputs if "image/png" in output.get("data", {})]
        assert alts
        assert page_of(pages, notebook).all("alt", "img") == alts, notebook.name
    for name, page in pages.items():
        assert len(page.all("src", "img")) == len(page.all("alt", "img")), name
        for alt in page.all("alt", "img"):
            assert len(alt.split()) >= 5, alt
            assert "No description" not in alt


def test_headings_skip_no_level(pages):
    for name, page in pages.items():
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels.count(1) == 1, name
        levels = levels[levels.index(1) :]
        assert all(below <= above + 1 for above, below in pairwise(levels)), (name, levels)


def test_every_notebook_can_be_downloaded_and_opened_elsewhere(site, pages):
    for notebook in SERIES:
        links, file = page_of(pages, notebook).all("href", "a"), notebook.path.name
        assert f"../_sources/notebooks/{file}" in links
        assert BINDER.replace("{path}", f"notebooks/{file}") in links
        download = site / "_sources" / "notebooks" / file
        assert download.read_bytes() == notebook.path.read_bytes()


def test_marks_are_not_shown_and_solutions_of_exercises_are_folded(pages):
    for notebook in SERIES:
        text = page_of(pages, notebook).text
        assert text.count("BEGIN SOLUTION") == len(notebook.exercises)
        assert text.count("Show a solution") == len(notebook.exercises)
        assert "# noqa" not in text


def test_every_public_definition_is_in_the_reference(pages):
    ids = {name for page in pages.values() for name in page.all("id")}
    for info in pkgutil.walk_packages(cs231n_utils.__path__, "cs231n_utils."):
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            public = inspect.isfunction(thing) or inspect.isclass(thing)
            if public and not name.startswith("_") and thing.__module__ == info.name:
                assert f"{info.name}.{name}" in ids


def test_what_a_notebook_taught_leads_to_it(pages):
    for notebook in SERIES:
        for module in filter(None, map(exported_to, notebook.code)):
            links = pages[f"reference/taught/{module}.html"].all("href", "a")
            assert f"../../notebooks/{notebook.name}.html" in links


def test_pages_hold_what_the_readme_says(pages):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = readme.partition("## Notation")[2].partition("\n## ")[0].count("\n|") - 1
    assert pages["notation.html"].text.count("<tr ") == rows
    text = " ".join(page.text for name, page in pages.items() if "/" not in name)
    for title, _, body in (part.partition("\n") for part in readme.split("\n## ")[1:]):
        if title != "Licence":
            assert re.search(r"(\w+ ){4}\w+", body)[0] in text, title
    titles = pages["series.html"].text
    assert [notebook.name for notebook in SERIES if f">{notebook.name}<" in titles] == []


def test_signatures_are_as_written(pages):
    for name, page in pages.items():
        if name.startswith("reference/"):
            assert str(ROOT) not in page.text, name
            assert not re.search(r"\b_[A-Z]\w+", page.text), name  # NumPy's private types


def test_docstrings_have_sections(pages):
    text = pages["reference/taught/training.html"].text
    assert ">Parameters<" in text
    assert "----" not in text


def test_no_line_begins_with_the_comma_behind_a_formula(pages):
    formula = r'(.{8})<span class="math [^>]*>[^<]*</span>[^\s<]'
    for notebook in SERIES:
        found = set(re.findall(formula, page_of(pages, notebook).text))
        assert found <= {'gether">'}, notebook.name


# --- The settings -------------------------------------------------------------------------------


@pytest.fixture
def conf(monkeypatch):
    """A function that reads Sphinx's settings with a launch address."""

    def read(launch):
        monkeypatch.setenv("CS231N_LAUNCH", launch)
        return runpy.run_path(str(HERE / "conf.py"))

    return read


def test_a_launch_address_needs_a_place_for_the_notebook(conf):
    assert conf("")["html_context"]["launch_host"] is None
    with pytest.raises(ValueError, match=r"must contain \{path\}"):
        conf("https://mybinder.org/v2/gh/someone/series/main")


def test_a_control_becomes_a_sentence_and_its_state_is_left_out(conf):
    view = new_output("display_data", {WIDGET: {"model_id": "1"}, "text/plain": "VBox()"})
    notebook = new_notebook(cells=[new_code_cell("explore()", outputs=[view])])
    notebook.metadata["widgets"] = {"state": {}}
    text = [nbformat.writes(notebook)]
    conf("")["adapt"](None, "notebooks/01", text)
    adapted = nbformat.reads(text[0], as_version=4)
    assert "widgets" not in adapted.metadata
    assert list(adapted.cells[0].outputs[0].data) == ["text/markdown"]


def test_in_docstrings_bars_are_bars_and_a_notebook_is_a_link(conf):
    lines = ["Rows |B| of `a|b`, in notebooks/04_x.ipynb.", "", "Returns", "-------", "float"]
    conf("")["read_as_text"](None, "function", "f", None, None, lines)
    assert lines[0] == r"Rows \|B\| of `a|b`, in :doc:`/notebooks/04_x`."
