"""A class's hand-ins of one notebook, made up and graded.

    python -m benchmarks.grading                        24 hand-ins of 06, as you, on all cores
    sudo "$(which python)" -m benchmarks.grading 06 300 grader1 grader2     300, as two users

Of each function a student has written nothing, or it is solved, or the answer is one of
publish/answers, right or wrong. The command of the week grades them in build/benchmarks/grading/.
Cores are assumed to be as fast side by side as they are here: 8 cores are an extrapolation.
"""

import ast
import os
import random
import resource
import shutil
import subprocess
import sys
import time

from benchmarks.side_by_side import BUILD, print_conditions
from publish.answers import path_of
from publish.notebook import Notebook
from publish.student import edition, grading

CLASS, CORES = 300, 8  # what the seconds are extrapolated to


def answers(number):
    """Code of kept answers, by the function that they answer."""
    shared, kept = [], {}
    for node in ast.parse(path_of(number).read_text(encoding="utf-8")).body:
        name = getattr(node, "name", None) or ast.unparse(getattr(node, "targets", [node])[0])
        function, _, label = name.partition("__")
        if label:
            node.name = function
            kept.setdefault(function, []).append(ast.unparse(node))
        elif isinstance(getattr(node, "value", None), ast.Dict) and name.islower():
            kept.setdefault(name, [])
            kept[name] += [f"{name} = {ast.unparse(value)}" for value in node.value.values]
        elif not isinstance(node, ast.Expr):
            shared.append(ast.unparse(node))
    return {name: ["\n".join([*shared, code]) for code in codes] for name, codes in kept.items()}


def hand_in(notebook, kept, student):
    """What one student hands in; the same at each call."""
    rng, full = random.Random(student), edition.solved(notebook)
    content = edition.unsolved(full).content
    right = {cell.id: cell.source for cell in full.solutions}
    for cell in content.cells:
        if cell.id in right:
            codes = [code for name in kept if f"def {name}(" in cell.source for code in kept[name]]
            written = [f"{cell.source}\n{code}" for code in codes] or [right[cell.id]]
            cell.source = rng.choice([cell.source, right[cell.id], rng.choice(written)])
    return content


def main():
    """Make the hand-ins, grade them, print the seconds."""
    number, count, *users = sys.argv[1:] or ["06", "24"]
    [notebook] = Notebook.series(number)
    folder, kept = BUILD / "grading", answers(number)
    shutil.rmtree(folder, ignore_errors=True)
    edition.build(folder)
    for student in range(int(count)):
        content = hand_in(notebook, kept, student)
        grading.hand_in(folder / "nbgrader", f"student{student:03}", notebook.name, content)
    print_conditions("numpy", "ipykernel", "nbgrader")
    command = [sys.executable, "-m", "marking.week", number]
    command += ["--user", *users] if users else []
    start = time.perf_counter()
    subprocess.run(command, cwd=folder / "nbgrader", check=True, stdout=subprocess.DEVNULL)
    wall = (time.perf_counter() - start) / int(count)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cores = (used.ru_utime + used.ru_stime) / int(count)
    print(f"{count} hand-ins of {notebook.name}, {len(users) or os.cpu_count()} at a time")
    print(f"{wall:.1f} s for each, {wall * int(count) / 60:.1f} minutes in all")
    minutes = cores * CLASS / CORES / 60
    print(f"{cores:.1f} core-seconds for each: {CLASS} on {CORES} cores, {minutes:.1f} minutes")


if __name__ == "__main__":
    main()
