"""A kernel manager that needs no port and misses no reply: to execute notebooks, and to grade.

It imports nothing of the project: nbgrader uses it in a folder far from here.
"""

import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.manager import AsyncKernelManager
from traitlets import Type, default

PATIENCE = 3  # so many times as long may a reply take on a machine that is busy with other things


class PollingChannel(AsyncZMQSocketChannel):
    """Looks for a reply ten times a second, and does not rely on being woken.

    When a cell makes a widget, nbclient answers it on the channel that also waits for the kernel's
    reply. About once in a hundred times the wake-up is lost, and the client waits until the
    cell's time is over (https://github.com/jupyter/nbclient/issues/312).
    """

    work: Callable[[], float] = staticmethod(time.monotonic)  # seconds, or a processor's

    async def get_msg(  # type: ignore[override]  # as in the class above
        self, timeout: float | None = None
    ) -> dict[str, Any]:
        """The next message; Empty after `timeout` seconds of work, or PATIENCE times by a clock."""
        start, before = time.monotonic(), self.work()
        while True:
            try:
                return await super().get_msg(timeout=0.1)
            except Empty:
                waited = max(self.work() - before, (time.monotonic() - start) / PATIENCE)
                if timeout is not None and waited >= timeout:
                    raise


class PollingClient(AsyncKernelClient):
    """A kernel's client with that channel."""

    shell_channel_class = Type(PollingChannel)


class PollingKernelManager(AsyncKernelManager):
    """Starts kernels and talks to them through that client."""

    @default("client_factory")
    def _polling(self) -> type[AsyncKernelClient]:
        return PollingClient

    @default("transport")
    def _by_files(self) -> str:
        """Socket files in place of ports, except on Windows, which has none.

        A kernel's ports are chosen before it starts: of twenty kernels that start at once, two may
        get the same one (https://github.com/jupyter/jupyter_client/issues/487).
        """
        return "tcp" if sys.platform == "win32" else "ipc"

    @default("ip")
    def _address(self) -> str:
        """The loopback's address, or how the paths of the socket files begin."""
        if self.transport == "tcp":
            return "127.0.0.1"
        return os.path.join(tempfile.gettempdir(), f"kernel-{uuid.uuid4()}")
