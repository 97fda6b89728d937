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


@pytest.mark.parametrize(("number", "question"), EVERY)
def test_a_question_has_one_right_answer(number, question):
    """A line of NumPy gives it, where there is one."""
    assert 3 <= len(question.answers) == 1 + len(question.wrong) <= 4, "an answer stands twice"
    assert list(question.answers.values()).count("") == 1, "a wrong answer that shows nothing"
    value = eval(question.check or "True", dict(KNOWN))
    if isinstance(value, bool | np.bool):
        assert value
        return
    found = re.compile(rf"(?<![\w.,-]){re.escape(str(value))}(?![\w]|[.,]\d)")
    holds = [text for text in question.answers if found.search(text)]
    assert holds == [question.right], f"{question.check} is {value}"


def test_nobody_guesses_by_length_or_by_position():
    positions = Counter(list(q.answers).index(q.right) for _, q in EVERY)
    assert max(positions.values()) < 0.45 * len(EVERY)
    longest = [len(q.right) > max(len(text) for text, _ in q.wrong) for _, q in EVERY]
    assert np.mean(longest) < 1 / 3


def test_students_see_every_question_and_no_answer():
    students, teachers = quiz.page(answers=False), quiz.page(answers=True)
    for _, question in EVERY:
        assert all(text in students for text in (question.ask, *question.answers))
        for _, shows in question.wrong:
            assert shows not in students
            assert shows in teachers
    assert teachers.count("<details>") == teachers.count(" is right.\n") == len(EVERY)
    assert "<details>" not in students


def test_instructors_see_every_oral_question_with_what_answers_show():
    page = quiz.oral_page()
    asked = [oral for notebook in SERIES for oral in quiz.orals(notebook)]
    assert all(part in page for oral in asked for part in (oral.ask, oral.good, oral.borrowed))
    assert page.count("- *A good answer:* ") == len(asked) == 5 * len(SERIES)
    assert len({oral.ask for oral in asked}) == len(asked)


def test_marking_notes_hold_every_kept_answer_and_what_a_check_asks():
    for notebook in SERIES:
        kept = {name: set(answers) for name, answers in load_answers(notebook.number).items()}
        found = {name: set(answers) for name, answers in quiz.answers_to(notebook).items()}
        assert found == kept, notebook.name
    notes = quiz.marking()
    assert "### Exercise 2, find the bug: `repaired_loss`" in notes
    assert "- it must stay stable in each row\n" in notes
    assert "- Divided afterwards: `softmax(S) / T`\n" in notes
