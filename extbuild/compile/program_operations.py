"""What an operation of a Program must keep to; program_operations.c has the same rules."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite

from extbuild.compile.program import (
    NONE,
    NOTHING,
    Activation,
    DType,
    Kind,
    Norm,
    Op,
    Operand,
    Operation,
    Pool,
    Program,
    Rows,
    Weight,
)
from extbuild.errors import CompileError

MAX_WIDTH = 1 << 24
MAX_HEADS = 4096
MAX_HEAD_DIM = 256

_FIELDS = ("dst", "a", "b", "c")


def require(holds: bool, word: int, rule: str, found: object) -> None:
    """Raises CompileError for word ``word`` of a Program unless the rule ``holds``."""
    if not holds:
        do = "this is a defect of the compiler: report it with the model's recipe"
        raise CompileError(f"program.bin: word {word}", rule, found=str(found), do=do)


@dataclass(frozen=True, slots=True)
class OperationCheck:
    """One operation, whose first word is ``at``, after those that wrote ``written``."""

    program: Program
    one: Operation
    at: int
    written: set[int]
    layers: set[int]

    def check(self) -> None:
        """Raises CompileError; notes the cache layer that an attention writes."""
        match self.one.op:
            case Op.EMBED:
                self._embed()
            case Op.LINEAR:
                self._linear()
            case Op.NORM:
                self._norm()
            case Op.ROPE:
                self._rope()
            case Op.ATTENTION:
                self._attention()
            case Op.POOL:
                self._pool()
            case Op.GLU | Op.ADD | Op.ACTIVATE:
                self._elementwise()

    def _embed(self) -> None:
        tokens = self._matrix(9)
        self._rule(tokens.rows >= self.program.vocab_size, 9, "a row for each token", tokens.rows)
        if self.one.w1 == NONE:
            self._unused_parameters(0)
        else:
            positions = self._matrix(10)
            self._rule(positions.cols == tokens.cols, 10, "columns as in w0", positions.cols)
            last = self.program.max_positions + self.one.p[0]
            self._rule(last <= positions.rows, 11, "a row for each position", positions.rows)
        self._operands({"dst": tokens.cols}, dict.fromkeys(_FIELDS, Rows.TOKENS))
        self._unused_parameters(1)

    def _linear(self) -> None:
        w = self._matrix(9)
        if self.one.w1 != NONE:
            self._vector(10, w.rows)
        widths = {"dst": w.rows, "a": w.cols}
        if self.one.b.slot != NONE:
            widths["b"] = w.rows
        self._operands(widths, self._rows_of_dst())
        self._apart("a", widths)
        if "b" in widths and self.one.b != self.one.dst:
            self._apart("b", widths)
        self._known(Activation, 0)
        self._unused_parameters(1)

    def _norm(self) -> None:
        kind, eps, groups, cols, _ = self.one.p
        self._known(Norm, 0)
        self._float(1)
        self._rule(eps < 1 << 31 or eps == 1 << 31, 12, "not negative", hex(eps))
        self._rule(1 <= groups <= MAX_WIDTH, 13, "a number of groups", groups)
        if kind == Norm.L2:
            self._rule(1 <= cols <= MAX_WIDTH, 14, "a width", cols)
            self._no_weights(0)
        else:
            self._rule(cols == 0, 14, "must be 0", cols)
            cols = self._vector(9).cols
            if self.one.w1 != NONE:
                self._vector(10, cols)
        widths = {"dst": cols * groups, "a": cols * groups}
        self._operands(widths, self._rows_of_dst())
        self._same_or_apart("a", widths)
        self._unused_parameters(4)

    def _rope(self) -> None:
        heads, head_dim, rotary, _, _ = self.one.p
        self._head_shape(0, 1)
        right = 2 <= rotary <= head_dim and rotary % 2 == 0
        self._rule(right, 13, "even, at most head_dim", rotary)
        self._float(3)
        self._vector(9, rotary // 2)
        self._no_weights(1)
        dst, a = self.one.dst, self.one.a
        self._rule(dst.slot == a.slot, 1, "a itself", dst.slot)
        self._rule(dst.column == a.column, 2, "a itself", dst.column)
        width = heads * head_dim
        self._operands({"dst": width, "a": width}, dict.fromkeys(_FIELDS, Rows.TOKENS))
        self._unused_parameters(4)

    def _attention(self) -> None:
        heads, kv_heads, head_dim, _, layer = self.one.p
        program = self.program
        self._head_shape(0, 2)
        self._rule(kv_heads >= 1 and heads % kv_heads == 0, 12, "a divisor of heads", kv_heads)
        self._float(3)
        if program.kind == Kind.ENCODER:
            self._rule(layer == 0, 15, "0 in an encoder", layer)
        else:
            self._rule(kv_heads == program.kv_heads, 12, "kv_heads of the header", kv_heads)
            self._rule(head_dim == program.head_dim, 13, "head_dim of the header", head_dim)
            fresh = layer < program.layers and layer not in self.layers
            self._rule(fresh, 15, "a layer of its own", layer)
            self.layers.add(layer)
        q, kv = heads * head_dim, kv_heads * head_dim
        widths = {"dst": q, "a": q, "b": kv, "c": kv}
        self._operands(widths, dict.fromkeys(_FIELDS, Rows.TOKENS))
        for name in ("a", "b", "c"):
            self._apart(name, widths)
        self._no_weights(0)

    def _pool(self) -> None:
        kind, width = self.one.p[:2]
        self._known(Pool, 0)
        self._rule(1 <= width <= MAX_WIDTH, 12, "a width", width)
        rows = Rows.OUTPUTS if kind == Pool.GATHER else Rows.SEQUENCES
        self._operands({"dst": width, "a": width}, {"dst": rows, "a": Rows.TOKENS})
        self._no_weights(0)
        self._unused_parameters(2)

    def _elementwise(self) -> None:
        at = 0 if self.one.op == Op.ADD else 1
        if at:
            self._known(Activation, 0)
        width = self.one.p[at]
        self._rule(1 <= width <= MAX_WIDTH, 11 + at, "a width", width)
        names = ("dst", "a") if self.one.op == Op.ACTIVATE else ("dst", "a", "b")
        widths = dict.fromkeys(names, width)
        self._operands(widths, self._rows_of_dst())
        for name in names[1:]:
            self._same_or_apart(name, widths)
        self._no_weights(0)
        self._unused_parameters(at + 1)

    # ---- rules that several operations share; `field` counts words of the operation

    def _rule(self, holds: bool, field: int, rule: str, found: object) -> None:
        require(holds, self.at + field, f"{self.one.op.name}: {rule}", found)

    def _operands(self, widths: dict[str, int], rows: dict[str, Rows]) -> None:
        for field, name in zip(range(1, 9, 2), _FIELDS, strict=True):
            operand: Operand = getattr(self.one, name)
            if name not in widths:
                self._rule(operand == NOTHING, field, f"no {name}", operand)
                continue
            slots = self.program.slots
            self._rule(operand.slot < len(slots), field, "a slot", operand.slot)
            slot = slots[operand.slot]
            self._rule(slot.rows == rows[name], field, f"{name} of other rows", slot.rows)
            fits = operand.column + widths[name] <= slot.width
            self._rule(fits, field + 1, f"{name} within its slot of {slot.width}", operand.column)
            known = name == "dst" or operand.slot in self.written
            self._rule(known, field, f"{name} written before", operand.slot)

    def _rows_of_dst(self) -> dict[str, Rows]:
        slots = self.program.slots
        self._rule(self.one.dst.slot < len(slots), 1, "a slot", self.one.dst.slot)
        return dict.fromkeys(_FIELDS, slots[self.one.dst.slot].rows)

    def _apart(self, name: str, widths: dict[str, int]) -> None:
        dst, other = self.one.dst, getattr(self.one, name)
        meet = dst.slot == other.slot and (
            dst.column < other.column + widths[name] and other.column < dst.column + widths["dst"]
        )
        self._rule(not meet, 1 + 2 * _FIELDS.index(name), f"{name} apart from dst", other)

    def _same_or_apart(self, name: str, widths: dict[str, int]) -> None:
        if getattr(self.one, name) != self.one.dst:
            self._apart(name, widths)

    def _weight(self, field: int) -> Weight:
        index = self.one.w0 if field == 9 else self.one.w1
        weights = self.program.weights
        self._rule(index < len(weights), field, "a weight", index)
        return weights[index]

    def _matrix(self, field: int) -> Weight:
        weight = self._weight(field)
        self._rule(weight.dtype != DType.VECTOR, field, "a matrix", weight.dtype)
        return weight

    def _vector(self, field: int, cols: int | None = None) -> Weight:
        weight = self._weight(field)
        self._rule(weight.dtype == DType.VECTOR, field, "a vector", weight.dtype)
        self._rule(cols is None or weight.cols == cols, field, f"{cols} columns", weight.cols)
        return weight

    def _no_weights(self, first: int) -> None:
        for index, weight in enumerate((self.one.w0, self.one.w1)[first:], first):
            self._rule(weight == NONE, 9 + index, "no weight", weight)

    def _unused_parameters(self, first: int) -> None:
        for index, word in enumerate(self.one.p[first:], first):
            self._rule(word == 0, 11 + index, "must be 0", word)

    def _known(self, kind: type[IntEnum], parameter: int) -> None:
        word = self.one.p[parameter]
        self._rule(word in _values(kind), 11 + parameter, f"a known {kind.__name__}", word)

    def _float(self, parameter: int) -> None:
        [value] = struct.unpack("<f", struct.pack("<I", self.one.p[parameter]))
        self._rule(isfinite(value), 11 + parameter, "a finite number", value)

    def _head_shape(self, heads: int, head_dim: int) -> None:
        found = self.one.p[heads], self.one.p[head_dim]
        self._rule(1 <= found[0] <= MAX_HEADS, 11 + heads, "a number of heads", found[0])
        right = 4 <= found[1] <= MAX_HEAD_DIM and found[1] % 4 == 0
        self._rule(right, 11 + head_dim, f"a multiple of 4, at most {MAX_HEAD_DIM}", found[1])


def _values(kind: Iterable[IntEnum]) -> set[int]:
    return {int(member) for member in kind}
