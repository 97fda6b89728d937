"""Which checks of a student's notebook pass, and what to do next.

The student edition of a notebook calls `follow` in its first cell and `report` in its last one.
`python -m cs231n_utils.progress FOLDER` says the same of each notebook of a folder as it was saved.
"""

import argparse
import ast
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython

CHECK = re.compile(r"# Check (\d+) of \d+")  # the first line of a cell that checks what was written
STILL = "Still to write: "
NOTHING = "nothing written yet"
RECORDS = "records.txt"  # beside the notebooks: a reader's own results in open experiments

_tasks: list[str] = []  # what each check wants written
_errors: dict[int, str] = {}  # by the number of a check that has run: its error, or ""
_unread: dict[str, str] = {}  # what Python could not read, by the name that it would define


def follow(*tasks: str) -> None:
    """Note from now on which checks pass in this notebook; tasks are what each wants written."""
    _tasks[:] = tasks
    if shell := get_ipython():
        shell.events.register("post_run_cell", _note)
        shell.set_custom_exc((NotImplementedError,), _say_what_is_missing)  # type: ignore[no-untyped-call]


def report() -> None:
    """Print how many checks pass as they last ran, and what to do next."""
    print(summary(_tasks, _errors))


def record(notebook: str, what: str, value: float) -> None:
    """Note what you reached in a notebook's open experiment, for example ("05", "right", 0.967)."""
    with Path(RECORDS).open("a", encoding="utf-8") as file:
        file.write(f"{notebook}: {what} {value:g}\n")
    print(f"noted in {RECORDS}; `make progress` shows it")


def _say_what_is_missing(_: Any, __: Any, error: Exception, *___: Any, **____: Any) -> None:
    """One line in place of a traceback, for what a student has yet to write."""
    print(STILL + str(error).removeprefix("Write "))


def _note(result: Any) -> None:
    """Note how a cell ended if it is a check. IPython calls this after each cell."""
    error = result.error_before_exec or result.error_in_exec
    told = f"{type(error).__name__}: {gist(str(error))}" if error else ""
    _take(result.info.raw_cell or "", told, _errors, _unread)


def _take(source: str, told: str, errors: dict[int, str], unread: dict[str, str]) -> None:
    """Note a cell's error, told in one line: a check's by its number, a definition's by its name.

    A check that misses a name is told why: Python could not read the cell that defines it.
    """
    if match := CHECK.match(source):
        missing = re.match(r"NameError: name '(\w+)'", told)
        errors[int(match[1])] = unread.get(missing[1], told) if missing else told
        return
    for name in re.findall(r"^(?:def|class) (\w+)", source, re.M):
        unread.pop(name, None)
        if re.match("SyntaxError|IndentationError|TabError", told):
            unread[name] = f"{told}, in the cell that defines {name}"


def gist(message: str) -> str:
    """The first line of an error's message, and its first diagnosis if it has one."""
    first, *others = message.strip().split("\n")
    diagnoses = [line for line in others if line.startswith("Diagnosis: ")]
    return " ".join([first.removesuffix(" Worst entries:"), *diagnoses[:1]])


def summary(tasks: list[str], errors: dict[int, str]) -> str:
    """For example "5 of 7 checks pass. Next, check 3: Write softmax: see equation (2.4)"."""
    if not tasks:
        return "Run this notebook's first cell, then the checks: they have not been followed."
    left = [number for number in range(1, len(tasks) + 1) if errors.get(number, "not run")]
    if not left:
        return f"All {len(tasks)} checks pass."
    number = left[0]
    error, todo = errors.get(number, ""), tasks[number - 1]
    if number not in errors:
        todo += "\n    This check has not run yet."
    elif not error.startswith("NotImplementedError"):
        todo = f"Look again at{todo.removeprefix('Write')}\n    {error}"
    return f"{len(tasks) - len(left)} of {len(tasks)} checks pass. Next, check {number}: {todo}"


def main() -> None:
    """Print the progress in each notebook of a folder."""
    parser = argparse.ArgumentParser(description="Say which checks of your notebooks pass.")
    parser.add_argument("folder", type=Path, help="what holds the notebooks")
    folder = parser.parse_args().folder
    if not (paths := sorted(folder.glob("*.ipynb"))):
        parser.error(f"there are no notebooks in {folder}")
    told = {path.stem: progress(path) for path in paths}
    if set(told.values()) == {NOTHING}:
        print(f"{NOTHING}: begin with {paths[0].stem}")
    else:
        for name, text in told.items():
            print(f"{name:26}" + text.replace("\n", "\n" + 26 * " "))
    if (records := folder / RECORDS).exists():
        print("Your records:", *records.read_text(encoding="utf-8").splitlines(), sep="\n  ")


def progress(path: Path) -> str:
    """What `report` says of a notebook's checks as they last ran when it was saved."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [{**cell, "source": "".join(cell["source"])} for cell in cells if "outputs" in cell]
    followed = [cell["source"] for cell in code if "progress.follow(" in cell["source"]]
    if not followed:
        return "not a notebook of the student edition"
    own = [cell for cell in code if cell["metadata"].get("nbgrader", {}).get("solution")]
    if all(map(is_as_released, own)):
        return NOTHING
    errors, unread = dict[int, str](), dict[str, str]()
    for cell in [cell for cell in code if cell["execution_count"]]:
        failed = [out for out in cell["outputs"] if out["output_type"] == "error"]
        told = "".join(f"{e['ename']}: {gist(e['evalue'])}" for e in failed)
        printed = "".join(line for out in cell["outputs"] for line in out.get("text", ""))
        if re.search(f"^{STILL}", printed, re.M):
            told = "NotImplementedError"
        _take(cell["source"], told, errors, unread)
    tasks = followed[0].partition("progress.follow(")[2].rpartition(")")[0]
    return summary(ast.literal_eval(f"[{tasks}]"), errors)


def digest(source: str) -> str:
    """A short fingerprint of a cell's text."""
    return hashlib.sha256(source.replace("\r\n", "\n").encode()).hexdigest()[:16]


def is_as_released(cell: Any) -> bool:
    """Whether a notebook's cell is one of the release, unchanged."""
    return bool(cell["metadata"].get("released", {}).get("digest") == digest(cell["source"]))


if __name__ == "__main__":
    main()
