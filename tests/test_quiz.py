"""The questions for a class are right, and the marking notes hold every kept answer."""

import re
from collections import Counter

import numpy as np
import pytest

from cs231n_utils.gradient_check import relative_error
from cs231n_utils.taught.losses import cross_entropy, softmax_loss
from publish import quiz
from publish.answers import load_answers
from publish.notebook import Notebook

SERIES = Notebook.series()
EVERY = [(n.number, question) for n in SERIES for question in quiz.questions(n)]
KNOWN = {
    "np": np,
    "relative_error": relative_error,
    "cross_entropy": cross_entropy,
    "softmax_loss": softmax_loss,
}


def test_each_notebook_has_its_questions():
    assert all(3 <= len(quiz.questions(notebook)) <= 5 for notebook in SERIES)
    asked = [question.ask for _, question in EVERY]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize(("number", "question"), EVERY)
def test_a_question_has_one_right_answer(number, question):
    assert 3 <= len(question.answers) == 1 + len(question.wrong) <= 4, "an answer stands twice"
    assert list(question.answers.values()).count("") == 1, "a wrong answer that shows nothing"


@pytest.mark.parametrize(("number", "question"), [pair for pair in EVERY if pair[1].check])
def test_a_line_of_numpy_gives_the_right_answer(number, question):
    value = eval(question.check, dict(KNOWN))
    if not isinstance(value, bool | np.bool):
        number = re.compile(rf"(?<![\w.,-]){re.escape(str(value))}(?![\w]|[.,]\d)")
        holds = [text for text in question.answers if number.search(text)]
        assert holds == [question.right], f"{question.check} is {value}"
    else:
        assert value


def test_nobody_guesses_by_length_or_by_place():
    places = Counter(list(q.answers).index(q.right) for _, q in EVERY)
    assert max(places.values()) < 0.45 * len(EVERY)
    longest = [len(q.right) > max(len(text) for text, _ in q.wrong) for _, q in EVERY]
    assert np.mean(longest) < 1 / 3


def test_students_see_no_answer():
    students, teachers = quiz.page(answers=False), quiz.page(answers=True)
    for _, question in EVERY:
        for text in (question.ask, *question.answers):
            assert text in students
            assert text in teachers
        for _, shows in question.wrong:
            assert shows not in students
            assert shows in teachers
    assert teachers.count("<details>") == teachers.count(" is right.\n") == len(EVERY)
    assert "<details>" not in students


@pytest.mark.parametrize("notebook", SERIES, ids=lambda notebook: notebook.name)
def test_marking_notes_hold_every_kept_answer(notebook):
    kept = {name: set(answers) for name, answers in load_answers(notebook.number).items()}
    assert {name: set(answers) for name, answers in quiz.answers_to(notebook).items()} == kept


def test_a_check_says_what_its_assertions_say():
    check = """
assert answer is not None, "return the rate"
told = f"rate {rate}: not {answer}"
for _ in range(3):
    assert answer == rate, told
    assert rate
"""
    assert list(quiz.messages(check)) == ["return the rate", "rate ...: not ..."]


def test_marking_notes_say_what_a_check_asks():
    notes = quiz.marking()
    assert "### Exercise 2, find the bug: `repaired_loss`" in notes
    assert "- it must stay stable in each row\n" in notes
    assert "- Divided afterwards: `softmax(S) / T`\n" in notes
