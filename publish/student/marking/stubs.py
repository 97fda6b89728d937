"""What students get in place of solutions, and the marks by which start.py tells their changes."""

import re

from nbformat import NotebookNode

from cs231n_utils.progress import digest

SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION (.+)\n(?:.*\n)*? *### END SOLUTION$", re.M)


def stubbed(source: str) -> str:
    """Code whose solutions are errors with the messages that stand behind BEGIN SOLUTION."""
    return SOLUTION.sub(r'\1raise NotImplementedError("\2")', source)


def as_released(cell: NotebookNode) -> NotebookNode:
    """The cell, in which now stands what it was released as."""
    cell.metadata["released"] = {"id": cell.id, "digest": digest(cell.source)}
    return cell
