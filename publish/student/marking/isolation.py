"""Run students' code as another user of this machine, who sees neither solutions nor grades.

The instructor is root, so that the rest of nbgrader can start, interrupt and end what this user
runs. The user owns one new folder for each notebook, has no network, and bounded memory, files and
processes; nothing of this user outlives a notebook.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

with contextlib.suppress(ModuleNotFoundError):  # on Windows
    import pwd

from traitlets import Unicode

from .kernel import PollingKernelManager

PASSED_ON = ("PATH", "LANG", "LC_ALL", "CS231N_DATA", "OPENBLAS_NUM_THREADS")  # of the environment
LIMITS = ("--as=8589934592", "--fsize=268435456", "--nproc=256", "--core=0")  # bytes, processes
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
            options |= {"cwd": folder, "env": environment(folder)}
            options |= {"stdout": DEVNULL, "stderr": DEVNULL}
        await super()._async_start_kernel(**options)

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """The command that starts the kernel, confined if a user is named."""
        command = super().format_kernel_cmd(extra_arguments)
        return confined(self.user, command) if self.user else command

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


def environment(folder: Path) -> dict[str, str]:
    """What a program of the user's finds in its environment."""
    passed_on = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    return passed_on | {"HOME": str(folder), "TMPDIR": str(folder)}


def confined(name: str, command: Sequence[str]) -> list[str]:
    """A command as a user who has no network and can take neither the machine nor new rights."""
    user = ["--reuid", name, "--regid", str(pwd.getpwnam(name).pw_gid), "--clear-groups"]
    around = ["unshare", "--net", "prlimit", *LIMITS, "setpriv", *user, "--no-new-privs"]
    return [*around, *command]


def run(name: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command confined, and keep what it prints."""
    command, env = tuple(confined(name, command)), environment(Path("/"))
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", env=env)


def close(course: Path, name: str) -> str:
    """Close the course's folder to everyone else; why a user cannot run students' code, or ""."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "to run students' code as another user, be root: put sudo before the command"
    tools = [tool for tool in ("unshare", "prlimit", "setpriv") if not shutil.which(tool)]
    if tools:
        return f"{', '.join(tools)} of util-linux is missing: grade on Linux, or in a container"
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
