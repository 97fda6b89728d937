"""The rules for a notebook's form: each is a function that tells how a notebook breaks it.

    python -m tools.contract    what `is_told` counts, a line a notebook

`test_notebooks.py` holds the series to them. What only running cells can tell is tried
between their tests: see conftest.py.
"""

import ast
import inspect
import re
from collections import Counter
from itertools import pairwise

import nbformat

from publish.answers import load_answers
from publish.notebook import (
    BEGIN,
    END,
    Notebook,
    alt_text,
    computed,
    has_solution,
    hides_output,
    is_collapsed,
    is_docstring,
    tags,
)

MAX_STATEMENTS = 18  # of a code cell
MIN_FIGURES, MAX_ASSERTS, MAX_SECTIONS, MAX_SILENT = 6, 12, 7, 1 / 5
ROAD = (60, 90)  # minutes of the main road
CLOSING = ("## Your turn", "## What you can now do", "## Sources", "## Further")
MAX_PUZZLE = 12  # lines of code of the puzzle
MAX_LINE = 100  # characters of code
RUNGS = ["Hint", "The derivation, without the code"]  # below an exercise, from stuck to solved
# Seconds that a notebook may run; the others 20
MAX_SECONDS = {"12": 200, "15": 90, "17": 240, "18": 90}
MAX_SECONDS |= {"21": 30, "22": 30, "23": 30, "24": 180, "25": 360}
CAPTION = r"^\*\*Figure (\d+\.\d+)\.\*\* (?=\S)"

# The gradients that each notebook derives; a notebook that is not named here derives none.
WITNESSED = {
    "03": ["dx"],
    "04": ["dS", "dW", "db"],
    "05": ["dW"],
    "06": ["dX", "dW", "db", "dZ"],
    "07": ["dW1", "db1", "dW2", "db2"],
    "13": ["dX"],
    "14": ["dX", "dgamma", "dbeta"],
    "15": ["dX", "dS"],
    "16": ["dX", "dW", "db"],
    "17": ["dX"],
    "18": ["dX"],
    "19": ["dU", "dX"],
    "21": ["dW", "dS"],
    "22": ["dx", "dh", "dc", "dW", "dU", "db"],
    "23": ["dQ", "dK", "dV"],
    "24": ["dZ", "dW"],
}

# One sign for one operation, no letter of the notation in a second role, no hype, seeds.
FORBIDDEN = {
    "formula": {
        r"\^T\b": r"a transpose is ^\top",
        r"\\circ": r"the product entry by entry is \odot",
        r"(?<![A-Za-z{])E\[": r"an expectation is \mathbb{E}",
        r"\bH\(": "H is the number of hidden units, not an entropy",
        r"\\sigma *(?:\\left)?\(": "sigma is a standard deviation; write sigmoid out",
        r"(?<![A-Za-z\\_])m *= *\\max|\bm_n\b": "m is the index of a hidden unit",
        r"(?<!partial )(?<![A-Za-z\\])s_[ij] *= *p|p_[ij] *= *s": "s is a score, p a probability",
    },
    "sentence": {
        r"!(?![=\[])|(?i:\b(?:obviously|clearly|simply|easy to see|trivially)\b)": "hype",
    },
    "code": {
        r"np\.random\.(?!(?:default_rng|Generator|RandomState)\b)": "use a Generator",
    },
}


def first_line(cell):
    return cell.source.partition("\n")[0]


def prose(notebook):
    return "\n".join(notebook.text)


def code(notebook):
    return "\n".join(cell.source for cell in notebook.code)


# --- Form ---------------------------------------------------------------------------------------


def stored_as_a_whole_run(notebook):
    metadata = notebook.content.metadata
    if not metadata.keys() <= {"kernelspec", "language_info"}:
        yield f"metadata that depends on the machine: {sorted(metadata)}"
    if metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernel must be python3"
    if any("execution" in cell.metadata for cell in notebook.cells):
        yield "times of execution are stored"
    counts = [cell.execution_count for cell in notebook.code]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts {counts}: run it from top to bottom"
    for cell in notebook.code:
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                yield f"an error or a warning below: {first_line(cell)}"
    for cell in notebook.tagged("nbval-skip"):
        yield f"never executed by the tests: {first_line(cell)}"
    if notebook.compared < 0.8:
        yield f"the output of {notebook.compared:.0%} of the code cells is compared"


def opens_and_closes(notebook):
    """The puzzle's setting, imports, its code, soon the contract; the answer later."""
    if not re.match(rf"# {notebook.number} \S", notebook.opening):
        yield "the first cell must start with '# NN Title'"
    first = notebook.cells[:8]
    if [cell.cell_type for cell in first[:3]] != ["markdown", "code", "code"]:
        yield "it opens with the setting of a puzzle, imports, the puzzle's code"
        return
    if not is_collapsed(first[1]) or "import" not in first[1].source:
        yield "the imports must be the second cell, collapsed"
    if is_collapsed(first[2]) or first[2].source.count("\n") >= MAX_PUZZLE:
        yield f"the puzzle's code must be open and have at most {MAX_PUZZLE} lines"
    for part in ["?", "**You will be able to**", "**You need**", "**Time**", "**The puzzle** is"]:
        if not any(part in cell.source for cell in first if cell.cell_type == "markdown"):
            yield f"the first cells lack {part}"
    if "**The puzzle.**" not in prose(notebook):
        yield "the puzzle is never answered"
    for part in ["## What you can now do", "**Next:**", "## Sources"]:
        if part not in "\n".join(cell.source for cell in notebook.road[-3:]):
            yield f"the last cells of the main road lack {part}"
    if len(notebook.tagged("headline")) != 1:
        yield "exactly one cell must carry the tag headline"


def lets_one_guess(notebook):
    """Where the opening asks, outputs are folded, and what came out is told below the contract."""
    asks = re.search(r"\*\*Guess|\?\*\*", notebook.opening)
    if asks and not hides_output(notebook.code[1]):
        yield "the output of the puzzle answers at once: collapse it in JupyterLab"
    others = notebook.code[3:] if asks else notebook.code
    yield from (f"a folded output: {first_line(cell)}" for cell in others if hides_output(cell))
    told = "\n\n".join(notebook.text[1:]).partition("**You will be able to**")[0]
    if asks and re.search(r"(?m)\A(?!\*\*Figure )|\n\n(?=.)", told.strip()):
        yield f"text before the contract tells what came out: {told}"


def says_how_long_it_takes(notebook):
    if notebook.times[:3] != notebook.computed_minutes:
        yield f"it takes {notebook.computed_minutes} minutes, not {notebook.times[:3]}"
    most = MAX_SECONDS.get(notebook.number, 20)
    if notebook.times.seconds > most:
        yield f"it may run for at most {most} seconds"


def is_told(notebook):
    """Pictures, few asserts, few silent cells, a main road of an hour or so."""
    count = counted(notebook)
    if count["figures"] < MIN_FIGURES:
        yield f"{count['figures']} figures, at least {MIN_FIGURES}"
    if not any(map(is_figure, (out for cell in notebook.code[:4] for out in cell.outputs))):
        yield "no figure on the first screen"
    if count["asserts"] > MAX_ASSERTS:
        yield f"{count['asserts']} asserts in open cells, at most {MAX_ASSERTS}"
    if count["silent"] > MAX_SILENT * count["open cells"]:
        yield f"{count['silent']} of {count['open cells']} open cells show nothing"
    if count["sections"] > MAX_SECTIONS:
        yield f"{count['sections']} sections on the main road, at most {MAX_SECTIONS}"
    if not ROAD[0] <= count["road"] <= ROAD[1]:
        yield f"a main road of {count['road']} minutes, not {ROAD[0]} to {ROAD[1]}"
    if "### Open experiment" not in prose(notebook):
        yield "no open experiment under Your turn"


def counted(notebook):
    """What `is_told` looks at, by name; minutes as computed."""
    headings = re.findall(r"^## .*", "\n".join(cell.source for cell in notebook.road), re.M)
    road, _, further = notebook.computed_minutes
    return {
        "figures": len(re.findall(CAPTION, prose(notebook), re.M)),
        "asserts": sum(
            isinstance(node, ast.Assert)
            for cell in notebook.open_code
            for node in ast.walk(ast.parse(cell.source))
        ),
        "silent": sum(is_silent(*pair) for pair in pairwise([*notebook.code, notebook.code[-1]])),
        "open cells": len(notebook.open_code),
        "sections": sum(not heading.startswith(CLOSING) for heading in headings),
        "words": notebook.words,
        "road": road,
        "further": further,
    }


def is_silent(cell, following):
    """Whether an open cell shows nothing, nor defines what the next one uses at once."""
    defined = re.findall(r"^(?:def|class) (\w+)", cell.source, re.M)
    is_used = any(re.search(rf"\b{name}\b", following.source) for name in defined)
    return not (is_collapsed(cell) or cell.outputs or is_used)


def side_roads_are_folded(notebook):
    """The last heading, collapsed when JupyterLab opens it; each side road says for whom it is."""
    if not notebook.further:
        return
    first, *others = notebook.further
    if not first.metadata.get("jp-MarkdownHeadingCollapsed"):
        yield "the heading Further must be collapsed: fold it in JupyterLab"
    roads = re.findall(r"^### .*\n+(.*)", "\n".join(cell.source for cell in notebook.further), re.M)
    if any(cell.source.startswith("## ") for cell in others) or not roads:
        yield "Further is the last heading of its level, and holds side roads"
    yield from (f"not for whom: {text}" for text in roads if not text.startswith("*For "))


def plumbing_is_collapsed_and_nothing_else(notebook):
    for cell in [*notebook.tagged("widget"), *(each.check for each in notebook.exercises)]:
        if not is_collapsed(cell):
            yield f"a widget or the check of an exercise is open: {first_line(cell)}"
    for cell in notebook.code:
        equation = computed(cell.source) and "check" not in tags(cell)
        if is_collapsed(cell) and (has_solution(cell) or equation):
            yield f"a solution or an equation is collapsed: {first_line(cell)}"


def code_cells_are_small(notebook):
    """Of open ones; imports and docstrings do not count, and `a, b = 1, 2` are two statements."""
    for cell in notebook.open_code:
        count = 0
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
                count += len(node.value.elts)
            elif isinstance(node, ast.stmt) and not isinstance(node, ast.Import | ast.ImportFrom):
                count += not is_docstring(node)
        in_one_piece = "def train(" in cell.source or "export:autograd" in tags(cell)
        if count > MAX_STATEMENTS and not in_one_piece:
            yield f"{count} statements: {first_line(cell)}"


def lines_of_code_fit(notebook):
    for cell in notebook.code:
        long = [line for line in cell.source.splitlines() if len(line) > MAX_LINE]
        yield from (f"longer than {MAX_LINE} characters: {line}" for line in long)


def prose_stands_around_code(notebook):
    """Only what is folded and the puzzle may follow another code cell at once."""
    free = [cell for cell, after in pairwise(notebook.cells) if is_collapsed(after)]
    free += notebook.code[:1]
    for before, cell in pairwise(notebook.cells):
        if cell.cell_type == before.cell_type == "code" and before not in free:
            yield f"no prose before: {first_line(cell)}"
        if "widget" in tags(before) and "<details>" not in cell.source:
            yield f"no folded answer after the widget: {first_line(before)}"


def nothing_is_forbidden(notebook):
    code_or_math = r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$"
    parts = {
        "formula": re.findall(r"\$\$.*?\$\$|\$[^$]*\$", prose(notebook), re.S),
        "sentence": re.sub(code_or_math, "", prose(notebook), flags=re.S).splitlines(),
        "code": code(notebook).splitlines(),
    }
    for kind, patterns in FORBIDDEN.items():
        for pattern, reason in patterns.items():
            yield from (f"{reason}: {part}" for part in parts[kind] if re.search(pattern, part))


# --- Equations, figures, links ------------------------------------------------------------------


def equations_are_coded_one_to_one(notebook):
    tagged = notebook.equations
    labels = Counter(re.findall(r"#\s*\((\d+\.\d+)\)", code(notebook)))
    for tag in tagged:
        if labels[tag] != 1:
            yield f"equation ({tag}) is computed by {labels[tag]} labelled lines, not by one"
    for label in labels.keys() - tagged:
        yield f"a line is labelled ({label}), an equation that does not exist"
    if not tagged or Counter(tagged) != Counter(in_order(notebook, tagged)):
        yield f"a notebook has equations, with the numbers from 1 on: {tagged}"


def in_order(notebook, numbers):
    """As many numbers as these, for example "4.1", "4.2"."""
    return [f"{int(notebook.number)}.{i}" for i in range(1, len(numbers) + 1)]


def figures_have_alt_text_and_captions(notebook):
    captions = []
    for cell, following in pairwise([*notebook.cells, nbformat.v4.new_markdown_cell()]):
        figures = [output for output in cell.get("outputs", []) if is_figure(output)]
        for figure in figures:
            shown = "image/png" in figure.data
            if shown and "photographs" in tags(cell):
                yield f"photographs that belong to others: {first_line(cell)}"
            if shown and len(alt_text(figure)) < 20:
                yield f"a figure without alt text: {first_line(cell)}"
        if figures and ("nbval-ignore-output" not in tags(cell) or "long" in tags(cell)):
            captions += re.findall(CAPTION, following.source) or [f"none: {first_line(cell)}"]
    if captions != in_order(notebook, captions):
        yield f"each figure needs a caption, numbered in order: {captions}"


def is_figure(output):
    """Whether an output shows a figure, or its text alternative alone."""
    data = output.get("data", {})
    return "image/png" in data or data.get("text/plain", "").startswith("Figure: ")


def links_lead_somewhere(notebook):
    """Links to files, and to headings of this or another notebook: hyphens stand for spaces."""
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", prose(notebook)):
        file, _, anchor = target.partition("#")
        path = notebook.folder / file if file else notebook.path
        found = not file or path.exists()
        if found and anchor and path.suffix == ".ipynb":
            text = prose(Notebook.read(path) if file else notebook)
            headings = re.findall(r"^#+ (.*)$", text, re.M)
            found = anchor in {heading.strip().replace(" ", "-") for heading in headings}
        if not found:
            yield f"a dead link: {target}"


def references_lead_somewhere(notebooks):
    """Equations (4.3) and figures 4.1 that a sentence of any notebook speaks of."""
    tagged = {tag for notebook in notebooks for tag in notebook.equations}
    chapters = {tag.partition(".")[0] for tag in tagged}
    captions = re.findall(CAPTION, "\n".join(map(prose, notebooks)), re.M)
    for notebook in notebooks:
        for mention in re.findall(r"\((\d+\.\d+)\)", prose(notebook)):
            if mention.partition(".")[0] in chapters and mention not in tagged:
                yield f"{notebook.name}: there is no equation ({mention})"
        for mention in re.findall(r"[Ff]igures? (\d+\.\d+)", prose(notebook)):
            if mention not in captions:
                yield f"{notebook.name}: there is no figure {mention}"


# --- Exercises and gradients --------------------------------------------------------------------


def exercises_are_whole(notebook):
    """A heading, a solution, a check; a warm-up, a bug, one or two more; kept answers to each."""
    titles = re.findall(r"^### (Exercise \d+)", prose(notebook), re.M)
    if titles != [exercise.title for exercise in notebook.exercises]:
        yield f"an exercise is a heading that starts a cell, a solution and a check: {titles}"
    kinds = [exercise.kind for exercise in notebook.exercises]
    if kinds not in (["warm-up", "find the bug", ""], ["warm-up", "find the bug", "", ""]):
        yield f"a warm-up, find the bug, then one or two to derive and code, not {kinds}"
    answers = load_answers(notebook.number)
    for exercise in notebook.exercises:
        if "assert" not in exercise.check.source:
            yield f"no check: {exercise.title}"
        name = asked_for(exercise.solution.source)
        kinds = {label.partition("_")[0] for label in answers.pop(name, {})}
        if kinds != {"right", "wrong"}:
            yield f"{name}: there are {sorted(kinds)} answers, not right and wrong ones"
    core = "".join(cell.source for cell in notebook.core)
    yield from (f"answers to {name}, no exercise" for name in answers if f"def {name}(" not in core)


def exercises_have_rungs(notebook):
    for cell in notebook.your_turn:
        rungs = re.findall(r"<summary>(.*)</summary>", cell.source)
        if re.match("### (Exercise|Open experiment)", cell.source) and rungs[-2:] != RUNGS:
            yield f"an exercise ends with {RUNGS}, not with {rungs}: {first_line(cell)}"


def asked_for(solution):
    """The function that an exercise asks for: the last one that its cell begins."""
    return re.findall(r"^def (\w+)", solution.partition(BEGIN)[0], re.M)[-1]


def left_unsolved(solution):
    """The cell of an exercise as a student may leave it, in three ways."""
    bodies = ["raise NotImplementedError", "return None", "pass"]
    return [re.sub(f"{BEGIN}.*{END}", body, solution, flags=re.S) for body in bodies]


def gradients_are_derived(notebook):
    r"""The first witness: a numbered equation for each gradient that the notebook derives.

    It holds for example dW_1, or \partial L / \partial W_1, or its entries.
    """
    blocks = re.findall(r"\$\$(.*?)\$\$", prose(notebook), re.S)
    for name in WITNESSED.get(notebook.number, []):
        letter, digit = re.fullmatch(r"d([A-Za-z]+)(\d?)", name).groups()
        symbol = rf"\(?{letter}_{digit}\)?" if digit else rf"\\?{letter}"
        pattern = rf"\bd{symbol}\b|d{symbol}_|\\partial L[^&=]*\\partial \(?{symbol}"
        if not any(r"\tag" in block and re.search(pattern, block) for block in blocks):
            yield f"no numbered equation derives {name}"


def gradients_have_witnesses(notebook):
    """The others: differences check each by its name, and as many lines compare with loops."""
    source = "\n".join(cell.source for cell in notebook.tagged("witnesses"))
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    checks = [call for call in calls if ast.unparse(call.func) == "check_gradient"]
    loops = [call for call in calls if re.match(r"relative_error\(.*loop", ast.unparse(call))]
    names = [word.value for call in checks for word in call.keywords if word.arg == "name"]
    if all(isinstance(name, ast.Constant) for name in names):  # and not made in a loop
        for name in set(WITNESSED.get(notebook.number, [])) - {name.value for name in names}:
            yield f"{name}: no witness compares it with central differences"
    if not len(loops) >= len(checks) == len(names):
        yield "a witness names its gradient, and another compares it with plain loops"


# Each generator of one notebook is a rule.
RULES = [
    function
    for function in list(globals().values())
    if inspect.isgeneratorfunction(function) and function is not references_lead_somewhere
]


def main():
    """Print what `is_told` counts."""
    for notebook in Notebook.series():
        print(notebook.number, *(f"{name} {number}," for name, number in counted(notebook).items()))


if __name__ == "__main__":
    main()
