"""What can be said to ``lwlr-teach``, and who does it."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from lwlr_teach import __version__
from lwlr_teach.command import desk

DESCRIPTION = """Lessons about the learning rate. Without a command: copy the lessons to my-lessons and open
JupyterLab on the first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say (those of the process, if none are given); return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no ✔ or β shows something else
    ours, jupyters = _split(list(sys.argv[1:] if arguments is None else arguments) or ["lab"])
    try:
        return _do(_parser().parse_args(ours), jupyters)
    except OSError as error:
        raise SystemExit(f"lwlr-teach: {error}") from None
    except KeyboardInterrupt:
        return 130


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """What is ours, and what JupyterLab is told: all that follows ``lab`` and the folder."""
    if words[0] != "lab":
        return words, []
    ours = 1 if words[1:2] and words[1].startswith("-") else 2
    if words[ours : ours + 1] in (["-h"], ["--help"]):
        ours += 1
    return words[:ours], words[ours:]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("lwlr-teach", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"lwlr-teach {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    lab = commands.add_parser(
        "lab",
        usage="lwlr-teach lab [FOLDER] [OPTION OF JUPYTERLAB …]",
        help="copy the lessons to a folder, or bring it up to date, and open JupyterLab on the first",
        epilog="What else is said goes to JupyterLab: --no-browser, --port=9999, --ip=0.0.0.0",
    )
    copy = commands.add_parser("copy", help="copy the lessons as lab does, and open nothing")
    progress = commands.add_parser("progress", help="say what was done so far, and what was hard")
    doctor = commands.add_parser(
        "doctor", help="say whether all is well: versions, JupyterLab, known results"
    )
    for command in (lab, copy, progress, doctor):
        command.add_argument(
            "folder",
            metavar="FOLDER",
            nargs="?",
            type=_folder,
            default=desk.usual_desk(),
            help=f"the folder of your lessons; else {desk.NAME}, or the one that you stand in",
        )

    site = commands.add_parser("site", help="show the lessons as web pages, from this machine")
    site.add_argument("--port", type=int, default=8600, help="of the address; your answers belong to it")
    site.add_argument("--no-browser", action="store_true", help="only say the address")
    return parser


def _folder(text: str) -> Path:
    return Path(text).absolute()


def _do(said: argparse.Namespace, jupyters: list[str]) -> int:
    if said.command == "lab":
        from lwlr_teach.command.lab import lab

        return lab(said.folder, jupyters)
    if said.command == "copy":
        desk.copy_to(said.folder)
        return 0
    if said.command == "progress":
        from lwlr_teach.command.progress import progress

        return progress(said.folder)
    if said.command == "doctor":
        from lwlr_teach.command.doctor import doctor

        return doctor(said.folder)
    from lwlr_teach.command.site import site

    return site(said.port, browser=not said.no_browser)
