"""Execute a notebook in a kernel of its own."""

import os
import time
from typing import Any

from nbclient import NotebookClient
from nbformat import NotebookNode

from publish.notebook import NOTEBOOKS
from publish.student.marking.kernel import PollingKernelManager

CELL_TIMEOUT = 1800  # seconds; on a busy machine 24 trains for more than 600


def execute(content: NotebookNode, **options: Any) -> float:
    """Run every cell of a notebook in a fresh kernel. A failing cell raises.

    A cell tagged `long` keeps its outputs, and does not run, unless CS231N_LONG is set.

    Parameters
    ----------
    content : NotebookNode
        The notebook; its outputs are replaced.
    **options
        Further options of NotebookClient, for example on_cell_executed.

    Returns
    -------
    float
        The seconds that it took.
    """
    client = NotebookClient(
        content,
        km=PollingKernelManager(kernel_name="python3"),
        timeout=CELL_TIMEOUT,
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        coalesce_streams=True,
        skip_cells_with_tag="" if os.environ.get("CS231N_LONG") else "long",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        **options,
    )
    start = time.perf_counter()
    client.execute(cleanup_kc=True)  # ends the kernel, too
    return time.perf_counter() - start
