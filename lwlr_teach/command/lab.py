"""JupyterLab on the learner's copy of the lessons."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from lwlr_teach.command.desk import FIRST, copy_to

SETTINGS = Path(__file__).parent / "jupyter"
"""A folder as Jupyter's own for settings. These keep JupyterLab from asking about news and updates."""

# Where jupytext is installed, its extension would write a learner's lessons anew.
_EXTENSIONS = "--ServerApp.jpserver_extensions={'jupyterlab_jupytext': False}"


def lab(folder: Path, options: list[str]) -> int:
    """Copy the lessons to ``folder`` and run JupyterLab on the first until it is stopped.

    ``options`` are JupyterLab's. Ours are defaults: nothing is written into the learner's settings, and what
    they chose in JupyterLab counts.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise SystemExit("JupyterLab is not installed beside lwlr-teach. Do: pip install lwlr-teach")
    copy_to(folder)
    if not (folder / FIRST).is_file():
        raise SystemExit(f"The first lesson, {FIRST}, could not be copied to {folder}")
    from jupyterlab.labapp import LabApp

    places = [os.environ.get("JUPYTER_CONFIG_PATH"), str(SETTINGS)]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, places))
    LabApp.launch_instance([_EXTENSIONS, f"--ServerApp.root_dir={folder}", *options, str(folder / FIRST)])
    return 0
