"""How nbgrader takes a notebook in, runs it and shows it, so that no hand-in ends the grading."""

import asyncio
import html
import re
from pathlib import Path
from typing import Any

import nbformat
from docutils.utils.math.latex2mathml import tex2mathml
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from traitlets import Dict, Integer

from .mend import is_check, is_solution, mend

STOPS = 3  # cells that hang or kill the kernel, until the rest of a notebook is not run
FRAME = re.compile(r"in ([\w.]+)\(")  # a line of a traceback
COLOUR = re.compile(r"\x1b\[[\d;]*m")
MATHEMATICS = re.compile(r"`[^`]*`|\$\$(?P<display>.+?)\$\$|(?<!\\)\$(?P<inline>[^$]+?)\$", re.S)
# What docutils' converter does not know, in its own words.
TEX = {
    r"\\tag\{([^}]*)\}": r"\\qquad(\1)",
    r"\\[dt]?frac(\d)(\d)": r"\\frac{\1}{\2}",
    r"\\dots\b": r"\\ldots",
    r"\\(?:[bB]igg?[lr]?|textstyle)(?![a-zA-Z])": "",
}
MARKDOWN = {ord(sign): f"&#{ord(sign)};" for sign in "|*_\\`~["}


class Mend(NbGraderPreprocessor):
    """Gives a student's notebook the checks of its release, and logs what had to be put right."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Mend the notebook."""
        name = resources["nbgrader"]["notebook"]
        path = Path("release", resources["nbgrader"]["assignment"], f"{name}.ipynb")
        for sentence in mend(nb, nbformat.read(path, as_version=4)):
            self.log.warning("%s, %s: %s", resources["nbgrader"]["student"], name, sentence)
        return nb, resources


class FairExecute(Execute):
    """Runs a notebook whatever its cells do.

    A cell that takes too long is stopped, and the function of the student's that it was in is not
    called again. A cell that kills the kernel, or cannot be stopped, is left out, and the cells
    above it run once more. After the third such cell the rest is not run.
    """

    timeout = Integer(30, help="seconds of a cell").tag(config=True)
    timeouts = Dict(help="seconds of a cell, for notebooks that need other ones").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any], km: Any = None
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Run the notebook, again if a cell has killed the kernel."""
        name = resources["nbgrader"]["notebook"]
        self.timeout_func = lambda cell: self.timeouts.get(name, self.timeout)
        self.stopped: dict[int, NotebookNode] = {}
        while True:
            try:
                return super().preprocess(nb, resources, km)
            except DeadKernelError:
                self.log.error("%s: the kernel died; run again without that cell", name)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Run a cell, if it and the cells before it have left a kernel to run it."""
        if cell.cell_type != "code":
            return cell, resources
        if index in self.stopped or len(self.stopped) >= STOPS:
            sentence = f"the rest was not run, because {STOPS} cells did not end"
            cell.outputs = [self.stopped.get(index) or error("NotRun", sentence)]
            return cell, resources
        try:
            cell, resources = super().preprocess_cell(cell, resources, index)
        except DeadKernelError:
            sentence = f"{called(cell)} ended the kernel: it was left out"
            self.leave_out(index, cell, error("DeadKernelError", sentence))
            return cell, resources
        if "CellTimeoutError" in [output.get("ename") for output in cell.outputs]:
            self.stop(index, cell)
        elif is_check(cell):
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.name = "stdout"  # a warning is no failure, as for the student
        return cell, resources

    def stop(self, index: int, cell: NotebookNode) -> None:
        """Note that a cell was stopped, and put an end to calls of the function it was in."""
        seconds = self.timeout_func(cell)
        culprit = self.culprit(cell)
        where = f"{culprit} ran" if culprit else f"{called(cell)} ran"
        stopped = error("CellTimeoutError", f"{where} for more than {seconds} s: it was stopped")
        cell.outputs = [*cell.outputs[:5], stopped]
        self.stopped[index] = stopped
        if not self.answers():
            self.leave_out(index, cell, stopped)
        elif culprit:
            code = f"def _stopped(*_, **__): raise RuntimeError({stopped.evalue!r})\n"
            self.kc.execute(f"{code}{culprit} = _stopped", silent=True)

    def culprit(self, cell: NotebookNode) -> str | None:
        """The first function in the traceback of a stopped cell that a student has written."""
        own = "\n".join(each.source for each in self.nb.cells if is_solution(each))
        trace = [line for output in cell.outputs for line in output.get("traceback", [])]
        frames = FRAME.findall(COLOUR.sub("", "\n".join(trace)))
        names = {name: name.rpartition(".")[2] for name in frames}
        return next((n for n in frames if re.search(rf"def {names[n]}\(", own)), None)

    def answers(self) -> bool:
        """Whether the kernel takes a request within five seconds after it was interrupted."""
        return run_sync(self.reply)(self.kc.kernel_info())

    async def reply(self, request: str) -> bool:
        """Whether the reply to a request comes within five seconds."""
        try:
            async with asyncio.timeout(5):
                while (await self.kc.get_shell_msg())["parent_header"].get("msg_id") != request:
                    pass
        except TimeoutError:
            return False
        return True

    def leave_out(self, index: int, cell: NotebookNode, stopped: NotebookNode) -> None:
        """Note that a cell cost the kernel; start again, unless no cell may follow."""
        self.stopped[index] = stopped
        cell.outputs = [stopped]
        if len(self.stopped) < STOPS:
            raise DeadKernelError(stopped.evalue)


def error(name: str, sentence: str) -> NotebookNode:
    """An error as a cell's output."""
    return new_output("error", ename=name, evalue=sentence, traceback=[f"{name}: {sentence}"])


def called(cell: NotebookNode) -> str:
    """What a message calls a cell: the name of a check, or the first line of code."""
    mark = cell.metadata.get("nbgrader", {})
    first = next((line for line in cell.source.splitlines() if line.strip()), "")
    return mark["grade_id"] if mark.get("grade") else f"the cell `{first.strip()}`"


class Mathematics(NbGraderPreprocessor):
    """Writes the TeX of texts as MathML, which browsers show without a script or a network."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Replace what stands between dollar signs."""
        if cell.cell_type == "markdown":
            cell.source = MATHEMATICS.sub(mathml, cell.source)
        return cell, resources


def mathml(found: re.Match[str]) -> str:
    """An equation as MathML; as it stands if it is code, or if the converter does not know it."""
    tex = found["display"] or found["inline"]
    if not tex:
        return found[0]
    for pattern, replacement in TEX.items():
        tex = re.sub(pattern, replacement, tex)
    try:
        text = tex2mathml(tex.strip(), as_block=bool(found["display"]))
    except Exception:  # the converter's errors have no common class; the TeX is readable, too
        return f"<code>{html.escape(found[0]).translate(MARKDOWN)}</code>"
    return " ".join(text.translate(MARKDOWN).split())
