"""25_speedrun where its notebook does not look: epochs in turn, rates put back, slices."""

import numpy as np
import pytest

from benchmarks.ten_steps import of_17, of_25, rungs
from cs231n_utils.taught.convnet import Slices
from cs231n_utils.taught.optimizers import SGD, Muon, Together
from cs231n_utils.taught.speedrun import muon_and_sgd, six_looks, speed_net, train_in_turn

rng = np.random.default_rng(0)
y = np.arange(60) % 4
images = rng.integers(0, 100, (60, 12, 12, 3), dtype=np.uint8)
images += (40 * y).astype(np.uint8)[:, None, None, None]


def test_a_run_learns_and_leaves_images_and_rates_as_they_were():
    model = Slices(speed_net(images, (8,), num_classes=4, smoothing=0.0))
    before, optimizer = images.copy(), muon_and_sgd(model.params, rate=0.24, bias_rate=0.5)
    rates = [rate for _, rate, _ in optimizer.shares]
    history = train_in_turn(model, images, y, images, y, num_epochs=8, optimizer=optimizer,
                            batch_size=20, small=8, small_epochs=2)  # fmt: skip
    assert len(history["loss_history"]) == 24
    assert history["val_acc_history"][-1] > 0.7
    assert np.array_equal(images, before)
    assert optimizer.learning_rate == 1
    assert [rate for _, rate, _ in optimizer.shares] == rates
    assert np.mean(six_looks(model, images).argmax(axis=1) == y) > 0.7


def test_every_parameter_has_one_optimizer_and_bytes_stay_float32():
    model = speed_net(images, (4, 5), num_classes=4)
    names = [name for _, _, its in muon_and_sgd(model.params).shares for name in its]
    assert sorted(names) == sorted(model.params)
    _, grads = model.loss(images, y)
    assert {each.dtype for each in (model.params | grads).values()} == {np.dtype(np.float32)}
    assert not any("gamma" in name for name in names)


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_together_is_each_of_its_optimizers_at_a_share_of_its_rate(share):
    W, b = rng.standard_normal((3, 3, 2, 4)), rng.standard_normal(4)
    grads = {"W": rng.standard_normal(W.shape), "b": rng.standard_normal(4)}
    params, alone = {"W": W.copy(), "b": b.copy()}, {"W": W.copy(), "b": b.copy()}
    both = Together((Muon(0.2), ["W"]), (SGD(3.0, 0.5), ["b"]))
    both.learning_rate = share
    both.step(params, grads)
    Muon(0.2 * share).step({"W": alone["W"]}, grads)
    SGD(3.0 * share, 0.5).step({"b": alone["b"]}, grads)
    assert all(np.array_equal(params[name], alone[name]) for name in alone)


@pytest.mark.parametrize("build", [of_17, of_25])
def test_a_rung_of_the_price_list_differs_by_its_trick_alone(build):
    def of(*tricks):
        layers = build(tricks, 0).layers
        norms = [layer for layer in layers if "Norm" in type(layer).__name__]
        return {
            "short memory": {layer.decay for layer in norms} == {0.6},
            "GELU": not any(type(layer).__name__ == "ReLU" for layer in layers),
            "bias alone": not any("gamma" in layer.params for layer in norms),
            "white": any(type(layer).__name__ == "Whitening" for layer in layers),
            "small head": layers[-1].params["W"].std() < 0.05,
            "identity": any(
                layer.params["W"][1, 1, 0, 0] > 0.9
                for layer in layers
                if len(layer.params.get("W", "")) == 3
            ),
        }

    everything = rungs()["the new one"][1]
    assert not any(of().values())
    for trick in of():
        assert [name for name, is_in in of(trick).items() if is_in] == [trick]
    assert all(of(*everything).values())
