"""Figures that the notebooks draw more than once. Every figure carries a text alternative.

Colours are Okabe and Ito's palette ("Color Universal Design", 2008), which readers with any form
of colour vision can tell apart; classes differ by marker as well. Importing this module sets
Matplotlib's defaults to the series' style.
"""

import base64
import io
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
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SEQUENTIAL = "cividis"
DIVERGING = "PuOr"
mpl.rcParams.update(
    {
        "font.size": 13,
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

        Parameters
        ----------
        tight
            Cut the margins off and draw 100 dots an inch, for a page. Otherwise draw it once and
            no finer than a screen needs, which takes half the time.

        Raises
        ------
        ValueError
            When the figure has no text alternative.
        """
        if not self.alt:
            raise ValueError('this figure has no text alternative: end with fig.described("...")')
        png = io.BytesIO()
        if tight:
            self.savefig(png, format="png", dpi=100, bbox_inches="tight")
        else:
            self.set_dpi(80)
            quickly = {"compress_level": 1}
            FigureCanvasAgg(self).print_png(png, pil_kwargs=quickly)  # type: ignore[no-untyped-call]
        return base64.b64encode(png.getvalue()).decode("ascii")

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """PNG with alt text for notebooks; the alt text alone where no image can be shown."""
        return (
            {"image/png": self.png(tight=True), "text/plain": f"Figure: {self.alt}"},
            {"image/png": {"alt": self.alt}},
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

    Raises
    ------
    ValueError
        When rows are no such images, or there are not as many titles.
    """
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] != np.prod(image_shape):
        raise ValueError(
            f"X must have shape (N, {np.prod(image_shape)}) for images of shape "
            f"{tuple(image_shape)}, not {X.shape}"
        )
    if titles is not None and len(titles) != len(X):
        raise ValueError(f"{len(X)} images need {len(X)} titles, not {len(titles)}")
    rows = -(-len(X) // columns)
    height = 1.35 if titles is not None else 1.0
    fig, axes = subplots(rows, columns, figsize=(columns, height * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for n, (ax, row) in enumerate(zip(axes.flat, X, strict=False)):
        ax.imshow(row.reshape(image_shape), cmap="gray_r", vmin=0, vmax=1)
        if titles is not None:
            ax.set_title(titles[n], fontsize=11)
    size = "x".join(map(str, image_shape[:2]))
    named = f", titled {', '.join(titles)}" if titles is not None else ""
    return fig.described(alt or f"{len(X)} images of {size} pixels{named}.")


def training_history(history: Mapping[str, Sequence[float]]) -> DescribedFigure:
    """Draw the loss of every iteration, and the accuracies of every epoch, side by side.

    Parameters
    ----------
    history
        loss_history (one number an iteration), train_acc_history and val_acc_history (one number
        an epoch, from 0 to 1; both may be empty), as `train` returns them.
    """
    losses = history["loss_history"]
    accuracies = {
        "training": history["train_acc_history"],
        "validation": history["val_acc_history"],
    }
    fig, (left, right) = subplots(1, 2, figsize=(11, 4))
    left.plot(np.arange(1, len(losses) + 1), losses, linewidth=1)
    left.set(xlabel="iteration", ylabel="minibatch loss", ylim=(0, None))
    for (name, values), marker in zip(accuracies.items(), MARKERS, strict=False):
        epochs = np.arange(1, len(values) + 1)
        right.plot(epochs, values, label=name, marker=marker, markevery=max(1, len(values) // 10))
    right.set(xlabel="epoch", ylabel="accuracy")
    right.legend()
    outcome = "(no epoch was completed)"  # training may diverge in the first
    if accuracies["training"]:
        outcome = (
            f"over {len(accuracies['training'])} epochs, at the end "
            f"{accuracies['training'][-1]:.0%} on training and "
            f"{accuracies['validation'][-1]:.0%} on validation examples"
        )
    return fig.described(
        f"Two panels. Left: the minibatch loss over {len(losses):,} iterations, from "
        f"{losses[0]:.1f} to {losses[-1]:.1f}. Right: accuracy {outcome}."
    )


def decision_regions(
    predictors: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    X: np.ndarray,
    y: np.ndarray,
    class_names: Sequence[str],
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

    Raises
    ------
    ValueError
        When X holds no points of the plane.
    """
    if np.ndim(X) != 2 or np.shape(X)[1] != 2:
        raise ValueError(f"X must have shape (N, 2), points of the plane, not {np.shape(X)}")
    fig, axes = subplots(
        1, len(predictors), figsize=(4 * len(predictors), 4), squeeze=False, sharey=True
    )
    for ax, (title, predict) in zip(axes.flat, predictors.items(), strict=True):
        draw_regions(ax, predict, X, y, class_names)
        ax.set_title(title, fontsize="medium")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    scores = "; ".join(
        f"{title}: {np.mean(predict(X) == y):.0%} of the points drawn lie in their class's region"
        for title, predict in predictors.items()
    )
    return fig.described(
        f"Decision regions for {len(class_names)} classes with {len(X)} points. {scores}."
    )


def draw_regions(
    ax: Axes,
    predict: Callable[[np.ndarray], np.ndarray],
    X: np.ndarray,
    y: np.ndarray,
    class_names: Sequence[str],
    *,
    resolution: int = 250,
) -> None:
    """Draw one panel of `decision_regions` on existing axes.

    Parameters
    ----------
    ax
        Where to draw.
    predict
        Function from points (M, 2) to labels (M,).
    X, y
        Examples of shape (N, 2) and their labels (N,).
    class_names
        C names, C at most 8.
    resolution
        Points of the grid along each axis; fewer are faster, and show borders as steps.
    """
    num_classes = len(class_names)
    margin = 1.1 * np.abs(X).max()
    ticks = np.linspace(-margin, margin, resolution)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)  # (resolution, resolution, 2)
    regions = predict(grid.reshape(-1, 2)).reshape(grid.shape[:2])
    ax.imshow(
        regions,
        extent=(-margin, margin, -margin, margin),
        origin="lower",
        cmap=ListedColormap(list(COLORS[:num_classes])),
        vmin=-0.5,
        vmax=num_classes - 0.5,
        alpha=0.35,
        interpolation="nearest",
    )
    for label, name in enumerate(class_names):
        ax.scatter(
            X[y == label, 0],
            X[y == label, 1],
            s=18,
            c=COLORS[label],
            marker=MARKERS[label],
            edgecolors="black",
            linewidths=0.4,
            label=name,
        )
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
    titles
        M strings, written above the templates.
    columns
        Templates side by side.
    alt
        Text alternative; by default the count, the size and the titles.

    Raises
    ------
    ValueError
        When columns are no such templates.
    """
    W = np.asarray(W)
    if W.ndim != 2 or W.shape[0] != np.prod(image_shape):
        raise ValueError(
            f"W must have shape ({np.prod(image_shape)}, M) for templates of shape "
            f"{tuple(image_shape)}, not {W.shape}"
        )
    size = "x".join(map(str, image_shape[:2]))
    named = f", titled {', '.join(titles)}" if titles is not None else ""
    default = f"{W.shape[1]} weight templates of {size} pixels{named}"
    if len(image_shape) == 3:
        limits = np.abs(W).max(axis=0)
        in_colour = 0.5 + W / (2 * np.where(limits > 0, limits, 1))  # from 0 to 1
        alt = alt or f"{default}; grey is 0."
        return image_grid(in_colour.T, image_shape, titles, columns=columns, alt=alt)
    limit = np.abs(W).max()
    rows = -(-W.shape[1] // columns)
    height = 1.35 if titles is not None else 1.1
    fig, axes = subplots(rows, columns, figsize=(columns + 1, height * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for m, (ax, template) in enumerate(zip(axes.flat, W.T, strict=False)):
        ax.imshow(template.reshape(image_shape), cmap=DIVERGING, vmin=-limit, vmax=limit)
        if titles is not None:
            ax.set_title(titles[m], fontsize=12)
    fig.colorbar(axes[0, 0].images[0], ax=axes, label="weight", fraction=0.03)
    return fig.described(alt or f"{default}; orange is negative, purple positive.")


def confusion_matrix(
    y: np.ndarray, y_pred: np.ndarray, class_names: Sequence[str]
) -> DescribedFigure:
    """Draw how many examples of each true class (row) were given each predicted class (column).

    Parameters
    ----------
    y, y_pred
        Labels of shape (N,), true and predicted.
    class_names
        C names.
    """
    num_classes = len(class_names)
    counts = np.zeros((num_classes, num_classes), dtype=int)
    np.add.at(counts, (y, y_pred), 1)
    fig, ax = subplots(figsize=(6.5, 5.5))
    image = ax.imshow(counts, cmap=SEQUENTIAL)
    for (i, j), count in np.ndenumerate(counts):
        dark = count < counts.max() / 2
        ax.text(j, i, str(count), ha="center", va="center", color="white" if dark else "black")
    ticks = range(num_classes)
    ax.set_xticks(ticks, class_names)
    if max(map(len, class_names)) > 3:  # longer names would run into one another
        ax.tick_params("x", rotation=60)
    ax.set_yticks(ticks, class_names)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.grid(False)
    fig.colorbar(image, label="examples")
    right = int(np.trace(counts))
    return fig.described(
        f"Confusion matrix of {num_classes} classes: {right} of {counts.sum()} examples on the "
        f"diagonal, {counts.sum() - right} off it."
    )


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
    fig, ax = subplots(figsize=(0.73 * width + 1, 0.73 * height + 1.2))
    ax.set(aspect="equal", frame_on=False, xticks=[], yticks=[], title=title)
    arrow = {"arrowstyle": "-|>", "shrinkA": 20, "shrinkB": 20, "lw": 2, "mutation_scale": 20}
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
    ax.plot(*places.T, "wo", ms=38, mec="black", clip_on=False)
    for (label, *_), place in zip(nodes, places, strict=True):
        ax.text(*place, label, ha="center", va="center", size=12)
    return fig.described(f"{alt} Values and gradients on the arrows: {', '.join(numbers)}.")
