"""The few concrete runs on which masks and positions are compared with what the engine does.

What depends on sizes, positions and the mask only is computed for each probe, however the graph
writes it down; the interpreter then asks whether the numbers are those of a padding mask, a causal
mask, a rotation. The last probe reaches the largest position, so that a window of attention or a
table that ends shows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extbuild.compile.program import Kind

Int64 = NDArray[np.int64]

LONGEST_ENCODER = 2048
"""Encoders are proved up to this many tokens, because their masks are quadratic."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One run: ``lengths`` real tokens per text, padded on the right to ``seq``, after ``past``."""

    lengths: tuple[int, ...]
    seq: int
    past: int
    wanted: tuple[int, ...]

    @property
    def batch(self) -> int:
        """Number of texts."""
        return len(self.lengths)

    @property
    def total(self) -> int:
        """Cached tokens and those of the run."""
        return self.past + self.seq

    @property
    def positions(self) -> Int64:
        """Position of each token ``(batch, seq)``."""
        row = np.arange(self.past, self.total, dtype=np.int64)
        return np.broadcast_to(row, (self.batch, self.seq)).copy()

    @property
    def real(self) -> NDArray[np.bool_]:
        """Which tokens are no padding ``(batch, seq)``."""
        lengths = np.asarray(self.lengths)[:, None]
        return np.arange(self.seq)[None, :] < lengths

    @property
    def ids(self) -> Int64:
        """Token ids ``(batch, seq)``: small ones, none of them a usual padding id."""
        return 4 + self.positions % 3


def probes_for(kind: Kind, longest: int) -> tuple[Probe, ...]:
    """Runs of different sizes in every respect, and one that reaches position ``longest - 1``."""
    if kind is Kind.ENCODER:
        return (
            Probe((5, 3), 5, 0, ()),
            Probe((7, 2, 4), 7, 0, ()),
            Probe((longest,), longest, 0, ()),
        )
    return (
        Probe((5, 5), 5, 0, (4, 1)),
        Probe((4, 4, 4), 4, 3, (0, 3, 2)),
        Probe((1,), 1, longest - 1, (0,)),
    )


def visible(kind: Kind, probe: Probe) -> NDArray[np.bool_]:
    """Which keys each query may see ``(batch, seq, total)``: what attention in the engine does."""
    if kind is Kind.ENCODER:
        return np.broadcast_to(probe.real[:, None, :], (probe.batch, probe.seq, probe.seq))
    keys = np.arange(probe.total)
    return keys[None, None, :] <= probe.positions[:, :, None]
