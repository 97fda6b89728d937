"""Layers and chains of them: gradients, prediction mode, types, training, and what is refused."""

import importlib.util

import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import SEEDS, SHAPES, bits, close, for_all, is_refused

from cs231n_utils import TwoLayerNet
from cs231n_utils.taught.layers import (
    Affine,
    BatchNorm,
    Dropout,
    Flatten,
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
    batch_norm,
    batch_norm_backward,
    deep_net,
    layer_norm,
    layer_norm_backward,
)
from tools import layer_errors

HAS_TORCH = importlib.util.find_spec("torch") is not None


@pytest.mark.parametrize(("name", "shape", "training"), [*layer_errors.cases()])
def test_gradients_of_every_layer_equal_central_differences_and_pytorchs(name, shape, training):
    numerical, peer = layer_errors.errors(name, shape, training)
    assert numerical <= 1e-7
    assert peer is None or peer <= 1e-13


NORMS = st.sampled_from(
    [(BatchNorm, batch_norm, batch_norm_backward), (LayerNorm, layer_norm, layer_norm_backward)]
)


@for_all(norm=NORMS, N=st.integers(2, 6), D=st.integers(1, 5), seed=SEEDS)
def test_a_norms_layer_and_its_functions_are_one(norm, N, D, seed):
    (kind, function, backward), rng = norm, np.random.default_rng(seed)
    layer, X, dY = kind(D), rng.standard_normal((N, D)), rng.standard_normal((N, D))
    gamma, beta = layer.params.values()
    gamma[...], beta[...] = rng.standard_normal((2, D))
    before = bits(X, dY, gamma, beta)
    close(layer.forward(X, training=True), function(X, gamma, beta))
    for a, b in zip(
        [layer.backward(dY), *layer.grads.values()], backward(dY, X, gamma), strict=True
    ):
        close(a, b, 1e-10)
    assert bits(X, dY, gamma, beta) == before


@for_all(N=st.integers(2, 7), D=st.integers(1, 4), decay=st.floats(0, 0.99), seed=SEEDS)
def test_running_averages_are_those_of_twenty_batches(N, D, decay, seed):
    """Of an unbiased variance; prediction uses them and leaves them alone."""
    layer, rng = BatchNorm(D, decay=decay), np.random.default_rng(seed)
    arrays, mean, variance = dict(layer.state), np.zeros(D), np.ones(D)
    for _ in range(20):
        X = rng.standard_normal((N, D)) + 3
        layer.forward(X, training=True)
        mean = decay * mean + (1 - decay) * X.mean(axis=0)
        variance = decay * variance + (1 - decay) * X.var(axis=0) * N / (N - 1)
    close([layer.state["mean"], layer.state["variance"]], [mean, variance])
    before = bits(*layer.state.values())
    Y = layer.forward(X[:1])
    close(Y, (X[:1] - mean) / np.sqrt(variance + layer.eps))
    assert bits(*layer.state.values()) == before
    assert all(layer.state[key] is array for key, array in arrays.items())


@pytest.mark.skipif(not HAS_TORCH, reason="a peer that is not installed")
def test_running_averages_and_prediction_are_pytorchs_after_twenty_batches():
    import torch

    layer, peer = BatchNorm(4, decay=0.8), torch.nn.BatchNorm1d(4, momentum=0.2, dtype=torch.double)
    rng = np.random.default_rng(0)
    for _ in range(20):
        X = rng.standard_normal((5, 4)) * [1, 2, 3, 4] + 1
        close(layer.forward(X, training=True), peer(torch.tensor(X)).detach().numpy())
    close(layer.state["mean"], peer.running_mean.numpy())
    close(layer.state["variance"], peer.running_var.numpy())
    close(layer.forward(X), peer.eval()(torch.tensor(X)).detach().numpy())


@for_all(keep=st.floats(0.1, 1), N=st.integers(1, 40), seed=SEEDS)
def test_dropout_keeps_or_zeroes_and_predicts_without(keep, N, seed):
    layer, X = Dropout(keep, rng=seed), np.full((N, 3), 2.0)
    Y = layer.forward(X, training=True)
    assert np.array_equal(Y == 0, layer.mask == 0)
    close(Y[Y > 0], 2 / keep)
    assert np.array_equal(layer.backward(X), Y)
    assert np.array_equal(layer.forward(X), X)
    assert np.array_equal(layer.backward(X), X)
    layer.redraw = False
    assert np.array_equal(layer.forward(X, training=True), Y)
    assert layer.forward(X[:1], training=True).shape == (1, 3)


def test_dropout_has_the_expectation_of_its_input_and_draws_anew():
    layer, X = Dropout(0.4), np.ones((200, 500))
    Y = layer.forward(X, training=True)
    assert abs(Y.mean() - 1) < 0.02
    assert abs(Y.var() - 0.6 / 0.4) < 0.02
    assert abs(np.mean((layer.forward(X, training=True) == 0) == (Y == 0)) - 0.52) < 0.01


def parts(dtype=np.float64, seed=0):
    """A chain of every kind of layer; its dropout keeps its mask."""
    rng = np.random.default_rng(seed)
    dropout = Dropout(0.7, rng=rng)
    dropout.redraw = False
    inner = [Affine(6, 6, rng=rng, dtype=dtype), LayerNorm(6, dtype=dtype), ReLU()]
    layers = [Flatten(), Affine(12, 6, rng=rng, dtype=dtype), BatchNorm(6, dtype=dtype), ReLU()]
    layers += [Residual(inner), dropout, Affine(6, 3, rng=rng, dtype=dtype)]
    return Sequential(layers)


def test_float32_stays_float32_through_forward_backward_and_state():
    model, rng = parts(np.float32), np.random.default_rng(0)
    X, y = rng.standard_normal((8, 2, 6)).astype(np.float32), np.arange(8) % 3
    grads = model.loss(X, y, 0.1)[1]
    arrays = [*model.params.values(), *model.state.values(), *grads.values()]
    for layer in model.layers:
        X = layer.forward(X, True)
        arrays.append(X)
    for layer in model.layers[::-1]:
        X = layer.backward(X)
        arrays.append(X)
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    twin, wide = parts(), rng.standard_normal((8, 2, 6))
    for key, value in (twin.params | twin.state).items():
        value[...] = (model.params | model.state)[key]
    close(twin.loss(wide, y, 0.1)[0], model.loss(wide.astype(np.float32), y, 0.1)[0], 1e-4)


def bits_of(loss, grads):
    return bits(loss, *grads.values())


@for_all(shape=SHAPES, seed=SEEDS, reg=st.sampled_from([0.0, 0.3]))
def test_two_affine_maps_are_the_two_layer_network_bit_for_bit(shape, seed, reg):
    """Scores, loss, gradients and a run of training."""
    (N, D, H, C), rng = shape, np.random.default_rng(seed)
    net, X, y = TwoLayerNet(D, H, C, std=0.5, rng=seed), *data(rng, N, D, C)
    model = deep_net([D, H, C], std=0.5, rng=seed)
    assert bits(*model.params.values()) == bits(*net.params.values())
    for value, other in zip(model.params.values(), net.params.values(), strict=True):
        value[...] = other[...] = rng.standard_normal(value.shape)
    assert bits(model.loss(X)) == bits(net.loss(X))
    assert bits_of(*model.loss(X, y, reg)) == bits_of(*net.loss(X, y, reg))
    options = {"learning_rate": 0.1, "reg": reg, "num_iters": 5, "batch_size": 3}
    history, other = (each.train(X, y, X, y, **options) for each in (model, net))
    assert history == other
    assert bits(*model.params.values()) == bits(*net.params.values())
    assert np.array_equal(model.predict(X), net.predict(X))


def data(rng, N, D, C):
    return rng.standard_normal((N, D)), rng.integers(0, C, N)


def test_keys_name_the_layers_and_their_arrays():
    model = parts()
    assert [*model.state] == ["2.mean", "2.variance"]
    assert [*model.params][:4] == ["1.W", "1.b", "2.gamma", "2.beta"]
    assert model.params["4.0.W"] is model.layers[4].layers[0].params["W"]
    grads = model.loss(np.ones((4, 12)) * np.arange(4)[:, None], np.arange(4) % 3)[1]
    assert grads.keys() == model.params.keys()


def test_a_loss_renews_averages_and_scores_do_not():
    model, X = parts(), np.random.default_rng(0).standard_normal((6, 12))
    before = bits(*model.state.values())
    first = model.predict(X), bits(model.scores(X), model.loss(X))
    assert bits(*model.state.values()) == before
    model.loss(X, np.arange(6) % 3)
    assert bits(*model.state.values()) != before
    assert first[1] != bits(model.scores(X), model.loss(X))
    alone = np.concatenate([model.scores(X[n : n + 1]) for n in range(6)])
    close(model.scores(X), alone)


def test_keep_best_puts_the_running_averages_back_with_the_parameters(monkeypatch):
    """Validation accuracy falls after the first epoch: what is kept is the first epoch's."""
    rng = np.random.default_rng(0)
    X, y = data(rng, 20, 12, 3)
    options = {"learning_rate": 0.5, "num_iters": 4, "batch_size": 5, "keep_best": True}
    once, long = parts(), parts()
    once.train(X, y, X, y, **options)
    answers = iter([0.5, 0.9] + [0.5, 0.1] * 5)
    monkeypatch.setattr("cs231n_utils.taught.training.accuracy", lambda *_: next(answers))
    long.train(X, y, X, y, **options | {"num_iters": 24})
    for name in ("params", "state"):
        kept, first = getattr(long, name), getattr(once, name)
        for key, value in kept.items():
            assert np.array_equal(value, first[key]), key


BATCH = np.ones((4, 3))
REFUSED = [
    (
        lambda: BatchNorm(3).forward(BATCH[:1], True),
        "a batch of 1 is .* at least 2",
    ),
    (lambda: deep_net([3, 4, 2], norm=BatchNorm).loss(BATCH[:1], [0]), "a batch of 1 is too small"),
    *(
        (lambda keep=keep: Dropout(keep), "keep must be above 0 and at most 1")
        for keep in (0, -0.5, 1.01, np.nan, np.inf)
    ),
    (
        lambda: Sequential([Affine(3, 4), ReLU(), Affine(5, 2, rng=1)]),
        "layers\\[0\\], Affine\\(3, 4\\), gives 4 numbers, but layers\\[2\\], Affine\\(5, 2\\)",
    ),
    (
        lambda: Residual([Affine(3, 4), BatchNorm(5), Affine(5, 3, rng=1)]),
        "layers\\[0\\], Affine\\(3, 4\\), gives 4 .* layers\\[1\\], BatchNorm\\(5\\), takes 5",
    ),
    (
        lambda: Sequential([Affine(3, 4), Residual([Affine(5, 5, rng=1)])]),
        "layers\\[1\\], Residual\\(5\\), takes 5",
    ),
    (lambda: Residual([Affine(3, 4)]).forward(BATCH), "must have shape \\(4, 3\\), not \\(4, 4\\)"),
    (lambda: Sequential([]), "at least one layer"),
    (lambda: Affine(3, 0), "at least 1"),
    (lambda: Affine(3, 2, std=np.nan), "std must be at least 0 and finite"),
    (lambda: BatchNorm(0), "size must be a whole number"),
    (lambda: BatchNorm(3, eps=0.0), "eps must be"),
    (lambda: BatchNorm(3, decay=1.0), "decay must be at least 0 and below 1"),
    (
        lambda: Affine(3, 2).forward(np.ones((4, 5))),
        "Affine\\(3, 2\\) must have shape \\(N, 3\\)",
    ),
    (lambda: LayerNorm(3).forward(np.ones((2, 2, 3))), "Flatten\\(\\), makes images rows"),
    (lambda: deep_net([3, 2]).loss(np.full((2, 3), np.nan), [0, 1]), "NaN or infinite"),
    (lambda: deep_net([3, 2]).loss(BATCH, [0, 1, 2, 0]), "labels must lie in 0..1"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_no_layer_can_do_is_refused_with_the_reason(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", layer_errors.MAKE)
def test_backward_before_forward_is_refused(name):
    shapes = layer_errors.SHAPES + layer_errors.IMAGES
    layer = next(layer for layer in map(layer_errors.MAKE[name], shapes) if layer)
    with pytest.raises(RuntimeError, match=r"\): backward before forward"):
        layer.backward(BATCH)


def test_a_layer_stands_in_a_chain_once():
    layer = ReLU()
    with pytest.raises(ValueError, match=r"layers\[2\], ReLU\(\), stands in the chain twice"):
        Sequential([layer, Affine(3, 3), layer])
    with pytest.raises(TypeError, match=r"layers\[1\] must be a layer, such as ReLU\(\)"):
        Sequential([Affine(3, 3), ReLU])


@pytest.mark.parametrize("key", ["1.W", "2.gamma", "4.0.W"])
def test_a_parameter_that_was_replaced_is_refused(key):
    model = inner = parts()
    for place in key.split(".")[:-1]:
        inner = inner.layers[int(place)]
    for owner, own_key in [(model, key), (inner, key.rpartition(".")[2])]:
        array = owner.params[own_key]
        owner.params[own_key] = array + 1
        with pytest.raises(ValueError, match=rf"params\['{key}'\] was replaced .* the old one"):
            model.loss(np.ones((2, 12)))
        owner.params[own_key] = array


def test_equal_seeds_warn_and_one_generator_does_not():
    with pytest.warns(UserWarning, match="pass rng=rng to each"):
        Sequential([Affine(3, 3), ReLU(), Affine(3, 3)])
    assert not is_refused(deep_net, [3, 3, 3, 3], rng=0)


def test_a_loss_spares_the_first_gradient_of_inputs_and_the_layer_alone_still_gives_it():
    model, X = deep_net([3, 4, 2]), np.random.default_rng(0).standard_normal((5, 3))
    model.loss(X, np.arange(5) % 2)
    layer = model.layers[0]
    dX = layer.backward(np.ones_like(layer.forward(X)))
    assert np.array_equal(dX, np.ones((5, 4)) @ layer.params["W"].T)
