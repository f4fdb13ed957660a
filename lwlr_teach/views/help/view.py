"""The help under an exercise: its hints one after the other, and its solution, each at a button."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import traitlets

from lwlr_teach.views.kit.base import View, module


class HelpView(View):
    """Buttons for the hints (there may be none) and for the solution.

    ``hints`` counts the hints that are shown, ``solved`` says whether the solution is. The buttons move them.
    """

    _esm = module("help/view.js")

    plan = traitlets.Dict().tag(sync=True)
    hints = traitlets.Int(0, min=0).tag(sync=True)
    solved = traitlets.Bool(False).tag(sync=True)

    def __init__(self, hints: Sequence[str], solution: str, *, shown: int = 0) -> None:
        plan = {"hints": list(hints), "solution": solution}
        super().__init__(plan=plan, hints=min(shown, len(hints)))

    def describe(self) -> str:
        """What the buttons give."""
        count = len(self.plan["hints"])
        hints = f"{count} hint{'s' if count > 1 else ''} and " if count else ""
        return f"Buttons: {hints}a solution."

    def twin(self, alt: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """None: a picture of buttons helps nobody."""
        return {}, {}
