"""The exported training loop: what it learns, what it repeats, and what it refuses."""

import numpy as np
import pytest

from cs231n_utils.datasets import make_spirals
from cs231n_utils.taught.models import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.taught.training import minibatches, train

DATA = make_spirals()
SPLITS = (DATA.X_train, DATA.y_train, DATA.X_val, DATA.y_val)


def test_same_seed_gives_the_same_parameters_bit_for_bit():
    nets = [TwoLayerNet(2, 10, 3, std=0.5, rng=1) for _ in range(2)]
    histories = [net.train(*SPLITS, learning_rate=0.5, num_iters=50, rng=2) for net in nets]
    assert histories[0] == histories[1]
    for name in nets[0].params:
        assert np.array_equal(nets[0].params[name], nets[1].params[name])


def test_another_seed_gives_other_minibatches():
    losses = [
        TwoLayerNet(2, 10, 3, std=0.5).train(*SPLITS, num_iters=3, rng=seed)["loss_history"]
        for seed in (0, 1)
    ]
    assert losses[0] != losses[1]


def test_a_step_is_gradient_descent():
    net, by_hand = (TwoLayerNet(2, 10, 3, std=0.5) for _ in range(2))
    N = len(DATA.X_train)
    net.train(*SPLITS, learning_rate=0.5, reg=0.1, num_iters=1, batch_size=N)
    _, grads = by_hand.loss(DATA.X_train, DATA.y_train, reg=0.1)
    for name in net.params:
        expected = by_hand.params[name] - 0.5 * grads[name]
        np.testing.assert_allclose(net.params[name], expected, atol=1e-12)


def test_learning_rate_decays_once_an_epoch():
    """With the whole set as one batch every step is an epoch: the rates are 1, 1/2, 1/4."""
    net, by_hand = (SoftmaxClassifier(2, 3) for _ in range(2))
    N = len(DATA.X_train)
    train(net, *SPLITS, learning_rate=1.0, learning_rate_decay=0.5, num_iters=3, batch_size=N)
    for rate in (1.0, 0.5, 0.25):
        _, grads = by_hand.loss(DATA.X_train, DATA.y_train, reg=5e-6)
        for name in grads:
            by_hand.params[name] -= rate * grads[name]
    np.testing.assert_allclose(net.params["W"], by_hand.params["W"], atol=1e-12)


@pytest.mark.parametrize(("N", "batch_size"), [(10, 3), (9, 3), (5, 5), (4, 100), (3, 1)])
def test_every_epoch_uses_every_example_once(N, batch_size):
    batches = minibatches(N, batch_size, np.random.default_rng(0))
    epochs = []
    for _ in range(2):
        epoch = [next(batches) for _ in range(-(-N // batch_size))]
        assert all(len(batch) <= batch_size for batch in epoch)
        epochs.append(np.concatenate(epoch))
        assert sorted(epochs[-1]) == list(range(N))


def test_history_has_one_loss_a_step_and_accuracies_every_epoch_and_at_the_end():
    N = len(DATA.X_train)
    history = TwoLayerNet(2, 5, 3).train(*SPLITS, num_iters=7, batch_size=N // 2)
    assert {name: len(values) for name, values in history.items()} == {
        "loss_history": 7,
        "train_acc_history": 4,
        "val_acc_history": 4,
    }


def test_a_batch_larger_than_the_data_works():
    history = TwoLayerNet(2, 5, 3).train(*SPLITS, num_iters=2, batch_size=10**6)
    assert len(history["val_acc_history"]) == 2


def test_verbose_prints_and_silent_does_not(capsys):
    TwoLayerNet(2, 5, 3).train(*SPLITS, num_iters=1)
    assert capsys.readouterr().out == ""
    TwoLayerNet(2, 5, 3).train(*SPLITS, num_iters=1, verbose=True)
    assert "loss" in capsys.readouterr().out


@pytest.mark.parametrize("batch_size", [200, 10**4])  # with the second every step is an epoch
@pytest.mark.parametrize("learning_rate", [1e3, 1e10, 1e200])
def test_divergence_warns_names_the_cause_and_stops(learning_rate, batch_size):
    net = TwoLayerNet(2, 10, 3, std=1.0)
    with pytest.warns(RuntimeWarning, match="learning rate .* is the likely cause") as warnings:
        history = net.train(
            *SPLITS, learning_rate=learning_rate, num_iters=200, batch_size=batch_size
        )
    assert len(warnings) == 1, "one warning, and none of NumPy's"
    assert warnings[0].filename == __file__
    assert len(history["loss_history"]) < 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": -1.0}, "learning_rate must be a finite number above 0"),
        ({"learning_rate": np.nan}, "learning_rate must be"),
        ({"learning_rate_decay": 0.0}, "learning_rate_decay must be"),
        ({"reg": -1.0}, "reg must be a finite number, at least 0"),
        ({"num_iters": 0}, "num_iters must be a whole number, at least 1"),
        ({"num_iters": 2.5}, "num_iters must be a whole number"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"X_val": DATA.X_val[:, :1]}, r"X must have shape \(N, 2\)"),
        ({"X_train": np.where(DATA.X_train > 0.9, np.nan, DATA.X_train)}, "NaN"),
        ({"X_train": DATA.X_train[:0], "y_train": DATA.y_train[:0]}, "no examples"),
        ({"y_train": DATA.y_train[:-1]}, "one label for each"),
        ({"y_val": DATA.y_val + 1}, "labels must lie in"),
    ],
)
def test_bad_input_is_refused_before_the_first_step(options, message):
    net = TwoLayerNet(2, 5, 3)
    before = net.params["W1"].copy()
    named = dict(zip(["X_train", "y_train", "X_val", "y_val"], SPLITS, strict=True))
    with pytest.raises(ValueError, match=message):
        net.train(**(named | options))
    assert np.array_equal(net.params["W1"], before)


def test_spirals_need_the_hidden_layer():
    net, linear = TwoLayerNet(2, 100, 3, std=1.0), SoftmaxClassifier(2, 3)
    for model in (net, linear):
        train(model, *SPLITS, 1.0, 0.999, 1e-4, num_iters=3000, batch_size=60)
    assert np.mean(net.predict(DATA.X_test) == DATA.y_test) >= 0.98
    assert np.mean(linear.predict(DATA.X_test) == DATA.y_test) < 0.6


@pytest.mark.parametrize(("N", "batch_size"), [(0, 5), (5, 0), (5, -1)])
def test_minibatches_of_nothing_are_refused(N, batch_size):
    with pytest.raises(ValueError, match="must be a whole number, at least 1"):
        next(minibatches(N, batch_size, np.random.default_rng(0)))
