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
from publish.live import build as live
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
        course = tmp_path_factory.mktemp("course") / "course.toml"
        course.write_text(f"launch = '{BINDER}'", encoding="utf-8")
        patch.setenv("CS231N_COURSE", str(course))
        patch.setattr(live, "STORE", folder / "nothing")  # whatever was drawn here before
        assert build(folder) == 0
    return folder


@pytest.fixture(scope="module")
def pages(site):
    """Every page of the site, by its name."""
    paths = {path.relative_to(site).as_posix(): path for path in site.rglob("*.html")}
    return {name: Page(path) for name, path in paths.items() if not name.startswith("_static")}


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(site, pages):
    ids, wrong = {name: page.all("id") for name, page in pages.items()}, []
    for name, page in pages.items():
        loaded = page.all("src", "script", "img", "iframe") + page.all("href", "link")
        wrong += [f"{name}: {link}" for link in loaded if urlsplit(link).netloc]
        for link in page.all("href", "a") + loaded:
            parts = urlsplit(link)
            if not parts.scheme:
                path = (site / name).parent / unquote(parts.path) if parts.path else site / name
                target = path.resolve().relative_to(site).as_posix()
                fragment = unquote(parts.fragment)
                if not path.is_file() or (fragment and fragment not in ids.get(target, [])):
                    wrong.append(f"{name}: {link}")
    assert wrong == []


def test_pages_read_well(pages):
    """Images say what they show, headings skip no level, and signatures are as written."""
    for name, page in pages.items():
        alts = page.all("alt", "img")
        assert len(page.all("src", "img")) == len(alts), name
        assert all(len(alt.split()) >= 5 and "No description" not in alt for alt in alts), alts
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels.count(1) == 1, name
        levels = levels[levels.index(1) :]
        assert all(below <= above + 1 for above, below in pairwise(levels)), (name, levels)
        if name.startswith("reference/"):
            assert str(ROOT) not in page.text, name
            assert not re.search(r"\b_[A-Z]\w+", page.text), name  # NumPy's private types


@pytest.mark.parametrize("notebook", SERIES, ids=lambda notebook: notebook.name)
def test_a_notebook_has_its_page(site, pages, notebook):
    page, file = pages[f"notebooks/{notebook.name}.html"], notebook.path.name
    outputs = [output for cell in notebook.code for output in cell.outputs]
    alts = [alt_text(output) for output in outputs if "image/png" in output.get("data", {})]
    assert page.all("alt", "img") == alts != []
    links = page.all("href", "a")
    assert {f"../_sources/notebooks/{file}", BINDER.format(path=f"notebooks/{file}")} <= {*links}
    assert (site / "_sources/notebooks" / file).read_bytes() == notebook.path.read_bytes()
    for module in filter(None, map(exported_to, notebook.code)):
        links = pages[f"reference/taught/{module}.html"].all("href", "a")
        assert f"../../notebooks/{notebook.name}.html" in links
    for mark, count in [("BEGIN SOLUTION", 1), ("Show a solution", 1), ("# noqa", 0)]:
        assert page.text.count(mark) == count * len(notebook.exercises), mark
    formula = r'(.{8})<span class="math [^>]*>[^<]*</span>[^\s<]'
    glued = set(re.findall(formula, page.text)) - {'gether">'}
    assert not glued, "a line can begin with the comma behind a formula"
    assert f">{notebook.name}<" not in pages["series.html"].text, "its title stands there"


def test_every_public_definition_is_in_the_reference(pages):
    ids = {name for page in pages.values() for name in page.all("id")}
    for info in pkgutil.walk_packages(cs231n_utils.__path__, "cs231n_utils."):
        for name, thing in vars(importlib.import_module(info.name)).items():
            public = inspect.isfunction(thing) or inspect.isclass(thing)
            if public and not name.startswith("_") and thing.__module__ == info.name:
                assert f"{info.name}.{name}" in ids
    text = pages["reference/taught/training.html"].text
    assert ">Parameters<" in text
    assert "----" not in text


def test_pages_hold_what_the_readme_says(pages):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = readme.partition("## Notation")[2].partition("\n## ")[0].count("\n|") - 1
    assert pages["notation.html"].text.count("<tr ") == rows
    text = " ".join(page.text for name, page in pages.items() if "/" not in name)
    for title, _, body in (part.partition("\n") for part in readme.split("\n## ")[1:]):
        if title != "Licence":
            assert re.search(r"(\w+ ){4}\w+", body)[0] in text, title


# --- The settings -------------------------------------------------------------------------------


def conf():
    """Sphinx's settings."""
    return runpy.run_path(str(HERE / "conf.py"))


def test_a_control_becomes_a_sentence_and_its_state_is_left_out():
    view = new_output("display_data", {WIDGET: {"model_id": "1"}, "text/plain": "VBox()"})
    notebook = new_notebook(cells=[new_code_cell("explore()", outputs=[view])])
    notebook.metadata["widgets"] = {"state": {}}
    text = [nbformat.writes(notebook)]
    conf()["adapt"](None, "notebooks/01", text)
    adapted = nbformat.reads(text[0], as_version=4)
    assert "widgets" not in adapted.metadata
    assert list(adapted.cells[0].outputs[0].data) == ["text/markdown"]


def test_in_docstrings_bars_are_bars_and_a_notebook_is_a_link():
    lines = ["Rows |B| of `a|b`, in notebooks/04_x.ipynb.", "", "Returns", "-------", "float"]
    conf()["read_as_text"](None, "function", "f", None, None, lines)
    assert lines[0] == r"Rows \|B\| of `a|b`, in :doc:`/notebooks/04_x`."
