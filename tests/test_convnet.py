"""Parts of 17_convnet where its notebook does not look: copies, short runs, flat channels."""

import numpy as np
import pytest

from cs231n_utils.taught.convnet import Pixels, Slices, convnet, train_on_crops
from cs231n_utils.taught.layers import Affine, BatchNorm, Dropout, Flatten, Sequential
from cs231n_utils.taught.linear import accuracy
from cs231n_utils.taught.optimizers import SGD

rng = np.random.default_rng(0)
y = np.arange(80) % 4
images = rng.standard_normal((80, 4, 4, 1)) + y[:, None, None, None]


def test_keep_best_restores_the_running_averages_of_every_copy():
    layers = [Flatten(), Affine(16, 8, rng=1), BatchNorm(8, decay=0.5), Affine(8, 4, rng=2)]
    model = Slices(Sequential(layers), count=2)
    history = model.train(images, y, images, y, num_iters=60, batch_size=8, keep_best=True,
                          optimizer=SGD(0.5, momentum=0.9))  # fmt: skip
    best = max(history["val_acc_history"])
    assert best > history["val_acc_history"][-1], "or there is nothing to restore"
    assert accuracy(model.predict(images), y) == best
    assert accuracy(model.models[1].predict(images), y) == best


def test_slices_draw_masks_of_their_own():
    model = Slices(Sequential([Flatten(), Dropout(0.5), Affine(16, 4)]), count=3)
    model.loss(images[:60], y[:60])
    masks = [each.layers[1].mask for each in model.models]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert 0.35 < np.mean(masks[one] == masks[other]) < 0.65


@pytest.mark.parametrize(
    ("share", "num_epochs", "num_steps"), [(1.0, 2, 10), (0.0, 2, 10), (0.6, 0.2, 1)]
)
def test_train_on_crops_may_leave_one_part_out(share, num_epochs, num_steps):
    model = convnet(images, (4,), num_classes=4)
    options = {"small": 2, "share": share, "batch_size": 16, "padding": 1, "mirror": False}
    history = train_on_crops(model, images, y, images, y, num_epochs=num_epochs, **options)
    assert len(history["loss_history"]) == num_steps


def test_train_on_crops_refuses_a_run_without_steps():
    model = convnet(images, (4,), num_classes=4)
    with pytest.raises(ValueError, match="num_steps must be a whole number, at least 1, not 0"):
        train_on_crops(model, images, y, images, y, num_epochs=0.01)


@pytest.mark.parametrize("flat", [0.0, 0.1, 255])
def test_a_constant_channel_is_only_centred(flat):
    coloured = np.concatenate([images, np.full_like(images, flat)], axis=3)
    for dtype in (np.float64, np.float32):
        out = Pixels(coloured.astype(dtype), dtype).forward(coloured.astype(dtype))
        assert np.abs(out[..., 1]).max() < 1e-4 * max(flat, 1)
        assert np.isclose(out[..., 0].std(), 1)
