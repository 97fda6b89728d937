"""Links lead somewhere, every notebook has its pages, and answers stay hidden, on both sites."""

import html
import re
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from publish.notebook import BEGIN, END, Notebook, alt_text, exported_to, printed
from publish.student.edition import solved, unsolved

SERIES = Notebook.series()
BINDER = "https://mybinder.org/v2/gh/someone/series/main?urlpath=lab/tree/{path}"


def values(page, attribute, tags=r"\w+"):
    """The values of an attribute in a page's text; of some tags alone, "link|img"."""
    found = re.findall(rf'<(?:{tags})\b[^>]*? {attribute}="([^"]*)"', page)
    return [html.unescape(value) for value in found]


@pytest.fixture(scope="module", params=["instructors", "students"])
def site(request, sites):
    """The folder of a site."""
    return sites / request.param


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
        still = re.sub(r'<img src="[^"]*/first\.png"[^>]*>', "", page)  # less figures that move
        assert values(still, "alt", "img") == alts != [], notebook.name
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
    own = {f"{name}.html" for name in ("monday", "grading", "marking", "oral", "CONTRIBUTING")}
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
