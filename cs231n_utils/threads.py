"""How many threads NumPy's matrix products use: one, when `cs231n_utils` is imported.

Threads that share a small product wait for one another, ten times as long beside other programs.
A notebook that gains from more calls `use_all_threads`; CS231N_THREADS, a number or `all`, decides.
"""

import os

import numpy as np  # noqa: F401  loads the library that is limited
from threadpoolctl import threadpool_limits

_limit = threadpool_limits(limits=None)


def limit_threads(default: str) -> None:
    """Limit the process to CS231N_THREADS threads, or the default; ``all`` are NumPy's own."""
    setting = os.environ.get("CS231N_THREADS", default)
    _limit.restore_original_limits()
    if setting == "all":
        return
    if not setting.isdecimal() or int(setting) < 1:
        raise ValueError(f"CS231N_THREADS must be a whole number above 0, or all, not {setting!r}")
    threadpool_limits(limits=int(setting), user_api="blas")


def use_all_threads() -> None:
    """Let matrix products use all threads again, unless CS231N_THREADS says how many."""
    limit_threads("all")
