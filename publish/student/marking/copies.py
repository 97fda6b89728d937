"""Answers that are one answer: equal but for comments, blank space and names of local variables."""

import ast
from collections import defaultdict
from collections.abc import Iterator

from nbformat import NotebookNode
from nbgrader.utils import is_solution

from .bending import bound, definitions, local_names, parsed
from .submission import code

LONG = 5  # lines of a student's own, from which on two equal answers tell something
WHOLE = "every answer to the letter"
RENAMED = "every answer, names and comments apart"
WHOLE_LINES, WHOLE_ANSWERS = 6, 4  # from which on whole hand-ins do, to the letter


class Copies:
    """The answers of a class, by what they say.

    Parameters
    ----------
    released, solved : NotebookNode
        What students got, and its source with the solutions: who answers as published, or with
        lines of the release, copies from nobody.
    """

    def __init__(self, released: NotebookNode, solved: NotebookNode) -> None:
        cells = [cell.source for cell in (*code(released), *code(solved))]
        answers = [cell.source for cell in code(released) if is_solution(cell)]
        self.asked = {name for answer in answers for name in bound(answer)}
        self.known = {normal(node) for cell in cells for _, node in definitions(cell)}
        self.given = {line for cell in code(released) for line in spoken(parsed(cell.source))}
        self.groups = defaultdict[tuple[str, str], list[str]](list)

    def add(self, student: str, notebook: NotebookNode) -> None:
        """Note what a student answers."""
        found = dict[str, tuple[str, str, int]]()  # what it says, its letters, its own lines
        for cell in code(notebook):
            for name, node in definitions(cell.source):
                if name in self.asked and (says := normal(node)) not in self.known:
                    own = sum(line not in self.given for line in spoken(node)[1:])
                    found[name] = says, ast.get_source_segment(cell.source, node) or "", own
        letters = "\n".join(text for _, text, _ in found.values())
        total = sum(own for *_, own in found.values())
        if total >= 2 * LONG or (total >= WHOLE_LINES and len(found) >= WHOLE_ANSWERS):
            self.groups[WHOLE, letters].append(student)
        if total >= 2 * LONG:
            self.groups[RENAMED, "\n".join(says for says, *_ in found.values())].append(student)
        for name, (says, _, own) in found.items():
            if own >= LONG:
                self.groups[name, says].append(student)

    def told(self) -> Iterator[tuple[list[str], str]]:
        """Students who share answers, and which; the smallest groups first."""
        shared = defaultdict[tuple[str, ...], list[str]](list)
        for (name, _), students in self.groups.items():
            if len(students) > 1:
                shared[tuple(students)].append(name)
        for group, names in sorted(shared.items(), key=lambda each: len(each[0])):
            whole = [name for name in (WHOLE, RENAMED) if name in names]
            yield list(group), (whole or [", ".join(names)])[0]


def plain(node: ast.AST) -> ast.Module:
    """A copy of code without docstrings."""
    tree = ast.parse(ast.unparse(node))
    for each in ast.walk(tree):
        if isinstance(each, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(each) is not None:
            each.body = each.body[1:] or [ast.Pass()]
    return tree


def spoken(node: ast.AST) -> list[str]:
    """The lines of code, one for each statement."""
    return [line.strip() for line in ast.unparse(plain(node)).splitlines() if line.strip()]


def normal(node: ast.AST) -> str:
    """What a function says, whatever its variables are called."""
    tree, numbers = plain(node), dict[str, str]()
    names = local_names(tree.body[0])
    for each in ast.walk(tree):
        field = {ast.Name: "id", ast.arg: "arg", ast.FunctionDef: "name"}.get(type(each), "")
        if (name := getattr(each, field, "")) in names and each is not tree.body[0]:
            setattr(each, field, numbers.setdefault(name, f"v{len(numbers)}"))
    return ast.dump(tree)
