"""The part of the contract that only running a notebook can tell.

While nbval executes a notebook's cells, an observer in the same kernel compares each array that
carries a symbol's name with README.md's table, collects the witnesses of each gradient, tries every
exercise unsolved, solved, and solved in other ways, right and wrong, and moves every widget to the
ends of its controls. What the cells see and print stays as it is. conftest.py sets it up.
"""

import ast
import base64
import copy
import gc
import inspect
import io
import itertools
import re
import sys
import warnings
from pathlib import Path
from unittest import mock

import ipywidgets
import numpy as np
from IPython import get_ipython
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure
from matplotlib.image import imread

from publish.answers import load_answers
from publish.notebook import BEGIN, END, Notebook, tags
from tools.contract import WITNESSED, first_line, notation

WHOLE = {"N", "D", "H", "C"}  # one whole number each; an index may be an array of them
ANY_SHAPE = {"relu", "relu_backward"}  # they work entry by entry
UNSOLVED = ["raise NotImplementedError", "return None", "pass"]

# Where a symbol of the table stands for something else, as README.md says below the table.
DECLARED = {
    "03": {"x": "any array that f is a function of", "i": "an entry's index, a tuple"},
    "06": dict.fromkeys(("x", "b", "z", "a", "dx", "db", "dz", "da"), "of a single neuron"),
    "13": dict.fromkeys(("Y", "dY"), "what leaves a layer"),
    "14": dict.fromkeys(("Y", "dY"), "what leaves a layer"),
    "15": dict.fromkeys(("Y", "dY"), "what leaves a layer"),
    "16": dict.fromkeys(
        ("X", "dX", "W", "dW", "Z", "dZ", "A", "dA", "Y", "dY"), "images, filters, scores"
    )
    | dict.fromkeys(("P", "p"), "places in a column"),
    "17": dict.fromkeys(("X", "dX", "X_val", "X_test", "W"), "images, filters")
    | dict.fromkeys(("P", "p"), "places in a column"),
    "18": dict.fromkeys(("X", "dX", "X_val", "X_test"), "images")
    | dict.fromkeys(("P", "p"), "places in a column"),
    "19": dict.fromkeys(("X", "dX", "Y", "x", "w", "b", "z", "a"), "what an operation takes, makes")
    | dict.fromkeys(("X", "W", "b", "Z", "A", "S", "P", "loss"), "Tensors that hold them"),
    "20": dict.fromkeys(("X", "W1", "b1", "W2", "b2", "Y", "A", "S", "loss"), "of either engine"),
}

observers = []  # in a kernel: the one that looks on


class Observer:
    """Looks on while a notebook runs in the namespace `names`, and says how it breaks the contract.

    Answers are those of `load_answers`.
    """

    def __init__(self, notebook, answers, names):
        self.names, self.answers = names, answers
        self.checks = {exercise.solution.id: exercise.check for exercise in notebook.exercises}
        self.symbols, self.witnesses = Symbols(notebook), Witnesses(notebook)
        solutions = "\n".join(exercise.solution.source for exercise in notebook.exercises)
        unknown = [name for name in answers if f"def {name}(" not in solutions]
        unknown = [f"there are answers to {name}, no exercise" for name in unknown]
        self.found = {"runs": [], "exercises": unknown, "widgets": []}

    def before(self, cell):
        """Try the answers of an exercise; listen to the cell."""
        if cell.id in self.checks:
            check = self.checks[cell.id].source
            self.found["exercises"] += try_exercise(cell.source, check, self.names, self.answers)
        self.witnesses.listening = "witnesses" in tags(cell)
        self.known = dict(self.names)
        self.tracer = sys.gettrace()
        sys.settrace(tracing(self.names, self.symbols, self.witnesses))

    def after(self, cell, error=None):
        """Listen no longer; look at what the cell bound; move its widget."""
        sys.settrace(self.tracer)
        if error is not None:
            self.found["runs"].append(f"{first_line(cell)}: {error!r}")
            return
        if "widget" in tags(cell):
            with capture_output():
                violations = list(try_widget(cell, self.names))
            self.found["widgets"] += [f"{first_line(cell)}: {text}" for text in violations]
        new = {k: v for k, v in self.names.items() if self.known.get(k) is not v}
        self.symbols.note(new, first_line(cell))

    def violations(self):
        """Violations by what they concern; each of a symbol once, with its first place."""
        symbols = [f"{complaint}, {where}" for complaint, where in self.symbols.found.items()]
        return self.found | {"symbols": symbols, "witnesses": self.witnesses.violations()}


def observe(path):
    """Observe a notebook whose cells will run in this kernel."""
    shell, notebook = get_ipython(), Notebook.read(Path(path))
    observer = Observer(notebook, load_answers(notebook.number), shell.user_ns)
    cells, begun = iter(notebook.code), []

    def before(info):
        begun.append(next(cell for cell in cells if cell.source == info.raw_cell))
        observer.before(begun[-1])

    def after(result):
        observer.after(begun[-1], result.error_before_exec or result.error_in_exec)

    shell.events.register("pre_run_cell", before)
    shell.events.register("post_run_cell", after)
    observers.append(observer)


def execute(code, names):
    """Run code; nothing of what it prints or displays is seen."""
    with capture_output():
        exec(code, names)


# --- Exercises ----------------------------------------------------------------------------------


def try_exercise(solution, check, names, answers):
    """Violations of one exercise; the names stay as they are."""
    function = re.findall(r"^def (\w+)", solution.partition(BEGIN)[0], re.M)[-1]
    kept = answers.get(function, {})
    kinds = {label.partition("_")[0] for label in kept}
    if kinds != {"right", "wrong"}:
        yield f"{function}: there are {sorted(kinds)} answers, not right and wrong ones"
    for body in UNSOLVED:
        unsolved = re.sub(f"{BEGIN}.*{END}", body, solution, flags=re.S)
        error = outcome(unsolved, None, check, names)
        told = isinstance(error, AssertionError) and str(error)
        if not (told or isinstance(error, NotImplementedError)):
            yield f"{function}: the check does not tell what a cell lacks with {body}: {error!r}"
    for label, answer in {"right solution": None, **kept}.items():
        error = outcome(solution, answer and {function: answer}, check, names)
        if label.startswith("right") != (error is None) or isinstance(error, NameError):
            yield f"{function}: the check {'rejects' if error else 'accepts'} {label}: {error!r}"


def outcome(solution, answer, check, names):
    """The exception that ends the check of an answer, or None; the names stay as they are."""
    rngs = {k: copy.deepcopy(v) for k, v in names.items() if isinstance(v, np.random.Generator)}
    with (
        mock.patch.dict(names, rngs),
        warnings.catch_warnings(action="ignore"),
        np.errstate(all="ignore"),
    ):
        try:
            execute(solution, names)
            names |= answer or {}
            execute(check, names)
        except Exception as error:
            return error
    return None


# --- Widgets ------------------------------------------------------------------------------------


def try_widget(cell, names):
    """Violations of a cell that ends in `explore(...)`: errors on the way, things left behind."""
    last = ast.unparse(ast.parse(cell.source).body[-1])
    if not last.startswith("explore("):
        yield "a cell tagged widget must end in explore(...)"
        return
    *controls, reset, picture = eval(last, names).children
    start, shown = [control.value for control in controls], picture.value
    widgets = ipywidgets.widgets.widget._instances
    before, figures = len(widgets), count_figures()
    for values in itertools.product(*map(ends, controls)):
        try:
            for control, value in zip(controls, values, strict=True):
                control.value = value
        except Exception as error:
            yield f"{values}: {error!r}"
        if not re.match(r'<img alt="[^"]{20,}" src="data:image/png;', picture.value):
            yield f"{values}: no picture with a text alternative"
        elif not has_white_border(picture.value):
            yield f"{values}: the edge cuts something off"
    if picture.value == shown:
        yield "no control changes the picture"
    reset.click()
    if [control.value for control in controls] != start or picture.value != shown:
        yield "Reset does not bring the first picture back"
    if len(widgets) > before or count_figures() > figures + 1:
        yield "moves leave widgets or figures behind"


def has_white_border(picture):
    """Whether nothing touches the edge of a picture, which `<img ...base64,...">` holds."""
    png = re.search(r'base64,([^"]*)"', picture)[1]
    pixels = imread(io.BytesIO(base64.b64decode(png)))
    return all(np.all(edge == 1) for edge in (pixels[[0, -1]], pixels[:, [0, -1]]))


def ends(control):
    """The values of a control that lie at its ends; all of them where it offers a choice."""
    if hasattr(control, "options"):
        return [option[1] if isinstance(option, tuple) else option for option in control.options]
    if isinstance(control, ipywidgets.FloatLogSlider):
        return [control.base**control.min, control.base**control.max]
    return [control.min, control.max] if hasattr(control, "min") else [False, True]


def count_figures():
    """Figures that something still holds: without the last one that explore drew, at most."""
    gc.collect()
    return sum(isinstance(thing, Figure) for thing in gc.get_objects())


# --- Witnesses ----------------------------------------------------------------------------------


class Witnesses:
    """Collects what cells tagged `witnesses` compare.

    For a gradient such as dW they must call check_gradient(..., name="dW") with an array, and
    relative_error with this array and the one that a function named ..._loops returned.
    """

    def __init__(self, notebook):
        self.expected = WITNESSED.get(notebook.number, [])
        self.listening = False
        self.looped, self.compared, self.checked = [], [], []

    def called(self, function, given):
        """Keep what the two functions that compare are given."""
        if self.listening and function == "relative_error":
            self.compared += [(given["a"], given["b"]), (given["b"], given["a"])]
        if self.listening and function == "check_gradient":
            self.checked.append((given["name"], given["gradient"]))

    def returned(self, function, value):
        """Keep what a function named ..._loops returns: an array, or several."""
        if re.search(r"_loops?$", function):
            values = list(value.values()) if isinstance(value, dict) else value
            self.looped += values if isinstance(values, tuple | list) else [values]

    def violations(self):
        """What the gradients lack of loops, vectorized code and central differences."""
        missing = [name for name in self.expected if name not in dict(self.checked)]
        found = [f"{name}: no witness compares it with central differences" for name in missing]
        for name, gradient in self.checked:
            if self.from_loops(gradient):
                found.append(f"{name}: the checked array comes from loops; where is the vectorized")
            elif not any(
                self.from_loops(a) and np.array_equal(b, gradient) for a, b in self.compared
            ):
                found.append(f"{name}: no witness compares it with plain loops")
        return list(dict.fromkeys(found))

    def from_loops(self, array):
        """Whether a function named ..._loops returned this very array."""
        return any(array is loops for loops in self.looped)


# --- Functions that a cell calls ----------------------------------------------------------------


def tracing(names, symbols, witnesses):
    """A tracer that tells of what functions of cells call and leave behind."""

    def trace(frame, event, _):
        """Python calls this for every function; it returns the tracer of those in cells."""
        function = frame.f_code.co_name
        if frame.f_back is not None and frame.f_back.f_globals is names:
            witnesses.called(function, frame.f_locals)
        if frame.f_globals is not names or not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            return None
        frame.f_trace_lines = False
        failed = False

        def local(frame, event, value):
            nonlocal failed
            if event == "exception" and value[0] is not StopIteration:  # that is a loop's end
                failed = True
            if event == "return" and not failed:
                if function not in ANY_SHAPE:
                    symbols.note(frame.f_locals, f"in {function}")
                witnesses.returned(function, value)
            return local

        return local

    return trace


# --- Symbols ------------------------------------------------------------------------------------


class Symbols:
    """Compares what carries a symbol's name with the table: kind, shape, sizes that agree."""

    def __init__(self, notebook):
        declared = DECLARED.get(notebook.number, {})
        self.table = {k: shapes for k, shapes in notation().items() if k not in declared}
        self.found = {}

    def note(self, names, where):
        """Names that are bound together, by a function or by a cell."""
        arrays = {k: v for k, v in names.items() if k in self.table and v is not None}
        for name, value in list(arrays.items()):
            if complaint := wrong_kind(name, value, self.table[name]):
                self.found.setdefault(f"{name} is {complaint}", where)
                del arrays[name]
        self.note_sizes(arrays, where)

    def note_sizes(self, arrays, where):
        """Each of N, D, H and C must be one number in all arrays that are bound together."""
        given = {letter: arrays[letter] for letter in WHOLE & arrays.keys()}
        sizes = {letter: {size} for letter, size in given.items() if isinstance(size, int)}
        for name, value in arrays.items():
            shapes = [s for s in self.table[name] if s != "whole" and len(s) == np.ndim(value)]
            for letters, size in zip(zip(*shapes, strict=True), np.shape(value), strict=False):
                if len(set(letters)) == 1:  # not so for the C or H of W and b
                    sizes.setdefault(letters[0], set()).add(size)
        for letter in sorted(WHOLE & sizes.keys()):
            if len(sizes[letter]) > 1:
                shapes = ", ".join(f"{k} {np.shape(v)}" for k, v in sorted(arrays.items()))
                complaint = f"{letter} is {sorted(sizes[letter])} at once"
                self.found.setdefault(complaint, f"{where}: {shapes}")


def wrong_kind(name, value, shapes):
    """What is wrong with a value for a symbol with these shapes, or ""."""
    try:
        array = np.asarray(list(value) if isinstance(value, range) else value)
    except ValueError:  # a list of arrays of several shapes
        return f"a {type(value).__name__}"
    whole = "whole" in shapes or name in ("y", "batch")
    real = "f" if array.ndim else "fiu"  # a single number may be a whole one
    if array.dtype.kind not in ("iu" if whole else real):
        return f"a {type(value).__name__} of type {array.dtype}"
    if "whole" in shapes:
        return "an array" if array.ndim and name in WHOLE else ""
    if array.ndim not in {len(shape) for shape in shapes}:
        return f"of shape {array.shape}"
    return ""
