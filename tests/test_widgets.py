"""`explore`: controls above a picture that follows them."""

import gc

import ipywidgets

from cs231n_utils import plots
from cs231n_utils.widgets import explore
from tools.contract_run import has_white_border


def draw(height, name="a"):
    figure, ax = plots.subplots(figsize=(4, 3))
    ax.plot([0, 10**height])
    return figure.described(f'A line that rises by {height}, "{name}".')


def make():
    height = ipywidgets.IntSlider(2, 0, 5, description="Height")
    name = ipywidgets.SelectionSlider(options=["a", "b"], description="Name")
    return explore(draw, height=height, name=name)


def test_the_picture_follows_every_control_and_reset_brings_the_first_one_back():
    height, name, reset, picture = make().children
    first = picture.value
    height.value, name.value = 5, "b"
    assert 'alt="A line that rises by 5, &quot;b&quot;."' in picture.value
    reset.click()
    assert (height.value, name.value, picture.value) == (2, "a", first)


def test_moves_leave_no_figures_and_no_widgets_and_labels_that_grow_stay_inside():
    height, *_, picture = make().children
    gc.collect()
    before = len(gc.get_objects())
    for move in range(20):
        height.value = move % 5
        assert has_white_border(picture.value)
    gc.collect()
    assert len(gc.get_objects()) < before + 1000  # one figure has thousands of objects
