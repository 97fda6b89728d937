"""How nbgrader makes a student's notebook from a solved one, and reads what comes back."""

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions, DeduplicateIds, NbGraderPreprocessor

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
    """Writes into each cell what it was released as, so that update.py can tell what changed."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Mark the cell."""
        return as_released(cell), resources


class UnmarkCopies(DeduplicateIds):
    """Takes nbgrader's marks from the copies of a cell, as JupyterLab makes them.

    DeduplicateIds leaves an empty mark. nbgrader takes that for an old version, and one copied or
    split cell would end the grading of the class.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Remove the mark if a later cell has the same one."""
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if not cell.metadata.get("nbgrader", True):
            del cell.metadata["nbgrader"]
        return cell, resources
