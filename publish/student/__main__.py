"""Build what students fill in, and the same for instructors who grade with nbgrader.

python -m publish.student            build/student/, build/student.zip and build/nbgrader/
python -m publish.student --prove    and let nbgrader grade a solved and an untouched edition
"""

import argparse
import sys

from publish.notebook import ROOT
from publish.student.edition import build
from publish.student.grading import grade

BUILD = ROOT / "build"


def main() -> int:
    """Build everything, and prove it if asked to; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prove", action="store_true", help="grade 01 to 11 with nbgrader, too")
    prove = parser.parse_args().prove
    build(BUILD)
    for path in ("student", "student.zip", "nbgrader"):
        print((BUILD / path).relative_to(ROOT))
    if not prove:
        return 0
    points, _ = grade(BUILD, "0*")
    for name in ("solved", "untouched"):
        print(f"{name}: {points[name]} of {points['possible']} points")
    return int(points["untouched"] > 0 or points["solved"] < points["possible"])


if __name__ == "__main__":
    sys.exit(main())
