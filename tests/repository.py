"""The files of this repository, in a clone or in an unpacked sdist."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[1]


def repository_files() -> list[Path]:
    """Every file that is committed or about to be; without git every one that it would not ignore."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        names = listed.split("\0")
    else:
        names = unignored(ROOT)
    return [path for name in names if name and (path := ROOT / name).is_file()]


def unignored(root: Path) -> list[str]:
    """What lies below a folder and is not ignored by its .gitignore, by its path from there."""
    rules = [*(root / ".gitignore").read_text("utf-8").splitlines(), ".git"]
    ignored, found = GitIgnoreSpec.from_lines(rules).match_file, []
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not ignored(f"{(here / name).as_posix()}/")]
        found += [path for name in files if not ignored(path := (here / name).as_posix())]
    return sorted(found)


def copy_repository(target: Path) -> Path:
    """Copy the files, without anything that was made here since, to a folder that is made."""
    for path in repository_files():
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    return target
