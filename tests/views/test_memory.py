import numpy as np
import pytest
import torch

from lwlr_teach.studies import guess_sizes
from lwlr_teach.views import MemoryView
from tests.views.sent import marks, numbers


@pytest.fixture(scope="module")
def sizes():
    return guess_sizes([2, 10, 50], steps=30, before=20, draws=8, shown=2)


def test_what_is_sent_is_what_was_measured(sizes):
    view = MemoryView(sizes)
    seen, lines = marks(view)
    np.testing.assert_allclose(numbers(view, seen, "high"), sizes.seen, rtol=1e-6)
    sent = numbers(view, lines, "y")
    np.testing.assert_allclose(sent[0], sizes.size[:, None].expand(-1, 3, -1), rtol=1e-6)
    np.testing.assert_allclose(sent[1], sizes.guessed, rtol=1e-6)
    np.testing.assert_allclose(sent[2], sizes.never_forgets[:, None].expand(-1, 3, -1), rtol=1e-6)
    errors, here, best = marks(view, 1)
    np.testing.assert_allclose(numbers(view, errors, "y"), sizes.error, rtol=1e-6)
    np.testing.assert_allclose(numbers(view, here, "y")[1, ..., 0], sizes.error, rtol=1e-6)
    np.testing.assert_allclose(numbers(view, best, "x")[1, :, 0], sizes.best, rtol=1e-6)
    assert np.isnan(numbers(view, here, "y")[[0, 2]]).all()


def test_the_sentence_follows_the_controls(sizes):
    view = MemoryView(sizes, at_memory=9)
    off = round(100 * sizes.error[0, 1].item())
    assert view.describe().startswith(
        f"Size of gradients, slow drift, memory 10 steps, α 0.9: true size; RMSprop is typically {off}% off;"
    )
    view.change, view.memory_index = "one fall", 2
    off = round(100 * sizes.error[2, 2].item())
    assert f"one fall, memory 50 steps, α 0.98: true size; RMSprop is typically {off}% off" in view.describe()
    assert view.memory == 50
    view.shown = ["Adagrad"]
    off = round(100 * sizes.never_error[2].item())
    assert view.describe().endswith(f": Adagrad is typically {off}% off.")
    view.shown = []
    assert view.describe().endswith(": no line is shown.")


def test_the_picture_has_the_columns_below_the_lines_and_a_marker_at_the_memory(sizes):
    left, right = MemoryView(sizes, at_memory=50, change="fast drift").figure().axes
    assert len(left.collections) == 1
    assert [line.get_label() for line in left.lines] == ["true size", "RMSprop", "Adagrad"]
    np.testing.assert_allclose(left.lines[1].get_ydata(), sizes.guessed[1, 2], rtol=1e-6)
    marked = next(line for line in right.lines if line.get_marker() not in ("None", "", None, "^"))
    assert (marked.get_xdata()[0], marked.get_ydata()[0]) == pytest.approx((50, sizes.error[1, 2].item()))
    assert all(low < value < high for low, value, high in [(0, sizes.size.max().item(), left.get_ylim()[1])])
    assert [text.get_text() for text in right.get_xticklabels()] == ["2", "5", "10", "20", "50"]


def test_bad_input(sizes):
    with pytest.raises(ValueError, match="change 'slow' is not known"):
        MemoryView(sizes, change="slow")
    with pytest.raises(ValueError, match="memory_index must be from 0 to 2, got 3"):
        MemoryView(sizes).memory_index = 3
    with pytest.raises(ValueError, match="shown 'RMSprob' is not known; did you mean RMSprop"):
        MemoryView(sizes, shown=["RMSprob"])
    assert torch.isfinite(sizes.error).all()
