"""The optimizers of notebook 09 follow PyTorch's, and what they refuse."""

import importlib.util

import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import SEEDS, bits, for_all

from cs231n_utils.taught.optimizers import SGD, Adam, RMSprop, linear_decay

OPTIMIZERS = {
    "plain": lambda: SGD(0.01),
    "momentum": lambda: SGD(0.01, momentum=0.9),
    "RMSprop": lambda: RMSprop(0.01, decay=0.9, eps=1e-3),
    "Adam": lambda: Adam(0.01),
    "AdamW": lambda: Adam(0.02, beta1=0.8, beta2=0.99, eps=1e-3, weight_decay=0.1),
}
# W and b of `follow` after 100 steps of PyTorch 2.13.0's SGD, RMSprop and AdamW on the CPU, in
# float64, with the options of OPTIMIZERS; computed once by `torch_parameters` below.
REFERENCE = {
    "plain": [
        1.334661298425,
        -1.439749191147,
        0.999023805867,
        1.502603866007,
        -0.195786767341,
        0.059975504070,
    ],
    "momentum": [
        1.563368210228,
        -1.684893411431,
        1.562070871510,
        -1.681427315930,
        -0.706833312268,
        1.451841300802,
    ],
    "RMSprop": [
        1.472350649150,
        -1.504503493646,
        1.123896085860,
        2.444783968895,
        -0.266440582808,
        -0.167924577651,
    ],
    "Adam": [
        1.420934886359,
        -1.593031023971,
        1.047668975377,
        2.537466230581,
        -0.178825081849,
        -0.258158872252,
    ],
    "AdamW": [
        1.512387719226,
        -1.385415414399,
        1.414666107609,
        2.002256564518,
        -0.513227977312,
        0.026130488502,
    ],
}


def gradient(params):
    """Of a function of W (2, 2) and b (2,) with no symmetry, in arrays or tensors alike."""
    W, b = params["W"], params["b"]
    return {"W": W**3 - 2 * W + b, "b": 3 * b + W.sum(0) - 1}


def start():
    return {"W": np.array([[1.0, -2.0], [0.5, 3.0]]), "b": np.array([0.3, -0.7])}


def follow(optimizer):
    """All entries of the parameters after each of 100 steps, whose rate falls on a line."""
    params, path, first_rate = start(), [], optimizer.learning_rate
    for step in range(100):
        optimizer.learning_rate = first_rate * linear_decay(step / 100)
        optimizer.step(params, gradient(params))
        path.append(np.concatenate([params["W"].ravel(), params["b"]]))
    return np.array(path)


def torch_parameters(name):
    """The same path, of PyTorch's optimizers."""
    import torch

    tensors = {key: torch.tensor(value) for key, value in start().items()}
    values, optim = list(tensors.values()), torch.optim
    optimizer = {
        "plain": lambda: optim.SGD(values, lr=0.01),
        "momentum": lambda: optim.SGD(values, lr=0.01, momentum=0.9),
        "RMSprop": lambda: optim.RMSprop(values, lr=0.01, alpha=0.9, eps=1e-3),
        "Adam": lambda: optim.Adam(values, lr=0.01),
        "AdamW": lambda: optim.AdamW(
            values, lr=0.02, betas=(0.8, 0.99), eps=1e-3, weight_decay=0.1
        ),
    }[name]()
    schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 100)
    path = []
    for _ in range(100):
        for key, slope in gradient(tensors).items():
            tensors[key].grad = slope
        optimizer.step()
        schedule.step()
        path.append(torch.cat([value.ravel() for value in values]).numpy().copy())
    return np.array(path)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_steps_are_pytorchs(name):
    path = follow(OPTIMIZERS[name]())
    assert np.abs(path[-1] - REFERENCE[name]).max() <= 1e-9
    if importlib.util.find_spec("torch"):
        assert np.abs(path - torch_parameters(name)).max() <= 1e-9


@for_all(seed=SEEDS, name=st.sampled_from(list(OPTIMIZERS)), dtype=st.sampled_from(["f4", "f8"]))
def test_steps_are_made_in_place_and_keep_gradients_and_types(seed, name, dtype):
    rng = np.random.default_rng(seed)
    params = {"W": rng.standard_normal((3, 2)).astype(dtype), "b": np.zeros(2, dtype)}
    arrays, optimizer = dict(params), OPTIMIZERS[name]()
    for _ in range(3):
        grads = {key: rng.standard_normal(v.shape).astype(dtype) for key, v in params.items()}
        before = bits(*grads.values())
        optimizer.step(params, grads)
        assert bits(*grads.values()) == before
    assert all(params[key] is arrays[key] for key in arrays)
    assert all(value.dtype == dtype and np.isfinite(value).all() for value in params.values())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0.0), "learning_rate must be a finite number above 0"),
        (lambda: SGD(0.1, momentum=1.0), "momentum must be at least 0 and below 1"),
        (lambda: RMSprop(0.1, decay=-0.1), "decay must be"),
        (lambda: RMSprop(0.1, eps=0.0), "eps must be"),
        (lambda: Adam(np.inf), "learning_rate must be"),
        (lambda: Adam(beta1=1.0), "beta1 must be"),
        (lambda: Adam(beta2=1.5), "beta2 must be"),
        (lambda: Adam(weight_decay=-1.0), "at least 0"),
    ],
)
def test_what_cannot_step_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
