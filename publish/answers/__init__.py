"""Answers to the exercises, right and wrong ones, that the checks of the notebooks have met."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def path_of(number: str) -> Path:
    """The file with the answers to the exercises of notebook `number`, for example "03"."""
    return FOLDER / f"answers_{number}.py"


def load_answers(number: str) -> dict[str, dict[str, Callable[..., Any]]]:
    """The answers of answers_NN.py, by exercise: {"right_...": answer, "wrong_...": answer}.

    Answers to the exercise `mirror` are functions with names like `mirror__wrong_sign`, and short
    ones stand in a dict `mirror` as "wrong_sign".
    """
    module = importlib.import_module(f"publish.answers.answers_{number}")
    answers: dict[str, dict[str, Callable[..., Any]]] = {}
    for name, value in vars(module).items():
        exercise, _, label = name.partition("__")
        if exercise.islower() and (label or isinstance(value, dict)):
            answers.setdefault(exercise, {}).update({label: value} if label else value)
    return answers
