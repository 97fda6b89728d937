"""README.md says of the notebooks what they say of themselves."""

import re

from publish.notebook import ROOT, Notebook

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_notebooks_agrees_with_their_contracts():
    stated = {
        name: tuple(map(int, times))
        for name, *times in re.findall(
            r"^\| \[(\w+)\]\(notebooks/\1\.ipynb\) \|.*\| (\d+)/(\d+) \|$", README, re.M
        )
    }
    assert stated == {notebook.name: notebook.times[:2] for notebook in Notebook.series()}


def test_its_links_and_images_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "data" / "README.md"]:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_its_commands_are_those_of_make_help():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    explained = re.findall(r"^([a-z]+):[^#\n]* (##+) (.*)$", makefile, re.M)
    assert {name for name, _, _ in explained} == set(
        re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split()
    )
    for_everyone = [(name, text) for name, mark, text in explained if mark == "##"]
    assert re.findall(r"^\| `make (\w+)` \| (.*) \|$", README, re.M) == for_everyone
    assert len(for_everyone) <= 11
