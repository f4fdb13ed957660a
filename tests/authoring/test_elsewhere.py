"""Lessons as if on other machines: the disturbed processor, the room of claims, the report."""

import ast
import json
import math
import subprocess
import sys

import pytest
import torch

from authoring import build, elsewhere, room
from authoring.disturbance import PRODUCTS, SEED, nudged

DISTURBED = """
import copy, json, torch
from torch import nn
from authoring.disturbance import disturb

def grads(f, *tensors):
    leaves = [t.clone().requires_grad_() for t in tensors]
    f(*leaves).square().sum().backward()
    return [leaf.grad for leaf in leaves]

def everything():
    g = torch.Generator().manual_seed(0)
    a, b, c = (torch.randn(*s, generator=g) for s in [(60, 5), (5, 40), (3, 5, 40)])
    x, kernel = torch.randn(2, 1, 8, 8, generator=g), torch.randn(3, 1, 3, 3, generator=g)
    double = a.double()
    return {
        "mm": a @ b, "bmm": a @ c, "linear": nn.functional.linear(a, b.mT, b[0]), "mv": a @ b[:, 0],
        "einsum": torch.einsum("ij,kjl->kil", a, c), "vmap": torch.vmap(lambda w: a @ w)(c),
        "double": double @ double.mT,
        "backward": grads(torch.matmul, a, b)[1], "conv": nn.functional.conv2d(x, kernel),
        "conv backward": grads(nn.functional.conv2d, x, kernel)[1],
        "exact": torch.arange(12.0).reshape(3, 4) @ torch.eye(4), "sum": a + a,
    }

before = everything()
disturb(SEED)
after, again = everything(), everything()
print(json.dumps({name: [
    (before[name] - after[name]).abs().max().item() / before[name].abs().max().item(),
    bool((after[name] == again[name]).all()), after[name].flatten().tolist(),
] for name in before}))
"""


@pytest.fixture(scope="module")
def found():
    """What the operations of a disturbed process give, for two seeds: change, repeatable, entries."""
    result = []
    for seed in (1, 2):
        run = [sys.executable, "-c", DISTURBED.replace("SEED", str(seed))]
        printed = subprocess.run(run, cwd=build.ROOT, capture_output=True, text=True, check=True).stdout
        result.append(json.loads(printed))
    return result


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["mm", "bmm", "linear", "mv", "einsum", "vmap", "double", "backward", "conv", "conv backward"]
)
def test_a_disturbed_product_is_off_in_its_last_place(found, name):
    change, repeatable, entries = found[0][name]
    last = torch.finfo(torch.float64 if name == "double" else torch.float32).eps
    assert last / 4 < change < 20 * last
    assert repeatable
    assert entries != found[1][name][2]  # another seed is another processor


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exact", "sum"])
def test_what_every_processor_finds_alike_stays(found, name):
    assert found[0][name][0] == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_entry_goes_to_a_neighbour(dtype):
    x = torch.randn(2000, dtype=dtype, generator=torch.Generator().manual_seed(0))
    up, down = (torch.nextafter(x, torch.full_like(x, end)) for end in (math.inf, -math.inf))
    moved = nudged(x, 1)
    stays = moved == x  # one in some thousands looks exact
    assert ((moved == up) | (moved == down) | stays).all()
    assert stays.sum() < 10
    assert 0.4 < (moved == up).float().mean() < 0.6
    assert (nudged(x, 1) != nudged(x, 2)).any()


def test_a_factor_of_two_and_a_sign_change_no_rounding():
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(nudged(-256 * x, 1), -256 * nudged(x, 1))


def test_exact_and_strange_entries_stay():
    x = torch.tensor([0.0, -0.0, 1.0, 3.0, -640.0, 0.375, math.inf, -math.inf])
    assert torch.equal(nudged(x, 1), x)
    assert nudged(torch.tensor([math.nan]), 1).isnan().all()
    assert torch.equal(nudged(torch.tensor([3, 4]), 1), torch.tensor([3, 4]))


def test_every_product_of_the_list_exists():
    assert all(hasattr(torch.ops.aten, name) for name in PRODUCTS)


# --- the room of a claim ------------------------------------------------------------------------------------


def rooms_of(code, **names):
    """The distances that are noted when a cell with this code runs."""
    room._rooms.clear()
    seen = []
    names |= {room._COMPARE: room.compare, "claim": lambda sentence, holds: seen.append(bool(holds))}
    tree = ast.fix_missing_locations(room.Measured().visit(ast.parse(code)))
    exec(compile(tree, "cell", "exec"), names)
    return seen, list(room._rooms)


@pytest.mark.parametrize(
    ("condition", "holds", "rooms"),
    [
        ("9 < 10", True, [0.1]),
        ("10 > 9", True, [0.1]),
        ("-9 > -10", True, [0.1]),
        ("10 <= 9", False, [0.1]),
        ("5 < 9 < 10", True, [4 / 9, 0.1]),
        ("5 < 4 < 10", False, [0.2]),
        ("all(x > 0.5 for x in (1.0, 2.0))", True, [0.5, 0.75]),
        ("(torch.tensor([1.0, 2.0]) > 0.5).all()", True, [0.5]),
        ("not 4 > 5 and 1 == 1", True, [0.2]),
        ("0 <= 0", True, [math.inf]),
        ("'a' < 'b'", True, [math.inf]),
        ("sorted([3, 1]) == [1, 3]", True, []),
    ],
)
def test_the_room_is_the_distance_of_the_sides(condition, holds, rooms):
    seen, found = rooms_of(f"claim('…', {condition})", torch=torch)
    assert seen == [holds]
    assert found == pytest.approx(rooms)


def test_only_claims_are_measured():
    assert rooms_of("x = 1 < 2\nif x < 3: claim(f'{x > 0}', 4 < 5)\ny = 6 < 7") == (
        [True],
        pytest.approx([1.0, 0.2]),
    )


# --- a lesson on other machines -----------------------------------------------------------------------------

LESSON = """\
# %%
import os
from lwlr_teach.teaching import claim

# %%
there = os.environ.get("LWLR_DISTURB", "0")
claim("It is at home.", int(there) < 1)
claim("Nine is less than ten.", 9 < 10)
print(f"seed {min(int(there), 2)}")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small lesson in a folder of its own, built."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "src").mkdir()
    source = folder / "src" / "small.py"
    source.write_text(LESSON, encoding="utf-8")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(build, "LESSONS", folder)
        monkeypatch.delenv(SEED, raising=False)  # these tests may run elsewhere themselves
        build.build(source)
    return source


@pytest.fixture
def lesson(built, monkeypatch):
    """The same, in the place of all lessons during a test."""
    monkeypatch.setattr(build, "LESSONS", built.parents[1])
    monkeypatch.delenv(SEED, raising=False)
    return built


@pytest.mark.slow
def test_at_home_nothing_fails(lesson):
    claims, texts = elsewhere.visit(lesson, {})
    assert [(claim.sentence, claim.holds) for claim in claims] == [
        ("It is at home.", True),
        ("Nine is less than ten.", True),
    ]
    assert claims[1].room == pytest.approx(0.1)
    assert texts == []


@pytest.mark.slow
def test_elsewhere_every_claim_is_heard_and_every_text_compared(lesson):
    visit = elsewhere.visit(lesson, {"LWLR_DISTURB": "1"})
    assert visit.failed
    assert [claim.holds for claim in visit.claims] == [False, True]
    assert visit.texts == ["cell 1: -It is at home.", "cell 1: -seed 0", "cell 1: +seed 1"]
    report = elsewhere.report("small", {"far": visit})
    assert "far: 1 of 2 claims fail, 3 lines differ" in report
    assert "  10.0% to 10.0%  Nine is less than ten." in report


@pytest.mark.parametrize(
    ("there", "here", "alike"),
    [
        ("loss 0.021, then 1.4.", "loss 0.017, then 1.4.", True),
        ("loss 0.021, then 1.4.", "loss 0.012, then 1.4.", False),
        ("loss 1e-3", "loss 1.2e-03", True),
        ("gain −2 points", "gain 1 points", True),
        ("gain -2", "gain 1", False),
        ("SGD leads with 50%", "SGD leads with 53%", True),
        ("SGD leads with 50%", "Adam leads with 50%", False),
        ("beats 1 of 6", "beats all", False),
    ],
)
def test_the_words_of_a_trained_picture_are_compared_exactly_and_its_numbers_loosely(there, here, alike):
    assert elsewhere._alike(there, here) == alike


@pytest.mark.slow
def test_the_command_fails_where_a_lesson_does(lesson, monkeypatch, capsys):
    machines = {"home": {}, "far": {"LWLR_DISTURB": "7"}}
    monkeypatch.setattr(elsewhere, "MACHINES", machines)
    for name, code in [("home", 0), ("far", 1)]:
        monkeypatch.setattr("sys.argv", ["elsewhere.py", "small", "--on", name])
        assert elsewhere.main() == code
    assert "does not hold: It is at home." in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["elsewhere.py", "smal"])
    with pytest.raises(SystemExit):
        elsewhere.main()
