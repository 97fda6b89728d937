"""The proof that nbgrader gives solved notebooks all points, and untouched ones none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from nbgrader.api import Gradebook

COMMANDS = """
import sys
from nbgrader.apps.nbgraderapp import NbGraderApp

for command in ("generate_assignment", "autograde", "generate_feedback"):
    NbGraderApp.launch_instance([command, *sys.argv[1:]])
    NbGraderApp.clear_instance()
"""


def grade(folder: Path, notebooks: str) -> tuple[dict[str, float], Path]:
    """Let nbgrader release, grade and return two editions.

    Parameters
    ----------
    folder : Path
        Where `build` has written student/ and nbgrader/.
    notebooks : str
        Which ones, for example "05*". The student `solved` hands in the source, the student
        `untouched` what students get.

    Returns
    -------
    tuple of dict and Path
        The points of both and those that are possible, and the folder of what was released.
    """
    course = folder / "proof"
    shutil.rmtree(course, ignore_errors=True)
    shutil.copytree(folder / "nbgrader", course)
    released = course / "release" / "series"
    solved, untouched = course / "source" / "series", folder / "student" / "notebooks"
    for name, origin in {"solved": solved, "untouched": untouched}.items():
        submitted = course / "submitted" / name / "series"
        submitted.mkdir(parents=True)
        for path in origin.glob(f"{notebooks}.ipynb"):
            shutil.copy2(path, submitted)
    nbgrader(course, notebooks)
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        submissions = book.assignment_submissions("series")
        points = {submission.student.id: submission.score for submission in submissions}
        points["possible"] = book.find_assignment("series").max_score
    for name in ("solved", "untouched"):
        pages = list((course / "feedback" / name / "series").glob("*.html"))
        if len(pages) != len(list(released.glob("*.ipynb"))):
            raise RuntimeError(f"{name}: nbgrader wrote feedback for {len(pages)} notebooks only")
    return points, released


def nbgrader(course: Path, notebooks: str) -> None:
    """Run nbgrader's commands on the series; their output when they fail."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        [sys.executable, "-c", COMMANDS, "series", f"--notebook={notebooks}"],
        cwd=course,
        env=os.environ | {"PATH": programs},  # nbgrader looks for alembic there
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"nbgrader on {notebooks}:\n{result.stderr}")
