"""Each operation, in every variant, against numpy."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from extbuild.compile.program import Activation, Norm, Op, Operand, Pool, Rows
from extbuild.engine.codes import EngineError
from extbuild.engine.host import EngineModel, RunLimits
from tests.unit.engine.programs import Builder, Made, at
from tests.unit.engine.reference import Reference, assert_close

VOCAB = 30
BATCHES = ([[3]], [[1, 2, 3, 29], [5], [7, 8]], [[0] * 17, list(range(20))])
LIMITS = RunLimits(max_tokens=64, max_sequences=4)
EPS = 1e-6

Body = Callable[[Builder, Operand, Operand], Operand]


def encoder(width: int, body: Body, *, scale: float = 1) -> Made:
    """Two embeddings of the tokens, and what ``body`` makes of them."""
    b = Builder()
    x, y = b.slot(width), b.slot(width)
    b.op(Op.EMBED, x, w=(b.matrix(VOCAB, width, scale), b.matrix(64, width, scale)))
    b.op(Op.EMBED, y, w=(b.matrix(VOCAB, width, scale),))
    return b.made(body(b, x, y), vocab=VOCAB)


def embedded(b: Builder, x: Operand, y: Operand) -> Operand:
    return x


def norm(kind: Norm, groups: int, width: int, *, bias: bool = False, inside: bool = False) -> Body:
    def body(b: Builder, x: Operand, y: Operand) -> Operand:
        cols = width // groups
        if kind == Norm.L2:
            w, p = [], (kind, EPS, groups, cols)
        else:
            w = [b.noise(cols, 1), *([b.noise(cols)] if bias else [])]
            p = (kind, EPS, groups, 0)
        return b.op(Op.NORM, x if inside else b.slot(width), x, w=w, p=p)

    return body


def linear(rows: int, cols: int, activation: Activation, *, residual: bool) -> Body:
    def body(b: Builder, x: Operand, y: Operand) -> Operand:
        out, w = b.slot(rows + 2), b.matrix(rows, cols)
        extra = at(y, 1) if residual else Operand()
        b.op(Op.EMBED, out, w=(b.matrix(VOCAB, rows + 2),))
        bias = b.noise(rows)
        return b.linear(at(out, 1), at(x, 2), w, bias, activation=activation, residual=extra)

    return body


def in_place_residual(b: Builder, x: Operand, y: Operand) -> Operand:
    return b.linear(x, y, b.matrix(20, 20), residual=x)


def glu(activation: Activation, dst: str) -> Body:
    def body(b: Builder, x: Operand, y: Operand) -> Operand:
        out = {"a": x, "b": y, "new": b.slot(300)}[dst]
        b.op(Op.EMBED, out, w=(b.matrix(VOCAB, 300, 1),))
        b.op(Op.GLU, out, x, y, p=(activation, 299))
        return out

    return body


def add(b: Builder, x: Operand, y: Operand) -> Operand:
    return b.op(Op.ADD, x, at(x, 0), y, p=(19,))


def activate(activation: Activation) -> Body:
    def body(b: Builder, x: Operand, y: Operand) -> Operand:
        return b.op(Op.ACTIVATE, b.slot(19), x, p=(activation, 19))

    return body


def pool(kind: Pool) -> Body:
    def body(b: Builder, x: Operand, y: Operand) -> Operand:
        return b.op(Op.POOL, b.slot(17, Rows.SEQUENCES), at(x, 2), p=(kind, 17))

    return body


def rope(rotary: int, factor: float) -> Body:
    def body(b: Builder, x: Operand, y: Operand) -> Operand:
        frequencies = b.vector(100.0 ** (-np.arange(rotary // 2) / rotary))
        part = at(x, 3)
        return b.op(Op.ROPE, part, part, w=(frequencies,), p=(3, 12, rotary, factor))

    return body


def attention(heads: int, kv_heads: int, head_dim: int) -> Body:
    def body(b: Builder, x: Operand, y: Operand) -> Operand:
        q, kv = heads * head_dim, kv_heads * head_dim
        out = b.slot(q)
        shape = (heads, kv_heads, head_dim, head_dim**-0.5, 0)
        return b.op(Op.ATTENTION, out, x, y, at(y, kv), p=shape)

    return body


CASES: dict[str, Made] = {
    "embedding": encoder(19, embedded),
    "layer norm": encoder(21, norm(Norm.LAYER, 1, 21, bias=True)),
    "layer norm in place, in groups": encoder(24, norm(Norm.LAYER, 3, 24, inside=True)),
    "rms norm": encoder(16, norm(Norm.RMS, 1, 16)),
    "rms norm in groups with bias": encoder(30, norm(Norm.RMS, 5, 30, bias=True)),
    "l2 norm": encoder(22, norm(Norm.L2, 2, 22)),
    "linear": encoder(24, linear(9, 20, Activation.NONE, residual=False)),
    "linear, relu, residual": encoder(24, linear(21, 17, Activation.RELU, residual=True)),
    "linear onto its own residual": encoder(20, in_place_residual),
    "gated unit": encoder(300, glu(Activation.SILU, "new")),
    "gated unit into a": encoder(300, glu(Activation.GELU_TANH, "a")),
    "gated unit into b": encoder(300, glu(Activation.SIGMOID, "b")),
    "sum": encoder(20, add),
    "first token": encoder(20, pool(Pool.FIRST)),
    "mean of tokens": encoder(20, pool(Pool.MEAN)),
    "rotary positions": encoder(40, rope(12, 1.0)),
    "rotary positions of a part": encoder(40, rope(6, 1.25)),
    "attention": encoder(48, attention(3, 3, 8)),
    "attention with wide heads": encoder(128, attention(2, 1, 64)),
    "attention with shared keys": encoder(100, attention(5, 1, 20)),
    "attention with groups of 20": encoder(80, attention(20, 1, 4)),
    **{f"activation {one.name}": encoder(19, activate(one), scale=3) for one in Activation},
}


@pytest.mark.parametrize("case", CASES)
def test_an_operation_agrees_with_numpy(case: str, module: bytes) -> None:
    made = CASES[case]
    model = made.open(module, LIMITS)
    for rows in BATCHES:
        assert_close(model.run(rows), Reference(made).run(rows))


@pytest.mark.parametrize("case", CASES)
def test_no_operation_makes_numbers_of_nan(case: str, module: bytes) -> None:
    made = CASES[case]
    blob = bytearray(made.blob)
    for table in made.program.weights:
        if table.rows == VOCAB:
            values = np.frombuffer(blob, "<f4", -(-VOCAB // 8) * 8 * table.cols, table.data_offset)
            values.reshape(-1, table.cols, 8)[0, :, 3] = np.nan  # token 3
    model = replace(made, blob=bytes(blob)).open(module, LIMITS)
    assert np.isfinite(model.run([[1, 2]])).all()
    with pytest.raises(EngineError, match="NOT_FINITE"):
        model.run([[3]])


def test_long_sequences_are_attended_in_chunks(module: bytes) -> None:
    b = Builder()
    x = b.slot(12 * 3)
    b.op(Op.EMBED, x, w=(b.matrix(VOCAB, 36, 2), b.matrix(700, 36, 2)))
    out = b.op(Op.ATTENTION, b.slot(12), x, at(x, 12), at(x, 24), p=(1, 1, 12, 0.4, 0))
    made = b.made(out, vocab=VOCAB, positions=700)
    rows = [b.rng.integers(0, VOCAB, count).tolist() for count in (129, 640, 128, 1)]
    model = made.open(module, RunLimits(max_tokens=1000, max_sequences=4))
    assert_close(model.run(rows), Reference(made).run(rows))


def test_large_scores_do_not_overflow(module: bytes) -> None:
    made = encoder(24, attention(1, 1, 8), scale=60)
    found = made.open(module, LIMITS).run(BATCHES[1])
    assert_close(found, Reference(made).run(BATCHES[1]), 1e-4)


def test_a_sequence_is_the_same_alone_and_in_a_batch(module: bytes) -> None:
    model: EngineModel = CASES["attention"].open(module, LIMITS)
    batch = model.run([[4, 5, 6], [9], [4, 5, 6]])
    alone = model.run([[4, 5, 6]])
    assert np.array_equal(batch[:3], alone)
    assert np.array_equal(batch[4:], alone)


LARGEST = 2.0**20
"""Rotary angles from here on are not reduced exactly: the engine refuses them."""


def turned(frequencies: list[float]) -> Made:
    """Tokens turned by position times these frequencies."""
    b = Builder()
    x = b.slot(2 * len(frequencies))
    b.op(Op.EMBED, x, w=(b.matrix(VOCAB, 2 * len(frequencies), 1),))
    shape = (1, 2 * len(frequencies), 2 * len(frequencies), 1.0)
    b.op(Op.ROPE, x, x, w=(b.vector(frequencies),), p=shape)
    return b.made(x, vocab=VOCAB, positions=1 << 20)


def test_large_angles_are_reduced_exactly(module: bytes) -> None:
    made = turned([1.0, -37.7, 255.9, 256.24])
    rows = [[index % VOCAB for index in range(4092)]]
    found = made.open(module, RunLimits(max_tokens=4092)).run(rows)
    assert LARGEST > 4091 * 256.24
    assert_close(found, Reference(made).run(rows), 2e-7)


@pytest.mark.parametrize("frequency", [LARGEST, -LARGEST, 3e38, np.inf, np.nan])
def test_angles_that_cannot_be_reduced_are_refused(module: bytes, frequency: float) -> None:
    model = turned([1.0, 123.75]).with_value(123.75, frequency).open(module, LIMITS)
    with pytest.raises(EngineError, match="NOT_FINITE"):
        model.run([[1, 2]])


@pytest.mark.parametrize("kind", Norm)
def test_squares_that_overflow_are_refused(module: bytes, kind: Norm) -> None:
    """Else they would make the row zero, which looks like a result."""
    rows = [[1, 2], [3]]
    sane, huge = (encoder(24, norm(kind, 1, 24), scale=scale) for scale in (1e15, 1e22))
    assert_close(sane.open(module, LIMITS).run(rows), Reference(sane).run(rows))
    with pytest.raises(EngineError, match="NOT_FINITE"):
        huge.open(module, LIMITS).run(rows)
