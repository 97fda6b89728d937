"""Grades as the files that Moodle and Canvas import: a column for each notebook, out of 100."""

import csv
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry, Student

FULL = 100  # what every notebook counts, however many points it has


def export(book: Gradebook, folder: Path) -> None:
    """Write moodle.csv and canvas.csv into a folder.

    Where a student has handed nothing in, the grade is empty, and an import changes nothing.
    """
    names = sorted(assignment.name for assignment in book.assignments)
    students = sorted(book.students, key=lambda student: student.id)
    grades = {
        student.id: [percent(book, name, student.id) for name in names] for student in students
    }
    moodle = [["ID number", "First name", "Last name", "Email address", *names]]
    canvas = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *names]]
    canvas += [["    Points Possible", "", "", "", "", *[str(FULL)] * len(names)]]
    for s in students:
        first, last = s.first_name or "", s.last_name or ""
        moodle.append([s.id, first, last, s.email or "", *grades[s.id]])
        canvas.append([full_name(s), s.lms_user_id or "", "", s.id, "", *grades[s.id]])
    for name, rows in {"moodle": moodle, "canvas": canvas}.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)


def percent(book: Gradebook, assignment: str, student: str) -> str:
    """A student's grade out of 100, to one decimal; "" if nothing was handed in."""
    try:
        submission = book.find_submission(assignment, student)
    except MissingEntry:
        return ""
    points = max(0.0, submission.score - (submission.late_submission_penalty or 0))
    return f"{FULL * points / submission.max_score:.1f}"


def full_name(student: Student) -> str:
    """The name as Canvas writes it, "Last, First"; the id where there is none."""
    names = [name for name in (student.last_name, student.first_name) if name]
    return ", ".join(names) or student.id
