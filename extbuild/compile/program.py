"""The Program: what the engine executes, as values and as bytes (extension_src/engine/PROGRAM.md).

A Program is a list of weight descriptors, a list of activation slots and a list of operations, all
fixed-size records of little-endian 32-bit words. Slots are matrices of float32 whose number of rows
is known at run time only: one per token, per sequence or per wanted output. The arena plan is
therefore symbolic: slots lie one after the other in the order of their indices, each of
``rows x width x 4`` bytes rounded up to 64.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

MAGIC = 0x47504C53
"""``SLPG``, read as a little-endian word."""
VERSION = 1
NONE = 0xFFFFFFFF
"""In place of a slot or weight index: there is none."""
HEADER_WORDS = 16
WEIGHT_WORDS = 12
SLOT_WORDS = 2
OP_WORDS = 16
ALIGNMENT_BYTES = 64


class Kind(IntEnum):
    """What a Program computes. A decoder's attention is causal and has a key/value cache."""

    ENCODER = 0
    DECODER = 1


class Rows(IntEnum):
    """Of what a slot has one row."""

    TOKENS = 0
    SEQUENCES = 1
    OUTPUTS = 2


class DType(IntEnum):
    """How a weight is stored; layouts.py has the order of the bytes.

    VECTOR: ``cols`` float32 as they are (bias, norm, rotary frequencies), ``rows`` 1.
    """

    VECTOR = 0
    F32 = 1
    F16 = 2
    I8 = 3
    I8_BLOCK = 4
    I4_BLOCK = 5


class Flag(IntEnum):
    """Bits of a weight's ``flags``."""

    SCALES_F16 = 1
    ZEROS = 2
    SEVEN_BIT = 4
    """I8 only: every value is within -63..63, and 64 is added to it."""


class Activation(IntEnum):
    """Element-wise functions."""

    NONE = 0
    GELU_ERF = 1
    GELU_TANH = 2
    SILU = 3
    RELU = 4
    TANH = 5
    SIGMOID = 6


class Norm(IntEnum):
    """LAYER: (x - mean) / sqrt(var + eps) * w + b; RMS: x / sqrt(mean(x^2) + eps) * w;
    L2: x / max(sqrt(sum(x^2)), eps), without w.
    """

    LAYER = 0
    RMS = 1
    L2 = 2


class Pool(IntEnum):
    """How rows of tokens become rows of sequences, or of wanted outputs (GATHER)."""

    FIRST = 0
    MEAN = 1
    GATHER = 2


class Op(IntEnum):
    """Operations; the fields of ``Operation`` that each uses are in PROGRAM.md."""

    EMBED = 1
    LINEAR = 2
    NORM = 3
    ROPE = 4
    ATTENTION = 5
    GLU = 6
    POOL = 7
    ADD = 8
    ACTIVATE = 9


@dataclass(frozen=True, slots=True)
class Weight:
    """A tensor of ``rows x cols`` in the weights blob. Offsets are multiples of 64 bytes.

    A matrix is stored ``(outputs, inputs)``: rows are outputs. ``block`` is 0 unless blocked.
    """

    dtype: DType
    rows: int
    cols: int
    block: int = 0
    flags: int = 0
    data_offset: int = 0
    data_bytes: int = 0
    scale_offset: int = 0
    scale_bytes: int = 0
    zero_offset: int = 0
    zero_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Slot:
    """Activations: ``rows`` x ``width`` float32."""

    rows: Rows
    width: int


@dataclass(frozen=True, slots=True)
class Operand:
    """Columns ``column ..`` of a slot; how many is said by the operation."""

    slot: int = NONE
    column: int = 0


NOTHING = Operand()


@dataclass(frozen=True, slots=True)
class Operation:
    """One kernel call. ``w0``, ``w1`` are weight indices; ``p`` are words, floats as their bits."""

    op: Op
    dst: Operand
    a: Operand = NOTHING
    b: Operand = NOTHING
    c: Operand = NOTHING
    w0: int = NONE
    w1: int = NONE
    p: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Program:
    """``max_positions``: most tokens of one sequence, cache included. ``vocab_size``: ids are less.

    ``output`` is the slot whose rows are the result, ``output_width`` its width. An encoder has no
    ``layers``, ``kv_heads`` and ``head_dim``: they describe the key/value cache.
    """

    kind: Kind
    weights: Sequence[Weight]
    slots: Sequence[Slot]
    operations: Sequence[Operation]
    output: int
    vocab_size: int
    max_positions: int
    weights_bytes: int
    layers: int = 0
    kv_heads: int = 0
    head_dim: int = 0

    @property
    def output_width(self) -> int:
        """Width of the output slot."""
        return self.slots[self.output].width


def float_word(value: float) -> int:
    """The bits of a float32 as a word."""
    return int(struct.unpack("<I", struct.pack("<f", value))[0])


def serialize(program: Program) -> bytes:
    """The file: header, weights, slots, operations."""
    words = [
        MAGIC,
        VERSION,
        program.kind,
        HEADER_WORDS
        + WEIGHT_WORDS * len(program.weights)
        + SLOT_WORDS * len(program.slots)
        + OP_WORDS * len(program.operations),
        program.weights_bytes,
        len(program.weights),
        len(program.slots),
        len(program.operations),
        program.layers,
        program.kv_heads,
        program.head_dim,
        program.vocab_size,
        program.max_positions,
        program.output,
        program.output_width,
        0,
    ]
    for weight in program.weights:
        words += [
            weight.dtype,
            weight.rows,
            weight.cols,
            weight.block,
            weight.flags,
            weight.data_offset,
            weight.data_bytes,
            weight.scale_offset,
            weight.scale_bytes,
            weight.zero_offset,
            weight.zero_bytes,
            0,
        ]
    for slot in program.slots:
        words += [slot.rows, slot.width]
    for one in program.operations:
        operands = (one.dst, one.a, one.b, one.c)
        words += [one.op, *(word for at in operands for word in (at.slot, at.column))]
        words += [one.w0, one.w1, *one.p]
    return struct.pack(f"<{len(words)}I", *words)
