"""Benchmarks: runs that are kept and read again, and contenders that compute the same."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from benchmarks import adversarial, autograd, convnet
from benchmarks.convnet import ABLATION, RECIPES, Recipe
from cs231n_utils.datasets import CIFAR10_CLASSES, Dataset

TINY = Recipe(widths=(2, 3), epochs=16, rate=0.05)


@pytest.fixture
def images(monkeypatch, tmp_path):
    """A few random images of bytes, and a folder of their own for the runs."""
    for series in (convnet, adversarial):
        monkeypatch.setattr(series, "BUILD", tmp_path)
    rng = np.random.default_rng(0)
    splits = []
    for size in (40, 20, 20):
        splits += [rng.integers(0, 256, (size, 3072), np.uint8), rng.integers(0, 10, size)]
    return Dataset(*splits, CIFAR10_CLASSES, image_shape=(32, 32, 3))


def test_a_run_is_kept_and_not_repeated(images):
    first, other = convnet.run(TINY, 0, images), convnet.run(TINY, 1, images)
    assert len(first["loss_history"]) == 5
    assert not np.array_equal(first["loss_history"], other["loss_history"])
    with mock.patch.object(convnet, "trained", side_effect=AssertionError("trained again")):
        again = convnet.run(replace(TINY), 0, images)
        with pytest.raises(AssertionError, match="trained again"):
            convnet.run(replace(TINY, rate=0.06), 0, images)
    assert all(np.array_equal(again[key], value) for key, value in first.items())


def test_the_network_of_a_run_comes_back(images):
    kept, model = convnet.run(TINY, 0, images), convnet.restored(TINY, 0, images)
    X_val = convnet.as_images(images.X_val)
    assert np.array_equal(convnet.right(model, X_val, images.y_val), kept["right"])


@pytest.mark.parametrize("name", RECIPES | ABLATION)
def test_every_row_makes_a_network(name, images):
    images = convnet.as_images(images.X_train)
    assert convnet.network((RECIPES | ABLATION)[name], images).scores(images[:2]).shape == (2, 10)


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_whisker_holds_the_truth(seeds):
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        changed = rng.standard_normal((seeds, 1)) + rng.standard_normal((seeds, 100))
        mean, whisker = convnet.effect(changed + rng.standard_normal(100), np.zeros(100))
        held += abs(mean) <= whisker
    assert 0.9 < held / 200 < 1


@pytest.mark.parametrize("levels", [0.0, 4.0])
def test_images_are_moved_against_a_network_and_the_answers_kept(images, levels):
    recipe = adversarial.Recipe(TINY, levels)
    right = adversarial.run(recipe, 0, images)["right"]
    assert right.shape == (len(adversarial.ATTACKS), len(adversarial.LEVELS), 20)
    assert (right[:, 0] == right[0, 0]).all(), "at eps = 0 nothing moves"
    with mock.patch.object(adversarial, "attacked", side_effect=AssertionError("attacked again")):
        assert np.array_equal(adversarial.run(recipe, 0, images)["right"], right)
        with pytest.raises(AssertionError, match="attacked again"):
            adversarial.run(replace(recipe, levels=2.0), 0, images)


def test_no_number_moves_further_than_asked_and_the_loss_rises(images):
    X, y = convnet.as_images(images.X_val), images.y_val
    model = adversarial.trained(adversarial.Recipe(TINY), 0, images)
    signs = np.ones(X.shape, np.float32)
    before = model.loss_of_scores(model.scores(X), y)[0]
    _, *moved = adversarial.attacks(model, X, y, signs, eps=4)
    for each in moved:
        assert np.abs(each - X).max() <= 4.001
        assert each.min() >= 0
        assert each.max() <= 255
        assert model.loss_of_scores(model.scores(each), y)[0] > before


def test_where_half_the_accuracy_is_gone():
    accuracies = np.array([0.8, 0.7, 0.5, 0.3, 0.1, 0.0, 0.0])
    assert adversarial.halved(accuracies) == "1.50"
    assert adversarial.halved(np.maximum(accuracies, 0.5)) == "> 16"


@pytest.mark.parametrize("name", autograd.CASES)
def test_the_engine_computes_what_the_passes_by_hand_do(name):
    case = autograd.CASES[name](np.float64)
    autograd.check_same(case, tolerance=1e-10)
    wrong = replace(case, engines={"engine": lambda params, X: 2 * case_scores(case, params, X)})
    with pytest.raises(AssertionError):
        autograd.check_same(wrong, tolerance=1e-10)


def case_scores(case, params, X):
    """Scores by the first way of the engine."""
    return next(iter(case.engines.values()))(params, X)
