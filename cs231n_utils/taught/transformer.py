"""Exported from notebooks: edit them, then `make export`.

- notebooks/24_transformer.ipynb
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from cs231n_utils.support import put_back
from cs231n_utils.taught import sequences
from cs231n_utils.taught.attention import (
    MultiHeadAttention,
    Positions,
    attention,
    join_heads,
    split_heads,
)
from cs231n_utils.taught.layers import Affine, Layer, LayerNorm, Residual
from cs231n_utils.taught.losses import softmax
from cs231n_utils.taught.optimizers import warm_cosine
from cs231n_utils.taught.recurrence import clip_by_norm
from cs231n_utils.taught.sequences import Embedding, PerPosition, SequenceModel, draw_windows
from cs231n_utils.types import Optimizer


class GELU(Layer):
    """gelu(X), entry by entry; remembers the gate."""

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        G = sequences.gelu_gate(X)
        self.memory = X, G
        return X * G

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        return dOut * sequences.gelu_slope(*self.remembered())


def parts_of_block(
    width: int, heads: int, std: float, std_last: float, rng: np.random.Generator, dtype: Any
) -> tuple[list[LayerNorm], MultiHeadAttention, Affine, Affine]:
    """Two norms, attention, two affine maps; `std_last`: of the last map of each branch."""
    attend = MultiHeadAttention(width, heads, rng=rng, dtype=dtype)
    for name, deviation in {"W": std, "W_out": std_last}.items():
        W = attend.params[name]
        W[...] = deviation * rng.standard_normal(W.shape)
    widen = Affine(width, 4 * width, std, rng=rng, dtype=dtype)
    narrow = Affine(4 * width, width, std_last, rng=rng, dtype=dtype)
    norms = [LayerNorm(width, dtype=dtype) for _ in range(2)]
    return norms, attend, widen, narrow


def transformer_block(
    width: int, heads: int, std: float, std_last: float, rng: np.random.Generator, dtype: Any
) -> list[Layer]:
    """Attention, then the thinking layers: each adds to the stream (N, T, width)."""
    norms, attend, widen, narrow = parts_of_block(width, heads, std, std_last, rng, dtype)
    talk = Residual([PerPosition([norms[0]]), attend])  # (24.1)
    inner = [norms[1], widen, GELU(), narrow]  # (24.2)
    think = Residual([PerPosition(inner)])
    return [talk, think]


class TiedHead(Layer):
    """Scores X W^T (N, T, C) of rows X (N, T, D), with the table W of an Embedding below."""

    def __init__(self, table: Embedding) -> None:
        super().__init__()
        self.table = table
        self.dW = np.zeros(0)

    def forward(self, X: np.ndarray, training: bool = False) -> np.ndarray:
        self.memory = X
        return X @ self.table.params["W"].T

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        X, W = self.remembered(), self.table.params["W"]
        C, D = W.shape
        self.dW = dOut.reshape(-1, C).T @ X.reshape(-1, D)  # (24.3)
        return dOut @ W


class GPT(SequenceModel):
    """A transformer that guesses the next character at every place of ids (N, T), T <= length.

    Parameters
    ----------
    characters, length
        Rows of the table; the longest window.
    width, depth, heads
        Numbers in a row of the stream; blocks; heads of each attention, which divide the width.
    std
        Standard deviation of the first weights.
    """

    def __init__(self, characters: int, length: int, width: int = 128, depth: int = 4,
                 heads: int = 4, rng: np.random.Generator | int = 0, *, std: float = 0.02,
                 dtype: Any = np.float32) -> None:
        rng = np.random.default_rng(rng)
        self.length = length
        table = Embedding(characters, width, rng, std=std, dtype=dtype)
        layers: list[Layer] = [table, Positions(length, width, rng, std=std, dtype=dtype)]
        std_last = std / (2 * depth) ** 0.5  # 2 * depth branches write into the stream
        for _ in range(depth):
            layers += transformer_block(width, heads, std, std_last, rng, dtype)
        self.head = TiedHead(table)
        super().__init__([*layers, PerPosition([LayerNorm(width, dtype=dtype)]), self.head])

    def backward(self, dOut: np.ndarray) -> np.ndarray:
        out = super().backward(dOut)  # grads["0.W"]: the bottom end's share
        self.grads["0.W"] += self.head.dW  # (24.4)
        return out


def training_steps(
    model: Any, text: np.ndarray, optimizer: Optimizer, steps: int, length: int,
    batch: int = 12, rng: np.random.Generator | int = 0, limit: float = 1.0,
) -> Iterator[tuple[int, float]]:
    """Train a model on windows of a text; yield the number and the loss of each step."""
    rng, rate = np.random.default_rng(rng), optimizer.learning_rate
    with put_back(optimizer, "learning_rate"):
        for step in range(1, steps + 1):
            X, y = draw_windows(text, length, batch, rng)
            loss, grads = model.loss(X, y)
            clip_by_norm(grads, limit)
            optimizer.learning_rate = rate * warm_cosine(step / steps)
            optimizer.step(model.params, grads)
            yield step, loss


def probabilities(S: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities (C,) of the scores S (C,) at a temperature."""
    return softmax(S[np.newaxis].astype(np.float64) / temperature)[0]  # (24.5)


def attend_once(
    layer: MultiHeadAttention, X: np.ndarray, past: Any
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """What attention gives to one new place X (N, 1, size); all keys and values so far."""
    # 1. Its own query, key and value.
    Q, K, V = (split_heads(part, layer.heads)
               for part in np.split(X @ layer.params["W"] + layer.params["b"], 3, axis=-1))
    if past:  # 2. The new key and value behind the old ones.
        K, V = (np.concatenate(pair, axis=2) for pair in zip(past, (K, V), strict=True))
    joined = join_heads(attention(Q, K, V))  # 3. One query, and no mask.
    return joined @ layer.params["W_out"] + layer.params["b_out"], (K, V)


def window_start(place: int, length: int) -> int:
    """Where the window before a place begins: when it is full its older half goes."""
    half = length // 2
    return half * max(0, -((length - place) // half))


class Reader:
    """Reads a text character by character, and keeps every key and value of its window."""

    def __init__(self, model: GPT) -> None:
        self.model = model
        self.start = self.place = 0  # of the window; of the next character, inside the window
        self.kept: dict[Layer, Any] = {}

    def scores(self, text: Any) -> np.ndarray:
        """Scores (C,) of the character after a text; reads what it has not read."""
        start = window_start(len(text), self.model.length)
        if start != self.start:
            self.start, self.place, self.kept = start, 0, {}
        for character in text[self.start + self.place :]:
            X: Any = np.array([[character]])
            for layer in self.model.layers:
                X = self.through(layer, X)
            self.place += 1
        return X[0, 0]

    def through(self, layer: Layer, X: np.ndarray) -> np.ndarray:
        """What leaves a layer at the new place."""
        if isinstance(layer, Residual):
            added = X
            for each in layer.layers:
                added = self.through(each, added)
            return X + added
        if isinstance(layer, MultiHeadAttention):
            X, self.kept[layer] = attend_once(layer, X, self.kept.get(layer))
            return X
        if isinstance(layer, Positions):
            return X + layer.params["W"][self.place]
        return layer.forward(X)


def full_pass(model: GPT, text: Any) -> np.ndarray:
    """The same scores, by a pass through the whole window."""
    inside = np.array(text[window_start(len(text), model.length) :])
    return model.scores(inside[np.newaxis])[0, -1]


def generate(
    model: GPT, prompt: Any, count: int, rng: np.random.Generator | int = 0, *,
    temperature: float = 1.0, cached: bool = True,
) -> np.ndarray:
    """The integers of `count` characters that continue a prompt, drawn one after another."""
    rng = np.random.default_rng(rng)
    scores = Reader(model).scores if cached else partial(full_pass, model)
    text = list(prompt)
    for _ in range(count):
        P = probabilities(scores(text), temperature)
        text.append(int(rng.choice(len(P), p=P)))
    return np.array(text[len(prompt) :])
