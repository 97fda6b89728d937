"""Give one student points by hand: run this in the course's folder, then the week's command again.

    sudo "$(which python)" -m marking.points 05 ann check-softmax +1 "explained it at the board"

+1 and -1 are added to what the check gave, also above 100; 0 or 2 stands in its place; none undoes
either. `every 0` in place of a check and its points: nothing of the hand-in counts. The reason is
needed, and stands on the student's page, beside the points.
"""

import argparse
import sys
from pathlib import Path

from nbgrader.api import MissingEntry
from nbgrader.utils import is_solution

from .week import gradebook, named, names_of, read

EVERY = "every"  # in place of a check's name


def main() -> int:
    """Write the points, and the reason if there is one, into the gradebook."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebook", help="for example 05_gradient_descent, or 05")
    parser.add_argument("student", help="the id in students.csv")
    parser.add_argument("check", help="as the summary calls it, or every")
    parser.add_argument("points", help="+1 or -1 more, 2 in place of what the check gave, or none")
    parser.add_argument("reason", nargs="?", default="", help="for the student's page")
    given, course = parser.parse_args(), Path.cwd()
    name = named(parser, course, given.notebook)
    try:
        points = None if given.points == "none" else float(given.points)
    except ValueError:
        parser.error(f"{given.points} is no number of points: +1, -1, 2, or none")
    if points is not None and not given.reason:
        parser.error("say why, for the student's page: add a reason in quotation marks")
    if given.student not in names_of(course):
        parser.error(f"there is no {given.student} in students.csv")
    checks = answers(course, name)
    with gradebook(course) as book:
        for check in checks if given.check == EVERY else [given.check]:
            try:
                grade = book.find_grade(check, name, name, given.student)
            except MissingEntry:
                parser.error(
                    f"there is no {check} of {given.student} in {name}. "
                    f"Its checks: {', '.join(checks)}. Who has handed nothing in has none."
                )
            before, checked = grade.score, grade.auto_score or 0.0
            most = 2 * max(1, grade.max_score)
            added = given.points[0] in "+-"
            score = checked if points is None else checked + points if added else points
            if not 0 <= score <= most:
                parser.error(
                    f"{check} counts {grade.max_score:g}, and would give {score:g}: "
                    f"at least 0 and at most {most:g}"
                )
            grade.extra_credit = points if added else None
            grade.manual_score = None if added else points
            print(f"{check}: {score:g} of {grade.max_score:g}, before {before:g}")
            comment = book.find_comment(checks[check], name, name, given.student)
            comment.manual_comment = given.reason or None
        book.db.commit()
    print(f"Now give the command of {name}'s week again.")
    return 0


def answers(course: Path, name: str) -> dict[str, str]:
    """By check of a notebook, the answer above it: both as nbgrader calls them."""
    found, above = dict[str, str](), ""
    for cell in read(course / "release" / name / f"{name}.ipynb").cells:
        mark = cell.metadata.get("nbgrader", {})
        if is_solution(cell):
            above = mark["grade_id"]
        elif mark.get("grade"):
            found[mark["grade_id"]] = above
    return found


if __name__ == "__main__":
    sys.exit(main())
