"""Every figure has a text alternative, draws without a display and refuses data that do not fit."""

import base64

import numpy as np
import pytest
from hypothesis import strategies as st
from matplotlib._pylab_helpers import Gcf
from strategies import ANY_FLOAT, for_all

from cs231n_utils import plots

rng = np.random.default_rng(0)


def draw_history(losses, train, val):
    names = ("loss_history", "train_acc_history", "val_acc_history")
    return plots.training_history(dict(zip(names, (losses, train, val), strict=True)))


def draw_regions(X, y, names):
    return plots.decision_regions({"first": lambda X: np.zeros(len(X), int)}, X, y, names)


FIGURES = {
    "image_grid": lambda: plots.image_grid(rng.uniform(size=(12, 64)), (8, 8)),
    "history": lambda: draw_history([2.3, 1.0, 0.5], [0.5, 0.9], [0.4, 0.8]),
    "regions": lambda: draw_regions(rng.normal(size=(30, 2)), rng.integers(0, 2, 30), ["a", "b"]),
    "templates": lambda: plots.weight_templates(rng.standard_normal((64, 3)), (8, 8)),
    "film": lambda: plots.film({"0": np.zeros((4, 1))}, (2, 2), ["a"], "A film of one picture."),
    "graph": lambda: plots.graph([("x", 0, 0), ("+", 2, 0)], [(0, 1, "x", 3.0, 2.0)], "A sum."),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES.keys())
def test_figure_is_shown_with_its_text_alternative_and_not_left_open(draw, monkeypatch):
    monkeypatch.delenv("CS231N_DRAFT", raising=False)  # as for readers
    data, metadata = draw()._repr_mimebundle_()
    assert Gcf.get_num_fig_managers() == 0
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert len(metadata["image/png"]["alt"]) >= 20
    assert data["text/plain"] == f"Figure: {metadata['image/png']['alt']}"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.image_grid(np.zeros((3, 63)), (8, 8)), r"must have shape \(N, 64\)"),
        (lambda: plots.image_grid(np.zeros((3, 64)), (8, 8), ["one"]), "3 images need 3 titles"),
        (lambda: plots.weight_templates(np.zeros((10, 64)), (8, 8)), r"must have shape \(64, M\)"),
        (lambda: draw_regions(np.zeros((3, 5)), np.zeros(3), ["a"]), r"must have shape \(N, 2\)"),
        (lambda: plots.subplots()[0]._repr_mimebundle_(), "no text alternative"),
    ],
)
def test_what_does_not_fit_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_arrows_and_paths_are_to_scale():
    _, (left, right) = plots.subplots(1, 2)
    plots.draw_arrows(left, {"v": (3, 4)}, start=(1, 1))
    assert [tuple(text.xy) for text in left.texts] == [(4, 5), (4, 5)]
    path = np.array([[1, 0], [1e9, 0]])
    plots.draw_contours(right, lambda p: (p**2).sum(-1), {"far": path}, x=(-2, 2), y=(-1, 1))
    assert np.isnan(right.lines[0].get_xydata()[1, 0])
    assert left.get_aspect() == right.get_aspect() == 1


def test_images_are_shown_as_they_are_and_templates_share_a_scale_around_0():
    X = rng.standard_normal((5, 12))
    for fig in (plots.image_grid(X, (3, 4), columns=2), plots.weight_templates(X.T, (3, 4))):
        images = [ax.images[0] for ax in fig.axes if ax.images][:5]
        assert np.array_equal([image.get_array() for image in images], X.reshape(5, 3, 4))
        assert fig.alt.startswith("5 ")
    assert {image.get_clim() for image in images} == {(-np.abs(X).max(), np.abs(X).max())}


def test_colour_templates_are_grey_where_the_weight_is_0_and_use_the_whole_range():
    W = np.array([[0.0, 4.0], [1.0, -8.0], [-2.0, 2.0]])  # two templates of one pixel
    fig = plots.weight_templates(W, (1, 1, 3), ["a", "b"], columns=2)
    shown = [ax.images[0].get_array().ravel().tolist() for ax in fig.axes]
    assert shown == [[0.5, 0.75, 0.0], [0.75, 0.0, 0.625]]
    assert fig.alt == "2 weight templates of 1x1 pixels, titled a, b; grey is 0."


@for_all(losses=st.lists(ANY_FLOAT, min_size=1), epochs=st.integers(0, 9), max_examples=9)
def test_training_history_draws_and_tells_every_number(losses, epochs):
    train, val = np.random.default_rng(0).uniform(size=(2, epochs)).tolist()
    fig = draw_history(losses, train, val)
    assert f"{len(losses)} iterations, from {losses[0]:.1f} to {losses[-1]:.1f}" in fig.alt
    assert not epochs or f"{train[-1]:.0%} on training and {val[-1]:.0%} on valid" in fig.alt
    drawn = [line.get_ydata() for ax in fig.axes for line in ax.lines]
    assert all(map(np.array_equal, drawn, (losses, train, val), (True,) * 3))


def test_decision_regions_tell_the_share_in_their_own_region():
    X, y = rng.standard_normal((20, 2)), rng.integers(0, 8, 20)
    fig = draw_regions(X, y, list("abcdefgh"))
    assert f"8 classes with 20 points. first: {np.mean(y == 0):.0%} of the points" in fig.alt
    drawn = np.concatenate([points.get_offsets() for points in fig.axes[0].collections])
    assert np.array_equal(drawn, X[np.argsort(y, kind="stable")])
