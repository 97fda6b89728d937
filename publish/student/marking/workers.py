"""Hand-ins graded side by side: nbgrader in several processes, which use its gradebook in turn."""

import glob
import logging
import multiprocessing
import os
import signal
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from nbformat import NotebookNode
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import rmtree
from tqdm import tqdm
from traitlets.config.loader import Config, PyFileConfigLoader

from .forkserver import ENDS_WITH_PARENT, system
from .isolation import FORKS

LOCK = "gradebook.lock"  # in the course's folder, where nbgrader works
DONE = "graded.txt"  # beside a graded notebook: nbgrader writes one before it has run, too


class SharedAutograde(Autograde):
    """nbgrader's, which notes a hand-in when no other process writes."""

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Note what was handed in, and when."""
        with FileLock(LOCK):
            super().init_assignment(assignment_id, student_id)


def in_turn(kind: Any) -> Any:
    """A preprocessor that uses the gradebook, when no other process does."""

    class InTurn(kind):
        """One at a time."""

        def preprocess(
            self, nb: NotebookNode, resources: dict[str, Any]
        ) -> tuple[NotebookNode, dict[str, Any]]:
            """Change the notebook, or the gradebook."""
            with FileLock(LOCK):
                return super().preprocess(nb, resources)

    return InTurn


def grade(course: Path, name: str, students: list[str], users: list[str], log: Path) -> None:
    """Grade students' notebooks, and write the pages of feedback; the log tells of failures.

    Parameters
    ----------
    course : Path
        nbgrader's folder.
    name : str
        The notebook.
    students : list of str
        Whose is new.
    users : list of str
        Who run students' code, each for one hand-in at a time. Without users it runs as whoever
        grades, on every core.
    log : Path
        A file, to which is added.
    """
    users = users or [""] * (os.cpu_count() or 1)
    users = users[: len(students)]
    context = multiprocessing.get_context("fork" if FORKS else "spawn")
    free = context.Queue()
    for user in users:
        free.put(user)
    with ProcessPoolExecutor(len(users), context, begin, (free, course, log)) as pool:
        waiting = {pool.submit(grade_one, course, name, student): student for student in students}
        try:
            for future in (bar := tqdm(as_completed(list(waiting)), name, len(waiting))):
                if error := future.exception():
                    print(f"{type(error).__name__}: {error}", file=sys.stderr)
                waiting.pop(future)
                if len(waiting) < len(users):
                    bar.set_postfix_str(", ".join(waiting.values()))
        except KeyboardInterrupt:
            print(
                "stopping, as soon as the hand-ins that run now are graded; Ctrl-C again: at once",
                file=sys.stderr,
            )
            on_ending(signal.SIG_DFL)  # ends the workers, too
            pool.shutdown(cancel_futures=True)  # those that run now are finished
            raise


def on_ending(handler: Any) -> None:
    """What the signals do that ask this program to end: there are fewer on Windows."""
    for name in {"SIGINT", "SIGTERM", "SIGHUP"} & {each.name for each in signal.Signals}:
        signal.signal(signal.Signals[name], handler)


def begin(free: Any, course: Path, log: Path) -> None:
    """Let this process grade for one of the users, and end when the command is killed."""
    if FORKS:
        system("prctl", ENDS_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    os.chdir(course)
    warnings.simplefilter("ignore")
    form = "[%(process)d %(levelname)s] %(message)s"
    logging.basicConfig(filename=log, level=logging.INFO, format=form, force=True)
    settings(course).UserKernelManager.user = free.get()


@cache
def settings(course: Path) -> Config:
    """What nbgrader_config.py says."""
    return PyFileConfigLoader("nbgrader_config.py", str(course)).load_config()


def grade_one(course: Path, name: str, student: str) -> None:
    """Grade a student's notebook."""
    graded = course / "autograded" / student / name
    if graded.exists() and not (graded / DONE).exists():  # of a run that was cut off
        rmtree(str(graded))
    for converter in (SharedAutograde, GenerateFeedback):
        folders = CourseDirectory(config=settings(course))
        folders.assignment_id, folders.student_id = name, glob.escape(student)
        try:
            converter(coursedir=folders, config=settings(course)).start()
        except Exception:
            logging.exception("%s, %s: not graded", student, name)
            return
        (graded / DONE).touch()  # a page that is missing needs no second run
