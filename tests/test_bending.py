"""Hand-ins that talk the checks round: what is put back in time, and what is told."""

from copy import deepcopy

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.utils import determine_grade

from publish.student.marking.autograde import FairExecute
from publish.student.marking.bending import bent
from publish.student.marking.isolation import UserKernelManager
from publish.student.marking.stubs import as_released

pytestmark = pytest.mark.slow  # a kernel for each hand-in

IMPORTS = (
    "import numpy as np\nfrom cs231n_utils.gradient_check import check_gradient, relative_error"
)
HELPER = """X, other = np.arange(6.0).reshape(2, 3), "a name that no check needs"
def same(A, B):
    return np.array_equal(A, B)"""
STUB = "def double(X):\n    raise NotImplementedError"
CHECK = """assert same(double(X), 2 * X)
assert np.allclose(double(X), 2 * X), "it must be twice X"
assert relative_error(double(X), 2 * X) < 1e-9
assert len(double(X)) == 2 and sum(double(X)[0]) == 6
check_gradient(lambda X: 2 * X.sum(), X, double(np.ones((2, 3))))
drawn = np.random.default_rng(0).standard_normal(3)
assert np.allclose(double(drawn), 2 * drawn)"""
TRICKS = {  # a cell of a student's, run between the helper and a wrong answer
    "names": "np.array_equal = np.allclose = lambda *a, **k: True\n"
    "check_gradient = lambda *a, **k: None\nrelative_error = lambda *a, **k: 0.0",
    "another np": "class np:\n    array_equal = allclose = lambda *a: True\n    ones = abs\n",
    "helper": "def same(A, B):\n    return True",
    "code": "check_gradient.__code__ = (lambda *a, **k: None).__code__",
    "default": "check_gradient.__kwdefaults__['tolerance'] = 1e9",
    "helper's code": "same.__code__ = (lambda A, B: True).__code__",
    "builtins": "import builtins\nbuiltins.sum = lambda X: 6",
    "shadow": "len = lambda X: 2\nsum = lambda X: 6",
    "inner": "import numpy._core.numeric as inner\ninner.asarray = lambda *a, **k: inner.array(0)",
    "modules": "import sys, types\nsys.modules['numpy'] = types.SimpleNamespace()",
    "setattr": "setattr(np, 'allclose', lambda *a, **k: True)",
    "mock": "from unittest import mock\nmock.patch('numpy.allclose', return_value=True).start()",
    "syntax tree": "import ast\nclass T(ast.NodeTransformer):\n"
    "    def visit_Assert(self, node): return ast.Pass()\n"
    "    def visit_Expr(self, node): return ast.Pass()\n"
    "get_ipython().ast_transformers.append(T())",
    "text": "get_ipython().input_transformers_post.append(lambda lines: ['pass'])",
    "shell": "shell = get_ipython()\nold = shell.run_cell\n"
    "shell.run_cell = lambda raw, *a, **k: old('' if 'assert' in raw else raw, *a, **k)",
    "class": "kind = type(get_ipython())\nold = kind.run_cell_async\n"
    "kind.run_cell_async = lambda self, raw, *a, **k: old(self, 'pass', *a, **k)",
    "silence": "get_ipython().set_custom_exc((BaseException,), lambda *a, **k: None)",
    "trace": "import sys\ndef skip(frame, event, value):\n    frame.f_trace_lines = True\n"
    "    if event == 'line' and 'cell' in frame.f_code.co_name: frame.f_lineno += 1\n"
    "    return skip\nsys.settrace(skip)",
    "event": "def late(*_):\n    np.allclose = np.array_equal = lambda *a, **k: True\n"
    "get_ipython().events.register('pre_run_cell', late)",
    "magic": "%load_ext autoreload",
    "error": "AssertionError = SystemExit",
    "class of errors": "from cs231n_utils.gradient_check import GradientCheckError as E\n"
    "E.__init__ = lambda self, *a: exit()",
}
ANSWERS = {  # wrong answers that need no cell of their own
    "leaves": "def double(X):\n    raise SystemExit",
    "agrees with all": "class Yes(np.ndarray):\n    def __array_function__(self, *a): return True\n"
    "    def __array_ufunc__(self, *a, **k): return np.float64(0)\n"
    "def double(X):\n    return X.view(Yes)",
    "rebinds": "def double(X):\n    global same\n    same = lambda A, B: True\n    return X",
    "frames": "def double(X):\n    import sys\n"
    "    sys._getframe(1).f_globals['same'] = lambda A, B: True\n    return X",
}


def cell(name, source, **mark):
    mark = {"grade": False, "solution": False, "locked": False, "grade_id": name} | mark
    return as_released(new_code_cell(source, id=name, metadata={"nbgrader": mark}))


RELEASED = new_notebook(
    cells=[
        cell("imports", IMPORTS),
        cell("helper", HELPER),
        cell("double", STUB, solution=True),
        cell("check", CHECK, grade=True, locked=True, points=1),
    ]
)


def graded(*hand_in, **options):
    """The point that a hand-in gets."""
    return determine_grade(ran(*hand_in, **options).cells[-1])[0]


def ran(answer, trick, folder, monkeypatch, *, in_first=False):
    """A hand-in after its run, with a trick in a cell of its own, or in the first."""
    monkeypatch.chdir(folder)
    path = folder / "release" / "small" / "small.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(RELEASED, path)
    notebook = deepcopy(RELEASED)
    notebook.cells[2].source = answer
    if in_first:
        notebook.cells[0].source += f"\n{trick}"
    else:
        notebook.cells.insert(2, new_code_cell(trick))
    run = FairExecute(timeout=20, kernel_manager_class=UserKernelManager)
    about = {"nbgrader": {"notebook": "small", "assignment": "small"}}
    return run.preprocess(notebook, about)[0]


def told(source):
    return [line for _, line in bent(source, [IMPORTS, HELPER, CHECK], [STUB])]


RIGHT, WRONG = (f"def double(X):\n    return {answer}" for answer in ("2 * X", "0.0"))
OWN = (
    "def other(X):\n    return 2 * X\ndef double(X):\n    return other(X)"  # a name of the release
)


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_brings_no_points_and_is_told(trick, tmp_path, monkeypatch):
    assert told(TRICKS[trick])
    assert graded(WRONG, TRICKS[trick], tmp_path, monkeypatch) == 0


@pytest.mark.parametrize("trick", ["names", "default"])
@pytest.mark.parametrize("answer", [RIGHT, f"{RIGHT} if X.sum() != 6 else X"])
def test_what_the_first_cell_imports_is_put_back(answer, trick, tmp_path, monkeypatch):
    """The second answer is wrong where check_gradient alone looks."""
    points = graded(answer, TRICKS[trick], tmp_path, monkeypatch, in_first=True)
    assert points == (answer == RIGHT)


@pytest.mark.parametrize("answer", [RIGHT, OWN])
@pytest.mark.parametrize("trick", ["", TRICKS["names"], TRICKS["another np"], TRICKS["shadow"]])
def test_a_right_answer_keeps_its_points(answer, trick, tmp_path, monkeypatch):
    assert graded(answer, trick, tmp_path, monkeypatch) == 1


def test_an_answer_may_need_what_a_star_brings_in_the_place_of_pythons_own(tmp_path, monkeypatch):
    answer = "def double(X):\n    return sum([X, X], axis=0)"
    assert graded(answer, "from numpy import *", tmp_path, monkeypatch) == 1


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_bends_is_told(answer, tmp_path, monkeypatch):
    assert told(ANSWERS[answer])
    assert graded(ANSWERS[answer], "", tmp_path, monkeypatch) == 0


def test_what_an_answer_changes_while_its_check_runs_is_noted(tmp_path, monkeypatch):
    bends = "def double(X):\n    lib = np\n    lib.allclose = lambda *a: True\n    return 2 * X"
    assert told(bends) == ["lib.allclose = lambda *a: True"]
    noted = ran(bends, "", tmp_path, monkeypatch).metadata["changed"]
    assert noted == ["changed numpy.allclose, seen behind check"]
    default = RIGHT.replace(
        "return", "check_gradient.__kwdefaults__['tolerance'] = 1e9\n    return"
    )
    noted = ran(default, "", tmp_path, monkeypatch).metadata["changed"]
    assert noted == ["changed cs231n_utils.gradient_check.check_gradient, seen behind check"]
    inner = "import numpy._core.numeric as inner\ninner.asarray = inner.array"
    noted = ran(RIGHT, inner, tmp_path, monkeypatch).metadata["changed"]
    assert len(noted) == 1
    assert "numpy._core.numeric.asarray, seen behind the cell `def double" in noted[0]
    method = "from cs231n_utils.taught.layers import ReLU\nReLU.forward = ReLU.backward"
    [noted] = ran(RIGHT, method, tmp_path, monkeypatch).metadata["changed"]
    assert "layers.ReLU.forward, seen behind" in noted
    honest = ran(RIGHT, "signal = np.ones(3)\nsignal", tmp_path, monkeypatch)
    assert honest.metadata["changed"] == []


def test_an_answer_that_knows_the_numbers_of_a_check_meets_others(tmp_path, monkeypatch):
    drawn = np.random.default_rng(0).standard_normal(3)
    knows = f"def double(X):\n    return 2 * X if X.size == 6 or X[0] == {drawn[0]} else X"
    assert graded(knows, "", tmp_path, monkeypatch) == 0


def test_what_answers_need_is_not_told():
    plain = """
import math
from itertools import product
class Layer:
    def __init__(self, X):
        self.X = X
def double(X, axis=0):
    sum = X.sum(axis=axis)
    same = [max for max in X]
    X[0] = sum
    return np.where(X > 0, X, 0) * math.pi
mine = double(X)
mine[0] = 3
"""
    assert told(plain) == []
    for line in ["X[0] = 3", "np.copyto(X, 0)", "X.fill(0)", "X[0].sort()"]:
        assert told(line) == [line]
    assert told("mine.sort()\nnp.copyto(mine, X)") == []
    cases = [("X = 3", True), ("sum = X", True), ("del X", True), ("same = max", False)]
    for source, style in [*cases, ("del np", False), ("global X", True)]:
        assert [*bent(source, [IMPORTS, HELPER], [STUB])] == [(style, source)]
    lenient = ["import os, sys", "from scipy.special import logsumexp, softmax"]
    lenient += ["sys.setrecursionlimit(10**6)", "print(os.listdir())", "print(globals().keys())"]
    lenient += ["import warnings; warnings.filterwarnings('ignore')", "import gc; gc.collect()"]
    lenient += ["import sys; sys.path.append('..')", "os.environ['KMP_DUPLICATE_LIB_OK'] = 'TRUE'"]
    lenient += ["np.set_printoptions(threshold=sys.maxsize)", "sys.stdout.flush()"]
    lenient += ["print(os.getcwd(), sys.version)", "import inspect; print(inspect.signature(f))"]
    for line in [*lenient, '%timeit sgd_step(w, {"w": np.ones(3)}, 0.1)']:
        assert all(style for style, _ in bent(line, [IMPORTS, HELPER], [STUB]))
    grave = ["timeit.timeit('X = 1')", "typing.get_type_hints(f)"]
    assert not [*bent("timeit.timeit(lambda: X)", [IMPORTS, HELPER], [STUB])]
    grave += ["%timeit exec(text)", "%timeit np.__dict__", "import gc; gc.get_objects()"]
    for line in [*grave, "model.loss = lambda X: 0"]:
        assert [style for style, _ in bent(line, [IMPORTS, HELPER], [STUB])] == [False]
    for line in ["signal = 2\nprint(signal)", "import torch", "print(mine.f_gate)"]:
        assert all(style for style, _ in bent(line, [IMPORTS, HELPER], [STUB]))
    own = "def relu(Z): return np.maximum(Z, 0)"
    for module, style in [("taught.layers", True), ("gradient_check", False)]:
        given = f"from cs231n_utils.{module} import relu"
        assert [*bent(own, [IMPORTS, given], [STUB])] == [(style, own)]
