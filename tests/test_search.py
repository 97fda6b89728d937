"""The exported search: the same table wherever it runs, and its parts."""

import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import threadpoolctl

from cs231n_utils.datasets import make_spirals
from cs231n_utils.taught.models import TwoLayerNet
from cs231n_utils.taught.optimizers import SGD
from cs231n_utils.taught.search import (
    sample_settings,
    search,
    try_setting,
)

ROOT = Path(__file__).parent.parent  # publish.notebook would cost each process seconds
DATA = make_spirals()
SPLITS = (DATA.X_train, DATA.y_train, DATA.X_val, DATA.y_val)
RANGES = {"learning_rate": (1e-3, 1e3), "std": (0.1, 1.0)}  # some of these rates diverge
SETTINGS = [
    setting | {"hidden_size": 20, "num_iters": 30}
    for setting in sample_settings(RANGES, 12, np.random.default_rng(0))
]


def evaluate(setting, seed):
    """One try, in whatever process."""
    return try_setting(setting, seed, SPLITS)


def test_two_processes_give_the_same_table():
    serial = list(search(SETTINGS, evaluate))
    failed = [False] * len(DATA.y_val)
    assert {"loss": np.inf, "val_accuracy": 0.0, "right": failed} in serial, "one run diverges"
    with joblib.parallel_config("loky", n_jobs=2):
        assert list(search(SETTINGS, evaluate)) == serial


@pytest.mark.slow
def test_the_sites_page_on_clusters_runs():
    """Its own asserts compare the tables, the last one after a worker's death."""
    page = ROOT / "publish" / "site" / "pages" / "cluster.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    assert "SIGKILL" in "".join(blocks)
    code = "\n".join(blocks) + "\nprint(client.status)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "closed\n"), ran.stderr


def states(settings, seed):
    """The first number of each setting's seed."""
    return list(search(settings, lambda _, child: int(child.generate_state(1)[0]), seed))


def test_seeds_are_children_by_number():
    expected = [int(child.generate_state(1)[0]) for child in np.random.SeedSequence(7).spawn(3)]
    assert states([{}, {}, {}], seed=7) == expected
    assert states([{}, {}], seed=7) == expected[:2], "a setting's seed depends on its number alone"
    assert states([], seed=7) == []
    assert len(set(expected + states([{}, {}, {}], seed=[7, 1]))) == 6


def test_every_try_has_one_thread():
    def num_threads(setting, seed):
        return max((pool["num_threads"] for pool in threadpoolctl.threadpool_info()), default=1)

    with threadpoolctl.threadpool_limits(2):
        before = num_threads({}, None)
        assert list(search([{}, {}], num_threads)) == [1, 1]
        assert num_threads({}, None) == before, "the limit must end with the try"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_try_is_a_training_run_in_the_dtype_of_the_data(dtype):
    """The accuracy and the last loss are those of a network trained by hand."""
    splits = DATA.X_train.astype(dtype), DATA.y_train, DATA.X_val.astype(dtype), DATA.y_val
    setting = {"hidden_size": 10, "std": 0.5, "learning_rate": 0.1, "reg": 0.01, "num_iters": 40,
               "batch_size": 30, "momentum": 0.5, "schedule": None}  # fmt: skip
    rng = np.random.default_rng(3)
    net = TwoLayerNet(2, 10, 3, std=0.5, rng=rng, dtype=dtype)
    options = {name: setting[name] for name in ("reg", "num_iters", "batch_size", "schedule")}
    optimizer = SGD(0.1, momentum=0.5)
    history = net.train(*splits, **options, learning_rate_decay=1.0, optimizer=optimizer, rng=rng)
    right = (net.predict(splits[2]) == DATA.y_val).tolist()
    expected = {"loss": history["loss_history"][-1], "val_accuracy": np.mean(right), "right": right}
    assert try_setting(setting, 3, splits) == expected


@pytest.mark.parametrize(("low", "high"), [(0, 1), (2, 1), (1, np.inf), (np.nan, 1), (1, np.nan)])
def test_ranges_without_a_log_scale_are_refused(low, high):
    with pytest.raises(ValueError, match=r"(low|high) must be"):
        sample_settings({"learning_rate": (low, high)}, 1, np.random.default_rng(0))
