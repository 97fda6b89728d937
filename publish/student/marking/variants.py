"""A question with numbers of its own for each student: run this in the course's folder.

    python -m marking.variants 02_softmax_cross_entropy

It reads the ids in students.csv and writes variants/02/questions.csv, to send or to print, and
variants/02/answers.csv, for whoever asks. The same id gets the same numbers again.
"""

import argparse
import csv
import hashlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from cs231n_utils.gradient_check import numerical_gradient
from cs231n_utils.taught.adversarial import sign_step
from cs231n_utils.taught.attention import attention_weights
from cs231n_utils.taught.autograd import Tensor
from cs231n_utils.taught.cifar10 import network
from cs231n_utils.taught.convnet import GlobalMeanPool
from cs231n_utils.taught.convolution import conv2d, conv2d_backward
from cs231n_utils.taught.layers import (
    Affine,
    Residual,
    Sequential,
    affine_backward,
    batch_norm,
    batch_norm_backward,
)
from cs231n_utils.taught.linear import linear_scores, predict_labels
from cs231n_utils.taught.losses import cross_entropy, smoothed_loss, softmax, softmax_loss
from cs231n_utils.taught.models import backward, forward
from cs231n_utils.taught.optimizers import SGD, sgd_step
from cs231n_utils.taught.pytorch import channels_first, to_pytorch
from cs231n_utils.taught.search import log_uniform
from cs231n_utils.taught.sequences import Embedding
from cs231n_utils.taught.training import minibatches
from cs231n_utils.taught.transformer import TiedHead

from .week import names_of

Variant = tuple[str, str]  # a question, its answer


def main() -> None:
    """Write the questions and the answers of a class."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebook", help="for example 02_softmax_cross_entropy, or 02")
    number, course = parser.parse_args().notebook[:2], Path.cwd()
    if number not in VARIANTS:
        parser.error(f"there is no notebook {number}: name one of {', '.join(VARIANTS)}")
    folder = course / "variants" / number
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [(student, *variant(number, student)) for student in names_of(course)]
    for column, name in enumerate(["question", "answer"], start=1):
        rows = [("id", name), *((row[0], row[column]) for row in drawn)]
        with (folder / f"{name}s.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    print(f"variants/{number}/: questions.csv and answers.csv, of {len(drawn)} students")


def variant(number: str, student: str) -> Variant:
    """A student's question on a notebook and its answer."""
    seed = hashlib.sha256(f"{number} {student}".encode()).digest()
    return VARIANTS[number](np.random.default_rng(list(seed)))


def whole(rng: Generator, *shape: int) -> np.ndarray:
    """Whole numbers from -4 to 4 other than 0, as floats."""
    return rng.choice([-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0], shape)


def weights(rng: Generator, *shape: int) -> np.ndarray:
    """Whole numbers from 1 to 9, as floats; scores are their logarithms."""
    return rng.integers(1, 10, shape).astype(float)


def told(value: Any) -> str:
    """Numbers to three decimals, in the brackets of Python."""
    return str((np.round(value, 3) + 0.0).tolist())  # + 0.0: no -0.0


# --- One question for each notebook -------------------------------------------------------------


def scores(rng: Generator) -> Variant:
    """01: scores, and the class that they predict."""
    x, W, b = whole(rng, 1, 2), whole(rng, 2, 3), whole(rng, 3)
    S = linear_scores(x, W, b)
    return (
        f"x = {told(x[0])}, W = {told(W)}, b = {told(b)}. Which scores do the three classes get, "
        "and which class is predicted (of equal scores, the first)?",
        f"{told(S[0])}, class {predict_labels(S)[0]}",
    )


def loss(rng: Generator) -> Variant:
    """02: softmax and the cross-entropy."""
    S, k = whole(rng, 1, 3), rng.integers(3)
    return (
        f"The scores of one example are {told(S[0])}, and class {k} is correct (classes count from "
        "0). Which probabilities does softmax give, and how large is the cross-entropy?",
        f"{told(softmax(S)[0])}, {told(cross_entropy(S, np.array([k])))}",
    )


def difference(rng: Generator) -> Variant:
    """03: a central difference, and what it misses."""
    a, b, x = whole(rng, 3)
    h = rng.choice([0.1, 0.2, 0.5])
    slope = numerical_gradient(lambda x: a * x[0] ** 3 + b * x[0], np.array([x]), h)[0]
    return (
        f"f(x) = {a:g} x^3 + {b:g} x. What does the central difference with h = {h} give at "
        f"x = {x:g}, and how much is that above the slope (below it: a negative number)?",
        f"{told(slope)}, {told(slope - (3 * a * x**2 + b))} above",
    )


def score_gradient(rng: Generator) -> Variant:
    """04: the gradient of the scores, P - Y over N."""
    E, y = weights(rng, 2, 3), rng.integers(3, size=2)
    return (
        f"Two examples have the scores log {told(E[0])} and log {told(E[1])}; their classes are "
        f"{y[0]} and {y[1]} (counted from 0). What is dS, the gradient of their mean loss?",
        told(softmax_loss(np.log(E), y)[1]),
    )


def descent(rng: Generator) -> Variant:
    """05: three steps on a parabola."""
    c, rate, start = rng.choice([3, 6, 7, 9]), rng.integers(1, 10) / 20, float(rng.integers(1, 21))
    w = {"w": np.array(start)}
    for _ in range(3):
        sgd_step(w, {"w": c * w["w"]}, rate)
    return (
        f"f(w) = {c / 2:g} w^2. Where do three steps of gradient descent with the learning rate "
        f"{rate:g} lead from w = {start:g}? Do these steps converge?",
        f"{told(w['w'])}; {'yes' if abs(w['w']) < start else 'no'}",
    )


def affine(rng: Generator) -> Variant:
    """06: the gradients of an affine map."""
    X, W, dZ = whole(rng, 2, 2), whole(rng, 2, 2), whole(rng, 2, 2)
    dX, dW, db = affine_backward(dZ, X, W)
    return (
        f"Z = X W + b with X = {told(X)} and W = {told(W)}. From above comes dZ = {told(dZ)}. "
        "What are dX, dW and db?",
        f"dX = {told(dX)}, dW = {told(dW)}, db = {told(db)}",
    )


def two_layers(rng: Generator) -> Variant:
    """07: scores and a gradient of the two-layer network."""
    x, b1, dS = whole(rng, 1, 2), weights(rng, 2), whole(rng, 1, 2)
    params = {"W1": whole(rng, 2, 2), "b1": b1, "W2": whole(rng, 2, 2), "b2": np.zeros(2)}
    Z, A, S = forward(params, x)
    return (
        f"One example x = {told(x[0])} in a two-layer network: W1 = {told(params['W1'])}, "
        f"b1 = {told(b1)}, W2 = {told(params['W2'])}, b2 = 0. Which scores does it get? For "
        f"dS = {told(dS[0])} and reg = 0, what is dW1?",
        f"S = {told(S[0])}, dW1 = {told(backward(params, x, Z, A, dS, reg=0.0)['W1'])}",
    )


def epoch(rng: Generator) -> Variant:
    """08: the minibatches of an epoch."""
    N, size = int(rng.integers(100, 1000)), int(rng.integers(20, 70))
    sizes = [len(batch) for batch in islice(minibatches(N, size, rng), N)]
    steps = int(np.cumsum(sizes).tolist().index(N)) + 1
    return (
        f"{N} examples are trained on in minibatches of {size}. How many steps has an epoch, and "
        "how many examples has its last one?",
        f"{steps} steps, {sizes[steps - 1]} in the last",
    )


def momentum(rng: Generator) -> Variant:
    """09: three steps with momentum."""
    slopes, w = whole(rng, 3), {"w": np.array(1.0)}
    rate, share = rng.choice([0.1, 0.2, 0.5]), rng.choice([0.5, 0.8, 0.9])
    optimizer = SGD(rate, momentum=share)
    for slope in slopes:
        optimizer.step(w, {"w": slope})
    return (
        f"SGD with momentum {share} and the learning rate {rate} starts at w = 1, at rest. Three "
        f"steps meet the gradients {told(slopes)}. What are the velocity and w then?",
        f"velocity {told(optimizer.velocity['w'])}, w = {told(w['w'])}",
    )


def softmax_twice(rng: Generator) -> Variant:
    """10: a loss that takes probabilities for scores."""
    E, k = weights(rng, 1, 3), rng.integers(3)
    S, y = np.log(E), np.array([k])
    return (
        f"The scores of one example are log {told(E[0])}, and class {k} is correct (classes count "
        "from 0). A fault hands probabilities to the cross-entropy, which takes them for scores. "
        "Which loss does it report, and which is right?",
        f"{told(cross_entropy(softmax(S), y))} for {told(cross_entropy(S, y))}",
    )


def log_scale(rng: Generator) -> Variant:
    """11: a draw on the log scale."""
    low, high = 10.0 ** rng.integers(-6, -3), 10.0 ** rng.integers(-2, 1)
    seed = int(rng.integers(1000))
    [rate] = log_uniform(low, high, 1, np.random.default_rng(seed))
    return (
        f"u = np.random.default_rng({seed}).random(). Which learning rate between {low:g} and "
        f"{high:g} does it become on the log scale, to three digits?",
        f"{rate:.2e}",
    )


def parameters(rng: Generator) -> Variant:
    """12: what a network for photographs learns."""
    H = int(rng.integers(20, 400))
    sizes = {name: value.size for name, value in network(H).params.items()}
    return (
        f"A two-layer network with {H} hidden units reads images of 32 x 32 pixels in three "
        "colours, in ten classes. How many numbers does it learn, and how many of them are in W1?",
        f"{sum(sizes.values())}, {sizes['W1']} in W1",
    )


def residual(rng: Generator) -> Variant:
    """13: there and back through a residual layer."""
    X, W, dY = whole(rng, 1, 2), whole(rng, 2, 2), whole(rng, 1, 2)
    layer = Residual([Affine(2, 2)])
    layer.params["0.W"][...] = W
    return (
        f"A residual layer holds one affine map, W = {told(W)} and b = 0. What leaves it when "
        f"{told(X[0])} enters? From above comes dY = {told(dY[0])}: what is dX?",
        f"Y = {told(layer.forward(X)[0])}, dX = {told(layer.backward(dY)[0])}",
    )


def norm(rng: Generator) -> Variant:
    """14: batch norm and its gradient."""
    X, dY = rng.choice(9, (4, 1), replace=False).astype(float), whole(rng, 4, 1)
    gamma, beta = whole(rng, 1), whole(rng, 1)
    Y, (dX, *_) = batch_norm(X, gamma, beta, 0.0), batch_norm_backward(dY, X, gamma, 0.0)
    return (
        f"A column of a batch is {told(X[:, 0])}. What does batch norm make of it, with gamma = "
        f"{gamma[0]:g}, beta = {beta[0]:g} and eps = 0? For dY = {told(dY[:, 0])}, what is dX?",
        f"Y = {told(Y[:, 0])}, dX = {told(dX[:, 0])}",
    )


def smoothing(rng: Generator) -> Variant:
    """15: the loss with smoothed labels."""
    E, k, share = weights(rng, 1, 4), rng.integers(4), rng.choice([0.1, 0.2, 0.4])
    loss, dS = smoothed_loss(np.log(E), np.array([k]), share)
    return (
        f"One example has the scores log {told(E[0])}, and class {k} is correct (classes count "
        f"from 0). With label smoothing {share}, how large is its loss, and what is dS?",
        f"{told(loss)}, dS = {told(dS[0])}",
    )


def convolution(rng: Generator) -> Variant:
    """16: a convolution and the gradient of its image."""
    X, W, dZ = whole(rng, 1, 3, 3, 1), whole(rng, 2, 2, 1, 1), whole(rng, 1, 2, 2, 1)
    Z, (dX, *_) = conv2d(X, W, np.zeros(1)), conv2d_backward(dZ, X, W)
    return (
        f"The filter {told(W[..., 0, 0])} slides over the image {told(X[0, ..., 0])}, with stride "
        f"1, no padding and b = 0. What is Z? For dZ = {told(dZ[0, ..., 0])}, what is dX?",
        f"Z = {told(Z[0, ..., 0])}, dX = {told(dX[0, ..., 0])}",
    )


def votes(rng: Generator) -> Variant:
    """17: the scores of a mean, and one vote."""
    X, W, b = whole(rng, 1, 2, 2, 2), whole(rng, 2, 2), whole(rng, 2)
    return (
        f"The last maps of a network are {told(X[0])}: two rows, two columns, two channels. Their "
        f"means go through W = {told(W)}, b = {told(b)}. Which scores result, and which scores "
        "does the position in row 0 and column 0 vote for?",
        f"{told(linear_scores(GlobalMeanPool().forward(X), W, b)[0])}, "
        f"{told(linear_scores(X[:, 0, 0], W, b)[0])}",
    )


def attack(rng: Generator) -> Variant:
    """18: a sign step against an affine map."""
    x, y = rng.integers(1, 10, (1, 3)) / 10, rng.integers(2)
    W = np.stack([rng.choice(np.arange(-4.0, 5.0), 2, replace=False) for _ in range(3)])
    model = Sequential([Affine(3, 2)])
    model.params["0.W"][...] = W
    return (
        f"An image of three numbers from 0 to 1, {told(x[0])}, is of class {y}. The scores of the "
        f"classes 0 and 1 are x W with W = {told(W)}. Which image does one sign step with "
        "eps = 0.2 make of it, inside the range?",
        told(sign_step(model, x, np.array([y]), eps=0.2)[0]),
    )


def fork(rng: Generator) -> Variant:
    """19: gradients that meet at a fork."""
    u, v = whole(rng, 3), whole(rng, 3)
    U, V = Tensor(u), Tensor(v)
    ((U * V).relu() + U * U).sum().backward()
    return (
        f"U = Tensor({told(u)}), V = Tensor({told(v)}). After "
        "((U * V).relu() + U * U).sum().backward(), what are U.grad and V.grad?",
        f"{told(U.grad)}, {told(V.grad)}",
    )


def axes(rng: Generator) -> Variant:
    """20: the order of axes in PyTorch."""
    size, C, F = (int(rng.integers(*ends)) for ends in [(2, 8), (1, 65), (1, 129)])
    N, rows, columns = (int(number) for number in rng.integers(8, 65, size=3))
    filters = to_pytorch(np.empty((size, size, C, F), dtype=np.int8)).shape
    images = channels_first(np.empty((N, rows, columns, C), dtype=np.int8)).shape
    return (
        f"Our filters have the shape ({size}, {size}, {C}, {F}) and meet images ({N}, {rows}, "
        f"{columns}, {C}). Which shapes have both in PyTorch?",
        f"{filters}, {images}",
    )


def letters(rng: Generator) -> Variant:
    """21: a smoothed count in bits, and the rows that an embedding's gradient collects."""
    followed, more = (int(number) for number in rng.integers(0, 6, size=2))
    ids = rng.permutation([0, 2, 2, int(rng.integers(3))])
    layer = Embedding(3, 1)
    layer.forward(ids[np.newaxis])
    layer.backward(dE := whole(rng, 1, 4, 1))
    bits = -np.log2((followed + 1) / (followed + more + 8))
    return (
        f"An alphabet has 8 letters. After a context one letter came {followed} times, and others "
        f"came {more} times. How many bits does this letter cost there, with 1 added to each "
        f"count? And a window {ids.tolist()} enters an embedding with 3 rows of one number each; "
        f"{told(dE[0, :, 0])} comes back. Which gradients do the rows get?",
        f"{told(bits)}, {told(layer.grads['W'][:, 0])}",
    )


def unrolled(rng: Generator) -> Variant:
    """22: one state of one number, and the weight that serves every step."""
    w, (x,) = int(rng.choice([-3, -2, 2, 3])), whole(rng, 1, 3)
    h0, h1 = x[0], w * x[0] + x[1]
    return (
        f"A state of one number starts at 0, and h_t = w h_(t-1) + x_t with w = {w} and x = "
        f"{told(x)}. The loss is the last state. What is the last state, and what is dw?",
        f"{told(w * h1 + x[2])}, dw = {told(h1 + w * h0)}",
    )


def look(rng: Generator) -> Variant:
    """23: the shares and the answer of one query, and which scores should grow."""
    E, values, dA = weights(rng, 1, 3), whole(rng, 3), rng.choice([-2.0, -1.0, 1.0, 2.0])
    K = np.log(E).T  # with a query of 1 the scores are the keys: D = 1
    P = attention_weights(np.ones((3, 1)), K)[:1]
    dS = P[0] * dA * (values - P[0] @ values)
    return (
        f"A query meets three keys, and its scores, already divided, are log {told(E[0])}. The "
        f"values are the numbers {told(values)}. Which shares does it take, and what does it hear? "
        f"From above comes dA = {told(dA)}: what is dS?",
        f"{told(P[0])}, {told(P[0] @ values)}, dS = {told(dS)}",
    )


def tied(rng: Generator) -> Variant:
    """24: both ends of a tied table with two letters, a number each, and nothing between."""
    w, dS = rng.permutation(np.arange(1.0, 6))[:2], rng.permutation(np.arange(-3.0, 4))[:2]
    table = Embedding(2, 1)
    table.params["W"][...] = w[:, np.newaxis]
    head = TiedHead(table)
    head.forward(table.forward(np.array([[0]])))
    table.backward(head.backward(dS.reshape(1, 1, 2)))
    return (
        f"A tied table holds one number for each of two letters, w = {told(w)}. The network reads "
        "letter 0, nothing stands between the two ends, and the scores x w have the gradient "
        f"dS = {told(dS)}. What does the top end bring to dw, and what the bottom end?",
        f"{told(head.dW[:, 0])}, {told(table.grads['W'][:, 0])}",
    )


def spectral(rng: Generator) -> Variant:
    """25: the best step of a spectral size, and what a coin leaves unseen."""
    G = np.diag(whole(rng, 2))
    drop = np.abs(np.diag(G)).sum()
    views = int(rng.integers(2, 9))
    return (
        f"A layer with two inputs and two scores has the gradient {told(G)}. Which step with no "
        "singular value above 1 lowers the loss most, and by how much to first order? And how many "
        f"of its two views has an image shown on average after {views} epochs, if a coin mirrors "
        "it in each?",
        f"{told(0 - np.sign(G))}, {told(drop)}, {told(2 - 2.0 ** (1 - views))}",
    )


EVERY = [scores, loss, difference, score_gradient, descent, affine, two_layers, epoch, momentum]
EVERY += [softmax_twice, log_scale, parameters, residual, norm, smoothing, convolution, votes]
EVERY += [attack, fork, axes, letters, unrolled, look, tied, spectral]
VARIANTS: dict[str, Callable[[Generator], Variant]] = {
    f"{number:02}": question for number, question in enumerate(EVERY, start=1)
}


if __name__ == "__main__":
    main()
