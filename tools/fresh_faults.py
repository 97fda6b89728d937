"""Faults that students write, line by line, on models of many shapes: drawn anew for every seed.

A label is set by how the fault was made, never from what the checker answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# A student's pass, complete. A fault replaces one piece of it; the names are the student's.
NETWORK = """
N = len(X)
Z = X @ W1 + b1
A = np.maximum(Z, 0)
S = A @ W2 + b2
shifted = S - S.max(axis=1, keepdims=True)
P = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
Y = np.eye(S.shape[1])[y]
loss = np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(N), y])
loss += 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
dS = (P - Y) / N
dA = dS @ W2.T
dZ = dA * (Z > 0)
grads = {"W1": X.T @ dZ + reg * W1, "b1": dZ.sum(axis=0)}
grads |= {"W2": A.T @ dS + reg * W2, "b2": dS.sum(axis=0)}
"""
CLASSIFIER = """
N = len(X)
S = X @ W2 + b2
shifted = S - S.max(axis=1, keepdims=True)
P = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
Y = np.eye(S.shape[1])[y]
loss = np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(N), y])
loss += 0.5 * reg * (np.sum(W2 * W2))
dS = (P - Y) / N
grads = {"W2": X.T @ dS + reg * W2, "b2": dS.sum(axis=0)}
"""
LINES = (  # label, what stands in the pass, what the student wrote
    ("relu_off", "dA * (Z > 0)", "dA"),
    ("relu_off", "dA * (Z > 0)", "dA * (dA > 0)"),
    ("relu_off", "dA * (Z > 0)", "np.where(Z > 0, dA, 0.01 * dA)"),
    ("relu_off", "A.T @ dS", "Z.T @ dS"),
    ("relu_inverted", "dA * (Z > 0)", "dA * (Z < 0)"),
    ("relu_inverted", "dA * (Z > 0)", "dA * (Z <= 0)"),
    ("relu_on", "dA * (Z > 0)", "dA * A"),
    ("one_per_row", "(P - Y) / N", "P / N"),
    ("one_per_row", "(P - Y) / N", "(P + Y) / N"),
    ("factor N", "(P - Y) / N", "P - Y"),
    ("factor 1/N", "(P - Y) / N", "(P - Y) / N / N"),
    ("sign", "(P - Y) / N", "(Y - P) / N"),
    ("factor 2", "(P - Y) / N", "2 * (P - Y) / N"),
    ("factor", "(P - Y) / N", "(P - Y) / S.shape[1]"),
    ("factor", "A.T @ dS + reg * W2", "0.3 * (A.T @ dS + reg * W2)"),
    ("mean_of_part", "(P - Y) / N", "P - Y / N"),
    ("mean_of_part", "(P - Y) / N", "P / N - Y"),
    ("softmax_diagonal", "(P - Y) / N", "(P - Y) * P * (1 - P) / N"),
    ("softmax_diagonal", "(P - Y) / N", "-Y * (1 - P) / N"),
    ("softmax_missing", "(P - Y) / N", "-Y / P / N"),
    ("softmax_missing", "(P - Y) / N", "(S - Y) / N"),
    ("transpose", "dS @ W2.T", "dS @ W2"),
    ("transpose", "X.T @ dZ", "dZ.T @ X"),
    ("transpose", "X.T @ dS", "dS.T @ X"),
    ("transpose", "A.T @ dS + reg * W2", "(A.T @ dS + reg * W2).T"),
    ("wrong_axis", "dZ.sum(axis=0)", "dZ.sum(axis=1)"),
    ("wrong_axis", "dS.sum(axis=0)", "dS.sum(axis=1)"),
    ("wrong_axis", "dZ.sum(axis=0)", "0 * b1 + dZ.sum()"),
    ("missing_sum", "dZ.sum(axis=0)", "dZ"),
    ("shape", "dS.sum(axis=0)", "dS.sum(axis=0, keepdims=True)"),
    ("factor 1/N", "dZ.sum(axis=0)", "dZ.mean(axis=0)"),
    ("one_example", "dS.sum(axis=0)", "dS[-1]"),
    ("example_missing", "X.T @ dZ", "X[:-1].T @ dZ[:-1]"),
    ("example_missing", "dS.sum(axis=0)", "dS[:-1].sum(axis=0)"),
    ("reg_missing", " + reg * W2", ""),
    ("reg_missing", " + reg * W1", ""),
    ("reg_doubled", "+ reg * W1", "+ 2 * reg * W1"),
    ("reg_doubled", "dZ.sum(axis=0)", "dZ.sum(axis=0) + reg * b1"),
    ("reg_doubled", "loss += 0.5 * reg", "loss += 0 * reg"),
    ("reg_factor", "loss += 0.5 * reg", "loss += reg"),
    ("reg_factor", "+ reg * W2", "+ 0.5 * reg * W2"),
    ("reg_factor", "+ reg * W2", "- reg * W2"),
    ("reg_factor", "+ reg * W2", "+ reg * W2 / N"),
    ("reg_misplaced", "X.T @ dZ + reg * W1", "(1 + reg) * (X.T @ dZ)"),
    ("reg_misplaced", "A.T @ dS + reg * W2", "(1 + reg) * (A.T @ dS)"),
    ("zero", "A.T @ dS + reg * W2", "np.zeros_like(W2)"),
    ("zero", "dZ.sum(axis=0)", "np.zeros_like(b1)"),
    ("one_row", "X.T @ dZ + reg * W1", "(X.T @ dZ + reg * W1) * (np.arange(len(W1)) > 0)[:, None]"),
    ("one_column", "A.T @ dS + reg * W2", "(A.T @ dS + reg * W2) * (np.arange(len(b2)) > 0)"),
    ("swapped", '"b1": dZ.sum(axis=0)', '"b1": dS.sum(axis=0)'),
    ("integer", "dS.sum(axis=0)", "dS.sum(axis=0).astype(int)"),
    ("missing", '"b2": dS.sum(axis=0)', '"b_2": dS.sum(axis=0)'),
    ("float32", "Z = X @ W1 + b1", "Z = (X @ W1 + b1).astype(np.float32)"),
    ("float32", '"b2": dS.sum(axis=0)', '"b2": dS.sum(axis=0).astype(np.float32)'),
    ("not_deterministic", "A = np.maximum(Z, 0)", "A = np.maximum(Z, 0) * rng.random(Z.shape)"),
    ("writes_into_x", "N = len(X)", "X -= X.max(); N = len(X)"),
    ("constant", "Z = X @ W1 + b1", "Z = X @ first['W1'] + b1"),
)
PAIRS = (  # two faults at once: the label is the first
    ("relu_off", ("dA * (Z > 0)", "dA"), (" + reg * W1", "")),
    ("relu_inverted", ("dA * (Z > 0)", "dA * (Z <= 0)"), ("+ reg * W1", "+ 2 * reg * W1")),
    ("factor N", ("(P - Y) / N", "P - Y"), (" + reg * W2", "")),
    ("one_per_row", ("(P - Y) / N", "P / N"), (" + reg * W2", "")),
)


@dataclass
class Attempt:
    """A student's model: params, and a pass as source text."""

    label: str
    what: str
    source: str
    params: dict
    X: np.ndarray
    y: np.ndarray
    reg: float

    def __post_init__(self):
        self.first = {key: value.copy() for key, value in self.params.items()}
        self.code = compile(self.source, self.what, "exec")
        self.rng = np.random.default_rng(0)

    def loss(self, X, y, reg=0.0):
        names = {**self.params, "X": X, "y": y, "reg": reg, "np": np}
        names |= {"rng": self.rng, "first": self.first}
        exec(self.code, names)
        return names["loss"], names["grads"]


def sizes(kind, rng):
    """N, D, H, C of a kind of shape."""
    N, D, H, C = (int(k) for k in rng.integers([3, 2, 2, 2], [10, 9, 9, 7]))
    square = int(rng.integers(3, 8))
    return {
        "any": (N, D, H, C),
        "one example": (1, D, H, C),
        "square": (N, square, square, square),
        "all equal": (square, square, square, square),
        "N is H": (square, D, square, C),
        "N is C": (square, D, H, square),
        "large": (12, 50, 40, 5),
    }[kind]


KINDS = ("any", "any", "one example", "square", "all equal", "N is H", "N is C", "large")


def attempt(label, changes, kind, rng):
    """An attempt with the changes made, or None where they do not apply."""
    N, D, H, C = sizes(kind, rng)
    source = NETWORK
    shapes = {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    if rng.random() < 0.3:
        source, shapes = CLASSIFIER, {"W2": (D, C), "b2": (C,)}
    reg = float(rng.choice([0.0, 1e-3, 0.1, 0.7]))
    if "reg" in label or any("reg" in old and "A.T" not in old for old, _ in changes):
        reg = reg or 0.05
    std = 10 ** rng.uniform(-1, 0.2) / (3 if kind == "large" else 1)
    params = {key: std * rng.standard_normal(shape) for key, shape in shapes.items()}
    X, y = rng.standard_normal((N, D)), rng.integers(0, C, N)
    if any(old not in source for old, _ in changes):
        return None
    right = Attempt("", "", source, params, X, y, reg)
    for old, new in changes:
        source = source.replace(old, new)
    made = Attempt(label, f"{changes} {kind} {(N, D, H, C)} reg {reg}", source, params, X, y, reg)
    try:
        loss, grads = made.loss(X.copy(), y, reg)
    except ValueError:
        return None  # NumPy refuses it: the student sees this at once
    expected_loss, expected = right.loss(X, y, reg)
    same = all(
        np.shape(grads.get(key)) == value.shape
        and np.abs(grads[key] - value).max() <= 1e-6 * np.abs(value).max()
        for key, value in expected.items()
    )
    if same and loss == expected_loss and label not in ("constant", "float32"):
        return None  # the fault changes nothing here: no check can see it
    return made


def fresh(seed: int) -> Iterator[Attempt]:
    """Every line and pair on every kind of shape, where it applies and changes something."""
    rng = np.random.default_rng(seed)
    cases = [(label, [(old, new)]) for label, old, new in LINES]
    cases += [(label, list(changes)) for label, *changes in PAIRS]
    for label, changes in cases:
        for kind in KINDS:
            if made := attempt(label, changes, kind, rng):
                yield made
