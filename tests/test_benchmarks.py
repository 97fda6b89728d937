"""Benchmarks: the ratios of a table, runs that are kept and read again."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from benchmarks import convnet
from benchmarks.convnet import ABLATION, BAGS, RECIPES, Recipe
from benchmarks.side_by_side import interleaved, print_table
from cs231n_utils.datasets import CIFAR10_CLASSES, Dataset

TINY = Recipe(epochs=16, widths=(2, 3), training={"learning_rate": 0.05})


@pytest.fixture
def images(monkeypatch, tmp_path):
    """A few random images of bytes, and a folder of their own for the runs."""
    monkeypatch.setattr(convnet, "BUILD", tmp_path)
    rng = np.random.default_rng(0)
    splits = []
    for size in (40, 20, 20):
        splits += [rng.integers(0, 256, (size, 3072), np.uint8), rng.integers(0, 10, size)]
    return Dataset(*splits, CIFAR10_CLASSES, image_shape=(32, 32, 3))


def test_a_ratio_compares_times_of_one_round(capsys):
    paces = iter([1, 1, 5, 5, 3, 3, 9, 9])  # two contenders in each of four rounds
    contenders = {"slow": lambda: 2e-3 * next(paces), "fast": lambda: 1e-3 * next(paces)}
    print_table("", interleaved(contenders, rounds=4), "fast")
    assert "2.00 (2.00 - 2.00)" in capsys.readouterr().out


def test_a_run_is_kept_and_its_network_comes_back(images):
    kept = convnet.run(TINY, 0, images)
    with mock.patch.object(convnet, "trained", side_effect=AssertionError("trained again")):
        model = convnet.restored(replace(TINY), 0, images)
        with pytest.raises(AssertionError, match="trained again"):
            convnet.run(replace(TINY, epochs=17), 0, images)
    for key, value in (model.params | model.state).items():
        assert np.array_equal(value, kept[f"array {key}"])


@pytest.mark.parametrize("recipe", [*(RECIPES | ABLATION | BAGS).values()])
def test_every_row_trains(recipe, images):
    short = replace(recipe, epochs=8, widths=[2] * len(recipe.widths))
    assert convnet.run(short, 0, images)["right"].shape == (2, 20)


def test_wrong_glue_keeps_the_pieces(images):
    photographs = convnet.as_images(images.X_train)
    for pair in zip(photographs, convnet.glued_wrongly(photographs), strict=True):
        one, other = ({part.tobytes() for part in convnet.quarters_of(x[None])} for x in pair)
        assert one == other
        assert not np.array_equal(*pair)
