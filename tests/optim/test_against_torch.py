"""Every method that torch has takes the same steps as torch's own."""

import copy
import inspect
from collections import Counter

import pytest
import torch
from torch import nn

import lwlr_teach.optim as ours
from lwlr_teach.clipping import by_global_norm, by_value
from lwlr_teach.optim import RuleOptimizer
from lwlr_teach.optim.engine import Options
from tests.optim.agreement import difference, show

pytestmark = pytest.mark.usefixtures("one_thread")

# A new method needs one line here for each way to run it: (class, arguments).
TABLE = [
    ("SGD", dict(lr=0.05)),
    ("SGD", dict(lr=0.05, weight_decay=0.1)),
    ("SGD", dict(lr=0.05, momentum=0.9)),
    ("SGD", dict(lr=0.05, momentum=0.9, dampening=0.9, weight_decay=0.01)),
    ("SGD", dict(lr=0.05, momentum=0.8, dampening=-0.5)),
    ("SGD", dict(lr=0.05, dampening=0.5)),
    ("SGD", dict(lr=0.05, momentum=0.9, nesterov=True)),
    ("SGD", dict(lr=0.01, momentum=0.5, nesterov=True, weight_decay=0.1, maximize=True)),
    ("Adagrad", dict()),
    ("Adagrad", dict(lr=0.5, lr_decay=0.1)),
    ("Adagrad", dict(lr=0.1, weight_decay=0.1, initial_accumulator_value=0.1)),
    ("Adagrad", dict(lr=0.1, eps=0.1, maximize=True)),
    ("RMSprop", dict()),
    ("RMSprop", dict(alpha=0.5, eps=0.1)),
    ("RMSprop", dict(alpha=0.9, weight_decay=0.1, maximize=True)),
    ("RMSprop", dict(momentum=0.9)),
    ("RMSprop", dict(centered=True)),
    ("RMSprop", dict(alpha=0.9, centered=True, momentum=0.5, weight_decay=0.01)),
    ("Adadelta", dict()),
    ("Adadelta", dict(lr=0.5, rho=0.5, eps=1e-2)),
    ("Adadelta", dict(rho=0.95, eps=1e-3, weight_decay=0.1)),
    ("Adadelta", dict(lr=0.1, eps=1e-3, weight_decay=0.1, maximize=True)),
    ("Adam", dict()),
    ("Adam", dict(lr=0.05, betas=(0.5, 0.9))),
    ("Adam", dict(lr=0.05, betas=(0.0, 0.99), eps=0.1)),
    ("Adam", dict(lr=0.05, betas=(0.9, 0.3))),
    ("Adam", dict(lr=0.05, weight_decay=0.1)),
    ("Adam", dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)),
    ("Adam", dict(lr=0.05, amsgrad=True, betas=(0.9, 0.5))),
    ("Adam", dict(lr=0.05, amsgrad=True, weight_decay=0.1, decoupled_weight_decay=True, maximize=True)),
    ("AdamW", dict()),
    ("AdamW", dict(lr=0.05, weight_decay=0.0)),
    ("AdamW", dict(lr=0.05, betas=(0.5, 0.9), eps=0.1, weight_decay=0.3)),
    ("AdamW", dict(lr=0.05, amsgrad=True, betas=(0.9, 0.5), maximize=True)),
    ("Adafactor", dict()),
    ("Adafactor", dict(lr=0.3, weight_decay=0.1)),  # the cap of 1/√t comes into it at step 12
    ("Adafactor", dict(lr=0.05, beta2_decay=-0.3, eps=(1e-3, 0.1), d=2.0)),
    ("Adafactor", dict(lr=0.02, beta2_decay=-1.0, eps=(0.1, 1e-3), d=1.5, maximize=True)),
    ("RAdam", dict()),
    ("RAdam", dict(lr=0.05, betas=(0.5, 0.9), eps=0.1)),
    ("RAdam", dict(lr=0.05, betas=(0.9, 0.6))),  # never divides
    ("RAdam", dict(lr=0.05, weight_decay=0.1, maximize=True)),
    ("RAdam", dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)),
    ("Muon", dict()),
    ("Muon", dict(lr=0.02, nesterov=False)),
    ("Muon", dict(lr=0.02, momentum=0.5, weight_decay=0.0, adjust_lr_fn="original")),
    ("Muon", dict(lr=0.02, weight_decay=0.5, adjust_lr_fn="match_rms_adamw")),
    ("Muon", dict(lr=0.02, ns_steps=2, ns_coefficients=(2.0, -1.5, 0.5), eps=10.0)),
]
BOTH = sorted({name for name, _ in TABLE})
CLIPS = [
    ("by_global_norm", "clip_grad_norm_", by_global_norm(0.7, eps=1e-6), 0.7),
    ("by_value", "clip_grad_value_", by_value(0.3), 0.3),
]
STEPS = 50
SEEDS = [0, 1, 2]
FLOAT64, FLOAT32 = 1e-12, 1e-4


def rows():
    """What this module measures for docs/agreement.md."""
    steps = [(name, f"torch.optim.{name}", dtype) for name, _ in TABLE for dtype in ("float64", "float32")]
    return Counter(steps + [(name, f"torch.nn.utils.{oracle}", "float64") for name, oracle, *_ in CLIPS])


class Training:
    """A small network and parameters of odd shapes, in two groups; one of them is seen now and then.

    ``matrices``: nothing but matrices (Muon moves no others): tall, wide, square, a row, a column. ``empty``:
    one tensor without entries, by whose number torch's Adafactor divides.
    """

    def __init__(self, seed, dtype, matrices=False, empty=True):
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape):
            return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

        first, second = (nn.Linear(*sizes, bias=not matrices, dtype=dtype) for sizes in [(3, 5), (5, 2)])
        self.network = nn.Sequential(first, nn.Tanh(), second)
        for parameter in self.network.parameters():
            parameter.data = draw(*parameter.shape)
        shapes = [(4, 4), (1, 3), (4, 1), (7, 2)] if matrices else [(), (1,), (0,), (2, 1, 3, 2), (4, 3)]
        shapes = shapes if empty else [shape for shape in shapes if shape != (0,)]
        self.odd = [nn.Parameter(draw(*shape)) for shape in shapes]
        self.odd.append(nn.Parameter(draw(3, 4).T))  # not contiguous
        self.inputs, self.targets = draw(4, 8, 3), draw(4, 8, 2)

    @property
    def parameters(self):
        return [*self.network.parameters(), *self.odd]

    def optimizer(self, cls, **kwargs):
        groups = [{"params": list(self.network.parameters())}]
        groups.append({"params": self.odd, "lr": 0.02, "weight_decay": 0.03})
        return cls(groups, **kwargs)

    def run(self, optimizer, steps=range(STEPS), clip=None):
        """Take these steps on minibatches; return the parameters."""
        for step in steps:
            optimizer.zero_grad()
            (self.network(self.inputs[step % 4]) - self.targets[step % 4]).square().mean().backward()
            for i, p in enumerate(self.odd if step % 3 else self.odd[:-1]):
                p.grad = torch.cos(p.detach() + step).add_(p.detach(), alpha=0.2 + i / 5)
            if clip is not None:
                clip(self.parameters)
            optimizer.step()
        return [p.detach() for p in self.parameters]


def training_of(name, seed, dtype):
    """What the method of this name can move."""
    return Training(seed, dtype, matrices=name == "Muon", empty=name != "Adafactor")


def train(cls, kwargs, seed, dtype):
    """The parameters after all steps."""
    training = training_of(cls.__name__, seed, dtype)
    return training.run(training.optimizer(cls, **kwargs))


def compare(name, kwargs, seeds, dtype):
    """The largest difference over these starts."""
    classes = getattr(ours, name), getattr(torch.optim, name)
    return max(difference(*(train(cls, kwargs, seed, dtype) for cls in classes)) for seed in seeds)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kwargs"), TABLE, ids=show)
def test_same_steps_in_float64(name, kwargs, record_property):
    found = compare(name, kwargs, SEEDS, torch.float64)
    record_property("agreement", [name, f"torch.optim.{name}", "float64", show(kwargs), found])
    assert found <= FLOAT64


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kwargs"), TABLE, ids=show)
def test_same_steps_in_float32(name, kwargs, record_property):
    assert all(p.dtype == torch.float32 for p in train(getattr(ours, name), kwargs, 3, torch.float32))
    found = compare(name, kwargs, [3], torch.float32)
    record_property("agreement", [name, f"torch.optim.{name}", "float32", show(kwargs), found])
    assert found <= FLOAT32


# torch's Muon without Nesterov works on its buffer itself if that is in bfloat16, and so forgets the average.
@pytest.mark.parametrize(
    ("name", "kwargs"),
    [(name, kwargs) for name, kwargs in TABLE if kwargs.get("nesterov", True)],
    ids=show,
)
def test_a_few_steps_in_bfloat16_stay_within_some_roundings(name, kwargs):
    def run(cls):
        training = training_of(name, 0, torch.bfloat16)
        return training.run(training.optimizer(cls, **kwargs), range(5))

    mine, theirs = run(getattr(ours, name)), run(getattr(torch.optim, name))
    assert all(p.dtype == torch.bfloat16 for p in mine)
    found = difference([p.double() for p in mine], [p.double() for p in theirs])
    assert found <= 8 * torch.finfo(torch.bfloat16).eps


def test_every_method_that_torch_has_stands_in_the_table():
    classes = {name for name in ours.__all__ if inspect.isclass(getattr(ours, name))}
    rules = {name for name in classes if issubclass(getattr(ours, name), RuleOptimizer)}
    assert {name for name in rules if hasattr(torch.optim, name)} == set(BOTH)


@pytest.mark.parametrize(("name", "oracle", "clip", "limit"), CLIPS, ids=[name for name, *_ in CLIPS])
def test_clipping_before_the_step_is_torchs(name, oracle, clip, limit, record_property):
    def torchs(params):
        getattr(nn.utils, oracle)(params, limit)

    def run(seed, cls, before=None, **kwargs):
        training = Training(seed, torch.float64)
        return training.run(training.optimizer(cls, lr=0.05, **kwargs), clip=before)

    found = max(
        difference(run(seed, ours.SGD, clip=clip), run(seed, torch.optim.SGD, before=torchs))
        for seed in SEEDS
    )
    record_property("agreement", [name, f"torch.nn.utils.{oracle}", "float64", str(limit), found])
    assert found <= FLOAT64


# --- the same call ---------------------------------------------------------------------------------------


def signature(cls):
    return {p.name: p for p in inspect.signature(cls).parameters.values() if p.kind is not p.VAR_KEYWORD}


def by_position(cls):
    return [(p.name, p.default) for p in signature(cls).values() if p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize("name", BOTH)
def test_what_is_given_by_position_has_torchs_name_place_and_default(name):
    mine, theirs = by_position(getattr(ours, name)), by_position(getattr(torch.optim, name))
    assert mine == theirs[: len(mine)]
    # Behind them torch has only such arguments as are given by name.
    assert {argument for argument, _ in theirs[len(mine) :]} <= Options.__annotations__.keys()


@pytest.mark.parametrize("name", BOTH)
def test_every_argument_of_torch_is_taken(name):
    mine, theirs = signature(getattr(ours, name)), signature(getattr(torch.optim, name))
    assert theirs.keys() <= mine.keys() | Options.__annotations__.keys()
    for argument in theirs.keys() & mine.keys():
        assert mine[argument].default == theirs[argument].default, argument
    parameter = torch.ones(2, 2, requires_grad=True)
    parameter.grad = torch.ones(2, 2)
    defaults = {n: p.default for n, p in theirs.items() if n != "params"}
    getattr(ours, name)([parameter], **defaults).step()


@pytest.mark.parametrize("name", BOTH)
def test_what_only_we_have_is_given_by_name(name):
    mine, theirs = signature(getattr(ours, name)), signature(getattr(torch.optim, name))
    extra = [p for n, p in mine.items() if n not in theirs]
    assert all(p.kind is p.KEYWORD_ONLY for p in extra)
    assert all(not p.default for p in extra), "unless it is asked for, torch's rule holds"


# --- the same state --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("way", ["from torch", "to torch"])
@pytest.mark.parametrize(("name", "kwargs"), TABLE, ids=show)
def test_a_state_dict_is_handed_over_in_the_middle(name, kwargs, way):
    mine, theirs = getattr(ours, name), getattr(torch.optim, name)
    first, second = (theirs, mine) if way == "from torch" else (mine, theirs)
    training = training_of(name, 0, torch.float64)
    before = training.optimizer(first, **kwargs)
    training.run(before, range(5))
    # Nothing is shared, as with a file; and the settings, too, come from it.
    state = copy.deepcopy(before.state_dict())
    after = training.optimizer(second)
    after.load_state_dict(state)
    got = training.run(after, range(5, STEPS))
    expected = train(theirs, kwargs, 0, torch.float64)
    assert difference(got, expected) <= FLOAT64


# --- the same behaviour elsewhere ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kwargs"), [("SGD", dict(momentum=0.9)), ("Adam", {}), ("RMSprop", {}), ("RAdam", {})], ids=show
)
def test_a_schedule_of_rate_and_momentum_drives_both_alike(name, kwargs):
    def run(cls):
        parameter = torch.linspace(-1, 1, 5, dtype=torch.float64, requires_grad=True)
        optimizer = cls([parameter], **kwargs)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, total_steps=51, cycle_momentum=name != "RMSprop"
        )
        for step in range(50):
            parameter.grad = torch.sin(3 * parameter.detach() + step)
            optimizer.step()
            schedule.step()
        return [parameter.detach()]

    assert difference(run(getattr(ours, name)), run(getattr(torch.optim, name))) <= FLOAT64


def test_momentum_can_be_switched_on_later():
    def run(cls):
        parameter = torch.ones(3, dtype=torch.float64, requires_grad=True)
        optimizer = cls([parameter], lr=0.1, dampening=0.5)
        for step in range(6):
            optimizer.param_groups[0]["momentum"] = 0.9 if step > 2 else 0
            parameter.grad = torch.full_like(parameter, step + 1.0)
            optimizer.step()
        return [parameter.detach()]

    assert difference(run(ours.SGD), run(torch.optim.SGD)) <= FLOAT64


@pytest.mark.parametrize("name", sorted(set(BOTH) - {"Muon", "Adafactor"}))  # which torch keeps real
def test_complex_parameters_move_as_in_torch(name):
    def run(cls):
        parameter = torch.tensor([1 + 2j, -3j, 0.5], dtype=torch.complex128, requires_grad=True)
        optimizer = cls([parameter], lr=0.1, weight_decay=0.01)
        for step in range(50):
            parameter.grad = parameter.detach().conj() * (1 + step % 3) + (1 - 2j) / (step + 1)
            optimizer.step()
        return [torch.view_as_real(parameter.detach())]

    assert difference(run(getattr(ours, name)), run(getattr(torch.optim, name))) <= FLOAT64


@pytest.mark.parametrize("name", BOTH)
def test_a_sparse_gradient_is_handled_as_in_torch_or_refused_in_plain_words(name):
    def run(cls):
        parameter = torch.ones(4, 2, requires_grad=True)
        optimizer = cls([parameter], lr=0.1)
        for _ in range(3):
            parameter.grad = torch.sparse_coo_tensor([[1]], [[1.0, 2.0]], (4, 2), check_invariants=True)
            with torch.sparse.check_sparse_tensor_invariants(enable=False):  # else torch's own step warns
                optimizer.step()
        return [parameter.detach()]

    try:
        got = run(getattr(ours, name))
    except RuntimeError as error:
        assert "sparse gradient" in str(error)  # noqa: PT017
    else:
        assert difference(got, run(getattr(torch.optim, name))) <= 1e-6
