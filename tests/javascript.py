"""Node, which runs the views' JavaScript without a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# The wheel's, which is installed beside Python, before any other.
_PLACES = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
NODE = shutil.which("node", path=os.pathsep.join(_PLACES))


def run_node(*arguments: str, script: str = "") -> str:
    """What Node prints, which must end well. Its input is ``script``."""
    if NODE is None:
        if os.environ.get("CI"):
            pytest.fail('no Node: pip install -e ".[test]" brings it')
        pytest.skip('no Node on this machine: pip install -e ".[test]"')
    done = subprocess.run(
        [NODE, *arguments], input=script, capture_output=True, encoding="utf-8", check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
