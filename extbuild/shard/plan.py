"""How a blob of weights is cut: a pure plan of contiguous ranges."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes ``offset .. offset + bytes`` of the weights, to be stored as `file`."""

    file: str
    offset: int
    bytes: int


def plan_shards(weights_bytes: int, max_shard_bytes: int, stem: str) -> tuple[Slice, ...]:
    """Ranges that cover ``0 .. weights_bytes`` in order, without hole or overlap.

    All but the last have `max_shard_bytes`. Files are called ``<stem>-000.bin`` and so on. A model
    without weights has no shard.
    """
    if weights_bytes < 0 or max_shard_bytes <= 0:
        raise ValueError(f"plan_shards({weights_bytes}, {max_shard_bytes})")
    return tuple(
        Slice(
            file=f"{stem}-{index:03d}.bin",
            offset=offset,
            bytes=min(max_shard_bytes, weights_bytes - offset),
        )
        for index, offset in enumerate(range(0, weights_bytes, max_shard_bytes))
    )
