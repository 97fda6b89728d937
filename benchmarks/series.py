"""Seconds that every notebook of the series takes, with its kernel's start, beside its budget.

    python benchmarks/series.py

Runs `python -m publish.pages` three times, with one BLAS thread as it and the tests do, and prints
the median, the fastest and the slowest run of every notebook and of the whole series.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from side_by_side import print_conditions

ROUNDS = 3
ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = list((ROOT / "notebooks").glob("[0-9]*.ipynb"))
LINE = re.compile(r"^(\d\d_\w+) +\d+ +([\d.]+) +(\d+) ", re.M)  # name, cells, seconds, budget
SKIPPED = re.compile(r"^\d\d_\w+ +not executed: .*", re.M)


def run_series():
    """Name -> (seconds, budget) of each executed notebook, and the lines of the others."""
    command = [sys.executable, "-m", "publish.pages"]
    result = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True
    )
    lines = {
        name: (float(taken), int(budget)) for name, taken, budget in LINE.findall(result.stdout)
    }
    return lines, SKIPPED.findall(result.stdout)


def main():
    """Run the series, print the table."""
    print_conditions("numpy", "jupyter-client")
    runs = [run_series() for _ in range(ROUNDS)]
    print(f"\n{'notebook':28}{'median':>10}{'fastest':>10}{'slowest':>10}{'budget':>10}")
    rows = [
        (name, np.array([lines[name][0] for lines, _ in runs]), budget)
        for name, (_, budget) in runs[0][0].items()
    ]
    total = sum(times for _, times, _ in rows)
    for name, times, budget in [*rows, ("the whole series", total, sum(row[2] for row in rows))]:
        figures = np.median(times), times.min(), times.max()
        print(f"{name:28}" + "".join(f"{value:>8.1f} s" for value in figures) + f"{budget:>8} s")
    print(*runs[0][1], sep="\n")


if __name__ == "__main__":
    main()
