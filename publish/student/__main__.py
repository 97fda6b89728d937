"""Build what students fill in, and the same for instructors who grade with nbgrader.

python -m publish.student            build/student/, build/student.zip and build/nbgrader/
python -m publish.student --prove    and let nbgrader grade right, empty and damaged hand-ins
"""

import argparse
import sys

from publish.notebook import ROOT, Notebook
from publish.student.edition import build
from publish.student.grading import prove

BUILD = ROOT / "build"


def main() -> int:
    """Build everything, and prove it if asked to; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    help_ = "grade these notebooks with nbgrader, too, for example 01 05; none: all but 12, 17, 18"
    parser.add_argument("--prove", nargs="*", metavar="NN", help=help_)
    numbers = parser.parse_args().prove
    build(BUILD)
    for path in ("student", "student.zip", "nbgrader"):
        print((BUILD / path).relative_to(ROOT))
    if numbers is None:
        return 0
    long = {"12", "17", "18"}  # with CIFAR-10 they train for minutes
    every = [notebook.number for notebook in Notebook.series() if notebook.number not in long]
    return int(not prove(BUILD, numbers or every))


if __name__ == "__main__":
    sys.exit(main())
