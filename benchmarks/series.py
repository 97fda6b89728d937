"""Seconds of every notebook, as a student's kernel runs it: quiet, beside busy programs, and two.

    python -m benchmarks.series          every notebook but 12, 17 and 18
    python -m benchmarks.series 04 07    two of them

Each notebook runs in three ways: alone; beside two endless loops for each processor; and twice at
once beside these loops. The table gives medians over three rounds, kernel's start included, and
ratios to the quiet seconds. Beside four loops on two processors a program's fair share is 2/5 of a
processor, so the ratio 2.5; of two at once each has 1/3, so 3. More than this is time that threads
wait for one another. A last column gives the seconds that the notebook states.
"""

import contextlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.side_by_side import LONG, print_conditions
from publish.execute import execute
from publish.notebook import Notebook

ROUNDS = 3
LIMIT = 3600  # seconds, after which a busy program ends by itself
SPAWN = multiprocessing.get_context("spawn")
LOOP = f"import time; end = time.monotonic() + {LIMIT}\nwhile time.monotonic() < end: pass"


def seconds_of(name: str) -> float:
    """The seconds that one notebook takes."""
    return execute(Notebook.series(name)[0].content)


def run(name: str, copies: int) -> float:
    """The median seconds of the slowest of so many copies that run at once."""
    with ProcessPoolExecutor(copies, mp_context=SPAWN) as pool:
        return float(np.median([max(pool.map(seconds_of, [name] * copies)) for _ in range(ROUNDS)]))


@contextlib.contextmanager
def busy_programs() -> Iterator[None]:
    """Two endless loops for each processor, while the context lasts."""
    count = 2 * (os.cpu_count() or 1)
    programs = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def main() -> None:
    """Measure, print the table."""
    for variable in [name for name in os.environ if name.endswith("_NUM_THREADS")]:
        del os.environ[variable]  # a student's kernel has none
    print_conditions("numpy", "jupyter-client")
    notebooks = Notebook.series(*sys.argv[1:])
    if not sys.argv[1:]:
        notebooks = [notebook for notebook in notebooks if notebook.number not in LONG]
    head = f"{'quiet':>9}{'busy':>9}{'ratio':>7}{'two, busy':>11}{'ratio':>7}{'stated':>8}"
    print(f"\n{'notebook':28}{head}")
    for notebook in notebooks:
        quiet = run(notebook.name, copies=1)
        with busy_programs():
            busy, two = (run(notebook.name, copies) for copies in (1, 2))
        print(
            f"{notebook.name:28}{quiet:>7.1f} s{busy:>7.1f} s{busy / quiet:>7.2f}"
            f"{two:>9.1f} s{two / quiet:>7.2f}{notebook.times.seconds:>6} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
