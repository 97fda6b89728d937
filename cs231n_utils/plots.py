"""Figures that the notebooks draw more than once. Every figure carries a text alternative.

Colours are Okabe and Ito's palette ("Color Universal Design", 2008), which readers with any form
of colour vision can tell apart; classes differ by marker as well. Importing this module sets
Matplotlib's defaults to the series' style.
"""

import base64
import io
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
INK = {1: "#9a6a00", 4: "#a3457a"}  # for letters, in place of two COLORS that are too pale
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SEQUENTIAL = "cividis"
DIVERGING = "PuOr"
DPI = 200  # drawn; pages show 100 dots an inch
Predict = Callable[[np.ndarray], np.ndarray]  # points (M, 2) to labels (M,)
mpl.rcParams.update(
    {
        "font.size": 15,
        "axes.titlesize": "medium",
        "axes.grid": True,
        "axes.titley": 1.0,  # always there: a search for its place takes time
        "grid.alpha": 0.3,
        "axes.prop_cycle": cycler(color=COLORS),
        "lines.linewidth": 2,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
    }
)


class DescribedFigure(Figure):
    """A Matplotlib figure that notebooks show together with a text alternative.

    End a cell with `fig.described("...")` to show it. It belongs to no global list of figures, so
    nothing needs to be closed.
    """

    alt: str = ""

    def described(self, alt: str) -> "DescribedFigure":
        """Set the text alternative: what a reader who cannot see the figure must know."""
        self.alt = alt
        return self

    def png(self, *, tight: bool) -> str:
        """Draw the figure as a PNG file in base64.

        Tight: without margins, for a page; `DPI` dots an inch are sharp on a projector as well.
        Otherwise it is drawn once and no finer than a screen needs, which takes half the time.
        """
        if not self.alt:
            raise ValueError('this figure has no text alternative: end with fig.described("...")')
        png = io.BytesIO()
        if tight:
            self.savefig(png, format="png", dpi=DPI, bbox_inches="tight")
        else:
            self.set_layout_engine("none")
            self.set_dpi(80)
            quickly = {"compress_level": 1}
            FigureCanvasAgg(self).print_png(png, pil_kwargs=quickly)  # type: ignore[no-untyped-call]
        return base64.b64encode(png.getvalue()).decode("ascii")

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """PNG with size and alt text for notebooks; the alt text alone where no image can be shown.

        With CS231N_DRAFT in the environment it is drawn roughly: tests look at no pixel.
        """
        png = self.png(tight="CS231N_DRAFT" not in os.environ)
        pixels = struct.unpack(">II", base64.b64decode(png)[16:24])  # where a PNG names its size
        width, height = (100 * count // DPI for count in pixels)
        return (
            {"image/png": png, "text/plain": f"Figure: {self.alt}"},
            {"image/png": {"alt": self.alt, "width": width, "height": height}},
        )


def subplots(
    rows: int = 1, columns: int = 1, *, figsize: tuple[float, float] | None = None, **options: Any
) -> tuple[DescribedFigure, Any]:
    """Make a figure that can be `described`, and its axes, as `matplotlib.pyplot.subplots` does.

    Parameters
    ----------
    rows, columns
        Numbers of axes, above and beside one another.
    figsize
        Width and height in inches; by default 6 by 4 for each of the axes.
    **options
        As in `matplotlib.figure.Figure.subplots`, for example sharey=True.
    """
    size = figsize or (6 * columns, 4 * rows)
    fig = DescribedFigure(figsize=size, layout="constrained")
    return fig, fig.subplots(rows, columns, **options)


def _grid(
    images: np.ndarray,
    titles: Sequence[str] | None,
    figsize: tuple[float, float],
    columns: int,
    fontsize: int,
    **options: Any,
) -> tuple[DescribedFigure, Any]:
    """Draw images in reading order, with their titles; figsize is of one row."""
    rows = -(-len(images) // columns)
    fig, axes = subplots(rows, columns, figsize=(figsize[0], figsize[1] * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for n, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        ax.imshow(image, **options)
        if titles is not None:
            ax.set_title(titles[n], fontsize=fontsize)
    return fig, axes


def _counted(count: int, what: str, shape: Sequence[int], titles: Sequence[str] | None) -> str:
    """For example "2 images of 8x8 pixels, titled cat, dog"; refuse titles that do not fit."""
    if titles is not None and len(titles) != count:
        raise ValueError(f"{count} images need {count} titles, not {len(titles)}")
    named = f", titled {', '.join(titles)}" if titles is not None else ""
    return f"{count} {what} of {'x'.join(map(str, shape[:2]))} pixels{named}"


def image_grid(
    X: np.ndarray,
    image_shape: Sequence[int],
    titles: Sequence[str] | None = None,
    *,
    columns: int = 10,
    alt: str | None = None,
) -> DescribedFigure:
    """Draw rows of X as images, in reading order.

    Parameters
    ----------
    X
        Images of shape (N, D) with values from 0 to 1, D the product of image_shape.
    image_shape
        (height, width) for grey images, (height, width, 3) for colour.
    titles
        N strings, written above the images.
    columns
        Images side by side.
    alt
        Text alternative; by default the count, the size and the titles.
    """
    X, shape = np.asarray(X), tuple(image_shape)
    if X.ndim != 2 or X.shape[1] != np.prod(shape):
        raise ValueError(
            f"X must have shape (N, {np.prod(shape)}) for images of shape {shape}, not {X.shape}"
        )
    default = _counted(len(X), "images", shape, titles)
    size = (columns, 1.35 if titles is not None else 1.0)
    images = X.reshape(-1, *shape)
    fig, _ = _grid(images, titles, size, columns, 11, cmap="gray_r", vmin=0, vmax=1)
    return fig.described(alt or f"{default}.")


def training_history(
    history: Mapping[str, Sequence[float]], alt: str | None = None
) -> DescribedFigure:
    """Draw what `train` returns, losses by iteration and accuracies by epoch, side by side."""
    losses = history["loss_history"]
    train, val = history["train_acc_history"], history["val_acc_history"]
    fig, (left, right) = subplots(1, 2, figsize=(11, 4))
    left.plot(np.arange(1, len(losses) + 1), losses, linewidth=1)
    left.set(xlabel="iteration", ylabel="minibatch loss", ylim=(0, None))
    for name, values, marker in (("training", train, "o"), ("validation", val, "s")):
        epochs = np.arange(1, len(values) + 1)
        right.plot(epochs, values, label=name, marker=marker, markevery=max(1, len(values) // 10))
    right.set(xlabel="epoch", ylabel="accuracy")
    right.legend()
    outcome = "(no epoch was completed)"  # training may diverge in the first
    if train:
        last = f"{train[-1]:.0%} on training and {val[-1]:.0%} on validation examples"
        outcome = f"over {len(train)} epochs, at the end {last}"
    default = (
        f"Two panels. Left: the minibatch loss over {len(losses):,} iterations, from "
        f"{losses[0]:.1f} to {losses[-1]:.1f}. Right: accuracy {outcome}."
    )
    return fig.described(alt or default)


def decision_regions(
    predictors: Mapping[str, Predict], X: np.ndarray, y: np.ndarray, class_names: Sequence[str]
) -> DescribedFigure:
    """Colour the plane by predicted class, one panel for each predictor, and draw the examples.

    Parameters
    ----------
    predictors
        Panel title -> function from points (M, 2) to labels (M,).
    X, y
        Examples of shape (N, 2) and their labels (N,), drawn with a marker for each class.
    class_names
        C names, C at most 8.
    """
    if np.ndim(X) != 2 or np.shape(X)[1] != 2:
        raise ValueError(f"X must have shape (N, 2), points of the plane, not {np.shape(X)}")
    size = (4 * len(predictors), 4)
    fig, axes = subplots(1, len(predictors), figsize=size, squeeze=False, sharey=True)
    for ax, (title, predict) in zip(axes.flat, predictors.items(), strict=True):
        draw_regions(ax, predict, X, y, class_names)
        ax.set_title(title, fontsize="medium")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    scores = "; ".join(
        f"{title}: {np.mean(predict(X) == y):.0%} of the points drawn lie in their class's region"
        for title, predict in predictors.items()
    )
    counts = f"{len(class_names)} classes with {len(X)} points"
    return fig.described(f"Decision regions for {counts}. {scores}.")


def draw_regions(
    ax: Axes,
    predict: Predict,
    X: np.ndarray,
    y: np.ndarray,
    class_names: Sequence[str],
    *,
    resolution: int = 250,
) -> None:
    """Draw one panel of `decision_regions` on existing axes.

    Parameters
    ----------
    predict, X, y, class_names
        As there: predict is one of the predictors.
    resolution
        Points of the grid along each axis; fewer are faster, and show borders as steps.
    """
    num_classes = len(class_names)
    margin = 1.1 * np.abs(X).max()
    ticks = np.linspace(-margin, margin, resolution)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)  # (resolution, resolution, 2)
    regions = predict(grid.reshape(-1, 2)).reshape(grid.shape[:2])
    colors = ListedColormap(list(COLORS[:num_classes]))
    style: Any = {"cmap": colors, "alpha": 0.35, "interpolation": "nearest", "origin": "lower"}
    extent = (-margin, margin, -margin, margin)
    ax.imshow(regions, extent=extent, vmin=-0.5, vmax=num_classes - 0.5, **style)
    style = {"s": 18, "edgecolors": "black", "linewidths": 0.4}
    for label, name in enumerate(class_names):
        x1, x2 = X[y == label].T
        ax.scatter(x1, x2, c=COLORS[label], marker=MARKERS[label], label=name, **style)
    ax.set(xlabel="feature 0", ylabel="feature 1", aspect="equal")
    ax.locator_params(nbins=5)
    ax.grid(False)


def weight_templates(
    W: np.ndarray,
    image_shape: Sequence[int],
    titles: Sequence[str] | None = None,
    *,
    columns: int = 10,
    alt: str | None = None,
) -> DescribedFigure:
    """Draw columns of W as images.

    Parameters
    ----------
    W
        Weights of shape (D, M), D the product of image_shape; each column is one template.
    image_shape
        (height, width): all templates share one diverging scale, orange below 0, white 0, purple
        above. (height, width, 3): each has a scale of its own, in colour; grey is 0.
    titles, columns, alt
        As in `image_grid`.
    """
    W, shape = np.asarray(W), tuple(image_shape)
    if W.ndim != 2 or W.shape[0] != np.prod(shape):
        raise ValueError(
            f"W must have shape ({np.prod(shape)}, M) for templates of shape {shape}, not {W.shape}"
        )
    default = _counted(W.shape[1], "weight templates", shape, titles)
    if len(shape) == 3:
        limits = np.abs(W).max(axis=0)
        in_colour = 0.5 + W / (2 * np.where(limits > 0, limits, 1))  # from 0 to 1
        alt = alt or f"{default}; grey is 0."
        return image_grid(in_colour.T, shape, titles, columns=columns, alt=alt)
    limit = np.abs(W).max()
    size = (columns + 1, 1.35 if titles is not None else 1.1)
    colours: Any = {"cmap": DIVERGING, "vmin": -limit, "vmax": limit}
    fig, axes = _grid(W.T.reshape(-1, *shape), titles, size, columns, 12, **colours)
    fig.colorbar(axes[0, 0].images[0], ax=axes, label="weight", fraction=0.03)
    return fig.described(alt or f"{default}; orange is negative, purple positive.")


def graph(
    nodes: Sequence[tuple[str, float, float]],
    edges: Sequence[tuple[int, int, str, float, float]],
    alt: str,
    title: str = "",
) -> DescribedFigure:
    """Draw a graph of operations: values above its arrows, gradients below them.

    Parameters
    ----------
    nodes
        Label and place (x, y) of each operation, drawn as a circle; places lie about 2.6 apart.
    edges
        For each arrow the positions in `nodes` of its start and end, the name of what flows along
        it, its value and the gradient of the loss with respect to it.
    alt
        Text alternative; the numbers on the arrows are added to it.
    title
        What stands above the graph.
    """
    places = np.array([place for _, *place in nodes], dtype=float)  # (nodes, 2)
    width, height = np.ptp(places, axis=0)
    fig, ax = subplots(figsize=(0.72 * width + 1, 0.72 * height + 1.2))
    ax.set(aspect="equal", frame_on=False, xticks=[], yticks=[], title=title)
    arrow = {"arrowstyle": "-|>", "shrinkA": 22, "shrinkB": 22, "lw": 2, "mutation_scale": 20}
    numbers = []
    for start, end, name, value, gradient in edges:
        value, gradient = value + 0, gradient + 0  # -0 becomes 0
        tail, head = places[[start, end]]
        ax.annotate("", head, tail, arrowprops=arrow | {"color": "black"})
        cos, sin = (head - tail) / np.linalg.norm(head - tail)
        angle = np.degrees(np.arctan2(sin, cos))
        style: Any = {"rotation": angle, "ha": "center", "va": "center"}
        middle, above = (tail + head) / 2, 0.36 * np.array([-sin, cos])
        ax.text(*(middle + above), f"{name} = {value:.4g}", color=COLORS[0], **style)
        ax.text(*(middle - above), f"d{name} = {gradient:.4g}", color=COLORS[3], **style)
        numbers.append(f"{name} = {value:.4g} (gradient {gradient:.4g})")
    ax.plot(*places.T, "wo", ms=42, mec="black", clip_on=False)
    for (label, *_), place in zip(nodes, places, strict=True):
        ax.text(*place, label, ha="center", va="center")
    return fig.described(f"{alt} Values and gradients on the arrows: {', '.join(numbers)}.")


def draw_arrows(
    ax: Axes, arrows: Mapping[str, Sequence[float]], start: Sequence[float] = (0, 0)
) -> None:
    """Draw arrows of a plane to scale, from one start, each with its name at its head.

    Parameters
    ----------
    arrows
        Name -> vector of shape (2,); the names may hold formulas. At most 8.
    start
        The point where they begin.
    """
    tail: Any = np.asarray(start, dtype=float)
    for (name, vector), color in zip(arrows.items(), COLORS, strict=False):
        head: Any = tail + vector
        style = {"arrowstyle": "-|>", "color": color, "lw": 2, "mutation_scale": 18}
        ax.annotate("", head, tail, arrowprops=style | {"shrinkA": 0, "shrinkB": 0})
        beyond: Any = 12 * np.asarray(vector) / (np.linalg.norm(vector) or 1.0)  # points
        where: Any = {"textcoords": "offset points", "ha": "center", "va": "center"}
        ax.annotate(name, head, beyond, color=color, **where)
        ax.update_datalim([tail, head])
    ax.set_aspect("equal")
    ax.margins(0.15)
    ax.autoscale_view()


def draw_contours(
    ax: Axes,
    f: Callable[[np.ndarray], np.ndarray],
    paths: Mapping[str, np.ndarray],
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    levels: Sequence[float] | int = 10,
) -> None:
    """Draw the contours of a function of the plane to scale, and paths over them.

    Parameters
    ----------
    f
        Function from points (..., 2) to values (...).
    paths
        Name -> positions of shape (steps, 2), for the legend. Positions outside are not seen.
    x, y
        The ends of both axes.
    levels
        The values at which lines are drawn, or about how many.
    """
    points = np.stack(np.meshgrid(np.linspace(*x, 200), np.linspace(*y, 200)), axis=-1)
    ax.contour(points[..., 0], points[..., 1], f(points), levels, colors="0.7", linewidths=1)
    for (name, path), color, marker in zip(paths.items(), COLORS, MARKERS, strict=False):
        inside = np.where(np.abs(path) < 1e6, path, np.nan)  # of a path that explodes
        ax.plot(*inside.T, linewidth=1, label=name, color=color, marker=marker, markersize=4)
    ax.set(xlim=x, ylim=y, aspect="equal")


def film(
    frames: Mapping[str, np.ndarray],
    image_shape: Sequence[int],
    titles: Sequence[str],
    alt: str,
) -> DescribedFigure:
    """Draw templates as they change: a row for each time, a column for each template.

    Parameters
    ----------
    frames
        Title of a row -> weights of shape (D, M). Each row has a scale of its own: orange is
        negative, purple positive.
    image_shape
        (height, width), with D their product.
    titles
        M strings, above the columns.
    alt
        Text alternative.
    """
    size = (0.89 * len(titles) + 1.5, 0.89 * len(frames) + 0.45)
    fig, axes = subplots(len(frames), len(titles), figsize=size, squeeze=False)
    for row, (title, W) in zip(axes, frames.items(), strict=True):
        limit = np.abs(W).max() or 1.0
        for ax, template in zip(row, np.asarray(W).T, strict=True):
            image = template.reshape(image_shape)
            ax.imshow(image, cmap=DIVERGING, vmin=-limit, vmax=limit)
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
        row[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize="medium")
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize="medium")
    return fig.described(alt)
