"""The set-up: its files agree, it survives interruptions, and says in a sentence what is wrong."""

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

from publish.execute import execute
from publish.notebook import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# The names under which conda has these packages without a GUI toolkit and without extras.
CONDA_NAMES = {"matplotlib": "matplotlib-base", "dask": "dask-core"}
# What a hosted notebook may hold, as old as one that is still in use.
HOSTED = """
    numpy 1.26.4, matplotlib 3.8.4, ipywidgets 7.7.1, joblib 1.4.2, threadpoolctl 3.5.0,
    requests 2.32.3, urllib3 1.26.20, filelock 3.16.1, platformdirs 4.2.2, tqdm 4.66.6
"""


def requirements(lines):
    """Package name -> version specifier."""
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r.specifier for r in parsed if r.name != PROJECT["name"]}


def test_what_is_installed_is_what_the_notebooks_import():
    pattern = re.compile(r'^[ "]*(?:import (\w+)|from (\w+)\S* import)', re.M)
    imports = {
        path.stem: {plain or parts for plain, parts in pattern.findall(path.read_text("utf-8"))}
        for path in [*ROOT.glob("cs231n_utils/**/*.py"), *ROOT.glob("notebooks/*.ipynb")]
    }
    imported = set().union(*imports.values())
    around = {"IPython"}  # where a notebook runs, it is
    foreign = imported - sys.stdlib_module_names - {"cs231n_utils"} - around
    assert foreign == requirements(PROJECT["dependencies"] + EXTRAS["pytorch"]).keys()
    assert [name for name, found in imports.items() if "torch" in found] == ["20_pytorch"]


def test_installing_replaces_nothing_in_a_hosted_notebook():
    needed = requirements(PROJECT["dependencies"])
    hosted = dict(re.findall(r"(\w+) (.*?),?\s", HOSTED))
    assert needed.keys() == hosted.keys()
    assert all(needed[name].contains(version) for name, version in hosted.items())


def test_environment_yml_says_what_pyproject_says():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == "cs231n"
    assert environment["dependencies"][-2:] == ["pip", {"pip": ["--editable ."]}]
    students = requirements(PROJECT["dependencies"] + EXTRAS["lab"])
    expected = {CONDA_NAMES.get(name, name): specifier for name, specifier in students.items()}
    python, *packages = environment["dependencies"][:-2]
    version = re.fullmatch(r"python=(3\.\d+)", python)[1]  # the form that Binder reads
    assert SpecifierSet(PROJECT["requires-python"]).contains(version)
    assert requirements(packages) == expected


def test_constraints_pin_a_version_that_pyproject_admits():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = requirements(line for line in lines if not line.startswith("#"))
    assert all(re.fullmatch(r"==[\w.]+", str(pin)) for pin in pinned.values())
    needed = [line for name, extra in EXTRAS.items() if name != "bench" for line in extra]
    for name, specifier in requirements(PROJECT["dependencies"] + needed).items():
        version = str(pinned[name]).removeprefix("==")
        assert specifier.contains(version), f"{name} {version} is not {specifier}"


needs_make = pytest.mark.skipif(
    os.name == "nt" or shutil.which("make") is None,
    reason="the Makefile is for systems with make; docs/setup.md has the steps for Windows",
)


def make(folder, *arguments):
    """Run make in a folder with our Makefile: the status, and what it printed."""
    for name in ["Makefile", "pyproject.toml", "constraints.txt"]:
        shutil.copy2(ROOT / name, folder)
    environment = {key: value for key, value in os.environ.items() if "MAKE" not in key}
    command = ["make", "--silent", *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return result.returncode, result.stdout


@needs_make
def test_an_unfinished_environment_is_made_anew(tmp_path):
    """While pip installs there is no .whole: what an interruption leaves is not trusted."""
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    python, whole = venv / "bin" / "python", venv / ".whole"

    def planned():
        return make(tmp_path, "--dry-run", "lab")[1].splitlines()

    def finish():
        python.unlink(missing_ok=True)
        python.symlink_to(sys.executable)
        for mark in [whole, venv / ".student"]:
            mark.touch()

    finish()
    assert [line for line in planned() if "pip install" in line or "venv --clear" in line] == []
    for damage in [whole.unlink, python.unlink]:
        finish()
        damage()
        steps = ["venv --clear", "rm -f .venv/.whole", "pip install --constraint", "touch"]
        steps += ["publish.student.lab"]
        found = iter(planned())
        assert all(any(step in line for line in found) for step in steps), "in this order"


@needs_make
@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        ("", "There is no ./fake-python here: install Python 3.11 or newer, "),
        ("test $1 = --version && echo Python 3.10", "./fake-python is too old (Python 3.10): "),
        ("! echo $* | grep -q ensurepip", "./fake-python lacks its venv module: install it "),
    ],
    ids=["no Python", "too old", "no venv"],
)
def test_what_is_wrong_is_one_sentence(tmp_path, python, sentence):
    if python:
        (tmp_path / "fake-python").write_text(f"#!/bin/sh\n{python}")
        (tmp_path / "fake-python").chmod(0o755)
    status, output = make(tmp_path, "lab", "PYTHON=./fake-python")
    assert status != 0
    assert output.startswith(sentence)
    assert output.count("\n") == 1


@pytest.mark.slow
def test_a_learner_needs_no_nbgrader_and_a_free_port():
    code = "import sys; sys.modules['nbgrader'] = None; from publish.student import lab; lab.main()"
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", code, f"--port={server.getsockname()[1]}"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert re.fullmatch(r"Port \d+ is busy: .*\n", result.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no socket files")
def test_a_kernel_takes_no_port_and_leaves_no_file():
    code = "app = get_ipython().kernel.parent; print(app.transport, app.ip)"
    where = nbformat.v4.new_code_cell(code)
    execute(nbformat.v4.new_notebook(cells=[where]))
    transport, start = where.outputs[0].text.split()
    assert transport == "ipc"
    assert list(Path(start).parent.glob(f"{Path(start).name}*")) == []
