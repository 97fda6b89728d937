"""The package's copies of the notebooks' code are up to date."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_exports_are_in_sync():
    export = [sys.executable, "publish/export.py", "--check"]
    result = subprocess.run(export, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
