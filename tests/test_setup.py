"""The set-up: its files agree, and what goes wrong with it is said in one sentence."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from publish.pages.run import execute

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# The names under which conda has these packages without a GUI toolkit and without extras.
CONDA_NAMES = {"matplotlib": "matplotlib-base", "dask": "dask-core"}


def requirements(lines):
    """Package name -> version specifier."""
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r.specifier for r in parsed}


def test_environment_yml_says_what_pyproject_says():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == "cs231n"
    assert environment["dependencies"][-2:] == ["pip", {"pip": ["--editable ."]}]
    expected = {
        CONDA_NAMES.get(name, name): specifier
        for name, specifier in requirements(PROJECT["dependencies"]).items()
    }
    python, *packages = environment["dependencies"][:-2]
    version = re.fullmatch(r"python=(3\.\d+)", python)[1]  # the form that Binder reads
    assert SpecifierSet(PROJECT["requires-python"]).contains(version)
    assert requirements(packages) == expected


def test_constraints_pin_a_version_that_pyproject_admits():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = requirements(line for line in lines if not line.startswith("#"))
    assert all(re.fullmatch(r"==[\w.]+", str(pin)) for pin in pinned.values())
    optional = PROJECT["optional-dependencies"]
    extras = optional["test"] + optional["publish"] + optional["browser"]
    for name, specifier in requirements(PROJECT["dependencies"] + extras).items():
        version = str(pinned[name]).removeprefix("==")
        assert specifier.contains(version), f"{name} {version} is not {specifier}"


def test_ci_runs_what_the_readme_says():
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.M)
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"][0] == PROJECT["requires-python"].removeprefix(">=")
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}


needs_make = pytest.mark.skipif(
    os.name == "nt" or shutil.which("make") is None,
    reason="the Makefile is for systems with make; README.md has the steps for Windows",
)


@pytest.fixture
def checkout(tmp_path):
    """A folder with what the Makefile needs, whose name has a space in it."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ["Makefile", "pyproject.toml", "constraints.txt"]:
        shutil.copy2(ROOT / name, folder / name)
    return folder


def make(folder, *arguments):
    """Run make; its exit status and the sentences it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    result = subprocess.run(
        ["make", "--silent", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in result.stderr
    return result.returncode, result.stdout.splitlines()


def fake_python(folder, version, modules):
    """A script that answers the Makefile's questions as such a Python would."""
    script = folder / "fake-python"
    script.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f"*version_info*) exit {0 if version >= (3, 11) else 1} ;;\n"
        f"*ensurepip*) exit {0 if modules else 1} ;;\n"
        f"--version) echo Python {'.'.join(map(str, version))} ;;\n"
        "esac\n"
    )
    script.chmod(0o755)
    return "PYTHON=./fake-python"


@needs_make
def test_a_missing_python_is_one_sentence(checkout):
    status, output = make(checkout, "lab", "PYTHON=no-such-python")
    assert status != 0
    assert output == [
        "There is no no-such-python here: install Python 3.11 or newer, "
        "or name one with 'make lab PYTHON=/path/to/python3'."
    ]


@needs_make
def test_a_too_old_python_is_one_sentence(checkout):
    status, output = make(checkout, "test", fake_python(checkout, (3, 10), modules=True))
    assert status != 0
    assert output == [
        "./fake-python is too old (Python 3.10): install Python 3.11 or newer, "
        "or name one with 'make test PYTHON=python3.12'."
    ]


@needs_make
def test_a_missing_venv_module_is_one_sentence(checkout):
    status, output = make(checkout, "lab", fake_python(checkout, (3, 13), modules=False))
    assert status != 0
    assert len(output) == 1
    assert output[0].startswith("./fake-python lacks its venv module: install it")


@needs_make
def test_a_busy_port_is_one_sentence(checkout):
    binaries = checkout / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (binaries / "python").chmod(0o755)
    (checkout / ".venv" / ".student").touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        status, output = make(checkout, "lab", f"PORT={port}")
    assert status != 0
    assert len(output) == 1
    assert output[0].startswith(f"Port {port} is busy: ")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no socket files")
def test_a_kernel_takes_no_port_and_leaves_no_file():
    code = "app = get_ipython().kernel.parent; print(app.transport, app.ip)"
    where = nbformat.v4.new_code_cell(code)
    execute(nbformat.v4.new_notebook(cells=[where]))
    transport, start = where.outputs[0].text.split()
    assert transport == "ipc"
    assert list(Path(start).parent.glob(f"{Path(start).name}*")) == []
