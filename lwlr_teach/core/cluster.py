"""Blocks of work on a Ray cluster: the only place that imports Ray.

Whoever spreads work hands over blocks that know nothing of each other, and gets back what each returned.
``cluster`` is what Ray calls an address: ``"local"`` starts a cluster of this machine's cores, ``"auto"``
joins the one that runs here, and ``"10.0.0.1:6379"`` the one whose first machine that is.
``docs/several-machines.md`` shows how one is started.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from lwlr_teach.core.progress import progress_bar
from lwlr_teach.core.threads import one_thread

_ADDRESS = re.compile(r"([^\s/]+):(\d{1,5})")
_KNOWN: dict[str, str] = {}  # the addresses that were joined, as Ray writes them
_ALLOWED = 'None, "local", "auto" or an address such as "10.0.0.1:6379"'
RETRIES = 3  # how often a block is begun again whose process was killed; Ray's own number
_SECONDS = 5  # to answer
_IDLE_SECONDS = 0.5  # to answer, for a worker that has nothing to do
_WAITING: dict[str, list[Any]] = {}  # workers, by the node of the cluster that was started here
_ATTEMPTS = 3  # to start: Ray gives its own processes 15 seconds, which a busy machine may not do


def check_cluster(cluster: str | None, device: torch.device | None = None) -> None:
    """Raise for what is no cluster, for a device that is not its processors, and where Ray is missing."""
    if cluster is None:
        return
    if not isinstance(cluster, str):
        raise TypeError(f"cluster must be {_ALLOWED}, got {cluster!r}")
    if cluster not in ("local", "auto") and not _ADDRESS.fullmatch(cluster):
        raise ValueError(f"cluster must be {_ALLOWED}, got {cluster!r}")
    if device is not None and device.type != "cpu":
        raise ValueError(f"device must be 'cpu' with a cluster, got {str(device)!r}")
    _ray()


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ModuleNotFoundError(
            f'cluster needs the package ray: pip install "lwlr-teach[ray]" ({error})'
        ) from None


def join(cluster: str) -> Any:
    """The module ``ray``, when this process is part of the cluster; it stays so until ``ray.shutdown()``.

    A process that has joined one already, here or with its own ``ray.init(…)``, stays with it.
    """
    check_cluster(cluster)
    ray = _ray()
    address = _ADDRESS.fullmatch(cluster)
    if ray.is_initialized():
        here = _here(ray)
        if address and _KNOWN.get(cluster, cluster) != here:
            raise ValueError(
                f"cluster must be the one that this process has joined, {here}, got {cluster!r}; "
                "leave the other one first, with ray.shutdown()"
            )
        return ray
    if address:  # Ray itself would try for minutes, and then end the process
        try:
            socket.create_connection((address[1], int(address[2])), _SECONDS).close()
        except (OSError, OverflowError) as error:
            raise ConnectionError(f"cluster {cluster!r} does not answer: {error}") from None
    if cluster == "local":
        _start(ray)
    else:
        try:
            ray.init(address=cluster, logging_level=logging.ERROR)
        except ConnectionError as error:
            raise ConnectionError(f"cluster {cluster!r} was not found: {error}") from None
    _KNOWN[cluster] = _here(ray)
    return ray


def _here(ray: Any) -> str:
    """The address of the cluster that this process has joined."""
    return str(ray.get_runtime_context().gcs_address)


def _node(ray: Any) -> str:
    """The machine in the cluster; with a new name at each start."""
    return str(ray.get_runtime_context().get_node_id())


def _start(ray: Any) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    for attempt in range(_ATTEMPTS):
        try:
            ray.init(address="local", include_dashboard=False, logging_level=logging.ERROR)
            _WAITING.clear()
            _WAITING[_node(ray)] = []
            return
        except Exception as error:  # Ray has no class of its own for this one
            if "timed out during startup" not in str(error) or attempt == _ATTEMPTS - 1:
                raise


class _Worker:
    """Has a processor of the cluster, and does what it is asked, with one thread."""

    _sent: Any = None
    _function: Any = None

    def ready(self) -> None:
        """Returns when the process runs and has nothing to do; what it was given is forgotten."""
        self._sent = self._function = None

    def run(self, sent: list[Any], block: Any) -> Any:
        """What the function, given by its reference and fetched once, returns for the block."""
        if sent[0] != self._sent:
            self._sent, self._function = sent[0], _ray().get(sent[0])
        with one_thread():
            return self._function(block)


@contextmanager
def workers(
    ray: Any, function: Callable[[Any], Any], most: int
) -> Iterator[tuple[dict[Any, Any], Callable[[Any, Any], Any]]]:
    """A worker for each processor, not more than ``most``, by what becomes ready when it is; and a function
    that asks one of them for a block, and returns what becomes ready with the result.

    The function is sent once to each, by value where it is a notebook's own. If its process is killed, what
    was asked is asked again. In the end those that are busy are ended, whatever they do; on the cluster that
    was started here the others wait for the next call, which has no torch to import then.

    They are actors, as Ray calls them, and no tasks: with Ray 2.60 the end of a task that is just being begun
    was lost, so that it held its processor for ever, or took this process with it.
    """
    kept = _WAITING.get(_node(ray))
    count = min(most, int(ray.cluster_resources()["CPU"]))
    made = [] if kept is None else [kept.pop() for _ in range(min(count, len(kept)))]
    # Those that wait hold no processor, which whoever uses Ray itself would wait for.
    kind = ray.remote(num_cpus=1 if kept is None else 0, max_restarts=-1, max_task_retries=RETRIES)(_Worker)
    made += [kind.remote() for _ in range(count - len(made))]
    sent = [ray.put(function)]  # in a list, or Ray would unpack it at every call
    try:
        yield (
            {worker.ready.remote(): worker for worker in made},
            lambda worker, block: worker.run.remote(sent, block),
        )
    finally:
        idle: list[Any] = []
        try:
            if kept is not None:
                idle = _idle(ray, made)
                kept += idle
        finally:
            for worker in made:
                if worker not in idle:
                    ray.kill(worker)


def _idle(ray: Any, made: Sequence[Any]) -> list[Any]:
    """Those that answer at once."""
    answers = {worker.ready.remote(): worker for worker in made}
    ready, _ = ray.wait([*answers], num_returns=len(answers), timeout=_IDLE_SECONDS)
    return [answers[answer] for answer in ready]


def spread(
    function: Callable[[Any], Any],
    blocks: Sequence[Any],
    *,
    cluster: str,
    kind: str,
    says: str,
    steps: int,
    progress: bool,
) -> dict[int, Any]:
    """What ``function(block)`` returns for each block, by its index, with one thread each.

    An interruption keeps the blocks that are done, says so, and ends the others; an error in one ends all,
    and is raised as it is.

    Args:
        kind: what the blocks are, in words.
        says: what the bar says.
        steps: how far the bar goes with each block.
    """
    ray = join(cluster)
    done: dict[int, Any] = {}
    left = iter(range(len(blocks)))
    try:
        with (
            workers(ray, function, len(blocks)) as (free, ask),
            progress_bar(says, len(blocks) * steps, shown=progress) as bar,
        ):
            asked: dict[Any, tuple[Any, int | None]] = {
                ready: (worker, None) for ready, worker in free.items()
            }
            while len(done) < len(blocks):
                [ended], _ = ray.wait([*asked], num_returns=1)
                worker, i = asked.pop(ended)
                found = result(ray, ended)
                if i is not None:
                    done[i] = found
                    bar.update(steps)
                if (i := next(left, None)) is not None:
                    asked[ask(worker, blocks[i])] = worker, i
    except KeyboardInterrupt:
        if not done:
            raise  # nothing to keep
        print(f"Interrupted: {len(done)} of {len(blocks)} {kind} are done, and are kept.")
    return dict(sorted(done.items()))


def result(ray: Any, reference: Any) -> Any:
    """What a worker returned; an error of its function is raised as the function raised it."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if not isinstance(cause, Exception):
            raise
        cause.add_note("This was raised on the cluster; without it, the lines that led here are shown.")
        raise cause from None
    except ray.exceptions.RayActorError:
        raise RuntimeError(
            f"{RETRIES + 1} processes of the cluster were killed at the same work; do they have the memory?"
        ) from None
