"""Whole tiny models against numpy: batches, caches, rewinding, forking, and what a run refuses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from extbuild.bundle.engine import Build
from extbuild.compile.layouts import pack_float
from extbuild.compile.program import DType, Op, Pool, Rows
from extbuild.engine.codes import Code, EngineError, Mode
from extbuild.engine.host import EngineModel, RunLimits
from tests.unit.engine.programs import Builder, Made, tiny_bert, tiny_llama
from tests.unit.engine.reference import Reference, assert_close

LIMITS = RunLimits(max_tokens=160, max_sequences=4, max_outputs=40, streams=4, cache_tokens=300)
ENCODER = RunLimits(max_tokens=200, max_sequences=32)
LLAMA = tiny_llama()
BERT = tiny_bert()
RNG = np.random.default_rng(11)


def ids(count: int, vocab: int = 40) -> list[int]:
    return [int(x) for x in RNG.integers(0, vocab, count)]


TEXT = ids(280)


@pytest.mark.parametrize("pool", [Pool.FIRST, Pool.MEAN])
def test_an_encoder_runs_ragged_batches(module: bytes, pool: Pool) -> None:
    made = tiny_bert(pool=pool)
    model, reference = made.open(module, ENCODER), Reference(made)
    for lengths in ([1], [64], [7, 1, 30, 12], [6] * 32):
        rows = [ids(n) for n in lengths]
        found = model.run(rows)
        assert found.shape == (len(rows), 3)
        assert_close(found, reference.run(rows))


@pytest.mark.parametrize(("heads", "kv_heads"), [(6, 2), (4, 4), (5, 1)])
def test_a_decoder_continues_its_cache(module: bytes, heads: int, kv_heads: int) -> None:
    made = tiny_llama(heads=heads, kv_heads=kv_heads)
    model, reference = made.open(module, LIMITS), Reference(made, streams=4)
    done = 0
    for count in (5, 1, 1, 150, 17, 1, 1):
        rows = [TEXT[done : done + count]]
        assert_close(model.run(rows, streams=[0]), reference.run(rows, streams=[0]))
        done += count
        assert model.cached() == done


def test_streams_of_one_batch_do_not_mix(module: bytes) -> None:
    model, reference = LLAMA.open(module, LIMITS), Reference(LLAMA, streams=4)
    for streams, lengths in (([2, 0], [9, 3]), ([0, 1, 2, 3], [1, 40, 1, 2]), ([3, 2], [1, 1])):
        rows = [ids(n) for n in lengths]
        found = model.run(rows, streams=streams)
        assert_close(found, reference.run(rows, streams=streams))


def test_wanted_rows_are_any_tokens_in_any_order(module: bytes) -> None:
    model, reference = LLAMA.open(module, LIMITS), Reference(LLAMA, streams=4)
    rows, wanted = [TEXT[:6], TEXT[6:10]], [9, 0, 5, 5]
    found = model.run(rows, streams=[1, 0], wanted=wanted)
    assert_close(found, reference.run(rows, streams=[1, 0], wanted=wanted))


def test_a_rewound_stream_goes_on_from_what_it_kept(module: bytes) -> None:
    model, reference = LLAMA.open(module, LIMITS), Reference(LLAMA, streams=4)
    for rows, keep in (([TEXT[:20]], 12), ([TEXT[30:40]], 0), ([TEXT[7:9]], 1), ([[1]], 2)):
        assert_close(model.run(rows, streams=[0]), reference.run(rows, streams=[0]))
        model.rewind(keep)
        reference.rewind(keep)
        assert model.cached() == keep


@pytest.mark.parametrize("int8", [False, True])
def test_a_forked_stream_is_independent(module: bytes, int8: bool) -> None:
    limits = RunLimits(64, 2, 2, streams=2, cache_tokens=64, cache_int8=int8)
    model = LLAMA.open(module, limits)
    model.run([TEXT[:20]], streams=[0])
    model.fork(0, 1)
    model.run([TEXT[20:25]], streams=[1])
    assert (model.cached(0), model.cached(1)) == (20, 25)
    fresh = LLAMA.open(module, limits)
    fresh.run([TEXT[:20]], streams=[0])
    fresh.run([TEXT[20:25]], streams=[0])
    forked, whole = model.run([[3]], streams=[1]), fresh.run([[3]], streams=[0])
    assert np.array_equal(forked, whole)
    other = model.run([[3]], streams=[0])
    assert not np.array_equal(other, forked)


@pytest.mark.parametrize("head_dim", [4, 8, 12, 64])
def test_an_int8_cache_keeps_rounded_keys_and_values(module: bytes, head_dim: int) -> None:
    made = tiny_llama(head_dim=head_dim)
    model = made.open(module, RunLimits(160, 1, 40, 1, 300, cache_int8=True))
    assert model.cache_bytes == 2 * 2 * 300 * 2 * (head_dim + 4)
    rough, exact = Reference(made, streams=1, int8=True), Reference(made, streams=1)
    for rows in ([TEXT[:140]], [TEXT[140:141]], [TEXT[141:160]]):
        found, wanted = model.run(rows, streams=[0]), rough.run(rows, streams=[0])
        # A value halfway between two steps may be rounded to the other one.
        assert_close(found, wanted, 3e-3)
        lost = np.abs(wanted - exact.run(rows, streams=[0])).max()
        assert np.abs(found - wanted).max() < lost / 3


def test_prefill_and_single_steps_agree(module: bytes) -> None:
    model = LLAMA.open(module, LIMITS)
    whole = model.run([TEXT[:40]], streams=[0], wanted=range(40))
    steps = [model.run([[index]], streams=[1])[0] for index in TEXT[:40]]
    assert_close(np.stack(steps), whole, 1e-5)


REFUSED: dict[str, tuple[Callable[[EngineModel], object], Code]] = {
    "an id beyond the vocabulary": (lambda m: m.run([[50]], streams=[0]), Code.BAD_ID),
    "an empty sequence": (lambda m: m.run([[1], []], streams=[0, 1]), Code.BAD_LENGTH),
    "a stream that is not there": (lambda m: m.run([[1]], streams=[4]), Code.BAD_STREAM),
    "a stream twice": (lambda m: m.run([[1], [2]], streams=[1, 1]), Code.BAD_STREAM),
    "a wanted row beyond the run": (
        lambda m: m.run([[1]], streams=[0], wanted=[1]),
        Code.BAD_OUTPUT,
    ),
    "more than the cache holds": (lambda m: m.run([TEXT[:14]], streams=[0]), Code.CACHE_FULL),
    "rewinding forwards": (lambda m: m.rewind(5), Code.BAD_ARGUMENT),
    "rewinding no stream": (lambda m: m.rewind(0, 9), Code.BAD_STREAM),
    "forking to no stream": (lambda m: m.fork(0, 4), Code.BAD_STREAM),
    "steps from nothing": (lambda m: m.generate(Mode.GREEDY, 3), Code.BAD_ARGUMENT),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_call_changes_nothing(case: str, module: bytes) -> None:
    model = LLAMA.open(module, RunLimits(64, 4, 4, streams=4, cache_tokens=16))
    model.run([TEXT[:4]], streams=[0])
    model.rewind(3)
    call, code = REFUSED[case]
    with pytest.raises(EngineError) as refused:
        call(model)
    assert refused.value.code == code
    assert [model.cached(s) for s in range(4)] == [3, 0, 0, 0]


def test_positions_beyond_the_models_are_refused(module: bytes) -> None:
    model = tiny_llama(positions=20).open(module, LIMITS)
    model.run([TEXT[:20]], streams=[0])
    with pytest.raises(EngineError, match="TOO_LONG"):
        model.run([[1]], streams=[0])
    with pytest.raises(EngineError, match="TOO_LONG"):
        BERT.open(module, ENCODER).run([TEXT[:65]])


def test_an_infinite_result_is_refused_and_appends_nothing(module: bytes) -> None:
    norm = LLAMA.program.weights[-1]
    assert norm.dtype == DType.VECTOR
    blob = bytearray(LLAMA.blob)
    huge = np.full(norm.cols, 3e38, "<f4").tobytes()
    blob[norm.data_offset : norm.data_offset + norm.data_bytes] = huge
    model = replace(LLAMA, blob=bytes(blob)).open(module, LIMITS)
    with pytest.raises(EngineError, match="NOT_FINITE"):
        model.run([TEXT[:3]], streams=[0])
    assert model.cached() == 0


MARK = 12345.75


def one_layer(keys: Sequence[float], values: Sequence[float]) -> Made:
    """A decoder of attention alone; ``keys`` and ``values`` are those of token 1, 2 has zeros."""
    b = Builder()
    q, k, v = b.slot(8), b.slot(8), b.slot(8)
    mixed, out = b.slot(8), b.slot(8, Rows.OUTPUTS)
    b.op(Op.EMBED, q, w=(b.matrix(4, 8),))
    for slot, mine in ((k, keys), (v, values)):
        table = b.rng.normal(0, 1, (4, 8)).astype(np.float32)
        table[1], table[2] = mine, 0
        b.op(Op.EMBED, slot, w=(b.pack(pack_float(table)),))
    b.op(Op.ATTENTION, mixed, q, k, v, p=(1, 1, 8, 1.0, 0))
    b.op(Op.POOL, out, mixed, p=(Pool.GATHER, 8))
    return b.made(out, vocab=4, cache=(1, 1, 8))


@pytest.mark.parametrize("int8", [False, True])
def test_keys_and_values_of_zeros_stay_zeros(module: bytes, int8: bool) -> None:
    made = one_layer([0] * 8, [1] * 8)
    model = made.open(module, RunLimits(16, 1, 16, 1, 16, cache_int8=int8))
    reference = Reference(made, streams=1, int8=int8)
    for row in ([2], [1, 2, 0, 3, 1], [2]):
        assert_close(model.run([row], streams=[0]), reference.run([row], streams=[0]))


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize(
    ("where", "wrong"),
    [("keys", np.nan), ("values", np.nan), ("values", np.inf), ("values", -np.inf)],
)
def test_a_cache_hides_nothing_infinite(
    module: bytes, int8: bool, where: str, wrong: float
) -> None:
    parts = {"keys": [0.5] * 8, "values": [0.5] * 8}
    parts[where][5] = MARK
    made = one_layer(**parts).with_value(MARK, wrong)
    model = made.open(module, RunLimits(16, 1, 16, 1, 16, cache_int8=int8))
    model.run([[0, 2]], streams=[0])
    with pytest.raises(EngineError, match="NOT_FINITE"):
        model.run([[3, 1, 2]], streams=[0])
    assert model.cached() == 2


def test_no_guard_is_broken(modules: Mapping[Build, bytes]) -> None:
    model = LLAMA.open(modules["debug"], LIMITS)
    model.run([TEXT[:150], [1], [2, 3], TEXT[:7]], streams=[3, 2, 1, 0], wanted=[3] * 40)
    assert model.guards_broken == 0
    small = BERT.open(modules["debug"], RunLimits(max_tokens=1))
    small.run([[1]])
    assert small.guards_broken == 0
