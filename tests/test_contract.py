"""Each rule of the contract reports the damage that it is for, and nothing else does.

The notebook in small_notebook.txt keeps every rule. Each test damages it in one way.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import contract
from tools.contract import ROOT, RULES, Notebook, references_lead_somewhere
from tools.contract_run import Observer, execute
from tools.mutants import faults

HERE = Path(__file__).parent
SMALL = (HERE / "small_notebook.txt").read_text(encoding="utf-8")
CELLS = re.findall(r"^%% ([\w ]+)( \(code\))?\n(.*?)\n(?=%%|\Z)", SMALL, re.M | re.S)


class Draft:
    """A notebook to damage: cells by name, and the answers that are kept for its exercises."""

    def __init__(self):
        self.cells, count = {}, 0
        for name, code, source in CELLS:
            count += bool(code)
            self.cells[name] = new_code_cell(execution_count=count) if code else new_markdown_cell()
            self.cells[name].update(source=source, id=name.replace(" ", "-"))
        self.cells["witnesses"].metadata.tags = ["witnesses", "headline"]
        self.cells["widget"].metadata.tags = ["widget"]
        for name in ("imports", "widget", "check 1", "check 2", "check 3"):
            self.cells[name].metadata.jupyter = {"source_hidden": True}
        alt = "A grid of three rows and two columns."
        image = new_output("display_data", {"image/png": ""}, metadata={"image/png": {"alt": alt}})
        self.cells["figure"].outputs = [image]
        self.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        self.answers = {
            "twice": {"right_sum": lambda v: v + v, "wrong_square": lambda v: v**2},
            "half": {"right_product": lambda v: 0.5 * v, "wrong_floor": lambda v: v // 2},
            "squared": {"right_power": lambda v: v**2, "wrong_double": lambda v: v + v},
        }

    def replace(self, name, old, new):
        """Replace a part of a cell; with no old text, add a paragraph."""
        cell = self.cells[name]
        assert old in cell.source
        cell.source = cell.source.replace(old, new) if old else f"{cell.source}\n\n{new}"

    def notebook(self):
        """The notebook of these cells, in the folder of the real ones."""
        content = new_notebook(cells=list(self.cells.values()), metadata=self.metadata)
        return Notebook("99_small", ROOT / "notebooks", nbformat.from_dict(content))

    def broken_rules(self, *, widget=True):
        """The rules that the notebook breaks, and how. Its widget need not run: that is slow."""
        notebook, names = self.notebook(), {"__name__": "__main__"}
        found = {rule.__name__: list(rule(notebook)) for rule in RULES}
        found["references_lead_somewhere"] = list(references_lead_somewhere([notebook]))
        observer = Observer(notebook, self.answers, names)
        left_out = [exercise.check for exercise in notebook.exercises]  # tried with their exercise
        left_out += [] if widget else notebook.tagged("widget")
        for cell in notebook.code:
            if cell in left_out:
                continue
            error = None
            observer.before(cell)
            try:
                execute(cell.source, names)
            except Exception as raised:
                error = raised
            observer.after(cell, error)
        found |= observer.violations()
        return {name: violations for name, violations in found.items() if violations}


@pytest.fixture(autouse=True)
def small_series(monkeypatch):
    monkeypatch.setitem(contract.WITNESSED, "99", ["dW"])


def test_a_notebook_of_too_many_words_or_cells_is_not_light(monkeypatch):
    monkeypatch.setattr(contract, "MAX_WORDS", 50)
    assert Draft().broken_rules().keys() == {"is_light"}
    monkeypatch.setattr(contract, "MAX_WORDS", 4500)
    monkeypatch.setattr(contract, "MAX_OPEN_CELLS", 5)
    assert Draft().broken_rules().keys() == {"is_light"}


def test_the_small_notebook_keeps_every_rule():
    assert Draft().broken_rules() == {}


def planted(name, old, new):
    return lambda draft: draft.replace(name, old, new)


def metadata(name, **changes):
    return lambda draft: draft.cells[name].metadata.update(changes)


def both(*damages):
    return lambda draft: [damage(draft) for damage in damages]


def skills_first(draft):
    opening = draft.cells.pop("opening")
    draft.cells = {"opening": opening, "skills": new_markdown_cell("Skills."), **draft.cells}


WARNING = [new_output("stream", name="stderr", text="UserWarning")]
IGNORED = [metadata(name, tags=["nbval-ignore-output"]) for name in ("imports", "loops", "figure")]
FORM, FIGURES = "stored_as_a_whole_run", "figures_have_alt_text_and_captions"
DAMAGE = {
    fault: (rule, planted(name, old, new))
    for rule, name, old, fault, new in faults(HERE / "damages.diff")
} | {
    "loops under another name": (
        "witnesses",
        both(*(planted(name, "gradient_loops", "gradient") for name in ("loops", "witnesses"))),
    ),
    "loops in place of vectorized code": (
        "witnesses",
        both(
            planted("vectorized", "1.0 * W", "gradient_loops(W)"),
            planted("witnesses", "assert", "dW = gradient_loops(W)\nassert"),
        ),
    ),
    "no cell tagged": ("witnesses", metadata("witnesses", tags=["headline"])),
    "no alt text": (FIGURES, lambda draft: draft.cells["figure"].outputs[0].update(metadata={})),
    "photographs that belong to others": (FIGURES, metadata("figure", tags=["photographs"])),
    "no right answer kept": ("exercises", lambda draft: draft.answers["twice"].pop("right_sum")),
    "no wrong answer kept": ("exercises", lambda draft: draft.answers["half"].pop("wrong_floor")),
    "answers to no exercise": ("exercises", lambda draft: draft.answers.update(thrice={})),
    "an answer that does not run": (
        "exercises",
        lambda draft: draft.answers["twice"].update(wrong_typo=lambda v: w * v),  # noqa: F821
    ),
    "another kernel": (FORM, lambda draft: draft.metadata["kernelspec"].update(name="conda-py")),
    "times of execution": (FORM, metadata("loops", execution={})),
    "not executed": (FORM, lambda draft: draft.cells["loops"].update(execution_count=None)),
    "a warning": (FORM, lambda draft: draft.cells["loops"].update(outputs=WARNING)),
    "a cell that the tests skip": (FORM, metadata("loops", tags=["nbval-skip"])),
    "too many outputs ignored": (FORM, both(*IGNORED)),
    "open imports": ("opens_with_a_puzzle", metadata("imports", jupyter={})),
    "a collapsed puzzle": (
        "opens_with_a_puzzle",
        metadata("puzzle", jupyter={"source_hidden": True}),
    ),
    "skills before the puzzle": ("opens_with_a_puzzle", skills_first),
    "an open widget": ("plumbing_is_collapsed_and_nothing_else", metadata("widget", jupyter={})),
    "an open check": ("plumbing_is_collapsed_and_nothing_else", metadata("check 1", jupyter={})),
    "a collapsed equation": (
        "plumbing_is_collapsed_and_nothing_else",
        metadata("vectorized", jupyter={"source_hidden": True}),
    ),
    "no headline": ("opens_and_closes", metadata("witnesses", tags=["witnesses"])),
    "no prose before code": (
        "prose_stands_before_every_code_cell",
        lambda draft: draft.cells.pop("before figure"),
    ),
}


@pytest.mark.parametrize(("rule", "damage"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_seen_by_its_rule_alone(rule, damage):
    draft = Draft()
    damage(draft)
    broken = draft.broken_rules(widget=rule == "widgets").keys()
    assert broken - ({"times_follow_from_the_content"} - {rule}) == {rule}  # more text, more time


def test_pytest_tells_what_is_seen_while_cells_run(tmp_path):
    """A damage of each kind, seen in the kernel; one that lacks CIFAR-10 or PyTorch is skipped."""
    draft = Draft()
    draft.replace("vectorized", "", "S = W.sum(axis=1)")
    draft.replace("figure", "", "1 / 0")
    draft.replace("widget", "[0, size]", "[0, 9 / size]")
    draft.replace("check 1", ', "twice 1 is 2"', "")
    content = draft.notebook().content
    nbformat.write(content, tmp_path / "07_small.ipynb")  # as number 07 it lacks its witnesses
    draft.replace("imports", "", "load_cifar10()")
    nbformat.write(draft.notebook().content, tmp_path / "12_small.ipynb")
    draft.replace("imports", "load_cifar10()", "import torch")
    nbformat.write(draft.notebook().content, tmp_path / "20_small.ipynb")
    hidden = "import sys\nsys.modules['torch'] = None"  # as where it is not installed
    (tmp_path / "sitecustomize.py").write_text(hidden)
    command = [sys.executable, "-m", "pytest", "-n0", "-rs", "-p", "conftest"]
    command += ["-c", "pyproject.toml", f"--rootdir={ROOT}", str(tmp_path)]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"CS231N_DATA": str(tmp_path), "PYTHONPATH": path}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    _, _, seen = result.stdout.partition("07_small.ipynb: contract")
    for kind in Observer(draft.notebook(), {}, {}).violations():
        assert f"{kind}: " in seen, result.stdout
    number = len(draft.notebook().code) + 1  # cells and contract
    for reason in ["`make data`", "python -m pip install torch"]:
        assert re.search(rf"SKIPPED \[{number}\] .*{reason}", seen), result.stdout


def test_every_rule_has_its_damage():
    names = {"references_lead_somewhere", *(rule.__name__ for rule in RULES)}
    names |= Observer(Draft().notebook(), {}, {}).violations().keys()
    assert {rule for rule, _ in DAMAGE.values()} == names
