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

from publish.notebook import ROOT, Notebook, alt_text, tags

MAX_STATEMENTS = 18  # of a code cell
MAX_SECONDS = {"09": 40, "10": 300}  # that a notebook may run; the others 20
LONGER_CELLS = {"train"}  # the training loop is the one definition that may be longer

# The gradients that each notebook derives; a notebook that is not named here derives none.
WITNESSED = {
    "03": ["dW", "db"],
    "04": ["dS", "dW", "db"],
    "05": ["dX", "dW", "db", "dZ"],
    "06": ["dW1", "db1", "dW2", "db2"],
}

# What a sentence that defines a symbol of README.md's table must speak of.
MEANINGS = {
    "N": r"example|row|image",
    "D": r"feature|input|pixel",
    "H": r"hidden",
    "C": r"class",
    "B": r"minibatch|batch|examples",
    "L": r"loss",
    "X": r"input|example|image|row|table",
    "Y": r"one-hot|target",
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
    r"\varepsilon": r"machine|round|epsilon",
    r"\lambda": r"regulari[sz]ation|penalty",
    r"\eta": r"rate|length",
    r"\rho": r"decay",
    r"\sigma": r"standard deviation|std|spread|variance",
    r"\theta": r"parameter",
}

# One sign for one operation, and no letter of the table in a second role.
FORBIDDEN = {
    r"\^T\b": r"a transpose is ^\top",
    r"\\circ": r"the product entry by entry is \odot",
    r"(?<![A-Za-z{])E\[": r"an expectation is \mathbb{E}",
    r"\bH\(": "H is the number of hidden units, not an entropy",
    r"\\sigma *(?:\\left)?\(": "sigma is a standard deviation; write sigmoid out",
    r"(?<![A-Za-z\\_])m *= *\\max|\bm_n\b": "m is the index of a hidden unit",
    r"(?<!partial )(?<![A-Za-z\\])s_[ij] *= *p|p_[ij] *= *s": "s is a score and p a probability",
}


CAPTION = r"^\*\*Figure (\d+\.\d+)\.\*\* (?=\S)"

# The TeX commands of the series. MathJax prints an unknown one in red and goes on.
TEX = """
    Big Bigl Bigr big bigg bigl bigr left right langle rangle lceil rceil lfloor rfloor lVert rVert
    alpha beta gamma delta Delta zeta eta theta lambda mu xi pi Pi rho sigma tau varphi varepsilon
    frac tfrac dfrac binom sqrt sum prod int partial nabla infty bar hat tilde
    cdot cdots dots times odot circ pm approx ne neq le ge in to leftarrow top bmod square
    exp log max cos Pr operatorname mathbb mathbf mathrm text textstyle quad qquad begin end tag
"""


def first_line(cell):
    return cell.source.partition("\n")[0]


def prose(notebook):
    return "\n".join(notebook.text)


def formulas(notebook):
    return re.findall(r"\$\$.*?\$\$|\$[^$]*\$", prose(notebook), re.S)


# --- Form ---------------------------------------------------------------------------------------


def valid_and_normalised(notebook):
    nbformat.validate(notebook.content)
    metadata = notebook.content.metadata
    if not metadata.keys() <= {"kernelspec", "language_info"}:
        yield f"metadata that depends on the machine: {sorted(metadata)}"
    if metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernel must be python3"
    if any("execution" in cell.metadata for cell in notebook.cells):
        yield "times of execution are stored"


def executed_in_order(notebook):
    counts = [cell.execution_count for cell in notebook.code]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts {counts}: run it from top to bottom"


def no_output_is_an_error_or_a_warning(notebook):
    for cell in notebook.code:
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                yield f"an error or a warning below: {first_line(cell)}"


def most_outputs_are_compared(notebook):
    for cell in notebook.tagged("nbval-skip"):
        yield f"never executed by the tests: {first_line(cell)}"
    if notebook.compared < 0.8:
        yield f"the output of {notebook.compared:.0%} of the code cells is compared"


def opens_with_a_contract(notebook):
    for part in ["**You will**", "**Afterwards you can**", "**You need**", "**Time.**"]:
        if part not in notebook.opening:
            yield f"the first cell lacks {part}"
    if not re.match(rf"# {notebook.number} \S", notebook.opening):
        yield "the first cell must start with '# NN Title'"
    most = MAX_SECONDS.get(notebook.number, 20)
    if notebook.times is None or notebook.seconds > most:
        yield f"the first cell must state the minutes to read and at most {most} seconds"


def closes_with_what_comes_next(notebook):
    for part in ["## What you can now do", "**Next:**", "## Sources"]:
        if part not in "\n".join(notebook.text[-3:]):
            yield f"the last cells lack {part}"
    if len(notebook.tagged("headline")) != 1:
        yield "exactly one cell must carry the tag headline"


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
        longer = any(f"def {name}(" in cell.source for name in LONGER_CELLS)
        if count > MAX_STATEMENTS and not longer:
            yield f"{count} statements: {first_line(cell)}"


def count_statements(source):
    """No imports or docstrings; `a, b = 1, 2` counts as the two that it packs into one."""
    count = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            count += len(node.value.elts)
        elif isinstance(node, ast.stmt) and not isinstance(node, ast.Import | ast.ImportFrom):
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            count += not docstring
    return count


def prose_stands_before_every_code_cell(notebook):
    """Only an exercise's check may follow another code cell at once."""
    solutions = [exercise.solution for exercise in notebook.exercises]
    for before, cell in pairwise(notebook.cells):
        if cell.cell_type == before.cell_type == "code" and before not in solutions:
            yield f"no prose before: {first_line(cell)}"


def style_is_plain(notebook):
    code_or_math = r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$"
    text = re.sub(rf"{code_or_math}|!\[|!=", "", prose(notebook), flags=re.S)
    words = r".*!.*|\b(?:obviously|clearly|simply|easy to see|trivially)\b"
    for match in re.findall(words, text, re.I):
        yield f"hype: {match}"


def random_numbers_come_from_a_generator(notebook):
    for cell in notebook.code:
        for name in re.findall(r"np\.random\.(\w+)", cell.source):
            if name not in {"default_rng", "Generator", "RandomState"}:
                yield f"np.random.{name}: draw from a Generator with a seed"


# --- Equations, figures, links ------------------------------------------------------------------


def equations_are_coded_one_to_one(notebook):
    tagged = notebook.equations
    source = "\n".join(cell.source for cell in notebook.code)
    labels = Counter(re.findall(r"#\s*\((\d+\.\d+)\)", source))
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
    for cell, following in pairwise([*notebook.cells, None]):
        figures = [output for output in cell.get("outputs", []) if is_figure(output)]
        for figure in figures:
            shown = "image/png" in figure.data
            if shown and "photographs" in tags(cell):
                yield f"photographs that belong to others: {first_line(cell)}"
            if shown and len(alt_text(figure)) < 20:
                yield f"a figure without alt text: {first_line(cell)}"
        if figures and "nbval-ignore-output" not in tags(cell):
            caption = following and re.match(CAPTION, following.source)
            if caption:
                captions.append(caption[1])
            else:
                yield f"a figure without a caption: {first_line(cell)}"
    if captions != in_order(notebook, captions):
        yield f"figures must be numbered in order: {captions}"


def is_figure(output):
    """Whether an output shows a figure, or its text alternative alone."""
    data = output.get("data", {})
    return "image/png" in data or data.get("text/plain", "").startswith("Figure: ")


def links_lead_somewhere(notebook):
    """Links to files, and to headings of this or another notebook."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(notebook)):
        file, _, anchor = target.partition("#")
        path = notebook.folder / file if file else notebook.path
        if target.startswith(("http://", "https://")):
            continue
        if file and not path.exists():
            yield f"a dead link: {target}"
        elif anchor and path.suffix == ".ipynb":
            other = Notebook.read(path) if file else notebook
            if anchor not in anchors(other.text):
                yield f"a dead link: {target}"


def anchors(text):
    """What Jupyter lets a link name: headings, with hyphens for spaces."""
    headings = re.findall(r"^#+ (.*)$", "\n".join(text), re.M)
    return {heading.strip().replace(" ", "-") for heading in headings}


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


def gradients_are_derived(notebook):
    """The first witness: a numbered equation for each gradient that the notebook derives."""
    blocks = re.findall(r"\$\$(.*?)\$\$", prose(notebook), re.S)
    equations = [block for block in blocks if r"\tag" in block]
    for name in WITNESSED.get(notebook.number, []):
        if not any(re.search(gradient_in_math(name), equation) for equation in equations):
            yield f"no numbered equation derives {name}"


def gradient_in_math(name):
    r"""Pattern of dW1 in an equation: dW_1, or \partial L / \partial W_1, or its entries."""
    letter, digit = name[1], name[2:]
    subscripted = rf"\(?{letter}_{digit}\)?" if digit else letter
    return rf"\bd{subscripted}\b|d{subscripted}_|\\partial L[^&=]*\\partial \(?{subscripted}"


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
        if len(shapes) == 1:
            shapes *= len(names)
        table |= dict(zip(names, shapes, strict=True))
    del table["dV"]
    return table | {f"d{name}": shapes for name, shapes in table.items() if "whole" not in shapes}


def read_shapes(text):
    """The shapes that a cell of the table allows: "(D, C) or (D, H)"."""
    if text == "whole":
        return ["whole"]
    if text.startswith("scalar"):
        return [()]
    return [tuple(re.findall(r"[A-Z]|\|B\|", part)) for part in text.split(" or ")]


def stated_shapes_agree_with_the_table(notebook):
    """Shapes in prose ("$W$ of shape $(D, C)$"), docstrings ("X (N, D)") and comments."""
    sizes = r"\(((?:[NDHC]|\d+)(?:\{?,\}?\s*(?:[NDHC]|\d+))*\{?,?\}?)\)"
    code = "\n".join(cell.source for cell in notebook.code)
    stated = re.findall(rf"\$([A-Za-z](?:_\d)?)\$[^$.]{{0,40}}shape \${sizes}\$", prose(notebook))
    stated += re.findall(rf"\b([A-Za-z]\w*) {sizes}", code)
    stated += re.findall(rf"^ *([A-Za-z]\w*) = .*#.*?{sizes}", code, re.M)
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


def signs_have_one_meaning(notebook):
    for formula in formulas(notebook):
        for pattern, reason in FORBIDDEN.items():
            if re.search(pattern, formula):
                yield f"{reason}: {formula}"


# Each generator of one notebook is a rule.
RULES = [
    function
    for function in list(globals().values())
    if inspect.isgeneratorfunction(function) and function is not references_lead_somewhere
]
