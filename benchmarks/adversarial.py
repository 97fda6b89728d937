"""Accuracy of convolutional networks on CIFAR-10 whose images are moved against them.

    python -m benchmarks.adversarial                   the rows of RECIPES, three seeds each
    python -m benchmarks.adversarial plain --seeds 1   one row, one seed
    python -m benchmarks.adversarial --epochs 2        shorter

The network and its recipe are those of notebook 17. A row is trained on images as they are, or by
`Hardened` of notebook 18 on images that a sign step has moved by so many levels of 255. Then every
number of a validation image may move by eps: by random signs, by one sign step, or by several small
ones. The last is the stronger test: a network can learn to hide from a single step.

Every run is kept in build/benchmarks/adversarial/, and a run that is there is not repeated: a long
series can be stopped and continued. The minutes are those of training on two threads, beside
whatever else was running. Needs the data: `make data`.
"""

import argparse
import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import convnet
from benchmarks.side_by_side import BUILD, kept, save
from cs231n_utils.datasets import Dataset
from cs231n_utils.plots import COLORS, MARKERS, subplots
from cs231n_utils.taught.convnet import Slices, train_on_crops
from cs231n_utils.taught.layers import Sequential
from cs231n_utils.taught.looking import Hardened, sign_step, sign_steps

HIGH = 255  # the largest number of an image; a level is 1
LEVELS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # eps
STEPS = 10  # small ones
IMAGES, CHUNK = 1_000, 250  # validation images that are moved, and so many at once
ATTACKS = ("random signs", "one step", f"{STEPS} steps")


@dataclass(frozen=True)
class Recipe:
    """A network of 17 and how it is trained.

    Attributes
    ----------
    net
        The network, the learning rate, and what else notebook 17 chooses.
    levels
        How far the sign step of the training moves each number; 0 for images as they are.
    """

    net: convnet.Recipe = convnet.WHOLE
    levels: float = 0.0


RECIPES = {"plain": Recipe(), "hardened 4": Recipe(levels=4), "hardened 8": Recipe(levels=8)}


def run(recipe: Recipe, seed: int, cifar: Dataset) -> dict[str, np.ndarray]:
    """What a recipe with one seed reached: from its file, or trained and attacked now."""
    return kept(file_of(recipe, seed), lambda: attacked(recipe, seed, cifar))


def file_of(recipe: Recipe, seed: int) -> Path:
    """Where a run is kept."""
    key = hashlib.sha256(repr((recipe, seed, LEVELS, STEPS)).encode()).hexdigest()[:16]
    return BUILD / "adversarial" / f"{key}.npz"


def attacked(recipe: Recipe, seed: int, cifar: Dataset) -> dict[str, np.ndarray]:
    """Train a network, and move the images against it; the minutes, and which it reads right."""
    start = time.perf_counter()
    model = trained(recipe, seed, cifar)
    minutes = (time.perf_counter() - start) / 60
    images, y = convnet.as_images(cifar.X_val)[:IMAGES], cifar.y_val[:IMAGES]
    return {
        "recipe": np.array(str(recipe)),
        "seed": np.array(seed),
        "minutes": np.array(minutes),
        "right": right(model, images, y, np.random.default_rng(seed)),
    }


def trained(recipe: Recipe, seed: int, cifar: Dataset) -> Sequential:
    """The network of a recipe, trained on two slices of each batch at once."""
    images, images_val = convnet.as_images(cifar.X_train), convnet.as_images(cifar.X_val)
    net, model = recipe.net, convnet.network(recipe.net, images, rng=seed)
    learner = model
    if recipe.levels:
        learner = Hardened(model, recipe.levels, high=HIGH)
        learner.scores = model.scores  # which `Slices` asks for
    few = convnet.RECORDED
    train_on_crops(
        Slices(learner), images, cifar.y_train, images_val[:few], cifar.y_val[:few],
        net.epochs, net.rate, small=net.small, share=net.share, margin=net.margin,
        mirror=net.mirror, reg=net.reg, rng=seed,
    )  # fmt: skip
    return model


def right(
    model: Sequential, images: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Whether each moved image is read right (attacks, levels, N)."""
    signs = rng.choice([-1.0, 1.0], images.shape).astype(np.float32)
    slices = Slices(model)
    found = np.zeros((len(ATTACKS), len(LEVELS), len(y)), bool)
    for start in range(0, len(y), CHUNK):
        part = slice(start, start + CHUNK)
        for place, eps in enumerate(LEVELS):
            answers = slices.at_once(
                lambda model, X, y, S, eps=eps: [
                    model.predict(moved) == y for moved in attacks(model, X, y, S, eps)
                ],
                images[part], y[part], signs[part],
            )  # fmt: skip
            found[:, place, part] = np.concatenate(answers, axis=1)
    return found


def attacks(
    model: Sequential, images: np.ndarray, y: np.ndarray, signs: np.ndarray, eps: float
) -> list[np.ndarray]:
    """The images as each of ATTACKS moves them, no number by more than eps."""
    images = images.astype(np.float32)
    return [
        np.clip(images + eps * signs, 0, HIGH),
        sign_step(model, images, y, eps, high=HIGH),
        sign_steps(model, images, y, eps, STEPS, high=HIGH),
    ]


def halved(accuracies: np.ndarray) -> str:
    """The eps at which half the accuracy is gone, on straight lines between LEVELS."""
    gone = np.flatnonzero(accuracies <= accuracies[0] / 2)
    if not len(gone):
        return f"> {LEVELS[-1]:g}"
    around = [gone[0], gone[0] - 1]
    return f"{np.interp(accuracies[0] / 2, accuracies[around], np.take(LEVELS, around)):.2f}"


def measure(name: str, recipe: Recipe, seeds: int, cifar: Dataset) -> np.ndarray:
    """Run a recipe with all seeds, print their means; accuracies (seeds, attacks, levels)."""
    runs = [run(recipe, seed, cifar) for seed in range(seeds)]
    accuracies = np.stack([found["right"].mean(axis=2) for found in runs])
    minutes = np.mean([found["minutes"] for found in runs])
    print(f"\n{name}, {recipe.net.epochs:g} epochs, {seeds} seeds, {minutes:.1f} minutes each")
    print(f"{'  eps in levels of 255':24}{''.join(f'{eps:>9g}' for eps in LEVELS)}   halved at")
    for place, attack in enumerate(ATTACKS):
        means = accuracies[:, place].mean(axis=0)
        line = "".join(f"{mean:>9.1%}" for mean in means)
        print(f"  {attack:22}{line}{halved(means):>12}", flush=True)
        if seeds > 1:
            deviations = accuracies[:, place].std(axis=0, ddof=1)
            line = "".join(f"{deviation:>9.1%}" for deviation in deviations)
            print(f"  {'  +-':22}{line}")
    return accuracies


def draw(measured: dict[str, np.ndarray]) -> None:
    """Draw accuracy against eps: means, and whiskers of one standard deviation."""
    fig, ax = subplots(figsize=(8, 5))
    for style, (name, accuracies) in enumerate(measured.items()):
        for place, line in enumerate((":", "--", "-")):
            values = 100 * accuracies[:, place]
            spread = values.std(axis=0, ddof=1) if len(values) > 1 else None
            ax.errorbar(
                LEVELS, values.mean(axis=0), spread, color=COLORS[style], linestyle=line,
                marker=MARKERS[style], capsize=3, label=f"{name}, {ATTACKS[place]}",
            )  # fmt: skip
    ax.set_xscale("symlog", linthresh=1)
    ax.set(xticks=LEVELS, xticklabels=[f"{eps:g}" for eps in LEVELS], ylim=(0, 100))
    ax.set(xlabel="eps, levels of 255", ylabel="validation accuracy, %")
    ax.legend(fontsize=8, ncols=2)
    save(fig, "adversarial")


def main() -> None:
    """Train and attack what is asked for, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adversarial")
    parser.add_argument("names", nargs="*", help=", ".join(RECIPES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=convnet.WHOLE.epochs)
    options = parser.parse_args()
    if (cifar := convnet.begin()) is None:
        return
    measured = {}
    for name in options.names or RECIPES:
        recipe = RECIPES[name]
        recipe = replace(recipe, net=replace(recipe.net, epochs=options.epochs))
        measured[name] = measure(name, recipe, options.seeds, cifar)
    draw(measured)


if __name__ == "__main__":
    main()
