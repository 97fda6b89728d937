"""The site is built without a warning, and its links and images lead somewhere."""

import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

import cs231n_utils

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
BINDER = "https://mybinder.org/v2/gh/someone/series/main?urlpath=lab/tree/{path}"


class Page(HTMLParser):
    """What a page links to and loads, the ids that links can name, its headings and images."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.ids, self.headings, self.images = [], [], set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note what a tag names or links to."""
        attributes = dict(attrs)
        if attributes.get("id"):
            self.ids.add(attributes["id"])
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag in ("link", "script", "img", "iframe"):
            self.loaded += [attributes[name] for name in ("href", "src") if name in attributes]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.images.append(attributes.get("alt"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built with a launch address."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "publish/site.py", str(folder)],
        cwd=ROOT,
        env=os.environ | {"CS231N_LAUNCH": BINDER},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    """Every page of the site, by its name."""
    paths = {path.relative_to(site).as_posix(): path for path in site.rglob("*.html")}
    return {name: Page(path) for name, path in paths.items() if not name.startswith("_static")}


def page_of(pages, notebook):
    """A notebook's page."""
    return pages[f"notebooks/{notebook.stem}.html"]


def test_links_lead_somewhere(site, pages):
    dead = []
    for name, page in pages.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            target = target.resolve().relative_to(site).as_posix()
            ids = pages[target].ids if target in pages else set()
            if not (site / target).is_file() or (
                parts.fragment and unquote(parts.fragment) not in ids
            ):
                dead.append(f"{name}: {link}")
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(pages):
    loaded = {link for page in pages.values() for link in page.loaded if urlsplit(link).netloc}
    assert loaded == set()


def test_every_figure_keeps_its_alt_text(pages):
    for notebook in NOTEBOOKS:
        alts = [
            output.metadata["image/png"]["alt"]
            for cell in nbformat.read(notebook, as_version=4).cells
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]
        assert alts
        assert page_of(pages, notebook).images == alts, notebook.name


def test_every_image_says_what_it_shows(pages):
    alts = {alt or "" for page in pages.values() for alt in page.images}
    assert [alt for alt in alts if len(alt.split()) < 5 or "No description" in alt] == []


def test_headings_skip_no_level(pages):
    for name, page in pages.items():
        assert page.headings.count(1) == 1, name
        levels = page.headings[page.headings.index(1) :]
        assert all(below <= above + 1 for above, below in pairwise(levels)), (name, levels)


def test_every_notebook_can_be_downloaded_and_opened_elsewhere(site, pages):
    for notebook in NOTEBOOKS:
        links = page_of(pages, notebook).links
        assert f"../_sources/notebooks/{notebook.name}" in links
        assert BINDER.replace("{path}", f"notebooks/{notebook.name}") in links
        download = site / "_sources" / "notebooks" / notebook.name
        assert download.read_bytes() == notebook.read_bytes()


def test_every_public_definition_is_in_the_reference(pages):
    ids = {name for page in pages.values() for name in page.ids}
    for info in pkgutil.walk_packages(cs231n_utils.__path__, "cs231n_utils."):
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            public = inspect.isfunction(thing) or inspect.isclass(thing)
            if public and not name.startswith("_") and thing.__module__ == info.name:
                assert f"{info.name}.{name}" in ids


def test_what_a_notebook_taught_leads_to_it(pages):
    for path in (ROOT / "cs231n_utils" / "taught").glob("[a-z]*.py"):
        notebook = re.search(r"notebooks/(\w+)\.ipynb", path.read_text(encoding="utf-8"))[1]
        page = pages[f"reference/taught/{path.stem}.html"]
        assert f"../../notebooks/{notebook}.html" in page.links


def test_the_notation_is_the_readmes(site):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = readme.partition("## Notation")[2].partition("\n## ")[0].count("\n|") - 1
    assert (site / "notation.html").read_text(encoding="utf-8").count("<tr ") == rows


def test_every_section_of_the_readme_stands_on_a_page(site):
    text = " ".join(path.read_text(encoding="utf-8") for path in site.glob("*.html"))
    sections = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")[1:]
    for title, _, body in (section.partition("\n") for section in sections):
        if title != "Licence":
            assert re.search(r"(\w+ ){4}\w+", body)[0] in text, title


def test_the_table_of_the_series_names_titles(site):
    page = (site / "series.html").read_text(encoding="utf-8")
    assert [path.stem for path in NOTEBOOKS if f">{path.stem}<" in page] == []


def test_signatures_are_as_written(site):
    for path in site.rglob("reference/**/*.html"):
        page = path.read_text(encoding="utf-8")
        assert str(ROOT) not in page, path
        assert "_typing" not in page, path  # NumPy's private modules


def test_no_line_begins_with_the_comma_behind_a_formula(site):
    formula = r'(.{8})<span class="math [^>]*>[^<]*</span>[^\s<]'
    for notebook in NOTEBOOKS:
        page = (site / "notebooks" / f"{notebook.stem}.html").read_text(encoding="utf-8")
        assert set(re.findall(formula, page)) <= {'gether">'}, notebook.name


def test_without_an_address_there_is_no_launch_link(conf):
    assert conf("")["html_context"]["launch_host"] is None


def test_an_address_needs_a_place_for_the_notebook(conf):
    with pytest.raises(ValueError, match=r"must contain \{path\}"):
        conf("https://mybinder.org/v2/gh/someone/series/main")


def test_a_control_becomes_a_sentence_and_its_state_is_left_out(conf):
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "VBox()"}
    cell = {"metadata": {}, "source": ["explore()"], "outputs": [{"data": view}]}
    text = [json.dumps({"metadata": {"widgets": {"state": {}}}, "cells": [cell]})]
    conf("")["adapt"](None, "notebooks/01", text)
    notebook = json.loads(text[0])
    assert "widgets" not in notebook["metadata"]
    assert list(notebook["cells"][0]["outputs"][0]["data"]) == ["text/markdown"]


def test_a_docstrings_arguments_become_definitions(conf):
    lines = ["Sum.", "", "X, y : inputs |B|", "    and labels. rng : a seed.", "Raises `a|b`."]
    conf("")["describe"](None, "function", "f", None, None, lines)
    text = r"Sum. ``X, y`` inputs \|B\| and labels. ``rng`` a seed. Raises `a|b`."
    assert " ".join("\n".join(lines).split()) == text
    assert lines[lines.index("``rng``") + 1] == "    a seed."
    assert lines[lines.index("Raises `a|b`.") - 1] == ""


def test_a_docstrings_formula_is_kept_and_a_notebook_is_a_link(conf):
    lines = ["Size.", "", "    |a|  / 2", "", "a : a number. Raises", "ValueError. See 04_x."]
    conf("")["describe"](None, "function", "f", None, None, lines)
    assert lines[lines.index("::") + 2] == "    |a|  / 2"
    assert lines[lines.index("    a number.") + 1 :][:2] == ["", "Raises"]
    assert "ValueError. See :doc:`/notebooks/04_x`." in lines


@pytest.fixture
def conf(monkeypatch):
    """Sphinx's settings, read with a launch address."""

    def read(launch):
        monkeypatch.setenv("CS231N_LAUNCH", launch)
        names = {}
        exec((ROOT / "publish" / "site" / "conf.py").read_text(encoding="utf-8"), names)
        return names

    return read
