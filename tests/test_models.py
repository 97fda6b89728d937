"""The networks: their arithmetic against independent witnesses.

The plain reference below is written for complex numbers, so that its derivatives come from the
complex step, f'(x) = Im f(x + ih) / h, which has no round-off (W. Squire and G. Trapp, "Using
complex variables to estimate derivatives of real functions", SIAM Review, 1998).
"""

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st
from strategies import NOT_FINITE, REGS, SEEDS, SHAPES, SIZES, bits, close, for_all, is_refused

from cs231n_utils import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.taught.models import forward


def problem(shape, seed, kind=TwoLayerNet, dtype=np.float64):
    """A model with random parameters, inputs and labels."""
    (N, D, H, C), rng = shape, np.random.default_rng(seed)
    sizes = (D, H, C) if kind is TwoLayerNet else (D, C)
    model, X = kind(*sizes, dtype=dtype), rng.standard_normal((N, D)).astype(dtype)
    for value in model.params.values():
        value[...] = 0.7 * rng.standard_normal(value.shape)
    return model, X, rng.integers(0, C, N)


def reference_scores(params, X):
    """Scores of either model; params may be complex."""
    *hidden, W, b = params.values()
    if hidden:
        Z = X @ params["W1"] + params["b1"]
        X = np.where(Z.real > 0, Z, 0)  # the mask stands on the pre-activation
    return X @ W + b


def reference_loss(params, X, y, reg):
    """Half-L2 loss of either model, one example at a time; params may be complex."""
    total = 0
    for s, label in zip(reference_scores(params, X), y, strict=True):
        top = s.real.max()
        total += top + np.log(np.exp(s - top).sum()) - s[label]
    squares = sum(np.sum(value**2) for name, value in params.items() if name.startswith("W"))
    return total / len(y) + 0.5 * reg * squares


def complex_step_gradient(params, name, X, y, reg, h=1e-100):
    gradient = np.zeros_like(params[name])
    for index in np.ndindex(gradient.shape):
        shifted = {key: value.astype(complex) for key, value in params.items()}
        shifted[name][index] += 1j * h
        gradient[index] = reference_loss(shifted, X, y, reg).imag / h
    return gradient


MODELS = st.sampled_from([TwoLayerNet, SoftmaxClassifier])


@for_all(shape=SHAPES, seed=SEEDS, reg=REGS, kind=MODELS, max_examples=120)
def test_scores_loss_and_gradients_equal_the_reference(shape, seed, reg, kind):
    model, X, y = problem(shape, seed, kind)
    before = bits(X, y, *model.params.values())
    loss, grads = model.loss(X, y, reg)
    assert bits(X, y, *model.params.values()) == before
    close(model.loss(X), reference_scores(model.params, X))
    close(loss, reference_loss(model.params, X, y, reg))
    assert grads.keys() == model.params.keys()
    for name, gradient in grads.items():
        close(gradient, complex_step_gradient(model.params, name, X, y, reg))


@for_all(shape=SHAPES, seed=SEEDS, reg=REGS)
def test_network_in_float32_is_close_to_float64(shape, seed, reg):
    """Within 1e-4: a thousand roundings of float32, which has 7 digits."""
    net, X, y = problem(shape, seed, dtype=np.float32)
    twin = TwoLayerNet(*shape[1:])
    twin.params = {name: value.astype(np.float64) for name, value in net.params.items()}
    assume(np.abs(forward(twin.params, X.astype(np.float64))[0]).min() > 1e-5)  # off the kinks
    assert net.loss(X).dtype == np.float32
    loss, grads = net.loss(X, y, reg)
    twin_loss, twin_grads = twin.loss(X.astype(np.float64), y, reg)
    close(loss, twin_loss, 1e-4)
    for name, gradient in grads.items():
        assert gradient.dtype == np.float32
        close(gradient, twin_grads[name], 1e-4)


@for_all(shape=SHAPES, seed=SEEDS)
def test_predictions_are_the_largest_scores_whatever_the_batch(shape, seed):
    net, X, _ = problem(shape, seed)
    scores, labels = net.loss(X), net.predict(X)
    assert [scores[n, label] for n, label in enumerate(labels)] == scores.max(axis=1).tolist()
    alone = [net.predict(X[n : n + 1])[0] for n in range(len(X))]
    assert labels.tolist() == alone


def test_initial_weights_have_the_asked_spread_and_seeds_differ():
    net, other = (TwoLayerNet(200, 300, 10, std=0.02, rng=seed) for seed in (5, 6))
    assert net.params["W1"].std() == pytest.approx(0.02, rel=0.02)
    assert not np.array_equal(net.params["W1"], other.params["W1"])
    assert not np.concatenate([net.params["b1"], net.params["b2"]]).any()


NAMES = ["input_size", "hidden_size", "output_size"]
WRONG = {name: st.sampled_from([0, -1]) for name in NAMES} | {
    "std": NOT_FINITE | st.floats(max_value=-1e-300),
    "dtype": st.sampled_from([np.float16, int, bool, complex]),
}


@for_all(
    sizes=st.tuples(SIZES, SIZES, SIZES),
    options=st.fixed_dictionaries(
        {"std": st.floats(0, 5), "dtype": st.sampled_from([np.float64, np.float32])}
    ),
    seed=SEEDS,
    wrong=st.just({}) | st.one_of([st.fixed_dictionaries({name: WRONG[name]}) for name in WRONG]),
    max_examples=200,
)
def test_networks_are_made_exactly_when_their_options_are_valid(sizes, options, seed, wrong):
    named = dict(zip(NAMES, sizes, strict=True))
    assert is_refused(TwoLayerNet, **(named | options | wrong)) == bool(wrong)
    D, H, C = sizes
    params = TwoLayerNet(*sizes, **options, rng=seed).params
    shapes = {name: value.shape for name, value in params.items()}
    assert shapes == {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    assert {value.dtype for value in params.values()} == {np.dtype(options["dtype"])}
    same = TwoLayerNet(*sizes, **options, rng=np.random.default_rng(seed)).params
    assert bits(*params.values()) == bits(*same.values())


def test_broken_parameters_never_predict():
    net = TwoLayerNet(6, 5, 4)
    net.params["W2"][0, 0] = np.nan
    net.params["b1"][0] = 1.0
    with pytest.raises(ValueError, match="the parameters are broken"):
        net.predict(np.ones((5, 6)))
