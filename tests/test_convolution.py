"""Convolutions, max pooling and slices of a batch: against PyTorch, properties, and refusals."""

import gc
import importlib.util
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import SEEDS, bits, close, for_all
from test_diagnosis import bits_of

from cs231n_utils.gradient_check import GradientCheckError, check_gradient, check_model
from cs231n_utils.taught import convolution
from cs231n_utils.taught.convnet import Pixels, Slices
from cs231n_utils.taught.convolution import (
    Conv2D,
    MaxPool2D,
    conv2d,
    conv2d_backward,
    filters_gradient,
    images_gradient,
    max_pool,
    max_pool_backward,
)
from cs231n_utils.taught.layers import (
    Affine,
    BatchNorm,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
)
from cs231n_utils.validation import check_convolution
from tools import faulty_gradients as made
from tools import faulty_layers as deep

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="a peer that is not installed")


@st.composite
def settings(draw):
    """X, W, b, dZ, stride and pad: windows of any form, and a rest that the stride leaves."""
    N, C, F, U, V = (draw(st.integers(1, most)) for most in (3, 3, 3, 4, 4))
    stride, pad = draw(st.integers(1, 3)), draw(st.integers(0, 3))
    rows, columns = (draw(st.integers(max(1, k - 2 * pad), 8)) for k in (U, V))
    rng = np.random.default_rng(draw(SEEDS))
    X, W = rng.standard_normal((N, rows, columns, C)), rng.standard_normal((U, V, C, F))
    b = rng.standard_normal(F)
    return X, W, b, rng.standard_normal(conv2d(X, W, b, stride, pad).shape), stride, pad


@needs_torch
@for_all(max_examples=200, given=settings())
def test_convolutions_are_pytorchs(given):
    import torch

    X, W, b, dZ, stride, pad = given
    before = bits(*given)
    tensors = [torch.tensor(array, requires_grad=True) for array in (X, W, b)]
    Z = torch.nn.functional.conv2d(
        tensors[0].permute(0, 3, 1, 2),
        tensors[1].permute(3, 2, 0, 1).contiguous(),
        tensors[2],
        stride,
        pad,
    ).permute(0, 2, 3, 1)
    (Z * torch.tensor(dZ)).sum().backward()
    close(conv2d(X, W, b, stride, pad), Z.detach().numpy())
    gradients = conv2d_backward(dZ, X, W, stride, pad)
    for gradient, tensor in zip(gradients, tensors, strict=True):
        close(gradient, tensor.grad.numpy(), 1e-11)
    assert bits(*given) == before


@for_all(given=settings())
def test_a_convolution_is_linear_and_its_gradients_are_its_adjoints(given):
    X, W, b, dZ, stride, pad = given
    zero = np.zeros_like(b)
    Z = conv2d(X, W, zero, stride, pad)
    close(conv2d(2 * X - X[::-1], W, b, stride, pad), 2 * Z - Z[::-1] + b)
    close(conv2d(X, 3 * W, b, stride, pad), 3 * Z + b)
    dX = images_gradient(dZ, W, X.shape[1:3], stride, pad)
    close(np.sum(Z * dZ), np.sum(X * dX), 1e-10)
    close(np.sum(Z * dZ), np.sum(W * filters_gradient(dZ, X, W.shape[:2], stride, pad)), 1e-10)


@pytest.mark.parametrize("block", [1, 300, 800])
def test_several_blocks_are_one(block, monkeypatch):
    rng = np.random.default_rng(0)
    X, W, b = (rng.standard_normal(shape) for shape in ((7, 6, 5, 2), (3, 2, 2, 4), 4))
    Z = conv2d(X, W, b, 1, 1)
    dZ = rng.standard_normal(Z.shape)
    gradients = conv2d_backward(dZ, X, W, 1, 1)
    pooled = rng.standard_normal((7, 3, 5, 2)), rng.integers(0, 3, (7, 6, 10, 2)).astype(float), 2
    to_largest = max_pool_backward(*pooled)
    monkeypatch.setattr(convolution, "BLOCK", block)
    assert np.array_equal(max_pool_backward(*pooled), to_largest)
    close(conv2d(X, W, b, 1, 1), Z)
    for part, whole in zip(conv2d_backward(dZ, X, W, 1, 1), gradients, strict=True):
        close(part, whole)


def test_a_layer_and_its_functions_are_one():
    rng = np.random.default_rng(0)
    layer, X = Conv2D(2, 3, 3, 2, 1, rng=rng), rng.standard_normal((4, 6, 5, 2))
    W, b = layer.params.values()
    b[...] = rng.standard_normal(3)
    Z = layer.forward(X)
    assert bits(Z) == bits(conv2d(X, W, b, 2, 1))
    dZ = rng.standard_normal(Z.shape)
    found = [layer.backward(dZ), *layer.grads.values()]
    for a, expected in zip(found, conv2d_backward(dZ, X, W, 2, 1), strict=True):
        close(a, expected)
    pool, X = MaxPool2D(2), rng.standard_normal((2, 4, 6, 3))
    A = pool.forward(X)
    assert bits(A, pool.backward(A)) == bits(max_pool(X, 2), max_pool_backward(A, X, 2))


@needs_torch
@for_all(N=st.integers(1, 3), P=st.integers(1, 4), size=st.integers(1, 4), seed=SEEDS)
def test_max_pooling_is_pytorchs_also_where_entries_are_equal(N, P, size, seed):
    import torch

    rng = np.random.default_rng(seed)
    X = rng.integers(0, 4, (N, P * size, 2 * size, 3)).astype(np.float64)
    tensor = torch.tensor(X, requires_grad=True)
    A = torch.nn.functional.max_pool2d(tensor.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1)
    dA = rng.standard_normal(A.shape)
    (A * torch.tensor(dA)).sum().backward()
    assert np.array_equal(max_pool(X, size), A.detach().numpy())
    assert np.array_equal(max_pool_backward(dA, X, size), tensor.grad.numpy())


def test_equal_entries_of_a_window_share_nothing():
    """All of the gradient goes to the first, and no entry of another window gets any."""
    X, dA = np.ones((1, 4, 4, 1)), np.arange(1.0, 5).reshape(1, 2, 2, 1)
    dX = max_pool_backward(dA, X, 2)
    assert np.array_equal(dX[0, ::2, ::2], dA[0])
    assert np.count_nonzero(dX) == 4


def model(dtype=np.float64, batch_norm=False, seed=0):
    rng = np.random.default_rng(seed)
    norm = [BatchNorm(4, dtype=dtype)] if batch_norm else []
    layers = [
        Pixels(batch(20)[0], dtype),
        *[Conv2D(3, 4, pad=1, rng=rng, dtype=dtype), MaxPool2D(2), *norm, ReLU()],
        Residual([Conv2D(4, 4, pad=1, rng=rng, dtype=dtype), ReLU()]),
        *[Conv2D(4, 5, 2, 2, 1, rng=rng, dtype=dtype), Flatten()],
        Affine(20, 3, rng=rng, dtype=dtype),
    ]
    return Sequential(layers)


def batch(N, dtype=np.float64):
    rng = np.random.default_rng(1)
    return rng.random((N, 4, 6, 3)).astype(dtype), rng.integers(0, 3, N)


def test_pixels_are_standardized_and_bytes_become_floats():
    images = np.random.default_rng(0).integers(0, 256, (1200, 4, 6, 3), dtype=np.uint8)
    pixels = Pixels(images)
    Z = pixels.forward(images[:5])
    assert Z.dtype == np.float32
    mean, deviation = (f(images[:1000], axis=(0, 1, 2)) for f in (np.mean, np.std))
    close(Z, (images[:5] - mean) / deviation, 1e-5)
    close(pixels.backward(np.ones_like(Z)), np.ones_like(Z) / deviation, 1e-6)


def test_float32_stays_float32():
    net, (X, y) = model(np.float32, batch_norm=True), batch(5, np.float32)
    grads = net.loss(X, y, 0.1)[1]
    assert {array.dtype for array in (*grads.values(), *net.state.values(), net.loss(X))} == {
        np.dtype(np.float32)
    }
    dZ = out = X
    for layer in net.layers:
        out = layer.forward(out, True)
        assert out.dtype == np.float32, layer
    dZ = np.ones_like(out)
    for layer in net.layers[::-1]:
        dZ = layer.backward(dZ)
        assert dZ.dtype == np.float32, layer


# The checker.


@pytest.mark.parametrize("count", [1, 2, 3])
def test_models_of_convolutions_pass_at_several_depths_and_nothing_is_changed(count):
    rng, layers = np.random.default_rng(count), []
    for _ in range(count):
        layers += [Conv2D(2, 2, pad=1, rng=rng), BatchNorm(2), ReLU()]
        layers += [Residual([Conv2D(2, 2, 1, rng=rng), BatchNorm(2), ReLU()])]
    X, y = rng.standard_normal((4, 4, 6, 2)), np.arange(4) % 3
    pixels = Pixels(X, np.float64)
    net = Sequential([pixels, *layers, MaxPool2D(2), Flatten(), Affine(12, 3, rng=rng)])
    before = bits_of(net, X, y)
    assert check_model(net, X, y, 0.1).keys() == net.params.keys()
    assert bits_of(net, X, y) == before


def test_no_correct_model_of_images_is_accused():
    assert not made.accusations(deep.correct(12, deep.Images))


class Mine(Layer):
    """A student's own layer: the same function under another name, without stride and pad."""

    def __init__(self, layer, wrong):
        super().__init__(**layer.params)
        self.inner, self.wrong = layer, wrong

    def forward(self, X, training=False):
        """What leaves the layer."""
        return self.inner.forward(X, training)

    def backward(self, dOut):
        """The gradient dX, with the fault."""
        dX = self.inner.backward(dOut)
        self.grads = dict(self.inner.grads)
        return self.wrong(dX, self.grads, dOut)


def bias_of_each_image(dX, grads, dOut):
    grads["b"] = dOut.sum(axis=(1, 2))
    return dX


OWN = [  # the layer, what its backward pass does, the cause
    (lambda rng: Conv2D(2, 2, 3, 2, 2, rng=rng), bias_of_each_image, "missing_sum"),
    (lambda rng: MaxPool2D(2), lambda dX, grads, dOut: 0 * dX + 1.0 * (dX != 0), "dA_missing"),
]


@pytest.mark.parametrize(("make", "wrong", "cause"), OWN)
def test_a_layer_of_ones_own_is_recognised(make, wrong, cause):
    rng = np.random.default_rng(0)
    first, mine = Conv2D(2, 2, pad=1, rng=rng), Mine(make(rng), wrong)
    X, y = rng.standard_normal((4, 6, 6, 2)), np.arange(4) % 3
    size = mine.forward(first.forward(X))[0].size
    net = Sequential([first, mine, Flatten(), Affine(size, 3, rng=rng)])
    with pytest.raises(GradientCheckError) as caught:
        check_model(net, X, y)
    assert (caught.value.layer, caught.value.causes) == ("1", (cause,))


def test_another_choice_among_equal_entries_is_no_fault():
    """All slopes are right where the equal entries see equal windows: a background of one."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((3, 6, 6, 2)), np.arange(3)
    X[:, :, 2:] = 0.5

    def over(A):
        return A.repeat(2, axis=1).repeat(2, axis=2)

    class Twice(MaxPool2D):
        def backward(self, dOut):
            X, A = self.memory
            return over(dOut) * (over(A) == X)

    class Shared(Twice):
        def backward(self, dOut):
            mask = super().backward(np.ones_like(dOut))
            count = mask.reshape(3, 3, 2, 3, 2, -1).sum(axis=(2, 4))
            return mask * over(dOut / count)

    nets = [
        Sequential([Conv2D(2, 3, pad=1), kind(), BatchNorm(3), Flatten(), Affine(27, 3, rng=1)])
        for kind in (Shared, Twice)
    ]
    check_model(nets[0], X, y)
    with pytest.raises(GradientCheckError) as caught:
        check_model(nets[1], X, y)
    assert (caught.value.layer, caught.value.causes[0]) == ("1", "ties")


def test_at_a_kink_of_max_pooling_the_message_says_why():
    rng = np.random.default_rng(0)
    X, dA = rng.standard_normal((2, 4, 4, 2)), rng.standard_normal((2, 2, 2, 2))
    X[0, :2, :2, 0] = [[1.0, 1.0 + 4e-6], [0.0, 0.0]]

    def f(X):
        return float(np.sum(dA * max_pool(X, 2)))

    def check(**options):
        check_gradient(f, X, max_pool_backward(dA, X, 2), **options)

    check()
    with pytest.raises(GradientCheckError, match=r"a kink within h.*largest entry changes") as near:
        check(shrink_h=False)
    X[0, 0, 1, 0] = 1.0
    with pytest.raises(GradientCheckError, match=r"Entry \[0, 0, 1, 0\] is as large") as at:
        check()
    assert near.value.causes == at.value.causes == ("kink",)


def test_equal_entries_of_a_model_are_a_kink():
    """Filters of 0: all windows see other numbers, and all give one score."""
    net, (X, y) = model(), batch(3)
    net.params["1.W"][...] = 0.0
    net.params["1.b"][...] = 0.3
    plain = type("Plain", (), {"params": net.params, "loss": staticmethod(net.loss)})()
    with pytest.raises(GradientCheckError, match=r"(?s)cannot be judged.*max pooling") as caught:
        check_model(plain, X, y)
    assert (caught.value.causes, caught.value.parameters) == (("kink",), ("1.W",))
    check_model(net, X, y)  # of layers that are right one by one it is known


# Slices of a batch.


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("N", [1, 4, 11])
def test_slices_have_the_loss_and_the_gradients_of_the_model(count, N):
    net, (X, y) = model(), batch(N)
    slices = Slices(net, count)
    assert slices.params is net.params
    assert all(other.params["1.W"] is net.params["1.W"] for other in slices.models)
    loss, grads = net.loss(X, y, 0.1)
    expected = {key: value.copy() for key, value in grads.items()}
    again = [slices.loss(X, y, 0.1) for _ in range(3)]
    close(again[0][0], loss)
    for key, value in expected.items():
        close(again[0][1][key], value)
    assert len({bits_of_answer(answer) for answer in again}) == 1
    close(slices.loss(X), net.loss(X))
    assert np.array_equal(slices.predict(X), net.predict(X))
    net.params["1.W"] *= 1.1
    close(slices.loss(X, y)[0], net.loss(X, y)[0])


def bits_of_answer(answer):
    return str(bits(answer[0], *answer[1].values()))


def test_running_averages_of_slices_are_the_mean_of_theirs():
    alone, net, (X, y) = model(batch_norm=True), model(batch_norm=True), batch(8)
    slices = Slices(net, 2)
    states = []
    for part in (slice(4), slice(4, 8)):
        twin = model(batch_norm=True)
        twin.loss(X[part], y[part])
        states.append(twin.state)
    slices.loss(X, y)
    for key in alone.state:
        close(slices.state[key], (states[0][key] + states[1][key]) / 2)
        assert all(bits(each.state[key]) == bits(net.state[key]) for each in slices.models)
    assert slices.state is net.state
    assert np.array_equal(slices.predict(X), net.predict(X))


def test_an_error_in_a_thread_reaches_the_caller():
    slices, (X, y) = Slices(model(), 2), batch(6)
    y[5] = 9
    with pytest.raises(ValueError, match=r"labels must lie in 0..2"):
        slices.loss(X, y)
    with pytest.raises(ValueError, match="do not tile"):
        slices.loss(X[:, :3], y % 3)
    assert np.isfinite(slices.loss(X, y % 3)[0])


def test_slices_take_few_threads_and_memory_does_not_grow():
    threads = threading.active_count()
    slices, (X, y) = Slices(model(np.float32, batch_norm=True), 2), batch(16)
    tracemalloc.start()
    sizes = []
    for step in range(60):
        loss, grads = slices.loss(X, y)
        for key, gradient in grads.items():
            slices.params[key] -= 0.01 * gradient
        if step in (19, 59):
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert np.isfinite(loss)
    assert sizes[1] - sizes[0] < 100_000
    assert threading.active_count() <= threads + 2  # one begins when all others are busy


# What is refused.


def seen(layer):
    """A layer that images X have gone through."""
    layer.forward(X)
    return layer


X, W, B = np.ones((2, 5, 6, 3)), np.ones((3, 3, 3, 4)), np.zeros(4)
REFUSED = [
    (lambda: conv2d(X, np.ones((7, 3, 3, 4)), B, 1, 0), "7x3 do not fit into images of 5x6"),
    (lambda: conv2d(X, np.ones((7, 9, 3, 4)), B, 1, 1), "7x9 do not .* 5x6: .* a pad above 1"),
    (lambda: conv2d(X, np.ones((3, 3, 2, 4)), B), r"columns, 3, filters\), not \(3, 3, 2, 4\)"),
    (lambda: conv2d(np.ones((2, 3, 5, 6)), W, B), "channels stand last in images"),
    (lambda: conv2d(X, W[0], B), r"filters must have shape .*, not \(3, 3, 4\)"),
    (lambda: conv2d(X.astype(np.uint8), W, B), r"uint8.* X.astype\(np.float32\)"),
    (lambda: conv2d(X[:0], W, B), "a batch of 0 is too small"),
    (lambda: conv2d(X[..., 0], W, B), r"\(2, 5, 6\): X\[..., None\] gives grey images"),
    (lambda: conv2d(X[0], W, B), r"X\[None\] makes one image a batch"),
    (lambda: conv2d(X.reshape(2, -1), W, B), r"\(2, 90\): X.reshape\(N, rows, columns, channels"),
    (lambda: conv2d(X, W, B, 0), "stride must be a whole number, at least 1, not 0"),
    (lambda: conv2d(X, W, B, 1.0), "stride must be a whole number"),
    (lambda: conv2d(X, W, B, 1, -1), "pad must be a whole number, at least 0, not -1"),
    (lambda: conv2d(X, W, B, 1, 1.5), "pad must be a whole number, at least 0, not 1.5"),
    (lambda: conv2d(X, W, np.zeros(3)), r"\(3,\)"),
    (lambda: check_convolution(X, W, 1, 0, np.zeros(3)), r"b must have shape \(4,\), not \(3,\)"),
    (lambda: check_convolution(X, W, 1, 0, np.zeros((1, 4))), r"shape \(4,\), not \(1, 4\)"),
    (
        lambda: conv2d_backward(np.ones((2, 5, 6, 4)), X, W),
        r"what left the layer must have shape \(2, 3, 4, 4\), not \(2, 5, 6, 4\)",
    ),
    (lambda: conv2d_backward(np.ones((2, 3, 4, 3)), X, W), r"\(2, 3, 4, 4\), not \(2, 3, 4, 3\)"),
    (lambda: max_pool(X, 2), "2x2 do not tile images of 5x6: crop them, or"),
    (lambda: max_pool(X, 7), "7x7 do not tile images of 5x6"),
    (lambda: max_pool(X, 0), "size must be a whole number, at least 1"),
    (lambda: max_pool(X.astype(int), 1), "int64"),
    (lambda: max_pool_backward(np.ones((2, 5, 6, 1)), X, 1), r"\(2, 5, 6, 3\), not \(2, 5, 6, 1\)"),
    (
        lambda: BatchNorm(4).forward(X, True),
        r"BatchNorm\(4\) must have .* not \(2, 5, 6, 3\)",
    ),
    (lambda: BatchNorm(3).forward(X[:1, :1, :1], True), "a batch of 1 is too small"),
    (lambda: LayerNorm(3).forward(X), r"Flatten\(\), makes images rows"),
    (lambda: Affine(3, 2).forward(X), r"Affine\(3, 2\) must .* Flatten\(\), makes images"),
    (lambda: Conv2D(3, 4).forward(X[..., :2]), "channels stand last in images"),
    (lambda: Conv2D(0, 4), "input_size must be a whole number, at least 1"),
    (lambda: Conv2D(3, 4, stride=0), "stride must be a whole number, at least 1"),
    (lambda: Conv2D(3, 4, pad=-1), "pad must be a whole number, at least 0, not -1"),
    (lambda: seen(Conv2D(3, 4)).backward(np.ones((2, 4, 3, 4))), r"\(2, 3, 4, 4\), not \(2, 4"),
    (
        lambda: Residual([Conv2D(3, 3)]).forward(np.ones((1, 3, 3, 3))),
        r"a Residual adds .*\(1, 3, 3, 3\), not \(1, 1, 1, 3\): .* pad=1",
    ),
    (
        lambda: Sequential([Conv2D(3, 8), MaxPool2D(), Conv2D(16, 4, rng=1)]),
        r"layers\[0\], Conv2D\(3, 8\), gives 8 numbers, but layers\[2\], Conv2D\(16, 4\), takes 1",
    ),
    (
        lambda: Sequential([Conv2D(3, 8), ReLU(), Affine(128, 4)]),
        r"gives 8 numbers, but layers\[2\], Affine\(128, 4\), takes 128: .* Flatten\(\)",
    ),
    (
        lambda: Sequential([Conv2D(3, 8), Flatten(), Conv2D(8, 4, rng=1)]).loss(X),
        r"images must .* makes rows images; Flatten\(\) stands last",
    ),
    (
        lambda: Sequential([Flatten(), MaxPool2D(2)]).loss(X),
        r"\(2, 90\): X.reshape\(N, rows, columns, channels\) makes rows images",
    ),
    (
        lambda: Pixels(batch(9)[0]).forward(X[..., :1]),
        r"\(N, rows, columns, 3\), not \(2, 5, 6, 1\)",
    ),
    (lambda: Pixels(batch(9)[0]).forward(X[0]), r"\(N, rows, columns, 3\), not \(5, 6, 3\)"),
    (lambda: Slices(model(), 0), "count must be a whole number"),
    (lambda: Slices(model()).loss(X[:0], np.zeros(0, int)), "a batch of 0 is too small"),
    (lambda: Slices(model()).predict(X[:0]), "a batch of 0 is too small"),
    (lambda: Slices(model()).loss(X, np.zeros(3, int)), "there are 2 examples, but 3 labels"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_cannot_be_is_refused_with_the_reason(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_dropout_of_images_is_checked_too():
    net = model()
    dropout = Dropout(0.7)
    dropout.redraw = False
    check_model(Sequential([*net.layers[:4], dropout, *net.layers[4:]]), *batch(3), 0.1)
