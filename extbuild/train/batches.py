"""Batches of texts of similar length: little padding, the same number of tokens per batch."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

LENGTH_STEP = 8
"""Sequences are padded to a multiple of this, so that few shapes occur."""


def padded_length(length: int, step: int = LENGTH_STEP) -> int:
    """`length` rounded up to a multiple of `step`."""
    return -(-length // step) * step


def length_batches(
    lengths: Sequence[int], max_tokens: int, random: Random | None = None
) -> list[list[int]]:
    """Indices grouped so that rows * padded length stays within `max_tokens`.

    With `random` the rows of equal padded length and the batches come in random order. A text
    that is longer than `max_tokens` gets a batch of its own.
    """
    order = list(range(len(lengths)))
    if random is not None:
        random.shuffle(order)
    order.sort(key=lambda at: padded_length(lengths[at]))
    batches: list[list[int]] = []
    for at in order:
        width = padded_length(lengths[at])
        if batches and (len(batches[-1]) + 1) * width <= max_tokens:
            batches[-1].append(at)
        else:
            batches.append([at])
    if random is not None:
        random.shuffle(batches)
    return batches


def cut(ids: list[int], limit: int, random: Random | None = None) -> list[int]:
    """`ids` with at most `limit` entries, first and last (specials) kept.

    Keeps the head; with `random`, half of the time a window from anywhere.
    """
    if len(ids) <= limit:
        return ids
    room = limit - 2
    start = 1
    if random is not None and random.random() < 0.5:
        start = random.randint(1, len(ids) - 1 - room)
    return [ids[0], *ids[start : start + room], ids[-1]]
