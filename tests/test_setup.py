"""The set-up: its files agree, it survives interruptions, and says in a sentence what is wrong."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from jupyterlab_server.config import get_page_config
from jupyterlab_server.settings_utils import get_settings
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from publish.execute import execute
from publish.notebook import ROOT
from publish.student.start import open_lab

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
    around = {"IPython", "jupyter_client", "nbformat"}  # where a notebook runs, they are
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


# Does what the Makefile wants of Python, and installs nothing. During the call whose number is in
# INTERRUPT, Ctrl-C comes. What it leaves half made cannot be mended: pip does not run then.
INTERRUPTED = """
echo call >> calls
ctrl_c() { test $(wc -l < calls) -ne $INTERRUPT || kill -INT 0; }
case "$*" in *--clear*) rm -f .venv/pip .venv/half .venv/packages ;; esac
case "$*" in
*"-m venv"*)
    mkdir -p .venv/bin
    ln -sf "$PWD/fake-python" .venv/bin/python
    ctrl_c
    touch .venv/pip ;;
*"import pip"*) ctrl_c; test -e .venv/pip ;;
*"-m pip"*)
    test -e .venv/pip -a ! -e .venv/half || exit 1
    touch .venv/half
    ctrl_c
    mv .venv/half .venv/packages ;;
*"-m publish.student.lab --port=0"*) echo JupyterLab ;;
*) ctrl_c ;;
esac
"""


@pytest.fixture
def make(tmp_path):
    """A function that runs make where the Makefile finds what it needs, and a Python of ours.

    The folder has a space in its name. The status and the sentences that make printed come back.
    """
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ["Makefile", "pyproject.toml", "constraints.txt"]:
        shutil.copy2(ROOT / name, folder)

    def make(*arguments, python=INTERRUPTED, interrupt=0):
        (folder / "calls").unlink(missing_ok=True)
        if python:
            (folder / "fake-python").write_text(f"#!/bin/sh\n{python}")
            (folder / "fake-python").chmod(0o755)
        environment = {key: value for key, value in os.environ.items() if "MAKE" not in key}
        result = subprocess.run(
            ["make", "--silent", "PYTHON=./fake-python", *arguments],
            cwd=folder,
            env=environment | {"INTERRUPT": str(interrupt)},
            capture_output=True,
            text=True,
            timeout=60,
            start_new_session=True,  # Ctrl-C reaches all of it, and nothing else
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert "Traceback" not in result.stderr
        return result.returncode, result.stdout.splitlines()

    make.venv = folder / ".venv"
    return make


@needs_make
def test_ctrl_c_at_any_moment_and_again(make):
    interrupted = 0
    for moment in range(1, 6):
        shutil.rmtree(make.venv, ignore_errors=True)
        for target in [".venv/.student", ".venv/.developer"]:
            for _ in range(2):
                interrupted += make(target, interrupt=moment)[0] != 0
            status, output = make("lab", "PORT=0")
            assert (status, output[-1]) == (0, "JupyterLab")
            assert (make.venv / "packages").exists()
            assert not (make.venv / "half").exists()
    assert interrupted > 12
    (make.venv / "bin" / "python").unlink()
    (make.venv / "bin" / "python").symlink_to("uninstalled")
    sentence = "The environment in .venv is unfinished, or its Python is gone: it is made anew."
    assert make("lab", "PORT=0") == (0, [sentence, "JupyterLab"])


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
def test_what_is_wrong_is_one_sentence(make, python, sentence):
    status, [output] = make("lab", python=python)
    assert status != 0
    assert output.startswith(sentence)


def test_a_learner_needs_no_nbgrader_and_a_free_port():
    code = (
        "import sys; sys.modules['nbgrader'] = None; from publish.student.lab import main; main()"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", code, f"--port={server.getsockname()[1]}"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert re.fullmatch(r"Port \d+ is busy: .*\n", result.stderr)


def test_jupyterlab_asks_for_no_news_and_has_no_menu_of_nbgrader(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr("jupyterlab.labapp.main", given.extend)
    open_lab(ROOT, "my_notebooks/any.ipynb", 8888)
    [folder] = re.findall(r"app_settings_dir=(.+)", "\n".join(given))
    schemas = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas"
    plugin = "@jupyterlab/apputils-extension:notification"
    settings, _ = get_settings(folder, str(schemas), str(tmp_path), plugin)
    news = settings["schema"]["properties"]["fetchNews"]
    meanings = {choice["const"]: choice["title"] for choice in news["oneOf"]}
    assert meanings[news["default"]] == "Never"
    assert "@jupyter/nbgrader" in get_page_config([], folder)["disabledExtensions"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no socket files")
def test_a_kernel_takes_no_port_and_leaves_no_file():
    code = "app = get_ipython().kernel.parent; print(app.transport, app.ip)"
    where = nbformat.v4.new_code_cell(code)
    execute(nbformat.v4.new_notebook(cells=[where]))
    transport, start = where.outputs[0].text.split()
    assert transport == "ipc"
    assert list(Path(start).parent.glob(f"{Path(start).name}*")) == []
