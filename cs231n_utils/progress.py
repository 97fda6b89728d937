"""Which checks of a student's notebook pass, and what to do next.

The student edition of a notebook calls `follow` in its first code cell and `report` in its last.
`python -m cs231n_utils.progress FOLDER` says the same of each notebook of a folder as it was saved.
"""

import argparse
import ast
import hashlib
import io
import json
import linecache
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from traceback import walk_tb
from typing import Any

from IPython.core.getipython import get_ipython

CHECK = re.compile(r"# Check (\d+) of (\d+): (.*)")  # the first line of a cell that is a check
DEFINED = re.compile(r"^(?:def|class) (\w+)", re.M)
ENDS = ast.Return | ast.Yield | ast.YieldFrom | ast.Raise
SIGN = "✎"  # of what a student writes: above its cell, and wherever it is missing
STILL = f"{SIGN} Still to write: "
NOTHING = "nothing written yet"
UNRUN = "no results in it, as after an update: run all once, save, then ask again"
RECORDS = "records.txt"  # beside the notebooks: a reader's own results in open experiments


@dataclass
class Seen:
    """What the cells of a notebook have shown, as they last ran."""

    count: int = 0  # of the notebook's checks
    titles: dict[int, str] = field(default_factory=dict)  # of a check, by its number: "f, g"
    errors: dict[int, str] = field(default_factory=dict)  # of those that have run: or ""
    failed: dict[str, str] = field(default_factory=dict)  # cells, by the name that they define
    giving: dict[str, bool] = field(default_factory=dict)  # whether functions return anything

    def note(self, source: str, told: str) -> None:
        """Note how a cell ended: a check's error by its number, another's by what it defines."""
        if number := self.title(source):
            self.errors[number] = told and (self.cause(number) or self.clearer(source, told))
            return
        with suppress(SyntaxError, ValueError):
            for each in ast.walk(ast.parse(source)):
                if isinstance(each, ast.FunctionDef):
                    ends = [node for node in ast.walk(each) if isinstance(node, ENDS)]
                    self.giving[each.name] = any(getattr(node, "value", True) for node in ends)
        for name in DEFINED.findall(source):
            self.failed.pop(name, None)
            if told:
                self.failed[name] = f"{told}, in the cell that defines {name}"

    def cause(self, number: int) -> str:
        """How a cell that a check tests failed; "" if none did."""
        names = [name.partition(".")[0] for name in self.titles.get(number, "").split(", ")]
        return next((self.failed[name] for name in names if name in self.failed), "")

    def clearer(self, source: str, told: str) -> str:
        """A check's error, or what lies behind it: a cell that ended early, a missing `return`."""
        gone = re.search(r"name '(\w+)' is not defined", told)
        ended = self.failed.get(gone[1], "") if gone else ""
        if ended and not ended.startswith("SyntaxError"):
            return ended
        if re.search(r"None|not \(\)", told) and "return" not in told:  # which says it well
            for name in re.findall(r"\w+(?=,|$)", self.titles[self.title(source)]):
                alone = re.search(rf"(?m)^ *(\w+\.)*{name}\(", source)  # it works in place
                if not (self.giving.get(name, True) or alone):
                    return f"{name} returns None: is `return` missing?"
        return told

    def title(self, source: str) -> int:
        """Note what a cell is called if it is a check, and return its number; 0 if it is none."""
        if not (match := CHECK.match(source)):
            return 0
        self.count, number = int(match[2]), int(match[1])
        self.titles[number] = match[3]
        return number


_seen = Seen()
_aside: dict[str, Any] = {}


def follow() -> None:
    """Note from now on which checks pass in this notebook."""
    if shell := get_ipython():
        shell.events.register("pre_run_cell", _set_aside)
        shell.events.register("post_run_cell", _note)
        kinds = (NotImplementedError, AssertionError, NameError, TypeError, AttributeError)
        shell.set_custom_exc(kinds, _say_what_fails)  # type: ignore[no-untyped-call]


def report() -> None:
    """Print how many checks pass as they last ran, and what to do next."""
    print(summary(_seen))


def record(notebook: str, what: str, value: float) -> None:
    """Note what you reached in a notebook's open experiment, for example ("05", "right", 0.967)."""
    with Path(RECORDS).open("a", encoding="utf-8") as file:
        file.write(f"{notebook}: {what} {value:g}\n")
    print(f"noted in {RECORDS}; `make progress` shows it")


def _say_what_fails(shell: Any, kind: Any, error: Any, trace: Any, **_: Any) -> None:
    """In place of a traceback what a student has yet to write, or the line of a check that fails.

    An error from a cell of the student's keeps its traceback.
    """
    if isinstance(error, NotImplementedError):
        print(told_in_a_line("NotImplementedError", str(error)))
        return
    cells = [each for each in walk_tb(trace) if each[0].f_globals is shell.user_global_ns]
    file, line = cells[-1][0].f_code.co_filename, cells[-1][1]
    if check := CHECK.match(linecache.getline(file, 1)):
        place = f"Check {check[1]}, line {line}: {linecache.getline(file, line).strip()}"
        told = _seen.clearer("".join(linecache.getlines(file)), said := f"{kind.__name__}: {error}")
        if isinstance(error, NameError):
            told += ": run the cell above, or look at its error"
        if told != said or isinstance(error, AssertionError):
            error._render_traceback_ = lambda: [place, told]
    shell.showtraceback((kind, error, trace))


def _set_aside(info: Any) -> None:
    """Before a check take away what stands in for the functions that it tests."""
    match, names = CHECK.match(info.raw_cell or ""), _names()
    for name in match[3].split(", ") if match else []:
        owner = name.partition(".")[0]
        if str(getattr(names.get(owner), "__module__", "")).startswith("cs231n_utils.taught"):
            _aside[owner] = names.pop(owner)


def _note(result: Any) -> None:
    """Note how a cell ended. IPython calls this after each cell."""
    error, names = result.error_before_exec or result.error_in_exec, _names()
    told = told_in_a_line(type(error).__name__, str(error)) if error else ""
    _seen.note(source := result.info.raw_cell or "", told)
    names.update(_aside | names)
    _aside.clear()
    if result.error_before_exec:  # what the cell defined before its fault is no longer in it
        for name in DEFINED.findall(source):
            names.pop(name, None)


def _names() -> dict[str, Any]:
    """What the notebook's cells have defined."""
    return getattr(get_ipython(), "user_ns", {})


def told_in_a_line(name: str, message: str) -> str:
    """An error in a line, or what is still to write."""
    if name == "NotImplementedError":
        return STILL + message.removeprefix("Write ")
    return f"{name}: {gist(message)}"


def gist(message: str) -> str:
    """The first line of an error's message, and its first diagnosis if it has one."""
    first, *others = message.strip().split("\n")
    diagnoses = [line for line in others if line.startswith("Diagnosis: ")]
    return " ".join([first.removesuffix(" Worst entries:"), *diagnoses[:1]])


def summary(seen: Seen) -> str:
    """For example "5 of 7 checks pass. Next, check 3: softmax", and below it why it fails."""
    if not seen.count:
        return "Run this notebook's first code cell, then the checks: they have not been followed."
    left = [number for number in range(1, seen.count + 1) if seen.errors.get(number, "not run")]
    if not left:
        return f"All {seen.count} checks pass."
    title = f"{left[0]}: {seen.titles[left[0]]}" if left[0] in seen.titles else str(left[0])
    told = seen.errors.get(left[0]) or seen.cause(left[0]) or "This check has not run yet."
    ran, passed = len(seen.errors), seen.count - len(left)
    unrun = f", {seen.count - ran} not run yet" * (ran < seen.count)
    counted = f"{passed} of {ran} checks pass{unrun}" if ran else "No check has run yet"
    return f"{counted}. Next, check {title}\n    {told}"


def main() -> None:
    """Print the progress in each notebook of a folder."""
    parser = argparse.ArgumentParser(description="Say which checks of your notebooks pass.")
    parser.add_argument("folder", type=Path, help="what holds the notebooks")
    folder = parser.parse_args().folder
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show the sign
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
    seen = Seen()
    for cell in code:
        seen.title(cell["source"])
    if not seen.count:
        return "not a notebook of the student edition"
    own = [cell for cell in code if cell["metadata"].get("nbgrader", {}).get("solution")]
    if all(map(is_as_released, own)):
        return NOTHING
    if not (ran := [cell for cell in code if cell["execution_count"]]):
        return UNRUN  # an update takes outputs away
    for cell in ran:
        told = [told_in_a_line(o["ename"], o["evalue"]) for o in cell["outputs"] if "ename" in o]
        printed = "".join(line for out in cell["outputs"] for line in out.get("text", ""))
        told += re.findall(f"^{STILL}.*", printed, re.M)
        seen.note(cell["source"], "".join(told[:1]))
    return summary(seen)


def digest(source: str) -> str:
    """A short fingerprint of a cell's text."""
    return hashlib.sha256(source.replace("\r\n", "\n").encode()).hexdigest()[:16]


def is_as_released(cell: Any) -> bool:
    """Whether a notebook's cell is one of the release, unchanged."""
    return bool(cell["metadata"].get("released", {}).get("digest") == digest(cell["source"]))


if __name__ == "__main__":
    main()
