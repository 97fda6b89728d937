"""Run students' code as another user of this machine, who sees neither solutions nor grades.

The instructor is root, so that the rest of nbgrader can start, interrupt and end what this user
runs. The user owns one new folder for each notebook, and nothing of this user outlives a notebook.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

with contextlib.suppress(ModuleNotFoundError):  # on Windows
    import pwd

from traitlets import Unicode

from .kernel import PollingKernelManager

PASSED_ON = ("PATH", "LANG", "LC_ALL", "CS231N_DATA", "OPENBLAS_NUM_THREADS")  # of the environment
END = ("sh", "-c", "kill -9 -1")  # every program of the user who runs it


class UserKernelManager(PollingKernelManager):
    """Starts kernels as a user, in a folder of their own; as whoever grades if none is named."""

    user = Unicode(help="the name of who runs students' code").tag(config=True)

    async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
        """Start the kernel, as nbgrader asks for it."""
        if self.user:
            folder = Path(tempfile.mkdtemp(prefix="grading-"))
            shutil.chown(folder, self.user)
            self.connection_file, self.ip = str(folder / "kernel.json"), str(folder / "kernel")
            options |= as_user(self.user, folder) | {"stdout": DEVNULL, "stderr": DEVNULL}
        await super()._async_start_kernel(**options)

    def write_connection_file(self, **options: Any) -> None:
        """Write how to reach the kernel, to be read by the user alone."""
        super().write_connection_file(**options)
        if self.user:
            shutil.chown(self.connection_file, self.user)

    async def cleanup_resources(self, restart: bool = False) -> None:  # type: ignore[override]
        """End all that the user runs, and remove the folder."""
        await super()._async_cleanup_resources(restart)
        if self.user and not restart:
            folder = Path(self.connection_file).parent
            run(self.user, *END)
            shutil.rmtree(folder, ignore_errors=True)


def as_user(name: str, folder: Path) -> dict[str, Any]:
    """What `subprocess` needs to run a program as a user in a folder."""
    environment = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    environment |= {"HOME": str(folder), "TMPDIR": str(folder)}
    group = pwd.getpwnam(name).pw_gid
    return {"user": name, "group": group, "extra_groups": [], "cwd": folder, "env": environment}


def run(name: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user, and keep what it prints; 126 if it is out of the user's reach."""
    try:
        return subprocess.run(
            command, check=False, capture_output=True, text=True, **as_user(name, Path("/"))
        )
    except PermissionError as error:
        return subprocess.CompletedProcess(command, 126, "", str(error))


def close(course: Path, name: str) -> str:
    """Close the course's folder to everyone else; why a user cannot run students' code, or ""."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "to run students' code as another user, be root: put sudo before the command"
    course.chmod(0o700)
    if name not in [account.pw_name for account in pwd.getpwall()]:
        return f"there is no user {name}: sudo useradd --system {name}"
    if run(name, "test", "-r", str(course / "source")).returncode == 0:
        return f"{name} can read {course / 'source'}: name a user without rights"
    if alive(name):
        return f"{name} runs programs, which grading would end: name a user for grading alone"
    tried = run(name, sys.executable, "-c", "import cs231n_utils, ipykernel")
    return tried.stderr and f"{name} cannot run {sys.executable}: {tried.stderr}"


def alive(name: str) -> bool:
    """Whether a program of the user runs; one that has ended may still be listed, as a zombie."""
    listed = subprocess.run(["ps", "-u", name, "-o", "stat="], capture_output=True, text=True)
    return any(not state.startswith("Z") for state in listed.stdout.split())
