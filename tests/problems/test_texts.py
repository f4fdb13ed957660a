"""The pinned sentences of the course: what lesson 5 measures depends on them."""

import hashlib

import pytest
import torch

from lwlr_teach.optim import METHODS, SGD
from lwlr_teach.problems import sentences, sentences_task
from lwlr_teach.problems.texts import _FILE, words_of
from lwlr_teach.runs.fleet import Fleet

PINNED = "12b33e3a4aae956ee8ff3e72b0aeb4551df326d40d78cb7bc828f481f0868571"


def test_the_file_stays_as_it_was_written():
    """The lessons' own sentences change; these do not follow."""
    assert hashlib.sha256(_FILE.read_bytes()).hexdigest() == PINNED


def test_words_are_lower_case_and_without_digits_and_signs():
    assert words_of("It’s 2/λ: the Valley's edge, don't you see?") == [
        "it’s",
        "λ",
        "the",
        "valley's",
        "edge",
        "don't",
        "you",
        "see",
    ]


def test_a_bag_has_the_words_of_its_sentence():
    text = sentences()
    for i in (0, 7, 400):
        found = {text.words[j] for j in text.x_train[i].nonzero().flatten().tolist()}
        assert found == set(words_of(text.texts[i]))
    train = len(text.x_train)
    known = {text.words[j] for j in text.x_test[3].nonzero().flatten().tolist()}
    assert known == set(words_of(text.texts[train + 3])) & set(text.words)


def test_the_commonest_word_comes_first_and_every_word_is_seen_in_training():
    text = sentences()
    seen = text.x_train.sum(0)
    assert (seen.diff() <= 0).all()
    assert seen.min() == 1
    assert len(set(text.words)) == len(text.words) == text.x_test.shape[1]


def test_the_split_follows_its_seed_and_loses_nothing():
    text, again, other = sentences(test=100), sentences(test=100), sentences(test=100, seed=1)
    assert len(text.x_test) == len(text.y_test) == 100
    assert len(text.x_train) + 100 == len(text.texts) == len(_FILE.read_text("utf-8").splitlines())
    assert text.x_train.equal(again.x_train)
    assert sorted(text.texts) == sorted(other.texts)
    assert text.texts != other.texts
    assert set(text.y_train.tolist()) == {0, 1}
    assert sentences(dtype=torch.float64).x_train.dtype == torch.float64


@pytest.mark.parametrize("test", [0, 10**6])
def test_so_many_cannot_be_held_out(test):
    with pytest.raises(ValueError, match="test must be"):
        sentences(test=test)


def test_the_task_trains_a_model_for_each_rate_and_seed_as_one_by_one():
    task = sentences_task(seeds=2, steps=3, batch_size=8, valid=50)
    fleet = Fleet(METHODS["SGD"], torch.tensor([0.1, 1.0]), task)
    fleet.train(3)
    weights, biases = (torch.zeros_like(p[1]).requires_grad_() for p in task.first)
    optimizer = SGD([weights, biases], lr=1.0)
    for batch in task.batches[:, 1]:
        optimizer.zero_grad()
        logits = task.data.x_train[batch] @ weights + biases
        torch.nn.functional.cross_entropy(logits, task.data.y_train[batch]).backward()
        optimizer.step()
    ours = [p[1, 1] for p in fleet.params]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours, (weights, biases), strict=True))
