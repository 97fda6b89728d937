"""Which cells of a notebook others need: those that give, or change, what they use."""

import ast
import builtins
import dis
import re
from collections.abc import Callable
from types import CodeType

from nbformat import NotebookNode


def needed(
    cells: list[NotebookNode], wanted: Callable[[NotebookNode], object], *, changes: bool = True
) -> list[NotebookNode]:
    """The cells that are wanted, and those that bind or (with changes) change a name, or draw.

    A change is seen where the name stands: in `net.train(X, y)` or `table[0] = 1`, at the top of a
    cell or in its loops. Not seen is what a function does to its arguments, and what becomes of a
    name between a function that uses it and the call. To draw is to use a generator.
    """
    code = "\n".join(cell.source for cell in cells)
    generators = set(re.findall(r"(\w+) = np\.random\.default_rng", code))
    modules = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    found: list[NotebookNode] = []
    missing: set[str] = set()  # what functions look up when they are called, and is bound below
    while True:
        before, found, names = missing, [], set(missing)
        for cell in reversed(cells):
            bound, used = names_of(compile(cell.source, cell.id, "exec"))
            given = bound | used & generators
            if changes:
                given |= changed(ast.parse(cell.source)) - modules
            if wanted(cell) or given & names:
                found.append(cell)
                names = names - bound | used
        missing = missing | names - vars(builtins).keys()
        if missing == before:
            return found[::-1]


def names_of(code: CodeType) -> tuple[set[str], set[str]]:
    """The names that code binds, and those of the notebook that it uses before it binds them."""
    bound: set[str] = set()
    used: set[str] = set()
    for step in dis.get_instructions(code):
        if step.opname == "STORE_NAME":
            bound.add(step.argval)
        elif step.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
            used |= {step.argval} - bound
        elif isinstance(step.argval, CodeType):  # of a function or a class
            used |= names_of(step.argval)[1] - bound
    return bound, used


def changed(node: ast.AST) -> set[str]:
    """The names whose things statements change in place: outside the functions that they define."""
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef() | ast.ClassDef() | ast.Lambda():
                continue
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
                found.add(name)
            case ast.Subscript(ctx=ast.Store()) | ast.Attribute(ctx=ast.Store()):
                found |= {name.id for name in ast.walk(child) if isinstance(name, ast.Name)}
        found |= changed(child)
    return found
