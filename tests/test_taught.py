"""The code that the notebooks derive: properties, and PyTorch as a witness where it is installed.

The networks' reference is written for complex numbers, so that its derivatives come from the
complex step, f'(x) = Im f(x + ih) / h, which has no round-off (W. Squire and G. Trapp, "Using
complex variables to estimate derivatives of real functions", SIAM Review, 1998).
"""

import importlib.util
import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import (
    REGS,
    SEEDS,
    SHAPES,
    bits,
    close,
    for_all,
    is_refused,
    matrices,
)

from cs231n_utils import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.datasets import load_digits
from cs231n_utils.gradient_check import numerical_gradient, relative_error
from cs231n_utils.taught import convolution
from cs231n_utils.taught.attention import (
    MultiHeadAttention,
    attention,
    attention_backward,
    attention_weights,
)
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
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
    deep_net,
)
from cs231n_utils.taught.linear import accuracy, centre
from cs231n_utils.taught.losses import cross_entropy, softmax, softmax_loss
from cs231n_utils.taught.optimizers import SGD, Adam, Muon, RMSprop, linear_decay, orthogonalized
from cs231n_utils.taught.speedrun import CornerConv2D, GlobalMaxPool, ShiftNorm, Whitening
from cs231n_utils.taught.transformer import GPT, generate

HAS_TORCH = importlib.util.find_spec("torch") is not None

# --- Losses: notebooks 02 and 04 ------------------------------------------------------------------


# Scores from close together to far apart; sixteenths, so that adding a whole number is exact.
SCORES = st.sampled_from([8, 1_000, 160_000]).flatmap(
    lambda limit: matrices(st.integers(-limit, limit).map(lambda n: n / 16))
)
BATCHES = SCORES.flatmap(
    lambda S: st.tuples(
        st.just(S), hnp.arrays(np.int64, len(S), elements=st.integers(0, S.shape[1] - 1))
    )
)


@for_all(S=SCORES | matrices(st.floats(-1e4, 1e4)) | matrices(st.floats(-3, 3)))
def test_softmax_gives_probabilities_whose_logs_differ_as_the_scores_do(S):
    before = bits(S)
    P = softmax(S)
    assert bits(S) == before
    assert P.shape == S.shape
    assert (P >= 0).all()
    close(P.sum(axis=1), 1)
    for s, p in zip(S, P, strict=True):
        seen = p > 1e-300  # smaller ones have lost digits
        close(np.log(p[seen]) - np.log(p.max()), s[seen] - s.max())


@for_all(seed=SEEDS, dtype=st.sampled_from([np.int8, np.uint8, np.int64, np.float32]))
def test_scores_of_any_type_count_as_numbers(seed, dtype):
    """Differences that leave an integer type would wrap around."""
    rng = np.random.default_rng(seed)
    S = rng.integers(0, 128, (4, 3)).astype(dtype)
    S = S - np.array(100, dtype) if dtype is not np.uint8 else S
    y = rng.integers(0, 3, 4)
    close(softmax(S), softmax(S.astype(float)), 1e-6)
    close(cross_entropy(S, y), cross_entropy(S.astype(float), y), 1e-6)
    assert dtype is not np.float32 or softmax(S).dtype == np.float32


@for_all(batch=BATCHES)
def test_cross_entropy_is_the_mean_negative_log_probability(batch):
    """The reference sums with Python's exact fsum, one example at a time."""
    S, y = batch
    before = bits(S, y)
    loss, dS = softmax_loss(S, y)
    assert bits(S, y) == before
    assert loss == cross_entropy(S, y)
    assert isinstance(loss, float)
    losses = [
        math.log(math.fsum(math.exp(v - max(s)) for v in s)) - (s[label] - max(s))
        for s, label in zip(S.tolist(), y, strict=True)
    ]
    close(loss, math.fsum(losses) / len(losses))
    correct = np.eye(S.shape[1], dtype=bool)[y]
    assert (dS[correct] <= 0).all()
    assert (dS[~correct] >= 0).all()
    close(dS.sum(axis=1), 0)


def test_softmax_and_loss_at_extreme_scores():
    S = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e300, 1e300, -1e300]])
    P = softmax(S)
    np.testing.assert_allclose(P, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]], atol=1e-15)
    assert cross_entropy(S[:1], np.array([1])) == 2e4


# --- Networks: notebooks 05 and 07 ----------------------------------------------------------------


def problem(shape, seed, kind=TwoLayerNet, dtype=np.float64):
    """A model with random parameters, inputs and labels."""
    (N, D, H, C), rng = shape, np.random.default_rng(seed)
    model = kind(*((D, H, C) if kind is TwoLayerNet else (D, C)), dtype=dtype)
    for value in model.params.values():
        value[...] = 0.7 * rng.standard_normal(value.shape)
    return model, rng.standard_normal((N, D)).astype(dtype), rng.integers(0, C, N)


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
    """The derivatives of the reference with respect to one parameter."""
    gradient = np.zeros_like(params[name])
    for index in np.ndindex(gradient.shape):
        shifted = {key: value.astype(complex) for key, value in params.items()}
        shifted[name][index] += 1j * h
        gradient[index] = reference_loss(shifted, X, y, reg).imag / h
    return gradient


MODELS = st.sampled_from([TwoLayerNet, SoftmaxClassifier])


@for_all(shape=SHAPES, seed=SEEDS, reg=REGS, kind=MODELS)
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


# --- Optimizers: notebook 09 ----------------------------------------------------------------------

OPTIMIZERS = {
    "plain": lambda: SGD(0.01),
    "momentum": lambda: SGD(0.01, momentum=0.9),
    "RMSprop": lambda: RMSprop(0.01, decay=0.9, eps=1e-3),
    "Adam": lambda: Adam(0.01),
    "AdamW": lambda: Adam(0.02, beta1=0.8, beta2=0.99, eps=1e-3, weight_decay=0.1),
    "Muon": lambda: Muon(0.01),
}
# W and b of `follow` after 100 steps of PyTorch 2.13.0's SGD, RMSprop and AdamW on the CPU, in
# float64, with the options of OPTIMIZERS and the rate on the same line.
REFERENCE = """
    plain     1.334661298425 -1.439749191147  0.999023805867  1.502603866007 -0.195786767341  0.059975504070
    momentum  1.563368210228 -1.684893411431  1.562070871510 -1.681427315930 -0.706833312268  1.451841300802
    RMSprop   1.472350649150 -1.504503493646  1.123896085860  2.444783968895 -0.266440582808 -0.167924577651
    Adam      1.420934886359 -1.593031023971  1.047668975377  2.537466230581 -0.178825081849 -0.258158872252
    AdamW     1.512387719226 -1.385415414399  1.414666107609  2.002256564518 -0.513227977312  0.026130488502
"""  # noqa: E501


def gradient(params):
    """Of a function of W (2, 2) and b (2,) with no symmetry."""
    W, b = params["W"], params["b"]
    return {"W": W**3 - 2 * W + b, "b": 3 * b + W.sum(0) - 1}


def follow(optimizer):
    """All entries of the parameters after 100 steps, whose rate falls on a line."""
    params = {"W": np.array([[1.0, -2.0], [0.5, 3.0]]), "b": np.array([0.3, -0.7])}
    first_rate = optimizer.learning_rate
    for step in range(100):
        optimizer.learning_rate = first_rate * linear_decay(step / 100)
        optimizer.step(params, gradient(params))
    return np.concatenate([params["W"].ravel(), params["b"]])


@pytest.mark.parametrize("line", REFERENCE.strip().splitlines(), ids=lambda line: line.split()[0])
def test_a_hundred_steps_are_pytorchs(line):
    name, *expected = line.split()
    found = follow(OPTIMIZERS[name]())
    assert np.abs(found - np.array(expected, float)).max() <= 1e-9


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_made_in_place_and_keep_gradients_and_types(name, dtype):
    rng = np.random.default_rng(0)
    params = {"W": rng.standard_normal((3, 2)).astype(dtype), "b": np.zeros(2, dtype)}
    arrays, optimizer = dict(params), OPTIMIZERS[name]()
    for _ in range(3):
        grads = {key: rng.standard_normal(v.shape).astype(dtype) for key, v in params.items()}
        before = bits(*grads.values())
        optimizer.step(params, grads)
        assert bits(*grads.values()) == before
    assert all(params[key] is arrays[key] for key in arrays)
    assert all(value.dtype == dtype and np.isfinite(value).all() for value in params.values())


FLOATS = st.sampled_from(["f4", "f8"])


@for_all(seed=SEEDS, rows=st.integers(1, 40), columns=st.integers(1, 40), dtype=FLOATS)
def test_products_alone_keep_directions_and_bring_singular_values_near_one(
    seed, rows, columns, dtype
):
    G = np.random.default_rng(seed).standard_normal((rows, columns)).astype(dtype)
    u, s, v = np.linalg.svd(G, full_matrices=False)
    found = orthogonalized(G, 5)
    assert found.dtype == dtype
    inside = u.T @ found @ v.T
    assert np.abs(inside - np.diag(np.diag(inside))).max() < (2e-3 if dtype == "f4" else 1e-9)
    risen = s > 0.01 * np.linalg.norm(s)
    assert np.all((np.diag(inside)[risen] > 0.67) & (np.diag(inside)[risen] < 1.14))
    assert np.all(np.diag(inside) < 1.21)


def test_muon_turns_filters_of_a_fixed_length_by_its_rate():
    rng = np.random.default_rng(0)
    W, optimizer = 7 * rng.standard_normal((3, 3, 8, 16)), Muon(0.1, momentum=0.9)
    for _ in range(5):
        unit = W * 4 / np.linalg.norm(W)
        G = rng.standard_normal(W.shape)
        optimizer.step({"W": W}, {"W": G})
        moved = np.linalg.svd((W - unit).reshape(72, 16), compute_uv=False)
        assert np.all((moved > 0.067) & (moved < 0.121)), "the spectral size is about the rate"
    free, longer = (Muon(0.1, fixed_norm=False) for _ in range(2))
    one, other = W.copy(), 5 * W
    free.step({"W": one}, {"W": G})
    longer.step({"W": other}, {"W": G})
    close(one - W, other - 5 * W)


# --- Layers: notebooks 06, 13 to 16, and 25 -------------------------------------------------------

EPS = 0.01  # of the norms: with 1e-5 two examples would leave nothing of dX but round-off
ROWS, IMAGES = ((1, 3), (2, 1), (7, 4), (3, 3)), ((1, 4, 4, 1), (3, 5, 7, 2), (2, 6, 9, 2))


def filters(U, V, stride, pad):
    """A maker of convolutions with windows that need not be square."""

    def make(size):
        layer = Conv2D(size, 3, stride=stride, pad=pad)
        layer.params["W"] = np.zeros((U, V, size, 3))
        return layer

    return make


def shift_norm(size):
    """A norm without gamma, with the eps of the others."""
    layer = ShiftNorm(size)
    layer.eps = EPS
    return layer


def fixed(size):
    """Filters that do not learn."""
    return Whitening(np.random.default_rng(0).standard_normal((2, 2, size, 3)))


LAYERS = {  # how to make a layer for inputs of a size, and their shapes
    "Affine": (lambda size: Affine(size, 4), ROWS),
    "ReLU": (lambda size: ReLU(), ROWS + IMAGES),
    "Flatten": (lambda size: Flatten(), IMAGES),
    "BatchNorm": (lambda size: BatchNorm(size, eps=EPS), ROWS[1:] + IMAGES),
    "LayerNorm": (lambda size: LayerNorm(size, eps=EPS), ROWS),
    "Dropout": (lambda size: Dropout(0.6), ROWS + IMAGES),
    "Residual": (lambda size: Residual([Affine(size, 6), ReLU(), Affine(6, size, rng=1)]), ROWS),
    "Conv2D 3x3": (filters(3, 3, stride=1, pad=1), IMAGES),
    "Conv2D 2x4, stride 3": (filters(2, 4, stride=3, pad=2), IMAGES),
    "Conv2D 1x1, stride 2": (filters(1, 1, stride=2, pad=0), IMAGES),
    "Conv2D 4x3, pad 3": (filters(4, 3, stride=2, pad=3), IMAGES),
    "MaxPool2D": (lambda size: MaxPool2D(2), ((2, 4, 6, 3), (1, 2, 2, 1))),
    "ShiftNorm": (shift_norm, ROWS[1:] + IMAGES),
    "Whitening": (fixed, IMAGES),
    "CornerConv2D": (lambda size: CornerConv2D(size, 3), IMAGES),
    "GlobalMaxPool": (lambda size: GlobalMaxPool(), IMAGES),
}


def torch_forward(layer, p, X, training):
    """What leaves the same layer of PyTorch; p are its parameters as tensors."""
    import torch.nn.functional as F  # noqa: N812

    match layer:
        case Affine():
            return F.linear(X, p["W"].T, p["b"])
        case ReLU():
            return F.relu(X)
        case Flatten():
            return X.flatten(1)
        case BatchNorm():  # and without gamma
            mean, variance = (X.new_tensor(layer.state[key]) for key in ("mean", "variance"))
            rows = X.reshape(-1, X.shape[-1])
            Y = F.batch_norm(rows, mean, variance, p.get("gamma"), p["beta"], training, 0.1, EPS)
            return Y.reshape(X.shape)
        case LayerNorm():
            return F.layer_norm(X, X.shape[1:], p["gamma"], p["beta"], EPS)
        case Dropout():
            return X * X.new_tensor(layer.mask) if training else X
        case Whitening():
            W = X.new_tensor(layer.filters).permute(3, 2, 0, 1)
            return F.conv2d(X.permute(0, 3, 1, 2), W).permute(0, 2, 3, 1)
        case GlobalMaxPool():
            return X.amax((1, 2))
        case CornerConv2D():
            W = p["W"].permute(3, 2, 0, 1).contiguous()
            Z = F.conv2d(F.pad(X.permute(0, 3, 1, 2), (1, 0, 1, 0)), W, p["b"])
            return Z.permute(0, 2, 3, 1)
        case Conv2D():
            W = p["W"].permute(3, 2, 0, 1).contiguous()
            Z = F.conv2d(X.permute(0, 3, 1, 2), W, p["b"], layer.stride, layer.pad)
            return Z.permute(0, 2, 3, 1)
        case MaxPool2D():
            return F.max_pool2d(X.permute(0, 3, 1, 2), layer.size).permute(0, 2, 3, 1)
    hidden = F.relu(F.linear(X, p["0.W"].T, p["0.b"]))
    return X + F.linear(hidden, p["2.W"].T, p["2.b"])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_every_layer_equal_central_differences_and_pytorchs(name, training):
    make, shapes = LAYERS[name]
    for shape in shapes:
        rng = np.random.default_rng(sum(shape))
        layer, X = make(shape[-1]), rng.standard_normal(shape)
        for value in (layer.params | layer.state).values():
            value[...] = rng.uniform(0.5, 1.5, value.shape)
        state = {key: value.copy() for key, value in layer.state.items()}
        layer.forward(X, training)
        layer.redraw = False  # dropout keeps its mask

        def forward(layer=layer, X=X, state=state):
            for key, value in state.items():
                layer.state[key][...] = value
            return layer.forward(X, training)

        dY = rng.standard_normal(forward().shape)
        gradients = {"X": layer.backward(dY)} | layer.grads
        arrays = {"X": X} | layer.params
        for key, array in arrays.items():
            slopes = numerical_gradient(lambda _, f=forward, dY=dY: np.sum(dY * f()), array)
            assert relative_error(gradients[key], slopes) <= 1e-7, (shape, key)
        if HAS_TORCH:
            compare_with_torch(layer, arrays, forward, dY, gradients, training)


def compare_with_torch(layer, arrays, forward, dY, gradients, training):
    """Assert that PyTorch computes the same output and gradients."""
    import torch

    tensors = {key: torch.tensor(value, requires_grad=True) for key, value in arrays.items()}
    out = forward()
    Y = torch_forward(layer, tensors, tensors["X"], training)
    (Y * torch.tensor(dY)).sum().backward()
    close(out, Y.detach().numpy())
    for key, tensor in tensors.items():
        close(gradients[key], tensor.grad.numpy())


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


@for_all(given=settings())
def test_a_convolution_is_linear_and_its_gradients_are_its_adjoints(given):
    X, W, b, dZ, stride, pad = given
    before = bits(*given)
    Z = conv2d(X, W, np.zeros_like(b), stride, pad)
    close(conv2d(2 * X - X[::-1], W, b, stride, pad), 2 * Z - Z[::-1] + b)
    dX = images_gradient(dZ, W, X.shape[1:3], stride, pad)
    dW = filters_gradient(dZ, X, W.shape[:2], stride, pad)
    close(np.sum(Z * dZ), np.sum(X * dX), 1e-10)
    close(np.sum(Z * dZ), np.sum(W * dW), 1e-10)
    for a, expected in zip(conv2d_backward(dZ, X, W, stride, pad), (dX, dW), strict=False):
        close(a, expected)
    assert bits(*given) == before


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


# --- Chains of layers, and slices of a batch: notebooks 13 to 17 ----------------------------------


def chain(dtype=np.float64, seed=0):
    """A chain of every kind of layer; its dropout keeps its mask."""
    rng = np.random.default_rng(seed)
    options = {"rng": rng, "dtype": dtype}
    dropout = Dropout(0.7, rng=rng)
    dropout.redraw = False
    layers = [
        Pixels(batch(20)[0], dtype),
        *[Conv2D(3, 4, pad=1, **options), MaxPool2D(2), BatchNorm(4, dtype=dtype), ReLU()],
        *[Residual([Conv2D(4, 4, pad=1, **options), ReLU()]), Flatten()],
        *[Affine(24, 8, **options), LayerNorm(8, dtype=dtype), dropout, Affine(8, 3, **options)],
    ]
    return Sequential(layers)


def batch(N, dtype=np.float64):
    rng = np.random.default_rng(1)
    return rng.random((N, 4, 6, 3)).astype(dtype), rng.integers(0, 3, N)


def test_float32_stays_float32_through_forward_backward_and_state():
    model, (X, y) = chain(np.float32), batch(8, np.float32)
    grads = model.loss(X, y, 0.1)[1]
    arrays = [*model.params.values(), *model.state.values(), *grads.values()]
    for layer in model.layers:
        arrays.append(X := layer.forward(X, True))
    for layer in model.layers[::-1]:
        arrays.append(X := layer.backward(X))
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    twin = chain()
    for key, value in (twin.params | twin.state).items():
        value[...] = (model.params | model.state)[key]
    close(twin.loss(*batch(8), 0.1)[0], model.loss(*batch(8, np.float32), 0.1)[0], 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inner", "std", "rates", "num_iters", "low", "high"),
    [
        (5, 0.05, (0.03, 1, 3), 150, 0, 0.15),
        (19, None, (0.01, 0.05), 150, 0, 0.8),
        (19, None, (0.02,), 600, 0.8, 1),
        (19, "identity", (0.02,), 150, 0.95, 1),
    ],
)
def test_other_runs_that_13_speaks_of(inner, std, rates, num_iters, low, high):
    """The share of validation digits that plain networks read, a mean of three seeds."""
    digits = load_digits()
    X, X_val, _ = centre(digits.X_train, digits.X_val, digits.X_test)
    options = {"num_iters": num_iters, "batch_size": 50, "learning_rate_decay": 1.0}
    for rate in rates:
        shares = []
        for seed in range(3):
            first = None if std == "identity" else std
            net = deep_net([64] + [50] * inner + [10], std=first, rng=seed)
            for layer in net.layers[2:-1:2] if std == "identity" else ():
                layer.params["W"][...] = np.eye(50)
            net.train(X, digits.y_train, X_val, digits.y_val, **options, rng=seed,
                      optimizer=SGD(rate, momentum=0.9), schedule=linear_decay)  # fmt: skip
            shares.append(accuracy(net.predict(X_val), digits.y_val))
        assert low <= np.mean(shares) < high, rate


def test_a_loss_renews_averages_and_scores_do_not():
    model, (X, y) = chain(), batch(6)
    before = bits(*model.state.values())
    first = bits(model.scores(X), model.loss(X))
    assert bits(*model.state.values()) == before
    model.loss(X, y)
    assert bits(*model.state.values()) != before
    assert first != bits(model.scores(X), model.loss(X))
    close(model.scores(X), np.concatenate([model.scores(X[n : n + 1]) for n in range(6)]))


def test_keep_best_puts_the_running_averages_back_with_the_parameters(monkeypatch):
    """Validation accuracy falls after the first epoch: what is kept is the first epoch's."""
    X, y = batch(20)
    options = {"learning_rate": 0.1, "num_iters": 4, "batch_size": 5, "keep_best": True}
    once, long = chain(), chain()
    once.train(X, y, X, y, **options)
    answers = iter([0.5, 0.9] + [0.5, 0.1] * 5)
    monkeypatch.setattr("cs231n_utils.taught.training.accuracy", lambda *_: next(answers))
    long.train(X, y, X, y, **options | {"num_iters": 24})
    for name in ("params", "state"):
        kept, first = getattr(long, name), getattr(once, name)
        assert bits(*kept.values()) == bits(*first.values())


def without_batch_norm():
    """A chain in which examples do not see one another."""
    rng = np.random.default_rng(0)
    return Sequential([Conv2D(3, 4, rng=rng), ReLU(), Flatten(), Affine(32, 3, rng=rng)])


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("N", [1, 4, 11])
def test_slices_have_the_loss_and_the_gradients_of_the_model(count, N):
    net, (X, y) = without_batch_norm(), batch(N)
    slices = Slices(net, count)
    assert slices.params is net.params
    assert all(other.params["0.W"] is net.params["0.W"] for other in slices.models)
    loss, grads = net.loss(X, y, 0.1)
    expected = {key: value.copy() for key, value in grads.items()}
    again = [slices.loss(X, y, 0.1) for _ in range(3)]
    close(again[0][0], loss)
    for key, value in expected.items():
        close(again[0][1][key], value)
    assert len({str(bits(answer[0], *answer[1].values())) for answer in again}) == 1
    close(slices.loss(X), net.loss(X))
    assert np.array_equal(slices.predict(X), net.predict(X))


def test_running_averages_of_slices_are_the_mean_of_theirs():
    net, (X, y) = chain(), batch(8)
    slices, states = Slices(net, 2), []
    for part in (slice(4), slice(4, 8)):
        twin = chain()
        twin.loss(X[part], y[part])
        states.append(twin.state)
    slices.loss(X, y)
    for key, value in slices.state.items():
        close(value, (states[0][key] + states[1][key]) / 2)
        assert all(bits(each.state[key]) == bits(value) for each in slices.models)


def test_an_error_in_a_thread_reaches_the_caller():
    slices, (X, y) = Slices(without_batch_norm(), 2), batch(6)
    with pytest.raises(ValueError, match="labels must lie in"):
        slices.loss(X, y + 3)
    assert np.isfinite(slices.loss(X, y)[0])


# --- What is refused ------------------------------------------------------------------------------

X, W, B = np.ones((2, 5, 6, 3)), np.ones((3, 3, 3, 4)), np.zeros(4)
BATCH = np.ones((4, 3))
REFUSED = {  # a word of the message -> what raises it
    "at least 1": lambda: TwoLayerNet(2, 0, 3),
    "std": lambda: TwoLayerNet(2, 3, 3, std=math.nan),
    "momentum": lambda: SGD(0.1, momentum=1.0),
    "learning_rate": lambda: Adam(math.inf),
    "eps": lambda: RMSprop(0.1, eps=0.0),
    r"BatchNorm\(3\)|batch": lambda: BatchNorm(3).forward(BATCH[:1], True),
    "above 0": lambda: Dropout(0.0),
    r"layers\[0\], Affine\(3, 4\).*layers\[2\]": lambda: Sequential(
        [Affine(3, 4), ReLU(), Affine(5, 2, rng=1)]
    ),
    r"layers\[2\], ReLU\(\), stands": lambda: Sequential([(same := ReLU()), Affine(3, 3), same]),
    r"Affine\(3, 2\)": lambda: Affine(3, 2).forward(np.ones((4, 5))),
    "Flatten": lambda: Affine(3, 2).forward(X),
    "NaN": lambda: deep_net([3, 2]).loss(np.full((2, 3), np.nan), [0, 1]),
    "labels": lambda: deep_net([3, 2]).loss(BATCH, [0, 1, 2, 0]),
    "7x3": lambda: conv2d(X, np.ones((7, 3, 3, 4)), B),
    "channels": lambda: conv2d(np.ones((2, 3, 5, 6)), W, B),
    "uint8": lambda: conv2d(X.astype(np.uint8), W, B),
    "stride": lambda: conv2d(X, W, B, 0),
    "pad": lambda: conv2d(X, W, B, 1, -1),
    "tile": lambda: max_pool(X, 2),
    "count": lambda: Slices(without_batch_norm(), 0),
}


@pytest.mark.parametrize("word", REFUSED)
def test_what_cannot_be_is_refused_with_the_reason(word):
    with pytest.raises(ValueError, match=word):
        REFUSED[word]()


@pytest.mark.parametrize("name", LAYERS)
def test_backward_before_forward_is_refused(name):
    make, shapes = LAYERS[name]
    with pytest.raises(RuntimeError, match="backward before forward"):
        make(shapes[0][-1]).backward(BATCH)


@pytest.mark.parametrize("key", ["1.W", "3.gamma", "5.0.W"])
def test_a_parameter_that_was_replaced_is_refused(key):
    model = inner = chain()
    for place in key.split(".")[:-1]:
        inner = inner.layers[int(place)]
    for owner, own_key in [(model, key), (inner, key.rpartition(".")[2])]:
        array = owner.params[own_key]
        owner.params[own_key] = array + 1
        with pytest.raises(ValueError, match=rf"params\['{key}'\] was replaced"):
            model.loss(batch(2)[0])
        owner.params[own_key] = array


def test_equal_seeds_warn_and_one_generator_does_not():
    with pytest.warns(UserWarning, match="pass rng=rng to each"):
        Sequential([Affine(3, 3), ReLU(), Affine(3, 3)])
    assert not is_refused(deep_net, [3, 3, 3, 3], rng=0)


# --- Attention: notebook 23 -----------------------------------------------------------------------


@for_all(seed=SEEDS, T=st.integers(1, 6), D=st.integers(1, 5), causal=st.booleans())
def test_attention_mixes_values_and_hides_what_comes_later(seed, T, D, causal):
    rng = np.random.default_rng(seed)
    Q, K, V, G = rng.standard_normal((4, 2, T, D))
    before = bits(Q, K, V, G)
    P, A = attention_weights(Q, K, causal), attention(Q, K, V, causal)
    gradients = attention_backward(G, Q, K, V, causal)
    assert bits(Q, K, V, G) == before
    close(P.sum(axis=2), 1)
    close(np.maximum(A, V.max(axis=1, keepdims=True)), V.max(axis=1, keepdims=True) + 0 * A)
    close(attention(Q, K, V + 3, causal), A + 3)
    close(attention_weights(Q, K + rng.standard_normal(D), causal), P)  # the same for all keys
    for array, gradient in zip((Q, K, V), gradients, strict=True):
        numerical = numerical_gradient(lambda _: np.sum(G * attention(Q, K, V, causal)), array)
        assert relative_error(gradient, numerical) < 1e-6 or np.abs(gradient).max() < 1e-8
    if causal:
        later = rng.integers(T)
        V[:, later], K[:, later] = 100, -100
        assert np.array_equal(attention(Q, K, V, causal)[:, :later], A[:, :later])


@pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not here")
def test_a_layer_of_attention_is_pytorchs():
    import torch

    for heads, causal in [(1, True), (2, False), (4, True)]:
        X, G = np.random.default_rng(heads).standard_normal((2, 3, 5, 8))
        ours = MultiHeadAttention(8, heads, causal=causal)
        theirs = torch.nn.MultiheadAttention(8, heads, batch_first=True, dtype=torch.float64)
        with torch.no_grad():
            theirs.in_proj_weight.copy_(torch.tensor(ours.params["W"].T))
            theirs.out_proj.weight.copy_(torch.tensor(ours.params["W_out"].T))
        inputs = torch.tensor(X, requires_grad=True)
        mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), diagonal=1) if causal else None
        answers, _ = theirs(inputs, inputs, inputs, attn_mask=mask)
        answers.backward(torch.tensor(G))
        close(ours.forward(X), answers.detach().numpy())
        close(ours.backward(G), inputs.grad.numpy())
        close(ours.grads["W"], theirs.in_proj_weight.grad.numpy().T)
        close(ours.grads["W_out"], theirs.out_proj.weight.grad.numpy().T)
        close(ours.grads["b"], theirs.in_proj_bias.grad.numpy())


# --- A transformer: notebook 24 -------------------------------------------------------------------


@pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is an extra")
def test_a_gpt_is_pytorchs():
    """Its loss and every gradient, the tied table's of both ends among them."""
    import torch

    from benchmarks.transformer import Torch, ordered

    rng = np.random.default_rng(0)
    net = GPT(7, 6, width=8, depth=2, heads=2, dtype=np.float64)
    for key, value in net.params.items():
        value[...] = rng.normal("gamma" in key, 0.5, value.shape)
    X, y = rng.integers(7, size=(2, 4, 5))
    loss, gradients = net.loss(X, y)
    theirs = Torch(net)
    expected = theirs(torch.tensor(X), torch.tensor(y))
    expected.backward()
    assert abs(expected.item() - loss) < 1e-12
    pairs = list(zip(theirs.parameters(), ordered(net, gradients), strict=True))
    assert len(pairs) == len(gradients)
    for tensor, gradient in pairs:
        assert relative_error(gradient, tensor.grad.numpy()) < 1e-10


def test_a_cache_changes_no_text():
    net = GPT(7, 6, width=8, depth=2, heads=2, std=0.5, dtype=np.float64)
    texts = [generate(net, [1], 60, rng=4, cached=cached) for cached in (True, False)]
    assert np.array_equal(*texts)
