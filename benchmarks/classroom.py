"""A class on one machine: students execute every notebook but 12, 17 and 18 at once.

    python -m benchmarks.classroom         a class of 20
    python -m benchmarks.classroom 40      a class of 40

Every student goes through the notebooks in order, each in a fresh kernel; all students start
together. A kernel's start lasts until it answers. Its memory is sampled once a second and the
highest sample counts: on Linux the proportional set size, in which a page that several processes
share counts in parts, elsewhere the resident set size. The class ends after an hour, finished or
not.
"""

import contextlib
import multiprocessing
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, wait

import nbformat
import numpy as np
import psutil

from benchmarks.side_by_side import LONG, print_conditions
from publish.notebook import Notebook
from publish.pages.run import execute

PATHS = [notebook.path for notebook in Notebook.series() if notebook.number not in LONG]
LIMIT = 3600  # seconds
SPAWN = multiprocessing.get_context("spawn")  # a student shares nothing with another one
MEGABYTE = 1e6
EMPTY = nbformat.v4.new_notebook()


def run_in_a_kernel(notebook, name):
    """Execute one notebook; its name, kernel's process, seconds until ready and in all, error."""
    row = {"name": name, "error": None}
    start = time.perf_counter()

    def ready(**_):
        row["ready"] = time.perf_counter() - start
        kernel = max(psutil.Process().children(), key=psutil.Process.create_time)
        row["kernel"] = kernel.pid

    try:
        row["seconds"] = execute(notebook, on_notebook_start=ready, startup_timeout=LIMIT)
    except Exception as error:  # whatever it is, this student goes on with the next notebook
        last = str(error).strip().splitlines()[-1:]
        row["error"] = f"{name}: {type(error).__name__} {last}"
    return row


def attend():
    """What one student does: a row for every notebook."""
    return [run_in_a_kernel(nbformat.read(path, as_version=4), path.stem) for path in PATHS]


def memory_of_kernels():
    """Process number -> bytes of every kernel that a student has started."""
    bytes_used = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            if "ipykernel_launcher" in process.cmdline():
                used = process.memory_full_info()
                bytes_used[process.pid] = getattr(used, "pss", used.rss)
    return bytes_used


def hold_class(num_students):
    """Rows of all students, peak bytes of each kernel, of all at once, and the seconds."""
    peaks, together, start = defaultdict(int), 0, time.perf_counter()
    with ProcessPoolExecutor(num_students, SPAWN) as executor:
        students = [executor.submit(attend) for _ in range(num_students)]
        while wait(students, timeout=1).not_done:
            used = memory_of_kernels()
            together = max(together, sum(used.values()))
            for kernel, size in used.items():
                peaks[kernel] = max(peaks[kernel], size)
            if time.perf_counter() - start > LIMIT:
                print(f"stopped after {LIMIT} s")
                for process in psutil.Process().children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        if not any("resource_tracker" in part for part in process.cmdline()):
                            process.kill()
                break
    done = [student.result() for student in students if student.exception() is None]
    return [row for rows in done for row in rows], peaks, together, time.perf_counter() - start


def main():
    """Start one kernel alone, then hold the class; print the table."""
    num_students = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print_conditions("numpy", "ipykernel", "nbclient")
    with ProcessPoolExecutor(1, SPAWN) as executor:
        empty = [executor.submit(run_in_a_kernel, EMPTY, "empty") for _ in range(3)]
    alone = [row.result()["ready"] for row in empty]
    rows, peaks, together, seconds = hold_class(num_students)
    print(f"\nmedian and highest of {num_students} students")
    print(f"{'notebook':28}{'kernel ready s':>18}{'seconds':>18}{'kernel MB':>18}{'failures':>10}")
    for path in PATHS:
        good = [row for row in rows if row["name"] == path.stem and row["error"] is None]
        print(f"{path.stem:28}", end="")
        for values in (
            [row["ready"] for row in good],
            [row["seconds"] for row in good],
            [peaks[row["kernel"]] / MEGABYTE for row in good],
        ):
            pair = f"{np.median(values):.1f} {max(values):8.1f}" if good else "-"
            print(f"{pair:>18}", end="")
        print(f"{num_students - len(good):>10}")
    executions = num_students * len(PATHS)
    failures = executions - sum(row["error"] is None for row in rows)
    print(f"\n{executions} executions, {failures} failures, {seconds:.0f} s in all")
    kind = "proportional" if sys.platform == "linux" else "resident"
    print(f"at most {together / MEGABYTE:,.0f} MB in all kernels at once ({kind} set size)")
    print(f"a kernel alone is ready after {np.median(alone):.1f} s")
    print(*[row["error"] for row in rows if row["error"] is not None], sep="\n")


if __name__ == "__main__":
    main()
