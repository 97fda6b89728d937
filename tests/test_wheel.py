"""The package works without its checkout: a wheel, installed elsewhere, runs single notebooks."""

import os
import shutil
import site
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
PIP = [sys.executable, "-m", "pip"]


def run(*command, folder):
    """Run a command in a folder, which must succeed, as if there were no checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([str(part) for part in command], cwd=folder, env=environment, check=True)


def environment_with(wheel, folder):
    """The Python of a new environment with the wheel, and with the packages that are in use here.

    A folder named in a .pth file is searched for packages alone. The .pth files in it are not
    read, and so an editable installation of the checkout is not seen.
    """
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    packages = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    (Path(packages) / "here.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    install = ["install", "--no-index", "--no-deps", "--ignore-installed", wheel]
    run(*PIP, "--python", python, *install, folder=folder)
    return python


def test_a_wheel_runs_notebooks_where_there_is_no_checkout(tmp_path):
    source, environment, elsewhere = (tmp_path / name for name in ["source", "env", "elsewhere"])
    shutil.copytree(ROOT / "cs231n_utils", source / "cs231n_utils")  # building leaves files behind
    for name in ["pyproject.toml", "README.md", "LICENSE"]:
        shutil.copy2(ROOT / name, source)
    run(*PIP, "wheel", "--no-index", "--no-deps", "--no-build-isolation", ".", folder=source)
    python = environment_with(next(source.glob("*.whl")), environment)
    shutil.rmtree(source)
    elsewhere.mkdir()
    for number in ["01", "10"]:
        shutil.copy2(next(ROOT.glob(f"notebooks/{number}_*.ipynb")), elsewhere)
    origin = f"import cs231n_utils; assert {str(environment)!r} in cs231n_utils.__file__"
    run(python, "-c", origin, folder=elsewhere)
    compare = ["-m", "pytest", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env"]
    run(python, *compare, folder=elsewhere)
