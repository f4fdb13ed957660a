"""compile=True gives the numbers of the eager steps, compiles rarely, and is not needed."""

import copy
import inspect
import os
import subprocess
import sys
import textwrap

import pytest
import torch

from lwlr_teach.clipping import by_global_norm
from lwlr_teach.layerwise import by_trust_ratio
from lwlr_teach.optim import LARS, METHODS, SGD, SGDHD, Adam, Lookahead, Method, NovoGrad
from tests.optim.runs import FINDING, MUONS, fresh, gradient, layer, make, train, values

pytestmark = [
    pytest.mark.slow,
    # Compiling loads parts of torch that torch itself has given up.
    pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning"),
]

RUNS = [
    *METHODS.values(),
    *FINDING,
    MUONS[0],
    Method(
        "clipped and scaled",
        Adam,
        {"clip": by_global_norm(0.5), "scale": by_trust_ratio(), "decoupled_weight_decay": True},
        memory="beta1",
    ),
]


@pytest.fixture(autouse=True)
def one_thread():
    """For tensors as small as these."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def graphs():
    """How many programs were compiled so far in this test."""
    # Here, because it takes seconds to load, also in a run that leaves these tests out.
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    counters.clear()
    return lambda: counters["stats"]["unique_graphs"]


def pair(run, dtype=torch.float64, **chosen):
    """The same optimizer, compiled and not, each with parameters of its own."""
    params = fresh(layer(run), layer(run, 2, 2), dtype=dtype)
    twins = [p.detach().clone().requires_grad_() for p in params]
    return make(run, params, compile=True, **chosen), make(run, twins, **chosen)


def set_momentum(run, optimizer, value):
    for group in optimizer.param_groups:
        if run.memory == "momentum":
            group["momentum"] = value
        elif run.memory == "beta1":
            group["betas"] = (value, group["betas"][1])


def train_on_schedules(run, optimizer, steps):
    """A new rate at each step, except for SGDHD, which finds its own; a new momentum from the seventh on."""
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            if run.optimizer is not SGDHD:
                group["lr"] = 0.1 / step
        if step > 6:
            set_momentum(run, optimizer, 0.9 - 0.01 * step)
        train(optimizer, 1, first=step)


def assert_close(compiled, eager, tolerance=1e-12):
    for got, expected in zip(values(compiled), values(eager), strict=True):
        torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)
    for got, expected in zip(compiled.state.values(), eager.state.values(), strict=True):
        assert got.keys() == expected.keys()
        for name in got:
            torch.testing.assert_close(got[name], expected[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("run", RUNS, ids=lambda m: m.name)
def test_compiled_steps_are_the_eager_ones_and_schedules_do_not_compile_again(run, graphs):
    compiled, eager = pair(run)
    train_on_schedules(run, compiled, 12)
    train_on_schedules(run, eager, 12)
    assert_close(compiled, eager, tolerance=0.01 if run in MUONS else 1e-12)  # its products are bfloat16
    # The second momentum enters as a number, the third and all later ones as a tensor.
    assert graphs() <= (2 if run.memory else 1)
    assert graphs() >= 1


@pytest.mark.parametrize(
    "run", [METHODS[name] for name in ("Nesterov", "Adam", "LAMB")], ids=lambda m: m.name
)
def test_in_single_precision_they_are_close(run, graphs):
    compiled, eager = pair(run, dtype=torch.float32)
    train(compiled, 12)
    train(eager, 12)
    assert all(v.dtype == torch.float32 for v in values(compiled))
    assert_close(compiled, eager, tolerance=1e-5)
    assert graphs() == 1


@pytest.mark.parametrize("cls", [SGD, NovoGrad], ids=lambda c: c.__name__)
def test_groups_with_settings_of_their_own_and_one_that_joins_later(cls, graphs):
    def start(compile):
        first, second, third = fresh((3,), (2, 2), (2,))
        groups = [{"params": [first]}, {"params": [second], "lr": 0.01, "weight_decay": 0.2}]
        return cls(groups, lr=0.1, compile=compile), {"params": [third], "lr": 0.03}

    done = []
    for compile in (True, False):
        optimizer, late = start(compile)
        train(optimizer, 5)
        optimizer.add_param_group(late)
        train(optimizer, 7, first=6)
        done.append(optimizer)
    assert_close(*done)
    assert graphs() == 2


@pytest.mark.parametrize("cls", [Adam, LARS], ids=lambda c: c.__name__)
def test_a_batch(cls, graphs):
    done = []
    for compile in (True, False):
        rates = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
        optimizer = cls(fresh((3, 2), (3, 2, 2)), lr=rates, compile=compile, clip=by_global_norm(0.5))
        train(optimizer, 10)
        done.append(optimizer)
    assert_close(*done)
    assert graphs() == 1


def test_a_gradient_that_is_missing_for_a_while(graphs):
    done = []
    for compile in (True, False):
        optimizer = Adam(fresh((3,), (2,)), lr=0.1, compile=compile)
        params = optimizer.param_groups[0]["params"]
        for step in range(1, 13):
            for i, p in enumerate(params):
                p.grad = None if i == 1 and 4 <= step <= 6 else gradient(p, step)
            optimizer.step()
        done.append(optimizer)
    assert_close(*done)
    assert graphs() <= 3  # both at once, the first alone, both with different counts of steps


def test_lookahead_around_a_compiled_optimizer(graphs):
    done = []
    for compile in (True, False):
        optimizer = Lookahead(Adam(fresh((3,), (2, 2)), lr=0.1, compile=compile), k=3)
        train(optimizer, 10)
        done.append(optimizer)
    assert_close(*done)
    assert graphs() == 1


def test_saved_loaded_and_copied_it_continues(graphs):
    run = METHODS["Adam"]
    straight, _ = pair(run)
    train(straight, 10)
    first, _ = pair(run)
    train(first, 5)
    copied = copy.deepcopy(first)
    loaded, _ = pair(run)
    loaded.load_state_dict(copy.deepcopy(first.state_dict()))
    for p, v in zip(loaded.param_groups[0]["params"], values(first), strict=True):
        p.data.copy_(v)
    for optimizer in (copied, loaded):
        train(optimizer, 5, first=6)
        assert_close(optimizer, straight, tolerance=0)


def test_a_step_that_is_skipped_leaves_no_trace(graphs):
    compiled, eager = pair(METHODS["Momentum"], nonfinite="skip")
    for optimizer in (compiled, eager):
        train(optimizer, 4)
        for p in optimizer.param_groups[0]["params"]:
            p.grad = torch.full_like(p, float("nan"))
        optimizer.step()
        train(optimizer, 4, first=5)
    assert_close(compiled, eager)
    assert compiled.skipped == 1
    assert graphs() == 1


@pytest.mark.skipif(
    "isolate_recompiles" not in inspect.signature(torch.compile).parameters,
    reason="this torch cannot keep them apart",
)
def test_optimizers_do_not_use_up_each_others_limit_of_programs(graphs):
    with torch._dynamo.config.patch(recompile_limit=1, fail_on_recompile_limit_hit=True):
        for size in (2, 3, 5):
            train(SGD(fresh((size,)), lr=0.1, compile=True), 3)
    assert graphs() == 3


def test_without_a_compiler_it_says_so_once_and_goes_on(tmp_path):
    script = """
        import warnings
        import torch
        from lwlr_teach.optim import Adam
        from tests.optim.runs import fresh, train, values

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            compiled = Adam(fresh(), lr=0.1, compile=True)
            train(compiled, 5)
        ours = [str(w.message) for w in caught if "compile=True" in str(w.message)]
        assert len(ours) == 1, [str(w.message) for w in caught]
        assert "steps are taken eagerly" in ours[0], ours
        assert "needs a C++ compiler" in ours[0], ours
        eager = Adam(fresh(), lr=0.1)
        train(eager, 5)
        assert all(torch.equal(a, b) for a, b in zip(values(compiled), values(eager)))
        print("went on")
    """
    nothing = {
        "CXX": "/nonexistent",
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path),
        "TORCHINDUCTOR_FX_GRAPH_CACHE": "0",
    }
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=os.environ | nothing,
        capture_output=True,
        text=True,
    )
    assert result.stdout == "went on\n", result.stderr
