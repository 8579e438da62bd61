"""Operations before they have slots: each makes a new value, so that order alone says who needs it.

The interpreter records steps, fuse.py joins them and slots.py places their values in the arena.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from extbuild.compile.lower.matrices import Matrix
from extbuild.compile.program import Op, Rows


class Extra(Enum):
    """What no kernel does by itself: fusing must get rid of it.

    BIAS adds the vector ``bias`` to ``a``; SCALE multiplies ``a`` by the number ``scale``.
    """

    BIAS = auto()
    SCALE = auto()


@dataclass(frozen=True, slots=True)
class Region:
    """Columns ``column .. column + width`` of a value."""

    value: int
    column: int
    width: int


@dataclass(frozen=True, slots=True)
class Made:
    """What a step makes: a matrix with one row per token, sequence or output."""

    rows: Rows
    width: int


Vector = NDArray[np.float32]


@dataclass(slots=True)
class Step:
    """One operation; ``p`` are its words as in program.Operation.

    ``matrix`` and ``second`` are weights w0 and w1 of EMBED, ``matrix`` and ``bias`` those of
    LINEAR; NORM has vectors ``weight`` and ``bias``, ROPE its frequencies in ``weight``.
    ``nodes`` are indices of the ONNX nodes that it stands for.
    """

    op: Op | Extra
    out: int
    a: Region | None = None
    b: Region | None = None
    c: Region | None = None
    matrix: Matrix | None = None
    second: Matrix | None = None
    weight: Vector | None = None
    bias: Vector | None = None
    scale: float = 1.0
    p: tuple[int, ...] = ()
    nodes: set[int] = field(default_factory=set)

    def reads(self) -> list[Region]:
        """The regions that it reads."""
        return [region for region in (self.a, self.b, self.c) if region is not None]


@dataclass(slots=True)
class Steps:
    """The list under construction. ``made[i]`` describes value i, ``source[i]`` its step."""

    steps: list[Step] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)

    def value(self, rows: Rows, width: int) -> int:
        """A new value."""
        self.made.append(Made(rows, width))
        return len(self.made) - 1
