"""`explore`: controls above a picture that follows them."""

import ipywidgets

from cs231n_utils import plots
from cs231n_utils.widgets import explore


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
