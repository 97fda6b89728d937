"""Accuracy of notebook 25's recipe on CIFAR-10 against minutes, beside that of notebook 17.

    python -m benchmarks.speedrun                    the rows of RECIPES and of 17, three seeds each
    python -m benchmarks.speedrun five --seeds 1     one row, one seed
    python -m benchmarks.speedrun ablation           a short recipe without one part at a time
    python -m benchmarks.speedrun five --test        the test images, once all is chosen
    python -m benchmarks.speedrun "five, all" --test    the same, learned from all 50,000 images
    python -m benchmarks.speedrun "five, PyTorch"       the same, with PyTorch's passes

45,000 images train and 5,000 choose, in bytes. What is chosen may learn once more, in about as many
steps, from all of them: then only the test images are left to judge it. Each accuracy is given for
an image alone, averaged with its mirror image, and for six looks. Runs are kept in
build/benchmarks/speedrun/ and not repeated: a long series can be stopped and continued. The minutes
are those of training on two slices, each with batch norm of its own, beside whatever else was
running; the processor's minutes are the work of all threads. Needs the data: `make data`.
"""

import hashlib
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks import convnet
from benchmarks.convnet import RECORDED, as_images, asked, photographs, print_effects, spread
from benchmarks.side_by_side import BUILD, kept, print_conditions
from cs231n_utils.datasets import Dataset
from cs231n_utils.taught.augmentation import random_flips
from cs231n_utils.taught.convnet import Slices, mirrored_probabilities
from cs231n_utils.taught.convolution import Conv2D
from cs231n_utils.taught.layers import BatchNorm, ReLU, Sequential
from cs231n_utils.taught.optimizers import SGD, Together
from cs231n_utils.taught.speedrun import (
    ShiftNorm,
    muon_and_sgd,
    six_looks,
    speed_net,
    train_in_turn,
)


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained, where they differ from what `taught.speedrun` proposes.

    Attributes
    ----------
    net, steps, training
        Arguments of `speed_net`, `muon_and_sgd` and `train_in_turn`.
    without
        The part that `network`, `optimizer` or `trained` leaves out, where no argument does.
    """

    epochs: int
    widths: tuple[int, ...] = (64, 128, 128)
    net: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    without: str = ""


RATES = {"rate": 0.12, "bias_rate": 3.0}
RECIPES = {
    "five": Recipe(8, (32, 64, 128), {}, RATES, {"small_epochs": 3}),
    "twenty": Recipe(14, (64, 128, 128), {}, RATES, {"small_epochs": 6}),
    "hour": Recipe(20, (64, 256, 256), {}, RATES, {"small_epochs": 8}),
}
ALL = {  # about as many steps, of which about as many with small images
    f"{name}, all": replace(
        RECIPES[name], epochs=epochs, training={"small_epochs": small}, without="validation"
    )
    for name, epochs, small in [("five", 7, 3), ("twenty", 13, 6), ("hour", 18, 7)]
}
PYTORCH = {"five, PyTorch": replace(RECIPES["five"], without="NumPy")}
WHOLE = Recipe(5, (32, 64, 64), {}, RATES, {"small_epochs": 2})
ABLATION = {  # named by what is left out
    "whole": WHOLE,
    "small crops": replace(WHOLE, epochs=4, training={}),  # in the same minutes
    "smoothing": replace(WHOLE, net={"smoothing": 0.0}),
    "momentum": replace(WHOLE, steps=RATES | {"momentum": 0.0}),
    "mirror images": replace(WHOLE, training=WHOLE.training | {"mirror": False}),
    "moves": replace(WHOLE, training=WHOLE.training | {"padding": 0}),
} | {
    name: replace(WHOLE, without=name)
    for name in (
        "whitening",
        "turns",
        "fixed norm",
        "identity",
        "small head",
        "GELU",
        "bias alone",
        "short memory",
    )
}
ABLATION |= {  # plain steps at a rate of their own
    f"Muon, rate {rate}": replace(WHOLE, without="Muon", steps=RATES | {"rate": rate})
    for rate in (0.1, 0.5, 2.0)
}


def network(recipe: Recipe, images: np.ndarray, seed: int = 0) -> Sequential:
    """The network of a recipe, without the part that it leaves out."""
    kind = {"activation": ReLU} if recipe.without == "GELU" else {}
    model = speed_net(images, recipe.widths, **recipe.net, **kind, rng=seed)
    rng, layers = np.random.default_rng(seed), list(model.layers)
    if recipe.without == "whitening":
        layers[1] = Conv2D(3, 24, size=2, rng=rng, dtype=np.float32)
    if recipe.without == "bias alone":
        layers = [
            BatchNorm(len(layer.params["beta"]), decay=layer.decay, dtype=np.float32)
            if isinstance(layer, ShiftNorm) else layer
            for layer in layers
        ]  # fmt: skip
    for layer in layers:
        if recipe.without == "short memory" and isinstance(layer, ShiftNorm):
            layer.decay = 0.9
        if recipe.without == "identity" and isinstance(layer, Conv2D):
            W = layer.params["W"]
            W[...] = rng.standard_normal(W.shape) / np.sqrt(W[..., 0].size)
    if recipe.without == "small head":
        W = layers[-1].params["W"]
        W *= np.sqrt(2 * len(W))  # He's
    changed = Sequential(layers)
    changed.loss_of_scores = model.loss_of_scores
    return changed


def optimizer(recipe: Recipe, params: dict[str, np.ndarray]) -> Together:
    """What makes the steps of a recipe."""
    both = muon_and_sgd(params, **recipe.steps)
    (muon, _, names), *others = both.shares
    if recipe.without == "Muon":
        rate = recipe.steps["rate"]
        both.shares = [(SGD(rate, 0.9), rate, names), *others]
    if recipe.without == "fixed norm":
        muon.fixed_norm = False
    if recipe.without == "bias alone":  # the scales at the head's rate: that of biases is large
        scales = [name for name in params if name.endswith("gamma")]
        (head, rate, names), (biases, bias_rate, all_biases) = others
        shifts = [name for name in all_biases if name not in scales]
        both.shares[1:] = [(head, rate, [*names, *scales]), (biases, bias_rate, shifts)]
    return both


def run(recipe: Any, seed: int, cifar: Dataset) -> dict[str, np.ndarray]:
    """What a recipe with one seed reached: from its file, or trained now."""
    if isinstance(recipe, convnet.Recipe):
        return convnet.run(recipe, seed, cifar)
    key = hashlib.sha256(repr((recipe, seed)).encode()).hexdigest()[:16]
    return kept(BUILD / "speedrun" / f"{key}.npz", lambda: trained(recipe, seed, cifar))


def trained(recipe: Recipe, seed: int, cifar: Dataset) -> dict[str, np.ndarray]:
    """Train a network; its arrays, the minutes, the history, and which images it reads right."""
    (images, y), images_val = learned(recipe, cifar), as_images(cifar.X_val)
    model: Any = network(recipe, images, seed)
    if recipe.without == "NumPy":
        from benchmarks.speedrun_step import Eager  # PyTorch is an extra

        model = Eager(model)
    else:
        model = Slices(model)
    flips = {"mirror": False, "augments": [random_flips(images.shape[1:])]}
    start, work = time.perf_counter(), time.process_time()
    history = train_in_turn(
        model, images, y, images_val[:RECORDED], cifar.y_val[:RECORDED],
        recipe.epochs, optimizer(recipe, model.params), rng=seed,
        **recipe.training | (flips if recipe.without == "turns" else {}),
    )  # fmt: skip
    minutes = np.array([time.perf_counter() - start, time.process_time() - work]) / 60
    arrays = {f"array {key}": value for key, value in (model.params | model.state).items()}
    found = arrays | {key: np.array(values) for key, values in history.items()}
    return found | {"minutes": minutes, "right": right(model, images_val, cifar.y_val)}


def learned(recipe: Recipe, cifar: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The images that a recipe learns from, and what they show."""
    X, y = cifar.X_train, cifar.y_train
    if recipe.without == "validation":
        X, y = np.concatenate([X, cifar.X_val]), np.concatenate([y, cifar.y_val])
    return as_images(X), y


def right(model: Any, images: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether each image is read right (3, N): alone, with its mirror image, by six looks."""
    looks = [model.scores(images), mirrored_probabilities(model, images), six_looks(model, images)]
    return np.stack([each.argmax(axis=1) == y for each in looks])


def restored(recipe: Any, seed: int, cifar: Dataset) -> Any:
    """The network that a run left."""
    if isinstance(recipe, convnet.Recipe):
        return convnet.restored(recipe, seed, cifar)
    found = run(recipe, seed, cifar)
    return convnet.refilled(network(recipe, learned(recipe, cifar)[0]), found)


def main() -> None:
    """Train what is asked for, and print."""
    olds = {f"17, {name}": recipe for name, recipe in convnet.RECIPES.items() if name != "short"}
    rows = RECIPES | ALL | PYTORCH | olds
    options = asked("speedrun", ["ablation", *(rows | ABLATION)])
    cifar = photographs()
    print_conditions("numpy")
    names = ABLATION if options.names == ["ablation"] else options.names or rows
    seen = [] if options.test else ALL  # these know the validation images
    split, images, y = "validation", cifar.X_val, cifar.y_val
    if options.test:
        split, images, y = "test", cifar.X_test, cifar.y_test
    head = "".join(f"{each:>16}" for each in ("one look", "two", "six"))
    print(f"\n{f'{split} images, %':22}{'epochs':>7}{'minutes':>9}{'processor':>11}{head}")
    measured = {}
    for name in [each for each in names if each not in seen]:
        recipe = (rows | ABLATION)[name]
        runs = [run(recipe, seed, cifar) for seed in range(options.seeds)]
        minutes, processor = np.mean([each["minutes"] for each in runs], axis=0)
        measured[name] = np.stack([
            each["right"] if len(each["right"]) == 3 and not options.test
            else right(restored(recipe, seed, cifar), as_images(images), y)
            for seed, each in enumerate(runs)
        ])  # fmt: skip
        looks = "".join(f"{spread(each):>16}" for each in measured[name].mean(axis=2).T)
        print(f"{name:22}{recipe.epochs:>7}{minutes:>9.1f}{processor:>11.1f}{looks}", flush=True)
    if names is ABLATION and options.seeds > 1:
        print_effects({name: each[:, [0, 2]] for name, each in measured.items()})


if __name__ == "__main__":
    main()
