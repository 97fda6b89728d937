"""How nbgrader takes a notebook in and runs it, so that no hand-in ends the grading."""

import ast
import asyncio
import hashlib
import html
import re
import secrets
import time
from itertools import groupby
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
import psutil
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Bool, Dict, Integer, Unicode

from .bending import bound, needed, parsed
from .stubs import MOVED, with_seeds_moved
from .submission import CUT, code, restore, unseen

GUARD = Path(__file__).with_name("guard.py").read_text(encoding="utf-8")
ROOM = 400_000  # characters of all outputs of a page
LONGEST, SHORT = 10_000, 1000  # of one; of one for which there is no more room
STOPS = 3  # cells that hang or kill the kernel, until the rest of a notebook is not run
FRAME = re.compile(r"in ([\w.]+)\(")  # a line of a traceback
COLOUR = re.compile(r"\x1b\[[\d;]*m")


class Restore(NbGraderPreprocessor):
    """Gives a student's notebook the checks of its release, and logs what had to be put right."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Restore the notebook."""
        name, original = resources["nbgrader"]["notebook"], released(resources)
        nb.metadata["unseen"] = unseen(nb, original)  # for the student's page
        for sentence in restore(nb, original):
            self.log.warning("%s, %s: %s", resources["nbgrader"]["student"], name, sentence)
        return nb, resources


def released(resources: dict[str, Any]) -> NotebookNode:
    """What students got of the notebook that is graded; an empty one if there is no release."""
    about = resources["nbgrader"]
    path = Path("release", about.get("assignment", ""), f"{about['notebook']}.ipynb")
    return nbformat.read(path, as_version=4) if path.exists() else nbformat.v4.new_notebook()


class FairExecute(Execute):
    """Runs a notebook whatever its cells do.

    A cell that takes too long is stopped: by its processor's time, or three times as much by a
    clock, because others are graded beside it. One that kills the kernel, or cannot be stopped, is
    left out, and the cells above it run once more. What the student has written for it, the last
    above it that it names, is not called again, so that other answers keep their points; a check
    that killed the kernel runs without it, because others may need what it defines. A cell that is
    no check costs no answer, because it may hang by itself, or ask more than a check does: only the
    second one with the same function does. After the third such cell the rest is not run, and
    neither is what is left of a notebook when its time is over.

    Before each cell that the student only got, what the student's own cells may have bent is put
    back: see guard.py. Checks that draw their numbers draw others than those that students see.
    """

    timeout = Integer(20, help="seconds of a cell").tag(config=True)
    total = Integer(900, help="seconds of a notebook").tag(config=True)
    raise_on_iopub_timeout = Bool(False)  # a kernel that cannot be stopped prints nothing more
    shutdown_kernel = Unicode("immediate")  # and would not end when it is asked to
    timeouts = Dict(help="seconds of a cell that is no check: of *, or a notebook").tag(config=True)
    seeds_moved = Integer(MOVED, help="what is added to the seeds of checks").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any], km: Any = None
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Run the notebook, again if a cell has killed the kernel."""
        name = resources["nbgrader"]["notebook"]
        self.longest = int(self.timeouts.get(name, self.timeouts.get("*", self.timeout)))
        self.timeout_func = self.limit
        self.end = time.monotonic() + self.total
        nb.metadata["changed"] = []  # what a hand-in did to what checks need
        self.stopped: dict[int, NotebookNode] = {}  # errors, by the place of the cell
        self.before = 0, nb.cells[0]  # the cell that ran last
        self.guarded: Any = None  # the kernel that remembers what checks need
        self.spared = set[int]()  # checks that killed the kernel, and may run once more
        self.suspected = set[str]()  # functions in an own cell that did not end
        self.banned: dict[str, str] = {}  # what calls of a function say from now on
        self.original = released(resources)
        answers = [cell for cell in code(self.original) if is_solution(cell)]
        self.theirs = {name for cell in answers for name in bound(cell.source)}
        self.sources = [cell.source for cell in code(self.original) if not is_solution(cell)]
        self.given = {source.strip() for source in self.sources}
        for _ in range(2 * STOPS):
            try:
                return super().preprocess(nb, resources, km)
            except DeadKernelError:
                self.log.error("%s: the kernel died; run again without that cell", name)
            self.guarded = None
        return super().preprocess(nb, resources, km)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Run a cell, if it and the cells before it have left a kernel to run it."""
        if cell.cell_type != "code":
            return cell, resources
        if self.guarded is self.kc and self.kills < STOPS and not self.answers():
            last, culprit = self.before  # it ended behind that cell
            self.leave_out(last, culprit, ended(culprit))
        late = time.monotonic() > self.end
        if index in self.stopped or self.kills >= STOPS or late:
            why = f"it took more than {self.total} s" if late else f"{STOPS} cells did not end"
            sentence = f"{CUT}, because {why}"
            cell.outputs = [self.stopped.get(index) or error("NotRun", sentence)]
            return cell, resources
        if self.guarded is not self.kc:
            self.guard()
        last, culprit = self.before
        self.before = index, cell
        given = cell.source.strip() in self.given or is_grade(cell)
        if given and not self.put_back(needed(cell.source, self.sources), culprit):
            if not self.replied:  # a kernel that takes requests, and does nothing
                self.leave_out(last, culprit, ended(culprit))
            cell.outputs = [error("Bent", "what this check needs could not be put back")]
            return cell, resources
        shown = cell.source
        if is_grade(cell):
            cell.source = with_seeds_moved(shown, self.seeds_moved)
        try:
            cell, resources = super().preprocess_cell(cell, resources, index)
        except DeadKernelError:
            self.leave_out(index, cell, ended(cell))
            return cell, resources
        finally:
            cell.source = shown
        if "CellTimeoutError" in [output.get("ename") for output in cell.outputs]:
            self.stop(index, cell)
        elif is_grade(cell):
            cell.outputs = [as_shown(output) for output in cell.outputs]
            self.put_back(set(), cell)
        elif is_solution(cell):
            self.ban(defined(self.nb, cell))
        if given:
            self.tell(f"note({sorted(bound(cell.source) - self.theirs)})")
        return cell, resources

    @property
    def kills(self) -> int:
        """How many cells did not end."""
        return len(self.stopped.keys() | self.spared)

    def guard(self) -> None:
        """Let a new kernel remember what the checks need, under a name that nobody can know."""
        self.guarded, self.secret, self.place = self.kc, secrets.token_hex(), secrets.token_hex()
        self.kc.shell_channel.work = self.work
        trees = [parsed(cell.source) for cell in code(self.original)]
        imports = "\n".join(
            f"try: {ast.unparse(line)}\nexcept ImportError: pass"
            for tree in trees
            for line in tree.body
            if isinstance(line, ast.Import | ast.ImportFrom)
        )
        start = (
            f"def start(shell, names):\n    exec({GUARD!r}, names)\n"
            "    names['undrawn'](), names['bounded'](shell.kernel.session)\n"
            f"    guard = names['Guard'](shell, {imports!r}, {self.secret!r}, "
            f"{sorted(self.theirs)!r})\n"
            f"    setattr(shell.kernel, {'_' + self.place!r}, guard)\n"
            "start(get_ipython(), {'__name__': 'guard'})\ndel start"
        )
        self.kc.execute(start, silent=True)

    def work(self) -> float:
        """Seconds of a processor that the kernel has had; a clock's, if it is gone."""
        try:
            return sum(psutil.Process(self.km.provisioner.pid).cpu_times()[:2])
        except psutil.NoSuchProcess:
            return time.monotonic()

    def put_back(self, names: set[str], culprit: NotebookNode) -> bool:
        """Put back what a cell may have bent, and note what; whether the kernel proves that."""
        nonce = secrets.token_hex()
        proof = hashlib.sha256(f"{self.secret}{nonce}".encode()).hexdigest()
        given, *changed = self.tell(f"put_back({sorted(names)}, {nonce!r})").strip("'").split(" ")
        if changed:
            told = f"changed {', '.join(changed)}, seen behind {called(culprit)}"
            self.nb.metadata["changed"].append(told)
        return given == proof

    def tell(self, call: str) -> str:
        """What a call of the guard returns, as text; "" if it does not."""
        place = f"__import__('IPython').get_ipython().kernel._{self.place}"
        request = self.kc.execute("", silent=True, user_expressions={"said": f"{place}.{call}"})
        reply = run_sync(self.reply)(request, seconds=3 * self.timeout)
        self.replied = bool(reply)
        said = reply.get("user_expressions", {}).get("said", {})
        return str(said.get("data", {}).get("text/plain", ""))

    def blamed(self, cell: NotebookNode, names: set[str]) -> set[str]:
        """Which of the functions in a cell that did not end are not called again."""
        if is_grade(cell):
            return names
        again = names & self.suspected
        self.suspected |= names
        return again

    def limit(self, cell: NotebookNode) -> int:
        """How many seconds a cell may run."""
        return int(self.timeout) if is_grade(cell) else self.longest

    def stop(self, index: int, cell: NotebookNode) -> None:
        """Note that a cell was stopped, and in which function of the student's it was."""
        frames = FRAME.findall(COLOUR.sub("", "\n".join(traceback(cell))))
        culprit = next((name for name in frames if name.split(".")[0] in defined(self.nb)), None)
        sentence = f"{culprit or called(cell)} ran more than {self.limit(cell)} s: it was stopped"
        self.stopped[index] = error("CellTimeoutError", sentence)
        shown = [output for output in cell.outputs if output.output_type != "error"]
        cell.outputs = [*shown, self.stopped[index]]
        self.banned |= dict.fromkeys(self.blamed(cell, {culprit} if culprit else set()), sentence)
        if self.answers():
            self.ban(defined(self.nb))
        else:
            self.leave_out(index, cell, self.stopped[index])

    def ban(self, names: set[str]) -> None:
        """Replace those of the functions that hang or kill by one that says so."""
        for name, sentence in self.banned.items():
            if name.split(".")[0] in names and self.kc is not None:
                left_out = f"type('LeftOut', (RuntimeError,), {{}})({sentence!r})"
                code = f"def _banned(*_, **__): raise {left_out}\n{name} = _banned"
                self.kc.execute(code, silent=True)

    def answers(self) -> bool:
        """Whether the kernel runs nothing, and says so, within five seconds."""
        return bool(run_sync(self.reply)(self.kc.execute("", silent=True), seconds=5))

    async def reply(self, request: str, seconds: float) -> dict[str, Any]:
        """The reply to a request; {} if none comes in time, or from a kernel that has ended."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        message = await self.kc.get_shell_msg(timeout=1)
                    except Empty:
                        if not await self.km.is_alive():
                            return {}
                        continue
                    if message["parent_header"].get("msg_id") == request:
                        return dict(message["content"])
        except TimeoutError:
            return {}

    def leave_out(self, index: int, cell: NotebookNode, stopped: NotebookNode) -> None:
        """Note that a cell cost the kernel; start again, unless no cell may follow.

        Nothing tells which function it was in: the student's that stand last above it are banned.
        """
        cell.outputs = [stopped]
        above = [each for each in self.nb.cells[: index + 1] if is_solution(each)]
        names = [defined(self.nb, each) & set(re.findall(r"\w+", cell.source)) for each in above]
        culprits = self.blamed(cell, next(filter(None, reversed(names)), set()))
        if is_grade(cell) and culprits - self.banned.keys() and index not in self.spared:
            self.spared.add(index)
        else:
            self.stopped[index] = stopped
        self.banned |= dict.fromkeys(culprits, stopped.evalue)
        if self.kills < STOPS:
            raise DeadKernelError(stopped.evalue)


class CutOutputs(NbGraderPreprocessor):
    """Cuts what a page of feedback has no room for; it says how much is gone. Errors all stay."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Cut the notebook's outputs."""
        self.room = ROOM
        for cell in code(nb):
            outputs, cell.outputs, gone = joined(cell.outputs), [], 0
            for output in outputs:
                if self.room > 0 or output.output_type == "error":
                    self.shorten(output)
                    cell.outputs.append(output)
                else:
                    gone += 1
            if gone:
                cell.outputs.append(new_output("stream", text=f"[cut here: {gone:,} outputs]"))
        return nb, resources

    def shorten(self, output: NotebookNode) -> None:
        """Cut an output."""
        if output.output_type == "stream":
            output.text = self.cut(output.text)
        elif output.output_type == "error":
            output.evalue = self.cut(output.evalue)
            output.traceback = [self.cut("\n".join(output.traceback))]
        else:
            image = output.data.get("image/png", "")
            if len(image) > self.room:
                output.data = {"text/plain": f"[cut here: an image of {len(image):,} characters]"}
            self.room -= len(output.data.get("image/png", ""))
            for kind in [kind for kind in output.data if kind.startswith("text")]:
                output.data[kind] = self.cut(output.data[kind])

    def cut(self, said: str) -> str:
        """What is kept of an output: its beginning."""
        kept = said[: LONGEST if self.room > 0 else SHORT]
        self.room -= len(html.escape(kept)) + SHORT // 10  # with what a page writes around it
        gone = len(said) - len(kept)
        return f"{kept}\n[cut here: {gone:,} of {len(said):,} characters]" if gone else kept


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs in which what was printed in many pieces is one."""
    together = list[NotebookNode]()
    for printed, group in groupby(outputs, key=lambda output: output.output_type == "stream"):
        pieces = list(group)
        if printed:
            pieces[0].text = "".join(piece.text for piece in pieces)
        together += pieces[:1] if printed else pieces
    return together


def error(name: str, sentence: str) -> NotebookNode:
    """An error as a cell's output."""
    return new_output("error", ename=name, evalue=sentence, traceback=[sentence])


def ended(cell: NotebookNode) -> NotebookNode:
    """The error of a cell that has cost the kernel."""
    return error("DeadKernelError", f"{called(cell)} ended the kernel: it was left out")


def as_shown(output: NotebookNode) -> NotebookNode:
    """An output of a check in a form that costs no points: only an error does.

    To nbgrader a warning is a failure, and a number the points that a cell gives.
    """
    if output.output_type == "stream":
        output.name = "stdout"
    if output.output_type == "execute_result":
        return new_output("display_data", data=output.data, metadata=output.metadata)
    return output


def defined(notebook: NotebookNode, *cells: NotebookNode) -> set[str]:
    """The functions and classes that cells of solutions define: some of them, or all."""
    sources = [cell.source for cell in cells or notebook.cells if is_solution(cell)]
    return set(re.findall(r"^(?:def|class) (\w+)", "\n".join(sources), re.M))


def traceback(cell: NotebookNode) -> list[str]:
    """What a cell's errors print."""
    return [line for output in cell.outputs for line in output.get("traceback", [])]


def called(cell: NotebookNode) -> str:
    """What a message calls a cell: the name of a check, or the first line of code."""
    mark = cell.metadata.get("nbgrader", {})
    first = next((line for line in cell.source.splitlines() if line.strip()), "")
    return mark["grade_id"] if mark.get("grade") else f"the cell `{first.strip()}`"
