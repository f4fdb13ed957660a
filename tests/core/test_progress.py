import pytest

from lwlr_teach.core import progress
from lwlr_teach.core.progress import progress_bar


@pytest.fixture
def closed(monkeypatch):
    """How far each bar was, and what it was to count to, when it was closed."""
    found = []

    class Bar(progress.Bar):
        def close(self):
            if not self.disable:
                found.append((self.n, self.total))
            super().close()

    monkeypatch.setattr(progress, "Bar", Bar)
    return found


def test_a_bar_is_closed_in_the_end(closed, capsys):
    with progress_bar("training", 3) as bar:
        bar.update(3)
    assert closed == [(3, 3)]
    assert "training" not in capsys.readouterr().err  # it was done within a second


def stopped_by(error):
    with progress_bar("training", 3) as bar:
        bar.update(2)
        raise error


def test_an_interrupted_bar_has_reached_its_end(closed):
    """A notebook keeps a bar that has not, in red."""
    with pytest.raises(KeyboardInterrupt):
        stopped_by(KeyboardInterrupt)
    assert closed == [(2, 2)]


def test_an_error_leaves_the_bar_where_it_was(closed):
    with pytest.raises(ZeroDivisionError):
        stopped_by(ZeroDivisionError)
    assert closed == [(2, 3)]


def test_a_hidden_bar_counts_nothing(closed):
    with progress_bar("training", 3, shown=False) as bar:
        bar.update(2)
    assert closed == []


@pytest.mark.parametrize(("value", "hidden"), [("1", True), ("", False)])
def test_the_environment_switches_all_bars_off(monkeypatch, value, hidden):
    monkeypatch.setenv("TQDM_DISABLE", value)
    with progress_bar("walking", 3) as bar:
        assert bar.disable == hidden
