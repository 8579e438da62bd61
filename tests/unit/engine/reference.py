"""The operations of a Program in numpy, float64: written from PROGRAM.md, not from the C code."""

import struct
from collections.abc import Sequence
from math import erf

import numpy as np
import numpy.typing as npt

from extbuild.compile.program import (
    NONE,
    Activation,
    Kind,
    Norm,
    Op,
    Operand,
    Operation,
    Pool,
    Rows,
)
from tests.unit.engine.programs import Float64, Made

_ERF = np.vectorize(erf, otypes=[np.float64])


def activated(x: Float64, activation: int) -> Float64:
    match activation:
        case Activation.GELU_ERF:
            return x / 2 * (1 + _ERF(x / np.sqrt(2)))
        case Activation.GELU_TANH:
            return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        case Activation.SILU:
            return x / (1 + np.exp(-x))
        case Activation.RELU:
            return np.maximum(x, 0)
        case Activation.TANH:
            return np.tanh(x)
        case Activation.SIGMOID:
            return 1 / (1 + np.exp(-x))
    return x


def softmax(x: Float64) -> Float64:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    whole: Float64 = e / e.sum(axis=-1, keepdims=True)
    return whole


def _float(word: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", word))[0])


def rounded(x: Float64) -> Float64:
    """As an int8 cache keeps it: 127 steps of the greatest magnitude of a token and head."""
    scale = np.abs(x).max(-1, keepdims=True) / 127
    return np.asarray(np.rint(x / np.where(scale == 0, 1, scale)) * scale)


class Reference:
    """Runs a Program like the engine; ``caches[stream][layer]`` are keys and values so far."""

    def __init__(self, made: Made, streams: int = 0, *, int8: bool = False) -> None:
        self.program, self._dense = made.program, made.dense
        self._kept = rounded if int8 else np.asarray
        empty = np.zeros((0, self.program.kv_heads, self.program.head_dim))
        self.caches = [[(empty, empty)] * self.program.layers for _ in range(streams)]

    def rewind(self, keep: int, stream: int = 0) -> None:
        self.caches[stream] = [(k[:keep], v[:keep]) for k, v in self.caches[stream]]

    def fork(self, source: int, target: int) -> None:
        self.caches[target] = list(self.caches[source])

    def run(
        self,
        rows: Sequence[Sequence[int]],
        *,
        streams: Sequence[int] = (),
        wanted: Sequence[int] = (),
    ) -> Float64:
        self._rows, self._streams = rows, streams
        lengths = [len(row) for row in rows]
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self._wanted = np.array(wanted or self._starts[1:] - 1, int)
        decoder = self.program.kind == Kind.DECODER
        cached = [len(self.caches[s][0][0]) for s in streams] if decoder else [0] * len(rows)
        self._positions = np.concatenate(
            [np.arange(first, first + n) for first, n in zip(cached, lengths, strict=True)]
        )
        counts = {
            Rows.TOKENS: sum(lengths),
            Rows.SEQUENCES: len(rows),
            Rows.OUTPUTS: len(self._wanted),
        }
        self._slots = [np.full((counts[s.rows], s.width), np.nan) for s in self.program.slots]
        for one in self.program.operations:
            result = self._result(one)
            end = one.dst.column + result.shape[1]
            self._slots[one.dst.slot][:, one.dst.column : end] = result
        return self._slots[self.program.output]

    def _read(self, operand: Operand, width: int) -> Float64:
        return self._slots[operand.slot][:, operand.column : operand.column + width].copy()

    def _result(self, one: Operation) -> Float64:
        w = self._dense[one.w0] if one.w0 != NONE else np.ones(0)
        match one.op:
            case Op.EMBED:
                ids = [index for row in self._rows for index in row]
                places = self._dense[one.w1][self._positions + one.p[0]] if one.w1 != NONE else 0
                return np.asarray(w[ids] + places)
            case Op.LINEAR:
                y = self._read(one.a, w.shape[1]) @ w.T
                y = activated(y + (self._dense[one.w1] if one.w1 != NONE else 0), one.p[0])
                return y + self._read(one.b, len(w)) if one.b.slot != NONE else y
            case Op.NORM:
                return self._norm(one)
            case Op.ROPE:
                return self._rope(one)
            case Op.ATTENTION:
                return self._attention(one)
            case Op.GLU:
                gate = activated(self._read(one.a, one.p[1]), one.p[0])
                return np.asarray(gate * self._read(one.b, one.p[1]))
            case Op.POOL:
                return self._pool(one)
            case Op.ADD:
                return self._read(one.a, one.p[0]) + self._read(one.b, one.p[0])
            case Op.ACTIVATE:
                return activated(self._read(one.a, one.p[1]), one.p[0])

    def _norm(self, one: Operation) -> Float64:
        kind, groups = one.p[0], one.p[2]
        eps = _float(one.p[1])
        cols = one.p[3] if kind == Norm.L2 else self._dense[one.w0].shape[1]
        x = self._read(one.a, cols * groups).reshape(-1, groups, cols)
        if kind == Norm.L2:
            y = x / np.maximum(np.sqrt((x**2).sum(-1, keepdims=True)), eps)
        else:
            middle = x.mean(-1, keepdims=True) if kind == Norm.LAYER else 0
            around = x - middle
            y = around / np.sqrt((around**2).mean(-1, keepdims=True) + eps) * self._dense[one.w0]
            y = y + (self._dense[one.w1] if one.w1 != NONE else 0)
        return np.asarray(y).reshape(len(x), groups * cols)

    def _rope(self, one: Operation) -> Float64:
        heads, head_dim, rotary, factor, _ = one.p
        x = self._read(one.a, heads * head_dim).reshape(-1, heads, head_dim)
        angles = (self._positions[:, None] * self._dense[one.w0]).astype(np.float32)
        turn = np.exp(1j * angles.astype(np.float64))[:, None] * _float(factor)
        half = rotary // 2
        turned = (x[..., :half] + 1j * x[..., half:rotary]) * turn
        whole = np.concatenate([turned.real, turned.imag, x[..., rotary:]], -1)
        return np.asarray(whole).reshape(len(x), -1)

    def _attention(self, one: Operation) -> Float64:
        heads, kv_heads, head_dim, scale, layer = one.p
        q = self._read(one.a, heads * head_dim).reshape(-1, heads, head_dim)
        k = self._read(one.b, kv_heads * head_dim).reshape(-1, kv_heads, head_dim)
        v = self._read(one.c, kv_heads * head_dim).reshape(-1, kv_heads, head_dim)
        out = np.empty_like(q)
        for s in range(len(self._rows)):
            here = slice(self._starts[s], self._starts[s + 1])
            keys, values = k[here], v[here]
            if self.program.kind == Kind.DECODER:
                layers = self.caches[self._streams[s]]
                keys = np.concatenate([layers[layer][0], self._kept(keys)])
                values = np.concatenate([layers[layer][1], self._kept(values)])
                layers[layer] = (keys, values)
            group = heads // kv_heads
            keys, values = np.repeat(keys, group, 1), np.repeat(values, group, 1)
            scores = np.einsum("qhd,khd->hqk", q[here], keys) * _float(scale)
            if self.program.kind == Kind.DECODER:
                hidden = np.arange(len(keys)) > self._positions[here][:, None]
                scores[:, hidden] = -np.inf
            out[here] = np.einsum("hqk,khd->qhd", softmax(scores), values)
        return out.reshape(len(q), -1)

    def _pool(self, one: Operation) -> Float64:
        x = self._read(one.a, one.p[1])
        if one.p[0] == Pool.GATHER:
            return x[self._wanted]
        spans = list(zip(self._starts[:-1], self._starts[1:], strict=True))
        if one.p[0] == Pool.FIRST:
            return x[self._starts[:-1]]
        return np.stack([x[first:end].mean(0) for first, end in spans])


def assert_close(found: npt.ArrayLike, wanted: npt.ArrayLike, tolerance: float = 2e-5) -> None:
    """Every difference is at most ``tolerance`` of the greatest magnitude that is wanted."""
    expected = np.asarray(wanted, np.float64)
    spread = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=tolerance * spread)
