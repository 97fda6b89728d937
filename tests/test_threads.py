"""One thread for small products, all for large ones, and the variable that says otherwise."""

import os
import subprocess
import sys

import pytest

COUNT = """
import os

import numpy
from threadpoolctl import threadpool_info

def threads():
    return max([pool["num_threads"] for pool in threadpool_info()], default=1)

available = threads()
from cs231n_utils.threads import use_all_threads

print(available, threads(), use_all_threads() or threads())
os.environ["CS231N_THREADS"] = "0"
use_all_threads()
"""


@pytest.mark.parametrize(("setting", "found"), [({}, [1, 2]), ({"CS231N_THREADS": "all"}, [2, 2])])
def test_products_take_one_thread_until_a_notebook_asks_for_all(setting, found):
    environment = {name: value for name, value in os.environ.items() if "_THREADS" not in name}
    environment |= {"OPENBLAS_NUM_THREADS": "2"} | setting
    command = [sys.executable, "-c", COUNT]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "CS231N_THREADS must be a whole number above 0, or all, not '0'" in result.stderr
    available, *threads = map(int, result.stdout.split())
    if available == 1:
        pytest.skip("this machine has one processor")
    assert threads == found
