"""The contract of the series: each rule is a function that lists how a notebook breaks it.

`test_notebooks.py` holds the real notebooks to the rules, and `test_contract.py` shows that each
rule sees the damage that it is for. What only running code can tell stands in `contract_run.py`.
"""

import ast
import inspect
import re
from collections import Counter
from itertools import pairwise

import nbformat

from publish.notebook import ROOT, Notebook, alt_text, has_solution, tags

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


# --- Form ---------------------------------------------------------------------------------------


def valid_and_normalised(notebook):
    nbformat.validate(notebook.content)
    found = []
    metadata = notebook.content.metadata
    if not metadata.keys() <= {"kernelspec", "language_info"}:
        found.append(f"metadata that depends on the machine: {sorted(metadata)}")
    if metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("the kernel must be python3")
    if any("execution" in cell.metadata for cell in notebook.cells):
        found.append("times of execution are stored")
    return found


def executed_in_order(notebook):
    counts = [cell.execution_count for cell in notebook.code]
    right = counts == list(range(1, len(counts) + 1))
    return [] if right else [f"execution counts {counts}: run it from top to bottom"]


def no_output_is_an_error_or_a_warning(notebook):
    return [
        f"an error or a warning below: {first_line(cell)}"
        for cell in notebook.code
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


def most_outputs_are_compared(notebook):
    found = [
        f"never executed by the tests: {first_line(cell)}" for cell in notebook.tagged("nbval-skip")
    ]
    if notebook.compared < 0.8:
        found.append(f"the output of {notebook.compared:.0%} of the code cells is compared")
    return found


def opens_with_a_contract(notebook):
    opening = notebook.opening
    parts = ["**You will**", "**Afterwards you can**", "**You need**", "**Time.**"]
    found = [f"the first cell lacks {part}" for part in parts if part not in opening]
    if not re.match(rf"# {notebook.number} \S", opening):
        found.append("the first cell must start with '# NN Title'")
    most = MAX_SECONDS.get(notebook.number, 20)
    if notebook.times is None or notebook.seconds > most:
        found.append(f"the first cell must state the minutes to read and at most {most} seconds")
    return found


def closes_with_what_comes_next(notebook):
    closing = "\n".join(notebook.text[-3:])
    parts = ["## What you can now do", "**Next:**", "## Sources"]
    found = [f"the last cells lack {part}" for part in parts if part not in closing]
    if len(notebook.tagged("headline")) != 1:
        found.append("exactly one cell must carry the tag headline")
    return found


def headings_skip_no_level(notebook):
    headings = [
        match
        for source in notebook.text
        for match in re.finditer(r"^(#+) (.*)", re.sub(r"```.*?```", "", source, flags=re.S), re.M)
    ]
    levels = [len(heading[1]) for heading in headings]
    found = [
        f"level {before} is followed by level {level}: {heading[0]}"
        for before, level, heading in zip(levels, levels[1:], headings[1:], strict=False)
        if level > before + 1
    ]
    if levels[:1] != [1] or levels.count(1) != 1:
        found.append("a notebook has one title, and it comes first")
    return found


def code_cells_are_small(notebook):
    return [
        f"{count} statements: {first_line(cell)}"
        for cell in notebook.code
        if not any(f"def {name}(" in cell.source for name in LONGER_CELLS)
        and (count := count_statements(cell.source)) > MAX_STATEMENTS
    ]


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
    return [
        f"no prose before: {first_line(cell)}"
        for before, cell in pairwise(notebook.cells)
        if cell.cell_type == before.cell_type == "code" and before not in solutions
    ]


def style_is_plain(notebook):
    prose = "\n".join(notebook.text)
    prose = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$", "", prose, flags=re.S)
    prose = re.sub(r"!\[|!=", "", prose)
    words = r".*!.*|\b(?:obviously|clearly|simply|easy to see|trivially)\b"
    return [f"hype: {match}" for match in re.findall(words, prose, re.I)]


def random_numbers_come_from_a_generator(notebook):
    return [
        f"np.random.{name}: draw from a Generator with a seed"
        for cell in notebook.code
        for name in re.findall(r"np\.random\.(\w+)", cell.source)
        if name not in {"default_rng", "Generator", "RandomState"}
    ]


# --- Equations, figures, links ------------------------------------------------------------------


def equations_are_coded_one_to_one(notebook):
    number = int(notebook.number)
    tagged = notebook.equations
    source = "\n".join(cell.source for cell in notebook.code)
    labels = Counter(re.findall(r"#\s*\((\d+\.\d+)\)", source))
    found = [
        f"equation ({tag}) is computed by {labels[tag]} labelled lines of code, not by one"
        for tag in tagged
        if labels[tag] != 1
    ]
    found += [f"a line is labelled ({label}), an equation that does not exist"
              for label in labels if label not in tagged]  # fmt: skip
    if not tagged:
        found.append("a notebook of this series implements at least one equation")
    if tagged != [f"{number}.{i}" for i in range(1, len(tagged) + 1)]:
        found.append(f"equations must be numbered in order: {tagged}")
    return found


def tex_is_valid(notebook):
    math = "\n".join(re.findall(r"\$\$.*?\$\$|\$[^$]*\$", "\n".join(notebook.text), re.S))
    unknown = sorted(set(re.findall(r"\\([A-Za-z]+)", math)) - set(TEX.split()))
    found = [f"no TeX command, or one that TEX lacks: \\{command}" for command in unknown]
    for block in re.findall(r"\\begin\{aligned\}.*?\\end\{aligned\}", math, re.S):
        if r"\tag" in block:
            found.append(f"MathJax allows no tag inside aligned: {block}")
    return found


def figures_have_alt_text_and_captions(notebook):
    number = int(notebook.number)
    found, captions = [], []
    for cell, following in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        figures = [output for output in cell.get("outputs", []) if is_figure(output)]
        for figure in figures:
            shown = "image/png" in figure.data
            if shown and "photographs" in tags(cell):
                found.append(f"photographs that belong to others: {first_line(cell)}")
            if shown and len(alt_text(figure)) < 20:
                found.append(f"a figure without alt text: {first_line(cell)}")
        if figures and "nbval-ignore-output" not in tags(cell):
            source = following.source if following else ""
            caption = re.match(r"\*\*Figure (\d+\.\d+)\.\*\* \S", source)
            if caption is None:
                found.append(f"a figure without a caption: {first_line(cell)}")
            else:
                captions.append(caption[1])
    if captions != [f"{number}.{i}" for i in range(1, len(captions) + 1)]:
        found.append(f"figures must be numbered in order: {captions}")
    return found


def is_figure(output):
    """Whether an output shows a figure, or its text alternative alone."""
    data = output.get("data", {})
    return "image/png" in data or data.get("text/plain", "").startswith("Figure: ")


def links_lead_somewhere(notebook):
    """Links to files, and to headings of this or another notebook."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", "\n".join(notebook.text)):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        path = notebook.folder / file
        if file and not path.exists():
            found.append(f"a dead link: {target}")
        elif anchor and (not file or path.suffix == ".ipynb"):
            text = Notebook.read(path).text if file else notebook.text
            if anchor not in anchors(text):
                found.append(f"a dead link: {target}")
    return found


def anchors(text):
    """What Jupyter lets a link name: headings, with hyphens for spaces."""
    headings = re.findall(r"^#+ (.*)$", "\n".join(text), re.M)
    return {heading.strip().replace(" ", "-") for heading in headings}


def references_lead_somewhere(notebooks):
    """Equations (4.3) and figures 4.1 that a sentence of any notebook speaks of."""
    tagged = {tag for notebook in notebooks for tag in notebook.equations}
    chapters = {tag.partition(".")[0] for tag in tagged}
    captions = {
        figure
        for notebook in notebooks
        for figure in re.findall(r"^\*\*Figure (\d+\.\d+)\.\*\*", "\n".join(notebook.text), re.M)
    }
    found = []
    for notebook in notebooks:
        text = "\n".join(notebook.text)
        for mention in re.findall(r"\((\d+\.\d+)\)", text):
            if mention.partition(".")[0] in chapters and mention not in tagged:
                found.append(f"{notebook.name}: there is no equation ({mention})")
        for mention in re.findall(r"[Ff]igures? (\d+\.\d+)", text):
            if mention not in captions:
                found.append(f"{notebook.name}: there is no figure {mention}")
    return found


# --- Exercises and gradients --------------------------------------------------------------------


def exercises_have_solutions_and_checks(notebook):
    starts = [i for i, cell in enumerate(notebook.cells) if cell.source.startswith("### Exercise")]
    found = []
    if not 2 <= len(starts) <= 4:
        found.append(f"two to four exercises, not {len(starts)}")
    if len(re.findall(r"^### Exercise", "\n".join(notebook.text), re.M)) != len(starts):
        found.append("an exercise must start a cell of its own")
    for i in starts:
        solution, check = (*notebook.cells[i + 1 : i + 3], None, None)[:2]
        if not (solution and has_solution(solution)):
            found.append(f"no solution: {first_line(notebook.cells[i])}")
        elif not (check and "assert" in check.source):
            found.append(f"no check: {first_line(notebook.cells[i])}")
    return found


def gradients_are_derived(notebook):
    """The first witness: a numbered equation for each gradient that the notebook derives."""
    blocks = re.findall(r"\$\$(.*?)\$\$", "\n".join(notebook.text), re.S)
    equations = [block for block in blocks if r"\tag" in block]
    return [
        f"no numbered equation derives {name}"
        for name in WITNESSED.get(notebook.number, [])
        if not any(re.search(gradient_in_math(name), equation) for equation in equations)
    ]


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
    table, found = notation(), []
    sizes = r"\(((?:[NDHC]|\d+)(?:\{?,\}?\s*(?:[NDHC]|\d+))*\{?,?\}?)\)"
    for source in notebook.text:
        for name, shape in re.findall(
            rf"\$([A-Za-z](?:_\d)?)\$[^$.]{{0,40}}shape \${sizes}\$", source
        ):
            found += disagreement(table, name.replace("_", ""), shape)
    for cell in notebook.code:
        for name, shape in re.findall(rf"\b([A-Za-z]\w*) {sizes}", cell.source):
            found += disagreement(table, name, shape)
        for name, shape in re.findall(rf"^ *([A-Za-z]\w*) = .*#.*?{sizes}", cell.source, re.M):
            found += disagreement(table, name, shape)
    return found


def disagreement(table, name, shape):
    """A sentence when the table gives the symbol another shape. A number fits any letter."""
    sizes = re.findall(r"[NDHC]|\d+", shape)
    allowed = table.get(name)
    if allowed is None or "whole" in allowed:
        return []
    for letters in allowed:
        if len(letters) == len(sizes) and all(
            size.isdigit() or size == letter for size, letter in zip(sizes, letters, strict=True)
        ):
            return []
    return [f"{name} is given the shape ({shape}), but the table says {allowed}"]


def stated_meanings_agree_with_the_table(notebook):
    """Sentences that define a symbol of the table speak of what the table means by it."""
    symbol = r"(\\?[A-Za-z]+(?:_\d)?)"
    noun = r"((?:the|a|an) [^.;:]*)"
    definition = re.compile(
        rf"(?:[Ll]et|[Ww]rite|[Cc]all) \${symbol}\$ (?:be|for) {noun}"
        rf"|(?:^|[.;:,] |\bwhere |\band )\${symbol}\$ (?:is|stands for|denotes) {noun}"
        rf"|((?:a|the) (?:number|constant|slope|\*\w+\*)) \$[^$A-Za-z]*{symbol}\b"
    )
    found = []
    for source in notebook.text:
        for match in definition.finditer(re.sub(r"\\le\b|\\ge\b", "<", source)):
            name, meaning = match[1] or match[3] or match[6], match[2] or match[4] or match[5]
            expected = MEANINGS.get(name)
            if expected and not re.search(expected, meaning, re.I):
                found.append(f"{name} is given a second meaning: {match[0]}")
    return found


def signs_have_one_meaning(notebook):
    math = re.findall(r"\$\$.*?\$\$|\$[^$]*\$", "\n".join(notebook.text), re.S)
    return [
        f"{reason}: {formula}"
        for formula in math
        for pattern, reason in FORBIDDEN.items()
        if re.search(pattern, formula)
    ]


# Each function of one notebook is a rule.
RULES = [
    function
    for function in list(globals().values())
    if inspect.isfunction(function) and [*inspect.signature(function).parameters] == ["notebook"]
]
