"""What stands in place of what: stubs for solutions, marks of a release, other seeds in checks."""

import re

from nbformat import NotebookNode

from cs231n_utils.progress import digest

MOVED = 1000  # what is added to the seeds of checks when they are graded
SEED = re.compile(r"default_rng\((\d+|seed)\)")
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION (.+)\n(?:.*\n)*? *### END SOLUTION$", re.M)


def stubbed(source: str) -> str:
    """Code whose solutions are errors with the messages that stand behind BEGIN SOLUTION."""
    return SOLUTION.sub(r'\1raise NotImplementedError("\2")', source)


def as_released(cell: NotebookNode) -> NotebookNode:
    """The cell, in which now stands what it was released as."""
    cell.metadata["released"] = {"id": cell.id, "digest": digest(cell.source)}
    return cell


def with_seeds_moved(source: str, by: int) -> str:
    """A check that draws other numbers than the one that students see."""
    return SEED.sub(rf"default_rng(\1 + {by})", source)
