"""Faults that generic operators plant in code: one change of one statement each.

They change what computes. Text, refusals, defaults, types, drawing and printing stay as they are.
"""

import ast
import builtins
import re
from collections.abc import Iterator
from typing import Any

from publish.notebook import computed, is_docstring

PAIRS = """Add Sub, Mult Div, And Or, Eq NotEq, Is IsNot, In NotIn, Lt Gt, LtE GtE, sum mean,
max min, argmax argmin, maximum minimum, any all, zeros ones, zeros_like ones_like, ceil floor"""
OTHER = {a: b for pair in PAIRS.split(",") for a, b in (pair.split(), pair.split()[::-1])}
EDGE = {"Lt": "LtE", "LtE": "Lt", "Gt": "GtE", "GtE": "Gt"}  # whether a tie counts
FUNCTIONS = {"clip", "sqrt", "exp", "log", "log1p", "abs", "square", "tanh", "cumsum", "diff"}
KEPT = {"islice", *dir(builtins)} - {"reversed", "sorted", "abs", "sum"}  # len, list and others
QUIET = re.compile(r"(.*\.)?(check_\w+|print|display|cast|warn|tqdm|set_postfix)")


PLUMBING = {"print", "display", "explore", "plots", "fig", "ax", "axes", "left", "middle", "right"}


def is_plumbing(node: ast.stmt) -> bool:
    """Whether a statement imports, prints or draws."""
    called = getattr(node, "value", None)
    while isinstance(called, ast.Call | ast.Attribute | ast.Subscript):
        called = called.func if isinstance(called, ast.Call) else called.value
    named = isinstance(called, ast.Name) and called.id in PLUMBING
    return named or isinstance(node, ast.Import | ast.ImportFrom)


def faults(source: str, *, everywhere: bool) -> Iterator[tuple[str, str, str]]:
    """Each fault of a cell: where, the changed statement or head of one, the mutated source.

    Where is the equations' numbers, or the name of the function, such as `Adam.update`. Without
    `everywhere`, only the lines that compute an equation with a number are changed.
    """
    lines = source.split("\n")
    for unit, name, bound in units(ast.parse(source), "", set()):
        first, last = unit.lineno - 1, unit.end_lineno
        label = " ".join(computed("\n".join(lines[first:last])))
        if label or everywhere:
            right = ast.unparse(unit)
            before = lines[first].encode()[: unit.col_offset].decode()
            behind = lines[last - 1].encode()[unit.end_col_offset :].decode()
            for wrong in dict.fromkeys(changes(unit, bound, thorough=bool(label))):
                if wrong != right:
                    shown = f"pass  # {right}" if wrong == "pass" else wrong
                    mutated = [*lines[:first], before + wrong + behind, *lines[last:]]
                    yield label or name or "module", shown, "\n".join(mutated)


def units(node: ast.AST, name: str, bound: set[str]) -> Iterator[tuple[ast.AST, str, set[str]]]:
    """Simple statements and heads of others; the function's name, and what is bound before."""
    for child in [*getattr(node, "body", []), *getattr(node, "orelse", [])]:
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            if child.name != "__repr__":
                arguments = {arg.arg for arg in ast.walk(child) if isinstance(arg, ast.arg)}
                yield from units(child, f"{name}.{child.name}".lstrip("."), arguments)
        elif hasattr(child, "body") and not is_quiet(child):
            heads = [getattr(child, field, None) for field in ("test", "iter")]
            yield from ((head, name, bound) for head in heads if head)
            bound |= names_bound(getattr(child, "target", ast.Pass()))
            yield from units(child, name, bound)
        elif not is_quiet(child):
            yield child, name, bound
            bound |= names_bound(child)


def names_bound(node: ast.AST) -> set[str]:
    """The names that code gives a value."""
    names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return {each.id for each in names if isinstance(each.ctx, ast.Store)}


def is_quiet(statement: ast.stmt) -> bool:
    """Whether a statement computes nothing: text, drawing, a refusal, a report."""
    if isinstance(statement, ast.If) and not statement.orelse:
        return all(map(is_quiet, statement.body))
    silent = isinstance(statement, ast.Raise | ast.Pass) or is_docstring(statement)
    return silent or is_plumbing(statement) or is_quiet_call(getattr(statement, "value", None))


def is_quiet_call(node: object) -> bool:
    """Whether a function is called that refuses, reports or tells types."""
    return isinstance(node, ast.Call) and bool(QUIET.fullmatch(ast.unparse(node.func)))


def changes(unit: ast.AST, bound: set[str], *, thorough: bool) -> Iterator[str]:
    """The unit as text, with one change after the other."""
    yield from without(unit, bound)
    holder = ast.Expr(unit) if isinstance(unit, ast.expr) else unit
    for parent, places, key in inside(holder):
        node = places[key]
        for places[key] in replacements(node, parent, thorough=thorough):
            yield ast.unparse(holder)
        places[key] = node


def without(unit: ast.AST, bound: set[str]) -> Iterator[str]:
    """An update left out, turned round, or in place of what it updates."""
    match unit:
        case ast.AugAssign(target, op, value):
            yield "pass"
            yield f"{ast.unparse(target)} = {ast.unparse(value)}"
            if not is_spared(value):
                yield from (ast.unparse(ast.AugAssign(target, new, value)) for new in others(op))
        case ast.Assign(targets):
            if set().union(*map(names_bound, targets)) <= bound:
                yield "pass"
        case ast.Expr() | ast.Break() | ast.Continue() | ast.Delete():
            yield "pass"


def inside(node: ast.AST) -> Iterator[tuple[ast.AST, Any, Any]]:
    """Of each expression of a unit its parent, the dict or list that holds it, and the key."""
    for field, value in ast.iter_fields(node):
        places = value if isinstance(value, list) else vars(node)
        for key in range(len(value)) if isinstance(value, list) else [field]:
            child = places[key]
            left_out = isinstance(child, ast.JoinedStr | ast.arguments) or is_quiet_call(child)
            left_out |= getattr(child, "arg", "") == "strict"  # a refusal of zip
            if isinstance(child, ast.AST) and not left_out and field not in ("annotation", "msg"):
                if isinstance(child, ast.expr):
                    yield node, places, key
                yield from inside(child)


def replacements(node: ast.expr, parent: ast.AST, *, thorough: bool) -> Iterator[ast.expr]:
    """What operators make of an expression; thorough where it computes an equation."""
    is_called = isinstance(parent, ast.Call) and parent.func is node
    is_negated = isinstance(parent, ast.UnaryOp)  # reshape(-2) is reshape(-1)
    match node:
        case ast.BinOp(left, op, right) if not (is_spared(left) or is_spared(right)):
            yield from (ast.BinOp(left, new, right) for new in others(op))
            if not isinstance(op, ast.MatMult | ast.BitAnd | ast.BitOr | ast.BitXor):
                yield left
            if thorough and isinstance(op, ast.Add | ast.Mult):
                yield right
            if isinstance(op, ast.MatMult) and not ast.unparse(node).islower():
                yield ast.BinOp(right, op, left)  # products of vectors, in small letters, commute
        case ast.UnaryOp(ast.USub() | ast.Not(), operand):
            yield operand
        case ast.Attribute(value, "T") | ast.Call(
            ast.Attribute(value, "copy" | "astype" | "ravel")
        ):
            yield value
        case ast.Attribute(value, attr) if attr in OTHER:
            if is_called or ast.unparse(value) == "np":
                yield ast.Attribute(value, OTHER[attr])
        case ast.Name(id) if is_called and id in OTHER and id != "sum":  # a list has no mean
            yield ast.Name(OTHER[id])
        case ast.Call(ast.Name(id), [value, *_]) if id.islower() and id not in KEPT:
            if not isinstance(value, ast.Starred):
                yield value
        case ast.Call(ast.Attribute(ast.Name("np" | "math"), id), [value, *_]) if id in FUNCTIONS:
            yield value
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value) if not (is_spared(node) or is_negated):
            is_axis = isinstance(parent, ast.keyword) and parent.arg == "axis"
            one_more = isinstance(value, int) or value == 0
            yield ast.Constant(int(not value) if is_axis else value + 1 if one_more else 2 * value)
        case ast.Compare(left, [op], [right]) if not isinstance(parent, ast.Assert):
            yield from (ast.Compare(left, [new], [right]) for new in others(op))
        case ast.BoolOp(op, values):
            yield from (ast.BoolOp(new, values) for new in others(op))
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Slice(lower, upper, step) if step is not None:
            yield ast.Slice(lower, upper)


def others(op: ast.AST) -> list[ast.AST]:
    """The operators that one is mistaken for."""
    name = type(op).__name__
    return [getattr(ast, table[name])() for table in (EDGE, OTHER) if name in table]


def is_spared(node: ast.expr) -> bool:
    """Whether it is a text, or a constant of rounding: a tolerance, or what is added to a root."""
    value = getattr(node, "value", None)
    tiny = isinstance(value, float) and 0 < abs(value) < 1e-5
    return tiny or isinstance(value, str) or isinstance(node, ast.JoinedStr)
