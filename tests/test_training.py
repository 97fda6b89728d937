"""Minibatches, steps, augmentation and the training loop of notebooks 08 and 09."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import REGS, SEEDS, SHAPES, SIZES, bits, close, for_all

from cs231n_utils import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.datasets import make_spirals
from cs231n_utils.taught.augmentation import random_flips, random_shifts
from cs231n_utils.taught.linear import accuracy
from cs231n_utils.taught.optimizers import SGD, Adam, linear_decay
from cs231n_utils.taught.training import minibatches, train

DATA = make_spirals()
SPLITS = (DATA.X_train, DATA.y_train, DATA.X_val, DATA.y_val)


def splits(shape, seed):
    """Training and validation inputs and labels; read-only, so that a write raises."""
    (N, D, num_val, C), rng = shape, np.random.default_rng(seed)
    arrays = []
    for size in (4 * N, 3 * num_val):
        arrays += [rng.standard_normal((size, D)), rng.integers(0, C, size)]
    for array in arrays:
        array.flags.writeable = False
    return arrays


MODELS = [
    lambda D, C, seed: TwoLayerNet(D, 6, C, std=0.5, rng=seed),
    lambda D, C, seed: TwoLayerNet(D, 6, C, std=0.5, rng=seed, dtype=np.float32),
    lambda D, C, seed: SoftmaxClassifier(D, C),
]
OPTIONS = {
    "learning_rate": st.floats(1e-3, 0.5),
    "learning_rate_decay": st.floats(0.5, 1),
    "reg": REGS,
    "num_iters": st.integers(1, 12),
    "batch_size": st.integers(1, 30),
}
RUNS = {"shape": SHAPES, "seed": SEEDS, "options": st.fixed_dictionaries(OPTIONS)}


@for_all(**RUNS, make=st.sampled_from(MODELS), max_examples=25)
def test_training_repeats_bit_for_bit_and_changes_the_parameters_alone(shape, seed, make, options):
    D, C = shape[1], shape[3]
    arrays = splits(shape, seed)
    before, state = bits(*arrays), bits(np.random.get_state()[1])
    first, second = make(D, C, seed), make(D, C, seed)
    types = [value.dtype for value in first.params.values()]
    history = train(first, *arrays, **options, rng=seed)
    assert train(second, *arrays, **options, rng=np.random.default_rng(seed)) == history
    assert bits(*first.params.values()) == bits(*second.params.values())
    assert [value.dtype for value in first.params.values()] == types
    assert bits(*arrays) == before
    assert bits(np.random.get_state()[1]) == state
    num_iters, steps_per_epoch = options["num_iters"], -(-len(arrays[1]) // options["batch_size"])
    assert len(history["loss_history"]) == num_iters
    for name in ("train_acc_history", "val_acc_history"):
        assert len(history[name]) == -(-num_iters // steps_per_epoch)
        assert all(0 <= share <= 1 for share in history[name])
    assert history["val_acc_history"][-1] == accuracy(first.predict(arrays[2]), arrays[3])


@for_all(**RUNS, max_examples=25)
def test_training_steps_at_a_rate_that_decays_after_each_epoch(shape, seed, options):
    X, y, X_val, y_val = splits(shape, seed)
    net, by_hand = (TwoLayerNet(shape[1], 4, shape[3], std=0.5, rng=seed) for _ in range(2))
    history = net.train(X, y, X_val, y_val, **options, rng=seed)
    rng, batch_size = np.random.default_rng(seed), options["batch_size"]
    rng.permutation(len(y))  # for the training accuracy
    batches = minibatches(len(y), batch_size, rng)
    for step, (recorded, batch) in enumerate(zip(history["loss_history"], batches, strict=False)):
        loss, grads = by_hand.loss(X[batch], y[batch], options["reg"])
        close(recorded, loss, 1e-9)
        decays = step // -(-len(y) // batch_size)
        rate = options["learning_rate"] * options["learning_rate_decay"] ** decays
        for name in grads:
            by_hand.params[name] = by_hand.params[name] - rate * grads[name]
    for name in by_hand.params:
        close(net.params[name], by_hand.params[name], 1e-9)


@for_all(N=st.integers(1, 60), batch_size=st.integers(1, 80), seed=SEEDS)
def test_every_epoch_uses_every_example_once_in_an_order_of_its_own(N, batch_size, seed):
    batches = minibatches(N, batch_size, np.random.default_rng(seed))
    orders = [list(range(N))]
    for _ in range(3):
        epoch = list(islice(batches, -(-N // batch_size)))
        assert all(len(batch) == batch_size for batch in epoch[:-1])
        assert 1 <= len(epoch[-1]) <= batch_size
        orders.append(np.concatenate(epoch).tolist())
        assert sorted(orders[-1]) == orders[0]
    assert N < 20 or len(set(map(tuple, orders))) == 4


def test_the_loop_sets_the_rate_of_an_optimizer_and_puts_it_back():
    def trained(**options):
        net = TwoLayerNet(2, 5, 3, std=1.0)
        net.train(*SPLITS, num_iters=30, batch_size=100, **options)
        return bits(*net.params.values())

    plain = {"learning_rate": 0.2, "learning_rate_decay": 0.5, "schedule": linear_decay}
    expected = trained(**plain)
    for rate in (0.2, 7.0):  # an optimizer brings its own
        optimizer = SGD(0.2)
        assert trained(**(plain | {"learning_rate": rate}), optimizer=optimizer) == expected
        assert optimizer.learning_rate == 0.2
    adam = Adam(0.2)
    adam_alone = trained(learning_rate_decay=0.5, schedule=linear_decay, optimizer=adam)
    assert adam_alone not in (expected, trained(optimizer=Adam(0.2)))
    assert adam.learning_rate == 0.2


IMAGES = st.tuples(SIZES, SIZES, SIZES) | st.tuples(SIZES, SIZES)  # rows, columns, colours


@for_all(image_shape=IMAGES, seed=SEEDS)
def test_a_flip_mirrors_some_images_left_to_right_and_leaves_the_others(image_shape, seed):
    images = np.random.default_rng(seed).standard_normal((40, *image_shape))
    X = images.reshape(40, -1).copy()
    flipped = random_flips(image_shape)(X, np.random.default_rng(seed)).reshape(images.shape)
    mirrored = np.array([not np.array_equal(a, b) for a, b in zip(images, flipped, strict=True)])
    assert np.array_equal(flipped[mirrored], images[mirrored][:, :, ::-1])
    assert 5 <= mirrored.sum() <= 35 or image_shape[1] == 1  # a chance of 1e-6 for each seed


@for_all(image_shape=IMAGES, seed=SEEDS, most=st.integers(0, 3))
def test_a_shift_moves_every_image_whole_and_fills_with_zeros(image_shape, seed, most):
    images = 1 + np.random.default_rng(seed).random((20, *image_shape))  # no pixel is 0
    X = images.reshape(20, -1)
    before = bits(X)
    moved = random_shifts(image_shape, most)(X, np.random.default_rng(seed)).reshape(images.shape)
    assert bits(X) == before
    places = [*np.ndindex(2 * most + 1, 2 * most + 1)]
    rows, columns = image_shape[:2]
    for image, result in zip(images, moved, strict=True):
        padded = np.pad(image, [(most, most), (most, most), (0, 0)][: image.ndim])
        parts = (padded[i : i + rows, j : j + columns] for i, j in places)
        assert any(np.array_equal(result, part) for part in parts)


@pytest.mark.parametrize(("learning_rate", "batch_size"), [(1e3, 10**4), (1e10, 200), (1e200, 200)])
def test_divergence_warns_names_the_cause_and_stops(learning_rate, batch_size):
    net = TwoLayerNet(2, 10, 3, std=1.0)
    with pytest.warns(RuntimeWarning, match="learning rate .* is the likely cause") as warnings:
        history = net.train(*SPLITS, learning_rate, num_iters=200, batch_size=batch_size)
    assert len(warnings) == 1, "one warning, and none of NumPy's"
    assert warnings[0].filename == __file__
    assert len(history["loss_history"]) < 200


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"num_iters": 0}, "num_iters"),
        ({"batch_size": 0}, "batch_size"),
        ({"X_val": DATA.X_val[:, :1]}, "shape"),
        ({"y_val": DATA.y_val + 1}, "labels"),
        ({"optimizer": SGD}, "optimizer"),
    ],
)
def test_bad_input_is_refused_before_the_first_step(options, word):
    net = TwoLayerNet(2, 5, 3)
    before = net.params["W1"].copy()
    named = dict(zip(["X_train", "y_train", "X_val", "y_val"], SPLITS, strict=True))
    with pytest.raises((ValueError, TypeError), match=word):
        net.train(**(named | options))
    assert np.array_equal(net.params["W1"], before)
