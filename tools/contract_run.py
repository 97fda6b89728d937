"""What is tried in a notebook's kernel while its tests run: answers to exercises, and widgets.

Each exercise is tried unsolved, solved, and solved in other ways, right and wrong. Every control
of a widget moves to its ends. What the cells see and print stays as it is. conftest.py calls this.
"""

import ast
import base64
import copy
import gc
import io
import re
import warnings
from unittest import mock

import ipywidgets
import numpy as np
from IPython import get_ipython
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure
from matplotlib.image import imread

from publish.answers import load_answers  # publish.notebook takes seconds: nbformat's grammars


def execute(code, names):
    """Run code; nothing of what it prints or displays is seen."""
    with capture_output():
        exec(code, names)


# --- Exercises ----------------------------------------------------------------------------------


def try_exercise(number, function, unsolved, solution, check):
    """Try answers to a function that notebook `number` asks for, and cells left unsolved.

    An AssertionError tells what is wrong.
    """
    names, found = get_ipython().user_ns, []
    for cell in unsolved:
        error = outcome(cell, None, check, names)
        told = isinstance(error, AssertionError) and str(error)
        if not (told or isinstance(error, NotImplementedError)):
            found.append(f"the check does not tell what is lacking: {error!r} for\n{cell}")
    for label, answer in {"right solution": None, **load_answers(number)[function]}.items():
        error = outcome(solution, answer and {function: answer}, check, names)
        if label.startswith("right") != (error is None) or isinstance(error, NameError):
            found.append(f"the check {'rejects' if error else 'accepts'} {label}: {error!r}")
    assert not found, "\n".join([f"{function}:", *found])


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


def try_widget(source):
    """Move the widget of a cell that ends in `explore(...)`; AssertionError tells what is wrong."""
    last = ast.unparse(ast.parse(source).body[-1])
    assert last.startswith("explore("), "a cell tagged widget must end in explore(...)"
    with capture_output():
        found = list(violations(eval(last, get_ipython().user_ns)))
    assert not found, "\n".join(found)


def violations(widget):
    """What goes wrong on the way of a widget's controls, and what is left behind."""
    *controls, reset, picture = widget.children
    start, shown = [control.value for control in controls], picture.value
    before, figures = len(ipywidgets.widgets.widget._instances), count_figures()
    for values in moves(controls):
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
    if len(ipywidgets.widgets.widget._instances) > before or count_figures() > figures + 1:
        yield "moves leave widgets or figures behind"


def moves(controls):
    """Values of all controls: each alone at its ends, while the others rest at their start."""
    start = [control.value for control in controls]
    for place, control in enumerate(controls):
        for value in ends(control):
            if value != start[place]:
                yield [*start[:place], value, *start[place + 1 :]]


def ends(control):
    """The values of a control that lie at its ends; all of them where it offers a choice."""
    if hasattr(control, "options"):
        return [option[1] if isinstance(option, tuple) else option for option in control.options]
    if isinstance(control, ipywidgets.FloatLogSlider):
        return [control.base**control.min, control.base**control.max]
    return [control.min, control.max] if hasattr(control, "min") else [False, True]


def has_white_border(picture):
    """Whether nothing touches the edge of a picture, which `<img ...base64,...">` holds."""
    png = re.search(r'base64,([^"]*)"', picture)[1]
    pixels = imread(io.BytesIO(base64.b64decode(png)))
    return all(np.all(edge == 1) for edge in (pixels[[0, -1]], pixels[:, [0, -1]]))


def count_figures():
    """Figures that something still holds: without the last one that explore drew, at most."""
    gc.collect()
    return sum(isinstance(thing, Figure) for thing in gc.get_objects())
