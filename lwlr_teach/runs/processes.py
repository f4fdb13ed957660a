"""Training in several processes: torch's own machinery, with the numbers of one process.

    # train.py
    def train(steps):
        model = across(digits_cnn(), "fsdp")
        done = fit_across(model, Adam(model.parameters()), Minibatches(x, y), steps=steps)
        return done.losses

    # a notebook, or any program
    losses = launch(train, 300, processes=2)[0]

:func:`launch` starts the processes of one machine with ``torchrun``. On several machines ``torchrun`` is
called by hand, and the same function runs inside ``with group():``; ``docs/several-machines.md`` shows it.

Every process is given the same batches and works on its own rows of each. Gradients are means over all
rows, also where the rows cannot be shared out evenly, so that losses, weights and recordings are those of one
process up to rounding. Two things are not: batch normalisation sees a process's rows alone
(``torch.nn.SyncBatchNorm`` sees all, on GPUs), and each process draws its own dropout.
"""

from __future__ import annotations

import datetime
import faulthandler
import json
import math
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lwlr_teach.core.checks import (
    check_choice,
    check_count,
    check_function,
    check_made,
    check_number,
    with_inner,
)
from lwlr_teach.core.sharding import is_sharded
from lwlr_teach.runs.training import Fit, fit

_GRACE = 10  # seconds that torchrun has to end its processes


# --- starting processes -----------------------------------------------------------------------------------


def launch(
    function: Callable[..., Any],
    *args: Any,
    processes: int = 2,
    seconds: float = 600,
    restarts: int = 0,
    backend: str | None = None,
) -> list[Any]:
    """Run ``function(*args)`` in so many processes of this machine at once; what each returned, by rank.

    What rank 0 prints is printed here. To start takes seconds: each process loads torch and the package.

    Args:
        function: one of a module that can be imported. A notebook's own functions cannot be: write the cell
            to a file with ``%%writefile train.py`` and import it.
        args: what pickle can send; so must be what the function returns.
        seconds: the limit for everything, from the start of the processes on.
        restarts: how often all processes are begun again when one fails; see :func:`save`.
        backend: as in :func:`group`.

    Raises:
        TimeoutError: the limit has passed; it says where each process stood.
        RuntimeError: a process failed. All others are ended, and it names the rank and its error.
    """
    check_function("function", function, "train.train")
    check_count("processes", processes)
    check_number("seconds", seconds, above=0)
    check_count("restarts", restarts, low=0)
    _check_backend(backend, processes)
    address = _pickled(function)
    try:
        arguments = pickle.dumps((args, backend, seconds))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(f"args must be what pickle can send to another process: {error}") from None
    with tempfile.TemporaryDirectory(prefix="lwlr-launch-") as name:
        folder = Path(name)
        (folder / "function").write_bytes(address)
        (folder / "arguments").write_bytes(arguments)
        deadline = time.time() + seconds
        said = _torchrun(folder, processes, restarts, seconds)
        reports = [_Report(folder, rank) for rank in range(processes)]
        if all(report.returned for report in reports):
            return [pickle.loads(report.path("result").read_bytes()) for report in reports]
        raise _failure(reports, said, seconds, late=time.time() >= deadline)


def _pickled(function: Callable[..., Any]) -> bytes:
    """The function's address, which pickle writes."""
    name = getattr(function, "__qualname__", repr(function))
    advice = (
        "write it at the top level of a file (in a notebook: a cell that begins with %%writefile train.py)"
    )
    if getattr(function, "__module__", None) == "__main__":
        raise ValueError(
            f"function must be of a module that can be imported, got {name} of __main__; {advice}"
        )
    try:
        return pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"function must be one that its module names, got {name}: {error}; {advice}"
        ) from None


def _torchrun(folder: Path, processes: int, restarts: int, seconds: float) -> str:
    """Run the processes to their end, one way or the other; what torchrun had to say."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"),
        # Port 0 is one that is free.
        *("--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--local-addr=localhost"),
        *(f"--max-restarts={restarts}", f"--shutdown-timeout={_GRACE // 2}", "--local-ranks-filter=0"),
        *("--no-python", sys.executable, "-c", "from lwlr_teach.runs import processes; processes._work()"),
        *(str(folder), str(time.time() + seconds)),
    ]
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
    threads = os.environ.get("OMP_NUM_THREADS", "1")  # torchrun's own choice, which it would tell
    env = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1"}
    # Else a second attempt finds the addresses of the first in torchrun's store, and gloo calls processes
    # that are gone.
    env["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    with (
        (folder / "stderr").open("w+", encoding="utf-8", errors="replace") as stderr,
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=stderr, text=True, errors="replace"
        ) as running,
    ):
        # The processes end themselves at the limit, and torchrun with them; this is for what they cannot.
        limit = threading.Timer(seconds + _GRACE, running.terminate)
        limit.daemon = True
        limit.start()
        try:
            assert running.stdout is not None
            for line in running.stdout:
                print(line, end="")
            running.wait()
        except BaseException:  # the stop button
            running.terminate()
            _wait(running)
            raise
        finally:
            limit.cancel()
        stderr.seek(0)
        return stderr.read()


def _wait(running: subprocess.Popen[str]) -> None:
    try:
        running.wait(_GRACE)
    except subprocess.TimeoutExpired:
        running.kill()


class _Report:
    """What a process has left of its last attempt."""

    def __init__(self, folder: Path, rank: int) -> None:
        attempts = sorted(folder.glob("attempt*"), key=lambda path: int(path.name.removeprefix("attempt")))
        self.rank = rank
        self._folder = attempts[-1] if attempts else folder
        self.returned = self.path("result").exists()
        self.stood = self._read("stood")
        self.when, self.error, self.trace = math.inf, "", ""
        if text := self._read("error"):
            self.when, self.error, self.trace = json.loads(text)

    def path(self, what: str) -> Path:
        return self._folder / f"{what}{self.rank}"

    def _read(self, what: str) -> str:
        return self.path(what).read_text("utf-8") if self.path(what).exists() else ""


# What a process says when it is another that has gone.
_LEFT_ALONE = re.compile(
    r"gloo|Connection (closed|reset|refused)|Broken pipe|NCCL|Dist\w+Error", re.IGNORECASE
)
_WHY = {"SIGKILL": ", as the system does where memory runs out"}
# torchrun's words for a process that has ended.
_ENDED = re.compile(r"rank\s*: (\d+) \(local_rank.*?exitcode\s*: (-?\d+)", re.DOTALL)


def _failure(reports: list[_Report], said: str, seconds: float, late: bool) -> Exception:
    """What went wrong first."""
    count = len(reports)
    if late or any(report.stood for report in reports):
        stood = "\n".join(f"rank {report.rank}:\n{report.stood}" for report in reports if report.stood)
        return TimeoutError(f"the {count} processes had not ended after seconds={seconds:g}.\n{stood}")
    first = min(reports, key=lambda report: report.when)
    gone = {int(rank): int(code) for rank, code in _ENDED.findall(said)}
    for report in reports:
        code = gone.get(report.rank, 0)
        if not report.error and not report.returned and code not in (0, -signal.SIGTERM):
            how = f"ended with exit code {code}"
            if code < 0:
                name = signal.Signals(-code).name
                how = f"was ended by {name}{_WHY.get(name, '')}"
            if not first.error or _LEFT_ALONE.search(first.error):
                return RuntimeError(f"rank {report.rank} of {count} {how}\n{said[-2000:]}")
    if not first.error:
        return RuntimeError(f"the {count} processes did not start:\n{said[-4000:]}")
    returned = [report.rank for report in reports if report.returned]
    if returned and _LEFT_ALONE.search(first.error):
        ranks = ", ".join(map(str, returned))
        return RuntimeError(
            f"rank {first.rank} of {count} was left alone: rank {ranks} had returned. All processes "
            f"must take the same steps\n{first.trace}"
        )
    return RuntimeError(f"rank {first.rank} of {count}: {first.error}\n{first.trace}")


def _work() -> None:
    """What each process of :func:`launch` does."""
    rank, attempt = os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"]
    folder, deadline = Path(sys.argv[1]), float(sys.argv[2])
    left = deadline - time.time()
    if left <= 0:
        sys.exit("the limit has passed")
    reports = folder / f"attempt{attempt}"
    reports.mkdir(exist_ok=True)
    with (reports / f"stood{rank}").open("w", encoding="utf-8") as stood:
        # Also for a process whose torchrun is gone, and for one that waits for another in C++.
        faulthandler.dump_traceback_later(left, exit=True, file=stood)
        try:
            function = pickle.loads((folder / "function").read_bytes())
            args, backend, seconds = pickle.loads((folder / "arguments").read_bytes())
            with group(backend=backend, seconds=seconds + _GRACE):
                result = pickle.dumps(function(*args))
                # Before the group ends: whoever is left alone fails only then.
                (reports / f"result{rank}").write_bytes(result)
        except BaseException as error:
            said = [time.time(), f"{type(error).__name__}: {error}", traceback.format_exc()]
            (reports / f"writes{rank}").write_text(json.dumps(said), "utf-8")
            (reports / f"writes{rank}").replace(reports / f"error{rank}")  # torchrun may end it at any time
            raise
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def group(*, backend: str | None = None, seconds: float = 600) -> Iterator[None]:
    """Make this process, which ``torchrun`` has started, one of the group, for a ``with`` block.

    Args:
        backend: ``"nccl"``, where each process of this machine has a GPU of its own, or ``"gloo"``, on the
            CPU. By default the first that there is.
        seconds: how long one process waits for another before it raises.
    """
    if "RANK" not in os.environ:
        raise RuntimeError(
            "group() is for a process that torchrun has started; launch starts some on this machine"
        )
    backend = _check_backend(backend, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    check_number("seconds", seconds, above=0)
    if backend == "nccl":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group(backend, timeout=datetime.timedelta(seconds=seconds))
    yield  # after an error the process ends, and with it the group
    dist.destroy_process_group()


def _check_backend(backend: str | None, processes: int) -> str:
    if not dist.is_available():
        raise RuntimeError("this torch was built without torch.distributed")
    gpus = torch.cuda.device_count()
    there = {"nccl": dist.is_nccl_available() and gpus >= processes, "gloo": dist.is_gloo_available()}
    here = [name for name, available in there.items() if available]
    if not here:
        raise RuntimeError("this torch has neither nccl nor gloo")
    if backend is None:
        return here[0]
    if not check_choice("backend", backend, there):
        raise ValueError(
            f"backend {backend!r} is not available for {processes} processes and {gpus} GPUs; "
            f"this machine has {', '.join(here)}"
        )
    return backend


# --- a model across the processes -------------------------------------------------------------------------


def across(model: nn.Module, how: str = "ddp") -> nn.Module:
    """The model on all processes of the group, with the weights of rank 0. Make the optimizer after this.

    Args:
        how: ``"ddp"``: every process holds all of it, and gradients are averaged
            (``DistributedDataParallel``). ``"fsdp"``: every process holds a part of each parameter, of its
            gradient and of the optimizer's state, and gathers a child of the model while it is computed
            (``fully_shard``, FSDP2). For other parts than children use ``fully_shard`` yourself;
            :func:`fit_across` takes such a model, too.
    """
    check_choice("how", how, {"ddp": None, "fsdp": None})
    _check_group("across")
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {model!r}")
    if _is_across(model):
        raise ValueError(f"model must be of one process, got {type(model).__name__}, which is across several")
    _check_same_model(model)
    model.to(_device())
    if how == "ddp":
        return nn.parallel.DistributedDataParallel(model)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    for tensor in [*model.parameters(), *model.buffers()]:
        dist.broadcast(tensor.detach(), 0)
    mesh = init_device_mesh(_device().type, (dist.get_world_size(),))
    for block in _blocks(model):
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def _blocks(model: nn.Module) -> list[nn.Module]:
    """The children that are gathered one after the other; none where they share a parameter."""
    children: list[nn.Module] = []
    for child in model.children():
        listed = isinstance(child, nn.ModuleList | nn.ModuleDict)  # it is not called itself
        children += child.children() if listed else [child]
    blocks = [child for child in children if next(child.parameters(), None) is not None]
    held = [param for block in blocks for param in set(block.parameters())]
    return blocks if len(held) == len(set(held)) else []


def _is_across(model: nn.Module) -> bool:
    ddp = isinstance(model, nn.parallel.DistributedDataParallel)
    return ddp or any(is_sharded(param) for param in model.parameters())


def _check_group(name: str) -> None:
    if not dist.is_initialized():
        raise RuntimeError(f"{name} is for one of several processes: call it in a function that launch runs")


def _check_same_model(model: nn.Module) -> None:
    """Raise in all processes if the models are not of the same shapes."""
    mine = {name: (tuple(p.shape), str(p.dtype)) for name, p in model.named_parameters()}
    every: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(every, mine)
    for rank, other in enumerate(every):
        for name in [*every[0], *other]:
            if every[0].get(name) != other.get(name):
                shapes = " and ".join(_shape(one.get(name)) for one in (every[0], other))
                raise ValueError(
                    f"model must be the same in all processes; {name} is {shapes} at ranks 0 and {rank}"
                )


def _shape(found: tuple[tuple[int, ...], str] | None) -> str:
    return "missing" if found is None else f"{found[0]} {found[1]}"


def _device() -> torch.device:
    """Where this process computes."""
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def fit_across(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    progress: bool = True,
    **options: Any,
) -> Fit:
    """:func:`lwlr_teach.runs.fit` in each process of a group; losses and recording are those of all rows.

    Args:
        model: what :func:`across` returns.
        optimizer: of ``model.parameters()``, made after :func:`across`.
        batches: the same in all processes (the same seed); of (input, target), rows first, each process takes
            its part of the rows and moves it to its device. Parts differ by a row at most, and may be empty.
        loss: a mean over the rows.
        options: ``steps``, ``epochs``, ``schedule``, ``recorder``, ``every``, ``accumulate``, as in ``fit``.
            With ``accumulate`` each part of a batch is shared out among the processes.
    """
    _check_group("fit_across")
    if not isinstance(model, nn.Module) or not _is_across(model):
        raise ValueError(f"model must be what across returns, got {type(model).__name__}")
    _check_holds(optimizer, model)
    check_made("loss", loss, "torch.nn.functional.cross_entropy")
    handle = model.register_forward_pre_hook(lambda module, given: tuple(map(_own_rows, given)))
    try:
        return fit(
            model,
            optimizer,
            batches,
            loss=_of_all_rows(loss),
            progress=progress and dist.get_rank() == 0,
            **options,
        )
    finally:
        handle.remove()


def _check_holds(optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    for inner in with_inner(optimizer):
        if isinstance(inner, torch.optim.Optimizer):
            held = [param for group in inner.param_groups for param in group["params"]]
            others = len(set(held) - set(model.parameters()))
            if others:
                raise ValueError(
                    f"optimizer must hold parameters of the model that across returned, and {others} of its "
                    f"{len(held)} are others; make it after across, from model.parameters()"
                )


def _own_rows(rows: Tensor) -> Tensor:
    """This process's part of a batch."""
    return rows.tensor_split(dist.get_world_size())[dist.get_rank()].to(_device())


def _of_all_rows(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The mean over the rows of all processes. Its value is the same everywhere, bit for bit; its gradient is
    the mean of the processes' gradients, which DDP and FSDP take."""

    def of_all(output: Tensor, target: Tensor) -> Tensor:
        own = _own_rows(target)
        mean = loss(output, own) if len(own) else output.sum() * 0
        share = mean * (len(own) / len(target))
        total = _gathered(share.detach(), target)[:, 0].sum().to(share.dtype)
        return total + (share - share.detach()) * dist.get_world_size()

    return of_all


def _gathered(share: Tensor, target: Tensor) -> Tensor:
    """Of each process its share of the loss, and what shows whether it has the same batch: (process, 3)."""
    flat = target.detach().flatten().to(torch.float64)
    mark = (flat * torch.linspace(1, 2, len(flat), dtype=torch.float64, device=flat.device)).sum()
    mine = torch.stack([one.to(_device(), torch.float64) for one in (share, torch.tensor(len(target)), mark)])
    every = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(every, mine)
    found = torch.stack(every)
    for rank, other in enumerate(found):
        if not torch.allclose(other[1:], found[0, 1:], rtol=1e-9, atol=1e-9, equal_nan=True):
            raise ValueError(
                f"batches must be the same in all processes; those of ranks 0 and {rank} have "
                f"{found[0, 1]:.0f} and {other[1]:.0f} rows, or other targets"
            )
    return found


# --- to go on where it ended ------------------------------------------------------------------------------


def save(folder: str | Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write weights, optimizer state and step; every process its part. All processes call it.

    It goes into a folder of its own, ``folder/step-…``; when that is complete, the one before is removed. Of
    another number of processes, or of DDP in place of FSDP, :func:`load` reads it too::

        step = load(folder, model, optimizer)  # 0 at first
        while step < 300:
            fit_across(model, optimizer, batches[step : step + 50], epochs=1)
            step += 50
            save(folder, model, optimizer, step)
    """
    from torch.distributed.checkpoint.state_dict_saver import save as write

    check_count("step", step, low=0)
    _check_group("save")
    here = Path(folder) / f"step-{step:09d}"
    write(_state(model, optimizer, step), checkpoint_id=here)
    if dist.get_rank() == 0:
        for old in Path(folder).glob("step-*"):
            if old != here:
                shutil.rmtree(old)


def load(folder: str | Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Take up what :func:`save` wrote last, and return its step; 0 where there is nothing yet.

    The folder must be one that all machines see. Load before a recorder watches: torch may take an empty
    step to give the optimizer its state.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict import set_state_dict
    from torch.distributed.checkpoint.state_dict_loader import load as read

    _check_group("load")
    complete = sorted(path.parent for path in Path(folder).glob("step-*/.metadata"))
    chosen: list[Any] = [complete[-1] if complete else None]
    dist.broadcast_object_list(chosen, 0)
    if chosen[0] is None:
        return 0
    state = _state(model, optimizer, 0)
    try:
        read(state, checkpoint_id=chosen[0])
    except CheckpointException as error:
        raise ValueError(f"{chosen[0]} is not a checkpoint of this model and optimizer: {error}") from None
    set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
    step: int = state["step"]
    return step


def _state(model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> dict[str, Any]:
    from torch.distributed.checkpoint.state_dict import get_state_dict

    weights, states = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": states, "step": step}
