"""Tests of what a department fills in."""

from datetime import UTC, datetime

import pytest

from publish.course import Course


@pytest.fixture
def read(monkeypatch, tmp_path):
    """A function that reads the course that a text describes."""
    path = tmp_path / "course.toml"
    monkeypatch.setenv("CS231N_COURSE", str(path))

    def read_text(text):
        path.write_text(text, encoding="utf-8")
        return Course.read()

    return read_text


def test_the_file_of_the_project_is_empty(monkeypatch):
    monkeypatch.delenv("CS231N_COURSE", raising=False)
    assert Course.read() == Course()
    assert Course().opens("notebooks/x.ipynb") == ""


def test_what_is_filled_in_is_read(read):
    course = read("launch = 'https://hub.org/{path}'\n[due]\n01 = 2027-01-15T12:00:00Z")
    assert (course.host, course.opens("a/b")) == ("hub.org", "https://hub.org/a/b")
    assert course.due == {"01": datetime(2027, 1, 15, 12, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("launch = 'https://hub.org/series'", r"must contain \{path\}"),
        ("[due]\n01 = 2027-01-15", "the date of 01 must name day, time and time zone"),
        ("[due]\n02 = 2027-01-15T12:00:00", "the date of 02"),
    ],
)
def test_what_is_wrong_is_said(read, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        read(text)
