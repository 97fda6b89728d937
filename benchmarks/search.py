"""Seconds of one search run in four ways, and whether their results are identical.

    python -m benchmarks.search

The search: 24 settings of a network 64-200-10 on the digits, 2,000 steps each. It runs one after
the other in this process, on two processes, on a Dask cluster of two workers here, and on
the same cluster while one worker is killed after the first result. The two processes' seconds hold
their start; the cluster's start is shown apart. Results are compared bit for bit. (At the end
Python may warn of a leaked semaphore: the killed worker could not clean up.)
"""

import logging
import os
import signal
import time
from functools import partial

import dask
import distributed
import joblib
import numpy as np

from cs231n_utils.datasets import load_digits
from cs231n_utils.taught.linear import centre
from cs231n_utils.taught.search import sample_settings, search, try_setting

RANGES = {"learning_rate": (1e-4, 10.0), "reg": (1e-6, 1.0), "std": (1e-3, 1.0)}


def timed(task):
    """What a call returns, and its wall-clock seconds."""
    start = time.perf_counter()
    result = task()
    return result, time.perf_counter() - start


def killing(results, process):
    """All results; once the first is there, the process is killed."""
    table = [next(results)]
    os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    return table + list(results)


def main():
    """Run the four ways and print the table."""
    digits = load_digits()
    X_train, X_val = centre(digits.X_train, digits.X_val)
    evaluate = partial(try_setting, splits=(X_train, digits.y_train, X_val, digits.y_val))
    settings = [
        setting | {"hidden_size": 200, "num_iters": 2000}
        for setting in sample_settings(RANGES, 24, np.random.default_rng(0))
    ]

    def run():
        return search(settings, evaluate)

    rows = {"serial": timed(lambda: list(run()))}
    with joblib.parallel_config("loky", n_jobs=2):
        rows["2 processes"] = timed(lambda: list(run()))
    # Otherwise a worker gives memory back at every step, and takes three times as long (Linux).
    dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_TOP_PAD_": 2**24})
    client, start = timed(
        lambda: distributed.Client(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )
    )
    with client, joblib.parallel_config("dask"):
        rows["Dask, 2 workers"] = timed(lambda: list(run()))
        victim = next(iter(client.run(os.getpid).values()))
        rows["Dask, one worker killed"] = timed(lambda: killing(run(), victim))
        dead = victim not in client.run(os.getpid).values()

    serial = rows["serial"][0]
    print(f"{len(settings)} settings; the cluster takes {start:.1f} s to start")
    print(f"{'':26}{'seconds':>8}  identical to serial")
    for name, (table, seconds) in rows.items():
        print(f"{name:26}{seconds:8.1f}  {table == serial}")
    print(f"the killed worker is dead: {dead}")


if __name__ == "__main__":
    main()
