"""Reads a Program back from its file, and refuses what the engine would refuse.

The rules are those of extension_src/engine/program.c and program_operations.c, so that a wrong
Program is found where it is made. A test holds the two against each other.
"""

import struct
from enum import IntEnum
from typing import TypeVar

from extbuild.compile.program import (
    ALIGNMENT_BYTES,
    HEADER_WORDS,
    MAGIC,
    OP_WORDS,
    SLOT_WORDS,
    VERSION,
    WEIGHT_WORDS,
    DType,
    Flag,
    Kind,
    Op,
    Operand,
    Operation,
    Program,
    Rows,
    Slot,
    Weight,
)
from extbuild.compile.program_operations import (
    MAX_HEAD_DIM,
    MAX_HEADS,
    MAX_WIDTH,
    OperationCheck,
    require,
)

E = TypeVar("E", bound=IntEnum)

MAX_OPERATIONS = 8192
MAX_POSITIONS = 1 << 20
MAX_LAYERS = 4096
MAX_MATRIX_COLS = 65536

_BLOCKS = (32, 64, 128)
_MATRIX_FLAGS = {
    DType.F32: 0,
    DType.F16: 0,
    DType.I8: Flag.SEVEN_BIT,
    DType.I8_BLOCK: Flag.SCALES_F16 | Flag.ZEROS,
    DType.I4_BLOCK: Flag.SCALES_F16 | Flag.ZEROS,
}


def parse(data: bytes) -> Program:
    """The Program in a file. Raises CompileError with the index of the word that is wrong."""
    require(len(data) % 4 == 0 and len(data) >= 4 * HEADER_WORDS, 3, "whole words", len(data))
    words = struct.unpack(f"<{len(data) // 4}I", data)
    require(words[0] == MAGIC, 0, f"must be {MAGIC:#x}", words[0])
    require(words[1] == VERSION, 1, f"must be {VERSION}", words[1])
    weights, slots, operations = words[5:8]
    total = HEADER_WORDS + WEIGHT_WORDS * weights + SLOT_WORDS * slots + OP_WORDS * operations
    require(words[3] == total == len(words), 3, f"must be {len(words)} words", words[3])
    require(words[15] == 0, 15, "must be 0", words[15])
    first_slot = HEADER_WORDS + WEIGHT_WORDS * weights
    first_operation = first_slot + SLOT_WORDS * slots
    program = Program(
        kind=_member(Kind, words, 2),
        weights=[_weight(words, at) for at in range(HEADER_WORDS, first_slot, WEIGHT_WORDS)],
        slots=[
            Slot(_member(Rows, words, at), words[at + 1])
            for at in range(first_slot, first_operation, SLOT_WORDS)
        ],
        operations=[_operation(words, at) for at in range(first_operation, total, OP_WORDS)],
        output=words[13],
        vocab_size=words[11],
        max_positions=words[12],
        weights_bytes=words[4],
        layers=words[8],
        kv_heads=words[9],
        head_dim=words[10],
    )
    check(program)
    require(words[14] == program.output_width, 14, "the width of the output slot", words[14])
    return program


def check(program: Program) -> None:
    """Raises CompileError for the first thing that the engine would refuse."""
    _check_header(program)
    at = HEADER_WORDS
    for weight in program.weights:
        _check_weight(weight, program.weights_bytes, at)
        at += WEIGHT_WORDS
    for slot in program.slots:
        allowed = slot.rows != Rows.OUTPUTS or program.kind == Kind.DECODER
        require(allowed, at, "rows of outputs are for decoders", slot.rows)
        require(1 <= slot.width <= MAX_WIDTH, at + 1, "a width", slot.width)
        at += SLOT_WORDS
    output = program.slots[program.output].rows
    right = (output == Rows.OUTPUTS) == (program.kind == Kind.DECODER)
    require(right, 13, "a decoder's result has rows of outputs", output)
    written: set[int] = set()
    layers: set[int] = set()
    for operation in program.operations:
        OperationCheck(program, operation, at, written, layers).check()
        written.add(operation.dst.slot)
        at += OP_WORDS
    require(program.output in written, 13, "a slot that is written", program.output)


def _member(kind: type[E], words: tuple[int, ...], at: int) -> E:
    try:
        return kind(words[at])
    except ValueError:
        require(False, at, f"must be a known {kind.__name__}", words[at])
        raise


def _weight(words: tuple[int, ...], at: int) -> Weight:
    require(words[at + 11] == 0, at + 11, "must be 0", words[at + 11])
    return Weight(_member(DType, words, at), *words[at + 1 : at + 11])


def _operation(words: tuple[int, ...], at: int) -> Operation:
    dst, a, b, c = (Operand(*words[i : i + 2]) for i in range(at + 1, at + 9, 2))
    p0, p1, p2, p3, p4 = words[at + 11 : at + 16]
    w0, w1 = words[at + 9 : at + 11]
    return Operation(_member(Op, words, at), dst, a, b, c, w0, w1, (p0, p1, p2, p3, p4))


def _check_header(program: Program) -> None:
    decoder = program.kind == Kind.DECODER
    count = len(program.operations)
    require(len(program.slots) >= 1, 6, "at least one slot", 0)
    require(1 <= count <= MAX_OPERATIONS, 7, f"1 to {MAX_OPERATIONS} operations", count)
    for word, value, most in (
        (8, program.layers, MAX_LAYERS),
        (9, program.kv_heads, MAX_HEADS),
        (10, program.head_dim, MAX_HEAD_DIM),
    ):
        holds = 1 <= value <= most if decoder else value == 0
        require(holds, word, f"1 to {most} in a decoder, 0 in an encoder", value)
    require(program.head_dim % 4 == 0, 10, "a multiple of 4", program.head_dim)
    require(1 <= program.vocab_size <= MAX_WIDTH, 11, "a vocabulary", program.vocab_size)
    require(1 <= program.max_positions <= MAX_POSITIONS, 12, "positions", program.max_positions)
    require(program.output < len(program.slots), 13, "a slot", program.output)


def _padded(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def part_bytes(weight: Weight) -> tuple[int, int, int]:
    """Bytes that data, scales and zero points must have; the table is in matmul.h."""
    rows = _padded(weight.rows, 8)
    match weight.dtype:
        case DType.VECTOR:
            return 4 * weight.cols, 0, 0
        case DType.F32:
            return 4 * rows * weight.cols, 0, 0
        case DType.F16:
            return 2 * rows * weight.cols, 0, 0
        case DType.I8:
            return rows * _padded(weight.cols, 16), 4 * rows, 0
    blocks = rows * -(-weight.cols // weight.block)
    data = blocks * weight.block // (2 if weight.dtype == DType.I4_BLOCK else 1)
    scales = blocks * (2 if weight.flags & Flag.SCALES_F16 else 4)
    return data, scales, blocks if weight.flags & Flag.ZEROS else 0


def _check_weight(weight: Weight, blob_bytes: int, at: int) -> None:
    if weight.dtype == DType.VECTOR:
        most_rows, most_cols = 1, MAX_WIDTH
        known = weight.block == 0 and weight.flags == 0
    else:
        most_rows, most_cols = MAX_WIDTH, MAX_MATRIX_COLS
        known = not weight.flags & ~_MATRIX_FLAGS[weight.dtype]
        blocked = weight.dtype in (DType.I8_BLOCK, DType.I4_BLOCK)
        known &= weight.block in _BLOCKS if blocked else weight.block == 0
    require(1 <= weight.rows <= most_rows, at + 1, f"1 to {most_rows} rows", weight.rows)
    require(1 <= weight.cols <= most_cols, at + 2, f"1 to {most_cols} columns", weight.cols)
    require(known, at + 3, "block and flags of its dtype", f"{weight.block}, {weight.flags:#x}")
    found = (
        (weight.data_offset, weight.data_bytes),
        (weight.scale_offset, weight.scale_bytes),
        (weight.zero_offset, weight.zero_bytes),
    )
    for word, (offset, count), wanted in zip((5, 7, 9), found, part_bytes(weight), strict=True):
        require(count == wanted, at + word + 1, f"must be {wanted} bytes", count)
        placed = offset % ALIGNMENT_BYTES == 0 and offset + count <= blob_bytes
        require(placed if wanted else offset == 0, at + word, "an offset in the blob", offset)
