"""One thread for small products, all for large ones, and the variable that says otherwise."""

import os
import subprocess
import sys

import pytest

COUNT = """
import numpy
from threadpoolctl import threadpool_info

def threads():
    return max([pool["num_threads"] for pool in threadpool_info()], default=1)

available = threads()
from cs231n_utils.threads import use_all_threads

at_first = threads()
use_all_threads()
print(available, at_first, threads())
"""


def count(**setting):
    """Threads before the package is imported, after it, and after use_all_threads."""
    environment = {name: value for name, value in os.environ.items() if "_THREADS" not in name}
    return subprocess.run(
        [sys.executable, "-c", COUNT],
        env=environment | {"OPENBLAS_NUM_THREADS": "2"} | setting,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("setting", "at_first", "at_last"), [(None, 1, 2), ("all", 2, 2), ("1", 1, 1)]
)
def test_products_take_one_thread_until_a_notebook_asks_for_all(setting, at_first, at_last):
    result = count(**({} if setting is None else {"CS231N_THREADS": setting}))
    available, *found = map(int, result.stdout.split())
    if available == 1:
        pytest.skip("this machine has one processor")
    assert found == [at_first, at_last]


def test_a_wrong_setting_is_refused():
    assert "CS231N_THREADS must be a whole number" in count(CS231N_THREADS="0").stderr
