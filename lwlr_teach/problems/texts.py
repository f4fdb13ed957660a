"""Sentences of this course, and which part each comes from: a real text in which most words are rare."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_count

# A lesson and a sentence in each line: the prose of lessons 1 to 4 and 10 to 15, without formulas and code,
# as it stood when this was written. It does not follow the lessons: what lesson 5 measures depends on it.
_FILE = Path(__file__).with_name("sentences.tsv")
_ALPHABET = " abcdefghijklmnopqrstuvwxyz.,:?"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


class Sentences(NamedTuple):
    """Sentences as bags of words: 1.0 where a word occurs in a sentence, (sentence, word).

    The label is 0 for a sentence from the part "One rate for everything", 1 for "A rate for every layer".
    """

    words: tuple[str, ...]
    """Those of the training sentences, in lower case, the commonest first."""
    texts: tuple[str, ...]
    """All sentences: first those to learn from, then those to be tested on."""
    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


def sentences(*, test: int = 300, seed: int = 0, dtype: torch.dtype = torch.float32) -> Sentences:
    """The sentences of ten lessons, shuffled and split; ``test`` of them are held out, chosen by ``seed``.

    A test sentence may have words that no training sentence has. They have no column.
    """
    lines = [line.split("\t") for line in _FILE.read_text("utf-8").splitlines()]
    check_count("test", test, high=len(lines) - 1)
    order = torch.randperm(len(lines), generator=torch.Generator().manual_seed(seed)).tolist()
    lessons, texts = zip(*(lines[i] for i in order), strict=True)
    bags = [set(words_of(text)) for text in texts]
    seen = Counter(word for bag in bags[:-test] for word in bag)
    words = sorted(seen, key=lambda word: (-seen[word], word))
    column = {word: i for i, word in enumerate(words)}
    x = torch.zeros(len(texts), len(words), dtype=dtype)
    for row, bag in zip(x, bags, strict=True):
        row[[column[word] for word in bag if word in column]] = 1
    y = torch.tensor([int(lesson >= "10") for lesson in lessons])
    return Sentences(tuple(words), texts, x[:-test], y[:-test], x[-test:], y[-test:])


def words_of(text: str) -> list[str]:
    """The words of a text in their order, in lower case, without digits and signs."""
    return _WORD.findall(text.lower())


class Letters(NamedTuple):
    """The sentences as one long text for each purpose, every letter a number: its place in the alphabet."""

    alphabet: str
    train: Tensor
    valid: Tensor
    test: Tensor


def letters(*, valid: int = 120, test: int = 120, seed: int = 0) -> Letters:
    """The sentences of :func:`sentences` in lower case, letter by letter; so many are held out for each use.

    What is neither a letter from a to z nor one of a few signs is left out.
    """
    check_count("valid", valid)
    texts = sentences(test=valid + test, seed=seed).texts
    check_count("valid", valid, high=len(texts) - test - 1)
    code = {letter: i for i, letter in enumerate(_ALPHABET)}

    def coded(part: Sequence[str]) -> Tensor:
        return torch.tensor([code[letter] for letter in " ".join(part).lower() if letter in code])

    parts = (texts[: -valid - test], texts[-valid - test : -test], texts[-test:])
    return Letters(_ALPHABET, *map(coded, parts))
