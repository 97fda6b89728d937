"""A class on one machine: students execute notebooks at once.

    python -m benchmarks.classroom            a class of 20, every notebook but 12, 17 and 18
    python -m benchmarks.classroom 1 12 17    one student, two notebooks

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

import numpy as np
import psutil

from benchmarks.side_by_side import LONG, print_conditions
from publish.execute import execute
from publish.notebook import Notebook

LIMIT = 3600  # seconds
SPAWN = multiprocessing.get_context("spawn")  # a student shares nothing with another one
MEGABYTE = 1e6


def run_in_a_kernel(name):
    """Execute one notebook: its kernel's process, seconds until ready and in all, the error."""
    row = {"name": name, "error": None}
    content = Notebook.series(name)[0].content
    start = time.perf_counter()

    def ready(**_):
        row["ready"] = time.perf_counter() - start
        kernel = max(psutil.Process().children(), key=psutil.Process.create_time)
        row["kernel"] = kernel.pid

    try:
        row["seconds"] = execute(content, on_notebook_start=ready, startup_timeout=LIMIT)
    except Exception as error:  # whatever it is, this student goes on with the next notebook
        last = str(error).strip().splitlines()[-1:]
        row["error"] = f"{name}: {type(error).__name__} {last}"
    return row


def attend(names):
    """What one student does: a row for every notebook."""
    return [run_in_a_kernel(name) for name in names]


def memory_of_kernels():
    """Process number -> bytes of every kernel that a student has started."""
    bytes_used = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            if "ipykernel_launcher" in process.cmdline():
                used = process.memory_full_info()
                bytes_used[process.pid] = getattr(used, "pss", used.rss)
    return bytes_used


def hold_class(num_students, names):
    """Rows of all students, peak bytes of each kernel, of all at once, and the seconds."""
    peaks, together, start = defaultdict(int), 0, time.perf_counter()
    with ProcessPoolExecutor(num_students, SPAWN) as executor:
        students = [executor.submit(attend, names) for _ in range(num_students)]
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
    """Hold the class; print the table."""
    num_students = int(sys.argv[1]) if sys.argv[1:] else 20
    names = [notebook.name for notebook in Notebook.series(*sys.argv[2:])]
    if not sys.argv[2:]:
        names = [name for name in names if name[:2] not in LONG]
    print_conditions("numpy", "ipykernel", "nbclient")
    rows, peaks, together, seconds = hold_class(num_students, names)
    print(f"\nmedian and highest of {num_students} students")
    print(f"{'notebook':28}{'kernel ready s':>18}{'seconds':>18}{'kernel MB':>18}{'failures':>10}")
    for name in names:
        good = [row for row in rows if row["name"] == name and row["error"] is None]
        columns = [[row[key] for row in good] for key in ("ready", "seconds")]
        columns.append([peaks[row["kernel"]] / MEGABYTE for row in good])
        pairs = [f"{np.median(each):.1f} {max(each):8.1f}" if good else "-" for each in columns]
        line = "".join(f"{pair:>18}" for pair in pairs)
        print(f"{name:28}{line}{num_students - len(good):>10}")
    failures = num_students * len(names) - sum(row["error"] is None for row in rows)
    print(f"\n{num_students * len(names)} executions, {failures} failures, {seconds:.0f} s in all")
    kind = "proportional" if sys.platform == "linux" else "resident"
    print(f"at most {together / MEGABYTE:,.0f} MB in all kernels at once ({kind} set size)")
    print(*[row["error"] for row in rows if row["error"] is not None], sep="\n")


if __name__ == "__main__":
    main()
