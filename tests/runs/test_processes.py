"""Several processes give the numbers of one, and none of them waits for ever.

The functions above the line are what the processes run; one launch runs many cases, and reports what
differed.
"""

import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
import traceback

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lwlr_teach.core.sharding import is_sharded, whole
from lwlr_teach.optim import LAMB, LARS, SGD, Adam
from lwlr_teach.runs import across, fit, fit_across, group, launch, load, save
from lwlr_teach.runs.processes import _failure, _Report
from lwlr_teach.schedules import Cosine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="no gloo"),
]

OPTIMIZERS = {
    "SGD": lambda model: SGD(model.parameters(), lr=0.1, momentum=0.9),
    "Adam": lambda model: Adam(model.parameters(), lr=0.03),
    "LARS": lambda model: LARS(model.parameters(), lr=1.0, momentum=0.9, weight_decay=1e-3),
    "LAMB": lambda model: LAMB(model.parameters(), lr=0.03, weight_decay=1e-3),
    "torch's AdamW": lambda model: torch.optim.AdamW(model.parameters(), lr=0.03),
}


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))


def batches(count=7, sizes=(6, 5, 3, 1)):
    """Of sizes that two or four processes cannot share evenly; of some a process gets nothing."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for i in range(count):
        x = torch.randn(sizes[i % len(sizes)], 5, generator=generator)
        found.append((x, torch.arange(len(x)) % 3))
    return found


def assert_same(model, done, alone, expected, tolerance):
    assert done.losses.dtype == torch.get_default_dtype()
    torch.testing.assert_close(done.losses, expected.losses, rtol=tolerance, atol=tolerance)
    for p, q in zip(model.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(whole(p), q, rtol=tolerance, atol=tolerance)
    one, other = done.recording, expected.recording
    assert one.layers == other.layers == ("0", "2")
    assert one.steps.tolist() == other.steps.tolist()
    wanted = max(tolerance * 10, 1e-5)  # a recording is float32
    torch.testing.assert_close(one.values, other.values, rtol=wanted, atol=wanted, equal_nan=True)


def case_the_numbers_of_one(how, name, dtype, tolerance, **options):
    torch.set_default_dtype(dtype)
    alone = net()
    model = across(net(seed=dist.get_rank()), how)  # rank 0 gives the weights
    assert is_sharded(next(model.parameters())) == (how == "fsdp")
    given = {"epochs": 2, "every": 2, "progress": False}
    done = fit_across(model, OPTIMIZERS[name](model), batches(), **given, **options)
    expected = fit(alone, OPTIMIZERS[name](alone), batches(), **given, **options)
    assert_same(model, done, alone, expected, tolerance)


def case_a_scheduler_of_the_loss(how):
    """Every process sees the same loss, to the last bit, so that all slow down at the same step."""
    torch.set_default_dtype(torch.float32)
    model = across(net(), how)
    optimizer = OPTIMIZERS["SGD"](model)
    schedule = ReduceLROnPlateau(optimizer, patience=0)
    done = fit_across(model, optimizer, batches(), epochs=2, schedule=schedule, progress=False)
    every = [None] * dist.get_world_size()
    dist.all_gather_object(every, (done.losses.tolist(), optimizer.param_groups[0]["lr"]))
    assert all(other == every[0] for other in every)
    assert every[0][1] < 0.1


def case_local_means_differ(how):
    """Means of parts, unweighted, would give other numbers; so the other cases could see it."""
    torch.set_default_dtype(torch.float64)
    alone, model = net(), across(net(), how)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lwlr_teach.runs.processes._of_all_rows", _unweighted)
        done = fit_across(model, OPTIMIZERS["SGD"](model), batches(sizes=(5,)), epochs=1, progress=False)
    expected = fit(alone, OPTIMIZERS["SGD"](alone), batches(sizes=(5,)), epochs=1, progress=False)
    with pytest.raises(AssertionError, match="not close"):
        assert_same(model, done, alone, expected, 1e-5)


def _unweighted(loss):
    def of_own(output, target):
        return loss(output, target.tensor_split(dist.get_world_size())[dist.get_rank()])

    return of_own


def case_saved(folder, how, name, then):
    """Saved after a half and taken up by another model, it goes on the same way; also as the other kind."""
    torch.set_default_dtype(torch.float64)
    straight, first, second = across(net(), how), across(net(), how), across(net(seed=5), then)
    rows = batches(8)
    one, two = OPTIMIZERS[name](straight), OPTIMIZERS[name](first)
    fit_across(straight, one, rows, epochs=1, progress=False)
    assert load(folder, first, two) == 0
    fit_across(first, two, rows[:2], epochs=1, progress=False)
    save(folder, first, two, 2)
    fit_across(first, two, rows[2:4], epochs=1, progress=False)
    save(folder, first, two, 4)
    dist.barrier()
    assert os.listdir(folder) == ["step-000000004"]
    three = OPTIMIZERS[name](second)
    assert load(folder, second, three) == 4
    fit_across(second, three, rows[4:], epochs=1, progress=False)
    for p, q in zip(second.parameters(), straight.parameters(), strict=True):
        torch.testing.assert_close(whole(p), whole(q), rtol=1e-12, atol=1e-12)


def case_bad_arguments(folder):
    torch.set_default_dtype(torch.float64)
    rank, model = dist.get_rank(), net()
    early = Adam(model.parameters())
    with pytest.raises(ValueError, match=r"how 'fdsp' is not known; did you mean fsdp or ddp\?"):
        across(model, "fdsp")
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got 3"):
        across(3)
    with pytest.raises(ValueError, match="model must be what across returns, got Sequential"):
        fit_across(model, early, batches(), steps=1)
    sharded = across(model, "fsdp")
    with pytest.raises(
        ValueError, match="optimizer must hold parameters of the model that across returned, and 4"
    ):
        fit_across(sharded, early, batches(), steps=1)
    with pytest.raises(ValueError, match="model must be of one process, got FSDPSequential"):
        across(sharded)
    shapes = r"2.weight is \(3, 7\) torch.float64 and \(4, 7\) torch.float64 at ranks 0 and 1"
    other = net()
    if rank == 1:
        other[2] = nn.Linear(7, 4)
    with pytest.raises(ValueError, match=f"model must be the same in all processes; {shapes}"):
        across(other)
    model = across(net())
    optimizer = Adam(model.parameters())
    own = [(x[rank:], y[rank:]) for x, y in batches()]
    with pytest.raises(ValueError, match="those of ranks 0 and 1 have 6 and 5 rows"):
        fit_across(model, optimizer, own, steps=1, progress=False)
    with pytest.raises(ValueError, match="have 6 and 6 rows, or other targets"):
        fit_across(model, optimizer, [(x, (y + rank) % 3) for x, y in batches()], steps=1, progress=False)
    assert not model._forward_pre_hooks
    assert not optimizer._optimizer_step_pre_hooks
    save(folder, model, optimizer, 1)
    larger = across(nn.Sequential(net(), nn.Linear(3, 3)))
    with pytest.raises(ValueError, match="is not a checkpoint of this model and optimizer"):
        load(folder, larger, Adam(larger.parameters()))


def case_shared_weights():
    """Children that share a parameter, and a list of layers, which is not called itself."""

    class Tied(nn.Module):
        def __init__(self, tied):
            super().__init__()
            torch.manual_seed(0)
            self.layers = nn.ModuleList([nn.Linear(5, 5), nn.Linear(5, 5)])
            self.out = nn.Linear(5, 5)
            if tied:
                self.out.weight = self.layers[0].weight

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).tanh()
            return self.out(x)

    torch.set_default_dtype(torch.float64)
    for tied in (False, True):
        alone, model = Tied(tied), across(Tied(tied), "fsdp")
        done = fit_across(model, OPTIMIZERS["SGD"](model), batches(), epochs=1, progress=False)
        expected = fit(alone, OPTIMIZERS["SGD"](alone), batches(), epochs=1, progress=False)
        torch.testing.assert_close(done.losses, expected.losses, rtol=1e-12, atol=1e-12)


WIDE, NARROW = (torch.float64, 1e-12), (torch.float32, 1e-5)
NUMBERS = {
    f"{how} {name} {dtype}": (case_the_numbers_of_one, how, name, dtype, tolerance)
    for how in ("ddp", "fsdp")
    for name in OPTIMIZERS
    for dtype, tolerance in (WIDE, NARROW)
}
MORE = {}
for _how in ("ddp", "fsdp"):
    MORE |= {
        f"{_how} accumulate": (case_the_numbers_of_one, _how, "Adam", *WIDE, {"accumulate": 2}),
        f"{_how} scheduled": (
            case_the_numbers_of_one,
            _how,
            "LARS",
            *WIDE,
            {"schedule": Cosine(14), "accumulate": 3},
        ),
        f"{_how} plateau": (case_a_scheduler_of_the_loss, _how),
        f"{_how} unweighted": (case_local_means_differ, _how),
    }
SAVED = {
    f"saved {how} {name}, then {then}": (case_saved, "folder", how, name, then)
    for how, name, then in [
        ("ddp", "SGD", "ddp"),
        ("fsdp", "Adam", "fsdp"),
        ("fsdp", "LARS", "ddp"),
        ("ddp", "LAMB", "fsdp"),
        ("fsdp", "torch's AdamW", "fsdp"),
    ]
}
OTHERS = {"bad arguments": (case_bad_arguments, "folder"), "shared weights": (case_shared_weights,)}
# Of four processes some hold nothing, and some get no rows.
FEW = (
    "ddp Adam torch.float64",
    "ddp LARS torch.float64",
    "fsdp SGD torch.float64",
    "fsdp LAMB torch.float64",
)
CASES = {2: NUMBERS | MORE | SAVED | OTHERS, 4: {name: NUMBERS[name] for name in FEW}}


def work(cases, folder):
    """One process: run the cases, and return what went wrong."""
    if dist.get_rank() == 0:
        print(f"{len(cases)} cases in {dist.get_world_size()} processes")
    report = {}
    for i, (name, (case, *args)) in enumerate(cases.items()):
        options = args.pop() if args and isinstance(args[-1], dict) else {}
        args = [f"{folder}/{i}" if arg == "folder" else arg for arg in args]
        try:
            case(*args, **options)
        except Exception:
            report[name] = traceback.format_exc()
            if "gloo" in report[name].lower() or "timeout" in report[name].lower():
                break  # they are out of step
    return report


def says_its_rank():
    print(f"{dist.get_rank()} of {dist.get_world_size()}")


def fails_at_one():
    if dist.get_rank() == 1:
        raise ZeroDivisionError("no rows at all")
    dist.all_reduce(torch.ones(1))


def leaves_early():
    for _ in range(2 if dist.get_rank() == 1 else 4):
        dist.all_reduce(torch.ones(1))


def is_killed():
    if dist.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    dist.all_reduce(torch.ones(1))


def waits():
    if dist.get_rank() == 1:
        time.sleep(600)
    dist.all_reduce(torch.ones(1))


def trains(folder):
    """Twelve steps, kept every three; in the first attempt rank 1 is killed after the seventh gradient."""
    torch.set_default_dtype(torch.float64)
    model = across(net(), "fsdp")
    optimizer = OPTIMIZERS["LAMB"](model)
    attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    rows = batches(12)
    begun = step = load(folder, model, optimizer)
    while step < 12:
        if step == 6 and attempt == 0 and dist.get_rank() == 1:
            optimizer.register_step_pre_hook(lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        fit_across(model, optimizer, rows[step : step + 3], epochs=1, progress=False)
        step += 3
        save(folder, model, optimizer, step)
    return begun, attempt, [whole(p.detach()) for p in model.parameters()]


SCRIPT = """
from lwlr_teach.runs import group
from tests.runs.test_processes import says_its_rank
if __name__ == "__main__":
    with group():
        says_its_rank()
"""


# --- the tests --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    found = {}

    def of(processes):
        if processes not in found:
            folder = tmp_path_factory.mktemp("processes")
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                found[processes] = launch(
                    work, CASES[processes], str(folder), processes=processes, seconds=240
                )
            assert said.getvalue() == f"{len(CASES[processes])} cases in {processes} processes\n"  # rank 0's
        return found[processes]

    return of


@pytest.mark.parametrize(("processes", "case"), [(n, case) for n, cases in CASES.items() for case in cases])
def test_processes_give_the_numbers_of_one(processes, case, reports):
    for rank, report in enumerate(reports(processes)):
        assert case not in report, f"process {rank}: {report[case]}"


def test_a_group_of_one(monkeypatch):
    """In the test's own process, as below torchrun."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    for name, value in {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": "0",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        with group():
            assert work(CASES[4], "") == {}
        assert not dist.is_initialized()
    finally:
        torch.set_default_dtype(dtype)
    assert torch.get_num_threads() == threads


def test_an_error_in_one_process_ends_all_and_is_told():
    with pytest.raises(
        RuntimeError, match=r"rank 1 of 2: ZeroDivisionError: no rows at all\n(?s:.*)in fails_at_one"
    ):
        launch(fails_at_one, seconds=120)


def test_a_process_that_leaves_early_is_named():
    with pytest.raises(
        RuntimeError, match=r"rank 0 of 2 was left alone: rank 1 had returned\. All processes must"
    ):
        launch(leaves_early, seconds=120)


def test_a_process_that_is_killed_is_named():
    with pytest.raises(
        RuntimeError, match="rank 1 of 2 was ended by SIGKILL, as the system does where memory"
    ):
        launch(is_killed, seconds=120)


def test_processes_that_wait_end_at_the_limit():
    begun = time.time()
    with pytest.raises(TimeoutError, match=r"the 2 processes had not ended after seconds=12\."):
        launch(waits, seconds=12)  # where they stood depends on how fast they begin
    assert 12 <= time.time() - begun < 40


def test_where_a_process_stood_is_told(tmp_path):
    (tmp_path / "attempt0").mkdir()
    (tmp_path / "attempt0" / "stood1").write_text("Timeout!\n  File train.py, line 3 in waits")
    error = _failure([_Report(tmp_path, rank) for rank in range(2)], "", 5, late=False)
    assert isinstance(error, TimeoutError)
    assert str(error).endswith("after seconds=5.\nrank 1:\nTimeout!\n  File train.py, line 3 in waits")


def made_in_float64(make, *args):
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return make(*args)
    finally:
        torch.set_default_dtype(before)


def test_a_killed_process_is_begun_again_and_the_end_is_the_same(tmp_path):
    found = launch(trains, str(tmp_path), seconds=120, restarts=1)
    assert [run[:2] for run in found] == [(6, 1), (6, 1)]
    alone = made_in_float64(net)
    fit(alone, OPTIMIZERS["LAMB"](alone), made_in_float64(batches, 12), epochs=1, progress=False)
    torch.testing.assert_close(found[0][2], [p.detach() for p in alone.parameters()], rtol=1e-12, atol=1e-12)


def test_the_same_function_runs_on_two_nodes(tmp_path):
    """Two torchruns, as on two machines."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    command += ["--rdzv-backend=c10d", "--rdzv-id=7", "--local-addr=localhost"]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        command += [f"--rdzv-endpoint=localhost:{free.getsockname()[1]}"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    options = {"env": env, "stdout": subprocess.PIPE, "text": True}
    nodes = [subprocess.Popen([*command, str(tmp_path / "script.py")], **options) for _ in range(2)]
    said = sorted(node.communicate(timeout=120)[0] for node in nodes)
    assert said == ["0 of 2\n", "1 of 2\n"]


def test_bad_arguments():
    with pytest.raises(ValueError, match="processes must be at least 1, got 0"):
        launch(work, {}, "", processes=0)
    with pytest.raises(ValueError, match="seconds must be a finite number > 0, got 0"):
        launch(work, {}, "", seconds=0)
    with pytest.raises(ValueError, match="restarts must be at least 0, got -1"):
        launch(work, {}, "", restarts=-1)
    with pytest.raises(ValueError, match=r"backend 'glo' is not known; did you mean gloo\?"):
        launch(work, {}, "", backend="glo")
    with pytest.raises(ValueError, match=r"backend 'nccl' is not available for 99 processes and .* GPUs"):
        launch(work, {}, "", backend="nccl", processes=99)
    with pytest.raises(TypeError, match=r"function must be a function, for example train.train, got 3"):
        launch(3)
    with pytest.raises(ValueError, match=r"function must be one that its module names, got .*<lambda>"):
        launch(lambda: None)
    with pytest.raises(TypeError, match=r"args must be what pickle can send to another process: .*lambda"):
        launch(work, lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fails_at_one, "__module__", "__main__")
        with pytest.raises(ValueError, match=r"got fails_at_one of __main__; .*%%writefile"):
            launch(fails_at_one)
    with pytest.raises(RuntimeError, match="across is for one of several processes"):
        across(net())
    with pytest.raises(RuntimeError, match="is for a process that torchrun has started"), group():
        pass
