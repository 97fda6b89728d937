"""Run students' code as another user of this machine, who sees neither solutions nor grades.

The instructor is root, so that the rest of nbgrader can start, interrupt and end what this user
runs. The user owns one new folder for each notebook, has no network, and bounded memory, files and
processes; nothing of this user outlives a notebook.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from subprocess import PIPE
from typing import Any, cast

with contextlib.suppress(ModuleNotFoundError):  # on Windows
    import pwd

from traitlets import Unicode

import cs231n_utils

from . import forkserver
from .kernel import PollingKernelManager

PASSED_ON = ("PATH", "LANG", "LC_ALL", "CS231N_DATA")  # of the environment
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
OPEN = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")  # folders in which every user may write
SOLVED = (".git", "build", "notebooks", "publish", "tests")  # hold solutions
FORKS = sys.platform == "linux"  # macOS' own libraries do not bear it


class UserKernelManager(PollingKernelManager):
    """Starts kernels as a user, in a folder of their own; as whoever grades if none is named.

    On Linux they are forked from a process that has imported what they need.
    """

    user = Unicode(help="the name of who runs students' code").tag(config=True)

    async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
        """Start the kernel, as nbgrader asks for it."""
        options["env"] = os.environ | ONE_THREAD
        if self.user:
            folder = Path(tempfile.mkdtemp(prefix="grading-"))
            shutil.chown(folder, self.user)
            self.connection_file, self.ip = str(folder / "kernel.json"), str(folder / "kernel")
            options |= {"cwd": folder, "env": environment(folder)}
        await super()._async_start_kernel(**options)

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        """Fork the kernel, where that is possible."""
        if not FORKS:
            await super()._async_launch_kernel(kernel_cmd, **options)
            return
        arguments = kernel_cmd[kernel_cmd.index("ipykernel_launcher") + 1 :]
        folder = str(Path(options.get("cwd") or "").resolve())
        provisioner = cast(Any, self.provisioner)  # LocalProvisioner, which has a Popen
        kernel = Forked(self.user, folder, options["env"], arguments)
        provisioner.process, provisioner.pid, provisioner.pgid = kernel, kernel.pid, kernel.pid

    def write_connection_file(self, **options: Any) -> None:
        """Write how to reach the kernel, to be read by the user alone."""
        super().write_connection_file(**options)
        if self.user:
            shutil.chown(self.connection_file, self.user)

    async def cleanup_resources(self, restart: bool = False) -> None:  # type: ignore[override]
        """End all that the user runs, and remove the folder."""
        await super()._async_cleanup_resources(restart)
        if self.user and not restart:
            end(self.user)
            shutil.rmtree(Path(self.connection_file).parent, ignore_errors=True)


class Forked:
    """A process of the fork server's, with what jupyter_client needs of a `Popen`.

    Without arguments it ends every program of the user.
    """

    stdin = stdout = stderr = None

    def __init__(self, user: str, folder: str, env: dict[str, str], arguments: list[str]) -> None:
        self.server = server(bool(user), os.getpid())
        given = {"user": ids(user) if user else [], "environment": env, "arguments": arguments}
        self.pid: int = self.server.ask(folder=folder, **given)
        self.exit_code: int | None = None

    def poll(self) -> int | None:
        """The exit code; None while the process runs."""
        if self.exit_code is None:
            self.exit_code = self.server.ask(wait=self.pid)
        return self.exit_code

    def wait(self) -> int | None:
        """The exit code, when the process has ended."""
        while self.poll() is None:
            time.sleep(0.01)
        return self.exit_code

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkServer:
    """forkserver.py as a program, which ends with this one."""

    def __init__(self, env: dict[str, str]) -> None:
        command = [sys.executable, "-P", forkserver.__file__]
        self.process = subprocess.Popen(
            command, stdin=PIPE, stdout=PIPE, text=True, env=env, cwd="/", start_new_session=True
        )
        Finalize(self, self.process.communicate, exitpriority=0)

    def ask(self, **request: Any) -> Any:
        """The answer to a request."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


@cache
def server(confined: bool, _: int) -> ForkServer:
    """The fork server of the process with a number; confined, it knows nothing of ours."""
    return ForkServer(environment(Path("/")) if confined else os.environ | ONE_THREAD)


def environment(folder: Path) -> dict[str, str]:
    """What a program of the user's finds in its environment."""
    passed_on = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    return passed_on | ONE_THREAD | {"HOME": str(folder), "TMPDIR": str(folder)}


def ids(name: str) -> list[int]:
    """The numbers of a user and of the user's group."""
    account = pwd.getpwnam(name)
    return [account.pw_uid, account.pw_gid]


def run(name: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user, confined, and keep what it prints."""
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env=environment(Path("/")),
        preexec_fn=lambda: forkserver.confine(*ids(name)),
    )


def end(name: str) -> None:
    """End every program of a user, and remove what is left where every user may write."""
    Forked(name, "/", {}, []).wait()
    for path in (path for folder in OPEN for path in Path(folder).glob("*")):
        with contextlib.suppress(OSError):
            if path.lstat().st_uid == ids(name)[0]:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def close(course: Path, name: str) -> str:
    """Close the course's folder to everyone else; why a user cannot run students' code, or ""."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "to run students' code as another user, be root: put sudo before the command"
    if not FORKS:
        return "to run students' code as another user, grade on Linux, or in a container"
    course.chmod(0o700)
    if name not in [account.pw_name for account in pwd.getpwall()]:
        return f"there is no user {name}: sudo useradd --system {name}"
    if run(name, "test", "-r", str(course / "source")).returncode == 0:
        return f"{name} can read {course / 'source'}: name a user without rights"
    if alive(name):
        return f"{name} runs programs, which grading would end: name a user for grading alone"
    tried = run(name, sys.executable, "-c", "import cs231n_utils, ipykernel")
    return tried.stderr and f"{name} cannot run {sys.executable}: {tried.stderr}"


def exposed(name: str) -> str:
    """A warning if a user can read what holds solutions beside the package; else ""."""
    checkout = Path(cs231n_utils.__file__).resolve().parents[1]
    paths = [str(checkout / each) for each in SOLVED]
    readable = [path for path in paths if run(name, "test", "-r", path).returncode == 0]
    return f"{name} can read solutions: chmod 700 {' '.join(readable)}" if readable else ""


def alive(name: str) -> bool:
    """Whether a program of the user runs; one that has ended may still be listed, as a zombie."""
    listed = subprocess.run(["ps", "-u", name, "-o", "stat="], capture_output=True, text=True)
    return any(not state.startswith("Z") for state in listed.stdout.split())
