"""Every figure has a text alternative, draws without a display and refuses data that do not fit."""

import base64

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf

from cs231n_utils import plots

rng = np.random.default_rng(0)
HISTORY = {
    "loss_history": [2.3, 1.0, 0.5],
    "train_acc_history": [0.5, 0.9],
    "val_acc_history": [0.4, 0.8],
}
FIGURES = {
    "image_grid": lambda: plots.image_grid(rng.uniform(size=(12, 64)), (8, 8)),
    "titles": lambda: plots.image_grid(rng.uniform(size=(2, 12)), (2, 2, 3), ["cat", "dog"]),
    "history": lambda: plots.training_history(HISTORY),
    "regions": lambda: plots.decision_regions(
        {"left or right": lambda X: (X[:, 0] > 0).astype(int)},
        rng.standard_normal((30, 2)),
        rng.integers(0, 2, 30),
        ["a", "b"],
    ),
    "templates": lambda: plots.weight_templates(rng.standard_normal((64, 3)), (8, 8)),
    "confusion": lambda: plots.confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), "ab"),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES.keys())
def test_figure_is_shown_with_its_text_alternative(draw):
    data, metadata = draw()._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert len(metadata["image/png"]["alt"]) >= 20
    assert data["text/plain"] == f"Figure: {metadata['image/png']['alt']}"


def test_a_figure_without_text_alternative_is_refused():
    fig, _ = plots.subplots()
    with pytest.raises(ValueError, match="no text alternative"):
        fig._repr_mimebundle_()


def test_nothing_is_left_open():
    for draw in FIGURES.values():
        draw()
    assert Gcf.get_num_fig_managers() == 0


def test_texts_say_what_the_figures_show():
    assert "2 of 3 examples on the diagonal, 1 off it" in FIGURES["confusion"]().alt
    assert "from 2.3 to 0.5" in FIGURES["history"]().alt
    assert "titled cat, dog" in FIGURES["titles"]().alt


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.image_grid(np.zeros((3, 63)), (8, 8)),
        lambda: plots.image_grid(np.zeros((3, 64)), (8, 8), ["one title"]),
        lambda: plots.weight_templates(np.zeros((10, 64)), (8, 8)),
        lambda: plots.decision_regions({}, np.zeros((3, 5)), np.zeros(3), ["a"]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(draw):
    with pytest.raises(ValueError, match=r"must have shape|titles"):
        draw()


def contrast(color):
    """Contrast of a colour against white, as WCAG 2 defines it."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in mpl.colors.to_rgb(color)
    ]
    return 1.05 / (np.dot([0.2126, 0.7152, 0.0722], linear) + 0.05)


def test_the_first_line_colours_are_readable_on_white():
    assert contrast(plots.COLORS[0]) >= 4.5
    assert all(contrast(color) >= 1.2 for color in plots.COLORS)


def test_a_run_that_diverged_in_its_first_epoch_can_be_drawn():
    history = {"loss_history": [2.3, np.nan], "train_acc_history": [], "val_acc_history": []}
    fig = plots.training_history(history)
    assert fig._repr_mimebundle_()[0]["image/png"]
    assert "no epoch was completed" in fig.alt


def test_colour_templates_are_grey_where_the_weight_is_0_and_use_the_whole_range():
    W = np.array([[0.0, 4.0], [1.0, -8.0], [-2.0, 2.0]])  # two templates of one pixel
    fig = plots.weight_templates(W, (1, 1, 3), ["a", "b"], columns=2)
    first, second = (ax.images[0].get_array().ravel() for ax in fig.axes)
    assert first.tolist() == [0.5, 0.75, 0.0]
    assert second.tolist() == [0.75, 0.0, 0.625]
    assert fig.alt == "2 weight templates of 1x1 pixels, titled a, b; grey is 0."


def test_regions_ask_for_as_many_points_as_the_resolution_says():
    asked = []

    def predict(X):
        asked.append(len(X))
        return np.zeros(len(X), dtype=int)

    for options in ({}, {"resolution": 7}):
        _, ax = plots.subplots()
        plots.draw_regions(ax, predict, np.ones((3, 2)), np.zeros(3), ["a"], **options)
    assert asked == [250**2, 7**2]
