"""What other parts of `publish` provide, until they are here: then import them, and delete this.

`publish.student.anywhere.anywhere`, `publish.slides.build.build`, `publish.quiz.page`,
`publish.quiz.marking` and `publish.live.build.figure`.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from publish.notebook import Notebook


def _provided(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name, None)
    except ImportError:
        return None


def anywhere(notebook: Notebook) -> Notebook:
    """The notebook with a first cell that installs the package."""
    found = _provided("publish.student.anywhere", "anywhere")
    return found(notebook) if found else notebook


def quiz(answers: bool) -> str:
    """The questions of all talks."""
    found = _provided("publish.quiz", "page")
    return found(answers=answers) if found else "# Questions\n"


def marking() -> str:
    """The marking notes."""
    found = _provided("publish.quiz", "marking")
    return found() if found else "# Marking notes\n"


def live(notebook: str, cell_id: str, folder: str) -> str:
    """The HTML of a widget that needs no kernel; "" if its pictures are not stored."""
    found = _provided("publish.live.build", "figure")
    return str(found(notebook, cell_id, folder)) if found else ""


def build_slides(folder: Path, students: bool) -> None:
    """Write the talks into a folder, with links to the notebooks' pages."""
    slides: Any = import_module("publish.slides.build")
    if hasattr(slides, "build"):
        slides.build(folder, students=students, address="../notebooks/{}.html")
        return
    folder.mkdir(parents=True, exist_ok=True)
    with patch.multiple(slides, OUTPUT=folder, ROOT=folder), patch("sys.argv", ["slides"]):
        slides.main()
    for page in folder.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        text = re.sub(r'"[^":]*/(\d\d_\w+)\.ipynb"', r'"../notebooks/\1.html"', text)
        page.write_text(text, encoding="utf-8")
