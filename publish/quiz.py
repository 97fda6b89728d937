"""Questions for a class and for a talk with one student, and notes for marking, as Markdown.

questions/NN.toml holds the questions of a notebook. Each has one right answer and wrong ones that
are typical, each with what it shows; `check` is an expression of NumPy that proves the right one.
Tables `oral` hold what to ask at a board.
answers/answers_NN.py holds answers to the exercises, from which the marking notes come.
"""

import ast
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from publish.answers import path_of
from publish.notebook import BEGIN, Notebook

QUESTIONS = Path(__file__).parent / "questions"
SHORT, LINE = 8, 100  # lines of a function that the notes show, letters of an expression


@dataclass(frozen=True)
class Question:
    """A question, its right answer, wrong ones with what each shows, and the check of the right."""

    ask: str
    right: str
    wrong: list[list[str]]
    check: str = ""

    @property
    def answers(self) -> dict[str, str]:
        """The answers in the order of their letters, each with what it shows; "" if right."""
        return dict(sorted([(self.right, ""), *((text, shows) for text, shows in self.wrong)]))


@dataclass(frozen=True)
class Oral:
    """A question at a board, what a good answer contains, what gives a borrowed one away."""

    ask: str
    good: str
    borrowed: str


def questions(notebook: Notebook) -> list[Question]:
    """The questions of a notebook."""
    return [Question(**each) for each in read(notebook)["question"]]


def orals(notebook: Notebook) -> list[Oral]:
    """The questions at a board about a notebook."""
    return [Oral(**each) for each in read(notebook).get("oral", [])]


def read(notebook: Notebook) -> dict[str, Any]:
    """The tables in a notebook's file."""
    return tomllib.loads((QUESTIONS / f"{notebook.number}.toml").read_text("utf-8"))


def page(answers: bool) -> str:
    """The questions of all notebooks; with answers, the right ones and what wrong ones show."""
    parts = ["# Questions for the class", INTRODUCTION[answers]]
    for notebook in Notebook.series():
        parts.append(f"## {notebook.number} {notebook.title}")
        for number, question in enumerate(questions(notebook), 1):
            parts.append(f"**Question {number}.** {question.ask}")
            listed = dict(zip("ABCD", question.answers.items(), strict=False))
            parts.append(
                "\n".join(f"- **{letter}** {text}" for letter, (text, _) in listed.items())
            )
            if answers:
                [right] = [letter for letter, (_, shows) in listed.items() if not shows]
                told = [f"- **{letter}** {shows}" for letter, (_, shows) in listed.items() if shows]
                folded = "\n".join([f"**{right}** is right.", "", *told])
                parts.append(f"<details>\n<summary>Answer</summary>\n\n{folded}\n\n</details>")
    return "\n\n".join(parts) + "\n"


INTRODUCTION = {
    False: "One answer to each question is right. Think first, then run a line of NumPy.",
    True: (
        "Each takes two or three minutes: let everyone vote, let neighbours argue, and vote again. "
        "A wrong answer is one that students give; the answer says what it shows. Students have "
        "this page without the answers."
    ),
}


def oral_page() -> str:
    """The questions at a board of all notebooks, with what answers show: for instructors alone."""
    parts = [
        "# Oral questions",
        "Five for each notebook, to hear in five minutes whether a student understands what was "
        "handed in: at a board, with the student's own notebook open. "
        "[Language models](language_models.md) says what for.",
    ]
    for notebook in Notebook.series():
        parts.append(f"## {notebook.number} {notebook.title}")
        for number, oral in enumerate(orals(notebook), 1):
            parts.append(f"**{number}. {oral.ask}**")
            parts.append(f"- *A good answer:* {oral.good}\n- *A borrowed one:* {oral.borrowed}")
    return "\n\n".join(parts) + "\n"


def marking() -> str:
    """For each exercise what its check asks for, and right and wrong answers that it has met."""
    parts = [
        "# Marking notes",
        "The check of an exercise tests what it asks for below, and accepts every answer that does "
        "this. The answers below were tried: the project's tests let each of them meet the check.",
    ]
    for notebook in Notebook.series():
        parts.append(f"## {notebook.number} {notebook.title}")
        kept = answers_to(notebook)
        for exercise in notebook.exercises:
            kind = f", {exercise.kind}" if exercise.kind else ""
            tree = ast.parse(exercise.solution.source.partition(BEGIN)[0] + "pass")
            function = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)][-1]
            parts.append(f"### {exercise.title}{kind}: `{function}`")
            asked = dict.fromkeys(messages(exercise.check.source))
            parts.append(
                "**To a wrong answer the check says**\n\n"
                + "\n".join(f"- {text}" for text in asked)
            )
            for prefix, verdict in [("right_", "Accepted"), ("wrong_", "Refused")]:
                notes = [
                    f"- {label.removeprefix(prefix).replace('_', ' ').capitalize()}{code}"
                    for label, code in kept.get(function, {}).items()
                    if label.startswith(prefix)
                ]
                parts.append(f"**{verdict}**\n\n" + "\n".join(notes))
    return "\n\n".join(parts) + "\n"


def messages(check: str) -> Iterator[str]:
    """What the assertions of a check say; "..." stands for what depends on the answer."""
    tree = ast.parse(check)
    named = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and node.msg:
            message = named.get(node.msg.id) if isinstance(node.msg, ast.Name) else node.msg
            parts = message.values if isinstance(message, ast.JoinedStr) else [message]
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "..." for part in parts
            )


def answers_to(notebook: Notebook) -> dict[str, dict[str, str]]:
    """Notes on kept answers: exercise -> {"wrong_sign": its code as Markdown, if it is short}."""
    source = path_of(notebook.number).read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and "__" in node.name:
            exercise, _, label = node.name.partition("__")
            found.setdefault(exercise, {})[label] = block(ast.get_source_segment(source, node))
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            exercise = ast.unparse(node.targets[0])
            if exercise.islower():
                pairs = zip(node.value.keys, node.value.values, strict=True)
                inline = {ast.literal_eval(key): in_line(value) for key, value in pairs if key}
                found.setdefault(exercise, {}).update(inline)
    return found


def block(code: str | None) -> str:
    """The code of a function below the name of an answer, unless it is long."""
    shown = f"```python\n{code}\n```"
    return "\n\n" + textwrap.indent(shown, "  ") if shown.count("\n") <= SHORT else ""


def in_line(value: ast.expr) -> str:
    """The code of an expression behind the name of an answer, unless it is long."""
    code = ast.unparse(value.body if isinstance(value, ast.Lambda) else value)
    return f": `{code}`" if len(code) <= LINE else ""
