"""Questions: two or three from earlier lessons at the start of a lesson, and one to explain at its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lwlr_teach.core.checks import check_choice, check_count
from lwlr_teach.teaching.bank import EXPLANATIONS, QUESTIONS
from lwlr_teach.teaching.course import COURSE
from lwlr_teach.teaching.items import Explanation, Question
from lwlr_teach.teaching.progress import Record, note, read_progress
from lwlr_teach.views.explain.view import ExplainView
from lwlr_teach.views.recall.view import RecallView


class Recall(RecallView):
    """Questions whose answers are kept, so that what was wrong comes again."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self.questions = list(questions)
        super().__init__(
            [
                {"asks": q.asks, "options": list(q.options), "right": q.right, "why": q.why}
                for q in self.questions
            ]
        )
        self.observe(self._keep, "answers")

    def _keep(self, change: Any) -> None:
        new = [
            (question, answer == question.right)
            for question, before, answer in zip(self.questions, change["old"], self.answers, strict=True)
            if before < 0 <= answer
        ]
        if not new:
            return

        def put(record: Record) -> None:
            turn = 1 + max((_turn(kept) for kept in record["recall"].values()), default=0)
            for question, right in new:
                kept = record["recall"].setdefault(question.name, {})
                said = "right" if right else "wrong"
                kept |= {said: kept.get(said, 0) + 1, "last": said, "turn": turn}

        note(put)


def recall(lesson: str, count: int = 3) -> Recall | None:
    """Ask ``count`` questions from the lessons before this one.

    What was wrong last time comes first, then what was never asked, then what was right longest ago. Of what
    was never asked, lessons that were opened come first, the latest of them before the others; of the rest
    the earliest, because all lessons need those.
    """
    check_count("count", count)
    order = {entry.name: i for i, entry in enumerate(COURSE)}
    place = check_choice("lesson", lesson, order)
    earlier = [q for q in QUESTIONS if order[q.lesson] < place]
    if not earlier:
        print("There is nothing to recall yet: this is the first lesson.")
        return None
    record = read_progress()
    kept, opened = record["recall"], record["lessons"]

    def urgency(question: Question) -> tuple[int, int, int]:
        answer = kept.get(question.name)
        if answer is None:
            at = order[question.lesson]
            return (1, 0, -at) if question.lesson in opened else (1, 1, at)
        return (0, 0, -_turn(answer)) if answer.get("last") == "wrong" else (2, 0, _turn(answer))

    return Recall(sorted(earlier, key=urgency)[:count])


def ask(*names: str) -> Recall:
    """Ask these questions of the bank here and now, as ``recall`` would ask them again later."""
    check_count("number of questions", len(names))
    bank = {question.name: question for question in QUESTIONS}
    return Recall([check_choice("question", name, bank) for name in names])


def _turn(kept: dict[str, Any]) -> int:
    """When a question was last answered: each round of answers is one turn later."""
    return int(kept.get("turn", 0))


class Explain(ExplainView):
    """A question whose answer, the learner's own, is kept."""

    def __init__(self, question: Explanation) -> None:
        self.name = question.name
        kept = read_progress()["explanations"].get(question.name, {})
        super().__init__(question.asks, question.good, said=kept.get("said", ""))
        self.observe(self._keep, "said")

    def _keep(self, _: Any) -> None:
        said = self.said
        note(lambda record: record["explanations"].setdefault(self.name, {}).update(said=said))


def explain(name: str) -> Explain:
    """Ask for a sentence in the learner's own words, keep it, and show a good answer to compare it with."""
    return Explain(check_choice("explanation", name, EXPLANATIONS))
