"""Accuracy of convolutional networks on CIFAR-10 against the minutes that training takes.

    python -m benchmarks.convnet                      the rows of RECIPES, three seeds each
    python -m benchmarks.convnet short --seeds 1      one row, one seed
    python -m benchmarks.convnet ablation             a short recipe without one part at a time
    python -m benchmarks.convnet short --test         the test images, once all is chosen
    python -m benchmarks.convnet bags --seeds 1       the run of notebook 17, shown other images

45,000 images train and 5,000 choose, in bytes; each accuracy is given for an image alone, and for
its probabilities averaged with those of the mirrored image. Every run is kept in
build/benchmarks/convnet/, and a run that is there with the same recipe and seed is not repeated: a
long series can be stopped and continued. The minutes are those of training on two slices, beside
whatever else was running; the processor's minutes are the work of all threads. Needs the data:
`make data`.

The ablation prints differences to the whole recipe on the validation images, seed by seed and image
by image, with the whisker of notebook 15: the truth lies within about 95 times in 100.

The bags print how many of the first 4,000 test photographs each network reads whole, out of a bag
of their quarters, and with the quarters glued in a wrong order.
"""

import argparse
import hashlib
import time
import warnings
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.side_by_side import BUILD, kept, print_conditions
from cs231n_utils.datasets import Dataset, load_cifar10
from cs231n_utils.taught.convnet import Slices, convnet, mirrored_probabilities, train_on_crops
from cs231n_utils.taught.layers import BatchNorm, Layer, Residual, Sequential

STUDENT = {2: 12.7, 3: 4.3, 4: 3.2, 5: 2.8, 6: 2.6, 7: 2.4, 8: 2.4}  # seeds: standard errors
RECORDED = 1_000  # validation images that `train` reads after every epoch


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained, where they differ from what `taught.convnet` proposes.

    Attributes
    ----------
    net, training
        Arguments of `convnet` and of `train_on_crops`.
    norm
        Whether batch norm stands before each ReLU.
    cycle
        Whether the rate rises and falls; otherwise it is constant.
    """

    epochs: float = 4
    widths: tuple[int, ...] = (32, 64, 128)
    net: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    norm: bool = True
    cycle: bool = True


RECIPES = {
    "short": Recipe(),
    "middle": Recipe(epochs=14),
    "long": Recipe(36, (32, 64, 192), {"pairs": (-2, -1)}),
    "hour": Recipe(28, (64, 128, 256), {"pairs": (-2, -1)}),
}
ABLATION = {
    "whole": Recipe(),
    "no third block": Recipe(widths=(32, 64), net={"pairs": ()}),
    "constant rate": Recipe(cycle=False),
    "constant rate 0.02": Recipe(cycle=False, training={"learning_rate": 0.02}),
    "no norm": Recipe(norm=False),
    "no norm, rate 0.02": Recipe(norm=False, training={"learning_rate": 0.02}),
    "no residual pair": Recipe(net={"pairs": ()}),
    "no penalty": Recipe(training={"reg": 0.0}),
    "no smoothing": Recipe(net={"smoothing": 0.0}),
    "not moved": Recipe(epochs=3, training={"share": 0.0, "padding": 0}),
    "not mirrored": Recipe(training={"mirror": False}),
}
IN_NOTEBOOK = {"batch_size": 64, "learning_rate": 0.1, "mirror": False}
BAGS = {
    name: Recipe(1.4, net={"smoothing": 0.0}, training=IN_NOTEBOOK | shown)
    for name, shown in {
        "crops, then wholes": {},
        "wholes alone": {"share": 0.0},
        "quarters alone": {"small": 16, "share": 1.0},
    }.items()
}


def network(recipe: Recipe, images: np.ndarray, seed: int = 0) -> Sequential:
    """The network of a recipe."""
    model = convnet(images, recipe.widths, **recipe.net, rng=seed)
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
    """Train a network; its arrays, the minutes, and which images it reads right."""
    images, images_val = as_images(cifar.X_train), as_images(cifar.X_val)
    model = Slices(network(recipe, images, seed))
    options = recipe.training if recipe.cycle else recipe.training | {"schedule": constant}
    start, work = time.perf_counter(), time.process_time()
    train_on_crops(
        model, images, cifar.y_train, images_val[:RECORDED], cifar.y_val[:RECORDED],
        recipe.epochs, rng=seed, **options,
    )  # fmt: skip
    minutes = np.array([time.perf_counter() - start, time.process_time() - work]) / 60
    arrays = {f"array {key}": value for key, value in (model.params | model.state).items()}
    return arrays | {"minutes": minutes, "right": right(model, images_val, cifar.y_val)}


def constant(progress: float) -> float:
    """A learning rate that stays."""
    return 1.0


def as_images(X: np.ndarray) -> np.ndarray:
    """Rows of pixels as images."""
    return X.reshape(-1, 32, 32, 3)


def right(model: Slices, images: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether each image is read right (2, N): alone, and averaged with the mirrored one."""
    averaged = mirrored_probabilities(model, images)
    return np.stack([model.predict(images) == y, averaged.argmax(axis=1) == y])


def restored(recipe: Recipe, seed: int, cifar: Dataset) -> Slices:
    """The network that a run left."""
    return refilled(network(recipe, as_images(cifar.X_train)), run(recipe, seed, cifar))


def refilled(model: Sequential, found: dict[str, np.ndarray]) -> Slices:
    """A network with the arrays that a run left."""
    for key, value in (model.params | model.state).items():
        value[...] = found[f"array {key}"]
    return Slices(model)  # whose copies start with these arrays


def quarters_of(images: np.ndarray) -> list[np.ndarray]:
    """The four quarters of square images, row by row."""
    half = images.shape[1] // 2
    return [images[:, i : i + half, j : j + half] for i in (0, half) for j in (0, half)]


def glued_wrongly(images: np.ndarray) -> np.ndarray:
    """Images whose quarters stand in a wrong order, of the 23 one for each image."""
    numbers, quarters = np.random.default_rng(0).integers(1, 24, len(images)), quarters_of(images)
    changed = images.copy()
    for number, order in enumerate(permutations(range(4))):
        a, b, c, d = (quarters[k][numbers == number] for k in order)
        rows = [np.concatenate(row, axis=2) for row in ((a, b), (c, d))]
        changed[numbers == number] = np.concatenate(rows, axis=1)
    return changed


def three_ways(model: Any, images: np.ndarray, y: np.ndarray) -> list[float]:
    """Shares read right: whole, out of a bag of quarters, and glued wrongly."""
    of_bag = np.mean([model.scores(each) for each in quarters_of(images)], axis=0)
    answers = [model.predict(images), of_bag.argmax(axis=1), model.predict(glued_wrongly(images))]
    return [float(np.mean(each == y)) for each in answers]


def print_bags(cifar: Dataset, seeds: range) -> None:
    """Print what networks that were shown different images read in three ways."""
    images, y = as_images(cifar.X_test)[:4000], cifar.y_test[:4000]
    print(f"\n{'test images, %':22}{'whole':>16}{'bag':>16}{'glued wrongly':>16}")
    for name, recipe in BAGS.items():
        read = np.array([three_ways(restored(recipe, each, cifar), images, y) for each in seeds])
        print(f"{name:22}" + "".join(f"{spread(way):>16}" for way in read.T), flush=True)


def spread(values: np.ndarray) -> str:
    """Mean and standard deviation over the seeds, in per cent."""
    deviation = f" +- {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.2f}{deviation}"


def effect(changed: np.ndarray, whole: np.ndarray) -> tuple[float, float]:
    """Mean difference of right answers (seeds, images), and the whisker around it."""
    difference = changed.astype(float) - whole
    R, N = difference.shape
    of_seeds = difference.mean(axis=1).var(ddof=1) / R
    of_images = difference.mean(axis=0).var(ddof=1) / N
    return float(difference.mean()), float(np.sqrt(STUDENT[R] ** 2 * of_seeds + 4 * of_images))


def print_effects(measured: dict[str, np.ndarray]) -> None:
    """Print what each row of the ablation gains beside the first, in points of accuracy."""
    alone, whole = measured["whole"].swapaxes(0, 1)
    print(f"\n{'averaged, beside whole':22}{'points':>8}   with the whisker")
    rows = {"not averaged": alone} | {name: each[:, 1] for name, each in measured.items()}
    del rows["whole"]
    effects = {name: effect(row, whole) for name, row in rows.items()}
    for name, (mean, whisker) in sorted(effects.items(), key=lambda item: item[1]):
        print(f"{name:22}{100 * mean:>+8.2f} +- {100 * whisker:.2f}")


def asked(program: str, names: list[str]) -> argparse.Namespace:
    """What the command line asks for: names of rows, seeds, the test images or not."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{program}")
    parser.add_argument("names", nargs="*", help=", ".join(names))
    parser.add_argument("--seeds", type=int, default=3, choices=[1, *STUDENT])
    parser.add_argument("--test", action="store_true", help="read the test images")
    return parser.parse_args()


def photographs() -> Dataset:
    """45,000 images to train and 5,000 to choose, in bytes; without them the program ends."""
    warnings.filterwarnings("ignore", "training diverged")
    try:
        return load_cifar10(45_000, 5_000, dtype=np.uint8)
    except FileNotFoundError as error:
        print(f"skipped: {error}")
        raise SystemExit(0) from None


def main() -> None:
    """Train what is asked for, and print."""
    every = RECIPES | ABLATION
    options = asked("convnet", ["ablation", "bags", *every])
    cifar = photographs()
    print_conditions("numpy")
    if options.names == ["bags"]:
        return print_bags(cifar, range(options.seeds))
    ablation = options.names == ["ablation"]
    names = ABLATION if ablation else options.names or RECIPES
    images, y = (cifar.X_test, cifar.y_test) if options.test else (cifar.X_val, cifar.y_val)
    head = f"{'epochs':>7}{'minutes':>9}{'processor':>11}{'alone':>16}{'averaged':>16}"
    split = "test" if options.test else "validation"
    print(f"\n{f'{split} images, %':22}{head}")
    measured = {}
    for name in names:
        recipe, seeds = every[name], range(options.seeds)
        runs = [run(recipe, seed, cifar) for seed in seeds]
        minutes, processor = np.mean([each["minutes"] for each in runs], axis=0)
        measured[name] = np.stack([each["right"] for each in runs])
        if options.test:
            models = [restored(recipe, seed, cifar) for seed in seeds]
            measured[name] = np.stack([right(model, as_images(images), y) for model in models])
        alone, averaged = measured[name].mean(axis=2).T
        line = f"{minutes:>9.1f}{processor:>11.1f}{spread(alone):>16}{spread(averaged):>16}"
        print(f"{name:22}{recipe.epochs:>7}{line}", flush=True)
    if ablation and options.seeds > 1:
        print_effects(measured)


if __name__ == "__main__":
    main()
