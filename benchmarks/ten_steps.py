"""What ten steps on digits reach, for every rung of notebook 25's price list.

    python -m benchmarks.ten_steps                 every rung, a few minutes
    python -m benchmarks.ten_steps "the new one"   some of them
    python -m benchmarks.ten_steps --again ...     with twenty other fresh seeds, 20 to 39

A rung is a network and the tricks that are in. For each the same search: six rates of the filters
and five of all else, each twice the one before, on seeds 0 to 4. Then the best pair trains with
ten fresh seeds, 10 to 19. Printed are the mean share of the validation digits, that of the test
digits, and how much the first is above that of the rung's base, seed by seed, with a whisker: about
95 times in 100 the mean of many seeds lies within.
"""

import argparse
from collections.abc import Collection, Iterator
from itertools import product
from typing import Any

import numpy as np

from cs231n_utils.datasets import load_digits
from cs231n_utils.taught.convnet import convnet
from cs231n_utils.taught.convolution import Conv2D, random_filters
from cs231n_utils.taught.layers import Affine, BatchNorm, Layer, ReLU, Sequential
from cs231n_utils.taught.linear import accuracy
from cs231n_utils.taught.optimizers import SGD, Muon, Together, linear_decay
from cs231n_utils.taught.speedrun import (
    ShiftNorm,
    Whitening,
    identity_filters,
    speed_net,
    whitening_filters,
)
from cs231n_utils.taught.transformer import GELU
from cs231n_utils.types import Params

TRICKS = ("short memory", "Muon", "small head", "white", "GELU", "bias alone", "identity")
PLAIN = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # rates of filters
OF_MUON = (0.06, 0.12, 0.24, 0.48, 0.96, 1.92)
PARTS = ("Muon's directions", "Muon's lengths", "its step's length", "fixed length")  # for Muon
OTHERS = {"17": (0.1, 0.2, 0.4, 0.8, 1.6), "25": (0.025, 0.05, 0.1, 0.2, 0.4)}  # of all else

digits = load_digits()
X, X_val, X_test = (
    rows.reshape(-1, 8, 8, 1) for rows in (digits.X_train, digits.X_val, digits.X_test)
)


def rungs() -> dict[str, tuple[str, tuple[str, ...]]]:
    """The network and the tricks of each rung, by name."""
    two = TRICKS[:2]
    found = {"17's recipe": ("17", ())}
    found |= {f"17's + {trick}": ("17", (trick,)) for trick in TRICKS}
    found["17's + both"] = ("17", two)
    found |= {f"17's + both + {trick}": ("17", (*two, trick)) for trick in TRICKS[2:]}
    found["17's + short memory + Muon"] = ("17", two)  # 17's + both, above other bases
    found["17's + Muon + short memory"] = ("17", two)
    found["17's + all seven"] = ("17", TRICKS)
    found["the new one"] = ("25", TRICKS)
    for trick in TRICKS:
        found[f"the new one - {trick}"] = ("25", tuple(each for each in TRICKS if each != trick))
    found["the new one - both"] = ("25", TRICKS[2:])
    found["the new one, both alone"] = ("25", two)
    found["all seven out + five"] = ("25", TRICKS[2:])  # the new one - both, above another base
    found["all seven out + both"] = ("25", two)
    found |= {f"the new one, {trick} alone": ("25", (trick,)) for trick in two}
    for part in PARTS:
        found[f"17's + {part}"] = ("17", (part,))
        found[f"17's + short memory + {part}"] = ("17", ("short memory", part))
        others = tuple(each for each in TRICKS if each != "Muon")
        found[f"the new one, {part} for Muon"] = ("25", (*others, part))
    for base, tricks in {"17's": (), "17's + short memory": ("short memory",)}.items():
        found[f"{base} + Muon's lengths + its directions"] = ("17", (*tricks, "Muon"))
    return found | {"the new one - all seven": ("25", ())}


def of_17(tricks: Collection[str], seed: int) -> Sequential:
    """The network of notebook 17 for digits, with some tricks."""
    rng = np.random.default_rng(seed)
    model = convnet(X, (24, 48), pairs=(), rng=seed, dtype=np.float64)
    layers = list(model.layers)
    if "white" in tricks:  # 8 x 8 pixels become 7 x 7, and 8 x 8 again
        white = Whitening(whitening_filters(layers[0].forward(X[:2000])))
        layers[1:2] = [white, ReLU(), Conv2D(8, 24, size=2, pad=1, rng=rng)]
    if "identity" in tricks:
        for layer in layers:
            if isinstance(layer, Conv2D) and len(layer.params["W"]) == 3:
                size = layer.input_size, layer.output_size
                layer.params["W"][...] = identity_filters(*size, rng)
    if "small head" in tricks:
        layers[-1] = Affine(48, 10, std=1 / 48, rng=rng)
    return rebuilt(model, layers, tricks)


def of_25(tricks: Collection[str], seed: int) -> Sequential:
    """The network of notebook 25 for digits, without the other tricks."""
    rng = np.random.default_rng(seed)
    model = speed_net(X, (32,), smoothing=0.1, rng=seed, dtype=np.float64)
    layers = list(model.layers)
    if "white" not in tricks:
        layers[1] = Conv2D(1, 8, size=2, rng=rng)
    if "identity" not in tricks:
        for layer in layers:
            if isinstance(layer, Conv2D):
                W = layer.params["W"]
                W[...] = random_filters(W.shape, None, rng, np.float64)
    if "small head" not in tricks:
        layers[-1] = Affine(32, 10, rng=rng)
    return rebuilt(model, layers, tricks)


def rebuilt(model: Sequential, layers: list[Layer], tricks: Collection[str]) -> Sequential:
    """A network of these layers, with norms and bends as the tricks say, and a model's loss."""
    norm = ShiftNorm if "bias alone" in tricks else BatchNorm
    decay = 0.6 if "short memory" in tricks else 0.9
    bend = GELU if "GELU" in tricks else ReLU

    def as_told(layer: Layer) -> Layer:
        if isinstance(layer, BatchNorm):
            return norm(layer.input_size, decay=decay, dtype=np.float64)
        return bend() if isinstance(layer, ReLU | GELU) else layer

    changed = Sequential([as_told(layer) for layer in layers])
    changed.loss_of_scores = model.loss_of_scores
    return changed


class PartOfMuon(Muon):
    """Some of what Muon does: its directions, both its lengths, or one of the two."""

    def __init__(self, part: str, learning_rate: float, momentum: float = 0.6) -> None:
        fixes_weights = part in {"Muon's lengths", "fixed length"}
        super().__init__(learning_rate, momentum, fixed_norm=fixes_weights)
        self.part = part

    def step(self, params: Params, grads: Params) -> None:
        """Change every W in place."""
        if self.part == "Muon's directions":
            return super().step(params, grads)
        for name, W in params.items():
            self.velocity[name] = self.momentum * self.velocity[name] + grads[name]
            step = self.velocity[name]
            length = W.shape[-1] ** 0.5
            if self.part != "fixed length":  # the gradient's own direction, in Nesterov's form
                ahead = grads[name] + self.momentum * step
                step = length * ahead / (np.linalg.norm(ahead) + 1e-7)
            if self.fixed_norm:
                W *= length / (np.linalg.norm(W) + 1e-7)
            W -= self.learning_rate * step
        return None


def of_filters(tricks: Collection[str], rate: float, momentum: float) -> SGD | Muon:
    """What moves the filters."""
    if "Muon" in tricks:
        return Muon(rate)
    part = next((each for each in PARTS if each in tricks), None)
    if part is None:
        return SGD(rate, momentum)
    return PartOfMuon(part, rate, momentum if part == "fixed length" else 0.6)


def share_read(base: str, tricks: Collection[str], seed: int, rate: float, other: float, *,
               of_test: bool = False) -> float:  # fmt: skip
    """The share of the validation (or test) digits that a network reads after ten steps of 64."""
    model = (of_17 if base == "17" else of_25)(tricks, seed)
    # Beside Muon or without it all else takes plain steps, as in the recipe of its network.
    momentum, times = (0.9, 1) if base == "17" else (0.85, 5)
    names = {count: [name for name, W in model.params.items() if W.ndim == count]
             for count in (4, 2, 1)}  # fmt: skip
    optimizer = Together(
        (of_filters(tricks, rate, momentum), names[4]),
        (SGD(other, momentum), names[2]),
        (SGD(times * other, momentum), names[1]),
    )
    with np.errstate(all="ignore"):  # some rates explode
        model.train(X, digits.y_train, X_val[:1], digits.y_val[:1], optimizer=optimizer, rng=seed,
                    num_iters=10, batch_size=64, schedule=linear_decay, learning_rate_decay=1.0,
                    reg=0.0)  # fmt: skip
        looked_at = (X_test, digits.y_test) if of_test else (X_val, digits.y_val)
        return accuracy(model.predict(looked_at[0]), looked_at[1])


def base_of(name: str) -> str:
    """The rung that another one adds a trick to, or leaves one out of."""
    if name.startswith("17's + both + "):
        return "17's + both"
    if name.endswith(" + its directions"):
        return name.removesuffix(" + its directions")
    for trick in TRICKS[:2]:
        if name.startswith(f"17's + {trick} + "):
            return f"17's + {trick}"
    if name.startswith("all seven out + "):
        return "the new one - all seven"
    return "17's recipe" if name.startswith("17's") else "the new one"


def measured(names: Collection[str], seeds: range = range(10, 20)) -> Iterator[dict[str, Any]]:
    """The best rates of each rung, and what fresh seeds read with them."""
    student = {10: 2.26, 20: 2.09}[len(seeds)]
    reads = dict[str, np.ndarray]()
    with_bases = [each for name in names for each in (base_of(base_of(name)), base_of(name), name)]
    for name in dict.fromkeys(with_bases):
        base, tricks = rungs()[name]
        turns = {"Muon", *PARTS[:3]} & set(tricks)
        filters = OF_MUON if turns else PLAIN
        chosen = {
            pair: np.mean([share_read(base, tricks, seed, *pair) for seed in range(5)])
            for pair in product(filters, OTHERS[base])
        }
        best = max(chosen, key=lambda pair: chosen[pair])
        reads[name] = np.array([share_read(base, tricks, seed, *best) for seed in seeds])
        more = reads[name] - reads[base_of(name)]
        whisker = student * more.std(ddof=1) / np.sqrt(len(more))
        test = np.mean([share_read(base, tricks, seed, *best, of_test=True) for seed in seeds])
        yield {"rung": name, "rates": best, "searched": chosen[best], "mean": reads[name].mean(),
               "test": test, "more": more.mean(), "whisker": whisker}  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rungs", nargs="*", metavar="RUNG", help=", ".join(rungs()))
    parser.add_argument("--again", action="store_true", help="with seeds 20 to 39")
    arguments = parser.parse_args()
    fresh = range(20, 40) if arguments.again else range(10, 20)
    columns = f"{'best of 30':>10} {'fresh':>8} {'of test':>8} {'more than its base':>20}"
    print(f"{'rung':39} {'rates':>14} {columns}")
    for row in measured(arguments.rungs or rungs(), fresh):
        pair = "{:g}, {:g}".format(*row["rates"])
        shares = "{searched:10.1%} {mean:8.1%} {test:8.1%}".format(**row)
        more = f"{100 * row['more']:+14.1f} +- {100 * row['whisker']:.1f}"
        print(f"{row['rung']:39} {pair:>14} {shares} {more}", flush=True)
