"""Rotary positions (Su et al. 2021), rotate-half layout: pairs ``(i, i + rotary / 2)`` turn."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from extbuild.source.builders.decoder import Decoder


@dataclass(frozen=True, slots=True)
class RotaryShape:
    """``frequencies``: radians per position, one for each pair of the first ``2 * len`` columns.

    The columns of a head behind them are not turned. ``multiplier`` of cos and sin is 1 except for
    scaling types that also sharpen the softmax.
    """

    frequencies: tuple[float, ...]
    multiplier: float = 1.0

    @property
    def columns(self) -> int:
        """How many columns of a head are turned."""
        return 2 * len(self.frequencies)


class Rotary:
    """The cos and sin of a run, ``(batch, 1, seq, columns)``, which every layer shares."""

    def __init__(self, decoder: Decoder, shape: RotaryShape) -> None:
        tape = self._tape = decoder.tape
        self._shape, self._head_dim = shape, decoder.shape.head_dim
        tape.scope("rotary")
        as_float = tape.op("Cast", decoder.positions, attributes={"to": int(ir.DataType.FLOAT)})
        angle = tape.op(
            "Mul",
            tape.op("Unsqueeze", as_float, tape.ints(1, 3)),
            tape.weight("rotary.frequency", np.asarray(shape.frequencies, np.float32)),
        )
        both = tape.op("Concat", angle, angle, attributes={"axis": -1})
        self._cos, self._sin = tape.op("Cos", both), tape.op("Sin", both)
        if shape.multiplier != 1.0:
            factor = tape.scalar(shape.multiplier)
            self._cos = tape.op("Mul", self._cos, factor)
            self._sin = tape.op("Mul", self._sin, factor)

    def turn(self, value: ir.Value) -> ir.Value:
        """Turn ``value`` ``(batch, heads, seq, head_dim)`` by its positions."""
        columns, whole = self._shape.columns, self._head_dim
        if columns == whole:
            return self._turn(value)
        turned = self._turn(self._columns(value, 0, columns))
        rest = self._columns(value, columns, whole)
        return self._tape.op("Concat", turned, rest, attributes={"axis": -1})

    def _turn(self, value: ir.Value) -> ir.Value:
        """``x * cos + rotate_half(x) * sin``."""
        tape, half = self._tape, self._shape.columns // 2
        first = self._columns(value, 0, half)
        second = self._columns(value, half, 2 * half)
        turned = tape.op("Concat", tape.op("Neg", second), first, attributes={"axis": -1})
        return tape.op("Add", tape.op("Mul", value, self._cos), tape.op("Mul", turned, self._sin))

    def _columns(self, value: ir.Value, start: int, end: int) -> ir.Value:
        tape = self._tape
        return tape.op("Slice", value, tape.ints(start), tape.ints(end), tape.ints(3))
