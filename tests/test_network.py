"""The exported network: its arithmetic against independent witnesses, and its bad inputs.

The plain reference below is written for complex numbers, so that its derivatives come from the
complex step, f'(x) = Im f(x + ih) / h, which has no round-off (W. Squire and G. Trapp, "Using
complex variables to estimate derivatives of real functions", SIAM Review, 1998).
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from cs231n_utils.gradient_check import check_directions, check_gradient, relative_error
from cs231n_utils.taught.layers import affine_backward, relu, relu_backward
from cs231n_utils.taught.linear import accuracy, centre, linear_scores
from cs231n_utils.taught.losses import cross_entropy, softmax, softmax_loss
from cs231n_utils.taught.models import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.taught.training import train


def reference_loss(params, X, y, reg):
    """Half-L2 loss of the network, one example at a time; params may be complex."""
    total = 0
    for x, label in zip(X, y, strict=True):
        z = x @ params["W1"] + params["b1"]
        a = np.where(z.real > 0, z, 0)  # the mask stands on the pre-activation
        s = a @ params["W2"] + params["b2"]
        top = s.real.max()
        total += top + np.log(np.exp(s - top).sum()) - s[label]
    squares = np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2)
    return total / len(y) + 0.5 * reg * squares


def complex_step_gradient(params, name, X, y, reg, h=1e-100):
    gradient = np.zeros_like(params[name])
    for index in np.ndindex(gradient.shape):
        shifted = {key: value.astype(complex) for key, value in params.items()}
        shifted[name][index] += 1j * h
        gradient[index] = reference_loss(shifted, X, y, reg).imag / h
    return gradient


def random_problem(seed, N=7, D=6, H=5, C=4):
    rng = np.random.default_rng(seed)
    net = TwoLayerNet(D, H, C, std=0.7, rng=rng)
    for bias in ("b1", "b2"):
        net.params[bias] += 0.3 * rng.standard_normal(net.params[bias].shape)
    return net, rng.standard_normal((N, D)), rng.integers(0, C, N)


@pytest.fixture
def toy():
    """The toy network of Stanford CS231n's assignment 1, in its notebook two_layer_net."""
    net = TwoLayerNet(4, 10, 3)
    weights = np.random.RandomState(0)
    net.params["W1"] = 1e-1 * weights.randn(4, 10)
    net.params["W2"] = 1e-1 * weights.randn(10, 3)
    X = 10 * np.random.RandomState(1).randn(5, 4)
    return net, X, np.array([0, 1, 2, 2, 1])


def test_scores_equal_the_published_ones(toy):
    net, X, _ = toy
    published = [
        [-0.81233741, -1.27654624, -0.70335995],
        [-0.17129677, -1.18803311, -0.47310444],
        [-0.51590475, -1.01354314, -0.8504215],
        [-0.15419291, -0.48629638, -0.52901952],
        [-0.00618733, -0.12435261, -0.15226949],
    ]
    np.testing.assert_allclose(net.loss(X), published, rtol=0, atol=5e-9)


def test_loss_equals_the_published_one(toy):
    net, X, y = toy
    loss, _ = net.loss(X, y, reg=0.1)  # half-L2; without the half the course's reg is 0.05
    assert abs(loss - 1.30378789133) < 1e-10


@pytest.mark.parametrize("reg", [0.0, 0.1, 2.0])
def test_loss_and_every_gradient_of_the_toy_network(toy, reg):
    net, X, y = toy
    loss, grads = net.loss(X, y, reg)
    assert abs(loss - reference_loss(net.params, X, y, reg)) < 1e-10
    for name, gradient in grads.items():
        np.testing.assert_allclose(
            gradient, complex_step_gradient(net.params, name, X, y, reg), rtol=0, atol=1e-10
        )


@pytest.mark.parametrize("shape", [(7, 6, 5, 4), (1, 3, 2, 2), (4, 4, 4, 4), (3, 1, 8, 5)])
@pytest.mark.parametrize("reg", [0.0, 0.3])
def test_loss_and_every_gradient_on_random_shapes(shape, reg):
    net, X, y = random_problem(sum(shape), *shape)
    loss, grads = net.loss(X, y, reg)
    assert abs(loss - reference_loss(net.params, X, y, reg)) < 1e-10
    for name, gradient in grads.items():
        expected = complex_step_gradient(net.params, name, X, y, reg)
        assert relative_error(gradient, expected) < 1e-10
        check_gradient(lambda _: net.loss(X, y, reg)[0], net.params[name], gradient, name=name)


def test_large_network_along_random_directions():
    net = TwoLayerNet(3072, 50, 10, std=1e-2)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 3072)), rng.integers(0, 10, 50)
    _, grads = net.loss(X, y, 0.1)
    check_directions(lambda params: net.loss(X, y, 0.1)[0], net.params, grads)


def test_classifier_gradients():
    model = SoftmaxClassifier(5, 4)
    rng = np.random.default_rng(0)
    model.params = {"W": rng.standard_normal((5, 4)), "b": rng.standard_normal(4)}
    X, y = rng.standard_normal((6, 5)), rng.integers(0, 4, 6)
    _, grads = model.loss(X, y, 0.2)
    for name, gradient in grads.items():
        check_gradient(lambda _: model.loss(X, y, 0.2)[0], model.params[name], gradient, name=name)
    assert np.array_equal(model.loss(X), linear_scores(X, **model.params))


def test_layers_compose_to_the_network():
    net, X, y = random_problem(3)
    Z = linear_scores(X, net.params["W1"], net.params["b1"])
    A = relu(Z)
    _, dS = softmax_loss(linear_scores(A, net.params["W2"], net.params["b2"]), y)
    dA, dW2, db2 = affine_backward(dS, A, net.params["W2"])
    _, dW1, db1 = affine_backward(relu_backward(dA, Z), X, net.params["W1"])
    _, grads = net.loss(X, y)
    for name, gradient in {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}.items():
        assert relative_error(gradient, grads[name]) < 1e-12


def test_softmax_and_loss_at_extreme_scores():
    S = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e300, 1e300, -1e300]])
    P = softmax(S)
    np.testing.assert_allclose(P, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]], atol=1e-15)
    assert cross_entropy(S[:1], np.array([1])) == 2e4


def test_loss_leaves_its_arguments_alone():
    net, X, y = random_problem(0)
    before = [value.tobytes() for value in (X, y, *net.params.values())]
    S = net.loss(X)
    softmax(S), cross_entropy(S, y), softmax_loss(S, y), net.loss(X, y, 0.1), net.predict(X)
    assert [value.tobytes() for value in (X, y, *net.params.values())] == before
    assert np.array_equal(S, net.loss(X))


def test_initial_parameters():
    net = TwoLayerNet(200, 300, 10, std=0.02, rng=5)
    assert {name: value.shape for name, value in net.params.items()} == {
        "W1": (200, 300),
        "b1": (300,),
        "W2": (300, 10),
        "b2": (10,),
    }
    assert net.params["W1"].std() == pytest.approx(0.02, rel=0.02)
    assert not net.params["b1"].any()
    assert not net.params["b2"].any()
    same = TwoLayerNet(200, 300, 10, std=0.02, rng=np.random.default_rng(5))
    assert all(np.array_equal(net.params[name], same.params[name]) for name in net.params)
    other = TwoLayerNet(200, 300, 10, std=0.02, rng=6)
    assert not np.array_equal(net.params["W1"], other.params["W1"])


def test_float32_stays_float32():
    net = TwoLayerNet(6, 5, 4, rng=0, dtype=np.float32)
    X = np.random.default_rng(0).standard_normal((7, 6), dtype=np.float32)
    _, grads = net.loss(X, np.arange(7) % 4, reg=0.1)
    assert net.loss(X).dtype == np.float32
    assert {value.dtype for value in (*net.params.values(), *grads.values())} == {np.dtype("f4")}


NOT_ALIGNED = """
import numpy as np
from cs231n_utils.taught.models import TwoLayerNet

def elsewhere(V):
    raw = np.empty(V.nbytes + 4, np.uint8)
    raw[4:] = V.view(np.uint8).ravel()
    return raw[4:].view(V.dtype).reshape(V.shape)

rng = np.random.default_rng(0)
X, y = rng.standard_normal((50, 64)), rng.integers(10, size=50)
net, other = TwoLayerNet(64, 32, 10, rng=0), TwoLayerNet(64, 32, 10, rng=0)
other.params = {name: elsewhere(value) for name, value in net.params.items()}
assert not elsewhere(X).flags.aligned
assert np.isclose(other.loss(elsewhere(X), y, reg=0.1)[0], net.loss(X, y, reg=0.1)[0])
other.train(elsewhere(X), y, elsewhere(X), y, num_iters=2, batch_size=10)
"""


def test_arrays_need_not_be_aligned():
    """Those that another process sent may not be, and OpenBLAS's oldest kernels crash on some."""
    oldest = os.environ | {"OPENBLAS_CORETYPE": "Prescott"}
    subprocess.run([sys.executable, "-c", NOT_ALIGNED], env=oldest, check=True)


def test_global_random_state_is_untouched():
    before = np.random.get_state()[1].tobytes()
    TwoLayerNet(3, 4, 2)
    assert np.random.get_state()[1].tobytes() == before


X5, Y5 = np.ones((5, 6)), np.array([0, 1, 2, 3, 0])
BAD_BATCHES = {
    "one example without its row": (X5[0], Y5[:1], "shape"),
    "images that are no rows": (np.ones((5, 2, 3)), Y5, "shape"),
    "wrong number of features": (np.ones((5, 7)), Y5, r"\(N, 6\)"),
    "empty batch": (X5[:0], Y5[:0], "no examples"),
    "NaN": (np.full((5, 6), np.nan), Y5, "NaN"),
    "infinity": (X5 * np.inf, Y5, "infinite"),
    "label too large": (X5, Y5 + 1, r"0\.\.3"),
    "negative label": (X5, Y5 - 1, r"0\.\.3"),
    "one label too few": (X5, Y5[:4], "one label for each"),
    "labels as a column": (X5, Y5[:, None], "one label for each"),
    "one-hot labels": (X5, np.eye(4)[Y5], "one label for each"),
    "labels that are no integers": (X5, Y5.astype(float), "integers"),
    "labels that are truth values": (X5, Y5 > 1, "integers"),
}


@pytest.mark.parametrize(("X", "y", "message"), BAD_BATCHES.values(), ids=BAD_BATCHES.keys())
@pytest.mark.parametrize("model", [TwoLayerNet(6, 5, 4), SoftmaxClassifier(6, 4)])
def test_bad_batches_are_refused(model, X, y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        model.loss(X, y)
    with pytest.raises((ValueError, TypeError), match=message):
        train(model, X, y, X5, Y5)


@pytest.mark.parametrize("reg", [-1e-9, np.nan, np.inf])
def test_bad_reg_is_refused(reg):
    with pytest.raises(ValueError, match="reg must be a finite number, at least 0"):
        TwoLayerNet(6, 5, 4).loss(X5, Y5, reg)


@pytest.mark.parametrize(
    "arguments",
    [
        {"input_size": 0},
        {"hidden_size": -3},
        {"output_size": 0},
        {"std": -1.0},
        {"std": np.nan},
        {"dtype": np.int64},
    ],
)
def test_bad_networks_are_refused(arguments):
    sizes = {"input_size": 6, "hidden_size": 5, "output_size": 4}
    with pytest.raises(ValueError, match="at least"):
        TwoLayerNet(**(sizes | arguments))


def test_broken_parameters_never_predict():
    net = TwoLayerNet(6, 5, 4)
    net.params["W2"][0, 0] = np.nan
    net.params["b1"][0] = 1.0
    with pytest.raises(ValueError, match="the parameters are broken"):
        net.predict(X5)


def test_centre_uses_the_training_rows_alone():
    rng = np.random.default_rng(0)
    train, test = rng.uniform(size=(8, 3)), rng.uniform(size=(4, 3))
    centred_train, centred_test = centre(train, test)
    np.testing.assert_allclose(centred_train.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(centred_test - test, centred_train[:4] - train[:4])
    assert accuracy(np.array([1, 2, 3]), np.array([1, 2, 0])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int64])
def test_integer_scores_do_not_wrap_around(dtype):
    S = np.array([[1, 2, 100], [np.iinfo(dtype).min, 5, np.iinfo(dtype).max]]).astype(dtype)
    y = np.array([0, 2])
    np.testing.assert_allclose(softmax(S), softmax(S.astype(float)), atol=1e-6)
    assert cross_entropy(S, y) == pytest.approx(cross_entropy(S.astype(float), y), rel=1e-6)
