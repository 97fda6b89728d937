"""Run the notebooks in one environment after another, and compare what they print each time.

    nox                             every environment
    nox --session hostile haswell   these
    nox --list                      their names, and what each is for

In each environment pytest executes every cell of every notebook and compares its output. A line
tells how many cells passed, and what was really in use: the interpreter of that environment reports
it. An environment that cannot be had here is skipped, with the reason.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "environments"
PINNED = ROOT / "constraints.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SHOWN = ["numpy", "matplotlib", "ipywidgets"]
PYTHONS = [PROJECT["requires-python"].removeprefix(">="), "3.12", "3.13", "3.14"]
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

# Variables that would change what runs: each environment starts without them.
FOREIGN = ("CS231N_THREADS", "OPENBLAS_", "OMP_", "NPY_", "PYTHON", "PYTEST_")
LEFT_OUT = (".git", ".venv", "build", "*.egg-info", "__pycache__", ".*_cache", "cifar-10-*")

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
UNSHARE = ["unshare"] if AS_ROOT else ["unshare", "--map-root-user"]
LOOPBACK_ONLY = [*UNSHARE, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
READ_ONLY = [  # `cd`: the shell still stands on the folder that the mount now covers
    *(*UNSHARE, "--mount", "sh", "-c"),
    'mount --bind . . && mount -o remount,bind,ro . && cd "$PWD" && exec "$@"',
    "sh",
]

nox.needs_version = ">=2025.10.14"
nox.options.envdir = ROOT / "build" / "nox"
nox.options.download_python = "never"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False


def compare(session, python=sys.executable, *, expected=None, project=ROOT, launcher=(), **given):
    """Skip unless what is expected is really in use; then execute and compare every cell."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    variables = kept | {"OPENBLAS_NUM_THREADS": "1"} | given
    if not Path(python).is_relative_to(project):  # it may know of another copy
        variables["PYTHONPATH"] = str(project)

    def run(*command):
        options = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
        command = [*launcher, *map(str, command)]
        return subprocess.run(command, cwd=project, env=variables, check=False, **options)

    if launcher and shutil.which(launcher[0]) is None:
        session.skip(f"there is no {launcher[0]} here")
    if (tried := run("true")).returncode != 0:
        session.skip(tried.stderr.strip())
    found = run(python, "tools/report.py")
    if found.returncode == -signal.SIGILL:
        session.skip("this processor lacks the instructions")
    if found.returncode != 0:
        session.error(found.stderr)
    in_use = json.loads(found.stdout)
    if Path(in_use.pop("project")) != project:
        session.error("Python imports another cs231n_utils than the one in the project")
    for key, value in (expected or {}).items():
        if not f"{in_use[key]}.".startswith(f"{value}."):  # 1.26.0 is a 1.26
            session.skip(f"no effect here: {key} is {in_use[key]}, not {value}")
    result = run(python, "-m", "pytest", "notebooks", "-q", "-k", "not answers and not moves")
    counts = {kind: int(n) for n, kind in re.findall(r"\b(\d+) (passed|skipped)", result.stdout)}
    passed, skipped = counts.get("passed", 0), counts.get("skipped", 0)
    if result.returncode != 0 or not passed:
        session.error(f"{result.stdout}{result.stderr}")
    report = ", ".join(f"{key} {value}" for key, value in in_use.items())
    print(f"{session.name}: {passed} cells passed, {skipped} skipped; {report}")


def here(name, purpose, expected, **options):
    """An environment of the Python in use."""

    def run(session):
        compare(session, expected=expected, **options)

    run.__doc__ = purpose
    nox.session(run, name=name, venv_backend="none")


def installed(session, constraints):
    """The session's Python, after packages were installed for it."""
    file = Path(session.create_tmp()) / "constraints.txt"
    file.write_text(constraints, encoding="utf-8")
    eager = ["--upgrade", "--upgrade-strategy", "eager"] if not constraints else []
    session.install("--no-compile", *eager, "--constraint", file, "--editable", ".[test]")
    return Path(session.bin) / "python"


def apart(name, purpose, python, constraints, expected):
    """An environment of its own packages."""

    def run(session):
        compare(session, installed(session, constraints), expected=expected)

    run.__doc__ = purpose
    nox.session(run, name=name, python=python)


def copied(folder):
    """A new copy of the project, in a folder of this name."""
    shutil.rmtree(BUILD / folder, ignore_errors=True)
    return shutil.copytree(ROOT, BUILD / folder, ignore=shutil.ignore_patterns(*LEFT_OUT))


here("haswell", "matrix products as without AVX-512", {"OpenBLAS": "Haswell"},
     OPENBLAS_CORETYPE="Haswell")  # fmt: skip
here("threads-2", "matrix products on two threads", {"threads": "2"},
     OPENBLAS_NUM_THREADS="2", CS231N_THREADS="all")  # fmt: skip


@nox.session(venv_backend="none")
def path(session):
    """Set up in a folder with spaces and non-ASCII letters in its path."""
    project = copied("Übung 2, größer als π")
    session.run(sys.executable, "-m", "venv", project / ".venv", external=True)
    python = project / ".venv" / "bin" / "python"
    constraint = ["--constraint", PINNED, "--editable", f"{project}[test]"]
    session.run(python, "-m", "pip", "install", "--quiet", *constraint, external=True)
    compare(session, python, project=project)


for version in PYTHONS:
    purpose, expected = f"Python {version} and the pinned packages", {"Python": version}
    if version == THIS_PYTHON:
        here(f"python-{version}", purpose, expected)
    else:
        apart(f"python-{version}", purpose, version, PINNED.read_text(), expected)

# Everything at once that a reader's machine may differ in.
lowest = dict(line.split(">=") for line in PROJECT["dependencies"])
oldest = {name: lowest[name] for name in SHOWN}
pins = [
    line
    for line in PINNED.read_text().splitlines()
    if line.partition("==")[0] not in [*SHOWN, "widgetsnbextension"]
]
pins += [f"{name}=={version}" for name, version in oldest.items()]
machine = {"OpenBLAS": "Prescott", "SIMD": "none", "network": "none", "folder": "read-only"}


@nox.session(python=PYTHONS[0])
def hostile(session):
    """The oldest packages, an old processor, no network, a read-only folder with an odd path."""
    python = installed(session, "\n".join(pins))
    report = json.loads(session.run(python, "tools/report.py", silent=True))
    old = {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": report["SIMD"]}
    place = {"project": copied("Übung 1, größer als π"), "launcher": [*LOOPBACK_ONLY, *READ_ONLY]}
    compare(session, python, expected=oldest | machine, **place, **old)


purpose = f"the oldest {', '.join(['Python', *SHOWN])} that pyproject.toml admits"
apart("oldest", purpose, PYTHONS[0], "\n".join(pins), oldest)
apart("newest", "the newest version of every package", THIS_PYTHON, "", {})
