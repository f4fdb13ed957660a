import dataclasses
import io

import numpy as np
import pytest
import torch

from lwlr_teach.studies.transfer import SCRATCH, compare, pretrain
from lwlr_teach.views import TransferView
from lwlr_teach.views.transfer.view import MEASURES

NAMES = ["equal rates", "smaller early", "unfrozen from the top", SCRATCH]


@pytest.fixture(scope="module")
def compared():
    known = pretrain(seeds=3, steps=60, hidden=(16, 16))
    how = {"lr": [0.003, 0.01], "steps": 12, "names": NAMES[1:3], "progress": False}
    return [
        compare(known, transfer, shots=shots, **how)
        for transfer in ("new digits", "mirrored")
        for shots in (4, 1)
    ]


@pytest.fixture
def view(compared):
    return TransferView(compared)


def made(compared, gain):
    """A comparison whose seeds gain this over equal rates, which get half right: (arrangement, seed)."""
    accuracy = 0.5 + torch.tensor(gain)
    return dataclasses.replace(
        compared[0], test_accuracy=accuracy, train_accuracy=accuracy + 0.1, test_loss=2 * accuracy
    )


# --- what is sent


def test_what_is_sent_is_what_was_measured(compared, view):
    sent = np.frombuffer(view.values, "<f4").reshape(2, 2, 4, 4, 3)  # transfer, shots, measure, row, seed
    for i, (t, s) in enumerate([(0, 1), (0, 0), (1, 1), (1, 0)]):  # the shots are in order
        c = compared[i]
        measures = [100 * c.gain, 100 * c.test_accuracy, 100 * c.gap, c.test_loss]
        np.testing.assert_allclose(sent[t, s], torch.stack(measures), rtol=1e-6)
    assert view.plan["shots"] == ["1", "4"]
    np.testing.assert_allclose(view.plan["medians"], np.median(sent, -1), rtol=1e-6)


def test_the_squares_show_who_moves_when(view):
    equal, early, unfrozen, scratch = (np.array(square) for square in view.plan["depths"])
    assert equal.shape == early.shape == unfrozen.shape == scratch.shape == (3, 16)
    assert (equal == 1).all()
    assert (scratch == 1).all()
    np.testing.assert_allclose(early[:, 0] * 2.6 ** np.array([2, 1, 0]), 1)
    assert (unfrozen[2] == 1).all()
    assert unfrozen[1].tolist() == sorted(unfrozen[1])  # it stands still, and then it moves
    assert 0 < unfrozen[0].sum() < unfrozen[1].sum() < 16


def test_an_axis_is_the_same_everywhere_and_holds_nearly_all(view):
    for m, measure in enumerate(MEASURES):
        low, high = view.plan["measures"][measure]["range"]
        values = view._values[:, :, m]
        inside = ((values >= low) & (values <= high)).double().mean()
        assert inside > 0.95
        assert (high - low) < 1.3 * (values.max() - values.min())


# --- what is said


def test_the_sentence_is_what_was_measured(compared):
    view = TransferView(made(compared, [[0, 0, 0], [0.1, 0.2, -0.1], [-0.034, -0.2, 0.0], [0, 0, 0]]))
    assert view.describe() == (
        "Digits network, new digits, 4 of each class, gain over equal rates, in points of test accuracy, "
        "median over the seeds: equal rates are the line; "
        "smaller early +10 points, better from 2 of 3 seeds; "
        "unfrozen from the top −3 points, better from 0 of 3 seeds; "
        "not pretrained 0 points, better from 0 of 3 seeds."
    )
    view.shown = ["smaller early"]
    for measure, said in [
        ("test accuracy", "test accuracy in %, median over the seeds: smaller early 60%."),
        ("over-fitting", "in points, median over the seeds: smaller early 10 points."),
        ("test loss", "test loss, median over the seeds: smaller early 1.2."),
    ]:
        view.measure = measure
        assert view.describe().endswith(said)


def test_the_sentence_follows_the_controls(compared, view):
    said = set()
    for transfer in ("new digits", "mirrored"):
        for shots in (0, 1):
            view.transfer, view.shots_index = transfer, shots
            c = view.comparison
            assert (c.transfer, c.shots) == (transfer, view.shots) == (transfer, (1, 4)[shots])
            assert f"{transfer}, {view.shots} of each class" in view.describe()
            points = round(100 * c.gain[1].median().item())
            assert f"smaller early {points:+d}".replace("-", "−").replace("+0", "0") in view.describe()
            said.add(view.describe())
    assert len(said) == 4
    view.shown = []
    assert view.describe().endswith("no arrangement is shown.")


def test_where_it_begins(compared):
    view = TransferView(compared, transfer="mirrored", at_shots=4, measure="test loss", shown=NAMES[:2])
    assert view.describe().startswith("Digits network, mirrored, 4 of each class, test loss")
    assert view.shown == NAMES[:2]
    assert view.plan["start"] == {
        "transfer": "mirrored", "shots_index": 1, "measure": "test loss", "shown": NAMES[:2]
    }  # fmt: skip


# --- what is drawn


def test_the_picture_has_a_row_for_each_and_a_line_at_equal_rates(compared):
    gain = [[0.0] * 3, [0.1, 0.2, -0.1], [-0.034, -0.2, 0.0], [0.0] * 3]
    squares, rows = TransferView(made(compared, gain)).figure().axes[:2]
    assert [t.get_text() for t in squares.get_yticklabels()] == NAMES
    thick = next(line for line in rows.lines if line.get_linewidth() == 2)
    assert list(thick.get_xdata()) == [0, 0]
    widths = [bar.get_width() for bar in rows.patches]
    np.testing.assert_allclose(widths, [0, 10, -3.4, 0], atol=1e-4)


@pytest.mark.slow
def test_the_rows_fill_the_picture(compared):
    figure = TransferView(made(compared, [[0.0] * 3, [0.1, 0.2, -0.1], [-0.1] * 3, [0.0] * 3])).figure()
    figure.savefig(io.BytesIO())  # which lays it out
    assert figure.axes[1].get_position().width > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("shown", [[], ["smaller early"], NAMES])
def test_every_measure_is_drawn(compared, measure, shown):
    TransferView(compared, measure=measure, shown=shown)._repr_mimebundle_()


def test_one_comparison_alone(compared):
    view = TransferView(compared[0])
    assert view.plan["shots"] == ["4"]
    assert view.describe().startswith("Digits network, new digits, 4 of each class")


# --- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transfer": "mirored"}, "transfer 'mirored' is not known; did you mean mirrored"),
        ({"transfer": "inverted"}, "transfer 'inverted' is not known"),
        ({"at_shots": 2}, "at_shots '2' is not known"),
        ({"measure": "gains"}, "measure 'gains' is not known; did you mean gain"),
        ({"shown": ["smaler early"]}, "shown 'smaler early' is not known; did you mean smaller early"),
    ],
)
def test_a_view_that_cannot_be_made(compared, options, message):
    with pytest.raises(ValueError, match=message):
        TransferView(compared, **options)


def test_controls_take_only_what_they_have(view):
    for trait, value, message in [
        ("transfer", "inverted", "transfer 'inverted' is not known"),
        ("shots_index", 2, "shots_index must be from 0 to 1, got 2"),
        ("measure", "loss", "measure 'loss' is not known"),
    ]:
        with pytest.raises(ValueError, match=message):
            setattr(view, trait, value)


def test_comparisons_that_do_not_fit(compared):
    with pytest.raises(ValueError, match="comparisons must be at least one, got none"):
        TransferView([])
    with pytest.raises(ValueError, match="'new digits' with 4 shots is there twice"):
        TransferView([compared[0], compared[0]])
    with pytest.raises(ValueError, match="'mirrored' with 4 is missing"):
        TransferView([*compared[:2], compared[3]])
    renamed = zip(("equal rates", "a", "b", "c"), compared[1].moves.values(), strict=True)
    other = dataclasses.replace(compared[1], moves=dict(renamed))
    with pytest.raises(ValueError, match="the same arrangements and the same number of seeds"):
        TransferView([compared[0], other])
