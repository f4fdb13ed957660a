"""Blocks on a Ray cluster: the numbers of one process, progress, stops, killed processes, errors."""

import functools
import gc
import math
import os
import re
import signal
import sys
import time
import warnings
import weakref
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from lwlr_teach.core import cluster as module
from lwlr_teach.core.cluster import check_cluster, join, spread
from lwlr_teach.runs import Contestant, ensemble, race, races, search_rate, sweep, sweeps, train_ensemble
from lwlr_teach.schedules import Cosine

pytestmark = pytest.mark.slow

OWN = """
def mine(grad, state, step, *, lr=0.1):
    return grad.sign() * share, state
share = 0.5
"""


def of_a_notebook(source=OWN, name="mine", **values):
    """A function as a notebook's cell defines it: of a module that no other process can import."""
    cell = {"__name__": "__main__", **values}
    exec(source, cell)
    return cell[name]


@pytest.fixture(scope="module", autouse=True)
def ray():
    """A cluster of two processors, that ``cluster="local"`` starts."""
    ray = pytest.importorskip("ray")
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(action="ignore", category=ResourceWarning),
    ):
        patch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
        patch.setattr(ray, "init", functools.partial(ray.init, num_cpus=2, object_store_memory=100 * 2**20))
        try:
            if not _starts_in_time():
                pytest.skip(_TOO_BUSY)
            yield ray
        finally:
            ray.shutdown()  # ends its processes, and does not wait for their end
            gc.collect()


_TOO_BUSY = "this machine is too busy just now for Ray, whose own processes have 15 seconds to start"


def _starts_in_time():
    begun = time.monotonic()
    try:
        join("local")
    except Exception as error:  # Ray has no class of its own for this one
        if "timed out during startup" not in str(error):
            raise
        return False
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    return time.monotonic() - begun <= 60


def spread_them(function, blocks, **changes):
    how = dict(cluster="local", kind="blocks", says="", steps=1, progress=False)
    return spread(function, blocks, **(how | changes))


def said(capsys):
    """What was printed, but for Ray's own word, sooner or later, that a worker which was ended has failed."""
    return "".join(line for line in capsys.readouterr().out.splitlines(True) if "(raylet)" not in line)


def same(found, wanted, names, rows=slice(None)):
    for name in names.split():
        one, other = getattr(found, name), getattr(wanted, name)[rows]
        assert torch.equal(one.nan_to_num(), other.nan_to_num()), name
        assert torch.equal(one.isnan(), other.isnan()), name


# --- the numbers ------------------------------------------------------------------------------------------

RUNS = {
    "sweep": (
        lambda **how: sweep(
            "noisy quadratic", ["SGD", "Adam", mine], lr=[0.01, 0.3], steps=20, seed=3, **how
        ),
        "paths losses diverged_at reached_at",
    ),
    "train_ensemble": (
        lambda **how: train_ensemble(["SGD", "Adam", mine], lr=[0.01, 100.0], seeds=2, steps=12, **how),
        "batch_losses train_loss test_accuracy",
    ),
    "race": (
        lambda **how: race(
            ["SGD", Contestant("Adam", Cosine(12)), Contestant("SGD", layers=[1.0, 0.1], name="slow")],
            lr=[0.01, 0.1],
            seeds=2,
            choosers=1,
            steps=12,
            checkpoints=3,
            **how,
        ),
        "lr valid_loss valid_accuracy test_accuracy operations_per_step",
    ),
}
mine = of_a_notebook()


@pytest.mark.parametrize("name", RUNS)
def test_the_numbers_are_those_of_one_process(name):
    run, numbers = RUNS[name]
    here, there = run(progress=False), run(progress=False, cluster="local")
    same(there, here, numbers)
    if name == "race":
        assert there.names == here.names
        assert there.checkpoints.tolist() == [4, 8, 12]
        assert there.table().places == here.table().places
    else:
        assert there.names == ("SGD", "Adam", "mine")


@pytest.mark.parametrize("name", RUNS)
def test_the_blocks_that_are_done_are_kept_in_their_order(name, monkeypatch):
    """Of three the first and the last, as after an interruption."""
    run, numbers = RUNS[name]
    for room in (sweeps, ensemble, races):
        monkeypatch.setattr(room, "spread", lambda f, blocks, **how: {i: f(blocks[i]) for i in (0, 2)})
    whole, part = run(progress=False), run(progress=False, cluster="local")
    assert part.names == (whole.names[0], whole.names[2])
    same(part, whole, numbers, [0, 2])


# --- progress and stops -----------------------------------------------------------------------------------


class Bar:
    """Says where it stands."""

    def __init__(self, then=lambda: None):
        self.then, self.moves = then, []

    @contextmanager
    def __call__(self, says, total, *, shown):
        self.says, self.total, self.shown = says, total, shown
        yield self

    def update(self, steps):
        self.moves.append(steps)
        self.then()


def first_or_wait(path):
    """A function that ends at once where it is called first, and else when there is such a file.

    Which block that is nobody knows: a cluster begins them in any order.
    """

    def block(i):
        try:
            path.with_suffix(".first").open("x").close()
        except FileExistsError:
            while not path.exists():
                time.sleep(0.01)
        return 10 * i

    return block


def test_the_bar_moves_as_blocks_end(monkeypatch, tmp_path):
    path = tmp_path / "moved"
    bar = Bar(path.touch)  # the second block ends only when the bar has moved for the first
    monkeypatch.setattr(module, "progress_bar", bar)
    found = spread_them(first_or_wait(path), [0, 1], says="words", steps=7, progress=True)
    assert found == {0: 0, 1: 10}
    assert (bar.says, bar.total, bar.shown, bar.moves) == ("words", 14, True, [7, 7])


def test_an_interruption_before_the_first_block_is_one(ray, monkeypatch):
    def interrupt(*args, **how):
        raise KeyboardInterrupt

    monkeypatch.setattr(ray, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):  # nothing to keep
        spread_them(lambda i: i, [0])


def test_an_interruption_ends_what_is_not_done(monkeypatch, tmp_path, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "progress_bar", Bar(interrupt))
    found = spread_them(first_or_wait(tmp_path / "never"), [0, 1, 2, 3])
    [(i, value)] = found.items()
    assert value == 10 * i
    assert said(capsys) == "Interrupted: 1 of 4 blocks are done, and are kept.\n"
    monkeypatch.undo()
    both = tmp_path / "both"  # both processors are free again: these two wait for one another
    both.mkdir()

    def meet(i):
        (both / str(i)).touch()
        while len(list(both.iterdir())) < 2:
            time.sleep(0.01)
        return i

    assert spread_them(meet, [0, 1]) == {0: 0, 1: 1}


# --- killed processes and errors --------------------------------------------------------------------------

KILLED_ONCE = """
import os, signal
def mine(grad, state, step, *, lr=0.1):
    if step == 5 and os.getpid() != here and not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return grad.sign(), state
"""


def test_a_killed_process_loses_nothing(tmp_path):
    path = tmp_path / "killed"
    rule = of_a_notebook(KILLED_ONCE, path=str(path), here=os.getpid())
    settings = dict(lr=[0.01, 0.1], steps=10, progress=False)
    there = sweep("noisy quadratic", ["SGD", rule], cluster="local", **settings)
    assert path.exists()
    same(there, sweep("noisy quadratic", ["SGD", rule], **settings), "paths losses")


def test_work_that_kills_every_process_is_named(monkeypatch):
    monkeypatch.setattr(module, "RETRIES", 0)
    monkeypatch.setattr(module, "_WAITING", {})  # as on a cluster that somebody else has started
    with pytest.raises(RuntimeError, match="1 processes of the cluster were killed at the same work"):
        spread_them(lambda i: os.kill(os.getpid(), signal.SIGKILL), [0])


def test_an_error_in_a_block_is_raised_as_it_is(tmp_path):
    wait = first_or_wait(tmp_path / "never")

    def block(i):
        wait(i)
        raise LookupError("no such layer")

    with pytest.raises(LookupError, match="no such layer") as caught:
        spread_them(block, [0, 1, 2])
    assert type(caught.value) is LookupError
    assert caught.value.__notes__ == [
        "This was raised on the cluster; without it, the lines that led here are shown."
    ]


def test_workers_wait_for_the_next_call():
    first = spread_them(lambda i: os.getpid(), [0, 1]).values()
    assert {*spread_them(lambda i: os.getpid(), [0, 1]).values()} <= {*first}


def test_a_worker_that_waits_keeps_nothing(monkeypatch):
    monkeypatch.setattr(module, "_ray", lambda: SimpleNamespace(get=lambda sent: sent))
    worker, function = module._Worker(), functools.partial(max, 3)
    assert worker.run([function], 5) == worker.run([function], 5) == 5
    left = weakref.ref(function)
    del function
    assert left() is not None
    worker.ready()
    assert left() is None


def test_a_block_has_one_thread():
    assert spread_them(lambda i: torch.get_num_threads(), [0]) == {0: 1}


# --- the argument -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error"), [(3, TypeError), ("", ValueError), ("locla", ValueError), ("ray://a:1", ValueError)]
)
def test_what_is_no_cluster_is_named(wrong, error):
    says = 'cluster must be None, "local", "auto" or an address such as "10.0.0.1:6379", got '
    for run in (
        lambda: sweep("quadratic", lr=[0.1], cluster=wrong),
        lambda: train_ensemble(lr=[0.1], cluster=wrong),
        lambda: race(["SGD"], lr=[0.1], cluster=wrong),
        lambda: search_rate(valley, trials=2, low=0.1, high=1.0, cluster=wrong),
    ):
        with pytest.raises(error, match=says + f"{wrong!r}"):
            run()


def test_a_cluster_computes_on_its_processors():
    with pytest.raises(ValueError, match="device must be 'cpu' with a cluster, got 'meta'"):
        check_cluster("local", torch.device("meta"))


def test_without_ray_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        ModuleNotFoundError, match=r'cluster needs the package ray: pip install "lwlr-teach\[ray\]"'
    ):
        sweep("quadratic", lr=[0.1], cluster="local")
    sweep("quadratic", lr=[0.1], steps=1)  # which needs none


def test_a_process_is_in_one_cluster(ray, monkeypatch):
    here = ray.get_runtime_context().gcs_address
    assert join("auto") is join(here) is join("local") is ray
    monkeypatch.setitem(module._KNOWN, "first-machine:6379", here)  # it was joined under this name
    assert join("first-machine:6379") is ray
    with pytest.raises(
        ValueError, match=f"cluster must be the one that this process has joined, {here}, got "
    ):
        sweep("quadratic", lr=[0.1], cluster="10.0.0.1:6379")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999"])
def test_a_cluster_that_is_not_there_is_named(ray, monkeypatch, address):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ConnectionError, match=f"cluster '{address}' does not answer"):
        sweep("quadratic", lr=[0.1], cluster=address)


# --- searches ---------------------------------------------------------------------------------------------

SEARCH = dict(low=1e-4, high=10.0, cluster="local")


def valley(rate):
    distance = abs(math.log10(rate) + 1)
    for rung in range(9):
        yield distance + 0.5**rung


def test_random_trials_at_once_are_those_one_after_another(tmp_path):
    alone = SEARCH | {"cluster": None}
    same(*(search_rate(valley, trials=4, seed=4, **how) for how in (SEARCH, alone)), "lr losses")
    first = search_rate(valley, trials=4, seed=4, **alone, storage=tmp_path / "study")
    more = search_rate(valley, trials=6, seed=4, **SEARCH, storage=tmp_path / "study")
    here = search_rate(valley, trials=6, seed=4, **alone, storage=tmp_path / "another")
    assert torch.equal(more.lr[:4], first.lr)
    same(more, here, "lr losses")


def test_two_trials_run_at_once(tmp_path):
    def meet(rate):
        (tmp_path / str(rate)).touch()
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
        yield rate

    assert search_rate(meet, trials=2, **SEARCH).cost == 2


def test_halving_ends_trials_on_the_cluster():
    def endless(rate):
        yield from valley(rate)
        while rate < 0.01 or rate > 1:  # far from the best: these are stopped at a rung
            time.sleep(0.01)
            yield 10.0

    found = search_rate(endless, trials=12, pruner="halving", **SEARCH)
    assert len(found.lr) == 12
    assert 9 in found.rungs
    assert (found.rungs < 9).any()


def test_a_budget_is_kept_on_the_cluster():
    assert search_rate(valley, trials=20, budget=31, **SEARCH).cost == 31


def test_a_search_goes_on_after_a_killed_process(tmp_path):
    path, here = tmp_path / "killed", os.getpid()

    def objective(rate):
        for i, loss in enumerate(valley(rate)):
            if i == 4 and os.getpid() != here and not path.exists():
                path.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            yield loss

    there = search_rate(objective, trials=3, **SEARCH)
    assert path.exists()
    same(there, search_rate(objective, trials=3, **(SEARCH | {"cluster": None})), "lr losses")


def test_an_interrupted_search_keeps_what_it_has(ray, monkeypatch, capsys, tmp_path):
    wait, calls = ray.wait, []

    def stopping(*args, **how):
        calls.append(args)
        if len(calls) == 13:
            raise KeyboardInterrupt
        return wait(*args, **how)

    monkeypatch.setattr(ray, "wait", stopping)
    part = search_rate(valley, trials=30, storage=tmp_path / "study", **SEARCH)
    assert re.fullmatch(r"Interrupted in trial \d of 30. What is done is kept.\n", said(capsys))
    assert 9 <= part.cost <= 10  # of twelve, two said that a worker is there, and one may be a trial's end


def test_an_error_of_the_objective_is_raised():
    def broken(rate):
        yield 1.0
        raise OSError("no data")

    with pytest.raises(OSError, match="no data") as caught:
        search_rate(broken, trials=3, **SEARCH)
    assert type(caught.value) is OSError
