"""Answers that are one answer: equal but for comments, names of local variables, order of lines."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from nbformat import NotebookNode
from nbgrader.utils import is_solution

from .bending import bound, definitions, local_names, parsed
from .submission import code

LONG = 5  # lines of a student's own, from which on two equal answers tell something
WHOLE = "every answer to the letter"
RENAMED = "every answer, names, comments and order apart"
MOST = "{} answers to the letter: {}"
PUBLISHED = ", as published, names, comments and order apart"
LINES, ANSWERS = 6, 4  # from which on several short answers do, to the letter

Answers = tuple[tuple[str, str, int], ...]  # each a name, its text, its own lines


class Copies:
    """The answers of a class, by what they say.

    Parameters
    ----------
    released, solved : NotebookNode
        What students got, and its source with the solutions: who answers as published, or with
        lines of the release, copies from no student.
    """

    def __init__(self, released: NotebookNode, solved: NotebookNode) -> None:
        cells = [cell.source for cell in (*code(released), *code(solved))]
        answers = [cell.source for cell in code(released) if is_solution(cell)]
        self.asked = {name for answer in answers for name in bound(answer)}
        self.known = {normal(node) for cell in cells for _, node in definitions(cell)}
        self.published = {
            letters(cell.source, node)
            for cell in code(solved)
            for _, node in definitions(cell.source)
        }
        self.given = {line for cell in code(released) for line in spoken(parsed(cell.source))}
        self.groups = defaultdict[tuple[str, str], list[str]](list)
        self.short = defaultdict[tuple[str, str, int], list[str]](list)  # to the letter
        self.count = 0

    def add(self, student: str, notebook: NotebookNode) -> None:
        """Note what a student answers."""
        found = dict[str, tuple[str, str, int]]()  # what it says, its letters, its own lines
        for cell in code(notebook):
            for name, node in definitions(cell.source):
                if name in self.asked:
                    own = sum(line not in self.given for line in spoken(node)[1:])
                    found[name] = normal(node), letters(cell.source, node), own
        for name, (says, text, own) in [*found.items()]:
            if says in self.known:
                del found[name]
                if own >= LONG and text not in self.published:
                    self.groups[name + PUBLISHED, says].append(student)
        self.count += 1
        for name, (_, text, own) in found.items():
            self.short[name, text, own].append(student)
        total = sum(own for *_, own in found.values())
        if total >= 2 * LONG or (total >= LINES and len(found) >= ANSWERS):
            self.groups[WHOLE, "\n".join(text for _, text, _ in found.values())].append(student)
        if total >= 2 * LONG:
            self.groups[RENAMED, "\n".join(says for says, *_ in found.values())].append(student)
        for name, (says, _, own) in found.items():
            if own >= LONG:
                self.groups[name, says].append(student)

    def told(self) -> Iterator[tuple[list[str], str]]:
        """Students who share answers, and which; the smallest groups first."""
        shared = defaultdict[tuple[str, ...], list[str]](list)
        for (name, _), students in self.groups.items():
            telling = name in (WHOLE, RENAMED) or len(students) <= few(self.count)
            if (telling and len(students) > 1) or name.endswith(PUBLISHED):
                shared[tuple(students)].append(name)
        for those, answers in self.several().items():
            if not any(those <= {*group} for group in shared):
                names = sorted(name for name, *_ in answers)
                shared[tuple(sorted(those))] = [MOST.format(len(names), ", ".join(names))]
        for group, names in sorted(shared.items(), key=lambda each: len(each[0])):
            whole = [name for name in (WHOLE, RENAMED) if name in names]
            known = [name.removesuffix(PUBLISHED) for name in names if name.endswith(PUBLISHED)]
            parts = [name for name in names if not name.endswith(PUBLISHED)]
            parts += [", ".join(known) + PUBLISHED] * bool(known)
            yield list(group), (whole or [", ".join(parts)])[0]

    def several(self) -> dict[frozenset[str], Answers]:
        """Students who share several short answers that few others have, and these answers."""
        pairs = defaultdict[tuple[str, str], list[tuple[str, str, int]]](list)
        for answer, students in self.short.items():
            if len(students) <= few(self.count):
                for pair in combinations(students, 2):
                    pairs[pair].append(answer)
        groups = defaultdict[Answers, set[str]](set)
        for pair, answers in pairs.items():
            if len(answers) >= ANSWERS and sum(own for *_, own in answers) >= LINES:
                groups[tuple(answers)] |= {*pair}
        return {frozenset(students): answers for answers, students in groups.items()}


def few(count: int) -> int:
    """How many students of a class are few: what more of them have tells nothing of one."""
    return max(5, count // 10)


def letters(source: str, node: ast.AST) -> str:
    """The text of a function in a cell."""
    return ast.get_source_segment(source, node) or ""


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
    """What a function says, whatever its variables are called, and in whatever order."""
    tree = plain(node)
    names = local_names(tree.body[0])
    for each in ast.walk(tree):
        field = {ast.Name: "id", ast.arg: "arg", ast.FunctionDef: "name"}.get(type(each), "")
        if getattr(each, field, "") in names and each is not tree.body[0]:
            setattr(each, field, "v")
    return "\n".join(sorted(spoken(tree)))
