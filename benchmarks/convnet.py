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
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.side_by_side import BUILD, kept, print_conditions, save
from cs231n_utils.datasets import Dataset, load_cifar10
from cs231n_utils.plots import COLORS, MARKERS, subplots
from cs231n_utils.taught.convnet import (
    Slices,
    convnet,
    mirrored_probabilities,
    one_cycle,
    train_on_crops,
)
from cs231n_utils.taught.layers import BatchNorm, Layer, Residual, Sequential

STUDENT = {2: 12.7, 3: 4.3, 4: 3.2, 5: 2.8, 6: 2.6, 7: 2.4, 8: 2.4}  # seeds: standard errors
RECORDED = 1_000  # validation images that `train` reads after every epoch


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained: what `convnet` and `train_on_crops` are given.

    Attributes
    ----------
    widths, pairs
        Filters of each block, and the blocks that a residual pair of convolutions follows.
    norm
        Whether batch norm stands before each ReLU.
    cycle
        Whether the rate rises and falls; otherwise it is constant.
    """

    widths: tuple[int, ...] = (32, 64, 128)
    pairs: tuple[int, ...] = (-1,)
    norm: bool = True
    epochs: float = 4
    rate: float = 0.2
    cycle: bool = True
    smoothing: float = 0.1
    reg: float = 5e-4
    mirror: bool = True
    margin: int = 2
    small: int = 24
    share: float = 0.6


RECIPES = {
    "short": Recipe(epochs=4),
    "middle": Recipe(epochs=14),
    "long": Recipe((32, 64, 192), (-2, -1), epochs=36),
    "hour": Recipe((64, 128, 256), (-2, -1), epochs=28),
}
WHOLE = Recipe(epochs=4)
ABLATION = {
    "whole": WHOLE,
    "no residual pair": replace(WHOLE, pairs=()),
    "two blocks": replace(WHOLE, widths=(32, 64), pairs=()),
    "no norm": replace(WHOLE, norm=False),
    "no norm, rate 0.02": replace(WHOLE, norm=False, rate=0.02),
    "whole images only": replace(WHOLE, share=0.0, epochs=3),
    "not moved": replace(WHOLE, share=0.0, epochs=3, margin=0),
    "not mirrored": replace(WHOLE, mirror=False),
    "constant rate": replace(WHOLE, cycle=False),
    "constant rate 0.02": replace(WHOLE, cycle=False, rate=0.02),
    "no smoothing": replace(WHOLE, smoothing=0.0),
    "no penalty": replace(WHOLE, reg=0.0),
}


def network(recipe: Recipe, images: np.ndarray, **settings: Any) -> Sequential:
    """The network of a recipe."""
    model = convnet(
        images, recipe.widths, recipe.pairs, smoothing=recipe.smoothing, **settings
    )  # fmt: skip
    if recipe.norm:
        return model
    bare = Sequential(without_norms(model.layers))
    bare.loss_of_scores = model.loss_of_scores
    return bare


def without_norms(layers: list[Layer]) -> list[Layer]:
    """The layers but for batch norms, also within residual layers."""
    return [
        Residual(without_norms(layer.layers)) if isinstance(layer, Residual) else layer
        for layer in layers
        if not isinstance(layer, BatchNorm)
    ]


def file_of(recipe: Recipe, seed: int) -> Path:
    """Where a run is kept."""
    key = hashlib.sha256(repr((recipe, seed)).encode()).hexdigest()[:16]
    return BUILD / "convnet" / f"{key}.npz"


def run(recipe: Recipe, seed: int, cifar: Dataset) -> dict[str, np.ndarray]:
    """What a recipe with one seed reached: from its file, or trained now."""
    return kept(file_of(recipe, seed), lambda: trained(recipe, seed, cifar))


def trained(recipe: Recipe, seed: int, cifar: Dataset) -> dict[str, np.ndarray]:
    """Train a network; its arrays, the history, the minutes, and the images that it reads right."""
    images, images_val = as_images(cifar.X_train), as_images(cifar.X_val)
    model = Slices(network(recipe, images, rng=seed))
    start, work = time.perf_counter(), time.process_time()
    history = train_on_crops(
        model, images, cifar.y_train, images_val[:RECORDED], cifar.y_val[:RECORDED], recipe.epochs,
        recipe.rate, small=recipe.small, share=recipe.share, margin=recipe.margin,
        mirror=recipe.mirror, reg=recipe.reg, rng=seed,
        schedule=one_cycle if recipe.cycle else lambda progress: 1.0,
    )  # fmt: skip
    seconds, work = time.perf_counter() - start, time.process_time() - work
    return {
        "recipe": np.array(str(recipe)),
        "seed": np.array(seed),
        "minutes": np.array(seconds / 60),
        "processor": np.array(work / 60),
        "right": right(model, images_val, cifar.y_val),
        **{key: np.array(value) for key, value in history.items()},
        **{f"param {key}": value for key, value in model.params.items()},
        **{f"state {key}": value for key, value in model.state.items()},
    }


def as_images(X: np.ndarray) -> np.ndarray:
    """Rows of pixels as images."""
    return X.reshape(-1, 32, 32, 3)


def right(model: Slices, images: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether each image is read right (2, N): alone, and averaged with the mirrored one."""
    averaged = mirrored_probabilities(model, images)
    return np.stack([model.predict(images) == y, averaged.argmax(axis=1) == y])


def restored(recipe: Recipe, seed: int, cifar: Dataset) -> Slices:
    """The network that a run left."""
    found, model = run(recipe, seed, cifar), network(recipe, as_images(cifar.X_train))
    for name, arrays in [("param", model.params), ("state", model.state)]:
        for key, value in arrays.items():
            value[...] = found[f"{name} {key}"]
    return Slices(model)  # whose copies start with these arrays


def spread(values) -> str:
    """Mean and standard deviation, in per cent."""
    deviation = f" +- {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.2f}{deviation}"


def measure(name: str, recipe: Recipe, seeds: int, cifar: Dataset) -> list[dict[str, np.ndarray]]:
    """Run a recipe with all seeds; print a line for each, and their mean and deviation."""
    runs = []
    for seed in range(seeds):
        found = run(recipe, seed, cifar)
        runs.append(found)
        minutes, processor = (float(found[key]) for key in ("minutes", "processor"))
        alone, averaged = found["right"].mean(axis=1)
        line = f"{minutes:>9.1f}{processor:>11.1f}{alone:>9.2%}{averaged:>10.2%}"
        print(f"{name:22}{recipe.epochs:>7}{seed:>6}{line}", flush=True)
    if seeds > 1:
        means = [np.mean([found[key] for found in runs]) for key in ("minutes", "processor")]
        alone, averaged = np.transpose([found["right"].mean(axis=1) for found in runs])
        line = f"{means[0]:>9.1f}{means[1]:>11.1f}   {spread(alone)}   {spread(averaged)}"
        print(f"{name:22}{recipe.epochs:>7}  mean{line}", flush=True)
    return runs


def print_test(recipes: dict[str, Recipe], seeds: int, cifar: Dataset) -> None:
    """Open the test images, and print each recipe's accuracies."""
    print("\ntest images, per cent: alone, and averaged with mirrored ones")
    for name, recipe in recipes.items():
        models = [restored(recipe, seed, cifar) for seed in range(seeds)]
        found = [
            right(model, as_images(cifar.X_test), cifar.y_test).mean(axis=1) for model in models
        ]
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
    results = {
        name: np.stack([found["right"] for found in runs]) for name, runs in measured.items()
    }
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
        values = [[100 * found["right"][int(averaged)].mean() for found in runs]
                  for runs in measured.values()]  # fmt: skip
        minutes = [np.mean([found["minutes"] for found in runs]) for runs in measured.values()]
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


def begin() -> Dataset | None:
    """CIFAR-10 as bytes, after the conditions are printed; None, and the reason, without it."""
    try:
        cifar = load_cifar10(45_000, 5_000, dtype=np.uint8)
    except FileNotFoundError as error:
        print(f"skipped: {error}")
        return None
    warnings.filterwarnings("ignore", "training diverged")
    print_conditions("numpy")
    return cifar


def main() -> None:
    """Train what is asked for, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convnet")
    parser.add_argument("names", nargs="*", help=f"ablation, {', '.join(RECIPES | ABLATION)}")
    parser.add_argument("--seeds", type=int, default=3, choices=[1, *STUDENT])
    parser.add_argument("--test", action="store_true", help="open the test images")
    options = parser.parse_args()
    if (cifar := begin()) is None:
        return
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
