"""The contract of the series: each rule is a function that tells how a notebook breaks it.

`test_notebooks.py` holds the real notebooks to the rules, and `test_contract.py` shows that each
rule sees the damage that it is for. What only running code can tell stands in `contract_run.py`.
"""

import ast
import inspect
import re
from collections import Counter
from itertools import pairwise

import nbformat

from publish.notebook import (
    ROOT,
    Notebook,
    alt_text,
    has_solution,
    is_collapsed,
    is_docstring,
    tags,
)

MAX_STATEMENTS = 18  # of a code cell
MAX_WORDS, MAX_OPEN_CELLS = 4500, 40  # of a notebook
LEAST_COMPUTING = 2 / 3  # of its lines of open code
MAX_PUZZLE = 8  # lines of code of the puzzle
MAX_SECONDS = {"12": 300, "15": 90, "17": 360, "18": 240}  # that a notebook may run; the others 20

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
}

# What a sentence that defines a symbol of README.md's table must speak of.
MEANINGS = {
    "N": r"example|row|image",
    "D": r"feature|input|pixel",
    "H": r"hidden",
    "C": r"class|channel",
    "B": r"minibatch|batch|examples",
    "L": r"loss",
    "X": r"input|example|image|row|table",
    "Y": r"one-hot|target|leaves",
    "W": r"weight|parameter",
    "S": r"score",
    "P": r"probabilit",
    "Z": r"pre-activation|affine|hidden",
    "A": r"activation|ReLU",
    "a": r"activation|ReLU",
    "s": r"score",
    "p": r"probabilit|distribution",
    "n": r"example|row",
    "m": r"hidden|unit|index",
    "k": r"class|label",
    "h": r"step|difference",
    r"\mu": r"mean",
    r"\gamma": r"scale",
    r"\varepsilon": r"machine|round|epsilon",
    r"\lambda": r"regulari[sz]ation|penalty",
    r"\eta": r"rate|length",
    r"\rho": r"decay",
    r"\sigma": r"standard deviation|std|spread|variance",
    r"\theta": r"parameter",
}

# One sign for one operation, no letter of the table in a second role, no hype, seeds.
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

CAPTION = r"^\*\*Figure (\d+\.\d+)\.\*\* (?=\S)"

# The TeX commands of the series. MathJax prints an unknown one in red and goes on.
TEX = """
    Big Bigl Bigr big bigg bigl bigr left right langle rangle lceil rceil lfloor rfloor lVert rVert
    alpha beta gamma delta Delta zeta eta theta lambda mu xi pi Pi rho sigma tau varphi varepsilon
    ell frac tfrac dfrac binom sqrt sum prod int partial nabla infty bar hat tilde
    cdot cdots dots times odot circ pm approx ne neq le ge in to leftarrow top bmod square
    exp log max min cos Pr operatorname mathbb mathbf mathrm text textstyle quad qquad begin end tag
    dot tanh
"""


def first_line(cell):
    return cell.source.partition("\n")[0]


def prose(notebook):
    return "\n".join(notebook.text)


def code(notebook):
    return "\n".join(cell.source for cell in notebook.code)


def formulas(notebook):
    return re.findall(r"\$\$.*?\$\$|\$[^$]*\$", prose(notebook), re.S)


# --- Form ---------------------------------------------------------------------------------------


def stored_as_a_whole_run(notebook):
    """Valid, free of what depends on the machine, run from top to bottom, mostly compared."""
    nbformat.validate(notebook.content)
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
    for part in ["## What you can now do", "**Next:**", "## Sources"]:
        if part not in "\n".join(notebook.text[-3:]):
            yield f"the last cells lack {part}"
    if not re.match(rf"# {notebook.number} \S", notebook.opening):
        yield "the first cell must start with '# NN Title'"
    most = MAX_SECONDS.get(notebook.number, 20)
    if notebook.times.seconds > most:
        yield f"it may run for at most {most} seconds"
    if len(notebook.tagged("headline")) != 1:
        yield "exactly one cell must carry the tag headline"


def times_follow_from_the_content(notebook):
    if notebook.times[:2] != notebook.computed_minutes:
        yield f"it takes {notebook.computed_minutes} minutes, not {notebook.times[:2]}"


def opens_with_a_puzzle(notebook):
    """The puzzle's setting, imports, its code, its question with the contract; the answer later."""
    first = notebook.cells[:4]
    if [cell.cell_type for cell in first] != ["markdown", "code", "code", "markdown"]:
        yield "it opens with the setting of a puzzle, imports, the puzzle's code, the contract"
        return
    if not is_collapsed(first[1]) or "import" not in first[1].source:
        yield "the imports must be the second cell, collapsed"
    lines = first[2].source.count("\n") + 1
    if is_collapsed(first[2]) or lines > MAX_PUZZLE:
        yield f"the puzzle's code must be open and have at most {MAX_PUZZLE} lines, not {lines}"
    for part in ["?", "**You will be able to**", "**You need**", "**Time**", "**The puzzle** is"]:
        if part not in first[3].source:
            yield f"the contract lacks {part}"
    if "**The puzzle.**" not in prose(notebook):
        yield "the puzzle is never answered"


def is_light(notebook):
    if notebook.words > MAX_WORDS:
        yield f"{notebook.words} words, at most {MAX_WORDS}"
    if len(notebook.open_code) > MAX_OPEN_CELLS:
        yield f"{len(notebook.open_code)} open code cells, at most {MAX_OPEN_CELLS}"
    if notebook.computing < LEAST_COMPUTING:
        yield f"only {notebook.computing:.0%} of the lines of open code compute or verify"


def plumbing_is_collapsed_and_nothing_else(notebook):
    for cell in [*notebook.tagged("widget"), *(each.check for each in notebook.exercises)]:
        if not is_collapsed(cell):
            yield f"a widget or the check of an exercise is open: {first_line(cell)}"
    for cell in notebook.code:
        equation = re.search(r"#\s*\(\d+\.\d+\)", cell.source) and "check" not in tags(cell)
        taught = has_solution(cell) or "witnesses" in tags(cell) or equation
        if is_collapsed(cell) and taught:
            yield f"a solution, a witness or an equation is collapsed: {first_line(cell)}"


def widgets_have_answers(notebook):
    for cell, following in pairwise(notebook.cells):
        if "widget" in tags(cell) and "<details>" not in following.source:
            yield f"no folded answer after the widget: {first_line(cell)}"


def headings_skip_no_level(notebook):
    text = re.sub(r"```.*?```", "", prose(notebook), flags=re.S)
    headings = re.findall(r"^(#+) (.*)", text, re.M)
    for (before, _), (level, heading) in pairwise(headings):
        if len(level) > len(before) + 1:
            yield f"level {len(before)} is followed by level {len(level)}: {heading}"
    titles = [level for level, _ in headings if level == "#"]
    if len(titles) != 1 or headings[0][0] != "#":
        yield "a notebook has one title, and it comes first"


def code_cells_are_small(notebook):
    for cell in notebook.code:
        count = count_statements(cell.source)
        in_one_piece = "def train(" in cell.source or "export:autograd" in tags(cell)
        if count > MAX_STATEMENTS and not in_one_piece:
            yield f"{count} statements: {first_line(cell)}"


def count_statements(source):
    """No imports or docstrings; `a, b = 1, 2` counts as the two that it packs into one."""
    count = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            count += len(node.value.elts)
        elif isinstance(node, ast.stmt) and not isinstance(node, ast.Import | ast.ImportFrom):
            count += not is_docstring(node)
    return count


def prose_stands_before_every_code_cell(notebook):
    """Only an exercise's check and the puzzle may follow another code cell at once."""
    free = [exercise.solution for exercise in notebook.exercises] + notebook.code[:1]
    for before, cell in pairwise(notebook.cells):
        if cell.cell_type == before.cell_type == "code" and before not in free:
            yield f"no prose before: {first_line(cell)}"


def nothing_is_forbidden(notebook):
    code_or_math = r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$"
    sentences = re.sub(code_or_math, "", prose(notebook), flags=re.S).splitlines()
    parts = {
        "formula": formulas(notebook),
        "sentence": sentences,
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
    if not tagged or tagged != in_order(notebook, tagged):
        yield f"a notebook has equations, numbered in order: {tagged}"


def in_order(notebook, numbers):
    """As many numbers as these, for example "4.1", "4.2"."""
    return [f"{int(notebook.number)}.{i}" for i in range(1, len(numbers) + 1)]


def tex_is_valid(notebook):
    math = "\n".join(formulas(notebook))
    for command in sorted(set(re.findall(r"\\([A-Za-z]+)", math)) - set(TEX.split())):
        yield f"no TeX command, or one that TEX lacks: \\{command}"
    for block in re.findall(r"\\begin\{aligned\}.*?\\end\{aligned\}", math, re.S):
        if r"\tag" in block:
            yield f"MathJax allows no tag inside aligned: {block}"


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
        if figures and "nbval-ignore-output" not in tags(cell):
            caption = re.findall(CAPTION, following.source)
            captions += caption
            if not caption:
                yield f"a figure without a caption: {first_line(cell)}"
    if captions != in_order(notebook, captions):
        yield f"figures must be numbered in order: {captions}"


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


def exercises_have_solutions_and_checks(notebook):
    titles = re.findall(r"^### (Exercise \d+)", prose(notebook), re.M)
    if not 2 <= len(titles) <= 4:
        yield f"two to four exercises, not {len(titles)}"
    if titles != [exercise.title for exercise in notebook.exercises]:
        yield f"an exercise is a heading that starts a cell, a solution and a check: {titles}"
    for exercise in notebook.exercises:
        if "assert" not in exercise.check.source:
            yield f"no check: {exercise.title}"


def exercises_are_of_every_kind(notebook):
    kinds = [exercise.kind for exercise in notebook.exercises]
    if kinds not in (["warm-up", "find the bug", ""], ["warm-up", "find the bug", "", ""]):
        yield f"a warm-up, find the bug, then one or two to derive and code, not {kinds}"


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


# --- Symbols ------------------------------------------------------------------------------------


def notation():
    """README.md's table as a dict: code name -> list of possible shapes.

    A shape is a tuple of letters, () for one number, and "whole" for a whole number.
    """
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\$.*\$) \| `(.*)` \| (.*?) \| (.*) \|$", readme, re.M)
    table = {}
    for _, names, shapes, _ in rows:
        names = names.split(", ")
        shapes = [read_shapes(shape) for shape in re.split(r"(?<!\w), (?=\()|(?<=\)), ", shapes)]
        table |= dict(zip(names, shapes * (len(names) if len(shapes) == 1 else 1), strict=True))
    del table["dV"]
    return table | {f"d{name}": shapes for name, shapes in table.items() if "whole" not in shapes}


def read_shapes(text):
    """The shapes that a cell of the table allows: "(D, C) or (D, H)"."""
    if text.startswith(("whole", "scalar")):
        return ["whole"] if text == "whole" else [()]
    return [tuple(re.findall(r"[A-Z]|\|B\|", part)) for part in text.split(" or ")]


def stated_shapes_agree_with_the_table(notebook):
    """Shapes in prose ("$W$ of shape $(D, C)$"), docstrings ("X (N, D)") and comments."""
    sizes = r"\(((?:[NDHC]|\d+)(?:\{?,\}?\s*(?:[NDHC]|\d+))*\{?,?\}?)\)"
    stated = re.findall(rf"\$([A-Za-z](?:_\d)?)\$[^$.]{{0,40}}shape \${sizes}\$", prose(notebook))
    stated += re.findall(rf"\b([A-Za-z]\w*) {sizes}", code(notebook))
    stated += re.findall(rf"^ *([A-Za-z]\w*) = .*#.*?{sizes}", code(notebook), re.M)
    table = notation()
    for name, shape in stated:
        sizes = re.findall(r"[NDHC]|\d+", shape)
        allowed = table.get(name.replace("_", ""), ["whole"])
        if "whole" not in allowed and not any(fits(sizes, letters) for letters in allowed):
            yield f"{name} is given the shape ({shape}), but the table says {allowed}"


def fits(sizes, letters):
    """Whether sizes agree with the letters of the table. A number fits any letter."""
    return len(sizes) == len(letters) and all(
        size.isdigit() or size == letter for size, letter in zip(sizes, letters, strict=True)
    )


def stated_meanings_agree_with_the_table(notebook):
    """Sentences that define a symbol of the table speak of what the table means by it."""
    symbol = r"(\\?[A-Za-z]+(?:_\d)?)"
    noun = r"((?:the|a|an) [^.;:]*)"
    definition = re.compile(
        rf"(?:[Ll]et|[Ww]rite|[Cc]all) \${symbol}\$ (?:be|for) {noun}"
        rf"|(?:^|[.;:,] |\bwhere |\band )\${symbol}\$ (?:is|stands for|denotes) {noun}"
        rf"|((?:a|the) (?:number|constant|slope|\*\w+\*)) \$[^$A-Za-z]*{symbol}\b"
    )
    for source in notebook.text:
        for match in definition.finditer(re.sub(r"\\le\b|\\ge\b", "<", source)):
            name = match[1] or match[3] or match[6]
            meaning = match[2] or match[4] or match[5]
            if not re.search(MEANINGS.get(name, ""), meaning, re.I):
                yield f"{name} is given a second meaning: {match[0]}"


# Each generator of one notebook is a rule.
RULES = [
    function
    for function in list(globals().values())
    if inspect.isgeneratorfunction(function) and function is not references_lead_somewhere
]
