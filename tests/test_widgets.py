"""`explore`: controls above a picture that follows them."""

import gc
import re

import ipywidgets
import pytest

from cs231n_utils import plots
from cs231n_utils.widgets import explore
from tools.contract_run import has_white_border


def draw(height, name="a"):
    figure, ax = plots.subplots(figsize=(2, 2))
    ax.plot([0, height])
    return figure.described(f'A line that rises by {height}, "{name}".')


def make():
    return explore(
        draw,
        height=ipywidgets.IntSlider(2, 0, 9, description="Height"),
        name=ipywidgets.SelectionSlider(options=["a", "b"], description="Name"),
    )


def alt(box):
    return re.search(r'alt="([^"]*)"', box.children[-1].value)[1]


def test_the_picture_follows_every_control_and_reset_brings_the_first_one_back():
    box = make()
    height, name, reset, picture = box.children
    assert alt(box) == "A line that rises by 2, &quot;a&quot;."
    first = picture.value
    height.value = 5
    assert alt(box) == "A line that rises by 5, &quot;a&quot;."
    name.value = "b"
    assert alt(box) == "A line that rises by 5, &quot;b&quot;."
    reset.click()
    assert (height.value, name.value, picture.value) == (2, "a", first)


def test_moves_leave_no_figures_and_no_widgets():
    box = make()
    height = box.children[0]
    gc.collect()
    before = len(gc.get_objects())
    for move in range(20):
        height.value = move % 10
    gc.collect()
    assert len(gc.get_objects()) < before + 1000  # one figure has thousands of objects


def test_labels_that_grow_stay_inside_the_picture():
    def steep(height):
        figure, ax = plots.subplots(figsize=(4, 3))
        ax.plot([0, 10**height])
        ax.set(xlabel="step", ylabel="height")
        return figure.described(f"A line that rises by ten to the {height}.")

    box = explore(steep, height=ipywidgets.IntSlider(0, 0, 4, description="Height"))
    for height in range(5):
        box.children[0].value = height
        assert has_white_border(box.children[-1].value)


def test_what_a_reader_cannot_see_needs_words():
    with pytest.raises(ValueError, match="height needs a description"):
        explore(draw, height=ipywidgets.IntSlider())
    with pytest.raises(ValueError, match="no text alternative"):
        explore(
            lambda height: plots.subplots()[0], height=ipywidgets.IntSlider(description="Height")
        )
