"""Which checks of a student's notebook pass, and what to do next.

The student edition of a notebook calls `follow` in its first cell and `report` in its last one.
`python -m cs231n_utils.progress FOLDER` runs a folder's notebooks and prints what each reports.
"""

import argparse
import hashlib
import re
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython

CHECK = re.compile(r"# Check (\d+) of \d+")  # the first line of a cell that checks what was written
SECONDS = re.compile(r"at most (\d+) seconds to run")  # what a notebook states
RECORDS = "records.txt"  # beside the notebooks: a reader's own results in open experiments
STUB = "NotImplementedError: "  # how the error of what is still to write begins
WRITE = re.compile(r"\bWrite(?= [\w. ]+: see )")  # how what a check wants begins

_tasks: list[str] = []  # what each check wants written
_errors: dict[int, str] = {}  # by the number of a check that has run: its error, or ""


def follow(*tasks: str) -> None:
    """Note from now on which checks pass in this notebook; tasks are what each wants written."""
    _tasks[:] = tasks
    if shell := get_ipython():
        shell.events.register("post_run_cell", _note)


def report() -> None:
    """Print how many checks pass as they last ran, and what to do next."""
    print(summary(_tasks, _errors))


def record(notebook: str, what: str, value: float) -> None:
    """Note what you reached in a notebook's open experiment, for example ("05", "right", 0.967)."""
    with Path(RECORDS).open("a", encoding="utf-8") as file:
        file.write(f"{notebook}: {what} {value:g}\n")
    print(f"noted in {RECORDS}; `make progress` shows it")


def _note(result: Any) -> None:
    """Note how a cell ended if it is a check. IPython calls this after each cell."""
    if match := CHECK.match(result.info.raw_cell or ""):
        error = result.error_before_exec or result.error_in_exec
        _errors[int(match[1])] = f"{type(error).__name__}: {gist(str(error))}" if error else ""


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
    if error.startswith(STUB):
        todo = error.removeprefix(STUB)
    elif number in errors:
        todo = f"{WRITE.sub('Look again at', todo)}\n    {error}"
    else:
        todo += "\n    This check has not run yet."
    return f"{len(tasks) - len(left)} of {len(tasks)} checks pass. Next, check {number}: {todo}"


def main() -> None:
    """Print the progress in each notebook of a folder."""
    parser = argparse.ArgumentParser(description="Run your notebooks and say which checks pass.")
    parser.add_argument("folder", type=Path, help="what holds the notebooks, or one of them")
    folder = parser.parse_args().folder
    paths = [folder] if folder.is_file() else sorted(folder.glob("*.ipynb"))
    if not paths:
        parser.error(f"there are no notebooks in {folder}")
    for path in paths:
        print(f"{path.stem:26}", end="", flush=True)
        print(progress(path).replace("\n", "\n" + 26 * " "), flush=True)
    if (records := (folder if folder.is_dir() else folder.parent) / RECORDS).exists():
        print("Your records:", *records.read_text(encoding="utf-8").splitlines(), sep="\n  ")


def progress(path: Path, limit: int = 60) -> str:
    """What a notebook's last cell reports after a run; limit: seconds of a cell, at least."""
    import nbformat  # it and the client are where notebooks are, and not needed inside one

    cells = nbformat.read(path, as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    if not any("progress.follow(" in source for source in sources):
        return "not a notebook of the student edition"
    own = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("solution")]
    if all(map(is_as_released, own)):
        return "nothing written yet"
    stated = SECONDS.search("\n".join(cell.source for cell in cells))
    return _run(sources, path.parent, limit=max(limit, int(stated[1]) if stated else 0))


def _run(sources: list[str], folder: Path, limit: int) -> str:
    """Run cells up to one that exceeds the limit (nbclient may miss a widget's end), and report."""
    from jupyter_client.manager import start_new_kernel

    messages: list[dict[str, Any]] = []
    notes: list[str] = []
    manager, client = start_new_kernel(cwd=str(folder), extra_arguments=["--log-level=ERROR"])
    options = {"allow_stdin": False, "stop_on_error": False}
    try:
        for source in sources:
            try:
                ran = client.execute_interactive(source, timeout=limit, output_hook=bool, **options)
            except TimeoutError:
                line = source.strip().partition("\n")[0]
                notes.append(f"\n    Stopped after {limit} seconds in the cell: {line}")
                manager.interrupt_kernel()
                break
            reply = ran["content"]
            if reply.get("ename") == "FileNotFoundError":  # CIFAR-10, for example
                notes.append("\n    " + reply["evalue"].partition("\n")[0])
        ask = "from cs231n_utils import progress; progress.report()"
        client.execute_interactive(ask, timeout=30, output_hook=messages.append, **options)
    except TimeoutError:
        notes.append("the kernel does not answer")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    said = "".join(message["content"].get("text", "") for message in messages)
    return said.strip() + "".join(notes)


def digest(source: str) -> str:
    """A short fingerprint of a cell's text."""
    return hashlib.sha256(source.replace("\r\n", "\n").encode()).hexdigest()[:16]


def is_as_released(cell: Any) -> bool:
    """Whether a notebook's cell is one of the release, unchanged."""
    return bool(cell.metadata.get("released", {}).get("digest") == digest(cell.source))


if __name__ == "__main__":
    main()
