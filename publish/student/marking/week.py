"""Grade what was handed in for one notebook: run this in the course's folder, as often as you like.

    sudo "$(which python)" -m marking.week 05_gradient_descent --user grader1 grader2

It takes the files in handed_in/ in, grades what is new with nbgrader, writes a page of feedback for
each student, and in grades/ a summary, nbgrader's log, and what Moodle and Canvas import. The users
run what students wrote, each for one student at a time, and can reach neither the solutions nor the
gradebook.
"""

import argparse
import csv
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from io import TextIOWrapper
from operator import itemgetter
from pathlib import Path
from textwrap import shorten
from typing import Any, cast
from unicodedata import normalize

import nbformat
from nbformat import NotebookNode
from nbformat.warnings import DuplicateCellId, MissingIDFieldWarning
from nbgrader.api import Gradebook
from nbgrader.utils import rmtree

from .copies import Copies, few
from .export import export, pack, percent, sender
from .isolation import close, exposed
from .page import is_by_hand, marks
from .submission import (
    CLAIMED,
    CUT,
    REACHES,
    RESTORED,
    SEEN,
    STYLE,
    borrowed,
    restore,
    stops,
    unseen,
)
from .workers import DONE, grade, on_ending

UNSAFE = (
    "Students' code runs as you, and can read the solutions and change the gradebook: "
    "--user runs it as somebody else, as weekly.md says."
)
SIGNS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a terminal might obey them
SHOWN = 40  # of those who sent nothing: the tables of grades have all
READS = re.compile(  # what an own cell may do without a patch
    r".*: ((from [\w.]+ )?import [\w., ]+|print\(inspect\.getsource\([\w.]+\)\))"
    r"( \(\d+ such lines\))?"
)
LINES = 3  # of one cell: each student's in grades/ has all
FIELDS = ("first_name", "last_name", "email", "lms_user_id")  # of students.csv, besides the id
MOODLE = {  # what it calls them in its list of participants
    "id number": "id",
    "first name": "first_name",
    "last name": "last_name",
    "surname": "last_name",
    "email address": "email",
}


def main() -> int:
    """Grade a notebook's new hand-ins and print the summary; 1 if one could not be graded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebook", help="for example 05_gradient_descent, or 05")
    parser.add_argument(
        "--user", nargs="+", default=[], help="who run students' code, each for one at a time"
    )
    given, course = parser.parse_args(), Path.cwd()
    sys.executable = os.path.abspath(sys.executable)  # other users cannot look for it from here
    for stream in (sys.stdout, sys.stderr):
        cast(TextIOWrapper, stream).reconfigure(errors="backslashreplace")
    on_ending(signal.default_int_handler)  # like Ctrl-C
    for doubled_or_without in (DuplicateCellId, MissingIDFieldWarning):  # ids of cells
        warnings.filterwarnings("ignore", category=doubled_or_without)
    name = named(parser, course, given.notebook)
    users = list(dict.fromkeys(given.user))
    class_list(course)  # before anything takes its time
    if reasons := [reason for user in users if (reason := close(course, user))]:
        parser.error(reasons[0])
    for warning in filter(None, map(exposed, users)) if users else [UNSAFE]:
        print(warning, file=sys.stderr)
    grades = course / "grades"
    grades.mkdir(exist_ok=True)
    log = grades / f"{name}.log"
    release(course, name, log)
    print(f"{name}: reading handed_in/", flush=True)
    with gradebook(course) as book:
        before = reached(book, course, name)
    came, unknown, unread = take_in(course, name)
    newest = {student: paths[-1] for student, paths in came.items()}
    with gradebook(course) as book:
        drop_stale_pages(book, course, name)
    new = [student for student in submitted(course, name) if not is_graded(course, name, student)]
    print(f"handed in: by {len(came)} known, {len(unknown)} unknown, {len(unread)} unreadable")
    print(f"to be graded, or a page to be written anew: {len(new)}", flush=True)
    if new:
        grade(course, name, new, users, log)
    print("writing the summary", flush=True)
    with gradebook(course) as book:
        asked = {*map(plain, unknown)}
        sent = {student for student, each in names_of(course).items() if plain(each) in asked}
        told, points, failed = summary(book, course, name, came, sent | {*unread})
        export(book, grades, [row["id"] for row in class_list(course)])
        now = reached(book, course, name)
    fewer = [
        f"a newer file has fewer points: {student} {before[student]:g}, now {score:g}"
        for student, score in now.items()
        if score < before.get(student, 0)
    ]
    refused = list(unread.values())
    for reason in dict.fromkeys(unknown.values()):
        who = [student for student in unknown if unknown[student] == reason]
        refused.append(f"who is this? {', '.join(who)}: {reason}")
    text = "\n".join([told[0], *refused, *fewer, *told[1:], *pack(course, name, newest)])
    each = "\n".join(["", "by student:", *points] if points else [])
    text, each = (SIGNS.sub("?", part) for part in (text, each))
    whole = f"{text}{each}\n".encode(errors="backslashreplace")  # a folder's name may be no UTF-8
    (grades / f"{name}.txt").write_bytes(whole)
    print(text)
    if points:
        print(f"each student's points, and who lost which check: grades/{name}.txt")
    return int(failed or bool(refused))


def named(parser: argparse.ArgumentParser, course: Path, begin: str) -> str:
    """The notebook whose name begins so; an error of the command if there is not one."""
    names = sorted(path.name for path in (course / "source").glob("*/"))
    if not names:
        parser.error(f"there is no source/ in {course}: run this in the course's folder")
    if len(found := [name for name in names if name.startswith(begin)]) != 1:
        parser.error(f"there is no notebook {begin}: name one of {', '.join(names)}")
    return found[0]


def gradebook(course: Path) -> Gradebook:
    """The database that nbgrader keeps."""
    return Gradebook(f"sqlite:///{course / 'gradebook.db'}", "cs231n")


# --- What students get, and what they return ----------------------------------------------------


def release(course: Path, name: str, log: Path) -> None:
    """Make a notebook an assignment with its date, once, and read the list of the class."""
    with log.open("a", encoding="utf-8") as file:  # one run after another
        if not (course / "release" / name).exists():
            print(f"{name}: making what students got, once", flush=True)
            programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            command = [sys.executable, "-m", "nbgrader", "generate_assignment", name]
            env = os.environ | {"PATH": programs}  # nbgrader looks for alembic there
            if subprocess.run(command, env=env, stdout=file, stderr=file, check=False).returncode:
                sys.exit(f"nbgrader cannot release {name}: see grades/{name}.log")
            for seen in (course / "submitted").glob(f"*/{name}/digests.txt"):
                seen.unlink()  # all is graded anew
    with gradebook(course) as book:
        for row in class_list(course):
            known = {field: row[field] or None for field in FIELDS if field in row}
            book.update_or_create_student(row["id"], **known)
        if date := due(course, name):
            book.update_or_create_assignment(name, duedate=date)


def due(course: Path, name: str) -> datetime | None:
    """When a notebook is due, in UTC, as nbgrader wants it."""
    try:
        dates = tomllib.loads((course / "course.toml").read_text(encoding="utf-8")).get("due", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        sys.exit(f"course.toml: {error}. A date is written like 2026-11-30T23:59:00+01:00")
    date = dates.get(name[:2])
    return date.astimezone(UTC).replace(tzinfo=None) if date else None


def take_in(
    course: Path, name: str
) -> tuple[dict[str, list[Path]], dict[str, str], dict[str, str]]:
    """Copy the newest file of each student to where nbgrader looks.

    What was made of another file of the student's, or for another release, goes: it is graded anew.

    Returns
    -------
    dict of str to list of Path
        Where below handed_in/ each student's files are, the newest last.
    dict of str to str
        By each who is not known, why.
    dict of str to str
        A sentence for each whose newest file cannot be read.
    """
    came, unknown, unread = defaultdict[str, list[Path]](list), dict[str, str](), dict[str, str]()
    title = read(course / "release" / name / f"{name}.ipynb").cells[0].source.partition("\n")[0]
    listed = [row["id"] for row in class_list(course)]
    called = Counter(each for row in class_list(course) for each in spellings(row))
    for student, relative in files(course, "*.ipynb"):
        belongs, which = False, "another notebook, by its title"
        try:
            belongs = is_of(course / "handed_in" / relative, name, title)
        except Exception as error:  # whatever stands in it, it keeps nobody else waiting
            which = f"no notebook ({shorten(str(error), 80)})"
        if not belongs and plain(name) in plain(relative.stem):
            told = f"handed_in/{relative.as_posix()} is {which}: ask again"
            unread[student] = f"{student}: {told}"
        elif belongs and student not in listed:
            zeros = [each for each in listed if each.lstrip("0") == student.lstrip("0")]
            unknown[student] = (
                "several in students.csv have this name: call the folder by the id"
                if called[plain(student)] > 1
                else f"students.csv has {zeros[0]}: a spreadsheet may have dropped a zero"
                if zeros
                else "not in students.csv: add the id, or call the folder by an id; if it is the "
                "archive of a class, move what it holds one folder up"
            )
        elif belongs:
            came[student].append(relative)
            unread.pop(student, None)
    for archive in (course / "handed_in").glob("*.zip"):
        if sender(Path(archive.name))[0] == archive.name:  # whose it is does not stand there
            unread[archive.name] = f"handed_in/{archive.name} is an archive: unpack it"
    released = digest(course / "release" / name / f"{name}.ipynb")
    for student, paths in came.items():
        path = course / "handed_in" / paths[-1]
        target = course / "submitted" / student / name
        file, seen = target / f"{name}.ipynb", target / "digests.txt"
        digests = f"{digest(path)} handed in\n{released} released\n"
        if not seen.exists() or seen.read_text(encoding="utf-8") != digests:
            for folder in ("submitted", "autograded", "feedback"):
                if (old := course / folder / student / name).exists():
                    rmtree(str(old))  # on Windows, too, where nbgrader's files are read-only
            target.mkdir(parents=True)
            file.write_text(path.read_text(encoding="utf-8-sig"), encoding="utf-8")
            when = f"{arrived(path):%Y-%m-%d %H:%M:%S} UTC"
            (target / "timestamp.txt").write_text(when, encoding="utf-8")
            seen.write_text(digests, encoding="utf-8")
    return came, unknown, unread


def files(course: Path, pattern: str) -> Iterator[tuple[str, Path]]:
    """What lies in handed_in/, from the oldest to the newest: whose it is, and where below."""
    known = students(course)
    for path in sorted((course / "handed_in").rglob(pattern), key=age):
        relative = path.relative_to(course / "handed_in")
        hidden = any(part.startswith((".", "__MACOSX")) for part in relative.parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            name, number = sender(relative)
            yield known.get(f"#{number}", known.get(plain(name), name)), relative


def others(course: Path, name: str) -> dict[str, str]:
    """By student what was handed in that may be this notebook, and is not.

    It is called like no notebook of the series, or like this one and is another kind of file.
    """
    names, told = [plain(path.name) for path in (course / "source").glob("*/")], dict[str, str]()
    for student, path in files(course, "*"):
        number = numbered(course / "handed_in" / path) or "-"
        alike = [each for each in names if each in plain(path.stem) or each.startswith(number)]
        if not alike or (plain(name) in alike and path.suffix != ".ipynb"):
            told[student] = f"{told.get(student, ', but there is')} handed_in/{path.as_posix()}"
    return told


def older(course: Path, paths: list[Path]) -> list[Path]:
    """Of a student's files below handed_in/ those that differ from the newest, which is last."""
    there = [course / "handed_in" / path for path in paths]
    return [path for path in there if digest(path) != digest(there[-1])]


def arrived(path: Path) -> datetime:
    """When a file came, in UTC, as nbgrader wants it."""
    return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC).replace(tzinfo=None)


def numbered(path: Path) -> str:
    """The number in the title of a notebook; "" if it has none, or is no notebook."""
    text = path.read_bytes().decode(errors="replace") if path.suffix == ".ipynb" else ""
    return "".join(re.findall(r'"# (\d\d) ', text)[:1])


def digest(path: Path) -> str:
    """What tells a file from every other one."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def submitted(course: Path, name: str) -> list[str]:
    """Who of the class has handed a notebook in."""
    folder = course / "submitted"
    listed = [row["id"] for row in class_list(course)]
    return sorted(student for student in listed if (folder / student / name).exists())


def reached(book: Gradebook, course: Path, name: str) -> dict[str, float]:
    """The points of each who was graded."""
    graded = [each for each in submitted(course, name) if is_graded(course, name, each)]
    return {each: book.find_submission(name, each).score for each in graded}


def is_graded(course: Path, name: str, student: str) -> bool:
    """Whether a student's notebook has its points, and its page."""
    folder = Path(student, name)
    made = [course / "autograded" / folder / DONE]
    made += [course / "feedback" / folder / f"{name}.html"]
    return all(path.exists() for path in made)


def drop_stale_pages(book: Gradebook, course: Path, name: str) -> None:
    """Remove the pages that show other points or comments than the gradebook has now."""
    for student in submitted(course, name):
        page = course / "feedback" / student / name / f"{name}.html"
        graded = is_graded(course, name, student)
        if graded and marks(book, name, student) not in page.read_text(encoding="utf-8"):
            rmtree(str(page.parent))


def age(path: Path) -> tuple[float, str]:
    """What sorts files from the oldest to the newest."""
    return path.stat().st_mtime, path.name


def is_of(path: Path, name: str, title: str) -> bool:
    """Whether a file is a student's copy of a notebook; an error if it is no notebook at all.

    Its title says so, whatever the file is called; without the title, the file's name.
    """
    text = path.read_text(encoding="utf-8-sig")  # Windows' editors put a mark before it
    sources = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    titles = [each for each in sources if re.match(r"# \d\d ", each)]
    if not (title in "\n".join(titles) if titles else plain(name) in plain(path.stem)):
        return False
    nbformat.validate(nbformat.reads(text, as_version=4))
    "".join(sources).encode()  # half a character cannot be written
    return True


def class_list(course: Path) -> list[dict[str, str]]:
    """The lines of students.csv, by the names of its columns."""
    path = course / "students.csv"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path.exists() else []
    except UnicodeDecodeError:
        sys.exit("students.csv is not in UTF-8: in Excel save it as 'CSV UTF-8'")
    reader = csv.DictReader(lines, delimiter=max(",;\t", key="".join(lines[:1]).count))
    columns = [column.strip().casefold() for column in reader.fieldnames or []]
    names = [MOODLE.get(column, column) for column in columns]
    pairs = zip(columns, names, strict=True)  # a list that has an id of its own keeps it
    reader.fieldnames = [column if name in columns else name for column, name in pairs]
    rows = dict[str, dict[str, str]]()
    for fields in reader:
        row = {key: (fields[key] or "").strip() for key in fields if isinstance(key, str)}
        student = row.get("id", "")
        if student in rows:
            sys.exit(f"students.csv: the id {student} stands there twice")
        if student:
            rows[student] = row
        elif any(row.values()):  # a spreadsheet's last lines may hold nothing
            sys.exit(
                f"students.csv, line {reader.line_num}: every student needs an id, in a column "
                "that the first line calls id"
            )
    if not rows:
        sys.exit("students.csv lists nobody: write your class into it, as weekly.md says")
    return list(rows.values())


def names_of(course: Path) -> dict[str, str]:
    """First and last name of each of the class, by id."""
    return {
        row["id"]: " ".join(filter(None, map(row.get, ("first_name", "last_name"))))
        for row in class_list(course)
    }


def students(course: Path) -> dict[str, str]:
    """Ids of the class by the names under which Moodle and Canvas file what was handed in.

    A number of Canvas stands behind a #.
    """
    rows = class_list(course)
    names = {f"#{row['lms_user_id']}": row["id"] for row in rows if row.get("lms_user_id")}
    called = Counter(each for row in rows for each in spellings(row))
    for row in rows:  # of two with one name nobody knows whose it is
        names |= {each: row["id"] for each in spellings(row) if called[each] == 1}
    return names | {plain(row["id"]): row["id"] for row in rows}


def spellings(row: dict[str, str]) -> set[str]:
    """The two orders of a student's names: Ali Ben may be filed under Ben Ali."""
    both = [row.get("first_name") or "", row.get("last_name") or ""]
    return {plain("".join(each)) for each in (both, reversed(both))}


def plain(text: str) -> str:
    """A name without case, spaces, signs and accents."""
    return re.sub(r"\W|_", "", normalize("NFKD", text.casefold()))


def read(path: Path) -> NotebookNode:
    """The notebook in a file."""
    return nbformat.read(path, as_version=4)


# --- What the instructor sees -------------------------------------------------------------------


def summary(
    book: Gradebook, course: Path, name: str, came: dict[str, list[Path]], unread: set[str]
) -> tuple[list[str], list[str], bool]:
    """What is to be done, what each student reached, and whether a notebook was not graded."""
    date = due(course, name)
    head = f"{name}, {book.find_assignment(name).max_score:g} points"
    head += f", due {date:%Y-%m-%d %H:%M} UTC" if date else ""
    called = {student: f"{student} {each}".strip() for student, each in names_of(course).items()}
    handed_in = submitted(course, name)
    if not handed_in:
        nothing = "nothing is handed in"
        nothing += ": there is no folder handed_in/" * (not (course / "handed_in").exists())
        return [head, nothing], [], False
    graded = [student for student in handed_in if is_graded(course, name, student)]
    left = [f"{called[each]}: NOT GRADED, see grades/{name}.log"
            for each in handed_in if each not in graded]  # fmt: skip
    released, solved = (
        read(course / folder / name / f"{name}.ipynb") for folder in ("release", "source")
    )
    looks, alike = defaultdict[str, list[tuple[int, str]]](list), Copies(released, solved)
    points, several, late, behind, cut, tried = (list[str]() for _ in range(6))
    lacking = defaultdict[str, list[str]](list)  # who needs a package, by what Python says
    stopped = Counter[str]()  # in how many hand-ins, by what is said of a cell
    scores, doubtful = dict[str, float](), dict[str, float]()
    for student in graded:
        file = Path(student, name, f"{name}.ipynb")
        submission = book.find_submission(name, student)
        scores[student] = submission.score
        reached = f"{counted(submission.score)}, {percent(book, name, student)} of 100"
        after = delay(submission.total_seconds_late)
        points.append(f"  {called[student]}: {reached}" + f", {after} late" * bool(after))
        if before := older(course, came.get(student, [])):
            several.append(called[student])
            left_out = ", ".join(path.relative_to(course).as_posix() for path in before)
            points.append(f"    the newest file counts, not {left_out}")
            if after and date and any(arrived(path) <= date for path in before):
                after += ", and an older file was in time"
        late += [f"{called[student]} ({after})"] * bool(after)
        [notebook] = submission.notebooks
        lost = sorted(grade.name for grade in notebook.grades if grade.score < grade.max_score)
        by_hand = sorted(
            f"{grade.name} {grade.score:g} of {grade.max_score:g}"
            for grade in notebook.grades
            if is_by_hand(grade)
        )
        points += [f"    by hand: {', '.join(by_hand)}"] * bool(by_hand)
        if lost:
            every = len(lost) == len(notebook.grades)
            points.append(f"    lost: {'every check' if every else ', '.join(lost)}")
        try:
            handed, ran = (read(course / folder / file) for folder in ("submitted", "autograded"))
            seen = borrowed(handed, released, solved)
            for error in lacks(ran):
                lacking[error].append(called[student])
            behind += [called[student]] * bool(late_answers := unseen(handed, released))
            stopped.update(went_wrong := stops(ran))
            told = [*late_answers, *restore(handed, released), *went_wrong]
            grave = [each for each in told if each.endswith((RESTORED, CLAIMED))]
            looks[student] += [(REACHES, each) for each in grave]
            points += [f"    {each}" for each in told if each not in grave]
            changed = together(ran.metadata.get("changed", []))
            looks[student] += [(SEEN, each) for each in changed] + seen
            looks[student], rest = shortened(looks[student])
            points += [f"    {each}" for each in rest]
            only_tried = not looks[student] and any(grave == STYLE for grave, _ in seen)
            tried += [called[student]] * only_tried
            cut += [called[student]] * any(each.startswith(CUT) for each in went_wrong)
            alike.add(called[student], handed)
            doubtful[student] = behind_lines(looks[student], notebook.grades)
        except Exception as error:  # no hand-in keeps the class waiting
            sentence = f"LOOK YOURSELF, this could not: {type(error).__name__}: {error}"
            looks[student].append((REACHES, sentence))
    missing, there = [each for each in called if each not in handed_in], others(course, name)
    lines = [head, *left]
    lines += [f"{called[each]}: nothing{there[each]}" for each in missing if each in there]
    silent = [called[each] for each in missing if each not in there and each not in unread]
    listed = ", ".join(silent[:SHOWN]) + ", ..." * (len(silent) > SHOWN)
    lines += [f"nothing from {len(silent)}: {listed}"] * bool(silent)
    lines += [f"late: {', '.join(late)}"] * bool(late)
    lines += [f"several files, of which the newest counts: {', '.join(several)}"] * bool(several)
    lines += [f"{error}: install it, for {', '.join(who)}" for error, who in lacking.items()]
    lines += [
        f"in {count} hand-ins, is the machine too slow? {sentence}"
        for sentence, count in stopped.items()
        if sentence.endswith("it was stopped") and count > few(len(graded))
    ]
    lines += [f"not run to the end: {', '.join(cut)}"] * bool(cut)
    lines += [f"answered where no check sees it: {', '.join(behind)}"] * bool(behind)
    lines += ["passed, of those graded:", *difficulties(book, name, graded)]
    looked = [*gravest_first(looks, called, scores, doubtful)]
    lines += ["to look at, who may have gained most first:", *looked] * bool(looked)
    lines += [f"settings, other values for names of the notebook: {', '.join(tried)}"] * bool(tried)
    shared = [f"  {what}: {', '.join(group)}" for group, what in alike.told()]
    return [*lines, *["answers that are the same:"] * bool(shared), *shared], points, bool(left)


def lacks(graded: NotebookNode) -> set[str]:
    """What Python said of packages that a notebook imports, and this machine has not."""
    outputs = [each for cell in graded.cells for each in cell.get("outputs", [])]
    told = {each.evalue for each in outputs if each.get("ename") == "ModuleNotFoundError"}
    return {each for each in told if "'google" not in each}  # Colab's own, which nobody installs


def shortened(told: list[tuple[int, str]]) -> tuple[list[tuple[int, str]], list[str]]:
    """What the summary shows: no style, and of a cell a few lines; and the sentences left out."""
    shown, rest, count = list[tuple[int, str]](), list[str](), Counter[tuple[int, str]]()
    for grave, sentence in told:
        place = sentence.partition(": ")[0]
        count[grave, place] += 1
        if grave == STYLE or count[grave, place] > LINES:
            rest.append(sentence)
        else:
            shown.append((grave, sentence))
    shown += [
        (grave, f"{place}: and {many - LINES} more")
        for (grave, place), many in count.items()
        if grave != STYLE and many > LINES
    ]
    return shown, rest


def together(changed: list[str]) -> list[str]:
    """One sentence for each change, however often it was seen."""
    places = defaultdict[str, list[str]](list)
    for what, _, place in (each.partition(", seen ") for each in changed):
        places[what].append(place)
    return [
        f"{what}, seen {first}" + f", and {len(more)} more" * bool(more)
        for what, (first, *more) in places.items()
    ]


def behind_lines(told: list[tuple[int, str]], grades: list[Any]) -> float:
    """The points of the answers of which something is told; all, if a patch is elsewhere.

    To import or to read something elsewhere is no patch: an answer that uses it is told of.
    """
    apart = set[str]()
    for grave, sentence in told:
        names = sentence.partition(": ")[0].replace(".", "-").split(", ")
        patterns = [rf"\b{re.escape(name)}\b" for name in names]
        checks = {each.name for each in grades if any(re.search(p, each.name) for p in patterns)}
        if grave in (SEEN, REACHES) and not checks and not READS.fullmatch(sentence):
            return sum(each.score for each in grades)
        apart |= checks
    return sum(each.score for each in grades if each.name in apart)


def gravest_first(
    looks: dict[str, list[tuple[int, str]]],
    called: dict[str, str],
    scores: dict[str, float],
    doubtful: dict[str, float],
) -> Iterator[str]:
    """What to look at by student, who may have gained most first; then what many share."""
    whose = defaultdict[tuple[int, str], list[str]](list)
    for student, told in looks.items():
        for each in dict.fromkeys(told):
            whose[each].append(student)
    shared = {each: some for each, some in whose.items() if len(some) > few(len(looks))}
    own = {
        student: sorted((each for each in told if each not in shared), key=itemgetter(0))
        for student, told in looks.items()
    }

    def order(student: str) -> tuple[float, int, float]:
        """Who may have gained most first, then the gravest; last who gained nothing."""
        return -doubtful.get(student, 0), own[student][0][0], -scores[student]

    for student in sorted(filter(own.get, own), key=order):
        behind = f", up to {doubtful[student]:g} behind this" if doubtful.get(student) else ""
        yield f"  {called[student]}, {counted(scores[student])}{behind}"
        yield from (f"    {sentence}" for _, sentence in own[student])
    for (_, sentence), students in sorted(shared.items()):
        yield f"  {len(students)} have {sentence}: {', '.join(students)}"


def counted(score: float) -> str:
    """A number of points, in words."""
    return f"{score:g} point{'s' * (score != 1)}"


def delay(seconds: float) -> str:
    """How late a hand-in came; "" if it was in time."""
    if seconds <= 0:
        return ""
    for size, unit in ((24 * 3600, "days"), (3600, "h")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} min"


def difficulties(book: Gradebook, name: str, graded: list[str]) -> Iterator[str]:
    """How many of those who were graded passed each check."""
    [notebook] = book.find_assignment(name).notebooks
    for cell in notebook.grade_cells:
        grades = [grade for grade in cell.grades if grade.auto_score is not None]
        grades = [grade for grade in grades if grade.student.id in graded]
        passed = sum(grade.auto_score == cell.max_score for grade in grades)
        yield f"  {cell.name}: {passed} of {len(grades)}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; what is graded stays: give the same command again")
