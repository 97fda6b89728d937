"""What students do to a notebook besides answering it: put right, and told to the instructor.

A student's file may have lost cells, marks and checks, or hold them twice. Cells are recognised by
the id of their release, or by what stands in them. They stand in the order of the release again,
and checks are those of the release. Nothing here takes points away.
"""

import ast
import re
from collections import Counter, defaultdict
from copy import deepcopy
from functools import cache
from textwrap import shorten

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.utils import is_grade, is_locked, is_solution

from cs231n_utils.progress import DEFINED, SIGN, digest, is_as_released

from .bending import (
    aliases_of,
    bent,
    bound,
    definitions,
    differences,
    free,
    functions,
    gradient_givers,
    imports_of,
    local_names,
    needed,
    of_package,
    once_for_each_entry,
    only,
    parsed,
    taken_from,
    tools_of,
    unused,
)

# What gives gradients that nobody has derived, besides the package itself.
GRADIENTS = {"imag", "torch", "jax", "autograd"}
SOLUTION = re.compile(
    r"^ *### BEGIN SOLUTION Write (?:part of )?([\w.]+): see.*\n"
    r"((?:.*\n)*?) *### END SOLUTION$",
    re.M,
)
# What reaches the finished functions from the code of a student.
FINISHED = re.compile(r"^[^#]*(cs231n_utils\.taught|from cs231n_utils import|importlib|__import__)")
# Names of errors that grading writes.
STOPPED = ("CellTimeoutError", "DeadKernelError", "LeftOut", "NotRun", "Bent")
CUT = "the rest was not run"
OLDER = ", in a cell that says it is of an older release"
# What an instructor looks at, the gravest first.
SEEN, REACHES, COPIES, IGNORES, STYLE = range(5)
RESTORED = " changed: what was released was run"
CLAIMED = "a cell that is not of the release asks for points: it counts nothing"
CHECKERS = {"check_gradient", "check_directions", "check_model"}  # know a gradient, too
OUTSIDE = re.compile(r"open\(|gradebook|socket|subprocess|\b(os|shutil|urllib|requests)\.|Path\(")
YOURS = re.compile(rf"# {SIGN} .*?: (.*)")  # above what a student writes: what it is


def restore(notebook: NotebookNode, released: NotebookNode) -> list[str]:
    """Give a student's notebook the checks and the marks of its release.

    Parameters
    ----------
    notebook : NotebookNode
        What a student handed in; changed in place. Answers and the student's own cells stay.
    released : NotebookNode
        What the student got.

    Returns
    -------
    list of str
        A sentence for each check that was not there, or not as it was released, for each function
        that an answer's cell gave and has no more, and one for cells that had been moved.
    """
    told, order, last, changed = list[str](), list[str](), "", list[str]()
    originals = {cell.id: cell for cell in released.cells}
    with_ids(notebook)
    names = [known_as(cell, originals) for cell in notebook.cells]
    pairs = [pair for pair in zip(names, notebook.cells, strict=True) if pair[0]]
    # Of copies the last one; of an answer's the last one with an answer.
    pairs.sort(key=lambda pair: is_solution(o := originals[pair[0]]) and is_changed(pair[1], o))
    here, own = dict(pairs), dict[str, list[NotebookNode]]()
    for name, cell in zip(names, notebook.cells, strict=True):
        original = deepcopy(originals.get(name))
        if original is None or here[name] is not cell:
            mark = str(cell.metadata.pop("nbgrader", ""))
            if original is None and "points" in mark and not is_as_released(cell):
                told.append(CLAIMED)
            if original is None or (not is_locked(original) and is_changed(cell, original)):
                own.setdefault(last, []).append(cell)
            continue
        order.append(last := name)
        cell.metadata.pop("nbgrader", None)  # what the release does not say of it
        if "nbgrader" in original.metadata:
            original.id = cell.id
            if not is_locked(original):
                had, has = given_by(original), bound(cell.source)
                lost = {name: text for name, text in had.items() if name not in has}
                told += [f"{name} was deleted: it was put back" for name in lost]
                original.source = "\n\n\n".join([*lost.values(), cell.source])
            elif is_grade(original) and is_changed(cell, original) and differs(cell, original):
                changed.append(check_name(original))
            here[name] = original
    if changed:
        told.append(f"{', '.join(changed)}{RESTORED}")
    if order != [cell.id for cell in released.cells if cell.id in here]:
        told.append("cells were moved: they were run in the order of the release")
    put_in_order(notebook, released, here, own)
    missing = [cell for cell in released.cells if is_grade(cell) and cell.id not in here]
    if here:
        told += [f"{check_name(check)} was deleted: it was put back" for check in missing]
    else:
        told.append("no cell has the marks of the release: all checks were added at the end")
    return told


def borrowed(
    notebook: NotebookNode, released: NotebookNode, solved: NotebookNode
) -> list[tuple[int, str]]:
    """Where a student's code seems to take the finished functions: for the instructor's eye.

    Parameters
    ----------
    notebook, released, solved : NotebookNode
        What a student handed in, what the student got, and its source with the solutions.

    Returns
    -------
    list of (int, str)
        How grave it is, and a sentence that begins with what the cell answers: for lines that reach
        the package's finished functions, or bend what checks need, for answers that call what the
        student has not written, or numerical differences, where the published one does not, for
        parameters that a function ignores and the published one does not, and for answers that are
        the published ones word for word, with their comments.
    """
    given = {line for cell in code(released) for line in lines(cell.source)}
    originals = {cell.id: cell for cell in released.cells}
    answers = [cell.source for cell in code(released) if is_solution(cell)]
    others = [cell.source for cell in code(released) if not is_solution(cell)]
    asked = {name for answer in answers for name in bound(answer)}
    ignored = {each[:2] for cell in code(solved) for each in unused(parsed(cell.source))}
    stubs = {each[2] for answer in answers for each in unused(parsed(answer))}
    published = [cell.source for cell in code(solved) if is_solution(cell)]
    full = {name: words(cell) for cell in published for name in bound(cell)}
    modules = {name for cell in others for name in modules_of(cell)}
    modules |= {new for cell in code(notebook) for new in aliases_of(cell.source, modules)}
    all_cells = [cell.source for cell in code(solved)]
    own_cells = [cell for cell in code(notebook) if cell.source not in [*answers, *others]]
    # What the package lends: what is still to write; and gradients without a derivation.
    measured = GRADIENTS.difference(*map(words, others)) | {"numerical_gradient"}
    lent = asked.difference(*(written(cell) - of_package([cell.source]) for cell in own_cells))
    lent |= measured
    checks = [cell.source for cell in code(released) if is_grade(cell)]
    of_checks = {name for check in checks for name in bound(check)} - asked
    of_checks -= {name for cell in others if cell not in checks for name in tools_of(cell)}
    of_checks = of_checks.difference(*(tools_of(cell.source) for cell in own_cells))
    # Functions that stand beside answers are the student's to keep: nothing puts them back.
    lasting = {
        name: text
        for cell in code(released)
        if is_solution(cell)
        for name, text in given_by(cell).items()
        if any(name in words(check) for check in checks)
        if not name.startswith("suspect")  # whose fault may be mended in its place
    }
    # What the series writes with differences; a variable beside them excuses no helper of its name.
    definitions_given = [each for cell in all_cells for each in functions(cell)]
    expected = {name for name, text in definitions_given if differences(text)}
    givers = {name for cell in published for name in gradient_givers(cell)}
    own_code = [cell.source for cell in own_cells]
    # Variables of the release, which may hold finished models and layers.
    variables = {name for cell in others for name in bound(cell)}
    variables = variables.difference(*map(tools_of, others), *map(bound, own_code))

    def finished(name: str, mine: list[str]) -> bool:
        """Whether this is `module.name`, the package's own answer, or what needs it."""
        module, _, inside = name.partition(".")
        allowed = inside not in mine and (
            any(f"{each}.{inside}" in cell for each in modules for cell in published)
            or inside in forward_of(mine).union(*(full.get(each, set()) for each in mine))
        )
        return module in modules and not allowed and bool(asked & needed(inside, all_cells))

    own, seen, last = list[str](), list[tuple[int, str, str]](), ["the first cells"]
    left = defaultdict[str, list[str]](list)  # parameters, by the function that ignores them
    needs = dict[str, set[str]]()  # what answers reach, by the place where they stand
    brought = dict[str, tuple[str, str]]()  # names that telling lines give, with place and line
    nothing = new_code_cell()
    for cell in code(notebook):
        older = OLDER * is_as_released(cell)  # a mark that a student can write, too
        own += lines(cell.source) * (not older and cell.source not in [*answers, *others])
        original = originals.get(known_as(cell, originals), nothing)
        answer = YOURS.match(original.source)
        mine = [name for name in bound(cell.source) if name in asked]
        names = [answer[1]] if answer else mine or DEFINED.findall(cell.source)
        last = names or last
        place = (", ".join(last) if names else f"below {' and '.join(last)}") + older
        if cell.source == original.source:
            continue
        gives = given_by(cell)
        seen += [
            (COPIES, place, f"{name} is not as it was given, and a check uses it")
            for name in sorted(bound(cell.source) & lasting.keys())
            if name not in gives or done(gives[name]) != done(lasting[name])
        ]
        there = lines(original.source)  # what takes over below a check is not given above it
        telling = [pair for pair in bent(cell.source, others, answers) if pair[1] not in given]
        seen += [(STYLE if style else REACHES, place, line) for style, line in telling]
        there += [line for _, line in telling]
        reaching = [li for li in lines(cell.source) if FINISHED.match(li) and li not in there]
        seen += [(REACHES, place, line) for line in reaching]
        answers_here = [text for name, text in functions(cell.source) if name in mine]
        answer_alone = "\n".join(answers_here) or cell.source  # without what only tries it
        reached = needed(answer_alone, own_code) | {*mine}
        brought |= {
            name: (place, line)
            for line in [*(line for style, line in telling if not style), *reaching]
            for name in bound(line) & bound(cell.source) - asked  # not inside of a function
        }
        if mine:
            own_names = {n for _, each in definitions(answer_alone) for n in local_names(each)}
            needs[place] = needs.get(place, set()) | (reached - own_names)
        parts = [only(each, reached - (expected - {*mine})) for each in own_code]
        helped = of_checks & free(cell.source).union(*map(free, parts))
        if mine and not expected & asked:
            helped |= CHECKERS & free(cell.source, *mine)
        behind = {each for each in reached if each in measured or finished(each, mine)}
        used = (lent & words(answer_alone) | helped | behind).difference(
            bound(cell.source), forward_of(mine), *(full.get(name, set()) for name in mine)
        )
        for names_used, whose in [
            (used & of_checks, "which its check has made"),
            (used - of_checks, "which no answer here needs"),
        ]:
            if names_used and mine:
                seen.append((COPIES, place, f"{', '.join(sorted(names_used))}, {whose}"))
        objects = set[str]().union(*(taken_from(part, variables) for part in parts if mine))
        objects = {each for each in objects if not any(each in cell for cell in published)}
        if objects:
            seen.append((COPIES, place, f"{', '.join(sorted(objects))}, which is not given to it"))
        if givers.intersection(mine) and not expected.intersection(mine):
            apart = dict.fromkeys(line for part in parts for line in differences(part))
            seen += [
                (COPIES, place, f"{line}  [a numerical difference]")
                for line in apart
                if line not in given
            ]
            loops = dict.fromkeys(line for part in parts for line in once_for_each_entry(part))
            seen += [
                (COPIES, place, f"{line}  [once for each entry]")
                for line in loops
                if line not in given and line not in apart
            ]
        for name, parameter, whole in unused(parsed(cell.source)):
            is_asked = name.partition(".")[0] in asked and whole not in stubs
            if is_asked and (name, parameter) not in ignored and parameter not in left[name]:
                left[name].append(parameter)
    for place, reached in needs.items():
        for name in sorted(reached & brought.keys()):
            origin, line = brought[name]
            if origin != place:
                seen.append((COPIES, place, f"{name}, which comes from `{line}`"))
    text, copied = "\n".join(own), list[str]()
    for cell in code(solved):
        for name, solution in SOLUTION.findall(cell.source):
            said = lines(solution)
            is_long = "#" in solution or len(said) > 3  # short ones are alike by chance
            if is_long and "\n".join(said) in text:
                copied.append(name)
    if copied:
        seen.append((COPIES, ", ".join(copied), "word for word the published solution"))
    told = gathered(seen)
    if ignoring := [name for name, names in left.items() if names]:
        never = dict.fromkeys(parameter for name in ignoring for parameter in left[name])
        sentence = f"{', '.join(ignoring)}: never uses what it is given: {', '.join(never)}"
        told.append((IGNORES, sentence))
    return told


def unseen(notebook: NotebookNode, released: NotebookNode) -> list[str]:
    """Sentences for answers that stand where their check does not see them.

    The stub is as it was, and the answer stands below the check, or in the check's cell.
    """
    originals, told = {cell.id: cell for cell in released.cells}, list[str]()
    given = {cell.source for cell in code(released)}
    cells = code(notebook)
    known = [originals.get(known_as(cell, originals)) for cell in cells]
    checks = [place for place, each in enumerate(known) if each is not None and is_grade(each)]
    for place, original in enumerate(known):
        if original is None or not is_solution(original):
            continue
        check = next((each for each in checks if each > place), len(cells))
        below = [written(cell) for cell in cells[check:] if cell.source not in given]
        names = bound(original.source) - written(cells[place])
        if late := sorted(names & set[str]().union(*below)):
            told.append(f"{', '.join(late)}: answered behind the check, which does not see it")
    return told


def gathered(seen: list[tuple[int, str, str]]) -> list[tuple[int, str]]:
    """Sentences for telling lines, the gravest first: each line once.

    Lines are alike if they differ in the operator's name alone.
    """

    def kind(grave: int, place: str, line: str) -> tuple[int, str, str]:
        """What alike lines share; what an answer takes is told of each answer."""
        return grave, re.sub(r"__\w+__", "", line), place * (grave == COPIES)

    alike = Counter(kind(*each) for each in seen)
    cells = defaultdict[tuple[int, str], list[str]](list)
    for grave, place, line in seen:
        if count := alike.pop(kind(grave, place, line), 0):
            shown = line if len(line) <= 100 else f"{line[:97]}..."
            cells[grave, place].append(shown + f" ({count} such lines)" * (count > 1))
    told = list[tuple[int, str]]()
    for grave, place in sorted(cells, key=lambda each: each[0]):
        found = sorted(cells[grave, place], key=lambda line: "=" not in line)  # what binds
        found.sort(key=lambda line: not OUTSIDE.search(line))  # and before it what reaches files
        told += [(grave, f"{place}: {line}") for line in found]
    return told


def stops(graded: NotebookNode) -> list[str]:
    """What went wrong while a notebook was graded: loops, dead kernels, cells that did not run.

    And the errors of the answers' own cells, and checks that lacked memory.
    """
    errors = list[str]()
    for cell in code(graded):
        names = sorted(bound(cell.source)) or DEFINED.findall(cell.source)  # if it is no Python
        place = ", ".join(names) if is_solution(cell) else ""
        for output in cell.outputs:
            if output.output_type != "error" or output.ename == "NotImplementedError":
                continue
            if output.ename.endswith("MemoryError") and is_grade(cell):
                place = check_name(cell)
            if output.ename in STOPPED:
                errors.append(output.evalue)
            elif place:
                errors.append(shorten(f"{place}: {output.ename}: {output.evalue}", 200))
    return list(dict.fromkeys(errors))


def put_in_order(
    notebook: NotebookNode,
    released: NotebookNode,
    here: dict[str, NotebookNode],
    own: dict[str, list[NotebookNode]],
) -> None:
    """Put cells into the order of the release, each with the student's own that followed it.

    Of the code of the release that is missing, a check and what follows it stand behind what the
    student has written in cells of another origin; other code behind the cell that it followed.
    """
    notebook.cells, early, late, before = [], list[NotebookNode](), list[NotebookNode](), ""
    for original in released.cells:
        if original.id in here:
            notebook.cells += [*early, *own.get(before, []), *late, here[original.id]]
            early, late, before = [], [], original.id
        elif original.cell_type == "code" and not is_solution(original):
            restored = deepcopy(original)
            restored.id = f"{original.id[:50]}-restored"
            (late if is_grade(original) or late or not here else early).append(restored)
    notebook.cells += [*early, *own.get(before, []), *late]


# --- Cells --------------------------------------------------------------------------------------


def with_ids(notebook: NotebookNode) -> None:
    """Give every cell an id: programs of before 2021 write none."""
    notebook.nbformat_minor = max(5, notebook.nbformat_minor)
    for position, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"own-{position}")


def known_as(cell: NotebookNode, originals: dict[str, NotebookNode]) -> str:
    """The id of the released cell that a cell is, or is a copy of; "" if there is none."""
    source = cell.source.strip()
    names = [cell.metadata.get("released", {}).get("id"), cell.get("id")]
    names += [name for name, each in originals.items() if each.source.strip() == source]
    return next((name for name in names if name in originals), "")


def code(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@cache
def words(source: str) -> set[str]:
    """The names and attributes of a cell; its words, less those of comments, if it is no Python."""
    nodes = [*ast.walk(parsed(source))]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return names or set(re.findall(r"\w+", re.sub(r"#.*", "", source)))


def written(cell: NotebookNode) -> set[str]:
    """What a cell gives, less what it leaves to be written."""
    return bound(cell.source) - {name for name, node in definitions(cell.source) if is_stub(node)}


def is_stub(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether something is left to be written, and not only behind what is returned."""
    ends = [place for place, each in enumerate(node.body) if isinstance(each, ast.Return)]
    body = ast.Module(node.body[: ends[0]] if ends else node.body, [])
    return "NotImplementedError" in ast.unparse(body)


def given_by(cell: NotebookNode) -> dict[str, str]:
    """The functions that a cell gives, as its check may need them, without their comments."""
    names = written(cell)
    return {name: ast.unparse(node) for name, node in definitions(cell.source) if name in names}


@cache
def done(function: str) -> str:
    """What a function does: its code without its docstring, and without what it prints."""
    tells = re.compile(r"print\(.*\)|(['\"]).*\1", re.S)
    [(_, node)] = definitions(function)
    parts = [*([node.args] if isinstance(node, ast.FunctionDef) else []), *node.body]
    return "\n".join(text for text in map(ast.unparse, parts) if not tells.fullmatch(text))


def differs(check: NotebookNode, original: NotebookNode) -> bool:
    """Whether a check differs in more than lines that print."""
    here, there = (
        [line for line in lines(each.source) if not line.startswith("print(")]
        for each in (check, original)
    )
    return here != there or check.cell_type != original.cell_type


def modules_of(source: str) -> set[str]:
    """What a cell calls the modules of finished functions."""
    taken = imports_of(source)
    return {new or name for module, name, new in taken if module == "cs231n_utils.taught"}


def forward_of(answers: list[str]) -> set[str]:
    """The functions whose way back answers are: an answer may call them."""
    return {name.removesuffix("_backward") for name in answers} - {*answers}


def lines(source: str) -> list[str]:
    """The lines that are not empty, without the spaces around them."""
    return [line.strip() for line in source.splitlines() if line.strip()]


def is_changed(cell: NotebookNode, original: NotebookNode) -> bool:
    """Whether a student changed a cell: it is as in no release."""
    same = digest(cell.source.strip()) == digest(original.source.strip())
    return cell.cell_type != original.cell_type or not (same or is_as_released(cell))


def check_name(cell: NotebookNode) -> str:
    """How the summary and the pages call a check."""
    return str(cell.metadata.nbgrader.grade_id)
