"""Hand-made Programs, and what they must compute: the same operations in numpy, in float64."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from extbuild.compile.layouts import Packed, pack_float, pack_vector, unpack
from extbuild.compile.program import (
    NONE,
    NOTHING,
    Activation,
    Kind,
    Norm,
    Op,
    Operand,
    Operation,
    Pool,
    Program,
    Rows,
    Slot,
    Weight,
    float_word,
    serialize,
)
from extbuild.engine.host import EngineModel, RunLimits

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Made:
    """A Program with its weights: in the blob, and ``(rows, cols)`` each."""

    program: Program
    blob: bytes
    dense: tuple[Float64, ...]

    def open(self, module: bytes, limits: RunLimits) -> EngineModel:
        return EngineModel(module, serialize(self.program), self.blob, limits)

    def with_value(self, mark: float, value: float) -> "Made":
        """The same with ``value`` in place of the one float32 ``mark``; only the blob changes.

        So weights come to be infinite, which those who pack them refuse.
        """
        old, new = (struct.pack("<f", x) for x in (mark, value))
        assert self.blob.count(old) == 1
        return replace(self, blob=self.blob.replace(old, new))


class Builder:
    """Collects weights, slots and operations in the order of the calls."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self._blob = bytearray()
        self._weights: list[Weight] = []
        self._dense: list[Float64] = []
        self._slots: list[Slot] = []
        self._operations: list[Operation] = []

    def pack(self, packed: Packed) -> int:
        places = []
        for part in (packed.data, packed.scales, packed.zeros):
            self._blob += bytes(-len(self._blob) % 64)
            places += [len(self._blob) if part else 0, len(part)]
            self._blob += part
        shape = (packed.dtype, packed.rows, packed.cols, packed.block, packed.flags)
        self._weights.append(Weight(*shape, *places))
        self._dense.append(unpack(packed).astype(np.float64))
        return len(self._weights) - 1

    def matrix(self, rows: int, cols: int, scale: float | None = None) -> int:
        width = cols**-0.5 if scale is None else scale
        return self.pack(pack_float(self.rng.normal(0, width, (rows, cols)).astype(np.float32)))

    def vector(self, values: npt.ArrayLike) -> int:
        return self.pack(pack_vector(np.asarray(values, np.float32)))

    def noise(self, count: int, middle: float = 0.0) -> int:
        return self.vector(self.rng.normal(middle, 0.2, count))

    def slot(self, width: int, rows: Rows = Rows.TOKENS) -> Operand:
        self._slots.append(Slot(rows, width))
        return Operand(len(self._slots) - 1)

    def op(
        self,
        op: Op,
        dst: Operand,
        *inputs: Operand,
        w: Sequence[int] = (),
        p: Sequence[int | float] = (),
    ) -> Operand:
        a, b, c = (*inputs, NOTHING, NOTHING, NOTHING)[:3]
        w0, w1 = (*w, NONE, NONE)[:2]
        words = [float_word(x) if isinstance(x, float) else int(x) for x in (*p, 0, 0, 0, 0, 0)]
        p0, p1, p2, p3, p4 = words[:5]
        self._operations.append(Operation(op, dst, a, b, c, w0, w1, (p0, p1, p2, p3, p4)))
        return dst

    def linear(
        self,
        dst: Operand,
        a: Operand,
        w: int,
        bias: int = NONE,
        *,
        activation: Activation = Activation.NONE,
        residual: Operand = NOTHING,
    ) -> Operand:
        return self.op(Op.LINEAR, dst, a, residual, w=(w, bias), p=(activation,))

    def made(
        self,
        output: Operand,
        *,
        vocab: int,
        positions: int = 64,
        cache: tuple[int, int, int] = (0, 0, 0),
    ) -> Made:
        """``cache``: layers, kv_heads, head_dim of a decoder."""
        layers, kv_heads, head_dim = cache
        program = Program(
            kind=Kind.DECODER if layers else Kind.ENCODER,
            weights=tuple(self._weights),
            slots=tuple(self._slots),
            operations=tuple(self._operations),
            output=output.slot,
            vocab_size=vocab,
            max_positions=positions,
            weights_bytes=len(self._blob),
            layers=layers,
            kv_heads=kv_heads,
            head_dim=head_dim,
        )
        return Made(program, bytes(self._blob), tuple(self._dense))


def at(operand: Operand, column: int) -> Operand:
    return Operand(operand.slot, column)


def tiny_bert(seed: int = 3, *, labels: int = 3, pool: Pool = Pool.FIRST) -> Made:
    """Two layers, three heads of eight, a fused q|k|v and a classification head."""
    width, heads, head_dim, inner, vocab, eps = 24, 3, 8, 52, 40, 1e-6
    b = Builder(seed)
    x, qkv, mixed, wide = b.slot(width), b.slot(3 * width), b.slot(width), b.slot(inner)
    pooled = b.slot(width, Rows.SEQUENCES)
    logits = b.slot(labels, Rows.SEQUENCES)
    b.op(Op.EMBED, x, w=(b.matrix(vocab, width, 1), b.matrix(66, width, 1)), p=(2,))
    b.op(Op.NORM, x, x, w=(b.noise(width, 1), b.noise(width)), p=(Norm.LAYER, eps, 1))
    for _ in range(2):
        b.linear(qkv, x, b.matrix(3 * width, width), b.noise(3 * width))
        shape = (heads, heads, head_dim, head_dim**-0.5, 0)
        b.op(Op.ATTENTION, mixed, qkv, at(qkv, width), at(qkv, 2 * width), p=shape)
        b.linear(x, mixed, b.matrix(width, width), b.noise(width), residual=x)
        b.op(Op.NORM, x, x, w=(b.noise(width, 1), b.noise(width)), p=(Norm.LAYER, eps, 1))
        up = b.matrix(inner, width)
        b.linear(wide, x, up, b.noise(inner), activation=Activation.GELU_ERF)
        b.linear(x, wide, b.matrix(width, inner), b.noise(width), residual=x)
        b.op(Op.NORM, x, x, w=(b.noise(width, 1), b.noise(width)), p=(Norm.LAYER, eps, 1))
    b.op(Op.POOL, pooled, x, p=(pool, width))
    b.linear(logits, pooled, b.matrix(labels, width), b.noise(labels))
    return b.made(logits, vocab=vocab)


def tiny_llama(
    seed: int = 5, *, heads: int = 6, kv_heads: int = 2, head_dim: int = 8, positions: int = 512
) -> Made:
    """Two layers: grouped-query attention, rotary positions, gated units, tied embeddings."""
    inner, vocab, eps = 40, 50, 1e-5
    width, kv = heads * head_dim, kv_heads * head_dim
    b = Builder(seed)
    x, normed, qkv = b.slot(width), b.slot(width), b.slot(width + 2 * kv)
    mixed, gated = b.slot(width), b.slot(2 * inner)
    last, logits = b.slot(width, Rows.OUTPUTS), b.slot(vocab, Rows.OUTPUTS)
    tokens = b.matrix(vocab, width, 1)
    frequencies = b.vector(10000.0 ** (-np.arange(0, head_dim, 2) / head_dim))
    b.op(Op.EMBED, x, w=(tokens,))
    for layer in range(2):
        b.op(Op.NORM, normed, x, w=(b.noise(width, 1),), p=(Norm.RMS, eps, 1))
        b.linear(qkv, normed, b.matrix(width + 2 * kv, width, 0.4))
        for first, count in ((0, heads), (width, kv_heads)):
            part = at(qkv, first)
            b.op(Op.ROPE, part, part, w=(frequencies,), p=(count, head_dim, head_dim, 1.0))
        shape = (heads, kv_heads, head_dim, head_dim**-0.5, layer)
        b.op(Op.ATTENTION, mixed, qkv, at(qkv, width), at(qkv, width + kv), p=shape)
        b.linear(x, mixed, b.matrix(width, width), residual=x)
        b.op(Op.NORM, normed, x, w=(b.noise(width, 1),), p=(Norm.RMS, eps, 1))
        b.linear(gated, normed, b.matrix(2 * inner, width))
        b.op(Op.GLU, gated, gated, at(gated, inner), p=(Activation.SILU, inner))
        b.linear(x, gated, b.matrix(width, inner), residual=x)
    b.op(Op.POOL, last, x, p=(Pool.GATHER, width))
    b.op(Op.NORM, last, last, w=(b.noise(width, 1),), p=(Norm.RMS, eps, 1))
    b.linear(logits, last, tokens)
    return b.made(logits, vocab=vocab, positions=positions, cache=(2, kv_heads, head_dim))
