"""What the interpreter that runs this has around it, as JSON: see noxfile.py."""

import importlib.metadata
import json
import os
import platform
import socket
from pathlib import Path

import numpy as np
import threadpoolctl

import cs231n_utils

root = Path(__file__).parent.parent
np.ones((64, 64)) @ np.ones((64, 64))  # by instructions that the processor must have
[blas] = threadpoolctl.threadpool_info()
simd = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    # Is there a way to an address outside, one reserved for examples? Sends nothing.
    offline = probe.connect_ex(("192.0.2.1", 9)) != 0
report = {
    "project": str(Path(cs231n_utils.__file__).parent.parent),
    "Python": platform.python_version(),
    **{name: importlib.metadata.version(name) for name in ("numpy", "matplotlib", "ipywidgets")},
    "OpenBLAS": blas["architecture"],
    "threads": str(blas["num_threads"]),
    "SIMD": " ".join(simd) or "none",
    "network": "none" if offline else "some",
    "folder": "writable" if os.access(root, os.W_OK) else "read-only",
}
print(json.dumps(report))
