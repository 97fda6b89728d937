"""How nbgrader makes a student's notebook from a solved one."""

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor

from .stubs import as_released, stubbed


class NamedStubs(ClearSolutions):
    """Replaces a solution by an error with the message that stands behind BEGIN SOLUTION.

    A solution without a message gets nbgrader's own stub.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Replace the cell's solutions."""
        before, cell.source = cell.source, stubbed(cell.source)
        if cell.source != before:
            return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)


class MarkCells(NbGraderPreprocessor):
    """Writes into each cell what it was released as, so that start.py can tell what changed."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Mark the cell."""
        return as_released(cell), resources
