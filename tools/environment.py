"""Set up .venv quietly, and see whether it is whole: make calls this with the Python of .venv.

    .venv/bin/python tools/environment.py                 says what is damaged in it
    .venv/bin/python tools/environment.py test,publish    installs these extras of pyproject.toml

The standard library is all that it needs.
"""

import csv
import importlib
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = Path(sysconfig.get_path("purelib"))
WHOLE = Path(sys.prefix, ".whole")  # lists what there was when the last installation ended
LOG = Path(sys.prefix, "pip.log")
PIP = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile"]
ADVICE = """
pip could not install the packages, for the reason above. Look for a network, for the proxy that \
HTTPS_PROXY names, and for 3 GB on the disk, and run make again: it begins anew."""


def main() -> None:
    """Install the extras named on the command line; without any, say what is damaged."""
    if extras := sys.argv[1:]:
        try:
            install(*extras)
        except KeyboardInterrupt:
            sys.exit("\nInterrupted: the next make begins anew.")
    elif fault := damage():
        sys.exit(fault)


# --- Is it whole? --------------------------------------------------------------------------------


def inventory() -> list[str]:
    """Where the environment is, for which machine it was made, and the names of its packages."""
    names = {folder.name.partition("-")[0] for folder in PACKAGES.glob("*.dist-info")}
    return [sys.prefix, f"{platform.system()} {platform.machine()}", *sorted(names)]


def damage() -> str:
    """What is missing, or shorter than it was installed; "" if nothing is."""
    try:
        for lost in set(WHOLE.read_text(encoding="utf-8").splitlines()) - set(inventory()):
            return f"no longer there: {lost}"
        for folder in PACKAGES.glob("*.dist-info"):
            with (folder / "RECORD").open(encoding="utf-8", newline="") as record:
                for name, _, size in csv.reader(record):
                    if size and os.path.getsize(f"{PACKAGES}/{name}") < int(size):
                        return f"cut off: {name}"
        importlib.import_module("numpy")  # it was compiled for one kind of machine
    except (OSError, ImportError) as error:
        return str(error)
    return ""


# --- To install ----------------------------------------------------------------------------------


def install(extras: str) -> None:
    """Let pip install the project with extras, and show how far it is; all it says if it fails."""
    print(f"Setting up what make needs here: packages of [{extras}]", flush=True)
    begin, shown = time.time(), ""
    command = [*PIP, "--constraint=constraints.txt", f"--editable=.[{extras}]"]
    with LOG.open("w") as log, tempfile.TemporaryFile("w+") as complaints:
        with subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=complaints) as pip:
            while not ended(pip):
                shown = show(progress(LOG.read_text(), since=begin), shown)
        if pip.returncode:
            complaints.seek(0)
            sys.exit(f"\n{complaints.read()}{ADVICE}")
    show(f"{progress(LOG.read_text(), since=begin)} in {time.time() - begin:.0f} s\n", shown)
    WHOLE.write_text("\n".join(inventory()), encoding="utf-8")


def ended(process: subprocess.Popen[bytes]) -> bool:
    """Wait for a process, but no longer than a reader does for the next number."""
    try:
        process.wait(timeout=0.5 if sys.stdout.isatty() else 10)
    except subprocess.TimeoutExpired:
        return False
    return True


def progress(printed: str, since: float) -> str:
    """How far pip is: from what it has printed, and from what it has installed since a time."""
    if not (names := re.search(r"^Installing collected packages: (.*)", printed, re.M)):
        return f"{len(re.findall('^Collecting ', printed, re.M))} packages downloaded"
    there = sum(folder.stat().st_mtime >= since for folder in PACKAGES.glob("*.dist-info"))
    return f"{there} of {len(names[1].split(', '))} packages installed"


def show(message: str, last: str) -> str:
    """Print a message over the last one on a terminal, and else below it if it is new."""
    if sys.stdout.isatty():
        print(f"\r  {message}\x1b[K", end="", flush=True)
    elif message != last:
        print(f"  {message.strip()}", flush=True)
    return message


if __name__ == "__main__":
    main()
