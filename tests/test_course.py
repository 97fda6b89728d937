"""Tests of what a department fills in."""

from datetime import UTC, datetime

import pytest

from publish.course import Course
from publish.notebook import Notebook
from publish.student.standalone import standalone


@pytest.fixture
def read(monkeypatch, tmp_path):
    """A function that reads the course that a text describes."""

    def read_text(text):
        (tmp_path / "course.toml").write_text(text, encoding="utf-8")
        monkeypatch.setenv("CS231N_COURSE", str(tmp_path / "course.toml"))
        return Course.read()

    return read_text


def test_what_is_filled_in_is_read(read):
    course = read("launch = 'https://hub.org/{path}'\n[due]\n01 = 2027-01-15T12:00:00Z")
    assert (course.host, course.opens("a/b")) == ("hub.org", "https://hub.org/a/b")
    assert course.due == {"01": datetime(2027, 1, 15, 12, tzinfo=UTC)}


def test_what_is_wrong_is_said(read):
    with pytest.raises(ValueError, match=r"must contain \{path\}"):
        read("launch = 'https://hub.org/series'")
    for date in ("2027-01-15", "2027-01-15T12:00:00"):
        with pytest.raises(ValueError, match="the date of 01 must name day, time and time zone"):
            read(f"[due]\n01 = {date}")


def test_a_folded_cell_names_the_address_that_it_installs_from(read):
    read("package = 'https://example.org/course.whl'")
    first = standalone(Notebook.series("01")[0]).cells[0].source.partition("\n")[0]
    assert "https://example.org/course.whl" in first
