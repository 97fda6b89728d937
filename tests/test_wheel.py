"""One notebook anywhere: in a folder of its own, it installs the package as a wheel and runs."""

import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest

from publish.notebook import ROOT, Notebook
from publish.student.standalone import standalone

PIP = [sys.executable, "-m", "pip"]
RUN = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
try:
    NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
finally:
    nbformat.write(notebook, sys.argv[1])
"""
VARIABLES = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CS231N_DATA")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package as a file."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "cs231n_utils", source / "cs231n_utils")  # building leaves files behind
    for name in ["pyproject.toml", "README.md", "LICENSE"]:
        shutil.copy2(ROOT / name, source)
    build = ["wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "."]
    subprocess.run([*PIP, *build], cwd=source, env=VARIABLES, check=True)
    return next(source.glob("*.whl"))


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of a new environment with the packages in use here, but without the project's.

    A folder named in a .pth file is searched for packages alone. The .pth files in it are not
    read, and so an editable installation of the checkout is not seen.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    packages = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    (Path(packages) / "here.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


@pytest.fixture
def run(python, tmp_path, monkeypatch):
    """A function that runs a notebook as the site offers it; what the first and last cells say."""

    def run(number, package):
        (tmp_path / "course.toml").write_text(f"package = {json.dumps(package)}")
        monkeypatch.setenv("CS231N_COURSE", str(tmp_path / "course.toml"))
        [notebook] = Notebook.series(number)
        path = tmp_path / "alone" / notebook.path.name
        path.parent.mkdir(exist_ok=True)
        nbformat.write(standalone(notebook).content, path)
        home = VARIABLES | {"XDG_CACHE_HOME": str(tmp_path), "PIP_NO_INDEX": "1"}
        command = [python, "-c", RUN, path.name]
        result = subprocess.run(command, cwd=path.parent, env=home, capture_output=True, text=True)
        outputs = [out for cell in Notebook.read(path).code for out in cell.outputs]
        errors = [out.evalue for out in outputs if out.output_type == "error"]
        assert bool(errors) == bool(result.returncode), result.stderr
        return outputs[0].get("text", ""), errors

    return run


@pytest.mark.slow
def test_one_notebook_installs_what_it_needs(run, wheel, tmp_path):
    """Before: without an address, and with one that leads nowhere. After: nothing to install."""
    missing = tmp_path / "missing.whl"
    for address, sentence in [("", "Ask for its file"), (str(missing), "could not be installed")]:
        _, [error] = run("01", address)
        assert sentence in error
        assert len(error.splitlines()) == 3
    said = f"Installing cs231n_utils, the course's package, from {wheel.as_uri()}\n"
    assert run("01", wheel.as_uri()) == (said, [])
    printed, errors = run("07", str(missing))
    assert "cs231n_utils" not in printed
    assert errors == []
    _, [error] = run("12", "")
    what, download, variable, _ = error.splitlines()
    assert what.startswith(f"CIFAR-10 is not in {tmp_path}")
    assert "%run -m cs231n_utils.datasets" in download
    assert "CS231N_DATA" in variable
