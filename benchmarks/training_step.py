"""Milliseconds of one training step of a 3072-H-10 network, batch 200, side by side in one run.

    python -m benchmarks.training_step

The contenders train the same network by the same minibatch SGD with weight decay, in their own
loops, on 20,000 random examples: more than a cache holds, so that every batch is gathered from
memory. Every contender takes a time stamp at each step, so set-up and evaluation do not count.

The limit is the two large matrix products that no implementation can avoid, X @ W1 and X.T @ dZ,
alone, on a batch that was just gathered. `bare` is the arithmetic of `TwoLayerNet.train` without
one check: what `train` adds to it is the price of safety. Everything is measured with one thread
and with all. Before the clock starts, `check_same_mathematics` asserts
that all contenders compute the same.
"""

import time
from functools import partial
from itertools import count, islice

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from torch.nn.functional import cross_entropy

from benchmarks.side_by_side import (
    WARM_UP,
    interleaved,
    median_step,
    one_thread_and_all,
    print_conditions,
    print_table,
    ratios,
    save,
)
from cs231n_utils.plots import COLORS, subplots
from cs231n_utils.taught.models import TwoLayerNet
from cs231n_utils.taught.optimizers import SGD
from cs231n_utils.threads import use_all_threads

N, D, C = 20_000, 3072, 10
HIDDEN_SIZES = (50, 100, 500)
BATCH_SIZE = 200
LEARNING_RATE = 1e-2
REG = 1e-2
STEPS = 45  # in each round
ROUNDS = 20
LIMIT = "two products alone (limit)"
OURS = "TwoLayerNet.train"
BARE = "the same arithmetic, bare"


def ours(X, y, params, steps=STEPS, momentum=0.0):
    """`TwoLayerNet.train` as it is; `schedule` is called once a step and takes the time stamp."""
    net, stamps = make_net(params), []

    def stamp(_):
        stamps.append(time.perf_counter())
        return 1.0

    net.train(
        X, y, X[:10], y[:10], LEARNING_RATE, 1.0, REG, steps, BATCH_SIZE,
        optimizer=SGD(LEARNING_RATE, momentum) if momentum else None, schedule=stamp,
    )  # fmt: skip
    return stamps, net.params


def bare(X, y, params, steps=STEPS):
    """The arithmetic of `TwoLayerNet.train`, statement by statement, and nothing else."""
    params = {name: value.copy() for name, value in params.items()}
    rng, rows, stamps, losses = np.random.default_rng(0), np.arange(BATCH_SIZE), [], []
    batches = (
        batch for _ in count() for batch in np.split(rng.permutation(len(X)), len(X) // BATCH_SIZE)
    )
    for batch in islice(batches, steps):
        stamps.append(time.perf_counter())
        X_batch, y_batch = X.take(batch, axis=0), y[batch]
        W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
        Z = X_batch @ W1 + b1
        A = np.maximum(Z, 0)
        S = A @ W2 + b2
        shifted = S - S.max(axis=1, keepdims=True)
        loss = np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, y_batch])
        E = np.exp(S - S.max(axis=1, keepdims=True))
        dS = E / E.sum(axis=1, keepdims=True)
        dS[rows, y_batch] -= 1
        dS /= BATCH_SIZE
        losses.append(float(loss) + 0.5 * REG * float(np.sum(W1**2) + np.sum(W2**2)))
        dZ = dS @ W2.T * (Z > 0)
        grads = {
            "W1": X_batch.T @ dZ + REG * W1,
            "b1": dZ.sum(axis=0),
            "W2": A.T @ dS + REG * W2,
            "b2": dS.sum(axis=0),
        }
        for name in params:
            params[name] -= LEARNING_RATE * grads[name]
    return stamps, params


def pytorch(X, y, params, steps=STEPS):
    """The fastest of the usual ways in PyTorch: tensors, autograd and updates in place.

    `nn.Sequential` with `torch.optim.SGD`, plain or fused, takes longer.
    """
    X, y, stamps, losses = torch.from_numpy(X), torch.from_numpy(y), [], []  # no copies
    params = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    W1, b1, W2, b2 = params.values()
    batches = (batch for _ in count() for batch in torch.randperm(len(X)).split(BATCH_SIZE))
    for batch in islice(batches, steps):
        stamps.append(time.perf_counter())
        A = torch.relu(torch.addmm(b1, X[batch], W1))
        loss = cross_entropy(torch.addmm(b2, A, W2), y[batch])
        grads = torch.autograd.grad(loss, list(params.values()))
        with torch.no_grad():
            for name, gradient in zip(params, grads, strict=True):
                if name in ("W1", "W2"):
                    params[name].mul_(1 - LEARNING_RATE * REG)
                params[name].sub_(gradient, alpha=LEARNING_RATE)
        losses.append(loss.item())
    return stamps, {name: value.detach().numpy() for name, value in params.items()}


class StampedMLP(MLPClassifier):
    """scikit-learn's network with a time stamp at every batch of its own loop.

    The loop offers no callback: `_backprop` is the method that it calls once a batch.
    """

    def _backprop(self, *args):
        self.stamps.append(time.perf_counter())
        return super()._backprop(*args)


def scikit_learn(X, y, params, steps=None):
    """scikit-learn's fit loop; a call of `partial_fit` is one epoch of it, shuffled.

    steps : by default one epoch; a small number takes so many epochs of a single batch.
    """
    model = StampedMLP(
        (len(params["b1"]),),
        solver="sgd",
        alpha=REG * BATCH_SIZE,  # it divides the penalty by the size of the batch
        batch_size=BATCH_SIZE,
        learning_rate_init=LEARNING_RATE,
        momentum=0,
        nesterovs_momentum=False,
        random_state=0,
    )
    model.stamps = []
    model.partial_fit(X[:BATCH_SIZE], y[:BATCH_SIZE], classes=np.arange(C))  # makes its arrays
    for arrays, names in ((model.coefs_, ("W1", "W2")), (model.intercepts_, ("b1", "b2"))):
        for array, name in zip(arrays, names, strict=True):
            array[...] = params[name]
    model.stamps = []
    for _ in range(steps or 1):
        model.partial_fit(X, y)
    trained = {"W1": model.coefs_[0], "W2": model.coefs_[1]}
    return model.stamps, trained | {"b1": model.intercepts_[0], "b2": model.intercepts_[1]}


def cs231n_loss(params, X, y, reg):
    """Loss and gradients of the two-layer network in the steps that CS231n's assignment names."""
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    num_examples = X.shape[0]
    hidden = np.maximum(0, X.dot(W1) + b1)
    scores = hidden.dot(W2) + b2
    scores -= np.max(scores, axis=1, keepdims=True)
    exp_scores = np.exp(scores)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    data_loss = np.sum(-np.log(probs[range(num_examples), y])) / num_examples
    loss = data_loss + 0.5 * reg * np.sum(W1 * W1) + 0.5 * reg * np.sum(W2 * W2)
    dscores = probs
    dscores[range(num_examples), y] -= 1
    dscores /= num_examples
    grads = {"W2": hidden.T.dot(dscores), "b2": np.sum(dscores, axis=0)}
    dhidden = dscores.dot(W2.T)
    dhidden[hidden <= 0] = 0
    grads["W1"] = X.T.dot(dhidden)
    grads["b1"] = np.sum(dhidden, axis=0)
    grads["W2"] += reg * W2
    grads["W1"] += reg * W1
    return loss, grads


def cs231n_float64(X, y, params, steps=STEPS):
    """CS231n's loop: float64, every batch drawn with replacement."""
    params = {name: value.astype(np.float64) for name, value in params.items()}
    rng, stamps, losses = np.random.default_rng(0), [], []
    for _ in range(steps):
        stamps.append(time.perf_counter())
        batch = rng.choice(len(X), BATCH_SIZE)
        loss, grads = cs231n_loss(params, X[batch], y[batch], REG)
        losses.append(loss)
        for name in params:
            params[name] -= LEARNING_RATE * grads[name]
    return stamps, params


def limit(X, params):
    """Median seconds of the two large products; the gathering of the batch is not counted."""
    W1, times = params["W1"], []
    rng = np.random.default_rng(0)
    dZ = rng.standard_normal((BATCH_SIZE, W1.shape[1]), dtype=np.float32)
    for _ in range(STEPS):
        X_batch = X[rng.permutation(len(X))[:BATCH_SIZE]]
        start = time.perf_counter()
        _ = X_batch @ W1
        _ = X_batch.T @ dZ
        times.append(time.perf_counter() - start)
    return float(np.median(times[WARM_UP:]))


def make_net(params):
    """A float32 TwoLayerNet with copies of the parameters."""
    net = TwoLayerNet(D, len(params["b1"]), C, dtype=np.float32)
    net.params = {name: value.copy() for name, value in params.items()}
    return net


def check_same_mathematics(X, y, params):
    """Assert that the contenders agree: parameters after three steps, or loss and gradients.

    A data set of one batch gives every shuffled loop the same batches, up to their order of rows.
    The float32 parameters may differ by 16 roundings of the largest one.
    """
    X, y = X[:BATCH_SIZE], y[:BATCH_SIZE]
    _, expected = ours(X, y, params, steps=3)
    for contender in (bare, pytorch, scikit_learn):
        _, trained = contender(X, y, params, steps=3)
        for name, value in expected.items():
            rounding = np.finfo(np.float32).eps * np.abs(value).max()
            np.testing.assert_allclose(
                trained[name], value, rtol=0, atol=16 * rounding, err_msg=name
            )
    net = TwoLayerNet(D, len(params["b1"]), C)
    net.params = {name: value.astype(np.float64) for name, value in params.items()}
    loss, grads = net.loss(X.astype(np.float64), y, REG)
    other_loss, other_grads = cs231n_loss(net.params, X.astype(np.float64), y, REG)
    np.testing.assert_allclose(other_loss, loss, rtol=1e-12)
    for name in grads:
        np.testing.assert_allclose(other_grads[name], grads[name], rtol=1e-9, atol=1e-14)
    print(f"H = {len(params['b1'])}: the contenders compute the same")


def draw(outcome):
    """One panel for each H: bars of milliseconds, with the ratio to the limit."""
    fig, axes = subplots(1, len(outcome), figsize=(13, 4), sharey=True)
    for ax, (H, measured) in zip(axes, outcome.items(), strict=True):
        names = list(measured)[::-1]
        low, median, high = 1e3 * np.percentile(
            np.array([measured[name] for name in names]), (25, 50, 75), axis=1
        )
        colors = [COLORS[0] if OURS in name else COLORS[5] for name in names]
        ax.barh(names, median, xerr=(median - low, high - median), color=colors, capsize=3)
        ax.axvline(1e3 * np.median(measured[LIMIT]), color=COLORS[7], linestyle="--", linewidth=1)
        for place, name in enumerate(names):
            ratio = ratios(measured, LIMIT)[name][1]
            ax.text(1.03 * high[place], place, f"{ratio:.2f}x", va="center")
        ax.set(title=f"H = {H}", xlabel="ms a step", xlim=(0, 1.25 * high.max()))
        ax.grid(axis="y", visible=False)
    return fig


def compare(threads, X, y):
    """Measure all contenders with so many threads, print the tables; H -> seconds."""
    X64, outcome = X.astype(np.float64), {}
    for H in HIDDEN_SIZES:
        params = TwoLayerNet(D, H, C, dtype=np.float32).params
        check_same_mathematics(X, y, params)
        contenders = {
            LIMIT: partial(limit, X, params),
            BARE: partial(median_step, partial(bare, X, y, params)),
            OURS: partial(median_step, partial(ours, X, y, params)),
            f"{OURS}, momentum": partial(median_step, partial(ours, X, y, params, momentum=0.9)),
            "PyTorch": partial(median_step, partial(pytorch, X, y, params)),
            "scikit-learn": partial(median_step, partial(scikit_learn, X, y, params)),
            "CS231n's way, float64": partial(median_step, partial(cs231n_float64, X64, y, params)),
        }
        outcome[H] = interleaved(contenders, ROUNDS)
        title = f"3072-{H}-10, batch {BATCH_SIZE}, a step, {threads} thread{'s' * (threads > 1)}"
        print_table(title, outcome[H], LIMIT)
        low, median, high = ratios(outcome[H], BARE)[OURS]
        print(f"  train beside the bare arithmetic: {median:.3f} ({low:.3f} - {high:.3f})")
    return outcome


def main():
    """Check, measure, print and draw, with one thread and with all."""
    use_all_threads()
    print_conditions("numpy", "torch", "scikit-learn")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D), dtype=np.float32)
    y = rng.integers(0, C, N)
    for threads in one_thread_and_all():
        torch.set_num_threads(threads)
        outcome = compare(threads, X, y)
    save(draw(outcome), "training_step")


if __name__ == "__main__":
    main()
