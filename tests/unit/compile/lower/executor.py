"""A Program run in numpy, operation by operation: slow, plain, and independent of the engine.

Slots keep what was written to them before, as in the engine, so that a value that was placed where
something still needed lies gives wrong numbers here too.
"""

import struct
from dataclasses import dataclass, field
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

from extbuild.compile.layouts import Packed, unpack
from extbuild.compile.program import (
    NONE,
    Activation,
    DType,
    Kind,
    Norm,
    Operand,
    Operation,
    Pool,
    Program,
    Rows,
)

Floats = NDArray[np.float64]


@dataclass
class Executor:
    """``cache`` holds keys and values of each layer, for the one text of a decoder."""

    program: Program
    weights: bytes
    cache: dict[int, tuple[Floats, Floats]] = field(default_factory=dict)
    past: int = 0

    def encode(self, rows: list[list[int]]) -> Floats:
        """One result per text; texts lie one after the other, without padding."""
        assert self.program.kind is Kind.ENCODER
        return self._run(rows, [])

    def decode(self, ids: list[int], wanted: list[int]) -> Floats:
        """Append tokens; results after the wanted ones."""
        assert self.program.kind is Kind.DECODER
        result = self._run([ids], wanted)
        self.past += len(ids)
        return result

    def matrix(self, index: int) -> Floats:
        weight = self.program.weights[index]

        def part(offset: int, size: int) -> bytes:
            assert offset % 64 == 0
            return self.weights[offset : offset + size]

        return unpack(
            Packed(
                weight.dtype,
                weight.rows,
                weight.cols,
                weight.block,
                weight.flags,
                part(weight.data_offset, weight.data_bytes),
                part(weight.scale_offset, weight.scale_bytes),
                part(weight.zero_offset, weight.zero_bytes),
            )
        ).astype(np.float64)

    def _run(self, rows: list[list[int]], wanted: list[int]) -> Floats:
        self.ids = [token for row in rows for token in row]
        self.lengths = [len(row) for row in rows]
        self.wanted = wanted
        counts = {
            Rows.TOKENS: len(self.ids),
            Rows.SEQUENCES: len(rows),
            Rows.OUTPUTS: len(wanted),
        }
        self.slots = [
            np.full((counts[slot.rows], slot.width), np.nan) for slot in self.program.slots
        ]
        for operation in self.program.operations:
            getattr(self, f"_{operation.op.name.lower()}")(operation)
        return self.slots[self.program.output]

    def _get(self, at: Operand, width: int) -> Floats:
        found = self.slots[at.slot][:, at.column : at.column + width]
        assert found.shape[1] == width
        return found.copy()

    def _put(self, at: Operand, value: Floats) -> None:
        place = self.slots[at.slot][:, at.column : at.column + value.shape[1]]
        assert place.shape == value.shape
        place[:] = value

    def _embed(self, one: Operation) -> None:
        positions = [
            place + self.past + one.p[0] for length in self.lengths for place in range(length)
        ]
        value = self.matrix(one.w0)[self.ids]
        if one.w1 != NONE:
            value = value + self.matrix(one.w1)[positions]
        self._put(one.dst, value)

    def _linear(self, one: Operation) -> None:
        matrix = self.matrix(one.w0)
        x = self._get(one.a, matrix.shape[1])
        if self.program.weights[one.w0].dtype is DType.I8:
            peak = np.maximum(np.abs(x).max(axis=1, keepdims=True), 1e-30)
            x = np.rint(x / peak * 127) / 127 * peak
        y = x @ matrix.T
        if one.w1 != NONE:
            y = y + self.matrix(one.w1)
        y = activate(y, Activation(one.p[0]))
        if one.b.slot != NONE:
            y = y + self._get(one.b, y.shape[1])
        self._put(one.dst, y)

    def _norm(self, one: Operation) -> None:
        eps = float_of(one.p[1])
        if one.p[0] == Norm.L2:
            x = self._get(one.a, one.p[3])
            self._put(one.dst, x / np.maximum(np.sqrt((x**2).sum(axis=1, keepdims=True)), eps))
            return
        weight = self.matrix(one.w0)[0]
        whole = self._get(one.a, weight.size * one.p[2])
        x = whole.reshape(len(whole), one.p[2], weight.size)
        if one.p[0] == Norm.LAYER:
            x = x - x.mean(axis=2, keepdims=True)
        y = x / np.sqrt((x**2).mean(axis=2, keepdims=True) + eps) * weight
        if one.w1 != NONE:
            y = y + self.matrix(one.w1)[0]
        self._put(one.dst, y.reshape(whole.shape))

    def _rope(self, one: Operation) -> None:
        assert one.dst == one.a
        heads, head_dim, rotary = one.p[:3]
        x = self._get(one.a, heads * head_dim).reshape(-1, heads, head_dim)
        positions = np.concatenate([np.arange(length) + self.past for length in self.lengths])
        angle = positions[:, None, None] * self.matrix(one.w0)[0]
        cos, sin = np.cos(angle) * float_of(one.p[3]), np.sin(angle) * float_of(one.p[3])
        first, second = x[:, :, : rotary // 2].copy(), x[:, :, rotary // 2 : rotary].copy()
        x[:, :, : rotary // 2] = first * cos - second * sin
        x[:, :, rotary // 2 : rotary] = second * cos + first * sin
        self._put(one.dst, x.reshape(len(x), -1))

    def _attention(self, one: Operation) -> None:
        heads, kv_heads, head_dim, scale, layer = one.p
        q = self._get(one.a, heads * head_dim).reshape(-1, heads, head_dim)
        k = self._get(one.b, kv_heads * head_dim).reshape(-1, kv_heads, head_dim)
        v = self._get(one.c, kv_heads * head_dim).reshape(-1, kv_heads, head_dim)
        causal = self.program.kind is Kind.DECODER
        if causal:
            if layer in self.cache:
                k = np.concatenate([self.cache[layer][0], k])
                v = np.concatenate([self.cache[layer][1], v])
            self.cache[layer] = (k, v)
        result = np.zeros(q.shape)
        start = 0
        for length in self.lengths:
            rows = slice(start, start + length)
            keys = slice(0, len(k)) if causal else rows
            for head in range(heads):
                of = head // (heads // kv_heads)
                scores = q[rows, head] @ k[keys, of].T * float_of(scale)
                if causal:
                    later = np.arange(len(k))[None, :] > self.past + np.arange(length)[:, None]
                    scores[later] = -np.inf
                shares = np.exp(scores - scores.max(axis=1, keepdims=True))
                shares /= shares.sum(axis=1, keepdims=True)
                result[rows, head] = shares @ v[keys, of]
            start += length
        self._put(one.dst, result.reshape(len(q), -1))

    def _glu(self, one: Operation) -> None:
        gate = activate(self._get(one.a, one.p[1]), Activation(one.p[0]))
        self._put(one.dst, gate * self._get(one.b, one.p[1]))

    def _pool(self, one: Operation) -> None:
        x = self._get(one.a, one.p[1])
        if one.p[0] == Pool.GATHER:
            self._put(one.dst, x[self.wanted])
            return
        ends = np.cumsum(self.lengths)
        texts = [x[end - length : end] for end, length in zip(ends, self.lengths, strict=True)]
        first = one.p[0] == Pool.FIRST
        self._put(one.dst, np.stack([text[0] if first else text.mean(axis=0) for text in texts]))

    def _add(self, one: Operation) -> None:
        self._put(one.dst, self._get(one.a, one.p[0]) + self._get(one.b, one.p[0]))

    def _activate(self, one: Operation) -> None:
        self._put(one.dst, activate(self._get(one.a, one.p[1]), Activation(one.p[0])))


def float_of(word: int) -> float:
    return struct.unpack("<f", struct.pack("<I", word))[0]


def activate(x: Floats, activation: Activation) -> Floats:
    match activation:
        case Activation.NONE:
            return x
        case Activation.GELU_ERF:
            return 0.5 * x * (1 + np.vectorize(erf, otypes=[np.float64])(x / sqrt(2)))
        case Activation.GELU_TANH:
            return 0.5 * x * (1 + np.tanh(sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        case Activation.SILU:
            return x / (1 + np.exp(-x))
        case Activation.RELU:
            return np.maximum(x, 0)
        case Activation.TANH:
            return np.tanh(x)
        case Activation.SIGMOID:
            return 1 / (1 + np.exp(-x))
