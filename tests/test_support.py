"""What a step that is interrupted leaves behind, and masks that must differ."""

import numpy as np
import pytest

from cs231n_utils.taught.layers import Affine, Dropout, ReLU, Residual, Sequential
from cs231n_utils.taught.optimizers import SGD

X = np.random.default_rng(0).standard_normal((6, 4))
y = np.array([0, 1, 2, 3, 0, 1])


class Interrupted(ReLU):
    """A layer in whose backward pass somebody presses Ctrl-C, once."""

    pressed = False

    def backward(self, dOut):
        """Stop the first time."""
        if not self.pressed:
            self.pressed = True
            raise KeyboardInterrupt
        return super().backward(dOut)


def test_gradients_are_right_after_an_interrupted_step():
    net = Sequential([Affine(4, 4, rng=1), Interrupted(), Affine(4, 4, rng=2)])
    with pytest.raises(KeyboardInterrupt):
        net.loss(X, y)
    same = Sequential([Affine(4, 4, rng=1), ReLU(), Affine(4, 4, rng=2)])
    ones = np.ones((6, 4))
    for each in (net, same):
        each.scores(X, training=True)
    assert np.array_equal(net.backward(ones), same.backward(ones))


def test_the_rate_is_put_back_after_an_interrupted_run():
    net = Sequential([Affine(4, 4, rng=1), ReLU(), Affine(4, 4, rng=2)])
    optimizer = SGD(0.5)

    def interrupt_late(images, rng):
        if optimizer.learning_rate < 0.2:
            raise KeyboardInterrupt
        return images

    with pytest.raises(KeyboardInterrupt):
        net.train(X, y, X, y, learning_rate_decay=0.5, num_iters=9, optimizer=optimizer,
                  augment=interrupt_late)  # fmt: skip
    assert optimizer.learning_rate == 0.5


def test_layers_of_dropout_in_one_network_draw_different_masks():
    ones = np.ones((50, 8))
    layers = [Dropout(0.5), Residual([Dropout(0.5), ReLU()]), Dropout(0.5)]
    Sequential(layers)
    drawing = [layers[0], layers[1].layers[0], layers[2]]
    masks = [layer.forward(ones, training=True) for layer in drawing]
    assert np.array_equal(masks[0], Dropout(0.5).forward(ones, training=True))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert 0.35 < np.mean(masks[one] == masks[other]) < 0.65
