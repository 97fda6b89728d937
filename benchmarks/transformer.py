"""A small GPT in NumPy beside PyTorch's, and beside counting and simpler networks, on the plays.

    python -m benchmarks.transformer               milliseconds of a step, one thread and two
    python -m benchmarks.transformer recipe        nanoGPT's recipe whole, by both, three seeds
    python -m benchmarks.transformer ladder        counts, window, LSTM, GPT: bits and minutes
    python -m benchmarks.transformer long          half an hour of a core, one seed, and its text

The recipe is that of Karpathy's nanoGPT for a processor: 4 blocks of 4 heads, 128 wide, windows of
64 letters, 12 in a batch, 2,000 steps, no dropout. Both contenders begin with the same numbers and
read the same batches; before a clock starts, `check_same_mathematics` asserts that they compute the
same. PyTorch runs eagerly, with its fused attention and its fused AdamW.

Losses are those for *Twelfth Night*, which chose the settings and trained nothing: every letter
that has at least half a window before it. Every run is kept in build/benchmarks/transformer/, and
is not repeated: a series can be stopped and continued. Minutes are those of one core, the work of
all threads; the clock's are printed where two slices ran.
"""

import argparse
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.side_by_side import BUILD, interleaved, kept, print_conditions, print_table
from cs231n_utils.datasets import load_plays
from cs231n_utils.taught.convnet import Slices
from cs231n_utils.taught.layers import Affine, Flatten, ReLU, Sequential
from cs231n_utils.taught.optimizers import Adam, warm_cosine
from cs231n_utils.taught.recurrence import LSTM
from cs231n_utils.taught.sequences import Embedding, PerPosition, SequenceModel, draw_windows
from cs231n_utils.taught.transformer import GPT, generate, training_steps

CHARACTERS = 64
STEPS = 12  # of a contender, in each round
ROUNDS = 10
PROMPT = "\n\nFIRST "
PLAYS = load_plays()
TEXT = np.concatenate(list(PLAYS.train.values()))
UNREAD = PLAYS.val["Twelfth Night"]


class Window(Sequential):
    """The network of notebook 21, which guesses what follows a whole window and nothing else."""

    def loss(self, X: np.ndarray, y: np.ndarray | None = None, reg: float = 0.0) -> Any:
        """Scores (N, C), or the loss for the last target of each row and the gradients."""
        return super().loss(X, y if y is None else y[:, -1], reg)


def window(length: int, size: int, hidden: int, rng: np.random.Generator) -> Window:
    """Rows of `length` letters side by side, then two layers."""
    options: dict[str, Any] = {"rng": rng, "dtype": np.float32}
    return Window([
        Embedding(CHARACTERS, size, std=0.03, **options), Flatten(),
        Affine(length * size, hidden, **options), ReLU(),
        Affine(hidden, CHARACTERS, 0.01, **options),
    ])  # fmt: skip


def lstm(size: int, hidden: int, rng: np.random.Generator) -> SequenceModel:
    """The layer of notebook 22 between a table and scores."""
    options: dict[str, Any] = {"rng": rng, "dtype": np.float32}
    return SequenceModel([
        Embedding(CHARACTERS, size, std=0.3, **options), LSTM(size, hidden, **options),
        PerPosition([Affine(hidden, CHARACTERS, 0.05, **options)]),
    ])  # fmt: skip


def gpt(length: int, width: int, blocks: int, std: float, rng: np.random.Generator) -> GPT:
    """The network of notebook 24, with 4 heads."""
    return GPT(CHARACTERS, length, width, blocks, 4, rng=rng, std=std)


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained.

    Attributes
    ----------
    build, shape
        A function, and its arguments.
    """

    build: Callable[..., Any]
    shape: tuple[Any, ...]
    steps: int
    rate: float = 1e-3
    length: int = 64
    batch: int = 12
    decay: float = 0.1

    def adam(self) -> Adam:
        """The optimizer."""
        return Adam(self.rate, beta2=0.99, weight_decay=self.decay)

    def model(self, seed: int) -> Any:
        """The network as it begins."""
        return self.build(*self.shape, rng=np.random.default_rng(seed))


NANO = Recipe(gpt, (64, 128, 4, 0.02), 2000)
LADDER = {
    "window of 6, as in 21": Recipe(window, (6, 32, 256), 2500, 1e-2, 6, 256),
    "window of 10": Recipe(window, (10, 32, 512), 10_000, 5e-3, 10, 256),
    "LSTM, short": Recipe(lstm, (64, 128), 1000, 1e-2),
    "LSTM": Recipe(lstm, (64, 128), 3000, 1e-2),
    "GPT of 2 blocks, short": Recipe(gpt, (32, 64, 2, 0.05), 1000, 6e-3, 32),
    "GPT of 2 blocks": Recipe(gpt, (64, 64, 2, 0.05), 4500, 4e-3),
    "nanoGPT's recipe": NANO,
    "twice its rate": Recipe(gpt, (64, 128, 4, 0.05), 2000, 2e-3),
}
LONG = Recipe(gpt, (128, 160, 5, 0.05), 5000, 2e-3, 128, 16)


class Torch(nn.Module):
    """The same GPT in PyTorch, beginning with the numbers of ours."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        table, places, *blocks, _, _ = model.layers
        self.heads = blocks[0].layers[-1].heads
        self.table, self.places = (
            nn.Embedding(*each.params["W"].shape) for each in (table, places)
        )
        width = self.table.embedding_dim
        self.blocks = nn.ModuleList(
            nn.ModuleList([
                nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width),
                nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width),
            ])
            for _ in blocks[::2]
        )  # fmt: skip
        self.norm = nn.LayerNorm(width)
        self.to(torch.from_numpy(table.params["W"]).dtype)
        with torch.no_grad():
            for theirs, array in zip(self.parameters(), ordered(model), strict=True):
                theirs.copy_(torch.from_numpy(array))

    def forward(self, X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The mean loss over all places."""
        N, T = X.shape
        stream = self.table(X) + self.places.weight[:T]
        for norm, attend, join, norm2, widen, narrow in self.blocks:
            parts = attend(norm(stream)).view(N, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(*parts, is_causal=True)
            stream = stream + join(mixed.transpose(1, 2).reshape(N, T, -1))
            hidden = functional.gelu(widen(norm2(stream)), approximate="tanh")
            stream = stream + narrow(hidden)
        scores = self.norm(stream) @ self.table.weight.T
        return functional.cross_entropy(scores.flatten(0, 1), y.flatten())


def ordered(model: GPT, arrays: Any = None) -> Iterator[np.ndarray]:
    """Arrays of our GPT in the order and the shapes of PyTorch's parameters."""
    arrays = arrays or model.params
    yield from (arrays["0.W"], arrays["1.W"])
    talk = ["0.0.gamma", "0.0.beta", "1.W", "1.b", "1.W_out", "1.b_out"]
    think = ["0.0.gamma", "0.0.beta", "0.1.W", "0.1.b", "0.3.W", "0.3.b"]
    last = len(model.layers) - 2
    for place in range(2, last):
        yield from (arrays[f"{place}.{name}"].T for name in (think if place % 2 else talk))
    yield from (arrays[f"{last}.0.gamma"], arrays[f"{last}.0.beta"])


def our_steps(model: Any, recipe: Recipe, seed: int) -> Iterator[float]:
    """The loss of each step in NumPy."""
    options = {"length": recipe.length, "batch": recipe.batch, "rng": seed}
    for _, loss in training_steps(model, TEXT, recipe.adam(), recipe.steps, **options):
        yield loss


def their_steps(model: Torch, recipe: Recipe, seed: int) -> Iterator[float]:
    """The loss of each step in PyTorch, on the same batches."""
    rng = np.random.default_rng(seed)
    options = {"betas": (0.9, 0.99), "weight_decay": recipe.decay, "fused": True}
    optimizer = torch.optim.AdamW(model.parameters(), recipe.rate, **options)
    for step in range(1, recipe.steps + 1):
        batch = draw_windows(TEXT, recipe.length, recipe.batch, rng)
        loss = model(*map(torch.from_numpy, batch))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = recipe.rate * warm_cosine(step / recipe.steps)
        optimizer.step()
        yield loss.item()


def check_same_mathematics(recipe: Recipe = NANO) -> None:
    """Assert that both have the same loss and gradients, and close losses for twenty steps.

    A gradient may differ by 64 float32 roundings of its largest entry, a loss by 0.001.
    """
    ours = recipe.model(0)
    theirs = Torch(ours)
    batch = draw_windows(TEXT, recipe.length, recipe.batch, np.random.default_rng(0))
    loss, grads = ours.loss(*batch)
    expected = theirs(*map(torch.from_numpy, batch))
    expected.backward()
    np.testing.assert_allclose(loss, expected.item(), rtol=1e-6)
    for tensor, gradient in zip(theirs.parameters(), ordered(ours, grads), strict=True):
        tolerance = 64 * np.finfo(np.float32).eps * np.abs(gradient).max()
        np.testing.assert_allclose(tensor.grad.numpy(), gradient, rtol=0, atol=tolerance)
    theirs.zero_grad()
    pairs = zip(our_steps(ours, recipe, 1), their_steps(theirs, recipe, 1), strict=True)
    for _, (loss, their_loss) in zip(range(20), pairs, strict=False):
        np.testing.assert_allclose(loss, their_loss, rtol=0, atol=1e-3)


def compare_steps(threads: int) -> None:
    """Print milliseconds of a step in turn, each contender with so many threads."""
    torch.set_num_threads(threads)
    model = NANO.model(0)
    ways = {
        "NumPy": our_steps(Slices(model, threads) if threads > 1 else model, NANO, 0),
        "PyTorch": their_steps(Torch(model), NANO, 0),
    }

    def some(steps: Iterator[float]) -> float:
        start = time.perf_counter()
        for _ in range(STEPS):
            next(steps)
        return (time.perf_counter() - start) / STEPS

    contenders = {name: partial(some, steps) for name, steps in ways.items()}
    interleaved(contenders, 1)  # both are warm
    title = f"nanoGPT's recipe, a step, threads: {threads}"
    print_table(title, interleaved(contenders, ROUNDS), "PyTorch")


def bits_of(model: Any, length: int) -> float:
    """Bits per letter of the unread play, for letters with half a window before them."""
    is_window = isinstance(model, Window)
    starts = np.arange(0, len(UNREAD) - length, 1 if is_window else length // 2)
    total = 0.0
    for some in np.array_split(starts, 1 + len(starts) // 200):
        drawn = UNREAD[some[:, np.newaxis] + np.arange(length + 1)]
        y = drawn[:, 1:].copy()
        y[:, : length // 2] = -1
        S = model.scores(drawn[:, :-1])
        loss, _ = model.loss_of_scores(S, y[:, -1] if is_window else y)
        total += loss * len(some)
    return float(total / len(starts) / np.log(2))


def run(
    recipe: Recipe, seed: int, threads: int = 1, by_torch: bool = False
) -> dict[str, np.ndarray]:
    """What `trained` finds: from the run's file, or now."""
    told = repr(vars(recipe) | {"build": recipe.build.__name__}), seed, threads, by_torch
    key = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
    path = BUILD / "transformer" / f"{key}.npz"
    return kept(path, lambda: trained(recipe, seed, threads, by_torch))


def trained(recipe: Recipe, seed: int, threads: int, by_torch: bool) -> dict[str, np.ndarray]:
    """Train a network; its bits, the minutes of the clock and of a core, and what a GPT writes."""
    model = recipe.model(seed)
    theirs = Torch(model) if by_torch else None
    torch.set_num_threads(threads)
    if theirs:
        steps = their_steps(theirs, recipe, seed)
    else:
        steps = our_steps(Slices(model, threads) if threads > 1 else model, recipe, seed)
    start, work = time.perf_counter(), time.process_time()
    for _ in steps:
        pass
    minutes = [(time.perf_counter() - start) / 60, (time.process_time() - work) / 60]
    if theirs:
        for array, tensor in zip(ordered(model), theirs.parameters(), strict=True):
            array[...] = tensor.detach().numpy()
    found = {"found": np.array([bits_of(model, recipe.length), *minutes])}
    if isinstance(model, GPT):
        found["written"] = generate(model, PLAYS.encode(PROMPT), 400, temperature=0.8)
    return found


def row(name: str, runs: list[np.ndarray], numbers: int) -> None:
    """Print a line of a table."""
    bits, clock, core = np.mean(runs, axis=0)
    spread = f"+- {np.std([each[0] for each in runs], ddof=1):.3f}" if len(runs) > 1 else ""
    told = f"{bits * np.log(2):8.3f}{core:10.2f}{clock:9.2f}{numbers:12,}"
    print(f"{name:26}{bits:7.3f} {spread:8}{told}", flush=True)


def print_recipe(seeds: range, threads: int) -> None:
    """Print the whole recipe by both."""
    numbers = sum(array.size for array in NANO.model(0).params.values())
    for name, by_torch in {"NumPy": False, "PyTorch": True}.items():
        row(name, [run(NANO, seed, threads, by_torch)["found"] for seed in seeds], numbers)


def print_ladder(seeds: range) -> None:
    """Print counts and networks, each on one thread."""
    for name, (bits, minutes, numbers) in counted().items():
        row(name, [np.array([bits, minutes, minutes])], numbers)
    for name, recipe in LADDER.items():
        numbers = sum(array.size for array in recipe.model(0).params.values())
        row(name, [run(recipe, seed)["found"] for seed in seeds], numbers)


def counted(longest: int = 8, beta: float = 64) -> dict[str, tuple[float, float, int]]:
    """Bits, minutes and counts that are not 0, of tables of 1 to 8 letters before.

    A plain table adds a share of a letter to every entry, the best of five; the mixed ones lean on
    the shorter, by (21.3).
    """
    found, mixed, start, numbers = {}, 1 / CHARACTERS, time.process_time(), 0
    for before in range(longest + 1):
        seen, counts = np.unique(codes(TEXT, before + 1), return_counts=True)
        rows, place = np.unique(seen // CHARACTERS, return_inverse=True)
        wanted = codes(UNREAD, before + 1)[longest - before :]
        followed = looked_up(seen, counts, wanted)
        stood = looked_up(rows, np.bincount(place, weights=counts), wanted // CHARACTERS)
        mixed = (followed + beta * mixed) / (stood + beta)
        numbers += len(seen)
        minutes = (time.process_time() - start) / 60
        if before in (1, 2, 3):
            plain = [(followed + a) / (stood + a * CHARACTERS) for a in (0.01, 0.03, 0.1, 0.3, 1)]
            bits = min(-float(np.log2(each).mean()) for each in plain)
            found[f"table, {before} before"] = bits, minutes, len(seen)
    found[f"tables mixed, to {longest}"] = -float(np.log2(mixed).mean()), minutes, numbers
    return found


def codes(ids: np.ndarray, letters: int) -> np.ndarray:
    """A whole number for each passage of so many letters, in its order."""
    powers = CHARACTERS ** np.arange(letters)[::-1]
    return np.lib.stride_tricks.sliding_window_view(ids, letters) @ powers


def looked_up(known: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The values of what is known; 0 for the rest."""
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[place] == wanted, values[place], 0)


def main() -> None:
    """Measure what is asked for, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transformer")
    parser.add_argument("what", nargs="?", choices=["step", "recipe", "ladder", "long"],
                        default="step")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="of the recipe, whole")
    options = parser.parse_args()
    print_conditions("numpy", "torch")
    check_same_mathematics()
    if options.what == "step":
        for threads in (1, 2):
            compare_steps(threads)
        return
    print(f"\n{'':26}{'bits of the unread play':>16}{'nats':>5}{'core min':>10}{'clock':>9}"
          f"{'numbers':>12}")  # fmt: skip
    seeds = range(options.seeds)
    if options.what == "recipe":
        print_recipe(seeds, options.threads)
    elif options.what == "ladder":
        print_ladder(seeds)
    else:
        numbers = sum(array.size for array in LONG.model(0).params.values())
        half_an_hour = run(LONG, 0, 2)
        row("half an hour of a core", [half_an_hour["found"]], numbers)
        print(f"\n{PLAYS.decode(half_an_hour['written'])}")


if __name__ == "__main__":
    main()
