"""What Moodle and Canvas import: grades, a column for each notebook out of 100, and feedback."""

import csv
import re
import zipfile
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry, Student

FULL = 100  # what every notebook counts, however many points it has
# How Moodle and Canvas name what was handed in: whose it is, numbers, the name of the file.
MOODLE = re.compile(r"(?P<name>.+?)_\d+_assignsubmission_file(?:_.*)?")
CANVAS = re.compile(r"(?P<name>.+?)_(?:LATE_)?(?P<user>\d+)_\d+_.+")


def export(book: Gradebook, folder: Path, listed: list[str]) -> None:
    """Write moodle.csv and canvas.csv into a folder, for the ids of a class; all if none is listed.

    Where a student has handed nothing in, the grade is empty, and an import changes nothing. A
    notebook that nobody has handed in has no column.
    """
    names = sorted(each.name for each in book.assignments if each.submissions)
    known = [student for student in book.students if not listed or student.id in listed]
    students = sorted(known, key=lambda student: student.id)
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


def sender(path: Path) -> tuple[str, str]:
    """Who handed a file in, by the first part of its path below handed_in/.

    Returns
    -------
    str
        A name, or an id.
    str
        The number that the student has on Canvas; "" if the file is not from there.
    """
    first = path.parts[0].removesuffix(".ipynb")
    found = MOODLE.fullmatch(first) or CANVAS.fullmatch(first)
    return (found["name"], found.groupdict().get("user", "")) if found else (first, "")


def pack(course: Path, name: str, came: dict[str, Path]) -> list[str]:
    """Write the pages of feedback into grades/, a zip for each way in which hand-ins came.

    Parameters
    ----------
    course : Path
        nbgrader's folder.
    name : str
        The notebook.
    came : dict of str to Path
        Where below handed_in/ each student's file is: Moodle and Canvas take back their own names.

    Returns
    -------
    list of str
        A line for each zip.
    """
    packed: dict[str, dict[str, Path]] = {"moodle": {}, "canvas": {}, "ids": {}}
    for student, path in sorted(came.items()):
        page = course / "feedback" / student / name / f"{name}.html"
        first = path.parts[0].removesuffix(".ipynb")
        if not page.exists():
            continue
        if MOODLE.fullmatch(first):
            alone = len(path.parts) == 1  # not in a folder of the student's
            packed["moodle"][f"{first}.html" if alone else f"{first}/{name}.html"] = page
        elif CANVAS.fullmatch(first):
            packed["canvas"][f"{first}.html"] = page
        else:
            packed["ids"][f"{student}.html"] = page
    told = []
    for platform, pages in packed.items():
        archive = course / "grades" / f"{name}_{platform}.zip"
        archive.unlink(missing_ok=True)
        if pages:
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
                for inside, page in pages.items():
                    file.writestr(inside, page.read_bytes())
            named = " named by id, which neither Moodle nor Canvas takes" * (platform == "ids")
            told.append(f"grades/{archive.name}: feedback for {len(pages)}{named}")
    return told


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
