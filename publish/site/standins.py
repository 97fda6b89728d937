"""What other parts of `publish` provide, until they are here: then import them, and delete this.

`publish.student.edition.anywhere`, `publish.slides.build.build`, `publish.quiz.page` and
`publish.quiz.marking`.
"""

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
    found = _provided("publish.student.edition", "anywhere")
    return found(notebook) if found else notebook


def quiz(answers: bool) -> str:
    """The questions of all talks."""
    found = _provided("publish.quiz", "page")
    return found(answers=answers) if found else "# Questions\n"


def marking() -> str:
    """The marking notes."""
    found = _provided("publish.quiz", "marking")
    return found() if found else "# Marking notes\n"


def build_slides(folder: Path, students: bool) -> None:
    """Write the talks into a folder."""
    slides: Any = import_module("publish.slides.build")
    if hasattr(slides, "build"):
        slides.build(folder, students=students)
        return
    with patch.multiple(slides, OUTPUT=folder, ROOT=folder), patch("sys.argv", ["slides"]):
        folder.mkdir(parents=True, exist_ok=True)
        slides.main()
