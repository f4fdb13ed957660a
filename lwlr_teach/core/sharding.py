"""Parameters that lie in parts on several processes: torch's DTensor, as FSDP2 makes them.

The class is never named here, because importing it takes a second; ``full_tensor`` is what only it has.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def is_sharded(x: Tensor) -> bool:
    """Whether the tensor is a DTensor."""
    return hasattr(x, "full_tensor")


def whole(x: Any) -> Tensor:
    """The tensor itself, gathered from all processes if it is sharded."""
    full: Tensor = x.full_tensor() if is_sharded(x) else x
    return full


def summed(x: Any) -> Tensor:
    """The tensor itself, with what the processes have each summed over their own parts added up."""
    if is_sharded(x) and any(placement.is_partial() for placement in x.placements):
        from torch.distributed.tensor import Replicate

        added = [Replicate() if placement.is_partial() else placement for placement in x.placements]
        x = x.redistribute(x.device_mesh, added)
    found: Tensor = x
    return found


def shard(x: Any) -> Tensor:
    """The part of the tensor that this process holds: all of it unless it is sharded."""
    part: Tensor = x.to_local() if is_sharded(x) else x
    return part


def align(x: Any, like: Any) -> Any:
    """The same tensor, in parts that lie where those of ``like`` do."""
    return x if x.placements == like.placements else x.redistribute(like.device_mesh, like.placements)


def from_shard(part: Tensor, like: Any) -> Tensor:
    """The tensor of which each process holds one ``part``, sharded as ``like`` is."""
    from torch.distributed.tensor import DTensor

    return DTensor.from_local(
        part, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
    )


def reshard(full: Tensor, like: Any) -> Tensor:
    """A tensor that every process holds in full, sharded as ``like`` is; nothing is sent."""
    if not is_sharded(like):
        return full
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(full, like.device_mesh, like.placements, src_data_rank=None)
