"""Grading with nbgrader: points, damaged hand-ins, runs that hang, another user, and a week.

All notebooks and more kinds of hand-ins take an hour: `python -m publish.student --prove`.
"""

import ast
import csv
import html
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from copy import deepcopy
from pathlib import Path
from textwrap import indent
from types import SimpleNamespace as Namespace
from unicodedata import normalize

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.preprocessors import CheckCellMetadata
from nbgrader.utils import determine_grade, is_grade, is_solution

from publish.answers import path_of
from publish.notebook import MINUTES, Notebook
from publish.student import edition, grading
from publish.student.marking import isolation, week
from publish.student.marking.autograde import CutOutputs, FairExecute, Restore
from publish.student.marking.copies import Copies
from publish.student.marking.export import sender
from publish.student.marking.guard import SHOWN
from publish.student.marking.page import MATHEMATICS, Page, mathml
from publish.student.marking.stubs import as_released
from publish.student.marking.submission import (
    CLAIMED,
    COPIES,
    REACHES,
    STYLE,
    borrowed,
    code,
    restore,
    stops,
    unseen,
)
from publish.student.marking.week import behind_lines, gravest_first, shortened, students, together
from publish.student.marking.workers import DONE

SERIES = Notebook.series()
FULL = edition.solved(next(notebook for notebook in SERIES if notebook.number == "04"))
RELEASED = edition.unsolved(FULL).content
HANDED_IN = deepcopy(RELEASED)
for cell, solved in zip(HANDED_IN.cells, FULL.cells, strict=True):
    cell.source = solved.source


def editions(number):
    """A notebook with its solutions, and what students get of it."""
    [notebook] = Notebook.series(number)
    full = edition.solved(notebook)
    return full, edition.unsolved(full).content


def checks_of(notebook):
    return [cell for cell in notebook.cells if is_grade(cell)]


def marks(notebook):
    """What nbgrader says of each check, by its name."""
    return {
        check.metadata.nbgrader.grade_id: check.metadata.nbgrader for check in checks_of(notebook)
    }


def test_points_follow_the_minutes_and_a_check_is_named_by_what_it_tests():
    for notebook in SERIES:
        full = edition.solved(notebook)
        points = {name: mark["points"] for name, mark in marks(full.content).items()}
        assert len(points) == len(full.tagged("check"))
        for exercise in full.exercises:
            name = exercise.check.metadata.nbgrader.grade_id
            [function] = re.findall(r"^(?:def|class) (\w+)", exercise.solution.source, re.M)[-1:]
            assert name.startswith(exercise.title.lower().replace(" ", "-"))
            assert function in name
            assert 10 * points.pop(name) == MINUTES[exercise.kind]
        assert set(points.values()) <= {1}
        assert all(re.fullmatch(r"check-[a-zA-Z_]\w*[-\w]*", name) for name in points)


# --- Damaged hand-ins ---------------------------------------------------------------------------


def change_a_check(notebook):
    for check in checks_of(notebook)[:2]:
        check.source = "pass"


def cheapen_a_check(notebook):
    checks_of(notebook)[0].metadata.nbgrader.points = 50


def delete_checks(notebook):
    for cell in checks_of(notebook)[1:]:
        notebook.cells.remove(cell)


def copy_cells(notebook):
    for cell in [*checks_of(notebook), notebook.cells[5]]:
        twin = deepcopy(cell)
        twin.id = f"{cell.id}-twin"
        notebook.cells.insert(0, twin)


def claim_points(notebook):
    mark = checks_of(notebook)[0].metadata.nbgrader | {"points": 200}
    notebook.cells.insert(1, new_code_cell("", metadata={"nbgrader": mark}))


def lose_marks_and_ids(notebook):
    notebook.nbformat_minor = 4
    for cell in notebook.cells:
        cell.metadata = nbformat.NotebookNode()
        del cell["id"]


def write_answers_alone(notebook):
    ids = [cell.id for cell in FULL.solutions]
    notebook.cells = [cell for cell in notebook.cells if cell.id in ids]
    lose_marks_and_ids(notebook)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (change_a_check, [f"{', '.join(list(marks(RELEASED))[:2])} changed"]),
        (cheapen_a_check, []),
        (delete_checks, [f"{name} was deleted" for name in list(marks(RELEASED))[1:]]),
        (copy_cells, []),
        (claim_points, [CLAIMED]),
        (lose_marks_and_ids, []),
        (write_answers_alone, ["no cell has the marks"]),
    ],
)
def test_a_damaged_notebook_gets_its_checks_back_and_keeps_its_answers(damage, told):
    notebook = deepcopy(HANDED_IN)
    damage(notebook)
    sentences = restore(notebook, RELEASED)
    assert all(s.startswith(start) for s, start in zip(sentences, told, strict=True)), sentences
    assert marks(notebook) == marks(RELEASED)
    sources = {cell.metadata.nbgrader.grade_id: cell.source for cell in checks_of(RELEASED)}
    assert {c.metadata.nbgrader.grade_id: c.source for c in checks_of(notebook)} == sources
    everything = [cell.source for cell in notebook.cells]
    last = max(everything.index(cell.source) for cell in FULL.solutions)  # all are there
    assert sources["exercise-4-hinge_loss"] in everything[last:], "a check stands below its answer"
    nbformat.validate(notebook)
    CheckCellMetadata().preprocess(notebook, {})


def test_a_function_that_an_answers_cell_gave_is_put_back():
    full, released = editions("06")
    handed = deepcopy(full.content)
    [answer] = [cell for cell in handed.cells if "def suspect_backward" in cell.source]
    own = answer.source = answer.source[answer.source.index("def block_backward") :]
    told = restore(handed, released)
    assert told == ["suspect_backward was deleted: it was put back"]
    [answer] = [cell for cell in handed.cells if "def suspect_backward" in cell.source]
    assert answer.source.endswith(f"\n\n\n{own}")


def test_a_function_that_a_check_differences_is_named_if_it_is_another_one():
    full, released = editions("24")
    handed = deepcopy(full.content)
    [answer] = [cell for cell in handed.cells if "def turned(" in cell.source]
    answer.source = answer.source.replace("Y = np", "# as it was\n    print(3)\n    Y = np")
    assert "as it was given" not in str(borrowed(handed, released, full.content))
    answer.source = answer.source.replace("return Y", "return 0 * Y", 1)
    told = "turned_backward: turned is not as it was given, and a check uses it"
    assert told in [each for _, each in borrowed(handed, released, full.content)]


def test_the_fault_that_an_exercise_asks_for_may_be_mended_in_its_place():
    full, released = editions("06")
    handed = deepcopy(full.content)
    [answer] = [cell for cell in handed.cells if "def suspect_backward(" in cell.source]
    answer.source = answer.source.replace("def suspect_backward(", "def mended(")
    answer.source += "\n\n\ndef suspect_backward(*given):\n    return mended(*given)"
    assert "as it was given" not in str(borrowed(handed, released, full.content))


def test_an_answer_by_a_name_from_elsewhere_is_told_with_its_line():
    line = 'solved = np.importlib.import_module("cs231n_" + rest)'
    answer = "def softmax_loss(S, y):\n    return solved.softmax_loss(S, y)"
    cells = [new_code_cell(line), new_code_cell(answer)]
    told = f"softmax_loss: solved, which comes from `{line}`"
    assert told in [each for _, each in borrowed(new_notebook(cells=cells), RELEASED, FULL.content)]
    cells[1].source = cells[1].source.replace("return", "solved = S\n    return")  # its own
    assert "comes from" not in str(borrowed(new_notebook(cells=cells), RELEASED, FULL.content))
    cells[1].source = answer
    cells[0].source = f"def mine(rest):\n    {line}"  # that of a function
    assert "comes from" not in str(borrowed(new_notebook(cells=cells), RELEASED, FULL.content))


def move_checks_to_the_end(cells):
    cells.sort(key=is_grade)


def copy_checks_to_the_end(cells):
    cells += [NotebookNode(cell, id=f"{cell.id}-twin") for cell in cells if is_grade(cell)]


def move_a_check_down(cells):
    below = next(i for i, cell in enumerate(cells) if cell.source.startswith(edition.GIVEN))
    assert is_grade(cells[below - 1])
    cells[below - 1 : below + 1] = reversed(cells[below - 1 : below + 1])


@pytest.mark.parametrize(
    "move", [move_checks_to_the_end, copy_checks_to_the_end, move_a_check_down]
)
@pytest.mark.parametrize("with_marks", [True, False])
def test_no_order_of_cells_lets_the_packages_functions_answer(move, with_marks):
    notebook = deepcopy(RELEASED)
    notebook.cells.insert(8, new_code_cell("mine = 1"))
    move(notebook.cells)
    if not with_marks:
        lose_marks_and_ids(notebook)
    assert looks(notebook) == []
    assert restore(notebook, RELEASED) == [
        "cells were moved: they were run in the order of the release"
    ]
    sources = [cell.source for cell in notebook.cells]
    assert sources.pop(8) == "mine = 1"
    assert sources == [cell.source for cell in RELEASED.cells]


def looks(notebook):
    """What is to be looked at, without the names of cells."""
    told = borrowed(notebook, RELEASED, FULL.content)
    return [sentence.partition(": ")[2] for _, sentence in told]


def test_what_reaches_or_copies_a_finished_function_is_flagged():
    notebook = deepcopy(RELEASED)
    assert looks(notebook) == []
    for line in [
        "from cs231n_utils.taught.losses import softmax_loss",
        "from cs231n_utils import TwoLayerNet as mine",
        f"importlib.{100 * 'x'}",
        "print(inspect.getsource(there))",
        'print(open("solutions").read())',
        "np.fromfile(there)",
        'getattr(error, "__trace" + "back__")',
        'getattr(trace, "tb_frame")',
        "reach = getattr",
        "string.Formatter().get_field(there, (mine,), {})",
        'print("{0.__globals__}".format(mine))',
        "steps.gi_frame",
        "random._os.popen(there)",
        "from operator import attrgetter as reach",
        'operator.methodcaller("pop", key)(space)',
        'vars(space)["al" + "lclose"] = mine',
        'space.__dict__["al" + "lclose"] = mine',
        'globals()["sa" + "me"] = mine',
        'Num = type("Num", (float,), members)',
        'members = {"__lt__": mine}',
        "members = dict(__eq__=mine)",
        "__ge__ = mine",
    ]:
        notebook.cells[5] = new_code_cell(f"# mine\n{line}")
        shown = line if len(line) <= 100 else f"{line[:97]}..."
        assert looks(notebook) == [shown]
    given = next(
        line for c in code(RELEASED) for line in c.source.splitlines() if "# given" in line
    )
    notebook.cells[5].source = given  # above the checks it is nobody's but the student's
    assert looks(notebook) == [given]
    notebook.cells[5].source = f"# mine\n{line}"
    as_released(notebook.cells[5])
    [(_, sentence)] = borrowed(notebook, RELEASED, FULL.content)  # a student can write it, too
    assert sentence.endswith(f", in a cell that says it is of an older release: {line}")
    notebook = deepcopy(HANDED_IN)
    [(_, sentence)] = borrowed(notebook, RELEASED, FULL.content)
    assert sentence.startswith("softmax_loss, ")
    assert sentence.endswith(": word for word the published solution")
    [answer] = [cell for cell in notebook.cells if cell.id == FULL.core[0].id]
    answer.source = re.sub("  # .*", "", answer.source)  # the comments are the telling part
    assert "softmax_loss" not in borrowed(notebook, RELEASED, FULL.content)[0][1]
    for name in ("numerical_gradient", "imag", "torch"):
        answer.source = f"def softmax_loss(S, y):\n    return 0.0, {name}(S)"
        assert f"{name}, which no answer here needs" in looks(notebook)
        answer.source = f"def mine(S):\n    return {name}(S)\n{answer.source.replace(name, 'mine')}"
        assert name == "imag" or f"{name}, which no answer here needs" in looks(notebook)
        answer.source = f"def softmax_loss(S, y):\n    return 0.0, S\n{name}(S)"
        assert name not in str(looks(notebook)), "tried, beside the answer"
    answer.source = "def softmax_loss(S, y):\n    return S, y\n    raise NotImplementedError"
    notebook.cells.append(new_code_cell("def arrows(S, y):\n    return softmax_loss(S, y)[1]"))
    assert "softmax_loss" not in str(looks(notebook)), "written, above what the stub has left"
    notebook.cells.pop()
    answer.source = "def softmax_loss(S, y):\n    return check_gradient(S, y).first"
    assert "check_gradient, which no answer here needs" in looks(notebook)
    answer.source = "def softmax_loss(S, y):\n    return S, y\ncheck_gradient(softmax_loss)"
    assert "check_gradient" not in str(looks(notebook))  # tried, beside the answer


@pytest.mark.parametrize(
    "line",
    [
        "g = (f(S + e) - f(S - e)) / 2e-5",
        "high = f(S + e)\nlow = f(S)\ng = (high - low) / 1e-5",
        "E = 1e-5 * np.eye(3)\ng = [f(S + e)[0] - f(S - e)[0] for e in E]",
        "ends = np.array([f(S + e), f(S - e)])\ng = (ends[0] - ends[1]) / 2e-5",
        "ends = [f(T) for T in (S + e, S - e)]\ng = (ends[0] - ends[1]) / 2e-5",
        "def mine(x):\n    return np.polyfit(x, losses, deg=1)[0]",
        "g = np.subtract(f(S + e), f(S - e)) / 2e-5",
        "g = sum(sign * f(S + sign * e) for sign in (1, -1)) / 2e-5",
        "for sign in (e, -e):\n    g += sign * f(S + sign)",
        "g = np.abs(f(S + 1e-30j)) / 1e-30",
        "up, _ = f(S + e)\nto, _ = f(S - e)\ng = (up - to) / 2e-5",
        "g = (np.sum(np.maximum(P, 0)) - np.sum(np.maximum(Q, 0))) / 2e-5",
        "g = np.dot([f(S + e), f(S - e)], [1, -1]) / 2e-5",
        "g = np.array([1, -1]) @ np.array([f(S + e), f(S - e)]) / 2e-5",
        "g = ((X + E) @ W - X @ W) / 1e-5",
        "h = 2**-20\nup = np.mean((S + h) ** 3)\nat = np.mean(S**3)\ng = (up - at) / (2 * h)",
        "def mine(v, h=1e-6):\n    return (v['up'] - v['to']) / (2 * h)",
        "for sign in [+1, -1]:\n    ends.append(f(S + sign))",
        "def mine(E):\n    return np.linalg.lstsq(E, losses)[0]",
        "def mine(x):\n    return Chebyshev.fit(x, losses, deg=3).deriv()(0)",
        "g = np.angle(f(S + 1e-20 * np.sqrt(np.cdouble(-1)))) / 1e-20",
        "T[0] += 1\nup = np.sum(V * f(T))\nT[0] -= 2\nat = np.sum(V * f(T))\ng = (up - at) / 2",
        "g = f(S + np.emath.sqrt(-1.0) * e).imag",
        "g = (f(S + e) - f(S - e)) * N",
        "g = operator.sub(f(S + e), f(S - e)) / 2e-5",
        "g = (f(S + e) + -f(S - e)) / 2e-5",
        "g = (f(S + e) + np.negative(f(S - e))) / 2e-5",
        "v.append(f(B))\nB[0] -= 2e-5\nv.append(f(B))\ng = (v[0] - v[1]) * 5e4",
        "def mine(E):\n    return np.linalg.pinv(E) @ losses",
        "g = np.ptp([f(S), f(S + e)]) * 4096",
        "def mine(x):\n    return np.cov(x, losses)[0, 1] / x.var()",
        "g = (high - low) / (1 / 4096 * S)",
        "g = f(S.astype('D') + e)",
        "g = f(np.zeros(S.shape, dtype='complex128'))",
        "g = f((S + e).view('c16'))",
        "T[0] += 1\nat = np.sum(V * (S @ W))\ng = np.sum(V * (T @ W)) - at",
        "at = np.sum(V * S)\nS[0] = 1\nup = np.sum(V * S)\ng = up - at",
        "at = np.sum(V * S)\nS[0] = S[0] + e\nup = np.sum(V * S)\ng = up - at",
        "g = f(S + 1, W) - f(S, W)",
        "at = f(S, W)\ng = np.array([[f(S + u, W) for u in v] for v in E]) - at",
        "T[0] += step.size\ng = f(T.reshape(S.shape)) - f(S)",
        "g[0] = f(S)\nS[0] += e\ng[0] -= f(S)",
        "B[0] += 0.5\nT[0] -= 0.5\ng = np.sum(dZ * (B @ a)) - np.sum(dZ * (T @ a))",
        "def mine(E):\n    return np.linalg.inv(E) @ losses",
        "g = f(S + 0.5, W) - f(S - 0.5, W), y",
        "at = S + f(S)\ng = np.divide(S + 1e-7 + f(S + 1e-7) - at, 1e-7)",
    ],
)
def test_differences_by_hand_are_named_where_no_answer_needs_them(line):
    last, apart = line.splitlines()[-1].strip(), line.startswith("def mine")
    inside = "return mine(S), y" if apart else f"{indent(line, '    ').strip()}\n    return g, S, y"
    own = new_code_cell(f"def softmax_loss(S, y):\n    {inside}\n{line * apart}")
    assert f"{last}  [a numerical difference]" in looks(new_notebook(cells=[own]))
    tried = new_code_cell(f"def softmax_loss(S, y):\n    return S, y\n{line}")
    assert "numerical" not in str(looks(new_notebook(cells=[tried]))), "it only tries the answer"
    full, released = editions("03")  # asks for them
    own.source = own.source.replace("softmax_loss(S, y)", "forward_difference(f, S, y)")
    seen = borrowed(new_notebook(cells=[own]), released, full.content)
    assert not [each for _, each in seen if "numerical" in each]


@pytest.mark.parametrize(
    "line",
    [
        "for k in np.ndindex(dV.shape):\n    e[k] = 1\n    g[k] = np.sum(dV * centre(e))",
        "for t in (-0.5, 0.5):\n    e.flat[0] += t\n    ends.append(np.sum(dV * (e @ dV)))",
        "for k in range(9):\n    e[k] = e[k] + 1\n    g.append(net.loss(e))",
    ],
)
def test_an_answer_that_asks_a_function_for_each_entry_is_told(line):
    full, released = editions("06")
    body = indent(f"e, g, ends = np.zeros(3), np.zeros(3), []\n{line}\nreturn g", "    ")
    answer = new_code_cell(f"def centre_backward(dV):\n{body}")
    told = str(borrowed(new_notebook(cells=[answer]), released, full.content))
    assert f"{line.splitlines()[-1].strip()}  [once for each entry]" in told


def test_a_helper_called_as_a_variable_of_the_notebook_hides_no_difference():
    full, released = editions("06")
    assert any("\nslope = " in cell.source for cell in full.content.cells)
    line = "return (f(A + h) - f(A - h)) / (2 * h)"
    helper = f"def slope(f, A, h=1e-6):\n    {line}\n"
    answer = new_code_cell(f"{helper}def centre_backward(dV):\n    return slope(np.sum, dV)")
    told = str(borrowed(new_notebook(cells=[answer]), released, full.content))
    assert f"centre_backward: {line}  [a numerical difference]" in told


def test_an_own_cell_that_binds_what_a_parameter_is_called_is_not_needed_by_the_answer():
    full, released = editions("06")
    answer = new_code_cell("def centre_backward(dV):\n    return dV - dV.mean(axis=0)")
    loop = "for h in [0.1, 0.01]:\n    dV = e\n    g = (centre(dV + h) - centre(dV - h)) / h"
    notebook = new_notebook(cells=[answer, new_code_cell(loop)])
    told = borrowed(notebook, released, full.content)
    assert told == [(STYLE, "below centre_backward: dV = e")]


def test_a_cell_below_an_answer_of_two_names_is_no_part_of_it():
    full, released = editions("06")
    answer = next(cell for cell in released.cells if "def neuron_loss" in cell.source)
    own = new_notebook(cells=[answer, new_code_cell("np.allclose = print")])
    [(_, told)] = borrowed(own, released, full.content)
    assert told == "below neuron_loss and refused: np.allclose = print"
    own.cells[1].source = "def numerical_gradient(f, x):\n    return x"
    assert [grave for grave, _ in borrowed(own, released, full.content)] == [STYLE], "to try with"
    own.cells[1].source = "def numerical_gradient(f, h=eval('x')): pass"
    assert borrowed(own, released, full.content)[0][0] == REACHES


@pytest.mark.parametrize(
    "right",
    [
        "log(S) - log(1 - S)",
        "(relu(S) - relu(-S)) / 2",
        "(total(M) - total(K)) / len(S)",
        "total(M) - total(K)",
        "np.sum(M) - np.sum(K)",
    ],
)
def test_a_formula_with_one_function_twice_is_no_difference(right):
    own = new_code_cell(f"def softmax_loss(S, y):\n    return S, y, {right}")
    own.source += "\nlimit = 1e-9\nS[S < 0] = 0"
    assert "numerical" not in str(looks(new_notebook(cells=[own])))


def test_a_helper_by_differences_is_named_where_an_answer_uses_it_and_not_where_it_tests_one():
    """Also where the notebook itself shows how differences are taken."""
    full, released = editions("06")
    own = new_code_cell(
        "def steepness(f, x):\n    h = 1e-5\n    return (f(x + h) - f(x - h)) / (2 * h)"
    )
    answer = new_code_cell("def block_backward(dV, X):\n    return dV + dV * (X > 0)")
    trial = new_code_cell("steepness(relu, 3.0), block_backward(1.0, 3.0)")
    seen = borrowed(new_notebook(cells=[own, answer, trial]), released, full.content)
    assert "numerical" not in str(seen)
    answer.source = "def block_backward(dV, X):\n    return dV + dV * steepness(relu, X)"
    told = "block_backward: return (f(x + h) - f(x - h)) / (2 * h)  [a numerical difference]"
    seen = borrowed(new_notebook(cells=[own, answer]), released, full.content)
    assert told in [sentence for _, sentence in seen]
    own.source = f"%%time\n{own.source}\n!ls"  # is no way past
    seen = borrowed(new_notebook(cells=[own, answer]), released, full.content)
    assert told in [sentence for _, sentence in seen]


def test_a_finished_function_of_a_module_that_the_notebook_imports_is_named():
    full, released = editions("07")

    def told(*cells):
        cells = [new_code_cell(source) for source in cells]
        return [each for _, each in borrowed(new_notebook(cells=cells), released, full.content)]

    answer = "def forward(params, X):\n    return models.forward(params, X)"
    named = ["forward: models.forward, which no answer here needs"]
    assert told(answer) == named
    assert told("stored = [models.forward]", answer.replace("models.forward", "stored[0]")) == named
    [loss] = [cell.source for cell in full.solutions if "class TwoLayerNet" in cell.source]
    loss = loss.replace("backward(", "backward(  ")  # not word for word
    assert [each for each in told(loss) if "which no answer" in each] == []
    backward = next(cell.source for cell in full.solutions if "def backward" in cell.source)
    assert [each for each in told(backward) if "which no answer" in each] == []


def test_what_the_package_has_finished_is_named_by_whatever_way_it_is_reached():
    full, released = editions("22")
    for name, taken, told in [
        ("lstm_step_backward", "recurrence.LSTM(2, 3).step(*given)", "recurrence.LSTM"),
        ("lstm_step_backward", "M.lstm_step_backward(*given)", "M.lstm_step_backward"),
        ("clip_by_norm", "getattr(recurrence, 'clip_by_norm')(*given)", "recurrence.clip_by_norm"),
        ("affine_gradients", "recurrence.affine_gradients(*given)", "recurrence.affine_gradients"),
        ("lstm_step_backward", "recurrence.affine_gradients(*given)", ""),
        ("lstm_step_backward", "recurrence.lstm_step(*given)", ""),
        ("rnn_step_backward", "recurrence.rnn_step(*given)", ""),
    ]:
        answer = f"M = recurrence\n\ndef {name}(*given):\n    return {taken}"
        seen = borrowed(new_notebook(cells=[new_code_cell(answer)]), released, full.content)
        named = [each for _, each in seen if "which no answer" in each]
        assert named == [f"{name}: {told}, which no answer here needs"] * bool(told)


def test_an_answer_behind_its_check_is_told(tmp_path, monkeypatch):
    notebook = deepcopy(RELEASED)
    assert unseen(notebook, RELEASED) == []
    notebook.cells += [new_code_cell("def softmax_loss(S, y):\n    return S, y")]
    told = ["softmax_loss: answered behind the check, which does not see it"]
    assert unseen(notebook, RELEASED) == told
    monkeypatch.chdir(tmp_path)
    (tmp_path / "release" / "02").mkdir(parents=True)
    nbformat.write(RELEASED, tmp_path / "release" / "02" / "02.ipynb")
    about = {"notebook": "02", "assignment": "02", "student": "ann"}
    notebook, _ = Restore().preprocess(notebook, {"nbgrader": about})
    assert f"<li>{told[0]}: move it above</li>" in page_of(notebook)
    assert unseen(FULL.content, RELEASED) == []


def test_what_a_check_defines_is_named_in_an_answer():
    checks = "\n".join(cell.source for cell in code(RELEASED) if is_grade(cell))
    for pattern in (r"^def (\w+)", r"^(\w+_check) ="):
        name = re.findall(pattern, checks, re.M)[0]
        own = new_code_cell(f"def softmax_loss(S, y):\n    return {name}.item(0), S, y")
        assert looks(new_notebook(cells=[own])) == [f"{name}, which its check has made"]
        own.source = own.source.replace("S, y):", f"S, y):\n    {name} = S")
        assert looks(new_notebook(cells=[own])) == []


def test_a_finished_function_in_place_of_an_unwritten_one_is_named_also_without_ids():
    notebook, told = deepcopy(RELEASED), ", which no answer here needs"
    [cell] = [cell for cell in notebook.cells if "def repaired_loss" in cell.source]
    cell.source = "def repaired_loss(S, y):\n    return softmax_loss(S, y)"
    for kept in (cell.id, "own"):
        cell.id, cell.metadata = kept, {}
        assert looks(notebook) == [f"softmax_loss{told}"]
    notebook.cells.append(new_code_cell("from cs231n_utils.taught.losses import softmax_loss"))
    assert f"softmax_loss{told}" in looks(notebook), "imported is not written"
    notebook.cells.pop()
    notebook.cells += FULL.core  # written now, and softmax is a notebook's that came before
    cell.source += "[0], softmax(S)"
    assert f"softmax_loss{told}" not in looks(notebook)
    assert not [each for each in looks(notebook) if "softmax," in each]


def test_one_cheat_is_a_few_lines_and_stands_before_style():
    notebook = deepcopy(RELEASED)
    own = [f"    def __{name}__(self): {name[0]}" for name in ("a", "ab", "b", "c", "d")]
    usual = ["%matplotlib inline", "import os"]
    notebook.cells[5] = new_code_cell("\n".join([*usual[1:], "X = 3", "class F:", *own]))
    told = ["__a__(self): a (2 such lines)", "__b__(self): b", "__c__(self): c"]
    told = [f"F: def {each}" for each in told]
    rest = ["F: def __d__(self): d", "F: X = 3", "F: import os"]
    seen = borrowed(notebook, RELEASED, FULL.content)
    assert [each for _, each in seen] == told + rest
    shown, left = shortened(seen)
    assert ([each for _, each in shown], left) == ([*told, "F: and 1 more"], rest)
    usual += ["!git clone x", "%cd x", "import sys", "sys.path.append('x')", "def X(): pass", "!ls"]
    usual += ["vars(net)", "print(vars(net).keys())", 'f = open("notes.txt", "w")']
    usual += ["np.sum?", "%whos", "from tqdm.auto import tqdm", "import numpy as np", "exit()"]
    notebook.cells[5] = new_code_cell("\n".join([*usual, "print(np.__version__, __name__)"]))
    assert {grave for grave, _ in borrowed(notebook, RELEASED, FULL.content)} == {STYLE}
    notebook.cells[5] = new_code_cell("%%time\nprint(3)")
    assert looks(notebook) == []
    notebook.cells[5].source += "\ngc.collect()"
    assert looks(notebook) == ["gc.collect()"]
    notebook.cells[5] = new_code_cell("!git clone x; sh y")
    assert {grave for grave, _ in borrowed(notebook, RELEASED, FULL.content)} == {REACHES}


def test_what_many_have_is_told_once_and_after_the_rest():
    called, line = {student: student.upper() for student in "abcdefg"}, (COPIES, "A: slope()")
    looks = {student: [line] for student in "abcdef"} | {"g": []}
    looks["b"] = [line, (REACHES, "A: patch()")]
    told = ["  B, 3 points, up to 2 behind this", "    A: patch()"]
    told += ["  6 have A: slope(): a, b, c, d, e, f"]
    scores = dict.fromkeys("abcdefg", 3.0)
    assert [*gravest_first(looks, called, scores, {"b": 2.0})] == told
    looks["g"] = [(REACHES, "Z: patch()")]
    first, *_ = gravest_first(looks, called, scores, {"b": 1.0, "g": 2.0})
    assert first.startswith("  G, ")
    grades = [Namespace(name="check-f", score=2.0), Namespace(name="exercise-1-A-b", score=1.0)]
    copied = [("f", COPIES, 2), ("f, g", COPIES, 2), ("A.b", COPIES, 1), ("g", COPIES, 0)]
    apart = [("below f", REACHES, 3), ("below f and g", REACHES, 3), ("below f", COPIES, 0)]
    for place, grave, points in [*copied, *apart]:
        assert behind_lines([(grave, f"{place}: a line")], grades) == points
    imports = "from cs231n_utils.taught import layers as it, losses (2 such lines)"
    lines = {imports: 0, "print(inspect.getsource(layers.f))": 0, "import x; patch()": 3}
    for own, points in lines.items():
        assert behind_lines([(REACHES, f"below f: {own}")], grades) == points
    looks |= {"a": [(REACHES, "below f: import x")], "g": [(COPIES, "f: g")]}
    heads = [told[:4] for told in gravest_first(looks, called, scores, {"b": 1.0, "g": 2.0})]
    assert heads.index("  G,") < heads.index("  B,") < heads.index("  A,"), "A gained nothing"
    looks |= {"a": [line], "g": [(REACHES, "Z: patch()")]}
    del looks["f"]
    assert [*gravest_first(looks, called, scores, {})][-1] == "    A: slope()"


def test_a_change_that_is_seen_often_is_told_once():
    told = [f"changed numpy.abs, seen behind {cell}" for cell in "abc"]
    assert together([*told, "changed math.exp, seen behind d"]) == [
        "changed numpy.abs, seen behind a, and 2 more",
        "changed math.exp, seen behind d",
    ]


def test_a_numerical_gradient_behind_a_helper_or_another_name_is_named():
    answer = new_code_cell("def softmax_loss(S, y):\n    return slant(S), S, y")
    for own in ("def slant(S):\n    return numerical_gradient(f, S)", "slant = numerical_gradient"):
        notebook = new_notebook(cells=[new_code_cell(f"import math\n{own}"), answer])
        assert "numerical_gradient, which no answer here needs" in looks(notebook)
        assert not [each for each in looks(new_notebook(cells=notebook.cells[:1])) if "num" in each]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("    model.loss = lambda *a: 0\n    return 1.0", "model.loss = lambda *a: 0"),
        ("    model.loss = found\n    return 1.0", "model.loss = found"),
        ("    return small.loss(X, y)", "small.loss, which is not given to it"),
        ("    return type(small)(3, 2)", "type(small), which is not given to it"),
        ("    return aside()\ndef aside():\n    return by_loops", "by_loops, which its check"),
    ],
)
def test_what_an_answer_does_to_or_takes_from_a_checks_objects_is_told(source, told):
    full, released = editions("05")
    own = new_code_cell(f"def backtrack(model, X, y, reg, learning_rate):\n{source}")
    seen = [each for _, each in borrowed(new_notebook(cells=[own]), released, full.content)]
    assert seen[0].startswith(f"backtrack: {told}")
    own.source = own.source.replace("(model, ", "(model, small, ")
    seen = [each for _, each in borrowed(new_notebook(cells=[own]), released, full.content)]
    assert "which is not given" not in str(seen)


def test_two_losses_may_be_compared_where_no_gradient_is_asked_for():
    [notebook] = Notebook.series("05")
    full = edition.solved(notebook)
    own = new_code_cell(
        "def backtrack(model, X, y, reg, learning_rate):\n"
        "    moved = model.__class__(3, 2)\n    at = lambda rate: moved.loss(X, y, reg)[0]\n"
        "    while (at(0) - at(learning_rate)) / learning_rate < sys.float_info.epsilon:\n"
        "        learning_rate /= 2\n    return learning_rate"
    )
    notebook = new_notebook(cells=[own])
    assert borrowed(notebook, edition.unsolved(full).content, full.content) == []


def test_students_with_one_long_answer_are_named_and_no_others():
    alike = Copies(RELEASED, FULL.content)
    long = "def hinge_loss(S, y):\n" + "".join(f"    x = {i} * S\n" for i in range(6))
    short = "def softmax_loss(S, y):\n    dS = softmax(S)\n    return 0.0, dS\n"
    first, *lines = long.replace("x", "dS").replace("\n", "  # mine\n").splitlines()
    own = [long, "\n".join([first, *reversed(lines)]), long.replace("5", "7")]
    for student, answer in zip("abc", own, strict=True):
        for cells in (RELEASED.cells, FULL.cells, [new_code_cell(short + answer)]):
            alike.add(student, new_notebook(cells=cells))
    several = "\n".join(f"def {name}(S):" + 4 * "\n    S *= 3" for name in alike.asked)
    for student in "yz":  # short ones, but each to the letter
        alike.add(student, new_notebook(cells=[new_code_cell(several)]))
    told = [(["a", "b"], "hinge_loss"), (["y", "z"], "every answer to the letter")]
    assert [*alike.told()] == told
    renamed = several.replace("S", "scores")
    alike.add("x", new_notebook(cells=[new_code_cell(renamed)]))
    assert (["y", "z", "x"], "every answer, names, comments and order apart") in alike.told()
    brief = "\n".join(f"def {name}(S):\n    S **= 2\n    return S" for name in [*alike.asked][:4])
    for student in "vw":
        alike.add(student, new_notebook(cells=[new_code_cell(brief)]))
    assert (["v", "w"], "every answer to the letter") in alike.told()
    for student in "defg":  # what six say tells nothing of two
        alike.add(student, new_notebook(cells=[new_code_cell(long)]))
    assert not [answers for _, answers in alike.told() if answers == "hinge_loss"]


def test_who_shares_most_answers_or_the_published_one_is_named():
    alike = Copies(RELEASED, FULL.content)
    names = sorted(alike.asked)
    for student, count in zip("pqr", (4, 4, 3), strict=True):
        same = [f"def {name}(S):\n    S **= 2\n    return S" for name in names[:count]]
        other = [f"def {name}(S):\n    return {student}" for name in names[count:]]
        alike.add(student, new_notebook(cells=[new_code_cell("\n".join([*same, *other]))]))
    assert [*alike.told()] == [(["p", "q"], f"4 answers to the letter: {', '.join(names[:4])}")]
    [published] = [c.source for c in FULL.cells if "def hinge_loss" in c.source]
    alike.add("c", new_notebook(cells=[new_code_cell(published)]))  # told elsewhere
    alike.add("d", new_notebook(cells=[new_code_cell(published.replace("margins", "room"))]))
    told = (["d"], "hinge_loss, as published, names, comments and order apart")
    assert told in alike.told()
    assert not [group for group, _ in alike.told() if "c" in group]


def right_answers(number):
    """The code of answers that checks must accept."""
    for node in ast.parse(path_of(number).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and "__right" in node.name:
            node.name = node.name.partition("__")[0]
            yield ast.unparse(node)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if ast.unparse(key).startswith("'right"):
                    yield f"{node.targets[0].id} = {ast.unparse(value)}"


@pytest.mark.slow
@pytest.mark.parametrize("notebook", SERIES, ids=lambda notebook: notebook.number)
def test_right_answers_are_not_to_be_looked_at(notebook):
    full = edition.solved(notebook)
    released = edition.unsolved(full).content
    own = [new_code_cell(answer) for answer in right_answers(notebook.number)]
    assert own
    for cells in (full.cells, [*full.cells, *own]):
        told = borrowed(new_notebook(cells=cells), released, full.content)
        assert not [each for _, each in told if "taught" not in each and "word for" not in each]


def test_an_answer_that_ignores_what_it_is_given_is_told():
    full, released = editions("03")

    def told(source):
        return borrowed(new_notebook(cells=[new_code_cell(source)]), released, full.content)

    hard = ["def forward_difference(f, x, h):\n    return 3 + 3 * h + h**2"]
    hard += ["forward_difference = lambda f, x, h: 3 + 3 * h + h**2"]
    for source in hard:
        sentence = "forward_difference: never uses what it is given: f, x"
        assert [each for _, each in told(source)] == [sentence]
    assert not told("def forward_difference(f, _x, h):\n    return f(h)")
    assert not told("def forward_difference(f, x, h):\n    return f(x) / 1e-5"), "most of it"
    assert not told("def mine(f, x):\n    return 3")


def page_of(notebook):
    """The page of feedback for a notebook that got no point."""
    for mark in (cell.metadata.nbgrader for cell in code(notebook) if "nbgrader" in cell.metadata):
        mark.update(score=0, points=mark.get("points", 0))
    about = {"name": "Ann", "score": 0, "max_score": 13, "late_penalty": 0}
    return Page().from_notebook_node(notebook, {"nbgrader": about})[0]


def test_feedback_names_what_failed_and_not_what_followed():
    notebook = deepcopy(RELEASED)
    [answer] = [cell for cell in notebook.cells if cell.id == FULL.core[0].id]
    [name, *_] = re.findall(r"^def (\w+)", answer.source, re.M)
    check = next(cell for cell in code(notebook) if re.match(f"# Check .*{name}", cell.source))
    for cell, told in [(answer, "SyntaxError: expected ':'"), (check, "NameError: no such name")]:
        ename, _, evalue = told.partition(": ")
        cell.outputs = [new_output("error", ename=ename, evalue=evalue, traceback=[told])]
    text = page_of(notebook)
    told = [html.unescape(each) for each in re.findall('<p class="told">(.*?)</p>', text)]
    assert f"SyntaxError: expected ':', in the cell that defines {name}" in told
    assert not any("NameError" in each for each in told)
    answer.outputs = []
    own = new_code_cell("def lost(): ...", outputs=[new_output("error", ename="X", evalue="over")])
    own.outputs[0].traceback = ["over"]
    notebook.cells.insert(notebook.cells.index(answer), own)
    check.outputs[0].evalue = "name 'lost' is not defined"
    assert "X: over, in the cell that defines lost" in page_of(notebook)


def test_feedback_says_calmly_what_is_still_to_write():
    notebook = deepcopy(RELEASED)
    told = "Write softmax: see equation (2.4)"
    for cell in [FULL.code[0].id, checks_of(notebook)[0].id]:  # a cell of the notebook, and a check
        [calls] = [each for each in notebook.cells if each.id == cell]
        raised = f"NotImplementedError: {told}"
        calls.outputs = [new_output("error", ename=raised[:19], evalue=told, traceback=[raised])]
    text = page_of(notebook)
    assert "NotImplementedError: " not in text
    row = '<li class="left"><a .*?</a>: 0 of 1<p class="told">✎ Still to write: softmax: see'
    assert re.search(row, text)


def test_feedback_gives_the_reason_beside_points_given_by_hand():
    notebook = deepcopy(RELEASED)
    answer, check, *_ = [c for c in code(notebook) if is_solution(c) or is_grade(c)]
    answer.metadata.nbgrader["comment"] = "You explained it."
    assert page_of(deepcopy(notebook)).count("A comment:</strong> You explained it.") == 1
    check.metadata.nbgrader["by_hand"] = True
    text = page_of(notebook)
    assert text.count("given by hand: You explained it.") == 2  # in the list, and at the check
    assert "A comment" not in text
    left = new_output("error", ename="NotImplementedError", evalue="Write softmax: see 1 above")
    check.outputs = [left]
    row = re.search("<li.*given by hand.*", page_of(notebook))[0]
    assert "Still to write" not in row


def test_a_page_has_room_for_what_is_read_and_says_what_it_cuts():
    outputs = [new_output("stream", text="<" * 10**7) for _ in range(3)]
    outputs += [new_output("error", ename="E", traceback=["&" * 30_000])]
    outputs += [new_output("display_data", {"image/png": "A" * 500_000})]
    outputs += [new_output("display_data", {"text/plain": "1"}) for _ in range(9999)]
    notebook = deepcopy(RELEASED)
    checks_of(notebook)[0].outputs = outputs
    text = page_of(CutOutputs().preprocess(notebook, {})[0])
    assert len(text) < 1_000_000
    for told in ["29,990,000 of 30,000,000 c", "20,000 of 30,000 c", "an image of 500,000 c"]:
        assert f"[cut here: {told}haracters]" in text
    assert re.search(r"\[cut here: \d,\d+ outputs\]", text)


# --- Runs that hang or die ----------------------------------------------------------------------


def small_notebook(answer):
    """Two answers with a check each; the first is bad, and called in more cells than may hang."""

    def cell(name, source, **mark):
        mark = {"grade": False, "solution": False, "locked": False, "grade_id": name} | mark
        return new_code_cell(source, id=name, metadata={"nbgrader": mark})

    return new_notebook(
        cells=[
            new_code_cell("import os, sys"),
            cell("f", f"def f():\n    {answer}", solution=True),
            *[new_code_cell("f()  # a demonstration") for _ in range(3)],
            cell("check-f", "f()\nassert True", grade=True, points=1),
            cell("g", "def g(): return 2", solution=True),
            cell("check-g", "print('!', file=sys.stderr)\ng()", grade=True, points=4),
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("while True: pass", "f ran more than 2 s: it was stopped"),
        (
            "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n    while True: pass",
            "the cell `f()  # a demonstration` ran more than 2 s: it was stopped",
        ),
        ("os._exit(1)", "the cell `f()  # a demonstration` ended the kernel: it was left out"),
        ("raise MemoryError('too much')", "check-f: MemoryError: too much"),
        (
            "import threading; threading.Timer(0, os._exit, [1]).start(); 1 / 0",
            "the cell `f()  # a demonstration` ended the kernel: it was left out",
        ),
    ],
    ids=["loops", "takes no interrupt", "kills", "memory", "kills behind its cell"],
)
def test_an_answer_that_hangs_or_kills_costs_its_own_points(answer, told):
    """Also no points are lost to a warning, or to a number as a cell's last value."""
    run = FairExecute(timeout=2, kernel_manager_class=isolation.UserKernelManager)
    notebook, _ = run.preprocess(small_notebook(answer), {"nbgrader": {"notebook": "small"}})
    grades = {cell.id: determine_grade(cell)[0] for cell in checks_of(notebook)}
    assert grades == {"check-f": 0, "check-g": 4}
    assert stops(notebook)[0] == told


@pytest.mark.slow
@pytest.mark.parametrize("end", ["while True: f()", "f()\nos._exit(1)"], ids=["loops", "kills"])
def test_an_own_cell_that_does_not_end_costs_no_answer(end):
    run = FairExecute(timeout=2, kernel_manager_class=isolation.UserKernelManager)
    notebook = small_notebook("return sum(range(10**6))")
    notebook.cells[2:5] = [new_code_cell(end)]
    notebook, _ = run.preprocess(notebook, {"nbgrader": {"notebook": "small"}})
    assert [determine_grade(cell)[0] for cell in checks_of(notebook)] == [1, 4]
    assert len(stops(notebook)) == 1


@pytest.mark.slow
def test_a_cell_that_waits_for_the_machine_is_not_stopped():
    """Its own work counts: others may be graded beside it."""
    run = FairExecute(timeout=1, kernel_manager_class=isolation.UserKernelManager)
    notebook = small_notebook("import time; time.sleep(1.5)")
    del notebook.cells[2:5]
    notebook, _ = run.preprocess(notebook, {"nbgrader": {"notebook": "small"}})
    assert [determine_grade(cell)[0] for cell in checks_of(notebook)] == [1, 4]


@pytest.mark.slow
def test_a_check_that_kills_the_kernel_costs_the_last_answer_that_it_names():
    """And what it defined before is there for the next one."""
    notebook = small_notebook("return 1")
    killing, later = deepcopy(notebook.cells[-2:]), deepcopy(notebook.cells[-2:])
    killing[0].source = "def h(): os._exit(1)"
    killing[1].source = "told = f()\nh()"
    later[0].source = "def k(): return told"
    later[1].source = "k()"
    for number, cell in enumerate([*killing, *later]):
        cell.id = cell.metadata.nbgrader.grade_id = f"{cell.id}-{number}"
    notebook.cells += [*killing, *later]
    run = FairExecute(timeout=2, kernel_manager_class=isolation.UserKernelManager)
    notebook, _ = run.preprocess(notebook, {"nbgrader": {"notebook": "small"}})
    assert [determine_grade(cell)[0] for cell in checks_of(notebook)] == [1, 4, 0, 4]
    assert stops(notebook) == ["check-g-1 ended the kernel: it was left out"]


@pytest.mark.slow
def test_a_kernel_that_gives_no_reply_is_ended_and_costs_its_cell():
    run = FairExecute(timeout=1, kernel_manager_class=isolation.UserKernelManager)
    notebook = small_notebook("return 1")
    mute = "session = get_ipython().kernel.session\nsend = session.send\n"
    mute += "session.send = lambda to, message, *a, **k: (\n"
    mute += "    None if message == 'execute_reply' else send(to, message, *a, **k))"
    notebook.cells[2] = new_code_cell(mute)
    run.preprocess(notebook, {"nbgrader": {"notebook": "small"}})
    assert [determine_grade(cell)[0] for cell in checks_of(notebook)] == [1, 4]


@pytest.mark.slow
def test_a_cell_that_asks_the_kernel_to_end_costs_nothing():
    run = FairExecute(timeout=2, kernel_manager_class=isolation.UserKernelManager)
    notebook = small_notebook("return 1")
    notebook.cells[2:5] = [new_code_cell(line) for line in ("exit()", "quit()", "sys.exit(1)")]
    run.preprocess(notebook, {"nbgrader": {"notebook": "small"}})
    assert [determine_grade(cell)[0] for cell in checks_of(notebook)] == [1, 4]


@pytest.mark.slow
def test_a_notebook_prints_no_more_than_the_grader_has_room_for():
    run = FairExecute(timeout=20, kernel_manager_class=isolation.UserKernelManager)
    notebook = small_notebook("return 1")
    notebook.cells[2] = new_code_cell("for _ in range(30): print('x' * 10**6, flush=True)")
    run.preprocess(notebook, {"nbgrader": {"notebook": "small"}})
    said = [output.get("text", "") for each in code(notebook) for output in each.outputs]
    assert 0 < sum(map(len, said)) <= SHOWN
    assert [determine_grade(cell)[0] for cell in checks_of(notebook)] == [1, 4]


@pytest.mark.slow
def test_a_notebook_that_takes_too_long_is_left_there():
    run = FairExecute(total=0, kernel_manager_class=isolation.UserKernelManager)
    notebook, _ = run.preprocess(small_notebook("return 1"), {"nbgrader": {"notebook": "small"}})
    assert stops(notebook) == ["the rest was not run, because it took more than 0 s"]


# --- The week -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ("id;first_name\nann;Zoë\n".encode("utf-8-sig"), "ann"),
        ("id,first_name\nann,Zoë\n".encode("cp1252"), "students.csv is not in UTF-8"),
        (b"id,first_name\nann,Ann\nann,Anna\n", "students.csv: the id ann stands there twice"),
        (b"name\nAnn\n", "students.csv, line 2: every student needs an id"),
        (b"ID;Name\nann;Ann\n;\n;\n", "ann"),
        (b"first name\tID Number\nAnn\tann\n", "ann"),
        (b"id,ID number\nann,4711\n", "ann"),
        (b"id,first_name\n", "students.csv lists nobody"),
    ],
    ids=["semicolons", "encoding", "twice", "no ids", "empty lines", "Moodle's", "both", "nobody"],
)
def test_a_class_as_spreadsheets_write_it_is_read_or_answered_in_words(tmp_path, listed, told):
    (tmp_path / "students.csv").write_bytes(listed)
    try:
        said = week.class_list(tmp_path)[0]["id"]
    except SystemExit as error:
        said = str(error)
    assert said.startswith(told)


def test_of_two_with_one_name_also_in_another_order_nobody_knows_whose_a_file_is(tmp_path):
    rows = ["id,first_name,last_name", "1,Ben,Ali", "2,Ali,Ben", "3,José,Núñez", "4,Li,Li"]
    (tmp_path / "students.csv").write_text("\n".join(rows), encoding="utf-8")
    found = {name: student for name, student in students(tmp_path).items() if not name.isdigit()}
    assert found == {"josenunez": "3", "nunezjose": "3", "lili": "4"}


def test_dates_that_are_no_toml_are_named(tmp_path):
    (tmp_path / "course.toml").write_text("[due]\n[due]\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"course\.toml: "):
        week.due(tmp_path, "03_gradient_checking")


def test_every_equation_of_the_series_is_shown_without_a_script():
    for notebook in SERIES:
        for text in notebook.text:
            for found in MATHEMATICS.finditer(text):
                shown = mathml(found)
                assert shown.startswith(("<math", "`")), found[0]
                assert shown[0] == "`" or not set("|*_\n") & set(shown), "Markdown would read it"


def run(course, *command, of="week", status=0):
    """What the command of the week prints and writes of students, or what another one prints."""
    command = [sys.executable, "-m", f"marking.{of}", *command]
    result = subprocess.run(command, cwd=course, capture_output=True, text=True, check=False)
    assert result.returncode == status, result.stdout + result.stderr
    kept = [course / each for each in re.findall(r"grades/\S+\.txt$", result.stdout)]
    return result.stdout + "".join(path.read_text(encoding="utf-8") for path in kept)


ATTACK = """
import os, pathlib, socket, subprocess
course = pathlib.Path({course!r})
def outcome(action, *arguments):
    try:
        action(*arguments)
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"
subprocess.Popen(["sleep", "999"], start_new_session=True, stdin=-3, stdout=-3, stderr=-3)
print([
    outcome(os.listdir, course / "source"),
    outcome(open, course / "source" / "09_optimizers" / "09_optimizers.ipynb"),
    outcome(open, course / "gradebook.db"),
    outcome(open, course / "gradebook.db", "r+"),
    outcome(open, course / "mine", "w"),
    outcome(open, course.parent / "mine", "w"),
    outcome(open, "mine", "w"),
    outcome(os.truncate, "mine", 2**30) if os.path.exists("mine") else "",
    outcome(bytearray, 2**34),
    outcome(socket.create_connection, {address!r}),
    outcome(os.kill, os.getppid(), 9),
    outcome(open, f"/proc/{{os.getppid()}}/mem", "rb"),
    outcome(os.setuid, 0)])
pathlib.Path({left!r}).touch()
"""
# All but the folder of its own, too large a file, too much memory, the network, the process that
# has started it and will start others, rights.
OUT_OF_REACH = [*6 * ["PermissionError"], "done", "OSError", "MemoryError", "OSError"]
OUT_OF_REACH += 3 * ["PermissionError"]


@pytest.mark.slow
def test_another_user_runs_what_a_student_wrote(monkeypatch):
    """A hand-in that attacks loses no point, and finds no solution and no gradebook."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root may run programs as another user")
    if isolation.run("nobody", sys.executable, "-c", "import ipykernel").returncode:
        pytest.skip(f"the user nobody cannot run {sys.executable}")
    [notebook] = Notebook.series("09")
    monkeypatch.setattr(Notebook, "series", lambda: [notebook])
    with (
        tempfile.TemporaryDirectory() as folder,  # pytest's own folders are closed to others
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        Path(folder).chmod(0o755)
        edition.build(Path(folder))
        course = Path(folder, "nbgrader")
        full, address = edition.solved(notebook).content, server.getsockname()
        left = f"/tmp/left-by-a-test-{os.getpid()}"
        attack = ATTACK.format(course=str(course), address=address, left=left)
        socket.create_connection(address).close()  # who is not confined reaches it
        before = isolation.run("nobody", sys.executable, "-c", attack).stdout
        assert Path(left).exists()
        isolation.end("nobody")
        assert not Path(left).exists(), "what it leaves is removed"
        assert before.startswith("['done', 'done'"), "without the option the solutions are open"
        full.cells.insert(1, new_code_cell(attack))
        grading.hand_in(course, "eve", notebook.name, full)
        assert "eve: 17 points, 100.0 of 100" in run(course, "09", "--user", "nobody")
        graded = Notebook.read(course / "autograded" / "eve" / notebook.name / notebook.path.name)
        [printed] = [o.text for c in graded.code if c.source == attack for o in c.outputs]
        assert printed.strip() == str(OUT_OF_REACH)
        assert not isolation.alive("nobody"), "what it started is killed"
        monkeypatch.setattr(isolation.cs231n_utils, "__file__", f"{folder}/cs231n_utils/a.py")
        for solved in (Path(folder, each) for each in (".git", "notebooks")):
            solved.mkdir()
            assert isolation.exposed("nobody") == f"nobody can read solutions: chmod 700 {solved}"
            solved.chmod(0o700)
        assert isolation.exposed("nobody") == ""


@pytest.mark.slow
def test_the_recipe_of_the_guide_grades_a_week(tmp_path, monkeypatch):
    """Four students, damaged files, one late update: commands as they stand in weekly.md."""
    [notebook] = Notebook.series("03")
    monkeypatch.setattr(Notebook, "series", lambda: [notebook])
    edition.build(tmp_path)
    course, hands = tmp_path / "nbgrader", grading.hand_ins(notebook)
    guide = (course / "weekly.md").read_text(encoding="utf-8")
    [listed] = re.findall(r"```text\n(.*?)```", guide, re.S)
    listed = re.sub("^ +", "", listed, flags=re.M)
    listed += "zoe,Zoë,Müller,,\nida,Ida,Braun,,\nidb,Ida,Braun,,\n"  # two of one name
    first, _, again = re.findall(r"-m marking\.week (\w+) --user grader\{1\.\.4\}$", guide, re.M)
    run(course, first, status=1)  # without a class
    (course / "students.csv").write_text(listed, encoding="utf-8")
    assert "handed in: there is no folder handed_in/" in run(course, first)
    assert first not in (course / "grades" / "canvas.csv").read_text(encoding="utf-8")
    with (course / "course.toml").open("a", encoding="utf-8") as file:
        file.write("\n03 = 2001-01-01T00:00:00+01:00\n")

    give(course, "Ann Lee_7_assignsubmission_file/03_gradient_checking (1)", hands["battered"])
    give(course, "ben/MY HOMEWORK", hands["killed"])
    give(course, "zoe/03_gradient_checking", new_notebook(cells=[new_markdown_cell("# 04 A")]))
    give(course, "weisdan_LATE_103_55_03 gradient_checking", hands["untouched"])  # his number
    give(course, "eve/03_gradient_checking", hands["solved"])
    give(course, "ida/03_gradient_checking", hands["solved"])
    give(course, "Ida Braun_8_assignsubmission_file/03_gradient_checking", hands["untouched"])
    (course / "handed_in" / "eve" / "03_gradient_checking.zip").write_bytes(b"PK")
    (course / "handed_in" / "eve" / "essay.pdf").write_bytes(b"%PDF")
    (course / "handed_in" / "CS-Gradients-55.zip").write_bytes(b"PK")
    latin = os.fsdecode("Jürgen A_9_assignsubmission_file".encode("latin-1"))
    give(course, f"{latin}/03", hands["solved"])
    deep = course / "handed_in" / "deep" / "03_gradient_checking.ipynb"
    deep.parent.mkdir()
    deep.write_text('{"cells": ' + 1500 * "[", encoding="utf-8")
    broken = course / "handed_in" / "eve" / "03_gradient_checking.ipynb"
    broken.write_text(broken.read_text(encoding="utf-8")[:-100], encoding="utf-8")
    older = shutil.copytree(broken.parent, course / "handed_in" / "ann") / broken.name
    os.utime(older, (0, 0))  # she has sent a better one since
    printed = run(course, first, status=1)
    for told in [
        "by 4 known, 2 unknown, 4 unreadable",
        r"who is this\? J\\udcfcrgen A: not in students.csv",
        r"deep: handed_in/deep/03_gradient_checking.ipynb is no notebook",
        r"handed_in/CS-Gradients-55.zip is an archive: unpack it",
        r"ann Ann Lee: 12 points, 100.0 of 100.* days late\n +\S+ was deleted",
        r"ann Ann Lee, 12 points, up to 12 behind this\n"
        r"    check-\S+ changed.*\n(    .*\n)*    .*: word",
        r"ben Ben Okafor: [1-9]\d* points.*\n(?: +.*\n)* +.* ended the kernel",
        r"dan Dan Weiss: 0 points, 0.0 of 100, .* days late\n +lost: every check\n",
        r"eve Eve Rossi: nothing, but there is handed_in/eve/03_gradient_checking.zip "
        r"handed_in/eve/essay.pdf\n",
        r"ida Ida Braun: 12 points, 100.0",
        r"who is this\? Ida Braun: several in students.csv have this name",
        r"eve: handed_in/eve/03_gradient_checking.ipynb is no notebook \(.+\): ask again",
        r"zoe: handed_in/zoe/03_gradient_checking.ipynb is another notebook, by its title",
    ]:
        assert re.search(told, printed), told
    assert "handed_in/ann" not in printed
    assert "several files" not in printed
    assert "nothing from" not in printed, "who is asked about may be either of one name"
    assert packed(course, "moodle") == [f"Ann Lee_7_assignsubmission_file/{notebook.name}.html"]
    assert packed(course, "canvas") == ["weisdan_LATE_103_55_03 gradient_checking.html"]
    assert packed(course, "ids") == ["ben.html", "ida.html"]
    broken.unlink()
    (course / "handed_in" / "CS-Gradients-55.zip").unlink()
    shutil.rmtree(deep.parent)
    shutil.rmtree(next((course / "handed_in").glob("J*")))
    shutil.rmtree(course / "handed_in" / "Ida Braun_8_assignsubmission_file")
    page = course / "feedback" / "ann" / "03_gradient_checking" / "03_gradient_checking.html"
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"(?!data:)", text), "offline"
    assert "$$" not in text
    assert text.count("<math") > 50
    assert "<p>Ann Lee</p>" in text
    passed = r'<li class="passed"><a href="#(.+?)">.*?</a>: <strong>✓ passed</strong>, 1 of 1</li>'
    assert "check-gradient_by_loop" in re.findall(passed, text)
    given = Path(str(page).replace("/ann/", "/ben/")).read_text(encoding="utf-8")
    lost = r'<li class="lost"><a .*?</a>: <strong>✗ lost 1</strong> of 1<p class="told">[^<]+ ended'
    assert re.search(lost, given), "a lost check says why"
    assert given.index('"lost"') < given.index('"passed"')

    os.utime(page, (0, 0))
    tried = new_code_cell("%matplotlib inline")
    late = deepcopy(hands["solved"])
    late.cells.append(tried)
    give(course, "dan/03 gradient_checking(2)", late)
    os.utime(next((course / "handed_in").glob("weisdan*")), (0, 0))
    marked = course / "handed_in" / "dan" / "03 gradient_checking(2).ipynb"
    marked.write_text(marked.read_text(encoding="utf-8"), encoding="utf-8-sig")  # as on Windows
    behind = deepcopy(hands["untouched"])
    answer = new_code_cell("def gradient_by_loop(f, x, h=1e-5):\n    return x")
    behind.cells += [new_code_cell("import no_such_package"), answer, tried]
    give(course, normalize("NFD", "Müller Zoë_9_assignsubmission_file/03"), behind)
    shutil.copytree(course / "submitted" / "ann", course / "submitted" / "before")  # an older id
    run(course, "03", "ida", "check-gradient_by_loop", "0", "The loop is not hers.", of="points")
    run(course, "03", "ann", "check-no_such", "+1", of="points", status=2)
    run(course, "03", "ben", "every", "0", "Not his own.", of="points")
    run(course, "03", "ida", "check-gradient_by_loop", "99", "typo", of="points", status=2)
    run(course, "03", "ida", "check-gradient_by_loop", "0", of="points", status=2)  # no reason
    printed = run(course, again)
    assert re.search(
        r"\n  dan Dan Weiss, 12 points, up to \d+ behind this\n    .*: word for word", printed
    )
    assert "\nsettings, other values" not in printed, "dan and zoe stand above"
    assert "dan Dan Weiss: 12 points, 100.0 of 100" in printed
    assert "zoe Zoë Müller: 0 points" in printed
    assert "\nanswered where no check sees it: zoe Zoë Müller\n" in printed
    assert "\nNo module named 'no_such_package': install it, for zoe Zoë Müller\n" in printed
    assert "ida Ida Braun: 11 points" in printed
    assert "\nnothing from 1: idb Ida Braun\n" in printed
    assert re.search(r"ben Ben Okafor: 0 points.*\n    by hand: ", printed)
    assert re.search(r"\nlate: ann Ann Lee \(\d+ days\), ", printed)
    assert re.search(r" dan Dan Weiss \(\d+ days, and an older file was in time\),", printed)
    assert "\nseveral files, of which the newest counts: dan Dan Weiss\n" in printed
    assert "\n    the newest file counts, not handed_in/weisdan_LATE_103_55_03 grad" in printed
    renewed = Path(str(page).replace("/ann/", "/ida/")).read_text(encoding="utf-8")
    assert "<strong>11</strong> of 12" in renewed
    assert "<strong>0 of 1</strong>, given by hand: The loop is not hers.</li>" in renewed
    assert page.stat().st_mtime == 0, "only what is new is graded"
    assert not (course / "autograded" / "before").exists(), "and only for those of the class"
    (course / "autograded" / "ida" / notebook.name / DONE).unlink()  # as a run that is cut off
    assert "page to be written anew: 1\n" in run(course, again)
    with (course / "grades" / "moodle.csv").open(encoding="utf-8") as file:
        points = {row["ID number"]: row[notebook.name] for row in csv.DictReader(file)}
    assert (points["dan"], points["eve"]) == ("100.0", "")
    canvas = (course / "grades" / "canvas.csv").read_text(encoding="utf-8").splitlines()
    assert canvas[0] == f"Student,ID,SIS User ID,SIS Login ID,Section,{notebook.name}"
    assert '"Weiss, Dan",103,,dan,,100.0' in canvas
    assert packed(course, "canvas") == []
    assert packed(course, "ids") == ["ben.html", "dan.html", "ida.html"]

    give(course, "dan/03 gradient_checking(3)", hands["untouched"])
    assert "\na newer file has fewer points: dan 12, now 0\n" in run(course, again)
    with (course / "release" / notebook.name / notebook.path.name).open("a") as file:
        file.write("\n")
    week.take_in(course, notebook.name)
    assert not page.exists(), "another release is graded anew"


def packed(course, platform):
    """What lies in the zip for Moodle, for Canvas, or without either's names."""
    found = [*(course / "grades").glob(f"*_{platform}.zip")]
    return [name for path in found for name in zipfile.ZipFile(path).namelist()]


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("ann/homework.ipynb", "ann"),
        ("ann.lee/homework.ipynb", "ann.lee"),
        ("Ann B. Lee_7_assignsubmission_file_/06 (1).ipynb", "Ann B. Lee"),
        ("Ann Lee_7_assignsubmission_file/06.ipynb", "Ann Lee"),
        ("Ann Lee_7_assignsubmission_file_06_x.ipynb", "Ann Lee"),
        ("leeann_103_55_06_x.ipynb", "leeann"),
        ("leeann_LATE_103_55_06-1.ipynb", "leeann"),
    ],
)
def test_who_handed_a_file_in(path, student):
    assert sender(Path(path)) == (student, "103" * ("_103_" in path))


def give(course, name, content):
    """Put a notebook where students' files go."""
    path = course / "handed_in" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(content, path)
