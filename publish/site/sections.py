"""An index of sections, so that the site's search opens the place where the words stand.

Sphinx notes on which page a word is, not where on it, nor how often. What a query finds in this
index, publish/site/templates/search.html puts in the place of whole pages.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.search import SearchLanguage

CODE = (nodes.literal_block, nodes.doctest_block)
# Of an object Sphinx finds the name.
SKIPPED = (nodes.raw, nodes.comment, nodes.math, nodes.math_block, addnodes.desc_signature)
# What a word is worth to a section: in its heading, and more if that of the page or above has it;
# in bold, as the name of something new; at most in its text, and after how many uses half of that;
# in code alone, for an import line is no chapter.
HEADING, ABOVE, BOLD, TEXT, HALF, CODE_ALONE = 100, 30, 60, 100, 3, 10
NAME = re.compile(r"(?!Figure)[\w-]+(?: [\w-]+){0,2}")  # what is longer is a sentence
# Pages on how a class is run count twice: their words, such as points, mean more in mathematics.
FOR_A_CLASS = {"ask", "grading", "monday", "large_classes", "language_models"}
TWICE = 2  # uses that make a pair of words, such as "learning rate", a term


class Sections:
    """The sections of all pages, and what each word is worth to those that hold it."""

    def __init__(self) -> None:
        self.places: list[tuple[str, str, str]] = []  # page, anchor, what a result is called
        self.words: dict[str, list[int]] = {}  # place, worth, place, worth, and so on

    def note(self, app: Sphinx, doctree: nodes.document, page: str) -> None:
        """Note each section of a page, and each function and class that it describes."""
        title = app.env.titles[page].astext()
        lang = app.builder.indexer.lang  # type: ignore[attr-defined]
        for part in doctree.findall(is_part):
            first, own = part.parent is doctree, heading(part)
            for word, value in worth(part, lang).items():
                value *= 1 + (page in FOR_A_CLASS)
                self.words.setdefault(word, []).extend([len(self.places), value])
            anchor = "" if first else f"#{anchor_of(part)}"
            self.places.append((page, anchor, title if first else f"{title} > {own}"))

    def write(self, app: Sphinx, error: Exception | None) -> None:
        """Write the index, as a script: a page that is opened as a file may read no other."""
        index = [self.places, dict(sorted(self.words.items()))]
        text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
        target = Path(app.outdir, "_static", "sections.js")
        target.write_text(f"const SECTIONS = {text};\n", encoding="utf-8")


def worth(part: nodes.Element, lang: SearchLanguage) -> dict[str, int]:
    """What the words of a part, and its pairs of neighbours in either order, are worth to it."""

    def terms(text: str) -> Counter[str]:
        both = ((word.lower(), lang.stem(word.lower())) for word in lang.split(text))
        known = (stem if lang.word_filter(stem) else word for word, stem in both)
        words = [word for word in known if lang.word_filter(word)]
        return Counter(words) + Counter(" ".join(sorted(pair)) for pair in pairwise(words))

    code = terms(" ".join(own_text(part, code=True)))
    found = Counter(dict.fromkeys((word for word in code if " " not in word), CODE_ALONE))
    for word, uses in terms(" ".join(own_text(part))).items():
        if " " not in word or uses >= TWICE:
            found[word] = TEXT * uses // (uses + HALF)
    bold = [node.astext() for node in part.findall(nodes.strong) if around(node) is part]
    new = {word for name in bold if NAME.fullmatch(name) for word in terms(name)}
    found.update(dict.fromkeys(new, BOLD))
    if isinstance(part, nodes.section):
        above = [terms(heading(each)) for each in (part, *parents(part))]
        found.update(dict.fromkeys(above[0], HEADING))
        for word in found.keys() & {word for each in above[len(above) > 1 :] for word in each}:
            found[word] += ABOVE
    return found


def is_part(node: nodes.Node) -> bool:
    """Whether a node is a section, or describes a function or a class with its methods."""
    return isinstance(node, nodes.section) or (
        isinstance(node, addnodes.desc) and isinstance(node.parent, nodes.section)
    )


def around(node: nodes.Node) -> nodes.Node:
    """The part that a node is in."""
    return node if is_part(node) else around(node.parent)


def parents(part: nodes.Node) -> Iterator[nodes.Element]:
    """The sections around a part."""
    while isinstance(part.parent, nodes.section):
        part = part.parent
        yield part


def heading(part: nodes.Element) -> str:
    """A section's heading, or an object's name."""
    if isinstance(part, addnodes.desc):
        return str(part[0].get("fullname", ""))
    return part[0].astext()


def anchor_of(part: nodes.Element) -> str:
    """The id to which a link leads."""
    return str((part[0] if isinstance(part, addnodes.desc) else part)["ids"][0])


def own_text(node: nodes.Element, *, code: bool = False) -> Iterator[str]:
    """The texts of a part that are in no part below it: those around its code, or in it."""
    for child in node.children:
        if isinstance(child, nodes.Text):
            if not code:
                yield str(child)
        elif isinstance(child, CODE):
            if code:
                yield child.astext()
        elif not is_part(child) and not isinstance(child, (*SKIPPED, nodes.title)):
            yield from own_text(child, code=code)
