"""Run the notebooks in one environment after another, and compare what they print each time.

    .venv/bin/python tests/environments.py                 every environment
    .venv/bin/python tests/environments.py offline path    these
    .venv/bin/python tests/environments.py --list          their names, and what each is for

In each environment pytest executes every cell of every notebook and compares its output. A line
tells what came of it, the seconds, and the versions and settings that were really in use: the
interpreter of that environment reports them. An environment that cannot be had here is skipped,
and its line gives the reason. The exit status is 0 when none failed and at least one passed.

What an environment needs (a virtual environment, a copy of the project) is kept under
build/environments/. A virtual environment is made again only when its requirements change, the
one with the newest packages also when a day has passed.
"""

import argparse
import importlib.metadata
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "environments"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PYTHONS = [PROJECT["requires-python"].removeprefix(">="), "3.12", "3.13", "3.14"]
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SHOWN = {"NumPy": "numpy", "Matplotlib": "matplotlib", "ipywidgets": "ipywidgets"}

# Variables that would change what runs: each environment starts without them.
FOREIGN = ("OPENBLAS_", "OMP_", "NPY_", "PYTHON", "PYTEST_")
LEFT_OUT = (
    *(".git", ".venv", "build", "*.egg-info", "__pycache__", ".*_cache", ".ipynb_checkpoints"),
    "cifar-10-*",
)

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
UNSHARE = ("unshare",) if AS_ROOT else ("unshare", "--map-root-user")
LOOPBACK_ONLY = (*UNSHARE, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
READ_ONLY = (  # `cd`: the shell still stands on the folder that the mount now covers
    *(*UNSHARE, "--mount", "sh", "-c"),
    'mount --bind . . && mount -o remount,bind,ro . && cd "$PWD" && exec "$@"',
    "sh",
)


class SkippedError(Exception):
    """The machine cannot offer an environment; the message says what is missing."""


class FailedError(Exception):
    """An environment is there, and something fails in it; the message is the report."""


@dataclass(frozen=True)
class Environment:
    """One environment. Its interpreter's report must have the values of `expected`."""

    name: str
    purpose: str
    variables: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)  # "==..." is a version specifier
    python: str = THIS_PYTHON
    constraints: str | None = None  # None: the virtual environment in use, else one of its own
    folder: str = ""  # work in a copy of the project, in a folder of this name
    launcher: tuple[str, ...] = ()  # the command that starts whatever runs in the environment

    @property
    def project(self) -> Path:
        """The project that it works in."""
        return BUILD / self.name / self.folder if self.folder else ROOT

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the environment, from the project's folder."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        threads = {"OPENBLAS_NUM_THREADS": "1"}
        if self.constraints is None:  # the virtual environment in use knows another folder
            clean["PYTHONPATH"] = str(self.project)
        return subprocess.run(
            [*self.launcher, *command],
            cwd=self.project,
            env=clean | threads | dict(self.variables) | variables,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )


def environments() -> list[Environment]:
    """Every environment, those that need no virtual environment of their own first."""
    lowest = lower_bounds()
    pins = [line for line in PINNED.splitlines() if package(line) not in lowest]
    pins += [f"{name}=={version}" for name, version in lowest.items()]
    return [
        blas("Prescott", reported="Katmai"),  # OpenBLAS's name for its oldest kernels
        blas("Haswell"),
        blas("SkylakeX"),
        blas("Zen", reported="Haswell"),  # NumPy's wheels hold no others for Zen
        Environment(
            "no-simd",
            "NumPy's exp, log and sums without the processor's wide instructions",
            variables={"NPY_DISABLE_CPU_FEATURES": " ".join(simd())},
            expected={"SIMD": "none"},
        ),
        *(threads(number) for number in "12"),
        Environment(
            "offline",
            "no network but the loopback",
            expected={"network": "none"},
            launcher=LOOPBACK_ONLY,
        ),
        Environment(
            "read-only",
            "a project whose folder cannot be written to",
            expected={"folder": "read-only"},
            folder="project",
            launcher=READ_ONLY,
        ),
        Environment(
            "path",
            "set up in a folder with spaces and non-ASCII letters in its path",
            constraints=PINNED,
            folder="Übung 1, größer als π",
        ),
        *(
            Environment(
                f"python-{version}",
                f"Python {version} and the pinned packages",
                expected={"Python": f"=={version}.*"},
                python=version,
                constraints=None if version == THIS_PYTHON else PINNED,
            )
            for version in PYTHONS
        ),
        Environment(
            "oldest",
            "the oldest Python, NumPy, Matplotlib and ipywidgets that pyproject.toml admits",
            expected={key: f"=={lowest[name]}" for key, name in SHOWN.items()},
            python=PYTHONS[0],
            constraints="\n".join(pins),
        ),
        Environment(
            "newest",
            "the newest version of every package",
            constraints=f"# whatever pip chose on {date.today()}",
        ),
    ]


def blas(core: str, reported: str = "") -> Environment:
    """Matrix products by the kernels that OpenBLAS takes on such a processor."""
    return Environment(
        f"blas-{core.lower()}",
        f"matrix products as on a processor of the kind {core}",
        variables={"OPENBLAS_CORETYPE": core},
        expected={"OpenBLAS": reported or core},
    )


def threads(number: str) -> Environment:
    """Matrix products on so many threads."""
    return Environment(
        f"threads-{number}",
        f"matrix products on {number} thread{'s' if number > '1' else ''}",
        variables={"OPENBLAS_NUM_THREADS": number},
        expected={"threads": number},
    )


def simd() -> list[str]:
    """The instructions that NumPy found on this processor and could do without."""
    return np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])


def lower_bounds() -> dict[str, str]:
    """Package -> the oldest version that pyproject.toml admits, for those in SHOWN."""
    requirements = [Requirement(line) for line in PROJECT["dependencies"]]
    return {
        canonicalize_name(requirement.name): specifier.version
        for requirement in requirements
        for specifier in requirement.specifier
        if specifier.operator == ">=" and requirement.name in SHOWN.values()
    }


def package(pin: str) -> str:
    """The package that a line of constraints.txt is about."""
    return canonicalize_name(pin.partition("==")[0])


def set_up(environment: Environment) -> str:
    """Make the copy and the virtual environment that it needs; the path of its Python."""
    if environment.folder:
        shutil.rmtree(environment.project, ignore_errors=True)
        shutil.copytree(ROOT, environment.project, ignore=shutil.ignore_patterns(*LEFT_OUT))
    if environment.constraints is None:
        return sys.executable
    base = find_python(environment.python)
    # Where a folder is the point, the virtual environment belongs under it.
    home = BUILD / environment.name / (f"{environment.folder}, venv" if environment.folder else "")
    python = str(home / "bin" / "python")
    stamp = home / "installed.txt"
    wanted = f"{base}\n{PROJECT}\n{environment.constraints}\n"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    setting_up(base, "-m", "venv", str(home))
    constraints = home / "constraints.txt"
    constraints.write_text(environment.constraints, encoding="utf-8")
    install = ["-m", "pip", "install", "--quiet", "--constraint", str(constraints)]
    setting_up(python, *install, "--editable", f"{environment.project}[test]")
    stamp.write_text(wanted, encoding="utf-8")
    return python


def setting_up(*command: str) -> None:
    """Run a command. Raises FailedError with what it printed when it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise FailedError(f"{' '.join(command)}\n{result.stdout}{result.stderr}")


def find_python(version: str) -> str:
    """The path of a Python of this version. Raises SkippedError when the machine has none."""
    if version == THIS_PYTHON:
        return sys.executable
    name = f"python{version}"
    path = shutil.which(name)
    if path is None:
        raise SkippedError(f"there is no {name} here")
    command = [path, "-c", "import venv, ensurepip"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SkippedError(f"{name} makes no virtual environments: {gist(result.stderr)}")
    return path


def look(environment: Environment, python: str) -> str:
    """One line on what is really in use. Raises SkippedError when that is not what is wanted."""
    try:
        launched = environment.run("true")
    except FileNotFoundError as error:
        raise SkippedError(f"there is no {error.filename} here") from error
    if launched.returncode != 0:
        raise SkippedError(gist(launched.stderr))
    result = environment.run(python, "tests/environments.py", "--report", OPENBLAS_VERBOSE="2")
    if result.returncode == -signal.SIGILL:
        raise SkippedError("this processor lacks the instructions")
    if result.returncode != 0:
        raise FailedError(result.stderr)
    found: dict[str, str] = json.loads(result.stdout)
    if Path(found.pop("package")) != environment.project:
        raise FailedError("Python imports another cs231n_utils than the one in the project")
    core = re.search(r"^Core: (\w+)$", result.stderr, re.M)
    found["OpenBLAS"] = core[1] if core else "unknown"
    for key, value in environment.expected.items():
        if not agrees(found[key], value):
            raise SkippedError(f"no effect here: {key} is {found[key]}, not {value}")
    shown = ["Python", *SHOWN, "OpenBLAS", "threads", *environment.expected]
    return ", ".join(f"{key} {found[key]}" for key in dict.fromkeys(shown))


def report() -> dict[str, str]:
    """What this interpreter finds around it. OpenBLAS itself reports its kernels on stderr."""
    import cs231n_utils

    np.ones((64, 64)) @ np.ones((64, 64))  # by instructions that the processor must have
    tasks = Path("/proc/self/task")  # OpenBLAS starts its threads when NumPy is imported
    return {
        "package": str(Path(cs231n_utils.__file__).parent.parent),
        "Python": ".".join(map(str, sys.version_info[:3])),
        **{key: importlib.metadata.version(name) for key, name in SHOWN.items()},
        "threads": str(len(list(tasks.iterdir()))) if tasks.exists() else "unknown",
        "SIMD": " ".join(simd()) or "none",
        "network": "some" if has_route() else "none",
        "folder": "writable" if is_writable(ROOT) else "read-only",
    }


def has_route() -> bool:
    """Whether the system knows a way to an address outside. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address reserved for examples
        except OSError:
            return False
    return True


def is_writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, by trying."""
    probe = folder / "probe"
    try:
        probe.touch()
    except OSError:
        return False
    probe.unlink()
    return True


def agrees(found: str, wanted: str) -> bool:
    """Whether a reported value is the wanted one."""
    return SpecifierSet(wanted).contains(found) if wanted.startswith("==") else found == wanted


def gist(text: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")


def compare_notebooks(environment: Environment, python: str) -> int:
    """Execute and compare every cell; how many passed.

    Raises FailedError unless all did, but for those that pytest skips because their data are not
    here.
    """
    # Without the budgets: seconds are no part of what must be the same.
    result = environment.run(python, "-m", "pytest", "notebooks", "-q", "-k", "not budget")
    found = re.findall(r"\b(\d+) (passed|skipped)", result.stdout)
    counts = {outcome: int(number) for number, outcome in found}
    passed, skipped = counts.get("passed", 0), counts.get("skipped", 0)
    total = sum(map(count_code_cells, (environment.project / "notebooks").glob("*.ipynb")))
    if result.returncode != 0 or passed == 0 or passed + skipped != total:
        note = f"{passed} of {total} cells passed"
        raise FailedError(f"{result.stdout}{result.stderr}\n{note}")
    return passed


def count_code_cells(path: Path) -> int:
    """How many code cells a notebook has: each is a test."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return sum(cell["cell_type"] == "code" for cell in cells)


def run_all(chosen: list[Environment]) -> int:
    """Run these, print a line for each and the reports of those that failed; the exit status."""
    print(f"{'environment':15}{'result':9}{'cells':>6}{'set-up':>8}{'seconds':>9}  what was there")
    results, failures = [], []
    for environment in chosen:
        cells, note = 0, ""
        start = ready = time.perf_counter()
        try:
            python = set_up(environment)
            note = look(environment, python)
            ready = time.perf_counter()
            cells = compare_notebooks(environment, python)
            results.append("passed")
        except SkippedError as reason:
            ready, note = time.perf_counter(), str(reason)
            results.append("skipped")
        except FailedError as failure:
            failures.append(f"\n==== {environment.name}: {environment.purpose} ====\n{failure}")
            results.append("FAILED")
        seconds = f"{ready - start:>8.1f}{time.perf_counter() - ready:>9.1f}"
        print(f"{environment.name:15}{results[-1]:9}{cells:>6}{seconds}  {note}", flush=True)
    print(*failures, sep="\n", end="\n" if failures else "")
    counts = {result: results.count(result) for result in ["passed", "skipped", "FAILED"]}
    print(", ".join(f"{count} {result}" for result, count in counts.items()))
    return 0 if counts["passed"] and not counts["FAILED"] else 1


def main() -> int:
    """Run the environments named on the command line, or all; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the names and run nothing")
    parser.add_argument("--report", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="environments to run; all by default")
    options = parser.parse_args()
    if options.report:
        print(json.dumps(report()))
        return 0
    known = {environment.name: environment for environment in environments()}
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no environment is called {unknown[0]}; --list prints their names")
    if options.list:
        for environment in known.values():
            print(f"{environment.name:15}{environment.purpose}")
        return 0
    return run_all([known[name] for name in options.names or known])


if __name__ == "__main__":
    sys.exit(main())
