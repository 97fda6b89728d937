"""The set-up: its files agree, it survives interruptions, and says in a sentence what is wrong."""

import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tomllib
import venv
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
    """Run make in a folder: the status, and what it printed."""
    environment = {key: value for key, value in os.environ.items() if "MAKE" not in key}
    command = ["make", "--silent", *arguments]
    result = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return result.returncode, result.stdout.decode()


@pytest.fixture
def project(tmp_path):
    """A folder with what sets it up, and nothing more."""
    folder = tmp_path / "project"
    (folder / "tools").mkdir(parents=True)
    for name in ["Makefile", "pyproject.toml", "constraints.txt", "tools/environment.py"]:
        shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def packages(project):
    """Where the packages of the project's environment are, which pip has just left: it has one."""
    home = project / ".venv"
    venv.create(home, symlinks=True, with_pip=False)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}))
    for folder in [packages / "numpy", packages / "numpy-2.dist-info"]:
        folder.mkdir()
    (packages / "numpy" / "__init__.py").write_text("import json\n")
    (packages / "numpy-2.dist-info" / "RECORD").write_text("numpy/__init__.py,,12\n")
    code = "from tools import environment as e; e.WHOLE.write_text('\\n'.join(e.inventory()))"
    subprocess.run([home / "bin" / "python", "-c", code], cwd=project, check=True)
    (home / ".student").touch()
    return packages


@needs_make
def test_a_second_make_leaves_alone_what_the_first_one_sets_up(project):
    half = project / ".venv" / "half"
    half.parent.mkdir()
    half.touch()
    (project / ".venv.pid").write_text(str(os.getpid()))
    failed, printed = make(project, ".venv/.student")
    assert failed
    assert "Another make is setting up .venv" in printed
    assert half.exists()


DAMAGES = {
    "none": ":",
    "interrupted": "rm .venv/.whole",
    "no Python": "rm .venv/bin/python",
    "another Python": "mv .venv/lib/python* .venv/lib/python2.7",
    "no package": "rm -r $P/numpy",
    "a package that pip does not know": "rm -r $P/numpy-2.dist-info",
    "an emptied file": ": > $P/numpy/__init__.py",
    "an import that fails": "echo 'import nothing_such' > $P/numpy/__init__.py",
    "another machine": "sed -i.old 's/^[A-Z].*/Plan9 mips/' .venv/.whole",
    "another place": "mv ../project ../moved",
}


@needs_make
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_environment_is_made_anew(project, packages, damage):
    """While pip installs there is no .whole: what an interruption leaves is not trusted."""
    command = DAMAGES[damage].replace("$P", str(packages))
    subprocess.run(command, shell=True, cwd=project, check=True)
    _, planned = make(next(project.parent.iterdir()), "--dry-run", "lab")
    anew = ["venv --clear", "rm -f .venv/.whole", "environment.py lab", "touch .venv/.student"]
    steps = [*(anew if damage != "none" else []), "publish.student.lab"]
    pattern = "|".join(map(re.escape, [*anew, "publish.student.lab"]))
    assert re.findall(pattern, planned) == steps


PIP = """import sys
for name in "abc":
    print("Collecting", name)
print("Installing collected packages: a, b, c")
print("A package has its warnings.", file=sys.stderr)
sys.exit(STATUS)"""


@needs_make
@pytest.mark.parametrize("status", [0, 1])
def test_what_pip_says_is_shown_if_it_fails(project, packages, status):
    (packages / "pip").mkdir()
    (packages / "pip" / "__main__.py").write_text(PIP.replace("STATUS", str(status)))
    (project / ".venv" / ".student").unlink()
    failed, printed = make(project, ".venv/.student")
    assert bool(failed) == bool(status)
    begin, *said, end = printed.splitlines()
    assert begin == "Setting up what make needs here: packages of [lab]"
    if not status:
        assert not said
        assert re.fullmatch(r"  0 of 3 packages installed in \d+ s", end)
    else:
        assert said[1] == "A package has its warnings."
        assert "run make again" in said[-1]


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
def test_what_is_wrong_is_one_sentence(project, python, sentence):
    if python:
        (project / "fake-python").write_text(f"#!/bin/sh\n{python}")
        (project / "fake-python").chmod(0o755)
    status, output = make(project, "lab", "PYTHON=./fake-python")
    assert status != 0
    said, end = output.splitlines()
    assert said.startswith(sentence)
    assert end.startswith("make: ")


@pytest.mark.slow
def test_a_learner_needs_no_nbgrader_and_a_free_port():
    code = "import sys; sys.modules['nbgrader'] = None; from publish.student import lab; lab.main()"
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", code, f"--port={server.getsockname()[1]}"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert re.fullmatch(r"Port \d+ is busy: .*\n", result.stderr)


@pytest.mark.parametrize(
    ("before", "fault"),
    [
        ("sys.modules['numpy'] = None", "import of numpy halted; "),
        ("pass", "It was made for another folder: "),
    ],
)
def test_a_student_is_told_how_to_mend_an_environment(tmp_path, before, fault):
    """What cannot be imported, and an environment that was moved, or is of an older release."""
    shutil.copy2(ROOT / "publish" / "student" / "start.py", tmp_path)
    code = f"import runpy, sys; {before}; runpy.run_path('start.py', run_name='__main__')"

    def told() -> str:
        result = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert result.returncode != 0
        assert result.stderr.startswith(fault)
        return result.stderr

    assert f'"{sys.executable}" -W ignore -m pip install --force-reinstall' in told()
    for name in ("Scripts/python.exe", "bin/python"):  # another Python than the folder's own
        own = tmp_path / ".venv" / name
        own.parent.mkdir(parents=True)
        own.touch()
    assert "is not the Python of this folder" in told()


def test_a_student_is_not_shown_what_setuptools_says_of_every_editable_package(tmp_path):
    """New versions of pip show its warning in asterisks, also with -q."""
    handout = ROOT / "publish" / "student" / "handout" / "README.md"
    lines = re.findall(r"(?m)^\.venv\S+python (.* -r .*)", handout.read_text(encoding="utf-8"))
    assert len(set(lines)) == 1
    (tmp_path / "pip.py").write_text("import warnings; warnings.warn('!!')")
    command = [sys.executable, *lines[0].split()]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no socket files")
def test_a_kernel_takes_no_port_and_leaves_no_file():
    code = "app = get_ipython().kernel.parent; print(app.transport, app.ip)"
    where = nbformat.v4.new_code_cell(code)
    execute(nbformat.v4.new_notebook(cells=[where]))
    transport, start = where.outputs[0].text.split()
    assert transport == "ipc"
    assert list(Path(start).parent.glob(f"{Path(start).name}*")) == []
