"""How nbgrader makes a student's notebook from a solved one."""

import re
from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor

from .update import digest

SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION (.+)\n(?:.*\n)*? *### END SOLUTION$", re.M)


class NamedStubs(ClearSolutions):
    """Replaces a solution by an error with the message that stands behind BEGIN SOLUTION.

    A solution without a message gets nbgrader's own stub.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Replace the cell's solutions."""
        cell.source, found = SOLUTION.subn(r'\1raise NotImplementedError("\2")', cell.source)
        if found:
            return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)


class MarkCells(NbGraderPreprocessor):
    """Writes into each cell what it was released as, so that update.py can tell what changed."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Mark the cell."""
        cell.metadata["released"] = {"id": cell.id, "digest": digest(cell.source)}
        return cell, resources
