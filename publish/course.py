"""What a department fills in: course.toml, or the file that CS231N_COURSE names."""

import os
import tomllib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from publish.notebook import ROOT


def path() -> Path:
    """The file that a department fills in."""
    return Path(os.environ.get("CS231N_COURSE") or ROOT / "course.toml")


@dataclass(frozen=True)
class Course:
    """The address that opens a notebook, what pip installs, and dates by a notebook's number."""

    launch: str = ""
    package: str = ""
    due: dict[str, datetime] = field(default_factory=dict)

    @classmethod
    def read(cls) -> "Course":
        """The course of the file; ValueError says what is wrong with it."""
        file = path()
        course = cls(**tomllib.loads(file.read_text(encoding="utf-8")))
        if course.launch and "{path}" not in course.launch:
            raise ValueError(
                f"{file.name}: launch must contain {{path}}, where a notebook's path belongs; "
                f"it is {course.launch!r}"
            )
        for number, due in course.due.items():
            if not isinstance(due, datetime) or due.tzinfo is None:
                raise ValueError(
                    f"{file.name}: the date of {number} must name day, time and time zone, "
                    f"as 2027-01-15T23:59:00+01:00 does; it is {due}"
                )
        return course

    @property
    def host(self) -> str:
        """The name of the place that the address leads to, for example "mybinder.org"."""
        return urlsplit(self.launch).hostname or ""

    def opens(self, path: str) -> str:
        """The address that opens the notebook at a path of the project; "" if there is none."""
        return self.launch.replace("{path}", path)
