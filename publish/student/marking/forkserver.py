"""A process that has imported what notebooks need, and forks: a kernel starts in no time.

It is started as a program, before any hand-in runs, so that its memory holds nothing of the course.
It imports nothing of this package, and runs no student's code itself: each kernel is a process of
its own, which first becomes the user who may run it.
"""

import ctypes
import gc
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

with suppress(ModuleNotFoundError):  # on Windows
    import resource

PRELOADED = ("ipykernel.kernelapp", "cs231n_utils.gradient_check", "cs231n_utils.plots")
GIBIBYTE = 2**30
# Numbers of Linux: of unshare, mount and prctl.
NEW_NETWORK, NEW_MOUNTS, NEW_IPC = 0x40000000, 0x20000, 0x8000000
ALL_PRIVATE, BIND = 0x44000, 0x1000
ENDS_WITH_PARENT, NO_NEW_PRIVILEGES, DUMPABLE = 1, 38, 4


def main() -> None:
    """Answer a request a line, until there are no more."""
    sys.argv[1:] = []
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # as a kernel sets it
    for module in PRELOADED:
        __import__(module)
    gc.freeze()  # so that kernels share this memory
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        ended = "wait" in request
        answer = exit_code(**request) if ended else os.fork() or become(**request)
        print(json.dumps(answer), flush=True)


def exit_code(wait: int) -> int | None:
    """How a kernel has ended; None if it runs."""
    ended, status = os.waitpid(wait, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def become(
    user: list[int], folder: str, environment: dict[str, str], arguments: list[str]
) -> NoReturn:
    """Be a kernel; without arguments, what ends every program of the user."""
    try:
        os.setsid()  # a group of its own: an interrupt reaches the kernel alone
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        if user:
            confine(*user)
        if arguments:
            launch(arguments)
        elif user:
            os.kill(-1, signal.SIGKILL)
    finally:
        os._exit(0)


def launch(arguments: list[str]) -> None:
    """Run a kernel until it is told to end."""
    from ipykernel.kernelapp import IPKernelApp

    sys.argv[1:] = arguments
    arguments = [*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]  # it ends with us
    IPKernelApp.launch_instance(argv=arguments)


def confine(user: int, group: int) -> None:
    """Be a user without network, shared memory and new rights; memory and the like are bounded."""
    system("unshare", NEW_NETWORK | NEW_IPC)
    open_python()
    for limit, value in {
        resource.RLIMIT_AS: 8 * GIBIBYTE,  # memory of a process
        resource.RLIMIT_FSIZE: GIBIBYTE // 4,  # a file
        resource.RLIMIT_NPROC: 128,  # processes, and their threads
        resource.RLIMIT_CORE: 0,
    }.items():
        resource.setrlimit(limit, (value, value))
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    system("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    system("prctl", DUMPABLE, 1, 0, 0, 0)  # `ps` names the user, as after a program's start


def open_python() -> None:
    """Let a user reach this Python if it lies in a closed folder, as /root, and nothing else there.

    In the sight of this process alone, a folder with Python in it takes the closed one's place.
    """
    python = Path(sys.base_prefix)
    closed = [folder for folder in python.parents if not folder.stat().st_mode & 0o001]
    if closed:
        system("unshare", NEW_MOUNTS)
        system("mount", b"none", b"/", None, ALL_PRIVATE, None)
        here = os.open(python, os.O_PATH)
        system("mount", b"none", bytes(closed[-1]), b"tmpfs", 0, b"mode=755")
        python.mkdir(parents=True)
        system("mount", b"/proc/self/fd/%d" % here, bytes(python), None, BIND, None)
        os.close(here)


def system(call: str, *arguments: Any) -> None:
    """Make a call of Linux's that Python has no function for."""
    if getattr(ctypes.CDLL(None, use_errno=True), call)(*arguments):
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
