"""What the interpreter that runs this has around it, as JSON. OpenBLAS reports its own kernels."""

import importlib.metadata
import json
import os
import platform
import socket
from pathlib import Path

import numpy as np

import cs231n_utils


def network():
    """Whether the system knows a way to an address outside. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address reserved for examples
        except OSError:
            return "none"
    return "some"


def folder(root):
    """Whether a file can be made in a folder, by trying: root may do what permissions forbid."""
    probe = root / "probe"
    try:
        probe.touch()
    except OSError:
        return "read-only"
    probe.unlink()
    return "writable"


np.ones((64, 64)) @ np.ones((64, 64))  # by instructions that the processor must have
tasks = Path("/proc/self/task")  # OpenBLAS starts its threads when NumPy is imported
simd = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
report = {
    "folder of the package": str(Path(cs231n_utils.__file__).parent.parent),
    "Python": platform.python_version(),
    **{name: importlib.metadata.version(name) for name in ("numpy", "matplotlib", "ipywidgets")},
    "threads": str(len(os.listdir(tasks))) if tasks.exists() else "unknown",
    "SIMD": " ".join(simd) or "none",
    "network": network(),
    "folder": folder(Path(__file__).parent.parent),
}
print(json.dumps(report))
