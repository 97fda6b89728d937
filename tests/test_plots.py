"""Every figure has a text alternative, draws without a display and refuses data that do not fit."""

import base64
import math
from collections import Counter

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import strategies as st
from matplotlib._pylab_helpers import Gcf
from strategies import ANY_FLOAT, SEEDS, SIZES, for_all

from cs231n_utils import plots

rng = np.random.default_rng(0)
IMAGE_SHAPES = st.tuples(SIZES, SIZES)


def draw_history(losses, train, val):
    names = ("loss_history", "train_acc_history", "val_acc_history")
    return plots.training_history(dict(zip(names, (losses, train, val), strict=True)))


FIGURES = {
    "image_grid": lambda: plots.image_grid(rng.uniform(size=(12, 64)), (8, 8)),
    "titles": lambda: plots.image_grid(rng.uniform(size=(2, 12)), (2, 2, 3), ["cat", "dog"]),
    "history": lambda: draw_history([2.3, 1.0, 0.5], [0.5, 0.9], [0.4, 0.8]),
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
def test_figure_is_shown_with_its_text_alternative_and_not_left_open(draw):
    data, metadata = draw()._repr_mimebundle_()
    assert Gcf.get_num_fig_managers() == 0
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert len(metadata["image/png"]["alt"]) >= 20
    assert data["text/plain"] == f"Figure: {metadata['image/png']['alt']}"


def test_a_figure_without_text_alternative_is_refused():
    fig, _ = plots.subplots()
    with pytest.raises(ValueError, match="no text alternative"):
        fig._repr_mimebundle_()


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


def test_the_first_line_colours_are_readable_on_white():
    """By their contrast against white, as WCAG 2 defines it."""
    rgb = mpl.colors.to_rgba_array(plots.COLORS)[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    contrast = 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05)
    assert contrast[0] >= 4.5
    assert contrast.min() >= 1.2


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


@for_all(N=SIZES, C=st.integers(1, 6), seed=SEEDS, max_examples=15)
def test_confusion_matrix_counts_every_example_once_in_its_cell(N, C, seed):
    y, y_pred = np.random.default_rng(seed).integers(0, C, (2, 5 * N))
    fig = plots.confusion_matrix(y, y_pred, [f"class {c}" for c in range(C)])
    right = int(np.sum(y == y_pred))
    assert f"of {C} classes: {right} of {5 * N} examples on the diagonal" in fig.alt
    assert f"{5 * N - right} off it" in fig.alt
    image = fig.axes[0].images[0].get_array()
    pairs = Counter(zip(y.tolist(), y_pred.tolist(), strict=True))
    assert {cell: count for cell, count in np.ndenumerate(image) if count} == pairs
    texts = {text.get_position(): int(text.get_text()) for text in fig.axes[0].texts}
    assert texts == {(j, i): pairs[i, j] for i in range(C) for j in range(C)}


@for_all(N=SIZES, shape=IMAGE_SHAPES, columns=st.integers(1, 4), seed=SEEDS, max_examples=15)
def test_image_grid_shows_every_row_as_it_is(N, shape, columns, seed):
    X = np.random.default_rng(seed).uniform(size=(N, math.prod(shape)))
    fig = plots.image_grid(X, shape, columns=columns)
    assert fig.alt.startswith(f"{N} images of {shape[0]}x{shape[1]} pixels")
    shown = [ax.images[0].get_array() for ax in fig.axes if ax.images]
    assert np.array_equal(shown, X.reshape(N, *shape))


@for_all(M=SIZES, shape=IMAGE_SHAPES, seed=SEEDS, max_examples=10)
def test_weight_templates_share_a_scale_around_0(M, shape, seed):
    W = np.random.default_rng(seed).standard_normal((math.prod(shape), M))
    fig = plots.weight_templates(W, shape)
    images = [ax.images[0] for ax in fig.axes[:M]]
    assert np.array_equal([image.get_array() for image in images], W.T.reshape(M, *shape))
    assert {image.get_clim() for image in images} == {(-np.abs(W).max(), np.abs(W).max())}


@for_all(
    losses=st.lists(st.floats(0, 1e3), min_size=1, max_size=9),
    accuracies=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=9),
    max_examples=10,
)
def test_training_history_draws_and_tells_every_number(losses, accuracies):
    train_acc, val_acc = map(list, zip(*accuracies, strict=True))
    fig = draw_history(losses, train_acc, val_acc)
    assert f"{len(losses)} iterations, from {losses[0]:.1f} to {losses[-1]:.1f}" in fig.alt
    assert f"{train_acc[-1]:.0%} on training and {val_acc[-1]:.0%} on validation" in fig.alt
    drawn = [line.get_ydata().tolist() for ax in fig.axes for line in ax.lines]
    assert drawn == [losses, train_acc, val_acc]


@for_all(losses=st.lists(ANY_FLOAT, min_size=1, max_size=9), max_examples=10)
def test_a_run_that_diverged_in_its_first_epoch_can_be_drawn(losses):
    assert f"{len(losses)} iterations" in draw_history(losses, [], []).alt


@for_all(N=st.integers(1, 20), C=st.integers(2, 8), seed=SEEDS, max_examples=10)
def test_decision_regions_tell_the_share_in_their_own_region(N, C, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((N, 2)), rng.integers(0, C, N)
    names = [f"class {c}" for c in range(C)]
    fig = plots.decision_regions({"first": lambda X: np.zeros(len(X), int)}, X, y, names)
    assert f"{C} classes with {N} points. first: {np.mean(y == 0):.0%} of the points" in fig.alt
    drawn = np.concatenate([points.get_offsets() for points in fig.axes[0].collections])
    assert np.array_equal(drawn, X[np.argsort(y, kind="stable")])
