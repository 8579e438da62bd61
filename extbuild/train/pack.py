"""Packing documents into one stream of token ids, and cutting the stream into windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint16]


def packed(documents: Iterable[Sequence[int]], separator: int) -> Ids:
    """All documents in a row, `separator` before each and after the last; uint16 (tokens,)."""
    parts: list[NDArray[np.uint16]] = []
    for ids in documents:
        parts.append(np.array([separator, *ids], dtype=np.uint16))
    parts.append(np.array([separator], dtype=np.uint16))
    return np.concatenate(parts)


def window_count(tokens: int, length: int) -> int:
    """How many windows of `length` inputs a stream gives; each needs one token more as target."""
    return max(0, (tokens - 1) // length)


def windows(stream: Ids, length: int, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """The windows numbered `chosen` (n,) as int64 (n, length + 1): inputs and shifted targets."""
    offsets = chosen[:, None] * length + np.arange(length + 1)[None, :]
    return np.asarray(stream[offsets], dtype=np.int64)


def batches_from(
    position: int, count: int, batch: int, seed: int
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Endless batches of window numbers, from batch number `position` on.

    Yields (number of the next batch, window numbers (batch,)). Each pass over the `count`
    windows has its own order, given by `seed` and the pass alone, so a run that resumes at
    `position` sees exactly what an unbroken run would.
    """
    per_pass = count // batch
    if per_pass == 0:
        raise ValueError(f"batches_from: {count} windows do not fill a batch of {batch}")
    while True:
        which, start = divmod(position, per_pass)
        order = np.random.default_rng((seed, which)).permutation(count)
        for at in range(start, per_pass):
            position += 1
            yield position, order[at * batch : (at + 1) * batch]
