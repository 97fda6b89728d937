"""Lines of a hand-in that rebind, patch or wrap what checks need, or look like it.

And functions that never use a parameter: they may know what their check will ask.
"""

import ast
import builtins
import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import cast

from IPython.core.inputtransformer2 import TransformerManager

# What an answer has no use for: names, attributes, methods other than these, modules besides these.
NAMES = re.compile(
    r"BaseException|KeyboardInterrupt|SystemExit|__(?!name__)\w+__|attrgetter|builtins|compile"
    r"|ctypes|delattr|eval|exec|exit|gc|get_ipython|globals|inspect|locals|methodcaller|open|os"
    r"|quit|setattr|signal|subprocess|sys|threading|vars"
)
ATTRIBUTES = re.compile(
    r"ast_transformers|attrgetter|builtins|DataSource|f_(back|builtins|code"
    r"|globals|locals|trace\w*)|fromfile|genfromtxt|get_field|get_type_hints|gi_frame"
    r"|input_transform\w+|loadtxt|memmap|methodcaller|modules|settrace|setprofile|tb_frame"
    r"|_(getframe|os|sys)"
    r"|__(?!class__|doc__|init__|name__|version__)\w+__"
)
# What checks ask of a model, a layer or an optimizer that an answer is given, and what these hold.
ASKED_OF = re.compile(r"backward|forward|loss|loss_of_scores|predict|scores|step|train")
HELD_BY = re.compile(rf"{ASKED_OF.pattern}|grads|layers|params|state")
PLAIN = {"float_info", "maxsize", "version", "version_info"}  # of sys: numbers and a text
METHODS = re.compile(r"__(?!main|init|call|repr|str|len|iter|getitem)\w+__")
NEUTRAL = (
    r"collections|copy|IPython\.display|dataclasses|functools|itertools|math|matplotlib|numpy"
    r"|operator|random|statistics|string|time|typing"
)
MODULES = re.compile(rf"({NEUTRAL})(\.|$)")
# Lines that change nothing which a check needs; what an import brings is named where it is used.
USUAL = (
    rf"({NEUTRAL}|gc|inspect|json|logging|os|pandas|pathlib|platform|pprint|re|seaborn|scipy"
    r"|sklearn|sympy|sys|timeit|torch|tqdm|traceback|warnings)(\.\w+)*( as \w+)?"
)
HARMLESS = re.compile(
    rf"import {USUAL}(, {USUAL})*"
    r"|from (__future__|pathlib|pprint|scipy[\w.]*|sklearn[\w.]*|tqdm[\w.]*) import [\w, ]+"
    r"|from cs231n_utils\.gradient_check import [\w, ]+|sys\.setrecursionlimit\([\d_* ()]+\)"
    r"|print\((sys\.version|os\.getcwd\(\)|, )+\)|plt\.rcParams\[['\"][\w.]+['\"]\] = [\w.'\"(), ]+"
    r"|def numerical_gradient\([\w, =.-]*\):"  # to try answers with; a check gets its own back
    r"|import cs231n_utils|gc\.collect\(\)|sys\.stdout\.flush\(\)"
    r"|(print\()?inspect\.signature\(\w+\)\)?"
    r"|warnings\.(filterwarnings|simplefilter)\([^()]*\)|np\.set_printoptions\([\w=., ]*\)"
    r"|os\.environ\[['\"]\w+['\"]\] = ['\"][\w.]*['\"]"
    r"|get_ipython\(\)\.run_line_magic\('(autoreload|cd|config|debug|load_ext|matplotlib|pdb|pip"
    r"|pinfo2?|precision|pwd|reset|whos?)', '[^']*'\)"
    r"|get_ipython\(\)\.run_line_magic\('time(it)?', "
    r"(?!.*(__|attr|eval|exec|import|lambda|open|\b(os|sys)\.))'[^']*'\)"
    r"|get_ipython\(\)\.system\('(git|ls|nvidia-smi|pip|pwd)( [^';&|`$]*)?'\)|(exit|quit)\(\)"
    r"|from google\.colab import (drive|files)|(print\()?os\.(chdir|getcwd|listdir)\([^()]*\)\)?"
    r"|sys\.path\.(append|insert)\([^()]*\)|(print\()?(globals|locals|vars)\(\w*\)(\.keys\(\))?\)?"
    r"|((f|file|out) = |with )?open\(['\"][\w-]+\.(csv|json|log|md|txt)['\"], ['\"][aw]['\"]\)"
    r"( as \w+:( \w+\.write\([^()]*\))?)?"
)
# What may stand above a cell: it runs as without it.
TIMED = re.compile(r"\s*%%(capture|time|timeit)\b.*\n?")
# Functions that give the slope of values.
SLOPES = re.compile(
    r"approx_fprime|Chebyshev|cov|deriv(ative)?|diff|ediff1d|gradient|i?r?fftn?|inv|Legendre"
    r"|linear_regression|lstsq|pinv|Polynomial|ptp|(cheb|herm|herme|lag|leg|poly)(fit|vander)"
    r"|solve|vander"
)
COMPLEX = re.compile(r"complex\w*|emath|c(single|double|longdouble)|imag")  # kinds of numbers
COMPLEX_TEXT = re.compile(r"[<>=]?(complex\w*|c\d+|[FDG])")  # the same, as NumPy reads a text
# What changes an array in its place: methods, and functions of NumPy's.
IN_PLACE = re.compile(r"fill|partition|put|resize|sort")
INTO = re.compile(r"copyto|fill_diagonal|place|put|put_along_axis|putmask|shuffle")
# What answers that give gradients return.
GRADIENT = re.compile(r"d[A-Z]\w*|d[a-z]|d(alpha|beta|gamma)|\w*(grad|slope)\w*")
COUNT = re.compile(r"N|len\(\w+\)|\w+\.shape\[0\]")  # of examples: what means divide by
SCOPES = ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def bent(source: str, given: list[str], answers: list[str]) -> Iterator[tuple[bool, str]]:
    """The telling lines of a student's cell, each with whether it is a matter of style.

    That is a value for a name of the release, or of Python, in place of another one, `h = 5`, also
    a function, or what is harmless, as `%matplotlib inline`.

    Parameters
    ----------
    source : str
        The cell.
    given, answers : list of str
        The cells that the student got, and those that are to be written. Names that only the first
        bind are what checks need, and so are Python's own.
    """
    kept = {name for cell in given for name in bound(cell)} | set(dir(builtins))
    kept -= {name for cell in answers for name in bound(cell)} | {"_"}
    written, source = source.splitlines(), as_python(source)
    imports = [node for node in ast.walk(parsed(source)) if isinstance(node, ast.Import)]
    modules = {each.asname or each.name for node in imports for each in node.names}
    kept |= modules
    usual = set[tuple[str, str, str]]().union(*map(imports_of, given))
    lines = source.splitlines()
    tools = modules.union(*map(tools_of, given)) - of_package(given)
    aliases = aliases_of(source, tools)
    words = {"signal"} & bound(source)  # a name of students' own, too
    style = dict[int, bool]()  # by the number of the line
    for node in telling(parsed(source), kept, words, False, aliases):
        if imported(node) and imported(node) <= usual:  # what the release itself imports
            continue
        slight = isinstance(node, ast.Name | ast.Subscript) and not isinstance(node.ctx, ast.Load)
        slight |= isinstance(node, ast.FunctionDef | ast.Global)  # what follows is seen itself
        name = getattr(node, "name", "") or root(cast(ast.expr, node))
        slight = slight and name not in tools and not METHODS.fullmatch(name)
        style[node.lineno] = slight and style.get(node.lineno, True)
    for number in sorted(style):
        line = lines[number - 1].strip()
        told = written[number - 1].strip() if len(written) == len(lines) else line
        parts = [part.strip() for part in line.split(";")]
        yield style[number] or all(map(HARMLESS.fullmatch, parts)), told


def telling(
    tree: ast.AST, kept: set[str], own: set[str], method: bool, aliases: set[str]
) -> Iterator[ast.stmt | ast.expr | ast.keyword]:
    """The nodes that look like it; `own` are names that the functions around keep to themselves.

    The attributes of `aliases` are others'.
    """
    for node in ast.iter_child_nodes(tree):
        inside = own
        match node:
            case ast.Constant(value=str(name)) | ast.keyword(arg=str(name)):
                # In a dict, given to setattr, or in what format() looks up.
                if METHODS.fullmatch(name) or re.search(r"\.__\w+__", name):
                    yield node
            case ast.Call(func=ast.Name(id="getattr"), args=[_, key, *_]):
                if not isinstance(key, ast.Constant) or ATTRIBUTES.fullmatch(str(key.value)):
                    yield node
            case ast.Name(id="getattr") if not (isinstance(tree, ast.Call) and tree.func is node):
                yield node
            case ast.Call(func=ast.Name(id="type"), args=[_, _, *_]):
                yield node
            case ast.Call(func=timer, args=[code, *_]) if re.search(
                r"\b(timeit|Timer)$", ast.unparse(timer)
            ) and not isinstance(code, ast.Lambda):
                yield node
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                if METHODS.fullmatch(name) if method else name in kept - own:
                    yield node
                inside = own | local_names(node)
            case ast.Lambda():
                inside = own | local_names(node)
            case ast.Global(names=names) if kept & {*names}:
                yield node
            case ast.Import(names=names):
                if not all(MODULES.match(each.name) for each in names):
                    yield node
            case ast.ImportFrom(module=module, names=names):
                if not MODULES.match(module or "") or any(NAMES.fullmatch(n.name) for n in names):
                    yield node
            case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name in PLAIN:
                continue
            case ast.Name(id=name, ctx=ast.Load()):
                if NAMES.fullmatch(name) and name not in own:
                    yield node
            case ast.Name(id=name):
                if METHODS.fullmatch(name) or name in kept - own:  # in a class, too
                    yield node
            case ast.Attribute(attr=name) if ATTRIBUTES.fullmatch(name):
                yield node
            case ast.Call(func=ast.Attribute(value=owner, attr=name), args=values):
                changed = [owner] * bool(IN_PLACE.fullmatch(name))
                changed += values[: bool(INTO.fullmatch(name))]
                for array in changed:  # like array[...] = values
                    if root(array) in kept - own - {"np"}:
                        store = ast.Subscript(array, ast.Constant(...), ast.Store())
                        yield ast.copy_location(store, node)
            case ast.Assign(targets=[ast.Attribute() as target], value=ast.Lambda()):
                if root(target) != "self":  # an object's method, for one of its own
                    yield target
            case (
                ast.Attribute(ctx=ast.Store() | ast.Del())
                | ast.Subscript(ctx=ast.Store() | ast.Del())
            ):
                attribute = node.attr if isinstance(node, ast.Attribute) else ""
                is_method = ASKED_OF.fullmatch(attribute) and root(node) != "self"
                if root(node) in kept - own or is_method or (attribute and root(node) in aliases):
                    yield node
        yield from telling(node, kept, inside, isinstance(node, ast.ClassDef), aliases)


def imported(tree: ast.AST) -> set[tuple[str, str, str]]:
    """What imports bring: module, name and what it is called."""
    return {
        (getattr(node, "module", None) or "", each.name, each.asname or "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for each in node.names
    }


@cache
def imports_of(source: str) -> set[tuple[str, str, str]]:
    """What the imports of a cell bring."""
    return imported(parsed(source))


def of_package(cells: list[str]) -> set[str]:
    """What cells take from the package's finished functions: a student may write it again."""
    taken = set[tuple[str, str, str]]().union(*map(imports_of, cells))
    return {new or name for module, name, new in taken if module.startswith("cs231n_utils.taught")}


def unused(tree: ast.Module | ast.ClassDef, inside: str = "") -> Iterator[tuple[str, str, str]]:
    """Each parameter that a function never names: with the function's name, and its code.

    If it names the first one and more than half, nothing: many right answers need no more.
    """
    for node in tree.body:
        name, function = f"{inside}{getattr(node, 'name', '')}", cast(ast.AST, node)
        if isinstance(node, ast.ClassDef):
            yield from unused(node, f"{name}.")
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, function = f"{inside}{node.targets[0].id}", node.value
        if isinstance(function, ast.FunctionDef | ast.Lambda):
            used = {each.id for each in ast.walk(function) if isinstance(each, ast.Name)}
            given = [n.arg for n in ast.iter_child_nodes(function.args) if isinstance(n, ast.arg)]
            given = [each for each in given if each not in {"self", "cls"}]
            left = [each for each in given if each not in used]
            if given[:1] == left[:1] or 2 * len(left) >= len(given):
                yield from ((name, each, ast.dump(function)) for each in left if each[0] != "_")


def free(source: str, *only: str) -> set[str]:
    """The names that the functions and classes of a cell, or only some, take from outside."""
    found = set[str]()
    for scope in (scope for name, scope in definitions(source) if name in only or not only):
        names = {each.id for each in ast.walk(scope) if isinstance(each, ast.Name)}
        found |= names - local_names(scope)
    return found


@cache
def differences(source: str) -> list[str]:
    """The lines of a cell that subtract two values of one function, as numerical gradients do.

    They divide by the small step, or divide the difference, or name the number by which they
    move. Two values are also of one function if both names were given by the same code, between
    which something has moved. Or they are of one matrix product, of which a factor has moved. And
    the lines of functions that leave it to one of SLOPES, that call a function for both signs of a
    number, or weigh its values by them, or that move by an imaginary one.
    """
    nodes = list(ast.walk(parsed(source)))
    constants = [node for node in nodes if isinstance(node, ast.Constant)]
    numbers = [node.value for node in constants]
    small = any(isinstance(each, float) and 0 < abs(each) < 0.01 for each in numbers)
    factors = [node for node in nodes if isinstance(node, ast.BinOp)]
    factors = [node for node in factors if isinstance(node.op, ast.Div | ast.Mult)]
    quotients = [node for node in factors if isinstance(node.op, ast.Div)]
    means = [node for node in quotients if COUNT.fullmatch(ast.unparse(node.right))]
    scaled = [part for node in factors if node not in means for part in (node.left, node.right)]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    functions = [node for node in calls if isinstance(node.func, ast.Name)]
    values = dict[str, ast.expr]()  # that names stand for
    for assign in (node for node in nodes if isinstance(node, ast.Assign)):
        right = getattr(assign.value, "elts", [assign.value])
        for left in (getattr(each, "elts", [each]) for each in assign.targets):
            pairs = zip(left, right, strict=False)  # of up, _ = f(x + h) the first
            values |= {name.id: value for name, value in pairs if isinstance(name, ast.Name)}
    values |= {
        root(call.func): call.args[0]
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "append" and call.args
    }

    def meant(node: ast.expr) -> ast.expr:
        """What a name stands for; all else stands for itself."""
        return values.get(node.id, node) if isinstance(node, ast.Name) else node

    def called(node: ast.expr) -> str:
        """The function whose value, or part of a value, this is; "" if it is none."""
        node = whole(meant(whole(node)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            node = node.args[0]  # np.array([f(x + h), f(x - h)])
        while isinstance(node, ast.List | ast.Tuple | ast.ListComp):
            inside = [node.elt] if isinstance(node, ast.ListComp) else node.elts
            node = inside[0] if inside else ast.Constant(None)
        return root(node) if node in functions and root(node) not in dir(builtins) else ""

    def called_as(node: ast.expr, *names: str) -> bool:
        """Whether this is a function of one of these names, also of a module's."""
        return (getattr(node, "attr", "") or getattr(node, "id", "")) in names

    def mirrored(*pair: ast.expr) -> bool:
        """Whether these are like f(x) and f(-x), or f(x) and f(1 - x): no small step apart."""
        given = [
            ast.unparse(node.args[0]) for node in pair if isinstance(node, ast.Call) and node.args
        ]
        return any(other in (f"-{one}", f"1 - {one}") for one in given for other in given)

    def same_code(*pair: ast.expr) -> bool:
        """Whether two names stand for what one call, written twice, has given."""
        ends = [values.get(node.id) for node in pair if isinstance(node, ast.Name)]
        codes = {ast.dump(end) for end in ends if end and set(calls) & {*ast.walk(end)}}
        return len(ends) == 2 and None not in ends and len(codes) == 1

    def same_form(*pair: ast.expr) -> bool:
        """Whether two calls, of methods too, differ in nothing but names."""
        forms = {re.sub(r"id='\w+'", "", ast.dump(node)) for node in pair}
        return len(forms) == 1 and all(isinstance(node, ast.Call) for node in pair)

    def same(one: ast.expr, other: ast.expr) -> bool:
        """Whether two pieces of code are the same."""
        return ast.unparse(one) == ast.unparse(other)

    def same_product(one: ast.expr, other: ast.expr) -> bool:
        """Whether these are like (X + E) @ W and X @ W."""
        match one, other:
            case ast.BinOp(a, ast.MatMult(), b), ast.BinOp(c, ast.MatMult(), d):
                pairs = [(a, c)] * same(b, d) + [(b, d)] * same(a, c)
                return any(
                    isinstance(moved, ast.BinOp) and same(moved.left, getattr(at, "left", at))
                    for moved, at in pairs
                )
        return False

    def both_signs(node: ast.expr) -> bool:
        """Whether this is a pair like (1, -1), also as an array."""
        if isinstance(node, ast.Call) and node.args:
            node = node.args[0]
        ends = [ast.unparse(end).lstrip("+") for end in getattr(node, "elts", [])]
        return len(ends) == 2 and (ends[0] == f"-{ends[1]}" or ends[1] == f"-{ends[0]}")

    moved = {root(entry) for entry in map(moved_entry, nodes) if entry}

    def both_moved(*pair: ast.expr) -> bool:
        """Whether these are two values of one expression, of which one takes what has moved."""
        ends = [*map(meant, pair)]
        taken = [
            {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} for node in ends
        ]
        alike = same_form(*ends) or (called(ends[0]) and called(ends[0]) == called(ends[1]))
        apart = taken[0] != taken[1] or same_code(*pair)
        return bool(alike and apart and any(names & moved for names in taken))

    def shifted(*pair: ast.expr) -> bool:
        """Whether these are two values of one function, f(x + 1, w) and f(x, w)."""
        if not called(pair[0]) or called(pair[0]) != called(pair[1]) or mirrored(*pair):
            return False
        given = [
            [each for part in ast.walk(node) if isinstance(part, ast.Call) for each in part.args]
            for node in map(meant, pair)
        ]
        return any(
            isinstance(up, ast.BinOp)
            and isinstance(up.op, ast.Add | ast.Sub)
            and not same(up, at)
            and any(same(up.left, each) for each in (at, getattr(at, "left", at)))
            for ups, ats in (given, given[::-1])
            for up, at in product(ups, ats)
        )

    arguments = [node for node in nodes if isinstance(node, ast.arguments)]
    defaults = [zip(each.args[::-1], each.defaults[::-1], strict=False) for each in arguments]
    steps = {name for name, value in values.items() if is_tiny(value, set())}
    steps |= {each.arg for pairs in defaults for each, value in pairs if is_tiny(value, set())}
    less = list[tuple[ast.expr, ast.expr, ast.expr]]()
    for node in nodes:
        match node:
            case ast.BinOp(left, ast.Sub(), right):
                less.append((node, left, right))
            case ast.BinOp(left, ast.Add(), ast.UnaryOp(ast.USub(), right)):
                less.append((node, left, right))
            case ast.BinOp(left, ast.Add(), ast.Call(func, [right])) if called_as(func, "negative"):
                less.append((node, left, right))
            case ast.Call(func, [left, right, *_]) if called_as(func, "subtract", "sub"):
                less.append((node, left, right))
    found = {
        node.lineno
        for node, left, right in less
        if (called(left) and called(left) == called(right) and not mirrored(left, right))
        or same_code(left, right)
        or same_product(left, right)
        or (small and node in scaled and same_form(left, right))
        if (small or node in scaled) and node not in (each.left for each in means)
    }
    found |= {
        node.lineno for node, left, right in less if both_moved(left, right) or shifted(left, right)
    }
    gained = [  # entry += f(x), and with it entry -= f(x), where x has moved
        (type(node.op).__name__ if isinstance(node, ast.AugAssign) else "Add", node, entry)
        for node in nodes
        if isinstance(node, ast.AugAssign | ast.Assign) and isinstance(node.value, ast.Call)
        for entry in [node.target if isinstance(node, ast.AugAssign) else node.targets[0]]
    ]
    found |= {
        lost.lineno
        for (kind, lost, entry), (other, once, place) in product(gained, repeat=2)
        if moved and (kind, other) == ("Sub", "Add")
        if same(entry, place) and same(lost.value, once.value)
    }
    found |= {
        node.lineno
        for node in quotients
        if is_tiny(node.right, steps) and not isinstance(node.left, ast.Constant)
        if any(isinstance(each, ast.Name) for each in ast.walk(node.right))
    }
    found |= {  # np.divide(... - ..., 1e-7)
        call.lineno
        for call in calls
        if called_as(call.func, "divide", "true_divide", "truediv") and len(call.args) > 1
        if is_tiny(call.args[1], steps)
        if any(isinstance(each, ast.Sub) for each in ast.walk(call.args[0]))
    }
    products = [(node, [node.left, node.right]) for node in nodes if isinstance(node, ast.BinOp)]
    found |= {
        node.lineno
        for node, parts in [*products, *((node, node.args) for node in calls)]
        if (small or node in scaled) and any(map(both_signs, parts)) and any(map(called, parts))
    }
    found |= {node.lineno for node in constants if isinstance(node.value, complex)}
    kinds = [
        call.args[0]
        for call in calls
        if call.args and getattr(call.func, "attr", "") in {"astype", "view"}
    ]
    kinds += [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "dtype"]
    found |= {
        node.lineno
        for node in kinds
        if isinstance(node, ast.Constant) and COMPLEX_TEXT.fullmatch(str(node.value))
    }
    names = [(getattr(node, "attr", "") or getattr(node, "id", ""), node) for node in nodes]
    found |= {getattr(node, "lineno", 0) for name, node in names if COMPLEX.fullmatch(str(name))}
    found |= {
        call.lineno
        for node in nodes
        if isinstance(node, ast.For | ast.GeneratorExp | ast.ListComp)
        for each in getattr(node, "generators", [node])
        if both_signs(each.iter)
        for call in functions
        if call in ast.walk(node) and called(call)
    }
    found |= {
        node.lineno
        for function in nodes
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and SLOPES.fullmatch(node.attr)
    }
    return [as_python(source).splitlines()[number - 1].strip() for number in sorted(found)]


@cache
def once_for_each_entry(source: str) -> list[str]:
    """The lines of a cell that give a function, in a loop, an array of which an entry moves there.

    So a slope is measured without any difference: a linear function at unit arrays is exact.
    """
    found = set[int]()
    loops = [node for node in ast.walk(parsed(source)) if isinstance(node, ast.For)]
    for loop in loops:
        inside = list(ast.walk(loop))
        moved = {root(entry) for entry in map(moved_entry, inside) if entry}
        for node in inside:
            taken = list[ast.expr]()
            match node:
                case ast.Call(ast.Name(name), values) if name not in dir(builtins):
                    taken = values
                case ast.Call(ast.Attribute(attr=name), values) if ASKED_OF.fullmatch(name):
                    taken = values
                case ast.BinOp(left, ast.MatMult(), right):
                    taken = [left, right]
            if {root(each) for each in taken} & moved:
                found.add(cast(ast.expr, node).lineno)
    return [as_python(source).splitlines()[number - 1].strip() for number in sorted(found)]


def moved_entry(node: ast.AST) -> ast.expr | None:
    """The entry of an array that a statement moves by a number, or makes one; None if none."""
    match node:
        case ast.AugAssign(ast.Subscript() as entry, _, ast.Constant() | ast.Name()):
            return entry
        case ast.AugAssign(ast.Subscript() as entry, _, ast.Attribute() | ast.BinOp() as by):
            return None if any(isinstance(each, ast.Call) for each in ast.walk(by)) else entry
        case ast.Assign([ast.Subscript() as entry], ast.Constant(int() | float())):
            return entry
        case ast.Assign([ast.Subscript() as entry], ast.BinOp(was, _, _)):
            return entry if ast.unparse(entry) == ast.unparse(was) else None
    return None


def gradient_givers(source: str) -> set[str]:
    """The functions and classes of a cell that give gradients, by their names or by what returns.

    Others may well subtract two losses: to compare them, or to stop.
    """

    def gives(node: ast.AST) -> bool:
        """Whether this returns a gradient, keeps it for others, or is called so."""
        if isinstance(node, ast.FunctionDef):
            return bool(re.search("backward|derivative|gradient|jacobian|slope", node.name))
        if isinstance(node, ast.Attribute):
            return node.attr == "grads" and isinstance(node.ctx, ast.Store)
        returned = ast.walk(node) if isinstance(node, ast.Return) else ()
        names = [getattr(each, "id", "") or getattr(each, "attr", "") for each in returned]
        return any(map(GRADIENT.fullmatch, names))

    return {name for name, node in definitions(source) if any(map(gives, ast.walk(node)))}


def taken_from(source: str, names: set[str]) -> set[str]:
    """What the code takes from objects with these names: `net.layers[0].backward`, `type(net)`."""
    found = set[str]()
    for part in parsed(source).body:
        objects = names - local_names(part)
        for node in ast.walk(part):
            match node:
                case ast.Attribute(value=owner, attr=held) if HELD_BY.fullmatch(held):
                    found |= {ast.unparse(node)} if root(owner) in objects else set()
                case ast.Call(func=ast.Name(id="type"), args=[owner]):
                    found |= {ast.unparse(node)} if root(owner) in objects else set()
    return {each for each in found if not any(each != one and each in one for one in found)}


def is_tiny(node: ast.expr, steps: set[str]) -> bool:
    """Whether this is a small number, 1e-5 or 2**-20, one of these names, or such a product."""
    match node:
        case ast.Constant(value=float(value)):
            return 0 < value < 0.01
        case ast.Name(id=name):
            return name in steps
        case ast.BinOp(_, ast.Pow(), ast.UnaryOp(ast.USub(), _)):
            return True
        case ast.BinOp(ast.Constant(value=int(one)), ast.Div(), ast.Constant(value=int(many))):
            return 0 < 100 * one < many
        case ast.BinOp(left, ast.Mult(), right):
            return is_tiny(left, steps) or is_tiny(right, steps)
    return False


def whole(node: ast.expr) -> ast.expr:
    """What a subscript takes a part of."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node


def root(node: ast.expr) -> str:
    """The name at the left of attributes, subscripts and calls."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def local_names(scope: ast.AST) -> set[str]:
    """The names that a function, or a class, keeps to itself."""
    found = {node.arg for node in ast.walk(scope) if isinstance(node, ast.arg)}
    if isinstance(scope, ast.FunctionDef):
        found |= {node.name for node in scope.body if isinstance(node, ast.FunctionDef)}
    names = [node for node in ast.walk(scope) if isinstance(node, ast.Name)]
    shared = {
        name for node in ast.walk(scope) if isinstance(node, ast.Global) for name in node.names
    }
    return (found | {node.id for node in names if isinstance(node.ctx, ast.Store)}) - shared


def needed(source: str, given: list[str]) -> set[str]:
    """The names in a cell, and in the functions, classes and values of cells that it needs.

    And the attributes of names, `module.name`.
    """
    inside = dict[str, ast.AST]()
    for node in (node for cell in given for node in parsed(cell).body):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inside[node.name] = node
        elif isinstance(node, ast.Assign):
            inside |= {each.id: node for each in node.targets if isinstance(each, ast.Name)}
    names, nodes = set[str](), list[ast.AST]([parsed(source)])
    while nodes:
        found = set[str]()
        scope = nodes.pop()
        parts: list[ast.AST] = [*scope.body] if isinstance(scope, ast.Module) else [scope]
        for part in parts:
            own = local_names(part) if isinstance(part, ast.FunctionDef) else set()
            found |= {n.id for n in ast.walk(part) if isinstance(n, ast.Name)} - own
            for each in ast.walk(part):
                if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
                    found.add(f"{each.value.id}.{each.attr}")
                elif isinstance(each, ast.Call) and root(each) == "getattr" and len(each.args) > 1:
                    found.add(f"{root(each.args[0])}.{getattr(each.args[1], 'value', '')}")
        nodes += [inside[name] for name in found - names if name in inside]
        names |= found
    return names


def only(source: str, names: set[str]) -> str:
    """The lines of a cell that bind some names, at their places; all others are empty."""
    kept = {
        number
        for node in parsed(source).body
        if bound(ast.unparse(node)) & names
        for number in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    lines = enumerate(as_python(source).splitlines(), start=1)
    return "\n".join(line if number in kept else "" for number, line in lines)


@cache
def bound(source: str) -> set[str]:
    """The names that a cell binds, outside of functions and classes."""
    names, nodes = set[str](), list[ast.AST](parsed(source).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(each.asname or each.name).partition(".")[0] for each in node.names}
        elif not isinstance(node, SCOPES):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            nodes += ast.iter_child_nodes(node)
    return names


def aliases_of(source: str, names: set[str]) -> set[str]:
    """The other names that a cell gives to what has one: `lib = np`."""
    return {
        target.id
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
        if node.value.id in names
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def functions(source: str) -> Iterator[tuple[str, str]]:
    """The functions of a cell, also those without a `def`, each with its text."""
    for node in parsed(source).body:
        text = ast.get_source_segment(as_python(source), node) or ""
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, text
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            yield from ((each.id, text) for each in node.targets if isinstance(each, ast.Name))


def definitions(source: str) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """The functions and classes of a cell."""
    for node in parsed(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node


@cache
def tools_of(source: str) -> set[str]:
    """The names in a cell of what has a body: functions, classes, and what it imports."""
    kinds = ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
    tree = ast.Module([node for node in parsed(source).body if isinstance(node, kinds)], [])
    return bound(ast.unparse(tree))


@cache
def as_python(source: str) -> str:
    """A cell's code: magics and shell commands become calls of get_ipython(), on their lines."""
    if timed := TIMED.match(source):  # above the cell's own code
        source = "\n" * timed[0].count("\n") + source[timed.end() :]
    try:
        ast.parse(source)
    except SyntaxError:
        source = TransformerManager().transform_cell(source)  # type: ignore[no-untyped-call]
    return source


@cache
def parsed(source: str) -> ast.Module:
    """A cell's syntax tree; an empty one where it is no Python."""
    try:
        return ast.parse(as_python(source))
    except SyntaxError:
        return ast.Module([], [])
