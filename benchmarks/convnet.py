"""Accuracy of convolutional networks on CIFAR-10 against the minutes that training takes.

    python -m benchmarks.convnet                      the rows of RECIPES, three seeds each
    python -m benchmarks.convnet short --seeds 1      one row, one seed
    python -m benchmarks.convnet ablation             a short recipe without one part at a time
    python -m benchmarks.convnet short --test         the test images, once all is chosen

A recipe is a row of a table below. 45,000 images train and 5,000 choose, in bytes; each number is
given for an image alone, and for its probabilities averaged with those of the mirrored image.
Every run is kept in build/benchmarks/convnet/, and a run that is there with the same recipe and
seed is not repeated: a long series can be stopped and continued. The minutes are those of training
on so many threads as there are slices, beside whatever else was running; the processor's minutes
are the work of all threads. Needs the data: `make data`.

The ablation prints differences to the whole recipe on the validation images, seed by seed and image
by image, with the whisker of notebook 15: the truth lies within about 95 times in 100.
"""

import argparse
import hashlib
import time
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.side_by_side import BUILD, print_conditions, save
from cs231n_utils.datasets import Dataset, load_cifar10
from cs231n_utils.plots import COLORS, MARKERS, subplots
from cs231n_utils.taught.augmentation import in_turn, random_flips, random_shifts
from cs231n_utils.taught.convnet import Pixels, Slices
from cs231n_utils.taught.convolution import Conv2D, MaxPool2D
from cs231n_utils.taught.layers import Affine, BatchNorm, Flatten, ReLU, Residual, Sequential
from cs231n_utils.taught.losses import smoothed_loss, softmax
from cs231n_utils.taught.optimizers import SGD

IMAGE_SHAPE = (32, 32, 3)
STUDENT = {2: 12.7, 3: 4.3, 4: 3.2, 5: 2.8, 6: 2.6, 7: 2.4, 8: 2.4}  # seeds: standard errors
RECORDED = 1_000  # validation images that `train` reads after every epoch


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained.

    Attributes
    ----------
    widths, pairs
        Filters of each block, and how many residual pairs of convolutions follow it.
    norm
        Whether batch norm stands before each ReLU.
    epochs, rate, momentum, reg, batch_size
        The run, its highest rate, and the strength of the L2 penalty.
    rise
        Share of the run in which the rate rises from 0, before it falls to 0; None: constant.
    smoothing
        Share of a target that is spread over all classes.
    mirrored, shifts
        Whether half of the images are mirrored, and by how many pixels they are shifted, at most.
    slices
        Parts of a batch that run at once.
    """

    widths: tuple[int, ...] = (32, 64, 128)
    pairs: tuple[int, ...] = (0, 0, 1)
    norm: bool = True
    epochs: float = 8
    rate: float = 0.2
    momentum: float = 0.9
    reg: float = 5e-4
    batch_size: int = 128
    rise: float | None = 0.2
    smoothing: float = 0.1
    mirrored: bool = True
    shifts: int = 2
    slices: int = 2


RECIPES = {
    "short": Recipe(epochs=3),
    "middle": Recipe(epochs=10),
    "long": Recipe((32, 64, 192), (0, 1, 1), epochs=16),
}
WHOLE = Recipe(epochs=3)
ABLATION = {
    "whole": WHOLE,
    "no residual pair": replace(WHOLE, pairs=(0, 0, 0)),
    "two blocks": replace(WHOLE, widths=(32, 64), pairs=(0, 0)),
    "no norm": replace(WHOLE, norm=False),
    "no norm, rate 0.02": replace(WHOLE, norm=False, rate=0.02),
    "no augmentation": replace(WHOLE, mirrored=False, shifts=0),
    "no shifts": replace(WHOLE, shifts=0),
    "constant rate": replace(WHOLE, rise=None),
    "constant rate 0.02": replace(WHOLE, rise=None, rate=0.02),
    "no smoothing": replace(WHOLE, smoothing=0.0),
    "no penalty": replace(WHOLE, reg=0.0),
    "no momentum": replace(WHOLE, momentum=0.0),
}


def network(
    recipe: Recipe,
    mean: np.ndarray,
    deviation: np.ndarray,
    *,
    rng: np.random.Generator | int = 0,
    dtype: Any = np.float32,
) -> Sequential:
    """The network of a recipe, for images of bytes whose colours have this mean and deviation."""
    rng = np.random.default_rng(rng)
    conv = partial(Conv2D, size=3, pad=1, rng=rng, dtype=dtype)

    def active(width):
        norms = [BatchNorm(width, dtype=dtype)] if recipe.norm else []
        return [*norms, ReLU()]

    layers = [Pixels(IMAGE_SHAPE, mean, deviation, dtype)]
    channels, side = IMAGE_SHAPE[2], IMAGE_SHAPE[0]
    for width, pairs in zip(recipe.widths, recipe.pairs, strict=True):
        layers += [conv(channels, width), MaxPool2D(2), *active(width)]
        channels, side = width, side // 2
        for _ in range(pairs):
            first, second = conv(width, width), conv(width, width)
            layers.append(Residual([first, *active(width), second, *active(width)]))
    layers += [MaxPool2D(side), Flatten(), Affine(channels, 10, rng=rng, dtype=dtype)]
    model = Sequential(layers)
    model.loss_of_scores = partial(smoothed_loss, smoothing=recipe.smoothing)
    return model


def colours(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every colour of images of bytes: exact, and no copy of X."""
    pixels = X.reshape(-1, 3)
    mean = pixels.mean(axis=0, dtype=np.float64)
    squares = np.einsum("nc,nc->c", pixels, pixels, dtype=np.int64) / len(pixels)
    return mean, np.sqrt(squares - mean**2)


def rise_and_fall(progress: float, rise: float) -> float:
    """Share of the highest rate: up in a straight line for a share `rise` of the run, then down."""
    return min(progress / rise, (1 - progress) / (1 - rise))


def file_of(recipe: Recipe, seed: int) -> Path:
    """Where a run is kept."""
    key = hashlib.sha256(repr((recipe, seed)).encode()).hexdigest()[:16]
    return BUILD / "convnet" / f"{key}.npz"


def run(recipe: Recipe, seed: int, cifar: Dataset) -> dict[str, np.ndarray]:
    """What a recipe with one seed reached: from its file, or trained now."""
    path = file_of(recipe, seed)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished.npz")
        np.savez(unfinished, **trained(recipe, seed, cifar))
        unfinished.rename(path)
    with np.load(path) as file:
        return dict(file)


def trained(recipe: Recipe, seed: int, cifar: Dataset) -> dict[str, np.ndarray]:
    """Train a network; its arrays, the history, the minutes, and the images that it reads right."""
    model = Slices(network(recipe, *colours(cifar.X_train), rng=seed), recipe.slices)
    augments = [random_flips(IMAGE_SHAPE)] if recipe.mirrored else []
    augments += [random_shifts(IMAGE_SHAPE, recipe.shifts)] if recipe.shifts else []
    start, work = time.perf_counter(), time.process_time()
    history = model.train(
        cifar.X_train, cifar.y_train, cifar.X_val[:RECORDED], cifar.y_val[:RECORDED],
        learning_rate_decay=1.0, reg=recipe.reg, batch_size=recipe.batch_size,
        num_iters=round(recipe.epochs * len(cifar.y_train) / recipe.batch_size), rng=seed,
        optimizer=SGD(recipe.rate, recipe.momentum), augment=in_turn(*augments),
        schedule=partial(rise_and_fall, rise=recipe.rise) if recipe.rise else None,
    )  # fmt: skip
    seconds, work = time.perf_counter() - start, time.process_time() - work
    return {
        "recipe": np.array(str(recipe)),
        "seed": np.array(seed),
        "minutes": np.array(seconds / 60),
        "processor": np.array(work / 60),
        "right": right(model, cifar.X_val, cifar.y_val),
        **{key: np.array(value) for key, value in history.items()},
        **{f"param {key}": value for key, value in model.params.items()},
        **{f"state {key}": value for key, value in model.state.items()},
    }


def right(model, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether each image is read right (2, N): alone, and averaged with the mirrored one."""
    mirrored = X.reshape(-1, *IMAGE_SHAPE)[:, :, ::-1].reshape(X.shape)
    alone = softmax(model.scores(X))
    both = alone + softmax(model.scores(mirrored))
    return np.stack([alone.argmax(axis=1) == y, both.argmax(axis=1) == y])


def restored(recipe: Recipe, seed: int, cifar: Dataset) -> Slices:
    """The network that a run left."""
    kept, model = run(recipe, seed, cifar), network(recipe, *colours(cifar.X_train))
    for name, arrays in [("param", model.params), ("state", model.state)]:
        for key, value in arrays.items():
            value[...] = kept[f"{name} {key}"]
    return Slices(model, recipe.slices)  # whose copies start with these arrays


def spread(values) -> str:
    """Mean and standard deviation, in per cent."""
    deviation = f" +- {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.2f}{deviation}"


def measure(name: str, recipe: Recipe, seeds: int, cifar: Dataset) -> list[dict[str, np.ndarray]]:
    """Run a recipe with all seeds; print a line for each, and their mean and deviation."""
    runs = []
    for seed in range(seeds):
        kept = run(recipe, seed, cifar)
        runs.append(kept)
        minutes, processor = (float(kept[key]) for key in ("minutes", "processor"))
        alone, averaged = kept["right"].mean(axis=1)
        line = f"{minutes:>9.1f}{processor:>11.1f}{alone:>9.2%}{averaged:>10.2%}"
        print(f"{name:22}{recipe.epochs:>7}{seed:>6}{line}", flush=True)
    if seeds > 1:
        means = [np.mean([kept[key] for kept in runs]) for key in ("minutes", "processor")]
        alone, averaged = np.transpose([kept["right"].mean(axis=1) for kept in runs])
        line = f"{means[0]:>9.1f}{means[1]:>11.1f}   {spread(alone)}   {spread(averaged)}"
        print(f"{name:22}{recipe.epochs:>7}  mean{line}", flush=True)
    return runs


def print_test(recipes: dict[str, Recipe], seeds: int, cifar: Dataset) -> None:
    """Open the test images, and print each recipe's accuracies."""
    print("\ntest images, per cent: alone, and averaged with mirrored ones")
    for name, recipe in recipes.items():
        models = [restored(recipe, seed, cifar) for seed in range(seeds)]
        found = [right(model, cifar.X_test, cifar.y_test).mean(axis=1) for model in models]
        alone, averaged = np.transpose(found)
        print(f"{name:22}{spread(alone):>16}{spread(averaged):>16}")


def effect(changed: np.ndarray, whole: np.ndarray) -> tuple[float, float]:
    """Mean difference of right answers (seeds, images), and the whisker around it."""
    difference = changed.astype(float) - whole
    R, N = difference.shape
    of_seeds = difference.mean(axis=1).var(ddof=1) / R
    of_images = difference.mean(axis=0).var(ddof=1) / N
    return float(difference.mean()), float(np.sqrt(STUDENT[R] ** 2 * of_seeds + 4 * of_images))


def print_effects(measured: dict[str, list[dict[str, np.ndarray]]]) -> None:
    """Print what each row of the ablation loses to the first, in points of accuracy."""
    results = {name: np.stack([kept["right"] for kept in runs]) for name, runs in measured.items()}
    whole = results.pop("whole")
    effects = {"not averaged": effect(whole[:, 0], whole[:, 1])}
    effects |= {name: effect(value[:, 1], whole[:, 1]) for name, value in results.items()}
    effects = dict(sorted(effects.items(), key=lambda item: item[1][0]))
    print(
        f"\n{'beside the whole':22}{'points':>8}   with the whisker (averaged with mirrored ones)"
    )
    for name, (mean, whisker) in effects.items():
        print(f"{name:22}{100 * mean:>+8.2f} +- {100 * whisker:.2f}")
    fig, ax = subplots(figsize=(7, 4.5))
    means, whiskers = 100 * np.array(list(effects.values())).T
    ax.errorbar(means, range(len(effects)), xerr=whiskers, fmt="o", color=COLORS[0], capsize=3)
    ax.set(yticks=range(len(effects)), yticklabels=effects, xlabel="points of accuracy")
    ax.axvline(0, color=COLORS[3], linestyle="--")
    save(fig, "convnet_ablation")


def draw(measured: dict[str, list[dict[str, np.ndarray]]]) -> None:
    """Draw accuracy against minutes: means, and whiskers of one standard deviation."""
    fig, ax = subplots(figsize=(7, 4.5))
    for style, averaged in enumerate([False, True]):
        values = [[100 * kept["right"][int(averaged)].mean() for kept in runs]
                  for runs in measured.values()]  # fmt: skip
        minutes = [np.mean([kept["minutes"] for kept in runs]) for runs in measured.values()]
        order = np.argsort(minutes)
        deviations = [np.std(value, ddof=1) if len(value) > 1 else 0 for value in values]
        ax.errorbar(
            np.array(minutes)[order], np.mean(values, axis=1)[order], np.array(deviations)[order],
            color=COLORS[style], marker=MARKERS[style], capsize=3,
            label="averaged with mirrored images" if averaged else "images alone",
        )  # fmt: skip
    ax.set(xlabel="minutes of training", ylabel="validation accuracy, %", xscale="log")
    ax.legend(loc="lower right")
    save(fig, "convnet")


def main() -> None:
    """Train what is asked for, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convnet")
    parser.add_argument("names", nargs="*", help=f"ablation, {', '.join(RECIPES | ABLATION)}")
    parser.add_argument("--seeds", type=int, default=3, choices=[1, *STUDENT])
    parser.add_argument("--test", action="store_true", help="open the test images")
    options = parser.parse_args()
    try:
        cifar = load_cifar10(45_000, 5_000, dtype=np.uint8)
    except FileNotFoundError as error:
        print(f"skipped: {error}")
        return
    warnings.filterwarnings("ignore", "training diverged")
    print_conditions("numpy")
    table = ABLATION if options.names == ["ablation"] else RECIPES
    if options.names and table is RECIPES:
        table = {name: (RECIPES | ABLATION)[name] for name in options.names}
    head = f"{'epochs':>7}{'seed':>6}{'minutes':>9}{'processor':>11}{'alone':>9}{'averaged':>10}"
    print(f"\n{'validation images':22}{head}")
    measured = {name: measure(name, recipe, options.seeds, cifar) for name, recipe in table.items()}
    if table is ABLATION and options.seeds > 1:
        print_effects(measured)
    if table is not ABLATION:
        draw(measured)
    if options.test:
        print_test(table, options.seeds, cifar)


if __name__ == "__main__":
    main()
