"""How many threads NumPy's matrix products use.

The products of the series are small, but for those of CIFAR-10. Threads that share a small product
wait for one another, and beside other programs on a busy machine they wait for whole time slices:
a notebook can take ten times as long with two threads as with one. So importing `cs231n_utils`
limits the products to one thread. A notebook whose work gains from more calls `use_all_threads`.

The environment variable CS231N_THREADS switches this off: `all` leaves the number of threads as it
is, a number sets it, for every notebook.
"""

import os

import numpy as np  # noqa: F401  loads the library that is limited
from threadpoolctl import threadpool_limits

_limit = threadpool_limits(limits=None)


def limit_threads(setting: str) -> None:
    """Limit NumPy's matrix products to so many threads, for the whole process.

    Parameters
    ----------
    setting
        A whole number, at least 1, or ``all``: as many as there were when NumPy was imported.

    Raises
    ------
    ValueError
        For any other setting.
    """
    global _limit
    _limit.restore_original_limits()
    if setting == "all":
        return
    if not setting.isdecimal() or int(setting) < 1:
        raise ValueError(
            f"CS231N_THREADS must be a whole number, at least 1, or all, not {setting!r}"
        )
    _limit = threadpool_limits(limits=int(setting), user_api="blas")


def use_all_threads() -> None:
    """Let matrix products use all threads again, unless CS231N_THREADS says how many."""
    limit_threads(os.environ.get("CS231N_THREADS", "all"))
