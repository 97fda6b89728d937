"""Each rule of the contract reports the damage that it is for, and nothing else does.

A small notebook keeps every rule. Each test damages it in one way.
"""

import contract
import nbformat
import pytest
from contract import ROOT, RULES, Notebook, references_lead_somewhere
from contract_run import run
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

CELLS = {
    "opening": """# 99 A small notebook

**You will** derive one gradient. **Afterwards you can** repeat it. **You need** patience.

**Time.** about 5 minutes to read, at most 2 seconds to run.""",
    "imports": """import ipywidgets
import numpy as np

from cs231n_utils import plots
from cs231n_utils.gradient_check import check_gradient, relative_error
from cs231n_utils.widgets import explore""",
    "derivation": r"""## A gradient

Let $W$ be the weights of a layer, $W$ has shape $(D, C)$, and let the loss be half the sum of
their squares. See [notebook 01](01_linear_scores.ipynb) and [your turn](#Your-turn).

$$ \frac{\partial L}{\partial W_{di}} = W_{di} \tag{99.1} $$

$$ dW = W \tag{99.2} $$

Equation (99.1) has loops.""",
    "loops": '''def gradient_loops(W):
    """Gradient dW (D, C) of the loss."""
    dW = np.zeros_like(W)
    for index in np.ndindex(W.shape):
        dW[index] = W[index]  # (99.1)
    return dW''',
    "before vectorized": "One line, in place of the loops.",
    "vectorized": """W = np.random.default_rng(0).standard_normal((3, 2))
dW = 1.0 * W  # (99.2)""",
    "before witnesses": "All agree.",
    "witnesses": """assert relative_error(dW, gradient_loops(W)) <= 1e-12
print(check_gradient(lambda W: 0.5 * np.sum(W * W), W, dW, name="dW"))""",
    "before figure": "A look at the result.",
    "figure": "dW.shape",
    "caption": "**Figure 99.1.** The weights. Move the line.",
    "widget": """def draw(size):
    fig, ax = plots.subplots(figsize=(2, 2))
    ax.plot([0, size])
    ax.set_ylim(-1, 9)
    return fig.described(f"A line that rises by {size} units.")


explore(draw, size=ipywidgets.IntSlider(3, 0, 9, description="Size"))""",
    "your turn": "## Your turn",
    "exercise 1": "### Exercise 1: twice\n\nDouble a number.",
    "solution 1": '''def twice(v):
    """Two times v."""
    ### BEGIN SOLUTION
    return 2 * v
    ### END SOLUTION''',
    "check 1": """assert twice(1) == 2, "twice 1 is 2"
assert twice(3) == 6, "twice 3 is 6\"""",
    "exercise 2": "### Exercise 2: half\n\nHalve a number.",
    "solution 2": '''def half(v):
    """Half of v."""
    ### BEGIN SOLUTION
    return v / 2
    ### END SOLUTION''',
    "check 2": """assert half(1) == 0.5, "half of 1 is 0.5"
assert half(3) == 1.5, "half of 3 is 1.5\"""",
    "closing": "## What you can now do\n\nAll of it.\n\n**Next:** nothing.\n\n## Sources\n\nNone.",
}
CODE = [
    "imports",
    "loops",
    "vectorized",
    "witnesses",
    "figure",
    "widget",
    "solution 1",
    "check 1",
    "solution 2",
    "check 2",
]


def answers():
    return {
        "twice": {"right_sum": lambda v: v + v, "wrong_square": lambda v: v**2},
        "half": {"right_product": lambda v: 0.5 * v, "wrong_floor": lambda v: v // 2},
    }


class Draft:
    """A notebook to damage: cells by name, and the answers that are kept for its exercises."""

    def __init__(self):
        self.cells = {}
        for name, source in CELLS.items():
            new = new_code_cell if name in CODE else new_markdown_cell
            self.cells[name] = new(source)
        for count, name in enumerate(CODE, start=1):
            self.cells[name].execution_count = count
        self.cells["witnesses"].metadata.tags = ["witnesses", "headline"]
        self.cells["widget"].metadata.tags = ["widget"]
        alt = "A grid of three rows and two columns."
        image = new_output("display_data", {"image/png": ""}, metadata={"image/png": {"alt": alt}})
        self.cells["figure"].outputs = [image]
        self.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        self.answers = answers()

    def replace(self, name, old, new):
        """Replace a part of a cell."""
        assert old in self.cells[name].source
        self.cells[name].source = self.cells[name].source.replace(old, new)

    def add(self, name, text):
        """Add a text at the end of a cell."""
        self.cells[name].source += text

    def notebook(self):
        """The notebook of these cells, in the folder of the real ones."""
        content = new_notebook(cells=list(self.cells.values()), metadata=self.metadata)
        return Notebook("99_small", ROOT / "notebooks", nbformat.from_dict(content))

    def broken_rules(self):
        """The rules that the notebook breaks, and how."""
        notebook = self.notebook()
        found = {rule.__name__: rule(notebook) for rule in RULES}
        found["references_lead_somewhere"] = references_lead_somewhere([notebook])
        found |= run(notebook, self.answers)
        return {name: violations for name, violations in found.items() if violations}


@pytest.fixture(autouse=True)
def small_series(monkeypatch):
    monkeypatch.setitem(contract.WITNESSED, "99", ["dW"])


def test_the_small_notebook_keeps_every_rule():
    assert Draft().broken_rules() == {}


def replace(name, old, new):
    return lambda draft: draft.replace(name, old, new)


def add(name, text):
    return lambda draft: draft.add(name, text)


def remove(name):
    return lambda draft: draft.cells.pop(name)


def metadata(name, **changes):
    return lambda draft: draft.cells[name].metadata.update(changes)


def output(name, *new):
    return lambda draft: setattr(draft.cells[name], "outputs", [new_output(*new)])


def without_alt_text(draft):
    draft.cells["figure"].outputs[0].metadata = {}


def not_executed(draft):
    draft.cells["loops"].execution_count = None


def another_kernel(draft):
    draft.metadata["kernelspec"]["name"] = "conda-env-py"


def without_right_answer(draft):
    del draft.answers["twice"]["right_sum"]


def without_wrong_answer(draft):
    del draft.answers["twice"]["wrong_square"]


def answers_to_nothing(draft):
    draft.answers["thrice"] = draft.answers["twice"]


def answer_that_does_not_run(draft):
    draft.answers["twice"]["wrong_typo"] = lambda v: w * v  # noqa: F821


EQUATIONS = "equations_are_coded_one_to_one"
FIGURES = "figures_have_alt_text_and_captions"
HEADINGS = "headings_skip_no_level"
SMALL = "code_cells_are_small"
LINKS = "links_lead_somewhere"
REFERENCES = "references_lead_somewhere"
SHAPES = "stated_shapes_agree_with_the_table"
MEANINGS = "stated_meanings_agree_with_the_table"
SIGNS = "signs_have_one_meaning"

LONG_FUNCTION = "\n\n\ndef long():\n" + "    v = 1\n" * 14
WITH_COLUMNS = """\n
def scores(X, W):
    return X @ W.T


scores(np.zeros((5, 4)), np.zeros((3, 4)))"""

DAMAGE = {
    # an equation and its line of code
    "a tag without a line of code": (EQUATIONS, replace("vectorized", "  # (99.2)", "")),
    "a line of code without a tag": (EQUATIONS, add("vectorized", "\nW.shape  # (99.3)")),
    "two lines of code for a tag": (EQUATIONS, add("vectorized", "\ndW = W + 0  # (99.2)")),
    "a misspelt TeX command": ("tex_is_valid", add("derivation", "\n\n$\\suM_n W$")),
    "a tag inside aligned": (
        "tex_is_valid",
        replace(
            "derivation",
            r"$$ dW = W \tag{99.2} $$",
            r"$$ \begin{aligned} dW = W \tag{99.2} \end{aligned} $$",
        ),
    ),
    "tags out of order": (EQUATIONS, replace("derivation", r"\tag{99.2}", r"\tag{99.3}")),
    # the four witnesses
    "no derivation": (
        "gradients_are_derived",
        lambda draft: (
            draft.replace("derivation", r"\frac{\partial L}{\partial W_{di}} =", "g_{di} ="),
            draft.replace("derivation", "$$ dW =", "$$ g ="),
        ),
    ),
    "no loops": ("witnesses", replace("witnesses", "gradient_loops(W)", "W")),
    "loops under another name": (
        "witnesses",
        lambda draft: (
            draft.replace("loops", "gradient_loops", "gradient"),
            draft.replace("witnesses", "gradient_loops", "gradient"),
        ),
    ),
    "loops never compared": (
        "witnesses",
        replace("witnesses", "relative_error(dW, gradient_loops(W)) <= 1e-12", "dW.any()"),
    ),
    "no vectorized code": ("witnesses", replace("vectorized", "1.0 * W", "gradient_loops(W)")),
    "loops in place of vectorized code": (
        "witnesses",
        lambda draft: (
            draft.replace("vectorized", "1.0 * W", "gradient_loops(W)"),
            draft.replace("witnesses", "assert", "dW = gradient_loops(W)\nassert"),
        ),
    ),
    "no central differences": (
        "witnesses",
        replace("witnesses", CELLS["witnesses"].splitlines()[1], "print(dW.shape)"),
    ),
    "another gradient checked": ("witnesses", replace("witnesses", 'name="dW"', 'name="db"')),
    "no cell tagged": ("witnesses", metadata("witnesses", tags=["headline"])),
    # figures, headings, sizes
    "a figure without alt text": (FIGURES, without_alt_text),
    "photographs that belong to others": (FIGURES, metadata("figure", tags=["photographs"])),
    "a figure without a caption": (FIGURES, replace("caption", "**Figure 99.1.** The", "The")),
    "figures out of order": (FIGURES, replace("caption", "99.1", "99.2")),
    "a heading level skipped": (HEADINGS, replace("derivation", "## A", "### A")),
    "a second title": (HEADINGS, add("your turn", "\n\n# Title")),
    "a long code cell": (SMALL, add("loops", LONG_FUNCTION)),
    "a code cell full of comments": (SMALL, add("loops", "\n# more" * 25)),
    # widgets
    "a setting that throws": ("widgets", replace("widget", "[0, size]", "[0, 9 / size]")),
    "a control without effect": ("widgets", replace("widget", "fig, ax", "size = 1\n    fig, ax")),
    "figures left behind": (
        "widgets",
        replace("widget", "return", "vars(draw).setdefault('kept', []).append(fig)\n    return"),
    ),
    "a picture without much of an alternative": (
        "widgets",
        replace("widget", "A line that rises by {size} units.", "Size {size}"),
    ),
    "a title that the edge cuts off": (
        "widgets",
        replace("widget", "    return", "    ax.set_title(size * 'wide ')\n    return"),
    ),
    "a widget that is not the cell's last word": ("widgets", add("widget", "\nprint()")),
    "another first picture after Reset": (
        "widgets",
        replace("widget", "fig, ax", "size = draw.n = 1 + vars(draw).get('n', 0)\n    fig, ax"),
    ),
    # exercises
    "a check that accepts the unsolved cell": (
        "exercises",
        replace("check 1", CELLS["check 1"], "assert callable(twice)"),
    ),
    "a check that accepts a wrong answer": (
        "exercises",
        replace("check 1", CELLS["check 1"], 'assert twice(2) == 4, "no"'),
    ),
    "a check that rejects a right answer": (
        "exercises",
        add("check 2", '\nassert isinstance(half(2.0), int), "no"'),
    ),
    "a check that knows one way to write it": (
        "exercises",
        add("check 1", '\nassert 2 in twice.__code__.co_consts, "no"'),
    ),
    "a check without a message": ("exercises", replace("check 1", ', "twice 1 is 2"', "")),
    "a check that ends in another error": (
        "exercises",
        replace("check 1", "twice(1) == 2", "0 + twice(1) == 2"),
    ),
    "a wrong solution": ("exercises", replace("solution 1", "2 * v", "2 * v if v < 2 else 3 * v")),
    "no right answer kept": ("exercises", without_right_answer),
    "no wrong answer kept": ("exercises", without_wrong_answer),
    "answers to no exercise": ("exercises", answers_to_nothing),
    "an answer that does not run": ("exercises", answer_that_does_not_run),
    "no solution": (
        "exercises_have_solutions_and_checks",
        add("caption", "\n\n### Exercise 0: nothing"),
    ),
    # symbols
    "another meaning": (MEANINGS, add("derivation", "\n\nLet $H$ be the entropy of a label.")),
    "another meaning of a number": (MEANINGS, add("derivation", "\n\nTake a number $a > 0$.")),
    "another meaning of a Greek letter": (
        MEANINGS,
        add("derivation", "\n\nHere, $\\lambda$ is the largest eigenvalue."),
    ),
    "another shape in prose": (SHAPES, replace("derivation", "$(D, C)$", "$(C, D)$")),
    "another shape in a docstring": (SHAPES, replace("loops", "dW (D, C)", "dW (C, D)")),
    "another shape in a comment": (SHAPES, add("vectorized", "\nb = W[0]  # (N, C)")),
    "another sign for a transpose": (SIGNS, add("derivation", "\n\n$W^T$")),
    "another sign for an expectation": (SIGNS, add("derivation", "\n\n$E[W_{di}]$")),
    "another sign for a product": (SIGNS, add("derivation", "\n\n$W \\circ W$")),
    "scores called probabilities": (SIGNS, add("derivation", "\n\n$s_i = p_i$")),
    "another shape at run time": ("symbols", add("vectorized", "\nS = W.sum(axis=1)")),
    "another shape in a function": (
        "symbols",
        add("vectorized", "\n\n\ndef norm(Z):\n    return Z @ Z\n\n\nnorm(W[0])"),
    ),
    "sizes that disagree": ("symbols", add("vectorized", WITH_COLUMNS)),
    "another kind of thing": ("symbols", add("vectorized", "\n\n\ndef loss():\n    return 0")),
    "labels that are not whole": ("symbols", add("vectorized", "\ny = W[0]")),
    # links and references
    "a dead link to a file": (LINKS, replace("derivation", "01_linear_", "01_linaer_")),
    "a dead link to a heading": (LINKS, replace("derivation", "#Your-turn", "#My-turn")),
    "a dead link to another notebook's heading": (
        LINKS,
        replace("derivation", "scores.ipynb", "scores.ipynb#Nowhere"),
    ),
    "an equation that does not exist": (REFERENCES, add("derivation", "\n\nBy (99.7).")),
    "a figure that does not exist": (REFERENCES, add("derivation", "\n\nSee figure 99.7.")),
    # the rest of the form
    "a cell that fails": ("runs", add("figure", "\n1 / 0")),
    "another kernel": ("valid_and_normalised", another_kernel),
    "times of execution": ("valid_and_normalised", metadata("loops", execution={})),
    "a cell that was not executed": ("executed_in_order", not_executed),
    "a warning": (
        "no_output_is_an_error_or_a_warning",
        lambda draft: draft.cells["loops"].update(
            outputs=[new_output("stream", name="stderr", text="UserWarning")]
        ),
    ),
    "a cell that the tests skip": (
        "most_outputs_are_compared",
        metadata("loops", tags=["nbval-skip"]),
    ),
    "too many outputs ignored": (
        "most_outputs_are_compared",
        lambda draft: [
            draft.cells[name].metadata.update(tags=["nbval-ignore-output"])
            for name in ("imports", "loops", "figure")
        ],
    ),
    "no time stated": ("opens_with_a_contract", replace("opening", "2 seconds", "some seconds")),
    "a budget that is too long": ("opens_with_a_contract", replace("opening", "most 2", "most 30")),
    "no closing": ("closes_with_what_comes_next", replace("closing", "## Sources", "## Books")),
    "no headline": ("closes_with_what_comes_next", metadata("witnesses", tags=["witnesses"])),
    "no prose before code": ("prose_stands_before_every_code_cell", remove("before figure")),
    "hype": ("style_is_plain", add("closing", "\n\nIt is clearly right.")),
    "an exclamation": ("style_is_plain", add("closing", "\n\nWell done!")),
    "global random state": (
        "random_numbers_come_from_a_generator",
        add("vectorized", "\nnp.random.rand()"),
    ),
}


@pytest.mark.parametrize(("rule", "damage"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_seen_by_its_rule_alone(rule, damage):
    draft = Draft()
    damage(draft)
    assert draft.broken_rules().keys() == {rule}


def test_every_rule_has_its_damage():
    seen = {rule for rule, _ in DAMAGE.values()}
    names = {rule.__name__ for rule in RULES}
    assert seen == names | {"references_lead_somewhere", *run(Draft().notebook(), answers())}
