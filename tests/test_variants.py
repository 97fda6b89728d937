"""Each student gets numbers of their own, the same again, and the answer to them is right."""

import re
from ast import literal_eval

import numpy as np
import pytest

from cs231n_utils.gradient_check import numerical_gradient
from publish.notebook import Notebook
from publish.student.marking import variants

STUDENTS = [f"student{number}" for number in range(300)]
NUMBERS = re.compile(r"\[[^a-zA-Z=]*\]|(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?")


def numbers(text):
    """The arrays and the other numbers in a text, in their order."""
    return [np.array(literal_eval(found)) for found in NUMBERS.findall(text)]


def p(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


def central(f, x):
    return numerical_gradient(f, np.array(x, dtype=float))


def two_layers(x, W1, b1, W2, _, dS, *__):
    def scores(W1):
        return np.maximum(x @ W1 + b1, 0) @ W2

    return scores(W1), central(lambda W1: float(scores(W1) @ dS), W1)


def momentum(share, rate, w, slopes):
    velocities = [sum(share ** (t - s) * slopes[s] for s in range(t + 1)) for t in range(3)]
    return velocities[-1], w - rate * sum(velocities)


def norm(x, gamma, beta, _, dY):
    def made(x):
        return gamma * (x - np.mean(x)) / np.std(x) + beta

    return made(x), central(lambda x: float(made(x) @ dY), x)


def smoothing(E, k, _, share):
    def loss(S):
        target = (1 - share) * np.eye(4)[k] + share / 4
        return float(-target @ np.log(p(S)))

    return loss(np.log(E)), central(loss, np.log(E))


def convolution(W, X, _, __, dZ):
    def made(X):
        return np.array([[(X[i : i + 2, j : j + 2] * W).sum() for j in (0, 1)] for i in (0, 1)])

    return made(X), central(lambda X: float((made(X) * dZ).sum()), X)


def look(E, values, dA):
    def heard(S):
        return float(p(S) @ values)

    return p(np.log(E)), heard(np.log(E)), dA * central(heard, np.log(E))


# What the questions ask for, from the numbers in them, in another way than the package's.
ASKED = {
    "01": lambda x, W, b: (x @ W + b, np.argmax(x @ W + b)),
    "02": lambda s, k, _: (p(s), -np.log(p(s)[k])),
    "03": lambda a, _, b, h, x: (a * (3 * x**2 + h**2) + b, a * h**2),
    "04": lambda E, F, y, z, _: [
        (E / sum(E) - np.eye(3)[y]) / 2,
        (F / sum(F) - np.eye(3)[z]) / 2,
    ],
    "05": lambda half, _, rate, w: [w * (1 - 2 * half * rate) ** 3],
    "06": lambda X, W, dZ: (
        np.einsum("nh,dh->nd", dZ, W),
        np.einsum("nd,nh->dh", X, dZ),
        dZ[0] + dZ[1],
    ),
    "07": two_layers,
    "08": lambda N, size: (np.ceil(N / size), (N - 1) % size + 1),
    "09": momentum,
    "10": lambda E, k, _: (np.log(sum(np.exp(E / sum(E) - E[k] / sum(E)))), np.log(sum(E) / E[k])),
    "11": lambda seed, a, b: [
        np.exp(np.log(a) + np.random.default_rng(int(seed)).random() * np.log(b / a))
    ],
    "12": lambda H, *_: (H * (3 * 32 * 32 + 1) + (H + 1) * 10, 3 * 32 * 32 * H),
    "13": lambda W, _, x, dY: (x @ (np.eye(2) + W), (np.eye(2) + W) @ dY),
    "14": norm,
    "15": smoothing,
    "16": convolution,
    "17": lambda X, W, b, *_: (np.mean(X.reshape(4, 2) @ W + b, axis=0), X[0, 0] @ W + b),
    "18": lambda _, __, x, y, ___, ____, W, eps: (
        min(max(x[d] + (eps if W[d, 1 - y] > W[d, y] else -eps), 0), 1) for d in range(3)
    ),
    "19": lambda u, v: (2 * u + v * (u * v > 0), u * (u * v > 0)),
    "20": lambda U, V, C, F, N, rows, columns, _: (F, C, U, V, N, C, rows, columns),
    "21": lambda _, followed, more, __, ids, ___, dE: (
        -np.log2((followed + 1) / (followed + more + 8)),
        np.eye(3)[ids].T @ dE,
    ),
    "22": lambda _, __, w, x: (w * (w * x[0] + x[1]) + x[2], 2 * w * x[0] + x[1]),
    "23": look,
    "24": lambda w, _, dS: (w[0] * dS, [w @ dS, 0]),
    "25": lambda G, _, epochs: (-np.sign(G), np.sum(np.abs(G)), 2 - 0.5 ** (epochs - 1)),
}


def slow_or_not(number):
    """The number of a notebook; 12 draws the weights of 300 networks, which takes seconds."""
    return pytest.param(number, marks=[pytest.mark.slow] if number == "12" else [])


@pytest.mark.parametrize("number", [slow_or_not(each.number) for each in Notebook.series()])
def test_students_get_numbers_of_their_own_and_right_answers(number):
    drawn = {student: variants.variant(number, student) for student in STUDENTS}
    assert len({question for question, _ in drawn.values()}) > 0.6 * len(STUDENTS)
    for question, answer in list(drawn.values())[:20]:
        right, found = ASKED[number](*numbers(question)), numbers(answer)
        right, found = (np.concatenate([*map(np.ravel, parts)]) for parts in (right, found))
        np.testing.assert_allclose(found, right, rtol=5e-3 * (number == "11"), atol=6e-4)


def test_the_same_id_gets_the_same_numbers_on_every_machine():
    first = {number: variants.variant(number, "ann") for number in variants.VARIANTS}
    assert first == {number: variants.variant(number, "ann") for number in variants.VARIANTS}
    assert first["02"][0].startswith("The scores of one example are [3.0, 1.0, 2.0], and class 1 ")


def test_questions_and_answers_go_into_two_files(tmp_path, monkeypatch, capsys):
    (tmp_path / "students.csv").write_text("id,first_name\nann,Ann\nben,Ben\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["variants", "02_softmax_cross_entropy"])
    variants.main()
    for column, name in enumerate(["question", "answer"]):
        text = (tmp_path / "variants" / "02" / f"{name}s.csv").read_text(encoding="utf-8")
        assert text.startswith(f"id,{name}\nann,")
        for student in ("ann", "ben"):
            told = variants.variant("02", student)
            assert told[column] in text
            assert told[1 - column] not in text
