"""The explain view: a question, an answer in the learner's own words, and then a good one beside it."""

from __future__ import annotations

from typing import Any

import traitlets

from lwlr_teach.views.kit.base import View, module


class ExplainView(View):
    """A question with room for a sentence. ``said`` is what the learner has kept, empty while there is none;
    from then on the good answer stands under it."""

    _esm = module("explain/view.js")

    plan = traitlets.Dict().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)

    def __init__(self, asks: str, good: str, *, said: str = "") -> None:
        super().__init__(plan={"asks": asks, "good": good}, said=said)

    def describe(self) -> str:
        """The question, and once it was answered both answers."""
        asks, good = self.plan["asks"], self.plan["good"]
        return (
            f"{asks} You said: {self.said} A good answer: {good}"
            if self.said
            else f"{asks} Not answered yet."
        )

    def twin(self, alt: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """None: it is all text."""
        return {}, {}
